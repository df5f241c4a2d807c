/* SPDX-License-Identifier: Apache-2.0 */
/* Drivers, built in and loaded, and their devices. */
#include <config.h>    /* _GNU_SOURCE, for dladdr1() */

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>

#include "hal/contract.h"
#include "hal/internal.h"

/* --- drivers --------------------------------------------------------------------------- */

static int
add_driver(struct hal *hal, const struct hal_driver *driver, const char *from, char *error)
{
    int result = contract_check_driver(driver, from, error);
    if (result) {
        return result;
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

int
hal_add_driver(struct hal *hal, const struct hal_driver *driver, char *error)
{
    return add_driver(hal, driver, "a built-in driver", error);
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

/* What a shared object has at 'turnout_driver', NULL and *error: not what this program's
 * headers say. While the ABI has no number of its own, the size tells other headers. */
static const struct hal_driver *
find_symbol(void *object, const char *path, char *error)
{
    Dl_info info;
    const ElfW(Sym) *symbol = NULL;
    const struct hal_driver *driver = dlsym(object, "turnout_driver");
    if (!driver) {
        snprintf(error, HAL_ERROR_SIZE, "%.160s: no symbol 'turnout_driver': not a driver of Turnout", path);
        return NULL;
    }
    bool known = dladdr1(driver, &info, (void **) &symbol, RTLD_DL_SYMENT) && symbol;
    if (known && symbol->st_size != sizeof *driver) {
        snprintf(error, HAL_ERROR_SIZE, "%.160s: its turnout_driver has %zu bytes, not %zu: it was built "
                 "with the headers of another version", path, (size_t) symbol->st_size, sizeof *driver);
        return NULL;
    }
    return driver;
}

int
hal_load_driver(struct hal *hal, const char *path, char *error)
{
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!object) {
        snprintf(error, HAL_ERROR_SIZE, "%s", dlerror());
        return -ENOENT;
    }
    const struct hal_driver *driver = find_symbol(object, path, error);
    int result = driver ? add_driver(hal, driver, path, error) : -ENOEXEC;
    if (result) {
        dlclose(object);
    } else {
        hal->loaded[hal->n_drivers - 1] = object;
    }
    return result;
}

/* --- devices ----------------------------------------------------------------------------- */

bool
device_free(struct hal_device *device, bool keep)
{
    if (!device_fini(device, keep)) {
        return false;
    }
    free(device->heard.completions);
    free(device->urgent.at);
    free(device->normal.at);
    free(device->slots);
    free(device->held);
    free(device->options);
    free(device);
    return true;
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

int
device_probe(struct hal_device *device, char *error)
{
    struct hal_call call = call_probe();
    if (!device_call(device, device->threaded ? HAL_OP_MS : HAL_PROBE_MS, &call)) {
        snprintf(error, HAL_ERROR_SIZE, "%.*s", HAL_ERROR_SIZE - 1, call.error);
        return -ETIMEDOUT;
    }
    int result = call.result;
    if (result) {
        snprintf(error, HAL_ERROR_SIZE, "it can't tell what it can do: %s",
                 strerror(contract_error_is_possible(result) ? -result : EPROTO));
        return contract_error_is_possible(result) ? result : -EPROTO;
    }
    result = contract_check_caps(&call.caps, error);
    device->caps = result ? device->caps : call.caps;
    return result;
}

static int
open_device(struct hal_device *device, char *error)
{
    struct hal *hal = device->hal;
    struct hal_open open = { device->options, &device->host, hal->config.n_workers,
                             hal->config.stepped, hal->config.state_dir,
                             hal->config.read_only };
    if (hal->config.read_only && !device->driver->reads_only) {
        snprintf(error, HAL_ERROR_SIZE, "the driver can't open its device only to look");
        return -EOPNOTSUPP;
    }
    if (contract_check_options(device->driver, device->options, error)) {
        return -EINVAL;
    }
    struct hal_call call = call_open(&open);
    bool over = device_call(device, HAL_OPEN_MS, &call);
    snprintf(error, HAL_ERROR_SIZE, "%.*s", HAL_ERROR_SIZE - 1, call.error);
    device->state = over ? call.state : NULL;
    if (!device->state) {
        return over ? -EINVAL : -ETIMEDOUT;
    }
    int result = device_probe(device, error);
    return result ? result : device_start(device);
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
hal_owns_link(const struct hal_bridge *bridge, int ifindex)
{
    const struct hal *hal = bridge->hal;
    bool owns = false;
    for (unsigned i = 0; !owns && i < hal->n_devices; i++) {
        const struct hal_device *device = hal->devices[i];
        owns = device->driver->owns_link && !device->gone
               && device->driver->owns_link(device->state, ifindex);
    }
    return owns;
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
    if (atomic_load_explicit(&device->bypassed, memory_order_relaxed)) {
        memset(miss, true, n * sizeof *miss);
    } else {
        device->driver->process(device->state, port, packets, n, miss, out);
    }
}

int
hal_fault(struct hal_device *device, const char *what, char *error)
{
    if (!device->driver->fault) {
        snprintf(error, HAL_ERROR_SIZE, "driver '%s' has no faults on demand", device->driver->name);
        return -EOPNOTSUPP;
    }
    if (!device_enter(device, HAL_OP_MS, error)) {
        return -EBUSY;
    }
    struct hal_call call = call_fault(what);
    if (!device_call(device, HAL_OP_MS, &call)) {
        engine_fence(device, HAL_REASON_DEVICE_MUTE, call.error);
        snprintf(error, HAL_ERROR_SIZE, "%s", call.error);
        return -EBUSY;
    }
    device_leave(device);
    if (call.result) {
        snprintf(error, HAL_ERROR_SIZE, "%s", call.error);
    }
    return call.result;
}
