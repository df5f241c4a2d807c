/* SPDX-License-Identifier: Apache-2.0 */
/* Ports come and go, their links and spanning tree states change, and their queues. */
#include "tests/property/trial.h"

static void
add_port(struct trial *t, uint16_t number)
{
    sut_add_port(t->sut, number);
    ref_add_port(t->ref, number, 0);
    trial_expect_status(t, 0, ref_find_port(t->ref, number));
}

static void
remove_port(struct trial *t, uint16_t number)
{
    trial_expect_status(t, 1, ref_find_port(t->ref, number));
    sut_remove_port(t->sut, number);
    ref_remove_port(t->ref, number);
    for (unsigned i = 0; i < t->n_held; i++) {
        t->held[i].gone = t->held[i].gone || t->held[i].in_port == number;
    }
    tally.ports_removed++;
}

static void
set_link(struct trial *t, struct ref_port *port, bool is_up)
{
    if (t->sut_config.attached) {
        return;
    }
    uint32_t before = ref_port_state(t->ref, port);
    sut_set_link(t->sut, port->number, is_up);
    ref_set_link(t->ref, port, is_up);
    if (ref_port_state(t->ref, port) != before) {
        trial_expect_status(t, 2, port);
        tally.links_changed++;
    }
}

static bool
set_stp(struct trial *t, struct ref_port *port, uint32_t stp)
{
    uint32_t before = ref_port_state(t->ref, port);
    bool taken = ref_set_stp(t->ref, port, stp);
    if (sut_set_stp(t->sut, port->number, stp) != taken) {
        return trial_fail(t, "port %u: the reference %s the spanning tree state %u", port->number,
                          taken ? "takes" : "refuses", stp);
    }
    tally.stp_refused += !taken;
    if (ref_port_state(t->ref, port) != before) {
        trial_expect_status(t, 2, port);
        tally.stp_changed++;
    }
    return true;
}

static struct ref_port *
any_port(struct trial *t)
{
    return &t->ref->ports[gen_below(&t->g, (uint32_t) t->ref->n_ports)];
}

bool
trial_mend_ports(struct trial *t)
{
    for (size_t i = 0; i < t->ref->n_ports; i++) {
        struct ref_port *port = &t->ref->ports[i];
        if (port->is_link_down && !once_in(&t->g, 4)) {
            set_link(t, port, true);
        }
        if (ref_stp(t->ref, port) != REF_STP_FORWARD && !once_in(&t->g, 3)
            && !set_stp(t, port, REF_STP_FORWARD)) {
            return false;
        }
    }
    return trial_settle(t);
}

/* A port that went comes back before another one goes. */
static void
come_or_go(struct trial *t)
{
    for (uint16_t number = 1; number <= t->sut_config.n_ports; number++) {
        if (!ref_find_port(t->ref, number)) {
            add_port(t, number);
            return;
        }
    }
    remove_port(t, (uint16_t) (1 + gen_below(&t->g, t->sut_config.n_ports)));
}

bool
trial_ports(struct trial *t)
{
    uint32_t roll = gen_below(&t->g, t->shape.plain_percent ? 20 : 10);
    if (roll < 2) {
        come_or_go(t);
    } else if (roll < 4) {
        set_link(t, any_port(t), once_in(&t->g, 2));
    } else if (roll < 6) {
        set_stp(t, any_port(t), gen_below(&t->g, 4));
    } else {
        trial_mend_ports(t);
    }
    return trial_settle(t);
}

/* Some ports get queues, or lose them. */
bool
trial_queues(struct trial *t)
{
    for (size_t i = 0; !t->sut_config.attached && i < t->ref->n_ports; i++) {
        struct ref_port *port = &t->ref->ports[i];
        for (uint32_t id = 0; id < REF_MAX_QUEUES && port->number != P_LOCAL; id++) {
            if (!once_in(&t->g, 3)) {
                continue;
            }
            sut_set_queue(t->sut, port->number, id, !port->queues[id].is_there);
            port->queues[id].is_there = !port->queues[id].is_there;
            port->queues[id].packets = port->queues[id].bytes = 0;
            tally.queues_changed++;
        }
    }
    return !t->hardware || trial_settle(t);
}
