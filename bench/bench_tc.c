/* SPDX-License-Identifier: Apache-2.0 */
/* The tc driver beside a bare libmnl loop: the same filters, in batches of the same size, in the same
 * run, on two ports of one switch. For the virtual machine, or a NIC that nobody uses.
 *
 *     bench_tc IN OUT [N [ROUNDS [OPTIONS]]]
 *
 * prints a line for each thing: rules (or counters, entries) a second by the driver, by the loop,
 * and the ratio; medians of the rounds. OPTIONS are the driver's. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>

#include "drivers/tc/driver.h"
#include "drivers/tc/flower.h"
#include "drivers/tc/tc.h"

enum { BATCH = HAL_SUBMIT_MAX, PRIO = 1 };

static unsigned n = 10000, rounds = 3, n_failed;
static uint32_t flags = TCA_CLS_FLAGS_SKIP_SW;
static struct flow_match *matches;
static uint64_t *cookies, *handles;
static struct hal_counters *counters;
static union {
    struct action_list list;
    uint64_t room[2];
} to_port_2;

static double
now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static void
die(const char *what, const char *why)
{
    fprintf(stderr, "bench_tc: %s: %s\n", what, why);
    exit(1);
}

/* --- the HAL's place ------------------------------------------------------------------------------------ */

static void
complete(struct hal_host *host, const struct hal_completion *c, size_t n_said)
{
    (void) host;
    for (size_t i = 0; i < n_said; i++) {
        if (c[i].error && !n_failed++) {
            fprintf(stderr, "bench_tc: refused: %s\n", c[i].verdict.words);
        }
        if (c[i].kind == HAL_ADD) {
            handles[c[i].cookie - 1] = c[i].handle;
        }
    }
}

static void
event(struct hal_host *host, enum hal_event_kind kind, const char *why)
{
    (void) host;
    (void) kind;
    (void) why;
}

static void __attribute__((format(printf, 3, 4)))
say(struct hal_host *host, int level, const char *format, ...)
{
    va_list args;
    (void) host;
    if (level <= LOG_WARNING) {
        va_start(args, format);
        vfprintf(stderr, format, args);
        va_end(args);
        fputc('\n', stderr);
    }
}

static uint64_t
host_clock_ms(struct hal_host *host)
{
    (void) host;
    return (uint64_t) (now_s() * 1000);
}

static void
go_on(struct hal_host *host)
{
    (void) host;
}

static struct hal_host host = { complete, event, say, host_clock_ms, go_on };

static void
add_port(void *device, uint16_t no, const char *name)
{
    char error[HAL_ERROR_SIZE] = "";
    struct hal_port port = { .no = no, .ifindex = (int) if_nametoindex(name) };
    snprintf(port.name, sizeof port.name, "%s", name);
    if (tc_driver.port_add(device, &port, error)) {
        die(name, error);
    }
}

static void
change_all(void *device, enum hal_change_kind kind)
{
    struct hal_change changes[BATCH];
    for (unsigned i = 0; i < n;) {
        unsigned k = 0;
        for (; k < BATCH && i + k < n; k++) {
            changes[k] = (struct hal_change) { cookies[i + k], handles[i + k], kind,
                                               { &matches[i + k], &to_port_2.list, 0, 0 } };
        }
        i += (unsigned) tc_driver.submit(device, changes, k);
    }
}

/* --- the bare loop ----------------------------------------------------------------------------------------- */

struct bare {
    struct mnl_socket *nl;
    uint32_t seq;
    int ifindex, out;
    char *data;                  /* all messages, back to back */
    size_t size;
    char receive[64 << 10];
};

static int
bare_ifindex(const void *aux, uint16_t port)
{
    const struct bare *b = aux;
    return port == 2 ? b->out : b->ifindex;
}

static uint16_t
bare_port(const void *aux, int ifindex)
{
    const struct bare *b = aux;
    return ifindex == b->out ? 2 : 1;
}

static void
bare_init(struct bare *b, const char *in, const char *out)
{
    int on = 1, size = 16 << 20;
    b->ifindex = (int) if_nametoindex(in);
    b->out = (int) if_nametoindex(out);
    b->nl = mnl_socket_open(NETLINK_ROUTE);
    b->data = malloc((size_t) n * 2048);
    if (!b->nl || !b->data || mnl_socket_bind(b->nl, 0, MNL_SOCKET_AUTOPID)) {
        die("netlink", strerror(errno));
    }
    mnl_socket_setsockopt(b->nl, NETLINK_EXT_ACK, &on, sizeof on);
    mnl_socket_setsockopt(b->nl, NETLINK_CAP_ACK, &on, sizeof on);
    setsockopt(mnl_socket_get_fd(b->nl), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
    setsockopt(mnl_socket_get_fd(b->nl), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
}

static void
bare_put(struct bare *b, const struct flower_request *r)
{
    struct hal_verdict verdict;
    size_t size;
    if (flower_encode(r, b->data + b->size, 1024, &size, &verdict)) {
        die("an entry", verdict.words);
    }
    b->size += MNL_ALIGN(size);
}

/* Builds all messages, which is not part of what is measured: the driver's. So a filter that is
 * changed is read before, and one that is deleted is told of with its last counts. */
static void
bare_build(struct bare *b, enum flower_command command)
{
    const struct flower_options options = { .flags = flags, .num_of_vlans = true };
    const struct flower_ports ports = { .ifindex = bare_ifindex, .port = bare_port, .aux = b };
    static const uint8_t cookie[FLOWER_COOKIE_SIZE];
    b->size = 0;
    for (unsigned i = 0; i < n; i++) {
        struct flower_place place = { .ifindex = b->ifindex, .in_port = 1, .prio = PRIO, .protocol = 0x800,
                                      .handle = i + 1 };
        struct hal_entry entry = { &matches[i], &to_port_2.list, 0, 0 };
        struct flower_request r = { .command = command, .place = &place, .options = &options,
                                    .ports = &ports, .entry = &entry, .cookie = cookie,
                                    .nl_flags = NLM_F_ACK };
        if (command == FLOWER_REPLACE) {
            r.command = FLOWER_GET;
            r.seq = ++b->seq;
            bare_put(b, &r);
        }
        r.command = command;
        r.seq = ++b->seq;
        r.nl_flags |= command == FLOWER_DELETE ? NLM_F_ECHO : 0;
        bare_put(b, &r);
    }
}

/* Reads until the answer to 'last'. */
static void
bare_read(struct bare *b, uint32_t last)
{
    for (bool over = false; !over;) {
        ssize_t size = mnl_socket_recvfrom(b->nl, b->receive, sizeof b->receive);
        int left = (int) size;
        if (size < 0) {
            die("an answer", strerror(errno));
        }
        for (const struct nlmsghdr *m = (const void *) b->receive; mnl_nlmsg_ok(m, left);
             m = mnl_nlmsg_next(m, &left)) {
            const struct nlmsgerr *e = mnl_nlmsg_get_payload(m);
            if (m->nlmsg_type == NLMSG_ERROR && e->error) {
                die("the loop", strerror(-e->error));
            }
            over |= (m->nlmsg_type == NLMSG_ERROR || m->nlmsg_type == NLMSG_DONE) && m->nlmsg_seq == last;
        }
    }
}

static void
bare_send(struct bare *b)
{
    char *at = b->data, *end = b->data + b->size;
    while (at < end) {
        char *from = at;
        uint32_t last = 0;
        for (unsigned k = 0; k < BATCH && at < end; k++) {
            const struct nlmsghdr *m = (const void *) at;
            last = m->nlmsg_seq;
            at += MNL_ALIGN(m->nlmsg_len);
        }
        if (mnl_socket_sendto(b->nl, from, (size_t) (at - from)) < 0) {
            die("the loop", strerror(errno));
        }
        bare_read(b, last);
    }
}

static void
bare_dump(struct bare *b, bool terse)
{
    char buffer[256] __attribute__((aligned(NLMSG_ALIGNTO)));
    struct nlmsghdr *m = mnl_nlmsg_put_header(buffer);
    m->nlmsg_type = RTM_GETTFILTER;
    m->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    m->nlmsg_seq = ++b->seq;
    struct tcmsg *tc = mnl_nlmsg_put_extra_header(m, sizeof *tc);
    tc->tcm_ifindex = b->ifindex;
    tc->tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);
    if (terse) {
        struct nla_bitfield32 only = { TCA_DUMP_FLAGS_TERSE, TCA_DUMP_FLAGS_TERSE };
        mnl_attr_put(m, TCA_DUMP_FLAGS, sizeof only, &only);
    }
    if (mnl_socket_sendto(b->nl, m, m->nlmsg_len) < 0) {
        die("a dump", strerror(errno));
    }
    bare_read(b, m->nlmsg_seq);
}

/* --- all ------------------------------------------------------------------------------------------------------ */

enum thing { ADD, CHANGE, STATS, DUMP, REMOVE, N_THINGS };
static const char *const names[] = { "add", "change", "counters", "entries", "remove" };

static void
make_entries(void)
{
    matches = calloc(n, sizeof *matches);
    cookies = calloc(n, sizeof *cookies);
    handles = calloc(n, sizeof *handles);
    counters = calloc(n, sizeof *counters);
    if (!matches || !cookies || !handles || !counters) {
        die("entries", "no memory");
    }
    to_port_2.list.len = 1;
    to_port_2.list.actions[0] = (struct action) { .type = ACTION_OUTPUT, .output.port = 2 };
    for (unsigned i = 0; i < n; i++) {
        struct flow_key *v = &matches[i].value, *m = &matches[i].mask.bits;
        cookies[i] = i + 1;
        *v = (struct flow_key) { .in_port = 1, .dl_type = be16_from_host(0x800), .nw_proto = 17,
                                 .tp_src = be16_from_host((uint16_t) (i % 60000 + 1)),
                                 .tp_dst = be16_from_host(9) };
        v->nw_src.ip4 = be32_from_host(0x0a000000 + i);
        v->nw_dst.ip4 = be32_from_host(0x0b000001);
        v->dl_dst[0] = v->dl_src[0] = 2;
        *m = (struct flow_key) { .in_port = UINT16_MAX, .dl_type.raw = UINT16_MAX, .nw_proto = 0xff,
                                 .vlan_tci.raw = UINT16_MAX, .tp_src.raw = UINT16_MAX,
                                 .tp_dst.raw = UINT16_MAX, .nw_tos = 0xfc, .nw_frag = 3 };
        m->tun_key.raw = UINT32_MAX;
        memset(m->dl_src, 0xff, 6);
        memset(m->dl_dst, 0xff, 6);
        memset(&m->nw_src, 0xff, sizeof m->nw_src);
        memset(&m->nw_dst, 0xff, sizeof m->nw_dst);
    }
}

static bool
visit(const struct hal_dumped *dumped, void *aux)
{
    (void) dumped;
    ++*(unsigned *) aux;
    return true;
}

static void
by_driver(void *device, enum thing thing)
{
    uint64_t position = 0;
    unsigned seen = 0;
    switch (thing) {
    case ADD: change_all(device, HAL_ADD); break;
    case CHANGE: change_all(device, HAL_CHANGE); break;
    case STATS: tc_driver.stats(device, cookies, handles, n, counters); break;
    case DUMP:
        if (tc_driver.dump(device, &position, visit, &seen) || seen < n) {
            die("a dump", "it does not show all");
        }
        break;
    case REMOVE: change_all(device, HAL_REMOVE); break;
    case N_THINGS: break;
    }
}

static void
by_loop(struct bare *b, enum thing thing)
{
    switch (thing) {
    case ADD: case CHANGE: case REMOVE: bare_send(b); break;
    case STATS: bare_dump(b, true); break;
    case DUMP: bare_dump(b, false); break;
    case N_THINGS: break;
    }
}

static int
by_rate(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

/* Of 'rounds' figures, which it sorts. */
static double
median(double *figures)
{
    qsort(figures, rounds, sizeof *figures, by_rate);
    return (figures[(rounds - 1) / 2] + figures[rounds / 2]) / 2;
}

/* The rates of one round, by the driver. It is open only as long: what others do to filters it hears
 * of, which would cost the loop. */
static void
round_by_driver(const struct hal_open *open, const char *const ports[2], double rate[N_THINGS])
{
    char error[HAL_ERROR_SIZE] = "";
    void *device = tc_driver.open(open, error);
    if (!device) {
        die("the driver", error);
    }
    add_port(device, 1, ports[0]);
    add_port(device, 2, ports[1]);
    for (enum thing thing = 0; thing < N_THINGS; thing++) {
        double begin = now_s();
        by_driver(device, thing);
        rate[thing] = n / (now_s() - begin);
    }
    tc_driver.close(device, false);
}

static void
round_by_loop(struct bare *b, double rate[N_THINGS])
{
    static const enum flower_command commands[] = { FLOWER_ADD, FLOWER_REPLACE, 0, 0, FLOWER_DELETE };
    for (enum thing thing = 0; thing < N_THINGS; thing++) {
        if (thing == ADD || thing == CHANGE || thing == REMOVE) {
            bare_build(b, commands[thing]);
        }
        double begin = now_s();
        by_loop(b, thing);
        rate[thing] = n / (now_s() - begin);
    }
}

int
main(int argc, char **argv)
{
    struct hal_open open = { .options = argc > 5 ? argv[5] : "", .host = &host };
    static struct bare bare;
    if (argc < 3) {
        die("usage", "bench_tc IN OUT [N [ROUNDS [OPTIONS]]]");
    }
    n = argc > 3 ? (unsigned) atoi(argv[3]) : n;
    rounds = argc > 4 ? (unsigned) atoi(argv[4]) : rounds;
    flags = strstr(open.options, "skip_hw=yes") ? TCA_CLS_FLAGS_SKIP_HW : flags;
    double (*rates)[N_THINGS] = calloc(2 * rounds, sizeof *rates), *column = calloc(rounds, sizeof *column);
    if (!n || !rounds || !rates || !column) {
        die("usage", "N and ROUNDS are numbers from 1 on");
    }
    make_entries();
    bare_init(&bare, argv[1], argv[2]);
    for (unsigned round = 0; round < rounds; round++) {
        round_by_driver(&open, (const char *const[]) { argv[1], argv[2] }, rates[2 * round]);
        round_by_loop(&bare, rates[2 * round + 1]);
    }
    for (enum thing thing = 0; thing < N_THINGS; thing++) {
        double figure[3];
        for (unsigned what = 0; what < 3; what++) {
            for (unsigned round = 0; round < rounds; round++) {
                const double driver = rates[2 * round][thing], loop = rates[2 * round + 1][thing];
                column[round] = what == 0 ? driver : what == 1 ? loop : driver / loop;
            }
            figure[what] = median(column);
        }
        printf("tc %-9s driver %9.0f/s  bare loop %9.0f/s  ratio %.2f\n", names[thing], figure[0],
               figure[1], figure[2]);
    }
    return n_failed != 0;
}
