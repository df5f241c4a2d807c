/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/bridges.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/epoch.h"
#include "lib/log.h"
#include "mgmt/flow_walk.h"
#include "mgmt/hardware.h"
#include "mgmt/hw_policy.h"
#include "mgmt/method_restore.h"

LOG_MODULE(mgmt);

struct bridges {
    struct bridges_env env;
    char *rundir;                 /* env.rundir */
    struct bridge *first;
};

/* One bridges_apply(). */
struct apply {
    struct bridges *bridges;
    bool starting;                /* failures are the caller's to tell */
    unsigned n_failed;
    struct errmsg *first_error;
};

struct bridges *
bridges_new(const struct bridges_env *env)
{
    struct bridges *bridges = calloc(1, sizeof *bridges);
    if (!bridges) {
        return NULL;
    }
    bridges->env = *env;
    if (env->rundir) {
        bridges->rundir = strdup(env->rundir);
        bridges->env.rundir = bridges->rundir;
        if (!bridges->rundir) {
            free(bridges);
            return NULL;
        }
    }
    return bridges;
}

static void
bridge_remove(struct bridges *bridges, struct bridge *bridge)
{
    struct bridge **p = &bridges->first;
    while (*p != bridge) {
        p = &(*p)->next;
    }
    *p = bridge->next;
    bridge_stop_policies(bridge);
    flow_walk_close_all(bridge);
    restore_close_all(bridge);
    agent_free(bridge->agent);
    free(bridge);
}

void
bridges_free(struct bridges *bridges)
{
    if (bridges) {
        while (bridges->first) {
            bridge_remove(bridges, bridges->first);
        }
        free(bridges->rundir);
        free(bridges);
    }
}

struct event_base *
bridges_event_base(const struct bridges *bridges)
{
    return bridges->env.base;
}

struct bridge *
bridges_first(const struct bridges *bridges)
{
    return bridges->first;
}

static struct bridge *
find(const struct bridges *bridges, const char *name)
{
    struct bridge *bridge = bridges->first;
    while (bridge && strcmp(bridge->name, name)) {
        bridge = bridge->next;
    }
    return bridge;
}

struct bridge *
bridges_find(const struct bridges *bridges, const char *name, struct errmsg *err)
{
    struct bridge *bridge = bridges->first;
    if (name) {
        bridge = find(bridges, name);
    } else if (bridge && bridge->next) {
        bridge = NULL;
    }
    if (bridge) {
        return bridge;
    }
    char names[200] = "";
    size_t len = 0;
    for (const struct bridge *b = bridges->first; b && len < sizeof names; b = b->next) {
        len += snprintf(names + len, sizeof names - len, " %s", b->name);
    }
    if (!bridges->first) {
        errmsg_set(err, "there is no bridge");
    } else if (name) {
        errmsg_set(err, "there is no bridge '%.15s'; there are:%s", name, names);
    } else {
        errmsg_set(err, "there are several bridges, name one of:%s", names);
    }
    return NULL;
}

/* Something could not be done. */
static void __attribute__((format(printf, 3, 4)))
fail(struct apply *apply, const struct errmsg *why, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char what[120];
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (!apply->n_failed++) {
        errmsg_set(apply->first_error, "%s: %s", what, why->text);
    }
    if (!apply->starting) {
        log_error("%s: %s; the rest of the configuration is applied, and this is tried again "
                  "with the next SIGHUP", what, why->text);
    }
}

static enum pktio_kind
port_kind(const struct bridges *bridges, const char *driver)
{
    return hardware_port_kind(bridges->env.hardware, driver, bridges->env.port_kind);
}

/* Gives a new port its offload device, or removes it again. */
static int
attach_port(struct bridges *bridges, struct bridge *bridge, uint16_t port_no, const char *driver,
            struct errmsg *err)
{
    struct dp_bridge *dp_bridge = agent_bridge(bridge->agent);
    struct errmsg ignored;
    int error = hardware_set_port(bridges->env.hardware, dp_bridge, port_no, driver, err);
    if (error) {
        dp_port_del(dp_bridge, port_no, &ignored);
    }
    /* Who is told -ENODEV would wait for the network device. */
    return error == -ENODEV ? -EOPNOTSUPP : error;
}

int
bridge_add_port(struct bridges *bridges, struct bridge *bridge, const char *device,
                uint16_t number, const char *driver, uint16_t *port_no, struct errmsg *err)
{
    /* If the device was a port until a moment ago, what was done to it is undone only
     * after the grace period, and would undo what is done to it now. */
    epoch_drain();
    int error = dp_port_add(agent_bridge(bridge->agent), device, number,
                            port_kind(bridges, driver), port_no, err);
    return error ? error : attach_port(bridges, bridge, *port_no, driver, err);
}

static void
warn_absent(const struct bridge *bridge, const char *device, uint16_t port_no)
{
    log_warn("bridge %s: device %s does not exist; it is used, as port %u, when it appears",
             bridge->name, device, port_no);
}

/* The port that 'want' describes is there with its flags, or fails. */
static bool
ensure_port(struct apply *apply, struct bridge *bridge, const struct config_port *want)
{
    struct dp_bridge *dp_bridge = agent_bridge(bridge->agent);
    struct errmsg err;
    uint16_t port_no;
    bool absent = false;
    if (!dp_port_find(dp_bridge, want->name, &port_no)
        || (want->number && want->number != port_no)) {
        int error = bridge_add_port(apply->bridges, bridge, want->name, want->number,
                                    want->driver, &port_no, &err);
        if (error == -ENODEV) {
            error = dp_port_reserve(dp_bridge, want->name, want->number,
                                    port_kind(apply->bridges, want->driver), &port_no, &err);
            error = error ? error : attach_port(apply->bridges, bridge, port_no, want->driver, &err);
            absent = !error;
        }
        if (error) {
            fail(apply, &err, "bridge %s: port %s", bridge->name, want->name);
            return false;
        }
    }
    if (absent) {
        warn_absent(bridge, want->name, port_no);
    }
    if (want->flags) {
        dp_port_set_config(dp_bridge, port_no, want->flags, want->flags);
    }
    return true;
}

/* The flags that the configuration changed; others are as the controllers left them. */
static void
change_flags(struct bridge *bridge, const struct config_port *old, const struct config_port *new)
{
    uint16_t port_no;
    if (old->flags != new->flags
        && dp_port_find(agent_bridge(bridge->agent), new->name, &port_no)) {
        dp_port_set_config(agent_bridge(bridge->agent), port_no, new->flags,
                           old->flags ^ new->flags);
    }
}

static bool
is_kept(const struct config_port *old, const struct config_port *new)
{
    return old && new && !strcmp(old->driver, new->driver)
           && (!new->number || new->number == old->number);
}

/* Ports with a number of their own come first, so that no other takes it. */
static void
add_ports(struct apply *apply, struct bridge *bridge, const struct config_bridge *old,
          struct config_bridge *new)
{
    for (int numbered = 1; numbered >= 0; numbered--) {
        for (size_t i = 0; i < new->n_ports;) {
            const struct config_port *port = &new->ports[i];
            const struct config_port *before = old ? config_find_port(old, port->name) : NULL;
            if (is_kept(before, port)) {
                change_flags(bridge, before, port);
            } else if (!!port->number == numbered && !ensure_port(apply, bridge, port)) {
                config_drop_port(new, i);
                continue;
            }
            i++;
        }
    }
}

static void
remove_ports(struct apply *apply, struct bridge *bridge, const struct config_bridge *old,
             const struct config_bridge *new)
{
    struct dp_bridge *dp_bridge = agent_bridge(bridge->agent);
    for (size_t i = 0; i < old->n_ports; i++) {
        const struct config_port *port = &old->ports[i];
        uint16_t port_no;
        struct errmsg err;
        if (!is_kept(port, config_find_port(new, port->name))
            && dp_port_find(dp_bridge, port->name, &port_no)
            && dp_port_del(dp_bridge, port_no, &err)) {
            fail(apply, &err, "bridge %s: removing port %s", bridge->name, port->name);
        }
    }
}

static bool
queue_equal(const struct pktio_queue_config *a, const struct pktio_queue_config *b)
{
    return a->min_rate == b->min_rate && a->max_rate == b->max_rate && a->burst == b->burst;
}

/* The queue is as the configuration says. One that is there already, made by hand, is changed;
 * a port that was made anew has lost its own. */
static int
ensure_queue(struct bridge *bridge, const struct config_queue *before,
             const struct config_queue *want, struct errmsg *err)
{
    struct dp_bridge *dp_bridge = agent_bridge(bridge->agent);
    uint16_t port_no;
    if (!dp_port_find(dp_bridge, want->port, &port_no)) {
        errmsg_set(err, "the port is not there");
        return -ENODEV;
    }
    if (!dp_queue_exists(dp_bridge, port_no, want->queue.id)) {
        return dp_queue_add(dp_bridge, port_no, &want->queue, err);
    }
    return before && queue_equal(&before->queue, &want->queue)
           ? 0 : dp_queue_change(dp_bridge, port_no, &want->queue, err);
}

static void
add_queues(struct apply *apply, struct bridge *bridge, const struct config_bridge *old,
           struct config_bridge *new)
{
    for (size_t i = 0; i < new->n_queues;) {
        const struct config_queue *want = &new->queues[i];
        const struct config_queue *before = old ? config_find_queue(old, want->port,
                                                                    want->queue.id) : NULL;
        struct errmsg err;
        if (ensure_queue(bridge, before, want, &err)) {
            fail(apply, &err, "bridge %s: queue %s:%u", bridge->name, want->port, want->queue.id);
            config_drop_queue(new, i);
        } else {
            i++;
        }
    }
}

/* Those of ports that went have gone with them. */
static void
remove_queues(struct apply *apply, struct bridge *bridge, const struct config_bridge *old,
              const struct config_bridge *new)
{
    struct dp_bridge *dp_bridge = agent_bridge(bridge->agent);
    for (size_t i = 0; i < old->n_queues; i++) {
        const struct config_queue *queue = &old->queues[i];
        uint16_t port_no;
        struct errmsg err;
        if (!config_find_queue(new, queue->port, queue->queue.id)
            && dp_port_find(dp_bridge, queue->port, &port_no)
            && dp_queue_exists(dp_bridge, port_no, queue->queue.id)
            && dp_queue_del(dp_bridge, port_no, queue->queue.id, &err)) {
            fail(apply, &err, "bridge %s: removing queue %s:%u", bridge->name, queue->port,
                 queue->queue.id);
        }
    }
}

static void
remove_targets(struct bridge *bridge, const struct config_bridge *old,
               const struct config_bridge *new)
{
    for (size_t i = 0; i < old->n_targets; i++) {
        const char *target = old->targets[i].target;
        if (!config_has_target(new, target)) {
            agent_del_target(bridge->agent, target);
            log_info("bridge %s: %s removed", bridge->name, target);
        }
    }
}

static void
add_targets(struct apply *apply, struct bridge *bridge, const struct config_bridge *old,
            struct config_bridge *new)
{
    for (size_t i = 0; i < new->n_targets;) {
        const char *target = new->targets[i].target;
        struct errmsg err;
        if (!(old && config_has_target(old, target))
            && agent_add_target(bridge->agent, target, &err)) {
            fail(apply, &err, "bridge %s: %s", bridge->name, target);
            config_drop_target(new, i);
        } else {
            i++;
        }
    }
}

static bool
agent_config_equal(const struct agent_config *a, const struct agent_config *b)
{
    return a->datapath_id == b->datapath_id && a->fail_mode == b->fail_mode
           && a->inactivity_probe_s == b->inactivity_probe_s
           && a->max_backoff_s == b->max_backoff_s && a->packet_in_rate == b->packet_in_rate
           && a->packet_in_burst == b->packet_in_burst
           && a->max_connections == b->max_connections
           && a->in_band == b->in_band
           && a->max_flows == b->max_flows && a->max_emergency_flows == b->max_emergency_flows;
}

static void
change_settings(struct bridge *bridge, const struct config_bridge *old,
                const struct config_bridge *new)
{
    if (!agent_config_equal(&old->agent, &new->agent)) {
        agent_set_config(bridge->agent, &new->agent);
        log_info("bridge %s: OpenFlow settings changed", bridge->name);
    }
    if (old->datapath.fdb_max != new->datapath.fdb_max
        || old->datapath.fdb_age_s != new->datapath.fdb_age_s
        || old->datapath.stp != new->datapath.stp
        || old->datapath.forward_bpdu != new->datapath.forward_bpdu) {
        dp_bridge_set_config(agent_bridge(bridge->agent), &new->datapath);
        log_info("bridge %s: settings of learning and flooding changed", bridge->name);
    }
}

/* BRIDGE.mgmt and BRIDGE.snoop. */
static int
open_sockets(struct bridges *bridges, struct bridge *bridge, struct errmsg *err)
{
    if (!bridges->env.rundir) {
        return 0;
    }
    char target[256];
    snprintf(target, sizeof target, "punix:%s/%s.mgmt", bridges->env.rundir, bridge->name);
    int error = agent_add_management(bridge->agent, target, err);
    snprintf(target, sizeof target, "punix:%s/%s.snoop", bridges->env.rundir, bridge->name);
    return error ? error : agent_add_snoop_socket(bridge->agent, target, err);
}

static struct bridge *
bridge_create(struct bridges *bridges, const struct config_bridge *config, struct errmsg *err)
{
    struct bridge *bridge = calloc(1, sizeof *bridge);
    if (!bridge) {
        errmsg_set(err, "no memory");
        return NULL;
    }
    memcpy(bridge->name, config->name, sizeof bridge->name);
    bridge->agent = agent_new(bridges->env.base, bridges->env.dp, bridge->name, &config->datapath,
                              bridges->env.local_kind, &config->agent, err);
    if (bridge->agent) {
        agent_set_tls(bridge->agent, bridges->env.tls);
        agent_set_lockstep(bridge->agent, bridges->env.lockstep);
    }
    if (!bridge->agent || open_sockets(bridges, bridge, err)) {
        agent_free(bridge->agent);
        free(bridge);
        return NULL;
    }
    struct bridge **last = &bridges->first;
    while (*last) {
        last = &(*last)->next;
    }
    *last = bridge;
    return bridge;
}

/* What goes, goes first: a device may move from one bridge to another. */
static void
apply_removals(struct apply *apply, const struct config *old, const struct config *new)
{
    for (size_t i = 0; i < old->n_bridges; i++) {
        const struct config_bridge *before = &old->bridges[i];
        const struct config_bridge *after = config_find_bridge(new, before->name);
        struct bridge *bridge = find(apply->bridges, before->name);
        if (bridge && !after) {
            bridge_remove(apply->bridges, bridge);
        } else if (bridge) {
            remove_ports(apply, bridge, before, after);
            remove_queues(apply, bridge, before, after);
            remove_targets(bridge, before, after);
        }
    }
    /* Devices and sockets are given back after the grace period; see bridge_add_port(). */
    epoch_drain();
}

unsigned
bridges_apply(struct bridges *bridges, const struct config *old, struct config *new,
              struct errmsg *err)
{
    struct apply apply = { .bridges = bridges, .starting = !old, .first_error = err };
    if (old) {
        apply_removals(&apply, old, new);
    }
    for (size_t i = 0; i < new->n_bridges;) {
        struct config_bridge *want = &new->bridges[i];
        const struct config_bridge *before = old ? config_find_bridge(old, want->name) : NULL;
        struct bridge *bridge = find(bridges, want->name);
        struct errmsg why;
        if (bridge && before) {
            change_settings(bridge, before, want);
        } else {
            bridge = bridge_create(bridges, want, &why);
        }
        if (!bridge) {
            fail(&apply, &why, "bridge %s", want->name);
            config_drop_bridge(new, i);
            continue;
        }
        if (bridge_set_policies(bridges->env.base, bridge, &want->policies)) {
            log_warn("bridge %s: no memory to offer flows to hardware; they come with traffic",
                     bridge->name);
        }
        add_ports(&apply, bridge, before, want);
        add_queues(&apply, bridge, before, want);
        add_targets(&apply, bridge, before, want);
        i++;
    }
    return apply.n_failed;
}
