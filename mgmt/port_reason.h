/* SPDX-License-Identifier: Apache-2.0 */
/* Why a port does not forward everything. */
#ifndef MGMT_PORT_REASON_H
#define MGMT_PORT_REASON_H 1

#include <stdbool.h>

#include "lib/strbuf.h"
#include "sw-datapath/datapath.h"

/* Appends every cause, for a person to read; nothing if there is none. NO_FLOOD and
 * NO_PACKET_IN keep nothing from being forwarded, and are none. */
void port_reason(const struct dp_bridge *, const struct port_info *, struct strbuf *out);

#endif /* mgmt/port_reason.h */
