#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Nicira's dialect: unmodified ovs-ofctl with its default settings and in each format, masked
matches on real packets, and each NX error by a controller of bytes."""

import os
import re
import struct

from netns import nxm
from netns import rawof as of
from netns.lib import Lab, Switch, check, check_equal, run, wait_for
from netns.test_wire_semantics import Dot1Q, Rig, frame, ip, tcp, udp
from scapy.layers.inet import ICMP
from scapy.layers.l2 import ARP

# With None ovs-ofctl chooses. To dump (diff, replace) it has no dialects with tables' numbers.
DUMP_DIALECTS = (None, "OpenFlow10-table_id", "NXM-table_id")
DIALECTS = DUMP_DIALECTS + ("OpenFlow10+table_id", "NXM+table_id")


def it_starts(lab):
    lab.switch = Switch(lab, ["p1@1", "p2@2", "p3@3"], listeners=["ptcp:6653:127.0.0.1"])
    lab.peer = of.connect(lab)
    lab.rig = Rig(lab, lab.peer)


def ofctl(lab, command, *argv, dialect=None, ok=True, stdin=None):
    """ovs-ofctl with its defaults but, maybe, a flow format."""
    options = ["-F", dialect] if dialect else []
    return lab.switch_ns.run("ovs-ofctl", *options, command, lab.switch.management, *argv, ok=ok,
                             stdin=stdin)


def dump(lab, *argv, dialect=None):
    """The flows that ovs-ofctl prints, without what differs from run to run."""
    text = ofctl(lab, "dump-flows", "--no-names", "--no-stats", *argv, dialect=dialect).stdout
    return [line.strip() for line in text.splitlines() if "actions=" in line]


# --- packets ----------------------------------------------------------------------------------

def masked_matches_on_packets(lab):
    """(match, frames that it takes, frames that it does not take)"""
    cases = (
        ("dl_dst=01:00:00:00:00:00/01:00:00:00:00:00",
         [frame(udp(), dst="01:00:5e:00:00:05"), frame(udp(), dst="ff:ff:ff:ff:ff:ff")],
         [frame(udp())]),
        ("dl_src=02:00:00:00:00:01/ff:00:00:00:00:0f",
         [frame(udp(), src="02:11:22:33:44:51")],
         [frame(udp(), src="02:11:22:33:44:52"), frame(udp(), src="03:00:00:00:00:01")]),
        ("ip,nw_src=10.0.2.0/255.0.255.0",
         [frame(udp(src="10.9.2.3")), frame(tcp(src="10.1.2.99"))],
         [frame(udp(src="10.9.3.3")), frame(udp(src="11.9.2.3"))]),
        ("udp,nw_dst=0.0.0.6/0.0.0.255",
         [frame(udp(dst="10.4.5.6")), frame(udp(dst="192.168.7.6"))],
         [frame(udp(dst="10.4.5.7")), frame(tcp(dst="10.4.5.6"))]),
        ("tcp,tp_src=0x10/0xfff0", [frame(tcp(sport=0x10)), frame(tcp(sport=0x1F))],
         [frame(tcp(sport=0x20)), frame(tcp(sport=0x1010)), frame(udp(sport=0x10))]),
        ("udp,tp_dst=1/1", [frame(udp(dport=53)), frame(udp(dport=1))], [frame(udp(dport=54))]),
        ("vlan_tci=0x1000/0x1000",
         [frame(Dot1Q(vlan=0, prio=0) / udp()), frame(Dot1Q(vlan=5, prio=3) / udp())],
         [frame(udp())]),
        ("vlan_tci=0x1005/0x100f",
         [frame(Dot1Q(vlan=5) / udp()), frame(Dot1Q(vlan=0x115, prio=7) / udp())],
         [frame(udp()), frame(Dot1Q(vlan=6) / udp())]),
        ("vlan_tci=0/0x0fff", [frame(udp()), frame(Dot1Q(vlan=0, prio=2) / udp())],
         [frame(Dot1Q(vlan=1) / udp())]),
        ("vlan_tci=0x3000/0xf000", [frame(Dot1Q(vlan=9, prio=1) / udp())],
         [frame(Dot1Q(vlan=9, prio=2) / udp()), frame(udp())]),
        ("arp,arp_spa=10.0.0.1/255.0.0.255",
         [frame(ARP(op=1, psrc="10.7.7.1", pdst="1.1.1.1"))],
         [frame(ARP(op=1, psrc="10.7.7.2", pdst="1.1.1.1")), frame(udp(src="10.7.7.1"))]),
        ("ip,ip_frag=no", [frame(udp())],
         [frame(udp(flags="MF")), frame(ip(b"x" * 40, proto=17, frag=5))]),
        ("ip,ip_frag=later", [frame(ip(b"x" * 40, proto=17, frag=5))],
         [frame(udp()), frame(udp(flags="MF"))]),
        ("udp,ip_frag=first,tp_dst=2000", [frame(udp(flags="MF"))],
         [frame(udp()), frame(ip(b"x" * 40, proto=17, frag=5))]),
        ("ip,ip_frag=not_later", [frame(udp()), frame(udp(flags="MF"))],
         [frame(ip(b"x" * 40, proto=17, frag=5))]),
        ("icmp,icmp_type=8,nw_src=10.0.0.0/254.0.0.1",
         [frame(ip(ICMP(type=8), src="10.1.2.2"))],
         [frame(ip(ICMP(type=0), src="10.1.2.2")), frame(ip(ICMP(type=8), src="10.1.2.3"))]),
    )
    for text, taken, others in cases:
        for dialect in (None, "NXM-table_id", "NXM+table_id"):
            lab.rig.flows()
            ofctl(lab, "add-flow", "priority=7," + text + ",actions=output:2", dialect=dialect)
            got = lab.rig.send(*taken, *others)[1]
            check_equal([f.hex() for f in got], [f.hex() for f in taken], "frames of " + text)


def masked_flows_of_one_packet_go_by_priority(lab):
    """Many masks at once, and the cache in front of them."""
    lab.rig.flows()
    flows = ["priority=%d,udp,tp_dst=%d/0x%x,actions=output:%d"
             % (100 - bits, 0x5555 & (0xFFFF << bits & 0xFFFF), 0xFFFF << bits & 0xFFFF, 2 + bits % 2)
             for bits in range(16)]
    ofctl(lab, "add-flows", "-", stdin="\n".join(flows) + "\n")
    for flip in range(-1, 15):
        port = 0x5555 ^ (1 << flip if flip >= 0 else 0)
        packet = frame(udp(dport=port))
        for _ in range(2):
            got = lab.rig.send(packet)
            check_equal([len(g) for g in got[1:]], [1, 0] if flip % 2 else [0, 1],
                        "port %#x goes by the longest mask that takes it" % port)


# --- commands ---------------------------------------------------------------------------------

FLOWS = ["priority=10,ip,in_port=1,nw_src=10.0.0.0/8 actions=output:2",
         "priority=20,tcp,tp_dst=80 actions=output:3",
         "priority=30,dl_vlan=7 actions=strip_vlan,output:1",
         "priority=40,vlan_tci=0x0000,dl_src=02:00:00:00:00:01 actions=drop",
         "priority=50,arp,arp_tpa=10.0.0.1,arp_op=1 actions=CONTROLLER:65535"]
MASKED = ["priority=60,ip,nw_src=10.0.2.0/255.0.255.0 actions=output:2",
          "priority=70,udp,tp_src=0x10/0xfff0 actions=output:2",
          "priority=80,vlan_tci=0x1000/0x1000 actions=output:3"]


def add_and_dump_in_each_dialect(lab):
    for dialect in DIALECTS:
        flows = FLOWS + (MASKED if not dialect or dialect.startswith("NXM") else [])
        for many in (False, True):
            ofctl(lab, "del-flows", dialect=dialect)
            if many:
                ofctl(lab, "add-flows", "-", dialect=dialect, stdin="\n".join(flows) + "\n")
            else:
                for flow in flows:
                    ofctl(lab, "add-flow", flow, dialect=dialect)
            wanted = sorted(flows)
            for how in (None, "NXM-table_id"):
                got = sorted(re.sub(r"^.*?(?=priority)", "", line)
                             for line in dump(lab, dialect=how))
                check_equal(got, wanted, "added in %s, dumped in %s" % (dialect, how))
        got = sorted(re.sub(r"^.*?(?=priority)", "", line)
                     for line in dump(lab, dialect="OpenFlow10-table_id"))
        check_equal(len(got), len(flows), "flows in a dump of 1.0")
        for flow in FLOWS:
            check(flow in got, "%s in a dump of 1.0: %s" % (flow, got))


def a_1_0_dump_shows_the_nearest_wider_match(lab):
    ofctl(lab, "del-flows")
    for flow in MASKED:
        ofctl(lab, "add-flow", flow)
    before = lab.switch.counters()["openflow_match_widened"]
    got = sorted(re.sub(r"^.*?(?=priority)", "", line)
                 for line in dump(lab, dialect="OpenFlow10-table_id"))
    check_equal(got, ["priority=60,ip,nw_src=10.0.0.0/8 actions=output:2",
                      "priority=70,udp actions=output:2", "priority=80 actions=output:3"],
                "what 1.0 can say of masked flows")
    check_equal(lab.switch.counters()["openflow_match_widened"], before + 3, "counted")
    text = "\n".join(lab.switch.ctl("flows").stdout.splitlines())
    for piece in ("nw_src=10.0.2.0/255.0.255.0", "tp_src=0x10/0xfff0", "vlan_tci=0x1000/0x1000"):
        check(piece in text, "%s in turnoutctl's list:\n%s" % (piece, text))


def trace_and_explain_say_the_masked_match(lab):
    ofctl(lab, "del-flows")
    ofctl(lab, "add-flow", "priority=70,udp,tp_src=0x10/0xfff0,actions=output:2")
    text = lab.switch.ctl("trace", "br0", "in_port=1,udp,tp_src=0x15").stdout
    check("tp_src=0x10/0xfff0" in text, text)
    text = lab.switch.ctl("trace", "br0", "in_port=1,udp,tp_src=0x25").stdout
    check("tp_src=0x10/0xfff0" not in text, text)


def modify_and_delete_in_each_dialect(lab):
    for dialect in DIALECTS:
        ofctl(lab, "del-flows", dialect=dialect)
        ofctl(lab, "add-flows", "-", dialect=dialect, stdin="\n".join(
            ["cookie=1,priority=1,tcp,tp_dst=80,actions=1",
             "cookie=2,priority=2,tcp,tp_dst=80,nw_src=10.0.0.1,actions=1",
             "cookie=3,priority=3,udp,actions=1"]) + "\n")
        ofctl(lab, "mod-flows", "tcp,actions=output:2", dialect=dialect)
        text = "\n".join(dump(lab, "tcp"))
        check_equal(text.count("actions=output:2"), 2, "loosely modified: " + text)
        strict(lab, dialect, "mod-flows", "priority=1,tcp,tp_dst=80,actions=output:3")
        text = "\n".join(dump(lab, "tcp"))
        check_equal(text.count("actions=output:3"), 1, "strictly modified: " + text)
        strict(lab, dialect, "del-flows", "priority=9,tcp,tp_dst=80")
        check_equal(len(dump(lab)), 3, "another priority: nothing deleted")
        strict(lab, dialect, "del-flows", "priority=1,tcp,tp_dst=80")
        check_equal(len(dump(lab)), 2, "deleted strictly")
        ofctl(lab, "del-flows", "out_port=1", dialect=dialect)
        check_equal(len(dump(lab)), 1, "deleted by out_port")
        ofctl(lab, "del-flows", "tcp", dialect=dialect)
        check_equal(dump(lab), [], "deleted loosely")


def strict(lab, dialect, command, *argv):
    options = ["-F", dialect] if dialect else []
    lab.switch_ns.run("ovs-ofctl", *options, "--strict", command, lab.switch.management, *argv)


def cookies_with_masks(lab):
    """By default: ovs-ofctl takes the dialect that has them."""
    def cookies(*argv):
        return sorted(re.findall(r"cookie=(0x\w+)", "\n".join(dump(lab, *argv))))

    ofctl(lab, "del-flows")
    for port, cookie in ((1, 0x11), (2, 0x21), (3, 0x22)):
        ofctl(lab, "add-flow", "cookie=%d,in_port=%d,actions=drop" % (cookie, port))
    check_equal(cookies("cookie=0x20/0xf0"), ["0x21", "0x22"], "dumped by cookie")
    check_equal(cookies("cookie=0x11/-1"), ["0x11"], "dumped by the whole cookie")
    text = ofctl(lab, "dump-aggregate", "cookie=0x1/0xf").stdout
    check("flow_count=2" in text, text)
    ofctl(lab, "mod-flows", "cookie=0x21/-1,actions=output:2")
    text = "\n".join(dump(lab, "in_port=2"))
    check("cookie=0x21" in text and "output:2" in text, "modified, and the cookie stays: " + text)
    ofctl(lab, "mod-flows", "cookie=0x22/-1,cookie=0x33,actions=output:3")
    check_equal(cookies(), ["0x11", "0x21", "0x33"], "the cookie was changed")
    ofctl(lab, "mod-flows", "cookie=0x99/-1,in_port=9,actions=output:3")
    check_equal(len(dump(lab)), 3, "none has this cookie: none was added")
    ofctl(lab, "del-flows", "cookie=0x1/0xf")
    check_equal(cookies(), ["0x33"], "deleted by cookie")


def diff_and_replace_flows_in_each_dialect(lab):
    wanted = lab.path("wanted.flows")
    for dialect in DUMP_DIALECTS:
        masked = not dialect or dialect.startswith("NXM")
        flows = FLOWS + (MASKED if masked else [])
        with open(wanted, "w") as out:
            out.write("\n".join(flows) + "\n")
        ofctl(lab, "del-flows")
        ofctl(lab, "add-flow", "priority=20,tcp,tp_dst=80,actions=output:1")
        ofctl(lab, "add-flow", "priority=99,arp,actions=drop")
        options = ["-F", dialect] if dialect else []
        done = lab.switch_ns.run("ovs-ofctl", *options, "diff-flows", lab.switch.management, wanted,
                                 ok=False)
        check_equal(done.returncode, 2, "diff-flows finds differences: " + done.stderr)
        ofctl(lab, "replace-flows", wanted, dialect=dialect)
        done = lab.switch_ns.run("ovs-ofctl", *options, "diff-flows", lab.switch.management, wanted,
                                 ok=False)
        check_equal((done.returncode, done.stdout), (0, ""), "after replace-flows in %s" % dialect)
        check_equal(len(dump(lab)), len(flows), "flows")


def replace_flows_knows_flows_without_wildcards(lab):
    """Also one that nx_match can't say to be without: what a learning switch adds."""
    wanted = lab.path("wanted.flows")
    lab.peer.clear()
    lab.peer.flow_mod(of.output(2), of.match(
        in_port=1, dl_src=of.mac("02:00:00:00:00:01"), dl_dst=of.mac("02:00:00:00:00:02"),
        dl_vlan=0xFFFF, dl_vlan_pcp=0, dl_type=0x0800, nw_tos=0, nw_proto=6,
        nw_src=of.address("10.0.0.1"), nw_dst=of.address("10.0.0.2"), tp_src=1, tp_dst=2),
        priority=77)
    dumped = dump(lab)
    check_equal(len(dumped), 1, "flows")
    with open(wanted, "w") as out:
        out.write(dumped[0].replace("output:2", "output:3") + "\n")
    ofctl(lab, "replace-flows", wanted)
    check_equal(dump(lab), [dumped[0].replace("output:2", "output:3")], "replaced in its place")
    wildcards, _ = of.unpack_match(lab.peer.flows()[0]["match"])
    check_equal(wildcards, 0, "it still has no wildcards")
    with open(wanted, "w"):
        pass
    ofctl(lab, "replace-flows", wanted)
    check_equal(dump(lab), [], "and it goes")


def tables_sorting_and_names(lab):
    ofctl(lab, "del-flows")
    for dialect in (None, "OpenFlow10+table_id", "NXM+table_id"):
        ofctl(lab, "add-flow", "table=0,priority=3,in_port=1,actions=2", dialect=dialect)
        done = ofctl(lab, "add-flow", "table=3,in_port=1,actions=2", dialect=dialect, ok=False)
        check(done.returncode and "OFPBRC_BAD_TABLE_ID" in done.stderr, done.stderr)
        ofctl(lab, "del-flows", "table=0,in_port=1", dialect=dialect)
        check_equal(dump(lab), [], "table 0 is the table")
    for port in (3, 1, 2):
        ofctl(lab, "add-flow", "priority=%d,in_port=%d,actions=drop" % (port, port))
    for order in ("--sort=priority", "--rsort=priority"):
        text = lab.switch_ns.run("ovs-ofctl", "--no-names", order, "dump-flows",
                                 lab.switch.management).stdout
        ports = re.findall(r"in_port=(\d)", text)
        check_equal(ports, ["1", "2", "3"] if order[2] == "s" else ["3", "2", "1"], text)
    text = lab.switch_ns.run("ovs-ofctl", "--names", "dump-flows", lab.switch.management).stdout
    check("in_port=p2" in text, text)
    check_equal(len(dump(lab, "table=0")), 3, "flows of table 0")
    text = ofctl(lab, "dump-tables").stdout
    check("active=3" in text, text)
    for command in (["show"], ["dump-ports"], ["get-frags"], ["dump-desc"]):
        ofctl(lab, *command)
    ofctl(lab, "mod-port", "2", "no-flood")
    ofctl(lab, "mod-port", "2", "flood")


def ages_are_printed(lab):
    ofctl(lab, "del-flows")
    ofctl(lab, "add-flow", "in_port=1,actions=drop")

    def aged():
        text = ofctl(lab, "dump-flows").stdout
        return re.search(r"idle_age=[1-9]", text)

    wait_for(aged, "ovs-ofctl prints an idle_age")


def monitor_prints_nicira_packet_ins(lab):
    """ovs-ofctl asks for NXT_PACKET_IN2 first, is refused, and takes NXT_PACKET_IN."""
    one = lab.hosts[0]
    lab.rig.flows()
    ofctl(lab, "add-flow", "cookie=0x77,in_port=1,actions=CONTROLLER:65535")
    process = lab.start("monitor", lab.switch_ns, "ovs-ofctl", "monitor", lab.switch.management,
                        "65535", env=dict(os.environ, OVS_RUNDIR=lab.tmp))
    log = lab.processes[-1][2]

    def printed():
        one.send("eth0", frame(udp()))
        with open(log, errors="replace") as text:
            return "NXT_PACKET_IN (" in text.read()

    wait_for(printed, "ovs-ofctl monitor prints an NXT_PACKET_IN")
    process.terminate()
    process.wait()
    with open(log, errors="replace") as text:
        shown = text.read()
    check(re.search(r'in_port=(1|p1|"p1") \(via action\)', shown), "its port and reason: " + shown)
    check("cookie=0x77" in shown, "its flow's cookie: " + shown)


# --- bytes ------------------------------------------------------------------------------------

IP = ("eth_type", 0x0800)
TCP = ("ip_proto", 6)
UDP = ("ip_proto", 17)
ICMP_ = ("ip_proto", 1)
ARP_ = ("eth_type", 0x0806)
INVALID, BAD_TYPE, BAD_VALUE, BAD_MASK, BAD_PREREQ, DUP_FIELD, BAD_WILDCARDS = range(256, 263)


def each_fault_of_a_match_has_its_error(lab):
    cases = (
        (BAD_TYPE, [("reg0", 1)]), (BAD_TYPE, [("tun_id", 5)]), (BAD_TYPE, [ARP_, ("arp_sha", 5)]),
        (BAD_TYPE, [ARP_, ("arp_tha", 5)]), (BAD_TYPE, [bytes.fromhex("0000640101")]),
        (BAD_TYPE, [bytes.fromhex("8000000400000001")]),
        (BAD_TYPE, [bytes.fromhex("ffff00084f4e460000000001")]),
        (BAD_TYPE, [bytes.fromhex("0000000100")]), (BAD_TYPE, [bytes.fromhex("00000103000001")]),
        (INVALID, [bytes.fromhex("000000")]), (INVALID, [bytes.fromhex("0000000200")]),
        (INVALID, [("in_port", 1), bytes.fromhex("00")]),
        (INVALID, [nxm.entry("eth_dst", 1, size=200)]),
        (BAD_VALUE, [IP, ("ip_tos", 0x21)]), (BAD_VALUE, [ARP_, ("arp_op", 0x101)]),
        (BAD_VALUE, [IP, ("ip_frag", 4)]),
        (BAD_MASK, [("in_port", 0, 0xFF)]), (BAD_MASK, [("eth_type", 0x800, 0xFF00)]),
        (BAD_MASK, [IP, ("ip_tos", 0x20, 0xFC)]), (BAD_MASK, [IP, ("ip_proto", 6, 0x0F)]),
        (BAD_MASK, [IP, ICMP_, ("icmp_type", 8, 0x0F)]), (BAD_MASK, [ARP_, ("arp_op", 1, 0xFF)]),
        (BAD_WILDCARDS, [("eth_src", 3, 1)]), (BAD_WILDCARDS, [IP, ("ip_src", 1, 0xFF000000)]),
        (BAD_PREREQ, [("ip_src", 1)]), (BAD_PREREQ, [("ip_src", 1), IP]),
        (BAD_PREREQ, [ARP_, ("ip_src", 1)]), (BAD_PREREQ, [IP, ("arp_spa", 1)]),
        (BAD_PREREQ, [IP, ("tcp_src", 1)]), (BAD_PREREQ, [IP, UDP, ("tcp_src", 1)]),
        (BAD_PREREQ, [IP, TCP, ("icmp_type", 1)]), (BAD_PREREQ, [("ip_frag", 0)]),
        (BAD_PREREQ, [("eth_type", 0x86DD), TCP]), (BAD_PREREQ, [TCP]),
        (DUP_FIELD, [("in_port", 1), ("in_port", 1)]), (DUP_FIELD, [IP, IP]),
        (DUP_FIELD, [("vlan_tci", 0, 0), ("vlan_tci", 0)]),
        (INVALID, [("cookie", 5)]),                       # in an ADD
    )
    lab.peer.clear()
    for code, entries in cases:
        fields = nxm.match(*entries)
        nxm.refused(lab.peer, (1, code), nxm.flow_mod(fields, of.output(2)))
        if entries[0] != ("cookie", 5):
            nxm.refused(lab.peer, (1, code), nxm.request(nxm.ST_FLOW, fields), of.STATS_REQUEST)
            nxm.refused(lab.peer, (1, code), nxm.request(nxm.ST_AGGREGATE, fields),
                        of.STATS_REQUEST)
    check_equal(nxm.flows(lab.peer), [], "nothing was added by any of them")


def each_fault_of_a_message_has_its_error(lab):
    peer = lab.peer
    fields = nxm.match(("in_port", 1))
    nxm.refused(peer, (1, INVALID), nxm.flow_mod(fields, match_len=9))
    nxm.refused(peer, (1, INVALID), nxm.flow_mod(fields, match_len=0xFFFF))
    nxm.refused(peer, (1, INVALID), nxm.request(nxm.ST_FLOW, fields, match_len=16), of.STATS_REQUEST)
    nxm.refused(peer, (3, 258), nxm.flow_mod(fields, of.output(2), flags=8))
    bad_request, eperm = 1, 5
    peer.refused((bad_request, 6), of.STATS_REQUEST, nxm.request(nxm.ST_FLOW, fields) + bytes(8))
    peer.refused((bad_request, 6), of.VENDOR, nxm.message(nxm.FLOW_MOD, bytes(24)))
    peer.refused((bad_request, 6), of.VENDOR, nxm.message(nxm.SET_FLOW_FORMAT, bytes(8)))
    peer.refused((bad_request, eperm), of.VENDOR,
                 nxm.message(nxm.SET_FLOW_FORMAT, struct.pack("!I", 1)))
    peer.refused((bad_request, eperm), of.VENDOR,
                 nxm.message(nxm.SET_PACKET_IN_FORMAT, struct.pack("!I", 2)))
    peer.refused((bad_request, 4), of.STATS_REQUEST,
                 struct.pack("!HHII4x", 0xFFFF, 0, nxm.VENDOR, nxm.ST_FLOW_MONITOR))
    peer.refused((2, 4), of.VENDOR, nxm.flow_mod(fields, of.output(0)))
    peer.refused((3, 4), of.VENDOR, nxm.flow_mod(fields, of.output(2), command=5))
    peer.refused((3, 4), of.VENDOR, nxm.flow_mod(fields, of.output(2), command=0xFF00))
    peer.tell(of.VENDOR, nxm.message(nxm.FLOW_MOD_TABLE_ID, bytes([1]) + bytes(7)))
    nxm.refused(peer, (1, 512), nxm.flow_mod(fields, of.output(2), command=0x0100))
    nxm.refused(peer, (1, 512), peer.flow_mod_body(command=0x0103), of.FLOW_MOD)
    peer.tell(of.VENDOR, nxm.flow_mod(fields, of.output(2), command=0xFF00))
    peer.tell(of.FLOW_MOD, peer.flow_mod_body(command=0xFF03))
    peer.tell(of.VENDOR, nxm.message(nxm.FLOW_MOD_TABLE_ID, bytes(8)))
    check_equal(nxm.flows(peer), [], "flows")


def flows_by_bytes(lab):
    """Both dialects, and the flow they tell of."""
    peer = lab.peer
    peer.clear()
    peer.tell(of.VENDOR, nxm.message(nxm.FLOW_AGE))
    fields = nxm.match(("in_port", 1), IP, ("ip_src", 0x0A000200, 0xFF00FF00), TCP,
                       ("tcp_dst", 0x50, 0xFFF0), ("ip_frag", 0, 2))
    peer.tell(of.VENDOR, nxm.flow_mod(fields, of.output(2), cookie=9, priority=5, idle=60, hard=70))
    got = nxm.flows(peer)
    check_equal(len(got), 1, "flows")
    row = got[0]
    check_equal(row["match"], {"in_port": (1, None), "eth_type": (0x0800, None),
                               "ip_src": (0x0A000200, 0xFF00FF00), "ip_proto": (6, None),
                               "tcp_dst": (0x50, 0xFFF0), "ip_frag": (0, 2)}, "the match")
    check_equal((row["cookie"], row["priority"], row["idle"], row["hard"], row["table"]),
                (9, 5, 60, 70, 0), "the flow")
    check_equal(row["actions"], of.output(2, 0), "its actions")
    check(1 <= row["idle_age"] <= 60 and 1 <= row["hard_age"] <= 60, "ages: %r" % row)
    check_equal(len(nxm.flows(peer, table=0)), 1, "of table 0")
    check_equal(nxm.flows(peer, table=7), [], "of a table that is not there")
    check_equal(nxm.aggregate(peer)[2], 1, "flows in an aggregate")
    check_equal(nxm.aggregate(peer, nxm.match(("cookie", 8, 8)))[2], 1, "by cookie")
    check_equal(nxm.aggregate(peer, nxm.match(("cookie", 8)))[2], 0, "by another cookie")
    check_equal(nxm.flows(peer, out_port=3), [], "with an output to port 3")
    wildcards, values = of.unpack_match(peer.flows()[0]["match"])
    check_equal((wildcards >> 8 & 63, wildcards & 0x80, values["nw_src"]),
                (24, 0x80, of.address("10.0.0.0")), "what 1.0 can say of it")
    peer.tell(of.VENDOR, nxm.flow_mod(fields, of.output(3), command=of.MODIFY_STRICT, priority=5,
                                      cookie=nxm.ALL))
    check_equal([(r["cookie"], r["actions"]) for r in nxm.flows(peer)], [(9, of.output(3, 0))],
                "modified, with its cookie")
    peer.flow_mod(command=of.DELETE, fields=of.match(dl_type=0x0800))
    check_equal(nxm.flows(peer), [], "deleted by 1.0")


def removed_flows_are_told_in_the_format_set(lab):
    with of.connect(lab) as peer:
        peer.tell(of.VENDOR, nxm.message(nxm.SET_FLOW_FORMAT, struct.pack("!I", 2)))
        fields = nxm.match(("eth_dst", 1 << 40, 1 << 40))
        peer.tell(of.VENDOR, nxm.flow_mod(fields, of.output(2), cookie=9, flags=of.SEND_FLOW_REM))
        peer.tell(of.VENDOR, nxm.flow_mod(fields, command=of.DELETE))
        body = peer.wait_for(of.VENDOR)
        vendor, subtype, cookie, priority, reason, table = struct.unpack_from("!IIQHBB", body)
        check_equal((vendor, subtype, cookie, priority, reason, table),
                    (nxm.VENDOR, nxm.FLOW_REMOVED, 9, 100, 2, 1), "NXT_FLOW_REMOVED")
        length, = struct.unpack_from("!H", body, 30)
        check_equal(nxm.unpack_match(body[48:48 + length]), {"eth_dst": (1 << 40, 1 << 40)},
                    "its match")
        peer.tell(of.VENDOR, nxm.message(nxm.SET_FLOW_FORMAT, struct.pack("!I", 0)))
        peer.tell(of.VENDOR, nxm.flow_mod(fields, of.output(2), flags=of.SEND_FLOW_REM))
        peer.tell(of.VENDOR, nxm.flow_mod(fields, command=of.DELETE))
        peer.wait_for(of.FLOW_REMOVED)


def packet_ins_are_in_the_format_set(lab):
    with of.connect(lab) as peer:
        peer.clear()
        peer.tell(of.VENDOR, nxm.message(nxm.SET_PACKET_IN_FORMAT, struct.pack("!I", 1)))
        packet = frame(udp())
        lab.hosts[1].send("eth0", packet)
        body = peer.wait_for(of.VENDOR)
        buffer_id, total, reason, table, cookie, length = struct.unpack_from("!IHBBQH", body, 8)
        check_equal((total, reason, table, cookie), (len(packet), 0, 0, nxm.ALL), "a table miss")
        check(buffer_id != of.NO_BUFFER, "it is buffered")
        check_equal(nxm.unpack_match(body[32:32 + length]), {"in_port": (2, None)}, "its metadata")
        check_equal(body[32 + length + -length % 8 + 2:], packet[:128], "the frame")


def overlap_is_found_under_any_mask(lab):
    peer = lab.peer
    peer.clear()
    a = nxm.match(IP, ("ip_src", 0x0A000001, 0xFF0000FF))
    b = nxm.match(IP, ("ip_src", 0x00000500, 0x0000FF00))
    c = nxm.match(IP, ("ip_src", 0x00000502, 0x0000FFFF))
    peer.tell(of.VENDOR, nxm.flow_mod(a, of.output(2)))
    peer.refused((3, 1), of.VENDOR, nxm.flow_mod(b, of.output(2), flags=of.CHECK_OVERLAP))
    peer.tell(of.VENDOR, nxm.flow_mod(c, of.output(2), flags=of.CHECK_OVERLAP))
    body = of.Peer.flow_mod_body(of.output(2), of.match(dl_type=0x0800), flags=of.CHECK_OVERLAP)
    peer.refused((3, 1), of.FLOW_MOD, body)
    peer.clear()


def it_ends(lab):
    lab.peer.close()
    lab.switch.stop()


if __name__ == "__main__":
    run(Lab(hosts=3), it_starts, masked_matches_on_packets,
        masked_flows_of_one_packet_go_by_priority, add_and_dump_in_each_dialect,
        a_1_0_dump_shows_the_nearest_wider_match, trace_and_explain_say_the_masked_match,
        modify_and_delete_in_each_dialect, cookies_with_masks,
        diff_and_replace_flows_in_each_dialect, replace_flows_knows_flows_without_wildcards,
        tables_sorting_and_names, ages_are_printed, monitor_prints_nicira_packet_ins,
        each_fault_of_a_match_has_its_error, each_fault_of_a_message_has_its_error,
        flows_by_bytes, removed_flows_are_told_in_the_format_set,
        packet_ins_are_in_the_format_set, overlap_is_found_under_any_mask, it_ends)
