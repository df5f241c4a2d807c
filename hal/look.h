/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at a device as it is, without the HAL's own idea of it: for tools that run beside
 * whoever has the device, or when nobody has it. With hal_config.read_only nothing is ever
 * changed by it. Control thread. */
#ifndef HAL_LOOK_H
#define HAL_LOOK_H 1

#include "hal/hal.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The driver's facts about the device, for people: fact() for each. */
void hal_describe(struct hal_device *, void (*fact)(const char *name, const char *value, void *aux),
                  void *aux);

/* Entries in each of the tables, as the device counts them; 0 where it does not. */
void hal_occupancy(struct hal_device *, uint32_t entries[HAL_MAX_TABLES]);

/* Every entry that the device has, strangers' too, until visit() returns false. 0, or -errno with
 * *error (HAL_ERROR_SIZE): -EINTR, the table changed too much and some were left out or came
 * twice: begin again. */
int hal_dump(struct hal_device *, bool (*visit)(const struct hal_dumped *, void *aux), void *aux,
             char *error);

/* What is wrong with an entry by itself: NULL, "not-in-hardware", "malformed" (no match or a value
 * outside of its mask), "bad-port" (its ingress, or one that it outputs to, is no port that can be)
 * or "misfit" (its table can't hold it, by its capabilities; *verdict says why). */
const char *hal_judge_dumped(const struct hal_caps *, const struct hal_dumped *,
                             struct hal_verdict *verdict);

#ifdef __cplusplus
}
#endif

#endif /* hal/look.h */
