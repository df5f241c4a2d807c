/* SPDX-License-Identifier: Apache-2.0 */
/* What devlink tells of the device behind ports: the mode of its eswitch, its ports, its resources
 * with how full they are, versions of its firmware, its health. Only questions: nothing here
 * changes a device.
 *
 * The first half is requests, each on a socket of its own; any thread. A device may ask its
 * firmware, which takes milliseconds: not for a thread that must not wait. The second half is pure
 * decoders of the kernel's messages (generic netlink, linux/devlink.h), which is given by whoever
 * is root: lengths are checked, what is missing or malformed is left out. */
#ifndef DRIVERS_DEVLINK_DEVLINK_H
#define DRIVERS_DEVLINK_DEVLINK_H 1

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/errmsg.h"

enum {
    DEVLINK_NAME_SIZE = 64,
    DEVLINK_VALUE_SIZE = 96,
    DEVLINK_MAX_RESOURCES = 48,
    DEVLINK_MAX_VERSIONS = 32,
    DEVLINK_MAX_REPORTERS = 32,
    DEVLINK_MAX_DEPTH = 4,           /* of resources in resources */
};

/* "pci/0000:03:00.0" is bus and name. */
struct devlink_handle {
    char bus[DEVLINK_NAME_SIZE], name[DEVLINK_NAME_SIZE];
};

/* Modes as linux/devlink.h numbers them; -1: the device does not have it. */
struct devlink_eswitch {
    int mode;                        /* DEVLINK_ESWITCH_MODE_* */
    int inline_mode;                 /* DEVLINK_ESWITCH_INLINE_MODE_* */
    int encap;                       /* DEVLINK_ESWITCH_ENCAP_MODE_* */
};

/* Numbers are -1 where the port has none. */
struct devlink_port {
    struct devlink_handle device;
    uint32_t index;
    int ifindex;                     /* of its network device here; 0: none, or elsewhere */
    char netdev[DEVLINK_NAME_SIZE];
    int flavour;                     /* DEVLINK_PORT_FLAVOUR_* */
    int64_t number, controller, pf, vf, sf;
};

/* In 'unit's, of which there is one so far: entries. */
struct devlink_resource {
    char name[DEVLINK_NAME_SIZE];    /* one in another has its name: "kvd/linear" */
    uint64_t size;
    uint64_t occupancy;              /* only with has_occupancy */
    bool has_occupancy;
};

struct devlink_version {
    char name[DEVLINK_NAME_SIZE], value[DEVLINK_VALUE_SIZE];
    const char *kind;                /* "fixed", "running", "stored" */
};

struct devlink_reporter {
    char name[DEVLINK_NAME_SIZE];
    bool error;                      /* its state is not healthy */
    uint64_t errors, recovers;       /* since the driver was loaded */
};

/* All of a device. What did not fit is counted in n_left_out. */
struct devlink_device {
    struct devlink_handle handle;
    struct devlink_eswitch eswitch;
    char driver[DEVLINK_NAME_SIZE];
    struct devlink_version versions[DEVLINK_MAX_VERSIONS];
    struct devlink_resource resources[DEVLINK_MAX_RESOURCES];
    struct devlink_reporter reporters[DEVLINK_MAX_REPORTERS];
    unsigned n_versions, n_resources, n_reporters, n_left_out;
};

/* --- requests -------------------------------------------------------------------------- */

/* All devlink ports there are: 0 and *out, for the caller to free(), with *n; or -errno:
 * -EOPNOTSUPP if the kernel has no devlink. */
int devlink_list_ports(struct devlink_port **out, size_t *n, struct errmsg *);

/* All devlink devices there are, likewise. */
int devlink_list_devices(struct devlink_handle **out, size_t *n, struct errmsg *);

/* Asks for all of a device; what it doesn't have, or refuses to tell, is left out. 0, or -errno if
 * there is no such device or no devlink: then *err says so. */
int devlink_get_device(const struct devlink_handle *, struct devlink_device *out, struct errmsg *);

/* --- names ------------------------------------------------------------------------------ */

/* As devlink(8) writes them; "?" for a number that is not known, "" for -1. */
const char *devlink_mode_name(int mode);
const char *devlink_inline_name(int inline_mode);
const char *devlink_encap_name(int encap);
const char *devlink_flavour_name(int flavour);

/* --- decoders --------------------------------------------------------------------------- */

/* 0, or -EINVAL if the message is none of this kind: then *out is as it was. The type of the
 * message, the family's number, is not looked at. */
int devlink_parse_handle(const struct nlmsghdr *, struct devlink_handle *out);
int devlink_parse_port(const struct nlmsghdr *, struct devlink_port *out);
int devlink_parse_eswitch(const struct nlmsghdr *, struct devlink_eswitch *out);

/* These add what the message has to the device. */
int devlink_parse_resources(const struct nlmsghdr *, struct devlink_device *);
int devlink_parse_info(const struct nlmsghdr *, struct devlink_device *);
int devlink_parse_reporter(const struct nlmsghdr *, struct devlink_device *);

#endif /* drivers/devlink/devlink.h */
