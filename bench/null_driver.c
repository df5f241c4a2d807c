/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/null_driver.h"

#include <string.h>

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

static void
null_close(void *device, bool keep)
{
    (void) device;
    (void) keep;
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

static int
null_port(void *device, const struct hal_port *port, char *error)
{
    (void) device;
    (void) port;
    (void) error;
    return 0;
}

static void
null_port_del(void *device, uint16_t port)
{
    (void) device;
    (void) port;
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

static int
null_fence(void *device, uint16_t port, bool on)
{
    (void) device;
    (void) port;
    (void) on;
    return 0;
}

static int
null_stats(void *device, const uint64_t *cookies, const uint64_t *handles, size_t n,
           struct hal_counters *out)
{
    (void) device;
    (void) cookies;
    (void) handles;
    memset(out, 0, n * sizeof *out);
    return 0;
}

static int
null_dump(void *device, uint64_t *position, bool (*visit)(const struct hal_dumped *, void *aux),
          void *aux)
{
    (void) device;
    (void) position;
    (void) visit;
    (void) aux;
    return 0;
}

static int
null_flush(void *device)
{
    (void) device;
    return 0;
}

const struct hal_driver null_driver = {
    .abi = HAL_DRIVER_ABI, .name = "null", .summary = "keeps nothing", .options_help = "",
    .open = null_open, .close = null_close, .probe = null_probe, .port_add = null_port,
    .port_change = null_port, .port_del = null_port_del, .submit = null_submit,
    .fence = null_fence, .stats = null_stats, .dump = null_dump, .flush = null_flush,
};
