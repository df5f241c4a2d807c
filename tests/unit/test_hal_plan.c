/* SPDX-License-Identifier: Apache-2.0 */
/* Plans: where entries would go, while the device hears of nothing. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "hal/hal.h"
#include "tests/unit/idle_driver.h"

enum { CAPACITY = 4 };

/* A device that counts how often it is told something. */
static unsigned n_ops, n_changes;
static uint32_t max_masks;

static void *
fake_open(const struct hal_open *open, char *error)
{
    (void) open;
    (void) error;
    return &n_ops;
}

static int
fake_probe(void *device, struct hal_caps *caps)
{
    (void) device;
    *caps = (struct hal_caps) { .n_tables = 1 };
    caps->table[0] = (struct hal_table_caps) {
        .name = "only", .counters = HAL_COUNT_BOTH, .outputs = HAL_OUTPUT_PORT,
        .actions = 1 << ACTION_OUTPUT, .capacity = CAPACITY, .max_masks = max_masks,
    };
    memset(caps->table[0].field, FIELD_MASK_ANY, N_FIELDS);
    return 0;
}

static size_t
fake_submit(void *device, const struct hal_change *changes, size_t n)
{
    (void) device;
    (void) changes;
    n_ops++;
    n_changes += (unsigned) n;
    return n;
}

static int
fake_fence(void *device, uint16_t port, bool on)
{
    (void) device;
    (void) port;
    (void) on;
    n_ops++;
    return 0;
}

static int
fake_stats(void *device, const uint64_t *cookies, const uint64_t *handles, size_t n,
           struct hal_counters *out)
{
    (void) device;
    (void) cookies;
    (void) handles;
    (void) n;
    (void) out;
    n_ops++;
    return 0;
}

static int
fake_dump(void *device, uint64_t *position, bool (*visit)(const struct hal_dumped *, void *),
          void *aux)
{
    (void) device;
    (void) position;
    (void) visit;
    (void) aux;
    n_ops++;
    return 0;
}

static int
fake_flush(void *device)
{
    (void) device;
    n_ops++;
    return 0;
}

/* What capabilities can't say: no entry for destination port 666. */
static int
fake_check(const void *device, const struct hal_entry *entry, struct hal_verdict *verdict)
{
    (void) device;
    if (entry->match->value.tp_dst.raw == htobe16(666)) {
        verdict->reason = HAL_REASON_DRIVER_REFUSED;
        snprintf(verdict->words, sizeof verdict->words, "not this port");
        return -EOPNOTSUPP;
    }
    return 0;
}

static const struct hal_driver fake = {
    .abi = HAL_DRIVER_ABI, .name = "fake", .summary = "", .options_help = "", .open = fake_open,
    .close = idle_close, .probe = fake_probe, .port_add = idle_port_add, .port_change = idle_port_add,
    .port_del = idle_port_del, .check = fake_check, .submit = fake_submit, .fence = fake_fence,
    .stats = fake_stats, .dump = fake_dump, .flush = fake_flush,
};

/* --- a bridge with it ------------------------------------------------------------------------- */

static bool
derive(void *aux, const struct flow_key *key, struct hal_derivation *d)
{
    (void) aux;
    (void) key;
    (void) d;
    return false;
}

static void
credit(void *aux, void *owner, uint64_t packets, uint64_t bytes, uint64_t used_ms)
{
    (void) aux;
    (void) owner;
    fail_msg("%llu packets, %llu bytes at %llu", (unsigned long long) packets,
             (unsigned long long) bytes, (unsigned long long) used_ms);
}

static void
port_failed(void *aux, uint16_t port, const char *why)
{
    (void) aux;
    fail_msg("port %u: %s", port, why);
}

static const struct hal_source source = { .derive = derive, .credit = credit,
                                          .port_failed = port_failed };
static struct hal *hal;
static struct hal_bridge *bridge;
static struct hal_plan *plan;

static void
begin(uint32_t masks)
{
    const struct hal_config config = { .stepped = true, .n_workers = 1, .promote_pps = 10 };
    struct hal_device *device;
    char error[HAL_ERROR_SIZE];
    max_masks = masks;
    hal = hal_new(&config);
    assert_int_equal(hal_add_driver(hal, &fake, error), 0);
    assert_int_equal(hal_device_open(hal, "fake", &device, error), 0);
    bridge = hal_bridge_new(hal, "br0", &source, NULL);
    for (uint16_t no = 1; no <= 2; no++) {
        const struct hal_port port = { .no = no, .name = "p" };
        assert_int_equal(hal_port_add(bridge, device, &port, error), 0);
    }
    plan = hal_plan_new(hal);
    n_ops = n_changes = 0;
}

static void
end(void)
{
    assert_int_equal(n_ops, 0);
    for (unsigned i = 0; i < 5; i++) {
        hal_step(hal);
    }
    assert_int_equal(n_changes, 0);
    hal_plan_free(plan);
    hal_bridge_free(bridge);
    hal_free(hal, false);
}

/* From port 1, by destination port, under a mask that 'bits' makes another one. */
static struct hal_planned
add(uint16_t tp_dst, uint8_t bits, uint16_t output, bool exact)
{
    union { struct action_list list; uint64_t words[2]; } actions = { .list.len = 1 };
    actions.list.actions[0] = (struct action) { .type = ACTION_OUTPUT, .output.port = output };
    struct hal_derivation d = { .actions = &actions.list, .exact_rule = exact };
    struct hal_planned out;
    d.match.value.in_port = d.match.mask.bits.in_port = UINT16_MAX;
    d.match.value.in_port = 1;
    d.match.mask.bits.tp_dst.raw = UINT16_MAX;
    d.match.value.tp_dst.raw = htobe16(tp_dst);
    d.match.mask.bits.nw_tos = bits;
    assert_true(hal_plan_add(plan, bridge, &d, !exact, &out));
    return out;
}

static struct hal_plan_table in_it;

static void
see(const char *device, const struct hal_table_caps *caps, const struct hal_plan_table *table,
    void *aux)
{
    (void) aux;
    assert_string_equal(device, "fake");
    assert_string_equal(caps->name, "only");
    in_it = *table;
}

/* --- tests ------------------------------------------------------------------------------------- */

static void
exact_rules_take_their_places(void **state)
{
    (void) state;
    begin(0);
    for (uint16_t i = 0; i < CAPACITY; i++) {
        struct hal_planned p = add(i, 0, 2, true);
        assert_string_equal(p.device, "fake");
        assert_string_equal(p.table, "only");
        assert_false(p.there || p.evicts);
    }
    assert_int_equal(add(9, 0, 2, true).verdict.reason, HAL_REASON_TABLE_FULL);
    hal_plan_visit(plan, see, NULL);
    assert_int_equal(in_it.now, 0);
    assert_int_equal(in_it.added, CAPACITY);
    assert_int_equal(in_it.evicted, 0);
    end();
}

static void
others_are_only_judged(void **state)
{
    (void) state;
    begin(0);
    for (uint16_t i = 0; i < 3 * CAPACITY; i++) {
        assert_string_equal(add(i, 0, 2, false).table, "only");
    }
    hal_plan_visit(plan, see, NULL);
    assert_int_equal(in_it.added, 0);
    assert_int_equal(in_it.expected, 3 * CAPACITY);
    end();
}

static void
masks_are_counted(void **state)
{
    (void) state;
    begin(2);
    assert_non_null(add(1, 0, 2, true).table);
    assert_non_null(add(2, 4, 2, true).table);
    assert_non_null(add(3, 0, 2, true).table);
    assert_int_equal(add(4, 8, 2, true).verdict.reason, HAL_REASON_TOO_MANY_MASKS);
    assert_non_null(add(5, 4, 2, true).table);
    end();
}

static void
refusals_say_why(void **state)
{
    (void) state;
    begin(0);
    assert_int_equal(add(1, 0, 3, true).verdict.reason, HAL_REASON_OUTPUT_SPECIAL);
    struct hal_planned p = add(666, 0, 2, true);
    assert_null(p.table);
    assert_int_equal(p.verdict.reason, HAL_REASON_DRIVER_REFUSED);
    assert_string_equal(p.verdict.words, "not this port");
    hal_plan_visit(plan, see, NULL);
    assert_int_equal(in_it.added, 0);
    end();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_rules_take_their_places),
        cmocka_unit_test(others_are_only_judged),
        cmocka_unit_test(masks_are_counted),
        cmocka_unit_test(refusals_say_why),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
