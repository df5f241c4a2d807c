/* SPDX-License-Identifier: Apache-2.0 */
/* What a peer sends: cut into messages, and handled in slices. */
#include <string.h>

#include "lib/clock.h"
#include "lib/counters.h"
#include "ofagent/conn_private.h"

LOG_MODULE(conn);

/* Messages between two looks at the clock. */
enum { LOOK_EVERY = 16 };

/* --- single messages ---------------------------------------------------------------- */

static void
no_common_version(struct conn *c, const uint8_t *msg, size_t size, const char *why)
{
    const struct ofp_refusal refusal = { OFPET_HELLO_FAILED, OFPHFC_INCOMPATIBLE, why };
    counter_inc(COUNTER_conn_hello_failed);
    conn_send_error(c, &refusal, msg, size);
    conn_finish(c, why);
}

static void
log_error_from_peer(struct conn *c, const uint8_t *msg, size_t size)
{
    static struct log_limit limit;
    struct ofp_refusal what, ignored;
    struct reader data;
    counter_inc(COUNTER_conn_error_received);
    if (!ofp_decode_any_error(msg, size, &what, &data, &ignored)) {
        log_info_limited(&limit, "%s: the controller sent an error: %s", c->config.name,
                         ofp_refusal_name(&what));
    }
}

static void
hello(struct conn *c, const struct ofp_header *header, const uint8_t *msg)
{
    if (header->type == OFPT_ERROR) {
        log_error_from_peer(c, msg, header->length);
        conn_fail(c, "the peer answered HELLO with an error");
    } else if (header->type != OFPT_HELLO) {
        bool tls = header->version == 0x16 && header->type == 3;   /* a record's first bytes */
        no_common_version(c, msg, header->length,
                          tls ? "the first message must be HELLO; does the peer speak TLS?"
                              : "the first message must be HELLO");
    } else if (ofp_decode_hello(msg, header->length) != OFP_VERSION) {
        no_common_version(c, msg, header->length,
                          "this switch speaks OpenFlow 1.0 (version 0x01) only");
    } else {
        c->info.state = CONN_ACTIVE;
        c->info.since_ms = clock_ms();
        c->config.ops->ready(c->config.aux);
    }
}

static void
echo_reply(struct conn *c, const struct ofp_header *header, const uint8_t *msg)
{
    struct writer w;
    writer_init(&w);
    ofp_encode_echo(&w, OFPT_ECHO_REPLY, header->xid, msg + OFP_HEADER_SIZE,
                    header->length - OFP_HEADER_SIZE);
    conn_send(c, w.data, w.size);
    writer_fini(&w);
}

static void
handle(struct conn *c, const struct ofp_header *header, const uint8_t *msg)
{
    struct ofp_refusal refusal;
    c->info.messages_in++;
    if (header->type != OFPT_ECHO_REPLY) {
        c->info.used_ms = c->info.heard_ms;
    }
    conn_show(c, false, msg, header->length);
    if (c->info.state == CONN_HELLO) {
        hello(c, header, msg);
        return;
    }
    if (header->type == OFPT_ERROR) {
        log_error_from_peer(c, msg, header->length);
        return;
    }
    if (ofp_check_size(msg, header->length, &refusal)) {
        conn_send_error(c, &refusal, msg, header->length);
        return;
    }
    switch (header->type) {
    case OFPT_HELLO:
    case OFPT_ECHO_REPLY:
        break;
    case OFPT_ECHO_REQUEST:
        echo_reply(c, header, msg);
        break;
    default:
        c->config.ops->message(c->config.aux, header, msg);
    }
}

/* --- slices ------------------------------------------------------------------------- */

/* Messages that were handled in place and wait to be dropped from the input at once:
 * draining them one by one would cost more than handling them. */
struct run {
    const uint8_t *p;
    size_t size;       /* contiguous bytes at 'p' */
    size_t used;
};

static void
drop_used(struct conn *c, struct run *run)
{
    if (run->used) {
        evbuffer_drain(stream_input(c->stream), run->used);
    }
    *run = (struct run) { 0 };
}

/* Makes at least 'want' contiguous bytes of input available behind what is used. */
static bool
gather(struct conn *c, struct run *run, size_t want)
{
    if (run->size - run->used >= want) {
        return true;
    }
    drop_used(c, run);
    struct evbuffer *input = stream_input(c->stream);
    if (evbuffer_get_length(input) < want) {
        return false;
    }
    size_t size = evbuffer_get_contiguous_space(input);
    size = size < want ? want : size;
    run->p = evbuffer_pullup(input, (ev_ssize_t) size);
    if (!run->p) {
        conn_fail(c, "no memory");
        return false;
    }
    run->size = size;
    return true;
}

/* Handles the next message, if all of it is there. */
static bool
next_message(struct conn *c, struct run *run)
{
    struct ofp_header header;
    if (!gather(c, run, OFP_HEADER_SIZE)) {
        return false;
    }
    ofp_header_decode(run->p + run->used, &header);
    if (header.length < OFP_HEADER_SIZE) {
        counter_inc(COUNTER_conn_bad_length);
        conn_fail(c, "a message of %u bytes, shorter than its header", header.length);
        return false;
    }
    if (!gather(c, run, header.length)) {
        return false;
    }
    const uint8_t *msg = run->p + run->used;
    run->used += header.length;
    handle(c, &header, msg);
    return true;
}

static bool
may_work(const struct conn *c)
{
    return !c->failed && !c->finishing && !c->throttled;
}

/* One step of the job, or one message. False when there is nothing to do. */
static bool
work_once(struct conn *c, struct run *run, unsigned *cost)
{
    *cost = 1;
    if (c->step) {
        *cost = c->step_cost;
        if (c->step(c->step_aux)) {
            c->step = NULL;
        }
        return true;
    }
    return !c->parked && next_message(c, run);
}

/* Reads on only while the input has room. Not with libevent's watermark: above it the
 * read callback is called all the time, whether or not somebody drains. */
static void
pace(struct conn *c)
{
    bool room = evbuffer_get_length(stream_input(c->stream)) < CONN_INPUT_MAX;
    if (room != c->reading && !c->failed && !c->finishing) {
        c->reading = room;
        stream_set_reading(c->stream, room);
    }
}

/* Handles messages until a bound is reached; false when there is nothing more to do now.
 * Sets *any if there was something. */
static bool
slice(struct conn *c, bool *any)
{
    struct run run = { 0 };
    uint64_t end = clock_ns() + CONN_SLICE_US * UINT64_C(1000);
    unsigned spent = 0, looked = 0, cost;
    bool more = true;
    while (may_work(c) && spent < CONN_SLICE_MESSAGES) {
        more = work_once(c, &run, &cost);
        if (!more) {
            break;
        }
        spent += cost;
        if (spent - looked >= LOOK_EVERY) {
            looked = spent;
            if (clock_ns() >= end) {
                break;
            }
        }
    }
    drop_used(c, &run);
    *any = spent > 0;
    return more;
}

void
conn_work(struct conn *c)
{
    static const struct timeval now = { 0, 0 };
    bool any;
    if (c->working) {
        return;
    }
    c->working = true;
    bool more = slice(c, &any);
    c->working = false;
    if (any) {
        c->config.ops->slice_end(c->config.aux);
    }
    pace(c);
    if (!may_work(c)) {
        return;
    }
    if (more) {
        evtimer_add(c->again, &now);
    } else if (c->eof && !c->parked) {
        conn_finish(c, c->eof_why);
    }
}
