/* SPDX-License-Identifier: Apache-2.0 */
#include "sw-datapath/classifier_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/epoch.h"

enum {
    MIN_SLOTS = 8,
    SPLIT_SLOTS = 512,       /* a segment of so many slots is split, not enlarged */
    MAX_DEPTH = 20,          /* of a directory; then segments are enlarged again */
};

static uint64_t
load(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

static void
publish(_Atomic uint64_t *word, uint64_t value)
{
    atomic_store_explicit(word, value, memory_order_release);
}

static struct table_segment *
ref_segment(uint64_t ref)
{
    return (struct table_segment *) (uintptr_t) (ref & TABLE_REF_POINTER);
}

static _Atomic uint64_t *
ref_directory(uint64_t ref)
{
    return (_Atomic uint64_t *) (uintptr_t) (ref & TABLE_REF_POINTER);
}

static unsigned
ref_log2(uint64_t ref)
{
    return ref >> 48 & 63;
}

static uint64_t
make_ref(const void *memory, unsigned log2)
{
    return (uint64_t) (uintptr_t) memory | (uint64_t) log2 << 48;
}

static uint64_t
segment_ref(const struct table_segment *segment)
{
    return make_ref(segment, (unsigned) __builtin_ctz(segment->n_slots));
}

static struct table_segment *
segment_new(uint32_t n_slots, uint32_t depth)
{
    size_t size = sizeof(struct table_segment) + n_slots * sizeof(uint64_t);
    struct table_segment *segment = aligned_alloc(64, size);
    if (segment) {
        memset(segment, 0, size);
        segment->n_slots = n_slots;
        segment->depth = depth;
    }
    return segment;
}

/* Adds a slot's value to a segment; 'hash' is the lower half. Returns where. */
static void
segment_put(struct table_segment *segment, uint32_t hash, uint64_t value)
{
    uint32_t mask = segment->n_slots - 1;
    uint32_t i = hash & mask;
    while (load(&segment->slot[i]) > TABLE_SLOT_TOMBSTONE) {
        i = (i + 1) & mask;
    }
    segment->n_used += load(&segment->slot[i]) == TABLE_SLOT_EMPTY;
    segment->n_live++;
    publish(&segment->slot[i], value);
}

/* Copies live slots to a, or to b where the hash has the bit 'which' (0: all to a). */
static void
segment_copy(const struct table_segment *from, struct table_segment *a, struct table_segment *b,
             uint32_t which)
{
    enum { AHEAD = 8 };
    for (uint32_t i = 0; i < from->n_slots; i++) {
        if (i + AHEAD < from->n_slots) {
            uintptr_t rule = load(&from->slot[i + AHEAD]) & TABLE_REF_POINTER;
            __builtin_prefetch((const void *) (rule + offsetof(struct rule, hash)));
        }
        uint64_t value = load(&from->slot[i]);
        if (value > TABLE_SLOT_TOMBSTONE) {
            uint32_t hash = table_slot_rule(value)->hash;
            segment_put(hash & which ? b : a, hash, value);
        }
    }
}

static bool
segment_has_room(const struct table_segment *segment)
{
    return (uint64_t) (segment->n_used + 1) * 4 <= (uint64_t) segment->n_slots * 3;
}

/* Makes all directory entries that lead to 'old', for 'hash', lead to a and b (the
 * lower and upper half), or the root if there is no directory. */
static void
publish_segments(struct rule_table *table, uint32_t hash, const struct table_segment *old,
                 const struct table_segment *a, const struct table_segment *b)
{
    uint64_t root = load(&table->root);
    if (!(root & TABLE_REF_DIRECTORY)) {
        publish(&table->root, segment_ref(a));
        return;
    }
    _Atomic uint64_t *directory = ref_directory(root);
    unsigned depth = ref_log2(root);
    uint32_t n = UINT32_C(1) << (depth - old->depth);
    uint32_t first = (hash >> (32 - depth)) & ~(n - 1);
    for (uint32_t i = 0; i < n; i++) {
        publish(&directory[first + i], segment_ref(i < n / 2 ? a : b));
    }
}

static int
rebuild(struct rule_table *table, uint32_t hash, struct table_segment *old, uint32_t n_slots)
{
    struct table_segment *segment = segment_new(n_slots, old->depth);
    if (!segment) {
        return -ENOMEM;
    }
    segment_copy(old, segment, NULL, 0);
    publish_segments(table, hash, old, segment, segment);
    epoch_defer(free, old);
    return 0;
}

/* Makes the directory one bit deeper than it is, from nothing if need be. */
static int
deepen(struct rule_table *table)
{
    uint64_t root = load(&table->root);
    bool first = !(root & TABLE_REF_DIRECTORY);
    unsigned depth = first ? 0 : ref_log2(root);
    uint32_t n = UINT32_C(1) << (depth + 1);
    _Atomic uint64_t *directory = malloc(n * sizeof *directory);
    if (!directory) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < n; i++) {
        atomic_init(&directory[i], first ? root : load(&ref_directory(root)[i / 2]));
    }
    publish(&table->root, make_ref(directory, depth + 1) | TABLE_REF_DIRECTORY);
    if (!first) {
        epoch_defer(free, ref_directory(root));
    }
    return 0;
}

static unsigned
table_depth(const struct rule_table *table)
{
    uint64_t root = load(&table->root);
    return root & TABLE_REF_DIRECTORY ? ref_log2(root) : 0;
}

static int
split(struct rule_table *table, uint32_t hash, struct table_segment *old)
{
    if (old->depth == table_depth(table)) {
        int error = deepen(table);
        if (error) {
            return error;
        }
    }
    struct table_segment *a = segment_new(old->n_slots, old->depth + 1);
    struct table_segment *b = segment_new(old->n_slots, old->depth + 1);
    if (!a || !b) {
        free(a);
        free(b);
        return -ENOMEM;
    }
    segment_copy(old, a, b, UINT32_C(1) << (31 - old->depth));
    publish_segments(table, hash, old, a, b);
    epoch_defer(free, old);
    return 0;
}

static struct table_segment *
find_segment(const struct rule_table *table, uint64_t hash)
{
    uint64_t root = load(&table->root);
    if (!root) {
        return NULL;
    }
    uint32_t mask;
    return (struct table_segment *) (uintptr_t) table_segment_of(root, hash, &mask);
}

static int
make_room(struct rule_table *table, uint32_t hash, struct table_segment *segment)
{
    if (segment->n_live * 2 <= segment->n_slots) {
        return rebuild(table, hash, segment, segment->n_slots);  /* tombstones go */
    }
    if (segment->n_slots < SPLIT_SLOTS || segment->depth == MAX_DEPTH) {
        return rebuild(table, hash, segment, segment->n_slots * 2);
    }
    return split(table, hash, segment);
}

int
rule_table_reserve(struct rule_table *table, uint64_t hash)
{
    struct table_segment *segment = find_segment(table, hash);
    if (!segment) {
        segment = segment_new(MIN_SLOTS, 0);
        if (!segment) {
            return -ENOMEM;
        }
        publish(&table->root, segment_ref(segment));
        return 0;
    }
    while (!segment_has_room(segment)) {
        int error = make_room(table, (uint32_t) hash, segment);
        if (error) {
            return error;
        }
        segment = find_segment(table, hash);
    }
    return 0;
}

/* The place that points to 'rule', or to where a rule of its key and rank belongs. */
struct place {
    _Atomic uint64_t *slot;        /* of the chain's head; NULL: no such chain */
    struct rule *before;           /* the rule whose 'next' it is; NULL: the slot */
    struct rule *at;               /* the rule that is there now */
};

static struct rule *
next_of(const struct rule *rule)
{
    return atomic_load_explicit(&rule->next, memory_order_relaxed);
}

/* The slot of the chain of rules with the key of 'rule', or NULL. */
static _Atomic uint64_t *
find_head(const struct rule_table *table, const struct rule *rule, uint64_t hash)
{
    struct table_segment *segment = find_segment(table, hash);
    uint32_t mask = segment->n_slots - 1;
    for (uint32_t i = (uint32_t) hash; ; i++) {
        uint64_t slot = load(&segment->slot[i & mask]);
        if (slot == TABLE_SLOT_EMPTY) {
            return NULL;
        }
        if ((slot & ~TABLE_REF_POINTER) == table_tag(hash)
            && !memcmp(table_slot_rule(slot)->words, rule->words,
                       rule->n_lanes * sizeof rule->words[0])) {
            return &segment->slot[i & mask];
        }
    }
}

static struct place
find_rule(const struct rule_table *table, const struct rule *rule, uint64_t hash)
{
    struct place place = { find_head(table, rule, hash), NULL, NULL };
    place.at = table_slot_rule(load(place.slot));
    while (place.at != rule) {
        place.before = place.at;
        place.at = next_of(place.at);
    }
    return place;
}

/* Makes the place point at 'rule' (a slot keeps its tag). */
static void
place_store(const struct place *place, struct rule *rule)
{
    if (place->before) {
        atomic_store_explicit(&place->before->next, rule, memory_order_release);
    } else {
        publish(place->slot, (load(place->slot) & ~TABLE_REF_POINTER) | (uintptr_t) rule);
    }
}

static void
add_to_chain(_Atomic uint64_t *head, struct rule *rule)
{
    struct place place = { head, NULL, table_slot_rule(load(head)) };
    while (place.at && place.at->rank >= rule->rank) {
        place.before = place.at;
        place.at = next_of(place.at);
    }
    atomic_store_explicit(&rule->next, place.at, memory_order_relaxed);
    place_store(&place, rule);
}

void
rule_table_add(struct rule_table *table, struct rule *rule, uint64_t hash)
{
    table->n_rules++;
    rule->hash = (uint32_t) hash;
    _Atomic uint64_t *head = find_head(table, rule, hash);
    if (head) {
        add_to_chain(head, rule);
        return;
    }
    atomic_store_explicit(&rule->next, NULL, memory_order_relaxed);
    segment_put(find_segment(table, hash), rule->hash, table_tag(hash) | (uintptr_t) rule);
}

void
rule_table_replace(struct rule_table *table, struct rule *old, struct rule *rule, uint64_t hash)
{
    struct place place = find_rule(table, old, hash);
    rule->hash = old->hash;
    atomic_store_explicit(&rule->next, next_of(old), memory_order_relaxed);
    place_store(&place, rule);
}

/* Leaves a tombstone, or empties the slot and the tombstones before it if no way to
 * another rule leads over them. */
static void
clear_slot(struct table_segment *segment, uint32_t i)
{
    uint32_t mask = segment->n_slots - 1;
    segment->n_live--;
    if (load(&segment->slot[(i + 1) & mask]) != TABLE_SLOT_EMPTY) {
        publish(&segment->slot[i], TABLE_SLOT_TOMBSTONE);
        return;
    }
    do {
        publish(&segment->slot[i], TABLE_SLOT_EMPTY);
        segment->n_used--;
        i = (i - 1) & mask;
    } while (load(&segment->slot[i]) == TABLE_SLOT_TOMBSTONE);
}

void
rule_table_remove(struct rule_table *table, struct rule *rule, uint64_t hash)
{
    struct place place = find_rule(table, rule, hash);
    struct rule *next = next_of(rule);
    table->n_rules--;
    if (place.before || next) {
        place_store(&place, next);
        return;
    }
    struct table_segment *segment = find_segment(table, hash);
    clear_slot(segment, (uint32_t) (place.slot - segment->slot));
}

/* Calls visit for each distinct segment. */
static bool
for_each_segment(const struct rule_table *table, bool (*visit)(struct table_segment *, void *aux),
                 void *aux)
{
    uint64_t root = load(&table->root);
    if (!(root & TABLE_REF_DIRECTORY)) {
        return !root || visit(ref_segment(root), aux);
    }
    uint32_t n = UINT32_C(1) << ref_log2(root);
    for (uint32_t i = 0; i < n; ) {
        struct table_segment *segment = ref_segment(load(&ref_directory(root)[i]));
        i += UINT32_C(1) << (ref_log2(root) - segment->depth);
        if (!visit(segment, aux)) {
            return false;
        }
    }
    return true;
}

struct rule_visit {
    bool (*visit)(struct rule *, void *aux);
    void *aux;
};

static bool
visit_rules(struct table_segment *segment, void *visit_)
{
    const struct rule_visit *v = visit_;
    for (uint32_t i = 0; i < segment->n_slots; i++) {
        struct rule *rule = table_slot_rule(load(&segment->slot[i]));
        if ((uintptr_t) rule <= TABLE_SLOT_TOMBSTONE) {
            continue;
        }
        while (rule) {
            struct rule *next = next_of(rule);
            if (!v->visit(rule, v->aux)) {
                return false;
            }
            rule = next;
        }
    }
    return true;
}

bool
rule_table_for_each(const struct rule_table *table, bool (*visit)(struct rule *, void *aux),
                    void *aux)
{
    struct rule_visit v = { visit, aux };
    return for_each_segment(table, visit_rules, &v);
}

static bool
defer_segment(struct table_segment *segment, void *aux)
{
    (void) aux;
    epoch_defer(free, segment);
    return true;
}

static bool
free_segment(struct table_segment *segment, void *aux)
{
    (void) aux;
    free(segment);
    return true;
}

void
rule_table_trim(struct rule_table *table)
{
    struct rule_table old = { .root = load(&table->root) };
    publish(&table->root, 0);
    for_each_segment(&old, defer_segment, NULL);
    if (old.root & TABLE_REF_DIRECTORY) {
        epoch_defer(free, ref_directory(load(&old.root)));
    }
}

void
rule_table_fini(struct rule_table *table)
{
    for_each_segment(table, free_segment, NULL);
    uint64_t root = load(&table->root);
    if (root & TABLE_REF_DIRECTORY) {
        free(ref_directory(root));
    }
    publish(&table->root, 0);
}

static bool
add_size(struct table_segment *segment, void *size)
{
    *(size_t *) size += sizeof *segment + segment->n_slots * sizeof(uint64_t);
    return true;
}

size_t
rule_table_size(const struct rule_table *table)
{
    uint64_t root = load(&table->root);
    size_t size = root & TABLE_REF_DIRECTORY ? sizeof(uint64_t) << ref_log2(root) : 0;
    for_each_segment(table, add_size, &size);
    return size;
}
