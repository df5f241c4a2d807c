/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/pci/pci.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool
pci_is_address(const char *text)
{
    static const char form[] = "xxxx:xx:xx.x";
    size_t domain = strspn(text, "0123456789abcdefABCDEF");
    /* A domain may have more digits than four. */
    if (domain < 4 || domain + sizeof form - 4 > PCI_ADDRESS_SIZE) {
        return false;
    }
    const char *p = text + domain;
    for (const char *f = form + 4; *f; f++, p++) {
        if (*f == 'x' ? !isxdigit((unsigned char) *p) : *p != *f) {
            return false;
        }
    }
    return !*p;
}

/* The first line of a file of the device, without its end; false if there is none. */
static bool
read_text(const char *dir, const char *file, char *out, size_t size)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", dir, file);
    FILE *stream = fopen(path, "re");
    bool done = stream && fgets(out, (int) size, stream);
    if (stream) {
        fclose(stream);
    }
    if (!done) {
        *out = '\0';
    }
    out[strcspn(out, "\n")] = '\0';
    return done;
}

/* A number, decimal or 0x hex; 'none' if there is none, or it is outside of the limits. */
static long
read_number(const char *dir, const char *file, long min, long max, long none)
{
    char text[32], *end;
    if (!read_text(dir, file, text, sizeof text)) {
        return none;
    }
    errno = 0;
    long number = strtol(text, &end, 0);
    return end == text || *end || errno || number < min || number > max ? none : number;
}

/* The last part of where a link points to; "" if it is none. */
static void
read_link(const char *dir, const char *link, char *out, size_t size)
{
    char path[PATH_MAX], target[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", dir, link);
    ssize_t n = readlink(path, target, sizeof target - 1);
    target[n < 0 ? 0 : n] = '\0';
    const char *slash = strrchr(target, '/');
    snprintf(out, size, "%s", slash ? slash + 1 : target);
}

/* Which of the physical function's links virtfn0, virtfn1... is this device. */
static int
find_vf(const char *sysfs, const struct pci_device *device)
{
    char dir[PATH_MAX], link[32], address[PCI_ADDRESS_SIZE];
    snprintf(dir, sizeof dir, "%s/bus/pci/devices/%s", sysfs, device->physical);
    for (int vf = 0;; vf++) {
        snprintf(link, sizeof link, "virtfn%d", vf);
        read_link(dir, link, address, sizeof address);
        if (!*address) {
            return -1;
        }
        if (!strcmp(address, device->address)) {
            return vf;
        }
    }
}

static void
read_device(const char *sysfs, const char *dir, struct pci_device *out)
{
    out->vendor = (uint16_t) read_number(dir, "vendor", 0, UINT16_MAX, 0);
    out->device = (uint16_t) read_number(dir, "device", 0, UINT16_MAX, 0);
    out->subsystem_vendor = (uint16_t) read_number(dir, "subsystem_vendor", 0, UINT16_MAX, 0);
    out->subsystem_device = (uint16_t) read_number(dir, "subsystem_device", 0, UINT16_MAX, 0);
    out->revision = (uint8_t) read_number(dir, "revision", 0, UINT8_MAX, 0);
    out->numa_node = (int) read_number(dir, "numa_node", 0, INT_MAX, -1);
    out->vfs = (unsigned) read_number(dir, "sriov_numvfs", 0, UINT16_MAX, 0);
    out->max_vfs = (unsigned) read_number(dir, "sriov_totalvfs", 0, UINT16_MAX, 0);
    read_link(dir, "driver", out->driver, sizeof out->driver);
    read_text(dir, "driver/module/version", out->driver_version, sizeof out->driver_version);
    read_link(dir, "physfn", out->physical, sizeof out->physical);
    out->vf = *out->physical && pci_is_address(out->physical) ? find_vf(sysfs, out) : -1;
}

int
pci_get(const char *sysfs, const char *address, struct pci_device *out, struct errmsg *err)
{
    char dir[PATH_MAX];
    if (!pci_is_address(address)) {
        errmsg_set(err, "'%s' is no PCI address", address);
        return -EINVAL;
    }
    snprintf(dir, sizeof dir, "%s/bus/pci/devices/%s", sysfs, address);
    if (access(dir, X_OK)) {
        errmsg_set(err, "there is no PCI device %s", address);
        return -ENODEV;
    }
    struct pci_device device = { .vf = -1 };
    snprintf(device.address, sizeof device.address, "%s", address);
    read_device(sysfs, dir, &device);
    *out = device;
    return 0;
}
