#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Without a controller: emergency flows by each rule, and every change of the mode under numbered
packets, with several controllers."""

import os
import signal
import socket
import struct
import threading

from netns import rawof as of
from netns.lib import Capture, Lab, Switch, check, check_equal, run, wait_for

EMERGENCY = 0xFE
BOUND = 5
PORTS = ["p1@1", "p2@2", "p3@3"]
QUICK = ["--inactivity-probe", "1", "--max-backoff", "1"]
NUMBERED = bytes.fromhex("020000000002" "020000000001" "88b5")  # host 1 to host 2


def start(lab, *options, **how):
    """A new switch; lost controllers are lost after 3 s."""
    if lab.switch:
        lab.switch.stop()
    how.setdefault("listeners", ["ptcp:6653:127.0.0.1"])
    lab.switch = Switch(lab, PORTS, options=[*QUICK, "--max-emergency-flows", str(BOUND), *options],
                        **how)


def live(lab, port=6653):
    """A controller that has asked for the features."""
    peer = of.connect(lab, port)
    peer.ports()
    return peer


def control(lab):
    return lab.switch.ctl_json("show")["bridges"][0]["control"]


def wait_mode(lab, mode):
    wait_for(lambda: control(lab)["mode"] == mode, "the mode is " + mode)


class Traffic:
    """Numbered packets from host 1, one after the other as long as the with statement lasts. At
    its end all of them that are to come have come; 'got' says which numbers came to which host."""

    def __init__(self, lab):
        self.lab = lab
        self.captures = {n: Capture(lab.hosts[n - 1]) for n in (2, 3)}
        self.got = {2: [], 3: []}
        self.sent = 0
        self.stopped = threading.Event()
        host = lab.hosts[0]
        with host.inside():
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self.sock.bind(("eth0", 0))
        self.thread = threading.Thread(target=self.send)

    def send(self):
        while not self.stopped.wait(0.002):
            self.sock.send(NUMBERED + struct.pack("!I", self.sent + 1) + bytes(42))
            self.sent += 1

    def take(self):
        for host, capture in self.captures.items():
            while True:
                frame = capture.next(0)
                if frame is None:
                    break
                if frame[:14] == NUMBERED:
                    self.got[host].append(struct.unpack_from("!I", frame, 14)[0])

    def wait_until(self, host, more=20):
        """The next 'more' packets come to this host; returns the number of the last one then."""
        self.take()
        begin = len(self.got[host])

        def enough():
            self.take()
            return len(self.got[host]) >= begin + more
        wait_for(enough, "packets come to host %d" % host)
        return self.got[host][-1]

    def mark(self, more=20):
        """The number of the packet that is sent at least 'more' from now: it was sent after what
        the caller did before."""
        wanted = self.sent + more
        wait_for(lambda: self.sent >= wanted, "packets are sent")
        return wanted

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *failure):
        self.stopped.set()
        self.thread.join()
        if failure[0] is None:
            self.finish()
        for capture in self.captures.values():
            capture.close()
        self.sock.close()

    def finish(self):
        """A last frame behind the others, by NORMAL's or the flows' grace: all came before it."""
        peer = of.connect(self.lab)
        end = NUMBERED + bytes(46)
        peer.packet_out(of.output(2) + of.output(3), end)
        for host, capture in self.captures.items():
            for frame in capture.until(end):
                if frame[:14] == NUMBERED:
                    self.got[host].append(struct.unpack_from("!I", frame, 14)[0])
        peer.close()

    def everything_came(self, last=None):
        """Each packet came once, in order, to one of the hosts; host 3's behind host 2's."""
        check_equal(self.got[2] + self.got[3], list(range(1, (last or self.sent) + 1)), "the packets")


# -- the emergency table ------------------------------------------------------------------------

def emergency_flows_have_a_table(lab):
    start(lab)
    peer = live(lab)
    peer.flow_mod(of.output(2), of.match(in_port=1))
    peer.flow_mod(of.output(3), of.match(in_port=1), flags=of.EMERG, cookie=9)
    main, there = peer.flows(), peer.flows(table=EMERGENCY)
    check_equal([(f["table"], f["actions"]) for f in main], [(0, of.output(2, 0))], "main")
    check_equal([(f["table"], f["cookie"], f["actions"]) for f in there],
                [(EMERGENCY, 9, of.output(3, 0))], "emergency")
    check_equal([len(peer.flows(table=t)) for t in (0, 0xFF, 1, 0xFD)], [1, 1, 0, 0], "by table")
    check_equal(peer.aggregate(table=EMERGENCY), (0, 0, 1), "AGGREGATE")
    tables = struct.unpack("!" + "B3x32sIIIQQ" * 2, peer.stats(3))
    check_equal((tables[0], tables[4], tables[7], tables[8].rstrip(b"\0"), tables[10], tables[11]),
                (0, 1, EMERGENCY, b"emergency", BOUND, 1), "TABLE")
    peer.close()


def tools_show_it(lab):
    tables = lab.switch.ofctl("dump-tables").stdout
    check("emergency" in tables and "active=1" in tables, tables)
    check_equal(len(lab.switch.flows("table=254")), 1, "ovs-ofctl dump-flows table=254")
    lines = lab.switch.ctl("flows", "--table", "emergency").stdout.splitlines()
    check(len(lines) == 1 and "table=254" in lines[0] and lines[0].endswith("actions=output:3"),
          str(lines))
    rows = lab.switch.ctl_json("flows", "--table=emergency")["flows"]
    check_equal([(r["table"], r["emergency"]) for r in rows], [(EMERGENCY, True)], "JSON")
    refused = lab.switch.ctl("flows", "--table", "nonsense", ok=False)
    check(refused.returncode == 2 and "main emergency" in refused.stderr, refused.stderr)
    there = control(lab)["emergency_flows"]
    check_equal(there, {"count": 1, "max": BOUND, "acting": 0}, "show --json")
    check("emergency flows: 1 (at most %d), 0 acting" % BOUND in lab.switch.ctl("show").stdout, "show")


def each_command_works_on_it(lab):
    peer = live(lab)
    peer.flow_mod(command=of.DELETE, flags=of.EMERG)
    tcp = [of.match(dl_type=0x0800, nw_proto=6, in_port=n) for n in (1, 2)]
    for fields in tcp:
        peer.flow_mod(of.output(3), fields, flags=of.EMERG)
    peer.flow_mod(of.output(1), of.match(dl_type=0x0800), flags=of.EMERG, command=of.MODIFY)
    check_equal({f["actions"] for f in peer.flows(table=EMERGENCY)}, {of.output(1, 0)}, "MODIFY")
    peer.flow_mod(of.output(2), tcp[0], flags=of.EMERG, command=of.MODIFY_STRICT)
    check_equal(peer.flows(tcp[0], table=EMERGENCY)[0]["actions"], of.output(2, 0), "strict")
    peer.flow_mod(of.output(2), of.match(in_port=3), flags=of.EMERG, command=of.MODIFY)
    check_equal(len(peer.flows(table=EMERGENCY)), 3, "a MODIFY that finds nothing adds")
    peer.flow_mod(command=of.DELETE_STRICT, fields=of.match(in_port=2), flags=of.EMERG)
    check_equal(len(peer.flows(table=EMERGENCY)), 3, "nothing is just that")
    peer.flow_mod(command=of.DELETE, out_port=1, flags=of.EMERG)
    check_equal(len(peer.flows(table=EMERGENCY)), 2, "DELETE by out_port")
    peer.flow_mod(command=of.DELETE_STRICT, fields=tcp[0], flags=of.EMERG)
    check_equal(len(peer.flows(table=EMERGENCY)), 1, "DELETE_STRICT")
    check_equal(len(peer.flows()), 1, "the other table is as it was")
    peer.close()


def its_refusals(lab):
    peer = live(lab)
    peer.clear()
    peer.flow_mod(command=of.DELETE, flags=of.EMERG, idle=1, hard=1)
    for command in (of.ADD, of.MODIFY, of.MODIFY_STRICT):
        for time_out in ("idle", "hard"):
            peer.flow_mod_refused((3, 3), of.output(2), command=command, flags=of.EMERG,
                                  **{time_out: 1})
    peer.flow_mod(of.output(2), of.match(in_port=1))
    overlap = of.EMERG | of.CHECK_OVERLAP
    peer.flow_mod(of.output(2), of.match(dl_type=0x0800), flags=overlap)
    peer.flow_mod_refused((3, 1), of.output(2), of.match(in_port=1), flags=overlap)
    peer.flow_mod(of.output(2), of.match(in_port=1), flags=overlap, priority=5)
    for n in range(BOUND - 2):
        peer.flow_mod(of.output(2), of.match(in_port=10 + n), flags=of.EMERG)
    peer.flow_mod_refused((3, 0), of.output(2), of.match(in_port=9), flags=of.EMERG)
    peer.flow_mod(of.output(3), of.match(in_port=10), flags=of.EMERG | of.SEND_FLOW_REM)
    peer.flow_mod_refused((3, 4), command=5, flags=of.EMERG)
    peer.flow_mod_refused((2, 4), of.output(0), flags=of.EMERG)
    peer.flow_mod(command=of.DELETE, flags=of.EMERG)
    peer.barrier()
    check_equal([m for m in peer.kept if m[0] == of.FLOW_REMOVED], [], "nobody is told")
    peer.close()


# -- changes of the mode --------------------------------------------------------------------------

def all_are_lost_and_one_comes_back(lab):
    start(lab)
    one, two = live(lab), live(lab)
    one.flow_mod(of.output(2), of.match(in_port=1), flags=of.SEND_FLOW_REM)
    two.flow_mod(of.output(3), of.match(in_port=1, dl_type=0x88B5), flags=of.EMERG, priority=1)
    before = lab.switch.counters()["mode_emergency"]
    with Traffic(lab) as traffic:
        traffic.wait_until(2)
        one.close()
        wait_for(lambda: sum(c["live"] for c in connections(lab)) == 1, "one is gone")
        check_equal(control(lab)["mode"], "controlled", "the other is there")
        two.close()
        wait_mode(lab, "waiting")
        traffic.wait_until(2)
        wait_mode(lab, "emergency")
        traffic.wait_until(3)
        check_equal(control(lab)["controllers"], "lost", "the controllers")
        check_equal(control(lab)["emergency_flows"]["acting"], 1, "acting")
        peer = live(lab)
        peer.barrier()
        check_equal(control(lab)["mode"], "controlled", "one is live again")
        traffic.wait_until(3)
    traffic.everything_came()
    check(traffic.got[2] and traffic.got[3], "both had their turn")
    check_equal([f["actions"] for f in peer.flows()], [of.output(3, 0)], "the others are gone")
    check_equal(lab.switch.counters()["mode_emergency"], before + 1, "counted once")
    lab.peer = peer


def connections(lab):
    return [c for c in lab.switch.ctl_json("controllers")["bridges"][0]["connections"]
            if not c["listener"] and not c["management"]]


def the_controller_changes_them(lab):
    peer = lab.peer
    with Traffic(lab) as traffic:
        traffic.wait_until(3)
        peer.flow_mod(of.output(2), of.match(in_port=1, dl_type=0x88B5), priority=1)
        mark = traffic.mark()
        traffic.wait_until(2)
    late = [n for n in traffic.got[3] if n >= mark]
    check_equal(late, [], "packets by the old flow after the barrier")
    check_equal(sorted(traffic.got[2] + traffic.got[3]), list(range(1, traffic.sent + 1)), "all came")
    check_equal(len(peer.flows(table=EMERGENCY)), 1, "it waits for the next time")
    peer.close()
    with Traffic(lab) as traffic:
        traffic.wait_until(3)
    traffic.everything_came()


def emergency_wins_over_standalone(lab):
    start(lab, "--fail-mode", "standalone")
    one, two = live(lab), live(lab)
    one.flow_mod(of.output(3), of.match(in_port=1), flags=of.EMERG)
    one.close()
    two.close()
    wait_mode(lab, "emergency")
    check_equal(lab.switch.ctl_json("show")["bridges"][0]["table_miss"], "drop", "table misses")
    told = lab.switch.ctl("trace", "in_port=2").stdout
    check("the mode is emergency" in told, told)
    before = lab.switch.counters()["miss_no_controller"]
    lab.hosts[1].send("eth0", bytes.fromhex("020000000001" "020000000002" "88b5") + bytes(46))
    wait_for(lambda: lab.switch.counters()["miss_no_controller"] > before, "a miss is dropped")
    lab.switch.ofctl("del-flows")        # the acting copy: the original is not touched
    check_equal(control(lab)["emergency_flows"], {"count": 1, "max": BOUND, "acting": 0}, "flows")


def standalone_begins_and_ends(lab):
    start(lab, "--fail-mode", "standalone")
    one, two = live(lab), live(lab)
    lab.hosts[1].send("eth0", bytes.fromhex("020000000001" "020000000002" "88b5") + bytes(46))
    one.wait_for(of.PACKET_IN)
    with Traffic(lab) as traffic:
        one.wait_for(of.PACKET_IN)
        one.close()
        two.close()
        wait_mode(lab, "standalone")
        traffic.wait_until(2)            # flooded: to both
        traffic.wait_until(3)
        peer = live(lab)
        peer.barrier()
        mark = traffic.mark()
        peer.wait_for(of.PACKET_IN)
    for host in (2, 3):
        check_equal([n for n in traffic.got[host] if n >= mark], [], "after the barrier")
        check_equal(traffic.got[host], sorted(set(traffic.got[host])), "once each, in order")
    peer.close()


def secure_keeps_the_flows(lab):
    start(lab)
    one, two = live(lab), live(lab)
    one.flow_mod(of.output(2), of.match(in_port=1))
    one.flow_mod(of.output(3), of.match(in_port=1), priority=200, hard=1)
    before = lab.switch.counters()["mode_secure"]
    with Traffic(lab) as traffic:
        traffic.wait_until(3, 1)
        one.close()
        two.close()
        wait_mode(lab, "secure")
        traffic.wait_until(2)            # the other one has timed out
    check_equal(traffic.got[3] + traffic.got[2], list(range(1, traffic.sent + 1)), "all came")
    check_equal(lab.switch.counters()["mode_secure"], before + 1, "counted once")


def a_silent_controller_is_lost(lab):
    """It neither answers nor closes: probes find out."""
    start(lab)
    peer = live(lab)
    peer.flow_mod(of.output(2), of.match(in_port=1))
    peer.flow_mod(of.output(3), of.match(in_port=1), flags=of.EMERG)
    before = lab.switch.counters()["conn_probe_lost"]
    with Traffic(lab) as traffic:
        traffic.wait_until(2)
        wait_mode(lab, "emergency")
        traffic.wait_until(3)
    traffic.everything_came()
    check_equal(lab.switch.counters()["conn_probe_lost"], before + 1, "probes lost")
    peer.close()


# -- targets that come and go -----------------------------------------------------------------------

class Server:
    """A controller that the switch connects to."""

    def __init__(self, lab, port):
        with lab.switch_ns.inside():
            self.sock = socket.create_server(("127.0.0.1", port))
        self.sock.settimeout(30)

    def accept(self):
        sock, _ = self.sock.accept()
        peer = of.Peer(sock)
        peer.ports()
        return peer


def configure(lab, *lines):
    with open(lab.path("turnoutd.conf"), "w") as out:
        out.write("\n".join(["inactivity-probe 1", "max-backoff 1", "bridge br0", "port p1@1",
                             "port p2@2", "port p3@3", "listen ptcp:6653:127.0.0.1", *lines, ""]))


def controllers_come_and_go_by_reload(lab):
    configure(lab, "controller tcp:127.0.0.1:7001")
    first, second = Server(lab, 7001), Server(lab, 7002)
    lab.switch.stop()
    lab.switch.argv = [*lab.switch.argv[:lab.switch.argv.index("--bridge")], "--config",
                       lab.path("turnoutd.conf")]
    lab.switch.start()
    one = first.accept()
    one.flow_mod(of.output(2), of.match(in_port=1))
    one.flow_mod(of.output(3), of.match(in_port=1), flags=of.EMERG)
    with Traffic(lab) as traffic:
        traffic.wait_until(2)
        configure(lab, "controller tcp:127.0.0.1:7001", "controller tcp:127.0.0.1:7002")
        os.kill(lab.switch.process.pid, signal.SIGHUP)
        two = second.accept()
        configure(lab, "controller tcp:127.0.0.1:7002")
        os.kill(lab.switch.process.pid, signal.SIGHUP)
        one.wait_eof()
        check_equal(control(lab)["mode"], "controlled", "the second is live")
        traffic.wait_until(2)
        second.sock.close()
        two.close()
        wait_mode(lab, "emergency")
        traffic.wait_until(3)
    traffic.everything_came()
    first.sock.close()


def without_a_configured_controller_there_is_none_to_lose(lab):
    start(lab, listeners=[])
    check_equal((control(lab)["controllers"], control(lab)["mode"]), ("none", "secure"), "at start")
    text = lab.switch.ctl("controllers").stdout
    row = [line.split() for line in text.splitlines()][-1]
    check_equal([row[i] for i in (0, 1, 3, 4, 5, 6)], ["br0", "secure", "none", "secure", "0", "0"],
                text)
    lab.switch.stop()


if __name__ == "__main__":
    LAB = Lab(hosts=3)
    LAB.switch = None
    run(LAB, emergency_flows_have_a_table, tools_show_it, each_command_works_on_it, its_refusals,
        all_are_lost_and_one_comes_back, the_controller_changes_them, emergency_wins_over_standalone,
        standalone_begins_and_ends, secure_keeps_the_flows, a_silent_controller_is_lost,
        controllers_come_and_go_by_reload, without_a_configured_controller_there_is_none_to_lose)
