-- SPDX-License-Identifier: Apache-2.0
-- From probes to votes: what each line says about each cell on each day.

set local search_path = pg_catalog, pg_temp;
set local role periplus_owner;

-- Packed like run, for the same reasons; view line_vote unpacks it.  Its key
-- begins with asn, by which it is made to be distributed.  A line belongs to
-- one agent, since its hash is made of the agent's key, so all rows of an
-- agent's day are replaced together.
create table periplus.line_day (
	asn bigint not null,
	day date not null,
	line uuid not null,
	family smallint not null,
	agent_id uuid not null,
	prefix cidr not null,
	country text not null,
	runs integer not null,
	direction smallint[] compression lz4 not null,
	transport smallint[] compression lz4 not null,
	port integer[] compression lz4 not null,
	vote smallint[] compression lz4 not null,
	outcome smallint[] compression lz4 not null,
	place smallint[] compression lz4 not null,
	primary key (asn, day, line, family, agent_id)
);
create index line_day_agent on periplus.line_day (agent_id, day);
comment on table periplus.line_day is
	'One row a line and day: its vote in every cell that its valid runs '
	'probed. Cells are arrays side by side.';
comment on column periplus.line_day.asn is 'Provider of the line.';
comment on column periplus.line_day.day is 'UTC day on which runs started.';
comment on column periplus.line_day.line is 'The line.';
comment on column periplus.line_day.family is 'Address family, 4 or 6.';
comment on column periplus.line_day.agent_id is 'The agent on the line.';
comment on column periplus.line_day.prefix is 'The /24 or /48 of the line.';
comment on column periplus.line_day.country is
	'Country of the line in most of its runs of the day.';
comment on column periplus.line_day.runs is 'Valid runs that were counted.';
comment on column periplus.line_day.direction is 'Direction of each cell.';
comment on column periplus.line_day.transport is 'Transport of each cell.';
comment on column periplus.line_day.port is 'Port of each cell.';
comment on column periplus.line_day.vote is 'Vote in each cell, by code.';
comment on column periplus.line_day.outcome is
	'Most frequent outcome among the probes that made the vote; 0 without '
	'a vote.';
comment on column periplus.line_day.place is
	'Where most of those probes failed, by code; 0 without a vote.';

-- A reply proves passage only when the reflector saw the probe, a failure
-- means something only where the reflector was listening, and what fails on
-- the host, at the home's router or beyond the provider is not the provider's.
create function periplus.vote_of(
	outcome smallint, place smallint, seen smallint)
returns smallint
language sql immutable parallel safe
return (case
	when outcome = 1 then case when seen = 1 then 1 else 0 end
	when seen not in (0, 1) or place in (1, 2, 5) then 0
	when outcome in (2, 3, 4, 5) then 2
	when outcome = 6 then 3
	when outcome = 7 then 4
	else 0 end)::smallint;
comment on function periplus.vote_of(smallint, smallint, smallint) is
	'What one probe of a valid run says about its cell, by code of vote.';

-- The vote of a line's day in a cell is what most of its probes say, provided
-- that no other vote has as many and that enough reflectors agree on it.
create function periplus.count_day(
	day date, agents uuid[], required_reflectors integer)
returns table (asn bigint, runs bigint)
language plpgsql
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set plan_cache_mode = force_custom_plan
set jit = off
as $$
begin
	return query
	with valid as (
		select r.asn, r.line, r.family, r.agent_id, r.prefix, r.country,
			r.run_id, r.reflector_id, r.void_tcp, r.void_udp,
			r.probe_direction, r.probe_transport, r.probe_port,
			r.probe_outcome, r.probe_place, r.probe_seen
		from periplus.run as r
		where r.started >= count_day.day::timestamptz
		and r.started < (count_day.day + 1)::timestamptz
		and (agents is null or r.agent_id = any (agents))
		and r.status = 0 and r.asn > 0
	), customer as (
		select v.asn, v.line, v.family, v.agent_id,
			max(v.prefix)::cidr as prefix,
			mode() within group (order by v.country) as country,
			count(*) as runs
		from valid as v
		group by v.asn, v.line, v.family, v.agent_id
	), ballot as (
		select v.asn, v.line, v.family, v.agent_id,
			p.direction, p.transport, p.port,
			periplus.vote_of(p.outcome, p.place, p.seen) as vote,
			v.reflector_id, p.outcome, p.place
		from valid as v
		cross join lateral unnest(v.probe_direction, v.probe_transport,
			v.probe_port, v.probe_outcome, v.probe_place, v.probe_seen)
			as p (direction, transport, port, outcome, place, seen)
		where p.outcome <> 0
		and case p.transport when 0 then v.void_tcp
			else v.void_udp end = 0
	), tally as (
		select b.asn, b.line, b.family, b.agent_id,
			b.direction, b.transport, b.port, b.vote,
			count(*) as votes,
			count(distinct b.reflector_id) as reflectors,
			mode() within group (order by b.outcome) as outcome,
			mode() within group (order by b.place) as place
		from ballot as b
		group by b.asn, b.line, b.family, b.agent_id,
			b.direction, b.transport, b.port, b.vote
	), ranked as (
		select t.asn, t.line, t.family, t.agent_id,
			t.direction, t.transport, t.port, t.vote, t.votes,
			t.reflectors, t.outcome, t.place,
			row_number() over cell as position,
			lead(case when t.vote > 0 then t.votes end) over cell as second
		from tally as t
		window cell as (
			partition by t.asn, t.line, t.family, t.agent_id,
				t.direction, t.transport, t.port
			order by t.vote > 0 desc, t.votes desc, t.vote)
	), settled as (
		select k.asn, k.line, k.family, k.agent_id,
			k.direction, k.transport, k.port, k.vote, k.outcome, k.place,
			k.vote > 0 and k.votes > coalesce(k.second, 0)
				and k.reflectors >= required_reflectors as counts
		from ranked as k
		where k.position = 1
	), packed as (
		select s.asn, s.line, s.family, s.agent_id,
			array_agg(s.direction order by s.direction, s.transport, s.port)
				as direction,
			array_agg(s.transport order by s.direction, s.transport, s.port)
				as transport,
			array_agg(s.port order by s.direction, s.transport, s.port)
				as port,
			array_agg(case when s.counts then s.vote else 0::smallint end
				order by s.direction, s.transport, s.port) as vote,
			array_agg(case when s.counts then s.outcome else 0::smallint end
				order by s.direction, s.transport, s.port) as outcome,
			array_agg(case when s.counts then s.place else 0::smallint end
				order by s.direction, s.transport, s.port) as place
		from settled as s
		group by s.asn, s.line, s.family, s.agent_id
	)
	insert into periplus.line_day as d (asn, day, line, family, agent_id,
		prefix, country, runs, direction, transport, port, vote, outcome,
		place)
	select c.asn, count_day.day, c.line, c.family, c.agent_id,
		c.prefix, c.country, c.runs, p.direction, p.transport, p.port,
		p.vote, p.outcome, p.place
	from customer as c
	join packed as p on p.asn = c.asn and p.line = c.line
		and p.family = c.family and p.agent_id = c.agent_id
	returning d.asn, d.runs::bigint;
end
$$;
comment on function periplus.count_day(date, uuid[], integer) is
	'Fill line_day for a day, for the given agents or, when null, for all; '
	'rows that were there must have been deleted. Returns provider and '
	'number of runs of each row.';

create view periplus.line_vote as
select d.asn, d.day, d.line, d.family, d.agent_id, d.prefix,
	c.direction, c.transport, c.port, c.vote, c.outcome, c.place
from periplus.line_day as d
cross join lateral unnest(d.direction, d.transport, d.port, d.vote,
	d.outcome, d.place)
	as c (direction, transport, port, vote, outcome, place);
comment on view periplus.line_vote is
	'One row a line, day and cell: line_day unpacked. For the owner only, '
	'since it tells lines apart.';
comment on column periplus.line_vote.asn is 'Provider of the line.';
comment on column periplus.line_vote.day is 'UTC day on which runs started.';
comment on column periplus.line_vote.line is 'The line.';
comment on column periplus.line_vote.family is 'Address family, 4 or 6.';
comment on column periplus.line_vote.agent_id is 'The agent on the line.';
comment on column periplus.line_vote.prefix is 'The /24 or /48 of the line.';
comment on column periplus.line_vote.direction is 'Code of the direction.';
comment on column periplus.line_vote.transport is 'Code of the transport.';
comment on column periplus.line_vote.port is 'Port number.';
comment on column periplus.line_vote.vote is 'Code of the vote.';
comment on column periplus.line_vote.outcome is 'Code of the outcome.';
comment on column periplus.line_vote.place is 'Code of the place.';
