#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# ovs-ofctl as an independent reader and writer of flow syntax: random flows as we print
# them must come back from it unchanged, and so must odd spellings as we understand them.
set -u
if ! command -v ovs-ofctl >/dev/null; then
    echo "1..0 # SKIP ovs-ofctl is not installed"
    exit 0
fi
cat=${TURNOUT_BUILDDIR:-.}/tests/unit/flow_text_cat
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
echo 1..6
format=openflow10

as_ovs_prints()
{
    ovs-ofctl -F "$format" -O OpenFlow10 parse-flows "$1" 2>"$dir/errors" |
        sed -n 's/^[ONFPXT]*_FLOW_MOD ([^)]*): ADD //p'
}

n=0
# result STATUS NAME: one line of TAP; what differs, if anything, is in $dir/diff.
result()
{
    n=$((n + 1))
    if [ "$1" = 0 ]; then
        echo "ok $n - $2"
    else
        head -n 60 "$dir/diff" "$dir/errors" | sed 's/^/# /'
        echo "not ok $n - $2"
    fi
}

# compare NAME: both read $dir/in and must print the same (- ovs-ofctl's, + ours).
compare()
{
    as_ovs_prints "$dir/in" >"$dir/theirs"
    "$cat" <"$dir/in" >"$dir/ours"
    [ -s "$dir/ours" ] && diff -u "$dir/theirs" "$dir/ours" >"$dir/diff"
    result $? "$1"
}

"$cat" 2000 >"$dir/in"
as_ovs_prints "$dir/in" >"$dir/theirs"
[ "$(wc -l <"$dir/in")" -eq 2000 ] && diff -u "$dir/theirs" "$dir/in" >"$dir/diff"
result $? "random flows are printed as ovs-ofctl prints them"
compare "random flows are read as ovs-ofctl reads them"

cat >"$dir/in" <<'END'
actions=drop
actions=
priority=100,tcp,in_port=1,nw_dst=10.0.0.0/8,tp_dst=80,actions=output:2
  priority=1   in_port=2   actions=1
priority=1,,in_port=2,actions=1
arp,nw_src=10.0.0.1,nw_proto=2,actions=all
arp,arp_spa=10.0.0.1/24,arp_op=1,arp_tpa=1.2.3.4,actions=flood
icmp,icmp_type=8,icmp_code=0,actions=LOCAL
icmp,tp_src=3,actions=local
dl_vlan=0xffff,actions=2
dl_vlan=5,dl_vlan_pcp=3,actions=2
dl_vlan_pcp=3,actions=strip_vlan,2
vlan_tci=0,actions=2
vlan_tci=0x1005,actions=2
vlan_tci=0xfffe,actions=2
vlan_vid=0x1005,vlan_pcp=1,actions=pop_vlan
dl_type=0x806,actions=in_port
dl_type=0x5ff,actions=table
dl_src=1:2:3:4:5:6,dl_dst=FF:ff:FF:ff:FF:ff,actions=controller
eth_src=00:11:22:33:44:55,eth_type=0x800,ip_proto=6,actions=controller:65
ip,nw_proto=6,tp_src=53,actions=controller(max_len=100)
ip,nw_proto=47,nw_tos=0x20,actions=CONTROLLER
ip,ip_dscp=8,actions=output:CONTROLLER
udp,udp_src=53,udp_dst=0x35,actions=normal,flood
tcp,tcp_dst=0x50,tp_src=0,actions=ALL
ip,nw_src=10.0.0.1/0,nw_dst=10.0.0.1/255.255.0.0,actions=1
dl_vlan=*,dl_src=*,actions=1
in_port=LOCAL,actions=set_vlan_vid:5,set_vlan_pcp:3,enqueue:1:2,enqueue(3,4),output(5)
in_port=none,actions=mod_nw_tos:32,mod_tp_src:1,mod_tp_dst:65535,mod_nw_src=1.2.3.4
END
compare "odd spellings are read as ovs-ofctl reads them"

# nx_match: every mask. A flow goes through ovs-ofctl's own nx_match on its way.
format=nxm
"$cat" 2000 nxm >"$dir/in"
as_ovs_prints "$dir/in" >"$dir/theirs"
[ "$(wc -l <"$dir/in")" -eq 2000 ] && diff -u "$dir/theirs" "$dir/in" >"$dir/diff"
result $? "random flows under any mask are printed as ovs-ofctl prints them"
compare "random flows under any mask are read as ovs-ofctl reads them"

cat >"$dir/in" <<'END'
ip,nw_src=10.0.0.0/255.0.255.0,actions=1
dl_dst=01:00:00:00:00:00/01:00:00:00:00:00,actions=1
dl_src=2:0:0:0:0:5/ff:0:0:0:0:f,actions=1
tcp,tp_src=0x10/0xfff0,actions=1
udp,tp_dst=1/1,udp_src=0x8000/0x8000,actions=1
vlan_tci=0x1000/0x1000,actions=1
vlan_tci=0x1005/0x100f,actions=1
vlan_tci=0/0xfff,actions=1
vlan_tci=0x7000/0xf000,actions=1
vlan_vid=0x1005/0x100f,actions=1
arp,arp_spa=1.2.3.4/0.0.0.255,arp_tpa=9.0.0.0/13,actions=1
ip,ip_frag=no,actions=1
ip,nw_frag=later,actions=1
tcp,ip_frag=not_later,tp_dst=80,actions=1
icmp,ip_frag=first,icmp_type=8,actions=1
ip,nw_frag=yes,actions=1
END
compare "odd masks are read as ovs-ofctl reads them"
