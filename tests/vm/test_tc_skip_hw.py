#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tc:skip_hw=yes: flows as flower filters in the kernel's own software, over plain virtual Ethernet.
The kernel forwards hits, turnoutd misses, and each frame is forwarded once."""

from netns import rawof as of
from netns.lib import Lab, Switch, check, check_equal, run, run_command, wait_for
from vm.lab import PATIENCE, Crowd, Stream, all_once, barrier, reaches
from vm.lib import enter

N_FLOWS = 8


def start(lab):
    if lab.switch and lab.switch.process.poll() is None:
        lab.peer.close()
        lab.switch.stop()
    lab.switch = Switch(lab, ["p%d@%d,driver=tc" % (n, n) for n in (1, 2, 3)],
                        listeners=["ptcp:6653:127.0.0.1"],
                        options=["--driver", "tc:skip_hw=yes"])
    lab.peer = of.connect(lab, timeout=PATIENCE)
    lab.crowd = Crowd(N_FLOWS)


def in_hardware(lab):
    return [e for e in lab.switch.ctl_json("hw", "entries")["entries"] if e["state"] == "hardware"]


def all_in(lab, n=N_FLOWS):
    wait_for(lambda: len(in_hardware(lab)) == n, "%d filters are in the kernel" % n, PATIENCE)


def below(lab, *actions):
    """The rule that software has, for what no filter takes."""
    lab.peer.flow_mod(b"".join(actions), of.match(in_port=1), priority=1)
    barrier(lab.peer)


def hits_are_counted_with_their_headers(lab):
    start(lab)
    lab.crowd.tell(lab.peer, of.output(2))
    all_in(lab)
    shown = lab.switch_ns.run("tc", "filter", "show", "dev", "p1", "ingress").stdout
    check_equal(shown.count("skip_hw"), N_FLOWS, "filters of the kernel's software")
    stream = Stream(lab, lab.crowd)
    stream.goes_on(200)
    heard = stream.stop()
    all_once(heard[2], stream.sent, "hits")
    check_equal(heard[3], [], "frames elsewhere")
    size = len(lab.crowd.frame(1, 1))
    flows = lab.switch.ctl_json("flows")["flows"]

    def counted():
        flows[:] = lab.switch.ctl_json("flows")["flows"]
        return sum(f["packets"] for f in flows) == stream.sent
    wait_for(counted, "the kernel's counts come", PATIENCE)
    check_equal(sum(f["bytes"] for f in flows), stream.sent * size, "bytes, Ethernet header included")
    cached = lab.switch.ctl_json("ports")["ports"]
    check("tnm" in lab.switch_ns.ip("link", "show").stdout, "there is a miss device")
    check(all(p["rx_dropped"] == 0 for p in cached), "nothing was dropped: %r" % cached)


def flows_come_and_go_under_traffic(lab):
    start(lab)
    below(lab, of.output(2))
    stream = Stream(lab, lab.crowd)
    for _ in range(4):
        stream.goes_on()
        lab.crowd.tell(lab.peer, of.output(2))
        all_in(lab)
        stream.goes_on()
        lab.crowd.tell(lab.peer, b"", command=of.DELETE_STRICT)
    heard = stream.stop()
    all_once(heard[2], stream.sent, "filters come and go")


def traffic_promotes_and_its_end_demotes(lab):
    start(lab)
    below(lab, of.output(2))
    lab.crowd = Crowd(1)
    stream = Stream(lab, lab.crowd, rate=600)
    all_in(lab, 1)
    stream.goes_on(200)
    stream.rate = 10
    heard = stream.stop()
    all_once(heard[2], stream.sent, "promotion")
    wait_for(lambda: not in_hardware(lab), "the idle flow leaves the kernel", PATIENCE)


def actions_change_under_traffic(lab):
    start(lab)
    lab.crowd.tell(lab.peer, of.output(2))
    all_in(lab)
    stream = Stream(lab, lab.crowd)
    for port in (3, 2, 3):
        stream.goes_on()
        lab.crowd.tell(lab.peer, of.output(port), command=of.MODIFY_STRICT)
    stream.goes_on()
    heard = stream.stop()
    all_once(heard[2] + heard[3], stream.sent, "one list or the other")
    check(heard[2] and heard[3], "frames went both ways")


def a_qdisc_that_is_deleted_comes_back(lab):
    """With it go the filters, and the way by which misses come."""
    start(lab)
    below(lab, of.output(3))
    lab.crowd.tell(lab.peer, of.output(2), flows=range(1))
    all_in(lab, 1)
    before = lab.switch.counters()
    lab.switch_ns.run("tc", "qdisc", "del", "dev", "p1", "clsact")

    def mended():
        now = lab.switch.counters()
        return all(now[name] > before[name] for name in ("isolation_mended", "tc_qdisc_lost"))
    wait_for(mended, "filters and misses are back", PATIENCE)
    all_in(lab, 1)
    reaches(lab, lab.crowd, range(1), 2, "a hit")
    reaches(lab, lab.crowd, range(1, N_FLOWS), 3, "misses")
    check("deleted the filter that keeps its frames from the host's stack" in lab.logs(), "it is said")


def the_end_leaves_nothing_behind(lab):
    lab.peer.close()
    lab.switch.stop()
    check("clsact" not in lab.switch_ns.run("tc", "qdisc", "show").stdout, "qdiscs")
    check("tnm" not in lab.switch_ns.ip("link", "show").stdout, "miss devices")


def main():
    enter()
    run_command("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1",
                "net.ipv6.conf.default.disable_ipv6=1", "net.core.rmem_max=67108864")
    lab = Lab(hosts=3)
    lab.switch = None
    run(lab, hits_are_counted_with_their_headers, flows_come_and_go_under_traffic,
        traffic_promotes_and_its_end_demotes, actions_change_under_traffic,
        a_qdisc_that_is_deleted_comes_back, the_end_leaves_nothing_behind)


if __name__ == "__main__":
    main()
