/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "drivers/tc/flower_private.h"

static const struct flower_options no_options;

static int
work_out(const struct hal_entry *entry, uint16_t in_port, const struct flower_ports *ports,
         const struct flower_options *options, struct flower_shape *shape, struct flower_ops *ops,
         struct hal_verdict *verdict)
{
    const struct flow_match *m = entry->match;
    if (flower_shape(m, options, shape, verdict)) {
        return -EOPNOTSUPP;
    }
    if (m->mask.bits.in_port && m->value.in_port != in_port) {
        return flower_refuse(verdict, HAL_REASON_FIELD_UNSUPPORTED, FIELD_IN_PORT, HAL_OBJECT_NONE,
                             "the filter is another port's");
    }
    return flower_translate(entry->actions, in_port, ports, options, shape, ops, verdict);
}

int
flower_check(const struct hal_entry *entry, uint16_t in_port, const struct flower_ports *ports,
             const struct flower_options *options, struct hal_verdict *verdict)
{
    struct flower_shape shape;
    struct flower_ops ops;
    return work_out(entry, in_port, ports, options ? options : &no_options, &shape, &ops, verdict);
}

static const struct {
    uint16_t type, flags;
} commands[] = {
    [FLOWER_ADD] = { RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL },
    [FLOWER_REPLACE] = { RTM_NEWTFILTER, NLM_F_CREATE },
    [FLOWER_DELETE] = { RTM_DELTFILTER, 0 },
    [FLOWER_GET] = { RTM_GETTFILTER, 0 },
};

/* The header, the place and the kind. NULL: the buffer is too small. */
static struct nlmsghdr *
put_head(const struct flower_request *r, uint16_t protocol, void *buffer, size_t room)
{
    const struct flower_place *place = r->place;
    if (room < MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(struct tcmsg))) {
        return NULL;
    }
    struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
    nlh->nlmsg_type = commands[r->command].type;
    nlh->nlmsg_flags = NLM_F_REQUEST | commands[r->command].flags | r->nl_flags;
    nlh->nlmsg_seq = r->seq;
    struct tcmsg *tc = mnl_nlmsg_put_extra_header(nlh, sizeof *tc);
    tc->tcm_ifindex = place->ifindex ? place->ifindex : (int) TCM_IFINDEX_MAGIC_BLOCK;
    tc->tcm_parent = place->ifindex ? TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS) : place->block;
    tc->tcm_handle = place->handle;
    tc->tcm_info = TC_H_MAKE((uint32_t) place->prio << 16, be16_from_host(protocol).raw);
    return nlh;
}

int
flower_encode(const struct flower_request *r, void *buffer, size_t room, size_t *size,
              struct hal_verdict *verdict)
{
    const struct flower_options *options = r->options ? r->options : &no_options;
    bool whole = r->command == FLOWER_ADD || r->command == FLOWER_REPLACE;
    struct flower_shape shape;
    struct flower_ops unwanted, *ops = r->ops ? r->ops : &unwanted;
    if (whole && work_out(r->entry, r->place->in_port, r->ports, options, &shape, ops, verdict)) {
        return -EOPNOTSUPP;
    }
    uint16_t protocol = whole ? flower_shape_protocol(&shape) : r->place->protocol;
    struct nlmsghdr *nlh = put_head(r, protocol, buffer, room);
    if (!nlh) {
        return -EMSGSIZE;
    }
    struct flower_put p = { .nlh = nlh, .room = room };
    flower_put_string(&p, TCA_KIND, "flower");
    if (r->place->chain) {
        flower_put_u32(&p, TCA_CHAIN, r->place->chain);
    }
    if (whole) {
        struct nlattr *nest = flower_nest(&p, TCA_OPTIONS);
        flower_put_match(&p, r->entry->match, &shape);
        flower_put_ops(&p, ops, r->cookie);
        flower_put_u32(&p, TCA_FLOWER_FLAGS, options->flags);
        flower_nest_end(&p, nest);
    }
    if (p.full) {
        return -EMSGSIZE;
    }
    *size = nlh->nlmsg_len;
    return 0;
}
