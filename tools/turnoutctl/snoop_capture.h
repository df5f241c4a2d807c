/* SPDX-License-Identifier: Apache-2.0 */
/* OpenFlow messages in a capture file that Wireshark shows as such without being told how.
 *
 * Messages of a connection become the payload of TCP segments whose sequence numbers fit
 * together, between the addresses that the connection really has. The end that was connected
 * to gets port 6653, whichever it really has, for it is by the port that OpenFlow is known; a
 * connection over a Unix socket is between 127.0.0.1 and itself. Each connection is an
 * interface of the capture, whose description has the truth. */
#ifndef TOOLS_TURNOUTCTL_SNOOP_CAPTURE_H
#define TOOLS_TURNOUTCTL_SNOOP_CAPTURE_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/errmsg.h"

struct snoop_capture;

struct snoop_message {
    uint64_t time_ns;              /* since 1970 */
    bool sent;                     /* by the switch */
    bool listener;                 /* the peer connected to the switch */
    uint32_t connection;           /* its number */
    const char *bridge, *target;
    const char *local, *peer;      /* "192.0.2.1:5000", "[2001:db8::1]:5000"; else: Unix */
    const uint8_t *data;
    size_t size;
};

/* Makes the file, readable for its owner only, or empties it; "-" is standard output. NULL
 * and *err. */
struct snoop_capture *snoop_capture_open(const char *path, struct errmsg *err);
/* 0 or -errno. */
int snoop_capture_write(struct snoop_capture *, const struct snoop_message *);
/* Messages are missing here: the next one says so. */
void snoop_capture_lost(struct snoop_capture *, uint64_t n);
/* Hands what was written to the system. 0 or -errno. */
int snoop_capture_flush(struct snoop_capture *);
/* Frees; 0, or -errno if the file is not complete. NULL does nothing. */
int snoop_capture_close(struct snoop_capture *);

#endif /* tools/turnoutctl/snoop_capture.h */
