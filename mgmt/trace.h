/* SPDX-License-Identifier: Apache-2.0 */
/* What would happen to a packet: its way through a bridge, followed on its key alone.
 *
 * Nothing is sent, learnt, cached or counted. Control thread. */
#ifndef MGMT_TRACE_H
#define MGMT_TRACE_H 1

#include <jansson.h>

#include "mgmt/bridges.h"
#include "turnout/action.h"
#include "turnout/flow.h"

struct trace {
    const struct bridge *bridge;
    struct dp_bridge *dp;
    struct flow_key key;           /* the packet as it is now */
    json_t *steps;                 /* of {"step": KIND, "text": TEXT} */
    json_t *outputs;               /* of {"port": NUMBER, "name": NAME, "packet": FLOW,
                                    * "queue": ID or null} */
    unsigned n_sent;
    bool queued;                   /* what is sent now goes through queue 'queue_id' */
    uint32_t queue_id;
    bool admitted;                 /* false: it does not come to the table */
    char reason[160];              /* why it was not sent, of the latest output that wasn't */
};

/* The whole way of the packet 'key'. NULL without memory. The result:
 * {"bridge", "flow", "key", "steps", "outputs", "dropped": BOOL, "reason": TEXT or null}. */
json_t *trace_packet(const struct bridge *, const struct flow_key *key);

/* --- between trace.c and trace_output.c ---------------------------------------- */

/* Appends a step. */
void trace_step(struct trace *, const char *kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Appends a step of kind "drop", and remembers why. */
void trace_drop(struct trace *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Whether the packet's ingress port and the fragment mode let it come to the table. */
void trace_ingress(struct trace *);
/* What an output to 'port' (physical or reserved) does. */
void trace_output(struct trace *, uint16_t port, uint16_t max_len);
/* What an ENQUEUE does. */
void trace_enqueue(struct trace *, uint16_t port, uint32_t queue_id);
/* What Nicira's actions do. The key has no TTL: both ways are told. */
void trace_controller(struct trace *, const struct action *);
void trace_dec_ttl(struct trace *, const struct action *);
/* What the learning switch does. */
void trace_normal(struct trace *);
/* What a packet that matches no rule meets. */
void trace_miss(struct trace *);

#endif /* mgmt/trace.h */
