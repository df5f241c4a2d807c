/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the configuration again while the daemon runs. */
#ifndef MGMT_RELOAD_H
#define MGMT_RELOAD_H 1

#include "mgmt/bridges.h"
#include "mgmt/config.h"

struct reload {
    int argc;
    char **argv;                   /* as the daemon was started */
    const char *base_dir;          /* its working directory then */
    struct config *config;         /* what is in force; owned by the daemon */
    struct bridges *bridges;
    struct dp *dp;
    struct tls *tls;
};

/* Opens the log file again, reads the configuration, and applies what is different. Keys and
 * certificates are read again in any case. A configuration with an error changes nothing;
 * nor do keys and certificates that are wrong. What can't change while the daemon runs is
 * named in the log and stays. */
void reload_now(struct reload *);

#endif /* mgmt/reload.h */
