#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The schema from zero, then every pgTAP script in sql/tests against it.
cd "$(dirname "$0")/../.." || exit 1
. tests/db/tap.sh

server_start
schema_load
sql 'create extension pgtap' postgres
for script in sql/tests/*.sql; do
	succeeds "$script" pg_prove -Q -h "$tmp" -U postgres -d periplus \
		--failures "$script"
done

# A generated file is what its generator writes.
python3 sql/tests/make_math.py >"$tmp/math.sql"
succeeds 'sql/tests/math.sql is up to date' \
	cmp "$tmp/math.sql" sql/tests/math.sql
finish
