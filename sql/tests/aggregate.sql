-- SPDX-License-Identifier: Apache-2.0
-- Working on what changed gives the same bytes as working on everything.
begin;
\ir fixture.psql
select no_plan();

select ok(runs_counted = 0 and cells_recomputed = 0, 'nothing makes nothing')
from periplus.aggregate(false, '2026-03-01');

create function pg_temp.all_bytes() returns text
language sql
as $$
	select md5(coalesce((select string_agg(d::text, chr(10) order by d::text)
			from periplus.line_day as d), '')
		|| coalesce((select string_agg(v::text, chr(10) order by v::text)
			from periplus.verdict as v), ''));
$$;

-- A random week: lines that move between providers, report late, void and
-- unproven runs, several runs a day.  The seed makes it repeatable.
create function pg_temp.random_runs(count integer, day date) returns void
language plpgsql
as $$
declare
	n integer;
begin
	for i in 1 .. count loop
		n := floor(random() * 30);
		perform pg_temp.put(n,
			day - (random() * random() * 6)::integer,
			(select jsonb_agg(jsonb_build_array(t, p, o,
				case when o = 1 then 0 else (array[4, 7, 7, 1])[1
					+ floor(random() * 4)] end, (o = 1)::integer))
			from generate_series(0, 1) as t,
			unnest(array[25, 445, 5060]) as p,
			lateral (select (array[1, 1, 1, 2, 2, 3, 6, 7, 9])[1
				+ floor(random() * 9 + p * 0)] as o) as x),
			1 + floor(random() * 2)::integer,
			64500 + n % 3 + (random() < 0.05)::integer,
			status => (array[0, 0, 0, 0, 0, 0, 1, 2])[1
				+ floor(random() * 8)],
			void_udp => (random() < 0.1)::integer,
			hour => floor(random() * 24)::integer);
	end loop;
end
$$;

\set seed 0.4711
select setseed(:seed) \g /dev/null
create temporary table step (n integer, day date, before text, after text,
	cells bigint);
do $$
declare
	found bigint;
	bytes text;
	today date;
begin
	for i in 1 .. 12 loop
		-- Two or three aggregations a day.
		today := date '2026-03-10' + i / 3;
		perform pg_temp.random_runs(40, today);
		select a.cells_recomputed into found
		from periplus.aggregate(false, today) as a;
		bytes := pg_temp.all_bytes();
		perform periplus.aggregate(true, today);
		insert into pg_temp.step
		values (i, today, bytes, pg_temp.all_bytes(), found);
	end loop;
end
$$;
select is(before, after, format(
	'step %s (seed %s): incremental and full give the same bytes', n, :seed))
from step order by n;
select ok(count(distinct after) = 12, 'each step changed something') from step;

-- Without the full recomputations in between, too.
select pg_temp.random_runs(60, '2026-03-14'),
	periplus.aggregate(false, '2026-03-14') from generate_series(1, 3)
\g /dev/null
select pg_temp.all_bytes() as bytes \gset
select periplus.aggregate(true, '2026-03-14') \g /dev/null
select is(:'bytes', pg_temp.all_bytes(), 'after several increments as well');

-- How much is done.
select ok(cells_recomputed = 0 and runs_counted = 0,
	'without new runs nothing is done')
from periplus.aggregate(false, '2026-03-14');
select pg_temp.put(1000, '2026-03-14', '[[0,25,2,7,0]]', 1, 65000) \g /dev/null
select ok(cells_recomputed = 1 and runs_counted = 1,
	'a new run costs its provider''s cells')
from periplus.aggregate(false, '2026-03-14');
select ok(cells_recomputed > 1 and runs_counted = 0,
	'another day costs all cells and no runs')
from periplus.aggregate(false, '2026-03-15');
select is(count(*), 0::bigint, 'no mark is left') from periplus.run_mark;
select is(as_of, date '2026-03-15', 'the day is on record')
from periplus.aggregation;
select is(count(*), 0::bigint, 'and with every verdict')
from periplus.verdict where as_of <> '2026-03-15' or rule_version <> 1;

-- A line that changes its provider takes its votes of that day along.
select pg_temp.put(1000, '2026-03-14', '[[0,25,2,7,0]]', 2, 65001) \g /dev/null
update periplus.run set asn = 65001
where agent_id = pg_temp.agent(1000) and reflector_id = 1;
select periplus.aggregate(false, '2026-03-15') \g /dev/null
select is(array_agg(asn), array[65001::bigint],
	'a provider without votes has no verdict')
from periplus.verdict where asn in (65000, 65001);

select is((periplus.aggregate()).cells_recomputed >= 0, true,
	'the day may be left out');
select is(as_of, (now() at time zone 'UTC')::date, 'it is then today, UTC')
from periplus.aggregation;

select * from finish();
rollback;
