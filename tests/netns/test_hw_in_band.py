#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""In-band control with hardware in front: what a device has for a port never takes the
controllers' own traffic, which comes in by the same port."""

from netns import rawof as of
from netns.hw import Ears, Flow, entries, in_hardware, marker_flow, number_in
from netns.lib import Capture, Switch, check, check_equal, run, wait_for
from netns.test_in_band import PATIENT, REMOTE, InBandLab, control, give_address

PORTS = ["p%d@%d,driver=sim" % (n, n) for n in (1, 2, 3)]


def start(lab, *options):
    if lab.switch:
        lab.peer.close()
        lab.switch.stop()
    lab.switch = Switch(lab, PORTS, controllers=[REMOTE],
                        options=["--driver", "sim", *PATIENT, "--in-band", *options])
    give_address(lab)
    lab.peer = lab.accept()


def packets(lab):
    return sum(e["packets"] for e in entries(lab) if e["state"] == "hardware")


def entries_that_drop_spare_the_controllers(lab):
    """Everything is dropped, by entries of hardware, but for ARP with the switch and TCP with the
    controller, which come in by the port whose entries drop."""
    start(lab)
    lab.peer.flow_mod(b"", priority=65535)
    lab.peer.barrier()
    flow = Flow(lab, 1, 1, 2)
    for _ in range(3):
        in_hardware(lab, flow)
        before = packets(lab)
        lab.peer = lab.accept_again(lab.peer)       # from the first ARP on
        check_equal(control(lab)["mode"], "controlled", "mode")

        def counted():
            flow.send(40)
            return packets(lab) > before
        wait_for(counted, "hardware drops the others")
        for _ in range(20):
            lab.peer.barrier()
    check(not lab.hosts[0].ping("10.0.0.100", ok=False, options=("-W", "1")), "no ping")


def entries_that_forward_spare_them_too(lab):
    """All that comes in by port 1 goes to host 2, by hardware, but not the controller's TCP."""
    lab.peer.flow_mod(command=of.DELETE)
    marker_flow(lab.peer)
    lab.peer.flow_mod(of.output(2), of.match(in_port=1), priority=10)
    lab.peer.barrier()
    ears, flow = Ears(lab, (1, 2, 3)), Flow(lab, 1, 1, 2)
    in_hardware(lab, flow)
    with Capture(lab.hosts[1]) as capture:
        lab.peer = lab.accept_again(lab.peer)
        in_hardware(lab, flow)
        ears.got(1)
        ears.expect(flow, 20, {2}, "beside the controllers")
        frames = []
        while (frame := capture.next(0)) is not None:
            frames.append(frame)
    check(any(number_in(frame) for frame in frames), "frames of the flow are seen")
    check_equal([frame for frame in frames if frame[12:14] == b"\x08\x00" and frame[23] == 6], [],
                "TCP at host 2")
    ears.close()


if __name__ == "__main__":
    run(InBandLab(), entries_that_drop_spare_the_controllers,
        entries_that_forward_spare_them_too)
