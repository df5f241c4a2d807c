/* SPDX-License-Identifier: Apache-2.0 */
/* Byte-order wrapper types.
 *
 * A field that holds network byte order (big-endian) has one of these types, so
 * that arithmetic on it, or mixing it with a host-order value, does not compile.
 */
#ifndef TURNOUT_BYTEORDER_H
#define TURNOUT_BYTEORDER_H 1

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>

struct be16 { uint16_t raw; };
struct be32 { uint32_t raw; };
struct be64 { uint64_t raw; };

static inline struct be16 be16_from_host(uint16_t x) { return (struct be16) { htobe16(x) }; }
static inline struct be32 be32_from_host(uint32_t x) { return (struct be32) { htobe32(x) }; }
static inline struct be64 be64_from_host(uint64_t x) { return (struct be64) { htobe64(x) }; }

static inline uint16_t be16_to_host(struct be16 x) { return be16toh(x.raw); }
static inline uint32_t be32_to_host(struct be32 x) { return be32toh(x.raw); }
static inline uint64_t be64_to_host(struct be64 x) { return be64toh(x.raw); }

static inline bool be16_equal(struct be16 a, struct be16 b) { return a.raw == b.raw; }
static inline bool be32_equal(struct be32 a, struct be32 b) { return a.raw == b.raw; }
static inline bool be64_equal(struct be64 a, struct be64 b) { return a.raw == b.raw; }

#endif /* turnout/byteorder.h */
