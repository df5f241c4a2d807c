#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Restarts with thousands of entries in a chip: rules that come back adopt them, and no frame is
lost meanwhile; or a controller deletes all first, and nothing forwards until it says so again."""

from netns import rawof as of
from netns.lib import check, check_equal, run, wait_for
from vm.lab import PATIENCE, ChipLab, Crowd, Stream, all_once, barrier, reaches
from vm.lib import enter

FLOWS = Crowd(10000)
KEEP = ("--on-exit", "keep", "--restart-grace", "600")


def in_hardware(lab, n, what):
    def there():
        device = lab.device()
        entries = sum(table["entries"] for table in device["tables"])
        on_their_way = device["pending"] + device["limbo"] + device["failed"]
        return entries == n and not on_their_way and device
    return wait_for(there, "%s: %d entries are in hardware" % (what, n), PATIENCE)


def limbo(lab, n):
    wait_for(lambda: lab.device()["limbo"] == n, "%d entries are in limbo" % n, PATIENCE)


def entries_are_adopted_without_a_lost_frame(lab):
    lab.start_switch(*KEEP)
    with lab.connect() as peer:
        FLOWS.tell(peer, of.output(2))
    in_hardware(lab, FLOWS.n, "before")
    stream = Stream(lab, FLOWS)
    stream.goes_on()
    lab.switch.stop()
    check_equal(lab.chip.used() >= FLOWS.n, True, "the chip keeps its rules")
    stream.goes_on()
    lab.switch.start()
    limbo(lab, FLOWS.n)
    with lab.connect() as peer:
        FLOWS.tell(peer, of.output(2))
    device = in_hardware(lab, FLOWS.n, "after")
    stream.goes_on()
    heard = stream.stop()
    all_once(heard[2], stream.sent, "host 2")
    check_equal(heard[3], [], "frames at host 3")
    check_equal((device["added"], device["removed"]), (0, 0), "entries made anew, or taken out")

    def counted():
        entries = lab.switch.ctl_json("hw", "entries")["entries"]
        return sum(entry["packets"] or 0 for entry in entries) == stream.sent
    wait_for(counted, "the chip has counted every frame, before and after", PATIENCE)


def a_delete_of_all_comes_first(lab):
    sample = range(0, FLOWS.n, FLOWS.n // 100)
    lab.switch.stop()
    lab.switch.start()
    limbo(lab, FLOWS.n)
    reaches(lab, FLOWS, sample, 2, "in limbo")
    with lab.connect() as peer:
        peer.send(of.FLOW_MOD, peer.flow_mod_body(command=of.DELETE))
        barrier(peer)
        reaches(lab, FLOWS, sample, None, "after the deletion")
        in_hardware(lab, 0, "after the deletion")
        FLOWS.tell(peer, of.output(3))
        reaches(lab, FLOWS, sample, 3, "after the new rules")
    in_hardware(lab, FLOWS.n, "in the end")
    check(lab.chip.used() >= FLOWS.n, "the chip has them")


def an_end_cleans_up(lab):
    lab.start_switch("--on-exit", "clean")
    lab.switch.stop()
    check_equal(lab.chip.used(), 0, "rules in the chip")


def main():
    enter(cpus=2, seconds=400, memory=1536)
    run(ChipLab(table_size=FLOWS.n + 100), entries_are_adopted_without_a_lost_frame,
        a_delete_of_all_comes_first, an_end_cleans_up, seconds_each=300)


if __name__ == "__main__":
    main()
