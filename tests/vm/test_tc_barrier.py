#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tests/barrier/barrier.c's test on rules in a chip: after a barrier's reply no frame goes by what
the rule before said, under traffic, with a fast chip and with a slow one that has late counters and
refuses some rules. TURNOUT_ROUNDS is how often each way of changing a flow is tried."""

import os
import re
import subprocess

from netns.lib import BUILD, LONG, check, run
from vm.lab import ChipLab
from vm.lib import enter

ROUNDS = int(os.environ.get("TURNOUT_ROUNDS") or (3000 if LONG else 100))


def barrier(lab):
    """Runs barrier.c; its failures are a Failure, with its words."""
    inside, a, b = ("%s:eth0" % host.name for host in lab.hosts)
    before = lab.device()
    done = subprocess.run([os.path.join(BUILD, "tests/barrier/barrier"), "--connect",
                           lab.path("br0.mgmt"), "--in", inside, "--a", a, "--b", b, "--rounds",
                           str(ROUNDS), "--rate", "2000", "--exact", "--overtakes"], stdout=subprocess.PIPE, text=True, check=False)
    after = lab.device()
    check(done.returncode == 0 and not re.search("^not ok", done.stdout, re.M), done.stdout)
    moves = sum(after[name] - before[name] for name in ("added", "changed", "removed"))
    check(moves > ROUNDS, "%d changes reached the chip" % moves)
    check(not after["fenced"], "the chip is not fenced off")


def rules_in_a_fast_chip(lab):
    lab.start_switch()
    barrier(lab)


def rules_in_a_slow_chip(lab):
    lab.chip.set(insert_delay_us=2000, delete_delay_us=1000, counter_lag_ms=500)
    barrier(lab)


def rules_that_are_sometimes_refused(lab):
    lab.chip.set(insert_delay_us=0, delete_delay_us=0, fail_every=5)
    barrier(lab)


def main():
    enter(cpus=2)
    run(ChipLab(), rules_in_a_fast_chip, rules_in_a_slow_chip, rules_that_are_sometimes_refused)


if __name__ == "__main__":
    main()
