/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/tls_config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"

LOG_MODULE(daemon);

int
tls_config_load(struct tls *tls, const struct config *config, struct errmsg *err)
{
    const struct tls_files files = {
        .private_key = config->private_key,
        .certificate = config->certificate,
        .ca_cert = config->ca_cert,
        .bootstrap = config->peer_ca_bootstrap,
    };
    if (!config->private_key) {
        tls_unload(tls);
        return 0;
    }
    return tls_load(tls, &files, err);
}

void
tls_config_check_access(const struct config *config)
{
    const char *const paths[] = { config->private_key, config->certificate, config->ca_cert };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        if (paths[i] && faccessat(AT_FDCWD, paths[i], R_OK, AT_EACCESS) && errno == EACCES) {
            log_warn("%s was read with privileges that are given up now: SIGHUP can't load it "
                     "again unless user %ld may read it", paths[i], (long) geteuid());
        }
    }
}
