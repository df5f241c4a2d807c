/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps a port's frames from the host's own stack, which would otherwise answer, learn
 * and route them: a packet socket copies frames, it does not take them away.
 *
 * On the device: a filter of ours at the ingress of a clsact qdisc (made if there is none)
 * that drops everything behind the packet sockets, and IPv6 switched off, so that the host
 * sends nothing of its own either. Promiscuous mode belongs to the packet socket.
 *
 * What a stranger installed stays as it is. Their ingress filters run before ours, and
 * still see every frame; what they accept or redirect is not kept from the stack, and
 * isolation_note() says so.
 *
 * The filter is a classic BPF program of a form that nobody else has. It carries who made
 * it, and what is to be undone: so what a process that crashed left behind is recognised,
 * taken over and in the end undone by the next one, and a device that a living process has
 * isolated is refused.
 *
 * Undone by port_unisolate(): what we made is removed, IPv6 is as it was, its static
 * addresses included (routes beyond the prefixes of these addresses are not put back).
 * CAP_NET_ADMIN is needed, and to be root (or to own /proc/sys/net) for IPv6.
 */
#ifndef LIB_NETDEV_ISOLATE_H
#define LIB_NETDEV_ISOLATE_H 1

#include <stdbool.h>

#include "lib/errmsg.h"

struct isolation;

/* 0 and *out, or -errno and nothing changed: -EBUSY if a living process, or this one, has
 * isolated the device already. Control thread. */
int port_isolate(const char *device, int ifindex, struct isolation **out, struct errmsg *);

/* What could not be done, for a person to read; NULL if the device is wholly ours. */
const char *isolation_note(const struct isolation *);

/* Frames that no filter before ours takes leave by another device from now on, instead of being
 * dropped: a TAP of ours, which must not be IPv6's. When that device goes they are dropped. 0 or
 * -errno, and all is as it was. */
int isolation_redirect(struct isolation *, int ifindex, struct errmsg *);

/* Puts our filter back where somebody has taken it away, with or without the qdisc: 1. 0 if it is there, or
 * the device is not, or -errno. One small request to the kernel. */
int isolation_mend(struct isolation *, struct errmsg *);

/* Takes the device down or brings it up. Undoing brings up what was taken down, and so does
 * port_isolate() after a crash. 0 or -errno. */
int isolation_set_up(struct isolation *, bool up, struct errmsg *);

/* Undoes and frees. NULL, and a device that has gone, do nothing. */
void port_unisolate(struct isolation *);

#endif /* lib/netdev/isolate.h */
