#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The driver for switch chips on ports of no chip: the kernel's bridge takes entries that nothing
confirms, so every flow is software's, and each frame is forwarded once."""

import json
import os

from netns.lib import Capture, Lab, Switch, check, check_equal, run, wait_for
from vm.frames import ethernet
from vm.lib import enter, run_command

M2 = "02:00:00:00:00:02"
RULES = ["priority=10,dl_vlan=10,dl_dst=%s,actions=output:2" % M2,
         "priority=1,dl_vlan=10,dl_dst=ff:ff:ff:ff:ff:ff,actions=ALL"]


def frame(number, dst=M2):
    return ethernet(b"%06d" % number + bytes(44), 0x88b6, dst=dst, tci=10)


def refused(lab):
    rows = lab.switch.ctl_json("hw", "entries")["entries"]
    return [e["reason"]["words"] for e in rows if e["state"] == "refused"]


def static(lab):
    rows = json.loads(lab.switch_ns.run("bridge", "-j", "fdb", "show", "br", "tnbr0").stdout)
    return [row for row in rows if row.get("state") == "static" or not row.get("state")]


def every_frame_is_forwarded_once(lab):
    """Also while the bridge has the entry, and the driver waits for the flag."""
    last = frame(0, "ff:ff:ff:ff:ff:ff")
    with Capture(lab.hosts[1]) as second, Capture(lab.hosts[2]) as third:
        for rule in RULES:
            lab.switch.ofctl("add-flow", rule)
        sent = []

        def are_refused():
            frames = [frame(len(sent) + i + 1) for i in range(10)]
            lab.hosts[0].send("eth0", *frames)
            sent.extend(frames)
            return len(refused(lab)) == 3
        wait_for(are_refused, "the rule is refused on all ports")
        lab.hosts[0].send("eth0", last)
        check_equal(second.until(last), sent, "what host 2 got")
        check_equal(third.until(last), [], "what host 3 got")


def the_reason_is_that_nothing_has_it(lab):
    check_equal(refused(lab), ["switchdev: the bridge has the entry, but the device did not take it "
                               "(no offload flag)"] * 3, "reasons")
    check_equal([row for row in static(lab) if row["mac"] == M2], [], "entries of the bridge")


def the_kernels_bridge_has_seen_nothing(lab):
    link, = json.loads(lab.switch_ns.run("ip", "-j", "-s", "link", "show", "tnbr0").stdout)
    check_equal(link["stats64"]["rx"]["packets"], 0, "frames that came up to the bridge")
    check_equal(link["stats64"]["tx"]["packets"], 0, "frames that it sent")


def members(lab):
    """The bridge's devices; None without a bridge of ours."""
    links = json.loads(lab.switch_ns.run("ip", "-j", "link", "show").stdout)
    bridges = [link["ifname"] for link in links if link["ifname"].startswith("tnbr")]
    return sorted(link["ifname"] for link in links
                  if link.get("master") == bridges[0]) if bridges else None


def count_of(lab, counter, n):
    wait_for(lambda: lab.switch.counters()[counter] >= n, "%s reaches %d" % (counter, n))


def a_port_that_is_taken_out_comes_back(lab):
    lab.switch_ns.ip("link", "set", "p3", "nomaster")
    count_of(lab, "switchdev_port_left", 1)
    wait_for(lambda: members(lab) == ["p1", "p2", "p3"], "it is in the bridge again")
    check("port 3, p3: somebody took it out of tnbr0: it is in again" in lab.logs(100),
          "the log has it")


def a_port_that_somebody_takes_stays_theirs(lab):
    lab.switch_ns.ip("link", "add", "theirs", "type", "bridge")
    lab.switch_ns.ip("link", "set", "p3", "master", "theirs")
    count_of(lab, "switchdev_port_left", 2)
    wait_for(lambda: members(lab) == ["p1", "p2"], "it is theirs")
    lab.switch_ns.ip("link", "del", "theirs")
    wait_for(lambda: members(lab) == ["p1", "p2", "p3"], "it is ours when it is nobody's")


def a_bridge_that_is_deleted_is_made_again(lab):
    before = lab.switch_ns.ip("-j", "link", "show", "tnbr0").stdout
    lab.switch_ns.ip("link", "del", "tnbr0")
    count_of(lab, "switchdev_bridge_gone", 1)
    wait_for(lambda: members(lab) == ["p1", "p2", "p3"], "a new bridge has all ports")
    check(lab.switch_ns.ip("-j", "link", "show", "tnbr0").stdout != before, "it is another one")


def a_fence_does_not_wait_for_thousands_of_entries(lab):
    """The driver alone: ports that take long to leave the bridge are off when the fence returns."""
    lab.switch.stop()
    tool = os.path.join(os.environ["TURNOUT_BUILDDIR"], "tests/vm/switchdev_fence")
    ports = ["many%d" % n for n in range(6)]
    for port in ports:
        lab.switch_ns.ip("link", "add", port, "up", "type", "dummy")
    out = lab.switch_ns.run(tool, "5000", *ports).stdout
    for port in ports:
        lab.switch_ns.ip("link", "del", port)
    print("# " + out.strip().replace("\n", "\n# "), flush=True)
    lab.switch.start()


def the_end_leaves_nothing_behind(lab):
    lab.switch.stop()
    names = [row["ifname"] for row in json.loads(lab.switch_ns.run("ip", "-j", "link").stdout)]
    check_equal(sorted(names), ["lo", "p1", "p2", "p3"], "devices")


def main():
    enter()
    run_command("modprobe", "-a", "veth", "bridge", "dummy")
    lab = Lab(hosts=3)
    lab.switch = Switch(lab, ["p%d@%d,driver=switchdev" % (n, n) for n in (1, 2, 3)],
                        options=["--driver", "switchdev:vlans=10,any-port=yes", "--hw-policy",
                                 "prefer-hw,allow-uncounted=yes"])
    run(lab, every_frame_is_forwarded_once, the_reason_is_that_nothing_has_it,
        the_kernels_bridge_has_seen_nothing, a_port_that_is_taken_out_comes_back,
        a_port_that_somebody_takes_stays_theirs, a_bridge_that_is_deleted_is_made_again,
        a_fence_does_not_wait_for_thousands_of_entries, the_end_leaves_nothing_behind)


if __name__ == "__main__":
    main()
