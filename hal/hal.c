/* SPDX-License-Identifier: Apache-2.0 */
#include "hal/hal.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
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
    hal->store = entry_store_new();
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

/* --- drivers --------------------------------------------------------------------------- */

int
hal_add_driver(struct hal *hal, const struct hal_driver *driver, char *error)
{
    if (driver->abi != HAL_DRIVER_ABI) {
        snprintf(error, HAL_ERROR_SIZE, "driver '%.32s' has ABI %u, this program has %u", driver->name,
                 driver->abi, HAL_DRIVER_ABI);
        return -EPROTO;
    }
    if (hal_find_driver(hal, driver->name)) {
        snprintf(error, HAL_ERROR_SIZE, "there is a driver '%.32s' already", driver->name);
        return -EEXIST;
    }
    if (hal->n_drivers == HAL_MAX_DEVICES) {
        snprintf(error, HAL_ERROR_SIZE, "too many drivers, at most %d", HAL_MAX_DEVICES);
        return -ENOSPC;
    }
    hal->drivers[hal->n_drivers++] = driver;
    return 0;
}

const struct hal_driver *
hal_find_driver(const struct hal *hal, const char *name)
{
    for (unsigned i = 0; i < hal->n_drivers; i++) {
        if (!strcmp(hal->drivers[i]->name, name)) {
            return hal->drivers[i];
        }
    }
    return NULL;
}

void
hal_visit_drivers(const struct hal *hal, void (*visit)(const struct hal_driver *, void *), void *aux)
{
    for (unsigned i = 0; i < hal->n_drivers; i++) {
        visit(hal->drivers[i], aux);
    }
}

int
hal_load_driver(struct hal *hal, const char *path, char *error)
{
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!object) {
        snprintf(error, HAL_ERROR_SIZE, "%s", dlerror());
        return -ENOENT;
    }
    const struct hal_driver *driver = dlsym(object, "turnout_driver");
    int result = -ENOEXEC;
    if (!driver) {
        snprintf(error, HAL_ERROR_SIZE, "%s: no symbol 'turnout_driver': not a driver of Turnout", path);
    } else {
        result = hal_add_driver(hal, driver, error);
    }
    if (result) {
        dlclose(object);
    } else {
        hal->loaded[hal->n_drivers - 1] = object;
    }
    return result;
}

/* --- devices ----------------------------------------------------------------------------- */

static void
device_free(struct hal_device *device, bool keep)
{
    device_fini(device);
    if (device->state) {
        device->driver->close(device->state, keep);
    }
    free(device->heard.completions);
    free(device->urgent.at);
    free(device->normal.at);
    free(device->slots);
    free(device->options);
    free(device);
}

static const char *
names_of_drivers(const struct hal *hal, char *names, size_t size)
{
    size_t used = 0;
    names[0] = '\0';
    for (unsigned i = 0; i < hal->n_drivers && used < size; i++) {
        used += (size_t) snprintf(names + used, size - used, "%s%s", i ? ", " : "",
                                  hal->drivers[i]->name);
    }
    return hal->n_drivers ? names : "none";
}

static struct hal_device *
device_new(struct hal *hal, const struct hal_driver *driver, const char *options)
{
    struct hal_device *device = calloc(1, sizeof *device);
    if (!device) {
        return NULL;
    }
    device->hal = hal;
    device->driver = driver;
    device->index = (uint8_t) hal->n_devices;
    device->options = strdup(options);
    device->slots = calloc(HAL_WINDOW, sizeof *device->slots);
    device_init(device);
    for (uint16_t i = 0; device->slots && i < HAL_WINDOW; i++) {
        device->slots[i].order = i;
    }
    if (!device->options || !device->slots) {
        device_free(device, false);
        return NULL;
    }
    return device;
}

static int
open_device(struct hal_device *device, char *error)
{
    struct hal *hal = device->hal;
    struct hal_open open = { device->options, &device->host, hal->config.n_workers,
                             hal->config.stepped, hal->config.state_dir };
    snprintf(error, HAL_ERROR_SIZE, "it did not say why");
    device->state = device->driver->open(&open, error);
    if (!device->state) {
        return -EINVAL;
    }
    int result = device->driver->probe(device->state, &device->caps);
    if (result) {
        snprintf(error, HAL_ERROR_SIZE, "it can't tell what it can do: %s", strerror(-result));
        return result;
    }
    if (device->caps.n_tables > HAL_MAX_TABLES) {
        snprintf(error, HAL_ERROR_SIZE, "it says it has %u tables, at most %d are known",
                 device->caps.n_tables, HAL_MAX_TABLES);
        return -EPROTO;
    }
    return device_start(device);
}

int
hal_device_open(struct hal *hal, const char *name, struct hal_device **opened, char *error)
{
    char driver_name[64], names[128];
    size_t length = strcspn(name, ":");
    snprintf(driver_name, sizeof driver_name, "%.*s", (int) (length < 60 ? length : 60), name);
    const struct hal_driver *driver = hal_find_driver(hal, driver_name);
    if (!driver) {
        snprintf(error, HAL_ERROR_SIZE, "unknown driver '%.40s'; valid: %.120s", driver_name,
                 names_of_drivers(hal, names, sizeof names));
        return -ENOENT;
    }
    if (hal_device_find(hal, driver_name) || hal->n_devices == HAL_MAX_DEVICES) {
        snprintf(error, HAL_ERROR_SIZE, "driver '%.40s' has a device already", driver_name);
        return -EEXIST;
    }
    struct hal_device *device = device_new(hal, driver, name[length] ? name + length + 1 : "");
    if (!device) {
        snprintf(error, HAL_ERROR_SIZE, "no memory");
        return -ENOMEM;
    }
    int result = open_device(device, error);
    if (result) {
        device_free(device, false);
        return result;
    }
    hal->devices[hal->n_devices++] = device;
    *opened = device;
    return 0;
}

struct hal_device *
hal_device_find(const struct hal *hal, const char *driver)
{
    for (unsigned i = 0; i < hal->n_devices; i++) {
        if (!strcmp(hal->devices[i]->driver->name, driver)) {
            return hal->devices[i];
        }
    }
    return NULL;
}

bool
hal_device_in_path(const struct hal_device *device)
{
    return device->driver->process != NULL;
}

void
hal_process(struct hal_device *device, uint16_t port, struct hal_packet packets[], size_t n,
            bool miss[], struct hal_packet_out *out)
{
    device->driver->process(device->state, port, packets, n, miss, out);
}

int
hal_fault(struct hal_device *device, const char *what, char *error)
{
    if (!device->driver->fault) {
        snprintf(error, HAL_ERROR_SIZE, "driver '%s' has no faults on demand", device->driver->name);
        return -EOPNOTSUPP;
    }
    pthread_mutex_lock(&device->op);
    int result = device->driver->fault(device->state, what, error);
    pthread_mutex_unlock(&device->op);
    return result;
}

/* --- bridges and ports ---------------------------------------------------------------------- */

struct hal_bridge *
hal_bridge_new(struct hal *hal, const char *name, const struct hal_source *source, void *aux)
{
    uint16_t id = 0;
    while (id < HAL_MAX_BRIDGES && hal->bridges[id]) {
        id++;
    }
    struct hal_bridge *bridge = id < HAL_MAX_BRIDGES ? calloc(1, sizeof *bridge) : NULL;
    if (bridge) {
        bridge->hal = hal;
        bridge->id = id;
        snprintf(bridge->name, sizeof bridge->name, "%s", name);
        bridge->source = source;
        bridge->aux = aux;
        hal->bridges[id] = bridge;
    }
    return bridge;
}

struct hal_port_rec *
bridge_port(const struct hal_bridge *bridge, uint16_t no)
{
    unsigned low = 0, high = bridge->n_ports;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (bridge->ports[middle].port.no < no) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < bridge->n_ports && bridge->ports[low].port.no == no ? &bridge->ports[low] : NULL;
}

static bool
insert_port(struct hal_bridge *bridge, struct hal_device *device, const struct hal_port *port)
{
    if (bridge->n_ports == bridge->max_ports) {
        unsigned max = bridge->max_ports ? bridge->max_ports * 2 : 8;
        void *more = realloc(bridge->ports, max * sizeof *bridge->ports);
        if (!more) {
            return false;
        }
        bridge->ports = more;
        bridge->max_ports = max;
    }
    unsigned at = bridge->n_ports++;
    while (at && bridge->ports[at - 1].port.no > port->no) {
        bridge->ports[at] = bridge->ports[at - 1];
        at--;
    }
    bridge->ports[at] = (struct hal_port_rec) { bridge, *port, device };
    return true;
}

int
hal_port_add(struct hal_bridge *bridge, struct hal_device *device, const struct hal_port *port,
             char *error)
{
    if (bridge_port(bridge, port->no)) {
        snprintf(error, HAL_ERROR_SIZE, "port %u is there already", port->no);
        return -EEXIST;
    }
    snprintf(error, HAL_ERROR_SIZE, "the driver did not say why");
    pthread_mutex_lock(&device->op);
    int result = device->driver->port_add(device->state, port, error);
    pthread_mutex_unlock(&device->op);
    if (!result && !insert_port(bridge, device, port)) {
        pthread_mutex_lock(&device->op);
        device->driver->port_del(device->state, port->no);
        pthread_mutex_unlock(&device->op);
        snprintf(error, HAL_ERROR_SIZE, "no memory");
        result = -ENOMEM;
    }
    return result;
}

void
hal_port_del(struct hal_bridge *bridge, uint16_t no)
{
    struct hal_port_rec *rec = bridge_port(bridge, no);
    if (!rec) {
        return;
    }
    struct hal_device *device = rec->device;
    struct hal_port port = rec->port;
    port.config |= PORT_CONFIG_DOWN;
    unsigned at = (unsigned) (rec - bridge->ports);
    memmove(rec, rec + 1, (bridge->n_ports - at - 1) * sizeof *rec);
    bridge->n_ports--;
    pthread_mutex_lock(&device->op);
    device->driver->port_del(device->state, no);
    pthread_mutex_unlock(&device->op);
    hal_changed_port(bridge, &port);
}

struct hal_device *
hal_port_device(const struct hal_bridge *bridge, uint16_t port)
{
    const struct hal_port_rec *rec = bridge_port(bridge, port);
    return rec ? rec->device : NULL;
}

static bool
no_derivation(void *aux, const struct flow_key *key, struct hal_derivation *d)
{
    (void) aux;
    (void) key;
    (void) d;
    return false;
}

static void
no_credit(void *aux, void *owner, uint64_t packets, uint64_t bytes, uint64_t used_ms)
{
    (void) aux;
    (void) owner;
    (void) packets;
    (void) bytes;
    (void) used_ms;
}

static void
no_port_failed(void *aux, uint16_t port, const char *why)
{
    (void) aux;
    (void) port;
    (void) why;
}

void
hal_bridge_free(struct hal_bridge *bridge)
{
    static const struct hal_source nobody = { .derive = no_derivation, .credit = no_credit,
                                              .port_failed = no_port_failed };
    struct hal *hal = bridge->hal;
    bridge->source = &nobody;
    while (bridge->n_ports) {
        hal_port_del(bridge, bridge->ports[0].port.no);
    }
    for (uint32_t i = 1; i < entry_limit(hal->store); i++) {
        struct entry *e = entry_at(hal->store, i);
        if (e->flags & ENTRY_USED && e->bridge == bridge->id) {
            e->flags &= (uint16_t) ~(ENTRY_LIMBO | ENTRY_AGAIN | ENTRY_REFUSED);
            engine_want_nothing(hal, i, HAL_REASON_DEVICE_GONE);
        }
    }
    free(bridge->ports);
    bridge->ports = NULL;
    bridge->max_ports = 0;
    bridge->is_gone = true;          /* its last entries may still be on their way out */
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
    if (said->events >> HAL_EVENT_GONE & 1) {
        device_is_gone(device, said->why);
    } else if (said->events >> HAL_EVENT_RESET & 1) {
        log_warn("%s: it was reset: %s", device->driver->name, said->why);
        engine_reset(device);
    } else if (said->events >> HAL_EVENT_LOST & 1) {
        log_warn("%s: entries may be lost: %s", device->driver->name, said->why);
        audit_soon(device);
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
        if (!keep && !hal->devices[i]->gone) {
            pthread_mutex_lock(&hal->devices[i]->op);
            hal->devices[i]->driver->flush(hal->devices[i]->state);
            pthread_mutex_unlock(&hal->devices[i]->op);
        }
        device_free(hal->devices[i], keep);
    }
    accounts_fini(hal);
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
