/* SPDX-License-Identifier: Apache-2.0 */
/* pki: keys and certificates for a lab. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/turnoutctl/ctl.h"
#include "tools/turnoutctl/pki.h"

enum { CA_DAYS = 3650, CERT_DAYS = 365 };

static int
usage(void)
{
    fputs("turnoutctl: usage: turnoutctl pki init [NAME]\n"
          "                   turnoutctl pki req NAME [HOST...]\n"
          "                   turnoutctl pki sign NAME\n"
          "Try 'turnoutctl pki --help'.\n", stderr);
    return CTL_USAGE;
}

/* --days, or 'otherwise'. False if it makes no sense. */
static bool
get_days(const struct ctl *ctl, unsigned otherwise, unsigned *days)
{
    char *end;
    *days = otherwise;
    if (!ctl->days) {
        return true;
    }
    unsigned long n = strtoul(ctl->days, &end, 10);
    if (*ctl->days < '0' || *ctl->days > '9' || *end || !n || n > PKI_DAYS_MAX) {
        fprintf(stderr, "turnoutctl: --days is a number from 1 to %d, not '%s'\n", PKI_DAYS_MAX,
                ctl->days);
        return false;
    }
    *days = (unsigned) n;
    return true;
}

static void
print_json(const struct ctl *ctl, const struct pki_result *result)
{
    json_t *files = json_array(), *object = json_object();
    for (int i = 0; i < 2 && result->files[i][0]; i++) {
        json_array_append_new(files, json_string(result->files[i]));
    }
    json_object_set_new(object, "files", files);
    json_object_set_new(object, "subject", json_string(result->subject));
    json_object_set_new(object, "names", json_string(result->names));
    json_object_set_new(object, "not_after", result->not_after[0]
                        ? json_string(result->not_after) : json_null());
    ctl_print_json(ctl, object);
    json_decref(object);
}

static int
report(const struct ctl *ctl, int error, const struct pki_result *result, const struct errmsg *err)
{
    if (error) {
        fprintf(stderr, "turnoutctl: %s\n", err->text);
        return error == -EINVAL ? CTL_USAGE : CTL_FAILED;
    }
    if (ctl->json) {
        print_json(ctl, result);
        return CTL_OK;
    }
    for (int i = 0; i < 2 && result->files[i][0]; i++) {
        printf("%s\n", result->files[i]);
    }
    printf("  %s%s%s%s%s\n", result->subject, *result->names ? "; for " : "", result->names,
           *result->not_after ? "; until " : "", result->not_after);
    return CTL_OK;
}

int
ctl_pki(struct ctl *ctl)
{
    struct pki_result result;
    struct errmsg err = { "" };
    const char *what = ctl->args[0], *name = ctl->args[1];
    const char *dir = ctl->dir ? ctl->dir : ".";
    size_t n_hosts = 0;
    unsigned days;
    while (name && ctl->args[2 + n_hosts]) {
        n_hosts++;
    }
    if (!get_days(ctl, !strcmp(what, "init") ? CA_DAYS : CERT_DAYS, &days)) {
        return CTL_USAGE;
    }
    int error;
    if (!strcmp(what, "init") && !n_hosts) {
        error = pki_init(dir, name ? name : "Turnout lab CA", days, &result, &err);
    } else if (!strcmp(what, "req") && name && !ctl->days) {
        error = pki_req(dir, name, ctl->args + 2, n_hosts, &result, &err);
    } else if (!strcmp(what, "sign") && name && !n_hosts) {
        error = pki_sign(dir, name, days, &result, &err);
    } else {
        return usage();
    }
    return report(ctl, error, &result, &err);
}
