/* SPDX-License-Identifier: Apache-2.0 */
#include "ofagent/conn.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/counters.h"
#include "ofagent/conn_private.h"

LOG_MODULE(conn);

/* Output that waits in all connections. */
static size_t total_queued;

/* --- the end ---------------------------------------------------------------------- */

static void
soon(struct conn *c)
{
    static const struct timeval now = { 0, 0 };
    evtimer_add(c->again, &now);
}

void
conn_free(struct conn *c)
{
    if (!c) {
        return;
    }
    total_queued -= stream_queued(c->stream);
    event_free(c->again);
    stream_free(c->stream);
    free(c);
}

void
conn_fail(struct conn *c, const char *format, ...)
{
    if (c->failed) {
        return;
    }
    if (!c->finishing) {
        va_list args;
        va_start(args, format);
        vsnprintf(c->why, sizeof c->why, format, args);
        va_end(args);
    }
    c->failed = true;
    stream_stop(c->stream);
    soon(c);
}

/* The output is gone. Closing now, with input unread, would reset the connection, and the
 * last words could be lost: so the peer is told that no more comes, and what it sends is
 * thrown away until it closes as well, or the time is up. */
static void
last_words_said(struct conn *c)
{
    if (c->eof || !stream_shut_down(c->stream)) {
        conn_fail(c, "%s", c->why);
    }
}

void
conn_finish(struct conn *c, const char *why)
{
    if (c->failed || c->finishing) {
        return;
    }
    snprintf(c->why, sizeof c->why, "%s", why);
    c->finishing = true;
    c->finish_ms = clock_ms() + CONN_FINISH_MS;
    stream_set_reading(c->stream, true);
    stream_set_low_mark(c->stream, 0);
    if (!stream_queued(c->stream)) {
        last_words_said(c);
    }
}

/* --- events ----------------------------------------------------------------------- */

static void
on_again(evutil_socket_t fd, short what, void *conn_)
{
    (void) fd;
    (void) what;
    struct conn *c = conn_;
    if (c->failed) {
        c->config.ops->closed(c->config.aux, c->why);
        conn_free(c);
        return;
    }
    conn_work(c);
}

static void
on_opened(void *conn_)
{
    struct conn *c = conn_;
    struct writer w;
    writer_init(&w);
    c->info.state = CONN_HELLO;
    c->info.since_ms = c->info.heard_ms = clock_ms();
    ofp_encode_header_only(&w, OFPT_HELLO, 0);
    conn_send(c, w.data, w.size);
    writer_fini(&w);
}

static void
on_input(void *conn_)
{
    struct conn *c = conn_;
    if (c->finishing) {
        struct evbuffer *input = stream_input(c->stream);
        evbuffer_drain(input, evbuffer_get_length(input));
        return;
    }
    c->info.heard_ms = clock_ms();
    c->probe_ms = 0;
    conn_work(c);
}

static void
on_taken(void *conn_, size_t n)
{
    struct conn *c = conn_;
    total_queued -= n;
    c->taken_ms = clock_ms();
}

/* The output has drained to the low mark. */
static void
on_drained(void *conn_)
{
    struct conn *c = conn_;
    if (c->finishing) {
        last_words_said(c);
        return;
    }
    c->throttled = false;
    c->config.ops->room(c->config.aux);
    conn_work(c);
}

/* The peer may have sent requests before, and still read the replies. */
static void
on_ended(void *conn_, const char *why)
{
    struct conn *c = conn_;
    c->eof = true;
    snprintf(c->eof_why, sizeof c->eof_why, "%s", why);
    if (!c->finishing) {
        conn_work(c);
    } else if (!stream_queued(c->stream)) {
        conn_fail(c, "%s", c->why);
    }
}

static void
on_failed(void *conn_, const char *why)
{
    conn_fail(conn_, "%s", why);
}

static const struct stream_ops stream_ops = {
    .opened = on_opened,
    .input = on_input,
    .taken = on_taken,
    .drained = on_drained,
    .ended = on_ended,
    .failed = on_failed,
};

struct conn *
conn_new(struct event_base *base, struct stream *stream, const struct conn_config *config)
{
    struct conn *c = calloc(1, sizeof *c);
    struct event *again = c ? evtimer_new(base, on_again, c) : NULL;
    if (!again) {
        stream_free(stream);
        free(c);
        return NULL;
    }
    c->config = *config;
    c->stream = stream;
    c->again = again;
    c->reading = true;
    c->info.since_ms = c->info.heard_ms = clock_ms();
    stream_set_low_mark(stream, CONN_LOW_WATER);
    stream_start(stream, &stream_ops, c);
    if (stream_state(stream) == STREAM_OPEN) {
        on_opened(c);
    }
    return c;
}

/* --- time -------------------------------------------------------------------------- */

void
conn_set_probe(struct conn *c, uint32_t probe_ms)
{
    c->config.probe_ms = probe_ms;
}

static uint32_t
interval_ms(const struct conn *c)
{
    return c->config.probe_ms ? c->config.probe_ms : CONN_DEFAULT_PROBE_MS;
}

/* 'since' may be a little later than 'now': what the caller does takes time as well. */
static bool
has_passed(uint64_t now, uint64_t since, uint64_t ms)
{
    return now >= since && now - since >= ms;
}

/* The peer takes nothing of what waits for it. */
static bool
stalled(const struct conn *c, uint64_t now)
{
    return stream_queued(c->stream)
           && has_passed(now, c->taken_ms, (uint64_t) CONN_STALL_PROBES * interval_ms(c));
}

static void
probe(struct conn *c, uint64_t now)
{
    uint32_t interval = c->config.probe_ms;
    bool we_wait = c->throttled || c->parked || c->step;
    if (!interval || we_wait || !has_passed(now, c->info.heard_ms, interval)) {
        return;
    }
    if (!c->probe_ms) {
        struct writer w;
        writer_init(&w);
        ofp_encode_header_only(&w, OFPT_ECHO_REQUEST, 0);
        conn_send(c, w.data, w.size);
        writer_fini(&w);
        c->probe_ms = now;
    } else if (has_passed(now, c->probe_ms, interval)) {
        counter_inc(COUNTER_conn_probe_lost);
        conn_fail(c, "no reply to an echo request within %u ms", interval);
    }
}

static enum conn_state
state_of(const struct conn *c)
{
    bool secures = c->info.state == CONN_CONNECTING && stream_state(c->stream) == STREAM_SECURING;
    return secures ? CONN_SECURING : c->info.state;
}

static void
too_slow(struct conn *c, uint32_t interval)
{
    counter_inc(COUNTER_conn_handshake_timeout);
    switch (state_of(c)) {
    case CONN_CONNECTING:
        conn_fail(c, "no connection within %u ms", interval);
        break;
    case CONN_SECURING:
        conn_fail(c, "TLS handshake: not done within %u ms", interval);
        break;
    case CONN_HELLO:
    case CONN_ACTIVE:
        conn_fail(c, "no HELLO within %u ms", interval);
        break;
    }
}

uint32_t
conn_run(struct conn *c, uint64_t now)
{
    uint32_t interval = interval_ms(c);
    if (c->failed) {
        return UINT32_MAX;
    }
    if (state_of(c) == CONN_SECURING && interval > CONN_SECURING_MS) {
        interval = CONN_SECURING_MS;
    }
    if (c->finishing) {
        if (now >= c->finish_ms) {
            conn_fail(c, "%s", c->why);
        }
    } else if (c->info.state != CONN_ACTIVE && has_passed(now, c->info.since_ms, interval)) {
        too_slow(c, interval);
    } else if (stalled(c, now)) {
        counter_inc(COUNTER_conn_stalled);
        conn_fail(c, "took nothing of %zu bytes for %u ms", stream_queued(c->stream),
                  CONN_STALL_PROBES * interval);
    } else if (c->info.state == CONN_ACTIVE) {
        probe(c, now);
    }
    return interval < 1000 ? interval / 4 + 1 : 250;
}

/* --- output ------------------------------------------------------------------------ */

/* Output at which a connection is throttled. Always above the low mark: only draining to
 * that ends it. */
static size_t
high_water(void)
{
    return total_queued < CONN_TOTAL_MAX ? CONN_HIGH_WATER : CONN_LOW_WATER + 1;
}

void
conn_send(struct conn *c, const void *messages, size_t size)
{
    const uint8_t *p = messages;
    if (c->failed) {
        return;
    }
    size_t before = stream_queued(c->stream);
    if (!size || !stream_send(c->stream, messages, size)) {
        conn_fail(c, "no memory");
        return;
    }
    total_queued += size;
    if (!before) {
        c->taken_ms = clock_ms();    /* from now on something waits */
    }
    for (size_t at = 0; at < size;) {
        struct ofp_header header;
        ofp_header_decode(p + at, &header);
        size_t len = header.length >= OFP_HEADER_SIZE ? header.length : size - at;
        conn_show(c, true, p + at, len);
        at += len;
        c->info.messages_out++;
    }
    size_t queued = before + size;
    if (queued >= high_water() && !c->throttled) {
        counter_inc(COUNTER_conn_throttled);
        c->throttled = true;
    }
    if (queued >= CONN_HARD_LIMIT) {
        counter_inc(COUNTER_conn_output_limit);
        conn_fail(c, "%zu bytes of output wait", queued);
    }
}

void
conn_send_error(struct conn *c, const struct ofp_refusal *refusal, const uint8_t *msg, size_t size)
{
    static struct log_limit limit;
    struct ofp_header header;
    ofp_header_decode(msg, &header);
    log_debug_limited(&limit, "%s: %s refused with %s: %s", c->config.name,
                      ofp_type_name(header.type), ofp_refusal_name(refusal), refusal->why);
    struct writer w;
    writer_init(&w);
    ofp_encode_error(&w, refusal, msg, size);
    c->info.errors_sent++;
    conn_send(c, w.data, w.size);
    writer_fini(&w);
}

bool
conn_has_room(const struct conn *c, enum conn_async kind)
{
    size_t mark = kind == CONN_ASYNC_STATE && total_queued < CONN_TOTAL_MAX ? CONN_STATE_MARK
                                                                           : high_water();
    return !c->failed && !c->finishing && stream_queued(c->stream) < mark;
}

void
conn_count_dropped(struct conn *c)
{
    c->info.dropped++;
}

bool
conn_send_async(struct conn *c, enum conn_async kind, const void *message, size_t size)
{
    if (!conn_has_room(c, kind)) {
        counter_inc(COUNTER_conn_async_dropped);
        conn_count_dropped(c);
        return false;
    }
    conn_send(c, message, size);
    return true;
}

/* --- requests that take longer ------------------------------------------------------ */

void
conn_park(struct conn *c)
{
    c->parked++;
}

void
conn_unpark(struct conn *c)
{
    if (!--c->parked && !c->working) {
        soon(c);
    }
}

void
conn_set_job(struct conn *c, unsigned cost, bool (*step)(void *aux), void *aux)
{
    assert(!c->step);
    c->step = step;
    c->step_aux = aux;
    c->step_cost = cost;
    if (!c->working) {
        soon(c);
    }
}

void
conn_get_info(const struct conn *c, struct conn_info *info)
{
    *info = c->info;
    info->state = state_of(c);
    info->queued_bytes = (uint32_t) stream_queued(c->stream);
}
