/* SPDX-License-Identifier: Apache-2.0 */
/* What drivers of tests and benchmarks have in common: ops of a device that has nothing to do. It needs the
 * HAL's driver header alone, so shared objects may have it, too. */
#ifndef TESTS_UNIT_IDLE_DRIVER_H
#define TESTS_UNIT_IDLE_DRIVER_H 1

#include <string.h>

#include "hal/driver.h"

static inline void
idle_close(void *device, bool keep)
{
    (void) device;
    (void) keep;
}

/* Also for port_change. */
static inline int
idle_port_add(void *device, const struct hal_port *port, char *error)
{
    (void) device;
    (void) port;
    (void) error;
    return 0;
}

static inline void
idle_port_del(void *device, uint16_t port)
{
    (void) device;
    (void) port;
}

static inline int
idle_fence(void *device, uint16_t port, bool on)
{
    (void) device;
    (void) port;
    (void) on;
    return 0;
}

/* Nothing was counted. */
static inline int
idle_stats(void *device, const uint64_t *cookies, const uint64_t *handles, size_t n,
           struct hal_counters *out)
{
    (void) device;
    (void) cookies;
    (void) handles;
    memset(out, 0, n * sizeof *out);
    return 0;
}

/* Nothing is there. */
static inline int
idle_dump(void *device, uint64_t *position, bool (*visit)(const struct hal_dumped *, void *aux),
          void *aux)
{
    (void) device;
    (void) position;
    (void) visit;
    (void) aux;
    return 0;
}

static inline int
idle_flush(void *device)
{
    (void) device;
    return 0;
}

#endif /* tests/unit/idle_driver.h */
