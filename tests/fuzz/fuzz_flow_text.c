/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes flow syntax: matches, actions, whole flows, packets for trace, CPU lists.
 *
 * Input: text. It is read in each of these ways; what can be read is printed and read
 * again, and must be the same. Half of the runs have named ports. */
#include <string.h>

#include "lib/cpulist.h"
#include "lib/field.h"
#include "lib/flow_spec.h"
#include "lib/flow_text.h"
#include "lib/text_token.h"
#include "tests/fuzz/fuzz.h"

enum { MAX_ACTIONS = 32 };

/* Names that need quotes, escapes, or look like something else. */
static const char *const names[] = { NULL, "eth0", "s1-eth1", "veth", "local", "7", "a\"b\\c",
                                     "x,y", "drop", "\x01\xff", "normal:1" };
enum { N_NAMES = sizeof names / sizeof names[0] };

static const char *
name_of(void *aux, uint16_t port_no)
{
    (void) aux;
    return port_no < N_NAMES ? names[port_no] : NULL;
}

static uint16_t
number_of(void *aux, const char *name)
{
    (void) aux;
    for (uint16_t i = 1; i < N_NAMES; i++) {
        if (!strcmp(names[i], name)) {
            return i;
        }
    }
    return 0;
}

static void
check_message(int error, const struct errmsg *err)
{
    FUZZ_CHECK(error >= 0 || (err->text[0] && strlen(err->text) < sizeof err->text));
}

static void
fuzz_match(const char *text, const struct flow_text_ports *ports)
{
    struct flow_match match, again;
    struct errmsg err = { "" };
    int error = flow_match_parse(text, ports, &match, &err);
    check_message(error, &err);
    if (error) {
        return;
    }
    for (int i = 0; i < FLOW_LANES; i++) {
        FUZZ_CHECK(!(match.value.lane[i] & ~match.mask.bits.lane[i]));
    }
    FUZZ_CHECK(!field_check_prereqs(&match, NULL));
    struct strbuf out = { 0 };
    flow_match_print(&out, &match, ports);
    FUZZ_CHECK(!flow_match_parse(strbuf_text(&out), ports, &again, NULL));
    FUZZ_CHECK(flow_key_equal(&match.value, &again.value));
    FUZZ_CHECK(flow_key_equal(&match.mask.bits, &again.mask.bits));
    flow_key_print_dpctl(&out, &match);
    strbuf_fini(&out);
}

static void
fuzz_actions(const char *text, const struct flow_text_ports *ports)
{
    struct action actions[MAX_ACTIONS], again[MAX_ACTIONS];
    struct errmsg err = { "" };
    int n = flow_actions_parse(text, ports, actions, MAX_ACTIONS, &err);
    check_message(n, &err);
    if (n < 0) {
        return;
    }
    struct strbuf out = { 0 };
    flow_actions_print(&out, actions, (size_t) n, ports);
    FUZZ_CHECK(flow_actions_parse(strbuf_text(&out), ports, again, MAX_ACTIONS, NULL) == n);
    FUZZ_CHECK(!memcmp(actions, again, (size_t) n * sizeof actions[0]));
    strbuf_fini(&out);
}

static void
fuzz_spec(const char *text, enum flow_spec_use use, const struct flow_text_ports *ports)
{
    static struct flow_spec spec, again;
    struct errmsg err = { "" };
    int error = flow_spec_parse(text, use, ports, &spec, &err);
    check_message(error, &err);
    if (error) {
        return;
    }
    struct strbuf out = { 0 };
    flow_spec_print(&out, &spec, use, ports);
    FUZZ_CHECK(!flow_spec_parse(strbuf_text(&out), use, ports, &again, NULL));
    FUZZ_CHECK(!memcmp(&spec, &again, offsetof(struct flow_spec, actions)));
    FUZZ_CHECK(!memcmp(spec.actions, again.actions, spec.n_actions * sizeof spec.actions[0]));
    strbuf_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct flow_text_ports named = { name_of, number_of, NULL };
    const struct flow_text_ports *ports = size && data[size - 1] & 1 ? &named : NULL;
    char *text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';

    struct flow_key key;
    unsigned cpus[16];
    struct errmsg err = { "" };
    fuzz_match(text, ports);
    fuzz_actions(text, ports);
    fuzz_spec(text, FLOW_SPEC_ADD, ports);
    fuzz_spec(text, FLOW_SPEC_SELECT, ports);
    check_message(flow_key_parse(text, ports, &key, &err), &err);
    check_message(cpulist_parse(text, cpus, 16, &err), &err);
    free(text);
    return 0;
}
