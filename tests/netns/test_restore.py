#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Flows saved to files and restored from them: the same flows, all or none, with the line at
fault, beside ovs-ofctl, and while controllers are served."""

import json
import os
import random
import re
import subprocess
import threading
import time

from netns import rawof
from netns.lib import Capture, Lab, Switch, check, check_equal, program, run, run_command, wait_for

MAX_FLOWS = 150000


def it_starts(lab):
    lab.switch = Switch(lab, ["p1@1", "p2@2", "p3@3"], listeners=["ptcp:6653:127.0.0.1"],
                        options=["--max-flows", str(MAX_FLOWS), "--inactivity-probe", "0"])
    lab.controller = rawof.connect(lab)


def write(lab, name, *lines):
    path = lab.path(name)
    with open(path, "w") as out:
        out.write("".join(line + "\n" for line in lines))
    return path


def lines_of(text):
    """Flows of a saved file or a dump, without comments, in any order."""
    return sorted(line.strip() for line in text.splitlines()
                  if line.strip() and not line.startswith("#"))


def saved(lab, *options):
    return lines_of(lab.switch.ctl("save-flows", *options).stdout)


def restore(lab, *argv, ok=True):
    return lab.switch.ctl("restore-flows", *argv, ok=ok)


VARIED = ["cookie=0x1f, idle_timeout=50, hard_timeout=600, send_flow_rem priority=7,in_port=1 "
          "actions=output:2,CONTROLLER:128",
          "cookie=0x0, ip,nw_src=10.0.0.0/8 actions=NORMAL",
          "cookie=0xffffffffffffffff, priority=0 actions=drop",
          "cookie=0x2, priority=65535,tcp,dl_vlan=5,dl_vlan_pcp=3,nw_tos=32,tp_dst=80 "
          "actions=mod_vlan_vid:7,mod_vlan_pcp:2,strip_vlan,mod_dl_src:02:00:00:00:00:09,"
          "mod_nw_dst:10.1.2.3,mod_nw_tos:64,mod_tp_src:1,IN_PORT",
          "cookie=0x0, priority=9,arp,arp_spa=10.0.0.1,arp_op=1 actions=FLOOD,ALL,LOCAL",
          "cookie=0x0, priority=9,icmp,icmp_type=8,icmp_code=0 actions=output:3",
          "cookie=0x0, priority=9,vlan_tci=0x0000 actions=output:3",
          "cookie=0x0, priority=9,dl_type=0x05ff actions=output:65279"]


def add_flows_without_wildcards(lab):
    """Of IPv4 and of a type whose network fields mean nothing, which only the wire tells from
    flows with wildcards there."""
    fields = dict(in_port=1, dl_src=rawof.mac("02:00:00:00:00:01"),
                  dl_dst=rawof.mac("02:00:00:00:00:02"), dl_vlan=0xffff, dl_vlan_pcp=0,
                  dl_type=0x800, nw_tos=0, nw_proto=6, nw_src=1, nw_dst=2, tp_src=3, tp_dst=4)
    lab.controller.flow_mod(rawof.output(2), rawof.match(wildcards=0, **fields), cookie=5)
    fields.update(dl_type=0x88cc)
    lab.controller.flow_mod(rawof.output(3), rawof.match(wildcards=0, **fields))
    fields.update(dl_type=0x806, nw_proto=1, dl_vlan=5, dl_vlan_pcp=3)
    lab.controller.flow_mod(rawof.output(2), rawof.match(wildcards=0, **fields))
    fields.update(dl_type=0x800, nw_proto=47)
    lab.controller.flow_mod(rawof.output(2), rawof.match(wildcards=0, **fields))


def exact_of(lab):
    return sorted(f["match"] for f in lab.switch.ctl_json("flows")["flows"] if f["exact"])


def what_was_saved_comes_back(lab):
    path = write(lab, "varied", *VARIED)
    done = restore(lab, path)
    check_equal(done.stdout, "bridge br0: 8 flows added, 0 changed, 0 unchanged, 0 deleted\n", "told")
    check_equal(saved(lab), sorted(VARIED), "what was put in")
    add_flows_without_wildcards(lab)
    lab.all = saved(lab)
    lab.exact = exact_of(lab)
    check_equal(len(lab.exact), 4, "flows without wildcards: %s" % lab.exact)
    path = lab.path("all")
    done = lab.switch.ctl("save-flows", "br0", path)
    check_equal((done.stdout, done.stderr), ("", ""), "quiet")
    with open(path) as source:
        text = source.read()
    check(text.startswith("# turnoutctl save-flows: bridge br0, 20"), text)
    check(text.endswith("# end of 12 flows\n"), text)
    check_equal(json.loads(lab.switch.ctl("save-flows", path, "--json").stdout),
                {"file": path, "flows": 12}, "told in JSON")
    check_equal(os.stat(path).st_mode & 0o777, 0o666 & ~os.umask(os.umask(0o22)), "mode")
    check_equal([n for n in os.listdir(lab.tmp) if n.startswith("all.")], [], "nothing is left")
    lab.switch.ofctl("del-flows")
    restore(lab, path)
    check_equal(saved(lab), lab.all, "after a restore")
    check_equal(exact_of(lab), lab.exact, "flows without wildcards")


MEANINGLESS = re.compile(r",(nw_(src|dst)=0\.0\.0\.0|(nw_proto|nw_tos|tp_src|tp_dst)=0)(?=[, ])")


def without_what_means_nothing(lines):
    """As nx_match has flows: it can't tell those without wildcards from others there."""
    return sorted(line if ",tcp," in line or "priority=9" in line else MEANINGLESS.sub("", line)
                  for line in lines)


def ofctl(lab, flow_format, command, *argv, ok=True):
    return lab.switch_ns.run("ovs-ofctl", "-F", flow_format, command, lab.switch.management, *argv,
                             ok=ok)


def ovs_ofctl_reads_it(lab):
    lab.switch.ofctl("del-flows")
    ofctl(lab, "OpenFlow10", "add-flows", lab.path("all"))
    check_equal(saved(lab), lab.all, "added by ovs-ofctl as 1.0")
    check_equal(exact_of(lab), lab.exact, "flows without wildcards")
    done = ofctl(lab, "OpenFlow10", "diff-flows", lab.path("all"), ok=False)
    check_equal(done.stdout, "", "ovs-ofctl diff-flows: " + done.stderr)
    lab.switch.ofctl("del-flows")
    ofctl(lab, "any", "add-flows", lab.path("all"))
    check_equal(without_what_means_nothing(saved(lab)), without_what_means_nothing(lab.all),
                "added by ovs-ofctl in its own dialect")


def what_ovs_ofctl_dumps_restores(lab):
    """A dump does not tell of send_flow_rem; all else is there."""
    wanted = sorted(line.replace("send_flow_rem ", "") for line in lab.all)
    restore(lab, lab.path("all"), "--replace")
    for options in (["--no-stats"], [], ["--no-names", "--no-stats"]):
        dump = write(lab, "dump", ofctl(lab, "OpenFlow10", "dump-flows", *options).stdout)
        lab.switch.ofctl("del-flows")
        restore(lab, dump)
        check_equal(saved(lab), wanted, "from dump-flows %s" % options)
        check_equal(exact_of(lab), lab.exact, "flows without wildcards")
        dump = write(lab, "dump", ofctl(lab, "any", "dump-flows", *options).stdout)
        lab.switch.ofctl("del-flows")
        restore(lab, dump)
        check_equal(without_what_means_nothing(saved(lab)), without_what_means_nothing(wanted),
                    "from its own dialect, %s" % options)
        restore(lab, lab.path("all"), "--replace")


def from_standard_input(lab):
    done = run_command(program("turnoutctl"), "--control", lab.switch.control, "restore-flows",
                       "--replace", "--json", stdin="# none\n\n  priority=3,ip actions=1 # last\n")
    told = json.loads(done.stdout)
    check_equal((told["state"], told["added"]), ("done", 1), "told: %s" % told)
    check_equal(saved(lab), ["cookie=0x0, priority=3,ip actions=output:1"], "flows")
    check_equal(lines_of(lab.switch.ctl("save-flows", "-").stdout), saved(lab), "save-flows -")


def hard_timeouts_may_be_what_is_left(lab):
    restore(lab, write(lab, "timeouts", "idle_timeout=70,hard_timeout=900,actions=1"), "--replace")
    wait_for(lambda: lab.switch.ctl_json("flows")["flows"][0]["duration_s"] >= 1.1, "a second passes")
    check_equal(saved(lab), ["cookie=0x0, idle_timeout=70, hard_timeout=900, actions=output:1"],
                "as configured")
    left = saved(lab, "--remaining")[0].split("hard_timeout=")[1].split(",")[0]
    check(890 <= int(left) <= 899, "what is left: " + left)


def emergency(lab):
    return sorted((f["match"], f["priority"], f["actions"])
                  for f in lab.switch.ctl_json("flows", "--table", "emergency")["flows"])


def emergency_flows_come_along(lab):
    """ovs-ofctl, which does not know them, passes them over."""
    lab.controller.flow_mod(rawof.output(3), rawof.match(in_port=1), priority=70, flags=rawof.EMERG)
    lab.controller.flow_mod(rawof.output(3), rawof.match(in_port=2), priority=71, flags=rawof.EMERG)
    wanted = emergency(lab)
    check_equal(len(wanted), 2, "emergency flows")
    path = lab.path("emergency")
    lab.switch.ctl("save-flows", path)
    main = saved(lab)
    check_equal(len(main), 1, "the main table: %s" % main)
    lab.controller.flow_mod(fields=rawof.match(), command=rawof.DELETE, flags=rawof.EMERG)
    lab.switch.ofctl("del-flows")
    lab.switch.ofctl("add-flows", path)
    check_equal((saved(lab), emergency(lab)), (main, []), "by ovs-ofctl")
    done = restore(lab, path)
    check("2 flows added, 0 changed, 1 unchanged" in done.stdout, done.stdout)
    check_equal((saved(lab), emergency(lab)), (main, wanted), "by restore-flows")
    done = restore(lab, path, "--replace", "--diff")
    check_equal(done.stderr, "0 to add, 0 to change, 0 to delete\n", "no difference is left")
    bad = write(lab, "bad", "emerg,priority=72,in_port=3,actions=1",
                "emerg,priority=70,in_port=1,actions=1", "emerg,hard_timeout=1,actions=1")
    refused(lab, bad, 1, "line 3: an emergency flow with a time-out")
    check_equal(emergency(lab), wanted, "undone there too")
    lab.controller.flow_mod(fields=rawof.match(), command=rawof.DELETE, flags=rawof.EMERG)


# --- counters, differences -------------------------------------------------------------------


def frame(number):
    return bytes.fromhex("0200000000ff" "0200000000%02x" "88b5" % number) + bytes(46)


def flow_packets(lab):
    return {f["priority"]: f["packets"] for f in lab.switch.ctl_json("flows")["flows"]}


def only_what_differs_is_touched(lab):
    restore(lab, write(lab, "old", "priority=1,in_port=1,actions=2", "priority=2,in_port=2,actions=1",
                       "priority=3,send_flow_rem,in_port=3,actions=1",
                       "priority=4,idle_timeout=100,dl_type=0x88b6,actions=1"), "--replace")
    with Capture(lab.hosts[1]) as capture:
        for _ in range(3):
            lab.hosts[0].send("eth0", frame(1))
            capture.expect(lambda data: data == frame(1), "the frame")
    check_equal(flow_packets(lab)[1], 3, "packets")
    new = write(lab, "new", "priority=1,in_port=1,actions=3,2", "priority=2,in_port=2,actions=1",
                "priority=4,idle_timeout=200,dl_type=0x88b6,actions=1", "priority=5,arp,actions=all")
    done = restore(lab, new, "--replace", "--diff")
    check_equal(done.stdout.splitlines(),
                ["-cookie=0x0, priority=1,in_port=1 actions=output:2",
                 "+cookie=0x0, priority=1,in_port=1 actions=output:3,output:2",
                 "-cookie=0x0, idle_timeout=100, priority=4,dl_type=0x88b6 actions=output:1",
                 "+cookie=0x0, idle_timeout=200, priority=4,dl_type=0x88b6 actions=output:1",
                 "+cookie=0x0, priority=5,arp actions=ALL",
                 "-cookie=0x0, send_flow_rem priority=3,in_port=3 actions=output:1"], "the difference")
    check_equal(done.stderr, "1 to add, 2 to change, 1 to delete\n", "its sum")
    rows = [json.loads(line) for line in
            restore(lab, new, "--diff", "--json").stdout.splitlines()]
    check_equal([row.get("op") for row in rows], ["change", "change", "add", None],
                "without --replace: %s" % rows)
    check_equal(rows[-1]["sum"], {"add": 1, "change": 2, "delete": 0}, "its sum")
    check_equal(rows[0]["line"], 1, "the line")
    lab.controller.barrier()   # what was told before is read, and forgotten
    lab.controller.kept = []
    done = restore(lab, new, "--replace")
    check_equal(done.stdout, "bridge br0: 1 flows added, 2 changed, 1 unchanged, 1 deleted\n", "told")
    removed = rawof.unpack_flow_removed(lab.controller.wait_for(rawof.FLOW_REMOVED))
    check_equal((removed["priority"], removed["reason"]), (3, 2), "FLOW_REMOVED of the deleted flow")
    check_equal(flow_packets(lab)[1], 3, "counters stay where only the actions differ")
    with Capture(lab.hosts[2]) as capture:   # at once: as after a barrier
        lab.hosts[0].send("eth0", frame(2))
        capture.expect(lambda data: data == frame(2), "the frame at its new port")
    check_equal(restore(lab, new, "--replace", "--diff").stdout, "", "no difference is left")


# --- refusals ----------------------------------------------------------------------------


def refused(lab, path, status, *words, options=()):
    """The file is refused with every word, and nothing has changed."""
    before = saved(lab), flow_packets(lab)
    done = restore(lab, path, *options, ok=False)
    check_equal(done.returncode, status, "status for %s: %s" % (path, done.stderr))
    for word in words:
        check(word in done.stderr, "%r is in %r" % (word, done.stderr))
    check_equal((saved(lab), flow_packets(lab)), before, "the table")


def what_is_wrong_is_said_with_its_line(lab):
    good = ["priority=%d,arp,actions=1" % n for n in range(100, 400)]
    for flow, status, *words in (
            ("in_prot=1,actions=1", 2, "in_prot at 1: no such field"),
            ("priority=1,ip", 2, "actions=... is missing"),
            ("tp_dst=80,actions=1", 2, "tp_dst at 1: needs tcp, udp or icmp"),
            ("actions=output:nowhere", 2, "nowhere"),
            ("actions=table", 1, "output to TABLE from a flow"),
            ("priority=70000,actions=1", 2, "70000"),
            ("emerg,idle_timeout=5,actions=1", 1, "an emergency flow with a time-out")):
        path = write(lab, "wrong", *good, "", "# a comment", flow, *good)
        refused(lab, path, status, path + ": line 303: ", *words)
    refused(lab, write(lab, "wrong", "actions=1", "x" * 50000), 1, "wrong:2: the line is too long")
    with open(lab.path("wrong"), "wb") as out:
        out.write(b"actions=1\nactions=\xff\n")
    refused(lab, lab.path("wrong"), 1, "wrong:2: not UTF-8")
    refused(lab, lab.path("none"), 1, lab.path("none") + ": No such file or directory")
    refused(lab, lab.tmp, 1, "Is a directory")
    with open(lab.path("all")) as source:
        text = source.readlines()
    refused(lab, write(lab, "cut", *[line.strip() for line in text[:-1]]), 1, "is cut off")
    refused(lab, write(lab, "cut", *[line.strip() for line in text[:3] + text[4:]]), 1, "missing")
    check_equal(lab.switch.ctl("restore-flows", "br7", "x", ok=False).returncode, 1, "no such bridge")
    check_equal(lab.switch.ctl("save-flows", lab.path("no/dir"), ok=False).returncode, 1, "no folder")
    check_equal(lab.switch.ctl("show", "--replace", ok=False).returncode, 2, "another's option")


def too_many_masks_are_undone(lab):
    """The 4097th mask is refused in the middle: flows that were added, changed and deleted
    before are as they were, those that were changed with their counters."""
    masks = ["priority=%d,ip,nw_src=%s/%d,nw_dst=%s/%d%s,actions=1"
             % (1000, "10.0.0.0", a, "11.0.0.0", b, extra)
             for extra in ("", ",in_port=1", ",nw_tos=4", ",nw_proto=50", ",dl_vlan=5")
             for a in range(1, 33) for b in range(1, 33)]
    check(len(masks) > 4200, "masks")
    path = write(lab, "masks", "priority=1,in_port=1,actions=1", "priority=8,arp,actions=1", *masks)
    before = lab.switch.counters()["restore_undone"]
    refused(lab, path, 1, path + ": line 4", "masks; nothing was changed")
    refused(lab, path, 1, "nothing was changed", options=["--replace"])
    check_equal(lab.switch.counters()["restore_undone"] - before, 2, "counted")
    check_equal(lab.switch.counters()["restore_not_undone"], 0, "all could be undone")


def a_full_table_is_told_before_anything_is_done(lab):
    lines = ["priority=9,ip,nw_dst=10.%d.%d.%d,actions=1" % (n >> 16, n >> 8 & 255, n & 255)
             for n in range(MAX_FLOWS)]
    path = write(lab, "full", *lines)
    n = len(saved(lab))
    refused(lab, path, 1, "the table would have %d flows, and may have %d"
            % (MAX_FLOWS + n, MAX_FLOWS))
    refused(lab, write(lab, "more", *lines, "actions=2"), 1, "line %d: more flows than the table"
            % (MAX_FLOWS + 1))


# --- many ----------------------------------------------------------------------------------


def rss_kib(lab):
    with open("/proc/%d/status" % lab.switch.process.pid) as source:
        return int(source.read().split("VmRSS:")[1].split()[0])


def many_flows_while_a_controller_is_served(lab):
    """A full table replaces another one, which takes deletions first; echoes are answered
    in between."""
    choice = random.Random(7)
    lines = ["priority=%d,ip,nw_dst=10.%d.%d.%d,actions=output:%d"
             % (choice.randrange(1, 60000), n >> 16, n >> 8 & 255, n & 255, choice.randrange(1, 4))
             for n in range(MAX_FLOWS)]
    path = write(lab, "many", *lines)
    restore(lab, path, "--replace")
    check_equal(lab.switch.ctl_json("show")["bridges"][0]["flows"]["count"], MAX_FLOWS, "flows")
    began = time.monotonic()
    lab.switch.ctl("save-flows", lab.path("many.saved"))
    print("# %d flows saved in %.1f s" % (MAX_FLOWS, time.monotonic() - began))
    size = rss_kib(lab)
    others = write(lab, "others", *[line.replace("nw_dst=10.", "nw_dst=11.") for line in lines])
    longest, stop = [0.0, 0], threading.Event()

    def keep_asking():
        while not stop.is_set():
            begin = time.monotonic()
            lab.controller.ask(rawof.ECHO_REQUEST, b"are you there?")
            longest[0] = max(longest[0], time.monotonic() - begin)
            longest[1] += 1
    thread = threading.Thread(target=keep_asking)
    thread.start()
    try:
        for name, text in ((others, "%d flows added, 0 changed, 0 unchanged, %d deleted"),
                           (lab.path("many.saved"), "%d flows added, 0 changed, 0 unchanged, %d deleted")):
            began = time.monotonic()
            done = restore(lab, name, "--replace")
            took = time.monotonic() - began
            print("# %d flows replaced in %.1f s" % (MAX_FLOWS, took))
            check(text % (MAX_FLOWS, MAX_FLOWS) in done.stdout, done.stdout)
    finally:
        stop.set()
        thread.join()
    print("# %d echoes meanwhile, the slowest took %.0f ms; %d MiB more memory"
          % (longest[1], longest[0] * 1000, (rss_kib(lab) - size) // 1024))
    check(longest[1] > 50, "echoes: %d" % longest[1])
    check(longest[0] < max(2.0, took / 4), "the slowest echo took %g s" % longest[0])
    check(rss_kib(lab) - size < 400 * 1024, "memory grew by %d KiB" % (rss_kib(lab) - size))
    done = restore(lab, path, "--replace", "--diff")
    check_equal((done.stdout, done.stderr), ("", "0 to add, 0 to change, 0 to delete\n"), "the same")


def who_goes_while_staging_leaves_nothing(lab):
    control = subprocess.Popen([program("turnoutctl"), "--control", lab.switch.control,
                                "restore-flows", "--replace"], stdin=subprocess.PIPE)
    lab.processes.append(("ctl", control, os.devnull))
    control.stdin.write(b"actions=drop\n" * 20000)
    control.stdin.flush()
    control.kill()
    control.wait()
    control.stdin.close()
    check_equal(lab.switch.ctl_json("show")["bridges"][0]["flows"]["count"], MAX_FLOWS, "flows")


def it_stops_while_one_runs(lab):
    """With a restore in the middle, and another staged, the daemon ends in peace."""
    process = subprocess.Popen([program("turnoutctl"), "--control", lab.switch.control,
                                "restore-flows", "--replace", lab.path("others")],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: lab.switch.ctl_json("show")["bridges"][0]["flows"]["count"] != MAX_FLOWS
             or process.poll() is not None, "it runs")
    lab.switch.stop()
    process.wait()


if __name__ == "__main__":
    run(Lab(hosts=3), it_starts, what_was_saved_comes_back, ovs_ofctl_reads_it,
        what_ovs_ofctl_dumps_restores, from_standard_input, hard_timeouts_may_be_what_is_left,
        emergency_flows_come_along, only_what_differs_is_touched, what_is_wrong_is_said_with_its_line, too_many_masks_are_undone,
        a_full_table_is_told_before_anything_is_done, many_flows_while_a_controller_is_served,
        who_goes_while_staging_leaves_nothing, it_stops_while_one_runs)
