#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""turnoutctl hw plan: where the flows of a file would go, without a change anywhere."""

from netns.lib import Lab, Switch, check, check_equal, program, run, run_command

PORTS = ["p1@1,driver=sim", "p2@2,driver=sim", "p3@3"]


def start(lab, options):
    if getattr(lab, "switch", None):
        lab.switch.stop()
    lab.switch = Switch(lab, PORTS, options=["--driver", options])


def exact(number, actions="output:2", in_port=1):
    """A flow without wildcards."""
    return ("in_port=%d,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,dl_vlan=5,"
            "dl_vlan_pcp=0,dl_type=0x0800,nw_proto=17,nw_tos=0,nw_src=10.0.0.1,nw_dst=10.0.0.2,"
            "tp_src=7,tp_dst=%d,actions=%s" % (in_port, number, actions))


def write(lab, *lines):
    path = lab.path("flows")
    with open(path, "w", encoding="utf-8") as out:
        out.write("\n".join(lines) + "\n")
    return path


def plan(lab, *lines):
    return lab.switch.ctl_json("hw", "plan", write(lab, *lines))


def where(row):
    return [(o["ports"], o["device"] and o["device"] + "/" + o["table"],
             o["reason"] and o["reason"]["name"]) for o in row["outcomes"]]


def tables(result):
    return [(t["name"], t["now"], t["added"], t["evicted"], t["expected"]) for t in result["tables"]]


def device(lab):
    return lab.switch.ctl_json("hw", "show")["devices"]


def exact_rules_fill_tables_in_their_order(lab):
    start(lab, "sim:exact=8,tcam=2,without=set-nw-tos")
    before = device(lab), lab.switch.flows()
    result = plan(lab, *[exact(i) for i in range(12)], "# a comment",
                  exact(99, "mod_nw_tos:4,output:2"), exact(98, "output:3"),
                  exact(97, "output:1", in_port=3))
    check_equal((result["schema"], result["command"]), ("turnout-hw/1", "plan"), "schema")
    check_equal([row["line"] for row in result["flows"]], [*range(1, 13), 14, 15, 16], "lines")
    check_equal([where(row) for row in result["flows"]],
                [[([1], "sim/exact", None)]] * 8 + [[([1], "sim/tcam", None)]] * 2
                + [[([1], None, "table-full")]] * 2 + [[([1], None, "action-unsupported")],
                                                       [([1], None, "output-special")],
                                                       [([3], None, "ingress-software")]], "places")
    check_equal(result["flows"][12]["outcomes"][0]["reason"]["action"], "set-nw-tos", "action at fault")
    check_equal(tables(result), [("exact", 0, 8, 0, 0), ("tcam", 0, 2, 0, 0)], "tables")
    check_equal(result["reasons"], {"table-full": 2, "action-unsupported": 1, "output-special": 1,
                                    "ingress-software": 1}, "histogram")
    check_equal((result["at_once"], result["with_traffic"]),
                ({"hardware": 10, "partly": 0, "software": 5},
                 {"hardware": 0, "partly": 0, "software": 0}), "sums")
    check_equal((device(lab), lab.switch.flows()), before, "nothing has changed")


def what_is_there_counts(lab):
    lab.switch.ofctl("add-flow", exact(1))
    lab.switch.ofctl("add-flow", exact(50))
    check_equal([t["entries"] for t in device(lab)[0]["tables"]], [2, 0], "entries")
    before = device(lab)
    result = plan(lab, *[exact(i) for i in range(12)])
    check_equal([row["outcomes"][0]["there"] for row in result["flows"][:3]], [False, True, False],
                "which are there")
    check_equal(tables(result), [("exact", 2, 6, 0, 0), ("tcam", 0, 2, 0, 0)], "tables")
    check_equal(device(lab), before, "nothing has changed")
    lab.switch.ofctl("del-flows")


def rules_with_wildcards_wait_for_traffic(lab):
    result = plan(lab, "priority=10,dl_type=0x0800,actions=output:2",
                  "priority=9,in_port=1,actions=mod_nw_tos:4,output:2",
                  "priority=8,in_port=2,actions=output:1")
    check_equal([(where(row), row["at_once"], row["state"]) for row in result["flows"]],
                [([([1, 2], "sim/exact", None), ([3], None, "ingress-software")], False, "partly"),
                 ([([1], None, "action-unsupported")], False, "software"),
                 ([([2], "sim/exact", None)], False, "hardware")], "places")
    check_equal(tables(result), [("exact", 0, 0, 0, 2), ("tcam", 0, 0, 0, 0)], "none takes a place")
    text = lab.switch.ctl("hw", "plan", lab.path("flows")).stdout
    for words in ("line 1: ", "  with traffic, from ports 1 2: sim/exact\n",
                  "from port 3: software: ingress-software\n", "(action set-nw-tos)\n",
                  "with traffic: hardware 1, partly 1, software 1\n",
                  "sim/exact    [....................] 0 of 8 (now 0, 0 more; at least 2 with traffic)\n",
                  "       1 action-unsupported\n"):
        check(words in text, "%r in %s" % (words, text))


def what_one_rule_looks_at_the_others_get(lab):
    """A device that can't match a field can't have entries of rules beside one that does."""
    start(lab, "sim:without=nw_tos")
    rule = "priority=1,in_port=1,dl_type=0x0800,actions=output:2"
    check_equal(plan(lab, rule)["flows"][0]["state"], "hardware", "alone")
    flow = plan(lab, rule, "priority=2,in_port=1,dl_type=0x0800,nw_tos=4,actions=output:2")["flows"][0]
    check_equal((flow["state"], flow["outcomes"][0]["reason"]["field"]), ("software", "nw_tos"),
                "beside another")
    flow = plan(lab, rule, "priority=2,in_port=2,dl_type=0x0800,nw_tos=4,actions=output:1")["flows"][0]
    check_equal(flow["state"], "hardware", "beside one of another port")


def normal_is_taken_to_have_learnt(lab):
    flow = plan(lab, "in_port=1,actions=normal")["flows"][0]
    check_equal(where(flow), [([1], "sim/exact", None)], "NORMAL")


def mistakes_are_named_with_file_and_line(lab):
    def refused(words, *lines, status=None):
        done = lab.switch.ctl("hw", "plan", write(lab, *lines), ok=False)
        check(done.returncode == status if status else done.returncode in (1, 2), done)
        for word in words:
            check(word in done.stderr, "%r in %s" % (word, done.stderr))
    refused([lab.path("flows"), "line 2", "colour"], "in_port=1,actions=drop", "colour=red,actions=drop")
    refused([lab.path("flows"), "line 1"], "in_port=1,actions=fly")
    done = lab.switch.ctl("hw", "plan", lab.path("nowhere"), ok=False)
    check(done.returncode == 1 and "nowhere: No such file" in done.stderr, done.stderr)
    done = lab.switch.ctl("hw", "plan", ok=False)
    check(done.returncode == 2 and "hw plan [BRIDGE] FILE" in done.stderr, done.stderr)
    done = lab.switch.ctl("hw", "plan", "br9", write(lab, "actions=drop"), ok=False)
    check(done.returncode == 1 and "br9" in done.stderr, done.stderr)


def standard_input_and_many_flows(lab):
    start(lab, "sim:exact=30000,tcam=0")
    lines = [exact(i % 60000) for i in range(25000)]
    done = run_command(program("turnoutctl"), "--control", lab.switch.control, "hw", "plan", "-",
                       stdin="\n".join(lines) + "\n")
    check("at once: hardware 25000, software 0" in done.stdout, done.stdout[-300:])
    check_equal(done.stdout.count("\nline "), 24999, "lines")
    check_equal(device(lab)[0]["added"], 0, "nothing was added")


def without_a_driver_it_is_said(lab):
    lab.switch.stop()
    lab.switch = Switch(lab, ["p1@1"])
    done = lab.switch.ctl("hw", "plan", write(lab, "actions=drop"), ok=False)
    check(done.returncode == 1 and "--driver" in done.stderr, done.stderr)


if __name__ == "__main__":
    run(Lab(hosts=3), exact_rules_fill_tables_in_their_order, what_is_there_counts,
        rules_with_wildcards_wait_for_traffic, what_one_rule_looks_at_the_others_get,
        normal_is_taken_to_have_learnt, mistakes_are_named_with_file_and_line,
        standard_input_and_many_flows, without_a_driver_it_is_said)
