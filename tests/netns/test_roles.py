#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Nicira's extension by controllers of bytes: roles of three of them, who is told what, and
dec_ttl and controller on real packets."""

import logging
import struct

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)

from scapy.layers.inet import IP, TCP, UDP  # noqa: E402
from scapy.layers.l2 import ARP, Dot1Q, Ether  # noqa: E402

from netns import rawof as of  # noqa: E402
from netns.lib import Capture, Lab, Switch, check, check_equal, run, wait_for  # noqa: E402

NX = 0x2320
OTHER, MASTER, SLAVE = range(3)
NO_MATCH, ACTION, INVALID_TTL = range(3)
(ROLE_REQUEST, ROLE_REPLY, FLOW_FORMAT, FLOW_MOD, _, TABLE_ID, PACKET_IN_FORMAT, _, FLOW_AGE,
 ASYNC_CONFIG, CONTROLLER_ID) = range(10, 21)
EPERM = (1, 5)
SRC, DST = "02:00:00:00:00:01", "02:00:00:00:00:02"
PAYLOAD = bytes(range(40))


def nx(subtype, body=b""):
    return struct.pack("!II", NX, subtype) + body


def ask_role(peer, role):
    kind, body = peer.ask(of.VENDOR, nx(ROLE_REQUEST, struct.pack("!I", role)))
    check_equal((kind, body), (of.VENDOR, nx(ROLE_REPLY, struct.pack("!I", role))), "role reply")


def refused_with_nicira(peer, error, kind, body):
    """The error says vendor, type and code in its data, and then the message."""
    xid, sent = peer.send(kind, body)
    got = peer.wait(lambda k, x, b: x == xid, "error")
    check_equal(got[0], of.ERROR, "type of the answer")
    check_equal(struct.unpack_from("!HHIHH", got[2]), (0xB0C2, 0, NX, *error), "the error")
    check_equal(got[2][12:], sent[:64], "data of the error")


def set_async(peer, packet_in=(3, 0), port_status=(7, 7), flow_removed=(7, 0)):
    """Masks for other and master, and for slave; without arguments the default ones."""
    peer.tell(of.VENDOR, nx(ASYNC_CONFIG, struct.pack("!6I", *packet_in, *port_status,
                                                      *flow_removed)))


def set_id(peer, number):
    peer.tell(of.VENDOR, nx(CONTROLLER_ID, struct.pack("!6xH", number)))


def set_config(peer, flags=0, length=0xFFFF):
    peer.tell(of.SET_CONFIG, struct.pack("!HH", flags, length))


def dec_ttl(*ids):
    if not ids:
        return struct.pack("!HHIH6x", 0xFFFF, 16, NX, 18)
    data = struct.pack("!HHIHH4x", 0xFFFF, 24, NX, 21, len(ids))
    return data + struct.pack("!4H", *ids, *([0] * (4 - len(ids))))


def controller(number=0, reason=ACTION, max_len=0xFFFF):
    return struct.pack("!HHIHHHBx", 0xFFFF, 16, NX, 20, max_len, number, reason)


def udp(ttl=9, **how):
    return IP(src="10.1.0.1", dst="10.1.0.2", ttl=ttl, **how) / UDP(sport=7, dport=8) / PAYLOAD


def frame(payload, **ether):
    return bytes(Ether(**{"src": SRC, "dst": DST, **ether}) / payload)


def marker(number):
    return bytes(Ether(src="02:00:00:00:00:ff", dst="02:00:00:00:00:fe", type=0x88B5)
                 / bytes([number] * 50))


def it_starts(lab):
    lab.switch = Switch(lab, ["p1@1", "p2@2", "p3@3"], listeners=["ptcp:6653:127.0.0.1"])
    lab.peers = [of.connect(lab) for _ in range(3)]
    lab.n = 0


def fresh(lab):
    """Three new connections and no flows."""
    for peer in lab.peers:
        peer.close()
    lab.peers = [of.connect(lab) for _ in range(3)]
    lab.peers[0].clear()
    return lab.peers


def writes(peer):
    """Each message that changes the switch: (type, body), harmless where it is taken."""
    address = peer.ports()[1][0]
    nx_flow_mod = struct.pack("!QHHHHIHHH6x", 0, of.DELETE, 0, 0, 1, of.NO_BUFFER, of.NONE, 0, 0)
    return [(of.FLOW_MOD, peer.flow_mod_body(command=of.DELETE)),
            (of.FLOW_MOD, peer.flow_mod_body(of.output(2))),
            (of.FLOW_MOD, peer.flow_mod_body(of.output(2), flags=of.EMERG)),
            (of.PACKET_OUT, peer.packet_out_body(of.output(2), marker(0))),
            (of.PORT_MOD, struct.pack("!H6sIII4x", 1, address, 0, 0, 0)),
            (of.SET_CONFIG, struct.pack("!HH", 0, 0xFFFF)),
            (of.VENDOR, nx(FLOW_MOD, nx_flow_mod))]


def check_may_write(peer, allowed):
    for kind, body in writes(peer):
        if allowed:
            peer.tell(kind, body)
        else:
            peer.refused(EPERM, kind, body)


def roles_are_exchanged(lab):
    one, two, three = fresh(lab)
    for peer in lab.peers:
        check_may_write(peer, True)
    ask_role(one, MASTER)
    ask_role(two, SLAVE)
    ask_role(three, SLAVE)
    check_may_write(one, True)
    check_may_write(two, False)
    check_may_write(three, False)
    ask_role(two, MASTER)
    check_may_write(one, False)
    check_may_write(two, True)
    check_may_write(three, False)
    ask_role(three, MASTER)
    ask_role(one, OTHER)
    check_may_write(one, True)
    check_may_write(two, False)
    check_may_write(three, True)


def a_slave_may_look(lab):
    peer = fresh(lab)[0]
    peer.flow_mod(of.output(2), cookie=7)
    ask_role(peer, SLAVE)
    check_equal([flow["cookie"] for flow in peer.flows()], [7], "flows")
    check_equal(peer.aggregate()[2], 1, "flows of AGGREGATE")
    check(1 in peer.ports(), "FEATURES has ports")
    check_equal(peer.ask(of.GET_CONFIG_REQUEST)[1], struct.pack("!HH", 0, 128), "configuration")
    check_equal(peer.ask(of.QUEUE_GET_CONFIG_REQUEST, struct.pack("!Hxx", 1))[0],
                of.QUEUE_GET_CONFIG_REPLY, "queues")
    for kind in (0, 3):
        check(peer.stats(kind), "statistics of type %d" % kind)
    set_async(peer)
    set_id(peer, 3)


def a_refused_write_does_nothing(lab):
    one, two, _ = fresh(lab)
    ask_role(two, SLAVE)
    with Capture(lab.hosts[1]) as capture:
        two.refused(EPERM, of.PACKET_OUT, two.packet_out_body(of.output(2), marker(1)))
        two.refused(EPERM, of.FLOW_MOD, two.flow_mod_body(of.output(2)))
        # Malformed as well: a slave is told that it must not, whatever it says.
        two.refused(EPERM, of.FLOW_MOD, two.flow_mod_body(of.output(0)))
        one.packet_out(of.output(2), marker(2))
        check_equal(capture.until(marker(2)), [], "frames of the slave")
    check_equal(one.flows(), [], "flows")


def a_lost_connection_is_other_again(lab):
    one, two, _ = fresh(lab)
    ask_role(one, MASTER)
    ask_role(two, SLAVE)
    one.close()
    wait_for(lambda: not any(row.get("role") == "master" for row in connections(lab)),
             "the master is gone")
    check_may_write(two, False)          # nobody takes its place by himself
    lab.peers[0] = of.connect(lab)
    check_may_write(lab.peers[0], True)
    ask_role(two, MASTER)
    check_may_write(lab.peers[0], True)


def what_is_no_role_is_refused(lab):
    one = fresh(lab)[0]
    ask_role(one, SLAVE)
    for role in (3, 4, 0xFFFFFFFF):
        refused_with_nicira(one, (1, 513), of.VENDOR, nx(ROLE_REQUEST, struct.pack("!I", role)))
    # OpenFlow 1.2's, with a generation: these have none that could be replayed.
    one.refused((1, 6), of.VENDOR, nx(ROLE_REQUEST, struct.pack("!IxxxxQ", MASTER, 1)))
    one.refused((1, 6), of.VENDOR, nx(ROLE_REQUEST))
    check_may_write(one, False)


def a_crowd_can_claim_the_role_in_turn(lab):
    fresh(lab)
    crowd = [of.connect(lab) for _ in range(40)]
    for _ in range(5):
        for peer in crowd:
            peer.send(of.VENDOR, nx(ROLE_REQUEST, struct.pack("!I", MASTER)))
    for peer in crowd:
        peer.barrier()
    roles = [row["role"] for row in connections(lab) if row.get("role")]
    check_equal(roles.count("master"), 1, "masters")
    check_equal(roles.count("slave"), 39, "slaves")
    for peer in crowd:
        peer.close()


def connections(lab):
    return lab.switch.ctl_json("controllers")["bridges"][0]["connections"]


def turnoutctl_shows_it(lab):
    one, two, _ = fresh(lab)
    ask_role(one, MASTER)
    ask_role(two, SLAVE)
    set_id(one, 77)
    set_async(two, packet_in=(3, 6), port_status=(7, 1 << 2 | 1 << 9), flow_removed=(0, 0))
    rows = {row["role"]: row for row in connections(lab) if row.get("role")}
    check_equal(rows["master"]["controller_id"], 77, "controller id")
    check_equal(rows["master"]["async_changed"], False, "the master's masks are changed")
    check_equal(rows["slave"]["async"], {"packet_in": ["action", "invalid_ttl"],
                                         "port_status": ["modify", 9], "flow_removed": []}, "masks")
    text = lab.switch.ctl("controllers").stdout
    for words in ("master", "slave", "other", "77", "default"):
        check(words in text, "%s in %s" % (words, text))


def each_reason_has_its_bit(lab):
    """Of each kind and reason one event; told or not as the mask of the role has it."""
    one, two, three = fresh(lab)
    set_async(one, (0, 0), (0, 0), (0, 0))   # makes things happen, is told of nothing
    config = {"flags": 0}

    def miss():
        lab.hosts[0].send("eth0", marker(9))

    def action():
        one.packet_out(of.output(of.CONTROLLER), marker(9))

    def port_modified():
        config["flags"] ^= 16
        one.port_mod(3, config["flags"], 16)

    def flow_deleted():
        one.flow_mod(priority=3, flags=of.SEND_FLOW_REM)
        one.flow_mod(priority=3, command=of.DELETE_STRICT)

    events = [(0, NO_MATCH, of.PACKET_IN, 8, miss), (0, ACTION, of.PACKET_IN, 8, action),
              (1, 2, of.PORT_STATUS, 0, port_modified), (2, 2, of.FLOW_REMOVED, 50, flow_deleted)]
    for role in (OTHER, SLAVE):
        ask_role(two, role)
        for kind, reason, message, at, make in events:
            masks = [[0, 0] for _ in range(3)]
            masks[kind][role == SLAVE] = 1 << reason
            set_async(two, *masks)
            for other in events:
                other[4]()
            one.barrier()
            lab.n += 1
            # Everything is over when the last thing, which all are told of, is there.
            set_async(two, (1 << 5, 1 << 5), (0, 0), (0, 0))
            one.packet_out(controller(reason=5), marker(100 + lab.n % 100))
            two.wait(lambda k, x, b: k == of.PACKET_IN and b[10:] == marker(100 + lab.n % 100),
                     "the end")
            got = [(k, b[at] if k == message else None) for k, _, b in two.kept
                   if k in (of.PACKET_IN, of.PORT_STATUS, of.FLOW_REMOVED)]
            two.kept = []
            check_equal(got, [(message, reason)], "told of, as role %d" % role)


def slaves_hear_of_ports_only(lab):
    one, two, three = fresh(lab)
    ask_role(two, SLAVE)
    one.flow_mod(of.output(of.CONTROLLER), flags=of.SEND_FLOW_REM)
    one.packet_out(of.output(of.TABLE), marker(3), in_port=1)
    one.flow_mod(command=of.DELETE)
    one.port_mod(3, 16, 16)
    one.port_mod(3, 0, 16)
    for peer in (one, three):
        peer.wait_for(of.PACKET_IN, lambda body: body[10:] == marker(3))
        peer.wait_for(of.FLOW_REMOVED)
    two.wait_for(of.PORT_STATUS)
    two.wait_for(of.PORT_STATUS)
    two.barrier()
    check_equal([kind for kind, _, _ in two.kept], [], "told the slave")


def ids_choose_who_is_told(lab):
    one, two, three = fresh(lab)
    set_id(two, 2)
    set_id(three, 3)
    for number, reason in ((2, ACTION), (3, NO_MATCH), (0, NO_MATCH), (0, ACTION)):
        lab.n += 1
        sent = marker(lab.n % 100)
        one.packet_out(controller(number, reason, 20) + controller(9), sent)
        target = {2: two, 3: three, 0: one}[number]
        body = target.wait_for(of.PACKET_IN, lambda body: body[10:] == sent[:20])
        check_equal(body[8], reason, "reason")
        for peer in lab.peers:
            peer.barrier()
            check_equal([k for k, _, _ in peer.kept if k == of.PACKET_IN], [], "told others")
    refused_with_nicira(one, (1, 515), of.VENDOR, nx(CONTROLLER_ID, b"\0\1\0\0\0\0\0\1"))


def at_two(lab, actions, sent):
    """What comes out at host 2 when host 1 sends 'sent', with one flow of these actions."""
    one = lab.peers[0]
    lab.n += 1
    end = marker(lab.n % 100)
    one.clear()
    one.flow_mod(of.output(2), of.match(dl_type=0x88B5), priority=65000)
    one.flow_mod(actions)
    with Capture(lab.hosts[1]) as capture:
        lab.hosts[0].send("eth0", *sent, end)
        return capture.until(end)


def lower(data, by=1):
    """The frame as scapy makes it with a TTL of that much less: its checksum is anew."""
    there = Ether(data)
    there[IP].ttl -= by
    del there[IP].chksum
    return bytes(there)


def check_frames(got, wanted, what):
    check_equal([data.hex() for data in got], [bytes(data).hex() for data in wanted], what)


def a_ttl_is_decremented(lab):
    fresh(lab)
    frames = [frame(udp()), frame(udp(ttl=255)), frame(udp(ttl=2)),
              frame(IP(src="1.2.3.4", dst="5.6.7.8", ttl=64) / TCP(seq=5) / PAYLOAD),
              frame(Dot1Q(vlan=5, prio=3) / udp(ttl=100)),
              frame(udp(ttl=17, options=b"\x94\x04\x00\x00")),
              frame(IP(src="10.1.0.1", dst="10.1.0.2", ttl=3, flags="MF") / UDP() / PAYLOAD),
              frame(IP(src="10.1.0.1", dst="10.1.0.2", ttl=3, frag=99, proto=17) / PAYLOAD),
              frame(IP(src="10.1.0.1", dst="10.1.0.2", ttl=3, proto=132) / PAYLOAD)]
    check_frames(at_two(lab, dec_ttl() + of.output(2), frames), map(lower, frames), "once")
    frames = [frame(udp(ttl=ttl)) for ttl in range(3, 256)]
    check_frames(at_two(lab, dec_ttl(1, 2) + dec_ttl() + of.output(2), frames),
                 [lower(data, 2) for data in frames], "twice")


def what_has_no_ttl_is_left_alone(lab):
    fresh(lab)
    frames = [frame(ARP()), frame(PAYLOAD, type=0x86DD), frame(PAYLOAD, type=0x1234),
              frame(b"\x45", type=0x0800)]
    check_frames(at_two(lab, dec_ttl() + of.output(2), frames), frames, "without a TTL")


def a_ttl_in_the_middle_of_a_list(lab):
    fresh(lab)
    sent = frame(udp(ttl=7))
    tagged = bytes(Ether(src=SRC, dst=DST) / Dot1Q(vlan=9) / udp(ttl=6))
    check_frames(at_two(lab, of.output(2) + dec_ttl() + of.output(2) + of.set_vid(9)
                        + of.output(2), [sent]), [sent, lower(sent), tagged], "step by step")


def a_ttl_at_its_end_ends_the_list(lab):
    """What was sent before stays sent; nothing behind is done; it is counted."""
    fresh(lab)
    before = lab.switch.counters()["ttl_expired"]
    ends = [frame(udp(ttl=1)), frame(udp(ttl=0)), frame(Dot1Q(vlan=5) / udp(ttl=1)),
            frame(udp(ttl=1, options=b"\x94\x04\x00\x00"))]
    check_frames(at_two(lab, of.output(2) + dec_ttl() + of.output(2), ends), ends, "before it")
    two = [frame(udp(ttl=2))]
    check_frames(at_two(lab, dec_ttl() + of.output(2) + dec_ttl() + of.output(2), two),
                 [lower(two[0])], "between two")
    check_equal(lab.switch.counters()["ttl_expired"] - before, 5, "counted")
    for peer in lab.peers:
        peer.barrier()
        check_equal([k for k, _, _ in peer.kept if k == of.PACKET_IN], [], "told without asking")


def whoever_asks_is_told_of_such_packets(lab):
    one, two, three = fresh(lab)
    set_config(one, flags=4)                                 # OFPC_INVALID_TTL_TO_CONTROLLER
    check_equal(one.ask(of.GET_CONFIG_REQUEST)[1], struct.pack("!HH", 4, 0xFFFF), "the flag")
    set_async(two, packet_in=(7, 0))
    sent = frame(udp(ttl=1))
    tagged = bytes(Ether(src=SRC, dst=DST) / Dot1Q(vlan=9) / udp(ttl=1))
    check_frames(at_two(lab, of.set_vid(9) + dec_ttl() + of.output(2), [sent]), [], "at host 2")
    for peer, length in ((one, len(tagged)), (two, 64)):
        body = peer.wait_for(of.PACKET_IN, lambda body: body[8] == INVALID_TTL)
        buffer_id, total, in_port, _, data = of.unpack_packet_in(body)
        check_equal((total, in_port, data[:64]), (len(tagged), 1, tagged[:64]), "the packet-in")
        check_equal(buffer_id == of.NO_BUFFER, peer is one, "without a buffer")
    three.barrier()
    check_equal([k for k, _, _ in three.kept if k == of.PACKET_IN], [], "told who did not ask")
    set_id(two, 2)
    check_frames(at_two(lab, dec_ttl(2, 9) + of.output(2), [sent]), [], "at host 2")
    two.wait_for(of.PACKET_IN, lambda body: body[8] == INVALID_TTL)
    one.barrier()
    check_equal([k for k, _, _ in one.kept if k == of.PACKET_IN], [], "told another id")


def a_buffered_one_can_be_sent_on(lab):
    """The packet that waits is as it was at the dec_ttl."""
    one = fresh(lab)[0]
    set_config(one, flags=4, length=20)
    sent = frame(udp(ttl=1))
    at_two(lab, dec_ttl() + of.output(2), [sent])
    body = one.wait_for(of.PACKET_IN, lambda body: body[8] == INVALID_TTL)
    buffer_id, total, _, _, data = of.unpack_packet_in(body)
    check_equal((total, data), (len(sent), sent[:20]), "the packet-in")
    with Capture(lab.hosts[1]) as capture:
        one.packet_out(of.output(2), buffer_id=buffer_id)
        check_equal(capture.next(), sent, "the packet")


def actions_that_are_not(lab):
    one = fresh(lab)[0]
    good = dec_ttl()
    for subtype in (0, 1, 17, 19, 22, 30, 0xFFFF):
        one.flow_mod_refused((2, 3), good[:8] + struct.pack("!H", subtype) + good[10:])
    one.flow_mod_refused((2, 2), good[:4] + struct.pack("!I", 0x2321) + good[8:])
    one.flow_mod_refused((2, 1), struct.pack("!HHI", 0xFFFF, 8, NX))
    one.flow_mod_refused((2, 1), struct.pack("!HH", 0xFFFF, 24) + good[4:] + bytes(8))
    one.flow_mod_refused((2, 5), controller(reason=32))
    one.flow_mod_refused((2, 5), struct.pack("!HHIHH4x", 0xFFFF, 16, NX, 21, 0))
    one.flow_mod_refused((2, 1), struct.pack("!HHIHH4x", 0xFFFF, 16, NX, 21, 1))
    one.flow_mod_refused((2, 7), struct.pack("!HHIHH4x8x", 0xFFFF, 24, NX, 21, 4))
    refused_with_nicira(one, (2, 256), of.FLOW_MOD, one.flow_mod_body(controller()[:15] + b"\1"))
    refused_with_nicira(one, (1, 515), of.FLOW_MOD, one.flow_mod_body(
        struct.pack("!HHIHHI8x", 0xFFFF, 24, NX, 21, 1, 1)))
    one.refused((2, 3), of.PACKET_OUT, one.packet_out_body(good[:8] + b"\0\1" + good[10:], PAYLOAD))
    check_equal(one.flows(), [], "flows")


def trace_tells_both_ways(lab):
    one = fresh(lab)[0]
    one.flow_mod(dec_ttl(1, 2) + controller(7, NO_MATCH, 9) + of.output(2))
    text = lab.switch.ctl("trace", "udp,in_port=1,nw_dst=10.1.0.2").stdout
    for words in ("dec_ttl(1,2)", "ids 1, 2", "ends here", "id 7", "no_match", "port 2"):
        check(words in text, "%s in %s" % (words, text))


def it_ends(lab):
    for peer in lab.peers:
        peer.close()
    lab.switch.stop()


if __name__ == "__main__":
    run(Lab(hosts=3), it_starts, roles_are_exchanged, a_slave_may_look,
        a_refused_write_does_nothing, a_lost_connection_is_other_again,
        what_is_no_role_is_refused, a_crowd_can_claim_the_role_in_turn, turnoutctl_shows_it,
        each_reason_has_its_bit, slaves_hear_of_ports_only, ids_choose_who_is_told,
        a_ttl_is_decremented, what_has_no_ttl_is_left_alone, a_ttl_in_the_middle_of_a_list,
        a_ttl_at_its_end_ends_the_list, whoever_asks_is_told_of_such_packets,
        a_buffered_one_can_be_sent_on, actions_that_are_not, trace_tells_both_ways, it_ends)
