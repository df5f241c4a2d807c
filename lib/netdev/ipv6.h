/* SPDX-License-Identifier: Apache-2.0 */
/* IPv6 on one device, off and on again. For isolate.c. */
#ifndef LIB_NETDEV_IPV6_H
#define LIB_NETDEV_IPV6_H 1

#include <stdbool.h>

#include "lib/errmsg.h"

/* 1: IPv6 works on the device; 0: it does not (switched off, or not in this kernel);
 * -errno. */
int ipv6_is_enabled(const char *device);

/* Addresses that were on a device. */
struct ipv6_addresses;

/* Remembers the device's static addresses, for switching IPv6 off loses them. 0 or -errno;
 * *out is NULL if there are none. */
int ipv6_save_addresses(int ifindex, struct ipv6_addresses **out, struct errmsg *);

/* Puts them back, and frees. NULL does nothing. */
void ipv6_restore_addresses(struct ipv6_addresses *);

/* Forgets them. NULL does nothing. */
void ipv6_free_addresses(struct ipv6_addresses *);

/* 0 or -errno. */
int ipv6_set_enabled(const char *device, bool enabled, struct errmsg *);

#endif /* lib/netdev/ipv6.h */
