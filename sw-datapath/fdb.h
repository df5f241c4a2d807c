/* SPDX-License-Identifier: Apache-2.0 */
/* The forwarding database: which port an Ethernet address was last seen on, by VLAN.
 *
 * One a bridge, of bounded size. Workers look up without locks and learn in place, so
 * that the work of a flood of new addresses falls on the worker that receives it; a
 * worker that finds the table being written does not wait: it skips learning this once
 * (counted). When the table is full, the port with the most entries loses its least
 * recently used one, so a flood evicts its own port's entries first.
 *
 * How: entries sit in one array, chained from a hash table with a secret seed. Reading
 * takes no lock: a chain ends in its bucket's number, so a reader whose entry was reused
 * under it sees that it ended elsewhere and starts again (a few times at most, then the
 * address counts as not known), and a sequence number tells whether an entry's words
 * belong together. Seeing an address again on its port is one compare-and-swap of the
 * entry's port and time, at most once a second. Everything else is done under one lock,
 * which workers only ever try. Ports are kept in lists by their number of entries, so the
 * largest is known at once; a port's entries are in a list from which eviction takes the
 * oldest, giving those that were seen since they were put there another round. Each
 * insertion and eviction is O(1); memory is allocated at creation only.
 *
 * Who derives something from the table, for hardware, watches the addresses that it is derived
 * from; all that moves or removes an address is under the lock, so nothing is missed.
 *
 * Threads: workers are online in the epoch sense (lib/epoch.h) when they call; "control
 * thread" is epoch's writer. Times are clock_ms(), passed in.
 */
#ifndef SW_DATAPATH_FDB_H
#define SW_DATAPATH_FDB_H 1

#include <stdbool.h>
#include <stdint.h>

struct fdb;

enum { FDB_MAX_DEFAULT = 8192, FDB_AGE_DEFAULT_S = 300 };

/* Limits are brought into 1 .. FDB_MAX_LIMIT entries. An age of 0: entries do not age. */
enum { FDB_MAX_LIMIT = 1 << 24 };

/* NULL without memory. */
struct fdb *fdb_new(uint32_t max_entries, uint64_t max_age_ms);
/* Control thread, when no worker can reach it any more. NULL does nothing. */
void fdb_free(struct fdb *);

/* The port that 'addr' in 'vid' (0: untagged; 0 .. 4095) is behind, or 0 if it is not
 * known or has not been seen for max_age_ms. Any thread, never waits. */
uint16_t fdb_lookup(const struct fdb *, const uint8_t addr[6], uint16_t vid, uint64_t now_ms);

/* 'addr' was seen on 'port' now. Group addresses and port 0 are ignored. Any thread,
 * never waits. Returns true if the entry is new (or had aged) or has moved. */
bool fdb_learn(struct fdb *, const uint8_t addr[6], uint16_t vid, uint16_t port, uint64_t now_ms);

/* As fdb_learn(), but only for an address that is already known to be behind 'port': for
 * packets that hardware forwarded a while ago. Any thread, never waits. */
void fdb_refresh(struct fdb *, const uint8_t addr[6], uint16_t vid, uint16_t port, uint64_t now_ms);

/* Watched addresses: who derives something from where an address is looks it up by
 * fdb_watch(), and is told by fdb_take_changes() when it moves or is forgotten, once: then it
 * has to be looked up again. An address that moved twice within a second is as good as not
 * known (0) for a second, so that one that flaps moves nothing that is derived from it.
 * Control thread (waits for a worker's single insertion at most). */
struct fdb_address {
    uint8_t addr[6];
    uint16_t vid;
};
enum { FDB_MAX_CHANGES = 256 };
uint16_t fdb_watch(struct fdb *, const uint8_t addr[6], uint16_t vid, uint64_t now_ms);
/* How many watched addresses changed since the last time, with each in out[]; *all: there
 * were too many to remember, so any may have changed. */
unsigned fdb_take_changes(struct fdb *, struct fdb_address out[FDB_MAX_CHANGES], bool *all);
/* True if there are changes to take. Any thread: who learns tells the control thread. */
bool fdb_has_changes(const struct fdb *);

/* Removes what has aged; what is behind 'port'; everything. Control thread (waits for a
 * worker's single insertion at most). Return how many went. */
uint32_t fdb_expire(struct fdb *, uint64_t now_ms);
uint32_t fdb_flush_port(struct fdb *, uint16_t port);
uint32_t fdb_flush(struct fdb *);

/* New limits; entries over them go, as eviction would choose them. Control thread. 0; or
 * -ENOMEM, with nothing changed. */
int fdb_set_limits(struct fdb *, uint32_t max_entries, uint64_t max_age_ms);

struct fdb_entry {
    uint8_t addr[6];
    uint16_t vid;
    uint16_t port;
    uint64_t used_ms;
};
/* Calls visit for each entry, those included that have aged and were not removed yet,
 * until it returns false. Control thread. */
void fdb_for_each(const struct fdb *, bool (*visit)(const struct fdb_entry *, void *aux), void *aux);

struct fdb_stats {
    uint32_t entries, max_entries;
    uint64_t learned, moved, expired, evicted, skipped;
};
/* Any thread. */
void fdb_get_stats(const struct fdb *, struct fdb_stats *);

#endif /* sw-datapath/fdb.h */
