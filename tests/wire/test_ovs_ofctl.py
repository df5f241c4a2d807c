#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""ovs-ofctl's commands against a socket that answers with our encoders' messages: what it
sends must be read by our decoders, and what it is sent must satisfy it."""
import os
import re
import socket
import subprocess
import tempfile
import threading

import codec

# Which sample answers a message, by type and, for statistics, their type.
ANSWERS = {
    (2, None): 'echo-reply', (5, None): 'features-reply', (7, None): 'get-config-reply',
    (18, None): 'barrier-reply', (20, None): 'queue-config-reply',
    (16, 0): 'desc-reply', (16, 1): 'flow-reply', (16, 2): 'aggregate-reply',
    (16, 3): 'table-reply', (16, 4): 'port-reply', (16, 5): 'queue-reply',
}
BAD_VENDOR = bytes.fromhex('00010003')


class Switch:
    """Serves connections, more than one at a time, until close(); keeps what came in."""

    def __init__(self, path, samples):
        self.samples = samples
        self.has_nicira = False
        self.received = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection, connection.makefile('rb') as stream:
            try:
                self.send(connection, 'hello', bytes(4))
                while header := stream.read(8):
                    size = int.from_bytes(header[2:4], 'big')
                    self.answer(connection, header + stream.read(size - 8))
            except (BrokenPipeError, ConnectionResetError):
                pass  # gone, as it may

    def send(self, connection, name, xid):
        message = self.samples[name]
        connection.sendall(message[:4] + xid + message[8:])

    def answer(self, connection, message):
        self.received.append(message)
        kind, xid = message[1], message[4:8]
        stats = int.from_bytes(message[8:10], 'big') if kind == 16 else None
        if (kind == 4 and not self.has_nicira) or stats == 0xffff:
            size = (12 + len(message)).to_bytes(2, 'big')
            connection.sendall(b'\x01\x01' + size + xid + BAD_VENDOR + message)
        elif (kind, stats) in ANSWERS:
            self.send(connection, ANSWERS[kind, stats], xid)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


# A port of the sample FEATURES_REPLY; the commands that change a port ask for it first.
def a_port(samples):
    return int.from_bytes(samples['features-reply'][32:34], 'big')


def commands(port):
    """(arguments after the command with SWITCH for the target, a line that we must see,
    something that ovs-ofctl must print)"""
    yield ('add-flow SWITCH priority=9,tcp,in_port=1,dl_vlan=5,nw_dst=10.0.0.0/8,tp_dst=80,'
           'idle_timeout=3,cookie=0x77,actions=mod_vlan_vid:6,output:2',
           'FLOW_MOD: ADD priority=9 tcp,in_port=1,dl_vlan=5,nw_dst=10.0.0.0/8,tp_dst=80'
           ' cookie=0x77 idle=3 hard=0 actions=mod_vlan_vid:6,output:2', None)
    yield ('add-flow SWITCH check_overlap,send_flow_rem,arp,arp_op=1,arp_tpa=10.0.0.1,'
           'actions=enqueue:4:9,controller:64',
           'FLOW_MOD: ADD priority=32768 arp,arp_tpa=10.0.0.1,arp_op=1 cookie=0x0 idle=0 hard=0'
           ' flags=0x3 send_flow_rem check_overlap actions=enqueue:4:9,CONTROLLER:64', None)
    yield ('add-flow SWITCH vlan_tci=0,icmp,icmp_type=8,nw_tos=32,actions=drop',
           'FLOW_MOD: ADD priority=32768 icmp,vlan_tci=0x0000,nw_tos=32,icmp_type=8 cookie=0x0'
           ' idle=0 hard=0 actions=drop', None)
    yield ('add-flow SWITCH dl_vlan_pcp=4,actions=strip_vlan,mod_nw_tos:16,normal',
           'FLOW_MOD: ADD priority=32768 dl_vlan_pcp=4 cookie=0x0 idle=0 hard=0'
           ' actions=strip_vlan,mod_nw_tos:16,NORMAL', None)
    yield ('mod-flows SWITCH udp,tp_src=53,actions=mod_dl_dst:02:00:00:00:00:09,flood',
           'FLOW_MOD: MODIFY priority=32768 udp,tp_src=53 cookie=0x0 idle=0 hard=0'
           ' actions=mod_dl_dst:02:00:00:00:00:09,FLOOD', None)
    yield ('--strict mod-flows SWITCH priority=8,ip,nw_proto=47,actions=in_port,local',
           'FLOW_MOD: MODIFY_STRICT priority=8 ip,nw_proto=47 cookie=0x0 idle=0 hard=0'
           ' actions=IN_PORT,LOCAL', None)
    yield ('del-flows SWITCH out_port=7,dl_type=0x88cc',
           'FLOW_MOD: DELETE priority=32768 dl_type=0x88cc cookie=0x0 idle=0 hard=0 out_port=7',
           None)
    yield ('--strict del-flows SWITCH priority=5,dl_src=02:00:00:00:00:01',
           'FLOW_MOD: DELETE_STRICT priority=5 dl_src=02:00:00:00:00:01 cookie=0x0 idle=0 hard=0',
           None)
    yield ('packet-out SWITCH in_port=controller,packet=02000000000202000000000108060000,'
           'actions=table',
           'PACKET_OUT: in_port=CONTROLLER actions=TABLE data=16 bytes'
           ' (02:00:00:00:00:01 > 02:00:00:00:00:02 type 0x0806)', None)
    yield 'show SWITCH', 'FEATURES_REQUEST:', 'dpid:0000020304050607'
    yield 'dump-desc SWITCH', 'STATS_REQUEST: DESC', 'Manufacturer: Turnout'
    yield 'dump-tables SWITCH', 'STATS_REQUEST: TABLE', 'table 0 ("main")'
    yield 'dump-ports SWITCH', 'STATS_REQUEST: PORT port=NONE', 'port LOCAL: rx pkts=?'
    yield f'dump-ports SWITCH {port}', f'STATS_REQUEST: PORT port={port}', 'rx pkts=1'
    yield 'queue-stats SWITCH', 'STATS_REQUEST: QUEUE port=ALL queue=4294967295', 'bytes=6400'
    yield 'queue-get-config SWITCH 2', 'QUEUE_GET_CONFIG_REQUEST: port=2', 'min_rate:25.0%'
    yield ('dump-flows SWITCH in_port=3,out_port=4',
           'STATS_REQUEST: FLOW table=255 in_port=3 out_port=4', 'n_packets=')
    yield 'dump-aggregate SWITCH', 'STATS_REQUEST: AGGREGATE table=255 any', 'flow_count=77'
    yield 'get-frags SWITCH', 'GET_CONFIG_REQUEST:', 'drop'
    yield f'mod-port SWITCH {port} no-flood', None, None
    yield 'probe SWITCH', 'ECHO_REQUEST:', None


def random_flows():
    """Flows under any mask, as ovs-ofctl reads them."""
    program = os.path.join(codec.BUILD, 'tests/unit/flow_text_cat')
    text = subprocess.check_output([program, '500', 'nxm'], text=True)
    # Without actions that a flow can't have.
    return [line for line in text.splitlines()
            if not re.search(r'\bTABLE\b|enqueue:LOCAL', line)]


def check_nicira(tap, switch, path):
    """What ovs-ofctl writes of any match in nx_match is what we read."""
    flows = random_flows()
    switch.received = []
    switch.has_nicira = True
    run = subprocess.run(['ovs-ofctl', '-voff', '-F', 'NXM-table_id', '--timeout=60', 'add-flows',
                          'unix:' + path, '-'], input='\n'.join(flows), text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    switch.has_nicira = False
    lines = [re.sub(r'^VENDOR xid=0x\w+: NXT_FLOW_MOD ADD ', '', line)
             for line in codec.describe(switch.received) if 'NXT_FLOW_MOD' in line]
    lines = [re.sub(r' cookie=0x0 idle=0 hard=0', '', line) for line in lines]
    lines = [line.replace(' (no wildcards)', '').replace(' any ', ' ') for line in lines]
    wanted = [re.sub(r'^priority=(\d+),', r'priority=\1 ', flow) for flow in flows]
    wrong = [(got, want) for got, want in zip(lines, wanted) if got != want][:3]
    tap.check(run.returncode == 0 and len(lines) == len(flows) and not wrong,
              'random flows in nx_match', run.stdout, f'{len(lines)} of {len(flows)} read', *wrong)


def main():
    codec.skip_unless('ovs-ofctl')
    tap = codec.Tap()
    samples = dict(codec.samples(codec.SEED))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'switch')
        switch = Switch(path, samples)
        for text, expected, printed in commands(a_port(samples)):
            switch.received = []
            run = subprocess.run(['ovs-ofctl', '-voff', '--no-names', '--timeout=30']
                                 + [word.replace('SWITCH', 'unix:' + path) for word in text.split()],
                                 text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            lines = [re.sub(r' xid=0x\w+:', ':', line) for line in codec.describe(switch.received)]
            good = not any('malformed' in line for line in lines)
            good = good and (expected is None or expected in lines)
            good = good and (printed is None or printed in run.stdout)
            if 'mod-port' in text:
                good = good and any(line.startswith('PORT_MOD: ') for line in lines)
            else:
                good = good and run.returncode == 0
            tap.check(good, text.replace(' SWITCH', ''), f'status {run.returncode}', run.stdout,
                      'received:', *lines, f'expected: {expected}')
        check_nicira(tap, switch, path)
        switch.close()
    tap.done()


main()
