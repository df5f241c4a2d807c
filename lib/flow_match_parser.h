/* SPDX-License-Identifier: Apache-2.0 */
/* Parses a match element by element, for those whose text holds more than a match. */
#ifndef LIB_FLOW_MATCH_PARSER_H
#define LIB_FLOW_MATCH_PARSER_H 1

#include "lib/field.h"
#include "lib/text_token.h"
#include "turnout/flow.h"

struct flow_match_parser {
    struct flow_match match;
    const struct flow_text_ports *ports;
    /* For each prerequisite, the first field that asked for it: what it needs may come
     * after it, so it is checked at the end. */
    struct {
        const char *name;
        size_t at;
    } needs[N_FIELD_PREREQS];
    bool no_wildcards;             /* of OpenFlow 1.0, once flow_match_parser_end() was called */
};

/* 'ports' may be NULL and must outlive the parser. */
void flow_match_parser_init(struct flow_match_parser *, const struct flow_text_ports *ports);

/* Takes one element: 0; 1 and a message if it is neither a field nor a shorthand; -EINVAL. */
int flow_match_parser_add(struct flow_match_parser *, const struct text_token *, struct errmsg *);

/* Checks the prerequisites: 0 and the match, canonical, is parser->match; or -EINVAL. Where
 * every field of OpenFlow 1.0 is given exactly, as dumps have flows without wildcards, those
 * that mean nothing there are left out if they are 0. */
int flow_match_parser_end(struct flow_match_parser *, struct errmsg *);

#endif /* lib/flow_match_parser.h */
