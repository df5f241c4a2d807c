/* SPDX-License-Identifier: Apache-2.0 */
/* Each kind of block, byte for byte as the format's description has it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/pcapng.h"

static char *written;
static size_t written_size;
static FILE *out;

static int
set_up(void **state)
{
    (void) state;
    out = open_memstream(&written, &written_size);
    return out ? 0 : -1;
}

static int
tear_down(void **state)
{
    (void) state;
    fclose(out);
    free(written);
    return 0;
}

static void
expect(const void *wanted, size_t size)
{
    assert_int_equal(fflush(out), 0);
    assert_int_equal(written_size, size);
    assert_memory_equal(written, wanted, size);
}

static void
a_header(void **state)
{
    (void) state;
    static const char wanted[] =
        "\x0a\x0d\x0d\x0a" "\0\0\0\x28" "\x1a\x2b\x3c\x4d" "\0\1\0\0"
        "\xff\xff\xff\xff\xff\xff\xff\xff" "\0\4\0\4" "test" "\0\0\0\0" "\0\0\0\x28";
    assert_int_equal(pcapng_write_header(out, "test"), 0);
    expect(wanted, sizeof wanted - 1);
}

static void
an_interface(void **state)
{
    (void) state;
    static const char wanted[] =
        "\0\0\0\1" "\0\0\0\x30" "\0\1\0\0" "\0\0\0\0" "\0\2\0\3" "br0\0" "\0\3\0\2" "ab\0\0"
        "\0\x09\0\1" "\x09\0\0\0" "\0\0\0\0" "\0\0\0\x30";
    assert_int_equal(pcapng_write_interface(out, "br0", "ab"), 0);
    expect(wanted, sizeof wanted - 1);
}

static void
texts_may_be_missing(void **state)
{
    (void) state;
    static const char wanted[] = "\0\0\0\1" "\0\0\0\x20" "\0\1\0\0" "\0\0\0\0" "\0\x09\0\1"
                                 "\x09\0\0\0" "\0\0\0\0" "\0\0\0\x20";
    assert_int_equal(pcapng_write_interface(out, NULL, NULL), 0);
    expect(wanted, sizeof wanted - 1);
}

static void
a_packet(void **state)
{
    (void) state;
    static const char wanted[] =
        "\0\0\0\6" "\0\0\0\x34" "\0\0\0\7" "\x01\x02\x03\x04" "\x05\x06\x07\x08" "\0\0\0\5" "\0\0\0\5"
        "hello\0\0\0" "\0\2\0\4" "\0\0\0\2" "\0\0\0\0" "\0\0\0\x34";
    const struct pcapng_packet packet = {
        .interface = 7, .time_ns = 0x0102030405060708, .direction = PCAPNG_OUTBOUND,
        .data = "hello", .size = 5,
    };
    assert_int_equal(pcapng_write_packet(out, &packet), 0);
    expect(wanted, sizeof wanted - 1);
}

static void
packets_before_it_were_dropped(void **state)
{
    (void) state;
    static const char wanted[] =
        "\0\0\0\6" "\0\0\0\x38" "\0\0\0\0" "\0\0\0\0" "\0\0\0\1" "\0\0\0\0" "\0\0\0\0"
        "\0\2\0\4" "\0\0\0\1" "\0\4\0\x08" "\0\0\0\1\0\0\0\2" "\0\0\0\0" "\0\0\0\x38";
    const struct pcapng_packet packet = {
        .time_ns = 1, .direction = PCAPNG_INBOUND, .n_dropped = UINT64_C(0x100000002), .data = "",
    };
    assert_int_equal(pcapng_write_packet(out, &packet), 0);
    expect(wanted, sizeof wanted - 1);
}

static void
a_long_text_is_cut(void **state)
{
    (void) state;
    char *text = malloc(70001);
    memset(text, 'x', 70000);
    text[70000] = '\0';
    assert_int_equal(pcapng_write_header(out, text), 0);
    assert_int_equal(fflush(out), 0);
    assert_int_equal(written_size, 24 + 4 + 65536 + 4 + 4);
    assert_memory_equal(written + 24, "\0\4\xff\xff", 4);
    free(text);
}

static void
a_full_disk_is_told(void **state)
{
    (void) state;
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    setvbuf(full, NULL, _IONBF, 0);
    assert_int_equal(pcapng_write_header(full, "test"), -EIO);
    fclose(full);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_header, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_interface, set_up, tear_down),
        cmocka_unit_test_setup_teardown(texts_may_be_missing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_packet, set_up, tear_down),
        cmocka_unit_test_setup_teardown(packets_before_it_were_dropped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_long_text_is_cut, set_up, tear_down),
        cmocka_unit_test(a_full_disk_is_told),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
