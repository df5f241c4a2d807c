#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What turnoutctl hw --json prints is what schemas/turnout-hw-1.json says: all of it, no member
that is not in there, and nothing that a program would trip over if it were not."""

import copy
import json
import os
import re
import signal
import subprocess

import jsonschema

from netns.hw import Flow
from netns import rawof as of
from netns.lib import DEADLINE, SOURCE, Lab, Switch, check, check_equal, program, run, wait_for

PORTS = ["p1@1,driver=sim", "p2@2,driver=sim", "p3@3"]
LISTEN = ["ptcp:6653:127.0.0.1"]
DIRECT = {"direct-show", "direct-entries", "direct-audit"}
COMMANDS = {"show", "entries", "explain", "watch", "capture", "policy", "plan", "probe", "diff", "doctor",
            "fault", "audit"}


def start(lab, ports, *options):
    if getattr(lab, "switch", None):
        lab.switch.stop()
    lab.switch = Switch(lab, ports, listeners=LISTEN, options=options)


def strict(schema):
    """The same, but members that it does not name are refused."""
    if isinstance(schema, dict):
        schema = {key: strict(value) if key != "properties" else
                  {name: strict(member) for name, member in value.items()}
                  for key, value in schema.items()}
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    elif isinstance(schema, list):
        schema = [strict(part) for part in schema]
    return schema


def problems(lab, document):
    return [e.message[:300] for e in jsonschema.Draft202012Validator(lab.strict).iter_errors(document)]


def valid(lab, text, command):
    """The document that the text is."""
    document = json.loads(text)
    check_equal((document.get("schema"), document.get("command")), ("turnout-hw/1", command), text[:200])
    definition = {**lab.strict["$defs"][command], "$defs": lab.strict["$defs"]}
    wrong = [(e.json_path, e.message[:300])
             for e in jsonschema.Draft202012Validator(definition).iter_errors(document)]
    check_equal(wrong, [], command)
    check_equal(problems(lab, document), [], "as a whole")
    lab.seen.setdefault(command, []).append(document)
    return document


def ask(lab, command, *args):
    return valid(lab, lab.switch.ctl("hw", command, *args, "--json", ok=False).stdout, command)


def the_schema_is_one(lab):
    with open(os.path.join(SOURCE, "schemas/turnout-hw-1.json"), encoding="utf-8") as text:
        schema = json.load(text)
    jsonschema.Draft202012Validator.check_schema(schema)
    lab.strict, lab.seen = strict(schema), {}
    check_equal({part["$ref"].split("/")[-1] for part in schema["oneOf"]}, COMMANDS | DIRECT, "commands")
    start(lab, ["p1@1"])
    done = lab.switch.ctl("hw", "nothing", ok=False)
    check_equal(set(done.stderr.split("valid: ")[1].split()), COMMANDS, "commands of the tool")


def without_a_driver(lab):
    check_equal(ask(lab, "show")["devices"], [], "devices")
    check_equal(ask(lab, "probe")["devices"], [], "devices")


def flows_and_why_they_are_where_they_are(lab):
    start(lab, PORTS, "--driver", "sim:file=yes,exact=8,tcam=2,without=set-nw-tos")
    lab.flows = [Flow(lab, 1, 1, 2) for _ in range(4)]
    with of.connect(lab) as peer:
        for cookie, flow in enumerate(lab.flows):
            peer.flow_mod(of.output(2), flow.match(), cookie=cookie)
        wait_for(lambda: [e["state"] for e in ask(lab, "entries")["entries"]] == ["hardware"] * 4,
                 "flows are in hardware")
        ask(lab, "fault", "sim", "refuse=2")
        peer.flow_mod(of.output(2), Flow(lab, 1, 1, 2).match(), cookie=9)
        wait_for(lambda: "refused" in [e["state"] for e in ask(lab, "entries")["entries"]],
                 "one is refused")
        peer.flow_mod(of.output(0xFFFD),
                      of.match(in_port=1, dl_type=0x88b5), cookie=10)
        peer.flow_mod(of.output(1), of.match(in_port=3), cookie=11)
        peer.barrier()
    lab.flows[0].send(3)
    wait_for(lambda: any(e["packets"] for e in ask(lab, "entries", "br0")["entries"]), "counters")
    check_equal(ask(lab, "explain", lab.flows[0].key())["state"], "hardware", "in hardware")
    check_equal(ask(lab, "explain", "in_port=1,dl_type=0x88b5")["reason"]["name"], "output-special", "why")
    check_equal(ask(lab, "explain", "in_port=3")["reason"]["name"], "ingress-software", "why")
    check_equal(ask(lab, "explain", "in_port=2")["policy"], None, "no flow, no policy")
    check_equal(ask(lab, "explain", "--cookie=1")["flows"]["hardware"], 1, "flows of a cookie")
    check(ask(lab, "explain", "--all")["flows"]["reasons"], "why some are not in hardware")


def policies_and_plans(lab):
    ask(lab, "policy", "show")
    ask(lab, "policy", "set", "sw-only,cookie=0x10/0xf0")
    ask(lab, "policy", "set", "prefer-hw,allow-uncounted=yes")
    check_equal(len(ask(lab, "show")["policies"]), 1, "policies")
    ask(lab, "policy", "del", "cookie=0x10/0xf0")
    with open(lab.path("flows"), "w", encoding="utf-8") as out:
        out.write("in_port=1,actions=output:2\nin_port=2,actions=mod_nw_tos:4,output:1\n"
                  "actions=output:1\nin_port=3,actions=normal\n")
    check_equal(len(ask(lab, "plan", lab.path("flows"))["flows"]), 4, "flows")


def devices_and_differences(lab):
    ask(lab, "show")
    probe = ask(lab, "probe", "sim")
    probe["devices"][0]["tables"][0]["fields"]["nw_src"] = "prefix"
    probe["devices"][0]["tables"].pop()
    with open(lab.path("probe.json"), "w", encoding="utf-8") as out:
        json.dump(probe, out)
    check_equal(len(ask(lab, "diff", lab.path("probe.json"))["differences"]), 2, "differences")
    check_equal(ask(lab, "diff", lab.path("probe.json"), lab.path("probe.json"))["differences"], [],
                "none")


def devices_past_turnoutd(lab):
    def look(command):
        done = lab.switch.ctl("hw", "--direct", "sim:tcam=2", command, "--json", ok=False)
        return valid(lab, done.stdout, command if command == "probe" else "direct-" + command)
    check_equal(len(look("show")["devices"]), 1, "devices")
    check_equal(len(look("probe")["devices"]), 1, "devices")
    wait_for(lambda: look("entries")["entries"], "entries")
    check_equal(look("audit")["count"], 0, "differences")


def ports_and_what_is_in_their_way(lab):
    check_equal(len(ask(lab, "doctor")["ports"]), 3, "ports")
    done = lab.switch_ns.run(program("turnoutctl"), "hw", "doctor", "--direct", "p3", "--json", ok=False)
    check(valid(lab, done.stdout, "doctor")["blocking"] >= 1, "findings")


def audits(lab):
    wait_for(lambda: ask(lab, "audit")["count"] == 0, "nothing differs")

    def found():
        wait_for(lambda: ask(lab, "audit")["count"] == 0, "nothing differs")
        ask(lab, "fault", "sim", "lose-now=1")
        return ask(lab, "audit", "--repair")["differences"]
    wait_for(found, "an audit sees a loss")


def lists_that_are_watched(lab):
    for command in ("show", "entries"):
        with subprocess.Popen([program("turnoutctl"), "--control", lab.switch.control, "hw", command,
                               "--watch=0.1", "--json"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE) as process:
            lines = [process.stdout.readline() for _ in range(3)]
            process.send_signal(signal.SIGINT)
            process.stdout.read()
            check_equal(process.wait(DEADLINE), 0, "status")
        for line in lines:
            valid(lab, line, command)
        check(re.search(rb'_per_s": ?[0-9]', lines[2]), "rates: %s" % lines[2])
    done = lab.switch.ctl("hw", "watch", "--interval=0.1", "--count=3", "--json")
    for line in done.stdout.splitlines():
        valid(lab, line, "watch")


def packets_that_are_captured(lab):
    with subprocess.Popen([program("turnoutctl"), "--control", lab.switch.control, "hw", "capture",
                           "in_port=1", "--json", "--count=1", "--seconds=60"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        process.stderr.readline(), process.stderr.readline()
        lab.flows[0].send(3)
        valid(lab, process.stdout.readline(), "capture")
        process.stderr.read()
        check_equal(process.wait(DEADLINE), 0, "status")

    def back():
        lab.flows[0].send(40)
        return ask(lab, "explain", lab.flows[0].key())["state"] == "hardware"
    wait_for(back, "the flow is in hardware again")


def limbo(lab):
    wait_for(lambda: ask(lab, "audit")["count"] == 0, "nothing differs")
    lab.switch.process.kill()
    lab.switch.process.wait()
    lab.switch.start()
    wait_for(lambda: ask(lab, "show")["devices"][0]["limbo"], "entries in limbo")
    check("limbo" in [e["state"] for e in ask(lab, "entries")["entries"]], "a state of entries")


def places(value, path=()):
    """Where in a document there are members that have to be there."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield (*path, key)
            yield from places(member, (*path, key))
    elif isinstance(value, list) and value:
        yield from places(value[0], (*path, 0))


def what_is_wrong_is_found(lab):
    """Every member that is taken away, or has another type, is missed."""
    check_equal(set(lab.seen), COMMANDS | DIRECT, "commands that were seen")
    optional = re.compile(r"_per_s$|^(difference|policies|running|bridges|bridge)$")
    open_names = ("fields", "actions", "reasons", "outputs", "facts")
    tried = 0
    for command in sorted(lab.seen):
        document = max(lab.seen[command], key=lambda d: len(json.dumps(d)))
        for path in places(document):
            if len(path) > 1 and path[-2] in open_names:
                continue
            for change in ("gone", "other"):
                if change == "gone" and optional.search(str(path[-1])):
                    continue
                broken = copy.deepcopy(document)
                at = broken
                for step in path[:-1]:
                    at = at[step]
                if change == "gone":
                    del at[path[-1]]
                else:
                    at[path[-1]] = [[["wrong"]]]
                check(problems(lab, broken), "%s without a right %s is valid" % (command, path))
                tried += 1
    check(tried > 200, "tried %d" % tried)


if __name__ == "__main__":
    run(Lab(hosts=3), the_schema_is_one, without_a_driver, flows_and_why_they_are_where_they_are,
        policies_and_plans, devices_and_differences, devices_past_turnoutd,
        ports_and_what_is_in_their_way, audits, lists_that_are_watched, packets_that_are_captured, limbo,
        what_is_wrong_is_found)
