/* SPDX-License-Identifier: Apache-2.0 */
/* Writing capture files: pcap-ng, Ethernet, nanoseconds.
 *
 * A file is a section header, then interfaces and packets in any order; an interface is
 * written before its first packet. Blocks go to a stdio stream as they are made, so a file
 * that is cut off is good up to there. */
#ifndef LIB_PCAPNG_H
#define LIB_PCAPNG_H 1

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum pcapng_direction { PCAPNG_UNKNOWN = 0, PCAPNG_INBOUND = 1, PCAPNG_OUTBOUND = 2 };

struct pcapng_packet {
    uint32_t interface;            /* 0 is the first that was written */
    uint64_t time_ns;              /* since 1970 */
    enum pcapng_direction direction;
    uint64_t n_dropped;            /* on the interface, since the packet before */
    const void *data;              /* an Ethernet frame */
    size_t size;
};

/* 0 or -errno, each. Texts are UTF-8; NULL leaves one out; what is longer than 65,535 bytes
 * is cut. */
int pcapng_write_header(FILE *, const char *program);
int pcapng_write_interface(FILE *, const char *name, const char *description);
int pcapng_write_packet(FILE *, const struct pcapng_packet *);

#endif /* lib/pcapng.h */
