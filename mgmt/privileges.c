/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>

static int
check_needed(struct errmsg *err)
{
    static const struct {
        unsigned capability;
        const char *name;
    } needed[] = { { CAP_NET_ADMIN, "CAP_NET_ADMIN" }, { CAP_NET_RAW, "CAP_NET_RAW" } };

    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        if (!capng_have_capability(CAPNG_EFFECTIVE, needed[i].capability)) {
            errmsg_set(err, "%s is missing: run as root, or with CAP_NET_ADMIN and CAP_NET_RAW",
                       needed[i].name);
            return -EPERM;
        }
    }
    return 0;
}

int
privileges_drop(struct errmsg *err)
{
    if (capng_get_caps_process()) {
        errmsg_set(err, "can't read the process's capabilities");
        return -EPERM;
    }
    int error = check_needed(err);
    if (error) {
        return error;
    }
    bool bounding = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
    capng_clear(CAPNG_SELECT_BOTH);
    capng_updatev(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_ADMIN, CAP_NET_RAW, -1);
    if (bounding) {
        capng_updatev(CAPNG_ADD, CAPNG_BOUNDING_SET, CAP_NET_ADMIN, CAP_NET_RAW, -1);
    }
    /* The bounding set first: without CAP_SETPCAP it can't be changed any more. */
    if ((bounding && capng_apply(CAPNG_SELECT_BOUNDS)) || capng_apply(CAPNG_SELECT_CAPS)) {
        errmsg_set(err, "can't give up capabilities: %s", strerror(errno));
        return -EPERM;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
        errmsg_set(err, "can't set no_new_privs: %s", strerror(errno));
        return -EPERM;
    }
    return 0;
}
