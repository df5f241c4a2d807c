/* SPDX-License-Identifier: Apache-2.0 */
/* PORT_MOD and PORT_STATUS. */
#include <string.h>

#include "lib/counters.h"
#include "ofagent/agent_private.h"

enum {
    KNOWN_CONFIG = PORT_CONFIG_DOWN | PORT_CONFIG_NO_STP | PORT_CONFIG_NO_RECV
                   | PORT_CONFIG_NO_RECV_STP | PORT_CONFIG_NO_FLOOD | PORT_CONFIG_NO_FWD
                   | PORT_CONFIG_NO_PACKET_IN,
};

void
session_port_mod(struct session *s, const struct ofp_header *header, const uint8_t *msg)
{
    struct agent *agent = s->agent;
    struct ofp_port_mod mod;
    struct ofp_refusal refusal;
    struct port_info info;
    if (ofp_decode_port_mod(msg, header->length, &mod, &refusal)) {
        conn_send_error(s->conn, &refusal, msg, header->length);
        return;
    }
    if (!dp_port_get(agent->bridge, mod.port_no, &info)) {
        session_refuse(s, header, msg, OFPET_PORT_MOD_FAILED, OFPPMFC_BAD_PORT,
                       "the port is not there");
        return;
    }
    if (memcmp(mod.hw_addr, info.hw_addr, sizeof info.hw_addr)) {
        session_refuse(s, header, msg, OFPET_PORT_MOD_FAILED, OFPPMFC_BAD_HW_ADDR,
                       "hw_addr is not the port's own");
        return;
    }
    if (mod.advertise || mod.mask & ~(uint32_t) KNOWN_CONFIG) {
        counter_inc(COUNTER_port_mod_ignored);   /* 1.0 has no error for it */
    }
    /* agent_port_event() hears of a change and tells everybody. */
    dp_port_set_config(agent->bridge, mod.port_no, mod.config, mod.mask & KNOWN_CONFIG);
}

void
agent_port_event(void *agent_, enum dp_port_event event, const struct port_info *info)
{
    static const uint8_t reasons[] = {
        [DP_PORT_ADDED] = OFPPR_ADD,
        [DP_PORT_REMOVED] = OFPPR_DELETE,
        [DP_PORT_MODIFIED] = OFPPR_MODIFY,
    };
    struct agent *agent = agent_;
    if (event == DP_PORT_REMOVED) {
        pktbuf_drop_port(agent->buffers, info->port_no);
    }
    if (agent->sessions) {
        ofp_encode_port_status(&agent->async, reasons[event], info);
        agent_tell_all(agent, NX_PORT_STATUS, reasons[event]);
    }
}
