/* SPDX-License-Identifier: Apache-2.0 */
/* Rates and sizes as text: whole numbers with k, M, G or T behind them for thousands,
 * millions and so on: "1500k", "10M". */
#ifndef LIB_SCALED_TEXT_H
#define LIB_SCALED_TEXT_H 1

#include <stdbool.h>
#include <stdint.h>

/* False if it is no such number, or above 'max'. */
bool scaled_parse(const char *, uint64_t max, uint64_t *out);

/* The shortest text that says exactly 'value'. */
enum { SCALED_TEXT_SIZE = 24 };
const char *scaled_print(uint64_t value, char buffer[SCALED_TEXT_SIZE]);

#endif /* lib/scaled_text.h */
