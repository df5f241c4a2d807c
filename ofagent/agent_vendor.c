/* SPDX-License-Identifier: Apache-2.0 */
/* VENDOR messages and vendor statistics: which handler gets which of Nicira's messages, and
 * what is refused. */
#include "ofagent/agent_private.h"
#include "ofagent/nicira.h"

/* 'writes': it changes what the switch does for others, so that a slave must not send it. */
struct nx_request {
    nx_handler *handler;
    bool writes;
};

static const struct nx_request messages[N_NXT] = {
    [NXT_ROLE_REQUEST] = { session_role_request, false },
    [NXT_SET_FLOW_FORMAT] = { session_set_flow_format, false },
    [NXT_FLOW_MOD] = { session_nx_flow_mod, true },
    [NXT_FLOW_MOD_TABLE_ID] = { session_flow_mod_table_id, false },
    [NXT_SET_PACKET_IN_FORMAT] = { session_set_packet_in_format, false },
    [NXT_FLOW_AGE] = { session_flow_age, false },
    [NXT_SET_ASYNC_CONFIG] = { session_set_async_config, false },
    [NXT_SET_CONTROLLER_ID] = { session_set_controller_id, false },
};

static const struct nx_request statistics[N_NXST] = {
    [NXST_FLOW] = { session_nx_flow_stats, false },
    [NXST_AGGREGATE] = { session_nx_flow_stats, false },
};

/* NULL if the switch has none. */
static const struct nx_request *
find_request(const struct nx_message *nx)
{
    const struct nx_request *row = NULL;
    if (nx->stats && nx->subtype < N_NXST) {
        row = &statistics[nx->subtype];
    } else if (!nx->stats && nx->subtype < N_NXT) {
        row = &messages[nx->subtype];
    }
    return row && row->handler ? row : NULL;
}

void
session_vendor(struct session *s, const struct ofp_header *header, const uint8_t *msg)
{
    struct nx_message nx;
    struct ofp_refusal refusal;
    if (nx_decode(msg, header->length, &nx, &refusal)) {
        conn_send_error(s->conn, &refusal, msg, header->length);
        return;
    }
    const struct nx_request *row = find_request(&nx);
    if (!row) {
        session_refuse(s, header, msg, OFPET_BAD_REQUEST, OFPBRC_BAD_SUBTYPE,
                       "one of Nicira's messages that this switch does not have");
    } else if (row->writes && !session_may_write(s, header, msg)) {
        return;
    } else if (nx_check_size(&nx, &refusal)) {
        conn_send_error(s->conn, &refusal, msg, header->length);
    } else {
        row->handler(s, header, msg, &nx);
    }
}
