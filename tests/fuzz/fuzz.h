/* SPDX-License-Identifier: Apache-2.0 */
/* What every fuzz target shares: see Makefile.inc for their form. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H 1

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Runs one input. Aborts when what should hold does not. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Aborts, saying what did not hold. */
#define FUZZ_CHECK(CONDITION)                                                       \
    ((CONDITION) ? (void) 0                                                         \
     : (fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #CONDITION), \
        abort()))

#endif /* tests/fuzz/fuzz.h */
