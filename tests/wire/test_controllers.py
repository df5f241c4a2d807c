#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Messages that os-ken and scapy make, decoded by us; messages that we make, decoded by
os-ken, as the controller that people will run."""
import logging

import codec

try:
    from os_ken.ofproto import ofproto_parser, ofproto_protocol
    from os_ken.ofproto import ofproto_v1_0 as of
    from os_ken.ofproto import ofproto_v1_0_parser as parser
    logging.getLogger('scapy').setLevel(logging.ERROR)
    from scapy.contrib import openflow as scapy
except ImportError as missing:
    print('1..0 # SKIP', missing)
    raise SystemExit(0)

DATAPATH = ofproto_protocol.ProtocolDesc(version=of.OFP_VERSION)
FRAME = bytes.fromhex('02000000000202000000000188cc') + bytes(46)


def osken_bytes(message, xid=0x11):
    message.set_xid(xid)
    message.serialize()
    return bytes(message.buf)


def osken_cases():
    """(what os-ken makes, what we must see in it)"""
    actions = [
        parser.OFPActionVlanVid(100), parser.OFPActionVlanPcp(5), parser.OFPActionStripVlan(),
        parser.OFPActionSetDlSrc('02:00:00:00:00:0a'), parser.OFPActionSetDlDst('02:00:00:00:00:0b'),
        parser.OFPActionSetNwSrc('10.0.0.9'), parser.OFPActionSetNwDst('10.0.0.8'),
        parser.OFPActionSetNwTos(0xb8), parser.OFPActionSetTpSrc(1000),
        parser.OFPActionSetTpDst(2000), parser.OFPActionEnqueue(3, 7),
        parser.OFPActionOutput(of.OFPP_CONTROLLER, 200), parser.OFPActionOutput(4),
    ]
    tcp = parser.OFPMatch(in_port=1, dl_src='02:00:00:00:00:01', dl_type=0x0800, nw_proto=6,
                          nw_src='10.1.0.0', nw_src_mask=16, nw_dst='10.2.3.4', tp_dst=80)
    yield parser.OFPHello(DATAPATH), 'HELLO xid=0x11: version=0x01'
    yield parser.OFPEchoRequest(DATAPATH, b'abcd'), 'ECHO_REQUEST xid=0x11: 4 bytes'
    yield parser.OFPFeaturesRequest(DATAPATH), 'FEATURES_REQUEST xid=0x11:'
    yield parser.OFPGetConfigRequest(DATAPATH), 'GET_CONFIG_REQUEST xid=0x11:'
    yield (parser.OFPSetConfig(DATAPATH, of.OFPC_FRAG_DROP, 256),
           'SET_CONFIG xid=0x11: fragments=drop miss_send_len=256')
    yield parser.OFPBarrierRequest(DATAPATH), 'BARRIER_REQUEST xid=0x11:'
    yield (parser.OFPQueueGetConfigRequest(DATAPATH, 5), 'QUEUE_GET_CONFIG_REQUEST xid=0x11: port=5')
    yield (parser.OFPFlowMod(DATAPATH, tcp, 0x1234, of.OFPFC_ADD, 10, 20, 300,
                             flags=of.OFPFF_SEND_FLOW_REM, actions=actions),
           'FLOW_MOD xid=0x11: ADD priority=300 tcp,in_port=1,dl_src=02:00:00:00:00:01,'
           'nw_src=10.1.0.0/16,nw_dst=10.2.3.4,tp_dst=80 cookie=0x1234 idle=10 hard=20'
           ' flags=0x1 send_flow_rem actions=mod_vlan_vid:100,mod_vlan_pcp:5,strip_vlan,'
           'mod_dl_src:02:00:00:00:00:0a,mod_dl_dst:02:00:00:00:00:0b,mod_nw_src:10.0.0.9,'
           'mod_nw_dst:10.0.0.8,mod_nw_tos:184,mod_tp_src:1000,mod_tp_dst:2000,enqueue:3:7,'
           'CONTROLLER:200,output:4')
    untagged = parser.OFPMatch(dl_vlan=of.OFP_VLAN_NONE, dl_vlan_pcp=0)
    yield (parser.OFPFlowMod(DATAPATH, untagged, 0, of.OFPFC_DELETE, out_port=6),
           'FLOW_MOD xid=0x11: DELETE priority=32768 vlan_tci=0x0000 cookie=0x0 idle=0 hard=0'
           ' out_port=6')
    arp = parser.OFPMatch(dl_type=0x0806, nw_proto=1, nw_dst='10.0.0.1', dl_vlan=7)
    yield (parser.OFPFlowMod(DATAPATH, arp, 0, of.OFPFC_MODIFY_STRICT, buffer_id=9),
           'FLOW_MOD xid=0x11: MODIFY_STRICT priority=32768 arp,dl_vlan=7,arp_tpa=10.0.0.1,'
           'arp_op=1 cookie=0x0 idle=0 hard=0 buffer=0x9 actions=drop')
    yield (parser.OFPPacketOut(DATAPATH, 0xffffffff, of.OFPP_NONE,
                               [parser.OFPActionOutput(of.OFPP_FLOOD)], FRAME),
           'PACKET_OUT xid=0x11: in_port=NONE actions=FLOOD data=60 bytes'
           ' (02:00:00:00:00:01 > 02:00:00:00:00:02 type 0x88cc)')
    yield (parser.OFPPortMod(DATAPATH, 3, '02:00:00:00:00:03', 0x11, 0x51, 0),
           'PORT_MOD xid=0x11: port=3 hw_addr=02:00:00:00:00:03 config=0x11 mask=0x51'
           ' advertise=0x0')
    yield (parser.OFPFlowStatsRequest(DATAPATH, 0, tcp, 0xff, of.OFPP_NONE),
           'STATS_REQUEST xid=0x11: FLOW table=255 tcp,in_port=1,dl_src=02:00:00:00:00:01,'
           'nw_src=10.1.0.0/16,nw_dst=10.2.3.4,tp_dst=80')
    yield (parser.OFPAggregateStatsRequest(DATAPATH, 0, parser.OFPMatch(), 0, 4),
           'STATS_REQUEST xid=0x11: AGGREGATE table=0 any out_port=4')
    yield parser.OFPDescStatsRequest(DATAPATH, 0), 'STATS_REQUEST xid=0x11: DESC'
    yield parser.OFPTableStatsRequest(DATAPATH, 0), 'STATS_REQUEST xid=0x11: TABLE'
    yield (parser.OFPPortStatsRequest(DATAPATH, 0, of.OFPP_NONE),
           'STATS_REQUEST xid=0x11: PORT port=NONE')
    yield (parser.OFPQueueStatsRequest(DATAPATH, 0, of.OFPP_ALL, of.OFPQ_ALL),
           'STATS_REQUEST xid=0x11: QUEUE port=ALL queue=4294967295')


def scapy_cases():
    match = scapy.OFPMatch(in_port=2, dl_vlan=5, dl_vlan_pcp=3, dl_type=0x0800, nw_proto=17,
                           nw_src='192.168.1.1', nw_src_mask=0, tp_src=53)
    actions = [scapy.OFPATSetVLANVID(vlan_vid=9), scapy.OFPATOutput(port=2),
               scapy.OFPATSetDlDst(dl_addr='02:00:00:00:00:05')]
    yield (scapy.OFPTFlowMod(xid=0x22, match=match, cmd='OFPFC_ADD', priority=7, idle_timeout=1,
                             buffer_id='NO_BUFFER', out_port='NONE', actions=actions),
           'FLOW_MOD xid=0x22: ADD priority=7 udp,in_port=2,dl_vlan=5,dl_vlan_pcp=3,'
           'nw_src=192.168.1.1,tp_src=53 cookie=0x0 idle=1 hard=0'
           ' actions=mod_vlan_vid:9,output:2,mod_dl_dst:02:00:00:00:00:05')
    yield (scapy.OFPTPacketOut(xid=0x22, in_port=4, buffer_id=3, actions=[scapy.OFPATStripVLAN()]),
           'PACKET_OUT xid=0x22: in_port=4 buffer=0x3 actions=strip_vlan')
    yield (scapy.OFPTSetConfig(xid=0x22, flags=1, miss_send_len=64),
           'SET_CONFIG xid=0x22: fragments=drop miss_send_len=64')
    yield (scapy.OFPTBarrierRequest(xid=0x22), 'BARRIER_REQUEST xid=0x22:')
    yield (scapy.OFPTStatsRequestPort(xid=0x22, port_no=3),
           'STATS_REQUEST xid=0x22: PORT port=3')


def osken_reads(message):
    version, kind, size, xid = ofproto_parser.header(message)
    return ofproto_parser.msg(DATAPATH, version, kind, size, xid, message)


def describe_osken(message):
    """What os-ken sees in a message, as a few of its numbers."""
    kind = type(message).__name__
    if kind == 'OFPSwitchFeatures':
        return (message.datapath_id, message.n_buffers, message.n_tables, message.actions,
                len(message.ports))
    if kind == 'OFPPacketIn':
        return message.buffer_id, message.total_len, message.in_port, message.reason, len(message.data)
    if kind == 'OFPFlowStatsReply':
        return len(message.body), message.body[0].table_id
    if kind == 'OFPAggregateStatsReply':
        return message.body[0].packet_count, message.body[0].byte_count, message.body[0].flow_count
    if kind == 'OFPDescStatsReply':
        return message.body.mfr_desc, message.body.dp_desc
    if kind == 'OFPGetConfigReply':
        return message.flags, message.miss_send_len
    if kind == 'OFPPortStatsReply':
        return [port.collisions for port in message.body]
    if kind == 'OFPQueueStatsReply':
        return [queue.tx_bytes for queue in message.body]
    if kind == 'OFPTableStatsReply':
        return [(table.name, table.matched_count) for table in message.body]
    if kind == 'OFPErrorMsg':
        return message.type, message.code, len(message.data)
    if kind == 'OFPPortStatus':
        return message.reason, len(message.desc.name) > 0
    if kind == 'OFPFlowRemoved':
        return message.reason, message.duration_sec, message.idle_timeout
    return kind


OSKEN_SEES = {
    'features-reply': (0x20304050607, 256, 1, 0xfff, 3),
    'packet-in': (0x101, 1500, 3, 1, 60),
    'flow-reply': (4, 0),
    'aggregate-reply': (0x123456789a, 0xfedcba98765, 77),
    'desc-reply': (b'Turnout', b'br0'),
    'get-config-reply': (1, 128),
    'port-reply': [12, 2**64 - 1],
    'queue-reply': [6400, 2**64 - 1],
    'table-reply': [(b'main', 500), (b'emergency', 0)],
    'error-2': (2, 1, 18),
    'port-status-2': (2, True),
    'flow-removed-1': (1, 12, 30),
    'barrier-reply': 'OFPBarrierReply',
}


def main():
    tap = codec.Tap()
    cases = [(type(m).__name__, osken_bytes(m), text) for m, text in osken_cases()]
    cases += [(type(m).__name__, bytes(m), text) for m, text in scapy_cases()]
    lines = codec.describe(message for _, message, _ in cases)
    for (name, message, expected), line in zip(cases, lines):
        tap.equal(line, expected, f'{name}, {len(message)} bytes, is read')
    for name, message in codec.samples(codec.SEED):
        if name in OSKEN_SEES:
            tap.equal(describe_osken(osken_reads(message)), OSKEN_SEES[name], f'os-ken reads {name}')
    tap.done()


main()
