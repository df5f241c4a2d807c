/* SPDX-License-Identifier: Apache-2.0 */
/* AF_PACKET: opening a device, and receiving from its ring. */
#include "sw-datapath/pktio_afpacket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/netdev/isolate.h"
#include "sw-datapath/pktio_offload.h"

LOG_MODULE(pktio);

enum {
    RING_SIZE = 4 << 20,             /* 2048 slots at the usual MTU: 3 ms at 600,000 frames/s */
    BLOCK_SIZE = 64 << 10,
    MIN_SLOT_SIZE = 2048,
    MAX_SLOT_SIZE = 16384,
    SLOT_RESERVE = 32,               /* PACKET_RESERVE: headroom behind the kernel's headers */
    SLOT_OVERHEAD = 160,             /* slot header, reserve, vnet header, tailroom, rounding */
    RCVBUF_SIZE = 8 << 20,           /* super-frames that wait outside of the ring */
    N_BUFFERS = 16,                  /* of them in one batch */
};
static_assert(SLOT_RESERVE >= (int) PACKET_HEADROOM, "headroom even if all else in front is used");

/* ---- Receiving ---- */

static struct tpacket2_hdr *
slot_at(const struct afpacket *a, uint32_t i)
{
    return (struct tpacket2_hdr *) (void *) (a->ring + (size_t) i * a->slot_size);
}

static void
afpacket_rx_release(struct pktio *io)
{
    struct afpacket *a = afpacket_cast(io);
    uint32_t i = (a->head - a->n_held) & (a->n_slots - 1);
    while (a->n_held) {
        __atomic_store_n(&slot_at(a, i)->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
        i = (i + 1) & (a->n_slots - 1);
        a->n_held--;
    }
    a->n_buffers_used = 0;
}

/* A frame that the ring has no room for, or none for its tailroom. */
static bool
needs_buffer(const struct afpacket *a, const struct tpacket2_hdr *slot, uint32_t status)
{
    return (status & TP_STATUS_COPY)
           || slot->tp_mac + slot->tp_snaplen + PACKET_TAILROOM > a->slot_size;
}

/* What the kernel says beside a frame's bytes. */
struct metadata {
    struct virtio_net_hdr vnet;
    uint32_t status;                 /* TP_STATUS_* */
    uint16_t tci, tpid;              /* of the tag, as 'status' says */
};

static void
read_metadata(struct msghdr *msg, struct metadata *meta)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA) {
            struct tpacket_auxdata aux;
            memcpy(&aux, CMSG_DATA(c), sizeof aux);
            meta->status = aux.tp_status;
            meta->tci = aux.tp_vlan_tci;
            meta->tpid = aux.tp_vlan_tpid;
        }
    }
}

/* The oldest frame that waits outside of the ring. Two that came on two CPUs at a time may
 * wait the other way round than their slots are, so what a slot says is not of this one. */
static bool
receive_long(struct afpacket *a, uint8_t *buffer, uint32_t *size, struct metadata *meta)
{
    struct iovec iov[] = {
        { &meta->vnet, sizeof meta->vnet },
        { buffer, PACKET_MAX_SIZE },
    };
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
    } control;
    struct msghdr msg;
    ssize_t n = -1;
    /* The first call after the device went down tells that, and nothing else. */
    for (unsigned tries = 0; n < 0 && tries < 2; tries++) {
        msg = (struct msghdr) {
            .msg_iov = iov, .msg_iovlen = 2,
            .msg_control = &control, .msg_controllen = sizeof control,
        };
        n = recvmsg(a->io.fd, &msg, MSG_DONTWAIT);
    }
    if (n < (ssize_t) sizeof meta->vnet || (msg.msg_flags & MSG_TRUNC)) {
        return false;
    }
    *size = (uint32_t) n - sizeof meta->vnet;
    read_metadata(&msg, meta);
    return true;
}

/* Finds the frame's bytes and what is said of it, in the slot or outside of it. */
static bool
locate_frame(struct afpacket *a, const struct tpacket2_hdr *slot, uint32_t status,
             struct packet *packet, struct metadata *meta)
{
    uint8_t *in_slot = (uint8_t *) (uintptr_t) slot + slot->tp_mac;
    packet->data = in_slot;
    if (needs_buffer(a, slot, status)) {
        packet->data = frame_buffers_get(&a->buffers, a->n_buffers_used++);
        if (status & TP_STATUS_COPY) {
            return receive_long(a, packet->data, &packet->size, meta);
        }
        memcpy(packet->data, in_slot, slot->tp_snaplen);
    }
    packet->size = slot->tp_snaplen;
    memcpy(&meta->vnet, in_slot - sizeof meta->vnet, sizeof meta->vnet);
    meta->status = status;
    meta->tci = slot->tp_vlan_tci;
    meta->tpid = slot->tp_vlan_tpid;
    return slot->tp_len == slot->tp_snaplen;
}

/* False if the slot has nothing that can be forwarded. */
static bool
take_frame(struct afpacket *a, const struct tpacket2_hdr *slot, uint32_t status,
           struct packet *packet)
{
    struct metadata meta = { .status = 0 };
    if (!locate_frame(a, slot, status, packet, &meta)) {
        pktio_count_rx_error(&a->io, COUNTER_rx_truncated);
        return false;
    }
    bool ok = packet->size >= ETH_HLEN
              && offload_from_vnet(&meta.vnet, packet->size, &packet->offload);
    if (ok && meta.status & TP_STATUS_VLAN_VALID) {
        uint16_t tpid = meta.status & TP_STATUS_VLAN_TPID_VALID ? meta.tpid : ETH_P_8021Q;
        ok = offload_push_tag(packet, tpid, meta.tci);
    }
    if (!ok) {
        pktio_count_rx_error(&a->io, COUNTER_rx_malformed);
    }
    return ok;
}

void
afpacket_error(struct pktio *io)
{
    struct ifreq ifr = { .ifr_ifindex = io->ifindex };
    if (ioctl(afpacket_cast(io)->device_fd, SIOCGIFNAME, &ifr) && errno == ENODEV) {
        atomic_store_explicit(&io->error, -ENODEV, memory_order_release);
    }
}

/* A device that goes down or away leaves an error on the socket, which polls readable
 * until somebody asks for it. Asking is a system call, so only a worker that is called
 * again and again for nothing does. */
static void
found_nothing(struct afpacket *a)
{
    if ((++a->n_empty & 63) != 2) {
        return;
    }
    int error = 0;
    socklen_t len = sizeof error;
    if (!getsockopt(a->io.fd, SOL_SOCKET, SO_ERROR, &error, &len) && error) {
        afpacket_error(&a->io);
    }
}

static unsigned
afpacket_rx(struct pktio *io, struct packet *packets, unsigned max)
{
    struct afpacket *a = afpacket_cast(io);
    afpacket_rx_release(io);
    unsigned n = 0;
    /* Frames that are not forwarded take slots, too: what one call does stays bounded. */
    while (n < max && a->n_held < 2 * PACKET_BATCH_MAX) {
        const struct tpacket2_hdr *slot = slot_at(a, a->head);
        uint32_t status = __atomic_load_n(&slot->tp_status, __ATOMIC_ACQUIRE);
        if (!(status & TP_STATUS_USER)
            || (a->n_buffers_used == N_BUFFERS && needs_buffer(a, slot, status))) {
            break;
        }
        const uint8_t *ahead = (const uint8_t *) slot_at(a, (a->head + 4) & (a->n_slots - 1));
        __builtin_prefetch(ahead);
        __builtin_prefetch(ahead + 128);
        n += take_frame(a, slot, status, &packets[n]);
        a->head = (a->head + 1) & (a->n_slots - 1);
        a->n_held++;
    }
    if (a->n_held) {
        a->n_empty = 0;
    } else {
        found_nothing(a);
    }
    return n;
}

static void
afpacket_collect(struct pktio *io)
{
    struct tpacket_stats stats;
    socklen_t len = sizeof stats;
    /* Reading resets it, at once. */
    if (!getsockopt(io->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len) && stats.tp_drops) {
        atomic_fetch_add_explicit(&io->stats.rx_dropped, stats.tp_drops, memory_order_relaxed);
        counter_add(COUNTER_rx_ring_full, stats.tp_drops);
    }
    afpacket_refresh_mtu(afpacket_cast(io));
}

/* ---- Opening and closing ---- */

static void
afpacket_close(struct pktio *io)
{
    struct afpacket *a = afpacket_cast(io);
    port_unisolate(a->isolation);
    afpacket_close_sockets(a->tx_socket);
    if (a->ring) {
        munmap(a->ring, RING_SIZE);
    }
    frame_buffers_fini(&a->buffers);
    if (io->fd >= 0) {
        close(io->fd);
    }
    free(a);
}

int
afpacket_set_up(struct pktio *io, bool up, struct errmsg *err)
{
    return isolation_set_up(afpacket_cast(io)->isolation, up, err);
}

void
afpacket_mend(struct pktio *io)
{
    static struct log_limit limit;
    struct errmsg err = { "" };
    int rc = isolation_mend(afpacket_cast(io)->isolation, &err);
    if (rc > 0) {
        counter_inc(COUNTER_isolation_mended);
        log_warn_limited(&limit, "%s: somebody deleted the filter that keeps its frames from the host's stack; it is "
                         "there again", io->name);
    } else if (rc) {
        log_warn_limited(&limit, "%s: the filter that keeps its frames from the host's stack is gone, and can't be "
                         "made: %s", io->name, err.text);
    }
}

static const struct pktio_ops afpacket_ops = {
    .rx = afpacket_rx,
    .rx_release = afpacket_rx_release,
    .tx = afpacket_tx,
    .collect = afpacket_collect,
    .error = afpacket_error,
    .set_up = afpacket_set_up,
    .mend = afpacket_mend,
    .close = afpacket_close,
    .queue_new = afpacket_queue_new,
    .queue_change = afpacket_queue_change,
    .queue_free = afpacket_queue_free,
    .queues_collect = afpacket_queues_collect,
};

void
afpacket_refresh_mtu(struct afpacket *a)
{
    struct ifreq ifr = { .ifr_ifindex = a->io.ifindex };
    if (!ioctl(a->device_fd, SIOCGIFNAME, &ifr) && !ioctl(a->device_fd, SIOCGIFMTU, &ifr)) {
        pktio_set_mtu(&a->io, (unsigned) ifr.ifr_mtu);
    }
}

/* The interface index of an Ethernet device, or -errno. */
static int
find_device(int fd, const char *name, struct errmsg *err)
{
    struct ifreq ifr = { 0 };
    memcpy(ifr.ifr_name, name, strlen(name));
    if (ioctl(fd, SIOCGIFHWADDR, &ifr)) {
        int error = errno;
        errmsg_set(err, "%s: %s", name, error == ENODEV ? "no such device" : strerror(error));
        return -error;
    }
    if (ifr.ifr_hwaddr.sa_family != ARPHRD_ETHER) {
        errmsg_set(err, "%s is not an Ethernet device", name);
        return -EOPNOTSUPP;
    }
    if (ioctl(fd, SIOCGIFINDEX, &ifr)) {
        int error = errno;
        errmsg_set(err, "%s: %s", name, strerror(error));
        return -error;
    }
    return ifr.ifr_ifindex;
}

static int
set_option(int fd, int level, int option, const char *what, const void *value, socklen_t size,
           const char *device, struct errmsg *err)
{
    if (setsockopt(fd, level, option, value, size)) {
        int error = errno;
        errmsg_set(err, "%s: cannot set %s on the packet socket: %s", device, what,
                   strerror(error));
        return -error;
    }
    return 0;
}

#define SET_PACKET_OPTION(FD, OPTION, VALUE, DEVICE, ERR) \
    set_option(FD, SOL_PACKET, OPTION, #OPTION, &(VALUE), sizeof(VALUE), DEVICE, ERR)

/* Everything that must be set before the ring is made. */
static int
set_options(struct afpacket *a, struct errmsg *err)
{
    const char *name = a->io.name;
    int fd = a->io.fd;
    int on = 1, version = TPACKET_V2, reserve = SLOT_RESERVE, thresh = 1, rcvbuf = RCVBUF_SIZE;
    struct packet_mreq promisc = { .mr_ifindex = a->io.ifindex, .mr_type = PACKET_MR_PROMISC };
    int rc = SET_PACKET_OPTION(fd, PACKET_VERSION, version, name, err);
    rc = rc ? rc : SET_PACKET_OPTION(fd, PACKET_VNET_HDR, on, name, err);
    rc = rc ? rc : SET_PACKET_OPTION(fd, PACKET_RESERVE, reserve, name, err);
    rc = rc ? rc : SET_PACKET_OPTION(fd, PACKET_COPY_THRESH, thresh, name, err);
    rc = rc ? rc : SET_PACKET_OPTION(fd, PACKET_AUXDATA, on, name, err);
    rc = rc ? rc : SET_PACKET_OPTION(fd, PACKET_IGNORE_OUTGOING, on, name, err);
    rc = rc ? rc : SET_PACKET_OPTION(fd, PACKET_ADD_MEMBERSHIP, promisc, name, err);
    rc = rc ? rc : set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, "SO_RCVBUFFORCE", &rcvbuf,
                              sizeof rcvbuf, name, err);
    return rc;
}

static int
make_ring(struct afpacket *a, struct errmsg *err)
{
    uint32_t wanted = atomic_load_explicit(&a->io.mtu, memory_order_relaxed) + ETH_HLEN
                      + SLOT_OVERHEAD;
    a->slot_size = MIN_SLOT_SIZE;
    while (a->slot_size < wanted && a->slot_size < MAX_SLOT_SIZE) {
        a->slot_size *= 2;
    }
    a->n_slots = RING_SIZE / a->slot_size;
    struct tpacket_req req = {
        .tp_block_size = BLOCK_SIZE,
        .tp_block_nr = RING_SIZE / BLOCK_SIZE,
        .tp_frame_size = a->slot_size,
        .tp_frame_nr = a->n_slots,
    };
    int rc = SET_PACKET_OPTION(a->io.fd, PACKET_RX_RING, req, a->io.name, err);
    if (rc) {
        return rc;
    }
    void *ring = mmap(NULL, RING_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                      a->io.fd, 0);
    if (ring == MAP_FAILED) {
        int error = errno;
        errmsg_set(err, "%s: cannot map the receive ring: %s", a->io.name, strerror(error));
        return -error;
    }
    a->ring = ring;
    return 0;
}

/* Frames come in from here on. */
static int
bind_socket(struct afpacket *a, struct errmsg *err)
{
    struct sockaddr_ll addr = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(ETH_P_ALL),
        .sll_ifindex = a->io.ifindex,
    };
    if (bind(a->io.fd, (struct sockaddr *) &addr, sizeof addr)) {
        int error = errno;
        errmsg_set(err, "%s: cannot bind the packet socket: %s", a->io.name, strerror(error));
        return -error;
    }
    return 0;
}

int
afpacket_isolate(struct afpacket *a, struct errmsg *err)
{
    int rc = port_isolate(a->io.name, a->io.ifindex, &a->isolation, err);
    const char *note = rc ? NULL : isolation_note(a->isolation);
    if (note) {
        counter_inc(COUNTER_isolation_incomplete);
        log_warn("%s is not wholly kept from the host's stack: %s; it is used as it is", a->io.name,
                 note);
    }
    return rc;
}

static int
set_up(struct afpacket *a, struct errmsg *err)
{
    afpacket_refresh_mtu(a);
    int rc = set_options(a, err);
    rc = rc ? rc : make_ring(a, err);
    if (!rc && frame_buffers_init(&a->buffers, N_BUFFERS)) {
        errmsg_set(err, "%s: out of memory", a->io.name);
        rc = -ENOMEM;
    }
    rc = rc ? rc : afpacket_isolate(a, err);
    if (!rc) {
        afpacket_clear_queues(a);
    }
    return rc ? rc : bind_socket(a, err);
}

int
afpacket_open_device(const char *name, int *out, struct errmsg *err)
{
    /* Protocol 0: nothing is received before bind(). */
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        int error = errno;
        errmsg_set(err, "%s: cannot open a packet socket: %s", name, strerror(error));
        return -error;
    }
    int ifindex = find_device(fd, name, err);
    if (ifindex < 0) {
        close(fd);
        return ifindex;
    }
    *out = fd;
    return ifindex;
}

int
pktio_afpacket_open(const char *name, struct pktio **out, struct errmsg *err)
{
    int fd, ifindex = afpacket_open_device(name, &fd, err);
    if (ifindex < 0) {
        return ifindex;
    }
    struct afpacket *a = calloc(1, sizeof *a);
    if (!a) {
        close(fd);
        errmsg_set(err, "%s: out of memory", name);
        return -ENOMEM;
    }
    pktio_init(&a->io, &afpacket_ops, name, ifindex, fd);
    a->device_fd = fd;
    int rc = set_up(a, err);
    if (rc) {
        afpacket_close(&a->io);
        return rc;
    }
    *out = &a->io;
    return 0;
}
