/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/strbuf.h"

static void
text_grows_by_pieces(void **state)
{
    (void) state;
    struct strbuf s = { 0 };
    assert_string_equal(strbuf_text(&s), "");
    strbuf_puts(&s, "");
    for (int i = 0; i < 1000; i++) {
        strbuf_printf(&s, "%d", i % 10);
        strbuf_putc(&s, ',');
        strbuf_puts(&s, "ab");
        assert_int_equal(strlen(s.text), s.len);
    }
    assert_int_equal(s.len, 4000);
    assert_memory_equal(s.text + 3996, "9,ab", 5);
    assert_false(s.failed);
    strbuf_fini(&s);
    assert_null(s.text);
    strbuf_fini(&s);
}

/* Every length around the first growth, by each function. */
static void
every_length_is_terminated(void **state)
{
    (void) state;
    char text[200];
    for (size_t len = 0; len < sizeof text - 1; len++) {
        memset(text, 'x', len);
        text[len] = '\0';
        struct strbuf a = { 0 }, b = { 0 };
        strbuf_puts(&a, text);
        strbuf_printf(&b, "%s", text);
        strbuf_putc(&a, 'y');
        strbuf_printf(&b, "%c", 'y');
        assert_int_equal(a.len, len + 1);
        assert_string_equal(a.text, b.text);
        assert_int_equal(a.text[len], 'y');
        strbuf_fini(&a);
        strbuf_fini(&b);
    }
}

static void
clearing_keeps_the_memory(void **state)
{
    (void) state;
    struct strbuf s = { 0 };
    strbuf_clear(&s);
    strbuf_puts(&s, "something");
    const char *memory = s.text;
    strbuf_clear(&s);
    assert_string_equal(strbuf_text(&s), "");
    strbuf_puts(&s, "else");
    assert_ptr_equal(s.text, memory);
    assert_string_equal(s.text, "else");
    strbuf_fini(&s);
}

static void
stealing_gives_the_text_away(void **state)
{
    (void) state;
    struct strbuf s = { 0 };
    strbuf_puts(&s, "mine");
    char *text = strbuf_steal(&s);
    assert_string_equal(text, "mine");
    free(text);
    assert_int_equal(s.len, 0);
    text = strbuf_steal(&s);
    assert_string_equal(text, "");
    free(text);
}

static void
a_failed_buffer_stays_whole_and_takes_no_more(void **state)
{
    (void) state;
    struct strbuf s = { 0 };
    strbuf_puts(&s, "ok");
    s.failed = true;
    strbuf_puts(&s, "more");
    strbuf_putc(&s, 'x');
    strbuf_printf(&s, "%d", 5);
    assert_string_equal(s.text, "ok");
    assert_int_equal(s.len, 2);
    assert_null(strbuf_steal(&s));
    assert_false(s.failed);
    assert_null(s.text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_grows_by_pieces),
        cmocka_unit_test(every_length_is_terminated),
        cmocka_unit_test(clearing_keeps_the_memory),
        cmocka_unit_test(stealing_gives_the_text_away),
        cmocka_unit_test(a_failed_buffer_stays_whole_and_takes_no_more),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
