/* SPDX-License-Identifier: Apache-2.0 */
#include "ofagent/packet_queue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/counters.h"

enum { N_CHAINS = 64, TOKEN = 1000 };

/* The shortest that somebody waits for tokens: a loop can't be woken for each. */
enum { WAKE_MS = 10 };

/* What waits of one reason and ingress port; there while something does. */
struct port_queue {
    struct port_queue *next, *prev;          /* in the ring of its reason */
    struct port_queue *chain;                /* of the same hash */
    enum dp_packet_in_reason reason;
    uint32_t source;
    uint32_t len;
    struct packet_queue_message *oldest, *newest;
};

struct reason_queue {
    struct port_queue *turn;                 /* whose turn it is; NULL: none waits */
    uint32_t len;
};

struct packet_queue {
    packet_queue_dropped *dropped;
    void *aux;
    uint32_t rate, burst;
    uint64_t tokens, tokens_ms;              /* thousandths; when they were counted */
    struct reason_queue reasons[N_DP_PACKET_IN_REASONS];
    unsigned turn;                           /* the reason whose turn it is */
    uint32_t len, max;
    size_t bytes;
    struct port_queue *chains[N_CHAINS];
};

/* Bytes that wait in all queues. */
static size_t total_bytes;

struct packet_queue *
packet_queue_new(packet_queue_dropped *dropped, void *aux)
{
    struct packet_queue *q = calloc(1, sizeof *q);
    if (q) {
        q->dropped = dropped;
        q->aux = aux;
        packet_queue_set_rate(q, 0, 0);
    }
    return q;
}

/* --- tokens ---------------------------------------------------------------------------- */

static uint32_t
at_least(uint32_t x, uint32_t min)
{
    return x > min ? x : min;
}

void
packet_queue_set_rate(struct packet_queue *q, uint32_t rate, uint32_t burst)
{
    burst = at_least(at_least(burst ? burst : rate / 4, rate / (1000 / WAKE_MS)), 1);
    if (rate != q->rate || burst != q->burst) {
        q->rate = rate;
        q->burst = burst;
        q->tokens_ms = 0;                    /* full at the next look */
    }
    q->max = rate && rate < PACKET_QUEUE_MAX ? at_least(rate, PACKET_QUEUE_MIN) : PACKET_QUEUE_MAX;
}

static void
count_tokens(struct packet_queue *q, uint64_t now_ms)
{
    uint64_t full = (uint64_t) q->burst * TOKEN;
    uint64_t elapsed = q->tokens_ms ? now_ms - q->tokens_ms : full;
    elapsed = elapsed < full ? elapsed : full;   /* enough to fill it, and no overflow */
    q->tokens += elapsed * q->rate;
    q->tokens = q->tokens < full ? q->tokens : full;
    q->tokens_ms = now_ms;
}

static bool
take_token(struct packet_queue *q, uint64_t now_ms)
{
    if (!q->rate) {
        return true;
    }
    count_tokens(q, now_ms);
    if (q->tokens < TOKEN) {
        return false;
    }
    q->tokens -= TOKEN;
    return true;
}

uint32_t
packet_queue_wait_ms(struct packet_queue *q, uint64_t now_ms)
{
    if (!q->len) {
        return UINT32_MAX;
    }
    if (!q->rate) {
        return 0;
    }
    count_tokens(q, now_ms);
    if (q->tokens >= TOKEN) {
        return 0;
    }
    uint32_t ms = (uint32_t) ((TOKEN - q->tokens + q->rate - 1) / q->rate);
    return at_least(ms, WAKE_MS);
}

/* --- queues ---------------------------------------------------------------------------- */

static struct port_queue **
find(struct packet_queue *q, enum dp_packet_in_reason reason, uint32_t source)
{
    struct port_queue **p = &q->chains[(source * N_DP_PACKET_IN_REASONS + reason) % N_CHAINS];
    while (*p && ((*p)->source != source || (*p)->reason != reason)) {
        p = &(*p)->chain;
    }
    return p;
}

/* A new one has its turn after all others of its reason. */
static struct port_queue *
port_queue_new(struct packet_queue *q, enum dp_packet_in_reason reason, uint32_t source,
               struct port_queue **chain)
{
    struct port_queue *pq = calloc(1, sizeof *pq);
    struct reason_queue *rq = &q->reasons[reason];
    if (!pq) {
        return NULL;
    }
    pq->reason = reason;
    pq->source = source;
    *chain = pq;
    pq->next = rq->turn ? rq->turn : pq;
    pq->prev = rq->turn ? rq->turn->prev : pq;
    pq->next->prev = pq->prev->next = pq;
    rq->turn = pq->next;
    return pq;
}

static void
port_queue_free(struct packet_queue *q, struct port_queue *pq)
{
    struct reason_queue *rq = &q->reasons[pq->reason];
    *find(q, pq->reason, pq->source) = pq->chain;
    if (rq->turn == pq) {
        rq->turn = pq->next == pq ? NULL : pq->next;
    }
    pq->next->prev = pq->prev;
    pq->prev->next = pq->next;
    free(pq);
}

/* Takes a message out: the oldest or the newest of a queue. Frees the queue with the last. */
static struct packet_queue_message *
detach(struct packet_queue *q, struct port_queue *pq, struct packet_queue_message *m)
{
    *(m->older ? &m->older->newer : &pq->oldest) = m->newer;
    *(m->newer ? &m->newer->older : &pq->newest) = m->older;
    pq->len--;
    q->reasons[pq->reason].len--;
    q->len--;
    q->bytes -= m->size;
    total_bytes -= m->size;
    if (!pq->len) {
        port_queue_free(q, pq);
    }
    return m;
}

/* The longest queue of the reason that has most; 'reason' when it has as many. */
static struct port_queue *
fullest(struct packet_queue *q, enum dp_packet_in_reason reason)
{
    struct reason_queue *most = &q->reasons[reason];
    for (unsigned i = 0; i < N_DP_PACKET_IN_REASONS; i++) {
        most = q->reasons[i].len > most->len ? &q->reasons[i] : most;
    }
    struct port_queue *longest = most->turn;
    for (struct port_queue *pq = most->turn->next; pq != most->turn; pq = pq->next) {
        longest = pq->len > longest->len ? pq : longest;
    }
    return longest;
}

/* Whose newest message goes when a new one comes and there is no room: NULL if that is the
 * new one's own queue, or has no more than it would have. */
static struct port_queue *
victim(struct packet_queue *q, enum dp_packet_in_reason reason, const struct port_queue *own)
{
    struct port_queue *pq = fullest(q, reason);
    bool fair = pq->reason == reason && pq->len <= (own ? own->len : 0) + 1;
    return pq == own || fair ? NULL : pq;
}

enum packet_queue_verdict
packet_queue_admit(struct packet_queue *q, enum dp_packet_in_reason reason, uint32_t source,
                   bool room, uint64_t now_ms)
{
    if (!q->len && room && take_token(q, now_ms)) {
        return PACKET_QUEUE_SEND;
    }
    const struct port_queue *own = *find(q, reason, source);
    if ((own && own->len >= PACKET_QUEUE_PORT_MAX)
        || (q->len >= q->max && !victim(q, reason, own))) {
        return PACKET_QUEUE_DROP;
    }
    return PACKET_QUEUE_WAIT;
}

static bool
fits(const struct packet_queue *q, const struct port_queue *own, size_t size)
{
    return !own || (q->bytes + size <= PACKET_QUEUE_MAX_BYTES
                    && total_bytes + size <= PACKET_QUEUE_TOTAL_BYTES);
}

static void
append(struct packet_queue *q, struct port_queue *pq, struct packet_queue_message *m)
{
    m->older = pq->newest;
    m->newer = NULL;
    *(pq->newest ? &pq->newest->newer : &pq->oldest) = m;
    pq->newest = m;
    pq->len++;
    q->reasons[pq->reason].len++;
    q->len++;
    q->bytes += m->size;
    total_bytes += m->size;
}

/* Pushes others out until there is room for one more. False if none gives way. */
static bool
make_room(struct packet_queue *q, enum dp_packet_in_reason reason, uint32_t source)
{
    while (q->len >= q->max) {
        struct port_queue *loser = victim(q, reason, *find(q, reason, source));
        if (!loser) {
            return false;
        }
        enum dp_packet_in_reason its_reason = loser->reason;
        uint16_t its_port = (uint16_t) loser->source;
        free(detach(q, loser, loser->newest));
        q->dropped(q->aux, its_reason, its_port);
    }
    return true;
}

bool
packet_queue_push(struct packet_queue *q, enum dp_packet_in_reason reason, uint32_t source,
                  const void *message, size_t size)
{
    if (!fits(q, *find(q, reason, source), size) || !make_room(q, reason, source)) {
        return false;
    }
    struct port_queue **chain = find(q, reason, source);
    struct port_queue *pq = *chain;
    struct packet_queue_message *m = malloc(sizeof *m + size);
    if (!pq && m) {
        pq = port_queue_new(q, reason, source, chain);
    }
    if (!m || !pq) {
        counter_inc(COUNTER_conn_no_memory);
        free(m);
        return false;
    }
    m->size = size;
    m->reason = reason;
    memcpy(m->data, message, size);
    append(q, pq, m);
    return true;
}

struct packet_queue_message *
packet_queue_take(struct packet_queue *q, uint64_t now_ms)
{
    if (!q->len || !take_token(q, now_ms)) {
        return NULL;
    }
    while (!q->reasons[q->turn].turn) {
        q->turn = (q->turn + 1) % N_DP_PACKET_IN_REASONS;
    }
    struct reason_queue *rq = &q->reasons[q->turn];
    struct port_queue *pq = rq->turn;
    q->turn = (q->turn + 1) % N_DP_PACKET_IN_REASONS;
    rq->turn = pq->next;
    return detach(q, pq, pq->oldest);
}

/* --- the whole ------------------------------------------------------------------------- */

uint32_t
packet_queue_len(const struct packet_queue *q)
{
    return q->len;
}

size_t
packet_queue_size(const struct packet_queue *q)
{
    return q->bytes;
}

void
packet_queue_clear(struct packet_queue *q)
{
    for (unsigned i = 0; i < N_DP_PACKET_IN_REASONS; i++) {
        struct port_queue *pq;
        while ((pq = q->reasons[i].turn)) {
            uint16_t in_port = (uint16_t) pq->source;
            free(detach(q, pq, pq->oldest));
            q->dropped(q->aux, i, in_port);
        }
    }
}

void
packet_queue_free(struct packet_queue *q)
{
    if (q) {
        packet_queue_clear(q);
        free(q);
    }
}
