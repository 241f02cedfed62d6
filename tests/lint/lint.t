#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Formatting, static analysis and house rules, one TAP line each.
set -u
cd "$(dirname "$0")/../.." || exit 1

n=0
# check NAME COMMAND...: fails when the command fails, and shows what it said.
check() {
    name=$1
    shift
    n=$((n + 1))
    if said=$("$@" 2>&1); then
        echo "ok $n - $name"
    else
        echo "not ok $n - $name"
        echo "$said" | sed 's/^/# /' | head -60
    fi
}

none_of() { # none_of PATTERN FILES...: no file may match
    pattern=$1
    shift
    ! grep -nE "$pattern" "$@"
}

c_files=$(git ls-files '*.c' '*.h')
sh_files=$(git ls-files '*.sh'; git grep -lE '^#!/bin/sh' -- . ':!*.sh')
py_files=$(git grep -lE '^#!/usr/bin/python3' -- .; git ls-files '*.py')

every_file_has_a_licence() {
    missing=0
    for f in $c_files $sh_files $py_files Makefile $(git ls-files '*.sql'); do
        head -3 "$f" | grep -q 'SPDX-License-Identifier: Apache-2.0' ||
            { echo "$f"; missing=1; }
    done
    return $missing
}

# lib includes nothing of a program, and no program of another.
includes_respect_the_layers() {
    bad=0
    for d in lib agent reflector collector; do
        if grep -nE '^#include "' $d/*.[ch] $d/*/*.[ch] 2>/dev/null |
            grep -vE "\"(lib|$d)/"; then
            bad=1
        fi
    done
    return $bad
}

# shellcheck disable=SC2086 # the lists are meant to be split
{
    check "C is formatted by clang-format 14" \
        clang-format-14 --dry-run -Werror $c_files
    check "cppcheck has nothing to say" \
        cppcheck --quiet --error-exitcode=1 --std=c11 --inline-suppr -I . \
        --enable=warning,performance,portability \
        --suppress=missingIncludeSystem --suppress=unknownMacro \
        -D__x86_64__ lib agent reflector collector
    check "shellcheck has nothing to say" shellcheck $sh_files
    check "Python compiles" /usr/bin/python3 -c '
import ast, sys
for f in sys.argv[1:]:
    ast.parse(open(f).read(), f)' $py_files
    check "manual pages are clean" mandoc -T lint -W warning packaging/man/*.[1-8]
    check "no TODO, FIXME or commented-out debris" \
        none_of '\b(TODO|FIXME|XXX)\b' $c_files
}
check "every source file names its licence" every_file_has_a_licence
check "includes respect the layers" includes_respect_the_layers
echo "1..$n"
