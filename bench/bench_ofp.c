/* SPDX-License-Identifier: Apache-2.0 */
/* Nanoseconds a message for the codec: FLOW_MODs decoded as the agent does, one behind the
 * other in a stream; flow statistics and PACKET_INs encoded.
 *
 *   bench/bench_ofp [ROUNDS]
 *
 * Medians of ROUNDS (11), of the thread's own time, so that a busy machine does not count. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ofagent/ofp.h"

enum { N_MESSAGES = 4096, LOOPS = 50, MAX_ROUNDS = 101 };

static uint64_t sink;   /* keeps what is measured from being optimised away */

static void
make_flow_mod(uint32_t i, bool exact, uint32_t n_actions, struct ofp_flow_mod *mod)
{
    memset(&mod->match, 0, sizeof mod->match);
    struct flow_key *value = &mod->match.match.value, *mask = &mod->match.match.mask.bits;
    value->dl_type = be16_from_host(0x0800);
    value->nw_dst.ip4 = be32_from_host(0x0a000000 + i);
    mask->dl_type.raw = 0xffff;
    mask->nw_dst.ip4.raw = UINT32_MAX;
    if (exact) {
        value->in_port = (uint16_t) (1 + i % 48);
        value->nw_proto = 6;
        value->tp_dst = be16_from_host(80);
    }
    mod->match.exact = exact;
    mod->command = OFPFC_ADD;
    mod->priority = 100;
    mod->buffer_id = OFP_NO_BUFFER;
    mod->out_port = PORT_NONE;
    mod->n_actions = n_actions;
    for (uint32_t j = 0; j < n_actions; j++) {
        mod->actions[j] = (struct action) { .type = ACTION_OUTPUT, .output.port = (uint16_t) (j + 1) };
    }
}

/* Decodes a stream of FLOW_MODs; returns how many. */
static unsigned
decode_stream(const struct writer *w)
{
    static struct ofp_flow_mod mod;
    unsigned n = 0;
    struct ofp_header header;
    struct ofp_refusal refusal;
    for (const uint8_t *p = w->data; p < w->data + w->size; p += header.length) {
        ofp_header_decode(p, &header);
        if (ofp_check_size(p, header.length, &refusal)
            || ofp_decode_flow_mod(p, header.length, &mod, &refusal)) {
            abort();
        }
        sink += mod.priority + mod.n_actions;
        n++;
    }
    return n;
}

static struct writer stream;

static unsigned
decode_all(void)
{
    return decode_stream(&stream);
}

static unsigned
encode_flow_stats(void)
{
    static struct ofp_flow_mod mod;
    struct ofp_stats_reply reply;
    struct ofp_flow_stats flow = { .actions = mod.actions, .n_actions = 1 };
    make_flow_mod(7, false, 1, &mod);
    flow.match = mod.match;
    writer_clear(&stream);
    ofp_stats_begin(&reply, &stream, 1, OFPST_FLOW);
    for (unsigned i = 0; i < N_MESSAGES; i++) {
        ofp_put_flow(&reply, &flow);
    }
    ofp_stats_end(&reply);
    sink += stream.size;
    return N_MESSAGES;
}

static unsigned
encode_packet_ins(void)
{
    static const uint8_t frame[128];
    struct ofp_packet_in in = { .data = frame, .data_size = sizeof frame, .total_len = 1500 };
    writer_clear(&stream);
    for (unsigned i = 0; i < N_MESSAGES; i++) {
        ofp_encode_packet_in(&stream, &in);
    }
    sink += stream.size;
    return N_MESSAGES;
}

static uint64_t
thread_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t) ts.tv_sec * 1000000000u + (uint64_t) ts.tv_nsec;
}

static int
compare(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

static void
measure(const char *name, unsigned (*run)(void), int rounds)
{
    double ns[MAX_ROUNDS];
    for (int r = 0; r < rounds; r++) {
        uint64_t n = 0, start = thread_ns();
        for (int i = 0; i < LOOPS; i++) {
            n += run();
        }
        ns[r] = (double) (thread_ns() - start) / (double) n;
    }
    qsort(ns, (size_t) rounds, sizeof ns[0], compare);
    printf("%-40s %7.1f ns\n", name, ns[rounds / 2]);
}

static void
measure_decode(const char *name, bool exact, uint32_t n_actions, int rounds)
{
    static struct ofp_flow_mod mod;
    writer_clear(&stream);
    for (uint32_t i = 0; i < N_MESSAGES; i++) {
        make_flow_mod(i, exact, n_actions, &mod);
        ofp_encode_flow_mod(&stream, i, &mod);
    }
    measure(name, decode_all, rounds);
}

int
main(int argc, char *argv[])
{
    int rounds = argc > 1 ? atoi(argv[1]) : 11;
    if (rounds < 1 || rounds > MAX_ROUNDS) {
        fprintf(stderr, "usage: bench_ofp [ROUNDS, up to %d]\n", MAX_ROUNDS);
        return 2;
    }
    writer_init(&stream);
    measure_decode("FLOW_MOD decoded, wildcards, 1 action", false, 1, rounds);
    measure_decode("FLOW_MOD decoded, no wildcards, 1 action", true, 1, rounds);
    measure_decode("FLOW_MOD decoded, wildcards, 8 actions", false, 8, rounds);
    measure("flow statistics entry encoded", encode_flow_stats, rounds);
    measure("PACKET_IN of 128 bytes encoded", encode_packet_ins, rounds);
    writer_fini(&stream);
    return sink == 0;
}
