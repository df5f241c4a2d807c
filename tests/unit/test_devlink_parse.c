/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/devlink.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/devlink/devlink.h"
#include "tests/unit/golden_discovery.h"

static const struct nlmsghdr *
message(const uint8_t *bytes)
{
    return (const void *) bytes;
}

static void
ports_have_flavours_and_numbers(void **state)
{
    (void) state;
    struct devlink_port port;
    assert_int_equal(devlink_parse_port(message(golden_port_p), &port), 0);
    assert_string_equal(port.device.bus, "platform");
    assert_string_equal(port.device.name, "simnic.0");
    assert_string_equal(port.netdev, "p0");
    assert_int_equal(port.ifindex, 2);
    assert_int_equal(port.index, 0);
    assert_int_equal(port.flavour, DEVLINK_PORT_FLAVOUR_PHYSICAL);
    assert_int_equal(port.number, 0);
    assert_int_equal(port.pf, -1);
    assert_int_equal(port.vf, -1);
    assert_int_equal(devlink_parse_port(message(golden_port_pf), &port), 0);
    assert_string_equal(devlink_flavour_name(port.flavour), "pcipf");
    assert_int_equal(port.pf, 1);
    assert_int_equal(devlink_parse_port(message(golden_port_vf), &port), 0);
    assert_string_equal(devlink_flavour_name(port.flavour), "pcivf");
    assert_int_equal(port.pf, 0);
    assert_int_equal(port.vf, 2);
    assert_int_equal(port.number, -1);
    assert_int_equal(port.controller, 0);
    assert_int_equal(port.sf, -1);
}

static void
an_eswitch_has_modes(void **state)
{
    (void) state;
    struct devlink_eswitch eswitch;
    assert_int_equal(devlink_parse_eswitch(message(golden_eswitch), &eswitch), 0);
    assert_string_equal(devlink_mode_name(eswitch.mode), "switchdev");
    assert_int_equal(eswitch.inline_mode, -1);
    assert_int_equal(eswitch.encap, -1);
    assert_string_equal(devlink_inline_name(eswitch.inline_mode), "");
    assert_string_equal(devlink_inline_name(3), "transport");
    assert_string_equal(devlink_encap_name(1), "basic");
    assert_string_equal(devlink_mode_name(17), "?");
}

static void
resources_have_sizes_and_those_in_them(void **state)
{
    (void) state;
    struct devlink_device device = { .n_resources = 0 };
    assert_int_equal(devlink_parse_resources(message(golden_resources), &device), 0);
    assert_int_equal(device.n_resources, 1);
    assert_string_equal(device.resources[0].name, "flows");
    assert_int_equal(device.resources[0].size, 1024);
    assert_true(device.resources[0].has_occupancy);
    assert_int_equal(device.resources[0].occupancy, 1);

    device = (struct devlink_device) { .n_resources = 0 };
    assert_int_equal(devlink_parse_resources(message(golden_nested), &device), 0);
    assert_int_equal(device.n_resources, 3);
    assert_string_equal(device.resources[0].name, "kvd");
    assert_false(device.resources[0].has_occupancy);
    assert_string_equal(device.resources[1].name, "kvd/linear");
    assert_int_equal(device.resources[1].occupancy, 7);
    assert_string_equal(device.resources[2].name, "kvd/hash");
    assert_int_equal(device.resources[2].size, 900);
}

static void
what_does_not_fit_is_counted(void **state)
{
    (void) state;
    struct devlink_device device = { .n_resources = DEVLINK_MAX_RESOURCES - 1,
                                     .n_versions = DEVLINK_MAX_VERSIONS,
                                     .n_reporters = DEVLINK_MAX_REPORTERS };
    assert_int_equal(devlink_parse_resources(message(golden_nested), &device), 0);
    assert_int_equal(device.n_resources, DEVLINK_MAX_RESOURCES);
    assert_int_equal(device.n_left_out, 2);
    assert_int_equal(devlink_parse_info(message(golden_info), &device), 0);
    assert_int_equal(device.n_left_out, 4);
    assert_int_equal(devlink_parse_reporter(message(golden_health), &device), 0);
    assert_int_equal(device.n_left_out, 5);
}

static void
firmware_has_versions(void **state)
{
    (void) state;
    struct devlink_device device = { .n_versions = 0 };
    assert_int_equal(devlink_parse_info(message(golden_info), &device), 0);
    assert_string_equal(device.driver, "simnic");
    assert_int_equal(device.n_versions, 2);
    assert_string_equal(device.versions[0].name, "board.id");
    assert_string_equal(device.versions[0].kind, "fixed");
    assert_string_equal(device.versions[0].value, "simulated");
    assert_string_equal(device.versions[1].name, "fw");
    assert_string_equal(device.versions[1].kind, "running");
    assert_string_equal(device.versions[1].value, "1.0.0");
}

static void
reporters_say_how_it_is(void **state)
{
    (void) state;
    struct devlink_device device = { .n_reporters = 0 };
    assert_int_equal(devlink_parse_reporter(message(golden_health), &device), 0);
    assert_int_equal(device.n_reporters, 1);
    assert_string_equal(device.reporters[0].name, "fw");
    assert_true(device.reporters[0].error);
    assert_int_equal(device.reporters[0].errors, 3);
    assert_int_equal(device.reporters[0].recovers, 2);
}

static void
other_messages_are_refused(void **state)
{
    (void) state;
    struct devlink_device device = { .n_reporters = 0 };
    struct devlink_port port = { .index = 77 };
    assert_int_equal(devlink_parse_port(message(golden_eswitch), &port), -EINVAL);
    assert_int_equal(port.index, 77);
    assert_int_equal(devlink_parse_resources(message(golden_eswitch), &device), -EINVAL);
    assert_int_equal(devlink_parse_reporter(message(golden_info), &device), -EINVAL);
}

/* --- hostile --------------------------------------------------------------------------------- */

/* Reads the message as each kind, from memory that ends where it does. */
static void
read_as_all(const uint8_t *bytes, size_t size)
{
    struct nlmsghdr *copy = malloc(size);
    struct devlink_device *device = calloc(1, sizeof *device);
    struct devlink_handle handle;
    struct devlink_port port;
    struct devlink_eswitch eswitch;
    memcpy(copy, bytes, size);
    copy->nlmsg_len = (uint32_t) size;
    devlink_parse_handle(copy, &handle);
    devlink_parse_port(copy, &port);
    devlink_parse_eswitch(copy, &eswitch);
    devlink_parse_resources(copy, device);
    devlink_parse_info(copy, device);
    devlink_parse_reporter(copy, device);
    assert_true(device->n_resources <= DEVLINK_MAX_RESOURCES);
    free(device);
    free(copy);
}

static void
cut_and_broken_messages_do_no_harm(void **state)
{
    (void) state;
    static const struct {
        const uint8_t *bytes;
        size_t size;
    } all[] = {
        { golden_port_p, sizeof golden_port_p }, { golden_port_vf, sizeof golden_port_vf },
        { golden_eswitch, sizeof golden_eswitch }, { golden_resources, sizeof golden_resources },
        { golden_nested, sizeof golden_nested }, { golden_info, sizeof golden_info },
        { golden_health, sizeof golden_health },
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        for (size_t size = sizeof(struct nlmsghdr); size <= all[i].size; size++) {
            read_as_all(all[i].bytes, size);
        }
        for (size_t at = sizeof(struct nlmsghdr); at < all[i].size; at++) {
            static const uint8_t wrong[] = { 0, 1, 3, 0x7f, 0xff };
            uint8_t bytes[512];
            assert_true(all[i].size <= sizeof bytes);
            for (size_t k = 0; k < sizeof wrong; k++) {
                memcpy(bytes, all[i].bytes, all[i].size);
                bytes[at] = wrong[k];
                read_as_all(bytes, all[i].size);
            }
        }
    }
}

/* Lists in lists, deeper than anybody has them: an end is found. */
static void
depth_has_a_limit(void **state)
{
    (void) state;
    enum { LEVELS = 64 };
    uint8_t bytes[4096] = { 0 };
    size_t begin = 52, at = begin;       /* behind the handle of golden_eswitch */
    memcpy(bytes, golden_eswitch, begin);
    for (int level = 0; level < LEVELS; level++) {
        size_t left = (size_t) (LEVELS - level) * 20;
        const uint16_t words[] = { (uint16_t) left, DEVLINK_ATTR_RESOURCE_LIST,
                                   (uint16_t) (left - 4), DEVLINK_ATTR_RESOURCE,
                                   6, DEVLINK_ATTR_RESOURCE_NAME, 'a', 0, 0, 0 };
        memcpy(bytes + at, words, sizeof words);
        at += sizeof words;
    }
    struct nlmsghdr *hdr = (struct nlmsghdr *) (void *) bytes;
    struct devlink_device device = { .n_resources = 0 };
    hdr->nlmsg_len = (uint32_t) at;
    devlink_parse_resources(hdr, &device);
    assert_true(device.n_resources <= DEVLINK_MAX_DEPTH);
    read_as_all(bytes, at);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ports_have_flavours_and_numbers),
        cmocka_unit_test(an_eswitch_has_modes),
        cmocka_unit_test(resources_have_sizes_and_those_in_them),
        cmocka_unit_test(what_does_not_fit_is_counted),
        cmocka_unit_test(firmware_has_versions),
        cmocka_unit_test(reporters_say_how_it_is),
        cmocka_unit_test(other_messages_are_refused),
        cmocka_unit_test(cut_and_broken_messages_do_no_harm),
        cmocka_unit_test(depth_has_a_limit),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
