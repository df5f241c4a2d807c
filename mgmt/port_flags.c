/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/port_flags.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

const struct port_flag port_flags[] = {
    { PORT_CONFIG_DOWN, "down" },
    { PORT_CONFIG_NO_STP, "no-stp" },
    { PORT_CONFIG_NO_RECV, "no-receive" },
    { PORT_CONFIG_NO_RECV_STP, "no-receive-stp" },
    { PORT_CONFIG_NO_FLOOD, "no-flood" },
    { PORT_CONFIG_NO_FWD, "no-forward" },
    { PORT_CONFIG_NO_PACKET_IN, "no-packet-in" },
};
const size_t n_port_flags = sizeof port_flags / sizeof port_flags[0];

static const char *const stp_states[] = {
    [PORT_STP_LISTEN] = "listen",
    [PORT_STP_LEARN] = "learn",
    [PORT_STP_FORWARD] = "forward",
    [PORT_STP_BLOCK] = "block",
};
static_assert(sizeof stp_states / sizeof stp_states[0] == N_PORT_STP_STATES, "one name each");

uint32_t
port_flag_find(const char *name, struct errmsg *err)
{
    for (size_t i = 0; i < n_port_flags; i++) {
        if (!strcmp(name, port_flags[i].name)) {
            return port_flags[i].bit;
        }
    }
    errmsg_set(err, "unknown key '%.40s'; valid: down no-stp no-receive no-receive-stp no-flood "
               "no-forward no-packet-in", name);
    return 0;
}

const char *
port_stp_state_name(enum port_stp_state state)
{
    return stp_states[state];
}

int
port_stp_state_parse(const char *name, enum port_stp_state *state, struct errmsg *err)
{
    for (int i = 0; i < N_PORT_STP_STATES; i++) {
        if (!strcmp(name, stp_states[i])) {
            *state = (enum port_stp_state) i;
            return 0;
        }
    }
    errmsg_set(err, "unknown spanning tree state '%.40s'; valid: listen learn forward block", name);
    return -EINVAL;
}
