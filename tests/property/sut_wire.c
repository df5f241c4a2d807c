/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>    /* _GNU_SOURCE, for CPU_SET() */

#include "tests/property/sut_wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/property/sut_private.h"

/* The kernel drops what has a tag and less than two bytes behind its type. No wire carries either. */
enum { SHORTEST = ETH_HLEN + 8 };
enum { MAX_PORTS = 16, FRAME_MAX = 4096, RECEIVE_SIZE = 32 << 20, PATIENCE_MS = 30000, MARK_SIZE = 60, MARK_HEAD = 14 };
/* Queues of the kernel that a frame goes through at most: two cables' and a miss device's. */
enum { HOPS = 4 };

/* One end. */
struct end {
    char name[IFNAMSIZ];
    int ifindex, fd;
    bool marked;               /* a mark is on its way to it */
};

struct sut_wire {
    unsigned n;
    struct {
        struct end device, far;
    } port[MAX_PORTS];         /* of port 1 on */
    uint32_t mark;             /* number of the last */
    bool attached;
    int loop;                  /* attached: a datagram socket that is connected to itself */
};

static struct sut_wire_counts counts;

/* --- sockets ------------------------------------------------------------------------------ */

static void
open_end(struct end *end, const char *name, size_t length)
{
    int size = RECEIVE_SIZE, on = 1;
    sut_check(length && length < sizeof end->name, "TURNOUT_PORTS: a name of a device");
    memcpy(end->name, name, length);
    end->ifindex = (int) if_nametoindex(end->name);
    sut_check(end->ifindex, "TURNOUT_PORTS: a device that is not there");
    end->fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0);
    struct sockaddr_ll addr = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
                                .sll_ifindex = end->ifindex };
    sut_check(end->fd >= 0 && !setsockopt(end->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size)
              && !setsockopt(end->fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof on)
              && !bind(end->fd, (struct sockaddr *) &addr, sizeof addr), "a packet socket");
}

static void
stay_on_one_cpu(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((unsigned) sched_getcpu(), &set);
    sut_check(sched_setaffinity(0, sizeof set, &set) == 0, "one processor");
}

static int
open_loop(void)
{
    struct sockaddr_in self = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };
    socklen_t size = sizeof self;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    sut_check(fd >= 0 && !bind(fd, (struct sockaddr *) &self, sizeof self)
              && !getsockname(fd, (struct sockaddr *) &self, &size)
              && !connect(fd, (struct sockaddr *) &self, size)
              && !setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience),
              "a socket on the loopback device");
    return fd;
}

struct sut_wire *
sut_wire_new(bool attached)
{
    const char *p = getenv("TURNOUT_PORTS");
    if (!p || !*p) {
        return NULL;
    }
    struct sut_wire *wire = calloc(1, sizeof *wire);
    wire->attached = attached;
    if (attached) {
        stay_on_one_cpu();
        wire->loop = open_loop();
    }
    while (*p) {
        size_t length = strcspn(p, ":"), far = p[length] ? strcspn(p + length + 1, ",") : 0;
        sut_check(wire->n < MAX_PORTS && p[length], "TURNOUT_PORTS=DEVICE:FAR-END,...");
        open_end(&wire->port[wire->n].device, p, length);
        open_end(&wire->port[wire->n].far, p + length + 1, far);
        wire->n++;
        p += length + 1 + far;
        p += *p == ',';
    }
    return wire;
}

void
sut_wire_free(struct sut_wire *wire)
{
    for (unsigned i = 0; wire && i < wire->n; i++) {
        close(wire->port[i].device.fd);
        close(wire->port[i].far.fd);
    }
    if (wire && wire->attached) {
        close(wire->loop);
    }
    free(wire);
}

bool
sut_wire_device(const struct sut_wire *wire, uint16_t port, char *name, int *ifindex)
{
    if (!wire || !port || port > wire->n) {
        return false;
    }
    strcpy(name, wire->port[port - 1].device.name);
    *ifindex = wire->port[port - 1].device.ifindex;
    return true;
}

/* --- frames ------------------------------------------------------------------------------------ */

static void
put(const struct end *end, const void *frame, uint32_t size)
{
    ssize_t n;
    do {
        n = send(end->fd, frame, size, 0);
    } while (n < 0 && errno == EINTR);
    sut_check(n == (ssize_t) size, "a device that does not take a frame");
}

/* The tag that the kernel keeps beside the frame comes back into it. */
static uint32_t
put_tag_back(uint8_t *frame, uint32_t size, const struct msghdr *msg)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR((struct msghdr *) (uintptr_t) msg, c)) {
        struct tpacket_auxdata aux;
        if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA) {
            continue;
        }
        memcpy(&aux, CMSG_DATA(c), sizeof aux);
        if (aux.tp_status & TP_STATUS_VLAN_VALID) {
            uint16_t tag[2] = { htons(aux.tp_status & TP_STATUS_VLAN_TPID_VALID ? aux.tp_vlan_tpid : ETH_P_8021Q),
                                htons(aux.tp_vlan_tci) };
            memmove(frame + 16, frame + 12, size - 12);
            memcpy(frame + 12, tag, sizeof tag);
            return size + 4;
        }
    }
    return size;
}

/* The next frame that an end received; 0: there is none at the moment. */
static uint32_t
get(const struct end *end, uint8_t frame[FRAME_MAX])
{
    for (;;) {
        char control[256];
        struct sockaddr_ll from;
        struct iovec iov = { frame, FRAME_MAX - 4 };
        struct msghdr msg = { .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &iov,
                              .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
        ssize_t n = recvmsg(end->fd, &msg, 0);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            sut_check(errno == EAGAIN, "a device that went away");
            return 0;
        }
        if (from.sll_pkttype != PACKET_OUTGOING) {
            return put_tag_back(frame, (uint32_t) n, &msg);
        }
    }
}

/* --- what devices may mend ------------------------------------------------------------------------- */

static uint32_t
add_words(uint32_t sum, const uint8_t *p, uint32_t n)
{
    for (uint32_t i = 0; i < n; i += 2) {
        sum += (uint32_t) p[i] << 8 | (i + 1 < n ? p[i + 1] : 0);
    }
    return sum;
}

static bool
sum_is_right(uint32_t sum)
{
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum == 0xffff;
}

/* Of TCP and UDP in 'n' bytes behind the header. */
static bool
transport_is_sound(const uint8_t *ip, const uint8_t *p, uint32_t n)
{
    bool udp = ip[9] == 17;
    if (n < (udp ? 8u : 20u) || (udp && (uint32_t) (p[4] << 8 | p[5]) != n)) {
        return false;
    }
    return (udp && !p[6] && !p[7])
           || sum_is_right(add_words(add_words(ip[9] + n, ip + 12, 8), p, n));
}

bool
sut_wire_is_sound(const uint8_t *frame, uint32_t size)
{
    uint32_t at = 12;
    while (at + 6 < size && frame[at] == 0x81 && !frame[at + 1]) {
        at += 4;
    }
    const uint8_t *ip = frame + at + 2;
    if (at + 2 + 20 > size || frame[at] != 8 || frame[at + 1]) {
        return true;
    }
    uint32_t header = (ip[0] & 15) * 4u, length = (uint32_t) ip[2] << 8 | ip[3];
    if (ip[0] >> 4 != 4 || header < 20 || length < header || length > size - at - 2
        || !sum_is_right(add_words(0, ip, header))) {
        return false;
    }
    bool fragment = (ip[6] & 0x3f) || ip[7];
    return fragment || (ip[9] != 6 && ip[9] != 17) || transport_is_sound(ip, ip + header, length - header);
}

bool
sut_wire_send(struct sut_wire *wire, uint16_t port, const void *frame, uint32_t size)
{
    if (!wire || !port || port > wire->n || size < SHORTEST
        || (!wire->attached && !sut_wire_is_sound(frame, size))) {
        return false;
    }
    put(&wire->port[port - 1].far, frame, size);
    counts.sent++;
    return true;
}

/* --- marks ---------------------------------------------------------------------------------------- */

/* No rule of a test looks like it, and no device forwards it. */
static void
make_mark(uint8_t mark[MARK_SIZE], uint32_t number)
{
    static const uint8_t head[MARK_HEAD] = { 0x02, 'm', 'a', 'r', 'k', 1, 0x02, 'm', 'a', 'r', 'k', 2, 0x88, 0xb6 };
    memset(mark, 0xa5, MARK_SIZE);
    memcpy(mark, head, sizeof head);
    memcpy(mark + sizeof head, &number, sizeof number);
}

/* Reads an end's frames up to the last mark. */
static uint32_t
get_before_mark(struct sut_wire *wire, struct end *end, uint8_t frame[FRAME_MAX])
{
    uint8_t mark[MARK_SIZE];
    make_mark(mark, wire->mark);
    for (;;) {
        uint32_t size = get(end, frame);
        if (!size) {
            struct pollfd fd = { .fd = end->fd, .events = POLLIN };
            sut_check(poll(&fd, 1, PATIENCE_MS) > 0, "a mark that does not come");
        } else if (size != MARK_SIZE || memcmp(frame, mark, MARK_HEAD)) {
            return size;
        } else if (!memcmp(frame, mark, MARK_SIZE)) {    /* not an earlier one */
            end->marked = false;
            return 0;
        }
    }
}

void
sut_wire_collect(struct sut_wire *wire, void (*visit)(void *, uint16_t, const void *, uint32_t), void *aux)
{
    static uint8_t frame[FRAME_MAX];
    uint8_t mark[MARK_SIZE];
    if (!wire || wire->attached) {
        sut_wire_settle(wire);
        return;
    }
    make_mark(mark, ++wire->mark);
    for (unsigned i = 0; i < wire->n; i++) {
        put(&wire->port[i].far, mark, sizeof mark);
        put(&wire->port[i].device, mark, sizeof mark);
        wire->port[i].device.marked = wire->port[i].far.marked = true;
    }
    for (unsigned i = 0; i < wire->n; i++) {
        uint32_t size;
        while ((size = get_before_mark(wire, &wire->port[i].device, frame))) {
            counts.came_up++;
            visit(aux, (uint16_t) (i + 1), frame, size);
        }
    }
}

/* The kernel's queue of a processor keeps the order over all devices. */
void
sut_wire_settle(struct sut_wire *wire)
{
    for (unsigned i = 0; wire && wire->attached && i < HOPS; i++) {
        uint32_t number = ++wire->mark, back = 0;
        sut_check(send(wire->loop, &number, sizeof number, 0) == sizeof number, "a mark");
        while (back != number) {
            sut_check(recv(wire->loop, &back, sizeof back, 0) == sizeof back, "a mark that does not come");
        }
    }
}

uint32_t
sut_wire_take(struct sut_wire *wire, uint16_t port, void *out, uint32_t capacity)
{
    uint8_t frame[FRAME_MAX];
    struct end *far = wire && port && port <= wire->n ? &wire->port[port - 1].far : NULL;
    uint32_t size = !far ? 0 : wire->attached ? get(far, frame)
                    : far->marked ? get_before_mark(wire, far, frame) : 0;
    sut_check(size <= capacity, "a frame that is too long");
    memcpy(out, frame, size);
    return size;
}

void
sut_wire_add_came_up(uint64_t n)
{
    counts.came_up += n;
}

void
sut_wire_get_counts(struct sut_wire_counts *out)
{
    *out = counts;
    counts = (struct sut_wire_counts) { 0 };
}
