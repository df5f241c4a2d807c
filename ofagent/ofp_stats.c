/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics replies (5.3.5): parts that stay below 64 KiB. */
#include "lib/counters.h"
#include "ofagent/nicira.h"
#include "ofagent/ofp_internal.h"

/* The headers of a part; their size. */
static size_t
make_headers(const struct ofp_stats_reply *r, struct nicira_stats *wire)
{
    *wire = (struct nicira_stats) {
        .stats.header = of10_header(OFPT_STATS_REPLY, 0, r->xid),
        .stats.type = be16_from_host(r->type),
        .vendor = be32_from_host(NICIRA_VENDOR_ID),
        .subtype = be32_from_host(r->subtype),
    };
    return r->type == OFPST_VENDOR ? sizeof *wire : sizeof wire->stats;
}

static void
begin_part(struct ofp_stats_reply *r)
{
    struct nicira_stats wire;
    size_t size = make_headers(r, &wire);
    r->begin = r->w->size;
    writer_bytes(r->w, &wire, size);
}

/* A part ends at 'end', which is the writer's but for what the next part begins with. */
static void
end_part_at(struct ofp_stats_reply *r, size_t end, uint16_t flags)
{
    writer_patch_u16(r->w, r->begin + offsetof(struct of10_stats, flags), flags);
    writer_patch_u16(r->w, r->begin + offsetof(struct of10_header, length),
                     (uint16_t) (end - r->begin));
}

static void
end_part(struct ofp_stats_reply *r, uint16_t flags)
{
    end_part_at(r, r->w->size, flags);
}

void
ofp_stats_begin(struct ofp_stats_reply *r, struct writer *w, uint32_t xid, uint16_t type)
{
    *r = (struct ofp_stats_reply) { .w = w, .xid = xid, .type = type };
    begin_part(r);
}

void
nx_stats_begin(struct ofp_stats_reply *r, struct writer *w, uint32_t xid, uint32_t subtype)
{
    *r = (struct ofp_stats_reply) {
        .w = w, .xid = xid, .type = OFPST_VENDOR, .subtype = subtype,
    };
    begin_part(r);
}

void
of10_stats_fit(struct ofp_stats_reply *r, size_t entry)
{
    struct writer *w = r->w;
    if (w->failed || w->size - r->begin <= OFP_MAX_SIZE) {
        return;
    }
    struct nicira_stats wire;
    size_t size = w->size - entry, headers = make_headers(r, &wire);
    if (writer_reserve(w, headers)) {
        end_part_at(r, entry, OFPSF_REPLY_MORE);
        memmove(w->data + entry + headers, w->data + entry, size);
        memcpy(w->data + entry, &wire, headers);
        r->begin = entry;
    }
}

void
ofp_stats_end(struct ofp_stats_reply *r)
{
    end_part(r, 0);
}

void
ofp_stats_flush(struct ofp_stats_reply *r)
{
    struct writer *w = r->w;
    if (r->begin && !w->failed) {
        w->size -= r->begin;
        memmove(w->data, w->data + r->begin, w->size);
        r->begin = 0;
    }
}

/* Room for an entry, in the next part if this one is full. NULL if the writer failed. */
static uint8_t *
reserve(struct ofp_stats_reply *r, size_t size)
{
    if (r->w->size - r->begin + size > OFP_MAX_SIZE) {
        end_part(r, OFPSF_REPLY_MORE);
        begin_part(r);
    }
    return writer_reserve(r->w, size);
}

static void
put(struct ofp_stats_reply *r, const void *entry, size_t size)
{
    uint8_t *out = reserve(r, size);
    if (out) {
        memcpy(out, entry, size);
    }
}

void
ofp_put_desc(struct ofp_stats_reply *r, const struct ofp_desc *desc)
{
    struct of10_desc_stats wire = { 0 };
    of10_put_text(wire.mfr_desc, sizeof wire.mfr_desc, desc->mfr);
    of10_put_text(wire.hw_desc, sizeof wire.hw_desc, desc->hw);
    of10_put_text(wire.sw_desc, sizeof wire.sw_desc, desc->sw);
    of10_put_text(wire.serial_num, sizeof wire.serial_num, desc->serial);
    of10_put_text(wire.dp_desc, sizeof wire.dp_desc, desc->dp);
    put(r, &wire, sizeof wire);
}

void
ofp_put_flow(struct ofp_stats_reply *r, const struct ofp_flow_stats *flow)
{
    size_t size = sizeof(struct of10_flow_stats)
                  + of10_actions_size(flow->actions, flow->n_actions);
    struct of10_flow_stats wire = {
        .length = be16_from_host((uint16_t) size),
        .table_id = flow->table_id,
        .duration_sec = be32_from_host(flow->duration_s),
        .duration_nsec = be32_from_host(flow->duration_ns),
        .priority = be16_from_host(flow->priority),
        .idle_timeout = be16_from_host(flow->idle_timeout),
        .hard_timeout = be16_from_host(flow->hard_timeout),
        .cookie = be64_from_host(flow->cookie),
        .packet_count = be64_from_host(flow->packets),
        .byte_count = be64_from_host(flow->bytes),
    };
    of10_encode_match(&flow->match, &wire.match);
    if (of10_match_is_wider_again(&r->width, &wire.match, &flow->match)) {
        counter_inc(COUNTER_openflow_match_widened);
    }
    uint8_t *out = reserve(r, size);
    if (out) {
        memcpy(out, &wire, sizeof wire);
        of10_encode_actions(flow->actions, flow->n_actions, out + sizeof wire);
    }
}

void
ofp_put_aggregate(struct ofp_stats_reply *r, uint64_t packets, uint64_t bytes, uint32_t flows)
{
    struct of10_aggregate_stats wire = {
        .packet_count = be64_from_host(packets),
        .byte_count = be64_from_host(bytes),
        .flow_count = be32_from_host(flows),
    };
    put(r, &wire, sizeof wire);
}

void
ofp_put_table(struct ofp_stats_reply *r, uint8_t id, const char *name, uint32_t wildcards,
              uint32_t max, uint32_t active, uint64_t lookups, uint64_t matched)
{
    struct of10_table_stats wire = {
        .table_id = id,
        .wildcards = be32_from_host(wildcards),
        .max_entries = be32_from_host(max),
        .active_count = be32_from_host(active),
        .lookup_count = be64_from_host(lookups),
        .matched_count = be64_from_host(matched),
    };
    of10_put_text(wire.name, sizeof wire.name, name);
    put(r, &wire, sizeof wire);
}

void
ofp_put_port(struct ofp_stats_reply *r, uint16_t port_no, const struct port_counters *c)
{
    struct of10_port_stats wire = {
        .port_no = be16_from_host(port_no),
        .rx_packets = be64_from_host(c->rx_packets),
        .tx_packets = be64_from_host(c->tx_packets),
        .rx_bytes = be64_from_host(c->rx_bytes),
        .tx_bytes = be64_from_host(c->tx_bytes),
        .rx_dropped = be64_from_host(c->rx_dropped),
        .tx_dropped = be64_from_host(c->tx_dropped),
        .rx_errors = be64_from_host(c->rx_errors),
        .tx_errors = be64_from_host(c->tx_errors),
        .rx_frame_err = be64_from_host(c->rx_frame_err),
        .rx_over_err = be64_from_host(c->rx_over_err),
        .rx_crc_err = be64_from_host(c->rx_crc_err),
        .collisions = be64_from_host(c->collisions),
    };
    put(r, &wire, sizeof wire);
}

void
ofp_put_queue(struct ofp_stats_reply *r, const struct ofp_queue_stats *queue)
{
    struct of10_queue_stats wire = {
        .port_no = be16_from_host(queue->port_no),
        .queue_id = be32_from_host(queue->queue_id),
        .tx_bytes = be64_from_host(queue->bytes),
        .tx_packets = be64_from_host(queue->packets),
        .tx_errors = be64_from_host(queue->errors),
    };
    put(r, &wire, sizeof wire);
}
