#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An upgrade as a script does it: ask whether anything would be lost, save, stop, start, restore,
with nothing lost; and each thing that would be, told before."""

import json
import os

from netns import rawof
from netns.lib import Lab, Switch, check, check_equal, program, run, run_command, wait_for


def upgrade_check(lab, *argv, binary=None):
    return lab.switch.ctl("upgrade-check", "--binary", binary or program("turnoutd"), *argv, ok=False)


def findings(lab, *argv, **how):
    """(status, {text}) of what would be lost, and the notes."""
    done = upgrade_check(lab, "--json", *argv, **how)
    answer = json.loads(done.stdout)
    check_equal(done.returncode, 0 if answer["ready"] else 1, "status: " + done.stdout)
    return (sorted(f["text"] for f in answer["findings"] if f["lost"]),
            sorted(f["text"] for f in answer["findings"] if not f["lost"]))


def config(lab, *lines):
    with open(lab.config, "w") as out:
        out.write("".join(line + "\n" for line in ("bridge br0",) + lines))


def it_starts_and_is_ready(lab):
    lab.config = lab.path("turnoutd.conf")
    config(lab, "listen ptcp:6653:127.0.0.1", "port p1@1", "port p2")
    lab.switch = Switch.__new__(Switch)
    lab.switch.lab, lab.switch.bridge = lab, "br0"
    lab.switch.control = lab.path("control")
    lab.switch.management = "unix:" + lab.path("br0.mgmt")
    lab.switch.argv = [program("turnoutd"), "--config", lab.config, "--control", lab.switch.control,
                       "--rundir", lab.tmp, "--log-to", "stderr"]
    lab.switch.start()
    done = upgrade_check(lab)
    check_equal((done.returncode, done.stderr), (0, ""), "status: " + done.stdout)
    lines = done.stdout.splitlines()
    check(lines[0].startswith("running  turnoutd ") and str(lab.switch.process.pid)
          in lines[0], lines[0])
    check(lines[1].startswith("new      turnoutd ") and lines[1].endswith("/turnoutd"), lines[1])
    check_equal(lines[2:], ["ready"], "the answer")


def what_was_done_by_hand_would_be_lost(lab):
    lab.switch.ctl("add-port", "p3@7")
    check_equal(findings(lab), (["port p3, number 7: was added by hand"], []), "a port")
    lab.switch.ctl("del-port", "p3")
    lab.switch.ctl("del-port", "p2")
    check_equal(findings(lab)[0], ["port p2: was removed by hand, and would be there again"], "none")
    lab.switch.ctl("add-port", "p2@9")
    check_equal(findings(lab)[0], ["port p2: its number is 9, and would be 2"], "another number")
    lab.switch.ctl("del-port", "p2")
    lab.switch.ctl("add-port", "p2@2")
    lab.switch.ctl("add-queue", "p1", "3", "--min-rate", "1M")
    check_equal(findings(lab)[0], ["port p1: queue 3 was added by hand"], "a queue")
    lab.switch.ctl("del-queue", "p1", "3")
    with rawof.connect(lab) as controller:
        controller.ports()
        controller.port_mod(1, 1 << 4, 1 << 4)   # NO_FLOOD
        controller.tell(rawof.SET_CONFIG, b"\0\1\0\x80")
        wait_for(lambda: len(findings(lab)[0]) == 2, "both are there")
        check_equal(findings(lab),
                    (["a controller has set that fragments are dropped",
                      "port p1: flags that a controller or set-port has changed"],
                     ["1 controller is connected, and will have to connect again"]), "by a controller")
        controller.port_mod(1, 0, 1 << 4)
        controller.tell(rawof.SET_CONFIG, b"\0\0\0\x80")
    check_equal(findings(lab), ([], []), "all is as configured")


def flows_must_be_saved(lab):
    lab.switch.ofctl("add-flow", "priority=3,hard_timeout=600,in_port=1,actions=2")
    with rawof.connect(lab) as controller:
        controller.flow_mod(rawof.output(2), rawof.match(in_port=2), flags=rawof.EMERG)
    check_equal(findings(lab)[0],
                ["1 flows and 1 emergency flows are not saved; see save-flows and --flows"], "flows")
    done = upgrade_check(lab)
    check(done.stdout.endswith("not ready: 1 thing would be lost\n"), done.stdout)
    path = lab.path("flows")
    wait_for(lambda: lab.switch.ctl_json("flows")["flows"][0]["duration_s"] >= 1.1, "a second passes")
    for options in ([], ["--remaining"]):
        lab.switch.ctl("save-flows", path, *options)
        check_equal(findings(lab, "--flows", path), ([], []), "saved %s" % options)
    lab.switch.ofctl("add-flow", "priority=4,arp,actions=all")
    lab.switch.ofctl("mod-flows", "in_port=1,actions=3")
    check_equal(findings(lab, "br0", "--flows", path)[0],
                ["flows are not as saved in %s: 1 new, 1 changed, 0 gone" % path], "changed since")
    lab.switch.ofctl("del-flows")
    check_equal(findings(lab, "--flows", path)[0],
                ["flows are not as saved in %s: 0 new, 0 changed, 1 gone" % path], "deleted since")
    with open(path, "w") as out:
        out.write("in_port=1,actions=2\nin_prot=1,actions=2\n")
    check_equal(findings(lab, "--flows", path)[0], [path + ":2: in_prot at 1: no such field"],
                "a file that the new version does not understand")
    lab.switch.ctl("restore-flows", "--replace", os.devnull)
    with rawof.connect(lab) as controller:
        controller.flow_mod(fields=rawof.match(), command=rawof.DELETE, flags=rawof.EMERG)
    wait_for(lambda: findings(lab) == ([], []), "the table is empty")


def the_new_binary_is_asked(lab):
    config(lab, "listen ptcp:6653:127.0.0.1", "port p1@1", "port p2", "colour red")
    lost, _ = findings(lab)
    check_equal(len(lost), 1, "findings: %s" % lost)
    check("the new turnoutd refuses the options or the configuration" in lost[0]
          and lab.config + ":5: unknown option 'colour'" in lost[0], lost[0])
    config(lab, "listen ptcp:6653:127.0.0.1", "port p1@1", "port p2")
    script = lab.path("turnoutd-9")
    with open(script, "w") as out:
        out.write('#!/bin/sh\n[ "$1" = --version ] && echo turnoutd 9.9 && exit\n'
                  'echo "no option $1" >&2; exit 2\n')
    os.chmod(script, 0o755)
    done = upgrade_check(lab, binary=script)
    check_equal(done.returncode, 1, "status")
    check("new      turnoutd 9.9, " + script in done.stdout, done.stdout)
    check("no option --config" in done.stdout, done.stdout)


def errors_are_no_answers(lab):
    for argv, binary, words in ((["br7"], None, "no bridge 'br7'"),
                                ([], "/nowhere/turnoutd", "/nowhere/turnoutd: No such file"),
                                ([], lab.config, "can't run " + lab.config),
                                (["--flows", lab.path("none")], None, "No such file")):
        done = upgrade_check(lab, *argv, binary=binary)
        check_equal((done.returncode, done.stdout), (2, ""), "%s: %s" % (argv, done.stderr))
        check(words in done.stderr, "%r in %s" % (words, done.stderr))
    done = run_command(program("turnoutctl"), "--control", lab.path("none"), "upgrade-check",
                       "--binary", program("turnoutd"), ok=False)
    check_equal(done.returncode, 2, "without a daemon: " + done.stderr)
    check("turnoutd is not running" in done.stderr, done.stderr)


UPGRADE = r"""
set -eu
"$CTL" --control "$CONTROL" save-flows br0 "$FLOWS"
"$CTL" --control "$CONTROL" upgrade-check br0 --flows "$FLOWS" --binary "$NEW"
"""


def an_upgrade_loses_nothing(lab):
    """What the manual page says, as a script."""
    lab.switch.ofctl("add-flow", "priority=5,cookie=0x7,send_flow_rem,tcp,tp_dst=80,actions=2,1")
    lab.switch.ofctl("add-flow", "priority=4,actions=normal")
    with rawof.connect(lab) as controller:
        controller.flow_mod(rawof.output(2), rawof.match(in_port=2), flags=rawof.EMERG, priority=9)
    path = lab.path("upgrade.flows")
    env = dict(os.environ, CTL=program("turnoutctl"), CONTROL=lab.switch.control, FLOWS=path,
               NEW=program("turnoutd"))
    done = run_command("sh", "-c", UPGRADE, env=env)
    check(done.stdout.endswith("ready\n"), done.stdout)
    ports = lab.switch.ctl_json("ports")["ports"]
    lab.switch.stop()
    lab.switch.start()
    check_equal(lab.switch.ctl("restore-flows", "br0", path).stdout,
                "bridge br0: 3 flows added, 0 changed, 0 unchanged, 0 deleted\n", "restored")
    check_equal(findings(lab, "--flows", path), ([], []), "as it was")
    check_equal([(p["number"], p["name"], p["config"]) for p in lab.switch.ctl_json("ports")["ports"]],
                [(p["number"], p["name"], p["config"]) for p in ports], "ports")
    lab.switch.stop()


if __name__ == "__main__":
    run(Lab(hosts=3), it_starts_and_is_ready, what_was_done_by_hand_would_be_lost, flows_must_be_saved,
        the_new_binary_is_asked, errors_are_no_answers, an_upgrade_loses_nothing)
