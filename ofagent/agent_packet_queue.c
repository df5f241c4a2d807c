/* SPDX-License-Identifier: Apache-2.0 */
/* PACKET_INs that could not be sent at once: sent when the rate allows more, or the
 * controller has read. */
#include <event2/event.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "lib/counters.h"
#include "ofagent/agent_private.h"

/* Dropped because the queue is full: of what the rate holds back, or the peer does not read. */
void
session_packet_in_dropped(void *session_, enum dp_packet_in_reason reason, uint16_t in_port)
{
    struct session *s = session_;
    counter_inc(conn_has_room(s->conn, CONN_ASYNC_PACKET_IN) ? COUNTER_packet_in_rate
                                                             : COUNTER_conn_async_dropped);
    s->n_packet_ins_dropped[reason]++;
    conn_count_dropped(s->conn);
    dp_port_count_packet_in_drop(s->agent->bridge, in_port, reason);
}

void
session_drain_later(struct session *s, uint64_t now_ms)
{
    struct agent *agent = s->agent;
    uint32_t ms = packet_queue_wait_ms(s->packet_ins, now_ms);
    if (ms == UINT32_MAX || (agent->drain_ms && agent->drain_ms <= now_ms + ms)) {
        return;
    }
    const struct timeval tv = { ms / 1000, ms % 1000 * 1000 };
    agent->drain_ms = now_ms + ms;
    evtimer_add(agent->drain, &tv);
}

void
session_drain(struct session *s, uint64_t now_ms)
{
    struct packet_queue_message *m;
    while (conn_has_room(s->conn, CONN_ASYNC_PACKET_IN)) {
        m = packet_queue_take(s->packet_ins, now_ms);
        if (!m) {
            session_drain_later(s, now_ms);
            return;
        }
        /* It may have become a slave, or have changed its mind, while this waited. */
        if (session_wants(s, NX_PACKET_IN, ofp_packet_in_reason(m->data, m->size))) {
            conn_send_async(s->conn, CONN_ASYNC_PACKET_IN, m->data, m->size);
            s->n_packet_ins++;
        }
        free(m);
    }
    /* No room: the connection tells when it has. */
}

void
agent_drain(struct agent *agent, uint64_t now_ms)
{
    agent->drain_ms = 0;
    for (struct session *s = agent->sessions; s; s = s->next) {
        if (packet_queue_len(s->packet_ins)) {
            session_drain(s, now_ms);
        }
    }
}

void
agent_on_drain(evutil_socket_t fd, short what, void *agent)
{
    (void) fd;
    (void) what;
    agent_drain(agent, clock_ms());
}
