#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Spanning tree states that an implementation outside of the switch sets: what they do to FLOOD
and NORMAL and leave alone otherwise, what controllers are told, and where BPDUs go."""

import os
import signal
import struct

from netns import rawof as of
from netns.lib import Lab, Switch, check, check_equal, run, wait_for
from netns.port_watch import (BLOCK, DOWN, FORWARD, LEARN, LINK_DOWN, LISTEN, NO_STP, STP_ADDR,
                              STP_MASK, Watch, reason_of)

OFPC_STP = 1 << 3
EVERYBODY = {1, 2, 3, of.LOCAL}
BEHIND_2, BEHIND_3 = "02:00:00:00:02:02", "02:00:00:00:03:03"
STATES = {"listen": LISTEN, "learn": LEARN, "forward": FORWARD, "block": BLOCK}


def configuration(lab, stp, forward_bpdu="no"):
    with open(lab.path("conf"), "w", encoding="ascii") as out:
        out.write("bridge br0\nport p1@1 p2@2 p3@3\nlisten ptcp:6653:127.0.0.1\n"
                  "stp %s\nforward-bpdu %s\n" % (stp, forward_bpdu))


class ConfiguredSwitch(Switch):
    """Its bridge is in the configuration file."""

    def start(self):
        at = self.argv.index("--bridge")
        self.argv[at:at + 2] = ["--config", self.lab.path("conf")]
        super().start()


def it_starts(lab):
    configuration(lab, "external")
    lab.switch = ConfiguredSwitch(lab)
    lab.peer = of.connect(lab)
    lab.watch = Watch(lab, lab.peer)


def state_of(lab, port):
    return lab.peer.ports()[port][3]


def set_state(lab, port, state, ok=True):
    return lab.switch.ctl("set-port", str(port), "stp-state=" + state, ok=ok)


def set_all(lab, state="forward"):
    for port in (1, 2, 3):
        set_state(lab, port, state)


def controllers_see_the_capability_and_the_states(lab):
    _, body = lab.peer.ask(of.FEATURES_REQUEST)
    check(struct.unpack_from("!I", body, 16)[0] & OFPC_STP, "FEATURES has OFPC_STP")
    check_equal({p: state_of(lab, p) for p in EVERYBODY},
                {1: LISTEN, 2: LISTEN, 3: LISTEN, of.LOCAL: FORWARD}, "states at the start")
    lab.watch.statuses()
    for name, state in (("learn", LEARN), ("forward", FORWARD), ("block", BLOCK),
                        ("listen", LISTEN)):
        row = lab.switch.ctl_json("set-port", "p2", "stp-state=" + name)["port"]
        check_equal(row["stp_state"], name, "set-port --json")
        check_equal([s[:4] for s in lab.watch.statuses()], [(2, 2, 0, state)], "PORT_STATUS")
        check_equal(state_of(lab, 2), state, "FEATURES")
        why = reason_of(lab, "p2")
        check_equal(why is None, name == "forward", "turnoutctl ports: %s" % why)
        set_state(lab, 2, name)
        check_equal(lab.watch.statuses(), [], "PORT_STATUS of no change")
    check("listen" in lab.switch.ctl("ports").stdout, "turnoutctl ports")


def flood_keeps_to_the_tree(lab):
    watch = lab.watch
    set_all(lab)
    watch.rule(of.output(of.FLOOD))
    watch.goes(1, EVERYBODY - {1}, "FLOOD")
    for state in STATES:
        set_state(lab, 2, state)
        wanted = EVERYBODY if state == "forward" else EVERYBODY - {2}
        watch.rule(of.output(of.FLOOD))
        watch.goes(1, wanted - {1}, "FLOOD, port 2 " + state)
        # What comes in goes through the table all the same (4.5).
        watch.goes(2, {1, 3, of.LOCAL}, "FLOOD from port 2, which is %s" % state)
        frame = watch.frame()
        lab.peer.packet_out(of.output(of.FLOOD), frame)
        watch.came(frame, wanted, "PACKET_OUT to FLOOD, port 2 " + state)


def other_outputs_ignore_the_tree(lab):
    watch = lab.watch
    set_all(lab)
    for state in STATES:
        set_state(lab, 2, state)
        watch.rule(of.output(of.ALL))
        watch.goes(1, EVERYBODY - {1}, "ALL, port 2 " + state)
        watch.rule(of.output(2))
        watch.goes(1, {2}, "output, port 2 " + state)
        watch.rule(of.output(of.IN_PORT) + of.output(3))
        watch.goes(2, {2, 3}, "IN_PORT, port 2 " + state)
        frame = watch.frame()
        lab.peer.packet_out(of.output(2) + of.output(of.ALL), frame, in_port=1)
        watch.came(frame, EVERYBODY - {1}, "PACKET_OUT, port 2 " + state)
        lab.peer.flow_mod(command=of.DELETE)
        lab.watch.send(2, watch.frame())
        lab.peer.wait_for(of.PACKET_IN)


def addresses(lab):
    return {(row["port"], row["address"]) for row in lab.switch.ctl_json("fdb")["addresses"]}


def normal_keeps_to_the_tree(lab):
    watch = lab.watch
    watch.rule(of.output(of.NORMAL))
    for state in STATES:
        set_all(lab)
        lab.switch.ctl("flush-fdb")
        set_state(lab, 2, state)
        forwards, learns = state == "forward", state in ("learn", "forward")
        watch.goes(1, EVERYBODY - {1} - (set() if forwards else {2}), "NORMAL, port 2 " + state)
        watch.goes(2, {1, 3, of.LOCAL} if forwards else set(),
                   "NORMAL from port 2, which is " + state, src=BEHIND_2)
        check_equal((2, BEHIND_2) in addresses(lab), learns, "learnt in state " + state)
        # To where port 2 has learnt it to be, or to all.
        wanted = {2} if forwards else set() if learns else {3, of.LOCAL}
        watch.goes(1, wanted, "NORMAL to what is behind port 2, " + state, dst=BEHIND_2)
        frame = watch.frame(dst=BEHIND_3)
        lab.peer.packet_out(of.output(of.NORMAL), frame, in_port=2)
        watch.came(frame, {1, 3, of.LOCAL} if forwards else set(),
                   "PACKET_OUT to NORMAL from port 2, " + state)


def what_was_learnt_is_forgotten_with_the_state(lab):
    watch = lab.watch
    set_all(lab)
    watch.rule(of.output(of.NORMAL))
    for state, kept in (("learn", True), ("block", False), ("listen", False)):
        set_state(lab, 3, "forward")
        watch.goes(3, {1, 2, of.LOCAL}, "NORMAL learns", src=BEHIND_3)
        set_state(lab, 3, state)
        check_equal((3, BEHIND_3) in addresses(lab), kept, "known behind port 3, " + state)
    set_all(lab)
    watch.goes(3, {1, 2, of.LOCAL}, "NORMAL learns", src=BEHIND_3)
    watch.goes(2, {1, 3, of.LOCAL}, "NORMAL learns", src=BEHIND_2)
    check_equal(lab.switch.ctl_json("flush-fdb", "br0", "p3")["flushed"], 1, "flush-fdb p3")
    check((3, BEHIND_3) not in addresses(lab) and (2, BEHIND_2) in addresses(lab), "flush-fdb p3")
    check("forgotten" in lab.switch.ctl("flush-fdb").stdout, "flush-fdb")
    check_equal(addresses(lab), set(), "flush-fdb")
    check_equal(lab.switch.ctl("flush-fdb", "br0", "p9", ok=False).returncode, 1, "flush-fdb p9")


def a_port_without_stp_always_forwards(lab):
    watch = lab.watch
    set_all(lab, "block")
    watch.statuses()
    watch.set_config(2, NO_STP)
    check_equal([s[:4] for s in watch.statuses()], [(2, 2, NO_STP, FORWARD)], "PORT_STATUS")
    watch.rule(of.output(of.FLOOD))
    watch.goes(1, {2, of.LOCAL}, "FLOOD, port 2 no-stp")
    done = set_state(lab, 2, "block", ok=False)
    check(done.returncode == 1 and "no-stp" in done.stderr, done.stderr)
    watch.set_config(2, 0)
    check_equal([s[:4] for s in watch.statuses()], [(2, 2, 0, LISTEN)], "it begins anew")
    watch.goes(1, {of.LOCAL}, "FLOOD, port 2 listens")
    done = lab.switch.ctl("set-port", "LOCAL", "stp-state=block", ok=False)
    check(done.returncode == 1 and "LOCAL" in done.stderr, done.stderr)


def a_port_that_comes_up_listens(lab):
    watch = lab.watch
    set_all(lab)
    watch.rule(of.output(of.NORMAL))
    watch.statuses()
    lab.hosts[1].ip("link", "set", "eth0", "down")
    watch.wait_status(lambda r, port, c, state, f: (port, state) == (2, LINK_DOWN | LISTEN),
                      "link down, and listen")
    for state, status in (("forward", 1), ("learn", 1), ("block", 0), ("listen", 0)):
        done = set_state(lab, 2, state, ok=False)
        check_equal(done.returncode, status, "stp-state=%s of a port that is down" % state)
    lab.hosts[1].ip("link", "set", "eth0", "up")
    watch.wait_status(lambda r, port, c, state, f: (port, state) == (2, LISTEN), "listen")
    watch.goes(1, {3, of.LOCAL}, "NORMAL, port 2 has come up")
    set_state(lab, 2, "forward")
    watch.goes(1, {2, 3, of.LOCAL}, "NORMAL, port 2 forwards")
    lab.peer.port_mod(2, DOWN, DOWN)
    check_equal(state_of(lab, 2), LINK_DOWN | LISTEN, "state of a port with PORT_DOWN")
    lab.peer.port_mod(2, 0, DOWN)
    wait_for(lambda: state_of(lab, 2) == LISTEN, "up again, and listen")


def bpdus_are_the_flows(lab):
    watch = lab.watch
    set_all(lab)
    to_stp = {"dst": STP_ADDR}
    for dst in (STP_ADDR, "01:80:c2:00:00:01", "01:80:c2:00:00:0e", "01:80:c2:00:00:0f"):
        watch.rule(of.output(of.NORMAL))
        before = lab.switch.counters()["normal_reserved"]
        watch.goes(1, set(), "NORMAL of " + dst, dst=dst)
        check_equal(lab.switch.counters()["normal_reserved"], before + 1, "normal_reserved")
        watch.rule(of.output(of.FLOOD), dl_dst=of.mac(dst))
        watch.goes(1, {2, 3, of.LOCAL}, "a flow of " + dst, dst=dst)
    watch.rule(of.output(of.NORMAL))
    watch.goes(1, {2, 3, of.LOCAL}, "NORMAL of 01:80:c2:00:00:10", dst="01:80:c2:00:00:10")
    # An implementation's way: from a blocked port to the controller, and back out of it.
    set_state(lab, 2, "block")
    watch.rule(of.output(of.CONTROLLER), dl_dst=of.mac(STP_ADDR))
    frame = watch.frame(**to_stp)
    watch.send(2, frame)
    body = lab.peer.wait_for(of.PACKET_IN, lambda b: b[10:] == frame)
    check_equal(struct.unpack_from("!HHB", body, 4)[:2], (len(frame), 2), "PACKET_IN")
    frame = watch.frame(**to_stp)
    lab.peer.packet_out(of.output(2), frame)
    watch.came(frame, {2}, "a BPDU out of a blocked port")


def reload(lab):
    lab.switch.process.send_signal(signal.SIGHUP)


def forward_bpdu_is_an_option(lab):
    watch = lab.watch
    set_all(lab)
    watch.rule(of.output(of.NORMAL))
    configuration(lab, "external", "yes")
    reload(lab)
    wait_for(lambda: "802.1D" not in lab.switch.ctl(
        "trace", "br0", "in_port=1,dl_dst=" + STP_ADDR).stdout, "the trace forwards BPDUs")
    for dst in (STP_ADDR, "01:80:c2:00:00:0e"):
        watch.goes(1, {2, 3, of.LOCAL}, "NORMAL with forward-bpdu", dst=dst)
    set_state(lab, 2, "block")
    watch.goes(1, {3, of.LOCAL}, "NORMAL with forward-bpdu, port 2 blocks", dst=STP_ADDR)


def the_trace_knows_the_states(lab):
    watch = lab.watch
    set_all(lab)
    set_state(lab, 2, "block")
    packet = "dl_src=02:00:00:00:09:09,dl_type=0x88b5,in_port="
    for action, words in ((of.NORMAL, "port 2 (p2): its spanning tree state is block"),
                          (of.FLOOD, "port 2 (p2): its spanning tree state is block"),
                          (of.ALL, "sent by port 2 (p2)"), (2, "sent by port 2 (p2)")):
        watch.rule(of.output(action))
        text = lab.switch.ctl("trace", "br0", packet + "1").stdout
        check(words in text, text)
    watch.rule(of.output(of.NORMAL))
    text = lab.switch.ctl("trace", "br0", packet + "2").stdout
    check("dropped: NORMAL takes nothing from port 2 (p2)" in text, text)
    check("would learn" not in text, text)
    set_state(lab, 2, "learn")
    text = lab.switch.ctl("trace", "br0", packet + "2").stdout
    check("would learn" in text and "dropped: NORMAL takes nothing" in text, text)


def without_spanning_tree_states_mean_nothing(lab):
    watch = lab.watch
    set_all(lab, "block")
    configuration(lab, "off")
    watch.statuses()
    reload(lab)
    watch.wait_status(lambda r, port, c, state, f: (port, state) == (of.LOCAL, 0), "no states")
    check_equal({state_of(lab, p) & STP_MASK for p in EVERYBODY}, {0}, "states")
    _, body = lab.peer.ask(of.FEATURES_REQUEST)
    check(not struct.unpack_from("!I", body, 16)[0] & OFPC_STP, "FEATURES has OFPC_STP")
    for kind in (of.FLOOD, of.NORMAL):
        watch.rule(of.output(kind))
        watch.goes(1, {2, 3, of.LOCAL}, "output %x" % kind)
    done = set_state(lab, 2, "forward", ok=False)
    check(done.returncode == 1 and "stp external" in done.stderr, done.stderr)


def it_ends_cleanly(lab):
    lab.watch.nothing_came_late()
    lab.watch.close()
    lab.switch.stop()
    os.unlink(lab.path("conf"))


if __name__ == "__main__":
    run(Lab(hosts=3), it_starts, controllers_see_the_capability_and_the_states,
        flood_keeps_to_the_tree, other_outputs_ignore_the_tree, normal_keeps_to_the_tree,
        what_was_learnt_is_forgotten_with_the_state, a_port_without_stp_always_forwards,
        a_port_that_comes_up_listens, bpdus_are_the_flows, forward_bpdu_is_an_option,
        the_trace_knows_the_states, without_spanning_tree_states_mean_nothing, it_ends_cleanly)
