/* SPDX-License-Identifier: Apache-2.0 */
/* What the switch does when nobody controls it: fail modes and emergency (OpenFlow 1.0, 4.3).
 *
 * A controller is live from its FEATURES_REPLY until its connection ends. While none is live the
 * switch waits, for three probe intervals; then they are lost, all of them, until one is live
 * again. Lost, the fail mode holds; or, if there are emergency flows, emergency. Without a
 * configured controller there is none to lose, and the fail mode holds at once. */
#include "lib/clock.h"
#include "lib/counters.h"
#include "ofagent/agent_private.h"
#include "ofagent/flow_emergency.h"

LOG_MODULE(agent);

/* No controller is live for this many probe intervals: it is lost. */
enum { LOST_PROBES = 3 };

/* Flows that are looked at in one go when emergency removes all others. */
enum { CLEAR_AT_ONCE = 16384 };

static uint64_t
lost_after_ms(const struct agent *agent)
{
    uint32_t probe = agent_probe_ms(agent);
    return (uint64_t) LOST_PROBES * (probe ? probe : CONN_DEFAULT_PROBE_MS);
}

const char *
agent_mode_name(enum agent_mode mode)
{
    static const char *const names[] = {
        [AGENT_WAITING] = "waiting",       [AGENT_CONTROLLED] = "controlled",
        [AGENT_SECURE] = "secure",         [AGENT_STANDALONE] = "standalone",
        [AGENT_EMERGENCY] = "emergency",
    };
    static_assert(sizeof names / sizeof names[0] == N_AGENT_MODES, "a name for each mode");
    return names[mode];
}

/* --- emergency --------------------------------------------------------------------------- */

/* While the flows that are not emergency flows are being removed, in pieces, no request is
 * handled: a controller that is back meanwhile finds the table as emergency has made it. */
static void
hold_sessions(struct agent *agent, bool hold)
{
    for (struct session *s = agent->sessions; s; s = s->next) {
        session_hold(s, hold);
    }
}

uint32_t
agent_run_emergency(struct agent *agent)
{
    if (!flow_emergency_is_clearing(agent->emergency)) {
        return UINT32_MAX;
    }
    bool done = flow_emergency_clear_some(agent->emergency, CLEAR_AT_ONCE);
    flow_table_settle(agent->flows);
    if (!done) {
        return 0;
    }
    hold_sessions(agent, false);
    return UINT32_MAX;
}

static void
begin_emergency(struct agent *agent)
{
    flow_emergency_begin(agent->emergency);
    hold_sessions(agent, true);
    if (!agent_run_emergency(agent)) {
        agent_run_within(agent, 0);
    }
}

/* --- modes -------------------------------------------------------------------------------- */

static void
log_mode(const struct agent *agent)
{
    const char *name = dp_bridge_name(agent->bridge);
    bool any = agent_has_controllers(agent);
    const char *why = any ? "the controllers are lost" : "no controller is configured";
    enum log_level level = any ? LOG_LEVEL_WARN : LOG_LEVEL_INFO;
    switch (agent->mode) {
    case AGENT_WAITING:
        log_info("%s: no controller is live any more; in %u s they count as lost", name,
                 (unsigned) (lost_after_ms(agent) / 1000));
        break;
    case AGENT_CONTROLLED:
        log_info("%s: a controller is live", name);
        break;
    case AGENT_SECURE:
        log_at(level, "%s: %s: secure: flows go on, table misses are dropped", name, why);
        break;
    case AGENT_STANDALONE:
        log_at(level, "%s: %s: standalone: flows go on, table misses are switched as NORMAL does",
               name, why);
        break;
    case AGENT_EMERGENCY:
        log_at(level, "%s: %s: emergency: %zu emergency flows act, all others are removed, table "
               "misses are dropped", name, why, flow_table_count(agent->emergency));
        break;
    case N_AGENT_MODES:
        break;
    }
}

static void
set_mode(struct agent *agent, enum agent_mode mode, uint64_t now)
{
    static const enum counter counters[] = {
        [AGENT_WAITING] = COUNTER_mode_waiting,       [AGENT_CONTROLLED] = COUNTER_mode_controlled,
        [AGENT_SECURE] = COUNTER_mode_secure,         [AGENT_STANDALONE] = COUNTER_mode_standalone,
        [AGENT_EMERGENCY] = COUNTER_mode_emergency,
    };
    static_assert(sizeof counters / sizeof counters[0] == N_AGENT_MODES, "one for each mode");
    if (mode == agent->mode) {
        return;
    }
    if (agent->mode == AGENT_EMERGENCY) {
        flow_emergency_end(agent->emergency);
    }
    agent->mode = mode;
    agent->mode_ms = now;
    counter_inc(counters[mode]);
    log_mode(agent);
    if (mode == AGENT_EMERGENCY) {
        begin_emergency(agent);
    }
}

static enum agent_mode
mode_without_controller(const struct agent *agent, uint64_t now)
{
    bool any = agent_has_controllers(agent);
    bool lost = any && now - agent->live_ms >= lost_after_ms(agent);
    bool was_lost = agent->mode != AGENT_WAITING && agent->mode != AGENT_CONTROLLED;
    if (any && (lost || agent->mode == AGENT_EMERGENCY) && flow_table_count(agent->emergency)) {
        return AGENT_EMERGENCY;
    }
    if (any && !lost && !was_lost) {
        return AGENT_WAITING;
    }
    return agent->config.fail_mode == AGENT_FAIL_SECURE ? AGENT_SECURE : AGENT_STANDALONE;
}

static void
set_miss_mode(struct agent *agent, bool taker)
{
    enum dp_miss_mode mode = agent->mode == AGENT_STANDALONE ? DP_MISS_NORMAL
                             : taker ? DP_MISS_CONTROLLER : DP_MISS_DROP;
    if (dp_bridge_miss_mode(agent->bridge) != mode) {
        dp_bridge_set_miss_mode(agent->bridge, mode);
    }
}

void
agent_update_miss_mode(struct agent *agent)
{
    bool live = false, taker = false, ttl_taker = false;
    uint64_t now = clock_ms();
    for (const struct session *s = agent->sessions; s; s = s->next) {
        live = live || session_is_live(s);
        taker = taker || session_wants_packet_in(s, OFPR_NO_MATCH, 0);
        ttl_taker = ttl_taker || session_wants(s, NX_PACKET_IN, OFPR_INVALID_TTL);
    }
    dp_bridge_set_invalid_ttl(agent->bridge, ttl_taker);
    if (live || agent->mode == AGENT_CONTROLLED) {
        agent->live_ms = now;      /* it is, or it was until a moment ago */
    }
    set_mode(agent, live ? AGENT_CONTROLLED : mode_without_controller(agent, now), now);
    set_miss_mode(agent, taker);
    uint32_t ms = agent_mode_wait_ms(agent, now);
    if (ms != UINT32_MAX) {
        agent_run_within(agent, ms);   /* with no connection left, nothing else may be due */
    }
}

uint32_t
agent_mode_wait_ms(const struct agent *agent, uint64_t now)
{
    uint64_t end = agent->live_ms + lost_after_ms(agent);
    bool waits = agent->mode != AGENT_CONTROLLED && agent_has_controllers(agent);
    if (!waits || now >= end) {
        return UINT32_MAX;
    }
    return end - now < UINT32_MAX ? (uint32_t) (end - now) : UINT32_MAX - 1;
}

void
agent_get_status(const struct agent *agent, struct agent_status *status)
{
    uint64_t now = clock_ms();
    bool live = agent->mode == AGENT_CONTROLLED, any = agent_has_controllers(agent);
    bool lost = now - agent->live_ms >= lost_after_ms(agent);
    *status = (struct agent_status) {
        .fail_mode = agent->config.fail_mode,
        .mode = agent->mode,
        .mode_ms = agent->mode_ms,
        .controllers = live ? "live" : !any ? "none" : lost ? "lost" : "waiting",
        .in_band = agent->config.in_band,
        .in_band_rules = agent->hidden ? flow_table_count(agent->hidden) : 0,
        .emergency_flows = flow_table_count(agent->emergency),
        .emergency_max = flow_table_max(agent->emergency),
        .emergency_acting = flow_emergency_n_acting(agent->flows),
        .drops_fragments = agent->fragment_mode == OFPC_FRAG_DROP,
    };
}
