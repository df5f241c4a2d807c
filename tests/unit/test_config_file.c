/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mgmt/config_file.h"

static struct config *
parse_valid(const char *text)
{
    struct config *config;
    struct errmsg err = { "" };
    if (config_parse_text(text, strlen(text), "/etc/t.conf", "/base", &config, &err)) {
        fail_msg("%s", err.text);
    }
    return config;
}

static void
refuses(const char *text, size_t size, const char *wanted)
{
    struct config *config;
    struct errmsg err = { "" };
    if (!config_parse_text(text, size, "/etc/t.conf", "/base", &config, &err)) {
        fail_msg("accepted: %s", text);
    }
    if (!strstr(err.text, wanted)) {
        fail_msg("no '%s' in: %s", wanted, err.text);
    }
}

static void
the_file_has_the_options_of_the_command_line(void **state)
{
    (void) state;
    struct config *c = parse_valid(
        "# a comment\n"
        "\n"
        "log info\r\n"
        "\tbridge br0   # the first\n"
        "port=p1@1,no-flood=yes\n"
        "port p2 p3\n"
        "fail-mode = standalone\n"
        "controller 'tcp:[::1]:6653'\n"
        "rundir \"/with blank\"\n"
        "pidfile /a\\ b\n"
        "detach\n"
        "bridge br1");
    assert_int_equal(c->n_bridges, 2);
    assert_int_equal(c->bridges[0].n_ports, 3);
    assert_int_equal(c->bridges[0].ports[0].flags, PORT_CONFIG_NO_FLOOD);
    assert_int_equal(c->bridges[0].agent.fail_mode, AGENT_FAIL_STANDALONE);
    assert_string_equal(c->bridges[0].targets[0].target, "tcp:[::1]:6653");
    assert_string_equal(c->rundir, "/with blank");
    assert_string_equal(c->pidfile, "/a b");
    assert_true(c->detach);
    config_free(c);
}

static void
lines_are_cut_into_words(void **state)
{
    (void) state;
    static const struct {
        const char *line;
        int n;
        const char *words[4];
    } rows[] = {
        { "", 0, { 0 } },
        { " \t ", 0, { 0 } },
        { "a b\tc", 3, { "a", "b", "c" } },
        { "a#b #c", 1, { "a#b" } },
        { "'a b' \"c d\"", 2, { "a b", "c d" } },
        { "a'b'\"c\"d", 1, { "abcd" } },
        { "'' x", 2, { "", "x" } },
        { "\"a\\\"b\\\\c\\d\"", 1, { "a\"b\\c\\d" } },
        { "'a\\' b", 2, { "a\\", "b" } },
        { "a\\ b \\#c \\'d", 3, { "a b", "#c", "'d" } },
        { "'x' # y'", 1, { "x" } },
        { "'open", -22, { 0 } },
        { "\"open\\\"", -22, { 0 } },
        { "end\\", -22, { 0 } },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *words[CONFIG_LINE_MAX_WORDS];
        char line[80];
        struct errmsg err;
        strcpy(line, rows[i].line);
        assert_int_equal(config_split_line(line, words, &err), rows[i].n);
        for (int k = 0; k < rows[i].n; k++) {
            assert_string_equal(words[k], rows[i].words[k]);
        }
    }
}

static void
errors_name_the_place_and_what_is_valid(void **state)
{
    (void) state;
    static const struct {
        const char *text, *wanted;
    } rows[] = {
        { "bridge br0\nprot p1\n",
          "/etc/t.conf:2: unknown option 'prot'; valid: driver bridge" },
        { "bridge br0\n\n\n--port p1\n", "/etc/t.conf:4: '--port': options have no dashes here: "
                                         "'port'" },
        { "config other\n", "/etc/t.conf:1: config is for the command line only" },
        { "help\n", "/etc/t.conf:1: help is for the command line only" },
        { "port p1\n", "/etc/t.conf:1: port belongs to a bridge: give bridge NAME before it" },
        { "bridge\n", "/etc/t.conf:1: bridge needs a value" },
        { "bridge br0\ndetach now\n", "/etc/t.conf:2: detach takes no value" },
        { "bridge br0\nfdb-max 1\n", "/etc/t.conf:2: fdb-max: '1' is not a number from 16" },
        { "bridge 'br0\n", "/etc/t.conf:1: a quote that is not closed" },
        { "bridge br0\\\nport x\n", "/etc/t.conf:1: a backslash at the end" },
        { "bridge br0\nport p1@1\nport p2@1\n", "/etc/t.conf:3: port: 'p2': number 1" },
        { "=x\n", "/etc/t.conf:1: unknown option ''" },
        { "# nothing\n", "there is no bridge" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        refuses(rows[i].text, strlen(rows[i].text), rows[i].wanted);
    }
    refuses("bridge br0\nport \0p1\n", 19, "/etc/t.conf:2: a NUL byte");
}

static void
too_many_words_are_refused(void **state)
{
    (void) state;
    char text[3000] = "bridge br0\nport";
    for (int i = 0; i < CONFIG_LINE_MAX_WORDS; i++) {
        strcat(text, " x");
    }
    refuses(text, strlen(text), "/etc/t.conf:2: more than 512 words");
}

/* Writes a file and parses a command line that ends in "--config FILE" and 'more'. */
static int
parse_with_file(const char *text, size_t size, const char *more, struct config **config,
                struct errmsg *err)
{
    char path[] = "/tmp/turnout-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, size), size);
    close(fd);
    const char *const words[] = { "turnoutd", "--bridge", "br0", "--config", path, more, "p9", NULL };
    char **argv = (char **) (uintptr_t) words;
    enum config_request request;
    int error = config_parse(more ? 7 : 5, argv, "/base", config, &request, err);
    unlink(path);
    return error;
}

static void
the_command_line_goes_on_behind_the_file(void **state)
{
    (void) state;
    struct config *c;
    struct errmsg err = { "" };
    const char *text = "fdb-max 20\nbridge br1\nport p1\n";
    assert_int_equal(parse_with_file(text, strlen(text), "--port", &c, &err), 0);
    assert_int_equal(c->n_bridges, 2);
    assert_string_equal(c->bridges[0].ports[0].name, "p9");
    assert_int_equal(c->bridges[1].n_ports, 1);
    assert_int_equal(c->bridges[1].datapath.fdb_max, 20);
    config_free(c);
}

static void
a_file_is_refused_by_its_name(void **state)
{
    (void) state;
    struct config *c;
    struct errmsg err = { "" };
    assert_int_not_equal(parse_with_file("bridge br1\nx\n", 13, NULL, &c, &err), 0);
    assert_non_null(strstr(err.text, "/tmp/turnout-test-"));
    assert_non_null(strstr(err.text, ":2: unknown option 'x'"));

    char *big = calloc(1, CONFIG_FILE_MAX_SIZE + 1);
    memset(big, '\n', CONFIG_FILE_MAX_SIZE + 1);
    assert_int_not_equal(parse_with_file(big, CONFIG_FILE_MAX_SIZE + 1, NULL, &c, &err), 0);
    assert_non_null(strstr(err.text, "longer than 1048576 bytes"));
    free(big);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_has_the_options_of_the_command_line),
        cmocka_unit_test(lines_are_cut_into_words),
        cmocka_unit_test(errors_name_the_place_and_what_is_valid),
        cmocka_unit_test(too_many_words_are_refused),
        cmocka_unit_test(the_command_line_goes_on_behind_the_file),
        cmocka_unit_test(a_file_is_refused_by_its_name),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
