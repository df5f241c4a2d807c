/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/sim/sim.h"

const char sim_options_help[] =
    "exact=N: entries of the exact-match table (default 65536)\n"
    "tcam=N: entries of the TCAM (default 512)\n"
    "masks=N: distinct masks of the exact-match table, at most 16 (default 8)\n"
    "latency-us=N: how long a change takes (default 0)\n"
    "rate=N: changes a second; 0: no limit (default)\n"
    "lag-ms=N: how late counters are (default 0)\n"
    "max-actions=N: actions of an entry, at most 16 (default)\n"
    "max-outputs=N: outputs of an entry; 0: no limit (default)\n"
    "counters=none|packets|both: what entries count (default both)\n"
    "changes=yes|no: actions can be replaced in place (default yes)\n"
    "rules=yes|no: the TCAM gets whole rules by default (default no)\n"
    "without=NAME: a field or action that it can't do; may be repeated\n"
    "file=yes|no|PATH: keep the tables in a file that stays (default no)\n"
    "faults=N: percent of the changes that go wrong (default 0)\n"
    "plan=FAULT:N+...: of a thousand changes N bring the fault: refuse,\n"
    "  lose-ack, ack-only, lose-entry, lose-now, io-error, idle,\n"
    "  stall (20 ms), count-late (200 ms), reset (default none)\n"
    "seed=N: of what is random (default 1)\n";

const char *const sim_fault_names[SIM_N_FAULTS] = {
    [SIM_REFUSE] = "refuse", [SIM_LOSE_ACK] = "lose-ack", [SIM_ACK_ONLY] = "ack-only",
    [SIM_LOSE_ENTRY] = "lose-entry", [SIM_LOSE_NOW] = "lose-now", [SIM_IO_ERROR] = "io-error",
    [SIM_IDLE] = "idle",
    [SIM_STALL] = "stall", [SIM_COUNT_LATE] = "count-late", [SIM_RESET] = "reset",
};

unsigned
sim_fault_find(const char *name, size_t length)
{
    unsigned f = 0;
    while (f < SIM_N_FAULTS && (strlen(sim_fault_names[f]) != length
                                || memcmp(sim_fault_names[f], name, length))) {
        f++;
    }
    return f;
}

bool
sim_fault_is_timed(unsigned fault)
{
    return fault == SIM_STALL || fault == SIM_COUNT_LATE;
}

struct number_option {
    const char *name;
    size_t offset;
    uint32_t min, max;
};

#define NUMBER(NAME, MEMBER, MIN, MAX) { NAME, offsetof(struct sim_options, MEMBER), MIN, MAX }

static const struct number_option numbers[] = {
    NUMBER("exact", exact, 0, SIM_MAX_EXACT),
    NUMBER("tcam", tcam, 0, SIM_MAX_TCAM),
    NUMBER("masks", masks, 1, SIM_MAX_MASKS),
    NUMBER("latency-us", latency_us, 0, 1000000),
    NUMBER("rate", rate, 0, 100000000),
    NUMBER("lag-ms", lag_ms, 0, 10000),
    NUMBER("seed", seed, 0, UINT32_MAX),
    NUMBER("max-actions", max_actions, 1, SIM_MAX_ACTIONS),
    NUMBER("max-outputs", max_outputs, 0, SIM_MAX_ACTIONS),
    NUMBER("faults", faults, 0, 100),
};

static int
bad(char *error, const char *name, const char *value, const char *wanted)
{
    snprintf(error, HAL_ERROR_SIZE, "option %.20s: '%.40s' is not %s", name, value, wanted);
    return -EINVAL;
}

static int
set_number(const struct number_option *option, const char *value, struct sim_options *o, char *error)
{
    char *end, wanted[64];
    unsigned long long n = strtoull(value, &end, 10);
    if (*value < '0' || *value > '9' || *end || n < option->min || n > option->max) {
        snprintf(wanted, sizeof wanted, "a number from %u to %u", option->min, option->max);
        return bad(error, option->name, value, wanted);
    }
    uint32_t number = (uint32_t) n;
    memcpy((char *) o + option->offset, &number, sizeof number);
    return 0;
}

static int
set_flag(const char *name, const char *value, bool *flag, char *error)
{
    *flag = !strcmp(value, "yes");
    return *flag || !strcmp(value, "no") ? 0 : bad(error, name, value, "yes or no");
}

static int
set_file(const char *value, struct sim_options *o, char *error)
{
    if (!strchr(value, '/')) {
        return set_flag("file", value, &o->file, error);
    }
    if (strlen(value) >= sizeof o->path) {
        return bad(error, "file", value, "a path that is short enough");
    }
    o->file = true;
    snprintf(o->path, sizeof o->path, "%s", value);
    return 0;
}

static int
set_counters(const char *value, struct sim_options *o, char *error)
{
    static const char *const kinds[] = { "none", "packets", "both" };
    for (uint8_t i = 0; i < 3; i++) {
        if (!strcmp(value, kinds[i])) {
            o->counters = i;
            return 0;
        }
    }
    return bad(error, "counters", value, "none, packets or both");
}

static int
set_without(const char *value, struct sim_options *o, char *error)
{
    for (unsigned i = 0; i < N_FIELDS; i++) {
        if (!strcmp(value, hal_field_name(i))) {
            o->without_fields |= 1u << i;
            return 0;
        }
    }
    for (unsigned i = 0; i < N_ACTION_TYPES; i++) {
        if (!strcmp(value, hal_action_name(i))) {
            o->without_actions |= 1u << i;
            return 0;
        }
    }
    return bad(error, "without", value, "a field (nw_dst, ...) or action (set-nw-dst, ...)");
}

/* FAULT:N+FAULT:N... */
static int
set_plan(const char *value, struct sim_options *o, char *error)
{
    const char *one = value;
    for (bool more = true; more; one++) {
        char *end = NULL;
        size_t length = strcspn(one, ":+");
        unsigned fault = sim_fault_find(one, length);
        one += length;
        unsigned long n = *one == ':' && one[1] >= '0' && one[1] <= '9' ? strtoul(one + 1, &end, 10) : 0;
        if (fault == SIM_N_FAULTS || !end || (*end && *end != '+') || n > 1000) {
            return bad(error, "plan", value, "FAULT:N+...: N from 0 to 1000, FAULT one of refuse, "
                       "lose-ack, ack-only, lose-entry, lose-now, io-error, idle, stall, count-late, "
                       "reset");
        }
        o->plan[fault] = (uint16_t) n;
        more = *end == '+';
        one = end;
    }
    return 0;
}

static int
set_option(const char *name, const char *value, struct sim_options *o, char *error)
{
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (!strcmp(name, numbers[i].name)) {
            return set_number(&numbers[i], value, o, error);
        }
    }
    if (!strcmp(name, "counters")) {
        return set_counters(value, o, error);
    }
    if (!strcmp(name, "without")) {
        return set_without(value, o, error);
    }
    if (!strcmp(name, "plan")) {
        return set_plan(value, o, error);
    }
    if (!strcmp(name, "file")) {
        return set_file(value, o, error);
    }
    if (!strcmp(name, "changes")) {
        return set_flag(name, value, &o->changes, error);
    }
    if (!strcmp(name, "rules")) {
        return set_flag(name, value, &o->rules, error);
    }
    snprintf(error, HAL_ERROR_SIZE, "unknown option '%.32s'; valid: exact, tcam, masks, latency-us, "
             "rate, lag-ms, max-actions, max-outputs, counters, changes, rules, without, file, faults, plan, seed",
             name);
    return -EINVAL;
}

int
sim_options_parse(const char *text, struct sim_options *o, char *error)
{
    *o = (struct sim_options) { .exact = 65536, .tcam = 512, .masks = 8, .seed = 1,
                                .max_actions = SIM_MAX_ACTIONS, .counters = HAL_COUNT_BOTH,
                                .changes = true };
    char *copy = strdup(text), *rest = NULL;
    int result = copy ? 0 : -ENOMEM;
    for (char *one = copy ? strtok_r(copy, ",", &rest) : NULL; one && !result;
         one = strtok_r(NULL, ",", &rest)) {
        char *value = strchr(one, '=');
        if (!value) {
            snprintf(error, HAL_ERROR_SIZE, "'%.40s' is not NAME=VALUE", one);
            result = -EINVAL;
            break;
        }
        *value++ = '\0';
        result = set_option(one, value, o, error);
    }
    free(copy);
    return result;
}
