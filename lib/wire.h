/* SPDX-License-Identifier: Apache-2.0 */
/* Bounds-checked reading and writing of wire formats.
 *
 * A reader never reads past its end: the first read that would sets 'failed', which
 * sticks, and every read from then on gives zeros; check once, at the end. A writer
 * appends to a growing buffer and patches lengths that are known only later; running
 * out of memory sets 'failed'. Multi-byte values are big-endian on the wire and host
 * order in the parameters. */
#ifndef LIB_WIRE_H
#define LIB_WIRE_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
    const uint8_t *p, *end;
    bool failed;
};

void reader_init(struct reader *, const void *data, size_t size);
size_t reader_left(const struct reader *);
uint8_t reader_u8(struct reader *);
uint16_t reader_u16(struct reader *);
uint32_t reader_u32(struct reader *);
uint64_t reader_u64(struct reader *);
void reader_bytes(struct reader *, void *out, size_t size);
void reader_skip(struct reader *, size_t size);
/* Cuts the next 'size' bytes off as a reader of their own (failed if there are fewer). */
struct reader reader_sub(struct reader *, size_t size);

struct writer {
    uint8_t *data;      /* owned */
    size_t size, capacity;
    bool failed;
};

void writer_init(struct writer *);
void writer_fini(struct writer *);
/* Forgets the content, keeps the buffer, clears 'failed'. */
void writer_clear(struct writer *);
void writer_u8(struct writer *, uint8_t);
void writer_u16(struct writer *, uint16_t);
void writer_u32(struct writer *, uint32_t);
void writer_u64(struct writer *, uint64_t);
void writer_bytes(struct writer *, const void *, size_t size);
void writer_zeros(struct writer *, size_t size);
/* Appends 'size' bytes for the caller to fill; NULL if failed. Valid until the next call. */
uint8_t *writer_reserve(struct writer *, size_t size);
/* Overwrites two bytes at 'offset', which must have been written. */
void writer_patch_u16(struct writer *, size_t offset, uint16_t);

#endif /* lib/wire.h */
