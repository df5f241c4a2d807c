#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Entries that outlive the daemon, and what rules that come back make of them."""

import threading

from netns import test_hw as hw
from netns.lib import Capture, Lab, check, check_equal, run, wait_for


def number_of(frame):
    return int.from_bytes(frame[14:18], "big") if frame[12:14] == b"\x88\xb5" else None


def heard(capture):
    """Numbers of what waits at a host."""
    numbers = []
    while True:
        frame = capture.next(0.3)
        if frame is None:
            return numbers
        if number_of(frame):
            numbers.append(number_of(frame))


def begin(lab, *options):
    lab.switch = getattr(lab, "switch", None)
    hw.start(lab, *options)


def crash_with_an_entry(lab):
    begin(lab, "--restart-grace", "60")
    lab.switch.ofctl("add-flow", hw.FLOW + "output:2")
    hw.heat(lab)
    hw.kill(lab, "--restart-grace", "60")
    wait_for(lambda: [e["state"] for e in hw.entries(lab)] == ["limbo"], "the entry is in limbo")


def reaches(lab, wanted, others):
    """Frames that are sent now get to host 'wanted' (0: none), and not to the others."""
    captures = {n: Capture(lab.hosts[n - 1]) for n in {wanted, *others} - {0}}
    numbers = list(hw.send(lab, 20))
    for n, capture in captures.items():
        check_equal(heard(capture), numbers if n == wanted else [], "frames at host %d" % n)
        capture.close()


def a_delete_of_all_ends_limbo(lab):
    crash_with_an_entry(lab)
    reaches(lab, 2, [3])
    lab.switch.ofctl("del-flows")
    reaches(lab, 0, [2, 3])
    check_equal(hw.entries(lab), [], "entries")
    lab.switch.ofctl("add-flow", hw.FLOW + "output:3")
    reaches(lab, 3, [2])


def another_rule_takes_over_with_its_barrier(lab):
    crash_with_an_entry(lab)
    lab.switch.ofctl("add-flow", hw.FLOW + "output:3")
    reaches(lab, 3, [2])


class Traffic(threading.Thread):
    """Numbered frames from host 1, all the time."""

    def __init__(self, lab):
        super().__init__()
        self.lab = lab
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(0.005):
            hw.send(self.lab, 5)

    def stop(self):
        self.over.set()
        self.join()


def an_upgrade_keeps_entries_and_counters(lab):
    begin(lab, "--on-exit", "keep", "--restart-grace", "60")
    lab.switch.ofctl("add-flow", hw.FLOW + "output:2")
    hw.heat(lab)
    traffic = Traffic(lab)
    traffic.start()
    try:
        before = hw.in_hardware(lab)[0]["packets"]
        lab.switch.stop()
        lab.switch.start()
        wait_for(lambda: [e["state"] for e in hw.entries(lab)] == ["limbo"], "the entry is in limbo")
        kept = hw.entries(lab)[0]["packets"]
        check(kept >= before, "the counter goes on from %d, not %d" % (before, kept))
        with Capture(lab.hosts[1]) as capture:      # before any rule is there
            wait_for(lambda: number_of(capture.next(1) or bytes(64)), "it forwards")
        lab.switch.ofctl("add-flow", hw.FLOW + "output:2")
        wait_for(lambda: hw.in_hardware(lab), "the entry is adopted")
        check(hw.in_hardware(lab)[0]["packets"] >= kept, "adoption keeps its counter")
        lab.switch.ofctl("mod-flows", hw.FLOW + "output:3")
    finally:
        traffic.stop()
    reaches(lab, 3, [2])


if __name__ == "__main__":
    run(Lab(hosts=3), a_delete_of_all_ends_limbo, another_rule_takes_over_with_its_barrier,
        an_upgrade_keeps_entries_and_counters)
