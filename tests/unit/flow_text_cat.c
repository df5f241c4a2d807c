/* SPDX-License-Identifier: Apache-2.0 */
/* Reads flows in ovs-ofctl's syntax, one a line, and prints each as the library does:
 * "MATCH actions=ACTIONS" under "priority=N," where that is not the default, or "error: ..."
 * For test_flow_text_ovs.sh, which compares it with ovs-ofctl. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/flow_spec.h"

int
main(void)
{
    static struct flow_spec spec;
    char *line = NULL;
    size_t capacity = 0;
    ssize_t len;
    while ((len = getline(&line, &capacity, stdin)) > 0) {
        line[strcspn(line, "\n")] = '\0';
        struct errmsg err;
        if (flow_spec_parse(line, FLOW_SPEC_ADD, NULL, &spec, &err)) {
            printf("error: %s\n", err.text);
            continue;
        }
        struct strbuf out = { 0 };
        spec.cookie = 0;
        spec.idle_timeout = spec.hard_timeout = spec.flags = 0;
        flow_spec_print(&out, &spec, FLOW_SPEC_ADD, NULL);
        puts(strbuf_text(&out) + strlen("cookie=0x0, "));
        strbuf_fini(&out);
    }
    free(line);
    return 0;
}
