#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The simulated chip on two CPUs: frames meet rules that come and go, ports that are unplugged and a
module that is taken out. The kernel's log shows what goes wrong."""

import socket
import threading

from netns.lib import check, check_equal, run, run_command, wait_for
from vm.chip import Bench, rule
from vm.frames import udp_frame
from vm.lib import enter, tc

FRAMES = [udp_frame(n, n, src="10.0.0.%d" % n) for n in range(1, 65)]


class Flood(threading.Thread):
    """Frames into w0, as fast as they go, until the device has gone or stop()."""

    def __init__(self):
        super().__init__(daemon=True)
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.sock.bind(("w0", 0))
        self.over = False
        self.sent = 0
        self.start()

    def run(self):
        while not self.over:
            for frame in FRAMES:
                try:
                    self.sock.send(frame)
                except OSError:
                    return
                self.sent += 1

    def stop(self):
        self.over = True
        self.join()
        self.sock.close()
        return self.sent


def batch(n, verb, action=""):
    """n filters through one tc process."""
    lines = ["filter %s dev p0 ingress prio 1 handle %d protocol ip flower %s" % (
        verb, number, "" if verb == "delete" else "skip_sw ip_proto udp src_ip 10.0.0.%d "
        "src_port %d %s" % (number, number, action)) for number in range(1, n + 1)]
    run_command("tc", "-batch", "-", stdin="\n".join(lines) + "\n")


def rules_come_and_go_under_traffic(bench):
    flood = Flood()
    for action in ("action mirred egress redirect dev p1", "action mirred egress mirror dev p2 pipe "
                   "action vlan push id 5 pipe action mirred egress redirect dev p3", "action drop"):
        batch(60, "add", action)
        check_equal(bench.chip.used(), 60, "rules in the chip")
        batch(60, "replace", "action mirred egress redirect dev p2")
        check_equal(bench.chip.used(), 60, "rules in the chip after replacing them")
        batch(60, "delete")
    check_equal(bench.chip.used(), 0, "rules in the chip in the end")
    check(flood.stop() > 1000, "there was traffic")


def ports_come_and_go_under_traffic(bench):
    rule("ip_proto udp action mirred egress redirect dev p1")
    flood = Flood()
    for _ in range(5):
        sent = flood.sent
        bench.chip.set(unplug=1)
        wait_for(lambda: flood.sent > sent, "frames go on")
        bench.chip.set(plug=1)
        run_command("ip", "link", "set", "p1", "up")
        run_command("ip", "link", "set", "w1", "up")
    check(flood.stop() > 1000, "there was traffic")
    tc("filter del dev p0 ingress")


def the_module_goes_under_traffic(bench):
    bench.close()
    flood = Flood()
    rule("ip_proto udp action mirred egress redirect dev p2")
    wait_for(lambda: flood.sent > 1000, "there is traffic")
    bench.chip.unload()
    flood.stop()


def main():
    enter(cpus=2)
    run(Bench(), rules_come_and_go_under_traffic, ports_come_and_go_under_traffic,
        the_module_goes_under_traffic)


if __name__ == "__main__":
    main()
