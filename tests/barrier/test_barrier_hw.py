#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs barrier.c's test against turnoutd with an offload device in front of its ports, slow
and with late counters, for exact matches and for whole rules; then with a device that is reset, stalls, and goes mute until it is
fenced off. TURNOUT_ROUNDS is how often each way of changing a flow is tried."""

import os
import subprocess
import sys
import threading

from netns.lib import BUILD, LONG, Lab, Switch

PORTS = ["p1@1,driver=sim", "p2@2,driver=sim", "p3@3,driver=sim"]
SLOW = "sim:latency-us=150,lag-ms=100"
# What goes wrong, again and again. A device that stalls for more than two seconds is fenced off.
MUTE = "stall=2500"
FAULTS = [MUTE, "reset", "stall=60", "reset", "stall=200", "lose-entry=2"]


class Watch(threading.Thread):
    """Sees what the device does meanwhile, and disturbs it."""

    def __init__(self, switch, faults):
        super().__init__()
        self.switch, self.faults = switch, faults
        self.over = threading.Event()
        self.hits = self.warm = self.fences = self.seen = 0
        self.moves = {}

    def look(self):
        device = self.switch.ctl_json("hw", "show")["devices"][0]
        self.moves = {name: device[name] for name in ("added", "changed", "removed")}
        hits = sum(entry["packets"] or 0 for entry in
                   self.switch.ctl_json("hw", "entries")["entries"])
        self.seen += 1
        self.warm += hits > 0
        self.hits = max(self.hits, hits)
        if device["fenced"]:
            self.fences += 1
            self.switch.ctl("hw", "audit", "--repair", ok=False)

    def run(self):
        turn = 0
        while not self.over.wait(0.2):
            self.look()
            if self.faults:
                fault = self.faults[turn % len(self.faults)]
                self.switch.ctl("hw", "fault", "sim", fault)
                self.over.wait(3 if fault == MUTE else 0)
                turn += 1

    def stop(self):
        self.over.set()
        self.join()
        self.look()


class Run:
    """One run; its tests are numbered on from 'first'."""

    def __init__(self, what, first, rounds, driver, faults, *options):
        lab = Lab(hosts=3)
        switch = Switch(lab, PORTS, options=["--driver", driver])
        watch = Watch(switch, faults)
        watch.start()
        inside, a, b = ("%s:eth0" % host.name for host in lab.hosts)
        done = subprocess.run([os.path.join(BUILD, "tests/barrier/barrier"), "--connect",
                               lab.path("br0.mgmt"), "--in", inside, "--a", a, "--b", b,
                               "--rounds", str(rounds), *options], stdout=subprocess.PIPE,
                              text=True, check=False)
        watch.stop()
        switch.stop()
        self.n, self.failed = first, done.returncode != 0
        for line in done.stdout.splitlines():
            self.show(what, line)
        self.result(watch.warm * 6 >= watch.seen, "%s: packets hit hardware in %d of %d looks (%d)"
                    % (what, watch.warm, watch.seen, watch.hits))
        changes = sum(watch.moves.values())
        self.result(changes > rounds, "%s: changes reached hardware %r" % (what, watch.moves))
        if faults:
            self.result(watch.fences > 0, "%s: the device was fenced off (%d)" % (what, watch.fences))
        reports = lab.sanitizer_reports()
        if reports or self.failed:
            self.failed = True
            print("\n".join("# " + line for line in lab.logs().splitlines()[-200:]))
        lab.close()

    def result(self, ok, name):
        self.n += 1
        self.failed = self.failed or not ok
        print("%sok %d - %s" % ("" if ok else "not ", self.n, name))

    def show(self, what, line):
        """Another line of the test's own."""
        words = line.split(" - ", 1)
        if len(words) == 2 and words[0].startswith(("ok ", "not ok ")):
            self.result(words[0].startswith("ok "), what + ": " + words[1])
        elif not line.startswith("1.."):
            print(line, flush=True)


def main():
    rounds = int(os.environ.get("TURNOUT_ROUNDS") or (20000 if LONG else 2000))
    faulty = max(rounds // 2, 100)
    exact = Run("exact", 0, rounds, SLOW, [], "--exact")
    warm = Run("by traffic", exact.n, rounds, SLOW, [])
    whole = Run("as a whole", warm.n, rounds, SLOW + ",rules=yes", [])
    stiff = Run("as a whole, no changes", whole.n, faulty, SLOW + ",rules=yes,changes=no", [])
    bad = Run("faulty", stiff.n, faulty, SLOW + ",changes=no", FAULTS, "--exact")
    print("1..%d" % bad.n)
    return any(run.failed for run in (exact, warm, whole, stiff, bad))


if __name__ == "__main__":
    sys.exit(main())
