#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The daemon as a process: options, files, sockets, signals, exit codes."""

import os
import re
import signal

from netns.lib import Lab, Switch, check, check_equal, program, run, wait_for

USAGE, RUNNING = 2, 3


def turnoutd(lab, *options, ok=False):
    return lab.switch_ns.run(program("turnoutd"), *options, ok=ok)


def refused(lab, status, words, *options):
    """turnoutd with these options ends with 'status' and says each of 'words'."""
    done = turnoutd(lab, "--control", lab.path("other"), "--rundir", lab.tmp, *options)
    check_equal(done.returncode, status, " ".join(options) + "\n" + done.stderr)
    for word in words:
        check(word in done.stderr, "%r in: %s" % (word, done.stderr))


def wrong_options_are_refused(lab):
    refused(lab, USAGE, ["no-such", "bridge"], "--no-such", "--bridge", "br0")
    refused(lab, USAGE, ["bridge"], "--log", "info")
    refused(lab, USAGE, ["e1000", "none"], "--driver", "e1000", "--bridge", "br0")
    refused(lab, USAGE, ["p1"], "--bridge", "br0", "--port", "p1", "--bridge", "br1", "--port", "p1")
    refused(lab, USAGE, ["7"], "--bridge", "br0", "--port", "p1@7", "p2@7")
    refused(lab, USAGE, ["tcp:"], "--bridge", "br0", "--controller", "tcp:")
    refused(lab, USAGE, ["zz"], "--bridge", "br0", "--datapath-id", "zz")
    refused(lab, USAGE, ["a-name-that-is-too-long"], "--bridge", "a-name-that-is-too-long")


def help_and_version(lab):
    text = turnoutd(lab, "--help", ok=True).stdout
    for option in ("--config", "--driver", "--bridge", "--datapath-id", "--port", "--controller",
                   "--listen", "--fail-mode", "--inactivity-probe", "--max-backoff",
                   "--packet-in-rate", "--packet-in-burst", "--max-connections",
                   "--control", "--rundir", "--cpu", "--pidfile", "--detach",
                   "--log", "--log-to", "--check-config", "--fdb-max", "--fdb-age"):
        check(option in text, option + " in --help")
    check(re.search(r"turnoutd \d+\.\d+", turnoutd(lab, "--version", ok=True).stdout), "--version")


def write(lab, name, text):
    path = lab.path(name)
    with open(path, "w") as out:
        out.write(text)
    return path


def a_config_file_is_checked(lab):
    good = write(lab, "good.conf", "# a comment\nrundir %s\nbridge br0\nport p1@1\nport p2\n"
                 % lab.tmp)
    turnoutd(lab, "--config", good, "--check-config", ok=True)
    bad = write(lab, "bad.conf", "bridge br0\nport p1@1\nwrong thing\n")
    done = turnoutd(lab, "--config", bad, "--check-config")
    check_equal(done.returncode, USAGE, done.stderr)
    check("bad.conf:3:" in done.stderr and "wrong" in done.stderr, done.stderr)
    check("fail-mode" in done.stderr, "the valid options are named: " + done.stderr)
    done = turnoutd(lab, "--config", lab.path("absent.conf"), "--check-config")
    check(done.returncode != 0 and "absent.conf" in done.stderr, done.stderr)


def it_detaches_when_it_is_ready(lab):
    pidfile = lab.path("pid")
    turnoutd(lab, "--control", lab.path("control"), "--rundir", lab.tmp, "--pidfile", pidfile,
             "--log-to", lab.path("log"), "--detach", "--bridge", "br0", "--port", "p1@1", "p2@2",
             ok=True)
    with open(pidfile) as source:
        pid = int(source.read())
    lab.switch_ns.run(program("turnoutctl"), "--control", lab.path("control"), "show")
    refused_again = turnoutd(lab, "--control", lab.path("control"), "--rundir", lab.tmp,
                             "--bridge", "br7")
    check_equal(refused_again.returncode, RUNNING, "the control socket is in use: "
                + refused_again.stderr)
    refused_again = turnoutd(lab, "--control", lab.path("other"), "--rundir", lab.tmp,
                             "--pidfile", pidfile, "--bridge", "br7")
    check_equal(refused_again.returncode, RUNNING, "the pidfile is locked: "
                + refused_again.stderr)
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: not os.path.exists("/proc/%d" % pid), "it ends")
    for name in ("control", "pid", "br0.mgmt", "br0.snoop"):
        check(not os.path.exists(lab.path(name)), name + " is gone")


def a_config_file_is_read_again(lab):
    one, two, three = lab.hosts
    config = write(lab, "turnoutd.conf", "bridge br0\nfail-mode standalone\nport p1@1\nport p2@2\n")
    lab.switch = Switch(lab, options=[])
    lab.switch.stop()
    lab.switch.argv = [program("turnoutd"), "--control", lab.switch.control, "--rundir", lab.tmp,
                       "--log-to", "stderr", "--config", config]
    lab.switch.start()
    wait_for(lambda: one.ping(two.address, ok=False, options=("-W", "1")), "ports 1 and 2")
    write(lab, "turnoutd.conf", "bridge br0\nfail-mode standalone\nport p1@1\nport p3@3\n")
    lab.switch.process.send_signal(signal.SIGHUP)
    wait_for(lambda: one.ping(three.address, ok=False, options=("-W", "1")), "port 3 is added")
    check("p2" not in lab.switch.ctl("ports").stdout, "port 2 is removed")
    write(lab, "turnoutd.conf", "bridge br0\nport p1@1\nnonsense\n")
    lab.switch.process.send_signal(signal.SIGHUP)
    one.ping(three.address, count=3)
    check("p3" in lab.switch.ctl("ports").stdout, "a wrong file changes nothing")
    lab.switch.stop()


def a_signal_during_the_start_ends_it_cleanly(lab):
    """turnoutd reads its configuration from a pipe, and is told to end meanwhile."""
    pipe = lab.path("pipe.conf")
    os.mkfifo(pipe)
    for number in (signal.SIGTERM, signal.SIGINT):
        process = lab.start("early", lab.switch_ns, program("turnoutd"), "--config", pipe,
                            "--control", lab.path("early"), "--rundir", lab.tmp)
        with open(pipe, "w") as out:   # opens when turnoutd does
            process.send_signal(number)
            out.write("bridge br0\nport p1@1\n")
        check_equal(process.wait(timeout=30), 0, "exit status after signal %d" % number)
        check(not os.path.exists(lab.path("early")), "the control socket is gone")


def a_device_may_come_later(lab):
    one, two, _ = lab.hosts
    lab.switch_ns.ip("link", "del", "p2")
    lab.switch = Switch(lab, ["p1@1", "p2@2"])
    lab.switch.replace_flows("actions=normal")
    two.plug(lab.switch_ns)
    wait_for(lambda: one.ping(two.address, ok=False, options=("-W", "1")), "port 2 came up")
    lab.switch.stop()


def it_starts_again_after_it_was_killed(lab):
    one, two, _ = lab.hosts
    lab.switch = Switch(lab, ["p1@1", "p2@2"])
    lab.switch.process.kill()
    lab.switch.process.wait()
    lab.switch = Switch(lab, ["p1@1", "p2@2"])
    lab.switch.replace_flows("actions=normal")
    one.ping(two.address, count=2)
    lab.switch.stop()
    for name in ("p1", "p2"):
        qdiscs = lab.switch_ns.run("tc", "qdisc", "show", "dev", name).stdout
        check("clsact" not in qdiscs, "what the killed one left is gone: " + qdiscs)


def control_requests_that_are_wrong(lab):
    lab.switch = Switch(lab, ["p1@1"])
    for command in (["no-such-command"], ["flows", "nonsense=1"], ["trace", "in_port="],
                    ["del-port", "77"], ["show", "br9"]):
        done = lab.switch.ctl(*command, ok=False)
        check(done.returncode != 0 and done.stderr.strip(), " ".join(command))
    check(lab.switch.ctl("show").returncode == 0, "it lives on")
    mode = os.stat(lab.switch.control).st_mode & 0o777
    check_equal(mode, 0o600, "mode of the control socket")
    lab.switch.stop()


if __name__ == "__main__":
    run(Lab(hosts=3), wrong_options_are_refused, help_and_version, a_config_file_is_checked,
        it_detaches_when_it_is_ready, a_config_file_is_read_again,
        a_signal_during_the_start_ends_it_cleanly, a_device_may_come_later,
        it_starts_again_after_it_was_killed, control_requests_that_are_wrong)
