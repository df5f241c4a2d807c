/* SPDX-License-Identifier: Apache-2.0 */
/* A file of flows, staged in the daemon and compared with its table. */
#ifndef TOOLS_TURNOUTCTL_RESTORE_H
#define TOOLS_TURNOUTCTL_RESTORE_H 1

#include "tools/turnoutctl/ctl.h"

enum { RESTORE_NAME_SIZE = 64 };

/* Sends the flows of the file ("-", NULL: standard input) to be staged for ctl->bridge; with
 * 'replace', as all that the table is to have. An enum ctl_exit; errors are printed, with file
 * and line. 'bridge' is which one it is. */
int restore_stage(struct ctl *, const char *name, bool replace, char bridge[RESTORE_NAME_SIZE]);

/* Calls visit for each difference of what is staged to the table: {"op", "is", "wanted"}.
 * *sum has their numbers, {"add", "change", "delete"}, for the caller to free. */
int restore_each_difference(struct ctl *, void (*visit)(const json_t *row, void *aux), void *aux,
                            json_t **sum);

#endif /* tools/turnoutctl/restore.h */
