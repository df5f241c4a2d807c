/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MGMT_METHOD_PORTS_H
#define MGMT_METHOD_PORTS_H 1

#include <jansson.h>
#include <stdbool.h>

#include "lib/errmsg.h"
#include "sw-datapath/datapath.h"
#include "turnout/port.h"

/* Number, name, address, link, configuration, speed, spanning tree state, and why it does not
 * forward; without counters. NULL without memory. */
json_t *port_to_json(const struct dp_bridge *, const struct port_info *);

/* A port by its device's name, its number in decimal, or "LOCAL". False and *err if there is
 * none. */
bool method_find_port(const struct dp_bridge *, const char *text, uint16_t *port_no,
                      struct errmsg *err);

#endif /* mgmt/method_ports.h */
