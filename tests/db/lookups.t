#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The codes in lookup tables are those of the C headers.
cd "$(dirname "$0")/../.." || exit 1
. tests/db/tap.sh

# codes HEADER ENUM PREFIX - the constants of an enum as lines "code name".
codes()
{
	tr '\n\t' '  ' <"$1" | awk '{
		while (i = index($0, "/*")) {
			j = index(substr($0, i + 2), "*/")
			$0 = substr($0, 1, i - 1) substr($0, i + j + 3)
		}
		print
	}' |
		grep -o "enum $2 {[^}]*}" | sed 's/.*{//; s/}//' | tr ',' '\n' |
		sed -n "s/^ *$3_\([A-Z0-9_]*\) *= *\([0-9]*\) *$/\2 \1/p" |
		tr '[:upper:]' '[:lower:]' | sort -n
}

# agree TABLE HEADER ENUM PREFIX
agree()
{
	wanted=$(codes "$2" "$3" "$4")
	found=$(sql "select code || ' ' || name from periplus.$1 order by code")
	if [ -z "$wanted" ]; then
		ok 1 "$2 has an enum $3"
	else
		is "$found" "$wanted" "table $1 has the codes of enum $3 in $2"
	fi
}

server_start
schema_load
agree outcome lib/outcome.h outcome OUTCOME
agree direction lib/outcome.h direction DIRECTION
agree seen lib/outcome.h seen SEEN
agree skip lib/outcome.h skip SKIP
agree void_reason lib/outcome.h void_reason VOID
agree transport lib/wire.h transport TRANSPORT
agree consent_class lib/catalogue.h consent_class CONSENT
agree place collector/validate.h place PLACE
agree run_status collector/validate.h run_status RUN

entries=$(($(wc -l <sql/seed/ports.tsv) - 1))
is "$(sql 'select count(*) from periplus.port')" "$entries" \
	'every entry of the catalogue is in table port'
is "$(sql "select port || ' ' || t.name || ' ' || application || ' ' || tier
		from periplus.port join periplus.transport as t on t.code = transport
		order by 1")" \
	"$(awk -F '\t' 'NR > 1 { print $1, $2, $4, $8 }' sql/seed/ports.tsv |
		LC_ALL=C sort)" 'and says the same'
finish
