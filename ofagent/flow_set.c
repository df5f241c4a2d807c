/* SPDX-License-Identifier: Apache-2.0 */
#include "ofagent/flow_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/hash.h"

enum { BLOCK_SIZE = 256 * 1024 };
/* Index tables, by the top bits of the hash: each has some thousand flows of a million, so
 * making one larger takes microseconds. */
enum { SHARD_BITS = 8, N_SHARDS = 1 << SHARD_BITS, FIRST_CAPACITY = 16 };

struct block {
    struct block *next;
    size_t size, used;             /* of 'bytes' */
    _Alignas(16) uint8_t bytes[];
};

struct shard {
    struct flow_copy **slots;      /* open addressing; NULL: free */
    uint32_t n, capacity;
};

struct flow_set {
    struct block *blocks;          /* the latest first */
    size_t n_bytes, max_bytes;
    struct flow_copy *first, *last;
    size_t n;
    struct shard shards[N_SHARDS];
};

struct flow_set *
flow_set_new(size_t max_bytes)
{
    struct flow_set *set = calloc(1, sizeof *set);
    if (set) {
        set->max_bytes = max_bytes;
    }
    return set;
}

void
flow_set_free(struct flow_set *set)
{
    if (!set) {
        return;
    }
    while (set->blocks) {
        struct block *next = set->blocks->next;
        free(set->blocks);
        set->blocks = next;
    }
    for (int i = 0; i < N_SHARDS; i++) {
        free(set->shards[i].slots);
    }
    free(set);
}

/* Memory for a flow; NULL and errno. */
static struct flow_copy *
take_memory(struct flow_set *set, uint32_t n_actions)
{
    size_t size = sizeof(struct flow_copy) + n_actions * sizeof(struct action);
    size = (size + 15) & ~(size_t) 15;
    struct block *block = set->blocks;
    if (set->n_bytes + size > set->max_bytes) {
        errno = E2BIG;
        return NULL;
    }
    if (!block || block->size - block->used < size) {
        size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
        block = malloc(sizeof *block + room);
        if (!block) {
            errno = ENOMEM;
            return NULL;
        }
        *block = (struct block) { .next = set->blocks, .size = room };
        set->blocks = block;
    }
    struct flow_copy *copy = (void *) (block->bytes + block->used);
    block->used += size;
    set->n_bytes += size;
    memset(copy, 0, sizeof *copy);
    copy->n_actions = n_actions;
    return copy;
}

/* --- the index ------------------------------------------------------------------------ */

static uint64_t
hash_of(const struct ofp_match *match, uint16_t priority, bool emergency)
{
    uint64_t hash = hash_word(match->exact ? UINT32_MAX : priority, hash_seed() + emergency);
    for (int i = 0; i < FLOW_LANES; i++) {
        hash = hash_word(match->match.value.lane[i], hash);
        hash = hash_word(match->match.mask.bits.lane[i], hash);
    }
    return hash;
}

static bool
is_emergency(const struct flow_copy *copy)
{
    return copy->flags & OFPFF_EMERG;
}

/* As the table tells flows apart: the priority of one without wildcards counts for nothing. */
static bool
is_of(const struct flow_copy *copy, const struct ofp_match *match, uint16_t priority,
      bool emergency)
{
    return copy->match.exact == match->exact && is_emergency(copy) == emergency
           && (match->exact || copy->priority == priority)
           && flow_key_equal(&copy->match.match.value, &match->match.value)
           && flow_key_equal(&copy->match.match.mask.bits, &match->match.mask.bits);
}

/* The flow's slot, or the free one where it belongs. The shard is not full. */
static struct flow_copy **
find_slot(const struct shard *shard, uint64_t hash, const struct ofp_match *match,
          uint16_t priority, bool emergency)
{
    uint32_t i = (uint32_t) hash & (shard->capacity - 1);
    while (shard->slots[i]
           && (shard->slots[i]->hash != hash || !is_of(shard->slots[i], match, priority,
                                                            emergency))) {
        i = (i + 1) & (shard->capacity - 1);
    }
    return &shard->slots[i];
}

/* Keeps a quarter of the slots free. */
static int
make_room(struct shard *shard)
{
    if (4 * (shard->n + 1) <= 3 * shard->capacity) {
        return 0;
    }
    uint32_t capacity = shard->capacity ? 2 * shard->capacity : FIRST_CAPACITY;
    const struct shard bigger = { calloc(capacity, sizeof *bigger.slots), shard->n, capacity };
    if (!bigger.slots) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < shard->capacity; i++) {
        struct flow_copy *copy = shard->slots[i];
        if (copy) {
            *find_slot(&bigger, copy->hash, &copy->match, copy->priority,
                       is_emergency(copy)) = copy;
        }
    }
    free(shard->slots);
    *shard = bigger;
    return 0;
}

int
flow_set_add(struct flow_set *set, uint32_t line, const struct ofp_flow_mod *fm)
{
    bool emergency = fm->flags & OFPFF_EMERG;
    uint64_t hash = hash_of(&fm->match, fm->priority, emergency);
    struct shard *shard = &set->shards[hash >> (64 - SHARD_BITS)];
    if (make_room(shard)) {
        return -ENOMEM;
    }
    struct flow_copy *copy = take_memory(set, fm->n_actions);
    if (!copy) {
        return -errno;
    }
    copy->hash = hash;
    copy->line = line;
    copy->cookie = fm->cookie;
    copy->priority = fm->priority;
    copy->idle_timeout = fm->idle_timeout;
    copy->hard_timeout = fm->hard_timeout;
    /* Nobody is told when an emergency flow goes. */
    copy->flags = fm->flags & (emergency ? OFPFF_EMERG : OFPFF_SEND_FLOW_REM);
    copy->match = fm->match;
    memcpy(copy->actions, fm->actions, fm->n_actions * sizeof fm->actions[0]);
    struct flow_copy **slot = find_slot(shard, hash, &fm->match, fm->priority, emergency);
    if (*slot) {
        (*slot)->superseded = true;
    } else {
        shard->n++;
        set->n++;
    }
    *slot = copy;
    *(set->last ? &set->last->next : &set->first) = copy;
    set->last = copy;
    return 0;
}

struct flow_copy *
flow_set_copy(struct flow_set *set, const struct flow_table *ft, const struct flow *flow)
{
    const struct action_list *list = flow_actions(flow);
    struct flow_copy *copy = take_memory(set, list->len);
    if (copy) {
        copy->cookie = flow->cookie;
        copy->priority = flow->priority;
        copy->idle_timeout = flow->idle_timeout;
        copy->hard_timeout = flow->hard_timeout;
        copy->flags = flow->flags;
        flow_get_match(ft, flow, &copy->match);
        memcpy(copy->actions, list->actions, list->len * sizeof list->actions[0]);
    }
    return copy;
}

const struct flow_copy *
flow_set_find(const struct flow_set *set, const struct ofp_match *match, uint16_t priority,
              bool emergency)
{
    uint64_t hash = hash_of(match, priority, emergency);
    const struct shard *shard = &set->shards[hash >> (64 - SHARD_BITS)];
    return shard->capacity ? *find_slot(shard, hash, match, priority, emergency)
                           : NULL;
}

const struct flow_copy *
flow_set_first(const struct flow_set *set)
{
    return set->first;
}

size_t
flow_set_count(const struct flow_set *set)
{
    return set->n;
}

/* --- single flows --------------------------------------------------------------------- */

void
flow_copy_to_mod(const struct flow_copy *copy, struct ofp_flow_mod *fm)
{
    memset(fm, 0, offsetof(struct ofp_flow_mod, actions));
    fm->match = copy->match;
    fm->cookie = copy->cookie;
    fm->command = OFPFC_ADD;
    fm->idle_timeout = copy->idle_timeout;
    fm->hard_timeout = copy->hard_timeout;
    fm->priority = copy->priority;
    fm->out_port = PORT_NONE;
    fm->flags = copy->flags;
    fm->buffer_id = OFP_NO_BUFFER;
    fm->n_actions = copy->n_actions;
    memcpy(fm->actions, copy->actions, copy->n_actions * sizeof copy->actions[0]);
}

enum flow_likeness
flow_compare(const struct flow_copy *copy, const struct flow *flow)
{
    const struct action_list *list = flow_actions(flow);
    if (copy->idle_timeout != flow->idle_timeout || copy->hard_timeout != flow->hard_timeout
        || (copy->flags & ~OFPFF_EMERG) != flow->flags || copy->priority != flow->priority) {
        return FLOW_OTHER;
    }
    bool same = copy->cookie == flow->cookie && copy->n_actions == list->len
                && !memcmp(copy->actions, list->actions, list->len * sizeof list->actions[0]);
    return same ? FLOW_SAME : FLOW_OTHER_ACTIONS;
}
