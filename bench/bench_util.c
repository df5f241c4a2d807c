/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/bench_util.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void
bench_init(struct bench *b, int argc, char *argv[], const char *what)
{
    static const struct option options[] = {
        { "seed", required_argument, NULL, 's' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    *b = (struct bench) { .seed = 1 };
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1; ) {
        if (c == 's') {
            b->seed = strtoull(optarg, NULL, 0);
        } else if (c == 'j') {
            b->json = true;
        } else {
            printf("%s [--seed N] [--json]: %s\n", argv[0], what);
            exit(c == 'h' ? 0 : 2);
        }
    }
    b->random = b->seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    if (b->json) {
        printf("[\n");
    } else {
        printf("%s, seed %llu\n", what, (unsigned long long) b->seed);
    }
}

void
bench_fini(struct bench *b)
{
    if (b->json) {
        printf("\n]\n");
    }
}

uint64_t
bench_random(struct bench *b)
{
    b->random ^= b->random << 13;
    b->random ^= b->random >> 7;
    b->random ^= b->random << 17;
    return b->random * UINT64_C(0x2545f4914f6cdd1d) >> 11;
}

uint32_t
bench_below(struct bench *b, uint32_t n)
{
    return (uint32_t) (bench_random(b) % n);
}

static uint64_t
read_clock(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (uint64_t) ts.tv_sec * 1000000000u + (uint64_t) ts.tv_nsec;
}

uint64_t
bench_now(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t
bench_wall(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

static int
compare(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

double
bench_median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, compare);
    return values[n / 2];
}

void
bench_row(struct bench *b, const char *what, double value, const char *unit, const char *bar,
          const char *remark)
{
    if (b->json) {
        printf("%s  {\"what\": \"%s\", \"value\": %.3f, \"unit\": \"%s\", \"bar\": \"%s\", "
               "\"remark\": \"%s\"}", b->n_rows ? ",\n" : "", what, value, unit, bar, remark);
    } else {
        printf("  %-44s %10.2f %-12s %-10s %s\n", what, value, unit, bar, remark);
    }
    fflush(stdout);
    b->n_rows++;
}

size_t
bench_resident(void)
{
    size_t pages = 0, ignored;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f) {
        if (fscanf(f, "%zu %zu", &ignored, &pages) != 2) {
            pages = 0;
        }
        fclose(f);
    }
    return pages * (size_t) sysconf(_SC_PAGESIZE);
}
