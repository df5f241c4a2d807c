#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The conformance body with the product itself on the simulated chip's devices: what the tc driver does not
forward comes up by packet sockets, and each frame that must come out does so once. And on veths, with
the filters in the kernel's software, behind which misses come up."""

import json
import os

from netns.lib import BUILD, check, check_equal, run, run_command
from vm.lib import Simnic, enter, kernel_log

PORTS = range(1, 7)
STEPS_BY_CHIP, STEPS_BY_KERNEL = 1500, 4500     # 14,000 more by test_tc_conformance.py


class Cables:
    """The chip and its cables, as netns.lib's run() wants a lab."""

    def __init__(self):
        self.chip = Simnic(ports=len(PORTS), first_port=1, clsact=False, table_size=4096,
                           max_masks=1024)
        run_command("ip", "link", "set", "lo", "up")

    def close(self):
        self.chip.unload()

    @staticmethod
    def logs():
        return kernel_log()[-2000:]

    @staticmethod
    def sanitizer_reports():
        return []


def count(what, *path):
    """A sum over the representors of what 'ip stats' tells of them."""
    total = 0
    for port in PORTS:
        words = ["ip", "-j", "stats", "show", "dev", "p%d" % port, "group", *what]
        stats = json.loads(run_command(*words).stdout)[0]
        for key in path:
            stats = stats[key]
        total += stats["packets"]
    return total


def agree(driver, port, wire, steps):
    pairs = ",".join("%s%d:%s%d" % (port, number, wire, number) for number in PORTS)
    env = dict(os.environ, TURNOUT_DRIVER=driver, TURNOUT_PORTS=pairs)
    done = run_command(os.path.join(BUILD, "tests/property/test_hardware"), "--attached=%d" % steps,
                       env=env, ok=False, timeout=250)
    print("".join("# %s\n" % line for line in done.stdout.splitlines()[-40:]), end="")
    check_equal(done.returncode, 0, "the exit status")


def frames_and_counters_agree(lab):
    agree("tc:lag-ms=100", "p", "w", STEPS_BY_CHIP)
    check_equal(lab.chip.used(), 0, "rules left in the chip")


def the_chip_forwarded_enough(_lab):
    received = count(["link"], "stats64", "rx")
    came_up = count(["offload", "subgroup", "cpu_hit"], "stats64", "rx")
    print("# of %d frames %d came up" % (received, came_up))
    check(received - came_up > received // 8, "the chip forwards by itself")


def so_they_do_in_the_kernels_software(_lab):
    run_command("modprobe", "-a", "veth", "tun")
    for number in PORTS:
        run_command("ip", "link", "add", "v%d" % number, "up", "type", "veth",
                    "peer", "name", "x%d" % number)
        run_command("ip", "link", "set", "x%d" % number, "up")
    agree("tc:skip_hw=yes,lag-ms=100", "v", "x", STEPS_BY_KERNEL)


def main():
    enter(seconds=290)
    run(Cables(), frames_and_counters_agree, the_chip_forwarded_enough,
        so_they_do_in_the_kernels_software)


if __name__ == "__main__":
    main()
