/* SPDX-License-Identifier: Apache-2.0 */
/* What benchmark programs share: options, a seeded generator, the clock, and rows that
 * print as a table or as JSON. */
#ifndef BENCH_UTIL_H
#define BENCH_UTIL_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bench {
    uint64_t seed;          /* as given; 1 by default */
    uint64_t random;        /* state */
    bool json;
    unsigned n_rows;
};

/* Takes --seed N, --json and --help; exits on anything else. */
void bench_init(struct bench *, int argc, char *argv[], const char *what);
/* Ends the output. */
void bench_fini(struct bench *);

uint64_t bench_random(struct bench *);
/* 0 .. n - 1 */
uint32_t bench_below(struct bench *, uint32_t n);

/* Nanoseconds that this thread has run: others on the machine do not count. Reading it is a
 * system call, so bracket much work. */
uint64_t bench_now(void);
/* Nanoseconds on the wall: cheap to read, but whoever else runs is in it. */
uint64_t bench_wall(void);

/* Sorts; the middle one. */
double bench_median(double *values, size_t n);

/* One result: what, the figure, its unit, the bar ("" for none), a remark ("" for none). */
void bench_row(struct bench *, const char *what, double value, const char *unit, const char *bar,
               const char *remark);

/* Resident memory of this process in bytes. */
size_t bench_resident(void);

/* The result of something that must not be optimised away. */
static inline void
bench_use(const void *p)
{
    __asm__ volatile("" : : "r"(p) : "memory");
}

#endif /* bench/bench_util.h */
