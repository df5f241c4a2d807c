/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <limits.h>
#include <linux/devlink.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/turnoutctl/doctor.h"

/* A port of a chip with nothing in the way. */
static struct doctor_port
good_port(void)
{
    struct doctor_port port = {
        .name = "p0", .bridge = "br0", .driver = "tc", .number = 1, .is_port = true,
        .kernel = { .driver = "simnic" },
        .link = { .info = { .ifindex = 5, .up = true, .running = true }, .switch_id_len = 4,
                  .port_name = "p0", .parent_dev = "simnic.0", .parent_bus = "platform" },
        .hw_tc = { .known = true, .can = true, .on = true, .wanted = true },
        .has_tc = true, .tc = { .ingress = TC_INGRESS_CLSACT },
    };
    port.role = doctor_role_of(&port);
    return port;
}

/* The codes of all findings, with blanks between. */
static const char *
codes_of(const struct doctor_port *port)
{
    static char text[512];
    struct doctor_findings findings;
    doctor_judge(port, &findings);
    text[0] = '\0';
    for (unsigned i = 0; i < findings.n; i++) {
        size_t len = strlen(text);
        snprintf(text + len, sizeof text - len, "%s%s", len ? " " : "",
                 doctor_code_name(findings.at[i].code));
    }
    return text;
}

/* The command of the port's only finding. */
static const char *
command_of(const struct doctor_port *port, enum doctor_code code)
{
    static struct doctor_findings findings;
    doctor_judge(port, &findings);
    assert_int_equal(findings.n, 1);
    assert_int_equal(findings.at[0].code, code);
    return findings.at[0].command;
}

static void
a_good_port_has_no_findings(void **state)
{
    (void) state;
    struct doctor_port port = good_port();
    assert_string_equal(codes_of(&port), "");
}

static void
each_obstacle_has_its_command(void **state)
{
    (void) state;
    struct doctor_port port = good_port();
    port.link.info.up = false;
    assert_string_equal(command_of(&port, DOCTOR_DEVICE_DOWN), "ip link set dev p0 up");
    port = good_port();
    port.link.info.running = false;
    assert_string_equal(command_of(&port, DOCTOR_NO_CARRIER), "");
    port = good_port();
    port.hw_tc.on = false;
    assert_string_equal(command_of(&port, DOCTOR_HW_TC_OFFLOAD_OFF), "ethtool -K p0 hw-tc-offload on");
    port = good_port();
    port.tc.ingress = TC_INGRESS_NONE;
    assert_string_equal(command_of(&port, DOCTOR_NO_CLSACT), "tc qdisc add dev p0 clsact");
    port.tc.ingress = TC_INGRESS_INGRESS;
    assert_string_equal(command_of(&port, DOCTOR_INGRESS_QDISC), "tc qdisc del dev p0 ingress");
    port = good_port();
    port.driver[0] = '\0';
    assert_string_equal(command_of(&port, DOCTOR_NO_DRIVER), "turnoutctl del-port br0 p0 && "
                        "turnoutctl add-port br0 p0@1 --driver tc");
    port = good_port();
    port.gone = true;
    assert_string_equal(command_of(&port, DOCTOR_DEVICE_GONE), "");
    port = good_port();
    strcpy(port.problem, "x");
    assert_string_equal(command_of(&port, DOCTOR_UNREADABLE), "");
}

static void
strangers_are_named(void **state)
{
    (void) state;
    struct doctor_port port = good_port();
    port.tc.n_foreign = 2;
    port.tc.foreign = (struct tc_filter) { .kind = "flower", .chain = 3, .prio = 7 };
    assert_string_equal(command_of(&port, DOCTOR_FOREIGN_FILTERS),
                        "tc filter del dev p0 ingress chain 3 pref 7");
    port = good_port();
    port.tc.n_foreign_egress = 1;
    assert_string_equal(command_of(&port, DOCTOR_FOREIGN_EGRESS), "tc filter del dev p0 egress");
    port = good_port();
    strcpy(port.tc.root, "tbf");
    assert_string_equal(command_of(&port, DOCTOR_FOREIGN_ROOT), "tc qdisc del dev p0 root");
    port.tc.root_ours = true;
    assert_string_equal(codes_of(&port), "");
    port = good_port();
    port.tc.ingress_block = 7;
    assert_string_equal(command_of(&port, DOCTOR_SHARED_BLOCK), "");
    port = good_port();
    port.link.xdp_mode = XDP_ATTACHED_SKB;
    assert_string_equal(command_of(&port, DOCTOR_XDP_PROGRAM), "ip link set dev p0 xdpgeneric off");
    port.link.xdp_mode = XDP_ATTACHED_HW;
    assert_string_equal(command_of(&port, DOCTOR_XDP_PROGRAM), "ip link set dev p0 xdpoffload off");
    port = good_port();
    port.link.info.master = 9;
    strcpy(port.link.master_kind, "bond");
    assert_string_equal(command_of(&port, DOCTOR_ENSLAVED), "ip link set dev p0 nomaster");
    strcpy(port.link.master_kind, "openvswitch");
    assert_string_equal(command_of(&port, DOCTOR_ENSLAVED), "ovs-vsctl del-port p0");
}

static void
devlink_tells_of_the_device(void **state)
{
    (void) state;
    struct devlink_device device = { .handle = { "pci", "0000:03:00.0" },
                                     .eswitch = { DEVLINK_ESWITCH_MODE_LEGACY, -1, -1 } };
    struct doctor_port port = good_port();
    port.devlink = &device;
    assert_string_equal(command_of(&port, DOCTOR_ESWITCH_LEGACY),
                        "devlink dev eswitch set pci/0000:03:00.0 mode switchdev");
    device.eswitch.mode = DEVLINK_ESWITCH_MODE_SWITCHDEV;
    assert_string_equal(codes_of(&port), "");
    device.n_reporters = 1;
    device.reporters[0] = (struct devlink_reporter) { .name = "fw", .error = true };
    assert_string_equal(command_of(&port, DOCTOR_UNHEALTHY),
                        "devlink health recover pci/0000:03:00.0 reporter fw");
    device.n_reporters = 0;
    device.n_resources = 1;
    device.resources[0] = (struct devlink_resource) { .name = "flows", .size = 10, .occupancy = 10,
                                                      .has_occupancy = true };
    assert_string_equal(command_of(&port, DOCTOR_RESOURCE_FULL), "");
}

static void
a_virtual_function_has_a_representor(void **state)
{
    (void) state;
    struct doctor_port port = good_port();
    port.has_pci = true;
    strcpy(port.pci.physical, "0000:03:00.0");
    port.role = doctor_role_of(&port);
    assert_int_equal(port.role, DOCTOR_VF);
    assert_string_equal(command_of(&port, DOCTOR_VIRTUAL_FUNCTION),
                        "devlink dev eswitch set pci/0000:03:00.0 mode switchdev");
    strcpy(port.representor, "eth7");
    assert_string_equal(command_of(&port, DOCTOR_VIRTUAL_FUNCTION), "turnoutctl del-port br0 p0 && "
                        "turnoutctl add-port br0 eth7@1 --driver tc");
    port.is_port = false;
    assert_string_equal(command_of(&port, DOCTOR_VIRTUAL_FUNCTION),
                        "turnoutd --driver tc --port eth7,driver=tc");
}

static void
what_fits_depends_on_the_kernels_driver(void **state)
{
    (void) state;
    struct doctor_port port = good_port();
    port.hw_tc = (struct feature) { .known = true };
    strcpy(port.kernel.driver, "acme");
    port.link.switch_id_len = 0;
    assert_string_equal(codes_of(&port), "no-tc-offload");
    port.link.switch_id_len = 4;
    assert_string_equal(codes_of(&port), "fits-switchdev");
    strcpy(port.kernel.driver, "rocker");
    port.tc.ingress = TC_INGRESS_NONE;      /* which the other driver has no use for */
    assert_string_equal(command_of(&port, DOCTOR_FITS_SWITCHDEV), "turnoutctl del-port br0 p0 && "
                        "turnoutctl add-port br0 p0@1 --driver switchdev");
    port = good_port();
    strcpy(port.kernel.driver, "i40e");
    assert_string_equal(codes_of(&port), "flower-local quirk quirk");
    port = good_port();
    strcpy(port.kernel.driver, "prestera");
    assert_string_equal(codes_of(&port), "fits-switchdev quirk");
    port = good_port();
    strcpy(port.kernel.driver, "mlx5e_rep");
    assert_string_equal(codes_of(&port), "quirk quirk quirk");
}

static void
what_matters_depends_on_turnouts_driver(void **state)
{
    (void) state;
    struct doctor_port port = good_port();
    port.role = DOCTOR_SOFTWARE;
    port.hw_tc = (struct feature) { .known = true };
    port.link.switch_id_len = 0;
    assert_string_equal(codes_of(&port), "software-device");
    strcpy(port.options, "skip_hw");
    assert_string_equal(codes_of(&port), "");
    strcpy(port.driver, "sim");
    port.tc.n_foreign = 1;
    assert_string_equal(codes_of(&port), "own-driver");
    strcpy(port.driver, "switchdev");
    port.link.info.master = 3;
    strcpy(port.link.master_kind, "bridge");
    assert_string_equal(codes_of(&port), "");
    strcpy(port.link.master_kind, "bond");
    assert_string_equal(codes_of(&port), "enslaved");
}

static void
names_tell_roles(void **state)
{
    (void) state;
    static const struct {
        const char *name;
        enum doctor_role role;
    } cases[] = {
        { "p0", DOCTOR_PORT }, { "p1s3", DOCTOR_PORT }, { "pf0", DOCTOR_PF_REPRESENTOR },
        { "pf0vf1", DOCTOR_VF_REPRESENTOR }, { "pf1sf88", DOCTOR_SF_REPRESENTOR },
        { "c1pf0vf3", DOCTOR_VF_REPRESENTOR }, { "c1pf0", DOCTOR_PF_REPRESENTOR },
        { "", DOCTOR_PORT }, { "pf", DOCTOR_PORT }, { "pf0vf", DOCTOR_PORT },
        { "swp7", DOCTOR_PORT },
    };
    struct doctor_port port = good_port();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        strcpy(port.link.port_name, cases[i].name);
        assert_int_equal(doctor_role_of(&port), cases[i].role);
    }
    port.has_devlink_port = true;
    port.devlink_port.flavour = DEVLINK_PORT_FLAVOUR_PCI_SF;
    assert_int_equal(doctor_role_of(&port), DOCTOR_SF_REPRESENTOR);
    port = good_port();
    port.link.switch_id_len = 0;
    assert_int_equal(doctor_role_of(&port), DOCTOR_NIC);
    port.link.parent_dev[0] = '\0';
    assert_int_equal(doctor_role_of(&port), DOCTOR_SOFTWARE);
}

static void
too_many_findings_are_counted(void **state)
{
    (void) state;
    struct devlink_device *device = calloc(1, sizeof *device);
    struct doctor_port port = good_port();
    struct doctor_findings findings;
    device->eswitch.mode = -1;
    device->n_reporters = DEVLINK_MAX_REPORTERS;
    device->n_resources = 10;
    for (unsigned i = 0; i < DEVLINK_MAX_REPORTERS; i++) {
        device->reporters[i].error = true;
    }
    for (unsigned i = 0; i < 10; i++) {
        device->resources[i] = (struct devlink_resource) { "r", 1, 1, true };
    }
    port.devlink = device;
    doctor_judge(&port, &findings);
    assert_int_equal(findings.n, DOCTOR_MAX_FINDINGS);
    assert_int_equal(findings.n + findings.n_left_out, DEVLINK_MAX_REPORTERS + 10);
    assert_int_equal(doctor_count_blocking(&findings), DOCTOR_MAX_FINDINGS - 1);
    free(device);
}

/* --- the kernel ---------------------------------------------------------------------------------- */

static char root[] = "/tmp/turnout-kernel-XXXXXX";

static void
put(const char *folder, const char *name, const char *text)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "mkdir -p %s/%s", root, folder);
    assert_int_equal(system(path), 0);
    snprintf(path, sizeof path, "%s/%s/%s", root, folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void
modules_are_found_wherever_they_are(void **state)
{
    (void) state;
    struct doctor_kernel kernel;
    struct doctor_findings findings;
    char command[PATH_MAX];
    assert_non_null(mkdtemp(root));
    doctor_look_at_kernel(root, "9.9", &kernel);
    assert_true(kernel.unknown);
    doctor_judge_kernel(&kernel, &findings);
    assert_int_equal(findings.at[0].code, DOCTOR_KERNEL_UNKNOWN);
    assert_int_equal(doctor_count_blocking(&findings), 0);

    put("lib/modules/9.9", "modules.builtin", "kernel/net/sched/act_gact.ko\n"
        "kernel/net/sched/sch_ingress.ko\n");
    put("lib/modules/9.9", "modules.dep", "kernel/net/sched/act_vlan.ko.xz: kernel/a.ko\n"
        "kernel/net/sched/act_mirred.ko:\nkernel/net/sched/act_csum_not.ko:\n"
        "kernel/net/sched/cls_flower.ko.zst:\n");
    put("sys/module/act_pedit", "refcnt", "0\n");
    doctor_look_at_kernel(root, "9.9", &kernel);
    assert_false(kernel.unknown);
    assert_int_equal(kernel.n_missing, 1);
    assert_string_equal(kernel.missing[0], "act_csum");
    doctor_judge_kernel(&kernel, &findings);
    assert_string_equal(findings.at[0].what, "Kernel 9.9 has no act_csum, which tc offload needs.");

    /* Another kernel, whose modules are not told of: its symbols. */
    put("proc", "kallsyms", "0000 t fl_classify\n0000 t tcf_csum_act [act_csum]\n"
        "0000 t tcf_mirred_act\n0000 T tcf_gact_act\n0000 t clsact_init\n0000 t tcf_vlan_act\n");
    doctor_look_at_kernel(root, "9.8", &kernel);
    assert_false(kernel.unknown);
    assert_int_equal(kernel.n_missing, 0);
    snprintf(command, sizeof command, "rm -rf %s", root);
    assert_int_equal(system(command), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_port_has_no_findings),
        cmocka_unit_test(each_obstacle_has_its_command),
        cmocka_unit_test(strangers_are_named),
        cmocka_unit_test(devlink_tells_of_the_device),
        cmocka_unit_test(a_virtual_function_has_a_representor),
        cmocka_unit_test(what_fits_depends_on_the_kernels_driver),
        cmocka_unit_test(what_matters_depends_on_turnouts_driver),
        cmocka_unit_test(names_tell_roles),
        cmocka_unit_test(too_many_findings_are_counted),
        cmocka_unit_test(modules_are_found_wherever_they_are),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
