/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of the simulated ASIC: accepted, done in their order, completed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/sim/device.h"
#include "lib/clock.h"

static uint64_t
now_us(void)
{
    return clock_ns() / 1000;
}

size_t
sim_submit(void *device, const struct hal_change *changes, size_t n)
{
    struct sim *sim = device;
    const struct sim_options *o = &sim->tables.options;
    uint64_t now = now_us();
    size_t i = 0;
    for (; i < n && sim->n < SIM_QUEUE; i++) {
        struct sim_pending *p = &sim->queue[(sim->head + sim->n) % SIM_QUEUE];
        const struct action_list *from = changes[i].entry.actions;
        struct action_list *list = (struct action_list *) (void *) p->actions;
        list->len = from->len < SIM_MAX_ACTIONS ? from->len : SIM_MAX_ACTIONS;
        memcpy(list->actions, from->actions, list->len * sizeof from->actions[0]);
        p->match = *changes[i].entry.match;
        p->change = changes[i];
        p->change.entry.match = &p->match;
        p->change.entry.actions = list;
        p->change.entry.table = (uint8_t) (p->change.entry.table + sim_first_table(sim));
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
    atomic_store_explicit(&e->idle, sim_happens(&sim->faults.idle), memory_order_relaxed);
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
    atomic_store_explicit(&e->idle, atomic_load_explicit(&old->idle, memory_order_relaxed),
                          memory_order_relaxed);
    sim_replace(&sim->tables, old, e);
    sim_quiesce(&sim->tables);
    sim_entry_free(old, false);
    sim_file_store(sim->file, &sim->tables, e);
    return 0;
}

void
sim_remove_entry(struct sim *sim, struct sim_entry *e, struct hal_counters *final)
{
    uint64_t handle = e->handle;
    sim_unlink(&sim->tables, e);
    sim_quiesce(&sim->tables);
    sim_sum(&sim->tables, e, final);
    sim_entry_free(e, true);
    sim_file_clear(sim->file, handle);
}

void
sim_remove_all(struct sim *sim)
{
    struct hal_counters unused;
    for (uint32_t i = 0; i < sim->tables.n_slots; i++) {
        if (sim->tables.slots[i]) {
            sim_remove_entry(sim, sim->tables.slots[i], &unused);
        }
    }
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
    if (change->kind == HAL_CHANGE) {
        return change_actions(sim, e, change);
    }
    sim_remove_entry(sim, e, &c->final);
    return 0;
}

static void
do_one(struct sim *sim, const struct sim_pending *p)
{
    struct hal_completion c = { .cookie = p->change.cookie, .kind = p->change.kind };
    c.verdict.field = c.verdict.action = HAL_OBJECT_NONE;
    sim_plan_faults(sim);
    if (p->change.kind == HAL_ADD && sim_happens(&sim->faults.refuse)) {
        c.error = -EOPNOTSUPP;
        c.verdict.reason = HAL_REASON_DRIVER_REFUSED;
        snprintf(c.verdict.words, sizeof c.verdict.words, "sim: refused, as asked for");
    } else if (p->change.kind == HAL_ADD && sim_happens(&sim->faults.io_error)) {
        carry_out(sim, &p->change, &c);
        c.error = -EIO;
        snprintf(c.verdict.words, sizeof c.verdict.words, "sim: failed, as asked for");
    } else if (!sim_happens(&sim->faults.ack_only)) {
        c.error = carry_out(sim, &p->change, &c);
    }
    if (sim_happens(&sim->faults.lose_entry)) {
        sim_lose_an_entry(sim);
    }
    if (!sim_happens(&sim->faults.lose_ack)) {
        sim->host->complete(sim->host, &c, 1);
    }
}

static struct sim_pending *
take_pending(struct sim *sim)
{
    struct sim_pending *p = &sim->queue[sim->head];
    sim->n--;
    sim->head = sim->n ? (sim->head + 1) % SIM_QUEUE : 0;    /* what is warm is used again */
    return p;
}

void
sim_forget_changes(struct sim *sim)
{
    sim->n = 0;
}

static bool
is_stalled(const struct sim *sim)
{
    return clock_ms() < sim->faults.stall_until_ms;
}

int
sim_step(void *device)
{
    struct sim *sim = device;
    uint64_t now = now_us();
    unsigned room = 0;
    while (sim->n && sim->queue[sim->head].due_us <= now && !is_stalled(sim)) {
        do_one(sim, take_pending(sim));
        room++;
    }
    if (room && sim->n + room == SIM_QUEUE) {
        sim->host->event(sim->host, HAL_EVENT_AGAIN, NULL);
    }
    uint32_t lag_ms = sim->tables.options.lag_ms;
    if (lag_ms && clock_ms() - sim->shown_ms >= lag_ms && clock_ms() >= sim->faults.late_until_ms) {
        sim_take_counters(sim);
    }
    if (is_stalled(sim)) {
        return 10;
    }
    if (!sim->n) {
        return lag_ms ? (int) lag_ms : -1;
    }
    uint64_t wait = sim->queue[sim->head].due_us - now;
    return wait < 1000 ? 0 : (int) (wait / 1000);
}
