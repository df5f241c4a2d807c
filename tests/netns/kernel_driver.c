/* SPDX-License-Identifier: Apache-2.0 */
/* A driver whose device is the kernel: each entry is a cls_bpf filter at the ingress of its port,
 * with a mirred action. So hits are forwarded behind packet sockets, and misses must come up behind
 * the filters (hal_caps.misses_behind). For untagged UDP in whole, and one output or none. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/filter.h>
#include <linux/gen_stats.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hal/driver.h"

enum { MAX_PORTS = 64, MAX_ENTRIES = 1024, FILTER_PRIO = 100, MAX_PROGRAM = 64 };

/* A filter; its place is its handle. */
struct entry {
    uint16_t in_port;            /* 0: free */
    uint64_t cookie;
    struct flow_match match;
    uint64_t actions[2];         /* a struct action_list */
};

struct kernel {
    struct hal_host *host;
    struct mnl_socket *nl;
    int ifindex[MAX_PORTS];      /* by port number; 0: none */
    struct entry at[MAX_ENTRIES];
    struct hal_counters read;    /* by the request under way */
};

/* --- programs ----------------------------------------------------------------------------------- */

struct program {
    struct sock_filter code[MAX_PROGRAM];
    unsigned n;
};

/* The 'size' bytes at 'offset' must be so. */
static void
compare(struct program *p, uint32_t offset, unsigned size, const void *value, uint8_t mask)
{
    const uint8_t *bytes = value;
    for (unsigned i = 0; i < size; i++) {
        p->code[p->n++] = (struct sock_filter) BPF_STMT(BPF_LD | BPF_B | BPF_ABS, offset + i);
        p->code[p->n++] = (struct sock_filter) BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask);
        p->code[p->n++] = (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, bytes[i] & mask, 1, 0);
        p->code[p->n++] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, 0);
    }
}

static void
make_program(struct program *p, const struct flow_key *key)
{
    static const uint8_t plain_header = 0x45, zero;
    p->n = 0;
    compare(p, (uint32_t) (SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT), 1, &zero, 0xff);
    compare(p, 4, 2, &key->dl_dst[4], 0xff);
    compare(p, 10, 2, &key->dl_src[4], 0xff);
    compare(p, 14, 1, &plain_header, 0xff);
    compare(p, 23, 1, &key->nw_proto, 0xff);
    compare(p, 34, 2, &key->tp_src, 0xff);
    compare(p, 36, 2, &key->tp_dst, 0xff);
    p->code[p->n++] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
}

/* --- netlink ------------------------------------------------------------------------------------ */

static int
got_stats(const struct nlattr *attr, void *aux)
{
    if (mnl_attr_get_type(attr) == TCA_STATS_BASIC) {
        struct gnet_stats_basic basic;
        memcpy(&basic, mnl_attr_get_payload(attr), sizeof basic);
        *(struct hal_counters *) aux = (struct hal_counters) {
            basic.packets, basic.bytes + (uint64_t) basic.packets * ETH_HLEN };
    }
    return MNL_CB_OK;
}

/* The attribute of a type among nested ones; NULL: there is none. */
static const struct nlattr *
find(const struct nlattr *nest, unsigned type)
{
    const struct nlattr *attr;
    mnl_attr_for_each_nested(attr, nest) {
        if (mnl_attr_get_type(attr) == type) {
            return attr;
        }
    }
    return NULL;
}

static int
got_filter(const struct nlmsghdr *hdr, void *aux)
{
    static const unsigned way[] = { TCA_BPF_ACT, 1, TCA_ACT_STATS };
    const struct nlattr *attr, *at = NULL;
    mnl_attr_for_each(attr, hdr, sizeof(struct tcmsg)) {
        at = mnl_attr_get_type(attr) == TCA_OPTIONS ? attr : at;
    }
    for (unsigned i = 0; at && i < 3; i++) {
        at = find(at, way[i]);
    }
    return at ? mnl_attr_parse_nested(at, got_stats, aux) : MNL_CB_OK;
}

static int
request(struct kernel *kernel, struct nlmsghdr *hdr)
{
    char answer[8192];
    static unsigned seq;
    hdr->nlmsg_seq = ++seq;
    if (mnl_socket_sendto(kernel->nl, hdr, hdr->nlmsg_len) < 0) {
        return -errno;
    }
    int more = 1;
    while (more > 0) {
        ssize_t n = mnl_socket_recvfrom(kernel->nl, answer, sizeof answer);
        more = n < 0 ? -1 : mnl_cb_run(answer, (size_t) n, seq, mnl_socket_get_portid(kernel->nl),
                                       got_filter, &kernel->read);
    }
    return more ? -errno : 0;
}

static struct nlmsghdr *
start(void *room, int type, int flags, int ifindex, uint32_t handle)
{
    struct nlmsghdr *hdr = mnl_nlmsg_put_header(room);
    hdr->nlmsg_type = (uint16_t) type;
    hdr->nlmsg_flags = (uint16_t) (NLM_F_REQUEST | NLM_F_ACK | flags);
    struct tcmsg *tc = mnl_nlmsg_put_extra_header(hdr, sizeof *tc);
    *tc = (struct tcmsg) { .tcm_family = AF_UNSPEC, .tcm_ifindex = ifindex, .tcm_handle = handle,
                           .tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
                           .tcm_info = TC_H_MAKE(FILTER_PRIO << 16, htobe16(ETH_P_IP)) };
    mnl_attr_put_strz(hdr, TCA_KIND, "bpf");
    return hdr;
}

/* mirred to a device; 0: a drop, which is a redirect to nowhere that a filter can say alone. */
static int
put_filter(struct kernel *kernel, int ifindex, uint32_t handle, struct program *p, int to)
{
    char room[8192];
    struct nlmsghdr *hdr = start(room, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, ifindex, handle);
    struct nlattr *options = mnl_attr_nest_start(hdr, TCA_OPTIONS);
    if (!to) {
        p->code[p->n - 1].k = TC_ACT_SHOT;
        mnl_attr_put_u32(hdr, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
    } else {
        const struct tc_mirred mirred = { .action = TC_ACT_STOLEN, .eaction = TCA_EGRESS_REDIR,
                                          .ifindex = (uint32_t) to };
        struct nlattr *actions = mnl_attr_nest_start(hdr, TCA_BPF_ACT);
        struct nlattr *first = mnl_attr_nest_start(hdr, 1);
        mnl_attr_put_strz(hdr, TCA_ACT_KIND, "mirred");
        struct nlattr *parameters = mnl_attr_nest_start(hdr, TCA_ACT_OPTIONS);
        mnl_attr_put(hdr, TCA_MIRRED_PARMS, sizeof mirred, &mirred);
        mnl_attr_nest_end(hdr, parameters);
        mnl_attr_nest_end(hdr, first);
        mnl_attr_nest_end(hdr, actions);
    }
    mnl_attr_put_u16(hdr, TCA_BPF_OPS_LEN, (uint16_t) p->n);
    mnl_attr_put(hdr, TCA_BPF_OPS, p->n * sizeof p->code[0], p->code);
    mnl_attr_nest_end(hdr, options);
    return request(kernel, hdr);
}

static int
read_filter(struct kernel *kernel, uint64_t handle, struct hal_counters *out)
{
    char room[1024];
    kernel->read = (struct hal_counters) { 0, 0 };
    int error = request(kernel, start(room, RTM_GETTFILTER, 0, kernel->ifindex[kernel->at[handle].in_port],
                                      (uint32_t) handle));
    *out = kernel->read;
    return error;
}

static int
remove_filter(struct kernel *kernel, uint64_t handle)
{
    char room[1024];
    int ifindex = kernel->ifindex[kernel->at[handle].in_port];
    kernel->at[handle].in_port = 0;
    return request(kernel, start(room, RTM_DELTFILTER, 0, ifindex, (uint32_t) handle));
}

/* --- the driver --------------------------------------------------------------------------------- */

static void *
kernel_open(const struct hal_open *open, char *error)
{
    struct kernel *kernel = calloc(1, sizeof *kernel);
    kernel->host = open->host;
    kernel->nl = mnl_socket_open(NETLINK_ROUTE);
    if (!kernel->nl || mnl_socket_bind(kernel->nl, 0, MNL_SOCKET_AUTOPID)) {
        snprintf(error, HAL_ERROR_SIZE, "rtnetlink: %s", strerror(errno));
        free(kernel);
        return NULL;
    }
    return kernel;
}

static int
kernel_flush(void *device)
{
    for (unsigned i = 1; i < MAX_ENTRIES; i++) {
        if (((struct kernel *) device)->at[i].in_port) {
            remove_filter(device, i);
        }
    }
    return 0;
}

static void
kernel_close(void *device, bool keep)
{
    if (!keep) {
        kernel_flush(device);
    }
    mnl_socket_close(((struct kernel *) device)->nl);
    free(device);
}

static int
kernel_probe(void *device, struct hal_caps *caps)
{
    (void) device;
    *caps = (struct hal_caps) { .n_tables = 1, .misses_behind = true, .table[0] = {
        .name = "software", .counters = HAL_COUNT_BOTH, .counter_lag_ms = 100,
        .outputs = HAL_OUTPUT_PORT | HAL_OUTPUT_NOWHERE, .actions = 1u << ACTION_OUTPUT,
        .max_actions = 1, .max_outputs = 1, .capacity = MAX_ENTRIES - 1,
        .required = 1u << FIELD_IN_PORT } };
    memset(caps->table[0].field, FIELD_MASK_EXACT, sizeof caps->table[0].field);
    return 0;
}

static int
kernel_port(void *device, const struct hal_port *port, char *error)
{
    if (port->no >= MAX_PORTS) {
        snprintf(error, HAL_ERROR_SIZE, "ports have numbers up to %d", MAX_PORTS - 1);
        return -EOPNOTSUPP;
    }
    ((struct kernel *) device)->ifindex[port->no] = port->ifindex;
    return 0;
}

static void
kernel_port_del(void *device, uint16_t port)
{
    struct kernel *kernel = device;
    for (unsigned i = 1; i < MAX_ENTRIES; i++) {
        if (kernel->at[i].in_port == port) {
            remove_filter(kernel, i);
        }
    }
    kernel->ifindex[port] = 0;
}

static int
kernel_check(const void *device, const struct hal_entry *entry, struct hal_verdict *verdict)
{
    const struct flow_key *key = &entry->match->value;
    (void) device;
    if (entry->priority >= 100 && key->nw_proto == 17 && be16_to_host(key->dl_type) == ETH_P_IP && !key->nw_frag
        && !key->vlan_tci.raw && entry->match->mask.bits.tp_dst.raw) {
        return 0;
    }
    verdict->reason = HAL_REASON_DRIVER_REFUSED;
    snprintf(verdict->words, sizeof verdict->words, "only UDP, of rules of priority 100 and up");
    return -EOPNOTSUPP;
}

static int
add(struct kernel *kernel, const struct hal_entry *entry, uint64_t cookie, uint64_t *handle)
{
    struct program p;
    uint32_t i = 1;
    while (i < MAX_ENTRIES && kernel->at[i].in_port) {
        i++;
    }
    uint16_t in_port = entry->match->value.in_port;
    int to = entry->actions->len ? kernel->ifindex[entry->actions->actions[0].output.port] : 0;
    make_program(&p, &entry->match->value);
    int error = i == MAX_ENTRIES ? -ENOSPC : put_filter(kernel, kernel->ifindex[in_port], i, &p, to);
    if (!error) {
        kernel->at[i] = (struct entry) { .in_port = in_port, .cookie = cookie, .match = *entry->match };
        memcpy(kernel->at[i].actions, entry->actions, (1 + entry->actions->len) * sizeof(uint64_t));
        *handle = i;
    }
    return error;
}

static size_t
kernel_submit(void *device, const struct hal_change *changes, size_t n)
{
    struct kernel *kernel = device;
    for (size_t i = 0; i < n; i++) {
        struct hal_completion c = { .cookie = changes[i].cookie, .kind = changes[i].kind,
                                    .handle = changes[i].handle };
        c.verdict.field = c.verdict.action = HAL_OBJECT_NONE;
        if (c.kind == HAL_ADD) {
            c.error = add(kernel, &changes[i].entry, c.cookie, &c.handle);
            c.verdict.reason = c.error ? HAL_REASON_TABLE_FULL : c.verdict.reason;
        } else if (c.kind == HAL_REMOVE) {
            struct hal_counters final;
            if (!read_filter(kernel, c.handle, &final)) {
                c.final = final;
            }
            c.error = remove_filter(kernel, c.handle);
        }
        kernel->host->complete(kernel->host, &c, 1);
    }
    return n;
}

static int
kernel_fence(void *device, uint16_t port, bool on)
{
    (void) port;
    return on ? kernel_flush(device) : 0;
}

static int
kernel_stats(void *device, const uint64_t *cookies, const uint64_t *handles, size_t n,
             struct hal_counters *out)
{
    struct kernel *kernel = device;
    (void) cookies;
    for (size_t i = 0; i < n; i++) {
        if (!kernel->at[handles[i]].in_port || read_filter(kernel, handles[i], &out[i])) {
            out[i] = (struct hal_counters) { UINT64_MAX, UINT64_MAX };
        }
    }
    return 0;
}

static int
kernel_dump(void *device, uint64_t *position, bool (*visit)(const struct hal_dumped *, void *aux),
            void *aux)
{
    struct kernel *kernel = device;
    for (bool more = true; more && ++*position < MAX_ENTRIES;) {
        struct entry *e = &kernel->at[*position];
        struct hal_dumped d = { .cookie = e->cookie, .handle = *position };
        d.entry.match = &e->match;
        d.entry.actions = (const struct action_list *) e->actions;
        more = !e->in_port || (!read_filter(kernel, *position, &d.counters) && visit(&d, aux));
    }
    return 0;
}

const struct hal_driver turnout_driver = {
    .abi = HAL_DRIVER_ABI,
    .name = "kernel",
    .summary = "filters in the kernel's software, for tests",
    .open = kernel_open,
    .close = kernel_close,
    .probe = kernel_probe,
    .port_add = kernel_port,
    .port_change = kernel_port,
    .port_del = kernel_port_del,
    .check = kernel_check,
    .submit = kernel_submit,
    .fence = kernel_fence,
    .stats = kernel_stats,
    .dump = kernel_dump,
    .flush = kernel_flush,
};
