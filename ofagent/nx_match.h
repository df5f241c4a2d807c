/* SPDX-License-Identifier: Apache-2.0 */
/* nx_match, the match of Nicira's extension: a list of (field, value, mask) as OXM's, to
 * flow matches and back. docs/OPENFLOW.md lists the fields and the errors.
 *
 * A field comes at most once, and after the fields that it depends on. Decoding gives
 * canonical matches (field_canonicalize()), so that two ways of saying the same are the
 * same match; what is decoded is encoded again to what says the same. Pure functions: any
 * thread. */
#ifndef OFAGENT_NX_MATCH_H
#define OFAGENT_NX_MATCH_H 1

#include "ofagent/ofp.h"

/* Reads the 'size' bytes at 'data', which are the match without what pads it. A match has
 * no wildcards (out->exact) if 1.0's would have none. 'cookie' NULL: one in the match is
 * refused as unknown, as any other field that flows don't have. 0, or OFP_REFUSED with
 * one of NXBRC_*. */
int nx_match_decode(const uint8_t *data, size_t size, struct ofp_match *out,
                    struct ofp_cookie_filter *cookie, struct ofp_refusal *);

/* Appends the match, a cookie if 'cookie' is not NULL and has a mask, and zeros up to a
 * multiple of 8 bytes; *match_len is without them. False if the match says more than
 * nx_match can (an ICMP type above 255): then what was written is wider. */
bool nx_match_encode(struct writer *w, const struct flow_match *,
                     const struct ofp_cookie_filter *cookie, uint16_t *match_len);

/* Bytes that a match of 'match_len' takes with its padding. */
static inline size_t
nx_match_padded(size_t match_len)
{
    return (match_len + 7) & ~(size_t) 7;
}

#endif /* ofagent/nx_match.h */
