/* SPDX-License-Identifier: Apache-2.0 */
/* Rates for --watch: how much the counters of a list grew since the refresh before.
 *
 * To each row of a result that was there in the refresh before, a member NAME_per_s is added
 * for each counter NAME; null if that can't be said: the row is new, or its counter went
 * back, so it is another row's of the same name. */
#ifndef TOOLS_TURNOUTCTL_RATES_H
#define TOOLS_TURNOUTCTL_RATES_H 1

#include <jansson.h>
#include <stdint.h>

struct rates;

/* NULL without memory. */
struct rates *rates_new(void);
/* NULL does nothing. */
void rates_free(struct rates *);

/* A refresh begins: what rates_add() saw since the last call is what the rates count from. */
void rates_next(struct rates *);
/* Adds the rates to a method's result, which came in at 'now_ns'; a list may come in several
 * results. Methods without counters are left alone. */
void rates_add(struct rates *, const char *method, json_t *result, uint64_t now_ns);

#endif /* tools/turnoutctl/rates.h */
