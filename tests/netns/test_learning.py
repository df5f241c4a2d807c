#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The demo's topology: three hosts under os-ken's learning switch."""

import os
import re

from netns.lib import SOURCE, Lab, Switch, check, check_equal, run, wait_for

APP = os.path.join(SOURCE, "tests/netns/learning_switch.py")
ENTRY = re.compile(r"in_port\((?P<port>\d+)\).*eth\((?P<eth>[^)]*)\).*packets:(?P<packets>\d+), "
                   r"bytes:(?P<bytes>\d+), used:(?P<used>[^,]+), actions:(?P<actions>.*)$")


def ping_entries(switch, one, other):
    """The cache entries of IPv4 between two hosts: (in_port, actions) -> (packets, bytes)."""
    found = {}
    for line in switch.ctl("cache").stdout.splitlines():
        match = ENTRY.search(line)
        if not match or "eth_type(0x0800)" not in line:
            continue
        if one.mac in match["eth"] and other.mac in match["eth"]:
            found[int(match["port"]), match["actions"].strip()] = (int(match["packets"]),
                                                                   int(match["bytes"]))
    return found


def every_pair_answers(lab):
    lab.start_controller(APP)
    lab.switch = Switch(lab, ["p1@1", "p2@2", "p3@3"], controllers=["tcp:127.0.0.1:6653"])
    wait_for(lambda: "active" in lab.switch.ctl("controllers").stdout, "the controller is active")
    for here in lab.hosts:
        for there in lab.hosts:
            if here is not there:
                here.ping(there.address, count=3)


def the_rules_are_the_controllers(lab):
    flows = lab.switch.flows()
    check_equal(len(flows), 6, "a rule for each pair and direction")
    for flow in flows:
        check("idle_timeout=60" in flow and "dl_src=" in flow and "dl_dst=" in flow, flow)
    listed = lab.switch.ctl("flows").stdout
    for host in lab.hosts:
        check(host.mac in listed, "turnoutctl flows shows " + host.mac)


def a_ping_has_two_cache_entries_that_count(lab):
    one, two, _ = lab.hosts
    one.ping(two.address, count=4)
    before = ping_entries(lab.switch, one, two)
    check_equal(sorted(before), [(1, "2"), (2, "1")], "one entry a direction")
    one.ping(two.address, count=25)
    after = ping_entries(lab.switch, one, two)
    check_equal(sorted(after), sorted(before), "the same entries")
    for key, (packets, size) in after.items():
        check_equal(packets - before[key][0], 25, "packets of entry %r" % (key,))
        check_equal(size - before[key][1], 25 * 98, "bytes of entry %r" % (key,))


def the_cache_as_json_says_the_same(lab):
    text = lab.switch.ctl("cache").stdout
    entries = lab.switch.ctl_json("cache")
    n_lines = sum(1 for line in text.splitlines() if "packets:" in line)
    rows = entries if isinstance(entries, list) else next(
        value for value in entries.values() if isinstance(value, list))
    if rows and isinstance(rows[0], dict) and isinstance(rows[0].get("entries"), list):
        rows = rows[0]["entries"]
    check_equal(len(rows), n_lines, "entries in --json and in text")


def rules_time_out_and_come_back(lab):
    one, two, _ = lab.hosts
    lab.switch.ofctl("del-flows")
    check_equal(lab.switch.flows(), [], "no flows after del-flows")
    check_equal(ping_entries(lab.switch, one, two), {}, "no entries after del-flows")
    one.ping(two.address, count=2)
    check_equal(len(lab.switch.flows()), 2, "rules after a ping")


def without_its_controller_it_goes_on(lab):
    one, two, three = lab.hosts
    one.ping(three.address)
    controller = next(p for what, p, _ in lab.processes if what == "controller")
    controller.terminate()
    controller.wait()
    wait_for(lambda: "active" not in lab.switch.ctl("controllers").stdout,
             "the controller is not active")
    one.ping(three.address, count=3)
    check(not two.ping(three.address, ok=False, options=("-W", "1")),
          "a table miss is dropped without a controller")
    lab.start_controller(APP)
    wait_for(lambda: "active" in lab.switch.ctl("controllers").stdout,
             "the controller is active again")
    two.ping(three.address, count=3)


def it_ends_cleanly(lab):
    lab.switch.stop()


if __name__ == "__main__":
    run(Lab(hosts=3), every_pair_answers, the_rules_are_the_controllers,
        a_ping_has_two_cache_entries_that_count, the_cache_as_json_says_the_same,
        rules_time_out_and_come_back, without_its_controller_it_goes_on, it_ends_cleanly)
