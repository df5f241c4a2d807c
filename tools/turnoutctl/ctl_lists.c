/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that print long lists, as they come in. */
#include <stdio.h>

#include "lib/strbuf.h"
#include "tools/turnoutctl/ctl.h"

/* ", packets/s=..., bytes/s=..." while watching. */
static void
print_rates(const struct ctl *ctl, const json_t *row, char equals)
{
    if (ctl->rates) {
        struct strbuf text = { 0 };
        strbuf_printf(&text, ", packets/s%c", equals);
        ctl_put_rate(&text, row, "packets_per_s");
        strbuf_printf(&text, ", bytes/s%c", equals);
        ctl_put_rate(&text, row, "bytes_per_s");
        fputs(strbuf_text(&text), stdout);
        strbuf_fini(&text);
    }
}

/* As `ovs-ofctl dump-flows` does. */
static void
print_flow(const json_t *flow, void *ctl)
{
    printf(" cookie=%s, duration=%.3fs, table=%lld, n_packets=%lld, n_bytes=%lld",
           ctl_text(flow, "cookie"), ctl_real(flow, "duration_s"),
           (long long) ctl_number(flow, "table"),
           (long long) ctl_number(flow, "packets"), (long long) ctl_number(flow, "bytes"));
    print_rates(ctl, flow, '=');
    if (ctl_number(flow, "idle_timeout")) {
        printf(", idle_timeout=%lld", (long long) ctl_number(flow, "idle_timeout"));
    }
    if (ctl_number(flow, "hard_timeout")) {
        printf(", hard_timeout=%lld", (long long) ctl_number(flow, "hard_timeout"));
    }
    const char *match = ctl_text(flow, "match");
    printf(", idle_age=%lld, priority=%lld%s%s actions=%s\n", (long long) ctl_real(flow, "idle_s"),
           (long long) ctl_number(flow, "priority"), *match ? "," : "", match,
           ctl_text(flow, "actions"));
}

int
ctl_flows(struct ctl *ctl)
{
    json_t *params = ctl_params(ctl);
    if (ctl->args[0]) {
        json_object_set_new(params, "match", json_string(ctl->args[0]));
    }
    if (ctl->table) {
        json_object_set_new(params, "table", json_string(ctl->table));
    }
    return ctl_each_row(ctl, "flows", params, "flows", print_flow, ctl);
}

/* As `ovs-dpctl dump-flows` does. */
static void
print_entry(const json_t *entry, void *ctl)
{
    printf("%s, packets:%lld, bytes:%lld", ctl_text(entry, "match"),
           (long long) ctl_number(entry, "packets"), (long long) ctl_number(entry, "bytes"));
    print_rates(ctl, entry, ':');
    printf(", used:");
    if (json_is_null(json_object_get(entry, "used_s"))) {
        printf("never");
    } else {
        printf("%.3fs", ctl_real(entry, "used_s"));
    }
    printf(", actions:%s\n", ctl_text(entry, "actions"));
}

int
ctl_cache(struct ctl *ctl)
{
    return ctl_each_row(ctl, "cache", ctl_params(ctl), "entries", print_entry, ctl);
}

/* As `ovs-appctl fdb/show` does. */
static void
print_address(const json_t *row, void *aux)
{
    (void) aux;
    char port[CTL_PORT_SIZE];
    printf("%5s  %4lld  %s  %3lld\n", ctl_port_text(ctl_number(row, "port"), port),
           (long long) ctl_number(row, "vlan"), ctl_text(row, "address"),
           (long long) ctl_real(row, "age_s"));
}

int
ctl_fdb(struct ctl *ctl)
{
    if (!ctl->json) {
        printf("%5s  %4s  %-17s  %s\n", "PORT", "VLAN", "ADDRESS", "AGE");
    }
    return ctl_each_row(ctl, "fdb", ctl_params(ctl), "addresses", print_address, NULL);
}
