/* SPDX-License-Identifier: Apache-2.0 */
/* From facts to findings. Pure. */
#include <linux/devlink.h>
#include <linux/if_link.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "drivers/quirks/quirks.h"
#include "tools/turnoutctl/doctor.h"

static const struct {
    const char *name;
    bool blocks;
} codes[DOCTOR_N_CODES] = {
#define DOCTOR(NAME, WORD, BLOCKS) [DOCTOR_##NAME] = { WORD, BLOCKS },
#include "tools/turnoutctl/doctor.def"
#undef DOCTOR
};

const char *
doctor_code_name(enum doctor_code code)
{
    return codes[code].name;
}

bool
doctor_code_blocks(enum doctor_code code)
{
    return codes[code].blocks;
}

bool
doctor_code_fixable(enum doctor_code code)
{
    return code == DOCTOR_HW_TC_OFFLOAD_OFF || code == DOCTOR_NO_CLSACT;
}

unsigned
doctor_count_blocking(const struct doctor_findings *findings)
{
    unsigned n = 0;
    for (unsigned i = 0; i < findings->n; i++) {
        n += codes[findings->at[i].code].blocks;
    }
    return n;
}

/* --- findings ------------------------------------------------------------------------------- */

/* A new finding with its sentence; never NULL. */
static struct doctor_finding * __attribute__((format(printf, 3, 4)))
found(struct doctor_findings *findings, enum doctor_code code, const char *format, ...)
{
    if (findings->n == DOCTOR_MAX_FINDINGS) {
        findings->n_left_out++;
        findings->n--;
    }
    struct doctor_finding *finding = &findings->at[findings->n++];
    *finding = (struct doctor_finding) { .code = code };
    va_list args;
    va_start(args, format);
    vsnprintf(finding->what, sizeof finding->what, format, args);
    va_end(args);
    return finding;
}

static void __attribute__((format(printf, 2, 3)))
change_by(struct doctor_finding *finding, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(finding->command, sizeof finding->command, format, args);
    va_end(args);
}

/* The command that gives the port another device, or another driver. */
static void
change_port(struct doctor_finding *finding, const struct doctor_port *port, const char *device,
            const char *driver)
{
    if (port->is_port) {
        change_by(finding, "turnoutctl del-port %s %s && turnoutctl add-port %s %s@%d --driver %s",
                  port->bridge, port->name, port->bridge, device, port->number, driver);
    } else {
        change_by(finding, "turnoutd --driver %s --port %s,driver=%s", driver, device, driver);
    }
}

/* --- what is asked ---------------------------------------------------------------------------- */

static bool
is_switchdev(const struct doctor_port *port)
{
    return !strcmp(port->driver, "switchdev");
}

/* Its rules are, or would be, tc's. */
static bool
uses_tc(const struct doctor_port *port)
{
    return !*port->driver || !strcmp(port->driver, "tc");
}

/* The kernel's software forwards, and is wanted to. */
static bool
skips_hardware(const struct doctor_port *port)
{
    return !strcmp(port->driver, "tc") && strstr(port->options, "skip_hw");
}

/* What the table of kernel drivers says; 0: nothing. */
static unsigned
offloads(const struct doctor_port *port)
{
    const struct kernel_driver *driver = kernel_driver_find(port->kernel.driver);
    return driver ? driver->offloads : 0;
}

static bool
takes_rules(const struct doctor_port *port)
{
    return port->hw_tc.known && (port->hw_tc.can || port->hw_tc.on);
}

/* --- the device -------------------------------------------------------------------------------- */

static void
judge_link(const struct doctor_port *port, struct doctor_findings *findings)
{
    if (!port->link.info.up) {
        change_by(found(findings, DOCTOR_DEVICE_DOWN, "The device is down."),
                  "ip link set dev %s up", port->name);
    } else if (!port->link.info.running) {
        found(findings, DOCTOR_NO_CARRIER, "The device has no carrier.");
    }
}

/* The driver can't forward by rules; perhaps by a bridge's addresses. */
static void
judge_without_rules(const struct doctor_port *port, struct doctor_findings *findings)
{
    const char *driver = *port->kernel.driver ? port->kernel.driver : "?";
    bool local = takes_rules(port);
    if (offloads(port) & KERNEL_BRIDGE || (!local && port->link.switch_id_len)) {
        change_port(found(findings, DOCTOR_FITS_SWITCHDEV, "The kernel's driver %s does not forward "
                          "by tc rules, but by the addresses of a bridge: the driver switchdev "
                          "fits.", driver), port, port->name, "switchdev");
    } else if (local) {
        found(findings, DOCTOR_FLOWER_LOCAL, "tc rules of the kernel's driver %s drop, or choose a "
              "queue; they can't forward to other ports.", driver);
    } else {
        found(findings, DOCTOR_NO_TC_OFFLOAD, "The kernel's driver %s has no tc offload.", driver);
    }
}

static void
judge_offload(const struct doctor_port *port, struct doctor_findings *findings)
{
    if (port->role == DOCTOR_SOFTWARE) {
        found(findings, DOCTOR_SOFTWARE_DEVICE, "The device is made of software (%s): there is "
              "nothing to offload into.",
              *port->link.info.kind ? port->link.info.kind : "no hardware is behind it");
    } else if (!takes_rules(port)
               || (offloads(port) & KERNEL_FLOWER_LOCAL && !(offloads(port) & KERNEL_FLOWER))) {
        judge_without_rules(port, findings);
    } else if (!port->hw_tc.on) {
        change_by(found(findings, DOCTOR_HW_TC_OFFLOAD_OFF, "The device's feature hw-tc-offload is "
                        "off%s.", port->hw_tc.wanted ? " although it was switched on" : ""),
                  "ethtool -K %s hw-tc-offload on", port->name);
    }
}

static void
judge_virtual_function(const struct doctor_port *port, struct doctor_findings *findings)
{
    if (port->role != DOCTOR_VF) {
        return;
    }
    struct doctor_finding *finding =
        found(findings, DOCTOR_VIRTUAL_FUNCTION, "The device is a virtual function of %s, not a "
              "port of its eswitch: rules belong on its representor%s%s.", port->pci.physical,
              *port->representor ? ", " : "", port->representor);
    if (*port->representor) {
        change_port(finding, port, port->representor, "tc");
    } else {
        change_by(finding, "devlink dev eswitch set pci/%s mode switchdev", port->pci.physical);
    }
}

static void
judge_eswitch(const struct doctor_port *port, struct doctor_findings *findings)
{
    const struct devlink_device *devlink = port->devlink;
    if (devlink && devlink->eswitch.mode == DEVLINK_ESWITCH_MODE_LEGACY
        && port->role != DOCTOR_VF) {
        change_by(found(findings, DOCTOR_ESWITCH_LEGACY, "The eswitch of %s/%s is in legacy mode: "
                        "its ports can't be forwarded between by rules. The change takes network "
                        "devices away and makes new ones.", devlink->handle.bus,
                        devlink->handle.name),
                  "devlink dev eswitch set %s/%s mode switchdev", devlink->handle.bus,
                  devlink->handle.name);
    }
}

static void
judge_health(const struct doctor_port *port, struct doctor_findings *findings)
{
    const struct devlink_device *d = port->devlink;
    for (unsigned i = 0; d && i < d->n_reporters; i++) {
        if (d->reporters[i].error) {
            change_by(found(findings, DOCTOR_UNHEALTHY, "The device reports an error: %s.",
                            d->reporters[i].name),
                      "devlink health recover %s/%s reporter %s", d->handle.bus, d->handle.name,
                      d->reporters[i].name);
        }
    }
    for (unsigned i = 0; d && i < d->n_resources; i++) {
        const struct devlink_resource *r = &d->resources[i];
        if (r->has_occupancy && r->size && r->occupancy >= r->size) {
            found(findings, DOCTOR_RESOURCE_FULL, "The device's resource %s is full: %llu of %llu.",
                  r->name, (unsigned long long) r->occupancy, (unsigned long long) r->size);
        }
    }
}

static void
judge_quirks(const struct doctor_port *port, struct doctor_findings *findings)
{
    const struct quirk *quirk = NULL;
    while ((quirk = quirk_next(port->kernel.driver, port->kernel.firmware, quirk))) {
        char value[16] = "";
        if (quirk->value) {
            snprintf(value, sizeof value, " (%u)", quirk->value);
        }
        found(findings, DOCTOR_QUIRK, "%s: %s%s: %s.", port->kernel.driver,
              quirk_effect_summary(quirk->effect), value, quirk->words)
            ->quirk = quirk_effect_name(quirk->effect);
    }
}

/* --- Turnout and strangers ------------------------------------------------------------------------ */

static void
judge_driver(const struct doctor_port *port, struct doctor_findings *findings)
{
    if (port->is_port && !*port->driver) {
        change_port(found(findings, DOCTOR_NO_DRIVER, "turnoutd gives the port no offload driver: "
                          "its flows stay in software."), port, port->name, "tc");
    } else if (!uses_tc(port) && !is_switchdev(port)) {
        found(findings, DOCTOR_OWN_DRIVER, "Its driver %s reaches its hardware by its own ways: "
              "'turnoutctl hw probe %s' shows what it can do.", port->driver, port->driver);
    }
}

static void
judge_master(const struct doctor_port *port, struct doctor_findings *findings)
{
    const char *kind = port->link.master_kind;
    if (!port->link.info.master || (is_switchdev(port) && !strcmp(kind, "bridge"))) {
        return;
    }
    struct doctor_finding *finding = found(findings, DOCTOR_ENSLAVED, "The device belongs to a %s, "
                                           "which takes its packets.", *kind ? kind : "master");
    if (!strcmp(kind, "openvswitch")) {
        change_by(finding, "ovs-vsctl del-port %s", port->name);
    } else {
        change_by(finding, "ip link set dev %s nomaster", port->name);
    }
}

static void
judge_xdp(const struct doctor_port *port, struct doctor_findings *findings)
{
    static const char *const modes[] = { "xdp", "xdpdrv", "xdpgeneric", "xdpoffload", "xdp" };
    uint8_t mode = port->link.xdp_mode;
    if (mode == XDP_ATTACHED_NONE) {
        return;
    }
    change_by(found(findings, DOCTOR_XDP_PROGRAM, "An XDP program (%u) of somebody else's takes "
                    "packets before software sees them; those that hardware forwards go past it.",
                    port->link.xdp_prog_id),
              "ip link set dev %s %s off", port->name,
              mode < sizeof modes / sizeof modes[0] ? modes[mode] : "xdp");
}

static void
judge_filters(const struct doctor_port *port, struct doctor_findings *findings)
{
    const struct tc_look *tc = &port->tc;
    const struct tc_filter *first = &tc->foreign;
    if (tc->n_foreign) {
        change_by(found(findings, DOCTOR_FOREIGN_FILTERS, "%u tc filter%s of somebody else's at "
                        "ingress, the first a %s of priority %u: %s may take packets before "
                        "Turnout's.", tc->n_foreign, tc->n_foreign == 1 ? "" : "s", first->kind,
                        first->prio, tc->n_foreign == 1 ? "it" : "they"),
                  "tc filter del dev %s ingress chain %u pref %u", port->name, first->chain,
                  first->prio);
    }
    if (tc->n_foreign_egress) {
        change_by(found(findings, DOCTOR_FOREIGN_EGRESS, "%u tc filter%s of somebody else's at "
                        "egress: what hardware forwards goes past.", tc->n_foreign_egress,
                        tc->n_foreign_egress == 1 ? "" : "s"),
                  "tc filter del dev %s egress", port->name);
    }
}

/* True if another driver was found to fit, which has no use for tc rules. */
static bool
wants_no_rules(const struct doctor_findings *findings)
{
    unsigned i = 0;
    while (i < findings->n && findings->at[i].code != DOCTOR_FITS_SWITCHDEV) {
        i++;
    }
    return i < findings->n;
}

static void
judge_qdiscs(const struct doctor_port *port, struct doctor_findings *findings)
{
    const struct tc_look *tc = &port->tc;
    switch (tc->ingress) {
    case TC_INGRESS_NONE:
        if (wants_no_rules(findings)) {
            break;
        }
        change_by(found(findings, DOCTOR_NO_CLSACT, "The device has no clsact qdisc, which holds "
                        "tc rules."), "tc qdisc add dev %s clsact", port->name);
        break;
    case TC_INGRESS_INGRESS:
        change_by(found(findings, DOCTOR_INGRESS_QDISC, "The device has an ingress qdisc of "
                        "somebody else's in the place of clsact. Filters in it would go with it."),
                  "tc qdisc del dev %s ingress", port->name);
        break;
    case TC_INGRESS_CLSACT:
        if (tc->ingress_block) {
            found(findings, DOCTOR_SHARED_BLOCK, "The device's ingress shares tc's block %u with "
                  "other devices: rules of one are rules of all.", tc->ingress_block);
        }
        break;
    }
    if (*tc->root && !tc->root_ours) {
        change_by(found(findings, DOCTOR_FOREIGN_ROOT, "A root qdisc of somebody else's, %s %x:, "
                        "shapes what software sends; what hardware forwards goes past it.",
                        tc->root, tc->root_handle >> 16),
                  "tc qdisc del dev %s root", port->name);
    }
}

/* --- all of it --------------------------------------------------------------------------------------- */

static void
judge_tc(const struct doctor_port *port, struct doctor_findings *findings)
{
    if (!skips_hardware(port)) {
        judge_offload(port, findings);
        judge_virtual_function(port, findings);
        judge_eswitch(port, findings);
    }
    if (port->has_tc) {
        judge_qdiscs(port, findings);
        judge_filters(port, findings);
    }
    if (!skips_hardware(port)) {
        judge_quirks(port, findings);
    }
}

void
doctor_judge(const struct doctor_port *port, struct doctor_findings *findings)
{
    *findings = (struct doctor_findings) { .n = 0 };
    judge_driver(port, findings);
    if (port->gone) {
        found(findings, DOCTOR_DEVICE_GONE, "There is no such device now.");
        return;
    }
    if (*port->problem) {
        found(findings, DOCTOR_UNREADABLE, "Not all could be looked at: %s.", port->problem);
    }
    judge_link(port, findings);
    if (uses_tc(port) || is_switchdev(port)) {
        judge_master(port, findings);
        judge_xdp(port, findings);
        judge_health(port, findings);
    }
    if (uses_tc(port)) {
        judge_tc(port, findings);
    }
}

void
doctor_judge_kernel(const struct doctor_kernel *kernel, struct doctor_findings *findings)
{
    *findings = (struct doctor_findings) { .n = 0 };
    if (kernel->unknown) {
        found(findings, DOCTOR_KERNEL_UNKNOWN, "There is no telling what modules kernel %s has: no "
              "/lib/modules/%s, and no /proc/kallsyms.", kernel->release, kernel->release);
    }
    for (unsigned i = 0; i < kernel->n_missing; i++) {
        found(findings, DOCTOR_KERNEL_MODULE, "Kernel %s has no %s, which tc offload needs.",
              kernel->release, kernel->missing[i]);
    }
}
