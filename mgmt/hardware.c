/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/hardware.h"

#include <errno.h>
#include <event2/event.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/builtin.h"
#include "lib/cpulist.h"
#include "lib/log.h"
#include "mgmt/bridges.h"

LOG_MODULE(hardware);

struct hardware {
    struct hal *hal;
    struct event *timer;               /* looks for the first controller */
    struct bridges *bridges;
    bool keep;
    /* The audit that was asked for last. */
    bool auditing;
    int64_t n_differences;
    json_t *rows;
    json_t *(*row)(const char *kind, const struct hal_entry_info *);
};

static const struct timeval look_every = { .tv_usec = 250000 };

/* --- life --------------------------------------------------------------------------------- */

static unsigned
count_workers(const struct config *config)
{
    unsigned cpus[DP_MAX_WORKERS];
    struct errmsg err;
    int n = config->cpus ? cpulist_parse(config->cpus, cpus, DP_MAX_WORKERS, &err) : 1;
    return n > 0 ? (unsigned) n : 1;
}

/* Remembers the driver that was made known last. */
static void
take_last(const struct hal_driver *driver, void *last)
{
    *(const struct hal_driver **) last = driver;
}

static int
open_driver(struct hal *hal, const struct config_driver *driver, struct errmsg *err)
{
    char error[HAL_ERROR_SIZE] = "", text[1024];
    const char *name = driver->name;
    const struct hal_driver *loaded = NULL;
    struct hal_device *device;
    int result = driver->is_path ? hal_load_driver(hal, driver->name, error) : 0;
    if (!result && driver->is_path) {
        hal_visit_drivers(hal, take_last, &loaded);
        name = loaded->name;
    }
    if (!result) {
        snprintf(text, sizeof text, "%s%s%s", name, *driver->options ? ":" : "", driver->options);
        result = hal_device_open(hal, text, &device, error);
    }
    if (result) {
        errmsg_set(err, "driver %s: %s", driver->name, error);
        return result;
    }
    log_info("driver %s: its device is open", name);
    return 0;
}

static int
open_drivers(struct hal *hal, const struct config *config, struct errmsg *err)
{
    char error[HAL_ERROR_SIZE] = "";
    int result = 0;
    for (size_t i = 0; builtin_drivers[i] && !result; i++) {
        result = hal_add_driver(hal, builtin_drivers[i], error);
        if (result) {
            errmsg_set(err, "driver %s: %s", builtin_drivers[i]->name, error);
        }
    }
    for (size_t i = 0; i < config->n_drivers && !result; i++) {
        result = open_driver(hal, &config->drivers[i], err);
    }
    return result;
}

static void on_timer(evutil_socket_t, short, void *);

int
hardware_new(struct event_base *base, const struct config *config, struct hardware **out,
             struct errmsg *err)
{
    *out = NULL;
    if (!config->n_drivers) {
        return 0;
    }
    const struct hal_config hal_config = {
        .n_workers = count_workers(config),
        .state_dir = config->rundir,
        .restart_grace_ms = config->restart_grace_s * 1000,
        .promote_pps = HARDWARE_PROMOTE_PPS,
        .demote_pps = HARDWARE_DEMOTE_PPS,
        .max_moves_per_s = config->hw_moves,
    };
    struct hardware *hardware = calloc(1, sizeof *hardware);
    if (hardware) {
        hardware->keep = config->keep_on_exit;
        hardware->hal = hal_new(&hal_config);
        hardware->timer = event_new(base, -1, EV_PERSIST, on_timer, hardware);
    }
    if (!hardware || !hardware->hal || !hardware->timer) {
        errmsg_set(err, "drivers: no memory");
        hardware_free(hardware);
        return -ENOMEM;
    }
    int result = open_drivers(hardware->hal, config, err);
    if (result) {
        hardware->keep = true;         /* what was there before is not ours to remove yet */
        hardware_free(hardware);
        return result;
    }
    *out = hardware;
    return 0;
}

struct hal *
hardware_hal(const struct hardware *hardware)
{
    return hardware ? hardware->hal : NULL;
}

void
hardware_ending(struct hardware *hardware)
{
    if (hardware && hardware->keep) {
        hal_hold(hardware->hal);
    }
}

void
hardware_free(struct hardware *hardware)
{
    if (hardware) {
        if (hardware->timer) {
            event_free(hardware->timer);
        }
        hal_free(hardware->hal, hardware->keep);
        json_decref(hardware->rows);
        free(hardware);
    }
}

/* --- ports -------------------------------------------------------------------------------- */

int
hardware_set_port(struct hardware *hardware, struct dp_bridge *bridge, uint16_t port_no,
                  const char *driver, struct errmsg *err)
{
    if (!driver[0]) {
        return 0;
    }
    struct hal_device *device = hardware ? hal_device_find(hardware->hal, driver) : NULL;
    if (!device) {
        errmsg_set(err, "driver '%s' was not given when turnoutd was started (--driver)", driver);
        return -ENODEV;
    }
    return dp_port_set_device(bridge, port_no, device, err);
}

enum pktio_kind
hardware_port_kind(const struct hardware *hardware, const char *driver, enum pktio_kind usual)
{
    const struct hal_device *device = hardware && driver[0]
                                      ? hal_device_find(hardware->hal, driver) : NULL;
    bool behind = device && hal_device_caps(device)->misses_behind;
    return behind && usual == PKTIO_AFPACKET ? PKTIO_BEHIND : usual;
}

/* --- what is there from before ------------------------------------------------------------- */

/* True if limbo should end: a controller is there, or none is to come. */
static bool
is_claimed(const struct hardware *hardware)
{
    bool awaited = false;
    for (struct bridge *b = bridges_first(hardware->bridges); b; b = b->next) {
        struct agent_status status;
        agent_get_status(b->agent, &status);
        if (!strcmp(status.controllers, "live")) {
            return true;
        }
        awaited |= strcmp(status.controllers, "none") != 0;
    }
    return !awaited;
}

static void
on_timer(evutil_socket_t fd, short what, void *aux)
{
    struct hardware *hardware = aux;
    (void) fd;
    (void) what;
    if (is_claimed(hardware)) {
        hal_limbo_countdown(hardware->hal);
        event_del(hardware->timer);
    }
}

void
hardware_start(struct hardware *hardware, struct bridges *bridges)
{
    if (hardware) {
        hardware->bridges = bridges;
        hal_start(hardware->hal);
        event_add(hardware->timer, &look_every);
    }
}

/* --- audits --------------------------------------------------------------------------------- */

static void
take_difference(const char *kind, const char *device, const struct hal_entry_info *info, void *aux)
{
    struct hardware *hardware = aux;
    (void) device;
    if (json_array_size(hardware->rows) < HARDWARE_MAX_DIFFERENCES) {
        json_array_append_new(hardware->rows, hardware->row(kind, info));
    }
}

static void
audit_done(unsigned n, void *aux)
{
    struct hardware *hardware = aux;
    hardware->auditing = false;
    hardware->n_differences = n == UINT_MAX ? -1 : (int64_t) n;
}

int
hardware_audit(struct hardware *hardware, bool repair,
               json_t *(*row)(const char *kind, const struct hal_entry_info *), struct errmsg *err)
{
    if (hardware->auditing) {
        errmsg_set(err, "another audit is under way");
        return -EBUSY;
    }
    json_decref(hardware->rows);
    hardware->rows = json_array();
    hardware->row = row;
    hardware->auditing = true;
    hal_audit(hardware->hal, repair, take_difference, audit_done, hardware);
    return 0;
}

bool
hardware_audit_is_running(const struct hardware *hardware)
{
    return hardware->auditing;
}

int64_t
hardware_audit_differences(const struct hardware *hardware)
{
    return hardware->n_differences;
}

json_t *
hardware_audit_rows(const struct hardware *hardware)
{
    return hardware->rows;
}
