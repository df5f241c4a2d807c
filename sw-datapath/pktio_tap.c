/* SPDX-License-Identifier: Apache-2.0 */
/* A TAP: the bridge's own interface in the host's stack. Checksums and segmentation stay
 * undone on the way in and out, as between local senders. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/netdev/link.h"
#include "sw-datapath/pktio_impl.h"
#include "sw-datapath/pktio_offload.h"

/* Linux 6.2; older headers do not have them. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

struct tap {
    struct pktio io;
    struct frame_buffers buffers;
    bool silenced;               /* the worker has replaced the descriptor */
};

static struct tap *
tap_cast(struct pktio *io)
{
    return (struct tap *) io;
}

/* The device is gone. A detached TAP polls as an error for ever, and epoll would report it
 * again and again, so something silent takes the descriptor's place: an unconnected
 * socket, to which nothing can be written either. */
static void
device_gone(struct tap *tap)
{
    struct pktio *io = &tap->io;
    atomic_store_explicit(&io->error, -ENODEV, memory_order_release);
    tap->silenced = true;
    int silent = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (silent >= 0) {
        dup2(silent, io->fd);
        close(silent);
    }
}

/* Reads a frame into buffer i. 1: a frame; 0: one that can't be used; -1: none. */
static int
read_frame(struct tap *tap, unsigned i, struct packet *packet)
{
    struct virtio_net_hdr vnet;
    packet->data = frame_buffers_get(&tap->buffers, i);
    struct iovec iov[] = {
        { &vnet, sizeof vnet },
        { packet->data, PACKET_MAX_SIZE },
    };
    ssize_t n = readv(tap->io.fd, iov, 2);
    if (n < 0) {
        if (errno == EBADFD) {
            device_gone(tap);
        }
        return -1;
    }
    if (n < (ssize_t) (sizeof vnet + ETH_HLEN)) {
        pktio_count_rx_error(&tap->io, COUNTER_rx_malformed);
        return 0;
    }
    packet->size = (uint32_t) n - sizeof vnet;
    if (!offload_from_vnet(&vnet, packet->size, &packet->offload)) {
        pktio_count_rx_error(&tap->io, COUNTER_rx_malformed);
        return 0;
    }
    return 1;
}

static unsigned
tap_rx(struct pktio *io, struct packet *packets, unsigned max)
{
    struct tap *tap = tap_cast(io);
    unsigned n = 0;
    for (unsigned i = 0; i < max && !tap->silenced; i++) {
        int got = read_frame(tap, i, &packets[n]);
        if (got < 0) {
            break;
        }
        n += (unsigned) got;
    }
    return n;
}

static void
tap_rx_release(struct pktio *io)
{
    (void) io;    /* the next tap_rx() uses the buffers again */
}

static void
tap_tx(struct pktio_tx *tx, struct pktio *io, struct tx_frame *const frames[], unsigned n)
{
    (void) tx;
    for (unsigned i = 0; i < n; i++) {
        struct virtio_net_hdr vnet;
        offload_to_vnet(&frames[i]->offload, frames[i]->size, &vnet);
        struct iovec iov[] = {
            { &vnet, sizeof vnet },
            { (void *) (uintptr_t) frames[i]->data, frames[i]->size },
        };
        if (writev(io->fd, iov, 2) < 0) {
            int error = errno == ENOTCONN || errno == EBADFD ? ENODEV : errno;
            pktio_lose_errno(io, error, frames + i, 1);
        }
    }
}

static void
tap_error(struct pktio *io)
{
    struct ifreq ifr = { 0 };
    if (ioctl(io->fd, TUNGETIFF, &ifr) && errno == EBADFD) {
        /* The descriptor is the worker's to replace, when it next looks. */
        atomic_store_explicit(&io->error, -ENODEV, memory_order_release);
    }
}

static int
tap_set_up(struct pktio *io, bool up, struct errmsg *err)
{
    return link_set_up(io->ifindex, up, err);
}

static void
tap_close(struct pktio *io)
{
    close(io->fd);    /* the device goes with it */
    frame_buffers_fini(&tap_cast(io)->buffers);
    free(io);
}

static const struct pktio_ops tap_ops = {
    .rx = tap_rx,
    .rx_release = tap_rx_release,
    .tx = tap_tx,
    .error = tap_error,
    .set_up = tap_set_up,
    .close = tap_close,
};

/* What the host's stack may leave to us: first all that is known, then what older kernels
 * know. */
static int
set_offloads(int fd)
{
    unsigned basic = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
    unsigned all = basic | TUN_F_USO4 | TUN_F_USO6;
    return ioctl(fd, TUNSETOFFLOAD, (unsigned long) all)
           && ioctl(fd, TUNSETOFFLOAD, (unsigned long) basic) ? -errno : 0;
}

/* Makes the device behind 'fd'. */
static int
make_device(int fd, const char *name, struct errmsg *err)
{
    /* EXCL: a device that is there already is somebody's, also a TAP nobody has open. */
    struct ifreq ifr = {
        .ifr_flags = (short) (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL),
    };
    memcpy(ifr.ifr_name, name, strlen(name));
    int vnet_size = sizeof(struct virtio_net_hdr), rc = 0;
    if (ioctl(fd, TUNSETIFF, &ifr) || ioctl(fd, TUNSETVNETHDRSZ, &vnet_size)) {
        rc = -errno;
    }
    rc = rc ? rc : set_offloads(fd);
    if (rc == -EBUSY) {
        errmsg_set(err, "%s: there is a device of this name already", name);
    } else if (rc) {
        errmsg_set(err, "%s: cannot make a TAP: %s", name, strerror(-rc));
    }
    return rc;
}

/* A TAP of this name, up. Returns the interface index or -errno. */
static int
set_up(int fd, const char *name, void (*prepare)(int fd, const char *name), struct errmsg *err)
{
    int rc = make_device(fd, name, err);
    struct link_info link;
    rc = rc ? rc : link_get(name, &link, err);
    if (!rc && prepare) {
        int any = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        prepare(any, name);
        close(any);
    }
    rc = rc ? rc : link_set_up(link.ifindex, true, err);
    return rc ? rc : link.ifindex;
}

int
pktio_tap_open(const char *name, void (*prepare)(int fd, const char *name), struct pktio **out,
               struct errmsg *err)
{
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        int error = errno;
        errmsg_set(err, "%s: cannot open /dev/net/tun: %s", name, strerror(error));
        return -error;
    }
    int ifindex = set_up(fd, name, prepare, err);
    if (ifindex < 0) {
        close(fd);
        return ifindex;
    }
    struct tap *tap = calloc(1, sizeof *tap);
    if (!tap || frame_buffers_init(&tap->buffers, PACKET_BATCH_MAX)) {
        free(tap);
        close(fd);
        errmsg_set(err, "%s: out of memory", name);
        return -ENOMEM;
    }
    pktio_init(&tap->io, &tap_ops, name, ifindex, fd);
    *out = &tap->io;
    return 0;
}
