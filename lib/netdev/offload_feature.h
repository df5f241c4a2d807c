/* SPDX-License-Identifier: Apache-2.0 */
/* The device feature hw-tc-offload: whether the device's driver is given tc's filters. */
#ifndef LIB_NETDEV_OFFLOAD_FEATURE_H
#define LIB_NETDEV_OFFLOAD_FEATURE_H 1

#include <stdbool.h>

#include "lib/errmsg.h"

enum offload_feature {
    OFFLOAD_FEATURE_NONE,        /* the device does not have it, or is not there */
    OFFLOAD_FEATURE_OFF,
    OFFLOAD_FEATURE_ON,
};

/* By ethtool (ETHTOOL_GFEATURES, linux/ethtool.h), in the network namespace of the caller. Any
 * thread. */
enum offload_feature offload_feature_get(const char *device);

/* Switches it. 0 or -errno: -EOPNOTSUPP if the device does not have it, or leaves it as it was. */
int offload_feature_set(const char *device, bool on, struct errmsg *);

/* The names of the device's driver and of its firmware (ETHTOOL_GDRVINFO), each of at most 31
 * characters. False: it does not tell. */
bool offload_driver_get(const char *device, char driver[32], char firmware[32]);

#endif /* lib/netdev/offload_feature.h */
