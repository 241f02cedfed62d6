-- SPDX-License-Identifier: Apache-2.0
-- From counts to labels: the model's known answers, and each rule of judge().
begin;
\ir fixture.psql
select no_plan();

-- Known answers: least k for BLOCKED and greatest k for OPEN.
select is((b.blocked_from, b.open_to), (v.blocked, v.open),
	format('of %s lines %s make blocked and %s still open',
		v.n, v.blocked, v.open))
from (values (5, 5, 0), (10, 9, 2), (20, 17, 4), (50, 41, 12))
	as v (n, blocked, open)
cross join lateral periplus.bounds(v.n, 0.10, 0.95) as b;

-- Halving finds what trying every k finds.
select is(
	(b.blocked_from, b.open_to, b.partial_from, b.partial_to),
	(coalesce(min(k) filter (where c.blocked >= 0.95), n + 1),
		coalesce(max(k) filter (where c.open >= 0.95), -1),
		min(k) filter (where c.partial >= 0.95),
		max(k) filter (where c.partial >= 0.95)),
	format('bounds of %s lines with q1 %s are those of trying every k', n, q1))
from unnest(array[1, 2, 5, 6, 7, 13, 30, 44, 50, 99, 200]) as n
cross join unnest(array[0.95, 0.75]) as q1
cross join lateral generate_series(0, n) as k
cross join lateral periplus.claims(n, k, 0.10, q1) as c
cross join lateral periplus.bounds(n, 0.10, q1) as b
group by n, q1, b.blocked_from, b.open_to, b.partial_from, b.partial_to;

-- Each claim holds on one run of k, which halving relies on.
select is(count(*) filter (where c.partial >= 0.95)::integer,
	(b.partial_to - b.partial_from + 1),
	format('PARTIAL is claimed for one run of k of %s lines', n))
from unnest(array[50, 120, 300]) as n
cross join lateral generate_series(0, n) as k
cross join lateral periplus.claims(n, k, 0.10, 0.95) as c
cross join lateral periplus.bounds(n, 0.10, 0.95) as b
group by n, b.partial_from, b.partial_to;

select ok(b.blocked_from between 72000 and 73000
	and b.open_to between 29000 and 30000
	and b.partial_from between 43000 and 44000
	and b.partial_to between 69000 and 70000,
	'a hundred thousand lines are no trouble')
from periplus.bounds(100000, 0.10, 0.95) as b;

-- judge() with the bounds of 20 lines: blocked from 17, open to 4; for the
-- port's own rule blocked from 16.
create function pg_temp.judge(
	blocked integer, intercepted integer default 0,
	altered integer default 0, contradicted boolean default false,
	heard boolean default true)
returns text
language sql
as $$
	select concat_ws(' ', j.label, j.k, j.flip_margin)
	from periplus.judge(20, blocked, intercepted, altered, contradicted,
		heard, 16, 17, 4, 10, 12) as j;
$$;
select is(pg_temp.judge(20), 'blocked 20 5', 'all blocked');
select is(pg_temp.judge(16), 'blocked 16 1', 'the port''s own bound counts');
select is(pg_temp.judge(15), 'unclear 15 1', 'one less is unclear');
select is(pg_temp.judge(20, heard => false), 'insufficient 20 0',
	'too few lines or prefixes');
select is(pg_temp.judge(20, contradicted => true), 'unclear 20 8',
	'verified opens forbid blocked');
select is(pg_temp.judge(0, 18), 'intercepted 18 2', 'intercepted');
select is(pg_temp.judge(0, 16), 'unclear 16 1',
	'intercepted is judged by the usual bound');
select is(pg_temp.judge(0, 0, 17), 'altered 17 1', 'altered');
select is(pg_temp.judge(0, 18, contradicted => true), 'unclear 18 6',
	'verified opens forbid intercepted');
select is(pg_temp.judge(0), 'open 0 5', 'all open');
select is(pg_temp.judge(4), 'open 4 1', 'up to the bound');
select is(pg_temp.judge(2, 1, 1), 'open 4 1', 'open counts every other vote');
select is(pg_temp.judge(2, 2, 1), 'unclear 5 1', 'of any kind');
select is(pg_temp.judge(8), 'unclear 8 2', 'two more make partial');
select is(pg_temp.judge(11), 'partial 11 2', 'partial');
select is(pg_temp.judge(12), 'partial 12 1', 'at its end');
select is(pg_temp.judge(10, 10), 'unclear 20 6',
	'blocked and intercepted in equal parts is neither');

-- The margin is what trying every smaller change finds, whatever changes into
-- whatever; checked for 20 lines and their true bounds.
create temporary table every (b, i, a, label, margin) as
select x.b, y.i, z.a, j.label, j.flip_margin
from generate_series(0, 20) as x (b)
cross join lateral generate_series(0, 20 - x.b) as y (i)
cross join lateral generate_series(0, 20 - x.b - y.i) as z (a)
cross join periplus.bounds(20, 0.10, 0.95) as u
cross join periplus.bounds(20, 0.10, 0.75) as p
cross join lateral periplus.judge(20, x.b, y.i, z.a, false, true,
	p.blocked_from, u.blocked_from, p.open_to, p.partial_from,
	p.partial_to) as j;
-- Lines that differ: half of the sum of the differences of all four counts.
select is_empty($$
	select e.b, e.i, e.a, e.label, e.margin, min(d.moved)
	from every as e
	join every as o on o.label <> e.label
	cross join lateral (select (abs(e.b - o.b) + abs(e.i - o.i)
		+ abs(e.a - o.a) + abs(e.b + e.i + e.a - o.b - o.i - o.a)) / 2
		as moved) as d
	group by e.b, e.i, e.a, e.label, e.margin
	having e.margin <> min(d.moved)
	$$, 'every flip margin is the least number of changes');

select is(periplus.confidence_of(v.label, v.confirmed, v.lines, v.margin),
	v.level::smallint, format('confidence of %s', v))
from (values ('unclear', false, 50, 3, 1), ('insufficient', false, 3, 0, 1),
	('blocked', false, 6, 1, 2), ('open', false, 8, 2, 3),
	('open', true, 12, 3, 4), ('open', true, 20, 3, 4),
	('blocked', true, 20, 4, 5), ('blocked', true, 19, 4, 4))
	as v (label, confirmed, lines, margin, level);

-- 25/tcp out expects opt-outs, the same port inbound does not.
select is(q1, 0.75::double precision, '25/tcp out has a q1 of its own')
from periplus.port_rule where (direction, transport, port) = (0, 0, 25);
select is(count(*), 1::bigint, 'and no other port has')
from periplus.port_rule;

select * from finish();
rollback;
