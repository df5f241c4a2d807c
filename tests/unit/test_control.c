/* SPDX-License-Identifier: Apache-2.0 */
/* The control server on a real socket; the clients are descriptors of this process. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/counters.h"
#include "lib/loop.h"
#include "mgmt/control.h"
#include "mgmt/control_hello.h"
#include "tests/unit/mgmt_world.h"

#define HELLO "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"hello\",\"params\":{\"protocols\":[1]}}\n"

struct fixture {
    struct world world;
    char dir[32], path[64];
    struct control_socket *socket;
    struct control *control;
};

static int
set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct errmsg err;
    world_init(&f->world, "bridge br0\nport p1@1 p2@2\nlisten ptcp:0:127.0.0.1");
    strcpy(f->dir, "/tmp/turnout-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/control", f->dir);
    if (control_socket_open(f->path, NULL, &f->socket, &err)) {
        fail_msg("%s", err.text);
    }
    const struct method_env env = { .bridges = f->world.bridges, .dp = f->world.dp, .started_ms = 1 };
    f->control = control_new(loop_base(f->world.loop), f->socket, &env, &err);
    assert_non_null(f->control);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    control_free(f->control);
    control_socket_close(f->socket);
    assert_int_equal(access(f->path, F_OK), -1);
    world_fini(&f->world);
    rmdir(f->dir);
    free(f);
    return 0;
}

static int
connect_client(const struct fixture *f)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    strcpy(address.sun_path, f->path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *) &address, sizeof address), 0);
    return fd;
}

static void
send_text(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* What has come in until now: a line, or the end. */
struct reading {
    int fd;
    char *text;
    size_t size;
    bool ended;
};

static bool
read_line(void *aux)
{
    struct reading *r = aux;
    for (;;) {
        char piece[4096];
        ssize_t n = recv(r->fd, piece, sizeof piece, MSG_DONTWAIT | MSG_PEEK);
        r->ended = n == 0 || (n < 0 && errno == ECONNRESET);
        if (n <= 0) {
            return r->ended;
        }
        const char *newline = memchr(piece, '\n', n);
        n = newline ? newline + 1 - piece : n;
        r->text = realloc(r->text, r->size + n);
        assert_int_equal(recv(r->fd, r->text + r->size, n, 0), n);
        r->size += n;
        if (newline) {
            return true;
        }
    }
}

/* The next answer; NULL if the connection has ended. */
static json_t *
receive(struct fixture *f, int fd)
{
    struct reading r = { .fd = fd };
    json_t *answer = NULL;
    if (!world_run_until(&f->world, read_line, &r)) {
        fail_msg("no answer");
    }
    if (!r.ended) {
        answer = json_loadb(r.text, r.size, 0, NULL);
        assert_non_null(answer);
    }
    free(r.text);
    return answer;
}

static json_int_t
code_of(const json_t *answer)
{
    return json_integer_value(json_object_get(json_object_get(answer, "error"), "code"));
}

static const char *
message_of(const json_t *answer)
{
    return json_string_value(json_object_get(json_object_get(answer, "error"), "message"));
}

static void
expect_error(struct fixture *f, int fd, const char *text, int code, const char *message)
{
    send_text(fd, text);
    json_t *answer = receive(f, fd);
    assert_non_null(answer);
    if (code_of(answer) != code || !strstr(message_of(answer), message)) {
        fail_msg("%s: %d %s", text, (int) code_of(answer), message_of(answer));
    }
    json_decref(answer);
}

/* A client that has said hello. */
static int
greeted_client(struct fixture *f)
{
    int fd = connect_client(f);
    send_text(fd, HELLO);
    json_t *answer = receive(f, fd);
    const json_t *result = json_object_get(answer, "result");
    assert_int_equal(json_integer_value(json_object_get(result, "protocol")), 1);
    json_decref(answer);
    return fd;
}

/* Calls a method with params as JSON text; its result, for the caller to free. */
static json_t *
call(struct fixture *f, int fd, const char *method, const char *params)
{
    char text[400];
    snprintf(text, sizeof text, "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"%s\",\"params\":%s}\n",
             method, params);
    send_text(fd, text);
    json_t *answer = receive(f, fd);
    json_t *result = json_incref(json_object_get(answer, "result"));
    if (!result) {
        fail_msg("%s%s: %s", method, params, answer ? message_of(answer) : "ended");
    }
    assert_string_equal(json_string_value(json_object_get(answer, "id")), "x");
    json_decref(answer);
    return result;
}

static void
expect_refusal(struct fixture *f, int fd, const char *method, const char *params, int code,
               const char *message)
{
    char text[400];
    snprintf(text, sizeof text, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%s}\n",
             method, params);
    expect_error(f, fd, text, code, message);
}

static bool
no_clients(void *control)
{
    return control_n_clients(control) == 0;
}

static void
the_socket_is_for_its_owner(void **state)
{
    struct fixture *f = *state;
    struct stat info;
    assert_int_equal(stat(f->path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
}

static void
the_socket_is_for_its_group(void **state)
{
    struct fixture *f = *state;
    struct control_socket *other;
    struct errmsg err;
    struct stat info;
    char path[80];
    const struct group *group = getgrgid(getegid());
    if (!group) {
        skip();
    }
    snprintf(path, sizeof path, "%s/group", f->dir);
    assert_int_equal(control_socket_open(path, group->gr_name, &other, &err), 0);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0660);
    assert_int_equal(info.st_gid, getegid());
    control_socket_close(other);
    assert_int_not_equal(control_socket_open(path, "no-such-group", &other, &err), 0);
    assert_non_null(strstr(err.text, "no-such-group"));
    assert_int_equal(access(path, F_OK), -1);
}

static void
one_socket_has_one_daemon(void **state)
{
    struct fixture *f = *state;
    struct control_socket *other;
    struct errmsg err;
    char pid[24];
    assert_int_equal(control_socket_open(f->path, NULL, &other, &err), -EALREADY);
    snprintf(pid, sizeof pid, "process %ld", (long) getpid());
    assert_non_null(strstr(err.text, pid));
    assert_int_equal(access(f->path, F_OK), 0);
}

static void
a_stale_socket_is_replaced_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    struct control_socket *other;
    struct errmsg err;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof address.sun_path, "%s/stale", f->dir);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof address), 0);
    close(fd);
    assert_int_equal(control_socket_open(address.sun_path, NULL, &other, &err), 0);
    control_socket_close(other);

    fd = open(address.sun_path, O_CREAT | O_WRONLY, 0600);
    close(fd);
    assert_int_equal(control_socket_open(address.sun_path, NULL, &other, &err), -EEXIST);
    assert_non_null(strstr(err.text, "not a socket"));
    assert_int_equal(unlink(address.sun_path), 0);
}

static void
hello_comes_first(void **state)
{
    struct fixture *f = *state;
    int fd = connect_client(f);
    expect_refusal(f, fd, "version", "{}", RPC_HELLO_FIRST, "hello");
    expect_refusal(f, fd, "nonsense", "{}", RPC_HELLO_FIRST, "hello");
    expect_refusal(f, fd, "hello", "{\"protocols\":[2,3]}", RPC_NO_VERSION, "speaks 1");
    expect_refusal(f, fd, "hello", "{\"protocols\":1}", RPC_INVALID_PARAMS, "list");
    expect_refusal(f, fd, "hello", "{}", RPC_INVALID_PARAMS, "protocols");
    expect_refusal(f, fd, "version", "{}", RPC_HELLO_FIRST, "hello");
    send_text(fd, HELLO);
    json_decref(receive(f, fd));
    json_decref(call(f, fd, "version", "{}"));
    close(fd);
}

static void
malformed_requests_get_errors(void **state)
{
    struct fixture *f = *state;
    int fd = greeted_client(f);
    uint64_t before = counter_read(COUNTER_control_refused);
    expect_error(f, fd, "hello\n", RPC_PARSE_ERROR, "not JSON");
    expect_error(f, fd, "{\"a\":1,\"a\":2}\n", RPC_PARSE_ERROR, "duplicate");
    expect_error(f, fd, "\"\xff\"\n", RPC_PARSE_ERROR, "not JSON");
    expect_error(f, fd, "[]\n", RPC_INVALID_REQUEST, "batches");
    expect_error(f, fd, "{}\n", RPC_INVALID_REQUEST, "jsonrpc");
    expect_error(f, fd, "{\"jsonrpc\":\"2.0\"}\n", RPC_INVALID_REQUEST, "method");
    expect_error(f, fd, "{\"jsonrpc\":\"2.0\",\"id\":[],\"method\":\"show\"}\n",
                 RPC_INVALID_REQUEST, "id");
    expect_error(f, fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"show\",\"params\":[]}\n",
                 RPC_INVALID_REQUEST, "params");
    expect_refusal(f, fd, "nonsense", "{}", RPC_UNKNOWN_METHOD, "nonsense");
    expect_refusal(f, fd, "show", "{\"bridges\":1}", RPC_INVALID_PARAMS, "bridges");
    expect_refusal(f, fd, "show", "{\"bridge\":1}", RPC_INVALID_PARAMS, "params");
    assert_int_equal(counter_read(COUNTER_control_refused), before + 11);
    /* And the connection lives on. */
    json_decref(call(f, fd, "version", "{}"));
    close(fd);
}

static void
notifications_and_empty_lines_are_not_answered(void **state)
{
    struct fixture *f = *state;
    int fd = greeted_client(f);
    send_text(fd, "\n\n{\"jsonrpc\":\"2.0\",\"method\":\"version\"}\n"
                  "{\"jsonrpc\":\"2.0\",\"method\":\"nonsense\"}\n");
    json_decref(call(f, fd, "version", "{}"));
    close(fd);
}

struct sending {
    int fd;
    const char *text;
    size_t left;
};

static bool
send_more(void *aux)
{
    struct sending *s = aux;
    ssize_t n = send(s->fd, s->text, s->left, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) {
        s->text += n;
        s->left -= n;
    }
    return !s->left;
}

static void
requests_in_a_row_are_answered_in_order(void **state)
{
    struct fixture *f = *state;
    int fd = connect_client(f);
    char text[300 * 60] = HELLO;
    size_t len = strlen(text);
    for (int i = 1; i <= 300; i++) {
        len += snprintf(text + len, sizeof text - len,
                        "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"counters\"}\n", i);
    }
    struct sending sending = { fd, text, len };
    assert_true(world_run_until(&f->world, send_more, &sending));
    /* The client ends its side, and still gets all answers. */
    shutdown(fd, SHUT_WR);
    for (int i = 0; i <= 300; i++) {
        json_t *answer = receive(f, fd);
        assert_int_equal(json_integer_value(json_object_get(answer, "id")), i);
        json_decref(answer);
    }
    assert_null(receive(f, fd));
    close(fd);
    assert_true(world_run_until(&f->world, no_clients, f->control));
}

static void
a_request_may_come_in_pieces(void **state)
{
    struct fixture *f = *state;
    int fd = greeted_client(f);
    const char *text = "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"version\"}\n";
    for (; *text; text++) {
        assert_int_equal(send(fd, text, 1, 0), 1);
        loop_poll(f->world.loop);
    }
    json_t *answer = receive(f, fd);
    assert_int_equal(json_integer_value(json_object_get(answer, "id")), 7);
    json_decref(answer);
    close(fd);
}

static void
a_request_that_is_too_long_ends_the_connection(void **state)
{
    struct fixture *f = *state;
    int fd = greeted_client(f);
    char *text = malloc(CONTROL_MAX_REQUEST + 1);
    memset(text, ' ', CONTROL_MAX_REQUEST);
    struct sending sending = { fd, text, CONTROL_MAX_REQUEST };
    assert_true(world_run_until(&f->world, send_more, &sending));
    json_t *answer = receive(f, fd);
    assert_int_equal(code_of(answer), RPC_INVALID_REQUEST);
    json_decref(answer);
    assert_null(receive(f, fd));
    close(fd);
    free(text);
}

static void
a_request_of_the_longest_size_is_taken(void **state)
{
    struct fixture *f = *state;
    int fd = greeted_client(f);
    char *text = malloc(CONTROL_MAX_REQUEST);
    const char *request = "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"version\"}";
    memset(text, ' ', CONTROL_MAX_REQUEST);
    memcpy(text, request, strlen(request));
    text[CONTROL_MAX_REQUEST - 1] = '\n';
    struct sending sending = { fd, text, CONTROL_MAX_REQUEST };
    assert_true(world_run_until(&f->world, send_more, &sending));
    json_t *answer = receive(f, fd);
    assert_int_equal(json_integer_value(json_object_get(answer, "id")), 3);
    json_decref(answer);
    close(fd);
    free(text);
}

static void
clients_are_bounded(void **state)
{
    struct fixture *f = *state;
    int fds[CONTROL_MAX_CLIENTS];
    uint64_t before = counter_read(COUNTER_control_too_many);
    for (int i = 0; i < CONTROL_MAX_CLIENTS; i++) {
        fds[i] = greeted_client(f);
    }
    int fd = connect_client(f);
    json_t *answer = receive(f, fd);
    const json_t *error = json_object_get(answer, "error");
    assert_int_equal(json_integer_value(json_object_get(error, "code")), RPC_BUSY);
    assert_non_null(strstr(message_of(answer), "32 control clients"));
    assert_true(json_is_null(json_object_get(answer, "id")));
    json_decref(answer);
    assert_null(receive(f, fd));
    close(fd);
    assert_int_equal(counter_read(COUNTER_control_too_many), before + 1);
    json_decref(call(f, fds[0], "version", "{}"));
    for (int i = 0; i < CONTROL_MAX_CLIENTS; i++) {
        close(fds[i]);
    }
    assert_true(world_run_until(&f->world, no_clients, f->control));
    fd = greeted_client(f);
    close(fd);
}

static bool
one_client(void *control)
{
    return control_n_clients(control) == 1;
}

static bool
failed_twice(void *before)
{
    return counter_read(COUNTER_control_accept_failed) - *(const uint64_t *) before >= 2;
}

static void
without_descriptors_accepting_pauses(void **state)
{
    struct fixture *f = *state;
    struct rlimit limit, small;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    uint64_t before = counter_read(COUNTER_control_accept_failed);
    strcpy(address.sun_path, f->path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    small = limit;
    small.rlim_cur = (rlim_t) fd + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
    assert_int_equal(connect(fd, (struct sockaddr *) &address, sizeof address), 0);
    assert_true(world_run_until(&f->world, failed_twice, &before));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(world_run_until(&f->world, one_client, f->control));
    /* It was tried now and then only, not all the time. */
    assert_in_range(counter_read(COUNTER_control_accept_failed) - before, 2, 10);
    send_text(fd, HELLO);
    json_decref(receive(f, fd));
    close(fd);
}

/* A client that asks and does not read: the server stops taking its requests, so its own
 * sending blocks, and others go on. */
static void
a_client_that_does_not_read_is_not_served(void **state)
{
    struct fixture *f = *state;
    int slow = greeted_client(f), other = greeted_client(f);
    size_t sent = 0;
    unsigned idle = 0;
    const char *text = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"counters\"}\n";
    struct sending sending = { slow, text, strlen(text) };
    while (idle < 100) {
        size_t left = sending.left;
        if (send_more(&sending)) {
            sending.text = text;
            sending.left = strlen(text);
            sent++;
        }
        idle = sending.left == left ? idle + 1 : 0;
        loop_poll(f->world.loop);
    }
    /* Sockets' buffers, one request's size of input, and little more. */
    assert_true(sent < 20000);
    json_decref(call(f, other, "version", "{}"));
    for (size_t i = 0; i < sent; i++) {
        json_t *answer = receive(f, slow);
        assert_non_null(answer);
        json_decref(answer);
    }
    close(slow);
    close(other);
}

static void
who_does_not_read_or_speak_is_dropped(void **state)
{
    struct fixture *f = *state;
    control_set_timeouts(f->control, 10000, 50);
    uint64_t before = counter_read(COUNTER_control_slow);
    int slow = greeted_client(f);
    char *text = malloc(1000 * 60);
    size_t len = 0;
    for (int i = 0; i < 1000; i++) {
        len += sprintf(text + len, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"counters\"}\n");
    }
    struct sending sending = { slow, text, len };
    send_more(&sending);
    assert_true(world_run_until(&f->world, no_clients, f->control));
    assert_int_equal(counter_read(COUNTER_control_slow), before + 1);
    close(slow);
    free(text);

    control_set_timeouts(f->control, 50, 10000);
    int silent = connect_client(f);
    assert_null(receive(f, silent));
    close(silent);
}

static void
show_and_ports(void **state)
{
    struct fixture *f = *state;
    int fd = greeted_client(f);
    static const uint8_t a[6] = { 2, 0, 0, 0, 0, 1 }, b[6] = { 2, 0, 0, 0, 0, 2 };
    world_add_flow(&f->world, "br0", "in_port=1,actions=output:2", false);
    world_receive(&f->world, "br0", 1, a, b);
    world_receive(&f->world, "br0", 1, a, b);
    json_t *result = call(f, fd, "show", "{}");
    json_t *bridge = json_array_get(json_object_get(result, "bridges"), 0);
    const char *name;
    json_int_t count, hit, missed, lost;
    json_t *ports;
    assert_int_equal(json_unpack(bridge, "{s:s, s:{s:I}, s:{s:I, s:I, s:I}, s:o}", "name", &name,
                                 "flows", "count", &count, "lookups", "hit", &hit, "missed",
                                 &missed, "lost", &lost, "ports", &ports), 0);
    assert_string_equal(name, "br0");
    assert_int_equal(count, 1);
    assert_int_equal(hit, 1);
    assert_int_equal(missed, 1);
    assert_int_equal(lost, 0);
    assert_int_equal(json_array_size(ports), 3);
    json_decref(result);

    result = call(f, fd, "ports", "{\"bridge\":\"br0\"}");
    ports = json_object_get(result, "ports");
    json_t *p2 = json_array_get(ports, 1);
    assert_int_equal(json_integer_value(json_object_get(p2, "tx_packets")), 2);
    assert_int_equal(json_integer_value(json_object_get(p2, "tx_bytes")), 120);
    json_decref(result);

    result = call(f, fd, "cache", "{}");
    json_t *entry = json_array_get(json_object_get(result, "entries"), 0);
    assert_int_equal(json_integer_value(json_object_get(entry, "packets")), 2);
    assert_string_equal(json_string_value(json_object_get(entry, "actions")), "2");
    assert_non_null(strstr(json_string_value(json_object_get(entry, "match")), "in_port(1)"));
    json_decref(result);
    expect_refusal(f, fd, "show", "{\"bridge\":\"br9\"}", RPC_FAILED, "there are: br0");
    close(fd);
}

static void
flows_come_in_pages(void **state)
{
    struct fixture *f = *state;
    int fd = greeted_client(f);
    for (int i = 1; i <= 25; i++) {
        char flow[100];
        snprintf(flow, sizeof flow, "priority=%d,%s,in_port=%d,actions=output:2", i,
                 i % 5 ? "arp" : "ip", i);
        world_add_flow(&f->world, "br0", flow, false);
    }
    json_t *result = call(f, fd, "flows", "{\"limit\":10}");
    unsigned n = 0, pages = 0;
    bool seen[26] = { false };
    for (;;) {
        json_t *flow;
        size_t i;
        json_array_foreach(json_object_get(result, "flows"), i, flow) {
            int priority = json_integer_value(json_object_get(flow, "priority"));
            assert_true(priority >= 1 && priority <= 25 && !seen[priority]);
            seen[priority] = true;
            n++;
        }
        pages++;
        json_int_t next = json_integer_value(json_object_get(result, "next"));
        json_decref(result);
        if (!next) {
            break;
        }
        char params[80];
        snprintf(params, sizeof params, "{\"limit\":10,\"cursor\":%d}", (int) next);
        result = call(f, fd, "flows", params);
    }
    assert_int_equal(n, 25);
    assert_int_equal(pages, 3);
    expect_refusal(f, fd, "flows", "{\"cursor\":99}", RPC_INVALID_PARAMS, "cursor");

    result = call(f, fd, "flows", "{\"match\":\"ip\"}");
    assert_int_equal(json_array_size(json_object_get(result, "flows")), 5);
    json_decref(result);
    result = call(f, fd, "flows", "{\"match\":\"in_port=p2\"}");
    json_t *flow = json_array_get(json_object_get(result, "flows"), 0);
    assert_string_equal(json_string_value(json_object_get(flow, "match")), "arp,in_port=2");
    assert_string_equal(json_string_value(json_object_get(flow, "actions")), "output:2");
    json_decref(result);
    expect_refusal(f, fd, "flows", "{\"match\":\"nonsense=1\"}", RPC_INVALID_PARAMS, "nonsense");
    expect_refusal(f, fd, "flows", "{\"limit\":0}", RPC_INVALID_PARAMS, "limit");
    expect_refusal(f, fd, "flows", "{\"limit\":10001}", RPC_INVALID_PARAMS, "limit");
    close(fd);
}

/* Flows and the bridge go while they are listed, and clients while they list. */
static void
lists_survive_what_happens_meanwhile(void **state)
{
    struct fixture *f = *state;
    struct errmsg err;
    int fd = greeted_client(f), other = greeted_client(f);
    world_apply(&f->world, "bridge br0\nport p1@1 p2@2\nbridge br1", &err);
    for (int i = 1; i <= 10; i++) {
        char flow[60];
        snprintf(flow, sizeof flow, "in_port=%d,actions=drop", i);
        world_add_flow(&f->world, "br1", flow, false);
    }
    json_t *result = call(f, fd, "flows", "{\"bridge\":\"br1\",\"limit\":4}");
    assert_int_equal(json_integer_value(json_object_get(result, "next")), 1);
    json_decref(result);
    json_decref(call(f, other, "flows", "{\"bridge\":\"br1\",\"limit\":4}"));
    /* A cursor is one connection's own, and one bridge's. */
    expect_refusal(f, fd, "flows", "{\"bridge\":\"br0\",\"cursor\":1}", RPC_INVALID_PARAMS,
                   "cursor");
    close(other);
    world_apply(&f->world, "bridge br0\nport p1@1 p2@2", &err);
    expect_refusal(f, fd, "flows", "{\"cursor\":1}", RPC_INVALID_PARAMS, "cursor");
    result = call(f, fd, "flows", "{}");
    assert_true(json_is_null(json_object_get(result, "next")));
    json_decref(result);
    close(fd);
}

static void
learnt_addresses_come_in_pages(void **state)
{
    struct fixture *f = *state;
    int fd = greeted_client(f);
    world_add_flow(&f->world, "br0", "actions=normal", false);
    for (int i = 1; i <= 7; i++) {
        const uint8_t src[6] = { 2, 0, 0, 0, 0, i }, dst[6] = { 2, 0, 0, 0, 1, 0 };
        world_receive(&f->world, "br0", 1, dst, src);
    }
    json_t *result = call(f, fd, "fdb", "{\"limit\":4}");
    assert_int_equal(json_array_size(json_object_get(result, "addresses")), 4);
    assert_int_equal(json_integer_value(json_object_get(result, "next")), 4);
    json_decref(result);
    result = call(f, fd, "fdb", "{\"limit\":4,\"cursor\":4}");
    json_t *rows = json_object_get(result, "addresses");
    assert_int_equal(json_array_size(rows), 3);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(rows, 0), "port")), 1);
    assert_true(json_is_null(json_object_get(result, "next")));
    json_decref(result);
    close(fd);
}

static void
ports_are_added_and_removed(void **state)
{
    struct fixture *f = *state;
    int fd = greeted_client(f);
    json_t *result = call(f, fd, "add-port", "{\"device\":\"p9\",\"number\":9}");
    assert_int_equal(json_integer_value(json_object_get(result, "number")), 9);
    json_decref(result);
    expect_refusal(f, fd, "add-port", "{\"device\":\"p9\"}", RPC_FAILED, "p9");
    expect_refusal(f, fd, "add-port", "{\"device\":\"p8\",\"number\":9}", RPC_FAILED, "taken");
    expect_refusal(f, fd, "add-port", "{\"device\":\"p8\",\"number\":65280}", RPC_INVALID_PARAMS,
                   "65279");
    expect_refusal(f, fd, "add-port", "{\"device\":\"a-name-that-is-too-long\"}", RPC_FAILED,
                   "15 characters");
    json_decref(call(f, fd, "del-port", "{\"port\":\"p9\"}"));
    json_decref(call(f, fd, "del-port", "{\"port\":\"2\"}"));
    expect_refusal(f, fd, "del-port", "{\"port\":\"p9\"}", RPC_FAILED, "no port 'p9'");
    expect_refusal(f, fd, "del-port", "{\"port\":\"br0\"}", RPC_FAILED, "LOCAL");
    close(fd);
}

static void
the_other_methods_answer(void **state)
{
    struct fixture *f = *state;
    int fd = greeted_client(f);
    json_t *result = call(f, fd, "controllers", "{}");
    json_t *bridge = json_array_get(json_object_get(result, "bridges"), 0);
    json_t *row = json_array_get(json_object_get(bridge, "connections"), 0);
    assert_string_equal(json_string_value(json_object_get(row, "state")), "listening");
    json_decref(result);
    result = call(f, fd, "counters", "{}");
    assert_int_equal(json_array_size(json_object_get(result, "counters")), N_COUNTERS);
    json_decref(result);
    result = call(f, fd, "trace", "{\"flow\":\"arp,in_port=1\"}");
    assert_true(json_is_true(json_object_get(result, "dropped")));
    json_decref(result);
    expect_refusal(f, fd, "trace", "{\"flow\":\"tp_dst=1\"}", RPC_INVALID_PARAMS, "tp_dst");
    json_decref(call(f, fd, "log-level", "{\"level\":\"error\"}"));
    expect_refusal(f, fd, "log-level", "{\"level\":\"loud\"}", RPC_INVALID_PARAMS, "debug");
    close(fd);
}

/* The restore's status once it is over. */
struct restoring {
    struct fixture *f;
    int fd;
    json_t *status;
};

static void
wait_for_restore(struct restoring *r)
{
    const char *state;
    do {
        json_decref(r->status);
        r->status = call(r->f, r->fd, "restore-status", "{}");
        state = json_string_value(json_object_get(r->status, "state"));
    } while (strcmp(state, "done") && strcmp(state, "failed"));
}

static void
flows_are_staged_compared_and_put_in(void **state)
{
    struct fixture *f = *state;
    struct restoring r = { f, greeted_client(f), NULL };
    static const char *const without[] = { "restore-add", "restore-diff", "restore-run" };
    for (int i = 0; i < 3; i++) {
        expect_refusal(f, r.fd, without[i], i ? "{}" : "{\"flows\":[]}", RPC_FAILED,
                       "there is no \"restore-begin\"");
    }
    world_add_flow(&f->world, "br0", "priority=1,ip,actions=1", false);
    world_add_flow(&f->world, "br0", "priority=2,arp,actions=1", false);
    expect_refusal(f, r.fd, "restore-begin", "{\"bridge\":\"br7\"}", RPC_FAILED, "no bridge 'br7'");
    json_decref(call(f, r.fd, "restore-begin", "{\"replace\":true}"));
    expect_refusal(f, r.fd, "restore-add", "{\"flows\":[{\"line\":7,\"flow\":\"ip\"}]}",
                   RPC_INVALID_PARAMS, "line 7: actions=... is missing");
    expect_refusal(f, r.fd, "restore-add", "{\"flows\":[7]}", RPC_INVALID_PARAMS, "params");
    expect_refusal(f, r.fd, "restore-add",
                   "{\"flows\":[{\"line\":8,\"flow\":\"actions=table\"}]}", RPC_FAILED,
                   "line 8: output to TABLE");
    json_decref(call(f, r.fd, "restore-add",
                     "{\"flows\":[{\"line\":1,\"flow\":\"priority=1,ip,actions=2\"},"
                     "{\"line\":2,\"flow\":\"priority=3,actions=drop\"}]}"));
    expect_refusal(f, r.fd, "restore-diff", "{\"cursor\":7}", RPC_INVALID_PARAMS, "cursor");
    json_t *page = call(f, r.fd, "restore-diff", "{\"limit\":2}");
    assert_int_equal(json_array_size(json_object_get(page, "differences")), 2);
    assert_int_equal(json_integer_value(json_object_get(page, "next")), 1);
    json_decref(page);
    page = call(f, r.fd, "restore-diff", "{\"cursor\":1}");
    const json_t *row = json_array_get(json_object_get(page, "differences"), 0);
    assert_string_equal(json_string_value(json_object_get(row, "op")), "delete");
    assert_string_equal(json_string_value(json_object_get(row, "is")),
                        "cookie=0x0, priority=2,arp actions=output:1");
    assert_true(json_is_null(json_object_get(page, "next")));
    json_decref(page);
    json_decref(call(f, r.fd, "restore-run", "{}"));
    wait_for_restore(&r);
    assert_int_equal(json_integer_value(json_object_get(r.status, "added")), 1);
    assert_int_equal(json_integer_value(json_object_get(r.status, "changed")), 1);
    assert_int_equal(json_integer_value(json_object_get(r.status, "deleted")), 1);
    assert_int_equal(flow_table_count(agent_flows(world_bridge(&f->world, "br0")->agent)), 2);
    expect_refusal(f, r.fd, "restore-run", "{}", RPC_FAILED, "restore-begin");
    json_decref(r.status);
    close(r.fd);
}

/* A bridge that goes takes what is staged for it along, and what runs. */
static void
what_is_staged_goes_with_its_bridge(void **state)
{
    struct fixture *f = *state;
    int fd = greeted_client(f), other = greeted_client(f);
    struct errmsg err;
    json_decref(call(f, fd, "restore-begin", "{\"bridge\":\"br0\"}"));
    json_decref(call(f, fd, "restore-add", "{\"flows\":[{\"line\":1,\"flow\":\"actions=1\"}]}"));
    json_decref(call(f, other, "restore-begin", "{\"bridge\":\"br0\"}"));
    json_decref(call(f, other, "restore-run", "{}"));
    assert_int_equal(world_apply(&f->world, "bridge br1", &err), 0);
    expect_refusal(f, fd, "restore-run", "{}", RPC_FAILED, "restore-begin");
    json_decref(call(f, fd, "restore-begin", "{\"bridge\":\"br1\"}"));
    close(fd);
    close(other);
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_socket_is_for_its_owner),
        TEST(the_socket_is_for_its_group),
        TEST(one_socket_has_one_daemon),
        TEST(a_stale_socket_is_replaced_and_nothing_else),
        TEST(hello_comes_first),
        TEST(malformed_requests_get_errors),
        TEST(notifications_and_empty_lines_are_not_answered),
        TEST(requests_in_a_row_are_answered_in_order),
        TEST(a_request_may_come_in_pieces),
        TEST(a_request_that_is_too_long_ends_the_connection),
        TEST(a_request_of_the_longest_size_is_taken),
        TEST(clients_are_bounded),
        TEST(without_descriptors_accepting_pauses),
        TEST(a_client_that_does_not_read_is_not_served),
        TEST(who_does_not_read_or_speak_is_dropped),
        TEST(show_and_ports),
        TEST(flows_come_in_pages),
        TEST(lists_survive_what_happens_meanwhile),
        TEST(learnt_addresses_come_in_pages),
        TEST(ports_are_added_and_removed),
        TEST(flows_are_staged_compared_and_put_in),
        TEST(what_is_staged_goes_with_its_bridge),
        TEST(the_other_methods_answer),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
