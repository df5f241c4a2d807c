/* SPDX-License-Identifier: Apache-2.0 */
#include "ofagent/action_intern.h"

#include <stdlib.h>
#include <string.h>

#include "lib/epoch.h"
#include "lib/hash.h"

enum { FIRST_BUCKETS = 64 };

struct interned {
    struct interned *next;
    uint32_t refs;
    uint32_t hash;
    struct action_list list;
};

struct action_intern {
    struct interned **buckets;
    size_t mask;                 /* number of buckets - 1 */
    size_t n;
    uint64_t seed;
};

struct action_intern *
action_intern_new(void)
{
    struct action_intern *intern = malloc(sizeof *intern);
    if (!intern) {
        return NULL;
    }
    intern->buckets = calloc(FIRST_BUCKETS, sizeof *intern->buckets);
    if (!intern->buckets) {
        free(intern);
        return NULL;
    }
    intern->mask = FIRST_BUCKETS - 1;
    intern->n = 0;
    intern->seed = hash_seed();
    return intern;
}

void
action_intern_free(struct action_intern *intern)
{
    if (intern) {
        assert(!intern->n);
        free(intern->buckets);
        free(intern);
    }
}

static struct interned *
interned_of(const struct action_list *list)
{
    return (struct interned *) ((uintptr_t) list - offsetof(struct interned, list));
}

static uint32_t
hash_actions(const struct action_intern *intern, const struct action *actions, uint32_t len)
{
    uint64_t h = hash_word(len, intern->seed);
    for (uint32_t i = 0; i < len; i++) {
        uint64_t word;
        memcpy(&word, &actions[i], sizeof word);
        h = hash_word(word ^ h, intern->seed);
    }
    return (uint32_t) (h ^ h >> 32);
}

/* Twice the buckets. Without memory it stays as it is, only slower. */
static void
grow(struct action_intern *intern)
{
    size_t mask = intern->mask * 2 + 1;
    struct interned **buckets = calloc(mask + 1, sizeof *buckets);
    if (!buckets) {
        return;
    }
    for (size_t i = 0; i <= intern->mask; i++) {
        for (struct interned *p = intern->buckets[i], *next; p; p = next) {
            next = p->next;
            p->next = buckets[p->hash & mask];
            buckets[p->hash & mask] = p;
        }
    }
    free(intern->buckets);
    intern->buckets = buckets;
    intern->mask = mask;
}

static struct interned *
interned_new(const struct action *actions, uint32_t len, uint32_t hash)
{
    struct interned *p = malloc(sizeof *p + len * sizeof *actions);
    if (p) {
        p->refs = 1;
        p->hash = hash;
        p->list.len = len;
        p->list.zero = 0;
        memcpy(p->list.actions, actions, len * sizeof *actions);
    }
    return p;
}

const struct action_list *
action_intern_get(struct action_intern *intern, const struct action *actions, uint32_t len)
{
    uint32_t hash = hash_actions(intern, actions, len);
    for (struct interned *p = intern->buckets[hash & intern->mask]; p; p = p->next) {
        if (p->hash == hash && p->list.len == len
            && !memcmp(p->list.actions, actions, len * sizeof *actions)) {
            p->refs++;
            return &p->list;
        }
    }
    struct interned *p = interned_new(actions, len, hash);
    if (!p) {
        return NULL;
    }
    if (intern->n > intern->mask) {
        grow(intern);
    }
    p->next = intern->buckets[hash & intern->mask];
    intern->buckets[hash & intern->mask] = p;
    intern->n++;
    return &p->list;
}

void
action_intern_ref(const struct action_list *list)
{
    interned_of(list)->refs++;
}

void
action_intern_put(struct action_intern *intern, const struct action_list *list)
{
    struct interned *p = interned_of(list);
    if (--p->refs) {
        return;
    }
    struct interned **link = &intern->buckets[p->hash & intern->mask];
    while (*link != p) {
        link = &(*link)->next;
    }
    *link = p->next;
    intern->n--;
    epoch_defer(free, p);
}

size_t
action_intern_count(const struct action_intern *intern)
{
    return intern->n;
}
