#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Offload from outside: turnoutd with the simulated ASIC, and turnoutctl hw."""

import re
import struct

from netns import rawof as of
from netns.lib import Capture, Lab, Switch, check, check_equal, run, run_command, program, wait_for

PORTS = ["p1@1,driver=sim", "p2@2,driver=sim", "p3@3"]
DRIVER = ["--driver", "sim:file=yes,exact=1000"]
FLOW = "priority=10,in_port=1,dl_type=0x88b5,actions="
PACKET = "in_port=1,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,dl_type=0x88b5"
HEADER = bytes.fromhex("020000000002" "020000000001" "88b5")
BATCH = 100


def start(lab, *options):
    if lab.switch:
        lab.switch.stop()
    driver = [] if "--driver" in options else DRIVER
    lab.switch = Switch(lab, PORTS, options=[*driver, *options])
    lab.sent = 0


def frame(number):
    return HEADER + struct.pack("!I", number) + bytes(42)


def send(lab, n=BATCH):
    """Frames with the next n numbers from host 1; returns the numbers."""
    numbers = range(lab.sent + 1, lab.sent + n + 1)
    lab.hosts[0].send("eth0", *[frame(i) for i in numbers])
    lab.sent += n
    return numbers


def entries(lab):
    return lab.switch.ctl_json("hw", "entries")["entries"]


def devices(lab):
    return lab.switch.ctl_json("hw", "show")["devices"]


def in_hardware(lab):
    return [e for e in entries(lab) if e["state"] == "hardware"]


def explain(lab, packet=PACKET):
    return lab.switch.ctl_json("hw", "explain", packet)


def heat(lab):
    """Sends until the flow is in hardware and has counted there."""
    def hot():
        send(lab)
        return any(e["packets"] for e in in_hardware(lab))
    wait_for(hot, "the flow is in hardware")


def flow_packets(lab):
    return lab.switch.ctl_json("flows")["flows"][0]["packets"]


def got(capture, numbers):
    """Waits for frames with all these numbers; returns the numbers that came before."""
    before, wanted = [], set(numbers)

    def done():
        while wanted:
            data = capture.next(0)
            if data is None:
                return False
            if data[:14] == HEADER:
                number = struct.unpack_from("!I", data, 14)[0]
                wanted.discard(number) if number in wanted else before.append(number)
        return True
    wait_for(done, "frames arrive")
    return before


def wrong_options_are_refused(lab):
    def refused(words, *options):
        done = run_command(program("turnoutd"), "--check-config", "--bridge", "br0", *options,
                           ok=False)
        check_equal(done.returncode, 2, str(options) + done.stderr)
        for word in words:
            check(word in done.stderr, "%r in %s" % (word, done.stderr))
    refused(["unknown driver 'magic'", "none, sim"], "--driver", "magic")
    refused(["unknown option 'colour'", "exact, tcam"], "--driver", "sim:colour=1")
    refused(["not KEY=VALUE"], "--driver", "sim:exact")
    refused(["given already"], "--driver", "sim", "--driver", "sim")
    refused(["No such file"], "--driver", "/nonexistent/d.so")
    refused(["driver 'sim' is not given"], "--port", "p1,driver=sim")
    refused(["clean keep"], "--on-exit", "maybe")
    refused(["0 to 3600"], "--restart-grace", "forever")
    text = run_command(program("turnoutd"), "--help").stdout
    check("sim: a simulated ASIC" in text and "tcam=N" in text, text)
    done = run_command(program("turnoutd"), "--rundir", lab.tmp, "--bridge", "br0",
                       "--driver", "sim:exact=many", ok=False)
    check(done.returncode == 1 and "exact" in done.stderr, done.stderr)


def without_a_driver_it_is_said(lab):
    lab.switch = Switch(lab, ["p1@1"])
    check_equal(devices(lab), [], "devices")
    done = lab.switch.ctl("hw", "entries", ok=False)
    check(done.returncode == 1 and "--driver" in done.stderr, done.stderr)
    done = lab.switch.ctl("add-port", "p3", "--driver", "sim", ok=False)
    check(done.returncode == 1 and "not given" in done.stderr, done.stderr)
    check_equal(lab.switch.ctl("hw", "nothing", ok=False).returncode, 2, "unknown subcommand")


def busy_flows_move_and_are_counted(lab):
    start(lab, "--listen", "ptcp:6653:127.0.0.1")
    lab.switch.ofctl("add-flow", FLOW + "output:2")
    why = explain(lab)
    check_equal((why["state"], why["reason"]["name"], why["entry"]),
                ("software", "not-worth-it", None), "explained before traffic")
    heat(lab)
    why = explain(lab)
    check_equal((why["state"], why["reason"], why["entry"]["actions"]), ("hardware", None, "output:2"),
                "explained in hardware")
    check_equal(why["entry"]["priority"], 10, "priority")
    wait_for(lambda: flow_packets(lab) == lab.sent, "flow statistics have all packets")
    table = devices(lab)[0]["tables"][0]
    check_equal((table["entries"], table["capacity"], table["foreign"]), (1, 1000, 0), "table")
    text = lab.switch.ctl("hw", "show").stdout
    check(re.search(r"sim:file=yes,exact=1000: active\n  table exact +\[#\.+\] 1 of 1000", text), text)
    check("forwarded in: hardware" in lab.switch.ctl("hw", "explain", PACKET).stdout, "as text")
    check(" hardware: packets=" in lab.switch.ctl("hw", "entries").stdout, "as text")


def why_not_is_explained(lab):
    lab.switch.ofctl("add-flow", "priority=20,in_port=1,dl_type=0x88b6,actions=controller")
    why = explain(lab, PACKET.replace("88b5", "88b6"))["reason"]
    check_equal((why["name"], why["action"]), ("output-special", "output"), "to the controller")
    check(why["summary"] and why["remedy"], why)
    why = explain(lab, PACKET.replace("88b5", "88b7"))["reason"]
    check_equal(why["name"], "table-miss", "no rule")
    lab.switch.ofctl("add-flow", "priority=20,in_port=3,actions=output:1")
    why = explain(lab, PACKET.replace("in_port=1", "in_port=3"))["reason"]
    check_equal(why["name"], "ingress-software", "a port without driver")
    done = lab.switch.ctl("hw", "explain", "colour=red", ok=False)
    check(done.returncode == 2 and "colour" in done.stderr, done.stderr)


def a_changed_flow_acts_after_the_barrier(lab):
    first, second = Capture(lab.hosts[1]), Capture(lab.hosts[0])
    with of.connect(lab) as peer:
        fields = of.match(in_port=1, dl_type=0x88b5)
        heat(lab)
        got(first, [lab.sent])
        peer.flow_mod(of.output(0xfff8), fields, priority=10)
        peer.barrier()
        got(second, send(lab, 50))
        peer.flow_mod(of.output(2), fields, priority=10)
        peer.barrier()
        last = send(lab, 50)
    early = got(first, last)
    check_equal([n for n in early if n > last[0] - 51], [], "frames of the redirected flow at host 2")
    first.close()
    second.close()


def faults_on_demand_and_by_plan(lab):
    """Counters that come late are right in the end; a device that refuses all says why."""
    def fault(what):
        done = lab.switch.ctl("hw", "fault", "sim", what, ok=False)
        return done.returncode, done.stderr
    heat(lab)
    check_equal(fault("count-late=300"), (0, ""), "late counters")
    send(lab)
    wait_for(lambda: flow_packets(lab) == lab.sent, "flow statistics have all packets")
    for what, word in (("stall=long", "'long'"), ("reset=1", "no value"), ("explode", "count-late=MS")):
        status, text = fault(what)
        check(status == 1 and word in text, text)
    start(lab, "--listen", "ptcp:6653:127.0.0.1", "--driver", "sim:plan=refuse:1000,seed=7")
    lab.switch.ofctl("add-flow", FLOW + "output:2")

    def refused():
        send(lab)
        why = explain(lab)["reason"]
        return why and why["name"] == "driver-refused" and "as asked for" in str(why)
    wait_for(refused, "the device refuses")
    check_equal(in_hardware(lab), [], "entries")
    done = run_command(program("turnoutd"), "--rundir", lab.tmp, "--bridge", "br0",
                       "--driver", "sim:plan=explode:1", ok=False)
    check(done.returncode == 1 and "explode" in done.stderr and "lose-ack" in done.stderr, done.stderr)
    start(lab, "--listen", "ptcp:6653:127.0.0.1")
    lab.switch.ofctl("add-flow", FLOW + "output:2")


def audits_find_and_mend(lab):
    def audit(*options):
        done = lab.switch.ctl("hw", "audit", *options, "--json", ok=False)
        return done.returncode, done.stdout
    def found(*options):
        """The sim says that something was lost, which also brings a repair by itself: the audit
        that was asked for may be later, and is tried again."""
        heat(lab)
        wait_for(lambda: audit()[0] == 0, "nothing differs")
        lab.switch.ctl("hw", "fault", "sim", "lose-now=1")
        status, text = audit(*options)
        return status == 1 and '"missing"' in text and '"count": 1' in text
    wait_for(found, "an audit finds the loss")
    wait_for(lambda: found("--repair"), "an audit finds the loss and repairs")
    wait_for(lambda: audit()[0] == 0 and in_hardware(lab), "it is repaired")
    check(devices(lab)[0]["repaired"] >= 1, "repairs are counted")
    done = lab.switch.ctl("hw", "fault", "sim", "explode", ok=False)
    check(done.returncode == 1 and "lose-now" in done.stderr, done.stderr)
    done = lab.switch.ctl("hw", "fault", "acme", "reset", ok=False)
    check(done.returncode == 1 and "acme" in done.stderr, done.stderr)


def kill(lab, *options):
    lab.switch.process.kill()
    lab.switch.process.wait()
    lab.switch.argv += options
    lab.switch.start()
    lab.sent = 0


def entries_outlive_a_crash(lab):
    heat(lab)
    kill(lab)
    wait_for(lambda: [e["state"] for e in entries(lab)] == ["limbo"], "the entry is in limbo")
    check_equal(devices(lab)[0]["limbo"], 1, "limbo")
    with Capture(lab.hosts[1]) as capture:
        got(capture, send(lab, 10))
    lab.switch.ofctl("add-flow", FLOW + "output:2")
    wait_for(lambda: len(in_hardware(lab)) == 1, "the entry is adopted")
    heat(lab)
    wait_for(lambda: lab.switch.ctl("hw", "audit", ok=False).returncode == 0, "nothing differs")
    lab.switch.ofctl("del-flows")
    wait_for(lambda: not in_hardware(lab), "the entry is gone")


def what_nobody_claims_goes(lab):
    lab.switch.ofctl("add-flow", FLOW + "output:2")
    heat(lab)
    kill(lab, "--restart-grace", "0")
    with of.connect(lab) as peer:
        peer.ports()
        wait_for(lambda: devices(lab)[0]["tables"][0]["entries"] == 0 and not in_hardware(lab),
                 "entries from before are gone")


def on_exit_keeps_or_cleans(lab):
    def left():
        """Entries in limbo after a clean end and a new start."""
        lab.switch.ofctl("add-flow", FLOW + "output:2")
        heat(lab)
        lab.switch.stop()
        lab.switch.start()
        lab.sent = 0
        wait_for(lambda: lab.switch.ctl("hw", "audit", ok=False).returncode != 2, "it was read")
        return devices(lab)[0]["limbo"]
    start(lab, "--on-exit", "keep", "--listen", "ptcp:6653:127.0.0.1")
    wait_for(lambda: left() == 1, "kept")
    start(lab, "--on-exit", "clean", "--listen", "ptcp:6653:127.0.0.1")
    check_equal(left(), 0, "cleaned")


if __name__ == "__main__":
    run(Lab(hosts=3), wrong_options_are_refused, without_a_driver_it_is_said,
        busy_flows_move_and_are_counted, faults_on_demand_and_by_plan, why_not_is_explained,
        a_changed_flow_acts_after_the_barrier, audits_find_and_mend, entries_outlive_a_crash,
        what_nobody_claims_goes, on_exit_keeps_or_cleans)
