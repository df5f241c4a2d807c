/* SPDX-License-Identifier: Apache-2.0 */
/* The naive switch: outputs, the way of a frame, PACKET_OUT. */
#include "tests/property/reference.h"

#include <stdlib.h>
#include <string.h>

enum {
    PC_DOWN = 1, PC_NO_RECV = 4, PC_NO_RECV_STP = 8, PC_NO_FLOOD = 16, PC_NO_FWD = 32,
    PC_NO_PACKET_IN = 64,
};
enum {
    P_IN_PORT = 0xfff8, P_TABLE = 0xfff9, P_NORMAL = 0xfffa, P_FLOOD = 0xfffb, P_ALL = 0xfffc,
    P_CONTROLLER = 0xfffd, P_LOCAL = 0xfffe, P_NONE = 0xffff,
};

static uint32_t
get(const uint8_t *p, int n)
{
    uint32_t value = 0;
    for (int i = 0; i < n; i++) {
        value = value * 256 + p[i];
    }
    return value;
}

struct ref_switch *
ref_switch_new(void)
{
    struct ref_switch *sw = calloc(1, sizeof *sw);
    if (sw) {
        sw->table.max_flows = sw->emergency.max_flows = REF_MAX_FLOWS;
        sw->miss_send_len = 128;
    }
    return sw;
}

void
ref_switch_free(struct ref_switch *sw)
{
    if (sw) {
        ref_table_clear(&sw->table);
        ref_table_clear(&sw->emergency);
        free(sw);
    }
}

/* --- outputs ------------------------------------------------------------------------ */

/* One frame on its way through the switch. */
struct way {
    struct ref_switch *sw;
    struct ref_output *out;
    uint16_t in_port;
    uint32_t queue;              /* that outputs go through, if their port has it */
    struct ref_frame frame;
};

/* For the controllers of this id. */
static void
packet_in(struct way *way, uint16_t id, uint8_t reason, uint32_t prefix)
{
    struct ref_output *out = way->out;
    if (id == way->sw->controller_id && out->n < REF_MAX_OUT
        && (reason < 2 || (reason == 2 && way->sw->wants_ttl))) {
        struct ref_sent *sent = &out->sent[out->n++];
        sent->port = P_CONTROLLER;
        sent->reason = reason;
        sent->in_port = way->in_port;
        sent->prefix = prefix < way->frame.size ? prefix : way->frame.size;
        sent->frame = way->frame;
    }
}

static void
send_to(struct way *way, struct ref_port *port)
{
    struct ref_output *out = way->out;
    if (!port || port->config & (PC_DOWN | PC_NO_FWD)
        || (port->is_link_down && way->sw->plant != REF_PLANT_SENDS_WITHOUT_LINK)) {
        return;
    }
    bool is_queued = way->queue < REF_MAX_QUEUES && port->queues[way->queue].is_there;
    port->tx_packets++;
    port->tx_bytes += way->frame.size;
    if (is_queued) {
        port->queues[way->queue].packets++;
        port->queues[way->queue].bytes += way->frame.size;
    }
    if (out->n < REF_MAX_OUT) {
        struct ref_sent *sent = &out->sent[out->n++];
        memset(sent, 0, sizeof *sent - sizeof sent->frame);
        sent->port = port->number;
        sent->queue = is_queued ? (uint8_t) way->queue : REF_NO_QUEUE;
        sent->frame = way->frame;
    }
}

/* The spanning tree lets FLOOD and NORMAL use the port. */
static bool
may_relay(struct way *way, const struct ref_port *port)
{
    bool may = ref_stp(way->sw, port) == REF_STP_FORWARD;
    way->sw->n_held_by_stp += !may;
    return may;
}

static void
send_to_all(struct way *way, bool is_flood)
{
    for (size_t i = 0; i < way->sw->n_ports; i++) {
        struct ref_port *port = &way->sw->ports[i];
        if (port->number == way->in_port || (is_flood && port->config & PC_NO_FLOOD)) {
            continue;
        }
        if (is_flood && !may_relay(way, port) && way->sw->plant != REF_PLANT_FLOODS_TO_BLOCKED) {
            continue;
        }
        send_to(way, port);
    }
}

static void
normal(struct way *way)
{
    static const uint8_t reserved[5] = { 0x01, 0x80, 0xc2, 0x00, 0x00 };
    const uint8_t *dst = way->frame.data, *src = dst + 6;
    struct ref_fields fields;
    ref_parse(&way->frame, way->in_port, &fields);
    uint16_t vid = fields.dl_vlan == 0xffff ? 0 : fields.dl_vlan;

    if (way->sw->plant == REF_PLANT_LEARNS_WITHOUT_VLAN) {
        vid = 0;
    }
    if (!memcmp(dst, reserved, 5) && dst[5] < 16 && !way->sw->forward_bpdu) {
        return;
    }
    const struct ref_port *in = ref_find_port(way->sw, way->in_port);
    if (in) {
        ref_fdb_learn(way->sw, src, vid, in);
        if (!may_relay(way, in) && way->sw->plant != REF_PLANT_TAKES_FROM_BLOCKED) {
            return;
        }
    }
    uint16_t known = dst[0] % 2 ? 0 : ref_fdb_find(way->sw, dst, vid);
    struct ref_port *port = ref_find_port(way->sw, known);
    if (!port) {
        send_to_all(way, true);
    } else if (known != way->in_port && may_relay(way, port)) {
        send_to(way, port);
    }
}

static void run_table(struct way *way);

static void
output(struct way *way, uint16_t port, uint16_t max_len)
{
    switch (port) {
    case P_IN_PORT:
        send_to(way, ref_find_port(way->sw, way->in_port));
        break;
    case P_TABLE: {
        struct ref_frame before = way->frame;
        uint32_t queue = way->queue;
        way->queue = REF_NO_QUEUE;
        run_table(way);
        way->queue = queue;
        way->frame = before;
        break;
    }
    case P_NORMAL:
        normal(way);
        break;
    case P_FLOOD:
        send_to_all(way, true);
        break;
    case P_ALL:
        send_to_all(way, false);
        break;
    case P_CONTROLLER:
        packet_in(way, 0, 1, max_len);
        break;
    default:
        if (port != way->in_port || way->sw->plant == REF_PLANT_SENDS_BACK) {
            send_to(way, ref_find_port(way->sw, port));
        }
        break;
    }
}

/* Nicira's. False if the list ends here. */
static bool
vendor_action(struct way *way, const uint8_t *a)
{
    uint32_t subtype = get(a + 8, 2);
    uint32_t n_ids = subtype == 21 ? get(a + 10, 2) : 0;
    if (subtype == 4 || subtype == 5) {
        way->queue = subtype == 4 ? get(a + 12, 4) : REF_NO_QUEUE;
        return true;
    }
    if (subtype == 20) {
        packet_in(way, (uint16_t) get(a + 12, 2), a[14], get(a + 10, 2));
        return true;
    }
    bool spared = way->sw->plant == REF_PLANT_TTL_ONE_GOES_ON;
    if (!ref_ttl_is_over(&way->frame) || spared) {
        ref_rewrite(&way->frame, a);
        return true;
    }
    if (subtype == 18) {
        packet_in(way, 0, 2, way->sw->miss_send_len);
    }
    for (uint32_t i = 0; i < n_ids; i++) {
        packet_in(way, (uint16_t) get(a + 16 + 2 * i, 2), 2, way->sw->miss_send_len);
    }
    return false;
}

static void
run_actions(struct way *way, const uint8_t *actions, size_t size)
{
    for (size_t at = 0; at < size; at += get(actions + at + 2, 2)) {
        const uint8_t *a = actions + at;
        uint32_t type = get(a, 2);
        if (type == 0) {
            output(way, get(a + 4, 2), get(a + 6, 2));
        } else if (type == 11) {
            uint32_t before = way->queue;
            way->queue = get(a + 12, 4) + (way->sw->plant == REF_PLANT_NEXT_QUEUE);
            output(way, get(a + 4, 2), 0);
            way->queue = before;
        } else if (type == 0xffff) {
            if (!vendor_action(way, a)) {
                return;
            }
        } else {
            ref_rewrite(&way->frame, a);
        }
    }
}

static void
table_miss(struct way *way)
{
    const struct ref_port *port = ref_find_port(way->sw, way->in_port);
    switch (way->sw->miss) {
    case REF_MISS_CONTROLLER:
        if (!port || !(port->config & PC_NO_PACKET_IN)
            || way->sw->plant == REF_PLANT_MISSES_IGNORE_FLAG) {
            packet_in(way, 0, 0, way->sw->miss_send_len);
        }
        break;
    case REF_MISS_NORMAL:
        normal(way);
        break;
    case REF_MISS_DROP:
        break;
    }
}

static void
run_flow(struct way *way, struct ref_flow *flow)
{
    bool is_tagged = way->frame.data[12] == 0x81 && way->frame.data[13] == 0;
    way->sw->matched++;
    flow->packets++;
    flow->bytes += way->frame.size;
    if (way->sw->plant == REF_PLANT_BYTES_WITHOUT_TAG && is_tagged) {
        flow->bytes -= 4;
    }
    if (way->sw->plant != REF_PLANT_IDLE_IS_HARD) {
        flow->used_ms = way->sw->now_ms;
    }
    run_actions(way, flow->actions, flow->actions_size);
}

static void
run_table(struct way *way)
{
    struct ref_fields fields;
    bool ambiguous;
    ref_parse(&way->frame, way->in_port, &fields);
    if (fields.is_fragment && way->sw->drop_fragments) {
        return;
    }
    if (way->sw->plant == REF_PLANT_FRAGMENTS_HAVE_PORTS && fields.is_later_fragment) {
        fields.tp_src = get(way->frame.data + 34, 2);
        fields.tp_dst = get(way->frame.data + 36, 2);
    }
    way->sw->lookups++;
    struct ref_flow *flow = ref_table_lookup(&way->sw->table, &fields, &ambiguous);
    way->out->ambiguous |= ambiguous;
    if (!flow) {
        table_miss(way);
        return;
    }
    run_flow(way, flow);
}

bool
ref_flow_mod(struct ref_switch *sw, const uint8_t *msg, size_t size, struct ref_error *error)
{
    return ref_table_mod(&sw->table, &sw->emergency, msg, size, sw->now_ms, error);
}

static void
start(struct way *way, struct ref_switch *sw, struct ref_output *out, const void *frame, uint32_t size)
{
    way->sw = sw;
    way->out = out;
    way->queue = REF_NO_QUEUE;
    out->n = 0;
    out->ambiguous = false;
    way->frame.size = size < REF_MAX_FRAME - 4 ? size : REF_MAX_FRAME - 4;
    memcpy(way->frame.data, frame, way->frame.size);
}

void
ref_receive(struct ref_switch *sw, uint16_t in_port, const void *frame, uint32_t size,
            struct ref_output *out)
{
    static const uint8_t stp[6] = { 0x01, 0x80, 0xc2, 0x00, 0x00, 0x00 };
    struct way way = { .in_port = in_port };
    struct ref_port *port = ref_find_port(sw, in_port);

    start(&way, sw, out, frame, size);
    if (!port) {
        return;
    }
    if (size < 14) {
        port->rx_dropped++;
        return;
    }
    port->rx_packets++;
    port->rx_bytes += size;
    bool is_stp = !memcmp(way.frame.data, stp, 6);
    if (port->config & (PC_DOWN | (is_stp ? PC_NO_RECV_STP : PC_NO_RECV))) {
        port->rx_dropped++;
        return;
    }
    run_table(&way);
}

void
ref_run_flow(struct ref_switch *sw, struct ref_flow *flow, uint16_t in_port,
             const struct ref_frame *frame, struct ref_output *out)
{
    struct way way = { .in_port = in_port };
    start(&way, sw, out, frame->data, frame->size);
    sw->lookups++;
    run_flow(&way, flow);
}

uint16_t
ref_ingress(struct ref_switch *sw, uint16_t in_port)
{
    return in_port == P_CONTROLLER || ref_find_port(sw, in_port) ? in_port : P_NONE;
}

static bool
is_no_ports_number(uint16_t port)
{
    return port >= 0xff00 && port != P_CONTROLLER && port != P_LOCAL && port != P_NONE;
}

static bool
has_queue(struct ref_switch *sw, uint16_t number, uint32_t queue)
{
    bool any = number == 0 || sw->plant == REF_PLANT_QUEUES_OF_ALL;
    for (size_t i = 0; i < sw->n_ports && queue < REF_MAX_QUEUES; i++) {
        if ((any || sw->ports[i].number == number) && sw->ports[i].queues[queue].is_there) {
            return true;
        }
    }
    return false;
}

static bool
check_enqueue(struct ref_switch *sw, uint16_t in_port, const uint8_t *a, struct ref_error *error)
{
    uint16_t port = get(a + 4, 2);
    if (port != P_IN_PORT && !ref_find_port(sw, port)) {
        *error = (struct ref_error) { 2, 4, false };
        return false;
    }
    if (!has_queue(sw, port == P_IN_PORT ? in_port : port, get(a + 12, 4))) {
        *error = (struct ref_error) { 2, 8, false };
        return false;
    }
    return true;
}

bool
ref_check_enqueues(struct ref_switch *sw, uint16_t in_port, const uint8_t *actions, size_t size,
                   struct ref_error *error)
{
    for (size_t at = 0; at < size; at += get(actions + at + 2, 2)) {
        if (get(actions + at, 2) == 11 && !check_enqueue(sw, in_port, actions + at, error)) {
            return false;
        }
    }
    return true;
}

/* The first OUTPUT or ENQUEUE that can't be done now. */
static bool
check_outputs(struct ref_switch *sw, uint16_t in_port, const uint8_t *actions, size_t size,
              struct ref_error *error)
{
    for (size_t at = 0; at < size; at += get(actions + at + 2, 2)) {
        uint32_t type = get(actions + at, 2), port = get(actions + at + 4, 2);
        if (type == 11 && sw->table.queues_of
            && !check_enqueue(sw, ref_ingress(sw, in_port), actions + at, error)) {
            return false;
        }
        if (type == 0 && port < 0xff00 && !ref_find_port(sw, port)) {
            *error = (struct ref_error) { 2, 4, false };
            return false;
        }
    }
    return true;
}

bool
ref_packet_out(struct ref_switch *sw, const uint8_t *msg, size_t size, struct ref_output *out,
               struct ref_error *error)
{
    if (size < 16 || get(msg + 2, 2) != size || get(msg + 14, 2) > size - 16) {
        *error = (struct ref_error) { 1, 6, false };
        return false;
    }
    uint32_t actions_size = get(msg + 14, 2);
    if (is_no_ports_number(get(msg + 12, 2))) {
        *error = (struct ref_error) { 2, 4, false };
        return false;
    }
    if (!ref_check_actions(msg + 16, actions_size, true, error)
        || !check_outputs(sw, get(msg + 12, 2), msg + 16, actions_size, error)) {
        return false;
    }
    struct way way = { .in_port = ref_ingress(sw, get(msg + 12, 2)) };
    start(&way, sw, out, msg + 16 + actions_size, (uint32_t) size - 16 - actions_size);
    if (way.frame.size >= 14) {
        run_actions(&way, msg + 16, actions_size);
    }
    return true;
}
