/* SPDX-License-Identifier: Apache-2.0 */
/* The table under fdb.h, which explains it: entries, hash chains, ports by size.
 *
 * Slots are numbered from 1; 0 is none. Functions under "Locked" are called under the
 * owner's lock; the others by any thread. */
#ifndef SW_DATAPATH_FDB_TABLE_H
#define SW_DATAPATH_FDB_TABLE_H 1

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct fdb_table;

/* An address and VLAN in one word, never 0. */
static inline uint64_t
fdb_key(const uint8_t addr[6], uint16_t vid)
{
    uint64_t key = UINT64_C(1) << 63 | (uint64_t) (vid & 0x0fff) << 48;
    for (int i = 0; i < 6; i++) {
        key |= (uint64_t) addr[i] << (40 - 8 * i);
    }
    return key;
}

/* A port and the time it was last seen, in one word so that both change at once. */
static inline uint64_t
fdb_value(uint16_t port, uint64_t used_ms)
{
    return (uint64_t) port << 48 | (used_ms & UINT64_C(0xffffffffffff));
}

static inline uint16_t fdb_value_port(uint64_t value) { return (uint16_t) (value >> 48); }
static inline uint64_t fdb_value_used(uint64_t value) { return value & UINT64_C(0xffffffffffff); }

/* Room for 'max' (at least 1) entries. NULL without memory. */
struct fdb_table *fdb_table_new(uint32_t max);
void fdb_table_free(void *table);

uint32_t fdb_table_max(const struct fdb_table *);
uint32_t fdb_table_count(const struct fdb_table *);

/* The slot of 'key', its value in *value; 0 if there is none. */
uint32_t fdb_table_find(const struct fdb_table *, uint64_t key, uint64_t *value);

/* Makes the slot's value 'now' if it is still 'old', which it says. */
bool fdb_table_refresh(struct fdb_table *, uint32_t slot, uint64_t old, uint64_t now);

/* What is in 'slot' (1 .. max); false if it is free or being written. */
bool fdb_table_read(const struct fdb_table *, uint32_t slot, uint64_t *key, uint64_t *value);

/* Locked. */

/* From now on what becomes of the entry is told, once: by the next of the functions below that
 * moves or removes it, which returns the key if it was watched and else 0. False: the entry
 * has moved twice within FDB_RESTLESS_MS, not longer ago than that, and is not watched. */
enum { FDB_RESTLESS_MS = 1000 };
bool fdb_table_watch(struct fdb_table *, uint32_t slot, uint64_t now_ms);

/* Adds 'key', which is not there, while count < max. */
void fdb_table_insert(struct fdb_table *, uint64_t key, uint64_t value);
/* Gives the used 'slot' another value; the port may be the same. */
uint64_t fdb_table_move(struct fdb_table *, uint32_t slot, uint64_t value);
uint64_t fdb_table_remove(struct fdb_table *, uint32_t slot);
/* Removes the least recently used entry of the port that has most; of 'port' if no other
 * has more. The table is not empty. */
uint64_t fdb_table_evict(struct fdb_table *, uint16_t port);
/* Inserts the entries of 'from', each port's oldest first. There is room for them. */
void fdb_table_copy(struct fdb_table *, const struct fdb_table *from);

#endif /* sw-datapath/fdb_table.h */
