#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A device that is the kernel itself forwards hits behind packet sockets; misses come up behind
its filters. Each frame is forwarded by exactly one of the two, whatever comes and goes."""

import json
import os
import signal
import socket
import struct
import threading
import time

from netns import rawof as of
from netns.hw import BROADCAST, MARKER_TYPE, Flow, mac_of, marker_flow, number_in, state
from netns.lib import (SOURCE, Capture, Lab, Switch, check, check_equal, run, run_command, wait_for)

RATE = 900


class Stream(threading.Thread):
    """Numbered frames of a flow from its host, RATE a second, until it is stopped."""

    def __init__(self, flow, to):
        super().__init__(daemon=True)
        self.flow = flow
        with flow.host.inside():
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self.sock.bind(("eth0", 0))
        self.capture = Capture(to)
        self.first = flow.sent + 1
        self.over = threading.Event()
        self.start()

    def run(self):
        begin, base = time.monotonic(), self.flow.sent
        while not self.over.wait(0.005):
            due = base + int((time.monotonic() - begin) * RATE)
            while self.flow.sent < due:
                self.flow.sent += 1
                self.sock.send(self.flow.frame(self.flow.sent))

    def goes_on(self, n=60):
        sent = self.flow.sent
        wait_for(lambda: self.flow.sent >= sent + n, "frames are sent")

    def all_once(self, what):
        """Stops; fails unless each frame arrived once."""
        self.over.set()
        self.join()
        self.sock.close()
        # It goes the slower way, ours: behind all that is on its way.
        marker = BROADCAST + mac_of(0xEE) + struct.pack("!HI", MARKER_TYPE, self.flow.id) + bytes(42)
        self.flow.host.send("eth0", marker)
        heard = [number_in(frame) for frame in self.capture.until(marker)]
        self.capture.close()
        check_equal(sorted(n[1] for n in heard if n and n[0] == self.flow.id),
                    list(range(self.first, self.flow.sent + 1)), what)


def start(lab):
    if lab.switch and lab.switch.process.poll() is None:
        lab.switch.stop()
    lab.switch = Switch(lab, ["p%d@%d,driver=kernel" % (n, n) for n in (1, 2, 3)],
                        listeners=["ptcp:6653:127.0.0.1"],
                        options=["--driver", lab.driver])
    lab.peer = of.connect(lab)
    marker_flow(lab.peer)


def ifindex(lab, device):
    return json.loads(lab.switch_ns.ip("-j", "link", "show", "dev", device).stdout)[0]["ifindex"]


def miss_device(lab, port="p1"):
    return "tnm%d" % ifindex(lab, port)


def link(lab, device):
    found = lab.switch_ns.ip("-j", "-d", "link", "show", "dev", device, ok=False)
    return json.loads(found.stdout)[0] if found.returncode == 0 else None


def filters(lab, device="p1"):
    return lab.switch_ns.run("tc", "filter", "show", "dev", device, "ingress").stdout


def entry_counts(lab):
    return [e["packets"] for e in lab.switch.ctl_json("hw", "entries")["entries"]
            if e["state"] == "hardware"]


def hits_are_the_kernels_and_misses_ours(lab):
    start(lab)
    hit, miss = Flow(lab, 1, 1, 2), Flow(lab, 1, 1, 3)
    lab.peer.flow_mod(of.output(2), of.match(in_port=1, dl_dst=miss.dst), priority=5)
    lab.peer.flow_mod(of.output(2), hit.match())
    lab.peer.barrier()
    wait_for(lambda: state(lab, hit) == "hardware", "the rule is in the kernel")
    check("bpf" in filters(lab) and "pref 100" in filters(lab), filters(lab))
    streams = [Stream(flow, lab.hosts[1]) for flow in (hit, miss)]
    for stream in streams:
        stream.goes_on(300)
    for stream in streams:
        stream.all_once("frame of flow %d" % stream.flow.id)
    wait_for(lambda: entry_counts(lab) == [hit.sent], "the kernel has counted all hits")
    counts = {flow["priority"]: flow["packets"] for flow in lab.switch.ctl_json("flows")["flows"]}
    check_equal((counts[100], counts[5]), (hit.sent, miss.sent), "packets of the rules")


def rules_come_and_go_under_traffic(lab):
    start(lab)
    flow = Flow(lab, 1, 1, 2)
    lab.peer.flow_mod(of.output(2), of.match(in_port=1), priority=5)
    lab.peer.barrier()
    stream = Stream(flow, lab.hosts[1])
    for _ in range(12):
        stream.goes_on()
        lab.peer.flow_mod(of.output(2), flow.match())
        lab.peer.barrier()
        wait_for(lambda: state(lab, flow) == "hardware", "the rule is in the kernel")
        stream.goes_on()
        lab.peer.flow_mod(b"", flow.match(), command=of.DELETE_STRICT)
        lab.peer.barrier()
    stream.all_once("rules come and go")
    added = lab.switch.ctl_json("hw", "show")["devices"][0]["added"]
    check(added >= 12, "%d rules were put into the kernel" % added)


def tags_and_a_dropped_flow(lab):
    start(lab)
    tagged, dropped = Flow(lab, 1, 1, 2, vlan=77), Flow(lab, 1, 1, 2)
    lab.peer.flow_mod(of.output(3), of.match(in_port=1), priority=5)
    lab.peer.flow_mod(b"", dropped.match())
    lab.peer.barrier()
    wait_for(lambda: state(lab, dropped) == "hardware", "the drop is in the kernel")
    with Capture(lab.hosts[2]) as ear:
        dropped.send(20)
        tagged.send(20)
        got = [ear.expect(number_in, "a tagged frame") for _ in range(20)]
        check_equal([number_in(f) for f in got], [(tagged.id, n) for n in range(1, 21)], "frames")
        check_equal({f[12:16] for f in got}, {b"\x81\x00\x00\x4d"}, "tags")


def tcp_with_its_offloads(lab):
    start(lab)
    lab.peer.flow_mod(of.output(of.NORMAL), of.match())
    lab.peer.barrier()
    one, two = lab.hosts[:2]
    for options in ((), ("-R",)):
        server = lab.start("iperf3", two, "iperf3", "-s", "-1")
        wait_for(lambda: ":5201 " in two.run("ss", "-Hltn").stdout, "iperf3 listens")
        done = one.run("iperf3", "-c", two.address, "-t", "2", "-J", *options, timeout=60)
        server.wait(timeout=30)
        rate = json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"]
        print("# TCP %s: %.0f Mbit/s" % (" ".join(options), rate / 1e6))
        check(rate > 200e6, "only %.1f Mbit/s" % (rate / 1e6))
    one.ping(two.address, count=5, size=4000)


def the_miss_device_is_quiet_and_follows(lab):
    start(lab)
    name = miss_device(lab)
    flags = link(lab, name)["flags"]
    check("UP" in flags and "NOARP" in flags, flags)
    off = lab.switch_ns.run("cat", "/proc/sys/net/ipv6/conf/%s/disable_ipv6" % name).stdout
    check_equal(off, "1\n", "IPv6 of the miss device")
    lab.switch_ns.ip("link", "set", "p1", "mtu", "9000")
    wait_for(lambda: link(lab, name)["mtu"] == 9000, "the MTU follows")
    lab.switch_ns.ip("link", "set", "p1", "mtu", "1500")
    wait_for(lambda: link(lab, name)["mtu"] == 1500, "the MTU follows")
    probe = lab.switch.ctl_json("hw", "probe")["devices"][0]
    check_equal(probe["misses_behind"], True, "what probe says")


def frames_that_do_not_fit_are_counted(lab):
    start(lab)
    flow = Flow(lab, 1, 1, 2)
    lab.switch.process.send_signal(signal.SIGSTOP)
    flow.send(5000)
    lab.switch.process.send_signal(signal.SIGCONT)

    def sums():
        port = lab.switch.ctl_json("ports")["ports"][0]
        dropped = port["rx_dropped"]
        return port["rx_packets"] + dropped == flow.sent and dropped
    dropped = wait_for(sums, "each frame is received or dropped")
    check_equal(lab.switch.counters()["rx_ring_full"], dropped, "rx_ring_full")


def a_miss_device_that_is_removed_is_made_again(lab):
    start(lab)
    flow = Flow(lab, 1, 1, 2)
    lab.peer.flow_mod(of.output(2), of.match(in_port=1))
    lab.peer.barrier()
    before = ifindex(lab, miss_device(lab))
    lab.switch_ns.ip("link", "del", miss_device(lab))
    wait_for(lambda: link(lab, miss_device(lab)) and ifindex(lab, miss_device(lab)) != before,
             "there is another one")
    with Capture(lab.hosts[1]) as ear:
        wait_for(lambda: flow.send(5) and ear.next(0.05), "frames go on")
    check_equal(lab.switch.counters()["port_misses_renewed"], 1, "port_misses_renewed")


def nothing_is_left(lab):
    start(lab)
    names = [miss_device(lab, "p%d" % n) for n in (1, 2, 3)]
    lab.peer.close()
    lab.switch.stop()
    check_equal([n for n in names if link(lab, n)], [], "miss devices")
    check_equal(filters(lab), "", "filters")
    check("clsact" not in lab.switch_ns.run("tc", "qdisc", "show").stdout, "qdiscs")


def a_crash_leaves_the_port_closed_and_is_taken_over(lab):
    start(lab)
    flow = Flow(lab, 1, 1, 2)
    name = miss_device(lab)
    lab.switch.process.send_signal(signal.SIGKILL)
    lab.switch.process.wait()
    wait_for(lambda: not link(lab, name), "the miss device is gone")
    check("mirred" in filters(lab), "the filter is there: " + filters(lab))
    with Capture(lab.hosts[1]) as ear:
        flow.send(20)
        check_equal(ear.next(0.2), None, "a frame with nobody to forward it")
    start(lab)
    lab.peer.flow_mod(of.output(2), of.match(in_port=1))
    lab.peer.barrier()
    stream = Stream(flow, lab.hosts[1])
    stream.goes_on(100)
    stream.all_once("after a crash")


def a_device_that_comes_back_has_its_misses_behind_again(lab):
    start(lab)
    lab.peer.flow_mod(of.output(2), of.match(in_port=1))
    lab.peer.barrier()
    lab.switch_ns.ip("link", "del", "p1")
    lab.hosts[0].plug(lab.switch_ns)
    wait_for(lambda: link(lab, miss_device(lab)), "the miss device is there")
    wait_for(lambda: "mirred" in filters(lab), "so is the filter")
    flow = Flow(lab, 1, 1, 2)
    with Capture(lab.hosts[1]) as ear:
        wait_for(lambda: flow.send(1) and ear.next(0.05), "frames go on")
    stream = Stream(flow, lab.hosts[1])
    stream.goes_on(100)
    stream.all_once("a device that came back")


def main():
    lab = Lab(hosts=3, ipv6=True)
    lab.switch = None
    lab.driver = lab.path("kernel.so")
    run_command("gcc", "-std=gnu11", "-Wall", "-Werror", "-fPIC", "-shared", "-I", SOURCE, "-I",
                SOURCE + "/include", "-o", lab.driver,
                os.path.join(SOURCE, "tests/netns/kernel_driver.c"), "-lmnl")
    run(lab, hits_are_the_kernels_and_misses_ours, rules_come_and_go_under_traffic,
        tags_and_a_dropped_flow, tcp_with_its_offloads, the_miss_device_is_quiet_and_follows,
        frames_that_do_not_fit_are_counted, a_miss_device_that_is_removed_is_made_again,
        nothing_is_left, a_crash_leaves_the_port_closed_and_is_taken_over,
        a_device_that_comes_back_has_its_misses_behind_again)


if __name__ == "__main__":
    main()
