#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes frames and what they should parse to, or become by rewrites, as C headers.

Scapy builds the frames and computes every checksum, so the goldens are independent of
the code that they test. Run it again only to add cases:

    tests/tools/make_frames.py parses > tests/unit/golden_parses.h
    tests/tools/make_frames.py rewrites > tests/unit/golden_rewrites.h
    tests/tools/make_frames.py corpus tests/fuzz/corpus/parse
"""
import os
import sys

from scapy.all import (ARP, ICMP, IP, LLC, SNAP, TCP, UDP, Dot1Q, Dot3, Ether, IPOption_NOP,
                       IPOption_RR, IPv6, Raw, fragment)

SRC, DST = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
A, B, C = "10.1.2.3", "192.168.77.254", "203.0.113.9"
PRESENT = 0x1000


def eth(payload, **kw):
    return bytes(Ether(src=SRC, dst=DST, **kw) / payload)


def vid(tci, payload, **kw):
    return bytes(Ether(src=SRC, dst=DST)
                 / Dot1Q(vlan=tci & 0xfff, prio=tci >> 13, id=tci >> 12 & 1, **kw) / payload)


def ip(**kw):
    return IP(**{"src": A, "dst": B, "id": 0x1234, **kw})


TCPH = TCP(sport=40000, dport=80, seq=7, ack=9, flags="PA")
UDPH = UDP(sport=5353, dport=53)
PING = ICMP(type=8, code=0, id=77, seq=3)
DATA = Raw(b"turnout moves packets to the hardware track")
N_TCP = {"dl_type": 0x800, "nw_proto": 6, "nw_src": A, "nw_dst": B, "tp_src": 40000, "tp_dst": 80}
N_UDP = {"dl_type": 0x800, "nw_proto": 17, "nw_src": A, "nw_dst": B, "tp_src": 5353, "tp_dst": 53}
N_IP = {"dl_type": 0x800, "nw_src": A, "nw_dst": B}


def llc(payload, length=None, tci=None):
    """An 802.3 frame by hand: addresses, perhaps a tag, length, payload."""
    payload = bytes(payload)
    length = len(payload) if length is None else length
    tag = b"" if tci is None else b"\x81\x00" + tci.to_bytes(2, "big")
    addrs = bytes.fromhex((DST + SRC).replace(":", ""))
    return addrs + tag + length.to_bytes(2, "big") + payload


def parse_cases():
    snap = LLC(dsap=0xaa, ssap=0xaa, ctrl=3)
    two = fragment(ip(proto=17) / UDP(sport=5353, dport=53) / Raw(b"x" * 64), fragsize=40)
    options = [IPOption_RR(pointer=4, routers=["1.2.3.4", "5.6.7.8"]), IPOption_NOP()]
    yield "tcp", eth(ip() / TCPH / DATA), N_TCP
    yield "tcp_bare", eth(ip() / TCPH), N_TCP
    yield "tcp_dscp_46_ecn_3", eth(ip(tos=0xbb) / TCPH), {**N_TCP, "nw_tos": 0xb8}
    yield "udp", eth(ip() / UDPH / DATA), N_UDP
    yield "udp_padded", eth(ip() / UDPH / Raw(b"ab")) + b"\x5a" * 16, N_UDP
    yield "icmp_echo", eth(ip() / PING / DATA), {**N_IP, "nw_proto": 1, "tp_src": 8, "tp_dst": 0}
    yield "icmp_unreachable", eth(ip() / ICMP(type=3, code=10) / DATA), {
        **N_IP, "nw_proto": 1, "tp_src": 3, "tp_dst": 10}
    yield "sctp_has_no_ports", eth(ip(proto=132) / DATA), {**N_IP, "nw_proto": 132}
    yield "ip_options", eth(ip(options=options) / TCPH / DATA), N_TCP
    yield "ip_options_60_bytes", eth(
        ip(options=[IPOption_NOP()] * 40) / UDPH / DATA), N_UDP
    yield "first_fragment", eth(two[0]), {**N_UDP, "nw_frag": 1}
    yield "later_fragment", eth(two[1]), {**N_IP, "nw_proto": 17, "nw_frag": 3}
    yield "later_fragment_with_more", eth(ip(flags="MF", frag=100, proto=6) / DATA), {
        **N_IP, "nw_proto": 6, "nw_frag": 3}
    yield "tiny_first_fragment", eth(ip(flags="MF", proto=6) / Raw(bytes(TCPH)[:8])), {
        **N_TCP, "nw_frag": 1}
    yield "dont_fragment_is_no_fragment", eth(ip(flags="DF") / TCPH), N_TCP
    yield "total_length_beyond_frame", eth(ip(len=1400) / TCPH), N_TCP
    yield "total_length_cuts_ports", eth(ip(len=22) / TCPH), {**N_IP, "nw_proto": 6}
    yield "total_length_below_header", eth(ip(len=19) / TCPH), {"dl_type": 0x800}
    yield "total_length_0", eth(ip(len=0) / TCPH), {"dl_type": 0x800}
    yield "ihl_below_5", eth(ip(ihl=4) / TCPH), {"dl_type": 0x800}
    yield "ihl_beyond_frame", eth(ip(ihl=15, len=60) / Raw(b"x" * 12)), {"dl_type": 0x800}
    yield "ip_version_6_in_0800", eth(ip(version=6) / TCPH), {"dl_type": 0x800}
    yield "ports_in_padding", eth(ip(proto=17)) + bytes(UDPH) + b"\0" * 18, {
        **N_IP, "nw_proto": 17}
    yield "vlan", vid(0x6064, ip() / TCPH), {**N_TCP, "vlan": 0x6064}
    yield "vlan_cfi", vid(0x7064, ip() / TCPH), {**N_TCP, "vlan": 0x6064}
    yield "vlan_priority_only", vid(0xa000, ip() / UDPH), {**N_UDP, "vlan": 0xa000}
    yield "vlan_0_pcp_0", vid(0x0000, ip() / UDPH), {**N_UDP, "vlan": 0}
    yield "vlan_arp", vid(0x0fff, ARP(op=1, hwsrc=SRC, psrc=A, pdst=B)), {
        "vlan": 0xfff, "dl_type": 0x806, "nw_proto": 1, "nw_src": A, "nw_dst": B}
    yield "two_tags", vid(0x0005, Dot1Q(vlan=6) / ip() / TCPH), {"vlan": 5, "dl_type": 0x8100}
    yield "service_tag_is_a_type", eth(
        Dot1Q(vlan=6) / ip() / TCPH, type=0x88a8), {"dl_type": 0x88a8}
    yield "vlan_without_type", vid(0x0005, ip())[:17], {"dl_type": 0x8100}
    yield "vlan_and_nothing", vid(0x0005, ip())[:18], {"vlan": 5, "dl_type": 0x800}
    yield "arp_request", eth(ARP(op=1, hwsrc=SRC, psrc=A, pdst=B)), {
        "dl_type": 0x806, "nw_proto": 1, "nw_src": A, "nw_dst": B}
    yield "arp_reply", eth(ARP(op=2, hwsrc=SRC, psrc=B, pdst=A)), {
        "dl_type": 0x806, "nw_proto": 2, "nw_src": B, "nw_dst": A}
    yield "arp_opcode_low_byte", eth(ARP(op=0x0103, psrc=A, pdst=B)), {
        "dl_type": 0x806, "nw_proto": 3, "nw_src": A, "nw_dst": B}
    yield "arp_other_hardware", eth(ARP(hwtype=6, psrc=A, pdst=B)), {"dl_type": 0x806}
    yield "arp_other_protocol", eth(ARP(ptype=0x86dd, plen=4, psrc=A, pdst=B)), {"dl_type": 0x806}
    yield "arp_address_length", eth(ARP(hwlen=8, hwsrc=b"\1" * 8, psrc=A, pdst=B)), {
        "dl_type": 0x806}
    yield "arp_cut", eth(ARP(psrc=A, pdst=B))[:41], {"dl_type": 0x806}
    yield "ipv6", eth(IPv6(src="2001:db8::1", dst="2001:db8::2") / TCPH), {"dl_type": 0x86dd}
    yield "llc_stp", bytes(Dot3(src=SRC, dst="01:80:c2:00:00:00")
                           / LLC(dsap=0x42, ssap=0x42, ctrl=3) / Raw(b"\0" * 35)), {
        "dl_dst": "01:80:c2:00:00:00", "dl_type": 0x5ff}
    yield "snap_ip", llc(snap / SNAP(OUI=0, code=0x800) / ip() / TCPH / DATA), N_TCP
    yield "snap_vlan_ip", llc(snap / SNAP(OUI=0, code=0x800) / ip() / UDPH, tci=7), {
        **N_UDP, "vlan": 7}
    yield "snap_arp", llc(snap / SNAP(OUI=0, code=0x806) / ARP(op=1, psrc=A, pdst=B)), {
        "dl_type": 0x806, "nw_proto": 1, "nw_src": A, "nw_dst": B}
    yield "snap_vendor", llc(snap / SNAP(OUI=0x00000c, code=0x2000) / DATA), {"dl_type": 0x5ff}
    yield "snap_type_below_600", llc(snap / SNAP(OUI=0, code=0x5ff) / DATA), {"dl_type": 0x5ff}
    yield "snap_other_control", llc(
        LLC(dsap=0xaa, ssap=0xaa, ctrl=0x13) / SNAP(OUI=0, code=0x800) / ip() / TCPH), {
        "dl_type": 0x5ff}
    yield "snap_cut", llc(snap / SNAP(OUI=0, code=0x800))[:21], {"dl_type": 0x5ff}
    yield "snap_in_padding", llc(snap / SNAP(OUI=0, code=0x800) / ip(), length=7), {
        "dl_type": 0x5ff}
    yield "snap_length_cuts_ports", llc(
        snap / SNAP(OUI=0, code=0x800) / ip() / TCPH, length=8 + 20 + 3), {**N_IP, "nw_proto": 6}
    yield "snap_length_beyond_frame", llc(
        snap / SNAP(OUI=0, code=0x800) / ip() / TCPH, length=1500), N_TCP
    yield "length_0", llc(b"\xaa\xaa\x03", length=0), {"dl_type": 0x5ff}
    yield "type_05ff_is_a_length", llc(DATA, length=0x5ff), {"dl_type": 0x5ff}
    yield "type_0600_is_a_type", llc(DATA, length=0x600), {"dl_type": 0x600}
    yield "nothing_but_addresses", eth(b"", type=0x800), {"dl_type": 0x800}


def rewrite_cases():
    """(name, before, [(member, value)...], after)"""
    mac = "06:05:04:03:02:01"
    tcp, udp, icmp = ip() / TCPH / DATA, ip() / UDPH / DATA, ip() / PING / DATA
    zero = ip() / UDP(sport=5353, dport=53, chksum=0) / DATA
    # A payload word that makes the checksum 0, which goes out as ffff.
    wrap = UDP(sport=5353, dport=53) / Raw(b"\0\0")
    rest = int.from_bytes(bytes(ip(dst=C) / wrap)[26:28], "big")
    wrap = UDP(sport=5353, dport=53) / Raw(rest.to_bytes(2, "big"))
    later = fragment(ip() / UDPH / Raw(b"x" * 64), fragsize=40)[1]
    first = fragment(ip() / UDPH / Raw(b"x" * 64), fragsize=40)[0]
    dst = [("SET_NW_DST", C)]
    yield "set_dl", eth(tcp), [("SET_DL_SRC", mac), ("SET_DL_DST", DST)], bytes(
        Ether(src=mac, dst=DST) / tcp)
    yield "set_nw_dst_tcp", eth(tcp), dst, eth(ip(dst=C) / TCPH / DATA)
    yield "set_nw_src_udp", eth(udp), [("SET_NW_SRC", C)], eth(ip(src=C) / UDPH / DATA)
    yield "set_nw_dst_icmp", eth(icmp), dst, eth(ip(dst=C) / PING / DATA)
    yield "udp_checksum_0_stays", eth(zero), dst + [("SET_TP_DST", 99)], eth(
        ip(dst=C) / UDP(sport=5353, dport=99, chksum=0) / DATA)
    yield "udp_checksum_becomes_ffff", eth(ip() / wrap), dst, eth(ip(dst=C) / wrap)
    yield "set_nw_tos_keeps_ecn", eth(ip(tos=0x47) / TCPH), [("SET_NW_TOS", 0xb8)], eth(
        ip(tos=0xbb) / TCPH)
    yield "set_tp_tcp", eth(tcp), [("SET_TP_SRC", 1), ("SET_TP_DST", 65535)], eth(
        ip() / TCP(sport=1, dport=65535, seq=7, ack=9, flags="PA") / DATA)
    yield "set_tp_udp", eth(udp), [("SET_TP_SRC", 1)], eth(
        ip() / UDP(sport=1, dport=53) / DATA)
    yield "set_tp_icmp_does_nothing", eth(icmp), [("SET_TP_SRC", 1), ("SET_TP_DST", 1)], eth(icmp)
    yield "later_fragment", eth(later), dst + [("SET_TP_SRC", 1)], eth(
        ip(dst=C, proto=17, frag=later.frag) / later.payload)
    udp_first = bytes(first.payload)
    whole = bytes(ip(dst=C) / UDPH / Raw(b"x" * 64))
    yield "first_fragment", eth(first), dst, eth(
        ip(dst=C, proto=17, flags="MF") / Raw(udp_first[:6] + whole[26:28] + udp_first[8:]))
    arp = ARP(op=1, hwsrc=SRC, psrc=A, pdst=B)
    yield "arp_stays", eth(arp), dst + [("SET_NW_TOS", 4), ("SET_TP_SRC", 1)], eth(arp)
    yield "push_vid", eth(tcp), [("SET_VLAN_VID", 100)], vid(100, tcp)
    yield "push_pcp", eth(tcp), [("SET_VLAN_PCP", 5)], vid(0xa000, tcp)
    yield "set_vid_keeps_pcp_cfi", vid(0xb064, tcp), [("SET_VLAN_VID", 4095)], vid(0xbfff, tcp)
    yield "set_pcp_keeps_vid_cfi", vid(0xb064, tcp), [("SET_VLAN_PCP", 1)], vid(0x3064, tcp)
    yield "strip", vid(0xb064, tcp), [("STRIP_VLAN", None)], eth(tcp)
    yield "strip_untagged", eth(tcp), [("STRIP_VLAN", None)], eth(tcp)
    yield "strip_both_then_nat", vid(5, Dot1Q(vlan=6) / tcp), [
        ("STRIP_VLAN", None), ("STRIP_VLAN", None)] + dst, eth(ip(dst=C) / TCPH / DATA)
    yield "strip_outer_then_nat", vid(5, Dot1Q(vlan=6) / tcp), [
        ("STRIP_VLAN", None)] + dst, vid(6, ip(dst=C) / TCPH / DATA)
    yield "no_nat_behind_two_tags", vid(5, Dot1Q(vlan=6) / tcp), dst, vid(5, Dot1Q(vlan=6) / tcp)
    yield "push_on_802_3", llc(DATA), [("SET_VLAN_VID", 9)], llc(DATA, tci=9)
    yield "push_nat_strip", eth(udp), [("SET_VLAN_VID", 9)] + dst + [("STRIP_VLAN", None)], eth(
        ip(dst=C) / UDPH / DATA)
    yield "ipv6_stays", eth(IPv6(src="2001:db8::1", dst="2001:db8::2") / TCPH), dst, eth(
        IPv6(src="2001:db8::1", dst="2001:db8::2") / TCPH)
    yield "padding_stays", eth(ip() / UDPH / Raw(b"ab")) + b"\x5a" * 16, dst, eth(
        ip(dst=C) / UDPH / Raw(b"ab")) + b"\x5a" * 16


def c_bytes(frame):
    lines = [frame[i:i + 20] for i in range(0, len(frame), 20)]
    return "\n      ".join('"' + "".join(f"\\x{b:02x}" for b in line) + '"' for line in lines)


def c_mac(text):
    return "{ " + ", ".join("0x" + part for part in text.split(":")) + " }"


def c_ip(text):
    return "0x" + "".join(f"{int(part):02x}" for part in text.split("."))


def c_key(want):
    out = [f".dl_dst = {c_mac(want.get('dl_dst', DST))}, .dl_src = {c_mac(SRC)}"]
    if "vlan" in want:
        out.append(f".vlan_tci = 0x{want['vlan'] | PRESENT:04x}")
    for name in ("dl_type", "nw_proto", "nw_tos", "nw_frag", "tp_src", "tp_dst"):
        if want.get(name):
            out.append(f".{name} = {want[name]:#x}")
    for name in ("nw_src", "nw_dst"):
        if name in want:
            out.append(f".{name} = {c_ip(want[name])}")
    return ", ".join(out)


def c_action(kind, value):
    fields = {
        "SET_VLAN_VID": lambda v: f", .vlan_vid.vid = {v}",
        "SET_VLAN_PCP": lambda v: f", .vlan_pcp.pcp = {v}",
        "STRIP_VLAN": lambda v: "",
        "SET_DL_SRC": lambda v: f", .dl.addr = {c_mac(v)}",
        "SET_DL_DST": lambda v: f", .dl.addr = {c_mac(v)}",
        "SET_NW_SRC": lambda v: f", .nw.addr = BE32({c_ip(v)})",
        "SET_NW_DST": lambda v: f", .nw.addr = BE32({c_ip(v)})",
        "SET_NW_TOS": lambda v: f", .nw_tos.tos = {v:#x}",
        "SET_TP_SRC": lambda v: f", .tp.port = BE16({v})",
        "SET_TP_DST": lambda v: f", .tp.port = BE16({v})",
    }
    return f"{{ .type = ACTION_{kind}{fields[kind](value)} }}"


HEADER = """/* SPDX-License-Identifier: Apache-2.0 */
/* Made by tests/tools/make_frames.py. */
"""


def write_parses():
    print(HEADER + "static const struct golden_parse golden_parses[] = {")
    for name, frame, want in parse_cases():
        print(f'    {{ "{name}", {len(frame)},\n      {c_bytes(frame)},\n      {c_key(want)} }},')
    print("};")


def write_rewrites():
    print(HEADER + "static const struct golden_rewrite golden_rewrites[] = {")
    for name, before, actions, after in rewrite_cases():
        print(f'    {{ "{name}", {len(before)}, {len(after)}, {len(actions)},\n'
              f"      {c_bytes(before)},\n      {c_bytes(after)},\n      {{")
        for kind, value in actions:
            print(f"        {c_action(kind, value)},")
        print("      } },")
    print("};")


def write_corpus(folder):
    """One file a frame: three bytes that choose offloads and rewrites (see fuzz_parse.c),
    here different ones for each, and the frame."""
    for number, (name, frame, _) in enumerate(parse_cases()):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(bytes([number * 5 % 32, number, 0x5a]) + frame)


if __name__ == "__main__":
    {"parses": write_parses, "rewrites": write_rewrites, "corpus": write_corpus}[sys.argv[1]](
        *sys.argv[2:])
