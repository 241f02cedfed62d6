-- SPDX-License-Identifier: Apache-2.0
-- Storing: once each, wherever it belongs, and the lookups beside it.
begin;
\ir fixture.psql
select plan(28);
\set probes '[[0,25,2,7,0],[0,443,1,0,1]]'

select is(pg_temp.try_as('postgres', 'select periplus.store_batch()'), '55000',
	'without a stage nothing is stored, with a reason');

select ok(pg_temp.put(1, current_date, :'probes', run => 'a'),
	'a new run is stored');
select ok(not pg_temp.put(1, current_date, :'probes', run => 'a'),
	'the same run again is a duplicate');
select is(count(*), 1::bigint, 'and is there once') from periplus.run;
select ok(pg_temp.put(1, current_date, :'probes', run => 'b'),
	'another run of the same agent at the same time is new');
select ok(pg_temp.put(2, current_date, :'probes', run => 'a'),
	'so is one of another agent with the same id');
select is(count(*), 3::bigint, 'a duplicate leaves no mark')
from periplus.run_mark;

-- A batch with a duplicate of what is stored and one of itself.
insert into run_stage
select r.*, 'linux', 'arm64', 'Renamed'
from periplus.run as r where r.run_id = md5('a')::uuid;
insert into run_stage
select (jsonb_populate_record(s, jsonb_build_object(
	'run_id', md5(v.run)::uuid, 'started', s.started + interval '1 hour',
	'asn', v.asn, 'asn_name', v.name,
	'agent_version', '0.2.0'))).*
from run_stage as s
cross join (values ('c', 64501, ''), ('c', 64501, ''), ('d', 64502, 'B'))
	as v (run, asn, name)
where s.agent_id = pg_temp.agent(1);
create temporary table answer as select * from periplus.store_batch();
select is(count(*), 5::bigint, 'every row of the stage is answered')
from answer;
select is(count(*) filter (where stored), 2::bigint, 'two of them as new')
from answer;
select is(count(*) filter (where stored), 1::bigint,
	'of two equal rows one is stored and one a duplicate')
from answer where run_id = md5('c')::uuid;
select is(count(*), 5::bigint, 'and five runs are there') from periplus.run;
delete from run_stage;

select is(a.version || ' ' || a.arch, '0.2.0 arm64',
	'an agent''s program is that of its latest run')
from periplus.agent as a where a.agent_id = pg_temp.agent(1);
select is(a.name, v.name, format('provider %s is called "%s"', v.asn, v.name))
from (values (64500, 'Renamed'), (64501, ''), (64502, 'B')) as v (asn, name)
join periplus.asn as a on a.asn = v.asn;
select ok(pg_temp.put(3, current_date, :'probes', asn => 0),
	'a run of an unknown provider is stored');
select is(a.name, 'unknown', 'and does not name it')
from periplus.asn as a where a.asn = 0;

-- Partitions.
select ok(pg_temp.put(1, '2020-02-29', :'probes', run => 'old'),
	'a run of a week without a partition is stored');
select is(count(*), 1::bigint, 'in the default partition')
from periplus.run_default;
select ok(not pg_temp.put(1, '2020-02-29', :'probes', run => 'old'),
	'there, too, it is recognised');
delete from periplus.run_default;

select ok(pg_temp.put(1, current_date + 7 * 20, :'probes', run => 'ahead'),
	'so is one too far ahead');
select is(periplus.partitions_ahead(21), 21 - 8, 'partitions are made ahead');
select is(count(*), 0::bigint, 'which takes it out of the default partition')
from periplus.run_default;
select is(tableoid::regclass::text, to_char(started,
	'"periplus.run_"IYYY"w"IW'), 'into that of its week')
from periplus.run where run_id = md5('ahead')::uuid;
select is(periplus.partitions_ahead(21), 0, 'once is enough');

-- Numbers for names.
select is(periplus.reflector_id(''), 0::smallint, 'no name is number 0');
select ok(periplus.reflector_id('fra1') = periplus.reflector_id('fra1')
	and periplus.reflector_id('fra1') > 0
	and periplus.reflector_id('fra1') <> periplus.reflector_id('ams1'),
	'each reflector has one number');
select ok(periplus.geo_source_id('A', 'a.mmdb', 1)
	= periplus.geo_source_id('A', 'a.mmdb', 1)
	and periplus.geo_source_id('A', 'a.mmdb', 1)
	<> periplus.geo_source_id('A', 'a.mmdb', 2),
	'each build of an address database has one number');

select finish();
rollback;
