#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Listening in on OpenFlow: turnoutctl snoop as text, JSON and capture file, ovs-ofctl snoop,
and what snooping must not do: hold up a controller, speak for one, grow."""

import base64
import fcntl
import json
import os
import signal
import socket
import stat
import struct
import subprocess
import termios

from netns import rawof
from netns.lib import (DEADLINE, Failure, Lab, Switch, check, check_equal, program, run,
                       run_command, wait_for)

PORT = 6653
OTHER_PORT = 6700


class Snooper:
    """turnoutctl snoop in the background, listening already."""

    def __init__(self, lab, *argv, read=True):
        self.out = lab.path("snoop.out.%d" % len(lab.processes))
        self.err = self.out + ".err"
        with open(self.err, "wb") as err:
            out = open(self.out, "wb") if read else subprocess.PIPE
            self.process = subprocess.Popen(
                [program("turnoutctl"), "--control", lab.switch.control, "snoop", *argv],
                stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        lab.processes.append(("snoop", self.process, self.err))
        wait_for(lambda: "listening in on" in self.errors() or self.process.poll() is not None,
                 "it listens")

    def errors(self):
        with open(self.err) as source:
            return source.read()

    def text(self):
        with open(self.out) as source:
            return source.read()

    def interrupt(self):
        """Ctrl-C; what it printed until then. It ends well."""
        self.process.send_signal(signal.SIGINT)
        check_equal(self.process.wait(DEADLINE), 0, "status after SIGINT: " + self.errors())
        return self.text()

    def objects(self):
        return [json.loads(line) for line in self.text().splitlines()]


def tcp(lab, port=PORT, address="127.0.0.1"):
    """A controller, connected from within the switch's namespace."""
    with lab.switch_ns.inside():
        sock = socket.create_connection((address, port), timeout=DEADLINE)
    sock.settimeout(None)
    return rawof.Peer(sock)


def it_starts(lab):
    lab.switch = Switch(lab, ["p1@1"], listeners=["ptcp:%d:127.0.0.1" % PORT,
                                                  "ptcp:%d:[::1]" % OTHER_PORT],
                        options=["--inactivity-probe", "0"])
    lab.controller = tcp(lab)


def echo(peer, data, xid):
    peer.send(rawof.ECHO_REQUEST, data, xid=xid)
    peer.wait(lambda k, x, body: k == rawof.ECHO_REPLY and x == xid, "the echo's reply")


def text_is_shown_live_and_ends_with_control_c(lab):
    snooper = Snooper(lab)
    echo(lab.controller, b"hello there", 0x77)
    wait_for(lambda: "ECHO_REPLY" in snooper.text(), "the reply is shown")
    peer = lab.controller.sock.getsockname()
    lines = snooper.interrupt().splitlines()
    name = " br0 ptcp:%d:127.0.0.1 127.0.0.1:%d " % (PORT, peer[1])
    check(name + "<- ECHO_REQUEST xid=0x77" in lines[0], lines[0])
    check(name + "-> ECHO_REPLY xid=0x77" in lines[1], lines[1])
    check_equal(len(lines), 2, "lines")
    check("2 messages shown, 0 lost" in snooper.errors(), snooper.errors())


def json_has_the_bytes_and_count_ends_it(lab):
    snooper = Snooper(lab, "--json", "--count", "2")
    echo(lab.controller, b"\0\xff", 0x78)
    check_equal(snooper.process.wait(DEADLINE), 0, "status")
    first, second = snooper.objects()
    check_equal(base64.b64decode(first["data"]), struct.pack("!BBHI", 1, 2, 10, 0x78) + b"\0\xff",
                "what was received")
    check_equal(base64.b64decode(second["data"]), struct.pack("!BBHI", 1, 3, 10, 0x78) + b"\0\xff",
                "what was sent")
    check_equal([first["sent"], second["sent"]], [False, True], "directions")
    check_equal((first["bridge"], first["target"], first["management"], first["listener"]),
                ("br0", "ptcp:%d:127.0.0.1" % PORT, False, True), "whose")
    check_equal(first["local"], "127.0.0.1:%d" % PORT, "the switch's address")
    check_equal(first["peer"], "127.0.0.1:%d" % lab.controller.sock.getsockname()[1], "the peer's")
    check(second["time_ns"] >= first["time_ns"] > 1600000000 * 10**9, "times")
    check("ECHO_REQUEST" in first["text"], first["text"])


def one_connection_is_picked_out(lab):
    with tcp(lab) as other:
        peer = "127.0.0.1:%d" % other.sock.getsockname()[1]
        for argv, count in ((["br0", peer], 2), ([peer], 2), (["ptcp:%d:127.0.0.1" % PORT], 4),
                            ([], 4), (["br0"], 4)):
            snooper = Snooper(lab, *argv, "--json")
            echo(lab.controller, b"not this one", 0x80)
            echo(other, b"this one", 0x81)
            wait_for(lambda: len(snooper.objects()) >= count, "the messages")
            snooper.interrupt()
            got = snooper.objects()
            check_equal(len(got), count, "messages with %s" % argv)
            check_equal({o["peer"] for o in got[-2:]}, {peer}, "whose")
    done = lab.switch.ctl("snoop", "tcp:192.0.2.1:6653", ok=False)
    check_equal(done.returncode, 1, "status")
    check("no connection has the target or peer 'tcp:192.0.2.1:6653'" in done.stderr, done.stderr)
    done = lab.switch.ctl("snoop", "br7", "x", ok=False)
    check("there is no bridge 'br7'" in done.stderr, done.stderr)
    done = lab.switch.ctl("snoop", "--count", "none", ok=False)
    check_equal(done.returncode, 2, "status")
    done = lab.switch.ctl("show", "--count", "3", ok=False)
    check("'show' has no option --count" in done.stderr, done.stderr)


def tshark(path, *argv):
    return run_command("tshark", "-r", path, *argv).stdout.splitlines()


def a_capture_is_read_by_tshark(lab):
    path = lab.path("capture.pcapng")
    snooper = Snooper(lab, "--write", path, "--count", "13")
    echo(lab.controller, b"e", 0x101)
    flow = rawof.match(in_port=1, dl_type=0x800)
    lab.controller.flow_mod(rawof.output(rawof.CONTROLLER), flow, priority=77)   # and a barrier
    with tcp(lab, OTHER_PORT, "::1") as other:
        lab.controller.send(rawof.FEATURES_REQUEST, xid=0x102)
        lab.controller.wait_for(rawof.FEATURES_REPLY)
        echo(other, bytes(65527), 0x103)
        echo(lab.controller, bytes(65527), 0x104)
        check_equal(snooper.process.wait(DEADLINE), 0, "status: " + snooper.errors())
    check("13 messages written, 0 lost" in snooper.errors(), snooper.errors())
    check_equal(stat.S_IMODE(os.stat(path).st_mode), 0o600, "the file's mode")
    fields = tshark(path, "-Y", "openflow_v1", "-T", "fields", "-E", "occurrence=a",
                    "-e", "openflow_1_0.type", "-e", "openflow.xid")
    check_equal(len(fields), 13, "messages that tshark dissects: %s" % fields)
    check_equal(fields[0].split(), ["2", str(0x101)], "the first")
    check_equal([line.split()[0] for line in fields[:7]],
                ["2", "3", "14", "18", "19", "0", "0"], "types in order")
    check(not tshark(path, "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE",
                     "-Y", "tcp.checksum.status == Bad || ip.checksum.status == Bad || "
                     "tcp.analysis.flags || _ws.malformed"), "nothing is wrong with the frames")
    ends = set(tshark(path, "-T", "fields", "-e", "ip.src", "-e", "tcp.srcport", "-e", "ipv6.src"))
    client = lab.controller.sock.getsockname()[1]
    check("127.0.0.1\t%d\t" % client in ends and "127.0.0.1\t6653\t" in ends, "IPv4: %s" % ends)
    check("\t6653\t::1" in ends, "IPv6: %s" % ends)
    text = run_command("tshark", "-r", path, "-T", "fields", "-e", "frame.interface_description").stdout
    check("target ptcp:%d:[::1]: switch [::1]:%d" % (OTHER_PORT, OTHER_PORT) in text,
          "the truth about the port: " + text)
    priorities = tshark(path, "-Y", "openflow_1_0.type == 14", "-T", "fields",
                        "-e", "openflow.priority")
    check_equal(priorities, ["77"], "a field of the FLOW_MOD")


def it_writes_to_a_pipe_what_tools_send_too(lab):
    path = lab.path("unix.pcapng")
    with open(path, "wb") as out:
        snooper = subprocess.Popen([program("turnoutctl"), "--control", lab.switch.control,
                                    "snoop", "--write", "-"], stdout=out, stderr=subprocess.PIPE)
        lab.processes.append(("snoop", snooper, os.devnull))
        snooper.stderr.readline()
        lab.switch.ofctl("dump-flows")
        wait_for(lambda: os.stat(path).st_size > 500, "something is written")
        snooper.send_signal(signal.SIGTERM)
        check_equal(snooper.wait(DEADLINE), 0, "status after SIGTERM")
        snooper.stderr.close()
    types = tshark(path, "-T", "fields", "-e", "openflow_1_0.type")
    check("16" in types and "17" in types, "the statistics: %s" % types)
    done = lab.switch.ctl("snoop", "--write", lab.path("no/such/dir"), ok=False)
    check_equal(done.returncode, 1, "status")
    check("can't write" in done.stderr and "No such file" in done.stderr, done.stderr)


def ovs_snoop(lab, target, env=None):
    out = lab.path("ovs.%d" % len(lab.processes))
    with open(out, "wb") as stream:
        process = lab.switch_ns.start("ovs-ofctl", "snoop", target, stdout=stream,
                                      stderr=subprocess.STDOUT, env=env)
    lab.processes.append(("ovs-ofctl", process, out))
    return process, out


def read(path):
    with open(path, errors="replace") as source:
        return source.read()


def ovs_ofctl_snoops(lab):
    path = lab.path("br0.snoop")
    check_equal(stat.S_IMODE(os.stat(path).st_mode), 0o600, "the socket's mode")
    os.mkdir(lab.path("elsewhere"))
    for target, rundir in ((path, "elsewhere"), ("unix:" + path, "elsewhere"), ("br0", "")):
        env = dict(os.environ, OVS_RUNDIR=os.path.join(lab.tmp, rundir))
        process, out = ovs_snoop(lab, target, env)
        number = len(lab.processes)

        def exchanged():
            echo(lab.controller, b"x" * 7, number)
            return "OFPT_ECHO_REPLY" in read(out)
        wait_for(exchanged, "ovs-ofctl snoop %s shows the echo: %s" % (target, read(out)))
        lab.switch.ofctl("dump-flows")
        echo(lab.controller, b"last", 0x9999)
        wait_for(lambda: "OFPT_ECHO_REPLY (xid=0x9999): 4 bytes" in read(out), "the last")
        check("OFPT_ECHO_REQUEST (xid=0x9999)" in read(out), "both directions")
        check("STATS" not in read(out) and "NXST" not in read(out), "tools are not shown")
        check(process.poll() is None, "it goes on")
        process.send_signal(signal.SIGINT)
        process.wait(DEADLINE)


def snoop_socket(lab):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(lab.path("br0.snoop"))
    return sock


def who_snoops_cannot_speak(lab):
    flows = lab.switch.flows()
    with snoop_socket(lab) as sock:
        check_equal(sock.recv(8), struct.pack("!BBHI", 1, 0, 8, 0), "HELLO")
        delete = struct.pack("!BBHI", 1, 14, 72, 1) + rawof.match() + struct.pack(
            "!QHHHHIHH", 0, rawof.DELETE, 0, 0, 0, rawof.NO_BUFFER, rawof.NONE, 0)
        sock.sendall(struct.pack("!BBHI", 1, 0, 8, 0) + delete + os.urandom(100000))
        echo(lab.controller, b"", 0x55)
        check_equal(sock.recv(8), struct.pack("!BBHI", 1, 2, 8, 0x55), "what the controller said")
    check_equal(strip(lab.switch.flows()), strip(flows), "the flows")


def strip(flows):
    return sorted(flow.split("priority=")[1] for flow in flows)


def greeted(lab):
    with snoop_socket(lab) as sock:
        sock.settimeout(DEADLINE)
        return sock.recv(8)


def too_many_are_refused(lab):
    socks = [snoop_socket(lab) for _ in range(17)]
    wait_for(lambda: lab.switch.counters().get("snoop_too_many"), "one is refused")
    for sock in socks[:16]:
        sock.settimeout(DEADLINE)
        check_equal(len(sock.recv(8)), 8, "HELLO's size")
    check_equal(socks[16].recv(8), b"", "what the last gets")
    for sock in socks:
        sock.close()
    wait_for(lambda: greeted(lab), "there is room again")


def drain_messages(sock, enough):
    """Messages from a socket until enough(kind, xid, body)."""
    data, got = b"", []
    sock.settimeout(DEADLINE)
    while True:
        while len(data) >= 8 and len(data) >= struct.unpack_from("!H", data, 2)[0]:
            length = struct.unpack_from("!H", data, 2)[0]
            got.append((data[1], struct.unpack_from("!I", data, 4)[0], data[8:length]))
            data = data[length:]
            if enough(*got[-1]):
                return got
        piece = sock.recv(1 << 20)
        if not piece:
            raise Failure("the snoop socket closed")
        data += piece


def one_who_does_not_read_loses_and_is_told(lab):
    """6 MB in each direction pass; the controller is served all the time."""
    before = lab.switch.counters()["snoop_dropped"]
    with snoop_socket(lab) as sock:
        control = Snooper(lab, "--json", read=False)
        os.kill(control.process.pid, signal.SIGSTOP)
        for number in range(100):
            echo(lab.controller, bytes(65000), number)
        dropped = lab.switch.counters()["snoop_dropped"] - before
        check(dropped > 100, "some are dropped, of 400: %d" % dropped)
        got = drain_messages(sock, lambda kind, xid, body: body.startswith(b"turnoutd: "))
        count = int(got[-1][2].split()[1])
        check_equal(len(got) - 2 + count, 200, "seen and told, without HELLO")
        check_equal(got[-1][:2], (rawof.ECHO_REQUEST, 0), "how it is told")
        os.kill(control.process.pid, signal.SIGCONT)
        shown = lost = 0
        while shown + lost < 200:
            line = json.loads(control.process.stdout.readline())
            shown += "data" in line
            lost += line.get("lost", 0)
        check_equal(shown + lost, 200, "shown and told")
        check(lost > 50, "lost: %d" % lost)
        echo(lab.controller, b"again", 0x7777)
        line = json.loads(control.process.stdout.readline())
        check("xid=0x7777" in line["text"], "it goes on: %s" % line)
        control.process.send_signal(signal.SIGINT)
        check_equal(control.process.wait(DEADLINE), 0, "status")
        control.process.stdout.close()


def a_reader_that_stands_still_does_not_hold_control_c_up(lab):
    snooper = Snooper(lab, "--json", read=False)
    for number in range(20):
        echo(lab.controller, bytes(65000), number)
    pipe = snooper.process.stdout.fileno()
    wait_for(lambda: struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0] >= 65536,
             "the pipe is full")
    snooper.process.send_signal(signal.SIGINT)
    check_equal(snooper.process.wait(DEADLINE), 1, "status, as the output is not complete")
    snooper.process.stdout.close()


def it_ends_when_the_daemon_does(lab):
    snooper = Snooper(lab)
    lab.switch.stop()
    check_equal(snooper.process.wait(DEADLINE), 1, "status")
    check("turnoutd ended the connection" in snooper.errors(), snooper.errors())
    check(not os.path.exists(lab.path("br0.snoop")), "the socket is gone")
    done = lab.switch.ctl("snoop", ok=False)
    check_equal(done.returncode, 1, "status")
    check("turnoutd is not running" in done.stderr, done.stderr)


if __name__ == "__main__":
    run(Lab(hosts=1), it_starts, text_is_shown_live_and_ends_with_control_c,
        json_has_the_bytes_and_count_ends_it, one_connection_is_picked_out,
        a_capture_is_read_by_tshark, it_writes_to_a_pipe_what_tools_send_too, ovs_ofctl_snoops,
        who_snoops_cannot_speak, too_many_are_refused, one_who_does_not_read_loses_and_is_told,
        a_reader_that_stands_still_does_not_hold_control_c_up, it_ends_when_the_daemon_does)
