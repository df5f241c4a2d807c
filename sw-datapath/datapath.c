/* SPDX-License-Identifier: Apache-2.0 */
/* The datapath's life, its barrier, and what workers tell the control thread. */
#include <config.h>

#include "sw-datapath/datapath.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/counters.h"
#include "lib/cpulist.h"
#include "lib/log.h"
#include "sw-datapath/govern.h"
#include "sw-datapath/heat.h"
#include "sw-datapath/offload.h"
#include "sw-datapath/parse.h"

LOG_MODULE(datapath);

enum {
    UPCALL_RING_BYTES = 1 << 20,
    UPCALLS_A_TURN = 64,          /* of each worker, before other events have their turn */
    OFFERS_A_TURN = 64,
    TICK_MS = 100,
    MEND_TICKS = 5,
    TICKS_A_SECOND = 10,
};

/* --- barriers -------------------------------------------------------------------- */

static void
barriers_run(struct dp *dp)
{
    while (dp->barriers && epoch_passed(dp->barriers->epoch)) {
        struct dp_barrier *barrier = dp->barriers;
        dp->barriers = barrier->next;
        if (!dp->barriers) {
            dp->barriers_tail = &dp->barriers;
        }
        barrier->done(barrier->aux);
    }
}

/* Asks the workers to say when they are next quiescent. One that was already, between the
 * look that found it busy and this, is found by the second look. */
static void
barriers_ask(struct dp *dp)
{
    for (unsigned i = 0; i < dp->n_workers; i++) {
        atomic_store(&dp->workers[i]->notify, true);
    }
    barriers_run(dp);
}

/* The devices' part of a barrier is over: the workers'. */
static void
barrier_workers(struct dp *dp, struct dp_barrier *barrier)
{
    barrier->epoch = epoch_advance();
    barrier->next = NULL;
    if (!dp->barriers && epoch_passed(barrier->epoch)) {
        barrier->done(barrier->aux);
        return;
    }
    *dp->barriers_tail = barrier;
    dp->barriers_tail = &barrier->next;
    barriers_ask(dp);
}

void
dp_barrier(struct dp *dp, struct dp_barrier *barrier)
{
    offload_barrier(dp, barrier, barrier_workers);
}

void
dp_barrier_cancel(struct dp *dp, struct dp_barrier *barrier)
{
    offload_barrier_cancel(dp, barrier);
    for (struct dp_barrier **p = &dp->barriers; *p; p = &(*p)->next) {
        if (*p == barrier) {
            *p = barrier->next;
            if (!*p) {
                dp->barriers_tail = p;
            }
            return;
        }
    }
}

/* --- events from workers --------------------------------------------------------- */

void
dp_notify(struct dp *dp)
{
    /* A look first: most of the time it is set, and a look does not move the line. */
    if (!atomic_load(&dp->event_set) && !atomic_exchange(&dp->event_set, true)) {
        uint64_t one = 1;
        ssize_t r = write(dp->event_fd, &one, sizeof one);
        (void) r; /* full: the event is there */
    }
}

static void
take_turn(struct dp *dp)
{
    static const struct timeval at_once = { 0 };
    atomic_store(&dp->event_set, false);
    barriers_run(dp);
    bool more = offload_take_offers(dp, OFFERS_A_TURN);
    more = capture_deliver(dp) || more;
    if (upcall_deliver(dp, UPCALLS_A_TURN) || more) {
        /* A timer, and not event_active(): libevent runs what is made active within the
         * same pass, and a flood of packet-ins would keep everybody else from theirs.
         * Until it comes, nobody need write the descriptor. */
        atomic_store(&dp->event_set, true);
        event_add(dp->again, &at_once);
    }
    if (dp->barriers) {
        barriers_ask(dp);
    }
}

static void
on_event(evutil_socket_t fd, short what, void *aux)
{
    (void) what;
    struct dp *dp = aux;
    uint64_t count;
    ssize_t r = read(fd, &count, sizeof count);
    (void) r; /* nothing to read is as good */
    take_turn(dp);
}

static void
on_again(evutil_socket_t fd, short what, void *aux)
{
    (void) fd;
    (void) what;
    take_turn(aux);
}

static void
mend(struct dp_port *port, void *aux)
{
    struct pktio *io = atomic_load(&port->io);
    (void) aux;
    if (io) {
        pktio_mend(io);
    }
}

static void
on_tick(evutil_socket_t fd, short what, void *aux)
{
    (void) fd;
    (void) what;
    struct dp *dp = aux;
    static unsigned n;
    epoch_poll();
    govern_log_floods(dp);
    if (dp->rx_incomplete) {
        dp_publish_rx(dp);
    }
    if (++n % MEND_TICKS == 0) {
        dp_visit_ports(dp, mend, NULL);
    }
    if (n % TICKS_A_SECOND == 0) {
        uint64_t now_ms = clock_ms();
        port_retry_locals(dp);
        for (struct dp_bridge *b = dp->bridges; b; b = b->next) {
            fdb_expire(b->fdb, now_ms);
            offload_addresses_changed(b);
        }
    }
}

static void
on_link(void *aux, const struct link_info *link, bool gone)
{
    port_link_changed(aux, link, gone);
}

static void
on_settings(void *aux, int ifindex)
{
    port_features_changed(aux, ifindex);
}

/* --- life ------------------------------------------------------------------------ */

static void
thread_fini(struct dp_thread *thread)
{
    pktio_tx_free(thread->tx);
    upcalls_free(thread->upcalls);
    govern_free(thread->govern);
    free(thread->again);
}

static void
worker_free(struct worker *w)
{
    if (!w) {
        return;
    }
    if (w->running) {
        atomic_store(&w->stop, true);
        worker_wake(w);
        pthread_join(w->pthread, NULL);
    }
    thread_fini(&w->thread);
    epoch_reader_free(w->reader);
    rx_list_free(atomic_load(&w->ports));
    heat_free(w->heat);
    ring_free(w->offers);
    if (w->wake_fd >= 0) {
        close(w->wake_fd);
    }
    free(w);
}

static struct worker *
worker_new(struct dp *dp, unsigned slot, int cpu, struct errmsg *err)
{
    struct worker *w = aligned_alloc(64, (sizeof *w + 63) & ~(size_t) 63);
    if (!w) {
        errmsg_set(err, "no memory for a packet worker");
        return NULL;
    }
    memset(w, 0, sizeof *w);
    w->thread.dp = dp;
    w->thread.slot = slot;
    w->cpu = cpu;
    w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    w->reader = epoch_reader_new();
    w->thread.upcalls = upcalls_new(UPCALL_RING_BYTES);
    w->thread.govern = govern_new(w);
    atomic_store(&w->ports, calloc(1, sizeof(struct rx_list)));
    if (w->wake_fd < 0 || !w->reader || !w->thread.upcalls || !w->thread.govern
        || !atomic_load(&w->ports)) {
        errmsg_set(err, "packet worker %u: %s", slot, w->reader ? strerror(errno) : "too many");
        worker_free(w);
        return NULL;
    }
    w->thread.tx = pktio_tx_new(err);
    if (!w->thread.tx) {
        worker_free(w);
        return NULL;
    }
    return w;
}

static int
worker_start(struct worker *w, struct errmsg *err)
{
    /* Signals are the control thread's. */
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int error = pthread_create(&w->pthread, NULL, worker_main, w);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (error) {
        errmsg_set(err, "packet worker %u: cannot start its thread: %s", w->thread.slot,
                   strerror(error));
        return -error;
    }
    w->running = true;
    if (w->cpu >= 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET((unsigned) w->cpu, &set);
        error = pthread_setaffinity_np(w->pthread, sizeof set, &set);
        if (error) {
            errmsg_set(err, "packet worker %u: cannot be put on CPU %d: %s", w->thread.slot,
                       w->cpu, strerror(error));
            return -error;
        }
    }
    return 0;
}

static int
workers_new(struct dp *dp, const char *cpu_list, struct errmsg *err)
{
    unsigned cpus[DP_MAX_WORKERS];
    int n = 1;
    if (cpu_list) {
        n = cpulist_parse(cpu_list, cpus, DP_MAX_WORKERS, err);
        if (n < 0) {
            return n;
        }
    }
    for (int i = 0; i < n; i++) {
        dp->workers[i] = worker_new(dp, (unsigned) i, cpu_list ? (int) cpus[i] : -1, err);
        if (!dp->workers[i]) {
            return -ENOMEM;
        }
        dp->n_workers++;
    }
    for (int i = 0; i < n && dp->config.threads; i++) {
        int error = worker_start(dp->workers[i], err);
        if (error) {
            return error;
        }
    }
    return 0;
}

static int
events_new(struct dp *dp, struct errmsg *err)
{
    dp->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (dp->event_fd < 0) {
        errmsg_set(err, "datapath: eventfd: %s", strerror(errno));
        return -errno;
    }
    static const struct timeval tick = { .tv_usec = TICK_MS * 1000 };
    dp->event = event_new(dp->base, dp->event_fd, EV_READ | EV_PERSIST, on_event, dp);
    dp->again = evtimer_new(dp->base, on_again, dp);
    dp->tick = event_new(dp->base, -1, EV_PERSIST, on_tick, dp);
    if (!dp->event || !dp->again || !dp->tick || event_add(dp->event, NULL) || event_add(dp->tick, &tick)) {
        errmsg_set(err, "datapath: cannot watch for events");
        return -ENOMEM;
    }
    if (dp->config.threads) {
        dp->links = link_monitor_new(dp->base, on_link, dp, err);
        if (!dp->links) {
            return -EIO;
        }
        struct errmsg why;
        dp->settings = ethtool_monitor_new(dp->base, on_settings, dp, &why);
        if (!dp->settings) {
            log_info("speeds are looked at when links change only: %s", why.text);
        }
    }
    return 0;
}

struct dp *
dp_new(struct event_base *base, const struct dp_config *config, struct errmsg *err)
{
    struct dp *dp = calloc(1, sizeof *dp);
    if (!dp) {
        errmsg_set(err, "datapath: no memory");
        return NULL;
    }
    dp->base = base;
    dp->config = *config;
    dp->config.cpus = NULL; /* the caller's string */
    if (!dp->config.cache_entries) {
        dp->config.cache_entries = DP_CACHE_ENTRIES_DEFAULT;
    }
    dp->event_fd = -1;
    dp->barriers_tail = &dp->barriers;
    dp->control.dp = dp;
    if (govern_settings_publish(dp, &config->governor)) {
        errmsg_set(err, "datapath: no memory");
        dp_free(dp);
        return NULL;
    }
    if (events_new(dp, err) || workers_new(dp, config->cpus, err)) {
        dp_free(dp);
        return NULL;
    }
    dp->control.slot = dp->n_workers;
    if (config->hal && !(dp->offload = offload_new(dp, config->hal, err))) {
        dp_free(dp);
        return NULL;
    }
    dp->control.again = malloc(PACKET_HEADROOM + PACKET_MAX_SIZE + PACKET_TAILROOM);
    if (!dp->control.again) {
        errmsg_set(err, "datapath: no memory");
        dp_free(dp);
        return NULL;
    }
    dp->control.tx = pktio_tx_new(err);
    if (!dp->control.tx) {
        dp_free(dp);
        return NULL;
    }
    return dp;
}

void
dp_free(struct dp *dp)
{
    if (!dp) {
        return;
    }
    while (dp->bridges) {
        dp_bridge_free(dp->bridges);
    }
    for (unsigned i = 0; i < dp->n_workers; i++) {
        worker_free(dp->workers[i]);
    }
    epoch_drain();
    link_monitor_free(dp->links);
    ethtool_monitor_free(dp->settings);
    struct event *events[] = { dp->event, dp->again, dp->tick };
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        if (events[i]) {
            event_free(events[i]);
        }
    }
    if (dp->event_fd >= 0) {
        close(dp->event_fd);
    }
    thread_fini(&dp->control);
    offload_free(dp->offload);
    govern_settings_free(dp);
    free(dp);
}

unsigned
dp_run_once(struct dp *dp)
{
    unsigned n = 0;
    for (unsigned i = 0; i < dp->n_workers; i++) {
        struct worker *w = dp->workers[i];
        epoch_online(w->reader);
        govern_tick(w, clock_ms());
        n += worker_round(w);
        epoch_offline(w->reader);
    }
    while (upcall_deliver(dp, UPCALLS_A_TURN)) {
        continue;
    }
    while (offload_take_offers(dp, OFFERS_A_TURN)) {
        continue;
    }
    while (capture_deliver(dp)) {
        continue;
    }
    barriers_run(dp);
    return n;
}

unsigned
dp_n_workers(const struct dp *dp)
{
    return dp->n_workers;
}

unsigned
dp_n_slots(const struct dp *dp)
{
    return dp->n_workers + 1;
}

/* --- the control thread's own packets -------------------------------------------- */

void
dp_execute(struct dp_bridge *bridge, struct packet *packet, const struct action_list *actions)
{
    struct dp_thread *thread = &bridge->dp->control;
    thread->now_ms = clock_ms();
    struct flow_key key;
    if (packet_parse(packet, &key)) {
        counter_inc(COUNTER_packet_out_short);
        return;
    }
    forward_actions(thread, bridge, atomic_load(&bridge->map), packet, NULL, actions, true);
    pktio_tx_flush(thread->tx);
}

void
dp_execute_rule(struct dp_bridge *bridge, struct packet *packet, struct rule *rule)
{
    struct dp_thread *thread = &bridge->dp->control;
    thread->now_ms = clock_ms();
    struct flow_key key;
    if (packet_parse(packet, &key)) {
        counter_inc(COUNTER_packet_out_short);
        return;
    }
    forward_packet(thread, bridge, atomic_load(&bridge->map), packet, rule);
    pktio_tx_flush(thread->tx);
}
