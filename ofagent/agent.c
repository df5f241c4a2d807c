/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's life, its clock, and its targets. */
#include "ofagent/agent.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "ofagent/agent_private.h"
#include "ofagent/flow_emergency.h"

LOG_MODULE(agent);

/* The longest the timer waits: a bound on what a missed reason to run costs. */
enum { LONGEST_WAIT_MS = 60000 };

static const struct flow_table_ops table_ops = { .removed = agent_flow_removed };
static const struct dp_bridge_ops bridge_ops = {
    .packet_in = agent_packet_in,
    .port_event = agent_port_event,
    .rule_cookie = flow_table_cookie_of,
};

uint32_t
agent_probe_ms(const struct agent *agent)
{
    uint32_t s = agent->config.inactivity_probe_s;
    return s < UINT32_MAX / 1000 ? s * 1000 : UINT32_MAX;
}

/* --- time ------------------------------------------------------------------------------ */

static void
arm(struct agent *agent, uint64_t now, uint32_t ms)
{
    const struct timeval tv = { ms / 1000, ms % 1000 * 1000 };
    agent->timer_ms = now + ms;
    evtimer_add(agent->timer, &tv);
}

void
agent_run_within(struct agent *agent, uint32_t ms)
{
    uint64_t now = clock_ms();
    if (!agent->timer_ms || agent->timer_ms > now + ms) {
        arm(agent, now, ms);
    }
}

void
agent_run(struct agent *agent)
{
    uint64_t now = clock_ms();
    uint32_t wait = flow_table_expire(agent->flows);
    uint32_t ms = endpoints_run(agent, now);
    wait = ms < wait ? ms : wait;
    for (struct session *s = agent->sessions; s; s = s->next) {
        ms = conn_run(s->conn, now);
        wait = ms < wait ? ms : wait;
    }
    agent_drain(agent, now);
    ms = pktbuf_expire(agent->buffers, now);
    wait = ms < wait ? ms : wait;
    agent_update_miss_mode(agent);
    ms = agent_mode_wait_ms(agent, now);
    wait = ms < wait ? ms : wait;
    ms = agent_run_emergency(agent);
    wait = ms < wait ? ms : wait;
    arm(agent, now, wait < LONGEST_WAIT_MS ? wait : LONGEST_WAIT_MS);
}

static void
on_timer(evutil_socket_t fd, short what, void *agent_)
{
    struct agent *agent = agent_;
    (void) fd;
    (void) what;
    agent->timer_ms = 0;
    agent_run(agent);
}

/* --- life ------------------------------------------------------------------------------ */

/* Memory and the timer, all that does not need the bridge. */
static bool
allocate(struct agent *agent)
{
    agent->buffers = pktbuf_new();
    agent->timer = evtimer_new(agent->base, on_timer, agent);
    agent->drain = evtimer_new(agent->base, agent_on_drain, agent);
    agent->frame = malloc(PACKET_HEADROOM + PACKET_MAX_SIZE + PACKET_TAILROOM);
    agent->list = calloc(1, sizeof *agent->list + ACTION_LIST_MAX * sizeof(struct action));
    agent->upcall = malloc(PACKET_MAX_SIZE);
    return agent->buffers && agent->timer && agent->drain && agent->frame && agent->list
           && agent->upcall;
}

static uint32_t
max_flows(const struct agent_config *config)
{
    return config->max_flows ? config->max_flows : AGENT_DEFAULT_MAX_FLOWS;
}

struct agent *
agent_new(struct event_base *base, struct dp *dp, const char *name,
          const struct dp_bridge_config *bridge_config, enum pktio_kind local_kind,
          const struct agent_config *config, struct errmsg *err)
{
    struct agent *agent = calloc(1, sizeof *agent);
    if (!agent) {
        errmsg_set(err, "no memory");
        return NULL;
    }
    agent->base = base;
    agent->dp = dp;
    agent->config = *config;
    agent->live_ms = agent->mode_ms = clock_ms();
    if (!allocate(agent)) {
        errmsg_set(err, "no memory");
        agent_free(agent);
        return NULL;
    }
    agent->bridge = dp_bridge_new(dp, name, bridge_config, local_kind, &bridge_ops, agent, err);
    if (!agent->bridge) {
        agent_free(agent);
        return NULL;
    }
    agent->flows = flow_table_new(dp, agent->bridge, max_flows(config), &table_ops, agent);
    agent->emergency = agent->flows ? flow_emergency_new(agent->flows, config->max_emergency_flows)
                                    : NULL;
    if (!agent->emergency) {
        errmsg_set(err, "no memory");
        agent_free(agent);
        return NULL;
    }
    dp_bridge_set_miss_mode(agent->bridge, DP_MISS_DROP);
    agent_update_in_band(agent);
    arm(agent, clock_ms(), 0);
    return agent;
}

void
agent_free(struct agent *agent)
{
    if (!agent) {
        return;
    }
    flow_restore_free(agent->restore);
    snoop_socket_free(agent->snoop_socket);
    while (agent->endpoints) {
        endpoint_free(agent->endpoints);
    }
    agent_free_in_band(agent);
    flow_table_free(agent->emergency);
    flow_table_free(agent->flows);
    if (agent->bridge) {
        dp_bridge_free(agent->bridge);
    }
    if (agent->timer) {
        event_free(agent->timer);
    }
    if (agent->drain) {
        event_free(agent->drain);
    }
    pktbuf_free(agent->buffers);
    writer_fini(&agent->reply);
    writer_fini(&agent->async);
    free(agent->frame);
    free(agent->list);
    free(agent->upcall);
    free(agent);
}

struct dp_bridge *
agent_bridge(struct agent *agent)
{
    return agent->bridge;
}

struct flow_table *
agent_flows(struct agent *agent)
{
    return agent->flows;
}

struct flow_table *
agent_emergency_flows(struct agent *agent)
{
    return agent->emergency;
}

uint64_t
agent_datapath_id(const struct agent *agent)
{
    struct port_info local;
    uint64_t id = agent->config.datapath_id;
    if (!id && dp_port_get(agent->bridge, PORT_LOCAL, &local)) {
        for (int i = 0; i < 6; i++) {
            id = id << 8 | local.hw_addr[i];
        }
    }
    return id;
}

void
agent_set_config(struct agent *agent, const struct agent_config *config)
{
    uint64_t id = agent_datapath_id(agent);
    agent->config = *config;
    flow_table_set_max(agent->flows, max_flows(config));
    flow_table_set_max(agent->emergency, config->max_emergency_flows);
    for (struct session *s = agent->sessions; s; s = s->next) {
        conn_set_probe(s->conn, agent_probe_ms(agent));
        packet_queue_set_rate(s->packet_ins, config->packet_in_rate, config->packet_in_burst);
        if (id != agent_datapath_id(agent) && !endpoint_is_management(s->endpoint)) {
            conn_fail(s->conn, "the switch has another datapath id now");
        }
    }
    agent_update_in_band(agent);
    agent_run_within(agent, 0);
}

/* --- targets ---------------------------------------------------------------------------- */

int
agent_check_target(const char *text, bool listen, struct errmsg *err)
{
    struct target target;
    int error = target_parse(text, &target, err);
    if (!error && target_listens(&target) != listen) {
        errmsg_set(err, listen ? "\"%s\" connects; to listen it is ptcp:[PORT][:HOST], "
                   "pssl:[PORT][:HOST] or punix:PATH"
                   : "\"%s\" listens; to connect it is tcp:HOST[:PORT], ssl:HOST[:PORT] or "
                   "unix:PATH", text);
        return -EINVAL;
    }
    return error;
}

bool
agent_target_has_tls(const char *text)
{
    struct target target;
    return !target_parse(text, &target, NULL) && target_has_tls(&target);
}

void
agent_set_tls(struct agent *agent, struct tls *tls)
{
    agent->tls = tls;
}

void
agent_set_lockstep(struct agent *agent, struct lockstep *lockstep)
{
    agent->lockstep = lockstep;
}

static int
add_endpoint(struct agent *agent, const char *target, bool management, struct errmsg *err)
{
    if (agent_target_has_tls(target) && !agent->tls) {
        errmsg_set(err, "\"%s\": there is no TLS here", target);
        return -EINVAL;
    }
    if (endpoint_find(agent, target)) {
        errmsg_set(err, "\"%s\" is there already", target);
        return -EEXIST;
    }
    return endpoint_new(agent, target, management, err);
}

int
agent_add_target(struct agent *agent, const char *target, struct errmsg *err)
{
    int error = add_endpoint(agent, target, false, err);
    if (!error) {
        agent_update_in_band(agent);
    }
    return error;
}

int
agent_add_management(struct agent *agent, const char *target, struct errmsg *err)
{
    int error = agent_check_target(target, true, err);
    return error ? error : add_endpoint(agent, target, true, err);
}

int
agent_del_target(struct agent *agent, const char *target)
{
    struct endpoint *endpoint = endpoint_find(agent, target);
    if (!endpoint) {
        return -ENOENT;
    }
    endpoint_free(endpoint);
    agent_update_in_band(agent);
    agent_update_miss_mode(agent);
    return 0;
}
