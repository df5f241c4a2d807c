/* SPDX-License-Identifier: Apache-2.0 */
/* The tables in a file, mapped: what is stored is there when the process is killed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "drivers/sim/sim_record.h"

struct sim_file {
    int fd;
    size_t size;
    struct sim_file_header *header;       /* the mapping */
    struct sim_record *records;
};

static void
restore(struct sim_file *file, struct sim_tables *t, uint64_t i)
{
    const struct sim_record *r = &file->records[i];
    union { struct action_list list; uint64_t words[1 + SIM_MAX_ACTIONS]; } actions;
    struct sim_entry *e;
    enum hal_reason reason;
    if (r->n_actions > SIM_MAX_ACTIONS || r->table >= SIM_N_TABLES) {
        file->records[i].used = 0;
        return;
    }
    memset(&actions, 0, sizeof actions);
    actions.list.len = r->n_actions;
    memcpy(actions.list.actions, r->actions, r->n_actions * sizeof r->actions[0]);
    struct hal_change change = { r->cookie, 0, HAL_ADD, { &r->match, &actions.list, r->priority,
                                                          r->table } };
    t->free_hint = (uint32_t) i;
    if (sim_insert(t, &change, &e, &reason) || e->handle != i + 1) {
        file->records[i].used = 0;
        return;
    }
    e->base = e->shown = (struct hal_counters) { r->packets, r->bytes };
}

static int
map(struct sim_file *file, const char *path, const struct sim_tables *t, char *error)
{
    struct stat st;
    file->size = sizeof *file->header + t->n_slots * sizeof *file->records;
    file->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file->fd < 0 || fstat(file->fd, &st)) {
        snprintf(error, HAL_ERROR_SIZE, "%.160s: %s", path, strerror(errno));
        return -errno;
    }
    bool fresh = (size_t) st.st_size != file->size;
    if (fresh && (ftruncate(file->fd, 0) || ftruncate(file->fd, (off_t) file->size))) {
        snprintf(error, HAL_ERROR_SIZE, "%.160s: %s", path, strerror(errno));
        return -errno;
    }
    void *pages = mmap(NULL, file->size, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, 0);
    if (pages == MAP_FAILED) {
        snprintf(error, HAL_ERROR_SIZE, "%.160s: %s", path, strerror(errno));
        return -errno;
    }
    file->header = pages;
    file->records = (void *) (file->header + 1);
    struct sim_file_header wanted = { SIM_FILE_MAGIC, sizeof *file->records, t->n_slots,
                                      t->options.exact, t->options.tcam };
    if (memcmp(file->header, &wanted, sizeof wanted)) {
        memset(file->records, 0, file->size - sizeof *file->header);
        *file->header = wanted;
    }
    return 0;
}

void
sim_file_path(const char *dir, const struct sim_options *o, char *path, size_t size)
{
    if (*o->path) {
        snprintf(path, size, "%s", o->path);
    } else {
        snprintf(path, size, "%s/sim.table", dir ? dir : ".");
    }
}

struct sim_file *
sim_file_open(const char *dir, struct sim_tables *t, char *error)
{
    char path[512];
    struct sim_file *file = calloc(1, sizeof *file);
    if (!file || !(dir || *t->options.path)) {
        snprintf(error, HAL_ERROR_SIZE, file ? "there is no directory for the file" : "no memory");
        free(file);
        return NULL;
    }
    sim_file_path(dir, &t->options, path, sizeof path);
    if (map(file, path, t, error)) {
        sim_file_close(file);
        return NULL;
    }
    for (uint64_t i = 0; i < file->header->n_records; i++) {
        if (file->records[i].used) {
            restore(file, t, i);
        }
    }
    return file;
}

void
sim_file_close(struct sim_file *file)
{
    if (file) {
        if (file->header) {
            munmap(file->header, file->size);
        }
        if (file->fd >= 0) {
            close(file->fd);
        }
        free(file);
    }
}

void
sim_file_store(struct sim_file *file, const struct sim_tables *t, const struct sim_entry *e)
{
    struct hal_counters counters;
    struct sim_record *r = file ? &file->records[e->handle - 1] : NULL;
    if (!r) {
        return;
    }
    sim_sum(t, e, &counters);
    *(volatile uint64_t *) &r->used = 0;     /* while it is half written it is not there */
    r->cookie = e->cookie;
    r->match = e->match;
    r->packets = counters.packets;
    r->bytes = counters.bytes;
    r->priority = e->priority;
    r->table = e->table;
    r->n_actions = (uint8_t) e->actions->len;
    memcpy(r->actions, e->actions->actions, e->actions->len * sizeof r->actions[0]);
    *(volatile uint64_t *) &r->used = 1;
}

void
sim_file_clear(struct sim_file *file, uint64_t handle)
{
    if (file) {
        *(volatile uint64_t *) &file->records[handle - 1].used = 0;
    }
}
