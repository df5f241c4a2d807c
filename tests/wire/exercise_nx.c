/* SPDX-License-Identifier: Apache-2.0 */
/* Nicira's messages about flows and packets: what is taken comes back as it went. */
#include <string.h>

#include "ofagent/nicira.h"
#include "ofagent/nx.h"
#include "tests/wire/exercise.h"

/* Reads what an encoder made. */
static bool
read_again(const struct writer *w, struct nx_message *nx, uint32_t subtype)
{
    struct ofp_refusal refusal;
    return !nx_decode(w->data, w->size, nx, &refusal) && nx->subtype == subtype;
}

static bool
filter_equal(const struct ofp_cookie_filter *a, const struct ofp_cookie_filter *b)
{
    return a->value == b->value && a->mask == b->mask;
}

static void
exercise_flow_mod(const struct nx_message *nx, bool table_id)
{
    static struct ofp_flow_mod a, b;
    struct ofp_refusal refusal;
    struct nx_message again;
    struct writer w;
    if (nx_decode_flow_mod(nx, table_id, &a, &refusal)) {
        return;
    }
    writer_init(&w);
    nx_encode_flow_mod(&w, 1, &a);
    exercise_check(read_again(&w, &again, NXT_FLOW_MOD) && !nx_check_size(&again, &refusal)
                   && !nx_decode_flow_mod(&again, false, &b, &refusal) && flow_mod_equal(&a, &b)
                   && filter_equal(&a.only, &b.only) && b.nxm, "an NXT_FLOW_MOD");
    writer_fini(&w);
}

static void
exercise_flow_request(const struct nx_message *nx)
{
    struct ofp_stats_request a, b;
    struct ofp_refusal refusal;
    struct nx_message again;
    struct writer w;
    if (!nx->stats || nx->subtype > NXST_AGGREGATE || nx_decode_flow_request(nx, &a, &refusal)) {
        return;
    }
    writer_init(&w);
    nx_encode_flow_request(&w, 1, &a);
    exercise_check(read_again(&w, &again, nx->subtype) && !nx_check_size(&again, &refusal)
                   && !nx_decode_flow_request(&again, &b, &refusal)
                   && match_equal(&a.match, &b.match) && filter_equal(&a.only, &b.only)
                   && a.type == b.type && a.table_id == b.table_id && a.out_port == b.out_port,
                   "an NXST_FLOW request");
    writer_fini(&w);
}

static void
exercise_flow_removed(const struct nx_message *nx)
{
    struct ofp_flow_removed a, b;
    struct ofp_refusal refusal;
    struct nx_message again;
    struct writer w;
    if (nx_decode_flow_removed(nx, &a, &refusal)) {
        return;
    }
    writer_init(&w);
    nx_encode_flow_removed(&w, &a);
    exercise_check(read_again(&w, &again, NXT_FLOW_REMOVED)
                   && !nx_decode_flow_removed(&again, &b, &refusal)
                   && match_equal(&a.match, &b.match) && a.cookie == b.cookie
                   && a.packets == b.packets && a.bytes == b.bytes && a.priority == b.priority
                   && a.idle_timeout == b.idle_timeout && a.reason == b.reason
                   && a.duration_s == b.duration_s && a.duration_ns == b.duration_ns,
                   "an NXT_FLOW_REMOVED");
    writer_fini(&w);
}

static void
exercise_packet_in(const struct nx_message *nx)
{
    struct ofp_packet_in a, b;
    struct ofp_refusal refusal;
    struct nx_message again;
    struct writer w;
    if (nx_decode_packet_in(nx, &a, &refusal)) {
        return;
    }
    writer_init(&w);
    nx_encode_packet_in(&w, &a);
    exercise_check(read_again(&w, &again, NXT_PACKET_IN)
                   && !nx_decode_packet_in(&again, &b, &refusal) && a.buffer_id == b.buffer_id
                   && a.total_len == b.total_len && a.in_port == b.in_port
                   && a.reason == b.reason && a.cookie == b.cookie && b.data_size <= a.data_size
                   && (a.data_size > 60000 || b.data_size == a.data_size)
                   && !memcmp(a.data, b.data, b.data_size), "an NXT_PACKET_IN");
    writer_fini(&w);
}

static void
exercise_flows(const struct nx_message *nx)
{
    static struct action actions_a[ACTION_LIST_MAX], actions_b[ACTION_LIST_MAX];
    struct ofp_flow_stats a, b;
    struct ofp_refusal refusal;
    struct reader r, again;
    reader_init(&r, nx->body, nx->body_size);
    while (reader_left(&r) && !nx_take_flow(&r, &a, actions_a, &refusal)) {
        struct ofp_stats_reply reply;
        struct nx_message wire;
        struct writer w;
        writer_init(&w);
        nx_stats_begin(&reply, &w, 1, NXST_FLOW);
        nx_put_flow(&reply, &a);
        ofp_stats_end(&reply);
        exercise_check(read_again(&w, &wire, NXST_FLOW), "an NXST_FLOW reply");
        reader_init(&again, wire.body, wire.body_size);
        exercise_check(!nx_take_flow(&again, &b, actions_b, &refusal) && !reader_left(&again)
                       && match_equal(&a.match, &b.match) && a.cookie == b.cookie
                       && a.priority == b.priority && a.n_actions == b.n_actions
                       && a.idle_age_s == b.idle_age_s && a.hard_age_s == b.hard_age_s
                       && !memcmp(actions_a, actions_b, a.n_actions * sizeof actions_a[0]),
                       "a flow of an NXST_FLOW reply");
        writer_fini(&w);
    }
}

void
exercise_nx_flows(const struct nx_message *nx)
{
    struct ofp_refusal refusal;
    bool flag;
    nx_decode_flow_format(nx, &flag, &refusal);
    nx_decode_packet_in_format(nx, &flag, &refusal);
    nx_decode_flow_mod_table_id(nx, &flag, &refusal);
    exercise_flow_mod(nx, false);
    exercise_flow_mod(nx, true);
    exercise_flow_request(nx);
    exercise_flow_removed(nx);
    exercise_packet_in(nx);
    exercise_flows(nx);
}
