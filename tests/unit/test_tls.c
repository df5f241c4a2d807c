/* SPDX-License-Identifier: Apache-2.0 */
/* Streams under TLS: against each other, and against OpenSSL as the peer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/counters.h"
#include "lib/stream.h"
#include "tests/unit/tls_lab.h"

enum { TURNS_MAX = 200000 };

/* One end, and what it was told. */
struct end {
    struct stream *stream;
    unsigned n_opened, n_ended, n_failed;
    size_t got, taken;
    bool wrong;                    /* the bytes are not those of pattern() */
    char why[256];
};

struct fixture {
    struct tls_lab lab;
    struct event_base *base;
    struct tls *tls;
    struct end end, other;
    int fd;                        /* the far end, when it is no stream */
    SSL *peer;
};

static char
pattern(size_t i)
{
    return (char) (i * 31 >> 4);
}

static void
opened(void *end)
{
    ((struct end *) end)->n_opened++;
}

static void
input(void *end_)
{
    struct end *end = end_;
    struct evbuffer *in = stream_input(end->stream);
    char buffer[16384];
    for (int n; (n = evbuffer_remove(in, buffer, sizeof buffer)) > 0;) {
        for (int i = 0; i < n; i++) {
            end->wrong |= buffer[i] != pattern(end->got++);
        }
    }
}

static void
taken(void *end, size_t n)
{
    ((struct end *) end)->taken += n;
}

static void
drained(void *end)
{
    (void) end;
}

static void
ended(void *end_, const char *why)
{
    struct end *end = end_;
    end->n_ended++;
    snprintf(end->why, sizeof end->why, "%s", why);
}

static void
failed(void *end_, const char *why)
{
    struct end *end = end_;
    end->n_failed++;
    snprintf(end->why, sizeof end->why, "%s", why);
}

static const struct stream_ops ops = {
    .opened = opened, .input = input, .taken = taken, .drained = drained, .ended = ended,
    .failed = failed,
};

static int
set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct errmsg err;
    signal(SIGPIPE, SIG_IGN);
    tls_lab_init(&f->lab);
    f->base = event_base_new();
    f->tls = tls_new(f->base);
    f->fd = -1;
    const struct tls_files files = tls_lab_files(&f->lab);
    assert_int_equal(tls_load(f->tls, &files, &err), 0);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    stream_free(f->end.stream);
    stream_free(f->other.stream);
    if (f->peer) {
        tls_lab_peer_free(f->peer);
    }
    if (f->fd >= 0) {
        close(f->fd);
    }
    tls_free(f->tls);
    event_base_free(f->base);
    tls_lab_fini(&f->lab);
    free(f);
    return 0;
}

static void
turn(struct fixture *f)
{
    event_base_loop(f->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static void
pair(int fds[2])
{
    int size = 4096;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    for (int i = 0; i < 2; i++) {
        setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    }
}

static void
begin(struct fixture *f, struct end *end, int fd, enum tls_role role, const char *host)
{
    struct errmsg err = { "" };
    end->stream = stream_new(f->base, fd, false);
    assert_int_equal(tls_secure(f->tls, end->stream, role, host, &err), 0);
    assert_int_equal(stream_state(end->stream), STREAM_SECURING);
    stream_start(end->stream, &ops, end);
}

/* f->end as a stream, f->peer as OpenSSL. */
static void
begin_with_peer(struct fixture *f, enum tls_role role, const char *host, const char *trusted)
{
    int fds[2];
    pair(fds);
    begin(f, &f->end, fds[0], role, host);
    f->fd = fds[1];
    f->peer = tls_lab_peer(&f->lab, f->fd, role == TLS_CLIENT, trusted);
}

/* Until the handshake is over, one way or the other. */
static void
shake_hands(struct fixture *f)
{
    int done = 0;
    for (int i = 0; i < TURNS_MAX && !f->end.n_failed && (!f->end.n_opened || done != 1); i++) {
        turn(f);
        ERR_clear_error();
        done = done == 1 ? 1 : SSL_do_handshake(f->peer);
    }
}

static char *
make_data(size_t size)
{
    char *data = malloc(size);
    for (size_t i = 0; i < size; i++) {
        data[i] = pattern(i);
    }
    return data;
}

/* --- two streams -------------------------------------------------------------------------- */

static void
much_goes_both_ways_at_once(void **state)
{
    struct fixture *f = *state;
    enum { SIZE = 3000000, PIECE = 30011 };
    int fds[2];
    pair(fds);
    begin(f, &f->end, fds[0], TLS_SERVER, NULL);
    begin(f, &f->other, fds[1], TLS_CLIENT, "ours");
    char *data = make_data(SIZE);
    struct end *const ends[] = { &f->end, &f->other };
    size_t sent = 0;
    for (int i = 0; i < TURNS_MAX && (f->end.got < SIZE || f->other.got < SIZE); i++) {
        size_t n = SIZE - sent < PIECE ? SIZE - sent : PIECE;
        for (int k = 0; k < 2 && n; k++) {        /* from before the handshake on */
            assert_true(stream_send(ends[k]->stream, data + sent, n));
        }
        sent += n;
        stream_set_reading(ends[i / 7 % 2]->stream, i % 7 > 2);
        stream_set_reading(ends[!(i / 7 % 2)]->stream, true);
        turn(f);
    }
    for (int k = 0; k < 2; k++) {
        assert_int_equal(ends[k]->n_opened, 1);
        assert_int_equal(ends[k]->got, SIZE);
        assert_int_equal(ends[k]->taken, SIZE);
        assert_false(ends[k]->wrong);
        assert_int_equal(ends[k]->n_failed + ends[k]->n_ended, 0);
    }
    struct tls_info info;
    assert_true(tls_get_info(f->end.stream, &info));
    assert_string_equal(info.protocol, "TLSv1.3");
    assert_string_equal(info.subject, "CN=ours");
    free(data);
}

static void
the_end_is_told_in_both_directions(void **state)
{
    struct fixture *f = *state;
    int fds[2];
    pair(fds);
    begin(f, &f->end, fds[0], TLS_SERVER, NULL);
    begin(f, &f->other, fds[1], TLS_CLIENT, NULL);
    for (int i = 0; i < TURNS_MAX && !(f->end.n_opened && f->other.n_opened); i++) {
        turn(f);
    }
    assert_true(stream_shut_down(f->end.stream));
    for (int i = 0; i < 20; i++) {
        turn(f);
    }
    assert_int_equal(f->other.n_ended, 1);
    assert_string_equal(f->other.why, "closed by the peer");
    char *data = make_data(1000);
    assert_true(stream_send(f->other.stream, data, 1000));     /* the other half is open */
    for (int i = 0; i < 20; i++) {
        turn(f);
    }
    assert_int_equal(f->end.got, 1000);
    assert_true(stream_shut_down(f->other.stream));
    for (int i = 0; i < 20; i++) {
        turn(f);
    }
    assert_int_equal(f->end.n_ended, 1);
    assert_int_equal(f->end.n_failed + f->other.n_failed, 0);
    free(data);
}

/* --- OpenSSL as the peer --------------------------------------------------------------------- */

/* A peer that has nothing to say but key updates gets its answers, while our output waits,
 * and a turn handles few of them. */
static void
key_updates_are_answered_a_few_a_turn(void **state)
{
    struct fixture *f = *state;
    enum { UPDATES = 200, SIZE = 500000 };
    char *data = make_data(SIZE), buffer[16384];
    begin_with_peer(f, TLS_SERVER, NULL, NULL);
    shake_hands(f);
    assert_int_equal(f->end.n_opened, 1);
    assert_true(stream_send(f->end.stream, data, SIZE));
    turn(f);                                  /* the socket is full */
    int updates = 0, turns = 0;
    size_t got = 0;
    bool told = false;
    for (int i = 0; i < TURNS_MAX && (f->end.got < 1 || got < SIZE); i++) {
        ERR_clear_error();
        if (updates < UPDATES && SSL_key_update(f->peer, SSL_KEY_UPDATE_REQUESTED) == 1
            && SSL_do_handshake(f->peer) == 1) {
            updates++;
        } else if (updates == UPDATES && !told) {
            told = SSL_write(f->peer, &(char) { pattern(0) }, 1) == 1;
        }
        ERR_clear_error();
        int n = i % 3 ? 0 : SSL_read(f->peer, buffer, sizeof buffer);
        if (n > 0) {
            assert_memory_equal(buffer, data + got, n);
            got += (size_t) n;
        }
        turns += !f->end.got;
        turn(f);
    }
    assert_int_equal(got, SIZE);
    assert_int_equal(f->end.got, 1);
    assert_int_equal(updates, UPDATES);
    assert_true(turns >= UPDATES / 2);
    assert_int_equal(f->end.n_failed, 0);
    free(data);
}

static void
an_end_without_close_notify_is_told_as_such(void **state)
{
    struct fixture *f = *state;
    uint64_t before = counter_read(COUNTER_tls_unclean_close);
    begin_with_peer(f, TLS_SERVER, NULL, NULL);
    shake_hands(f);
    char *data = make_data(100);
    assert_int_equal(SSL_write(f->peer, data, 100), 100);
    close(f->fd);
    f->fd = -1;
    for (int i = 0; i < 10; i++) {
        turn(f);
    }
    assert_int_equal(f->end.got, 100);
    assert_int_equal(f->end.n_ended, 1);
    assert_string_equal(f->end.why, "closed by the peer without a word of TLS");
    assert_int_equal(counter_read(COUNTER_tls_unclean_close) - before, 1);
    assert_true(stream_send(f->end.stream, data, 100));
    turn(f);
    assert_int_equal(f->end.n_failed, 1);
    free(data);
}

static void
garbage_in_the_middle_breaks_it(void **state)
{
    struct fixture *f = *state;
    begin_with_peer(f, TLS_SERVER, NULL, NULL);
    shake_hands(f);
    assert_int_equal(send(f->fd, "\x17\x03\x03\x00\x20 this is not what was agreed on", 37, 0), 37);
    for (int i = 0; i < 10; i++) {
        turn(f);
    }
    assert_int_equal(f->end.n_failed, 1);
    assert_string_equal(f->end.why, "TLS: decryption failed or bad record mac");
    assert_int_equal(f->end.got, 0);
}

static void
plain_text_is_recognised(void **state)
{
    struct fixture *f = *state;
    begin_with_peer(f, TLS_SERVER, NULL, NULL);
    assert_int_equal(send(f->fd, "\1\0\0\10\0\0\0\1", 8, 0), 8);
    for (int i = 0; i < 10; i++) {
        turn(f);
    }
    assert_int_equal(f->end.n_failed, 1);
    assert_non_null(strstr(f->end.why, "does the peer speak without TLS?"));
}

static void
a_peer_that_leaves_during_the_handshake_is_told(void **state)
{
    struct fixture *f = *state;
    begin_with_peer(f, TLS_SERVER, NULL, NULL);
    SSL_do_handshake(f->peer);
    turn(f);
    close(f->fd);
    f->fd = -1;
    for (int i = 0; i < 10; i++) {
        turn(f);
    }
    assert_int_equal(f->end.n_failed, 1);
    assert_int_equal(strncmp(f->end.why, "TLS handshake: ", 15), 0);
}

/* --- whom we believe ---------------------------------------------------------------------------- */

static void
names_are_checked(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *host, *why;
    } cases[] = {
        { "peer.example", NULL },
        { "theirs", NULL },
        { "peer.example.", NULL },
        { "192.0.2.1", NULL },                 /* there is no address in it */
        { "2001:db8::1", NULL },
        { NULL, NULL },
        { "example", "hostname mismatch, it is not for example" },
        { "sub.peer.example", "hostname mismatch" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        f->end = (struct end) { NULL };
        begin_with_peer(f, TLS_CLIENT, cases[i].host, f->lab.ca);
        shake_hands(f);
        assert_int_equal(f->end.n_opened, !cases[i].why);
        assert_int_equal(f->end.n_failed, !!cases[i].why);
        assert_true(!cases[i].why || strstr(f->end.why, cases[i].why));
        stream_free(f->end.stream);
        tls_lab_peer_free(f->peer);
        close(f->fd);
    }
    f->end = (struct end) { NULL };
    f->peer = NULL;
    f->fd = -1;
}

static void
who_has_another_ca_is_refused_and_told(void **state)
{
    struct fixture *f = *state;
    struct tls_lab others;
    struct errmsg err;
    tls_lab_init(&others);
    const struct tls_files files = { f->lab.key[0], f->lab.cert[0], others.ca, false };
    assert_int_equal(tls_load(f->tls, &files, &err), 0);
    begin_with_peer(f, TLS_SERVER, NULL, NULL);
    shake_hands(f);
    assert_int_equal(f->end.n_failed, 1);
    assert_non_null(strstr(f->end.why, "(CN=theirs): unable to get local issuer certificate"));
    struct tls_info info;
    assert_false(tls_get_info(f->end.stream, &info));
    stream_free(f->end.stream);
    f->end.stream = NULL;
    char byte;
    ERR_clear_error();
    int n = SSL_read(f->peer, &byte, 1);
    assert_int_equal(SSL_get_error(f->peer, n), SSL_ERROR_SSL);
    assert_int_equal(ERR_GET_REASON(ERR_peek_last_error()), SSL_R_TLSV1_ALERT_UNKNOWN_CA);
    tls_lab_fini(&others);
}

/* --- many at once -------------------------------------------------------------------------------- */

static void
few_handshakes_go_on_in_a_turn(void **state)
{
    struct fixture *f = *state;
    enum { N = 3 * TLS_STEPS_A_TURN };
    struct end ends[N];
    SSL *peers[N];
    int far[N];
    memset(ends, 0, sizeof ends);
    for (int i = 0; i < N; i++) {
        int fds[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
        far[i] = fds[1];
        peers[i] = tls_lab_peer(&f->lab, far[i], false, f->lab.ca);
        SSL_do_handshake(peers[i]);               /* its hello is there */
        begin(f, &ends[i], fds[0], TLS_SERVER, NULL);
    }
    int answered = 0, before;
    for (int i = 0; i < 10; i++) {
        char byte;
        before = answered;
        turn(f);
        answered = 0;
        for (int k = 0; k < N; k++) {
            answered += recv(far[k], &byte, 1, MSG_PEEK) == 1;
        }
        assert_in_range(answered - before, 0, TLS_STEPS_A_TURN);
        for (int k = 0; k < answered - before; k++) {
            assert_int_equal(recv(far[before + k], &byte, 1, MSG_PEEK), 1);   /* in order */
        }
    }
    assert_int_equal(answered, N);
    for (int i = 0; i < N; i++) {
        stream_free(ends[i].stream);
        tls_lab_peer_free(peers[i]);
        close(far[i]);
    }
}

static void
the_oldest_half_open_handshake_makes_room(void **state)
{
    struct fixture *f = *state;
    enum { N = TLS_HANDSHAKES_MAX + 2 };
    struct end *ends = calloc(N, sizeof *ends);
    int *far = calloc(N, sizeof *far);
    uint64_t before = counter_read(COUNTER_tls_handshake_evicted);
    for (int i = 0; i < N; i++) {
        int fds[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
        far[i] = fds[1];
        begin(f, &ends[i], fds[0], TLS_SERVER, NULL);
        turn(f);
    }
    assert_int_equal(counter_read(COUNTER_tls_handshake_evicted) - before, 2);
    for (int i = 0; i < N; i++) {
        assert_int_equal(ends[i].n_failed, i < 2);
    }
    assert_non_null(strstr(ends[0].why, "too many others"));
    begin_with_peer(f, TLS_SERVER, NULL, NULL);    /* the third goes, this one gets in */
    shake_hands(f);
    assert_int_equal(f->end.n_opened, 1);
    assert_int_equal(ends[2].n_failed, 1);
    for (int i = 0; i < N; i++) {
        stream_free(ends[i].stream);
        close(far[i]);
    }
    free(ends);
    free(far);
}

/* --- loading --------------------------------------------------------------------------------------- */

static void
expect_refused(struct fixture *f, struct tls_files files, const char *says)
{
    struct errmsg err = { "" };
    uint64_t before = counter_read(COUNTER_tls_files_refused);
    assert_true(tls_load(f->tls, &files, &err) < 0);
    if (!strstr(err.text, says)) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(counter_read(COUNTER_tls_files_refused) - before, 1);
    assert_true(tls_is_loaded(f->tls));          /* what was there before */
}

static void
write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
}

static void
wrong_files_are_refused_by_name_and_reason(void **state)
{
    struct fixture *f = *state;
    const struct tls_lab *lab = &f->lab;
    const struct tls_files good = tls_lab_files(lab);
    struct tls_files bad = good;
    char path[128];
    snprintf(path, sizeof path, "%s/file", lab->dir);
    bad.private_key = path;
    expect_refused(f, bad, "/file: No such file or directory");
    bad.private_key = lab->dir;
    expect_refused(f, bad, ": not a regular file");
    bad.private_key = lab->cert[0];
    expect_refused(f, bad, "there is no private key in it");
    bad.private_key = lab->key[1];
    expect_refused(f, bad, "is not that of certificate");
    bad = good;
    bad.certificate = lab->key[0];
    expect_refused(f, bad, "there is no PEM certificate in it");
    bad = good;
    bad.ca_cert = lab->cert[0];
    expect_refused(f, bad, "it is not a CA's");
    write_file(path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    bad.ca_cert = path;
    expect_refused(f, bad, "CA certificate ");
    bad.ca_cert = "/nonexistent/ca.pem";
    expect_refused(f, bad, "No such file or directory");
    EVP_PKEY *key = EVP_EC_gen("P-256");
    FILE *file = fopen(path, "w");
    assert_int_equal(PEM_write_PKCS8PrivateKey(file, key, EVP_aes_128_cbc(), "pass", 4, NULL,
                                               NULL), 1);
    fclose(file);
    EVP_PKEY_free(key);
    bad = good;
    bad.private_key = path;
    expect_refused(f, bad, "it is encrypted");
}

static void
a_live_connection_outlives_what_it_began_with(void **state)
{
    struct fixture *f = *state;
    const struct tls_files files = tls_lab_files(&f->lab);
    begin_with_peer(f, TLS_SERVER, NULL, NULL);
    shake_hands(f);
    assert_int_equal(tls_load(f->tls, &files, NULL), 0);
    tls_unload(f->tls);
    char *data = make_data(100);
    assert_int_equal(SSL_write(f->peer, data, 100), 100);
    for (int i = 0; i < 10; i++) {
        turn(f);
    }
    assert_int_equal(f->end.got, 100);
    struct errmsg err;
    int fds[2];
    pair(fds);
    f->other.stream = stream_new(f->base, fds[0], false);
    assert_int_equal(tls_secure(f->tls, f->other.stream, TLS_SERVER, NULL, &err), -ENOENT);
    close(fds[1]);
    free(data);
}

static void
the_ca_is_learnt_from_a_server_once(void **state)
{
    struct fixture *f = *state;
    struct tls_files files = tls_lab_files(&f->lab);
    struct errmsg err;
    char path[128];
    struct stat st;
    snprintf(path, sizeof path, "%s/learnt.pem", f->lab.dir);
    files.ca_cert = path;
    files.bootstrap = true;
    assert_int_equal(tls_load(f->tls, &files, &err), 0);
    int fds[2];
    pair(fds);
    f->other.stream = stream_new(f->base, fds[0], false);
    assert_true(tls_secure(f->tls, f->other.stream, TLS_SERVER, NULL, &err) < 0);
    close(fds[1]);
    begin_with_peer(f, TLS_CLIENT, "wrong.example", NULL);      /* sends no CA */
    shake_hands(f);
    assert_non_null(strstr(f->end.why, "did not send its CA's certificate"));
    assert_int_equal(stat(path, &st), -1);
    stream_free(f->end.stream);
    tls_lab_peer_free(f->peer);
    close(f->fd);
    f->end = (struct end) { NULL };
    begin_with_peer(f, TLS_CLIENT, "peer.example", f->lab.ca);  /* sends it */
    shake_hands(f);
    assert_int_equal(f->end.n_opened, 0);
    assert_non_null(strstr(f->end.why, "is known now and kept in"));
    assert_int_equal(stat(path, &st), 0);
    stream_free(f->end.stream);
    tls_lab_peer_free(f->peer);
    close(f->fd);
    f->end = (struct end) { NULL };
    begin_with_peer(f, TLS_CLIENT, "wrong.example", f->lab.ca);
    shake_hands(f);
    assert_non_null(strstr(f->end.why, "hostname mismatch"));   /* nobody is believed any more */
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(much_goes_both_ways_at_once),
        TEST(the_end_is_told_in_both_directions),
        TEST(key_updates_are_answered_a_few_a_turn),
        TEST(an_end_without_close_notify_is_told_as_such),
        TEST(garbage_in_the_middle_breaks_it),
        TEST(plain_text_is_recognised),
        TEST(a_peer_that_leaves_during_the_handshake_is_told),
        TEST(names_are_checked),
        TEST(who_has_another_ca_is_refused_and_told),
        TEST(few_handshakes_go_on_in_a_turn),
        TEST(the_oldest_half_open_handshake_makes_room),
        TEST(wrong_files_are_refused_by_name_and_reason),
        TEST(a_live_connection_outlives_what_it_began_with),
        TEST(the_ca_is_learnt_from_a_server_once),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
