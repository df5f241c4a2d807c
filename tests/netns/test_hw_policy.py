#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Policies of offload: flows that must, may and must not be in hardware; what is refused, with
which error, and that nothing of it is seen."""

import signal
import struct

from netns import rawof as of
from netns.lib import Lab, Switch, check, check_equal, program, run, run_command, wait_for

PORTS = ["p1@1,driver=sim", "p2@2,driver=sim", "p3@3"]
LISTEN = ["ptcp:6653:127.0.0.1"]
FULL, EPERM, UNSUPPORTED = (3, 0), (3, 2), (3, 5)
BAD_PORT = (2, 4)
MOD_TOS = struct.pack("!HHB3x", 8, 8, 4)
CONTROLLER, NORMAL = 0xFFFD, 0xFFFA
HEADER = bytes.fromhex("020000000002" "020000000001" "88b5")


def start(lab, driver, *policies):
    if getattr(lab, "switch", None):
        lab.switch.stop()
    options = [word for policy in policies for word in ("--hw-policy", policy)]
    lab.switch = Switch(lab, PORTS, listeners=LISTEN, options=["--driver", driver, *options])


def exact(number, in_port=1):
    return of.match(0, in_port=in_port, dl_src=of.mac("02:00:00:00:00:01"),
                    dl_dst=of.mac("02:00:00:00:00:02"), dl_vlan=5, dl_type=0x0800, nw_proto=17,
                    nw_src=0x0a000001, nw_dst=0x0a000002, tp_src=7, tp_dst=number)


def entries(lab):
    return lab.switch.ctl_json("hw", "entries")["entries"]


def in_hardware(lab):
    return sorted(int(e["cookie"], 16) for e in entries(lab) if e["state"] == "hardware")


def flow_cookies(lab):
    return sorted(int(f["cookie"], 16) for f in lab.switch.ctl_json("flows")["flows"])


def explain(lab, packet):
    why = lab.switch.ctl_json("hw", "explain", packet)
    return why["state"], why["reason"] and why["reason"]["name"], why["policy"]["policy"]


def policies(lab, name="br0"):
    bridge, = lab.switch.ctl_json("hw", "policy", "show", name)["bridges"]
    return [(p["policy"], p["cookie"], p["mask"], p["allow_uncounted"]) for p in bridge["policies"]]


def wrong_policies_are_refused(lab):
    def refused(words, *options):
        done = run_command(program("turnoutd"), "--check-config", *options, "--bridge", "br0", ok=False)
        check_equal(done.returncode, 2, str(options) + done.stderr)
        for word in words:
            check(word in done.stderr, "%r in %s" % (word, done.stderr))
    driver = ["--driver", "sim"]
    refused(["hw-policy", "'hard'", "prefer-hw require-hw sw-only"], *driver, "--hw-policy", "hard")
    refused(["unknown key 'colour'"], *driver, "--hw-policy", "sw-only,colour=red")
    refused(["not VALUE or VALUE/MASK"], *driver, "--hw-policy", "sw-only,cookie=x")
    refused(["not VALUE or VALUE/MASK"], *driver, "--hw-policy", "sw-only,cookie=1/")
    refused(["mask 0xf0 has not"], *driver, "--hw-policy", "sw-only,cookie=1/0xf0")
    refused(["not yes or no"], *driver, "--hw-policy", "prefer-hw,allow-uncounted")
    refused(["--driver"], "--hw-policy", "require-hw")
    many = [word for i in range(65) for word in ("--hw-policy", "sw-only,cookie=%d" % i)]
    refused(["64 policies"], *driver, *many)


def what_hardware_cannot_do_is_refused(lab):
    start(lab, "sim:exact=8,tcam=0,without=set-nw-tos,without=nw_tos", "require-hw")
    wild = of.match(in_port=1, dl_type=0x0800)
    with of.connect(lab) as peer:
        for error, actions, fields in (
                (UNSUPPORTED, MOD_TOS + of.output(2), wild), (UNSUPPORTED, of.output(NORMAL), wild),
                (BAD_PORT, of.output(3), wild), (BAD_PORT, of.output(CONTROLLER), wild),
                (EPERM, of.output(2), of.match(in_port=3)),
                (FULL, of.output(2), of.match(in_port=1, dl_type=0x0800, nw_tos=4))):
            peer.flow_mod_refused(error, actions, fields)
            peer.flow_mod_refused(error, actions, fields, command=of.MODIFY)
            peer.flow_mod_refused(error, actions, fields, command=of.MODIFY_STRICT)
        check_equal(flow_cookies(lab), [], "nothing of what was refused is there")
        peer.flow_mod(of.output(2), wild, cookie=1)
        peer.flow_mod(of.output(1), of.match(), cookie=2, priority=5)
        peer.flow_mod(b"", of.match(in_port=2), cookie=3)
        peer.barrier()
        check_equal(flow_cookies(lab), [1, 2, 3], "what it can do is there")
        check_equal(lab.switch.ctl_json("counters") and lab.switch.counters()["flow_mod_hardware"], 18,
                    "refusals are counted")
        peer.clear()
        peer.barrier()


def a_modify_changes_all_or_nothing(lab):
    with of.connect(lab) as peer:
        for number in range(3):
            peer.flow_mod(of.output(2), of.match(in_port=1, dl_type=0x0800 + number), cookie=number)
        peer.flow_mod(b"", of.match(in_port=2), cookie=9)
        peer.barrier()
        before = lab.switch.flows()
        # From port 1 hardware could not; the flow of port 2 comes first or last, and is not changed.
        peer.flow_mod_refused(UNSUPPORTED, MOD_TOS + of.output(1), of.match(), command=of.MODIFY)
        peer.flow_mod_refused(BAD_PORT, of.output(3), of.match(in_port=1), command=of.MODIFY)
        check_equal([f.split("actions")[1] for f in lab.switch.flows()],
                    [f.split("actions")[1] for f in before], "actions")
        check_equal(flow_cookies(lab), [0, 1, 2, 9], "cookies")
        peer.flow_mod(of.output(2), of.match(), command=of.MODIFY, cookie=7)
        peer.barrier()
        check_equal(flow_cookies(lab), [7] * 4, "what it can do is done")
        peer.clear()
        peer.barrier()


def a_long_modify_does_too(lab):
    """One that looks at so many flows that it is done in pieces."""
    n = 20000
    with open(lab.path("flows"), "w", encoding="utf-8") as out:
        for i in range(n):
            out.write("cookie=0x1,in_port=1,dl_type=0x0800,nw_dst=10.%d.%d.0/24,actions=output:2\n"
                      % (i >> 8, i & 255))
        out.write("cookie=0x1,priority=5,in_port=3,actions=output:1\n")
    done = lab.switch.ctl("restore-flows", lab.path("flows"), ok=False)
    check(done.returncode == 1 and "line %d" % (n + 1) in done.stderr, done.stderr)
    check_equal(flow_cookies(lab), [], "nothing is restored")
    lab.switch.ctl("hw", "policy", "set", "prefer-hw,cookie=3")
    with open(lab.path("flows"), "a", encoding="utf-8") as out:
        out.seek(out.tell() - len("cookie=0x1,priority=5,in_port=3,actions=output:1\n"))
        out.truncate()
        out.write("cookie=0x3,priority=5,in_port=3,actions=output:1\n")
    lab.switch.ctl("restore-flows", lab.path("flows"))

    def summary():
        flows = lab.switch.ctl_json("flows")["flows"]
        return {(f["cookie"], f["actions"]): sum(g["cookie"] == f["cookie"] for g in flows)
                for f in (flows[0], flows[-1])}
    before = summary()
    check_equal(sum(before.values()), n + 1, "flows")
    with of.connect(lab) as peer:
        # The last of them comes from port 3, whose packets can't be in hardware.
        peer.flow_mod_refused(EPERM, b"", of.match(), command=of.MODIFY, cookie=7)
        check_equal(summary(), before, "nothing has changed")
        peer.flow_mod(b"", of.match(in_port=1), command=of.MODIFY, cookie=7)
        peer.barrier()
        check_equal(sorted(summary().values()), [1, n], "all of port 1 have")
        check(("0x7", "drop") in summary(), "all of port 1 have")
        peer.clear()
        peer.barrier()


def exact_rules_have_room_or_are_refused(lab):
    """At once, however many come together."""
    start(lab, "sim:exact=4,tcam=2", "require-hw")
    with of.connect(lab) as peer:
        xids = [peer.send(of.FLOW_MOD, peer.flow_mod_body(of.output(2), exact(i), cookie=i))[0]
                for i in range(1, 11)]
        peer.send(of.BARRIER_REQUEST)
        refused = []
        while True:
            kind, xid, body = peer.wait(lambda *_: True, "errors and a barrier")
            if kind == of.BARRIER_REPLY:
                break
            check_equal((kind, struct.unpack_from("!HH", body)), (of.ERROR, FULL), "refusal")
            refused.append(xids.index(xid) + 1)
        check_equal(refused, [7, 8, 9, 10], "refused")
        check_equal(flow_cookies(lab), [1, 2, 3, 4, 5, 6], "flows")
        wait_for(lambda: in_hardware(lab) == [1, 2, 3, 4, 5, 6], "they are in hardware")
        peer.flow_mod(of.output(1), exact(3), cookie=33)
        peer.flow_mod(of.output(1), exact(4), cookie=44, command=of.MODIFY_STRICT)
        peer.barrier()
        check_equal(flow_cookies(lab), [1, 2, 5, 6, 33, 44], "what has a place keeps it")
        peer.flow_mod_refused(FULL, of.output(2), exact(11), command=of.MODIFY_STRICT)
        peer.flow_mod(fields=exact(1), command=of.DELETE_STRICT)
        peer.flow_mod(of.output(2), exact(11), cookie=11)
        peer.barrier()
        wait_for(lambda: in_hardware(lab) == [2, 5, 6, 11, 33, 44], "it has the place that was left")
        peer.flow_mod(of.output(2), of.match(in_port=1), cookie=5, priority=1)
        peer.barrier()
        check(5 in flow_cookies(lab), "rules with wildcards need no room now")
        lab.switch.ctl("hw", "fault", "sim", "refuse=1")
        peer.flow_mod(fields=exact(2), command=of.DELETE_STRICT)
        peer.flow_mod(of.output(2), exact(2), cookie=2)
        peer.barrier()
        wait_for(lambda: lab.switch.counters()["hal_required_refused"] == 1, "a late refusal is told")
        check(2 in flow_cookies(lab) and 2 not in in_hardware(lab), "the flow stays, in software")
        done = lab.switch.ofctl("add-flow", "in_port=3,actions=drop", ok=False)
        check("EPERM" in done.stderr, done.stderr)
        check_equal(lab.switch.ctl("hw", "audit").returncode, 0, "audit")


def a_restore_is_refused_as_a_whole(lab):
    before = flow_cookies(lab)
    with open(lab.path("flows"), "w", encoding="utf-8") as out:
        out.write("cookie=0x77,in_port=1,actions=output:2\nin_port=1,actions=output:3\n")
    done = lab.switch.ctl("restore-flows", lab.path("flows"), ok=False)
    check(done.returncode == 1 and "line 2" in done.stderr, done.stderr)
    wait_for(lambda: flow_cookies(lab) == before, "the table is as it was")


def cookies_choose_the_policy(lab):
    start(lab, "sim", "require-hw,cookie=0x10/0xf0", "sw-only,cookie=0x12")
    check_equal(policies(lab), [("require-hw", "0x10", "0xf0", False),
                                ("sw-only", "0x12", "0xffffffffffffffff", False)], "policies")
    with of.connect(lab) as peer:
        peer.flow_mod_refused(BAD_PORT, of.output(3), exact(1), cookie=0x115)
        peer.flow_mod(of.output(3), exact(1), cookie=0x25)
        peer.flow_mod(of.output(2), exact(2), cookie=0x12)
        peer.flow_mod(of.output(2), exact(3), cookie=0x13)
        peer.flow_mod(of.output(2), exact(4), cookie=0x30)
        peer.barrier()
        wait_for(lambda: in_hardware(lab) == [0x13, 0x30], "what is in hardware")
        # Another cookie is another policy.
        peer.flow_mod_refused(BAD_PORT, of.output(3), exact(1), cookie=0x15, command=of.MODIFY)
        check_equal(flow_cookies(lab), [0x12, 0x13, 0x25, 0x30], "cookies")
        peer.flow_mod(of.output(2), exact(3), cookie=0x12, command=of.MODIFY_STRICT)
        peer.flow_mod(of.output(2), exact(2), cookie=0x14, command=of.MODIFY_STRICT)
        peer.barrier()
        wait_for(lambda: in_hardware(lab) == [0x14, 0x30], "what is in hardware now")


def a_live_policy_moves_flows(lab):
    start(lab, "sim")
    packet = "in_port=1,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,dl_type=0x88b5"
    sent = 0

    def heat():
        lab.hosts[0].send("eth0", *[HEADER + bytes(46)] * 100)
        nonlocal sent
        sent += 100
        return 1 in in_hardware(lab)
    with of.connect(lab) as peer:
        peer.flow_mod(of.output(2), of.match(in_port=1, dl_type=0x88b5), cookie=1)
        peer.flow_mod(of.output(2), exact(2), cookie=2)
        peer.barrier()
        wait_for(heat, "the flow is in hardware")
        check_equal(explain(lab, packet), ("hardware", None, "prefer-hw"), "explained")
        done = lab.switch.ctl("hw", "policy", "set", "sw-only")
        check_equal(done.stdout, "policy of bridge br0: sw-only\n", "what is said")
        peer.barrier()
        check_equal(in_hardware(lab), [], "after a barrier nothing is left")
        check_equal(explain(lab, packet)[1:], ("policy-software", "sw-only"), "explained")
        check("policy: sw-only" in lab.switch.ctl("hw", "explain", packet).stdout, "as text")
        check("policy of bridge br0: sw-only" in lab.switch.ctl("hw", "show").stdout, "in hw show")
        wait_for(lambda: sum(f["packets"] for f in lab.switch.ctl_json("flows")["flows"]) == sent,
                 "every packet is counted")
        lab.switch.ctl("hw", "policy", "set", "br0", "prefer-hw,cookie=0x2")
        wait_for(lambda: in_hardware(lab) == [2], "a flow without wildcards needs no traffic")
        lab.switch.ctl("hw", "policy", "del")
        check_equal(policies(lab), [("prefer-hw", "0x2", "0xffffffffffffffff", False)], "one is left")
        wait_for(heat, "the flow is in hardware again")
        lab.switch.ctl("hw", "policy", "del", "cookie=2")
        check_equal(lab.switch.ctl("hw", "policy", "show").stdout,
                    "policy of bridge br0: prefer-hw, as nothing else is set\n", "none is left")
        check_equal(in_hardware(lab), [1, 2], "entries stay")


def wrong_commands_are_refused(lab):
    def refused(status, words, *args):
        done = lab.switch.ctl("hw", "policy", *args, ok=False)
        check_equal(done.returncode, status, str(args) + done.stderr)
        for word in words:
            check(word in done.stderr, "%r in %s" % (word, done.stderr))
    refused(2, ["usage", "show|set|del"])
    refused(2, ["usage"], "fly")
    refused(2, ["usage"], "set")
    refused(2, ["'hard'", "sw-only"], "set", "hard")
    refused(1, ["br9"], "set", "br9", "sw-only")
    refused(1, ["no policy for cookie 0/0"], "del")
    refused(2, ["VALUE/MASK"], "del", "cookie=x")
    refused(1, ["br9"], "show", "br9")


def uncounted_flows_need_leave(lab):
    start(lab, "sim:counters=none")
    with of.connect(lab) as peer:
        peer.flow_mod(of.output(2), exact(2), cookie=2)
        peer.barrier()
    packet = ("in_port=1,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,dl_vlan=5,dl_vlan_pcp=0,"
              "dl_type=0x0800,nw_proto=17,nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=7,tp_dst=2")
    check_equal(explain(lab, packet), ("software", "uncounted", "prefer-hw"), "explained")
    lab.switch.ctl("hw", "policy", "set", "prefer-hw,allow-uncounted=yes")
    wait_for(lambda: in_hardware(lab) == [2], "it may be uncounted")
    lab.switch.ctl("hw", "policy", "set", "require-hw")
    wait_for(lambda: in_hardware(lab) == [], "it may not any more")
    with of.connect(lab) as peer:
        peer.flow_mod_refused(EPERM, of.output(2), exact(3))


def a_sighup_puts_back_what_is_configured(lab):
    lab.switch.stop()
    with open(lab.path("turnoutd.conf"), "w", encoding="utf-8") as out:
        out.write("driver sim\nbridge br1\nport p1@1,driver=sim\nport p2@2,driver=sim\n"
                  "hw-policy sw-only,cookie=1\nhw-policy prefer-hw,cookie=2\n")
    lab.switch = Switch(lab, [], options=["--config", lab.path("turnoutd.conf")])
    all_ones = "0xffffffffffffffff"
    configured = [("sw-only", "0x1", all_ones, False), ("prefer-hw", "0x2", all_ones, False)]
    check_equal(policies(lab, "br1"), configured, "configured")
    lab.switch.ctl("hw", "policy", "set", "br1", "sw-only")
    check_equal(len(policies(lab, "br1")), 3, "one more")
    lab.switch.process.send_signal(signal.SIGHUP)
    wait_for(lambda: policies(lab, "br1") == configured, "as configured")
    with open(lab.path("turnoutd.conf"), "w", encoding="utf-8") as out:
        out.write("driver sim\nbridge br1\nport p1@1,driver=sim\nport p2@2,driver=sim\n"
                  "hw-policy require-hw\n")
    lab.switch.process.send_signal(signal.SIGHUP)
    wait_for(lambda: policies(lab, "br1") == [("require-hw", "0x0", "0x0", False)], "as configured now")


if __name__ == "__main__":
    run(Lab(hosts=3), wrong_policies_are_refused, what_hardware_cannot_do_is_refused,
        a_modify_changes_all_or_nothing,
        a_long_modify_does_too, exact_rules_have_room_or_are_refused,
        a_restore_is_refused_as_a_whole, cookies_choose_the_policy, a_live_policy_moves_flows,
        wrong_commands_are_refused, uncounted_flows_need_leave, a_sighup_puts_back_what_is_configured)
