/* SPDX-License-Identifier: Apache-2.0 */
#include "hal/text.h"

#include <errno.h>
#include <stdio.h>

#include "hal/driver.h"
#include "lib/clock.h"
#include "lib/field.h"
#include "lib/flow_text.h"
#include "lib/log.h"

static const char *const action_names[N_ACTION_TYPES] = {
    [ACTION_OUTPUT] = "output",
    [ACTION_ENQUEUE] = "enqueue",
    [ACTION_CONTROLLER] = "controller",
    [ACTION_SET_QUEUE] = "set-queue",
    [ACTION_POP_QUEUE] = "pop-queue",
    [ACTION_SET_VLAN_VID] = "set-vlan-vid",
    [ACTION_SET_VLAN_PCP] = "set-vlan-pcp",
    [ACTION_STRIP_VLAN] = "strip-vlan",
    [ACTION_SET_DL_SRC] = "set-dl-src",
    [ACTION_SET_DL_DST] = "set-dl-dst",
    [ACTION_SET_NW_SRC] = "set-nw-src",
    [ACTION_SET_NW_DST] = "set-nw-dst",
    [ACTION_SET_NW_TOS] = "set-nw-tos",
    [ACTION_SET_TP_SRC] = "set-tp-src",
    [ACTION_SET_TP_DST] = "set-tp-dst",
    [ACTION_DEC_TTL] = "dec-ttl",
};

const char *
hal_action_name(unsigned type)
{
    return type < N_ACTION_TYPES ? action_names[type] : NULL;
}

const char *
hal_field_name(unsigned id)
{
    return id < N_FIELDS ? fields[id].name : NULL;
}

/* Takes the text over. */
static size_t
take(struct strbuf *from, char *text, size_t size)
{
    size_t len = from->len;
    if (size) {
        snprintf(text, size, "%s", strbuf_text(from));
    }
    strbuf_fini(from);
    return len;
}

size_t
hal_match_text(const struct flow_match *match, char *text, size_t size)
{
    struct strbuf out = { 0 };
    flow_match_print(&out, match, NULL);
    return take(&out, text, size);
}

size_t
hal_actions_text(const struct action_list *list, char *text, size_t size)
{
    struct strbuf out = { 0 };
    if (list) {
        flow_actions_print(&out, list->actions, list->len, NULL);
    }
    return take(&out, text, size);
}

/* Hands on what went wrong, if it did. */
static int
tell(int result, const struct errmsg *err, char *error)
{
    if (result < 0) {
        snprintf(error, HAL_ERROR_SIZE, "%.*s", HAL_ERROR_SIZE - 1, err->text);
    }
    return result;
}

int
hal_key_from_text(const char *text, struct flow_key *key, char *error)
{
    struct errmsg err = { "" };
    return tell(flow_key_parse(text, NULL, key, &err), &err, error);
}

int
hal_actions_from_text(const char *text, struct action_list *list, size_t max, char *error)
{
    struct errmsg err = { "" };
    int n = tell(flow_actions_parse(text, NULL, list->actions, max, &err), &err, error);
    if (n >= 0) {
        list->len = (uint32_t) n;
        list->zero = 0;
    }
    return n < 0 ? n : 0;
}

int
hal_set_log(const char *target, const char *level, char *error)
{
    struct errmsg err = { "" };
    int result = target ? log_set_target(target, &err) : 0;
    result = result || !level ? result : log_set_level(level, &err);
    return tell(result, &err, error);
}

uint64_t
hal_now_ms(void)
{
    return clock_ms();
}

void
hal_set_clock(uint64_t (*ns)(void))
{
    clock_set_source(ns);
}
