#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Traffic of real stacks through the switch, with the devices' offloads as they come."""

import json
import re

from netns.lib import Lab, Switch, check, run, run_command, wait_for

MBIT = 1e6
FLOOR = 100 * MBIT  # far below what it does; far above what retransmissions would


def it_starts(lab):
    run_command("ip", "link", "add", "t0", "netns", lab.switch_ns.name, "type", "veth",
                "peer", "name", "t1", "netns", lab.switch_ns.name)
    for name in ("t0", "t1"):
        lab.switch_ns.ip("link", "set", name, "up")
    lab.switch = Switch(lab, ["p1@1", "p2@2", "p3@3", "t0@9"],
                        options=["--bridge", "br1", "--port", "p4@4", "t1@9"])


def offloads_are_untouched(lab):
    for host in lab.hosts:
        text = host.run("ethtool", "-k", "eth0").stdout
        for name in ("tx-checksumming", "tcp-segmentation-offload"):
            check(name + ": on" in text, "%s of host %d" % (name, host.number))


def iperf(lab, client, server_ns, address, *options):
    """Bits a second that arrive at the server in two seconds of iperf3."""
    server = lab.start("iperf3", server_ns, "iperf3", "-s", "-1", "-B", address)
    wait_for(lambda: ":5201 " in server_ns.run("ss", "-Hltn").stdout, "iperf3 listens")
    done = client.run("iperf3", "-c", address, "-t", "2", "-J", *options, timeout=60)
    server.wait(timeout=30)
    end = json.loads(done.stdout)["end"]
    total = end["sum_received"] if "sum_received" in end else end["sum"]
    return total["bits_per_second"]


def check_tcp(lab, client, server_ns, address, *options):
    rate = iperf(lab, client, server_ns, address, *options)
    print("# %s: %.0f Mbit/s" % (" ".join(options) or "TCP", rate / MBIT))
    check(rate > FLOOR, "only %.1f Mbit/s" % (rate / MBIT))


def tcp_under_normal(lab):
    one, two = lab.hosts[:2]
    lab.switch.replace_flows("actions=normal")
    check_tcp(lab, one, two, two.address)
    check_tcp(lab, one, two, two.address, "-R")


def tcp_under_rules_that_rewrite(lab):
    """Port 2 hears of 10.9.9.9, the host behind it of its own address: checksums that the
    sender left to the device must come out right."""
    one, two = lab.hosts[:2]
    lab.switch.replace_flows(
        "priority=1,actions=normal",
        "priority=9,in_port=1,tcp,nw_dst=10.0.0.9,actions=mod_nw_dst:10.0.0.2,"
        "mod_dl_dst:%s,output:2" % two.mac,
        "priority=9,in_port=2,tcp,nw_src=10.0.0.2,actions=mod_nw_src:10.0.0.9,output:1")
    one.ip("neigh", "replace", "10.0.0.9", "lladdr", "02:00:00:00:00:09", "dev", "eth0")
    server = lab.start("iperf3", two, "iperf3", "-s", "-1")
    wait_for(lambda: ":5201 " in two.run("ss", "-Hltn").stdout, "iperf3 listens")
    done = one.run("iperf3", "-c", "10.0.0.9", "-t", "2", "-J", timeout=60)
    server.wait(timeout=30)
    rate = json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"]
    print("# TCP, rewritten: %.0f Mbit/s" % (rate / MBIT))
    check(rate > FLOOR, "only %.1f Mbit/s" % (rate / MBIT))


def flow_bytes_are_those_of_the_wire(lab):
    """A super-frame counts as its segments: with 1500-byte frames, no packet is longer."""
    one, two = lab.hosts[:2]
    lab.switch.replace_flows("priority=1,actions=normal",
                             "priority=9,in_port=1,tcp,actions=output:2")
    iperf(lab, one, two, two.address)
    text = next(line for line in lab.switch.flows("tcp"))
    packets, size = map(int, re.search(r"n_packets=(\d+), n_bytes=(\d+)", text).groups())
    check(packets > 1000 and size / packets <= 1514, text)


def the_second_bridge(lab, *flows):
    """Sets the flows of br1."""
    target = "unix:" + lab.path("br1.mgmt")
    run_command("ovs-ofctl", "-O", "OpenFlow10", "del-flows", target)
    for flow in flows:
        run_command("ovs-ofctl", "-O", "OpenFlow10", "add-flow", target, flow)


def tcp_over_a_tagged_trunk(lab):
    """Host 1 is at br0, host 4 at br1; between the bridges frames carry VLAN 7: a rule puts
    the tag on, the next bridge matches it and takes it off."""
    one, four = lab.hosts[0], lab.hosts[3]
    lab.switch.replace_flows("in_port=1,actions=mod_vlan_vid:7,mod_vlan_pcp:5,output:9",
                             "in_port=9,dl_vlan=7,actions=strip_vlan,output:1")
    the_second_bridge(lab, "in_port=9,dl_vlan=7,dl_vlan_pcp=5,actions=strip_vlan,output:4",
                      "in_port=4,actions=mod_vlan_vid:7,output:9")
    one.ping(four.address, count=3)
    one.ping(four.address, count=2, size=4000)
    check_tcp(lab, one, four, four.address)
    check_tcp(lab, one, four, four.address, "-R")


def another_vlan_does_not_pass(lab):
    one, four = lab.hosts[0], lab.hosts[3]
    the_second_bridge(lab, "in_port=9,dl_vlan=8,actions=strip_vlan,output:4",
                      "in_port=4,actions=mod_vlan_vid:7,output:9")
    check(not one.ping(four.address, ok=False, options=("-W", "1")), "VLAN 7 at a rule for 8")
    the_second_bridge(lab, "in_port=9,dl_vlan=0xffff,actions=output:4",
                      "in_port=4,actions=mod_vlan_vid:7,output:9")
    check(not one.ping(four.address, ok=False, options=("-W", "1")), "VLAN 7 at a rule for none")


def tcp_with_the_local_port(lab):
    one = lab.hosts[0]
    lab.switch.replace_flows("actions=normal")
    lab.switch_ns.ip("addr", "add", "10.0.0.100/24", "dev", "br0")
    lab.switch_ns.ip("link", "set", "br0", "up")
    one.ping("10.0.0.100", count=3)
    check_tcp(lab, one, lab.switch_ns, "10.0.0.100")
    check_tcp(lab, one, lab.switch_ns, "10.0.0.100", "-R")


def udp_arrives_whole(lab):
    one, two = lab.hosts[:2]
    lab.switch.replace_flows("actions=normal")
    rate = iperf(lab, one, two, two.address, "-u", "-b", "20M", "-l", "1400")
    check(rate > 15 * MBIT, "%.1f of 20 Mbit/s of UDP" % (rate / MBIT))


def fragments_pass(lab):
    one, two = lab.hosts[:2]
    lab.switch.replace_flows("actions=normal")
    one.ping(two.address, count=5, size=4000)
    lab.switch.replace_flows("priority=1,arp,actions=normal", "priority=2,icmp,actions=normal")
    one.ping(two.address, count=5, size=4000)
    one.ping(two.address, count=2, size=60000)


def fragments_are_dropped_when_asked(lab):
    one, two = lab.hosts[:2]
    lab.switch.replace_flows("actions=normal")
    lab.switch.ofctl("set-frags", "drop")
    check(not one.ping(two.address, size=4000, ok=False, options=("-W", "1")), "a fragmented ping")
    one.ping(two.address, count=2)
    lab.switch.ofctl("set-frags", "normal")
    one.ping(two.address, count=2, size=4000)


def it_ends_cleanly(lab):
    lab.switch.stop()


if __name__ == "__main__":
    run(Lab(hosts=4), it_starts, offloads_are_untouched, tcp_under_normal,
        tcp_under_rules_that_rewrite, flow_bytes_are_those_of_the_wire, tcp_over_a_tagged_trunk,
        another_vlan_does_not_pass, tcp_with_the_local_port, udp_arrives_whole, fragments_pass,
        fragments_are_dropped_when_asked, it_ends_cleanly)
