/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/devlink/devlink.h"

#include <errno.h>
#include <linux/devlink.h>
#include <linux/genetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdlib.h>
#include <string.h>

#include "lib/netdev/rtnl.h"

enum { MAX_TRIES = 8 };

/* --- generic netlink ------------------------------------------------------------------- */

static struct nl_msg *
message(int family, uint8_t command, uint8_t version, int flags)
{
    const struct genlmsghdr header = { .cmd = command, .version = version };
    return rtnl_msg_new(family, flags, &header, sizeof header);
}

static int
got_family(const struct nlmsghdr *hdr, void *family)
{
    struct nlattr *attrs[CTRL_ATTR_MAX + 1];
    if (hdr->nlmsg_type == GENL_ID_CTRL
        && nlmsg_parse((struct nlmsghdr *) (uintptr_t) hdr, sizeof(struct genlmsghdr), attrs,
                       CTRL_ATTR_MAX, NULL) >= 0
        && attrs[CTRL_ATTR_FAMILY_ID] && nla_len(attrs[CTRL_ATTR_FAMILY_ID]) >= 2) {
        *(int *) family = nla_get_u16(attrs[CTRL_ATTR_FAMILY_ID]);
    }
    return 0;
}

/* The number of devlink's family, or -errno. */
static int
find_family(struct errmsg *err)
{
    int family = 0;
    struct nl_msg *msg = message(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1, 0);
    if (msg) {
        nla_put_string(msg, CTRL_ATTR_FAMILY_NAME, DEVLINK_GENL_NAME);
    }
    int rc = rtnl_request_of(NETLINK_GENERIC, msg, got_family, &family, err);
    if (rc == -ENOENT || (!rc && !family)) {
        errmsg_set(err, "this kernel has no devlink");
        return -EOPNOTSUPP;
    }
    return rc ? rc : family;
}

/* --- lists ------------------------------------------------------------------------------ */

/* A list that grows by what 'parse' makes of messages. */
struct list {
    char *at;
    size_t n, max, size;         /* size: of an element */
    int (*parse)(const struct nlmsghdr *, void *element);
};

static int
got_element(const struct nlmsghdr *hdr, void *list_)
{
    struct list *list = list_;
    if (list->n == list->max) {
        size_t max = list->max ? list->max * 2 : 16;
        char *at = realloc(list->at, max * list->size);
        if (!at) {
            return -ENOMEM;
        }
        list->at = at;
        list->max = max;
    }
    list->n += !list->parse(hdr, list->at + list->n * list->size);
    return 0;
}

static int
dump(uint8_t command, struct list *list, struct errmsg *err)
{
    int family = find_family(err);
    int rc = family < 0 ? family : -EINTR;
    for (int tries = 0; rc == -EINTR && tries < MAX_TRIES; tries++) {
        list->n = 0;
        rc = rtnl_request_of(NETLINK_GENERIC,
                             message(family, command, DEVLINK_GENL_VERSION, NLM_F_DUMP),
                             got_element, list, err);
    }
    if (rc) {
        free(list->at);
    }
    return rc;
}

static int
parse_port(const struct nlmsghdr *hdr, void *out)
{
    return devlink_parse_port(hdr, out);
}

int
devlink_list_ports(struct devlink_port **out, size_t *n, struct errmsg *err)
{
    struct list list = { .size = sizeof **out, .parse = parse_port };
    int rc = dump(DEVLINK_CMD_PORT_GET, &list, err);
    if (!rc) {
        *out = (void *) list.at;
        *n = list.n;
    }
    return rc;
}

static int
parse_handle(const struct nlmsghdr *hdr, void *out)
{
    return devlink_parse_handle(hdr, out);
}

int
devlink_list_devices(struct devlink_handle **out, size_t *n, struct errmsg *err)
{
    struct list list = { .size = sizeof **out, .parse = parse_handle };
    int rc = dump(DEVLINK_CMD_GET, &list, err);
    if (!rc) {
        *out = (void *) list.at;
        *n = list.n;
    }
    return rc;
}

/* --- a device ----------------------------------------------------------------------------- */

static int
got_handle(const struct nlmsghdr *hdr, void *device)
{
    return devlink_parse_handle(hdr, &((struct devlink_device *) device)->handle);
}

static int
got_eswitch(const struct nlmsghdr *hdr, void *device)
{
    devlink_parse_eswitch(hdr, &((struct devlink_device *) device)->eswitch);
    return 0;
}

static int
got_info(const struct nlmsghdr *hdr, void *device)
{
    devlink_parse_info(hdr, device);
    return 0;
}

static int
got_resources(const struct nlmsghdr *hdr, void *device)
{
    devlink_parse_resources(hdr, device);
    return 0;
}

/* A dump of reporters has those of other devices as well. */
static int
got_reporter(const struct nlmsghdr *hdr, void *device_)
{
    struct devlink_device *device = device_;
    struct devlink_handle handle;
    if (!devlink_parse_handle(hdr, &handle) && !strcmp(handle.bus, device->handle.bus)
        && !strcmp(handle.name, device->handle.name)) {
        devlink_parse_reporter(hdr, device);
    }
    return 0;
}

static int
ask(int family, uint8_t command, int flags, struct devlink_device *device, rtnl_reply_fn *reply,
    struct errmsg *err)
{
    struct nl_msg *msg = message(family, command, DEVLINK_GENL_VERSION, flags);
    if (msg) {
        nla_put_string(msg, DEVLINK_ATTR_BUS_NAME, device->handle.bus);
        nla_put_string(msg, DEVLINK_ATTR_DEV_NAME, device->handle.name);
    }
    return rtnl_request_of(NETLINK_GENERIC, msg, reply, device, err);
}

int
devlink_get_device(const struct devlink_handle *handle, struct devlink_device *out,
                   struct errmsg *err)
{
    *out = (struct devlink_device) { .handle = *handle, .eswitch = { -1, -1, -1 } };
    int family = find_family(err);
    int rc = family < 0 ? family : ask(family, DEVLINK_CMD_GET, 0, out, got_handle, err);
    if (rc) {
        errmsg_prefix(err, "devlink %s/%s", handle->bus, handle->name);
        return rc;
    }
    /* Each of them is optional for a driver: -EOPNOTSUPP is an answer like others. */
    (void) ask(family, DEVLINK_CMD_ESWITCH_GET, 0, out, got_eswitch, NULL);
    (void) ask(family, DEVLINK_CMD_INFO_GET, 0, out, got_info, NULL);
    (void) ask(family, DEVLINK_CMD_RESOURCE_DUMP, 0, out, got_resources, NULL);
    for (int tries = 0; tries < MAX_TRIES; tries++) {
        out->n_reporters = 0;
        if (ask(family, DEVLINK_CMD_HEALTH_REPORTER_GET, NLM_F_DUMP, out, got_reporter, NULL)
            != -EINTR) {
            break;
        }
    }
    return 0;
}

/* --- names --------------------------------------------------------------------------------- */

static const char *
name_of(const char *const names[], int n, int number)
{
    return number < 0 ? "" : number < n ? names[number] : "?";
}

const char *
devlink_mode_name(int mode)
{
    static const char *const names[] = { "legacy", "switchdev" };
    return name_of(names, 2, mode);
}

const char *
devlink_inline_name(int inline_mode)
{
    static const char *const names[] = { "none", "link", "network", "transport" };
    return name_of(names, 4, inline_mode);
}

const char *
devlink_encap_name(int encap)
{
    static const char *const names[] = { "none", "basic" };
    return name_of(names, 2, encap);
}

const char *
devlink_flavour_name(int flavour)
{
    static const char *const names[] = { "physical", "cpu", "dsa", "pcipf", "pcivf", "virtual",
                                         "unused", "pcisf" };
    return name_of(names, 8, flavour);
}
