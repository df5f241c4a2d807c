# SPDX-License-Identifier: Apache-2.0
"""For tests of ports: numbered frames, and where each of them came out.

Every frame has a number. The captures run all the time, so that a frame that comes out late,
or where it should not, is found at the end at the latest."""

import struct

from netns import rawof as of
from netns.lib import Capture, Failure, check_equal, wait_for

TYPE = 0x88B5
STP_ADDR = "01:80:c2:00:00:00"
(DOWN, NO_STP, NO_RECV, NO_RECV_STP, NO_FLOOD, NO_FWD, NO_PACKET_IN) = (1 << i for i in range(7))
LINK_DOWN = 1
LISTEN, LEARN, FORWARD, BLOCK = (i << 8 for i in range(4))
STP_MASK = 3 << 8


def names(ports):
    return sorted("LOCAL" if p == of.LOCAL else str(p) for p in ports)


class Watch:
    """The ports of a lab's switch, hosts behind them, and one raw connection."""

    def __init__(self, lab, peer):
        self.lab = lab
        self.peer = peer
        self.number = 0
        self.captures = {host.number: Capture(host) for host in lab.hosts}
        self.captures[of.LOCAL] = Capture(lab.switch_ns, lab.switch.bridge)
        self.seen = {}
        self.wanted = {}

    def recapture(self, port, namespace, device):
        """The device was made anew."""
        self.captures.pop(port).close()
        self.captures[port] = Capture(namespace, device)

    def frame(self, dst="02:00:00:00:00:ee", src="02:00:00:00:00:dd"):
        self.number += 1
        return of.mac(dst) + of.mac(src) + struct.pack("!HI", TYPE, self.number) + bytes(42)

    def pump(self):
        for port, capture in self.captures.items():
            while True:
                try:
                    frame = capture.next(0)
                except OSError:         # the device is down
                    continue
                if frame is None:
                    break
                if frame[12:14] == struct.pack("!H", TYPE):
                    self.seen.setdefault(struct.unpack_from("!I", frame, 14)[0], set()).add(port)
        return True

    def received(self, port):
        data = self.peer.stats(4, struct.pack("!H6x", port))
        return struct.unpack_from("!Q", data, 8)[0]

    def send(self, port, frame):
        """The frame goes into the switch's port, and the switch is done with it."""
        before = self.received(port)
        if port == of.LOCAL:
            self.lab.switch_ns.send(self.lab.switch.bridge, frame)
        else:
            self.lab.hosts[port - 1].send("eth0", frame)
        wait_for(lambda: self.received(port) > before, "port %d receives" % port)
        self.peer.barrier()

    def came(self, frame, ports, what):
        """The frame came out at these ports, and at no others."""
        number = struct.unpack_from("!I", frame, 14)[0]
        self.wanted[number] = set(ports), what
        wait_for(lambda: self.pump() and self.seen.get(number, set()) >= set(ports),
                 "%s: comes out at %s" % (what, names(ports)), deadline=5) if ports else self.pump()
        check_equal(names(self.seen.get(number, set())), names(ports), what)

    def goes(self, port, ports, what, **addresses):
        frame = self.frame(**addresses)
        self.send(port, frame)
        self.came(frame, ports, what)

    def nothing_came_late(self):
        self.pump()
        for number, (ports, what) in self.wanted.items():
            check_equal(names(self.seen.get(number, set())), names(ports), what + ", in the end")

    def rule(self, *actions, **fields):
        """Just this flow."""
        self.peer.flow_mod(command=of.DELETE)
        self.peer.flow_mod(b"".join(actions), of.match(**fields))

    def buffered(self, port):
        """A frame that waits in the switch: (frame, buffer id)."""
        self.rule(of.output(of.CONTROLLER, 20))
        frame = self.frame()
        self.send(port, frame)
        body = self.peer.wait_for(of.PACKET_IN, lambda b: b[10:28] == frame[:18])
        return frame, struct.unpack_from("!I", body)[0]

    def set_config(self, port, config):
        """Just these flags, with a barrier behind them."""
        self.peer.port_mod(port, config, 0x7F)

    def statuses(self):
        """The PORT_STATUS messages so far: (reason, port, config, state, features)."""
        self.peer.barrier()
        found = []
        for message in [m for m in self.peer.kept if m[0] == of.PORT_STATUS]:
            self.peer.kept.remove(message)
            body = message[2]
            number, _, _, config, state = struct.unpack_from("!H6s16sII", body, 8)
            found.append((body[0], number, config, state, struct.unpack_from("!4I", body, 40)))
        return found

    def wait_status(self, accept, what):
        """Those up to the first for which accept(reason, port, config, state, features)."""
        found = []

        def there():
            found.extend(self.statuses())
            return any(accept(*status) for status in found)

        wait_for(there, what)
        return found

    def close(self):
        for capture in self.captures.values():
            capture.close()


def reason_of(lab, port):
    """Why 'turnoutctl ports' says that the port does not forward; None if it does."""
    for row in lab.switch.ctl_json("ports")["ports"]:
        if row["name"] == port or row["number"] == port:
            return row["reason"]
    raise Failure("no port %s" % port)
