#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Turnout as a switch of mininet's Python API.

    from mininet_turnout import TurnoutSwitch
    net = Mininet(topo=..., switch=TurnoutSwitch, controller=...)

Run as a program it makes the network of the test: two switches in a row with two hosts
each, a controller at 127.0.0.1:6653; pings every pair, and prints TAP. test_mininet.py
runs it in a namespace of its own, which is "the host" for mininet.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time

from mininet.log import setLogLevel
from mininet.net import Mininet
from mininet.node import RemoteController, Switch
from mininet.topo import LinearTopo

BUILD = os.environ.get("TURNOUT_BUILDDIR", "")
DEADLINE = 30


def program(name):
    """A program of the build if there is one, or the installed one."""
    return os.path.join(BUILD, "tools", name, name) if BUILD else name


class TurnoutSwitch(Switch):
    """One turnoutd with one bridge, which has the switch's name."""

    def __init__(self, name, failMode="secure", **params):
        super().__init__(name, **params)
        self.fail_mode = failMode
        self.rundir = None
        self.daemon = None

    def start(self, controllers):
        self.rundir = tempfile.mkdtemp(prefix="turnout-%s." % self.name)
        argv = [program("turnoutd"), "--control", self.control(), "--rundir", self.rundir,
                "--log-to", os.path.join(self.rundir, "log"), "--bridge", self.name,
                "--datapath-id", self.dpid, "--fail-mode", self.fail_mode]
        for number, interface in sorted(self.intfs.items()):
            if interface.name != "lo":
                argv += ["--port", "%s@%d" % (interface.name, number)]
        for controller in controllers:
            argv += ["--controller", "tcp:%s:%d" % (controller.IP(), controller.port)]
        self.daemon = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
        end = time.monotonic() + DEADLINE
        while self.ctl("show").returncode:
            if self.daemon.poll() is not None or time.monotonic() > end:
                self.daemon.kill()
                raise RuntimeError("%s: turnoutd did not start" % self.name)
            time.sleep(0.02)

    def stop(self, deleteIntfs=True):
        if self.daemon:
            self.daemon.terminate()
            self.daemon.wait(timeout=DEADLINE)
            shutil.rmtree(self.rundir, ignore_errors=True)
        super().stop(deleteIntfs)

    def control(self):
        return os.path.join(self.rundir, "control")

    def ctl(self, *argv):
        """turnoutctl with these arguments: a CompletedProcess."""
        return subprocess.run([program("turnoutctl"), "--control", self.control(), *argv],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)

    def connected(self):
        return "active" in self.ctl("controllers").stdout.split()

    def dpctl(self, *argv):
        """ovs-ofctl COMMAND on this switch, as mininet's own switches have it."""
        return subprocess.run(["ovs-ofctl", argv[0], "unix:%s/%s.mgmt" % (self.rundir, self.name),
                               *argv[1:]], stdout=subprocess.PIPE, text=True, check=False).stdout


def run(net):
    """(name, problem or "") of each thing that is tried."""
    connected = net.waitConnected(timeout=DEADLINE)
    yield "both switches are connected", "" if connected else "they are not"
    lost = net.pingAll(timeout="5")
    yield "every pair answers", "%g %% lost" % lost if lost else ""
    flows = [net[name].dpctl("dump-flows").count("actions=") for name in ("s1", "s2")]
    yield "both switches have the rules", "" if min(flows) >= 8 else "flows: %r" % flows
    net.configLinkStatus("s1", "s2", "down")
    lost = net.ping([net["h1s1"], net["h1s2"]], timeout="1")
    yield "a link between switches goes down", "" if lost == 100 else "%g %% lost" % lost
    net.configLinkStatus("s1", "s2", "up")
    end = time.monotonic() + DEADLINE
    while net.ping([net["h1s1"], net["h1s2"]], timeout="1") and time.monotonic() < end:
        pass
    lost = net.pingAll(timeout="5")
    yield "and up again", "%g %% lost" % lost if lost else ""
    for name in ("s1", "s2"):
        net[name].stop(deleteIntfs=False)
        status = net[name].daemon.returncode
        yield "%s ends cleanly" % name, "status %d" % status if status else ""


def main():
    # Mininet would raise limits of the whole machine.
    Mininet.inited = True
    setLogLevel("warning")
    net = Mininet(topo=LinearTopo(k=2, n=2), switch=TurnoutSwitch, waitConnected=False,
                  controller=lambda name: RemoteController(name, ip="127.0.0.1", port=6653))
    failed = 0
    print("1..7", flush=True)
    try:
        net.start()
        for number, (name, problem) in enumerate(run(net), 1):
            print("%sok %d - %s" % ("not " if problem else "", number, name), flush=True)
            if problem:
                failed += 1
                print("# " + problem)
                for switch in net.switches:
                    print("# %s: %s" % (switch.name, switch.ctl("counters").stdout.replace(
                        "\n", "\n# ")))
    finally:
        net.stop()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
