/* SPDX-License-Identifier: Apache-2.0 */
/* turnoutctl hw capture: the packets of some flows, which are brought to software for a bounded
 * time, into a capture file or as lines. When the connection ends, so does the capture. */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base64.h"
#include "lib/pcapng.h"
#include "tools/turnoutctl/client.h"
#include "tools/turnoutctl/hw.h"
#include "tools/turnoutctl/stop.h"

enum { MAX_PORTS = 65536, ETH_HEADER = 14 };

struct hw_capture {
    struct ctl *ctl;
    FILE *out;                         /* NULL: print */
    const char *bridge;
    const json_t *ports;
    uint32_t interface[MAX_PORTS];     /* of a port, 1 the first; 0: not written yet */
    uint32_t n_interfaces;
    uint64_t n_packets, n_dropped, n_dropped_told;
    bool begun, ended;
    int error;                         /* -errno of the output */
};

/* --- packets ------------------------------------------------------------------------------ */

static const char *
port_name(const struct hw_capture *capture, json_int_t number, char buffer[CTL_PORT_SIZE])
{
    const json_t *port;
    size_t i;
    json_array_foreach(capture->ports, i, port) {
        if (ctl_number(port, "number") == number) {
            return ctl_text(port, "name");
        }
    }
    return ctl_port_text(number, buffer);
}

static void
write_packet(struct hw_capture *capture, const json_t *params, const uint8_t *data, size_t size)
{
    json_int_t port = ctl_number(params, "port");
    uint32_t *interface = &capture->interface[(uint16_t) port];
    char number[CTL_PORT_SIZE], description[64];
    if (!*interface) {
        snprintf(description, sizeof description, "bridge %s, port %lld", capture->bridge,
                 (long long) port);
        capture->error = pcapng_write_interface(capture->out, port_name(capture, port, number),
                                                description);
        *interface = ++capture->n_interfaces;
    }
    const struct pcapng_packet packet = {
        .interface = *interface - 1, .time_ns = (uint64_t) ctl_number(params, "time_ns"),
        .direction = PCAPNG_INBOUND, .n_dropped = capture->n_dropped - capture->n_dropped_told,
        .data = data, .size = size,
    };
    if (!capture->error) {
        capture->error = pcapng_write_packet(capture->out, &packet);
    }
    capture->n_dropped_told = capture->n_dropped;
}

/* "14:02:11.123456 p1 1514 bytes, 02:.. > 02:.., type 0x0800" */
static void
print_packet(const struct hw_capture *capture, const json_t *params, const uint8_t *d, size_t size)
{
    json_int_t ns = ctl_number(params, "time_ns");
    time_t seconds = ns / 1000000000;
    struct tm when;
    char clock[16] = "", number[CTL_PORT_SIZE];
    if (localtime_r(&seconds, &when)) {
        strftime(clock, sizeof clock, "%H:%M:%S", &when);
    }
    printf("%s.%06lld %s %zu bytes", clock, (long long) (ns % 1000000000 / 1000),
           port_name(capture, ctl_number(params, "port"), number), size);
    if (size >= ETH_HEADER) {
        printf(", %02x:%02x:%02x:%02x:%02x:%02x > %02x:%02x:%02x:%02x:%02x:%02x, type 0x%02x%02x",
               d[6], d[7], d[8], d[9], d[10], d[11], d[0], d[1], d[2], d[3], d[4], d[5], d[12],
               d[13]);
    }
    putchar('\n');
}

/* A line, since there are many. */
static void
print_line(const struct hw_capture *capture, json_t *params)
{
    json_t *object = json_pack("{s:s, s:s}", "schema", capture->ctl->schema,
                               "command", capture->ctl->schema_command);
    json_object_update(object, params);
    json_dumpf(object, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(object);
}

static void
show_packet(struct hw_capture *capture, json_t *params)
{
    const json_t *data = json_object_get(params, "data");
    size_t len = json_string_length(data);
    uint8_t *bytes = malloc(len / 4 * 3 + 1);
    const char *text = json_string_value(data);
    ssize_t size = bytes && text ? base64_decode(text, len, bytes) : -1;
    capture->n_dropped = (uint64_t) ctl_number(params, "dropped");
    if (size < 0) {
        capture->error = bytes ? -EBADMSG : -ENOMEM;
    } else if (capture->out) {
        write_packet(capture, params, bytes, (size_t) size);
    } else if (capture->ctl->json) {
        print_line(capture, params);
    } else {
        print_packet(capture, params, bytes, (size_t) size);
    }
    capture->n_packets += !capture->error;
    free(bytes);
}

static void
show(struct hw_capture *capture, const json_t *notification)
{
    const char *method = ctl_text(notification, "method");
    json_t *params = json_object_get(notification, "params");
    if (!strcmp(method, "hw-capture-packet")) {
        show_packet(capture, params);
    } else if (!strcmp(method, "hw-capture-begun")) {
        capture->begun = true;
        fprintf(stderr, "turnoutctl: the flows are out of hardware, their packets are captured\n");
    } else if (!strcmp(method, "hw-capture-ended")) {
        capture->ended = true;
        capture->n_dropped = (uint64_t) ctl_number(params, "dropped");
    }
}

/* --- the command --------------------------------------------------------------------------- */

static int
flush(const struct hw_capture *capture)
{
    FILE *out = capture->out ? capture->out : stdout;
    return fflush(out) || ferror(out) ? -(errno ? errno : EIO) : 0;
}

static int
follow(struct hw_capture *capture, int stop_fd, struct errmsg *err)
{
    struct client *client = capture->ctl->client;
    int status = 0;
    while (!status && !capture->error && !capture->ended) {
        json_t *notification;
        if (!client_has_next(client)) {
            capture->error = flush(capture);
        }
        status = capture->error ? 0 : client_next(client, stop_fd, &notification, err);
        if (!status && !capture->error) {
            show(capture, notification);
            json_decref(notification);
        }
    }
    capture->error = capture->error ? capture->error : flush(capture);
    if (capture->error) {
        errmsg_set(err, "can't write: %s", strerror(-capture->error));
    }
    return status < 0 || capture->error ? CTL_FAILED : CTL_OK;
}

static void
tell_sum(const struct hw_capture *capture)
{
    fprintf(stderr, "turnoutctl: %" PRIu64 " packet%s %s, %" PRIu64 " dropped; the flows may go "
            "into hardware again\n", capture->n_packets, capture->n_packets == 1 ? "" : "s",
            capture->out ? "written" : "shown", capture->n_dropped);
}

/* "-": the standard output. False and *err if it can't be. */
static bool
open_file(struct hw_capture *capture, const char *name, struct errmsg *err)
{
    capture->out = strcmp(name, "-") ? fopen(name, "wbe") : stdout;
    int error = -errno;
    if (capture->out) {
        error = pcapng_write_header(capture->out, "turnoutctl " PACKAGE_VERSION);
    }
    if (error) {
        errmsg_set(err, "can't write %s: %s", name, strerror(-error));
    }
    return !error;
}

static int
close_file(struct hw_capture *capture)
{
    return capture->out && capture->out != stdout && fclose(capture->out) ? -errno : 0;
}

static int
begin(struct hw_capture *capture, const char *match, json_t **result)
{
    struct ctl *ctl = capture->ctl;
    json_t *params = ctl_params(ctl);
    json_object_set_new(params, "match", json_string(match));
    if (ctl->seconds) {
        json_object_set_new(params, "seconds", json_integer((json_int_t) ctl->seconds));
    }
    if (ctl->count) {
        json_object_set_new(params, "count", json_integer((json_int_t) ctl->count));
    }
    int status = ctl_call(ctl, "hw-capture", params, result);
    if (!status) {
        capture->bridge = ctl_text(*result, "bridge");
        capture->ports = json_object_get(*result, "ports");
        fprintf(stderr, "turnoutctl: bridge %s: flows that overlap '%s' go by software for %lld s "
                "at most; Ctrl-C ends\n", capture->bridge, match,
                (long long) ctl_number(*result, "seconds"));
    }
    return status;
}

static int
run(struct hw_capture *capture, const char *match, int stop_fd, struct errmsg *err)
{
    json_t *result = NULL;
    int status = begin(capture, match, &result);
    if (!status) {
        status = follow(capture, stop_fd, err);
        tell_sum(capture);
    }
    json_decref(result);
    int error = close_file(capture);
    if (error && !status) {
        errmsg_set(err, "can't write: %s", strerror(-error));
        status = CTL_FAILED;
    }
    return status;
}

int
hw_capture(struct ctl *ctl, const char *const args[], unsigned n)
{
    struct errmsg err = { "" };
    (void) n;
    if (ctl->write && !strcmp(ctl->write, "-") && isatty(STDOUT_FILENO)) {
        fputs("turnoutctl: a capture is not written to a terminal\n", stderr);
        return CTL_USAGE;
    }
    struct hw_capture *capture = calloc(1, sizeof *capture);
    int stop_fd = stop_catch(), status = CTL_FAILED;
    if (!capture || stop_fd < 0) {
        errmsg_set(&err, "%s", strerror(errno));
    } else {
        capture->ctl = ctl;
        if (!ctl->write || open_file(capture, ctl->write, &err)) {
            status = run(capture, args[0], stop_fd, &err);
        }
    }
    if (status && err.text[0]) {
        fprintf(stderr, "turnoutctl: %s\n", err.text);
    }
    free(capture);
    return status;
}
