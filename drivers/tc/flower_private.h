/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of flower.h. */
#ifndef DRIVERS_TC_FLOWER_PRIVATE_H
#define DRIVERS_TC_FLOWER_PRIVATE_H 1

#include <libmnl/libmnl.h>

#include "drivers/tc/flower.h"
#include "turnout/field_id.h"

/* Newer than the headers that this may be built with. */
#define FLOWER_TCA_EXT_WARN_MSG 16   /* TCA_EXT_WARN_MSG */

enum flower_tag { FLOWER_TAG_ANY, FLOWER_TAG_NONE, FLOWER_TAG_SOME };

/* Of packets that a match takes, as far as ops depend on it. */
struct flower_shape {
    enum flower_tag tag;
    bool has_vid, has_pcp;
    uint16_t vid;
    uint8_t pcp;
    bool has_type;
    uint16_t type;               /* host order; behind the tag */
    bool has_proto;
    uint8_t proto;
    bool looks_at_ports;         /* the match does */
    bool whole_datagrams;        /* the match says "no fragment", or must be made to say it */
    bool fragments;              /* the match wants fragments */
};

/* Looks at the match: 0, or -EOPNOTSUPP with the verdict. */
int flower_shape(const struct flow_match *, const struct flower_options *, struct flower_shape *,
                 struct hal_verdict *);
uint16_t flower_shape_protocol(const struct flower_shape *);
/* Makes the filter say "no fragment". 0, or -EOPNOTSUPP where it may not. */
int flower_shape_no_fragments(struct flower_shape *, const struct flower_options *, unsigned field,
                              unsigned action, struct hal_verdict *);

/* The list as ops. 'shape' learns what the match must say besides. 0 or -EOPNOTSUPP. */
int flower_translate(const struct action_list *, uint16_t in_port, const struct flower_ports *,
                     const struct flower_options *, struct flower_shape *, struct flower_ops *,
                     struct hal_verdict *);

/* A refusal: -EOPNOTSUPP. field, action: or HAL_OBJECT_NONE. */
int flower_refuse(struct hal_verdict *, enum hal_reason, unsigned field, unsigned action,
                  const char *words, ...) __attribute__((format(printf, 5, 6)));

/* A message that is being written. */
struct flower_put {
    struct nlmsghdr *nlh;
    size_t room;
    bool full;
};

void flower_put(struct flower_put *, uint16_t type, size_t size, const void *data);
void flower_put_u8(struct flower_put *, uint16_t type, uint8_t);
void flower_put_u16(struct flower_put *, uint16_t type, uint16_t raw);
void flower_put_u32(struct flower_put *, uint16_t type, uint32_t raw);
void flower_put_string(struct flower_put *, uint16_t type, const char *);
/* The nest is of type 'type' alone or, as newer attributes are, with NLA_F_NESTED in it. */
struct nlattr *flower_nest(struct flower_put *, uint16_t type);
void flower_nest_end(struct flower_put *, struct nlattr *);

void flower_put_match(struct flower_put *, const struct flow_match *, const struct flower_shape *);
void flower_put_ops(struct flower_put *, const struct flower_ops *, const uint8_t *cookie);

/* Attributes by number, of which the last of several counts; those beyond are left out. False if
 * they are not well-formed. */
bool flower_parse(const void *payload, size_t size, const struct nlattr *attrs[], unsigned max);
bool flower_parse_nest(const struct nlattr *, const struct nlattr *attrs[], unsigned max);
/* Copies an attribute of exactly 'size' bytes. False if it is not there or of another size. */
bool flower_get(const struct nlattr *, void *out, size_t size);
/* Copies text that may lack its end. */
void flower_get_string(const struct nlattr *, char *out, size_t size);

/* TCA_OPTIONS of flower. False if they are not well-formed. */
bool flower_get_match(const struct nlattr *attrs[], uint16_t protocol, struct flower_filter *);
bool flower_get_ops(const struct nlattr *acts, struct flower_filter *);

#endif /* drivers/tc/flower_private.h */
