/* SPDX-License-Identifier: Apache-2.0 */
/* Bounds-checked reading and writing of wire formats.
 *
 * A reader never reads past its end: the first read that would sets 'failed', which
 * sticks, and every read from then on gives zeros; check once, at the end. A writer
 * appends to a growing buffer and patches lengths that are known only later; running
 * out of memory sets 'failed', and from then on nothing is appended. Multi-byte values are
 * big-endian on the wire and host order in the parameters.
 *
 * The small functions are inline because each message field goes through one; only growing
 * is not. A reader or writer is one thread's. */
#ifndef LIB_WIRE_H
#define LIB_WIRE_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "turnout/byteorder.h"

struct reader {
    const uint8_t *p, *end;
    bool failed;
};

/* Reads the 'size' bytes at 'data', which stay the caller's and must outlive the reader.
 * NULL is fine with size 0. */
static inline void
reader_init(struct reader *r, const void *data, size_t size)
{
    r->p = data;
    r->end = size ? r->p + size : r->p;
    r->failed = false;
}

/* Bytes not read yet; 0 once failed. */
static inline size_t
reader_left(const struct reader *r)
{
    return (size_t) (r->end - r->p);
}

/* The next 'size' bytes in place, or NULL (and failed) if there are fewer. */
static inline const uint8_t *
reader_take(struct reader *r, size_t size)
{
    if (__builtin_expect(size > reader_left(r), 0)) {
        r->failed = true;
        r->p = r->end;
        return NULL;
    }
    const uint8_t *p = r->p;
    if (size) {
        r->p += size;
    }
    return p;
}

static inline uint8_t
reader_u8(struct reader *r)
{
    const uint8_t *p = reader_take(r, 1);
    return p ? *p : 0;
}

static inline uint16_t
reader_u16(struct reader *r)
{
    struct be16 x = { 0 };
    const uint8_t *p = reader_take(r, sizeof x);
    if (p) {
        memcpy(&x, p, sizeof x);
    }
    return be16_to_host(x);
}

static inline uint32_t
reader_u32(struct reader *r)
{
    struct be32 x = { 0 };
    const uint8_t *p = reader_take(r, sizeof x);
    if (p) {
        memcpy(&x, p, sizeof x);
    }
    return be32_to_host(x);
}

static inline uint64_t
reader_u64(struct reader *r)
{
    struct be64 x = { 0 };
    const uint8_t *p = reader_take(r, sizeof x);
    if (p) {
        memcpy(&x, p, sizeof x);
    }
    return be64_to_host(x);
}

/* Copies the next 'size' bytes to 'out'; zeros if there are fewer. */
static inline void
reader_bytes(struct reader *r, void *out, size_t size)
{
    const uint8_t *p = reader_take(r, size);
    if (!size) {
        return;
    }
    if (p) {
        memcpy(out, p, size);
    } else {
        memset(out, 0, size);
    }
}

static inline void
reader_skip(struct reader *r, size_t size)
{
    reader_take(r, size);
}

/* Cuts the next 'size' bytes off as a reader of their own. If there are fewer, both this
 * reader and the new, empty one have failed. */
static inline struct reader
reader_sub(struct reader *r, size_t size)
{
    struct reader sub = { NULL, NULL, true };
    const uint8_t *p = reader_take(r, size);
    if (!r->failed) {
        reader_init(&sub, p, size);
    }
    return sub;
}

struct writer {
    uint8_t *data;      /* owned */
    size_t size, capacity;
    bool failed;
};

static inline void
writer_init(struct writer *w)
{
    *w = (struct writer) { 0 };
}

/* Frees the buffer; the writer is as after writer_init(). */
void writer_fini(struct writer *);

/* Makes room for at least 'size' more bytes. False, and failed, without memory. */
bool writer_grow(struct writer *, size_t size);

/* Forgets the content, keeps the buffer, clears 'failed'. */
static inline void
writer_clear(struct writer *w)
{
    w->size = 0;
    w->failed = false;
}

/* Appends 'size' bytes for the caller to fill, all of them; NULL if failed. Valid until
 * the next call that appends. */
static inline uint8_t *
writer_reserve(struct writer *w, size_t size)
{
    if (__builtin_expect(w->failed || w->capacity - w->size < size, 0)) {
        if (w->failed || !writer_grow(w, size)) {
            return NULL;
        }
    }
    uint8_t *p = w->data + w->size;
    w->size += size;
    return p;
}

static inline void
writer_bytes(struct writer *w, const void *data, size_t size)
{
    if (!size) {
        return;
    }
    uint8_t *p = writer_reserve(w, size);
    if (p) {
        memcpy(p, data, size);
    }
}

static inline void
writer_zeros(struct writer *w, size_t size)
{
    if (!size) {
        return;
    }
    uint8_t *p = writer_reserve(w, size);
    if (p) {
        memset(p, 0, size);
    }
}

static inline void
writer_u8(struct writer *w, uint8_t x)
{
    writer_bytes(w, &x, sizeof x);
}

static inline void
writer_u16(struct writer *w, uint16_t host)
{
    struct be16 x = be16_from_host(host);
    writer_bytes(w, &x, sizeof x);
}

static inline void
writer_u32(struct writer *w, uint32_t host)
{
    struct be32 x = be32_from_host(host);
    writer_bytes(w, &x, sizeof x);
}

static inline void
writer_u64(struct writer *w, uint64_t host)
{
    struct be64 x = be64_from_host(host);
    writer_bytes(w, &x, sizeof x);
}

/* Overwrites two bytes at 'offset', which must have been written. Does nothing when the
 * writer has failed. */
static inline void
writer_patch_u16(struct writer *w, size_t offset, uint16_t host)
{
    if (!w->failed && offset <= w->size && w->size - offset >= sizeof(struct be16)) {
        struct be16 x = be16_from_host(host);
        memcpy(w->data + offset, &x, sizeof x);
    }
}

#endif /* lib/wire.h */
