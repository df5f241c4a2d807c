/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade-check: whether what runs can be stopped and started again, as another version, without
 * losing anything. */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/flow_spec.h"
#include "tools/turnoutctl/ctl.h"
#include "tools/turnoutctl/flow_file.h"
#include "tools/turnoutctl/restore.h"
#include "tools/turnoutctl/run_program.h"

enum { NOT_READY = 1, ERROR = 2 };

struct upgrade {
    struct ctl *ctl;
    json_t *state;                 /* what the daemon says */
    json_t *findings;
    char binary[PATH_MAX];
    char new_version[80];
    unsigned n_lost;
    json_int_t n_different[3];     /* flows of the file and the table: add, change, delete */
};

static void __attribute__((format(printf, 4, 5)))
find(struct upgrade *upgrade, const char *bridge, bool lost, const char *format, ...)
{
    char *text;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    json_array_append_new(upgrade->findings,
                          json_pack("{s:s, s:b, s:s}", "bridge", bridge, "lost", lost, "text",
                                    len < 0 ? "no memory" : text));
    if (len >= 0) {
        free(text);
    }
}

/* --- the new turnoutd ------------------------------------------------------------------ */

static int
ask_version(struct upgrade *upgrade)
{
    const char *argv[] = { upgrade->binary, "--version", NULL };
    struct errmsg err;
    int status = run_program(argv, "/", upgrade->new_version, sizeof upgrade->new_version, &err);
    if (status) {
        fprintf(stderr, "turnoutctl: %s\n", status < 0 ? err.text : upgrade->new_version);
        return ERROR;
    }
    return CTL_OK;
}

/* Whether it understands how the old one was started. */
static int
check_options(struct upgrade *upgrade)
{
    const json_t *arguments = json_object_get(upgrade->state, "arguments");
    size_t n = json_array_size(arguments);
    const char **argv = calloc(n + 3, sizeof *argv);
    char text[1024];
    struct errmsg err = { "no memory" };
    int status = -1;
    if (argv) {
        argv[0] = upgrade->binary;
        for (size_t i = 0; i < n; i++) {
            argv[i + 1] = json_string_value(json_array_get(arguments, i));
        }
        argv[n + 1] = "--check-config";
        status = run_program(argv, ctl_text(upgrade->state, "directory"), text, sizeof text, &err);
    }
    free(argv);
    if (status < 0) {
        fprintf(stderr, "turnoutctl: %s\n", err.text);
        return ERROR;
    }
    if (status) {
        find(upgrade, "", true, "the new turnoutd refuses the options or the configuration: %s",
             text);
    }
    return CTL_OK;
}

/* --- flows ----------------------------------------------------------------------------- */

/* Any name of a port will do: which ports there are the daemon knows. */
static uint16_t
any_port(void *aux, const char *name)
{
    (void) aux;
    (void) name;
    return 1;
}

/* Whether this version understands every flow of the file. *n_emergency counts. */
static int
read_file(struct upgrade *upgrade, const char *bridge, json_int_t *n_emergency)
{
    const struct flow_text_ports ports = { .number = any_port };
    struct flow_spec *spec = malloc(sizeof *spec);
    struct flow_file file;
    struct errmsg err = { "no memory" };
    if (!spec || flow_file_open(&file, upgrade->ctl->flows, &err)) {
        fprintf(stderr, "turnoutctl: %s\n", err.text);
        free(spec);
        return ERROR;
    }
    int got;
    while ((got = flow_file_next(&file, &err)) == 1) {
        if (flow_spec_parse(file.line, FLOW_SPEC_ADD, &ports, spec, &err)) {
            find(upgrade, bridge, true, "%s:%"PRIu32": %s", file.name, file.number, err.text);
        } else {
            *n_emergency += spec->flags & FLOW_SPEC_EMERG ? 1 : 0;
        }
    }
    if (got < 0) {
        find(upgrade, bridge, true, "%s", err.text);
    }
    flow_file_close(&file);
    free(spec);
    return CTL_OK;
}

/* Takes "hard_timeout=N, " out of the text and returns N; 0 if there is none. */
static unsigned long
take_hard_timeout(char *text)
{
    static const char key[] = "hard_timeout=";
    char *begin = strstr(text, key), *end;
    if (!begin) {
        return 0;
    }
    unsigned long seconds = strtoul(begin + sizeof key - 1, &end, 10);
    end += strspn(end, ", ");
    memmove(begin, end, strlen(end) + 1);
    return seconds;
}

/* True if only the hard time-out differs, and is what was left of it. */
static bool
is_remainder(const json_t *row)
{
    char *is = strdup(ctl_text(row, "is")), *wanted = strdup(ctl_text(row, "wanted"));
    bool same = false;
    if (is && wanted) {
        unsigned long all = take_hard_timeout(is), left = take_hard_timeout(wanted);
        same = left && left <= all && !strcmp(is, wanted);
    }
    free(is);
    free(wanted);
    return same;
}

static void
count_difference(const json_t *row, void *upgrade_)
{
    static const char *const ops[] = { "add", "change", "delete" };
    struct upgrade *upgrade = upgrade_;
    for (int i = 0; i < 3; i++) {
        if (!strcmp(ctl_text(row, "op"), ops[i]) && !is_remainder(row)) {
            upgrade->n_different[i]++;
        }
    }
}

static int
compare_with_file(struct upgrade *upgrade, const char *bridge, json_int_t n_emergency)
{
    struct ctl *ctl = upgrade->ctl;
    char name[RESTORE_NAME_SIZE];
    json_int_t in_file = 0;
    json_t *sum;
    size_t n_before = json_array_size(upgrade->findings);
    int status = read_file(upgrade, bridge, &in_file);
    if (status || n_before != json_array_size(upgrade->findings)) {
        return status;
    }
    ctl->bridge = bridge;
    if (restore_stage(ctl, ctl->flows, true, name)
        || restore_each_difference(ctl, count_difference, upgrade, &sum)) {
        return ERROR;
    }
    json_decref(sum);
    const json_int_t *n = upgrade->n_different;
    if (n[0] || n[1] || n[2]) {
        find(upgrade, bridge, true, "flows are not as saved in %s: %lld new, %lld changed, %lld gone",
             ctl->flows, (long long) n[2], (long long) n[1], (long long) n[0]);
    }
    if (in_file != n_emergency) {
        find(upgrade, bridge, true, "%lld emergency flows, but %lld saved in %s",
             (long long) n_emergency, (long long) in_file, ctl->flows);
    }
    return CTL_OK;
}

static int
check_flows(struct upgrade *upgrade, const json_t *bridge)
{
    const char *name = ctl_text(bridge, "name");
    json_int_t n = ctl_number(bridge, "flows"), n_emergency = ctl_number(bridge, "emergency_flows");
    if (upgrade->ctl->flows) {
        return compare_with_file(upgrade, name, n_emergency);
    }
    if (n || n_emergency) {
        find(upgrade, name, true, "%lld flows and %lld emergency flows are not saved; see save-flows "
             "and --flows", (long long) n, (long long) n_emergency);
    }
    return CTL_OK;
}

static int
check_bridges(struct upgrade *upgrade)
{
    const json_t *bridges = json_object_get(upgrade->state, "bridges"), *bridge;
    size_t i;
    if (upgrade->ctl->flows && json_array_size(bridges) != 1) {
        fputs("turnoutctl: --flows is about one bridge: which?\n", stderr);
        return ERROR;
    }
    json_array_foreach(bridges, i, bridge) {
        json_int_t n = ctl_number(bridge, "controllers");
        int status = check_flows(upgrade, bridge);
        if (status) {
            return status;
        }
        if (n) {
            find(upgrade, ctl_text(bridge, "name"), false,
                 "%lld controller%s connected, and will have to connect again", (long long) n,
                 n == 1 ? " is" : "s are");
        }
    }
    return CTL_OK;
}

/* --- the answer ------------------------------------------------------------------------ */

static void
print_answer(struct upgrade *upgrade)
{
    const json_t *finding;
    size_t i;
    const char *old = ctl_text(upgrade->state, "version");
    printf("running  turnoutd %s, process %lld\nnew      %s, %s\n", old,
           (long long) ctl_number(upgrade->state, "pid"), upgrade->new_version, upgrade->binary);
    json_array_foreach(upgrade->findings, i, finding) {
        bool lost = json_is_true(json_object_get(finding, "lost"));
        const char *bridge = ctl_text(finding, "bridge");
        printf("%s     %s%s%s\n", lost ? "lost" : "note", bridge, *bridge ? ": " : "",
               ctl_text(finding, "text"));
    }
    if (upgrade->n_lost) {
        printf("not ready: %u thing%s would be lost\n", upgrade->n_lost,
               upgrade->n_lost == 1 ? "" : "s");
    } else {
        puts("ready");
    }
}

static void
print_json_answer(struct upgrade *upgrade)
{
    json_t *answer = json_pack("{s:b, s:O, s:s, s:s, s:O}", "ready", !upgrade->n_lost, "version",
                               json_object_get(upgrade->state, "version"), "new_version",
                               upgrade->new_version, "binary", upgrade->binary, "findings",
                               upgrade->findings);
    ctl_print_json(upgrade->ctl, answer);
    json_decref(answer);
}

static int
check_all(struct upgrade *upgrade)
{
    struct ctl *ctl = upgrade->ctl;
    const char *binary = ctl->binary ? ctl->binary : TURNOUTD_PATH;
    if (!realpath(binary, upgrade->binary)) {
        fprintf(stderr, "turnoutctl: %s: %s\n", binary, strerror(errno));
        return ERROR;
    }
    if (ctl_connect(ctl) || ctl_call(ctl, "upgrade-check", ctl_params(ctl), &upgrade->state)) {
        return ERROR;
    }
    upgrade->findings = json_incref(json_object_get(upgrade->state, "findings"));
    int status = ask_version(upgrade);
    status = status ? status : check_options(upgrade);
    return status ? status : check_bridges(upgrade);
}

int
ctl_upgrade_check(struct ctl *ctl)
{
    struct upgrade upgrade = { .ctl = ctl };
    const json_t *finding;
    size_t i;
    int status = check_all(&upgrade);
    if (!status) {
        json_array_foreach(upgrade.findings, i, finding) {
            upgrade.n_lost += json_is_true(json_object_get(finding, "lost"));
        }
        (ctl->json ? print_json_answer : print_answer)(&upgrade);
        status = upgrade.n_lost ? NOT_READY : CTL_OK;
    }
    json_decref(upgrade.findings);
    json_decref(upgrade.state);
    return status;
}
