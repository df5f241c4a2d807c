# SPDX-License-Identifier: Apache-2.0
"""A controller made of struct.pack and a socket: for tests that say things on the wire that no
library would, and that trust no other decoder."""

import select
import socket
import struct
import time

from netns.lib import DEADLINE, Failure, check_equal

(HELLO, ERROR, ECHO_REQUEST, ECHO_REPLY, VENDOR, FEATURES_REQUEST, FEATURES_REPLY,
 GET_CONFIG_REQUEST, GET_CONFIG_REPLY, SET_CONFIG, PACKET_IN, FLOW_REMOVED, PORT_STATUS,
 PACKET_OUT, FLOW_MOD, PORT_MOD, STATS_REQUEST, STATS_REPLY, BARRIER_REQUEST, BARRIER_REPLY,
 QUEUE_GET_CONFIG_REQUEST, QUEUE_GET_CONFIG_REPLY) = range(22)
ADD, MODIFY, MODIFY_STRICT, DELETE, DELETE_STRICT = range(5)
(IN_PORT, TABLE, NORMAL, FLOOD, ALL, CONTROLLER, LOCAL, NONE) = range(0xFFF8, 0x10000)
NO_BUFFER = 0xFFFFFFFF
SEND_FLOW_REM, CHECK_OVERLAP, EMERG = 1, 2, 4
W_ALL = 0x3820FF  # 32 wild bits in an address, as it comes back

# field: (wildcard bits, struct code), in the order of the wire
FIELDS = {"in_port": (1, "H"), "dl_src": (4, "6s"), "dl_dst": (8, "6s"), "dl_vlan": (2, "H"),
          "dl_vlan_pcp": (1 << 20, "B"), "dl_type": (16, "H"), "nw_tos": (1 << 21, "B"),
          "nw_proto": (32, "B"), "nw_src": (0x3F << 8, "I"), "nw_dst": (0x3F << 14, "I"),
          "tp_src": (64, "H"), "tp_dst": (128, "H")}
MATCH = struct.Struct("!IH6s6sHBxHBBxxIIHH")


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def address(text):
    return struct.unpack("!I", socket.inet_aton(text))[0]


def match(wildcards=None, nw_src_wild=0, nw_dst_wild=0, **values):
    """struct ofp_match: exact in the fields given, wild in the others; nw_*_wild low bits of
    an address are wild. With 'wildcards', just those."""
    if wildcards is None:
        wildcards = W_ALL
        for name in values:
            wildcards &= ~FIELDS[name][0]
        wildcards |= nw_src_wild << 8 | nw_dst_wild << 14
    return MATCH.pack(wildcards, *(values.get(name, b"" if code == "6s" else 0)
                                   for name, (_, code) in FIELDS.items()))


def unpack_match(data):
    """(wildcards, {field: value})"""
    wildcards, *values = MATCH.unpack(data[:40])
    return wildcards, dict(zip(FIELDS, values))


def output(port, max_len=0xFFFF):
    return struct.pack("!HHHH", 0, 8, port, max_len)


def set_vid(vid):
    return struct.pack("!HHHxx", 1, 8, vid)


def set_dl_src(text):
    return struct.pack("!HH6s6x", 4, 16, mac(text))


class Error:
    """A decoded ERROR message."""

    def __init__(self, body):
        self.type, self.code = struct.unpack_from("!HH", body)
        self.data = body[4:]


class Peer:
    """One connection to the switch; a HELLO was exchanged unless 'hello' is empty."""

    def __init__(self, sock, hello=struct.pack("!BBHI", 1, HELLO, 8, 0)):
        self.sock = sock
        self.poller = select.poll()
        self.poller.register(sock, select.POLLIN)
        self.input = b""
        self.kept = []  # (type, xid, body) that nobody waited for yet
        self.xid = 0x100
        if hello:
            sock.sendall(hello)
            self.wait(lambda kind, xid, body: kind == HELLO, "HELLO")

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # -- bytes and messages --

    def receive(self, deadline=DEADLINE):
        """The next message (type, xid, body) from the wire; None at the deadline; EOFError."""
        end = time.monotonic() + deadline
        while True:
            if len(self.input) >= 8:
                version, kind, length, xid = struct.unpack_from("!BBHI", self.input)
                check_equal(version, 1, "version of a message")
                if length < 8:
                    raise Failure("a message of length %d" % length)
                if len(self.input) >= length:
                    body, self.input = self.input[8:length], self.input[length:]
                    return kind, xid, body
            if not self.poller.poll(1000 * max(0.0, end - time.monotonic())):
                return None
            data = self.sock.recv(1 << 15)  # cut from the front, message by message
            if not data:
                raise EOFError
            self.input += data

    def wait(self, accept, what, deadline=DEADLINE):
        for message in self.kept:
            if accept(*message):
                self.kept.remove(message)
                return message
        end = time.monotonic() + deadline
        while True:
            message = self.receive(max(0.0, end - time.monotonic()))
            if message is None:
                raise Failure("no %s came in %g s; there are %s"
                              % (what, deadline, [m[0] for m in self.kept[:20]]))
            if message[0] == ECHO_REQUEST:
                self.send(ECHO_REPLY, message[2], xid=message[1])
            elif accept(*message):
                return message
            else:
                self.kept.append(message)

    def wait_for(self, kind, accept=lambda body: True):
        return self.wait(lambda k, xid, body: k == kind and accept(body), "type %d" % kind)[2]

    def wait_eof(self, deadline=DEADLINE):
        """Messages until the switch closes the connection."""
        got = []
        try:
            while True:
                message = self.receive(deadline)
                if message is None:
                    raise Failure("the connection was not closed")
                got.append(message)
        except (EOFError, ConnectionResetError):
            return got

    def new_xid(self):
        self.xid += 1
        return self.xid

    def send(self, kind, body=b"", xid=None, version=1, length=None):
        """Sends a message; returns (xid, its bytes)."""
        xid = self.new_xid() if xid is None else xid
        data = struct.pack("!BBHI", version, kind, 8 + len(body) if length is None else length,
                           xid) + body
        self.sock.sendall(data)
        return xid, data

    def ask(self, kind, body=b"", **header):
        """The first answer with the message's xid: (type, body)."""
        xid, _ = self.send(kind, body, **header)
        got = self.wait(lambda k, x, b: x == xid, "answer to type %d" % kind)
        return got[0], got[2]

    def tell(self, kind, body=b"", **header):
        """Sends what has no answer and waits for a barrier: an error is a Failure."""
        xid, _ = self.send(kind, body, **header)
        self.barrier()
        for k, x, b in self.kept:
            if x == xid:
                raise Failure("type %d was answered with type %d: %s" % (kind, k, b.hex()))

    def refused(self, error, kind, body=b"", **header):
        """The message is answered with an error (type, code) that carries it."""
        xid, sent = self.send(kind, body, **header)
        got = self.wait(lambda k, x, b: x == xid, "answer to type %d" % kind)
        check_equal(got[0], ERROR, "type of the answer to type %d (%s)" % (kind, body[:80].hex()))
        there = Error(got[2])
        check_equal((there.type, there.code), error, "error for %s" % sent[:96].hex())
        check_equal(there.data, sent[:max(64, len(there.data))], "data of the error")
        return there

    def barrier(self):
        kind, body = self.ask(BARRIER_REQUEST)
        check_equal((kind, body), (BARRIER_REPLY, b""), "the answer to a barrier")

    # -- what tests send --

    @staticmethod
    def flow_mod_body(actions=b"", fields=None, command=ADD, priority=100, cookie=0, idle=0,
                      hard=0, buffer_id=NO_BUFFER, out_port=NONE, flags=0):
        return ((match() if fields is None else fields)
                + struct.pack("!QHHHHIHH", cookie, command, idle, hard, priority, buffer_id,
                              out_port, flags) + actions)

    def flow_mod(self, actions=b"", fields=None, **how):
        self.tell(FLOW_MOD, self.flow_mod_body(actions, fields, **how))

    def flow_mod_refused(self, error, actions=b"", fields=None, **how):
        return self.refused(error, FLOW_MOD, self.flow_mod_body(actions, fields, **how))

    def clear(self):
        self.flow_mod(command=DELETE)
        self.kept = []

    @staticmethod
    def packet_out_body(actions, data=b"", buffer_id=NO_BUFFER, in_port=NONE):
        return struct.pack("!IHH", buffer_id, in_port, len(actions)) + actions + data

    def packet_out(self, actions, data=b"", **how):
        self.tell(PACKET_OUT, self.packet_out_body(actions, data, **how))

    def stats(self, kind, body=b"", flags=0):
        """The bodies of a statistics reply, all parts in one."""
        xid, _ = self.send(STATS_REQUEST, struct.pack("!HH", kind, flags) + body)
        whole = b""
        while True:
            got, _, answer = self.wait(lambda k, x, b: x == xid, "statistics")
            check_equal(got, STATS_REPLY, "type of the answer, " + answer[:8].hex())
            there, more = struct.unpack_from("!HH", answer)
            check_equal(there, kind, "type of statistics")
            whole += answer[4:]
            if not more & 1:
                return whole

    def flows(self, fields=None, table=0xFF, out_port=NONE):
        """Flow statistics as dictionaries."""
        data = self.stats(1, (match() if fields is None else fields)
                          + struct.pack("!BxH", table, out_port))
        found, at = [], 0
        while at < len(data):
            length, table_id = struct.unpack_from("!HBx", data, at)
            row = dict(zip(("s", "ns", "priority", "idle", "hard", "cookie", "packets", "bytes"),
                           struct.unpack_from("!IIHHH6xQQQ", data, at + 44)))
            row.update(table=table_id, match=data[at + 4:at + 44],
                       actions=data[at + 88:at + length])
            found.append(row)
            at += length
        return found

    def aggregate(self, fields=None, table=0xFF, out_port=NONE):
        """(packets, bytes, flows)"""
        data = self.stats(2, (match() if fields is None else fields)
                          + struct.pack("!BxH", table, out_port))
        return struct.unpack("!QQI4x", data)

    def ports(self):
        """FEATURES' ports: {number: (hw_addr, name, config, state)}."""
        _, body = self.ask(FEATURES_REQUEST)
        found = {}
        for at in range(24, len(body), 48):
            number, addr, name, config, state = struct.unpack_from("!H6s16sII", body, at)
            found[number] = (addr, name.rstrip(b"\0").decode(), config, state)
        return found

    def port_mod(self, number, config, mask, addr=None):
        addr = addr or self.ports()[number][0]
        self.tell(PORT_MOD, struct.pack("!H6sIII4x", number, addr, config, mask, 0))


def unpack_packet_in(body):
    """(buffer_id, total_len, in_port, reason, data)"""
    return (*struct.unpack_from("!IHHBx", body), body[10:])


def unpack_flow_removed(body):
    names = ("cookie", "priority", "reason", "s", "ns", "idle", "packets", "bytes")
    row = dict(zip(names, struct.unpack_from("!QHBxIIHxxQQ", body, 40)))
    row["match"] = body[:40]
    return row


def connect(lab, port=6653, hello=True, timeout=DEADLINE):
    """A Peer connected to the switch's listener on loopback."""
    with lab.switch_ns.inside():
        sock = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    sock.settimeout(timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Peer(sock) if hello else Peer(sock, hello=b"")
