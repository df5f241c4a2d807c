/* SPDX-License-Identifier: Apache-2.0 */
/* Names for the fields of a flow key, and for how much of one a mask covers. */
#ifndef TURNOUT_FIELD_ID_H
#define TURNOUT_FIELD_ID_H 1

/* In the order in which ovs-ofctl prints fields. lib/field.h has a row for each. */
enum field_id {
    FIELD_TUN_KEY,
    FIELD_IN_PORT,
    FIELD_VLAN,
    FIELD_DL_SRC,
    FIELD_DL_DST,
    FIELD_DL_TYPE,
    FIELD_NW_SRC,
    FIELD_NW_DST,
    FIELD_NW_PROTO,
    FIELD_NW_TOS,
    FIELD_NW_FRAG,
    FIELD_TP_SRC,
    FIELD_TP_DST,
    N_FIELDS
};

/* How much of a field a mask covers, and the most general mask that something takes:
 * each includes the ones before it. */
enum field_mask_mode {
    FIELD_MASK_NONE,      /* all bits wildcarded */
    FIELD_MASK_EXACT,     /* no bits wildcarded */
    FIELD_MASK_PREFIX,    /* the leading bits count */
    FIELD_MASK_ANY,
    N_FIELD_MASK_MODES
};

#endif /* turnout/field_id.h */
