/* SPDX-License-Identifier: Apache-2.0 */
/* The manual pages name every option, command and method, with its arguments, and no
 * others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mgmt/method.h"
#include "mgmt/options.h"
#include "tools/turnoutctl/ctl.h"

#define ITEMS_MAX 100

/* An item of a list, ".It MACRO NAME ARGUMENTS", the arguments as --help would print them
 * but without blanks. */
struct item {
    char name[64], args[128];
};

static char *
read_page(const char *name)
{
    const char *source = getenv("TURNOUT_SRCDIR");
    char path[4096];
    snprintf(path, sizeof path, "%s/man/%s", source ? source : TEST_SRCDIR, name);
    FILE *stream = fopen(path, "r");
    if (!stream) {
        fail_msg("can't open %s", path);
    }
    char *text = calloc(1, 1 << 17);
    size_t size = fread(text, 1, (1 << 17) - 1, stream);
    assert_true(size > 0 && size < (1 << 17) - 1);
    fclose(stream);
    return text;
}

/* Turns mdoc(7)'s argument macros into what they print, without blanks. */
static void
flatten(char *words, char *out, size_t size)
{
    bool close_at_end = false;
    size_t len = 0;
    out[0] = '\0';
    for (char *word; (word = strsep(&words, " "));) {
        const char *text = !strcmp(word, "Oo") || !strcmp(word, "Op") ? "["
                           : !strcmp(word, "Oc")                      ? "]"
                           : !strcmp(word, "Ar") || !strcmp(word, "Ns") || !strcmp(word, "Cm")
                               ? "" : word;
        close_at_end |= !strcmp(word, "Op");
        len += snprintf(out + len, size - len, "%s", text);
        assert_true(len < size);
    }
    snprintf(out + len, size - len, "%s", close_at_end ? "]" : "");
}

/* Finds the page's items that begin with 'macro' ("Fl -", "Cm "), without those of
 * compact lists within an item. */
static size_t
find_items(const char *page, const char *macro, struct item items[ITEMS_MAX])
{
    char *text = read_page(page), *rest = text;
    char prefix[32];
    size_t n = 0;
    bool compact = false;
    snprintf(prefix, sizeof prefix, ".It %s", macro);
    for (char *line; (line = strsep(&rest, "\n"));) {
        compact = !strncmp(line, ".Bl", 3) ? strstr(line, "-compact") != NULL
                  : strncmp(line, ".El", 3) && compact;
        if (!compact && !strncmp(line, prefix, strlen(prefix))) {
            char *words = line + strlen(prefix);
            assert_true(n < ITEMS_MAX);
            snprintf(items[n].name, sizeof items[n].name, "%s", strsep(&words, " "));
            flatten(words, items[n].args, sizeof items[n].args);
            n++;
        }
    }
    free(text);
    return n;
}

static void
expect_item(const char *page, struct item items[], size_t n, const char *name, const char *args)
{
    char wanted[128] = "";
    size_t len = 0;
    for (; *args; args++) {
        if (*args != ' ') {
            wanted[len++] = *args;
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (!strcmp(items[i].name, name)) {
            if (strcmp(items[i].args, wanted)) {
                fail_msg("%s: %s takes '%s', not '%s'", page, name, wanted, items[i].args);
            }
            items[i].name[0] = '\0';   /* seen */
            return;
        }
    }
    fail_msg("%s does not have %s", page, name);
}

static void
expect_no_more(const char *page, const struct item items[], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (items[i].name[0]) {
            fail_msg("%s has %s, which does not exist", page, items[i].name);
        }
    }
}

static void
turnoutd_has_every_option(void **state)
{
    (void) state;
    struct item items[ITEMS_MAX];
    size_t n = find_items("turnoutd.8", "Fl -", items);
    for (size_t i = 0; i < n_option_rows; i++) {
        char args[128];
        snprintf(args, sizeof args, "%s%s", option_rows[i].arg ? option_rows[i].arg : "",
                 option_rows[i].repeats ? "..." : "");
        expect_item("turnoutd.8", items, n, option_rows[i].name, args);
    }
    expect_no_more("turnoutd.8", items, n);
}

static void
turnoutd_has_every_global_option_in_its_synopsis(void **state)
{
    (void) state;
    char *text = read_page("turnoutd.8");
    char *end = strstr(text, ".Sh DESCRIPTION");
    assert_non_null(end);
    *end = '\0';
    for (size_t i = 0; i < n_option_rows; i++) {
        char wanted[80];
        snprintf(wanted, sizeof wanted, "Fl -%s", option_rows[i].name);
        bool global = option_rows[i].scope == OPTION_GLOBAL
                      || option_rows[i].scope == OPTION_COMMAND_LINE;
        if (global && !strstr(text, wanted)) {
            fail_msg("the synopsis of turnoutd.8 lacks --%s", option_rows[i].name);
        }
    }
    free(text);
}

static void
turnoutctl_has_every_option_and_command(void **state)
{
    (void) state;
    struct item items[ITEMS_MAX];
    size_t n = find_items("turnoutctl.8", "Fl -", items);
    for (size_t i = 0; i < ctl_n_options; i++) {
        expect_item("turnoutctl.8", items, n, ctl_options[i].name,
                    ctl_options[i].arg ? ctl_options[i].arg : "");
    }
    expect_no_more("turnoutctl.8", items, n);
    n = find_items("turnoutctl.8", "Cm ", items);
    for (size_t i = 0; i < ctl_n_commands; i++) {
        expect_item("turnoutctl.8", items, n, ctl_commands[i].name, ctl_commands[i].synopsis);
    }
    expect_no_more("turnoutctl.8", items, n);
}

static void
turnout_control_has_every_method(void **state)
{
    (void) state;
    struct item items[ITEMS_MAX];
    size_t n = find_items("turnout-control.7", "Cm ", items);
    for (size_t i = 0; i < n_methods; i++) {
        expect_item("turnout-control.7", items, n, methods[i].name, "");
    }
    expect_no_more("turnout-control.7", items, n);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turnoutd_has_every_option),
        cmocka_unit_test(turnoutd_has_every_global_option_in_its_synopsis),
        cmocka_unit_test(turnoutctl_has_every_option_and_command),
        cmocka_unit_test(turnout_control_has_every_method),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
