/* SPDX-License-Identifier: Apache-2.0 */
/* Where a traced packet goes: the same decisions as sw-datapath/forward.c, without doing
 * anything. */
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/flow_text.h"
#include "mgmt/key_text.h"
#include "mgmt/port_flags.h"
#include "mgmt/rpc.h"
#include "mgmt/trace.h"
#include "ofagent/nx.h"

/* Frames that spanning tree speaks by. */
static const uint8_t stp_addr[6] = { 0x01, 0x80, 0xc2, 0x00, 0x00, 0x00 };

/* Addresses that a bridge does not forward (IEEE 802.1D, table 7-10). */
static bool
is_reserved(const uint8_t addr[6])
{
    return !memcmp(addr, stp_addr, 5) && addr[5] <= 0x0f;
}

/* The queue of the port that the packet goes through; null for none. */
static json_t *
queue_of(const struct trace *trace, uint16_t port)
{
    return trace->queued && dp_queue_exists(trace->dp, port, trace->queue_id)
           ? json_integer(trace->queue_id) : json_null();
}

static void
append_output(struct trace *trace, uint16_t port, const char *name)
{
    struct strbuf text = { 0 };
    struct flow_match match;
    key_to_match(&trace->key, &match);
    flow_match_print(&text, &match, NULL);
    json_array_append_new(trace->outputs,
                          json_pack("{s:i, s:o, s:o, s:o}", "port", (int) port,
                                    "name", rpc_string(name),
                                    "packet", rpc_string(strbuf_text(&text)),
                                    "queue", queue_of(trace, port)));
    strbuf_fini(&text);
    trace->n_sent++;
}

/* "port 2 (veth2)" or "LOCAL (br0)". */
struct label {
    char text[40];
};

static struct label
label_of(const struct port_info *info)
{
    struct label label;
    if (info->port_no == PORT_LOCAL) {
        snprintf(label.text, sizeof label.text, "LOCAL (%s)", info->name);
    } else {
        snprintf(label.text, sizeof label.text, "port %u (%s)", info->port_no, info->name);
    }
    return label;
}

/* Why the port sends nothing, or NULL. */
static const char *
why_silent(const struct port_info *info)
{
    if (info->config & PORT_CONFIG_DOWN) {
        return "it is configured down";
    }
    if (info->config & PORT_CONFIG_NO_FWD) {
        return "it is configured no-forward";
    }
    return info->state & PORT_STATE_LINK_DOWN ? "its link is down" : NULL;
}

static void
send_to(struct trace *trace, const struct port_info *info)
{
    const char *why = why_silent(info);
    if (why) {
        trace_drop(trace, "not sent by %s: %s", label_of(info).text, why);
    } else {
        if (!trace->queued) {
            trace_step(trace, "output", "sent by %s", label_of(info).text);
        } else if (dp_queue_exists(trace->dp, info->port_no, trace->queue_id)) {
            trace_step(trace, "output", "sent by %s, queue %u", label_of(info).text,
                       trace->queue_id);
        } else {
            trace_step(trace, "output", "sent by %s, through no queue: it has no queue %u",
                       label_of(info).text, trace->queue_id);
        }
        append_output(trace, info->port_no, info->name);
    }
}

/* The spanning tree's state of a port; forwarding if it has none. */
static enum port_stp_state
stp_of(const struct trace *trace, const struct port_info *info)
{
    return dp_bridge_has_stp(trace->dp)
           ? (info->state & PORT_STATE_STP_MASK) >> PORT_STATE_STP_SHIFT : PORT_STP_FORWARD;
}

struct flood {
    struct trace *trace;
    bool all;                  /* NO_FLOOD ports too */
};

static bool
flood_to(const struct port_info *info, void *aux)
{
    const struct flood *to = aux;
    if (info->port_no == to->trace->key.in_port) {
        return true;
    }
    enum port_stp_state stp = stp_of(to->trace, info);
    if (!to->all && stp != PORT_STP_FORWARD) {
        trace_step(to->trace, "output", "not sent by %s: its spanning tree state is %s",
                   label_of(info).text, port_stp_state_name(stp));
    } else if (!to->all && info->config & PORT_CONFIG_NO_FLOOD) {
        trace_step(to->trace, "output", "not sent by %s: it is configured no-flood",
                   label_of(info).text);
    } else {
        send_to(to->trace, info);
    }
    return true;
}

static void
flood(struct trace *trace, bool all)
{
    struct flood aux = { trace, all };
    unsigned before = trace->n_sent;
    dp_port_for_each(trace->dp, flood_to, &aux);
    if (trace->n_sent == before) {
        trace_drop(trace, "there is no other port that it could leave by");
    }
}

/* What NORMAL would learn from the packet. */
static void
step_learning(struct trace *trace, const struct port_info *in, uint16_t vid)
{
    const uint8_t *a = trace->key.dl_src;
    enum port_stp_state stp = stp_of(trace, in);
    if (a[0] & 1 || in->state & PORT_STATE_LINK_DOWN || in->config & PORT_CONFIG_DOWN
        || (stp != PORT_STP_LEARN && stp != PORT_STP_FORWARD)) {
        return;
    }
    uint16_t known = fdb_lookup(dp_bridge_fdb(trace->dp), a, vid, clock_ms());
    const char *what = !known ? "would learn that" : known == in->port_no ? "knows that"
                                                                         : "would move:";
    trace_step(trace, "learn", "%s %02x:%02x:%02x:%02x:%02x:%02x, VLAN %u, is behind %s",
               what, a[0], a[1], a[2], a[3], a[4], a[5], vid, label_of(in).text);
}

/* Whether NORMAL takes the packet from where it came in; learns, if it may. */
static bool
normal_admits(struct trace *trace, uint16_t vid)
{
    struct port_info in;
    if (!dp_port_get(trace->dp, trace->key.in_port, &in)) {
        return true;
    }
    enum port_stp_state stp = stp_of(trace, &in);
    step_learning(trace, &in, vid);
    if (stp != PORT_STP_FORWARD) {
        trace_drop(trace, "NORMAL takes nothing from %s: its spanning tree state is %s",
                   label_of(&in).text, port_stp_state_name(stp));
    }
    return stp == PORT_STP_FORWARD;
}

/* To where NORMAL knows the destination to be. */
static void
normal_to(struct trace *trace, const struct port_info *info)
{
    enum port_stp_state stp = stp_of(trace, info);
    if (info->port_no == trace->key.in_port) {
        trace_drop(trace, "the destination is behind %s, which it came in by",
                   label_of(info).text);
        return;
    }
    trace_step(trace, "normal", "the destination is behind %s", label_of(info).text);
    if (stp == PORT_STP_FORWARD) {
        send_to(trace, info);
    } else {
        trace_drop(trace, "not sent by %s: its spanning tree state is %s", label_of(info).text,
                   port_stp_state_name(stp));
    }
}

void
trace_normal(struct trace *trace)
{
    const uint8_t *dst = trace->key.dl_dst;
    if (is_reserved(dst) && !dp_bridge_forwards_bpdu(trace->dp)) {
        trace_drop(trace, "the destination is reserved by IEEE 802.1D: bridges do not forward it");
        return;
    }
    uint16_t vid = be16_to_host(trace->key.vlan_tci) & FLOW_VLAN_VID_MASK;
    if (!normal_admits(trace, vid)) {
        return;
    }
    uint16_t port = dst[0] & 1 ? 0 : fdb_lookup(dp_bridge_fdb(trace->dp), dst, vid, clock_ms());
    struct port_info info;
    if (!port || !dp_port_get(trace->dp, port, &info)) {
        trace_step(trace, "normal", dst[0] & 1 ? "group address: flooded"
                                               : "the destination is not known: flooded");
        flood(trace, false);
    } else {
        normal_to(trace, &info);
    }
}

static void
to_number(struct trace *trace, uint16_t port)
{
    struct port_info info;
    if (!dp_port_get(trace->dp, port, &info)) {
        trace_drop(trace, "there is no port %u", port);
    } else if (port == trace->key.in_port) {
        trace_drop(trace, "not sent by %s: it came in by that, and only in_port sends it back",
                   label_of(&info).text);
    } else {
        send_to(trace, &info);
    }
}

static void
to_ingress(struct trace *trace)
{
    struct port_info info;
    if (dp_port_get(trace->dp, trace->key.in_port, &info)) {
        send_to(trace, &info);
    } else {
        trace_drop(trace, "it came in by no port");
    }
}

static void
to_controller(struct trace *trace, const char *why)
{
    trace_step(trace, "output", "%s", why);
    append_output(trace, PORT_CONTROLLER, "controller");
}

void
trace_output(struct trace *trace, uint16_t port, uint16_t max_len)
{
    char text[80];
    switch (port) {
    case PORT_IN_PORT:
        to_ingress(trace);
        break;
    case PORT_TABLE:
        trace_drop(trace, "table has a meaning in a PACKET_OUT only");
        break;
    case PORT_NORMAL:
        trace_normal(trace);
        break;
    case PORT_FLOOD:
        flood(trace, false);
        break;
    case PORT_ALL:
        flood(trace, true);
        break;
    case PORT_CONTROLLER:
        snprintf(text, sizeof text, "to the controllers, the first %u bytes", max_len);
        to_controller(trace, text);
        break;
    default:
        to_number(trace, port);
        break;
    }
}

/* Whether the port takes the packet. */
static bool
port_admits(struct trace *trace, const struct port_info *info)
{
    bool stp = !memcmp(trace->key.dl_dst, stp_addr, sizeof stp_addr);
    if (info->config & PORT_CONFIG_DOWN) {
        trace_drop(trace, "%s is configured down", label_of(info).text);
        return false;
    }
    if (info->config & (stp ? PORT_CONFIG_NO_RECV_STP : PORT_CONFIG_NO_RECV)) {
        trace_drop(trace, "%s is configured %s", label_of(info).text,
                   stp ? "no-receive-stp" : "no-receive");
        return false;
    }
    return true;
}

void
trace_enqueue(struct trace *trace, uint16_t port, uint32_t queue_id)
{
    bool was_queued = trace->queued;
    uint32_t old_id = trace->queue_id;
    trace->queued = true;
    trace->queue_id = queue_id;
    trace_output(trace, port, 0);
    trace->queued = was_queued;
    trace->queue_id = old_id;
}

void
trace_controller(struct trace *trace, const struct action *action)
{
    char text[120];
    const char *name = nx_reason_name(NX_PACKET_IN, action->controller.reason);
    snprintf(text, sizeof text, "to the controllers of id %u, the first %u bytes, with reason %u%s%s",
             action->controller.id, action->controller.max_len, action->controller.reason,
             name ? " " : "", name ? name : "");
    to_controller(trace, text);
}

void
trace_dec_ttl(struct trace *trace, const struct action *action)
{
    struct strbuf text = { 0 };
    if (!key_rewrite(&trace->key, action)) {
        trace_step(trace, "packet", "unchanged: the packet has no TTL");
        return;
    }
    for (unsigned i = 0; i < action->n_ids; i++) {
        strbuf_printf(&text, i ? ", %u" : action->n_ids > 1 ? "ids %u" : "id %u",
                      action->dec_ttl.ids[i]);
    }
    trace_step(trace, "packet", "now with a TTL of one less; a TTL of 0 or 1 ends here, and the "
               "controllers of %s that asked are told", action->n_ids ? strbuf_text(&text) : "id 0");
    strbuf_fini(&text);
}

void
trace_ingress(struct trace *trace)
{
    struct port_info info;
    uint16_t port = trace->key.in_port;
    if (!dp_port_get(trace->dp, port, &info)) {
        /* Packets of a controller come in like this. */
        trace_step(trace, "ingress", "comes in by port %u, which does not exist", port);
    } else {
        trace_step(trace, "ingress", "comes in by %s", label_of(&info).text);
        if (!port_admits(trace, &info)) {
            return;
        }
    }
    trace->admitted = !trace->key.nw_frag || !dp_bridge_drop_fragments(trace->dp);
    if (!trace->admitted) {
        trace_drop(trace, "it is an IP fragment, and the fragment mode is DROP");
    }
}

/* Nobody takes table misses: why. */
static void
drop_miss(struct trace *trace)
{
    struct agent_status status;
    agent_get_status(trace->bridge->agent, &status);
    if (status.mode == AGENT_EMERGENCY) {
        trace_drop(trace, "no controller is connected, and the mode is emergency");
    } else if (status.mode == AGENT_WAITING && status.fail_mode == AGENT_FAIL_STANDALONE) {
        trace_drop(trace, "no controller is connected, and not for long enough to count as lost");
    } else {
        trace_drop(trace, "no controller is connected, and the fail mode is secure");
    }
}

void
trace_miss(struct trace *trace)
{
    struct port_info info;
    trace_step(trace, "miss", "no flow matches");
    switch (dp_bridge_miss_mode(trace->dp)) {
    case DP_MISS_NORMAL:
        trace_step(trace, "miss", "standalone: as the learning switch does");
        trace_normal(trace);
        break;
    case DP_MISS_DROP:
        drop_miss(trace);
        break;
    case DP_MISS_CONTROLLER:
        if (dp_port_get(trace->dp, trace->key.in_port, &info)
            && info.config & PORT_CONFIG_NO_PACKET_IN) {
            trace_drop(trace, "%s is configured no-packet-in", label_of(&info).text);
        } else {
            to_controller(trace, "to the controllers, as a table miss");
        }
        break;
    }
}
