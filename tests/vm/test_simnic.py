#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The simulated switch chip itself, on real frames through tc flower rules: what other tests in
the virtual machine stand on."""

import json
import re

from netns.lib import Failure, check, check_equal, run
from vm.chip import KEY, MARK, TO_1, UDP, Bench, alone, clear, filters, hardware_counters, rule
from vm.frames import arp, ethernet, icmp, ipv4, sums_are_right, tcp, udp, udp_frame
from vm.lib import enter, kernel_log, refused, run_command, tc


def ports_are_those_of_a_switch(bench):
    link = json.loads(run_command("ip", "-d", "-j", "link", "show", "p1").stdout)[0]
    check_equal(link["phys_port_name"], "p1", "the port's name")
    check_equal(link["phys_switch_id"], "53494d01", "the switch id")
    check("driver: simnic" in run_command("ethtool", "-i", "p1").stdout, "ethtool -i")
    check("firmware-version: 1.0.0" in run_command("ethtool", "-i", "p1").stdout, "firmware")
    check("hw-tc-offload: on" in run_command("ethtool", "-k", "p1").stdout, "the feature")
    check_equal(bench.counts(UDP), [0, 0, 0, 0, 1], "without rules a frame comes up the stack")


def a_rule_redirects(bench):
    rule(KEY + " " + TO_1)
    check_equal(filters()[0]["options"].get("in_hw"), True, "the rule is in hardware")
    check_equal(filters()[0]["options"].get("in_hw_count"), 1, "in_hw_count")
    check_equal(bench.chip.used(), 1, "rules in the chip")
    out = bench.seen(UDP, UDP, udp_frame(1000, 2001))
    check_equal([len(frames) for frames in out], [0, 2, 0, 0, 1], "two hit, one misses")
    check_equal(out[1][0], UDP, "the frame")
    check_equal(hardware_counters(), (2, 2 * len(UDP)), "the counters have the header")
    clear()
    check_equal(bench.chip.used(), 0, "rules in the chip after the deletion")
    check_equal(bench.counts(UDP), [0, 0, 0, 0, 1], "no rule any more")


def a_rule_mirrors_and_drops(bench):
    rule(KEY + " action mirred egress mirror dev p2 pipe action mirred egress mirror dev p3 pipe "
         + TO_1)
    check_equal(bench.counts(UDP), [0, 1, 1, 1, 0], "one each")
    clear()
    rule(KEY + " action drop")
    check_equal(bench.counts(UDP, UDP), [0, 0, 0, 0, 0], "dropped")
    check_equal(hardware_counters(), (2, 2 * len(UDP)), "what was dropped is counted")
    clear()
    rule(KEY + " action mirred egress redirect dev p0")
    check_equal(bench.counts(UDP), [1, 0, 0, 0, 0], "back out of where it came from")
    clear()
    rule(KEY + " action trap")
    check_equal(bench.counts(UDP), [0, 0, 0, 0, 1], "trapped")
    clear()


def tags_are_matched_pushed_changed_and_popped(bench):
    tagged = udp_frame(1000, 2000, tci=3 << 13 | 100)
    rule("action vlan push id 42 priority 5 pipe " + TO_1)
    out = bench.seen(UDP, tagged)
    check_equal([len(frames) for frames in out], [0, 1, 0, 0, 1], "only the untagged hits")
    check_equal(out[1][0], udp_frame(1000, 2000, tci=5 << 13 | 42), "pushed")
    clear()
    rule("vlan_id 100 vlan_prio 3 vlan_ethtype ip dst_ip 10.0.0.2 action vlan pop pipe " + TO_1,
         protocol="802.1q")
    out = bench.seen(UDP, tagged, udp_frame(1000, 2000, tci=2 << 13 | 100))
    check_equal([len(frames) for frames in out], [0, 1, 0, 0, 2], "VLAN and priority decide")
    check_equal(out[1][0], UDP, "popped")
    clear()
    rule("action vlan modify id 7 priority 1 pipe " + TO_1, protocol="802.1q")
    check_equal(bench.seen(tagged)[1][0], udp_frame(1000, 2000, tci=1 << 13 | 7), "changed")
    clear()


def headers_are_rewritten(bench):
    rule(KEY + " action pedit ex munge eth dst set 02:00:00:00:00:99 munge ip dst set 9.9.9.9"
         " munge ip tos set 0xb8 retain 0xfc munge udp dport set 7 pipe"
         " action csum ip and udp pipe " + TO_1)
    frame = bench.seen(udp_frame(1000, 2000, tos=3))[1][0]
    check_equal(frame, udp_frame(1000, 7, dst="9.9.9.9", tos=0xbb).replace(
        b"\x02\0\0\0\0\2", b"\x02\0\0\0\0\x99", 1), "what was set, and ECN as it was")
    check(sums_are_right(frame), "the sums")
    clear()
    rule("ip_proto tcp action pedit ex munge tcp sport set 9 munge eth src set 02:00:00:00:00:98"
         " pipe action csum tcp pipe " + TO_1)
    frame = bench.seen(ethernet(ipv4(tcp(5, 6), 6)))[1][0]
    check(sums_are_right(frame) and frame[34:36] == b"\0\x09", "a TCP port, its sum")
    check_equal(frame[6:12].hex(), "020000000098", "the source address")
    clear()


def the_parser_knows_its_protocols(bench):
    no_fragment, fragment = ethernet(ipv4(udp(1000, 2000))), \
        ethernet(ipv4(udp(1000, 2000), fragment=0x2000))
    cases = [
        ("ip", "ip_proto icmp type 8 code 0", ethernet(ipv4(icmp(8, 0), 1)),
         ethernet(ipv4(icmp(0, 0), 1))),
        ("ip", "ip_proto tcp dst_port 80", ethernet(ipv4(tcp(1, 80), 6)),
         ethernet(ipv4(tcp(1, 81), 6))),
        ("ip", "ip_proto udp dst_port 2000", no_fragment, fragment),
        ("ip", "ip_proto udp ip_flags frag", fragment, no_fragment),
        ("ip", "ip_proto udp ip_flags nofrag", no_fragment, fragment),
        ("ip", "ip_tos 0xb8/0xfc", udp_frame(1, 2, tos=0xb9), udp_frame(1, 2, tos=0x28)),
        ("ip", "src_ip 10.0.0.0/24", UDP, udp_frame(1, 2, src="10.0.1.1")),
        ("arp", "arp_op request arp_sip 10.0.0.1 arp_tip 10.0.0.2", ethernet(arp(1), 0x806),
         ethernet(arp(2), 0x806)),
        ("0x88b6", "dst_mac 02:00:00:00:00:02 src_mac 02:00:00:00:00:01",
         ethernet(bytes(46), 0x88b6), ethernet(bytes(46), 0x88b7)),
    ]
    for protocol, match, hit, miss in cases:
        rule(match + " " + TO_1, protocol=protocol)
        check_equal(bench.counts(hit, miss), [0, 1, 0, 0, 1], protocol + " " + match)
        clear()


def refusals_have_words(bench):
    refused(rule("ip_ttl 5 action drop", ok=False), "TTL can't be matched", "a key")
    refused(rule("src_ip 1.1.1.1 action mirred egress redirect dev lo", ok=False),
            "output device is not a port of this switch", "an output")
    refused(rule("src_ip 1.1.1.1 action skbedit priority 3", ok=False), "unsupported action",
            "an action")
    refused(tc("filter add dev p0 ingress chain 1 protocol ip flower skip_sw action drop", ok=False),
            "chain 0", "a chain")
    check_equal(bench.chip.used(), 0, "rules in the chip")


def a_full_table_says_so(bench):
    bench.chip.set(table_size=2)
    rule("src_ip 1.1.1.1 action drop", handle=1)
    rule("src_ip 1.1.1.2 action drop", handle=2)
    refused(rule("src_ip 1.1.1.3 action drop", handle=3, ok=False), "flow table is full",
            "one too many")
    rule("src_ip 1.1.1.3 action drop", handle=3, flags="")
    check_equal([one["options"].get("in_hw", False) for one in filters()], [True, True, False],
                "without skip_sw it is in software, and nobody is told")
    check_equal(bench.chip.used(), 2, "rules in the chip")
    clear()
    bench.chip.set(table_size=1024)


def the_feature_stays_on_while_rules_are_there(bench):
    rule(KEY + " " + TO_1)
    check(run_command("ethtool", "-K", "p0", "hw-tc-offload", "off", ok=False).returncode,
          "switching it off is refused")
    bench.chip.set(feature_busy=0)
    # The kernel keeps what was wanted, and tries again only when that changes.
    run_command("ethtool", "-K", "p0", "hw-tc-offload", "on")
    run_command("ethtool", "-K", "p0", "hw-tc-offload", "off")
    check_equal(bench.counts(UDP), [0, 0, 0, 0, 1], "off: the chip doesn't forward")
    run_command("ethtool", "-K", "p0", "hw-tc-offload", "on")
    bench.chip.set(feature_busy=1)
    check_equal(bench.counts(UDP), [0, 1, 0, 0, 0], "on again")
    clear()


def a_shared_block_has_a_rule_for_each_port(bench):
    for port in ("p2", "p3"):
        tc("qdisc del dev", port, "clsact")
        tc("qdisc add dev", port, "ingress_block 7 clsact")
    tc("filter add block 7 protocol ip prio 1 flower skip_sw", TO_1)
    check_equal(bench.chip.used(), 2, "a rule for each port")
    bench.chip.send("w2", UDP)
    bench.chip.send("w3", UDP)
    bench.chip.send("p1", MARK)
    check_equal(len(bench.eyes[1].until(MARK)), 2, "frames from both ports")
    for port in ("p2", "p3"):
        tc("qdisc del dev", port, "clsact")
        tc("qdisc add dev", port, "clsact")
    check_equal(bench.chip.used(), 0, "the rules went with their block")


def the_module_leaves_a_clean_log(bench):
    bench.close()
    rule(KEY + " " + TO_1)
    bench.chip.unload()
    log = kernel_log()
    if re.search(r"WARNING|BUG|Oops|Call Trace", log):
        raise Failure(log[-4000:])


def main():
    enter()
    tests = (ports_are_those_of_a_switch, a_rule_redirects, a_rule_mirrors_and_drops,
             tags_are_matched_pushed_changed_and_popped, headers_are_rewritten,
             the_parser_knows_its_protocols, refusals_have_words, a_full_table_says_so,
             the_feature_stays_on_while_rules_are_there, a_shared_block_has_a_rule_for_each_port,
             the_module_leaves_a_clean_log)
    run(Bench(), *map(alone, tests))


if __name__ == "__main__":
    main()
