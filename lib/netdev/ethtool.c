/* SPDX-License-Identifier: Apache-2.0 */
/* First, because linux/ethtool.h has macros of the names of our constants. */
#include "lib/netdev/link.h"

#include "lib/netdev/ethtool.h"

#include <assert.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* As old kernels have at most 32 words, so has the mask in the request. */
enum { MAX_WORDS = 32 };

enum {
    SPEED_FEATURES = PORT_FEATURE_10MB_HD | PORT_FEATURE_10MB_FD | PORT_FEATURE_100MB_HD
                     | PORT_FEATURE_100MB_FD | PORT_FEATURE_1GB_HD | PORT_FEATURE_1GB_FD
                     | PORT_FEATURE_10GB_FD,
};

static const struct {
    uint8_t bit;
    uint32_t feature;
} modes[] = {
    { ETHTOOL_LINK_MODE_10baseT_Half_BIT, PORT_FEATURE_10MB_HD },
    { ETHTOOL_LINK_MODE_10baseT_Full_BIT, PORT_FEATURE_10MB_FD },
    { ETHTOOL_LINK_MODE_100baseT_Half_BIT, PORT_FEATURE_100MB_HD },
    { ETHTOOL_LINK_MODE_100baseT_Full_BIT, PORT_FEATURE_100MB_FD },
    { ETHTOOL_LINK_MODE_100baseT1_Full_BIT, PORT_FEATURE_100MB_FD },
    { ETHTOOL_LINK_MODE_1000baseT_Half_BIT, PORT_FEATURE_1GB_HD },
    { ETHTOOL_LINK_MODE_1000baseT_Full_BIT, PORT_FEATURE_1GB_FD },
    { ETHTOOL_LINK_MODE_1000baseX_Full_BIT, PORT_FEATURE_1GB_FD },
    { ETHTOOL_LINK_MODE_1000baseKX_Full_BIT, PORT_FEATURE_1GB_FD },
    { ETHTOOL_LINK_MODE_1000baseT1_Full_BIT, PORT_FEATURE_1GB_FD },
    { ETHTOOL_LINK_MODE_10000baseT_Full_BIT, PORT_FEATURE_10GB_FD },
    { ETHTOOL_LINK_MODE_10000baseKX4_Full_BIT, PORT_FEATURE_10GB_FD },
    { ETHTOOL_LINK_MODE_10000baseKR_Full_BIT, PORT_FEATURE_10GB_FD },
    { ETHTOOL_LINK_MODE_10000baseR_FEC_BIT, PORT_FEATURE_10GB_FD },
    { ETHTOOL_LINK_MODE_10000baseCR_Full_BIT, PORT_FEATURE_10GB_FD },
    { ETHTOOL_LINK_MODE_10000baseSR_Full_BIT, PORT_FEATURE_10GB_FD },
    { ETHTOOL_LINK_MODE_10000baseLR_Full_BIT, PORT_FEATURE_10GB_FD },
    { ETHTOOL_LINK_MODE_10000baseLRM_Full_BIT, PORT_FEATURE_10GB_FD },
    { ETHTOOL_LINK_MODE_10000baseER_Full_BIT, PORT_FEATURE_10GB_FD },
    { ETHTOOL_LINK_MODE_TP_BIT, PORT_FEATURE_COPPER },
    { ETHTOOL_LINK_MODE_FIBRE_BIT, PORT_FEATURE_FIBER },
    { ETHTOOL_LINK_MODE_Autoneg_BIT, PORT_FEATURE_AUTONEG },
    { ETHTOOL_LINK_MODE_Pause_BIT, PORT_FEATURE_PAUSE },
    { ETHTOOL_LINK_MODE_Asym_Pause_BIT, PORT_FEATURE_PAUSE_ASYM },
};

uint32_t
ethtool_modes_to_features(const uint32_t *words, size_t n_words)
{
    uint32_t features = 0;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        size_t word = modes[i].bit / 32;
        if (word < n_words && (words[word] >> (modes[i].bit % 32) & 1)) {
            features |= modes[i].feature;
        }
    }
    return features;
}

static uint32_t
speed_feature(uint32_t mbps, bool full_duplex)
{
    switch (mbps) {
    case 10:
        return full_duplex ? PORT_FEATURE_10MB_FD : PORT_FEATURE_10MB_HD;
    case 100:
        return full_duplex ? PORT_FEATURE_100MB_FD : PORT_FEATURE_100MB_HD;
    case 1000:
        return full_duplex ? PORT_FEATURE_1GB_FD : PORT_FEATURE_1GB_HD;
    case 10000:
        return PORT_FEATURE_10GB_FD;
    default:
        return 0;
    }
}

uint32_t
ethtool_link_to_features(uint32_t mbps, bool full_duplex, uint8_t port, bool autoneg)
{
    uint32_t features = speed_feature(mbps, full_duplex);
    if (port == PORT_TP) {
        features |= PORT_FEATURE_COPPER;
    } else if (port == PORT_FIBRE) {
        features |= PORT_FEATURE_FIBER;
    }
    return features | (autoneg ? PORT_FEATURE_AUTONEG : 0);
}

static int
ethtool_ioctl(int fd, const char *name, void *request)
{
    struct ifreq ifr = { .ifr_data = request };
    memcpy(ifr.ifr_name, name, strnlen(name, IFNAMSIZ - 1));
    return ioctl(fd, SIOCETHTOOL, &ifr) ? -errno : 0;
}

static void
set_current(struct link_features *out, uint32_t mbps, uint8_t duplex, uint8_t port, bool autoneg)
{
    out->speed_mbps = mbps == (uint32_t) SPEED_UNKNOWN ? 0 : mbps;
    out->current = ethtool_link_to_features(out->speed_mbps, duplex == DUPLEX_FULL, port,
                                            autoneg);
}

/* The words follow the settings, whose last member is an array without a length: supported,
 * advertised, and what the other end advertises. */
struct settings_request {
    union {
        struct ethtool_link_settings settings;
        uint32_t space[sizeof(struct ethtool_link_settings) / sizeof(uint32_t) + 3 * MAX_WORDS];
    };
};
static_assert(sizeof(struct ethtool_link_settings) % sizeof(uint32_t) == 0, "words follow");

static uint32_t *
words_of(struct settings_request *request)
{
    return &request->space[sizeof(struct ethtool_link_settings) / sizeof(uint32_t)];
}

/* Asked once for the number of words, then for them. Returns how many, or -errno. */
static int
ask_link_settings(int fd, const char *name, struct settings_request *request)
{
    memset(request, 0, sizeof *request);
    request->settings.cmd = ETHTOOL_GLINKSETTINGS;
    int rc = ethtool_ioctl(fd, name, request);
    int n = -request->settings.link_mode_masks_nwords;
    if (rc || n <= 0 || n > MAX_WORDS) {
        return rc ? rc : -EOPNOTSUPP;
    }
    memset(request, 0, sizeof *request);
    request->settings.cmd = ETHTOOL_GLINKSETTINGS;
    request->settings.link_mode_masks_nwords = (int8_t) n;
    rc = ethtool_ioctl(fd, name, request);
    if (rc || request->settings.link_mode_masks_nwords != n) {
        return rc ? rc : -EOPNOTSUPP;
    }
    return n;
}

static int
get_link_settings(int fd, const char *name, struct link_features *out)
{
    struct settings_request request;
    const uint32_t *words = words_of(&request);
    int n = ask_link_settings(fd, name, &request);
    if (n < 0) {
        return n;
    }
    const struct ethtool_link_settings *s = &request.settings;
    out->supported = ethtool_modes_to_features(words, (size_t) n);
    out->advertised = ethtool_modes_to_features(words + n, (size_t) n);
    out->peer = ethtool_modes_to_features(words + 2 * n, (size_t) n);
    set_current(out, s->speed, s->duplex, s->port, s->autoneg);
    return 0;
}

bool
ethtool_features_to_modes(uint32_t features, const uint32_t *supported, uint32_t *words,
                          size_t n_words)
{
    uint32_t speeds = 0;
    memset(words, 0, n_words * sizeof *words);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        size_t word = modes[i].bit / 32;
        uint32_t bit = UINT32_C(1) << (modes[i].bit % 32);
        if (word < n_words && supported[word] & bit && features & modes[i].feature) {
            words[word] |= bit;
            speeds |= modes[i].feature & SPEED_FEATURES;
        }
    }
    return speeds;
}

static int
advertise(int fd, const char *name, uint32_t features)
{
    struct settings_request request;
    uint32_t *words = words_of(&request);
    int n = ask_link_settings(fd, name, &request);
    if (n < 0) {
        return n;
    }
    if (!ethtool_features_to_modes(features, words, words + n, (size_t) n)) {
        return -EOPNOTSUPP;
    }
    request.settings.cmd = ETHTOOL_SLINKSETTINGS;
    request.settings.autoneg = AUTONEG_ENABLE;
    return ethtool_ioctl(fd, name, &request);
}

int
link_set_advertised(const char *name, uint32_t features, struct errmsg *err)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int rc = fd < 0 ? -errno : advertise(fd, name, features);
    if (fd >= 0) {
        close(fd);
    }
    if (rc) {
        errmsg_set(err, "%s: cannot advertise 0x%x: %s", name, features,
                   rc == -EOPNOTSUPP ? "the device can't, or has none of these speeds"
                                     : strerror(-rc));
    }
    return rc;
}

/* The old form: the first 32 modes. */
static int
get_old_settings(int fd, const char *name, struct link_features *out)
{
    struct ethtool_cmd cmd = { .cmd = ETHTOOL_GSET };
    int rc = ethtool_ioctl(fd, name, &cmd);
    if (!rc) {
        out->supported = ethtool_modes_to_features(&cmd.supported, 1);
        out->advertised = ethtool_modes_to_features(&cmd.advertising, 1);
        out->peer = ethtool_modes_to_features(&cmd.lp_advertising, 1);
        set_current(out, ethtool_cmd_speed(&cmd), cmd.duplex, cmd.port, cmd.autoneg);
    }
    return rc;
}

int
link_get_features(const char *name, struct link_features *out, struct errmsg *err)
{
    struct link_features features = { 0 };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int rc = fd < 0 ? -errno : get_link_settings(fd, name, &features);
    if (fd >= 0 && rc && rc != -ENODEV) {
        rc = get_old_settings(fd, name, &features);
    }
    if (fd >= 0) {
        close(fd);
    }
    if (rc && rc != -EOPNOTSUPP) {
        errmsg_set(err, "%s: cannot get link settings: %s", name, strerror(-rc));
        return rc;
    }
    *out = features;    /* zeros where the device can't tell */
    return 0;
}
