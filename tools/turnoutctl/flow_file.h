/* SPDX-License-Identifier: Apache-2.0 */
/* Files of flows: a flow a line, as `ovs-ofctl add-flows` reads and `ovs-ofctl dump-flows`
 * prints them. What follows a '#' is a comment; empty lines, and the heading of a dump, are
 * passed over. Emergency flows, which ovs-ofctl does not know, stand behind a '#' and a word. A
 * file of save-flows begins and ends with a comment of its own, so that one that
 * was cut off is recognised. */
#ifndef TOOLS_TURNOUTCTL_FLOW_FILE_H
#define TOOLS_TURNOUTCTL_FLOW_FILE_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/errmsg.h"

/* What stands before an emergency flow. */
#define FLOW_FILE_EMERGENCY "# emergency: "

/* --- reading ----------------------------------------------------------------------------- */

struct flow_file {
    const char *name;
    FILE *in;
    char *line;                    /* of the latest, without its comment */
    size_t capacity;
    uint32_t number;               /* its number, from 1 */
    uint64_t n_flows;
    bool saved, ended;             /* it has the first, the last line of save-flows */
};

/* "-" or NULL is standard input. 0, or -errno and *err. */
int flow_file_open(struct flow_file *, const char *name, struct errmsg *err);
/* The next flow: 1 and file->line, which is UTF-8, without blanks around it; 0 at the end; or
 * -EINVAL, -EIO and *err, which names file and line. */
int flow_file_next(struct flow_file *, struct errmsg *err);
void flow_file_close(struct flow_file *);

/* --- writing ----------------------------------------------------------------------------- */

/* A file that takes the place of another one only when it is complete. */
struct new_file {
    const char *name;
    char *temporary;               /* its name until then; NULL: standard output */
    FILE *out;
};

/* "-" or NULL is standard output. 0, or -errno and *err. */
int new_file_open(struct new_file *, const char *name, struct errmsg *err);
/* Writes it out and gives it its name, if 'keep', else removes it. 0, or -errno and *err. */
int new_file_close(struct new_file *, bool keep, struct errmsg *err);

/* The first and the last line. */
void flow_file_put_heading(FILE *, const char *bridge);
void flow_file_put_end(FILE *, uint64_t n_flows);

#endif /* tools/turnoutctl/flow_file.h */
