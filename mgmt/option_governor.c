/* SPDX-License-Identifier: Apache-2.0 */
/* Options about the flow governor. */
#include <errno.h>
#include <string.h>

#include "mgmt/option_values.h"

static const char *const mode_names[] = {
    [GOVERNOR_OFF] = "off", [GOVERNOR_ON] = "on", [GOVERNOR_FIRST_PACKET] = "first-packet",
};

const char *
option_governor_mode_name(enum governor_mode mode)
{
    return mode_names[mode];
}

int
option_set_governor(struct config_parser *parser, const char *value, struct errmsg *err)
{
    for (unsigned i = 0; i < sizeof mode_names / sizeof mode_names[0]; i++) {
        if (!strcmp(value, mode_names[i])) {
            parser->config->governor.mode = i;
            return 0;
        }
    }
    errmsg_set(err, "'%.40s' is not valid; valid: on off first-packet", value);
    return -EINVAL;
}

int
option_set_over_budget(struct config_parser *parser, const char *value, struct errmsg *err)
{
    if (strcmp(value, "uncached") && strcmp(value, "drop")) {
        errmsg_set(err, "'%.40s' is not valid; valid: uncached drop", value);
        return -EINVAL;
    }
    parser->config->governor.drop = !strcmp(value, "drop");
    return 0;
}

/* Digits up to 'end' as a number from 1 to GOVERNOR_MAX_RATE; 0 if it is none. */
static uint32_t
parse_rate(const char *text, const char *end)
{
    uint64_t rate = 0;
    if (end - text < 1 || end - text > 9) {
        return 0;
    }
    for (; text < end; text++) {
        if (*text < '0' || *text > '9') {
            return 0;
        }
        rate = rate * 10 + (uint64_t) (*text - '0');
    }
    return rate <= GOVERNOR_MAX_RATE ? (uint32_t) rate : 0;
}

/* "N" or "MIN-MAX". */
static int
parse_bounds(const char *value, struct governor_bounds *bounds, struct errmsg *err)
{
    const char *dash = strchr(value, '-'), *end = value + strlen(value);
    uint32_t min = parse_rate(value, dash ? dash : end);
    uint32_t max = dash ? parse_rate(dash + 1, end) : min;
    if (!min || !max || min > max) {
        errmsg_set(err, "'%.40s' is neither a number from 1 to %d nor two as in 1000-50000, the "
                   "smaller one first", value, GOVERNOR_MAX_RATE);
        return -EINVAL;
    }
    *bounds = (struct governor_bounds) { min, max };
    return 0;
}

int
option_set_setup_budget(struct config_parser *parser, const char *value, struct errmsg *err)
{
    return parse_bounds(value, &parser->config->governor.setups, err);
}

int
option_set_entry_budget(struct config_parser *parser, const char *value, struct errmsg *err)
{
    return parse_bounds(value, &parser->config->governor.entries, err);
}
