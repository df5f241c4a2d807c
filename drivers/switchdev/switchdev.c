/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/switchdev/switchdev.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/switchdev/device.h"
#include "lib/netdev/rtnl_watch.h"

/* --- life ----------------------------------------------------------------------------------- */

/* Only to look: the ports of the bridge are numbered by their devices' indices. */
static void
look_at_port(const struct switchdev_link *link, void *device)
{
    struct switchdev *d = device;
    if (link->master == d->bridge.ifindex && link->ifindex < PORT_MAX
        && d->n_ports < SWITCHDEV_MAX_PORTS && !switchdev_port_find(d, (uint16_t) link->ifindex)) {
        struct switchdev_port *port = &d->ports[d->n_ports++];
        *port = (struct switchdev_port) { .no = (uint16_t) link->ifindex, .ifindex = link->ifindex,
                                          .joined = true };
        memcpy(port->name, link->name, sizeof port->name);
    }
}

static void
switchdev_close(void *device, bool keep)
{
    struct switchdev *d = device;
    switchdev_leaving_end(d);
    if (!keep && !d->looks_only && d->bridge.ifindex) {
        switchdev_bridge_delete(d->bridge.ifindex, NULL);
        switchdev_state_delete(d);
    }
    rtnl_watch_free(d->watch);
    switchdev_table_clear(&d->table);
    free(d->shown);
    free(d->queue);
    free(d);
}

static int
open_to_look(struct switchdev *d, char *error)
{
    struct errmsg err = { "" };
    int result = switchdev_bridge_find(SWITCHDEV_MARK, false, &d->bridge, &err);
    if (!result && !d->bridge.ifindex) {
        errmsg_set(&err, "there is no bridge of ours: nothing is offloaded");
        result = -ENODEV;
    }
    result = result ? result : switchdev_each_link(look_at_port, d, &err);
    if (result) {
        snprintf(error, HAL_ERROR_SIZE, "%.200s", err.text);
    }
    d->looks_only = d->imported = true;
    return result;
}

/* Ports may be in it before they are given to the driver. */
static void
find_own_bridge(struct switchdev *d)
{
    struct switchdev_link bridge = { .ifindex = 0 };
    char mark[sizeof bridge.alias];
    snprintf(mark, sizeof mark, SWITCHDEV_MARK "%s ", d->state_dir);
    if (!switchdev_bridge_find(mark, false, &bridge, NULL)) {
        atomic_store(&d->bridge_ifindex, bridge.ifindex);
    }
}

static void *
switchdev_open(const struct hal_open *open, char *error)
{
    struct switchdev *d = calloc(1, sizeof *d);
    struct switchdev_change *queue = calloc(SWITCHDEV_QUEUE, sizeof *queue);
    if (!d || !queue) {
        snprintf(error, HAL_ERROR_SIZE, "no memory");
        free(queue);
        free(d);
        return NULL;
    }
    d->host = open->host;
    d->queue = queue;
    int result = switchdev_options_parse(open->options, &d->options, error);
    int n = open->state_dir ? snprintf(d->state_dir, sizeof d->state_dir, "%s", open->state_dir) : 0;
    if (!result && (size_t) n >= sizeof d->state_dir) {
        snprintf(error, HAL_ERROR_SIZE, "the folder for state has a name that is too long");
        result = -EINVAL;
    }
    if (!result && open->read_only) {
        result = open_to_look(d, error);
    } else if (!result) {
        find_own_bridge(d);
        result = switchdev_watch_begin(d, !open->stepped);
        if (result) {
            snprintf(error, HAL_ERROR_SIZE, "what others do can't be heard of: %s", strerror(-result));
        }
    }
    if (result) {
        switchdev_close(d, true);
        d = NULL;
    }
    return d;
}

static int
switchdev_probe(void *device, struct hal_caps *caps)
{
    (void) device;
    *caps = (struct hal_caps) { .n_tables = 1, .max_ports = SWITCHDEV_MAX_PORTS };
    caps->table[0] = (struct hal_table_caps) {
        .name = "fdb", .learnt = HAL_DECLARED, .counters = HAL_COUNT_NONE,
        .outputs = HAL_OUTPUT_PORT | HAL_OUTPUT_NOWHERE, .priorities = true,
        .required = 1u << FIELD_IN_PORT | 1u << FIELD_DL_DST, .actions = 1u << ACTION_OUTPUT,
        .max_actions = 1, .max_outputs = 1, .whole_rules = true, .fragments = true,
        .all_ports = true,
    };
    caps->table[0].field[FIELD_IN_PORT] = FIELD_MASK_EXACT;
    caps->table[0].field[FIELD_DL_DST] = FIELD_MASK_EXACT;
    caps->table[0].field[FIELD_VLAN] = FIELD_MASK_ANY;
    return 0;
}

/* --- what capabilities can't say ------------------------------------------------------------- */

static int
refuse(struct hal_verdict *verdict, enum hal_reason reason, enum field_id field, const char *words)
{
    *verdict = (struct hal_verdict) { .reason = reason, .field = (uint8_t) field,
                                      .action = HAL_OBJECT_NONE };
    snprintf(verdict->words, sizeof verdict->words, "switchdev: %s", words);
    return -EOPNOTSUPP;
}

static int
check_vlan(const struct switchdev *d, const struct flow_match *match, struct hal_verdict *verdict)
{
    enum { PRESENT_AND_VID = FLOW_VLAN_PRESENT | FLOW_VLAN_VID_MASK };
    const struct switchdev_membership *m = &d->options.membership;
    unsigned mask = be16_to_host(match->mask.bits.vlan_tci);
    unsigned tci = be16_to_host(match->value.vlan_tci), vid = tci & FLOW_VLAN_VID_MASK;
    if (!(mask & FLOW_VLAN_PRESENT) || (mask & PRESENT_AND_VID && tci & FLOW_VLAN_PRESENT
                                        && (mask & FLOW_VLAN_VID_MASK) != FLOW_VLAN_VID_MASK)) {
        return refuse(verdict, HAL_REASON_FIELD_REQUIRED, FIELD_VLAN,
                      "an entry of a bridge is of one VLAN: name it (dl_vlan)");
    }
    if (!(tci & FLOW_VLAN_PRESENT) || !vid) {
        return refuse(verdict, HAL_REASON_DRIVER_REFUSED, FIELD_VLAN,
                      "a bridge takes frames without a tag and with one of VLAN 0 for the same");
    }
    if (mask != PRESENT_AND_VID) {
        return refuse(verdict, HAL_REASON_MASK_UNSUPPORTED, FIELD_VLAN,
                      "a bridge does not look at the VLAN's priority");
    }
    if (vid == m->pvid || vid >= SWITCHDEV_VLANS - 1 || !(m->vlans[vid / 64] >> (vid % 64) & 1)) {
        return refuse(verdict, HAL_REASON_DRIVER_REFUSED, FIELD_VLAN, vid == m->pvid
                      ? "frames without a tag are in this VLAN, too (option pvid)"
                      : "the ports are not in this VLAN (option vlans)");
    }
    return 0;
}

static int
switchdev_check(const void *device, const struct hal_entry *entry, struct hal_verdict *verdict)
{
    const struct flow_key *value = &entry->match->value;
    if (value->dl_dst[0] & 1) {
        return refuse(verdict, HAL_REASON_DRIVER_REFUSED, FIELD_DL_DST,
                      "an entry of a bridge is for one station's address, not for a group's");
    }
    return check_vlan(device, entry->match, verdict);
}

/* --- looking at it --------------------------------------------------------------------------- */

/* The table counts nothing: 0 says that the entry is there. */
static int
switchdev_stats(void *device, const uint64_t *cookies, const uint64_t *handles, size_t n,
                struct hal_counters *out)
{
    const struct switchdev *d = device;
    for (size_t i = 0; i < n; i++) {
        const struct switchdev_entry *e = switchdev_entry_of_handle(&d->table, handles[i]);
        bool there = e && e->cookie == cookies[i] && e->state == SWITCHDEV_THERE;
        out[i] = there ? (struct hal_counters) { 0, 0 }
                       : (struct hal_counters) { UINT64_MAX, UINT64_MAX };
    }
    return 0;
}

static void
switchdev_describe(void *device, void (*fact)(const char *name, const char *value, void *aux),
                   void *aux)
{
    const struct switchdev *d = device;
    char text[2 * SWITCHDEV_ID_SIZE + 1] = "";
    fact("kind", "switch chip, by a bridge of its kernel driver", aux);
    if (!d->bridge.ifindex) {
        return;
    }
    fact("bridge", d->bridge.name, aux);
    for (unsigned i = 0; i < d->switch_id_size; i++) {
        snprintf(text + 2 * i, 3, "%02x", d->switch_id[i]);
    }
    if (text[0]) {
        fact("switch id", text, aux);
    }
    if (!d->looks_only) {
        snprintf(text, sizeof text, "%u", d->n_in_device);
        fact("bridge entries", text, aux);
        fact("flooding", d->options.membership.may_flood ? "accepted" : "off", aux);
        fact("learning", "off", aux);
    }
}

static void
switchdev_occupancy(const void *device, uint32_t entries[HAL_MAX_TABLES])
{
    const struct switchdev *d = device;
    entries[0] = d->table.n_entries;
}

static bool
switchdev_owns_link(const void *device, int ifindex)
{
    const struct switchdev *d = device;
    return ifindex && atomic_load(&d->bridge_ifindex) == ifindex;
}

const struct hal_driver switchdev_driver = {
    .abi = HAL_DRIVER_ABI,
    .name = "switchdev",
    .summary = "switch chips by their kernel drivers: entries of a bridge",
    .options_help = switchdev_options_help,
    .reads_only = true,
    .open = switchdev_open,
    .close = switchdev_close,
    .probe = switchdev_probe,
    .port_add = switchdev_port_add,
    .port_change = switchdev_port_change,
    .port_del = switchdev_port_del,
    .owns_link = switchdev_owns_link,
    .check = switchdev_check,
    .submit = switchdev_submit,
    .fence = switchdev_fence,
    .stats = switchdev_stats,
    .dump = switchdev_dump,
    .flush = switchdev_flush,
    .describe = switchdev_describe,
    .occupancy = switchdev_occupancy,
    .step = switchdev_step,
};
