/* SPDX-License-Identifier: Apache-2.0 */
/* PORT_MOD and PORT_STATUS. */
#include <string.h>

#include "lib/counters.h"
#include "ofagent/agent_private.h"

LOG_MODULE(agent);

enum {
    KNOWN_CONFIG = PORT_CONFIG_DOWN | PORT_CONFIG_NO_STP | PORT_CONFIG_NO_RECV
                   | PORT_CONFIG_NO_RECV_STP | PORT_CONFIG_NO_FLOOD | PORT_CONFIG_NO_FWD
                   | PORT_CONFIG_NO_PACKET_IN,
};

/* What the device can't do is ignored: 1.0 has no error for it. */
static void
advertise(struct agent *agent, uint16_t port_no, uint32_t features)
{
    static struct log_limit limit;
    struct errmsg err;
    if (dp_port_advertise(agent->bridge, port_no, features, &err)) {
        counter_inc(COUNTER_port_mod_ignored);
        log_info_limited(&limit, "%s: what a PORT_MOD is to make port %u advertise is ignored: %s",
                         dp_bridge_name(agent->bridge), port_no, err.text);
    }
}

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
    if (mod.mask & ~(uint32_t) KNOWN_CONFIG) {
        counter_inc(COUNTER_port_mod_ignored);   /* 1.0 has no error for it */
    }
    /* agent_port_event() hears of a change and tells everybody. */
    dp_port_set_config(agent->bridge, mod.port_no, mod.config, mod.mask & KNOWN_CONFIG);
    if (mod.advertise) {
        advertise(agent, mod.port_no, mod.advertise);
    }
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
    if (info->port_no == PORT_LOCAL && agent->bridge) {
        agent_update_in_band(agent);   /* its address may be another */
    }
    if (event == DP_PORT_REMOVED) {
        pktbuf_drop_port(agent->buffers, info->port_no);
    }
    if (agent->sessions) {
        ofp_encode_port_status(&agent->async, reasons[event], info);
        agent_tell_all(agent, NX_PORT_STATUS, reasons[event]);
    }
}
