/* SPDX-License-Identifier: Apache-2.0 */
/* The Internet checksum: from scratch (RFC 1071) and after a change (RFC 1624).
 *
 * One's complement sums do not depend on the byte order they are made in, so nothing is
 * swapped: sums are of 16-bit words as they lie in memory, and the fields that come out
 * are ready to be stored. Pure functions; any thread. */
#ifndef SW_DATAPATH_CHECKSUM_H
#define SW_DATAPATH_CHECKSUM_H 1

#include <stddef.h>
#include <stdint.h>

#include "turnout/byteorder.h"

/* Folds carries back until 16 bits are left. Not 0 unless 'sum' is 0. */
static inline uint16_t
checksum_fold(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + ((sum >> 16) & 0xffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t) ((sum & 0xffff) + (sum >> 16));
}

/* 'sum' plus the words of 'data', not folded; an odd last byte counts as if a 0 followed,
 * so only the last piece of what is summed may have an odd size. Pieces may have 4 GiB
 * together before the sum overflows. */
uint64_t checksum_add(uint64_t sum, const void *data, size_t size);

/* 'sum' plus an IP pseudo-header's last words: protocol and length in bytes. */
static inline uint64_t
checksum_add_pseudo(uint64_t sum, uint8_t proto, uint32_t length)
{
    return sum + be16_from_host(proto).raw + be32_from_host(length).raw;
}

/* The field that makes 'sum' right. */
static inline struct be16
checksum_finish(uint64_t sum)
{
    return (struct be16) { (uint16_t) ~checksum_fold(sum) };
}

/* A folded sum, not complemented (as in a partial checksum), after 'old' became 'now'. */
static inline struct be16
checksum_sum_update_be16(struct be16 sum, struct be16 old, struct be16 now)
{
    return (struct be16) { checksum_fold((uint64_t) sum.raw + (uint16_t) ~old.raw + now.raw) };
}

static inline struct be16
checksum_sum_update_be32(struct be16 sum, struct be32 old, struct be32 now)
{
    return (struct be16) { checksum_fold((uint64_t) sum.raw + (uint32_t) ~old.raw + now.raw) };
}

/* A checksum field after 'old' became 'now': RFC 1624, equation 3. */
static inline struct be16
checksum_update_be16(struct be16 field, struct be16 old, struct be16 now)
{
    struct be16 sum = { (uint16_t) ~field.raw };
    return (struct be16) { (uint16_t) ~checksum_sum_update_be16(sum, old, now).raw };
}

static inline struct be16
checksum_update_be32(struct be16 field, struct be32 old, struct be32 now)
{
    struct be16 sum = { (uint16_t) ~field.raw };
    return (struct be16) { (uint16_t) ~checksum_sum_update_be32(sum, old, now).raw };
}

#endif /* sw-datapath/checksum.h */
