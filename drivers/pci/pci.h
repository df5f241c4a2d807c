/* SPDX-License-Identifier: Apache-2.0 */
/* What a PCI device is, by its address: numbers, names, its kernel driver, virtual functions. All
 * but the names comes from sysfs, which does not depend on the network namespace; names come from
 * libpci, where Turnout was built with it. Nothing is changed. Any thread, but for names: they
 * share libpci's state, so one thread at a time. */
#ifndef DRIVERS_PCI_PCI_H
#define DRIVERS_PCI_PCI_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/errmsg.h"

#define PCI_SYSFS "/sys"

enum {
    PCI_ADDRESS_SIZE = 16,           /* "0000:03:00.0" */
    PCI_DRIVER_SIZE = 64,
    PCI_NAME_SIZE = 128,
};

struct pci_device {
    char address[PCI_ADDRESS_SIZE];
    uint16_t vendor, device, subsystem_vendor, subsystem_device;
    uint8_t revision;
    char driver[PCI_DRIVER_SIZE];    /* the kernel's; "" if none has it */
    char driver_version[PCI_DRIVER_SIZE];   /* of its module, if it has one of its own; else "" */
    int numa_node;                   /* -1: the machine has no such */
    unsigned vfs, max_vfs;           /* virtual functions there are, and there can be */
    char physical[PCI_ADDRESS_SIZE]; /* of a virtual function: whose it is; else "" */
    int vf;                          /* which of its functions it is; -1: not known, or none */
};

/* True if 'text' has the form of a PCI address: DOMAIN:BUS:DEVICE.FUNCTION, in hex. */
bool pci_is_address(const char *text);

/* Reads the device at 'address' below 'sysfs' (PCI_SYSFS but in tests). 0 and *out; -EINVAL if it
 * is no address; -ENODEV if there is no such device. What a file doesn't say is 0, "" or -1. */
int pci_get(const char *sysfs, const char *address, struct pci_device *out, struct errmsg *);

/* "Mellanox Technologies", "MT27800 Family [ConnectX-5]": from the list of PCI IDs. "" where the
 * list doesn't have it, or Turnout was built without libpci. */
void pci_names(const struct pci_device *, char vendor[PCI_NAME_SIZE], char device[PCI_NAME_SIZE]);

#endif /* drivers/pci/pci.h */
