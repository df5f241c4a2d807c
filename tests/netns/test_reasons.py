#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every reason of hal/reasons.def, provoked from outside: turnoutd with the simulated ASIC, or
with a driver that is odd in some way, real flows and packets; what turnoutctl hw explain says,
as JSON, and that its first line is the one in turnout-reasons(7)."""

import os
import re
import struct

from netns.lib import (BUILD, SOURCE, Failure, Lab, Switch, check, check_equal, program, run,
                       run_command, wait_for)

IP = "priority=10,in_port=1,ip,nw_dst=10.0.0.2,actions="
PACKET = "in_port=1,ip,nw_src=10.0.0.1,nw_dst=10.0.0.2,dl_src=02:00:00:00:00:01,nw_proto=17"
TYPE = "in_port=1,dl_src=02:00:00:00:00:01,dl_type=0x88b5"
BASIC = "exact=1000,tcam=16"


def reasons():
    """Of hal/reasons.def: number and summary by name."""
    with open(os.path.join(SOURCE, "hal/reasons.def"), encoding="utf-8") as source:
        found = re.findall(r'^HAL_REASON\((\d+), \w+, "([^"]+)",\s*"([^"]+)"', source.read(), re.M)
    return {name: (int(number), summary) for number, name, summary in found}


def examples():
    """Of turnout-reasons(7): the first line that it shows for each reason."""
    with open(os.path.join(SOURCE, "man/turnout-reasons.7"), encoding="utf-8") as source:
        return {m[1]: m[0] for m in re.finditer(r"^reason: ([a-z-]+).*", source.read(), re.M)}


def start(lab, *drivers, ports=("sim", "sim", ""), options=()):
    """A switch with p1, p2 and p3, and the driver of each."""
    if lab.switch:
        lab.switch.stop()
    argv = [option for driver in drivers for option in ("--driver", driver)]
    ports = ["p%d@%d%s" % (i, i, ",driver=" + driver if driver else "")
             for i, driver in enumerate(ports, 1)]
    lab.switch = Switch(lab, ports, options=[*argv, *options])


def sim(lab, text=BASIC, **how):
    start(lab, "sim:" + text, **how)


def odd(lab, how):
    start(lab, "%s:how=%s" % (lab.odd, how), ports=("odd", "odd", ""))


def flow(lab, text):
    lab.switch.ofctl("add-flow", text)


def flow_in_time(lab, command, text):
    """Does not wait for the barrier, which waits for the device."""
    lab.start("ofctl", lab.switch_ns, "ovs-ofctl", "-O", "OpenFlow10", command,
              lab.switch.management, text)


def fault(lab, what):
    lab.switch.ctl("hw", "fault", "sim", what)


def explain(lab, packet=PACKET):
    return lab.switch.ctl_json("hw", "explain", packet)


def is_there(lab, name, packet=PACKET):
    why = explain(lab, packet)
    return why if (why["reason"] or {}).get("name") == name else None


def expect(lab, name, packet=PACKET, state=None, meanwhile=lambda: None, **wanted):
    """Waits until the packet's reason is 'name'. It must say what is wanted, and what the manual
    page and hal/reasons.def say."""
    def told():
        meanwhile()
        return is_there(lab, name, packet)
    try:
        why = wait_for(told, "the reason is " + name)
    except Failure as failure:
        raise Failure("%s; it is: %s" % (failure, explain(lab, packet))) from None
    lines = lab.switch.ctl("hw", "explain", packet).stdout.splitlines()
    number, summary = reasons()[name]
    reason = why["reason"]
    check_equal((reason["number"], reason["summary"]), (number, summary), name)
    for key, value in wanted.items():
        have = why[key] if key in ("device", "table") else reason[key]
        check_equal(have, value, "%s: %s" % (name, key))
    check_equal(why["state"], state or "software", name + ": state")
    if is_there(lab, name, packet):    # it did not pass while the text was asked for
        check_equal([line for line in lines if line.startswith("reason:")], [examples().get(name)],
                    "the line in turnout-reasons(7)")
    lab.provoked.add(name)
    return why


def send(lab, n=64, data=None):
    frame = bytes.fromhex("020000000002" "020000000001" "88b5") + bytes(46)
    lab.hosts[0].send("eth0", *[data or frame] * n)


# --- the rule itself -----------------------------------------------------------------------

def what_the_table_lacks(lab):
    sim(lab, BASIC + ",without=nw_dst")
    flow(lab, IP + "output:2")
    expect(lab, "field-unsupported", field="nw_dst", device="sim", table="exact")
    sim(lab, BASIC + ",without=set-nw-src,max-actions=2")
    flow(lab, IP + "mod_nw_src:10.0.0.9,output:2")
    expect(lab, "action-unsupported", action="set-nw-src", device="sim", table="exact")
    flow(lab, IP + "mod_dl_src:02:00:00:00:00:09,mod_nw_tos:4,output:2")
    expect(lab, "too-many-actions", device="sim", table="exact")


def what_the_odd_device_lacks(lab):
    odd(lab, "required")
    flow(lab, IP + "output:2")
    expect(lab, "field-required", field="dl_src", device="odd", table="only")
    odd(lab, "ordered")
    flow(lab, IP + "output:2,mod_nw_tos:4,output:in_port")
    expect(lab, "action-order", action="set-nw-tos", device="odd", table="only")
    odd(lab, "no-drop")
    flow(lab, IP + "drop")
    expect(lab, "output-none", device="odd", table="only")


def where_it_goes(lab):
    sim(lab)
    flow(lab, IP + "controller")
    expect(lab, "output-special", action="output", device="sim", table="exact")
    flow(lab, IP + "normal")
    expect(lab, "per-packet", action="output", device="sim")
    lab.switch.ctl("add-queue", "p2", "1", "--min-rate", "1M")
    flow(lab, IP + "enqueue:2:1")
    expect(lab, "output-queue", action="enqueue", device="sim", table="exact")
    lab.switch.ctl("del-queue", "p2", "1")
    flow(lab, IP + "output:2")
    lab.switch.ofctl("mod-port", "p2", "down")
    expect(lab, "output-down", action="output", port=2, device="sim", table="exact")
    lab.switch.ofctl("mod-port", "p2", "up")
    lab.switch.ofctl("mod-port", "p1", "no-receive")
    expect(lab, "ingress-blocked", port=1, device="sim")
    lab.switch.ofctl("mod-port", "p1", "receive")
    lab.switch.ofctl("set-frags", "drop")
    expect(lab, "fragment", PACKET + ",ip_frag=first", device="sim")
    lab.switch.ofctl("set-frags", "normal")
    expect(lab, "not-worth-it", device="sim")
    expect(lab, "table-miss", PACKET.replace("10.0.0.2", "10.0.0.3"), device="sim")
    flow(lab, "in_port=3,actions=output:1")
    expect(lab, "ingress-software", "in_port=3,ip", device=None)
    start(lab, "sim:" + BASIC, lab.odd + ":how=plain", ports=("sim", "odd", ""))
    flow(lab, IP + "output:2")
    expect(lab, "output-other-device", action="output", port=2, device="sim", table="exact")


def what_turnoutd_never_asks(lab):
    """A mask on part of a field, from another program that uses the HAL."""
    library = os.path.join(BUILD, "hal/libturnout-hal.a")
    sanitizer = ["-fsanitize=address,undefined"] if "__asan_" in run_command("nm", library).stdout else []
    run_command("gcc", "-std=gnu11", *sanitizer, "-I", SOURCE, "-I", SOURCE + "/include", "-o",
                lab.path("prefix"), os.path.join(SOURCE, "tests/netns/prefix_source.c"), library,
                "-pthread", "-ldl")
    told = run_command(lab.path("prefix"), lab.odd, "odd:how=plain").stdout
    check_equal(told, examples()["mask-unsupported"] + "\n", "what it is told")
    lab.provoked.add("mask-unsupported")


# --- room ----------------------------------------------------------------------------------

def exact_flows(n, first=1):
    """Rules without wildcards."""
    return ["in_port=1,dl_vlan=65535,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,udp,nw_tos=0,"
            "nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=%d,tp_dst=9,actions=output:2" % i
            for i in range(first, first + n)]


def exact_packet(number):
    return ("in_port=1,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,udp,nw_src=10.0.0.1,"
            "nw_dst=10.0.0.2,tp_src=%d,tp_dst=9" % number)


def add_exact(lab, n, first=1):
    lab.n_exact = first + n - 1
    with open(lab.path("flows"), "w", encoding="utf-8") as out:
        out.writelines(line + "\n" for line in exact_flows(n, first))
    lab.switch.ofctl("add-flows", lab.path("flows"))


def rows(lab):
    return lab.switch.ctl_json("hw", "entries")["entries"]


def port_of(row):
    return int(re.search(r"tp_src=(\d+)", row["match"])[1])


def a_full_table(lab):
    sim(lab, "exact=4,tcam=1")
    for first, n in ((1, 4), (5, 1)):      # one table after the other
        add_exact(lab, n, first)
        wait_for(lambda: [r["state"] for r in rows(lab)].count("hardware") == lab.n_exact, "placed")
    add_exact(lab, 1, 6)
    expect(lab, "table-full", exact_packet(6), device="sim")
    flow(lab, "in_port=1,dl_type=0x88b5,actions=output:2")
    expect(lab, "table-full", TYPE, device="sim")    # only in place of a flow that is less busy
    sim(lab, "exact=64,tcam=1")
    add_exact(lab, 48)
    found = wait_for(lambda: [r for r in rows(lab) if r["state"] == "refused"
                              and r["reason"]["name"] == "collision"], "one collides")
    expect(lab, "collision", exact_packet(port_of(found[0])), "refused", device="sim", table="exact",
           words="sim: collision")
    odd(lab, "masks")
    add_exact(lab, 1)
    flow(lab, IP + "output:2")
    expect(lab, "too-many-masks", device="odd", table="only")
    lab.switch.ctl("add-queue", "p2", "1", "--min-rate", "1M")
    expect(lab, "bypass", action="output", port=2, device="odd", table="only")
    lab.switch.ctl("del-queue", "p2", "1")
    sim(lab, BASIC + ",counters=none")
    flow(lab, IP + "output:2")
    expect(lab, "uncounted", device="sim", table="tcam")


def a_moment_of_limits(lab):
    """Each second one flow may move; in the rest of the second it is told to others."""
    sim(lab, options=("--hw-moves", "1"))
    flow(lab, "in_port=1,dl_type=0x88b5,actions=output:2")
    flow(lab, "priority=5,in_port=1,actions=output:2")
    lab.n = 0

    def another():
        lab.n += 1
        lab.switch.ofctl("add-flow", "in_port=1,dl_type=0x88b5,dl_src=02:00:00:00:01:%02x,actions="
                         "output:2" % (lab.n % 256))
        frame = bytes.fromhex("020000000002" "0200000001%02x" "88b5" % (lab.n % 256)) + bytes(46)
        send(lab, data=frame)
    expect(lab, "churn-limit", TYPE, meanwhile=another, device="sim")


def on_its_way(lab):
    sim(lab)
    add_exact(lab, 1)
    wait_for(lambda: [r["state"] for r in rows(lab)] == ["hardware"], "it is placed")
    fault(lab, "stall=1500")
    add_exact(lab, 1, 2)
    expect(lab, "pending", exact_packet(2), "pending", device="sim", table="exact")
    flow_in_time(lab, "mod-flows", exact_flows(1)[0].replace("output:2", "output:3"))
    wait_for(lambda: explain(lab, exact_packet(1))["state"] == "leaving", "the other one leaves")
    sim(lab)
    flow(lab, "in_port=1,dl_type=0x88b5,actions=output:2")

    def hot():
        send(lab)
        return [r for r in rows(lab) if r["state"] == "hardware"]
    wait_for(hot, "it is placed")
    fault(lab, "stall=1500")
    flow_in_time(lab, "add-flow", "priority=40000,in_port=1,dl_type=0x88b5,actions=in_port")
    expect(lab, "depends-changed", TYPE, "leaving", device="sim", table="exact")
    sim(lab, "exact=2000")

    def fill():
        if not is_there(lab, "device-busy", exact_packet(1100)):
            lab.switch.ofctl("del-flows")
            fault(lab, "stall=1500")
            add_exact(lab, 1100)
    expect(lab, "device-busy", exact_packet(1100), "pending", fill, device="sim", table="exact")


def entries_are_lost(lab):
    sim(lab)
    add_exact(lab, 1)
    wait_for(lambda: [r["state"] for r in rows(lab)] == ["hardware"], "it is placed")
    fault(lab, "stall=1500")
    fault(lab, "lose-now=1")
    expect(lab, "entry-lost", exact_packet(1), "pending", device="sim", table="exact")
    wait_for(lambda: [r["state"] for r in rows(lab)] == ["hardware"], "it is back")


# --- policy and the governor -----------------------------------------------------------------

def policy_forbids(lab):
    sim(lab, options=("--hw-policy", "sw-only,cookie=0x10/0xf0"))
    flow(lab, "cookie=0x1f," + IP + "output:2")
    expect(lab, "policy-software", device="sim")
    lab.switch.ctl("hw", "policy", "del", "cookie=0x10/0xf0")
    expect(lab, "not-worth-it", device="sim")


def udp_frame(source, source_port, protocol=17, flags=0):
    """From host 1; with flags a TCP segment."""
    transport = struct.pack("!HHIIBBHHH", source_port, 9, 1, 0, 0x50, flags, 1024, 0, 0)
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(transport), 0, 0, 64, protocol, 0)
    return (bytes.fromhex("020000000002" "020000000001" "0800") + ip
            + bytes([10, 0, *source]) + bytes([10, 0, 0, 2]) + transport)


def the_governor_holds_back(lab):
    packet = "in_port=1,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,nw_src=10.0.0.1,nw_dst=10.0.0.2"
    rule = "priority=2,in_port=1,actions=output:2"
    wide = "priority=3,%s,in_port=1,nw_src=203.0.113.1,nw_dst=203.0.113.2,tp_src=1,tp_dst=1,actions=drop"
    sim(lab)
    for text in (rule, wide % "tcp", wide % "udp"):
        flow(lab, text)
    expect(lab, "not-proven", packet + ",tcp,tp_src=4000,tp_dst=9", device="sim",
           meanwhile=lambda: send(lab, data=udp_frame((0, 1), 4000, 6, 2)))
    sim(lab, options=("--entry-budget", "1"))
    for text in (rule, wide % "udp"):
        flow(lab, text)

    def many():
        for port in range(2000, 2030):
            send(lab, 50, udp_frame((0, 1), port))
    expect(lab, "over-budget", packet + ",udp,tp_src=2029,tp_dst=9", device="sim", meanwhile=many)
    sim(lab, options=("--setup-budget", "400"))
    for text in (rule, wide % "udp"):
        flow(lab, text)
    lab.n = 0

    def flood():
        frames = [udp_frame((1 + i // 250 % 250, i % 250), 1024 + i // 62500) for i in
                  range(lab.n, lab.n + 500)]
        lab.n += 500
        lab.hosts[0].send("eth0", *frames)
    expect(lab, "flood", packet + ",udp,tp_src=3000,tp_dst=9", device="sim", meanwhile=flood)


def packets_are_captured(lab):
    sim(lab)
    flow(lab, IP + "output:2")
    capture = lab.start("capture", lab.switch_ns, program("turnoutctl"), "--control", lab.switch.control,
                        "hw", "capture", "ip", "--seconds", "60")
    expect(lab, "captured", device="sim")
    capture.terminate()
    expect(lab, "not-worth-it", device="sim")


# --- the device ----------------------------------------------------------------------------

def it_refuses(lab):
    sim(lab)
    fault(lab, "refuse=1")
    add_exact(lab, 1)
    expect(lab, "driver-refused", exact_packet(1), "refused", device="sim", table="exact",
           words="sim: refused, as asked for", error=95)
    odd(lab, "stranger")
    add_exact(lab, 1)
    wait_for(lambda: is_there(lab, "driver-refused", exact_packet(1)), "it is told")
    why = explain(lab, exact_packet(1))["reason"]
    check_equal((why["words"], why["error"]), ("odd: somebody else has it", 17), "a stranger's")
    odd(lab, "check")
    add_exact(lab, 1)
    why = explain(lab, exact_packet(1))
    check_equal((why["reason"]["name"], why["reason"]["words"], why["table"]),
                ("driver-refused", "odd: not with this priority", "only"), "by its check()")


def it_fails(lab):
    sim(lab)
    fault(lab, "lose-ack=1")
    add_exact(lab, 1)
    why = expect(lab, "device-mute", exact_packet(1), device="sim")
    check("no answer to a change" in why["reason"]["words"], why)
    for how, name, words in (("twice", "driver-fault", "was not on its way"),
                             ("gone", "device-gone", "odd: unplugged")):
        odd(lab, how)
        add_exact(lab, 1)
        why = expect(lab, name, exact_packet(1), device="odd")
        check(words in why["reason"]["words"], why)


def it_does_nothing(lab):
    """Packets come to software although the device has the entry."""
    sim(lab)
    fault(lab, "idle=1")
    add_exact(lab, 1)
    expect(lab, "idle", exact_packet(1), "refused", device="sim", table="exact",
           meanwhile=lambda: send(lab, data=udp_frame((0, 1), 1)))


def it_says_too_much(lab):
    lab.provoked.add("no-memory")
    if "__asan_" in run_command("nm", "-D", program("turnoutd")).stdout:
        return                         # which ends a program that asks for that much
    odd(lab, "talks")
    add_exact(lab, 1)
    expect(lab, "no-memory", exact_packet(1), device="odd")


# --- counted -------------------------------------------------------------------------------

def expect_not_whole(lab, name):
    """Why the packet's flow is not in hardware as a whole."""
    def told():
        why = explain(lab)["whole"]
        return why if why and (why["reason"] or {}).get("name") == name else None
    why = wait_for(told, "it is not whole: " + name)
    check_equal((why["is"], why["reason"]["number"], why["reason"]["summary"]),
                (False, *reasons()[name]), name)
    text = lab.switch.ctl("hw", "explain", PACKET).stdout
    check("as a whole rule: no; %s\n" % examples()[name] in text, text)
    lab.provoked.add(name)


def flows_are_not_whole(lab):
    sim(lab, "exact=64,tcam=16,rules=yes")
    flow(lab, IP + "output:2")
    wait_for(lambda: explain(lab)["whole"]["is"], "it is whole")
    flow(lab, "priority=20,udp,tp_dst=9,actions=controller")
    expect_not_whole(lab, "overlapped")
    sim(lab, "exact=64,tcam=16")
    flow(lab, IP + "output:2")
    expect_not_whole(lab, "policy-exact")
    sim(lab, "exact=64,tcam=0")
    flow(lab, IP + "output:2")
    expect_not_whole(lab, "no-priorities")


def flows_of_a_rule_are_counted(lab):
    sim(lab, "exact=64,tcam=1")
    flow(lab, "cookie=0x1f,priority=10,in_port=1,dl_type=0x88b5,actions=output:2")
    flow(lab, "cookie=0x20,priority=20,in_port=1,dl_type=0x88b6,actions=controller")
    flow(lab, "cookie=0x1f,priority=5,in_port=1,dl_src=02:00:00:00:00:77,actions=output:2")

    def counted():
        for i in range(1, 4):
            send(lab, data=bytes.fromhex("020000000002" "0200000000%02x" "88b5" % i) + bytes(46))
        send(lab, 1, bytes.fromhex("020000000002" "020000000001" "88b6") + bytes(46))
        flows = explain(lab, TYPE)["flows"]
        return flows if flows["hardware"] == 3 else None
    flows = wait_for(counted, "there are three entries")
    check_equal((flows["refused"], flows["software"], flows["reasons"], flows["partial"]),
                (0, 0, [], False), "flows of a rule")
    every = lab.switch.ctl_json("hw", "explain", "--all")["flows"]
    check_equal((every["hardware"], every["software"]), (3, 1), "all flows")
    check_equal([(r["name"], r["count"]) for r in every["reasons"]], [("output-special", 1)], "why")
    mine = lab.switch.ctl_json("hw", "explain", "--cookie", "0x1f")["flows"]
    check_equal((mine["hardware"], mine["software"]), (3, 0), "flows of a cookie")
    mine = lab.switch.ctl_json("hw", "explain", "br0", "--cookie", "32")["flows"]
    check_equal((mine["hardware"], mine["software"]), (0, 1), "flows of another cookie")
    text = lab.switch.ctl("hw", "explain", "--all").stdout
    check(re.search(r"flows: 3 in hardware, 1 in software\n.*FLOWS.*\n +1 +output-special", text), text)


def bad_questions_are_refused(lab):
    for words in (["--all", "--cookie", "1"], [], ["--all", "br0", "in_port=1"]):
        done = lab.switch.ctl("hw", "explain", *words, ok=False)
        check(done.returncode == 2 and done.stderr, words)
    done = lab.switch.ctl("hw", "explain", "--cookie", "red", ok=False)
    check(done.returncode == 2 and "'red' is not a cookie" in done.stderr, done.stderr)
    done = run_command(program("turnoutd"), "--check-config", "--bridge", "br0", "--hw-moves",
                       "many", ok=False)
    check(done.returncode == 2 and "0 to 100000000" in done.stderr, done.stderr)
    check_equal(lab.switch.ctl("hw", "show", "--all", ok=False).returncode, 2, "--all is explain's")


def every_reason_was_provoked(lab):
    known = set(reasons())
    check_equal(lab.provoked - known, set(), "reasons that are none")
    check_equal(known - lab.provoked, set(), "reasons that nothing provoked")


def main():
    lab = Lab(hosts=3)
    lab.switch = None
    lab.provoked = set()
    lab.odd = lab.path("odd.so")
    run_command("gcc", "-std=gnu11", "-fPIC", "-shared", "-I", SOURCE, "-I", SOURCE + "/include",
                "-o", lab.odd, os.path.join(SOURCE, "tests/netns/odd_driver.c"))
    run(lab, what_the_table_lacks, what_the_odd_device_lacks, where_it_goes,
        what_turnoutd_never_asks, a_full_table, a_moment_of_limits,
        on_its_way, entries_are_lost, policy_forbids, the_governor_holds_back,
        packets_are_captured, flows_are_not_whole, it_refuses, it_fails, it_does_nothing,
        it_says_too_much,
        flows_of_a_rule_are_counted, bad_questions_are_refused, every_reason_was_provoked)


if __name__ == "__main__":
    main()
