#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Whatever entries in hardware depend on changes: exactly those are removed or rewritten, and
packets go the new way right after the barrier.

Flows without wildcards, so that traffic moves nothing: 1 to 2, 2 to 1, 3 to 4, and from 1 to
FLOOD and to ALL. Changes are to port 2."""

import struct

from netns import rawof as of
from netns.hw import Ears, Flow, device, marker_flow, operations, settled, state
from netns.lib import Lab, Switch, check, check_equal, run, wait_for

PORTS = ["p%d@%d,driver=sim" % (n, n) for n in (1, 2, 3, 4)]
DRIVER = ["--driver", "sim:latency-us=1000"]
QUICK = ["--inactivity-probe", "1", "--max-backoff", "1", "--max-emergency-flows", "5"]
DOWN, NO_STP, NO_RECV, NO_RECV_STP, NO_FLOOD, NO_FWD, NO_PACKET_IN = (1 << n for n in range(7))
LINK_DOWN = 1


def start(lab, *options):
    if lab.switch:
        lab.ears.close()
        lab.peer.close()
        lab.switch.stop()
    lab.switch = Switch(lab, PORTS, options=[*DRIVER, "--listen", "ptcp:6653:127.0.0.1", *options])
    lab.peer = of.connect(lab)
    lab.peer.ports()
    lab.ears = Ears(lab, (1, 2, 3, 4))
    lab.peer.port_mod(of.LOCAL, NO_FWD | NO_FLOOD, NO_FWD | NO_FLOOD)
    marker_flow(lab.peer)
    lab.forth, lab.back = Flow(lab, 1, 1, 2), Flow(lab, 2, 2, 1)
    lab.aside = Flow(lab, 3, 3, 4)
    lab.flood, lab.all = Flow(lab, 1, 1, 9), Flow(lab, 1, 1, 10)
    lab.outputs = {lab.forth: 2, lab.back: 1, lab.aside: 4, lab.flood: of.FLOOD, lab.all: of.ALL}
    for flow, port in lab.outputs.items():
        lab.peer.flow_mod(of.output(port), flow.match())
    lab.peer.barrier()
    all_in_hardware(lab)


def all_in_hardware(lab):
    def there():
        for flow in lab.outputs:
            if state(lab, flow) != "hardware":
                flow.send(40)
        return all(state(lab, flow) == "hardware" for flow in lab.outputs)
    wait_for(there, "all flows are in hardware")
    settled(lab)
    for n in (1, 2, 3):
        lab.ears.got(n, deaf=lab.deaf)


def everybody_gets(lab, what, forth=(2,), back=(1,), flood=(2, 3, 4), to_all=(2, 3, 4)):
    ears, deaf = lab.ears, lab.deaf
    ears.expect(lab.forth, 3, set(forth), what + ": 1 to 2", deaf)
    ears.expect(lab.aside, 3, {4}, what + ": 3 to 4", deaf)
    ears.expect(lab.flood, 3, set(flood), what + ": FLOOD", deaf)
    ears.expect(lab.all, 3, set(to_all), what + ": ALL", deaf)
    if 2 not in deaf:
        ears.expect(lab.back, 3, set(back), what + ": 2 to 1", deaf)


def port_mod(lab, config, mask, what, removed=0, changed=0, **gets):
    """The change, and packets right after its barrier, which may bring flows back to hardware
    once they can be there."""
    with operations(lab, what, added=0 if config else None, removed=removed, changed=changed):
        lab.peer.port_mod(2, config, mask)
        lab.peer.barrier()
        everybody_gets(lab, what, **gets)
        settled(lab)


def flags_of_outputs(lab):
    start(lab)
    everybody_gets(lab, "at first")
    port_mod(lab, NO_FLOOD, NO_FLOOD, "NO_FLOOD", changed=1, flood=(3, 4))
    port_mod(lab, 0, NO_FLOOD, "NO_FLOOD taken back", changed=1)
    lab.deaf = {2}
    port_mod(lab, NO_FWD, NO_FWD, "NO_FWD", removed=1, changed=2, forth=(), flood=(3, 4),
             to_all=(3, 4))
    check_equal(state(lab, lab.forth), "output-down", "why 1 to 2 is in software")
    lab.deaf = set()
    port_mod(lab, 0, NO_FWD, "NO_FWD taken back", changed=2)
    all_in_hardware(lab)


def flags_of_the_ingress(lab):
    for flag, name in ((NO_RECV, "NO_RECV"), (NO_RECV_STP, "NO_RECV_STP")):
        with operations(lab, name, removed=1):
            lab.peer.port_mod(2, flag, flag)
            lab.peer.barrier()
            if flag == NO_RECV_STP:  # what is taken still is software's
                lab.ears.expect(lab.back, 3, {1}, name)
            else:
                lab.back.send(3)     # no marker from there would come either
            lab.ears.expect(lab.forth, 3, {2}, name)
            settled(lab)
        check_equal(state(lab, lab.back), "ingress-blocked", "why 2 to 1 is in software")
        port_mod(lab, 0, flag, name + " taken back")
        all_in_hardware(lab)


def flags_that_hardware_does_not_see(lab):
    for flag, name in ((NO_PACKET_IN, "NO_PACKET_IN"), (NO_STP, "NO_STP")):
        port_mod(lab, flag, flag, name)
        port_mod(lab, 0, flag, name + " taken back")


def link_is(lab, down):
    return bool(lab.peer.ports()[2][3] & LINK_DOWN) == down


def down_and_up(lab, what, take_down, bring_up):
    with operations(lab, what + ", down", removed=what == "PORT_DOWN" and 2 or 1, changed=2):
        take_down()
        wait_for(lambda: link_is(lab, True), "the link is down")
        lab.peer.barrier()
        lab.deaf = {2}
        everybody_gets(lab, what, forth=(), flood=(3, 4), to_all=(3, 4))
        settled(lab)
    with operations(lab, what + ", up", added=None, changed=2):
        bring_up()
        wait_for(lambda: link_is(lab, False), "the link is up")
        lab.peer.barrier()
        wait_for(lambda: "LOWER_UP" in lab.hosts[1].ip("link", "show", "eth0").stdout,
                 "the host's link is up")
        lab.deaf = set()
        everybody_gets(lab, what + ", over")
        settled(lab)
    all_in_hardware(lab)


def ports_that_are_taken_down(lab):
    def set_down(config):
        lab.peer.port_mod(2, config, DOWN)
    down_and_up(lab, "PORT_DOWN", lambda: set_down(DOWN), lambda: set_down(0))


def links_that_go(lab):
    host = lab.hosts[1]

    def set_link(how):
        host.ip("link", "set", "eth0", how)
    down_and_up(lab, "the link", lambda: set_link("down"), lambda: set_link("up"))


def ports_that_are_removed_and_added(lab):
    with operations(lab, "del-port", removed=2, changed=2):
        lab.switch.ctl("del-port", "p2")
        lab.peer.barrier()
        lab.deaf = {2}
        everybody_gets(lab, "del-port", forth=(), flood=(3, 4), to_all=(3, 4))
        settled(lab)
    with operations(lab, "add-port", added=None, changed=2):
        lab.switch.ctl("add-port", "p2@2", "--driver", "sim")
        wait_for(lambda: link_is(lab, False), "the link is up")
        lab.peer.barrier()
        lab.deaf = set()
        everybody_gets(lab, "add-port")
        settled(lab)
    all_in_hardware(lab)


def set_fragments(lab, drop):
    lab.peer.tell(of.SET_CONFIG, struct.pack("!HH", drop, 0xFFFF))


def fragments_that_are_dropped(lab):
    """Flows without wildcards match first fragments too, until these are dropped: then what is
    in hardware says so."""
    sent = lab.forth.send(3, fragment=True)
    check_equal(lab.ears.got(1)[2], sent, "fragments are forwarded")
    with operations(lab, "fragments are dropped", added=None, removed=5):
        set_fragments(lab, 1)
        lab.peer.barrier()
        lab.forth.send(3, fragment=True)
        check_equal(lab.ears.got(1)[2], [], "fragments after the barrier")
        everybody_gets(lab, "whole packets")
        settled(lab)
    all_in_hardware(lab)
    lab.forth.send(3, fragment=True)
    check_equal(lab.ears.got(1)[2], [], "fragments, with the flows in hardware again")
    set_fragments(lab, 0)
    lab.peer.barrier()
    sent = lab.forth.send(3, fragment=True)
    check_equal(lab.ears.got(1)[2], sent, "fragments are forwarded again")
    all_in_hardware(lab)


def queues_are_not_for_this_device(lab):
    flow = Flow(lab, 3, 3, 2)
    with operations(lab, "a flow with a queue, and its queue"):
        lab.switch.ctl("add-queue", "p2", "7", "--max-rate", "1G")
        lab.peer.flow_mod(struct.pack("!HHH6xI", 11, 16, 2, 7), flow.match())
        lab.peer.barrier()
        check_equal(state(lab, flow), "output-queue", "why it is in software")
        lab.ears.expect(flow, 5, {2}, "through the queue")
        lab.switch.ctl("del-queue", "p2", "7")
        lab.peer.barrier()
        lab.ears.expect(flow, 5, {2}, "without it")
        everybody_gets(lab, "beside the queue")
    lab.peer.flow_mod(fields=flow.match(), command=of.DELETE)


def spanning_tree_states(lab):
    start(lab, "--stp", "external")
    for port in (1, 2, 3, 4):
        lab.switch.ctl("set-port", "p%d" % port, "stp-state=forward")
    lab.peer.barrier()
    all_in_hardware(lab)
    for name in ("listen", "learn", "block"):
        with operations(lab, name, changed=1):
            lab.switch.ctl("set-port", "p2", "stp-state=" + name)
            lab.peer.barrier()
            everybody_gets(lab, name, flood=(3, 4))
            settled(lab)
        with operations(lab, "forward", changed=1):
            lab.switch.ctl("set-port", "p2", "stp-state=forward")
            lab.peer.barrier()
            everybody_gets(lab, "forward")
            settled(lab)


def controllers_that_are_lost(lab):
    for mode in ("secure", "standalone"):
        start(lab, *QUICK, "--fail-mode", mode)
        with operations(lab, mode):
            lab.peer.close()
            wait_for(lambda m=mode: mode_of(lab) == m, "the mode is " + mode)
            everybody_gets(lab, mode)
            settled(lab)
    # With emergency flows the others go, from hardware too, and these come.
    start(lab, *QUICK)
    lab.peer.flow_mod(of.output(3), lab.forth.match(), flags=of.EMERG)
    lab.peer.flow_mod(of.output(of.ALL), of.match(dl_type=0x9999), priority=9, flags=of.EMERG)
    lab.peer.barrier()
    before = device(lab)
    lab.peer.close()
    wait_for(lambda: mode_of(lab) == "emergency", "the mode is emergency")
    wait_for(lambda: state(lab, lab.forth) == "hardware", "the emergency flow is in hardware")
    settled(lab)
    after = device(lab)
    check_equal((after["removed"] - before["removed"], after["added"] - before["added"]), (5, 1),
                "entries removed and added")
    lab.ears.expect(lab.forth, 5, {3}, "by the emergency flow")
    lab.ears.expect(lab.aside, 5, set(), "by a flow that is gone")


def mode_of(lab):
    return lab.switch.ctl_json("show")["bridges"][0]["control"]["mode"]


if __name__ == "__main__":
    LAB = Lab(hosts=4)
    LAB.switch, LAB.deaf = None, set()
    run(LAB, flags_of_outputs, flags_of_the_ingress, flags_that_hardware_does_not_see,
        ports_that_are_taken_down, links_that_go, ports_that_are_removed_and_added,
        fragments_that_are_dropped, queues_are_not_for_this_device, spanning_tree_states,
        controllers_that_are_lost)
