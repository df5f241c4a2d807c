/* SPDX-License-Identifier: Apache-2.0 */
/* How options, requests and lists call a port's configuration and its spanning tree state. */
#ifndef MGMT_PORT_FLAGS_H
#define MGMT_PORT_FLAGS_H 1

#include <stddef.h>
#include <stdint.h>

#include "lib/errmsg.h"
#include "turnout/port.h"

struct port_flag {
    uint32_t bit;                /* PORT_CONFIG_* */
    const char *name;
};

extern const struct port_flag port_flags[];
extern const size_t n_port_flags;

/* The bit of the flag of that name. 0, and *err lists the names, if there is none. */
uint32_t port_flag_find(const char *name, struct errmsg *err);

/* "listen", "learn", "forward", "block". */
const char *port_stp_state_name(enum port_stp_state);
/* 0 and *state, or -EINVAL. */
int port_stp_state_parse(const char *name, enum port_stp_state *state, struct errmsg *err);

#endif /* mgmt/port_flags.h */
