-- SPDX-License-Identifier: Apache-2.0
-- How the collector stores runs: it asks which of them are known, copies the
-- others into "run" and says whose they were, in one transaction.
--
-- The functions run as the owner: beside inserting runs, the collector's role
-- needs no right to read or change a table.

set local search_path = pg_catalog, pg_temp;
set local role periplus_owner;

-- Work for the aggregation.  It is written in the transaction that stores the
-- runs, so a mark is visible exactly when its runs are: whoever deletes it
-- reads all of them, and runs that commit later leave a mark of their own.
create table periplus.run_mark (
	day date not null,
	agents uuid[] not null
);
comment on table periplus.run_mark is
	'Days of agents whose runs have not been aggregated yet.';
comment on column periplus.run_mark.day is 'UTC day on which runs started.';
comment on column periplus.run_mark.agents is 'The agents that made them.';

-- The arrays have no statistics, so the planner is told what it cannot know:
-- a few keys are looked up in a table that may be large.
create function periplus.known_runs(
	agents uuid[], starts timestamptz[], runs uuid[])
returns setof integer
language sql stable security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
	select k.position::integer
	from unnest(agents, starts, runs) with ordinality
		as k (agent_id, started, run_id, position)
	where exists (select from periplus.run as r
		where r.agent_id = k.agent_id and r.started = k.started
		and r.run_id = k.run_id)
$$;
comment on function periplus.known_runs(uuid[], timestamptz[], uuid[]) is
	'Which of these runs are stored already: their positions, from 1. The '
	'arrays hold the three parts of each run''s key.';

-- Lookups grow slowly: most batches change nothing but the marks.  Agents and
-- providers go in by key, so that two collectors wait for each other and do
-- not deadlock.  Of two entries for an agent the later in the arrays is right.
create function periplus.store_finish(
	days date[], agents uuid[], versions text[], platforms text[],
	archs text[], asns bigint[], asn_names text[], receipts timestamptz[])
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
begin
	insert into periplus.agent as a
		(agent_id, first_seen, version, platform, arch)
	select distinct on (s.agent_id)
		s.agent_id, s.received, s.version, s.platform, s.arch
	from unnest(agents, receipts, versions, platforms, archs)
		with ordinality as s
		(agent_id, received, version, platform, arch, position)
	left join periplus.agent as known on known.agent_id = s.agent_id
	where known.agent_id is null
	or (known.version, known.platform, known.arch)
		is distinct from (s.version, s.platform, s.arch)
	order by s.agent_id, s.position desc
	on conflict (agent_id) do update set
		version = excluded.version,
		platform = excluded.platform,
		arch = excluded.arch;

	insert into periplus.asn as a (asn, name, updated)
	select distinct on (s.asn) s.asn, s.name, s.received
	from unnest(asns, asn_names, receipts) as s (asn, name, received)
	left join periplus.asn as known on known.asn = s.asn
	where s.asn > 0
	and (known.asn is null or (s.name <> '' and s.name <> known.name))
	order by s.asn, s.name = '', s.received desc, s.name
	on conflict (asn) do update set
		name = excluded.name,
		updated = excluded.updated
	where excluded.name not in ('', a.name);

	insert into periplus.run_mark (day, agents)
	select s.day, array_agg(distinct s.agent_id)
	from unnest(days, agents) as s (day, agent_id)
	group by s.day;
end
$$;
comment on function periplus.store_finish(date[], uuid[], text[], text[],
	text[], bigint[], text[], timestamptz[]) is
	'Mark new runs for the aggregation and bring their agents and providers '
	'up to date, in the transaction that stores them. Runs that agree in all '
	'but the time when they were received need one entry in the arrays.';

create function periplus.reflector_id(name text) returns smallint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
	id smallint;
begin
	if reflector_id.name is null or reflector_id.name = '' then
		return 0;
	end if;
	-- Look first: a refused insert would use up a number.
	select r.reflector_id into id from periplus.reflector as r
	where r.name = reflector_id.name;
	if not found then
		insert into periplus.reflector as r (name)
		values (reflector_id.name)
		on conflict do nothing
		returning r.reflector_id into id;
	end if;
	if id is null then
		select r.reflector_id into strict id from periplus.reflector as r
		where r.name = reflector_id.name;
	end if;
	return id;
end
$$;
comment on function periplus.reflector_id(text) is
	'The number of a reflector, given to it when it is new; 0 for no name.';

create function periplus.geo_source_id(
	kind text, file_name text, build_epoch bigint)
returns smallint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
	id smallint;
begin
	select g.geo_source_id into id from periplus.geo_source as g
	where g.kind = geo_source_id.kind
	and g.file_name = geo_source_id.file_name
	and g.build_epoch = geo_source_id.build_epoch;
	if not found then
		insert into periplus.geo_source as g (kind, file_name, build_epoch)
		values (geo_source_id.kind, geo_source_id.file_name,
			geo_source_id.build_epoch)
		on conflict do nothing
		returning g.geo_source_id into id;
	end if;
	if id is null then
		select g.geo_source_id into strict id from periplus.geo_source as g
		where g.kind = geo_source_id.kind
		and g.file_name = geo_source_id.file_name
		and g.build_epoch = geo_source_id.build_epoch;
	end if;
	return id;
end
$$;
comment on function periplus.geo_source_id(text, text, bigint) is
	'The number of an address database, given to it when it is new.';
