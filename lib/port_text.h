/* SPDX-License-Identifier: Apache-2.0 */
/* Port numbers as text: a number, a reserved port's name, or a port's own name. */
#ifndef LIB_PORT_TEXT_H
#define LIB_PORT_TEXT_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/errmsg.h"
#include "lib/strbuf.h"
#include "turnout/port.h"

/* Port names for printing and parsing; NULL functions, or a NULL table, mean numbers only. */
struct flow_text_ports {
    const char *(*name)(void *aux, uint16_t port_no);            /* NULL: none */
    uint16_t (*number)(void *aux, const char *name);             /* 0: none */
    void *aux;
};

/* "IN_PORT", "TABLE", "NORMAL", "FLOOD", "ALL", "CONTROLLER", "LOCAL" or "ANY" (which is
 * PORT_NONE); NULL for a number that is not reserved. */
const char *port_text_reserved(uint16_t port_no);

/* A reserved port's name in either case, "NONE" included. False if it is none. */
bool port_text_find_reserved(const char *name, uint16_t *port_no);

/* Prints the port as flow_text does: reserved name, else its own name if 'ports' knows
 * one, else number. A name that could be taken for anything else is quoted. */
void port_text_print(struct strbuf *, uint16_t port_no, const struct flow_text_ports *ports);

/* Parses what port_text_print() prints: a reserved name, a number below 65536, a port's
 * name, or a port's name in quotes. 0, or -EINVAL with *port_no as it was. */
int port_text_parse(const char *text, const struct flow_text_ports *ports, uint16_t *port_no,
                    struct errmsg *);

#endif /* lib/port_text.h */
