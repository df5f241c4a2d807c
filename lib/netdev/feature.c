/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/netdev/feature.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/sockios.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_FEATURES = 1024, MAX_BLOCKS = MAX_FEATURES / 32 };

/* Requests whose answers follow them: arrays without a length, so they are words of memory. */
union set_info {
    struct ethtool_sset_info info;
    uint32_t space[sizeof(struct ethtool_sset_info) / 4 + 1];
};

union features {
    struct ethtool_gfeatures get;
    struct ethtool_sfeatures set;
    uint32_t space[(sizeof(struct ethtool_gfeatures)
                    + MAX_BLOCKS * sizeof(struct ethtool_get_features_block)) / 4];
};

static int
ask(int fd, const char *device, void *request)
{
    struct ifreq ifr = { .ifr_data = request };
    memcpy(ifr.ifr_name, device, strnlen(device, IFNAMSIZ - 1));
    int rc = ioctl(fd, SIOCETHTOOL, &ifr);
    return rc < 0 ? -errno : rc;
}

static int
open_socket(struct errmsg *err)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        errmsg_set(err, "no socket for ethtool: %s", strerror(errno));
        return -errno;
    }
    return fd;
}

/* Text that the kernel need not have ended. */
static void
take_text(char *out, size_t size, const char *text, size_t max)
{
    size_t len = strnlen(text, max < size - 1 ? max : size - 1);
    memcpy(out, text, len);
    out[len] = '\0';
}

int
driver_info_get(const char *device, struct driver_info *out, struct errmsg *err)
{
    struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
    int fd = open_socket(err), rc = fd < 0 ? fd : ask(fd, device, &info);
    if (fd >= 0) {
        close(fd);
        if (rc < 0) {
            errmsg_set(err, "%s: can't tell its driver: %s", device, strerror(-rc));
        }
    }
    if (rc < 0) {
        return rc;
    }
    take_text(out->driver, sizeof out->driver, info.driver, sizeof info.driver);
    take_text(out->version, sizeof out->version, info.version, sizeof info.version);
    take_text(out->firmware, sizeof out->firmware, info.fw_version, sizeof info.fw_version);
    take_text(out->bus, sizeof out->bus, info.bus_info, sizeof info.bus_info);
    return 0;
}

/* How many features the kernel knows, or -errno. */
static int
count_features(int fd, const char *device)
{
    union set_info set = { .info = { .cmd = ETHTOOL_GSSET_INFO,
                                     .sset_mask = UINT64_C(1) << ETH_SS_FEATURES } };
    int rc = ask(fd, device, &set);
    if (rc < 0) {
        return rc;
    }
    uint32_t n = set.info.sset_mask ? set.space[sizeof set.info / 4] : 0;
    return n && n <= MAX_FEATURES ? (int) n : -EOPNOTSUPP;
}

/* The place of the feature among 'n', or -ENOENT, or another -errno. */
static int
find_feature(int fd, const char *device, const char *feature, int n)
{
    struct ethtool_gstrings *strings = calloc(1, sizeof *strings + (size_t) n * ETH_GSTRING_LEN);
    if (!strings) {
        return -ENOMEM;
    }
    *strings = (struct ethtool_gstrings) { .cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_FEATURES,
                                           .len = (uint32_t) n };
    int at = ask(fd, device, strings);
    if (at >= 0) {
        for (at = 0; at < n && strncmp((char *) strings->data + at * ETH_GSTRING_LEN, feature,
                                       ETH_GSTRING_LEN);) {
            at++;
        }
        at = at < n ? at : -ENOENT;
    }
    free(strings);
    return at;
}

/* The place of the feature, and of how many; or -errno. */
static int
place_of(int fd, const char *device, const char *feature, int *n)
{
    *n = count_features(fd, device);
    return *n < 0 ? *n : find_feature(fd, device, feature, *n);
}

static int
look(int fd, const char *device, const char *feature, struct feature *out)
{
    int n, at = place_of(fd, device, feature, &n);
    if (at < 0) {
        *out = (struct feature) { .known = false };
        return at == -ENOENT ? 0 : at;
    }
    union features f = { .get = { .cmd = ETHTOOL_GFEATURES, .size = (uint32_t) (n + 31) / 32 } };
    int rc = ask(fd, device, &f);
    if (rc < 0) {
        return rc;
    }
    const struct ethtool_get_features_block *block = &f.get.features[at / 32];
    uint32_t bit = UINT32_C(1) << at % 32;
    *out = (struct feature) {
        .known = true,
        .can = block->available & bit && !(block->never_changed & bit),
        .on = block->active & bit,
        .wanted = block->requested & bit,
    };
    return 0;
}

int
feature_get(const char *device, const char *feature, struct feature *out, struct errmsg *err)
{
    int fd = open_socket(err), rc = fd < 0 ? fd : look(fd, device, feature, out);
    if (fd >= 0) {
        close(fd);
        if (rc < 0) {
            errmsg_set(err, "%s: can't tell its features: %s", device, strerror(-rc));
        }
    }
    return rc;
}

/* Asks for it, and looks whether it has come to be. */
static int
change(int fd, const char *device, const char *feature, bool on)
{
    int n, at = place_of(fd, device, feature, &n);
    struct feature now;
    if (at < 0) {
        return at == -ENOENT ? -EOPNOTSUPP : at;
    }
    union features f = { .set = { .cmd = ETHTOOL_SFEATURES, .size = (uint32_t) (n + 31) / 32 } };
    f.set.features[at / 32].valid = UINT32_C(1) << at % 32;
    f.set.features[at / 32].requested = on ? UINT32_C(1) << at % 32 : 0;
    int rc = ask(fd, device, &f);
    rc = rc < 0 ? rc : rc & ETHTOOL_F_UNSUPPORTED ? -EOPNOTSUPP : look(fd, device, feature, &now);
    return rc ? rc : now.on == on ? 0 : -EBUSY;
}

int
feature_set(const char *device, const char *feature, bool on, struct errmsg *err)
{
    int fd = open_socket(err), rc = fd < 0 ? fd : change(fd, device, feature, on);
    if (fd >= 0) {
        close(fd);
        if (rc) {
            errmsg_set(err, "%s: can't switch %s %s: %s", device, feature, on ? "on" : "off",
                       rc == -EBUSY ? "the driver keeps it as it is" : strerror(-rc));
        }
    }
    return rc;
}
