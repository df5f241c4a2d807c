/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "tools/turnoutctl/snoop_capture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/pcapng.h"
#include "lib/wire.h"
#include "sw-datapath/checksum.h"

enum {
    OPENFLOW_PORT = 6653,
    FIRST_PORT = 1024,             /* of made-up ones */
    SEGMENT_MAX = 60000,           /* bytes of message in one, so that every header fits */
    MAX_CONNECTIONS = 4096,        /* known at a time */
    ETH_TYPE_IPV4 = 0x0800, ETH_TYPE_IPV6 = 0x86dd,
    PROTO_TCP = 6, HOPS = 64,
    TCP_HEADER_SIZE = 20, TCP_PSH_ACK = 0x18, TCP_WINDOW = 0xffff,
};

/* One end of a connection. */
struct end {
    uint8_t address[16];           /* IPv4: the first four */
    uint16_t port;
    uint32_t sequence;             /* of the next byte that it sends */
    uint8_t mac;                   /* last byte of a made-up address */
};

struct connection {
    struct connection *next;
    uint32_t number, interface;
    bool ipv6;
    struct end local, peer;
};

struct snoop_capture {
    FILE *out;
    struct connection *connections;   /* the latest used first */
    uint32_t n_connections, n_interfaces;
    uint64_t n_lost;                  /* not told yet */
    struct writer frame;
};

/* --- addresses --------------------------------------------------------------------- */

/* Reads "HOST:PORT"; false if it is none. */
static bool
parse_end(const char *text, bool *ipv6, struct end *end)
{
    char host[INET6_ADDRSTRLEN + 2];
    const char *colon = strrchr(text, ':');
    size_t len = colon ? (size_t) (colon - text) : 0;
    if (!len || len >= sizeof host) {
        return false;
    }
    memcpy(host, text, len);
    host[len] = '\0';
    end->port = (uint16_t) strtoul(colon + 1, NULL, 10);
    *ipv6 = host[0] == '[' && host[len - 1] == ']';
    if (*ipv6) {
        host[len - 1] = '\0';
        return inet_pton(AF_INET6, host + 1, end->address) == 1;
    }
    return inet_pton(AF_INET, host, end->address) == 1;
}

static void
set_addresses(struct connection *c, const struct snoop_message *m)
{
    static const uint8_t loopback[] = { 127, 0, 0, 1 };
    bool local_is_6, peer_is_6;
    struct end *server = m->listener ? &c->local : &c->peer;
    struct end *client = m->listener ? &c->peer : &c->local;
    if (parse_end(m->local, &local_is_6, &c->local) && parse_end(m->peer, &peer_is_6, &c->peer)
        && local_is_6 == peer_is_6) {
        c->ipv6 = local_is_6;
    } else {
        memcpy(server->address, loopback, sizeof loopback);
        memcpy(client->address, loopback, sizeof loopback);
        client->port = (uint16_t) (FIRST_PORT + c->number % (UINT16_MAX + 1 - FIRST_PORT));
    }
    server->port = OPENFLOW_PORT;
    c->local.mac = 1;
    c->peer.mac = 2;
    c->local.sequence = c->peer.sequence = 1;
}

/* --- frames ------------------------------------------------------------------------ */

static void
put_mac(struct writer *w, const struct end *end)
{
    const uint8_t mac[6] = { 0x02, 0, 0, 0, 0, end->mac };
    writer_bytes(w, mac, sizeof mac);
}

static void
put_ip(struct writer *w, bool ipv6, const struct end *from, const struct end *to, size_t size)
{
    size_t begin = w->size;
    if (ipv6) {
        writer_u32(w, 6u << 28);
        writer_u16(w, (uint16_t) size);
        writer_u8(w, PROTO_TCP);
        writer_u8(w, HOPS);
        writer_bytes(w, from->address, 16);
        writer_bytes(w, to->address, 16);
        return;
    }
    writer_u16(w, 0x4500);
    writer_u16(w, (uint16_t) (20 + size));
    writer_u16(w, 0);
    writer_u16(w, 0x4000);             /* not to be fragmented */
    writer_u8(w, HOPS);
    writer_u8(w, PROTO_TCP);
    writer_u16(w, 0);
    writer_bytes(w, from->address, 4);
    writer_bytes(w, to->address, 4);
    if (!w->failed) {
        struct be16 sum = checksum_finish(checksum_add(0, w->data + begin, 20));
        memcpy(w->data + begin + 10, &sum, sizeof sum);
    }
}

static void
put_tcp(struct writer *w, bool ipv6, const struct end *from, const struct end *to,
        const uint8_t *data, size_t size)
{
    size_t begin = w->size;
    writer_u16(w, from->port);
    writer_u16(w, to->port);
    writer_u32(w, from->sequence);
    writer_u32(w, to->sequence);
    writer_u16(w, (TCP_HEADER_SIZE / 4) << 12 | TCP_PSH_ACK);
    writer_u16(w, TCP_WINDOW);
    writer_u32(w, 0);
    writer_bytes(w, data, size);
    if (!w->failed) {
        size_t address_size = ipv6 ? 16 : 4;
        uint64_t sum = checksum_add(0, from->address, address_size);
        sum = checksum_add(sum, to->address, address_size);
        sum = checksum_add_pseudo(sum, PROTO_TCP, (uint32_t) (TCP_HEADER_SIZE + size));
        struct be16 field = checksum_finish(checksum_add(sum, w->data + begin, w->size - begin));
        memcpy(w->data + begin + 16, &field, sizeof field);
    }
}

/* Writes a piece of a message, and counts its bytes as sent. */
static int
write_segment(struct snoop_capture *capture, struct connection *c, const struct snoop_message *m,
              const uint8_t *data, size_t size)
{
    struct writer *w = &capture->frame;
    struct end *from = m->sent ? &c->local : &c->peer;
    struct end *to = m->sent ? &c->peer : &c->local;
    writer_clear(w);
    put_mac(w, to);
    put_mac(w, from);
    writer_u16(w, c->ipv6 ? ETH_TYPE_IPV6 : ETH_TYPE_IPV4);
    put_ip(w, c->ipv6, from, to, TCP_HEADER_SIZE + size);
    put_tcp(w, c->ipv6, from, to, data, size);
    if (w->failed) {
        return -ENOMEM;
    }
    from->sequence += (uint32_t) size;
    const struct pcapng_packet packet = {
        .interface = c->interface,
        .time_ns = m->time_ns,
        .direction = m->sent ? PCAPNG_OUTBOUND : PCAPNG_INBOUND,
        .n_dropped = capture->n_lost,
        .data = w->data,
        .size = w->size,
    };
    capture->n_lost = 0;
    return pcapng_write_packet(capture->out, &packet);
}

/* --- connections ------------------------------------------------------------------- */

static void
forget_the_oldest(struct snoop_capture *capture)
{
    struct connection **link = &capture->connections;
    while ((*link)->next) {
        link = &(*link)->next;
    }
    free(*link);
    *link = NULL;
    capture->n_connections--;
}

/* Makes the connection, and its interface in the file. */
static struct connection *
add_connection(struct snoop_capture *capture, const struct snoop_message *m)
{
    char name[80], description[400];
    struct connection *c = calloc(1, sizeof *c);
    if (!c) {
        errno = ENOMEM;
        return NULL;
    }
    c->number = m->connection;
    set_addresses(c, m);
    snprintf(name, sizeof name, "%s connection %u", m->bridge, m->connection);
    snprintf(description, sizeof description, "bridge %s, target %s: switch %s, peer %s", m->bridge,
             m->target, m->local, m->peer);
    int error = pcapng_write_interface(capture->out, name, description);
    if (error) {
        free(c);
        errno = -error;
        return NULL;
    }
    c->interface = capture->n_interfaces++;
    if (capture->n_connections == MAX_CONNECTIONS) {
        forget_the_oldest(capture);
    }
    capture->n_connections++;
    return c;
}

/* The message's connection, which is the first of the list then; NULL and errno. */
static struct connection *
take_connection(struct snoop_capture *capture, const struct snoop_message *m)
{
    struct connection **link = &capture->connections;
    while (*link && (*link)->number != m->connection) {
        link = &(*link)->next;
    }
    struct connection *c = *link;
    if (c) {
        *link = c->next;
    } else {
        c = add_connection(capture, m);
    }
    if (c) {
        c->next = capture->connections;
        capture->connections = c;
    }
    return c;
}

int
snoop_capture_write(struct snoop_capture *capture, const struct snoop_message *m)
{
    struct connection *c = take_connection(capture, m);
    int error = c ? 0 : -errno;
    for (size_t at = 0; at < m->size && !error;) {
        size_t size = m->size - at < SEGMENT_MAX ? m->size - at : SEGMENT_MAX;
        error = write_segment(capture, c, m, m->data + at, size);
        at += size;
    }
    return error;
}

void
snoop_capture_lost(struct snoop_capture *capture, uint64_t n)
{
    capture->n_lost += n;
}

/* --- the file ---------------------------------------------------------------------- */

struct snoop_capture *
snoop_capture_open(const char *path, struct errmsg *err)
{
    struct snoop_capture *capture = calloc(1, sizeof *capture);
    int fd = -1;
    if (capture) {
        writer_init(&capture->frame);
        fd = strcmp(path, "-") ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)
                               : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
    }
    if (fd >= 0) {
        capture->out = fdopen(fd, "wb");
    }
    if (!capture || !capture->out || pcapng_write_header(capture->out, "turnoutctl "
                                                         PACKAGE_VERSION)) {
        errmsg_set(err, "can't write %s: %s", path, strerror(errno));
        if (fd >= 0 && !capture->out) {
            close(fd);
        }
        snoop_capture_close(capture);
        return NULL;
    }
    return capture;
}

int
snoop_capture_flush(struct snoop_capture *capture)
{
    return fflush(capture->out) ? -errno : 0;
}

int
snoop_capture_close(struct snoop_capture *capture)
{
    if (!capture) {
        return 0;
    }
    int error = capture->out && fclose(capture->out) ? -errno : 0;
    while (capture->connections) {
        struct connection *next = capture->connections->next;
        free(capture->connections);
        capture->connections = next;
    }
    writer_fini(&capture->frame);
    free(capture);
    return error;
}
