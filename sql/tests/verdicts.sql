-- SPDX-License-Identifier: Apache-2.0
-- Verdicts from runs: who counts, for how long, and what is published.
begin;
\ir fixture.psql
select no_plan();

-- Provider 1: twelve lines; provider 2: five, in two prefixes; provider 3:
-- four; provider 4: twelve of which three are exempt; provider 5: a reflector
-- that was not listening; provider 6: homes with rules of their own.
\set day '2026-03-10'
select pg_temp.measure(a, :'day', '[[0,25,2,4,0],[0,80,6,7,0],[1,53,7,7,1],
	[0,443,1,0,1],[0,445,3,4,0],[0,26,2,7,0]]', 1)
from generate_series(1, 12) as a \g /dev/null
select pg_temp.measure(a, :'day', '[[0,445,2,7,0]]', 2, prefix => a % 2)
from generate_series(101, 105) as a \g /dev/null
select pg_temp.measure(a, :'day', '[[0,445,2,7,0]]', 3)
from generate_series(201, 204) as a \g /dev/null
select pg_temp.measure(a, :'day', case when a <= 303 then '[[0,445,1,0,1]]'
	else '[[0,445,2,7,0]]' end::jsonb, 4)
from generate_series(301, 340) as a \g /dev/null
select pg_temp.measure(a, :'day', '[[0,445,0,0,2],[0,446,2,7,2]]', 5)
from generate_series(401, 412) as a \g /dev/null
select pg_temp.measure(a, :'day', '[[0,445,8,1,0],[0,446,4,2,0],
	[0,447,4,5,0],[1,447,9,0,0]]', 6)
from generate_series(501, 512) as a \g /dev/null
select is(runs_counted, 2 * (12 + 5 + 4 + 40 + 12 + 12)::bigint,
	'all runs are counted')
from periplus.aggregate(false, :'day');

select is((label, lines, k, confirmed, confidence, flip_margin)::text,
	v.expected, v.what)
from (values
	(445, 0, '(blocked,12,12,t,4,2)', 'all of twelve lines are blocked'),
	(25, 0, '(blocked,12,12,t,4,2)', 'on another port, too'),
	(26, 0, '(blocked,12,12,t,4,2)', 'and on the next'),
	(80, 0, '(intercepted,12,12,t,4,2)', 'something else answers all'),
	(53, 1, '(altered,12,12,t,4,2)', 'all are changed'),
	(443, 0, '(open,12,0,t,4,3)', 'all pass'))
	as v (port, transport, expected, what)
join periplus.verdict as d on d.asn = 1 and d.port = v.port
	and d.transport = v.transport;

select is(array_agg(v.posterior = (periplus.claims(12, 12, 0.1, q1)).blocked
	order by v.port), array[true, true],
	'the posterior follows the port''s own q1')
from (values (25, 0.75), (26, 0.95)) as q (port, q1)
join periplus.verdict as v on v.asn = 1 and v.port = q.port;
select is((asn_name, country, direction, transport, family, application,
	lines, blocked, open, intercepted, altered, share, label,
	mostly_blocked, place, prefixes, first_day, last_day, outcomes, places,
	as_of, rule_version)::text,
	'("Example 1",DE,out,tcp,4,"SMTP relay",12,12,0,0,0,1,blocked,t,isp,12,'
	'2026-03-10,2026-03-10,"{""timeout"": 12}","{""isp"": 12}",'
	'2026-03-10,1)', 'the matrix says it in names')
from periplus.verdict_matrix where asn = 1 and port = 25;
select ok(share_low between 0.80 and 0.82 and share_high = 1
	and posterior > 0.99, 'with an interval and a posterior')
from periplus.verdict_matrix where asn = 1 and port = 445;
select is((place, outcomes)::text, '(none,"{""open"": 12}")',
	'what is open is nowhere blocked')
from periplus.verdict_matrix where asn = 1 and port = 443;

select is((label, lines, confidence, flip_margin, posterior, mostly_blocked)
	::text, '(insufficient,5,1,0,,f)', 'two prefixes are too few')
from periplus.verdict where asn = 2;
select is((label, lines, confidence, flip_margin, posterior, mostly_blocked)
	::text, '(insufficient,4,1,0,,f)', 'four lines are too few')
from periplus.verdict where asn = 3;
select is((label, contradicted, blocked, open, mostly_blocked)::text,
	'(unclear,t,37,3,t)',
	'verified passages in three prefixes forbid blocked, not mostly_blocked')
from periplus.verdict where asn = 4;
select is(count(*), 0::bigint, 'a port that is not listened on has no cell')
from periplus.verdict where asn = 5 and port = 445;
select is((label, lines, blocked)::text, '(insufficient,0,0)',
	'nor is it ever blocked when an agent claims to have asked')
from periplus.verdict where asn = 5 and port = 446;
select is((label, lines)::text, '(insufficient,0)',
	format('%s/%s fails elsewhere: no vote', port, transport))
from periplus.verdict where asn = 6;
select is(count(*), 4::bigint, 'in any of four ways')
from periplus.verdict where asn = 6;

-- Two exempt lines, or three on different days, forbid nothing.
select pg_temp.measure(301, '2026-03-09', '[[0,445,1,0,1]]', 4) \g /dev/null
delete from periplus.run where agent_id = pg_temp.agent(301)
	and started::date = :'day';
select count(*) from periplus.aggregate(true, :'day') \g /dev/null
select is((label, contradicted, first_day, last_day)::text,
	'(blocked,f,2026-03-09,2026-03-10)', 'passages on different days do not')
from periplus.verdict where asn = 4;

-- The window.
select pg_temp.measure(a, '2026-03-12', '[[0,445,1,0,1]]', 1)
from generate_series(1, 12) as a \g /dev/null
select count(*) from periplus.aggregate(false, :'day') \g /dev/null
select is(pg_temp.label(1, 445), 'blocked',
	'days after the day of the verdict do not count');
select count(*) from periplus.aggregate(false, '2026-03-12') \g /dev/null
select is((label, lines, first_day, last_day)::text,
	'(open,12,2026-03-10,2026-03-12)', 'a line''s latest vote counts')
from periplus.verdict where asn = 1 and port = 445;
select is(pg_temp.label(1, 26), 'blocked',
	'a vote stands while nothing newer is known');
select count(*) from periplus.aggregate(false, '2026-03-23') \g /dev/null
select is(pg_temp.label(1, 26), 'blocked', 'for fourteen days');
select count(*) from periplus.aggregate(false, '2026-03-24') \g /dev/null
select is(pg_temp.label(1, 26), null,
	'then there is no verdict: no data is not open');
select is(pg_temp.label(1, 445), 'open', 'where there is newer data there is');

-- Settings and rules.
update periplus.setting set value = 15 where name = 'window_days';
select count(*) from periplus.aggregate(false, '2026-03-24') \g /dev/null
select is(pg_temp.label(1, 26), 'blocked',
	'a changed setting takes effect at once');
update periplus.setting set value = 1 where name = 'min_prefixes';
update periplus.setting set value = 4 where name = 'min_lines';
select count(*) from periplus.aggregate(false, '2026-03-24') \g /dev/null
select is(array_agg(label order by asn), array['blocked', 'unclear'],
	'as do lower floors')
from periplus.verdict where asn in (2, 3);
select pg_temp.put(601, '2026-03-24', '[[0,445,2,7,0]]', 1, 7) \g /dev/null
select count(*) from periplus.aggregate(false, '2026-03-24') \g /dev/null
select is(lines, 0, 'one reflector is too few') from periplus.verdict
where asn = 7;
update periplus.setting set value = 1 where name = 'required_reflectors';
select count(*) from periplus.aggregate(false, '2026-03-24') \g /dev/null
select is(lines, 1, 'unless one is enough') from periplus.verdict
where asn = 7;

-- Lines, families and countries.
select pg_temp.measure(701, '2026-03-24', '[[0,445,2,7,0]]', 8, prefix => 1),
	pg_temp.measure(701, '2026-03-24', '[[0,445,1,0,1]]', 8, prefix => 2),
	pg_temp.measure(702, '2026-03-24', '[[0,445,1,0,1]]', 8, 6, 1, 'FR'),
	pg_temp.measure(703, '2026-03-24', '[[0,445,1,0,1]]', 8, 6, 2, 'FR')
\g /dev/null
select count(*) from periplus.aggregate(false, '2026-03-24') \g /dev/null
select is((family, lines, open, blocked, country)::text, v.expected,
	'lines are told apart, families too, a provider has one country')
from periplus.verdict as d
join (values (4, '(4,2,1,1,DE)'), (6, '(6,2,2,0,DE)'))
	as v (f, expected) on v.f = d.family
where d.asn = 8;

select * from finish();
rollback;
