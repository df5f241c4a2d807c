/* SPDX-License-Identifier: Apache-2.0 */
/* What the bridge and the chip have, as the kernel tells it: for dumps, and at the start, when
 * entries from before come into the table. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/switchdev/device.h"

enum { MIN_SHOWN = 64 };

void
switchdev_match(uint16_t in_port, uint16_t vid, const uint8_t addr[6], struct flow_match *match)
{
    *match = (struct flow_match) { .value = { .in_port = in_port } };
    match->value.vlan_tci = be16_from_host((uint16_t) (FLOW_VLAN_PRESENT | vid));
    memcpy(match->value.dl_dst, addr, sizeof match->value.dl_dst);
    match->mask.bits.in_port = UINT16_MAX;
    match->mask.bits.vlan_tci = be16_from_host(FLOW_VLAN_PRESENT | FLOW_VLAN_VID_MASK);
    memset(match->mask.bits.dl_dst, 0xff, sizeof match->mask.bits.dl_dst);
}

/* --- entries from before ---------------------------------------------------------------------- */

static void
note_group(uint16_t vid, const uint8_t addr[6], uint16_t priority, void *device)
{
    struct switchdev *d = device;
    struct switchdev_group *g = switchdev_group_find(&d->table, vid, addr, true);
    if (g) {
        g->deadline_ms = priority;   /* until it is known whether it is there */
    }
}

static uint16_t
port_of(const struct switchdev *d, int ifindex)
{
    for (unsigned i = 0; i < d->n_ports; i++) {
        if (d->ports[i].ifindex == ifindex && d->ports[i].joined) {
            return d->ports[i].no;
        }
    }
    return 0;
}

/* An entry for each port, as the HAL would want them for what the chip has. */
static bool
take_group(struct switchdev *d, struct switchdev_group *g, uint16_t output)
{
    uint16_t ports[SWITCHDEV_MAX_PORTS];
    unsigned n = switchdev_joined(d, ports);
    for (unsigned i = 0; i < n; i++) {
        struct switchdev_entry *e
            = switchdev_entry_new(&d->table, g, ports[i], ports[i] == output ? 0 : output);
        if (!e) {
            return false;
        }
        e->priority = (uint16_t) g->deadline_ms;
        switchdev_entry_set_state(&d->table, e, SWITCHDEV_THERE);
    }
    g->output = output;
    g->state = SWITCHDEV_IN_DEVICE;
    d->n_in_device++;
    d->has_offloaded = true;
    return n;
}

/* What the file does not know is a stranger's, and stays. */
static int
import_one(const struct switchdev_fdb *f, void *device)
{
    struct switchdev *d = device;
    struct switchdev_group *g = switchdev_group_find(&d->table, f->vid, f->addr, false);
    uint16_t output = port_of(d, f->ifindex);
    bool ours = g && g->state == SWITCHDEV_UNWRITTEN && !g->entries;
    if (switchdev_is_sentinel(d, f)
        || (ours && (!output || !f->offloaded || !take_group(d, g, output)))) {
        switchdev_fdb_del(f, NULL);
        d->must_sync = true;
    }
    return 0;
}

static void
release(struct switchdev_group *g, void *table)
{
    switchdev_group_release(table, g);
}

static bool
is_port(int ifindex, const void *device)
{
    return port_of(device, ifindex);
}

static int
import(struct switchdev *d)
{
    struct errmsg err;
    int error = switchdev_bridge_clean(d->bridge.ifindex, is_port, d, &err);
    if (!error) {
        switchdev_state_each(d, note_group, d);
        error = switchdev_fdb_each(d->bridge.ifindex, import_one, d, &err);
        switchdev_table_each(&d->table, release, &d->table);
        d->imported = true;
        switchdev_state_rewrite(d);
    }
    return error;
}

/* --- dumps --------------------------------------------------------------------------------------- */

static int
show(struct switchdev *d, const struct switchdev_fdb *f, const struct switchdev_entry *e,
     uint16_t in_port, uint16_t output)
{
    if (d->n_shown == d->max_shown) {
        size_t max = d->max_shown ? d->max_shown * 2 : MIN_SHOWN;
        void *more = realloc(d->shown, max * sizeof *d->shown);
        if (!more) {
            return -ENOMEM;
        }
        d->shown = more;
        d->max_shown = max;
    }
    struct switchdev_shown *s = &d->shown[d->n_shown++];
    *s = (struct switchdev_shown) {
        .cookie = e ? e->cookie : 0, .handle = e ? e->handle : 0, .in_port = in_port,
        .output = output, .vid = f->vid, .priority = e ? e->priority : 0, .foreign = !e,
        .offloaded = f->offloaded,
    };
    memcpy(s->addr, f->addr, sizeof s->addr);
    return 0;
}

/* What is the bridge's is for each of its ports. */
static int
show_fdb(const struct switchdev_fdb *f, void *device)
{
    struct switchdev *d = device;
    struct switchdev_group *g = switchdev_group_find(&d->table, f->vid, f->addr, false);
    uint16_t output = port_of(d, f->ifindex);
    bool ours = g && g->state == SWITCHDEV_IN_DEVICE && g->output == output && f->offloaded;
    bool losing = g && g->state == SWITCHDEV_IN_DEVICE && g->output == output && !f->offloaded;
    int error = 0;
    switchdev_note_seen(d, f);
    if (switchdev_is_sentinel(d, f) || !output || losing || (g && g->state == SWITCHDEV_ASKED)) {
        return 0;
    }
    for (struct switchdev_entry *e = ours ? g->entries : NULL; e && !error; e = e->next) {
        if (e->state == SWITCHDEV_THERE) {
            error = show(d, f, e, e->in_port, e->output);
        }
    }
    for (unsigned i = 0; !ours && !error && i < d->n_ports; i++) {
        uint16_t no = d->ports[i].no;
        if (d->ports[i].joined && no != output) {
            error = show(d, f, NULL, no, output);
        }
    }
    return error;
}

static int
take_all(struct switchdev *d)
{
    struct errmsg err;
    d->n_shown = 0;
    if (!d->bridge.ifindex) {
        return 0;
    }
    int error = d->imported ? 0 : import(d);
    d->round++;
    error = error ? error : switchdev_fdb_each(d->bridge.ifindex, show_fdb, d, &err);
    if (!error && !d->looks_only) {
        switchdev_look_at_unseen(d);
    }
    return error;
}

static bool
visit_shown(const struct switchdev_shown *s,
            bool (*visit)(const struct hal_dumped *, void *aux), void *aux)
{
    union { struct action_list list; uint64_t words[2]; } actions = { .words = { 0 } };
    struct flow_match match;
    actions.list.len = s->output ? 1 : 0;
    if (s->output) {
        struct action output = { .type = ACTION_OUTPUT, .output.port = s->output };
        memcpy(&actions.words[1], &output, sizeof output);
    }
    switchdev_match(s->in_port, s->vid, s->addr, &match);
    const struct hal_dumped shown = {
        .cookie = s->cookie, .handle = s->handle, .foreign = s->foreign,
        .in_hardware = s->offloaded,
        .entry = { .match = &match, .actions = &actions.list, .priority = s->priority },
    };
    return visit(&shown, aux);
}

int
switchdev_dump(void *device, uint64_t *position,
               bool (*visit)(const struct hal_dumped *, void *aux), void *aux)
{
    struct switchdev *d = device;
    bool more = true;
    int error = *position ? 0 : take_all(d);
    for (; !error && more && *position < d->n_shown; ++*position) {
        more = visit_shown(&d->shown[*position], visit, aux);
    }
    return error == -EINTR || !error ? error : -EIO;
}
