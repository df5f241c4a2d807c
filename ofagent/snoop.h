/* SPDX-License-Identifier: Apache-2.0 */
/* Watching what the switch and its OpenFlow peers say to each other.
 *
 * A *snooper* is called with each whole message of every connection of the process, when it
 * was received or queued to be sent. While there is no snooper a message costs one look at
 * a pointer. A snooper copies what it wants and returns: it must not wait, nor touch the
 * connection, so nobody who watches can hold a controller up or say something in its name.
 *
 * Control thread only. */
#ifndef OFAGENT_SNOOP_H
#define OFAGENT_SNOOP_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The connection of a message. The texts are valid during the call. */
struct snooped {
    uint32_t id;                   /* no other connection of the process has or had it */
    const char *bridge;
    const char *target;            /* as configured */
    const char *peer, *local;      /* addresses of the other end and of ours, as target_peer() */
    bool listener;                 /* the peer connected to us */
    bool management;               /* a tool's, not a controller's */
};

struct snooper {
    void (*message)(struct snooper *, const struct snooped *, bool sent, const uint8_t *msg,
                    size_t size);
    struct snooper *next, **prev;  /* snoop.c's */
};

/* Begins to watch; the struct stays the caller's and must not move. */
void snoop_add(struct snooper *);
/* Ends it. Not from within message(). */
void snoop_remove(struct snooper *);

extern struct snooper *snoop_first;

static inline bool
snoop_is_active(void)
{
    return snoop_first != NULL;
}

/* Calls every snooper. */
void snoop_tell(const struct snooped *, bool sent, const uint8_t *msg, size_t size);

#endif /* ofagent/snoop.h */
