#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The schema is loaded into all sorts of databases and stays the same.
cd "$(dirname "$0")/../.." || exit 1
. tests/db/tap.sh

# dump DBNAME - the schema without names of weeks, which depend on the day.
dump()
{
	pg_dump -h "$tmp" -U postgres -n periplus -s "$1" |
		grep -v '^--\|run_[0-9]*w[0-9]*\|^.restrict\|^.unrestrict'
}

server_start
succeeds 'an empty database' sql/load.sh "$conninfo"
dump periplus >"$tmp/once"
is "$(sql "select count(*), min(version), max(version) = count(*)
	from periplus.schema_version")" \
	"$(find sql -maxdepth 1 -name '[0-9]*.sql' | wc -l)|1|t" \
	'each migration is on record'
succeeds 'the same database again' sql/load.sh "$conninfo"
dump periplus >"$tmp/twice"
succeeds 'nothing has changed' cmp "$tmp/once" "$tmp/twice"

# Another database on the same server, where the roles are already, loaded
# by the superuser and in the presence of a treacherous search path.
sql 'create database other' postgres
sql 'alter database other set search_path = bad, pg_catalog' postgres
psql -X -q -h "$tmp" -U postgres -d other -c 'create schema bad' \
	-c "create function bad.now() returns timestamptz language sql
	as 'select null::timestamptz'"
succeeds 'another database, as superuser' \
	sql/load.sh "host=$tmp dbname=other user=postgres"
dump other >"$tmp/other"
succeeds 'it is the same schema' cmp "$tmp/once" "$tmp/other"

# Seeds: what was changed by hand comes back, what was added stays.
sql "update periplus.port set application = 'x' where port = 25;
	insert into periplus.port select transport, 60000, iana_name,
	application, category, usual_direction, reason, tier, evidence, caution,
	consent_class, family, advice from periplus.port where port = 25"
sql/load.sh "$conninfo"
is "$(sql "select string_agg(application, ',' order by port)
	from periplus.port where port in (25, 60000)")" 'SMTP relay,x' \
	'seeding again updates entries and removes none'

# Bad seed files are refused with their line.
for bad in '70000	tcp' '25	sctp' '25	tcp	smtp'; do
	{ head -n 1 sql/seed/ports.tsv; printf '%s\n' "$bad"; } >"$tmp/bad.tsv"
	awk -f sql/seed/ports.awk "$tmp/bad.tsv" >/dev/null 2>"$tmp/output" &&
		status=0 || status=$?
	is "$status $(cut -d : -f 2 "$tmp/output")" '1 2' \
		"a bad line is refused and named: $bad"
done
mkdir "$tmp/tree"
cp -r sql collector "$tmp/tree"
cp "$tmp/bad.tsv" "$tmp/tree/sql/seed/ports.tsv"
(cd "$tmp/tree" && sh collector/migrations.sh sql/0*.sql) >/dev/null 2>&1 &&
	status=0 || status=$?
is "$status" 1 'nor is it built into the collector'
finish
