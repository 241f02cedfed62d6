#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The throw-away server itself.
cd "$(dirname "$0")/../.." || exit 1
. tests/db/tap.sh

is "$(tests/db/pg start "$tmp")" \
	"host=$tmp dbname=periplus user=periplus_owner" \
	'start prints the connection string'
is "$(sql 'show fsync') $(sql 'show listen_addresses')" 'on ' \
	'it syncs and has no TCP port'
is "$(tests/db/pg start "$tmp")" "$(tests/db/pg conninfo "$tmp")" \
	'starting it again changes nothing'
if [ "$(id -u)" -eq 0 ]; then
	is "$(setpriv --reuid nobody --regid nogroup --clear-groups \
		psql -X -At -d "$(tests/db/pg conninfo "$tmp")" -c 'select 1')" 1 \
		'other local users reach it'
fi
sql 'create table kept (n int); insert into kept values (7)'
succeeds 'it can be crashed' tests/db/pg restart "$tmp" immediate
is "$(sql 'select n from kept')" 7 'what was committed is there after that'
succeeds 'stop' tests/db/pg stop "$tmp"
succeeds 'stop when stopped' tests/db/pg stop "$tmp"
tests/db/pg start "$tmp" --fast >/dev/null
is "$(sql 'show fsync') $(sql 'select n from kept')" 'off 7' \
	'--fast does not sync, the data stays'
tests/db/pg start /nonexistent >"$tmp/output" 2>&1 && status=0 || status=$?
is "$status $(cat "$tmp/output")" '1 pg: /nonexistent is not a directory' \
	'a missing directory is said'
finish
