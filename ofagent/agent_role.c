/* SPDX-License-Identifier: Apache-2.0 */
/* Roles of controllers: which of them may change the switch. */
#include "lib/counters.h"
#include "ofagent/agent_private.h"

LOG_MODULE(agent);

bool
session_may_write(struct session *s, const struct ofp_header *header, const uint8_t *msg)
{
    if (s->role != NX_ROLE_SLAVE) {
        return true;
    }
    counter_inc(COUNTER_slave_refused);
    session_refuse(s, header, msg, OFPET_BAD_REQUEST, OFPBRC_EPERM,
                   "a slave must not change the switch");
    return false;
}

void
session_drop_role(struct session *s)
{
    if (s->agent->master == s) {
        s->agent->master = NULL;
    }
}

/* There is one master at most: the one before becomes a slave. */
static void
set_role(struct session *s, enum nx_role role)
{
    struct agent *agent = s->agent;
    session_drop_role(s);
    if (role == NX_ROLE_MASTER) {
        if (agent->master) {
            agent->master->role = NX_ROLE_SLAVE;
        }
        agent->master = s;
    }
    s->role = role;
}

void
session_role_request(struct session *s, const struct ofp_header *header, const uint8_t *msg,
                     const struct nx_message *nx)
{
    static struct log_limit limit;
    struct ofp_refusal refusal;
    enum nx_role role;
    if (nx_decode_role(nx, &role, &refusal)) {
        conn_send_error(s->conn, &refusal, msg, header->length);
        return;
    }
    if (role != NX_ROLE_OTHER && endpoint_is_management(s->endpoint)) {
        session_refuse(s, header, msg, OFPET_BAD_REQUEST, OFPBRC_EPERM,
                       "a management connection is no controller, its role is other");
        return;
    }
    if (role != s->role) {
        log_info_limited(&limit, "%s: %s: %s is %s now, was %s", dp_bridge_name(s->agent->bridge),
                         endpoint_name(s->endpoint), s->peer, nx_role_name(role),
                         nx_role_name(s->role));
        set_role(s, role);
        agent_update_miss_mode(s->agent);
    }
    nx_encode_role_reply(&s->agent->reply, header->xid, role);
    session_reply(s);
}
