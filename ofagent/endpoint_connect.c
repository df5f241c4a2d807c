/* SPDX-License-Identifier: Apache-2.0 */
/* Targets that we connect to: looking their names up, dialling, and waiting between attempts. */
#include <stdio.h>

#include "lib/clock.h"
#include "lib/counters.h"
#include "lib/resolver.h"
#include "ofagent/endpoint_private.h"

LOG_MODULE(agent);

enum { LOOK_UP_MS = 5000 };

/* The connection is lost, or was not made: when to try again. A connection that stayed as
 * long as the wait before it had been worth it, so the waits begin anew. */
void
endpoint_back_off(struct endpoint *e, bool was_active, const char *why)
{
    uint64_t now = clock_ms();
    uint32_t max = e->agent->config.max_backoff_s * 1000;
    max = max > AGENT_FIRST_BACKOFF_MS ? max : AGENT_FIRST_BACKOFF_MS;
    if (was_active && now - e->tried_ms >= e->backoff_ms) {
        e->backoff_ms = AGENT_FIRST_BACKOFF_MS;
    }
    e->backoff_ms = e->backoff_ms < max ? e->backoff_ms : max;
    static struct log_limit limit;
    log_info_limited(&limit, "%s: %s: %s; connecting again in %u.%u s",
                     dp_bridge_name(e->agent->bridge), e->name, why, e->backoff_ms / 1000,
                     e->backoff_ms % 1000 / 100);
    e->retry_ms = now + e->backoff_ms;
    e->since_ms = now;
    e->backoff_ms *= 2;
    agent_run_within(e->agent, (uint32_t) (e->retry_ms - now));
}

static void
not_connected(struct endpoint *e, const char *why)
{
    snprintf(e->last_error, sizeof e->last_error, "%s", why);
    endpoint_back_off(e, false, why);
}

static void
connect_now(struct endpoint *e)
{
    struct errmsg err;
    int fd = target_connect(&e->target, &err);
    e->tried_ms = clock_ms();
    if (fd < 0 || !endpoint_begin_session(e, fd, true, &err)) {
        not_connected(e, err.text);
    }
}

static void
look_up_failed(struct endpoint *e, const char *why)
{
    char text[AGENT_ERROR_SIZE];
    counter_inc(COUNTER_resolver_failed);
    snprintf(text, sizeof text, "%s can't be looked up: %s", e->target.host, why);
    not_connected(e, text);
}

/* Of several addresses each is tried in its turn. */
static void
on_addresses(void *endpoint_, const struct resolver_answer *answer)
{
    struct endpoint *e = endpoint_;
    e->query = NULL;
    if (!answer->n_addresses) {
        look_up_failed(e, answer->why);
        return;
    }
    unsigned i = e->n_tries++ % (unsigned) answer->n_addresses;
    target_set_address(&e->target, (const struct sockaddr *) &answer->addresses[i].addr,
                       answer->addresses[i].size);
    agent_update_in_band(e->agent);
    connect_now(e);
}

static void
try_to_connect(struct endpoint *e, uint64_t now)
{
    struct errmsg err;
    if (!target_needs_look_up(&e->target)) {
        connect_now(e);
        return;
    }
    e->asked_ms = e->since_ms = now;
    e->query = resolver_ask(e->agent->base, e->target.host, on_addresses, e, &err);
    if (!e->query) {
        not_connected(e, err.text);
    }
}

uint32_t
endpoint_connect_run(struct endpoint *e, uint64_t now)
{
    if (e->query && now - e->asked_ms >= LOOK_UP_MS) {
        resolver_cancel(e->query);
        e->query = NULL;
        look_up_failed(e, "no answer in 5 s");
    }
    if (!e->n_sessions && !e->query && now >= e->retry_ms) {
        try_to_connect(e, now);
    }
    uint64_t next_ms = e->query ? e->asked_ms + LOOK_UP_MS : e->retry_ms;
    return !e->n_sessions && next_ms > now ? (uint32_t) (next_ms - now) : UINT32_MAX;
}
