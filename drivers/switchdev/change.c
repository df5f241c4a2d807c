/* SPDX-License-Identifier: Apache-2.0 */
/* Changes: groups that agree become entries of the bridge, and of the chip; the others go.
 * Removals are complete when the chip is known to be behind them (sync.c). */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "drivers/switchdev/device.h"

static uint64_t
now_ms(const struct switchdev *d)
{
    return d->host->clock_ms(d->host);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void
complete(struct switchdev *d, uint64_t cookie, enum hal_change_kind kind, uint64_t handle)
{
    const struct hal_completion c = { .cookie = cookie, .kind = kind, .handle = handle };
    d->host->complete(d->host, &c, 1);
}

static void
fail(struct switchdev *d, uint64_t cookie, enum hal_change_kind kind, int error, uint16_t port,
     const char *words)
{
    struct hal_completion c = { .cookie = cookie, .kind = kind, .error = error };
    c.verdict = (struct hal_verdict) { .reason = HAL_REASON_DRIVER_REFUSED, .port = port,
                                       .field = HAL_OBJECT_NONE, .action = HAL_OBJECT_NONE };
    snprintf(c.verdict.words, sizeof c.verdict.words, "switchdev: %s", words);
    d->host->complete(d->host, &c, 1);
}

static void
refuse_waiting(struct switchdev *d, struct switchdev_group *g, int error, uint16_t port,
               const char *words)
{
    for (struct switchdev_entry *e = g->entries, *next; e; e = next) {
        next = e->next;
        if (e->state == SWITCHDEV_WAITING) {
            uint64_t cookie = e->cookie;
            switchdev_entry_free(&d->table, e);
            fail(d, cookie, HAL_ADD, error, port, words);
        }
    }
}

/* Refuses what waits for entries of other ports in vain: all of it when the time of one is over, so
 * that all is asked for again at the same time. True: it waits on. */
static bool
wait_for_others(struct switchdev *d, struct switchdev_group *g, uint16_t port)
{
    char words[HAL_WORDS_SIZE];
    bool waits = false, late = false;
    for (const struct switchdev_entry *e = g->entries; e; e = e->next) {
        bool waiting = e->state == SWITCHDEV_WAITING;
        waits = waits || waiting;
        late = late || (waiting && now_ms(d) >= e->deadline_ms);
    }
    if (late) {
        snprintf(words, sizeof words, "a bridge forwards alike from all its ports, and the flow is "
                 "not the same on port %u", port);
        refuse_waiting(d, g, -EOPNOTSUPP, port, words);
    }
    return waits && !late;
}

/* --- the bridge's entries ------------------------------------------------------------------------ */

static struct switchdev_fdb
fdb_of(const struct switchdev *d, const struct switchdev_group *g, uint16_t output)
{
    const struct switchdev_port *port = switchdev_port_find(d, output);
    struct switchdev_fdb f = { .vid = g->vid, .bridge = d->bridge.ifindex,
                               .ifindex = port ? port->ifindex : 0 };
    memcpy(f.addr, g->addr, sizeof f.addr);
    return f;
}

/* The HAL is told so if nobody removes it soon. */
static void
lose(struct switchdev *d, struct switchdev_entry *e)
{
    d->lost_ms = d->table.n_lost ? d->lost_ms : now_ms(d) + SWITCHDEV_LOST_MS;
    switchdev_entry_set_state(&d->table, e, SWITCHDEV_LOST);
}

/* Those that the HAL was told of are lost. */
static void
set_unwritten(struct switchdev *d, struct switchdev_group *g)
{
    d->must_sync = d->must_sync || d->has_offloaded;
    d->n_in_device -= g->state == SWITCHDEV_IN_DEVICE;
    g->state = SWITCHDEV_UNWRITTEN;
    for (struct switchdev_entry *e = g->entries; e; e = e->next) {
        if (e->state == SWITCHDEV_THERE) {
            lose(d, e);
        }
    }
}

/* The bridge's entry goes. A port that left the bridge took its entries along. */
static void
withdraw(struct switchdev *d, struct switchdev_group *g)
{
    struct switchdev_fdb f = fdb_of(d, g, g->output);
    struct errmsg err;
    int error = f.ifindex ? switchdev_fdb_del(&f, &err) : -ENODEV;
    if (error && error != -ENOENT && error != -ENODEV && error != -EINVAL
        && error != -EOPNOTSUPP) {
        d->host->log(d->host, LOG_WARNING, "an entry of %s can't be taken out: %s",
                     d->bridge.name, err.text);
    }
    set_unwritten(d, g);
}

void
switchdev_lose_group(struct switchdev *d, struct switchdev_group *g, bool still_ours)
{
    if (still_ours) {
        withdraw(d, g);
    } else {
        set_unwritten(d, g);
    }
    switchdev_group_open(&d->table, g);
}

static void
write_group(struct switchdev *d, struct switchdev_group *g, uint16_t output)
{
    struct switchdev_fdb f = fdb_of(d, g, output);
    struct errmsg err;
    switchdev_state_add(d, g, g->entries->priority);
    int error = switchdev_fdb_add(&f, &err);
    if (!error) {
        g->output = output;
        g->state = SWITCHDEV_ASKED;
        g->deadline_ms = now_ms(d) + SWITCHDEV_ASK_MS;
    } else if (error == -EEXIST) {
        switchdev_note_in_the_way(d, g);
        refuse_waiting(d, g, -EEXIST, 0, "the bridge has an entry of somebody else's for the address");
    } else if (error == -ENOSPC) {
        refuse_waiting(d, g, -ENOSPC, 0, "the bridge takes no more entries");
    } else {
        refuse_waiting(d, g, error == -ENOMEM ? -EAGAIN : -EOPNOTSUPP, 0, err.text);
    }
}

static void
tell_all_there(struct switchdev *d, struct switchdev_group *g)
{
    for (struct switchdev_entry *e = g->entries; e; e = e->next) {
        if (e->state == SWITCHDEV_WAITING && e->deadline_ms) {
            switchdev_entry_set_state(&d->table, e, SWITCHDEV_THERE);
            complete(d, e->cookie, HAL_ADD, e->handle);
        }
    }
}

/* Whether the chip has what the bridge was given. */
static void
look_at_asked(struct switchdev *d, struct switchdev_group *g)
{
    struct switchdev_fdb f;
    struct errmsg err;
    const struct switchdev_fdb wanted = fdb_of(d, g, g->output);
    int error = switchdev_fdb_get(d->bridge.ifindex, g->addr, g->vid, &f, &err);
    bool ours = !error && f.ifindex == wanted.ifindex && f.is_static;
    if (ours && f.offloaded) {
        g->state = SWITCHDEV_IN_DEVICE;
        d->has_offloaded = true;
        d->n_in_device++;
        tell_all_there(d, g);
    } else if (error == -ENOENT || (!error && !ours)) {
        g->state = SWITCHDEV_UNWRITTEN;
        refuse_waiting(d, g, -EAGAIN, 0, "somebody removed the entry");
    } else if (now_ms(d) >= g->deadline_ms) {
        withdraw(d, g);
        refuse_waiting(d, g, -EOPNOTSUPP, 0,
                       "the bridge has the entry, but the device did not take it (no offload flag)");
    }
}

/* Entries of ports that left the bridge are not the chip's. */
static void
lose_absent(struct switchdev *d, struct switchdev_group *g)
{
    for (struct switchdev_entry *e = g->entries; e; e = e->next) {
        const struct switchdev_port *port = switchdev_port_find(d, e->in_port);
        if (!port || !port->joined) {
            e->deadline_ms = 0;
            if (e->state == SWITCHDEV_THERE) {
                lose(d, e);
            }
        }
    }
}

static void
settle(struct switchdev *d, struct switchdev_group *g, const uint16_t *ports, unsigned n)
{
    uint16_t output, odd;
    bool agrees = switchdev_group_agrees(g, ports, n, &output, &odd), wait = false;
    lose_absent(d, g);
    if (g->state != SWITCHDEV_UNWRITTEN && (!agrees || output != g->output)) {
        withdraw(d, g);
    }
    if (agrees && g->state == SWITCHDEV_UNWRITTEN) {
        write_group(d, g, output);
    }
    if (g->state == SWITCHDEV_ASKED) {
        look_at_asked(d, g);
    } else if (g->state == SWITCHDEV_IN_DEVICE) {
        tell_all_there(d, g);
    } else if (!agrees && !output) {
        refuse_waiting(d, g, -EOPNOTSUPP, 0, "a bridge can't drop what is for an address");
    } else if (!agrees) {
        wait = wait_for_others(d, g, odd);
    }
    if (wait || g->state == SWITCHDEV_ASKED) {
        switchdev_group_open(&d->table, g);
    }
    switchdev_group_release(&d->table, g);
}

static void
settle_open(struct switchdev *d)
{
    uint16_t ports[SWITCHDEV_MAX_PORTS];
    unsigned n = switchdev_joined(d, ports);
    for (struct switchdev_group *g = switchdev_table_take_open(&d->table), *next; g; g = next) {
        next = g->next_open;
        settle(d, g, ports, n);
    }
}

static void
open_group(struct switchdev_group *g, void *table)
{
    switchdev_group_open(table, g);
}

void
switchdev_settle_all(struct switchdev *d)
{
    switchdev_table_each(&d->table, open_group, &d->table);
    settle_open(d);
}

/* --- waiting for the chip ----------------------------------------------------------------------- */

static void
tell_removed(struct switchdev *d, int error)
{
    unsigned n = d->n_removed;
    d->n_removed = 0;
    for (unsigned i = 0; i < n; i++) {
        if (error) {
            fail(d, d->removed[i], HAL_REMOVE, error, 0, "the device does not say that it is gone");
        } else {
            complete(d, d->removed[i], HAL_REMOVE, 0);
        }
    }
}

/* Waits, for so long that a port may be added meanwhile. */
static int
sync_now(struct switchdev *d)
{
    const struct timespec pause = { 0, SWITCHDEV_POLL_MS * 1000000 };
    int done = 1;
    for (unsigned i = 0; done >= 0 && (d->must_sync || d->syncing) && i < SWITCHDEV_ASK_MS; i++) {
        if (!d->syncing && !switchdev_sync_begin(d)) {
            break;
        }
        done = switchdev_sync_poll(d);
        if (!done) {
            i += SWITCHDEV_POLL_MS;
            nanosleep(&pause, NULL);
        }
    }
    if (d->syncing) {
        d->sync_deadline_ms = 0;
        done = switchdev_sync_poll(d);
    }
    tell_removed(d, done < 0 ? done : 0);
    return done < 0 ? done : 0;
}

/* --- changes -------------------------------------------------------------------------------------- */

size_t
switchdev_submit(void *device, const struct hal_change *changes, size_t n)
{
    struct switchdev *d = device;
    size_t i = 0;
    for (; i < n && d->n < SWITCHDEV_QUEUE; i++) {
        struct switchdev_change *c = &d->queue[(d->head + d->n++) % SWITCHDEV_QUEUE];
        const struct flow_key *key = &changes[i].entry.match->value;
        const struct action_list *list = changes[i].entry.actions;
        *c = (struct switchdev_change) {
            .cookie = changes[i].cookie, .handle = changes[i].handle,
            .kind = (uint8_t) changes[i].kind, .in_port = key->in_port,
            .vid = be16_to_host(key->vlan_tci) & FLOW_VLAN_VID_MASK,
            .output = changes[i].kind != HAL_REMOVE && list->len ? list->actions[0].output.port : 0,
            .priority = changes[i].entry.priority,
        };
        memcpy(c->addr, key->dl_dst, sizeof c->addr);
    }
    return i;
}

static void
add(struct switchdev *d, const struct switchdev_change *c)
{
    struct switchdev_group *g = switchdev_group_find(&d->table, c->vid, c->addr, true);
    struct switchdev_entry *old = g ? switchdev_entry_of_port(g, c->in_port) : NULL, *e;
    const struct switchdev_port *port = switchdev_port_find(d, c->in_port);
    if (!port || !port->joined) {
        fail(d, c->cookie, HAL_ADD, -EOPNOTSUPP, c->in_port, "the port is not in the bridge");
        return;
    }
    if (old && old->state != SWITCHDEV_LOST) {
        fail(d, c->cookie, HAL_ADD, -EOPNOTSUPP, 0, "it has a flow for the address already");
        return;
    }
    if (old) {
        switchdev_entry_free(&d->table, old);
    }
    e = g ? switchdev_entry_new(&d->table, g, c->in_port, c->output) : NULL;
    if (!e) {
        fail(d, c->cookie, HAL_ADD, -EAGAIN, 0, "no memory");
    } else {
        e->cookie = c->cookie;
        e->priority = c->priority;
        e->deadline_ms = now_ms(d) + SWITCHDEV_ALIKE_MS;
    }
    if (g) {
        switchdev_group_open(&d->table, g);
    }
}

static void
carry_out(struct switchdev *d, const struct switchdev_change *c)
{
    struct switchdev_entry *e = c->kind == HAL_ADD ? NULL
                                : switchdev_entry_of_handle(&d->table, c->handle);
    switch ((enum hal_change_kind) c->kind) {
    case HAL_ADD:
        add(d, c);
        return;
    case HAL_REMOVE:
        if (e) {
            switchdev_group_open(&d->table, e->group);
            switchdev_entry_free(&d->table, e);
        }
        d->removed[d->n_removed++] = c->cookie;   /* what is not there is gone, too */
        return;
    case HAL_CHANGE:
    case HAL_ADOPT:
        if (!e || e->state == SWITCHDEV_LOST || c->kind == HAL_CHANGE) {
            fail(d, c->cookie, c->kind, -ENOENT, 0, "the entry is not there");
            return;
        }
        e->cookie = c->cookie;
        complete(d, c->cookie, HAL_ADOPT, e->handle);
        return;
    }
}

static void
take_changes(struct switchdev *d)
{
    bool was_full = d->n == SWITCHDEV_QUEUE;
    for (unsigned i = 0; d->n && i < SWITCHDEV_BATCH && d->n_removed < SWITCHDEV_BATCH; i++) {
        const struct switchdev_change *c = &d->queue[d->head];
        d->head = (d->head + 1) % SWITCHDEV_QUEUE;
        d->n--;
        carry_out(d, c);
    }
    if (was_full) {
        d->host->event(d->host, HAL_EVENT_AGAIN, NULL);
    }
}

/* When there is something to do next. */
static int
next_step(const struct switchdev *d)
{
    return d->n ? 0 : d->table.open ? SWITCHDEV_POLL_MS : d->table.n_lost && d->lost_ms
           ? SWITCHDEV_LOST_MS / 4 : -1;
}

int
switchdev_step(void *device)
{
    struct switchdev *d = device;
    switchdev_watch_run(d);
    if (d->syncing) {
        int done = switchdev_sync_poll(d);
        if (!done) {
            return SWITCHDEV_POLL_MS;
        }
        tell_removed(d, done < 0 ? done : 0);
    }
    take_changes(d);
    settle_open(d);
    if (d->n_removed && d->must_sync && switchdev_sync_begin(d)) {
        return SWITCHDEV_POLL_MS;
    }
    tell_removed(d, 0);
    if (!d->table.n_lost) {
        d->lost_ms = 0;
    } else if (d->lost_ms && now_ms(d) >= d->lost_ms) {
        d->lost_ms = 0;
        d->host->event(d->host, HAL_EVENT_LOST, "flows that are not alike on all ports any more");
    }
    return next_step(d);
}

/* --- all of it ------------------------------------------------------------------------------------- */

static void
withdraw_one(struct switchdev_group *g, void *device)
{
    if (g->state != SWITCHDEV_UNWRITTEN) {
        withdraw(device, g);
    }
}

int
switchdev_withdraw_all(struct switchdev *d)
{
    switchdev_table_each(&d->table, withdraw_one, d);
    switchdev_table_each(&d->table, open_group, &d->table);
    return sync_now(d);
}

int
switchdev_flush(void *device)
{
    struct switchdev *d = device;
    d->n = d->n_removed = 0;
    int error = switchdev_withdraw_all(d);
    switchdev_table_clear(&d->table);
    d->lost_ms = 0;
    switchdev_state_rewrite(d);
    return error;
}
