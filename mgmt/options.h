/* SPDX-License-Identifier: Apache-2.0 */
/* turnoutd's options: one table that gives the command line, the configuration file and
 * --help; the manual page is held to it by a test.
 *
 * On the command line an option is --NAME VALUE or --NAME=VALUE; in a file it is a line
 * NAME VALUE or NAME=VALUE, '#' begins a comment, and quotes and backslashes work as in a
 * shell. Options that may be repeated also take several values at once. An option that
 * belongs to a bridge counts for the latest --bridge before it; a plain setting before
 * the first --bridge is the default of all that follow. Of a setting given twice the last
 * counts. */
#ifndef MGMT_OPTIONS_H
#define MGMT_OPTIONS_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "mgmt/config.h"

struct config_parser;

enum option_scope {
    OPTION_GLOBAL,          /* the daemon; may stand anywhere */
    OPTION_BRIDGE,          /* a bridge's setting, or the default of later bridges */
    OPTION_MEMBER,          /* something that one bridge has: only after --bridge */
    OPTION_COMMAND_LINE,    /* global, and has no place in a file */
};

struct option_row {
    const char *name;       /* without dashes */
    const char *arg;        /* what --help calls its value; NULL: it takes none */
    enum option_scope scope;
    bool repeats;           /* may be given again, and takes several values at once */
    const char *help;
    /* Takes one value ("" without 'arg') into parser->config. 0, or -EINVAL and *err,
     * which names what is wrong with the value but not the option. */
    int (*set)(struct config_parser *, const char *value, struct errmsg *err);
};

extern const struct option_row option_rows[];
extern const size_t n_option_rows;

/* The row of that name, or NULL. */
const struct option_row *option_find(const char *name);

enum config_request { CONFIG_RUN, CONFIG_CHECK, CONFIG_HELP, CONFIG_VERSION };

/* Where reading stands. */
struct config_parser {
    struct config *config;
    struct config_bridge defaults;   /* name and members unused */
    size_t bridge;                   /* 1 + index of the one that takes options; 0: none */
    const char *base_dir;            /* relative paths begin here; absolute */
    const char *file;                /* being read; NULL: the command line */
    enum config_request request;
};

/* Reads a command line (argv[0] is skipped) and the files that it names. Relative paths
 * are made absolute from 'base_dir'. Nothing outside is changed, but the log levels, which
 * only the logger can check.
 *
 * Returns 0, *out (the caller's, also for CONFIG_HELP and the like) and *request; or
 * -EINVAL and a message for a person that says where, what, and what would be valid. */
int config_parse(int argc, char *const argv[], const char *base_dir, struct config **out,
                 enum config_request *request, struct errmsg *err);

/* The same for the text of a file called 'name'. The text need not end in a newline. */
int config_parse_text(const char *text, size_t size, const char *name, const char *base_dir,
                      struct config **out, struct errmsg *err);

/* Gives the option 'values', which came with it. Used by both forms; errors name the
 * option as it is called there. 0 or -EINVAL. */
int option_give(struct config_parser *, const char *name, char *const values[], size_t n_values,
                struct errmsg *err);

/* The bridge that OPTION_BRIDGE and OPTION_MEMBER options are for: the current one or
 * the defaults. */
struct config_bridge *config_parser_bridge(struct config_parser *);

/* 'path' made absolute; the caller frees it. */
char *config_parser_path(const struct config_parser *, const char *path);

/* What --help prints, wrapped to 'width' columns. */
void options_help(FILE *, size_t width);

#endif /* mgmt/options.h */
