/* SPDX-License-Identifier: Apache-2.0 */
/* turnoutctl hw explain: where flows are, and why. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/turnoutctl/ctl_cells.h"
#include "tools/turnoutctl/hw.h"

/* "reason: NAME: field F, action A, port P (DEVICE/TABLE)", as far as they are known. */
static void
print_reason(const json_t *result, const json_t *reason)
{
    static const char *const faults[] = { "field", "action" };
    const char *before = ": ", *device = ctl_text(result, "device");
    const char *table = ctl_text(result, "table");
    char port[CTL_PORT_SIZE];
    printf("reason: %s", ctl_text(reason, "name"));
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        if (*ctl_text(reason, faults[i])) {
            printf("%s%s %s", before, faults[i], ctl_text(reason, faults[i]));
            before = ", ";
        }
    }
    if (ctl_number(reason, "port")) {
        printf("%sport %s", before, ctl_port_text(ctl_number(reason, "port"), port));
    }
    if (*device) {
        printf(" (%s%s%s)", device, *table ? "/" : "", table);
    }
    printf("\n  %s\n", ctl_text(reason, "summary"));
    if (*ctl_text(reason, "words")) {
        printf("  the driver says: %s\n", ctl_text(reason, "words"));
    }
    if (ctl_number(reason, "error")) {
        printf("  its error: %s\n", strerror((int) ctl_number(reason, "error")));
    }
    printf("  remedy: %s\n", ctl_text(reason, "remedy"));
}

/* Whether the rule is there as a whole; if not, why, as above. */
static void
print_whole(const json_t *whole)
{
    const json_t *reason = json_object_get(whole, "reason");
    bool is = json_is_true(json_object_get(whole, "is"));
    printf("as a whole rule: %s", is ? "yes\n" : "no; ");
    if (!is && json_is_object(reason)) {
        print_reason(whole, reason);
    }
}

/* A line of states that there are any of, and a table of reasons. */
static void
print_flows(const struct ctl *ctl, const char *whose, const json_t *flows)
{
    static const struct table_column columns[] = {
        { "FLOWS", TABLE_RIGHT }, { "REASON" }, { "MEANING", TABLE_LEFT, 10 },
    };
    static const char *const states[] = { "hardware", "pending", "leaving", "limbo", "refused",
                                          "software" };
    const json_t *reasons = json_object_get(flows, "reasons"), *row;
    size_t i;
    printf("%s: %lld in hardware", whose, (long long) ctl_number(flows, states[0]));
    for (i = 1; i < sizeof states / sizeof states[0]; i++) {
        if (ctl_number(flows, states[i])) {
            printf(", %lld %s%s", (long long) ctl_number(flows, states[i]),
                   strcmp(states[i], "software") ? "" : "in ", states[i]);
        }
    }
    puts(json_is_true(json_object_get(flows, "partial")) ? " (there are more)" : "");
    if (!json_array_size(reasons)) {
        return;
    }
    struct table *table = ctl_table_new(ctl, columns, sizeof columns / sizeof columns[0]);
    json_array_foreach(reasons, i, row) {
        table_add(table, "%lld", (long long) ctl_number(row, "count"));
        table_add(table, "%s", ctl_text(row, "name"));
        table_add(table, "%s", ctl_text(row, "summary"));
    }
    table_print(table, stdout, 2, ctl->width);
    table_free(table);
}

static void
print_explanation(const struct ctl *ctl, const json_t *result)
{
    const json_t *entry = json_object_get(result, "entry");
    const json_t *reason = json_object_get(result, "reason");
    const json_t *flows = json_object_get(result, "flows");
    if (*ctl_text(result, "state")) {
        printf("forwarded in: %s\n", ctl_text(result, "state"));
    }
    if (json_is_object(entry)) {
        hw_print_entry(entry, NULL);
    }
    if (json_is_object(reason)) {
        print_reason(result, reason);
    }
    if (json_is_object(json_object_get(result, "whole"))) {
        print_whole(json_object_get(result, "whole"));
    }
    if (json_is_object(json_object_get(result, "policy"))) {
        fputs("policy: ", stdout);
        hw_print_policy(json_object_get(result, "policy"));
        putchar('\n');
    }
    if (json_is_object(flows)) {
        const char *whose = entry ? "flows of its rule" : ctl->cookie ? "flows of the cookie" : "flows";
        print_flows(ctl, whose, flows);
    }
}

int
hw_explain(struct ctl *ctl, const char *const args[], unsigned n)
{
    if (n && !ctl->bridge && (ctl->cookie || ctl->all)) {
        ctl->bridge = args[0];
        n = 0;
    }
    if (n + !!ctl->cookie + ctl->all != 1) {
        fprintf(stderr, "turnoutctl: hw explain takes one of FLOW, --cookie and --all\n");
        return CTL_USAGE;
    }
    json_t *params = ctl_params(ctl), *result;
    if (ctl->all) {
        json_object_set_new(params, "all", json_true());
    } else {
        json_object_set_new(params, ctl->cookie ? "cookie" : "flow",
                            json_string(ctl->cookie ? ctl->cookie : args[0]));
    }
    int status = ctl_ask(ctl, "hw-explain", params, &result);
    if (result) {
        print_explanation(ctl, result);
        json_decref(result);
    }
    return status;
}
