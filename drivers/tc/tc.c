/* SPDX-License-Identifier: Apache-2.0 */
/* The tc driver: flows as flower filters in the NIC or switch chip behind a network device. */
#include "drivers/tc/tc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/tc/driver.h"
#include "lib/netdev/ingress_drop.h"

static const char options_help[] =
    "skip_hw=yes|no: filters run in the kernel's software (default no: in\n"
    "  hardware only)\n"
    "bytes=frame|payload: whether hardware counts the Ethernet header\n"
    "  (default frame)\n"
    "rules=yes|no: whole rules by default, where they fit, instead of exact\n"
    "  matches (default no: where a policy says whole-rules=yes)\n"
    "lag-ms=N: how late the device's counters are, at most 10000 (default 1000)\n";

/* --- options ------------------------------------------------------------------------------------------ */

static int
set_option(struct tc *tc, const char *name, const char *value, char *error)
{
    char *end;
    if (!strcmp(name, "skip_hw") && (!strcmp(value, "yes") || !strcmp(value, "no"))) {
        tc->mode = !strcmp(value, "yes") ? TC_SKIP_HW : TC_SKIP_SW;
        return 0;
    }
    if (!strcmp(name, "bytes") && (!strcmp(value, "frame") || !strcmp(value, "payload"))) {
        tc->hw_has_header = !strcmp(value, "frame");
        return 0;
    }
    if (!strcmp(name, "rules") && (!strcmp(value, "yes") || !strcmp(value, "no"))) {
        tc->whole_rules = !strcmp(value, "yes");
        return 0;
    }
    if (!strcmp(name, "lag-ms")) {
        unsigned long ms = strtoul(value, &end, 10);
        if (*value >= '0' && *value <= '9' && !*end && ms <= 10000) {
            tc->counter_lag_ms = (uint32_t) ms;
            return 0;
        }
    }
    snprintf(error, HAL_ERROR_SIZE, "option %.40s=%.40s: there are skip_hw=yes|no, "
             "bytes=frame|payload, rules=yes|no and lag-ms=0 to 10000", name, value);
    return -EINVAL;
}

static int
parse_options(struct tc *tc, const char *options, char *error)
{
    char text[256], *save = NULL;
    if (strlen(options) >= sizeof text) {
        snprintf(error, HAL_ERROR_SIZE, "options of more than %zu characters", sizeof text - 1);
        return -EINVAL;
    }
    strcpy(text, options);
    for (char *word = strtok_r(text, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
        char *value = strchr(word, '=');
        if (value) {
            *value++ = '\0';
        }
        int result = set_option(tc, word, value ? value : "yes", error);
        if (result) {
            return result;
        }
    }
    return 0;
}

/* --- life ---------------------------------------------------------------------------------------------- */

static void
tc_free(struct tc *tc)
{
    tc_watch_free(tc->watch);
    tc_socket_free(tc->nl);
    tc_socket_free(tc->looks);
    tc_socket_free(tc->slow);
    tc_batch_fini(&tc->batch);
    tc_rules_fini(tc);
    free(tc);
}

static void
go_on(void *aux)
{
    struct tc *tc = aux;
    tc->host->working(tc->host);
}

/* The kernel answers, bit by bit: a table of 100,000 filters, or a busy machine, takes its time. */
static void
listen_for_signs(struct tc *tc)
{
    tc_socket_notify(tc->nl, go_on, tc);
    tc_socket_notify(tc->looks, go_on, tc);
    tc_socket_notify(tc->slow, go_on, tc);
}

static void *
tc_open(const struct hal_open *open, char *error)
{
    struct tc *tc = calloc(1, sizeof *tc);
    if (!tc) {
        snprintf(error, HAL_ERROR_SIZE, "no memory");
        return NULL;
    }
    *tc = (struct tc) { .host = open->host, .looks_only = open->read_only, .hw_has_header = true,
                        .kernel_has_terse = true, .num_of_vlans = true, .counter_lag_ms = 1000 };
    tc->state_dir = open->state_dir;
    tc_abilities_of_software(&tc->able);
    tc_ports_view(tc);
    if (parse_options(tc, open->options, error)) {
        free(tc);
        return NULL;
    }
    tc->nl = tc_socket_new(TC_RECEIVE_SIZE);
    tc->looks = tc->nl ? tc_socket_new(TC_RECEIVE_SIZE / 8) : NULL;
    tc->slow = tc->looks ? tc_socket_new(TC_RECEIVE_SIZE / 8) : NULL;
    tc->watch = tc->slow && !tc->looks_only ? tc_watch_new(tc, !open->stepped) : NULL;
    if (!tc->slow || (!tc->watch && !tc->looks_only) || !tc_batch_init(&tc->batch)) {
        snprintf(error, HAL_ERROR_SIZE, "rtnetlink: %s", strerror(errno));
        tc_free(tc);
        return NULL;
    }
    listen_for_signs(tc);
    int result = open->read_only ? tc_look_around(tc) : 0;
    if (result) {
        snprintf(error, HAL_ERROR_SIZE, "the filters can't be read: %s", strerror(-result));
        tc_free(tc);
        return NULL;
    }
    return tc;
}

static void
tc_close(void *device, bool keep)
{
    struct tc *tc = device;
    if (!keep && !tc->looks_only) {
        tc_flush(tc);
    }
    for (unsigned i = 0; i < TC_MAX_PORTS; i++) {
        if (tc->ports[i].no && tc->ports[i].made_qdisc && !tc->ports[i].gone) {
            ingress_drop_del_qdisc(tc->ports[i].ifindex);
        }
    }
    tc_free(tc);
}

/* --- what it can do -------------------------------------------------------------------------------------- */

static struct hal_table_caps
table_of(const struct tc *tc, const char *name, uint32_t lag_ms)
{
    struct hal_table_caps table = {
        .learnt = tc->tried ? HAL_PROBED : HAL_DECLARED,
        .counters = tc->limits.uncounted ? HAL_COUNT_NONE : HAL_COUNT_BOTH, .outputs = tc->able.outputs,
        .changes = true, .required = 1u << FIELD_IN_PORT | 1u << FIELD_DL_TYPE | 1u << FIELD_VLAN,
        .actions = tc->able.actions, .ordered = tc->able.actions,
        .max_actions = tc->limits.max_actions, .max_outputs = tc->limits.max_outputs,
        .counter_lag_ms = TC_MAX_LAG_MS + lag_ms,
    };
    snprintf(table.name, sizeof table.name, "%s", name);
    return table;
}

/* What all ports can do, since an entry may be for any: they tell of more in port_add(). */
static int
tc_probe(void *device, struct hal_caps *caps)
{
    const struct tc *tc = device;
    uint32_t lag_ms = tc->mode == TC_SKIP_HW ? 0
                      : tc->limits.lag_ms > tc->counter_lag_ms ? tc->limits.lag_ms : tc->counter_lag_ms;
    *caps = (struct hal_caps) { .n_tables = TC_N_TABLES, .misses_behind = tc->mode == TC_SKIP_HW };
    caps->table[TC_EXACT] = table_of(tc, "exact", lag_ms);
    caps->table[TC_RULES] = table_of(tc, "rules", lag_ms);
    caps->table[TC_RULES].priorities = true;
    caps->table[TC_RULES].whole_rules = tc->whole_rules;
    for (unsigned f = 0; f < N_FIELDS; f++) {
        bool can = tc->able.field[f] != FIELD_MASK_NONE;
        caps->table[TC_EXACT].field[f] = can ? FIELD_MASK_EXACT : FIELD_MASK_NONE;
        caps->table[TC_RULES].field[f] = tc->able.field[f];
    }
    return 0;
}

static void
tc_describe(void *device, void (*fact)(const char *name, const char *value, void *aux), void *aux)
{
    const struct tc *tc = device;
    char value[128];
    fact("mode", tc->mode == TC_SKIP_HW ? "skip_hw: the kernel's software" : "skip_sw: hardware", aux);
    for (unsigned i = 0; i < TC_MAX_PORTS; i++) {
        const struct tc_port *port = &tc->ports[i];
        if (port->no) {
            snprintf(value, sizeof value, "%s, switch %s, %u filters of strangers%s", port->name,
                     port->switch_id[0] ? port->switch_id : "none", port->n_foreign,
                     port->gone ? ", gone" : "");
            char name[32];
            snprintf(name, sizeof name, "port %u", port->no);
            fact(name, value, aux);
        }
    }
    fact("key num_of_vlans", !tc->tried ? "not tried" : tc->able.num_of_vlans ? "taken" : "not taken", aux);
    snprintf(value, sizeof value, "%llu", (unsigned long long) tc->n_altered);
    fact("altered by the kernel or the device", value, aux);
    snprintf(value, sizeof value, "%llu", (unsigned long long) tc->n_foreign_changes);
    fact("filters of ours that others changed", value, aux);
}

/* The watch's thread says when there is something. */
static int
tc_step(void *device)
{
    struct tc *tc = device;
    if (tc->watch) {
        tc_watch_run(tc, tc->watch);
    }
    return tc->watch ? tc_burst_step(tc) : -1;
}

const struct hal_driver tc_driver = {
    .abi = HAL_DRIVER_ABI,
    .name = "tc",
    .summary = "tc-flower: NICs and switch chips that take the kernel's filters",
    .options_help = options_help,
    .reads_only = true,
    .open = tc_open,
    .close = tc_close,
    .probe = tc_probe,
    .port_add = tc_port_add,
    .port_change = tc_port_change,
    .port_del = tc_port_del,
    .check = tc_check,
    .submit = tc_submit,
    .fence = tc_fence,
    .stats = tc_stats,
    .dump = tc_visit,
    .flush = tc_flush,
    .describe = tc_describe,
    .occupancy = tc_occupancy,
    .step = tc_step,
};
