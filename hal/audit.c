/* SPDX-License-Identifier: Apache-2.0 */
/* What devices have against what is wanted: at start (limbo), on demand, after losses. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "hal/contract.h"
#include "hal/internal.h"
#include "lib/clock.h"
#include "lib/counters.h"
#include "lib/log.h"

LOG_MODULE(hal_audit);

enum { DUMP_BATCH = 500 };

/* An entry of a device, on its way to the control thread. */
struct shown {
    uint64_t cookie, handle;
    struct hal_counters counters;
    struct flow_match match;
    struct action_list *actions;     /* a copy */
    uint16_t priority;
    uint8_t table;
    bool foreign, as_told;
};

struct dump {
    struct hal_job job;
    uint32_t audit;              /* number of the device's audit that it is for; 0: the start */
    uint64_t position;
    const struct hal_caps *caps;
    const char *broken;          /* how the driver broke its contract; NULL: it did not */
    int error;
    bool end;
    size_t n;
    struct shown shown[DUMP_BATCH];
};

/* One comparison of one device. */
struct hal_audit_run {
    bool repair, failed;
    unsigned n_differences;
    unsigned *left, *total;      /* of the runs of all devices; NULL: nobody asked for it */
    void (*difference)(const char *kind, const char *device, const struct hal_entry_info *, void *aux);
    void (*done)(unsigned n_differences, void *aux);
    void *aux;
};

static bool
take_shown(const struct hal_dumped *d, void *aux)
{
    struct dump *dump = aux;
    struct shown *s = &dump->shown[dump->n];
    dump->broken = contract_check_dumped(dump->caps, d);
    if (dump->broken) {
        return false;
    }
    size_t size = sizeof *d->entry.actions + d->entry.actions->len * sizeof d->entry.actions->actions[0];
    s->actions = malloc(size);
    if (!s->actions) {
        dump->error = -ENOMEM;
        return false;
    }
    memcpy(s->actions, d->entry.actions, size);
    s->cookie = d->cookie;
    s->handle = d->handle;
    s->counters = d->counters;
    s->match = *d->entry.match;
    s->priority = d->entry.priority;
    s->table = d->entry.table;
    s->foreign = d->foreign;
    s->as_told = d->as_told;
    return ++dump->n < DUMP_BATCH;
}

static void
run_dump(struct hal_job *job, struct hal_device *device)
{
    struct dump *dump = (struct dump *) job;
    uint64_t before = dump->position;
    int error = device->driver->dump(device->state, &dump->position, take_shown, dump);
    dump->error = dump->error ? dump->error : error;
    if (dump->n == DUMP_BATCH && dump->position == before) {
        dump->broken = "dump() shows the same entries again and again";
    } else if (!contract_error_is_possible(error)) {
        dump->broken = "dump() said what is no error";
    }
    if (dump->broken) {
        dump->error = -EPROTO;
        device_broken(device, "%s", dump->broken);
    }
    dump->end = dump->n < DUMP_BATCH;
}

static void
free_dump(struct dump *dump)
{
    for (size_t i = 0; i < dump->n; i++) {
        free(dump->shown[i].actions);
    }
    free(dump);
}

static bool
ask(struct hal_device *device, uint32_t audit, uint64_t position,
    void (*done)(struct hal_job *, struct hal_device *))
{
    struct dump *dump = calloc(1, sizeof *dump);
    if (dump) {
        dump->job = (struct hal_job) { NULL, run_dump, done };
        dump->audit = audit;
        dump->caps = &device->caps;
        dump->position = position;
        device_run_job(device, &dump->job);
    }
    return dump;
}

/* --- limbo ---------------------------------------------------------------------------------- */

static struct hal_bridge *
bridge_of_port(const struct hal *hal, const struct hal_device *device, uint16_t port)
{
    for (unsigned i = 0; i < HAL_MAX_BRIDGES; i++) {
        const struct hal_port_rec *rec = hal->bridges[i] ? bridge_port(hal->bridges[i], port) : NULL;
        if (rec && rec->device == device) {
            return hal->bridges[i];
        }
    }
    return NULL;
}

/* The device has something that this run of the HAL does not know: an entry of its own is
 * made for it, in limbo, and the device is told its name. 'twice': even if there is one of
 * that match. ENTRY_NONE: it can't be kept. */
static uint32_t
take_in(struct hal_device *device, const struct shown *s, bool twice)
{
    struct hal *hal = device->hal;
    const struct hal_bridge *bridge = bridge_of_port(hal, device, s->match.value.in_port);
    bool fits = bridge && s->table < device->caps.n_tables
                && (twice || !entry_find(hal->store, bridge->id, &s->match));
    uint32_t actions = fits ? entry_actions_get(hal->store, bridge->id, s->actions) : 0;
    uint32_t index = actions ? entry_new(hal->store, bridge->id, &s->match) : ENTRY_NONE;
    if (!index) {
        entry_actions_put(hal->store, actions);
        return ENTRY_NONE;
    }
    struct entry *e = entry_at(hal->store, index);
    e->device = device->index;
    e->table = s->table;
    e->priority = s->priority;
    e->handle = s->handle;
    e->packets = s->counters.packets;
    e->bytes = s->counters.bytes;
    e->created_ms = e->read_ms = (uint32_t) clock_ms();
    e->pps = hal->config.promote_pps;    /* until it is measured */
    e->has = actions;
    engine_set_wanted(hal, e, actions);
    entry_actions_ref(hal->store, actions);
    entry_regroup(hal->store, index);
    e->flags |= ENTRY_LIMBO | ENTRY_ADOPT;
    engine_count_table(device, e, 1);
    engine_settle(hal, index);
    return index;
}

static void
limbo_shown(struct hal_job *job, struct hal_device *device)
{
    struct dump *dump = (struct dump *) job;
    for (size_t i = 0; !device->gone && i < dump->n; i++) {
        const struct shown *s = &dump->shown[i];
        if (!s->foreign && !hal_entry_of(device->hal, s->cookie)) {
            take_in(device, s, false);
        }
    }
    if (dump->error && !device->gone) {
        log_warn("%s: what it has from before can't be read: %s", device->driver->name,
                 strerror(-dump->error));
    }
    if (!dump->end && !dump->error && !device->gone
        && !ask(device, 0, dump->position, limbo_shown)) {
        log_warn("%s: no memory to read what it has from before", device->driver->name);
    }
    free_dump(dump);
}

void
hal_start(struct hal *hal)
{
    for (unsigned i = 0; i < hal->n_devices; i++) {
        hal->devices[i]->audited_ms = clock_ms();    /* not while this goes on */
        if (!ask(hal->devices[i], 0, 0, limbo_shown)) {
            log_warn("%s: no memory to read what it has from before", hal->devices[i]->driver->name);
        }
    }
}

void
hal_limbo_countdown(struct hal *hal)
{
    if (!hal->limbo_ends_ms) {
        hal->limbo_ends_ms = clock_ms() + hal->config.restart_grace_ms;
    }
}

void
limbo_tick(struct hal *hal, uint64_t now_ms)
{
    if (!hal->limbo_ends_ms || hal->limbo_ends_ms == UINT64_MAX || now_ms < hal->limbo_ends_ms) {
        return;
    }
    hal->limbo_ends_ms = UINT64_MAX;
    uint32_t n = 0;
    for (uint32_t i = 1; i < entry_limit(hal->store); i++) {
        struct entry *e = entry_at(hal->store, i);
        if (e->flags & ENTRY_USED && e->flags & ENTRY_LIMBO) {
            e->flags &= (uint16_t) ~ENTRY_LIMBO;
            counter_inc(COUNTER_hal_limbo_expired);
            engine_want_nothing(hal, i, HAL_REASON_TABLE_MISS);
            n++;
        }
    }
    if (n) {
        log_info("%u entries from before the start were not claimed in time and go", n);
    }
}

/* --- comparing ---------------------------------------------------------------------------- */

static void
report(struct hal_audit_run *run, struct hal_device *device, const char *kind,
       const struct shown *s, uint32_t index)
{
    struct hal_entry_info info;
    memset(&info, 0, sizeof info);
    if (index) {
        show_entry(device->hal, index, &info);
    } else {
        info.match = s->match;
        info.actions = s->actions;
        info.priority = s->priority;
        info.packets = s->counters.packets;
        info.bytes = s->counters.bytes;
        info.device = device->driver->name;
        info.table = s->table < device->caps.n_tables ? device->caps.table[s->table].name : "";
        info.state = HAL_IN_HARDWARE;
    }
    run->n_differences++;
    if (run->difference) {
        run->difference(kind, device->driver->name, &info, run->aux);
    }
}

static bool
is_same(const struct hal *hal, const struct entry *e, const struct shown *s)
{
    struct flow_match match;
    const struct action_list *list = entry_actions_list(hal->store, e->has);
    entry_get_match(hal->store, e, &match);
    bool does_the_same = s->as_told
        || (list->len == s->actions->len
            && !memcmp(list->actions, s->actions->actions, list->len * sizeof list->actions[0]));
    return does_the_same && !memcmp(&match, &s->match, sizeof match);
}

static bool
is_moving(const struct entry *e)
{
    return e->flags & (ENTRY_IN_FLIGHT | ENTRY_QUEUED | ENTRY_UNKNOWN) || e->has != e->wanted;
}

static void
compare_one(struct hal_audit_run *run, struct hal_device *device, const struct shown *s)
{
    struct hal *hal = device->hal;
    uint32_t index = hal_entry_of(hal, s->cookie);
    struct entry *e = index ? entry_at(hal->store, index) : NULL;
    if (s->foreign) {
        report(run, device, "foreign", s, 0);
    } else if (!e) {
        report(run, device, "stale", s, 0);
        index = run->repair ? take_in(device, s, true) : 0;
        if (index) {
            e = entry_at(hal->store, index);
            e->flags &= (uint16_t) ~ENTRY_LIMBO;
            account_owe(hal, e);
            engine_want_nothing(hal, index, HAL_REASON_TABLE_MISS);
            device->repaired++;
            counter_inc(COUNTER_hal_repaired);
        }
    } else {
        e->flags |= ENTRY_SEEN;
        if (!is_moving(e) && !is_same(hal, e, s)) {
            report(run, device, "altered", s, index);
            if (run->repair) {
                account_owe(hal, e);
                e->flags |= ENTRY_UNKNOWN | ENTRY_AGAIN;
                device->repaired++;
                counter_inc(COUNTER_hal_repaired);
                engine_want_nothing(hal, index, HAL_REASON_ENTRY_LOST);
            }
        }
    }
}

/* What was there all the time and did not show up. */
static void
find_missing(struct hal_audit_run *run, struct hal_device *device)
{
    struct hal *hal = device->hal;
    hal->owe_to = device->loss_debt;
    for (uint32_t i = 1; i < entry_limit(hal->store); i++) {
        struct entry *e = entry_at(hal->store, i);
        if (!(e->flags & ENTRY_USED) || e->device != device->index || !e->has || is_moving(e)
            || (e->flags & (ENTRY_SEEN | ENTRY_OLD)) != ENTRY_OLD) {
            continue;
        }
        report(run, device, "missing", NULL, i);
        if (run->repair) {
            device->repaired++;
            device->lost++;
            counter_inc(COUNTER_hal_repaired);
            engine_lost(device, i);
        }
    }
    hal->owe_to = 0;
}

static bool begin(struct hal_device *, struct hal_audit_run *);

/* The run's part of what was asked for is over. */
static void
finish_run(struct hal_audit_run *run)
{
    if (run->left && --*run->left == 0) {
        run->done(*run->total, run->aux);
        free(run->left);
        free(run->total);
    }
    free(run);
}

static void
end_run(struct hal_device *device)
{
    struct hal_audit_run *next = device->audit_next;
    finish_run(device->audit);
    device->audit = device->audit_next = NULL;
    device->audited_ms = clock_ms();
    if (next && (device->gone || device->fenced || !begin(device, next))) {
        finish_run(next);
    }
    if (!device->audit_again || device->gone || device->fenced) {
        audit_forget_losses(device);
    } else if (device->loss_debt) {
        audit_tick(device, clock_ms());      /* there were more meanwhile */
    }
}

void
audit_abandon(struct hal_device *device)
{
    if (device->audit) {
        if (device->audit->total) {
            *device->audit->total = UINT_MAX;
        }
        end_run(device);
    }
}

static void
compared(struct hal_job *job, struct hal_device *device)
{
    struct dump *dump = (struct dump *) job;
    struct hal_audit_run *run = device->audit;
    if (!run || dump->audit != device->n_audits) {   /* abandoned */
        free_dump(dump);
        return;
    }
    /* The device goes on while these are compared. */
    bool over = device->gone || device->fenced, again = dump->error == -EINTR;
    bool more = again || (!dump->end && !dump->error);
    bool goes_on = !over && more && ask(device, dump->audit, again ? 0 : dump->position, compared);
    for (size_t i = 0; !device->gone && !device->fenced && i < dump->n; i++) {
        compare_one(run, device, &dump->shown[i]);
    }
    if (!goes_on && !device->gone && !device->fenced) {
        if (!dump->error && !more) {
            find_missing(run, device);
        } else {
            log_warn("%s: what it has can't be read, for an audit: %s", device->driver->name,
                     strerror(more ? ENOMEM : -dump->error));
            run->failed = true;
        }
    }
    over = !goes_on || device->gone || device->fenced;
    if (over) {
        if (run->total) {
            *run->total = run->failed || *run->total == UINT_MAX ? UINT_MAX
                          : *run->total + run->n_differences;
        } else if (run->n_differences) {
            log_warn("%s: %u differences from what is wanted", device->driver->name,
                     run->n_differences);
        }
        end_run(device);
    }
    free_dump(dump);
}

static bool
begin(struct hal_device *device, struct hal_audit_run *run)
{
    struct hal *hal = device->hal;
    for (uint32_t i = 1; i < entry_limit(hal->store); i++) {
        struct entry *e = entry_at(hal->store, i);
        if (e->device == device->index) {
            e->flags &= (uint16_t) ~(ENTRY_SEEN | ENTRY_OLD);
            e->flags |= e->flags & ENTRY_USED && e->has ? ENTRY_OLD : 0;
        }
    }
    device->audit = run;
    ledger_yield(device);
    if (!ask(device, ++device->n_audits, 0, compared)) {
        device->audit = NULL;
        return false;
    }
    return true;
}

void
hal_audit(struct hal *hal, bool repair,
          void (*difference)(const char *kind, const char *device, const struct hal_entry_info *,
                             void *aux),
          void (*done)(unsigned n_differences, void *aux), void *aux)
{
    unsigned *left = malloc(sizeof *left), *total = calloc(1, sizeof *total);
    if (!left || !total) {
        free(left);
        free(total);
        done(UINT_MAX, aux);
        return;
    }
    *left = 1;
    for (unsigned i = 0; i < hal->n_devices; i++) {
        struct hal_device *device = hal->devices[i];
        struct hal_audit_run *run = calloc(1, sizeof *run);
        if (!run || device->audit_next || device->gone) {
            free(run);
            continue;
        }
        if (repair && device->fenced) {
            engine_unfence(device);
        }
        *run = (struct hal_audit_run) { .repair = repair, .difference = difference, .done = done,
                                        .aux = aux, .left = left, .total = total };
        ++*left;
        if (device->audit) {
            device->audit_next = run;        /* behind the one that is under way */
        } else if (!begin(device, run)) {
            --*left;
            free(run);
        }
    }
    if (--*left == 0) {
        done(*total, aux);
        free(left);
        free(total);
    }
}

void
audit_soon(struct hal_device *device)
{
    device->audit_again = true;
}

void
audit_losses(struct hal_device *device)
{
    struct hal *hal = device->hal;
    audit_soon(device);
    if (!hal->has_whole || device->fenced || device->gone) {
        return;
    }
    if (!device->loss_debt) {
        device->loss_debt = hal->youngest->number;
        account_hold(hal, device->loss_debt);
    }
    audit_tick(device, clock_ms());
}

void
audit_forget_losses(struct hal_device *device)
{
    uint32_t debt = device->loss_debt;
    device->loss_debt = 0;
    account_pay(device->hal, debt, 0);
}

void
audit_tick(struct hal_device *device, uint64_t now_ms)
{
    enum { EVERY_MS = 30000 };
    struct hal_audit_run *run;
    if (device->audit || device->gone || device->fenced
        || (!device->audit_again && device->audited_ms && now_ms - device->audited_ms < EVERY_MS)
        || !(run = calloc(1, sizeof *run))) {
        return;
    }
    run->repair = true;
    device->audit_again = false;
    if (!begin(device, run)) {
        free(run);
    }
}
