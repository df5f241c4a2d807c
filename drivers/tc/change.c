/* SPDX-License-Identifier: Apache-2.0 */
/* Changes: filters are added, replaced and deleted in batches, and what the kernel made is
 * looked at before a change is complete.
 *
 * Counters. A filter that goes is told of with its last counts (NLM_F_ECHO), and one that is
 * replaced is read in the same batch, just before. Between that reading and the end of the
 * filter in the device some packets may still be counted; nobody tells of these. */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "drivers/tc/tc.h"
#include "lib/counters.h"

/* A change on its way, and what was said of it. */
struct doing {
    const struct hal_change *change;
    uint32_t handle;
    uint64_t shape;              /* of the filter, if it is to be looked at; else 0 */
    uint64_t print;              /* of what it will do */
    struct flower_stats before;  /* CHANGE: of the filter that it replaces */
    struct hal_completion completion;
    bool contested;              /* a stranger may have its place */
    bool undo;                   /* the filter is not what was asked for: it goes again */
};

/* A run of submit(): messages, and whose they are. */
struct run {
    struct tc *tc;
    struct doing doing[HAL_SUBMIT_MAX];
    unsigned n;
    uint16_t whose[TC_BATCH_MAX];
    bool is_reading[TC_BATCH_MAX];
};

/* --- verdicts -------------------------------------------------------------------------------------- */

static void
refuse(struct hal_completion *c, int error, enum hal_reason reason, const char *words)
{
    c->error = error;
    c->verdict = (struct hal_verdict) { .reason = reason, .field = HAL_OBJECT_NONE,
                                        .action = HAL_OBJECT_NONE, .error = -error };
    snprintf(c->verdict.words, sizeof c->verdict.words, "%s", words);
}

/* What an error of the kernel's, or of the NIC's driver behind it, means to the HAL. */
static void
judge(struct hal_completion *c, const struct tc_answer *said)
{
    const char *words = said->words[0] ? said->words : said->error < 0 ? strerror(-said->error) : "";
    switch (said->error) {
    case -ENOSPC:
        refuse(c, -ENOSPC, strstr(words, "mask") ? HAL_REASON_TOO_MANY_MASKS : HAL_REASON_TABLE_FULL, words);
        break;
    case -EEXIST:
        refuse(c, -EEXIST, HAL_REASON_DRIVER_REFUSED, words);
        break;
    case -ENODEV:
        refuse(c, -EOPNOTSUPP, HAL_REASON_DEVICE_GONE, words);
        break;
    case -EAGAIN:
    case -ENOBUFS:
    case -ENOMEM:
    case -EINTR:
    case -EBUSY:
        refuse(c, -EAGAIN, HAL_REASON_DEVICE_BUSY, words);
        counter_inc(COUNTER_tc_again);
        break;
    case TC_NOT_TOLD:
        refuse(c, -EIO, HAL_REASON_DRIVER_REFUSED, "the kernel's answer was lost");
        counter_inc(COUNTER_tc_answer_lost);
        break;
    case -EIO:
    case -ETIMEDOUT:
        refuse(c, -EIO, HAL_REASON_DRIVER_REFUSED, words);
        break;
    default:
        refuse(c, -EOPNOTSUPP, HAL_REASON_DRIVER_REFUSED, words);
        c->verdict.error = -said->error;
        break;
    }
}

/* --- messages ---------------------------------------------------------------------------------------- */

static struct flower_options
options_of(const struct tc *tc, unsigned table)
{
    return (struct flower_options) {
        .max_ops = tc->able.max_ops,
        .flags = tc->mode == TC_SKIP_HW ? TCA_CLS_FLAGS_SKIP_HW : TCA_CLS_FLAGS_SKIP_SW,
        .num_of_vlans = tc->num_of_vlans, .whole = table == TC_RULES,
    };
}

static uint64_t
handle_of(const struct tc_rule *rule, uint32_t handle)
{
    return (uint64_t) rule->port << 48 | (uint64_t) rule->prio << 32 | handle;
}

static struct flower_place
place_of(const struct tc_port *port, const struct tc_rule *rule, uint32_t handle)
{
    return (struct flower_place) { .ifindex = port->ifindex, .in_port = port->no, .prio = rule->prio,
                                   .protocol = rule->protocol, .handle = handle };
}

/* Builds one message at the batch's end; false: 'completion' says why not. */
static bool
put(struct run *run, struct doing *d, enum flower_command command, const struct tc_port *port,
    const struct tc_rule *rule, bool reading)
{
    struct tc *tc = run->tc;
    struct flower_options options = options_of(tc, d->change->entry.table);
    struct flower_place place = place_of(port, rule, d->handle);
    uint8_t cookie[FLOWER_COOKIE_SIZE];
    const struct hal_entry *entry = &d->change->entry;
    tc_cookie_write(cookie, d->change->cookie, entry);
    struct flower_request request = {
        .command = command, .place = &place, .options = &options, .ports = &tc->view,
        .entry = entry, .cookie = cookie, .ops = &tc->asked.ops,
    };
    if (command == FLOWER_ADD || command == FLOWER_REPLACE) {
        d->shape = tc_shape_to_verify(tc, entry);
    }
    if (command == FLOWER_DELETE || d->shape) {
        request.nl_flags = NLM_F_ECHO;
    }
    size_t room, size;
    void *to = tc_batch_next(&tc->batch, &room);
    int error = to ? flower_encode(&request, to, room, &size, &d->completion.verdict) : -EMSGSIZE;
    if (error) {
        d->completion.error = -EOPNOTSUPP;
        return false;
    }
    run->whose[tc->batch.n] = (uint16_t) (d - run->doing);
    run->is_reading[tc->batch.n] = reading;
    d->print = command == FLOWER_ADD || command == FLOWER_REPLACE ? tc_print(&tc->asked.ops) : 0;
    tc_batch_add(&tc->batch, to);
    return true;
}

/* --- what was made --------------------------------------------------------------------------------- */

/* Compares what the kernel says that it has with the message that it was sent. */
static bool
is_as_asked(struct tc *tc, const struct doing *d, const struct nlmsghdr *asked,
            const struct nlmsghdr *made, struct hal_completion *c)
{
    if (flower_decode(made, made->nlmsg_len, &tc->made) || flower_decode(asked, asked->nlmsg_len, &tc->asked)) {
        refuse(c, -EOPNOTSUPP, HAL_REASON_DRIVER_REFUSED, "what the kernel made of it can't be read");
        return false;
    }
    if (tc->mode == TC_SKIP_SW && !(tc->made.flags & TCA_CLS_FLAGS_IN_HW)) {
        refuse(c, -EOPNOTSUPP, HAL_REASON_DRIVER_REFUSED, "it was accepted, but is not in hardware");
        return false;
    }
    c->verdict = (struct hal_verdict) { .field = HAL_OBJECT_NONE, .action = HAL_OBJECT_NONE };
    if (flower_compare(&tc->asked, &tc->made, &c->verdict)) {
        c->error = -EOPNOTSUPP;
        c->verdict.reason = HAL_REASON_DRIVER_REFUSED;
        return false;
    }
    tc_shape_is_verified(tc, d->shape);
    return true;
}

static void
was_added(struct run *run, struct doing *d, const struct nlmsghdr *asked, const struct tc_answer *said)
{
    struct tc *tc = run->tc;
    struct hal_completion *c = &d->completion;
    c->handle = handle_of(&tc->rules[d->handle], d->handle);
    if (said->error) {
        judge(c, said);
        if (said->error == -EEXIST || said->error == -EINVAL) {
            d->contested = true;
        }
        if (c->error != -EIO) {      /* of one that may be there the HAL says what becomes of it */
            tc_rule_free(tc, d->handle);
        }
        return;
    }
    tc->rules[d->handle].print = d->print;
    if (said->echo && !is_as_asked(tc, d, asked, said->echo, c)) {
        d->undo = true;
        tc->n_altered++;
        counter_inc(COUNTER_tc_altered);
    }
}

static void
was_changed(struct run *run, struct doing *d, const struct nlmsghdr *asked, const struct tc_answer *said)
{
    struct tc *tc = run->tc;
    struct tc_rule *rule = &tc->rules[d->handle];
    if (said->error) {
        judge(&d->completion, said);
        d->completion.error = said->error == -ENOENT ? -ENOENT : d->completion.error;
        return;
    }
    struct hal_counters total;
    rule->print = d->print;
    tc_count(tc, rule, &d->before, &total);
    rule->packets = rule->base_packets = total.packets;
    rule->bytes = rule->base_bytes = total.bytes;
    d->completion.final = total;
    if (said->echo && !is_as_asked(tc, d, asked, said->echo, &d->completion)) {
        d->completion.error = -EIO;  /* the HAL removes it, and says why */
        tc->n_altered++;
        counter_inc(COUNTER_tc_altered);
    }
}

static void
was_removed(struct run *run, struct doing *d, const struct tc_answer *said)
{
    struct tc *tc = run->tc;
    struct tc_rule *rule = &tc->rules[d->handle];
    struct tc_reading last;
    bool has_stats = said->echo && tc_read_terse(said->echo, &last) && last.stats.known;
    switch (said->error) {
    case 0:
        if (has_stats) {
            tc_count(tc, rule, &last.stats, &d->completion.final);
        } else {
            d->completion.final = (struct hal_counters) { rule->packets, rule->bytes };
            counter_inc(COUNTER_tc_final_unknown);
        }
        break;
    case -ENOENT:
    case -ENODEV:
    case -EINVAL:                    /* its qdisc is gone, and all that was there */
        d->completion.error = -ENOENT;
        break;
    default:
        judge(&d->completion, said);
        d->completion.error = d->completion.error == -EAGAIN ? -EAGAIN : -EIO;
        return;                      /* it may be there */
    }
    tc_rule_free(tc, d->handle);
}

/* Where message number 'index' of the batch is. */
static const struct nlmsghdr *
message_at(const struct tc_batch *batch, unsigned index)
{
    size_t at = 0;
    for (unsigned i = 0; i < index; i++) {
        at += MNL_ALIGN(((const struct nlmsghdr *) (const void *) (batch->data + at))->nlmsg_len);
    }
    return (const void *) (batch->data + at);
}

struct answers {
    struct run *run;
    const struct nlmsghdr *asked;    /* of the answer that comes next */
};

static void
on_answer(void *aux, unsigned index, const struct tc_answer *said)
{
    struct answers *answers = aux;
    struct run *run = answers->run;
    struct doing *d = &run->doing[run->whose[index]];
    const struct nlmsghdr *asked = answers->asked;
    answers->asked = (const void *) ((const char *) asked + MNL_ALIGN(asked->nlmsg_len));
    if (run->is_reading[index]) {
        struct tc_reading now;
        if (said->echo && tc_read_terse(said->echo, &now)) {
            d->before = now.stats;
        }
        return;
    }
    switch (d->change->kind) {
    case HAL_ADD: was_added(run, d, asked, said); break;
    case HAL_CHANGE: was_changed(run, d, asked, said); break;
    case HAL_REMOVE: was_removed(run, d, said); break;
    case HAL_ADOPT: break;
    }
}

/* --- a run --------------------------------------------------------------------------------------------- */

static void
say_all(struct run *run, int error)
{
    for (unsigned i = 0; i < run->tc->batch.n; i++) {
        on_answer(&(struct answers) { run, message_at(&run->tc->batch, i) }, i,
                  &(struct tc_answer) { .error = error, .words = "" });
    }
}

/* Sends what was put together. */
static void
send_batch(struct run *run)
{
    struct tc *tc = run->tc;
    struct answers answers = { run, (const void *) tc->batch.data };
    int error = tc_exchange(tc->nl, &tc->batch, on_answer, &answers);
    if (error) {
        say_all(run, error);
    }
    tc_batch_clear(&tc->batch);
}

/* A rule without a priority says nothing of the table: others have room in it. */
static void
refuse_without_place(struct hal_completion *c, unsigned table, uint16_t prio)
{
    if (prio) {
        refuse(c, -ENOSPC, HAL_REASON_TABLE_FULL, "no memory for more filters");
    } else if (table == TC_RULES) {
        refuse(c, -EOPNOTSUPP, HAL_REASON_DRIVER_REFUSED,
               "no tc priority is left between those of the rules above and below");
    } else {
        refuse(c, -ENOSPC, HAL_REASON_TABLE_FULL, "no tc priority is left for one more ethertype on the port");
    }
}

static void
add(struct run *run, struct doing *d)
{
    struct tc *tc = run->tc;
    const struct hal_entry *entry = &d->change->entry;
    const struct flow_match *match = entry->match;
    struct tc_port *port = tc_port_find(tc, match->value.in_port);
    struct flower_options options = options_of(tc, entry->table);
    struct hal_completion *c = &d->completion;
    uint16_t protocol, prio;
    if (!port || port->gone) {
        refuse(c, -EOPNOTSUPP, HAL_REASON_DEVICE_GONE, "the port's device is gone");
        return;
    }
    if (port->off) {
        refuse(c, -EOPNOTSUPP, HAL_REASON_DRIVER_REFUSED, "somebody switched hw-tc-offload off");
        return;
    }
    if (flower_protocol(match, &options, &protocol, &c->verdict)) {
        c->error = -EOPNOTSUPP;
        return;
    }
    prio = entry->table == TC_RULES ? tc_prio_rule(port, protocol, entry->priority)
           : tc_prio_exact(port, protocol);
    d->handle = prio ? tc_rule_new(tc) : 0;
    if (!d->handle || !tc_prio_hold(port, prio, protocol, entry->priority)) {
        if (d->handle) {
            tc_rule_free(tc, d->handle);
        }
        refuse_without_place(c, entry->table, prio);
        return;
    }
    tc->rules[d->handle] = (struct tc_rule) {
        .cookie = d->change->cookie, .port = port->no, .prio = prio, .protocol = protocol,
        .is_new = true, .tagged = tc_is_tagged(protocol),
    };
    if (!put(run, d, FLOWER_ADD, port, &tc->rules[d->handle], false)) {
        tc_rule_free(tc, d->handle);
    }
}

/* Of what there is: its rule and its port, or that it is gone. */
static void
change_existing(struct run *run, struct doing *d)
{
    struct tc *tc = run->tc;
    const struct hal_change *change = d->change;
    d->handle = (uint32_t) change->handle;
    struct tc_rule *rule = d->handle && d->handle < tc->n_rules ? &tc->rules[d->handle] : NULL;
    bool known = rule && rule->cookie && rule->port == change->handle >> 48
                 && rule->prio == (uint16_t) (change->handle >> 32)
                 && (change->kind == HAL_ADOPT || rule->cookie == change->cookie);
    struct tc_port *port = known ? tc_port_find(tc, rule->port) : NULL;
    if (known && rule->deleted && change->kind == HAL_REMOVE) {
        d->completion.final = (struct hal_counters) { rule->packets, rule->bytes };
        tc_rule_free(tc, d->handle);
    } else if (!port || rule->deleted || port->gone) {
        d->completion.error = -ENOENT;
    } else if (change->kind == HAL_ADOPT) {
        rule->cookie = change->cookie;
    } else if (change->kind == HAL_REMOVE) {
        put(run, d, FLOWER_DELETE, port, rule, false);
    } else if (put(run, d, FLOWER_GET, port, rule, true)) {
        put(run, d, FLOWER_REPLACE, port, rule, false);
    }
}

/* Deletes what was accepted and is not what was asked for. */
static void
undo(struct run *run)
{
    struct tc *tc = run->tc;
    for (unsigned i = 0; i < run->n; i++) {
        struct doing *d = &run->doing[i];
        if (!d->undo) {
            continue;
        }
        char buffer[1024] __attribute__((aligned(NLMSG_ALIGNTO)));
        const struct tc_rule *rule = &tc->rules[d->handle];
        struct tc_port *port = tc_port_find(tc, rule->port);
        struct flower_options options = options_of(tc, TC_EXACT);
        struct flower_place place = place_of(port, rule, d->handle);
        struct flower_request request = { .command = FLOWER_DELETE, .place = &place, .options = &options };
        size_t size;
        struct hal_verdict unused;
        int error = flower_encode(&request, buffer, sizeof buffer, &size, &unused);
        error = error ? error : tc_request(tc->nl, (void *) buffer, NULL, NULL);
        if (error && error != -ENOENT) {
            d->completion.error = -EIO;      /* it is there: the HAL goes on trying */
        } else {
            tc_rule_free(tc, d->handle);
        }
    }
}

/* A stranger has a filter in the place of one of ours: it is asked for again, elsewhere. */
static void
settle_contests(struct run *run)
{
    struct tc *tc = run->tc;
    struct tc_port *looked_at = NULL;
    for (unsigned i = 0; i < run->n; i++) {
        struct doing *d = &run->doing[i];
        struct tc_port *port = d->contested ? tc_port_find(tc, d->change->entry.match->value.in_port) : NULL;
        if (!port) {
            continue;
        }
        if (port != looked_at && !tc_prio_is_taken(port, (uint16_t) (d->completion.handle >> 32))) {
            tc_look_for_strangers(tc, port);
            looked_at = port;
        }
        if (tc_prio_is_taken(port, (uint16_t) (d->completion.handle >> 32))) {
            refuse(&d->completion, -EAGAIN, HAL_REASON_DEVICE_BUSY, "a stranger's filter has its place");
            counter_inc(COUNTER_tc_again);
        } else if (d->completion.error == -EEXIST) {
            tc->host->event(tc->host, HAL_EVENT_LOST, "a filter of ours is there that was forgotten");
        }
    }
}

size_t
tc_submit(void *device, const struct hal_change *changes, size_t n)
{
    struct tc *tc = device;
    struct run run = { .tc = tc };
    struct hal_completion said[HAL_SUBMIT_MAX];
    tc_batch_clear(&tc->batch);
    if (tc->watch) {
        tc_watch_run(tc, tc->watch); /* so that it is known who has which priority */
        tc_burst_note(tc, n);
    }
    for (size_t i = 0; i < n && i < HAL_SUBMIT_MAX; i++) {
        struct doing *d = &run.doing[run.n++];
        *d = (struct doing) { .change = &changes[i] };
        d->completion = (struct hal_completion) { .cookie = changes[i].cookie, .kind = changes[i].kind,
                                                  .handle = changes[i].handle };
        d->completion.verdict.field = d->completion.verdict.action = HAL_OBJECT_NONE;
        if (tc->batch.n + 2 > TC_BATCH_MAX || tc->batch.size + 2 * FLOWER_MSG_MAX > TC_BATCH_SIZE) {
            send_batch(&run);
        }
        if (changes[i].kind == HAL_ADD) {
            add(&run, d);
        } else {
            change_existing(&run, d);
        }
    }
    send_batch(&run);
    undo(&run);
    settle_contests(&run);
    for (unsigned i = 0; i < run.n; i++) {
        said[i] = run.doing[i].completion;
    }
    tc->host->complete(tc->host, said, run.n);
    return run.n;
}

int
tc_check(const void *device, const struct hal_entry *entry, struct hal_verdict *verdict)
{
    const struct tc *tc = device;
    struct flower_options options = options_of(tc, entry->table);
    uint16_t protocol;
    int error = flower_protocol(entry->match, &options, &protocol, verdict);
    error = error ? error : flower_check(entry, entry->match->value.in_port, &tc->view, &options, verdict);
    return error ? error : tc_check_outputs(tc, entry, verdict);
}

/* --- all at once --------------------------------------------------------------------------------------- */

static void
put_delete(struct tc *tc, const struct tc_port *port, uint32_t handle)
{
    const struct tc_rule *rule = &tc->rules[handle];
    struct flower_options options = options_of(tc, TC_EXACT);
    struct flower_place place = place_of(port, rule, handle);
    struct flower_request request = { .command = FLOWER_DELETE, .place = &place, .options = &options,
                                      .nl_flags = NLM_F_ECHO };
    struct hal_verdict unused;
    size_t room, size;
    void *to = tc_batch_next(&tc->batch, &room);
    if (to && !flower_encode(&request, to, room, &size, &unused)) {
        tc_batch_add(&tc->batch, to);
    }
}

struct deleting {
    struct tc *tc;
    int error;
};

/* The last counts are kept for who asks; an error that leaves a filter where it was is told. */
static void
was_deleted(void *aux, unsigned index, const struct tc_answer *said)
{
    struct deleting *deleting = aux;
    struct tc *tc = deleting->tc;
    (void) index;
    struct tc_reading read;
    if (said->echo && tc_read_terse(said->echo, &read) && read.stats.known
        && read.handle < tc->n_rules && tc->rules[read.handle].deleted) {
        struct tc_rule *rule = &tc->rules[read.handle];
        struct hal_counters last;
        tc_count(tc, rule, &read.stats, &last);
        rule->packets = last.packets;
        rule->bytes = last.bytes;
    }
    if (said->error && said->error != -ENOENT && said->error != -ENODEV && said->error != -EINVAL) {
        deleting->error = -EIO;
    }
}

static int
send_deletes(struct tc *tc)
{
    struct deleting deleting = { tc, 0 };
    int result = tc_exchange(tc->nl, &tc->batch, was_deleted, &deleting);
    tc_batch_clear(&tc->batch);
    return result ? result : deleting.error;
}

/* Those of one port, whose last counts are asked for later, or of all for 0. */
static int
flush_rules(struct tc *tc, uint16_t no)
{
    int error = 0;
    tc_batch_clear(&tc->batch);
    if (tc->watch) {
        tc_burst_note(tc, tc->n_used);
    }
    for (uint32_t i = 1; i < tc->n_rules; i++) {
        struct tc_rule *rule = &tc->rules[i];
        const struct tc_port *port = rule->cookie && !rule->deleted && (!no || rule->port == no) ? tc_port_find(tc, rule->port) : NULL;
        if (!port) {
            continue;
        }
        put_delete(tc, port, i);
        if (no) {
            tc_prio_release(tc_port_find(tc, no), rule->prio);
            rule->deleted = true;
        } else {
            tc_rule_free(tc, i);
        }
        if (tc->batch.n == TC_BATCH_MAX) {
            error = send_deletes(tc) ? -EIO : error;
        }
    }
    return send_deletes(tc) ? -EIO : error;
}

int
tc_flush(void *device)
{
    struct tc *tc = device;
    for (uint32_t i = 1; i < tc->n_rules; i++) {
        if (tc->rules[i].deleted) {
            tc_rule_free(tc, i);     /* nobody will ask */
        }
    }
    return flush_rules(tc, 0);
}

void
tc_flush_port(struct tc *tc, struct tc_port *port)
{
    int error = port->gone ? 0 : flush_rules(tc, port->no);
    if (error) {
        tc->host->log(tc->host, LOG_WARNING, "port %u, %s: some of its filters could not be deleted",
                      port->no, port->name);
    }
}
