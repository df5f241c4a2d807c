#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""turnoutctl hw probe and hw diff: what a device can do, and how hosts differ in it."""

import json
import re

from netns.lib import Lab, Switch, check, check_equal, program, run, run_command

PORTS = ["p1@1,driver=sim", "p2@2,driver=sim"]


def start(lab, options):
    if getattr(lab, "switch", None):
        lab.switch.stop()
    lab.switch = Switch(lab, PORTS, options=["--driver", options])


def save(lab, name):
    """The probe of the running switch, in a file."""
    with open(lab.path(name), "w", encoding="utf-8") as out:
        out.write(lab.switch.ctl("hw", "probe", "--json").stdout)
    return lab.path(name)


def diff(lab, *names):
    done = lab.switch.ctl("hw", "diff", *names, ok=False)
    return done.returncode, done.stdout.splitlines(), done.stderr


def a_probe_says_what_the_driver_declares(lab):
    start(lab, "sim:exact=1000,tcam=16,masks=4,max-outputs=3,without=nw_tos,without=set-nw-tos")
    probe = lab.switch.ctl_json("hw", "probe")
    check_equal((probe["schema"], probe["command"]), ("turnout-hw/1", "probe"), "schema")
    device, = probe["devices"]
    exact, tcam = device["tables"]
    check_equal([exact[k] for k in ("name", "capacity", "max_masks", "max_actions", "max_outputs")],
                ["exact", 1000, 4, 16, 3], "limits of the exact table")
    check_equal((tcam["name"], tcam["capacity"], tcam["max_masks"], tcam["priorities"]),
                ("tcam", 16, None, True), "limits of the TCAM")
    check_equal([exact["fields"][f] for f in ("in_port", "nw_src", "nw_tos")],
                ["exact", "exact", "none"], "fields of the exact table")
    check_equal([tcam["fields"][f] for f in ("in_port", "nw_src", "nw_tos")],
                ["mask", "mask", "none"], "fields of the TCAM")
    check_equal((exact["required"], len(exact["fields"])), (["in_port"], 13), "fields")
    check_equal([exact["actions"][a] for a in ("output", "enqueue", "set-nw-tos", "set-dl-src")],
                ["yes", "no", "no", "yes"], "actions")
    check_equal(exact["outputs"], {"port": True, "in-port": True, "other-device": False,
                                   "nowhere": True}, "outputs")


def people_get_a_matrix(lab):
    text = lab.switch.ctl("hw", "probe", "sim").stdout
    for line in (r"sim:exact=1000\S*: ports: any, changes a second: unknown",
                 r"  TABLE +exact +tcam", r"  capacity +1000 +16", r"  distinct masks +4 +any",
                 r"  field in_port +exact, always +mask, always", r"  field nw_tos +none +none",
                 r"  action set-nw-tos +no +no", r"  output to nowhere +yes +yes"):
        check(re.search("^" + line + "$", text, re.M), "%s in %s" % (line, text))
    done = lab.switch.ctl("hw", "probe", "acme", ok=False)
    check(done.returncode == 1 and "'acme'" in done.stderr, done.stderr)


def hosts_are_compared(lab):
    a = save(lab, "a.json")
    check_equal(diff(lab, a), (0, [], ""), "a host with itself")
    check_equal(diff(lab, a, a), (0, [], ""), "a file with itself")
    start(lab, "sim:exact=1000,tcam=32,masks=4,max-outputs=3,without=nw_tos,without=set-dl-src")
    b = save(lab, "b.json")
    status, lines, _ = diff(lab, a)
    check_equal((status, lines), (1, [
        "sim/exact: action set-dl-src: yes in %s, no in this host" % a,
        "sim/exact: action set-nw-tos: no in %s, yes in this host" % a,
        "sim/tcam: capacity: 16 in %s, 32 in this host" % a,
        "sim/tcam: action set-dl-src: yes in %s, no in this host" % a,
        "sim/tcam: action set-nw-tos: no in %s, yes in this host" % a]), "differences")
    lab.switch.stop()
    check_equal(diff(lab, a, b)[:2], (1, [line.replace("this host", b) for line in lines]),
                "two files need no daemon")
    rows = json.loads(lab.switch.ctl("hw", "diff", a, b, "--json", ok=False).stdout)
    check_equal((rows["schema"], rows["a"], rows["b"], len(rows["differences"])),
                ("turnout-hw/1", a, b, 5), "as JSON")
    check_equal(rows["differences"][2], {"driver": "sim", "table": "tcam", "what": "capacity",
                                         "a": "16", "b": "32"}, "a row")


def what_only_one_has_is_said(lab):
    with open(lab.path("a.json"), encoding="utf-8") as text:
        probe = json.load(text)
    probe["devices"][0]["tables"].pop()
    probe["devices"].append({**probe["devices"][0], "driver": "acme"})
    with open(lab.path("c.json"), "w", encoding="utf-8") as out:
        json.dump(probe, out)
    a, c = lab.path("a.json"), lab.path("c.json")
    check_equal(diff(lab, a, c)[:2], (1, ["sim/tcam: table: only in " + a,
                                         "acme: device: only in " + c]), "only in one")


def wrong_files_are_named(lab):
    def refused(words, *names, stdin=None):
        done = run_command(program("turnoutctl"), "--control", lab.path("none"), "hw", "diff",
                           *names, ok=False, stdin=stdin)
        check_equal((done.returncode, done.stdout), (2, ""), done.stderr)
        for word in words:
            check(word in done.stderr, "%r in %s" % (word, done.stderr))
    good = lab.path("a.json")
    for text, words in (("{\n\"devices\": [,]}", [":2: "]), ("[]", ["hw probe --json"]),
                        ("{\"devices\": []}", ["hw probe --json"]),
                        ('{"schema": "turnout-hw/9", "command": "probe", "devices": []}',
                         ["turnout-hw/9", "turnout-hw/1"]),
                        ('{"schema": "turnout-hw/1", "command": "probe", "devices": [{}]}',
                         ["hw probe --json"])):
        with open(lab.path("bad.json"), "w", encoding="utf-8") as out:
            out.write(text)
        refused([lab.path("bad.json"), *words], good, lab.path("bad.json"))
    refused(["nowhere.json", "No such file"], lab.path("nowhere.json"), good)
    refused(["not running"], good)
    refused(["only one"], "-", "-")
    refused(["standard input:1: "], good, "-", stdin="{")
    refused(["usage: turnoutctl hw diff FILE [FILE]"])


if __name__ == "__main__":
    run(Lab(hosts=2), a_probe_says_what_the_driver_declares, people_get_a_matrix,
        hosts_are_compared, what_only_one_has_is_said, wrong_files_are_named)
