/* SPDX-License-Identifier: Apache-2.0 */
/* Floods as the log tells of them: once when a port's begins, once when it is over. */
#include <inttypes.h>
#include <stdio.h>

#include "lib/clock.h"
#include "lib/counters.h"
#include "lib/log.h"
#include "sw-datapath/govern.h"

LOG_MODULE(governor);

enum { SOURCES_SIZE = 100 };

/* The source that sent most, if one stands out. */
static const struct governor_source *
find_top(const struct governor_sources *sources)
{
    const struct governor_source *top = &sources->at[0];
    for (unsigned i = 1; i < GOVERNOR_SOURCES; i++) {
        top = sources->at[i].count > top->count ? &sources->at[i] : top;
    }
    return top->count > 2 * top->error ? top : NULL;
}

static void
describe_sources(const struct dp_port_governor *state, char text[SOURCES_SIZE])
{
    const struct governor_source *mac = find_top(&state->macs);
    const struct governor_source *address = find_top(&state->addresses);
    int used = snprintf(text, SOURCES_SIZE, "%s", mac || address ? ", most of it from" : "");
    if (mac) {
        uint64_t k = mac->key;
        used += snprintf(text + used, (size_t) (SOURCES_SIZE - used), " %02x:%02x:%02x:%02x:%02x:%02x",
                         (unsigned) (k >> 40) & 0xff, (unsigned) (k >> 32) & 0xff,
                         (unsigned) (k >> 24) & 0xff, (unsigned) (k >> 16) & 0xff,
                         (unsigned) (k >> 8) & 0xff, (unsigned) k & 0xff);
    }
    if (address) {
        uint32_t a = (uint32_t) address->key;
        snprintf(text + used, (size_t) (SOURCES_SIZE - used), " %u.%u.%u.%u", a >> 24, a >> 16 & 0xff,
                 a >> 8 & 0xff, a & 0xff);
    }
}

static void
log_begin(struct dp_port *port, const struct dp_port_governor *state, struct log_limit *limit)
{
    const struct governor_config *config = dp_get_governor(port->bridge->dp);
    char sources[SOURCES_SIZE];
    describe_sources(state, sources);
    counter_inc(COUNTER_governor_flood_begun);
    port->flood_held = state->totals.held[GOVERNOR_FLOOD];
    log_warn_limited(limit, "bridge %s: port %s is being flooded with new flows; %s%s%s",
                     port->bridge->name, port->info.name,
                     config->mode == GOVERNOR_ON ? "until they prove themselves "
                                                 : "beyond its budget ",
                     config->drop ? "they are dropped" : "they get no cache entries", sources);
}

static void
log_port(struct dp_port *port, void *aux)
{
    static struct log_limit limit;
    struct dp_port_governor state;
    uint64_t n_changes = govern_port_n_changes(port->governed);
    (void) aux;
    if (n_changes == port->floods_logged
        || !dp_port_get_governor(port->bridge, port->no, &state)) {
        return;
    }
    port->floods_logged = n_changes;
    if (state.flood) {
        log_begin(port, &state, &limit);
    } else {
        uint64_t held = state.totals.held[GOVERNOR_FLOOD] - port->flood_held;
        log_info_limited(&limit, "bridge %s: the flood on port %s is over; packets held back: %"
                         PRIu64, port->bridge->name, port->info.name, held);
    }
}

void
govern_log_floods(struct dp *dp)
{
    dp_visit_ports(dp, log_port, NULL);
}
