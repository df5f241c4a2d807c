/* SPDX-License-Identifier: Apache-2.0 */
/* A device in front of the product: what it is offered, and what goes wrong with it. Whatever
 * does, frames and counters are the same after the next barrier; what the device keeps to
 * itself (an entry that it lost, a change that it says it made) after the next comparison. */
#include <stdio.h>

#include "tests/property/trial.h"

void
trial_offer(struct trial *t, const struct input *input)
{
    if (t->hardware && input->in_port && input->size >= 14) {
        sut_offer(t->sut, input->in_port, input->data, input->size, 1 + gen_below(&t->g, 1000));
    }
}

void
trial_refresh(struct trial *t)
{
    sut_refresh(t->sut);
}

void
trial_show_counters(struct trial *t)
{
    for (unsigned i = 0; t->hardware && sut_is_busy(t->sut) && i < 1000; i++) {
        trial_pass(t, 5);
    }
    if (t->hardware && t->hardware->lag_ms) {
        trial_pass(t, t->hardware->lag_ms + 1);
    }
    trial_refresh(t);
}

/* The device is compared with what is wanted; 'hidden': it did not say that anything is wrong. */
static bool
repair(struct trial *t)
{
    trial_show_counters(t);
    trial_pass(t, 2);
    unsigned n = sut_repair(t->sut);
    tally.hw_repairs++;
    if (n == UINT32_MAX) {
        return trial_fail(t, "the comparison of a device did not end");
    }
    tally.hw_differences += n;
    if (t->config->verbose) {
        fprintf(stderr, "#   repaired: %u differences\n", n);
    }
    return trial_settle(t);
}

/* Which fault, and how much of it. */
static unsigned
pick_fault(struct trial *t, enum dut_fault *fault)
{
    do {
        *fault = (enum dut_fault) gen_below(&t->g, N_DUT_FAULTS);
    } while (!(t->hardware->faults >> *fault & 1));
    return *fault == DUT_STALL ? 1 + gen_below(&t->g, once_in(&t->g, 4) ? 4000 : 1000)
                               : 1 + gen_below(&t->g, 4);
}

static void
send_some(struct trial *t, unsigned n)
{
    while (n--) {
        trial_flow_mod(t);
    }
    sut_send(t->sut, t->messages, t->messages_size);
    t->messages_size = 0;
    sut_run(t->sut);
}

bool
trial_fault(struct trial *t)
{
    enum dut_fault fault;
    unsigned n = pick_fault(t, &fault);
    if (sut_is_fenced(t->sut)) {
        dut_disarm();
        if (!repair(t)) {
            return false;
        }
    }
    trial_show_counters(t);
    if (t->config->verbose) {
        fprintf(stderr, "#   the device: %s, %u\n", dut_fault_names[fault], n);
    }
    if (fault == DUT_RESET) {
        send_some(t, n);             /* it comes while changes are on their way */
    }
    dut_arm(fault, n, gen_below(&t->g, UINT32_MAX));
    if (fault != DUT_LOSE_ENTRY && fault != DUT_RESET && !trial_messages(t)) {
        return false;
    }
    if (!trial_settle(t)) {
        return false;
    }
    if (fault == DUT_LOSE_ACK || fault == DUT_STALL) {
        /* What a device that is fenced off counted for entries of which it never said that it
         * has them, nobody knows. */
        trial_show_counters(t);
        dut_disarm();
    }
    bool fenced = sut_is_fenced(t->sut);
    tally.hw_fenced += fenced;
    if (fault == DUT_ACK_ONLY || fenced || once_in(&t->g, 4)) {
        dut_disarm();
        if (!repair(t)) {
            return false;
        }
    }
    return trial_warm(t);
}
