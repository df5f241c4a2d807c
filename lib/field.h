/* SPDX-License-Identifier: Apache-2.0 */
/* The field table: one row a field of flow_key.
 *
 * Text, mask checks and capability checks walk it; adding a field is adding a row (and the
 * member of flow_key that it describes). A row says where the field is, which of its bits
 * mean something, what it takes for the field to exist in a packet, which masks it takes,
 * and how it is printed and parsed. One field can have several names in text: what is
 * tp_src of TCP is icmp_type of ICMP, and the VLAN is matched by dl_vlan, dl_vlan_pcp or
 * vlan_tci. Rows are in the order in which ovs-ofctl prints fields.
 *
 * Values and masks are handled as the bytes in the key: big-endian, but for in_port, which
 * is host order. */
#ifndef LIB_FIELD_H
#define LIB_FIELD_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/errmsg.h"
#include "lib/port_text.h"
#include "lib/strbuf.h"
#include "turnout/field_id.h"
#include "turnout/flow.h"

/* What must be matched exactly for a field to make sense. */
enum field_prereq {
    FIELD_PREREQ_NONE,
    FIELD_PREREQ_IP_OR_ARP,
    FIELD_PREREQ_IP,
    FIELD_PREREQ_ARP,
    FIELD_PREREQ_PORTS,   /* TCP, UDP or ICMP over IPv4 */
    FIELD_PREREQ_TCP,
    FIELD_PREREQ_UDP,
    FIELD_PREREQ_ICMP,
    N_FIELD_PREREQS
};

/* Largest field, in bytes. */
enum { FIELD_MAX_SIZE = 16 };

struct field;

/* A name of a field in text. A match is printed under the first name whose prerequisite
 * it meets, or the first that has none of its own. */
struct field_name {
    const char *name;             /* NULL ends the list */
    enum field_prereq prereq;
    uint32_t max;                 /* of a number; 0: what the field can hold */
    bool parse_only;
    bool exact;                   /* takes no mask under this name */
    /* Parses "VALUE" or "VALUE/MASK", cut to pieces on the way; NULL: the row's. */
    int (*parse)(const struct field *, const struct field_name *, char *text,
                 const struct flow_text_ports *, uint8_t *value, uint8_t *mask, struct errmsg *);
};

struct field {
    const char *name;             /* stable: for reasons and capabilities */
    uint16_t offset, size;        /* bytes, in flow_key */
    uint8_t bits;                 /* which bits of each byte mean something */
    enum field_prereq prereq;
    enum field_mask_mode maskable;    /* most general mask in text */
    enum field_mask_mode openflow10;  /* most general mask that OpenFlow 1.0 has for it */
    enum field_mask_mode flow;        /* most general mask that a flow of ours has for it */
    /* Prints "NAME=VALUE[/MASK]" (or several, for the VLAN). The mask is not all zero. */
    void (*print)(struct strbuf *, const struct field *, const char *name, const uint8_t *value,
                  const uint8_t *mask, const struct flow_text_ports *);
    int (*parse)(const struct field *, const struct field_name *, char *text,
                 const struct flow_text_ports *, uint8_t *value, uint8_t *mask, struct errmsg *);
    struct field_name names[6];
};

extern const struct field fields[N_FIELDS];

/* The field's bytes in a key or mask. */
static inline const uint8_t *
field_bytes(const struct field *field, const struct flow_key *key)
{
    return (const uint8_t *) key + field->offset;
}

static inline uint8_t *
field_bytes_mutable(const struct field *field, struct flow_key *key)
{
    return (uint8_t *) key + field->offset;
}

/* The field that goes by 'name' in text, and the name's own row in *alias (may be NULL);
 * NULL if none does. */
const struct field *field_find(const char *name, const struct field_name **alias);

/* What of the field the mask covers. */
enum field_mask_mode field_mask_mode(const struct field *, const struct flow_mask *);

/* Sets the field's bits in 'mask' that mean something: an exact match. */
void field_mask_exact(const struct field *, struct flow_mask *mask);

/* True if every packet in the match has what the prerequisite asks for. */
bool field_prereq_met(enum field_prereq, const struct flow_match *);

/* "ip or arp": what the prerequisite asks for, for messages. */
const char *field_prereq_text(enum field_prereq);

/* 0, or -EINVAL and the first field that is matched without what it needs. */
int field_check_prereqs(const struct flow_match *, struct errmsg *);

/* 0, or -EINVAL and the first field that an OpenFlow 1.0 match can't say. */
int field_check_openflow10(const struct flow_match *, struct errmsg *);

/* 0, or -EINVAL and the first field that no flow of this switch can match so, in whatever
 * dialect: what nx_match can say too. */
int field_check_flow(const struct flow_match *, struct errmsg *);

/* Makes two ways of saying the same of a VLAN or of fragments the same: a TCI bit that is set
 * says that there is a tag; a frame without one has all bits 0; a later fragment is a
 * fragment, and what is none is no later one. A match of the control plane is in this form. */
void field_canonicalize(struct flow_match *);

#endif /* lib/field.h */
