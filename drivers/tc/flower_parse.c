/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes, and the messages around them. Nothing that is read is trusted to be what the kernel
 * would send. */
#include <errno.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "drivers/tc/attr.h"
#include "drivers/tc/flower_private.h"

bool
flower_parse(const void *payload, size_t size, const struct nlattr *attrs[], unsigned max)
{
    struct attr_walk w = { payload, size };
    memset(attrs, 0, (max + 1) * sizeof *attrs);
    for (const struct nlattr *attr; (attr = attr_next(&w));) {
        unsigned type = attr_type(attr);
        attrs[type <= max ? type : 0] = attr;
    }
    return !w.left;
}

bool
flower_parse_nest(const struct nlattr *nest, const struct nlattr *attrs[], unsigned max)
{
    return flower_parse(attr_payload(nest), attr_size(nest), attrs, max);
}

bool
flower_get(const struct nlattr *attr, void *out, size_t size)
{
    if (!attr || attr_size(attr) != size) {
        return false;
    }
    memcpy(out, attr_payload(attr), size);
    return true;
}

/* What can't be printed becomes a question mark. */
void
flower_get_string(const struct nlattr *attr, char *out, size_t size)
{
    const char *text = attr ? attr_payload(attr) : "";
    size_t len = attr ? strnlen(text, attr_size(attr)) : 0;
    len = len < size ? len : size - 1;
    for (size_t i = 0; i < len; i++) {
        out[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
    }
    out[len] = '\0';
}

/* --- filters ------------------------------------------------------------------------------------- */

static void
take_place(const struct nlmsghdr *nlh, const struct tcmsg *tc, struct flower_filter *f)
{
    bool block = tc->tcm_ifindex == (int) TCM_IFINDEX_MAGIC_BLOCK;
    f->deleted = nlh->nlmsg_type == RTM_DELTFILTER;
    f->place.ifindex = block ? 0 : tc->tcm_ifindex;
    f->place.block = block ? tc->tcm_parent : 0;
    f->parent = block ? 0 : tc->tcm_parent;
    f->place.handle = tc->tcm_handle;
    f->place.prio = (uint16_t) (TC_H_MAJ(tc->tcm_info) >> 16);
    f->place.protocol = be16_to_host((struct be16) { (uint16_t) TC_H_MIN(tc->tcm_info) });
}

/* What is in TCA_OPTIONS of a flower filter. */
static bool
take_options(const struct nlattr *options, struct flower_filter *f)
{
    const struct nlattr *attrs[UINT8_MAX + 1];
    if (!flower_parse_nest(options, attrs, UINT8_MAX)) {
        return false;
    }
    f->has_flags = flower_get(attrs[TCA_FLOWER_FLAGS], &f->flags, sizeof f->flags);
    flower_get(attrs[TCA_FLOWER_IN_HW_COUNT], &f->in_hw_count, sizeof f->in_hw_count);
    return (!attrs[TCA_FLOWER_ACT] || flower_get_ops(attrs[TCA_FLOWER_ACT], f))
           && flower_get_match(attrs, f->place.protocol, f);
}

/* All but the edits and ops, which are only set as far as there are any. */
static void
clear(struct flower_filter *f)
{
    memset(f, 0, offsetof(struct flower_filter, ops));
    f->ops.n_ops = f->ops.n_edits = 0;
    memset(f->cookie, 0, sizeof *f - offsetof(struct flower_filter, cookie));
}

static bool
holds(const struct nlmsghdr *nlh, size_t size, size_t payload)
{
    return size >= MNL_NLMSG_HDRLEN && nlh->nlmsg_len <= size
           && nlh->nlmsg_len >= MNL_NLMSG_HDRLEN + MNL_ALIGN(payload);
}

int
flower_decode(const struct nlmsghdr *nlh, size_t size, struct flower_filter *f)
{
    const struct nlattr *attrs[TCA_MAX + 1];
    if (size < MNL_NLMSG_HDRLEN) {
        return -EBADMSG;
    }
    if (nlh->nlmsg_type != RTM_NEWTFILTER && nlh->nlmsg_type != RTM_DELTFILTER) {
        return -ENOMSG;
    }
    if (!holds(nlh, size, sizeof(struct tcmsg))) {
        return -EBADMSG;
    }
    const struct tcmsg *tc = mnl_nlmsg_get_payload(nlh);
    size_t head = MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof *tc);
    if (!flower_parse((const uint8_t *) nlh + head, nlh->nlmsg_len - head, attrs, TCA_MAX)
        || !attrs[TCA_KIND]) {
        return -EBADMSG;
    }
    if (!tc->tcm_handle) {
        return -ENOMSG;
    }
    clear(f);
    take_place(nlh, tc, f);
    flower_get_string(attrs[TCA_KIND], f->kind, sizeof f->kind);
    flower_get(attrs[TCA_CHAIN], &f->place.chain, sizeof f->place.chain);
    flower_get_string(attrs[FLOWER_TCA_EXT_WARN_MSG], f->warning, sizeof f->warning);
    bool is_flower = !strcmp(f->kind, "flower");
    return is_flower && attrs[TCA_OPTIONS] && !take_options(attrs[TCA_OPTIONS], f) ? -EBADMSG : 0;
}

bool
flower_is_ingress(const struct flower_filter *f)
{
    return !f->place.ifindex || f->parent == TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);
}

/* --- errors ---------------------------------------------------------------------------------------- */

/* Where the attributes of an answer begin: behind the request, of which the kernel may have left
 * out all but the header. 0: not well-formed. */
static size_t
attrs_offset(const struct nlmsghdr *nlh)
{
    if (nlh->nlmsg_type == NLMSG_DONE) {
        return MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(int));
    }
    const struct nlmsgerr *answer = mnl_nlmsg_get_payload(nlh);
    size_t offset = MNL_NLMSG_HDRLEN + sizeof *answer;
    if (!(nlh->nlmsg_flags & NLM_F_CAPPED)) {
        if (answer->msg.nlmsg_len < MNL_NLMSG_HDRLEN) {
            return 0;
        }
        offset += MNL_ALIGN((size_t) answer->msg.nlmsg_len) - MNL_NLMSG_HDRLEN;
    }
    return offset <= nlh->nlmsg_len ? offset : 0;
}

int
flower_error_decode(const struct nlmsghdr *nlh, size_t size, struct flower_error *e)
{
    const struct nlattr *attrs[NLMSGERR_ATTR_MAX + 1];
    int32_t error;
    if (size < MNL_NLMSG_HDRLEN) {
        return -EBADMSG;
    }
    if (nlh->nlmsg_type != NLMSG_ERROR && nlh->nlmsg_type != NLMSG_DONE) {
        return -ENOMSG;
    }
    bool done = nlh->nlmsg_type == NLMSG_DONE;
    if (!holds(nlh, size, done ? sizeof error : sizeof(struct nlmsgerr))) {
        return -EBADMSG;
    }
    memcpy(&error, mnl_nlmsg_get_payload(nlh), sizeof error);
    if (error > 0 || error == INT32_MIN) {
        return -EBADMSG;
    }
    *e = (struct flower_error) { .seq = nlh->nlmsg_seq, .error = -error };
    if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS)) {
        return 0;
    }
    size_t offset = attrs_offset(nlh);
    if (!offset || !flower_parse((const uint8_t *) nlh + offset, nlh->nlmsg_len - offset, attrs,
                                 NLMSGERR_ATTR_MAX)) {
        return -EBADMSG;
    }
    e->has_offset = flower_get(attrs[NLMSGERR_ATTR_OFFS], &e->offset, sizeof e->offset);
    flower_get_string(attrs[NLMSGERR_ATTR_MSG], e->words, sizeof e->words);
    return 0;
}
