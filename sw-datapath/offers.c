/* SPDX-License-Identifier: Apache-2.0 */
#include "sw-datapath/offers.h"

#include <stdlib.h>

#include "lib/clock.h"
#include "lib/counters.h"
#include "lib/hash.h"
#include "sw-datapath/govern.h"
#include "sw-datapath/heat.h"

enum {
    HELD_SLOTS = 1024,
    ADAPT_MS = 100,
    KEEP_USED_MS = 10000,
    WAIT_PART = 4,       /* devices are late if a quarter of a second's entries wait */
    REFUSED_PART = 4,    /* or if they refuse one in so many */
};

/* What a worker says of a busy flow. */
struct offer {
    uint32_t bridge;
    uint32_t pps;
    uint16_t held;       /* enum governor_reason: why the worker's governor does not want it */
    uint16_t exact_rule; /* it is not the governor's business */
    struct flow_key key;
};

/* A flow that was held back. */
struct held {
    uint64_t hash;       /* 0: none */
    uint64_t when_ms;
    enum governor_reason reason;
};

struct offers {
    struct dp *dp;
    struct hal *hal;
    struct action_list *room;
    struct governor_budget budget;
    uint64_t adapted_ms;
    uint64_t refused, taken;         /* by devices, and by us, as of then */
    uint64_t n_taken;
    struct held held[HELD_SLOTS];
};

/* Who is worth an entry with its first packet is not out of it for a slow second. */
static void
keep_used(struct offers *offers, enum governor_mode mode)
{
    hal_keep_while_used(offers->hal, mode == GOVERNOR_FIRST_PACKET ? KEEP_USED_MS : 0);
}

struct offers *
offers_new(struct dp *dp, struct hal *hal, struct action_list *room)
{
    struct offers *offers = calloc(1, sizeof *offers);
    if (offers) {
        offers->dp = dp;
        offers->hal = hal;
        offers->room = room;
        offers->adapted_ms = clock_ms();
        governor_budget_init(&offers->budget, &dp_get_governor(dp)->entries, offers->adapted_ms);
        keep_used(offers, dp_get_governor(dp)->mode);
    }
    return offers;
}

void
offers_free(struct offers *offers)
{
    free(offers);
}

void
offers_set_config(struct offers *offers, const struct governor_config *config)
{
    governor_budget_set_bounds(&offers->budget, &config->entries);
    keep_used(offers, config->mode);
}

uint32_t
offers_rate(const struct offers *offers)
{
    return offers->budget.rate;
}

/* --- workers -------------------------------------------------------------------------------- */

void
offload_heat(struct worker *w, const struct rx_port *rx, const struct flow_key *key, uint32_t entry,
             uint32_t threshold, bool exact_rule)
{
    uint32_t bridge = rx->bridge->id;
    uint32_t pps = threshold ? heat_step(w->heat, bridge, entry, w->thread.now_ms, threshold)
                             : w->thread.dp->config.promote_pps;
    if (!pps) {
        return;
    }
    struct offer *offer = ring_reserve(w->offers, sizeof *offer);
    if (!offer) {
        counter_inc(COUNTER_offload_offer_lost);
        return;
    }
    *offer = (struct offer) { .bridge = bridge, .pps = pps, .exact_rule = exact_rule, .key = *key };
    offer->held = exact_rule ? GOVERNOR_NO_REASON
                             : govern_worth(w, rx, key, heat_packets(w->heat, bridge, entry));
    ring_commit(w->offers);
    dp_notify(w->thread.dp);
}

/* --- the budget ----------------------------------------------------------------------------- */

struct ports {
    struct governor_budget *budget;
    uint32_t n;
};

static void
count_port(struct dp_port *port, void *aux)
{
    struct ports *ports = aux;
    ports->n += atomic_load_explicit(&port->device, memory_order_relaxed) != NULL;
}

static void
credit_port(struct dp_port *port, void *aux)
{
    struct ports *ports = aux;
    if (atomic_load_explicit(&port->device, memory_order_relaxed)) {
        governor_budget_credit(ports->budget, &port->offers);
    }
}

static void
adapt(struct offers *offers, uint64_t now_ms)
{
    struct hal_load load;
    hal_get_load(offers->hal, &load);
    uint64_t refused = load.refused - offers->refused, taken = offers->n_taken - offers->taken;
    bool late = load.waiting > offers->budget.rate / WAIT_PART;
    governor_budget_adapt(&offers->budget, late || (refused && refused * REFUSED_PART >= taken));
    offers->adapted_ms = now_ms;
    offers->refused = load.refused;
    offers->taken = offers->n_taken;
}

static void
refill(struct offers *offers, uint64_t now_ms)
{
    struct ports ports = { .budget = &offers->budget };
    if (now_ms - offers->budget.refilled_ms < GOVERNOR_REFILL_MS) {
        return;
    }
    dp_visit_ports(offers->dp, count_port, &ports);
    if (governor_budget_refill(&offers->budget, ports.n, now_ms)) {
        dp_visit_ports(offers->dp, credit_port, &ports);
    }
    if (now_ms - offers->adapted_ms >= ADAPT_MS) {
        adapt(offers, now_ms);
    }
}

static enum governor_reason
judge(struct offers *offers, const struct dp_bridge *bridge, const struct offer *offer)
{
    if (offer->held != GOVERNOR_NO_REASON || offer->exact_rule) {
        return offer->held;
    }
    struct dp_port *port = port_map_find(atomic_load(&bridge->map), offer->key.in_port);
    if (!port || dp_get_governor(offers->dp)->mode == GOVERNOR_OFF) {
        return GOVERNOR_NO_REASON;
    }
    bool taken = governor_budget_take(&offers->budget, &port->offers, GOVERNOR_PROVEN)
                 == GOVERNOR_TAKEN;
    offers->n_taken += taken;
    return taken ? GOVERNOR_NO_REASON : GOVERNOR_OVER_BUDGET;
}

/* --- what was held back --------------------------------------------------------------------- */

/* A hash of the match that the packets' entry would have; 0: they have none. */
static uint64_t
identity(struct offers *offers, const struct dp_bridge *bridge, const struct flow_key *key)
{
    struct hal_derivation d;
    if (!derive_entry(bridge, key, offers->room, &d)) {
        return 0;
    }
    uint64_t hash = bridge->id;
    for (unsigned i = 0; i < FLOW_LANES; i++) {
        hash = hash_word(hash ^ d.match.value.lane[i], d.match.mask.bits.lane[i]);
    }
    return hash ? hash : 1;
}

static void
remember(struct offers *offers, const struct dp_bridge *bridge, const struct flow_key *key,
         enum governor_reason reason)
{
    static const enum counter counters[GOVERNOR_N_REASONS] = {
        [GOVERNOR_NOT_PROVEN] = COUNTER_governor_entry_not_proven,
        [GOVERNOR_OVER_BUDGET] = COUNTER_governor_entry_over_budget,
        [GOVERNOR_FLOOD] = COUNTER_governor_entry_flood,
    };
    uint64_t hash = identity(offers, bridge, key);
    counter_inc(counters[reason]);
    offers->held[hash % HELD_SLOTS] = (struct held) { hash, clock_ms(), reason };
}

enum governor_reason
offers_find_held(struct offers *offers, struct dp_bridge *bridge, const struct flow_key *key)
{
    uint64_t hash = identity(offers, bridge, key);
    const struct held *held = &offers->held[hash % HELD_SLOTS];
    bool found = hash && held->hash == hash && clock_ms() - held->when_ms <= OFFERS_HELD_MS;
    return found ? held->reason : GOVERNOR_NO_REASON;
}

/* --- control thread ------------------------------------------------------------------------- */

static void
handle(struct offers *offers, struct dp_bridge *bridge, const struct offer *offer)
{
    enum governor_reason held = judge(offers, bridge, offer);
    if (held == GOVERNOR_NO_REASON) {
        hal_offer(bridge->hal, &offer->key, offer->pps, NULL);
    } else {
        remember(offers, bridge, &offer->key, held);
    }
}

bool
offers_take(struct offers *offers, struct worker *w, unsigned n)
{
    size_t size;
    const struct offer *offer;
    for (unsigned i = 0; i < n && (offer = ring_peek(w->offers, &size)); i++) {
        struct dp_bridge *bridge = dp_find_bridge(offers->dp, offer->bridge);
        if (!i) {
            refill(offers, clock_ms());
        }
        if (bridge && bridge->hal) {
            handle(offers, bridge, offer);
        }
        ring_consume(w->offers);
    }
    return !ring_empty(w->offers);
}
