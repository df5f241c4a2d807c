# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The stages of ./check.sh, in the order they run. A stage is a function stage_NAME, given
# its log file; it adds to stage_passed, stage_failed and stage_skipped and returns non-zero
# if it could not do its work. Any stage may be run alone: it builds what it needs.

STAGES=(packages style build-gcc build-clang build-asan build-tsan unit unit-asan wire property
    fuzz netns netns-asan barrier vm tsan distcheck)

list_stages()
{
    cat <<'END'
packages     what is needed is installed (apt-get, as root)
style        dependency rules, licences, shellcheck, manual pages, tidiness
build-gcc    gcc, warnings are errors
build-clang  clang, warnings are errors
build-asan   gcc with AddressSanitizer and UndefinedBehaviorSanitizer
build-tsan   gcc with ThreadSanitizer
unit         unit tests
unit-asan    unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
wire         golden messages, cross-checked with ovs-ofctl; every truncation
property     random tables and packets against the reference interpreter
fuzz         corpora replayed, then short libFuzzer runs
netns        end to end in network namespaces: ovs-ofctl, os-ken, ping, iperf3, mininet
netns-asan   the same under AddressSanitizer and UndefinedBehaviorSanitizer
barrier      no packet uses what a barrier has replaced
vm           real tc flower offload, in a virtual machine with a simulated NIC
tsan         the threaded tests under ThreadSanitizer
distcheck    make distcheck: a release builds, tests, installs and uninstalls
END
}

is_stage()
{
    local name
    for name in "${STAGES[@]}"; do
        [ "$name" != "$1" ] || return 0
    done
    return 1
}

JOBS=$(nproc 2>/dev/null || echo 2)

# one_test: the stage is one test; its status decides.
one_test()
{
    if [ "$1" = 0 ]; then
        stage_passed=1
    else
        stage_failed=1
    fi
}

configure_arguments()
{
    case $1 in
    gcc) echo "CC=gcc --enable-werror" ;;
    clang) echo "CC=clang --enable-werror" ;;
    asan) echo "CC=gcc --enable-werror --enable-sanitizers=address,undefined" ;;
    tsan) echo "CC=gcc --enable-werror --enable-sanitizers=thread" ;;
    fuzz) echo "CC=clang --enable-werror --enable-sanitizers=address,undefined --enable-fuzzers" ;;
    esac
}

# build_tree NAME: configures and makes build/NAME, programs and tests; a no-op when it is
# up to date.
build_tree()
{
    local dir=$top/build/$1 arguments
    arguments=$(configure_arguments "$1")
    [ -x "$top/configure" ] || "$top/autogen.sh" || return
    mkdir -p "$dir" && cd "$dir" || return
    if [ ! -f Makefile ] || [ "$(cat .arguments 2>/dev/null)" != "$arguments" ]; then
        echo "$arguments" >.arguments
        # shellcheck disable=SC2086 # words
        "$top/configure" $arguments || { rm -f .arguments; return 1; }
    fi
    make -j "$JOBS" all && make -j "$JOBS" check TESTS=
}

build_stage()
{
    (build_tree "$1") >>"$2" 2>&1 </dev/null
    one_test $?
}

# run_list TREE LIST LOG [JOBS]: the tests of one list of the makefile, each through automake's
# TAP driver, in the build tree TREE; adds what they say to the stage's sums.
run_list()
{
    local tree=$1 list=$2 log=$3 jobs=${4-1} test status=0
    (build_tree "$tree") >>"$log" 2>&1 </dev/null || { one_test 1; return 1; }
    local dir=$top/build/$tree
    tests_in "$tree" "$list" >"$log.list"
    export -f run_test
    export top
    # shellcheck disable=SC2016 # for the inner shell
    (cd "$dir" && xargs -r -P "$jobs" -I{} bash -c 'run_test "$1"' run_test {} <"$log.list") \
        >>"$log" 2>&1 || status=1
    while read -r test; do
        add_results "$dir/$test" "$log"
    done <"$log.list"
    return $status
}

# tests_in TREE LIST: the names that are in a list of the makefile.
tests_in()
{
    make -s -C "$top/build/$1" print-tests </dev/null | awk -v list="$2" '$1 == list { print $2 }'
}

# run_test NAME: one test, in the current build tree; leaves NAME.log and NAME.trs.
run_test()
{
    local name=$1 path=$1 command=()
    [ -e "$path" ] || path=$top/$name
    case $name in
    *.py) command=(/usr/bin/python3) ;;
    *.sh) command=(bash) ;;
    esac
    mkdir -p "$(dirname "$name")"
    rm -f "$name.log" "$name.trs"
    TURNOUT_SRCDIR=$top TURNOUT_BUILDDIR=$PWD PYTHONPATH=$top/tests PYTHONDONTWRITEBYTECODE=1 \
        sh "$top/build-aux/tap-driver.sh" --test-name "$name" --log-file "$name.log" \
        --trs-file "$name.trs" --color-tests no --enable-hard-errors yes --expect-failure no \
        -- timeout -k 10 "${TEST_TIME_LIMIT:-900}" "${command[@]}" "$path" </dev/null
}

# add_results TEST LOG: counts TEST.trs; the log of a test that failed goes to the stage's.
add_results()
{
    local pass fail skip
    read -r pass fail skip < <(awk '
        /^:test-result: (PASS|XFAIL)/ { pass++ }
        /^:test-result: SKIP/ { skip++ }
        /^:test-result: (FAIL|XPASS|ERROR)/ { fail++ }
        END { print pass + 0, fail + (NR == 0), skip + 0 }' "$1.trs" 2>/dev/null || echo 0 1 0)
    stage_passed=$((stage_passed + pass))
    stage_failed=$((stage_failed + fail))
    stage_skipped=$((stage_skipped + skip))
    if [ "$fail" != 0 ]; then
        echo "==== $1.log"
        tail -n 60 "$1.log" 2>/dev/null
    fi >>"$2"
}

stage_packages()
{
    "$top/packages" build run test vm >>"$1" 2>&1
    one_test $?
}

# Needs no build, so it runs the scripts itself.
stage_style()
{
    local script
    while read -r script; do
        echo "== $script" >>"$1"
        TURNOUT_SRCDIR=$top PYTHONDONTWRITEBYTECODE=1 "$top/$script" >"$1.tap" 2>&1 </dev/null \
            || [ $? = 1 ] || echo "not ok - $script ended badly" >>"$1.tap"
        cat "$1.tap" >>"$1"
        stage_passed=$((stage_passed + $(grep -c '^ok ' "$1.tap")))
        stage_failed=$((stage_failed + $(grep -c '^not ok ' "$1.tap")))
    done < <(awk '/^STYLE_TESTS \+=/ { print $3 }' "$top/tests/style/Makefile.inc")
    return 0
}

stage_build_gcc() { build_stage gcc "$1"; }
stage_build_clang() { build_stage clang "$1"; }
stage_build_asan() { build_stage asan "$1"; }
stage_build_tsan() { build_stage tsan "$1"; }

stage_unit() { run_list gcc UNIT_TESTS "$1" "$JOBS"; }
stage_unit_asan() { run_list asan UNIT_TESTS "$1" "$JOBS"; }
stage_wire() { run_list asan WIRE_TESTS "$1" "$JOBS"; }
stage_property() { run_list gcc PROPERTY_TESTS "$1" "$JOBS"; }
stage_netns() { run_list gcc NETNS_TESTS "$1"; }
stage_netns_asan() { run_list asan NETNS_TESTS "$1"; }
stage_barrier() { run_list gcc BARRIER_TESTS "$1"; }

# Kernel and modules are made first, not within a test's time.
stage_vm()
{
    (build_tree gcc && TURNOUT_BUILDDIR=$top/build/gcc "$top/tests/vm/run" -r --prepare) \
        >>"$1" 2>&1 </dev/null || { one_test 1; return 1; }
    run_list gcc VM_TESTS "$1"
}

stage_tsan()
{
    TURNOUT_ROUNDS=500 TSAN_OPTIONS="halt_on_error=1 second_deadlock_stack=1" run_list tsan THREADED_TESTS "$1"
}

# Each target counts twice: its corpus replayed, and a run of libFuzzer from it. What the
# run finds stays in build/check/fuzz-NAME.
stage_fuzz()
{
    local log=$1 seconds=20
    [ -z "${TURNOUT_LONG-}" ] || seconds=600
    (build_tree fuzz) >>"$log" 2>&1 </dev/null || { one_test 1; return 1; }
    tests_in fuzz FUZZ_TARGETS >"$log.list"
    export -f fuzz_target
    export top seconds
    # shellcheck disable=SC2016 # for the inner shell
    xargs -r -P "$JOBS" -I{} bash -c 'fuzz_target "$1"' fuzz_target {} <"$log.list" >"$log.tap" 2>&1
    cat "$log.tap" >>"$log"
    stage_passed=$(grep -c '^ok ' "$log.tap")
    stage_failed=$(grep -c '^not ok ' "$log.tap")
    return 0
}

# fuzz_target PROGRAM: replays its corpus, then looks for more from there.
fuzz_target()
{
    local program=$1 name=${1##*/fuzz_} argument
    local work=$top/build/check/fuzz-$name
    mkdir -p "$work/corpus"
    for argument in -runs=0 "-max_total_time=$seconds"; do
        if timeout 900 "$top/build/fuzz/$program" -artifact_prefix="$work/" -timeout=10 \
            -rss_limit_mb=2048 "$argument" "$work/corpus" "$top/tests/fuzz/corpus/$name" \
            >"$work/log" 2>&1 </dev/null; then
            echo "ok - $name $argument"
        else
            echo "not ok - $name $argument"
            tail -n 60 "$work/log"
        fi
    done
}

stage_distcheck()
{
    (build_tree gcc && make distcheck) >>"$1" 2>&1 </dev/null
    one_test $?
}
