/* SPDX-License-Identifier: Apache-2.0 */
/* Names, the one thing for which libpci is there: without it they are "". */
#include <config.h>

#include "drivers/pci/pci.h"

#ifdef HAVE_LIBPCI

#include <pci/pci.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* libpci says so when it has no memory; it wants never to come back. */
static void __attribute__((noreturn))
fail(char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    abort();
}

static void
ignore(char *format, ...)
{
    (void) format;
}

/* Looking names up needs no access to the bus: pci_init(), which exits where there is none, is
 * not called. */
static struct pci_access *
open_list(void)
{
    struct pci_access *list = pci_alloc();
    list->error = fail;
    list->warning = ignore;
    list->debug = ignore;
    return list;
}

void
pci_names(const struct pci_device *pci, char vendor[PCI_NAME_SIZE], char device[PCI_NAME_SIZE])
{
    static struct pci_access *list;
    const int flags = PCI_LOOKUP_NO_NUMBERS | PCI_LOOKUP_NO_HWDB;
    char text[PCI_NAME_SIZE];
    list = list ? list : open_list();
    const char *name = pci_lookup_name(list, text, sizeof text, PCI_LOOKUP_VENDOR | flags,
                                       (int) pci->vendor);
    snprintf(vendor, PCI_NAME_SIZE, "%s", name ? name : "");
    name = pci_lookup_name(list, text, sizeof text, PCI_LOOKUP_DEVICE | flags, (int) pci->vendor,
                           (int) pci->device);
    snprintf(device, PCI_NAME_SIZE, "%s", name ? name : "");
}

#else

void
pci_names(const struct pci_device *pci, char vendor[PCI_NAME_SIZE], char device[PCI_NAME_SIZE])
{
    (void) pci;
    vendor[0] = device[0] = '\0';
}

#endif
