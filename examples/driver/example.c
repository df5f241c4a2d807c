/* SPDX-License-Identifier: Apache-2.0 */
/* An offload driver for Turnout, small enough to read in one go: docs/DRIVER-GUIDE.md walks
 * through it. Its device (device.h) has one table of exact matches, which forwards, drops and
 * rewrites Ethernet addresses.
 *
 * It needs the installed headers and nothing else: what it calls comes to it in struct
 * hal_host and struct hal_packet_out. Ops of a device are never called at the same time, but
 * for process(), which packet workers call at any time. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include "device.h"

enum { DEFAULT_ENTRIES = 1024, MAX_ENTRIES = 1 << 20 };

struct example {
    struct hal_host *host;
    struct device_table table;
    _Atomic bool fenced;
    _Atomic bool is_open[PORT_MAX];      /* a port of ours, and neither down nor fenced */
};

/* --- life ------------------------------------------------------------------------------------- */

/* "entries=N", or nothing: the HAL lets no other name through than options_help has. A value
 * that is wrong is named, with what would be right. */
static bool
parse_options(const char *options, uint32_t *entries, char *error)
{
    unsigned long n = DEFAULT_ENTRIES;
    char *end = "";
    if (*options) {
        n = strtoul(options + strlen("entries="), &end, 10);
    }
    if (*end || n < 1 || n > MAX_ENTRIES) {
        snprintf(error, HAL_ERROR_SIZE, "option entries: '%.40s' is not a number from 1 to %d",
                 options + strlen("entries="), MAX_ENTRIES);
        return false;
    }
    *entries = (uint32_t) n;
    return true;
}

static void
example_close(void *device, bool keep)
{
    struct example *x = device;
    (void) keep;                         /* the table ends with the process, kept or not */
    device_fini(&x->table);
    free(x);
}

static void *
example_open(const struct hal_open *open, char *error)
{
    uint32_t entries;
    if (!parse_options(open->options, &entries, error)) {
        return NULL;
    }
    struct example *x = calloc(1, sizeof *x);
    if (!x || !device_init(&x->table, entries)) {
        snprintf(error, HAL_ERROR_SIZE, "no memory for %u entries", entries);
        if (x) {
            example_close(x, false);
        }
        return NULL;
    }
    x->host = open->host;
    x->host->log(x->host, LOG_INFO, "a table of %u entries", entries);
    return x;
}

static int
example_probe(void *device, struct hal_caps *caps)
{
    const struct example *x = device;
    *caps = (struct hal_caps) { .n_tables = 1, .table[0] = {
        .name = "exact", .learnt = HAL_DECLARED, .counters = HAL_COUNT_BOTH,
        .outputs = HAL_OUTPUT_PORT | HAL_OUTPUT_NOWHERE, .changes = true,
        .required = 1u << FIELD_IN_PORT,
        .actions = 1u << ACTION_OUTPUT | 1u << ACTION_SET_DL_SRC | 1u << ACTION_SET_DL_DST,
        .max_actions = DEVICE_ACTIONS, .capacity = x->table.capacity,
        .max_masks = DEVICE_MASKS } };
    for (unsigned id = 0; id < N_FIELDS; id++) {
        caps->table[0].field[id] = id == FIELD_TUN_KEY ? FIELD_MASK_NONE : FIELD_MASK_EXACT;
    }
    return 0;
}

/* --- ports -------------------------------------------------------------------------------------- */

/* Packets that are being looked up were let in before: waits until they are through. */
static void
let_packets_through(struct example *x)
{
    pthread_rwlock_wrlock(&x->table.lock);
    pthread_rwlock_unlock(&x->table.lock);
}

/* port_add() and port_change(). */
static int
example_port(void *device, const struct hal_port *port, char *error)
{
    struct example *x = device;
    if (!port->no || port->no >= PORT_MAX) {
        snprintf(error, HAL_ERROR_SIZE, "port %u is not a device's", port->no);
        return -EOPNOTSUPP;
    }
    atomic_store(&x->is_open[port->no], !(port->config & PORT_CONFIG_DOWN));
    let_packets_through(x);
    return 0;
}

static void
example_port_del(void *device, uint16_t port)
{
    struct example *x = device;
    atomic_store(&x->is_open[port], false);
    let_packets_through(x);
}

static int
example_fence(void *device, uint16_t port, bool on)
{
    struct example *x = device;
    atomic_store(port ? &x->is_open[port] : &x->fenced, port ? !on : on);
    let_packets_through(x);
    return 0;
}

/* --- entries -------------------------------------------------------------------------------------- */

static int
add(struct example *x, const struct hal_change *change, struct hal_completion *c)
{
    enum hal_reason reason = 0;
    int error = device_add(&x->table, &change->entry, change->cookie, &c->handle, &reason);
    if (error) {
        c->verdict.reason = (uint16_t) reason;
        snprintf(c->verdict.words, sizeof c->verdict.words, "%u of %u entries are in use",
                 x->table.n_entries, x->table.capacity);
    }
    return error;
}

static int
carry_out(struct example *x, const struct hal_change *change, struct hal_completion *c)
{
    struct device_entry *e = device_at(&x->table, change->handle);
    switch (change->kind) {
    case HAL_ADD:
        return add(x, change, c);
    case HAL_ADOPT:                      /* of an entry that dump() showed, with another cookie */
        if (e) {
            e->cookie = change->cookie;
        }
        return e ? 0 : -ENOENT;
    case HAL_CHANGE:
        if (e && e->cookie == change->cookie) {
            device_change(&x->table, e, change->entry.actions);
            return 0;
        }
        return -ENOENT;
    case HAL_REMOVE:
        if (e && e->cookie == change->cookie) {
            device_remove(&x->table, e, &c->final);
            return 0;
        }
        return -ENOENT;
    }
    return -EIO;
}

/* Each change is done at once, and completed here. A device that takes its time copies what
 * it needs of a change, and completes it later from a thread of its own, or from step(). */
static size_t
example_submit(void *device, const struct hal_change *changes, size_t n)
{
    struct example *x = device;
    for (size_t i = 0; i < n; i++) {
        struct hal_completion c = { .cookie = changes[i].cookie, .handle = changes[i].handle,
                                    .kind = changes[i].kind };
        c.verdict.field = c.verdict.action = HAL_OBJECT_NONE;
        c.error = carry_out(x, &changes[i], &c);
        x->host->complete(x->host, &c, 1);
    }
    return n;
}

static int
example_stats(void *device, const uint64_t *cookies, const uint64_t *handles, size_t n,
              struct hal_counters *out)
{
    const struct example *x = device;
    for (size_t i = 0; i < n; i++) {
        const struct device_entry *e = device_at(&x->table, handles[i]);
        out[i] = e && e->cookie == cookies[i] ? device_counters(e)
                                              : (struct hal_counters) { UINT64_MAX, UINT64_MAX };
    }
    return 0;
}

static int
example_dump(void *device, uint64_t *position, bool (*visit)(const struct hal_dumped *, void *aux),
             void *aux)
{
    const struct example *x = device;
    for (bool more = true; more && *position < x->table.capacity;) {
        const struct device_entry *e = device_at(&x->table, ++*position);
        if (e) {
            const struct hal_dumped dumped = {
                .cookie = e->cookie, .handle = *position, .counters = device_counters(e),
                .entry = { .match = &e->match, .actions = &e->actions.list }, .in_hardware = true,
            };
            more = visit(&dumped, aux);
        }
    }
    return 0;
}

static int
example_flush(void *device)
{
    struct example *x = device;
    struct hal_counters unused;
    for (uint32_t handle = 1; handle <= x->table.capacity; handle++) {
        if (device_at(&x->table, handle)) {
            device_remove(&x->table, device_at(&x->table, handle), &unused);
        }
    }
    return 0;
}

static void
example_describe(void *device, void (*fact)(const char *name, const char *value, void *aux), void *aux)
{
    const struct example *x = device;
    char masks[16];
    unsigned n = 0;
    for (unsigned i = 0; i < DEVICE_MASKS; i++) {
        n += x->table.masks[i].n_entries > 0;
    }
    snprintf(masks, sizeof masks, "%u of %d", n, DEVICE_MASKS);
    fact("kind", "memory of the process", aux);
    fact("masks", masks, aux);
}

static void
example_occupancy(const void *device, uint32_t entries[HAL_MAX_TABLES])
{
    const struct example *x = device;
    entries[0] = x->table.n_entries;
}

/* --- packets ---------------------------------------------------------------------------------------- */

static void
example_process(void *device, uint16_t port, struct hal_packet packets[], size_t n, bool miss[],
                struct hal_packet_out *out)
{
    struct example *x = device;
    pthread_rwlock_rdlock(&x->table.lock);
    bool is_open = !atomic_load(&x->fenced) && atomic_load(&x->is_open[port]);
    for (size_t i = 0; i < n; i++) {
        struct device_entry *e = is_open ? device_look_up(&x->table, packets[i].key) : NULL;
        miss[i] = !e;
        if (e) {
            atomic_fetch_add(&e->packets, packets[i].n_segments);
            atomic_fetch_add(&e->bytes, packets[i].wire_bytes);
            out->execute(out, &packets[i], &e->actions.list);
        }
    }
    pthread_rwlock_unlock(&x->table.lock);
}

const struct hal_driver turnout_driver = {
    .abi = HAL_DRIVER_ABI,
    .name = "example",
    .summary = "the driver of docs/DRIVER-GUIDE.md: a table of exact matches, in memory",
    .options_help = "entries=N: size of the table (default 1024)\n",
    .open = example_open,
    .close = example_close,
    .probe = example_probe,
    .port_add = example_port,
    .port_change = example_port,
    .port_del = example_port_del,
    .submit = example_submit,
    .fence = example_fence,
    .stats = example_stats,
    .dump = example_dump,
    .flush = example_flush,
    .describe = example_describe,
    .occupancy = example_occupancy,
    .process = example_process,
};
