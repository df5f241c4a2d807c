#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Flows with wildcards on a chip that must be told what kind of frame it is to take: entries of them
name type and tag, and frames of another kind are right as well."""

from netns import hw
from netns import rawof as of
from netns.lib import Capture, check, check_equal, run, wait_for
from vm.frames import ethernet, ipv4, tcp, udp, udp_frame
from vm.lab import PATIENCE, ChipLab, barrier, everything
from vm.lib import enter

N_PRIORITIES = 256               # of whole rules, on a port
FIRST = 3000                     # their UDP ports
PLAIN = udp_frame(1000, 2000)
TAGGED = udp_frame(1000, 2000, tci=5)
QINQ = ethernet(bytes.fromhex("00070800") + ipv4(udp(1000, 2000)), 0x8100, tci=5)


def in_hardware(lab, words):
    return [entry for entry in lab.switch.ctl_json("hw", "entries")["entries"]
            if entry["state"] == "hardware" and words in entry["match"]]


def passes(lab, frame, expected, n=1):
    """n of the frame from host 1 come to host 2 as 'expected'."""
    with Capture(lab.hosts[1]) as eye:
        lab.hosts[0].send("eth0", *[frame] * n)
        for _ in range(n):
            eye.expect(lambda data: data == expected, "the frame")


def moves_in(lab, frame, expected, words):
    """Traffic brings an entry with these words in its match into the chip."""
    def busy():
        passes(lab, frame, expected, 20)
        return in_hardware(lab, words)
    wait_for(busy, "an entry with " + words)
    passes(lab, frame, expected)


def a_type_says_that_there_is_no_tag(lab):
    lab.start_switch("--governor", "off")
    lab.switch.ofctl("add-flow", "priority=10,udp,in_port=1,nw_dst=10.0.0.2,actions=output:2")
    moves_in(lab, PLAIN, PLAIN, "vlan_tci=0x0000")
    passes(lab, TAGGED, TAGGED)


def a_tag_is_another_entry(lab):
    moves_in(lab, TAGGED, TAGGED, "dl_vlan=5")
    passes(lab, PLAIN, PLAIN)


def rewrites_know_their_header(lab):
    lab.switch.ofctl("del-flows")
    lab.switch.ofctl("add-flow", "priority=10,in_port=1,actions=mod_nw_tos:184,mod_vlan_vid:9,output:2")
    moves_in(lab, PLAIN, udp_frame(1000, 2000, tos=184, tci=9), "vlan_tci=0x0000")
    passes(lab, TAGGED, udp_frame(1000, 2000, tos=184, tci=9))
    passes(lab, QINQ, QINQ[:14] + bytes.fromhex("0009") + QINQ[16:])


TCP = ethernet(ipv4(tcp(5, 6, b"hello"), 6))
IP = "in_port=1,dl_vlan=0xffff,ip"


def whole(lab):
    """Cookies of whole rules in the chip, in the order of their tc priorities."""
    return [int(e["cookie"], 16) for e in sorted(lab.switch.ctl_json("hw", "entries")["entries"],
                                                 key=lambda e: -e["priority"])
            if e["whole"] and e["state"] == "hardware"]


def are_whole(lab, *cookies):
    """Packets of theirs bring back those that had to leave for one above them."""
    def there():
        lab.third.send(50)
        lab.hosts[0].send("eth0", *[TCP] * 50)
        lab.ears.got(1)
        return whole(lab) == list(cookies)
    wait_for(there, "whole rules are %r" % (cookies,))


def hears(lab, flow, *hosts):
    lab.ears.expect(flow, 3, list(hosts), "frames of %s" % flow.key())


def whole_rules_are_in_their_order(lab):
    """As one filter each, masks and priorities as OpenFlow has them."""
    lab.start_switch("--hw-policy", "prefer-hw,whole-rules=yes")
    lab.ears = hw.Ears(lab, (1, 2, 3))
    lab.switch.ofctl("add-flow", "priority=65535,dl_type=0x9999,actions=all")
    lab.flow, lab.other, lab.third = [hw.Flow(lab, 1, 1, 2) for _ in range(3)]
    lab.switch.ofctl("add-flow", "cookie=1,priority=10,%s,nw_dst=10.0.0.0/24,actions=output:2" % IP)
    are_whole(lab, 1)
    hears(lab, lab.flow, 2)
    for cookie, priority, match, port in ((2, 12, ",tp_dst=%d" % lab.flow.id, 3), (3, 11, "", 2),
                                          (4, 500, ",tp_dst=%d" % lab.other.id, 2)):
        lab.switch.ofctl("add-flow", "cookie=%d,priority=%d,%s,nw_proto=17%s,actions=output:%d"
                         % (cookie, priority, IP, match, port))
    are_whole(lab, 4, 2, 3, 1)
    hears(lab, lab.flow, 3)
    hears(lab, lab.other, 2)
    flows = [f for f in lab.switch_ns.run("tc", "-s", "filter", "show", "dev", "p1", "ingress").stdout.split("filter ")
             if "10.0.0.0/24" in f]
    check(len(flows) == 1 and "in_hw" in flows[0] and "skip_sw" in flows[0], flows)
    check_equal(lab.chip.used(), 4, "rules in the chip")
    why = lab.switch.ctl("hw", "explain", lab.other.key()).stdout
    check("as a whole rule: yes\n" in why and "tc/rules" in why.replace(" table ", "/"), why)
    wait_for(lambda: sum(e["packets"] for e in lab.switch.ctl_json("hw", "entries")["entries"]) >= 6,
             "the chip has counted")
    check_equal(lab.switch.ctl("hw", "audit").stdout, "0 differences\n", "an audit")


def what_stays_in_software_keeps_them_out(lab):
    lab.switch.ofctl("mod-flows", "--strict", "cookie=2,priority=12,%s,nw_proto=17,tp_dst=%d,actions=local"
                     % (IP, lab.flow.id))
    are_whole(lab, 4)
    hears(lab, lab.flow)
    lab.switch.ofctl("mod-flows", "--strict", "cookie=2,priority=12,%s,nw_proto=17,tp_dst=%d,actions=output:3"
                     % (IP, lab.flow.id))
    are_whole(lab, 4, 2, 3, 1)
    hears(lab, lab.flow, 3)


def more_priorities_than_there_is_room_for(lab):
    """Rules that get no tc priority get exact matches, and the others stay."""
    lab.start_switch("--hw-policy", "prefer-hw,whole-rules=yes")
    peer, rules = lab.connect(), range(N_PRIORITIES + 4)
    for n in rules:
        peer.flow_mod(of.output(2), of.match(in_port=1, dl_vlan=0xffff, dl_type=0x0800, nw_proto=17, tp_dst=FIRST + n),
                      priority=100 + n)
    barrier(peer)
    frames = [udp_frame(1000, FIRST + n) for n in rules]

    def there():
        lab.hosts[0].send("eth0", *frames[:N_PRIORITIES])
        for _ in range(20):              # busy ones, and without a pause in which the rule is tried again
            lab.hosts[0].send("eth0", *frames[N_PRIORITIES:] * 5)
            barrier(peer)
        in_chip = [e["whole"] for e in in_hardware(lab, "")]
        return in_chip.count(True) == N_PRIORITIES and False in in_chip
    wait_for(there, "exact matches of others are beside the rules", PATIENCE)
    with Capture(lab.hosts[1]) as eye:
        lab.hosts[0].send("eth0", *frames)
        heard = [frame for frame in everything(eye) if frame in frames]
    check_equal(sorted(heard), sorted(frames), "each frame, once")
    check_equal(lab.switch.ctl("hw", "audit").stdout, "0 differences\n", "an audit")
    peer.close()


def a_restart_takes_them_up(lab):
    """With their priorities: what comes later goes between them."""
    keep = ("--hw-policy", "prefer-hw,whole-rules=yes", "--on-exit", "keep", "--restart-grace", "600")
    rules = lab.switch.ofctl("dump-flows").stdout
    lab.start_switch(*keep)
    lab.switch.ofctl("add-flow", "priority=65535,dl_type=0x9999,actions=all")
    check("0x" in rules, rules)
    told = [(1, 10, "nw_dst=10.0.0.0/24", 2), (2, 12, "nw_proto=17,tp_dst=%d" % lab.flow.id, 3)]
    for cookie, priority, match, port in told:
        lab.switch.ofctl("add-flow", "cookie=%d,priority=%d,%s,%s,actions=output:%d" % (cookie, priority, IP, match, port))
    are_whole(lab, 2, 1)
    lab.switch.stop()
    check_equal(lab.chip.used(), 2, "they stay")
    lab.switch.start()
    wait_for(lambda: lab.device()["limbo"] == 2, "they are taken up")
    lab.switch.ofctl("add-flow", "priority=65535,dl_type=0x9999,actions=all")
    for cookie, priority, match, port in told:
        lab.switch.ofctl("add-flow", "cookie=%d,priority=%d,%s,%s,actions=output:%d" % (cookie, priority, IP, match, port))
    lab.switch.ofctl("add-flow", "cookie=5,priority=11,%s,nw_proto=17,actions=output:2" % IP)
    are_whole(lab, 2, 5, 1)
    hears(lab, lab.flow, 3)
    hears(lab, lab.other, 2)
    check_equal(lab.chip.used(), 3, "rules in the chip")


def main():
    enter()
    run(ChipLab(), a_type_says_that_there_is_no_tag, a_tag_is_another_entry, rewrites_know_their_header,
        whole_rules_are_in_their_order, what_stays_in_software_keeps_them_out,
        more_priorities_than_there_is_room_for, a_restart_takes_them_up)


if __name__ == "__main__":
    main()
