/* SPDX-License-Identifier: Apache-2.0 */
/* Nicira's messages as text. */
#include <inttypes.h>

#include "ofagent/nicira.h"
#include "ofagent/nx.h"
#include "ofagent/ofp_print_internal.h"
#include "lib/strbuf.h"

/* Printers of one body each, of a possible size, but not checked otherwise. */

static int
print_role(struct strbuf *out, const struct nx_message *nx, struct ofp_refusal *refusal)
{
    enum nx_role role;
    int error = nx_decode_role(nx, &role, refusal);
    if (!error) {
        strbuf_printf(out, " role=%s", nx_role_name(role));
    }
    return error;
}

static void
print_mask(struct strbuf *out, enum nx_async what, uint32_t mask)
{
    const char *before = "";
    for (unsigned reason = 0; reason < 32; reason++) {
        const char *name = nx_reason_name(what, reason);
        if (!(mask >> reason & 1)) {
            continue;
        }
        if (name) {
            strbuf_printf(out, "%s%s", before, name);
        } else {
            strbuf_printf(out, "%s%u", before, reason);
        }
        before = ",";
    }
    strbuf_printf(out, *before ? "" : "none");
}

static int
print_async_config(struct strbuf *out, const struct nx_message *nx, struct ofp_refusal *refusal)
{
    struct nx_async_config config;
    int error = nx_decode_async_config(nx, &config, refusal);
    for (int slave = 0; !error && slave < 2; slave++) {
        strbuf_printf(out, slave ? " slave:" : " master:");
        for (enum nx_async what = 0; what < N_NX_ASYNC; what++) {
            strbuf_printf(out, " %s=", nx_async_name(what));
            print_mask(out, what, config.masks[what][slave]);
        }
    }
    return error;
}

static int
print_controller_id(struct strbuf *out, const struct nx_message *nx, struct ofp_refusal *refusal)
{
    uint16_t id;
    int error = nx_decode_controller_id(nx, &id, refusal);
    if (!error) {
        strbuf_printf(out, " id=%u", id);
    }
    return error;
}

static int (*const printers[N_NXT])(struct strbuf *, const struct nx_message *,
                                    struct ofp_refusal *) = {
    [NXT_ROLE_REQUEST] = print_role,
    [NXT_ROLE_REPLY] = print_role,
    [NXT_SET_ASYNC_CONFIG] = print_async_config,
    [NXT_SET_CONTROLLER_ID] = print_controller_id,
};

/* In statistics. */
static int (*const stats_printers[N_NXST][2])(struct strbuf *, const struct nx_message *,
                                              struct ofp_refusal *) = {
    [NXST_FLOW] = { NULL, NULL },    /* request, reply */
};

int
nx_print(struct strbuf *out, const struct nx_message *nx, bool from_switch,
         struct ofp_refusal *refusal)
{
    strbuf_printf(out, " %s", nx_name(nx));
    int error = nx_check_any(nx, from_switch, refusal);
    if (error) {
        return error;
    }
    int (*print)(struct strbuf *, const struct nx_message *, struct ofp_refusal *)
        = nx->stats ? stats_printers[nx->subtype][from_switch] : printers[nx->subtype];
    if (print) {
        return print(out, nx, refusal);
    }
    if (nx->body_size) {
        strbuf_printf(out, " %"PRIu32" bytes", nx->body_size);
    }
    return 0;
}
