/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *
config_realloc(void *old, size_t n, size_t size)
{
    void *p = reallocarray(old, n, size);
    if (!p) {
        fputs("turnoutd: out of memory while reading the configuration\n", stderr);
        exit(1);
    }
    return p;
}

char *
config_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(config_realloc(NULL, size, 1), text, size);
}

struct config *
config_new(void)
{
    struct config *config = config_realloc(NULL, 1, sizeof *config);
    *config = (struct config) { .cache_entries = DP_CACHE_ENTRIES_DEFAULT,
                                 .restart_grace_s = CONFIG_RESTART_GRACE_S,
                                 .hw_moves = CONFIG_HW_MOVES };
    governor_config_init(&config->governor);
    return config;
}

static void
bridge_fini(struct config_bridge *bridge)
{
    for (size_t i = 0; i < bridge->n_targets; i++) {
        free(bridge->targets[i].target);
    }
    free(bridge->targets);
    free(bridge->queues);
    free(bridge->ports);
}

void
config_free(struct config *config)
{
    if (!config) {
        return;
    }
    for (size_t i = 0; i < config->n_bridges; i++) {
        bridge_fini(&config->bridges[i]);
    }
    for (size_t i = 0; i < config->n_log_levels; i++) {
        free(config->log_levels[i]);
    }
    for (size_t i = 0; i < config->n_drivers; i++) {
        free(config->drivers[i].name);
        free(config->drivers[i].options);
    }
    free(config->drivers);
    free(config->bridges);
    free(config->log_levels);
    free(config->rundir);
    free(config->control);
    free(config->control_group);
    free(config->cpus);
    free(config->pidfile);
    free(config->private_key);
    free(config->certificate);
    free(config->ca_cert);
    free(config->log_to);
    free(config);
}

struct config_bridge *
config_find_bridge(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->n_bridges; i++) {
        if (!strcmp(config->bridges[i].name, name)) {
            return &config->bridges[i];
        }
    }
    return NULL;
}

struct config_bridge *
config_add_bridge(struct config *config, const char *name, const struct config_bridge *defaults)
{
    config->bridges = config_realloc(config->bridges, config->n_bridges + 1,
                                     sizeof *config->bridges);
    struct config_bridge *bridge = &config->bridges[config->n_bridges++];
    *bridge = (struct config_bridge) {
        .policies = defaults->policies, .agent = defaults->agent, .datapath = defaults->datapath,
    };
    snprintf(bridge->name, sizeof bridge->name, "%s", name);
    return bridge;
}

void
config_add_driver(struct config *config, const char *name, const char *options, bool is_path)
{
    config->drivers = config_realloc(config->drivers, config->n_drivers + 1,
                                     sizeof *config->drivers);
    config->drivers[config->n_drivers++] = (struct config_driver) {
        .name = config_strdup(name), .options = config_strdup(options), .is_path = is_path,
    };
}

bool
config_may_have_driver(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->n_drivers; i++) {
        if (config->drivers[i].is_path || !strcmp(config->drivers[i].name, name)) {
            return true;
        }
    }
    return false;
}

void
config_add_port(struct config_bridge *bridge, const struct config_port *port)
{
    bridge->ports = config_realloc(bridge->ports, bridge->n_ports + 1, sizeof *bridge->ports);
    bridge->ports[bridge->n_ports++] = *port;
}

void
config_add_queue(struct config_bridge *bridge, const struct config_queue *queue)
{
    bridge->queues = config_realloc(bridge->queues, bridge->n_queues + 1, sizeof *bridge->queues);
    bridge->queues[bridge->n_queues++] = *queue;
}

void
config_add_target(struct config_bridge *bridge, const char *target, bool listen)
{
    bridge->targets = config_realloc(bridge->targets, bridge->n_targets + 1,
                                     sizeof *bridge->targets);
    bridge->targets[bridge->n_targets++] = (struct config_target) {
        .target = config_strdup(target),
        .listen = listen,
    };
}

const struct config_port *
config_find_port(const struct config_bridge *bridge, const char *name)
{
    for (size_t i = 0; i < bridge->n_ports; i++) {
        if (!strcmp(bridge->ports[i].name, name)) {
            return &bridge->ports[i];
        }
    }
    return NULL;
}

const struct config_queue *
config_find_queue(const struct config_bridge *bridge, const char *port, uint32_t id)
{
    for (size_t i = 0; i < bridge->n_queues; i++) {
        if (bridge->queues[i].queue.id == id && !strcmp(bridge->queues[i].port, port)) {
            return &bridge->queues[i];
        }
    }
    return NULL;
}

bool
config_has_target(const struct config_bridge *bridge, const char *target)
{
    for (size_t i = 0; i < bridge->n_targets; i++) {
        if (!strcmp(bridge->targets[i].target, target)) {
            return true;
        }
    }
    return false;
}

/* Closes the gap at 'i' in an array that now has 'n' elements. */
static void
close_gap(void *array, size_t i, size_t n, size_t size)
{
    char *at = (char *) array + i * size;
    memmove(at, at + size, (n - i) * size);
}

void
config_drop_bridge(struct config *config, size_t i)
{
    bridge_fini(&config->bridges[i]);
    close_gap(config->bridges, i, --config->n_bridges, sizeof *config->bridges);
}

void
config_drop_port(struct config_bridge *bridge, size_t i)
{
    close_gap(bridge->ports, i, --bridge->n_ports, sizeof *bridge->ports);
}

void
config_drop_queue(struct config_bridge *bridge, size_t i)
{
    close_gap(bridge->queues, i, --bridge->n_queues, sizeof *bridge->queues);
}

void
config_drop_target(struct config_bridge *bridge, size_t i)
{
    free(bridge->targets[i].target);
    close_gap(bridge->targets, i, --bridge->n_targets, sizeof *bridge->targets);
}
