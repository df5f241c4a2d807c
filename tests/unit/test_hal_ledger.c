/* SPDX-License-Identifier: Apache-2.0 */
/* What hardware counts, over everything that happens to an entry: each packet is credited once,
 * to the rule that forwarded it, before the barrier that follows. The device is the simulated
 * ASIC, stepped, on an injected clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/sim/sim.h"
#include "hal/hal.h"
#include "lib/clock.h"
#include "lib/log.h"

enum { SIZE = 100, N_RULES = 16 };

/* A rule for all packets, or none. Never used again for another. */
struct test_rule {
    uint16_t output;
    uint64_t packets, bytes, used_ms;
};

static struct test_rule rules[N_RULES], *current;
static unsigned n_rules;
static struct hal *hal;
static struct hal_bridge *bridge;
static struct hal_device *device;
static uint64_t now_ns;

static uint64_t
now(void)
{
    return now_ns;
}

/* --- the source ------------------------------------------------------------------------- */

static bool
derive(void *aux, const struct flow_key *key, struct hal_derivation *d)
{
    static union { struct action_list list; uint64_t words[2]; } actions = { .list.len = 1 };
    (void) aux;
    if (!current) {
        return false;
    }
    d->match.mask.bits = (struct flow_key) { .in_port = 0xffff, .nw_dst.ip4.raw = UINT32_MAX };
    flow_key_mask(key, &d->match.mask, &d->match.value);
    actions.list.actions[0] = (struct action) { .type = ACTION_OUTPUT,
                                                .output.port = current->output };
    d->actions = &actions.list;
    d->owner = current;
    return true;
}

static void
credit(void *aux, void *owner, uint64_t packets, uint64_t bytes, uint64_t used_ms)
{
    struct test_rule *rule = owner;
    (void) aux;
    assert_true(packets || bytes);
    rule->packets += packets;
    rule->bytes += bytes;
    rule->used_ms = used_ms;
}

static void
port_failed(void *aux, uint16_t port, const char *why)
{
    (void) aux;
    fail_msg("port %u failed: %s", port, why);
}

static const struct hal_source source = { .derive = derive, .credit = credit,
                                          .port_failed = port_failed };

/* --- the HAL ------------------------------------------------------------------------------ */

static void
begin(const char *driver, uint32_t demote_pps)
{
    char error[HAL_ERROR_SIZE];
    const struct hal_config config = { .stepped = true, .n_workers = 1, .promote_pps = 10,
                                       .demote_pps = demote_pps };
    now_ns = UINT64_C(1000000000);
    clock_set_source(now);
    memset(rules, 0, sizeof rules);
    n_rules = 0;
    current = NULL;
    hal = hal_new(&config);
    assert_int_equal(hal_add_driver(hal, &sim_driver, error), 0);
    assert_int_equal(hal_device_open(hal, driver, &device, error), 0);
    bridge = hal_bridge_new(hal, "br0", &source, NULL);
    for (uint16_t no = 1; no <= 4; no++) {
        const struct hal_port port = { .no = no };
        assert_int_equal(hal_port_add(bridge, device, &port, error), 0);
    }
}

static void
end(void)
{
    hal_bridge_free(bridge);
    hal_free(hal, false);
    clock_set_source(NULL);
}

/* 'ms' pass, in steps. */
static void
pass(uint64_t ms)
{
    for (uint64_t i = 0; i <= ms; i++) {
        hal_step(hal);
        hal_step(hal);
        now_ns += i < ms ? 1000000 : 0;
    }
}

static bool is_over;

static void
over(void *aux, int error)
{
    (void) aux;
    assert_int_equal(error, 0);
    is_over = true;
}

/* Returns the ms that it took. */
static uint64_t
barrier(void)
{
    uint64_t begun_ns = now_ns;
    is_over = false;
    hal_barrier(hal, over, NULL);
    for (unsigned ms = 0; !is_over && ms < 5000; ms++) {
        pass(1);
    }
    assert_true(is_over);
    return (now_ns - begun_ns) / 1000000;
}

static const struct flow_match everything;

static struct test_rule *
put_rule(uint16_t output)
{
    struct test_rule *old = current;
    assert_true(n_rules < N_RULES);
    current = &rules[n_rules++];
    current->output = output;
    if (old) {
        hal_owner_gone(bridge, old);
    }
    hal_changed_match(bridge, &everything);
    return current;
}

static void
remove_rule(void)
{
    struct test_rule *old = current;
    current = NULL;
    hal_owner_gone(bridge, old);
    hal_deleted_match(bridge, &everything);
}

static struct flow_key
key_of(unsigned i)
{
    return (struct flow_key) { .in_port = 1, .nw_dst.ip4.raw = htobe32(0x0a000000 + i) };
}

static void
offer(unsigned i)
{
    const struct flow_key key = key_of(i);
    hal_offer(bridge, &key, 1000, NULL);
}

static uint16_t last_output;

static void
execute(struct hal_packet_out *out, struct hal_packet *packet, const struct action_list *list)
{
    (void) out;
    (void) packet;
    last_output = list->actions[0].output.port;
}

/* Packets with key i; how many of them the device forwarded. */
static unsigned
send_packets(unsigned i, unsigned n)
{
    const struct flow_key key = key_of(i);
    struct hal_packet_out out = { .execute = execute };
    unsigned hits = 0;
    last_output = 0;
    while (n--) {
        struct hal_packet packet = { .size = SIZE, .n_segments = 1, .wire_bytes = SIZE, .key = &key };
        bool miss = false;
        hal_process(device, 1, &packet, 1, &miss, &out);
        hits += !miss;
    }
    return hits;
}

static void
check_credit(const struct test_rule *rule, uint64_t packets)
{
    assert_int_equal(rule->packets, packets);
    assert_int_equal(rule->bytes, packets * SIZE);
}

static void
count_foreign_too(struct hal_device *d, const struct hal_device_info *info, void *n)
{
    (void) d;
    *(unsigned *) n = info->table[0].entries;
}

static unsigned
n_in_device(void)
{
    unsigned n = 0;
    hal_visit_devices(hal, count_foreign_too, &n);
    return n;
}

static void
fault(const char *what)
{
    char error[HAL_ERROR_SIZE];
    assert_int_equal(hal_fault(device, what, error), 0);
}

/* --- over transitions -------------------------------------------------------------------------- */

static void
promotion_and_demotion_lose_nothing(void **state)
{
    (void) state;
    uint64_t hits = 0;
    begin("sim", 5);
    struct test_rule *rule = put_rule(2);
    for (unsigned round = 1; round <= 3; round++) {
        assert_int_equal(send_packets(0, 1), 0);
        offer(0);
        pass(0);
        hits += send_packets(0, 1000 * round);
        uint64_t before = rule->packets;
        pass(60);
        check_credit(rule, hits);
        assert_true(rule->packets > before);
        hits += send_packets(0, 7);          /* not read yet when it goes */
        pass(20000);                         /* slow by now */
        assert_int_equal(n_in_device(), 0);
        assert_int_equal(send_packets(0, 3), 0);
        check_credit(rule, hits);
    }
    assert_int_equal(hits, 6021);
    end();
}

/* By order an entry stays while its flow is used, however slow that is. */
static void
used_entries_are_kept(void **state)
{
    (void) state;
    begin("sim", 5);
    hal_keep_while_used(hal, 10000);
    struct test_rule *rule = put_rule(2);
    offer(0);
    pass(0);
    for (unsigned i = 1; i <= 4; i++) {      /* a packet in 8 s */
        assert_int_equal(send_packets(0, 1), 1);
        pass(8000);
        check_credit(rule, i);
    }
    assert_int_equal(n_in_device(), 1);
    pass(3000);
    assert_int_equal(n_in_device(), 0);
    check_credit(rule, 4);
    end();
}

static void
changed_actions_go_on_counting(void **state)
{
    static const char *const drivers[] = { "sim", "sim:changes=no" };
    (void) state;
    for (unsigned i = 0; i < 2; i++) {
        begin(drivers[i], 0);
        struct test_rule *rule = put_rule(2);
        offer(0);
        pass(0);
        assert_int_equal(send_packets(0, 10), 10);
        assert_int_equal(last_output, 2);
        rule->output = 3;
        hal_changed_owner(bridge, rule);
        barrier();
        pass(1);
        assert_int_equal(send_packets(0, 5), 5);
        assert_int_equal(last_output, 3);
        pass(60);
        check_credit(rule, 15);
        end();
    }
}

/* ADD in place of a flow: each has its own, and the later one begins at 0. */
static void
a_flow_added_again_begins_at_zero(void **state)
{
    (void) state;
    begin("sim", 0);
    struct test_rule *first = put_rule(2);
    offer(0);
    pass(0);
    assert_int_equal(send_packets(0, 10), 10);
    struct test_rule *second = put_rule(2);
    barrier();
    check_credit(first, 10);
    assert_false(hal_owner_is_used(bridge, first));
    pass(100);
    check_credit(second, 0);
    assert_int_equal(send_packets(0, 4), 4);
    remove_rule();
    barrier();
    struct test_rule *third = put_rule(2);
    offer(0);
    pass(100);
    check_credit(second, 4);
    check_credit(third, 0);
    assert_int_equal(send_packets(0, 2), 2);
    pass(60);
    check_credit(third, 2);
    check_credit(first, 10);
    end();
}

/* FLOW_REMOVED goes out with the barrier at the latest: its counters are final then. */
static void
the_last_reading_comes_before_the_barrier(void **state)
{
    (void) state;
    begin("sim:latency-us=3000,lag-ms=400", 0);
    struct test_rule *rule = put_rule(2);
    offer(0);
    offer(1);
    pass(10);
    assert_int_equal(send_packets(0, 10), 10);
    assert_int_equal(send_packets(1, 5), 5);
    remove_rule();
    assert_true(hal_owner_is_used(bridge, rule));
    assert_in_range(barrier(), 3, 20);
    check_credit(rule, 15);
    assert_false(hal_owner_is_used(bridge, rule));
    end();
}

static void
late_counters_are_credited_when_they_come(void **state)
{
    (void) state;
    begin("sim:lag-ms=500", 0);
    struct test_rule *rule = put_rule(2);
    offer(0);
    pass(600);
    assert_int_equal(send_packets(0, 10), 10);
    uint64_t sent_ms = clock_ms();
    pass(50);
    assert_true(hal_counted_until(bridge) < sent_ms);
    for (unsigned i = 0; i < 2000 && rule->packets < 10; i++) {
        pass(1);
    }
    check_credit(rule, 10);
    assert_in_range(clock_ms() - sent_ms, 51, 1100);
    pass(1200);
    assert_true(hal_counted_until(bridge) >= sent_ms);
    check_credit(rule, 10);
    end();
}

/* What was read before a reset stays; what comes after is credited once. */
static void
a_reset_takes_nothing_back(void **state)
{
    (void) state;
    begin("sim", 0);
    struct test_rule *rule = put_rule(2);
    offer(0);
    pass(0);
    assert_int_equal(send_packets(0, 10), 10);
    pass(60);
    check_credit(rule, 10);
    fault("reset");
    assert_int_equal(send_packets(0, 1), 0);
    pass(60);
    check_credit(rule, 10);
    assert_int_equal(send_packets(0, 3), 3);
    pass(60);
    check_credit(rule, 13);
    end();
}

static void
a_lost_entry_is_put_back_and_counts_on(void **state)
{
    (void) state;
    begin("sim", 0);
    struct test_rule *rule = put_rule(2);
    offer(0);
    pass(0);
    assert_int_equal(send_packets(0, 10), 10);
    pass(60);
    fault("lose-now=1");
    assert_int_equal(send_packets(0, 1), 0);
    pass(200);
    assert_int_equal(send_packets(0, 3), 3);
    pass(60);
    check_credit(rule, 13);
    end();
}

/* --- owners ------------------------------------------------------------------------------------ */

/* The rule goes while its entry still waits: nothing was ever counted for it. */
static void
a_rule_of_which_no_device_heard_is_free_at_once(void **state)
{
    (void) state;
    begin("sim:latency-us=5000", 0);
    struct test_rule *rule = put_rule(2);
    offer(0);
    assert_true(hal_owner_is_used(bridge, rule));
    remove_rule();
    assert_int_equal(barrier(), 0);
    assert_false(hal_owner_is_used(bridge, rule));
    pass(20);
    assert_int_equal(n_in_device(), 0);
    end();
}

/* ... or while its entry is on its way, and the device then refuses it. */
static void
a_refusal_that_comes_late_keeps_no_rule(void **state)
{
    (void) state;
    begin("sim:latency-us=5000", 0);
    struct test_rule *rule = put_rule(2);
    fault("refuse=1");
    offer(0);
    pass(1);
    remove_rule();
    barrier();
    assert_false(hal_owner_is_used(bridge, rule));
    end();
}

/* --- faults ------------------------------------------------------------------------------------- */

/* The device has it and says that it may not: it is taken out for sure, and put in again. */
static void
an_entry_in_an_unknown_state_is_taken_out(void **state)
{
    (void) state;
    begin("sim:latency-us=5000", 0);
    put_rule(2);
    fault("io-error=1");
    offer(0);
    pass(7);                                 /* it failed, and is on its way out */
    remove_rule();
    barrier();
    assert_int_equal(send_packets(0, 1), 0);
    pass(100);
    assert_int_equal(n_in_device(), 0);
    struct test_rule *rule = put_rule(3);
    offer(0);
    pass(20);
    assert_int_equal(send_packets(0, 4), 4);
    assert_int_equal(last_output, 3);
    pass(60);
    check_credit(rule, 4);
    end();
}

static unsigned n_differences;

static void
audited(unsigned n, void *aux)
{
    (void) aux;
    n_differences = n;
    is_over = true;
}

/* The device says that it took the old entry out and put the new one in, and did neither. */
static void
an_audit_takes_out_what_is_stale_though_the_match_is_wanted(void **state)
{
    (void) state;
    begin("sim:latency-us=5000", 0);
    put_rule(2);
    offer(0);
    pass(10);
    fault("ack-only=2");
    put_rule(3);
    barrier();
    pass(20);
    assert_int_equal(send_packets(0, 1), 1);
    assert_int_equal(last_output, 2);        /* wrong, and nobody can know */
    is_over = false;
    hal_audit(hal, true, NULL, audited, NULL);
    for (unsigned i = 0; i < 10 && !is_over; i++) {
        hal_step(hal);
    }
    assert_true(is_over);
    assert_int_equal(n_differences, 2);
    barrier();
    assert_true(send_packets(0, 1) == 0 || last_output == 3);
    pass(20);
    assert_int_equal(send_packets(0, 1), 1);
    assert_int_equal(last_output, 3);
    assert_int_equal(n_in_device(), 1);
    end();
}

/* What was on its way when the device forgot everything is not waited for. */
static void
a_reset_ends_what_is_on_its_way(void **state)
{
    (void) state;
    begin("sim:latency-us=5000", 0);
    put_rule(2);
    offer(0);
    pass(10);
    assert_int_equal(send_packets(0, 1), 1);
    put_rule(3);
    offer(1);
    pass(2);                                 /* a removal and an addition */
    fault("reset");
    assert_in_range(barrier(), 0, 50);
    assert_true(send_packets(0, 1) == 0 || last_output == 3);
    pass(50);
    for (unsigned i = 0; i < 2; i++) {
        offer(i);
        pass(10);
        assert_int_equal(send_packets(i, 1), 1);
        assert_int_equal(last_output, 3);
    }
    assert_int_equal(n_in_device(), 2);
    end();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(promotion_and_demotion_lose_nothing),
        cmocka_unit_test(used_entries_are_kept),
        cmocka_unit_test(changed_actions_go_on_counting),
        cmocka_unit_test(a_flow_added_again_begins_at_zero),
        cmocka_unit_test(the_last_reading_comes_before_the_barrier),
        cmocka_unit_test(late_counters_are_credited_when_they_come),
        cmocka_unit_test(a_reset_takes_nothing_back),
        cmocka_unit_test(a_lost_entry_is_put_back_and_counts_on),
        cmocka_unit_test(a_rule_of_which_no_device_heard_is_free_at_once),
        cmocka_unit_test(a_refusal_that_comes_late_keeps_no_rule),
        cmocka_unit_test(an_entry_in_an_unknown_state_is_taken_out),
        cmocka_unit_test(an_audit_takes_out_what_is_stale_though_the_match_is_wanted),
        cmocka_unit_test(a_reset_ends_what_is_on_its_way),
    };
    struct errmsg err;
    log_set_level("error", &err);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
