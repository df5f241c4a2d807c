/* SPDX-License-Identifier: Apache-2.0 */
/* A naive OpenFlow 1.0 switch, for property tests.
 *
 * It says what the product should do, and shares nothing with it: no header, parser,
 * match or action code. Everything is read from the raw bytes of messages and frames,
 * tables are lists that are searched from end to end, and checksums are summed again. It
 * is meant to be obviously right, not fast. One thread.
 *
 * Where the specification (wire version 0x01) leaves something open, it takes the reading
 * that controllers and Open vSwitch share:
 *
 *  - Matches are normalised before they are used or compared: network fields count only
 *    where dl_type is exactly IPv4 or ARP (ToS: IPv4), transport fields only where, in
 *    IPv4, nw_proto is exactly TCP, UDP or ICMP. dl_vlan 0xffff is "no tag" and PCP does
 *    not count then; PCP without dl_vlan is any tag with that PCP. Of a VID 12 bits
 *    count, of a PCP 3, of a ToS the upper 6.
 *  - A flow whose 22 wildcard bits are all 0 on the wire outranks all others; its
 *    priority means nothing, also when flows are compared.
 *  - MODIFY that matches nothing is an ADD; otherwise actions and cookie change.
 *  - Nicira's NXT_FLOW_MOD says the same of the same flows. An nx_match with all of 1.0's
 *    fields is one without wildcards; of others it can't tell, and what names one flow names
 *    one without wildcards of the same match and (given) priority, if there is no other.
 *    MODIFY by cookie, or with a cookie of all ones, never adds.
 *  - A flag that is not known is UNSUPPORTED; DELETE looks at none but EMERG.
 *  - out_port finds OUTPUT and ENQUEUE. ENQUEUE sends like OUTPUT, through a queue of the
 *    port; if it has no such queue (any more), through none.
 *  - A flow or PACKET_OUT with an ENQUEUE to a port that is not there is BAD_OUT_PORT, to a
 *    queue that the port does not have BAD_QUEUE. IN_PORT is the port that the flow matches
 *    or that the packet came in by; where a flow leaves that open any port's queue will do.
 *  - SET_QUEUE holds for the outputs behind it, POP_QUEUE ends that; an ENQUEUE has its own queue.
 *    An output to TABLE begins without.
 *  - Frames to one port through different queues have no order.
 *  - ALL, FLOOD and NORMAL include LOCAL, if it was added as a port.
 *  - NORMAL sees the frame as earlier actions left it, and learns its source first. What
 *    goes to 01:80:c2:00:00:00 to 0f it neither forwards nor learns from. VID 0 and no
 *    tag are one VLAN. An address that was learnt on a port that is gone is not known.
 *  - Port bits: DOWN receives and sends nothing. NO_RECV drops all but spanning tree
 *    frames on receipt, NO_RECV_STP those. NO_FWD keeps everything from leaving. NO_FLOOD counts
 *    for FLOOD and NORMAL's flood. NO_PACKET_IN silences table misses only.
 *  - Spanning tree, if the switch has it: FLOOD sends to ports in state FORWARD only. NORMAL
 *    forwards from and to these only, and learns in LEARN too, but not while the port is down.
 *    Other outputs and the flow table don't look at states (4.5). LOCAL, and ports with NO_STP,
 *    are in FORWARD. Who goes down, or loses NO_STP, begins in LISTEN; who ceases to learn is
 *    forgotten.
 *  - Of Nicira's actions it has DEC_TTL (18), CONTROLLER (20) and DEC_TTL_CNT_IDS (21, with
 *    three ids at most). A TTL of 0 or 1 is not decremented: the list ends there, and, if it
 *    was asked for, a PACKET_IN of the packet as it is then goes to each of the ids.
 *  - An output to TABLE is one like others: what flows do to the packet is not seen by the
 *    rest of the list. (Open vSwitch goes on with what they left.)
 *  - An output to the ingress port is dropped: IN_PORT is the way back.
 *  - rx counters count every frame of 14 bytes or more that came, dropped or not; of
 *    shorter ones only rx_dropped knows.
 *  - A table's look-ups are the packets that came to it, buffered ones that a FLOW_MOD runs
 *    through its flow included; what the fragment mode drops did not come there.
 *  - A PACKET_OUT to a port that is not there, or said to have come in by a number that no
 *    port can have, is BAD_OUT_PORT. Said to have come in by 0 or a port that is not there
 *    is NONE.
 *  - Two flows of one rank that match the same packet: see ref_output.ambiguous.
 */
#ifndef TESTS_PROPERTY_REFERENCE_H
#define TESTS_PROPERTY_REFERENCE_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REF_MAX_QUEUES = 8, REF_NO_QUEUE = 8 };

enum { REF_MAX_FRAME = 2048, REF_MAX_OUT = 512, REF_MAX_FLOWS = 4096, REF_MAX_PORTS = 64 };

/* Bugs, for a test to see that it finds them. */
enum ref_plant {
    REF_PLANT_NONE,
    REF_PLANT_EXACT_HAS_PRIORITY,   /* a flow without wildcards does not outrank others */
    REF_PLANT_MODIFY_ZEROES,        /* MODIFY sets counters to 0 */
    REF_PLANT_BYTES_WITHOUT_TAG,    /* tagged frames count 4 bytes less */
    REF_PLANT_IDLE_IS_HARD,         /* packets don't put off idle time-outs */
    REF_PLANT_LEARNS_WITHOUT_VLAN,  /* one forwarding database for all VLANs */
    REF_PLANT_SENDS_BACK,           /* an output to the ingress port is sent */
    REF_PLANT_MISSES_IGNORE_FLAG,   /* NO_PACKET_IN does nothing */
    REF_PLANT_FLOODS_TO_BLOCKED,    /* FLOOD ignores the spanning tree */
    REF_PLANT_TAKES_FROM_BLOCKED,   /* NORMAL forwards what came in by a port that is blocked */
    REF_PLANT_LEARNS_BEHIND_BLOCKED,/* NORMAL learns in every state */
    REF_PLANT_SENDS_WITHOUT_LINK,   /* a port sends while its link is down */
    REF_PLANT_TTL_ONE_GOES_ON,      /* a TTL of 1 is decremented to 0 */
    REF_PLANT_FRAGMENTS_HAVE_PORTS, /* flows of ports match later fragments' payload */
    REF_PLANT_NEXT_QUEUE,           /* ENQUEUE sends through the queue behind the right one */
    REF_PLANT_QUEUES_OF_ALL,        /* ENQUEUE is taken if any port has the queue */
    N_REF_PLANTS
};

/* --- frames ------------------------------------------------------------------------ */

/* What a frame says, as OpenFlow 1.0 sees it. Host order; 0 where there is nothing. */
struct ref_fields {
    uint16_t in_port;
    uint8_t dl_src[6], dl_dst[6];
    uint16_t dl_vlan;              /* 0xffff: no tag */
    uint8_t dl_vlan_pcp;
    uint16_t dl_type;
    uint8_t nw_tos, nw_proto;
    uint32_t nw_src, nw_dst;
    uint16_t tp_src, tp_dst;
    bool is_fragment, is_later_fragment;
};

struct ref_frame {
    uint32_t size;
    uint8_t data[REF_MAX_FRAME];
};

/* Reads a frame of 14 bytes or more. */
void ref_parse(const struct ref_frame *, uint16_t in_port, struct ref_fields *);

/* Does one action of 'size' bytes, as it is on the wire, if it changes frames; others do
 * nothing here. */
void ref_rewrite(struct ref_frame *, const uint8_t *action);
/* True if there is a TTL in the frame, and it is 0 or 1. */
bool ref_ttl_is_over(const struct ref_frame *);

/* --- matches and actions on the wire ----------------------------------------------- */

struct ref_error {
    uint16_t type, code;
    bool is_nicira;                /* the type and code are Nicira's */
};

/* A match as it came: 1.0's 40 bytes, or the entries of an nx_match, without what pads
 * them. Of nx_match only good ones are read; faults have other tests. */
enum { REF_MATCH_MAX = 320 };
struct ref_match {
    bool is_nxm;
    uint16_t size;
    uint8_t bytes[REF_MATCH_MAX];
};
void ref_match_openflow10(struct ref_match *, const uint8_t wire[40]);
void ref_match_nxm(struct ref_match *, const uint8_t *entries, size_t size);

/* The cookies that a request's match asks for: 'value' under 'mask'; no mask, all. */
struct ref_cookies {
    uint64_t value, mask;
};
void ref_match_cookies(const struct ref_match *, struct ref_cookies *);

/* True if a packet with these fields is in the set of a match. */
bool ref_match_packet(const struct ref_match *, const struct ref_fields *);
/* True if the matches stand for the same packets field by field; if every packet of 'b' is
 * in 'a'; if some packet is in both. */
bool ref_match_equal(const struct ref_match *a, const struct ref_match *b);
bool ref_match_covers(const struct ref_match *a, const struct ref_match *b);
bool ref_match_overlaps(const struct ref_match *a, const struct ref_match *b);
/* True if it has no wildcards: said by 1.0's, or because nx_match has all that 1.0 has. */
bool ref_match_is_exact(const struct ref_match *);
/* True if a flow with this match is told as 'told' in the dialect that that is in: the
 * nearest match that it can say, and no nearer. */
bool ref_match_is_told_as(const struct ref_match *flow, const struct ref_match *told);

/* Checks a list of actions. 'in_packet_out' allows TABLE. False, and *error. */
bool ref_check_actions(const uint8_t *actions, size_t size, bool in_packet_out,
                       struct ref_error *error);

/* --- the flow table ---------------------------------------------------------------- */

struct ref_flow {
    struct ref_match match;        /* as it came */
    bool exact;
    uint16_t priority;
    uint64_t cookie;
    uint16_t idle_timeout, hard_timeout, flags;
    uint64_t created_ms, used_ms;  /* used: last packet, or when it was added */
    uint64_t changed_ms;           /* added or modified */
    uint64_t packets, bytes;
    uint8_t *actions;
    size_t actions_size;
};

/* Flows that went and wanted it known: OFPRR_* in 'reason'; 'flow.actions' is NULL. */
struct ref_removed {
    struct ref_flow flow;
    uint8_t reason;
};

struct ref_switch;
struct ref_table {
    enum ref_plant plant;
    struct ref_switch *queues_of;  /* ENQUEUE is checked against its ports; NULL: it is not */
    struct ref_flow flows[REF_MAX_FLOWS];
    size_t n_flows, max_flows;
    struct ref_removed removed[REF_MAX_FLOWS];
    size_t n_removed;              /* the caller sets it to 0 when it has read them */
};

/* What a FLOW_MOD or NXT_FLOW_MOD of a possible size is about. */
struct ref_flow_mod {
    struct ref_match match;
    uint16_t command, priority, flags;
    uint32_t buffer_id;
};
void ref_read_flow_mod(const uint8_t *msg, size_t size, struct ref_flow_mod *);

/* Does a FLOW_MOD, or an NXT_FLOW_MOD whose match is good. False, with nothing changed but *error, if it is refused. The buffer id
 * is not looked at. 'emergency' is where flows with OFPFF_EMERG go. */
bool ref_table_mod(struct ref_table *, struct ref_table *emergency, const uint8_t *msg,
                   size_t size, uint64_t now_ms, struct ref_error *error);
/* Removes what has timed out at 'now_ms'. */
void ref_table_expire(struct ref_table *, uint64_t now_ms);
/* The flow that decides, or NULL; *ambiguous if another of the same rank matches too. */
struct ref_flow *ref_table_lookup(struct ref_table *, const struct ref_fields *, bool *ambiguous);
/* The flow with this match and this rank, or NULL. */
struct ref_flow *ref_table_find(struct ref_table *, const struct ref_match *, uint16_t priority);
/* True if a flow of this rank is there that some packet of 'match' matches too. */
bool ref_table_overlaps(const struct ref_table *, const struct ref_match *, uint16_t priority);
/* True if statistics for 'match' and 'out_port' include the flow. */
bool ref_flow_is_asked_for(const struct ref_flow *, const struct ref_match *, uint16_t out_port);
/* Sums over the flows that 'match' covers and that have 'out_port' (0xffff: any). */
void ref_table_aggregate(const struct ref_table *, const struct ref_match *, uint16_t out_port,
                         uint64_t *packets, uint64_t *bytes, uint32_t *flows);
void ref_table_clear(struct ref_table *);

/* --- the switch --------------------------------------------------------------------- */

enum ref_miss { REF_MISS_CONTROLLER, REF_MISS_NORMAL, REF_MISS_DROP };

/* What one frame, or one PACKET_OUT, led to, in the order in which it happened. Frames to
 * ALL, FLOOD and NORMAL's flood leave in the order in which ports were added. */
struct ref_sent {
    uint16_t port;                 /* 0xfffd: a PACKET_IN */
    uint8_t queue;                 /* of the port, or REF_NO_QUEUE */
    uint8_t reason;                /* of the PACKET_IN: 0 no match, 1 action, 2 TTL, or any */
    uint16_t in_port;              /* of the PACKET_IN */
    uint32_t prefix;               /* of the PACKET_IN: bytes, if the packet is buffered */
    struct ref_frame frame;
};
struct ref_output {
    /* The specification leaves the result open: flows of one rank overlap. What follows
     * is one possible result. */
    bool ambiguous;
    size_t n;
    struct ref_sent sent[REF_MAX_OUT];
};

/* As on the wire. */
enum { REF_STP_LISTEN, REF_STP_LEARN, REF_STP_FORWARD, REF_STP_BLOCK };

struct ref_port {
    uint16_t number;
    uint32_t config;               /* OFPPC_* */
    bool is_link_down;
    uint32_t stp;                  /* REF_STP_*, as it was set */
    uint64_t rx_packets, rx_bytes, rx_dropped, tx_packets, tx_bytes;
    /* Queues have numbers below REF_MAX_QUEUES: each is there or not. */
    struct {
        bool is_there;
        uint64_t packets, bytes;
    } queues[REF_MAX_QUEUES];
};

struct ref_switch {
    enum ref_plant plant;          /* table.plant as well */
    bool has_stp;                  /* ports have spanning tree states */
    bool forward_bpdu;             /* NORMAL forwards to reserved addresses */
    uint64_t n_held_by_stp;        /* times that a port's state kept FLOOD or NORMAL from it */
    uint64_t lookups, matched;
    struct ref_table table, emergency;
    struct ref_port ports[REF_MAX_PORTS];
    size_t n_ports;
    bool drop_fragments;           /* OFPC_FRAG_DROP */
    enum ref_miss miss;
    uint16_t miss_send_len;
    uint16_t controller_id;        /* of the only controller */
    bool wants_ttl;                /* it is told of TTLs at their end */
    uint64_t now_ms;               /* the caller sets it */
    uint64_t fdb_age_ms;           /* 0: addresses do not age */
    struct {
        uint8_t addr[6];
        uint16_t vid, port;
        uint64_t used_ms;
    } fdb[REF_MAX_FLOWS];
    size_t n_fdb;
};

/* A switch without ports, flows or addresses; miss_send_len 128. NULL without memory. */
struct ref_switch *ref_switch_new(void);
void ref_switch_free(struct ref_switch *);

void ref_add_port(struct ref_switch *, uint16_t number, uint32_t config);
/* NULL if there is none. */
struct ref_port *ref_find_port(struct ref_switch *, uint16_t number);
/* Its addresses are forgotten. */
void ref_remove_port(struct ref_switch *, uint16_t number);
/* True if each ENQUEUE of a list that is good so far can be done; else *error. 'in_port' is
 * what IN_PORT stands for, 0 if that is open. */
bool ref_check_enqueues(struct ref_switch *, uint16_t in_port, const uint8_t *actions, size_t size,
                        struct ref_error *error);
/* What changes a port after that; false if the spanning tree state can't be set. */
void ref_set_config(struct ref_switch *, struct ref_port *, uint32_t config);
void ref_set_link(struct ref_switch *, struct ref_port *, bool is_up);
bool ref_set_stp(struct ref_switch *, struct ref_port *, uint32_t stp);
/* The spanning tree state that counts; OFPPS_* of the port. */
uint32_t ref_stp(const struct ref_switch *, const struct ref_port *);
uint32_t ref_port_state(const struct ref_switch *, const struct ref_port *);
/* What a PACKET_OUT's in_port means: NONE if it is no port. */
uint16_t ref_ingress(struct ref_switch *, uint16_t in_port);
/* Forgets what was learnt behind 'port'; 0: everything. */
void ref_fdb_flush(struct ref_switch *, uint16_t port);
/* The address was seen behind the port, which learns it, if it may. */
void ref_fdb_learn(struct ref_switch *, const uint8_t addr[6], uint16_t vid, const struct ref_port *);
/* The port behind which the address is known to be, or 0. */
uint16_t ref_fdb_find(const struct ref_switch *, const uint8_t addr[6], uint16_t vid);

/* FLOW_MOD. False and *error if it is refused. */
bool ref_flow_mod(struct ref_switch *, const uint8_t *msg, size_t size, struct ref_error *error);

/* A frame came in by 'in_port'. Fills *out, from empty. */
void ref_receive(struct ref_switch *, uint16_t in_port, const void *frame, uint32_t size,
                 struct ref_output *out);

/* A frame that waited in a buffer goes through a flow. */
void ref_run_flow(struct ref_switch *, struct ref_flow *, uint16_t in_port,
                  const struct ref_frame *, struct ref_output *out);

/* PACKET_OUT with the frame in it (buffer id 0xffffffff). False and *error if it is
 * refused. */
bool ref_packet_out(struct ref_switch *, const uint8_t *msg, size_t size, struct ref_output *out,
                    struct ref_error *error);

#endif /* tests/property/reference.h */
