/* SPDX-License-Identifier: Apache-2.0 */
/* Requests about the switch as a whole: FEATURES, configuration, BARRIER. */
#include "lib/counters.h"
#include "ofagent/agent_private.h"

LOG_MODULE(agent);

/* --- FEATURES ------------------------------------------------------------------------ */

struct features {
    struct writer *w;
    size_t begin;
};

/* The codec counts ports that do not fit. */
static bool
put_port(const struct port_info *info, void *features_)
{
    struct features *f = features_;
    ofp_put_phy_port(f->w, f->begin, info);
    return true;
}

void
session_features(struct session *s, const struct ofp_header *header, const uint8_t *msg)
{
    (void) msg;
    struct agent *agent = s->agent;
    const struct ofp_features features = {
        .datapath_id = agent_datapath_id(agent),
        .n_buffers = PKTBUF_SLOTS,
        .n_tables = 1,
        .capabilities = OFPC_FLOW_STATS | OFPC_TABLE_STATS | OFPC_PORT_STATS | OFPC_QUEUE_STATS
                        | OFPC_ARP_MATCH_IP | (dp_bridge_has_stp(agent->bridge) ? OFPC_STP : 0),
        .actions = OFPAT_ALL,
    };
    struct features f = { .w = &agent->reply };
    f.begin = ofp_begin_features(f.w, header->xid, &features);
    dp_port_for_each(agent->bridge, put_port, &f);
    ofp_end(f.w, f.begin);
    session_reply(s);
    if (!s->featured) {
        s->featured = true;
        agent_update_miss_mode(agent);
    }
}

/* --- configuration --------------------------------------------------------------------- */

void
session_get_config(struct session *s, const struct ofp_header *header, const uint8_t *msg)
{
    (void) msg;
    uint16_t flags = s->agent->fragment_mode
                     | (session_asks_invalid_ttl(s) ? OFPC_INVALID_TTL_TO_CONTROLLER : 0);
    const struct ofp_switch_config config = { flags, s->miss_send_len };
    ofp_encode_config(&s->agent->reply, header->xid, &config);
    session_reply(s);
}

/* Reassembly is not advertised: the mode stays as it is, and GET_CONFIG shows it. 1.0 has
 * no error for this. */
static void
set_fragment_mode(struct agent *agent, uint16_t mode)
{
    if (mode != OFPC_FRAG_NORMAL && mode != OFPC_FRAG_DROP) {
        counter_inc(COUNTER_fragment_mode_refused);
        if (!agent->warned_reasm) {
            log_warn("%s: a controller asked for fragment mode %u, which this switch does not "
                     "have; the mode stays %s", dp_bridge_name(agent->bridge), mode,
                     agent->fragment_mode == OFPC_FRAG_DROP ? "drop" : "normal");
        }
        agent->warned_reasm = true;
        return;
    }
    agent->fragment_mode = mode;
    dp_bridge_set_drop_fragments(agent->bridge, mode == OFPC_FRAG_DROP);
}

void
session_set_config(struct session *s, const struct ofp_header *header, const uint8_t *msg)
{
    struct ofp_switch_config config;
    struct ofp_refusal refusal;
    if (ofp_decode_set_config(msg, header->length, &config, &refusal)) {
        conn_send_error(s->conn, &refusal, msg, header->length);
        return;
    }
    set_fragment_mode(s->agent, config.flags & OFPC_FRAG_MASK);
    session_ask_invalid_ttl(s, config.flags & OFPC_INVALID_TTL_TO_CONTROLLER);
    s->miss_send_len = config.miss_send_len;
    agent_update_miss_mode(s->agent);
}

/* --- BARRIER --------------------------------------------------------------------------- */

static void
barrier_done(void *session_)
{
    struct session *s = session_;
    /* FLOW_REMOVED of what went before the barrier goes before its reply. */
    flow_table_poll(s->agent->flows);
    s->barrier_pending = false;
    if (s->barrier.error) {
        /* Never a false reply: hardware may go on as before until its ports are down. */
        conn_fail(s->conn, "a barrier can't be kept: an offload device failed");
        return;
    }
    ofp_encode_header_only(&s->agent->reply, OFPT_BARRIER_REPLY, s->barrier_xid);
    session_reply(s);
    if (s->agent->lockstep) {
        lockstep_answered(s->agent->lockstep);
    }
    conn_unpark(s->conn);
}

void
session_barrier(struct session *s, const struct ofp_header *header, const uint8_t *msg)
{
    (void) msg;
    flow_table_settle(s->agent->flows);
    s->barrier_xid = header->xid;
    s->barrier_pending = true;
    conn_park(s->conn);
    s->barrier = (struct dp_barrier) { .done = barrier_done, .aux = s };
    dp_barrier(s->agent->dp, &s->barrier);
}

void
session_barrier_cancel(struct session *s)
{
    if (s->barrier_pending) {
        dp_barrier_cancel(s->agent->dp, &s->barrier);
        s->barrier_pending = false;
    }
}
