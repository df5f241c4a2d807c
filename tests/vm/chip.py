# SPDX-License-Identifier: Apache-2.0
"""A simulated chip of four ports with eyes on it, for tests of rules and frames: send frames into
w0, and be told where they came out."""

import functools
import json

from vm.frames import ethernet, udp_frame
from vm.lib import Simnic, kernel_log, tc

MARK = ethernet(b"the last frame" + bytes(40), 0x88b5)
UDP = udp_frame(1000, 2000)
KEY = "ip_proto udp src_ip 10.0.0.1 dst_ip 10.0.0.2 src_port 1000 dst_port 2000"
TO_1 = "action mirred egress redirect dev p1"


class Bench:
    """The chip, and eyes on all far ends and on p0; what netns.lib's run() wants of a lab."""

    def __init__(self, **knobs):
        self.chip = Simnic(**knobs)
        self.eyes = []
        self.look_again()

    def look_again(self, *ports):
        """After devices have come back; without ports all have."""
        if ports:
            for port in ports:
                self.eyes[port].close()
                self.eyes[port] = self.chip.capture("w%d" % port)
                self.chip.forget("w%d" % port, "p%d" % port)
            return
        self.close()
        names = ["w%d" % port for port in self.chip.ports] + ["p%d" % self.chip.ports[0]]
        self.eyes = [self.chip.capture(name) for name in names]
        self.chip.forget()

    def close(self):
        for eye in self.eyes:
            eye.close()
        self.eyes = []

    @staticmethod
    def logs():
        return "\n".join(line for line in kernel_log().splitlines() if "simnic" in line)

    @staticmethod
    def sanitizer_reports():
        return []

    def seen(self, *frames):
        """Sends frames into w0; what came out: of w0 to w3, and of p0's stack."""
        self.chip.send("w0", *frames)
        # Each eye gets a mark after the frames: what comes by then is all there is.
        for port in range(4):
            self.chip.send("p%d" % port, MARK)
        self.chip.send("w0", MARK)
        return [eye.until(MARK) for eye in self.eyes]

    def counts(self, *frames):
        return [len(frames) for frames in self.seen(*frames)]


def rule(words, handle=1, prio=1, protocol="ip", dev="p0", flags="skip_sw", ok=True):
    return tc("filter add dev", dev, "ingress prio", prio, "handle", handle, "protocol", protocol,
              "flower", flags, words, ok=ok)


def clear(dev="p0"):
    tc("filter del dev", dev, "ingress")


def filters(dev="p0"):
    listed = json.loads(tc("-s -j filter show dev", dev, "ingress").stdout)
    return [one for one in listed if "options" in one and "handle" in one["options"]]


def hardware_counters(dev="p0"):
    """(packets, bytes) by the chip of the only filter's last action."""
    stats = filters(dev)[0]["options"]["actions"][-1]["stats"]
    return stats.get("hw_packets", 0), stats.get("hw_bytes", 0)


def alone(test):
    """The test, which begins without rules and with all knobs as they were."""
    @functools.wraps(test)
    def begin(bench):
        bench.chip.reset()
        for port in bench.chip.ports:
            clear("p%d" % port)
        test(bench)
    return begin
