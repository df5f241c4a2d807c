/* SPDX-License-Identifier: Apache-2.0 */
/* The subcommands of turnoutctl hw: one table, like that of the tool's commands. */
#ifndef TOOLS_TURNOUTCTL_HW_H
#define TOOLS_TURNOUTCTL_HW_H 1

#include "tools/turnoutctl/ctl.h"

/* The version of what --json prints: the member "schema" of each object. Its minor changes, new
 * members, keep it. docs/JSON.md. */
#define HW_SCHEMA "turnout-hw/1"

enum {
    HW_LIST = 1,                   /* --watch shows it again and again */
    HW_OFFLINE = 2,                /* it connects by itself, if at all */
    HW_BRIDGE = 4,                 /* with the most arguments, the first is the bridge */
    HW_REPAIR = 8,                 /* takes --repair */
    HW_COMPARES = 16,              /* like diff(1): its error is 2, since 1 is "differs" */
    HW_WATCHES = 64,               /* takes --interval */
    HW_COUNTS = 128,               /* takes --count */
    HW_CAPTURES = 256,             /* takes --seconds and --write */
    HW_EXPLAINS = 32,              /* takes --all and --cookie */
    HW_DIRECT = 512,               /* takes --direct DRIVER */
    HW_DOCTOR = 1024,              /* takes --direct without a driver, and --fix */
};

struct hw_command {
    const char *name, *usage;
    unsigned min, max;             /* arguments, the bridge among them */
    unsigned flags;
    int (*run)(struct ctl *, const char *const args[], unsigned n);   /* args: behind the bridge */
};

/* Connects, unless it is done. CTL_OK, or the error is printed. */
int hw_connect(struct ctl *);

/* "[####....] ", how much of 'capacity' is used; "" if that is 0, for "not known". */
enum { HW_BAR_SIZE = 24 };
const char *hw_bar(json_int_t used, json_int_t capacity, char buffer[HW_BAR_SIZE]);

/* "sw-only,cookie=0x1"; and a line for each policy of {"bridge", "policies"}. */
void hw_print_policy(const json_t *);
void hw_print_policies(const json_t *bridge);

/* Of a device that was looked at directly: its tables and facts. */
void hw_print_looked_at(const json_t *device);

/* The commands of HW_DIRECT, on the device of ctl->direct itself. */
int hw_direct(struct ctl *, const char *command);

int hw_policy(struct ctl *, const char *const args[], unsigned n);
int hw_plan(struct ctl *, const char *const args[], unsigned n);
/* An entry, a line. 'aux' is not used. */
void hw_print_entry(const json_t *entry, void *aux);

enum { HW_WATCH_MS = 1000 };       /* between two refreshes of hw watch, if not told */
int hw_watch(struct ctl *, const char *const args[], unsigned n);
int hw_capture(struct ctl *, const char *const args[], unsigned n);
int hw_explain(struct ctl *, const char *const args[], unsigned n);
int hw_probe(struct ctl *, const char *const args[], unsigned n);
int hw_doctor(struct ctl *, const char *const args[], unsigned n);
int hw_diff(struct ctl *, const char *const args[], unsigned n);

#endif /* tools/turnoutctl/hw.h */
