/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/turnoutctl/ctl_cells.h"

#include "lib/strbuf.h"

struct table *
ctl_table_new(const struct ctl *ctl, const struct table_column *columns, size_t n_columns)
{
    struct table *table = table_new(columns, n_columns);
    if (table && ctl->rates) {
        table_show_optional(table);
    }
    return table;
}

void
ctl_add_counter(struct table *table, const json_t *row, const char *name)
{
    const json_t *value = json_object_get(row, name);
    if (json_is_integer(value)) {
        table_add(table, "%lld", (long long) json_integer_value(value));
    } else {
        table_add(table, "?");
    }
}

void
ctl_add_rate(struct table *table, const json_t *row, const char *name)
{
    struct strbuf text = { 0 };
    ctl_put_rate(&text, row, name);
    table_add(table, "%s", strbuf_text(&text));
    strbuf_fini(&text);
}
