/* SPDX-License-Identifier: Apache-2.0 */
/* Actions: a bounded list whose order is its meaning. */
#ifndef TURNOUT_ACTION_H
#define TURNOUT_ACTION_H 1

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "turnout/byteorder.h"

enum action_type {
    /* These send the packet as it is, or say how. */
    ACTION_OUTPUT,
    ACTION_ENQUEUE,
    ACTION_CONTROLLER,        /* Nicira's: to the controllers of one id */
    ACTION_SET_QUEUE,         /* Nicira's: outputs from here on go through this queue */
    ACTION_POP_QUEUE,         /* Nicira's: ... through none */
    /* From here on they change it. */
    ACTION_SET_VLAN_VID,
    ACTION_SET_VLAN_PCP,
    ACTION_STRIP_VLAN,
    ACTION_SET_DL_SRC,
    ACTION_SET_DL_DST,
    ACTION_SET_NW_SRC,
    ACTION_SET_NW_DST,
    ACTION_SET_NW_TOS,
    ACTION_SET_TP_SRC,
    ACTION_SET_TP_DST,
    ACTION_DEC_TTL,           /* Nicira's: IPv4; at a TTL of 0 or 1 the list ends */
    N_ACTION_TYPES
};

/* Ids that one ACTION_DEC_TTL has room for. */
enum { ACTION_DEC_TTL_IDS = 3 };
/* Reasons are bits of masks. */
enum { ACTION_CONTROLLER_REASON_MAX = 31 };

/* One action. 'type' says which member of the union counts. */
struct action {
    uint8_t type;             /* enum action_type */
    uint8_t n_ids;            /* DEC_TTL: how many of its ids count; else 0 */
    union {
        struct {
            uint16_t port;    /* host order; physical or PORT_* */
            uint16_t max_len; /* bytes for PORT_CONTROLLER; else 0 */
            uint16_t zero;
        } output;
        struct {
            uint16_t port;    /* host order; physical or PORT_IN_PORT */
            uint16_t queue_hi, queue_lo; /* queue id, host order halves */
        } enqueue;
        struct { uint16_t hi, lo, zero; } queue;              /* id, host order halves */
        struct { uint16_t vid; uint16_t zero[2]; } vlan_vid;  /* 0 .. 4095 */
        struct { uint8_t pcp; uint8_t zero[5]; } vlan_pcp;    /* 0 .. 7 */
        struct { uint8_t addr[6]; } dl;
        struct { uint16_t zero; struct be32 addr; } __attribute__((packed)) nw;
        struct { uint8_t tos; uint8_t zero[5]; } nw_tos;      /* DSCP in bits 7..2, ECN 0 */
        struct { struct be16 port; uint16_t zero[2]; } tp;
        struct {
            uint16_t max_len; /* host order; bytes to send, 0xffff: all */
            uint16_t id;      /* host order; of the controllers that it is for */
            uint8_t reason;   /* what the packet-in is to say; up to 31 */
            uint8_t zero;
        } controller;
        struct {
            uint16_t ids[ACTION_DEC_TTL_IDS]; /* host order; controllers that are told of a
                                               * TTL at its end; n_ids 0: those of id 0 */
        } dec_ttl;
        uint8_t bytes[6];
    };
};
static_assert(sizeof(struct action) == 8, "an action is one word");

static inline bool
action_is_output(const struct action *action)
{
    return action->type < ACTION_SET_VLAN_VID;
}

/* Most actions a list may have; a controller that sends more gets TOO_MANY. */
#define ACTION_LIST_MAX 1024

/* An immutable list of actions: built once, then shared, compared with memcmp and
 * freed by its owner after a grace period (see lib/epoch.h). All bytes, padding
 * included, are initialised. */
struct action_list {
    uint32_t len;             /* number of actions */
    uint32_t zero;
    struct action actions[];
};

#endif /* turnout/action.h */
