/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's listeners under TLS: deadlines by the clock that the test moves, what is shown,
 * memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/counters.h"
#include "tests/unit/agent_rig.h"
#include "tests/unit/tls_lab.h"

#define TARGET "pssl:0:127.0.0.1"

struct fixture {
    struct rig rig;
    struct tls_lab lab;
    struct tls *tls;
};

static struct agent_config config;

static int
begin(void **state, uint32_t probe_s)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct errmsg err = { "" };
    config = rig_config;
    config.inactivity_probe_s = probe_s;
    rig_init(&f->rig, &config);
    tls_lab_init(&f->lab);
    f->tls = tls_new(f->rig.base);
    const struct tls_files files = tls_lab_files(&f->lab);
    assert_int_equal(tls_load(f->tls, &files, &err), 0);
    agent_set_tls(f->rig.agent, f->tls);
    assert_int_equal(agent_add_target(f->rig.agent, TARGET, &err), 0);
    *state = f;
    return 0;
}

static int
set_up(void **state)
{
    return begin(state, 5);
}

static int
set_up_without_probes(void **state)
{
    return begin(state, 0);
}

static int
set_up_with_slow_probes(void **state)
{
    return begin(state, 60);
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(agent_del_target(f->rig.agent, TARGET), 0);
    rig_fini(&f->rig);
    tls_free(f->tls);
    tls_lab_fini(&f->lab);
    free(f);
    return 0;
}

static int
dial(struct fixture *f)
{
    uint16_t port = endpoint_tcp_port(endpoint_find(f->rig.agent, TARGET));
    struct sockaddr_in addr = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *) &addr, sizeof addr), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    for (int i = 0; i < 10; i++) {
        rig_turn(&f->rig);
    }
    assert_int_equal(rig_n_sessions(&f->rig), 1);
    return fd;
}

static bool
keep(const struct agent_connection_info *info, void *row)
{
    if (!strcmp(info->target, TARGET)) {
        *(struct agent_connection_info *) row = *info;
    }
    return true;
}

/* The session's, or the listener's if there is none. */
static struct agent_connection_info
row(struct fixture *f)
{
    struct agent_connection_info info = { .target = NULL };
    agent_for_each_connection(f->rig.agent, keep, &info);
    assert_non_null(info.target);
    return info;
}

static void
half_open_until(struct fixture *f, uint32_t ms)
{
    uint64_t before = counter_read(COUNTER_conn_handshake_timeout);
    int fd = dial(f);
    assert_int_equal(send(fd, "\x16\x03\x01\x02", 4, 0), 4);    /* begins, and falls silent */
    assert_string_equal(row(f).state, "tls-handshake");
    assert_false(row(f).has_tls);
    rig_pass_ms(&f->rig, ms - 100);
    assert_int_equal(rig_n_sessions(&f->rig), 1);
    rig_pass_ms(&f->rig, 400);
    assert_int_equal(rig_n_sessions(&f->rig), 0);
    assert_int_equal(counter_read(COUNTER_conn_handshake_timeout) - before, 1);
    char words[60];
    snprintf(words, sizeof words, "TLS handshake: not done within %u ms", ms);
    assert_non_null(strstr(row(f).last_error, words));
    assert_int_equal(strncmp(row(f).last_error, "127.0.0.1:", 10), 0);
    close(fd);
}

static void
a_half_open_handshake_has_as_long_as_a_probe(void **state)
{
    half_open_until(*state, 5000);
}

static void
without_probes_it_has_five_seconds(void **state)
{
    half_open_until(*state, 5000);
}

static void
it_never_has_more_than_fifteen(void **state)
{
    half_open_until(*state, 15000);
}

/* Handshake and HELLO. */
static SSL *
peer_of(struct fixture *f, int fd)
{
    SSL *ssl = tls_lab_peer(&f->lab, fd, false, f->lab.ca);
    char hello[8];
    for (int i = 0; i < 2000 && SSL_do_handshake(ssl) != 1; i++) {
        ERR_clear_error();
        rig_turn(&f->rig);
    }
    for (int i = 0; i < 2000 && SSL_read(ssl, hello, sizeof hello) != sizeof hello; i++) {
        ERR_clear_error();
        rig_turn(&f->rig);
    }
    assert_int_equal(SSL_write(ssl, "\1\0\0\10\0\0\0\1", 8), 8);
    for (int i = 0; i < 20; i++) {
        rig_turn(&f->rig);
    }
    return ssl;
}

static void
the_connection_is_described(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    SSL *ssl = peer_of(f, fd);
    struct agent_connection_info info = row(f);
    assert_string_equal(info.state, "active");
    assert_true(info.has_tls);
    assert_string_equal(info.tls.protocol, "TLSv1.3");
    assert_string_equal(info.tls.cipher, SSL_get_cipher_name(ssl));
    assert_string_equal(info.tls.subject, "CN=theirs");
    tls_lab_peer_free(ssl);
    close(fd);
}

/* Who takes nothing of its answers is dropped as without TLS, and has cost as little. */
static void
a_peer_that_does_not_read_is_throttled_then_dropped(void **state)
{
    struct fixture *f = *state;
    static char echo[60000];
    memcpy(echo, "\1\2\xea\x60\0\0\0\7", 8);
    int fd = dial(f);
    SSL *ssl = peer_of(f, fd);
    SSL_clear_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE);   /* whole messages */
    int refused = 0;
    for (int i = 0; i < 100000 && refused < 1000; i++) {
        ERR_clear_error();
        refused = SSL_write(ssl, echo, sizeof echo) > 0 ? 0 : refused + 1;
        rig_turn(&f->rig);
    }
    assert_int_equal(refused, 1000);
    assert_in_range(row(f).queued_bytes, CONN_HIGH_WATER, CONN_HIGH_WATER + sizeof echo);
    uint64_t before = counter_read(COUNTER_conn_stalled);
    rig_pass_ms(&f->rig, 14000);
    assert_int_equal(rig_n_sessions(&f->rig), 1);
    rig_pass_ms(&f->rig, 2000);
    assert_int_equal(rig_n_sessions(&f->rig), 0);
    assert_int_equal(counter_read(COUNTER_conn_stalled) - before, 1);
    tls_lab_peer_free(ssl);
    close(fd);
}

#define TEST(NAME, SET_UP) cmocka_unit_test_setup_teardown(NAME, SET_UP, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_half_open_handshake_has_as_long_as_a_probe, set_up),
        TEST(without_probes_it_has_five_seconds, set_up_without_probes),
        TEST(it_never_has_more_than_fifteen, set_up_with_slow_probes),
        TEST(the_connection_is_described, set_up),
        TEST(a_peer_that_does_not_read_is_throttled_then_dropped, set_up),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
