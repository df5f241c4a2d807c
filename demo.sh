#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Three hosts and one switch, in network namespaces: installs what is needed, builds, runs a tour
# on real packets and takes everything down again. Without arguments the tour is a learning switch
# (os-ken, OpenFlow 1.0) and pings between every pair; with "hw" it is a switch whose ports have a
# simulated ASIC: flows move into it, it fills up, and each question about that is answered.
set -u
cd "$(dirname "$0")" || exit 1
top=$PWD
build=$top/build/demo
export HOME=${HOME:-/nonexistent} LC_ALL=C.UTF-8

usage()
{
    cat <<'END'
usage: ./demo.sh [hw] [--stay]
  hw      the tour of the hardware offload, with a simulated ASIC
  --stay  leave it all running after the tour, until Enter is pressed (or stdin ends)
END
}

stay=no
tour=learning
for argument in "$@"; do
    case $argument in
    hw) tour=hw ;;
    --stay) stay=yes ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        usage >&2
        exit 2
        ;;
    esac
done

bold='' dim='' red='' green='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR-}" ]; then
    bold=$'\033[1m' dim=$'\033[2m' red=$'\033[31m' green=$'\033[32m' plain=$'\033[0m'
fi

say()
{
    printf '\n%s==> %s%s\n' "$bold" "$*" "$plain"
}

# What this run makes has its process id in its name, and is taken down by name and pid.
name=tndemo$$
switch_ns=$name-sw
namespaces=()
pids=()
tmp=

clean_up()
{
    local status=$? pid ns
    trap - EXIT INT TERM HUP
    for pid in ${pids[@]+"${pids[@]}"}; do
        kill -TERM "$pid" 2>/dev/null
    done
    for pid in ${pids[@]+"${pids[@]}"}; do
        for _ in $(seq 100); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.05
        done
        kill -KILL "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    for ns in ${namespaces[@]+"${namespaces[@]}"}; do
        ip netns del "$ns" 2>/dev/null
    done
    [ -z "$tmp" ] || rm -rf "$tmp"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

fail()
{
    printf '\n%sdemo.sh: %s%s\n' "$red" "$*" "$plain" >&2
    local log
    for log in build controller turnoutd; do
        [ -s "${tmp:-/nowhere}/$log.log" ] || continue
        echo "---- the end of the log of $log:" >&2
        tail -n 25 "$tmp/$log.log" | sed 's/^/    /' >&2
    done
    exit 1
}

# wait_for WHAT COMMAND...: until the command succeeds; fails after 30 seconds.
wait_for()
{
    local what=$1 end=$((SECONDS + 30))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || fail "gave up after 30 s: $what"
        sleep 0.05
    done
}

in_switch()
{
    ip netns exec "$switch_ns" "$@"
}

ctl()
{
    in_switch "$build/tools/turnoutctl/turnoutctl" --control "$tmp/control" "$@"
}

show()
{
    printf '\n%s$ turnoutctl %s%s\n' "$dim" "$*" "$plain"
    ctl "$@" || fail "turnoutctl $* failed"
}

add_namespace()
{
    ip netns add "$1" || fail "cannot make the network namespace $1"
    namespaces+=("$1")
    ip -n "$1" link set lo up
}

host_ns()
{
    echo "$name-h$1"
}

make_host()
{
    local ns
    ns=$(host_ns "$1")
    add_namespace "$ns"
    ip netns exec "$ns" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 2>/dev/null
    if ! { ip link add "p$1" netns "$switch_ns" type veth peer name eth0 netns "$ns" \
        && ip -n "$ns" link set eth0 address "02:00:00:00:00:0$1" \
        && ip -n "$ns" addr add "10.0.0.$1/24" dev eth0 \
        && ip -n "$ns" link set eth0 up \
        && ip -n "$switch_ns" link set "p$1" up; }; then
        fail "cannot make host $1"
    fi
}

listens()
{
    in_switch bash -c '</dev/tcp/127.0.0.1/6653'
}

controller_is_active()
{
    ctl controllers | grep -qw active
}

ping_pair()
{
    local from=$1 to=$2 line
    if line=$(ip netns exec "$(host_ns "$from")" ping -c 3 -i 0.2 -W 5 -q "10.0.0.$to"); then
        printf '  host %s -> host %s  %s%s%s\n' "$from" "$to" "$green" \
            "$(grep -E '^rtt' <<<"$line" || echo 'answered')" "$plain"
    else
        printf '%s\n' "$line" >&2
        ctl counters >&2
        fail "host $from cannot reach host $to"
    fi
}

start_switch()
{
    ip netns exec "$switch_ns" "$build/tools/turnoutd/turnoutd" --control "$tmp/control" --rundir "$tmp" \
        --log-to stderr --bridge br0 "$@" >"$tmp/turnoutd.log" 2>&1 </dev/null &
    pids+=($!)
    wait_for "turnoutd answers" ctl show
}

# --- a learning switch --------------------------------------------------------------------------

tour_learning()
{
    say "The controller: os-ken with a learning switch for OpenFlow 1.0"
    ip netns exec "$switch_ns" /usr/bin/osken-manager --ofp-listen-host 127.0.0.1 \
        --ofp-tcp-listen-port 6653 "$top/tests/netns/learning_switch.py" \
        >"$tmp/controller.log" 2>&1 </dev/null &
    pids+=($!)
    wait_for "the controller listens" listens
    echo "  listens on 127.0.0.1:6653"

    say "The switch: turnoutd with bridge br0"
    start_switch --port p1@1 --port p2@2 --port p3@3 --controller tcp:127.0.0.1:6653
    wait_for "turnoutd is connected to the controller" controller_is_active
    echo "  connected to the controller"

    say "Every host pings every other"
    local from to
    for from in 1 2 3; do
        for to in 1 2 3; do
            [ $from = $to ] || ping_pair $from $to
        done
    done

    say "What the switch holds now"
    show show
    show flows
    show cache
    show counters
    summary="every pair answered"
}

# --- hardware offload ---------------------------------------------------------------------------

# Rules for the tour; ovs-ofctl's syntax.
write_flows()
{
    cat <<'END'
priority=100,arp,actions=normal
priority=50,icmp,in_port=1,nw_dst=10.0.0.2,actions=output:2
priority=50,icmp,in_port=2,nw_dst=10.0.0.1,actions=output:1
priority=40,tcp,tp_dst=22,actions=controller
priority=30,udp,in_port=1,nw_dst=10.0.0.3,actions=dec_ttl,output:3
END
    local port
    for port in $(seq 5001 5012); do
        echo "priority=20,udp,in_port=1,nw_dst=10.0.0.2,tp_dst=$port,actions=output:2"
    done
}

# Twelve UDP flows from host 1 to host 2, 250 packets a second each, until it is ended.
send_udp()
{
    ip netns exec "$(host_ns 1)" /usr/bin/python3 -c '
import socket, time
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    for port in range(5001, 5013):
        sock.sendto(b"turnout", ("10.0.0.2", port))
    time.sleep(0.004)' >"$tmp/udp.log" 2>&1 </dev/null &
    pids+=($!)
}

# entries_are N STATE: at least N entries of the ASIC are in this state.
entries_are()
{
    [ "$(ctl hw entries --json | grep -o "\"state\": *\"$2\"" | wc -l)" -ge "$1" ]
}

no_room()
{
    ctl hw explain --all | grep -q ' table-full '
}

# The ASIC has counted packets of every entry.
all_have_packets()
{
    entries_are 1 hardware && ! ctl hw entries | grep -q 'hardware: packets=0,'
}

# An audit that finds what the ASIC has just lost. The switch mends losses by itself as soon as it
# hears of them; then there is nothing left to find, and another entry gets lost.
find_loss()
{
    ctl hw fault sim lose-now=1 >/dev/null && ctl hw audit --repair >"$tmp/audit"
    [ $? = 1 ]
}

is_clean()
{
    ctl hw audit >"$tmp/audit"
}

tour_hw()
{
    say "The switch: turnoutd, each port with a simulated ASIC that has room for 8 exact matches"
    start_switch --driver sim:exact=8,tcam=0 --port p1@1,driver=sim --port p2@2,driver=sim --port p3@3,driver=sim
    show hw show

    say "What would become of these rules, before they are there"
    write_flows | tee "$tmp/flows" | sed 's/^/  /'
    show hw plan "$tmp/flows"

    say "They are added; a ping of 200 packets/s moves into the ASIC"
    ctl restore-flows "$tmp/flows" || fail "the rules were refused"
    ip netns exec "$(host_ns 1)" ping -i 0.005 10.0.0.2 >"$tmp/ping.log" 2>&1 </dev/null &
    pids+=($!)
    wait_for "the ping is in hardware, both ways" entries_are 2 hardware
    wait_for "the ASIC counts" all_have_packets
    show hw entries
    show hw explain icmp,in_port=1,nw_src=10.0.0.1,nw_dst=10.0.0.2,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02

    say "Twelve busy UDP flows more than fill it"
    send_udp
    wait_for "the ASIC is full" entries_are 8 hardware
    wait_for "the others find no room" no_room
    show hw show
    show hw explain --all

    say "An entry gets lost in the ASIC; an audit finds it and puts it right"
    printf '\n%s$ turnoutctl hw fault sim lose-now=1; turnoutctl hw audit --repair%s\n' "$dim" "$plain"
    wait_for "an audit finds the loss" find_loss
    cat "$tmp/audit"
    printf '\n%s$ turnoutctl hw audit%s\n' "$dim" "$plain"
    wait_for "nothing differs" is_clean
    cat "$tmp/audit"
    summary="the ASIC was filled, explained and audited"
}

[ "$(id -u)" = 0 ] || fail "network namespaces need root"
tmp=$(mktemp -d "${TMPDIR:-/tmp}/turnout-demo.XXXXXX") || exit 1

say "Packages"
"$top/packages" build run >"$tmp/build.log" 2>&1 || fail "packages could not be installed"
echo "  all there"

say "Build (in build/demo)"
build_it()
{
    [ -x "$top/configure" ] || "$top/autogen.sh" || return
    mkdir -p "$build" && cd "$build" || return
    [ -f Makefile ] || "$top/configure" || return
    make -j "$(nproc)"
}
(build_it) >"$tmp/build.log" 2>&1 </dev/null || fail "the build failed"
: >"$tmp/build.log"
echo "  turnoutd, turnoutctl"

say "Three hosts and a switch, each in a network namespace"
start=$SECONDS
add_namespace "$switch_ns"
ip netns exec "$switch_ns" sysctl -qw net.ipv6.conf.default.disable_ipv6=1 2>/dev/null
for host in 1 2 3; do
    make_host $host
    echo "  host $host (10.0.0.$host) -- p$host"
done

"tour_$tour"

if [ $stay = yes ]; then
    say "It stays until you press Enter"
    echo "  ip netns exec $switch_ns $build/tools/turnoutctl/turnoutctl --control $tmp/control show"
    echo "  ip netns exec $(host_ns 1) ping 10.0.0.2"
    read -r _ || true
fi

printf '\n%sdemo: %s, %d s after the build%s\n' "$green" "$summary" $((SECONDS - start)) "$plain"
