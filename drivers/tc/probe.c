/* SPDX-License-Identifier: Apache-2.0 */
/* What a device takes is found out by trying: each field, mask and action in a filter of its own,
 * at a priority that is kept for this, removed before the next. The filters match what nobody
 * sends (addresses for documentation, RFC 5737; an ethertype for experiments), and drop it.
 *
 * Only a refusal says that something can't be. A table that is full, or a device that is busy, says
 * nothing: what was asked then counts as possible, and is not remembered. */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "drivers/tc/tc.h"
#include "lib/field.h"
#include "turnout/port.h"

enum { PROBE_HANDLE = 1, EXPERIMENT = 0x88b5, OTHER_EXPERIMENT = 0x88b6, PROBE_VID = 4000 };

struct attempt {
    struct tc *tc;
    struct tc_port *port;
    struct flow_match match;
    bool sure;                   /* no answer so far was other than yes or no */
    char words[HAL_WORDS_SIZE];  /* of the latest no */
    bool counts_tags;            /* the latest filter that was taken has the key num_of_vlans */
    union {
        struct action_list list;
        uint64_t room[1 + FLOWER_MAX_OPS];
    } actions;
};

/* --- filters ------------------------------------------------------------------------------------------ */

static void
set(struct attempt *a, enum field_id id, const void *value, const void *mask)
{
    const struct field *f = &fields[id];
    uint8_t *v = (uint8_t *) &a->match.value + f->offset, *m = (uint8_t *) &a->match.mask.bits + f->offset;
    for (unsigned i = 0; i < f->size; i++) {
        m[i] = mask ? ((const uint8_t *) mask)[i] : f->bits;
        v[i] = ((const uint8_t *) value)[i] & m[i];
    }
}

/* Frames of a type, without a tag or with one. */
static void
begin(struct attempt *a, uint16_t type, bool tagged)
{
    struct be16 dl_type = be16_from_host(type);
    struct be16 tci = be16_from_host(tagged ? FLOW_VLAN_PRESENT | PROBE_VID : 0);
    memset(&a->match, 0, sizeof a->match);
    a->actions.list.len = 0;
    set(a, FIELD_IN_PORT, &a->port->no, NULL);
    set(a, FIELD_DL_TYPE, &dl_type, NULL);
    a->match.mask.bits.vlan_tci.raw = UINT16_MAX;
    a->match.value.vlan_tci = tci;
}

static void
set_address(struct attempt *a, enum field_id id, uint32_t mask)
{
    union flow_addr value = { .bytes = { 0 } }, bits = { .bytes = { 0 } };
    value.ip4 = be32_from_host(id == FIELD_NW_SRC ? 0xc0000201 : 0xc6336402);
    memset(&bits, 0xff, sizeof bits);
    bits.ip4 = be32_from_host(mask);
    set(a, id, &value, &bits);
}

/* IPv4 between addresses for documentation, as far as the device can tell addresses. */
static void
begin_ip(struct attempt *a, uint8_t proto)
{
    const struct tc_abilities *able = &a->port->able;
    begin(a, ETH_P_IP, false);
    for (unsigned id = FIELD_NW_SRC; id <= FIELD_NW_DST; id++) {
        if (able->field[id] != FIELD_MASK_NONE) {
            set_address(a, id, UINT32_MAX);
        }
    }
    if (proto && able->field[FIELD_NW_PROTO] != FIELD_MASK_NONE) {
        set(a, FIELD_NW_PROTO, &proto, NULL);
    }
}

static struct action *
append(struct attempt *a, enum action_type type)
{
    struct action *action = &a->actions.list.actions[a->actions.list.len++];
    *action = (struct action) { .type = (uint8_t) type };
    return action;
}

static void
delete_it(struct attempt *a, const struct flower_place *place)
{
    char buffer[512] __attribute__((aligned(NLMSG_ALIGNTO)));
    struct hal_verdict unused;
    size_t size;
    struct flower_request request = { .command = FLOWER_DELETE, .place = place };
    if (flower_encode(&request, buffer, sizeof buffer, &size, &unused)
        || tc_request(a->tc->nl, (void *) buffer, NULL, NULL)) {
        a->sure = false;
        a->tc->host->log(a->tc->host, LOG_WARNING, "port %u, %s: a filter that was a test can't be deleted",
                         a->port->no, a->port->name);
    }
}

/* A kernel that does not know a key leaves it out, without a word. */
static void
look_at_made(void *attempt, const struct nlmsghdr *message)
{
    struct attempt *a = attempt;
    const struct nlattr *options = NULL, *attr;
    mnl_attr_for_each(attr, message, sizeof(struct tcmsg)) {
        options = mnl_attr_get_type(attr) == TCA_OPTIONS ? attr : options;
    }
    if (options) {
        mnl_attr_for_each_nested(attr, options) {
            a->counts_tags |= mnl_attr_get_type(attr) == TCA_FLOWER_KEY_NUM_OF_VLANS;
        }
    }
}

/* True if the device takes the filter, or does not say that it can't. */
static bool
takes(struct attempt *a)
{
    static _Thread_local char buffer[FLOWER_MSG_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
    const struct flower_options options = { .flags = TCA_CLS_FLAGS_SKIP_SW,
                                            .num_of_vlans = true };
    struct hal_entry entry = { &a->match, &a->actions.list, 0, 0 };
    struct hal_verdict verdict = { 0 };
    struct flower_place place = { .ifindex = a->port->ifindex, .in_port = a->port->no,
                                  .prio = TC_PRIO_PROBE, .handle = PROBE_HANDLE };
    struct flower_request request = { .command = FLOWER_ADD, .place = &place, .options = &options,
                                      .ports = &a->tc->view, .entry = &entry };
    size_t size;
    if (flower_protocol(&a->match, &options, &place.protocol, &verdict)
        || flower_encode(&request, buffer, sizeof buffer, &size, &verdict)) {
        snprintf(a->words, sizeof a->words, "%s", verdict.words);
        return false;
    }
    a->counts_tags = false;
    ((struct nlmsghdr *) (void *) buffer)->nlmsg_flags |= NLM_F_ECHO;
    int error = tc_request(a->tc->nl, (void *) buffer, look_at_made, a);
    if (!error) {
        delete_it(a, &place);
        return true;
    }
    const char *words = tc_socket_words(a->tc->nl);
    snprintf(a->words, sizeof a->words, "%s", words[0] ? words : strerror(-error));
    bool no = error == -EOPNOTSUPP || error == -EINVAL || error == -ERANGE || error == -EPROTONOSUPPORT;
    a->sure &= no;
    return !no;
}

/* --- fields ---------------------------------------------------------------------------------------------- */

/* A filter that tells the field apart with a mask of that mode. */
static void
begin_field(struct attempt *a, enum field_id id, enum field_mask_mode mode)
{
    static const uint8_t mac[6] = { 2, 'T', 'R', 'N', 'T', 1 };
    static const uint8_t macs[][6] = { { 0 }, { 255, 255, 255, 255, 255, 255 }, { 255, 255, 255 },
                                       { 255, 0, 255, 0, 255, 255 } };
    static const uint32_t addresses[] = { 0, UINT32_MAX, 0xffffff00, 0xff00ff00 };
    static const uint16_t tcis[] = { 0, UINT16_MAX, 0, FLOW_VLAN_PRESENT | FLOW_VLAN_VID_MASK };
    const uint8_t tos = 0xb8, proto = IPPROTO_UDP, no_fragment = 0;
    const struct be16 port = be16_from_host(9), high = be16_from_host(0xff00);
    switch (id) {
    case FIELD_DL_SRC: case FIELD_DL_DST:
        begin(a, EXPERIMENT, false);
        set(a, id, mac, macs[mode]);
        break;
    case FIELD_VLAN:
        begin(a, EXPERIMENT, true);
        a->match.mask.bits.vlan_tci = be16_from_host(tcis[mode]);
        break;
    case FIELD_NW_SRC: case FIELD_NW_DST:
        begin(a, ETH_P_IP, false);
        set_address(a, FIELD_NW_SRC, id == FIELD_NW_SRC ? addresses[mode] : 0);
        set_address(a, FIELD_NW_DST, id == FIELD_NW_DST ? addresses[mode] : 0);
        break;
    case FIELD_NW_PROTO:
        begin_ip(a, 0);
        set(a, id, &proto, NULL);
        break;
    case FIELD_NW_TOS:
        begin_ip(a, 0);
        set(a, id, &tos, NULL);
        break;
    case FIELD_NW_FRAG:
        begin_ip(a, 0);
        set(a, id, &no_fragment, NULL);
        break;
    case FIELD_TP_SRC: case FIELD_TP_DST:
        begin_ip(a, IPPROTO_UDP);
        set(a, FIELD_NW_FRAG, &no_fragment, NULL);
        set(a, id, &port, mode == FIELD_MASK_ANY ? &high : NULL);
        break;
    case FIELD_TUN_KEY: case FIELD_IN_PORT: case FIELD_DL_TYPE: case N_FIELDS:
        begin(a, OTHER_EXPERIMENT, false);
        break;
    }
}

static bool
has_mask(enum field_id id, enum field_mask_mode mode)
{
    switch (id) {
    case FIELD_DL_SRC: case FIELD_DL_DST: case FIELD_NW_SRC: case FIELD_NW_DST: return true;
    case FIELD_VLAN: case FIELD_TP_SRC: case FIELD_TP_DST: return mode == FIELD_MASK_ANY;
    default: return false;
    }
}

static void
try_field(struct attempt *a, enum field_id id)
{
    uint8_t *able = &a->port->able.field[id];
    *able = FIELD_MASK_NONE;
    begin_field(a, id, FIELD_MASK_EXACT);
    *able = takes(a) ? FIELD_MASK_EXACT : FIELD_MASK_NONE;
    for (unsigned mode = FIELD_MASK_PREFIX; *able && mode < N_FIELD_MASK_MODES; mode++) {
        if (has_mask(id, mode)) {
            begin_field(a, id, mode);
            *able = takes(a) ? (uint8_t) mode : *able;
        }
    }
}

/* Frames of all types that have no tag: what names the type is what says so otherwise. */
static void
try_num_of_vlans(struct attempt *a)
{
    begin(a, EXPERIMENT, false);
    a->match.mask.bits.dl_type.raw = a->match.value.dl_type.raw = 0;
    a->port->able.num_of_vlans = takes(a) && a->counts_tags;
}

/* --- actions ------------------------------------------------------------------------------------------------ */

/* A port to send to: another of the same switch, or back. */
static uint16_t
some_port(const struct attempt *a)
{
    for (unsigned i = 0; i < TC_MAX_PORTS; i++) {
        const struct tc_port *port = &a->tc->ports[i];
        if (port->no && port != a->port && !port->gone && !strcmp(port->switch_id, a->port->switch_id)) {
            return port->no;
        }
    }
    return PORT_IN_PORT;
}

static void
fill_action(struct action *action)
{
    switch (action->type) {
    case ACTION_SET_VLAN_VID: action->vlan_vid.vid = PROBE_VID; break;
    case ACTION_SET_VLAN_PCP: action->vlan_pcp.pcp = 5; break;
    case ACTION_SET_DL_SRC: case ACTION_SET_DL_DST: action->dl.addr[0] = 2; break;
    case ACTION_SET_NW_SRC: case ACTION_SET_NW_DST: action->nw.addr = be32_from_host(0xcb007101); break;
    case ACTION_SET_NW_TOS: action->nw_tos.tos = 0x28; break;
    case ACTION_SET_TP_SRC: case ACTION_SET_TP_DST: action->tp.port = be16_from_host(9); break;
    default: break;
    }
}

static void
try_action(struct attempt *a, enum action_type type)
{
    bool tag = type == ACTION_STRIP_VLAN;
    const uint8_t no_fragment = 0;
    if (tag) {
        begin(a, EXPERIMENT, true);
    } else {
        begin_ip(a, IPPROTO_UDP);
        if (a->port->able.field[FIELD_NW_FRAG] != FIELD_MASK_NONE) {
            set(a, FIELD_NW_FRAG, &no_fragment, NULL);
        }
    }
    fill_action(append(a, type));
    append(a, ACTION_OUTPUT)->output.port = some_port(a);
    if (takes(a)) {
        a->port->able.actions |= 1u << type;
    }
}

/* How many outputs an entry may have: all that tc has room for, or what is found by halving. */
static unsigned
try_outputs(struct attempt *a)
{
    unsigned most = FLOWER_MAX_OPS, least = 1, n = FLOWER_MAX_OPS;
    while (least < most) {
        begin(a, EXPERIMENT, false);
        for (unsigned i = 0; i < n; i++) {
            append(a, ACTION_OUTPUT)->output.port = some_port(a);
        }
        if (takes(a)) {
            least = n;
        } else {
            most = n - 1;
        }
        n = (least + most + 1) / 2;
    }
    return least;
}

static void
try_outputs_of_kinds(struct attempt *a)
{
    struct tc_abilities *able = &a->port->able;
    begin(a, EXPERIMENT, false);
    able->outputs = takes(a) ? HAL_OUTPUT_NOWHERE : 0;
    begin(a, EXPERIMENT, false);
    append(a, ACTION_OUTPUT)->output.port = PORT_IN_PORT;
    able->outputs |= takes(a) ? HAL_OUTPUT_IN_PORT : 0;
    begin(a, EXPERIMENT, false);
    append(a, ACTION_OUTPUT)->output.port = some_port(a);
    able->outputs |= some_port(a) == PORT_IN_PORT || takes(a) ? HAL_OUTPUT_PORT : 0;
    able->actions |= able->outputs & (HAL_OUTPUT_PORT | HAL_OUTPUT_IN_PORT) ? 1u << ACTION_OUTPUT : 0;
}

/* Neither drops, nor sends anywhere. */
static bool
takes_nothing(const struct attempt *a)
{
    return some_port(a) == PORT_IN_PORT || !(a->port->able.outputs & HAL_OUTPUT_PORT);
}

/* --- all -------------------------------------------------------------------------------------------------------- */

static const uint8_t order[] = { FIELD_DL_SRC, FIELD_DL_DST, FIELD_VLAN, FIELD_NW_SRC, FIELD_NW_DST,
                                 FIELD_NW_PROTO, FIELD_NW_TOS, FIELD_NW_FRAG, FIELD_TP_SRC, FIELD_TP_DST };

void
tc_abilities_of_software(struct tc_abilities *able)
{
    *able = (struct tc_abilities) {
        .actions = 1u << ACTION_OUTPUT, .max_ops = FLOWER_MAX_OPS,
        .outputs = HAL_OUTPUT_PORT | HAL_OUTPUT_IN_PORT | HAL_OUTPUT_NOWHERE, .num_of_vlans = true,
    };
    for (unsigned type = ACTION_SET_VLAN_VID; type <= ACTION_SET_TP_DST; type++) {
        able->actions |= 1u << type;
    }
    for (unsigned id = 0; id < N_FIELDS; id++) {
        bool any = has_mask(id, FIELD_MASK_ANY) || id == FIELD_NW_FRAG;
        able->field[id] = any ? FIELD_MASK_ANY : FIELD_MASK_EXACT;
    }
}

void
tc_abilities_both(struct tc_abilities *all, const struct tc_abilities *one)
{
    all->actions &= one->actions;
    all->outputs &= one->outputs;
    all->num_of_vlans &= one->num_of_vlans;
    all->max_ops = one->max_ops < all->max_ops ? one->max_ops : all->max_ops;
    for (unsigned id = 0; id < N_FIELDS; id++) {
        all->field[id] = one->field[id] < all->field[id] ? one->field[id] : all->field[id];
    }
}

int
tc_probe_port(struct tc *tc, struct tc_port *port, bool *sure, char *words)
{
    struct attempt a = { .tc = tc, .port = port, .sure = true };
    struct tc_abilities *able = &port->able;
    *able = (struct tc_abilities) { .max_ops = FLOWER_MAX_OPS };
    able->field[FIELD_TUN_KEY] = able->field[FIELD_IN_PORT] = able->field[FIELD_DL_TYPE] = FIELD_MASK_EXACT;
    try_outputs_of_kinds(&a);
    if (!(able->outputs & (HAL_OUTPUT_NOWHERE | HAL_OUTPUT_IN_PORT)) && takes_nothing(&a)) {
        snprintf(words, HAL_WORDS_SIZE, "%s", a.words);
        return -EOPNOTSUPP;
    }
    if (some_port(&a) == PORT_IN_PORT && !(able->outputs & HAL_OUTPUT_IN_PORT)) {
        return -EAGAIN;
    }
    for (unsigned i = 0; i < sizeof order; i++) {
        try_field(&a, order[i]);
    }
    try_num_of_vlans(&a);
    for (unsigned type = ACTION_SET_VLAN_VID; type <= ACTION_SET_TP_DST; type++) {
        try_action(&a, type);
    }
    able->max_ops = (uint16_t) (able->outputs & HAL_OUTPUT_PORT ? try_outputs(&a) : 1);
    *sure = a.sure;
    return 0;
}
