/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/sim/sim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "lib/clock.h"
#include "lib/hash.h"

enum { QUEUE = 4096, PORTS = PORT_MAX };

/* What goes wrong next, and how often. */
struct faults {
    uint32_t refuse, lose_ack, ack_only, lose_entry, io_error;
    uint64_t stall_until_ms;
};

/* A change that was accepted. */
struct pending {
    struct hal_change change;
    struct flow_match match;
    struct action_list *actions;
    uint64_t due_us;
};

struct sim {
    struct hal_host *host;
    struct sim_tables tables;
    struct sim_file *file;
    struct pending *queue;       /* a ring */
    unsigned head, n;
    uint64_t free_us;            /* when it can begin the next change: the rate */
    uint64_t random;
    struct faults faults;
    uint64_t shown_ms;           /* when counters were last taken for stats() */
    _Atomic bool fenced;
    _Atomic uint8_t ports[PORTS];   /* 1: ours; 2: fenced */
};

static uint32_t
random_below(struct sim *sim, uint32_t n)
{
    sim->random = sim->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t) (sim->random >> 33) % n;
}

static uint64_t
now_us(void)
{
    return clock_ns() / 1000;
}

/* --- life ----------------------------------------------------------------------------------- */

static void
sim_close(void *device, bool keep)
{
    struct sim *sim = device;
    for (uint32_t i = 0; sim->file && i < sim->tables.n_slots; i++) {
        if (sim->tables.slots[i] && keep) {
            sim_file_store(sim->file, &sim->tables, sim->tables.slots[i]);
        } else {
            sim_file_clear(sim->file, i + UINT64_C(1));
        }
    }
    sim_file_close(sim->file);
    for (unsigned i = 0; i < sim->n; i++) {
        free(sim->queue[(sim->head + i) % QUEUE].actions);
    }
    free(sim->queue);
    sim_tables_fini(&sim->tables);
    free(sim);
}

static void *
sim_open(const struct hal_open *open, char *error)
{
    struct sim_options options;
    if (sim_options_parse(open->options, &options, error)) {
        return NULL;
    }
    if (open->n_workers > SIM_MAX_WORKERS) {
        snprintf(error, HAL_ERROR_SIZE, "at most %d packet workers", SIM_MAX_WORKERS);
        return NULL;
    }
    struct sim *sim = aligned_alloc(64, (sizeof *sim + 63) & ~(size_t) 63);
    struct pending *queue = calloc(QUEUE, sizeof *queue);
    if (!sim || !queue) {
        free(sim);
        free(queue);
        snprintf(error, HAL_ERROR_SIZE, "no memory");
        return NULL;
    }
    memset(sim, 0, sizeof *sim);
    sim->host = open->host;
    sim->queue = queue;
    sim->random = options.seed;
    if (sim_tables_init(&sim->tables, &options, open->n_workers)) {
        snprintf(error, HAL_ERROR_SIZE, "no memory for tables of %u and %u entries", options.exact,
                 options.tcam);
        free(queue);
        free(sim);
        return NULL;
    }
    if (options.file && !(sim->file = sim_file_open(open->state_dir, &sim->tables, error))) {
        sim_close(sim, true);
        return NULL;
    }
    return sim;
}

/* Which table is the first that it says it has: one without room is not there. */
static unsigned
first_table(const struct sim *sim)
{
    return sim->tables.options.exact ? SIM_EXACT : SIM_TCAM;
}

static int
sim_probe(void *device, struct hal_caps *caps)
{
    const struct sim *sim = device;
    const struct sim_options *o = &sim->tables.options;
    *caps = (struct hal_caps) { .rate = o->rate };
    for (unsigned t = first_table(sim); t < (o->tcam ? SIM_TCAM + 1 : SIM_TCAM); t++) {
        struct hal_table_caps *table = &caps->table[caps->n_tables++];
        *table = (struct hal_table_caps) {
            .learnt = HAL_DECLARED, .counters = o->counters,
            .outputs = HAL_OUTPUT_PORT | HAL_OUTPUT_IN_PORT | HAL_OUTPUT_NOWHERE,
            .priorities = t == SIM_TCAM, .changes = o->changes, .required = 1u << FIELD_IN_PORT,
            .actions = ((1u << N_ACTION_TYPES) - 1) & ~(1u << ACTION_ENQUEUE) & ~o->without_actions,
            .max_actions = (uint16_t) o->max_actions, .max_outputs = (uint16_t) o->max_outputs,
            .capacity = t == SIM_EXACT ? o->exact : o->tcam,
            .max_masks = t == SIM_EXACT ? o->masks : 0, .counter_lag_ms = o->lag_ms,
        };
        table->ordered = table->actions;
        snprintf(table->name, sizeof table->name, t == SIM_EXACT ? "exact" : "tcam");
        for (unsigned f = 0; f < N_FIELDS; f++) {
            table->field[f] = o->without_fields >> f & 1 ? FIELD_MASK_NONE
                              : t == SIM_EXACT ? FIELD_MASK_EXACT : FIELD_MASK_ANY;
        }
    }
    return 0;
}

/* --- ports ------------------------------------------------------------------------------------ */

static int
sim_port_add(void *device, const struct hal_port *port, char *error)
{
    struct sim *sim = device;
    if (!port->no || port->no >= PORTS) {
        snprintf(error, HAL_ERROR_SIZE, "port %u is not a physical port", port->no);
        return -EOPNOTSUPP;
    }
    atomic_store(&sim->ports[port->no], 1);
    return 0;
}

static int
sim_port_change(void *device, const struct hal_port *port, char *error)
{
    struct sim *sim = device;
    (void) error;
    bool down = port->config & PORT_CONFIG_DOWN;
    if (port->no < PORTS && atomic_load(&sim->ports[port->no])) {
        atomic_store(&sim->ports[port->no], down ? 2 : 1);
        sim_quiesce(&sim->tables);
    }
    return 0;
}

static void
sim_port_del(void *device, uint16_t port)
{
    struct sim *sim = device;
    if (port < PORTS) {
        atomic_store(&sim->ports[port], 0);
        sim_quiesce(&sim->tables);
    }
}

static int
sim_fence(void *device, uint16_t port, bool on)
{
    struct sim *sim = device;
    if (!port) {
        atomic_store(&sim->fenced, on);
    } else if (port < PORTS) {
        atomic_store(&sim->ports[port], on ? 2 : 1);
    }
    sim_quiesce(&sim->tables);
    return 0;
}

/* --- changes ------------------------------------------------------------------------------------- */

static size_t
sim_submit(void *device, const struct hal_change *changes, size_t n)
{
    struct sim *sim = device;
    const struct sim_options *o = &sim->tables.options;
    uint64_t now = now_us();
    size_t i = 0;
    for (; i < n && sim->n < QUEUE; i++) {
        struct pending *p = &sim->queue[(sim->head + sim->n) % QUEUE];
        const struct action_list *from = changes[i].entry.actions;
        size_t size = sizeof *from + from->len * sizeof from->actions[0];
        p->actions = malloc(size);
        if (!p->actions) {
            break;
        }
        memcpy(p->actions, from, size);
        p->match = *changes[i].entry.match;
        p->change = changes[i];
        p->change.entry.match = &p->match;
        p->change.entry.actions = p->actions;
        p->change.entry.table = (uint8_t) (p->change.entry.table + first_table(sim));
        sim->free_us = sim->free_us > now ? sim->free_us : now;
        p->due_us = sim->free_us + o->latency_us;
        sim->free_us += o->rate ? 1000000 / o->rate : 0;
        sim->n++;
    }
    return i;
}

static int
add(struct sim *sim, const struct hal_change *change, struct hal_completion *c)
{
    struct sim_entry *e;
    enum hal_reason reason = 0;
    int error = sim_insert(&sim->tables, change, &e, &reason);
    if (error == -ENOMEM) {
        return -EAGAIN;
    }
    if (error) {
        c->verdict = (struct hal_verdict) { .reason = reason, .field = HAL_OBJECT_NONE,
                                            .action = HAL_OBJECT_NONE };
        snprintf(c->verdict.words, sizeof c->verdict.words, "sim: %s", hal_reason_name(reason));
        return error;
    }
    c->handle = e->handle;
    sim_file_store(sim->file, &sim->tables, e);
    return 0;
}

static int
change_actions(struct sim *sim, struct sim_entry *old, const struct hal_change *change)
{
    struct sim_entry *e = sim_entry_new(&sim->tables, &change->entry, change->cookie);
    if (!e) {
        return -EAGAIN;
    }
    sim_replace(&sim->tables, old, e);
    sim_quiesce(&sim->tables);
    sim_entry_free(old, false);
    sim_file_store(sim->file, &sim->tables, e);
    return 0;
}

static int
remove_entry(struct sim *sim, struct sim_entry *e, struct hal_completion *c)
{
    uint64_t handle = e->handle;
    sim_unlink(&sim->tables, e);
    sim_quiesce(&sim->tables);
    sim_sum(&sim->tables, e, &c->final);
    sim_entry_free(e, true);
    sim_file_clear(sim->file, handle);
    return 0;
}

static int
carry_out(struct sim *sim, const struct hal_change *change, struct hal_completion *c)
{
    if (change->kind == HAL_ADD) {
        return add(sim, change, c);
    }
    uint64_t cookie = change->kind == HAL_ADOPT ? 0 : change->cookie;
    struct sim_entry *e = sim_by_handle(&sim->tables, change->handle, cookie);
    c->handle = change->handle;
    if (!e) {
        return -ENOENT;
    }
    if (change->kind == HAL_ADOPT) {
        e->cookie = change->cookie;
        sim_file_store(sim->file, &sim->tables, e);
        return 0;
    }
    return change->kind == HAL_CHANGE ? change_actions(sim, e, change) : remove_entry(sim, e, c);
}

static bool
happens(uint32_t *count)
{
    if (*count) {
        --*count;
        return true;
    }
    return false;
}

static void
plan_faults(struct sim *sim)
{
    uint32_t percent = sim->tables.options.faults;
    if (percent && random_below(sim, 100) < percent) {
        uint32_t *which[] = { &sim->faults.refuse, &sim->faults.lose_entry, &sim->faults.io_error };
        ++*which[random_below(sim, 3)];
    }
}

static void
lose_an_entry(struct sim *sim)
{
    for (uint32_t tries = 0; tries < sim->tables.n_slots; tries++) {
        struct sim_entry *e = sim->tables.slots[random_below(sim, sim->tables.n_slots)];
        if (e) {
            struct hal_completion unused;
            remove_entry(sim, e, &unused);
            sim->host->event(sim->host, HAL_EVENT_LOST, "sim: an entry was lost, as asked for");
            return;
        }
    }
}

static void
do_one(struct sim *sim, struct pending *p)
{
    struct hal_completion c = { .cookie = p->change.cookie, .kind = p->change.kind };
    c.verdict.field = c.verdict.action = HAL_OBJECT_NONE;
    plan_faults(sim);
    if (p->change.kind == HAL_ADD && happens(&sim->faults.refuse)) {
        c.error = -EOPNOTSUPP;
        c.verdict.reason = HAL_REASON_DRIVER_REFUSED;
        snprintf(c.verdict.words, sizeof c.verdict.words, "sim: refused, as asked for");
    } else if (p->change.kind == HAL_ADD && happens(&sim->faults.io_error)) {
        carry_out(sim, &p->change, &c);
        c.error = -EIO;
        snprintf(c.verdict.words, sizeof c.verdict.words, "sim: failed, as asked for");
    } else if (!happens(&sim->faults.ack_only)) {
        c.error = carry_out(sim, &p->change, &c);
    }
    free(p->actions);
    p->actions = NULL;
    if (happens(&sim->faults.lose_entry)) {
        lose_an_entry(sim);
    }
    if (!happens(&sim->faults.lose_ack)) {
        sim->host->complete(sim->host, &c, 1);
    }
}

/* --- counters ---------------------------------------------------------------------------------------- */

static void
show_counters(struct sim *sim)
{
    uint64_t now_ms = clock_ms();
    uint32_t lag_ms = sim->tables.options.lag_ms;
    if (now_ms - sim->shown_ms < lag_ms) {
        return;
    }
    sim->shown_ms = now_ms;
    for (uint32_t i = 0; i < sim->tables.n_slots; i++) {
        struct sim_entry *e = sim->tables.slots[i];
        if (e) {
            sim_sum(&sim->tables, e, &e->shown);
            sim_file_store(sim->file, &sim->tables, e);
        }
    }
}

static int
sim_step(void *device)
{
    struct sim *sim = device;
    uint64_t now = now_us();
    unsigned room = 0;
    if (clock_ms() < sim->faults.stall_until_ms) {
        return 10;
    }
    while (sim->n && sim->queue[sim->head].due_us <= now) {
        struct pending *p = &sim->queue[sim->head];
        sim->head = (sim->head + 1) % QUEUE;
        sim->n--;
        room++;
        do_one(sim, p);
    }
    if (room && sim->n + room == QUEUE) {
        sim->host->event(sim->host, HAL_EVENT_AGAIN, NULL);
    }
    if (sim->tables.options.lag_ms) {
        show_counters(sim);
    }
    if (!sim->n) {
        return sim->tables.options.lag_ms ? (int) sim->tables.options.lag_ms : -1;
    }
    uint64_t wait = sim->queue[sim->head].due_us - now;
    return wait < 1000 ? 0 : (int) (wait / 1000);
}

static int
sim_stats(void *device, const uint64_t *cookies, const uint64_t *handles, size_t n,
          struct hal_counters *out)
{
    struct sim *sim = device;
    for (size_t i = 0; i < n; i++) {
        struct sim_entry *e = sim_by_handle(&sim->tables, handles[i], cookies[i]);
        out[i] = (struct hal_counters) { UINT64_MAX, UINT64_MAX };
        if (e && sim->tables.options.lag_ms) {
            out[i] = e->shown;
        } else if (e) {
            sim_sum(&sim->tables, e, &out[i]);
            sim_file_store(sim->file, &sim->tables, e);
        }
    }
    return 0;
}

/* --- looking at it ------------------------------------------------------------------------------------ */

static int
sim_dump(void *device, uint64_t *position, bool (*visit)(const struct hal_dumped *, void *aux),
         void *aux)
{
    struct sim *sim = device;
    bool more = true;
    for (; more && *position < sim->tables.n_slots; ++*position) {
        const struct sim_entry *e = sim->tables.slots[*position];
        if (e) {
            struct hal_dumped d = { e->cookie, e->handle,
                                    { &e->match, e->actions, e->priority,
                                      (uint8_t) (e->table - first_table(sim)) },
                                    { 0, 0 }, false, true };
            sim_sum(&sim->tables, e, &d.counters);
            more = visit(&d, aux);
        }
    }
    return 0;
}

static int
sim_flush(void *device)
{
    struct sim *sim = device;
    for (uint32_t i = 0; i < sim->tables.n_slots; i++) {
        if (sim->tables.slots[i]) {
            struct hal_completion unused;
            remove_entry(sim, sim->tables.slots[i], &unused);
        }
    }
    while (sim->n) {
        free(sim->queue[sim->head].actions);
        sim->head = (sim->head + 1) % QUEUE;
        sim->n--;
    }
    return 0;
}

static void
sim_occupancy(const void *device, uint32_t entries[HAL_MAX_TABLES])
{
    const struct sim *sim = device;
    unsigned first = first_table(sim);
    if (first == SIM_EXACT) {
        entries[SIM_EXACT] = sim->tables.n_exact;
    }
    if (sim->tables.options.tcam) {
        entries[SIM_TCAM - first] = atomic_load(&sim->tables.n_tcam);
    }
}

static void
sim_describe(void *device, void (*fact)(const char *name, const char *value, void *aux), void *aux)
{
    const struct sim *sim = device;
    char text[64];
    fact("kind", "simulated ASIC", aux);
    snprintf(text, sizeof text, "%u", sim->n);
    fact("changes waiting", text, aux);
    fact("file", sim->file ? "yes" : "no", aux);
    fact("fenced", atomic_load(&sim->fenced) ? "yes" : "no", aux);
}

/* --- packets ------------------------------------------------------------------------------------------- */

static void
sim_process(void *device, uint16_t port, struct hal_packet packets[], size_t n, bool miss[],
            struct hal_packet_out *out)
{
    struct sim *sim = device;
    sim_enter(&sim->tables, out->worker);
    bool open = !atomic_load(&sim->fenced) && atomic_load(&sim->ports[port]) == 1;
    for (size_t i = 0; i < n; i++) {
        struct sim_entry *e = open ? sim_lookup(&sim->tables, packets[i].key) : NULL;
        miss[i] = !e;
        if (e) {
            struct sim_count *count = &e->counts[out->worker];
            atomic_fetch_add_explicit(&count->packets, packets[i].n_segments, memory_order_relaxed);
            atomic_fetch_add_explicit(&count->bytes, packets[i].wire_bytes, memory_order_relaxed);
            out->execute(out, &packets[i], e->actions);
        }
    }
    sim_leave(&sim->tables, out->worker);
}

/* --- faults ----------------------------------------------------------------------------------------------- */

static int
sim_fault(void *device, const char *what, char *error)
{
    struct sim *sim = device;
    char name[32];
    unsigned n = 1;
    if (sscanf(what, "%31[a-z-]=%u", name, &n) < 1) {
        name[0] = '\0';
    }
    struct { const char *name; uint32_t *count; } counts[] = {
        { "refuse", &sim->faults.refuse }, { "lose-ack", &sim->faults.lose_ack },
        { "ack-only", &sim->faults.ack_only }, { "lose-entry", &sim->faults.lose_entry },
        { "io-error", &sim->faults.io_error },
    };
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        if (!strcmp(name, counts[i].name)) {
            *counts[i].count = n;
            return 0;
        }
    }
    if (!strcmp(name, "stall")) {
        sim->faults.stall_until_ms = clock_ms() + n;
    } else if (!strcmp(name, "reset")) {
        sim_flush(sim);
        sim->host->event(sim->host, HAL_EVENT_RESET, "sim: reset, as asked for");
    } else if (!strcmp(name, "lose-now")) {
        while (n--) {
            lose_an_entry(sim);
        }
    } else {
        snprintf(error, HAL_ERROR_SIZE, "unknown fault '%.40s'; valid: refuse=N, lose-ack=N, "
                 "ack-only=N, lose-entry=N, lose-now=N, io-error=N, stall=MS, reset", what);
        return -EINVAL;
    }
    return 0;
}

const struct hal_driver sim_driver = {
    .abi = HAL_DRIVER_ABI,
    .name = "sim",
    .summary = "a simulated ASIC: exact-match table and TCAM, in software",
    .options_help = sim_options_help,
    .open = sim_open,
    .close = sim_close,
    .probe = sim_probe,
    .port_add = sim_port_add,
    .port_change = sim_port_change,
    .port_del = sim_port_del,
    .submit = sim_submit,
    .fence = sim_fence,
    .stats = sim_stats,
    .dump = sim_dump,
    .flush = sim_flush,
    .describe = sim_describe,
    .occupancy = sim_occupancy,
    .step = sim_step,
    .process = sim_process,
    .fault = sim_fault,
};
