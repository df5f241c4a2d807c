/* SPDX-License-Identifier: Apache-2.0 */
/* The VLAN field's text. ovs-ofctl has three ways to say what our one field holds: dl_vlan
 * and dl_vlan_pcp, each exact, of a tagged frame; and vlan_tci, anything at all. */
#include "lib/field_value.h"

#include <errno.h>
#include <string.h>

#include "lib/text_token.h"

/* What dl_vlan=VID looks at. */
enum { VID_BITS = FLOW_VLAN_PRESENT | FLOW_VLAN_VID_MASK };
/* What dl_vlan_pcp=PCP looks at. */
enum { PCP_BITS = FLOW_VLAN_PRESENT | FLOW_VLAN_PCP_MASK };
/* All of it; with the value 0 it says "untagged". */
enum { ALL_BITS = 0xffff };
/* OpenFlow 1.0's dl_vlan of a frame without a tag. */
enum { VLAN_NONE = 0xffff };

static uint16_t
get_u16(const uint8_t *bytes)
{
    return (uint16_t) (bytes[0] << 8 | bytes[1]);
}

static void
put_u16(uint8_t *bytes, uint16_t x)
{
    bytes[0] = (uint8_t) (x >> 8);
    bytes[1] = (uint8_t) x;
}

/* True if dl_vlan, dl_vlan_pcp or both say it: a tagged frame, each part all or nothing. */
static bool
is_vid_and_pcp(uint16_t value, uint16_t mask)
{
    return (value & FLOW_VLAN_PRESENT)
           && (mask == VID_BITS || mask == PCP_BITS || mask == (VID_BITS | PCP_BITS));
}

static bool
is_untagged(uint16_t value, uint16_t mask)
{
    return mask == ALL_BITS && !value;
}

void
field_canonicalize_vlan(uint16_t *value, uint16_t *mask)
{
    if (*value && !(*mask & FLOW_VLAN_PRESENT)) {
        *value |= FLOW_VLAN_PRESENT;
        *mask |= FLOW_VLAN_PRESENT;
    } else if (!*value && (*mask & FLOW_VLAN_PRESENT)) {
        *mask = ALL_BITS;
    }
}

bool
field_vlan_fits_openflow10(uint16_t value, uint16_t mask)
{
    return !mask || is_untagged(value, mask) || is_vid_and_pcp(value, mask);
}

void
field_print_vlan(struct strbuf *out, const struct field *field, const char *name,
                 const uint8_t *value_bytes, const uint8_t *mask_bytes,
                 const struct flow_text_ports *ports)
{
    (void) field, (void) ports;
    unsigned value = get_u16(value_bytes), mask = get_u16(mask_bytes);
    if (is_vid_and_pcp((uint16_t) value, (uint16_t) mask)) {
        if (mask & FLOW_VLAN_VID_MASK) {
            strbuf_printf(out, "dl_vlan=%u", value & FLOW_VLAN_VID_MASK);
        }
        if (mask & FLOW_VLAN_PCP_MASK) {
            strbuf_printf(out, "%sdl_vlan_pcp=%u", mask & FLOW_VLAN_VID_MASK ? "," : "",
                          value >> FLOW_VLAN_PCP_SHIFT);
        }
    } else if (mask == ALL_BITS) {
        strbuf_printf(out, "%s=0x%04x", name, value);
    } else {
        strbuf_printf(out, "%s=0x%04x/0x%04x", name, value, mask);
    }
}

static int
set(uint8_t *value, uint8_t *mask, uint16_t v, uint16_t m)
{
    put_u16(value, v);
    put_u16(mask, m);
    return 0;
}

int
field_parse_dl_vlan(const struct field *field, const struct field_name *name, char *text,
                    const struct flow_text_ports *ports, uint8_t *value, uint8_t *mask,
                    struct errmsg *err)
{
    (void) field, (void) name, (void) ports;
    uint64_t vid;
    if (!text_parse_number(text, VLAN_NONE, &vid)
        || (vid > FLOW_VLAN_VID_MASK && vid != VLAN_NONE)) {
        errmsg_set(err, "\"%s\" is not a VLAN ID: 0 to 4095, or 0xffff for untagged", text);
        return -EINVAL;
    }
    return vid == VLAN_NONE ? set(value, mask, 0, ALL_BITS)
                            : set(value, mask, (uint16_t) (FLOW_VLAN_PRESENT | vid), VID_BITS);
}

/* OpenFlow 1.2's form: the VLAN ID with FLOW_VLAN_PRESENT, or 0 for untagged; or any of
 * these bits under a mask. */
int
field_parse_vlan_vid(const struct field *field, const struct field_name *name, char *text,
                     const struct flow_text_ports *ports, uint8_t *value, uint8_t *mask,
                     struct errmsg *err)
{
    (void) field, (void) name, (void) ports;
    char *mask_text = NULL;
    uint64_t vid, bits = VID_BITS;
    bool has_mask = text_split_mask(text, &mask_text);
    if (!text_parse_number(text, VID_BITS, &vid)
        || (!has_mask && vid && !(vid & FLOW_VLAN_PRESENT))) {
        errmsg_set(err, "\"%s\" is not 0x1000 plus a VLAN ID, or 0 for untagged", text);
        return -EINVAL;
    }
    if (has_mask && !text_parse_number(mask_text, VID_BITS, &bits)) {
        errmsg_set(err, "\"%s\" is not a mask from 0 to 0x1fff", mask_text);
        return -EINVAL;
    }
    return set(value, mask, (uint16_t) vid, (uint16_t) bits);
}

int
field_parse_dl_vlan_pcp(const struct field *field, const struct field_name *name, char *text,
                        const struct flow_text_ports *ports, uint8_t *value, uint8_t *mask,
                        struct errmsg *err)
{
    (void) field, (void) name, (void) ports;
    uint64_t pcp;
    if (!text_parse_number(text, 7, &pcp)) {
        errmsg_set(err, "\"%s\" is not a priority from 0 to 7", text);
        return -EINVAL;
    }
    return set(value, mask, (uint16_t) (FLOW_VLAN_PRESENT | pcp << FLOW_VLAN_PCP_SHIFT), PCP_BITS);
}
