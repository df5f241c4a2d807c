/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/cpulist.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

static int
refuse(const char *list, const char *at, const char *why, struct errmsg *err)
{
    errmsg_set(err, "CPU list \"%.60s\" at %td: %s; CPU numbers and ranges are wanted, like 0,2-3",
               list, at - list + 1, why);
    return -EINVAL;
}

/* A CPU number; *p goes behind it. */
static bool
parse_cpu(const char **p, unsigned *cpu)
{
    if (!isdigit((unsigned char) **p)) {
        return false;
    }
    char *end;
    errno = 0;
    unsigned long x = strtoul(*p, &end, 10);
    if (errno || x >= CPULIST_MAX_CPUS) {
        return false;
    }
    *cpu = (unsigned) x;
    *p = end;
    return true;
}

/* "N" or "N-M"; *p goes behind it. NULL, or what is wrong. */
static const char *
parse_range(const char **p, unsigned *first, unsigned *last)
{
    if (!parse_cpu(p, first)) {
        return "not a CPU number below 1024";
    }
    *last = *first;
    if (**p == '-') {
        ++*p;
        if (!parse_cpu(p, last)) {
            return "not a CPU number below 1024";
        }
    }
    return *first <= *last ? NULL : "the range runs backwards";
}

int
cpulist_parse(const char *list, unsigned cpus[], size_t max, struct errmsg *err)
{
    bool seen[CPULIST_MAX_CPUS] = { false };
    size_t n = 0;
    const char *p = list;
    for (;;) {
        const char *start = p;
        unsigned first, last;
        const char *wrong = parse_range(&p, &first, &last);
        if (wrong) {
            return refuse(list, p, wrong, err);
        }
        for (unsigned cpu = first; cpu <= last; cpu++) {
            if (seen[cpu]) {
                return refuse(list, start, "a CPU is there twice", err);
            }
            if (n == max) {
                errmsg_set(err, "CPU list \"%.60s\": more than %zu CPUs", list, max);
                return -E2BIG;
            }
            seen[cpu] = true;
            cpus[n++] = cpu;
        }
        if (!*p) {
            return (int) n;
        }
        if (*p++ != ',') {
            return refuse(list, p - 1, "a comma should be here", err);
        }
    }
}
