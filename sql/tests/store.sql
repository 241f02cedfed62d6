-- SPDX-License-Identifier: Apache-2.0
-- Storing: once each, wherever it belongs, and the lookups beside it.
begin;
\ir fixture.psql
select plan(28);
\set probes '[[0,25,2,7,0],[0,443,1,0,1]]'

select ok(pg_temp.put(1, current_date, :'probes', run => 'a'),
	'a new run is stored');
select ok(not pg_temp.put(1, current_date, :'probes', run => 'a'),
	'the same run again is known');
select is(count(*), 1::bigint, 'and is there once') from periplus.run;
select ok(pg_temp.put(1, current_date, :'probes', run => 'b'),
	'another run of the same agent at the same time is new');
select ok(pg_temp.put(2, current_date, :'probes', run => 'a'),
	'so is one of another agent with the same id');
select is(count(*), 3::bigint, 'a run that is known leaves no mark')
from periplus.run_mark;

-- Several at once.
select is(array_agg(k order by k), '{1,3,4}', 'known runs are told by position')
from periplus.known_runs(
	array[pg_temp.agent(1), pg_temp.agent(2), pg_temp.agent(2),
		pg_temp.agent(1), pg_temp.agent(1)],
	array_fill(current_date::timestamptz, array[4])
		|| (current_date + interval '1 microsecond'),
	array[md5('a'), md5('b'), md5('a'), md5('b'), md5('b')]::uuid[]) as k;
select is_empty($$ select periplus.known_runs('{}', '{}', '{}') $$,
	'of none none is known');
select throws_ok('insert into periplus.run select * from periplus.run',
	'23505', null, 'who does not ask is told by the key');

delete from periplus.run_mark;
select periplus.store_finish(
	array[current_date, current_date, current_date - 1, current_date],
	array[pg_temp.agent(1), pg_temp.agent(1), pg_temp.agent(1),
		pg_temp.agent(9)],
	array['0.3.0', '0.2.0', '0.2.0', '0.1.0'],
	array['linux', 'linux', 'linux', 'other'],
	array['x86_64', 'x86_64', 'arm64', 'arm64'],
	array[64500, 64501, 64502, 64502], array['Renamed', '', 'B', ''],
	array_fill(now(), array[4])) \g /dev/null
select is(array_agg(m.day || ' ' || cardinality(m.agents) order by m.day),
	array[current_date - 1 || ' 1', current_date || ' 2'],
	'each day is marked with its agents, once each')
from periplus.run_mark as m;
select is(a.version || ' ' || a.arch, '0.2.0 arm64',
	'an agent''s program is that of its last entry')
from periplus.agent as a where a.agent_id = pg_temp.agent(1);
select is(a.first_seen || ' ' || a.platform, now() || ' other',
	'an agent that was unknown is added')
from periplus.agent as a where a.agent_id = pg_temp.agent(9);
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
