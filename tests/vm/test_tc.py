#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""turnoutd on a chip that takes tc-flower: flows in hardware, seen from outside."""

from netns.lib import Capture, check, check_equal, run, wait_for
from vm.frames import udp_frame
from vm.lab import ChipLab
from vm.lib import enter

EXACT = ("priority=10,in_port=1,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,dl_vlan=0xffff,"
         "dl_type=0x0800,nw_tos=0,nw_proto=17,nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=1000,tp_dst=%d,"
         "actions=%s")
FRAME = udp_frame(1000, 2000)


def entries(lab, state="hardware"):
    return [e for e in lab.switch.ctl_json("hw", "entries")["entries"] if e["state"] == state]


def expect(lab, host, frame, n):
    """Frame goes in at host 1 n times, and comes out at a host as often."""
    with Capture(lab.hosts[host - 1]) as eye:
        lab.hosts[0].send("eth0", *[frame] * n)
        for _ in range(n):
            eye.expect(lambda data: data == frame, "the frame")


def counted(lab, packets, size):
    wait_for(lambda: "n_packets=%d," % packets in lab.switch.flows()[0], "packets are counted")
    check("n_bytes=%d," % (packets * size) in lab.switch.flows()[0], "and their bytes")


def an_exact_flow_is_in_hardware_at_once(lab):
    lab.start_switch()
    lab.switch.ofctl("add-flow", EXACT % (2000, "output:2"))
    wait_for(lambda: len(entries(lab)) == 1, "the flow is in hardware")
    check_equal(lab.chip.used(), 1, "rules in the chip")
    expect(lab, 2, FRAME, 10)
    counted(lab, 10, len(FRAME))


def a_change_keeps_the_counters(lab):
    lab.switch.ofctl("mod-flows", EXACT % (2000, "output:3"))
    expect(lab, 3, FRAME, 5)
    counted(lab, 15, len(FRAME))
    check_equal(lab.chip.used(), 1, "rules in the chip")


def a_deletion_is_one(lab):
    lab.switch.ofctl("del-flows")
    lab.switch.ofctl("add-flow", "priority=0,actions=output:3")
    check_equal(entries(lab), [], "entries")
    check_equal(lab.chip.used(), 0, "rules in the chip")
    expect(lab, 3, FRAME, 1)


def a_refusal_has_the_drivers_words(lab):
    lab.chip.set(fail_next=1, fail_errno=95)
    lab.switch.ofctl("add-flow", EXACT % (2001, "output:2"))
    frame = udp_frame(1000, 2001)
    expect(lab, 2, frame, 3)
    refused = entries(lab, "refused")
    check_equal([e["reason"]["name"] for e in refused], ["driver-refused"], "the reason")
    check_equal(refused[0]["reason"]["words"], "simnic: injected hardware failure", "the words")


def the_end_leaves_nothing_behind(lab):
    lab.switch.stop()
    check_equal(lab.chip.used(), 0, "rules in the chip")
    check("clsact" not in lab.switch_ns.run("tc", "qdisc", "show").stdout, "qdiscs")


def main():
    enter()
    run(ChipLab(), an_exact_flow_is_in_hardware_at_once, a_change_keeps_the_counters,
        a_deletion_is_one, a_refusal_has_the_drivers_words, the_end_leaves_nothing_behind)


if __name__ == "__main__":
    main()
