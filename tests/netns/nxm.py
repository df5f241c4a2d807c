# SPDX-License-Identifier: Apache-2.0
"""Nicira's messages made of struct.pack, beside rawof: nx_match, flows and what is told of them."""

import struct

from netns import rawof as of
from netns.lib import check_equal

VENDOR = 0x2320
(SET_FLOW_FORMAT, FLOW_MOD, FLOW_REMOVED, FLOW_MOD_TABLE_ID, SET_PACKET_IN_FORMAT, PACKET_IN,
 FLOW_AGE) = range(12, 19)
ST_FLOW, ST_AGGREGATE, ST_FLOW_MONITOR = range(3)
ALL = 0xFFFFFFFFFFFFFFFF

# name: (class, number, size)
FIELDS = {"in_port": (0, 0, 2), "eth_dst": (0, 1, 6), "eth_src": (0, 2, 6), "eth_type": (0, 3, 2),
          "vlan_tci": (0, 4, 2), "ip_tos": (0, 5, 1), "ip_proto": (0, 6, 1), "ip_src": (0, 7, 4),
          "ip_dst": (0, 8, 4), "tcp_src": (0, 9, 2), "tcp_dst": (0, 10, 2), "udp_src": (0, 11, 2),
          "udp_dst": (0, 12, 2), "icmp_type": (0, 13, 1), "icmp_code": (0, 14, 1),
          "arp_op": (0, 15, 2), "arp_spa": (0, 16, 4), "arp_tpa": (0, 17, 4),
          "reg0": (1, 0, 4), "tun_id": (1, 16, 8), "arp_sha": (1, 17, 6), "arp_tha": (1, 18, 6),
          "ip_frag": (1, 26, 1), "cookie": (1, 30, 8)}


def entry(name, value, mask=None, size=None):
    """One entry of an nx_match; 'size' lies about the length of the value."""
    number_class, number, real = FIELDS[name]
    body = value.to_bytes(real, "big") + (b"" if mask is None else mask.to_bytes(real, "big"))
    header = number_class << 16 | number << 9 | (mask is not None) << 8
    return struct.pack("!I", header | (len(body) if size is None else size)) + body


def match(*entries):
    return b"".join(entry(*e) if isinstance(e, tuple) else e for e in entries)


def padded(data):
    return data + bytes(-len(data) % 8)


def message(subtype, body=b""):
    return struct.pack("!II", VENDOR, subtype) + body


def flow_mod(fields=b"", actions=b"", command=of.ADD, priority=100, cookie=0, idle=0, hard=0,
             out_port=of.NONE, flags=0, match_len=None):
    return message(FLOW_MOD, struct.pack(
        "!QHHHHIHHH6x", cookie, command, idle, hard, priority, of.NO_BUFFER, out_port, flags,
        len(fields) if match_len is None else match_len) + padded(fields) + actions)


def request(subtype, fields=b"", table=0xFF, out_port=of.NONE, match_len=None):
    return struct.pack("!HHII4x", 0xFFFF, 0, VENDOR, subtype) + struct.pack(
        "!HHB3x", out_port, len(fields) if match_len is None else match_len, table) + padded(fields)


def refused(peer, code, body, kind=of.VENDOR):
    """The message is refused with Nicira's (type, code); the message's beginning goes along."""
    xid, sent = peer.send(kind, body)
    got = peer.wait(lambda k, x, b: x == xid, "answer")
    check_equal(got[0], of.ERROR, "type of the answer to %s" % body.hex())
    there = struct.unpack_from("!HHIHH", got[2])
    check_equal(there, (0xB0C2, 0, VENDOR, *code), "the error for %s" % body.hex())
    check_equal(got[2][12:], sent[:64], "what follows the error")


def flows(peer, fields=b"", **how):
    """NXST_FLOW's flows as dictionaries; 'match' is {name: (value, mask or None)}."""
    xid, _ = peer.send(of.STATS_REQUEST, request(ST_FLOW, fields, **how))
    data, more = b"", True
    while more:
        kind, _, body = peer.wait(lambda k, x, b: x == xid, "NXST_FLOW")
        check_equal(kind, of.STATS_REPLY, "type of the answer: %s" % body[:24].hex())
        there, flags, vendor, subtype = struct.unpack_from("!HHII4x", body)
        check_equal((there, vendor, subtype), (0xFFFF, VENDOR, ST_FLOW), "the reply's headers")
        data, more = data + body[16:], flags & 1
    found = []
    while data:
        length, = struct.unpack_from("!H", data)
        row = dict(zip(("table", "s", "ns", "priority", "idle", "hard", "match_len", "idle_age",
                        "hard_age", "cookie", "packets", "bytes"),
                       struct.unpack_from("!BxIIHHHHHHQQQ", data, 2)))
        end = 48 + row["match_len"]
        row["match"] = unpack_match(data[48:end])
        row["actions"] = data[end + -end % 8:length]
        found.append(row)
        data = data[length:]
    return found


def unpack_match(data):
    found = {}
    names = {(kind, number): (name, size) for name, (kind, number, size) in FIELDS.items()}
    while data:
        header, = struct.unpack_from("!I", data)
        name, size = names[header >> 16, header >> 9 & 0x7F]
        masked, length = header >> 8 & 1, header & 0xFF
        check_equal(length, size * (1 + masked), "length of " + name)
        value = int.from_bytes(data[4:4 + size], "big")
        mask = int.from_bytes(data[4 + size:4 + length], "big") if masked else None
        found[name] = (value, mask)
        data = data[4 + length:]
    return found


def aggregate(peer, fields=b"", **how):
    """(packets, bytes, flows)"""
    xid, _ = peer.send(of.STATS_REQUEST, request(ST_AGGREGATE, fields, **how))
    kind, _, body = peer.wait(lambda k, x, b: x == xid, "NXST_AGGREGATE")
    check_equal(kind, of.STATS_REPLY, "type of the answer")
    return struct.unpack_from("!QQI", body, 16)
