/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tools/turnoutctl/rates.h"

#define SECOND UINT64_C(1000000000)

static json_t *
add(struct rates *rates, const char *method, const char *text, uint64_t now_ns)
{
    json_t *result = json_loads(text, 0, NULL);
    assert_non_null(result);
    rates_add(rates, method, result, now_ns);
    return result;
}

/* Takes the result. */
static void
expect(json_t *result, const char *wanted)
{
    json_t *other = json_loads(wanted, 0, NULL);
    assert_non_null(other);
    if (!json_equal(result, other)) {
        fail_msg("got %s, wanted %s", json_dumps(result, 0), wanted);
    }
    json_decref(result);
    json_decref(other);
}

static void
what_grew_is_divided_by_the_time(void **state)
{
    (void) state;
    struct rates *rates = rates_new();
    rates_next(rates);
    expect(add(rates, "counters", "{\"counters\":[{\"name\":\"a\",\"value\":10},"
               "{\"name\":\"b\",\"value\":0}]}", 5 * SECOND),
           "{\"counters\":[{\"name\":\"a\",\"value\":10,\"value_per_s\":null},"
           "{\"name\":\"b\",\"value\":0,\"value_per_s\":null}]}");
    rates_next(rates);
    expect(add(rates, "counters", "{\"counters\":[{\"name\":\"b\",\"value\":0},"
               "{\"name\":\"a\",\"value\":15}]}", 7 * SECOND),
           "{\"counters\":[{\"name\":\"b\",\"value\":0,\"value_per_s\":0.0},"
           "{\"name\":\"a\",\"value\":15,\"value_per_s\":2.5}]}");
    rates_free(rates);
}

static void
new_rows_and_counters_that_went_back_have_none(void **state)
{
    (void) state;
    struct rates *rates = rates_new();
    json_decref(add(rates, "flows", "{\"flows\":[{\"match\":\"ip\",\"priority\":1,\"exact\":false,"
                    "\"packets\":9,\"bytes\":900}]}", SECOND));
    rates_next(rates);
    /* The same match at another priority is another flow. */
    expect(add(rates, "flows", "{\"flows\":[{\"match\":\"ip\",\"priority\":2,\"exact\":false,"
               "\"packets\":9,\"bytes\":900},{\"match\":\"ip\",\"priority\":1,\"exact\":false,"
               "\"packets\":3,\"bytes\":901}]}", 2 * SECOND),
           "{\"flows\":[{\"match\":\"ip\",\"priority\":2,\"exact\":false,\"packets\":9,"
           "\"bytes\":900,\"packets_per_s\":null,\"bytes_per_s\":null},"
           "{\"match\":\"ip\",\"priority\":1,\"exact\":false,\"packets\":3,"
           "\"bytes\":901,\"packets_per_s\":null,\"bytes_per_s\":1.0}]}");
    /* One that was away in between is new. */
    rates_next(rates);
    rates_next(rates);
    expect(add(rates, "flows", "{\"flows\":[{\"match\":\"ip\",\"priority\":1,\"exact\":false,"
               "\"packets\":4,\"bytes\":902}]}", 3 * SECOND),
           "{\"flows\":[{\"match\":\"ip\",\"priority\":1,\"exact\":false,\"packets\":4,"
           "\"bytes\":902,\"packets_per_s\":null,\"bytes_per_s\":null}]}");
    rates_free(rates);
}

static void
a_counter_that_is_not_known_has_none(void **state)
{
    (void) state;
    struct rates *rates = rates_new();
    const char *text = "{\"entries\":[{\"worker\":0,\"match\":\"\",\"packets\":null}]}";
    json_decref(add(rates, "cache", text, SECOND));
    rates_next(rates);
    expect(add(rates, "cache", text, 2 * SECOND),
           "{\"entries\":[{\"worker\":0,\"match\":\"\",\"packets\":null,\"packets_per_s\":null,"
           "\"bytes_per_s\":null}]}");
    rates_free(rates);
}

static void
rows_of_bridges_and_inner_objects(void **state)
{
    (void) state;
    struct rates *rates = rates_new();
    for (int i = 0; i < 2; i++) {
        json_decref(add(rates, "controllers", "{\"bridges\":[{\"name\":\"x\",\"connections\":"
                        "[{\"target\":\"t\",\"peer\":\"\",\"messages_in\":1,\"messages_out\":0}]}]}",
                        SECOND));
        json_decref(add(rates, "show", "{\"bridges\":[{\"name\":\"x\",\"lookups\":"
                        "{\"hit\":1,\"missed\":2,\"lost\":3}}]}", SECOND));
        rates_next(rates);
    }
    expect(add(rates, "controllers", "{\"bridges\":[{\"name\":\"y\",\"connections\":"
               "[{\"target\":\"t\",\"peer\":\"\",\"messages_in\":3,\"messages_out\":0}]},"
               "{\"name\":\"x\",\"connections\":"
               "[{\"target\":\"t\",\"peer\":\"\",\"messages_in\":3,\"messages_out\":0}]}]}",
               2 * SECOND),
           "{\"bridges\":[{\"name\":\"y\",\"connections\":"
           "[{\"target\":\"t\",\"peer\":\"\",\"messages_in\":3,\"messages_out\":0,"
           "\"messages_in_per_s\":null,\"messages_out_per_s\":null}]},"
           "{\"name\":\"x\",\"connections\":[{\"target\":\"t\",\"peer\":\"\",\"messages_in\":3,"
           "\"messages_out\":0,\"messages_in_per_s\":2.0,\"messages_out_per_s\":0.0}]}]}");
    expect(add(rates, "show", "{\"bridges\":[{\"name\":\"x\",\"lookups\":"
               "{\"hit\":2,\"missed\":2,\"lost\":3}}]}", 2 * SECOND),
           "{\"bridges\":[{\"name\":\"x\",\"lookups\":{\"hit\":2,\"missed\":2,\"lost\":3,"
           "\"hit_per_s\":1.0,\"missed_per_s\":0.0,\"lost_per_s\":0.0}}]}");
    rates_free(rates);
}

static void
other_methods_are_left_alone(void **state)
{
    (void) state;
    struct rates *rates = rates_new();
    expect(add(rates, "version", "{\"pid\":7}", SECOND), "{\"pid\":7}");
    expect(add(rates, "ports", "{\"ports\":7}", SECOND), "{\"ports\":7}");
    rates_free(rates);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_grew_is_divided_by_the_time),
        cmocka_unit_test(new_rows_and_counters_that_went_back_have_none),
        cmocka_unit_test(a_counter_that_is_not_known_has_none),
        cmocka_unit_test(rows_of_bridges_and_inner_objects),
        cmocka_unit_test(other_methods_are_left_alone),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
