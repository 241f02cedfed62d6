#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Let libFuzzer search for inputs that break a decoder, for a short while.
# "make fuzz FUZZ_SECONDS=600" searches longer.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
seconds=${FUZZ_SECONDS:-10}

n=0
for source in tests/fuzz/fuzz_*.c; do
	name=$(basename "$source" .c)
	name=${name#fuzz_}
	n=$((n + 1))
	if said=$(make --no-print-directory BUILD="$BUILD" FUZZ="$name" \
		FUZZ_SECONDS="$seconds" fuzz 2>&1); then
		echo "ok $n - $(echo "$said" | tail -1)"
	else
		echo "not ok $n - fuzz $name"
		echo "$said" | sed 's/^/# /'
	fi
done
echo "1..$n"
