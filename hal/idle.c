/* SPDX-License-Identifier: Apache-2.0 */
/* Entries that their devices do not use: a device says that it has an entry, counts nothing for it,
 * and the packets come up to software all the same. Nothing in a dump tells of that; the packets do.
 *
 * An offer that comes of packets, of a flow whose entry is in its device and has been for a while,
 * makes the entry a suspect. It is idle if so many more offers follow, and what the device counts,
 * as of well after the first of them, is what it was then. One packet that is counted clears it. So
 * packets that were on their way when the entry came, and flows of which software gets some packets
 * for a reason, are not mistaken; nor are devices whose counters are late, as far as they say so.
 *
 * Control thread. */
#include <stdlib.h>

#include "hal/internal.h"
#include "lib/clock.h"
#include "lib/counters.h"
#include "lib/log.h"

LOG_MODULE(hal_idle);

enum {
    SUSPECTS = 4096,
    SETTLE_MS = 500,             /* so long after it came it is no suspect */
    WATCH_MS = 1000,             /* so long it counts nothing, besides the lag of its counters */
    STALE_MS = 5000,             /* nobody offers it any more */
    OFFERS = 4,
};

struct hal_suspect {
    uint64_t cookie;             /* 0: free */
    uint64_t packets;            /* counted when it became one */
    uint32_t since_ms, last_ms;  /* the first and the last offer */
    uint32_t n;
};

void
idle_fini(struct hal *hal)
{
    free(hal->suspects);
    hal->suspects = NULL;
}

static bool
may_be_idle(const struct hal *hal, const struct entry *e, uint32_t now_ms)
{
    const struct hal_device *device = hal->devices[e->device];
    return e->has && e->has == e->wanted && !device->fenced && !device->gone
           && !(e->flags & (ENTRY_IN_FLIGHT | ENTRY_QUEUED | ENTRY_LIMBO | ENTRY_UNKNOWN | ENTRY_ADOPT))
           && device->caps.table[e->table].counters != HAL_COUNT_NONE
           && now_ms - e->created_ms >= SETTLE_MS;
}

void
idle_offered(struct hal *hal, uint32_t index)
{
    const struct entry *e = entry_at(hal->store, index);
    uint32_t now_ms = (uint32_t) clock_ms();
    uint64_t cookie = hal_cookie(hal, index);
    if (!may_be_idle(hal, e, now_ms)) {
        return;
    }
    hal->suspects = hal->suspects ? hal->suspects : calloc(SUSPECTS, sizeof *hal->suspects);
    struct hal_suspect *s = hal->suspects ? &hal->suspects[index % SUSPECTS] : NULL;
    if (!s || (s->cookie && s->cookie != cookie && now_ms - s->last_ms <= STALE_MS)) {
        return;                      /* another one is watched; the next offer tries again */
    }
    if (s->cookie != cookie || s->packets != e->packets || now_ms - s->last_ms > STALE_MS) {
        *s = (struct hal_suspect) { .cookie = cookie, .packets = e->packets, .since_ms = now_ms };
    }
    s->last_ms = now_ms;
    s->n++;
}

static void
take_out(struct hal *hal, uint32_t index, uint32_t now_ms)
{
    static struct log_limit limit;
    const struct entry *e = entry_at(hal->store, index);
    const struct hal_device *device = hal->devices[e->device];
    counter_inc(COUNTER_hal_idle);
    log_warn_limited(&limit, "bridge %s: %s has had an entry for %u ms and does not use it: its packets "
                     "come to software; it is taken out, and tried again after %d s",
                     hal->bridges[e->bridge]->name, device->driver->name, now_ms - e->created_ms,
                     HAL_IDLE_RETRY_MS / 1000);
    engine_want_nothing(hal, index, HAL_REASON_IDLE);
}

bool
idle_counted(struct hal *hal, uint32_t index, uint64_t now_ms)
{
    const struct entry *e = entry_at(hal->store, index);
    struct hal_suspect *s = hal->suspects ? &hal->suspects[index % SUSPECTS] : NULL;
    uint32_t now = (uint32_t) now_ms;
    if (!s || s->cookie != hal_cookie(hal, index)) {
        return false;
    }
    if (s->packets != e->packets || now - s->last_ms > STALE_MS || !may_be_idle(hal, e, now)) {
        s->cookie = 0;
        return false;
    }
    uint32_t lag_ms = hal->devices[e->device]->caps.table[e->table].counter_lag_ms;
    if (s->n >= OFFERS && now - s->since_ms >= lag_ms + WATCH_MS) {
        s->cookie = 0;
        take_out(hal, index, now);
    }
    return true;
}

void
idle_is_out(struct hal *hal, uint32_t index)
{
    struct entry *e = entry_at(hal->store, index);
    struct hal_verdict verdict = { .reason = HAL_REASON_IDLE, .field = HAL_OBJECT_NONE,
                                   .action = HAL_OBJECT_NONE };
    engine_set_verdict(hal, e, &verdict);
    e->reason = HAL_REASON_IDLE;
    e->used_ms = (uint32_t) clock_ms();
}
