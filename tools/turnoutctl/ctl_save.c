/* SPDX-License-Identifier: Apache-2.0 */
/* save-flows: the flow table as a file. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/flow_spec.h"
#include "lib/flow_text.h"
#include "tools/turnoutctl/ctl.h"
#include "tools/turnoutctl/flow_file.h"

struct save {
    const struct ctl *ctl;
    struct new_file file;
    bool emergency;                /* the table of emergency flows is saved */
    uint64_t n_flows;
    struct flow_spec spec;         /* scratch */
    struct errmsg err;             /* "": all is well */
};

/* The time-out in whole seconds that ends no sooner than the flow would. */
static uint16_t
remaining(const json_t *row, uint16_t timeout)
{
    double gone = ctl_real(row, "duration_s");
    return gone >= timeout ? 1 : (uint16_t) (timeout - (uint16_t) gone);
}

/* The flow of a row, read as this version of the tool reads it: what it would not
 * understand later is found now. */
static int
read_row(struct save *save, const json_t *row)
{
    struct flow_spec *spec = &save->spec;
    const json_t *flag;
    size_t i;
    if (flow_match_parse(ctl_text(row, "match"), NULL, &spec->match, &save->err)) {
        return -1;
    }
    int n = flow_actions_parse(ctl_text(row, "actions"), NULL, spec->actions, ACTION_LIST_MAX,
                               &save->err);
    if (n < 0) {
        return n;
    }
    spec->n_actions = (uint32_t) n;
    spec->exact = json_is_true(json_object_get(row, "exact"));
    spec->cookie = strtoull(ctl_text(row, "cookie"), NULL, 16);
    spec->priority = (uint16_t) ctl_number(row, "priority");
    spec->idle_timeout = (uint16_t) ctl_number(row, "idle_timeout");
    spec->hard_timeout = (uint16_t) ctl_number(row, "hard_timeout");
    if (save->ctl->remaining && spec->hard_timeout) {
        spec->hard_timeout = remaining(row, spec->hard_timeout);
    }
    spec->flags = 0;
    json_array_foreach(json_object_get(row, "flags"), i, flag) {
        if (!strcmp(json_string_value(flag), "send_flow_rem")) {
            spec->flags |= FLOW_SPEC_SEND_FLOW_REM;
        }
    }
    return 0;
}

static void
save_row(const json_t *row, void *save_)
{
    struct save *save = save_;
    struct strbuf text = { 0 };
    /* Copies of emergency flows that act come with their originals. */
    if (save->err.text[0]
        || (!save->emergency && json_is_true(json_object_get(row, "emergency")))) {
        return;
    }
    if (read_row(save, row)) {
        errmsg_prefix(&save->err, "the flow '%.100s' can't be saved", ctl_text(row, "match"));
        return;
    }
    flow_spec_print(&text, &save->spec, FLOW_SPEC_ADD, NULL);
    if (text.failed) {
        errmsg_set(&save->err, "no memory");
    }
    fprintf(save->file.out, "%s%s\n", save->emergency ? FLOW_FILE_EMERGENCY : "",
            strbuf_text(&text));
    strbuf_fini(&text);
    save->n_flows++;
}

static int
save_all(struct ctl *ctl, struct save *save)
{
    json_t *result;
    int status = ctl_call(ctl, "restore-status", ctl_params(ctl), &result);
    if (status) {
        return status;
    }
    flow_file_put_heading(save->file.out, ctl_text(result, "bridge"));
    bool json = ctl->json;
    ctl->json = false;             /* the rows are for us */
    status = ctl_each_row(ctl, "flows", ctl_params(ctl), "flows", save_row, save);
    if (!status) {
        json_t *params = ctl_params(ctl);
        json_object_set_new(params, "table", json_string("emergency"));
        save->emergency = true;
        status = ctl_each_row(ctl, "flows", params, "flows", save_row, save);
    }
    ctl->json = json;
    flow_file_put_end(save->file.out, save->n_flows);
    json_decref(result);
    return status ? status : save->err.text[0] ? CTL_FAILED : CTL_OK;
}

int
ctl_save_flows(struct ctl *ctl)
{
    struct save *save = calloc(1, sizeof *save);
    const char *name = ctl->args[0];
    bool to_file = name && strcmp(name, "-");
    if (ctl->json && !to_file) {
        fputs("turnoutctl: save-flows --json needs a FILE\n", stderr);
        free(save);
        return CTL_USAGE;
    }
    if (!save || new_file_open(&save->file, name, &save->err)) {
        fprintf(stderr, "turnoutctl: %s\n", save ? save->err.text : "no memory");
        free(save);
        return CTL_FAILED;
    }
    save->ctl = ctl;
    int status = save_all(ctl, save);
    if (new_file_close(&save->file, !status, &save->err)) {
        status = CTL_FAILED;
    }
    if (save->err.text[0]) {
        fprintf(stderr, "turnoutctl: %s\n", save->err.text);
    } else if (!status && ctl->json) {
        printf("{\"file\": ");
        json_t *file = json_string(name);
        json_dumpf(file, stdout, JSON_ENCODE_ANY);
        json_decref(file);
        printf(", \"flows\": %"PRIu64"}\n", save->n_flows);
    }
    free(save);
    return status;
}
