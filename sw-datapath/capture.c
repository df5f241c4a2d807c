/* SPDX-License-Identifier: Apache-2.0 */
#include "sw-datapath/capture.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hal/hal.h"
#include "lib/counters.h"
#include "lib/ring.h"
#include "sw-datapath/dp_internal.h"

enum { RING_BYTES = 1 << 21, PACKETS_A_TURN = 256 };

/* A record in the ring; the frame follows. */
struct taken {
    uint64_t time_ns;
    struct packet_offload offload;
    uint16_t in_port;
    uint32_t size;
};

struct dp_capture {
    struct dp_capture *next;     /* of the datapath */
    struct dp *dp;
    struct dp_bridge *bridge;    /* NULL: it is gone */
    struct flow_match match;
    enum { BEGINNING, OPEN, ENDING, ENDED } state;
    uint32_t ms;
    const struct dp_capture_ops *ops;
    void *aux;
    struct event *timer;         /* due at once: the barrier of this state is over */
    struct dp_barrier barrier;
    bool waits;                  /* for the barrier */
    _Atomic uint64_t n_dropped;
    struct ring *rings[DP_MAX_WORKERS];
    uint8_t room[PACKET_MAX_SIZE];   /* the frame that is being handed out */
};

/* --- workers ------------------------------------------------------------------------------ */

static void
take(struct dp_thread *thread, struct dp_capture *capture, const struct packet *packet,
     uint64_t time_ns)
{
    struct ring *ring = capture->rings[thread->slot];
    struct taken *taken = ring_reserve(ring, sizeof *taken + packet->size);
    if (!taken) {
        atomic_fetch_add_explicit(&capture->n_dropped, 1, memory_order_relaxed);
        counter_inc(COUNTER_capture_dropped);
        return;
    }
    *taken = (struct taken) { time_ns, packet->offload, packet->in_port, packet->size };
    memcpy(taken + 1, packet->data, packet->size);
    ring_commit(ring);
}

void
capture_take(struct dp_thread *thread, struct dp_capture *capture, const struct packet packets[],
             const struct flow_key keys[], unsigned n)
{
    struct timespec now;
    bool any = false;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t time_ns = (uint64_t) now.tv_sec * UINT64_C(1000000000) + (uint64_t) now.tv_nsec;
    for (unsigned i = 0; i < n; i++) {
        if (flow_match_contains(&capture->match, &keys[i])) {
            take(thread, capture, &packets[i], time_ns);
            any = true;
        }
    }
    if (any) {
        dp_notify(thread->dp);
    }
}

/* --- life --------------------------------------------------------------------------------- */

static void
destroy(void *capture_)
{
    struct dp_capture *capture = capture_;
    for (unsigned i = 0; i < DP_MAX_WORKERS; i++) {
        ring_free(capture->rings[i]);
    }
    free(capture);
}

static void on_timer(evutil_socket_t, short, void *);

static struct dp_capture *
make(struct dp *dp)
{
    struct dp_capture *capture = calloc(1, sizeof *capture);
    bool made = capture && (capture->timer = evtimer_new(dp->base, on_timer, capture));
    for (unsigned i = 0; made && i < dp->n_workers; i++) {
        capture->rings[i] = ring_new(RING_BYTES);
        made = capture->rings[i];
    }
    if (!made && capture) {
        if (capture->timer) {
            event_free(capture->timer);
        }
        destroy(capture);
    }
    return made ? capture : NULL;
}

static void
set_timer(struct dp_capture *capture, uint32_t ms)
{
    const struct timeval when = { ms / 1000, ms % 1000 * 1000 };
    event_add(capture->timer, &when);
}

static void
barrier_done(void *capture_)
{
    struct dp_capture *capture = capture_;
    capture->waits = false;
    set_timer(capture, 0);
}

static void
begin_barrier(struct dp_capture *capture)
{
    capture->waits = true;
    capture->barrier.done = barrier_done;
    capture->barrier.aux = capture;
    dp_barrier(capture->dp, &capture->barrier);
}

struct dp_capture *
dp_capture_new(struct dp_bridge *bridge, const struct flow_match *match, uint32_t ms,
               const struct dp_capture_ops *ops, void *aux, struct errmsg *err)
{
    if (atomic_load_explicit(&bridge->capture, memory_order_relaxed)) {
        errmsg_set(err, "bridge %s: another capture is under way", bridge->name);
        return NULL;
    }
    struct dp_capture *capture = make(bridge->dp);
    if (!capture) {
        errmsg_set(err, "no memory for a capture");
        return NULL;
    }
    capture->dp = bridge->dp;
    capture->bridge = bridge;
    capture->match = *match;
    capture->ms = ms;
    capture->ops = ops;
    capture->aux = aux;
    capture->next = bridge->dp->captures;
    bridge->dp->captures = capture;
    atomic_store_explicit(&bridge->capture, capture, memory_order_release);
    if (bridge->hal) {
        hal_capture(bridge->hal, match);
    }
    begin_barrier(capture);
    return capture;
}

/* Workers forget it, and hardware may have the flows. */
static void
let_go(struct dp_capture *capture)
{
    struct dp_bridge *bridge = capture->bridge;
    if (bridge && capture->state < ENDING) {
        atomic_store_explicit(&bridge->capture, NULL, memory_order_release);
        if (bridge->hal) {
            hal_capture(bridge->hal, NULL);
        }
    }
    if (capture->waits) {
        dp_barrier_cancel(capture->dp, &capture->barrier);
        capture->waits = false;
    }
    event_del(capture->timer);
}

void
dp_capture_end(struct dp_capture *capture)
{
    if (capture->state < ENDING) {
        let_go(capture);
        capture->state = ENDING;
        begin_barrier(capture);
    }
}

void
dp_capture_free(struct dp_capture *capture)
{
    if (!capture) {
        return;
    }
    let_go(capture);
    struct dp_capture **at = &capture->dp->captures;
    while (*at != capture) {
        at = &(*at)->next;
    }
    *at = capture->next;
    event_free(capture->timer);
    epoch_defer(destroy, capture);
}

void
capture_bridge_gone(struct dp_bridge *bridge)
{
    for (struct dp_capture *c = bridge->dp->captures, *next; c; c = next) {
        next = c->next;
        if (c->bridge == bridge) {
            let_go(c);
            c->bridge = NULL;
            bool told = c->state == ENDED;
            c->state = ENDED;
            if (!told) {
                c->ops->ended(c->aux, true);
            }
        }
    }
}

uint64_t
dp_capture_dropped(const struct dp_capture *capture)
{
    return atomic_load_explicit(&capture->n_dropped, memory_order_relaxed);
}

/* --- handing out --------------------------------------------------------------------------- */

static void
hand_out(struct dp_capture *capture, const struct taken *taken)
{
    struct packet packet = { .data = capture->room, .size = taken->size,
                             .offload = taken->offload, .in_port = taken->in_port };
    memcpy(capture->room, taken + 1, taken->size);
    packet_complete_checksum(&packet);
    const struct dp_captured out = { taken->time_ns, taken->in_port, packet.data, packet.size };
    capture->ops->packet(&out, capture->aux);
}

/* Up to 'n' of each worker; the user may end the capture in between, not free it. */
static bool
deliver(struct dp_capture *capture, unsigned n)
{
    bool more = false;
    for (unsigned i = 0; i < capture->dp->n_workers; i++) {
        const struct taken *taken;
        size_t size;
        for (unsigned k = 0; k < n && (taken = ring_peek(capture->rings[i], &size)); k++) {
            hand_out(capture, taken);
            ring_consume(capture->rings[i]);
        }
        more = more || !ring_empty(capture->rings[i]);
    }
    return more;
}

static void
on_timer(evutil_socket_t fd, short what, void *aux)
{
    struct dp_capture *capture = aux;
    (void) fd;
    (void) what;
    if (capture->state == BEGINNING) {
        capture->state = OPEN;
        set_timer(capture, capture->ms);
        capture->ops->begun(capture->aux);
    } else if (capture->state == OPEN) {
        dp_capture_end(capture);
    } else if (capture->state == ENDING) {
        while (deliver(capture, PACKETS_A_TURN)) {
            continue;
        }
        capture->state = ENDED;
        capture->ops->ended(capture->aux, false);
    }
}

bool
capture_deliver(struct dp *dp)
{
    bool more = false;
    for (struct dp_capture *c = dp->captures, *next; c; c = next) {
        next = c->next;
        more = deliver(c, PACKETS_A_TURN) || more;
    }
    return more;
}
