#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""QEMU's Rocker switch with the kernel's own driver: what the tests of bridges in hardware stand on."""

import json

from netns.lib import check, check_equal, program, run, wait_for
from vm.frames import arp, ethernet
from vm.lib import Rocker, enter, kernel_log, run_command, tc

HOST_2 = "02:00:00:00:00:02"
# What the bridge's stack forwards to all ports.
FLOODED = ethernet(b"the last frame" + bytes(40), 0x88b5, dst="ff:ff:ff:ff:ff:ff")


class Bench:
    """The switch; what netns.lib's run() wants of a lab."""

    def __init__(self):
        self.switch = Rocker()

    def close(self):
        pass

    @staticmethod
    def logs():
        return "\n".join(line for line in kernel_log().splitlines() if "rocker" in line)

    @staticmethod
    def sanitizer_reports():
        return []


def ports_are_those_of_a_switch(bench):
    links = [json.loads(run_command("ip", "-d", "-j", "link", "show", port).stdout)[0]
             for port in bench.switch.ports]
    check_equal(len({link["phys_switch_id"] for link in links}), 1, "switch ids")
    check("driver: rocker" in run_command("ethtool", "-i", "swp1").stdout, "ethtool -i")


def frames_go_both_ways(bench):
    # Outside a bridge, ARP is what comes up from the cable.
    frame = ethernet(arp(1), 0x806, dst="ff:ff:ff:ff:ff:ff")
    for port in (1, 4):
        with bench.switch.capture("swp%d" % port) as inside, \
                bench.switch.capture("w%d" % port) as outside:
            bench.switch.send("w%d" % port, frame)
            inside.expect(frame.__eq__, "a frame from the cable")
            bench.switch.send("swp%d" % port, frame)
            outside.expect(frame.__eq__, "a frame from the stack")


def fdb_entry():
    return run_command("bridge", "fdb", "get", HOST_2, "dev", "swp2", "vlan", "1", "master",
                       ok=False).stdout


def what_comes(bench, frame):
    """A frame sent into w1: did it come out of w2, and up swp1's stack?"""
    with bench.switch.capture("w2") as there, bench.switch.capture("swp1") as stack:
        bench.switch.send("w1", frame, FLOODED)
        return frame in there.until(FLOODED), frame in stack.until(FLOODED)


def a_static_entry_is_in_hardware(bench):
    run_command("ip", "link", "add", "sw0", "type", "bridge", "vlan_filtering", "1",
                "mcast_snooping", "0")
    run_command("ip", "link", "set", "sw0", "up")
    for port in bench.switch.ports:
        run_command("ip", "link", "set", port, "master", "sw0")
    frame = ethernet(bytes(46), 0x88b6, dst=HOST_2)
    check_equal(what_comes(bench, frame), (True, True), "unknown: flooded by the stack")
    run_command("bridge", "fdb", "add", HOST_2, "dev", "swp2", "master", "static")
    wait_for(lambda: "offload" in fdb_entry(), "the entry is marked as offloaded")
    check_equal(what_comes(bench, frame), (True, False), "known: past the stack")


def flower_is_refused(_):
    tc("qdisc add dev swp1 clsact")
    done = tc("filter add dev swp1 ingress protocol ip flower skip_sw action drop", ok=False)
    check(done.returncode, "a rule is refused")
    tc("qdisc del dev swp1 clsact")


def the_doctor_names_the_driver_that_fits(_):
    done = run_command(program("turnoutctl"), "hw", "doctor", "--direct", "swp1", "--json", ok=False)
    port, = json.loads(done.stdout)["ports"]
    check_equal((port["role"], port["kernel"]["driver"], port["pci"]["vendor"]),
                ("port", "rocker", "1b36"), "Rocker")
    check_equal({found["code"]: found["command"] for found in port["findings"] if found["blocks"]},
                {"enslaved": "ip link set dev swp1 nomaster", "fits-switchdev":
                 "turnoutd --driver switchdev --port swp1,driver=switchdev"}, "findings")


def the_module_leaves_a_clean_log(bench):
    run_command("ip", "link", "del", "sw0")
    bench.switch.unload()


def main():
    enter(options=["-r"])
    run(Bench(), ports_are_those_of_a_switch, frames_go_both_ways, a_static_entry_is_in_hardware,
        flower_is_refused, the_doctor_names_the_driver_that_fits, the_module_leaves_a_clean_log)


if __name__ == "__main__":
    main()
