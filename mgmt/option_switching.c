/* SPDX-License-Identifier: Apache-2.0 */
/* Options that say how a bridge floods and learns. */
#include <errno.h>
#include <string.h>

#include "mgmt/option_values.h"

static int
parse_choice(const char *value, const char *no, const char *yes, bool *out, struct errmsg *err)
{
    if (strcmp(value, no) && strcmp(value, yes)) {
        errmsg_set(err, "'%.40s' is neither %s nor %s", value, no, yes);
        return -EINVAL;
    }
    *out = !strcmp(value, yes);
    return 0;
}

int
option_set_stp(struct config_parser *parser, const char *value, struct errmsg *err)
{
    return parse_choice(value, "off", "external", &config_parser_bridge(parser)->datapath.stp,
                        err);
}

int
option_set_forward_bpdu(struct config_parser *parser, const char *value, struct errmsg *err)
{
    return parse_choice(value, "no", "yes",
                        &config_parser_bridge(parser)->datapath.forward_bpdu, err);
}
