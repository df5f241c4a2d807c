/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "lib/flow_text.h"
#include "lib/text_token.h"

/* One row an action type. 'parse' sees a zeroed action; its errors do not name the
 * action. */
struct action_text {
    const char *name, *alias;   /* printed, and parsed as well */
    enum { WITH_VALUE, WITHOUT_VALUE, PERHAPS_VALUE } form;
    int (*parse)(struct action *, const char *value, const struct flow_text_ports *,
                 struct errmsg *);
    void (*print)(struct strbuf *, const struct action *, const struct flow_text_ports *);
};

static int
parse_number(const char *value, unsigned max, unsigned *out, struct errmsg *err)
{
    uint64_t x;
    if (!text_parse_number(value, max, &x)) {
        errmsg_set(err, "\"%s\" is not a number from 0 to %u", value, max);
        return -EINVAL;
    }
    *out = (unsigned) x;
    return 0;
}

/* --- output --- */

/* Max_len of a bare "controller": the whole packet. */
enum { WHOLE_PACKET = 0xffff };

static int
set_output(struct action *a, uint16_t port_no, struct errmsg *err)
{
    bool physical = port_no >= 1 && port_no < PORT_MAX;
    if (!physical && (port_no < PORT_IN_PORT || port_no == PORT_NONE)) {
        errmsg_set(err, "%u is no port to send to: 1 to %u, IN_PORT, TABLE, NORMAL, FLOOD, ALL, "
                   "CONTROLLER or LOCAL", (unsigned) port_no, PORT_MAX - 1);
        return -EINVAL;
    }
    a->type = ACTION_OUTPUT;
    a->output.port = port_no;
    a->output.max_len = port_no == PORT_CONTROLLER ? WHOLE_PACKET : 0;
    return 0;
}

static int
parse_output(struct action *a, const char *value, const struct flow_text_ports *ports,
             struct errmsg *err)
{
    uint16_t port_no;
    int error = port_text_parse(value, ports, &port_no, err);
    return error ? error : set_output(a, port_no, err);
}


static void
print_output(struct strbuf *out, const struct action *a, const struct flow_text_ports *ports)
{
    if (a->output.port == PORT_CONTROLLER) {
        strbuf_printf(out, "CONTROLLER:%u", (unsigned) a->output.max_len);
        return;
    }
    if (!port_text_reserved(a->output.port)) {
        strbuf_puts(out, "output:");
    }
    port_text_print(out, a->output.port, ports);
}

/* --- controller --- */

/* As ovs-ofctl has them; those from action_set on are later than OpenFlow 1.0. */
static const char *const reasons[] = {
    "no_match", "action", "invalid_ttl", "action_set", "group", "packet_out",
};
enum { N_REASONS = sizeof reasons / sizeof reasons[0], REASON_ACTION = 1 };

static int
parse_reason(const char *value, unsigned *reason, struct errmsg *err)
{
    for (unsigned i = 0; i < N_REASONS; i++) {
        if (!strcmp(value, reasons[i])) {
            *reason = i;
            return 0;
        }
    }
    uint64_t x;
    if (!text_parse_number(value, ACTION_CONTROLLER_REASON_MAX, &x)) {
        errmsg_set(err, "\"%s\" is no reason: no_match, action, invalid_ttl or a number up to %d",
                   value, ACTION_CONTROLLER_REASON_MAX);
        return -EINVAL;
    }
    *reason = (unsigned) x;
    return 0;
}

static int
parse_controller_part(const struct text_token *token, unsigned *max_len, unsigned *id,
                      unsigned *reason, struct errmsg *err)
{
    if (!token->has_value) {
        return parse_number(token->key, UINT16_MAX, max_len, err);
    }
    if (!strcmp(token->key, "max_len")) {
        return parse_number(token->value, UINT16_MAX, max_len, err);
    }
    if (!strcmp(token->key, "id")) {
        return parse_number(token->value, UINT16_MAX, id, err);
    }
    if (!strcmp(token->key, "reason")) {
        return parse_reason(token->value, reason, err);
    }
    errmsg_set(err, "\"%s\" is no part of it: max_len, id or reason", token->key);
    return -EINVAL;
}

/* "controller", "controller:N", "controller(max_len=N,id=N,reason=NAME)". */
static int
parse_controller(struct action *a, const char *value, const struct flow_text_ports *ports,
                 struct errmsg *err)
{
    (void) ports;
    unsigned max_len = WHOLE_PACKET, id = 0, reason = REASON_ACTION;
    struct text_cursor cursor;
    struct text_token token;
    int got;
    text_cursor_init(&cursor, value);
    while ((got = text_token_next(&cursor, &token, err)) == 1) {
        int error = parse_controller_part(&token, &max_len, &id, &reason, err);
        if (error) {
            return error;
        }
    }
    memset(a, 0, sizeof *a);
    if (reason == REASON_ACTION && !id) {
        set_output(a, PORT_CONTROLLER, err);
        a->output.max_len = (uint16_t) max_len;
    } else {
        a->type = ACTION_CONTROLLER;
        a->controller.max_len = (uint16_t) max_len;
        a->controller.id = (uint16_t) id;
        a->controller.reason = (uint8_t) reason;
    }
    return got;
}

static void
print_controller(struct strbuf *out, const struct action *a, const struct flow_text_ports *ports)
{
    (void) ports;
    const char *before = "";
    strbuf_puts(out, "controller(");
    if (a->controller.reason >= N_REASONS) {
        strbuf_printf(out, "reason=%u", (unsigned) a->controller.reason);
        before = ",";
    } else if (a->controller.reason != REASON_ACTION) {
        strbuf_printf(out, "reason=%s", reasons[a->controller.reason]);
        before = ",";
    }
    if (a->controller.max_len != WHOLE_PACKET) {
        strbuf_printf(out, "%smax_len=%u", before, (unsigned) a->controller.max_len);
        before = ",";
    }
    if (a->controller.id) {
        strbuf_printf(out, "%sid=%u", before, (unsigned) a->controller.id);
    }
    strbuf_putc(out, ')');
}

/* --- dec_ttl --- */

/* "dec_ttl" or "dec_ttl(ID,ID,ID)": controllers that are told of a TTL at its end. */
static int
parse_dec_ttl(struct action *a, const char *value, const struct flow_text_ports *ports,
              struct errmsg *err)
{
    (void) ports;
    struct text_cursor cursor;
    struct text_token token;
    int got;
    text_cursor_init(&cursor, value);
    while ((got = text_token_next(&cursor, &token, err)) == 1) {
        unsigned id;
        if (a->n_ids == ACTION_DEC_TTL_IDS) {
            errmsg_set(err, "more than %d controller ids", ACTION_DEC_TTL_IDS);
            return -EINVAL;
        }
        int error = parse_number(token.has_value ? "" : token.key, UINT16_MAX, &id, err);
        if (error) {
            return error;
        }
        a->dec_ttl.ids[a->n_ids++] = (uint16_t) id;
    }
    return got;
}

static void
print_dec_ttl(struct strbuf *out, const struct action *a, const struct flow_text_ports *ports)
{
    (void) ports;
    strbuf_puts(out, "dec_ttl");
    for (unsigned i = 0; i < a->n_ids && i < ACTION_DEC_TTL_IDS; i++) {
        strbuf_printf(out, i ? ",%u" : "(%u", (unsigned) a->dec_ttl.ids[i]);
    }
    strbuf_puts(out, a->n_ids ? ")" : "");
}

/* --- enqueue --- */

/* "PORT:QUEUE" or "PORT,QUEUE"; the separator is the last one, so that a port's name may
 * have one in it. */
static int
parse_enqueue(struct action *a, const char *value, const struct flow_text_ports *ports,
              struct errmsg *err)
{
    size_t len = strlen(value), split = len;
    while (split && !strchr(":,", value[split - 1])) {
        split--;
    }
    char port[128];
    if (split < 2 || split > sizeof port) {
        errmsg_set(err, "\"%s\" is not PORT:QUEUE", value);
        return -EINVAL;
    }
    memcpy(port, value, split - 1);
    port[split - 1] = '\0';

    uint16_t port_no;
    unsigned queue;
    const char *number = value + split;
    int error = port_text_parse(port, ports, &port_no, err);
    error = error ? error : parse_number(number + strspn(number, " "), UINT32_MAX, &queue, err);
    if (error) {
        return error;
    }
    if ((port_no < 1 || port_no >= PORT_MAX) && port_no != PORT_IN_PORT && port_no != PORT_LOCAL) {
        errmsg_set(err, "%s has no queues", port);
        return -EINVAL;
    }
    a->enqueue.port = port_no;
    a->enqueue.queue_hi = (uint16_t) (queue >> 16);
    a->enqueue.queue_lo = (uint16_t) queue;
    return 0;
}

static void
print_enqueue(struct strbuf *out, const struct action *a, const struct flow_text_ports *ports)
{
    strbuf_puts(out, "enqueue:");
    port_text_print(out, a->enqueue.port, ports);
    strbuf_printf(out, ":%u", (unsigned) a->enqueue.queue_hi << 16 | a->enqueue.queue_lo);
}

/* --- set_queue --- */

static int
parse_set_queue(struct action *a, const char *value, const struct flow_text_ports *ports,
                struct errmsg *err)
{
    (void) ports;
    unsigned queue;
    int error = parse_number(value, UINT32_MAX, &queue, err);
    if (!error) {
        a->queue.hi = (uint16_t) (queue >> 16);
        a->queue.lo = (uint16_t) queue;
    }
    return error;
}

static void
print_set_queue(struct strbuf *out, const struct action *a, const struct flow_text_ports *ports)
{
    (void) ports;
    strbuf_printf(out, "set_queue:%u", (unsigned) a->queue.hi << 16 | a->queue.lo);
}

static void
print_pop_queue(struct strbuf *out, const struct action *a, const struct flow_text_ports *ports)
{
    (void) a, (void) ports;
    strbuf_puts(out, "pop_queue");
}

/* --- VLAN --- */

static int
parse_vlan_vid(struct action *a, const char *value, const struct flow_text_ports *ports,
               struct errmsg *err)
{
    (void) ports;
    unsigned vid;
    int error = parse_number(value, 4095, &vid, err);
    a->vlan_vid.vid = error ? 0 : (uint16_t) vid;
    return error;
}

static void
print_vlan_vid(struct strbuf *out, const struct action *a, const struct flow_text_ports *ports)
{
    (void) ports;
    strbuf_printf(out, "mod_vlan_vid:%u", (unsigned) a->vlan_vid.vid);
}

static int
parse_vlan_pcp(struct action *a, const char *value, const struct flow_text_ports *ports,
               struct errmsg *err)
{
    (void) ports;
    unsigned pcp;
    int error = parse_number(value, 7, &pcp, err);
    a->vlan_pcp.pcp = error ? 0 : (uint8_t) pcp;
    return error;
}

static void
print_vlan_pcp(struct strbuf *out, const struct action *a, const struct flow_text_ports *ports)
{
    (void) ports;
    strbuf_printf(out, "mod_vlan_pcp:%u", (unsigned) a->vlan_pcp.pcp);
}

static int
parse_nothing(struct action *a, const char *value, const struct flow_text_ports *ports,
              struct errmsg *err)
{
    (void) a, (void) value, (void) ports, (void) err;
    return 0;
}

static void
print_strip_vlan(struct strbuf *out, const struct action *a, const struct flow_text_ports *ports)
{
    (void) a, (void) ports;
    strbuf_puts(out, "strip_vlan");
}

/* --- addresses --- */

static int
parse_dl(struct action *a, const char *value, const struct flow_text_ports *ports,
         struct errmsg *err)
{
    (void) ports;
    if (!text_parse_mac(value, a->dl.addr)) {
        errmsg_set(err, "\"%s\" is not an Ethernet address", value);
        return -EINVAL;
    }
    return 0;
}

static void
print_dl(struct strbuf *out, const struct action *a, const struct flow_text_ports *ports)
{
    (void) ports;
    const uint8_t *m = a->dl.addr;
    strbuf_printf(out, "%s:%02x:%02x:%02x:%02x:%02x:%02x",
                  a->type == ACTION_SET_DL_SRC ? "mod_dl_src" : "mod_dl_dst",
                  m[0], m[1], m[2], m[3], m[4], m[5]);
}

static int
parse_nw(struct action *a, const char *value, const struct flow_text_ports *ports,
         struct errmsg *err)
{
    (void) ports;
    uint8_t ip[4];
    if (!text_parse_ip4(value, ip)) {
        errmsg_set(err, "\"%s\" is not an IPv4 address", value);
        return -EINVAL;
    }
    memcpy(&a->nw.addr, ip, sizeof ip);
    return 0;
}

static void
print_nw(struct strbuf *out, const struct action *a, const struct flow_text_ports *ports)
{
    (void) ports;
    uint8_t ip[4];
    memcpy(ip, &a->nw.addr, sizeof ip);
    strbuf_printf(out, "%s:%u.%u.%u.%u",
                  a->type == ACTION_SET_NW_SRC ? "mod_nw_src" : "mod_nw_dst",
                  ip[0], ip[1], ip[2], ip[3]);
}

/* --- ToS and ports --- */

static int
parse_nw_tos(struct action *a, const char *value, const struct flow_text_ports *ports,
             struct errmsg *err)
{
    (void) ports;
    unsigned tos;
    int error = parse_number(value, 255, &tos, err);
    if (error) {
        return error;
    }
    if (tos & 3) {
        errmsg_set(err, "%s has ECN bits in it: a multiple of 4 is wanted", value);
        return -EINVAL;
    }
    a->nw_tos.tos = (uint8_t) tos;
    return 0;
}

static void
print_nw_tos(struct strbuf *out, const struct action *a, const struct flow_text_ports *ports)
{
    (void) ports;
    strbuf_printf(out, "mod_nw_tos:%u", (unsigned) a->nw_tos.tos);
}

static int
parse_tp(struct action *a, const char *value, const struct flow_text_ports *ports,
         struct errmsg *err)
{
    (void) ports;
    unsigned port;
    int error = parse_number(value, UINT16_MAX, &port, err);
    a->tp.port = be16_from_host(error ? 0 : (uint16_t) port);
    return error;
}

static void
print_tp(struct strbuf *out, const struct action *a, const struct flow_text_ports *ports)
{
    (void) ports;
    strbuf_printf(out, "%s:%u", a->type == ACTION_SET_TP_SRC ? "mod_tp_src" : "mod_tp_dst",
                  (unsigned) be16_to_host(a->tp.port));
}

static const struct action_text rows[] = {
    [ACTION_OUTPUT] = { "output", NULL, WITH_VALUE, parse_output, print_output },
    [ACTION_ENQUEUE] = { "enqueue", NULL, WITH_VALUE, parse_enqueue, print_enqueue },
    [ACTION_CONTROLLER] = { "controller", NULL, PERHAPS_VALUE, parse_controller, print_controller },
    [ACTION_SET_QUEUE] = { "set_queue", NULL, WITH_VALUE, parse_set_queue, print_set_queue },
    [ACTION_POP_QUEUE] = { "pop_queue", NULL, WITHOUT_VALUE, parse_nothing, print_pop_queue },
    [ACTION_SET_VLAN_VID] = { "mod_vlan_vid", "set_vlan_vid", WITH_VALUE, parse_vlan_vid,
                              print_vlan_vid },
    [ACTION_SET_VLAN_PCP] = { "mod_vlan_pcp", "set_vlan_pcp", WITH_VALUE, parse_vlan_pcp,
                              print_vlan_pcp },
    [ACTION_STRIP_VLAN] = { "strip_vlan", "pop_vlan", WITHOUT_VALUE, parse_nothing, print_strip_vlan },
    [ACTION_SET_DL_SRC] = { "mod_dl_src", NULL, WITH_VALUE, parse_dl, print_dl },
    [ACTION_SET_DL_DST] = { "mod_dl_dst", NULL, WITH_VALUE, parse_dl, print_dl },
    [ACTION_SET_NW_SRC] = { "mod_nw_src", NULL, WITH_VALUE, parse_nw, print_nw },
    [ACTION_SET_NW_DST] = { "mod_nw_dst", NULL, WITH_VALUE, parse_nw, print_nw },
    [ACTION_SET_NW_TOS] = { "mod_nw_tos", NULL, WITH_VALUE, parse_nw_tos, print_nw_tos },
    [ACTION_SET_TP_SRC] = { "mod_tp_src", NULL, WITH_VALUE, parse_tp, print_tp },
    [ACTION_SET_TP_DST] = { "mod_tp_dst", NULL, WITH_VALUE, parse_tp, print_tp },
    [ACTION_DEC_TTL] = { "dec_ttl", NULL, PERHAPS_VALUE, parse_dec_ttl, print_dec_ttl },
};
static_assert(sizeof rows / sizeof rows[0] == N_ACTION_TYPES, "a row an action type");

void
flow_actions_print(struct strbuf *out, const struct action *actions, size_t len,
                   const struct flow_text_ports *ports)
{
    if (!len) {
        strbuf_puts(out, "drop");
    }
    for (size_t i = 0; i < len; i++) {
        if (i) {
            strbuf_putc(out, ',');
        }
        if (actions[i].type < N_ACTION_TYPES) {
            rows[actions[i].type].print(out, &actions[i], ports);
        } else {
            strbuf_printf(out, "unknown(%u)", (unsigned) actions[i].type);
        }
    }
}

static const struct action_text *
find_row(const char *key)
{
    for (int type = 0; type < N_ACTION_TYPES; type++) {
        if (!strcmp(key, rows[type].name) || (rows[type].alias && !strcmp(key, rows[type].alias))) {
            return &rows[type];
        }
    }
    return NULL;
}

static int
parse_action(const struct text_token *token, const struct flow_text_ports *ports,
             struct action *a, struct errmsg *err)
{
    const struct action_text *row = find_row(token->key);
    memset(a, 0, sizeof *a);
    if (row) {
        a->type = (uint8_t) (row - rows);
        if (row->form != PERHAPS_VALUE && token->has_value == (row->form == WITHOUT_VALUE)) {
            errmsg_set(err, token->has_value ? "takes no argument" : "an argument is missing");
            return -EINVAL;
        }
        return row->parse(a, token->has_value ? token->value : "", ports, err);
    }
    if (!strcasecmp(token->key, "controller")) {
        return parse_controller(a, token->has_value ? token->value : "", ports, err);
    }
    /* A port alone. */
    uint16_t port_no;
    if (token->has_value) {
        errmsg_set(err, "no such action");
        return -EINVAL;
    }
    if (port_text_parse(token->key, ports, &port_no, NULL)) {
        errmsg_set(err, "no such action or port");
        return -EINVAL;
    }
    return set_output(a, port_no, err);
}

int
flow_actions_parse(const char *text, const struct flow_text_ports *ports, struct action *actions,
                   size_t max, struct errmsg *err)
{
    struct text_cursor cursor;
    struct text_token token;
    text_cursor_init(&cursor, text);
    size_t n = 0, n_drops = 0;
    int got;
    while ((got = text_token_next(&cursor, &token, err)) == 1) {
        if (!strcasecmp(token.key, "drop") && !token.has_value) {
            n_drops++;
            continue;
        }
        struct action action;
        int error = parse_action(&token, ports, &action, err);
        if (error) {
            errmsg_prefix(err, "%.60s at %zu", token.key, token.at);
            return error;
        }
        if (n == max) {
            errmsg_set(err, "more than %zu actions", max);
            return -E2BIG;
        }
        actions[n++] = action;
    }
    if (!got && n_drops + !!n > 1) {
        errmsg_set(err, "drop stands alone: an empty list of actions drops");
        got = -EINVAL;
    }
    return got ? got : (int) n;
}
