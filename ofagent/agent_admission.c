/* SPDX-License-Identifier: Apache-2.0 */
/* Which connection goes when there are too many at our listeners.
 *
 * Anybody who reaches a listener can open connections, so a newcomer must neither be able
 * to drive a controller out nor be kept out by connections that nobody uses. What counts is
 * how far a connection has come, and then for how long it has been idle: an answer to our
 * own probe is no use of it. Controllers that are in use stay, and the newcomer goes. */
#include "lib/clock.h"
#include "ofagent/agent_private.h"

/* A controller that said something within so many probe intervals is in use. */
enum { BUSY_PROBES = 3 };

/* How far it has come: HELLO, FEATURES as controllers do and who only holds connections
 * open does not, and being the master. */
static int
worth(const struct session *s)
{
    return s->ready + s->featured + (s->role == NX_ROLE_MASTER);
}

/* Since when it has been idle; without HELLO, since it came: trickling bytes is no use. */
static uint64_t
idle_since_ms(const struct session *s)
{
    struct conn_info info;
    conn_get_info(s->conn, &info);
    return s->ready ? info.used_ms : info.since_ms;
}

static bool
in_use(const struct session *s)
{
    uint32_t probe = agent_probe_ms(s->agent);
    uint64_t busy_ms = (uint64_t) BUSY_PROBES * (probe ? probe : CONN_DEFAULT_PROBE_MS);
    return s->featured && clock_ms() - idle_since_ms(s) < busy_ms;
}

struct session *
agent_least_worth(const struct agent *agent, bool management, bool controllers)
{
    struct session *worst = NULL;
    uint64_t worst_ms = 0;
    for (struct session *s = agent->sessions; s; s = s->next) {
        if (!endpoint_listens(s->endpoint) || endpoint_is_management(s->endpoint) != management
            || (s->featured && !controllers)) {
            continue;
        }
        uint64_t idle_ms = idle_since_ms(s);
        if (!worst || worth(s) < worth(worst)
            || (worth(s) == worth(worst) && idle_ms <= worst_ms)) {
            worst = s;
            worst_ms = idle_ms;
        }
    }
    return worst && !in_use(worst) ? worst : NULL;
}
