/* SPDX-License-Identifier: Apache-2.0 */
/* What is in the file: a header, and a record for each slot, by handle. */
#ifndef DRIVERS_SIM_SIM_RECORD_H
#define DRIVERS_SIM_SIM_RECORD_H 1

#include "drivers/sim/sim.h"

#define SIM_FILE_MAGIC UINT64_C(0x53494d5441424c32)      /* with a version: SIMTABL2 */

struct sim_record {
    uint64_t used, cookie;
    struct flow_match match;
    uint64_t packets, bytes;
    uint16_t priority;
    uint8_t table, n_actions;
    struct action actions[SIM_MAX_ACTIONS];
};

struct sim_file_header {
    uint64_t magic, record_size, n_records;
    uint64_t exact, tcam;        /* entries of each table: what n_records is the sum of */
};

#endif /* drivers/sim/sim_record.h */
