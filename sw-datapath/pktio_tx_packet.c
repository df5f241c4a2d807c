/* SPDX-License-Identifier: Apache-2.0 */
/* AF_PACKET: sending, by the thread's ring or through the port's socket. */
#include <config.h>    /* _GNU_SOURCE, for sendmmsg() */

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/netdev/htb.h"
#include "sw-datapath/pktio_afpacket.h"
#include "sw-datapath/pktio_offload.h"
#include "sw-datapath/pktio_tx_ring.h"

enum { SNDBUF_SIZE = 4 << 20, CHUNK_LEN = 64 };

/* A socket on the device alone, so that a slow one does not use up another's buffer.
 * 'priority' is what the device's queueing discipline goes by. */
static int
open_socket(int ifindex, int priority)
{
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1, sndbuf = SNDBUF_SIZE;
    struct sockaddr_ll addr = { .sll_family = AF_PACKET, .sll_ifindex = ifindex };
    if (fd < 0
        || setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on)
        || setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &sndbuf, sizeof sndbuf)
        || setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &priority, sizeof priority)
        || bind(fd, (struct sockaddr *) &addr, sizeof addr)) {
        int error = errno;
        if (fd >= 0) {
            close(fd);
        }
        return -error;
    }
    return fd;
}

/* This thread's socket for the port, or for a queue of it, or -errno. */
static int
get_socket(struct afpacket *a, const struct tx_frame *frame, unsigned slot)
{
    struct afpacket_queue *queue = (struct afpacket_queue *) frame->queue;
    _Atomic int *place = queue ? &queue->tx_socket[slot] : &a->tx_socket[slot];
    int fd = atomic_load_explicit(place, memory_order_relaxed) - 1;
    if (fd < 0) {
        fd = open_socket(a->io.ifindex, queue ? htb_priority(queue->minor) : 0);
        if (fd >= 0) {
            atomic_store_explicit(place, fd + 1, memory_order_release);
        }
    }
    return fd;
}

void
afpacket_close_sockets(_Atomic int tx_socket[])
{
    for (unsigned i = 0; i < PKTIO_MAX_TX; i++) {
        int fd = atomic_load_explicit(&tx_socket[i], memory_order_acquire) - 1;
        if (fd >= 0) {
            close(fd);
        }
    }
}

struct chunk {
    struct mmsghdr msgs[CHUNK_LEN];
    struct iovec iov[CHUNK_LEN][2];
    struct virtio_net_hdr vnet[CHUNK_LEN];
};

static void
fill_chunk(struct chunk *chunk, struct tx_frame *const frames[], unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        offload_to_vnet(&frames[i]->offload, frames[i]->size, &chunk->vnet[i]);
        chunk->iov[i][0] = (struct iovec) { &chunk->vnet[i], sizeof chunk->vnet[i] };
        chunk->iov[i][1] = (struct iovec) { (void *) (uintptr_t) frames[i]->data,
                                            frames[i]->size };
        chunk->msgs[i] = (struct mmsghdr) { .msg_hdr = { .msg_iov = chunk->iov[i],
                                                         .msg_iovlen = 2 } };
    }
}

/* Sends a chunk; returns how many frames were dealt with: fewer than n when the device is
 * down or gone, with *error saying so. */
static unsigned
send_chunk(struct afpacket *a, int fd, struct chunk *chunk, struct tx_frame *const frames[],
           unsigned n, int *error)
{
    unsigned done = 0;
    bool again = true;
    *error = 0;
    while (done < n) {
        int sent = sendmmsg(fd, chunk->msgs + done, n - done, MSG_DONTWAIT);
        if (sent > 0) {
            done += (unsigned) sent;
            continue;
        }
        if (pktio_is_device_error(errno)) {
            /* The first call after the device was down tells of that, even if it is up. */
            if (!again) {
                *error = errno;
                return done;
            }
            again = false;
        } else if (errno != EINTR) {
            pktio_lose_errno(&a->io, errno, frames + done, 1);
            done++;
        }
    }
    return done;
}

static void
send_by_socket(struct afpacket *a, unsigned slot, struct tx_frame *const frames[],
               unsigned n)
{
    int fd = get_socket(a, frames[0], slot);
    if (fd < 0) {
        pktio_lose_errno(&a->io, -fd, frames, n);
        return;
    }
    struct chunk chunk;
    while (n) {
        unsigned len = n < CHUNK_LEN ? n : CHUNK_LEN;
        fill_chunk(&chunk, frames, len);
        int error;
        unsigned done = send_chunk(a, fd, &chunk, frames, len, &error);
        if (error) {
            pktio_lose_errno(&a->io, error, frames + done, n - done);
            return;
        }
        frames += len;
        n -= len;
    }
}

/* True if the device can take the frame; its MTU may have grown since we looked. */
static bool
fits(struct afpacket *a, const struct tx_frame *frame)
{
    unsigned mtu = atomic_load_explicit(&a->io.mtu, memory_order_relaxed);
    if (offload_fits_mtu(frame->data, frame->size, &frame->offload, mtu)) {
        return true;
    }
    afpacket_refresh_mtu(a);
    mtu = atomic_load_explicit(&a->io.mtu, memory_order_relaxed);
    return offload_fits_mtu(frame->data, frame->size, &frame->offload, mtu);
}

/* How many frames from the first on go the same way as it: by the ring or not. */
static unsigned
run_len(struct tx_frame *const frames[], unsigned n, bool *by_ring)
{
    *by_ring = tx_ring_takes(frames[0]);
    unsigned len = 1;
    while (len < n && tx_ring_takes(frames[len]) == *by_ring) {
        len++;
    }
    return len;
}

/* Sends a run by the ring. Returns how many frames were dealt with; the rest of them is
 * for the socket, unless the device is down (*down). */
static unsigned
send_by_ring(struct afpacket *a, struct tx_ring *ring, struct tx_frame *const frames[],
             unsigned n, bool *down)
{
    struct tx_ring_result result = tx_ring_send(ring, a->io.ifindex, frames, n);
    if (result.held) {
        atomic_store_explicit(&a->holds_frames, true, memory_order_relaxed);
    }
    *down = pktio_is_device_error(result.error);
    if (result.n_sent < n && result.error && !*down && result.error != EAGAIN) {
        pktio_lose_errno(&a->io, result.error, frames + result.n_sent, 1);
        return result.n_sent + 1;
    }
    return result.n_sent;
}

static void
send_fitting(struct pktio_tx *tx, struct afpacket *a, struct tx_frame *const frames[],
             unsigned n)
{
    if (frames[0]->queue) {
        send_by_socket(a, pktio_tx_slot(tx), frames, n);
        return;
    }
    struct tx_ring *ring = NULL;
    if (!atomic_load_explicit(&a->holds_frames, memory_order_relaxed)) {
        ring = pktio_tx_ring(tx);
    }
    while (n) {
        bool by_ring, down = false;
        unsigned len = run_len(frames, n, &by_ring), done = len;
        if (by_ring && ring) {
            done = send_by_ring(a, ring, frames, len, &down);
        } else {
            if (by_ring) {
                counter_add(COUNTER_tx_ring_fallback, len);
            }
            send_by_socket(a, pktio_tx_slot(tx), frames, len);
        }
        frames += done;
        n -= done;
        if (down) {
            pktio_lose_error(&a->io, COUNTER_tx_device_down, frames, n);
            return;
        }
        if (done < len) {
            ring = NULL;
        }
    }
}

void
afpacket_tx(struct pktio_tx *tx, struct pktio *io, struct tx_frame *const frames[],
            unsigned n)
{
    struct afpacket *a = afpacket_cast(io);
    unsigned first = 0;
    for (unsigned i = 0; i < n; i++) {
        if (!fits(a, frames[i])) {
            if (i > first) {
                send_fitting(tx, a, frames + first, i - first);
            }
            pktio_lose_error(io, COUNTER_tx_too_long, frames + i, 1);
            first = i + 1;
        }
    }
    if (n > first) {
        send_fitting(tx, a, frames + first, n - first);
    }
}
