#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Several sessions at a time: nothing is stored twice, nothing is left out.
cd "$(dirname "$0")/../.." || exit 1
. tests/db/tap.sh

server_start
schema_load

# A session in the background that takes its statements from a pipe.
session_open()
{
	mkfifo "$tmp/$1.in"
	"$here/pg" psql "$tmp" -q -At -v ON_ERROR_STOP=1 -U periplus_owner \
		<"$tmp/$1.in" >"$tmp/$1.out" 2>&1 &
}

# wait_for QUERY - until it gives "t", for half a minute at most.
wait_for()
{
	for _ in $(seq 300); do
		[ "$(sql "$1")" != t ] || return 0
		sleep 0.1
	done
	diag "waited in vain for: $1"
	return 1
}

# A function that stores one run for each number, agent n and provider n, as a
# collector does: it asks, inserts, and asks again when it came too late.
cat >"$tmp/store.sql" <<'SQL'
create function public.store(first integer, last integer,
	day date default '2026-03-10')
returns integer language plpgsql as $$
declare
	fresh periplus.run[];
begin
	for attempt in 1 .. 10 loop
		begin
			select array_agg(row(md5('agent ' || n)::uuid, day,
				md5('run ' || n)::uuid, now(), n, 'DE',
				md5('line ' || n)::uuid, '198.18.0.0/24', 4, 1, 1, 1, 0, 0, 0,
				0, 1000, '0.1.0', 0, '{0}', '{0}', '{25}', '{2}', '{0}',
				'{4}', '{0}', '{0}', '{7}', null, null)::periplus.run
				order by md5('agent ' || n)::uuid)
			into fresh
			from generate_series(first, last) as n
			where not exists (select from periplus.known_runs(
				array[md5('agent ' || n)::uuid], array[day::timestamptz],
				array[md5('run ' || n)::uuid]));
			insert into periplus.run select r.* from unnest(fresh) as r;
			perform periplus.store_finish(array_agg(day),
				array_agg(r.agent_id), array_agg(r.agent_version),
				array_agg(text 'linux'), array_agg(text 'x86_64'),
				array_agg(r.asn), array_agg(text 'A'), array_agg(r.received))
			from unnest(fresh) as r;
			return coalesce(cardinality(fresh), 0);
		exception when unique_violation then
			perform pg_sleep(0.02);
		end;
	end loop;
	raise 'others were always quicker';
end
$$;
update periplus.setting set value = 1 where name = 'required_reflectors';
SQL
"$here/pg" psql "$tmp" -q -f "$tmp/store.sql"
sql "select periplus.aggregate(false, '2026-03-10')" >/dev/null

# A run that is stored but not committed while the aggregation passes.
session_open writer
exec 3>"$tmp/writer.in"
echo "begin; select public.store(1, 1);" >&3
wait_for "select exists (select from pg_stat_activity
	where state = 'idle in transaction' and query like '%store%')"
sql 'select public.store(2, 2)' >/dev/null
is "$(sql "select runs_counted from periplus.aggregate(false, '2026-03-10')")" \
	1 'the aggregation counts what is committed'
echo 'commit;' >&3
exec 3>&-
wait
is "$(sql "select runs_counted from periplus.aggregate(false, '2026-03-10')")" \
	1 'and next time what was committed later'
is "$(sql 'select string_agg(asn::text, $$,$$ order by asn)
	from periplus.verdict')" '1,2' 'no run is left out'

# Two aggregations at a time: the second does nothing and says so.
session_open first
exec 3>"$tmp/first.in"
echo "begin; select periplus.aggregate(true, '2026-03-10');" >&3
wait_for "select exists (select from pg_stat_activity
	where state = 'idle in transaction' and query like '%aggregate%')"
is "$(sql "select * from periplus.aggregate(true, '2026-03-10')")" '0|0' \
	'a second aggregation does not wait'
# Runs go on being stored, of weeks with and without a partition.
is "$(PGOPTIONS='-c lock_timeout=5s' "$here/pg" psql "$tmp" -q -At -c "select
	public.store(3, 3) + public.store(4, 4, '2020-01-01')" 2>&1)" 2 \
	'storing does not wait for the aggregation'
echo 'rollback;' >&3
exec 3>&-
wait

# Collectors are sent many of the same runs.
for i in 1 2 3 4 5 6; do
	"$here/pg" psql "$tmp" -q -At -v ON_ERROR_STOP=1 \
		-c "select public.store($((i * 100)), $((i * 100 + 2000)))" \
		>"$tmp/stored.$i" 2>&1 &
done
wait
if grep -h ERROR "$tmp"/stored.* >"$tmp/output"; then
	ok 1 'collectors that store the same runs do not deadlock'
	sed 's/^/# /' "$tmp/output"
else
	ok 0 'collectors that store the same runs do not deadlock'
fi
is "$(cat "$tmp"/stored.* | awk '{ n += $1 } END { print n }')" \
	"$(sql 'select count(*) from periplus.run where asn >= 100')" \
	'each run was new to exactly one of them'
is "$(sql 'select count(*) from periplus.run where asn >= 100')" 2501 \
	'and all are there'
is "$(sql 'select count(*) from (select distinct a.agent_id
	from periplus.run_mark, unnest(agents) as a (agent_id)) as m')" 2503 \
	'each is marked for the aggregation'

# Killed in the middle of a batch.
session_open victim
exec 3>"$tmp/victim.in"
echo "begin; select public.store(5000, 5010);" >&3
wait_for "select exists (select from pg_stat_activity
	where state = 'idle in transaction' and query like '%store%')"
"$here/pg" restart "$tmp" immediate
exec 3>&-
wait || true
is "$(sql 'select count(*) from periplus.run where asn >= 5000')" 0 \
	'what was not committed is not there after a crash'
is "$(sql 'select public.store(5000, 5010)')" 11 \
	'and is new when it is sent again'
finish
