#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""turnoutctl at a prompt and in scripts: help, lists that are watched on terminals and in pipes,
completion in bash, and what it says when there is no daemon."""

import json
import os
import re
import signal
import socket
import subprocess
import time

from netns.lib import BUILD, DEADLINE, Lab, Switch, check, check_equal, program, run, run_command
from netns.terminal import Terminal

CTL = program("turnoutctl")
LISTS = ("show", "ports", "queues", "flows", "cache", "fdb", "controllers", "counters",
         "governor")


def it_starts(lab):
    lab.switch = Switch(lab, ["p1@1", "p2@2"], listeners=["ptcp:6653:127.0.0.1"],
                        options=["--queue", "p2:1"])
    lab.switch.ofctl("add-flow", "priority=7,in_port=1,actions=output:2")
    lab.switch.ofctl("add-flow", "priority=5,actions=normal")


# --- help ---------------------------------------------------------------------------------


def commands():
    text = run_command(CTL, "--help").stdout
    part = text.split("Commands:\n")[1].split("\nOptions:")[0]
    return [line.split()[0] for line in part.splitlines()
            if re.match(r"  [a-z]", line)]


def every_command_has_help(lab):
    found = commands()
    check(len(found) >= 14 and set(LISTS) < set(found), "commands: %s" % found)
    for command in found:
        text = run_command(CTL, command, "--help").stdout
        check(text.startswith("usage: turnoutctl %s [OPTION]..." % command), text)
        check("--control PATH" in text, text)
        # Of 'hw', two subcommands are lists.
        check_equal("--watch[=SECONDS]" in text, command in (*LISTS, "hw", "governor"),
                    command + " has --watch")
    check("--count N" in run_command(CTL, "snoop", "--help").stdout, "snoop's options")
    check("--count" not in run_command(CTL, "show", "--help").stdout, "not show's")
    done = run_command(CTL, "shwo", "--help", ok=False)
    check_equal(done.returncode, 2, "status")
    check("unknown command 'shwo'" in done.stderr, done.stderr)


def without_a_daemon_it_says_so(lab):
    """Every command that needs one, at once, with the path in question."""
    arguments = {"add-queue": ["p1", "1"], "mod-queue": ["p1", "1"], "del-queue": ["p1", "1"],
                 "add-port": ["p1"], "del-port": ["p1"], "trace": ["ip"], "log-level": ["info"],
                 "completion": ["bridges"], "set-port": ["p1", "no-flood=yes"],
                 "upgrade-check": ["--binary", CTL], "hw": ["show"]}
    stale = lab.path("stale")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(stale)
    for path, why in ((lab.path("nowhere"), "No such file or directory"),
                      (stale, "Connection refused")):
        for command in set(commands()) - {"pki"}:
            done = run_command(CTL, "--control", path, command, *arguments.get(command, []),
                               ok=False)
            status = 2 if command == "upgrade-check" else 1
            check_equal((done.returncode, done.stdout), (status, ""), command + done.stderr)
            check_equal(done.stderr, "turnoutctl: turnoutd is not running: %s: %s\n" % (path, why),
                        command)
        done = run_command(CTL, "--control", path, "ports", "--watch", ok=False)
        check_equal((done.returncode, done.stdout), (1, ""), "watching")
    check("complete -F" in run_command(CTL, "--control", stale, "completion", "bash").stdout,
          "the script needs no daemon")


# --- watch --------------------------------------------------------------------------------


def send(lab, count):
    frame = bytes.fromhex("020000000002020000000001" "88b5") + bytes(46)
    lab.hosts[0].send("eth0", *[frame] * count)


def watch(lab, *argv, **streams):
    process = subprocess.Popen([CTL, "--control", lab.switch.control, *argv],
                               **{"stdin": subprocess.DEVNULL, **streams})
    lab.processes.append(("watch", process, os.devnull))
    return process


def json_has_a_line_a_refresh_with_rates(lab):
    for command in LISTS:
        process = watch(lab, command, "--watch=0.1", "--json", stdout=subprocess.PIPE)
        lines = [json.loads(process.stdout.readline()) for _ in range(3)]
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        check_equal(process.wait(DEADLINE), 0, "status of %s after SIGINT" % command)
        process.stdout.close()
        check(not rest or rest.endswith(b"\n"), "the last line is whole")
        text = json.dumps(lines[2])
        check("\033" not in text, "no escapes")
        if command not in ("fdb", "cache"):
            check("_per_s" in text, "%s has rates: %s" % (command, text))
        one = json.loads(run_command(CTL, "--control", lab.switch.control, command, "--json").stdout)
        check_equal(set(one), set(lines[0]), "members of %s" % command)


def rates_are_those_of_the_traffic(lab):
    process = watch(lab, "ports", "--watch=0.2", "--json", stdout=subprocess.PIPE)

    def port():
        return next(p for p in json.loads(process.stdout.readline())["ports"] if p["number"] == 1)
    check_equal(port()["rx_packets_per_s"], None, "the first has none")
    before = port()["rx_packets"]
    begin = time.monotonic()
    send(lab, 500)
    row = port()
    while row["rx_packets"] < before + 500:
        row = port()
    check(time.monotonic() - begin < DEADLINE, "in time")
    check(0 < row["rx_packets_per_s"] <= 500 / 0.15, "packets/s: %s" % row)
    ratio = row["rx_bytes_per_s"] / row["rx_packets_per_s"]
    check(abs(ratio - 60) < 0.01, "bytes a packet: %g" % ratio)
    check_equal(port()["rx_packets_per_s"], 0, "later")
    process.terminate()
    check_equal(process.wait(DEADLINE), 0, "status after SIGTERM")
    process.stdout.close()


def in_a_pipe_refreshes_follow_each_other(lab):
    process = watch(lab, "ports", "br0", "--watch=0.1", stdout=subprocess.PIPE,
                    stdin=subprocess.PIPE, text=True)
    text = "".join(process.stdout.readline() for _ in range(12))
    process.stdin.close()   # its end ends it
    check_equal(process.wait(DEADLINE), 0, "status")
    process.stdout.close()
    check("\033" not in text, "no escapes")
    check(re.match(r"\d\d:\d\d:\d\d  ports br0, every 0.1 s\n +PORT +NAME +LINK [^\n]*RX-PKT/S", text), text)
    check(re.search(r"LOCAL[^\n]*\n\n\d\d:", text), "an empty line between two: " + text)
    process = watch(lab, "flows", "--watch=0.1", stdout=subprocess.PIPE, text=True)
    text = "".join(process.stdout.readline() for _ in range(8))
    process.stdout.close()   # a reader that goes
    check_equal(process.wait(DEADLINE), -signal.SIGPIPE, "status")
    check("packets/s=-, bytes/s=-" in text and re.search(r"packets/s=\d", text), text)


def a_terminal_is_redrawn_and_kept_within(lab):
    for n in range(30):
        lab.switch.ofctl("add-flow", "priority=%d,ip,nw_dst=10.1.0.%d,actions=output:1" % (n + 10, n))
    terminal = Terminal(lab, 10, 60, "flows", "--watch=0.1")
    for screen in terminal.screens(3):
        check_equal(len(screen), 9, "lines of %s" % screen)
        check(all(len(line) <= 60 for line in screen), "columns of %s" % screen)
        check(re.match(r"\d\d:\d\d:\d\d  flows, every 0.1 s$", screen[0]), screen[0])
        check(screen[1].endswith("\u2026"), "cut: " + screen[1])
        check_equal(screen[-1], "(more)", "the last line")
    check("\033[2J" not in terminal.raw.decode(), "the screen is never cleared as a whole")
    seen = len(terminal.raw)
    terminal.resize(20, 200)
    terminal.read(lambda raw: raw.count(b"\n", seen) > 40, "drawn in the new size")
    screen = terminal.raw.decode().split("\033[J")[-2].split("\033[H")[1].splitlines()
    check_equal(len(screen), 19, "lines")
    check("actions=" in screen[1], "wide lines: %s" % screen)
    os.write(terminal.fd, b"\x03")   # Ctrl-C
    check_equal(terminal.wait(), 0, "status after Ctrl-C")
    lab.switch.ofctl("del-flows", "ip")


def control_d_ends_it(lab):
    terminal = Terminal(lab, 24, 80, "counters", "--watch=5")
    terminal.screens(1)
    os.write(terminal.fd, b"\x04")   # Ctrl-D
    check_equal(terminal.wait(), 0, "status after Ctrl-D")


def q_ends_it_and_the_terminal_is_as_before(lab):
    terminal = Terminal(lab, 24, 80, "counters", "--watch=5")
    terminal.screens(1)
    check_equal(terminal.mode(), 0, "keys come at once")
    os.write(terminal.fd, b"xq")
    check_equal(terminal.wait(lambda: check(terminal.is_as_before(), "the terminal")), 0,
                "status after q")


def wrong_intervals_are_refused(lab):
    for value in ("0", "x", "", "1s", "-1", "nan", "1e9"):
        done = lab.switch.ctl("ports", "--watch=" + value, ok=False)
        check_equal(done.returncode, 2, "--watch=" + value)
        check("--watch is a number of seconds" in done.stderr, done.stderr)
    done = lab.switch.ctl("trace", "--watch", "ip", ok=False)
    check("'trace' has no option --watch" in done.stderr, done.stderr)


# --- completion ---------------------------------------------------------------------------

BASH = r"""
set -u
source "$1"
shift
COMP_WORDBREAKS=$' \t\n"\'><=;|&(:'
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
[[ $(complete -p turnoutctl) == *"-F _turnoutctl turnoutctl" ]] || exit 9
_turnoutctl
((${#COMPREPLY[@]} == 0)) || printf '%s\n' "${COMPREPLY[@]}"
"""


def complete(lab, *words):
    """What bash offers for the last word; words as bash splits them."""
    script = os.path.join(BUILD, "tools/turnoutctl/completions/turnoutctl")
    done = lab.switch_ns.run("bash", "--norc", "-c", BASH, "bash", script, CTL, *words)
    check_equal(done.stderr, "", "what bash complains of")
    return sorted(done.stdout.splitlines())


def bash_completes(lab):
    control = ("--control", "=", lab.switch.control)
    check_equal(complete(lab, ""), sorted(commands()), "commands")
    check_equal(complete(lab, "co"), ["completion", "controllers", "counters"], "co")
    check_equal(complete(lab, "zz"), [], "nothing")
    check("--watch" in complete(lab, "ports", "--"), "options of ports")
    check_equal(complete(lab, "ports", "--co"), ["--control"], "those of ports only")
    check_equal(complete(lab, "snoop", "--co"), ["--control", "--count"], "those of snoop")
    check_equal(complete(lab, *control, "show", ""), ["br0"], "bridges")
    check_equal(complete(lab, "--control", lab.switch.control, "show", "b"), ["br0"], "in two words")
    check_equal(complete(lab, *control, "del-port", "p"), ["p1", "p2"], "ports")
    check_equal(complete(lab, *control, "mod-queue", "p"), ["p1", "p2"], "ports with queues")
    check_equal(complete(lab, "mod-queue", "--m"), ["--max-rate", "--min-rate"], "rates")
    check_equal(complete(lab, *control, "del-port", "br0", ""), ["br0", "p1", "p2"], "LOCAL too")
    check_equal(complete(lab, *control, "add-port", "br0", "l"), ["lo"], "devices")
    check_equal(complete(lab, "log-level", ""), ["debug", "error", "info", "warn"], "levels")
    check_equal(complete(lab, "--wat"), ["--watch"], "options before the command")
    check_equal(complete(lab, "snoop", "--write", lab.path("contr")), [lab.path("control")], "files")
    check_equal(complete(lab, "snoop", "--write", "=", lab.path("contr")), [lab.path("control")],
                "files behind =")
    check_equal(complete(lab, "--control", "/nowhere", "show", ""), [], "without a daemon")
    done = run_command("shellcheck", "-s", "bash",
                       os.path.join(BUILD, "tools/turnoutctl/completions/turnoutctl"), ok=False)
    check_equal(done.stdout, "", "shellcheck")


def bash_completes_targets_with_colons(lab):
    """As readline breaks words at colons, what is offered is what follows the last one."""
    control = ("--control", "=", lab.switch.control)
    offered = complete(lab, *control, "snoop", "pt")
    check_equal(offered, ["ptcp:6653:127.0.0.1"], "from the beginning")
    check_equal(complete(lab, *control, "snoop", "ptcp", ":", "66"), ["6653:127.0.0.1"], "behind one")
    check_equal(complete(lab, *control, "snoop", "ptcp", ":", "6653", ":"), ["127.0.0.1"], "behind two")


def names_are_never_run(lab):
    """A device may be called almost anything."""
    name = "$(id>x)"
    lab.switch_ns.ip("link", "add", name, "type", "veth", "peer", "name", "other")
    offered = complete(lab, "add-port", "br0", "$")
    check_equal(offered, [r"\$\(id\>x\)"], "quoted")
    lab.switch_ns.ip("link", "del", name)
    check(not os.path.exists("x"), "it was not run")


def it_ends(lab):
    process = watch(lab, "show", "--watch=0.1", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                    text=True)
    process.stdout.readline()
    lab.switch.stop()
    _, err = process.communicate(timeout=DEADLINE)
    check_equal(process.returncode, 1, "status when the daemon ends")
    check("turnoutd ended the connection" in err or "turnoutd:" in err, err)


if __name__ == "__main__":
    run(Lab(hosts=2), it_starts, every_command_has_help, without_a_daemon_it_says_so,
        json_has_a_line_a_refresh_with_rates, rates_are_those_of_the_traffic,
        in_a_pipe_refreshes_follow_each_other, a_terminal_is_redrawn_and_kept_within,
        control_d_ends_it, q_ends_it_and_the_terminal_is_as_before, wrong_intervals_are_refused,
        bash_completes,
        bash_completes_targets_with_colons, names_are_never_run, it_ends)
