/* SPDX-License-Identifier: Apache-2.0 */
/* turnoutctl hw: what is in hardware, and why not. */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "lib/strbuf.h"
#include "tools/turnoutctl/hw.h"

enum { POLL_MS = 20, AUDIT_DIFFERS = 1, AUDIT_FAILED = 2 };

/* --- show -------------------------------------------------------------------------------- */

const char *
hw_bar(json_int_t used, json_int_t capacity, char buffer[HW_BAR_SIZE])
{
    enum { LEN = HW_BAR_SIZE - 4 };
    json_int_t full = capacity ? used * LEN / capacity : 0;
    buffer[0] = '\0';
    if (capacity) {
        buffer[0] = '[';
        for (int i = 0; i < LEN; i++) {
            buffer[1 + i] = i < full || (!i && used) ? '#' : '.';
        }
        memcpy(buffer + 1 + LEN, "] ", 3);
    }
    return buffer;
}

static void
print_table(const json_t *table)
{
    json_int_t entries = ctl_number(table, "entries"), capacity = ctl_number(table, "capacity");
    json_int_t foreign = ctl_number(table, "foreign"), used = entries + foreign;
    char bar[HW_BAR_SIZE];
    printf("  table %-8s %s%lld", ctl_text(table, "name"), hw_bar(used, capacity, bar),
           (long long) used);
    if (capacity) {
        printf(" of %lld", (long long) capacity);
    } else {
        fputs(" entries", stdout);
    }
    if (foreign) {
        printf(", %lld of them foreign", (long long) foreign);
    }
    putchar('\n');
}

/* While watching. */
static void
print_rates(const json_t *device, const char *const names[], size_t n)
{
    struct strbuf text = { 0 };
    for (size_t i = 0; i < n; i++) {
        char member[32];
        snprintf(member, sizeof member, "%s_per_s", names[i]);
        strbuf_printf(&text, "%s %s ", i ? "," : "", names[i]);
        ctl_put_rate(&text, device, member);
    }
    printf("  a second:%s\n", strbuf_text(&text));
    strbuf_fini(&text);
}

static void
print_facts(const json_t *device)
{
    const char *name;
    json_t *value;
    json_object_foreach(json_object_get(device, "facts"), name, value) {
        printf("  %s: %s\n", name, json_is_string(value) ? json_string_value(value) : "?");
    }
}

void
hw_print_looked_at(const json_t *device)
{
    const char *options = ctl_text(device, "options");
    const json_t *table;
    size_t i;
    printf("%s%s%s\n", ctl_text(device, "driver"), *options ? ":" : "", options);
    json_array_foreach(json_object_get(device, "tables"), i, table) {
        print_table(table);
    }
    print_facts(device);
}

static void
print_device(const json_t *device)
{
    static const char *const states[] = { "pending", "limbo", "failed" };
    static const char *const counts[] = { "added", "changed", "removed", "refused", "lost",
                                          "repaired", "moves" };
    const char *options = ctl_text(device, "options");
    const json_t *table;
    size_t i;
    printf("%s%s%s: %s%s\n", ctl_text(device, "driver"), *options ? ":" : "", options,
           json_is_true(json_object_get(device, "fenced")) ? "FENCED: " : "active",
           ctl_text(device, "why_fenced"));
    json_array_foreach(json_object_get(device, "tables"), i, table) {
        print_table(table);
    }
    printf("  entries:");
    for (i = 0; i < sizeof states / sizeof states[0]; i++) {
        printf("%s %s %lld", i ? "," : "", states[i], (long long) ctl_number(device, states[i]));
    }
    printf("\n  changes:");
    for (i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        printf("%s %s %lld", i ? "," : "", counts[i], (long long) ctl_number(device, counts[i]));
    }
    putchar('\n');
    if (json_object_get(device, "added_per_s")) {
        print_rates(device, counts, sizeof counts / sizeof counts[0]);
    }
    print_facts(device);
}

static int
hw_show(struct ctl *ctl, const char *const args[], unsigned n)
{
    (void) args;
    (void) n;
    json_t *result;
    int status = ctl_ask(ctl, "hw-show", NULL, &result);
    const json_t *devices = json_object_get(result, "devices"), *device, *bridge;
    size_t i;
    if (result && !json_array_size(devices)) {
        puts("No offload driver (turnoutd --driver).");
    } else if (result) {
        json_array_foreach(devices, i, device) {
            print_device(device);
        }
        json_array_foreach(json_object_get(result, "policies"), i, bridge) {
            hw_print_policies(bridge);
        }
    }
    json_decref(result);
    return status;
}

/* --- entries ----------------------------------------------------------------------- */

void
hw_print_entry(const json_t *entry, void *aux)
{
    (void) aux;
    const json_t *reason = json_object_get(entry, "reason");
    printf("%s/%s %s: packets=%lld, bytes=", ctl_text(entry, "device"), ctl_text(entry, "table"),
           ctl_text(entry, "state"), (long long) ctl_number(entry, "packets"));
    if (json_is_integer(json_object_get(entry, "bytes"))) {
        printf("%lld", (long long) ctl_number(entry, "bytes"));
    } else {
        putchar('?');
    }
    printf(", age=%.1fs, cookie=%s,%s priority=%lld,%s actions=%s", ctl_real(entry, "age_s"),
           ctl_text(entry, "cookie"), json_is_true(json_object_get(entry, "whole")) ? " whole," : "",
           (long long) ctl_number(entry, "priority"),
           ctl_text(entry, "match"), ctl_text(entry, "actions"));
    if (json_is_object(reason)) {
        printf(" (%s)", ctl_text(reason, "name"));
    }
    putchar('\n');
}

static int
hw_entries(struct ctl *ctl, const char *const args[], unsigned n)
{
    (void) args;
    (void) n;
    return ctl_each_row(ctl, "hw-entries", ctl_params(ctl), "entries", hw_print_entry, NULL);
}

/* --- fault, audit ---------------------------------------------------------------------------- */

static int
hw_fault(struct ctl *ctl, const char *const args[], unsigned n)
{
    (void) n;
    json_t *result;
    int status = ctl_ask(ctl, "hw-fault", json_pack("{s:s, s:s}", "driver", args[0],
                                                "what", args[1]), &result);
    if (result) {
        printf("driver %s: %s\n", args[0], args[1]);
        json_decref(result);
    }
    return status;
}

static int
print_audit(const struct ctl *ctl, json_t *result)
{
    const json_t *row, *count = json_object_get(result, "count");
    size_t i;
    if (ctl->json) {
        ctl_print_json(ctl, result);
    } else if (json_is_integer(count)) {
        json_array_foreach(json_object_get(result, "differences"), i, row) {
            printf("%s: ", ctl_text(row, "difference"));
            hw_print_entry(row, NULL);
        }
        printf("%lld differences%s\n", (long long) json_integer_value(count),
               ctl->repair && json_integer_value(count) ? "; what is ours is being repaired" : "");
    }
    if (!json_is_integer(count)) {
        fprintf(stderr, "turnoutctl: the audit failed: turnoutd has no memory for it\n");
        return AUDIT_FAILED;
    }
    return json_integer_value(count) ? AUDIT_DIFFERS : CTL_OK;
}

static int
hw_audit(struct ctl *ctl, const char *const args[], unsigned n)
{
    (void) args;
    (void) n;
    json_t *result;
    int status = ctl_call(ctl, "hw-audit", json_pack("{s:b}", "repair", ctl->repair), &result);
    while (!status && json_is_true(json_object_get(result, "running"))) {
        json_decref(result);
        poll(NULL, 0, POLL_MS);
        status = ctl_call(ctl, "hw-audit-status", NULL, &result);
    }
    if (status) {
        return AUDIT_FAILED;
    }
    status = print_audit(ctl, result);
    json_decref(result);
    return status;
}

/* --- the command ------------------------------------------------------------------------------ */

static const struct hw_command commands[] = {
    { "show", "show", 0, 0, HW_LIST | HW_DIRECT, hw_show },
    { "entries", "entries [BRIDGE]", 0, 1, HW_LIST | HW_BRIDGE | HW_DIRECT, hw_entries },
    { "policy", "policy show|set|del [BRIDGE] [POLICY]", 1, 3, 0, hw_policy },
    { "watch", "watch [--interval=SECONDS] [--count=N]", 0, 0, HW_WATCHES | HW_COUNTS, hw_watch },
    { "capture", "capture [BRIDGE] FLOW [--write=FILE] [--seconds=N] [--count=N]", 1, 2,
      HW_BRIDGE | HW_CAPTURES | HW_COUNTS, hw_capture },
    { "plan", "plan [BRIDGE] FILE", 1, 2, HW_BRIDGE, hw_plan },
    { "explain", "explain [BRIDGE] FLOW|--cookie=COOKIE|--all", 0, 2, HW_BRIDGE | HW_EXPLAINS,
      hw_explain },
    { "probe", "probe [DRIVER]", 0, 1, HW_DIRECT, hw_probe },
    { "diff", "diff FILE [FILE]", 1, 2, HW_OFFLINE | HW_COMPARES, hw_diff },
    { "doctor", "doctor [--direct] [--fix] [DEV...]", 0, CTL_MAX_ARGS - 1,
      HW_OFFLINE | HW_COMPARES | HW_DOCTOR, hw_doctor },
    { "fault", "fault DRIVER WHAT", 2, 2, 0, hw_fault },
    { "audit", "audit [--repair]", 0, 0, HW_REPAIR | HW_COMPARES | HW_DIRECT, hw_audit },
};
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

static const struct hw_command *
find_command(const char *name)
{
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (!strcmp(commands[i].name, name)) {
            return &commands[i];
        }
    }
    fprintf(stderr, "turnoutctl: hw '%s' is none; valid:", name);
    for (size_t i = 0; i < N_COMMANDS; i++) {
        fprintf(stderr, " %s", commands[i].name);
    }
    fputc('\n', stderr);
    return NULL;
}

int
hw_connect(struct ctl *ctl)
{
    return ctl->client ? CTL_OK : ctl_connect(ctl);
}

/* Past turnoutd: what has no meaning then is refused. */
static int
run_direct(struct ctl *ctl, const struct hw_command *command, unsigned n)
{
    if (!(command->flags & HW_DIRECT) || n || ctl->watch_ms || ctl->repair) {
        fputs("turnoutctl: usage: turnoutctl hw --direct DRIVER[:KEY=VALUE,...] "
              "show|entries|probe|audit\n", stderr);
        return CTL_USAGE;
    }
    ctl->schema = HW_SCHEMA;
    return hw_direct(ctl, command->name);
}

int
ctl_hw(struct ctl *ctl)
{
    const struct hw_command *command = find_command(ctl->args[0]);
    const char *const *args = ctl->args + 1;
    unsigned n = 0;
    while (args[n]) {
        n++;
    }
    if (!command) {
        return CTL_USAGE;
    }
    if (n < command->min || n > command->max || (ctl->watch_ms && !(command->flags & HW_LIST))
        || (ctl->repair && !(command->flags & HW_REPAIR))
        || (ctl->fix && !(command->flags & HW_DOCTOR))
        || ((ctl->all || ctl->cookie) && !(command->flags & HW_EXPLAINS))
        || (ctl->interval_ms && !(command->flags & HW_WATCHES))
        || (ctl->count && !(command->flags & HW_COUNTS))
        || ((ctl->seconds || ctl->write) && !(command->flags & HW_CAPTURES))) {
        fprintf(stderr, "turnoutctl: usage: turnoutctl hw %s\n", command->usage);
        return CTL_USAGE;
    }
    if (ctl->direct && !(command->flags & HW_DOCTOR)) {
        return run_direct(ctl, command, n);
    }
    if (!(command->flags & HW_OFFLINE) && hw_connect(ctl)) {
        return command->flags & HW_COMPARES ? AUDIT_FAILED : CTL_FAILED;
    }
    if (command->flags & HW_BRIDGE && n == command->max) {
        ctl->bridge = *args++;
        n--;
    }
    ctl->schema = HW_SCHEMA;
    ctl->schema_command = command->name;
    return command->run(ctl, args, n);
}
