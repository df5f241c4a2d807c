/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "drivers/pci/pci.h"

#define PF "0000:03:00.0"
#define VF "0000:03:00.2"

/* A tree as /sys has it: an adapter whose second virtual function is there. */
static char root[] = "/tmp/turnout-pci-XXXXXX";

static const char *
in_tree(const char *path)
{
    static char full[PATH_MAX];
    snprintf(full, sizeof full, "%s/bus/pci/devices/%s", root, path);
    return full;
}

static void
put(const char *path, const char *text)
{
    FILE *file = fopen(in_tree(path), "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void
make_folder(const char *path)
{
    char *full = strdup(in_tree(path));
    for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(full, 0700);
        *slash = '/';
    }
    mkdir(full, 0700);
    free(full);
}

static int
make_tree(void **state)
{
    (void) state;
    assert_non_null(mkdtemp(root));
    make_folder(PF);
    make_folder(VF);
    put(PF "/vendor", "0x15b3\n");
    put(PF "/device", "0x1017\n");
    put(PF "/subsystem_vendor", "0x15b3\n");
    put(PF "/subsystem_device", "0x0007\n");
    put(PF "/revision", "0x01\n");
    put(PF "/numa_node", "1\n");
    put(PF "/sriov_totalvfs", "8\n");
    put(PF "/sriov_numvfs", "2\n");
    make_folder("../drivers/mlx5_core/module");
    put("../drivers/mlx5_core/module/version", "5.0-0\n");
    assert_int_equal(symlink("../../drivers/mlx5_core", in_tree(PF "/driver")), 0);
    assert_int_equal(symlink("../../0000:03:00.1", in_tree(PF "/virtfn0")), 0);
    assert_int_equal(symlink("../" VF, in_tree(PF "/virtfn1")), 0);
    put(VF "/vendor", "0x15b3\n");
    put(VF "/device", "nonsense\n");
    put(VF "/numa_node", "-1\n");
    put(VF "/sriov_numvfs", "99999999999999999999\n");
    assert_int_equal(symlink("../" PF, in_tree(VF "/physfn")), 0);
    return 0;
}

static int
remove_tree(void **state)
{
    (void) state;
    char command[PATH_MAX];
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

static void
addresses_have_a_form(void **state)
{
    (void) state;
    assert_true(pci_is_address("0000:03:00.0"));
    assert_true(pci_is_address("10000:e1:1f.7"));
    static const char *const wrong[] = { "", "0000", "000:03:00.0", "0000:03:00", "0000:03:00.",
                                         "0000:03:00.0/", "0000:03:00.00", "../../../etc",
                                         "0000:g3:00.0", "1234567890123:03:00.0", "simnic.0" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(pci_is_address(wrong[i]));
    }
}

static void
a_physical_function_is_read(void **state)
{
    (void) state;
    struct pci_device pci;
    assert_int_equal(pci_get(root, PF, &pci, NULL), 0);
    assert_string_equal(pci.address, PF);
    assert_int_equal(pci.vendor, 0x15b3);
    assert_int_equal(pci.device, 0x1017);
    assert_int_equal(pci.subsystem_device, 7);
    assert_int_equal(pci.revision, 1);
    assert_int_equal(pci.numa_node, 1);
    assert_int_equal(pci.max_vfs, 8);
    assert_int_equal(pci.vfs, 2);
    assert_string_equal(pci.driver, "mlx5_core");
    assert_string_equal(pci.driver_version, "5.0-0");
    assert_string_equal(pci.physical, "");
    assert_int_equal(pci.vf, -1);
}

static void
a_virtual_function_knows_whose_it_is(void **state)
{
    (void) state;
    struct pci_device pci;
    assert_int_equal(pci_get(root, VF, &pci, NULL), 0);
    assert_string_equal(pci.physical, PF);
    assert_int_equal(pci.vf, 1);
    /* What is missing or no number is none. */
    assert_int_equal(pci.device, 0);
    assert_int_equal(pci.subsystem_vendor, 0);
    assert_int_equal(pci.numa_node, -1);
    assert_int_equal(pci.vfs, 0);
    assert_string_equal(pci.driver, "");
    assert_string_equal(pci.driver_version, "");
}

static void
what_is_not_there_is_said(void **state)
{
    (void) state;
    struct pci_device pci = { .vendor = 1 };
    struct errmsg err = { "" };
    assert_int_equal(pci_get(root, "0000:04:00.0", &pci, &err), -ENODEV);
    assert_string_equal(err.text, "there is no PCI device 0000:04:00.0");
    assert_int_equal(pci_get(root, "../devices", &pci, &err), -EINVAL);
    assert_int_equal(pci.vendor, 1);
}

static void
names_are_those_of_the_list_or_none(void **state)
{
    (void) state;
    const struct pci_device known = { .vendor = 0x8086, .device = 0x100e };
    const struct pci_device unknown = { .vendor = 0xfff7, .device = 1 };
    char vendor[PCI_NAME_SIZE], device[PCI_NAME_SIZE];
    pci_names(&known, vendor, device);
    /* The list, or libpci, need not be there. */
    assert_true(!*vendor || strstr(vendor, "Intel"));
    assert_true(!*vendor == !*device);
    pci_names(&unknown, vendor, device);
    assert_string_equal(vendor, "");
    assert_string_equal(device, "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_have_a_form),
        cmocka_unit_test(a_physical_function_is_read),
        cmocka_unit_test(a_virtual_function_knows_whose_it_is),
        cmocka_unit_test(what_is_not_there_is_said),
        cmocka_unit_test(names_are_those_of_the_list_or_none),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
