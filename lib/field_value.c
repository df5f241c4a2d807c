/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/field_value.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/text_token.h"

static uint64_t
get_number(const uint8_t *bytes, size_t size)
{
    uint64_t x = 0;
    for (size_t i = 0; i < size; i++) {
        x = x << 8 | bytes[i];
    }
    return x;
}

static void
put_number(uint8_t *bytes, size_t size, uint64_t x)
{
    for (size_t i = size; i-- > 0; x >>= 8) {
        bytes[i] = (uint8_t) x;
    }
}

/* All the bits of the field that mean something, as a number. */
static uint64_t
all_bits(const struct field *field)
{
    uint8_t bytes[FIELD_MAX_SIZE];
    memset(bytes, field->bits, field->size);
    return get_number(bytes, field->size);
}

/* Bits of the mask that mean nothing do not make it inexact. */
static bool
is_exact(const struct field *field, const uint8_t *mask)
{
    for (size_t i = 0; i < field->size; i++) {
        if ((mask[i] & field->bits) != field->bits) {
            return false;
        }
    }
    return true;
}

static int __attribute__((format(printf, 2, 3)))
refuse(struct errmsg *err, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
    }
    return -EINVAL;
}

/* Cuts the mask off. 0 and *mask_text (NULL without a mask), or -EINVAL if the field
 * takes none. */
static int
split_mask(const struct field *field, char *text, char **mask_text, struct errmsg *err)
{
    *mask_text = NULL;
    if (text_split_mask(text, mask_text) && field->maskable < FIELD_MASK_PREFIX) {
        return refuse(err, "takes no mask");
    }
    return 0;
}

/* --- numbers --- */

static void
print_number(struct strbuf *out, const struct field *field, const char *name,
             const uint8_t *value, const uint8_t *mask, int hex_digits)
{
    unsigned long long x = get_number(value, field->size), m = get_number(mask, field->size);
    if (!is_exact(field, mask)) {
        /* As ovs-ofctl: in hexadecimal, whatever the exact value is printed in. */
        strbuf_printf(out, "%s=0x%llx/0x%llx", name, x, m);
    } else if (hex_digits) {
        strbuf_printf(out, "%s=0x%0*llx", name, hex_digits, x);
    } else {
        strbuf_printf(out, "%s=%llu", name, x);
    }
}

void
field_print_decimal(struct strbuf *out, const struct field *field, const char *name,
                    const uint8_t *value, const uint8_t *mask, const struct flow_text_ports *ports)
{
    (void) ports;
    print_number(out, field, name, value, mask, 0);
}

void
field_print_hex(struct strbuf *out, const struct field *field, const char *name,
                const uint8_t *value, const uint8_t *mask, const struct flow_text_ports *ports)
{
    (void) ports;
    print_number(out, field, name, value, mask, 1);
}

void
field_print_hex4(struct strbuf *out, const struct field *field, const char *name,
                 const uint8_t *value, const uint8_t *mask, const struct flow_text_ports *ports)
{
    (void) ports;
    print_number(out, field, name, value, mask, 4);
}

int
field_parse_number(const struct field *field, const struct field_name *name, char *text,
                   const struct flow_text_ports *ports, uint8_t *value, uint8_t *mask,
                   struct errmsg *err)
{
    (void) ports;
    char *mask_text;
    int error = split_mask(field, text, &mask_text, err);
    if (error) {
        return error;
    }
    if (mask_text && name->exact) {
        return refuse(err, "takes no mask");
    }
    uint64_t bits = all_bits(field), max = name->max ? name->max : bits, x, m = bits;
    if (!text_parse_number(text, max, &x)) {
        return refuse(err, "\"%s\" is not a number from 0 to %llu", text, (unsigned long long) max);
    }
    if (x & ~bits) {
        return refuse(err, "%s sets bits outside of 0x%llx", text, (unsigned long long) bits);
    }
    if (mask_text && !text_parse_number(mask_text, bits, &m)) {
        return refuse(err, "\"%s\" is not a mask from 0 to 0x%llx", mask_text,
                      (unsigned long long) bits);
    }
    put_number(value, field->size, x);
    put_number(mask, field->size, m);
    return 0;
}

/* DSCP: the upper six bits of the ToS, moved down. */
int
field_parse_dscp(const struct field *field, const struct field_name *name, char *text,
                 const struct flow_text_ports *ports, uint8_t *value, uint8_t *mask,
                 struct errmsg *err)
{
    (void) name, (void) ports;
    uint64_t x;
    if (!text_parse_number(text, 63, &x)) {
        return refuse(err, "\"%s\" is not a number from 0 to 63", text);
    }
    value[0] = (uint8_t) (x << 2);
    mask[0] = field->bits;
    return 0;
}

/* --- ports --- */

void
field_print_port(struct strbuf *out, const struct field *field, const char *name,
                 const uint8_t *value, const uint8_t *mask, const struct flow_text_ports *ports)
{
    uint16_t port_no, m;
    memcpy(&port_no, value, sizeof port_no);
    memcpy(&m, mask, sizeof m);
    strbuf_printf(out, "%s=", name);
    if (is_exact(field, mask)) {
        port_text_print(out, port_no, ports);
    } else {
        strbuf_printf(out, "0x%x/0x%x", (unsigned) port_no, (unsigned) m);
    }
}

int
field_parse_port(const struct field *field, const struct field_name *name, char *text,
                 const struct flow_text_ports *ports, uint8_t *value, uint8_t *mask,
                 struct errmsg *err)
{
    (void) name;
    uint16_t port_no;
    int error = port_text_parse(text, ports, &port_no, err);
    if (!error) {
        memcpy(value, &port_no, sizeof port_no);
        memset(mask, field->bits, field->size);
    }
    return error;
}

/* --- addresses --- */

static void
print_mac(struct strbuf *out, const uint8_t *mac)
{
    strbuf_printf(out, "%02x:%02x:%02x:%02x:%02x:%02x",
                  mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

void
field_print_mac(struct strbuf *out, const struct field *field, const char *name,
                const uint8_t *value, const uint8_t *mask, const struct flow_text_ports *ports)
{
    (void) ports;
    strbuf_printf(out, "%s=", name);
    print_mac(out, value);
    if (!is_exact(field, mask)) {
        strbuf_putc(out, '/');
        print_mac(out, mask);
    }
}

int
field_parse_mac(const struct field *field, const struct field_name *name, char *text,
                const struct flow_text_ports *ports, uint8_t *value, uint8_t *mask,
                struct errmsg *err)
{
    (void) name, (void) ports;
    char *mask_text;
    int error = split_mask(field, text, &mask_text, err);
    if (error) {
        return error;
    }
    memset(mask, 0xff, 6);
    if (!text_parse_mac(text, value) || (mask_text && !text_parse_mac(mask_text, mask))) {
        return refuse(err, "an Ethernet address is wanted: aa:bb:cc:dd:ee:ff, or "
                      "ADDRESS/MASK");
    }
    return 0;
}

void
field_print_ip4(struct strbuf *out, const struct field *field, const char *name,
                const uint8_t *value, const uint8_t *mask, const struct flow_text_ports *ports)
{
    (void) ports;
    strbuf_printf(out, "%s=%u.%u.%u.%u", name, value[0], value[1], value[2], value[3]);
    uint32_t m = (uint32_t) get_number(mask, field->size);
    if (m == UINT32_MAX) {
        return;
    }
    uint32_t missing = ~m;
    if ((missing & (missing + 1)) == 0) {
        strbuf_printf(out, "/%d", __builtin_popcount(m));
    } else {
        strbuf_printf(out, "/%u.%u.%u.%u", mask[0], mask[1], mask[2], mask[3]);
    }
}

int
field_parse_ip4(const struct field *field, const struct field_name *name, char *text,
                const struct flow_text_ports *ports, uint8_t *value, uint8_t *mask,
                struct errmsg *err)
{
    (void) name, (void) ports;
    char *mask_text;
    int error = split_mask(field, text, &mask_text, err);
    if (error) {
        return error;
    }
    uint64_t prefix = 32;
    if (!text_parse_ip4(text, value)) {
        return refuse(err, "\"%s\" is not an IPv4 address", text);
    }
    if (mask_text && strchr(mask_text, '.')) {
        if (!text_parse_ip4(mask_text, mask)) {
            return refuse(err, "\"%s\" is not a mask", mask_text);
        }
        return 0;
    }
    if (mask_text && !text_parse_number(mask_text, 32, &prefix)) {
        return refuse(err, "\"%s\" is not a prefix length from 0 to 32", mask_text);
    }
    put_number(mask, 4, prefix ? UINT32_MAX << (32 - prefix) : 0);
    return 0;
}

/* --- fragments --- */

static const struct {
    const char *name;
    uint8_t value, mask;
} frag_states[] = {
    { "no", 0, FLOW_FRAG_ANY | FLOW_FRAG_LATER },
    { "yes", FLOW_FRAG_ANY, FLOW_FRAG_ANY },
    { "first", FLOW_FRAG_ANY, FLOW_FRAG_ANY | FLOW_FRAG_LATER },
    { "later", FLOW_FRAG_ANY | FLOW_FRAG_LATER, FLOW_FRAG_ANY | FLOW_FRAG_LATER },
    { "not_later", 0, FLOW_FRAG_LATER },
};
enum { N_FRAG_STATES = sizeof frag_states / sizeof frag_states[0] };

const char *
field_frag_name(uint8_t value, uint8_t mask)
{
    mask &= FLOW_FRAG_ANY | FLOW_FRAG_LATER;
    for (size_t i = 0; i < N_FRAG_STATES; i++) {
        if (frag_states[i].value == value && frag_states[i].mask == mask) {
            return frag_states[i].name;
        }
    }
    return NULL;
}

void
field_print_frag(struct strbuf *out, const struct field *field, const char *name,
                 const uint8_t *value, const uint8_t *mask, const struct flow_text_ports *ports)
{
    (void) field, (void) ports;
    const char *state = field_frag_name(value[0], mask[0]);
    if (state) {
        strbuf_printf(out, "%s=%s", name, state);
    } else {
        strbuf_printf(out, "%s=0x%x/0x%x", name, value[0], mask[0]);
    }
}

int
field_parse_frag(const struct field *field, const struct field_name *name, char *text,
                 const struct flow_text_ports *ports, uint8_t *value, uint8_t *mask,
                 struct errmsg *err)
{
    for (size_t i = 0; i < N_FRAG_STATES; i++) {
        if (!strcmp(text, frag_states[i].name)) {
            value[0] = frag_states[i].value;
            mask[0] = frag_states[i].mask;
            return 0;
        }
    }
    if (strchr(text, '/')) {
        return field_parse_number(field, name, text, ports, value, mask, err);
    }
    return refuse(err, "\"%s\" is none of no, yes, first, later, not_later", text);
}
