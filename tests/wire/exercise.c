/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/wire/exercise.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/flow_text.h"
#include "ofagent/nx.h"
#include "ofagent/ofp_peer.h"
#include "ofagent/ofp_print.h"

void
exercise_check(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "%s does not come back as it went\n", what);
        abort();
    }
}

bool
match_equal(const struct ofp_match *a, const struct ofp_match *b)
{
    return a->exact == b->exact && !memcmp(&a->match, &b->match, sizeof a->match);
}

bool
flow_mod_equal(const struct ofp_flow_mod *a, const struct ofp_flow_mod *b)
{
    return match_equal(&a->match, &b->match) && a->cookie == b->cookie
           && a->command == b->command && a->idle_timeout == b->idle_timeout
           && a->hard_timeout == b->hard_timeout && a->priority == b->priority
           && a->out_port == b->out_port && a->flags == b->flags
           && a->buffer_id == b->buffer_id && a->n_actions == b->n_actions
           && !memcmp(a->actions, b->actions, a->n_actions * sizeof a->actions[0]);
}

static void
exercise_flow_mod(const uint8_t *msg, size_t size)
{
    static struct ofp_flow_mod a, b;
    struct ofp_refusal refusal;
    if (ofp_decode_flow_mod(msg, size, &a, &refusal)) {
        return;
    }
    struct writer w;
    writer_init(&w);
    ofp_encode_flow_mod(&w, 1, &a);
    exercise_check(!ofp_check_size(w.data, w.size, &refusal)
          && !ofp_decode_flow_mod(w.data, w.size, &b, &refusal) && flow_mod_equal(&a, &b),
          "a FLOW_MOD");
    writer_fini(&w);
}

static void
exercise_packet_out(const uint8_t *msg, size_t size)
{
    static struct ofp_packet_out a, b;
    struct ofp_refusal refusal;
    if (size > OFP_MAX_SIZE || ofp_decode_packet_out(msg, size, &a, &refusal)) {
        return;
    }
    struct writer w;
    writer_init(&w);
    ofp_encode_packet_out(&w, 1, &a);
    exercise_check(!ofp_check_size(w.data, w.size, &refusal)
          && !ofp_decode_packet_out(w.data, w.size, &b, &refusal)
          && a.buffer_id == b.buffer_id && a.in_port == b.in_port && a.n_actions == b.n_actions
          && !memcmp(a.actions, b.actions, a.n_actions * sizeof a.actions[0])
          && a.data_size == b.data_size
          && (!a.data_size || !memcmp(a.data, b.data, a.data_size)),
          "a PACKET_OUT");
    writer_fini(&w);
}

static void
exercise_stats_request(const uint8_t *msg, size_t size)
{
    struct ofp_stats_request a, b;
    struct ofp_refusal refusal;
    if (ofp_decode_stats_request(msg, size, &a, &refusal)) {
        return;
    }
    struct writer w;
    writer_init(&w);
    ofp_encode_stats_request(&w, 1, &a);
    exercise_check(!ofp_check_size(w.data, w.size, &refusal)
          && !ofp_decode_stats_request(w.data, w.size, &b, &refusal)
          && match_equal(&a.match, &b.match) && a.type == b.type && a.table_id == b.table_id
          && a.out_port == b.out_port && a.port_no == b.port_no && a.queue_id == b.queue_id,
          "a statistics request");
    writer_fini(&w);
}

static void
exercise_small_requests(const uint8_t *msg, size_t size)
{
    struct ofp_refusal refusal;
    struct ofp_switch_config config;
    struct ofp_port_mod a, b;
    struct ofp_vendor vendor;
    struct ofp_refusal what;
    struct reader data;
    uint16_t x, y;
    ofp_decode_set_config(msg, size, &config, &refusal);
    ofp_decode_queue_get_config(msg, size, &x, &refusal);
    ofp_decode_error(msg, size, &x, &y, &refusal);
    ofp_decode_any_error(msg, size, &what, &data, &refusal);
    ofp_decode_vendor(msg, size, &vendor, &refusal);
    ofp_decode_hello(msg, size);
    if (!ofp_decode_port_mod(msg, size, &a, &refusal)) {
        struct writer w;
        writer_init(&w);
        ofp_encode_port_mod(&w, 1, &a);
        exercise_check(!ofp_decode_port_mod(w.data, w.size, &b, &refusal) && a.port_no == b.port_no
              && a.config == b.config && a.mask == b.mask && a.advertise == b.advertise
              && !memcmp(a.hw_addr, b.hw_addr, 6), "a PORT_MOD");
        writer_fini(&w);
    }
}

static void
exercise_role(const struct nx_message *nx)
{
    struct ofp_refusal refusal;
    struct nx_message again;
    enum nx_role a, b;
    if (nx_decode_role(nx, &a, &refusal)) {
        return;
    }
    struct writer w;
    writer_init(&w);
    nx_encode_role_request(&w, 1, a);
    exercise_check(!ofp_check_size(w.data, w.size, &refusal) && !nx_decode(w.data, w.size, &again, &refusal)
          && !nx_check_size(&again, &refusal) && again.subtype == 10
          && !nx_decode_role(&again, &b, &refusal) && a == b, "a role request");
    writer_fini(&w);
}

static void
exercise_async(const struct nx_message *nx)
{
    struct ofp_refusal refusal;
    struct nx_message again;
    struct nx_async_config a, b;
    uint16_t x, y;
    struct writer w;
    writer_init(&w);
    if (!nx_decode_async_config(nx, &a, &refusal)) {
        nx_encode_async_config(&w, 1, &a);
        exercise_check(!nx_decode(w.data, w.size, &again, &refusal) && !nx_check_size(&again, &refusal)
              && !nx_decode_async_config(&again, &b, &refusal) && !memcmp(&a, &b, sizeof a),
              "an asynchronous configuration");
    }
    writer_clear(&w);
    if (!nx_decode_controller_id(nx, &x, &refusal)) {
        nx_encode_controller_id(&w, 1, x);
        exercise_check(!nx_decode(w.data, w.size, &again, &refusal) && !nx_check_size(&again, &refusal)
              && !nx_decode_controller_id(&again, &y, &refusal) && x == y, "a controller id");
    }
    writer_fini(&w);
}

static void
exercise_nx(const uint8_t *msg, size_t size)
{
    struct ofp_refusal refusal;
    struct nx_message nx;
    if (nx_decode(msg, size, &nx, &refusal)) {
        return;
    }
    nx_check_size(&nx, &refusal);
    nx_check_any(&nx, true, &refusal);
    exercise_role(&nx);
    exercise_nx_flows(&nx);
    exercise_async(&nx);
}

static void
exercise_flow_removed(const uint8_t *msg, size_t size)
{
    struct ofp_flow_removed a, b;
    struct ofp_refusal refusal;
    if (ofp_decode_flow_removed(msg, size, &a, &refusal)) {
        return;
    }
    struct writer w;
    writer_init(&w);
    ofp_encode_flow_removed(&w, &a);
    exercise_check(!ofp_check_size_from_switch(w.data, w.size, &refusal)
          && !ofp_decode_flow_removed(w.data, w.size, &b, &refusal)
          && match_equal(&a.match, &b.match) && a.cookie == b.cookie && a.packets == b.packets
          && a.bytes == b.bytes && a.priority == b.priority && a.idle_timeout == b.idle_timeout
          && a.reason == b.reason && a.duration_s == b.duration_s
          && a.duration_ns == b.duration_ns, "a FLOW_REMOVED");
    writer_fini(&w);
}

static void
exercise_stats_reply(const uint8_t *msg, size_t size)
{
    static struct action actions[ACTION_LIST_MAX];
    struct ofp_stats_part part;
    struct ofp_refusal refusal;
    if (ofp_decode_stats_reply(msg, size, &part, &refusal)) {
        return;
    }
    union {
        struct ofp_desc_text desc;
        struct ofp_flow_stats flow;
        struct ofp_aggregate_stats aggregate;
        struct ofp_table_stats table;
        struct ofp_port_stats port;
        struct ofp_queue_stats queue;
    } entry;
    struct reader r;
    for (r = part.body; reader_left(&r) && !ofp_take_desc(&r, &entry.desc, &refusal);) {
    }
    for (r = part.body; reader_left(&r) && !ofp_take_flow(&r, &entry.flow, actions, &refusal);) {
    }
    for (r = part.body; reader_left(&r)
                        && !ofp_take_aggregate(&r, &entry.aggregate, &refusal);) {
    }
    for (r = part.body; reader_left(&r) && !ofp_take_table(&r, &entry.table, &refusal);) {
    }
    for (r = part.body; reader_left(&r) && !ofp_take_port(&r, &entry.port, &refusal);) {
    }
    for (r = part.body; reader_left(&r) && !ofp_take_queue(&r, &entry.queue, &refusal);) {
    }
}

static void
exercise_replies(const uint8_t *msg, size_t size)
{
    struct ofp_refusal refusal;
    struct ofp_features features;
    struct ofp_packet_in in;
    struct port_info port;
    struct ofp_queue queue;
    struct reader r;
    uint16_t port_no;
    uint8_t reason;
    if (!ofp_decode_features(msg, size, &features, &r, &refusal)) {
        while (ofp_take_phy_port(&r, &port)) {
        }
    }
    ofp_decode_packet_in(msg, size, &in, &refusal);
    ofp_decode_port_status(msg, size, &reason, &port, &refusal);
    if (!ofp_decode_queue_config(msg, size, &port_no, &r, &refusal)) {
        while (reader_left(&r) && !ofp_take_queue_config(&r, &queue, &refusal)) {
        }
    }
}

void
ofp_exercise_decoders(const uint8_t *msg, size_t size)
{
    exercise_flow_mod(msg, size);
    exercise_packet_out(msg, size);
    exercise_stats_request(msg, size);
    exercise_small_requests(msg, size);
    exercise_nx(msg, size);
    exercise_flow_removed(msg, size);
    exercise_stats_reply(msg, size);
    exercise_replies(msg, size);
}

void
ofp_exercise(const uint8_t *msg, size_t size)
{
    struct ofp_refusal refusal;
    bool refused = ofp_check_size(msg, size, &refusal)
                   && ofp_check_size_from_switch(msg, size, &refusal);
    ofp_exercise_decoders(msg, size);

    struct strbuf text = { 0 };
    ofp_print(&text, msg, size);
    exercise_check(text.text && !strchr(text.text, '\n'), "a line");
    exercise_check(!refused || strstr(text.text, "malformed"), "a malformed message");
    strbuf_fini(&text);
}
