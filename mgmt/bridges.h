/* SPDX-License-Identifier: Apache-2.0 */
/* The bridges that run, and how they are made to be what a configuration says.
 *
 * A configuration is applied as its difference from the one before: what both have is not
 * touched, so a port that was added by hand stays and no controller is cut off by an
 * unrelated change. Control thread. */
#ifndef MGMT_BRIDGES_H
#define MGMT_BRIDGES_H 1

#include "mgmt/config.h"

struct event_base;
struct bridges;
struct hardware;
struct lockstep;
struct tls;

struct bridge {
    char name[PORT_NAME_SIZE];
    struct agent *agent;
    struct flow_walk *walks;       /* clients that are listing its flows */
    struct restore *restores;      /* clients that stage flows for it */
    struct policy_walk *policy_walk;       /* flows are being offered; NULL: no */
    struct bridge *next;
};

struct bridges_env {
    struct event_base *base;
    struct dp *dp;
    struct lockstep *lockstep;     /* for who waits for each barrier; NULL: the loop sleeps */
    struct tls *tls;               /* for targets with TLS; NULL: there are none */
    struct hardware *hardware;     /* NULL: no drivers */
    const char *rundir;            /* for BRIDGE.mgmt, BRIDGE.snoop; NULL: none */
    enum pktio_kind local_kind;    /* PKTIO_TAP, in tests PKTIO_MEMORY */
    enum pktio_kind port_kind;     /* PKTIO_AFPACKET, in tests PKTIO_MEMORY */
};

/* None yet; 'env' is copied. NULL without memory. */
struct bridges *bridges_new(const struct bridges_env *);
/* Removes every bridge with its ports and sockets. */
void bridges_free(struct bridges *);

/* Makes the bridges what 'new' says, where that differs from 'old' (NULL: there was
 * nothing). What can't be done is logged, unless this is the start, and taken out of
 * 'new', so that the next call tries it again; the rest is done. A device that does not
 * exist gets its port, and a warning.
 *
 * Returns how many things failed; *err is about the first. */
unsigned bridges_apply(struct bridges *, const struct config *old, struct config *new,
                       struct errmsg *err);

struct event_base *bridges_event_base(const struct bridges *);
struct bridge *bridges_first(const struct bridges *);
/* The bridge of that name; with NULL the only one. NULL and *err, which lists them, if
 * there is none or no only one. */
struct bridge *bridges_find(const struct bridges *, const char *name, struct errmsg *err);

/* Adds a device, as dp_port_add() does, once what was undone before has been; its flows may go
 * into the device of 'driver' ("": of none). 0 or -errno; then there is no port. */
int bridge_add_port(struct bridges *, struct bridge *, const char *device, uint16_t number,
                    const char *driver, uint16_t *port_no, struct errmsg *err);

#endif /* mgmt/bridges.h */
