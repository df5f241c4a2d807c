/* SPDX-License-Identifier: Apache-2.0 */
/* Streams over socket pairs: what moves when, what is told, how they end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/stream.h"

enum { TURNS_MAX = 2000 };

struct fixture {
    struct event_base *base;
    struct stream *stream;
    int peer;                      /* the other end; -1: closed */
    unsigned n_opened, n_input, n_drained, n_ended, n_failed;
    size_t taken;
    char why[200];
    const char *answer;            /* sent from within input() */
    bool stop_on_input;
};

static void
opened(void *aux)
{
    ((struct fixture *) aux)->n_opened++;
}

static void
input(void *aux)
{
    struct fixture *f = aux;
    f->n_input++;
    if (f->answer) {
        assert_true(stream_send(f->stream, f->answer, strlen(f->answer)));
    }
    if (f->stop_on_input) {
        stream_stop(f->stream);
    }
}

static void
taken(void *aux, size_t n)
{
    ((struct fixture *) aux)->taken += n;
}

static void
drained(void *aux)
{
    ((struct fixture *) aux)->n_drained++;
}

static void
ended(void *aux, const char *why)
{
    struct fixture *f = aux;
    f->n_ended++;
    snprintf(f->why, sizeof f->why, "%s", why);
}

static void
failed(void *aux, const char *why)
{
    struct fixture *f = aux;
    f->n_failed++;
    snprintf(f->why, sizeof f->why, "%s", why);
}

static const struct stream_ops ops = {
    .opened = opened, .input = input, .taken = taken, .drained = drained, .ended = ended,
    .failed = failed,
};

static int
set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    int fds[2];
    signal(SIGPIPE, SIG_IGN);
    f->base = event_base_new();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    f->stream = stream_new(f->base, fds[0], false);
    assert_non_null(f->stream);
    f->peer = fds[1];
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    stream_free(f->stream);
    if (f->peer >= 0) {
        close(f->peer);
    }
    event_base_free(f->base);
    free(f);
    return 0;
}

static void
turn(struct fixture *f)
{
    event_base_loop(f->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static size_t
input_size(struct fixture *f)
{
    return evbuffer_get_length(stream_input(f->stream));
}

static void
bytes_go_both_ways(void **state)
{
    struct fixture *f = *state;
    char text[16] = "";
    assert_true(stream_send(f->stream, "early ", 6));     /* before it begins */
    stream_start(f->stream, &ops, f);
    assert_int_equal(stream_state(f->stream), STREAM_OPEN);
    assert_true(stream_send(f->stream, "bird", 4));
    assert_int_equal(stream_queued(f->stream), 10);
    assert_int_equal(recv(f->peer, text, sizeof text, 0), -1);
    turn(f);
    assert_int_equal(recv(f->peer, text, sizeof text, 0), 10);
    assert_memory_equal(text, "early bird", 10);
    assert_int_equal(f->taken, 10);
    assert_int_equal(f->n_drained, 1);
    assert_int_equal(stream_queued(f->stream), 0);

    assert_int_equal(send(f->peer, "worm", 4, 0), 4);
    turn(f);
    assert_int_equal(f->n_input, 1);
    assert_int_equal(input_size(f), 4);
    assert_int_equal(f->n_opened, 0);       /* it was from the start */
}

static void
an_answer_leaves_in_the_turn_of_the_question(void **state)
{
    struct fixture *f = *state;
    char text[16];
    stream_start(f->stream, &ops, f);
    turn(f);
    f->answer = "42";
    assert_int_equal(send(f->peer, "?", 1, 0), 1);
    turn(f);
    assert_int_equal(recv(f->peer, text, sizeof text, 0), 2);
}

static void
reading_can_be_put_off(void **state)
{
    struct fixture *f = *state;
    stream_start(f->stream, &ops, f);
    stream_set_reading(f->stream, false);
    assert_int_equal(send(f->peer, "x", 1, 0), 1);
    for (int i = 0; i < 10; i++) {
        turn(f);
    }
    assert_int_equal(f->n_input, 0);
    stream_set_reading(f->stream, true);
    turn(f);
    assert_int_equal(f->n_input, 1);
}

static void
one_turn_reads_a_piece(void **state)
{
    struct fixture *f = *state;
    static char data[100000];
    stream_start(f->stream, &ops, f);
    turn(f);
    ssize_t sent = send(f->peer, data, sizeof data, 0);
    assert_true(sent > 50000);
    turn(f);
    assert_int_equal(f->n_input, 1);
    assert_in_range(input_size(f), 1, 20000);
    for (int i = 0; i < TURNS_MAX && input_size(f) < (size_t) sent; i++) {
        turn(f);
    }
    assert_int_equal(input_size(f), sent);
}

static void
what_the_peer_does_not_take_waits(void **state)
{
    struct fixture *f = *state;
    enum { SIZE = 4000000, LOW = 1000 };
    char *data = malloc(SIZE), buffer[65536];
    for (size_t i = 0; i < SIZE; i++) {
        data[i] = (char) (i * 7 >> 3);
    }
    stream_set_low_mark(f->stream, LOW);
    stream_start(f->stream, &ops, f);
    assert_true(stream_send(f->stream, data, SIZE));
    for (int i = 0; i < 50; i++) {
        turn(f);
    }
    assert_int_equal(f->n_drained, 0);
    assert_in_range(stream_queued(f->stream), 1000000, SIZE - 1);
    assert_int_equal(stream_queued(f->stream) + f->taken, SIZE);

    size_t got = 0;
    for (int i = 0; i < 100 * TURNS_MAX && got < SIZE; i++) {
        ssize_t n = recv(f->peer, buffer, sizeof buffer, 0);
        if (n > 0) {
            assert_memory_equal(buffer, data + got, (size_t) n);
            got += (size_t) n;
        }
        assert_true(!f->n_drained || stream_queued(f->stream) <= LOW);
        turn(f);
    }
    assert_int_equal(got, SIZE);
    assert_true(f->n_drained > 0);
    assert_int_equal(f->taken, SIZE);
    free(data);
}

static void
the_end_of_the_input_is_told_once_and_output_goes_on(void **state)
{
    struct fixture *f = *state;
    char text[8];
    stream_start(f->stream, &ops, f);
    assert_int_equal(send(f->peer, "last", 4, 0), 4);
    assert_int_equal(shutdown(f->peer, SHUT_WR), 0);
    for (int i = 0; i < 5; i++) {
        turn(f);
    }
    assert_int_equal(f->n_input, 1);
    assert_int_equal(f->n_ended, 1);
    assert_string_equal(f->why, "closed by the peer");
    assert_true(stream_send(f->stream, "reply", 5));
    turn(f);
    assert_int_equal(recv(f->peer, text, sizeof text, 0), 5);
    assert_true(stream_shut_down(f->stream));
    assert_int_equal(recv(f->peer, text, sizeof text, 0), 0);
    assert_int_equal(f->n_failed, 0);
}

static void
a_peer_that_is_gone_is_told(void **state)
{
    struct fixture *f = *state;
    stream_start(f->stream, &ops, f);
    stream_set_reading(f->stream, false);
    close(f->peer);
    f->peer = -1;
    assert_true(stream_send(f->stream, "hello?", 6));
    turn(f);
    assert_int_equal(f->n_failed, 1);
    assert_string_equal(f->why, strerror(EPIPE));
    assert_true(stream_send(f->stream, "hello?", 6));
    turn(f);
    assert_int_equal(f->n_failed, 1);
}

static void
nothing_is_told_after_a_stop(void **state)
{
    struct fixture *f = *state;
    char text[8];
    f->stop_on_input = true;
    stream_start(f->stream, &ops, f);
    assert_true(stream_send(f->stream, "x", 1));
    turn(f);
    assert_int_equal(recv(f->peer, text, sizeof text, 0), 1);
    f->answer = "never";
    assert_int_equal(send(f->peer, "one", 3, 0), 3);
    turn(f);
    assert_int_equal(send(f->peer, "two", 3, 0), 3);
    assert_int_equal(shutdown(f->peer, SHUT_WR), 0);
    for (int i = 0; i < 5; i++) {
        turn(f);
    }
    assert_int_equal(f->n_input, 1);
    assert_int_equal(f->n_ended, 0);
    assert_int_equal(recv(f->peer, text, sizeof text, 0), -1);
    assert_false(stream_shut_down(f->stream));
}

/* --- connecting ------------------------------------------------------------------------ */

/* A connection under way to a port of loopback, where somebody listens or not. */
static struct stream *
connecting(struct fixture *f, bool listens, int *listener)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    *listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(*listener, (struct sockaddr *) &addr, size), 0);
    assert_int_equal(getsockname(*listener, (struct sockaddr *) &addr, &size), 0);
    if (listens) {
        assert_int_equal(listen(*listener, 1), 0);
    }
    assert_int_equal(connect(fd, (struct sockaddr *) &addr, size), -1);
    assert_int_equal(errno, EINPROGRESS);
    struct stream *stream = stream_new(f->base, fd, true);
    assert_non_null(stream);
    return stream;
}

static void
a_connection_opens_when_it_is_made(void **state)
{
    struct fixture *f = *state;
    int listener;
    struct stream *stream = connecting(f, true, &listener);
    assert_int_equal(stream_state(stream), STREAM_CONNECTING);
    assert_true(stream_send(stream, "in advance", 10));
    stream_start(stream, &ops, f);
    for (int i = 0; i < TURNS_MAX && f->taken < 10; i++) {
        turn(f);
    }
    assert_int_equal(f->n_opened, 1);
    assert_int_equal(stream_state(stream), STREAM_OPEN);
    char text[16];
    int peer = accept(listener, NULL, NULL);
    assert_int_equal(recv(peer, text, sizeof text, 0), 10);
    close(peer);
    close(listener);
    stream_free(stream);
}

static void
a_connection_that_is_refused_says_why(void **state)
{
    struct fixture *f = *state;
    int listener;
    struct stream *stream = connecting(f, false, &listener);
    stream_start(stream, &ops, f);
    for (int i = 0; i < TURNS_MAX && !f->n_failed; i++) {
        turn(f);
    }
    assert_int_equal(f->n_failed, 1);
    assert_int_equal(f->n_opened, 0);
    assert_string_equal(f->why, strerror(ECONNREFUSED));
    close(listener);
    stream_free(stream);
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bytes_go_both_ways),
        TEST(an_answer_leaves_in_the_turn_of_the_question),
        TEST(reading_can_be_put_off),
        TEST(one_turn_reads_a_piece),
        TEST(what_the_peer_does_not_take_waits),
        TEST(the_end_of_the_input_is_told_once_and_output_goes_on),
        TEST(a_peer_that_is_gone_is_told),
        TEST(nothing_is_told_after_a_stop),
        TEST(a_connection_opens_when_it_is_made),
        TEST(a_connection_that_is_refused_says_why),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
