/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration file: lines of words. What the options mean is in options.h. */
#ifndef MGMT_CONFIG_FILE_H
#define MGMT_CONFIG_FILE_H 1

#include <stddef.h>

#include "lib/errmsg.h"
#include "mgmt/options.h"

enum {
    CONFIG_FILE_MAX_SIZE = 1 << 20,  /* bytes */
    CONFIG_LINE_MAX_WORDS = 512,
};

/* Cuts 'line' into words in place: separated by blanks; '...' keeps everything, "..."
 * all but backslash escapes of '"' and '\', a backslash outside quotes takes the next
 * character as it is; '#' at the start of a word begins a comment. The words point into
 * 'line'. Returns their number, or -EINVAL. */
int config_split_line(char *line, char *words[CONFIG_LINE_MAX_WORDS], struct errmsg *err);

/* Gives the parser the options in 'text' (of file parser->file). 0 or -EINVAL; messages
 * begin with "FILE:LINE: ". */
int config_file_read_text(struct config_parser *, const char *text, size_t size,
                          struct errmsg *err);

/* Reads the file at 'path' (absolute). 0 or -EINVAL. */
int config_file_read(struct config_parser *, const char *path, struct errmsg *err);

#endif /* mgmt/config_file.h */
