#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds Turnout in every way and runs every test. The last line is the sum:
#     N passed, N failed, N skipped
# The exit status is 0 only if nothing failed and no stage ran fewer tests than
# tests/expected-counts says. docs/TESTING.md describes the stages.
set -u
cd "$(dirname "$0")" || exit 1
top=$PWD
unset CDPATH MAKEFLAGS MAKELEVEL CFLAGS LDFLAGS CPPFLAGS CC
export LC_ALL=C.UTF-8
export HOME=${HOME:-/nonexistent}
umask 022

# shellcheck source=tests/stages.sh
. "$top/tests/stages.sh"

usage()
{
    cat <<END
usage: ./check.sh [--stage NAME]... [--long] [--list] [--record]
  --stage NAME  run this stage only (and build what it needs); may be repeated
  --long        more seeds, more rounds, longer fuzzing
  --list        print the stages and what each does, run nothing
  --record      write the numbers of tests that ran into tests/expected-counts
END
}

chosen=()
long=no
record=no
while [ $# -gt 0 ]; do
    case $1 in
    --stage)
        [ $# -ge 2 ] || { usage >&2; exit 2; }
        chosen+=("$2")
        shift
        ;;
    --stage=*) chosen+=("${1#--stage=}") ;;
    --long) long=yes ;;
    --record) record=yes ;;
    --list)
        list_stages
        exit 0
        ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        echo "check.sh: unknown argument '$1'" >&2
        usage >&2
        exit 2
        ;;
    esac
    shift
done
for name in "${chosen[@]}"; do
    is_stage "$name" || { echo "check.sh: no stage '$name'; there are: ${STAGES[*]}" >&2; exit 2; }
done
[ ${#chosen[@]} -gt 0 ] || chosen=("${STAGES[@]}")
[ $long = no ] || export TURNOUT_LONG=1

logs=$top/build/check
mkdir -p "$logs" || exit 1

red='' green='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR-}" ]; then
    red=$'\033[31m' green=$'\033[32m' plain=$'\033[0m'
fi

expected_of()
{
    awk -v name="$1" '$1 == name { print $2 }' tests/expected-counts 2>/dev/null
}

record_count()
{
    {
        grep '^#' tests/expected-counts
        { grep -v '^#' tests/expected-counts | awk -v name="$1" '$1 != name'; echo "$1 $2"; } | sort
    } >"$logs/expected" && cat "$logs/expected" >tests/expected-counts
}

# What a stage left to say: every test that failed, then the end of its log and of the logs
# of its tests. Who reads only the first lines still knows what to run again.
show_failure()
{
    echo "---- $1 failed:"
    { grep -E '^(FAIL|ERROR|XPASS): [^ ]*[a-z]' "$2" || grep '^not ok ' "$2"; } | sort -u \
        | head -n 40 | sed 's/^/    /'
    echo "---- the end of $2:"
    tail -n "${CHECK_LOG_LINES:-120}" "$2" | sed 's/^/    /'
    echo "----"
}

passed=0 failed=0 skipped=0
run_stage()
{
    local name=$1 log=$logs/$1.log status expected verdict colour start=$SECONDS
    stage_passed=0 stage_failed=0 stage_skipped=0
    : >"$log"
    "stage_${name//-/_}" "$log"
    status=$?
    [ $status = 0 ] || [ $stage_failed -gt 0 ] || stage_failed=1
    if [ $record = yes ]; then
        record_count "$name" $((stage_passed + stage_failed))
    fi
    expected=$(expected_of "$name")
    if [ $((stage_passed + stage_failed)) -lt "${expected:-0}" ]; then
        echo "check.sh: only $stage_passed passed, tests/expected-counts says $expected" >>"$log"
        [ $stage_failed -gt 0 ] || stage_failed=$((expected - stage_passed))
    fi
    verdict=ok colour=$green
    [ $stage_failed = 0 ] || verdict=FAILED colour=$red
    printf '%s%-12s %-6s%s %5d passed %5d failed %5d skipped %6d s\n' "$colour" "$name" "$verdict" \
        "$plain" $stage_passed $stage_failed $stage_skipped $((SECONDS - start))
    [ $stage_failed = 0 ] || show_failure "$name" "$log"
    passed=$((passed + stage_passed))
    failed=$((failed + stage_failed))
    skipped=$((skipped + stage_skipped))
}

for name in "${chosen[@]}"; do
    run_stage "$name"
done
printf 'all stages: %d s; logs in build/check\n' "$SECONDS"
printf '%d passed, %d failed, %d skipped\n' $passed $failed $skipped
[ $failed = 0 ]
