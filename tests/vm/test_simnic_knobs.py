#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Each knob of the simulated switch chip does what it says."""

import json
import time

from netns.lib import check, check_equal, run
from vm.chip import KEY, TO_1, UDP, Bench, alone, clear, filters, hardware_counters, rule
from vm.frames import ethernet, udp_frame
from vm.lib import enter, refused, run_command, tc

HIT = [0, 1, 0, 0, 0]
MISS = [0, 0, 0, 0, 1]


def masks_are_limited(bench):
    whole = "this chip matches whole fields only"
    mac = "dst_mac 02:00:00:00:00:00/ff:00:00:00:00:00 "
    bench.chip.set(masks="exact")
    refused(rule("src_ip 10.0.0.0/24 " + TO_1, ok=False), whole, "a prefix")
    rule("ip_proto udp ip_tos 0x20/0xfc " + TO_1)
    clear()
    bench.chip.set(masks="prefix")
    rule("src_ip 10.0.0.0/24 " + TO_1)
    refused(rule(mac + TO_1, handle=2, ok=False), whole, "a masked address")
    check_equal(bench.counts(UDP), HIT, "a prefix hits")
    bench.chip.set(masks="any", max_masks=1)
    refused(rule(mac + TO_1, handle=2, ok=False), "out of mask profiles", "a second mask")
    rule("src_ip 10.0.1.0/24 " + TO_1, handle=2)
    bench.chip.set(max_masks=2)
    rule(mac + TO_1, handle=3)


def keys_and_actions_are_limited(bench):
    bench.chip.set(keys="eth,ipv4")
    check_equal(bench.chip.get("keys"), "eth,ipv4", "the knob")
    words = "not supported by this chip"
    refused(rule("ip_proto udp dst_port 1 action drop", ok=False), words, "ports")
    rule("src_ip 10.0.0.1 action drop")
    bench.chip.set(keys="eth,vlan,tos,ports,icmp,arp,frag")
    refused(rule("src_ip 10.0.0.2 action drop", handle=2, ok=False), words, "addresses")
    bench.chip.set(keys="eth,vlan,ipv4,tos,ports,icmp,arp,frag", max_actions=2)
    mirror = " action mirred egress mirror dev p2 pipe"
    rule(KEY + mirror + " " + TO_1, handle=3)
    refused(rule("src_ip 10.0.0.3" + mirror * 2 + " " + TO_1, handle=4, ok=False),
            "too many actions", "three actions")


def frames_without_a_tag_are_told_apart(bench):
    dst = "02:00:00:00:00:07"
    untagged = "dst_mac %s num_of_vlans 0 %s" % (dst, TO_1)
    bench.chip.set(keys="eth,vlan")
    refused(rule(untagged, protocol="all", ok=False), "not supported by this chip", "the number of tags")
    bench.chip.set(keys="eth,vlan,untagged")
    rule(untagged, protocol="all")
    check_equal(bench.counts(ethernet(bytes(46), 0x88b6, dst=dst)), HIT, "a frame without a tag hits")
    check_equal(bench.counts(ethernet(bytes(46), 0x88b6, dst=dst, tci=10)), MISS, "one with a tag misses")


def insertions_fail_on_demand(bench):
    bench.chip.set(fail_next=1, fail_errno=16)
    refused(rule(KEY + " " + TO_1, ok=False), "injected hardware failure", "the next")
    rule(KEY + " " + TO_1)
    clear()
    bench.chip.set(fail_every=2)
    failed = [rule("src_ip 10.1.0.%d action drop" % n, handle=n, ok=False).returncode != 0
              for n in range(1, 5)]
    check_equal(sorted(failed), [False, False, True, True], "each second")


def operations_take_their_time(bench):
    bench.chip.set(insert_delay_us=300000, delete_delay_us=300000, stats_delay_us=300000)
    for what, operation in (("insertion", lambda: rule(KEY + " " + TO_1)), ("reading", filters),
                            ("deletion", clear)):
        begin = time.monotonic()
        operation()
        check(time.monotonic() - begin >= 0.3, what + " is slow")


def counters_lag(bench):
    bench.chip.set(counter_lag_ms=1000000)
    rule(KEY + " " + TO_1)
    check_equal(bench.counts(UDP), HIT, "it hits")
    check_equal(hardware_counters(), (0, 0), "nobody has read the chip")
    bench.chip.set(counter_lag_ms=0)
    check_equal(hardware_counters(), (1, len(UDP)), "now somebody has")


def bytes_are_of_several_kinds(bench):
    tagged = udp_frame(1000, 2000, tci=7)
    for header, fcs, extra, vlan_extra in ((1, 1, 4, 4), (0, 0, -14, -18), (0, 1, -10, -14)):
        bench.chip.set(count_header=header, count_fcs=fcs)
        rule(KEY + " " + TO_1)
        bench.counts(UDP)
        check_equal(hardware_counters(), (1, len(UDP) + extra), "bytes without a tag")
        clear()
        rule("vlan_id 7 " + TO_1, protocol="802.1q")
        bench.counts(tagged)
        check_equal(hardware_counters(), (1, len(tagged) + vlan_extra), "bytes with a tag")
        clear()


def an_inert_chip_does_nothing(bench):
    bench.chip.set(inert=1)
    rule(KEY + " " + TO_1)
    check(filters()[0]["options"]["in_hw"], "it says that the rule is in hardware")
    check_equal(bench.counts(UDP), MISS, "frames come up all the same")
    check_equal(hardware_counters(), (0, 0), "and nothing is counted")
    bench.chip.set(inert=0)
    check_equal(bench.counts(UDP), HIT, "no longer inert")


def rules_are_altered(bench):
    rewrite = KEY + " action pedit ex munge eth dst set 02:00:00:00:00:99 pipe " + TO_1
    bench.chip.set(alter="wrong-port")
    rule(KEY + " " + TO_1)
    check_equal(bench.counts(UDP), [0, 0, 1, 0, 0], "out of the port after")
    clear()
    bench.chip.set(alter="ignore-tos")
    rule("ip_proto udp ip_tos 0x20/0xfc " + TO_1)
    check_equal(bench.counts(udp_frame(1, 2, tos=0x40)), HIT, "any ToS")
    clear()
    bench.chip.set(alter="ignore-rewrite")
    rule(rewrite)
    check_equal(bench.seen(UDP)[1], [UDP], "not rewritten")
    clear()
    bench.chip.set(alter="first-action")
    rule(KEY + " action mirred egress mirror dev p2 pipe " + TO_1)
    check_equal(bench.counts(UDP), [0, 0, 1, 0, 0], "the first output alone")


def rules_get_lost(bench):
    rule(KEY + " " + TO_1)
    bench.chip.set(lose=1)
    check(filters()[0]["options"]["in_hw"], "the kernel knows nothing of it")
    check_equal(bench.counts(UDP), MISS, "it has gone")
    clear()
    bench.chip.set(lose_every=1)
    rule(KEY + " " + TO_1)
    check_equal(bench.counts(UDP), MISS, "lost at once")


def priorities_decide(bench):
    rule("src_ip 10.0.0.0/24 action drop", prio=2)
    rule(KEY + " " + TO_1, prio=3)
    check_equal(bench.counts(UDP), [0, 0, 0, 0, 0], "the lower prio wins")
    tc("filter del dev p0 ingress prio 2")
    check_equal(bench.counts(UDP), HIT, "then the other")
    rule("ip_proto udp action mirred egress redirect dev p2", prio=1)
    check_equal(bench.counts(UDP), [0, 0, 1, 0, 0], "it need not be the older")
    bench.chip.set(priorities=0)
    check_equal(bench.counts(UDP), HIT, "without priorities the older mask wins")


def a_new_rule_replaces_the_old(bench):
    rule(KEY + " " + TO_1)
    tc("filter replace dev p0 ingress prio 1 handle 1 protocol ip flower skip_sw", KEY,
       "action mirred egress redirect dev p3")
    check_equal(bench.counts(UDP), [0, 0, 0, 1, 0], "the new one")
    check_equal(bench.chip.used(), 1, "rules in the chip")


def a_port_vanishes_and_comes_back(bench):
    rule(KEY + " " + TO_1)
    rule(KEY + " " + TO_1, dev="p3")
    bench.chip.set(unplug=3)
    check_equal(bench.chip.used(), 1, "its rules have gone with it")
    check(run_command("ip", "link", "show", "p3", ok=False).returncode, "p3 has gone")
    check("/3:" not in run_command("devlink", "port").stdout, "devlink's port has gone")
    bench.chip.set(plug=3)
    bench.chip.up(ports=[3])
    bench.look_again(3)
    check_equal(bench.counts(UDP), HIT, "all is well")


def a_chip_vanishes_and_comes_back(bench):
    rule(KEY + " " + TO_1)
    bench.chip.unbind()
    check_equal(bench.chip.used(), 0, "rules")
    check(run_command("ip", "link", "show", "p0", ok=False).returncode, "p0 has gone")
    bench.chip.bind()
    bench.chip.up()
    bench.look_again()
    check_equal(bench.counts(UDP), MISS, "no rule any more")
    rule(KEY + " " + TO_1)
    check_equal(bench.counts(UDP), HIT, "and one again")


def an_eswitch_in_legacy_mode_takes_no_rules(bench):
    run_command("devlink", "dev", "eswitch", "set", "platform/simnic.0", "mode", "legacy")
    bench.chip.up()
    refused(rule(KEY + " " + TO_1, ok=False), "the eswitch is in legacy mode", "a rule")
    link = json.loads(run_command("ip", "-d", "-j", "link", "show", "p0").stdout)[0]
    check("phys_switch_id" not in link, "p0 is of no switch")
    run_command("devlink", "dev", "eswitch", "set", "platform/simnic.0", "mode", "switchdev")
    bench.chip.up()
    bench.look_again()
    rule(KEY + " " + TO_1)
    check_equal(bench.counts(UDP), HIT, "a rule")


def devlink_knows_size_occupancy_and_firmware(bench):
    rule(KEY + " " + TO_1)
    check("name flows size 1024 occ 1" in
          run_command("devlink", "resource", "show", "platform/simnic.0").stdout, "the table")
    bench.chip.set(fw_version="2.1")
    check("fw 2.1\n" in run_command("devlink", "dev", "info").stdout, "devlink's version")
    check("firmware-version: 2.1\n" in run_command("ethtool", "-i", "p0").stdout, "ethtool's")
    check("flavour physical" in run_command("devlink", "port").stdout, "a flavour")


def broken_firmware_forgets_and_refuses(bench):
    reporter = ["platform/simnic.0", "reporter", "fw"]
    run_command("devlink", "health", "set", *reporter, "auto_recover", "false")
    rule(KEY + " " + TO_1)
    bench.chip.set(fault="overheated")
    check("state error error 1" in run_command("devlink", "health", "show", *reporter).stdout,
          "the reporter says so")
    check_equal(bench.counts(UDP), MISS, "the rules are forgotten")
    refused(rule(KEY + " " + TO_1, handle=2, prio=2, ok=False), "firmware does not answer", "a rule")
    run_command("devlink", "health", "recover", *reporter)
    rule(KEY + " " + TO_1, handle=2, prio=2)
    check_equal(bench.counts(UDP), HIT, "recovered")


def two_chips_are_two_switches(bench):
    bench.close()
    bench.chip.unload()
    bench.__init__(ports=2, asics=2, first_port=1, flavours="pv")  # pylint: disable=C2801
    ids = [json.loads(run_command("ip", "-d", "-j", "link", "show", "p%d" % n).stdout)[0]
           for n in range(1, 5)]
    check_equal([one["phys_switch_id"] for one in ids],
                ["53494d01", "53494d01", "53494d02", "53494d02"], "switch ids")
    check_equal([one["phys_port_name"] for one in ids], ["p1", "pf0vf1", "p3", "pf0vf1"], "names")
    rule("ip_proto udp action mirred egress redirect dev p2", dev="p1")
    refused(rule("ip_proto udp action mirred egress redirect dev p3", dev="p1", prio=2, ok=False),
            "output device is not a port of this switch", "the other chip's port")


def main():
    enter()
    tests = (masks_are_limited, keys_and_actions_are_limited, frames_without_a_tag_are_told_apart,
             insertions_fail_on_demand, operations_take_their_time, counters_lag,
             bytes_are_of_several_kinds, an_inert_chip_does_nothing, rules_are_altered, rules_get_lost,
             priorities_decide, a_new_rule_replaces_the_old, a_port_vanishes_and_comes_back,
             a_chip_vanishes_and_comes_back, an_eswitch_in_legacy_mode_takes_no_rules,
             devlink_knows_size_occupancy_and_firmware, broken_firmware_forgets_and_refuses,
             two_chips_are_two_switches)
    run(Bench(), *map(alone, tests))


if __name__ == "__main__":
    main()
