/* SPDX-License-Identifier: Apache-2.0 */
/* A driver whose device is odd in one way, that its options name: for reasons that the
 * simulated ASIC never has. It has one table, is not in the path of packets, and completes
 * everything at once. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hal/driver.h"
#include "tests/unit/idle_driver.h"

enum { MAX_ENTRIES = 64 };

struct odd {
    struct hal_host *host;
    char how[32];
    uint64_t n;                  /* handles given out */
};

static bool
is(const struct odd *odd, const char *how)
{
    return !strcmp(odd->how, how);
}

static void *
odd_open(const struct hal_open *open, char *error)
{
    struct odd *odd = calloc(1, sizeof *odd);
    if (odd && !strncmp(open->options, "how=", 4)) {
        odd->host = open->host;
        snprintf(odd->how, sizeof odd->how, "%s", open->options + strlen("how="));
    } else {
        snprintf(error, HAL_ERROR_SIZE, "no memory, or not how=WORD");
        free(odd);
        odd = NULL;
    }
    return odd;
}

static void
odd_close(void *device, bool keep)
{
    (void) keep;
    free(device);
}

static int
odd_probe(void *device, struct hal_caps *caps)
{
    const struct odd *odd = device;
    memset(caps, 0, sizeof *caps);
    caps->n_tables = 1;
    struct hal_table_caps *table = &caps->table[0];
    snprintf(table->name, sizeof table->name, "only");
    memset(table->field, FIELD_MASK_EXACT, sizeof table->field);
    table->counters = HAL_COUNT_BOTH;
    table->changes = true;
    table->capacity = MAX_ENTRIES;
    table->outputs = HAL_OUTPUT_PORT | (is(odd, "no-drop") ? 0 : HAL_OUTPUT_NOWHERE);
    table->required = 1u << FIELD_IN_PORT | (is(odd, "required") ? 1u << FIELD_DL_SRC : 0);
    table->actions = ((1u << N_ACTION_TYPES) - 1) & ~(1u << ACTION_ENQUEUE);
    table->max_masks = is(odd, "masks") ? 1 : 0;
    return 0;
}

static int
odd_check(const void *device, const struct hal_entry *entry, struct hal_verdict *verdict)
{
    const struct odd *odd = device;
    if (!is(odd, "check") || entry->priority != UINT16_MAX) {
        return 0;
    }
    verdict->reason = HAL_REASON_DRIVER_REFUSED;
    snprintf(verdict->words, sizeof verdict->words, "odd: not with this priority");
    return -EOPNOTSUPP;
}

static size_t
odd_submit(void *device, const struct hal_change *changes, size_t n)
{
    struct odd *odd = device;
    for (size_t i = 0; i < n; i++) {
        struct hal_completion c = { .cookie = changes[i].cookie, .kind = changes[i].kind };
        c.handle = changes[i].kind == HAL_ADD ? ++odd->n : changes[i].handle;
        c.verdict.field = c.verdict.action = HAL_OBJECT_NONE;
        if (is(odd, "stranger")) {
            c.error = -EEXIST;
            snprintf(c.verdict.words, sizeof c.verdict.words, "odd: somebody else has it");
        }
        if (is(odd, "gone")) {
            odd->host->event(odd->host, HAL_EVENT_GONE, "odd: unplugged");
        } else if (is(odd, "talks")) {
            odd->host->complete(odd->host, &c, (size_t) 1 << 40);   /* more than there is room */
        } else {
            odd->host->complete(odd->host, &c, 1);
        }
        if (is(odd, "twice")) {
            odd->host->complete(odd->host, &c, 1);
        }
    }
    return n;
}

static void
odd_describe(void *device, void (*fact)(const char *name, const char *value, void *aux), void *aux)
{
    const struct odd *odd = device;
    fact("odd in", odd->how, aux);
}

const struct hal_driver turnout_driver = {
    .abi = HAL_DRIVER_ABI,
    .name = "odd",
    .summary = "a device that is odd in one way, for tests",
    .options_help = "how=WORD: in which way it is odd\n",
    .open = odd_open,
    .close = odd_close,
    .probe = odd_probe,
    .port_add = idle_port_add,
    .port_change = idle_port_add,
    .port_del = idle_port_del,
    .check = odd_check,
    .submit = odd_submit,
    .fence = idle_fence,
    .stats = idle_stats,
    .dump = idle_dump,
    .flush = idle_flush,
    .describe = odd_describe,
};
