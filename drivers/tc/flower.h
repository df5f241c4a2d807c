/* SPDX-License-Identifier: Apache-2.0 */
/* tc-flower filters as bytes: what is said to the kernel of an entry, and what it says.
 *
 * An entry (hal/driver.h) becomes one flower filter: its match the filter's keys, its list a
 * list of tc actions, *ops*. The other way a message of the kernel's becomes a flower_filter, ours
 * or a stranger's; what of it OpenFlow can't say is named. Nothing is cut: an entry that does not
 * fit is refused, with a verdict.
 *
 * A filter never takes a packet that is not the entry's. It may take fewer: frames that the
 * kernel's dissector sees otherwise than OpenFlow does (SNAP, 802.1ad) miss, and filters that look
 * at ports or rewrite what a checksum covers say "no fragment". What misses goes to software. Where
 * entries overlap it might go to an entry below instead; flower_options.whole refuses what could
 * lead there.
 *
 * How a list becomes ops: rewrites wait until an output needs them, then they are at most a few VLAN
 * ops, one pedit and one csum; so what nobody sees costs nothing. Each output but the last is
 * a mirror, the last a redirect, and no output at all is a drop. A port is never sent back to by its
 * number (OpenFlow 1.0, 3.3), but by PORT_IN_PORT.
 *
 * Pure: no sockets, no state, nothing allocated; any thread. Messages are in the byte order of the
 * machine, as netlink has it (linux/pkt_cls.h, linux/rtnetlink.h, linux/tc_act/). */
#ifndef DRIVERS_TC_FLOWER_H
#define DRIVERS_TC_FLOWER_H 1

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hal/driver.h"

enum {
    FLOWER_COOKIE_SIZE = 16,     /* TC_COOKIE_MAX_SIZE */
    FLOWER_MAX_OPS = 32,         /* TCA_ACT_MAX_PRIO: the kernel leaves out what is beyond */
    FLOWER_MAX_EDITS = 96,       /* 32-bit words that all pedits of a filter write to */
    FLOWER_MAX_ACTIONS = 256,    /* that the ops of a filter can be in OpenFlow's words */
    FLOWER_MSG_MAX = 16384,      /* room that is enough for any message of flower_encode() */
    FLOWER_WORDS_SIZE = 160,
    FLOWER_KIND_SIZE = 16,
};

/* --- what a filter does ---------------------------------------------------------------------- */

enum flower_op_kind {
    FLOWER_OP_MIRROR,            /* a copy to 'ifindex' */
    FLOWER_OP_REDIRECT,          /* to 'ifindex'; the end */
    FLOWER_OP_DROP,
    FLOWER_OP_PASS,              /* on to the port's own stack */
    FLOWER_OP_TRAP,              /* to the processor */
    FLOWER_OP_VLAN_POP,
    FLOWER_OP_VLAN_PUSH,
    FLOWER_OP_VLAN_MODIFY,
    FLOWER_OP_PEDIT,             /* 'n_edits' from 'first_edit' on */
    FLOWER_OP_CSUM,              /* 'flags': TCA_CSUM_UPDATE_FLAG_* */
    FLOWER_OP_SKBEDIT,           /* 'priority' */
    FLOWER_OP_OTHER,             /* none of these: 'name' */
};

struct flower_op {
    uint8_t kind;                /* enum flower_op_kind */
    bool ingress;                /* MIRROR, REDIRECT: as if it came in there */
    bool has_pcp;                /* VLAN_PUSH, VLAN_MODIFY */
    uint8_t pcp;
    uint16_t vid, tpid;          /* host order; MODIFY always says the VID */
    uint16_t first_edit, n_edits;
    int ifindex;
    uint32_t flags, priority;
    char name[FLOWER_KIND_SIZE]; /* OTHER: the kind, or what of it is not told */
};

/* A word that a pedit writes to. */
struct flower_edit {
    uint8_t header;              /* enum pedit_header_type */
    bool add;                    /* adds, instead of writing */
    uint16_t offset;             /* bytes, a multiple of 4 */
    struct be32 mask, value;     /* the bits that are written, and what */
};

/* In order. Only the first n_ops and n_edits are set. */
struct flower_ops {
    uint16_t n_ops, n_edits;
    struct flower_op op[FLOWER_MAX_OPS];
    struct flower_edit edit[FLOWER_MAX_EDITS];
};

/* --- from an entry to a message ----------------------------------------------------------------- */

/* Which device a port is, and the other way round. */
struct flower_ports {
    int (*ifindex)(const void *aux, uint16_t port);          /* 0: no device */
    uint16_t (*port)(const void *aux, int ifindex);          /* 0: no port of ours */
    /* The priority that puts a packet into a queue of a port; false if there is no such queue.
     * NULL: there are no queues. */
    bool (*queue)(const void *aux, uint16_t port, uint32_t queue, uint32_t *priority);
    const void *aux;
};

/* Where a filter is. */
struct flower_place {
    int ifindex;                 /* ingress of its clsact; 0: of the shared block */
    uint32_t block;
    uint16_t in_port;            /* port that ifindex is, 0: of a block */
    uint16_t prio;               /* tc's: the lower one wins */
    uint16_t protocol;           /* host order: flower_protocol(); one for each (chain, prio) */
    uint32_t chain;
    uint32_t handle;
};

struct flower_options {
    uint32_t flags;              /* TCA_CLS_FLAGS_SKIP_SW, _SKIP_HW, _VERBOSE */
    unsigned max_ops;            /* 0: FLOWER_MAX_OPS */
    bool num_of_vlans;           /* the kernel takes TCA_FLOWER_KEY_NUM_OF_VLANS (5.19) */
    /* Entries overlap: refuse one whose filter would take fewer packets than it should. */
    bool whole;
    bool fragments_apart;        /* with 'whole': fragments never come as far as this filter */
};

/* The protocol of the entry's filter, host order: its ethertype, ETH_P_8021Q where it has a tag,
 * ETH_P_ALL for any. 0, or -EOPNOTSUPP with the verdict. */
int flower_protocol(const struct flow_match *, const struct flower_options *, uint16_t *protocol,
                    struct hal_verdict *);

/* Whether flower_encode() would take the entry for a filter at 'in_port'. With 'ports' NULL every
 * output has a device, and none has queues. 0, or -EOPNOTSUPP with the verdict. */
int flower_check(const struct hal_entry *, uint16_t in_port, const struct flower_ports *ports,
                 const struct flower_options *, struct hal_verdict *);

enum flower_command {
    FLOWER_ADD,                  /* -EEXIST if the handle is there */
    FLOWER_REPLACE,              /* adds the new one, then deletes the old one: needs room for it */
    FLOWER_DELETE,
    FLOWER_GET,
};

struct flower_request {
    enum flower_command command;
    const struct flower_place *place;
    const struct flower_options *options;
    const struct flower_ports *ports;     /* not of DELETE and GET */
    const struct hal_entry *entry;        /* not of DELETE and GET */
    const uint8_t *cookie;                /* FLOWER_COOKIE_SIZE, on the first op; NULL: none */
    uint32_t seq;                         /* of the message */
    uint16_t nl_flags;                    /* besides REQUEST and those of the command: NLM_F_ACK,
                                           * NLM_F_ECHO */
    struct flower_ops *ops;               /* gets what became of the list; NULL: not wanted, nor of
                                           * DELETE and GET */
};

/* Writes the message to 'buffer' (aligned as a struct nlmsghdr): 0 and *size. -EOPNOTSUPP with the
 * verdict: tc-flower can't say it. -EMSGSIZE: the buffer ('room' bytes) is too small. */
int flower_encode(const struct flower_request *, void *buffer, size_t room, size_t *size,
                  struct hal_verdict *);

/* --- from a message to an entry ------------------------------------------------------------------ */

/* What was counted. Of all ops the one that counted most, since some count nothing in hardware. */
struct flower_stats {
    uint64_t packets, bytes;         /* software's and hardware's, as the kernel has them */
    uint64_t hw_packets, hw_bytes;   /* hardware's part of it */
    bool known;
    bool used;                       /* a packet came, ever: 'idle_ms' since then */
    uint64_t idle_ms;                /* of a full dump */
};

/* A filter as the kernel tells it. */
struct flower_filter {
    struct flower_place place;       /* in_port 0: the caller knows */
    uint32_t parent;                 /* of a device: TC_H_*; ingress() tells */
    bool deleted;                    /* RTM_DELTFILTER */
    bool terse;                      /* no match, no ops: identity and statistics */
    char kind[FLOWER_KIND_SIZE];     /* "flower"; of others nothing below is told */
    bool has_flags;
    uint32_t flags;                  /* TCA_CLS_FLAGS_*, with IN_HW or NOT_IN_HW */
    uint32_t in_hw_count;
    struct flow_match match;         /* without in_port */
    char more[FLOWER_WORDS_SIZE];    /* what it matches besides, "" if that is all */
    struct flower_ops ops;
    uint8_t cookie[FLOWER_COOKIE_SIZE];
    uint8_t cookie_size;
    struct flower_stats stats;
    char warning[FLOWER_WORDS_SIZE]; /* TCA_EXT_WARN_MSG, "" if there is none */
};

/* Reads a RTM_NEWTFILTER or RTM_DELTFILTER of at most 'size' bytes. 0; -ENOMSG: a message of
 * another type, or a filter without handle (that is the end of a chain or a prio); -EBADMSG: not
 * well-formed. */
int flower_decode(const struct nlmsghdr *, size_t size, struct flower_filter *);

/* True if the filter is at the ingress of a device or of a block. */
bool flower_is_ingress(const struct flower_filter *);

/* What the ops mean in OpenFlow's words, as far as that goes: true if that is all of it. Otherwise
 * 'more' (FLOWER_WORDS_SIZE) says what else they do, and the list has what can be said. 'list' has room
 * for FLOWER_MAX_ACTIONS. An output to 'in_port' (0: not known) is one to PORT_IN_PORT; one to a device that
 * is no port of ours is part of 'more'. */
bool flower_actions(const struct flower_ops *, uint16_t in_port, const struct flower_ports *,
                    struct action_list *list, char *more);

/* What it counted: hal_counters of hardware and of software. The kernel counts neither the
 * Ethernet header nor the tag that came with the packet; hardware counts both, if 'hw_has_header'.
 * 'tagged': its packets came with a tag. */
void flower_counters(const struct flower_stats *, bool tagged, bool hw_has_header,
                     struct hal_counters *hardware, struct hal_counters *software);

/* Whether the kernel made what it was asked for: both decoded, 'asked' from flower_encode()'s
 * message. 0, or -EOPNOTSUPP with a verdict that says which field or action differs, and how.
 * Place, flags, cookie and statistics are not compared. */
int flower_compare(const struct flower_filter *asked, const struct flower_filter *made,
                   struct hal_verdict *);

/* --- errors ------------------------------------------------------------------------------------------ */

struct flower_error {
    uint32_t seq;                /* of the request */
    int error;                   /* 0: it is done; else positive */
    bool has_offset;
    uint32_t offset;             /* bytes into the request, of the attribute at fault */
    char words[FLOWER_WORDS_SIZE];   /* the kernel's or the NIC driver's own; "" if it had none. Also
                                      * with error 0: a warning */
};

/* Reads a NLMSG_ERROR of at most 'size' bytes, acknowledgements included. 0; -ENOMSG: a message of
 * another type; -EBADMSG: not well-formed. */
int flower_error_decode(const struct nlmsghdr *, size_t size, struct flower_error *);

#endif /* drivers/tc/flower.h */
