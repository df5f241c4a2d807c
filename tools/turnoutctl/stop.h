/* SPDX-License-Identifier: Apache-2.0 */
/* Ctrl-C for commands that go on until they are stopped. */
#ifndef TOOLS_TURNOUTCTL_STOP_H
#define TOOLS_TURNOUTCTL_STOP_H 1

#include <stdbool.h>

/* From here on SIGINT, SIGTERM and SIGHUP do not end the process but make the descriptor that
 * is returned readable for good. The process then has a second to end by itself: if it hangs
 * on output that nobody reads it ends with status 1. A second signal ends it at once. -1 and
 * errno if it can't be done. */
int stop_catch(void);

/* Whether one of them has come. */
bool stop_requested(void);

#endif /* tools/turnoutctl/stop.h */
