/* SPDX-License-Identifier: Apache-2.0 */
#include "sw-datapath/pktio_tx_ring.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sw-datapath/pktio_offload.h"

enum {
    SLOT_SIZE = 2048,
    N_SLOTS = 128,                 /* two batches; few, so that they stay in the cache */
    BLOCK_SIZE = 64 << 10,
    RING_SIZE = SLOT_SIZE * N_SLOTS,
    SNDBUF_SIZE = 4 << 20,
    /* Where the kernel looks for the frame, with the vnet header in front of it. */
    DATA_OFFSET = TPACKET2_HDRLEN - sizeof(struct sockaddr_ll),
    MAX_FRAME_SIZE = SLOT_SIZE - DATA_OFFSET - sizeof(struct virtio_net_hdr),
};

struct tx_ring {
    int fd;
    uint8_t *slots;
    unsigned head;                 /* the kernel's next slot, and ours */
};

void
tx_ring_free(struct tx_ring *ring)
{
    if (!ring) {
        return;
    }
    if (ring->slots) {
        munmap(ring->slots, RING_SIZE);
    }
    if (ring->fd >= 0) {
        close(ring->fd);
    }
    free(ring);
}

static bool
set_up(struct tx_ring *ring)
{
    ring->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1, version = TPACKET_V2, sndbuf = SNDBUF_SIZE;
    struct tpacket_req req = {
        .tp_block_size = BLOCK_SIZE,
        .tp_block_nr = RING_SIZE / BLOCK_SIZE,
        .tp_frame_size = SLOT_SIZE,
        .tp_frame_nr = N_SLOTS,
    };
    if (ring->fd < 0
        || setsockopt(ring->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version)
        || setsockopt(ring->fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on)
        || setsockopt(ring->fd, SOL_SOCKET, SO_SNDBUFFORCE, &sndbuf, sizeof sndbuf)
        || setsockopt(ring->fd, SOL_PACKET, PACKET_TX_RING, &req, sizeof req)) {
        return false;
    }
    void *slots = mmap(NULL, RING_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                       ring->fd, 0);
    if (slots == MAP_FAILED) {
        return false;
    }
    ring->slots = slots;
    return true;
}

struct tx_ring *
tx_ring_new(void)
{
    struct tx_ring *ring = calloc(1, sizeof *ring);
    if (ring && !set_up(ring)) {
        tx_ring_free(ring);
        ring = NULL;
    }
    return ring;
}

bool
tx_ring_takes(const struct tx_frame *frame)
{
    return frame->size >= ETH_HLEN && frame->size <= MAX_FRAME_SIZE && !frame->offload.gso_type;
}

static struct tpacket2_hdr *
slot_at(const struct tx_ring *ring, unsigned i)
{
    return (struct tpacket2_hdr *) (void *) (ring->slots + (size_t) (i % N_SLOTS) * SLOT_SIZE);
}

static uint32_t
slot_status(const struct tx_ring *ring, unsigned i)
{
    return __atomic_load_n(&slot_at(ring, i)->tp_status, __ATOMIC_ACQUIRE);
}

static void
fill_slot(struct tpacket2_hdr *slot, const struct tx_frame *frame)
{
    struct virtio_net_hdr vnet;
    offload_to_vnet(&frame->offload, frame->size, &vnet);
    /* All of it is to be copied into the buffer's linear part. */
    vnet.hdr_len = (uint16_t) frame->size;
    uint8_t *data = (uint8_t *) slot + DATA_OFFSET;
    memcpy(data, &vnet, sizeof vnet);
    memcpy(data + sizeof vnet, frame->data, frame->size);
    slot->tp_len = sizeof vnet + frame->size;
    __atomic_store_n(&slot->tp_status, TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);
}

/* Takes back the slots that the kernel did not: 'from' is its next one. */
static void
take_back(struct tx_ring *ring, unsigned from, unsigned to)
{
    for (unsigned i = from; i != to; i++) {
        __atomic_store_n(&slot_at(ring, i)->tp_status, TP_STATUS_AVAILABLE, __ATOMIC_RELEASE);
    }
}

/* Sends what is in the n slots from the head on; returns how many the device took. */
static unsigned
kick(struct tx_ring *ring, int ifindex, unsigned n, int *error)
{
    struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = ifindex };
    ssize_t sent;
    do {
        sent = sendto(ring->fd, NULL, 0, MSG_DONTWAIT, (struct sockaddr *) &to, sizeof to);
        *error = sent < 0 ? errno : 0;
    } while (*error == EINTR);
    unsigned first = ring->head, taken = 0;
    while (taken < n) {
        uint32_t status = slot_status(ring, first + taken);
        if (status & (TP_STATUS_SEND_REQUEST | TP_STATUS_WRONG_FORMAT)) {
            break;
        }
        taken++;
    }
    take_back(ring, first + taken, first + n);
    ring->head = (first + taken) % N_SLOTS;
    /* Having sent some, the kernel does not say what stopped it: its socket is full. */
    *error = taken == n ? 0 : *error ? *error : EAGAIN;
    return taken;
}

struct tx_ring_result
tx_ring_send(struct tx_ring *ring, int ifindex, struct tx_frame *const frames[], unsigned n)
{
    struct tx_ring_result result = { 0 };
    while (result.n_sent < n && !result.error && !result.held) {
        unsigned filled = 0, left = n - result.n_sent;
        while (filled < left && filled < N_SLOTS
               && slot_status(ring, ring->head + filled) == TP_STATUS_AVAILABLE) {
            fill_slot(slot_at(ring, ring->head + filled), frames[result.n_sent + filled]);
            filled++;
        }
        if (!filled) {
            break;
        }
        unsigned taken = kick(ring, ifindex, filled, &result.error);
        result.n_sent += taken;
        result.held = taken && slot_status(ring, ring->head + N_SLOTS - 1) != TP_STATUS_AVAILABLE;
    }
    return result;
}
