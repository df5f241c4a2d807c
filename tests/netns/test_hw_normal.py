#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""NORMAL in hardware, from outside: it goes where software would send it, follows moves, ages
as it should. Hosts 1 to 4 are at a bridge with the simulated ASIC, 5 to 8 at one without."""

import os
import random
import struct

from netns import rawof as of
from netns.hw import (BROADCAST, Ears, Flow, device, entries, in_hardware, mac_of, marker_flow,
                      operations, settled, state)
from netns.lib import Lab, Switch, check, check_equal, run, wait_for

PORTS = ["p%d@%d,driver=sim" % (n, n) for n in (1, 2, 3, 4)]
AGE_S = 4


def start(lab, *options, others=()):
    if lab.switch:
        lab.ears.close()
        lab.peer.close()
        lab.switch.stop()
    lab.switch = Switch(lab, PORTS, options=["--listen", "ptcp:6653:127.0.0.1", *options, *others])
    lab.peer = of.connect(lab)
    lab.ears = Ears(lab, (1, 2, 3, 4))
    marker_flow(lab.peer)


def normal(lab, *flows):
    """Exact flows of NORMAL, in hardware."""
    for flow in flows:
        lab.peer.flow_mod(of.output(of.NORMAL), flow.match())
    lab.peer.barrier()
    for flow in flows:
        in_hardware(lab, flow)
        lab.ears.got(flow.number)
    settled(lab)


def introduce(lab, *numbers):
    """Addresses speak from the port of their number, and are learnt there."""
    lab.peer.flow_mod(of.output(of.NORMAL), of.match(), priority=1)
    lab.peer.barrier()
    for n in numbers:
        speak(lab, n, n)


def speak(lab, address, port):
    """A plain frame from 'address' at 'port', learnt when this returns."""
    lab.hosts[port - 1].send("eth0", BROADCAST + mac_of(address) + b"\x88\xb5" + bytes(46))
    lab.ears.got(port)


def gratuitous_arp(lab, address, port):
    ip = struct.pack("!4B", 10, 0, 0, address)
    lab.hosts[port - 1].send("eth0", BROADCAST + mac_of(address) + struct.pack(
        "!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1) + mac_of(address) + ip + bytes(6) + ip + bytes(18))
    lab.ears.got(port)


def looked_up(lab):
    """Packets that were looked up in software."""
    found = lab.switch.ctl_json("show")["bridges"][0]["lookups"]
    return found["hit"] + found["missed"]


def learnt_flows_move(lab):
    start(lab, "--driver", "sim")
    introduce(lab, 1)
    flow = Flow(lab, 1, 1, 2)
    lab.ears.expect(flow, 60, {2, 3, 4}, "to an address that is not known")
    check_equal(state(lab, flow), "per-packet", "unknown destination")
    speak(lab, 2, 2)
    in_hardware(lab, flow)
    lab.ears.got(1)
    before = looked_up(lab)
    lab.ears.expect(flow, 100, {2}, "in hardware")
    check_equal(looked_up(lab) - before, 1, "packets that software looked up: the marker")
    wait_for(lambda: sum(e["packets"] for e in entries(lab)) >= 100, "they were counted there")


def moves_are_followed(lab):
    start(lab, "--driver", "sim:latency-us=2000")
    introduce(lab, 1, 2, 3, 4)
    there, back = Flow(lab, 1, 1, 2), Flow(lab, 2, 2, 1)
    other, onlooker = Flow(lab, 3, 3, 4), Flow(lab, 4, 4, 2)
    normal(lab, there, back, other, onlooker)
    ears = lab.ears
    ears.expect(there, 20, {2}, "before the move")
    # By a gratuitous ARP at port 3: two flows to it are rewritten, the one from it goes.
    with operations(lab, "address 2 moves", changed=2, removed=1):
        gratuitous_arp(lab, 2, 3)
        lab.peer.barrier()
        ears.expect(there, 20, {3}, "after the move")
        ears.expect(onlooker, 20, {3}, "after the move")
        settled(lab)
    check_equal((state(lab, other), state(lab, there)), ("hardware", "hardware"), "others")
    check_equal(state(lab, back), "per-packet", "from the old place")
    # By one plain frame back, a while later.
    wait_for(lambda: quiet_for(lab, 2) > 1.1, "the address has rested")
    with operations(lab, "address 2 moves back", changed=2):
        ears.expect(back, 1, {1}, "the first frame")
        lab.peer.barrier()
        ears.expect(there, 20, {2}, "after the move back")
        settled(lab)
    # A frame of address 1 elsewhere: what comes from its old place is software's.
    with operations(lab, "address 1 moves", changed=0, removed=1):
        speak(lab, 1, 4)
        lab.peer.barrier()
        settled(lab)
    # 'back' was in software, so only the flow from address 1 was touched.
    ears.expect(other, 20, {4}, "the flow that has nothing to do with it")
    ears.expect(there, 1, {2}, "from the old place: it is learnt there again")
    lab.peer.barrier()
    ears.expect(back, 1, {1}, "to the old place")


def quiet_for(lab, address):
    """Seconds since the address was seen, or 0."""
    text = ":".join("%02x" % byte for byte in mac_of(address))
    rows = lab.switch.ctl_json("fdb")["addresses"]
    return max((row["age_s"] for row in rows if row["address"] == text), default=0)


def flapping_stays_in_software(lab):
    start(lab, "--driver", "sim")
    introduce(lab, 1, 2, 3)
    there = Flow(lab, 1, 1, 2)
    normal(lab, there)
    with operations(lab, "an address that flaps", changed=1, removed=1):
        for i in range(20):
            speak(lab, 2, 3 - i % 2)
            lab.peer.barrier()
    lab.ears.expect(there, 1, {2}, "after it has come to rest")
    in_hardware(lab, there)


def floods_are_hardware_too(lab):
    start(lab, "--driver", "sim")
    introduce(lab, 1)
    flow = Flow(lab, 1, 1, BROADCAST)
    lab.peer.port_mod(of.LOCAL, 1 << 4, 1 << 4)
    lab.peer.barrier()
    normal(lab, flow)
    lab.ears.expect(flow, 20, {2, 3, 4}, "a broadcast")
    with operations(lab, "NO_FLOOD", changed=1):
        lab.peer.port_mod(3, 1 << 4, 1 << 4)
        lab.peer.barrier()
        lab.ears.expect(flow, 20, {2, 4}, "a broadcast without port 3")
    with operations(lab, "NO_FLOOD taken back", changed=1):
        lab.peer.port_mod(3, 0, 1 << 4)
        lab.peer.barrier()
        lab.ears.expect(flow, 20, {2, 3, 4}, "a broadcast again")


def vlans_are_apart(lab):
    start(lab, "--driver", "sim")
    introduce(lab, 1, 2)
    Flow(lab, 1, 1, BROADCAST, vlan=10).send()
    lab.ears.got(1)
    Flow(lab, 3, 2, BROADCAST, vlan=10).send()
    lab.ears.got(3)
    untagged, tagged = Flow(lab, 1, 1, 2), Flow(lab, 1, 1, 2, vlan=10)
    normal(lab, untagged, tagged)
    lab.ears.expect(untagged, 20, {2}, "untagged")
    lab.ears.expect(tagged, 20, {3}, "VLAN 10")
    with operations(lab, "a move in VLAN 10", changed=1):
        Flow(lab, 4, 2, BROADCAST, vlan=10).send()
        lab.ears.got(4)
        lab.peer.barrier()
        lab.ears.expect(untagged, 20, {2}, "untagged")
        lab.ears.expect(tagged, 20, {4}, "VLAN 10")


def flushes_reach_hardware(lab):
    start(lab, "--driver", "sim")
    introduce(lab, 1, 2, 3, 4)
    there, other = Flow(lab, 1, 1, 2), Flow(lab, 3, 3, 4)
    normal(lab, there, other)
    with operations(lab, "port 2 is flushed", removed=1):
        lab.switch.ctl("flush-fdb", "2")
        lab.peer.barrier()
        lab.ears.expect(there, 5, {2, 3, 4}, "flooded")
        lab.ears.expect(other, 5, {4}, "the other")
    with operations(lab, "all is flushed", removed=1):
        lab.switch.ctl("flush-fdb")
        lab.peer.barrier()
        lab.ears.expect(other, 1, {1, 2, 4}, "flooded")


def traffic_keeps_addresses_and_silence_does_not(lab):
    for lag in ("0", "500"):
        start(lab, "--driver", "sim:lag-ms=" + lag, others=["--fdb-age", str(AGE_S)])
        introduce(lab, 1, 2)
        there, back = Flow(lab, 1, 1, 2), Flow(lab, 2, 2, 1)
        normal(lab, there, back)
        with operations(lab, "nothing ages"):
            def old():
                there.send(5)
                back.send(5)
                return all(e["age_s"] > 2.5 * AGE_S for e in entries(lab))
            wait_for(old, "the entries are old")
        lab.ears.got(1)
        lab.ears.got(2)
        wait_for(lambda: not entries(lab), "what is silent leaves")
        lab.ears.expect(there, 1, {2, 3, 4}, "to a forgotten address")


class Pair:
    """The same flow at both bridges."""

    def __init__(self, lab, port, src, dst, vlan):
        self.flows = [Flow(lab, port, src, dst, vlan), Flow(lab, port + 4, src, dst, vlan)]

    def step(self, lab, n):
        heard = []
        for flow, ears in zip(self.flows, (lab.ears, lab.soft_ears)):
            flow.send(n)
            got = ears.got(flow.number)
            heard.append({host if host <= 4 else host - 4: [number for _, number in numbers]
                          for host, numbers in got.items()})
        check_equal(heard[0], heard[1],
                    "who got %d frames of %r by port %d, with hardware and without"
                    % (n, (self.flows[0].src.hex(), self.flows[0].dst.hex(), self.flows[0].vlan),
                       self.flows[0].number))
        return sum(len(numbers) for numbers in heard[0].values())


def random_traffic_goes_where_software_sends_it(lab):
    seed = os.environ.get("TURNOUT_SEED", "1")
    rng = random.Random(seed)
    others = ["--bridge", "br1"]
    for n in (5, 6, 7, 8):
        others += ["--port", "p%d@%d" % (n, n)]
    start(lab, "--driver", "sim", others=[*others, "--listen", "ptcp:6654:127.0.0.1"])
    lab.soft_ears = Ears(lab, (5, 6, 7, 8))
    with of.connect(lab, 6654) as soft:
        for peer in (lab.peer, soft):
            marker_flow(peer)
            peer.port_mod(of.LOCAL, 1 << 4, 1 << 4)
            peer.flow_mod(of.output(of.NORMAL), of.match(), priority=1)
            peer.barrier()
        pairs, forwarded = {}, 0
        home = {address: 1 + address % 4 for address in range(1, 7)}
        for _ in range(250):
            src = rng.randint(1, 6)
            if rng.random() < 0.03:
                home[src] = rng.randint(1, 4)
            dst = BROADCAST if rng.random() < 0.1 else rng.randint(1, 6)
            way = home[src], src, dst, rng.choice((None, None, 10))
            pair = pairs.setdefault(way, Pair(lab, *way))
            forwarded += pair.step(lab, rng.choice((1, 5, 40, 60)))
            for peer in (lab.peer, soft):
                peer.barrier()
    lab.soft_ears.close()
    check(forwarded > 1000, "%d frames were forwarded" % forwarded)
    check(device(lab)["added"] > 20, "seed %s: flows were in hardware: %d" % (seed,
                                                                          device(lab)["added"]))


if __name__ == "__main__":
    LAB = Lab(hosts=8)
    LAB.switch = None
    run(LAB, learnt_flows_move, moves_are_followed, flapping_stays_in_software,
        floods_are_hardware_too, vlans_are_apart, flushes_reach_hardware,
        traffic_keeps_addresses_and_silence_does_not,
        random_traffic_goes_where_software_sends_it)
