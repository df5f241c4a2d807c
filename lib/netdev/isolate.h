/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps a port's frames from the host's own stack, which would otherwise answer, learn
 * and route them: a packet socket copies frames, it does not take them away.
 *
 * On the device: IPv6 switched off, a clsact qdisc with an ingress filter of ours that
 * drops everything behind the packet sockets, promiscuous mode by rtnetlink... What a
 * stranger installed (a clsact that is there, filters, addresses) is left as it is and
 * used around; what could not be done is said. Undone by port_unisolate(): each thing
 * that we changed goes back to what it was, nothing else is touched.
 */
#ifndef LIB_NETDEV_ISOLATE_H
#define LIB_NETDEV_ISOLATE_H 1

#include "lib/errmsg.h"

struct isolation;

/* 0 and *out, or -errno and nothing changed. Control thread. */
int port_isolate(const char *device, int ifindex, struct isolation **out, struct errmsg *);

/* Undoes and frees. NULL, and a device that has gone, do nothing. */
void port_unisolate(struct isolation *);

#endif /* lib/netdev/isolate.h */
