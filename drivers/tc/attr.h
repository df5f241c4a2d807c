/* SPDX-License-Identifier: Apache-2.0 */
/* Netlink attributes, read and checked inline: a filter has fifty, a dump a hundred thousand filters,
 * and libmnl takes three calls for each. The layout is that of linux/netlink.h. */
#ifndef DRIVERS_TC_ATTR_H
#define DRIVERS_TC_ATTR_H 1

#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Attributes back to back, of which 'left' bytes are to come. */
struct attr_walk {
    const uint8_t *at;
    size_t left;
};

static inline unsigned
attr_type(const struct nlattr *attr)
{
    return attr->nla_type & NLA_TYPE_MASK;
}

/* Bytes of the payload. */
static inline size_t
attr_size(const struct nlattr *attr)
{
    return attr->nla_len - NLA_HDRLEN;
}

static inline const void *
attr_payload(const struct nlattr *attr)
{
    return (const uint8_t *) attr + NLA_HDRLEN;
}

static inline struct attr_walk
attr_walk_into(const struct nlattr *nest)
{
    return (struct attr_walk) { attr_payload(nest), attr_size(nest) };
}

/* The next one, which is whole; NULL: that was all ('left' is 0), or the rest is not well-formed. */
static inline const struct nlattr *
attr_next(struct attr_walk *w)
{
    const struct nlattr *attr = (const void *) w->at;
    if (w->left < NLA_HDRLEN || attr->nla_len < NLA_HDRLEN || attr->nla_len > w->left) {
        return NULL;
    }
    size_t step = NLA_ALIGN((size_t) attr->nla_len);
    step = step < w->left ? step : w->left;
    w->at += step;
    w->left -= step;
    return attr;
}

#endif /* drivers/tc/attr.h */
