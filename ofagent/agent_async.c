/* SPDX-License-Identifier: Apache-2.0 */
/* What the switch says by itself, and to whom: PACKET_IN, PORT_STATUS, FLOW_REMOVED.
 *
 * A connection gets a message if the bit of its reason is set in the mask for the
 * connection's role, and a PACKET_IN only if it is for the connection's controller id.
 * Management connections get none before they have asked: by a miss_send_len that is not 0,
 * or by saying what they want. */
#include "lib/counters.h"
#include "ofagent/agent_private.h"

bool
session_wants(const struct session *s, enum nx_async what, unsigned reason)
{
    uint32_t mask = s->async.masks[what][s->role == NX_ROLE_SLAVE];
    return s->ready && (s->miss_send_len || !endpoint_is_management(s->endpoint))
           && reason < 32 && mask >> reason & 1;
}

bool
session_wants_packet_in(const struct session *s, unsigned reason, uint16_t controller_id)
{
    return s->controller_id == controller_id && session_wants(s, NX_PACKET_IN, reason);
}

bool
session_asks_invalid_ttl(const struct session *s)
{
    return s->async.masks[NX_PACKET_IN][0] >> OFPR_INVALID_TTL & 1;
}

void
session_ask_invalid_ttl(struct session *s, bool ask)
{
    uint32_t *mask = &s->async.masks[NX_PACKET_IN][0];
    *mask = ask ? *mask | 1u << OFPR_INVALID_TTL : *mask & ~(1u << OFPR_INVALID_TTL);
}

void
agent_tell_all(struct agent *agent, enum nx_async what, unsigned reason)
{
    struct writer *w = &agent->async;
    for (struct session *s = agent->sessions; s; s = s->next) {
        if (session_wants(s, what, reason) && !w->failed) {
            conn_send_async(s->conn, CONN_ASYNC_STATE, w->data, w->size);
        }
    }
    if (w->failed) {
        counter_inc(COUNTER_conn_no_memory);
    }
    writer_clear(w);
}

void
session_set_async_config(struct session *s, const struct ofp_header *header, const uint8_t *msg,
                         const struct nx_message *nx)
{
    struct ofp_refusal refusal;
    if (nx_decode_async_config(nx, &s->async, &refusal)) {
        conn_send_error(s->conn, &refusal, msg, header->length);
        return;
    }
    /* A management tool that says what it wants to be told wants to be told. */
    if (!s->miss_send_len && endpoint_is_management(s->endpoint)) {
        s->miss_send_len = AGENT_DEFAULT_MISS_SEND_LEN;
    }
    agent_update_miss_mode(s->agent);
}

void
session_set_controller_id(struct session *s, const struct ofp_header *header, const uint8_t *msg,
                          const struct nx_message *nx)
{
    struct ofp_refusal refusal;
    if (nx_decode_controller_id(nx, &s->controller_id, &refusal)) {
        conn_send_error(s->conn, &refusal, msg, header->length);
        return;
    }
    agent_update_miss_mode(s->agent);
}
