-- SPDX-License-Identifier: Apache-2.0
-- The schema, its roles, its version and its settings.
--
-- Every migration is run in one transaction of its own.  It becomes
-- periplus_owner first, so that nothing belongs to whoever ran it, and it
-- qualifies its names, so that nothing depends on the caller's search path.

set local search_path = pg_catalog, pg_temp;

-- Roles belong to the whole server: another database may have made them.
do $$
declare
	wanted text;
begin
	foreach wanted in array array['periplus_owner', 'periplus_collector',
		'periplus_aggregator', 'researcher']
	loop
		if not exists (select from pg_roles where rolname = wanted) then
			execute format('create role %I login', wanted);
			-- Comments on roles are kept for the whole server as well.
			execute format('comment on role %I is %L', wanted,
				case wanted
				when 'periplus_owner' then 'owns the schema periplus'
				when 'periplus_collector' then
					'stores runs, reads nothing back'
				when 'periplus_aggregator' then
					'recomputes verdicts and reads what is published'
				else 'reads what may be published, and nothing else'
				end);
		end if;
	end loop;

	if not has_database_privilege('periplus_owner', current_database(),
		'create')
	then
		execute format('grant create on database %I to periplus_owner',
			current_database());
	end if;
	-- Batches are staged in a temporary table of the owner's.
	if not has_database_privilege('periplus_owner', current_database(),
		'temporary')
	then
		execute format('grant temporary on database %I to periplus_owner',
			current_database());
	end if;
end
$$;

-- These bind when the role itself logs in.  They are habits, not walls: what
-- a researcher may read is decided by grants.
alter role researcher set statement_timeout = '60s';
alter role researcher set idle_in_transaction_session_timeout = '60s';
alter role researcher set default_transaction_read_only = on;

set local role periplus_owner;

create schema periplus;
comment on schema periplus is
	'Which Internet providers block which ports: runs as measured, and the '
	'verdicts made from them.';

create table periplus.schema_version (
	version integer primary key check (version > 0),
	applied timestamptz not null default now(),
	name text not null
);
comment on table periplus.schema_version is
	'The migrations that this database has had, one row each.';
comment on column periplus.schema_version.version is
	'Number that the migration''s file name begins with.';
comment on column periplus.schema_version.applied is 'When it was applied.';
comment on column periplus.schema_version.name is
	'Rest of the file name, without its ending.';

create table periplus.setting (
	name text primary key,
	value double precision not null,
	least double precision not null,
	greatest double precision not null,
	meaning text not null,
	check (value between least and greatest)
);
comment on table periplus.setting is
	'What an operator may tune in the making of verdicts. A change takes '
	'effect with the next aggregation, which then recomputes everything.';
comment on column periplus.setting.name is 'Name of the setting.';
comment on column periplus.setting.value is 'Value in force.';
comment on column periplus.setting.least is 'Smallest value allowed.';
comment on column periplus.setting.greatest is 'Greatest value allowed.';
comment on column periplus.setting.meaning is 'What the setting decides.';

insert into periplus.setting (name, value, least, greatest, meaning) values
	('window_days', 14, 1, 365,
	 'A line''s latest vote of so many days, the day of the verdict '
	 'included, is counted.'),
	('required_reflectors', 2, 1, 16,
	 'A line votes for a day only when so many reflectors agree on what '
	 'happened.'),
	('min_lines', 5, 1, 1000,
	 'With fewer voting lines the label is insufficient.'),
	('min_prefixes', 3, 1, 1000,
	 'With fewer prefixes among the voting lines the label is '
	 'insufficient.'),
	('q0', 0.10, 0.01, 0.4,
	 'Expected share of lines without passage where the provider lets a '
	 'port through: homes have rules of their own.'),
	('q1', 0.95, 0.6, 0.99,
	 'Expected share of lines without passage where the provider blocks: '
	 'some lines are exempt.');

create function periplus.setting_of(name text) returns double precision
language sql stable strict parallel safe
begin atomic
	select s.value from periplus.setting as s where s.name = setting_of.name;
end;
comment on function periplus.setting_of(text) is
	'The value of a setting; null when there is none of that name.';
