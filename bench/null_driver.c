/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/null_driver.h"

#include <string.h>

#include "tests/unit/idle_driver.h"

bool null_takes_whole;

static struct hal_host *null_host;
static int null_state;

static void *
null_open(const struct hal_open *open, char *error)
{
    (void) error;
    null_host = open->host;
    return &null_state;
}

static int
null_probe(void *device, struct hal_caps *caps)
{
    (void) device;
    *caps = (struct hal_caps) { .n_tables = 1, .table[0] = {
        .name = "null", .counters = HAL_COUNT_BOTH, .changes = true,
        .priorities = null_takes_whole, .whole_rules = null_takes_whole,
        .outputs = HAL_OUTPUT_PORT | HAL_OUTPUT_IN_PORT | HAL_OUTPUT_NOWHERE,
        .actions = (1u << N_ACTION_TYPES) - 1, .ordered = (1u << N_ACTION_TYPES) - 1 } };
    memset(caps->table[0].field, FIELD_MASK_ANY, sizeof caps->table[0].field);
    return 0;
}

static size_t
null_submit(void *device, const struct hal_change *changes, size_t n)
{
    struct hal_completion done[HAL_SUBMIT_MAX];
    (void) device;
    memset(done, 0, n * sizeof done[0]);
    for (size_t i = 0; i < n; i++) {
        done[i].cookie = changes[i].cookie;
        done[i].kind = changes[i].kind;
    }
    null_host->complete(null_host, done, n);
    return n;
}

const struct hal_driver null_driver = {
    .abi = HAL_DRIVER_ABI, .name = "null", .summary = "keeps nothing", .options_help = "",
    .open = null_open, .close = idle_close, .probe = null_probe, .port_add = idle_port_add,
    .port_change = idle_port_add, .port_del = idle_port_del, .submit = null_submit,
    .fence = idle_fence, .stats = idle_stats, .dump = idle_dump, .flush = idle_flush,
};
