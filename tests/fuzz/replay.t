#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Replays the corpus of every fuzz target, each file and each beginning of it.
set -eu
build=${BUILD:-build}
cd "$(dirname "$0")/../.."

n=0
for target in tests/fuzz/fuzz_*.c; do
	name=${target##*/fuzz_}
	name=${name%.c}
	n=$((n + 1))
	if [ ! -x "$build/fuzz/replay_$name" ]; then
		echo "# $build/fuzz/replay_$name is missing: make fuzz-replay"
		echo "not ok $n - $name"
	elif out=$("$build/fuzz/replay_$name" tests/fuzz/corpus/"$name"/* 2>&1); then
		echo "ok $n - $name: the corpus breaks nothing"
	else
		echo "$out" | sed 's/^/# /'
		echo "not ok $n - $name: the corpus breaks nothing"
	fi
done
echo "1..$n"
