#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""In-band control: a controller behind a port, reached by IP over LOCAL."""

import os
import signal
import socket
import struct

from netns import rawof as of
from netns.lib import Capture, Lab, Switch, check, check_equal, run, wait_for

SWITCH = "10.0.0.100"
PATIENT = ["--inactivity-probe", "30", "--max-backoff", "1"]
QUICK = ["--inactivity-probe", "1"]  # lost after 3 s
PORTS = ["p1@1", "p2@2", "p3@3"]
REMOTE = "tcp:10.0.0.1:6653"
GROUP = "ff:ff:ff:ff:ff:ff"


def start(lab, *options, controllers=(REMOTE,), **how):
    """A new switch whose LOCAL has an address; the controller is host 1."""
    if lab.switch:
        lab.switch.stop()
    lab.switch = Switch(lab, PORTS, controllers=controllers, options=[*PATIENT, *options], **how)
    give_address(lab)


def give_address(lab):
    lab.switch_ns.ip("link", "set", "br0", "up")
    lab.switch_ns.ip("addr", "add", SWITCH + "/24", "dev", "br0")
    lab.forget()


class InBandLab(Lab):
    """Host 1 is the controller."""

    def __init__(self):
        super().__init__(hosts=3)
        self.switch = None
        with self.hosts[0].inside():
            self.server = socket.create_server(("0.0.0.0", 6653))
        self.server.settimeout(30)

    def forget(self):
        """Nobody knows the other's hardware address any more."""
        for namespace in [self.switch_ns, *self.hosts]:
            namespace.ip("neigh", "flush", "all")

    def accept(self):
        """A controller's end; connections that the switch has given up meanwhile don't count."""
        while True:
            sock, _ = self.server.accept()
            try:
                peer = of.Peer(sock)
                peer.ports()
                return peer
            except (EOFError, ConnectionError):
                sock.close()

    def accept_again(self, peer):
        """Closes the connection; the switch makes another, from the first ARP on."""
        peer.close()
        self.forget()
        return self.accept()


def control(lab):
    return lab.switch.ctl_json("show")["bridges"][0]["control"]


def hidden(lab):
    """The hidden rules, as "match actions"."""
    rows = lab.switch.ctl_json("flows", "--table", "in-band")["flows"]
    return sorted("%s actions=%s" % (r["match"], r["actions"]) for r in rows)


def local_mac(lab):
    return lab.switch_ns.run("cat", "/sys/class/net/br0/address").stdout.strip()


def drop_everything(peer):
    peer.flow_mod(b"", priority=65535)


# -- a controller behind a port -----------------------------------------------------------------

def it_is_off_unless_asked_for(lab):
    start(lab)
    check_equal(control(lab)["in_band"], False, "in_band")
    refused = lab.switch.ctl("flows", "--table", "in-band", ok=False)
    check(refused.returncode == 1 and "in-band control is off" in refused.stderr, refused.stderr)
    wait_for(lambda: any(c["last_error"] for c in lab.switch.ctl_json("controllers")
                         ["bridges"][0]["connections"]), "it does not connect")
    check_equal(control(lab)["controllers"] in ("waiting", "lost"), True, "nobody is live")


def it_works_before_there_is_a_rule(lab):
    start(lab, "--in-band")
    peer = lab.accept()
    check_equal(peer.flows(), [], "no flows")
    check_equal(control(lab)["mode"], "controlled", "mode")
    lab.peer = peer


def rules_are_hidden(lab):
    peer = lab.peer
    check_equal(peer.flows(), [], "FLOW")
    check_equal(peer.aggregate(), (0, 0, 0), "AGGREGATE")
    check_equal(lab.switch.flows(), [], "ovs-ofctl dump-flows")
    check_equal(lab.switch.ctl("flows").stdout, "", "turnoutctl flows")
    mac = local_mac(lab)
    wanted = sorted([
        "udp,in_port=LOCAL,dl_src=%s,tp_src=68,tp_dst=67 actions=NORMAL" % mac,
        "udp,dl_dst=%s,tp_src=67,tp_dst=68 actions=LOCAL" % mac,
        "udp,dl_dst=%s,tp_src=67,tp_dst=68 actions=LOCAL" % GROUP,
        "arp,in_port=LOCAL,dl_src=%s actions=NORMAL" % mac,
        "arp,dl_dst=%s,arp_op=2 actions=LOCAL" % mac,
        "arp,arp_tpa=%s,arp_op=1 actions=LOCAL" % SWITCH,
        "tcp,in_port=LOCAL,dl_src=%s,nw_dst=10.0.0.1,tp_dst=6653 actions=NORMAL" % mac,
        "tcp,dl_dst=%s,nw_src=10.0.0.1,tp_src=6653 actions=LOCAL" % mac])
    check_equal(hidden(lab), wanted, "turnoutctl flows --table in-band")
    check("in-band control: 8 hidden rules" in lab.switch.ctl("show").stdout, "show")
    told = lab.switch.ctl("trace", "arp,in_port=1,dl_dst=%s,arp_tpa=%s,arp_op=1" % (GROUP, SWITCH))
    check("in-band control takes it" in told.stdout and "LOCAL" in told.stdout, told.stdout)


def no_rule_locks_it_out(lab):
    peer = lab.peer
    drop_everything(peer)
    peer = lab.accept_again(peer)
    peer.flow_mod(command=of.DELETE)
    check_equal(len(hidden(lab)), 8, "they can't be deleted")
    peer = lab.accept_again(peer)
    drop_everything(peer)
    # Rules that say just the opposite, and NORMAL's opposite: all to another port.
    mac = of.mac(local_mac(lab))
    for fields in (of.match(dl_type=0x0806), of.match(in_port=of.LOCAL), of.match(dl_dst=mac),
                   of.match(dl_type=0x0800, nw_proto=6, tp_src=6653)):
        peer.flow_mod(of.output(3), fields, priority=65535)
    lab.peer = lab.accept_again(peer)


def it_is_for_nothing_else(lab):
    """The rules still say: everything is dropped."""
    peer = lab.peer
    peer.flow_mod(command=of.DELETE)
    drop_everything(peer)
    one, two, _ = lab.hosts
    check(not one.ping(SWITCH, ok=False, options=("-W", "1")), "no ping, though its controller's")
    check(not two.ping(SWITCH, ok=False, options=("-W", "1")), "no ping from others")
    check(not one.ping(two.address, ok=False, options=("-W", "1")), "none between others")
    with one.inside():
        other = socket.create_server(("0.0.0.0", 6654))
    with lab.switch_ns.inside():
        sock = socket.socket()
    sock.settimeout(1)
    try:
        sock.connect(("10.0.0.1", 6654))
        check(False, "another port of the controller's is none of it")
    except OSError:
        pass
    sock.close()
    other.close()
    peer.barrier()


def who_listens_is_reached_as_well(lab):
    lab.peer.close()
    start(lab, "--in-band", controllers=(), listeners=["ptcp:6634", "ptcp:6635:127.0.0.1"])
    check_equal([line for line in hidden(lab) if line.startswith("tcp")],
                sorted(["tcp,in_port=LOCAL,dl_src=%s,nw_src=%s,tp_src=6634 actions=NORMAL"
                        % (local_mac(lab), SWITCH),
                        "tcp,dl_dst=%s,nw_dst=%s,tp_dst=6634 actions=LOCAL"
                        % (local_mac(lab), SWITCH)]), "only where LOCAL is listened at")
    for _ in range(2):
        with lab.hosts[1].inside():
            sock = socket.create_connection((SWITCH, 6634), timeout=30)
        other = of.Peer(sock)
        drop_everything(other)
        other.close()
        lab.forget()


# -- addresses ------------------------------------------------------------------------------------

def rules_follow_the_addresses(lab):
    start(lab, "--in-band")
    peer = lab.accept()
    drop_everything(peer)
    lab.switch_ns.ip("addr", "add", "10.0.0.200/24", "dev", "br0")
    wait_for(lambda: "arp,arp_tpa=10.0.0.200,arp_op=1 actions=LOCAL" in hidden(lab), "another one")
    lab.switch_ns.ip("addr", "del", "10.0.0.200/24", "dev", "br0")
    wait_for(lambda: len(hidden(lab)) == 8, "it is gone")
    lab.switch_ns.ip("link", "set", "br0", "address", "02:00:00:00:01:02")
    wait_for(lambda: all("dl_src=02:00:00:00:01:02" in line for line in hidden(lab)
                         if "in_port=LOCAL" in line), "the hardware address")
    lab.accept_again(peer).close()


def a_gateway_may_be_in_between(lab):
    """The controller's address is not in LOCAL's network."""
    lab.hosts[0].ip("addr", "add", "192.168.77.1/32", "dev", "lo")
    start(lab, "--in-band", controllers=["tcp:192.168.77.1:6653"])
    lab.switch_ns.ip("route", "add", "192.168.77.1/32", "via", "10.0.0.1", "dev", "br0")
    peer = lab.accept()
    drop_everything(peer)
    lab.accept_again(peer).close()


def targets_come_and_go_by_reload(lab):
    lab.switch.stop()
    lines = ["inactivity-probe 1", "max-backoff 1", "bridge br0", *("port " + p for p in PORTS)]

    def configure(*more):
        with open(lab.path("turnoutd.conf"), "w") as out:
            out.write("\n".join([*lines, *more, ""]))
    configure("in-band")
    lab.switch.argv = [*lab.switch.argv[:lab.switch.argv.index("--bridge")], "--config",
                       lab.path("turnoutd.conf")]
    lab.switch.start()
    give_address(lab)
    wait_for(lambda: len(hidden(lab)) == 6, "no targets")
    configure("in-band", "controller " + REMOTE)
    os.kill(lab.switch.process.pid, signal.SIGHUP)
    peer = lab.accept()
    drop_everything(peer)
    peer = lab.accept_again(peer)
    configure("controller " + REMOTE)
    os.kill(lab.switch.process.pid, signal.SIGHUP)
    wait_for(lambda: not hidden(lab), "in-band control is off")
    wait_for(lambda: control(lab)["controllers"] == "lost", "the rule locks the controller out")
    configure("in-band", "controller " + REMOTE)
    os.kill(lab.switch.process.pid, signal.SIGHUP)
    peer.close()
    lab.accept().close()


# -- the loss of the controller -----------------------------------------------------------------

def it_comes_back_after_a_loss(lab, *options, emergency=False, mode="secure"):
    """The controller's link goes down for so long that it is lost."""
    start(lab, "--in-band", *QUICK, *options)
    peer = lab.accept()
    drop_everything(peer)
    if emergency:
        peer.flow_mod(b"", flags=of.EMERG, priority=65535)
    lab.hosts[0].ip("link", "set", "eth0", "down")
    wait_for(lambda: control(lab)["mode"] == mode, "the mode is " + mode)
    lab.hosts[0].ip("link", "set", "eth0", "up")
    peer.close()
    peer = lab.accept()
    peer.barrier()
    check_equal(control(lab)["mode"], "controlled", "it is live again")
    check_equal([f["actions"] for f in peer.flows()], [b""], "and still everything is dropped")
    peer.close()


def lost_and_back_in_secure_mode(lab):
    it_comes_back_after_a_loss(lab)


def lost_and_back_in_standalone_mode(lab):
    it_comes_back_after_a_loss(lab, "--fail-mode", "standalone", mode="standalone")


def lost_and_back_in_an_emergency(lab):
    it_comes_back_after_a_loss(lab, emergency=True, mode="emergency")


# -- DHCP ---------------------------------------------------------------------------------------

def dhcp(op, src_mac, dst_mac, chaddr):
    ports = (68, 67) if op == 1 else (67, 68)
    message = struct.pack("!BBBBIHH16x6s10x", op, 1, 6, 0, 0x1234, 0, 0, of.mac(chaddr))
    message += bytes(192) + bytes.fromhex("63825363" "350101" "ff")
    udp = struct.pack("!HHHH", *ports, 8 + len(message), 0) + message
    ip = bytearray(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0,
                               bytes(4) if op == 1 else bytes([10, 0, 0, 1]), b"\xff" * 4))
    total = sum(struct.unpack("!10H", ip))
    total = (total & 0xffff) + (total >> 16)
    struct.pack_into("!H", ip, 10, ~((total & 0xffff) + (total >> 16)) & 0xffff)
    return of.mac(dst_mac) + of.mac(src_mac) + b"\x08\x00" + bytes(ip) + udp


def dhcp_gets_through(lab):
    start(lab, "--in-band")
    peer = lab.accept()
    drop_everything(peer)
    mac, server = local_mac(lab), lab.hosts[1].mac
    request = dhcp(1, mac, GROUP, mac)
    with Capture(lab.hosts[1]) as at_host, Capture(lab.switch_ns, "br0") as at_local:
        lab.switch_ns.send("br0", request)
        at_host.expect(lambda frame: frame == request, "LOCAL's request at host 2")
        others = dhcp(2, server, GROUP, lab.hosts[2].mac)
        answer, unicast = dhcp(2, server, GROUP, mac), dhcp(2, server, mac, mac)
        lab.hosts[1].send("eth0", others, answer, unicast)
        frames = at_local.until(unicast)
        check(answer in frames, "the answer at LOCAL")
        check(others not in frames, "somebody else's answer is not LOCAL's")
    peer.close()
    lab.switch.stop()


if __name__ == "__main__":
    run(InBandLab(), it_is_off_unless_asked_for, it_works_before_there_is_a_rule, rules_are_hidden,
        no_rule_locks_it_out, it_is_for_nothing_else, who_listens_is_reached_as_well,
        rules_follow_the_addresses, a_gateway_may_be_in_between, targets_come_and_go_by_reload,
        lost_and_back_in_secure_mode, lost_and_back_in_standalone_mode,
        lost_and_back_in_an_emergency, dhcp_gets_through)
