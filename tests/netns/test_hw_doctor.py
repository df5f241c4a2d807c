#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""turnoutctl hw doctor on devices of software: what stands in the way is found and said, strangers'
things are left as they are, and what --fix does can be undone."""

import ctypes
import json
import os
import re
import socket
import struct

from netns.lib import Lab, Switch, check, check_equal, program, run, run_command

SYS_BPF, BPF_PROG_LOAD, BPF_PROG_TYPE_XDP = 321, 5, 6
RTM_SETLINK, IFLA_XDP, IFLA_XDP_FD, IFLA_XDP_FLAGS, XDP_FLAGS_SKB_MODE = 19, 43, 1, 3, 2
NESTED = 0x8000


def direct(lab, *argv, ok=None):
    done = lab.switch_ns.run(program("turnoutctl"), "hw", "doctor", "--direct", *argv, ok=False)
    if ok is not None:
        check_equal(done.returncode, ok, done.stdout + done.stderr)
    return done


def findings(lab, device="p1"):
    """Codes of a device's findings, each with its command."""
    report = json.loads(direct(lab, device, "--json").stdout)
    port, = report["ports"]
    return {found["code"]: found["command"] for found in port["findings"]}


def xdp(lab, device, attach=True):
    """Attaches a program that passes everything, or detaches it."""
    libc = ctypes.CDLL(None, use_errno=True)
    code = struct.pack("<BBhi", 0xb7, 0, 0, 2) + struct.pack("<BBhi", 0x95, 0, 0, 0)
    instructions, words = ctypes.create_string_buffer(code), ctypes.create_string_buffer(b"GPL")
    attr = struct.pack("IIQQ", BPF_PROG_TYPE_XDP, 2, ctypes.addressof(instructions),
                       ctypes.addressof(words)).ljust(128, b"\0")
    prog = libc.syscall(SYS_BPF, BPF_PROG_LOAD, attr, len(attr)) if attach else -1
    check(prog >= 0 or not attach, "bpf: %s" % os.strerror(ctypes.get_errno()))

    def attribute(kind, data):
        return struct.pack("HH", 4 + len(data), kind) + data
    nest = attribute(IFLA_XDP_FD, struct.pack("i", prog)) \
        + attribute(IFLA_XDP_FLAGS, struct.pack("I", XDP_FLAGS_SKB_MODE))
    with lab.switch_ns.inside():
        body = struct.pack("BxHiII", 0, 0, socket.if_nametoindex(device), 0, 0) \
            + attribute(IFLA_XDP | NESTED, nest)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as sock:
            sock.bind((0, 0))
            sock.send(struct.pack("IHHII", 16 + len(body), RTM_SETLINK, 5, 1, 0) + body)
            check_equal(struct.unpack_from("i", sock.recv(4096), 16)[0], 0, "attaching")
    if attach:
        os.close(prog)


def a_veth_is_software(lab):
    found = findings(lab)
    check_equal(found, {"software-device": None, "no-clsact": "tc qdisc add dev p1 clsact"}, "p1")
    text = direct(lab, "p1", ok=1).stdout
    for line in (r"p1: software", r"  kernel driver veth, version 1\.0, hw-tc-offload \S+",
                 r"  !! software-device: The device is made of software \(veth\): .*",
                 r"       tc qdisc add dev p1 clsact"):
        check(re.search("^" + line + "$", text, re.M), "%s in %s" % (line, text))
    check("No Ethernet device with hardware" in direct(lab).stdout
          and "devices without hardware are left out" in direct(lab).stdout, "without names")


def what_fix_does_can_be_undone(lab):
    before = lab.switch_ns.run("tc", "qdisc", "show").stdout
    report = json.loads(direct(lab, "--fix", "p1", "p2", "--json", ok=1).stdout)
    check_equal([(done["device"], done["code"], done["did"], done["undo"])
                 for done in report["fixed"]],
                [(p, "no-clsact", "tc qdisc add dev %s clsact" % p,
                  "tc qdisc del dev %s clsact" % p) for p in ("p1", "p2")], "what was done")
    check_equal([found["code"] for port in report["ports"] for found in port["findings"]],
                ["software-device"] * 2, "what is left")
    check_equal(lab.switch_ns.run("tc", "qdisc", "show").stdout.count("clsact"), 2, "qdiscs")
    check_equal(json.loads(direct(lab, "--fix", "p1", "--json").stdout)["fixed"], [], "once more")
    for done in report["fixed"]:
        lab.switch_ns.run(*done["undo"].split())
    check_equal(lab.switch_ns.run("tc", "qdisc", "show").stdout, before, "undone")
    text = direct(lab, "p1", "--fix").stdout
    check("p1: done: tc qdisc add dev p1 clsact\n  undo: tc qdisc del dev p1 clsact\n" in text, text)
    check("no-clsact" not in findings(lab), "there is one")


def strangers_are_found_and_left(lab):
    switch = lab.switch_ns

    def found_and_gone(code, command, *undo):
        check_equal(findings(lab).get(code), command, code)
        direct(lab, "p1", "--fix")
        check(code in findings(lab), "--fix leaves it")
        switch.run(*(undo or command.split()))
        check(code not in findings(lab), "its command takes it off")
    switch.run("tc", "filter", "add", "dev", "p1", "ingress", "pref", 7, "bpf", "bytecode",
               "1,6 0 0 0")
    found_and_gone("foreign-filters", "tc filter del dev p1 ingress chain 0 pref 7")
    switch.run("tc", "filter", "add", "dev", "p1", "egress", "pref", 8, "bpf", "bytecode",
               "1,6 0 0 0")
    found_and_gone("foreign-egress", "tc filter del dev p1 egress")
    switch.run("tc", "qdisc", "add", "dev", "p1", "root", "handle", "5:", "htb")
    found_and_gone("foreign-root", "tc qdisc del dev p1 root")
    switch.ip("link", "add", "bridge0", "type", "bridge")
    switch.ip("link", "set", "p1", "master", "bridge0")
    found_and_gone("enslaved", "ip link set dev p1 nomaster")
    switch.ip("link", "del", "bridge0")
    xdp(lab, "p1")
    found_and_gone("xdp-program", "ip link set dev p1 xdpgeneric off")
    switch.run("tc", "qdisc", "del", "dev", "p1", "clsact")
    switch.run("tc", "qdisc", "add", "dev", "p1", "ingress")
    found_and_gone("ingress-qdisc", "tc qdisc del dev p1 ingress")
    switch.ip("link", "set", "p1", "down")
    found_and_gone("device-down", "ip link set dev p1 up")
    check_equal(set(findings(lab)), {"software-device"}, "clsact is what --fix made")


def ports_of_turnoutd_are_looked_at_where_they_are(lab):
    lab.switch = Switch(lab, ["p1@1,driver=sim", "p2@2"], options=["--driver", "sim"])
    report = json.loads(lab.switch.ctl("hw", "doctor", "--json", ok=False).stdout)
    check_equal((report["source"], report["left_out"]), ("turnoutd", 0), "source")
    rows = [(p["device"], p["bridge"], p["port"], p["driver"], p["role"]) for p in report["ports"]]
    check_equal(rows, [("p1", "br0", 1, "sim", "software"), ("p2", "br0", 2, None, "software")],
                "ports")
    check_equal([found["code"] for found in report["ports"][0]["findings"]], ["own-driver"], "p1")
    # The filter that isolates the port is turnoutd's own.
    check_equal({found["code"]: found["command"] for found in report["ports"][1]["findings"]},
                {"software-device": None, "no-driver": "turnoutctl del-port br0 p2 && turnoutctl "
                 "add-port br0 p2@2 --driver tc"}, "p2")
    done = lab.switch.ctl("hw", "doctor", "p1", ok=False)
    check_equal((done.returncode, done.stdout.splitlines()[0]),
                (0, "p1: port 1 of br0, driver sim, software"), "one of them")
    check("  ok: nothing stands between it and offload" in done.stdout, done.stdout)
    driver = {p["name"]: p["driver"] for p in lab.switch.ctl_json("ports")["ports"]}
    check_equal((driver["p1"], driver["p2"]), ("sim", None), "the ports' drivers")
    check_equal(findings(lab, "p2"), {"software-device": None}, "directly")


def the_kernel_is_looked_at_once(lab):
    report = json.loads(direct(lab, "p1", "p2", "--json").stdout)
    check_equal(report["kernel"]["release"], os.uname().release, "release")
    check(all(found["code"] in ("kernel-module", "kernel-unknown")
              for found in report["kernel"]["findings"]), report["kernel"])
    mine = json.loads(lab.switch.ctl("hw", "doctor", "p1", "--json", ok=False).stdout)
    check_equal(mine["kernel"]["findings"], [], "of no matter to the driver sim")


def a_device_that_has_gone_is_said(lab):
    lab.switch_ns.ip("link", "del", "p2")
    report = json.loads(lab.switch.ctl("hw", "doctor", "p2", "--json", ok=False).stdout)
    port, = report["ports"]
    check_equal((port["present"], [found["code"] for found in port["findings"]]),
                (False, ["no-driver", "device-gone"]), "p2")


def what_is_wrong_is_refused(lab):
    def refused(words, *argv):
        done = run_command(program("turnoutctl"), "--control", lab.switch.control, *argv, ok=False)
        check_equal(done.returncode, 2, done.stderr)
        check(words in done.stderr, "%r in %s" % (words, done.stderr))
    refused("turnoutd has no port 'p9'", "hw", "doctor", "p9")
    refused("there is no Ethernet device 'p9'", "hw", "doctor", "--direct", "p9")
    refused("there is no Ethernet device 'lo'", "hw", "doctor", "--direct", "lo")
    refused("wants the devices to be named", "hw", "doctor", "--direct", "--fix")
    refused("--direct takes no value", "hw", "doctor", "--direct=sim")
    refused("usage: turnoutctl hw doctor", "hw", "doctor", "--repair")
    refused("usage: turnoutctl hw show", "hw", "show", "--fix")
    refused("'show' has no option --fix", "show", "--fix")
    lab.switch.stop()
    refused("turnoutd is not running", "hw", "doctor")


if __name__ == "__main__":
    run(Lab(hosts=2), a_veth_is_software, what_fix_does_can_be_undone, strangers_are_found_and_left,
        ports_of_turnoutd_are_looked_at_where_they_are, the_kernel_is_looked_at_once,
        a_device_that_has_gone_is_said, what_is_wrong_is_refused)
