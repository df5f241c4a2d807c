/* SPDX-License-Identifier: Apache-2.0 */
/* The tables as the file has them, for those who only look: nothing is written, and a turnoutd may
 * be using the file meanwhile. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "drivers/sim/sim_record.h"

enum { TRIES = 100 };

typedef uint64_t __attribute__((may_alias)) word;
static_assert(sizeof(struct sim_record) % sizeof(word) == 0, "records are copied by words");

/* In order: what one copy sees is not newer than what the next one sees. */
static void
copy_words(const struct sim_record *from, struct sim_record *to)
{
    const word *source = (const word *) from;
    word *out = (word *) to;
    for (size_t i = 0; i < sizeof *from / sizeof *source; i++) {
        out[i] = __atomic_load_n(&source[i], __ATOMIC_ACQUIRE);
    }
}

/* Copies a record as it is at one moment: who writes it says first that it is not there, so two
 * copies that are equal, of one that is there, are what was written. False: it is not there. */
static bool
copy_record(const struct sim_record *from, struct sim_record *to)
{
    for (int i = 0; i < TRIES; i++) {
        struct sim_record again;
        if (!__atomic_load_n(&from->used, __ATOMIC_ACQUIRE)) {
            return false;
        }
        copy_words(from, to);
        copy_words(from, &again);
        if (to->used && !memcmp(to, &again, sizeof again)) {
            return true;
        }
    }
    return false;
}

/* Shows a record in the tables, where only dump() looks. False without memory. */
static bool
take_record(struct sim_tables *t, const struct sim_record *r, uint32_t i)
{
    union { struct action_list list; uint64_t words[1 + SIM_MAX_ACTIONS]; } actions;
    if (r->n_actions > SIM_MAX_ACTIONS || r->table >= SIM_N_TABLES) {
        return true;                 /* turnoutd would drop it, too */
    }
    memset(&actions, 0, sizeof actions);
    actions.list.len = r->n_actions;
    memcpy(actions.list.actions, r->actions, r->n_actions * sizeof r->actions[0]);
    const struct hal_entry entry = { &r->match, &actions.list, r->priority, r->table };
    struct sim_entry *e = sim_entry_new(t, &entry, r->cookie);
    if (e) {
        e->handle = i + UINT64_C(1);
        e->base = e->shown = (struct hal_counters) { r->packets, r->bytes };
        t->slots[i] = e;
        t->n_exact += r->table == SIM_EXACT;
        atomic_fetch_add(&t->n_tcam, r->table == SIM_TCAM);
    }
    return e;
}

static int
take_all(const struct sim_file_header *header, size_t size, struct sim_options *o,
         struct sim_tables *t, char *error)
{
    const struct sim_record *records = (const void *) (header + 1);
    struct sim_record copy;
    if (size < sizeof *header || header->magic != SIM_FILE_MAGIC || header->exact > SIM_MAX_EXACT
        || header->tcam > SIM_MAX_TCAM || header->record_size != sizeof *records
        || header->n_records != header->exact + header->tcam
        || size != sizeof *header + header->n_records * sizeof *records) {
        snprintf(error, HAL_ERROR_SIZE, "it is no table of the simulated ASIC, or of another version");
        return -EINVAL;
    }
    o->exact = (uint32_t) header->exact;
    o->tcam = (uint32_t) header->tcam;
    int result = sim_tables_init(t, o, 1);
    for (uint32_t i = 0; !result && i < header->n_records; i++) {
        if (copy_record(&records[i], &copy) && !take_record(t, &copy, i)) {
            sim_tables_fini(t);
            result = -ENOMEM;
        }
    }
    if (result) {
        snprintf(error, HAL_ERROR_SIZE, "no memory");
    }
    return result;
}

int
sim_file_look(const char *dir, struct sim_options *o, struct sim_tables *t, char *error)
{
    char path[512], words[HAL_ERROR_SIZE] = "";
    struct stat st;
    sim_file_path(dir, o, path, sizeof path);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st)) {
        snprintf(error, HAL_ERROR_SIZE, "%.160s: %s", path, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return -ENOENT;
    }
    size_t size = (size_t) st.st_size;
    void *pages = size ? mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    int result = -EINVAL;
    if (pages == MAP_FAILED) {
        snprintf(words, sizeof words, "%s", size ? strerror(errno) : "it is empty");
    } else {
        result = take_all(pages, size, o, t, words);
        munmap(pages, size);
    }
    close(fd);
    if (result) {
        snprintf(error, HAL_ERROR_SIZE, "%.140s: %.100s", path, words);
    }
    return result;
}
