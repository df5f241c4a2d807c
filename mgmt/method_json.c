/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/method.h"

json_t *
method_counter(uint64_t value)
{
    return value == UINT64_MAX ? json_null() : json_integer((json_int_t) value);
}

json_t *
method_take_text(struct strbuf *text)
{
    json_t *value = text->failed ? NULL : json_string(strbuf_text(text));
    strbuf_fini(text);
    return value;
}
