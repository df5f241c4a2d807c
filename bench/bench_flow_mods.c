/* SPDX-License-Identifier: Apache-2.0 */
/* FLOW_MODs a second, and bytes a flow.
 *
 *   bench/bench_flow_mods [--seed N] [--json]
 *
 * First decoder and table alone, then a whole switch in this process: its control thread
 * runs the event loop, a packet worker sleeps as it does without traffic, and a controller
 * thread sends pipelined FLOW_MODs and one barrier over a unix socket. Rates on the socket
 * are by the wall clock, from the first byte sent to the barrier's reply; next to them is
 * what the control thread's own time comes to. */
#include <event2/event.h>
#include <inttypes.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench/bench_util.h"
#include "bench/flow_mods.h"
#include "lib/clock.h"
#include "lib/epoch.h"
#include "lib/log.h"
#include "ofagent/agent.h"

enum { N_FLOWS = 1000000, BATCH = 512 };

/* --- messages --------------------------------------------------------------------------- */

static void
make_template(struct flow_mod *t, uint16_t command, bool exact)
{
    static struct ofp_flow_mod fm;
    flow_mod_begin(&fm, command, 1, 100);
    fm.match.match.value.nw_dst.ip4 = be32_from_host(0x0a000001);
    struct flow_key *mask = &fm.match.match.mask.bits;
    mask->nw_src.ip4 = mask->nw_dst.ip4 = be32_from_host(0xffffffff);
    fm.match.exact = exact;
    flow_mod_encode(t, &fm);
}

static void
fill_in(const struct flow_mod *t, uint8_t *out, uint32_t i)
{
    memcpy(out, t->bytes, t->size);
    flow_mod_set_nw_src(out, 0x0b000000 + i);
}

/* --- the table alone ---------------------------------------------------------------------- */

static double
table_rate(struct flow_table *ft, uint16_t command, uint32_t from, uint32_t n)
{
    static struct ofp_flow_mod fm;
    struct flow_mod t;
    struct ofp_refusal refusal;
    struct flow *flow;
    uint8_t msg[128];
    make_template(&t, command, false);
    uint64_t start = bench_now();
    for (uint32_t i = from; i < from + n; i++) {
        fill_in(&t, msg, i);
        if (ofp_decode_flow_mod(msg, t.size, &fm, &refusal)
            || flow_table_mod(ft, &fm, &flow, &refusal)) {
            fprintf(stderr, "refused: %s\n", refusal.why);
            exit(1);
        }
    }
    flow_table_settle(ft);
    return n * 1e9 / (double) (bench_now() - start);
}

static void
bench_table(struct bench *b, struct flow_table *ft)
{
    table_rate(ft, OFPFC_ADD, 0, 1000);
    size_t before = bench_resident();
    double first = table_rate(ft, OFPFC_ADD, 1000, 100000);
    table_rate(ft, OFPFC_ADD, 101000, N_FLOWS - 201000);
    double last = table_rate(ft, OFPFC_ADD, N_FLOWS - 100000, 100000);
    double bytes = (double) (bench_resident() - before) / (N_FLOWS - 1000);
    double modify = table_rate(ft, OFPFC_MODIFY_STRICT, 0, N_FLOWS);
    double replace = table_rate(ft, OFPFC_ADD, 0, N_FLOWS);
    epoch_drain();
    double delete = table_rate(ft, OFPFC_DELETE_STRICT, 0, N_FLOWS);
    epoch_drain();
    bench_row(b, "decode and ADD, table small", first / 1e3, "k/s", ">= 720", "one core");
    bench_row(b, "decode and ADD, 1,000,000 flows", last / 1e3, "k/s", ">= 500", "one core");
    bench_row(b, "decode and MODIFY_STRICT, 1,000,000 flows", modify / 1e3, "k/s", "", "");
    bench_row(b, "decode and ADD that replaces, 1,000,000 flows", replace / 1e3, "k/s", "", "");
    bench_row(b, "decode and DELETE_STRICT, 1,000,000 flows", delete / 1e3, "k/s", "", "");
    bench_row(b, "resident memory a flow", bytes, "bytes", "<= 300", "1,000,000 flows");
}

/* --- over a socket -------------------------------------------------------------------------- */

struct controller {
    struct bench *bench;
    struct event_base *base;
    const char *path;
    int fd;
    pthread_t control;
};

static void
fail(const char *what)
{
    perror(what);
    exit(1);
}

static void
send_all(int fd, const uint8_t *p, size_t size)
{
    while (size) {
        ssize_t n = send(fd, p, size, MSG_NOSIGNAL);
        if (n < 0) {
            fail("send");
        }
        p += n;
        size -= (size_t) n;
    }
}

/* Reads until the barrier's reply; counts bytes of other messages. */
static void
await_reply(int fd, uint32_t xid)
{
    static uint8_t in[1 << 17];
    size_t have = 0;
    for (;;) {
        ssize_t n = recv(fd, in + have, sizeof in - have, 0);
        if (n <= 0) {
            fail("recv");
        }
        have += (size_t) n;
        size_t at = 0;
        while (have - at >= OFP_HEADER_SIZE) {
            struct ofp_header h;
            ofp_header_decode(in + at, &h);
            if (have - at < h.length) {
                break;
            }
            if (h.type == OFPT_BARRIER_REPLY && h.xid == xid) {
                return;
            }
            if (h.type == OFPT_ERROR) {
                fprintf(stderr, "the switch answered with an error\n");
                exit(1);
            }
            at += h.length;
        }
        memmove(in, in + at, have - at);
        have -= at;
    }
}

static void
barrier(struct controller *c)
{
    static uint32_t xid;
    struct writer w;
    writer_init(&w);
    ofp_encode_header_only(&w, OFPT_BARRIER_REQUEST, ++xid);
    send_all(c->fd, w.data, w.size);
    writer_fini(&w);
    await_reply(c->fd, xid);
}

static uint64_t
control_time(const struct controller *c)
{
    struct timespec ts;
    clockid_t id;
    pthread_getcpuclockid(c->control, &id);
    clock_gettime(id, &ts);
    return (uint64_t) ts.tv_sec * 1000000000u + (uint64_t) ts.tv_nsec;
}

static void
pipelined(struct controller *c, const char *what, const char *bar, const struct flow_mod *t,
          uint32_t from, uint32_t n)
{
    static uint8_t batch[BATCH * 128];
    char remark[64];
    uint64_t cpu = control_time(c), start = clock_ns();
    for (uint32_t i = from; i < from + n;) {
        size_t size = 0;
        for (unsigned k = 0; k < BATCH && i < from + n; k++, i++, size += t->size) {
            fill_in(t, batch + size, i);
        }
        send_all(c->fd, batch, size);
    }
    barrier(c);
    double seconds = (double) (clock_ns() - start) / 1e9;
    cpu = control_time(c) - cpu;
    snprintf(remark, sizeof remark, "%.0f k/s of the control thread's time",
             n * 1e6 / (double) cpu);
    bench_row(c->bench, what, n / seconds / 1e3, "k/s", bar, remark);
}

static void
barriers(struct controller *c)
{
    enum { N = 2000 };
    static double us[N];
    for (unsigned i = 0; i < N; i++) {
        uint64_t start = clock_ns();
        barrier(c);
        us[i] = (double) (clock_ns() - start) / 1e3;
    }
    bench_row(c->bench, "barrier, idle, p50", bench_median(us, N), "us", "", "");
}

/* One message that deletes 500,000 flows. */
static void
delete_all(struct controller *c, const struct flow_mod *all)
{
    uint64_t cpu = control_time(c);
    send_all(c->fd, all->bytes, all->size);
    barrier(c);
    cpu = control_time(c) - cpu;
    bench_row(c->bench, "DELETE of 500,000 by one message", (double) cpu / 1e6, "ms", "",
              "the control thread's time");
}

static void
connect_to_switch(struct controller *c)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    struct writer w;
    strcpy(addr.sun_path, c->path);
    c->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(c->fd, (struct sockaddr *) &addr, sizeof addr)) {
        fail("connect");
    }
    writer_init(&w);
    ofp_encode_header_only(&w, OFPT_HELLO, 0);
    send_all(c->fd, w.data, w.size);
    writer_fini(&w);
    barrier(c);
}

static void *
controller_main(void *controller_)
{
    struct controller *c = controller_;
    struct flow_mod add, add_exact, modify, delete, all;
    make_template(&add, OFPFC_ADD, false);
    make_template(&add_exact, OFPFC_ADD, true);
    make_template(&modify, OFPFC_MODIFY_STRICT, false);
    make_template(&delete, OFPFC_DELETE_STRICT, false);
    make_template(&all, OFPFC_DELETE, false);
    memset(all.bytes + 8, 0xff, 4);          /* every wildcard */
    connect_to_switch(c);
    barriers(c);
    pipelined(c, "ADD, 100,000 pipelined", ">= 720", &add, 0, 100000);
    pipelined(c, "ADD, 900,000 more", ">= 500", &add, 100000, N_FLOWS - 100000);
    pipelined(c, "MODIFY_STRICT, 1,000,000 flows", "", &modify, 0, N_FLOWS);
    pipelined(c, "DELETE_STRICT, 500,000 of 1,000,000", "", &delete, 0, N_FLOWS / 2);
    delete_all(c, &all);
    pipelined(c, "ADD, 500,000 without wildcards", ">= 500", &add_exact, 0, 500000);
    delete_all(c, &all);
    close(c->fd);
    event_base_loopbreak(c->base);
    return NULL;
}

int
main(int argc, char *argv[])
{
    static const struct agent_config config = { .max_flows = N_FLOWS + 1000 };
    static const struct dp_config dp_config = { .threads = true };
    static const struct dp_bridge_config bridge_config = { .fdb_max = 64, .fdb_age_s = 300 };
    struct bench b;
    struct errmsg err;
    char path[64], target[80];
    bench_init(&b, argc, argv, "FLOW_MODs a second, and bytes a flow");
    log_set_level("error", NULL);
    signal(SIGPIPE, SIG_IGN);
    snprintf(path, sizeof path, "/tmp/bench-flow-mods-%ld", (long) getpid());
    snprintf(target, sizeof target, "punix:%s", path);
    struct event_base *base = event_base_new();
    struct dp *dp = dp_new(base, &dp_config, &err);
    struct agent *agent = dp ? agent_new(base, dp, "bench", &bridge_config, PKTIO_MEMORY, &config,
                                         &err) : NULL;
    if (!agent || agent_add_target(agent, target, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    bench_table(&b, agent_flows(agent));
    struct controller c = { .bench = &b, .base = base, .path = path, .control = pthread_self() };
    pthread_t thread;
    pthread_create(&thread, NULL, controller_main, &c);
    event_base_dispatch(base);
    pthread_join(thread, NULL);
    agent_free(agent);
    dp_free(dp);
    event_base_free(base);
    bench_fini(&b);
    return 0;
}
