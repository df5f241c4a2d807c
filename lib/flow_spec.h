/* SPDX-License-Identifier: Apache-2.0 */
/* A whole flow as ovs-ofctl's add-flow takes it and dump-flows prints it:
 * "priority=100,cookie=0x1,idle_timeout=5,send_flow_rem,in_port=1,actions=output:2". */
#ifndef LIB_FLOW_SPEC_H
#define LIB_FLOW_SPEC_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/errmsg.h"
#include "lib/port_text.h"
#include "lib/strbuf.h"
#include "turnout/action.h"
#include "turnout/flow.h"

/* Flags, with OpenFlow 1.0's values. */
enum {
    FLOW_SPEC_SEND_FLOW_REM = 1 << 0,
    FLOW_SPEC_CHECK_OVERLAP = 1 << 1,
    FLOW_SPEC_EMERG = 1 << 2,
};

enum { FLOW_SPEC_DEFAULT_PRIORITY = 0x8000 };

/* What the text is for. */
enum flow_spec_use {
    FLOW_SPEC_ADD,        /* or modify: actions are a must, an out_port is an error */
    FLOW_SPEC_SELECT,     /* delete, dump: no actions; out_port may be given */
};

struct flow_spec {
    struct flow_match match;
    uint64_t cookie;
    uint64_t cookie_mask;                 /* SELECT: the bits that are asked for, 0: none */
    uint16_t priority;                    /* FLOW_SPEC_DEFAULT_PRIORITY if not given */
    uint16_t idle_timeout, hard_timeout;  /* seconds, 0: none */
    uint16_t flags;                       /* FLOW_SPEC_* */
    uint16_t out_port;                    /* PORT_NONE if not given */
    bool exact;                           /* all fields of OpenFlow 1.0 are given, exactly */
    uint32_t n_actions;
    struct action actions[ACTION_LIST_MAX];
};

/* Parses the line; what follows a '#' is not the caller's to leave in. A match that no flow of ours can have (field_check_flow()) is an error,
 * and so is a table other than 0; what dump-flows adds (duration, n_packets, n_bytes,
 * idle_age, hard_age) is read and forgotten, so a dump can be fed back. A cookie that
 * selects has a mask, of which -1 is all: "cookie=1/-1". 0, or -EINVAL, -E2BIG or -ENOMEM
 * with a message and *spec undefined. */
int flow_spec_parse(const char *, enum flow_spec_use, const struct flow_text_ports *,
                    struct flow_spec *, struct errmsg *);

/* Prints what `ovs-ofctl dump-flows --no-stats` would, in a form that flow_spec_parse() and
 * ovs-ofctl read: "cookie=0x1, idle_timeout=5, send_flow_rem priority=100,in_port=1
 * actions=output:2". A specification without actions says "actions=drop" for
 * FLOW_SPEC_ADD, and has no actions for FLOW_SPEC_SELECT. */
void flow_spec_print(struct strbuf *, const struct flow_spec *, enum flow_spec_use,
                     const struct flow_text_ports *);

#endif /* lib/flow_spec.h */
