/* SPDX-License-Identifier: Apache-2.0 */
#include "sw-datapath/classifier_private.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/epoch.h"

/* The summaries there can be, the most telling first. Of a family (an address's prefixes,
 * longest first) a subtable takes part in the first that its mask covers, and in
 * MAX_SUMMARIES of all: more would tell little, and cost each look-up and insertion. */
enum { MAX_SUMMARIES = 3 };

static const struct {
    struct flow_key bits;
    uint8_t lane;
    uint8_t family;      /* 0: none */
} rows[INDEX_N_SUMMARIES] = {
    { { .nw_dst.bytes = { 255, 255, 255, 255 } }, 6, 1 },
    { { .nw_src.bytes = { 255, 255, 255, 255 } }, 4, 2 },
    { { .dl_dst = { 255, 255, 255, 255, 255, 255 } }, 0, 0 },
    { { .dl_src = { 255, 255, 255, 255, 255, 255 } }, 1, 0 },
    { { .nw_dst.bytes = { 255, 255, 255, 0xf0 } }, 6, 1 },
    { { .nw_src.bytes = { 255, 255, 255, 0xf0 } }, 4, 2 },
    { { .nw_dst.bytes = { 255, 255, 255 } }, 6, 1 },
    { { .nw_src.bytes = { 255, 255, 255 } }, 4, 2 },
    { { .nw_dst.bytes = { 255, 255, 0xf0 } }, 6, 1 },
    { { .nw_src.bytes = { 255, 255, 0xf0 } }, 4, 2 },
    { { .nw_dst.bytes = { 255, 255 } }, 6, 1 },
    { { .nw_src.bytes = { 255, 255 } }, 4, 2 },
    { { .tp_dst = { 0xffff } }, 2, 0 },
    { { .tp_src = { 0xffff } }, 2, 0 },
    { { .vlan_tci = { 0xffff } }, 1, 0 },
    { { .in_port = 0xffff }, 0, 0 },
    { { .nw_dst.bytes = { 255, 0xf0 } }, 6, 1 },
    { { .nw_src.bytes = { 255, 0xf0 } }, 4, 2 },
    { { .nw_dst.bytes = { 255 } }, 6, 1 },
    { { .nw_src.bytes = { 255 } }, 4, 2 },
    { { .dl_type = { 0xffff }, .nw_proto = 0xff }, 2, 3 },
    { { .dl_type = { 0xffff } }, 2, 3 },
};

static uint64_t
summary_bits(unsigned which)
{
    uint64_t bits = rows[which].bits.lane[rows[which].lane];
    if (rows[which].bits.vlan_tci.raw) {
        /* Presence and VID: the priority is rarely matched, and need not be. */
        struct flow_key vid = { .vlan_tci = { htobe16(FLOW_VLAN_PRESENT | FLOW_VLAN_VID_MASK) } };
        bits = vid.lane[rows[which].lane];
    }
    return bits;
}

static uint32_t
summaries_of(const struct flow_mask *mask)
{
    uint32_t summaries = 0, families = 0;
    for (unsigned i = 0, n = 0; i < INDEX_N_SUMMARIES && n < MAX_SUMMARIES; i++) {
        uint64_t bits = summary_bits(i);
        if ((mask->bits.lane[rows[i].lane] & bits) == bits && !(families & 1u << rows[i].family)) {
            summaries |= 1u << i;
            families |= (1u << rows[i].family) & ~1u;
            n++;
        }
    }
    return summaries;
}

static void
set_bit(_Atomic uint64_t *words, unsigned position, bool value)
{
    _Atomic uint64_t *word = &words[position / 64];
    uint64_t bit = UINT64_C(1) << (position % 64);
    uint64_t old = atomic_load_explicit(word, memory_order_relaxed);
    atomic_store_explicit(word, value ? old | bit : old & ~bit, memory_order_release);
}

static uint32_t
load_bound(const _Atomic uint32_t *bound)
{
    return atomic_load_explicit(bound, memory_order_relaxed);
}

/* Publishes the subtable's bound (0 when it goes). */
static void
set_bound(struct index *index, const struct subtable *st, uint32_t bound)
{
    atomic_store_explicit(&index->bound[st->position], bound, memory_order_release);
    for (unsigned w = st->position / 64 + 1; w-- > 0; ) {
        uint32_t greatest = w + 1 < index->n_words ? load_bound(&index->word_bound[w + 1]) : 0;
        for (unsigned p = w * 64; p < (w + 1) * 64; p++) {
            uint32_t other = load_bound(&index->bound[p]);
            greatest = other > greatest ? other : greatest;
        }
        if (greatest == load_bound(&index->word_bound[w])) {
            return;
        }
        atomic_store_explicit(&index->word_bound[w], greatest, memory_order_release);
    }
}

/* --- shape ---------------------------------------------------------------------- */

static size_t
rows_len(unsigned row_bits, unsigned n_words)
{
    return (size_t) n_words << row_bits;
}

/* An index without subtables, for the summaries that have users. */
static struct index *
index_new(const struct classifier_index *ci, unsigned n_words, unsigned row_bits)
{
    unsigned n = 0;
    for (unsigned i = 0; i < INDEX_N_SUMMARIES; i++) {
        n += ci->users[i] != 0;
    }
    size_t n_positions = (size_t) n_words * 64;
    size_t len = n_words + n_positions + n_positions / 2 + (n_words + 1) / 2
                 + n * (n_words + rows_len(row_bits, n_words));
    struct index *index = calloc(1, sizeof *index + len * sizeof(uint64_t));
    if (!index) {
        return NULL;
    }
    _Atomic uint64_t *words = index->words;
    index->n_words = n_words;
    index->present = words;
    index->subtable = (_Atomic(struct subtable *) *) (words += n_words);
    index->bound = (_Atomic uint32_t *) (words += n_positions);
    index->word_bound = (_Atomic uint32_t *) (words += n_positions / 2);
    words += (n_words + 1) / 2;
    for (unsigned i = 0; i < INDEX_N_SUMMARIES; i++) {
        if (ci->users[i]) {
            index->summary[index->n_summaries++] = (struct index_summary) {
                .bits = summary_bits(i), .multiplier = ci->multiplier[i],
                .lane = rows[i].lane, .shift = (uint8_t) (64 - row_bits), .which = (uint8_t) i,
                .wild = words, .rows = words + n_words,
            };
            words += n_words + rows_len(row_bits, n_words);
        }
    }
    return index;
}

/* Gives a subtable a position that is free. The bits of its rules are not set. */
static void
place_subtable(struct index *index, struct subtable *st, unsigned position)
{
    st->position = position;
    atomic_store_explicit(&index->subtable[position], st, memory_order_release);
    for (unsigned i = 0; i < index->n_summaries; i++) {
        set_bit(index->summary[i].wild, position,
                !(st->summaries & 1u << index->summary[i].which));
    }
    set_bit(index->present, position, true);
    set_bound(index, st, st->rank_bound);
}

static uint64_t
count_key(const struct subtable *st, unsigned which, uint64_t row)
{
    return (uint64_t) (st->id + 1) << 32 | (uint64_t) which << 24 | row;
}

/* Sets the bits of all rules, from the counts. */
static void
fill_rows(const struct classifier *cls, struct index *index)
{
    const struct counts *counts = &cls->index.counts;
    struct index_summary *by_which[INDEX_N_SUMMARIES] = { NULL };
    for (unsigned i = 0; i < index->n_summaries; i++) {
        by_which[index->summary[i].which] = &index->summary[i];
    }
    for (uint64_t i = 0; counts->slots && i <= counts->mask; i++) {
        uint64_t key = counts->slots[i].key;
        if (key) {
            const struct subtable *st = subtable_at(cls, (unsigned) (key >> 32) - 1);
            uint64_t row = key & ((1u << INDEX_MAX_ROW_BITS) - 1);
            set_bit(&by_which[key >> 24 & 0xff]->rows[row * index->n_words], st->position, true);
        }
    }
}

/* Bits of a row's number, so that a summary's length is bounded; it never grows again. */
static unsigned
fitting_row_bits(const struct classifier_index *ci, unsigned n_words)
{
    enum { MAX_LEN = 1 << 15 };
    unsigned bits = ci->row_bits;
    while ((size_t) n_words << bits > MAX_LEN && bits > INDEX_MIN_ROW_BITS) {
        bits--;
    }
    return bits;
}

/* The counts for rows with 'less' bits fewer. */
static int
fold_counts(const struct counts *counts, unsigned less, struct counts *out)
{
    const uint64_t row_mask = (1u << INDEX_MAX_ROW_BITS) - 1;
    *out = (struct counts) { 0 };
    /* What classifier_index_reserve() promised holds for these, too. */
    if (counts_reserve(out, counts->len + INDEX_N_SUMMARIES)) {
        return -ENOMEM;
    }
    for (uint64_t i = 0; counts->slots && i <= counts->mask; i++) {
        const struct count *c = &counts->slots[i];
        if (c->key) {
            counts_add_n(out, (c->key & ~row_mask) | (c->key & row_mask) >> less, c->n);
        }
    }
    return 0;
}

static int
by_bound(const void *a, const void *b)
{
    const struct subtable *x = *(struct subtable *const *) a, *y = *(struct subtable *const *) b;
    return (x->rank_bound < y->rank_bound) - (x->rank_bound > y->rank_bound);
}

static unsigned
collect_subtables(const struct index *index, struct subtable *out[])
{
    unsigned n = 0;
    for (unsigned p = 0; index && p < index->n_words * 64; p++) {
        if (atomic_load_explicit(&index->present[p / 64], memory_order_relaxed) >> (p % 64) & 1) {
            out[n++] = atomic_load_explicit(&index->subtable[p], memory_order_relaxed);
        }
    }
    return n;
}

static void
place_in_order(struct index *index, const struct index *old, struct subtable *sorted[])
{
    unsigned n = collect_subtables(old, sorted);
    qsort(sorted, n, sizeof(struct subtable *), by_bound);
    for (unsigned i = 0; i < n; i++) {
        place_subtable(index, sorted[i], i);
    }
}

/* Publishes an index with 'n_words' words, the summaries that have users, and the
 * subtables of the one before, in order. */
static int
reshape(struct classifier *cls, unsigned n_words)
{
    struct classifier_index *ci = &cls->index;
    struct index *old = atomic_load_explicit(&ci->current, memory_order_relaxed);
    unsigned row_bits = fitting_row_bits(ci, n_words);
    struct subtable **sorted = malloc(CLASSIFIER_MAX_SUBTABLES * sizeof(struct subtable *));
    struct index *index = index_new(ci, n_words, row_bits);
    struct counts folded;
    if (!sorted || !index || fold_counts(&ci->counts, ci->row_bits - row_bits, &folded)) {
        free(sorted);
        free(index);
        return -ENOMEM;
    }
    counts_fini(&ci->counts);
    ci->counts = folded;
    ci->row_bits = row_bits;
    place_in_order(index, old, sorted);
    free(sorted);
    fill_rows(cls, index);
    atomic_store_explicit(&ci->current, index, memory_order_release);
    ci->changes = 0;
    ci->stale = false;
    if (old) {
        epoch_defer(free, old);
    }
    return 0;
}

int
classifier_index_init(struct classifier *cls)
{
    for (unsigned i = 0; i < INDEX_N_SUMMARIES; i++) {
        cls->index.multiplier[i] = hash_word(i + 100, hash_seed()) | 1;
    }
    cls->index.row_bits = INDEX_MAX_ROW_BITS;
    return reshape(cls, 1);
}

void
classifier_index_fini(struct classifier *cls)
{
    free(atomic_load_explicit(&cls->index.current, memory_order_relaxed));
    counts_fini(&cls->index.counts);
}

static struct index *
own_index(const struct classifier *cls)
{
    return atomic_load_explicit(&cls->index.current, memory_order_relaxed);
}

static bool
is_in_order(const struct index *index)
{
    uint32_t before = UINT32_MAX;
    for (unsigned p = 0; p < index->n_words * 64; p++) {
        uint32_t bound = load_bound(&index->bound[p]);
        if (bound > before) {
            return false;
        }
        before = bound ? bound : before;
    }
    return true;
}

/* Looks at the order once in so many changes that it costs each of them little. */
static void
keep_order(struct classifier *cls)
{
    enum { AT_LEAST = 64, WORK_PER_CHANGE = 512 };
    const struct index *index = own_index(cls);
    size_t work = index->n_summaries * rows_len(cls->index.row_bits, index->n_words)
                  + cls->index.counts.mask;
    if (++cls->index.changes > AT_LEAST + work / WORK_PER_CHANGE) {
        cls->index.changes = 0;
        if (!is_in_order(index)) {
            reshape(cls, index->n_words);   /* fails: the order stays as it is */
        }
    }
}

/* --- subtables ------------------------------------------------------------------ */

/* Counts the subtable in or out. True if a summary's use began or ended. */
static bool
count_users(struct classifier_index *ci, uint32_t summaries, int change)
{
    bool turned = false;
    for (unsigned i = 0; i < INDEX_N_SUMMARIES; i++) {
        if (summaries & 1u << i) {
            ci->users[i] += (uint32_t) change;
            turned = turned || ci->users[i] == (change > 0 ? 1 : 0);
        }
    }
    return turned;
}

/* A position without a subtable; the number of positions if there is none. */
static unsigned
free_position(const struct index *index)
{
    for (unsigned w = 0; w < index->n_words; w++) {
        uint64_t free_bits = ~atomic_load_explicit(&index->present[w], memory_order_relaxed);
        if (free_bits) {
            return w * 64 + (unsigned) __builtin_ctzll(free_bits);
        }
    }
    return index->n_words * 64;
}

int
classifier_index_add(struct classifier *cls, struct subtable *st)
{
    st->summaries = summaries_of(&st->mask);
    bool first_use = count_users(&cls->index, st->summaries, 1);
    unsigned n_words = own_index(cls)->n_words;
    if (free_position(own_index(cls)) == n_words * 64) {
        n_words *= 2;
    }
    if ((first_use || n_words > own_index(cls)->n_words) && reshape(cls, n_words)) {
        count_users(&cls->index, st->summaries, -1);
        return -ENOMEM;
    }
    place_subtable(own_index(cls), st, free_position(own_index(cls)));
    return 0;
}

void
classifier_index_remove(struct classifier *cls, struct subtable *st)
{
    struct index *index = own_index(cls);
    set_bit(index->present, st->position, false);
    set_bound(index, st, 0);
    cls->index.stale |= count_users(&cls->index, st->summaries, -1);
    classifier_index_tidy(cls);
}

void
classifier_index_tidy(struct classifier *cls)
{
    if (cls->index.stale && !cls->walks) {
        /* Without memory the summary stays, and costs look-ups a little. */
        reshape(cls, own_index(cls)->n_words);
    }
}

/* --- rules ---------------------------------------------------------------------- */

static void
raise_bound(struct index *index, struct subtable *st, uint32_t rank)
{
    st->band[rank >> RANK_BAND_SHIFT]++;
    if (rank + 1 > st->rank_bound) {
        st->rank_bound = rank + 1;
        set_bound(index, st, st->rank_bound);
    }
}

/* Exact while ranks only come; when the highest goes, to the end of the next band. */
static void
lower_bound(struct index *index, struct subtable *st, uint32_t rank)
{
    uint32_t band = rank >> RANK_BAND_SHIFT;
    if (--st->band[band] || band < (st->rank_bound - 1) >> RANK_BAND_SHIFT) {
        return;
    }
    while (band && !st->band[band]) {
        band--;
    }
    st->rank_bound = st->band[band] ? (band + 1) << RANK_BAND_SHIFT : 0;
    set_bound(index, st, st->rank_bound);
}

int
classifier_index_reserve(struct classifier *cls)
{
    return counts_reserve(&cls->index.counts, INDEX_N_SUMMARIES);
}

void
classifier_index_add_rule(struct classifier *cls, struct subtable *st,
                          const struct flow_key *value, uint32_t rank)
{
    keep_order(cls);
    struct index *index = own_index(cls);
    for (unsigned i = 0; i < index->n_summaries; i++) {
        struct index_summary *s = &index->summary[i];
        if (st->summaries & 1u << s->which) {
            uint64_t row = index_row(s, value);
            if (counts_add(&cls->index.counts, count_key(st, s->which, row)) == 1) {
                set_bit(&s->rows[row * index->n_words], st->position, true);
            }
        }
    }
    raise_bound(index, st, rank);
}

void
classifier_index_remove_rule(struct classifier *cls, struct subtable *st,
                             const struct flow_key *value, uint32_t rank)
{
    struct index *index = own_index(cls);
    for (unsigned i = 0; i < index->n_summaries; i++) {
        struct index_summary *s = &index->summary[i];
        if (st->summaries & 1u << s->which) {
            uint64_t row = index_row(s, value);
            if (counts_sub(&cls->index.counts, count_key(st, s->which, row)) == 0) {
                set_bit(&s->rows[row * index->n_words], st->position, false);
            }
        }
    }
    lower_bound(index, st, rank);
}

/* Word w of the subtables that may have a rule which overlaps the match. */
static uint64_t
overlapping(const struct index *index, const struct flow_match *match, unsigned w)
{
    uint64_t found = atomic_load_explicit(&index->present[w], memory_order_relaxed);
    for (unsigned i = 0; i < index->n_summaries; i++) {
        const struct index_summary *s = &index->summary[i];
        if ((match->mask.bits.lane[s->lane] & s->bits) == s->bits) {
            found &= index_summary_word(index, s, &match->value, w);
        }
    }
    return found;
}

struct subtable *
classifier_index_next(const struct classifier *cls, const struct flow_match *match,
                      unsigned *cursor)
{
    const struct index *index = own_index(cls);
    for (; *cursor < index->n_words * 64; ++*cursor) {
        uint64_t left = overlapping(index, match, *cursor / 64) >> (*cursor % 64);
        if (left) {
            *cursor += (unsigned) __builtin_ctzll(left);
            return atomic_load_explicit(&index->subtable[(*cursor)++], memory_order_relaxed);
        }
        *cursor |= 63;
    }
    return NULL;
}
