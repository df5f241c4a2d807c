/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that print a summary or a table. */
#include <stdio.h>
#include <string.h>

#include "lib/strbuf.h"
#include "tools/turnoutctl/ctl_cells.h"

#define N_COLUMNS(COLUMNS) (sizeof (COLUMNS) / sizeof (COLUMNS)[0])

static void
add_speed(struct table *table, json_int_t mbps)
{
    if (!mbps) {
        table_add(table, "-");
    } else if (mbps % 1000) {
        table_add(table, "%lldM", (long long) mbps);
    } else {
        table_add(table, "%lldG", (long long) mbps / 1000);
    }
}

static void
print_bridge_ports(const struct ctl *ctl, const json_t *ports)
{
    static const struct table_column columns[] = {
        { "PORT", TABLE_RIGHT }, { "NAME" }, { "LINK" }, { "SPEED", TABLE_RIGHT }, { "ADDRESS" },
        { "CONFIG", TABLE_LEFT, 8 },
    };
    struct table *table = table_new(columns, N_COLUMNS(columns));
    const json_t *port;
    size_t i;
    json_array_foreach(ports, i, port) {
        char number[CTL_PORT_SIZE], config[128];
        table_add(table, "%s", ctl_port_text(ctl_number(port, "number"), number));
        table_add(table, "%s", ctl_text(port, "name"));
        table_add(table, "%s", ctl_text(port, "link"));
        add_speed(table, ctl_number(port, "speed_mbps"));
        table_add(table, "%s", ctl_text(port, "address"));
        table_add(table, "%s", ctl_join(json_object_get(port, "config"), config, sizeof config));
    }
    table_print(table, stdout, 2, ctl->width);
    table_free(table);
}

/* "controlled", or what holds while nobody controls the bridge. */
static void
print_control(const json_t *control)
{
    const json_t *emergency = json_object_get(control, "emergency_flows");
    printf("  mode: %s for %llds; controllers: %s; fail mode: %s\n",
           ctl_text(control, "mode"), (long long) ctl_number(control, "since_s"),
           ctl_text(control, "controllers"), ctl_text(control, "fail_mode"));
    printf("  emergency flows: %lld (at most %lld), %lld acting\n",
           (long long) ctl_number(emergency, "count"), (long long) ctl_number(emergency, "max"),
           (long long) ctl_number(emergency, "acting"));
    if (json_is_true(json_object_get(control, "in_band"))) {
        printf("  in-band control: %lld hidden rules\n",
               (long long) ctl_number(control, "in_band_rules"));
    }
}

static void
print_bridge(const struct ctl *ctl, const json_t *bridge)
{
    const json_t *lookups = json_object_get(bridge, "lookups");
    const json_t *flows = json_object_get(bridge, "flows");
    const json_t *cache = json_object_get(bridge, "cache");
    printf("bridge %s\n", ctl_text(bridge, "name"));
    printf("  datapath-id: %s\n", ctl_text(bridge, "datapath_id"));
    printf("  controllers: %lld connected; a table miss goes to: %s\n",
           (long long) ctl_number(bridge, "controllers_connected"),
           ctl_text(bridge, "table_miss"));
    print_control(json_object_get(bridge, "control"));
    printf("  look-ups: hit:%lld missed:%lld lost:%lld\n", (long long) ctl_number(lookups, "hit"),
           (long long) ctl_number(lookups, "missed"), (long long) ctl_number(lookups, "lost"));
    if (ctl->rates) {
        struct strbuf text = { 0 };
        strbuf_puts(&text, "  look-ups per second: hit:");
        ctl_put_rate(&text, lookups, "hit_per_s");
        strbuf_puts(&text, " missed:");
        ctl_put_rate(&text, lookups, "missed_per_s");
        strbuf_puts(&text, " lost:");
        ctl_put_rate(&text, lookups, "lost_per_s");
        puts(strbuf_text(&text));
        strbuf_fini(&text);
    }
    printf("  flows: %lld (at most %lld)\n", (long long) ctl_number(flows, "count"),
           (long long) ctl_number(flows, "max"));
    printf("  cache: %lld entries (at most %lld), %lld evicted\n",
           (long long) ctl_number(cache, "entries"), (long long) ctl_number(cache, "capacity"),
           (long long) ctl_number(cache, "evictions"));
    print_bridge_ports(ctl, json_object_get(bridge, "ports"));
}

int
ctl_show(struct ctl *ctl)
{
    json_t *result;
    int status = ctl_ask(ctl, "show", ctl_params(ctl), &result);
    if (result) {
        const json_t *bridge;
        size_t i;
        json_array_foreach(json_object_get(result, "bridges"), i, bridge) {
            print_bridge(ctl, bridge);
        }
        json_decref(result);
    }
    return status;
}

/* Why ports don't forward, a line each. */
static void
print_reasons(const json_t *ports)
{
    const json_t *port;
    size_t i;
    json_array_foreach(ports, i, port) {
        const char *reason = ctl_text(port, "reason");
        if (reason[0]) {
            char number[CTL_PORT_SIZE];
            printf("port %s (%s) is held back: %s\n",
                   ctl_port_text(ctl_number(port, "number"), number), ctl_text(port, "name"),
                   reason);
        }
    }
}

static void
add_port(struct table *table, const json_t *port)
{
    static const char *const rates[] = {
        "rx_packets_per_s", "rx_bytes_per_s", "tx_packets_per_s", "tx_bytes_per_s",
    };
    static const char *const names[] = {
        "rx_packets", "rx_bytes", "rx_dropped", "rx_errors",
        "tx_packets", "tx_bytes", "tx_dropped", "tx_errors",
    };
    char number[CTL_PORT_SIZE], config[128];
    const char *stp = ctl_text(port, "stp_state");
    table_add(table, "%s", ctl_port_text(ctl_number(port, "number"), number));
    table_add(table, "%s", ctl_text(port, "name"));
    table_add(table, "%s", ctl_text(port, "link"));
    table_add(table, "%s", stp[0] ? stp : "-");
    for (size_t k = 0; k < sizeof rates / sizeof rates[0]; k++) {
        ctl_add_rate(table, port, rates[k]);
    }
    for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
        ctl_add_counter(table, port, names[k]);
    }
    table_add(table, "%s", ctl_join(json_object_get(port, "config"), config, sizeof config));
}

int
ctl_ports(struct ctl *ctl)
{
    static const struct table_column columns[] = {
        { "PORT", TABLE_RIGHT }, { "NAME" }, { "LINK" }, { "STP" },
        { "RX-PKT/S", TABLE_RIGHT, 0, true }, { "RX-BYTE/S", TABLE_RIGHT, 0, true },
        { "TX-PKT/S", TABLE_RIGHT, 0, true }, { "TX-BYTE/S", TABLE_RIGHT, 0, true },
        { "RX-PACKETS", TABLE_RIGHT }, { "RX-BYTES", TABLE_RIGHT }, { "RX-DROP", TABLE_RIGHT },
        { "RX-ERR", TABLE_RIGHT },
        { "TX-PACKETS", TABLE_RIGHT }, { "TX-BYTES", TABLE_RIGHT }, { "TX-DROP", TABLE_RIGHT },
        { "TX-ERR", TABLE_RIGHT }, { "CONFIG", TABLE_LEFT, 8 },
    };
    json_t *result;
    int status = ctl_ask(ctl, "ports", ctl_params(ctl), &result);
    if (!result) {
        return status;
    }
    struct table *table = ctl_table_new(ctl, columns, N_COLUMNS(columns));
    const json_t *ports = json_object_get(result, "ports"), *port;
    size_t i;
    json_array_foreach(ports, i, port) {
        add_port(table, port);
    }
    table_print(table, stdout, 0, ctl->width);
    table_free(table);
    print_reasons(ports);
    json_decref(result);
    return CTL_OK;
}

/* "default", or what the connection is told: "packet_in:action port_status:none". */
static void
add_async(struct table *table, const json_t *row)
{
    const char *kind, *before = "";
    const json_t *reasons, *reason;
    struct strbuf text = { 0 };
    size_t i;
    json_object_foreach(json_object_get(row, "async"), kind, reasons) {
        strbuf_printf(&text, "%s%s:%s", before, kind, json_array_size(reasons) ? "" : "none");
        json_array_foreach(reasons, i, reason) {
            strbuf_puts(&text, i ? "," : "");
            if (json_is_string(reason)) {
                strbuf_puts(&text, json_string_value(reason));
            } else {
                strbuf_printf(&text, "%lld", (long long) json_integer_value(reason));
            }
        }
        before = " ";
    }
    bool plain = json_is_false(json_object_get(row, "async_changed"));
    table_add(table, "%s", plain ? "default" : strbuf_text(&text));
    strbuf_fini(&text);
}

/* What an established connection has; of others it is left empty. */
static void
add_role(struct table *table, const json_t *row)
{
    if (!json_object_get(row, "role")) {
        for (int i = 0; i < 3; i++) {
            table_add(table, "%s", "");
        }
        return;
    }
    table_add(table, "%s", ctl_text(row, "role"));
    table_add(table, "%lld", (long long) ctl_number(row, "controller_id"));
    add_async(table, row);
}

static void
add_tls(struct table *table, const json_t *tls)
{
    if (json_is_object(tls)) {
        table_add(table, "%s %s %s", ctl_text(tls, "protocol"), ctl_text(tls, "cipher"),
                  ctl_text(tls, "peer_subject"));
    } else {
        table_add(table, "%s", "");
    }
}

static void
add_connections(struct table *table, const json_t *bridge)
{
    const json_t *row;
    size_t i;
    json_array_foreach(json_object_get(bridge, "connections"), i, row) {
        table_add(table, "%s", ctl_text(bridge, "name"));
        table_add(table, "%s", ctl_text(row, "target"));
        table_add(table, "%s", ctl_text(row, "state"));
        table_add(table, "%llds", (long long) ctl_number(row, "since_s"));
        table_add(table, "%s", ctl_text(row, "peer"));
        add_tls(table, json_object_get(row, "tls"));
        table_add(table, "%lld", (long long) ctl_number(row, "messages_in"));
        table_add(table, "%lld", (long long) ctl_number(row, "messages_out"));
        ctl_add_rate(table, row, "messages_in_per_s");
        ctl_add_rate(table, row, "messages_out_per_s");
        table_add(table, "%lld", (long long) ctl_number(row, "errors_sent"));
        table_add(table, "%lld", (long long) ctl_number(row, "dropped"));
        table_add(table, "%lld", (long long) ctl_number(row, "queued_bytes"));
        add_role(table, row);
        table_add(table, "%s", ctl_text(row, "last_error"));
    }
}

/* Packet-ins that got lost, by the port that they came in by. */
static void
print_drops(const json_t *bridge)
{
    const json_t *row;
    size_t i;
    json_array_foreach(json_object_get(bridge, "packet_in_drops"), i, row) {
        char number[CTL_PORT_SIZE];
        const json_t *n;
        const char *reason;
        printf("%s: port %s: packet-ins dropped:", ctl_text(bridge, "name"),
               ctl_port_text(ctl_number(row, "port"), number));
        json_object_foreach(json_object_get(row, "dropped"), reason, n) {
            printf(" %s:%lld", reason, (long long) json_integer_value(n));
        }
        putchar('\n');
    }
}

/* Who decides about packets, for each bridge. */
static void
print_modes(const struct ctl *ctl, const json_t *bridges)
{
    static const struct table_column columns[] = {
        { "BRIDGE" }, { "MODE" }, { "SINCE", TABLE_RIGHT }, { "CONTROLLERS" }, { "FAIL MODE" },
        { "EMERGENCY FLOWS", TABLE_RIGHT }, { "ACTING", TABLE_RIGHT },
    };
    struct table *table = table_new(columns, N_COLUMNS(columns));
    const json_t *bridge;
    size_t i;
    json_array_foreach(bridges, i, bridge) {
        const json_t *control = json_object_get(bridge, "control");
        const json_t *emergency = json_object_get(control, "emergency_flows");
        table_add(table, "%s", ctl_text(bridge, "name"));
        table_add(table, "%s", ctl_text(control, "mode"));
        table_add(table, "%llds", (long long) ctl_number(control, "since_s"));
        table_add(table, "%s", ctl_text(control, "controllers"));
        table_add(table, "%s", ctl_text(control, "fail_mode"));
        table_add(table, "%lld", (long long) ctl_number(emergency, "count"));
        table_add(table, "%lld", (long long) ctl_number(emergency, "acting"));
    }
    putchar('\n');
    table_print(table, stdout, 0, ctl->width);
    table_free(table);
}

int
ctl_controllers(struct ctl *ctl)
{
    static const struct table_column columns[] = {
        { "BRIDGE" }, { "TARGET", TABLE_LEFT, 12 }, { "STATE" }, { "SINCE", TABLE_RIGHT },
        { "PEER", TABLE_LEFT, 8 }, { "TLS", TABLE_LEFT, 8 },
        { "IN", TABLE_RIGHT }, { "OUT", TABLE_RIGHT },
        { "IN/S", TABLE_RIGHT, 0, true }, { "OUT/S", TABLE_RIGHT, 0, true },
        { "ERRORS", TABLE_RIGHT }, { "DROPPED", TABLE_RIGHT }, { "QUEUED", TABLE_RIGHT },
        { "ROLE" }, { "ID", TABLE_RIGHT }, { "ASYNC", TABLE_LEFT, 7 },
        { "LAST ERROR", TABLE_LEFT, 10 },
    };
    json_t *result;
    int status = ctl_ask(ctl, "controllers", ctl_params(ctl), &result);
    if (result) {
        const json_t *bridge;
        size_t i;
        struct table *table = ctl_table_new(ctl, columns, N_COLUMNS(columns));
        json_array_foreach(json_object_get(result, "bridges"), i, bridge) {
            add_connections(table, bridge);
        }
        table_print(table, stdout, 0, ctl->width);
        table_free(table);
        json_array_foreach(json_object_get(result, "bridges"), i, bridge) {
            print_drops(bridge);
        }
        print_modes(ctl, json_object_get(result, "bridges"));
        json_decref(result);
    }
    return status;
}

int
ctl_counters(struct ctl *ctl)
{
    static const struct table_column columns[] = {
        { "COUNTER" }, { "VALUE", TABLE_RIGHT }, { "/S", TABLE_RIGHT, 0, true },
        { "WHAT IT COUNTS", TABLE_LEFT, 10 },
    };
    json_t *result;
    int status = ctl_ask(ctl, "counters", NULL, &result);
    if (!result) {
        return status;
    }
    struct table *table = ctl_table_new(ctl, columns, N_COLUMNS(columns));
    const json_t *row;
    size_t i, n = 0;
    json_array_foreach(json_object_get(result, "counters"), i, row) {
        if (ctl->all || ctl_number(row, "value")) {
            table_add(table, "%s", ctl_text(row, "name"));
            table_add(table, "%lld", (long long) ctl_number(row, "value"));
            ctl_add_rate(table, row, "value_per_s");
            table_add(table, "%s", ctl_text(row, "help"));
            n++;
        }
    }
    if (n) {
        table_print(table, stdout, 0, ctl->width);
    } else {
        puts("All counters are 0.");
    }
    table_free(table);
    json_decref(result);
    return CTL_OK;
}
