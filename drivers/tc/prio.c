/* SPDX-License-Identifier: Apache-2.0 */
/* tc priorities. One of them, on one port, has filters of one protocol only, and of one kind; so
 * each ethertype has one of its own while it has filters. One in which a stranger has a filter is
 * not used from then on: what is there of ours stays, what comes goes to another.
 *
 * Whole rules overlap, so their tc priorities are in the order of OpenFlow's. Only those of one protocol need
 * be: a packet has one, and each filter of ours names it. OpenFlow's 65,536 share 16,127, so a rule leaves room
 * on both sides for those that may come. However many there are, exact entries find theirs: they are what
 * a rule that finds none is told instead. */
#include <stdio.h>
#include <syslog.h>

#include "drivers/tc/tc.h"

static bool
is_taken(const struct tc_port *port, uint16_t prio)
{
    for (unsigned i = 0; i < port->n_taken; i++) {
        if (port->taken[i] == prio) {
            return true;
        }
    }
    return false;
}

static struct tc_prio *
find(struct tc_port *port, uint16_t prio)
{
    for (unsigned i = 0; i < port->n_prios; i++) {
        if (port->prio[i].prio == prio) {
            return &port->prio[i];
        }
    }
    return NULL;
}

bool
tc_prio_is_used(const struct tc_port *port, uint16_t prio)
{
    for (unsigned i = 0; i < port->n_prios; i++) {
        if (port->prio[i].prio == prio) {
            return true;
        }
    }
    return false;
}

bool
tc_prio_is_taken(const struct tc_port *port, uint16_t prio)
{
    return is_taken(port, prio);
}

uint16_t
tc_prio_exact(struct tc_port *port, uint16_t protocol)
{
    for (unsigned i = 0; i < port->n_prios; i++) {
        const struct tc_prio *p = &port->prio[i];
        if (p->protocol == protocol && p->prio >= TC_PRIO_EXACT && p->prio < TC_PRIO_EXACT + TC_N_EXACT
            && !is_taken(port, p->prio)) {
            return p->prio;
        }
    }
    uint16_t prio = TC_PRIO_EXACT;
    while (prio < TC_PRIO_EXACT + TC_N_EXACT && (is_taken(port, prio) || find(port, prio))) {
        prio++;
    }
    return prio < TC_PRIO_EXACT + TC_N_EXACT && port->n_prios < TC_MAX_PRIOS ? prio : 0;
}

/* Between two rules' priorities, and what numbers are free there. */
struct gap {
    int least, most;             /* tc's */
    int above, below;            /* OpenFlow's, of the nearest on either side */
};

static struct gap
find_gap(const struct tc_port *port, uint16_t protocol, uint16_t priority)
{
    struct gap gap = { TC_PRIO_RULES, TC_PRIO_LAST, UINT16_MAX + 1, -1 };
    for (unsigned i = 0; i < port->n_prios; i++) {
        const struct tc_prio *p = &port->prio[i];
        if (p->prio < TC_PRIO_RULES || p->protocol != protocol) {
            continue;
        }
        if (p->priority > priority) {
            gap.least = p->prio >= gap.least ? p->prio + 1 : gap.least;
            gap.above = p->priority < gap.above ? p->priority : gap.above;
        } else if (p->priority < priority) {
            gap.most = p->prio <= gap.most ? p->prio - 1 : gap.most;
            gap.below = p->priority > gap.below ? p->priority : gap.below;
        }
    }
    return gap;
}

/* How far from the nearer neighbour: as far as the priorities are apart, of the whole gap, but at least
 * ROOM for each priority between, as long as half of the gap is left. */
static int
place_in(const struct gap *gap, uint16_t priority)
{
    enum { ROOM = 4 };
    int n = gap->most - gap->least + 1, up = gap->above - priority, down = priority - gap->below;
    int nearer = up < down ? up : down;
    int share = (int) ((int64_t) n * nearer / (up + down)), room = nearer * ROOM < n / 2 ? nearer * ROOM : n / 2;
    int off = share > room ? share : room;
    return up < down ? gap->least + off : gap->most - off;
}

static uint16_t
same_priority(const struct tc_port *port, uint16_t protocol, uint16_t priority)
{
    for (unsigned i = 0; i < port->n_prios; i++) {
        const struct tc_prio *p = &port->prio[i];
        if (p->prio >= TC_PRIO_RULES && p->protocol == protocol && p->priority == priority
            && !is_taken(port, p->prio)) {
            return p->prio;
        }
    }
    return 0;
}

static unsigned
count_rules(const struct tc_port *port)
{
    unsigned n = 0;
    for (unsigned i = 0; i < port->n_prios; i++) {
        n += port->prio[i].prio >= TC_PRIO_RULES;
    }
    return n;
}

uint16_t
tc_prio_rule(struct tc_port *port, uint16_t protocol, uint16_t priority)
{
    uint16_t same = same_priority(port, protocol, priority);
    struct gap gap = find_gap(port, protocol, priority);
    if (same || count_rules(port) >= TC_N_RULES || gap.most < gap.least) {
        return same;
    }
    int middle = place_in(&gap, priority);
    middle = middle < gap.least ? gap.least : middle > gap.most ? gap.most : middle;
    for (int off = 0; off <= gap.most - gap.least; off++) {
        const int sides[] = { middle + off, middle - off };
        for (unsigned i = 0; i < 2; i++) {
            if (sides[i] >= gap.least && sides[i] <= gap.most && !is_taken(port, (uint16_t) sides[i])
                && !find(port, (uint16_t) sides[i])) {
                return (uint16_t) sides[i];
            }
        }
    }
    return 0;
}

bool
tc_prio_hold(struct tc_port *port, uint16_t prio, uint16_t protocol, uint16_t priority)
{
    struct tc_prio *p = find(port, prio);
    if (!p) {
        if (port->n_prios == TC_MAX_PRIOS) {
            return false;
        }
        p = &port->prio[port->n_prios++];
        *p = (struct tc_prio) { .prio = prio, .protocol = protocol, .priority = priority };
    }
    p->n++;
    return true;
}

void
tc_prio_release(struct tc_port *port, uint16_t prio)
{
    struct tc_prio *p = find(port, prio);
    if (p && !--p->n) {
        *p = port->prio[--port->n_prios];
    }
}

/* --- strangers --------------------------------------------------------------------------------------- */

bool
tc_is_a_guard(const struct flower_filter *filter)
{
    return tc_is_ingress_drop(filter)
           || (filter->place.prio == TC_PRIO_FENCE && filter->place.handle == TC_FENCE_HANDLE);
}

bool
tc_is_ours(const struct flower_filter *filter)
{
    struct tc_identity identity;
    return tc_cookie_read(filter, &identity) || tc_is_a_guard(filter);
}

void
tc_note_stranger(struct tc *tc, struct tc_port *port, const struct flower_filter *filter, bool is_there)
{
    uint16_t prio = filter->place.prio;
    if (tc_is_ours(filter)) {
        return;
    }
    port->n_foreign += is_there ? 1 : port->n_foreign ? UINT32_MAX : 0;
    if (!is_there || prio < TC_PRIO_FENCE || prio > TC_PRIO_LAST || is_taken(port, prio)) {
        return;
    }
    if (port->n_taken < TC_MAX_TAKEN) {  /* otherwise adding a filter says that it is taken, too */
        port->taken[port->n_taken++] = prio;
    }
    tc->host->log(tc->host, LOG_WARNING, "port %u, %s: a stranger's %s filter has priority %u, which is of "
                  "those of this driver: another one is used instead", port->no, port->name,
                  filter->kind, prio);
}
