/* SPDX-License-Identifier: Apache-2.0 */
/* A port and its findings as JSON, and that for people. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/strbuf.h"
#include "mgmt/rpc.h"
#include "tools/turnoutctl/ctl.h"
#include "tools/turnoutctl/doctor.h"

const char *
doctor_role_name(enum doctor_role role)
{
    static const char *const names[] = { "software", "nic", "port", "pf-representor",
                                         "vf-representor", "sf-representor", "vf" };
    _Static_assert(sizeof names / sizeof names[0] == DOCTOR_N_ROLES, "a name each");
    return names[role];
}

/* --- JSON -------------------------------------------------------------------------------------- */

/* What the kernel gives need not be UTF-8; "" is null. */
static json_t *
text(const char *from)
{
    return *from ? rpc_string(from) : json_null();
}

static json_t *
number_or_null(int64_t number)
{
    return number < 0 ? json_null() : json_integer((json_int_t) number);
}

static json_t *
hex(unsigned number)
{
    char buffer[8];
    snprintf(buffer, sizeof buffer, "%04x", number);
    return json_string(buffer);
}

static json_t *
pci_json(const struct doctor_port *port)
{
    const struct pci_device *pci = &port->pci;
    if (!port->has_pci) {
        return json_null();
    }
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:i, s:o, s:o}",
                     "address", pci->address, "vendor", hex(pci->vendor),
                     "device", hex(pci->device), "subsystem_vendor", hex(pci->subsystem_vendor),
                     "subsystem_device", hex(pci->subsystem_device),
                     "vendor_name", text(port->vendor_name), "device_name", text(port->device_name),
                     "numa_node", number_or_null(pci->numa_node), "vfs", (int) pci->vfs,
                     "max_vfs", (int) pci->max_vfs, "physical_function", text(pci->physical),
                     "vf", number_or_null(pci->vf));
}

static json_t *
resources_json(const struct devlink_device *device)
{
    json_t *rows = json_array();
    for (unsigned i = 0; i < device->n_resources; i++) {
        const struct devlink_resource *r = &device->resources[i];
        json_array_append_new(rows, json_pack(
            "{s:o, s:I, s:o}", "name", text(r->name), "size", (json_int_t) r->size, "occupancy",
            r->has_occupancy ? json_integer((json_int_t) r->occupancy) : json_null()));
    }
    return rows;
}

static json_t *
versions_json(const struct devlink_device *device)
{
    json_t *rows = json_array();
    for (unsigned i = 0; i < device->n_versions; i++) {
        const struct devlink_version *v = &device->versions[i];
        json_array_append_new(rows, json_pack("{s:s, s:o, s:o}", "kind", v->kind, "name",
                                              text(v->name), "value", text(v->value)));
    }
    return rows;
}

static json_t *
reporters_json(const struct devlink_device *device)
{
    json_t *rows = json_array();
    for (unsigned i = 0; i < device->n_reporters; i++) {
        const struct devlink_reporter *r = &device->reporters[i];
        json_array_append_new(rows, json_pack("{s:o, s:s, s:I, s:I}", "name", text(r->name), "state",
                                              r->error ? "error" : "healthy", "errors",
                                              (json_int_t) r->errors, "recovers",
                                              (json_int_t) r->recovers));
    }
    return rows;
}

static json_t *
devlink_json(const struct doctor_port *port)
{
    const struct devlink_device *d = port->devlink;
    if (!d) {
        return json_null();
    }
    char handle[2 * DEVLINK_NAME_SIZE];
    snprintf(handle, sizeof handle, "%s/%s", d->handle.bus, d->handle.name);
    const struct devlink_port *p = &port->devlink_port;
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i}", "device", text(handle),
                     "port", number_or_null(port->has_devlink_port ? (int64_t) p->index : -1),
                     "flavour", text(port->has_devlink_port ? devlink_flavour_name(p->flavour) : ""),
                     "eswitch_mode", text(devlink_mode_name(d->eswitch.mode)),
                     "inline_mode", text(devlink_inline_name(d->eswitch.inline_mode)),
                     "encap", text(devlink_encap_name(d->eswitch.encap)),
                     "resources", resources_json(d), "versions", versions_json(d),
                     "health", reporters_json(d), "left_out", (int) d->n_left_out);
}

static json_t *
switch_id_json(const struct link_detail *link)
{
    char id[2 * LINK_SWITCH_ID_MAX + 1] = "";
    for (size_t i = 0; i < link->switch_id_len; i++) {
        snprintf(id + 2 * i, 3, "%02x", link->switch_id[i]);
    }
    return text(id);
}

static const char *
feature_word(const struct feature *feature)
{
    return !feature->known ? "none" : feature->can ? feature->on ? "on" : "off"
                                    : feature->on ? "on-fixed" : "off-fixed";
}

json_t *
doctor_findings_json(const struct doctor_findings *findings)
{
    json_t *rows = json_array();
    for (unsigned i = 0; i < findings->n; i++) {
        const struct doctor_finding *f = &findings->at[i];
        json_array_append_new(rows, json_pack(
            "{s:s, s:b, s:o, s:o, s:b, s:o}", "code", doctor_code_name(f->code),
            "blocks", (int) doctor_code_blocks(f->code), "what", text(f->what),
            "command", text(f->command), "fixable", (int) doctor_code_fixable(f->code),
            "quirk", text(f->quirk ? f->quirk : "")));
    }
    return rows;
}

json_t *
doctor_port_json(const struct doctor_port *port, const struct doctor_findings *findings)
{
    const struct link_detail *link = &port->link;
    char parent[2 * LINK_PARENT_SIZE + 1] = "";
    if (*link->parent_dev) {
        snprintf(parent, sizeof parent, "%s/%s", link->parent_bus, link->parent_dev);
    }
    json_t *out = json_pack(
        "{s:o, s:o, s:o, s:o, s:b, s:s, s:o}", "device", text(port->name), "bridge", text(port->bridge),
        "port", number_or_null(port->number), "driver", text(port->driver), "present",
        (int) !port->gone, "role", doctor_role_name(port->role), "parent", text(parent));
    json_t *kernel = json_pack("{s:o, s:o, s:o}", "driver", text(port->kernel.driver), "version",
                               text(port->kernel.version), "firmware", text(port->kernel.firmware));
    json_object_set_new(out, "kernel", kernel);
    json_object_set_new(out, "switch_id", switch_id_json(link));
    json_object_set_new(out, "port_name", text(link->port_name));
    json_object_set_new(out, "hw_tc_offload", json_string(feature_word(&port->hw_tc)));
    json_object_set_new(out, "pci", pci_json(port));
    json_object_set_new(out, "devlink", devlink_json(port));
    json_object_set_new(out, "findings", doctor_findings_json(findings));
    return out;
}

/* --- for people ------------------------------------------------------------------------------------ */

static void
add_part(struct strbuf *line, const char *before, const char *part)
{
    if (*part) {
        strbuf_printf(line, "%s%s%s", line->len ? ", " : "", before, part);
    }
}

static void
print_line(struct strbuf *line)
{
    if (line->len) {
        printf("  %s\n", strbuf_text(line));
    }
    strbuf_fini(line);
}

static void
print_pci(const json_t *pci)
{
    struct strbuf line = { 0 };
    if (json_is_null(pci)) {
        return;
    }
    strbuf_printf(&line, "PCI %s %s:%s", ctl_text(pci, "address"), ctl_text(pci, "vendor"),
                  ctl_text(pci, "device"));
    add_part(&line, "", ctl_text(pci, "vendor_name"));
    add_part(&line, "", ctl_text(pci, "device_name"));
    add_part(&line, "virtual function of ", ctl_text(pci, "physical_function"));
    if (ctl_number(pci, "max_vfs")) {
        strbuf_printf(&line, ", virtual functions: %lld of %lld", (long long) ctl_number(pci, "vfs"),
                      (long long) ctl_number(pci, "max_vfs"));
    }
    if (json_is_integer(json_object_get(pci, "numa_node"))) {
        strbuf_printf(&line, ", NUMA node %lld", (long long) ctl_number(pci, "numa_node"));
    }
    print_line(&line);
}

static void
print_devlink(const json_t *devlink)
{
    struct strbuf line = { 0 };
    const json_t *row;
    size_t i;
    if (json_is_null(devlink)) {
        return;
    }
    strbuf_printf(&line, "devlink %s", ctl_text(devlink, "device"));
    add_part(&line, "port ", ctl_text(devlink, "flavour"));
    add_part(&line, "eswitch ", ctl_text(devlink, "eswitch_mode"));
    add_part(&line, "inline ", ctl_text(devlink, "inline_mode"));
    add_part(&line, "encap ", ctl_text(devlink, "encap"));
    json_array_foreach(json_object_get(devlink, "health"), i, row) {
        strbuf_printf(&line, ", %s %s", ctl_text(row, "name"), ctl_text(row, "state"));
    }
    print_line(&line);
    json_array_foreach(json_object_get(devlink, "resources"), i, row) {
        struct strbuf resource = { 0 };
        strbuf_printf(&resource, "resource %s: ", ctl_text(row, "name"));
        if (json_is_integer(json_object_get(row, "occupancy"))) {
            strbuf_printf(&resource, "%lld of ", (long long) ctl_number(row, "occupancy"));
        }
        strbuf_printf(&resource, "%lld", (long long) ctl_number(row, "size"));
        print_line(&resource);
    }
}

void
doctor_print_findings(const json_t *findings)
{
    const json_t *row;
    size_t i;
    json_array_foreach(findings, i, row) {
        const char *command = ctl_text(row, "command");
        printf("  %s %s: %s\n", json_is_true(json_object_get(row, "blocks")) ? "!!" : "--",
               ctl_text(row, "code"), ctl_text(row, "what"));
        if (*command) {
            printf("       %s\n", command);
        }
    }
}

/* Whose it is, and what. */
static void
print_first(const json_t *port)
{
    struct strbuf line = { 0 };
    const json_t *kernel = json_object_get(port, "kernel");
    if (*ctl_text(port, "bridge")) {
        strbuf_printf(&line, "port %lld of %s", (long long) ctl_number(port, "port"),
                      ctl_text(port, "bridge"));
        add_part(&line, "driver ", ctl_text(port, "driver"));
    }
    add_part(&line, "", ctl_text(port, "role"));
    add_part(&line, "", ctl_text(port, "port_name"));
    add_part(&line, "switch ", ctl_text(port, "switch_id"));
    printf("%s: %s\n", ctl_text(port, "device"), strbuf_text(&line));
    strbuf_fini(&line);
    if (*ctl_text(kernel, "driver")) {
        add_part(&line, "kernel driver ", ctl_text(kernel, "driver"));
        add_part(&line, "version ", ctl_text(kernel, "version"));
        add_part(&line, "firmware ", ctl_text(kernel, "firmware"));
        add_part(&line, "", ctl_text(port, "parent"));
        add_part(&line, "hw-tc-offload ", ctl_text(port, "hw_tc_offload"));
        print_line(&line);
    }
}

void
doctor_print_port(const json_t *port)
{
    const json_t *findings = json_object_get(port, "findings"), *row;
    size_t i;
    bool blocked = false;
    print_first(port);
    if (json_is_true(json_object_get(port, "present"))) {
        print_pci(json_object_get(port, "pci"));
        print_devlink(json_object_get(port, "devlink"));
    }
    json_array_foreach(findings, i, row) {
        blocked |= json_is_true(json_object_get(row, "blocks"));
    }
    doctor_print_findings(findings);
    if (!blocked) {
        puts("  ok: nothing stands between it and offload");
    }
}
