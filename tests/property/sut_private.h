/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the switch under test share. */
#ifndef TESTS_PROPERTY_SUT_PRIVATE_H
#define TESTS_PROPERTY_SUT_PRIVATE_H 1

#include "hal/internal.h"
#include "tests/property/sut_wire.h"
#include "tests/property/switch_under_test.h"

enum { TURNS_MAX = 5000 };

struct sut {
    struct event_base *base;
    struct dp *dp;
    struct agent *agent;
    struct hal *hal;           /* NULL: no offload */
    struct hal_device *device;
    struct sut_wire *wire;     /* NULL: the ports are in memory only */
    uint16_t n_ports;
    bool attached;             /* the product has the wire's devices */
    char dir[64], path[80], target[96];
    int fd;
    uint32_t fence;            /* xid of the last one */
    uint8_t *in;
    size_t have, scanned;      /* bytes received; whole messages up to here were looked at */
    size_t read, end;          /* what sut_next_message() gives */
};

/* What can't fail in a working test. */
void sut_check(bool ok, const char *what);
/* Opens the driver, with device_under_test.h around it. */
void sut_make_hal(struct sut *, const struct sut_config *);

#endif /* tests/property/sut_private.h */
