/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/pcapng.h"

#include <errno.h>
#include <string.h>

#include "lib/wire.h"

/* The format is in the writer's byte order, whichever that is: a magic number tells. This
 * writer is always big-endian, so a file is the same wherever it was made. */
enum { MAGIC = 0x1a2b3c4d, VERSION_MAJOR = 1, VERSION_MINOR = 0 };
enum { BLOCK_SECTION = 0x0a0d0d0a, BLOCK_INTERFACE = 1, BLOCK_PACKET = 6 };
enum { LINK_ETHERNET = 1 };
enum {
    OPTION_END = 0,
    SECTION_PROGRAM = 4,
    INTERFACE_NAME = 2, INTERFACE_DESCRIPTION = 3, INTERFACE_RESOLUTION = 9,
    PACKET_FLAGS = 2, PACKET_DROPPED = 4,
};

static void
begin(struct writer *w, uint32_t type)
{
    writer_init(w);
    writer_u32(w, type);
    writer_u32(w, 0);              /* the size, in the end */
}

static void
pad(struct writer *w)
{
    writer_zeros(w, -w->size & 3);
}

static void
put_option(struct writer *w, uint16_t code, const void *value, size_t size)
{
    size = size < UINT16_MAX ? size : UINT16_MAX;
    writer_u16(w, code);
    writer_u16(w, (uint16_t) size);
    writer_bytes(w, value, size);
    pad(w);
}

static void
put_text(struct writer *w, uint16_t code, const char *text)
{
    if (text) {
        put_option(w, code, text, strlen(text));
    }
}

/* Ends options and block, and writes it. */
static int
finish(struct writer *w, FILE *out)
{
    put_option(w, OPTION_END, NULL, 0);
    uint32_t size = (uint32_t) w->size + 4;
    writer_u32(w, size);
    writer_patch_u16(w, 4, (uint16_t) (size >> 16));
    writer_patch_u16(w, 6, (uint16_t) size);
    int error = w->failed ? -ENOMEM : fwrite(w->data, 1, w->size, out) == w->size ? 0 : -EIO;
    writer_fini(w);
    return error;
}

int
pcapng_write_header(FILE *out, const char *program)
{
    struct writer w;
    begin(&w, BLOCK_SECTION);
    writer_u32(&w, MAGIC);
    writer_u16(&w, VERSION_MAJOR);
    writer_u16(&w, VERSION_MINOR);
    writer_u64(&w, UINT64_MAX);        /* the section's size: not known */
    put_text(&w, SECTION_PROGRAM, program);
    return finish(&w, out);
}

int
pcapng_write_interface(FILE *out, const char *name, const char *description)
{
    static const uint8_t nanoseconds = 9;
    struct writer w;
    begin(&w, BLOCK_INTERFACE);
    writer_u16(&w, LINK_ETHERNET);
    writer_u16(&w, 0);
    writer_u32(&w, 0);                 /* no limit of a packet's size */
    put_text(&w, INTERFACE_NAME, name);
    put_text(&w, INTERFACE_DESCRIPTION, description);
    put_option(&w, INTERFACE_RESOLUTION, &nanoseconds, 1);
    return finish(&w, out);
}

int
pcapng_write_packet(FILE *out, const struct pcapng_packet *packet)
{
    struct writer w;
    struct be32 flags = be32_from_host(packet->direction);
    struct be64 dropped = be64_from_host(packet->n_dropped);
    begin(&w, BLOCK_PACKET);
    writer_u32(&w, packet->interface);
    writer_u32(&w, (uint32_t) (packet->time_ns >> 32));
    writer_u32(&w, (uint32_t) packet->time_ns);
    writer_u32(&w, (uint32_t) packet->size);
    writer_u32(&w, (uint32_t) packet->size);
    writer_bytes(&w, packet->data, packet->size);
    pad(&w);
    put_option(&w, PACKET_FLAGS, &flags, sizeof flags);
    if (packet->n_dropped) {
        put_option(&w, PACKET_DROPPED, &dropped, sizeof dropped);
    }
    return finish(&w, out);
}
