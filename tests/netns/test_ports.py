#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Ports that are added, removed, unplugged and plugged in again, as controllers see them."""

import os
import re
import signal

from netns.lib import Lab, Switch, check, check_equal, run, run_command, wait_for


def it_starts(lab):
    lab.switch = Switch(lab, ["p1@1", "p2@2"])
    lab.switch.replace_flows("actions=normal")
    lab.monitor = lab.start("monitor", lab.switch_ns, "ovs-ofctl", "-O", "OpenFlow10", "monitor",
                            lab.switch.management, "65535",
                            env=dict(os.environ, OVS_RUNDIR=lab.tmp))
    lab.monitor_log = lab.processes[-1][2]
    lab.hosts[0].ping(lab.hosts[1].address)


def status_messages(lab):
    """The PORT_STATUS messages so far, each on one line."""
    with open(lab.monitor_log, errors="replace") as source:
        text = source.read()
    pieces = re.split(r"^(?=[A-Z]+T_\w+)", text, flags=re.M)
    return [" ".join(piece.split()) for piece in pieces if piece.startswith("OFPT_PORT_STATUS")]


def wait_for_status(lab, pattern, since):
    """The number of messages when one after the first 'since' matches."""
    def seen():
        messages = status_messages(lab)
        return any(re.search(pattern, message) for message in messages[since:]) and len(messages)

    return wait_for(seen, "PORT_STATUS " + pattern)


def ports_of(lab):
    return re.findall(r"^ *(\d+)\((\w+)\): addr", lab.switch.ofctl("show").stdout, re.M)


def a_link_that_goes_down_and_up_is_told(lab):
    n = len(status_messages(lab))
    lab.hosts[1].ip("link", "set", "eth0", "down")
    n = wait_for_status(lab, r"MOD: 2\(p2\).*LINK_DOWN", n)
    text = lab.switch.ofctl("show").stdout
    check(re.search(r"2\(p2\):[^(]*state: +LINK_DOWN", text), text)
    lab.hosts[1].ip("link", "set", "eth0", "up")
    wait_for_status(lab, r"MOD: 2\(p2\).*state: 0", n)
    wait_for(lambda: lab.hosts[0].ping(lab.hosts[1].address, ok=False), "traffic passes again")


def port_mod_is_told(lab):
    n = len(status_messages(lab))
    lab.switch.ofctl("mod-port", "1", "no-flood")
    n = wait_for_status(lab, r"MOD: 1\(p1\).*NO_FLOOD", n)
    lab.switch.ofctl("mod-port", "1", "flood")
    wait_for_status(lab, r"MOD: 1\(p1\).*config: 0", n)


def a_port_is_added_to_the_running_switch(lab):
    n = len(status_messages(lab))
    lab.switch.ctl("add-port", "br0", "p3@7")
    wait_for_status(lab, r"ADD: 7\(p3\)", n)
    check(("7", "p3") in ports_of(lab), "FEATURES has port 7")
    wait_for(lambda: lab.hosts[0].ping(lab.hosts[2].address, ok=False), "the new port forwards")
    check("p3" in lab.switch.ctl("ports").stdout, "turnoutctl ports")


def a_port_is_removed_from_the_running_switch(lab):
    n = len(status_messages(lab))
    lab.switch.ctl("del-port", "br0", "p3")
    wait_for_status(lab, r"DEL: 7\(p3\)", n)
    check(("7", "p3") not in ports_of(lab), "FEATURES without port 7")
    check(not lab.hosts[0].ping(lab.hosts[2].address, ok=False, options=("-W", "1")),
          "a removed port does not forward")
    text = lab.switch_ns.ip("-d", "link", "show", "dev", "p3").stdout
    check("promiscuity 0" in text, "the device is as it was: " + text)


def a_device_that_vanishes_and_comes_back(lab):
    n = len(status_messages(lab))
    lab.switch_ns.ip("link", "del", "p2")
    n = wait_for_status(lab, r"(MOD: 2\(p2\).*LINK_DOWN|DEL: 2\(p2\))", n)
    check(lab.switch.ctl("show").returncode == 0, "turnoutd lives on")
    lab.hosts[1].plug(lab.switch_ns)
    wait_for_status(lab, r"(MOD|ADD): 2\(p2\).*state: 0", n)
    check(("2", "p2") in ports_of(lab), "with its old number")
    lab.hosts[0].forget_neighbours()
    wait_for(lambda: lab.hosts[0].ping(lab.hosts[1].address, ok=False), "it forwards again")


def a_device_that_is_renamed_or_moved_away_is_let_go(lab):
    """It is gone for the switch, and nothing of the switch stays on it."""
    def undone(namespace, device):
        return ("promiscuity 0" in namespace.ip("-d", "link", "show", "dev", device).stdout
                and "clsact" not in namespace.run("tc", "qdisc", "show", "dev", device).stdout)

    sw, other = lab.switch_ns, lab.hosts[2]
    for there, device, away, back in (
            (sw, "q2", (sw, "name", "q2"), (sw, "name", "p2")),
            (other, "p2", (sw, "netns", other.name), (other, "netns", sw.name))):
        n = len(status_messages(lab))
        sw.ip("link", "set", "p2", "down")
        away[0].ip("link", "set", "p2", *away[1:])
        n = wait_for_status(lab, r"MOD: 2\(p2\).*LINK_DOWN", n)
        wait_for(lambda: undone(there, device), "nothing of the switch is left on " + device)
        back[0].ip("link", "set", device, *back[1:])
        sw.ip("link", "set", "p2", "up")
        wait_for_status(lab, r"MOD: 2\(p2\).*state: 0", n)
        wait_for(lambda: lab.hosts[0].ping(lab.hosts[1].address, ok=False), "it forwards again")


def a_device_that_is_renamed_for_a_moment_stays_a_port(lab):
    process = lab.switch.process
    process.send_signal(signal.SIGSTOP)    # it is told of both at once
    try:
        for old, new in (("p2", "px"), ("px", "p2")):
            lab.switch_ns.ip("link", "set", old, "down")
            lab.switch_ns.ip("link", "set", old, "name", new)
            lab.switch_ns.ip("link", "set", new, "up")
    finally:
        process.send_signal(signal.SIGCONT)
    wait_for(lambda: lab.hosts[0].ping(lab.hosts[1].address, ok=False), "it forwards again")
    text = lab.switch_ns.run("tc", "filter", "show", "dev", "p2", "ingress").stdout
    check("bpf" in text, "it is kept from the host's stack: " + text)


def what_cannot_be_a_port_is_refused(lab):
    for port, word in (("p1", "p1"), ("p3@1", "1"), ("p3@70000", "70000"),
                       ("lo", "lo")):
        done = lab.switch.ctl("add-port", "br0", port, ok=False)
        check(done.returncode != 0, "add-port %s succeeded" % port)
        check(word in done.stdout + done.stderr, "%s: %s" % (port, done.stderr))
    done = lab.switch.ctl("del-port", "br0", "p9", ok=False)
    check(done.returncode != 0, "del-port of no port succeeded")
    done = lab.switch.ctl("add-port", "nobridge", "p3", ok=False)
    check(done.returncode != 0, "add-port to no bridge succeeded")
    lab.hosts[0].ping(lab.hosts[1].address)


def many_ports_come_and_go(lab):
    names = ["m%d" % i for i in range(20)]
    for name in names:
        run_command("ip", "link", "add", name, "netns", lab.switch_ns.name, "type", "veth",
                    "peer", "name", name, "netns", lab.hosts[2].name)
        lab.switch.ctl("add-port", "br0", name)
    check_equal(len(ports_of(lab)), 22, "ports")
    for name in names[::2]:
        lab.switch.ctl("del-port", "br0", name)
    for name in names[1::2]:
        lab.switch_ns.ip("link", "del", name)
        lab.switch.ctl("del-port", "br0", name)
    check_equal(len(ports_of(lab)), 2, "ports")
    lab.hosts[0].ping(lab.hosts[1].address)


def it_ends_cleanly(lab):
    lab.switch.stop()


if __name__ == "__main__":
    run(Lab(hosts=3), it_starts, a_link_that_goes_down_and_up_is_told, port_mod_is_told,
        a_port_is_added_to_the_running_switch, a_port_is_removed_from_the_running_switch,
        a_device_that_vanishes_and_comes_back,
        a_device_that_is_renamed_or_moved_away_is_let_go,
        a_device_that_is_renamed_for_a_moment_stays_a_port, what_cannot_be_a_port_is_refused,
        many_ports_come_and_go, it_ends_cleanly)
