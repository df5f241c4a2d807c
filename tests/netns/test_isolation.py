#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A port's frames are the switch's alone: the host's stack, with addresses on the ports and
forwarding on, neither answers nor routes nor speaks by itself; and all of it is undone."""

import os

from netns.lib import Capture, Lab, Switch, check, check_equal, run, wait_for

MARK = "priority=65000,dl_type=0x88b5,actions=all,in_port"


def marker(number):
    return (bytes.fromhex("0200000000fe" "0200000000ff" "88b5") + bytes([number] * 50))


def state_of(lab, device):
    """What the daemon may change on a device, to compare before and after."""
    link = lab.switch_ns.ip("-d", "link", "show", "dev", device).stdout
    key = "/proc/sys/net/ipv6/conf/%s/disable_ipv6" % device
    return {
        "promiscuity": link.split("promiscuity ")[1].split()[0],
        "flags": link.split("<")[1].split(">")[0],
        "qdiscs": lab.switch_ns.run("tc", "qdisc", "show", "dev", device).stdout,
        "filters": lab.switch_ns.run("tc", "filter", "show", "dev", device, "ingress",
                                     ok=False).stdout,
        "disable_ipv6": lab.switch_ns.run("cat", key).stdout,
    }


def ports_with_addresses_and_a_router(lab):
    """The switch's namespace as a router with an address on each port, before the daemon."""
    for number in (1, 2, 3):
        lab.switch_ns.ip("addr", "add", "10.0.%d.101/24" % (number - 1), "dev", "p%d" % number)
    lab.switch_ns.ip("route", "add", "10.0.0.2/32", "dev", "p2")
    lab.switch_ns.sysctl("net.ipv4.ip_forward", 1)
    lab.switch_ns.sysctl("net.ipv4.conf.all.rp_filter", 0)
    lab.hosts[0].ping("10.0.0.101")
    # A qdisc and a filter of somebody else on one port: to be left as they are.
    lab.switch_ns.run("tc", "qdisc", "add", "dev", "p3", "root", "handle", "77:", "pfifo",
                      "limit", "55")
    lab.before = {name: state_of(lab, name) for name in ("p1", "p2", "p3")}
    lab.switch = Switch(lab, ["p1@1", "p2@2", "p3@3"])


def silence_between(lab, frames):
    """What hosts hear when host 1 sends 'frames' and the rules drop everything."""
    lab.switch.replace_flows(MARK, "priority=1,actions=drop")
    captures = [Capture(host) for host in lab.hosts]
    end = marker(len(frames))
    lab.hosts[0].send("eth0", *frames, end)
    heard = [capture.until(end) for capture in captures]
    for capture in captures:
        capture.close()
    return heard


def mac_of(lab, device):
    text = lab.switch_ns.ip("link", "show", "dev", device).stdout
    return bytes.fromhex(text.split("link/ether ")[1].split()[0].replace(":", ""))


def arp_is_not_answered(lab):
    mac = bytes.fromhex("020000000001")
    request = (b"\xff" * 6 + mac + bytes.fromhex("0806" "0001080006040001") + mac
               + bytes([10, 0, 0, 1]) + bytes(6) + bytes([10, 0, 0, 101]))
    check_equal(silence_between(lab, [request] * 3), [[], [], []], "heard after ARP requests")


def echo_requests_are_not_answered(lab):
    frame = ipv4_echo(mac_of(lab, "p1"), bytes([10, 0, 0, 101]))
    check_equal(silence_between(lab, [frame] * 3), [[], [], []], "heard after echo requests")


def nothing_is_routed(lab):
    frame = ipv4_echo(mac_of(lab, "p1"), bytes([10, 0, 0, 2]))
    lab.switch_ns.ip("neigh", "replace", "10.0.0.2", "lladdr", lab.hosts[1].mac, "dev", "p2")
    check_equal(silence_between(lab, [frame] * 3), [[], [], []], "heard after a routable frame")


def ipv4_echo(dst, address):
    """An ICMP echo request from host 1 to an IPv4 address, by the station 'dst'."""
    icmp = bytes.fromhex("0800") + checksum(bytes.fromhex("0800000012340001")) \
        + bytes.fromhex("12340001")
    head = bytes.fromhex("4500001c00010000" "4001")
    addresses = bytes([10, 0, 0, 1]) + address
    header = head + checksum(head + bytes(2) + addresses) + addresses
    return dst + bytes.fromhex("020000000001" "0800") + header + icmp + bytes(18)


def checksum(data):
    total = sum(int.from_bytes(data[i:i + 2], "big") for i in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (~total & 0xFFFF).to_bytes(2, "big")


def the_stack_learns_nothing(lab):
    text = lab.switch_ns.ip("neigh", "show", "10.0.0.1", "dev", "p1").stdout
    lab.switch_ns.ip("neigh", "flush", "all")
    arp_is_not_answered(lab)
    text = lab.switch_ns.ip("neigh", "show", "10.0.0.1").stdout
    check_equal(text, "", "neighbours that the stack learnt")


def ports_do_not_speak_ipv6(lab):
    for name in ("p1", "p2", "p3"):
        text = lab.switch_ns.ip("-6", "addr", "show", "dev", name).stdout
        check_equal(text, "", "IPv6 addresses of " + name)
    # A carrier that comes back is what makes a stack speak.
    with Capture(lab.hosts[0]) as capture:
        lab.switch_ns.ip("link", "set", "p1", "down")
        lab.switch_ns.ip("link", "set", "p1", "up")
        wait_for(lambda: "LOWER_UP" in lab.switch_ns.ip("link", "show", "dev", "p1").stdout,
                 "the link is back")
        lab.switch.replace_flows(MARK, "priority=1,actions=drop")
        wait_for(lambda: reaches(lab, capture), "port 1 sends again")
        heard = [frame for frame in capture.passed if frame[12:14] != b"\x88\xb5"]
    check_equal(heard, [], "heard from the port")


def reaches(lab, capture):
    """Host 1's marker comes back to it (IN_PORT); what came before it is in 'passed'."""
    capture.passed = getattr(capture, "passed", [])
    lab.hosts[0].send("eth0", marker(200))
    while True:
        frame = capture.next(0.1)
        if frame is None:
            return False
        if frame == marker(200):
            return True
        capture.passed.append(frame)


def what_somebody_deletes_is_put_back(lab):
    for words, n in ((("qdisc", "del", "dev", "p1", "clsact"), 1),
                     (("filter", "del", "dev", "p1", "ingress"), 2)):
        lab.switch_ns.run("tc", *words)
        wait_for(lambda n=n: lab.switch.counters()["isolation_mended"] >= n, "it is put back")
        arp_is_not_answered(lab)


def the_daemon_keeps_few_privileges(lab):
    with open("/proc/%d/status" % lab.switch.process.pid) as source:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in source if ":\t" in line)
    wanted = 1 << 12 | 1 << 13  # CAP_NET_ADMIN, CAP_NET_RAW
    for name in ("CapPrm", "CapEff"):
        check_equal(int(status[name], 16), wanted, name)
    check_equal(int(status["CapInh"], 16) | int(status["CapAmb"], 16), 0, "CapInh, CapAmb")
    check_equal(status["NoNewPrivs"], "1", "NoNewPrivs")


def everything_is_undone_at_exit(lab):
    lab.switch.stop()
    after = {name: state_of(lab, name) for name in ("p1", "p2", "p3")}
    for name, was in lab.before.items():
        check_equal(after[name], was, "the state of " + name)
    check("br0" not in lab.switch_ns.ip("link", "show").stdout, "the TAP is gone")
    check(not os.path.exists(lab.switch.control), "the control socket is gone")
    lab.hosts[0].ping("10.0.0.101", count=2)


if __name__ == "__main__":
    run(Lab(hosts=3, ipv6=True), ports_with_addresses_and_a_router, arp_is_not_answered,
        echo_requests_are_not_answered, nothing_is_routed, the_stack_learns_nothing,
        ports_do_not_speak_ipv6, what_somebody_deletes_is_put_back, the_daemon_keeps_few_privileges, everything_is_undone_at_exit)
