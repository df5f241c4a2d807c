#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""OpenFlow 1.0 as its specification has it, by a controller of bytes: which packets a match
takes, what the commands of FLOW_MOD leave in the table, what becomes of packets and buffers.
test_peers.py has what is about connections."""

import logging
import struct

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)

from scapy.layers.inet import ICMP, IP, TCP, UDP  # noqa: E402
from scapy.layers.l2 import ARP, Dot1Q, Ether  # noqa: E402

from netns import rawof as of  # noqa: E402
from netns.lib import Capture, Lab, Switch, check, check_equal, run, wait_for  # noqa: E402

SRC, DST = "02:00:00:00:00:01", "02:00:00:00:00:02"
PAYLOAD = bytes(range(64))
MARK_TYPE = 0x88B5
BAD_OUT_PORT = (2, 4)


def frame(payload, **ether):
    return bytes(Ether(**{"src": SRC, "dst": DST, **ether}) / payload)


def ip(layer, **fields):
    return IP(**{"src": "10.1.2.3", "dst": "10.4.5.6", **fields}) / layer


def udp(sport=1000, dport=2000, **fields):
    return ip(UDP(sport=sport, dport=dport) / PAYLOAD, **fields)


def tcp(sport=1000, dport=2000, **fields):
    return ip(TCP(sport=sport, dport=dport) / PAYLOAD, **fields)


class Rig:
    """Captures at all hosts around what one frame causes, by a marker that is flooded behind."""

    def __init__(self, lab, peer):
        self.lab = lab
        self.peer = peer
        self.number = 0

    def mark(self):
        self.number += 1
        return bytes(Ether(src="02:00:00:00:00:ff", dst="02:00:00:00:00:fe", type=MARK_TYPE)
                     / struct.pack("!I46x", self.number))

    def come_out(self, action):
        """What comes out at hosts 1, 2, 3 by the time that 'action' is done. The marker goes
        in at port 1, behind what the action sent there."""
        captures = [Capture(host) for host in self.lab.hosts]
        end = self.mark()
        try:
            action()
            self.lab.hosts[0].send("eth0", end)
            return [capture.until(end) for capture in captures]
        finally:
            for capture in captures:
                capture.close()

    def flows(self, *flows):
        """Just these (actions, match, keywords), and the marker's."""
        self.peer.clear()
        self.peer.flow_mod(of.output(of.ALL) + of.output(of.IN_PORT),
                           of.match(dl_type=MARK_TYPE), priority=65535)
        for actions, fields, *how in flows:
            self.peer.flow_mod(actions, fields, **(how[0] if how else {}))

    def send(self, *frames):
        return self.come_out(lambda: self.lab.hosts[0].send("eth0", *frames))

    def packet_out(self, actions, data=b"", **how):
        return self.come_out(lambda: self.peer.packet_out(actions, data, **how))


def it_starts(lab):
    lab.switch = Switch(lab, ["p1@1", "p2@2", "p3@3"], listeners=["ptcp:6653:127.0.0.1"],
                        options=["--datapath-id", "00000000deadbeef"])
    lab.peer = of.connect(lab)
    lab.rig = Rig(lab, lab.peer)


def takes(lab, fields, frames, wanted):
    """A flow with this match passes just the wanted of the frames."""
    lab.rig.flows((of.output(2), fields))
    got = lab.rig.send(*frames)[1]
    names = [frames.index(f) if f in frames else f.hex() for f in got]
    check_equal(names, [frames.index(f) for f in wanted], "frames that %s takes" % fields.hex())


def each_field_is_matched(lab):
    a = frame(Dot1Q(vlan=5, prio=3) / tcp(tos=0x2C))
    other = [frame(Dot1Q(vlan=5, prio=3) / tcp(tos=0x2C), src="02:00:00:00:00:77"),
             frame(Dot1Q(vlan=5, prio=3) / tcp(tos=0x2C), dst="02:00:00:00:00:77"),
             frame(Dot1Q(vlan=6, prio=3) / tcp(tos=0x2C)),
             frame(Dot1Q(vlan=5, prio=4) / tcp(tos=0x2C)),
             frame(Dot1Q(vlan=5, prio=3) / ARP(pdst="10.4.5.6", psrc="10.1.2.3", op=6)),
             frame(Dot1Q(vlan=5, prio=3) / tcp(tos=0x30)),
             frame(Dot1Q(vlan=5, prio=3) / udp(tos=0x2C)),
             frame(Dot1Q(vlan=5, prio=3) / tcp(tos=0x2C, src="10.1.2.4")),
             frame(Dot1Q(vlan=5, prio=3) / tcp(tos=0x2C, dst="10.4.5.7")),
             frame(Dot1Q(vlan=5, prio=3) / tcp(tos=0x2C, sport=1001)),
             frame(Dot1Q(vlan=5, prio=3) / tcp(tos=0x2C, dport=2001))]
    frames = [a] + other
    need_ip = {"dl_type": 0x0800}
    need_tcp = {"dl_type": 0x0800, "nw_proto": 6}
    for fields, but in (
            ({"dl_src": of.mac(SRC)}, [1]), ({"dl_dst": of.mac(DST)}, [2]), ({"dl_vlan": 5}, [3]),
            ({"dl_vlan_pcp": 3}, [4]), ({"dl_vlan": 5, "dl_vlan_pcp": 3}, [3, 4]), (need_ip, [5]),
            ({**need_ip, "nw_tos": 0x2C}, [5, 6]), (need_tcp, [5, 7]),
            ({**need_ip, "nw_src": of.address("10.1.2.3")}, [5, 8]),
            ({**need_ip, "nw_dst": of.address("10.4.5.6")}, [5, 9]),
            ({**need_tcp, "tp_src": 1000}, [5, 7, 10]), ({**need_tcp, "tp_dst": 2000}, [5, 7, 11])):
        wanted = [f for n, f in enumerate(frames) if n not in but]
        takes(lab, of.match(**fields), frames, wanted)
        takes(lab, of.match(in_port=1, **fields), frames, wanted)
        takes(lab, of.match(in_port=2, **fields), frames, [])


def addresses_match_by_prefix(lab):
    frames = [frame(udp(src=a)) for a in ("10.1.2.3", "10.1.2.2", "10.1.3.3", "10.9.2.3",
                                          "11.1.2.3", "138.1.2.3")]
    value = {"dl_type": 0x0800, "nw_src": of.address("10.1.2.3")}
    for wild, n in ((0, 1), (1, 2), (8, 2), (9, 3), (16, 3), (24, 4), (25, 5), (31, 5), (32, 6),
                    (40, 6), (63, 6)):
        takes(lab, of.match(nw_src_wild=wild, **value), frames, frames[:n])
    frames = [frame(udp(dst=a)) for a in ("10.1.2.3", "10.1.2.2", "10.1.3.3")]
    value = {"dl_type": 0x0800, "nw_dst": of.address("10.1.2.3")}
    for wild, n in ((0, 1), (7, 2), (16, 3), (33, 3)):
        takes(lab, of.match(nw_dst_wild=wild, **value), frames, frames[:n])


def vlan_none_and_zero_differ(lab):
    frames = [frame(udp()), frame(Dot1Q(vlan=0, prio=0) / udp()),
              frame(Dot1Q(vlan=0, prio=5) / udp()), frame(Dot1Q(vlan=4095, prio=0) / udp())]
    takes(lab, of.match(dl_vlan=0xFFFF), frames, frames[:1])
    takes(lab, of.match(dl_vlan=0xFFFF, dl_vlan_pcp=5), frames, frames[:1])
    takes(lab, of.match(dl_vlan=0), frames, frames[1:3])
    takes(lab, of.match(dl_vlan=0, dl_vlan_pcp=5), frames, frames[2:3])
    takes(lab, of.match(dl_vlan=4095), frames, frames[3:])
    takes(lab, of.match(dl_type=0x0800), frames, frames)
    takes(lab, of.match(dl_type=0x8100), frames, [])


def arp_is_matched(lab):
    arp = {"psrc": "10.1.2.3", "pdst": "10.4.5.6"}
    frames = [frame(ARP(op=1, **arp)), frame(ARP(op=2, **arp)), frame(ARP(op=257, **arp)),
              frame(ARP(op=1, psrc="10.1.2.3", pdst="10.4.5.7")),
              frame(ARP(op=1, psrc="10.1.2.9", pdst="10.4.5.6"))]
    is_arp = {"dl_type": 0x0806}
    takes(lab, of.match(nw_proto=2, **is_arp), frames, frames[1:2])
    takes(lab, of.match(nw_src=of.address("10.1.2.3"), **is_arp), frames, frames[:4])
    takes(lab, of.match(nw_dst=of.address("10.4.5.0"), nw_dst_wild=8, **is_arp), frames, frames)
    takes(lab, of.match(nw_dst=of.address("10.4.5.6"), **is_arp), frames, frames[:3] + frames[4:])
    # neither ports nor a ToS: what is said of them does not count
    takes(lab, of.match(nw_proto=1, nw_tos=0x20, tp_src=7, tp_dst=9, **is_arp), frames,
          [f for f in frames if f != frames[1]])


def icmp_types_and_codes_are_ports(lab):
    frames = [frame(ip(ICMP(type=t, code=c))) for t, c in ((8, 0), (0, 0), (3, 1), (3, 3))]
    icmp = {"dl_type": 0x0800, "nw_proto": 1}
    takes(lab, of.match(tp_src=3, **icmp), frames, frames[2:])
    takes(lab, of.match(tp_src=3, tp_dst=3, **icmp), frames, frames[3:])
    takes(lab, of.match(tp_dst=0, **icmp), frames, frames[:2])
    takes(lab, of.match(tp_src=0x108, **icmp), frames, [])


def other_protocols_have_no_ports(lab):
    frames = [frame(ip(bytes(40), proto=47)), frame(ip(bytes(40), proto=132))]
    takes(lab, of.match(dl_type=0x0800, nw_proto=47, tp_src=9, tp_dst=9), frames, frames[:1])
    takes(lab, of.match(dl_type=0x0800, tp_src=9, tp_dst=9), frames, frames)
    takes(lab, of.match(nw_proto=6, nw_src=1, tp_src=9), frames, frames)


def fragments_options_and_lengths(lab):
    first = frame(ip(UDP(sport=1000, dport=2000, len=208) / PAYLOAD, flags="MF"))
    later = frame(ip(struct.pack("!HH", 1000, 2000) + PAYLOAD, frag=10, proto=17))
    options = frame(udp(options=b"\x94\x04\x00\x00\x01\x01\x01\x00"))
    short = frame(ip(b"\x03\xe8\x07", proto=17)) + bytes(30)   # the ports reach into padding
    frames = [first, later, options, short]
    is_udp = {"dl_type": 0x0800, "nw_proto": 17}
    takes(lab, of.match(tp_src=1000, **is_udp), frames, [first, options])
    takes(lab, of.match(tp_dst=0, **is_udp), frames, [later, short])
    takes(lab, of.match(**is_udp), frames, frames)


def llc_and_snap_frames_have_types(lab):
    body = bytes(udp())
    snap_head = bytes.fromhex("aaaa03000000")
    head = of.mac(DST) + of.mac(SRC)
    snap = head + struct.pack("!H", 8 + len(body)) + snap_head + b"\x08\x00" + body
    other_oui = head + struct.pack("!H", 8 + len(body)) + b"\xaa\xaa\x03\x00\x00\x01\x08\x00" + body
    llc = head + struct.pack("!H", 46) + b"\x42\x42\x03" + bytes(43)
    tagged = head + b"\x81\x00\x00\x05" + struct.pack("!H", 46) + b"\x42\x42\x03" + bytes(43)
    frames = [snap, other_oui, llc, tagged, frame(udp())]
    takes(lab, of.match(dl_type=0x05FF), frames, frames[1:4])
    takes(lab, of.match(dl_type=0x0800, nw_proto=17, tp_dst=2000), frames, [snap, frames[4]])
    takes(lab, of.match(dl_type=0x05FF, dl_vlan=5), frames, [tagged])


def no_wildcards_win_and_keep_their_priority(lab):
    full = dict(in_port=1, dl_src=of.mac(SRC), dl_dst=of.mac(DST), dl_vlan=0xFFFF, dl_vlan_pcp=0,
                dl_type=0x0800, nw_tos=0, nw_proto=17, nw_src=of.address("10.1.2.3"),
                nw_dst=of.address("10.4.5.6"), tp_src=1000, tp_dst=2000)
    exact = of.match(wildcards=0, **full)
    sent = frame(udp())
    lab.rig.flows((of.output(3), exact, {"priority": 1}), (of.output(2), of.match(in_port=1)))
    check_equal([len(f) for f in lab.rig.send(sent)], [0, 0, 1], "frames with the exact flow")
    there = [f for f in lab.peer.flows(exact)]
    check_equal([(f["priority"], f["match"], f["packets"]) for f in there], [(1, exact, 1)], "it")
    # as l2_learning of POX does it: non-IP frames, with every wildcard bit clear
    other = dict(full, dl_type=0x88CC, nw_proto=0, nw_src=0, nw_dst=0, tp_src=0, tp_dst=0)
    sent = frame(bytes(60), type=0x88CC)
    lab.rig.flows((of.output(3), of.match(wildcards=0, **other), {"priority": 1}),
                  (of.output(2), of.match(in_port=1)))
    check_equal([len(f) for f in lab.rig.send(sent)], [0, 0, 1], "frames of no network type")


def statistics_and_delete_see_alike(lab):
    """What FLOW statistics show for a match is what a DELETE with it takes."""
    peer = lab.peer
    everything = dict(in_port=1, dl_src=of.mac(SRC), dl_dst=of.mac(DST), dl_vlan=0xFFFF,
                      dl_vlan_pcp=0, dl_type=0x88CC, nw_tos=0, nw_proto=0, nw_src=0, nw_dst=0,
                      tp_src=0, tp_dst=0)
    link = {k: v for k, v in everything.items() if k[:2] not in ("nw", "tp")}
    flows = [of.match(wildcards=0, **everything), of.match(**link), of.match(in_port=1),
             of.match(dl_type=0x0800, nw_dst=of.address("10.1.2.0"), nw_dst_wild=8),
             of.match(dl_type=0x0800, nw_dst=of.address("10.1.2.3")), of.match()]
    for asked in flows + [of.match(dl_type=0x88CC), of.match(dl_vlan=0xFFFF),
                          of.match(dl_type=0x0800, nw_dst=of.address("10.1.0.0"), nw_dst_wild=16)]:
        peer.clear()
        for fields in flows:
            peer.flow_mod(of.output(2), fields)
        shown = sorted(f["match"] for f in peer.flows(asked))
        check_equal(peer.aggregate(asked)[2], len(shown), "AGGREGATE's flows")
        before = sorted(f["match"] for f in peer.flows())
        peer.flow_mod(fields=asked, command=of.DELETE)
        after = sorted(f["match"] for f in peer.flows())
        check_equal(sorted(shown + after), before, "shown for and left by %s" % asked.hex())


def add_replaces_all_of_a_flow(lab):
    fields = of.match(in_port=1, dl_type=0x0800, nw_proto=17)
    lab.rig.flows((of.output(2), fields, {"cookie": 1, "idle": 50, "flags": of.SEND_FLOW_REM}))
    sent = frame(udp())
    check_equal(lab.rig.send(sent, sent)[1], [sent, sent], "frames")
    check_equal(lab.peer.aggregate(fields), (2, 2 * len(sent), 1), "counters")
    lab.peer.flow_mod(of.output(3), fields, cookie=2, hard=60)
    (there,) = lab.peer.flows(fields)
    check_equal([there[k] for k in ("cookie", "idle", "hard", "packets", "bytes", "s", "actions")],
                [2, 0, 60, 0, 0, 0, of.output(3, 0)], "the new flow")
    check(not [m for m in lab.peer.kept if m[0] == of.FLOW_REMOVED], "nothing was removed")
    lab.peer.flow_mod(fields=fields, command=of.DELETE_STRICT)
    check(not [m for m in lab.peer.kept if m[0] == of.FLOW_REMOVED], "the new one does not tell")


def modify_changes_actions_and_no_more(lab):
    one, two = of.match(in_port=1, dl_type=0x0800), of.match(in_port=1, dl_type=0x0806)
    how = {"cookie": 1, "idle": 100, "hard": 200, "priority": 7, "flags": of.SEND_FLOW_REM}
    lab.rig.flows((of.output(2), one, how), (of.output(2), two, how))
    lab.rig.send(frame(udp()))
    lab.peer.flow_mod(of.output(3), of.match(in_port=1), command=of.MODIFY, cookie=5, idle=1,
                      hard=1, priority=9, out_port=99)
    for fields, packets in ((one, 1), (two, 0)):
        (there,) = lab.peer.flows(fields)
        check_equal([there[k] for k in ("idle", "hard", "priority", "packets", "actions")],
                    [100, 200, 7, packets, of.output(3, 0)], "a modified flow")
    check_equal(len(lab.peer.flows(of.match(in_port=1))), 2, "flows: none was added")
    lab.peer.flow_mod(of.output(2), one, command=of.MODIFY_STRICT, priority=8)
    check_equal(len(lab.peer.flows(one)), 2, "flows: a strict one of another priority was added")
    lab.peer.flow_mod(fields=one, command=of.DELETE)
    got = of.unpack_flow_removed(lab.peer.wait_for(of.FLOW_REMOVED))
    check_equal([got[k] for k in ("reason", "priority", "idle", "packets", "match")],
                [2, 7, 100, 1, one], "FLOW_REMOVED")


def delete_takes_what_is_covered(lab):
    peer = lab.peer
    narrow = of.match(in_port=1, dl_type=0x0800, nw_src=of.address("10.1.2.3"))
    net = of.match(in_port=1, dl_type=0x0800, nw_src=of.address("10.1.2.0"), nw_src_wild=8)
    wide = of.match(dl_type=0x0800)

    def left(asked, **how):
        peer.clear()
        for fields in (narrow, net, wide):
            peer.flow_mod(of.output(2) + of.output(3), fields, priority=10)
        peer.flow_mod(fields=asked, **how)
        return [name for name, fields in (("narrow", narrow), ("net", net), ("wide", wide))
                if any(f["match"] == fields for f in peer.flows())]

    check_equal(left(net, command=of.DELETE), ["wide"], "left by DELETE")
    check_equal(left(net, command=of.DELETE, priority=99), ["wide"], "priority does not count")
    check_equal(left(net, command=of.DELETE_STRICT, priority=10), ["narrow", "wide"], "strict")
    check_equal(left(net, command=of.DELETE_STRICT, priority=11), ["narrow", "net", "wide"],
                "another priority")
    check_equal(left(net, command=of.DELETE, out_port=3), ["wide"], "out_port that is there")
    check_equal(left(net, command=of.DELETE, out_port=1), ["narrow", "net", "wide"], "not there")
    check_equal(left(net, command=of.DELETE_STRICT, priority=10, out_port=2), ["narrow", "wide"],
                "strict with out_port")
    check_equal(left(net, command=of.DELETE_STRICT, priority=10, out_port=of.ALL),
                ["narrow", "net", "wide"], "strict with another out_port")


def overlap_is_of_one_priority_and_rank(lab):
    peer, overlap = lab.peer, (3, 1)
    peer.clear()
    peer.flow_mod(of.output(2), of.match(dl_type=0x0800, nw_src=of.address("10.0.0.0"),
                                         nw_src_wild=24), priority=10)
    check_flag = {"flags": of.CHECK_OVERLAP, "priority": 10}
    for fields in (of.match(), of.match(dl_type=0x0800), of.match(in_port=1),
                   of.match(dl_type=0x0800, nw_src=of.address("10.1.0.0"), nw_src_wild=16),
                   of.match(dl_type=0x0800, nw_dst=of.address("1.2.3.4"))):
        peer.flow_mod_refused(overlap, of.output(3), fields, **check_flag)
    for fields in (of.match(dl_type=0x0806), of.match(dl_type=0x0800, nw_src=of.address("11.0.0.0"),
                                                     nw_src_wild=24)):
        peer.flow_mod(of.output(3), fields, **check_flag)
    peer.flow_mod(of.output(3), of.match(), flags=of.CHECK_OVERLAP, priority=11)
    check_equal(len(peer.flows()), 4, "flows")


def out_port_filters_statistics(lab):
    peer = lab.peer
    peer.clear()
    peer.flow_mod(of.output(2), of.match(in_port=1))
    peer.flow_mod(of.set_vid(5) + of.output(3) + of.output(of.CONTROLLER, 77), of.match(in_port=2))
    for port, n in ((of.NONE, 2), (2, 1), (3, 1), (1, 0), (of.CONTROLLER, 1), (of.ALL, 0)):
        check_equal(len(peer.flows(out_port=port)), n, "flows to port 0x%x" % port)
        check_equal(peer.aggregate(out_port=port)[2], n, "their sum for port 0x%x" % port)
    (there,) = peer.flows(of.match(in_port=2))
    check_equal(there["actions"], of.set_vid(5) + of.output(3, 0) + of.output(of.CONTROLLER, 77),
                "actions as they were sent")


def times_run_out(lab):
    peer = lab.peer
    lab.rig.flows()
    tell = {"flags": of.SEND_FLOW_REM}
    peer.flow_mod(of.output(2), of.match(in_port=2), idle=1, cookie=1, **tell)
    peer.flow_mod(of.output(2), of.match(in_port=3), hard=1, cookie=2, priority=3, **tell)
    peer.flow_mod(of.output(2), of.match(in_port=9), idle=1, hard=1, cookie=3, **tell)
    peer.flow_mod(of.output(2), of.match(in_port=8), hard=1)
    got = {}
    while len(got) < 3:
        row = of.unpack_flow_removed(peer.wait_for(of.FLOW_REMOVED))
        got[row["cookie"]] = row
    check_equal([got[n]["reason"] for n in (1, 2)], [0, 1], "reasons")
    check_equal([(got[n]["idle"], got[n]["priority"]) for n in (1, 2)], [(1, 100), (0, 3)],
                "fields")
    check_equal(got[1]["match"], of.match(in_port=2), "the match")
    for row in got.values():
        check(row["s"] in (1, 2) and row["ns"] < 10**9, "duration %(s)d s %(ns)d ns" % row)
    wait_for(lambda: len(peer.flows()) == 1, "all of them are gone")
    check(not [m for m in peer.kept if m[0] == of.FLOW_REMOVED], "just those that ask tell")


def the_table_runs_in_the_midst_of_a_packet_out(lab):
    """What the flow does to the packet is not seen behind the TABLE, nor the other way round."""
    sent = frame(udp())
    vlan = frame(Dot1Q(vlan=9) / udp())
    lab.rig.flows((of.set_vid(9) + of.output(2), of.match(in_port=1)))
    got = lab.rig.packet_out(of.output(of.TABLE) + of.output(3), sent, in_port=1)
    check_equal(got, [[], [vlan], [sent]], "TABLE, then output:3")
    got = lab.rig.packet_out(of.output(3) + of.output(of.TABLE), sent, in_port=1)
    check_equal(got, [[], [vlan], [sent]], "output:3, then TABLE")
    lab.rig.flows((of.output(2), of.match(in_port=1)))
    other = frame(udp(), src="02:aa:aa:aa:aa:aa")
    got = lab.rig.packet_out(of.output(of.TABLE) + of.set_dl_src("02:aa:aa:aa:aa:aa")
                             + of.output(3), sent, in_port=1)
    check_equal(got, [[], [sent], [other]], "TABLE, then a rewrite")


def packet_out_to_each_reserved_port(lab):
    sent = frame(udp())
    lab.rig.flows((of.output(3), of.match(in_port=1)))
    out = lab.rig.packet_out
    check_equal(out(of.output(of.IN_PORT), sent, in_port=2), [[], [sent], []], "IN_PORT")
    check_equal(out(of.output(of.IN_PORT), sent), [[], [], []], "IN_PORT of none")
    check_equal(out(of.output(2), sent, in_port=2), [[], [], []], "the ingress by its number")
    check_equal(out(of.output(of.TABLE), sent, in_port=1), [[], [], [sent]], "TABLE")
    for port in (of.FLOOD, of.ALL):
        check_equal(out(of.output(port), sent), [[sent]] * 3, "from no port")
        check_equal(out(of.output(port), sent, in_port=2), [[sent], [], [sent]], "from port 2")
        check_equal(out(of.output(port), sent, in_port=of.CONTROLLER), [[sent]] * 3, "controller")
        check_equal(out(of.output(port), sent, in_port=of.LOCAL), [[sent]] * 3, "from LOCAL")
    check_equal(out(b"", sent), [[], [], []], "no actions")
    lab.peer.kept = []
    lab.peer.packet_out(of.output(of.CONTROLLER, 20), sent, in_port=2)
    got = of.unpack_packet_in(lab.peer.wait_for(of.PACKET_IN))
    check_equal((got[1:4], got[4][:20]), ((len(sent), 2, 1), sent[:20]), "CONTROLLER")
    for port in (0, 4, 0xFEFF, 0xFF00, 0xFFF7, of.NONE):
        lab.peer.refused(BAD_OUT_PORT, of.PACKET_OUT,
                         lab.peer.packet_out_body(of.output(port), sent))


def a_miss_is_buffered_and_released(lab):
    """As POX's l2_learning: a FLOW_MOD with the buffer's id; then the id is spent."""
    peer, sent = lab.peer, frame(udp())
    lab.rig.flows()
    lab.hosts[0].send("eth0", sent)
    buffer_id, total, port, reason, data = of.unpack_packet_in(peer.wait_for(of.PACKET_IN))
    check_equal((total, port, reason, data), (len(sent), 1, 0, sent[:128]), "PACKET_IN")
    got = lab.rig.come_out(lambda: peer.flow_mod(of.set_vid(3) + of.output(2),
                                                 of.match(in_port=1, dl_type=0x0800),
                                                 buffer_id=buffer_id))
    check_equal(got, [[], [frame(Dot1Q(vlan=3) / udp())], []], "the released packet")
    (there,) = peer.flows(of.match(in_port=1, dl_type=0x0800))
    check_equal((there["packets"], there["bytes"]), (1, len(sent)), "it was counted")
    empty, unknown = (1, 7), (1, 8)
    peer.refused(empty, of.PACKET_OUT, peer.packet_out_body(of.output(2), buffer_id=buffer_id))
    peer.flow_mod_refused(empty, of.output(2), of.match(in_port=2), buffer_id=buffer_id)
    check_equal(len(peer.flows(of.match(in_port=2))), 1, "the flow is there all the same")
    peer.refused(unknown, of.PACKET_OUT, peer.packet_out_body(of.output(2), buffer_id=0x7FFFFF00))
    # a refused PACKET_OUT leaves its buffer alone; one without actions frees it
    lab.rig.flows()
    lab.hosts[0].send("eth0", sent)
    buffer_id = of.unpack_packet_in(peer.wait_for(of.PACKET_IN))[0]
    peer.refused(BAD_OUT_PORT, of.PACKET_OUT,
                 peer.packet_out_body(of.output(0), buffer_id=buffer_id))
    peer.packet_out(b"", buffer_id=buffer_id, in_port=1)
    peer.refused(empty, of.PACKET_OUT, peer.packet_out_body(b"", buffer_id=buffer_id))


def the_oldest_buffer_makes_room(lab):
    peer = lab.peer
    lab.rig.flows()
    ids = []
    for n in range(300):
        lab.hosts[0].send("eth0", frame(struct.pack("!I80x", n), type=0x88B6))
        ids.append(of.unpack_packet_in(peer.wait_for(of.PACKET_IN))[0])
    check_equal(len(set(ids)), 300, "different ids")
    peer.refused((1, 7), of.PACKET_OUT, peer.packet_out_body(of.output(2), buffer_id=ids[0]))
    got = lab.rig.packet_out(of.output(2), buffer_id=ids[-1], in_port=1)[1]
    check_equal(got, [frame(struct.pack("!I80x", 299), type=0x88B6)], "the newest")


def miss_send_len_zero_and_whole(lab):
    peer, sent = lab.peer, frame(udp())
    lab.rig.flows()
    for length in (0, 1, len(sent) - 1, len(sent), 0xFFFE, 0xFFFF):
        peer.tell(of.SET_CONFIG, struct.pack("!HH", 0, length))
        check_equal(peer.ask(of.GET_CONFIG_REQUEST), (of.GET_CONFIG_REPLY,
                                                      struct.pack("!HH", 0, length)), "config")
        lab.hosts[0].send("eth0", sent)
        got = of.unpack_packet_in(peer.wait_for(of.PACKET_IN))
        check_equal(got[4], sent[:length], "data at miss_send_len %d" % length)
        check_equal(got[1], len(sent), "total_len")
        check_equal(got[0] == of.NO_BUFFER, length == 0xFFFF, "without a buffer")
    peer.tell(of.SET_CONFIG, struct.pack("!HH", 0, 128))


def each_flag_of_port_mod(lab):
    """DOWN, NO_RECV, NO_FWD, NO_FLOOD, NO_PACKET_IN, NO_RECV_STP: each alone, then undone."""
    peer, sent = lab.peer, frame(udp())
    stp = frame(bytes(46), dst="01:80:c2:00:00:00", type=46)
    down, no_recv, no_recv_stp, no_flood, no_fwd, no_packet_in = 1, 4, 8, 16, 32, 64
    everywhere = [[], [sent], [sent]]
    lab.rig.flows((of.output(of.ALL), of.match(in_port=1)), (of.output(2), of.match(in_port=3)))

    def from_three(*frames):
        """What host 2 gets of frames from host 3; the marker follows them through port 3."""
        end = lab.rig.mark()
        with Capture(lab.hosts[1]) as capture:
            lab.hosts[2].send("eth0", *frames)
            lab.hosts[2].send("eth0", end)
            lab.hosts[0].send("eth0", end)
            return [f for f in capture.until(end) if f != end]

    for flag, at_all, at_flood, in_three in (
            (0, everywhere, everywhere, [sent, stp]),
            (no_flood, everywhere, [[], [sent], []], [sent, stp]),
            (no_packet_in, everywhere, everywhere, [sent, stp])):
        peer.port_mod(3, flag, 0x7F)
        check_equal(lab.rig.send(sent), at_all, "ALL with 0x%x" % flag)
        check_equal(lab.rig.packet_out(of.output(of.FLOOD), sent, in_port=1), at_flood,
                    "FLOOD with 0x%x" % flag)
        check_equal(from_three(sent, stp), in_three, "from port 3 with 0x%x" % flag)
    # with these the marker does not pass either way: it is seen at port 2
    for flag, in_three, out_three in ((no_recv, [stp], True), (no_recv_stp, [sent], True),
                                      (no_fwd, [sent, stp], False), (down, [], False)):
        peer.port_mod(3, flag, 0x7F)
        check_equal(peer.ports()[3][2], flag, "configuration")
        check_equal(from_three(sent, stp), in_three, "from port 3 with 0x%x" % flag)
        after = lab.rig.mark()
        with Capture(lab.hosts[2]) as capture:
            peer.packet_out(of.output(3), sent)
            peer.port_mod(3, 0, 0x7F)
            wait_for(lambda: not peer.ports()[3][3] & 1, "the link is up")
            peer.packet_out(of.output(3), after)
            check_equal(capture.until(after), [sent] if out_three else [], "out with 0x%x" % flag)
    peer.clear()
    peer.port_mod(1, no_packet_in, no_packet_in)
    lab.hosts[0].send("eth0", sent)
    wait_for(lambda: lab.switch.counters()["miss_no_packet_in"] == 1, "the miss was dropped")
    peer.port_mod(1, 0, no_packet_in)
    check(not [m for m in peer.kept if m[0] == of.PACKET_IN], "no PACKET_IN")
    peer.kept = []


def port_mod_changes_only_the_bits_of_its_mask(lab):
    peer = lab.peer
    peer.port_mod(2, 0x7F, 0x50)
    check_equal(peer.ports()[2][2], 0x50, "configuration")
    peer.port_mod(2, 0, 0x10)
    check_equal(peer.ports()[2][2], 0x40, "configuration")
    peer.port_mod(2, 0, 0x7F)
    status = [m[2] for m in peer.kept if m[0] == of.PORT_STATUS]
    check_equal([(s[0], struct.unpack_from("!H", s, 8)[0], struct.unpack_from("!I", s, 32)[0])
                 for s in status], [(2, 2, 0x50), (2, 2, 0x40), (2, 2, 0)], "PORT_STATUS")
    peer.kept = []


def statistics_of_ten_thousand_flows(lab):
    peer = lab.peer
    peer.clear()
    wanted, data = set(), bytearray()
    for n in range(10000):
        fields = of.match(dl_dst=struct.pack("!HI", 0x0200, n), in_port=1 + n % 3)
        wanted.add(fields)
        body = peer.flow_mod_body(of.output(1 + n % 3), fields, cookie=n)
        data += struct.pack("!BBHI", 1, of.FLOW_MOD, 8 + len(body), n) + body
    peer.sock.sendall(data)
    peer.barrier()
    got = peer.flows()
    check_equal(len(got), 10000, "flows")
    check_equal({f["match"] for f in got}, wanted, "matches")
    check_equal(len(peer.flows(out_port=3)), 3333, "flows to port 3")
    check_equal(peer.aggregate(of.match(in_port=2))[2], 3333, "flows of port 2")
    peer.clear()
    check_equal(peer.flows(), [], "after a DELETE of all")


def every_error_has_its_message(lab):
    peer = lab.peer
    peer.clear()
    bad_len, too_many = (2, 1), (2, 7)
    peer.flow_mod_refused(too_many, of.output(2) * 1025)
    peer.flow_mod(of.output(2) * 1024)
    peer.clear()
    peer.flow_mod_refused(bad_len, of.output(2) + struct.pack("!HHI", 0, 16, 0))
    peer.flow_mod_refused((2, 8), struct.pack("!HHH6xI", 11, 16, 1, 1))
    peer.flow_mod_refused((3, 4), command=5)
    peer.flow_mod_refused((3, 3), flags=of.EMERG, hard=1)
    peer.flow_mod_refused((3, 5), flags=0x8000)
    peer.refused((1, 6), of.FLOW_MOD, peer.flow_mod_body(of.output(2) + bytes(4)))
    for size in (16, 4):
        peer.refused((1, 6), of.PACKET_OUT,
                     struct.pack("!IHH", of.NO_BUFFER, of.NONE, size) + of.output(1))
    for kind in (of.FEATURES_REPLY, of.GET_CONFIG_REPLY, of.PACKET_IN, of.FLOW_REMOVED,
                 of.PORT_STATUS, of.STATS_REPLY, of.BARRIER_REPLY, of.QUEUE_GET_CONFIG_REPLY, 22,
                 255):
        peer.refused((1, 1), kind, bytes(72))
    for version in (0, 2, 3, 4, 5, 255):
        peer.refused((1, 0), of.BARRIER_REQUEST, version=version)
        peer.refused((1, 0), of.ECHO_REQUEST, b"x", version=version)
    for kind in (of.FEATURES_REQUEST, of.GET_CONFIG_REQUEST, of.BARRIER_REQUEST, of.SET_CONFIG,
                 of.PORT_MOD, of.QUEUE_GET_CONFIG_REQUEST, of.STATS_REQUEST, of.VENDOR):
        peer.refused((1, 6), kind, bytes(3))
    peer.refused((1, 3), of.VENDOR, struct.pack("!III", 0x2321, 10, 1))
    peer.refused((1, 6), of.VENDOR, struct.pack("!I", 0x2320))
    for subtype in (0, 9, 11, 14, 17, 21, 22, 23, 24, 0xFFFFFFFF):
        peer.refused((1, 4), of.VENDOR, struct.pack("!III", 0x2320, subtype, 1))
    for size in (0, 3, 5, 16):
        peer.refused((1, 6), of.VENDOR, struct.pack("!II", 0x2320, 10) + bytes(size))
    peer.refused((1, 3), of.STATS_REQUEST, struct.pack("!HHI", 0xFFFF, 0, 0x2321))
    peer.refused((1, 6), of.STATS_REQUEST, struct.pack("!HHI", 0xFFFF, 0, 0x2320))
    for subtype in (2, 3, 0xFFFF):
        peer.refused((1, 4), of.STATS_REQUEST, struct.pack("!HHIIxxxx", 0xFFFF, 0, 0x2320, subtype))
    for kind in (6, 0x7FFF):
        peer.refused((1, 2), of.STATS_REQUEST, struct.pack("!HH", kind, 0))
    peer.refused((1, 6), of.STATS_REQUEST, struct.pack("!HH", 0, 0) + bytes(8))
    peer.refused((4, 0), of.PORT_MOD, struct.pack("!H6xIII4x", 77, 0, 0, 0))
    peer.refused((4, 1), of.PORT_MOD, struct.pack("!H6xIII4x", 1, 0, 0, 0))
    check_equal(peer.flows(), [], "nothing was added by any of them")


def it_ends_and_leaves_nothing(lab):
    lab.peer.close()
    lab.switch.stop()
    text = lab.switch_ns.ip("-d", "link", "show").stdout
    check("br0" not in text, "the bridge's device is gone")
    check("promiscuity 1" not in text, "promiscuous devices: " + text)
    for port in ("p1", "p2", "p3"):
        done = lab.switch_ns.run("tc", "qdisc", "show", "dev", port).stdout
        check("clsact" not in done and "ingress" not in done, "qdiscs: " + done)


if __name__ == "__main__":
    run(Lab(hosts=3), it_starts, each_field_is_matched, addresses_match_by_prefix,
        vlan_none_and_zero_differ, arp_is_matched, icmp_types_and_codes_are_ports,
        other_protocols_have_no_ports, fragments_options_and_lengths,
        llc_and_snap_frames_have_types, no_wildcards_win_and_keep_their_priority,
        statistics_and_delete_see_alike, add_replaces_all_of_a_flow,
        modify_changes_actions_and_no_more, delete_takes_what_is_covered,
        overlap_is_of_one_priority_and_rank, out_port_filters_statistics, times_run_out,
        the_table_runs_in_the_midst_of_a_packet_out, packet_out_to_each_reserved_port,
        a_miss_is_buffered_and_released, the_oldest_buffer_makes_room,
        miss_send_len_zero_and_whole, each_flag_of_port_mod,
        port_mod_changes_only_the_bits_of_its_mask, statistics_of_ten_thousand_flows,
        every_error_has_its_message, it_ends_and_leaves_nothing)
