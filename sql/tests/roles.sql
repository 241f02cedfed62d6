-- SPDX-License-Identifier: Apache-2.0
-- Who may do what.
begin;
\ir fixture.psql
select no_plan();
\set probes '[[0,25,2,7,0],[0,443,1,0,1]]'
select pg_temp.measure(a, current_date, :'probes') from generate_series(1, 6)
	as a \g /dev/null
select count(*) from periplus.aggregate() \g /dev/null

-- Only these tables and views may be read, by anybody but the owner.
create temporary table readable (role_name text, names text[]);
insert into readable values
	('periplus_collector', array['schema_version']),
	('periplus_aggregator', array['aggregation', 'asn', 'consent_class',
		'country', 'direction', 'geo_source', 'label', 'outcome', 'place',
		'port', 'port_rule', 'reflector', 'run_status', 'schema_version',
		'seen', 'setting', 'skip', 'transport', 'verdict', 'verdict_matrix',
		'void_reason', 'vote']),
	('researcher', array['aggregation', 'asn', 'consent_class',
		'country', 'direction', 'geo_source', 'label', 'outcome', 'place',
		'port', 'port_rule', 'probe', 'reflector', 'run_status',
		'schema_version', 'seen', 'setting', 'skip', 'transport', 'verdict',
		'verdict_matrix', 'void_reason', 'vote']);
select is((select array_agg(c.relname::text order by c.relname)
		from pg_class as c
		where c.relnamespace = 'periplus'::regnamespace
		and c.relkind in ('r', 'p', 'v', 'S')
		and (has_table_privilege(role_name, c.oid, 'select')
			or (c.relkind <> 'S'
				and has_any_column_privilege(role_name, c.oid, 'select')))),
	names, role_name || ' reads these and no other')
from readable;
select is_empty(format($$
	select c.relname from pg_class as c
	where c.relnamespace = 'periplus'::regnamespace
	and c.relkind in ('r', 'p', 'v')
	and (has_table_privilege(%1$L, c.oid,
			'update, delete, truncate, references, trigger')
		or has_any_column_privilege(%1$L, c.oid, 'update')
		or (has_any_column_privilege(%1$L, c.oid, 'insert')
			and (%1$L, c.relname) <> ('periplus_collector', 'run')))
	$$, role_name), role_name || ' writes to no table, but a collector adds runs')
from readable;
select is(has_schema_privilege(role_name, 'periplus', 'create'), false,
	role_name || ' makes nothing in the schema')
from readable;

-- What a researcher reads tells no line apart.
select is_empty($$
	select c.relname, a.attname from pg_class as c
	join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0
	where c.relnamespace = 'periplus'::regnamespace
	and c.relkind in ('r', 'p', 'v')
	and has_table_privilege('researcher', c.oid, 'select')
	and (a.attname in ('line', 'prefix', 'agent_id', 'path')
		or (a.attname = 'evidence' and c.relname <> 'port')
		or a.atttypid in ('inet'::regtype, 'cidr'::regtype))
	$$, 'no line, no agent and no prefix is in what a researcher may read');
select is(pg_temp.try_as('researcher', v.statement), v.result,
	format('researcher: %s: %s', v.statement, v.result))
from (values
	('select from periplus.probe', 'ok'),
	('select from periplus.verdict_matrix', 'ok'),
	('select periplus.jeffreys(3, 10)', 'ok'),
	('select from periplus.run', '42501'),
	('select from periplus.run_default', '42501'),
	('select from periplus.line_day', '42501'),
	('select from periplus.line_vote', '42501'),
	('select from periplus.agent', '42501'),
	('select periplus.aggregate()', '42501'),
	('select periplus.known_runs(''{}'', ''{}'', ''{}'')', '42501'),
	('insert into periplus.run default values', '42501'),
	('delete from periplus.verdict', '42501'),
	('update periplus.setting set value = 1', '42501'))
	as v (statement, result);
select ok(setconfig @> array['statement_timeout=60s',
	'default_transaction_read_only=on'], 'a researcher has a time limit')
from pg_db_role_setting where setrole = 'researcher'::regrole
and setdatabase = 0;

select is(pg_temp.try_as('periplus_aggregator', v.statement), v.result,
	format('aggregator: %s: %s', v.statement, v.result))
from (values
	('select periplus.aggregate()', 'ok'),
	('select from periplus.verdict_matrix', 'ok'),
	('select from periplus.run', '42501'),
	('select from periplus.line_day', '42501'),
	('delete from periplus.verdict', '42501'),
	('select periplus.judge_cells(null, current_date)', '42501'))
	as v (statement, result);

-- The collector: all that it needs, and nothing back.
select is(pg_temp.try_as('periplus_collector', v.statement), v.result,
	format('collector: %s: %s', v.statement, v.result))
from (values
	('select periplus.known_runs(''{}'', ''{}'', ''{}'')', 'ok'),
	('insert into periplus.run default values', '23502'),
	('select periplus.store_finish(''{}'', ''{}'', ''{}'', ''{}'', ''{}'',
		''{}'', ''{}'', ''{}'')', 'ok'),
	('select periplus.reflector_id(''x'')', 'ok'),
	('select periplus.geo_source_id(''x'', ''y'', 1)', 'ok'),
	('select max(version) from periplus.schema_version', 'ok'),
	('select from periplus.run', '42501'),
	('select from periplus.agent', '42501'),
	('select from periplus.line_day', '42501'),
	('select from periplus.verdict', '42501'),
	('select from periplus.probe', '42501'),
	('delete from periplus.run', '42501'),
	('update periplus.run set asn = 1', '42501'),
	('insert into periplus.run_default default values', '42501'),
	('insert into periplus.run default values returning line', '42501'),
	('insert into periplus.run_mark default values', '42501'),
	('select periplus.partitions_ahead(1)', '42501'),
	('select periplus.aggregate()', '42501'))
	as v (statement, result);

select * from finish();
rollback;
