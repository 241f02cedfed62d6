#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# load.sh CONNINFO - apply the schema with psql, as "periplus-collector migrate"
# does: every migration that the database has not had, each in a transaction
# of its own, then the seed.  May be run again at any time.
set -eu

if [ $# -ne 1 ]; then
	echo "usage: load.sh CONNINFO, such as 'host=/tmp/pg dbname=periplus user=periplus_owner'" >&2
	exit 2
fi
conninfo=$1
here=$(cd "$(dirname "$0")" && pwd)

sql()
{
	PGOPTIONS='--client-min-messages=warning' psql -X -q -At \
		-v ON_ERROR_STOP=1 -d "$conninfo" "$@"
}

version_of()
{
	basename "$1" | sed 's/^0*\([0-9][0-9]*\)_.*/\1/'
}

name_of()
{
	basename "$1" .sql | sed 's/^[0-9]*_//'
}

# The migrations that were applied, as " 1 2 3 "; empty for a new database.
applied()
{
	[ -n "$(sql -c "select to_regclass('periplus.schema_version')")" ] ||
		return 0
	sql -c "select ' ' || coalesce(string_agg(version::text, ' '), '') || ' '
		from periplus.schema_version"
}

had=$(applied)
for file in "$here"/[0-9]*.sql; do
	version=$(version_of "$file")
	case $had in
	*" $version "*) continue ;;
	esac
	sql --single-transaction -f "$file" \
		-c "insert into periplus.schema_version (version, name)
		values ($version, '$(name_of "$file")')"
done

seed=$(mktemp)
trap 'rm -f "$seed"' EXIT
for awk in "$here"/seed/*.awk; do
	awk -f "$awk" "${awk%.awk}.tsv" >"$seed"
	sql --single-transaction -f "$seed"
done
sql -c "select periplus.partitions_ahead(8)" >/dev/null
