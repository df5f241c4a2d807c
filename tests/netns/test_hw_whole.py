#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Flows with wildcards in hardware as a whole: their first packets, what stands above them, what
becomes of them when that changes, restarts, and what turnoutctl says of all this."""

import subprocess

from netns import hw
from netns.lib import Lab, Switch, check, check_equal, program, run, wait_for

PORTS = ["p1@1,driver=sim", "p2@2,driver=sim", "p3@3,driver=sim"]
IP = "in_port=1,ip,nw_dst=10.0.0.0/24"
WHOLE = "exact=64,tcam=64,rules=yes"


def start(lab, text=WHOLE, *options):
    if lab.switch:
        lab.switch.stop()
    lab.switch = Switch(lab, PORTS, options=["--driver", "sim:" + text, *options])
    lab.ears = hw.Ears(lab, (1, 2, 3))
    lab.switch.ofctl("add-flow", "priority=65535,dl_type=0x9999,actions=all")


def stop(lab):
    lab.ears.close()
    lab.switch.stop()
    lab.switch = None


def whole(lab, cookie=None):
    """Cookies of whole rules that are in hardware, one for each entry."""
    found = sorted(int(e["cookie"], 16) for e in hw.entries(lab)
                   if e["whole"] and e["state"] == "hardware")
    return [c for c in found if c and cookie in (None, c)]


def are_whole(lab, *cookies):
    wait_for(lambda: whole(lab) == list(cookies), "whole rules are %r" % (cookies,))


def explain(lab, flow):
    return lab.switch.ctl_json("hw", "explain", flow.key())


def why_not(lab, flow):
    why = explain(lab, flow)["whole"]
    return None if why["is"] else why["reason"]["name"]


def packets_of(lab, cookie):
    return sum(f["packets"] for f in lab.switch.ctl_json("flows")["flows"]
               if int(f["cookie"], 16) == cookie)


def the_first_packet_is_forwarded_by_hardware(lab):
    start(lab)
    lab.switch.ofctl("add-flow", "cookie=1,priority=10,%s,actions=output:2" % IP)
    are_whole(lab, 1)
    flow = hw.Flow(lab, 1, 1, 2)
    lab.ears.expect(flow, 3, [2], "by a whole rule")
    wait_for(lambda: packets_of(lab, 1) == 3, "all are counted for the flow")
    entry, = [e for e in hw.entries(lab) if e["cookie"] == "0x1"]
    check_equal((entry["packets"], entry["priority"], entry["table"]), (3, 10, "tcam"), "the entry")
    why = explain(lab, flow)
    check_equal((why["state"], why["whole"]["is"], why["entry"]["whole"]), ("hardware", True, True), why)
    text = lab.switch.ctl("hw", "explain", flow.key()).stdout
    check("as a whole rule: yes\n" in text and " whole, priority=10" in text, text)
    stop(lab)


def a_flow_without_a_port_has_an_entry_for_each(lab):
    start(lab)
    lab.switch.ofctl("add-flow", "cookie=2,priority=9,udp,actions=output:3")
    are_whole(lab, 2, 2, 2)
    for host in (1, 2):
        lab.ears.expect(hw.Flow(lab, host, host, 3), 2, [3], "from port %d" % host)
    wait_for(lambda: packets_of(lab, 2) == 4, "all are counted")
    lab.switch.ofctl("del-flows", "udp")
    check_equal(whole(lab), [], "after its barrier")
    stop(lab)


def what_stays_in_software_blocks_what_is_below(lab):
    start(lab)
    flow = hw.Flow(lab, 1, 1, 2)
    lab.switch.ofctl("add-flow", "cookie=1,priority=10,%s,actions=output:2" % IP)
    are_whole(lab, 1)
    lab.switch.ofctl("add-flow", "cookie=2,priority=20,udp,tp_dst=%d,actions=local" % flow.id)
    check_equal(whole(lab), [], "after the barrier of a flow above it")
    lab.ears.expect(flow, 3, [], "to LOCAL")
    other = hw.Flow(lab, 1, 1, 2)
    check_equal(why_not(lab, other), "overlapped", "why not whole")
    lab.ears.expect(other, 3, [2], "beside it")
    lab.switch.ofctl("mod-flows", "cookie=2,udp,tp_dst=%d,actions=output:3" % flow.id)
    wait_for(lambda: whole(lab, 1) and whole(lab, 2), "both are whole")
    lab.ears.expect(flow, 3, [3], "by the flow above")
    lab.ears.expect(other, 3, [2], "by the flow below")
    lab.switch.ofctl("mod-flows", "cookie=2,udp,tp_dst=%d,actions=local" % flow.id)
    check_equal(whole(lab), [], "after the barrier of the change")
    lab.ears.expect(flow, 3, [], "to LOCAL again")
    lab.switch.ofctl("del-flows", "--strict", "priority=20,udp,tp_dst=%d" % flow.id)
    are_whole(lab, 1)
    lab.ears.expect(flow, 3, [2], "by the flow below")
    stop(lab)


def flows_of_one_priority_must_not_overlap(lab):
    start(lab)
    lab.switch.ofctl("add-flow", "cookie=1,priority=10,%s,actions=output:2" % IP)
    are_whole(lab, 1)
    lab.switch.ofctl("add-flow", "cookie=2,priority=10,udp,actions=output:3")
    check_equal(whole(lab, 1), [], "which of the two it is, software says")
    stop(lab)


def what_does_not_fit_gets_exact_matches(lab):
    start(lab, "exact=64,tcam=4,rules=yes")
    for i in range(1, 6):
        lab.switch.ofctl("add-flow", "cookie=%d,priority=%d,in_port=1,ip,nw_src=10.0.%d.0/24,"
                         "actions=output:2" % (i, i + 10, i - 1))
    wait_for(lambda: len(whole(lab)) <= 4 and whole(lab), "no more than there is room for")
    lab.switch.ofctl("add-flow", "cookie=9,priority=1,in_port=1,udp,nw_src=10.0.0.1,actions=output:3")
    flow = hw.Flow(lab, 1, 1, 2)
    lab.ears.expect(flow, 3, [2], "by the flow on top")
    lab.switch.ofctl("del-flows", "cookie=1/-1")
    lab.ears.expect(flow, 3, [3], "by the lowest")
    stop(lab)


def policies_choose(lab):
    start(lab, "exact=64,tcam=64", "--hw-policy", "prefer-hw,whole-rules=yes,cookie=1")
    lab.switch.ofctl("add-flow", "cookie=1,priority=10,%s,actions=output:2" % IP)
    lab.switch.ofctl("add-flow", "cookie=2,priority=9,in_port=1,udp,actions=output:3")
    are_whole(lab, 1)
    flow = hw.Flow(lab, 1, 1, 2)
    lab.switch.ctl("hw", "policy", "set", "prefer-hw,whole-rules=no,cookie=1")
    wait_for(lambda: not whole(lab), "it is exact matches' from now on")
    check_equal(why_not(lab, flow), "policy-exact", "why not")
    shown = lab.switch.ctl("hw", "policy", "show").stdout
    check("prefer-hw,whole-rules=no,cookie=0x1\n" in shown, shown)
    lab.switch.ctl("hw", "policy", "set", "prefer-hw,whole-rules=yes")
    are_whole(lab, 1, 2)
    lab.ears.expect(flow, 3, [2], "as a whole again")
    stop(lab)


def a_capture_takes_it_out(lab):
    start(lab)
    lab.switch.ofctl("add-flow", "cookie=1,priority=10,%s,actions=output:2" % IP)
    lab.switch.ofctl("add-flow", "cookie=2,priority=5,in_port=1,ip,actions=output:3")
    are_whole(lab, 1, 2)
    flow = hw.Flow(lab, 1, 1, 2)
    process = subprocess.Popen([program("turnoutctl"), "--control", lab.switch.control, "hw",
                                "capture", "udp,tp_dst=%d" % flow.id, "--seconds", "60", "--write",
                                lab.path("c.pcapng")], stdout=subprocess.DEVNULL)
    wait_for(lambda: not whole(lab), "both are in software")
    lab.ears.expect(flow, 3, [2], "captured")
    process.terminate()
    process.wait()
    lab.ears.expect(flow, 3, [2], "after the capture")
    stop(lab)


def a_restart_adopts_them(lab):
    start(lab, WHOLE + ",file=yes", "--on-exit", "keep", "--restart-grace", "60")
    flows = ["cookie=1,priority=10,%s,actions=output:2" % IP,
             "cookie=2,priority=5,in_port=1,ip,actions=output:3"]
    for flow in flows:
        lab.switch.ofctl("add-flow", flow)
    are_whole(lab, 1, 2)
    flow = hw.Flow(lab, 1, 1, 2)
    lab.ears.expect(flow, 5, [2], "before")
    wait_for(lambda: packets_of(lab, 1) == 5, "they are counted")
    added = hw.device(lab)["added"]
    check(added >= 2, added)
    lab.switch.stop()
    lab.switch.start()
    wait_for(lambda: hw.device(lab)["limbo"] >= 2, "they are in limbo")
    for text in flows:
        lab.switch.ofctl("add-flow", text)
    are_whole(lab, 1, 2)
    check_equal(hw.device(lab)["added"], 0, "they were adopted")
    lab.switch.ofctl("add-flow", "priority=65535,dl_type=0x9999,actions=all")
    lab.ears.expect(flow, 3, [2], "after")
    wait_for(lambda: packets_of(lab, 1) == 3, "the new flow counts what came since")
    stop(lab)


def a_restart_with_another_flow_above(lab):
    start(lab, WHOLE + ",file=yes", "--on-exit", "keep", "--restart-grace", "60")
    lab.switch.ofctl("add-flow", "cookie=1,priority=10,%s,actions=output:2" % IP)
    are_whole(lab, 1)
    flow = hw.Flow(lab, 1, 1, 2)
    lab.switch.stop()
    lab.switch.start()
    wait_for(lambda: hw.device(lab)["limbo"] >= 1, "it is in limbo")
    lab.switch.ofctl("add-flow", "priority=65535,dl_type=0x9999,actions=all")
    lab.ears.expect(flow, 3, [2], "as before")
    lab.switch.ofctl("add-flow", "cookie=2,priority=20,udp,tp_dst=%d,actions=output:3" % flow.id)
    lab.ears.expect(flow, 3, [3], "the new flow's, with its barrier")
    stop(lab)


if __name__ == "__main__":
    LAB = Lab(hosts=3)
    LAB.switch = None
    run(LAB, the_first_packet_is_forwarded_by_hardware, a_flow_without_a_port_has_an_entry_for_each,
        what_stays_in_software_blocks_what_is_below, flows_of_one_priority_must_not_overlap,
        what_does_not_fit_gets_exact_matches, policies_choose, a_capture_takes_it_out,
        a_restart_adopts_them, a_restart_with_another_flow_above)
