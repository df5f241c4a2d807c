#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The drivers' conformance body (tests/property/test_hardware) on the tc driver, over the simulated
chip, with whole rules where they fit: random tables, frames and changes, against the naive switch."""

import os
import subprocess
import sys

from netns.lib import BUILD
from vm.lib import Simnic, enter, kernel_log, run_command

PORTS = range(1, 7)
STEPS = 14000                    # and 6,000 more by test_tc_attached.py


def main():
    enter(seconds=800)
    chip = Simnic(ports=len(PORTS), first_port=1, clsact=False, table_size=4096, max_masks=1024)
    for port in PORTS:
        for device in ("p%d", "w%d"):
            run_command("ip", "link", "set", device % port, "mtu", "2000")
    env = dict(os.environ, TURNOUT_DRIVER="tc:lag-ms=100,rules=yes",
               TURNOUT_PORTS=",".join("p%d:w%d" % (port, port) for port in PORTS))
    argv = sys.argv[1:] or ["--total-steps", str(STEPS)]
    status = subprocess.run([os.path.join(BUILD, "tests/property/test_hardware"), *argv], env=env,
                            check=False).returncode
    if "WARNING" in kernel_log() or chip.used():
        print("not ok - the kernel's log is clean, and no rule is left in the chip (%d)" % chip.used())
    sys.exit(status)


if __name__ == "__main__":
    main()
