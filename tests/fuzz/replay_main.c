/* SPDX-License-Identifier: Apache-2.0 */
/* Replays inputs through a fuzz target: the files and folders given; without any, the
 * target's corpus. Prints TAP, the name before the input runs, so that the one that
 * crashes is known. Each input lies in memory of exactly its size, so that a sanitizer
 * sees a read behind it. */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

static unsigned n_run;

static uint8_t *
read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    struct stat st;
    uint8_t *data = NULL;
    if (file && !fstat(fileno(file), &st)) {
        *size = (size_t) st.st_size;
        data = malloc(*size ? *size : 1);
        if (data && fread(data, 1, *size, file) != *size) {
            free(data);
            data = NULL;
        }
    }
    if (file) {
        fclose(file);
    }
    return data;
}

static bool
replay_file(const char *path)
{
    size_t size;
    uint8_t *data = read_file(path, &size);
    n_run++;
    if (!data) {
        printf("not ok %u - %s: %s\n", n_run, path, strerror(errno));
        return false;
    }
    printf("# %s\n", path);
    fflush(stdout);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    const char *slash = strrchr(path, '/');
    printf("ok %u - %s\n", n_run, slash ? slash + 1 : path);
    return true;
}

static int
is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static bool
replay(const char *path)
{
    struct stat st;
    if (stat(path, &st) || !S_ISDIR(st.st_mode)) {
        return replay_file(path);
    }
    struct dirent **entries;
    int n = scandir(path, &entries, is_visible, alphasort);
    bool ok = n > 0;
    for (int i = 0; i < n; i++) {
        char file[4096];
        snprintf(file, sizeof file, "%s/%s", path, entries[i]->d_name);
        ok = replay_file(file) && ok;
        free(entries[i]);
    }
    if (n >= 0) {
        free(entries);
    }
    if (n <= 0) {
        printf("not ok %u - %s: no inputs\n", ++n_run, path);
    }
    return ok;
}

/* tests/fuzz/corpus/NAME in the source tree, for a program called fuzz_NAME. */
static bool
replay_corpus(const char *program)
{
    static const char prefix[] = "fuzz_";
    const char *source = getenv("TURNOUT_SRCDIR");
    const char *name = strrchr(program, '/');
    name = name ? name + 1 : program;
    if (strncmp(name, prefix, sizeof prefix - 1)) {
        printf("not ok %u - %s is not called fuzz_NAME\n", ++n_run, name);
        return false;
    }
    char path[4096];
    snprintf(path, sizeof path, "%s/tests/fuzz/corpus/%s", source ? source : ".",
             name + sizeof prefix - 1);
    return replay(path);
}

int
main(int argc, char *argv[])
{
    bool ok = true;
    for (int i = 1; i < argc; i++) {
        ok = replay(argv[i]) && ok;
    }
    if (argc < 2) {
        ok = replay_corpus(argv[0]);
    }
    printf("1..%u\n", n_run);
    return ok ? 0 : 1;
}
