# SPDX-License-Identifier: Apache-2.0
"""Open vSwitch in a lab's switch namespace, on the devices that turnoutd would have."""

import contextlib
import os

from netns.lib import run_command, wait_for

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


class OpenVSwitch:
    """Bridge br0 with the lab's ports 1.. under their numbers, hw-offload on, and no flows."""

    def __init__(self, lab, policy="none"):
        self.lab = lab
        self.env = dict(os.environ, OVS_RUNDIR=lab.tmp, OVS_LOGDIR=lab.tmp, OVS_DBDIR=lab.tmp)
        self.socket = "unix:" + lab.path("db.sock")
        run_command("modprobe", "-a", "openvswitch", "act_skbedit", "act_police")
        for name in ("conf.db", ".conf.db.~lock~", "db.sock"):
            with contextlib.suppress(FileNotFoundError):     # of one before
                os.unlink(lab.path(name))
        run_command("ovsdb-tool", "create", lab.path("conf.db"), SCHEMA)
        self.processes = [lab.start("ovsdb-server", lab.switch_ns, "ovsdb-server", lab.path("conf.db"),
                                    "--remote=p" + self.socket, env=self.env)]
        wait_for(lambda: os.path.exists(lab.path("db.sock")), "the database answers")
        self.vsctl("--no-wait", "init", "--", "set", "Open_vSwitch", ".",
                   "other_config:hw-offload=true", "other_config:tc-policy=" + policy)
        self.processes.append(lab.start("ovs-vswitchd", lab.switch_ns, "ovs-vswitchd", self.socket,
                                        "--log-file=" + lab.path("vswitchd.log"), env=self.env))
        words = ["add-br", "br0", "--", "set", "bridge", "br0", "fail-mode=secure"]
        for host in lab.hosts:
            words += ["--", "add-port", "br0", host.port, "--", "set", "interface", host.port,
                      "ofport_request=%d" % host.number]
        self.vsctl(*words)

    def run(self, *argv, **options):
        return self.lab.switch_ns.run("env", "OVS_RUNDIR=" + self.lab.tmp, *argv, **options)

    def vsctl(self, *argv):
        return self.run("ovs-vsctl", "--db=" + self.socket, "-t", "30", *argv)

    def ofctl(self, command, *argv):
        return self.run("ovs-ofctl", "-O", "OpenFlow10", command,
                        "unix:" + self.lab.path("br0.mgmt"), *argv)

    def flows(self, kind):
        """Datapath flows by who forwards them: offloaded, tc, ovs."""
        done = self.run("ovs-appctl", "-t", self.control(), "dpctl/dump-flows", "-m", "type=" + kind)
        return [line for line in done.stdout.splitlines() if "in_port" in line]

    def flow(self, words):
        """The datapath's flow with these words, whoever forwards it; "" if there is none."""
        done = self.run("ovs-appctl", "-t", self.control(), "dpctl/dump-flows", "-m")
        return next((line for line in done.stdout.splitlines() if words in line), "")

    def control(self):
        return next(self.lab.path(name) for name in os.listdir(self.lab.tmp)
                    if name.startswith("ovs-vswitchd.") and name.endswith(".ctl"))

    def log(self):
        with open(self.lab.path("vswitchd.log"), encoding="utf-8", errors="replace") as log:
            return log.read()

    def stop(self):
        self.vsctl("del-br", "br0")
        for process in reversed(self.processes):
            process.terminate()
            process.wait()
