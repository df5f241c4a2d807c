#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""turnoutd is killed (-9) under traffic, while flows in a chip change: the chip forwards on, and
after the next start a barrier is the truth again, for what was left as for what is new."""

import os
import random
import threading

from netns import rawof as of
from netns.lib import LONG, check, check_equal, run, wait_for
from vm.lab import PATIENCE, ChipLab, Crowd, Stream, barrier, reaches
from vm.lib import enter

FLOWS = Crowd(400)
ROUNDS = 30 if LONG else 5
SEED = int(os.environ.get("TURNOUT_SEED") or 1)
GRACE = ("--restart-grace", "600")


class Churn(threading.Thread):
    """Flows move between hosts 2 and 3, go and come again, until the switch is dead."""

    def __init__(self, lab, seed):
        super().__init__(daemon=True)
        self.peer = lab.connect()
        self.random = random.Random(seed)
        self.changes = 0
        self.start()

    def run(self):
        try:
            while True:
                flows = self.random.sample(range(FLOWS.n), 20)
                command = self.random.choice([of.ADD, of.ADD, of.DELETE_STRICT])
                FLOWS.tell(self.peer, of.output(self.random.choice([2, 3])), flows, command)
                self.changes += len(flows)
        except (OSError, EOFError):
            self.peer.close()


def entries(lab):
    return sum(table["entries"] for table in lab.device()["tables"])


def settled(lab, n):
    def is_settled():
        device = lab.device()
        on_their_way = device["pending"] + device["limbo"] + device["failed"]
        return entries(lab) == n and not on_their_way
    wait_for(is_settled, "%d entries are in hardware" % n, PATIENCE)


def prepare(lab):
    lab.start_switch(*GRACE)
    with lab.connect() as peer:
        FLOWS.tell(peer, of.output(2))
    settled(lab, FLOWS.n)


def kill_amid_changes(lab, seed):
    churn = Churn(lab, seed)
    wait_for(lambda: churn.changes > 100 + seed % 7 * 20, "flows change")
    lab.kill_switch()
    churn.join()
    check(lab.chip.used() > 0, "the chip has rules that nobody looks after")


def the_chip_forwards_while_nobody_is_there(lab):
    prepare(lab)
    lab.kill_switch()
    reaches(lab, FLOWS, range(FLOWS.n), 2, "dead")
    lab.switch.start()
    wait_for(lambda: lab.device()["limbo"] == FLOWS.n, "all are in limbo")
    reaches(lab, FLOWS, range(FLOWS.n), 2, "limbo")
    with lab.connect() as peer:
        FLOWS.tell(peer, of.output(2))
    settled(lab, FLOWS.n)
    check_equal(lab.device()["added"], 0, "entries made anew")


def a_barrier_is_the_truth_after_a_kill(lab):
    dead, moved, same = range(0, 100), range(100, 200), range(200, FLOWS.n)
    for n in range(ROUNDS):
        stream = Stream(lab, FLOWS, 200)
        kill_amid_changes(lab, SEED + n)
        lab.switch.start()
        with lab.connect() as peer:
            FLOWS.tell(peer, b"", dead, of.DELETE_STRICT)
            FLOWS.tell(peer, of.output(3), moved)
            stream.stop()
            reaches(lab, FLOWS, dead, None, "round %d: deleted" % n)
            reaches(lab, FLOWS, moved, 3, "round %d: moved" % n)
            FLOWS.tell(peer, of.output(2), same)
            reaches(lab, FLOWS, same, 2, "round %d: said again" % n)
            reaches(lab, FLOWS, dead, None, "round %d: deleted, later" % n)
            settled(lab, len(moved) + len(same))
            check_equal(peer.aggregate()[2], len(moved) + len(same), "flows")


def a_delete_of_all_after_a_kill_leaves_nothing(lab):
    kill_amid_changes(lab, SEED)
    lab.switch.start()
    with lab.connect() as peer:
        peer.send(of.FLOW_MOD, peer.flow_mod_body(command=of.DELETE))
        barrier(peer)
        reaches(lab, FLOWS, range(FLOWS.n), None, "deleted")
        settled(lab, 0)


def the_grace_ends(lab):
    prepare(lab)
    lab.kill_switch()
    lab.start_switch("--restart-grace", "1")
    with lab.connect() as peer:
        FLOWS.tell(peer, of.output(2), range(50))
        settled(lab, 50)
        reaches(lab, FLOWS, range(50), 2, "claimed")
        reaches(lab, FLOWS, range(50, FLOWS.n), None, "claimed by nobody")
    lab.switch.stop()
    check_equal(lab.chip.used(), 0, "rules in the chip after a clean end")


def main():
    enter(seconds=400)
    print("# TURNOUT_SEED=%d" % SEED, flush=True)
    run(ChipLab(), the_chip_forwards_while_nobody_is_there, a_barrier_is_the_truth_after_a_kill,
        a_delete_of_all_after_a_kill_leaves_nothing, the_grace_ends)


if __name__ == "__main__":
    main()
