/* SPDX-License-Identifier: Apache-2.0 */
/* The HAL against a device that is slow, forgetful and refuses: after a barrier the device
 * has nothing that the rules do not say, every packet is credited once, and to the rule that
 * forwarded it. Stepped, on an injected clock, so a seed is a run. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hal/hal.h"
#include "lib/clock.h"
#include "lib/counters.h"
#include "tests/unit/idle_driver.h"

/* --- the device ----------------------------------------------------------------------- */

enum { TABLE = 64, PENDING = 2048, N_RULES = 12 };

struct fake_entry {
    bool used, foreign;
    uint64_t cookie;
    struct flow_match match;
    uint16_t output;             /* 0: drops */
    uint64_t packets, bytes;
};

static struct fake {
    struct hal_host *host;
    struct fake_entry table[TABLE];
    struct hal_change pending[PENDING];
    struct flow_match matches[PENDING];
    uint16_t outputs[PENDING];
    size_t n_pending;
    bool fenced, mute, busy, changes, deaf_to_fences, breaks;
    unsigned refuse_percent, lose_percent, capacity;
    unsigned n_adds, n_changes, n_removes, n_adopted;
} fake;

static uint64_t random_state, now_ns;
static uint64_t clock_step_ns;           /* each look at the clock takes so long */

static uint32_t
below(uint32_t n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t) (random_state >> 33) % n;
}

static uint64_t
now(void)
{
    return now_ns += clock_step_ns;
}

static void *
fake_open(const struct hal_open *open, char *error)
{
    if (strcmp(open->options, "")) {
        snprintf(error, HAL_ERROR_SIZE, "unknown option '%s'; there are none", open->options);
        return NULL;
    }
    fake.host = open->host;
    return &fake;
}

static void
fake_close(void *device, bool keep)
{
    (void) device;
    if (!keep) {
        memset(fake.table, 0, sizeof fake.table);
    }
}

static int
fake_probe(void *device, struct hal_caps *caps)
{
    (void) device;
    *caps = (struct hal_caps) { .n_tables = 1, .table[0] = {
        .name = "exact", .counters = HAL_COUNT_BOTH, .changes = fake.changes,
        .outputs = HAL_OUTPUT_PORT | HAL_OUTPUT_NOWHERE, .actions = 1 << ACTION_OUTPUT,
        .capacity = fake.capacity } };
    memset(caps->table[0].field, FIELD_MASK_ANY, sizeof caps->table[0].field);
    return 0;
}

static size_t
fake_submit(void *device, const struct hal_change *changes, size_t n)
{
    (void) device;
    size_t i = 0;
    for (; i < n && fake.n_pending < PENDING && !fake.busy; i++, fake.n_pending++) {
        fake.pending[fake.n_pending] = changes[i];
        fake.matches[fake.n_pending] = *changes[i].entry.match;
        const struct action_list *list = changes[i].entry.actions;
        fake.outputs[fake.n_pending] = list->len ? list->actions[0].output.port : 0;
    }
    return i;
}

static int
fake_fence(void *device, uint16_t port, bool on)
{
    (void) device;
    (void) port;
    fake.fenced = on && !fake.deaf_to_fences;
    return fake.deaf_to_fences ? -EIO : 0;
}

static struct fake_entry *
fake_find(uint64_t cookie)
{
    for (unsigned i = 0; i < TABLE; i++) {
        if (fake.table[i].used && fake.table[i].cookie == cookie) {
            return &fake.table[i];
        }
    }
    return NULL;
}

static int
fake_stats(void *device, const uint64_t *cookies, const uint64_t *handles, size_t n,
           struct hal_counters *out)
{
    (void) device;
    (void) handles;
    for (size_t i = 0; i < n; i++) {
        const struct fake_entry *f = fake_find(cookies[i]);
        out[i] = f ? (struct hal_counters) { f->packets, f->bytes }
                   : (struct hal_counters) { UINT64_MAX, UINT64_MAX };
    }
    return 0;
}

static int
fake_dump(void *device, uint64_t *position, bool (*visit)(const struct hal_dumped *, void *aux),
          void *aux)
{
    (void) device;
    bool more = true;
    for (; more && *position < TABLE; ++*position) {
        const struct fake_entry *f = &fake.table[*position];
        union { struct action_list list; uint64_t words[2]; } actions = { .list = { .len = f->output != 0 } };
        actions.list.actions[0] = (struct action) { .type = ACTION_OUTPUT, .output.port = f->output };
        if (f->used) {
            struct hal_dumped d = { f->cookie, *position + 1, { &f->match, &actions.list, 0, 0 },
                                    { f->packets, f->bytes }, f->foreign, true };
            more = visit(&d, aux);
        }
    }
    return 0;
}

static int
fake_flush(void *device)
{
    (void) device;
    memset(fake.table, 0, sizeof fake.table);
    fake.n_pending = 0;
    return 0;
}

static const struct hal_driver fake_driver = {
    .abi = HAL_DRIVER_ABI, .name = "fake", .summary = "for tests", .options_help = "",
    .open = fake_open, .close = fake_close, .probe = fake_probe, .port_add = idle_port_add,
    .port_change = idle_port_add, .port_del = idle_port_del, .submit = fake_submit, .fence = fake_fence,
    .stats = fake_stats, .dump = fake_dump, .flush = fake_flush,
};

static int
do_add(size_t i, struct hal_completion *c)
{
    unsigned slot = 0, n = 0;
    for (unsigned k = 0; k < TABLE; k++) {
        n += fake.table[k].used;
    }
    while (slot < TABLE && fake.table[slot].used) {
        slot++;
    }
    if (n >= fake.capacity || slot == TABLE) {
        c->verdict.reason = HAL_REASON_TABLE_FULL;
        return -ENOSPC;
    }
    if (below(100) < fake.refuse_percent) {
        snprintf(c->verdict.words, sizeof c->verdict.words, "not today");
        return below(2) ? -EOPNOTSUPP : -EAGAIN;
    }
    fake.table[slot] = (struct fake_entry) { true, false, c->cookie, fake.matches[i],
                                             fake.outputs[i], 0, 0 };
    c->handle = slot + 1;
    fake.n_adds++;
    return 0;
}

static int
do_pending(size_t i, struct hal_completion *c)
{
    const struct hal_change *change = &fake.pending[i];
    struct fake_entry *f = fake_find(change->cookie);
    *c = (struct hal_completion) { .cookie = change->cookie, .kind = change->kind };
    if (change->kind == HAL_ADD) {
        assert_null(f);
        return do_add(i, c);
    }
    if (fake.breaks) {
        return -EIO;
    }
    if (change->kind == HAL_ADOPT) {
        f = change->handle && change->handle <= TABLE ? &fake.table[change->handle - 1] : NULL;
        if (!f || !f->used) {
            return -ENOENT;
        }
        f->cookie = change->cookie;
        c->handle = change->handle;
        fake.n_adopted++;
        return 0;
    }
    if (!f) {
        return -ENOENT;
    }
    if (change->kind == HAL_CHANGE) {
        f->output = fake.outputs[i];
        fake.n_changes++;
    } else {
        c->final = (struct hal_counters) { f->packets, f->bytes };
        f->used = false;
        fake.n_removes++;
    }
    return 0;
}

/* Completes some of what is pending, not in order. */
static void
fake_work(unsigned n)
{
    while (n-- && fake.n_pending && !fake.mute) {
        size_t i = below((uint32_t) fake.n_pending);
        struct hal_completion c;
        int error = do_pending(i, &c);
        c.error = error;
        fake.n_pending--;
        fake.pending[i] = fake.pending[fake.n_pending];
        fake.matches[i] = fake.matches[fake.n_pending];
        fake.outputs[i] = fake.outputs[fake.n_pending];
        fake.host->complete(fake.host, &c, 1);
    }
}

/* --- the rules -------------------------------------------------------------------------- */

struct test_rule {
    bool used;
    struct flow_match match;
    uint16_t rank, output;
    uint64_t credited, forwarded;
};

static struct test_rule rules[N_RULES];
static struct test_rule *graves[20000];
static unsigned n_graves;
static unsigned ports_failed;

static struct test_rule *
find_rule(const struct flow_key *key)
{
    struct test_rule *best = NULL;
    for (unsigned i = 0; i < N_RULES; i++) {
        if (rules[i].used && flow_match_contains(&rules[i].match, key)
            && (!best || rules[i].rank > best->rank)) {
            best = &rules[i];
        }
    }
    return best;
}

/* Owners are never reused: a rule's identity is that of its grave. */
static struct test_rule *identity[N_RULES];

static bool
derive(void *aux, const struct flow_key *key, struct hal_derivation *d)
{
    static union { struct action_list list; uint64_t words[2]; } actions;
    (void) aux;
    struct test_rule *rule = find_rule(key);
    if (!rule) {
        return false;
    }
    d->match.mask.bits = (struct flow_key) { .in_port = 0xffff, .dl_type.raw = 0xffff,
                                             .nw_dst.ip4.raw = UINT32_MAX, .tp_dst.raw = 0xffff };
    flow_key_mask(key, &d->match.mask, &d->match.value);
    actions.list.len = rule->output != 0;
    actions.list.actions[0] = (struct action) { .type = ACTION_OUTPUT, .output.port = rule->output };
    d->actions = &actions.list;
    d->owner = identity[rule - rules];
    d->cookie = (uint64_t) (rule - rules);
    return true;
}

static void
credit(void *aux, void *owner, uint64_t packets, uint64_t bytes, uint64_t used_ms)
{
    (void) aux;
    (void) used_ms;
    assert_int_equal(bytes, packets * 100);
    ((struct test_rule *) owner)->credited += packets;
}

static void
port_failed(void *aux, uint16_t port, const char *why)
{
    (void) aux;
    (void) port;
    assert_non_null(why);
    ports_failed++;
}

static const struct hal_source source = { .derive = derive, .credit = credit,
                                         .port_failed = port_failed };

static struct hal *hal;
static struct hal_bridge *bridge;
static struct hal_device *device;

static void
begin(uint64_t seed)
{
    char error[HAL_ERROR_SIZE];
    struct hal_config config = { .stepped = true, .promote_pps = 10, .demote_pps = 1,
                                 .restart_grace_ms = 1000 };
    random_state = seed;
    now_ns = UINT64_C(1000000000);
    clock_set_source(now);
    memset(rules, 0, sizeof rules);
    ports_failed = 0;
    hal = hal_new(&config);
    assert_non_null(hal);
    assert_int_equal(hal_add_driver(hal, &fake_driver, error), 0);
    assert_int_equal(hal_device_open(hal, "fake", &device, error), 0);
    bridge = hal_bridge_new(hal, "br0", &source, NULL);
    for (uint16_t no = 1; no < 5; no++) {
        struct hal_port port = { .no = no };
        assert_int_equal(hal_port_add(bridge, device, &port, error), 0);
    }
}

static void
begin_new(uint64_t seed, bool changes)
{
    memset(&fake, 0, sizeof fake);
    fake.capacity = 40;
    fake.changes = changes;
    begin(seed);
}

static void
end(bool keep)
{
    hal_free(hal, keep);
    for (unsigned i = 0; i < n_graves; i++) {
        free(graves[i]);
    }
    n_graves = 0;
    clock_set_source(NULL);
}

static struct flow_key
random_key(void)
{
    return (struct flow_key) { .in_port = 1, .dl_type.raw = htobe16(0x0800), .nw_proto = 17,
                               .nw_dst.ip4.raw = htobe32(0x0a000000 + below(8)),
                               .tp_dst.raw = htobe16((uint16_t) below(8)) };
}

static void
bury(unsigned i)
{
    struct test_rule *grave = calloc(1, sizeof *grave);
    assert_true(n_graves < sizeof graves / sizeof graves[0]);
    graves[n_graves++] = grave;
    identity[i] = grave;
}

static void
put_rule(unsigned i, uint16_t output)
{
    struct flow_key key = random_key();
    struct flow_match match = { .mask.bits.dl_type.raw = 0xffff };
    if (below(2)) {
        match.mask.bits.nw_dst.ip4.raw = htobe32(UINT32_MAX << below(4));
    }
    if (below(3) == 0) {
        match.mask.bits.tp_dst.raw = 0xffff;
    }
    flow_key_mask(&key, &match.mask, &match.value);
    bury(i);
    rules[i] = (struct test_rule) { true, match, (uint16_t) (i + 1), output, 0, 0 };
    hal_changed_match(bridge, &match);
}

static void
remove_rule(unsigned i)
{
    rules[i].used = false;
    hal_changed_owner(bridge, identity[i]);
}

static void
change_rules(void)
{
    unsigned i = below(N_RULES);
    if (!rules[i].used) {
        put_rule(i, (uint16_t) below(5));
    } else if (below(3)) {
        rules[i].output = (uint16_t) below(5);
        hal_changed_owner(bridge, identity[i]);
    } else {
        remove_rule(i);
    }
}

/* Hardware forwards: what it has decides who is to be credited. */
static void
forward(void)
{
    struct fake_entry *f = &fake.table[below(TABLE)];
    uint32_t n = 1 + below(50);
    if (f->used && !fake.fenced) {
        f->packets += n;
        f->bytes += n * UINT64_C(100);
    }
}

static bool barrier_done;
static int barrier_error;

static void
done(void *aux, int error)
{
    (void) aux;
    barrier_done = true;
    barrier_error = error;
}

static void
run_until_done(void)
{
    for (unsigned i = 0; i < 100000 && !barrier_done; i++) {
        fake_work(1 + below(20));
        hal_step(hal);
        now_ns += 1000000;
    }
    assert_true(barrier_done);
}

static void
barrier(void)
{
    barrier_done = false;
    hal_barrier(hal, done, NULL);
    run_until_done();
}

static void
check_table(void)
{
    for (unsigned i = 0; i < TABLE; i++) {
        const struct fake_entry *f = &fake.table[i];
        const struct test_rule *rule = f->used ? find_rule(&f->match.value) : NULL;
        if (f->used && !fake.fenced && (!rule || rule->output != f->output)) {
            fail_msg("the device outputs to %u, the rules say %d", f->output,
                     rule ? rule->output : -1);
        }
    }
}

static void audit(bool repair);

/* --- tests -------------------------------------------------------------------------------- */

static void
barriers_are_the_truth(bool changes, unsigned refuse, uint64_t seed)
{
    unsigned in_hardware = 0;
    begin_new(seed, changes);
    fake.refuse_percent = refuse;
    for (unsigned step = 0; step < 6000; step++) {
        struct flow_key key = random_key();
        hal_offer(bridge, &key, 1000, NULL);
        if (below(4) == 0) {
            change_rules();
        }
        forward();
        if (below(3) == 0) {
            fake_work(below(6));
            hal_step(hal);
        }
        if (below(10) == 0) {
            now_ns += 60000000;
        }
        if (below(20) == 0) {
            barrier();
            assert_int_equal(barrier_error, 0);
            check_table();
            for (unsigned i = 0; i < TABLE; i++) {
                in_hardware += fake.table[i].used;
            }
        }
    }
    assert_true(in_hardware > 1000);
    assert_true(fake.n_removes > 200);
    assert_true(changes ? fake.n_changes > 20 : fake.n_changes == 0);
    end(false);
}

static void
after_a_barrier_the_device_says_what_the_rules_say(void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        barriers_are_the_truth(seed % 2, seed % 3 == 0 ? 20 : 0, seed);
    }
}

/* Everything that the device counted is credited, once it is out. */
static void
every_packet_is_credited_once(void **state)
{
    (void) state;
    uint64_t counted = 0, credited = 0;
    begin_new(7, true);
    for (unsigned step = 0; step < 3000; step++) {
        struct flow_key key = random_key();
        hal_offer(bridge, &key, 1000, NULL);
        struct fake_entry *f = &fake.table[below(TABLE)];
        if (f->used) {
            uint32_t n = 1 + below(9);
            f->packets += n;
            f->bytes += n * UINT64_C(100);
            counted += n;
        }
        if (below(5) == 0) {
            change_rules();
        }
        fake_work(3);
        hal_step(hal);
        now_ns += below(3) * UINT64_C(10000000);
    }
    for (unsigned i = 0; i < N_RULES; i++) {
        if (rules[i].used) {
            remove_rule(i);
        }
    }
    barrier();
    for (unsigned i = 0; i < TABLE; i++) {
        assert_false(fake.table[i].used);
    }
    for (unsigned i = 0; i < n_graves; i++) {
        credited += graves[i]->credited;
        assert_false(hal_owner_is_used(bridge, graves[i]));
    }
    assert_true(counted > 3000);
    assert_int_equal(credited, counted);
    end(false);
}

static void
offer(const struct flow_key *key)
{
    hal_offer(bridge, key, 1000, NULL);
    for (unsigned i = 0; i < 10; i++) {
        hal_step(hal);
        fake_work(100);
    }
    hal_step(hal);
}

static unsigned
n_in_device(void)
{
    unsigned n = 0;
    for (unsigned i = 0; i < TABLE; i++) {
        n += fake.table[i].used;
    }
    return n;
}

/* One rule for all packets, out of 'port'. */
static void
put_rule_for_all(uint16_t port)
{
    put_rule(0, port);
    rules[0].match = (struct flow_match) { 0 };
}

/* A device that answers nothing is fenced, and only then is the barrier over. */
static void
a_mute_device_is_fenced(void **state)
{
    (void) state;
    begin_new(1, true);
    put_rule_for_all(2);
    struct flow_key key = random_key();
    offer(&key);
    assert_int_equal(n_in_device(), 1);
    fake.mute = true;
    rules[0].output = 3;
    hal_changed_owner(bridge, identity[0]);
    barrier_done = false;
    hal_barrier(hal, done, NULL);
    for (unsigned ms = 0; ms < HAL_COMPLETE_MS - 100; ms += 20) {
        hal_step(hal);
        assert_false(barrier_done);
        now_ns += 20000000;
    }
    run_until_done();
    assert_true(fake.fenced);
    assert_int_equal(barrier_error, 0);
    assert_int_equal(ports_failed, 0);
    struct hal_verdict verdict;
    hal_offer(bridge, &key, 1000, &verdict);
    assert_int_equal(verdict.reason, HAL_REASON_DEVICE_MUTE);
    end(false);
}

/* Time goes on within a step: what was sent in it was not sent long ago. */
static void
a_change_just_sent_is_not_late(void **state)
{
    (void) state;
    begin_new(1, true);
    put_rule(0, 2);
    rules[0].match = (struct flow_match) { 0 };
    clock_step_ns = 1000000;
    for (unsigned i = 0; i < 200; i++) {
        struct flow_key key = random_key();
        offer(&key);
    }
    clock_step_ns = 0;
    assert_false(fake.fenced);
    assert_true(fake.n_adds > 0);
    end(false);
}

/* ... and if it can't be fenced the ports go down and the barrier says so. */
static void
a_device_that_cannot_be_fenced_loses_its_ports(void **state)
{
    (void) state;
    begin_new(1, true);
    put_rule_for_all(2);
    struct flow_key key = random_key();
    offer(&key);
    fake.mute = fake.deaf_to_fences = true;
    rules[0].output = 3;
    hal_changed_owner(bridge, identity[0]);
    barrier();
    assert_int_equal(barrier_error, -EIO);
    assert_int_equal(ports_failed, 4);
    end(false);
}

/* What the device had not taken when it was fenced is not offered to it later: the lists of
 * actions are gone. What it had taken is forgotten when it comes back into use. */
static void
what_waited_at_the_fence_is_forgotten(void **state)
{
    (void) state;
    begin_new(1, true);
    put_rule_for_all(2);
    struct flow_key key = random_key();
    fake.mute = true;
    hal_offer(bridge, &key, 1000, NULL);
    hal_step(hal);
    assert_int_equal(fake.n_pending, 1);
    fake.busy = true;
    key.nw_dst.ip4.raw = htobe32(0x0b000001);
    hal_offer(bridge, &key, 1000, NULL);
    hal_step(hal);
    now_ns += (HAL_COMPLETE_MS + 100) * UINT64_C(1000000);
    hal_step(hal);
    assert_true(fake.fenced);
    fake.busy = fake.mute = false;
    hal_step(hal);
    assert_int_equal(fake.n_pending, 1);
    audit(true);
    assert_false(fake.fenced);
    assert_int_equal(n_in_device(), 0);
    offer(&key);
    assert_int_equal(n_in_device(), 1);
    assert_false(fake.fenced);
    end(false);
}

/* A port that changes has those derived again that come in by it or go out to it, no other. */
static void
a_port_change_touches_its_own(void **state)
{
    (void) state;
    begin_new(1, true);
    for (unsigned i = 0; i < 3; i++) {
        put_rule(i, (uint16_t) (2 + i));
        rules[i].match = (struct flow_match) { .mask.bits.nw_dst.ip4.raw = UINT32_MAX,
                                               .value.nw_dst.ip4.raw = htobe32(0x0a000000 + i) };
    }
    struct flow_key key = random_key();
    for (uint32_t i = 0; i < 30; i++) {
        key.in_port = i < 29 ? 1 : 3;
        key.nw_dst.ip4.raw = htobe32(0x0a000000 + i % 3);
        key.tp_dst.raw = htobe16((uint16_t) i);
        offer(&key);
    }
    assert_int_equal(n_in_device(), 30);
    for (uint16_t no = 1; no < 5; no++) {
        static const unsigned expected[] = { 29, 10, 11, 10 };
        uint64_t before = counter_read(COUNTER_hal_rederived);
        struct hal_port port = { .no = no };
        hal_changed_port(bridge, &port);
        assert_int_equal(counter_read(COUNTER_hal_rederived) - before, expected[no - 1]);
    }
    barrier();
    assert_int_equal(n_in_device(), 30);
    end(false);
}

/* A device knows its ports by number: two bridges can't have the same one on it. */
static void
a_device_has_a_number_once(void **state)
{
    (void) state;
    char error[HAL_ERROR_SIZE];
    struct hal_port port = { .no = 3 };
    begin_new(1, true);
    struct hal_bridge *other = hal_bridge_new(hal, "br1", &source, NULL);
    assert_int_equal(hal_port_add(other, device, &port, error), -EEXIST);
    assert_non_null(strstr(error, "port 3 of bridge br1"));
    assert_non_null(strstr(error, "port 3 of bridge br0"));
    assert_null(hal_port_device(other, 3));
    hal_port_del(bridge, 3);
    assert_int_equal(hal_port_add(other, device, &port, error), 0);
    assert_int_equal(hal_port_add(bridge, device, &port, error), -EEXIST);
    end(false);
}

/* One that can't say whether it removed an entry is fenced as well, while its answer is being
 * heard; then software forwards, and the HAL has nothing of the device left. */
static void
a_device_that_breaks_on_removal_is_fenced(void **state)
{
    (void) state;
    begin_new(1, true);
    put_rule_for_all(2);
    struct flow_key key = random_key();
    for (uint32_t i = 0; i < 3; i++) {
        key.nw_dst.ip4.raw = htobe32(0x0a000000 + i);
        offer(&key);
    }
    assert_int_equal(n_in_device(), 3);
    fake.breaks = true;
    remove_rule(0);
    barrier();
    assert_int_equal(barrier_error, 0);
    assert_true(fake.fenced);
    struct hal_entry_info info;
    assert_false(hal_find(bridge, &key, &info));
    assert_false(hal_owner_is_used(bridge, identity[0]));
    put_rule_for_all(3);
    struct hal_verdict verdict;
    hal_offer(bridge, &key, 1000, &verdict);
    assert_int_equal(verdict.reason, HAL_REASON_DEVICE_MUTE);
    hal_step(hal);
    barrier();
    assert_false(hal_find(bridge, &key, &info));
    end(false);
}

/* A completion too many, of something unknown, or with an error that there is not: the device is
 * fenced, the reason says so, and software forwards. */
static void
a_driver_that_breaks_the_contract_is_fenced(void **state)
{
    enum { TWICE, UNKNOWN, OTHER_KIND, OTHER_ERROR, N_WAYS };
    (void) state;
    for (unsigned way = 0; way < N_WAYS; way++) {
        begin_new(1, true);
        put_rule_for_all(2);
        struct flow_key key = random_key();
        struct hal_entry_info info;
        offer(&key);
        assert_true(hal_find(bridge, &key, &info));
        struct hal_completion c = { .cookie = fake.table[0].cookie, .kind = HAL_ADD };
        if (way == UNKNOWN) {
            c.cookie = 12345;
        } else if (way != TWICE) {
            rules[0].output = 3;
            hal_changed_owner(bridge, identity[0]);
            hal_step(hal);
            assert_int_equal(fake.n_pending, 1);
            c.kind = way == OTHER_KIND ? HAL_REMOVE : HAL_CHANGE;
            c.error = way == OTHER_ERROR ? -EPERM : 0;
        }
        fake.host->complete(fake.host, &c, 1);
        hal_step(hal);
        assert_true(fake.fenced);
        struct hal_verdict verdict;
        hal_offer(bridge, &key, 1000, &verdict);
        assert_int_equal(verdict.reason, HAL_REASON_DRIVER_FAULT);
        assert_non_null(strstr(verdict.words, way == OTHER_ERROR ? "can't end so"
                                                                 : "was not on its way"));
        assert_false(hal_find(bridge, &key, &info));
        barrier();
        assert_int_equal(barrier_error, 0);
        end(false);
    }
}

static void
a_refusal_keeps_the_drivers_words(void **state)
{
    (void) state;
    begin_new(3, true);
    fake.refuse_percent = 100;
    put_rule_for_all(2);
    struct flow_key key = random_key();
    struct hal_entry_info info;
    for (unsigned i = 0; i < 10; i++) {
        offer(&key);
    }
    assert_true(hal_find(bridge, &key, &info));
    assert_int_equal(info.state, HAL_FAILED);
    assert_int_equal(info.verdict.reason, HAL_REASON_DRIVER_REFUSED);
    assert_string_equal(info.verdict.words, "not today");
    end(false);
}

static void
a_full_table_keeps_the_busiest(void **state)
{
    (void) state;
    begin_new(1, true);
    fake.capacity = 4;
    end(false);
    begin(1);
    put_rule_for_all(2);
    struct flow_key key = random_key();
    for (uint32_t i = 0; i < 8; i++) {
        key.nw_dst.ip4.raw = htobe32(0x0a000000 + i);
        hal_offer(bridge, &key, 100u << i, NULL);
        for (unsigned k = 0; k < 10; k++) {
            fake_work(100);
            hal_step(hal);
        }
        assert_in_range(n_in_device(), 1, 4);
    }
    struct hal_entry_info info;
    assert_true(hal_find(bridge, &key, &info));
    assert_int_equal(info.state, HAL_IN_HARDWARE);
    end(false);
}

static unsigned n_found[4];

static void
difference(const char *kind, const char *name, const struct hal_entry_info *info, void *aux)
{
    static const char *const kinds[] = { "missing", "stale", "altered", "foreign" };
    (void) aux;
    (void) info;
    assert_string_equal(name, "fake");
    for (unsigned i = 0; i < 4; i++) {
        n_found[i] += !strcmp(kind, kinds[i]);
    }
}

static unsigned n_differences;

static void
audited(unsigned n, void *aux)
{
    (void) aux;
    n_differences = n;
    barrier_done = true;
}

static void
audit(bool repair)
{
    memset(n_found, 0, sizeof n_found);
    barrier_done = false;
    now_ns += 5000000;
    hal_audit(hal, repair, difference, audited, NULL);
    run_until_done();
    barrier();
    for (unsigned i = 0; i < 10; i++) {
        fake_work(100);
        hal_step(hal);
    }
}

static void
an_audit_finds_and_repairs(void **state)
{
    (void) state;
    begin_new(1, true);
    put_rule_for_all(2);
    struct flow_key key = random_key();
    for (uint32_t i = 0; i < 6; i++) {
        key.nw_dst.ip4.raw = htobe32(0x0a000000 + i);
        offer(&key);
    }
    assert_int_equal(n_in_device(), 6);
    audit(false);
    assert_int_equal(n_differences, 0);
    fake.table[1].used = false;
    fake.table[2].output = 4;
    fake.table[20] = fake.table[0];
    fake.table[20].cookie = 12345;
    fake.table[20].match.value.nw_dst.ip4.raw = htobe32(0x0b000000);
    fake.table[21] = fake.table[20];
    fake.table[21].foreign = true;
    fake.table[21].cookie = 0;
    audit(false);
    assert_int_equal(n_differences, 4);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(n_found[i], 1);
    }
    audit(true);
    assert_int_equal(n_differences, 4);
    audit(false);
    assert_int_equal(n_differences, 1);     /* the stranger's */
    assert_int_equal(n_found[3], 1);
    assert_int_equal(n_in_device(), 7);
    check_table();
    end(false);
}

/* What rules there are agree with the device; it may have more. */
static void
check_table_of_rules(void)
{
    for (unsigned i = 0; i < TABLE; i++) {
        const struct fake_entry *f = &fake.table[i];
        const struct test_rule *rule = f->used ? find_rule(&f->match.value) : NULL;
        assert_true(!rule || rule->output == f->output);
    }
}

/* A restart: entries go on, and are adopted, rewritten or let go as rules come back. */
static void
entries_from_before_are_in_limbo(void **state)
{
    (void) state;
    begin_new(1, true);
    put_rule_for_all(2);
    struct flow_key key = random_key();
    for (uint32_t i = 0; i < 4; i++) {
        key.nw_dst.ip4.raw = htobe32(0x0a000000 + i);
        offer(&key);
    }
    end(true);
    assert_int_equal(n_in_device(), 4);
    begin(2);
    hal_start(hal);
    barrier();
    struct hal_entry_info info;
    for (unsigned i = 0; i < 10; i++) {
        hal_step(hal);
        fake_work(100);
    }
    assert_true(hal_find(bridge, &key, &info));
    assert_int_equal(info.state, HAL_LIMBO);
    assert_int_equal(fake.n_adopted, 4);
    /* One rule as before for one address, another for a second. */
    for (unsigned i = 0; i < 2; i++) {
        bury(i);
        rules[i] = (struct test_rule) { .used = true, .rank = 1, .output = (uint16_t) (2 + i) };
        rules[i].match.mask.bits.nw_dst.ip4.raw = UINT32_MAX;
        rules[i].match.value.nw_dst.ip4.raw = htobe32(0x0a000000 + i);
        hal_changed_match(bridge, &rules[i].match);
    }
    barrier();
    check_table_of_rules();
    for (unsigned i = 0; i < 10; i++) {
        hal_step(hal);
        fake_work(100);
    }
    assert_int_equal(n_in_device(), 4);
    key.nw_dst.ip4.raw = htobe32(0x0a000000);
    assert_true(hal_find(bridge, &key, &info));
    assert_int_equal(info.state, HAL_IN_HARDWARE);
    assert_int_equal(fake.n_changes + fake.n_removes, 1);
    /* A deletion ends limbo for what it names. */
    struct flow_match third = rules[0].match;
    third.value.nw_dst.ip4.raw = htobe32(0x0a000002);
    hal_deleted_match(bridge, &third);
    barrier();
    assert_int_equal(n_in_device(), 3);
    /* The rest goes when the grace is over. */
    hal_limbo_countdown(hal);
    now_ns += UINT64_C(1100000000);
    hal_step(hal);
    hal_step(hal);
    barrier();
    for (unsigned i = 0; i < 10; i++) {
        hal_step(hal);
        fake_work(100);
    }
    assert_int_equal(n_in_device(), 2);
    end(false);
}

/* --- order ------------------------------------------------------------------------------------ */

static uint32_t n_emptied, marks_asked;

static uint32_t
queued(void *aux, uint16_t port)
{
    (void) aux;
    assert_int_equal(port, 1);
    marks_asked++;
    return n_emptied;
}

static bool
drained(void *aux, uint16_t port, uint32_t mark)
{
    (void) aux;
    (void) port;
    return n_emptied != mark;
}

static void
add_busy_flow(unsigned i)
{
    struct flow_key key = { .in_port = 1, .dl_type.raw = htobe16(0x0800), .nw_proto = 17,
                            .nw_dst.ip4.raw = htobe32(0x0a000000 + i) };
    hal_offer(bridge, &key, 1000, NULL);
}

/* An entry waits until what was before it has left software; not for ever, and not its removal. */
static void
an_entry_waits_for_packets_before_it(void **state)
{
    static const struct hal_source ordered = {
        .derive = derive, .credit = credit, .port_failed = port_failed, .queued = queued,
        .drained = drained,
    };
    struct hal_load load;
    (void) state;
    begin_new(1, true);
    struct hal_bridge *plain = bridge;
    char error[HAL_ERROR_SIZE];
    hal_port_del(plain, 1);
    bridge = hal_bridge_new(hal, "br1", &ordered, NULL);
    assert_int_equal(hal_port_add(bridge, device, &(struct hal_port) { .no = 1 }, error), 0);
    bury(0);
    rules[0] = (struct test_rule) { .used = true, .rank = 1 };
    n_emptied = marks_asked = 0;
    add_busy_flow(1);
    hal_step(hal);
    for (unsigned i = 0; i < 5; i++) {
        int again_ms = hal_step(hal);
        assert_true(again_ms == 0 || again_ms == 1);
        now_ns += 1000000;
    }
    hal_get_load(hal, &load);
    assert_int_equal(load.waiting, 1);
    assert_int_equal(fake.n_pending, 0);
    n_emptied++;
    hal_step(hal);
    assert_int_equal(fake.n_pending, 1);
    fake_work(1);
    hal_step(hal);
    assert_int_equal(marks_asked, 1);
    assert_int_equal(n_in_device(), 1);
    /* Software that is never done is not waited for longer than 10 ms. */
    uint64_t late = counter_read(COUNTER_hal_not_drained);
    add_busy_flow(2);
    hal_step(hal);
    now_ns += 11000000;
    hal_step(hal);
    assert_int_equal(counter_read(COUNTER_hal_not_drained), late + 1);
    fake_work(1);
    hal_step(hal);
    assert_int_equal(n_in_device(), 2);
    /* What leaves hardware does not wait, nor does what a fence forgets. */
    rules[0].used = false;
    hal_owner_gone(bridge, identity[0]);
    hal_step(hal);
    assert_int_equal(fake.n_pending, 2);
    fake_work(2);
    hal_step(hal);
    assert_int_equal(n_in_device(), 0);
    rules[0].used = true;
    add_busy_flow(3);
    hal_step(hal);
    fake.host->event(fake.host, HAL_EVENT_GONE, "unplugged");
    hal_step(hal);
    hal_get_load(hal, &load);
    assert_int_equal(load.waiting, 0);
    end(false);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_a_barrier_the_device_says_what_the_rules_say),
        cmocka_unit_test(every_packet_is_credited_once),
        cmocka_unit_test(a_mute_device_is_fenced),
        cmocka_unit_test(a_change_just_sent_is_not_late),
        cmocka_unit_test(a_device_that_cannot_be_fenced_loses_its_ports),
        cmocka_unit_test(a_port_change_touches_its_own),
        cmocka_unit_test(a_device_has_a_number_once),
        cmocka_unit_test(what_waited_at_the_fence_is_forgotten),
        cmocka_unit_test(a_device_that_breaks_on_removal_is_fenced),
        cmocka_unit_test(a_driver_that_breaks_the_contract_is_fenced),
        cmocka_unit_test(a_refusal_keeps_the_drivers_words),
        cmocka_unit_test(a_full_table_keeps_the_busiest),
        cmocka_unit_test(an_audit_finds_and_repairs),
        cmocka_unit_test(entries_from_before_are_in_limbo),
        cmocka_unit_test(an_entry_waits_for_packets_before_it),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
