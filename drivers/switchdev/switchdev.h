/* SPDX-License-Identifier: Apache-2.0 */
/* Switch chips by their kernel drivers (switchdev): flows that say no more than where an address of
 * a VLAN is are static entries of a bridge of ours, which the chip has, too.
 *
 * An entry of a bridge knows no ingress port, source, type or priority. So a flow is carried only if
 * it is the same for all ports of the bridge (table.h), names one VLAN by its number and one
 * destination, looks at nothing else, and sends to one port, as it is. Frames without a tag stay in
 * software: to a bridge, those with a tag of VLAN 0 are the same, and it takes that tag away.
 *
 * Whatever a bridge does by itself is off: learning, flooding, spanning tree, snooping. What no
 * entry is for comes up to the host, where packet sockets take it and the kernel's bridge sees
 * nothing of it (lib/netdev/isolate.h); an entry that the chip does not have is no entry, so a frame
 * is forwarded by the chip or by the datapath, never by the kernel's bridge. */
#ifndef DRIVERS_SWITCHDEV_SWITCHDEV_H
#define DRIVERS_SWITCHDEV_SWITCHDEV_H 1

#include "hal/driver.h"

extern const struct hal_driver switchdev_driver;

#endif /* drivers/switchdev/switchdev.h */
