/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/offload_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <event2/event.h>

#include "drivers/builtin.h"
#include "lib/clock.h"
#include "lib/epoch.h"
#include "sw-datapath/packet.h"

uint64_t rig_now_ns;

static uint64_t
now(void)
{
    return rig_now_ns;
}

static void
on_packet_in(void *aux, const struct dp_packet_in *in)
{
    struct rig *f = aux;
    assert_non_null(in->packet);
    f->n_packet_ins++;
}

static void
on_port_event(void *aux, enum dp_port_event event, const struct port_info *info)
{
    (void) aux;
    (void) event;
    assert_true(info->port_no > 0);
}

static const struct dp_bridge_ops ops = { .packet_in = on_packet_in, .port_event = on_port_event };

void
rig_begin(struct rig *f, const char *driver)
{
    char error[HAL_ERROR_SIZE];
    struct errmsg err;
    *f = (struct rig) { .base = event_base_new() };
    rig_now_ns = UINT64_C(5000000000);
    clock_set_source(now);
    struct hal_config hal_config = { .stepped = true, .n_workers = 1, .promote_pps = RIG_PROMOTE_PPS };
    f->hal = hal_new(&hal_config);
    assert_int_equal(hal_add_driver(f->hal, builtin_drivers[0], error), 0);
    assert_int_equal(hal_device_open(f->hal, driver, &f->device, error), 0);
    const struct dp_config config = { .cache_entries = 1024, .hal = f->hal,
                                      .promote_pps = RIG_PROMOTE_PPS };
    f->dp = dp_new(f->base, &config, &err);
    assert_non_null(f->dp);
    const struct dp_bridge_config bridge_config = { .fdb_max = 64, .fdb_age_s = 300 };
    f->bridge = dp_bridge_new(f->dp, "br0", &bridge_config, PKTIO_MEMORY, &ops, f, &err);
    for (unsigned i = 1; i <= RIG_PORTS; i++) {
        char name[8];
        uint16_t no;
        snprintf(name, sizeof name, "m%u", i);
        assert_int_equal(dp_port_add(f->bridge, name, 0, PKTIO_MEMORY, &no, &err), 0);
        assert_int_equal(dp_port_set_device(f->bridge, no, f->device, &err), 0);
    }
}

void
rig_end(struct rig *f)
{
    dp_free(f->dp);
    hal_free(f->hal, false);
    event_base_free(f->base);
    clock_set_source(NULL);
}

/* Lets everything happen that is due. */
void
rig_settle(struct rig *f)
{
    for (unsigned i = 0; i < 20; i++) {
        hal_step(f->hal);
        dp_run_once(f->dp);
        event_base_loop(f->base, EVLOOP_NONBLOCK);
        rig_now_ns += 1000000;
    }
}

void
rig_send(struct rig *f, uint16_t port, const uint8_t frame[RIG_FRAME_SIZE], unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(pktio_memory_inject(dp_port_pktio(f->bridge, port), frame,
                                             RIG_FRAME_SIZE), 0);
        dp_run_once(f->dp);
    }
}

void
rig_send_udp(struct rig *f, uint16_t port, uint16_t tp_dst, unsigned n)
{
    const uint8_t frame[RIG_FRAME_SIZE] = {
        2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0,
        0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
        0, 7, (uint8_t) (tp_dst >> 8), (uint8_t) tp_dst, 0, 26,
    };
    rig_send(f, port, frame, n);
}

/* Frames that the port has sent since the last time. */
unsigned
rig_n_sent(struct rig *f, uint16_t port)
{
    unsigned n = 0;
    uint8_t frame[2048];
    while (pktio_memory_take(dp_port_pktio(f->bridge, port), frame, sizeof frame)) {
        n++;
    }
    return n;
}

/* --- rules ------------------------------------------------------------------------------- */

struct flow_match
rig_udp_to(uint16_t tp_dst)
{
    struct flow_match m = { .mask.bits = { .in_port = 0xffff, .dl_type.raw = 0xffff, .nw_proto = 0xff },
                            .value = { .in_port = 1, .dl_type.raw = htobe16(0x0800), .nw_proto = 17 } };
    if (tp_dst) {
        m.mask.bits.tp_dst.raw = 0xffff;
        m.value.tp_dst.raw = htobe16(tp_dst);
    }
    return m;
}

const struct action_list *
rig_output_list(uint16_t port)
{
    struct action_list *list = calloc(1, sizeof *list + sizeof list->actions[0]);
    list->len = port != 0;
    list->actions[0] = (struct action) { .type = ACTION_OUTPUT, .output.port = port };
    return list;
}

struct rule *
rig_add_rule(struct rig *f, const struct flow_match *match, uint32_t rank, uint16_t port)
{
    struct classifier *classifier = dp_bridge_classifier(f->bridge);
    struct rule *rule = calloc(1, classifier_rule_size(classifier, match));
    assert_int_equal(classifier_rule_init(classifier, rule, match, rank, rig_output_list(port)), 0);
    assert_int_equal(classifier_insert(classifier, rule), 0);
    dp_rule_added(f->bridge, rule);
    return rule;
}

void
rig_set_output(struct rig *f, struct rule *rule, uint16_t port)
{
    const struct action_list *old = atomic_load(&rule->actions);
    atomic_store(&rule->actions, rig_output_list(port));
    dp_rule_changed(f->bridge, rule);
    epoch_defer(free, (void *) (uintptr_t) old);
}

static bool barrier_over;

static void
barrier_done(void *aux)
{
    (void) aux;
    barrier_over = true;
}

void
rig_barrier(struct rig *f)
{
    struct dp_barrier b = { .done = barrier_done };
    barrier_over = false;
    dp_barrier(f->dp, &b);
    for (unsigned i = 0; i < 1000 && !barrier_over; i++) {
        rig_settle(f);
    }
    assert_true(barrier_over);
    assert_int_equal(b.error, 0);
}

void
rig_remove_rule(struct rig *f, struct rule *rule)
{
    struct flow_match match;
    classifier_rule_match(dp_bridge_classifier(f->bridge), rule, &match);
    classifier_remove(dp_bridge_classifier(f->bridge), rule);
    dp_rule_removed(f->bridge, rule, &match);
    rig_barrier(f);
    assert_false(dp_rule_is_in_hardware(f->bridge, rule));
    epoch_defer(free, (void *) (uintptr_t) atomic_load(&rule->actions));
    epoch_defer(free, rule);
}

uint64_t
rig_packets_of(const struct rule *rule)
{
    struct rule_counters counters;
    rule_get_counters(rule, &counters);
    assert_int_equal(counters.bytes, counters.packets * RIG_FRAME_SIZE);
    return counters.packets;
}

struct hal_device_info rig_info;
static uint32_t n_entries;

static void
look_at(struct hal_device *device, const struct hal_device_info *i, void *aux)
{
    (void) device;
    (void) aux;
    rig_info = *i;
    n_entries = i->table[0].entries + i->table[1].entries;
}

uint32_t
rig_n_in_hardware(struct rig *f)
{
    rig_settle(f);
    hal_visit_devices(f->hal, look_at, NULL);
    return n_entries;
}

uint64_t
rig_n_in_software(struct rig *f)
{
    struct dp_bridge_stats stats;
    dp_bridge_get_stats(f->bridge, &stats);
    return stats.hits + stats.misses;
}
