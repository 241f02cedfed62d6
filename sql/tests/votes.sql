-- SPDX-License-Identifier: Apache-2.0
-- A line's vote of a day, rule by rule.
begin;
\ir fixture.psql
select plan(47);

-- One probe: every outcome, place and sight.
select is(periplus.vote_of(1::smallint, 0::smallint, 1::smallint), 1::smallint,
	'an open that the reflector saw votes open');
select is(periplus.vote_of(1::smallint, 0::smallint, s::smallint), 0::smallint,
	'an open does not vote when seen is ' || s)
from unnest(array[0, 2]) as s;
select is(periplus.vote_of(o::smallint, p::smallint, 0::smallint), 2::smallint,
	format('outcome %s at place %s votes blocked', o, p))
from unnest(array[2, 3, 4, 5]) as o, unnest(array[3, 4, 6, 7]) as p;
select is(periplus.vote_of(o::smallint, p::smallint, 0::smallint), 0::smallint,
	format('outcome %s at place %s does not vote', o, p))
from unnest(array[2, 4]) as o, unnest(array[1, 2, 5]) as p;
select is(periplus.vote_of(6::smallint, 7::smallint, 0::smallint), 3::smallint,
	'an interception votes intercepted');
select is(periplus.vote_of(7::smallint, 7::smallint, 1::smallint), 4::smallint,
	'an alteration votes altered');
select is(periplus.vote_of(2::smallint, 6::smallint, 1::smallint), 2::smallint,
	'a lost answer votes blocked');
select is(periplus.vote_of(2::smallint, 7::smallint, 2::smallint), 0::smallint,
	'where the reflector was not listening nothing is blocked');
select is(periplus.vote_of(o::smallint, 0::smallint, 0::smallint), 0::smallint,
	format('outcome %s does not vote', o))
from unnest(array[0, 8, 9]) as o;

-- Several probes of a day.  1024 is open, 25 blocked unless said otherwise.
\set open '[[0,25,1,0,1]]'
\set blocked '[[0,25,2,7,0]]'
select pg_temp.put(1, '2026-03-02', :'blocked', 1),
	pg_temp.put(1, '2026-03-02', :'blocked', 2),
	-- one reflector only
	pg_temp.put(2, '2026-03-02', :'blocked', 1),
	pg_temp.put(2, '2026-03-02', :'blocked', 1, hour => 6),
	-- reflectors disagree
	pg_temp.put(3, '2026-03-02', :'blocked', 1),
	pg_temp.put(3, '2026-03-02', :'open', 2),
	-- a majority that both share
	pg_temp.put(4, '2026-03-02', :'blocked', 1),
	pg_temp.put(4, '2026-03-02', :'blocked', 2),
	pg_temp.put(4, '2026-03-02', :'open', 2, hour => 6),
	-- a majority that rests on one reflector
	pg_temp.put(5, '2026-03-02', :'blocked', 1),
	pg_temp.put(5, '2026-03-02', :'blocked', 1, hour => 6),
	pg_temp.put(5, '2026-03-02', :'open', 2),
	-- two and two
	pg_temp.put(6, '2026-03-02', :'blocked', 1),
	pg_temp.put(6, '2026-03-02', :'blocked', 2),
	pg_temp.put(6, '2026-03-02', :'open', 1, hour => 6),
	pg_temp.put(6, '2026-03-02', :'open', 2, hour => 6)
\g /dev/null
select is(runs_counted, 16::bigint, 'every valid run is counted')
from periplus.aggregate(false, '2026-03-02');
select is(pg_temp.vote(1, '2026-03-02', 25), 'blocked',
	'two reflectors that agree make a vote');
select is(pg_temp.vote(2, '2026-03-02', 25), 'none',
	'one reflector alone makes none');
select is(pg_temp.vote(3, '2026-03-02', 25), 'none', 'a tie makes none');
select is(pg_temp.vote(4, '2026-03-02', 25), 'blocked',
	'a majority over two reflectors makes a vote');
select is(pg_temp.vote(5, '2026-03-02', 25), 'none',
	'a majority that one reflector makes alone is none');
select is(pg_temp.vote(6, '2026-03-02', 25), 'none',
	'as many open as blocked make none');

-- Runs and transports that may not vote.
\set both '[[0,25,2,7,0],[1,53,2,7,0]]'
select pg_temp.put(a, '2026-03-03', :'both', r, status => s)
from (values (11, 1), (12, 2)) as v (a, s), unnest(array[1, 2]) as r
\g /dev/null
select pg_temp.put(13, '2026-03-03', :'both', r, void_udp => 2),
	pg_temp.put(14, '2026-03-03', :'both', r, void_tcp => 3),
	pg_temp.put(15, '2026-03-03', :'both', r, asn => 0),
	pg_temp.put(16, '2026-03-03', '[[0,25,0,0,2],[0,26,2,1,0]]', r)
from unnest(array[1, 2]) as r
\g /dev/null
select is(runs_counted, 6::bigint, 'other runs are not counted')
from periplus.aggregate(false, '2026-03-03');
select is(pg_temp.vote(11, '2026-03-03', 25), null, 'a void run does not vote');
select is(pg_temp.vote(12, '2026-03-03', 25), null,
	'an unproven run does not vote');
select is(pg_temp.vote(13, '2026-03-03', 53, 1), null,
	'a void transport does not vote');
select is(pg_temp.vote(13, '2026-03-03', 25), 'blocked',
	'the other transport of the run does');
select is(pg_temp.vote(14, '2026-03-03', 53, 1) || ' '
	|| coalesce(pg_temp.vote(14, '2026-03-03', 25), 'null'), 'blocked null',
	'so it is the other way round');
select is(pg_temp.vote(15, '2026-03-03', 25), null,
	'a line of no known provider does not vote');
select is(coalesce(pg_temp.vote(16, '2026-03-03', 25), 'null') || ' '
	|| pg_temp.vote(16, '2026-03-03', 26), 'null none',
	'an untested probe makes no cell, one failed on the host no vote');

select finish();
rollback;
