/* SPDX-License-Identifier: Apache-2.0 */
/* Action execution: walks a list in order over one packet.
 *
 * Rewrites change the packet in place, keep its checksums right incrementally (RFC
 * 1624; a UDP checksum of 0 stays 0; a partial checksum is kept partial) and keep the
 * packet's layer fields true, so a later action and the next parse agree. A rewrite of a
 * layer that the packet does not have does nothing (OpenFlow 1.0, 5.2.4): network fields
 * outside IPv4, ports in later fragments or outside TCP and UDP. A TTL that can't be
 * decremented ends the list: what is behind it is not done.
 *
 * Where an output goes is not known here: the caller's 'output' resolves ports.
 */
#ifndef SW_DATAPATH_EXECUTE_H
#define SW_DATAPATH_EXECUTE_H 1

#include "sw-datapath/packet.h"
#include "turnout/action.h"

struct execute_ops {
    /* Sends the packet as it is now to action's port (physical or reserved), or to
     * controllers: action_is_output(). 'copy': a later action of the list may change the
     * packet, so its bytes must be copied before this returns, or sent. */
    void (*output)(void *aux, struct packet *, const struct action *, bool copy);
    /* The packet's TTL is at its end; the DEC_TTL says who is to know. */
    void (*expired)(void *aux, struct packet *, const struct action *);
};

/* Runs the list. Worker or control thread. Allocates nothing. */
void execute_actions(const struct action_list *, struct packet *, const struct execute_ops *,
                     void *aux);

/* Applies one rewrite (any type that is no output). False, with the packet as it was, if
 * its TTL can't be decremented. */
bool execute_rewrite(const struct action *, struct packet *);

#endif /* sw-datapath/execute.h */
