/* SPDX-License-Identifier: Apache-2.0 */
/* Real cables for the ports of the switch under test, for devices that forward by themselves.
 *
 * TURNOUT_PORTS="p1:w1,p2:w2,..." names for each port, from 1 on, the network device that the
 * driver gets, and the far end of its cable. A frame for a port is sent into the far end; then
 * the device has it, and either forwards it, to other far ends, or it comes up by the port's own
 * device and goes on into the port in memory, from where the product has it. What the product
 * sends stays in memory. When the product has the devices themselves ('attached') it receives from
 * them, sends by them, and has the driver's miss path, and all that comes to a far end is its or the
 * device's.
 *
 * Nothing is waited for by time: behind the frames a mark is sent on the same way, and what comes
 * before it is all there is. That takes a kernel that keeps the order on one CPU; with attached
 * devices the mark is a datagram over the loopback device, which must be up.
 *
 * The devices have no addresses, nothing else uses them, and their MTU is 1600 or more. One
 * thread. What can't fail in a working test aborts the program. */
#ifndef TESTS_PROPERTY_SUT_WIRE_H
#define TESTS_PROPERTY_SUT_WIRE_H 1

#include <stdbool.h>
#include <stdint.h>

struct sut_wire;

/* NULL if there are no cables. 'attached' binds the process to a processor. */
struct sut_wire *sut_wire_new(bool attached);
void sut_wire_free(struct sut_wire *);

/* The name and number of the device that is the port; false if it has none. */
bool sut_wire_device(const struct sut_wire *, uint16_t port, char *name, int *ifindex);

/* False if lengths or checksums of IPv4, TCP or UDP are wrong. A device computes the whole of a
 * checksum that it changes, so that one which came in wrong goes out right; software changes it as
 * much as the packet changes. Both are as good, so such packets are kept from devices. */
bool sut_wire_is_sound(const uint8_t *frame, uint32_t size);

/* Sends a frame into the port's far end. False if it has none, or none can have such a frame. */
bool sut_wire_send(struct sut_wire *, uint16_t port, const void *frame, uint32_t size);
/* All that came up by the ports' devices since the last call: visits each frame, the frames of a
 * port in order. */
void sut_wire_collect(struct sut_wire *, void (*visit)(void *aux, uint16_t port, const void *frame,
                                                       uint32_t size), void *aux);
/* Attached: when it returns the kernel has nothing left to do with frames that were sent before.
 * Otherwise nothing. */
void sut_wire_settle(struct sut_wire *);
/* The next frame that the device sent to the port's far end; 0: there are no more. */
uint32_t sut_wire_take(struct sut_wire *, uint16_t port, void *frame, uint32_t capacity);

/* Frames that were sent into far ends since the last call, and those of them that came up. */
struct sut_wire_counts {
    uint64_t sent, came_up;
};
void sut_wire_get_counts(struct sut_wire_counts *);
/* Attached: so many frames more came up. */
void sut_wire_add_came_up(uint64_t);

#endif /* tests/property/sut_wire.h */
