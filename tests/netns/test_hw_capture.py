#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""turnoutctl hw capture: flows leave hardware, their packets are in the file, none is lost on its
way, and the flows go back; also when the tool is killed, stopped or slow."""

import os
import signal
import struct
import subprocess

from netns.lib import (DEADLINE, Capture, Failure, Lab, Switch, check, check_equal, program, run,
                       run_command, wait_for)

FLOW = "in_port=1,dl_type=0x88b5"
PACKET = FLOW + ",dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02"
HEADER = bytes.fromhex("020000000002" "020000000001" "88b5")


def frames(lab, n, size=60):
    """The next n numbered frames."""
    first = lab.sent + 1
    lab.sent += n
    return [HEADER + struct.pack("!I", i) + bytes(size - 18) for i in range(first, lab.sent + 1)]


def send(lab, n=64, size=60):
    lab.hosts[0].send("eth0", *frames(lab, n, size))
    return lab.sent


def is_in_hardware(lab):
    return lab.switch.ctl_json("hw", "explain", PACKET)["state"] == "hardware"


def heat(lab):
    def hot():
        send(lab)
        return is_in_hardware(lab)
    wait_for(hot, "the flow is in hardware")


def it_starts(lab):
    lab.sent = 0
    lab.switch = Switch(lab, ["p1@1,driver=sim", "p2@2,driver=sim"],
                        options=["--driver", "sim:exact=100"])
    lab.switch.ofctl("add-flow", FLOW + ",actions=output:2")
    heat(lab)


def begin(lab, *words, match=FLOW):
    """The tool, when it has said that the capture has begun."""
    process = subprocess.Popen([program("turnoutctl"), "--control", lab.switch.control, "hw", "capture",
                                match, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    lab.processes.append(("capture", process, os.devnull))
    process.said = [process.stderr.readline(), process.stderr.readline()]
    check("go by software for" in process.said[0] and "out of hardware" in process.said[1],
          "said: %s" % process.said)
    return process


def end(process, status=0):
    """What it said at its end."""
    said = process.communicate(timeout=DEADLINE)[1]
    check_equal(process.returncode, status, "status: " + said)
    return said


def fields_of(path, *names):
    """Rows of fields of a capture file, as tshark reads it."""
    options = [option for name in names for option in ("-e", name)]
    text = run_command("tshark", "-r", path, "-T", "fields", "-E", "separator=,", *options).stdout
    return [line.split(",") for line in text.splitlines()]


def numbers_in(path):
    return [int(row[0].replace(":", "")[:8], 16) for row in fields_of(path, "data.data")]


def arrived(capture, last):
    """The numbers that came, up to 'last'."""
    found = []
    while not found or found[-1] != last:
        data = capture.next()
        if data is None:
            raise Failure("frame %d did not come, the latest is %s" % (last, found[-1:]))
        if data[:14] == HEADER:
            found.append(struct.unpack_from("!I", data, 14)[0])
    return found


def all_packets_are_in_the_file(lab):
    heat(lab)
    with Capture(lab.hosts[1]) as capture:
        first = lab.sent + 1
        path = lab.path("all.pcapng")
        send(lab)
        process = begin(lab, "--write", path, "--seconds=3")
        begun = lab.sent + 1
        for _ in range(10):
            last = send(lab, 100)
        check_equal(lab.switch.ctl_json("hw", "explain", PACKET)["reason"]["name"], "captured", "reason")
        said = end(process)
        after = send(lab, 200)
        check_equal(arrived(capture, after), list(range(first, after + 1)), "frames at the other host")
    numbers = numbers_in(path)
    check_equal(numbers[-1000:], list(range(begun, last + 1)), "captured while it was under way")
    check_equal(numbers, sorted(set(numbers)), "captured, in order, once each")
    check("%d packets written, 0 dropped; the flows may go into hardware again" % len(numbers) in said, said)
    check_equal({tuple(row) for row in fields_of(path, "frame.interface_name", "eth.type")},
                {("p1", "0x88b5")}, "interface and type")
    wait_for(lambda: send(lab) and is_in_hardware(lab), "the flow is back in hardware")


def a_count_ends_it(lab):
    path = lab.path("count.pcapng")
    process = begin(lab, "--write", path, "--count=5", "--seconds=60")
    first = lab.sent + 1
    send(lab, 20)
    check("5 packets written" in end(process), "what it says")
    check_equal(numbers_in(path), list(range(first, first + 5)), "captured")
    heat(lab)


def lines_are_printed_without_a_file(lab):
    process = begin(lab, "--count=2", "--seconds=60")
    send(lab, 2)
    line = process.stdout.readline()
    check(" p1 60 bytes, 02:00:00:00:00:01 > 02:00:00:00:00:02, type 0x88b5" in line, line)
    check("2 packets shown" in end(process), "what it says")
    process = begin(lab, "--count=1", "--seconds=60", "--json")
    send(lab, 1)
    line = process.stdout.readline()
    check('"schema":"turnout-hw/1"' in line and '"port":1' in line, line)
    end(process)


def other_flows_stay(lab):
    lab.switch.ofctl("add-flow", "in_port=1,dl_type=0x88b6,actions=output:2")

    def hot():
        lab.hosts[0].send("eth0", *[HEADER[:12] + b"\x88\xb6" + bytes(46)] * 64)
        return lab.switch.ctl_json("hw", "explain", "in_port=1,dl_type=0x88b6")["state"] == "hardware"
    wait_for(hot, "another flow is in hardware")
    process = begin(lab, "--seconds=60")
    check_equal(lab.switch.ctl_json("hw", "explain", "in_port=1,dl_type=0x88b6")["state"], "hardware",
                "the other flow")
    done = lab.switch.ctl("hw", "capture", "in_port=1", ok=False)
    check(done.returncode == 1 and "another capture is under way" in done.stderr, done.stderr)
    process.send_signal(signal.SIGINT)
    end(process)
    heat(lab)


def rules_without_wildcards_go_back_at_once(lab):
    rule = ("udp,in_port=1,dl_vlan=65535,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,nw_tos=0,"
            "nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=7,tp_dst=9")
    packet = rule.replace("dl_vlan=65535,", "")

    def state():
        return lab.switch.ctl_json("hw", "explain", packet)["state"]
    lab.switch.ofctl("add-flow", rule + ",actions=output:2")
    wait_for(lambda: state() == "hardware", "it is in hardware")
    for stop in (signal.SIGKILL, signal.SIGINT):
        process = begin(lab, "--seconds=60", match="udp")
        check_equal(state(), "software", "meanwhile")
        process.send_signal(stop)
        process.communicate(timeout=DEADLINE)
        wait_for(lambda: state() == "hardware", "it is back")
    end(begin(lab, "--seconds=1", match="udp"))
    wait_for(lambda: state() == "hardware", "it is back after the time")


def killing_the_tool_ends_it(lab):
    process = begin(lab, "--seconds=300", "--write", lab.path("killed.pcapng"))
    send(lab, 3)
    check(not is_in_hardware(lab), "it is captured")
    process.kill()
    process.communicate()
    heat(lab)
    begin(lab, "--count=1", "--seconds=60")
    send(lab, 1)


def a_reader_that_is_slow_costs_copies_alone(lab):
    heat(lab)
    process = begin(lab, "--seconds=5", "--write", lab.path("slow.pcapng"))
    process.send_signal(signal.SIGSTOP)
    before = lab.switch.counters().get("capture_dropped", 0)
    for _ in range(20):
        lab.hosts[0].send("eth0", *frames(lab, 400, 1400))
    with Capture(lab.hosts[1]) as capture:
        last = send(lab, 1)
        arrived(capture, last)
    wait_for(lambda: lab.switch.counters().get("capture_dropped", 0) > before, "copies are dropped")
    process.send_signal(signal.SIGCONT)
    said = end(process)
    n = int(said.split("written, ")[1].split()[0])
    check(n > 0, said)
    check_equal(len(numbers_in(lab.path("slow.pcapng"))), int(said.split("turnoutctl: ")[1].split()[0]),
                "packets in the file")
    heat(lab)


def wrong_words_are_refused(lab):
    def refused(status, word, *words):
        done = lab.switch.ctl("hw", "capture", *words, ok=False)
        check(done.returncode == status and word in done.stderr, "%s: %s" % (words, done))
    refused(2, "from 1 to 300", FLOW, "--seconds=301")
    refused(2, "from 1 on", FLOW, "--seconds=0")
    refused(2, "colour", "colour=red")
    refused(2, "usage")
    refused(1, "/nonexistent/x", FLOW, "--write", "/nonexistent/x")
    refused(1, "br7", "br7", FLOW)
    check_equal(lab.switch.ctl("hw", "show", "--write", "x", ok=False).returncode, 2, "not of hw show")
    check(is_in_hardware(lab), "nothing was captured")


def the_end_of_the_daemon_ends_it(lab):
    process = begin(lab, "--seconds=300")
    lab.switch.stop()
    check("ended the connection" in end(process, 1), "what it says")


if __name__ == "__main__":
    run(Lab(hosts=2), it_starts, all_packets_are_in_the_file, a_count_ends_it,
        lines_are_printed_without_a_file, other_flows_stay,
        rules_without_wildcards_go_back_at_once, killing_the_tool_ends_it,
        a_reader_that_is_slow_costs_copies_alone, wrong_words_are_refused, the_end_of_the_daemon_ends_it)
