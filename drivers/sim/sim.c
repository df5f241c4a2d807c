/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/sim/device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"

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
    sim_forget_changes(sim);
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
    struct sim_pending *queue = calloc(SIM_QUEUE, sizeof *queue);
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
    if (open->read_only) {
        if (sim_file_look(open->state_dir, &options, &sim->tables, error)) {
            free(queue);
            free(sim);
            return NULL;
        }
        sim->looks_only = true;
        return sim;
    }
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
unsigned
sim_first_table(const struct sim *sim)
{
    return sim->tables.options.exact ? SIM_EXACT : SIM_TCAM;
}

static int
sim_probe(void *device, struct hal_caps *caps)
{
    const struct sim *sim = device;
    const struct sim_options *o = &sim->tables.options;
    *caps = (struct hal_caps) { .rate = o->rate };
    for (unsigned t = sim_first_table(sim); t < (o->tcam ? SIM_TCAM + 1 : SIM_TCAM); t++) {
        struct hal_table_caps *table = &caps->table[caps->n_tables++];
        *table = (struct hal_table_caps) {
            .learnt = HAL_DECLARED, .counters = o->counters,
            .outputs = HAL_OUTPUT_PORT | HAL_OUTPUT_IN_PORT | HAL_OUTPUT_NOWHERE,
            .priorities = t == SIM_TCAM,
            .whole_rules = t == SIM_TCAM && o->rules, .changes = o->changes, .required = 1u << FIELD_IN_PORT & ~o->without_fields,
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
    if (!port->no || port->no >= SIM_PORTS) {
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
    if (port->no < SIM_PORTS && atomic_load(&sim->ports[port->no])) {
        atomic_store(&sim->ports[port->no], down ? 2 : 1);
        sim_quiesce(&sim->tables);
    }
    return 0;
}

static void
sim_port_del(void *device, uint16_t port)
{
    struct sim *sim = device;
    if (port < SIM_PORTS) {
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
    } else if (port < SIM_PORTS) {
        atomic_store(&sim->ports[port], on ? 2 : 1);
    }
    sim_quiesce(&sim->tables);
    return 0;
}

/* --- counters ------------------------------------------------------------------------ */

void
sim_take_counters(struct sim *sim)
{
    sim->shown_ms = clock_ms();
    for (uint32_t i = 0; i < sim->tables.n_slots; i++) {
        struct sim_entry *e = sim->tables.slots[i];
        if (e) {
            sim_sum(&sim->tables, e, &e->shown);
            sim_file_store(sim->file, &sim->tables, e);
        }
    }
}

static int
sim_stats(void *device, const uint64_t *cookies, const uint64_t *handles, size_t n,
          struct hal_counters *out)
{
    struct sim *sim = device;
    bool late = sim->tables.options.lag_ms || clock_ms() < sim->faults.late_until_ms;
    for (size_t i = 0; i < n; i++) {
        struct sim_entry *e = sim_by_handle(&sim->tables, handles[i], cookies[i]);
        out[i] = (struct hal_counters) { UINT64_MAX, UINT64_MAX };
        if (e && late) {
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
                                      (uint8_t) (e->table - sim_first_table(sim)) },
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
    sim_remove_all(sim);
    sim_forget_changes(sim);
    return 0;
}

static void
sim_occupancy(const void *device, uint32_t entries[HAL_MAX_TABLES])
{
    const struct sim *sim = device;
    unsigned first = sim_first_table(sim);
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
    if (sim->looks_only) {
        return;                      /* the rest is of who has the device */
    }
    snprintf(text, sizeof text, "%u", sim->n);
    fact("changes waiting", text, aux);
    fact("file", sim->file ? "yes" : "no", aux);
    fact("fenced", atomic_load(&sim->fenced) ? "yes" : "no", aux);
}

/* --- packets ------------------------------------------------------------------------------------------- */

/* An earlier packet of the batch missed that the entry, which has come meanwhile, would have had:
 * software forwards that one later, so this one must not be faster. */
static bool
would_overtake(const struct sim_entry *e, const struct hal_packet packets[], const bool miss[],
               size_t n)
{
    bool found = false;
    for (size_t i = 0; i < n && !found; i++) {
        found = miss[i] && flow_match_contains(&e->match, packets[i].key);
    }
    return found;
}

static void
sim_process(void *device, uint16_t port, struct hal_packet packets[], size_t n, bool miss[],
            struct hal_packet_out *out)
{
    struct sim *sim = device;
    sim_enter(&sim->tables, out->worker);
    bool open = !atomic_load(&sim->fenced) && atomic_load(&sim->ports[port]) == 1;
    for (size_t i = 0; i < n; i++) {
        struct sim_entry *e = open ? sim_lookup(&sim->tables, packets[i].key) : NULL;
        bool hit = e && !atomic_load_explicit(&e->idle, memory_order_relaxed);
        miss[i] = !hit || would_overtake(e, packets, miss, i);
        if (!miss[i]) {
            struct sim_count *count = &e->counts[out->worker];
            atomic_fetch_add_explicit(&count->packets, packets[i].n_segments, memory_order_relaxed);
            atomic_fetch_add_explicit(&count->bytes, packets[i].wire_bytes, memory_order_relaxed);
            out->execute(out, &packets[i], e->actions);
        }
    }
    sim_leave(&sim->tables, out->worker);
}

const struct hal_driver sim_driver = {
    .abi = HAL_DRIVER_ABI,
    .name = "sim",
    .summary = "a simulated ASIC: exact-match table and TCAM, in software",
    .options_help = sim_options_help,
    .reads_only = true,
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
