/* SPDX-License-Identifier: Apache-2.0 */
/* What the files about ports share: included by sw-datapath/port*.c only. Control thread.
 *
 *   port.c           numbers and names; ports come and go
 *   port_device.c    the device behind a port comes and goes
 *   port_state.c     configuration, link, and what both mean for the packet path
 *   port_counters.c  what a port has received and sent
 *   port_map.c       what of it is published
 *   port_queue.c     queues
 */
#ifndef SW_DATAPATH_PORT_PRIVATE_H
#define SW_DATAPATH_PORT_PRIVATE_H 1

#include "sw-datapath/dp_internal.h"

/* Opens the device behind the port. 0 or -errno. */
int port_attach(struct dp_port *, struct errmsg *);
/* Closes the device (NULL: there is none) after a grace period; its counters stay the
 * port's. No worker may find its way to it any more when this is called, neither to send nor
 * to receive: the grace period may begin at once. */
void port_retire(struct dp_port *, struct pktio *);

/* Publishes what the packet path may do, from configuration and state. */
void port_update_path(struct dp_port *);
/* Looks at the device's link again, and publishes what follows from it. */
void port_update_info(struct dp_port *);
/* Takes the device down or brings it up, as PORT_CONFIG_DOWN is. */
void port_follow_config(struct dp_port *);

/* Tells the bridge's user; the second one if something is not as it was. */
void port_tell(const struct dp_port *, enum dp_port_event);
void port_tell_change(const struct dp_port *, const struct port_info *before);

/* The port's device has come: makes its queues on it. What can't be made is logged. */
void port_queues_attach(struct dp_port *);
/* It goes: nothing is sent through its queues any more when the grace period that is begun
 * here is over, and they are then freed. */
void port_queues_detach(struct dp_port *);
/* Frees what is left, when the port is. */
void port_queues_free(struct dp_port *);

/* Adds what 'now' has more than 'then'. */
void port_stats_add(struct pktio_stats *sum, const struct pktio_stats *now,
                    const struct pktio_stats *then);

#endif /* sw-datapath/port_private.h */
