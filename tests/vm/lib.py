# SPDX-License-Identifier: Apache-2.0
"""What the tests in the virtual machine share, beside tests/netns/lib.py.

A script is an ordinary one over netns.lib; its main begins with enter(), which boots a machine
that runs the script when this is not the machine already. Simnic is the simulated switch chip:
its ports' representors p0, p1... and the far ends of their cables, w0, w1...
"""

import contextlib
import json
import os
import sys

from netns.lib import Capture, Failure, Namespace, check_equal, run_command, sent, wait_for

HERE = os.path.dirname(os.path.abspath(__file__))
KNOBS = "/sys/module/simnic/parameters/"
FAR_ENDS = "02:52:4f:43:01:"  # see rocker_arguments in prepare.sh
BUS = "/sys/bus/platform/drivers/simnic/"


def enter(cpus=1, memory=1024, seconds=300, options=()):
    """Returns in the virtual machine. Elsewhere this process becomes tests/vm/run, which boots one
    that runs this script; 'options' are more of its options."""
    if os.environ.get("TURNOUT_VM"):
        return
    argv = [os.path.join(HERE, "run"), "-s", str(cpus), "-m", str(memory), "-t", str(seconds),
            *options, os.path.abspath(sys.argv[0]), *sys.argv[1:]]
    sys.stdout.flush()
    os.execv(argv[0], argv)


class Root(Namespace):
    """The machine's first namespace, in which devices are born, as a Namespace."""

    def __init__(self):  # pylint: disable=super-init-not-called
        self.name = "root"

    def delete(self):
        pass

    def ip(self, *argv, ok=True):
        return run_command("ip", *argv, ok=ok)

    def run(self, *argv, **options):
        return run_command(*argv, **options)

    @contextlib.contextmanager
    def inside(self):
        yield


class Simnic:
    """The chip. Knobs are the parameters of tests/vm/simnic/knobs.c; they are given to the
    constructor, or set later with set(). All devices are in the root namespace and up."""

    def __init__(self, ports=4, clsact=True, **knobs):
        self.root = Root()
        first = knobs.get("first_port", 0)
        self.ports = range(first, first + ports * knobs.get("asics", 1))
        # An administrator's default: no address, no frames of the kernel's own.
        run_command("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1",
                    "net.ipv6.conf.default.disable_ipv6=1",
                    # A cable has no queue that overflows because a CPU is slow.
                    "net.core.netdev_max_backlog=100000")
        run_command("modprobe", "-a", "cls_flower", "sch_ingress", "act_mirred", "act_gact",
                    "act_vlan", "act_pedit", "act_csum")
        run_command("insmod", os.environ["TURNOUT_SIMNIC"], "ports=%d" % ports,
                    *["%s=%s" % (name, value) for name, value in knobs.items()])
        self.first = {name: self.get(name) for name in os.listdir(KNOBS)
                      if os.stat(KNOBS + name).st_mode & 0o777 == 0o644}
        self.up(clsact)
        self.senders = {}

    def up(self, clsact=True, ports=None):
        """Brings devices up that have just come."""
        for port in self.ports if ports is None else ports:
            run_command("ip", "link", "set", "w%d" % port, "up")
            run_command("ip", "link", "set", "p%d" % port, "up")
            if clsact:
                run_command("tc", "qdisc", "add", "dev", "p%d" % port, "clsact")

    @staticmethod
    def set(**knobs):
        for name, value in knobs.items():
            with open(KNOBS + name, "w", encoding="ascii") as knob:
                knob.write("%s\n" % value)

    def reset(self):
        """Every knob is again as it was in the beginning."""
        self.set(**{name: value for name, value in self.first.items() if self.get(name) != value})

    @staticmethod
    def get(name):
        with open(KNOBS + name, encoding="ascii") as knob:
            return knob.read().strip()

    def used(self):
        """How many rules are in the chip."""
        return int(self.get("used"))

    @staticmethod
    def unbind(asic=0):
        """The chip vanishes, with all its devices."""
        with open(BUS + "unbind", "w", encoding="ascii") as bus:
            bus.write("simnic.%d" % asic)

    @staticmethod
    def bind(asic=0):
        with open(BUS + "bind", "w", encoding="ascii") as bus:
            bus.write("simnic.%d" % asic)

    def unload(self):
        """Takes the module out; the kernel's log must have nothing to complain about."""
        self.forget()
        run_command("rmmod", "simnic")

    def forget(self, *devices):
        """Sockets for sending, of these devices or of all: the devices have gone."""
        for device in devices or list(self.senders):
            if device in self.senders:
                self.senders.pop(device).close()

    def send(self, device, *frames):
        """Sends frames out of a device; wN's enter the chip."""
        if device not in self.senders:
            self.senders[device] = self.root.packet_socket(device)
        for frame in frames:
            wait_for(lambda: sent(self.senders[device], frame), "%s takes a frame" % device)

    def capture(self, device):
        return Capture(self.root, device)


class Rocker:
    """QEMU's Rocker switch (tests/vm/run -r): ports swp1 to swp4, whose cables end at w1 to w4.
    All devices are in the root namespace and up. Static entries of a bridge over the ports are
    in its hardware."""

    ports = ["swp%d" % port for port in range(1, 5)]

    def __init__(self):
        self.root = Root()
        self.senders = {}
        run_command("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1",
                    "net.ipv6.conf.default.disable_ipv6=1")
        run_command("modprobe", "virtio_net")
        run_command("insmod", os.environ["TURNOUT_ROCKER"])
        for device, name in wait_for(self._names, "Rocker's devices are there").items():
            # QEMU keeps from a far end what is not for its address, unless it is promiscuous.
            run_command("ip", "link", "set", device, "name", name, "up", "promisc", "on")
        # The carrier comes as an interrupt.
        wait_for(lambda: all(self._carrier(port) for port in self.ports), "Rocker has its links")

    @staticmethod
    def _names():
        """What each device is to be called, when all are there."""
        links = json.loads(run_command("ip", "-d", "-j", "link", "show").stdout)
        names = {link["ifname"]: link["phys_port_name"] for link in links
                 if "phys_port_name" in link}
        names.update({link["ifname"]: "w%d" % (int(link["address"][-2:]) + 1) for link in links
                      if link.get("address", "").startswith(FAR_ENDS)})
        return names if len(names) == 8 else None

    @staticmethod
    def _carrier(port):
        with open("/sys/class/net/%s/carrier" % port, encoding="ascii") as carrier:
            return carrier.read().strip() == "1"

    def unload(self):
        self.forget()
        run_command("rmmod", "rocker")

    send = Simnic.send
    forget = Simnic.forget
    capture = Simnic.capture


def tc(*words, ok=True):
    """tc with these words, each of which may hold several."""
    return run_command("tc", *" ".join(map(str, words)).split(), ok=ok)


def kernel_log():
    return run_command("dmesg").stdout


def refused(done, words, what):
    """Fails unless a command failed and said 'words'."""
    check_equal(done.returncode != 0, True, what + ": refused")
    if words not in done.stderr + done.stdout:
        raise Failure("%s: '%s' is not in '%s'" % (what, words, (done.stderr + done.stdout).strip()))
