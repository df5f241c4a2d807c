/* SPDX-License-Identifier: Apache-2.0 */
/* Entries as flower filters in a real kernel: flower_tool DEVICE... reads commands, a line each,
 * words separated by tabs, and answers with lines of which "." is the last. Port N is the Nth device.
 *
 *   add PORT FLAGS MATCH ACTIONS     adds a filter; FLAGS: words skip_sw, skip_hw, verbose or "-"
 *   golden PORT                      adds each of golden_flower.h, reads it back, deletes it
 *   dump PORT [terse]                all filters at the port's ingress
 *   clear                            deletes what was added
 *   expect MATCH ACTIONS FRAME...    what the switch's own code makes of frames: "N PORT FRAME"
 *
 * Frames are hexadecimal. */
#include <errno.h>
#include <inttypes.h>
#include <libmnl/libmnl.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/tc/flower.h"
#include "hal/text.h"
#include "lib/field.h"
#include "lib/flow_text.h"
#include "sw-datapath/execute.h"
#include "sw-datapath/parse.h"
#include "tests/unit/golden_flower.h"
#include "turnout/port.h"

enum { MAX_PORTS = 16, MAX_ADDED = 64, MAX_WORDS = 64, FRAME_MAX = 2048 };

union list {
    struct action_list list;
    uint64_t words[1 + FLOWER_MAX_ACTIONS];
};

static struct mnl_socket *sock;
static int ifindexes[MAX_PORTS + 1];
static unsigned n_ports;
static uint32_t seq;
static struct flower_place added[MAX_ADDED];
static unsigned n_added;

static void
die(const char *what)
{
    fprintf(stderr, "flower_tool: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* --- ports --------------------------------------------------------------------------------------- */

static int
ifindex_of(const void *aux, uint16_t port)
{
    (void) aux;
    return port <= n_ports ? ifindexes[port] : 0;
}

static uint16_t
port_of(const void *aux, int ifindex)
{
    (void) aux;
    uint16_t port = (uint16_t) n_ports;
    while (port && ifindexes[port] != ifindex) {
        port--;
    }
    return port;
}

static const struct flower_ports ports = { ifindex_of, port_of, NULL, NULL };

/* A prio for each protocol: tc has one table of them. */
static uint16_t
prio_of(uint16_t protocol)
{
    static uint16_t known[256];
    uint16_t i = 0;
    while (i < 255 && known[i] && known[i] != protocol) {
        i++;
    }
    known[i] = protocol;
    return (uint16_t) (100 + i);
}

/* --- netlink -------------------------------------------------------------------------------------- */

/* Sends, and waits for the answer; visit() sees what comes before it. */
static void
request(const void *message, size_t size, void (*visit)(const struct nlmsghdr *, size_t, void *),
        void *aux, struct flower_error *error)
{
    static uint8_t buffer[65536] __attribute__((aligned(8)));
    if (mnl_socket_sendto(sock, message, size) < 0) {
        die("send");
    }
    for (;;) {
        ssize_t n = mnl_socket_recvfrom(sock, buffer, sizeof buffer);
        if (n < 0) {
            die("receive");
        }
        int left = (int) n;
        for (struct nlmsghdr *nlh = (struct nlmsghdr *) buffer; mnl_nlmsg_ok(nlh, left);
             nlh = mnl_nlmsg_next(nlh, &left)) {
            if (!flower_error_decode(nlh, (size_t) left, error)) {
                return;
            }
            visit(nlh, (size_t) left, aux);
        }
    }
}

static void
take_filter(const struct nlmsghdr *nlh, size_t size, void *filter)
{
    if (flower_decode(nlh, size, filter)) {
        puts("malformed");
    }
}

static void
ignore(const struct nlmsghdr *nlh, size_t size, void *aux)
{
    (void) nlh, (void) size, (void) aux;
}

/* --- entries ----------------------------------------------------------------------------------------- */

static bool
read_entry(const char *match_text, const char *actions, struct flow_match *match, union list *list)
{
    struct errmsg err;
    char error[HAL_ERROR_SIZE];
    memset(list, 0, sizeof *list);
    if (flow_match_parse(match_text, NULL, match, &err)
        || hal_actions_from_text(actions, &list->list, FLOWER_MAX_ACTIONS, error)) {
        printf("no entry: %s -> %s\n", match_text, actions);
        return false;
    }
    field_canonicalize(match);
    return true;
}

struct bytes {
    union {
        struct nlmsghdr nlh[1];
        uint8_t bytes[FLOWER_MSG_MAX];
    };
    size_t size;
};

static uint32_t
read_flags(const char *words)
{
    return (strstr(words, "skip_sw") ? TCA_CLS_FLAGS_SKIP_SW : 0)
           | (strstr(words, "skip_hw") ? TCA_CLS_FLAGS_SKIP_HW : 0)
           | (strstr(words, "verbose") ? TCA_CLS_FLAGS_VERBOSE : 0);
}

/* True if it was added; otherwise it is said why not. */
static bool
add(uint16_t port, const char *flags, const char *match_text, const char *actions,
    struct bytes *bytes)
{
    static const uint8_t cookie[FLOWER_COOKIE_SIZE] = "TRNT\1";
    struct flow_match match;
    union list list;
    struct hal_verdict verdict;
    struct flower_filter echoed = { .terse = false };
    struct flower_error error;
    struct flower_options options = { .flags = read_flags(flags), .num_of_vlans = true };
    struct flower_place place = { .ifindex = ifindex_of(NULL, port), .in_port = port,
                                  .handle = n_added + 1 };
    if (!read_entry(match_text, actions, &match, &list)) {
        return false;
    }
    const struct hal_entry entry = { .match = &match, .actions = &list.list };
    const struct flower_request r = {
        .command = FLOWER_ADD, .place = &place, .options = &options, .ports = &ports, .entry = &entry,
        .cookie = cookie, .seq = ++seq, .nl_flags = NLM_F_ACK | NLM_F_ECHO,
    };
    if (flower_protocol(&match, &options, &place.protocol, &verdict)
        || (place.prio = prio_of(place.protocol), false)
        || flower_encode(&r, bytes->nlh, sizeof bytes->bytes, &bytes->size, &verdict)) {
        printf("refused: %s: %s\n", hal_reason_name(verdict.reason), verdict.words);
        return false;
    }
    request(bytes->nlh, bytes->size, take_filter, &echoed, &error);
    if (*echoed.warning) {
        printf("warning: %s\n", echoed.warning);
    }
    if (error.error || *error.words) {
        printf("%s %d: %s\n", error.error ? "error" : "warning", error.error, error.words);
    }
    if (!error.error && n_added < MAX_ADDED) {
        added[n_added++] = place;
    }
    return !error.error;
}

static void
command_at(enum flower_command command, const struct flower_place *place,
           struct flower_filter *filter)
{
    struct bytes bytes;
    struct hal_verdict verdict;
    struct flower_error error;
    const struct flower_request r = { .command = command, .place = place, .seq = ++seq,
                                      .nl_flags = NLM_F_ACK };
    flower_encode(&r, bytes.nlh, sizeof bytes.bytes, &bytes.size, &verdict);
    request(bytes.nlh, bytes.size, command == FLOWER_GET ? take_filter : ignore, filter, &error);
    if (error.error) {
        printf("error %d: %s\n", error.error, error.words);
    }
}

static void
clear(void)
{
    while (n_added) {
        command_at(FLOWER_DELETE, &added[--n_added], NULL);
    }
}

static void
print_filter(const struct flower_filter *f)
{
    char match[512], actions[1024], more[FLOWER_WORDS_SIZE];
    union list list;
    if (strcmp(f->kind, "flower")) {
        printf("%s\n", f->kind);
        return;
    }
    bool whole = flower_actions(&f->ops, port_of(NULL, f->place.ifindex), &ports, &list.list, more);
    struct flow_match m = f->match;
    m.value.in_port = port_of(NULL, f->place.ifindex);
    m.mask.bits.in_port = UINT16_MAX;
    hal_match_text(&m, match, sizeof match);
    hal_actions_text(&list.list, actions, sizeof actions);
    if (!f->terse) {
        printf("%s%s%s -> %s%s%s", match, *f->more ? " and " : "", f->more, actions,
               whole ? "" : " and ", more);
    }
    printf("%s%s%s packets=%" PRIu64 " bytes=%" PRIu64 " hw=%" PRIu64 "%s\n", f->terse ? "terse" : "",
           f->flags & TCA_CLS_FLAGS_IN_HW ? " in_hw" : "", f->cookie_size ? " ours" : "",
           f->stats.packets, f->stats.bytes, f->stats.hw_packets, f->stats.used ? " used" : "");
}

/* --- commands -------------------------------------------------------------------------------------- */

static void
run_golden(uint16_t port)
{
    for (size_t i = 0; i < sizeof golden_filters / sizeof golden_filters[0]; i++) {
        const struct golden_filter *g = &golden_filters[i];
        static struct bytes bytes;
        struct flower_filter asked, made = { .terse = true };
        struct hal_verdict verdict;
        if (!add(port, "skip_hw", g->match, g->actions, &bytes)) {
            printf("%s -> %s\n", g->match, g->actions);
            continue;
        }
        flower_decode(bytes.nlh, bytes.size, &asked);
        command_at(FLOWER_GET, &added[n_added - 1], &made);
        if (flower_compare(&asked, &made, &verdict)) {
            printf("%s -> %s: %s\n", g->match, g->actions, verdict.words);
        } else {
            print_filter(&made);
        }
        clear();
    }
}

static void
show_filter(const struct nlmsghdr *nlh, size_t size, void *aux)
{
    struct flower_filter f;
    (void) aux;
    if (!flower_decode(nlh, size, &f)) {
        print_filter(&f);
    }
}

static void
dump(uint16_t port, bool terse)
{
    uint8_t buffer[256] __attribute__((aligned(8)));
    struct flower_error error;
    struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
    nlh->nlmsg_type = RTM_GETTFILTER;
    nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    nlh->nlmsg_seq = ++seq;
    struct tcmsg *tc = mnl_nlmsg_put_extra_header(nlh, sizeof *tc);
    tc->tcm_ifindex = ifindex_of(NULL, port);
    tc->tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);
    if (terse) {
        const struct nla_bitfield32 flags = { TCA_DUMP_FLAGS_TERSE, TCA_DUMP_FLAGS_TERSE };
        mnl_attr_put(nlh, TCA_DUMP_FLAGS, sizeof flags, &flags);
    }
    request(nlh, nlh->nlmsg_len, show_filter, NULL, &error);
}

static size_t
read_frame(const char *hex, uint8_t *out)
{
    size_t n = 0;
    unsigned byte;
    while (n < FRAME_MAX && sscanf(hex + 2 * n, "%2x", &byte) == 1) {
        out[n++] = (uint8_t) byte;
    }
    return n;
}

struct sending {
    unsigned n;
    uint16_t in_port;
};

static void
send_frame(void *aux, struct packet *packet, const struct action *a, bool copy)
{
    const struct sending *sending = aux;
    (void) copy;
    if (a->type != ACTION_OUTPUT || a->output.port == sending->in_port) {
        return;
    }
    printf("%u %u ", sending->n,
           a->output.port == PORT_IN_PORT ? sending->in_port : (unsigned) a->output.port);
    for (uint32_t i = 0; i < packet->size; i++) {
        printf("%02x", packet->data[i]);
    }
    putchar('\n');
}

static void
expire(void *aux, struct packet *packet, const struct action *a)
{
    (void) aux, (void) packet, (void) a;
}

static void
expect(char *const words[], unsigned n)
{
    static const struct execute_ops ops = { send_frame, expire };
    struct flow_match match;
    union list list;
    if (!read_entry(words[0], words[1], &match, &list)) {
        return;
    }
    for (unsigned i = 2; i < n; i++) {
        uint8_t buffer[PACKET_HEADROOM + FRAME_MAX + PACKET_TAILROOM];
        struct flow_key key;
        struct packet packet = { .data = buffer + PACKET_HEADROOM, .in_port = match.value.in_port };
        struct sending sending = { i - 2, match.value.in_port };
        packet.size = (uint32_t) read_frame(words[i], packet.data);
        if (!packet_parse(&packet, &key) && flow_match_contains(&match, &key)) {
            execute_actions(&list.list, &packet, &ops, &sending);
        }
    }
}

static void
run(char *line)
{
    static struct bytes bytes;
    char *words[MAX_WORDS];
    unsigned n = 0;
    for (char *word = strtok(line, "\t\n"); word && n < MAX_WORDS; word = strtok(NULL, "\t\n")) {
        words[n++] = word;
    }
    uint16_t port = n > 1 ? (uint16_t) atoi(words[1]) : 0;
    if (n == 5 && !strcmp(words[0], "add")) {
        add(port, words[2], words[3], words[4], &bytes);
    } else if (n == 2 && !strcmp(words[0], "golden")) {
        run_golden(port);
    } else if (n >= 2 && !strcmp(words[0], "dump")) {
        dump(port, n == 3);
    } else if (n == 1 && !strcmp(words[0], "clear")) {
        clear();
    } else if (n >= 3 && !strcmp(words[0], "expect")) {
        expect(words + 1, n - 1);
    } else {
        puts("no such command");
    }
    puts(".");
    fflush(stdout);
}

int
main(int argc, char *argv[])
{
    static char line[65536];
    sock = mnl_socket_open(NETLINK_ROUTE);
    if (!sock || mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID) < 0) {
        die("socket");
    }
    int one = 1;
    mnl_socket_setsockopt(sock, NETLINK_EXT_ACK, &one, sizeof one);
    mnl_socket_setsockopt(sock, NETLINK_CAP_ACK, &one, sizeof one);
    mnl_socket_setsockopt(sock, NETLINK_GET_STRICT_CHK, &one, sizeof one);
    for (int i = 1; i < argc && i <= MAX_PORTS; i++) {
        ifindexes[i] = (int) if_nametoindex(argv[i]);
        n_ports = (unsigned) i;
    }
    while (fgets(line, sizeof line, stdin)) {
        run(line);
    }
    return 0;
}
