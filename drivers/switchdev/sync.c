/* SPDX-License-Identifier: Apache-2.0 */
/* How far the chip is. The kernel tells it of entries later, by a queue, and of a deletion there is
 * nothing to be read back. But the queue is in order: so a sentinel, an entry for an address that
 * nobody has, is added behind deletions, and once the chip has it they are done. */
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <syslog.h>

#include "drivers/switchdev/device.h"

/* Locally administered, with "TN" in it. */
static const uint8_t sentinel_prefix[] = { 0x06, 0x54, 0x4e };

static uint64_t
now_ms(const struct switchdev *d)
{
    return d->host->clock_ms(d->host);
}

bool
switchdev_is_sentinel(const struct switchdev *d, const struct switchdev_fdb *f)
{
    return f->vid == d->options.membership.pvid
           && !memcmp(f->addr, sentinel_prefix, sizeof sentinel_prefix);
}

bool
switchdev_sync_begin(struct switchdev *d)
{
    uint16_t ports[SWITCHDEV_MAX_PORTS];
    struct errmsg err;
    d->must_sync = false;
    if (!switchdev_joined(d, ports)) {
        return false;                /* a bridge without ports forwards nothing */
    }
    d->sentinel = (struct switchdev_fdb) { .vid = d->options.membership.pvid,
                                           .ifindex = switchdev_port_find(d, ports[0])->ifindex };
    memcpy(d->sentinel.addr, sentinel_prefix, sizeof sentinel_prefix);
    d->sync_deadline_ms = now_ms(d) + SWITCHDEV_SYNC_MS;
    if (getrandom(d->sentinel.addr + 3, 3, GRND_NONBLOCK) != 3) {
        memcpy(d->sentinel.addr + 3, &d->sync_deadline_ms, 3);
    }
    d->syncing = !switchdev_fdb_add(&d->sentinel, &err);
    if (!d->syncing) {
        d->host->log(d->host, LOG_WARNING, "%s: it can't be asked how far it is: %s",
                     d->bridge.name, err.text);
        d->sync_deadline_ms = 0;
        d->syncing = true;           /* it is over at once, and has failed */
    }
    return true;
}

int
switchdev_sync_poll(struct switchdev *d)
{
    struct switchdev_fdb f;
    struct errmsg err;
    bool done = !switchdev_fdb_get(d->bridge.ifindex, d->sentinel.addr, d->sentinel.vid, &f, &err)
                && f.offloaded;
    if (!done && now_ms(d) < d->sync_deadline_ms) {
        return 0;
    }
    switchdev_fdb_del(&d->sentinel, &err);
    d->syncing = false;
    return done ? 1 : -EIO;
}
