#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""turnoutctl hw watch: on terminals of several sizes, in a pipe, as JSON; whose packets are
counted where, and what moves."""

import json
import os
import re
import signal
import subprocess

from netns.lib import DEADLINE, Lab, Switch, check, check_equal, program, run
from netns.terminal import Terminal

FLOW = "priority=10,in_port=1,dl_type=0x88b5,actions=output:2"
FRAME = bytes.fromhex("020000000002" "020000000001" "88b5") + bytes(46)
SOFT = bytes.fromhex("020000000002" "020000000001" "88b6") + bytes(46)


def it_starts(lab):
    lab.switch = Switch(lab, ["p1@1,driver=sim", "p2@2,driver=sim"],
                        options=["--driver", "sim:exact=40,tcam=16"])
    lab.switch.ofctl("add-flow", FLOW)
    lab.switch.ofctl("add-flow", "priority=10,in_port=1,dl_type=0x88b6,actions=local")


def watch(lab, *argv, **how):
    process = subprocess.Popen([program("turnoutctl"), "--control", lab.switch.control, "hw", "watch",
                                *argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                               **how)
    lab.processes.append(("watch", process, os.devnull))
    return process


def rates_are_those_of_the_traffic(lab):
    process = watch(lab, "--json", "--interval=0.2")
    first = json.loads(process.stdout.readline())
    check_equal((first["schema"], first["command"], first["hardware_packets_per_s"]),
                ("turnout-hw/1", "watch", None), "the first has no rates")
    seen = {"hardware": 0, "software": 0, "promoted": 0, "demoted": 0}
    sent = 0
    while not all(seen.values()):
        if not seen["hardware"]:
            lab.hosts[0].send("eth0", *[FRAME] * 64, *[SOFT] * 64)
            sent += 128
        row = json.loads(process.stdout.readline())
        device = row["devices"][0]
        for name in seen:
            value = device[name + "_per_s"] if name.endswith("moted") else row[name + "_packets_per_s"]
            seen[name] = max(seen[name], value)
        check(row["hardware_packets_per_s"] + row["software_packets_per_s"] <= sent / 0.15, row)
    process.send_signal(signal.SIGINT)
    check_equal(process.wait(DEADLINE), 0, "status after SIGINT")
    process.stdout.close()


def in_a_pipe_a_block_an_interval(lab):
    process = watch(lab, "--interval", "0.1", "--count", "3")
    text = process.communicate(timeout=DEADLINE)[0]
    check_equal(process.returncode, 0, "status after --count")
    check("\033" not in text, "no escapes")
    blocks = text.strip().split("\n\n")
    check_equal(len(blocks), 3, "blocks of " + text)
    for block in blocks:
        check(re.match(r"\d\d:\d\d:\d\d  hw watch, every 0.1 s\npackets +\[[#.]{20}\] ", block), block)
        check(re.search(r"\nsim:exact=40,tcam=16: active\n  exact +\[[#.]{20}\] \d+ of 40, \d+%\n", block),
              block)
        check(re.search(r"/s promoted, .*/s demoted\n.*/s refused", block), block)


def it_fits_terminals(lab):
    for n in range(20):
        lab.switch.ofctl("add-flow", "in_port=1,dl_vlan=65535,dl_src=02:00:00:00:00:01,"
                         "dl_dst=02:00:00:00:00:02,udp,nw_tos=0,nw_src=10.0.0.1,nw_dst=10.0.0.2,"
                         "tp_src=%d,tp_dst=9,actions=output:2" % n)
    for rows, columns in ((24, 80), (12, 200), (6, 40), (24, 20)):
        terminal = Terminal(lab, rows, columns, "hw", "watch", "--interval=0.1")
        for screen in terminal.screens(2):
            check(len(screen) <= rows - 1, "lines of %d: %s" % (rows, screen))
            check(all(len(line) <= columns for line in screen), "columns of %d: %s" % (columns, screen))
        bar = re.search(r"exact +\[(#*)(\.*)\] 20 of 40, 50%", "\n".join(screen))
        if columns >= 80:
            check(bar and len(bar[1]) == len(bar[2]) > 10, "half of the bar: %s" % screen)
        if rows < 10:
            check_equal(screen[-1], "(more)", "the last line")
        check("\033[2J" not in terminal.raw.decode(), "the screen is never cleared as a whole")
        os.write(terminal.fd, b"q")
        check_equal(terminal.wait(), 0, "status after q")


def it_follows_the_size(lab):
    terminal = Terminal(lab, 24, 80, "hw", "watch", "--interval=30")
    narrow = terminal.screens(1)[0]
    terminal.resize(24, 120)
    wide = terminal.screens(2)[1]
    check(max(map(len, wide)) > max(map(len, narrow)), "bars grow: %s %s" % (narrow, wide))
    check(b"\033[?25l" in terminal.raw, "the cursor is hidden")
    os.write(terminal.fd, b"\x03")
    check_equal(terminal.wait(lambda: check(terminal.is_as_before(), "the terminal")), 0,
                "status after Ctrl-C")
    check(terminal.raw.endswith(b"\033[?25h"), "the cursor is back: %r" % terminal.raw[-20:])


def wrong_words_are_refused(lab):
    for words in (["--interval=0"], ["--interval", "x"], ["--count=0"], ["--watch"], ["br0"], ["--all"]):
        done = lab.switch.ctl("hw", "watch", *words, ok=False)
        check(done.returncode == 2 and done.stderr, "%s: %s" % (words, done))
    check_equal(lab.switch.ctl("hw", "show", "--interval=1", ok=False).returncode, 2, "not of hw show")
    process = watch(lab, "--interval=0.1", stderr=subprocess.PIPE)
    process.stdout.readline()
    lab.switch.stop()
    check_equal(process.wait(DEADLINE), 1, "status when turnoutd ends")
    check("ended the connection" in process.communicate()[1], "it is said")
    lab.switch = Switch(lab, ["p1@1"])
    done = lab.switch.ctl("hw", "watch", ok=False)
    check(done.returncode == 1 and "--driver" in done.stderr, done.stderr)


if __name__ == "__main__":
    run(Lab(hosts=2), it_starts, rates_are_those_of_the_traffic, in_a_pipe_a_block_an_interval,
        it_fits_terminals, it_follows_the_size, wrong_words_are_refused)
