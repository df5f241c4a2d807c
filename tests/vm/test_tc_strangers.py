#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The tc driver while others change what it stands on: devices, qdiscs, features, filters. Packets
go on in software, each thing has its counter and its words, and all is as it was once it can be."""

import json
import re
import signal
import threading

from netns import rawof as of
from netns.lib import Capture, check, check_equal, run, wait_for
from vm.frames import udp_frame
from vm.lab import ChipLab, Crowd
from vm.lib import enter

EXACT = ("priority=10,in_port=1,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,dl_vlan=0xffff,"
         "dl_type=0x0800,nw_tos=0,nw_proto=17,nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=1000,tp_dst=%d,"
         "actions=%s")
FRAME = udp_frame(1000, 2000)
PACKET = (EXACT % (2000, "")).split(",", 1)[1].split(",actions")[0]
OURS = 16384
STRANGERS = 12000
CACHE = "%s/tc-probe.json"


def entries(lab, state="hardware"):
    return [e for e in lab.switch.ctl_json("hw", "entries")["entries"] if e["state"] == state]


def in_hardware(lab, n, what):
    wait_for(lambda: len(entries(lab)) == n, "%s: %d entries are in hardware" % (what, n))


def forwarded(lab, what, n=5):
    """n frames reach host 2, each once."""
    with Capture(lab.hosts[1]) as eye:
        lab.hosts[0].send("eth0", *[FRAME] * n, udp_frame(1, 2))
        got = eye.until(udp_frame(1, 2))
        check_equal(got.count(FRAME), n, what)


def back_in_hardware(lab):
    """Traffic brings the flow, and nothing but it is in the chip."""
    def comes():
        lab.hosts[0].send("eth0", *[FRAME] * 50)
        return len(entries(lab)) == 1 and lab.chip.used() == 1
    wait_for(comes, "the flow is in hardware again")


def tc(lab, *words, ok=True):
    return lab.switch_ns.run("tc", *" ".join(map(str, words)).split(), ok=ok)


def counter_rises(lab, name, act):
    before = lab.switch.counters()[name]
    act()
    wait_for(lambda: lab.switch.counters()[name] > before, name + " rises")


def what_the_chip_takes_is_tried(lab):
    lab.chip.set(keys="eth,vlan,ipv4,ports,frag,icmp,arp")
    lab.start_switch()
    probe = lab.switch.ctl("hw", "probe").stdout
    check(re.search(r"field nw_tos +none +none\n", probe), "the type of service can't be matched")
    check("key num_of_vlans: not taken" in lab.switch.ctl("hw", "show").stdout, "nor can the number of tags")
    check(re.search(r"field nw_src +exact +mask\n", probe) and re.search(r"known +probed +probed\n", probe), "addresses can")
    check_equal(lab.chip.used(), 0, "the tests are gone")
    lab.switch.ofctl("add-flow", EXACT % (2000, "output:2"))
    why = lab.switch.ctl_json("hw", "explain", PACKET)["reason"]
    check_equal((why["name"], why["field"]), ("field-unsupported", "nw_tos"), "why it is software's")
    lab.switch.stop()
    lab.chip.reset()
    with open(CACHE % lab.tmp, encoding="utf-8") as cache:
        keys = list(json.load(cache)["records"])
    check_equal([key.split(", ")[1:] for key in keys], [["driver simnic", "firmware 1.0.0"]], "remembered")
    lab.start_switch()
    check(re.search(r"field nw_tos +none +none\n", lab.switch.ctl("hw", "probe").stdout), "... and believed")
    lab.switch.stop()


def another_firmware_is_tried_again(lab):
    with open(CACHE % lab.tmp, "a", encoding="utf-8") as cache:
        cache.write("garbage")
    lab.chip.set(fw_version="2.0.0")
    lab.start_switch()
    lab.switch.ofctl("add-flow", "priority=0,actions=output:2")
    lab.switch.ofctl("add-flow", EXACT % (2000, "output:2"))
    in_hardware(lab, 1, "a better firmware")
    check("tc-probe.json is not believed" in lab.logs(), "a file that is spoilt is not believed")
    forwarded(lab, "by the chip")
    check("key num_of_vlans: taken" in lab.switch.ctl("hw", "show").stdout, "the number of tags can be matched")


def a_strangers_filter_stays(lab):
    def come():
        tc(lab, "filter add dev p1 ingress prio", OURS, "handle 77 protocol ip flower skip_sw "
           "src_ip 192.0.2.9 action drop")
    come()
    wait_for(lambda: "1 filters of strangers" in lab.switch.ctl("hw", "show").stdout, "it is counted")
    lab.switch.ofctl("add-flow", EXACT % (2001, "output:2"))
    in_hardware(lab, 2, "beside a stranger")
    prios = {f["pref"] for f in filters(lab)}
    check_equal(prios - {64222}, {OURS, OURS + 1}, "another priority")
    lab.switch.ofctl("del-flows", "--strict", EXACT.split(",actions")[0] % 2001)
    in_hardware(lab, 1, "one less")
    check("192.0.2.9" in tc(lab, "filter show dev p1 ingress").stdout, "the stranger's is there")
    audit = lab.switch.ctl("hw", "audit", ok=False).stdout.splitlines()
    check_equal([line.split(":")[0] for line in audit[:-1]], ["foreign"], "an audit reports it")
    tc(lab, "filter del dev p1 ingress prio", OURS, "handle 77 protocol ip flower")
    wait_for(lambda: "0 filters of strangers" in lab.switch.ctl("hw", "show").stdout, "it is gone")


def filters(lab):
    return [f for f in json.loads(tc(lab, "-s -j filter show dev p1 ingress").stdout)
            if "handle" in f.get("options", {}) or f["kind"] == "bpf"]


def a_filter_that_is_deleted_comes_back(lab):
    ours = [f for f in filters(lab) if f["kind"] == "flower"][0]
    counter_rises(lab, "tc_stranger_changed", lambda: tc(
        lab, "filter del dev p1 ingress prio", ours["pref"], "handle", ours["options"]["handle"],
        "protocol ip flower"))
    wait_for(lambda: lab.chip.used() == 1, "it is there again")
    in_hardware(lab, 1, "again")
    forwarded(lab, "by the chip")


def a_burst_hides_nothing(lab):
    """While many filters are made nobody listens to what others do with theirs, and ours."""
    crowd, before = Crowd(800), lab.switch.counters()["tc_stranger_changed"]
    with lab.connect() as peer:
        crowd.tell(peer, of.output(2), flows=range(400))
        ours = [f for f in filters(lab) if f["kind"] == "flower"][:3]
        late = threading.Thread(target=crowd.tell, args=(peer, of.output(2), range(400, 800)))
        late.start()
        tc(lab, "filter add dev p1 ingress prio 9 handle 77 protocol ip flower skip_sw src_ip 192.0.2.9 "
           "action drop")
        for one in ours:
            tc(lab, "filter del dev p1 ingress prio", one["pref"], "handle", one["options"]["handle"],
               "protocol ip flower")
        late.join()
        wait_for(lambda: lab.switch.counters()["tc_stranger_changed"] > before, "ours are missed")
        wait_for(lambda: "1 filters of strangers" in lab.switch.ctl("hw", "show").stdout, "it is counted")
        in_hardware(lab, 801, "all are there again")
        wait_for(lambda: lab.chip.used() == 802, "and the stranger's")
        tc(lab, "filter del dev p1 ingress prio 9")
        crowd.tell(peer, b"", command=of.DELETE_STRICT)
    in_hardware(lab, 1, "all gone")
    wait_for(lambda: "0 filters of strangers" in lab.switch.ctl("hw", "show").stdout, "it is gone")


def more_than_can_be_heard(lab):
    """turnoutd stands still while strangers make more filters than its socket holds news of, and delete
    one of ours: it reads all again."""
    ours, = [f for f in filters(lab) if f["kind"] == "flower"]
    batch = lab.path("batch")
    with open(batch, "w", encoding="ascii") as file:
        for i in range(STRANGERS):
            file.write("filter add dev p1 ingress prio 9 handle %d protocol ip flower skip_hw src_ip 192.0.%d.%d "
                       "action drop\n" % (i + 1, i >> 8, i & 255))
        file.write("filter del dev p1 ingress prio %s handle %s protocol ip flower\n"
                   % (ours["pref"], ours["options"]["handle"]))

    def nobody_listens():
        lab.switch.process.send_signal(signal.SIGSTOP)
        try:
            tc(lab, "-batch", batch)
            check_equal(lab.chip.used(), 0, "ours is deleted")
        finally:
            lab.switch.process.send_signal(signal.SIGCONT)
    counter_rises(lab, "tc_overrun", nobody_listens)
    wait_for(lambda: lab.chip.used() == 1, "ours is there again")
    in_hardware(lab, 1, "again")
    wait_for(lambda: "%d filters of strangers" % STRANGERS in lab.switch.ctl("hw", "show").stdout, "all are counted")
    forwarded(lab, "by the chip")
    tc(lab, "filter del dev p1 ingress prio 9")
    wait_for(lambda: "0 filters of strangers" in lab.switch.ctl("hw", "show").stdout, "all are gone")


def a_qdisc_that_is_deleted_comes_back(lab):
    counter_rises(lab, "tc_qdisc_lost", lambda: tc(lab, "qdisc del dev p1 clsact"))
    wait_for(lambda: lab.chip.used() == 1, "the filter is there again")
    in_hardware(lab, 1, "again")
    forwarded(lab, "by the chip")


def the_feature_is_followed(lab):
    lab.chip.set(feature_busy=0)
    counter_rises(lab, "tc_feature_off",
                  lambda: lab.switch_ns.run("ethtool", "-K", "p1", "hw-tc-offload", "off"))
    wait_for(lambda: not entries(lab), "nothing is in hardware")
    forwarded(lab, "by software")
    words = lab.switch.ctl("hw", "explain", PACKET).stdout
    check("the driver says: somebody switched hw-tc-offload off" in words, words)
    lab.switch_ns.run("ethtool", "-K", "p1", "hw-tc-offload", "on")
    in_hardware(lab, 1, "it is on again")
    forwarded(lab, "by the chip")
    lab.chip.reset()


def a_port_that_is_down_forwards_nothing(lab):
    lab.switch.ofctl("mod-port", "1", "down")
    wait_for(lambda: not entries(lab), "nothing is in hardware")
    lab.switch.ofctl("mod-port", "1", "up")
    back_in_hardware(lab)
    forwarded(lab, "by the chip")


def a_port_that_vanishes_comes_back(lab):
    counter_rises(lab, "tc_device_gone", lambda: lab.chip.set(unplug=2))
    lab.switch.ofctl("mod-flows", "priority=0,actions=output:3")
    lab.chip.set(unplug=1)
    wait_for(lambda: not entries(lab), "nothing is in hardware")
    lab.chip.set(plug=1)
    lab.chip.set(plug=2)
    for host in lab.hosts[:2]:
        host.plug(lab.switch_ns)
    lab.switch.ofctl("mod-flows", "priority=0,actions=output:2")
    back_in_hardware(lab)
    forwarded(lab, "by the chip")


def the_end_leaves_nothing_behind(lab):
    lab.switch.stop()
    check_equal(lab.chip.used(), 0, "rules in the chip")
    check("clsact" not in tc(lab, "qdisc show").stdout, "qdiscs")


def main():
    enter()
    run(ChipLab(), what_the_chip_takes_is_tried, another_firmware_is_tried_again,
        a_strangers_filter_stays, a_filter_that_is_deleted_comes_back,
        a_burst_hides_nothing, more_than_can_be_heard, a_qdisc_that_is_deleted_comes_back,
        the_feature_is_followed, a_port_that_is_down_forwards_nothing,
        a_port_that_vanishes_comes_back, the_end_leaves_nothing_behind)


if __name__ == "__main__":
    main()
