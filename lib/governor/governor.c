/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/governor/governor.h"

enum {
    ONE = 1000,                  /* budgets count thousandths */
    MIN_FLOOD = 8,               /* packets a window that make a flood */
    PROVEN_FACTOR = 4,           /* so many times fewer flows than first packets prove themselves */
    AGE_WINDOWS = 100,
    BACKLOG_BATCHES = 4,         /* full ones in a window that show a backlog ... */
    BACKLOG_PART = 8,            /* ... if they are one in so many */
};

void
governor_config_init(struct governor_config *config)
{
    *config = (struct governor_config) {
        .mode = GOVERNOR_ON,
        .setups = { GOVERNOR_SETUPS_MIN, GOVERNOR_SETUPS_MAX },
        .entries = { GOVERNOR_ENTRIES_MIN, GOVERNOR_ENTRIES_MAX },
    };
}

/* The sketch is as it was: zero, in new memory, which is touched when it is used. */
void
governor_init(struct governor *g, const struct governor_config *config, uint64_t secret,
              uint64_t now_ms)
{
    g->config = *config;
    g->secret = secret;
    g->window_ms = now_ms;
    governor_budget_init(&g->setups, &config->setups, now_ms);
}

void
governor_set_config(struct governor *g, const struct governor_config *config)
{
    g->config = *config;
    governor_budget_set_bounds(&g->setups, &config->setups);
}

/* --- packets --------------------------------------------------------------------------- */

static uint64_t
mac_key(const uint8_t mac[6])
{
    uint64_t key = 1;            /* so that an address of zeros is a key, too */
    for (unsigned i = 0; i < 6; i++) {
        key = key << 8 | mac[i];
    }
    return key;
}

static struct governor_judgement
hold(const struct governor *g, struct governor_port *port, const struct flow_key *key,
     enum governor_evidence evidence, enum governor_reason reason)
{
    port->totals.held[reason]++;
    port->totals.passed += !g->config.drop;
    port->totals.dropped += g->config.drop;
    governor_sources_add(&port->macs, mac_key(key->dl_src));
    if (key->nw_src.ip4.raw) {
        governor_sources_add(&port->addresses, be32_to_host(key->nw_src.ip4));
    }
    return (struct governor_judgement) { g->config.drop ? GOVERNOR_SHED : GOVERNOR_PASS, reason,
                                         evidence != GOVERNOR_NEW };
}

static struct governor_judgement
install(struct governor *g, struct governor_port *port, enum governor_evidence evidence)
{
    g->n_installed++;
    port->totals.installed++;
    return (struct governor_judgement) { GOVERNOR_INSTALL, GOVERNOR_NO_REASON,
                                         evidence != GOVERNOR_NEW };
}

/* Not proven, but let through where others are dropped. */
static struct governor_judgement
let_through(struct governor_port *port, enum governor_reason reason)
{
    port->totals.held[reason]++;
    port->totals.passed++;
    return (struct governor_judgement) { GOVERNOR_PASS, reason, true };
}

/* On a port in flood mode. A flow that came a second time without proving itself, as a SYN that
 * is sent again, gets no entry; but where first packets are dropped it gets through, so that
 * it can be answered. */
static struct governor_judgement
judge_in_flood(struct governor *g, struct governor_port *port, const struct flow_key *key,
               enum governor_evidence evidence)
{
    if (evidence == GOVERNOR_NEW || (evidence == GOVERNOR_SEEN && !g->config.drop)) {
        return hold(g, port, key, evidence, GOVERNOR_FLOOD);
    }
    if (governor_budget_take(&g->setups, &port->bucket, evidence) != GOVERNOR_TAKEN) {
        return hold(g, port, key, evidence, GOVERNOR_OVER_BUDGET);
    }
    return evidence == GOVERNOR_SEEN ? let_through(port, GOVERNOR_FLOOD)
                                     : install(g, port, evidence);
}

static enum governor_evidence
see(struct governor *g, struct governor_port *port, const struct governor_flow *flow,
    uint64_t now_ms)
{
    enum governor_evidence evidence = governor_sketch_see(&g->sketch, flow, now_ms);
    port->unproven += evidence != GOVERNOR_PROVEN;
    port->proven += evidence == GOVERNOR_PROVEN;
    port->changed = true;
    return evidence;
}

/* Without proofs every packet has the same right to the budget. */
static enum governor_evidence
see_nothing(struct governor_port *port)
{
    port->unproven++;
    port->changed = true;
    return GOVERNOR_PROVEN;
}

void
governor_prepare(const struct governor *g, const struct flow_key *key, int tcp_flags,
                 struct governor_flow *flow)
{
    if (g->config.mode == GOVERNOR_ON) {
        governor_identify(g->secret, key, tcp_flags, flow);
        governor_sketch_prefetch(&g->sketch, flow);
    }
}

struct governor_judgement
governor_judge(struct governor *g, struct governor_port *port, const struct flow_key *key,
               const struct governor_flow *flow, uint64_t now_ms)
{
    bool proofs = g->config.mode == GOVERNOR_ON;
    enum governor_evidence evidence = proofs ? see(g, port, flow, now_ms)
                                             : see_nothing(port);
    port->totals.asked++;
    if (port->flood && proofs) {
        port->unproven_held += evidence != GOVERNOR_PROVEN;
        return judge_in_flood(g, port, key, evidence);
    }
    enum governor_take taken = governor_budget_take(&g->setups, &port->bucket, evidence);
    if (taken == GOVERNOR_TAKEN) {
        return install(g, port, evidence);
    }
    port->unproven_held += !proofs || evidence != GOVERNOR_PROVEN;
    return hold(g, port, key, evidence,
                taken == GOVERNOR_SHORT ? GOVERNOR_OVER_BUDGET : GOVERNOR_NOT_PROVEN);
}

bool
governor_miss(struct governor *g, struct governor_port *port, const struct flow_key *key,
              int tcp_flags, uint64_t now_ms)
{
    if (g->config.mode != GOVERNOR_ON) {
        return false;
    }
    struct governor_flow flow;
    governor_identify(g->secret, key, tcp_flags, &flow);
    enum governor_evidence evidence = see(g, port, &flow, now_ms);
    if (governor_budget_take(&g->setups, &port->bucket, evidence) != GOVERNOR_TAKEN) {
        port->unproven_held += evidence != GOVERNOR_PROVEN;
    }
    return evidence != GOVERNOR_NEW;
}

enum governor_reason
governor_worth(const struct governor *g, const struct governor_port *port,
               const struct flow_key *key, int tcp_flags, uint32_t n_packets, uint64_t now_ms)
{
    struct governor_flow flow;
    if (g->config.mode != GOVERNOR_ON) {
        return GOVERNOR_NO_REASON;
    }
    governor_identify(g->secret, key, tcp_flags, &flow);
    switch ((enum governor_kind) flow.kind) {
    case GOVERNOR_LIVE:
        return GOVERNOR_NO_REASON;   /* it had packets before this one: it was busy */
    case GOVERNOR_SYN:
    case GOVERNOR_SYN_ACK:
    case GOVERNOR_DEAD:
        return governor_sketch_peek(&g->sketch, &flow, now_ms) == GOVERNOR_PROVEN
               ? GOVERNOR_NO_REASON : GOVERNOR_NOT_PROVEN;
    case GOVERNOR_DATAGRAM:
        break;
    }
    return port->flood && n_packets < GOVERNOR_FLOOD_PACKETS ? GOVERNOR_FLOOD : GOVERNOR_NO_REASON;
}

/* --- time --------------------------------------------------------------------------------- */

static bool
has_backlog(const struct governor *g)
{
    return g->n_full >= BACKLOG_BATCHES
           && (uint64_t) g->n_full * BACKLOG_PART >= g->n_batches;
}

/* The worker can't keep up, and new flows are what it is busy with: their set-ups take much of its
 * time, or they are many of its packets. */
static bool
is_congested(const struct governor *g, uint64_t elapsed_ms)
{
    uint64_t permille = g->busy_ns / 1000 / (elapsed_ms ? elapsed_ms : 1);
    return g->backlog && (permille >= GOVERNOR_BUSY_PERMILLE
                          || (uint64_t) g->n_installed * GOVERNOR_NEW_PART >= g->n_packets);
}

bool
governor_roll(struct governor *g, uint32_t n_ports, uint64_t now_ms)
{
    uint64_t elapsed_ms = now_ms - g->window_ms;
    if (!governor_budget_refill(&g->setups, n_ports, now_ms)) {
        return false;
    }
    g->n_windows = 0;
    if (elapsed_ms >= GOVERNOR_WINDOW_MS) {
        uint64_t n = elapsed_ms / GOVERNOR_WINDOW_MS;
        g->n_windows = n < GOVERNOR_LEAVE_WINDOWS ? (uint32_t) n : GOVERNOR_LEAVE_WINDOWS;
        g->window_ms = now_ms;
        g->unused = governor_budget_unused(&g->setups) / g->n_windows;
        g->backlog = has_backlog(g);
        governor_budget_adapt(&g->setups, is_congested(g, elapsed_ms));
        g->busy_ns = 0;
        g->n_batches = g->n_full = g->n_packets = g->n_installed = 0;
        g->n_flooded_before = g->n_flooded;
        g->n_flooded = 0;
    }
    return true;
}

static uint64_t
max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* True if the window was one of a flood: much more than there is for first packets, and hardly a
 * flow went on. */
static bool
is_flooding(const struct governor *g, const struct governor_port *port)
{
    uint64_t share = governor_budget_share(&g->setups, GOVERNOR_WINDOW_MS);
    return (uint64_t) port->unproven_held * ONE >= max_u64(share / 4, MIN_FLOOD * ONE)
           && (uint64_t) port->proven * PROVEN_FACTOR < port->unproven_held;
}

static uint64_t
min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* True if there would have been room for what was asked for, and as much again; while the worker
 * can't keep up, if what was asked for was little. */
static bool
has_room(const struct governor *g, const struct governor_port *port)
{
    uint64_t room = g->unused / (g->n_flooded_before ? g->n_flooded_before : 1);
    if (g->backlog) {
        room = min_u64(room, governor_budget_share(&g->setups, GOVERNOR_WINDOW_MS) / 2);
    }
    return (uint64_t) port->unproven * ONE * 2 <= max_u64(room, MIN_FLOOD * ONE);
}

static void
set_flood(struct governor_port *port, bool flood, uint64_t now_ms)
{
    port->flood = flood;
    port->streak = 0;
    port->since_ms = now_ms;
    port->totals.floods += flood;
    port->totals.flood_ended += !flood;
    port->changed = true;
}

static void
end_window(const struct governor *g, struct governor_port *port, uint64_t now_ms)
{
    bool other = port->flood ? has_room(g, port) : is_flooding(g, port);
    /* What was asked for is one window's; those without traffic that may follow are quiet. */
    uint32_t n = port->flood ? g->n_windows : 1;
    port->streak = other ? (uint8_t) (port->streak + n) : 0;
    if (port->streak >= (port->flood ? GOVERNOR_LEAVE_WINDOWS : GOVERNOR_ENTER_WINDOWS)) {
        set_flood(port, !port->flood, now_ms);
    }
    port->unproven = port->unproven_held = port->proven = 0;
    if (++port->age >= AGE_WINDOWS) {
        port->age = 0;
        governor_sources_age(&port->macs);
        governor_sources_age(&port->addresses);
    }
}

void
governor_roll_port(struct governor *g, struct governor_port *port, uint64_t now_ms)
{
    governor_budget_credit(&g->setups, &port->bucket);
    if (g->n_windows) {
        end_window(g, port, now_ms);
        g->n_flooded += port->flood;
    }
}
