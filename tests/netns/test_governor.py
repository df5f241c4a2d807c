#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The flow governor from outside: floods of new flows on one port of a switch with small budgets,
so that modest floods are floods, and what others notice of them."""

import random
import re
import signal
import socket
import struct
import threading

from netns.lib import Capture, Lab, Switch, check, check_equal, run, run_command, program, wait_for
from netns.rawof import PACKET_IN
from netns.rawof import connect as connect_controller

PORTS = ["p1@1,driver=sim", "p2@2,driver=sim", "p3@3,driver=sim"]
SETTINGS = "setup-budget 400\n"
# Whatever a TCP or UDP flow has in these fields, another value makes another cache entry.
WIDE = ("priority=10,%s,nw_src=203.0.113.1,nw_dst=203.0.113.2,tp_src=1,tp_dst=1,"
        "actions=drop")
DST = bytes.fromhex("020000000003")
BATCH = 40
NUMBERED = 0x88b5


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


def packet(source, destination, proto, payload, mac):
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, 64, proto, 0,
                         socket.inet_aton(source), socket.inet_aton(destination))
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    return DST + mac + struct.pack("!H", 0x800) + header + payload


def syn(source, sport, dport=80, flags=2, mac=bytes.fromhex("020000000001")):
    tcp = struct.pack("!HHIIBBHHH", sport, dport, 1, 0, 0x50, flags, 1024, 0, 0)
    return packet(source, "10.0.0.3", 6, tcp, mac)


def udp(source, sport, size=20, mac=bytes.fromhex("020000000001")):
    data = struct.pack("!HHHH", sport, 9, 8 + size, 0) + bytes(size)
    return packet(source, "10.0.0.3", 17, data, mac)


class Flood(threading.Thread):
    """SYNs that nobody ever sent before, from host 1, until stop()."""

    def __init__(self, lab):
        super().__init__(daemon=True)
        with lab.hosts[0].inside():
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self.sock.bind(("eth0", 0))
        self.over = threading.Event()
        self.random = random.Random(7)
        self.sent = 0
        self.start()

    def run(self):
        while not self.over.wait(0.01):
            for _ in range(BATCH):
                address = "172.%d.%d.%d" % (self.random.randrange(16, 32),
                                            self.random.randrange(256), self.random.randrange(256))
                self.sock.send(syn(address, self.random.randrange(1024, 65536)))
                self.sent += 1

    def stop(self):
        self.over.set()
        self.join()
        self.sock.close()


def start(lab, settings=SETTINGS, driver=False, listeners=(), more=(),
          flows=(WIDE % "tcp", WIDE % "udp", "priority=1,actions=normal")):
    if lab.switch:
        lab.switch.stop()
    lab.config = lab.path("governor.conf")
    with open(lab.config, "w", encoding="utf-8") as out:
        out.write(settings)
    options = ["--config", lab.config, *more] + (["--driver", "sim:exact=1000"] if driver else [])
    ports = PORTS if driver else [p.split(",")[0] for p in PORTS]
    lab.switch = Switch(lab, ports, options=options, listeners=listeners)
    lab.switch.replace_flows(*flows)


def log_lines(lab, text):
    path = lab.processes[-1][2]
    for what, process, log in lab.processes:
        if process is lab.switch.process:
            path = log
    with open(path, encoding="utf-8") as source:
        return [line for line in source if text in line]


def governor(lab, port=1):
    return lab.switch.ctl_json("governor", str(port))["ports"][0]


def state(lab):
    return governor(lab)["state"]


def flood_mode(lab):
    wait_for(lambda: state(lab) == "flood", "port 1 is in flood mode")


def calm(lab):
    wait_for(lambda: state(lab) == "calm", "port 1 is calm")


def frame(number, source):
    return DST + bytes((2, 0, 0, 0, 0, source)) + struct.pack("!HI", NUMBERED, number) + bytes(44)


class Numbered:
    """Frames with numbers from a host to host 3, none of which may be lost or overtaken."""

    def __init__(self, lab, source):
        self.host = lab.hosts[source - 1]
        self.source = source
        self.capture = Capture(lab.hosts[2])
        self.capture.sock.bind(("eth0", NUMBERED))    # the flood would fill its buffer
        self.sent = self.seen = 0
        self.send(1)
        self.got_all()

    def send(self, n):
        for _ in range(n):
            self.sent += 1
            self.host.send("eth0", frame(self.sent, self.source))

    def got_all(self):
        numbers = []

        def look():
            while self.seen + len(numbers) < self.sent:
                data = self.capture.next(0)
                if data is None:
                    return False
                if data[6:14] == frame(0, self.source)[6:14]:
                    numbers.append(struct.unpack_from("!I", data, 14)[0])
            return True
        wait_for(look, "numbered frames arrive")
        check_equal(numbers, list(range(self.seen + 1, self.sent + 1)), "numbers")
        self.seen = self.sent


def reload(lab, settings):
    """The configuration file has these settings from now on."""
    with open(lab.config, "w", encoding="utf-8") as out:
        out.write(settings)
    n = len(log_lines(lab, "configuration applied"))
    lab.switch.process.send_signal(signal.SIGHUP)
    wait_for(lambda: len(log_lines(lab, "configuration applied")) > n, "the settings are applied")


def wrong_options_are_refused(_):
    def refused(words, *options):
        done = run_command(program("turnoutd"), "--check-config", "--bridge", "br0", *options,
                           ok=False)
        check_equal(done.returncode, 2, str(options) + done.stderr)
        for word in words:
            check(word in done.stderr, "%r in %s" % (word, done.stderr))
    refused(["--governor", "'yes'", "on off first-packet"], "--governor", "yes")
    refused(["--over-budget", "uncached drop"], "--over-budget", "keep")
    refused(["--setup-budget", "1 to 100000000"], "--setup-budget", "0")
    refused(["--setup-budget", "the smaller one first"], "--setup-budget", "10-5")
    refused(["--entry-budget", "'x'"], "--entry-budget", "x")
    text = run_command(program("turnoutd"), "--help").stdout
    for name in ("governor", "over-budget", "setup-budget", "entry-budget"):
        check("--%s " % name in text, text)


def settings_are_shown(lab):
    start(lab, "")
    shown = lab.switch.ctl_json("governor")
    check_equal((shown["mode"], shown["over_budget"], shown["entries_per_s"]),
                ("on", "uncached", None), "defaults")
    check_equal(shown["setup_budget"], {"min": 20000, "max": 200000}, "set-ups")
    check_equal(shown["entry_budget"], {"min": 500, "max": 50000}, "entries")
    check_equal([p["port"] for p in shown["ports"]], [1, 2, 3, 65534], "ports")
    check_equal(len(shown["workers"]), 1, "workers")
    text = lab.switch.ctl("governor", "br0", "p2").stdout
    check(re.search(r"governor: on; over budget: uncached\nset-ups: 20000 to 200000/s a worker",
                    text), text)
    check(re.search(r"br0 +2 +p2 +calm +0 +50000 ", text), text)
    done = lab.switch.ctl("governor", "p9", ok=False)
    check(done.returncode == 1 and "p9" in done.stderr, done.stderr)
    check("governor" in lab.switch.ctl("governor", "--help").stdout, "help")
    check_equal(lab.switch.ctl("governor", "p1", "p2", "p3", ok=False).returncode, 2, "usage")


def others_do_not_notice_a_flood(lab):
    start(lab)
    other, same = Numbered(lab, 2), Numbered(lab, 1)
    flood = Flood(lab)
    try:
        flood_mode(lab)
        for _ in range(20):
            other.send(10)
            same.send(10)
        lab.hosts[1].ping("10.0.0.3", count=10)
        other.got_all()
        same.got_all()
    finally:
        flood.stop()
    shown = governor(lab)
    check(shown["held"]["flood"] > 0 and shown["dropped"] == 0, shown)
    check_equal(shown["asked"], shown["installed"] + shown["uncached"], "what was asked for")
    for port in (2, 3):
        check_equal(sum(governor(lab, port)["held"].values()), 0, "held back on port %d" % port)
    check_equal(shown["sources"]["macs"]["list"][0]["address"], "02:00:00:00:00:01", "top source")
    text = lab.switch.ctl("governor", "1").stdout
    check(re.search(r" flood +1 .*\nheld back on port 1 \(p1\).*\n  mac 02:00:00:00:00:01 +\d+%",
                    text), text)


def a_flood_ends_and_is_told_of_once(lab):
    calm(lab)
    shown = governor(lab)
    check_equal(shown["floods"], 1, "floods")
    wait_for(lambda: log_lines(lab, "the flood on port p1 is over; packets held back: "), "log")
    begun = log_lines(lab, "port p1 is being flooded with new flows")
    check_equal(len(begun), 1, begun)
    check("most of it from 02:00:00:00:00:01" in begun[0], begun[0])
    check_equal(len(log_lines(lab, "is over")), 1, "ends in the log")
    counters = lab.switch.counters()
    check_equal(counters["governor_flood_begun"], 1, "counter")
    check_equal(counters["governor_flood"], shown["held"]["flood"], "counter")
    check_equal(counters["governor_dropped"], 0, "counter")


def nothing_of_a_flood_is_lost_uncached(lab):
    """Packets over budget are forwarded by the flow table as it is now."""
    flood = Flood(lab)
    try:
        flood_mode(lab)
    finally:
        flood.stop()
    with Capture(lab.hosts[2]) as capture:
        for number in range(300):
            lab.hosts[0].send("eth0", syn("172.31.0.1", 1024 + number))
            if number == 150:
                lab.switch.ofctl("add-flow", "priority=20,tcp,in_port=1,actions=drop")
        marker = frame(0xffffffff, 1)
        lab.hosts[0].send("eth0", marker)
        ports = [struct.unpack_from("!H", f, 34)[0] for f in capture.until(marker)
                 if f[12:14] == b"\x08\x00" and f[26:30] == socket.inet_aton("172.31.0.1")]
    lab.switch.ofctl("del-flows", "tcp,in_port=1")
    check_equal(ports, list(range(1024, 1175)), "up to the new flow all, then none")
    calm(lab)


def connect(lab, number):
    """A connection from host 1 to host 3 that carries data both ways."""
    with lab.hosts[2].inside():
        server = socket.socket()
    with lab.hosts[0].inside():
        client = socket.socket()
    with server, client:
        server.bind(("10.0.0.3", 5000 + number))
        server.listen()
        server.settimeout(20)
        client.settimeout(20)
        client.connect(("10.0.0.3", 5000 + number))
        peer, _ = server.accept()
        with peer:
            peer.settimeout(20)
            client.sendall(b"there")
            check_equal(peer.recv(5), b"there", "data")
            peer.sendall(b"back")
            check_equal(client.recv(4), b"back", "data")


def new_connections_come_about_on_the_flooded_port(lab):
    flood = Flood(lab)
    try:
        flood_mode(lab)
        before = governor(lab)["installed"]
        for number in range(10):
            connect(lab, number)
        check_equal(state(lab), "flood", "state")
        wait_for(lambda: governor(lab)["installed"] >= before + 10, "they have cache entries")
    finally:
        flood.stop()
    calm(lab)


def over_budget_can_mean_dropped(lab):
    reload(lab, SETTINGS + "over-budget drop\n")
    check_equal(lab.switch.ctl_json("governor")["over_budget"], "drop", "setting")
    other, same = Numbered(lab, 2), Numbered(lab, 1)
    flood = Flood(lab)
    try:
        flood_mode(lab)
        before = governor(lab)
        for _ in range(20):
            other.send(10)
            same.send(10)
        for number in range(2):
            connect(lab, 20 + number)
        other.got_all()
        same.got_all()
    finally:
        flood.stop()
    wait_for(lambda: governor(lab)["dropped"] > before["dropped"], "packets are dropped")
    check(lab.switch.counters()["governor_dropped"] > 0, "counter")
    ports = {p["number"]: p for p in lab.switch.ctl_json("ports")["ports"]}
    check(ports[1]["rx_dropped"] >= before["dropped"] > 0, ports[1])
    calm(lab)


def without_governor_nothing_is_held_back(lab):
    reload(lab, SETTINGS + "governor off\n")
    check_equal(lab.switch.ctl_json("governor")["mode"], "off", "setting")
    before = governor(lab)
    flood = Flood(lab)
    n = lab.switch.ctl_json("show")["bridges"][0]["cache"]["entries"]
    try:
        wait_for(lambda: lab.switch.ctl_json("show")["bridges"][0]["cache"]["entries"] > n + 1000,
                 "all are cached")
    finally:
        flood.stop()
    after = governor(lab)
    check_equal((after["held"], after["asked"], after["state"]),
                (before["held"], before["asked"], "calm"), "what it did")


def with_first_packet_the_budget_alone_counts(lab):
    reload(lab, SETTINGS + "governor first-packet\n")
    before = governor(lab)
    flood = Flood(lab)
    try:
        wait_for(lambda: governor(lab)["held"]["over_budget"] > before["held"]["over_budget"] + 1000,
                 "the budget is used up")
    finally:
        flood.stop()
    after = governor(lab)
    check_equal([after["held"][k] - before["held"][k] for k in ("flood", "not_proven")], [0, 0],
                "held back for want of proof")
    check(after["installed"] > before["installed"], after)


def a_flood_of_table_misses_leaves_room_for_flows_that_go_on(lab):
    """Without flows every packet goes to the controller, which takes a hundred a second: each
    second one is of the flow that goes on, though the flood has forty times as many."""
    start(lab, flows=(), listeners=["ptcp:6653:127.0.0.1"], more=["--packet-in-rate", "100"])
    got = {True: 0, False: 0}
    with connect_controller(lab) as peer:
        peer.barrier()
        flood = Flood(lab)
        try:
            flood_mode(lab)
            for sent in range(200):
                lab.hosts[0].send("eth0", udp("10.0.0.1", 777, mac=b"\2\0\0\0\0\7"))
                body = peer.wait(lambda kind, xid, body: kind == PACKET_IN, "packet-in")[2]
                got[body[16:22] == b"\2\0\0\0\0\7"] += 1
        finally:
            flood.stop()
    check(got[True] >= 40, "%r of %d" % (got, sent))


# --- hardware -------------------------------------------------------------------------------

def explain(lab, flow):
    return lab.switch.ctl_json("hw", "explain", flow)


def reason(lab, flow):
    return (explain(lab, flow)["reason"] or {}).get("name")


TCP = ("tcp,in_port=1,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:03,nw_src=10.0.0.1,"
       "nw_dst=10.0.0.3,tp_src=4000,tp_dst=80")
UDP = ("udp,in_port=1,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:03,nw_src=10.0.0.1,"
       "nw_dst=10.0.0.3,tp_src=%d,tp_dst=9")


def start_with_hardware(lab, settings):
    start(lab, settings, driver=True)
    for port in (1, 2):
        lab.switch.ofctl("add-flow", "priority=2,in_port=%d,actions=output:3" % port)


def an_unanswered_syn_does_not_go_to_hardware(lab):
    start_with_hardware(lab, "")
    check_equal(reason(lab, TCP), "not-worth-it", "before traffic")

    def send(flags):
        lab.hosts[0].send("eth0", *[syn("10.0.0.1", 4000, flags=flags)] * 100)

    def held_back():
        send(2)
        return reason(lab, TCP) == "not-proven"
    wait_for(held_back, "SYNs are held back")
    check(lab.switch.counters()["governor_entry_not_proven"] > 0, "counter")
    check("handshake" in explain(lab, TCP)["reason"]["summary"], "summary")

    def in_hardware():
        send(0x10)
        return explain(lab, TCP)["state"] == "hardware"
    wait_for(in_hardware, "the connection is in hardware")


def entries_have_a_budget(lab):
    start_with_hardware(lab, "entry-budget 1\n")
    check_equal(lab.switch.ctl_json("governor")["entries_per_s"], 1, "budget")

    def some_wait():
        for port in range(2000, 2030):
            lab.hosts[0].send("eth0", *[udp("10.0.0.1", port)] * 50)
        return any(reason(lab, UDP % port) == "over-budget" for port in range(2000, 2030))
    wait_for(some_wait, "flows wait for the budget")
    check(lab.switch.counters()["governor_entry_over_budget"] > 0, "counter")
    states = [explain(lab, UDP % port)["state"] for port in range(2000, 2030)]
    check("hardware" in states, states)


def a_flood_is_why_a_flow_is_not_in_hardware(lab):
    start_with_hardware(lab, SETTINGS)
    flood = Flood(lab)
    try:
        flood_mode(lab)
        check_equal(reason(lab, TCP), "flood", "a new flow of the flooded port")
        check_equal(reason(lab, TCP.replace("in_port=1", "in_port=2")
                           .replace("00:01", "00:02")), "not-worth-it", "of another port")

        def busy():
            lab.hosts[0].send("eth0", *[udp("10.0.0.1", 3000)] * 100)
            return explain(lab, UDP % 3000)["state"] == "hardware"
        wait_for(busy, "an elephant gets there")
    finally:
        flood.stop()
    calm(lab)


def with_first_packet_flows_go_to_hardware_at_once(lab):
    start_with_hardware(lab, "governor first-packet\n")
    lab.hosts[0].send("eth0", syn("10.0.0.1", 4000))
    wait_for(lambda: lab.switch.ctl_json("hw", "entries")["entries"], "the flow is in hardware")


def main():
    lab = Lab(hosts=3)
    lab.switch = None
    run(lab, wrong_options_are_refused, settings_are_shown, others_do_not_notice_a_flood,
        a_flood_ends_and_is_told_of_once, nothing_of_a_flood_is_lost_uncached,
        new_connections_come_about_on_the_flooded_port, over_budget_can_mean_dropped,
        without_governor_nothing_is_held_back, with_first_packet_the_budget_alone_counts,
        a_flood_of_table_misses_leaves_room_for_flows_that_go_on, an_unanswered_syn_does_not_go_to_hardware,
        entries_have_a_budget, a_flood_is_why_a_flow_is_not_in_hardware,
        with_first_packet_flows_go_to_hardware_at_once)


if __name__ == "__main__":
    main()
