/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/flower_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "hal/text.h"
#include "lib/field.h"
#include "lib/flow_text.h"

enum { FIRST_IFINDEX = 10, N_PORTS = 9 };

static int
ifindex_of(const void *aux, uint16_t port)
{
    (void) aux;
    return port && port <= N_PORTS ? FIRST_IFINDEX + port : 0;
}

static uint16_t
port_of(const void *aux, int ifindex)
{
    (void) aux;
    return ifindex > FIRST_IFINDEX && ifindex <= FIRST_IFINDEX + N_PORTS
           ? (uint16_t) (ifindex - FIRST_IFINDEX) : 0;
}

/* Ports up to 2 have queues 1 and 2. */
static bool
queue_of(const void *aux, uint16_t port, uint32_t queue, uint32_t *priority)
{
    (void) aux;
    *priority = 0x74720000 + queue;
    return port <= 2 && (queue == 1 || queue == 2);
}

struct flower_ops flower_rig_ops;
const struct flower_ports flower_rig_ports = { ifindex_of, port_of, queue_of, NULL };

void
flower_rig_match(const char *text, struct flow_match *match)
{
    struct errmsg err;
    if (flow_match_parse(text, NULL, match, &err)) {
        fail_msg("%s: %s", text, err.text);
    }
    field_canonicalize(match);
}

void
flower_rig_actions(const char *text, union flower_rig_list *list)
{
    char error[HAL_ERROR_SIZE];
    memset(list, 0, sizeof *list);
    if (hal_actions_from_text(text, &list->list, FLOWER_MAX_ACTIONS, error)) {
        fail_msg("%s: %s", text, error);
    }
}

int
flower_rig_encode(const char *match_text, const char *actions, const struct flower_options *options,
                  struct flower_rig_bytes *bytes, struct hal_verdict *verdict)
{
    static const uint8_t cookie[FLOWER_COOKIE_SIZE] = "TRNT\1\2\3\4\5\6\7\10\11\12\13\14";
    struct flow_match match;
    union flower_rig_list list;
    flower_rig_match(match_text, &match);
    flower_rig_actions(actions, &list);
    const struct hal_entry entry = { .match = &match, .actions = &list.list };
    const struct flower_place place = { .ifindex = FIRST_IFINDEX + 1, .in_port = 1, .prio = 7,
                                        .handle = 0x42 };
    const struct flower_request request = {
        .command = FLOWER_ADD, .place = &place, .options = options, .ports = &flower_rig_ports,
        .entry = &entry, .cookie = cookie, .seq = 5, .nl_flags = NLM_F_ACK,
        .ops = &flower_rig_ops,
    };
    memset(bytes, 0, sizeof *bytes);
    return flower_encode(&request, bytes->nlh, sizeof bytes->bytes, &bytes->size, verdict);
}
