#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every query of the cookbook runs as a researcher and finds something.
cd "$(dirname "$0")/../.." || exit 1
. tests/db/tap.sh

server_start
schema_load

# Provider 64500 blocks 445/tcp over IPv4 only, answers 25/tcp itself and loses
# the answers of 53/udp; provider 64501 lets all through.
cat >"$tmp/facts.sql" <<'SQL'
\ir fixture.psql
\o /dev/null
select periplus.reflector_id('fra1'), periplus.reflector_id('ams1');
select pg_temp.put(n, current_date, case when n > 12
		then '[[0,25,1,0,1],[0,445,1,0,1],[1,53,1,0,1]]'
		when family = 6
		then '[[0,25,6,7,0],[0,445,1,0,1],[1,53,2,6,1]]'
		else '[[0,25,6,7,0],[0,445,4,4,0],[1,53,2,6,1]]' end::jsonb,
	reflector, 64500 + n / 13, family => family,
	evidence => case when n <= 12 then '[{"i": 0, "banner": "MjIwIG14DQo="},
		{"i": 1, "icmp": [3, 13], "from": "100.64.0.1"}]'::jsonb end)
from generate_series(1, 24) as n, unnest(array[1, 2]) as reflector,
	unnest(array[4, 6]) as family;
select periplus.aggregate();
SQL
cp sql/tests/fixture.psql "$tmp/"
"$here/pg" psql "$tmp" -q -v ON_ERROR_STOP=1 -U postgres -f "$tmp/facts.sql"

for query in sql/cookbook/*.sql; do
	"$here/pg" psql "$tmp" -q -At -v ON_ERROR_STOP=1 -U researcher \
		-f "$query" >"$tmp/output" 2>&1 && status=0 || status=$?
	[ -s "$tmp/output" ] || status=1
	ok "$status" "$query"
	[ "$status" -eq 0 ] || sed 's/^/# /' "$tmp/output"
	grep -q "\`$(basename "$query")\`" sql/cookbook/README.md ||
		diag "not in the README: $query"
done
is "$(find sql/cookbook -name '*.sql' | wc -l)" \
	"$(grep -c '^| `' sql/cookbook/README.md)" 'the README lists them all'
is "$("$here/pg" psql "$tmp" -q -At -U researcher -v port=445 \
	-f sql/cookbook/who_blocks.sql | cut -d '|' -f 2,4,5,7)" \
	'64500|4|blocked|12/12' 'who blocks 445/tcp is found'
finish
