/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/config_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Takes a quoted stretch that begins behind 'in'. Returns where it ends, behind the
 * closing quote, or NULL if there is none. */
static char *
take_quoted(char *in, char quote, char **out)
{
    for (; *in; in++) {
        if (*in == quote) {
            return in + 1;
        }
        if (quote == '"' && *in == '\\' && (in[1] == '"' || in[1] == '\\')) {
            in++;
        }
        *(*out)++ = *in;
    }
    return NULL;
}

/* Takes one word from 'in', unquoted into place. Returns where the next may begin, or
 * NULL: *what then says what is missing. */
static char *
take_word(char *in, const char **what)
{
    char *out = in;
    while (*in && !is_blank(*in)) {
        if (*in == '\'' || *in == '"') {
            in = take_quoted(in + 1, *in, &out);
            if (!in) {
                *what = "a quote that is not closed";
                return NULL;
            }
        } else if (*in == '\\') {
            if (!in[1]) {
                *what = "a backslash at the end of the line";
                return NULL;
            }
            *out++ = in[1];
            in += 2;
        } else {
            *out++ = *in++;
        }
    }
    char *next = *in ? in + 1 : in;
    *out = '\0';
    return next;
}

int
config_split_line(char *line, char *words[CONFIG_LINE_MAX_WORDS], struct errmsg *err)
{
    int n = 0;
    for (;;) {
        while (is_blank(*line)) {
            line++;
        }
        if (!*line || *line == '#') {
            return n;
        }
        if (n == CONFIG_LINE_MAX_WORDS) {
            errmsg_set(err, "more than %d words in a line", CONFIG_LINE_MAX_WORDS);
            return -EINVAL;
        }
        const char *what = NULL;
        words[n++] = line;
        line = take_word(line, &what);
        if (!line) {
            errmsg_set(err, "%s", what);
            return -EINVAL;
        }
    }
}

/* One line: "NAME", "NAME VALUE...", "NAME=VALUE" or "NAME = VALUE". */
static int
give_line(struct config_parser *parser, char *line, struct errmsg *err)
{
    char *words[CONFIG_LINE_MAX_WORDS + 1];
    int n = config_split_line(line, words + 1, err);
    if (n <= 0) {
        return n;
    }
    char *name = words[1];
    char **values = words + 2;
    size_t n_values = n - 1;
    char *equals = strchr(name, '=');
    if (equals) {
        *equals = '\0';
        values = words + 1;
        values[0] = equals + 1;
        n_values++;
    }
    if (n_values && !equals && !strcmp(values[0], "=")) {
        values++;
        n_values--;
    }
    if (name[0] == '-') {
        errmsg_set(err, "'%s': options have no dashes here: '%s'", name,
                   name + strspn(name, "-"));
        return -EINVAL;
    }
    return option_give(parser, name, values, n_values, err);
}

int
config_file_read_text(struct config_parser *parser, const char *text, size_t size,
                      struct errmsg *err)
{
    const char *end = text + size;
    for (unsigned number = 1; text < end; number++) {
        const char *newline = memchr(text, '\n', end - text);
        size_t len = (newline ? newline : end) - text;
        int error;
        if (memchr(text, '\0', len)) {
            errmsg_set(err, "a NUL byte: this is not a text file");
            error = -EINVAL;
        } else {
            char *line = config_realloc(NULL, len + 1, 1);
            memcpy(line, text, len);
            line[len] = '\0';
            error = give_line(parser, line, err);
            free(line);
        }
        if (error) {
            errmsg_prefix(err, "%s:%u", parser->file, number);
            return error;
        }
        if (!newline) {
            break;
        }
        text = newline + 1;
    }
    return 0;
}

/* The file's content, for the caller to free, and *size; or NULL. */
static char *
read_whole(const char *path, size_t *size, struct errmsg *err)
{
    FILE *stream = fopen(path, "re");
    if (!stream) {
        errmsg_set(err, "%s: can't open the configuration file: %s", path, strerror(errno));
        return NULL;
    }
    char *text = config_realloc(NULL, CONFIG_FILE_MAX_SIZE + 1, 1);
    *size = fread(text, 1, CONFIG_FILE_MAX_SIZE + 1, stream);
    int error = ferror(stream) ? errno : 0;
    fclose(stream);
    if (error) {
        errmsg_set(err, "%s: can't read the configuration file: %s", path, strerror(error));
    } else if (*size > CONFIG_FILE_MAX_SIZE) {
        errmsg_set(err, "%s: the configuration file is longer than %d bytes", path,
                   CONFIG_FILE_MAX_SIZE);
    } else {
        return text;
    }
    free(text);
    return NULL;
}

int
config_file_read(struct config_parser *parser, const char *path, struct errmsg *err)
{
    size_t size;
    char *text = read_whole(path, &size, err);
    if (!text) {
        return -EINVAL;
    }
    parser->file = path;
    int error = config_file_read_text(parser, text, size, err);
    parser->file = NULL;
    free(text);
    return error;
}
