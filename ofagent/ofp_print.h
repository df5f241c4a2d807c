/* SPDX-License-Identifier: Apache-2.0 */
/* OpenFlow messages as text, for debug logs: one line each, without a line's end. */
#ifndef OFAGENT_OFP_PRINT_H
#define OFAGENT_OFP_PRINT_H 1

#include <stddef.h>
#include <stdint.h>

struct strbuf;

/* Most entries of a list (ports, flows, counters) that a line shows; it says how many more
 * there are. */
enum { OFP_PRINT_MAX_ENTRIES = 16 };

/* Appends what the message says. Any bytes will do: what is malformed is said to be, with
 * the reason. Either direction. */
void ofp_print(struct strbuf *, const uint8_t *msg, size_t size);

#endif /* ofagent/ofp_print.h */
