/* SPDX-License-Identifier: Apache-2.0 */
/* The governor in the datapath: lib/governor/ for each worker, and what others see of it.
 *
 * A worker asks its governor about packets that missed the cache, about table misses on their
 * way to the controller, and about busy flows before they are offered to hardware; never about
 * a packet that hits the cache. All state is the worker's own. Once in a window it publishes what
 * a port did, under a sequence count, for the control thread to show and to log. Settings go the
 * other way: published as a whole, taken up by the worker within GOVERNOR_REFILL_MS. */
#ifndef SW_DATAPATH_GOVERN_H
#define SW_DATAPATH_GOVERN_H 1

#include "lib/governor/governor.h"
#include "sw-datapath/dp_internal.h"

/* --- life: control thread ----------------------------------------------------------------- */

/* Settings as workers find them. */
struct govern_settings {
    struct governor_config config;
    uint64_t version;
};

/* 0 or -ENOMEM. Freed with govern_settings_free() after the workers. */
int govern_settings_publish(struct dp *, const struct governor_config *);
void govern_settings_free(struct dp *);

/* A worker's governor, and what a port has of it. NULL without memory. */
struct govern *govern_new(struct worker *);
void govern_free(struct govern *);
struct govern_port *govern_port_new(void);
void govern_port_free(struct govern_port *);

/* How often the port has come into flood mode or left it. Any thread. */
uint64_t govern_port_n_changes(const struct govern_port *);
/* Logs which ports have come into flood mode, or left it, since the last call. */
void govern_log_floods(struct dp *);

/* --- workers -------------------------------------------------------------------------------- */

/* Time goes on. */
void govern_tick(struct worker *, uint64_t now_ms);
/* True if govern_tick() is to be called every GOVERNOR_WINDOW_MS though there is no traffic. */
bool govern_is_busy(const struct worker *);

/* cache_lookup_batch() of the packets w->packets[0 .. n - 1], which came in by rx; those that are
 * new as far as the governor lets them. */
void govern_lookup(struct worker *, const struct rx_port *rx, unsigned n, struct cache_hit hits[]);

/* A table miss of a packet in w->packets goes to the controller: true if its flow was seen
 * before. 'thread' need not be a worker's. */
bool govern_miss(struct dp_thread *, const struct packet *);

/* Whether flows are offered to hardware with their first packet. */
bool govern_offers_first(const struct worker *);
/* Whether the flow of a packet in w->packets, which had 'n_packets' lately, may be offered:
 * GOVERNOR_NO_REASON, or why not. */
enum governor_reason govern_worth(struct worker *, const struct rx_port *rx,
                                  const struct flow_key *, uint32_t n_packets);

#endif /* sw-datapath/govern.h */
