/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <regex.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/counters.h"
#include "lib/log.h"

LOG_MODULE(test_log);

static char dir[] = "/tmp/test_log.XXXXXX";
static char path[64];
static char text[1 << 20];

static const char *
read_log(void)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static bool
matches(const char *string, const char *pattern)
{
    regex_t re;
    assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
    bool found = !regexec(&re, string, 0, NULL, 0);
    regfree(&re);
    return found;
}

static int
to_empty_file(void **state)
{
    (void) state;
    unlink(path);
    return log_set_target(path, NULL) || log_set_level("info", NULL);
}

static int
to_stderr(void **state)
{
    (void) state;
    clock_set_source(NULL);
    return log_set_target("stderr", NULL);
}

static void
a_line_has_time_level_and_module(void **state)
{
    (void) state;
    errno = ENOENT;
    log_warn("port %s: %s", "veth0", "gone");
    assert_int_equal(errno, ENOENT);
    assert_true(matches(read_log(), "^20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:"
                        "[0-6][0-9]\\.[0-9]{3}Z WARN test_log: port veth0: gone\n$"));
}

static void
levels_are_a_module(void **state)
{
    (void) state;
    struct errmsg err;
    log_debug("not seen");
    assert_int_equal(log_set_level("test_log:debug", &err), 0);
    log_debug("seen");
    assert_int_equal(log_set_level("test_log:error", &err), 0);
    log_warn("not seen");
    log_error("seen too");
    assert_int_equal(log_set_level("warn", &err), 0);
    log_info("not seen");
    log_warn("seen three");
    read_log();
    assert_null(strstr(text, "not seen"));
    assert_non_null(strstr(text, "DEBUG test_log: seen\n"));
    assert_non_null(strstr(text, "ERROR test_log: seen too\n"));
    assert_non_null(strstr(text, "WARN test_log: seen three\n"));
}

static void
a_wrong_level_lists_the_right_ones(void **state)
{
    (void) state;
    const char *wrong[] = { "loud", "test_log:loud", "nobody:info", "test_lo:info", ":info",
                            "", "test_log:" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct errmsg err;
        assert_int_equal(log_set_level(wrong[i], &err), -EINVAL);
        assert_non_null(strstr(err.text, "error warn info debug"));
        assert_non_null(strstr(err.text, " test_log"));
        assert_int_equal(log_set_level(wrong[i], NULL), -EINVAL);
    }
}

static int n_evaluated;

static int
evaluated(void)
{
    return ++n_evaluated;
}

static void
arguments_of_a_level_that_is_off_cost_nothing(void **state)
{
    (void) state;
    n_evaluated = 0;
    log_debug("%d", evaluated());
    assert_int_equal(n_evaluated, 0);
    log_info("%d", evaluated());
    assert_int_equal(n_evaluated, 1);
}

static void
a_peer_cannot_forge_a_line(void **state)
{
    (void) state;
    log_info("peer says %s",
             "hi\n2026-01-01T00:00:00.000Z ERROR test_log: forged\x1b[2J\r\x7f\xc2\x9b");
    read_log();
    char *newline = strchr(text, '\n');
    assert_string_equal(newline, "\n");
    assert_non_null(strstr(text, "hi\\x0a2026-01-01T00:00:00.000Z ERROR test_log: forged"
                           "\\x1b[2J\\x0d\\x7f\\xc2\\x9b\n"));
}

static void
a_long_message_is_cut_and_counted(void **state)
{
    (void) state;
    uint64_t cut = counter_read(COUNTER_log_cut);
    char longest[LOG_MESSAGE_MAX - 2];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    log_info("%s", longest);
    assert_true(counter_read(COUNTER_log_cut) == cut);
    assert_true(matches(read_log(), "x\n$"));

    char *huge = malloc(100000);
    memset(huge, '\n', 99999);
    huge[99999] = '\0';
    log_info("%s", huge);
    free(huge);
    assert_true(counter_read(COUNTER_log_cut) == cut + 1);
    assert_true(matches(read_log(), "\\\\x0a\\.\\.\\.\n$"));
}

static uint64_t fake_now = 1;

static uint64_t
fake_clock(void)
{
    return fake_now;
}

static unsigned
count(const char *needle)
{
    unsigned n = 0;
    for (const char *p = read_log(); (p = strstr(p, needle)); p++) {
        n++;
    }
    return n;
}

static void
a_limit_holds_back_and_says_how_much(void **state)
{
    (void) state;
    clock_set_source(fake_clock);
    static struct log_limit limit = { .burst = 3 };
    uint64_t suppressed = counter_read(COUNTER_log_suppressed);
    for (int i = 0; i < 100; i++) {
        log_warn_limited(&limit, "again %d", i);
    }
    assert_int_equal(count("again"), 3);
    assert_true(counter_read(COUNTER_log_suppressed) == suppressed + 97);
    fake_now += UINT64_C(59999999999);
    log_warn_limited(&limit, "again");
    assert_int_equal(count("again"), 3);
    fake_now += 1;
    log_warn_limited(&limit, "again");
    log_warn_limited(&limit, "again");
    assert_int_equal(count("again"), 5);
    assert_int_equal(count("(98 like this held back) again\n"), 1);
    /* Levels that are off use nothing up. */
    static struct log_limit other = { .burst = 1 };
    assert_int_equal(log_set_level("error", NULL), 0);
    log_warn_limited(&other, "off");
    assert_int_equal(log_set_level("info", NULL), 0);
    log_warn_limited(&other, "on");
    assert_int_equal(count(": on\n"), 1);
}

static void *
log_many(void *arg)
{
    static struct log_limit limit;
    for (int i = 0; i < 500; i++) {
        log_info("thread %d line %d end", *(int *) arg, i);
        log_warn_limited(&limit, "limited");
    }
    return NULL;
}

static void
lines_of_several_threads_stay_whole(void **state)
{
    (void) state;
    pthread_t threads[3];
    int numbers[3] = { 1, 2, 3 };
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, log_many, &numbers[i]), 0);
    }
    for (int i = 0; i < 100; i++) {
        assert_int_equal(log_reopen(NULL), 0);
        assert_int_equal(log_set_level(i % 2 ? "test_log:info" : "info", NULL), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(count(" end\n"), 1500);
    assert_int_equal(count(": limited\n"), LOG_LIMIT_BURST);
}

static void
reopening_follows_a_rotated_file(void **state)
{
    (void) state;
    char old[80];
    snprintf(old, sizeof old, "%s.1", path);
    log_info("before");
    assert_int_equal(rename(path, old), 0);
    log_info("still the old file");
    struct errmsg err;
    assert_int_equal(log_reopen(&err), 0);
    log_info("new file");
    read_log();
    assert_null(strstr(text, "old file"));
    assert_non_null(strstr(text, "new file"));
    unlink(old);
}

static void
a_file_that_cannot_be_opened_changes_nothing(void **state)
{
    (void) state;
    struct errmsg err;
    assert_int_equal(log_set_target("/nonexistent/dir/log", &err), -ENOENT);
    assert_non_null(strstr(err.text, "/nonexistent/dir/log: No such file"));
    assert_int_equal(log_set_target("printer", &err), -EINVAL);
    assert_non_null(strstr(err.text, "stderr, syslog, journal"));
    log_info("still here");
    assert_int_equal(count("still here"), 1);

    /* The directory goes: reopening fails, the open file goes on. */
    uint64_t lost = counter_read(COUNTER_log_lost);
    char away[80];
    snprintf(away, sizeof away, "%s.away", dir);
    assert_int_equal(rename(dir, away), 0);
    assert_int_equal(log_reopen(&err), -ENOENT);
    log_info("and here");
    assert_int_equal(rename(away, dir), 0);
    assert_int_equal(count("and here"), 1);
    assert_true(counter_read(COUNTER_log_lost) == lost);
}

static void
the_journal_gets_a_datagram(void **state)
{
    (void) state;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof address.sun_path, "%s/journal", dir);
    log_set_journal_socket(address.sun_path);
    struct errmsg err;
    assert_int_equal(log_set_target("journal", &err), -ENOENT);
    assert_non_null(strstr(err.text, address.sun_path));

    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof address), 0);
    assert_int_equal(log_set_target("journal", &err), 0);
    log_warn("two\nlines");
    ssize_t n = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
    assert_true(n > 0);
    text[n] = '\0';
    assert_non_null(strstr(text, "MESSAGE=test_log: two\\x0alines\n"));
    assert_non_null(strstr(text, "\nPRIORITY=4\n"));
    char identifier[128];
    snprintf(identifier, sizeof identifier, "\nSYSLOG_IDENTIFIER=%.32s\n",
             program_invocation_short_name);
    assert_non_null(strstr(text, identifier));
    assert_non_null(strstr(text, "\nTURNOUT_MODULE=test_log\n"));
    assert_int_equal(text[n - 1], '\n');

    /* A journal that stops loses messages, says so, and is found again. */
    close(fd);
    unlink(address.sun_path);
    uint64_t lost = counter_read(COUNTER_log_lost);
    log_warn("nobody listens");
    assert_true(counter_read(COUNTER_log_lost) == lost + 1);
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof address), 0);
    log_warn("back");
    assert_true(recv(fd, text, sizeof text, MSG_DONTWAIT) > 0);
    close(fd);
    unlink(address.sun_path);
    log_set_journal_socket(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_line_has_time_level_and_module, to_empty_file, to_stderr),
        cmocka_unit_test_setup_teardown(levels_are_a_module, to_empty_file, to_stderr),
        cmocka_unit_test(a_wrong_level_lists_the_right_ones),
        cmocka_unit_test_setup_teardown(arguments_of_a_level_that_is_off_cost_nothing,
                                        to_empty_file, to_stderr),
        cmocka_unit_test_setup_teardown(a_peer_cannot_forge_a_line, to_empty_file, to_stderr),
        cmocka_unit_test_setup_teardown(a_long_message_is_cut_and_counted, to_empty_file,
                                        to_stderr),
        cmocka_unit_test_setup_teardown(a_limit_holds_back_and_says_how_much, to_empty_file,
                                        to_stderr),
        cmocka_unit_test_setup_teardown(lines_of_several_threads_stay_whole, to_empty_file,
                                        to_stderr),
        cmocka_unit_test_setup_teardown(reopening_follows_a_rotated_file, to_empty_file, to_stderr),
        cmocka_unit_test_setup_teardown(a_file_that_cannot_be_opened_changes_nothing,
                                        to_empty_file, to_stderr),
        cmocka_unit_test_teardown(the_journal_gets_a_datagram, to_stderr),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    if (!mkdtemp(dir)) {
        return 1;
    }
    snprintf(path, sizeof path, "%s/log", dir);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    rmdir(dir);
    return failed;
}
