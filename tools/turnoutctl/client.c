/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/turnoutctl/client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "mgmt/method.h"

enum { CLIENT_READ_SIZE = 64 * 1024 };

struct client {
    int fd;
    json_int_t next_id;
    char *input;             /* what was read: lines from 'begin', complete ones first */
    size_t begin, end, capacity;
    size_t searched;         /* from 'begin' on: no line ends in these bytes */
};

static int
connect_to(const char *path, struct errmsg *err)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof address.sun_path) {
        errmsg_set(err, "%s: the path is too long for a socket", path);
        return -1;
    }
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof address)) {
        const char *what = errno == ENOENT || errno == ECONNREFUSED ? "turnoutd is not running"
                           : errno == EACCES ? "no permission to control turnoutd"
                                             : "can't connect to turnoutd";
        errmsg_set(err, "%s: %s: %s", what, path, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    return fd;
}

struct client *
client_connect(const char *path, struct errmsg *err)
{
    int fd = connect_to(path, err);
    if (fd < 0) {
        return NULL;
    }
    struct client *client = calloc(1, sizeof *client);
    if (!client) {
        errmsg_set(err, "no memory");
        close(fd);
        return NULL;
    }
    client->fd = fd;
    json_t *result = NULL;
    json_t *params = json_pack("{s:[i]}", "protocols", CONTROL_PROTOCOL_VERSION);
    if (client_call(client, "hello", params, &result, err)) {
        client_free(client);
        return NULL;
    }
    json_decref(result);
    return client;
}

void
client_free(struct client *client)
{
    if (client) {
        close(client->fd);
        free(client->input);
        free(client);
    }
}

static int
send_all(int fd, const char *text, size_t size)
{
    while (size) {
        ssize_t n = send(fd, text, size, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        if (n > 0) {
            text += n;
            size -= n;
        }
    }
    return 0;
}

static int
send_request(struct client *client, const char *method, json_t *params, struct errmsg *err)
{
    json_t *request = json_pack("{s:s, s:I, s:s, s:o}", "jsonrpc", "2.0", "id",
                                ++client->next_id, "method", method, "params",
                                params ? params : json_object());
    char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
    json_decref(request);
    if (!text) {
        errmsg_set(err, "the arguments can't be sent: are they not UTF-8?");
        return -EIO;
    }
    size_t len = strlen(text);
    text[len] = '\n';         /* in place of the terminator: it is sent by length */
    int error = send_all(client->fd, text, len + 1);
    free(text);
    if (error) {
        errmsg_set(err, "turnoutd: %s", strerror(-error));
    }
    return error;
}

/* --- lines ------------------------------------------------------------------------- */

/* The end of the first line in the input, or NULL. */
static char *
find_newline(struct client *client)
{
    char *text = client->input + client->begin;
    size_t size = client->end - client->begin;
    char *newline = size > client->searched
                    ? memchr(text + client->searched, '\n', size - client->searched) : NULL;
    client->searched = newline ? 0 : size;
    return newline;
}

static bool
make_room(struct client *client)
{
    if (client->begin) {
        memmove(client->input, client->input + client->begin, client->end - client->begin);
        client->end -= client->begin;
        client->begin = 0;
    }
    if (client->capacity - client->end < CLIENT_READ_SIZE) {
        size_t capacity = 2 * client->capacity + CLIENT_READ_SIZE;
        char *input = realloc(client->input, capacity);
        if (!input) {
            return false;
        }
        client->input = input;
        client->capacity = capacity;
    }
    return true;
}

/* Waits for the daemon and reads: 0; 1 if 'stop_fd' (-1: none) was first; or -EIO. */
static int
fill(struct client *client, int stop_fd, struct errmsg *err)
{
    struct pollfd fds[] = { { stop_fd, POLLIN, 0 }, { client->fd, POLLIN, 0 } };
    if (!make_room(client)) {
        errmsg_set(err, "no memory");
        return -EIO;
    }
    while (poll(fds, 2, -1) < 0) {
        if (errno != EINTR) {
            errmsg_set(err, "poll: %s", strerror(errno));
            return -EIO;
        }
    }
    if (fds[0].revents) {
        return 1;
    }
    ssize_t n = read(client->fd, client->input + client->end, client->capacity - client->end);
    if (n < 0 && errno == EINTR) {
        return 0;
    }
    if (n <= 0) {
        errmsg_set(err, "turnoutd ended the connection");
        return -EIO;
    }
    client->end += n;
    return 0;
}

/* The object in the next line: 0, 1 or -EIO as fill(). */
static int
receive(struct client *client, int stop_fd, json_t **object, struct errmsg *err)
{
    char *newline;
    while (!(newline = find_newline(client))) {
        int error = fill(client, stop_fd, err);
        if (error) {
            return error;
        }
    }
    json_error_t why;
    const char *line = client->input + client->begin;
    *object = json_loadb(line, newline - line, 0, &why);
    client->begin = newline + 1 - client->input;
    if (!*object) {
        errmsg_set(err, "turnoutd's answer is not JSON: %s", why.text);
    }
    return *object ? 0 : -EIO;
}

int
client_next(struct client *client, int stop_fd, json_t **message, struct errmsg *err)
{
    return receive(client, stop_fd, message, err);
}

bool
client_has_next(const struct client *client)
{
    size_t size = client->end - client->begin;
    return size > client->searched
           && memchr(client->input + client->begin + client->searched, '\n',
                     size - client->searched);
}

/* --- calls ------------------------------------------------------------------------- */

int
client_call(struct client *client, const char *method, json_t *params, json_t **result,
            struct errmsg *err)
{
    /* One that is refused may find the connection closed, and the reason in it. */
    int error_sending = send_request(client, method, params, err);
    if (error_sending && error_sending != -EPIPE) {
        return -EIO;
    }
    json_t *answer;
    if (receive(client, -1, &answer, err)) {
        return -EIO;
    }
    json_t *error = json_object_get(answer, "error");
    json_t *value = json_object_get(answer, "result");
    int code = 0;
    if (error) {
        const char *message = json_string_value(json_object_get(error, "message"));
        code = json_integer_value(json_object_get(error, "code"));
        code = code ? code : -EIO;
        errmsg_set(err, "%s", message ? message : "turnoutd refused without a reason");
    } else if (!value) {
        code = -EIO;
        errmsg_set(err, "turnoutd's answer has neither a result nor an error");
    } else {
        *result = json_incref(value);
    }
    json_decref(answer);
    return code;
}
