/* SPDX-License-Identifier: Apache-2.0 */
/* Chains of entries: by class, and by the values of single fields. */
#include "hal/entry_private.h"

#include <stdlib.h>

#include "lib/hash.h"

enum { CHAIN_DL_DST, CHAIN_DL_SRC, CHAIN_NW_SRC, CHAIN_NW_DST };
enum { PREFIX_BITS = 24, COUNTED_BITS = 16 };

/* The fields. A value counts where its mask does; of an address the first 24 bits are enough,
 * so that longer prefixes find their chain too. Shorter ones try every value of 24 bits that
 * they have, where the first 16 are those of an entry at all. */
static const struct flow_mask chain_masks[CHAIN_FIELDS] = {
    [CHAIN_DL_DST] = { .bits.dl_dst = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
    [CHAIN_DL_SRC] = { .bits.dl_src = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
    { .bits.nw_src.bytes = { 0xff, 0xff, 0xff } },
    { .bits.nw_dst.bytes = { 0xff, 0xff, 0xff } },
    { .bits.tp_src.raw = 0xffff },
    { .bits.tp_dst.raw = 0xffff },
};

static const struct flow_mask class_mask = {
    .bits = { .in_port = 0xffff, .vlan_tci.raw = 0xffff, .dl_type.raw = 0xffff, .nw_proto = 0xff },
};

/* True if 'mask' has all that the chain goes by; the value, in a word, goes to *value. */
static bool
chain_value(unsigned chain, const struct flow_key *value, const struct flow_mask *mask,
            uint64_t *word)
{
    const struct flow_key *by = &chain_masks[chain].bits;
    uint64_t missing = 0, sum = 0;
    for (unsigned i = 0; i < FLOW_LANES; i++) {
        missing |= by->lane[i] & ~mask->bits.lane[i];
        sum = sum * 31 + (value->lane[i] & by->lane[i]);
    }
    *word = sum;
    return !missing;
}

static struct chain_head *
field_head(struct entry_store *store, unsigned chain, const struct flow_key *value,
           const struct flow_mask *mask)
{
    struct chain_table *t = &store->fields[chain];
    uint64_t word;
    bool looks = chain_value(chain, value, mask, &word);
    return looks ? &t->heads[bucket_of(&t->buckets, hash_word(word, store->seed))] : &t->wild;
}

static bool
is_address(unsigned chain)
{
    return chain == CHAIN_NW_SRC || chain == CHAIN_NW_DST;
}

/* Host order. */
static uint32_t
address_of(unsigned chain, const struct flow_key *key)
{
    return be32_to_host(chain == CHAIN_NW_SRC ? key->nw_src.ip4 : key->nw_dst.ip4);
}

static void
count_prefix(struct entry_store *store, unsigned chain, const struct flow_key *key,
             const struct flow_mask *mask, int change)
{
    uint64_t word;
    if (is_address(chain) && chain_value(chain, key, mask, &word)) {
        store->fields[chain].by_prefix[address_of(chain, key) >> COUNTED_BITS] += (uint32_t) change;
    }
}

static void
push(struct entry_store *store, struct chain_head *head, uint32_t index, unsigned link)
{
    struct entry_links *links = &store->entries[index].chain[link];
    links->prev = ENTRY_NONE;
    links->next = head->first;
    if (head->first) {
        store->entries[head->first].chain[link].prev = index;
    }
    head->first = index;
    head->n++;
}

static void
take_out(struct entry_store *store, struct chain_head *head, uint32_t index, unsigned link)
{
    struct entry_links *links = &store->entries[index].chain[link];
    if (links->prev) {
        store->entries[links->prev].chain[link].next = links->next;
    } else {
        head->first = links->next;
    }
    if (links->next) {
        store->entries[links->next].chain[link].prev = links->prev;
    }
    head->n--;
}

static void
grow_field(struct entry_store *store, unsigned chain)
{
    struct chain_table *t = &store->fields[chain];
    if (t->n < t->buckets.n * CHAIN_LOAD || t->buckets.n == CHAIN_MAX) {
        return;
    }
    struct chain_head *from = &t->heads[bucket_add(&t->buckets)];
    uint32_t i = from->first;
    *from = (struct chain_head) { ENTRY_NONE, 0 };
    for (uint32_t next; i; i = next) {
        struct flow_key key;
        next = store->entries[i].chain[chain + 1].next;
        entry_unpack(&store->entries[i], &key);
        push(store, field_head(store, chain, &key, entry_mask(store, &store->entries[i])), i, chain + 1);
    }
}

/* --- classes ------------------------------------------------------------------------ */

static void
class_match(const struct entry_store *store, uint32_t index, struct flow_match *of)
{
    struct flow_match match;
    entry_get_match(store, &store->entries[index], &match);
    flow_key_mask(&match.value, &class_mask, &of->value);
    flow_key_mask(&match.mask.bits, &class_mask, &of->mask.bits);
}

static uint32_t *
class_bucket(const struct entry_store *store, uint16_t bridge, const struct flow_match *match)
{
    uint64_t hash = store->seed ^ bridge;
    for (unsigned i = 0; i < FLOW_LANES; i++) {
        hash = hash_fold(hash ^ match->value.lane[i], match->mask.bits.lane[i]
                                                      ^ UINT64_C(0x9e3779b97f4a7c15)) ^ hash << 1;
    }
    return &store->by_class.heads[hash_word(hash, store->seed) & store->by_class.mask];
}

static uint32_t
find_class(const struct entry_store *store, uint16_t bridge, const struct flow_match *match)
{
    uint32_t c = store->by_class.heads ? *class_bucket(store, bridge, match) : 0;
    while (c && !(store->classes[c].bridge == bridge
                  && flow_key_equal(&store->classes[c].match.value, &match->value)
                  && flow_key_equal(&store->classes[c].match.mask.bits, &match->mask.bits))) {
        c = store->classes[c].next;
    }
    return c;
}

static bool
make_room_for_class(struct entry_store *store)
{
    bool grown;
    void *more = store->classes;
    if (!store->free_class) {
        more = slots_grow(more, store->n_classes, &store->max_classes, sizeof *store->classes);
    }
    if (!more) {
        return false;
    }
    store->classes = more;
    if (!hash_heads_grow(&store->by_class, &grown)) {
        return false;
    }
    for (uint32_t c = 1; grown && c < store->n_classes; c++) {
        struct entry_class *class = &store->classes[c];
        if (class->head.n) {
            uint32_t *bucket = class_bucket(store, class->bridge, &class->match);
            class->next = *bucket;
            *bucket = c;
        }
    }
    return true;
}

/* 0 without memory. */
static uint32_t
new_class(struct entry_store *store, uint16_t bridge, const struct flow_match *match)
{
    if (!make_room_for_class(store)) {
        return 0;
    }
    uint32_t c = store->free_class;
    if (c) {
        store->free_class = store->classes[c].next;
    } else {
        c = store->n_classes++;
    }
    uint32_t *bucket = class_bucket(store, bridge, match);
    store->classes[c] = (struct entry_class) { .match = *match, .bridge = bridge, .next = *bucket };
    *bucket = c;
    store->by_class.n++;
    return c;
}

static void
leave_class(struct entry_store *store, uint32_t index)
{
    struct flow_match match;
    class_match(store, index, &match);
    uint32_t c = find_class(store, store->entries[index].bridge, &match);
    struct entry_class *class = &store->classes[c];
    take_out(store, &class->head, index, CHAIN_CLASS);
    if (!class->head.n) {
        uint32_t *at = class_bucket(store, class->bridge, &class->match);
        while (*at != c) {
            at = &store->classes[*at].next;
        }
        *at = class->next;
        class->next = store->free_class;
        store->free_class = c;
        store->by_class.n--;
    }
}

/* --- entries ------------------------------------------------------------------------ */

bool
chains_add(struct entry_store *store, uint32_t index)
{
    struct entry *e = &store->entries[index];
    struct flow_match match;
    struct flow_key key;
    class_match(store, index, &match);
    uint32_t class = find_class(store, e->bridge, &match);
    class = class ? class : new_class(store, e->bridge, &match);
    if (!class) {
        return false;
    }
    push(store, &store->classes[class].head, index, CHAIN_CLASS);
    entry_unpack(e, &key);
    for (unsigned f = 0; f < CHAIN_FIELDS; f++) {
        grow_field(store, f);
        push(store, field_head(store, f, &key, entry_mask(store, e)), index, f + 1);
        store->fields[f].n++;
        count_prefix(store, f, &key, entry_mask(store, e), 1);
    }
    return true;
}

void
chains_remove(struct entry_store *store, uint32_t index)
{
    struct entry *e = &store->entries[index];
    struct flow_key key;
    leave_class(store, index);
    entry_unpack(e, &key);
    for (unsigned f = 0; f < CHAIN_FIELDS; f++) {
        take_out(store, field_head(store, f, &key, entry_mask(store, e)), index, f + 1);
        store->fields[f].n--;
        count_prefix(store, f, &key, entry_mask(store, e), -1);
    }
}

bool
chains_init(struct entry_store *store)
{
    bool ok = true;
    for (unsigned f = 0; f < CHAIN_FIELDS; f++) {
        struct chain_table *t = &store->fields[f];
        t->heads = pages_reserve(CHAIN_MAX * sizeof *t->heads);
        t->buckets = (struct buckets) { 64, 64 };
        t->by_prefix = is_address(f) ? calloc(1 << COUNTED_BITS, sizeof *t->by_prefix) : NULL;
        ok = ok && t->heads && (t->by_prefix || !is_address(f));
    }
    return ok;
}

void
chains_fini(struct entry_store *store)
{
    for (unsigned f = 0; f < CHAIN_FIELDS; f++) {
        pages_release(store->fields[f].heads, CHAIN_MAX * sizeof *store->fields[f].heads);
        free(store->fields[f].by_prefix);
    }
    free(store->classes);
    free(store->by_class.heads);
}

/* --- what a match overlaps ------------------------------------------------------------ */

struct walk {
    struct entry_store *store;
    const struct flow_match *match;
    uint16_t bridge;
    void (*visit)(uint32_t index, void *aux);
    void *aux;
    uint32_t n_seen;
    /* Instead of 'visit', until one is found. */
    bool (*is_wanted)(const struct entry *, const void *aux);
    const void *wanted_aux;
    uint32_t found;
};

static void
tell(struct walk *w, uint32_t index)
{
    if (!w->is_wanted) {
        w->visit(index, w->aux);
    } else if (w->is_wanted(&w->store->entries[index], w->wanted_aux)) {
        w->found = index;
    }
}

/* 'only': those with its value in the chain's field; NULL: all. */
static void
walk_chain(struct walk *w, const struct chain_head *head, unsigned link, const struct flow_key *only)
{
    for (uint32_t i = head->first, next; i && !w->found; i = next) {
        const struct entry *e = &w->store->entries[i];
        struct flow_match match;
        next = e->chain[link].next;
        w->n_seen++;
        entry_get_match(w->store, e, &match);
        bool has_value = !only || (address_of(link - 1, &match.value) ^ address_of(link - 1, only)) >> 8 == 0;
        if (has_value && e->bridge == w->bridge && flow_match_overlaps(&match, w->match)) {
            tell(w, i);
        }
    }
}

static bool
class_overlaps(const struct walk *w, const struct entry_class *class)
{
    return class->bridge == w->bridge && class->head.n && flow_match_overlaps(&class->match, w->match);
}

static uint32_t
count_by_class(const struct walk *w)
{
    uint32_t n = 0;
    for (uint32_t c = 1; c < w->store->n_classes; c++) {
        n += class_overlaps(w, &w->store->classes[c]) ? w->store->classes[c].head.n : 0;
    }
    return n;
}

/* The addresses of a match's prefix, which is too short for one chain. */
struct prefix {
    unsigned chain;
    uint32_t first, last;        /* the first 24 bits */
};

/* False if it is longer, or there is none. */
static bool
prefix_of(const struct walk *w, unsigned chain, struct prefix *out)
{
    uint32_t mask = address_of(chain, &w->match->mask.bits), value = address_of(chain, &w->match->value);
    unsigned bits = mask == UINT32_MAX ? 32 : (unsigned) __builtin_clz(~mask);
    if (!is_address(chain) || !bits || bits >= PREFIX_BITS) {
        return false;
    }
    uint32_t others = UINT32_MAX >> bits;
    *out = (struct prefix) { chain, (value & ~others) >> 8, (value | others) >> 8 };
    return true;
}

/* How many entries have to be looked at, about. */
static uint32_t
prefix_cost(const struct walk *w, const struct prefix *p)
{
    const struct chain_table *t = &w->store->fields[p->chain];
    uint64_t cost = t->wild.n;
    uint32_t a_head = t->n / t->buckets.n + 1;
    for (uint32_t high = p->first >> 8; high <= p->last >> 8; high++) {
        uint32_t values = p->last - p->first < 256 ? p->last - p->first + 1 : 256;
        cost += t->by_prefix[high] ? (uint64_t) values * a_head + t->by_prefix[high] : 0;
    }
    return cost < UINT32_MAX ? (uint32_t) cost : UINT32_MAX;
}

static void
walk_prefix(struct walk *w, const struct prefix *p)
{
    const struct chain_table *t = &w->store->fields[p->chain];
    for (uint32_t value = p->first; value <= p->last && !w->found; value++) {
        if (!t->by_prefix[value >> 8]) {
            value |= 0xff;
            continue;
        }
        struct flow_key key = { .in_port = 0 };
        *(p->chain == CHAIN_NW_SRC ? &key.nw_src.ip4 : &key.nw_dst.ip4) = be32_from_host(value << 8);
        walk_chain(w, field_head(w->store, p->chain, &key, &chain_masks[p->chain]), p->chain + 1, &key);
    }
    walk_chain(w, &t->wild, p->chain + 1, NULL);
}

/* Where the match looks at all that an entry's mask does, at most one entry with that mask
 * overlaps it. True, with *best lower, if it is so for all masks, and they are fewer. */
static bool
names_keys(const struct walk *w, uint32_t *best)
{
    const struct entry_store *store = w->store;
    if (store->n_masks >= *best) {
        return false;
    }
    for (uint32_t m = 0; m < store->n_masks; m++) {
        for (unsigned i = 0; store->masks[m].refs && i < FLOW_LANES; i++) {
            if (store->masks[m].mask.bits.lane[i] & ~w->match->mask.bits.lane[i]) {
                return false;
            }
        }
    }
    *best = store->n_masks;
    return true;
}

static void
walk_keys(struct walk *w)
{
    for (uint32_t m = 0; m < w->store->n_masks && !w->found; m++) {
        struct flow_match one = { .mask = w->store->masks[m].mask };
        flow_key_mask(&w->match->value, &one.mask, &one.value);
        uint32_t i = w->store->masks[m].refs ? entry_find(w->store, w->bridge, &one) : ENTRY_NONE;
        w->n_seen++;
        if (i) {
            tell(w, i);
        }
    }
}

/* By the way that looks at the fewest. */
static void
walk_overlap(struct walk *w)
{
    struct entry_store *store = w->store;
    const struct flow_match *match = w->match;
    uint32_t best = count_by_class(w);
    if (names_keys(w, &best)) {
        walk_keys(w);
        return;
    }
    int field = -1;
    struct prefix prefix, best_prefix = { 0, 1, 0 };
    for (unsigned f = 0; f < CHAIN_FIELDS; f++) {
        const struct chain_table *t = &store->fields[f];
        const struct chain_head *head = field_head(store, f, &match->value, &match->mask);
        const struct chain_head *wild = &t->wild;
        if (head != wild && head->n + wild->n < best) {
            best = head->n + wild->n;
            field = (int) f;
        }
        if (prefix_of(w, f, &prefix) && prefix_cost(w, &prefix) < best) {
            best = prefix_cost(w, &prefix);
            best_prefix = prefix;
            field = -1;
        }
    }
    if (field < 0 && best_prefix.first <= best_prefix.last) {
        walk_prefix(w, &best_prefix);
        return;
    }
    if (field >= 0) {
        const struct chain_table *t = &store->fields[field];
        walk_chain(w, field_head(store, (unsigned) field, &match->value, &match->mask),
                   (unsigned) field + 1, NULL);
        walk_chain(w, &t->wild, (unsigned) field + 1, NULL);
    }
    for (uint32_t c = 1; field < 0 && c < store->n_classes && !w->found; c++) {
        if (class_overlaps(w, &store->classes[c])) {
            walk_chain(w, &store->classes[c].head, CHAIN_CLASS, NULL);
        }
    }
}

uint32_t
entry_for_each_overlap(struct entry_store *store, uint16_t bridge, const struct flow_match *match,
                       void (*visit)(uint32_t index, void *aux), void *aux)
{
    struct walk w = { .store = store, .match = match, .bridge = bridge, .visit = visit, .aux = aux };
    walk_overlap(&w);
    return w.n_seen;
}

uint32_t
entry_find_overlap(struct entry_store *store, uint16_t bridge, const struct flow_match *match,
                   bool (*is_wanted)(const struct entry *, const void *aux), const void *aux)
{
    struct walk w = { .store = store, .match = match, .bridge = bridge, .is_wanted = is_wanted,
                      .wanted_aux = aux };
    walk_overlap(&w);
    return w.found;
}

/* Entries with all of the field's value. */
static void
walk_value(struct walk *w, unsigned field)
{
    if (w->store->fields[field].heads) {
        walk_chain(w, field_head(w->store, field, &w->match->value, &w->match->mask), field + 1,
                   NULL);
    }
}

uint32_t
entry_for_each_of_address(struct entry_store *store, uint16_t bridge, const uint8_t addr[6],
                          void (*visit)(uint32_t index, void *aux), void *aux)
{
    struct flow_match to = { .mask = chain_masks[CHAIN_DL_DST] };
    struct flow_match from = { .mask = chain_masks[CHAIN_DL_SRC] };
    struct walk w = { .store = store, .match = &to, .bridge = bridge, .visit = visit, .aux = aux };
    memcpy(to.value.dl_dst, addr, sizeof to.value.dl_dst);
    memcpy(from.value.dl_src, addr, sizeof from.value.dl_src);
    walk_value(&w, CHAIN_DL_DST);
    w.match = &from;
    walk_value(&w, CHAIN_DL_SRC);
    return w.n_seen;
}
