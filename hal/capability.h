/* SPDX-License-Identifier: Apache-2.0 */
/* What a device's tables can do, as data. Placement looks at these and at nothing else:
 * a vendor's peculiarity is a value here, never a branch somewhere. */
#ifndef HAL_CAPABILITY_H
#define HAL_CAPABILITY_H 1

#include <stdbool.h>
#include <stdint.h>

#include "turnout/action.h"
#include "turnout/field_id.h"

enum { HAL_MAX_TABLES = 8, HAL_NAME_SIZE = 16 };

/* How a capability is known. */
enum hal_learnt { HAL_DECLARED, HAL_PROBED, HAL_QUIRK };

enum hal_counter_kind {
    HAL_COUNT_NONE,
    HAL_COUNT_PACKETS,           /* packets only: bytes are not known */
    HAL_COUNT_BOTH,              /* packets and bytes, Ethernet header to payload, no FCS */
};

/* Where an entry may send packets. */
enum hal_output {
    HAL_OUTPUT_PORT = 1 << 0,           /* a port of the same device */
    HAL_OUTPUT_IN_PORT = 1 << 1,        /* back out of the ingress port */
    HAL_OUTPUT_OTHER_DEVICE = 1 << 2,
    HAL_OUTPUT_NOWHERE = 1 << 3,        /* drop */
};

/* One table. */
struct hal_table_caps {
    char name[HAL_NAME_SIZE];           /* "exact", "tcam" */
    uint8_t field[N_FIELDS];            /* enum field_mask_mode: the most general mask it takes */
    uint8_t learnt;                     /* enum hal_learnt */
    uint8_t counters;                   /* enum hal_counter_kind */
    uint8_t outputs;                    /* HAL_OUTPUT_* */
    bool priorities;                    /* entries may overlap; a higher priority wins */
    bool whole_rules;                   /* with priorities: gets whole rules, not exact matches, of
                                         * flows whose policy does not say which */
    bool all_ports;                     /* in the first table: an entry there is for every port, so the
                                         * device takes a whole rule only for all of them */
    bool fragments;                     /* whole rules are of all IP packets, fragments as well; else
                                         * they come with a match for what is no fragment */
    bool changes;                       /* HAL_CHANGE is atomic; else it is removed and added */
    uint32_t required;                  /* 1 << enum field_id: must be matched exactly */
    uint32_t actions;                   /* 1 << enum action_type */
    uint32_t ordered;                   /* 1 << enum action_type: allowed after an output too */
    uint16_t max_actions, max_outputs;  /* in one entry; 0: no limit */
    uint32_t capacity;                  /* entries; 0: not known before it is full */
    uint32_t max_masks;                 /* distinct masks at a time; 0: no limit */
    uint32_t counter_lag_ms;            /* counters may be behind by this much */
};

struct hal_caps {
    unsigned n_tables;                  /* at most HAL_MAX_TABLES, preferred first */
    struct hal_table_caps table[HAL_MAX_TABLES];
    bool misses_behind;                 /* what it forwards is the kernel's work, behind packet
                                         * sockets, which see hits too: see docs/DRIVER-GUIDE.md,
                                         * "In the kernel". Is the same after a reset */
    uint32_t max_ports;                 /* 0: no limit */
    uint32_t rate;                      /* changes a second that it manages; 0: not known */
};

#ifdef __cplusplus
extern "C" {
#endif
/* Stable names, for text and JSON: "set-vlan-vid" for an enum action_type, "nw_dst" for an
 * enum field_id. NULL for a number that is none. */
const char *hal_action_name(unsigned type);
const char *hal_field_name(unsigned id);
#ifdef __cplusplus
}
#endif

#endif /* hal/capability.h */
