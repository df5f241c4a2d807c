/* SPDX-License-Identifier: Apache-2.0 */
/* Ports: which are of the chip, and which are in the bridge. What is in the bridge is for all its
 * ports; so before one joins, everything is taken out. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "drivers/switchdev/device.h"

struct switchdev_port *
switchdev_port_find(const struct switchdev *d, uint16_t no)
{
    for (unsigned i = 0; i < d->n_ports; i++) {
        if (d->ports[i].no == no) {
            return (struct switchdev_port *) &d->ports[i];
        }
    }
    return NULL;
}

unsigned
switchdev_joined(const struct switchdev *d, uint16_t ports[SWITCHDEV_MAX_PORTS])
{
    unsigned n = 0;
    for (unsigned i = 0; i < d->n_ports; i++) {
        if (d->ports[i].joined) {
            ports[n++] = d->ports[i].no;
        }
    }
    return n;
}

/* --- the chip and its bridge --------------------------------------------------------------------- */

/* Whose the bridge is: of the process that keeps its state in that folder, for the chip. */
static void
make_mark(const struct switchdev *d, const struct switchdev_link *link, char *mark, size_t size)
{
    int n = snprintf(mark, size, SWITCHDEV_MARK "%s%s", d->state_dir, link->switch_id_size ? " " : " -");
    for (unsigned i = 0; i < link->switch_id_size && n > 0 && (size_t) n + 3 < size; i++) {
        n += snprintf(mark + n, size - (size_t) n, "%02x", link->switch_id[i]);
    }
}

static bool
is_of_chip(const struct switchdev *d, const struct switchdev_link *link)
{
    return link->switch_id_size == d->switch_id_size
           && !memcmp(link->switch_id, d->switch_id, d->switch_id_size);
}

/* The first port says what the chip is. Its bridge is there from before, or is made. */
static int
have_bridge(struct switchdev *d, const struct switchdev_link *link, struct errmsg *err)
{
    char mark[sizeof link->alias];
    if (d->bridge.ifindex) {
        return 0;
    }
    make_mark(d, link, mark, sizeof mark);
    int error = switchdev_bridge_find(mark, true, &d->bridge, err);
    if (!error && d->bridge_ifindex && d->bridge_ifindex != d->bridge.ifindex) {
        switchdev_bridge_delete(d->bridge_ifindex, NULL);    /* of ours, for another chip */
    }
    if (!error && !d->bridge.ifindex) {
        error = switchdev_bridge_make(mark, &d->bridge, err);
        d->imported = !error;        /* there is nothing in it */
    }
    if (!error) {
        memcpy(d->switch_id, link->switch_id, sizeof d->switch_id);
        d->switch_id_size = link->switch_id_size;
        atomic_store(&d->bridge_ifindex, d->bridge.ifindex);
    }
    return error;
}

static int
refuse_master(const struct switchdev_link *link, struct errmsg *err)
{
    struct switchdev_link master;
    if (switchdev_link_get(link->master, &master, NULL)) {
        snprintf(master.name, sizeof master.name, "device %d", link->master);
    }
    errmsg_set(err, "it is a slave of %s%s%s, which is not ours: take it out of there (ip link set %s "
               "nomaster)", master.name, master.kind[0] ? ", a " : "", master.kind, link->name);
    return -EBUSY;
}

/* --- in and out ----------------------------------------------------------------------------------- */

static int
delete_static(const struct switchdev_fdb *f, void *aux)
{
    (void) aux;
    switchdev_fdb_del(f, NULL);
    return 0;
}

/* Before it joins: what is in the bridge is not known to be right for it. 'there': it is a port of
 * the bridge from before, for which it was. */
static int
join(struct switchdev *d, struct switchdev_port *port, bool there, struct errmsg *err)
{
    if (!there && !d->imported) {
        switchdev_fdb_each(d->bridge.ifindex, delete_static, NULL, NULL);
        d->must_sync = true;
    }
    if (switchdev_withdraw_all(d)) {
        errmsg_set(err, "the device does not do what it is told");
        return -EIO;
    }
    int error = switchdev_bridge_join(d->bridge.ifindex, port->ifindex, &d->options.membership, err);
    port->joined = !error;
    return error;
}

static void
leave(struct switchdev *d, struct switchdev_port *port)
{
    struct errmsg err;
    if (port->joined && switchdev_bridge_leave(port->ifindex, &err)) {
        d->host->log(d->host, LOG_INFO, "%s: %s", port->name, err.text);
    }
    port->joined = false;
}


static int
check_chip(const struct switchdev *d, const struct switchdev_link *link, struct errmsg *err)
{
    if (!link->switch_id_size && !d->options.any_port) {
        errmsg_set(err, "it is no port of a switch chip: it has no phys_switch_id");
        return -EOPNOTSUPP;
    }
    if (d->bridge.ifindex && !is_of_chip(d, link)) {
        errmsg_set(err, "it is a port of another switch chip than those of %s", d->bridge.name);
        return -EOPNOTSUPP;
    }
    return 0;
}

/* The port's device is there, and is to be in the bridge. */
static int
enter(struct switchdev *d, struct switchdev_port *port, struct errmsg *err)
{
    struct switchdev_link link;
    int error = switchdev_link_get(port->ifindex, &link, err);
    if (error) {
        return -ENODEV;
    }
    memcpy(port->name, link.name, sizeof port->name);
    error = check_chip(d, &link, err);
    error = error ? error : have_bridge(d, &link, err);
    if (!error && link.master && link.master != d->bridge.ifindex) {
        error = refuse_master(&link, err);
    }
    return error ? error : join(d, port, link.master == d->bridge.ifindex, err);
}

void
switchdev_forget_bridge(struct switchdev *d)
{
    switchdev_state_delete(d);
    d->bridge = (struct switchdev_link) { .ifindex = 0 };
    atomic_store(&d->bridge_ifindex, 0);
    d->imported = d->must_sync = d->syncing = false;
}

/* A bridge that nobody is in goes. */
static void
drop_bridge(struct switchdev *d)
{
    if (!d->n_ports && d->bridge.ifindex) {
        switchdev_bridge_delete(d->bridge.ifindex, NULL);
        switchdev_forget_bridge(d);
    }
}

/* A device that is not there yet is waited for. */
int
switchdev_port_follow(struct switchdev *d, struct switchdev_port *port, struct errmsg *err)
{
    bool wanted = port->ifindex && !port->down && !port->fenced;
    int error = 0;
    port->taken = false;
    if (wanted && !port->joined) {
        error = enter(d, port, err);
    } else if (!wanted) {
        leave(d, port);
    }
    switchdev_settle_all(d);
    return error;
}

/* --- ops ------------------------------------------------------------------------------------------ */

static void
forget_port(struct switchdev *d, struct switchdev_port *port)
{
    *port = d->ports[--d->n_ports];
    drop_bridge(d);
}

int
switchdev_port_add(void *device, const struct hal_port *hal_port, char *error)
{
    struct switchdev *d = device;
    struct errmsg err = { "" };
    if (d->n_ports == SWITCHDEV_MAX_PORTS) {
        snprintf(error, HAL_ERROR_SIZE, "at most %d ports", SWITCHDEV_MAX_PORTS);
        return -EOPNOTSUPP;
    }
    struct switchdev_port *port = &d->ports[d->n_ports++];
    *port = (struct switchdev_port) { .no = hal_port->no, .ifindex = hal_port->ifindex,
                                      .down = hal_port->config & PORT_CONFIG_DOWN };
    memcpy(port->name, hal_port->name, sizeof port->name);
    int result = switchdev_port_follow(d, port, &err);
    if (result) {
        snprintf(error, HAL_ERROR_SIZE, "%s: %.220s", port->name, err.text);
        forget_port(d, port);
    }
    return !result || result == -ENODEV || result == -EBUSY ? result : -EOPNOTSUPP;
}

int
switchdev_port_change(void *device, const struct hal_port *hal_port, char *error)
{
    struct switchdev *d = device;
    struct switchdev_port *port = switchdev_port_find(d, hal_port->no);
    struct errmsg err;
    bool down = hal_port->config & PORT_CONFIG_DOWN;
    (void) error;
    if (!port || (port->down == down && port->ifindex == hal_port->ifindex)) {
        return 0;
    }
    if (port->ifindex != hal_port->ifindex) {
        port->joined = false;        /* what was in the bridge is gone */
    }
    port->ifindex = hal_port->ifindex;
    port->down = down;
    if (switchdev_port_follow(d, port, &err)) {     /* then nothing of it is forwarded by the chip */
        d->host->log(d->host, LOG_WARNING, "%s: %s; its flows stay in software", port->name, err.text);
    }
    return 0;
}

void
switchdev_port_del(void *device, uint16_t no)
{
    struct switchdev *d = device;
    struct switchdev_port *port = switchdev_port_find(d, no);
    if (port) {
        leave(d, port);
        switchdev_settle_all(d);     /* entries that lead there go by its name */
        forget_port(d, port);
    }
}

/* For all ports it may run beside another op: then nothing but the ports' places is touched. */
int
switchdev_fence(void *device, uint16_t no, bool on)
{
    struct switchdev *d = device;
    struct errmsg err;
    int result = 0;
    if (!no && on) {
        return switchdev_fence_all(d);
    }
    switchdev_leaving_end(d);
    for (unsigned i = 0; i < d->n_ports; i++) {
        if (!no || d->ports[i].no == no) {
            d->ports[i].fenced = on;
            result = switchdev_port_follow(d, &d->ports[i], &err) ? -EIO : result;
        }
    }
    return result;
}
