/* SPDX-License-Identifier: Apache-2.0 */
/* tc-flower: answers of a kernel that are anything, or entries that are. The first byte says which.
 *
 * A filter that is read is within its bounds, is like itself, and can be told in OpenFlow's words.
 * An entry that is taken comes back as a filter that says the same, with at most as many packets. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/tc/flower.h"
#include "lib/field.h"
#include "lib/wire.h"
#include "tests/fuzz/fuzz.h"

enum { MAX_ACTIONS = 64 };

union list {
    struct action_list list;
    uint64_t words[1 + FLOWER_MAX_ACTIONS];
};

static int
ifindex_of(const void *aux, uint16_t port)
{
    (void) aux;
    return port < 0x8000 ? port : 0;
}

static uint16_t
port_of(const void *aux, int ifindex)
{
    (void) aux;
    return ifindex > 0 && ifindex < 0x8000 ? (uint16_t) ifindex : 0;
}

static bool
queue_of(const void *aux, uint16_t port, uint32_t queue, uint32_t *priority)
{
    (void) aux;
    *priority = (uint32_t) port << 16 | queue;
    return queue < 8;
}

static const struct flower_ports ports = { ifindex_of, port_of, queue_of, NULL };

/* --- answers ----------------------------------------------------------------------------------- */

static void
check_ops(const struct flower_ops *ops)
{
    FUZZ_CHECK(ops->n_ops <= FLOWER_MAX_OPS && ops->n_edits <= FLOWER_MAX_EDITS);
    for (unsigned i = 0; i < ops->n_ops; i++) {
        const struct flower_op *op = &ops->op[i];
        FUZZ_CHECK(op->kind <= FLOWER_OP_OTHER);
        FUZZ_CHECK(op->kind != FLOWER_OP_PEDIT || op->first_edit + op->n_edits <= ops->n_edits);
        FUZZ_CHECK(memchr(op->name, '\0', sizeof op->name));
    }
}

static void
check_filter(const struct flower_filter *f)
{
    struct hal_verdict verdict;
    struct hal_counters hw, sw;
    union list list;
    char more[FLOWER_WORDS_SIZE];
    struct flow_key masked;
    FUZZ_CHECK(memchr(f->kind, '\0', sizeof f->kind) && memchr(f->more, '\0', sizeof f->more)
               && memchr(f->warning, '\0', sizeof f->warning));
    check_ops(&f->ops);
    flow_key_mask(&f->match.value, &f->match.mask, &masked);
    FUZZ_CHECK(flow_key_equal(&masked, &f->match.value));
    if (!f->terse && !strcmp(f->kind, "flower")) {
        FUZZ_CHECK(!flower_compare(f, f, &verdict));
    }
    flower_actions(&f->ops, 1, &ports, &list.list, more);
    FUZZ_CHECK(memchr(more, '\0', sizeof more) && list.list.len <= FLOWER_MAX_ACTIONS);
    flower_counters(&f->stats, true, false, &hw, &sw);
}

/* A buffer of exactly the size, so that a byte more is found. */
static void
run_answers(const uint8_t *data, size_t size)
{
    uint8_t *copy = aligned_alloc(8, (size + 15) / 8 * 8);
    size_t at = 0;
    memcpy(copy, data, size);
    while (at < size) {
        /* As netlink's, each begins where the one before it ends, on a word. */
        uint8_t *one = malloc(size - at);
        struct flower_filter f;
        struct flower_error error;
        uint32_t step = 0;
        memcpy(one, copy + at, size - at);
        const struct nlmsghdr *nlh = (const struct nlmsghdr *) (void *) one;
        int result = flower_decode(nlh, size - at, &f);
        if (!result) {
            check_filter(&f);
        } else if (result == -ENOMSG && !flower_error_decode(nlh, size - at, &error)) {
            FUZZ_CHECK(error.error >= 0 && memchr(error.words, '\0', sizeof error.words));
        }
        if (size - at >= sizeof *nlh) {
            memcpy(&step, one, sizeof step);
        }
        free(one);
        if (step < sizeof *nlh || step > size - at) {
            break;
        }
        at += (step + 3) / 4 * 4;
    }
    free(copy);
}

/* --- entries ------------------------------------------------------------------------------------- */

/* Which fields count, how much of each, and their values; types that have more to say are more
 * frequent. */
static void
make_match(struct reader *r, struct flow_match *match)
{
    static const uint16_t types[] = { 0x800, 0x800, 0x806, 0x8100 };
    static const uint8_t protos[] = { 6, 17, 1, 2 };
    uint16_t which = reader_u16(r), masked = reader_u16(r);
    uint8_t choice = reader_u8(r);
    memset(match, 0, sizeof *match);
    for (unsigned id = 0; id < N_FIELDS; id++) {
        const struct field *f = &fields[id];
        if (!(which >> id & 1)) {
            continue;
        }
        field_mask_exact(f, &match->mask);
        if (masked >> id & 1) {
            reader_bytes(r, field_bytes_mutable(f, &match->mask.bits), f->size);
        }
        reader_bytes(r, field_bytes_mutable(f, &match->value), f->size);
    }
    if (choice & 0x80) {
        match->value.dl_type = be16_from_host(types[choice & 3]);
        match->mask.bits.dl_type.raw = UINT16_MAX;
        match->value.nw_proto = protos[choice >> 2 & 3];
    }
    for (unsigned id = 0; id < N_FIELDS; id++) {
        const struct field *f = &fields[id];
        uint8_t *mask = field_bytes_mutable(f, &match->mask.bits);
        for (unsigned i = 0; i < f->size; i++) {
            mask[i] &= f->bits;
        }
    }
    flow_key_mask(&match->value, &match->mask, &match->value);
    field_canonicalize(match);
}

static void
make_list(struct reader *r, struct action_list *list)
{
    while (reader_left(r) && list->len < MAX_ACTIONS) {
        struct action *a = &list->actions[list->len++];
        *a = (struct action) { .type = reader_u8(r) % N_ACTION_TYPES };
        if (a->type == ACTION_OUTPUT && reader_left(r) && *r->p & 0x80) {
            a->output.port = 1 + (reader_u8(r) & 7);
        } else {
            reader_bytes(r, a->bytes, sizeof a->bytes);
        }
    }
}

/* Every packet of 'narrow' is one of 'wide': its filter may leave out, never take more. What a type
 * without that layer does not have is not said. */
static void
check_narrower(const struct flow_match *wide, const struct flower_filter *f)
{
    const struct flow_key *want = &wide->mask.bits, *has = &f->match.mask.bits;
    FUZZ_CHECK(!(want->dl_type.raw & ~has->dl_type.raw));
    FUZZ_CHECK(!(want->vlan_tci.raw & ~has->vlan_tci.raw));
    for (unsigned i = 0; i < 6; i++) {
        FUZZ_CHECK(has->dl_src[i] == want->dl_src[i] && has->dl_dst[i] == want->dl_dst[i]);
    }
    if (be16_to_host(wide->value.dl_type) == 0x800) {
        FUZZ_CHECK(has->nw_src.ip4.raw == want->nw_src.ip4.raw && has->nw_tos == want->nw_tos
                   && has->nw_proto == want->nw_proto);
        FUZZ_CHECK(!(want->nw_frag & ~has->nw_frag));
    }
    FUZZ_CHECK(flow_match_overlaps(wide, &f->match));
}

static void
run_entry(const uint8_t *data, size_t size)
{
    static union {
        struct nlmsghdr nlh[1];
        uint8_t bytes[FLOWER_MSG_MAX];
    } message;
    struct reader r;
    struct flow_match match;
    union list list = { .list.len = 0 };
    struct flower_filter f;
    struct hal_verdict verdict = { 0 };
    size_t used = 0;
    reader_init(&r, data, size);
    uint8_t choice = reader_u8(&r);
    const struct flower_options options = { .num_of_vlans = choice & 1, .whole = choice & 2,
                                            .fragments_apart = choice & 4 };
    const struct flower_place place = { .ifindex = 1, .in_port = 1, .prio = 1, .handle = 1 };
    make_match(&r, &match);
    make_list(&r, &list.list);
    const struct hal_entry entry = { .match = &match, .actions = &list.list };
    const struct flower_request request = { .command = FLOWER_ADD, .place = &place, .entry = &entry,
                                            .options = &options, .ports = &ports };
    match.value.in_port = match.mask.bits.in_port ? 1 : 0;
    int result = flower_encode(&request, message.nlh, sizeof message.bytes, &used, &verdict);
    FUZZ_CHECK(flower_check(&entry, 1, &ports, &options, &verdict) == result);
    if (result) {
        FUZZ_CHECK(result == -EOPNOTSUPP && hal_reason_name(verdict.reason) && *verdict.words);
        return;
    }
    FUZZ_CHECK(!flower_decode(message.nlh, used, &f));
    FUZZ_CHECK(!*f.more && f.ops.n_ops);
    check_filter(&f);
    check_narrower(&match, &f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size && *data) {
        run_entry(data + 1, size - 1);
    } else if (size) {
        run_answers(data + 1, size - 1);
    }
    return 0;
}
