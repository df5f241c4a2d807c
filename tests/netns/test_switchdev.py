#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The driver for switch chips where there is none: what it refuses, and in which words. The rest is
in tests/vm/test_switchdev.py."""

from netns.lib import Lab, Switch, check, check_equal, program, run, run_command


def start(lab, *options):
    if getattr(lab, "switch", None):
        lab.switch.stop()
    lab.switch = Switch(lab, ["p1@1"], options=options)


def settings_are_checked(_):
    for setting, words in (
            ("vlans=0", "option vlans: '0' is not VLANs from 1 to 4094"),
            ("vlans=10-", "option vlans"), ("vlans=20-10", "option vlans"),
            ("vlans=4095", "option vlans"), ("vlans=10+", "option vlans"),
            ("pvid=4095", "option pvid: '4095' is not a number from 1 to 4094"),
            ("pvid=x", "option pvid"), ("flooding=maybe", "'maybe' is not refuse or accept"),
            ("any-port=1", "'1' is not no or yes"), ("vlans", "is not KEY=VALUE"),
            ("colour=red", "unknown option 'colour'")):
        done = run_command(program("turnoutctl"), "hw", "--direct", "switchdev:" + setting, "show",
                           ok=False)
        check(done.returncode and words in done.stderr, "%s: %s" % (setting, done.stderr))


def without_a_bridge_of_ours_there_is_nothing_to_look_at(lab):
    done = lab.switch_ns.run(program("turnoutctl"), "hw", "--direct", "switchdev", "show", ok=False)
    check(done.returncode and "no bridge of ours" in done.stderr, done.stderr)


def a_port_of_no_chip_is_refused(lab):
    start(lab, "--driver", "switchdev:vlans=10")
    done = lab.switch.ctl("add-port", "br0", "p2", "--driver", "switchdev", ok=False)
    check(done.returncode and "p2: it is no port of a switch chip" in done.stderr, done.stderr)
    check("tnbr" not in lab.switch_ns.ip("link", "show").stdout, "no bridge was made")
    check_equal(len(lab.switch.ctl_json("ports")["ports"]), 2, "the port and LOCAL")


def a_port_of_somebody_elses_bridge_is_refused(lab):
    lab.switch_ns.ip("link", "add", "theirs", "type", "bridge")
    lab.switch_ns.ip("link", "set", "p2", "master", "theirs")
    done = lab.switch.ctl("add-port", "br0", "p2", "--driver", "switchdev", ok=False)
    check(done.returncode and "theirs (bridge)" in done.stderr, done.stderr)
    check("master theirs" in lab.switch_ns.ip("link", "show", "p2").stdout, "it is still theirs")


def main():
    run(Lab(hosts=2), settings_are_checked, without_a_bridge_of_ours_there_is_nothing_to_look_at,
        a_port_of_no_chip_is_refused, a_port_of_somebody_elses_bridge_is_refused)


if __name__ == "__main__":
    main()
