/* SPDX-License-Identifier: Apache-2.0 */
/* Which of its dialects a controller wants, where Nicira's has another than 1.0. */
#include "ofagent/agent_private.h"

/* What each of the messages does: reads one flag, which is the session's from then on. */
static void
set_flag(struct session *s, const struct ofp_header *header, const uint8_t *msg,
         const struct nx_message *nx,
         int (*decode)(const struct nx_message *, bool *, struct ofp_refusal *), bool *flag)
{
    struct ofp_refusal refusal;
    if (decode(nx, flag, &refusal)) {
        conn_send_error(s->conn, &refusal, msg, header->length);
    }
}

void
session_set_flow_format(struct session *s, const struct ofp_header *header, const uint8_t *msg,
                        const struct nx_message *nx)
{
    set_flag(s, header, msg, nx, nx_decode_flow_format, &s->nxm_flows);
}

void
session_set_packet_in_format(struct session *s, const struct ofp_header *header,
                             const uint8_t *msg, const struct nx_message *nx)
{
    set_flag(s, header, msg, nx, nx_decode_packet_in_format, &s->nxm_packet_ins);
}

void
session_flow_mod_table_id(struct session *s, const struct ofp_header *header, const uint8_t *msg,
                          const struct nx_message *nx)
{
    set_flag(s, header, msg, nx, nx_decode_flow_mod_table_id, &s->flow_mod_table_id);
}

/* Ages are in every NXST_FLOW reply, as with Open vSwitch: there is nothing to turn on. */
void
session_flow_age(struct session *s, const struct ofp_header *header, const uint8_t *msg,
                 const struct nx_message *nx)
{
    (void) s, (void) header, (void) msg, (void) nx;
}
