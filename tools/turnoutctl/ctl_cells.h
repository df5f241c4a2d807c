/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of rows as the daemon gives them: what several commands put into cells. */
#ifndef TOOLS_TURNOUTCTL_CTL_CELLS_H
#define TOOLS_TURNOUTCTL_CTL_CELLS_H 1

#include "tools/turnoutctl/ctl.h"
#include "tools/turnoutctl/table.h"

/* A table, with its optional columns while watching. NULL without memory. */
struct table *ctl_table_new(const struct ctl *, const struct table_column *, size_t n_columns);

/* A counter; "?" if it is not known. */
void ctl_add_counter(struct table *, const json_t *row, const char *name);

/* A rate, for an optional column. */
void ctl_add_rate(struct table *, const json_t *row, const char *name);

#endif /* tools/turnoutctl/ctl_cells.h */
