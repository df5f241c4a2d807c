/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/netdev/offload_feature.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static const char feature_name[] = "hw-tc-offload";

static int
ethtool_call(const char *device, void *request)
{
    struct ifreq ifr = { .ifr_data = request };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), result = fd < 0 ? -errno : 0;
    snprintf(ifr.ifr_name, sizeof ifr.ifr_name, "%s", device);
    if (!result && ioctl(fd, SIOCETHTOOL, &ifr)) {
        result = -errno;
    }
    if (fd >= 0) {
        close(fd);
    }
    return result;
}

/* How many features the kernel has names for, 0 if the device is not there. */
static uint32_t
count_features(const char *device)
{
    union {
        struct ethtool_sset_info info;
        uint32_t words[sizeof(struct ethtool_sset_info) / sizeof(uint32_t) + 1];
    } request = { .info = { .cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ull << ETH_SS_FEATURES } };
    return ethtool_call(device, &request) || !request.info.sset_mask ? 0 : request.info.data[0];
}

/* The feature's number, or -1. */
static int
find_feature(const char *device, uint32_t count)
{
    struct ethtool_gstrings *names = calloc(1, sizeof *names + (size_t) count * ETH_GSTRING_LEN);
    int found = -1;
    if (names) {
        *names = (struct ethtool_gstrings) { .cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_FEATURES,
                                             .len = count };
        if (!ethtool_call(device, names)) {
            for (uint32_t i = 0; i < count && found < 0; i++) {
                const char *name = (const char *) names->data + (size_t) i * ETH_GSTRING_LEN;
                found = strncmp(name, feature_name, ETH_GSTRING_LEN) ? -1 : (int) i;
            }
        }
    }
    free(names);
    return found;
}

enum offload_feature
offload_feature_get(const char *device)
{
    uint32_t count = count_features(device), blocks = (count + 31) / 32;
    int number = count ? find_feature(device, count) : -1;
    enum offload_feature result = OFFLOAD_FEATURE_NONE;
    struct ethtool_gfeatures *all = calloc(1, sizeof *all + blocks * sizeof all->features[0]);
    if (number >= 0 && all) {
        *all = (struct ethtool_gfeatures) { .cmd = ETHTOOL_GFEATURES, .size = blocks };
        const struct ethtool_get_features_block *block = &all->features[number / 32];
        uint32_t bit = 1u << number % 32;
        if (!ethtool_call(device, all)) {
            result = block->active & bit ? OFFLOAD_FEATURE_ON
                     : block->available & bit ? OFFLOAD_FEATURE_OFF : OFFLOAD_FEATURE_NONE;
        }
    }
    free(all);
    return result;
}

static int
set_feature(const char *device, bool on)
{
    uint32_t count = count_features(device), blocks = (count + 31) / 32;
    int number = count ? find_feature(device, count) : -1, result = -EOPNOTSUPP;
    struct ethtool_sfeatures *wanted = calloc(1, sizeof *wanted + blocks * sizeof wanted->features[0]);
    if (number >= 0 && wanted) {
        uint32_t bit = 1u << number % 32;
        *wanted = (struct ethtool_sfeatures) { .cmd = ETHTOOL_SFEATURES, .size = blocks };
        wanted->features[number / 32].valid = bit;
        wanted->features[number / 32].requested = on ? bit : 0;
        result = ethtool_call(device, wanted);
    }
    free(wanted);
    return result;
}

int
offload_feature_set(const char *device, bool on, struct errmsg *err)
{
    enum offload_feature wanted = on ? OFFLOAD_FEATURE_ON : OFFLOAD_FEATURE_OFF;
    int result = set_feature(device, on);
    if (!result && offload_feature_get(device) != wanted) {
        result = -EOPNOTSUPP;
    }
    if (result) {
        errmsg_set(err, "%s: %s stays as it is: %s", device, feature_name,
                   result == -EOPNOTSUPP ? "its driver does not let it be switched" : strerror(-result));
    }
    return result;
}

bool
offload_driver_get(const char *device, char driver[32], char firmware[32])
{
    struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
    if (ethtool_call(device, &info)) {
        return false;
    }
    snprintf(driver, 32, "%.31s", info.driver);
    snprintf(firmware, 32, "%.31s", info.fw_version);
    return driver[0];
}
