# SPDX-License-Identifier: Apache-2.0
"""Frames as bytes, for tests in the virtual machine, where importing scapy takes seconds."""

import socket
import struct


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ethernet(payload, ethertype=0x800, src="02:00:00:00:00:01", dst="02:00:00:00:00:02", tci=None):
    tag = b"" if tci is None else struct.pack("!HH", 0x8100, tci)
    return mac(dst) + mac(src) + tag + struct.pack("!H", ethertype) + payload


def ipv4(payload, proto=17, src="10.0.0.1", dst="10.0.0.2", tos=0, fragment=0, ttl=64):
    """'fragment': flags and offset, as in the header."""
    head = struct.pack("!BBHHHBBH4s4s", 0x45, tos, 20 + len(payload), 1, fragment, ttl, proto, 0,
                       socket.inet_aton(src), socket.inet_aton(dst))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def pseudo(src, dst, proto, size):
    return socket.inet_aton(src) + socket.inet_aton(dst) + struct.pack("!BBH", 0, proto, size)


def udp(sport, dport, data=bytes(18), src="10.0.0.1", dst="10.0.0.2"):
    head = struct.pack("!HHHH", sport, dport, 8 + len(data), 0)
    total = checksum(pseudo(src, dst, 17, 8 + len(data)) + head + data) or 0xffff
    return head[:6] + struct.pack("!H", total) + data


def tcp(sport, dport, data=b"", src="10.0.0.1", dst="10.0.0.2", flags=0x10):
    head = struct.pack("!HHIIBBHHH", sport, dport, 1, 1, 0x50, flags, 1024, 0, 0)
    total = checksum(pseudo(src, dst, 6, 20 + len(data)) + head + data)
    return head[:16] + struct.pack("!H", total) + head[18:] + data


def icmp(kind, code, data=bytes(18)):
    head = struct.pack("!BBHI", kind, code, 0, 1)
    return head[:2] + struct.pack("!H", checksum(head + data)) + head[4:] + data


def arp(operation, sip="10.0.0.1", tip="10.0.0.2", sha="02:00:00:00:00:01"):
    return struct.pack("!HHBBH", 1, 0x800, 6, 4, operation) + mac(sha) + socket.inet_aton(sip) \
        + bytes(6) + socket.inet_aton(tip) + bytes(18)


def udp_frame(sport, dport, src="10.0.0.1", dst="10.0.0.2", tos=0, data=bytes(18), **ether):
    return ethernet(ipv4(udp(sport, dport, data, src, dst), 17, src, dst, tos), **ether)


def network_part(frame):
    """(ethertype, what is behind it) of a frame with or without a tag."""
    at = 16 if frame[12:14] == b"\x81\0" else 12
    return struct.unpack_from("!H", frame, at)[0], frame[at + 2:]


def sums_are_right(frame):
    """The checksums of an IPv4 frame's header and of its TCP or UDP."""
    packet = network_part(frame)[1]
    size = struct.unpack_from("!H", packet, 2)[0]
    body = packet[20:size]
    whole = packet[12:20] + struct.pack("!BBH", 0, packet[9], len(body)) + body
    return checksum(packet[:20]) == 0 and checksum(whole) == 0
