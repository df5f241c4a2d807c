/* SPDX-License-Identifier: Apache-2.0 */
/* The product, whole and in this process, as a test drives it: frames into and out of its
 * ports, bytes to and from it over a real OpenFlow connection, its clock.
 *
 * No threads: the product works when a function here lets it. Nothing here knows what
 * messages mean but how long they are. Hash seeds don't change from run to run, so what
 * happened once happens again. What can't fail in a working test aborts the program. */
#ifndef TESTS_PROPERTY_SWITCH_UNDER_TEST_H
#define TESTS_PROPERTY_SWITCH_UNDER_TEST_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/property/device_under_test.h"

struct sut;
struct dp_bridge_stats;

/* Who talks to the switch, which decides what a table miss does. */
enum sut_peer {
    SUT_CONTROLLER,      /* misses go to it */
    SUT_STANDALONE,      /* a management connection, no controller: misses are NORMAL */
    SUT_SECURE,          /* the same, but misses are dropped */
};

struct sut_config {
    enum sut_peer peer;
    uint16_t n_ports;          /* 1 .. n_ports, and LOCAL */
    uint32_t max_flows, max_emergency_flows;
    uint32_t cache_entries;    /* of each worker */
    uint32_t fdb_age_s;
    const char *cpus;          /* as many workers as it has; NULL: one */
    bool stp, forward_bpdu;    /* as in struct dp_bridge_config */
    const char *driver;        /* "NAME:OPTIONS" or "PATH.so:OPTIONS", behind device_under_test.h;
                                * NULL: no offload */
    uint32_t demote_pps;       /* of struct hal_config */
    bool attached;             /* ports 1 to n_ports are devices with cables (sut_wire.h) in the product's
                                * hands. Links are up and stay so, and there are no queues. */
};

/* A switch that has shaken hands with its peer. */
struct sut *sut_new(const struct sut_config *, uint64_t now_ms);
void sut_free(struct sut *);

/* Time stands still but for this, and but for sut_fence() while a device is slow. The product's
 * timers run at 'now_ms'. */
void sut_set_time(struct sut *, uint64_t now_ms);
uint64_t sut_now_ms(const struct sut *);

/* A port's Ethernet address; zeros if there is no such port. */
void sut_get_address(const struct sut *, uint16_t port, uint8_t address[6]);

/* Puts a frame into a port's queue; lets the workers handle what is there; takes a frame
 * that left (its size, 0 if there is none; the number of its queue, UINT32_MAX if none). A
 * port that is not there gives nothing. */
void sut_inject(struct sut *, uint16_t port, const void *frame, uint32_t size);
void sut_forward(struct sut *);
uint32_t sut_take(struct sut *, uint16_t port, void *frame, uint32_t capacity, uint32_t *queue);

void sut_add_port(struct sut *, uint16_t port);
void sut_remove_port(struct sut *, uint16_t port);
void sut_set_link(struct sut *, uint16_t port, bool is_up);
/* False if it is refused. */
bool sut_set_stp(struct sut *, uint16_t port, uint32_t state);
/* Makes a queue, or removes it. */
void sut_set_queue(struct sut *, uint16_t port, uint32_t id, bool there);

/* Sends whole messages. */
void sut_send(struct sut *, const void *messages, size_t size);
/* Lets it do what it can do without time. */
void sut_run(struct sut *);
/* Sends a BARRIER_REQUEST or an ECHO_REQUEST and waits for its reply: all that was sent
 * before is done, and all that it had to say is here. False if no reply came. */
bool sut_fence(struct sut *, bool barrier);
/* The next message that came before the fence's reply; NULL at the end. Valid until the
 * next sut_fence(). */
const uint8_t *sut_next_message(struct sut *, size_t *size);
/* Asynchronous messages that the connection dropped for want of room. */
uint64_t sut_n_dropped(const struct sut *);

/* --- offload: of no effect without a driver ---
 *
 * Says that such frames came in by the port so often a second, as a worker would. */
void sut_offer(struct sut *, uint16_t port, const void *frame, uint32_t size, uint32_t pps);
/* Lets the device and the HAL do what they can do without time. */
void sut_run_hardware(struct sut *);
/* What the device has counted by now is credited. */
void sut_refresh(struct sut *);
/* Compares the device with what is wanted, and puts it right; how many differences there were,
 * UINT32_MAX if it did not end. A device that was fenced off is used again. */
unsigned sut_repair(struct sut *);
/* Frames that went into cables in the trials until now, since the last call; at a trial's end. */
struct sut_wire_counts;
void sut_get_wire_counts(struct sut *, struct sut_wire_counts *);
/* True if the device has not answered to all changes. */
bool sut_is_busy(const struct sut *);
/* What of a planted bug is the product's. */
void sut_set_plant(struct sut *, enum dut_plant);
bool sut_is_fenced(const struct sut *);

/* Upkeep that workers and timers do: lets deferred frees happen; sweeps a part of the
 * caches. */
void sut_poll_epoch(struct sut *);
void sut_sweep(struct sut *, uint32_t n_slots, uint64_t max_idle_ms);

void sut_get_stats(const struct sut *, struct dp_bridge_stats *);

#endif /* tests/property/switch_under_test.h */
