/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/devlink/devlink.h"

#include <errno.h>
#include <linux/devlink.h>
#include <linux/genetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdio.h>
#include <string.h>

/* DEVLINK_HEALTH_REPORTER_STATE_HEALTHY, which is in the kernel's own headers alone. */
enum { HEALTHY = 0 };

/* What we read of a message; others' lengths are not our business. */
static struct nla_policy policy[DEVLINK_ATTR_MAX + 1] = {
    [DEVLINK_ATTR_BUS_NAME] = { .type = NLA_STRING },
    [DEVLINK_ATTR_DEV_NAME] = { .type = NLA_STRING },
    [DEVLINK_ATTR_PORT_INDEX] = { .type = NLA_U32 },
    [DEVLINK_ATTR_PORT_NETDEV_IFINDEX] = { .type = NLA_U32 },
    [DEVLINK_ATTR_PORT_NETDEV_NAME] = { .type = NLA_STRING },
    [DEVLINK_ATTR_PORT_FLAVOUR] = { .type = NLA_U16 },
    [DEVLINK_ATTR_PORT_NUMBER] = { .type = NLA_U32 },
    [DEVLINK_ATTR_PORT_CONTROLLER_NUMBER] = { .type = NLA_U32 },
    [DEVLINK_ATTR_PORT_PCI_PF_NUMBER] = { .type = NLA_U16 },
    [DEVLINK_ATTR_PORT_PCI_VF_NUMBER] = { .type = NLA_U16 },
    [DEVLINK_ATTR_PORT_PCI_SF_NUMBER] = { .type = NLA_U32 },
    [DEVLINK_ATTR_ESWITCH_MODE] = { .type = NLA_U16 },
    [DEVLINK_ATTR_ESWITCH_INLINE_MODE] = { .type = NLA_U8 },
    [DEVLINK_ATTR_ESWITCH_ENCAP_MODE] = { .type = NLA_U8 },
    [DEVLINK_ATTR_RESOURCE_LIST] = { .type = NLA_NESTED },
    [DEVLINK_ATTR_RESOURCE_NAME] = { .type = NLA_STRING },
    [DEVLINK_ATTR_RESOURCE_SIZE] = { .type = NLA_U64 },
    [DEVLINK_ATTR_RESOURCE_OCC] = { .type = NLA_U64 },
    [DEVLINK_ATTR_INFO_DRIVER_NAME] = { .type = NLA_STRING },
    [DEVLINK_ATTR_INFO_VERSION_NAME] = { .type = NLA_STRING },
    [DEVLINK_ATTR_INFO_VERSION_VALUE] = { .type = NLA_STRING },
    [DEVLINK_ATTR_HEALTH_REPORTER] = { .type = NLA_NESTED },
    [DEVLINK_ATTR_HEALTH_REPORTER_NAME] = { .type = NLA_STRING },
    [DEVLINK_ATTR_HEALTH_REPORTER_STATE] = { .type = NLA_U8 },
    [DEVLINK_ATTR_HEALTH_REPORTER_ERR_COUNT] = { .type = NLA_U64 },
    [DEVLINK_ATTR_HEALTH_REPORTER_RECOVER_COUNT] = { .type = NLA_U64 },
};

typedef struct nlattr *attributes[DEVLINK_ATTR_MAX + 1];

/* The attributes of a message that names its device: 0 or -EINVAL. */
static int
parse(const struct nlmsghdr *hdr, attributes attrs)
{
    struct nlmsghdr *message = (struct nlmsghdr *) (uintptr_t) hdr;
    if (!nlmsg_valid_hdr(message, sizeof(struct genlmsghdr))
        || nlmsg_parse(message, sizeof(struct genlmsghdr), attrs, DEVLINK_ATTR_MAX, policy) < 0
        || !attrs[DEVLINK_ATTR_BUS_NAME] || !attrs[DEVLINK_ATTR_DEV_NAME]) {
        return -EINVAL;
    }
    return 0;
}

static void
take_text(char *out, size_t size, const struct nlattr *attr)
{
    if (attr) {
        nla_strlcpy(out, attr, size);
    }
}

static int64_t
u16_or_none(const struct nlattr *attr)
{
    return attr ? nla_get_u16(attr) : -1;
}

static int64_t
u32_or_none(const struct nlattr *attr)
{
    return attr ? (int64_t) nla_get_u32(attr) : -1;
}

static uint64_t
u64_or_0(const struct nlattr *attr)
{
    return attr ? nla_get_u64(attr) : 0;
}

static struct devlink_handle
handle_of(attributes attrs)
{
    struct devlink_handle handle = { "", "" };
    take_text(handle.bus, sizeof handle.bus, attrs[DEVLINK_ATTR_BUS_NAME]);
    take_text(handle.name, sizeof handle.name, attrs[DEVLINK_ATTR_DEV_NAME]);
    return handle;
}

int
devlink_parse_handle(const struct nlmsghdr *hdr, struct devlink_handle *out)
{
    attributes attrs;
    int rc = parse(hdr, attrs);
    if (!rc) {
        *out = handle_of(attrs);
    }
    return rc;
}

int
devlink_parse_port(const struct nlmsghdr *hdr, struct devlink_port *out)
{
    attributes attrs;
    if (parse(hdr, attrs) || !attrs[DEVLINK_ATTR_PORT_INDEX]) {
        return -EINVAL;
    }
    struct devlink_port port = {
        .device = handle_of(attrs),
        .index = nla_get_u32(attrs[DEVLINK_ATTR_PORT_INDEX]),
        .flavour = (int) u16_or_none(attrs[DEVLINK_ATTR_PORT_FLAVOUR]),
        .number = u32_or_none(attrs[DEVLINK_ATTR_PORT_NUMBER]),
        .controller = u32_or_none(attrs[DEVLINK_ATTR_PORT_CONTROLLER_NUMBER]),
        .pf = u16_or_none(attrs[DEVLINK_ATTR_PORT_PCI_PF_NUMBER]),
        .vf = u16_or_none(attrs[DEVLINK_ATTR_PORT_PCI_VF_NUMBER]),
        .sf = u32_or_none(attrs[DEVLINK_ATTR_PORT_PCI_SF_NUMBER]),
    };
    const struct nlattr *ifindex = attrs[DEVLINK_ATTR_PORT_NETDEV_IFINDEX];
    port.ifindex = ifindex ? (int) nla_get_u32(ifindex) : 0;
    take_text(port.netdev, sizeof port.netdev, attrs[DEVLINK_ATTR_PORT_NETDEV_NAME]);
    *out = port;
    return 0;
}

int
devlink_parse_eswitch(const struct nlmsghdr *hdr, struct devlink_eswitch *out)
{
    attributes attrs;
    if (parse(hdr, attrs)) {
        return -EINVAL;
    }
    const struct nlattr *inline_mode = attrs[DEVLINK_ATTR_ESWITCH_INLINE_MODE];
    const struct nlattr *encap = attrs[DEVLINK_ATTR_ESWITCH_ENCAP_MODE];
    *out = (struct devlink_eswitch) {
        .mode = (int) u16_or_none(attrs[DEVLINK_ATTR_ESWITCH_MODE]),
        .inline_mode = inline_mode ? nla_get_u8(inline_mode) : -1,
        .encap = encap ? nla_get_u8(encap) : -1,
    };
    return 0;
}

/* --- resources --------------------------------------------------------------------------- */

static void add_resources(struct nlattr *list, const char *parent, unsigned depth,
                          struct devlink_device *device);

/* A resource, and those in it. */
static void
add_resource(struct nlattr *resource, const char *parent, unsigned depth,
             struct devlink_device *device)
{
    attributes attrs;
    if (nla_type(resource) != DEVLINK_ATTR_RESOURCE
        || nla_parse_nested(attrs, DEVLINK_ATTR_MAX, resource, policy) < 0
        || !attrs[DEVLINK_ATTR_RESOURCE_NAME]) {
        return;
    }
    if (device->n_resources == DEVLINK_MAX_RESOURCES) {
        device->n_left_out++;
        return;
    }
    struct devlink_resource *out = &device->resources[device->n_resources++];
    const struct nlattr *occupancy = attrs[DEVLINK_ATTR_RESOURCE_OCC];
    *out = (struct devlink_resource) {
        .size = u64_or_0(attrs[DEVLINK_ATTR_RESOURCE_SIZE]),
        .occupancy = u64_or_0(occupancy),
        .has_occupancy = occupancy,
    };
    snprintf(out->name, sizeof out->name, "%s%s%s", parent, *parent ? "/" : "",
             nla_get_string(attrs[DEVLINK_ATTR_RESOURCE_NAME]));
    if (attrs[DEVLINK_ATTR_RESOURCE_LIST]) {
        add_resources(attrs[DEVLINK_ATTR_RESOURCE_LIST], out->name, depth + 1, device);
    }
}

static void
add_resources(struct nlattr *list, const char *parent, unsigned depth,
              struct devlink_device *device)
{
    struct nlattr *resource;
    int left;
    if (depth >= DEVLINK_MAX_DEPTH) {
        device->n_left_out++;
        return;
    }
    nla_for_each_nested(resource, list, left) {
        add_resource(resource, parent, depth, device);
    }
}

int
devlink_parse_resources(const struct nlmsghdr *hdr, struct devlink_device *device)
{
    attributes attrs;
    if (parse(hdr, attrs) || !attrs[DEVLINK_ATTR_RESOURCE_LIST]) {
        return -EINVAL;
    }
    add_resources(attrs[DEVLINK_ATTR_RESOURCE_LIST], "", 0, device);
    return 0;
}

/* --- versions, health ---------------------------------------------------------------------- */

static void
add_version(struct nlattr *version, const char *kind, struct devlink_device *device)
{
    attributes attrs;
    if (nla_parse_nested(attrs, DEVLINK_ATTR_MAX, version, policy) < 0
        || !attrs[DEVLINK_ATTR_INFO_VERSION_NAME] || !attrs[DEVLINK_ATTR_INFO_VERSION_VALUE]) {
        return;
    }
    if (device->n_versions == DEVLINK_MAX_VERSIONS) {
        device->n_left_out++;
        return;
    }
    struct devlink_version *out = &device->versions[device->n_versions++];
    *out = (struct devlink_version) { .kind = kind };
    take_text(out->name, sizeof out->name, attrs[DEVLINK_ATTR_INFO_VERSION_NAME]);
    take_text(out->value, sizeof out->value, attrs[DEVLINK_ATTR_INFO_VERSION_VALUE]);
}

int
devlink_parse_info(const struct nlmsghdr *hdr, struct devlink_device *device)
{
    static const struct {
        int type;
        const char *kind;
    } kinds[] = {
        { DEVLINK_ATTR_INFO_VERSION_FIXED, "fixed" },
        { DEVLINK_ATTR_INFO_VERSION_RUNNING, "running" },
        { DEVLINK_ATTR_INFO_VERSION_STORED, "stored" },
    };
    attributes attrs;
    struct nlattr *attr;
    int left;
    if (parse(hdr, attrs)) {
        return -EINVAL;
    }
    take_text(device->driver, sizeof device->driver, attrs[DEVLINK_ATTR_INFO_DRIVER_NAME]);
    /* There is one attribute a version, so the table of the last ones is not enough. */
    nlmsg_for_each_attr(attr, (struct nlmsghdr *) (uintptr_t) hdr, sizeof(struct genlmsghdr),
                        left) {
        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
            if (nla_type(attr) == kinds[i].type) {
                add_version(attr, kinds[i].kind, device);
            }
        }
    }
    return 0;
}

int
devlink_parse_reporter(const struct nlmsghdr *hdr, struct devlink_device *device)
{
    attributes outer, attrs;
    if (parse(hdr, outer) || !outer[DEVLINK_ATTR_HEALTH_REPORTER]
        || nla_parse_nested(attrs, DEVLINK_ATTR_MAX, outer[DEVLINK_ATTR_HEALTH_REPORTER],
                            policy) < 0
        || !attrs[DEVLINK_ATTR_HEALTH_REPORTER_NAME]) {
        return -EINVAL;
    }
    if (device->n_reporters == DEVLINK_MAX_REPORTERS) {
        device->n_left_out++;
        return 0;
    }
    const struct nlattr *state = attrs[DEVLINK_ATTR_HEALTH_REPORTER_STATE];
    struct devlink_reporter *out = &device->reporters[device->n_reporters++];
    *out = (struct devlink_reporter) {
        .error = state && nla_get_u8(state) != HEALTHY,
        .errors = u64_or_0(attrs[DEVLINK_ATTR_HEALTH_REPORTER_ERR_COUNT]),
        .recovers = u64_or_0(attrs[DEVLINK_ATTR_HEALTH_REPORTER_RECOVER_COUNT]),
    };
    take_text(out->name, sizeof out->name, attrs[DEVLINK_ATTR_HEALTH_REPORTER_NAME]);
    return 0;
}
