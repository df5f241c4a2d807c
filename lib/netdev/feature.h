/* SPDX-License-Identifier: Apache-2.0 */
/* What ethtool tells of a device's driver, and its features by their names (ETHTOOL_GFEATURES).
 * Each call is a few ioctls; any thread. */
#ifndef LIB_NETDEV_FEATURE_H
#define LIB_NETDEV_FEATURE_H 1

#include <stdbool.h>

#include "lib/errmsg.h"

/* ETHTOOL_GDRVINFO. Texts are "" where the driver says nothing. */
struct driver_info {
    char driver[32], version[32], firmware[32], bus[32];
};

/* 0, or -errno: -EOPNOTSUPP if the device has nobody to tell. */
int driver_info_get(const char *device, struct driver_info *, struct errmsg *);

/* A feature as it is. */
struct feature {
    bool known;                  /* the kernel has a feature of this name */
    bool can;                    /* the device can have it on and off */
    bool on;
    bool wanted;                 /* what was asked for; the driver may not have done it */
};

/* 0 or -errno. 'feature' is a name as `ethtool -k` has it: "hw-tc-offload". */
int feature_get(const char *device, const char *feature, struct feature *, struct errmsg *);

/* 0, or -errno: -EOPNOTSUPP if the device does not let it be changed. -EBUSY if the driver kept it
 * as it was. CAP_NET_ADMIN. */
int feature_set(const char *device, const char *feature, bool on, struct errmsg *);

#endif /* lib/netdev/feature.h */
