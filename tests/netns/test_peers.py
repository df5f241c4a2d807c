#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Peers of every kind at one listener: strange handshakes, a byte at a time, too many, rude
ones, and a mob that does anything at all, reproducible by its seed."""

import os
import random
import socket
import struct

from netns import rawof as of
from netns.lib import LONG, Capture, Lab, Switch, check, check_equal, run, wait_for

SRC, DST = "02:00:00:00:00:01", "02:00:00:00:00:02"
FRAME = of.mac(DST) + of.mac(SRC) + b"\x88\xb6" + bytes(80)
ROUNDS = 4000 if LONG else 60
SEED = int(os.environ.get("TURNOUT_SEED", "1"))


def it_starts(lab):
    lab.switch = Switch(lab, ["p1@1", "p2@2"], listeners=["ptcp:6653:127.0.0.1"],
                        options=["--datapath-id", "00000000deadbeef"])
    lab.peer = of.connect(lab)
    lab.peer.ask(of.FEATURES_REQUEST)


def bytes_come_as_they_like(lab):
    """Messages a byte at a time, and many in one segment."""
    with of.connect(lab, hello=False) as peer:
        for byte in struct.pack("!BBHI", 4, 0, 16, 9) + struct.pack("!HHI", 1, 8, 0x12):
            peer.sock.sendall(bytes([byte]))
        peer.wait(lambda kind, xid, body: kind == of.HELLO, "HELLO")
        body = peer.flow_mod_body(of.output(2), of.match(in_port=77))
        for byte in struct.pack("!BBHI", 1, of.FLOW_MOD, 8 + len(body), 1) + body:
            peer.sock.sendall(bytes([byte]))
        peer.barrier()
        check_equal(len(peer.flows(of.match(in_port=77))), 1, "the flow")
        whole = b"".join(struct.pack("!BBHII", 1, of.ECHO_REQUEST, 12, n, n) for n in range(5000))
        peer.sock.sendall(whole)
        for n in range(5000):
            check_equal(peer.receive(), (of.ECHO_REPLY, n, struct.pack("!I", n)), "a reply")
        payload = bytes(n & 0xFF for n in range(65535 - 8))
        check_equal(peer.ask(of.ECHO_REQUEST, payload), (of.ECHO_REPLY, payload),
                    "the longest echo")


def versions_are_agreed_on(lab):
    def hello(data):
        """The messages that a peer with this HELLO gets; None if it is taken."""
        with of.connect(lab, hello=False) as peer:
            peer.sock.sendall(data)
            check_equal(peer.receive()[0], of.HELLO, "the switch's HELLO")
            if peer.ask(of.BARRIER_REQUEST)[0] == of.BARRIER_REPLY:
                return None
            return True

    for version in (1, 2, 3, 4, 5, 6, 255):
        check_equal(hello(struct.pack("!BBHI", version, 0, 8, 1)), None, "version %d" % version)
    bitmaps = (("!HHI", 1, 8, 0x12), ("!HHIHHI", 5, 8, 0, 1, 8, 0x32), ("!HHI", 9, 8, 0))
    for code, *values in bitmaps:
        body = struct.pack(code, *values)
        check_equal(hello(struct.pack("!BBHI", 4, 0, 8 + len(body), 1) + body), None, body.hex())
    for data in (struct.pack("!BBHI", 0, 0, 8, 1),
                 struct.pack("!BBHIHHI", 4, 0, 16, 1, 1, 8, 0x10),
                 struct.pack("!BBHI", 1, of.FEATURES_REQUEST, 8, 1)):
        with of.connect(lab, hello=False) as peer:
            peer.sock.sendall(data)
            got = peer.wait_eof()
            check_equal([m[0] for m in got], [of.HELLO, of.ERROR], "messages before the end")
            error = of.Error(got[1][2])
            check_equal((error.type, error.code, got[1][1]), (0, 0, 1), "HELLO_FAILED and xid")
    for length in (0, 7):
        with of.connect(lab) as peer:
            peer.send(of.ECHO_REQUEST, length=length)
            check_equal(peer.wait_eof(), [], "closed without a word at length %d" % length)


def a_handshake_like_floodlights(lab):
    with of.connect(lab, hello=False) as peer:
        peer.sock.sendall(struct.pack("!BBHI", 4, 0, 16, 1) + struct.pack("!HHI", 1, 8, 0x3E))
        peer.wait(lambda kind, xid, body: kind == of.HELLO, "HELLO")
        kind, body = peer.ask(of.FEATURES_REQUEST)
        check_equal((kind, struct.unpack_from("!QIB", body)), (of.FEATURES_REPLY,
                                                              (0xDEADBEEF, 256, 1)), "features")
        xid, _ = peer.send(of.SET_CONFIG, struct.pack("!HH", 0, 0xFFFF))
        peer.barrier()
        check_equal(peer.ask(of.GET_CONFIG_REQUEST)[1], struct.pack("!HH", 0, 0xFFFF), "config")
        desc = peer.stats(0)
        check_equal(len(desc), 1056, "length of DESC")
        for at, size in ((0, 256), (256, 256), (512, 256), (768, 32), (800, 256)):
            check(0 in desc[at:at + size], "a terminated text")
        peer.refused((1, 3), of.VENDOR, struct.pack("!III", 0xBAD00BAD, 10, 1))
        check(not [m for m in peer.kept if m[1] == xid], "no answer to SET_CONFIG")


def half_closed_and_rude_peers(lab):
    with of.connect(lab) as peer:
        peer.send(of.BARRIER_REQUEST, xid=7)
        peer.sock.shutdown(1)
        check_equal([m[:2] for m in peer.wait_eof()], [(of.BARRIER_REPLY, 7)], "half-closed")
    for _ in range(20):
        peer = of.connect(lab)
        peer.sock.sendall(struct.pack("!BBHI", 1, of.FLOW_MOD, 80, 1) + bytes(20))
        peer.sock.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER: a reset
        peer.close()
    lab.peer.barrier()


def a_crowd_does_not_drive_the_controller_out(lab):
    """1,500 connections, more than a listener holds, all of which say HELLO."""
    crowd = []
    try:
        for _ in range(1500):
            with lab.switch_ns.inside():
                sock = socket.create_connection(("127.0.0.1", 6653))
            sock.sendall(struct.pack("!BBHI", 1, of.HELLO, 8, 0))
            crowd.append(sock)
        wait_for(lambda: lab.switch.counters()["conn_evicted"] >= 1500 + 1 - 1024, "room was made")
        lab.peer.barrier()
        with of.connect(lab) as peer:
            peer.barrier()
        lab.hosts[0].send("eth0", FRAME)
        lab.peer.wait_for(of.PACKET_IN)
        check_equal(lab.switch.ctl("show").returncode, 0, "turnoutctl show")
    finally:
        for sock in crowd:
            sock.close()
    lab.peer.barrier()


class Mob:
    """Random requests, most of them good, from a seed."""

    def __init__(self, lab, seed):
        self.lab = lab
        self.random = random.Random(seed)

    def actions(self):
        pick = self.random
        kinds = [of.output(p) for p in (2, 3, of.ALL, of.FLOOD, of.NORMAL, of.IN_PORT, of.LOCAL)]
        kinds += [of.output(of.CONTROLLER, length) for length in (0, 64, 0xFFFF)]
        kinds += [of.set_vid(5), struct.pack("!HHI", 3, 8, 0), of.set_dl_src(SRC),
                  struct.pack("!HHI", 6, 8, pick.getrandbits(32)),
                  struct.pack("!HHHxx", 9, 8, pick.getrandbits(16))]
        return b"".join(pick.choice(kinds) for _ in range(pick.randrange(5)))

    def match(self):
        pick, fields, wild = self.random, {}, 0
        if pick.random() < 0.5:
            fields["in_port"] = pick.randrange(1, 4)
        if pick.random() < 0.7:
            fields.update(dl_type=0x0800, nw_src=0x0A000001 + pick.randrange(97))
            wild = pick.randrange(33)
            if pick.random() < 0.5:
                fields.update(nw_proto=17, tp_src=pick.randrange(50))
        return of.match(nw_src_wild=wild, **fields)

    def message(self):
        pick = self.random
        kind = pick.choice([of.FLOW_MOD] * 6 + [of.STATS_REQUEST, of.PACKET_OUT] * 2
                           + [of.BARRIER_REQUEST, of.SET_CONFIG, of.ECHO_REQUEST])
        body = b""
        if kind == of.FLOW_MOD:
            body = of.Peer.flow_mod_body(
                self.actions(), self.match(), command=pick.choice((0, 0, 0, 0, 0, 0, 1, 2, 3, 4)),
                priority=pick.randrange(4), idle=pick.choice((0, 0, 1)), flags=pick.randrange(4),
                hard=pick.choice((0, 0, 1)), buffer_id=pick.choice((of.NO_BUFFER, 5)))
        elif kind == of.STATS_REQUEST:
            body = (struct.pack("!HH", pick.choice((1, 1, 2)), 0) + self.match()
                    + struct.pack("!BxH", 255, pick.choice((of.NONE, 2))))
        elif kind == of.PACKET_OUT:
            body = of.Peer.packet_out_body(
                self.actions() + pick.choice((b"", of.output(of.TABLE))) + self.actions(),
                pick.randbytes(pick.randrange(20, 200)), in_port=pick.choice((1, 2, of.NONE)))
        elif kind == of.SET_CONFIG:
            body = struct.pack("!HH", 0, pick.choice((0, 64, 0xFFFF)))
        elif kind == of.ECHO_REQUEST:
            body = bytes(pick.randrange(2000))
        return struct.pack("!BBHI", 1, kind, 8 + len(body), pick.getrandbits(32)) + body

    def packets(self, n):
        for _ in range(n):
            source = 0x0A000001 + self.random.randrange(97)
            yield (FRAME[:12] + b"\x08\x00"
                   + struct.pack("!BBHHHBBHII", 0x45, 0, 28, 1, 0, 64, 17, 0, source, 0x0A000002)
                   + struct.pack("!HHHH", self.random.randrange(50), 80, 8, 0) + bytes(20))

    def peer(self):
        """Comes, asks, listens or does not, and goes, in peace or not."""
        with of.connect(self.lab) as peer:
            peer.sock.setblocking(False)
            try:
                peer.sock.send(b"".join(self.message() for _ in range(self.random.randrange(400))))
                self.lab.hosts[0].send("eth0", *self.packets(30))
                if self.random.random() < 0.5:
                    peer.sock.recv(1 << 16)
            except OSError:
                pass
            if self.random.random() < 0.5:
                peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def a_mob_leaves_the_switch_as_it_was(lab):
    mob = Mob(lab, SEED)
    for number in range(ROUNDS):
        mob.peer()
        if number % 7 == 0:
            lab.switch.ctl("add-port", "br0", "p3@3", ok=False)
        elif number % 7 == 3:
            lab.switch.ctl("del-port", "br0", "p3", ok=False)
    lab.switch.ctl("del-port", "br0", "p3", ok=False)
    with of.connect(lab) as peer:
        peer.clear()
        peer.flow_mod(of.output(2))
        with Capture(lab.hosts[1]) as capture:
            lab.hosts[0].send("eth0", FRAME)
            capture.expect(lambda got: got == FRAME, "a frame by the new flow")
        check_equal(len(peer.flows()), 1, "flows")


def it_ends_cleanly(lab):
    lab.peer.close()
    lab.switch.stop()


if __name__ == "__main__":
    run(Lab(hosts=3), it_starts, bytes_come_as_they_like, versions_are_agreed_on,
        a_handshake_like_floodlights, half_closed_and_rude_peers,
        a_crowd_does_not_drive_the_controller_out, a_mob_leaves_the_switch_as_it_was,
        it_ends_cleanly)
