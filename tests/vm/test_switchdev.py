#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""turnoutd on QEMU's Rocker: rules that say where an address is are in the chip's forwarding table."""

import contextlib
import json
import signal
import subprocess

from netns.lib import (Capture, Host, Lab, Switch, check, check_equal, program, run,
                       wait_for)
from vm.frames import ethernet
from vm.lib import Rocker, Root, enter, run_command

M2, M4, NOBODY = "02:00:00:00:00:02", "02:00:00:00:00:04", "02:00:00:00:00:99"
TO_2 = "priority=10,dl_vlan=10,dl_dst=%s,actions=output:2" % M2
OPTIONS = "switchdev:vlans=10+20,flooding=accept"


class RootNamespace(Root):
    """Rocker's ports stay where they are: so does the switch."""

    name = "root"

    @staticmethod
    def start(*argv, **options):
        return subprocess.Popen(list(map(str, argv)), stdin=subprocess.DEVNULL, **options)

    @staticmethod
    def sysctl(key, value):
        run_command("sysctl", "-qw", "%s=%s" % (key, value))

    def delete(self):
        pass


class RockerHost(Host):
    """A host whose eth0 is the far end of a port's cable."""

    def plug(self, switch_ns):
        run_command("ip", "link", "set", "w%d" % self.number, "netns", self.name, "name", "eth0",
                    "address", self.mac)
        self.ip("link", "set", "eth0", "up", "promisc", "on")


class RockerLab(Lab):
    """Hosts 1 to 4 at Rocker's ports."""

    def __init__(self):
        self.rocker = Rocker()
        self.switch = None
        super().__init__(4)

    def namespace(self, name):
        return RootNamespace()

    def host(self, number):
        host = RockerHost("%s-h%d" % (self.prefix, number), number, self.switch_ns,
                          "swp%d" % number, "10.0.0.%d" % number)
        self.namespaces.append(host)
        return host

    def start_switch(self, driver=OPTIONS, *options, ports=(1, 2, 3, 4)):
        if self.switch and self.switch.process.poll() is None:
            self.switch.stop()
        self.switch = Switch(self, ["swp%d@%d,driver=switchdev" % (n, n) for n in ports],
                             options=["--driver", driver, "--hw-policy",
                                      "prefer-hw,allow-uncounted=yes", *options])

    def entries(self, state="hardware"):
        return [e for e in self.switch.ctl_json("hw", "entries")["entries"] if e["state"] == state]


def fdb():
    """The static entries of the bridge, as (address, VLAN, device, offloaded)."""
    rows = json.loads(run_command("bridge", "-j", "fdb", "show", "br", "tnbr0").stdout)
    return sorted((row["mac"], row.get("vlan"), row["ifname"], "offload" in row["flags"])
                  for row in rows if row.get("state") == "static")


def in_chip(lab, n=4):
    """Waits until the rules' entries (one a port) are in hardware."""
    wait_for(lambda: len(lab.entries()) == n, "%d entries are in hardware" % n)


def frame(number, dst=M2, src=1, tci=10):
    return ethernet(b"%06d" % number + bytes(44), 0x88b6, src="02:00:00:00:00:%02x" % src, dst=dst,
                    tci=tci)


def heard(lab, sender, frames):
    """Sends tagged frames from a host: {host: frames}, and what came up to the port's stack. Rocker
    floods what comes last, and shows it to the host."""
    last = frame(0, "ff:ff:ff:ff:ff:ff", sender)
    with contextlib.ExitStack() as stack:
        ears = {host.number: stack.enter_context(Capture(host)) for host in lab.hosts
                if host.number != sender}
        ears["stack"] = stack.enter_context(Capture(lab.switch_ns, "swp%d" % sender))
        lab.hosts[sender - 1].send("eth0", *frames, last)
        return {who: [f for f in ear.until(last) if f[12:14] == b"\x81\0"]
                for who, ear in ears.items()}


def only(where, frames):
    return {who: frames if who == where else [] for who in (1, 2, 3, 4, "stack")}


def expect(lab, sender, where, n=20, **how):
    """Frames come out there, each once and in order, and nowhere else: also not up to the host."""
    frames = [frame(i, src=sender, **how) for i in range(1, n + 1)]
    wanted = only(where, frames)
    del wanted[sender]
    check_equal(heard(lab, sender, frames), wanted, "who heard the frames of host %d" % sender)


def traffic_brings_it_back(lab):
    """What was refused on some port is offered on all of them when software has packets of it."""
    def sent():
        lab.hosts[0].send("eth0", *[frame(i) for i in range(20)])
        return len(lab.entries()) == 4
    wait_for(sent, "traffic brings the rule back into the chip")


def a_chip_that_floods_will_not_do(lab):
    lab.start_switch("switchdev:vlans=10", ports=())
    done = lab.switch.ctl("add-port", "br0", "swp1", "--driver", "switchdev", ok=False)
    text = done.stdout + done.stderr
    check(done.returncode and "swp1: it floods by itself" in text and "bridge flag offload" in text,
          "refused with the kernel's words: " + text)
    links = run_command("ip", "-j", "link", "show").stdout
    check("tnbr" not in links and "master" not in links, "nothing is left behind: " + links)


def a_rule_is_in_the_chip(lab):
    lab.start_switch()
    lab.switch.ofctl("add-flow", TO_2)
    in_chip(lab)
    check_equal(fdb(), [(M2, 10, "swp2", True)], "the bridge's entries")
    shown = lab.switch.ctl("hw", "show").stdout
    for line in ("4 entries", "bridge: tnbr0", "switch id: ", "bridge entries: 1"):
        check(line in shown, line + " in " + shown)
    for sender in (1, 3, 4):
        expect(lab, sender, 2)


def another_flow_on_one_port_takes_it_out(lab):
    """The chip can't tell ports apart: then it is software's on all of them."""
    lab.switch.ofctl("add-flow", "priority=20,in_port=3,dl_vlan=10,dl_dst=%s,actions=output:4" % M2)
    wait_for(lambda: not fdb(), "the bridge has no entry")
    wait_for(lambda: not lab.entries(), "no entry is in hardware")
    lab.switch.ofctl("del-flows", "--strict",
                     "priority=20,in_port=3,dl_vlan=10,dl_dst=%s" % M2)
    traffic_brings_it_back(lab)
    expect(lab, 3, 2)


def a_rule_of_one_port_stays_in_software(lab):
    lab.switch.ofctl("add-flow", "priority=10,in_port=1,dl_vlan=20,dl_dst=%s,actions=output:4" % M4)
    refused = wait_for(lambda: lab.entries("refused"), "an entry is refused")
    check_equal(refused[0]["reason"]["name"], "driver-refused", "the reason")
    check("not the same on port" in refused[0]["reason"]["words"], refused[0]["reason"]["words"])
    lab.switch.ofctl("del-flows", "dl_vlan=20")


def a_barrier_waits_for_the_chip(lab):
    """What a rule that is gone did is not done any more when the answer to a barrier comes: the
    chip floods then, and shows the frame to the host."""
    for i in range(1, 11):
        lab.switch.ofctl("del-flows")        # sends a barrier
        came = heard(lab, 1, [frame(i)])
        check_equal((len(came["stack"]), len(came[3])), (1, 1), "round %d: past the entry" % i)
        lab.switch.ofctl("add-flow", TO_2)
        in_chip(lab)
        if i in (1, 10):
            expect(lab, 1, 2)


def a_change_of_the_port_moves_it(lab):
    lab.switch.ofctl("mod-flows", TO_2.replace("output:2", "output:3"))
    wait_for(lambda: fdb() == [(M2, 10, "swp3", True)], "the entry leads to the other port")
    in_chip(lab)
    expect(lab, 1, 3)
    lab.switch.ofctl("mod-flows", TO_2)
    in_chip(lab)


def why_others_stay(lab):
    group = "01:00:5e:01:02:03"
    for match, packet, words in (
            ("dl_vlan=1,dl_dst=%s" % M2, "dl_vlan=1,dl_dst=%s" % M2, "are in this VLAN, too"),
            ("dl_vlan=30,dl_dst=%s" % M2, "dl_vlan=30,dl_dst=%s" % M2, "not in this VLAN"),
            ("dl_vlan=10,dl_dst=%s" % group, "dl_vlan=10,dl_dst=%s" % group, "not for a group's"),
            ("dl_dst=%s" % M2, "dl_dst=%s" % M2, "is of one VLAN: name it"),
            ("dl_vlan=0xffff,dl_dst=%s" % M2, "dl_dst=%s" % M2, "with one of VLAN 0"),
            ("dl_vlan=10,dl_vlan_pcp=3,dl_dst=%s" % M2, "dl_vlan=10,dl_vlan_pcp=3,dl_dst=%s" % M2,
             "does not look at the VLAN's priority")):
        lab.switch.replace_flows("priority=5,%s,actions=output:2" % match)
        why = lab.switch.ctl("hw", "explain", "in_port=1,dl_type=0x88b6," + packet).stdout
        check(words in why, "%s: %s" % (match, why))
    lab.switch.replace_flows("priority=5,dl_vlan=10,dl_dst=%s,actions=drop" % M2)
    refused = wait_for(lambda: lab.entries("refused"), "drop is refused")
    check("can't drop" in refused[0]["reason"]["words"], refused[0]["reason"]["words"])


def count_of(lab, counter, n):
    wait_for(lambda: lab.switch.counters()[counter] >= n, "%s reaches %d" % (counter, n))


def what_somebody_deletes_is_put_back(lab):
    """At once, not with the next audit."""
    lab.switch.replace_flows(TO_2)
    in_chip(lab)
    before = lab.switch.counters()["switchdev_entry_changed"]
    run_command("bridge", "fdb", "del", M2, "dev", "swp2", "vlan", "10", "master", "static")
    count_of(lab, "switchdev_entry_changed", before + 1)
    wait_for(lambda: fdb() == [(M2, 10, "swp2", True)], "the entry is there again")
    in_chip(lab)
    expect(lab, 1, 2)
    check("%s of VLAN 10: somebody else deleted it" % M2 in lab.logs(200), "the log has it")


def what_somebody_replaces_is_theirs(lab):
    before = lab.switch.counters()["switchdev_entry_changed"]
    run_command("bridge", "fdb", "replace", M2, "dev", "swp4", "vlan", "10", "master", "static")
    count_of(lab, "switchdev_entry_changed", before + 1)
    refused = wait_for(lambda: lab.entries("refused"), "the rule is software's")
    check("somebody else's" in refused[0]["reason"]["words"], refused[0]["reason"]["words"])
    check_equal([row[:3] for row in fdb()], [(M2, 10, "swp4")], "their entry")
    run_command("bridge", "fdb", "del", M2, "dev", "swp4", "vlan", "10", "master", "static")
    in_chip(lab)


def a_learnt_one_in_its_place_is_theirs(lab):
    """The same port, but the kernel may forget it when it likes."""
    before = lab.switch.counters()["switchdev_entry_changed"]
    run_command("bridge", "fdb", "replace", M2, "dev", "swp2", "vlan", "10", "master", "dynamic")
    count_of(lab, "switchdev_entry_changed", before + 1)
    wait_for(lambda: lab.entries("refused"), "the rule is software's")
    run_command("bridge", "fdb", "del", M2, "dev", "swp2", "vlan", "10", "master")
    in_chip(lab)


def a_burst_hides_nothing(lab):
    """More happens to another bridge than the daemon reads in time, while an entry of ours goes."""
    run_command("ip", "link", "add", "theirs", "type", "bridge")
    run_command("ip", "link", "add", "many", "up", "master", "theirs", "type", "dummy")
    batch = lab.path("burst")
    with open(batch, "w", encoding="ascii") as out:
        for _ in range(3):
            for what in ("add", "del"):
                for i in range(2000):
                    out.write("fdb %s 02:00:01:00:%02x:%02x dev many master static\n"
                              % (what, i >> 8, i & 255))
    lab.switch.process.send_signal(signal.SIGSTOP)
    run_command("bridge", "-batch", batch)
    run_command("bridge", "fdb", "del", M2, "dev", "swp2", "vlan", "10", "master", "static")
    lab.switch.process.send_signal(signal.SIGCONT)
    count_of(lab, "switchdev_overrun", 1)
    wait_for(lambda: fdb() == [(M2, 10, "swp2", True)], "the entry is there again")
    in_chip(lab)
    run_command("ip", "link", "del", "theirs")
    run_command("ip", "link", "del", "many")


def a_port_that_is_taken_out_comes_back(lab):
    run_command("ip", "link", "set", "swp2", "nomaster")
    count_of(lab, "switchdev_port_left", 1)
    in_chip(lab)
    check_equal(fdb(), [(M2, 10, "swp2", True)], "the bridge's entries")
    expect(lab, 3, 2)


def a_strangers_entry_stays(lab):
    lab.switch.ofctl("del-flows")
    run_command("bridge", "fdb", "add", M4, "dev", "swp4", "vlan", "10", "master", "static")
    stranger = [(M4, 10, "swp4", True)]
    wait_for(lambda: fdb() == stranger, "the stranger's entry is in the chip")
    lab.switch.ofctl("add-flow", TO_2.replace(M2, M4).replace("output:2", "output:1"))
    refused = wait_for(lambda: lab.entries("refused"), "an entry is refused")
    check("somebody else's" in refused[0]["reason"]["words"], refused[0]["reason"]["words"])
    audit = lab.switch.ctl("hw", "audit", ok=False).stdout
    check("foreign" in audit, "the audit tells of it: " + audit)
    lab.switch.ofctl("del-flows")
    check_equal(fdb(), stranger, "the stranger's entry")
    run_command("bridge", "fdb", "del", M4, "dev", "swp4", "vlan", "10", "master", "static")


def what_a_killed_process_left_is_adopted(lab):
    lab.switch.replace_flows(TO_2)
    in_chip(lab)
    lab.switch.process.send_signal(signal.SIGKILL)
    lab.switch.process.wait()
    check_equal(fdb(), [(M2, 10, "swp2", True)], "the bridge's entries")
    lab.switch.start()
    lab.switch.ofctl("add-flow", TO_2)
    in_chip(lab)
    device = lab.switch.ctl_json("hw", "show")["devices"][0]
    check_equal((device["added"], device["removed"]), (0, 0), "changes of the chip")
    expect(lab, 4, 2)


def a_restart_keeps_what_is_asked_for(lab):
    lab.start_switch(OPTIONS, "--on-exit", "keep")
    lab.switch.ofctl("add-flow", TO_2)
    in_chip(lab)
    lab.switch.stop()
    check_equal(fdb(), [(M2, 10, "swp2", True)], "the bridge's entries")
    direct = run_command(program("turnoutctl"), "hw", "--direct", "switchdev", "entries").stdout
    check(M2 in direct, "hw --direct shows them: " + direct)
    # Nobody claims them: they go when the grace is over.
    lab.start_switch(OPTIONS, "--restart-grace", "1")
    wait_for(lambda: not fdb(), "nobody wants the entry")


def a_port_that_goes_down_leaves(lab):
    lab.switch.replace_flows(TO_2)
    in_chip(lab)
    lab.switch.ofctl("mod-port", "4", "down")
    wait_for(lambda: "master" not in run_command("ip", "-j", "link", "show", "swp4").stdout,
             "the port has left the bridge")
    lab.switch.ofctl("mod-port", "4", "up")
    traffic_brings_it_back(lab)
    expect(lab, 4, 2)


def somebody_elses_bridge_is_left_alone(lab):
    lab.start_switch(ports=(1, 2))
    run_command("ip", "link", "add", "theirs", "type", "bridge")
    run_command("ip", "link", "set", "swp3", "master", "theirs")
    done = lab.switch.ctl("add-port", "br0", "swp3", "--driver", "switchdev", ok=False)
    check(done.returncode and "theirs" in done.stdout + done.stderr, "refused: " + done.stderr)
    link, = json.loads(run_command("ip", "-j", "link", "show", "swp3").stdout)
    check_equal(link["master"], "theirs", "the port's master")
    run_command("ip", "link", "del", "theirs")


def the_end_leaves_nothing_behind(lab):
    lab.switch.stop()
    check("tnbr" not in run_command("ip", "-j", "link", "show").stdout, "the bridge has gone")
    lab.rocker.unload()


def main():
    enter(options=["-r"])
    run(RockerLab(), a_chip_that_floods_will_not_do, a_rule_is_in_the_chip,
        another_flow_on_one_port_takes_it_out, a_rule_of_one_port_stays_in_software,
        a_barrier_waits_for_the_chip, a_change_of_the_port_moves_it, why_others_stay,
        what_somebody_deletes_is_put_back, what_somebody_replaces_is_theirs,
        a_learnt_one_in_its_place_is_theirs, a_burst_hides_nothing,
        a_port_that_is_taken_out_comes_back, a_strangers_entry_stays, what_a_killed_process_left_is_adopted,
        a_restart_keeps_what_is_asked_for, a_port_that_goes_down_leaves,
        somebody_elses_bridge_is_left_alone, the_end_leaves_nothing_behind)


if __name__ == "__main__":
    main()
