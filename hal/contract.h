/* SPDX-License-Identifier: Apache-2.0 */
/* Whether drivers keep to hal/driver.h: what they say is looked at before it is believed. */
#ifndef HAL_CONTRACT_H
#define HAL_CONTRACT_H 1

#include "hal/driver.h"

/* 0, or -EPROTO (another ABI) or -EINVAL with *error (HAL_ERROR_SIZE). 'from': what to call
 * it: a driver of another ABI can't be asked for its name. */
int contract_check_driver(const struct hal_driver *, const char *from, char *error);

/* 0, or -EINVAL with *error, which names the option and the valid ones: those of the driver's
 * options_help. What values may be is for open(). */
int contract_check_options(const struct hal_driver *, const char *options, char *error);

/* 0, or -EPROTO with *error: what probe() said makes no sense. */
int contract_check_caps(const struct hal_caps *, char *error);

/* NULL, or what is wrong with an entry that dump() showed. */
const char *contract_check_dumped(const struct hal_caps *, const struct hal_dumped *);

/* 0 and the errors that a driver may return. */
bool contract_error_is_possible(int error);

#endif /* hal/contract.h */
