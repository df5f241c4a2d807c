#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Queues: classes of a device, as the tools, controllers and the network see them."""

import re
import signal
import socket
import struct
import threading
import time

from netns import rawof as of
from netns.lib import (Capture, DEADLINE, Lab, Switch, check, check_equal, program, run, wait_for)

BAD_OUT_PORT, BAD_QUEUE = (2, 4), (2, 8)
QUEUE_BAD_PORT, QUEUE_BAD_QUEUE = (5, 0), (5, 1)
BAD_LEN = (1, 6)
QUEUE, QUEUE_ALL, ALL_ONES = 5, 0xFFFFFFFF, (1 << 64) - 1
PACKET_OVERHEAD = 42  # of UDP over IPv4 over Ethernet


class FileSwitch(Switch):
    """turnoutd by a configuration file."""

    def __init__(self, lab, text):
        self.file = lab.path("turnoutd.conf")
        self.write(text)
        super().__init__(lab)

    def write(self, text):
        with open(self.file, "w") as out:
            out.write("log-to stderr\n" + text)

    def start(self):
        self.argv = [program("turnoutd"), "--control", self.control, "--rundir", self.rundir,
                     "--config", self.file]
        super().start()


PORTS = "inactivity-probe 0\nbridge br0\nlisten ptcp:6653:127.0.0.1\nport p1@1 p2@2 p3@3\n"


def enqueue(port, queue):
    return struct.pack("!HHH6xI", 11, 16, port, queue)


def nicira(subtype, body=bytes(6)):
    return struct.pack("!HHIH", 0xFFFF, 10 + len(body), 0x2320, subtype) + body


def set_queue(queue):
    return nicira(4, struct.pack("!xxI", queue))


POP_QUEUE = nicira(5)


def queue_stats(peer, port=of.ALL, queue=QUEUE_ALL):
    """{(port, queue): (bytes, packets, errors)} of QUEUE statistics."""
    data = peer.stats(QUEUE, struct.pack("!HxxI", port, queue))
    rows = [struct.unpack_from("!HxxIQQQ", data, at) for at in range(0, len(data), 32)]
    check_equal(len(rows) * 32, len(data), "size of the statistics")
    return {row[:2]: row[2:] for row in rows}


def queue_config(peer, port):
    """{queue: minimum rate, None without the property} of QUEUE_GET_CONFIG."""
    kind, body = peer.ask(of.QUEUE_GET_CONFIG_REQUEST, struct.pack("!Hxx", port))
    check_equal(kind, of.QUEUE_GET_CONFIG_REPLY, "type of the answer")
    check_equal(struct.unpack_from("!H", body)[0], port, "port of the answer")
    found, at = {}, 8
    while at < len(body):
        queue, length = struct.unpack_from("!IH", body, at)
        props = body[at + 8:at + length]
        if props:
            kind, size, rate = struct.unpack_from("!HHxxxxH", props)
            check_equal((kind, size, len(props)), (1, 16, 16), "the property MIN_RATE")
            found[queue] = rate
        else:
            found[queue] = None
        at += length
    return found


def root_qdisc(lab, device):
    """Kind and handle of the device's root qdisc."""
    text = lab.switch_ns.run("tc", "qdisc", "show", "dev", device, "root").stdout
    return tuple(text.split()[1:3]) or ("", "")


def classes(lab, device):
    text = lab.switch_ns.run("tc", "class", "show", "dev", device).stdout
    return sorted(re.findall(r"class htb (\S+)", text))


def rows(lab):
    """turnoutctl's list by (port, queue)."""
    return {(row["port"], row["queue"]): row for row in lab.switch.ctl_json("queues")["queues"]}


def frame(size=100, number=0, dst_port=1000):
    """A UDP datagram to host 2."""
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, size - 14, number & 0xFFFF, 0, 64, 17, 0,
                     socket.inet_aton("10.0.0.1"), socket.inet_aton("10.0.0.2"))
    total = sum(struct.unpack("!10H", ip))
    total = (total & 0xFFFF) + (total >> 16)
    ip = ip[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + ip[12:]
    udp = struct.pack("!HHHH", 5000, dst_port, size - 34, 0)
    return (of.mac("02:00:00:00:00:02") + of.mac("02:00:00:00:00:01") + b"\x08\x00"
            + ip + udp + bytes(size - PACKET_OVERHEAD))


def udp_to(port):
    return of.match(dl_type=0x0800, nw_proto=17, tp_dst=port)


class Load:
    """Frames into the switch by host 1, as fast as this process can, while in the with
    statement."""

    def __init__(self, lab, *frames):
        with lab.hosts[0].inside():
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self.sock.bind(("eth0", 0))
        self.frames = frames
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._send)

    def _send(self):
        while not self.stop.is_set():
            for data in self.frames:
                try:
                    self.sock.send(data)
                except OSError:
                    pass  # no room: the next one

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        self.sock.close()


def it_starts_with_the_queues_of_its_configuration(lab):
    lab.switch = FileSwitch(lab, PORTS + "queue p2:1,min-rate=1M,max-rate=8M p2:2\n")
    lab.peer = of.connect(lab)
    check_equal(sorted(rows(lab)), [(2, 1), (2, 2)], "queues")
    row = rows(lab)[2, 1]
    check_equal([row[k] for k in ("name", "min_rate", "max_rate", "burst", "active")],
                ["p2", 1000000, 8000000, None, True], "queue 1")
    check_equal(root_qdisc(lab, "p2"), ("htb", "7472:"), "p2's root qdisc")
    check_equal(classes(lab, "p2"), ["7472:1", "7472:2", "7472:fffe", "7472:ffff"], "classes")
    check_equal(root_qdisc(lab, "p1")[0], "noqueue", "p1's root qdisc")


def queues_are_added_changed_and_removed_by_hand(lab):
    switch = lab.switch
    done = switch.ctl("add-queue", "p3", "4294967294", "--max-rate=3G", "--burst", "40k")
    check("port 3: queue 4294967294 added" in done.stdout, done.stdout)
    text = lab.switch_ns.run("tc", "class", "show", "dev", "p3").stdout
    check("ceil 3Gbit" in text and re.search(r"cburst 39\d\d\db", text), text)
    switch.ctl("add-queue", "br0", "3", "5", "--min-rate", "20M")
    switch.ctl("mod-queue", "p3", "5", "--max-rate", "25000k")
    check_equal(rows(lab)[3, 5]["min_rate"], 20000000, "what is not given stays")
    check("above" in switch.ctl("mod-queue", "p3", "5", "--max-rate", "6M", ok=False).stderr,
          "a minimum above the maximum")
    switch.ctl("mod-queue", "p3", "5", "--min-rate", "0", "--max-rate", "40G")
    check_equal(rows(lab)[3, 5]["max_rate"], 40 * 10**9, "maximum")
    check_equal(rows(lab)[3, 5]["min_rate"], None, "minimum")
    text = lab.switch_ns.run("tc", "class", "show", "dev", "p3").stdout
    check("ceil 40Gbit" in text, text)
    text = switch.ctl("queues").stdout
    check(re.search(r"3 +p3 +4294967294 +active +- +3G +40k +0 +0 +0", text), text)
    switch.ctl("del-queue", "p3", "4294967294")
    check_equal(sorted(rows(lab)), [(2, 1), (2, 2), (3, 5)], "queues")
    wait_for(lambda: len(classes(lab, "p3")) == 3, "its class has gone")
    switch.ctl("del-queue", "3", "5")
    wait_for(lambda: root_qdisc(lab, "p3")[0] == "noqueue", "all has gone with the last queue")


def what_cannot_be_a_queue_is_refused(lab):
    for argv, status, word in (
            (("add-queue", "br0", "br0", "1"), 1, "LOCAL has no queues"),
            (("add-queue", "p2", "1"), 1, "port 2 has a queue 1 already"),
            (("add-queue", "p9", "1"), 1, "no port 'p9'"),
            (("add-queue", "p3", "4294967295"), 2, "not a queue's number"),
            (("add-queue", "p3", "x"), 2, "not a queue's number"),
            (("add-queue", "p3", "1", "--max-rate", "fast"), 2, "'fast'"),
            (("add-queue", "p3", "1", "--max-rate", "100"), 1, "8 kbit/s"),
            (("add-queue", "p3", "1", "--burst", "10"), 1, "1500"),
            (("add-queue", "p3", "1", "--min-rate", "2M", "--max-rate", "1M"), 1, "above"),
            (("add-queue", "p3"), 2, "usage"),
            (("mod-queue", "p2", "9", "--max-rate", "1M"), 1, "no queue 9"),
            (("del-queue", "p2", "9"), 1, "no queue 9")):
        done = lab.switch.ctl(*argv, ok=False)
        check(done.returncode == status and word in done.stderr,
              "%s: %d, %s" % (" ".join(argv), done.returncode, done.stderr))
    check_equal(sorted(rows(lab)), [(2, 1), (2, 2)], "queues")
    check_equal(root_qdisc(lab, "p3")[0], "noqueue", "nothing was left on p3")


def controllers_are_told_of_queues(lab):
    peer = lab.peer
    _, body = peer.ask(of.FEATURES_REQUEST)
    capabilities, actions = struct.unpack_from("!II", body, 16)
    check(capabilities & 0x40 and actions & 0x800, "FEATURES: QUEUE_STATS and ENQUEUE")
    # a veth says that it has 10 Gbit/s, of which 1 Mbit/s is a tenth of a tenth of a per cent
    check_equal(queue_config(peer, 2), {1: 1, 2: None}, "queues of port 2")
    check_equal(queue_config(peer, 1), {}, "queues of port 1")
    lab.switch.ctl("mod-queue", "p2", "2", "--min-rate", "2500M")
    check_equal(queue_config(peer, 2), {1: 1, 2: 250}, "a quarter")
    lab.switch.ctl("mod-queue", "p2", "2", "--min-rate", "20G")
    check_equal(queue_config(peer, 2), {1: 1, 2: 1000}, "more than the port has")
    lab.switch.ctl("mod-queue", "p2", "2", "--min-rate", "0")
    for port in (0, 9, of.LOCAL, of.ALL, of.NONE, 0xFF00):
        peer.refused(QUEUE_BAD_PORT, of.QUEUE_GET_CONFIG_REQUEST, struct.pack("!Hxx", port))
    peer.refused(BAD_LEN, of.QUEUE_GET_CONFIG_REQUEST, struct.pack("!HxxI", 2, 0))


def statistics_of_what_is_not_there_are_refused(lab):
    peer = lab.peer
    check_equal(sorted(queue_stats(peer)), [(2, 1), (2, 2)], "of all ports")
    check_equal(sorted(queue_stats(peer, 2)), [(2, 1), (2, 2)], "of port 2")
    check_equal(sorted(queue_stats(peer, 2, 2)), [(2, 2)], "of one queue")
    check_equal(sorted(queue_stats(peer, of.ALL, 2)), [(2, 2)], "of one queue of all ports")
    check_equal(queue_stats(peer, 1), {}, "of a port without queues")
    for error, port, queue in ((QUEUE_BAD_PORT, 9, QUEUE_ALL), (QUEUE_BAD_PORT, 0, 1),
                               (QUEUE_BAD_PORT, of.LOCAL, QUEUE_ALL),
                               (QUEUE_BAD_PORT, of.NONE, QUEUE_ALL), (QUEUE_BAD_PORT, 9, 1),
                               (QUEUE_BAD_QUEUE, 2, 3), (QUEUE_BAD_QUEUE, 1, 1),
                               (QUEUE_BAD_QUEUE, of.ALL, 3)):
        peer.refused(error, of.STATS_REQUEST, struct.pack("!HHHxxI", QUEUE, 0, port, queue))


def an_enqueue_that_cannot_be_is_refused(lab):
    peer = lab.peer
    peer.clear()
    for error, port, queue in ((BAD_OUT_PORT, 0, 1), (BAD_OUT_PORT, 9, 1),
                               (BAD_OUT_PORT, of.LOCAL, 1), (BAD_OUT_PORT, of.NONE, 1),
                               (BAD_OUT_PORT, of.ALL, 1), (BAD_OUT_PORT, of.CONTROLLER, 1),
                               (BAD_QUEUE, 2, 3), (BAD_QUEUE, 1, 1), (BAD_QUEUE, 2, QUEUE_ALL),
                               (BAD_QUEUE, of.IN_PORT, 3)):
        actions = of.output(1) + enqueue(port, queue)
        peer.flow_mod_refused(error, actions)
        peer.refused(error, of.PACKET_OUT, peer.packet_out_body(actions, frame(), in_port=2))
    # IN_PORT is known where the flow is about one port
    peer.flow_mod_refused(BAD_QUEUE, enqueue(of.IN_PORT, 1), of.match(in_port=1))
    peer.refused(BAD_QUEUE, of.PACKET_OUT,
                 peer.packet_out_body(enqueue(of.IN_PORT, 1), frame(), in_port=1))
    peer.flow_mod_refused((2, 1), struct.pack("!HHHxx", 11, 8, 2))
    check_equal(peer.flows(), [], "flows")
    peer.flow_mod(enqueue(of.IN_PORT, 1), of.match(in_port=2))
    peer.flow_mod(enqueue(of.IN_PORT, 1), of.match(dl_type=0x0800))
    peer.flow_mod(enqueue(2, 1), of.match(in_port=1))
    peer.flow_mod(enqueue(2, 3), command=of.DELETE)


def frames_go_through_their_queue_and_are_counted_there(lab):
    peer, (first, second, _) = lab.peer, lab.hosts
    peer.clear()
    before = queue_stats(peer)
    peer.flow_mod(enqueue(2, 1), udp_to(1001))
    peer.flow_mod(enqueue(2, 2) + of.output(3), udp_to(1002))
    peer.flow_mod(of.output(2), udp_to(1003))
    end = frame(60, dst_port=1003, number=77)
    with Capture(second) as capture, Capture(lab.hosts[2]) as third:
        sent = [frame(100 + n, n, 1001 + n % 2) for n in range(20)]
        first.send("eth0", *sent, end)
        # two queues and none: each keeps its order, between them there is none
        got = []
        while len(got) < len(sent) + 1:
            got.append(capture.expect(lambda data: data in sent or data == end, "a frame"))
        for port in (1001, 1002):
            mine = [data for data in sent if data[36:38] == struct.pack("!H", port)]
            check_equal([data for data in got if data in mine], mine, "order of a queue")
        wanted = {(2, 1): sent[0::2], (2, 2): sent[1::2]}
        for data in sent[1::2]:
            third.expect(lambda there, data=data: there == data, "a copy to port 3")
    stats = queue_stats(peer)
    for key, frames in wanted.items():
        check_equal([a - b for a, b in zip(stats[key], before[key])],
                    [sum(map(len, frames)), len(frames), 0], "statistics of queue %s" % (key,))
    row = rows(lab)[2, 1]
    check_equal((row["tx_bytes"], row["tx_packets"], row["tx_errors"]), stats[2, 1], "turnoutctl")
    check_equal(lab.switch.counters()["enqueue_no_queue"], 0, "frames without a queue")


def packet_out_and_in_port_enqueue_too(lab):
    peer, second = lab.peer, lab.hosts[1]
    peer.clear()
    before = queue_stats(peer)
    data, back = frame(200), frame(300)
    # UDP alone: the host may also have something of its own to say
    peer.flow_mod(enqueue(of.IN_PORT, 2), of.match(in_port=2, dl_type=0x0800, nw_proto=17))
    with Capture(second) as capture:
        peer.packet_out(enqueue(2, 1) + enqueue(of.IN_PORT, 1), data, in_port=2)
        capture.expect(lambda there: there == data, "by IN_PORT")
        check_equal(lab.switch.counters()["output_in_port"], 1, "by its number it does not go back")
        second.send("eth0", back)
        capture.expect(lambda there: there == back, "what a flow sends back")
    stats = queue_stats(peer)
    check_equal(stats[2, 1][1] - before[2, 1][1], 1, "packets of queue 1")
    check_equal(stats[2, 2][1] - before[2, 2][1], 1, "packets of queue 2")


def set_queue_holds_until_pop_queue(lab):
    peer, second = lab.peer, lab.hosts[1]
    peer.clear()
    before = queue_stats(peer)
    lost = lab.switch.counters()["enqueue_no_queue"]
    peer.flow_mod(set_queue(1) + of.output(2) + enqueue(2, 2) + of.output(2) + POP_QUEUE
                  + of.output(2) + set_queue(9) + of.output(2), udp_to(1001))
    data = frame(210, dst_port=1001)
    with Capture(second) as capture:
        lab.hosts[0].send("eth0", data)
        for _ in range(5):
            capture.expect(lambda there: there == data, "a copy")
    stats = queue_stats(peer)
    check_equal([stats[2, n][1] - before[2, n][1] for n in (1, 2)], [2, 1], "packets of the queues")
    check_equal(lab.switch.counters()["enqueue_no_queue"], lost + 1, "no such queue: through none")
    check_equal(peer.flows()[0]["actions"][:16], set_queue(1), "the action comes back")
    peer.flow_mod_refused((2, 1), nicira(4, bytes(14)))
    peer.flow_mod_refused((2, 1), nicira(5, bytes(14)))


def tools_read_and_write_them(lab):
    switch = lab.switch
    switch.replace_flows("in_port=1,actions=enqueue:2:1", "in_port=3,actions=enqueue(2,2),output:1")
    text = "\n".join(switch.flows())
    check("actions=enqueue:2:1" in text and "actions=enqueue:2:2,output:1" in text, text)
    check("enqueue:2:1" in switch.ctl("flows").stdout, "turnoutctl flows")
    check(re.search(r"port 2 queue 1: bytes=\d+, pkts=\d+, errors=0",
                    switch.ofctl("queue-stats", "2", "1").stdout), "ovs-ofctl queue-stats")
    text = switch.ofctl("queue-get-config", "2").stdout
    check(re.search(r"queue 1: min_rate:0\.1%", text) and "queue 2:" in text, text)
    check("queue 1: min_rate" in switch.ofctl("queue-get-config").stdout, "of all ports")
    done = switch.ofctl("add-flow", "actions=enqueue:2:9", ok=False)
    check("OFPBAC_BAD_QUEUE" in done.stderr, done.stderr)
    check("OFPQOFC_BAD_QUEUE" in str(switch.ofctl("queue-stats", "2", "9", ok=False)), "BAD_QUEUE")
    switch.replace_flows("in_port=2,actions=set_queue:1,2,pop_queue,in_port",
                         "in_port=1,actions=enqueue:2:1", "in_port=3,actions=enqueue(2,2),output:1")
    check("actions=set_queue:1,output:2,pop_queue,IN_PORT" in "\n".join(switch.flows()), "set_queue")
    text = switch.ctl("trace", "in_port=1,ip").stdout
    check("sent by port 2 (p2), queue 1" in text, text)
    check_equal([o["queue"] for o in switch.ctl_json("trace", "in_port=3")["outputs"]], [2, None],
                "queues of a trace")


def two_queues_share_by_their_rates(lab):
    """2 and 8 Mbit/s, offered more than both: what arrives is 1 : 4, and not above the rates."""
    peer, second = lab.peer, lab.hosts[1]
    lab.switch.ctl("mod-queue", "p2", "1", "--min-rate", "0", "--max-rate", "2M", "--burst", "16k")
    lab.switch.ctl("mod-queue", "p2", "2", "--max-rate", "8M", "--burst", "16k")
    peer.clear()
    peer.flow_mod(enqueue(2, 1), udp_to(1001))
    peer.flow_mod(enqueue(2, 2), udp_to(1002))
    with second.inside():
        sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    received = [0, 0]
    for n, sock in enumerate(sockets):
        sock.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
        sock.bind(("10.0.0.2", 1001 + n))
        sock.setblocking(False)

    def drain():
        for n, sock in enumerate(sockets):
            try:
                while True:
                    received[n] += len(sock.recv(2048)) + PACKET_OVERHEAD
            except BlockingIOError:
                pass
        return list(received)

    def full():
        drain()
        return all(queue_stats(peer)[2, n][2] > before[2, n][2] for n in (1, 2))

    before = queue_stats(peer)
    with Load(lab, frame(1000, dst_port=1001), frame(1000, dst_port=1002)):
        wait_for(full, "both queues are full")
        begin, start = time.monotonic(), drain()
        wait_for(lambda: drain()[0] > start[0] + 300000, "300,000 bytes of queue 1")
        took, end = time.monotonic() - begin, drain()
    shares = [b - a for a, b in zip(start, end)]
    check(2.5 < shares[1] / shares[0] < 5.5, "shares %s" % shares)
    for share, rate in zip(shares, (250000, 1000000)):
        check(share < rate * took * 1.25 + 50000, "%d bytes in %.2f s" % (share, took))

    def settled():
        """All that the flows matched has been sent, or counted as an error."""
        drain()
        stats = queue_stats(peer)
        flows = {f["match"][38:40]: f["packets"] for f in peer.flows()}
        return all(sum(stats[2, n][1:]) - sum(before[2, n][1:]) == flows[struct.pack("!H", 1000 + n)]
                   for n in (1, 2)) and stats

    stats = wait_for(settled, "each frame has left or is counted")
    for n in (1, 2):
        check(stats[2, n][2] > before[2, n][2], "queue %d was full: %s" % (n, stats[2, n]))
        wait_for(lambda n=n: drain()[n - 1] == stats[2, n][0] - before[2, n][0],
                 "the receiver has what queue %d has sent" % n)
    for sock in sockets:
        sock.close()


def a_slow_queue_holds_up_nobody_else(lab):
    peer, second = lab.peer, lab.hosts[1]
    lab.switch.ctl("mod-queue", "p2", "1", "--min-rate", "0", "--max-rate", "8k", "--burst", "1500")
    peer.clear()
    peer.flow_mod(enqueue(2, 1), udp_to(1001))
    peer.flow_mod(enqueue(2, 2), udp_to(1002))
    peer.flow_mod(of.output(2), udp_to(1003))
    errors = queue_stats(peer)[2, 1][2]
    with Load(lab, frame(1000, dst_port=1001)), Capture(second) as capture:
        wait_for(lambda: queue_stats(peer)[2, 1][2] > errors + 100, "queue 1 is full")
        for port in (1002, 1003):
            data = frame(400, number=port, dst_port=port)
            peer.packet_out(of.output(of.TABLE), data, in_port=1)
            capture.expect(lambda there, data=data: there == data, "a frame past the slow queue")
    lab.switch.ctl("mod-queue", "p2", "1", "--min-rate", "1M", "--max-rate", "0")


def super_frames_go_through_queues(lab):
    peer, (first, second, _) = lab.peer, lab.hosts
    lab.switch.ctl("mod-queue", "p2", "2", "--max-rate", "400M", "--burst", "0")
    peer.clear()
    peer.flow_mod(enqueue(2, 2), of.match(in_port=1))
    peer.flow_mod(of.output(1), of.match(in_port=2))
    before = queue_stats(peer)[2, 2]
    with second.inside():
        listener = socket.create_server(("10.0.0.2", 7000))
    with first.inside():
        sender = socket.create_connection(("10.0.0.2", 7000), timeout=DEADLINE)
    receiver = listener.accept()[0]
    size, got = 4 << 20, 0
    writer = threading.Thread(target=lambda: (sender.sendall(bytes(size)), sender.close()))
    writer.start()
    receiver.settimeout(DEADLINE)
    while True:
        data = receiver.recv(1 << 20)
        if not data:
            break
        got += len(data)
    writer.join()
    receiver.close()
    listener.close()
    check_equal(got, size, "bytes that arrived")
    after = queue_stats(peer)[2, 2]
    sent, packets = after[0] - before[0], after[1] - before[1]
    check(sent > size and packets > size // 1600, "%d bytes, %d packets" % (sent, packets))


def after_a_barrier_the_old_queue_gets_nothing(lab):
    peer = lab.peer
    lab.switch.ctl("mod-queue", "p2", "2", "--max-rate", "0")
    peer.clear()
    peer.flow_mod(enqueue(2, 1), udp_to(1001))
    with Load(lab, frame(100, dst_port=1001)):
        for old, new in ((1, 2), (2, 1)) * 5:
            begin = queue_stats(peer)[2, old][1]
            wait_for(lambda o=old, b=begin: queue_stats(peer)[2, o][1] > b + 100, "traffic")
            peer.flow_mod(enqueue(2, new), udp_to(1001), command=of.MODIFY_STRICT)
            left = queue_stats(peer)
            wait_for(lambda n=new: queue_stats(peer)[2, n][1] > left[2, n][1] + 100, "traffic")
            check_equal(queue_stats(peer)[2, old][1:], left[2, old][1:],
                        "packets of queue %d after the barrier" % old)


def a_queue_that_goes_leaves_its_flows_the_port(lab):
    peer, second = lab.peer, lab.hosts[1]
    peer.clear()
    lab.switch.ctl("add-queue", "p2", "30")
    peer.flow_mod(enqueue(2, 30), udp_to(1030))
    data = frame(130, dst_port=1030)
    before = lab.switch.counters()["enqueue_no_queue"]
    with Load(lab, data), Capture(second) as capture:
        wait_for(lambda: queue_stats(peer)[2, 30][1] > 100, "traffic")
        lab.switch.ctl("del-queue", "p2", "30")
        peer.barrier()
        check_equal(sorted(queue_stats(peer)), [(2, 1), (2, 2)], "queues")
        wait_for(lambda: lab.switch.counters()["enqueue_no_queue"] > before + 100,
                 "frames without their queue")
        capture.expect(lambda there: there == data, "they go to the port")
        lab.switch.ctl("add-queue", "p2", "30", "--max-rate", "1G")
        wait_for(lambda: queue_stats(peer)[2, 30][1] > 100, "traffic through the queue again")
    lab.switch.ctl("del-queue", "p2", "30")


def a_strangers_qdisc_is_left_alone(lab):
    sw = lab.switch_ns
    sw.run("tc", "qdisc", "add", "dev", "p3", "root", "handle", "5:", "tbf", "rate", "1gbit",
           "burst", "100k", "latency", "10ms")
    there = sw.run("tc", "qdisc", "show", "dev", "p3").stdout
    done = lab.switch.ctl("add-queue", "p3", "1", ok=False)
    check(done.returncode == 1 and "p3" in done.stderr and "tbf 5:" in done.stderr, done.stderr)
    check_equal(sw.run("tc", "qdisc", "show", "dev", "p3").stdout, there, "p3's qdiscs")
    check_equal(queue_stats(lab.peer, 3), {}, "queues of port 3")
    lab.switch.ctl("del-port", "p3")
    wait_for(lambda: "clsact" not in sw.run("tc", "qdisc", "show", "dev", "p3").stdout, "undone")
    lab.switch.ctl("add-port", "p3@3")
    check_equal(root_qdisc(lab, "p3"), ("tbf", "5:"), "p3's root qdisc")
    sw.run("tc", "qdisc", "del", "dev", "p3", "root")
    # one of the kind, and even with the handle of ours
    sw.run("tc", "qdisc", "add", "dev", "p3", "root", "handle", "7472:", "htb", "default", "ffff")
    done = lab.switch.ctl("add-queue", "p3", "1", ok=False)
    check("htb 7472:" in done.stderr, done.stderr)
    check_equal(root_qdisc(lab, "p3"), ("htb", "7472:"), "p3's root qdisc")
    sw.run("tc", "qdisc", "del", "dev", "p3", "root")


def queues_that_somebody_removes_are_told(lab):
    sw, peer = lab.switch_ns, lab.peer
    lab.switch.ctl("add-queue", "p3", "1")
    peer.packet_out(enqueue(3, 1), frame())
    check_equal(queue_stats(peer, 3)[3, 1], (100, 1, 0), "statistics")
    sw.run("tc", "qdisc", "replace", "dev", "p3", "root", "handle", "6:", "tbf", "rate", "1gbit",
           "burst", "100k", "latency", "10ms")
    check_equal(queue_stats(peer, 3)[3, 1], (ALL_ONES, ALL_ONES, 0), "what is not known any more")
    check(re.search(r"3 +p3 +1 .* \? +\? +0$", lab.switch.ctl("queues").stdout, re.M), "turnoutctl")
    check_equal(lab.switch.counters()["queue_lost"], 1, "counted once")
    with Capture(lab.hosts[2]) as capture:
        peer.packet_out(enqueue(3, 1), frame(150))
        capture.expect(lambda there: there == frame(150), "frames go on")
    lab.switch.ctl("del-queue", "p3", "1")
    lab.switch.ctl("del-port", "p3")
    wait_for(lambda: "clsact" not in sw.run("tc", "qdisc", "show", "dev", "p3").stdout, "undone")
    check_equal(root_qdisc(lab, "p3"), ("tbf", "6:"), "the other's stays")
    sw.run("tc", "qdisc", "del", "dev", "p3", "root")
    lab.switch.ctl("add-port", "p3@3")


def queues_wait_for_their_device(lab):
    peer, second = lab.peer, lab.hosts[1]
    peer.clear()
    data = frame(140, dst_port=1001)
    peer.packet_out(enqueue(2, 1), data)
    before = queue_stats(peer)
    lab.switch_ns.ip("link", "del", "p2")
    wait_for(lambda: not rows(lab)[2, 1]["active"], "the device has gone")
    check_equal(queue_stats(peer), before, "what is known stays")
    check_equal(sorted(queue_config(peer, 2)), [1, 2], "queues")
    check("waiting" in lab.switch.ctl("queues").stdout, "turnoutctl")
    lab.switch.ctl("add-queue", "p2", "3", "--max-rate", "5M")
    peer.flow_mod(enqueue(2, 3), udp_to(1001))
    second.plug(lab.switch_ns)
    wait_for(lambda: all(row["active"] for row in rows(lab).values()), "the device is back")
    check_equal(classes(lab, "p2"), ["7472:1", "7472:2", "7472:3", "7472:fffe", "7472:ffff"],
                "classes")
    check_equal(queue_stats(peer)[2, 1], before[2, 1], "nothing goes back")
    wait_for(lambda: not peer.ports()[2][3] & 1, "the link is up")
    with Capture(second) as capture:
        peer.packet_out(enqueue(2, 1), data)
        peer.packet_out(enqueue(2, 3), data)
        capture.expect(lambda there: there == data, "a frame")
        capture.expect(lambda there: there == data, "another")
    check_equal(queue_stats(peer)[2, 1][1], before[2, 1][1] + 1, "packets of queue 1")
    check_equal(queue_stats(peer)[2, 3][1], 1, "packets of queue 3")


def a_device_that_came_with_a_strangers_qdisc_has_no_queues(lab):
    sw, second = lab.switch_ns, lab.hosts[1]
    before = lab.switch.counters()["queue_not_made"]
    sw.ip("link", "set", "p2", "down")
    sw.ip("link", "set", "p2", "name", "q2")
    wait_for(lambda: not rows(lab)[2, 1]["active"], "the device has gone")
    wait_for(lambda: root_qdisc(lab, "q2")[0] != "htb", "it is as it was")
    sw.run("tc", "qdisc", "add", "dev", "q2", "root", "handle", "5:", "tbf", "rate", "1gbit",
           "burst", "100k", "latency", "10ms")
    sw.ip("link", "set", "q2", "name", "p2")
    sw.ip("link", "set", "p2", "up")
    wait_for(lambda: lab.switch.counters()["queue_not_made"] == before + 3, "three were refused")
    check_equal(root_qdisc(lab, "p2"), ("tbf", "5:"), "p2's root qdisc")
    wait_for(lambda: not lab.peer.ports()[2][3] & 1, "the link is up")
    with Capture(second) as capture:
        lab.peer.packet_out(enqueue(2, 1), frame(160))
        capture.expect(lambda there: there == frame(160), "it goes through none")
    lab.switch.ctl("del-port", "p2")
    wait_for(lambda: "clsact" not in sw.run("tc", "qdisc", "show", "dev", "p2").stdout, "undone")
    sw.run("tc", "qdisc", "del", "dev", "p2", "root")
    lab.switch.ctl("add-port", "p2@2")


def reload(lab, text):
    """SIGHUP with this configuration, and what it did."""
    def applied():
        return lab.logs(1000).count("configuration applied")

    n = applied()
    lab.switch.write(text)
    lab.switch.process.send_signal(signal.SIGHUP)
    wait_for(lambda: applied() > n, "the configuration is applied")


def a_new_configuration_changes_what_differs(lab):
    reload(lab, PORTS + "queue p2:1,max-rate=9M p3:4294967294 p1:0,min-rate=8k\n")
    check_equal({key: row["max_rate"] for key, row in rows(lab).items()},
                {(1, 0): None, (2, 1): 9000000, (3, 4294967294): None}, "queues")
    lab.peer.packet_out(enqueue(2, 1), frame())
    before = queue_stats(lab.peer)[2, 1]
    lab.switch.ctl("add-queue", "p3", "8")
    reload(lab, PORTS + "queue p2:1,max-rate=10M\n")
    check_equal({key: row["max_rate"] for key, row in rows(lab).items()},
                {(2, 1): 10000000, (3, 8): None}, "what was added by hand stays")
    check_equal(queue_stats(lab.peer)[2, 1], before, "a queue that stays goes on counting")
    lab.switch.ctl("del-queue", "p3", "8")
    for text, word in (("queue p9:1", "'p9' is not a port of bridge 'br0'"),
                       ("queue p2", "not DEV:ID"), ("queue p2:1 p2:1", "has a queue 1 already"),
                       ("queue p2:1,max-rate=1", "8 kbit/s"), ("queue p2:1,x=1", "min-rate"),
                       ("queue p2:4294967295", "not DEV:ID")):
        lab.switch.write(PORTS + text + "\n")
        done = lab.switch_ns.run(program("turnoutd"), "--config", lab.switch.file,
                                 "--check-config", ok=False)
        check(done.returncode == 2 and word in done.stderr, "%s: %s" % (text, done.stderr))
    lab.switch.write(PORTS + "queue p2:1,max-rate=10M p3:5\n")
    reload(lab, PORTS + "queue p2:1,max-rate=10M p3:5\n")


def what_a_killed_switch_left_is_taken_over(lab):
    lab.peer.close()
    lab.switch.process.kill()
    lab.switch.process.wait()
    check_equal(root_qdisc(lab, "p2"), ("htb", "7472:"), "p2's root qdisc was left")
    check_equal(root_qdisc(lab, "p3"), ("htb", "7472:"), "p3's root qdisc was left")
    lab.switch.write(PORTS + "queue p2:7,max-rate=20M\n")
    lab.switch.start()
    check_equal(sorted(rows(lab)), [(2, 7)], "queues")
    check_equal(classes(lab, "p2"), ["7472:1", "7472:fffe", "7472:ffff"], "classes of p2")
    check_equal(root_qdisc(lab, "p3")[0], "noqueue", "a port without queues is cleared")
    lab.peer = of.connect(lab)
    with Capture(lab.hosts[1]) as capture:
        lab.peer.packet_out(enqueue(2, 7), frame())
        capture.expect(lambda there: there == frame(), "a frame")
    check_equal(queue_stats(lab.peer), {(2, 7): (100, 1, 0)}, "statistics")


def a_start_with_a_strangers_qdisc_is_refused(lab):
    lab.peer.close()
    lab.switch.stop()
    check_equal(root_qdisc(lab, "p2")[0], "noqueue", "nothing is left on p2")
    sw = lab.switch_ns
    sw.run("tc", "qdisc", "add", "dev", "p2", "root", "handle", "5:", "tbf", "rate", "1gbit",
           "burst", "100k", "latency", "10ms")
    done = sw.run(*lab.switch.argv, ok=False)
    check(done.returncode == 1 and "p2" in done.stderr and "tbf 5:" in done.stderr, done.stderr)
    check_equal(root_qdisc(lab, "p2"), ("tbf", "5:"), "p2's root qdisc")
    sw.run("tc", "qdisc", "del", "dev", "p2", "root")


def it_ends_cleanly(lab):
    lab.switch.start()
    check_equal(sorted(rows(lab)), [(2, 7)], "queues survive")
    lab.switch.ctl("add-queue", "p1", "1")
    lab.switch.stop()
    for device in ("p1", "p2", "p3"):
        check_equal(root_qdisc(lab, device)[0], "noqueue", "root qdisc of " + device)


if __name__ == "__main__":
    run(Lab(hosts=3), it_starts_with_the_queues_of_its_configuration,
        queues_are_added_changed_and_removed_by_hand, what_cannot_be_a_queue_is_refused,
        controllers_are_told_of_queues, statistics_of_what_is_not_there_are_refused,
        an_enqueue_that_cannot_be_is_refused, frames_go_through_their_queue_and_are_counted_there,
        packet_out_and_in_port_enqueue_too, set_queue_holds_until_pop_queue,
        tools_read_and_write_them,
        two_queues_share_by_their_rates, a_slow_queue_holds_up_nobody_else,
        super_frames_go_through_queues, after_a_barrier_the_old_queue_gets_nothing,
        a_queue_that_goes_leaves_its_flows_the_port, a_strangers_qdisc_is_left_alone,
        queues_that_somebody_removes_are_told, queues_wait_for_their_device,
        a_device_that_came_with_a_strangers_qdisc_has_no_queues,
        a_new_configuration_changes_what_differs, what_a_killed_switch_left_is_taken_over,
        a_start_with_a_strangers_qdisc_is_refused, it_ends_cleanly)
