#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""PORT_MOD: every flag on real packets, right behind the barrier, with each kind of output that
would use the port, and what controllers are told."""

import re
import struct

from netns import rawof as of
from netns.lib import Lab, Switch, check, check_equal, run, wait_for
from netns.port_watch import (DOWN, LINK_DOWN, NO_FLOOD, NO_FWD, NO_PACKET_IN, NO_RECV,
                              NO_RECV_STP, NO_STP, STP_ADDR, Watch, reason_of)

BAD_PORT, BAD_HW_ADDR = (4, 0), (4, 1)
BEHIND_2 = "02:00:00:00:02:02"
EVERY = [DOWN, NO_STP, NO_RECV, NO_RECV_STP, NO_FLOOD, NO_FWD, NO_PACKET_IN]


def it_starts(lab):
    lab.switch = Switch(lab, ["p1@1", "p2@2", "p3@3"], listeners=["ptcp:6653:127.0.0.1"])
    lab.peer = of.connect(lab)
    lab.peer.ask(of.FEATURES_REQUEST)
    lab.watch = Watch(lab, lab.peer)


def without(ports, port, *conditions):
    return set(ports) - ({port} if any(conditions) else set())


def frames_to(lab, port, silent, unflooded):
    """Each kind of output that uses the port, from port 1. 'silent': nothing leaves by it;
    'unflooded': it is left out of floods."""
    watch = lab.watch
    others = {2, 3, of.LOCAL}
    watch.rule(of.output(port))
    watch.goes(1, without({port}, port, silent), "output")
    for kind, name, left_out in ((of.FLOOD, "FLOOD", silent or unflooded), (of.ALL, "ALL", silent),
                                 (of.NORMAL, "NORMAL to all", silent or unflooded)):
        watch.rule(of.output(kind))
        watch.goes(1, without(others, port, left_out), name)
    watch.rule(of.output(of.ALL) + of.output(port))
    watch.goes(1, without(others, port, silent), "ALL and output")


def packets_out_to(lab, port, silent, unflooded):
    watch, peer = lab.watch, lab.peer
    everybody = {1, 2, 3, of.LOCAL}
    for actions, ports, left_out, what in (
            (of.output(port), {port}, silent, "output"),
            (of.output(of.FLOOD), everybody, silent or unflooded, "FLOOD"),
            (of.output(of.ALL), everybody, silent, "ALL"),
            (of.output(of.NORMAL), everybody, silent or unflooded, "NORMAL")):
        frame = watch.frame()
        peer.packet_out(actions, frame)
        watch.came(frame, without(ports, port, left_out), "PACKET_OUT, " + what)
    watch.rule(of.output(port))
    frame = watch.frame()
    peer.packet_out(of.output(of.TABLE), frame, in_port=1)
    watch.came(frame, without({port}, port, silent), "PACKET_OUT, TABLE")
    frame = watch.frame()
    peer.packet_out(of.output(of.IN_PORT), frame, in_port=port)
    watch.came(frame, without({port}, port, silent), "PACKET_OUT, IN_PORT")


def buffers_to(lab, port, silent):
    watch, peer = lab.watch, lab.peer
    frame, buffer_id = watch.buffered(1)
    peer.packet_out(of.output(port), buffer_id=buffer_id)
    watch.came(frame, without({port}, port, silent), "a buffered packet, PACKET_OUT")
    frame, buffer_id = watch.buffered(1)
    peer.flow_mod(of.output(port), priority=7, buffer_id=buffer_id)
    watch.came(frame, without({port}, port, silent), "a buffered packet, FLOW_MOD")


def everything_to(lab, port, config, silent=False, unflooded=False):
    lab.watch.set_config(port, config)
    frames_to(lab, port, silent, unflooded)
    packets_out_to(lab, port, silent, unflooded)
    buffers_to(lab, port, silent)


def frames_from(lab, port, plain, stp, answers=True):
    """Frames that come in by the port: ordinary ones are taken if 'plain', spanning tree's if
    'stp'; 'answers': they can go back."""
    watch = lab.watch
    watch.rule(of.output(1) + of.output(of.IN_PORT), in_port=port)
    back = {port} if answers else set()
    for dst, taken, what in (("02:00:00:00:00:ee", plain, "a frame"),
                             ("ff:ff:ff:ff:ff:ff", plain, "a broadcast"),
                             ("01:80:c2:00:00:01", plain, "another reserved address"),
                             (STP_ADDR, stp, "a spanning tree frame")):
        watch.goes(port, {1} | back if taken else set(), what + " from the port", dst=dst)


def misses(lab, port):
    """(a table miss, an action) reach the controller."""
    watch, peer = lab.watch, lab.peer
    found = []
    for actions in (None, of.output(of.CONTROLLER)):
        peer.clear()
        if actions:
            peer.flow_mod(actions)
        watch.send(port, watch.frame())
        watch.send(port, watch.frame())
        peer.barrier()
        found.append(any(m[0] == of.PACKET_IN for m in peer.kept))
    return tuple(found)


def without_flags_everything_passes(lab):
    for port in (2, of.LOCAL):
        everything_to(lab, port, 0)
        frames_from(lab, port, True, True)
        check_equal(misses(lab, port), (True, True), "packet-ins")


def no_fwd_keeps_everything_from_leaving(lab):
    for port in (2, of.LOCAL):
        everything_to(lab, port, NO_FWD, silent=True)
        frames_from(lab, port, True, True, answers=False)
        lab.watch.set_config(port, 0)
        frames_to(lab, port, False, False)


def no_flood_keeps_it_out_of_floods_only(lab):
    for port in (2, of.LOCAL):
        everything_to(lab, port, NO_FLOOD, unflooded=True)
        frames_from(lab, port, True, True)
        lab.watch.set_config(port, 0)
    # An address that NORMAL knows is no flood.
    watch = lab.watch
    watch.rule(of.output(of.NORMAL))
    watch.goes(2, {1, 3, of.LOCAL}, "NORMAL learns", src=BEHIND_2)
    watch.set_config(2, NO_FLOOD)
    watch.goes(1, {2}, "NORMAL to a known address", dst=BEHIND_2)
    watch.set_config(2, NO_FWD)
    watch.goes(1, set(), "NORMAL to a known address, NO_FWD", dst=BEHIND_2)
    watch.set_config(2, 0)


def no_recv_takes_spanning_tree_frames_only(lab):
    for port in (2, of.LOCAL):
        everything_to(lab, port, NO_RECV)
        frames_from(lab, port, False, True)
        lab.watch.set_config(port, NO_RECV_STP)
        frames_from(lab, port, True, False)
        lab.watch.set_config(port, NO_RECV | NO_RECV_STP)
        frames_from(lab, port, False, False)
        lab.watch.set_config(port, 0)
        frames_from(lab, port, True, True)


def no_packet_in_silences_misses_only(lab):
    for port in (2, of.LOCAL):
        lab.watch.set_config(port, NO_PACKET_IN)
        check_equal(misses(lab, port), (False, True), "packet-ins")
        frames_from(lab, port, True, True)
        lab.watch.set_config(port, 0)
        check_equal(misses(lab, port), (True, True), "packet-ins")


def no_stp_changes_nothing_without_spanning_tree(lab):
    everything_to(lab, 2, NO_STP)
    frames_from(lab, 2, True, True)
    lab.watch.set_config(2, 0)


def is_up(namespace, device):
    text = namespace.ip("link", "show", "dev", device).stdout
    return "UP" in re.search(r"<([^>]*)>", text).group(1).split(",")


def has_carrier(namespace, device):
    return "LOWER_UP" in namespace.ip("link", "show", "dev", device).stdout


def port_down_is_down_for_everybody(lab):
    watch = lab.watch
    watch.statuses()
    everything_to(lab, 2, DOWN, silent=True)
    check_equal([s[1:4] for s in watch.statuses()], [(2, DOWN, LINK_DOWN)], "PORT_STATUS")
    check(not is_up(lab.switch_ns, "p2"), "the device is up")
    check(not has_carrier(lab.hosts[1], "eth0"), "the other end has a carrier")
    check("configured down" in reason_of(lab, "p2"), "turnoutctl ports: %s" % reason_of(lab, "p2"))
    # Whatever somebody does to the device, the port stays silent.
    lab.switch_ns.ip("link", "set", "p2", "up")
    wait_for(lambda: has_carrier(lab.hosts[1], "eth0"), "carrier")
    watch.wait_status(lambda reason, port, config, state, f: state == 0, "link up")
    frames_to(lab, 2, True, False)
    frames_from(lab, 2, False, False)
    check_equal(misses(lab, 2), (False, False), "packet-ins")
    lab.switch_ns.ip("link", "set", "p2", "down")


def port_up_brings_it_up(lab):
    watch = lab.watch
    watch.set_config(2, 0)
    check(is_up(lab.switch_ns, "p2"), "the device is down")
    watch.wait_status(lambda reason, port, config, state, f: (port, config, state) == (2, 0, 0),
                      "the port is up")
    everything_to(lab, 2, 0)
    frames_from(lab, 2, True, True)
    check_equal(reason_of(lab, "p2"), None, "turnoutctl ports")
    watch.set_config(of.LOCAL, DOWN)
    check(not is_up(lab.switch_ns, "br0"), "LOCAL's device is up")
    frames_to(lab, of.LOCAL, True, False)
    packets_out_to(lab, of.LOCAL, True, False)
    watch.set_config(of.LOCAL, 0)
    wait_for(lambda: lab.peer.ports()[of.LOCAL][3] == 0, "LOCAL is up again")
    everything_to(lab, of.LOCAL, 0)


def changes_are_told_and_nothing_else_is(lab):
    watch, peer = lab.watch, lab.peer
    with of.connect(lab) as other:
        other.ask(of.FEATURES_REQUEST)
        watch.statuses()
        for flag in EVERY:
            for config in (flag, 0):
                peer.port_mod(3, config, flag)
                if flag == DOWN and not config:
                    watch.wait_status(lambda reason, port, config, state, f:
                                      (port, config, state) == (3, 0, 0), "port 3 is up")
                    continue
                state = LINK_DOWN if config == DOWN else 0
                check_equal([s[:4] for s in watch.statuses()], [(2, 3, config, state)],
                            "PORT_STATUS of %#x" % flag)
                check_equal(peer.ports()[3][2], config, "FEATURES' config")
                other.wait_for(of.PORT_STATUS, lambda body, config=config: body[0] == 2
                               and struct.unpack_from("!H22xI", body, 8) == (3, config))
        peer.port_mod(3, 0, 0x7F)
        check_equal(watch.statuses(), [], "PORT_STATUS of no change")


def the_mask_decides(lab):
    watch, peer = lab.watch, lab.peer
    peer.port_mod(3, 0x7F & ~DOWN, NO_FLOOD)
    check_equal(peer.ports()[3][2], NO_FLOOD, "config")
    peer.port_mod(3, 0, NO_FWD | NO_RECV)
    check_equal(peer.ports()[3][2], NO_FLOOD, "config")
    peer.port_mod(3, NO_FWD, NO_FWD | NO_FLOOD)
    check_equal(peer.ports()[3][2], NO_FWD, "config")
    before = lab.switch.counters()["port_mod_ignored"]
    peer.port_mod(3, 0xFFFFFF80, 0xFFFFFF80 | NO_FWD)     # unknown bits: ignored, counted
    check_equal(peer.ports()[3][2], 0, "config")
    check_equal(lab.switch.counters()["port_mod_ignored"], before + 1, "port_mod_ignored")
    watch.statuses()


def a_wrong_port_mod_is_refused(lab):
    peer = lab.peer
    addr = peer.ports()[3][0]
    other = peer.ports()[2][0]
    for number in (0, 4, 0xFEFF, 0xFF00, of.IN_PORT, of.TABLE, of.NORMAL, of.FLOOD, of.ALL,
                   of.CONTROLLER, of.NONE):
        peer.refused(BAD_PORT, of.PORT_MOD,
                     struct.pack("!H6sIII4x", number, addr, NO_FLOOD, NO_FLOOD, 0))
    for wrong in (other, bytes(6), bytes([addr[0] ^ 1]) + addr[1:]):
        peer.refused(BAD_HW_ADDR, of.PORT_MOD,
                     struct.pack("!H6sIII4x", 3, wrong, NO_FLOOD, NO_FLOOD, 0))
    for size in (31, 33, 8):
        peer.refused((1, 6), of.PORT_MOD,
                     (struct.pack("!H6sIII4x", 3, addr, NO_FLOOD, NO_FLOOD, 0) + b"\0")[:size - 8])
    check_equal(peer.ports()[3][2], 0, "config")
    before = lab.switch.counters()["port_mod_ignored"]    # a veth can't advertise anything
    peer.tell(of.PORT_MOD, struct.pack("!H6sIII4x", 3, addr, NO_FLOOD, NO_FLOOD, 0x20))
    check_equal(peer.ports()[3][2], NO_FLOOD, "config")
    check_equal(lab.switch.counters()["port_mod_ignored"], before + 1, "port_mod_ignored")
    lab.watch.set_config(3, 0)


def flags_outlive_connections_and_devices(lab):
    watch = lab.watch
    watch.set_config(2, NO_FLOOD | NO_RECV_STP)
    watch.set_config(3, DOWN)
    lab.peer.close()
    lab.peer = watch.peer = of.connect(lab)
    check_equal([lab.peer.ports()[n][2] for n in (2, 3)], [NO_FLOOD | NO_RECV_STP, DOWN], "config")
    for number in (2, 3):
        lab.switch_ns.ip("link", "del", "p%d" % number)
    wait_for(lambda: "does not exist" in (reason_of(lab, "p2") or ""), "turnoutctl ports says why")
    for number in (2, 3):
        lab.hosts[number - 1].plug(lab.switch_ns)
        watch.recapture(number, lab.hosts[number - 1], "eth0")
    wait_for(lambda: lab.peer.ports()[2][3] == 0, "port 2 is back")
    wait_for(lambda: "configured down" == reason_of(lab, "p3"), "port 3 is there, and silent")
    check_equal([lab.peer.ports()[n][2] for n in (2, 3)], [NO_FLOOD | NO_RECV_STP, DOWN], "config")
    watch.rule(of.output(of.FLOOD))
    watch.goes(1, {of.LOCAL}, "FLOOD")
    frames_from(lab, 2, True, False)
    watch.set_config(2, 0)
    watch.set_config(3, 0)
    wait_for(lambda: lab.peer.ports()[3][3] == 0, "port 3 is up")
    everything_to(lab, 2, 0)


def flags_are_set_by_hand_too(lab):
    watch, ctl = lab.watch, lab.switch.ctl
    watch.statuses()
    text = ctl("set-port", "br0", "p2", "no-flood=yes,no-packet-in=yes").stdout
    check_equal(text, "bridge br0: port 2 (p2): config no-flood no-packet-in\n", "set-port")
    check_equal([s[:4] for s in watch.statuses()], [(2, 2, NO_FLOOD | NO_PACKET_IN, 0)],
                "PORT_STATUS")
    row = lab.switch.ctl_json("set-port", "2", "no-flood=no")["port"]
    check_equal((row["number"], row["config"], row["stp_state"]), (2, ["no-packet-in"], None),
                "set-port --json")
    ctl("set-port", "LOCAL", "no-receive-stp=yes,no-stp=yes")
    check_equal(lab.peer.ports()[of.LOCAL][2], NO_RECV_STP | NO_STP, "LOCAL's config")
    lines = ctl("ports").stdout
    check(re.search(r"p2 +up +- .* no-packet-in$", lines, re.M), lines)
    check(re.search(r"^port LOCAL \(br0\) is held back: configured no-receive-stp", lines, re.M),
          lines)
    for status, *words in ((2, "p2", "no-flood"), (2, "p2", "no-flood=maybe"),
                           (2, "p2", "colour=yes"), (2, "p2", "stp-state=sleeping"),
                           (1, "p9", "no-flood=yes"), (1, "p2", "stp-state=block"),
                           (2, "p2", ""), (2, "p2")):
        done = ctl("set-port", *words, ok=False)
        check_equal(done.returncode, status, "set-port %s: %s" % (words, done.stderr))
        check(done.stderr.strip(), "a reason")
    check_equal(lab.peer.ports()[2][2], NO_PACKET_IN, "config")
    ctl("set-port", "p2", "no-packet-in=no")
    ctl("set-port", "LOCAL", "no-receive-stp=no,no-stp=no")


def the_trace_knows_the_flags(lab):
    watch = lab.watch
    watch.rule(of.output(of.FLOOD))
    watch.set_config(2, NO_FLOOD)
    watch.set_config(3, NO_FWD)
    text = lab.switch.ctl("trace", "br0", "in_port=1,dl_type=0x88b5").stdout
    check("port 2 (p2): it is configured no-flood" in text, text)
    check("port 3 (p3): it is configured no-forward" in text, text)
    watch.set_config(3, NO_RECV)
    text = lab.switch.ctl("trace", "br0", "in_port=3,dl_type=0x88b5").stdout
    check("dropped: port 3 (p3) is configured no-receive" in text, text)
    lab.peer.tell(of.SET_CONFIG, struct.pack("!HH", 1, 128))
    text = lab.switch.ctl("trace", "br0", "in_port=1,ip,nw_frag=first").stdout
    check("fragment mode is DROP" in text, text)
    lab.peer.tell(of.SET_CONFIG, struct.pack("!HH", 0, 128))
    watch.set_config(2, 0)
    watch.set_config(3, 0)


def it_ends_cleanly_and_brings_up_what_it_took_down(lab):
    lab.watch.nothing_came_late()
    lab.watch.close()
    lab.peer.port_mod(2, DOWN, DOWN)
    check(not is_up(lab.switch_ns, "p2"), "p2 is down")
    lab.peer.close()
    lab.switch.stop()
    check(is_up(lab.switch_ns, "p2"), "p2 is up again")


def a_crash_leaves_nothing_down_for_long(lab):
    lab.switch.argv[lab.switch.argv.index("p2@2")] = "p2@2,down=yes"
    lab.switch.start()
    wait_for(lambda: not is_up(lab.switch_ns, "p2"), "p2 is down from the start")
    lab.switch.process.kill()
    lab.switch.process.wait()
    check(not is_up(lab.switch_ns, "p2"), "p2 is still down")
    lab.switch.argv[lab.switch.argv.index("p2@2,down=yes")] = "p2@2"
    lab.switch.start()
    check(is_up(lab.switch_ns, "p2"), "p2 is up again")
    lab.switch.stop()
    check(is_up(lab.switch_ns, "p2"), "p2 stays up")


if __name__ == "__main__":
    run(Lab(hosts=3), it_starts, without_flags_everything_passes,
        no_fwd_keeps_everything_from_leaving, no_flood_keeps_it_out_of_floods_only,
        no_recv_takes_spanning_tree_frames_only, no_packet_in_silences_misses_only,
        no_stp_changes_nothing_without_spanning_tree, port_down_is_down_for_everybody,
        port_up_brings_it_up, changes_are_told_and_nothing_else_is, the_mask_decides,
        a_wrong_port_mod_is_refused, flags_outlive_connections_and_devices,
        flags_are_set_by_hand_too, the_trace_knows_the_flags,
        it_ends_cleanly_and_brings_up_what_it_took_down, a_crash_leaves_nothing_down_for_long)
