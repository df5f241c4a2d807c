# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The stages of ./check.sh, in the order they run. A stage is a function stage_NAME, given
# its log file; it adds to stage_passed, stage_failed and stage_skipped and returns non-zero
# if it could not do its work. Any stage may be run alone: it builds what it needs.

STAGES=(packages style build-gcc build-clang build-asan build-tsan unit unit-asan wire property
    fuzz netns barrier tsan distcheck)

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
barrier      no packet uses what a barrier has replaced
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

# run_list TREE LIST LOG [MAKE ARGUMENT...]: the tests of one list with automake's harness.
run_list()
{
    local tree=$1 list=$2 log=$3 status
    shift 3
    (build_tree "$tree") >>"$log" 2>&1 </dev/null || { one_test 1; return 1; }
    make -C "$top/build/$tree" check TESTS="\$($list)" VERBOSE=1 "$@" >>"$log" 2>&1 </dev/null
    status=$?
    add_totals "$log"
    return $status
}

# add_totals LOG: the sums that automake's harness printed last.
add_totals()
{
    local pass fail skip
    read -r pass fail skip < <(awk '
        { gsub(/\033\[[0-9;]*m/, "") }
        /^# PASS:/ { pass = $3 } /^# XFAIL:/ { xfail = $3 } /^# SKIP:/ { skip = $3 }
        /^# FAIL:/ { fail = $3 } /^# XPASS:/ { xpass = $3 } /^# ERROR:/ { error = $3 }
        END { print pass + xfail, fail + xpass + error, skip + 0 }' "$1")
    stage_passed=$((stage_passed + pass))
    stage_failed=$((stage_failed + fail))
    stage_skipped=$((stage_skipped + skip))
}

stage_packages()
{
    "$top/packages" build run test >>"$1" 2>&1
    one_test $?
}

# Needs no build, so it runs the scripts itself.
stage_style()
{
    local script
    for script in $(awk '/^STYLE_TESTS \+=/ { print $3 }' "$top/tests/style/Makefile.inc"); do
        echo "== $script" >>"$1"
        TURNOUT_SRCDIR=$top PYTHONDONTWRITEBYTECODE=1 "$top/$script" >"$1.tap" 2>&1 </dev/null \
            || [ $? = 1 ] || echo "not ok - $script ended badly" >>"$1.tap"
        cat "$1.tap" >>"$1"
        stage_passed=$((stage_passed + $(grep -c '^ok ' "$1.tap")))
        stage_failed=$((stage_failed + $(grep -c '^not ok ' "$1.tap")))
    done
    return 0
}

stage_build_gcc() { build_stage gcc "$1"; }
stage_build_clang() { build_stage clang "$1"; }
stage_build_asan() { build_stage asan "$1"; }
stage_build_tsan() { build_stage tsan "$1"; }

stage_unit() { run_list gcc UNIT_TESTS "$1" -j "$JOBS"; }
stage_unit_asan() { run_list asan UNIT_TESTS "$1" -j "$JOBS"; }
stage_wire() { run_list asan WIRE_TESTS "$1" -j "$JOBS"; }
stage_property() { run_list gcc PROPERTY_TESTS "$1" -j "$JOBS"; }
stage_netns() { run_list gcc NETNS_ALL "$1"; }
stage_barrier() { run_list gcc BARRIER_TESTS "$1"; }

stage_tsan()
{
    TSAN_OPTIONS="halt_on_error=1 second_deadlock_stack=1" run_list tsan THREADED_TESTS "$1"
}

# The targets that the tree lists, as names: tests/fuzz/fuzz_NAME with a corpus in
# tests/fuzz/corpus/NAME.
fuzz_targets()
{
    make -s -C "$top/build/fuzz" print-fuzz-targets 2>/dev/null </dev/null
}

# Each target counts twice: its corpus replayed, and a run of libFuzzer from it. What the
# run finds stays in build/check/fuzz-NAME.
stage_fuzz()
{
    local log=$1 target name seconds=20
    [ -z "${TURNOUT_LONG-}" ] || seconds=600
    (build_tree fuzz) >>"$log" 2>&1 </dev/null || { one_test 1; return 1; }
    for target in $(fuzz_targets); do
        name=${target##*/fuzz_}
        fuzz_step "$log" "$target" "$name" -runs=0
        fuzz_step "$log" "$target" "$name" -max_total_time=$seconds
    done
}

fuzz_step()
{
    local log=$1 target=$2 name=$3 argument=$4 work=$logs/fuzz-$3
    mkdir -p "$work/corpus"
    echo "== $target $argument" >>"$log"
    if timeout 900 "$top/build/fuzz/$target" -artifact_prefix="$work/" -timeout=10 \
        -rss_limit_mb=2048 -print_final_stats=1 "$argument" "$work/corpus" \
        "$top/tests/fuzz/corpus/$name" >>"$log" 2>&1 </dev/null; then
        stage_passed=$((stage_passed + 1))
    else
        stage_failed=$((stage_failed + 1))
    fi
}

stage_distcheck()
{
    (build_tree gcc && make distcheck) >>"$1" 2>&1 </dev/null
    one_test $?
}
