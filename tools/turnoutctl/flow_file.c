/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "tools/turnoutctl/flow_file.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HEADING "# turnoutctl save-flows"
#define END "# end of "

/* --- reading ------------------------------------------------------------------------- */

static bool
is_standard(const char *name)
{
    return !name || !strcmp(name, "-");
}

int
flow_file_open(struct flow_file *file, const char *name, struct errmsg *err)
{
    *file = (struct flow_file) { .name = is_standard(name) ? "standard input" : name };
    file->in = is_standard(name) ? stdin : fopen(name, "re");
    if (!file->in) {
        int error = -errno;
        errmsg_set(err, "%s: %s", name, strerror(-error));
        return error;
    }
    return 0;
}

void
flow_file_close(struct flow_file *file)
{
    if (file->in && file->in != stdin) {
        fclose(file->in);
    }
    free(file->line);
}

/* Cuts comment and blanks off; what is left. */
static char *
trim(char *line)
{
    line[strcspn(line, "#\n")] = '\0';
    line += strspn(line, " \t\r");
    size_t len = strlen(line);
    while (len && strchr(" \t\r", line[len - 1])) {
        line[--len] = '\0';
    }
    return line;
}

/* "OFPST_FLOW reply (OF1.0) (xid=0x4):", which dump-flows prints first. */
static bool
is_heading(const char *text)
{
    return !strncmp(text, "OFPST_FLOW reply", 16) || !strncmp(text, "NXST_FLOW reply", 15);
}

static int
refuse(const struct flow_file *file, const char *why, struct errmsg *err)
{
    errmsg_set(err, "%s:%"PRIu32": %s", file->name, file->number, why);
    return -EINVAL;
}

/* The end was reached. */
static int
check_end(const struct flow_file *file, struct errmsg *err)
{
    if (ferror(file->in)) {
        errmsg_set(err, "%s: %s", file->name, strerror(errno));
        return -EIO;
    }
    if (file->saved && !file->ended) {
        return refuse(file, "the file is cut off: the last line of save-flows is missing", err);
    }
    return 0;
}

int
flow_file_next(struct flow_file *file, struct errmsg *err)
{
    ssize_t len;
    while ((len = getline(&file->line, &file->capacity, file->in)) >= 0) {
        file->number++;
        if (strlen(file->line) != (size_t) len) {
            return refuse(file, "a byte of 0", err);
        }
        file->saved |= file->number == 1 && !strncmp(file->line, HEADING, sizeof HEADING - 1);
        if (file->saved && !strncmp(file->line, END, sizeof END - 1)) {
            uint64_t n = strtoull(file->line + sizeof END - 1, NULL, 10);
            if (n != file->n_flows) {
                return refuse(file, "flows are missing, or there are more than were saved", err);
            }
            file->ended = true;
        }
        if (!strncmp(file->line, FLOW_FILE_EMERGENCY, sizeof FLOW_FILE_EMERGENCY - 1)) {
            /* As flow_spec_parse() knows it; shorter than what was there. */
            memcpy(file->line, "      emerg, ", sizeof FLOW_FILE_EMERGENCY - 1);
        }
        char *text = trim(file->line);
        if (!*text || is_heading(text)) {
            continue;
        }
        json_t *string = json_string(text);
        if (!string) {
            return refuse(file, "not UTF-8", err);
        }
        json_decref(string);
        memmove(file->line, text, strlen(text) + 1);
        file->n_flows++;
        return 1;
    }
    return check_end(file, err);
}

/* --- writing ------------------------------------------------------------------------- */

static int
open_temporary(struct new_file *file)
{
    if (asprintf(&file->temporary, "%s.XXXXXX", file->name) < 0) {
        file->temporary = NULL;
        return -ENOMEM;
    }
    int fd = mkstemp(file->temporary);
    if (fd < 0) {
        return -errno;
    }
    mode_t mask = umask(0);
    umask(mask);
    file->out = fchmod(fd, 0666 & ~mask) ? NULL : fdopen(fd, "w");
    if (!file->out) {
        int error = -errno;
        close(fd);
        unlink(file->temporary);
        return error;
    }
    return 0;
}

int
new_file_open(struct new_file *file, const char *name, struct errmsg *err)
{
    *file = (struct new_file) { .name = is_standard(name) ? "standard output" : name };
    if (is_standard(name)) {
        file->out = stdout;
        return 0;
    }
    int error = open_temporary(file);
    if (error) {
        errmsg_set(err, "can't write %s: %s", name, strerror(-error));
        free(file->temporary);
        file->temporary = NULL;
    }
    return error;
}

int
new_file_close(struct new_file *file, bool keep, struct errmsg *err)
{
    int error = fflush(file->out) || ferror(file->out) ? -EIO : 0;
    if (file->temporary) {
        error = error || !keep ? error : fsync(fileno(file->out)) ? -errno : 0;
        error = fclose(file->out) && !error ? -errno : error;
        if (!error && keep) {
            error = rename(file->temporary, file->name) ? -errno : 0;
        }
        if (error || !keep) {
            unlink(file->temporary);
        }
        free(file->temporary);
    }
    if (error) {
        errmsg_set(err, "can't write %s: %s", file->name, strerror(-error));
    }
    return error;
}

void
flow_file_put_heading(FILE *out, const char *bridge)
{
    char text[40] = "";
    time_t now = time(NULL);
    struct tm when;
    if (gmtime_r(&now, &when)) {
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &when);
    }
    fprintf(out, HEADING ": bridge %s, %s\n", bridge, text);
}

void
flow_file_put_end(FILE *out, uint64_t n_flows)
{
    fprintf(out, END "%"PRIu64" flow%s\n", n_flows, n_flows == 1 ? "" : "s");
}
