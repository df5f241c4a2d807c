/* SPDX-License-Identifier: Apache-2.0 */
/* For test_flow_text_ovs.sh, which compares the library's flow text with ovs-ofctl's.
 *
 * "flow_text_cat" reads flows, one a line, and prints each as the library does:
 * "[priority=N,]MATCH actions=ACTIONS", or "error: ...". "flow_text_cat N" prints N random
 * flows that OpenFlow 1.0 can say, "flow_text_cat N nxm" ones that take nx_match. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/flow_spec.h"
#include "tests/unit/random_flow.h"

static struct flow_spec spec;

static void
print_flow(void)
{
    struct strbuf out = { 0 };
    spec.cookie = 0;
    spec.idle_timeout = spec.hard_timeout = spec.flags = 0;
    flow_spec_print(&out, &spec, FLOW_SPEC_ADD, NULL);
    puts(strbuf_text(&out) + strlen("cookie=0x0, "));
    strbuf_fini(&out);
}

static void
print_random(unsigned long n, enum random_match_kind kind)
{
    uint64_t rng = random_seed();
    while (n--) {
        random_match(&rng, kind, &spec.match);
        spec.priority = (uint16_t) random_below(&rng, 65536);
        spec.n_actions = (uint32_t) random_actions(&rng, spec.actions, 6);
        print_flow();
    }
}

static void
copy_input(void)
{
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, stdin) > 0) {
        line[strcspn(line, "\n")] = '\0';
        struct errmsg err;
        if (flow_spec_parse(line, FLOW_SPEC_ADD, NULL, &spec, &err)) {
            printf("error: %s\n", err.text);
        } else {
            print_flow();
        }
    }
    free(line);
}

int
main(int argc, char *argv[])
{
    if (argc > 1) {
        print_random(strtoul(argv[1], NULL, 0), argc > 2 ? RANDOM_FLOW : RANDOM_OPENFLOW10);
    } else {
        copy_input();
    }
    return 0;
}
