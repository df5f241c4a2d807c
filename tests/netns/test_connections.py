#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""OpenFlow connections that are unusual, slow, hostile or gone, byte by byte."""

import os
import socket
import struct

from netns.lib import Failure, Lab, Switch, check, check_equal, run, wait_for

HELLO, ERROR, ECHO_REQUEST, ECHO_REPLY, FEATURES_REQUEST, FEATURES_REPLY = 0, 1, 2, 3, 5, 6
SET_CONFIG, PACKET_IN, STATS_REQUEST, BARRIER_REQUEST, BARRIER_REPLY = 9, 10, 16, 18, 19
ALL_FLOWS = struct.pack("!HH", 1, 0) + struct.pack("!I", 0x3FFFFF) + bytes(36) \
    + struct.pack("!BxH", 0xFF, 0xFFFF)


def message(kind, body=b"", xid=1, version=1, length=None):
    return struct.pack("!BBHI", version, kind, 8 + len(body) if length is None else length,
                       xid) + body


class Peer:
    """A controller's end of a connection, as bytes."""

    def __init__(self, sock, hello=True):
        self.sock = sock
        self.sock.settimeout(30)
        self.buffer = b""
        if hello:
            self.send(message(HELLO))
            check_equal(self.receive()[1], HELLO, "the first message")

    @classmethod
    def to(cls, path, hello=True):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(path)
        return cls(sock, hello)

    def send(self, *messages):
        self.sock.sendall(b"".join(messages))

    def receive(self):
        """The next message: (version, type, xid, body). Failure when the switch closes."""
        while len(self.buffer) < 8 or len(self.buffer) < self._length():
            data = self.sock.recv(65536)
            if not data:
                raise Failure("the switch closed the connection")
            self.buffer += data
        length = self._length()
        data, self.buffer = self.buffer[:length], self.buffer[length:]
        version, kind, _, xid = struct.unpack_from("!BBHI", data)
        return version, kind, xid, data[8:]

    def _length(self):
        return struct.unpack_from("!H", self.buffer, 2)[0]

    def receive_kind(self, *kinds):
        """The next message of one of these kinds; answers probes meanwhile."""
        while True:
            version, kind, xid, body = self.receive()
            if kind == ECHO_REQUEST:
                self.send(message(ECHO_REPLY, body, xid))
            if kind in kinds:
                return version, kind, xid, body

    def is_closed(self):
        """True when the switch closes; what it says before is passed over."""
        try:
            while self.sock.recv(65536):
                pass
        except ConnectionError:
            pass
        return True

    def works(self):
        self.send(message(ECHO_REQUEST, b"still there?", 77))
        _, _, xid, body = self.receive_kind(ECHO_REPLY)
        check_equal((xid, body), (77, b"still there?"), "the echo")

    def close(self):
        self.sock.close()


def it_starts(lab):
    lab.listener = lab.path("listen")
    lab.switch = Switch(lab, ["p1@1", "p2@2"], listeners=["punix:" + lab.listener])
    lab.bystander = Peer.to(lab.listener)


def a_higher_version_is_negotiated_down(lab):
    peer = Peer.to(lab.listener, hello=False)
    peer.send(message(HELLO, version=4))
    version, kind, _, _ = peer.receive()
    check_equal((version, kind), (1, HELLO), "the switch's hello")
    peer.works()
    peer.close()
    peer = Peer.to(lab.listener, hello=False)
    bitmap = struct.pack("!HHI", 1, 8, 1 << 1 | 1 << 4)
    peer.send(message(HELLO, bitmap, version=5))
    check_equal(peer.receive()[1], HELLO, "the switch's hello")
    peer.works()
    peer.close()


def no_common_version_is_an_error(lab):
    peer = Peer.to(lab.listener, hello=False)
    peer.send(message(HELLO, struct.pack("!HHI", 1, 8, 1 << 4), version=4))
    _, kind, _, body = peer.receive_kind(ERROR)
    check_equal(struct.unpack_from("!HH", body), (0, 0), "HELLO_FAILED/INCOMPATIBLE")
    check(peer.is_closed(), "closed")


def a_length_under_eight_closes(lab):
    for length in (0, 7):
        peer = Peer.to(lab.listener)
        peer.send(message(ECHO_REQUEST, length=length))
        check(peer.is_closed(), "closed after length %d" % length)
        lab.bystander.works()


def messages_may_come_in_pieces(lab):
    peer = Peer.to(lab.listener)
    for byte in message(ECHO_REQUEST, b"slow", 5):
        peer.send(bytes([byte]))
    check_equal(peer.receive_kind(ECHO_REPLY)[2:], (5, b"slow"), "an echo in single bytes")
    peer.send(*[message(ECHO_REQUEST, bytes([n]), n) for n in range(200)])
    got = [peer.receive_kind(ECHO_REPLY)[2] for _ in range(200)]
    check_equal(got, list(range(200)), "200 echoes in one piece")
    peer.close()


def garbage_closes_only_itself(lab):
    for _ in range(20):
        peer = Peer.to(lab.listener, hello=False)
        try:
            peer.send(os.urandom(5000))
            peer.sock.shutdown(socket.SHUT_WR)
        except ConnectionError:
            pass
        check(peer.is_closed(), "closed")
    lab.bystander.works()


def a_message_cut_off_is_forgotten(lab):
    peer = Peer.to(lab.listener)
    peer.send(message(ECHO_REQUEST, bytes(100))[:50])
    peer.close()
    lab.bystander.works()


def memory_kib(lab):
    with open("/proc/%d/status" % lab.switch.process.pid) as source:
        return next(int(line.split()[1]) for line in source if line.startswith("VmRSS:"))


def who_does_not_read_hurts_nobody(lab):
    """A peer asks for all of 5,000 flows again and again and reads nothing."""
    flows = ["priority=%d,dl_dst=02:00:00:00:%02x:%02x,actions=output:1" % (i % 9, i >> 8, i & 255)
             for i in range(5000)]
    lab.switch.ofctl("add-flows", "-", stdin="\n".join(flows) + "\n")
    before = memory_kib(lab)
    peer = Peer.to(lab.listener)
    peer.sock.setblocking(False)
    sent = 0
    try:
        for _ in range(3000):
            sent += peer.sock.send(message(STATS_REQUEST, ALL_FLOWS))
    except (BlockingIOError, ConnectionError):
        pass
    for _ in range(20):
        lab.bystander.works()
    grown = memory_kib(lab) - before
    check(grown < 64 * 1024, "memory grew by %d KiB" % grown)
    peer.close()
    lab.bystander.works()
    lab.switch.ofctl("del-flows")


def a_flood_of_requests_hurts_nobody(lab):
    peer = Peer.to(lab.listener)
    peer.sock.setblocking(False)
    flood = message(BARRIER_REQUEST) * 1000
    before = memory_kib(lab)
    try:
        for _ in range(3000):
            peer.sock.send(flood)
    except (BlockingIOError, ConnectionError):
        pass
    lab.bystander.works()
    grown = memory_kib(lab) - before
    check(grown < 64 * 1024, "memory grew by %d KiB" % grown)
    peer.close()


def two_controllers_get_every_packet_in(lab):
    peers = [Peer.to(lab.listener), Peer.to(lab.listener)]
    for peer in peers:
        peer.send(message(SET_CONFIG, struct.pack("!HH", 0, 128)), message(BARRIER_REQUEST))
        peer.receive_kind(BARRIER_REPLY)
    frame = bytes.fromhex("0200000000ee" "020000000001" "88b5") + bytes(46)
    lab.hosts[0].send("eth0", frame)
    for peer in peers:
        while True:
            _, _, _, body = peer.receive_kind(PACKET_IN)
            if body[10:] == frame:
                break
        peer.close()


def many_connections_come_and_go(lab):
    for _ in range(5):
        peers = [Peer.to(lab.listener) for _ in range(60)]
        for peer in peers:
            peer.works()
        for peer in peers:
            peer.close()
    lab.bystander.works()


def who_does_not_answer_a_probe_is_dropped(lab):
    lab.switch.stop()
    lab.switch = Switch(lab, ["p1@1", "p2@2"], listeners=["punix:" + lab.listener],
                        options=["--inactivity-probe", "1"])
    silent, alive = Peer.to(lab.listener), Peer.to(lab.listener)
    alive.receive_kind(ECHO_REQUEST)
    check(silent.is_closed(), "the silent one is dropped")
    alive.works()
    alive.close()


def standalone_forwards_without_a_controller(lab):
    one, two = lab.hosts
    lab.switch.stop()
    lab.switch = Switch(lab, ["p1@1", "p2@2"], controllers=["tcp:127.0.0.1:6653"],
                        options=["--fail-mode", "standalone", "--inactivity-probe", "1",
                                 "--max-backoff", "1"])
    wait_for(lambda: one.ping(two.address, ok=False, options=("-W", "1")), "NORMAL takes the misses")
    with lab.switch_ns.inside():
        server = socket.create_server(("127.0.0.1", 6653))
    server.settimeout(30)
    peer = Peer(server.accept()[0])
    peer.send(message(FEATURES_REQUEST))
    peer.receive_kind(FEATURES_REPLY)
    peer.works()
    check(not one.ping(two.address, ok=False, options=("-W", "1")),
          "with a controller, it decides about misses")
    peer.close()
    server.close()
    wait_for(lambda: one.ping(two.address, ok=False, options=("-W", "1")), "NORMAL again")


def it_dials_again_and_again(lab):
    lab.switch.stop()
    lab.switch = Switch(lab, ["p1@1"], controllers=["tcp:127.0.0.1:6653"],
                        options=["--max-backoff", "1"])
    for _ in range(3):
        with lab.switch_ns.inside():
            server = socket.create_server(("127.0.0.1", 6653))
        server.settimeout(30)
        peer = Peer(server.accept()[0])
        peer.works()
        peer.close()
        server.close()
    lab.switch.stop()


if __name__ == "__main__":
    run(Lab(hosts=2), it_starts, a_higher_version_is_negotiated_down, no_common_version_is_an_error,
        a_length_under_eight_closes, messages_may_come_in_pieces, garbage_closes_only_itself,
        a_message_cut_off_is_forgotten, who_does_not_read_hurts_nobody,
        a_flood_of_requests_hurts_nobody, two_controllers_get_every_packet_in,
        many_connections_come_and_go, who_does_not_answer_a_probe_is_dropped,
        standalone_forwards_without_a_controller, it_dials_again_and_again)
