/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ofagent/target.h"

static void
check_inet(const char *text, enum target_kind kind, const char *host, uint16_t port)
{
    struct target t;
    struct errmsg err;
    char buf[INET6_ADDRSTRLEN];
    assert_int_equal(target_parse(text, &t, &err), 0);
    assert_int_equal(t.kind, kind);
    if (t.addr.sa.sa_family == AF_INET) {
        inet_ntop(AF_INET, &t.addr.in.sin_addr, buf, sizeof buf);
        assert_int_equal(ntohs(t.addr.in.sin_port), port);
    } else {
        inet_ntop(AF_INET6, &t.addr.in6.sin6_addr, buf, sizeof buf);
        assert_int_equal(ntohs(t.addr.in6.sin6_port), port);
    }
    assert_string_equal(buf, host);
}

static void
good_targets_are_understood(void **state)
{
    (void) state;
    check_inet("tcp:192.0.2.1", TARGET_TCP, "192.0.2.1", 6653);
    check_inet("tcp:192.0.2.1:6633", TARGET_TCP, "192.0.2.1", 6633);
    check_inet("tcp:localhost:1", TARGET_TCP, "127.0.0.1", 1);
    check_inet("tcp:[2001:db8::1]", TARGET_TCP, "2001:db8::1", 6653);
    check_inet("tcp:[2001:db8::1]:65535", TARGET_TCP, "2001:db8::1", 65535);
    check_inet("ssl:192.0.2.1", TARGET_SSL, "192.0.2.1", 6653);
    check_inet("pssl:6633:[::1]", TARGET_PSSL, "::1", 6633);
    check_inet("ptcp:", TARGET_PTCP, "0.0.0.0", 6653);
    check_inet("ptcp:6633", TARGET_PTCP, "0.0.0.0", 6633);
    check_inet("ptcp:0", TARGET_PTCP, "0.0.0.0", 0);
    check_inet("ptcp:6633:127.0.0.1", TARGET_PTCP, "127.0.0.1", 6633);
    check_inet("ptcp::127.0.0.1", TARGET_PTCP, "127.0.0.1", 6653);
    check_inet("ptcp:6633:[::1]", TARGET_PTCP, "::1", 6633);
    struct target t;
    assert_int_equal(target_parse("unix:/tmp/x", &t, NULL), 0);
    assert_int_equal(t.kind, TARGET_UNIX);
    assert_string_equal(t.addr.un.sun_path, "/tmp/x");
    assert_false(target_listens(&t));
    assert_int_equal(target_parse("punix:x:y", &t, NULL), 0);
    assert_string_equal(t.addr.un.sun_path, "x:y");
    assert_true(target_listens(&t));
}

static void
bad_targets_are_refused_with_what_is_wrong(void **state)
{
    (void) state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        { "", "not a target" },
        { "tcp", "not a target" },
        { "tls:1.2.3.4", "not a target" },
        { "TCP:1.2.3.4", "not a target" },
        { "tcp:", "host is missing" },
        { "tcp::6653", "host is missing" },
        { "tcp:1.2.3", "\"1.2.3\" is not an address" },
        { "tcp:1.2.3.4.5", "not an address" },
        { "tcp:controller..example", "not an address or a name" },
        { "tcp:.example", "not an address or a name" },
        { "tcp:controller.123", "not an address or a name" },
        { "tcp:contr*ller", "not an address or a name" },
        { "ssl:controller.example:0", "not a port" },
        { "ptcp:6653:controller.example", "not an address to listen at" },
        { "pssl:6653:controller.example", "not an address to listen at" },
        { "tcp:2001:db8::1", "not an address" },
        { "tcp:[2001:db8::1", "not an address" },
        { "tcp:[]", "not an address" },
        { "tcp:[1.2.3.4]", "not an address" },
        { "tcp:[::1]x", "not a port" },
        { "tcp:1.2.3.4:", "not a port" },
        { "tcp:1.2.3.4:0", "not a port" },
        { "tcp:1.2.3.4:65536", "not a port" },
        { "tcp:1.2.3.4:+1", "not a port" },
        { "tcp:1.2.3.4:66x", "not a port" },
        { "tcp:1.2.3.4:1234567890123", "not a port" },
        { "ptcp:x", "not a port" },
        { "ptcp:6653:", "not an address" },
        { "ptcp:6653:host", "not an address" },
        { "unix:", "path is missing" },
        { "punix:", "path is missing" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct target t;
        struct errmsg err = { "" };
        assert_int_equal(target_parse(cases[i].text, &t, &err), -EINVAL);
        if (!strstr(err.text, cases[i].says)) {
            fail_msg("%s: %s", cases[i].text, err.text);
        }
    }
    char name[300] = "ssl:";
    for (int i = 0; i < 64; i++) {
        strcat(name, "abc.");          /* 256 characters */
    }
    assert_int_equal(target_parse(name, &(struct target) { 0 }, NULL), -EINVAL);
    char text[200] = "unix:";
    memset(text + 5, 'x', 108);
    struct target t;
    struct errmsg err;
    assert_int_equal(target_parse(text, &t, &err), -EINVAL);
    assert_non_null(strstr(err.text, "107 bytes"));
    text[5 + 107] = '\0';
    assert_int_equal(target_parse(text, &t, &err), 0);
}

static void
names_are_left_to_be_looked_up(void **state)
{
    (void) state;
    struct target t;
    assert_int_equal(target_parse("ssl:of-1.lab_a.example.:6633", &t, NULL), 0);
    assert_int_equal(t.kind, TARGET_SSL);
    assert_string_equal(t.host, "of-1.lab_a.example.");
    assert_true(target_needs_look_up(&t));
    assert_true(target_has_tls(&t));
    assert_int_equal(t.addr_size, 0);
    struct sockaddr_in6 addr = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    target_set_address(&t, (const struct sockaddr *) &addr, sizeof addr);
    assert_int_equal(t.addr_size, sizeof addr);
    assert_int_equal(ntohs(t.addr.in6.sin6_port), 6633);
    assert_true(target_needs_look_up(&t));      /* the next time again */
    assert_int_equal(target_parse("tcp:3com", &t, NULL), 0);
    assert_true(target_needs_look_up(&t));
    assert_int_equal(target_parse("tcp:localhost", &t, NULL), 0);
    assert_false(target_needs_look_up(&t));
    assert_int_equal(target_parse("ssl:192.0.2.1", &t, NULL), 0);
    assert_false(target_needs_look_up(&t));
    assert_string_equal(t.host, "192.0.2.1");
    assert_int_equal(target_parse("ssl:[2001:db8::1]", &t, NULL), 0);
    assert_false(target_needs_look_up(&t));
    assert_string_equal(t.host, "2001:db8::1");
}

struct dir {
    char path[64];
    char target[100];
    char file[80];
};

static void
dir_init(struct dir *d)
{
    strcpy(d->path, "/tmp/turnout-target-XXXXXX");
    assert_non_null(mkdtemp(d->path));
    snprintf(d->file, sizeof d->file, "%s/sock", d->path);
    snprintf(d->target, sizeof d->target, "punix:%s", d->file);
}

static void
a_socket_file_is_private_and_goes_with_its_listener(void **state)
{
    (void) state;
    struct dir d;
    struct target t;
    struct target_file file;
    struct stat st;
    dir_init(&d);
    assert_int_equal(target_parse(d.target, &t, NULL), 0);
    int fd = target_listen(&t, &file, NULL);
    assert_true(fd >= 0);
    assert_int_equal(stat(d.file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    close(fd);
    target_unlisten(&t, &file);
    assert_int_equal(stat(d.file, &st), -1);
    assert_int_equal(rmdir(d.path), 0);
}

static void
a_socket_in_use_is_refused_and_a_stale_one_replaced(void **state)
{
    (void) state;
    struct dir d;
    struct target t;
    struct target_file file, other;
    struct errmsg err;
    struct stat st;
    dir_init(&d);
    assert_int_equal(target_parse(d.target, &t, NULL), 0);
    int fd = target_listen(&t, &file, NULL);
    assert_int_equal(target_listen(&t, &other, &err), -EADDRINUSE);
    assert_non_null(strstr(err.text, "in use"));
    close(fd);                              /* as if it had crashed */
    fd = target_listen(&t, &other, &err);
    assert_true(fd >= 0);
    target_unlisten(&t, &file);             /* the first one's file is gone */
    assert_int_equal(stat(d.file, &st), 0);
    close(fd);
    target_unlisten(&t, &other);
    assert_int_equal(rmdir(d.path), 0);
}

static void
a_file_that_is_no_socket_is_left_alone(void **state)
{
    (void) state;
    struct dir d;
    struct target t;
    struct target_file file;
    struct errmsg err;
    dir_init(&d);
    fclose(fopen(d.file, "w"));
    assert_int_equal(target_parse(d.target, &t, NULL), 0);
    assert_int_equal(target_listen(&t, &file, &err), -EEXIST);
    assert_int_equal(unlink(d.file), 0);
    assert_int_equal(rmdir(d.path), 0);
}

static void
a_tcp_port_is_listened_on_once_and_connected_to(void **state)
{
    (void) state;
    struct target t;
    struct target_file file;
    struct errmsg err;
    assert_int_equal(target_parse("ptcp:0:127.0.0.1", &t, NULL), 0);
    int listener = target_listen(&t, &file, &err);
    assert_true(listener >= 0);
    t.addr_size = sizeof t.addr;
    assert_int_equal(getsockname(listener, &t.addr.sa, &t.addr_size), 0);
    assert_int_equal(target_listen(&t, &file, &err), -EADDRINUSE);
    int fd = target_connect(&t, &err);
    assert_true(fd >= 0);
    char peer[TARGET_PEER_SIZE], expected[TARGET_PEER_SIZE];
    target_peer(fd, peer);
    snprintf(expected, sizeof expected, "127.0.0.1:%u", ntohs(t.addr.in.sin_port));
    assert_string_equal(peer, expected);
    close(fd);
    close(listener);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_targets_are_understood),
        cmocka_unit_test(bad_targets_are_refused_with_what_is_wrong),
        cmocka_unit_test(names_are_left_to_be_looked_up),
        cmocka_unit_test(a_socket_file_is_private_and_goes_with_its_listener),
        cmocka_unit_test(a_socket_in_use_is_refused_and_a_stale_one_replaced),
        cmocka_unit_test(a_file_that_is_no_socket_is_left_alone),
        cmocka_unit_test(a_tcp_port_is_listened_on_once_and_connected_to),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
