#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""turnoutctl hw doctor on ports of a chip, which has an eswitch, resources and health. All that it
prints is what its schema says."""

import json
import os

import jsonschema

from netns.lib import SOURCE, check, check_equal, program, run, run_command, wait_for
from vm.lib import Simnic, enter, kernel_log, tc

DEVICE = "platform/simnic.0"
OURS = "54524e54" "01000000" "0000000000000001"      # a cookie of Turnout's


class Bench:
    """The chip, and what netns.lib's run() wants of a lab."""

    def __init__(self):
        self.chip = Simnic(ports=3, flavours="pfv", table_size=4)
        with open(os.path.join(SOURCE, "schemas/turnout-hw-1.json"), encoding="utf-8") as text:
            schema = json.load(text)
        self.schema = jsonschema.Draft202012Validator(
            {**schema["$defs"]["doctor"], "$defs": schema["$defs"]})

    def examine(self, *argv, status=None):
        """The report, as JSON."""
        done = run_command(program("turnoutctl"), "hw", "doctor", "--direct", *argv, "--json",
                           ok=False)
        check(status is None or done.returncode == status, done.stdout + done.stderr)
        report = json.loads(done.stdout)
        check_equal([e.message for e in self.schema.iter_errors(report)], [], "schema")
        return report

    def port(self, device):
        return self.examine(device)["ports"][0]

    def findings(self, device="p0"):
        return {found["code"]: found["command"] for found in self.port(device)["findings"]}

    def close(self):
        pass

    @staticmethod
    def logs():
        return kernel_log()[-2000:]

    @staticmethod
    def sanitizer_reports():
        return []


def a_port_says_what_it_is(bench):
    report = bench.examine("p0", "p1", "p2", status=0)
    check_equal(report["kernel"]["findings"], [], "the kernel has all that it takes")
    check_equal([(port["role"], port["port_name"], port["devlink"]["flavour"])
                 for port in report["ports"]],
                [("port", "p0", "physical"), ("pf-representor", "pf1", "pcipf"),
                 ("vf-representor", "pf0vf2", "pcivf")], "roles")
    port = report["ports"][0]
    check_equal((port["kernel"]["driver"], port["kernel"]["firmware"], port["parent"],
                 port["switch_id"], port["hw_tc_offload"], port["pci"]),
                ("simnic", "1.0.0", DEVICE, "53494d01", "on", None), "p0")
    devlink = port["devlink"]
    check_equal((devlink["device"], devlink["eswitch_mode"]), (DEVICE, "switchdev"), "devlink")
    check_equal(devlink["resources"], [{"name": "flows", "size": 4, "occupancy": 0}], "resources")
    check_equal(devlink["versions"][1], {"kind": "running", "name": "fw", "value": "1.0.0"}, "fw")
    check_equal([(r["name"], r["state"]) for r in devlink["health"]], [("fw", "healthy")], "health")
    devices = [port["device"] for port in bench.examine()["ports"]]
    check({"p0", "p1", "p2"} <= set(devices), devices)


def the_feature_is_switched_on_and_back(bench):
    run_command("ethtool", "-K", "p0", "hw-tc-offload", "off")
    check_equal(bench.findings(), {"hw-tc-offload-off": "ethtool -K p0 hw-tc-offload on"}, "off")
    report = bench.examine("p0", "--fix", status=0)
    check_equal([(done["did"], done["undo"]) for done in report["fixed"]],
                [("ethtool -K p0 hw-tc-offload on", "ethtool -K p0 hw-tc-offload off")], "done")
    check("hw-tc-offload: on" in run_command("ethtool", "-k", "p0").stdout, "it is on")
    run_command(*report["fixed"][0]["undo"].split())
    check("hw-tc-offload: off" in run_command("ethtool", "-k", "p0").stdout, "undone")
    run_command("ethtool", "-K", "p0", "hw-tc-offload", "on")
    check_equal(bench.findings(), {}, "on")


def strangers_rules_are_told_from_ours(bench):
    tc("filter add dev p0 ingress prio 1 handle 1 protocol ip flower skip_sw src_ip 1.1.1.1"
       " action drop cookie", OURS)
    check_equal(bench.findings(), {}, "a rule with a cookie of Turnout's")
    tc("filter add dev p0 ingress prio 1 handle 2 protocol ip flower skip_sw src_ip 1.1.1.2"
       " action drop cookie 00112233")
    tc("filter add dev p0 ingress prio 9 protocol all matchall action pass")
    check_equal(bench.findings(),
                {"foreign-filters": "tc filter del dev p0 ingress chain 0 pref 1"}, "strangers'")
    found, = bench.port("p0")["findings"]
    check(found["what"].startswith("2 tc filters of somebody else's"), found["what"])
    tc("filter del dev p0 ingress")
    tc("qdisc del dev p0 clsact")
    tc("qdisc add dev p0 ingress_block 7 clsact")
    check_equal(bench.findings(), {"shared-block": None}, "a block")
    tc("qdisc del dev p0 clsact")
    check_equal(bench.findings(), {"no-clsact": "tc qdisc add dev p0 clsact"}, "none")
    bench.examine("p0", "--fix", status=0)


def a_full_table_is_seen(bench):
    for i in range(4):
        tc("filter add dev p0 ingress prio 1 handle", i + 1, "protocol ip flower skip_sw src_ip",
           "1.1.1.%d" % i, "action drop cookie", OURS)
    check_equal(bench.findings(), {"resource-full": None}, "full")
    check_equal(bench.port("p1")["devlink"]["resources"][0]["occupancy"], 4, "the chip's")
    tc("filter del dev p0 ingress")


def an_ill_device_is_seen(bench):
    run_command("devlink", "health", "set", DEVICE, "reporter", "fw", "auto_recover", "false")
    bench.chip.set(fault="broken")
    found = bench.findings()
    check_equal(found, {"unhealthy": "devlink health recover %s reporter fw" % DEVICE}, "ill")
    run_command(*found["unhealthy"].split())
    check_equal(bench.findings(), {}, "recovered")


def a_legacy_eswitch_is_found_and_left(bench):
    run_command("devlink", "dev", "eswitch", "set", DEVICE, "mode", "legacy")
    bench.chip.up(clsact=False)
    command = "devlink dev eswitch set %s mode switchdev" % DEVICE
    check_equal(bench.findings().get("eswitch-legacy"), command, "legacy")
    report = bench.examine("p0", "--fix", status=1)
    check_equal([done["code"] for done in report["fixed"]], ["no-clsact"], "what is done")
    check_equal(report["ports"][0]["devlink"]["eswitch_mode"], "legacy", "the mode stays")
    run_command(*command.split())
    bench.chip.up()
    wait_for(lambda: not bench.findings(), "nothing is in the way")


if __name__ == "__main__":
    enter()
    run(Bench(), a_port_says_what_it_is, the_feature_is_switched_on_and_back,
        strangers_rules_are_told_from_ours, a_full_table_is_seen, an_ill_device_is_seen,
        a_legacy_eswitch_is_found_and_left)
