/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/property/device_under_test.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/builtin.h"
#include "lib/clock.h"
#include "tests/property/sut_wire.h"

enum { WITHHELD = 4096, LATE_MS = 200 };

const char *const dut_fault_names[N_DUT_FAULTS] = {
    "refuse", "again", "io-error", "late-ack", "lose-ack", "ack-only", "stall", "lose-entry", "reset",
};

/* What becomes of the answer to a change that the driver has. */
enum fate { FATE_LOST = 1, FATE_UNKNOWN };

static struct dut {
    const struct sut_wire *wire;
    struct hal_driver wrapped;
    const struct hal_driver *inner;
    struct hal_host host;                /* the driver's */
    struct hal_host *outer;              /* the HAL */
    void *state;
    struct dut_counts counts;
    unsigned left[N_DUT_FAULTS];
    uint64_t stalled_until_ms, random;
    struct { uint64_t cookie; enum fate fate; } marks[WITHHELD];
    unsigned n_marks;
    struct { struct hal_completion c; uint64_t due_ms; } late[WITHHELD];
    unsigned n_late;
} dut;

static uint32_t
random_below(uint32_t n)
{
    dut.random = dut.random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t) (dut.random >> 33) % n;
}

static bool
happens(enum dut_fault fault)
{
    bool now = dut.left[fault] > 0;
    dut.left[fault] -= now;
    dut.counts.done[fault] += now;
    return now;
}

/* --- answers ---------------------------------------------------------------------------- */

static void
say(const struct hal_completion *c)
{
    dut.counts.refused += c->error != 0;
    dut.outer->complete(dut.outer, c, 1);
}

static void
mark(uint64_t cookie, enum fate fate)
{
    if (dut.n_marks < WITHHELD) {
        dut.marks[dut.n_marks].cookie = cookie;
        dut.marks[dut.n_marks++].fate = fate;
    }
}

static int
take_mark(uint64_t cookie)
{
    for (unsigned i = 0; i < dut.n_marks; i++) {
        if (dut.marks[i].cookie == cookie) {
            int fate = dut.marks[i].fate;
            dut.marks[i] = dut.marks[--dut.n_marks];
            return fate;
        }
    }
    return 0;
}

/* The driver under test says so. */
static void
host_complete(struct hal_host *host, const struct hal_completion *completions, size_t n)
{
    (void) host;
    for (size_t i = 0; i < n; i++) {
        struct hal_completion c = completions[i];
        int fate = take_mark(c.cookie);
        if (fate == FATE_LOST) {
            continue;
        }
        c.error = fate == FATE_UNKNOWN && !c.error ? -EIO : c.error;
        if (dut.n_late < WITHHELD && happens(DUT_LATE_ACK)) {
            dut.late[dut.n_late].due_ms = clock_ms() + 1 + random_below(LATE_MS);
            dut.late[dut.n_late++].c = c;
        } else {
            say(&c);
        }
    }
}

static void
host_event(struct hal_host *host, enum hal_event_kind kind, const char *why)
{
    (void) host;
    dut.outer->event(dut.outer, kind, why);
}

static uint64_t
host_clock_ms(struct hal_host *host)
{
    (void) host;
    return clock_ms();
}

static void
host_working(struct hal_host *host)
{
    (void) host;
    dut.outer->working(dut.outer);
}

static void
say_late(bool all)
{
    for (unsigned i = dut.n_late; i-- > 0;) {
        if (all || dut.late[i].due_ms <= clock_ms()) {
            struct hal_completion c = dut.late[i].c;
            dut.late[i] = dut.late[--dut.n_late];
            say(&c);
        }
    }
}

/* --- ops -------------------------------------------------------------------------------- */

static void
host_log(struct hal_host *host, int level, const char *format, ...)
{
    char text[256];
    va_list args;
    (void) host;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    dut.outer->log(dut.outer, level, "%s", text);
}

static void *
wrap_open(const struct hal_open *open, char *error)
{
    struct hal_open inner = *open;
    dut.outer = open->host;
    dut.host = (struct hal_host) { host_complete, host_event, host_log, host_clock_ms,
                                    host_working };
    inner.host = &dut.host;
    dut.state = dut.inner->open(&inner, error);
    return dut.state ? &dut : NULL;
}

static void
wrap_close(void *device, bool keep)
{
    (void) device;
    dut.inner->close(dut.state, keep);
    dut.state = NULL;
}

static int
wrap_probe(void *device, struct hal_caps *caps)
{
    (void) device;
    return dut.inner->probe(dut.state, caps);
}

/* The port as the driver is to see it. */
static struct hal_port
with_device(const struct hal_port *port)
{
    struct hal_port real = *port;
    sut_wire_device(dut.wire, port->no, real.name, &real.ifindex);
    return real;
}

static int
wrap_port_add(void *device, const struct hal_port *port, char *error)
{
    struct hal_port real = with_device(port);
    (void) device;
    return dut.inner->port_add(dut.state, &real, error);
}

static int
wrap_port_change(void *device, const struct hal_port *port, char *error)
{
    (void) device;
    struct hal_port real = with_device(port);
    return dut.inner->port_change(dut.state, &real, error);
}

static void
wrap_port_del(void *device, uint16_t port)
{
    (void) device;
    dut.inner->port_del(dut.state, port);
}

static int
wrap_check(const void *device, const struct hal_entry *entry, struct hal_verdict *verdict)
{
    (void) device;
    return dut.inner->check(dut.state, entry, verdict);
}

static void
answer(const struct hal_change *change, int error)
{
    struct hal_completion c = { .cookie = change->cookie, .handle = change->handle,
                                .kind = change->kind, .error = error };
    c.handle = change->kind == HAL_ADD ? UINT64_MAX - dut.counts.adds : change->handle;
    c.verdict = (struct hal_verdict) { .reason = error ? HAL_REASON_DRIVER_REFUSED : 0,
                                       .field = HAL_OBJECT_NONE, .action = HAL_OBJECT_NONE };
    say(&c);
}

/* True if the change goes no further. */
static bool
is_intercepted(const struct hal_change *change)
{
    if (happens(DUT_AGAIN)) {
        answer(change, -EAGAIN);
    } else if (change->kind == HAL_ADD && happens(DUT_REFUSE)) {
        answer(change, -EOPNOTSUPP);
    } else if (happens(DUT_ACK_ONLY)) {
        answer(change, 0);
    } else {
        return false;
    }
    return true;
}

static enum dut_plant planted;

void
dut_set_plant(enum dut_plant plant)
{
    planted = plant;
}

/* Hands one change on, with the planted bug. */
static size_t
submit_planted(const struct hal_change *change)
{
    struct hal_change changed = *change;
    changed.entry.priority = planted == DUT_PLANT_ONE_PRIORITY ? 1 : changed.entry.priority;
    return dut.inner->submit(dut.state, &changed, 1);
}

static size_t
wrap_submit(void *device, const struct hal_change *changes, size_t n)
{
    (void) device;
    size_t i = 0;
    for (; i < n && clock_ms() >= dut.stalled_until_ms; i++) {
        const struct hal_change *change = &changes[i];
        dut.counts.adds += change->kind == HAL_ADD;
        dut.counts.changes += change->kind == HAL_CHANGE;
        dut.counts.removes += change->kind == HAL_REMOVE;
        if (is_intercepted(change)) {
            continue;
        }
        unsigned n_marks = dut.n_marks;
        if (happens(DUT_LOSE_ACK)) {
            mark(change->cookie, FATE_LOST);
        } else if (change->kind == HAL_ADD && happens(DUT_IO_ERROR)) {
            mark(change->cookie, FATE_UNKNOWN);
        }
        if (!submit_planted(change)) {
            dut.n_marks = n_marks;
            break;
        }
    }
    return i;
}

static int
wrap_fence(void *device, uint16_t port, bool on)
{
    (void) device;
    return dut.inner->fence(dut.state, port, on);
}

static int
wrap_stats(void *device, const uint64_t *cookies, const uint64_t *handles, size_t n,
           struct hal_counters *out)
{
    (void) device;
    return dut.inner->stats(dut.state, cookies, handles, n, out);
}

static int
wrap_dump(void *device, uint64_t *position, bool (*visit)(const struct hal_dumped *, void *aux),
          void *aux)
{
    (void) device;
    return dut.inner->dump(dut.state, position, visit, aux);
}

/* None of what is on its way completes. */
static int
wrap_flush(void *device)
{
    (void) device;
    dut.n_marks = dut.n_late = 0;
    return dut.inner->flush(dut.state);
}

static void
wrap_describe(void *device, void (*fact)(const char *name, const char *value, void *aux), void *aux)
{
    (void) device;
    dut.inner->describe(dut.state, fact, aux);
}

static void
wrap_occupancy(const void *device, uint32_t entries[HAL_MAX_TABLES])
{
    (void) device;
    dut.inner->occupancy(dut.state, entries);
}

static int
wrap_step(void *device)
{
    (void) device;
    if (clock_ms() < dut.stalled_until_ms) {
        return 1;
    }
    say_late(false);
    int ms = dut.inner->step ? dut.inner->step(dut.state) : -1;
    return dut.n_late && (ms < 0 || ms > 1) ? 1 : ms;
}

static void
wrap_process(void *device, uint16_t port, struct hal_packet packets[], size_t n, bool miss[],
             struct hal_packet_out *out)
{
    (void) device;
    dut.inner->process(dut.state, port, packets, n, miss, out);
    dut.counts.packets += n;
    for (size_t i = 0; i < n; i++) {
        dut.counts.hits += !miss[i];
    }
}

/* --- what the test does ------------------------------------------------------------------- */

static const struct hal_driver *
find_inner(const char *spec, char *error)
{
    char name[256];
    size_t length = strcspn(spec, ":");
    snprintf(name, sizeof name, "%.*s", (int) length, spec);
    for (const struct hal_driver *const *d = builtin_drivers; *d; d++) {
        if (!strcmp((*d)->name, name)) {
            return *d;
        }
    }
    void *object = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    const struct hal_driver *driver = object ? dlsym(object, "turnout_driver") : NULL;
    if (!driver) {
        snprintf(error, HAL_ERROR_SIZE, "%.60s: neither a driver that is built in nor one to load: %.120s",
                 name, object ? "no turnout_driver in it" : dlerror());
    }
    return driver;
}

const struct hal_driver *
dut_wrap(const char *spec, const char **options, char *error)
{
    const struct hal_driver *inner = find_inner(spec, error);
    if (!inner) {
        return NULL;
    }
    memset(&dut, 0, sizeof dut);
    dut.inner = inner;
    dut.wrapped = (struct hal_driver) {
        .abi = inner->abi, .name = inner->name, .summary = inner->summary,
        .options_help = inner->options_help, .open = wrap_open, .close = wrap_close,
        .probe = wrap_probe, .port_add = wrap_port_add, .port_change = wrap_port_change,
        .port_del = wrap_port_del, .check = inner->check ? wrap_check : NULL, .submit = wrap_submit,
        .fence = wrap_fence, .stats = wrap_stats, .dump = wrap_dump, .flush = wrap_flush,
        .describe = inner->describe ? wrap_describe : NULL,
        .occupancy = inner->occupancy ? wrap_occupancy : NULL, .step = wrap_step,
        .process = inner->process ? wrap_process : NULL,
    };
    spec += strcspn(spec, ":");
    *options = *spec ? spec + 1 : "";
    return &dut.wrapped;
}

void
dut_use_wire(const struct sut_wire *wire)
{
    dut.wire = wire;
}

/* One entry, of those that a dump shows. */
struct pick {
    uint32_t n;
    struct hal_change change;
    struct flow_match match;
};

static bool
pick_entry(const struct hal_dumped *d, void *aux)
{
    struct pick *pick = aux;
    if (!d->foreign && random_below(++pick->n) == 0) {
        pick->match = *d->entry.match;
        pick->change = (struct hal_change) { d->cookie, d->handle, HAL_REMOVE, d->entry };
    }
    return true;
}

static bool
count_entry(const struct hal_dumped *d, void *aux)
{
    *(unsigned *) aux += !d->foreign;
    return true;
}

unsigned
dut_n_entries(void)
{
    unsigned n = 0;
    uint64_t position = 0;
    dut.inner->dump(dut.state, &position, count_entry, &n);
    return n;
}

static void
lose_entry(void)
{
    static const struct action_list none = { .len = 0 };
    struct pick pick = { .n = 0 };
    uint64_t position = 0;
    dut.inner->dump(dut.state, &position, pick_entry, &pick);
    if (pick.n) {
        pick.change.entry.match = &pick.match;
        pick.change.entry.actions = &none;
        mark(pick.change.cookie, FATE_LOST);
        dut.inner->submit(dut.state, &pick.change, 1);
        wrap_step(&dut);
        dut.counts.done[DUT_LOSE_ENTRY]++;
        dut.outer->event(dut.outer, HAL_EVENT_LOST, "as the test wants it");
    }
}

void
dut_arm(enum dut_fault fault, unsigned n, uint32_t random)
{
    dut.random = random;
    if (fault == DUT_STALL) {
        dut.stalled_until_ms = clock_ms() + n;
        dut.counts.done[fault]++;
    } else if (fault == DUT_LOSE_ENTRY) {
        for (; n; n--) {
            lose_entry();
        }
    } else if (fault == DUT_RESET) {
        wrap_flush(&dut);
        dut.counts.done[fault]++;
        dut.outer->event(dut.outer, HAL_EVENT_RESET, "as the test wants it");
    } else {
        dut.left[fault] = n;
    }
}

void
dut_disarm(void)
{
    memset(dut.left, 0, sizeof dut.left);
    dut.stalled_until_ms = 0;
    say_late(true);
}

const struct dut_counts *
dut_get_counts(void)
{
    return &dut.counts;
}
