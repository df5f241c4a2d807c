/* SPDX-License-Identifier: Apache-2.0 */
/* The two changes that the doctor makes: both can be undone without a trace, and neither takes
 * anything away from anybody. */
#include <errno.h>
#include <stdio.h>

#include "tools/turnoutctl/doctor.h"

int
doctor_fix(const struct doctor_port *port, enum doctor_code code, char undo[DOCTOR_COMMAND_SIZE],
           struct errmsg *err)
{
    int rc;
    if (code == DOCTOR_HW_TC_OFFLOAD_OFF) {
        rc = feature_set(port->name, "hw-tc-offload", true, err);
        if (!rc) {
            snprintf(undo, DOCTOR_COMMAND_SIZE, "ethtool -K %s hw-tc-offload off", port->name);
        }
    } else if (code == DOCTOR_NO_CLSACT) {
        rc = tc_add_clsact(port->link.info.ifindex, err);
        if (rc) {
            errmsg_prefix(err, "%s: can't add a clsact qdisc", port->name);
        } else {
            snprintf(undo, DOCTOR_COMMAND_SIZE, "tc qdisc del dev %s clsact", port->name);
        }
    } else {
        errmsg_set(err, "%s: nothing is done about %s", port->name, doctor_code_name(code));
        rc = -EOPNOTSUPP;
    }
    return rc;
}
