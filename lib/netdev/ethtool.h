/* SPDX-License-Identifier: Apache-2.0 */
/* Ethtool's link modes in OpenFlow's bits. Pure. */
#ifndef LIB_NETDEV_ETHTOOL_H
#define LIB_NETDEV_ETHTOOL_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What OpenFlow 1.0 can say of a bitmap of ETHTOOL_LINK_MODE_*, bit 0 of word 0 first;
 * words that are not there count as 0. Modes faster than 10 Gbit/s have no bit. */
uint32_t ethtool_modes_to_features(const uint32_t *words, size_t n_words);

/* The other way: those of the supported modes that make up 'features', into 'words'. False if
 * no speed is among them. Modes faster than 10 Gbit/s are never among them. */
bool ethtool_features_to_modes(uint32_t features, const uint32_t *supported, uint32_t *words,
                               size_t n_words);

/* The one link that there is now. 'mbps' 0: not known. 'port' is PORT_* of linux/ethtool.h. */
uint32_t ethtool_link_to_features(uint32_t mbps, bool full_duplex, uint8_t port, bool autoneg);

#endif /* lib/netdev/ethtool.h */
