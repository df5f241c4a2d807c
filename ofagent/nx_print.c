/* SPDX-License-Identifier: Apache-2.0 */
/* Nicira's messages as text. */
#include <inttypes.h>
#include <string.h>

#include "ofagent/nicira.h"
#include "ofagent/nx.h"
#include "ofagent/ofp_peer.h"
#include "ofagent/ofp_print.h"
#include "ofagent/ofp_print_internal.h"
#include "lib/strbuf.h"

/* Printers of one body each, of a possible size, but not checked otherwise. */

static int
print_role(struct strbuf *out, const struct nx_message *nx, struct ofp_refusal *refusal)
{
    enum nx_role role;
    int error = nx_decode_role(nx, &role, refusal);
    if (!error) {
        strbuf_printf(out, " role=%s", nx_role_name(role));
    }
    return error;
}

static void
print_mask(struct strbuf *out, enum nx_async what, uint32_t mask)
{
    const char *before = "";
    for (unsigned reason = 0; reason < 32; reason++) {
        const char *name = nx_reason_name(what, reason);
        if (!(mask >> reason & 1)) {
            continue;
        }
        if (name) {
            strbuf_printf(out, "%s%s", before, name);
        } else {
            strbuf_printf(out, "%s%u", before, reason);
        }
        before = ",";
    }
    strbuf_printf(out, *before ? "" : "none");
}

static int
print_async_config(struct strbuf *out, const struct nx_message *nx, struct ofp_refusal *refusal)
{
    struct nx_async_config config;
    int error = nx_decode_async_config(nx, &config, refusal);
    for (int slave = 0; !error && slave < 2; slave++) {
        strbuf_printf(out, slave ? " slave:" : " master:");
        for (enum nx_async what = 0; what < N_NX_ASYNC; what++) {
            strbuf_printf(out, " %s=", nx_async_name(what));
            print_mask(out, what, config.masks[what][slave]);
        }
    }
    return error;
}

static int
print_controller_id(struct strbuf *out, const struct nx_message *nx, struct ofp_refusal *refusal)
{
    uint16_t id;
    int error = nx_decode_controller_id(nx, &id, refusal);
    if (!error) {
        strbuf_printf(out, " id=%u", id);
    }
    return error;
}

/* A format is 1.0's or Nicira's. */
static int
print_format(struct strbuf *out, const struct nx_message *nx, struct ofp_refusal *refusal)
{
    bool nxm;
    int error = nx->subtype == NXT_SET_FLOW_FORMAT ? nx_decode_flow_format(nx, &nxm, refusal)
                                                   : nx_decode_packet_in_format(nx, &nxm, refusal);
    if (!error) {
        strbuf_printf(out, " format=%s", nxm ? "nxm" : "openflow10");
    }
    return error;
}

static int
print_table_id(struct strbuf *out, const struct nx_message *nx, struct ofp_refusal *refusal)
{
    bool on;
    int error = nx_decode_flow_mod_table_id(nx, &on, refusal);
    if (!error) {
        strbuf_printf(out, on ? " on" : " off");
    }
    return error;
}

/* A command with a table can't be anything else, whatever the connection has been told. */
static int
print_flow_mod(struct strbuf *out, const struct nx_message *nx, struct ofp_refusal *refusal)
{
    struct nicira_flow_mod wire;
    struct ofp_flow_mod mod;
    memcpy(&wire, nx->body, sizeof wire);
    int error = nx_decode_flow_mod(nx, be16_to_host(wire.command) >> 8, &mod, refusal);
    if (!error) {
        ofp_print_flow_mod(out, &mod);
    }
    return error;
}

static int
print_flow_removed(struct strbuf *out, const struct nx_message *nx, struct ofp_refusal *refusal)
{
    struct ofp_flow_removed removed;
    int error = nx_decode_flow_removed(nx, &removed, refusal);
    if (!error) {
        ofp_print_flow_removed(out, &removed);
    }
    return error;
}

static int
print_packet_in(struct strbuf *out, const struct nx_message *nx, struct ofp_refusal *refusal)
{
    struct ofp_packet_in in;
    int error = nx_decode_packet_in(nx, &in, refusal);
    if (!error) {
        ofp_print_packet_in(out, &in);
    }
    return error;
}

static int
print_flow_request(struct strbuf *out, const struct nx_message *nx, struct ofp_refusal *refusal)
{
    struct ofp_stats_request request;
    int error = nx_decode_flow_request(nx, &request, refusal);
    if (!error) {
        ofp_print_flow_request(out, &request);
    }
    return error;
}

static int
print_flows(struct strbuf *out, const struct nx_message *nx, struct ofp_refusal *refusal)
{
    struct action actions[ACTION_LIST_MAX];
    struct ofp_flow_stats flow;
    struct reader r;
    int error = 0;
    reader_init(&r, nx->body, nx->body_size);
    for (unsigned n = 0; !error && reader_left(&r); n++) {
        if (n == OFP_PRINT_MAX_ENTRIES) {
            strbuf_printf(out, " and %zu bytes of more", reader_left(&r));
            break;
        }
        error = nx_take_flow(&r, &flow, actions, refusal);
        if (!error) {
            strbuf_printf(out, " [");
            ofp_print_flow(out, &flow);
            strbuf_printf(out, "]");
        }
    }
    return error;
}

static int
print_aggregate(struct strbuf *out, const struct nx_message *nx, struct ofp_refusal *refusal)
{
    struct ofp_aggregate_stats aggregate;
    struct reader r;
    reader_init(&r, nx->body, nx->body_size);
    int error = ofp_take_aggregate(&r, &aggregate, refusal);
    if (!error) {
        strbuf_printf(out, " [");
        ofp_print_aggregate(out, aggregate.packets, aggregate.bytes, aggregate.flows);
        strbuf_printf(out, "]");
    }
    return error;
}

static int (*const printers[N_NXT])(struct strbuf *, const struct nx_message *,
                                    struct ofp_refusal *) = {
    [NXT_ROLE_REQUEST] = print_role,
    [NXT_ROLE_REPLY] = print_role,
    [NXT_SET_FLOW_FORMAT] = print_format,
    [NXT_FLOW_MOD] = print_flow_mod,
    [NXT_FLOW_REMOVED] = print_flow_removed,
    [NXT_FLOW_MOD_TABLE_ID] = print_table_id,
    [NXT_SET_PACKET_IN_FORMAT] = print_format,
    [NXT_PACKET_IN] = print_packet_in,
    [NXT_SET_ASYNC_CONFIG] = print_async_config,
    [NXT_SET_CONTROLLER_ID] = print_controller_id,
};

/* In statistics. */
static int (*const stats_printers[N_NXST][2])(struct strbuf *, const struct nx_message *,
                                              struct ofp_refusal *) = {
    /* request, reply */
    [NXST_FLOW] = { print_flow_request, print_flows },
    [NXST_AGGREGATE] = { print_flow_request, print_aggregate },
};

int
nx_print(struct strbuf *out, const struct nx_message *nx, bool from_switch,
         struct ofp_refusal *refusal)
{
    strbuf_printf(out, " %s", nx_name(nx));
    int error = nx_check_any(nx, from_switch, refusal);
    if (error) {
        return error;
    }
    int (*print)(struct strbuf *, const struct nx_message *, struct ofp_refusal *)
        = nx->stats ? stats_printers[nx->subtype][from_switch] : printers[nx->subtype];
    if (print) {
        return print(out, nx, refusal);
    }
    if (nx->body_size) {
        strbuf_printf(out, " %"PRIu32" bytes", nx->body_size);
    }
    return 0;
}
