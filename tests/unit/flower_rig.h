/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of drivers/tc/flower.h share: entries given as text, port N is device 10 + N. */
#ifndef TESTS_UNIT_FLOWER_RIG_H
#define TESTS_UNIT_FLOWER_RIG_H 1

#include <linux/netlink.h>

#include "drivers/tc/flower.h"

extern const struct flower_ports flower_rig_ports;
/* What became of the list that flower_rig_encode() was given last. */
extern struct flower_ops flower_rig_ops;

union flower_rig_list {
    struct action_list list;
    uint64_t words[1 + FLOWER_MAX_ACTIONS];
};

struct flower_rig_bytes {
    union {
        struct nlmsghdr nlh[1];
        uint8_t bytes[FLOWER_MSG_MAX];
    };
    size_t size;
};

/* Reads text; fails the test if it is none. */
void flower_rig_match(const char *text, struct flow_match *);
void flower_rig_actions(const char *text, union flower_rig_list *);

/* The message that adds the entry at port 1: prio 7, handle 0x42, sequence number 5, cookie
 * "TRNT" and 1 to 12. 'options' NULL: none. */
int flower_rig_encode(const char *match, const char *actions, const struct flower_options *,
                      struct flower_rig_bytes *, struct hal_verdict *);

#endif /* tests/unit/flower_rig.h */
