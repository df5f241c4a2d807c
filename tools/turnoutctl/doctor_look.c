/* SPDX-License-Identifier: Apache-2.0 */
/* The facts about a port, from the kernel. Nothing is changed. */
#include <errno.h>
#include <linux/devlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/turnoutctl/doctor.h"

enum { MAX_DEVLINK = 64 };

/* What devlink has, asked for once. */
struct doctor_devices {
    struct devlink_port *ports;
    struct devlink_handle *handles;
    size_t n_ports, n_handles;
    struct devlink_device *device[MAX_DEVLINK];      /* by handle; NULL: not asked for yet */
};

struct doctor_devices *
doctor_devices_new(void)
{
    struct doctor_devices *devices = calloc(1, sizeof *devices);
    /* A kernel without devlink has none of them. */
    if (devices && !devlink_list_devices(&devices->handles, &devices->n_handles, NULL)) {
        (void) devlink_list_ports(&devices->ports, &devices->n_ports, NULL);
    }
    return devices;
}

void
doctor_devices_free(struct doctor_devices *devices)
{
    if (devices) {
        for (size_t i = 0; i < MAX_DEVLINK; i++) {
            free(devices->device[i]);
        }
        free(devices->ports);
        free(devices->handles);
        free(devices);
    }
}

static const struct devlink_device *
find_device(struct doctor_devices *devices, const char *bus, const char *name)
{
    for (size_t i = 0; i < devices->n_handles && i < MAX_DEVLINK; i++) {
        const struct devlink_handle *handle = &devices->handles[i];
        if (strcmp(handle->bus, bus) || strcmp(handle->name, name)) {
            continue;
        }
        struct devlink_device *device = devices->device[i] ? NULL : malloc(sizeof *device);
        if (device && !devlink_get_device(handle, device, NULL)) {
            devices->device[i] = device;
        } else {
            free(device);
        }
        return devices->device[i];
    }
    return NULL;
}

static void
add_problem(struct doctor_port *port, const struct errmsg *err)
{
    size_t len = strlen(port->problem);
    snprintf(port->problem + len, sizeof port->problem - len, "%s%s", len ? "; " : "", err->text);
}

/* --- roles ---------------------------------------------------------------------------------- */

/* Skips 'prefix' and the digits that must follow it. */
static bool
skip_numbered(const char **text, const char *prefix)
{
    size_t len = strlen(prefix), digits;
    if (strncmp(*text, prefix, len)) {
        return false;
    }
    digits = strspn(*text + len, "0123456789");
    *text += digits ? len + digits : 0;
    return digits;
}

/* phys_port_name as the kernel makes it: "p0", "p0s1", "pf0", "pf0vf1", "pf0sf1", with "c1" in front
 * for another host's. False if it is none of them. */
static bool
role_of_name(const char *name, enum doctor_role *role)
{
    const char *p = name;
    skip_numbered(&p, "c");
    if (skip_numbered(&p, "pf")) {
        *role = skip_numbered(&p, "vf") ? DOCTOR_VF_REPRESENTOR
                : skip_numbered(&p, "sf") ? DOCTOR_SF_REPRESENTOR : DOCTOR_PF_REPRESENTOR;
        return !*p;
    }
    if (skip_numbered(&p, "p")) {
        skip_numbered(&p, "s");
        *role = DOCTOR_PORT;
        return !*p;
    }
    return false;
}

static bool
role_of_flavour(int flavour, enum doctor_role *role)
{
    switch (flavour) {
    case DEVLINK_PORT_FLAVOUR_PCI_PF:
        *role = DOCTOR_PF_REPRESENTOR;
        return true;
    case DEVLINK_PORT_FLAVOUR_PCI_VF:
        *role = DOCTOR_VF_REPRESENTOR;
        return true;
    case DEVLINK_PORT_FLAVOUR_PCI_SF:
        *role = DOCTOR_SF_REPRESENTOR;
        return true;
    default:
        return false;
    }
}

enum doctor_role
doctor_role_of(const struct doctor_port *port)
{
    enum doctor_role role;
    if (port->has_pci && *port->pci.physical) {
        return DOCTOR_VF;
    }
    if (port->link.switch_id_len) {
        bool known = (port->has_devlink_port && role_of_flavour(port->devlink_port.flavour, &role))
                     || role_of_name(port->link.port_name, &role);
        return known ? role : DOCTOR_PORT;
    }
    return *port->link.parent_dev || port->has_devlink_port ? DOCTOR_NIC : DOCTOR_SOFTWARE;
}

/* --- a port ---------------------------------------------------------------------------------- */

static void
look_at_pci(struct doctor_port *port)
{
    const char *address = !strcmp(port->link.parent_bus, "pci") ? port->link.parent_dev
                          : pci_is_address(port->kernel.bus) ? port->kernel.bus : NULL;
    port->has_pci = address && !pci_get(PCI_SYSFS, address, &port->pci, NULL);
    if (port->has_pci) {
        pci_names(&port->pci, port->vendor_name, port->device_name);
    }
}

/* The eswitch's end of a virtual function that is here itself. */
static void
find_representor(struct doctor_port *port, const struct doctor_devices *devices)
{
    for (size_t i = 0; i < devices->n_ports; i++) {
        const struct devlink_port *other = &devices->ports[i];
        if (other->flavour == DEVLINK_PORT_FLAVOUR_PCI_VF && other->vf == port->pci.vf
            && !strcmp(other->device.name, port->pci.physical)) {
            snprintf(port->representor, sizeof port->representor, "%s", other->netdev);
        }
    }
}

static void
look_at_devlink(struct doctor_port *port, struct doctor_devices *devices)
{
    for (size_t i = 0; i < devices->n_ports; i++) {
        if (devices->ports[i].ifindex == port->link.info.ifindex) {
            port->has_devlink_port = true;
            port->devlink_port = devices->ports[i];
        }
    }
    const struct devlink_handle *handle = &port->devlink_port.device;
    port->devlink = port->has_devlink_port
                    ? find_device(devices, handle->bus, handle->name)
                    : find_device(devices, port->link.parent_bus, port->link.parent_dev);
    if (port->has_pci && *port->pci.physical && port->pci.vf >= 0) {
        find_representor(port, devices);
    }
}

static void
look_at_link(struct doctor_port *port)
{
    struct errmsg err = { "" };
    int rc = driver_info_get(port->name, &port->kernel, &err);
    if (rc && rc != -EOPNOTSUPP) {
        add_problem(port, &err);
    }
    rc = feature_get(port->name, "hw-tc-offload", &port->hw_tc, &err);
    if (rc && rc != -EOPNOTSUPP) {
        add_problem(port, &err);
    }
    port->has_tc = !tc_look(port->link.info.ifindex, &port->tc, &err);
    if (!port->has_tc) {
        add_problem(port, &err);
    }
}

void
doctor_look(struct doctor_port *port, struct doctor_devices *devices)
{
    struct errmsg err = { "" };
    int rc = link_detail_get(port->name, &port->link, &err);
    port->gone = rc == -ENODEV;
    if (rc) {
        if (!port->gone) {
            add_problem(port, &err);
        }
        return;
    }
    look_at_link(port);
    look_at_pci(port);
    look_at_devlink(port, devices);
    port->role = doctor_role_of(port);
}
