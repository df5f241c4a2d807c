/* SPDX-License-Identifier: Apache-2.0 */
/* A driver between the HAL and another driver, the one under test: it counts, and on demand it
 * makes the device behave as devices do on bad days, whatever driver that is.
 *
 * One device at a time, stepped, one thread. Late answers go by the injected clock, so the same
 * calls give the same run. */
#ifndef TESTS_PROPERTY_DEVICE_UNDER_TEST_H
#define TESTS_PROPERTY_DEVICE_UNDER_TEST_H 1

#include "hal/driver.h"

/* A bug on the way to the device, to be found; whole rules' are found only where there are some. */
enum dut_plant {
    DUT_PLANT_NONE,
    DUT_PLANT_ONE_PRIORITY,   /* all entries have the same */
    DUT_PLANT_FORGETS_ABOVE,  /* nothing is ever above a rule */
    DUT_PLANT_FORGETS_EXACT,  /* ... or nothing without wildcards */
    N_DUT_PLANTS
};

enum dut_fault {
    DUT_REFUSE,          /* an entry is refused for good */
    DUT_AGAIN,           /* "not now", for any change */
    DUT_IO_ERROR,        /* an entry is put in, and said to be in an unknown state */
    DUT_LATE_ACK,        /* answers come late, and not in the order of the changes */
    DUT_LOSE_ACK,        /* the change is made, nobody says so */
    DUT_ACK_ONLY,        /* a change is answered and not made */
    DUT_STALL,           /* takes nothing and answers nothing for some ms */
    DUT_LOSE_ENTRY,      /* an entry is gone; the device says that it may be */
    DUT_RESET,           /* everything is gone */
    N_DUT_FAULTS
};
extern const char *const dut_fault_names[N_DUT_FAULTS];

/* What went through, since dut_open_driver(). */
struct dut_counts {
    uint64_t packets, hits;
    uint64_t adds, changes, removes;     /* that the driver was asked for */
    uint64_t refused, reset;
    uint64_t done[N_DUT_FAULTS];         /* changes, entries or resets that it happened to */
};

/* The driver that 'spec' names ("sim:OPTIONS", or "PATH.so:OPTIONS"), with this one around it;
 * 'options' is what to open it with. NULL and *error (HAL_ERROR_SIZE) if there is none. */
const struct hal_driver *dut_wrap(const char *spec, const char **options, char *error);

/* The driver's ports are these devices (may be NULL). */
struct sut_wire;
void dut_use_wire(const struct sut_wire *);
/* Until the next one: what of it is the device's. */
void dut_set_plant(enum dut_plant);
/* From now on, 'n' times (DUT_STALL: ms). DUT_LOSE_ENTRY and DUT_RESET happen at once; they are
 * for when nothing is on its way. 'random' decides what is left open. */
void dut_arm(enum dut_fault, unsigned n, uint32_t random);
/* Nothing more goes wrong, and what was withheld is said. */
void dut_disarm(void);
/* Entries that are in the device. */
unsigned dut_n_entries(void);
const struct dut_counts *dut_get_counts(void);

#endif /* tests/property/device_under_test.h */
