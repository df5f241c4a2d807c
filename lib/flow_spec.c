/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/flow_spec.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/field.h"
#include "lib/flow_match_parser.h"
#include "lib/flow_text.h"
#include "lib/text_token.h"

/* "KEY=NUMBER" goes to a member of flow_spec, or nowhere. */
static const struct attribute {
    const char *key;
    uint64_t max;
    int offset;           /* -1: forgotten */
    uint8_t size;
} attributes[] = {
    { "priority", UINT16_MAX, offsetof(struct flow_spec, priority), 2 },
    { "idle_timeout", UINT16_MAX, offsetof(struct flow_spec, idle_timeout), 2 },
    { "hard_timeout", UINT16_MAX, offsetof(struct flow_spec, hard_timeout), 2 },
    { "table", 0, -1, 0 },
    { "n_packets", UINT64_MAX, -1, 0 },
    { "n_bytes", UINT64_MAX, -1, 0 },
    { "idle_age", UINT64_MAX, -1, 0 },
    { "hard_age", UINT64_MAX, -1, 0 },
};

static const struct {
    const char *key;
    uint16_t flag;
} flags[] = {
    { "send_flow_rem", FLOW_SPEC_SEND_FLOW_REM },
    { "check_overlap", FLOW_SPEC_CHECK_OVERLAP },
    { "emerg", FLOW_SPEC_EMERG },
};

#define ARRAY_LEN(ARRAY) (sizeof(ARRAY) / sizeof((ARRAY)[0]))

static int
refuse(const struct text_token *token, const char *why, struct errmsg *err)
{
    errmsg_set(err, "%.60s at %zu: %s", token->key, token->at, why);
    return -EINVAL;
}

static int
take_attribute(struct flow_spec *spec, const struct attribute *a, const struct text_token *token,
               struct errmsg *err)
{
    uint64_t x;
    if (!token->has_value) {
        return refuse(token, "a value is missing", err);
    }
    if (!text_parse_number(token->value, a->max, &x)) {
        errmsg_set(err, "%s at %zu: \"%s\" is not a number from 0 to %llu", token->key, token->at,
                   token->value, (unsigned long long) a->max);
        return -EINVAL;
    }
    uint16_t x16 = (uint16_t) x;
    if (a->offset >= 0) {
        memcpy((char *) spec + a->offset, a->size == 2 ? (void *) &x16 : (void *) &x, a->size);
    }
    return 0;
}

/* "COOKIE" for a flow, "COOKIE/MASK" to select by. */
static int
take_cookie(struct flow_spec *spec, enum flow_spec_use use, const struct text_token *token,
            struct errmsg *err)
{
    char text[sizeof token->value], *mask = NULL;
    memcpy(text, token->value, sizeof text);
    if (text_split_mask(text, &mask) != (use == FLOW_SPEC_SELECT)) {
        return refuse(token, mask ? "only what selects flows has a mask"
                      : "to select by cookie takes a mask: cookie=COOKIE/-1", err);
    }
    bool all = mask && !strcmp(mask, "-1");
    spec->cookie_mask = all ? UINT64_MAX : 0;
    if (!text_parse_number(text, UINT64_MAX, &spec->cookie)
        || (mask && !all && !text_parse_number(mask, UINT64_MAX, &spec->cookie_mask))) {
        errmsg_set(err, "%s at %zu: \"%s\" is not a number from 0 to %llu", token->key, token->at,
                   token->value, (unsigned long long) UINT64_MAX);
        return -EINVAL;
    }
    if (use == FLOW_SPEC_SELECT) {
        spec->cookie &= spec->cookie_mask;
    }
    return 0;
}

static int
take_out_port(struct flow_spec *spec, enum flow_spec_use use, const struct text_token *token,
              const struct flow_text_ports *ports, struct errmsg *err)
{
    if (use != FLOW_SPEC_SELECT) {
        return refuse(token, "only flows that are selected have one", err);
    }
    int error = port_text_parse(token->value, ports, &spec->out_port, err);
    if (error) {
        errmsg_prefix(err, "%s at %zu", token->key, token->at);
    }
    return error;
}

/* What of a flow is not in its match: 0; 1 if the element is none of it; -EINVAL. */
static int
take_own(struct flow_spec *spec, enum flow_spec_use use, const struct text_token *token,
         const struct flow_text_ports *ports, struct errmsg *err)
{
    for (size_t i = 0; i < ARRAY_LEN(attributes); i++) {
        if (!strcmp(token->key, attributes[i].key)) {
            return take_attribute(spec, &attributes[i], token, err);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        if (!strcmp(token->key, flags[i].key) && !token->has_value) {
            spec->flags |= flags[i].flag;
            return 0;
        }
    }
    if (!strcmp(token->key, "cookie")) {
        return take_cookie(spec, use, token, err);
    }
    if (!strcmp(token->key, "out_port")) {
        return take_out_port(spec, use, token, ports, err);
    }
    /* "duration=12.345s" is no number, and of no use here. */
    return strcmp(token->key, "duration") ? 1 : 0;
}

/* Where "actions=" begins in the line, or NULL. */
static const char *
find_actions(const char *text)
{
    bool at_start = true;
    for (const char *p = text; *p; p++) {
        if (at_start && (!strncmp(p, "actions=", 8) || !strncmp(p, "action=", 7))) {
            return p;
        }
        at_start = *p == ',' || isspace((unsigned char) *p);
    }
    return NULL;
}

static int
parse_attributes(const char *text, enum flow_spec_use use, const struct flow_text_ports *ports,
                 struct flow_spec *spec, struct errmsg *err)
{
    struct flow_match_parser parser;
    struct text_cursor cursor;
    struct text_token token;
    flow_match_parser_init(&parser, ports);
    text_cursor_init(&cursor, text);
    int got;
    while ((got = text_token_next(&cursor, &token, err)) == 1) {
        int error = take_own(spec, use, &token, ports, err);
        if (error == 1) {
            error = flow_match_parser_add(&parser, &token, err);
        }
        if (error) {
            return -EINVAL;
        }
    }
    if (got || flow_match_parser_end(&parser, err)) {
        return -EINVAL;
    }
    spec->match = parser.match;
    spec->exact = parser.no_wildcards;
    return field_check_flow(&spec->match, err);
}

static int
parse_actions(const char *text, const struct flow_text_ports *ports, struct flow_spec *spec,
              struct errmsg *err)
{
    int n = flow_actions_parse(strchr(text, '=') + 1, ports, spec->actions, ACTION_LIST_MAX, err);
    if (n < 0) {
        errmsg_prefix(err, "actions");
        return n;
    }
    spec->n_actions = (uint32_t) n;
    return 0;
}

int
flow_spec_parse(const char *text, enum flow_spec_use use, const struct flow_text_ports *ports,
                struct flow_spec *spec, struct errmsg *err)
{
    memset(spec, 0, offsetof(struct flow_spec, actions));
    spec->priority = FLOW_SPEC_DEFAULT_PRIORITY;
    spec->out_port = PORT_NONE;

    const char *actions = find_actions(text);
    if ((use == FLOW_SPEC_ADD) != (actions != NULL)) {
        errmsg_set(err, actions ? "actions are out of place here" : "actions=... is missing");
        return -EINVAL;
    }
    size_t len = actions ? (size_t) (actions - text) : strlen(text);
    char *front = strndup(text, len);
    if (!front) {
        errmsg_set(err, "%s", strerror(ENOMEM));
        return -ENOMEM;
    }
    int error = parse_attributes(front, use, ports, spec, err);
    free(front);
    return error || !actions ? error : parse_actions(actions, ports, spec, err);
}

void
flow_spec_print(struct strbuf *out, const struct flow_spec *spec, enum flow_spec_use use,
                const struct flow_text_ports *ports)
{
    if (use == FLOW_SPEC_ADD) {
        strbuf_printf(out, "cookie=0x%llx, ", (unsigned long long) spec->cookie);
    } else if (spec->cookie_mask) {
        strbuf_printf(out, "cookie=0x%llx/0x%llx, ", (unsigned long long) spec->cookie,
                      (unsigned long long) spec->cookie_mask);
    }
    if (spec->idle_timeout) {
        strbuf_printf(out, "idle_timeout=%u, ", (unsigned) spec->idle_timeout);
    }
    if (spec->hard_timeout) {
        strbuf_printf(out, "hard_timeout=%u, ", (unsigned) spec->hard_timeout);
    }
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        if (spec->flags & flags[i].flag) {
            strbuf_printf(out, "%s ", flags[i].key);
        }
    }
    if (use == FLOW_SPEC_SELECT && spec->out_port != PORT_NONE) {
        strbuf_puts(out, "out_port=");
        port_text_print(out, spec->out_port, ports);
        strbuf_puts(out, ", ");
    }
    struct strbuf match = { 0 };
    flow_match_print(&match, &spec->match, ports);
    if (spec->exact) {
        flow_match_print_meaningless(&match, &spec->match);
    }
    bool priority = spec->priority != FLOW_SPEC_DEFAULT_PRIORITY;
    if (priority) {
        strbuf_printf(out, "priority=%u%s", (unsigned) spec->priority, match.len ? "," : "");
    }
    strbuf_puts(out, strbuf_text(&match));
    out->failed = out->failed || match.failed;
    if (use == FLOW_SPEC_ADD) {
        strbuf_puts(out, priority || match.len ? " actions=" : "actions=");
        flow_actions_print(out, spec->actions, spec->n_actions, ports);
    }
    strbuf_fini(&match);
}
