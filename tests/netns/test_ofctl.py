#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Open vSwitch's ovs-ofctl, with each of its commands for OpenFlow 1.0."""

import os
import re
import subprocess

from netns.lib import (Capture, Failure, Lab, Switch, check, check_equal, run, run_command,
                       wait_for)


def it_starts(lab):
    lab.switch = Switch(lab, ["p1@1", "p2@2", "p3@3"])


def show_describes_the_switch(lab):
    text = lab.switch.ofctl("show").stdout
    check("OFPT_FEATURES_REPLY" in text, text)
    check(re.search(r"dpid:[0-9a-f]{16}", text), "a datapath id: " + text)
    for port in (1, 2, 3):
        check(re.search(r"^ *%d\(p%d\): addr:" % (port, port), text, re.M), "port %d" % port)
    check("LOCAL(br0): addr:" in text, "LOCAL: " + text)
    check("OFPT_GET_CONFIG_REPLY" in text and "frags=normal" in text, text)
    check("current:    10GB-FD" in text, "the veths' speed: " + text)


def show_finds_the_bridge_by_name(lab):
    done = lab.switch_ns.run("ovs-ofctl", "show", "br0",
                             env=dict(os.environ, OVS_RUNDIR=lab.switch.rundir))
    check("OFPT_FEATURES_REPLY" in done.stdout, done.stdout)


def dump_desc(lab):
    text = lab.switch.ofctl("dump-desc").stdout
    for line in ("Manufacturer:", "Hardware:", "Software:", "Serial Num:", "DP Description:"):
        check(line in text, text)
    check("urnout" in text, "it says its name: " + text)


def dump_tables(lab):
    lab.switch.replace_flows("in_port=1,actions=drop", "in_port=2,actions=drop")
    text = lab.switch.ofctl("dump-tables").stdout
    check(re.search(r"active=2, lookup=\d+, matched=\d+", text), text)


def dump_ports(lab):
    one, two, _ = lab.hosts
    lab.switch.replace_flows("actions=normal")

    def packets(port, way):
        text = lab.switch.ofctl("dump-ports", str(port)).stdout
        match = re.search(way + r" pkts=(\d+), bytes=(\d+)", text)
        check(match, text)
        return int(match.group(1)), int(match.group(2))

    one.ping(two.address)
    before = packets(1, "rx"), packets(2, "tx")
    one.ping(two.address, count=10)
    after = packets(1, "rx"), packets(2, "tx")
    for was, now in zip(before, after):
        check(now[0] - was[0] >= 10 and now[1] - was[1] >= 980, "%r, then %r" % (was, now))
    everything = lab.switch.ofctl("dump-ports").stdout
    check("4 ports" in everything, everything)
    for name in ("LOCAL", " 1:", " 2:", " 3:"):
        check(name in everything or "port " + name in everything, everything)


def add_and_dump_flows(lab):
    flows = ["cookie=0x7,priority=10,in_port=1,dl_type=0x0800,nw_src=10.0.0.0/8,actions=output:2",
             "priority=20,tcp,tp_dst=80,idle_timeout=30,actions=output:3",
             "priority=30,dl_vlan=7,hard_timeout=40,actions=strip_vlan,output:1",
             "arp,arp_tpa=10.0.0.1,actions=CONTROLLER:65535",
             "dl_vlan=0xffff,dl_src=02:00:00:00:00:01,actions=drop"]
    lab.switch.ofctl("del-flows")
    for flow in flows:
        lab.switch.ofctl("add-flow", flow)
    text = "\n".join(lab.switch.flows())
    for piece in ("cookie=0x7,", "priority=10,ip,in_port=1,nw_src=10.0.0.0/8 actions=output:2",
                  "priority=20,tcp,tp_dst=80 actions=output:3", "idle_timeout=30",
                  "priority=30,dl_vlan=7 actions=strip_vlan,output:1", "hard_timeout=40",
                  "arp,arp_tpa=10.0.0.1 actions=CONTROLLER:65535",
                  "vlan_tci=0x0000,dl_src=02:00:00:00:00:01 actions=drop"):
        check(piece in normalised(text), "%s in\n%s" % (piece, text))
    check_equal(len(lab.switch.flows("tcp")), 1, "flows that tcp covers")
    check_equal(len(lab.switch.flows("out_port=2")), 1, "flows with an output to port 2")
    check_equal(len(lab.switch.flows()), 5, "flows")


def normalised(text):
    """ovs-ofctl's spelling of ports by name as numbers, of 'in_port' quoted or not."""
    text = re.sub(r'"?\bp([123])\b"?', r"\1", text)
    return text.replace("dl_vlan=0xffff", "vlan_tci=0x0000")


def dump_aggregate(lab):
    one, two, _ = lab.hosts
    lab.switch.replace_flows("arp,actions=normal", "icmp,actions=normal", "udp,actions=normal")
    one.ping(two.address, count=5)
    text = lab.switch.ofctl("dump-aggregate", "icmp").stdout
    check("packet_count=10 byte_count=980 flow_count=1" in text, text)
    text = lab.switch.ofctl("dump-aggregate").stdout
    check("flow_count=3" in text, text)


def add_flows_from_a_file(lab):
    flows = ["priority=%d,dl_dst=02:00:00:00:%02x:%02x,actions=output:%d"
             % (i % 7, i >> 8, i & 255, 1 + i % 3) for i in range(500)]
    lab.switch.ofctl("del-flows")
    lab.switch.ofctl("add-flows", "-", stdin="\n".join(flows) + "\n")
    check_equal(len(lab.switch.flows()), 500, "flows added")
    text = lab.switch.ofctl("dump-tables").stdout
    check("active=500" in text, text)


def mod_flows_loose_and_strict(lab):
    lab.switch.replace_flows("priority=1,tcp,tp_dst=80,actions=output:1",
                             "priority=2,tcp,tp_dst=80,nw_src=10.0.0.1,actions=output:1",
                             "priority=3,udp,actions=output:1")
    lab.switch.ofctl("mod-flows", "tcp,actions=output:2")
    text = normalised("\n".join(lab.switch.flows("tcp")))
    check_equal(text.count("actions=output:2"), 2, "loosely modified: " + text)
    run_command("ovs-ofctl", "--strict", "mod-flows", lab.switch.management,
                "priority=1,tcp,tp_dst=80,actions=output:3")
    text = normalised("\n".join(lab.switch.flows("tcp")))
    check_equal(text.count("actions=output:3"), 1, "strictly modified: " + text)
    lab.switch.ofctl("mod-flows", "icmp,actions=output:3")
    check_equal(len(lab.switch.flows("icmp")), 1, "nothing matched, so it was added")


def del_flows_loose_and_strict(lab):
    lab.switch.replace_flows("priority=1,tcp,tp_dst=80,actions=output:1",
                             "priority=2,tcp,tp_dst=80,nw_src=10.0.0.1,actions=output:2",
                             "priority=3,udp,actions=output:1")
    run_command("ovs-ofctl", "--strict", "del-flows", lab.switch.management,
                "priority=9,tcp,tp_dst=80")
    check_equal(len(lab.switch.flows()), 3, "another priority: nothing deleted")
    run_command("ovs-ofctl", "--strict", "del-flows", lab.switch.management,
                "priority=1,tcp,tp_dst=80")
    check_equal(len(lab.switch.flows()), 2, "deleted strictly")
    lab.switch.ofctl("del-flows", "out_port=1")
    check_equal(len(lab.switch.flows()), 1, "deleted by out_port")
    lab.switch.ofctl("del-flows", "tcp")
    check_equal(lab.switch.flows(), [], "deleted loosely")


def check_overlap_is_refused(lab):
    lab.switch.replace_flows("priority=5,tcp,actions=output:1")
    done = lab.switch.ofctl("add-flow",
                            "check_overlap,priority=5,ip,nw_src=10.0.0.1,actions=output:2",
                            ok=False)
    check(done.returncode != 0 and "OFPFMFC_OVERLAP" in done.stderr, done.stderr)
    check_equal(len(lab.switch.flows()), 1, "flows")


def packet_out_reaches_the_wire(lab):
    _, two, _ = lab.hosts
    frame = bytes.fromhex("020000000002" "020000000009" "88b5") + bytes(46)
    with Capture(two) as capture:
        lab.switch.ofctl("packet-out", "in_port=controller,packet=%s,actions=output:2"
                         % frame.hex())
        capture.expect(lambda got: got == frame, "the packet of the PACKET_OUT")


def mod_port_changes_flags(lab):
    for word, shown in (("down", "PORT_DOWN"), ("no-flood", "NO_FLOOD"), ("no-forward", "NO_FWD"),
                        ("no-receive", "NO_RECV"), ("no-packet-in", "NO_PACKET_IN")):
        lab.switch.ofctl("mod-port", "2", word)
        text = lab.switch.ofctl("show").stdout
        check(re.search(r"2\(p2\):[^(]*config: +[A-Z_ ]*" + shown, text), word + ": " + text)
        back = {"down": "up"}.get(word, word.replace("no-", ""))
        lab.switch.ofctl("mod-port", "2", back)
        text = lab.switch.ofctl("show").stdout
        check(re.search(r"2\(p2\):[^(]*config: +0\n", text), back + ": " + text)
    lab.hosts[0].forget_neighbours()
    lab.switch.replace_flows("actions=normal")
    wait_for(lambda: lab.hosts[0].ping(lab.hosts[1].address, ok=False), "port 2 forwards again")


def fragments_mode_is_set_and_got(lab):
    def frags():
        return lab.switch.ofctl("get-frags").stdout.strip()

    check_equal(frags(), "normal", "at first")
    lab.switch.ofctl("set-frags", "drop")
    check_equal(frags(), "drop", "after set-frags drop")
    lab.switch.ofctl("set-frags", "normal")
    check_equal(frags(), "normal", "after set-frags normal")


def monitor_prints_packet_ins(lab):
    one, two, _ = lab.hosts
    lab.switch.replace_flows("actions=CONTROLLER:65535")
    process = lab.start("monitor", lab.switch_ns, "ovs-ofctl", "-O", "OpenFlow10", "monitor",
                        lab.switch.management, "65535",
                        env=dict(os.environ, OVS_RUNDIR=lab.tmp))
    log = lab.processes[-1][2]

    def printed():
        one.send("eth0", bytes.fromhex("ffffffffffff") + bytes.fromhex("020000000001")
                 + bytes.fromhex("88b5") + bytes(46))
        with open(log, errors="replace") as text:
            return "PACKET_IN" in text.read()

    wait_for(printed, "ovs-ofctl monitor prints a PACKET_IN")
    process.terminate()
    process.wait()
    with open(log, errors="replace") as text:
        check("in_port=1" in normalised(text.read()), "the packet's port")


def probe_and_ping(lab):
    lab.switch.ofctl("probe")
    done = lab.switch.ofctl("ping", "64")
    check_equal(len(re.findall(r"64 bytes from", done.stdout)), 10, "echo replies:\n" + done.stdout)


def benchmark(lab):
    done = lab.switch.ofctl("benchmark", "100", "1000")
    check("Finished in" in done.stdout, done.stdout)


def diff_and_replace_flows(lab):
    wanted = lab.path("wanted.flows")
    with open(wanted, "w") as out:
        out.write("priority=1,tcp,actions=output:1\npriority=2,udp,actions=output:2\n")
    lab.switch.replace_flows("priority=1,tcp,actions=output:3", "priority=9,arp,actions=drop")
    done = run_command("ovs-ofctl", "-O", "OpenFlow10", "diff-flows", lab.switch.management,
                       wanted, ok=False)
    check_equal(done.returncode, 2, "diff-flows finds differences")
    check("arp" in done.stdout and "udp" in done.stdout, done.stdout)
    lab.switch.ofctl("replace-flows", wanted)
    check_equal(len(lab.switch.flows()), 2, "flows after replace-flows")
    run_command("ovs-ofctl", "-O", "OpenFlow10", "diff-flows", lab.switch.management, wanted)


def actions_of_nicira_come_back(lab):
    lab.switch.replace_flows("priority=1,ip,actions=dec_ttl,2", "priority=2,ip,actions=dec_ttl(1,2),2",
                             "priority=3,actions=controller(reason=no_match,max_len=9,id=7)",
                             "priority=4,actions=controller(id=0)")
    shown = sorted(flow.split("actions=")[1] for flow in lab.switch.flows())
    check_equal(shown, ["CONTROLLER:65535", "controller(reason=no_match,max_len=9,id=7)",
                        "dec_ttl(1,2),output:2", "dec_ttl,output:2"], "actions")
    ours = sorted(line.split("actions=")[1] for line in lab.switch.ctl("flows").stdout.splitlines())
    check_equal(ours, shown, "turnoutctl's")
    lab.switch.ofctl("del-flows", "out_port=controller")
    check_equal(len(lab.switch.flows()), 2, "flows after what goes to controllers was deleted")
    lab.switch.replace_flows()


def refusals_are_printed_by_name(lab):
    for flow, error in (("actions=output:65000", None),
                        ("actions=resubmit(,0)", "OFPBAC_BAD_VENDOR_TYPE"),
                        ("actions=learn(table=0)", "OFPBAC_BAD_VENDOR_TYPE"),
                        ("actions=note:01", "OFPBAC_BAD_VENDOR_TYPE"),
                        ("actions=dec_ttl(1,2,3,4)", "OFPBAC_TOO_MANY"),
                        ("table=3,actions=drop", None)):
        done = lab.switch.ofctl("add-flow", flow, ok=False)
        if error:
            check(done.returncode and error in done.stderr, flow + ": " + done.stderr)
    lab.switch.ofctl("probe")


def queue_statistics_are_answered(lab):
    done = lab.switch.ofctl("queue-stats", ok=False)
    check("OFPST_QUEUE" in done.stdout or "OFPST_QUEUE" in done.stderr or "OFPT_ERROR" in done.stderr,
          done.stdout + done.stderr)


def many_clients_at_once(lab):
    """Many connections at once to the management socket, and all are served."""
    clients = [subprocess.Popen(["ovs-ofctl", "-O", "OpenFlow10", "dump-flows",
                                 lab.switch.management], stdout=subprocess.DEVNULL)
               for _ in range(20)]
    for client in clients:
        if client.wait(timeout=30):
            raise Failure("one of twenty clients failed")


if __name__ == "__main__":
    run(Lab(hosts=3), it_starts, show_describes_the_switch, show_finds_the_bridge_by_name,
        dump_desc, dump_tables, dump_ports, add_and_dump_flows, dump_aggregate,
        add_flows_from_a_file, mod_flows_loose_and_strict, del_flows_loose_and_strict,
        check_overlap_is_refused, packet_out_reaches_the_wire, mod_port_changes_flags,
        fragments_mode_is_set_and_got, monitor_prints_packet_ins, probe_and_ping, benchmark,
        diff_and_replace_flows, actions_of_nicira_come_back, refusals_are_printed_by_name, queue_statistics_are_answered,
        many_clients_at_once)
