/* SPDX-License-Identifier: Apache-2.0 */
/* Ops that the control thread needs done now: each runs in a thread of its own, for which the control
 * thread waits so long and no longer. A driver that does not return keeps what it was given, and the
 * op that it is in: nobody enters it again, but fence(). */
#include <stdlib.h>
#include <string.h>

#include "hal/internal.h"

struct call {
    struct hal_call ask;
    struct hal_device *device;
    bool over, left;             /* under the device's lock; left: the thread frees this */
};

static void *
call_main(void *aux)
{
    struct call *call = aux;
    struct hal_device *device = call->device;
    call->ask.run(&call->ask, device);
    pthread_mutex_lock(&device->lock);
    call->over = true;
    bool left = call->left;
    pthread_cond_broadcast(&device->call_ended);
    pthread_mutex_unlock(&device->lock);
    if (left) {
        facts_free(call->ask.facts);
        free(call);
    }
    return NULL;
}

/* True if it is over within some ms. */
static bool
wait_for(struct call *call, unsigned ms)
{
    struct hal_device *device = call->device;
    pthread_mutex_lock(&device->lock);
    device_wait(device, &device->call_ended, &call->over, true, ms);
    bool over = call->over;
    call->left = !over;
    pthread_mutex_unlock(&device->lock);
    return over;
}

bool
device_call(struct hal_device *device, unsigned ms, struct hal_call *ask)
{
    pthread_t thread;
    struct call *call = device->hal->config.stepped ? NULL : calloc(1, sizeof *call);
    if (!call) {
        ask->run(ask, device);       /* no threads, or no memory for one */
        return true;
    }
    *call = (struct call) { .ask = *ask, .device = device };
    if (pthread_create(&thread, NULL, call_main, call)) {
        free(call);
        ask->run(ask, device);
        return true;
    }
    bool over = wait_for(call, ms);
    if (over) {
        pthread_join(thread, NULL);
        *ask = call->ask;
        free(call);
    } else {
        pthread_detach(thread);
        device->hung = true;
        device->hal->hung = true;
        snprintf(ask->error, sizeof ask->error, "the driver does not return from %s()", ask->op);
    }
    return over;
}

void
device_leave_unless_hung(struct hal_device *device)
{
    if (!device->hung) {
        device_leave(device);
    }
}

/* --- what describe() says ------------------------------------------------------------------- */

/* Names and values in turn, each with its 0. */
struct hal_facts {
    char *text;
    size_t len, room;
};

static struct hal_facts *
facts_new(void)
{
    return calloc(1, sizeof(struct hal_facts));
}

void
facts_free(struct hal_facts *facts)
{
    if (facts) {
        free(facts->text);
        free(facts);
    }
}

static void
facts_add(const char *name, const char *value, void *aux)
{
    struct hal_facts *facts = aux;
    size_t name_size = strlen(name) + 1, value_size = strlen(value) + 1;
    if (facts->len + name_size + value_size > facts->room) {
        size_t room = 2 * facts->room + name_size + value_size + 512;
        char *text = realloc(facts->text, room);
        if (!text) {
            return;
        }
        facts->text = text;
        facts->room = room;
    }
    memcpy(facts->text + facts->len, name, name_size);
    memcpy(facts->text + facts->len + name_size, value, value_size);
    facts->len += name_size + value_size;
}

void
facts_visit(const struct hal_facts *facts,
            void (*fact)(const char *name, const char *value, void *aux), void *aux)
{
    for (size_t at = 0; facts && at < facts->len;) {
        const char *name = facts->text + at, *value = name + strlen(name) + 1;
        fact(name, value, aux);
        at = (size_t) (value + strlen(value) + 1 - facts->text);
    }
}

/* --- the ops -------------------------------------------------------------------------------- */

static void
run_port_add(struct hal_call *c, struct hal_device *d)
{
    c->result = d->driver->port_add(d->state, &c->port, c->error);
}

static void
run_port_change(struct hal_call *c, struct hal_device *d)
{
    c->result = d->driver->port_change(d->state, &c->port, c->error);
}

static void
run_port_del(struct hal_call *c, struct hal_device *d)
{
    d->driver->port_del(d->state, c->port.no);
}

static void
run_flush(struct hal_call *c, struct hal_device *d)
{
    c->result = d->driver->flush(d->state);
}

static void
run_fence(struct hal_call *c, struct hal_device *d)
{
    c->result = d->driver->fence(d->state, 0, c->on);
}

static void
run_close(struct hal_call *c, struct hal_device *d)
{
    d->driver->close(d->state, c->on);
}

static void
run_open(struct hal_call *c, struct hal_device *d)
{
    c->state = d->driver->open(&c->open, c->error);
}

static void
run_occupancy(struct hal_call *c, struct hal_device *d)
{
    d->driver->occupancy(d->state, c->occupied);
}

static void
run_fault(struct hal_call *c, struct hal_device *d)
{
    c->result = d->driver->fault(d->state, c->what, c->error);
}

static void
run_describe(struct hal_call *c, struct hal_device *d)
{
    c->facts = facts_new();
    if (c->facts) {
        d->driver->describe(d->state, facts_add, c->facts);
    }
}

static void
run_probe(struct hal_call *c, struct hal_device *d)
{
    c->result = d->driver->probe(d->state, &c->caps);
}

struct hal_call
call_port(enum hal_port_op op, const struct hal_port *port)
{
    static void (*const run[])(struct hal_call *, struct hal_device *) = {
        run_port_add, run_port_change, run_port_del };
    static const char *const names[] = { "port_add", "port_change", "port_del" };
    struct hal_call call = { .run = run[op], .op = names[op], .port = *port };
    snprintf(call.error, sizeof call.error, "the driver did not say why");
    return call;
}

struct hal_call
call_flush(void)
{
    return (struct hal_call) { .run = run_flush, .op = "flush" };
}

struct hal_call
call_fence(bool on)
{
    return (struct hal_call) { .run = run_fence, .op = "fence", .on = on };
}

struct hal_call
call_close(bool keep)
{
    return (struct hal_call) { .run = run_close, .op = "close", .on = keep };
}

struct hal_call
call_open(const struct hal_open *open)
{
    struct hal_call call = { .run = run_open, .op = "open", .open = *open };
    snprintf(call.error, sizeof call.error, "it did not say why");
    return call;
}

struct hal_call
call_probe(void)
{
    return (struct hal_call) { .run = run_probe, .op = "probe" };
}

struct hal_call
call_occupancy(void)
{
    return (struct hal_call) { .run = run_occupancy, .op = "occupancy" };
}

struct hal_call
call_fault(const char *what)
{
    struct hal_call call = { .run = run_fault, .op = "fault" };
    snprintf(call.what, sizeof call.what, "%s", what);
    return call;
}

struct hal_call
call_describe(void)
{
    return (struct hal_call) { .run = run_describe, .op = "describe" };
}
