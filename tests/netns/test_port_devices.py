#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The devices behind ports: down from the start, in somebody's bridge, deleted, with other
speeds; and what controllers and the operator are told of it."""

import ctypes
import fcntl
import os
import re
import signal
import socket
import struct

from netns import rawof as of
from netns.lib import Lab, Switch, check, check_equal, run, wait_for
from netns.port_watch import LINK_DOWN, NO_FLOOD, Watch, reason_of

SIOCETHTOOL, GLINKSETTINGS, SLINKSETTINGS = 0x8946, 0x4C, 0x4D
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 2, 0x1000
# ETHTOOL_LINK_MODE_*: 100baseT/Full, 1000baseT/Full, Autoneg, TP, Pause, 40000baseCR4/Full
M_100, M_1000, M_AUTONEG, M_TP, M_PAUSE, M_40000 = 3, 5, 6, 7, 13, 24
# OFPPF_*
F_100, F_1000, F_10000, F_COPPER, F_AUTONEG, F_PAUSE = 8, 32, 64, 128, 512, 1024


def it_starts(lab):
    lab.switch_ns.ip("link", "set", "p2", "down")
    lab.switch = Switch(lab, ["p1@1", "p2@2", "p3@3"], listeners=["ptcp:6653:127.0.0.1"])
    lab.peer = of.connect(lab)
    lab.peer.ask(of.FEATURES_REQUEST)
    lab.watch = Watch(lab, lab.peer)


def log(lab):
    return lab.logs()


def is_up(namespace, device):
    text = namespace.ip("link", "show", "dev", device).stdout
    return "UP" in re.search(r"<([^>]*)>", text).group(1).split(",")


def a_device_that_is_down_is_not_brought_up(lab):
    watch = lab.watch
    check(not is_up(lab.switch_ns, "p2"), "the switch has brought p2 up")
    check_equal(lab.peer.ports()[2][2:], (0, LINK_DOWN), "config and state")
    why = reason_of(lab, "p2")
    check("the device is down" in why and "ip link set p2 up" in why, why)
    check_equal(reason_of(lab, "p1"), None, "p1's reason")
    text = lab.switch.ctl("ports").stdout
    check("port 2 (p2) is held back: the device is down" in text, text)
    watch.rule(of.output(of.ALL))
    watch.goes(1, {3, of.LOCAL}, "ALL, p2 down")
    lab.switch_ns.ip("link", "set", "p2", "up")
    watch.wait_status(lambda r, port, c, state, f: (port, state) == (2, 0), "p2 is up")
    watch.goes(1, {2, 3, of.LOCAL}, "ALL, p2 up")
    lab.switch_ns.ip("link", "set", "p2", "down")
    watch.wait_status(lambda r, port, c, state, f: (port, state) == (2, LINK_DOWN), "p2 is down")


def to_say_that_it_is_up_brings_it_up(lab):
    watch = lab.watch
    lab.switch.ofctl("mod-port", "p2", "up")
    check(is_up(lab.switch_ns, "p2"), "mod-port up has not brought p2 up")
    wait_for(lambda: lab.peer.ports()[2][2:] == (0, 0), "port 2 is up")
    lab.switch_ns.ip("link", "set", "p2", "down")
    wait_for(lambda: lab.peer.ports()[2][3] == LINK_DOWN, "port 2 is down")
    lab.switch.ctl("set-port", "p2", "down=no")
    check(is_up(lab.switch_ns, "p2"), "down=no has not brought p2 up")
    wait_for(lambda: lab.peer.ports()[2][2:] == (0, 0), "port 2 is up")
    watch.rule(of.output(of.ALL))
    watch.goes(1, {2, 3, of.LOCAL}, "ALL")
    watch.statuses()


def the_other_end_that_goes_down_is_no_carrier(lab):
    lab.hosts[1].ip("link", "set", "eth0", "down")
    lab.watch.wait_status(lambda r, port, c, state, f: (port, state) == (2, LINK_DOWN), "down")
    check_equal(reason_of(lab, "p2"), "no carrier", "reason")
    lab.hosts[1].ip("link", "set", "eth0", "up")
    lab.watch.wait_status(lambda r, port, c, state, f: (port, state) == (2, 0), "up")


def can_have_masters(lab):
    if lab.switch_ns.ip("link", "add", "alien", "type", "bridge", ok=False).returncode:
        print("# this kernel has no bridges to enslave devices to")
        return False
    lab.switch_ns.ip("link", "set", "alien", "up")
    return True


def a_slave_of_somebody_is_no_port(lab):
    if not can_have_masters(lab):
        return
    for number in (1, 2):
        lab.switch_ns.ip("link", "add", "s%d" % number, "type", "veth", "peer", "name",
                         "t%d" % number)
    lab.switch_ns.ip("link", "set", "s1", "master", "alien")
    done = lab.switch.ctl("add-port", "br0", "s1", ok=False)
    check(done.returncode == 1 and "slave of alien (bridge)" in done.stderr
          and "nomaster" in done.stderr, done.stderr)
    check("clsact" not in lab.switch_ns.run("tc", "qdisc", "show", "dev", "s1").stdout,
          "the device was touched")
    lab.switch_ns.ip("link", "set", "s1", "nomaster")
    lab.switch.ctl("add-port", "br0", "s1@21")
    before = lab.switch.counters()["port_enslaved"]
    lab.switch_ns.ip("link", "set", "s1", "master", "alien")
    wait_for(lambda: "slave of alien" in (reason_of(lab, "s1") or ""), "turnoutctl ports tells")
    check_equal(lab.switch.counters()["port_enslaved"], before + 1, "port_enslaved")
    check(re.search("WARN.*s1, was made a slave of alien", log(lab)), "a warning")
    lab.switch_ns.ip("link", "set", "s1", "nomaster")
    wait_for(lambda: "slave" not in (reason_of(lab, "s1") or ""), "it is free")
    # Gone, and back as somebody's slave: its number waits until it is free.
    lab.switch_ns.ip("link", "del", "s1")
    wait_for(lambda: "does not exist" in (reason_of(lab, 21) or ""), "it has gone")
    lab.switch_ns.ip("link", "set", "s2", "master", "alien")
    lab.switch_ns.ip("link", "set", "s2", "name", "s1")
    wait_for(lambda: "can't be used: s1 is a slave of alien" in (reason_of(lab, 21) or ""),
             "turnoutctl ports says why it can't be used")
    lab.switch_ns.ip("link", "set", "s1", "nomaster")
    wait_for(lambda: "can't be used" not in (reason_of(lab, 21) or ""), "it is a port again")
    check("bpf" in lab.switch_ns.run("tc", "filter", "show", "dev", "s1", "ingress").stdout,
          "it is kept from the host's stack")
    lab.switch.ctl("del-port", "br0", "21")
    lab.switch_ns.ip("link", "del", "s1")
    lab.switch_ns.ip("link", "del", "alien")


def address_of(lab, device):
    return re.search(r"link/ether (\S+)", lab.switch_ns.ip("link", "show", device).stdout).group(1)


def local_comes_back(lab):
    watch = lab.watch
    lab.switch_ns.ip("link", "set", "br0", "address", "02:00:00:00:00:aa")
    wait_for(lambda: lab.peer.ports()[of.LOCAL][0] == of.mac("02:00:00:00:00:aa"), "its address")
    _, before = lab.peer.ask(of.FEATURES_REQUEST)
    watch.set_config(of.LOCAL, NO_FLOOD)
    for command in (("link", "del", "br0"), ("link", "set", "br0", "name", "br9")):
        watch.statuses()
        lab.switch_ns.ip("link", "set", "br0", "down")   # or it can't be renamed
        watch.wait_status(lambda r, port, c, state, f: state == LINK_DOWN, "LOCAL is down")
        lab.switch_ns.ip(*command)
        found = watch.wait_status(lambda r, port, c, state, f:
                                  (port, c, state) == (of.LOCAL, NO_FLOOD, 0), "LOCAL is back")
        check({s[0] for s in found} == {2} and {s[1] for s in found} == {of.LOCAL}, "MODIFY only")
        check(is_up(lab.switch_ns, "br0"), "br0 is up")
        check_equal(address_of(lab, "br0"), "02:00:00:00:00:aa", "its address")
        check_equal(reason_of(lab, "br0"), None, "reason")
        watch.recapture(of.LOCAL, lab.switch_ns, "br0")
        watch.rule(of.output(of.LOCAL) + of.output(2))
        watch.goes(1, {2, of.LOCAL}, "to LOCAL")
        watch.rule(of.output(of.ALL))
        watch.goes(of.LOCAL, {1, 2, 3}, "from LOCAL")
    check_equal(lab.peer.ask(of.FEATURES_REQUEST)[1][:24], before[:24], "FEATURES")
    wait_for(lambda: lab.switch_ns.ip("link", "show", "br9", ok=False).returncode, "br9 has gone")
    watch.set_config(of.LOCAL, 0)


def local_waits_for_its_name(lab):
    """Somebody takes LOCAL's name at once: it is made again when the name is free."""
    lab.switch.process.send_signal(signal.SIGSTOP)
    try:
        lab.switch_ns.ip("link", "del", "br0")
        lab.switch_ns.ip("link", "add", "br0", "type", "veth", "peer", "name", "br1")
    finally:
        lab.switch.process.send_signal(signal.SIGCONT)
    wait_for(lambda: "can't be used: br0" in (reason_of(lab, of.LOCAL) or ""), "reason")
    lab.switch_ns.ip("link", "del", "br0")
    wait_for(lambda: reason_of(lab, of.LOCAL) is None, "LOCAL is back", deadline=10)
    lab.watch.recapture(of.LOCAL, lab.switch_ns, "br0")
    lab.watch.rule(of.output(of.LOCAL))
    lab.watch.goes(1, {of.LOCAL}, "to LOCAL")
    lab.watch.statuses()


class LinkSettings:
    """A device's, by ethtool's ioctl. A tap keeps whatever it is told."""

    def __init__(self, namespace, device):
        with namespace.inside():
            self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.device = device

    def call(self, data):
        buffer = ctypes.create_string_buffer(data, 512)
        fcntl.ioctl(self.sock, SIOCETHTOOL, struct.pack("16sP", self.device.encode(),
                                                        ctypes.addressof(buffer)))
        return buffer.raw

    def n_words(self):
        return -struct.unpack_from("b", self.call(struct.pack("I44x", GLINKSETTINGS)), 15)[0]

    def set(self, speed, supported=(), advertised=(), peer=(), autoneg=0):
        n = self.n_words()
        maps = b"".join(sum(1 << bit for bit in bits).to_bytes(4 * n, "little")
                        for bits in (supported, advertised, peer))
        self.call(struct.pack("IIBBBBBBBb", SLINKSETTINGS, speed, 1, 0, 0, autoneg, 0, 0, 0,
                              n).ljust(48, b"\0") + maps)

    def close(self):
        self.sock.close()


def make_tap(lab, name):
    """A TAP that has a carrier while the descriptor is open."""
    with lab.switch_ns.inside():
        fd = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    lab.switch_ns.ip("link", "set", name, "up")
    return fd


def features_of(lab, number):
    _, body = lab.peer.ask(of.FEATURES_REQUEST)
    for at in range(24, len(body), 48):
        if struct.unpack_from("!H", body, at)[0] == number:
            return struct.unpack_from("!4I", body, at + 32)
    return None


def speed_of(lab, device):
    return next(row["speed_mbps"] for row in lab.switch.ctl_json("ports")["ports"]
                if row["name"] == device)


def a_change_of_speed_is_told(lab):
    watch = lab.watch
    lab.tap = make_tap(lab, "tap1")
    lab.settings = LinkSettings(lab.switch_ns, "tap1")
    lab.switch.ctl("add-port", "br0", "tap1@11")
    watch.statuses()
    supported = (M_100, M_1000, M_AUTONEG, M_TP, M_PAUSE, M_40000)
    for speed, wire in ((1000, F_1000), (100, F_100), (10000, F_10000), (40000, 0)):
        lab.settings.set(speed, supported, (M_1000, M_TP), (M_100,))
        wanted = (wire | F_COPPER, F_1000 | F_COPPER,
                  F_100 | F_1000 | F_AUTONEG | F_COPPER | F_PAUSE, F_100)
        found = watch.wait_status(lambda r, port, c, state, f, wanted=wanted:
                                  (r, port, c, state, f) == (2, 11, 0, 0, wanted),
                                  "PORT_STATUS of %d Mbit/s" % speed)
        check_equal(len(found), 1, "PORT_STATUS messages")
        check_equal(features_of(lab, 11), wanted, "FEATURES")
        check_equal(speed_of(lab, "tap1"), speed, "turnoutctl ports")
    lab.settings.set(40000, supported, (M_1000, M_TP), (M_100,))
    lab.settings.set(1000, supported, (M_1000, M_TP), (M_100,))
    watch.wait_status(lambda r, port, c, state, f: f[0] == F_1000 | F_COPPER, "1000 Mbit/s")
    check_equal(watch.statuses(), [], "PORT_STATUS of no change")


def advertise(lab, features):
    addr = lab.peer.ports()[11][0]
    lab.peer.tell(of.PORT_MOD, struct.pack("!H6sIII4x", 11, addr, 0, 0, features))


def port_mod_sets_what_is_advertised(lab):
    watch = lab.watch
    advertise(lab, F_100 | F_AUTONEG | F_10000)      # of which the device has not the last
    found = watch.statuses()
    check_equal([s[:3] for s in found], [(2, 11, 0)], "PORT_STATUS")
    check_equal(features_of(lab, 11)[1], F_100 | F_AUTONEG, "advertised")
    check_equal(features_of(lab, 11)[0] & F_AUTONEG, F_AUTONEG, "current: autonegotiation")
    advertise(lab, 0)
    check_equal(features_of(lab, 11)[1], F_100 | F_AUTONEG, "advertised: 0 changes nothing")
    before = lab.switch.counters()["port_mod_ignored"]
    advertise(lab, F_10000)                          # nothing that the device has
    check_equal(features_of(lab, 11)[1], F_100 | F_AUTONEG, "advertised")
    check_equal(lab.switch.counters()["port_mod_ignored"], before + 1, "port_mod_ignored")
    check_equal(watch.statuses(), [], "PORT_STATUS of no change")
    lab.switch.ctl("del-port", "br0", "tap1")
    check_equal([s[:2] for s in watch.statuses()], [(1, 11)], "PORT_STATUS")
    lab.settings.close()
    os.close(lab.tap)


def it_ends_cleanly(lab):
    lab.watch.nothing_came_late()
    lab.watch.close()
    lab.switch.stop()


if __name__ == "__main__":
    run(Lab(hosts=3), it_starts, a_device_that_is_down_is_not_brought_up,
        to_say_that_it_is_up_brings_it_up, the_other_end_that_goes_down_is_no_carrier,
        a_slave_of_somebody_is_no_port, local_comes_back, local_waits_for_its_name,
        a_change_of_speed_is_told, port_mod_sets_what_is_advertised, it_ends_cleanly)
