#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs barrier.c's test against turnoutd, in namespaces; passes its TAP on. TURNOUT_ROUNDS
is how often each way of changing a flow is tried."""

import os
import subprocess
import sys

from netns.lib import BUILD, LONG, Lab, Switch


def main():
    rounds = os.environ.get("TURNOUT_ROUNDS") or ("100000" if LONG else "10000")
    lab = Lab(hosts=3)
    switch = Switch(lab, ["p1@1", "p2@2", "p3@3"])
    inside, a, b = ("%s:eth0" % host.name for host in lab.hosts)
    done = subprocess.run([os.path.join(BUILD, "tests/barrier/barrier"), "--connect",
                           lab.path("br0.mgmt"), "--in", inside, "--a", a, "--b", b,
                           "--rounds", rounds], check=False)
    switch.stop()
    status = done.returncode or len(lab.sanitizer_reports())
    if status:
        print("\n".join("# " + line for line in lab.logs().splitlines()))
    lab.close()
    return 1 if status else 0


if __name__ == "__main__":
    sys.exit(main())
