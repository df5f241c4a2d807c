#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""More connections than there may be: to a listener, to the control socket, and more than
there are descriptors for."""

import json
import os
import resource
import socket
import struct

from netns.lib import Lab, Switch, check, check_equal, run, wait_for
from netns.rawof import (ECHO_REPLY, ECHO_REQUEST, FEATURES_REQUEST, FLOW_MOD, HELLO, Peer, connect,
                         match, output)

CROWD = 1000
HELLO_MESSAGE = struct.pack("!BBHI", 1, HELLO, 8, 0)


def restart(lab, *options):
    if getattr(lab, "switch", None):
        lab.switch.stop()
    lab.switch = Switch(lab, ["p1@1"], listeners=["ptcp:6653:127.0.0.1"],
                        options=["--inactivity-probe", "60", *options])


def sockets(lab, n):
    """n connections to the listener that nobody spoke on yet."""
    found = []
    with lab.switch_ns.inside():
        for _ in range(n):
            found.append(socket.create_connection(("127.0.0.1", 6653), timeout=60))
    return found


def controller(lab):
    peer = connect(lab)
    peer.ask(FEATURES_REQUEST)
    return peer


def states(lab):
    rows = lab.switch.ctl_json("controllers")["bridges"][0]["connections"]
    return [row["state"] for row in rows if not row["listener"]]


def a_thousand_are_served(lab):
    """Each gets its echo while one of them loads flows."""
    restart(lab)
    peers = [Peer(sock) for sock in sockets(lab, CROWD)]
    loader = controller(lab)
    # The bench loads 100,000 beside a thousand; here it is about being right.
    for i in range(5000):
        loader.send(FLOW_MOD, loader.flow_mod_body(output(1), match(nw_src=i, dl_type=0x800)))
    for i, peer in enumerate(peers):
        peer.send(ECHO_REQUEST, struct.pack("!I", i))
    for i, peer in enumerate(peers):
        check_equal(peer.wait_for(ECHO_REPLY), struct.pack("!I", i), "an echo")
    loader.barrier()
    check_equal(loader.aggregate()[2], 5000, "flows")
    check_equal(states(lab).count("active"), CROWD + 1, "active connections")
    for peer in peers:
        peer.close()
    wait_for(lambda: len(states(lab)) == 1, "they are gone")
    loader.close()


def a_silent_crowd_drives_nobody_out(lab):
    restart(lab, "--max-connections", "100")
    with controller(lab) as real, connect(lab) as tool:
        crowd = sockets(lab, CROWD)
        wait_for(lambda: lab.switch.counters()["conn_evicted"] == CROWD + 2 - 100, "the rest went")
        check_equal(len(states(lab)), 100, "connections")
        # The oldest of the crowd went, the newest are there.
        check_equal(Peer(crowd[-1]).ask(ECHO_REQUEST, b"x"), (ECHO_REPLY, b"x"), "the newest")
        check_equal([message[0] for message in Peer(crowd[0], hello=b"").wait_eof()], [HELLO],
                    "what the oldest got")
        real.barrier()
        tool.barrier()
        for sock in crowd:
            sock.close()


def a_speaking_crowd_does_not_either(lab):
    restart(lab, "--max-connections", "20")
    with controller(lab) as real:
        crowd = [controller(lab) for _ in range(19)]
        refused = sockets(lab, 50)
        wait_for(lambda: lab.switch.counters()["conn_refused"] == 50, "the others are refused")
        for sock in refused:
            check_equal(Peer(sock, hello=b"").wait_eof(), [], "what a refused one got")
        real.barrier()
        for peer in crowd:
            peer.barrier()
            peer.close()


def without_descriptors_it_goes_on(lab):
    restart(lab)
    with controller(lab) as real:
        pid = lab.switch.process.pid
        there = len(os.listdir("/proc/%d/fd" % pid))
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        check(before[0] >= 2 * 1024, "the limit was raised, to %d" % before[0])
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (there + 10, before[1]))
        crowd = sockets(lab, 100)
        log = lab.processes[-1][2]
        wait_for(lambda: "cannot accept a connection" in open(log).read(), "accepting fails")
        for _ in range(20):
            real.barrier()
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        check_equal(Peer(crowd[-1]).ask(ECHO_REQUEST, b"x"), (ECHO_REPLY, b"x"), "the last")
        check(lab.switch.counters()["conn_accept_failed"] > 0, "it was counted")
        real.barrier()
        for sock in crowd:
            sock.close()


def one_turnoutctl_too_many_is_told_so(lab):
    restart(lab)
    clients = []
    for _ in range(32):
        client = socket.socket(socket.AF_UNIX)
        client.connect(lab.switch.control)
        client.sendall(b'{"jsonrpc":"2.0","id":1,"method":"hello","params":{"protocols":[1]}}\n')
        check(json.loads(client.makefile().readline())["result"], "the greeting")
        clients.append(client)
    done = lab.switch.ctl("show", ok=False)
    check(done.returncode not in (0, 2), "exit status %d" % done.returncode)
    check("32 control clients" in done.stderr, done.stderr)
    done = lab.switch.ctl("show", "--json", ok=False)
    check("32 control clients" in done.stderr + done.stdout, done.stderr + done.stdout)
    clients.pop().close()
    wait_for(lambda: lab.switch.ctl("show", ok=False).returncode == 0, "there is room again")
    for client in clients:
        client.close()


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    run(Lab(hosts=1), a_thousand_are_served, a_silent_crowd_drives_nobody_out,
        a_speaking_crowd_does_not_either, without_descriptors_it_goes_on,
        one_turnoutctl_too_many_is_told_so)
