/* SPDX-License-Identifier: Apache-2.0 */
/* A port on an existing Ethernet device whose hits the kernel forwards by itself, behind packet
 * sockets: what its filters leave over comes to us by a TAP of ours, the *miss device*. Frames
 * leave by the device's packet sockets, as always.
 *
 * The last filter at the ingress is that of isolate.c, which gives to the miss device what it
 * drops elsewhere. So each frame is the kernel's or ours, never both's: filters before it come
 * and go one by one, and it is there before the first of them, and after the last. Frames come
 * as they are: the kernel puts tags back, and says of checksums and segments what it said of
 * the device's own. The miss device is called after the device's number, is silent (no ARP, no
 * IPv6), and ends with the process. */
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/netdev/ipv6.h"
#include "lib/netdev/isolate.h"
#include "lib/netdev/link.h"
#include "sw-datapath/pktio_afpacket.h"

LOG_MODULE(pktio);

/* Frames that wait in the miss device. */
enum { QUEUE_LEN = 4096 };

struct behind {
    struct afpacket a;               /* its io.fd is the miss device's */
    struct pktio *miss;
    _Atomic uint64_t dropped;        /* by the miss device, as last seen */
};

static struct behind *
behind_cast(struct pktio *io)
{
    return (struct behind *) io;
}

static unsigned
behind_rx(struct pktio *io, struct packet *packets, unsigned max)
{
    struct pktio *miss = behind_cast(io)->miss;
    return miss->ops->rx(miss, packets, max);
}

static void
behind_rx_release(struct pktio *io)
{
    struct pktio *miss = behind_cast(io)->miss;
    miss->ops->rx_release(miss);
}

/* Any thread; each drop is counted once. */
static void
count_dropped(struct behind *b, uint64_t now)
{
    uint64_t before = atomic_load(&b->dropped);
    while (now > before && !atomic_compare_exchange_weak(&b->dropped, &before, now)) {
        continue;
    }
    if (now > before) {
        atomic_fetch_add_explicit(&b->a.io.stats.rx_dropped, now - before, memory_order_relaxed);
        counter_add(COUNTER_rx_ring_full, now - before);
    }
}

static void
behind_collect(struct pktio *io)
{
    struct behind *b = behind_cast(io);
    uint64_t dropped;
    if (!link_get_tx_dropped(b->miss->ifindex, &dropped, NULL)) {
        count_dropped(b, dropped);
    }
    atomic_fetch_add_explicit(&io->stats.rx_errors,
                              atomic_exchange(&b->miss->stats.rx_errors, 0), memory_order_relaxed);
    afpacket_refresh_mtu(&b->a);
}

/* Nothing that the miss device carries is ever too long for it; its MTU is for those who look. */
static void
behind_mtu_changed(struct pktio *io, unsigned mtu)
{
    struct behind *b = behind_cast(io);
    struct ifreq ifr = { .ifr_mtu = (int) mtu };
    memcpy(ifr.ifr_name, b->miss->name, sizeof ifr.ifr_name);
    if (ioctl(b->a.device_fd, SIOCSIFMTU, &ifr)) {
        log_debug("%s: its MTU can't be that of %s: %s", b->miss->name, io->name, strerror(errno));
    }
}

static void
behind_close(struct pktio *io)
{
    struct behind *b = behind_cast(io);
    port_unisolate(b->a.isolation);
    afpacket_close_sockets(b->a.tx_socket);
    pktio_close(b->miss);
    close(b->a.device_fd);
    free(b);
}

static const struct pktio_ops behind_ops = {
    .rx = behind_rx,
    .rx_release = behind_rx_release,
    .tx = afpacket_tx,
    .collect = behind_collect,
    .mtu_changed = behind_mtu_changed,
    .error = afpacket_error,
    .set_up = afpacket_set_up,
    .mend = afpacket_mend,
    .close = behind_close,
    .queue_new = afpacket_queue_new,
    .queue_change = afpacket_queue_change,
    .queue_free = afpacket_queue_free,
    .queues_collect = afpacket_queues_collect,
};

/* Before the miss device is up: the host is to send nothing by it, for that would be taken for
 * frames of the port. */
static void
silence(int fd, const char *name)
{
    struct errmsg err;
    if (ipv6_is_enabled(name) == 1 && ipv6_set_enabled(name, false, &err)) {
        counter_inc(COUNTER_isolation_incomplete);
        log_warn("the host's IPv6 can't be kept from %s, which has a port's frames: %s; it is used "
                 "as it is", name, err.text);
    }
    struct ifreq ifr = { .ifr_flags = IFF_NOARP };
    memcpy(ifr.ifr_name, name, strlen(name));
    if (!ioctl(fd, SIOCSIFFLAGS, &ifr)) {
        ifr.ifr_qlen = QUEUE_LEN;
        ioctl(fd, SIOCSIFTXQLEN, &ifr);    /* else it is as long as others are */
    }
}

static int
open_miss(struct behind *b, struct errmsg *err)
{
    char name[PORT_NAME_SIZE];
    snprintf(name, sizeof name, "tnm%d", b->a.io.ifindex);
    int rc = pktio_tap_open(name, silence, &b->miss, err);
    if (rc) {
        errmsg_prefix(err, "%s: no device for its misses", b->a.io.name);
        return rc;
    }
    b->a.io.fd = b->miss->fd;
    afpacket_refresh_mtu(&b->a);
    return 0;
}

/* From here on frames come. */
static int
redirect(struct behind *b, struct errmsg *err)
{
    int rc = afpacket_isolate(&b->a, err);
    if (!rc) {
        rc = isolation_redirect(b->a.isolation, b->miss->ifindex, err);
        if (rc) {
            errmsg_prefix(err, "%s: its frames can't be sent to %s", b->a.io.name, b->miss->name);
        }
    }
    return rc;
}

static int
set_up(struct behind *b, struct errmsg *err)
{
    struct pktio *io = &b->a.io;
    struct packet_mreq promisc = { .mr_ifindex = io->ifindex, .mr_type = PACKET_MR_PROMISC };
    if (setsockopt(b->a.device_fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promisc, sizeof promisc)) {
        int error = errno;
        errmsg_set(err, "%s: cannot be made promiscuous: %s", io->name, strerror(error));
        return -error;
    }
    int rc = open_miss(b, err);
    rc = rc ? rc : redirect(b, err);
    if (!rc) {
        afpacket_clear_queues(&b->a);
    }
    return rc;
}

int
pktio_behind_open(const char *name, struct pktio **out, struct errmsg *err)
{
    int fd, ifindex = afpacket_open_device(name, &fd, err);
    if (ifindex < 0) {
        return ifindex;
    }
    struct behind *b = calloc(1, sizeof *b);
    if (!b) {
        close(fd);
        errmsg_set(err, "%s: out of memory", name);
        return -ENOMEM;
    }
    pktio_init(&b->a.io, &behind_ops, name, ifindex, -1);
    b->a.device_fd = fd;
    int rc = set_up(b, err);
    if (rc) {
        behind_close(&b->a.io);
        return rc;
    }
    *out = &b->a.io;
    return 0;
}

int
pktio_miss_ifindex(const struct pktio *io)
{
    return io->ops == &behind_ops ? ((const struct behind *) io)->miss->ifindex : 0;
}
