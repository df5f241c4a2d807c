/* SPDX-License-Identifier: Apache-2.0 */
/* Terse dumps, read as fast as they come: of each filter its place, its cookie and what it counted,
 * in one walk over its attributes. There may be a hundred thousand a second of them; flower_decode()
 * reads whatever a filter may have, which takes four times as long. */
#include <errno.h>
#include <linux/gen_stats.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "drivers/tc/attr.h"
#include "drivers/tc/tc.h"

/* Copies as much as the attribute has; the rest of 'out' stays. */
static void
copy(const struct nlattr *attr, void *out, size_t size)
{
    size_t has = attr_size(attr);
    memcpy(out, attr_payload(attr), has < size ? has : size);
}

/* The 64-bit counts of packets go before the 32-bit ones, wherever they stand. */
static struct flower_stats
read_counts(const struct nlattr *nest)
{
    struct gnet_stats_basic all = { 0 }, hardware = { 0 };
    uint64_t packets = 0, hw_packets = 0;
    struct flower_stats s = { 0 };
    struct attr_walk w = attr_walk_into(nest);
    bool after_hardware = false;
    for (const struct nlattr *attr; (attr = attr_next(&w));) {
        switch (attr_type(attr)) {
        case TCA_STATS_BASIC:
            copy(attr, &all, sizeof all);
            s.known = true;
            after_hardware = false;
            break;
        case TCA_STATS_BASIC_HW:
            copy(attr, &hardware, sizeof hardware);
            after_hardware = true;
            break;
        case TCA_STATS_PKT64:
            copy(attr, after_hardware ? &hw_packets : &packets, sizeof packets);
            break;
        default:
            break;
        }
    }
    s.packets = packets ? packets : all.packets;
    s.hw_packets = hw_packets ? hw_packets : hardware.packets;
    s.bytes = all.bytes;
    s.hw_bytes = hardware.bytes;
    return s;
}

static void
read_action(const struct nlattr *nest, struct tc_reading *out)
{
    struct attr_walk w = attr_walk_into(nest);
    for (const struct nlattr *attr; (attr = attr_next(&w));) {
        unsigned type = attr_type(attr);
        if (type == TCA_ACT_COOKIE && !out->cookie_size) {
            out->cookie_size = (uint8_t) attr_size(attr);
            copy(attr, out->cookie, sizeof out->cookie);
        } else if (type == TCA_ACT_STATS) {
            struct flower_stats s = read_counts(attr);
            bool more = s.packets > out->stats.packets
                        || (s.packets == out->stats.packets && s.hw_packets > out->stats.hw_packets);
            out->stats = s.known && (!out->stats.known || more) ? s : out->stats;
        }
    }
}

static void
read_options(const struct nlattr *options, struct tc_reading *out)
{
    struct attr_walk w = attr_walk_into(options);
    for (const struct nlattr *attr; (attr = attr_next(&w));) {
        if (attr_type(attr) != TCA_FLOWER_ACT) {
            continue;
        }
        struct attr_walk actions = attr_walk_into(attr);
        for (const struct nlattr *action; (action = attr_next(&actions));) {
            read_action(action, out);
        }
    }
}

bool
tc_read_terse(const struct nlmsghdr *message, struct tc_reading *out)
{
    const size_t head = MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(struct tcmsg));
    if ((message->nlmsg_type != RTM_NEWTFILTER && message->nlmsg_type != RTM_DELTFILTER) || message->nlmsg_len < head) {
        return false;
    }
    const struct tcmsg *tc = (const void *) ((const uint8_t *) message + MNL_NLMSG_HDRLEN);
    struct attr_walk w = { (const uint8_t *) message + head, message->nlmsg_len - head };
    *out = (struct tc_reading) { .handle = tc->tcm_handle, .prio = (uint16_t) (tc->tcm_info >> 16) };
    for (const struct nlattr *attr; tc->tcm_handle && (attr = attr_next(&w));) {
        if (attr_type(attr) == TCA_OPTIONS) {
            read_options(attr, out);
        }
    }
    return tc->tcm_handle;
}
