#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Statistics and idle time-outs of what hardware forwards, with counters that are late."""

import struct
import time

from netns import rawof as of
from netns.hw import Ears, Flow, entries, in_hardware, marker_flow, operations, state
from netns.lib import Lab, Switch, check, check_equal, run, wait_for

PORTS = ["p%d@%d,driver=sim" % (n, n) for n in (1, 2, 3)]
FRAME_SIZE = len(Flow.frame(type("", (), {"dst": bytes(6), "src": bytes(6), "vlan": None,
                                          "id": 0})(), 0))
LAGS_MS = (0, 300, 2500)
IDLE_S = 1
TABLE, PORT = 3, 4    # OFPST_*


def start(lab, *options):
    if lab.switch:
        lab.ears.close()
        lab.peer.close()
        lab.switch.stop()
    lab.switch = Switch(lab, PORTS, options=["--listen", "ptcp:6653:127.0.0.1", *options])
    lab.peer = of.connect(lab)
    lab.ears = Ears(lab, (1, 2, 3))
    marker_flow(lab.peer)


def table_counts(lab):
    body = lab.peer.stats(TABLE)
    return struct.unpack_from("!QQ", body, 48)


def port_counts(lab, port):
    """(rx packets, tx packets, rx bytes, tx bytes)"""
    body = lab.peer.stats(PORT, struct.pack("!H6x", port))
    return struct.unpack_from("!QQQQ", body, 8)


def flow_counts(lab, flow):
    rows = lab.peer.flows(flow.match())
    check_equal(len(rows), 1, "flows")
    return rows[0]["packets"], rows[0]["bytes"]


def aggregate_counts(lab):
    found = lab.peer.aggregate(of.match(dl_type=0x0800))
    return found[0], found[1]


def statistics_include_hardware(lab):
    for lag in LAGS_MS:
        start(lab, "--driver", "sim:lag-ms=%d" % lag)
        flows = [Flow(lab, 1, 1, 2), Flow(lab, 1, 1, 3), Flow(lab, 2, 2, 1)]
        for flow, port in zip(flows, (2, 3, 1)):
            lab.peer.flow_mod(of.output(port), flow.match())
        lab.peer.barrier()
        for flow in flows:
            wait_for(lambda f=flow: state(lab, f) == "hardware", "it is in hardware")
        lookups, matched = table_counts(lab)
        ports = {port: port_counts(lab, port) for port in (1, 2, 3)}
        for n in (1, 20, 300):
            for flow, port in zip(flows, (2, 3, 1)):
                lab.ears.expect(flow, n, {port}, "in hardware")
        total = sum(flow.sent for flow in flows)
        check_equal(total, 963, "frames sent")
        markers = 9    # each came in once, and went out twice
        for flow in flows:
            wait_for(lambda f=flow: flow_counts(lab, f) == (f.sent, f.sent * FRAME_SIZE),
                     "FLOW statistics have all packets")
        check_equal(aggregate_counts(lab), (total, total * FRAME_SIZE), "AGGREGATE statistics")
        check_equal(table_counts(lab), (lookups + total + markers, matched + total + markers),
                    "TABLE statistics")
        marker_size = 60
        expected = {1: (2 * 321, 321, 6, 3), 2: (321, 321, 3, 6), 3: (0, 321, 0, 9)}
        for port, (rx, tx, rx_markers, tx_markers) in expected.items():
            now = [a - b for a, b in zip(port_counts(lab, port), ports[port])]
            check_equal(now, [rx + rx_markers, tx + tx_markers,
                              rx * FRAME_SIZE + rx_markers * marker_size,
                              tx * FRAME_SIZE + tx_markers * marker_size],
                        "PORT statistics of port %d" % port)


def a_removed_flow_has_its_last_packet(lab):
    for lag in LAGS_MS:
        start(lab, "--driver", "sim:lag-ms=%d" % lag)
        flow = Flow(lab, 1, 1, 2)
        lab.peer.flow_mod(of.output(2), flow.match(), cookie=7, flags=of.SEND_FLOW_REM)
        lab.peer.barrier()
        wait_for(lambda f=flow: state(lab, f) == "hardware", "it is in hardware")
        lab.ears.expect(flow, 77, {2}, "in hardware")
        lab.peer.flow_mod(fields=flow.match(), command=of.DELETE)
        xid, _ = lab.peer.send(of.BARRIER_REQUEST)
        gone = of.unpack_flow_removed(lab.peer.wait_for(of.FLOW_REMOVED))
        check_equal((gone["cookie"], gone["packets"], gone["bytes"]), (7, 77, 77 * FRAME_SIZE),
                    "FLOW_REMOVED")
        lab.peer.wait(lambda k, x, b, xid=xid: k == of.BARRIER_REPLY and x == xid, "barrier")
        # Added again, it begins at 0.
        lab.peer.flow_mod(of.output(2), flow.match())
        lab.peer.barrier()
        check_equal(flow_counts(lab, flow), (0, 0), "a flow that is added again")


def traffic_in_hardware_is_not_idle(lab):
    """Counters that are late by more than the time-out must not end a flow that has traffic."""
    for lag in LAGS_MS:
        start(lab, "--driver", "sim:lag-ms=%d" % lag)
        flow = Flow(lab, 1, 1, 2)
        lab.peer.flow_mod(of.output(2), flow.match(), idle=IDLE_S, flags=of.SEND_FLOW_REM)
        lab.peer.barrier()
        in_hardware(lab, flow)

        def long_enough():
            flow.send()
            rows = entries(lab)
            check(rows, "the flow timed out under traffic, with a lag of %d ms" % lag)
            return rows[0]["age_s"] > 2 * IDLE_S + 2 * lag / 1000
        with operations(lab, "it stays where it is"):
            wait_for(long_enough, "the flow is old")
        lab.ears.got(1)
        last = time.monotonic()
        gone = of.unpack_flow_removed(lab.peer.wait_for(of.FLOW_REMOVED))
        took = time.monotonic() - last
        check_equal((gone["reason"], gone["packets"], gone["bytes"]),
                    (0, flow.sent, flow.sent * FRAME_SIZE), "FLOW_REMOVED, idle")
        check(took > IDLE_S * 0.9, "idle after %.3f s" % took)
        check(took < IDLE_S + 2 * lag / 1000 + 3, "%.3f s, with a lag of %d ms" % (took, lag))
        check(gone["s"] >= 2 * IDLE_S + 2 * lag // 1000, "duration %d s" % gone["s"])


def hard_timeouts_do_not_wait(lab):
    start(lab, "--driver", "sim:lag-ms=9000")
    flow = Flow(lab, 1, 1, 2)
    lab.peer.flow_mod(of.output(2), flow.match(), idle=1, hard=2, flags=of.SEND_FLOW_REM)
    lab.peer.barrier()
    in_hardware(lab, flow)
    gone = of.unpack_flow_removed(lab.peer.wait_for(of.FLOW_REMOVED))
    check_equal((gone["reason"], gone["s"], gone["packets"]), (1, 2, flow.sent), "FLOW_REMOVED")


def controllers_get_what_is_theirs(lab):
    """Outputs to CONTROLLER and table misses come up; nothing of them is in hardware."""
    start(lab, "--driver", "sim")
    told, missed, ours = Flow(lab, 1, 1, 2), Flow(lab, 1, 1, 3), Flow(lab, 2, 2, 1)
    lab.peer.flow_mod(of.output(2) + of.output(of.CONTROLLER), told.match())
    lab.peer.flow_mod(of.output(1), ours.match())
    lab.peer.barrier()
    wait_for(lambda: state(lab, ours) == "hardware", "it is in hardware")
    lab.ears.expect(told, 40, {2}, "to a port and the controller")
    missed.send(40)
    lab.ears.expect(ours, 40, {1}, "in hardware")
    reasons = {}
    while sum(reasons.values()) < 80:
        *_, reason, data = of.unpack_packet_in(lab.peer.wait_for(of.PACKET_IN))
        check(b"TNHW" in data, "a packet-in is one of ours")
        reasons[reason] = reasons.get(reason, 0) + 1
    check_equal(reasons, {0: 40, 1: 40}, "packet-ins by reason")
    check_equal((state(lab, told), state(lab, missed)), ("output-special", "table-miss"), "reasons")


if __name__ == "__main__":
    LAB = Lab(hosts=3)
    LAB.switch = None
    run(LAB, statistics_include_hardware, a_removed_flow_has_its_last_packet,
        traffic_in_hardware_is_not_idle, hard_timeouts_do_not_wait, controllers_get_what_is_theirs)
