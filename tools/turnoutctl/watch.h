/* SPDX-License-Identifier: Apache-2.0 */
/* --watch: a list again and again. */
#ifndef TOOLS_TURNOUTCTL_WATCH_H
#define TOOLS_TURNOUTCTL_WATCH_H 1

#include "tools/turnoutctl/ctl.h"

/* Runs the command every ctl->watch_ms until Ctrl-C, q on a terminal, ctl->count refreshes (0:
 * no matter), or the end of the input if that is a terminal or a pipe. On a terminal each refresh is drawn over the one before, by one write,
 * and cut to what fits; otherwise refreshes follow each other, and there are no escape codes.
 * With --json a refresh is one line. An enum ctl_exit. */
int watch_run(struct ctl *, const struct ctl_command *);

#endif /* tools/turnoutctl/watch.h */
