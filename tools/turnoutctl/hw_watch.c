/* SPDX-License-Identifier: Apache-2.0 */
/* turnoutctl hw watch: how full tables are, what moves, who forwards. */
#include <stdio.h>
#include <string.h>

#include "lib/strbuf.h"
#include "tools/turnoutctl/hw.h"
#include "tools/turnoutctl/rates.h"
#include "tools/turnoutctl/watch.h"

enum { BAR_MIN = 10, BAR_MAX = 60, BAR_DEFAULT = 20, BESIDE_BAR = 46 };

/* "[###...]", as long as the terminal has room for. */
static void
print_bar(const struct ctl *ctl, double share)
{
    size_t len = ctl->width > BESIDE_BAR + BAR_MIN ? ctl->width - BESIDE_BAR : BAR_MIN;
    len = !ctl->width ? BAR_DEFAULT : len > BAR_MAX ? BAR_MAX : len;
    putchar('[');
    for (size_t i = 0; i < len; i++) {
        putchar((double) i < share * (double) len ? '#' : '.');
    }
    fputs("] ", stdout);
}

static void
print_table(const struct ctl *ctl, const json_t *table)
{
    json_int_t capacity = ctl_number(table, "capacity"), foreign = ctl_number(table, "foreign");
    json_int_t used = ctl_number(table, "entries") + foreign;
    printf("  %-8s ", ctl_text(table, "name"));
    print_bar(ctl, capacity ? (double) used / (double) capacity : 0);
    printf("%lld", (long long) used);
    if (capacity) {
        printf(" of %lld, %.0f%%", (long long) capacity, 100.0 * (double) used / (double) capacity);
    }
    if (foreign) {
        printf(", %lld foreign", (long long) foreign);
    }
    putchar('\n');
}

/* "  TITLE: 12/s WHAT, 0/s WHAT\n": rates of a device. */
static void
print_rates(const json_t *device, const char *title, const char *const names[], size_t n)
{
    struct strbuf text = { 0 };
    strbuf_printf(&text, "  %-8s", title);
    for (size_t i = 0; i < n; i++) {
        char name[40];
        snprintf(name, sizeof name, "%s_per_s", names[i]);
        strbuf_puts(&text, i ? ", " : " ");
        ctl_put_rate(&text, device, name);
        strbuf_printf(&text, "/s %s", names[i]);
    }
    puts(strbuf_text(&text));
    strbuf_fini(&text);
}

static void
print_device(const struct ctl *ctl, const json_t *device)
{
    static const char *const packets[] = { "packets" };
    static const char *const moves[] = { "promoted", "demoted" };
    static const char *const changes[] = { "added", "changed", "removed", "refused", "lost" };
    const char *options = ctl_text(device, "options");
    const json_t *table;
    size_t i;
    printf("%s%s%s: %s%s\n", ctl_text(device, "driver"), *options ? ":" : "", options,
           json_is_true(json_object_get(device, "fenced")) ? "FENCED: " : "active",
           ctl_text(device, "why_fenced"));
    json_array_foreach(json_object_get(device, "tables"), i, table) {
        print_table(ctl, table);
    }
    print_rates(device, "hardware", packets, 1);
    print_rates(device, "moves", moves, sizeof moves / sizeof moves[0]);
    print_rates(device, "changes", changes, sizeof changes / sizeof changes[0]);
    printf("  entries  %lld pending, %lld in limbo, %lld refused\n",
           (long long) ctl_number(device, "pending"), (long long) ctl_number(device, "limbo"),
           (long long) ctl_number(device, "failed"));
}

/* Packets a second of all devices, and of software: what was looked up there, the HAL's credits
 * taken off. Null while they are not known. */
static void
add_packets(json_t *result, const json_t *bridges)
{
    const json_t *row;
    size_t i;
    double hardware = 0, all = 0;
    bool known = true;
    json_array_foreach(json_object_get(result, "devices"), i, row) {
        known = known && json_is_number(json_object_get(row, "packets_per_s"));
        hardware += ctl_real(row, "packets_per_s");
    }
    json_array_foreach(json_object_get(bridges, "bridges"), i, row) {
        const json_t *lookups = json_object_get(row, "lookups");
        known = known && json_is_number(json_object_get(lookups, "hit_per_s"));
        all += ctl_real(lookups, "hit_per_s") + ctl_real(lookups, "missed_per_s");
    }
    double software = all > hardware ? all - hardware : 0;
    json_object_set_new(result, "hardware_packets_per_s",
                        known ? json_real(hardware) : json_null());
    json_object_set_new(result, "software_packets_per_s",
                        known ? json_real(software) : json_null());
}

static void
print_packets(const struct ctl *ctl, const json_t *result)
{
    struct strbuf text = { 0 };
    double hardware = ctl_real(result, "hardware_packets_per_s");
    double all = hardware + ctl_real(result, "software_packets_per_s");
    fputs("packets    ", stdout);
    print_bar(ctl, all > 0 ? hardware / all : 0);
    ctl_put_rate(&text, result, "hardware_packets_per_s");
    strbuf_puts(&text, "/s hardware, ");
    ctl_put_rate(&text, result, "software_packets_per_s");
    strbuf_puts(&text, "/s software");
    puts(strbuf_text(&text));
    strbuf_fini(&text);
}

static int
show(struct ctl *ctl)
{
    json_t *result, *bridges;
    const json_t *device;
    size_t i;
    int status = ctl_call(ctl, "hw-show", NULL, &result);
    if (status) {
        return status;
    }
    status = ctl_call(ctl, "show", NULL, &bridges);
    if (!status) {
        add_packets(result, bridges);
        json_decref(bridges);
        if (ctl->json) {
            ctl_print_json(ctl, result);
        } else {
            print_packets(ctl, result);
            json_array_foreach(json_object_get(result, "devices"), i, device) {
                print_device(ctl, device);
            }
        }
    }
    json_decref(result);
    return status;
}

int
hw_watch(struct ctl *ctl, const char *const args[], unsigned n)
{
    static const struct ctl_command command = { .name = "hw watch", .run = show };
    json_t *result;
    (void) args;
    (void) n;
    int status = ctl_call(ctl, "hw-show", NULL, &result);
    if (status) {
        return status;
    }
    bool any = json_array_size(json_object_get(result, "devices"));
    json_decref(result);
    if (!any) {
        fprintf(stderr, "turnoutctl: turnoutd has no offload driver: it was started without "
                "--driver\n");
        return CTL_FAILED;
    }
    ctl->watch_ms = ctl->interval_ms ? ctl->interval_ms : HW_WATCH_MS;
    return watch_run(ctl, &command);
}
