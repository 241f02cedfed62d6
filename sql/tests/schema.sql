-- SPDX-License-Identifier: Apache-2.0
-- What must hold of the schema as a whole.
begin;
\ir fixture.psql
select no_plan();

-- Documentation.
select is_empty($$
	select c.relname from pg_class as c
	where c.relnamespace = 'periplus'::regnamespace
	and c.relkind in ('r', 'p', 'v', 'm', 'f')
	and obj_description(c.oid, 'pg_class') is null
	$$, 'every table, partition and view has a comment');
select is_empty($$
	select c.relname, a.attname from pg_class as c
	join pg_attribute as a on a.attrelid = c.oid
	where c.relnamespace = 'periplus'::regnamespace
	and c.relkind in ('r', 'p', 'v', 'm', 'f')
	and not c.relispartition
	and a.attnum > 0 and not a.attisdropped
	and col_description(c.oid, a.attnum) is null
	$$, 'every column has a comment');
select is_empty($$
	select p.oid::regprocedure from pg_proc as p
	where p.pronamespace = 'periplus'::regnamespace
	and obj_description(p.oid, 'pg_proc') is null
	$$, 'every function has a comment');
select is_empty($$
	select t.typname from pg_type as t
	where t.typnamespace = 'periplus'::regnamespace
	and t.typtype in ('d', 'e', 'r')
	and obj_description(t.oid, 'pg_type') is null
	$$, 'every type of our own has a comment');
select isnt(obj_description('periplus'::regnamespace, 'pg_namespace'), null,
	'the schema has a comment');

-- Safety.
select is_empty($$
	select p.oid::regprocedure from pg_proc as p
	where p.pronamespace = 'periplus'::regnamespace
	and p.prosqlbody is null
	and not coalesce(p.proconfig @> array['search_path=pg_catalog, pg_temp'],
		false)
	$$, 'every function pins its search path or is bound when created');
select is_empty($$
	select p.oid::regprocedure from pg_proc as p
	where p.pronamespace = 'periplus'::regnamespace
	and has_function_privilege('public', p.oid, 'execute')
	$$, 'no function may be called by everybody');
select is_empty($$
	select c.relname from pg_class as c
	where c.relnamespace = 'periplus'::regnamespace
	and pg_get_userbyid(c.relowner) <> 'periplus_owner'
	union all
	select p.oid::regprocedure::text from pg_proc as p
	where p.pronamespace = 'periplus'::regnamespace
	and pg_get_userbyid(p.proowner) <> 'periplus_owner'
	$$, 'everything belongs to periplus_owner');
select is_empty($$
	select rolname from pg_roles
	where rolname in ('periplus_owner', 'periplus_collector',
		'periplus_aggregator', 'researcher')
	and (rolsuper or rolreplication or rolbypassrls or rolcreatedb)
	$$, 'no role of ours has powers over the server');

-- What distribution needs.
create temporary table distributed (name regclass, key text);
insert into distributed values
	('periplus.run', 'agent_id'),
	('periplus.line_day', 'asn'),
	('periplus.verdict', 'asn');
select is_empty($$
	select i.indexrelid::regclass from pg_index as i
	join distributed as d on d.name = i.indrelid
	where i.indisunique and not exists (
		select from pg_attribute as a
		where a.attrelid = i.indrelid and a.attnum = any (i.indkey)
		and a.attname = d.key)
	$$, 'every unique key holds the column to distribute by');
select is_empty($$
	select c.conname from pg_constraint as c
	join distributed as d on d.name in (c.conrelid, c.confrelid)
	where c.contype = 'f'
	$$, 'distributed tables have no foreign keys');
select is_empty($$
	select t.tgname from pg_trigger as t
	join distributed as d on d.name = t.tgrelid
	where not t.tgisinternal
	$$, 'distributed tables have no triggers');

-- The collector copies into it column by column.
select columns_are('periplus', 'run', array['agent_id', 'started', 'run_id',
	'received', 'asn', 'country', 'line', 'prefix', 'family', 'reflector_id',
	'plan', 'classes', 'status', 'void_tcp', 'void_udp', 'clock_offset_ms',
	'duration_ms', 'agent_version', 'geo_source_id', 'probe_direction',
	'probe_transport', 'probe_port', 'probe_outcome', 'probe_rtt_us',
	'probe_attempts', 'probe_hop', 'probe_seen', 'probe_place', 'evidence',
	'path']);
select col_is_pk('periplus', 'run', array['agent_id', 'started', 'run_id'],
	'the key of a run comes whole from its agent');

-- Constraints on runs.
select throws_ok($$ select pg_temp.put(1, current_date, '[[0,25,2,7,0]]',
	family => 5, prefix => 1) $$, '23514', null, 'families are 4 and 6');
select throws_ok($$ select pg_temp.put(1, current_date, '[[0,25,2,7,0]]',
	status => 3) $$, '23514', null, 'a status has a code');
select pg_temp.put(1, current_date, '[[0,25,2,7,0]]') \g /dev/null
select throws_ok('update periplus.run set ' || a.attname || ' = ''{1,2}''',
	'23514', null, a.attname || ' is as long as the others')
from pg_attribute as a
where a.attrelid = 'periplus.run'::regclass and a.attname like 'probe\_%';
select throws_ok($$ update periplus.setting set value = 0
	where name = 'required_reflectors' $$, '23514', null,
	'settings stay in their range');

-- Seed.
select ok(count(*) > 100, 'the catalogue is filled') from periplus.port;
select is(count(*), 0::bigint, 'every port has what a person wants to know')
from periplus.port where application = '' or category = '' or reason = '';
select ok(count(*) between 250 and 260, 'the countries are there')
from periplus.country;

select * from finish();
rollback;
