/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the kernel has what tc offload needs. Nothing is loaded: a module that is there, loaded or
 * not, is enough, since tc loads what it needs. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "tools/turnoutctl/doctor.h"

/* A module, and a function of it by which the list of the kernel's symbols shows it. */
static const struct {
    const char *name, *symbol;
} modules[] = {
    { "sch_ingress", "clsact_init" },
    { "cls_flower", "fl_classify" },
    { "act_mirred", "tcf_mirred_act" },
    { "act_gact", "tcf_gact_act" },
    { "act_vlan", "tcf_vlan_act" },
    { "act_pedit", "tcf_pedit_act" },
    { "act_csum", "tcf_csum_act" },
};
enum { N_MODULES = sizeof modules / sizeof modules[0] };
_Static_assert((int) N_MODULES <= (int) DOCTOR_MAX_MODULES, "room for all");

/* Marks the modules that 'word', a name with or without its folder and ending, is one of. */
static void
mark_file(const char *word, bool has[])
{
    const char *slash = strrchr(word, '/'), *name = slash ? slash + 1 : word;
    for (size_t i = 0; i < N_MODULES; i++) {
        size_t len = strlen(modules[i].name);
        has[i] |= !strncmp(name, modules[i].name, len)
                  && (!name[len] || !strncmp(name + len, ".ko", 3));
    }
}

/* Lists with a module's file as the first word of a line. False if there is none. */
static bool
read_list(const char *path, bool has[])
{
    char line[4096];
    FILE *list = fopen(path, "re");
    if (!list) {
        return false;
    }
    while (fgets(line, sizeof line, list)) {
        line[strcspn(line, ": \n")] = '\0';
        mark_file(line, has);
    }
    fclose(list);
    return true;
}

/* "ADDRESS TYPE NAME [MODULE]": what is in the kernel as it runs. */
static bool
read_symbols(const char *path, bool has[])
{
    char line[512], name[256];
    bool any = false;
    FILE *list = fopen(path, "re");
    while (list && fgets(line, sizeof line, list)) {
        if (sscanf(line, "%*s %*s %255s", name) == 1) {
            any = true;
            for (size_t i = 0; i < N_MODULES; i++) {
                has[i] |= !strcmp(name, modules[i].symbol);
            }
        }
    }
    if (list) {
        fclose(list);
    }
    return any;
}

static bool
has_all(const bool has[])
{
    bool all = true;
    for (size_t i = 0; i < N_MODULES; i++) {
        all &= has[i];
    }
    return all;
}

/* True if what is not marked is not there. */
static bool
find_modules(const char *root, const char *release, bool has[])
{
    char path[PATH_MAX];
    for (size_t i = 0; i < N_MODULES; i++) {
        snprintf(path, sizeof path, "%s/sys/module/%s", root, modules[i].name);
        has[i] = !access(path, F_OK);
    }
    snprintf(path, sizeof path, "%s/lib/modules/%s/modules.builtin", root, release);
    bool known = !has_all(has) && read_list(path, has);
    snprintf(path, sizeof path, "%s/lib/modules/%s/modules.dep", root, release);
    known = !has_all(has) && read_list(path, has) && known;
    snprintf(path, sizeof path, "%s/proc/kallsyms", root);
    return has_all(has) || known || read_symbols(path, has);
}

void
doctor_look_at_kernel(const char *root, const char *release, struct doctor_kernel *out)
{
    struct utsname name;
    bool has[N_MODULES];
    if (!release) {
        release = uname(&name) ? "?" : name.release;
    }
    *out = (struct doctor_kernel) { .unknown = !find_modules(root, release, has) };
    snprintf(out->release, sizeof out->release, "%s", release);
    for (size_t i = 0; i < N_MODULES && !out->unknown; i++) {
        if (!has[i]) {
            out->missing[out->n_missing++] = modules[i].name;
        }
    }
}
