/* SPDX-License-Identifier: Apache-2.0 */
/* The offload device in front of the switch under test, and the HAL between the two. */
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "ofagent/agent_private.h"
#include "sw-datapath/dp_internal.h"
#include "sw-datapath/parse.h"
#include "tests/property/device_under_test.h"
#include "tests/property/sut_private.h"

enum { SETTLE_STEPS = 30 };

void
sut_make_hal(struct sut *sut, const struct sut_config *config)
{
    struct errmsg err;
    sut_check(log_set_target("/dev/null", &err) == 0, "log");    /* it says so of each fault */
    const struct hal_config hal_config = {
        .stepped = true, .n_workers = DP_MAX_WORKERS, .promote_pps = 1,
        .demote_pps = config->demote_pps,
    };
    char error[HAL_ERROR_SIZE], spec[256];
    const char *options;
    const struct hal_driver *driver = dut_wrap(config->driver, &options, error);
    sut_check(driver, error);
    dut_use_wire(sut->wire);
    snprintf(spec, sizeof spec, "%s:%s", driver->name, options);
    sut->hal = hal_new(&hal_config);
    sut_check(sut->hal, "HAL");
    sut_check(hal_add_driver(sut->hal, driver, error) == 0, error);
    sut_check(hal_device_open(sut->hal, spec, &sut->device, error) == 0, error);
}

/* --- planted bugs --------------------------------------------------------------------- */

static const struct hal_source *true_source;

struct exact_above {
    bool (*visit)(const struct hal_above *, void *aux);
    void *aux;
};

static bool
pass_wildcarded(const struct hal_above *above, void *aux)
{
    const struct exact_above *e = aux;
    return above->match->mask.bits.tp_dst.raw == 0xffff && above->match->mask.bits.tp_src.raw == 0xffff
           ? true : e->visit(above, e->aux);
}

static bool
forget_exact(void *aux, const struct flow_match *whole, uint16_t priority, const void *owner,
             bool (*visit)(const struct hal_above *, void *), void *aux2)
{
    struct exact_above e = { visit, aux2 };
    return true_source->each_above(aux, whole, priority, owner, pass_wildcarded, &e);
}

static bool
forget_above(void *aux, const struct flow_match *whole, uint16_t priority, const void *owner,
             bool (*visit)(const struct hal_above *, void *), void *aux2)
{
    (void) aux;
    (void) whole;
    (void) priority;
    (void) owner;
    (void) visit;
    (void) aux2;
    return true;
}

void
sut_set_plant(struct sut *sut, enum dut_plant plant)
{
    static struct hal_source planted;
    bool exact = plant == DUT_PLANT_FORGETS_EXACT;
    if (sut->hal && (exact || plant == DUT_PLANT_FORGETS_ABOVE)) {
        struct hal_bridge *bridge = dp_bridge_hal(agent_bridge(sut->agent));
        true_source = bridge->source;
        planted = *true_source;
        planted.each_above = exact ? forget_exact : forget_above;
        bridge->source = &planted;
    }
}

void
sut_run_hardware(struct sut *sut)
{
    for (unsigned i = 0; sut->hal && i < SETTLE_STEPS && hal_step(sut->hal) == 0; i++) {
        continue;
    }
}

void
sut_offer(struct sut *sut, uint16_t port, const void *frame, uint32_t size, uint32_t pps)
{
    static uint8_t room[PACKET_HEADROOM + PACKET_MAX_SIZE + PACKET_TAILROOM];
    struct packet packet = { .data = room + PACKET_HEADROOM, .size = size, .in_port = port };
    struct flow_key key;
    memcpy(packet.data, frame, size);
    if (sut->hal && packet_parse(&packet, &key) == 0) {
        hal_offer(dp_bridge_hal(agent_bridge(sut->agent)), &key, pps, NULL);
    }
}

void
sut_refresh(struct sut *sut)
{
    uint32_t rounds = sut->hal ? entry_count(sut->hal->store) / HAL_STATS_BATCH + 2 : 0;
    for (uint32_t i = 0; i < rounds; i++) {
        sut->hal->tick_ms = 0;           /* readings go by the clock, which stands */
        hal_step(sut->hal);
        hal_step(sut->hal);
    }
}

/* --- repairs -------------------------------------------------------------------------- */

struct repair {
    bool done;
    unsigned n;
};

static void
repaired(unsigned n, void *aux)
{
    *(struct repair *) aux = (struct repair) { true, n };
}

static void
note_difference(const char *kind, const char *device, const struct hal_entry_info *info, void *aux)
{
    (void) kind;
    (void) device;
    (void) info;
    (void) aux;
}

unsigned
sut_repair(struct sut *sut)
{
    struct repair repair = { .n = UINT32_MAX };
    if (sut->hal) {
        hal_audit(sut->hal, true, note_difference, repaired, &repair);
        for (unsigned turns = 0; !repair.done && turns < TURNS_MAX; turns++) {
            hal_step(sut->hal);
        }
        sut_check(repair.done, "a comparison that does not end");
        sut_run_hardware(sut);
    }
    return repair.n;
}

bool
sut_is_busy(const struct sut *sut)
{
    return sut->hal && (sut->device->n_in_flight || sut->device->urgent.n || sut->device->normal.n);
}

bool
sut_is_fenced(const struct sut *sut)
{
    return sut->hal && sut->device->fenced;
}
