/* SPDX-License-Identifier: Apache-2.0 */
#include "sw-datapath/classifier_index.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/epoch.h"
#include "lib/hash.h"

/* The summaries there can be; of a family (addresses' prefixes, longest first) a
 * subtable takes part in the first that its mask covers. */
static const struct {
    struct flow_key bits;
    uint8_t lane;
    uint8_t family;      /* 0: none */
} rows[INDEX_N_SUMMARIES] = {
    { { .dl_type = { 0xffff }, .nw_proto = 0xff }, 2, 1 },
    { { .dl_type = { 0xffff } }, 2, 1 },
    { { .nw_dst.bytes = { 255, 255, 255, 255 } }, 6, 2 },
    { { .nw_dst.bytes = { 255, 255, 255, 0xf0 } }, 6, 2 },
    { { .nw_dst.bytes = { 255, 255, 255 } }, 6, 2 },
    { { .nw_dst.bytes = { 255, 255, 0xf0 } }, 6, 2 },
    { { .nw_dst.bytes = { 255, 255 } }, 6, 2 },
    { { .nw_dst.bytes = { 255, 0xf0 } }, 6, 2 },
    { { .nw_dst.bytes = { 255 } }, 6, 2 },
    { { .nw_src.bytes = { 255, 255, 255, 255 } }, 4, 3 },
    { { .nw_src.bytes = { 255, 255, 255, 0xf0 } }, 4, 3 },
    { { .nw_src.bytes = { 255, 255, 255 } }, 4, 3 },
    { { .nw_src.bytes = { 255, 255, 0xf0 } }, 4, 3 },
    { { .nw_src.bytes = { 255, 255 } }, 4, 3 },
    { { .nw_src.bytes = { 255, 0xf0 } }, 4, 3 },
    { { .nw_src.bytes = { 255 } }, 4, 3 },
    { { .in_port = 0xffff }, 0, 0 },
    { { .dl_dst = { 255, 255, 255, 255, 255, 255 } }, 0, 0 },
    { { .dl_src = { 255, 255, 255, 255, 255, 255 } }, 1, 0 },
    { { .vlan_tci = { 0xffff } }, 1, 0 },
    { { .tp_src = { 0xffff } }, 2, 0 },
    { { .tp_dst = { 0xffff } }, 2, 0 },
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
    for (unsigned i = 0; i < INDEX_N_SUMMARIES; i++) {
        uint64_t bits = summary_bits(i);
        if ((mask->bits.lane[rows[i].lane] & bits) == bits && !(families & 1u << rows[i].family)) {
            summaries |= 1u << i;
            families |= (1u << rows[i].family) & ~1u;
        }
    }
    return summaries;
}

static void
set_bit(const _Atomic uint64_t *words, unsigned id, bool value)
{
    _Atomic uint64_t *word = (_Atomic uint64_t *) (uintptr_t) &words[id / 64];
    uint64_t bit = UINT64_C(1) << (id % 64);
    uint64_t old = atomic_load_explicit(word, memory_order_relaxed);
    atomic_store_explicit(word, value ? old | bit : old & ~bit, memory_order_release);
}

/* --- shape ---------------------------------------------------------------------- */

static size_t
rows_len(unsigned n_words)
{
    return ((size_t) 1 << INDEX_ROW_BITS) * n_words;
}

static const struct index_summary *
find_summary(const struct index *index, unsigned which)
{
    for (unsigned i = 0; i < index->n_summaries; i++) {
        if (index->summary[i].which == which) {
            return &index->summary[i];
        }
    }
    return NULL;
}

/* A copy of a summary's rows with more words a row; of nothing: zeros. */
static _Atomic uint64_t *
copy_rows(const struct index_summary *old, unsigned old_words, unsigned n_words)
{
    _Atomic uint64_t *copy = calloc(rows_len(n_words), sizeof *copy);
    for (size_t i = 0; copy && old && i < rows_len(old_words); i++) {
        atomic_init(&copy[i / old_words * n_words + i % old_words],
                    atomic_load_explicit(&old->rows[i], memory_order_relaxed));
    }
    return copy;
}

static void
free_rows(const struct index *index, const struct index *but)
{
    for (unsigned i = 0; index && i < index->n_summaries; i++) {
        const struct index_summary *s = &index->summary[i];
        const struct index_summary *other = but ? find_summary(but, s->which) : NULL;
        if (!other || other->rows != s->rows) {
            epoch_defer(free, (void *) (uintptr_t) s->rows);
        }
    }
}

/* Summary 'which' of the new index; its rows are the old one's if they fit. */
static int
make_summary(const struct classifier_index *ci, struct index *index, const struct index *old,
             unsigned which)
{
    const struct index_summary *before = old ? find_summary(old, which) : NULL;
    struct index_summary *s = &index->summary[index->n_summaries];
    unsigned old_words = old ? old->n_words : 0;
    *s = (struct index_summary) {
        .bits = summary_bits(which), .multiplier = ci->multiplier[which],
        .lane = rows[which].lane, .which = (uint8_t) which,
        .rows = before && old_words == index->n_words ? before->rows
                : copy_rows(before, old_words, index->n_words),
    };
    if (!s->rows) {
        return -ENOMEM;
    }
    _Atomic uint64_t *wild = &index->words[++index->n_summaries * index->n_words];
    s->wild = wild;
    /* Nobody took part in a summary that was not there: all were wild in it. */
    const _Atomic uint64_t *from = before ? before->wild : old ? old->present : NULL;
    for (unsigned w = 0; w < old_words; w++) {
        atomic_init(&wild[w], atomic_load_explicit(&from[w], memory_order_relaxed));
    }
    return 0;
}

/* Publishes an index for 'n_words' words and the summaries that have users. */
static int
reshape(struct classifier_index *ci, unsigned n_words)
{
    struct index *old = atomic_load_explicit(&ci->current, memory_order_relaxed);
    struct index *index = calloc(1, sizeof *index
                                    + (INDEX_N_SUMMARIES + 1) * n_words * sizeof(uint64_t));
    if (!index) {
        return -ENOMEM;
    }
    index->n_words = n_words;
    index->present = index->words;
    for (unsigned w = 0; old && w < old->n_words; w++) {
        atomic_init(&index->present[w],
                    atomic_load_explicit(&old->present[w], memory_order_relaxed));
    }
    for (unsigned i = 0; i < INDEX_N_SUMMARIES; i++) {
        if (ci->users[i] && make_summary(ci, index, old, i)) {
            free_rows(index, old);
            free(index);
            return -ENOMEM;
        }
    }
    atomic_store_explicit(&ci->current, index, memory_order_release);
    if (old) {
        free_rows(old, index);
        epoch_defer(free, old);
    }
    return 0;
}

int
classifier_index_init(struct classifier_index *ci)
{
    for (unsigned i = 0; i < INDEX_N_SUMMARIES; i++) {
        ci->multiplier[i] = hash_word(i + 100, hash_seed()) | 1;
    }
    return reshape(ci, 1);
}

void
classifier_index_fini(struct classifier_index *ci)
{
    struct index *index = atomic_load_explicit(&ci->current, memory_order_relaxed);
    for (unsigned i = 0; i < index->n_summaries; i++) {
        free((void *) (uintptr_t) index->summary[i].rows);
    }
    free(index);
    counts_fini(&ci->counts);
}

/* --- subtables ------------------------------------------------------------------ */

static void
count_users(struct classifier_index *ci, uint32_t summaries, int change, bool *first_or_last)
{
    *first_or_last = false;
    for (unsigned i = 0; i < INDEX_N_SUMMARIES; i++) {
        if (summaries & 1u << i) {
            ci->users[i] += (uint32_t) change;
            *first_or_last = *first_or_last || ci->users[i] == (change > 0 ? 1 : 0);
        }
    }
}

int
classifier_index_add(struct classifier_index *ci, unsigned id, const struct flow_mask *mask,
                     uint32_t *summaries)
{
    const struct index *index = index_current(ci);
    unsigned n_words = index->n_words;
    while (n_words * 64 <= id) {
        n_words *= 2;
    }
    bool new_summary;
    uint32_t used = summaries_of(mask);
    count_users(ci, used, 1, &new_summary);
    if ((new_summary || n_words != index->n_words) && reshape(ci, n_words)) {
        count_users(ci, used, -1, &new_summary);
        return -ENOMEM;
    }
    index = index_current(ci);
    for (unsigned i = 0; i < index->n_summaries; i++) {
        set_bit(index->summary[i].wild, id, !(used & 1u << index->summary[i].which));
    }
    set_bit(index->present, id, true);
    *summaries = used;
    return 0;
}

void
classifier_index_remove(struct classifier_index *ci, unsigned id, uint32_t summaries)
{
    const struct index *index = index_current(ci);
    set_bit(index->present, id, false);
    for (unsigned i = 0; i < index->n_summaries; i++) {
        set_bit(index->summary[i].wild, id, false);
    }
    bool unused;
    count_users(ci, summaries, -1, &unused);
    if (unused) {
        /* Without memory the summary stays, and costs look-ups a little. */
        reshape(ci, index->n_words);
    }
}

/* --- rules ---------------------------------------------------------------------- */

static uint64_t
count_key(const struct index_summary *s, unsigned id, const struct flow_key *value)
{
    return (uint64_t) (id + 1) << 32 | (uint64_t) s->which << 24 | index_row_number(s, value);
}

int
classifier_index_reserve(struct classifier_index *ci)
{
    return counts_reserve(&ci->counts, INDEX_N_SUMMARIES);
}

void
classifier_index_add_rule(struct classifier_index *ci, unsigned id, uint32_t summaries,
                          const struct flow_key *value)
{
    const struct index *index = index_current(ci);
    for (unsigned i = 0; i < index->n_summaries; i++) {
        const struct index_summary *s = &index->summary[i];
        if (summaries & 1u << s->which) {
            if (counts_add(&ci->counts, count_key(s, id, value)) == 1) {
                set_bit(index_row(s, index->n_words, value), id, true);
            }
        }
    }
}

void
classifier_index_remove_rule(struct classifier_index *ci, unsigned id, uint32_t summaries,
                             const struct flow_key *value)
{
    const struct index *index = index_current(ci);
    for (unsigned i = 0; i < index->n_summaries; i++) {
        const struct index_summary *s = &index->summary[i];
        if (summaries & 1u << s->which) {
            if (counts_sub(&ci->counts, count_key(s, id, value)) == 0) {
                set_bit(index_row(s, index->n_words, value), id, false);
            }
        }
    }
}

uint64_t
index_candidates_of_match(const struct index *index, const struct flow_match *match, unsigned w)
{
    uint64_t found = atomic_load_explicit(&index->present[w], memory_order_acquire);
    for (unsigned i = 0; i < index->n_summaries; i++) {
        const struct index_summary *s = &index->summary[i];
        if ((match->mask.bits.lane[s->lane] & s->bits) == s->bits) {
            found &= atomic_load_explicit(&s->wild[w], memory_order_relaxed)
                     | atomic_load_explicit(&index_row(s, index->n_words, &match->value)[w],
                                            memory_order_relaxed);
        }
    }
    return found;
}
