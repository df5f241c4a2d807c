/* SPDX-License-Identifier: Apache-2.0 */
/* The flow governor's policy: which flows are worth a cache entry, which one in hardware, and
 * which port is being flooded.
 *
 * A packet that has no cache entry asks for a *set-up*: a look-up in the classifier and an entry
 * for those after it. Set-ups have a budget (budget.h), shared by the ports of a worker. While
 * there is some, every flow gets its entry with its first packet, so a flow pays nothing for
 * being new. When it runs short, flows that were seen before (sketch.h) go first, and what is
 * left for them a flood of first packets can't touch. What is held back is forwarded without
 * an entry (GOVERNOR_PASS), or dropped (GOVERNOR_SHED), as is configured.
 *
 * *Flood mode.* A port whose first packets were over budget for FLOOD_ENTER_WINDOWS windows on
 * end, without many of their flows proving themselves, is in flood mode: first packets get no
 * entries any more, flows that have proven themselves do, out of all of the port's budget. It
 * ends after FLOOD_LEAVE_WINDOWS windows in which there was room for what is asked for, twice
 * over. Other ports have their shares, and what this port leaves over.
 *
 * *Hardware.* A flow that is busy is worth an entry there once it has proven itself: a TCP packet
 * other than an unanswered SYN, or a number of packets, which is higher on a port in flood mode.
 *
 * Packets that hit the cache never come here. Everything is per worker: nothing is shared.
 *
 * Pure: no clock, no I/O, no allocation, no floating point, memory of fixed size, work a packet
 * with a constant bound; so that a program in the kernel can do the same (docs/GOVERNOR.md). */
#ifndef LIB_GOVERNOR_GOVERNOR_H
#define LIB_GOVERNOR_GOVERNOR_H 1

#include "lib/governor/budget.h"
#include "lib/governor/sketch.h"
#include "lib/governor/sources.h"

enum governor_mode {
    GOVERNOR_OFF,                /* every flow gets everything */
    GOVERNOR_ON,
    GOVERNOR_FIRST_PACKET,       /* budgets only: no flow has to prove anything */
};

struct governor_config {
    enum governor_mode mode;
    bool drop;                   /* what is over budget is dropped, not forwarded uncached */
    struct governor_bounds setups;   /* of each worker, a second */
    struct governor_bounds entries;  /* offers to hardware a second, all workers */
};

enum {
    GOVERNOR_SETUPS_MIN = 20000, GOVERNOR_SETUPS_MAX = 200000,     /* defaults */
    GOVERNOR_ENTRIES_MIN = 500, GOVERNOR_ENTRIES_MAX = 50000,
    GOVERNOR_WINDOW_MS = 100,
    GOVERNOR_ENTER_WINDOWS = 3,
    GOVERNOR_LEAVE_WINDOWS = 20,
    GOVERNOR_FLOOD_PACKETS = 256,    /* that prove a flow that is not TCP on a port in flood mode */
    GOVERNOR_BUSY_PERMILLE = 400,    /* of a worker's time that set-ups may take when it is short */
    GOVERNOR_NEW_PART = 4,           /* one packet in so many may then be a set-up */
};

/* The defaults, mode GOVERNOR_ON. */
void governor_config_init(struct governor_config *);

enum governor_verdict {
    GOVERNOR_INSTALL,            /* it gets an entry */
    GOVERNOR_PASS,               /* it is forwarded without */
    GOVERNOR_SHED,               /* it is dropped */
};

/* Why not GOVERNOR_INSTALL. */
enum governor_reason {
    GOVERNOR_NOT_PROVEN,         /* what is left of the budget is for proven flows */
    GOVERNOR_OVER_BUDGET,
    GOVERNOR_FLOOD,
    GOVERNOR_N_REASONS,
    GOVERNOR_NO_REASON = GOVERNOR_N_REASONS,
};

struct governor_judgement {
    enum governor_verdict verdict;
    enum governor_reason reason; /* GOVERNOR_NO_REASON with GOVERNOR_INSTALL only */
    bool seen;                   /* the flow was seen before */
};

/* What a port did: totals that never go back. */
struct governor_totals {
    uint64_t asked, installed, passed, dropped;
    uint64_t held[GOVERNOR_N_REASONS];   /* passed and dropped, by reason */
    uint64_t floods;                     /* times that flood mode was entered */
    uint64_t flood_ended;
};

/* A port. All zero to begin with; its worker's alone. */
struct governor_port {
    struct governor_bucket bucket;
    struct governor_totals totals;
    struct governor_sources macs, addresses;   /* of what was held back */
    bool flood;
    uint8_t streak;              /* windows on end that speak for the other mode */
    uint8_t age;                 /* windows since the sources were aged */
    uint64_t since_ms;           /* of the present mode; 0: always */
    /* Of the present window. */
    uint32_t unproven;           /* asked for by flows that have proven nothing */
    uint32_t unproven_held;      /* of it over budget */
    uint32_t proven;             /* asked for by flows that have proven themselves */
    bool changed;                /* something happened since this was cleared by the caller */
};

struct governor {
    struct governor_config config;
    struct governor_budget setups;
    uint64_t secret;
    uint64_t window_ms;          /* when the present window began */
    uint64_t unused;             /* of the budget in the window before, thousandths */
    uint32_t n_windows;          /* that ended with the present governor_roll() */
    uint32_t n_flooded, n_flooded_before;
    /* Load since the window began. */
    uint64_t busy_ns;
    uint32_t n_batches, n_full, n_packets, n_installed;
    bool backlog;                /* the worker could not keep up in the window before */
    struct governor_sketch sketch;
};

void governor_init(struct governor *, const struct governor_config *, uint64_t secret,
                   uint64_t now_ms);
/* Other settings. A port in flood mode stays in it until it ends. */
void governor_set_config(struct governor *, const struct governor_config *);

/* A packet without an entry asks for a set-up. Its flow was made by governor_prepare(), which
 * also gets what is known of it on its way from memory: of a batch, first all are prepared and
 * then all are judged, in their order. */
void governor_prepare(const struct governor *, const struct flow_key *, int tcp_flags,
                      struct governor_flow *);
struct governor_judgement governor_judge(struct governor *, struct governor_port *,
                                         const struct flow_key *, const struct governor_flow *,
                                         uint64_t now_ms);

/* A table miss of the port goes to the controller without having been judged (its answer is
 * cached). That is work, too: it counts in the budget, but is not held back here, for the queue
 * to the controller is fair itself. True if the flow was seen before, so that it need not wait
 * behind a flood of first packets. */
bool governor_miss(struct governor *, struct governor_port *, const struct flow_key *,
                   int tcp_flags, uint64_t now_ms);

/* Whether a busy flow is worth an entry in hardware, now that a packet of it came and it had
 * 'n_packets' lately: GOVERNOR_NO_REASON, or why not yet. */
enum governor_reason governor_worth(const struct governor *, const struct governor_port *,
                                    const struct flow_key *, int tcp_flags, uint32_t n_packets,
                                    uint64_t now_ms);

/* Time goes on, or the number of ports changed: before packets are judged. If governor_roll() returns true, governor_roll_port() is to be called for each
 * of the 'n_ports' ports. To be called every few ms while there is traffic, and while
 * governor_is_busy(). */
bool governor_roll(struct governor *, uint32_t n_ports, uint64_t now_ms);
void governor_roll_port(struct governor *, struct governor_port *, uint64_t now_ms);

/* How the worker is doing: a batch of packets was handled, perhaps as many as there is room for;
 * 'setup_ns' of the time went to set-ups. */
static inline void
governor_note_batch(struct governor *g, uint32_t n_packets, bool full, uint64_t setup_ns)
{
    g->n_batches++;
    g->n_packets += n_packets;
    g->n_full += full;
    g->busy_ns += setup_ns;
}

/* True if a port is in flood mode: it ends by time. */
static inline bool
governor_is_busy(const struct governor *g)
{
    return g->n_flooded > 0;
}

#endif /* lib/governor/governor.h */
