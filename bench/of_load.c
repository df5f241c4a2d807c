/* SPDX-License-Identifier: Apache-2.0 */
/* Controller side load for any OpenFlow 1.0 switch: times pipelined FLOW_MODs and barriers.
 *
 * usage: of_load SOCKET-PATH add N [OFFSET]   N pipelined ADDs, one barrier at the end
 *        of_load SOCKET-PATH delete           one DELETE of everything, one barrier
 *        of_load SOCKET-PATH barrier N        N barriers, one at a time
 *        of_load SOCKET-PATH single N OFFSET  N times: one ADD and a barrier
 * SOCKET-PATH is a unix socket, or HOST:PORT for TCP. Prints one line of NAME=VALUE.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/of_client.h"

static void *
drain(void *arg)
{
    wait_for(*(int *) arg, BARRIER_REPLY);
    return NULL;
}

static void
add(int fd, uint32_t n, uint32_t offset)
{
    pthread_t reader;
    double start = seconds();
    pthread_create(&reader, NULL, drain, &fd);
    send_flow_mods(fd, n, offset);
    pthread_join(reader, NULL);
    double t = seconds() - start;
    printf("flow_mods=%u seconds=%.4f rate=%.0f errors=%lu\n", n, t, n / t, n_errors);
}

static void
delete_all(int fd)
{
    uint8_t msg[FLOW_MOD_SIZE + 8];
    put_flow_mod(msg, 3, 0);
    put_barrier(msg + 72);
    double start = seconds();
    send_all(fd, msg, 80);
    wait_for(fd, BARRIER_REPLY);
    printf("seconds=%.4f errors=%lu\n", seconds() - start, n_errors);
}

static void
barriers(int fd, uint32_t n, bool single, uint32_t offset)
{
    double *t = calloc(n, sizeof *t);
    uint8_t msg[FLOW_MOD_SIZE + 8];
    for (uint32_t i = 0; i < n; i++) {
        size_t size = 0;
        if (single) {
            put_flow_mod(msg, 0, offset + i);
            size = FLOW_MOD_SIZE;
        }
        put_barrier(msg + size);
        double start = seconds();
        send_all(fd, msg, size + 8);
        wait_for(fd, BARRIER_REPLY);
        t[i] = (seconds() - start) * 1e6;
    }
    qsort(t, n, sizeof *t, compare_doubles);
    printf("n=%u p50_us=%.1f p99_us=%.1f max_us=%.1f errors=%lu\n", n, t[n / 2],
           t[(uint64_t) n * 99 / 100], t[n - 1], n_errors);
    free(t);
}

int
main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: of_load SOCKET add N [OFFSET] | delete | barrier N | single N OFFSET\n");
        return 2;
    }
    int fd = of_connect(argv[1]);
    uint32_t n = argc > 3 ? (uint32_t) strtoul(argv[3], NULL, 0) : 0;
    uint32_t offset = argc > 4 ? (uint32_t) strtoul(argv[4], NULL, 0) : 0;
    if (!strcmp(argv[2], "add")) {
        add(fd, n, offset);
    } else if (!strcmp(argv[2], "delete")) {
        delete_all(fd);
    } else {
        barriers(fd, n, !strcmp(argv[2], "single"), offset);
    }
    return 0;
}
