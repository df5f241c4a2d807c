/* SPDX-License-Identifier: Apache-2.0 */
/* turnoutctl hw plan: where the flows of a file would go. Nothing changes. */
#include <stdio.h>
#include <string.h>

#include "tools/turnoutctl/hw.h"
#include "tools/turnoutctl/restore.h"

enum { PAGE_ROWS = 500 };

/* What is gathered from the pages. */
struct plan {
    struct ctl *ctl;
    json_t *flows;                 /* of --json */
    json_t *reasons;               /* name: how many flows */
    json_t *tables;
    json_int_t n[2][3];            /* with traffic, at once; hardware, partly, software */
};

static const char *const states[3] = { "hardware", "partly", "software" };

/* --- a flow ----------------------------------------------------------------------------------------- */

static void
print_place(const json_t *outcome)
{
    const json_t *reason = json_object_get(outcome, "reason");
    if (!json_is_object(reason)) {
        printf("%s/%s%s", ctl_text(outcome, "device"), ctl_text(outcome, "table"),
               json_is_true(json_object_get(outcome, "there")) ? ", where it is"
               : json_is_true(json_object_get(outcome, "evicts")) ? ", instead of a busy flow" : "");
        return;
    }
    const char *field = ctl_text(reason, "field"), *action = ctl_text(reason, "action");
    char port[CTL_PORT_SIZE];
    printf("software: %s", ctl_text(reason, "name"));
    if (*field) {
        printf(" (field %s)", field);
    } else if (ctl_number(reason, "port")) {
        printf(" (%s%sport %s)", action, *action ? " to " : "",
               ctl_port_text(ctl_number(reason, "port"), port));
    } else if (*action) {
        printf(" (action %s)", action);
    }
    if (*ctl_text(reason, "words")) {
        printf(": %s", ctl_text(reason, "words"));
    }
}

static void
print_ports(const json_t *ports)
{
    char text[CTL_PORT_SIZE];
    const json_t *port;
    size_t i;
    printf("from port%s", json_array_size(ports) == 1 ? "" : "s");
    json_array_foreach(ports, i, port) {
        printf(" %s", ctl_port_text(json_integer_value(port), text));
    }
    fputs(": ", stdout);
}

static void
print_flow(const json_t *row)
{
    const json_t *outcomes = json_object_get(row, "outcomes"), *outcome;
    size_t i;
    printf("line %lld: %s\n", (long long) ctl_number(row, "line"), ctl_text(row, "flow"));
    json_array_foreach(outcomes, i, outcome) {
        fputs(json_is_true(json_object_get(row, "at_once")) ? "  " : "  with traffic, ", stdout);
        if (!json_is_true(json_object_get(row, "at_once"))) {
            print_ports(json_object_get(outcome, "ports"));
        }
        print_place(outcome);
        putchar('\n');
    }
    if (!json_array_size(outcomes)) {
        puts("  no port that its packets could come from");
    }
}

/* Each reason once a flow. */
static void
count_reasons(struct plan *plan, const json_t *outcomes)
{
    const json_t *outcome;
    json_t *seen = json_object();
    size_t i;
    json_array_foreach(outcomes, i, outcome) {
        const char *name = ctl_text(json_object_get(outcome, "reason"), "name");
        if (*name && !json_object_get(seen, name)) {
            json_object_set_new(seen, name, json_true());
            json_object_set_new(plan->reasons, name,
                                json_integer(ctl_number(plan->reasons, name) + 1));
        }
    }
    json_decref(seen);
}

static void
take_flow(struct plan *plan, json_t *row)
{
    bool at_once = json_is_true(json_object_get(row, "at_once"));
    for (unsigned i = 0; i < 3; i++) {
        plan->n[at_once][i] += !strcmp(ctl_text(row, "state"), states[i]);
    }
    count_reasons(plan, json_object_get(row, "outcomes"));
    if (plan->ctl->json) {
        json_array_append(plan->flows, row);
    } else {
        print_flow(row);
    }
}

static int
take_pages(struct plan *plan)
{
    json_t *params = json_pack("{s:i}", "limit", PAGE_ROWS), *result, *row;
    bool more = true;
    int status = CTL_OK;
    while (more && !status) {
        size_t i;
        status = ctl_call(plan->ctl, "hw-plan", json_incref(params), &result);
        if (status) {
            break;
        }
        json_array_foreach(json_object_get(result, "flows"), i, row) {
            take_flow(plan, row);
        }
        json_t *next = json_object_get(result, "next");
        more = json_is_integer(next);
        json_object_set(params, "cursor", next);
        if (!more) {
            plan->tables = json_incref(json_object_get(result, "tables"));
        }
        json_decref(result);
    }
    json_decref(params);
    return status;
}

/* --- the whole -------------------------------------------------------------------------------------- */

/* What waits for traffic, and how much of it the table can't hold at the same time. */
static void
print_expected(const json_t *table, json_int_t then)
{
    json_int_t expected = ctl_number(table, "expected");
    json_int_t capacity = ctl_number(table, "capacity");
    if (expected) {
        printf("; at least %lld with traffic", (long long) expected);
    }
    if (expected && capacity && then + expected > capacity) {
        printf(", %lld too many at once", (long long) (then + expected - capacity));
    }
}

static void
print_table(const json_t *table)
{
    json_int_t now = ctl_number(table, "now"), added = ctl_number(table, "added");
    json_int_t then = now + added - ctl_number(table, "evicted");
    char bar[HW_BAR_SIZE];
    printf("%s/%-8s %s%lld", ctl_text(table, "device"), ctl_text(table, "name"),
           hw_bar(then, ctl_number(table, "capacity"), bar), (long long) then);
    if (ctl_number(table, "capacity")) {
        printf(" of %lld", (long long) ctl_number(table, "capacity"));
    }
    printf(" (now %lld, %lld more", (long long) now, (long long) added);
    if (ctl_number(table, "evicted")) {
        printf(", %lld busy flows less", (long long) ctl_number(table, "evicted"));
    }
    print_expected(table, then);
    puts(")");
}

static void
print_sum(const struct plan *plan)
{
    const json_t *table;
    json_t *count;
    const char *name;
    size_t i;
    printf("%sat once: hardware %lld, software %lld; with traffic: hardware %lld, partly %lld, "
           "software %lld\n", plan->n[0][0] + plan->n[0][1] + plan->n[0][2] + plan->n[1][0]
           + plan->n[1][2] ? "\n" : "", (long long) plan->n[1][0], (long long) plan->n[1][2],
           (long long) plan->n[0][0], (long long) plan->n[0][1], (long long) plan->n[0][2]);
    json_array_foreach(plan->tables, i, table) {
        print_table(table);
    }
    json_object_foreach(plan->reasons, name, count) {
        printf("%8lld %s\n", (long long) json_integer_value(count), name);
    }
}

static json_t *
sums(const json_int_t n[3])
{
    return json_pack("{s:I, s:I, s:I}", states[0], n[0], states[1], n[1], states[2], n[2]);
}

static void
print_json(const struct plan *plan, const char *bridge)
{
    json_t *all = json_pack("{s:s, s:O, s:O, s:O, s:o, s:o}", "bridge", bridge, "flows", plan->flows,
                            "tables", plan->tables, "reasons", plan->reasons,
                            "at_once", sums(plan->n[1]), "with_traffic", sums(plan->n[0]));
    ctl_print_json(plan->ctl, all);
    json_decref(all);
}

int
hw_plan(struct ctl *ctl, const char *const args[], unsigned n)
{
    char bridge[RESTORE_NAME_SIZE];
    struct plan plan = { .ctl = ctl, .flows = json_array(), .reasons = json_object() };
    (void) n;
    int status = restore_stage(ctl, args[0], false, bridge);
    status = status ? status : take_pages(&plan);
    if (!status && ctl->json) {
        print_json(&plan, bridge);
    } else if (!status) {
        print_sum(&plan);
    }
    json_decref(plan.flows);
    json_decref(plan.reasons);
    json_decref(plan.tables);
    return status;
}
