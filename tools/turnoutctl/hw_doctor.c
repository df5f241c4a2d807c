/* SPDX-License-Identifier: Apache-2.0 */
/* turnoutctl hw doctor: what ports are, and what stands between them and offload. The ports are those
 * of the running turnoutd, looked at in its network namespace, or with --direct devices of this
 * one. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/if_arp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mgmt/rpc.h"
#include "tools/turnoutctl/doctor.h"
#include "tools/turnoutctl/hw.h"

enum { DOCTOR_FOUND = 1, DOCTOR_FAILED = 2, LOCAL_PORT = 65534 };

struct doctor {
    struct ctl *ctl;
    const char *const *names;      /* those asked for; ends with NULL */
    struct doctor_devices *devices;
    struct doctor_port *ports;
    size_t n_ports;
    unsigned n_software;           /* devices left out */
    json_t *fixed;                 /* what was done */
    bool failed;                   /* a change */
};

static int
fail(const char *format, const char *what, const char *why)
{
    fputs("turnoutctl: ", stderr);
    fprintf(stderr, format, what, why);
    fputc('\n', stderr);
    return DOCTOR_FAILED;
}

/* --- which ports ------------------------------------------------------------------------------- */

static bool
is_wanted(const struct doctor *d, const char *name)
{
    const char *const *wanted = d->names;
    while (*wanted && strcmp(*wanted, name)) {
        wanted++;
    }
    return *wanted || !*d->names;
}

static struct doctor_port *
add_port(struct doctor *d, const char *name)
{
    struct doctor_port *ports = realloc(d->ports, (d->n_ports + 1) * sizeof *ports);
    if (!ports) {
        return NULL;
    }
    d->ports = ports;
    struct doctor_port *port = &ports[d->n_ports++];
    *port = (struct doctor_port) { .number = -1 };
    snprintf(port->name, sizeof port->name, "%s", name);
    return port;
}

/* The options of a driver's device, of what hw-show has. */
static const char *
options_of(const json_t *shown, const char *driver)
{
    const json_t *device;
    size_t i;
    json_array_foreach(json_object_get(shown, "devices"), i, device) {
        if (!strcmp(ctl_text(device, "driver"), driver)) {
            return ctl_text(device, "options");
        }
    }
    return "";
}

static int
add_bridge(struct doctor *d, const json_t *bridge, const json_t *shown)
{
    const json_t *row;
    size_t i;
    json_array_foreach(json_object_get(bridge, "ports"), i, row) {
        const char *name = ctl_text(row, "name"), *driver = ctl_text(row, "driver");
        if (ctl_number(row, "number") == LOCAL_PORT || !is_wanted(d, name)) {
            continue;
        }
        struct doctor_port *port = add_port(d, name);
        if (!port) {
            return fail("%s%s", "no memory", "");
        }
        port->is_port = true;
        port->number = (int) ctl_number(row, "number");
        snprintf(port->bridge, sizeof port->bridge, "%s", ctl_text(bridge, "name"));
        snprintf(port->driver, sizeof port->driver, "%s", driver);
        snprintf(port->options, sizeof port->options, "%s", options_of(shown, driver));
    }
    return CTL_OK;
}

/* Goes where turnoutd has its devices. */
static int
enter_namespace(json_int_t pid)
{
    char path[64];
    struct stat here, there;
    snprintf(path, sizeof path, "/proc/%lld/ns/net", (long long) pid);
    if (stat(path, &there) || stat("/proc/self/ns/net", &here)) {
        return fail("can't look into the network namespace of turnoutd (%s): %s", path,
                    strerror(errno));
    }
    if (here.st_dev == there.st_dev && here.st_ino == there.st_ino) {
        return CTL_OK;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = fd < 0 || setns(fd, CLONE_NEWNET) ? errno : 0;
    if (fd >= 0) {
        close(fd);
    }
    return rc ? fail("can't enter the network namespace of turnoutd (%s): %s", path, strerror(rc))
              : CTL_OK;
}

static int
find_running(struct doctor *d)
{
    json_t *version = NULL, *all = NULL, *shown = NULL, *bridge;
    size_t i;
    bool failed = hw_connect(d->ctl) || ctl_call(d->ctl, "version", NULL, &version)
                  || ctl_call(d->ctl, "show", NULL, &all)
                  || ctl_call(d->ctl, "hw-show", NULL, &shown);
    int status = failed ? DOCTOR_FAILED : enter_namespace(ctl_number(version, "pid"));
    json_array_foreach(json_object_get(all, "bridges"), i, bridge) {
        status = status ? status : add_bridge(d, bridge, shown);
    }
    json_decref(version);
    json_decref(all);
    json_decref(shown);
    return status;
}

/* Devices that could be ports; those of software only if they are asked for. */
static int
find_direct(struct doctor *d)
{
    struct errmsg err = { "" };
    struct link_detail *links = NULL;
    size_t n = 0;
    int status = link_detail_list(&links, &n, &err) ? fail("%s%s", err.text, "") : CTL_OK;
    for (size_t i = 0; i < n && !status; i++) {
        const struct link_detail *link = &links[i];
        if (link->info.type != ARPHRD_ETHER || link->loopback || !is_wanted(d, link->info.name)) {
            continue;
        }
        if (!*d->names && !*link->parent_dev) {
            d->n_software++;
        } else if (!add_port(d, link->info.name)) {
            status = fail("%s%s", "no memory", "");
        }
    }
    free(links);
    return status;
}

static int
check_names(const struct doctor *d)
{
    for (const char *const *name = d->names; *name; name++) {
        size_t i = 0;
        while (i < d->n_ports && strcmp(d->ports[i].name, *name)) {
            i++;
        }
        if (i == d->n_ports) {
            return fail(d->ctl->direct ? "there is no Ethernet device '%s'%s"
                        : "turnoutd has no port '%s'; --direct looks at any device%s", *name, "");
        }
    }
    return CTL_OK;
}

/* --- --fix ---------------------------------------------------------------------------------------- */

static void
fix_one(struct doctor *d, const struct doctor_port *port, const struct doctor_finding *finding)
{
    char undo[DOCTOR_COMMAND_SIZE];
    struct errmsg err = { "" };
    if (doctor_fix(port, finding->code, undo, &err)) {
        fprintf(stderr, "turnoutctl: %s\n", err.text);
        d->failed = true;
    } else {
        json_array_append_new(d->fixed, json_pack("{s:o, s:s, s:o, s:o}", "device",
                                                  rpc_string(port->name), "code",
                                                  doctor_code_name(finding->code), "did",
                                                  rpc_string(finding->command), "undo",
                                                  rpc_string(undo)));
    }
}

/* What can be changed is, once; then the port is looked at again. */
static void
fix(struct doctor *d, struct doctor_port *port, struct doctor_findings *findings)
{
    size_t before = json_array_size(d->fixed);
    for (unsigned i = 0; i < findings->n; i++) {
        if (doctor_code_fixable(findings->at[i].code)) {
            fix_one(d, port, &findings->at[i]);
        }
    }
    if (json_array_size(d->fixed) > before) {
        port->problem[0] = '\0';
        doctor_look(port, d->devices);
        doctor_judge(port, findings);
    }
}

/* --- the report ------------------------------------------------------------------------------------- */

/* True if any of the ports has rules of tc. */
static bool
needs_kernel(const struct doctor *d)
{
    bool needs = d->ctl->direct;
    for (size_t i = 0; i < d->n_ports; i++) {
        needs |= !*d->ports[i].driver || !strcmp(d->ports[i].driver, "tc");
    }
    return needs;
}

static void
print_report(const struct doctor *d, const json_t *report)
{
    const json_t *row, *kernel = json_object_get(json_object_get(report, "kernel"), "findings");
    size_t i;
    if (json_array_size(kernel)) {
        printf("kernel %s\n", ctl_text(json_object_get(report, "kernel"), "release"));
        doctor_print_findings(kernel);
    }
    json_array_foreach(json_object_get(report, "ports"), i, row) {
        doctor_print_port(row);
    }
    if (!d->n_ports) {
        puts(d->ctl->direct ? "No Ethernet device with hardware." : "turnoutd has no ports.");
    }
    if (d->n_software) {
        printf("%u devices without hardware are left out; name one to look at it.\n",
               d->n_software);
    }
    json_array_foreach(d->fixed, i, row) {
        printf("%s: done: %s\n  undo: %s\n", ctl_text(row, "device"), ctl_text(row, "did"),
               ctl_text(row, "undo"));
    }
}

/* Looks, changes if told, and reports. */
static int
examine(struct doctor *d)
{
    struct doctor_kernel kernel = { .n_missing = 0 };
    struct doctor_findings findings = { .n = 0 };
    json_t *ports = json_array();
    doctor_look_at_kernel("", NULL, &kernel);
    if (needs_kernel(d)) {
        doctor_judge_kernel(&kernel, &findings);
    }
    unsigned n_blocking = doctor_count_blocking(&findings);
    json_t *about = json_pack("{s:s, s:o}", "release", kernel.release, "findings",
                              doctor_findings_json(&findings));
    for (size_t i = 0; i < d->n_ports; i++) {
        doctor_look(&d->ports[i], d->devices);
        doctor_judge(&d->ports[i], &findings);
        if (d->ctl->fix) {
            fix(d, &d->ports[i], &findings);
        }
        n_blocking += doctor_count_blocking(&findings);
        json_array_append_new(ports, doctor_port_json(&d->ports[i], &findings));
    }
    json_t *report = json_pack("{s:s, s:o, s:o, s:i, s:O, s:i}", "source",
                               d->ctl->direct ? "direct" : "turnoutd", "kernel", about, "ports",
                               ports, "left_out", (int) d->n_software, "fixed", d->fixed,
                               "blocking", (int) n_blocking);
    if (d->ctl->json) {
        ctl_print_json(d->ctl, report);
    } else {
        print_report(d, report);
    }
    json_decref(report);
    return d->failed ? DOCTOR_FAILED : n_blocking ? DOCTOR_FOUND : CTL_OK;
}

int
hw_doctor(struct ctl *ctl, const char *const args[], unsigned n)
{
    (void) n;
    struct doctor d = { .ctl = ctl, .names = args };
    if (ctl->direct && ctl->fix && !*args) {
        return fail("hw doctor --direct --fix wants the devices to be named%s%s", "", "");
    }
    int status = ctl->direct ? find_direct(&d) : find_running(&d);
    status = status ? status : check_names(&d);
    d.devices = status ? NULL : doctor_devices_new();
    d.fixed = json_array();
    if (!status) {
        status = d.devices && d.fixed ? examine(&d) : fail("%s%s", "no memory", "");
    }
    json_decref(d.fixed);
    doctor_devices_free(d.devices);
    free(d.ports);
    return status;
}
