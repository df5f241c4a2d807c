/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong: on demand (turnoutctl hw fault), and by a plan that the seed makes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/sim/device.h"
#include "lib/clock.h"

uint32_t
sim_random_below(struct sim *sim, uint32_t n)
{
    sim->random = sim->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t) (sim->random >> 33) % n;
}

bool
sim_happens(uint32_t *count)
{
    if (*count) {
        --*count;
        return true;
    }
    return false;
}

void
sim_lose_an_entry(struct sim *sim)
{
    uint32_t n = sim->tables.n_slots, first = n ? sim_random_below(sim, n) : 0;
    for (uint32_t i = 0; i < n; i++) {
        struct sim_entry *e = sim->tables.slots[(first + i) % n];
        if (e) {
            struct hal_counters unused;
            sim_remove_entry(sim, e, &unused);
            sim->host->event(sim->host, HAL_EVENT_LOST, "sim: an entry was lost, as asked for");
            return;
        }
    }
}

static void
reset(struct sim *sim)
{
    sim_remove_all(sim);
    sim_forget_changes(sim);
    sim->host->event(sim->host, HAL_EVENT_RESET, "sim: reset, as asked for");
}

/* Lets one fault happen: 'n' times, or for so many ms. */
static void
let_happen(struct sim *sim, enum sim_fault fault, uint32_t n)
{
    switch (fault) {
    case SIM_REFUSE: sim->faults.refuse += n; break;
    case SIM_LOSE_ACK: sim->faults.lose_ack += n; break;
    case SIM_ACK_ONLY: sim->faults.ack_only += n; break;
    case SIM_LOSE_ENTRY: sim->faults.lose_entry += n; break;
    case SIM_IO_ERROR: sim->faults.io_error += n; break;
    case SIM_IDLE: sim->faults.idle += n; break;
    case SIM_STALL: sim->faults.stall_until_ms = clock_ms() + n; break;
    case SIM_COUNT_LATE:
        sim_take_counters(sim);
        sim->faults.late_until_ms = clock_ms() + n;
        break;
    case SIM_LOSE_NOW:
        while (n--) {
            sim_lose_an_entry(sim);
        }
        break;
    case SIM_RESET: reset(sim); break;
    case SIM_N_FAULTS: break;
    }
}

void
sim_plan_faults(struct sim *sim)
{
    enum { STALL_MS = 20, LATE_MS = 200 };
    const struct sim_options *o = &sim->tables.options;
    for (unsigned f = 0; f < SIM_N_FAULTS; f++) {
        if (o->plan[f] && sim_random_below(sim, 1000) < o->plan[f]) {
            let_happen(sim, f, f == SIM_STALL ? STALL_MS : f == SIM_COUNT_LATE ? LATE_MS : 1);
        }
    }
    if (o->faults && sim_random_below(sim, 100) < o->faults) {
        static const uint8_t any[] = { SIM_REFUSE, SIM_LOSE_ENTRY, SIM_IO_ERROR };
        let_happen(sim, any[sim_random_below(sim, 3)], 1);
    }
}

/* --- on demand ------------------------------------------------------------------------ */

static int
unknown(const char *what, char *error)
{
    size_t used = (size_t) snprintf(error, HAL_ERROR_SIZE, "unknown fault '%.40s'; valid:", what);
    for (unsigned f = 0; f < SIM_N_FAULTS && used < HAL_ERROR_SIZE; f++) {
        used += (size_t) snprintf(error + used, HAL_ERROR_SIZE - used, "%s %s%s", f ? "," : "",
                                  sim_fault_names[f], f == SIM_RESET ? "" : sim_fault_is_timed(f)
                                  ? "=MS" : "=N");
    }
    return -EINVAL;
}

int
sim_fault(void *device, const char *what, char *error)
{
    size_t length = strcspn(what, "=");
    unsigned fault = sim_fault_find(what, length);
    if (fault == SIM_N_FAULTS) {
        return unknown(what, error);
    }
    const char *value = what[length] ? &what[length + 1] : "1";
    char *end;
    unsigned long n = strtoul(value, &end, 10);
    if (*value < '0' || *value > '9' || *end || n > SIM_MAX_FAULTS
        || (fault == SIM_RESET && what[length])) {
        snprintf(error, HAL_ERROR_SIZE, fault == SIM_RESET ? "fault reset: it takes no value, not '%.40s'"
                 : "fault %s: '%.40s' is not a number from 0 to %u", fault == SIM_RESET ? value
                 : sim_fault_names[fault], value, SIM_MAX_FAULTS);
        return -EINVAL;
    }
    let_happen(device, fault, (uint32_t) n);
    return 0;
}
