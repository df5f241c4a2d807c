# SPDX-License-Identifier: Apache-2.0
"""An os-ken application that sends a switch each message of OpenFlow 1.0 and checks what
comes back: replies, events and errors. test_conformance.py runs it.

It needs hosts 1 to 3 at ports 1 to 3 (netns/lib.py), whose namespaces are named in
TURNOUT_HOSTS; results go to the file TURNOUT_RESULTS as TAP.
"""

import os
import struct
import traceback

from os_ken.base import app_manager
from os_ken.controller import ofp_event
from os_ken.controller.handler import CONFIG_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from os_ken.lib import hub
from os_ken.ofproto import ofproto_v1_0 as ofp
from os_ken.ofproto import ofproto_v1_0_parser as parser

from netns.lib import Capture, Failure, Namespace, check, check_equal

SECONDS = 10
BAD_REQUEST, BAD_ACTION, FLOW_MOD_FAILED, PORT_MOD_FAILED, QUEUE_OP_FAILED = 1, 2, 3, 4, 5
EVENTS = [ofp_event.EventOFPErrorMsg, ofp_event.EventOFPEchoReply,
          ofp_event.EventOFPSwitchFeatures, ofp_event.EventOFPGetConfigReply,
          ofp_event.EventOFPPacketIn, ofp_event.EventOFPFlowRemoved,
          ofp_event.EventOFPPortStatus, ofp_event.EventOFPDescStatsReply,
          ofp_event.EventOFPFlowStatsReply, ofp_event.EventOFPAggregateStatsReply,
          ofp_event.EventOFPTableStatsReply, ofp_event.EventOFPPortStatsReply,
          ofp_event.EventOFPQueueStatsReply, ofp_event.EventOFPBarrierReply,
          ofp_event.EventOFPQueueGetConfigReply, ofp_event.EventOFPVendor]

# os-ken's own handler of errors looks for a name that only later versions of OpenFlow have.
if not hasattr(ofp, "OFPET_EXPERIMENTER"):
    ofp.OFPET_EXPERIMENTER = 0xFFFF


def existing(name):
    namespace = Namespace.__new__(Namespace)
    namespace.name = name
    return namespace


def frame(number, size=60, src=1, dst=2, ethertype=0x88B5):
    """An Ethernet frame from host 'src' to 'dst', told from others by 'number'."""
    head = bytes([2, 0, 0, 0, 0, dst, 2, 0, 0, 0, 0, src]) + struct.pack("!H", ethertype)
    return head + bytes([number]) * (size - len(head))


def udp_frame(sport, dport):
    addresses = bytes([10, 0, 0, 1, 10, 0, 0, 2])
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 28, 1, 0, 64, 17, 0) + addresses
    return frame(0, 14, ethertype=0x0800) + ip + struct.pack("!HHHH", sport, dport, 8, 0) + bytes(18)


class Conformance(app_manager.OSKenApp):
    OFP_VERSIONS = [ofp.OFP_VERSION]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.messages = hub.Queue()
        self.kept = []  # messages that were not what anybody waited for
        self.hosts = [existing(name) for name in os.environ["TURNOUT_HOSTS"].split(",")]
        self.switch = None
        self.next_xid = 0x1000

    @set_ev_cls(ofp_event.EventOFPStateChange, MAIN_DISPATCHER)
    def ready(self, event):
        if self.switch is None:
            self.switch = event.datapath
            hub.spawn(self.run)

    @set_ev_cls(EVENTS, [CONFIG_DISPATCHER, MAIN_DISPATCHER])
    def message(self, event):
        self.messages.put(event.msg)

    # -- sending and waiting --

    def wait(self, accept, what):
        """The first message, kept or to come, that accept() takes."""
        for message in self.kept:
            if accept(message):
                self.kept.remove(message)
                return message
        with hub.Timeout(SECONDS, Failure("nothing came in %d s: %s" % (SECONDS, what))):
            while True:
                message = self.messages.get()
                if accept(message):
                    return message
                self.kept.append(message)

    def wait_for(self, kind, accept=lambda message: True):
        return self.wait(lambda message: isinstance(message, kind) and accept(message),
                         kind.__name__)

    def forget(self):
        """Drops what has come until now: a barrier is the marker."""
        self.barrier()
        self.kept = []

    def xid(self):
        self.next_xid += 1
        return self.next_xid

    def ask(self, message):
        """Sends a message; returns the first one with its xid that comes back."""
        message.set_xid(self.xid())
        self.switch.send_msg(message)
        return self.wait(lambda m: m.xid == message.xid, "an answer to %s" % type(message).__name__)

    def tell(self, message):
        """Sends a message that has no answer, and checks that there is none: no error."""
        message.set_xid(self.xid())
        self.switch.send_msg(message)
        self.barrier()
        for other in self.kept:
            if other.xid == message.xid:
                raise Failure("%s was answered with %s" % (type(message).__name__, other))

    def barrier(self):
        reply = self.ask(parser.OFPBarrierRequest(self.switch))
        check(isinstance(reply, parser.OFPBarrierReply), "a barrier's answer: %s" % reply)

    def raw(self, kind, body=b"", version=1, length=None):
        """Sends bytes with a header; returns (bytes, answer with the xid)."""
        xid = self.xid()
        data = struct.pack("!BBHI", version, kind,
                           8 + len(body) if length is None else length, xid) + body
        self.switch.send(data)
        return data, self.wait(lambda m: m.xid == xid, "an answer to a raw message")

    def expect_error(self, answer, kind, code, request=None):
        check(isinstance(answer, parser.OFPErrorMsg), "an error was wanted, got %s" % answer)
        check_equal((answer.type, answer.code), (kind, code), "the error's type and code")
        if request is not None:
            check_equal(bytes(answer.data)[:64], request[:64], "the request in the error")
            check(len(answer.data) >= min(64, len(request)), "64 bytes of the request at least")

    def raw_error(self, kind, code, message_type, body=b"", **header):
        request, answer = self.raw(message_type, body, **header)
        self.expect_error(answer, kind, code, request)

    # -- flows --

    def flow_mod(self, actions=(), command=ofp.OFPFC_ADD, match=None, **fields):
        fields = {"cookie": 0, "idle_timeout": 0, "hard_timeout": 0, "priority": 100,
                  "buffer_id": 0xFFFFFFFF, "out_port": ofp.OFPP_NONE, "flags": 0, **fields}
        return parser.OFPFlowMod(self.switch, match or parser.OFPMatch(), command=command,
                                 actions=list(actions), **fields)

    def clear(self):
        self.tell(self.flow_mod(command=ofp.OFPFC_DELETE))
        self.forget()

    def flows(self, match=None, table=0xFF, out_port=ofp.OFPP_NONE):
        """Flow statistics, of several replies where there are several."""
        request = parser.OFPFlowStatsRequest(self.switch, 0, match or parser.OFPMatch(), table,
                                             out_port)
        reply = self.ask(request)
        found = list(reply.body)
        while reply.flags & 1:
            reply = self.wait(lambda m: m.xid == request.xid, "more flow statistics")
            found += reply.body
        return found

    def raw_flow_mod(self, actions, size=None):
        """The body of an ADD of priority 1 that matches everything."""
        match = struct.pack("!I", 0x3FFFFF) + bytes(36)
        body = match + struct.pack("!QHHHHIHH", 0, 0, 0, 0, 1, 0xFFFFFFFF, 0xFFFF, 0) + actions
        return body if size is None else body[:size]

    def output(self, port, max_len=0xFFFF):
        return parser.OFPActionOutput(port, max_len)

    def packet_out(self, actions, data=None, buffer_id=0xFFFFFFFF, in_port=ofp.OFPP_NONE):
        return parser.OFPPacketOut(self.switch, buffer_id=buffer_id, in_port=in_port,
                                   actions=list(actions), data=data)

    def packet_in(self, sent, port=1):
        """Host 1 sends a frame; the PACKET_IN that it causes."""
        self.hosts[port - 1].send("eth0", sent)
        return self.wait_for(parser.OFPPacketIn, lambda m: sent.startswith(bytes(m.data)[:14])
                             and m.in_port == port)

    def set_config(self, flags=0, miss_send_len=128):
        self.tell(parser.OFPSetConfig(self.switch, flags, miss_send_len))

    # -- the tests --

    def test_echo_returns_its_payload(self):
        for size in (0, 1, 1000, 60000):
            payload = os.urandom(size)
            reply = self.ask(parser.OFPEchoRequest(self.switch, payload))
            check(isinstance(reply, parser.OFPEchoReply), str(reply))
            check_equal(bytes(reply.data or b""), payload, "the payload")

    def test_features_tell_the_switch(self):
        reply = self.ask(parser.OFPFeaturesRequest(self.switch))
        check_equal(reply.datapath_id, 0xABC123, "datapath id")
        check_equal(reply.n_tables, 1, "tables")
        check(reply.n_buffers > 0, "buffers")
        for bit in (ofp.OFPC_FLOW_STATS, ofp.OFPC_TABLE_STATS, ofp.OFPC_PORT_STATS,
                    ofp.OFPC_ARP_MATCH_IP):
            check(reply.capabilities & bit, "capability 0x%x in 0x%x" % (bit, reply.capabilities))
        check(not reply.capabilities & ofp.OFPC_IP_REASM, "no reassembly")
        check_equal(reply.actions & 0x7FF, 0x7FF, "actions")
        check_equal(sorted(reply.ports), [1, 2, 3, ofp.OFPP_LOCAL], "ports")
        for number in (1, 2, 3):
            port = reply.ports[number]
            check_equal(port.name.rstrip(b"\0"), b"p%d" % number, "name")
            check(port.curr & ofp.OFPPF_10GB_FD, "a veth's 10 Gbit/s: 0x%x" % port.curr)
            check_equal((port.config, port.state), (0, 0), "config and state")
        check_equal(reply.ports[ofp.OFPP_LOCAL].name.rstrip(b"\0"), b"br0", "LOCAL's name")

    def test_config_is_set_and_got(self):
        reply = self.ask(parser.OFPGetConfigRequest(self.switch))
        check_equal((reply.flags, reply.miss_send_len), (0, 128), "at first")
        self.set_config(ofp.OFPC_FRAG_DROP, 77)
        reply = self.ask(parser.OFPGetConfigRequest(self.switch))
        check_equal((reply.flags, reply.miss_send_len), (ofp.OFPC_FRAG_DROP, 77), "as set")
        self.set_config(ofp.OFPC_FRAG_REASM, 128)
        reply = self.ask(parser.OFPGetConfigRequest(self.switch))
        check_equal(reply.flags, ofp.OFPC_FRAG_DROP, "reassembly is not taken on")
        self.set_config()

    def test_a_miss_is_cut_to_miss_send_len(self):
        for length in (128, 40, 0xFFFF):
            self.set_config(miss_send_len=length)
            sent = frame(1, 700)
            message = self.packet_in(sent)
            check_equal(message.reason, ofp.OFPR_NO_MATCH, "reason")
            check_equal(message.total_len, 700, "total_len")
            check_equal(bytes(message.data), sent[:length], "data")
        self.set_config()

    def test_the_controller_action_has_a_length_of_its_own(self):
        for length in (0xFFFF, 20, 0):
            self.tell(self.flow_mod([self.output(ofp.OFPP_CONTROLLER, length)]))
            sent = frame(2, 300)
            self.hosts[0].send("eth0", sent)
            message = self.wait_for(parser.OFPPacketIn)
            check_equal(message.reason, ofp.OFPR_ACTION, "reason")
            check_equal(bytes(message.data), sent[:length], "data")
            check_equal(message.total_len, 300, "total_len")

    def test_a_buffer_is_used_once(self):
        self.set_config(miss_send_len=64)
        sent = frame(3, 500)
        message = self.packet_in(sent)
        check(message.buffer_id != 0xFFFFFFFF, "a buffer")
        with Capture(self.hosts[1]) as capture:
            self.tell(self.packet_out([self.output(2)], buffer_id=message.buffer_id, in_port=1))
            capture.expect(lambda got: got == sent, "the buffered packet, whole")
        answer = self.ask(self.packet_out([self.output(2)], buffer_id=message.buffer_id))
        self.expect_error(answer, BAD_REQUEST, ofp.OFPBRC_BUFFER_EMPTY)
        answer = self.ask(self.packet_out([self.output(2)], buffer_id=0x7FFFFFF1))
        check(answer.type == BAD_REQUEST and answer.code in (ofp.OFPBRC_BUFFER_EMPTY,
                                                             ofp.OFPBRC_BUFFER_UNKNOWN),
              "a buffer that never was: %s" % answer)
        self.set_config()

    def test_a_flow_mod_sends_its_buffer(self):
        sent = frame(4, 500)
        message = self.packet_in(sent)
        with Capture(self.hosts[2]) as capture:
            self.tell(self.flow_mod([self.output(3)], match=parser.OFPMatch(in_port=1),
                                    buffer_id=message.buffer_id))
            capture.expect(lambda got: got == sent, "the buffered packet")
        check_equal([flow.packet_count for flow in self.flows()], [1], "counted in its flow")
        answer = self.ask(self.flow_mod([self.output(3)], buffer_id=message.buffer_id))
        self.expect_error(answer, BAD_REQUEST, ofp.OFPBRC_BUFFER_EMPTY)

    def test_packet_out_to_every_port(self):
        self.tell(self.flow_mod([self.output(3)], match=parser.OFPMatch(in_port=2)))
        cases = [(2, ofp.OFPP_NONE, [2]), (ofp.OFPP_ALL, ofp.OFPP_NONE, [1, 2, 3]),
                 (ofp.OFPP_ALL, 1, [2, 3]), (ofp.OFPP_FLOOD, 2, [1, 3]), (ofp.OFPP_IN_PORT, 3, [3]),
                 (ofp.OFPP_TABLE, 2, [3]), (ofp.OFPP_ALL, ofp.OFPP_CONTROLLER, [1, 2, 3])]
        for number, (port, in_port, wanted) in enumerate(cases, 10):
            sent, marker = frame(number), frame(number + 100)
            captures = [Capture(host) for host in self.hosts]
            self.tell(self.packet_out([self.output(port)], sent, in_port=in_port))
            for out in (1, 2, 3):
                self.tell(self.packet_out([self.output(out)], marker))
            for host, capture in enumerate(captures, 1):
                got = capture.until(marker)
                check_equal(got, [sent] if host in wanted else [],
                            "PACKET_OUT to 0x%x from 0x%x, at port %d" % (port, in_port, host))
                capture.close()

    def test_packet_out_to_the_controller(self):
        sent = frame(5)
        self.tell(self.packet_out([self.output(ofp.OFPP_CONTROLLER)], sent, in_port=2))
        message = self.wait_for(parser.OFPPacketIn)
        check_equal((bytes(message.data), message.in_port, message.reason),
                    (sent, 2, ofp.OFPR_ACTION), "the PACKET_IN")

    def test_packet_out_with_rewrites(self):
        sent = frame(6, ethertype=0x88B5)
        wanted = sent[:6] + bytes(6) + bytes.fromhex("8100a005") + sent[12:]
        with Capture(self.hosts[1]) as capture:
            self.tell(self.packet_out([parser.OFPActionSetDlSrc(bytes(6)),
                                       parser.OFPActionVlanVid(5), parser.OFPActionVlanPcp(5),
                                       self.output(2)], sent))
            got = capture.expect(lambda got: got[14:16] == b"\xa0\x05" or got == wanted, "it")
            check_equal(got, wanted, "the frame")

    def test_packet_out_to_ports_that_are_not(self):
        for port in (0, 0xFF00, 0xFFF7):
            answer = self.ask(self.packet_out([self.output(port)], frame(7)))
            self.expect_error(answer, BAD_ACTION, ofp.OFPBAC_BAD_OUT_PORT)

    def test_add_replaces_and_zeroes(self):
        match = parser.OFPMatch(in_port=1)
        self.tell(self.flow_mod([self.output(2)], match=match, cookie=1))
        with Capture(self.hosts[1]) as capture:
            self.hosts[0].send("eth0", frame(8))
            capture.expect(lambda got: got == frame(8), "a frame")
        check_equal([(f.cookie, f.packet_count, f.byte_count) for f in self.flows()],
                    [(1, 1, 60)], "counted")
        self.tell(self.flow_mod([self.output(3)], match=match, cookie=2))
        check_equal([(f.cookie, f.packet_count, f.byte_count) for f in self.flows()],
                    [(2, 0, 0)], "replaced")

    def test_modify_keeps_counters(self):
        match = parser.OFPMatch(in_port=1)
        self.tell(self.flow_mod([self.output(2)], match=match, cookie=1))
        with Capture(self.hosts[1]) as capture:
            self.hosts[0].send("eth0", frame(9))
            capture.expect(lambda got: got == frame(9), "a frame")
        self.tell(self.flow_mod([self.output(3)], command=ofp.OFPFC_MODIFY, cookie=2))
        flows = self.flows()
        check_equal([f.packet_count for f in flows], [1], "kept")
        check_equal(flows[0].actions[0].port, 3, "new actions")
        with Capture(self.hosts[2]) as capture:
            self.hosts[0].send("eth0", frame(10))
            capture.expect(lambda got: got == frame(10), "a frame at the new port")

    def test_modify_strict_and_delete_strict(self):
        one, wide = parser.OFPMatch(in_port=1), parser.OFPMatch()
        self.tell(self.flow_mod([self.output(2)], match=one, priority=5))
        self.tell(self.flow_mod([self.output(2)], match=wide, priority=5))
        self.tell(self.flow_mod([self.output(3)], match=wide, priority=5,
                                command=ofp.OFPFC_MODIFY_STRICT))
        check_equal(sorted(f.actions[0].port for f in self.flows()), [2, 3], "outputs")
        self.tell(self.flow_mod(match=wide, priority=6, command=ofp.OFPFC_DELETE_STRICT))
        check_equal(len(self.flows()), 2, "another priority deletes nothing")
        self.tell(self.flow_mod(match=wide, priority=5, command=ofp.OFPFC_DELETE_STRICT))
        check_equal([f.actions[0].port for f in self.flows()], [2], "what is left")

    def test_delete_honours_out_port(self):
        self.tell(self.flow_mod([self.output(2)], match=parser.OFPMatch(in_port=1)))
        self.tell(self.flow_mod([self.output(3)], match=parser.OFPMatch(in_port=2)))
        check_equal(len(self.flows(out_port=3)), 1, "flows with out_port 3")
        self.tell(self.flow_mod(command=ofp.OFPFC_DELETE, out_port=3))
        check_equal([f.actions[0].port for f in self.flows()], [2], "what is left")

    def test_overlap_is_found(self):
        self.tell(self.flow_mod([self.output(2)], match=parser.OFPMatch(in_port=1)))
        answer = self.ask(self.flow_mod([self.output(3)], match=parser.OFPMatch(dl_type=0x0800),
                                        flags=ofp.OFPFF_CHECK_OVERLAP))
        self.expect_error(answer, FLOW_MOD_FAILED, ofp.OFPFMFC_OVERLAP)
        self.tell(self.flow_mod([self.output(3)], match=parser.OFPMatch(dl_type=0x0800),
                                flags=ofp.OFPFF_CHECK_OVERLAP, priority=101))

    def test_bad_flow_mods(self):
        answer = self.ask(self.flow_mod(command=9))
        self.expect_error(answer, FLOW_MOD_FAILED, ofp.OFPFMFC_BAD_COMMAND)
        answer = self.ask(self.flow_mod(flags=ofp.OFPFF_EMERG, idle_timeout=3))
        self.expect_error(answer, FLOW_MOD_FAILED, ofp.OFPFMFC_BAD_EMERG_TIMEOUT)
        check_equal(self.flows(), [], "nothing was added")

    def test_flow_removed_by_idle_time(self):
        match = parser.OFPMatch(in_port=1, dl_type=0x0800, nw_proto=17, tp_dst=2000)
        self.tell(self.flow_mod([self.output(2)], match=match, cookie=0x1234, priority=77,
                                idle_timeout=1, flags=ofp.OFPFF_SEND_FLOW_REM))
        with Capture(self.hosts[1]) as capture:
            sent = udp_frame(1000, 2000)
            self.hosts[0].send("eth0", sent, sent, sent)
            capture.expect(lambda got: got == sent, "a frame")
        message = self.wait_for(parser.OFPFlowRemoved)
        check_equal((message.reason, message.cookie, message.priority, message.idle_timeout),
                    (ofp.OFPRR_IDLE_TIMEOUT, 0x1234, 77, 1), "reason, cookie, priority, idle")
        check_equal((message.packet_count, message.byte_count), (3, 180), "counters")
        check_equal((message.match.tp_dst, message.match.in_port), (2000, 1), "match")
        check(1 <= message.duration_sec <= 8, "duration %d" % message.duration_sec)

    def test_flow_removed_by_hard_time(self):
        self.tell(self.flow_mod([self.output(2)], hard_timeout=1, flags=ofp.OFPFF_SEND_FLOW_REM))
        self.tell(self.flow_mod([self.output(2)], hard_timeout=1, priority=3))
        message = self.wait_for(parser.OFPFlowRemoved)
        check_equal((message.reason, message.priority), (ofp.OFPRR_HARD_TIMEOUT, 100), "reason")
        hub.sleep(0)
        check_equal([m for m in self.kept if isinstance(m, parser.OFPFlowRemoved)], [],
                    "only flows that ask for it tell")

    def test_flow_removed_by_delete(self):
        self.tell(self.flow_mod([self.output(2)], flags=ofp.OFPFF_SEND_FLOW_REM, cookie=9))
        self.tell(self.flow_mod(command=ofp.OFPFC_DELETE))
        message = self.wait_for(parser.OFPFlowRemoved)
        check_equal((message.reason, message.cookie), (ofp.OFPRR_DELETE, 9), "reason, cookie")

    def test_description(self):
        reply = self.ask(parser.OFPDescStatsRequest(self.switch, 0))
        check(reply.body.mfr_desc.rstrip(b"\0") and reply.body.hw_desc.rstrip(b"\0")
              and reply.body.sw_desc.rstrip(b"\0"), str(reply))

    def test_aggregate_statistics(self):
        for port in (1, 2, 3):
            self.tell(self.flow_mod(match=parser.OFPMatch(in_port=port)))
        request = parser.OFPAggregateStatsRequest(self.switch, 0, parser.OFPMatch(), 0xFF,
                                                  ofp.OFPP_NONE)
        reply = self.ask(request)
        check_equal(reply.body[0].flow_count, 3, "flows")

    def test_table_statistics(self):
        before = self.ask(parser.OFPTableStatsRequest(self.switch, 0)).body[0]
        self.tell(self.flow_mod([self.output(2)]))
        with Capture(self.hosts[1]) as capture:
            self.hosts[0].send("eth0", frame(11))
            capture.expect(lambda got: got == frame(11), "a frame")
        after = self.ask(parser.OFPTableStatsRequest(self.switch, 0)).body[0]
        check_equal(after.active_count, 1, "active flows")
        check(after.max_entries >= 1000000, "room for %d flows" % after.max_entries)
        check(after.lookup_count > before.lookup_count, "look-ups")
        check(after.matched_count > before.matched_count, "matched")
        check_equal(after.wildcards & 0xFF, 0xFF, "wildcards")

    def test_table_ids(self):
        self.tell(self.flow_mod([self.output(2)]))
        for table, wanted in ((0xFF, 1), (0, 1), (1, 0), (0xFE, 0)):
            check_equal(len(self.flows(table=table)), wanted, "flows of table 0x%x" % table)

    def test_port_statistics(self):
        reply = self.ask(parser.OFPPortStatsRequest(self.switch, 0, ofp.OFPP_NONE))
        check_equal(sorted(p.port_no for p in reply.body), [1, 2, 3, ofp.OFPP_LOCAL], "ports")
        before = self.ask(parser.OFPPortStatsRequest(self.switch, 0, 2)).body[0]
        with Capture(self.hosts[1]) as capture:
            self.tell(self.packet_out([self.output(2)], frame(12)))
            capture.expect(lambda got: got == frame(12), "a frame")
        after = self.ask(parser.OFPPortStatsRequest(self.switch, 0, 2)).body[0]
        check_equal(after.tx_packets - before.tx_packets, 1, "packets sent")
        check(after.tx_bytes - before.tx_bytes >= 60, "bytes sent")

    def test_statistics_of_many_flows_come_in_parts(self):
        for number in range(3000):
            message = self.flow_mod([self.output(1 + number % 3)],
                                    match=parser.OFPMatch(dl_dst=struct.pack("!HI", 2, number)))
            message.set_xid(self.xid())
            self.switch.send_msg(message)
        self.barrier()
        flows = self.flows()
        check_equal(len({bytes(f.match.dl_dst) if isinstance(f.match.dl_dst, bytes)
                         else f.match.dl_dst for f in flows}), 3000, "different flows")

    def test_statistics_that_are_not(self):
        self.raw_error(BAD_REQUEST, ofp.OFPBRC_BAD_STAT, 16, struct.pack("!HH", 0x1234, 0))
        self.raw_error(BAD_REQUEST, ofp.OFPBRC_BAD_VENDOR, 16,
                       struct.pack("!HHI", 0xFFFF, 0, 0xBAD00BAD))

    def test_port_mod(self):
        ports = self.ask(parser.OFPFeaturesRequest(self.switch)).ports
        mod = parser.OFPPortMod
        self.tell(mod(self.switch, 2, ports[2].hw_addr, ofp.OFPPC_NO_FLOOD, ofp.OFPPC_NO_FLOOD, 0))
        ports = self.ask(parser.OFPFeaturesRequest(self.switch)).ports
        check_equal(ports[2].config, ofp.OFPPC_NO_FLOOD, "the configuration")
        self.tell(mod(self.switch, 2, ports[2].hw_addr, 0, ofp.OFPPC_NO_FLOOD, 0))
        answer = self.ask(mod(self.switch, 2, "02:00:00:00:00:99", 0, 0, 0))
        self.expect_error(answer, PORT_MOD_FAILED, ofp.OFPPMFC_BAD_HW_ADDR)
        answer = self.ask(mod(self.switch, 99, ports[2].hw_addr, 0, 0, 0))
        self.expect_error(answer, PORT_MOD_FAILED, ofp.OFPPMFC_BAD_PORT)

    def test_barriers_are_answered_in_order(self):
        xids = []
        for _ in range(50):
            message = parser.OFPBarrierRequest(self.switch)
            message.set_xid(self.xid())
            xids.append(message.xid)
            self.switch.send_msg(message)
        got = [self.wait_for(parser.OFPBarrierReply).xid for _ in xids]
        check_equal(got, xids, "the replies")

    def test_queues(self):
        request, answer = self.raw(20, struct.pack("!HH", 1, 0))
        check(isinstance(answer, (parser.OFPQueueGetConfigReply, parser.OFPErrorMsg)), str(answer))
        if isinstance(answer, parser.OFPErrorMsg):
            check_equal(answer.type in (BAD_REQUEST, QUEUE_OP_FAILED), True, "type of the error")
        request, answer = self.raw(20, struct.pack("!HH", 0xFFF9, 0))
        self.expect_error(answer, QUEUE_OP_FAILED, ofp.OFPQOFC_BAD_PORT, request)

    def test_roles(self):
        for role in (ofp.NX_ROLE_MASTER, ofp.NX_ROLE_SLAVE, ofp.NX_ROLE_OTHER):
            answer = self.ask(parser.NXTRoleRequest(self.switch, role))
            check(isinstance(answer.data, parser.NXTRoleReply), str(answer))
            check_equal(answer.data.role, role, "the role")
            answer = self.ask_with_barrier(self.flow_mod(priority=9))
            check_equal(isinstance(answer, parser.OFPErrorMsg), role == ofp.NX_ROLE_SLAVE, "an error")
            if role == ofp.NX_ROLE_SLAVE:
                self.expect_error(answer, BAD_REQUEST, ofp.OFPBRC_EPERM)
        self.clear()

    def ask_with_barrier(self, message):
        """The error with the message's xid, or the barrier's reply behind it."""
        message.set_xid(self.xid())
        self.switch.send_msg(message)
        barrier = parser.OFPBarrierRequest(self.switch)
        barrier.set_xid(self.xid())
        self.switch.send_msg(barrier)
        answer = self.wait(lambda m: m.xid in (message.xid, barrier.xid), "an error or a barrier")
        self.forget()
        return answer

    def test_actions_of_nicira(self):
        actions = [parser.NXActionDecTtl(), parser.NXActionController(64, 0, 0), self.output(2)]
        self.tell(self.flow_mod(actions))
        flow = self.flows()[0]
        check_equal([type(a).__name__ for a in flow.actions],
                    ["NXActionDecTtl", "NXActionController", "OFPActionOutput"], "the actions")
        check_equal((flow.actions[1].max_len, flow.actions[1].controller_id,
                     flow.actions[1].reason), (64, 0, 0), "the controller action")
        self.hosts[0].send("eth0", udp_frame(1, 2))
        message = self.wait_for(parser.OFPPacketIn)
        check_equal((message.reason, bytes(message.data)[22]), (0, 63), "the reason and the TTL")
        self.clear()

    def test_vendor_messages_are_refused(self):
        self.raw_error(BAD_REQUEST, ofp.OFPBRC_BAD_VENDOR, 4, struct.pack("!II", 0xBAD00BAD, 0))
        request, answer = self.raw(4, struct.pack("!II", 0x2320, 0xFFFF))
        check(isinstance(answer, parser.OFPErrorMsg) and answer.type == BAD_REQUEST, str(answer))

    def test_messages_that_are_not(self):
        self.raw_error(BAD_REQUEST, ofp.OFPBRC_BAD_TYPE, 99)
        self.raw_error(BAD_REQUEST, ofp.OFPBRC_BAD_TYPE, 19)
        self.raw_error(BAD_REQUEST, ofp.OFPBRC_BAD_VERSION, 5, version=4)

    def test_lengths_that_lie(self):
        self.raw_error(BAD_REQUEST, ofp.OFPBRC_BAD_LEN, 18, bytes(4))
        self.raw_error(BAD_REQUEST, ofp.OFPBRC_BAD_LEN, 14, self.raw_flow_mod(b"")[:-1])
        self.raw_error(BAD_REQUEST, ofp.OFPBRC_BAD_LEN, 9, bytes(3))
        self.raw_error(BAD_REQUEST, ofp.OFPBRC_BAD_LEN, 15, bytes(20))
        self.raw_error(BAD_REQUEST, ofp.OFPBRC_BAD_LEN, 16, struct.pack("!HHB", 1, 0, 0))

    def test_actions_that_are_not(self):
        def refused(code, actions):
            self.raw_error(BAD_ACTION, code, 14, self.raw_flow_mod(actions))

        refused(ofp.OFPBAC_BAD_TYPE, struct.pack("!HHI", 0x50, 8, 0))
        refused(ofp.OFPBAC_BAD_LEN, struct.pack("!HHI", 0, 0, 0))
        refused(ofp.OFPBAC_BAD_LEN, struct.pack("!HHI", 0, 12, 0) + bytes(8))
        refused(ofp.OFPBAC_BAD_LEN, struct.pack("!HHI", 0, 4, 0))
        refused(ofp.OFPBAC_BAD_LEN, struct.pack("!HHHH", 0, 16, 1, 0))
        refused(ofp.OFPBAC_BAD_LEN, struct.pack("!HHI", 4, 8, 0))
        refused(ofp.OFPBAC_BAD_VENDOR, struct.pack("!HHII", 0xFFFF, 16, 0xBAD00BAD, 0) + bytes(4))
        refused(ofp.OFPBAC_BAD_OUT_PORT, struct.pack("!HHHH", 0, 8, 0, 0))
        refused(ofp.OFPBAC_BAD_OUT_PORT, struct.pack("!HHHH", 0, 8, 0xFFF9, 0))
        refused(ofp.OFPBAC_BAD_OUT_PORT, struct.pack("!HHHH", 0, 8, 0xFFFF, 0))
        refused(ofp.OFPBAC_BAD_ARGUMENT, struct.pack("!HHHH", 1, 8, 4096, 0))
        refused(ofp.OFPBAC_BAD_ARGUMENT, struct.pack("!HHB3x", 2, 8, 8))
        refused(ofp.OFPBAC_BAD_ARGUMENT, struct.pack("!HHB3x", 8, 8, 3))
        check_equal(self.flows(), [], "nothing was added")

    def test_port_status_of_a_link(self):
        self.hosts[2].ip("link", "set", "eth0", "down")
        status = self.wait_for(parser.OFPPortStatus, lambda m: m.desc.port_no == 3)
        check_equal((status.reason, status.desc.state & ofp.OFPPS_LINK_DOWN),
                    (ofp.OFPPR_MODIFY, ofp.OFPPS_LINK_DOWN), "down")
        self.hosts[2].ip("link", "set", "eth0", "up")
        status = self.wait_for(parser.OFPPortStatus, lambda m: m.desc.port_no == 3
                               and not m.desc.state & ofp.OFPPS_LINK_DOWN)
        check_equal(status.reason, ofp.OFPPR_MODIFY, "up")

    def run(self):
        """All tests in the order they are written in; then the process ends."""
        tests = [name for name in vars(type(self)) if name.startswith("test_")]
        with open(os.environ["TURNOUT_RESULTS"], "w") as out:
            print("1..%d" % len(tests), file=out, flush=True)
            for number, name in enumerate(tests, 1):
                lines = []
                try:
                    self.clear()
                    getattr(self, name)()
                except Exception as problem:  # pylint: disable=broad-except
                    lines = (str(problem) if isinstance(problem, Failure)
                             else traceback.format_exc()).splitlines()
                print("%s %d - %s" % ("not ok" if lines else "ok", number,
                                      name[5:].replace("_", " ")), file=out)
                for line in lines:
                    print("# " + line, file=out)
                out.flush()
        os._exit(0)
