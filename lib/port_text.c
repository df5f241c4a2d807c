/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/port_text.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "lib/text_token.h"

static const struct {
    uint16_t port_no;
    const char *name;
} reserved[] = {
    { PORT_IN_PORT, "IN_PORT" },
    { PORT_TABLE, "TABLE" },
    { PORT_NORMAL, "NORMAL" },
    { PORT_FLOOD, "FLOOD" },
    { PORT_ALL, "ALL" },
    { PORT_CONTROLLER, "CONTROLLER" },
    { PORT_LOCAL, "LOCAL" },
    { PORT_NONE, "ANY" },
    { PORT_NONE, "NONE" },
};
enum { N_RESERVED = sizeof reserved / sizeof reserved[0] };

const char *
port_text_reserved(uint16_t port_no)
{
    for (size_t i = 0; i < N_RESERVED; i++) {
        if (reserved[i].port_no == port_no) {
            return reserved[i].name;
        }
    }
    return NULL;
}

bool
port_text_find_reserved(const char *name, uint16_t *port_no)
{
    for (size_t i = 0; i < N_RESERVED; i++) {
        if (!strcasecmp(name, reserved[i].name)) {
            *port_no = reserved[i].port_no;
            return true;
        }
    }
    return false;
}

/* Words of flow syntax that a bare name would be taken for. */
static bool
is_word(const char *name)
{
    uint16_t port_no;
    return port_text_find_reserved(name, &port_no) || !strcasecmp(name, "drop");
}

/* ovs-ofctl leaves the quotes out only for letters, '_', '-' and '.'. */
static bool
is_plain(const char *name)
{
    if (!isalpha((unsigned char) name[0]) && name[0] != '_') {
        return false;
    }
    for (const char *p = name; *p; p++) {
        if (!isalpha((unsigned char) *p) && !strchr("_-.", *p)) {
            return false;
        }
    }
    return !is_word(name);
}

static void
print_quoted(struct strbuf *out, const char *name)
{
    strbuf_putc(out, '"');
    for (const char *p = name; *p; p++) {
        unsigned char c = (unsigned char) *p;
        if (c == '"' || c == '\\') {
            strbuf_putc(out, '\\');
            strbuf_putc(out, *p);
        } else if (c < 0x20 || c == 0x7f) {
            strbuf_printf(out, "\\u%04x", c);
        } else {
            strbuf_putc(out, *p);
        }
    }
    strbuf_putc(out, '"');
}

void
port_text_print(struct strbuf *out, uint16_t port_no, const struct flow_text_ports *ports)
{
    const char *name = port_text_reserved(port_no);
    if (name) {
        strbuf_puts(out, name);
        return;
    }
    name = ports && ports->name ? ports->name(ports->aux, port_no) : NULL;
    if (!name) {
        strbuf_printf(out, "%u", (unsigned) port_no);
    } else if (is_plain(name)) {
        strbuf_puts(out, name);
    } else {
        print_quoted(out, name);
    }
}

/* Copies the character that the escape behind a backslash stands for; returns what
 * follows, or NULL. */
static const char *
unescape(const char *p, char *out)
{
    if (*p == '"' || *p == '\\') {
        *out = *p;
        return p + 1;
    }
    uint64_t code;
    char number[] = { '0', 'x', 0, 0, 0 };
    if (strncmp(p, "u00", 3) || !p[3] || !p[4]) {
        return NULL;
    }
    number[2] = p[3];
    number[3] = p[4];
    if (!text_parse_number(number, 0xff, &code) || !code) {
        return NULL;
    }
    *out = (char) code;
    return p + 5;
}

/* Takes the quotes off. False if 'text' is not one quoted string that fits. */
static bool
unquote(const char *text, char *out, size_t capacity)
{
    size_t n = 0;
    const char *p = text + 1;
    while (*p && *p != '"' && n + 1 < capacity) {
        if (*p != '\\') {
            out[n++] = *p++;
            continue;
        }
        p = unescape(p + 1, &out[n++]);
        if (!p) {
            return false;
        }
    }
    out[n] = '\0';
    return p[0] == '"' && !p[1];
}

static int
find_named(const char *name, const struct flow_text_ports *ports, uint16_t *port_no,
           struct errmsg *err)
{
    uint16_t found = ports && ports->number ? ports->number(ports->aux, name) : 0;
    if (!found) {
        errmsg_set(err, "\"%.40s\" is no port: a number, %sIN_PORT, TABLE, NORMAL, FLOOD, ALL, "
                   "CONTROLLER, LOCAL or NONE is wanted", name,
                   ports && ports->number ? "a port's name, " : "");
        return -EINVAL;
    }
    *port_no = found;
    return 0;
}

int
port_text_parse(const char *text, const struct flow_text_ports *ports, uint16_t *port_no,
                struct errmsg *err)
{
    if (text[0] == '"') {
        char name[64];
        if (!unquote(text, name, sizeof name)) {
            errmsg_set(err, "%.60s is not a port's name in quotes", text);
            return -EINVAL;
        }
        return find_named(name, ports, port_no, err);
    }
    uint64_t number;
    if (text_parse_number(text, UINT16_MAX, &number)) {
        *port_no = (uint16_t) number;
        return 0;
    }
    return port_text_find_reserved(text, port_no) ? 0 : find_named(text, ports, port_no, err);
}
