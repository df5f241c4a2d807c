/* SPDX-License-Identifier: Apache-2.0 */
/* A driver that keeps its contract, in as few lines as can be, or breaks it in the way that
 * one macro of the compiler's command line says. See test_bad_drivers.py. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hal/driver.h"

enum { ENTRIES = 64 };

static struct bad {
    struct hal_host *host;
    struct { bool used; uint64_t cookie; struct flow_match match; struct action action; } at[ENTRIES];
    uint32_t n;
    uint64_t count;
} bad;

static void *
bad_open(const struct hal_open *open, char *error)
{
#ifdef OPEN_FAILS
    OPEN_FAILS;
    return NULL;
#endif
    (void) error;
    bad.host = open->host;
    return &bad;
}

static void
bad_close(void *device, bool keep)
{
    (void) device;
    (void) keep;
#ifdef CLOSE
    CLOSE;
#endif
}

static int
bad_probe(void *device, struct hal_caps *caps)
{
    (void) device;
    *caps = (struct hal_caps) { .n_tables = 1, .table[0] = {
        .name = "exact", .counters = HAL_COUNT_BOTH, .changes = true,
        .outputs = HAL_OUTPUT_PORT | HAL_OUTPUT_NOWHERE, .actions = 1u << ACTION_OUTPUT,
        .max_actions = 1, .capacity = ENTRIES } };
    memset(caps->table[0].field, FIELD_MASK_EXACT, sizeof caps->table[0].field);
#ifdef PROBE
    PROBE;
#endif
    return 0;
}

static int
bad_port(void *device, const struct hal_port *port, char *error)
{
    (void) device;
    (void) port;
    (void) error;
#ifdef PORT
    PORT;
#endif
    return 0;
}

static void
bad_port_del(void *device, uint16_t port)
{
    (void) device;
    (void) port;
}

static void
do_change(const struct hal_change *change, struct hal_completion *c)
{
    uint64_t i = change->handle - 1;
    if (change->kind == HAL_ADD) {
        for (i = 0; bad.at[i].used; i++) {
            continue;
        }
        bad.at[i].used = true;
        bad.at[i].match = *change->entry.match;
        bad.at[i].action = change->entry.actions->actions[0];
        c->handle = i + 1;
    }
    bad.at[i].used = change->kind != HAL_REMOVE;
    bad.at[i].cookie = change->cookie;
}

static size_t
bad_submit(void *device, const struct hal_change *changes, size_t n)
{
    (void) device;
    for (size_t i = 0; i < n; i++) {
        struct hal_completion c = { .cookie = changes[i].cookie, .handle = changes[i].handle,
                                    .kind = changes[i].kind };
        do_change(&changes[i], &c);
#ifdef COMPLETE
        COMPLETE;
#else
        bad.host->complete(bad.host, &c, 1);
#endif
    }
#ifdef SUBMIT
    SUBMIT;
#endif
    return n;
}

static int
bad_fence(void *device, uint16_t port, bool on)
{
    (void) device;
    (void) port;
    (void) on;
#ifdef FENCE
    FENCE;
#endif
    return 0;
}

static int
bad_stats(void *device, const uint64_t *cookies, const uint64_t *handles, size_t n,
          struct hal_counters *out)
{
    (void) device;
    (void) cookies;
    (void) handles;
    for (size_t i = 0; i < n; i++) {
        out[i] = (struct hal_counters) { bad.count, bad.count * 60 };
    }
#ifdef STATS
    STATS;
#endif
    return 0;
}

static int
bad_dump(void *device, uint64_t *position, bool (*visit)(const struct hal_dumped *, void *aux), void *aux)
{
    (void) device;
    for (bool more = true; more && *position < ENTRIES;) {
        uint64_t i = (*position)++;
        union { struct action_list list; uint64_t words[2]; } actions = { .list = { .len = 1 } };
        memcpy(actions.list.actions, &bad.at[i].action, sizeof bad.at[i].action);
        struct hal_dumped d = { .cookie = bad.at[i].cookie, .handle = i + 1, .in_hardware = true,
                                .entry = { .match = &bad.at[i].match, .actions = &actions.list } };
#ifdef DUMP
        DUMP;
#endif
        more = bad.at[i].used ? visit(&d, aux) : true;
    }
    return 0;
}

static int
bad_flush(void *device)
{
    (void) device;
#ifdef FLUSH
    FLUSH;
#endif
    memset(bad.at, 0, sizeof bad.at);
    return 0;
}

#if defined DESCRIBE || defined OCCUPANCY
static void
bad_describe(void *device, void (*fact)(const char *name, const char *value, void *aux), void *aux)
{
    (void) device;
    fact("depth", "1", aux);
#ifdef DESCRIBE
    DESCRIBE;
#endif
}

static void
bad_occupancy(const void *device, uint32_t entries[HAL_MAX_TABLES])
{
    (void) device;
    entries[0] = 0;
#ifdef OCCUPANCY
    OCCUPANCY;
#endif
}
#define LACKS .options_help = "depth=N: how deep\n", .describe = bad_describe, .occupancy = bad_occupancy
#endif

#ifndef NAME
#define NAME "bad"
#endif
#ifndef ABI
#define ABI HAL_DRIVER_ABI
#endif
#ifndef LACKS
#define LACKS .options_help = "depth=N: how deep\n"
#endif

const struct hal_driver turnout_driver = {
    .abi = ABI, .name = NAME, .summary = "for tests",
    .open = bad_open, .close = bad_close, .probe = bad_probe, .port_add = bad_port,
    .port_change = bad_port, .port_del = bad_port_del, .submit = bad_submit, .fence = bad_fence,
    .stats = bad_stats, .dump = bad_dump, .flush = bad_flush,
    LACKS,
};
