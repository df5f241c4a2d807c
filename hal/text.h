/* SPDX-License-Identifier: Apache-2.0 */
/* Flows and what they consist of as text, in ovs-ofctl's syntax, and what else a program needs
 * that uses the HAL without the daemon: where log lines go, what time it is.
 *
 * Any thread, but for hal_set_clock(). */
#ifndef HAL_TEXT_H
#define HAL_TEXT_H 1

#include <stddef.h>
#include <stdint.h>

#include "turnout/action.h"
#include "turnout/flow.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Prints as much as fits of "tcp,in_port=1,nw_dst=10.0.0.0/8,tp_dst=80", or of
 * "output:2,strip_vlan" ("drop" for an empty list, "" for NULL), with a terminator, if size is not 0.
 * Returns the length of all of it, as snprintf() does. */
size_t hal_match_text(const struct flow_match *, char *text, size_t size);
size_t hal_actions_text(const struct action_list *, char *text, size_t size);

/* The packet that a flow describes; fields that are not given are 0. 0, or -EINVAL with
 * *error (HAL_ERROR_SIZE), and *key as it was. */
int hal_key_from_text(const char *text, struct flow_key *key, char *error);

/* "output:2,strip_vlan". *list has room for 'max' actions. 0, or -EINVAL, -E2BIG with *error
 * (HAL_ERROR_SIZE). */
int hal_actions_from_text(const char *text, struct action_list *list, size_t max, char *error);

/* Log lines go to 'target': "stderr" (the default), "syslog", "journal", or a file's path (with
 * a slash in it); those of 'level' ("error", "warn", "info", "debug") and graver. NULL leaves
 * as it is. 0, or -errno with *error (HAL_ERROR_SIZE). */
int hal_set_log(const char *target, const char *level, char *error);

/* Monotonic milliseconds: the time that the HAL goes by. */
uint64_t hal_now_ms(void);
/* Replaces the clock, for tests with hal_config.stepped: monotonic nanoseconds, never 0; NULL
 * puts the system's back. Before there are threads. */
void hal_set_clock(uint64_t (*ns)(void));

#ifdef __cplusplus
}
#endif

#endif /* hal/text.h */
