#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Open vSwitch and Turnout on the same simulated chip, one after the other: the same flows, the same
packets out; Open vSwitch's filters as 'turnoutctl hw --direct tc' lists them; and what each says of a
flow that hardware refused."""

import json

from netns.lib import Capture, check, check_equal, program, run, wait_for
from vm.frames import arp, ethernet, icmp, ipv4, tcp, udp, udp_frame
from vm.lab import ChipLab, everything
from vm.lib import enter
from vm.openvswitch import OpenVSwitch

FLOWS = """\
priority=50,udp,in_port=1,nw_dst=10.0.0.2,actions=output:2
priority=50,tcp,in_port=1,actions=mod_vlan_vid:7,output:2,output:3
priority=50,udp,in_port=1,nw_dst=10.0.0.3,actions=mod_dl_dst:02:00:00:00:00:99,mod_nw_dst:9.9.9.9,mod_nw_tos:184,output:3
priority=50,arp,in_port=1,actions=output:2,output:3
priority=70,in_port=1,dl_vlan=9,actions=strip_vlan,output:2
priority=70,in_port=1,dl_vlan=10,actions=mod_vlan_vid:11,output:3
priority=50,icmp,in_port=1,actions=in_port
priority=50,udp,in_port=1,nw_dst=10.0.0.4,actions=output:1,output:3
priority=50,udp,in_port=1,nw_dst=10.0.0.5,actions=dec_ttl,output:2
priority=50,in_port=1,dl_type=0x88b5,actions=drop
priority=60,udp,in_port=1,nw_dst=10.0.0.6,tp_dst=9,actions=mod_tp_dst:10,output:2
"""


def to(dst, port=2000):
    return udp_frame(1000, port, dst=dst)


FRAMES = [
    to("10.0.0.2"), ethernet(ipv4(tcp(5, 6, b"hello"), 6)), to("10.0.0.3"), ethernet(arp(1, tip="10.0.0.77"), 0x806),
    ethernet(arp(3, tip="10.0.0.77"), 0x806), udp_frame(1, 2, tci=9), udp_frame(1, 2, tci=3 << 13 | 10),
    ethernet(ipv4(icmp(8, 0), 1)), to("10.0.0.4"), to("10.0.0.5"), ethernet(bytes(46), 0x88b5),
    to("10.0.0.6", 9), to("10.0.0.7"), ethernet(ipv4(udp(1, 2, bytes(24)), 17, fragment=0x2000)),
]
ROUNDS = 3
REFUSED = to("10.0.0.8")
REFUSED_KEY = "udp,in_port=1,nw_dst=10.0.0.8"


def sent_through(lab):
    """What comes out at each host of all frames, thrice, in any order."""
    captures = [Capture(host) for host in lab.hosts]
    for _ in range(ROUNDS):
        lab.hosts[0].send("eth0", *FRAMES)
    out = [sorted(everything(capture)) for capture in captures]
    for capture in captures:
        capture.close()
    return out


def direct(lab, *argv):
    return lab.switch_ns.run(program("turnoutctl"), "hw", "--direct", "tc", *argv).stdout


def open_vswitch_forwards(lab):
    lab.ovs = OpenVSwitch(lab)
    lab.ovs.ofctl("add-flows", lab.path("flows"))
    sent_through(lab)
    lab.by_ovs = sent_through(lab)
    check_equal(len(lab.by_ovs[1]), 8 * ROUNDS, "frames at host 2")
    check(len(lab.ovs.flows("offloaded")) >= 8, "most are in the chip")


def its_filters_are_listed_as_a_strangers(lab):
    filters = lab.switch_ns.run("tc", "filter", "show", "dev", "p1", "ingress").stdout
    number = {name: ifindex(lab, name) for name in ("p1", "p2", "p3")}
    entries = json.loads(direct(lab, "entries", "--json"))["entries"]
    check_equal({row["foreign"] for row in entries}, {True}, "all foreign")
    rows = [row for row in entries if "in_port=%d," % number["p1"] in row["match"] + ","]
    check_equal(len(rows), filters.count(" handle "), "as many as there are")
    plain = one(rows, "udp,in_port=%d,vlan_tci=0x0000,nw_dst=10.0.0.2,nw_frag=no" % number["p1"])
    check_equal((plain["state"], plain["actions"]), ("hardware", "output:%(p2)d" % number), "an output")
    check("more" not in plain, "that is all of it")
    check(plain["packets"] > 0, "it has counted")
    check_equal(one(rows, "tcp,")["actions"], "mod_vlan_vid:7,output:%(p2)d,output:%(p3)d" % number,
                "a tag, and two outputs")
    ttl = one(rows, "udp", "nw_dst=10.0.0.5")
    check_equal((ttl["state"], ttl["more"]), ("software", "also matches ip_ttl; also does pedit ip+8"),
                "what OpenFlow 1.0 can't say")
    check("software, foreign: packets=" in direct(lab, "entries"), "text")
    check("port %d: p1, switch" % number["p1"] in direct(lab, "show"), "which device a port is")
    check_equal(lab.switch_ns.run("tc", "filter", "show", "dev", "p1", "ingress").stdout, filters,
                "nothing has changed")


def it_says_nothing_of_why_a_flow_is_refused(lab):
    lab.chip.set(fail_next=1, fail_errno=95)
    lab.ovs.ofctl("add-flow", "priority=50," + REFUSED_KEY + ",actions=output:2")
    with Capture(lab.hosts[1]) as eye:
        lab.hosts[0].send("eth0", REFUSED, REFUSED)
        for _ in range(2):
            eye.expect(lambda frame: frame == REFUSED, "the frame")
    wait_for(lambda: lab.ovs.flow("10.0.0.8"), "the flow is in the datapath")
    flow = lab.ovs.flow("10.0.0.8")
    check("dp:tc" in flow and "offloaded:yes" not in flow, flow)
    check("injected" not in lab.ovs.log(), "its log has no reason")
    lab.ovs.stop()
    wait_for(lambda: lab.chip.used() == 0, "its rules are gone")


def turnout_forwards_the_same(lab):
    lab.start_switch("--governor", "off")
    lab.switch.ofctl("add-flows", lab.path("flows"))
    sent_through(lab)
    for host, (ours, theirs) in enumerate(zip(sent_through(lab), lab.by_ovs), 1):
        check_equal([frame.hex() for frame in ours], [frame.hex() for frame in theirs],
                    "frames at host %d" % host)


def turnout_says_why(lab):
    lab.chip.set(fail_next=1, fail_errno=95)
    lab.switch.ofctl("add-flow", "priority=80,%s,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,"
                     "dl_vlan=0xffff,nw_tos=0,nw_src=10.0.0.1,tp_src=1000,tp_dst=2000,actions=output:2"
                     % REFUSED_KEY)
    with Capture(lab.hosts[1]) as eye:
        lab.hosts[0].send("eth0", REFUSED)
        eye.expect(lambda frame: frame == REFUSED, "the frame")
    wait_for(lambda: "driver-refused" in explained(lab), "the refusal is known")
    check("simnic: injected hardware failure" in explained(lab), explained(lab))
    # What neither can do in hardware.
    lab.switch.ofctl("add-flow", "priority=80,%s,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,"
                     "dl_vlan=0xffff,nw_tos=0,nw_src=10.0.0.1,tp_src=1000,tp_dst=2000,"
                     "actions=dec_ttl,output:2" % REFUSED_KEY)
    wait_for(lambda: "per-packet" in explained(lab), "a time to live is software's")
    lab.switch.stop()


def explained(lab):
    return lab.switch.ctl("hw", "explain", "in_port=1,udp,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,"
                          "nw_src=10.0.0.1,nw_dst=10.0.0.8,tp_src=1000,tp_dst=2000").stdout


class OvsLab(ChipLab):
    def __init__(self):
        super().__init__()
        with open(self.path("flows"), "w", encoding="ascii") as flows:
            flows.write(FLOWS)


def ifindex(lab, device):
    return int(lab.switch_ns.run("cat", "/sys/class/net/%s/ifindex" % device).stdout)


def one(rows, *words):
    """The only row whose match has all words."""
    found = [row for row in rows if all(word in row["match"] for word in words)]
    check_equal(len(found), 1, "rows with %s" % (words,))
    return found[0]


def main():
    enter(seconds=250)
    run(OvsLab(), open_vswitch_forwards, its_filters_are_listed_as_a_strangers,
        it_says_nothing_of_why_a_flow_is_refused, turnout_forwards_the_same, turnout_says_why)


if __name__ == "__main__":
    main()
