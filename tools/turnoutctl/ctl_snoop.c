/* SPDX-License-Identifier: Apache-2.0 */
/* OpenFlow messages as they come and go: as text, as JSON, or into a capture file. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base64.h"
#include "lib/strbuf.h"
#include "ofagent/ofp_print.h"
#include "tools/turnoutctl/client.h"
#include "tools/turnoutctl/ctl.h"
#include "tools/turnoutctl/snoop_capture.h"
#include "tools/turnoutctl/stop.h"

struct snoop {
    struct ctl *ctl;
    struct snoop_capture *capture;     /* NULL: print */
    uint64_t n_messages, n_lost;
    int error;                         /* -errno of the output */
};

/* The message's bytes, for the caller to free; NULL if they can't be read. */
static uint8_t *
decode_data(const json_t *params, size_t *size)
{
    const json_t *data = json_object_get(params, "data");
    size_t len = json_string_length(data);
    uint8_t *bytes = malloc(len / 4 * 3 + 1);
    ssize_t n = bytes && json_is_string(data) ? base64_decode(json_string_value(data), len, bytes)
                                              : -1;
    if (n < 0) {
        free(bytes);
        return NULL;
    }
    *size = (size_t) n;
    return bytes;
}

static char *
message_text(const uint8_t *msg, size_t size)
{
    struct strbuf text = { 0 };
    ofp_print(&text, msg, size);
    return strbuf_steal(&text);
}

/* "14:02:11.123456 br0 tcp:192.0.2.1:6653 -> OFPT_..." An arrow to the right: sent. */
static void
print_text(const json_t *params, const char *text)
{
    json_int_t ns = ctl_number(params, "time_ns");
    time_t seconds = ns / 1000000000;
    struct tm when;
    char clock[16] = "";
    if (localtime_r(&seconds, &when)) {
        strftime(clock, sizeof clock, "%H:%M:%S", &when);
    }
    const char *peer = ctl_text(params, "peer");
    bool listener = json_is_true(json_object_get(params, "listener"));
    printf("%s.%06lld %s %s%s%s %s %s\n", clock, (long long) (ns % 1000000000 / 1000),
           ctl_text(params, "bridge"), ctl_text(params, "target"), listener ? " " : "",
           listener ? peer : "", json_is_true(json_object_get(params, "sent")) ? "->" : "<-", text);
}

static void
print_json(json_t *object)
{
    json_dumpf(object, stdout, JSON_COMPACT);
    putchar('\n');
}

static int
write_capture(struct snoop *snoop, const json_t *params, const uint8_t *msg, size_t size)
{
    const struct snoop_message message = {
        .time_ns = (uint64_t) ctl_number(params, "time_ns"),
        .sent = json_is_true(json_object_get(params, "sent")),
        .listener = json_is_true(json_object_get(params, "listener")),
        .connection = (uint32_t) ctl_number(params, "connection"),
        .bridge = ctl_text(params, "bridge"),
        .target = ctl_text(params, "target"),
        .local = ctl_text(params, "local"),
        .peer = ctl_text(params, "peer"),
        .data = msg,
        .size = size,
    };
    return snoop_capture_write(snoop->capture, &message);
}

static void
show_message(struct snoop *snoop, json_t *params)
{
    size_t size;
    uint8_t *msg = decode_data(params, &size);
    char *text = msg && !snoop->capture ? message_text(msg, size) : NULL;
    if (!msg || (!text && !snoop->capture)) {
        snoop->error = msg ? -ENOMEM : -EBADMSG;
    } else if (snoop->capture) {
        snoop->error = write_capture(snoop, params, msg, size);
    } else if (snoop->ctl->json) {
        json_object_set_new(params, "text", json_string(text));
        print_json(params);
    } else {
        print_text(params, text);
    }
    snoop->n_messages += !snoop->error;
    free(text);
    free(msg);
}

static void
show_lost(struct snoop *snoop, const json_t *params)
{
    json_int_t n = ctl_number(params, "messages");
    snoop->n_lost += (uint64_t) n;
    if (snoop->capture) {
        snoop_capture_lost(snoop->capture, (uint64_t) n);
    } else if (snoop->ctl->json) {
        json_t *object = json_pack("{s:I}", "lost", n);
        print_json(object);
        json_decref(object);
    } else {
        printf("-- %lld messages left out: this output was not read in time\n", (long long) n);
    }
}

static void
show(struct snoop *snoop, const json_t *notification)
{
    const char *method = ctl_text(notification, "method");
    json_t *params = json_object_get(notification, "params");
    if (!strcmp(method, "snoop")) {
        show_message(snoop, params);
    } else if (!strcmp(method, "snoop-dropped")) {
        show_lost(snoop, params);
    }
}

static int
flush(struct snoop *snoop)
{
    if (snoop->capture) {
        return snoop_capture_flush(snoop->capture);
    }
    return fflush(stdout) || ferror(stdout) ? -errno : 0;
}

/* Until it is stopped, has seen enough, or something breaks. */
static int
follow(struct snoop *snoop, int stop_fd, struct errmsg *err)
{
    struct client *client = snoop->ctl->client;
    uint64_t count = snoop->ctl->count;
    int status = 0;
    while (!status && !snoop->error && (!count || snoop->n_messages < count)) {
        json_t *notification;
        if (!client_has_next(client)) {
            snoop->error = flush(snoop);
        }
        status = snoop->error ? 0 : client_next(client, stop_fd, &notification, err);
        if (!status && !snoop->error) {
            show(snoop, notification);
            json_decref(notification);
        }
    }
    if (!snoop->error) {
        snoop->error = flush(snoop);
    }
    if (stop_requested()) {
        status = 1;
        snoop->error = snoop->error == -EINTR ? 0 : snoop->error;
    } else if (snoop->error) {
        errmsg_set(err, "can't write: %s", strerror(-snoop->error));
    }
    return status < 0 || snoop->error ? CTL_FAILED : CTL_OK;
}

static int
begin(struct snoop *snoop)
{
    struct ctl *ctl = snoop->ctl;
    json_t *params = ctl_params(ctl), *result;
    if (ctl->args[0]) {
        json_object_set_new(params, "connection", json_string(ctl->args[0]));
    }
    int status = ctl_call(ctl, "snoop", params, &result);
    if (!status) {
        json_int_t n = ctl_number(result, "connections");
        fprintf(stderr, "turnoutctl: listening in on %lld connection%s; Ctrl-C ends\n",
                (long long) n, n == 1 ? "" : "s");
        json_decref(result);
    }
    return status;
}

static void
tell_sum(const struct snoop *snoop)
{
    fprintf(stderr, "turnoutctl: %"PRIu64" message%s %s, %"PRIu64" lost\n", snoop->n_messages,
            snoop->n_messages == 1 ? "" : "s", snoop->capture ? "written" : "shown",
            snoop->n_lost);
}

int
ctl_snoop(struct ctl *ctl)
{
    struct snoop snoop = { .ctl = ctl };
    struct errmsg err = { "" };
    if (ctl->write && !strcmp(ctl->write, "-") && isatty(STDOUT_FILENO)) {
        fputs("turnoutctl: a capture is not written to a terminal\n", stderr);
        return CTL_USAGE;
    }
    int stop_fd = stop_catch();
    snoop.capture = ctl->write ? snoop_capture_open(ctl->write, &err) : NULL;
    if (stop_fd < 0 || (ctl->write && !snoop.capture)) {
        fprintf(stderr, "turnoutctl: %s\n", stop_fd < 0 ? strerror(errno) : err.text);
        return CTL_FAILED;
    }
    int status = begin(&snoop);
    if (!status) {
        status = follow(&snoop, stop_fd, &err);
        tell_sum(&snoop);
    }
    int error = snoop_capture_close(snoop.capture);
    if (error && !status) {
        errmsg_set(&err, "can't write %s: %s", ctl->write, strerror(-error));
        status = CTL_FAILED;
    }
    if (status == CTL_FAILED && err.text[0]) {
        fprintf(stderr, "turnoutctl: %s\n", err.text);
    }
    return status;
}
