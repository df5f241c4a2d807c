#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Flows with wildcards on a chip that must be told what kind of frame it is to take: entries of them
name type and tag, and frames of another kind are right as well."""

from netns.lib import Capture, run, wait_for
from vm.frames import ethernet, ipv4, udp, udp_frame
from vm.lab import ChipLab
from vm.lib import enter

PLAIN = udp_frame(1000, 2000)
TAGGED = udp_frame(1000, 2000, tci=5)
QINQ = ethernet(bytes.fromhex("00070800") + ipv4(udp(1000, 2000)), 0x8100, tci=5)


def in_hardware(lab, words):
    return [entry for entry in lab.switch.ctl_json("hw", "entries")["entries"]
            if entry["state"] == "hardware" and words in entry["match"]]


def passes(lab, frame, expected, n=1):
    """n of the frame from host 1 come to host 2 as 'expected'."""
    with Capture(lab.hosts[1]) as eye:
        lab.hosts[0].send("eth0", *[frame] * n)
        for _ in range(n):
            eye.expect(lambda data: data == expected, "the frame")


def moves_in(lab, frame, expected, words):
    """Traffic brings an entry with these words in its match into the chip."""
    def busy():
        passes(lab, frame, expected, 20)
        return in_hardware(lab, words)
    wait_for(busy, "an entry with " + words)
    passes(lab, frame, expected)


def a_type_says_that_there_is_no_tag(lab):
    lab.start_switch("--governor", "off")
    lab.switch.ofctl("add-flow", "priority=10,udp,in_port=1,nw_dst=10.0.0.2,actions=output:2")
    moves_in(lab, PLAIN, PLAIN, "vlan_tci=0x0000")
    passes(lab, TAGGED, TAGGED)


def a_tag_is_another_entry(lab):
    moves_in(lab, TAGGED, TAGGED, "dl_vlan=5")
    passes(lab, PLAIN, PLAIN)


def rewrites_know_their_header(lab):
    lab.switch.ofctl("del-flows")
    lab.switch.ofctl("add-flow", "priority=10,in_port=1,actions=mod_nw_tos:184,mod_vlan_vid:9,output:2")
    moves_in(lab, PLAIN, udp_frame(1000, 2000, tos=184, tci=9), "vlan_tci=0x0000")
    passes(lab, TAGGED, udp_frame(1000, 2000, tos=184, tci=9))
    passes(lab, QINQ, QINQ[:14] + bytes.fromhex("0009") + QINQ[16:])


def main():
    enter()
    run(ChipLab(), a_type_says_that_there_is_no_tag, a_tag_is_another_entry, rewrites_know_their_header)


if __name__ == "__main__":
    main()
