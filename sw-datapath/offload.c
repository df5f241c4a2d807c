/* SPDX-License-Identifier: Apache-2.0 */
#include "sw-datapath/offload.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/counters.h"
#include "lib/log.h"
#include "sw-datapath/govern.h"
#include "sw-datapath/heat.h"
#include "sw-datapath/offers.h"
#include "sw-datapath/offload_whole.h"

LOG_MODULE(offload);

struct offload {
    struct dp *dp;
    struct hal *hal;
    struct event *ready, *timer;
    struct action_list *room;    /* for the latest derivation */
    struct action_list *whole_room;      /* ... of a whole rule */
    struct offers *offers;
    unsigned n_parked;           /* barriers that wait for the HAL */
};

/* --- the source ------------------------------------------------------------------------- */

static bool
derive(void *aux, const struct flow_key *key, struct hal_derivation *d)
{
    struct dp_bridge *bridge = aux;
    return derive_entry(bridge, key, bridge->dp->offload->room, d);
}

static void
credit(void *aux, void *owner, uint64_t packets, uint64_t bytes, uint64_t used_ms)
{
    struct dp_bridge *bridge = aux;
    const struct rule *rule = owner;
    unsigned slot = bridge->dp->control.slot;
    rule_count(rule, slot, packets, bytes, used_ms);
    slot_add(&bridge->slots[slot].lookups, packets);
    slot_add(&bridge->slots[slot].matched, packets);
}

static void
port_failed(void *aux, uint16_t port, const char *why)
{
    struct dp_bridge *bridge = aux;
    log_error("bridge %s: port %u goes down: its device can't be stopped: %s", bridge->name, port,
              why);
    dp_port_set_config(bridge, port, PORT_CONFIG_DOWN, PORT_CONFIG_DOWN);
}

static void
used(void *aux, void *owner, const struct flow_match *match, uint64_t used_ms)
{
    derive_refresh(aux, owner, match, used_ms);
}

static uint32_t
queued(void *aux, uint16_t port_no)
{
    const struct dp_bridge *bridge = aux;
    const struct dp_port *port = port_map_find(atomic_load(&bridge->map), port_no);
    return port ? atomic_load_explicit(&port->emptied, memory_order_acquire) : 0;
}

/* The first time that the worker found nothing more may have begun before the mark. A worker that
 * sleeps has nothing. */
static bool
is_drained(const struct dp_port *port, uint32_t mark)
{
    return !atomic_load(&port->worker->reader->seen)
           || atomic_load_explicit(&port->emptied, memory_order_acquire) - mark >= 2;
}

/* A worker that has not is asked to say when. It has by the end of the third round in which nothing
 * came, the first of which may have looked at the port already; or before it sleeps. */
static bool
drained(void *aux, uint16_t port_no, uint32_t mark)
{
    enum { ROUNDS = 3 };
    const struct dp_bridge *bridge = aux;
    const struct dp_port *port = port_map_find(atomic_load(&bridge->map), port_no);
    if (!port || !port->worker || is_drained(port, mark)) {
        return true;
    }
    uint32_t none = 0;
    atomic_compare_exchange_strong(&port->worker->drain_rounds, &none, ROUNDS);
    return is_drained(port, mark);
}

static const struct hal_source source = {
    .derive = derive, .derive_whole = offload_derive_whole, .each_above = offload_each_above,
    .queued = queued, .drained = drained, .credit = credit, .used = used, .port_failed = port_failed,
};

struct action_list *
offload_room(struct offload *offload)
{
    return offload->room;
}

struct action_list *
offload_room_of_whole(struct offload *offload)
{
    return offload->whole_room;
}

static struct action_list *
make_room(void)
{
    struct action_list *room = NULL;
    return malloc(sizeof *room + DERIVE_MAX_ACTIONS * sizeof room->actions[0]);
}

/* --- life --------------------------------------------------------------------------------- */

static void
run(struct offload *offload)
{
    int ms = hal_step(offload->hal);
    struct timeval wait = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
    if (ms >= 0) {
        event_add(offload->timer, &wait);
    }
}

static void
on_ready(evutil_socket_t fd, short what, void *aux)
{
    (void) fd;
    (void) what;
    run(aux);
}

struct offload *
offload_new(struct dp *dp, struct hal *hal, struct errmsg *err)
{
    struct offload *offload = calloc(1, sizeof *offload);
    if (!offload) {
        errmsg_set(err, "offload: no memory");
        return NULL;
    }
    offload->dp = dp;
    offload->hal = hal;
    offload->room = make_room();
    offload->whole_room = make_room();
    offload->offers = offload->room && offload->whole_room ? offers_new(dp, hal, offload->room) : NULL;
    offload->ready = event_new(dp->base, hal_fd(hal), EV_READ | EV_PERSIST, on_ready, offload);
    offload->timer = evtimer_new(dp->base, on_ready, offload);
    if (!offload->offers || !offload->ready || !offload->timer || event_add(offload->ready, NULL)) {
        errmsg_set(err, "offload: cannot watch for events");
        offload_free(offload);
        return NULL;
    }
    for (unsigned i = 0; i < dp->n_workers; i++) {
        dp->workers[i]->heat = heat_new();
        dp->workers[i]->offers = ring_new(OFFERS_RING_BYTES);
        if (!dp->workers[i]->heat || !dp->workers[i]->offers) {
            errmsg_set(err, "offload: no memory");
            offload_free(offload);
            return NULL;
        }
    }
    return offload;
}

void
offload_free(struct offload *offload)
{
    if (!offload) {
        return;
    }
    if (offload->ready) {
        event_free(offload->ready);
    }
    if (offload->timer) {
        event_free(offload->timer);
    }
    offers_free(offload->offers);
    free(offload->room);
    free(offload->whole_room);
    free(offload);
}

int
offload_bridge_added(struct dp_bridge *bridge)
{
    struct offload *offload = bridge->dp->offload;
    if (offload) {
        bridge->hal = hal_bridge_new(offload->hal, bridge->name, &source, bridge);
    }
    return offload && !bridge->hal ? -ENOMEM : 0;
}

void
offload_bridge_removed(struct dp_bridge *bridge)
{
    if (bridge->hal) {
        hal_bridge_free(bridge->hal);
        bridge->hal = NULL;
    }
}

/* --- ports ---------------------------------------------------------------------------------- */

static struct hal_port
describe(const struct dp_port *port)
{
    struct hal_port out = { .no = port->no, .ifindex = (int) port->link.ifindex,
                            .config = port->info.config, .has_queues = port->queues };
    uint32_t path = atomic_load_explicit(&port->path, memory_order_relaxed);
    memcpy(out.name, port->info.name, sizeof out.name);
    if (!(path & PORT_PATH_TX)) {
        out.config |= PORT_CONFIG_NO_FWD;    /* for whatever reason it does not send */
    }
    return out;
}

int
dp_port_set_device(struct dp_bridge *bridge, uint16_t port_no, struct hal_device *device,
                   struct errmsg *err)
{
    struct dp_port *port = port_map_find(atomic_load(&bridge->map), port_no);
    char error[HAL_ERROR_SIZE];
    if (!bridge->hal || !port || port_no == PORT_LOCAL) {
        errmsg_set(err, "port %u can't have an offload device", port_no);
        return -EOPNOTSUPP;
    }
    struct hal_port description = describe(port);
    int result = hal_port_add(bridge->hal, device, &description, error);
    if (result) {
        errmsg_set(err, "port %s: %s", port->info.name, error);
        return result;
    }
    atomic_store_explicit(&port->device, device, memory_order_release);
    hal_changed_port(bridge->hal, &description);   /* floods can go there now */
    return 0;
}

const char *
dp_port_driver(const struct dp_bridge *bridge, uint16_t port_no)
{
    struct dp_port *port = port_map_find(atomic_load(&bridge->map), port_no);
    struct hal_device *device = port ? atomic_load_explicit(&port->device, memory_order_acquire)
                                     : NULL;
    return device ? hal_device_driver(device) : NULL;
}

void
offload_port_changed(struct dp_port *port)
{
    if (port->bridge->hal) {
        struct hal_port description = describe(port);
        hal_changed_port(port->bridge->hal, &description);
    }
}

void
offload_port_removed(struct dp_port *port)
{
    if (port->bridge->hal) {
        struct hal_port description = describe(port);
        atomic_store_explicit(&port->device, NULL, memory_order_release);
        hal_port_del(port->bridge->hal, port->no);
        hal_changed_port(port->bridge->hal, &description);
    }
}

void
offload_config_changed(struct dp_bridge *bridge)
{
    if (bridge->hal) {
        hal_changed_config(bridge->hal);
    }
}

/* --- learnt addresses ----------------------------------------------------------------------- */

bool
offload_addresses_changed(struct dp_bridge *bridge)
{
    struct fdb_address changes[FDB_MAX_CHANGES];
    bool all;
    if (!bridge->hal || !fdb_has_changes(bridge->fdb)) {
        return false;
    }
    unsigned n = fdb_take_changes(bridge->fdb, changes, &all);
    if (all) {
        counter_inc(COUNTER_offload_addresses_all);
        hal_changed_config(bridge->hal);
        return true;
    }
    for (unsigned i = 0; i < n; i++) {
        hal_changed_address(bridge->hal, changes[i].addr);
    }
    return true;
}

/* True if there were any. */
static bool
follow_addresses(const struct dp *dp)
{
    bool any = false;
    for (struct dp_bridge *b = dp->bridges; b; b = b->next) {
        any |= offload_addresses_changed(b);
    }
    return any;
}

/* --- rules ------------------------------------------------------------------------------------ */

void
dp_rule_offer(struct dp_bridge *bridge, const struct rule *rule)
{
    struct flow_match match;
    if (bridge->hal && rule->rank == RULE_RANK_EXACT) {
        classifier_rule_match(bridge->classifier, rule, &match);
        hal_offer(bridge->hal, &match.value, 0, NULL);
    } else if (bridge->hal) {
        offload_offer_whole(bridge, rule);
    }
}

void
dp_rule_added(struct dp_bridge *bridge, struct rule *rule)
{
    struct flow_match match;
    if (bridge->hal) {
        classifier_rule_match(bridge->classifier, rule, &match);
        dp_rule_offer(bridge, rule); /* first: what is below may rely on it */
        hal_rule_added(bridge->hal, rule, &match, rule->rank);
    }
}

void
dp_rule_changed(struct dp_bridge *bridge, struct rule *rule)
{
    struct flow_match match;
    if (bridge->hal) {
        classifier_rule_match(bridge->classifier, rule, &match);
        hal_changed_owner(bridge->hal, rule);
        dp_rule_offer(bridge, rule);
        offload_offer_below(bridge, &match, rule->rank);
    }
}

void
dp_rule_removed(struct dp_bridge *bridge, struct rule *rule, const struct flow_match *match)
{
    if (bridge->hal && match) {
        hal_owner_gone(bridge->hal, rule);
        offload_offer_below(bridge, match, rule->rank);
    } else if (bridge->hal) {
        hal_owner_replaced(bridge->hal, rule);
    }
}

void
dp_rules_deleted(struct dp_bridge *bridge, const struct flow_match *match)
{
    if (bridge->hal) {
        hal_deleted_match(bridge->hal, match);
    }
}

bool
dp_rule_is_in_hardware(const struct dp_bridge *bridge, const struct rule *rule)
{
    return bridge->hal && hal_owner_is_used(bridge->hal, rule);
}

uint64_t
dp_counted_until(const struct dp_bridge *bridge)
{
    return bridge->hal ? hal_counted_until(bridge->hal) : clock_ms();
}

bool
dp_check_offload(struct dp_bridge *bridge, const struct flow_key *key, struct hal_verdict *verdict)
{
    struct hal_derivation d;
    *verdict = (struct hal_verdict) { .field = HAL_OBJECT_NONE, .action = HAL_OBJECT_NONE };
    if (!bridge->hal) {
        return false;
    }
    if (derive_entry(bridge, key, bridge->dp->offload->room, &d)) {
        return hal_check(bridge->hal, &d, verdict);
    }
    verdict->reason = HAL_REASON_TABLE_MISS;
    return false;
}

bool
dp_check_whole(struct dp_bridge *bridge, const struct flow_key *key, bool *is_whole,
               struct hal_verdict *verdict)
{
    struct hal_derivation d;
    if (!bridge->hal || !hal_port_device(bridge->hal, key->in_port)
        || !derive_entry(bridge, key, bridge->dp->offload->room, &d) || d.exact_rule) {
        return false;
    }
    *verdict = (struct hal_verdict) { .reason = HAL_REASON_FRAGMENT, .field = HAL_OBJECT_NONE,
                                      .action = HAL_OBJECT_NONE };
    *is_whole = d.has_whole && hal_check_whole(bridge->hal, &d.whole, d.priority, verdict);
    return true;
}

const struct hal_policy_rule *
dp_policy_for(struct dp_bridge *bridge, const struct flow_key *key)
{
    struct hal_derivation d;
    bool found = bridge->hal && derive_entry(bridge, key, bridge->dp->offload->room, &d);
    return found ? hal_policy_of(bridge->hal, d.cookie) : NULL;
}

bool
dp_find_offload_rule(const struct dp_bridge *bridge, const struct flow_key *key, void **owner,
                     uint64_t *cookie)
{
    struct rule *rule = classifier_lookup(bridge->classifier, key);
    *owner = rule;
    *cookie = rule && bridge->ops->rule_cookie ? bridge->ops->rule_cookie(bridge->ops_aux, rule) : 0;
    return rule;
}

struct hal_bridge *
dp_bridge_hal(struct dp_bridge *bridge)
{
    return bridge->hal;
}

/* --- barriers --------------------------------------------------------------------------------- */

/* A barrier that waits for the HAL; the barrier may be cancelled meanwhile. */
struct parked {
    struct dp *dp;
    struct dp_barrier *barrier;  /* NULL: cancelled */
    void (*next)(struct dp *, struct dp_barrier *);
};

static void
hal_barrier_done(void *aux, int error)
{
    struct parked *parked = aux;
    if (parked->barrier) {
        parked->barrier->parked = NULL;
        parked->barrier->error = error;
        parked->next(parked->dp, parked->barrier);
    }
    free(parked);
}

void
offload_barrier(struct dp *dp, struct dp_barrier *barrier,
                void (*next)(struct dp *, struct dp_barrier *))
{
    struct parked *parked = dp->offload ? malloc(sizeof *parked) : NULL;
    barrier->parked = NULL;
    barrier->error = dp->offload && !parked ? -ENOMEM : 0;
    if (!parked) {
        next(dp, barrier);
        return;
    }
    *parked = (struct parked) { dp, barrier, next };
    barrier->parked = parked;
    follow_addresses(dp);        /* what was learnt before the barrier */
    hal_barrier(dp->offload->hal, hal_barrier_done, parked);
}

void
offload_barrier_cancel(struct dp *dp, struct dp_barrier *barrier)
{
    (void) dp;
    struct parked *parked = barrier->parked;
    if (parked) {
        parked->barrier = NULL;
        barrier->parked = NULL;
    }
}

/* --- offers --------------------------------------------------------------------------------------- */

bool
offload_take_offers(struct dp *dp, unsigned n)
{
    bool more = false, any = follow_addresses(dp);
    for (unsigned i = 0; dp->offload && i < dp->n_workers; i++) {
        any |= !ring_empty(dp->workers[i]->offers);
        more |= offers_take(dp->offload->offers, dp->workers[i], n);
    }
    if (any) {
        run(dp->offload);
    }
    return more;
}

uint32_t
dp_entry_rate(const struct dp *dp)
{
    return dp->offload ? offers_rate(dp->offload->offers) : 0;
}

enum governor_reason
dp_held_back(struct dp_bridge *bridge, const struct flow_key *key)
{
    if (!bridge->hal || dp_get_governor(bridge->dp)->mode == GOVERNOR_OFF) {
        return GOVERNOR_NO_REASON;
    }
    enum governor_reason held = offers_find_held(bridge->dp->offload->offers, bridge, key);
    return held == GOVERNOR_NO_REASON && dp_port_is_flooded(bridge, key->in_port) ? GOVERNOR_FLOOD
                                                                                  : held;
}

int
dp_set_governor(struct dp *dp, const struct governor_config *config)
{
    int error = govern_settings_publish(dp, config);
    if (!error && dp->offload) {
        offers_set_config(dp->offload->offers, config);
    }
    return error;
}

/* --- packets through a device ------------------------------------------------------------------------ */

struct through {
    struct hal_packet_out out;
    struct dp_thread *thread;
    struct dp_bridge *bridge;
    const struct port_map *map;
};

static void
through_execute(struct hal_packet_out *out, struct hal_packet *packet, const struct action_list *list)
{
    const struct through *t = (const struct through *) (const void *) out;
    forward_actions(t->thread, t->bridge, t->map, packet->frame, NULL, list, false);
}

static void
through_output(struct hal_packet_out *out, const struct hal_packet *packet, uint16_t port)
{
    union { struct action_list list; uint64_t words[2]; } one = { .list = { .len = 1 } };
    struct action action = { .type = ACTION_OUTPUT, .output.port = port };
    memcpy(one.list.actions, &action, sizeof action);
    struct hal_packet copy = *packet;
    through_execute(out, &copy, &one.list);
}

unsigned
offload_process(struct dp_thread *thread, const struct rx_port *rx, const struct port_map *map,
                struct packet packets[], struct flow_key keys[], unsigned n)
{
    struct hal_device *device = atomic_load_explicit(&rx->port->device, memory_order_acquire);
    if (!device || !n || !hal_device_in_path(device)) {
        return n;
    }
    struct hal_packet through[PACKET_BATCH_MAX];
    bool miss[PACKET_BATCH_MAX] = { false };
    struct through out = { { through_output, through_execute, thread->slot, thread->now_ms },
                           thread, rx->bridge, map };
    for (unsigned i = 0; i < n; i++) {
        through[i] = (struct hal_packet) { packets[i].data, packets[i].size,
                                           packet_n_segments(&packets[i]),
                                           packet_wire_bytes(&packets[i]), &keys[i], &packets[i] };
    }
    hal_process(device, rx->port->no, through, n, miss, &out.out);
    unsigned kept = 0;
    for (unsigned i = 0; i < n; i++) {
        if (miss[i]) {
            if (kept != i) {
                packets[kept] = packets[i];
                keys[kept] = keys[i];
            }
            kept++;
        }
    }
    return kept;
}
