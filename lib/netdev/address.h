/* SPDX-License-Identifier: Apache-2.0 */
/* IPv4 addresses of network devices (rtnetlink). */
#ifndef LIB_NETDEV_ADDRESS_H
#define LIB_NETDEV_ADDRESS_H 1

#include <stddef.h>

#include "lib/errmsg.h"
#include "turnout/byteorder.h"

struct event_base;

/* Stores up to 'max' of the IPv4 addresses that the device has. Returns how many it has, which
 * may be more, or -errno: -ENODEV without the device. */
int address_list(const char *device, struct be32 *out, size_t max, struct errmsg *);

/* Calls back, in the event loop, when IPv4 addresses of this network namespace came or went, or
 * may have. NULL and *err on failure. */
struct address_monitor;
struct address_monitor *address_monitor_new(struct event_base *, void (*changed)(void *aux),
                                            void *aux, struct errmsg *);
/* NULL does nothing. */
void address_monitor_free(struct address_monitor *);

#endif /* lib/netdev/address.h */
