/* SPDX-License-Identifier: Apache-2.0 */
#include "hal/hal.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "hal/internal.h"
#include "lib/clock.h"
#include "lib/counters.h"
#include "lib/hash.h"
#include "lib/log.h"

LOG_MODULE(hal);

void
hal_wake(struct hal *hal)
{
    uint64_t one = 1;
    if (write(hal->event_fd, &one, sizeof one) < 0) {
        return;                      /* full: it is readable */
    }
}

int
hal_fd(const struct hal *hal)
{
    return hal->event_fd;
}

struct hal *
hal_new(const struct hal_config *config)
{
    struct hal *hal = calloc(1, sizeof *hal);
    if (!hal) {
        return NULL;
    }
    hal->config = *config;
    hal->store = entry_store_new(config->stepped ? 1 : hash_seed());
    hal->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    hal->random = config->stepped ? 1 : hash_seed();
    hal->boot = config->stepped ? 1 : (uint16_t) (hash_seed() | 1);
    hal->moves_left = config->max_moves_per_s;
    if (!hal->store || hal->event_fd < 0 || !accounts_init(hal)) {
        hal_free(hal, false);
        return NULL;
    }
    return hal;
}

/* --- steps ------------------------------------------------------------------------------------ */

static void
device_is_gone(struct hal_device *device, const char *why)
{
    device->gone = true;
    engine_fence(device, HAL_REASON_DEVICE_GONE, why);
}

static void
handle_events(struct hal_device *device, const struct hal_said *said)
{
    if (said->lost) {
        engine_fence(device, HAL_REASON_NO_MEMORY, "no memory for what it said");
    }
    if (said->broken[0]) {
        counter_inc(COUNTER_hal_contract);
        engine_fence(device, HAL_REASON_DRIVER_FAULT, said->broken);
    }
    if (said->events >> HAL_EVENT_GONE & 1) {
        device_is_gone(device, said->why);
    } else if (said->events >> HAL_EVENT_RESET & 1) {
        log_warn("%s: it was reset: %s", device->driver->name, said->why);
        engine_reset(device);
    } else if (said->events >> HAL_EVENT_LOST & 1) {
        log_warn("%s: entries may be lost: %s", device->driver->name, said->why);
        audit_losses(device);
    }
    if (said->events >> HAL_EVENT_CAPS & 1 && !device->gone && !device->fenced) {
        engine_probe_again(device);
    }
}

/* True if something was done. */
static bool
listen_to(struct hal_device *device)
{
    struct hal_job *jobs;
    struct hal_said *said = &device->heard;
    device_listen(device, said, &jobs);
    for (size_t i = 0; i < said->n && !device->fenced; i++) {
        engine_complete(device, &said->completions[i]);
    }
    handle_events(device, said);
    bool any = said->n || jobs || said->events & ~(1u << HAL_EVENT_AGAIN);
    said->n = 0;
    for (struct hal_job *next; jobs; jobs = next) {
        next = jobs->next;
        jobs->done(jobs, device);
    }
    engine_pump(device);
    return any;
}

static void
tick(struct hal *hal, uint64_t now_ms)
{
    if (now_ms - hal->moves_ms >= 1000) {
        hal->moves_ms = now_ms;
        hal->moves_left = hal->config.max_moves_per_s;
    }
    for (unsigned i = 0; i < hal->n_devices; i++) {
        struct hal_device *device = hal->devices[i];
        engine_check_mute(device, now_ms);
        ledger_tick(device);
        port_counters_tick(device);
        audit_tick(device, now_ms);
    }
    limbo_tick(hal, now_ms);
    for (unsigned i = 0; i < HAL_MAX_BRIDGES; i++) {
        if (hal->bridges[i] && hal->bridges[i]->is_gone && !bridge_has_entries(hal, i)) {
            free(hal->bridges[i]);
            hal->bridges[i] = NULL;
        }
    }
}

int
hal_step(struct hal *hal)
{
    uint64_t ignored;
    if (read(hal->event_fd, &ignored, sizeof ignored) < 0) {
        ignored = 0;                 /* it was not readable: the clock called */
    }
    int again = -1;
    for (unsigned i = 0; i < hal->n_devices; i++) {
        engine_pump(hal->devices[i]);
        int ms = hal->config.stepped ? device_work(hal->devices[i]) : -1;
        again = ms >= 0 && (again < 0 || ms < again) ? ms : again;
        if (listen_to(hal->devices[i]) && hal->config.stepped) {
            again = 0;
        }
        again = hal->devices[i]->n_held && again != 0 ? 1 : again;
    }
    uint64_t now_ms = clock_ms();    /* not before what this step sent */
    if (now_ms - hal->tick_ms >= HAL_TICK_MS) {
        hal->tick_ms = now_ms;
        tick(hal, now_ms);
    }
    bool busy = entry_count(hal->store) > 0;
    return again >= 0 && again < HAL_TICK_MS ? again : busy ? HAL_TICK_MS : again;
}

void
hal_keep_while_used(struct hal *hal, uint32_t ms)
{
    hal->keep_used_ms = ms;
}

void
hal_hold(struct hal *hal)
{
    hal->held = true;
}

void
hal_free(struct hal *hal, bool keep)
{
    if (!hal) {
        return;
    }
    for (unsigned i = 0; i < hal->n_devices; i++) {
        struct hal_device *device = hal->devices[i];
        if (!keep && !hal->config.read_only && !device->gone && device_enter(device, HAL_OP_MS, NULL)) {
            struct hal_call flush = call_flush();
            if (device_call(device, HAL_OP_MS, &flush)) {
                device_leave(device);
            } else {
                log_error("%s: %s; its entries stay", device->driver->name, flush.error);
            }
        }
        hal->hung |= !device_free(device, keep);
    }
    if (hal->hung) {
        return;                      /* the driver may still look at all that it was given */
    }
    accounts_fini(hal);
    whole_fini(hal);
    idle_fini(hal);
    for (unsigned i = 0; i < HAL_MAX_BRIDGES; i++) {
        if (hal->bridges[i]) {
            free(hal->bridges[i]->ports);
            free(hal->bridges[i]);
        }
    }
    for (unsigned i = 0; i < hal->n_drivers; i++) {
        if (hal->loaded[i]) {
            dlclose(hal->loaded[i]);
        }
    }
    entry_store_free(hal->store);
    free(hal->verdicts);
    if (hal->event_fd >= 0) {
        close(hal->event_fd);
    }
    free(hal);
}
