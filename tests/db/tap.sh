# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# tap.sh - what the database tests share; sourced by them from the top of the
# tree.  It makes a directory $tmp that goes away with the test, and $here/pg
# stops the server in it.
set -eu

here=tests/db
tests_run=0
tests_failed=0
tmp=$(mktemp -d /tmp/periplus-db.XXXXXX)
chmod 755 "$tmp"

# A server that does not stop fails the test: it would outlive it.
cleanup()
{
	status=$?
	if ! "$here/pg" stop "$tmp"; then
		echo "# the server in $tmp did not stop" >&2
		status=1
	fi
	rm -rf "$tmp"
	exit "$status"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

server_start()
{
	conninfo=$("$here/pg" start "$tmp" --fast)
}

schema_load()
{
	sql/load.sh "$conninfo"
}

# sql TEXT [USER] - run a query as the owner or another user.
sql()
{
	PGOPTIONS='--client-min-messages=warning' "$here/pg" psql "$tmp" \
		-q -At -v ON_ERROR_STOP=1 -U "${2:-periplus_owner}" -c "$1"
}

# ok STATUS NAME - one line of TAP.
ok()
{
	tests_run=$((tests_run + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $tests_run - $2"
	else
		tests_failed=$((tests_failed + 1))
		echo "not ok $tests_run - $2"
	fi
}

# is FOUND WANTED NAME
is()
{
	if [ "$1" = "$2" ]; then
		ok 0 "$3"
	else
		ok 1 "$3"
		diag "found:  $1"
		diag "wanted: $2"
	fi
}

diag()
{
	printf '%s\n' "$*" | sed 's/^/# /'
}

# Run a command; its output becomes comments when it fails.
succeeds()
{
	name=$1
	shift
	if "$@" >"$tmp/output" 2>&1; then
		ok 0 "$name"
	else
		ok 1 "$name"
		sed 's/^/# /' "$tmp/output"
	fi
}

finish()
{
	echo "1..$tests_run"
	[ "$tests_failed" -eq 0 ]
}
