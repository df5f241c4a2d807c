/* SPDX-License-Identifier: Apache-2.0 */
/* Nanoseconds a frame for the parser, and for parser and typical rewrites.
 *
 *   bench/bench_parse [ROUNDS]
 *
 * Frames lie one behind the other in memory that fits the second-level cache, as they do
 * in a ring that was just filled; each is handled in turn. Medians of ROUNDS (11). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/hash.h"
#include "sw-datapath/execute.h"
#include "sw-datapath/parse.h"

enum { N_FRAMES = 1024, SLOT = 256, LOOPS = 200, MAX_ROUNDS = 101 };

static uint8_t frames[N_FRAMES][SLOT];
static uint64_t sink;   /* keeps what is measured from being optimised away */

struct kind {
    const char *name;
    uint32_t size;
    uint8_t head[64];
};

#define ADDRS 2, 0, 0, 0, 0, 11, 2, 0, 0, 0, 0, 10
#define TCP_BYTES 0x9c, 0x40, 0, 80, 0, 0, 0, 7, 0, 0, 0, 9, 0x50, 0x18, 0x20, 0, 0x12, 0x34

static const struct kind kinds[] = {
    { "tcp", 60, { ADDRS, 8, 0, 0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0x26, 0xcd, 10, 0, 0, 1,
                   10, 0, 0, 2, TCP_BYTES } },
    { "tcp in vlan", 60, { ADDRS, 0x81, 0, 0, 100, 8, 0, 0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0x26,
                           0xcd, 10, 0, 0, 1, 10, 0, 0, 2, TCP_BYTES } },
    { "arp", 60, { ADDRS, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 10, 10, 0, 0, 1,
                   0, 0, 0, 0, 0, 0, 10, 0, 0, 2 } },
    { "ipv6", 60, { ADDRS, 0x86, 0xdd, 0x60 } },
};

static void
fill(const struct kind *kind)
{
    for (unsigned i = 0; i < N_FRAMES; i++) {
        memset(frames[i], 0, SLOT);
        memcpy(frames[i] + PACKET_HEADROOM, kind->head, sizeof kind->head);
    }
}

static void
start(struct packet *packet, unsigned i, const struct kind *kind)
{
    packet->data = frames[i] + PACKET_HEADROOM;
    packet->size = kind->size;
    packet->in_port = 1;
    packet->offload = (struct packet_offload) { 0 };
}

static void
only_parse(const struct kind *kind)
{
    struct packet packet;
    struct flow_key key;
    for (unsigned i = 0; i < N_FRAMES; i++) {
        start(&packet, i, kind);
        packet_parse(&packet, &key);
        sink += key.lane[0] + key.lane[7];
    }
}

/* What follows in the datapath: all lanes are read as words. */
static void
parse_and_hash(const struct kind *kind)
{
    struct packet packet;
    struct flow_key key;
    for (unsigned i = 0; i < N_FRAMES; i++) {
        start(&packet, i, kind);
        packet_parse(&packet, &key);
        for (unsigned j = 0; j < FLOW_LANES; j += 2) {
            sink += hash_fold(key.lane[j], key.lane[j + 1]);
        }
    }
}

static void
drop_output(void *aux, struct packet *packet, const struct action *action, bool copy)
{
    (void) aux;
    sink += packet->size + action->output.port + copy;
}

static void
run(const struct kind *kind, const struct action *actions, uint32_t len)
{
    static const struct execute_ops ops = { .output = drop_output };
    static union {
        struct action_list list;
        uint8_t room[sizeof(struct action_list) + 16 * sizeof(struct action)];
    } u;
    u.list.len = len;
    memcpy(u.list.actions, actions, len * sizeof *actions);
    for (unsigned i = 0; i < N_FRAMES; i++) {
        struct packet packet;
        struct flow_key key;
        start(&packet, i, kind);
        packet_parse(&packet, &key);
        execute_actions(&u.list, &packet, &ops, NULL);
    }
}

static void
parse_and_output(const struct kind *kind)
{
    static const struct action actions[] = { { .type = ACTION_OUTPUT, .output.port = 2 } };
    run(kind, actions, 1);
}

static void
parse_and_route(const struct kind *kind)
{
    static const struct action actions[] = {
        { .type = ACTION_SET_DL_SRC, .dl.addr = { 2, 1 } },
        { .type = ACTION_SET_DL_DST, .dl.addr = { 2, 2 } },
        { .type = ACTION_OUTPUT, .output.port = 2 },
    };
    run(kind, actions, 3);
}

/* The address changes back and forth, so that there is something to do every time. */
static void
parse_and_nat(const struct kind *kind)
{
    static struct action actions[] = {
        { .type = ACTION_SET_NW_DST }, { .type = ACTION_SET_TP_DST },
        { .type = ACTION_OUTPUT, .output.port = 2 },
    };
    actions[0].nw.addr.raw++;
    actions[1].tp.port.raw++;
    run(kind, actions, 3);
}

static void
parse_and_tag(const struct kind *kind)
{
    static const struct action actions[] = {
        { .type = ACTION_SET_VLAN_VID, .vlan_vid.vid = 5 },
        { .type = ACTION_OUTPUT, .output.port = 2 },
        { .type = ACTION_STRIP_VLAN },
    };
    run(kind, actions, 3);
}

static int
compare(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

static double
median_ns(void (*work)(const struct kind *), const struct kind *kind, int rounds)
{
    double ns[MAX_ROUNDS];
    for (int round = 0; round < rounds; round++) {
        fill(kind);
        uint64_t begin = clock_ns();
        for (int loop = 0; loop < LOOPS; loop++) {
            work(kind);
        }
        ns[round] = (double) (clock_ns() - begin) / LOOPS / N_FRAMES;
    }
    qsort(ns, (size_t) rounds, sizeof *ns, compare);
    return ns[rounds / 2];
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*work)(const struct kind *);
    } works[] = {
        { "parse", only_parse },         { "parse, hash", parse_and_hash },
        { "parse, output", parse_and_output }, { "parse, set_dl x2", parse_and_route },
        { "parse, nat", parse_and_nat }, { "parse, push, strip", parse_and_tag },
    };
    int rounds = argc > 1 ? atoi(argv[1]) : 11;
    rounds = rounds < 1 ? 1 : rounds > MAX_ROUNDS ? MAX_ROUNDS : rounds;
    printf("%-20s", "ns a frame");
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        printf(" %12s", kinds[k].name);
    }
    printf("\n");
    for (size_t w = 0; w < sizeof works / sizeof *works; w++) {
        printf("%-20s", works[w].name);
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
            printf(" %12.1f", median_ns(works[w].work, &kinds[k], rounds));
        }
        printf("\n");
    }
    return sink == 0;
}
