/* SPDX-License-Identifier: Apache-2.0 */
/* Messages as text; statistics are in ofp_print_stats.c. */
#include "ofagent/ofp_print.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/flow_text.h"
#include "ofagent/ofp_internal.h"
#include "ofagent/ofp_peer.h"
#include "ofagent/ofp_print_internal.h"

/* Most of a HELLO_FAILED's words that a line shows. */
enum { MAX_ERROR_TEXT = 200 };

void
ofp_print_port(struct strbuf *out, uint16_t port)
{
    static const char *const reserved[] = {
        "IN_PORT", "TABLE", "NORMAL", "FLOOD", "ALL", "CONTROLLER", "LOCAL", "NONE",
    };
    if (port >= PORT_IN_PORT) {
        strbuf_printf(out, "%s", reserved[port - PORT_IN_PORT]);
    } else {
        strbuf_printf(out, "%u", port);
    }
}

static void
print_mac(struct strbuf *out, const uint8_t mac[6])
{
    strbuf_printf(out, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
                  mac[5]);
}

static void
print_bytes(struct strbuf *out, const char *text, size_t len)
{
    strbuf_printf(out, "\"");
    for (size_t i = 0; i < len; i++) {
        bool plain = text[i] >= ' ' && text[i] <= '~' && text[i] != '"';
        strbuf_printf(out, "%c", plain ? text[i] : '.');
    }
    strbuf_printf(out, "\"");
}

/* Text from a peer: what can't be printed, and quotes, become dots. */
void
ofp_print_text(struct strbuf *out, const char *text)
{
    print_bytes(out, text, strlen(text));
}

void
ofp_print_match(struct strbuf *out, const struct ofp_match *match)
{
    size_t len = out->len;
    flow_match_print(out, &match->match, NULL);
    if (out->len == len) {
        strbuf_printf(out, "any");
    }
    if (match->exact) {
        strbuf_printf(out, " (no wildcards)");
    }
}

void
ofp_print_cookie_filter(struct strbuf *out, const struct ofp_cookie_filter *only)
{
    if (only->mask) {
        strbuf_printf(out, " only_cookie=0x%"PRIx64"/0x%"PRIx64, only->value, only->mask);
    }
}

void
ofp_print_actions(struct strbuf *out, const struct action *actions, uint32_t n_actions)
{
    strbuf_printf(out, " actions=");
    flow_actions_print(out, actions, n_actions, NULL);
}

static void
print_buffer(struct strbuf *out, uint32_t buffer_id)
{
    if (buffer_id != OFP_NO_BUFFER) {
        strbuf_printf(out, " buffer=0x%"PRIx32, buffer_id);
    }
}

/* A frame: its size and its Ethernet header. */
static void
print_frame(struct strbuf *out, const uint8_t *data, size_t size)
{
    strbuf_printf(out, " data=%zu bytes", size);
    if (size >= 14) {
        strbuf_printf(out, " (");
        print_mac(out, data + 6);
        strbuf_printf(out, " > ");
        print_mac(out, data);
        strbuf_printf(out, " type 0x%02x%02x)", data[12], data[13]);
    }
}

static void
print_phy_port(struct strbuf *out, const struct port_info *port)
{
    strbuf_printf(out, " [");
    ofp_print_port(out, port->port_no);
    strbuf_printf(out, " ");
    ofp_print_text(out, port->name);
    strbuf_printf(out, " ");
    print_mac(out, port->hw_addr);
    strbuf_printf(out, " config=0x%"PRIx32" state=0x%"PRIx32" curr=0x%"PRIx32" adv=0x%"PRIx32
                  " supp=0x%"PRIx32" peer=0x%"PRIx32"]", port->config, port->state,
                  port->current, port->advertised, port->supported, port->peer);
}

/* Printers of one type each: of a message whose size is possible. They return 0, or
 * OFP_REFUSED with the reason. */

static int
print_nothing(struct strbuf *out, const uint8_t *msg, size_t size, struct ofp_refusal *refusal)
{
    (void) msg;
    (void) refusal;
    if (size > sizeof(struct of10_header)) {
        strbuf_printf(out, " %zu bytes", size - sizeof(struct of10_header));
    }
    return 0;
}

static int
print_hello(struct strbuf *out, const uint8_t *msg, size_t size, struct ofp_refusal *refusal)
{
    (void) refusal;
    strbuf_printf(out, " version=0x%02x%s", msg[0],
                  ofp_decode_hello(msg, size) ? "" : ", none in common");
    return 0;
}

static int
print_error(struct strbuf *out, const uint8_t *msg, size_t size, struct ofp_refusal *refusal)
{
    struct ofp_refusal what;
    struct reader data;
    int error = ofp_decode_any_error(msg, size, &what, &data, refusal);
    if (error) {
        return error;
    }
    size_t data_size = reader_left(&data);
    strbuf_printf(out, " %s, ", ofp_refusal_name(&what));
    if (what.type == OFPET_HELLO_FAILED && !what.vendor) {
        const char *text = (const char *) data.p;
        print_bytes(out, text, data_size < MAX_ERROR_TEXT ? data_size : MAX_ERROR_TEXT);
    } else {
        strbuf_printf(out, "%zu bytes of the request", data_size);
    }
    return 0;
}

static int
print_vendor(struct strbuf *out, const uint8_t *msg, size_t size, struct ofp_refusal *refusal)
{
    struct ofp_vendor vendor;
    struct nx_message nx;
    int error = ofp_decode_vendor(msg, size, &vendor, refusal);
    if (error) {
        return error;
    }
    if (vendor.vendor == NX_VENDOR) {
        error = nx_decode(msg, size, &nx, refusal);
        return error ? error : nx_print(out, &nx, false, refusal);
    }
    strbuf_printf(out, " vendor=0x%08"PRIx32" data=%"PRIu32" bytes", vendor.vendor,
                  vendor.data_size);
    return 0;
}

static int
print_features(struct strbuf *out, const uint8_t *msg, size_t size, struct ofp_refusal *refusal)
{
    struct ofp_features features;
    struct reader ports;
    int error = ofp_decode_features(msg, size, &features, &ports, refusal);
    if (error) {
        return error;
    }
    strbuf_printf(out, " dpid=%016"PRIx64" buffers=%"PRIu32" tables=%u capabilities=0x%"PRIx32
                  " actions=0x%"PRIx32, features.datapath_id, features.n_buffers,
                  features.n_tables, features.capabilities, features.actions);
    struct port_info port;
    for (unsigned n = 0; ofp_take_phy_port(&ports, &port); n++) {
        if (n == OFP_PRINT_MAX_ENTRIES) {
            strbuf_printf(out, " and %zu more",
                          1 + reader_left(&ports) / sizeof(struct of10_phy_port));
            break;
        }
        print_phy_port(out, &port);
    }
    return 0;
}

static int
print_config(struct strbuf *out, const uint8_t *msg, size_t size, struct ofp_refusal *refusal)
{
    static const char *const fragments[] = { "normal", "drop", "reassemble", "reserved" };
    struct ofp_switch_config config;
    int error = ofp_decode_set_config(msg, size, &config, refusal);
    if (!error) {
        strbuf_printf(out, " fragments=%s%s miss_send_len=%u",
                      fragments[config.flags & OFPC_FRAG_MASK],
                      config.flags & OFPC_INVALID_TTL_TO_CONTROLLER ? " invalid_ttl" : "",
                      config.miss_send_len);
    }
    return error;
}

void
ofp_print_packet_in(struct strbuf *out, const struct ofp_packet_in *in)
{
    strbuf_printf(out, " in_port=");
    ofp_print_port(out, in->in_port);
    const char *reason = nx_reason_name(NX_PACKET_IN, in->reason);
    if (reason) {
        strbuf_printf(out, " reason=%s", reason);
    } else {
        strbuf_printf(out, " reason=%u", in->reason);
    }
    if (in->cookie != OFP_NO_COOKIE) {
        strbuf_printf(out, " cookie=0x%"PRIx64, in->cookie);
    }
    strbuf_printf(out, " total_len=%u", in->total_len);
    print_buffer(out, in->buffer_id);
    print_frame(out, in->data, in->data_size);
}

static int
print_packet_in(struct strbuf *out, const uint8_t *msg, size_t size, struct ofp_refusal *refusal)
{
    struct ofp_packet_in in;
    int error = ofp_decode_packet_in(msg, size, &in, refusal);
    if (!error) {
        ofp_print_packet_in(out, &in);
    }
    return error;
}

void
ofp_print_flow_removed(struct strbuf *out, const struct ofp_flow_removed *removed)
{
    static const char *const reasons[] = {
        [OFPRR_IDLE_TIMEOUT] = "idle", [OFPRR_HARD_TIMEOUT] = "hard", [OFPRR_DELETE] = "delete",
    };
    strbuf_printf(out, " priority=%u ", removed->priority);
    ofp_print_match(out, &removed->match);
    if (removed->reason <= OFPRR_DELETE) {
        strbuf_printf(out, " reason=%s", reasons[removed->reason]);
    } else {
        strbuf_printf(out, " reason=%u", removed->reason);
    }
    strbuf_printf(out, " cookie=0x%"PRIx64" duration=%"PRIu32".%09"PRIu32"s idle_timeout=%u"
                  " packets=%"PRIu64" bytes=%"PRIu64, removed->cookie, removed->duration_s,
                  removed->duration_ns, removed->idle_timeout, removed->packets, removed->bytes);
}

static int
print_flow_removed(struct strbuf *out, const uint8_t *msg, size_t size,
                   struct ofp_refusal *refusal)
{
    struct ofp_flow_removed removed;
    int error = ofp_decode_flow_removed(msg, size, &removed, refusal);
    if (!error) {
        ofp_print_flow_removed(out, &removed);
    }
    return error;
}

static int
print_port_status(struct strbuf *out, const uint8_t *msg, size_t size,
                  struct ofp_refusal *refusal)
{
    static const char *const reasons[] = {
        [OFPPR_ADD] = "add", [OFPPR_DELETE] = "delete", [OFPPR_MODIFY] = "modify",
    };
    struct port_info port;
    uint8_t reason;
    int error = ofp_decode_port_status(msg, size, &reason, &port, refusal);
    if (error) {
        return error;
    }
    if (reason <= OFPPR_MODIFY) {
        strbuf_printf(out, " %s", reasons[reason]);
    } else {
        strbuf_printf(out, " reason=%u", reason);
    }
    print_phy_port(out, &port);
    return 0;
}

static int
print_packet_out(struct strbuf *out, const uint8_t *msg, size_t size, struct ofp_refusal *refusal)
{
    struct ofp_packet_out packet;
    int error = ofp_decode_packet_out(msg, size, &packet, refusal);
    if (error) {
        return error;
    }
    strbuf_printf(out, " in_port=");
    ofp_print_port(out, packet.in_port);
    print_buffer(out, packet.buffer_id);
    ofp_print_actions(out, packet.actions, packet.n_actions);
    if (packet.data) {
        print_frame(out, packet.data, packet.data_size);
    }
    return 0;
}

static void
print_flow_mod_flags(struct strbuf *out, uint16_t flags)
{
    if (flags) {
        strbuf_printf(out, " flags=0x%x%s%s%s", flags,
                      flags & OFPFF_SEND_FLOW_REM ? " send_flow_rem" : "",
                      flags & OFPFF_CHECK_OVERLAP ? " check_overlap" : "",
                      flags & OFPFF_EMERG ? " emergency" : "");
    }
}

void
ofp_print_flow_mod(struct strbuf *out, const struct ofp_flow_mod *mod)
{
    static const char *const commands[] = {
        [OFPFC_ADD] = "ADD", [OFPFC_MODIFY] = "MODIFY", [OFPFC_MODIFY_STRICT] = "MODIFY_STRICT",
        [OFPFC_DELETE] = "DELETE", [OFPFC_DELETE_STRICT] = "DELETE_STRICT",
    };
    strbuf_printf(out, " %s priority=%u ", commands[mod->command], mod->priority);
    ofp_print_match(out, &mod->match);
    strbuf_printf(out, " cookie=0x%"PRIx64" idle=%u hard=%u", mod->cookie, mod->idle_timeout,
                  mod->hard_timeout);
    ofp_print_cookie_filter(out, &mod->only);
    print_buffer(out, mod->buffer_id);
    print_flow_mod_flags(out, mod->flags);
    if (mod->command < OFPFC_DELETE) {
        ofp_print_actions(out, mod->actions, mod->n_actions);
    } else if (mod->out_port != PORT_NONE) {
        strbuf_printf(out, " out_port=");
        ofp_print_port(out, mod->out_port);
    }
}

/* A connection may have tables in the commands: one that has can't be anything else. */
static int
print_flow_mod(struct strbuf *out, const uint8_t *msg, size_t size, struct ofp_refusal *refusal)
{
    struct ofp_flow_mod mod;
    struct of10_flow_mod wire = { .command = { 0 } };
    memcpy(&wire, msg, size < sizeof wire ? size : sizeof wire);
    uint16_t table = be16_to_host(wire.command) >> 8;
    int error = table ? ofp_decode_flow_mod_table_id(msg, size, &mod, refusal)
                      : ofp_decode_flow_mod(msg, size, &mod, refusal);
    if (!error) {
        ofp_print_flow_mod(out, &mod);
    }
    return error;
}

static int
print_port_mod(struct strbuf *out, const uint8_t *msg, size_t size, struct ofp_refusal *refusal)
{
    struct ofp_port_mod mod;
    int error = ofp_decode_port_mod(msg, size, &mod, refusal);
    if (error) {
        return error;
    }
    strbuf_printf(out, " port=");
    ofp_print_port(out, mod.port_no);
    strbuf_printf(out, " hw_addr=");
    print_mac(out, mod.hw_addr);
    strbuf_printf(out, " config=0x%"PRIx32" mask=0x%"PRIx32" advertise=0x%"PRIx32, mod.config,
                  mod.mask, mod.advertise);
    return 0;
}

static int
print_queue_config_request(struct strbuf *out, const uint8_t *msg, size_t size,
                           struct ofp_refusal *refusal)
{
    uint16_t port_no;
    int error = ofp_decode_queue_get_config(msg, size, &port_no, refusal);
    if (!error) {
        strbuf_printf(out, " port=");
        ofp_print_port(out, port_no);
    }
    return error;
}

static int
print_queue_config(struct strbuf *out, const uint8_t *msg, size_t size,
                   struct ofp_refusal *refusal)
{
    struct reader queues;
    uint16_t port_no;
    int error = ofp_decode_queue_config(msg, size, &port_no, &queues, refusal);
    if (error) {
        return error;
    }
    strbuf_printf(out, " port=");
    ofp_print_port(out, port_no);
    while (!error && reader_left(&queues)) {
        struct ofp_queue queue;
        error = ofp_take_queue_config(&queues, &queue, refusal);
        if (!error) {
            strbuf_printf(out, " [queue %"PRIu32, queue.queue_id);
            strbuf_printf(out, queue.min_rate == OFP_MIN_RATE_NONE ? "]" : " min_rate=%u]",
                          queue.min_rate);
        }
    }
    return error;
}

static int (*const printers[N_OFP_TYPES])(struct strbuf *, const uint8_t *msg, size_t size,
                                          struct ofp_refusal *) = {
    [OFPT_HELLO] = print_hello,
    [OFPT_ERROR] = print_error,
    [OFPT_ECHO_REQUEST] = print_nothing,
    [OFPT_ECHO_REPLY] = print_nothing,
    [OFPT_VENDOR] = print_vendor,
    [OFPT_FEATURES_REQUEST] = print_nothing,
    [OFPT_FEATURES_REPLY] = print_features,
    [OFPT_GET_CONFIG_REQUEST] = print_nothing,
    [OFPT_GET_CONFIG_REPLY] = print_config,
    [OFPT_SET_CONFIG] = print_config,
    [OFPT_PACKET_IN] = print_packet_in,
    [OFPT_FLOW_REMOVED] = print_flow_removed,
    [OFPT_PORT_STATUS] = print_port_status,
    [OFPT_PACKET_OUT] = print_packet_out,
    [OFPT_FLOW_MOD] = print_flow_mod,
    [OFPT_PORT_MOD] = print_port_mod,
    [OFPT_STATS_REQUEST] = ofp_print_stats_request,
    [OFPT_STATS_REPLY] = ofp_print_stats_reply,
    [OFPT_BARRIER_REQUEST] = print_nothing,
    [OFPT_BARRIER_REPLY] = print_nothing,
    [OFPT_QUEUE_GET_CONFIG_REQUEST] = print_queue_config_request,
    [OFPT_QUEUE_GET_CONFIG_REPLY] = print_queue_config,
};

void
ofp_print(struct strbuf *out, const uint8_t *msg, size_t size)
{
    if (size < sizeof(struct of10_header)) {
        strbuf_printf(out, "malformed: %zu bytes, less than a header", size);
        return;
    }
    struct ofp_header header;
    ofp_header_decode(msg, &header);
    strbuf_printf(out, "%s xid=0x%"PRIx32":", ofp_type_name(header.type), header.xid);

    struct ofp_refusal refusal;
    int error = of10_check_size(msg, size, OF10_CONTROLLER | OF10_SWITCH, &refusal);
    if (!error) {
        error = printers[header.type](out, msg, size, &refusal);
    }
    if (error) {
        strbuf_printf(out, " malformed: %s, %s (%zu bytes)",
                      ofp_refusal_name(&refusal), refusal.why, size);
    }
}
