/* SPDX-License-Identifier: Apache-2.0 */
/* From the configuration to TLS: which files are loaded, and whether they can be again. */
#ifndef MGMT_TLS_CONFIG_H
#define MGMT_TLS_CONFIG_H 1

#include "lib/tls.h"
#include "mgmt/config.h"

/* Loads what the configuration names; if it names nothing, unloads. 0, or -errno as
 * tls_load(). */
int tls_config_load(struct tls *, const struct config *, struct errmsg *err);

/* Says in the log if a file that was loaded can't be read any more, now that privileges are
 * given up: then it can't be loaded again at SIGHUP. */
void tls_config_check_access(const struct config *);

#endif /* mgmt/tls_config.h */
