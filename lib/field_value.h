/* SPDX-License-Identifier: Apache-2.0 */
/* Printing and parsing of the kinds of values that fields have: the functions in the
 * field table's rows. Internal to lib/field*.c. */
#ifndef LIB_FIELD_VALUE_H
#define LIB_FIELD_VALUE_H 1

#include "lib/field.h"

typedef void field_print_fn(struct strbuf *, const struct field *, const char *name,
                            const uint8_t *value, const uint8_t *mask,
                            const struct flow_text_ports *);
typedef int field_parse_fn(const struct field *, const struct field_name *, char *text,
                           const struct flow_text_ports *, uint8_t *value, uint8_t *mask,
                           struct errmsg *);

field_print_fn field_print_decimal, field_print_hex, field_print_hex4, field_print_port,
    field_print_mac, field_print_ip4, field_print_frag, field_print_vlan;
field_parse_fn field_parse_number, field_parse_port, field_parse_mac, field_parse_ip4,
    field_parse_frag, field_parse_dscp, field_parse_dl_vlan, field_parse_dl_vlan_pcp,
    field_parse_vlan_vid;

/* The name of a fragment state ("no", "yes", "first", "later", "not_later"), or NULL. */
const char *field_frag_name(uint8_t value, uint8_t mask);

/* field_canonicalize() for the VLAN. */
void field_canonicalize_vlan(uint16_t *value, uint16_t *mask);

/* True if the mask is one of OpenFlow 1.0's four about VLANs: untagged, VID, PCP, both. */
bool field_vlan_fits_openflow10(uint16_t value, uint16_t mask);

#endif /* lib/field_value.h */
