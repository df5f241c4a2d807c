/* SPDX-License-Identifier: Apache-2.0 */
/* Where packets go: admission by port configuration, execution of a rule, and what each
 * kind of output port means. Any thread that forwards; state is that of its batch. */
#include <string.h>

#include "lib/counters.h"
#include "sw-datapath/dp_internal.h"
#include "sw-datapath/execute.h"
#include "sw-datapath/govern.h"
#include "sw-datapath/parse.h"

/* One execution of an action list. */
struct forwarding {
    struct dp_thread *thread;
    struct dp_bridge *bridge;
    const struct port_map *map;
    const struct rule *rule;     /* whose list it is, or NULL */
    bool table_allowed;
    bool queued;                 /* outputs now go through queue 'queue_id' of their port */
    uint32_t queue_id;
};

static bool
is_stp(const struct packet *packet)
{
    static const uint8_t stp_addr[6] = { 0x01, 0x80, 0xc2, 0, 0, 0 };
    return !memcmp(packet->data, stp_addr, sizeof stp_addr);
}

bool
forward_is_reserved(const uint8_t addr[6])
{
    static const uint8_t prefix[5] = { 0x01, 0x80, 0xc2, 0, 0 };
    return !memcmp(addr, prefix, sizeof prefix) && addr[5] <= 0x0f;
}

static uint32_t
path_of(const struct dp_port *port)
{
    return atomic_load_explicit(&port->path, memory_order_relaxed);
}

bool
forward_admit(struct dp_thread *thread, struct dp_port *port, const struct packet *packet)
{
    struct port_slot *slot = &port->slots[thread->slot];
    slot_add(&slot->rx_packets, packet_n_segments(packet));
    slot_add(&slot->rx_bytes, packet_wire_bytes(packet));
    uint32_t path = path_of(port);
    if ((path & (PORT_PATH_RX | PORT_PATH_RX_STP)) == (PORT_PATH_RX | PORT_PATH_RX_STP)) {
        return true;
    }
    if (path & (is_stp(packet) ? PORT_PATH_RX_STP : PORT_PATH_RX)) {
        return true;
    }
    slot_add(&slot->rx_dropped, packet_n_segments(packet));
    counter_inc(COUNTER_rx_port_blocked);
    return false;
}

static void
send_to_port(const struct forwarding *fw, struct dp_port *port, const struct packet *packet,
             bool copy)
{
    struct pktio *io = atomic_load_explicit(&port->io, memory_order_acquire);
    if (!io || !(path_of(port) & PORT_PATH_TX)) {
        slot_add(&port->slots[fw->thread->slot].tx_dropped, packet_n_segments(packet));
        counter_inc(COUNTER_tx_port_blocked);
        return;
    }
    struct pktio_queue *queue = NULL;
    if (fw->queued) {
        queue = port_find_queue(port, io, fw->queue_id);
        if (!queue) {
            counter_inc(COUNTER_enqueue_no_queue);
        }
    }
    pktio_tx_queued(fw->thread->tx, io, queue, packet, copy);
}

/* To every port but the ingress; with 'path' only to those that have these bits. */
static void
flood(const struct forwarding *fw, const struct packet *packet, uint32_t path, bool copy)
{
    const struct port_map *map = fw->map;
    for (unsigned i = 0; i <= map->n; i++) {
        struct dp_port *port = i < map->n ? map->ports[i] : map->local;
        if (!port || port->no == packet->in_port) {
            continue;
        }
        if ((path_of(port) & (path | PORT_PATH_TX)) == (path | PORT_PATH_TX)) {
            send_to_port(fw, port, packet, copy);
        }
    }
}

static uint16_t
packet_vid(const struct packet *packet)
{
    return packet->tagged ? (packet->data[14] & 0x0f) << 8 | packet->data[15] : 0;
}

/* Where the packet came in: learns who sent it, and says whether it may go on. */
static bool
normal_admit(const struct forwarding *fw, const struct packet *packet, uint16_t vid)
{
    const struct dp_port *port = port_map_find(fw->map, packet->in_port);
    if (!port) {
        return true;    /* a controller's */
    }
    uint32_t path = path_of(port);
    if (path & PORT_PATH_LEARN) {
        fdb_learn(fw->bridge->fdb, packet->data + 6, vid, port->no, fw->thread->now_ms);
        if (fdb_has_changes(fw->bridge->fdb)) {
            dp_notify(fw->thread->dp);
        }
    }
    if (!(path & PORT_PATH_RELAY)) {
        counter_inc(COUNTER_normal_stp);
    }
    return path & PORT_PATH_RELAY;
}

/* The learning switch. */
static void
normal(const struct forwarding *fw, const struct packet *packet, bool copy)
{
    const uint8_t *dst = packet->data;
    if (forward_is_reserved(dst)
        && !atomic_load_explicit(&fw->bridge->forward_bpdu, memory_order_relaxed)) {
        counter_inc(COUNTER_normal_reserved);
        return;
    }
    uint16_t vid = packet_vid(packet);
    if (!normal_admit(fw, packet, vid)) {
        return;
    }
    uint16_t no = dst[0] & 1 ? 0 : fdb_lookup(fw->bridge->fdb, dst, vid, fw->thread->now_ms);
    struct dp_port *port = no ? port_map_find(fw->map, no) : NULL;
    if (!port) {
        flood(fw, packet, PORT_PATH_FLOOD, copy);
    } else if (no == packet->in_port) {
        counter_inc(COUNTER_normal_same_port);
    } else if (!(path_of(port) & PORT_PATH_RELAY)) {
        counter_inc(COUNTER_normal_stp);
    } else {
        send_to_port(fw, port, packet, copy);
    }
}

/* Runs a copy through the table: what a flow does to it is not seen by outputs of the list
 * that are queued already, or are still to come. */
static void
run_table(const struct forwarding *fw, const struct packet *packet)
{
    struct dp_thread *thread = fw->thread;
    if (!fw->table_allowed) {
        counter_inc(COUNTER_output_invalid);
        return;
    }
    struct packet again = *packet;
    struct flow_key key;
    again.data = memcpy(thread->again + PACKET_HEADROOM, packet->data, packet->size);
    if (packet_parse(&again, &key)) {
        counter_inc(COUNTER_rx_short);
        return;
    }
    if (again.nw_frag && atomic_load_explicit(&fw->bridge->drop_fragments, memory_order_relaxed)) {
        counter_inc(COUNTER_rx_fragment_dropped);
        return;
    }
    forward_packet(thread, fw->bridge, fw->map, &again,
                   classifier_lookup(fw->bridge->classifier, &key));
    pktio_tx_flush(thread->tx);    /* frames that are queued without a copy are in 'again' */
}

static void
send_to_number(const struct forwarding *fw, const struct packet *packet, uint16_t no, bool copy)
{
    if (no == packet->in_port) {
        /* Only OFPP_IN_PORT sends a packet back (OpenFlow 1.0, 3.3). */
        counter_inc(COUNTER_output_in_port);
        return;
    }
    struct dp_port *port = port_map_find(fw->map, no);
    if (port) {
        send_to_port(fw, port, packet, copy);
    } else {
        counter_inc(COUNTER_output_no_port);
    }
}

static uint64_t
cookie_of(const struct forwarding *fw)
{
    const struct dp_bridge_ops *ops = fw->bridge->ops;
    return fw->rule && ops->rule_cookie ? ops->rule_cookie(fw->bridge->ops_aux, fw->rule)
                                        : DP_NO_COOKIE;
}

/* By an output to CONTROLLER, or by an action of its own. */
static void
send_to_controller(const struct forwarding *fw, const struct packet *packet,
                   const struct action *action)
{
    struct dp_packet_in in = {
        .reason = DP_ACTION, .said = DP_SAID_ACTION, .cookie = cookie_of(fw),
    };
    if (action->type == ACTION_CONTROLLER) {
        in.said = action->controller.reason;
        in.max_len = action->controller.max_len;
        in.controller_id = action->controller.id;
    } else {
        in.max_len = action->output.max_len;
    }
    upcall_send(fw->thread, fw->bridge, fw->map, packet, &in);
}

/* The TTL can't be decremented. */
static void
expired(void *aux, struct packet *packet, const struct action *action)
{
    const struct forwarding *fw = aux;
    counter_add(COUNTER_ttl_expired, packet_n_segments(packet));
    if (!atomic_load_explicit(&fw->bridge->invalid_ttl, memory_order_relaxed)) {
        return;
    }
    for (unsigned i = 0; i < (action->n_ids ? action->n_ids : 1u); i++) {
        const struct dp_packet_in in = {
            .reason = DP_INVALID_TTL,
            .cookie = cookie_of(fw),
            .controller_id = action->n_ids ? action->dec_ttl.ids[i] : 0,
        };
        upcall_send(fw->thread, fw->bridge, fw->map, packet, &in);
    }
}

static void
send_to_ingress(const struct forwarding *fw, const struct packet *packet, bool copy)
{
    struct dp_port *port = port_map_find(fw->map, packet->in_port);
    if (port) {
        send_to_port(fw, port, packet, copy);
    } else {
        counter_inc(COUNTER_output_no_port);
    }
}

static void
enqueue(const struct forwarding *fw, const struct packet *packet, const struct action *action,
        bool copy)
{
    struct forwarding queued = *fw;
    queued.queued = true;
    queued.queue_id = (uint32_t) action->enqueue.queue_hi << 16 | action->enqueue.queue_lo;
    if (action->enqueue.port == PORT_IN_PORT) {
        send_to_ingress(&queued, packet, copy);
    } else {
        send_to_number(&queued, packet, action->enqueue.port, copy);
    }
}

/* Those that have a type of their own. */
static void
special_output(struct forwarding *fw, const struct packet *packet, const struct action *action,
               bool copy)
{
    if (action->type == ACTION_ENQUEUE) {
        enqueue(fw, packet, action, copy);
    } else if (action->type == ACTION_CONTROLLER) {
        send_to_controller(fw, packet, action);
    } else {
        fw->queued = action->type == ACTION_SET_QUEUE;
        fw->queue_id = (uint32_t) action->queue.hi << 16 | action->queue.lo;
    }
}

static void
output(void *aux, struct packet *packet, const struct action *action, bool copy)
{
    struct forwarding *fw = aux;
    if (action->type != ACTION_OUTPUT) {
        special_output(fw, packet, action, copy);
        return;
    }
    switch (action->output.port) {
    case PORT_IN_PORT:
        send_to_ingress(fw, packet, copy);
        break;
    case PORT_TABLE:
        run_table(fw, packet);
        break;
    case PORT_NORMAL:
        normal(fw, packet, copy);
        break;
    case PORT_FLOOD:
        flood(fw, packet, PORT_PATH_FLOOD, copy);
        break;
    case PORT_ALL:
        flood(fw, packet, 0, copy);
        break;
    case PORT_CONTROLLER:
        send_to_controller(fw, packet, action);
        break;
    default:
        send_to_number(fw, packet, action->output.port, copy);
        break;
    }
}

static const struct execute_ops output_ops = { .output = output, .expired = expired };

void
forward_actions(struct dp_thread *thread, struct dp_bridge *bridge, const struct port_map *map,
                struct packet *packet, const struct rule *rule,
                const struct action_list *actions, bool table)
{
    struct forwarding fw = {
        .thread = thread,
        .bridge = bridge,
        .map = map,
        .rule = rule,
        .table_allowed = table,
    };
    execute_actions(actions, packet, &output_ops, &fw);
}

static void
table_miss(struct dp_thread *thread, struct dp_bridge *bridge, const struct port_map *map,
           struct packet *packet)
{
    enum dp_miss_mode mode = atomic_load_explicit(&bridge->miss_mode, memory_order_relaxed);
    if (mode == DP_MISS_NORMAL) {
        struct forwarding fw = { .thread = thread, .bridge = bridge, .map = map };
        normal(&fw, packet, false);
        return;
    }
    if (mode == DP_MISS_DROP) {
        counter_inc(COUNTER_miss_no_controller);
        return;
    }
    struct dp_port *port = port_map_find(map, packet->in_port);
    if (port && !(path_of(port) & PORT_PATH_PACKET_IN)) {
        counter_inc(COUNTER_miss_no_packet_in);
        return;
    }
    const struct dp_packet_in miss = { .reason = DP_TABLE_MISS, .cookie = DP_NO_COOKIE,
                                       .seen = govern_miss(thread, packet) };
    upcall_send(thread, bridge, map, packet, &miss);
}

void
forward_packet(struct dp_thread *thread, struct dp_bridge *bridge, const struct port_map *map,
               struct packet *packet, struct rule *rule)
{
    struct bridge_slot *slot = &bridge->slots[thread->slot];
    uint32_t n_segments = packet_n_segments(packet);
    slot_add(&slot->lookups, n_segments);
    if (!rule) {
        table_miss(thread, bridge, map, packet);
        return;
    }
    slot_add(&slot->matched, n_segments);
    rule_count(rule, thread->slot, n_segments, packet_wire_bytes(packet), thread->now_ms);
    forward_actions(thread, bridge, map, packet, rule,
                    atomic_load_explicit(&rule->actions, memory_order_acquire), false);
}

void
forward_hidden(struct dp_thread *thread, struct dp_bridge *bridge, const struct port_map *map,
               struct packet *packet, struct rule *rule)
{
    const struct forwarding fw = { .thread = thread, .bridge = bridge, .map = map };
    rule_count(rule, thread->slot, packet_n_segments(packet), packet_wire_bytes(packet),
               thread->now_ms);
    if (packet->in_port == PORT_LOCAL || normal_admit(&fw, packet, packet_vid(packet))) {
        forward_actions(thread, bridge, map, packet, NULL,
                        atomic_load_explicit(&rule->actions, memory_order_acquire), false);
    }
}
