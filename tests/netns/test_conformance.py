#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs osken_conformance.py against the switch and passes its TAP on."""

import os
import sys

from netns.lib import SOURCE, Lab, Switch

SECONDS = 400


def main():
    lab = Lab(hosts=3)
    results = lab.path("results")
    environment = dict(os.environ, TURNOUT_RESULTS=results,
                       TURNOUT_HOSTS=",".join(host.name for host in lab.hosts))
    controller = lab.start("controller", lab.switch_ns, "/usr/bin/osken-manager",
                           "--ofp-listen-host", "127.0.0.1", "--ofp-tcp-listen-port", 6653,
                           os.path.join(SOURCE, "tests/netns/osken_conformance.py"),
                           env=environment)
    Switch(lab, ["p1@1", "p2@2", "p3@3"], controllers=["tcp:127.0.0.1:6653"],
           options=["--datapath-id", "0000000000abc123"])
    status = controller.wait(timeout=SECONDS)
    text = open(results).read() if os.path.exists(results) else ""
    sys.stdout.write(text)
    failed = lab.sanitizer_reports() or status or not text or "\nnot ok" in text
    if failed:
        print("\n".join("# " + line for line in lab.logs().splitlines()))
    lab.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
