#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""turnoutctl hw --direct: a device's tables as they are, beside turnoutd and without it. Nothing
that it does changes them."""

import hashlib
import json
import os
import shutil
import struct

from netns.lib import Lab, Switch, check, check_equal, program, run, run_command, wait_for
from netns.vendor import Installed

FRAME = bytes.fromhex("020000000002" "020000000001" "88b5") + bytes(46)
HEADER, RECORD = 40, 296      # drivers/sim/sim_record.h
MATCH_IN_PORT, ACTIONS = 16, 164


def direct(lab, *argv, driver="sim", ok=True):
    return run_command(program("turnoutctl"), "--control", lab.path("control"), "hw", "--direct",
                       driver, *argv, ok=ok)


def direct_json(lab, *argv, **options):
    done = direct(lab, *argv, "--json", **options)
    return json.loads(done.stdout), done.returncode


def table(lab):
    return lab.path("sim.table")


def digest(lab):
    with open(table(lab), "rb") as data:
        return hashlib.sha256(data.read()).hexdigest()


def it_looks_while_turnoutd_runs(lab):
    lab.switch = Switch(lab, ["p1@1,driver=sim", "p2@2,driver=sim"],
                        options=["--driver", "sim:file=yes,exact=100,tcam=20", "--on-exit", "keep"])
    lab.switch.ofctl("add-flow", "priority=10,in_port=1,dl_type=0x88b5,actions=output:2")
    def hot():
        lab.hosts[0].send("eth0", *[FRAME] * 100)
        found, _ = direct_json(lab, "entries")
        return found["entries"] and found["entries"][0]["packets"] >= 100
    wait_for(hot, "the file has the entry, and its packets")
    row = direct_json(lab, "entries")[0]["entries"][0]
    check_equal((row["device"], row["table"], row["state"], row["foreign"], row["priority"],
                 row["actions"]), ("sim", "exact", "hardware", False, 10, "output:2"), "row")
    check("in_port=1" in row["match"] and "dl_type=0x88b5" in row["match"], row)
    check_equal(direct(lab, "audit").stdout, "0 differences\n", "audit")
    check_equal(lab.switch.ctl("hw", "audit").returncode, 0, "turnoutd finds nothing changed")


def a_device_that_nobody_has_is_shown(lab):
    lab.switch.stop()
    before, at = digest(lab), os.stat(table(lab)).st_mtime_ns
    shown, _ = direct_json(lab, "show")
    check_equal((shown["schema"], shown["command"], shown["direct"]), ("turnout-hw/1", "direct-show", "sim"),
                "what it is")
    device = shown["devices"][0]
    check_equal([(t["name"], t["entries"], t["capacity"]) for t in device["tables"]],
                [("exact", 1, 100), ("tcam", 0, 20)], "tables, with the sizes that turnoutd gave them")
    check_equal(device["facts"], {"kind": "simulated ASIC"}, "facts")
    text = direct(lab, "show").stdout
    check(text.startswith("sim\n  table exact ") and "1 of 100" in text, text)
    check("sim/exact hardware: packets=" in direct(lab, "entries").stdout, "entries")
    capabilities, _ = direct_json(lab, "probe")
    check_equal(capabilities["devices"][0]["tables"][0]["fields"]["in_port"], "exact", "probe")
    check("field in_port" in direct(lab, "probe").stdout, "probe as text")
    check_equal(direct_json(lab, "audit"), ({"schema": "turnout-hw/1", "command": "direct-audit",
                                             "direct": "sim", "count": 0, "differences": []}, 0), "audit")
    check_equal((digest(lab), os.stat(table(lab)).st_mtime_ns), (before, at), "the file is as it was")


def another_file_can_be_named(lab):
    shutil.copy(table(lab), lab.path("copy"))
    found, _ = direct_json(lab, "entries", driver="sim:file=" + lab.path("copy"))
    check_equal(len(found["entries"]), 1, "entries")
    lab.switch.start()
    wait_for(lambda: lab.switch.ctl_json("hw", "show")["devices"][0]["limbo"]
             or lab.switch.ctl_json("hw", "show")["devices"][0]["tables"][0]["entries"],
             "turnoutd finds its entry again")
    lab.switch.stop()
    lab.switch = None


def faults_of_entries_are_found(lab):
    with open(table(lab), "rb") as data:
        good = data.read()
    check_equal((len(good) - HEADER) // 120, RECORD, "size of a record")
    used = [i for i in range(120) if struct.unpack_from("Q", good, HEADER + i * RECORD)[0]]
    check_equal(len(used), 1, "records in use")
    first, free = HEADER + used[0] * RECORD, HEADER + ((used[0] + 1) % 120) * RECORD

    def audited(change, *kinds, why=None):
        data = bytearray(good)
        change(data)
        with open(lab.path("broken"), "wb") as out:
            out.write(data)
        found, status = direct_json(lab, "audit", driver="sim:file=" + lab.path("broken"), ok=False)
        check_equal((status, found["count"], sorted(row["difference"] for row in found["differences"])),
                    (1, len(kinds), sorted(kinds)), "what is found")
        text = direct(lab, "audit", driver="sim:file=" + lab.path("broken"), ok=False)
        check(text.returncode == 1 and all(kind in text.stdout for kind in kinds), text.stdout)
        if why:
            check_equal(found["differences"][0]["why"], why, "why")

    def twice(data):
        data[free:free + RECORD] = data[first:first + RECORD]

    def to_nowhere(data):
        struct.pack_into("H", data, first + ACTIONS + 2, 0xff42)

    def from_nowhere(data):
        struct.pack_into("H", data, first + MATCH_IN_PORT, 0)

    def outside_of_the_mask(data):
        struct.pack_into("H", data, first + MATCH_IN_PORT + 22, 7)

    def enqueue(data):
        data[first + ACTIONS] = 1

    audited(twice, "duplicate", "duplicate-cookie")
    audited(to_nowhere, "bad-port")
    audited(from_nowhere, "bad-port")
    audited(outside_of_the_mask, "malformed")
    audited(enqueue, "misfit", why="output-queue")


def what_cannot_be_looked_at_is_said(lab):
    def refused(status, words, *argv, driver="sim"):
        done = direct(lab, *argv, driver=driver, ok=False)
        check_equal(done.returncode, status, done.stderr)
        check(words in done.stderr, "%r in %s" % (words, done.stderr))
    refused(1, "No such file", "show", driver="sim:file=/nonexistent/table")
    refused(2, "No such file", "audit", driver="sim:file=/nonexistent/table")
    with open(lab.path("short"), "wb") as out:
        out.write(b"no table")
    refused(1, "no table of the simulated ASIC", "entries", driver="sim:file=" + lab.path("short"))
    with open(lab.path("empty"), "wb"):
        pass
    refused(1, "it is empty", "entries", driver="sim:file=" + lab.path("empty"))
    refused(1, "unknown driver 'magic'; valid: sim", "show", driver="magic")
    refused(1, "unknown option 'colour'; valid: exact", "show", driver="sim:colour=red")
    refused(1, "No such file", "show", driver="/nonexistent/d.so")
    refused(2, "usage: turnoutctl hw --direct", "explain", "in_port=1")
    refused(2, "usage: turnoutctl hw --direct", "audit", "--repair")
    refused(2, "usage: turnoutctl hw --direct", "show", "--watch")
    done = run_command(program("turnoutctl"), "--direct", "sim", "show", ok=False)
    check(done.returncode == 2 and "'show' has no option --direct" in done.stderr, done.stderr)


def a_driver_that_cannot_only_look_is_left(lab):
    driver = Installed(lab).build(lab, "driver") + "/turnout-example.so"
    done = direct(lab, "show", driver=driver, ok=False)
    check(done.returncode == 1 and "can't open its device only to look" in done.stderr, done.stderr)


if __name__ == "__main__":
    run(Lab(hosts=2), it_looks_while_turnoutd_runs, a_device_that_nobody_has_is_shown,
        another_file_can_be_named, faults_of_entries_are_found, what_cannot_be_looked_at_is_said,
        a_driver_that_cannot_only_look_is_left)
