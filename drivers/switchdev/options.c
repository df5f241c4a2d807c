/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/switchdev/device.h"

const char switchdev_options_help[] =
    "vlans=N|N-M+...: VLANs whose tagged frames ports take (default 1-4094)\n"
    "pvid=N: the VLAN that frames without a tag are in, inside (default 1)\n"
    "flooding=refuse|accept: a chip that floods what no entry is for, and\n"
    "  can't be told not to, will not do (default), or will: then frames are\n"
    "  forwarded that no flow forwards\n"
    "any-port=yes|no: take ports of no switch chip, too (default no)\n";

static int
bad(char *error, const char *name, const char *value, const char *wanted)
{
    snprintf(error, HAL_ERROR_SIZE, "option %.20s: '%.40s' is not %s", name, value, wanted);
    return -EINVAL;
}

/* A number from 1 to 4094; 0: it is none. */
static unsigned
vlan_number(const char *text, char **end)
{
    unsigned long n = *text >= '0' && *text <= '9' ? strtoul(text, end, 10) : 0;
    return n < SWITCHDEV_VLANS - 1 ? (unsigned) n : 0;
}

static int
set_vlans(const char *value, struct switchdev_options *o, char *error)
{
    static const char wanted[] = "VLANs from 1 to 4094: 10, 10-19, 10+20-29";
    const char *one = value;
    memset(o->membership.vlans, 0, sizeof o->membership.vlans);
    for (bool more = true; more; one++) {
        char *end = NULL;
        unsigned first = vlan_number(one, &end);
        unsigned last = first && *end == '-' ? vlan_number(end + 1, &end) : first;
        if (!first || last < first || (*end && *end != '+')) {
            return bad(error, "vlans", value, wanted);
        }
        for (unsigned vid = first; vid <= last; vid++) {
            o->membership.vlans[vid / 64] |= UINT64_C(1) << (vid % 64);
        }
        more = *end == '+';
        one = end;
    }
    return 0;
}

static int
set_pvid(const char *value, struct switchdev_options *o, char *error)
{
    char *end = NULL;
    unsigned vid = vlan_number(value, &end);
    if (!vid || *end) {
        return bad(error, "pvid", value, "a number from 1 to 4094");
    }
    o->membership.pvid = (uint16_t) vid;
    return 0;
}

/* One of two words. */
static int
set_choice(const char *name, const char *value, const char *no, const char *yes, bool *out,
           char *error)
{
    char wanted[40];
    *out = !strcmp(value, yes);
    snprintf(wanted, sizeof wanted, "%s or %s", no, yes);
    return *out || !strcmp(value, no) ? 0 : bad(error, name, value, wanted);
}

static int
set_option(const char *name, const char *value, struct switchdev_options *o, char *error)
{
    if (!strcmp(name, "vlans")) {
        return set_vlans(value, o, error);
    }
    if (!strcmp(name, "pvid")) {
        return set_pvid(value, o, error);
    }
    if (!strcmp(name, "flooding")) {
        return set_choice(name, value, "refuse", "accept", &o->membership.may_flood, error);
    }
    if (!strcmp(name, "any-port")) {
        return set_choice(name, value, "no", "yes", &o->any_port, error);
    }
    snprintf(error, HAL_ERROR_SIZE, "unknown option '%.32s'; valid: vlans, pvid, flooding, any-port",
             name);
    return -EINVAL;
}

int
switchdev_options_parse(const char *text, struct switchdev_options *o, char *error)
{
    char ignored[HAL_ERROR_SIZE];
    *o = (struct switchdev_options) { .membership.pvid = 1 };
    set_vlans("1-4094", o, ignored);
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
