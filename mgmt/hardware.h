/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's HAL: the drivers that the configuration names, their devices, and what goes on
 * in them over time. Control thread. */
#ifndef MGMT_HARDWARE_H
#define MGMT_HARDWARE_H 1

#include <jansson.h>

#include "hal/hal.h"
#include "mgmt/config.h"

struct bridges;
struct event_base;
struct hardware;

/* A flow is worth an entry from the one on, and keeps it down to the other. */
enum { HARDWARE_PROMOTE_PPS = 100, HARDWARE_DEMOTE_PPS = 20 };

/* Loads the drivers and opens their devices. 0 and *out, which is NULL if there are none; or
 * -errno and *err, which names the driver. 'base' and 'config' must outlive it. */
int hardware_new(struct event_base *base, const struct config *config, struct hardware **out,
                 struct errmsg *err);
/* The datapath's; NULL for NULL. */
struct hal *hardware_hal(const struct hardware *);

/* The flows of a port may go into the driver's device ("": into none). 0 or -errno and *err:
 * there is no such device, or it does not take the port. 'hardware' may be NULL. */
int hardware_set_port(struct hardware *, struct dp_bridge *, uint16_t port_no, const char *driver,
                      struct errmsg *err);

/* How the datapath gets a port's frames: as 'usual', or, if that is PKTIO_AFPACKET and the driver's
 * device forwards in the kernel, by PKTIO_BEHIND. */
enum pktio_kind hardware_port_kind(const struct hardware *, const char *driver,
                                   enum pktio_kind usual);

/* The bridges have their ports: reads what devices have from before, and lets it go some time
 * after the first controller is there, or from now if no bridge has one. NULL: nothing. */
void hardware_start(struct hardware *, struct bridges *);

/* From now on nothing is done to entries, if they are to stay: before bridges are removed. */
void hardware_ending(struct hardware *);
/* After the datapath. NULL does nothing. */
void hardware_free(struct hardware *);

/* --- audits, one at a time ---------------------------------------------------------------- */

enum { HARDWARE_MAX_DIFFERENCES = 1000 };

/* Begins to compare devices with what is wanted. 'row' makes of a difference what
 * hardware_audit_rows() has; it is called for the first HARDWARE_MAX_DIFFERENCES. -EBUSY: one
 * is under way. */
int hardware_audit(struct hardware *, bool repair,
                   json_t *(*row)(const char *kind, const struct hal_entry_info *),
                   struct errmsg *err);
bool hardware_audit_is_running(const struct hardware *);
/* How many the latest has found, and the rows, which are the hardware's. -1: it failed. */
int64_t hardware_audit_differences(const struct hardware *);
json_t *hardware_audit_rows(const struct hardware *);

#endif /* mgmt/hardware.h */
