# SPDX-License-Identifier: Apache-2.0
"""A learning switch for OpenFlow 1.0, as an os-ken application:

    osken-manager --ofp-tcp-listen-port 6653 tests/netns/learning_switch.py

It learns which port each address is behind from the packets that the switch sends up,
and gives the switch a rule for each pair of addresses whose place it knows. Debian's
os-ken comes without example applications; demo.sh and the tests use this one.
"""

from os_ken.base import app_manager
from os_ken.controller import ofp_event
from os_ken.controller.handler import CONFIG_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from os_ken.lib.packet import ethernet, packet
from os_ken.ofproto import ofproto_v1_0

LLDP = 0x88CC
IDLE_SECONDS = 60

# os-ken's own handler of errors looks for a name that only later versions of OpenFlow have.
if not hasattr(ofproto_v1_0, "OFPET_EXPERIMENTER"):
    ofproto_v1_0.OFPET_EXPERIMENTER = 0xFFFF


class LearningSwitch(app_manager.OSKenApp):
    OFP_VERSIONS = [ofproto_v1_0.OFP_VERSION]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.places = {}  # (switch, address) -> port

    @set_ev_cls(ofp_event.EventOFPSwitchFeatures, CONFIG_DISPATCHER)
    def switch_is_here(self, event):
        self.logger.info("switch %016x with %d ports", event.msg.datapath_id,
                         len(event.msg.ports))

    @set_ev_cls(ofp_event.EventOFPPacketIn, MAIN_DISPATCHER)
    def packet_in(self, event):
        message = event.msg
        switch, ofp, parser = message.datapath, message.datapath.ofproto, \
            message.datapath.ofproto_parser
        frame = packet.Packet(message.data).get_protocol(ethernet.ethernet)
        if frame is None or frame.ethertype == LLDP:
            return

        self.places[switch.id, frame.src] = message.in_port
        out_port = self.places.get((switch.id, frame.dst), ofp.OFPP_FLOOD)
        actions = [parser.OFPActionOutput(out_port)]
        has_buffer = message.buffer_id != ofp.OFP_NO_BUFFER
        if out_port != ofp.OFPP_FLOOD:
            match = parser.OFPMatch(in_port=message.in_port, dl_src=frame.src, dl_dst=frame.dst)
            # With a buffer, the switch sends the packet through the rule by itself.
            switch.send_msg(parser.OFPFlowMod(
                datapath=switch, match=match, cookie=0, command=ofp.OFPFC_ADD,
                idle_timeout=IDLE_SECONDS, hard_timeout=0, priority=ofp.OFP_DEFAULT_PRIORITY,
                flags=ofp.OFPFF_SEND_FLOW_REM, buffer_id=message.buffer_id, actions=actions))
            if has_buffer:
                return
        switch.send_msg(parser.OFPPacketOut(
            datapath=switch, buffer_id=message.buffer_id, in_port=message.in_port,
            actions=actions, data=None if has_buffer else message.data))

    @set_ev_cls(ofp_event.EventOFPPortStatus, MAIN_DISPATCHER)
    def port_status(self, event):
        message = event.msg
        ofp = message.datapath.ofproto
        port = message.desc
        if message.reason == ofp.OFPPR_DELETE or port.state & ofp.OFPPS_LINK_DOWN:
            here = message.datapath.id
            self.places = {(switch, address): number
                           for (switch, address), number in self.places.items()
                           if switch != here or number != port.port_no}
