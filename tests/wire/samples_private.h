/* SPDX-License-Identifier: Apache-2.0 */
/* What the makers of sample messages share. */
#ifndef TESTS_WIRE_SAMPLES_PRIVATE_H
#define TESTS_WIRE_SAMPLES_PRIVATE_H 1

#include "tests/wire/samples.h"

struct maker {
    struct sample_rng rng;
    struct writer w;
    void (*visit)(const char *name, const uint8_t *msg, size_t size, void *aux);
    void *aux;
};

/* Hands over what is in the writer. */
void sample_done(struct maker *, const char *name);

/* sample_nx.c: Nicira's messages about flows and packets. */
void sample_make_nx_flows(struct maker *);

#endif /* tests/wire/samples_private.h */
