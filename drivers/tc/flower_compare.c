/* SPDX-License-Identifier: Apache-2.0 */
/* Asked for, and made. */
#include <linux/tc_act/tc_pedit.h>
#include <string.h>

#include "drivers/tc/flower_private.h"
#include "lib/field.h"

static int
differs(struct hal_verdict *verdict, unsigned field, unsigned action, const char *what)
{
    return flower_refuse(verdict, HAL_REASON_DRIVER_REFUSED, field, action,
                         "the kernel made another filter of it: %s", what);
}

static int
compare_match(const struct flower_filter *asked, const struct flower_filter *made,
              struct hal_verdict *verdict)
{
    for (unsigned id = 0; id < N_FIELDS; id++) {
        const struct field *f = &fields[id];
        if (memcmp(field_bytes(f, &asked->match.value), field_bytes(f, &made->match.value), f->size)) {
            return differs(verdict, id, HAL_OBJECT_NONE, "another value");
        }
        if (memcmp(field_bytes(f, &asked->match.mask.bits), field_bytes(f, &made->match.mask.bits),
                   f->size)) {
            return differs(verdict, id, HAL_OBJECT_NONE, "another mask");
        }
    }
    if (asked->place.protocol != made->place.protocol) {
        return differs(verdict, FIELD_DL_TYPE, HAL_OBJECT_NONE, "another protocol");
    }
    return strcmp(asked->more, made->more)
           ? differs(verdict, HAL_OBJECT_NONE, HAL_OBJECT_NONE, made->more) : 0;
}

/* An action that leads to the op. */
static unsigned
action_of(const struct flower_ops *ops, const struct flower_op *op)
{
    switch ((enum flower_op_kind) op->kind) {
    case FLOWER_OP_VLAN_POP: return ACTION_STRIP_VLAN;
    case FLOWER_OP_VLAN_PUSH: case FLOWER_OP_VLAN_MODIFY: return ACTION_SET_VLAN_VID;
    case FLOWER_OP_SKBEDIT: return ACTION_ENQUEUE;
    case FLOWER_OP_CSUM: return ACTION_SET_NW_SRC;
    case FLOWER_OP_PEDIT:
        switch (op->n_edits ? ops->edit[op->first_edit].header : 0) {
        case TCA_PEDIT_KEY_EX_HDR_TYPE_ETH: return ACTION_SET_DL_SRC;
        case TCA_PEDIT_KEY_EX_HDR_TYPE_IP4: return ACTION_SET_NW_SRC;
        default: return ACTION_SET_TP_SRC;
        }
    case FLOWER_OP_MIRROR: case FLOWER_OP_REDIRECT: case FLOWER_OP_DROP: case FLOWER_OP_PASS:
    case FLOWER_OP_TRAP: case FLOWER_OP_OTHER:
        break;
    }
    return ACTION_OUTPUT;
}

static bool
same_edits(const struct flower_ops *a, const struct flower_op *x, const struct flower_ops *b,
           const struct flower_op *y)
{
    bool same = x->n_edits == y->n_edits;
    for (unsigned i = 0; i < x->n_edits && same; i++) {
        const struct flower_edit *e = &a->edit[x->first_edit + i], *f = &b->edit[y->first_edit + i];
        same = e->header == f->header && e->add == f->add && e->offset == f->offset
               && be32_equal(e->mask, f->mask) && be32_equal(e->value, f->value);
    }
    return same;
}

static bool
same_op(const struct flower_ops *a, const struct flower_op *x, const struct flower_ops *b,
        const struct flower_op *y)
{
    return x->kind == y->kind && x->ingress == y->ingress && x->ifindex == y->ifindex
           && x->has_pcp == y->has_pcp && x->pcp == y->pcp && x->vid == y->vid && x->tpid == y->tpid
           && x->flags == y->flags && x->priority == y->priority && !strcmp(x->name, y->name)
           && same_edits(a, x, b, y);
}

static int
compare_ops(const struct flower_ops *asked, const struct flower_ops *made,
            struct hal_verdict *verdict)
{
    unsigned n = asked->n_ops < made->n_ops ? asked->n_ops : made->n_ops;
    for (unsigned i = 0; i < n; i++) {
        if (!same_op(asked, &asked->op[i], made, &made->op[i])) {
            return differs(verdict, HAL_OBJECT_NONE, action_of(asked, &asked->op[i]),
                           "another action");
        }
    }
    if (asked->n_ops > n) {
        return differs(verdict, HAL_OBJECT_NONE, action_of(asked, &asked->op[n]), "it lacks an action");
    }
    return made->n_ops > n ? differs(verdict, HAL_OBJECT_NONE, action_of(made, &made->op[n]),
                                     "one action more") : 0;
}

int
flower_compare(const struct flower_filter *asked, const struct flower_filter *made,
               struct hal_verdict *verdict)
{
    if (made->terse || strcmp(made->kind, "flower")) {
        return differs(verdict, HAL_OBJECT_NONE, HAL_OBJECT_NONE, "it can't be seen");
    }
    int result = compare_match(asked, made, verdict);
    return result ? result : compare_ops(&asked->ops, &made->ops, verdict);
}
