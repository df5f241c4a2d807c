/* SPDX-License-Identifier: Apache-2.0 */
/* What the flow governor does. */
#include <stdio.h>
#include <string.h>

#include "tools/turnoutctl/ctl.h"
#include "tools/turnoutctl/ctl_cells.h"
#include "tools/turnoutctl/table.h"

static const char *
range(const json_t *bounds, char text[40])
{
    json_int_t min = ctl_number(bounds, "min"), max = ctl_number(bounds, "max");
    if (min == max) {
        snprintf(text, 40, "%lld/s", (long long) max);
    } else {
        snprintf(text, 40, "%lld to %lld/s", (long long) min, (long long) max);
    }
    return text;
}

static void
print_settings(const json_t *result)
{
    const json_t *worker;
    size_t i;
    char text[40];
    printf("governor: %s; over budget: %s\n", ctl_text(result, "mode"),
           ctl_text(result, "over_budget"));
    printf("set-ups: %s a worker; now", range(json_object_get(result, "setup_budget"), text));
    json_array_foreach(json_object_get(result, "workers"), i, worker) {
        printf("%s %lld/s", i ? "," : "", (long long) ctl_number(worker, "setups_per_s"));
    }
    printf("\nentries in hardware: %s", range(json_object_get(result, "entry_budget"), text));
    if (json_is_integer(json_object_get(result, "entries_per_s"))) {
        printf("; now %lld/s", (long long) ctl_number(result, "entries_per_s"));
    }
    puts("");
}

static void
add_row(struct table *table, const json_t *port)
{
    static const char *const totals[] = { "asked", "installed", "uncached", "dropped" };
    static const char *const reasons[] = { "not_proven", "over_budget", "flood" };
    const json_t *held = json_object_get(port, "held");
    char number[CTL_PORT_SIZE];
    table_add(table, "%s", ctl_text(port, "bridge"));
    table_add(table, "%s", ctl_port_text(ctl_number(port, "port"), number));
    table_add(table, "%s", ctl_text(port, "name"));
    table_add(table, "%s", ctl_text(port, "state"));
    table_add(table, "%lld", (long long) ctl_number(port, "floods"));
    table_add(table, "%lld", (long long) ctl_number(port, "share_per_s"));
    ctl_add_rate(table, port, "asked_per_s");
    ctl_add_rate(table, port, "installed_per_s");
    for (size_t i = 0; i < sizeof totals / sizeof totals[0]; i++) {
        ctl_add_counter(table, port, totals[i]);
    }
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        ctl_add_counter(table, held, reasons[i]);
    }
}

static void
print_ports(const struct ctl *ctl, const json_t *ports)
{
    static const struct table_column columns[] = {
        { "BRIDGE" }, { "PORT", TABLE_RIGHT }, { "NAME" }, { "STATE" }, { "FLOODS", TABLE_RIGHT },
        { "SHARE/S", TABLE_RIGHT }, { "ASKED/S", TABLE_RIGHT, 0, true },
        { "INSTALLED/S", TABLE_RIGHT, 0, true }, { "ASKED", TABLE_RIGHT },
        { "INSTALLED", TABLE_RIGHT }, { "UNCACHED", TABLE_RIGHT }, { "DROPPED", TABLE_RIGHT },
        { "NOT-PROVEN", TABLE_RIGHT }, { "OVER-BUDGET", TABLE_RIGHT }, { "FLOOD", TABLE_RIGHT },
    };
    struct table *table = ctl_table_new(ctl, columns, sizeof columns / sizeof columns[0]);
    const json_t *port;
    size_t i;
    json_array_foreach(ports, i, port) {
        add_row(table, port);
    }
    table_print(table, stdout, 0, ctl->width);
    table_free(table);
}

static void
print_list(const char *what, const json_t *sources)
{
    json_int_t of = ctl_number(sources, "of");
    const json_t *source;
    size_t i;
    json_array_foreach(json_object_get(sources, "list"), i, source) {
        json_int_t sure = ctl_number(source, "packets") - ctl_number(source, "error");
        printf("  %s %-17s %3lld%%\n", what, ctl_text(source, "address"),
               (long long) (of ? sure * 100 / of : 0));
    }
}

/* Who sent what was held back lately, of ports where something was. */
static void
print_sources(const json_t *ports)
{
    const json_t *port;
    size_t i;
    json_array_foreach(ports, i, port) {
        const json_t *sources = json_object_get(port, "sources");
        if (ctl_number(json_object_get(sources, "macs"), "of")) {
            char number[CTL_PORT_SIZE];
            printf("held back on port %s (%s), at least of it from:\n",
                   ctl_port_text(ctl_number(port, "port"), number), ctl_text(port, "name"));
            print_list("mac", json_object_get(sources, "macs"));
            print_list("ip ", json_object_get(sources, "addresses"));
        }
    }
}

int
ctl_governor(struct ctl *ctl)
{
    json_t *params = ctl_params(ctl), *result;
    if (ctl->args[0]) {
        json_object_set_new(params, "port", json_string(ctl->args[0]));
    }
    int status = ctl_ask(ctl, "governor", params, &result);
    if (result) {
        print_settings(result);
        print_ports(ctl, json_object_get(result, "ports"));
        print_sources(json_object_get(result, "ports"));
        json_decref(result);
    }
    return status;
}
