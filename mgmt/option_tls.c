/* SPDX-License-Identifier: Apache-2.0 */
/* Options about TLS. */
#include <errno.h>
#include <stdlib.h>

#include "mgmt/option_values.h"

static int
replace_path(const struct config_parser *parser, char **to, const char *value, struct errmsg *err)
{
    if (!value[0]) {
        errmsg_set(err, "the path is empty");
        return -EINVAL;
    }
    free(*to);
    *to = config_parser_path(parser, value);
    return 0;
}

int
option_set_private_key(struct config_parser *parser, const char *value, struct errmsg *err)
{
    return replace_path(parser, &parser->config->private_key, value, err);
}

int
option_set_certificate(struct config_parser *parser, const char *value, struct errmsg *err)
{
    return replace_path(parser, &parser->config->certificate, value, err);
}

int
option_set_ca_cert(struct config_parser *parser, const char *value, struct errmsg *err)
{
    return replace_path(parser, &parser->config->ca_cert, value, err);
}

int
option_set_peer_ca_bootstrap(struct config_parser *parser, const char *value, struct errmsg *err)
{
    (void) value;
    (void) err;
    parser->config->peer_ca_bootstrap = true;
    return 0;
}

/* The first target that has TLS, or NULL. */
static const char *
find_target(const struct config *config)
{
    for (size_t i = 0; i < config->n_bridges; i++) {
        const struct config_bridge *bridge = &config->bridges[i];
        for (size_t k = 0; k < bridge->n_targets; k++) {
            if (agent_target_has_tls(bridge->targets[k].target)) {
                return bridge->targets[k].target;
            }
        }
    }
    return NULL;
}

int
option_check_tls(const struct config *config, struct errmsg *err)
{
    const struct {
        const char *name, *value;
    } files[] = {
        { "private-key", config->private_key },
        { "certificate", config->certificate },
        { "ca-cert", config->ca_cert },
    };
    const char *user = config->peer_ca_bootstrap ? "peer-ca-bootstrap" : find_target(config);
    const char *missing = NULL;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        user = !user && files[i].value ? files[i].name : user;
        missing = files[i].value ? missing : files[i].name;
    }
    if (user && missing) {
        errmsg_set(err, "%s: TLS needs private-key, certificate and ca-cert; %s is missing", user,
                   missing);
        return -EINVAL;
    }
    return 0;
}
