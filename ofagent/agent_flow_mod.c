/* SPDX-License-Identifier: Apache-2.0 */
/* FLOW_MOD and FLOW_REMOVED, 1.0's and Nicira's. */
#include "lib/counters.h"
#include "ofagent/agent_private.h"

/* The shortest time-out is a second: the timer has to come up by then. */
enum { FIRST_LOOK_MS = 1000 };

/* Flows that are deleted in one go, some ten milliseconds; more are deleted in several, so
 * that other controllers need not wait for a million. */
enum { DELETE_AT_ONCE = 16384 };

/* What the codec can't know: which queues there are. */
static int
check_actions(const struct agent *agent, const struct ofp_flow_mod *fm,
              struct ofp_refusal *refusal)
{
    bool one_port = fm->match.match.mask.bits.in_port == UINT16_MAX;
    uint16_t in_port = one_port ? fm->match.match.value.in_port : 0;
    for (uint32_t i = 0; i < fm->n_actions; i++) {
        if (fm->actions[i].type == ACTION_ENQUEUE
            && agent_check_enqueue(agent, &fm->actions[i], in_port, refusal)) {
            return OFP_REFUSED;
        }
    }
    return 0;
}

int
agent_flow_mod(struct agent *agent, const struct ofp_flow_mod *fm, struct flow **flow,
               struct ofp_refusal *refusal)
{
    struct flow_table *table = fm->flags & OFPFF_EMERG ? agent->emergency : agent->flows;
    if (check_actions(agent, fm, refusal) || flow_table_mod(table, fm, flow, refusal)) {
        return OFP_REFUSED;
    }
    if (fm->idle_timeout || fm->hard_timeout) {
        agent_run_within(agent, FIRST_LOOK_MS);
    }
    if (fm->flags & OFPFF_EMERG) {
        agent_run_within(agent, 0);    /* the first, or the last, of them may change the mode */
    }
    return 0;
}

static bool
delete_step(void *session_)
{
    struct session *s = session_;
    s->deleting = !flow_table_delete_some(s->agent->flows, &s->delete_match, DELETE_AT_ONCE);
    return !s->deleting;
}

void
session_finish_delete(struct session *s)
{
    if (s->deleting) {
        flow_table_delete_some(s->agent->flows, &s->delete_match, UINT32_MAX);
        flow_table_settle(s->agent->flows);
        s->deleting = false;
    }
}

static bool
may_be_long(const struct flow_table *ft, const struct ofp_flow_mod *fm)
{
    return fm->command == OFPFC_DELETE && fm->out_port == PORT_NONE && !(fm->flags & OFPFF_EMERG)
           && !fm->only.mask && flow_table_count(ft) > DELETE_AT_ONCE;
}

/* Does what the message in agent->flow_mod says. */
static void
do_flow_mod(struct session *s, const struct ofp_header *header, const uint8_t *msg)
{
    struct agent *agent = s->agent;
    struct ofp_flow_mod *fm = &agent->flow_mod;
    struct ofp_refusal refusal;
    struct flow *flow;
    if (may_be_long(agent->flows, fm)) {
        s->delete_match = fm->match;
        s->deleting = true;
        conn_set_job(s->conn, CONN_SLICE_MESSAGES, delete_step, s);
        return;
    }
    if (agent_flow_mod(agent, fm, &flow, &refusal)) {
        conn_send_error(s->conn, &refusal, msg, header->length);
        return;
    }
    if (fm->buffer_id != OFP_NO_BUFFER && flow) {
        /* As Open vSwitch does: a buffer that is not good any more is an error, but the
         * flow stays. */
        session_run_buffer(s, header, msg, fm->buffer_id, flow, PORT_NONE);
    }
}

void
session_flow_mod(struct session *s, const struct ofp_header *header, const uint8_t *msg)
{
    struct ofp_flow_mod *fm = &s->agent->flow_mod;
    struct ofp_refusal refusal;
    if (s->flow_mod_table_id ? ofp_decode_flow_mod_table_id(msg, header->length, fm, &refusal)
                             : ofp_decode_flow_mod(msg, header->length, fm, &refusal)) {
        conn_send_error(s->conn, &refusal, msg, header->length);
    } else {
        do_flow_mod(s, header, msg);
    }
}

void
session_nx_flow_mod(struct session *s, const struct ofp_header *header, const uint8_t *msg,
                    const struct nx_message *nx)
{
    struct ofp_refusal refusal;
    if (nx_decode_flow_mod(nx, s->flow_mod_table_id, &s->agent->flow_mod, &refusal)) {
        conn_send_error(s->conn, &refusal, msg, header->length);
    } else {
        do_flow_mod(s, header, msg);
    }
}

/* A message in both dialects, each made when it is first wanted. */
void
agent_flow_removed(void *agent_, const struct ofp_flow_removed *removed)
{
    static void (*const encode[])(struct writer *, const struct ofp_flow_removed *) = {
        ofp_encode_flow_removed, nx_encode_flow_removed,
    };
    struct agent *agent = agent_;
    struct writer *w = &agent->async;
    size_t at[2], size[2] = { 0, 0 };
    for (struct session *s = agent->sessions; s && !w->failed; s = s->next) {
        if (!session_wants(s, NX_FLOW_REMOVED, removed->reason)) {
            continue;
        }
        if (!size[s->nxm_flows]) {
            at[s->nxm_flows] = w->size;
            encode[s->nxm_flows](w, removed);
            size[s->nxm_flows] = w->size - at[s->nxm_flows];
        }
        if (!w->failed) {
            conn_send_async(s->conn, CONN_ASYNC_STATE, w->data + at[s->nxm_flows],
                            size[s->nxm_flows]);
        }
    }
    if (w->failed) {
        counter_inc(COUNTER_conn_no_memory);
    }
    writer_clear(w);
}
