#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What is measured in the virtual machine, on the simulated chip: Turnout and Open vSwitch (hw-offload=true)
under new flows, one after the other in each round; the tc driver and 'tc -batch' beside a bare libmnl loop;
an audit. bench/run vm starts it and makes the table; by hand: bench/in_vm.py [WHAT...].

Prints lines of JSON: {"what", "unit", "better", "bar", "turnout": [...], "ovs": [...]}; the loop stands where Open vSwitch does.
"""

import json
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests"))

# pylint: disable=wrong-import-position
from netns.lib import BUILD, run_command, wait_for
from vm.lab import ChipLab, Crowd, barrier
from vm.lib import Simnic, enter
from vm.openvswitch import OpenVSwitch
from netns import rawof as of

ROUNDS = int(os.environ.get("TURNOUT_ROUNDS", "3"))
FLOWS = 10000
DELAYS = 200
FRAMES_PER_S = 20000
AUDITED = 100000
# A flow is worth an entry with its first packet, as it is to Open vSwitch.
OPTIONS = ("--governor", "first-packet")


def program(name):
    return os.path.join(BUILD, "bench", name)


def say(what, unit, better, bar, **figures):
    print(json.dumps(dict(what=what, unit=unit, better=better, bar=bar, **figures)), flush=True)


class Turnout:
    name = "turnout"

    def __init__(self, lab):
        lab.start_switch(*OPTIONS)
        self.lab = lab

    def add_flows(self, path):
        self.lab.switch.ofctl("add-flows", path)

    def stop(self):
        self.lab.switch.stop()
        self.lab.switch = None


class Peer:
    name = "ovs"

    def __init__(self, lab):
        self.switch = OpenVSwitch(lab)
        # Nothing of it is thrown out while flows come.
        self.switch.vsctl("set", "Open_vSwitch", ".", "other_config:flow-limit=100000",
                          "other_config:max-idle=600000")

    def add_flows(self, path):
        self.switch.ofctl("add-flows", path)

    def stop(self):
        self.switch.stop()


def rules(lab):
    """One for each flow, with wildcards: each switch sees each flow for itself, and has it put into
    hardware by a packet."""
    path = lab.path("flows")
    with open(path, "w", encoding="ascii") as file:
        for flow in range(FLOWS):
            file.write("priority=5,udp,in_port=1,nw_src=10.1.%d.%d,actions=output:2\n"
                       % (flow >> 8, flow & 255))
    return path


def new_flows(lab, *words):
    return lab.hosts[0].run(program("new_flows"), "eth0", *map(str, words), timeout=150).stdout


def one(lab, contender, path, rate, delays):
    switch = contender(lab)
    switch.add_flows(path)
    before = lab.chip.used()
    said = new_flows(lab, "delay", DELAYS)
    print("# %s: %s" % (contender.name, said.strip()), file=sys.stderr, flush=True)
    delays[contender.name].append([float(said.split()[i]) for i in (5, 9)])
    switch.stop()
    wait_for(lambda: lab.chip.used() <= before, "the table is empty again", 120)
    switch = contender(lab)
    switch.add_flows(path)
    said = new_flows(lab, "rate", FLOWS, FRAMES_PER_S)
    print("# %s: %s" % (contender.name, said.strip()), file=sys.stderr, flush=True)
    said = re.match(r"rules (\d+) in ([\d.]+) s, sent \d+, mean ([\d.]+) ms", said)
    rate[contender.name].append((int(said[1]) / float(said[2]), float(said[3])))
    switch.stop()
    wait_for(lambda: lab.chip.used() <= before, "the table is empty again", 120)


def bench_new_flows():
    """New flows until they are in hardware."""
    lab = ChipLab(hosts=2, table_size=2 * FLOWS, max_masks=1024)
    path = rules(lab)
    rate, delays = {"turnout": [], "ovs": []}, {"turnout": [], "ovs": []}
    for number in range(ROUNDS):
        for contender in (Turnout, Peer) if number % 2 else (Peer, Turnout):
            one(lab, contender, path, rate, delays)
    def column(values, i):
        return {name: [each[i] for each in rounds] for name, rounds in values.items()}
    say("%d new flows, rules into hardware" % FLOWS, "/s", "more", ">= 2", **column(rate, 0))
    say("... first packet to in-hardware, mean", "ms", "less", ">= 2", **column(rate, 1))
    say("one new flow, first packet to in-hardware, p50", "us", "less", ">= 2", **column(delays, 0))
    say("... p99", "us", "less", "", **column(delays, 1))
    lab.close()


def batch_file(path, command, n):
    """What 'tc -batch' reads: the filters of bench_tc, in tc's words."""
    with open(path, "w", encoding="ascii") as file:
        for i in range(n):
            words = ("dst_mac 02:00:00:00:00:02 src_mac 02:00:00:00:00:01 ip_proto udp src_ip 10.1.%d.%d "
                     "dst_ip 10.0.0.2 src_port 7 dst_port 9 action mirred egress redirect dev p1"
                     % (i >> 8, i & 255))
            file.write("filter %s dev p0 ingress prio 5 handle %d protocol ip flower %s\n"
                       % (command, i + 1, "skip_sw " + words if command == "add" else ""))


def bench_driver():
    """The driver and 'tc -batch', beside the loop."""
    chip = Simnic(table_size=3 * FLOWS)
    figures = {}
    said = run_command(program("bench_tc"), "p0", "p1", str(FLOWS // 2), str(2 * ROUNDS + 1), timeout=300).stdout
    for thing, driver, loop in re.findall(r"tc (\w+) +driver +(\d+)/s +bare loop +(\d+)/s", said):
        figures[thing] = ([float(driver)], [float(loop)])
    for _ in range(ROUNDS):
        for command, thing in (("add", "add"), ("del", "remove")):
            batch_file("/tmp/batch", command, FLOWS // 2)
            begin = time.monotonic()
            run_command("tc", "-batch", "/tmp/batch")
            batch, loop = figures.setdefault("tc -batch " + thing, ([], []))
            batch.append(FLOWS / 2 / (time.monotonic() - begin))
            loop += figures[thing][1]
    bars = {"add": ">= 0.85", "remove": ">= 0.85", "counters": ">= 0.85"}
    for thing, (driver, loop) in figures.items():
        say("%s, beside a bare loop" % (thing if thing.startswith("tc") else "tc driver: " + thing), "/s", "more",
            bars.get(thing, ""), turnout=driver, ovs=loop)
    chip.unload()


def bench_audit():
    """An audit of as many entries as a table may have."""
    lab = ChipLab(table_size=AUDITED + 1000)
    lab.start_switch()
    crowd, took = Crowd(AUDITED), []
    with lab.connect() as peer:
        crowd.tell(peer, of.output(2))
        barrier(peer)
        wait_for(lambda: lab.chip.used() >= AUDITED, "all are in hardware", 120)
        for _ in range(ROUNDS):
            time.sleep(11)           # counters have been read once more: part of the method
            begin = time.monotonic()
            lab.switch.ctl("hw", "audit")
            took.append(time.monotonic() - begin)
    say("an audit of %d entries" % AUDITED, "s", "less", "< 5", turnout=took)
    lab.close()


BENCHES = {"new-flows": bench_new_flows, "driver": bench_driver, "audit": bench_audit}


def main():
    enter(cpus=2, memory=4000, seconds=1200)
    for what in sys.argv[1:] or BENCHES:
        BENCHES[what]()


if __name__ == "__main__":
    main()
