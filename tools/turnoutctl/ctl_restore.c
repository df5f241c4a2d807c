/* SPDX-License-Identifier: Apache-2.0 */
/* restore-flows: the flows of a file into the table, all of them or none. */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "tools/turnoutctl/ctl.h"
#include "tools/turnoutctl/flow_file.h"
#include "tools/turnoutctl/restore.h"

/* Bytes of flows in a request, whose bound is 64 KiB; and of one flow. */
enum { BATCH_BYTES = 40 * 1024, ROW_EXTRA = 40, POLL_MS = 20, PAGE_ROWS = 500 };

/* Bytes that the text has in JSON, at most. */
static size_t
json_size(const char *text)
{
    size_t size = 2;
    for (; *text; text++) {
        unsigned char c = (unsigned char) *text;
        size += c < 0x20 || c == '"' || c == '\\' || c == 0x7f ? 6 : 1;
    }
    return size;
}

/* Sends what was gathered; *flows is empty then. Errors are the daemon's, about a line. */
static int
send_batch(struct ctl *ctl, const char *file, json_t **flows)
{
    json_t *params = json_pack("{s:o}", "flows", *flows), *result;
    *flows = json_array();
    int status = ctl_call_about(ctl, file, "restore-add", params, &result);
    if (!status) {
        json_decref(result);
    }
    return status;
}

static int
send_flows(struct ctl *ctl, struct flow_file *file)
{
    struct errmsg err = { "" };
    json_t *flows = json_array();
    size_t size = 0;
    int got, status = CTL_OK;
    while (!status && (got = flow_file_next(file, &err)) == 1) {
        size_t more = json_size(file->line) + ROW_EXTRA;
        if (more > BATCH_BYTES) {
            errmsg_set(&err, "%s:%"PRIu32": the line is too long", file->name, file->number);
            got = -1;
            break;
        }
        if (size + more > BATCH_BYTES) {
            status = send_batch(ctl, file->name, &flows);
            size = 0;
        }
        json_array_append_new(flows, json_pack("{s:I, s:s}", "line", (json_int_t) file->number,
                                               "flow", file->line));
        size += more;
    }
    if (!status && got < 0) {
        fprintf(stderr, "turnoutctl: %s\n", err.text);
        status = CTL_FAILED;
    }
    if (!status && json_array_size(flows)) {
        status = send_batch(ctl, file->name, &flows);
    }
    json_decref(flows);
    return status;
}

int
restore_stage(struct ctl *ctl, const char *name, bool replace, char bridge[RESTORE_NAME_SIZE])
{
    struct flow_file file;
    struct errmsg err;
    if (flow_file_open(&file, name, &err)) {
        fprintf(stderr, "turnoutctl: %s\n", err.text);
        return CTL_FAILED;
    }
    json_t *params = ctl_params(ctl), *result;
    json_object_set_new(params, "replace", json_boolean(replace));
    int status = ctl_call(ctl, "restore-begin", params, &result);
    if (!status) {
        snprintf(bridge, RESTORE_NAME_SIZE, "%s", ctl_text(result, "bridge"));
        json_decref(result);
        status = send_flows(ctl, &file);
    }
    flow_file_close(&file);
    return status;
}

/* --- differences ---------------------------------------------------------------------- */

int
restore_each_difference(struct ctl *ctl, void (*visit)(const json_t *row, void *aux), void *aux,
                        json_t **sum)
{
    json_t *params = json_pack("{s:i}", "limit", PAGE_ROWS);
    bool more = true;
    int status = CTL_OK;
    *sum = NULL;
    while (more) {
        json_t *result, *row;
        size_t i;
        status = ctl_call(ctl, "restore-diff", json_incref(params), &result);
        if (status) {
            break;
        }
        json_array_foreach(json_object_get(result, "differences"), i, row) {
            visit(row, aux);
        }
        json_t *next = json_object_get(result, "next");
        more = json_is_integer(next);
        json_object_set(params, "cursor", next);
        json_decref(*sum);
        *sum = json_incref(json_object_get(result, "sum"));
        json_decref(result);
    }
    json_decref(params);
    return status;
}

static void
print_difference(const json_t *row, void *ctl_)
{
    const struct ctl *ctl = ctl_;
    if (ctl->json) {
        json_dumpf(row, stdout, JSON_COMPACT);
        putchar('\n');
        return;
    }
    if (json_object_get(row, "is")) {
        printf("-%s\n", ctl_text(row, "is"));
    }
    if (json_object_get(row, "wanted")) {
        printf("+%s\n", ctl_text(row, "wanted"));
    }
}

static int
show_differences(struct ctl *ctl)
{
    json_t *sum;
    int status = restore_each_difference(ctl, print_difference, ctl, &sum);
    if (!status && ctl->json) {
        json_t *last = json_pack("{s:O}", "sum", sum);
        json_dumpf(last, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(last);
    } else if (!status) {
        fprintf(stderr, "%lld to add, %lld to change, %lld to delete\n",
                (long long) ctl_number(sum, "add"), (long long) ctl_number(sum, "change"),
                (long long) ctl_number(sum, "delete"));
    }
    json_decref(sum);
    return status;
}

/* --- running -------------------------------------------------------------------------- */

/* Asks until it is over. */
static int
wait_until_done(struct ctl *ctl, const char *bridge, json_int_t id, json_t **result)
{
    for (;;) {
        int status = ctl_call(ctl, "restore-status", json_pack("{s:s}", "bridge", bridge), result);
        if (status) {
            return status;
        }
        const char *state = ctl_text(*result, "state");
        if (ctl_number(*result, "id") != id) {
            fprintf(stderr, "turnoutctl: somebody else has restored flows since\n");
            json_decref(*result);
            return CTL_FAILED;
        }
        if (!strcmp(state, "done") || !strcmp(state, "failed")) {
            return CTL_OK;
        }
        json_decref(*result);
        poll(NULL, 0, POLL_MS);
    }
}

static int
run(struct ctl *ctl, const char *file, const char *bridge)
{
    json_t *result;
    int status = ctl_call(ctl, "restore-run", NULL, &result);
    if (status) {
        return status;
    }
    json_int_t id = ctl_number(result, "id");
    json_decref(result);
    status = wait_until_done(ctl, bridge, id, &result);
    if (status) {
        return status;
    }
    bool failed = !strcmp(ctl_text(result, "state"), "failed");
    if (failed && ctl_number(result, "line")) {
        fprintf(stderr, "turnoutctl: %s: line %lld: %s; nothing was changed\n", file,
                (long long) ctl_number(result, "line"), ctl_text(result, "error"));
    } else if (failed) {
        fprintf(stderr, "turnoutctl: %s: %s; nothing was changed\n", file,
                ctl_text(result, "error"));
    } else if (ctl->json) {
        ctl_print_json(ctl, result);
    } else {
        printf("bridge %s: %lld flows added, %lld changed, %lld unchanged, %lld deleted\n", bridge,
               (long long) ctl_number(result, "added"), (long long) ctl_number(result, "changed"),
               (long long) ctl_number(result, "unchanged"),
               (long long) ctl_number(result, "deleted"));
    }
    json_decref(result);
    return failed ? CTL_FAILED : CTL_OK;
}

int
ctl_restore_flows(struct ctl *ctl)
{
    char bridge[RESTORE_NAME_SIZE];
    const char *name = ctl->args[0];
    int status = restore_stage(ctl, name, ctl->replace, bridge);
    if (status) {
        return status;
    }
    return ctl->diff ? show_differences(ctl) : run(ctl, name ? name : "standard input", bridge);
}
