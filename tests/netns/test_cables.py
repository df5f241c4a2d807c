#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The conformance body (tests/property/test_hardware) with the product on real devices: frames go in and
are looked for at the far ends of cables. Without a driver, and with one in the packet path."""

import os
import sys

from netns.lib import BUILD, Namespace

PORTS = range(1, 7)
STEPS = 1500
DRIVERS = ("", "sim:seed=1")


def cables(namespace):
    """Virtual Ethernet pairs pN:wN, up, and nothing that sends by them; as TURNOUT_PORTS has it."""
    for key in ("all", "default"):
        namespace.sysctl("net.ipv6.conf.%s.disable_ipv6" % key, 1)
    for port in PORTS:
        namespace.ip("link", "add", "p%d" % port, "type", "veth", "peer", "name", "w%d" % port)
        for device in ("p%d", "w%d"):
            namespace.ip("link", "set", device % port, "up")
    return ",".join("p%d:w%d" % (port, port) for port in PORTS)


def main():
    namespace = Namespace("tn%d-cables" % os.getpid())
    failed = 0
    try:
        ports = cables(namespace)
        print("1..%d" % len(DRIVERS))
        for number, driver in enumerate(DRIVERS, 1):
            env = dict(os.environ, TURNOUT_PORTS=ports, TURNOUT_DRIVER=driver)
            done = namespace.run(os.path.join(BUILD, "tests/property/test_hardware"),
                                 "--attached=%d" % STEPS, env=env, ok=False)
            print("".join("# %s\n" % line for line in done.stdout.splitlines()[-40:]), end="")
            failed |= done.returncode
            print("%sok %d - %s" % ("not " if done.returncode else "", number,
                                    driver or "no driver"))
    finally:
        namespace.delete()
    sys.exit(failed)


if __name__ == "__main__":
    main()
