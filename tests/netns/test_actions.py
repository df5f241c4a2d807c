#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Each action, seen on the wire: a frame goes in at port 1, and what comes out is compared
byte for byte with what scapy makes of it."""

import logging

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)

from scapy.layers.inet import ICMP, IP, TCP, UDP  # noqa: E402
from scapy.layers.l2 import ARP, Dot1Q, Ether  # noqa: E402

from netns.lib import Capture, Failure, Lab, Switch, check, check_equal, run  # noqa: E402

SRC, DST = "02:00:00:00:00:01", "02:00:00:00:00:02"
PAYLOAD = bytes(range(64))


def udp(**ip):
    return IP(src="10.1.0.1", dst="10.1.0.2", ttl=9, **ip) / UDP(sport=1000, dport=2000) / PAYLOAD


def tcp():
    return IP(src="10.1.0.1", dst="10.1.0.2") / TCP(sport=1000, dport=2000, seq=7) / PAYLOAD


def frame(payload, **ether):
    return Ether(**{"src": SRC, "dst": DST, **ether}) / payload


def marker(number):
    """A frame that the rule of highest priority passes from port 1 to every other port."""
    return Ether(src="02:00:00:00:00:ff", dst="02:00:00:00:00:fe", type=0x88B5) / bytes([number] * 50)


MARK = "priority=65000,dl_type=0x88b5,actions=all,in_port"


def comes_out(lab, flows, sent, n=0):
    """What comes out at hosts 1, 2, 3 when host 1 sends 'sent', under 'flows'."""
    lab.switch.replace_flows(MARK, *flows)
    captures = [Capture(host) for host in lab.hosts]
    end = marker(n)
    try:
        lab.hosts[0].send("eth0", *sent, end)
        return [capture.until(end) for capture in captures]
    finally:
        for capture in captures:
            capture.close()


def expect_at_two(lab, actions, sent, wanted):
    """One rule with 'actions' makes of each frame sent the one wanted, at port 2 alone."""
    got = comes_out(lab, ["actions=" + actions], sent)
    check_equal(got[0], [], "at port 1")
    check_equal(got[2], [], "at port 3")
    check_equal(len(got[1]), len(wanted), "frames at port 2")
    for there, want in zip(got[1], wanted):
        if there != bytes(want):
            raise Failure("actions=%s\ngot    %s\nwanted %s\n       %s"
                          % (actions, there.hex(), bytes(want).hex(), Ether(there).summary()))


def it_starts(lab):
    lab.switch = Switch(lab, ["p1@1", "p2@2", "p3@3"])


def output_changes_nothing(lab):
    frames = [frame(udp()), frame(tcp()), frame(ARP()), frame(PAYLOAD, type=0x86DD),
              frame(Dot1Q(vlan=5, prio=3) / udp()),
              Ether(src=SRC, dst=DST, type=46) / bytes([0xAA, 0xAA, 3] + 43 * [1]),
              frame(IP(src="10.1.0.1", dst="10.1.0.2", flags="MF", frag=0) / UDP() / PAYLOAD),
              frame(IP(src="10.1.0.1", dst="10.1.0.2", frag=100, proto=17) / PAYLOAD),
              frame(IP(src="1.2.3.4", dst="5.6.7.8", options=b"\x94\x04\x00\x00") / UDP())]
    expect_at_two(lab, "output:2", frames, frames)


def rules_without_actions_drop(lab):
    got = comes_out(lab, ["actions=drop"], [frame(udp()), frame(tcp())])
    check_equal(got, [[], [], []], "what came out")


def set_vlan_vid_tags_and_retags(lab):
    expect_at_two(lab, "mod_vlan_vid:77,output:2",
                  [frame(udp()), frame(Dot1Q(vlan=5, prio=3) / udp())],
                  [frame(Dot1Q(vlan=77) / udp()), frame(Dot1Q(vlan=77, prio=3) / udp())])


def set_vlan_pcp_tags_and_keeps_the_vid(lab):
    expect_at_two(lab, "mod_vlan_pcp:6,output:2",
                  [frame(udp()), frame(Dot1Q(vlan=5, prio=3) / udp())],
                  [frame(Dot1Q(vlan=0, prio=6) / udp()), frame(Dot1Q(vlan=5, prio=6) / udp())])


def strip_vlan_removes_one_tag(lab):
    expect_at_two(lab, "strip_vlan,output:2",
                  [frame(Dot1Q(vlan=5, prio=3) / udp()), frame(udp()),
                   frame(Dot1Q(vlan=5) / Dot1Q(vlan=6) / udp())],
                  [frame(udp()), frame(udp()), frame(Dot1Q(vlan=6) / udp())])


def set_ethernet_addresses(lab):
    expect_at_two(lab, "mod_dl_src:02:aa:aa:aa:aa:aa,mod_dl_dst:02:bb:bb:bb:bb:bb,output:2",
                  [frame(udp()), frame(ARP())],
                  [frame(udp(), src="02:aa:aa:aa:aa:aa", dst="02:bb:bb:bb:bb:bb"),
                   frame(ARP(), src="02:aa:aa:aa:aa:aa", dst="02:bb:bb:bb:bb:bb")])


def set_network_addresses_with_checksums(lab):
    def changed(payload):
        payload = payload.copy()
        payload[IP].src, payload[IP].dst = "192.0.2.1", "198.51.100.7"
        return payload

    originals = [udp(), tcp(), IP(src="10.1.0.1", dst="10.1.0.2") / ICMP() / PAYLOAD]
    expect_at_two(lab, "mod_nw_src:192.0.2.1,mod_nw_dst:198.51.100.7,output:2",
                  [frame(p) for p in originals] + [frame(Dot1Q(vlan=9) / udp())],
                  [frame(changed(p)) for p in originals]
                  + [frame(Dot1Q(vlan=9) / changed(udp()))])


def a_udp_checksum_of_zero_stays_zero(lab):
    before = IP(src="10.1.0.1", dst="10.1.0.2") / UDP(sport=1, dport=2, chksum=0) / PAYLOAD
    after = IP(src="192.0.2.1", dst="10.1.0.2") / UDP(sport=9, dport=2, chksum=0) / PAYLOAD
    expect_at_two(lab, "mod_nw_src:192.0.2.1,mod_tp_src:9,output:2",
                  [frame(before)], [frame(after)])


def set_tos_keeps_the_ecn_bits(lab):
    expect_at_two(lab, "mod_nw_tos:184,output:2", [frame(udp(tos=0x03)), frame(udp(tos=0x51))],
                  [frame(udp(tos=0xBB)), frame(udp(tos=0xB9))])


def set_transport_ports(lab):
    def ports(layer):
        return IP(src="10.1.0.1", dst="10.1.0.2", ttl=9) / layer / PAYLOAD

    expect_at_two(lab, "mod_tp_src:11,mod_tp_dst:22,output:2",
                  [frame(ports(UDP(sport=1000, dport=2000))),
                   frame(ports(TCP(sport=1000, dport=2000)))],
                  [frame(ports(UDP(sport=11, dport=22))), frame(ports(TCP(sport=11, dport=22)))])


def what_a_packet_lacks_is_not_rewritten(lab):
    later = frame(IP(src="10.1.0.1", dst="10.1.0.2", frag=100, proto=17) / PAYLOAD)
    plain = frame(PAYLOAD, type=0x88B6)
    expect_at_two(lab, "mod_tp_src:11,mod_tp_dst:22,output:2", [later, plain], [later, plain])
    expect_at_two(lab, "mod_nw_src:1.2.3.4,mod_nw_tos:4,output:2", [plain], [plain])


def outputs_send_what_the_packet_is_then(lab):
    got = comes_out(lab, ["actions=output:2,mod_vlan_vid:7,mod_nw_dst:9.9.9.9,output:3,"
                          "strip_vlan,output:2"], [frame(udp())])
    new = udp()
    new[IP].dst = "9.9.9.9"
    check_equal(got[1], [bytes(frame(udp())), bytes(frame(new))], "at port 2")
    check_equal(got[2], [bytes(frame(Dot1Q(vlan=7) / new))], "at port 3")


def in_port_alone_goes_back(lab):
    sent = bytes(frame(udp()))
    check_equal(comes_out(lab, ["actions=output:1"], [sent]), [[], [], []], "output:1 from port 1")
    check_equal(comes_out(lab, ["actions=in_port"], [sent]), [[sent], [], []], "in_port")


def all_and_flood(lab):
    sent = bytes(frame(udp()))
    everywhere = [[], [sent], [sent]]
    check_equal(comes_out(lab, ["actions=all"], [sent]), everywhere, "all")
    check_equal(comes_out(lab, ["actions=flood"], [sent]), everywhere, "flood")
    lab.switch.ofctl("mod-port", "3", "no-flood")
    check_equal(comes_out(lab, ["actions=flood"], [sent]), [[], [sent], []], "flood, 3 NO_FLOOD")
    check_equal(comes_out(lab, ["actions=all"], [sent]), everywhere, "all, 3 NO_FLOOD")
    lab.switch.ofctl("mod-port", "3", "flood")


def normal_learns(lab):
    one = Ether(src="02:00:00:00:0a:01", dst="02:00:00:00:0a:03") / udp()
    three = Ether(src="02:00:00:00:0a:03", dst="02:00:00:00:0a:01") / udp()
    got = comes_out(lab, ["actions=normal"], [one])
    check_equal(got, [[], [bytes(one)], [bytes(one)]], "an unknown address is flooded")
    with Capture(lab.hosts[0]) as capture:
        lab.hosts[2].send("eth0", three)
        capture.expect(lambda got: got == bytes(three), "the answer, at port 1")
    got = comes_out(lab, ["actions=normal"], [one], 1)
    check_equal(got, [[], [], [bytes(one)]], "a learnt address goes to its port")
    check("02:00:00:00:0a:03" in lab.switch.ctl("fdb").stdout, "turnoutctl fdb shows it")


def local_is_the_bridges_own_device(lab):
    sent = bytes(frame(udp()))
    lab.switch_ns.ip("link", "set", "br0", "up")
    with Capture(lab.switch_ns, "br0") as capture:
        got = comes_out(lab, ["actions=local"], [sent])
        check_equal(got, [[], [], []], "at the ports")
        capture.expect(lambda got: got == sent, "the frame at LOCAL")
    lab.switch.replace_flows("in_port=LOCAL,actions=output:2")
    with Capture(lab.hosts[1]) as capture:
        lab.switch_ns.send("br0", sent)
        capture.expect(lambda got: got == sent, "a frame from LOCAL")


def a_port_that_may_not_forward_gets_nothing(lab):
    one, two, three = lab.hosts
    sent, first, second = bytes(frame(udp())), marker(1), marker(2)
    lab.switch.replace_flows(MARK, "actions=output:2,output:3")
    with Capture(two) as at_two, Capture(three) as at_three:
        lab.switch.ofctl("mod-port", "2", "no-forward")
        one.send("eth0", sent, first)
        check_equal(at_three.until(first), [sent], "at port 3")
        lab.switch.ofctl("mod-port", "2", "forward")
        one.send("eth0", second)
        check_equal(at_two.until(second), [], "at port 2 while it was NO_FWD")


def set_frags_drop_drops_fragments(lab):
    first = frame(IP(src="10.1.0.1", dst="10.1.0.2", flags="MF") / UDP() / PAYLOAD)
    later = frame(IP(src="10.1.0.1", dst="10.1.0.2", frag=9, proto=17) / PAYLOAD)
    whole = bytes(frame(udp()))
    lab.switch.ofctl("set-frags", "drop")
    got = comes_out(lab, ["actions=output:2"], [first, whole, later])
    lab.switch.ofctl("set-frags", "normal")
    check_equal(got[1], [whole], "only the whole datagram passes")


def highest_priority_and_exact_rules_win(lab):
    sent = bytes(frame(udp()))
    exact = ("in_port=1,dl_vlan=0xffff,dl_src=%s,dl_dst=%s,udp,nw_tos=0,nw_src=10.1.0.1,"
             "nw_dst=10.1.0.2,tp_src=1000,tp_dst=2000" % (SRC, DST))
    wide = ["priority=10,ip,actions=output:2", "priority=20,udp,tp_dst=2000,actions=output:3"]
    check_equal(comes_out(lab, wide, [sent]), [[], [], [sent]], "the higher priority")
    got = comes_out(lab, wide + ["priority=1,%s,actions=output:2" % exact], [sent])
    check_equal(got, [[], [sent], []], "no wildcards outranks every priority")


def trace_tells_the_same(lab):
    lab.switch.replace_flows("priority=20,udp,tp_dst=2000,actions=mod_vlan_vid:7,output:3")
    text = lab.switch.ctl("trace", "in_port=1,udp,dl_src=%s,dl_dst=%s,nw_src=10.1.0.1,"
                          "nw_dst=10.1.0.2,tp_src=1000,tp_dst=2000" % (SRC, DST)).stdout
    check("tp_dst=2000" in text and "7" in text and "3" in text, text)


if __name__ == "__main__":
    run(Lab(hosts=3), it_starts, output_changes_nothing, rules_without_actions_drop,
        set_vlan_vid_tags_and_retags, set_vlan_pcp_tags_and_keeps_the_vid,
        strip_vlan_removes_one_tag, set_ethernet_addresses, set_network_addresses_with_checksums,
        a_udp_checksum_of_zero_stays_zero, set_tos_keeps_the_ecn_bits, set_transport_ports,
        what_a_packet_lacks_is_not_rewritten, outputs_send_what_the_packet_is_then,
        in_port_alone_goes_back, all_and_flood, normal_learns, local_is_the_bridges_own_device,
        a_port_that_may_not_forward_gets_nothing, set_frags_drop_drops_fragments,
        highest_priority_and_exact_rules_win, trace_tells_the_same)
