# SPDX-License-Identifier: Apache-2.0
"""Offload tests: numbered frames of flows, who got which, and what devices were told to do."""

import contextlib
import struct

from netns import rawof as of
from netns.lib import Capture, Failure, check_equal, wait_for

MAGIC = b"TNHW"
MARKER_TYPE = 0x9999


def mac_of(number):
    return bytes((2, 0, 0, 0, 0, number))


BROADCAST = b"\xff" * 6


class Flow:
    """UDP from 'src' to 'dst' (addresses' numbers, or BROADCAST) that comes in by host
    'number', which is port 'number' as well. Each frame has a number of its own."""

    serial = 0

    def __init__(self, lab, number, src, dst, vlan=None):
        Flow.serial += 1
        self.id = Flow.serial
        self.host = lab.hosts[number - 1]
        self.number = number
        self.src = mac_of(src)
        self.dst = dst if isinstance(dst, bytes) else mac_of(dst)
        self.vlan = vlan
        self.sent = 0

    def match(self):
        """Without wildcards: in hardware at once, whatever the traffic."""
        return of.match(wildcards=0, in_port=self.number, dl_src=self.src, dl_dst=self.dst,
                        dl_vlan=0xffff if self.vlan is None else self.vlan, dl_type=0x0800,
                        nw_proto=17, nw_src=0x0A000001, nw_dst=0x0A000002, tp_src=7,
                        tp_dst=self.id)

    def key(self):
        """The same as turnoutctl hw explain takes it."""
        def text(addr):
            return ":".join("%02x" % byte for byte in addr)
        return ("udp,in_port=%d,dl_src=%s,dl_dst=%s,nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=7,"
                "tp_dst=%d" % (self.number, text(self.src), text(self.dst), self.id)
                + (",dl_vlan=%d" % self.vlan if self.vlan is not None else ""))

    def frame(self, number, fragment=False):
        tag = b"" if self.vlan is None else struct.pack("!HH", 0x8100, self.vlan)
        payload = MAGIC + struct.pack("!HI", self.id, number) + bytes(12)
        udp = struct.pack("!HHHH", 7, self.id, 8 + len(payload), 0) + payload
        ip = struct.pack("!BBHHHBBHII", 0x45, 0, 20 + len(udp), 0, 0x2000 if fragment else 0, 64,
                         17, 0, 0x0A000001, 0x0A000002)
        return self.dst + self.src + tag + struct.pack("!H", 0x0800) + ip + udp

    def send(self, n=1, **how):
        """Returns what got() will say of these frames where they arrive."""
        first, self.sent = self.sent + 1, self.sent + n
        numbers = range(first, first + n)
        self.host.send("eth0", *[self.frame(i, **how) for i in numbers])
        return [(self.id, i) for i in numbers]


def number_in(frame):
    """(flow, number) of a numbered frame, or None."""
    at = frame.find(MAGIC, 14)
    return struct.unpack_from("!HI", frame, at + 4) if at >= 0 else None


class Ears:
    """Captures at all hosts 'numbers'. The switch has a flow that sends markers to ALL."""

    def __init__(self, lab, numbers):
        self.lab = lab
        self.captures = {n: Capture(lab.hosts[n - 1]) for n in numbers}
        self.token = 0

    def close(self):
        for capture in self.captures.values():
            capture.close()

    def _marker(self):
        self.token += 1
        return (BROADCAST + mac_of(0xEE) + struct.pack("!HI", MARKER_TYPE, self.token) + bytes(42))

    def got(self, sender, deaf=()):
        """{host: [(flow, number), ...]} of what hosts got since the last time that came in by
        the port of host 'sender' and before: frames of a port leave in their order. Those
        in 'deaf' don't get markers (their ports are down)."""
        marker, heard = self._marker(), {}
        self.lab.hosts[sender - 1].send("eth0", marker)
        for number, capture in self.captures.items():
            if number == sender or number in deaf:
                continue
            numbers = [number_in(frame) for frame in capture.until(marker)]
            heard[number] = [n for n in numbers if n]
        for number in {sender, *deaf}:
            numbers = [number_in(frame) for frame in self._waiting(number)]
            heard[number] = [n for n in numbers if n]
        return heard

    def _waiting(self, number):
        while True:
            try:
                frame = self.captures[number].next(0)
            except OSError:      # said once of a device that was taken down
                continue
            if frame is None:
                return
            yield frame

    def expect(self, flow, n, hosts, what, deaf=()):
        """Sends n frames of the flow: just 'hosts' get them, all of them, once, in order."""
        sent = flow.send(n)
        heard = self.got(flow.number, deaf)
        wanted = {host: sent if host in hosts else [] for host in heard}
        if heard != wanted:
            text = {host: (len(got), got[:3]) for host, got in heard.items()}
            raise Failure("%s: frames %r of flow %d should be at %r; there are %r"
                          % (what, (sent[0][1], sent[-1][1]), flow.id, sorted(hosts), text))


def marker_flow(peer, port=of.ALL):
    peer.flow_mod(of.output(port), of.match(dl_type=MARKER_TYPE), priority=0xFFFF)
    peer.barrier()


# --- what turnoutctl says ------------------------------------------------------------------

def device(lab):
    return lab.switch.ctl_json("hw", "show")["devices"][0]


def entries(lab):
    return lab.switch.ctl_json("hw", "entries")["entries"]


def state(lab, flow):
    """'hardware', or the name of the reason why not."""
    why = lab.switch.ctl_json("hw", "explain", flow.key())
    return "hardware" if why["state"] == "hardware" else (why["reason"] or {}).get("name")


def in_hardware(lab, flow, deadline=20):
    """Sends until the flow is there."""
    def there():
        flow.send(40)
        return state(lab, flow) == "hardware"
    wait_for(there, "flow %d is in hardware" % flow.id, deadline)


@contextlib.contextmanager
def operations(lab, what, added=0, changed=0, removed=0):
    """Within the with statement just so many operations reach the device (None: any number)."""
    wanted = {"added": added, "changed": changed, "removed": removed}
    before = device(lab)
    yield
    after = device(lab)
    wanted = {name: n for name, n in wanted.items() if n is not None}
    check_equal({name: after[name] - before[name] for name in wanted}, wanted,
                "operations: " + what)


def settled(lab):
    wait_for(lambda: device(lab)["pending"] == 0, "nothing is on its way")
