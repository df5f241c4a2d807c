/* SPDX-License-Identifier: Apache-2.0 */
/* FLOW_MOD and FLOW_REMOVED, 1.0's and Nicira's. */
#include <stdlib.h>
#include <string.h>

#include "lib/counters.h"
#include "ofagent/agent_private.h"

/* The shortest time-out is a second: the timer has to come up by then. */
enum { FIRST_LOOK_MS = 1000 };

/* Flows that one FLOW_MOD looks at in one go, some ten milliseconds; one that has to look at
 * more does so in several, so that other controllers need not wait for a million. */
enum { FLOWS_AT_ONCE = 16384 };

/* A FLOW_MOD that is under way. */
struct long_flow_mod {
    struct flow_mod_walk *walk;
    struct ofp_header header;
    uint8_t msg[OFP_ERROR_DATA];     /* its first bytes: what an error carries */
    uint16_t size;
};

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

/* The packet in the message's buffer goes through the flow. As Open vSwitch does: a buffer that is
 * not good any more is an error, but the flow stays. */
static void
run_buffer(struct session *s, const struct ofp_flow_mod *fm, const struct ofp_header *header,
           const uint8_t *msg, struct flow *flow)
{
    if (fm->buffer_id != OFP_NO_BUFFER && flow) {
        session_run_buffer(s, header, msg, fm->buffer_id, flow, PORT_NONE);
    }
}

static void
long_flow_mod_free(struct session *s)
{
    flow_mod_walk_free(s->long_flow_mod->walk);
    free(s->long_flow_mod);
    s->long_flow_mod = NULL;
}

static bool
work_on_long(struct session *s, uint32_t n)
{
    struct long_flow_mod *m = s->long_flow_mod;
    const struct ofp_flow_mod *fm = flow_mod_walk_message(m->walk);
    struct ofp_refusal refusal;
    struct flow *flow;
    bool end = flow_mod_walk_step(m->walk, n, &flow);
    run_buffer(s, fm, &m->header, m->msg, flow);
    if (!end) {
        return false;
    }
    if (flow_mod_walk_finish(m->walk, &flow, &refusal)) {
        conn_send_error(s->conn, &refusal, m->msg, m->size);
    } else {
        run_buffer(s, fm, &m->header, m->msg, flow);
    }
    long_flow_mod_free(s);
    return true;
}

static bool
long_step(void *session)
{
    return work_on_long(session, FLOWS_AT_ONCE);
}

void
session_finish_flow_mod(struct session *s)
{
    if (s->long_flow_mod) {
        work_on_long(s, UINT32_MAX);
        flow_table_settle(s->agent->flows);
    }
}

/* Does what the message in agent->flow_mod says in pieces; its connection's further messages wait
 * until it is done, others don't. */
static void
begin_long(struct session *s, const struct ofp_header *header, const uint8_t *msg)
{
    const struct ofp_flow_mod *fm = &s->agent->flow_mod;
    struct long_flow_mod *m = malloc(sizeof *m);
    struct ofp_refusal refusal = { OFPET_FLOW_MOD_FAILED, OFPFMFC_ALL_TABLES_FULL, "no memory" };
    if (m) {
        m->walk = check_actions(s->agent, fm, &refusal)
                  ? NULL : flow_mod_walk_new(s->agent->flows, fm, &refusal);
    }
    if (!m || !m->walk) {
        free(m);
        conn_send_error(s->conn, &refusal, msg, header->length);
        return;
    }
    m->header = *header;
    m->size = header->length < sizeof m->msg ? header->length : sizeof m->msg;
    memcpy(m->msg, msg, m->size);
    m->header.length = m->size;
    s->long_flow_mod = m;
    conn_set_job(s->conn, CONN_SLICE_MESSAGES, long_step, s);
}

/* Does what the message in agent->flow_mod says. */
static void
do_flow_mod(struct session *s, const struct ofp_header *header, const uint8_t *msg)
{
    struct agent *agent = s->agent;
    struct ofp_flow_mod *fm = &agent->flow_mod;
    struct ofp_refusal refusal;
    struct flow *flow;
    bool emergency = fm->flags & OFPFF_EMERG;
    if (!emergency && flow_table_mod_is_long(agent->flows, fm, FLOWS_AT_ONCE)) {
        begin_long(s, header, msg);
        return;
    }
    if (agent_flow_mod(agent, fm, &flow, &refusal)) {
        conn_send_error(s->conn, &refusal, msg, header->length);
        return;
    }
    run_buffer(s, fm, header, msg, flow);
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
