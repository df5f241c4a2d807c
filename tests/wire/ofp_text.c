/* SPDX-License-Identifier: Apache-2.0 */
/* Reads messages in hex, one a line, and prints what the codec says of each. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/flow_text.h"
#include "ofagent/ofp_print.h"

/* Turns the hex digits at the start of 'text' into bytes, in place; returns how many. */
static size_t
unhex(char *text)
{
    size_t size = 0;
    while (isxdigit((unsigned char) text[2 * size])
           && isxdigit((unsigned char) text[2 * size + 1])) {
        char digits[3] = { text[2 * size], text[2 * size + 1], '\0' };
        text[size++] = (char) strtoul(digits, NULL, 16);
    }
    return size;
}

int
main(void)
{
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, stdin) > 0) {
        struct strbuf text = { 0 };
        size_t size = unhex(line);
        ofp_print(&text, (const uint8_t *) line, size);
        printf("%s\n", text.text);
        strbuf_fini(&text);
    }
    free(line);
    return 0;
}
