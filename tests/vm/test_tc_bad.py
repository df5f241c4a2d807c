#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The tc driver with a chip that is full, forgets, or breaks down: packets go on in software, once
each, and what can be said of it is."""

from netns.lib import Capture, check, check_equal, run, wait_for
from vm.frames import udp_frame
from vm.lab import ChipLab
from vm.lib import enter

FLOW = ("priority=10,in_port=1,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,dl_vlan=0xffff,"
        "dl_type=0x0800,nw_tos=0,nw_proto=17,nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=1000,tp_dst=%d")
EXACT = FLOW + ",actions=output:%d"
MARK = udp_frame(1, 2)
FULL = 4


def entries(lab, state="hardware"):
    return [e for e in lab.switch.ctl_json("hw", "entries")["entries"] if e["state"] == state]


def in_hardware(lab, n, what):
    wait_for(lambda: len(entries(lab)) == n, "%s: %d entries are in hardware" % (what, n))


def forwarded(lab, flows, what, to=2):
    """A frame of each flow reaches host 'to', once, and no other."""
    other = 5 - to
    frames = [udp_frame(1000, flow) for flow in flows]
    with Capture(lab.hosts[to - 1]) as eye, Capture(lab.hosts[other - 1]) as wrong:
        lab.hosts[0].send("eth0", *frames, MARK)
        got, there = eye.until(MARK), wrong.until(MARK)
    check_equal([got.count(f) for f in frames], [1] * len(frames), what)
    check_equal([there.count(f) for f in frames], [0] * len(frames), what + ": elsewhere")


def add(lab, flows, to=2):
    lab.switch.ofctl("add-flows", "-", stdin="\n".join(EXACT % (flow, to) for flow in flows))


def start(lab):
    lab.chip.reset()
    lab.start_switch()
    lab.switch.ofctl("add-flow", "priority=5,udp,tp_src=1,actions=flood")
    lab.switch.ofctl("add-flow", "priority=0,actions=output:2")


def a_table_that_is_full(lab):
    start(lab)
    lab.chip.set(table_size=FULL)
    flows = range(2000, 2000 + 2 * FULL)
    add(lab, flows)
    in_hardware(lab, FULL, "as many as there is room for")
    wait_for(lambda: {e["reason"]["name"] for e in entries(lab, "refused")} == {"table-full"},
             "the others' reason")
    forwarded(lab, flows, "with a full table")


def a_change_when_the_table_is_full(lab):
    """The kernel puts the new filter in before it takes the old one out."""
    flows = range(2000, 2000 + 2 * FULL)
    add(lab, flows, to=3)
    forwarded(lab, flows, "changed with a full table", to=3)
    wait_for(lambda: len(entries(lab)) >= FULL - 1, "the table is in use")
    forwarded(lab, flows, "afterwards", to=3)


def what_the_chip_forgets_goes_to_software(lab):
    """Nobody is told: the kernel goes on saying that the filters are in hardware."""
    start(lab)
    add(lab, range(2000, 2004))
    in_hardware(lab, 4, "at first")
    shown = lab.switch_ns.run("tc", "filter", "show", "dev", "p1", "ingress").stdout
    check_equal(shown.count(" in_hw "), 4, "filters in hardware")
    lab.chip.set(lose=4)
    forwarded(lab, range(2000, 2004), "forgotten")


def a_chip_that_breaks_down(lab):
    start(lab)
    lab.chip.set(fail_next=1000000, fail_errno=5)
    add(lab, range(2000, 2004))
    wait_for(lambda: len(entries(lab)) == 0, "none is in hardware")
    forwarded(lab, range(2000, 2004), "by software")
    lab.chip.reset()
    add(lab, range(2004, 2008))
    wait_for(lambda: len(entries(lab)) >= 4, "it works again")
    forwarded(lab, range(2000, 2008), "by both")


def a_chip_that_does_nothing(lab):
    """It takes the filters, and its counters can be read; frames come up all the same."""
    lab.chip.reset()
    lab.start_switch(driver="tc:lag-ms=100")
    lab.switch.ofctl("add-flow", "priority=5,udp,tp_src=1,actions=flood")
    lab.chip.set(inert=1)
    add(lab, range(2000, 2004))
    in_hardware(lab, 4, "taken")

    def taken_out():
        lab.hosts[0].send("eth0", *[udp_frame(1000, flow) for flow in range(2000, 2002)] * 32)
        return [e for e in entries(lab, "refused") if e["reason"]["name"] == "idle"]
    wait_for(lambda: len(taken_out()) == 2, "what is not used is taken out")
    in_hardware(lab, 2, "of the others nothing is known")
    check_equal(lab.chip.used(), 2, "rules in the chip")
    check_equal(lab.switch.counters()["hal_idle"], 2, "counter")
    check("does not use it: its packets come to software" in lab.logs(), "it is said")
    lab.chip.set(inert=0)
    forwarded(lab, range(2000, 2004), "by software, and by a chip that works again")


def the_end_leaves_nothing_behind(lab):
    lab.switch.stop()
    check_equal(lab.chip.used(), 0, "rules in the chip")


def main():
    enter()
    run(ChipLab(), a_table_that_is_full, a_change_when_the_table_is_full,
        what_the_chip_forgets_goes_to_software, a_chip_that_breaks_down,
        a_chip_that_does_nothing, the_end_leaves_nothing_behind)


if __name__ == "__main__":
    main()
