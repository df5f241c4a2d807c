/* SPDX-License-Identifier: Apache-2.0 */
/* Whose handshake goes on: a few steps a turn of the event loop, first come, first served;
 * and how many handshakes of strangers there are at a time. */
#include "lib/counters.h"
#include "lib/log.h"
#include "lib/tls_private.h"

LOG_MODULE(tls);

static void
again(struct tls *tls)
{
    static const struct timeval now = { 0, 0 };
    if (!TAILQ_EMPTY(&tls->waiting) && !event_pending(tls->gate, EV_TIMEOUT, NULL)) {
        evtimer_add(tls->gate, &now);
    }
}

void
tls_gate_enter(struct tls_session *t)
{
    if (!t->queued) {
        t->queued = true;
        t->stream->gated = true;
        TAILQ_INSERT_TAIL(&t->tls->waiting, t, queue_link);
    }
    again(t->tls);
}

static void
leave_queue(struct tls_session *t)
{
    if (t->queued) {
        TAILQ_REMOVE(&t->tls->waiting, t, queue_link);
        t->queued = t->stream->gated = false;
    }
}

void
tls_gate_run(struct tls *tls)
{
    struct tls_session *t;
    for (int i = 0; i < TLS_STEPS_A_TURN && (t = TAILQ_FIRST(&tls->waiting)); i++) {
        leave_queue(t);
        if (!t->stream->stopped) {
            t->step = true;
            stream_shake_hands(t->stream);
            t->step = false;
        }
    }
    again(tls);
}

static void
leave_count(struct tls_session *t)
{
    if (t->counted) {
        TAILQ_REMOVE(&t->tls->accepted, t, count_link);
        t->tls->n_accepted--;
        t->counted = false;
    }
}

void
tls_gate_count(struct tls_session *t)
{
    static struct log_limit limit;
    struct tls *tls = t->tls;
    if (tls->n_accepted >= TLS_HANDSHAKES_MAX) {
        struct tls_session *oldest = TAILQ_FIRST(&tls->accepted);
        counter_inc(COUNTER_tls_handshake_evicted);
        log_warn_limited(&limit, "%d TLS handshakes are in progress; the oldest is given up",
                         TLS_HANDSHAKES_MAX);
        tls_gate_leave(oldest);
        stream_break(oldest->stream, "TLS handshake: given up, because too many others came");
    }
    TAILQ_INSERT_TAIL(&tls->accepted, t, count_link);
    tls->n_accepted++;
    t->counted = true;
}

void
tls_gate_leave(struct tls_session *t)
{
    leave_queue(t);
    leave_count(t);
}
