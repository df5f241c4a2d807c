/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/text_token.h"

/* All elements as "key[=value]@position;", or "error: ...". */
static const char *
split(const char *text)
{
    static char out[1024];
    struct text_cursor cursor;
    struct text_token t;
    struct errmsg err;
    size_t n = 0;
    int got;
    text_cursor_init(&cursor, text);
    out[0] = '\0';
    while ((got = text_token_next(&cursor, &t, &err)) == 1) {
        n += (size_t) snprintf(out + n, sizeof out - n, "%s%s%s@%zu;", t.key,
                               t.has_value ? "=" : "", t.value, t.at);
    }
    if (got < 0) {
        assert_int_equal(got, -EINVAL);
        snprintf(out, sizeof out, "error: %s", err.text);
    }
    return out;
}

static void
lists_are_split(void **state)
{
    (void) state;
    assert_string_equal(split(""), "");
    assert_string_equal(split(" ,\t,\r\n"), "");
    assert_string_equal(split("tcp"), "tcp@1;");
    assert_string_equal(split("tcp,in_port=1 a:2,b(3)"), "tcp@1;in_port=1@5;a=2@15;b=3@19;");
    assert_string_equal(split("m=a:b:c,d=e=f"), "m=a:b:c@1;d=e=f@9;");
    assert_string_equal(split("a=,b:,c()"), "a=@1;b=@4;c=@7;");
    assert_string_equal(split("a(b(c,d),e=\"f)\"),g"), "a=b(c,d),e=\"f)\"@1;g@18;");
    assert_string_equal(split("a=b(c,d)e,f"), "a=b(c,d)e@1;f@11;");
    assert_string_equal(split("\"x, y\"=1,\"\\\"\""), "\"x, y\"=1@1;\"\\\"\"@10;");
}

static void
what_cannot_be_split_is_refused_with_its_position(void **state)
{
    (void) state;
    assert_string_equal(split("a,=1"), "error: at 3: a field or action should begin here");
    assert_string_equal(split("a,)"), "error: at 3: a field or action should begin here");
    assert_string_equal(split("a(1"), "error: at 1: a parenthesis or quote is not closed");
    assert_string_equal(split("x a=(1"), "error: at 3: a parenthesis or quote is not closed");
    assert_string_equal(split("a=1)"), "error: at 1: a parenthesis or quote is not closed");
    assert_string_equal(split("a=\"1"), "error: at 1: a parenthesis or quote is not closed");
    assert_string_equal(split("\"a"), "error: at 1: a quote is not closed");
    assert_string_equal(split("\"a\\\""), "error: at 1: a quote is not closed");
    assert_string_equal(split("a(1)b"), "error: at 1: a comma is missing behind it");
    assert_string_equal(split("\"a\"b"), "error: at 1: a comma is missing behind it");
}

static void
lengths_are_bounded(void **state)
{
    (void) state;
    char text[400];
    memset(text, 'x', sizeof text);
    text[127] = '\0';
    assert_int_equal(strlen(split(text)), 127 + strlen("@1;"));
    text[127] = 'x';
    text[128] = '\0';
    assert_string_equal(split(text), "error: at 1: too long");
    text[1] = '=';
    text[128] = 'x';
    text[129] = '\0';
    assert_int_equal(strlen(split(text)), 129 + strlen("@1;"));
    text[129] = 'x';
    text[130] = '\0';
    assert_string_equal(split(text), "error: at 1: its value is too long");
}

static void
numbers_are_bounded(void **state)
{
    (void) state;
    uint64_t x = 7;
    assert_true(text_parse_number("65535", 65535, &x));
    assert_int_equal(x, 65535);
    assert_true(text_parse_number("0xfF", 255, &x));
    assert_int_equal(x, 255);
    assert_true(text_parse_number("010", 255, &x));
    assert_int_equal(x, 8);
    assert_true(text_parse_number("18446744073709551615", UINT64_MAX, &x));
    assert_true(x == UINT64_MAX);
    const char *wrong[] = { "", "-1", "+1", " 1", "1 ", "a", "0x", "1a", "08", "0xg",
                            "18446744073709551616", "65536" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        x = 7;
        assert_false(text_parse_number(wrong[i], 65535, &x));
        assert_int_equal(x, 7);
    }
}

static void
addresses_are_whole(void **state)
{
    (void) state;
    uint8_t mac[6], ip[4];
    assert_true(text_parse_mac("0:1:a:Ff:10:0a", mac));
    assert_memory_equal(mac, "\x00\x01\x0a\xff\x10\x0a", 6);
    const char *wrong[] = { "", "1:2:3:4:5", "1:2:3:4:5:", "1:2:3:4:5:6:", "1:2:3:4:5:6:7",
                            "001:2:3:4:5:6", "g:2:3:4:5:6", "1::3:4:5:6", "1-2-3-4-5-6" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(text_parse_mac(wrong[i], mac));
    }
    assert_true(text_parse_ip4("10.0.255.1", ip));
    assert_memory_equal(ip, "\x0a\x00\xff\x01", 4);
    assert_false(text_parse_ip4("10.0.1", ip));
    assert_false(text_parse_ip4("10.0.0.256", ip));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_split),
        cmocka_unit_test(what_cannot_be_split_is_refused_with_its_position),
        cmocka_unit_test(lengths_are_bounded),
        cmocka_unit_test(numbers_are_bounded),
        cmocka_unit_test(addresses_are_whole),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
