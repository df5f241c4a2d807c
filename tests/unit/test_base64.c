/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "lib/base64.h"

/* The examples of RFC 4648, section 10, and the two characters that they don't have. */
static const struct {
    const char *data;
    size_t size;
    const char *text;
} rows[] = {
    { "", 0, "" },
    { "f", 1, "Zg==" },
    { "fo", 2, "Zm8=" },
    { "foo", 3, "Zm9v" },
    { "foob", 4, "Zm9vYg==" },
    { "fooba", 5, "Zm9vYmE=" },
    { "foobar", 6, "Zm9vYmFy" },
    { "\xfb\xef\xff", 3, "++//" },
    { "\0\0\0\0", 4, "AAAAAA==" },
};

static void
known_texts(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[16];
        uint8_t data[16];
        base64_encode(rows[i].data, rows[i].size, text);
        assert_string_equal(text, rows[i].text);
        assert_int_equal(BASE64_LEN(rows[i].size), strlen(text));
        assert_int_equal(base64_decode(text, strlen(text), data), rows[i].size);
        assert_memory_equal(data, rows[i].data, rows[i].size);
    }
}

static void
every_size_comes_back(void **state)
{
    (void) state;
    uint8_t data[300], back[300];
    char text[BASE64_LEN(300) + 1];
    for (size_t size = 0; size <= sizeof data; size++) {
        for (size_t i = 0; i < size; i++) {
            data[i] = (uint8_t) (i * 151 + size);
        }
        base64_encode(data, size, text);
        assert_int_equal(base64_decode(text, strlen(text), back), size);
        assert_memory_equal(data, back, size);
    }
}

static void
what_is_not_written_is_refused(void **state)
{
    (void) state;
    static const char *const wrong[] = {
        "Z", "Zg", "Zg=", "Zm9v\n", "=", "====", "Z===", "Zg==Zg==", "Zm=v", "Z=9v", "Zm9v Zm8",
        "Zm9-", "Zm9_", "\303\244ab", "Zh==", "Zm9=", "Zm9vY===", "Zg=a",
    };
    uint8_t data[16];
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (base64_decode(wrong[i], strlen(wrong[i]), data) != -1) {
            fail_msg("'%s' was taken", wrong[i]);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_texts),
        cmocka_unit_test(every_size_comes_back),
        cmocka_unit_test(what_is_not_written_is_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
