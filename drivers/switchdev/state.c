/* SPDX-License-Identifier: Apache-2.0 */
/* The priorities of the rules that are in the bridge, which has no place for them: in a file, a line
 * each, "VLAN ADDRESS PRIORITY". It is appended to before an entry is written, so what a process
 * that was killed left in the bridge is in the file; lines of what never came to be do no harm. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "drivers/switchdev/device.h"

#define ADDRESS "%02" PRIx8 ":%02" PRIx8 ":%02" PRIx8 ":%02" PRIx8 ":%02" PRIx8 ":%02" PRIx8
#define BYTES(A) (A)[0], (A)[1], (A)[2], (A)[3], (A)[4], (A)[5]

/* False: there is no folder for it. */
static bool
path_of(const struct switchdev *d, const char *suffix, char *path, size_t size)
{
    int n = snprintf(path, size, "%s/switchdev-%s%s", d->state_dir, d->bridge.name, suffix);
    return d->state_dir[0] && n > 0 && (size_t) n < size;
}

static void
write_line(FILE *file, const struct switchdev_group *g, uint16_t priority)
{
    fprintf(file, "%u " ADDRESS " %u\n", g->vid, BYTES(g->addr), priority);
}

void
switchdev_state_add(struct switchdev *d, const struct switchdev_group *g, uint16_t priority)
{
    enum { SPARE = 1000 };
    char path[320];
    if (++d->n_remembered > SPARE + 2 * d->table.n_groups) {
        switchdev_state_rewrite(d);
    }
    FILE *file = path_of(d, "", path, sizeof path) ? fopen(path, "ae") : NULL;
    if (file) {
        write_line(file, g, priority);
    }
    if (d->state_dir[0] && (!file || ferror(file) | fclose(file))) {
        d->host->log(d->host, LOG_WARNING, "%s: %s: an entry will not outlive a restart", path,
                     strerror(errno));
    }
}

static void
write_if_there(struct switchdev_group *g, void *file)
{
    if (g->state != SWITCHDEV_UNWRITTEN && g->entries) {
        write_line(file, g, g->entries->priority);
    }
}

void
switchdev_state_rewrite(struct switchdev *d)
{
    char path[320], fresh[328];
    FILE *file = d->bridge.ifindex && path_of(d, "", path, sizeof path)
                 && path_of(d, ".new", fresh, sizeof fresh) ? fopen(fresh, "we") : NULL;
    if (!file) {
        return;                      /* the longer file serves as well */
    }
    d->n_remembered = d->table.n_groups;
    switchdev_table_each(&d->table, write_if_there, file);
    bool bad = ferror(file);
    if (fclose(file) || bad || rename(fresh, path)) {
        unlink(fresh);
    }
}

void
switchdev_state_each(const struct switchdev *d,
                     void (*visit)(uint16_t vid, const uint8_t addr[6], uint16_t priority, void *aux),
                     void *aux)
{
    char path[320], line[80];
    FILE *file = path_of(d, "", path, sizeof path) ? fopen(path, "re") : NULL;
    while (file && fgets(line, sizeof line, file)) {
        unsigned vid, priority;
        uint8_t addr[6];
        char end;
        if (sscanf(line, "%u %" SCNx8 ":%" SCNx8 ":%" SCNx8 ":%" SCNx8 ":%" SCNx8 ":%" SCNx8 " %u%c",
                   &vid, &addr[0], &addr[1], &addr[2], &addr[3], &addr[4], &addr[5], &priority,
                   &end) == 9 && end == '\n' && vid < SWITCHDEV_VLANS && priority <= UINT16_MAX) {
            visit((uint16_t) vid, addr, (uint16_t) priority, aux);
        }
    }
    if (file) {
        fclose(file);
    }
}

void
switchdev_state_delete(const struct switchdev *d)
{
    char path[320];
    if (path_of(d, "", path, sizeof path)) {
        unlink(path);
    }
}
