#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs mininet_turnout.py in a namespace under os-ken's learning switch; passes its TAP on."""

import contextlib
import os
import signal
import subprocess
import sys

from netns.lib import SOURCE, Lab

SECONDS = 300


def main():
    lab = Lab()
    lab.start_controller(os.path.join(SOURCE, "tests/netns/learning_switch.py"))
    results = lab.path("results")
    with open(results, "w") as out:
        # A session of its own, so that nothing that mininet starts can outlive the test.
        mininet = subprocess.Popen(["ip", "netns", "exec", lab.switch_ns.name, "/usr/bin/python3",
                                    os.path.join(SOURCE, "tests/netns/mininet_turnout.py")],
                                   stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=subprocess.STDOUT, start_new_session=True)
    try:
        status = mininet.wait(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        status = 1
    with contextlib.suppress(ProcessLookupError):
        os.killpg(mininet.pid, signal.SIGKILL)
    with open(results, errors="replace") as source:
        for line in source.read().replace("\r", "\n").splitlines():
            print(line if line.startswith(("ok ", "not ok ", "1..", "# ")) else "# " + line)
    if status:
        print("\n".join("# " + line for line in lab.logs().splitlines()))
    lab.close()
    return status


if __name__ == "__main__":
    sys.exit(main())
