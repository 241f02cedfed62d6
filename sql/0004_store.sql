-- SPDX-License-Identifier: Apache-2.0
-- How the collector stores runs: COPY into a stage, then one function.
--
-- The functions run as the owner, so that the collector's role needs no right
-- to read or change a table.

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

create function periplus.stage_create() returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set client_min_messages = warning
as $$
begin
	create temporary table run_stage (
		like periplus.run including compression,
		platform text not null,
		arch text not null,
		asn_name text not null
	) on commit delete rows;
	-- COPY needs no more.  No other session can reach it.
	grant insert on pg_temp.run_stage to public;
end
$$;
comment on function periplus.stage_create() is
	'Make the temporary table run_stage of this session: the columns of run, '
	'then platform, arch and asn_name. It is emptied at each commit.';

-- The stage is looked up in the session's own temporary schema, where a role
-- could plant a table or view of its own: only the owner's is taken.
create function periplus.stage_check() returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
	if not exists (
		select from pg_class as c
		where c.oid = to_regclass('pg_temp.run_stage')
		and c.relkind = 'r'
		and c.relowner = (select r.oid from pg_roles as r
			where r.rolname = current_user))
	then
		raise exception 'there is no stage: call periplus.stage_create()'
			using errcode = '55000';
	end if;
end
$$;
comment on function periplus.stage_check() is
	'Fail unless this session has a stage made by stage_create.';

-- Lookups grow slowly: most batches change nothing here.  The stage has no
-- statistics and the plan is kept for the session, so the planner is told
-- what it cannot know: a few keys are looked up in tables that may be large.
create function periplus.store_lookups() returns void
language plpgsql
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
		s.agent_id, s.received, s.agent_version, s.platform, s.arch
	from pg_temp.run_stage as s
	left join periplus.agent as known on known.agent_id = s.agent_id
	where known.agent_id is null
	or (known.version, known.platform, known.arch)
		is distinct from (s.agent_version, s.platform, s.arch)
	order by s.agent_id, s.started desc
	on conflict (agent_id) do update set
		version = excluded.version,
		platform = excluded.platform,
		arch = excluded.arch;

	insert into periplus.asn as a (asn, name, updated)
	select distinct on (s.asn) s.asn, s.asn_name, s.received
	from pg_temp.run_stage as s
	left join periplus.asn as known on known.asn = s.asn
	where s.asn > 0
	and (known.asn is null
		or (s.asn_name <> '' and s.asn_name <> known.name))
	order by s.asn, s.asn_name = '', s.received desc, s.asn_name
	on conflict (asn) do update set
		name = excluded.name,
		updated = excluded.updated
	where excluded.name not in ('', a.name);
end
$$;
comment on function periplus.store_lookups() is
	'Add the agents and providers of the stage, or change their names.';

-- Rows go in by key, so that two collectors given the same runs wait for each
-- other and do not deadlock.  Without nested loops a plan made for a first
-- batch of one run stays good for the next of thousands.
create function periplus.store_batch()
returns table (
	agent_id uuid,
	started timestamptz,
	run_id uuid,
	stored boolean
)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set work_mem = '64MB'
set enable_nestloop = off
set jit = off
as $$
begin
	perform periplus.stage_check();
	perform periplus.store_lookups();
	return query
	with fresh as (
		insert into periplus.run as r (agent_id, started, run_id, received,
			asn, country, line, prefix, family, reflector_id, plan, classes,
			status, void_tcp, void_udp, clock_offset_ms, duration_ms,
			agent_version, geo_source_id, probe_direction, probe_transport,
			probe_port, probe_outcome, probe_rtt_us, probe_attempts,
			probe_hop, probe_seen, probe_place, evidence, path)
		select s.agent_id, s.started, s.run_id, s.received,
			s.asn, s.country, s.line, s.prefix, s.family, s.reflector_id,
			s.plan, s.classes, s.status, s.void_tcp, s.void_udp,
			s.clock_offset_ms, s.duration_ms, s.agent_version,
			s.geo_source_id, s.probe_direction, s.probe_transport,
			s.probe_port, s.probe_outcome, s.probe_rtt_us,
			s.probe_attempts, s.probe_hop, s.probe_seen, s.probe_place,
			s.evidence, s.path
		from pg_temp.run_stage as s
		order by s.agent_id, s.started, s.run_id
		on conflict do nothing
		returning r.agent_id, r.started, r.run_id
	), marked as (
		insert into periplus.run_mark as m (day, agents)
		select f.started::date, array_agg(distinct f.agent_id)
		from fresh as f
		group by f.started::date
	)
	-- A run that is twice in the stage is stored once and a duplicate once.
	select k.agent_id, k.started, k.run_id,
		f.run_id is not null and k.copy = 1
	from (
		select s.agent_id, s.started, s.run_id, row_number() over (
			partition by s.agent_id, s.started, s.run_id) as copy
		from pg_temp.run_stage as s
	) as k
	left join fresh as f on f.agent_id = k.agent_id
		and f.started = k.started and f.run_id = k.run_id;
end
$$;
comment on function periplus.store_batch() is
	'Store the runs of the stage and say of each whether it was new; a run '
	'that is known already is left alone.';

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
