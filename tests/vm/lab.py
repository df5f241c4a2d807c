# SPDX-License-Identifier: Apache-2.0
"""netns.lib's Lab with the simulated chip for cables: host N is behind the chip's port N, whose
representor pN is in the switch's namespace. And crowds of flows with numbered frames."""

import signal
import socket
import struct
import threading
import time

from netns import rawof as of
from netns.lib import Capture, Failure, Host, Lab, Switch, check_equal, run_command, wait_for
from vm.lib import Simnic

MAGIC = b"TNVM"
# An emulated machine is slow, and ten thousand of anything take their time.
PATIENCE = 40.0
DST = bytes.fromhex("020000000002")
SRC = bytes.fromhex("020000000001")


class ChipHost(Host):
    """A host whose eth0 is the far end of its port's cable."""

    def plug(self, switch_ns):
        run_command("ip", "link", "set", self.port, "netns", switch_ns.name, "up")
        run_command("ip", "link", "set", "w%d" % self.number, "netns", self.name, "name", "eth0",
                    "address", self.mac, "up")
        self.ip("addr", "add", self.address + "/24", "dev", "eth0")
        # Two steps, because a device that changes its namespace goes down.
        switch_ns.ip("link", "set", self.port, "up")
        self.ip("link", "set", "eth0", "up")


class ChipLab(Lab):
    """Hosts 1 to 'hosts' behind a chip with these knobs (vm.lib.Simnic)."""

    def __init__(self, hosts=3, **knobs):
        run_command("sysctl", "-qw", "net.core.rmem_max=67108864")
        self.chip = Simnic(ports=hosts, first_port=1, clsact=False, **knobs)
        self.switch = None
        super().__init__(hosts)

    def host(self, number):
        host = ChipHost("%s-h%d" % (self.prefix, number), number, self.switch_ns, "p%d" % number,
                        "10.0.0.%d" % number)
        self.namespaces.append(host)
        return host

    def start_switch(self, *options, driver="tc"):
        """turnoutd with all ports in the driver's hands, listening on TCP port 6653."""
        if self.switch and self.switch.process.poll() is None:
            self.switch.stop()
        ports = ["p%d@%d,driver=%s" % (host.number, host.number, driver.split(":")[0])
                 for host in self.hosts]
        self.switch = Switch(self, ports, listeners=["ptcp:6653:127.0.0.1"],
                             options=["--driver", driver, *options])

    def kill_switch(self):
        self.switch.process.send_signal(signal.SIGKILL)
        self.switch.process.wait()

    def device(self):
        return self.switch.ctl_json("hw", "show")["devices"][0]

    def connect(self):
        """A controller, to the switch too."""
        peer = of.connect(self, timeout=PATIENCE)
        peer.ports()
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        return peer


def barrier(peer):
    """A barrier that may take long; errors before it are a Failure."""
    xid, _ = peer.send(of.BARRIER_REQUEST)
    peer.wait(lambda kind, x, body: x == xid, "the answer to a barrier", PATIENCE)
    errors = [of.Error(body) for kind, _, body in peer.kept if kind == of.ERROR]
    if errors:
        raise Failure("%d errors, the first: %r" % (len(errors), vars(errors[0])))


class Crowd:
    """n flows without wildcards from host 1: UDP from 10.1.x.y, where x.y is the flow's number."""

    def __init__(self, n):
        self.n = n

    @staticmethod
    def match(flow):
        return of.match(wildcards=0, in_port=1, dl_src=SRC, dl_dst=DST, dl_vlan=0xffff,
                        dl_type=0x0800, nw_proto=17, nw_src=0x0A010000 + flow, nw_dst=0x0A000002,
                        tp_src=7, tp_dst=9)

    @staticmethod
    def frame(flow, number):
        payload = MAGIC + struct.pack("!II", flow, number) + bytes(12)
        udp = struct.pack("!HHHH", 7, 9, 8 + len(payload), 0) + payload
        ip = struct.pack("!BBHHHBBHII", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0,
                         0x0A010000 + flow, 0x0A000002)
        return DST + SRC + b"\x08\0" + ip + udp

    def tell(self, peer, actions, flows=None, command=of.ADD):
        """One FLOW_MOD for each of 'flows' (all), and a barrier after some hundred: a controller
        that floods a switch on a slow machine would show how slow it is, and nothing else."""
        flows = range(self.n) if flows is None else flows
        for first in range(0, len(flows), 400):
            data = bytearray()
            for flow in flows[first:first + 400]:
                body = peer.flow_mod_body(actions, self.match(flow), command=command)
                data += struct.pack("!BBHI", 1, of.FLOW_MOD, 8 + len(body), peer.new_xid()) + body
            peer.sock.sendall(data)
            barrier(peer)


def number_in(frame):
    """(flow, number) of a crowd's frame, or None."""
    at = 42
    return struct.unpack_from("!II", frame, at + 4) if frame[at:at + 4] == MAGIC else None


class Stream(threading.Thread):
    """Numbered frames of a crowd's flows in turn, 'rate' of them a second, until stop(). The numbers
    begin with 1. Hosts 'listeners' hear them."""

    def __init__(self, lab, crowd, rate=400, listeners=(2, 3)):
        super().__init__(daemon=True)
        self.crowd, self.rate = crowd, rate
        with lab.hosts[0].inside():
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self.sock.bind(("eth0", 0))
        self.captures = {n: Capture(lab.hosts[n - 1]) for n in listeners}
        for capture in self.captures.values():
            capture.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
        self.over = threading.Event()
        self.sent = 0
        self.start()

    def run(self):
        begin = time.monotonic()
        while not self.over.wait(0.01):
            due = int((time.monotonic() - begin) * self.rate)
            # After a stall it does not catch up all at once.
            for _ in range(min(due - self.sent, self.rate // 20)):
                self.sent += 1
                self.sock.send(self.crowd.frame(self.sent * 7919 % self.crowd.n, self.sent))

    def goes_on(self, n=50):
        """Waits until n more frames have been sent."""
        sent = self.sent
        wait_for(lambda: self.sent >= sent + n, "frames are sent")

    def stop(self):
        """{host: numbers that it heard, in the order of arrival}"""
        self.over.set()
        self.join()
        self.sock.close()
        heard = {}
        for host, capture in self.captures.items():
            heard[host] = [number_in(frame)[1] for frame in everything(capture)
                           if number_in(frame)]
            capture.close()
        return heard


def everything(capture):
    """What a capture has, and what comes within half a second after it."""
    while True:
        frame = capture.next(0.5)
        if frame is None:
            return
        yield frame


def all_once(heard, sent, what):
    """Fails unless the numbers 1 to 'sent' are there, each once."""
    missing = set(range(1, sent + 1)) - set(heard)
    if missing:
        raise Failure("%s: %d of %d frames are missing, the first %d, the last %d"
                      % (what, len(missing), sent, min(missing), max(missing)))
    check_equal(len(heard), sent, what + ": each frame once")


def reaches(lab, crowd, flows, wanted, what):
    """A frame of each flow gets to host 'wanted' (None: to none), and to no other but host 1."""
    hosts = lab.hosts[1:]
    captures = {host.number: Capture(host) for host in hosts}
    lab.hosts[0].send("eth0", *[crowd.frame(flow, flow) for flow in flows])
    for number, capture in captures.items():
        got = [number_in(frame)[0] for frame in everything(capture) if number_in(frame)]
        capture.close()
        check_equal(sorted(got), sorted(flows) if number == wanted else [],
                    "%s: frames at host %d" % (what, number))
