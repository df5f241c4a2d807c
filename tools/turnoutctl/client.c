/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/turnoutctl/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "mgmt/method.h"

struct client {
    FILE *in;
    int fd;
    json_int_t next_id;
    char *line;              /* the buffer of getline() */
    size_t capacity;
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
    FILE *in = client ? fdopen(fd, "r") : NULL;
    if (!in) {
        errmsg_set(err, "no memory");
        free(client);
        close(fd);
        return NULL;
    }
    client->in = in;
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
        fclose(client->in);
        free(client->line);
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
    return error ? -EIO : 0;
}

/* The answer's object, or NULL. */
static json_t *
receive(struct client *client, struct errmsg *err)
{
    ssize_t len = getline(&client->line, &client->capacity, client->in);
    if (len < 0) {
        errmsg_set(err, "turnoutd ended the connection");
        return NULL;
    }
    json_error_t why;
    json_t *answer = json_loadb(client->line, len, 0, &why);
    if (!answer) {
        errmsg_set(err, "turnoutd's answer is not JSON: %s", why.text);
    }
    return answer;
}

int
client_call(struct client *client, const char *method, json_t *params, json_t **result,
            struct errmsg *err)
{
    if (send_request(client, method, params, err)) {
        return -EIO;
    }
    json_t *answer = receive(client, err);
    if (!answer) {
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
