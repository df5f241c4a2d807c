/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/errmsg.h"

#include <stdio.h>
#include <string.h>

void
errmsg_set(struct errmsg *err, const char *format, ...)
{
    if (!err) {
        return;
    }
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
}

void
errmsg_prefix(struct errmsg *err, const char *format, ...)
{
    if (!err) {
        return;
    }
    struct errmsg old = *err;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    if (n >= 0 && (size_t) n < sizeof err->text) {
        snprintf(err->text + n, sizeof err->text - (size_t) n, ": %s", old.text);
    }
}
