/* SPDX-License-Identifier: Apache-2.0 */
/* A program that uses Turnout's HAL without its daemon, as the maker of another switch would:
 * it has a flow table of its own, the source, and offers the HAL flows that packets were
 * seen of. docs/DRIVER-GUIDE.md goes with it.
 *
 *     offload DRIVER.so[:options]
 *
 * All packets here are made by hand and counted as they come out; no network device is
 * touched. Exit status: 0, or 1 when something was not as it should be. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "hal/hal.h"
#include "hal/text.h"

enum { N_PORTS = 3, MAX_ACTIONS = 8 };

/* --- the flow table: the only truth ------------------------------------------------------------ */

struct rule {
    const char *match, *text;            /* ovs-ofctl's syntax; fields that are given count */
    uint16_t priority;
    uint64_t cookie;
    struct flow_key key;
    uint64_t packets, bytes;
    union { struct action_list list; uint64_t words[1 + MAX_ACTIONS]; } actions;
};

static struct rule rules[] = {
    { .match = "in_port=1,dl_type=0x0800", .text = "output:2", .priority = 10, .cookie = 0xa1 },
    { .match = "in_port=2,dl_type=0x0800", .text = "mod_dl_dst:02:00:00:00:00:01,output:1",
      .priority = 10, .cookie = 0xa2 },
    { .match = "in_port=3,dl_type=0x0800", .text = "mod_nw_tos:32,output:1", .priority = 10,
      .cookie = 0xa3 },
};
enum { N_RULES = sizeof rules / sizeof rules[0] };

/* All rules look at the ingress port and the type: so do the entries that follow from them. */
static const struct flow_mask mask = { .bits = { .in_port = 0xffff, .dl_type.raw = 0xffff } };

static struct rule *
find_rule(const struct flow_key *key)
{
    for (unsigned i = 0; i < N_RULES; i++) {
        struct flow_match match = { rules[i].key, mask };
        if (flow_match_contains(&match, key)) {
            return &rules[i];
        }
    }
    return NULL;
}

/* The HAL asks: what becomes of packets with this key, as the table is now? */
static bool
derive(void *aux, const struct flow_key *key, struct hal_derivation *d)
{
    struct rule *rule = find_rule(key);
    (void) aux;
    if (rule) {
        d->match.mask = mask;
        flow_key_mask(key, &mask, &d->match.value);
        d->actions = &rule->actions.list;
        d->owner = rule;
        d->cookie = rule->cookie;
        d->priority = rule->priority;
        d->exact_rule = true;            /* at once, whatever the traffic */
    }
    return rule;
}

/* The HAL tells what hardware forwarded for a rule since the last time. */
static void
credit(void *aux, void *owner, uint64_t packets, uint64_t bytes, uint64_t used_ms)
{
    struct rule *rule = owner;
    (void) aux;
    (void) used_ms;
    rule->packets += packets;
    rule->bytes += bytes;
}

static void
port_failed(void *aux, uint16_t port, const char *why)
{
    (void) aux;
    fprintf(stderr, "offload: port %u must go down: %s\n", port, why);
}

static const struct hal_source source = {
    .derive = derive, .credit = credit, .port_failed = port_failed,
};

/* --- the loop: a program's own has hal_fd() among its descriptors ---------------------------------- */

static void
turn(struct hal *hal)
{
    struct pollfd fd = { hal_fd(hal), POLLIN, 0 };
    poll(&fd, 1, hal_step(hal));
}

static void
run_until(struct hal *hal, const bool *done)
{
    while (!*done) {
        turn(hal);
    }
}

static void
note_pending(struct hal_device *device, const struct hal_device_info *info, void *pending)
{
    (void) device;
    *(bool *) pending |= info->pending > 0;
}

/* Until all that was taken is in place. Nobody has to wait for that, packets go by software
 * meanwhile; this program does, to show them in hardware. */
static void
wait_for_entries(struct hal *hal)
{
    for (bool pending = true; pending;) {
        turn(hal);
        pending = false;
        hal_visit_devices(hal, note_pending, &pending);
    }
}

static void
barrier_done(void *aux, int error)
{
    *(bool *) aux = true;
    if (error) {
        fprintf(stderr, "offload: a device failed while something was changed\n");
        exit(1);
    }
}

/* When it returns, no packet is forwarded by what was replaced before it. */
static void
barrier(struct hal *hal)
{
    bool done = false;
    hal_barrier(hal, barrier_done, &done);
    run_until(hal, &done);
}

/* --- packets ------------------------------------------------------------------------------------ */

/* How the device sends: here a line, elsewhere a ring. */
static void
output(struct hal_packet_out *out, const struct hal_packet *packet, uint16_t port)
{
    (void) out;
    printf("  out of port %u: to %02x:..:%02x\n", port, packet->data[0], packet->data[5]);
}

/* A program's datapath has code for all actions; this one does what the example's table can. */
static void
execute(struct hal_packet_out *out, struct hal_packet *packet, const struct action_list *list)
{
    for (uint32_t i = 0; i < list->len; i++) {
        const struct action *a = &list->actions[i];
        if (a->type == ACTION_OUTPUT) {
            output(out, packet, a->output.port);
        } else if (a->type == ACTION_SET_DL_DST) {
            memcpy(packet->data, a->dl.addr, sizeof a->dl.addr);
        } else if (a->type == ACTION_SET_DL_SRC) {
            memcpy(packet->data + 6, a->dl.addr, sizeof a->dl.addr);
        }
    }
}

/* A frame comes in: the device has it first. */
static void
receive(struct hal_device *device, uint16_t port)
{
    uint8_t frame[60] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45 };
    struct flow_key key = { .in_port = port, .dl_type = be16_from_host(0x0800) };
    struct hal_packet packet = { .data = frame, .size = sizeof frame, .n_segments = 1,
                                 .wire_bytes = sizeof frame, .key = &key };
    struct hal_packet_out out = { output, execute, 0, hal_now_ms() };
    bool miss = true;
    printf("a frame at port %u\n", port);
    if (hal_device_in_path(device)) {
        hal_process(device, port, &packet, 1, &miss, &out);
    }
    if (miss) {
        puts("  a miss: it is software's");
    }
}

/* --- what is where ---------------------------------------------------------------------------------- */

static bool
print_entry(const struct hal_entry_info *info, void *aux)
{
    char match[200], actions[200];
    (void) aux;
    hal_match_text(&info->match, match, sizeof match);
    hal_actions_text(info->actions, actions, sizeof actions);
    printf("  %s/%s: %s -> %s, cookie %#llx, %llu packets\n", info->device, info->table, match,
           actions, (unsigned long long) info->cookie, (unsigned long long) info->packets);
    return true;
}

static void
print_device(struct hal_device *device, const struct hal_device_info *info, void *aux)
{
    (void) device;
    (void) aux;
    printf("device of %s: %u of %u entries in use; added %llu, changed %llu, removed %llu\n",
           info->driver, info->table[0].entries, info->caps->table[0].capacity,
           (unsigned long long) info->added, (unsigned long long) info->changed,
           (unsigned long long) info->removed);
}

static void
print_all(struct hal *hal, struct hal_bridge *bridge)
{
    uint64_t position = 0;
    while (rules[0].packets < 2 || rules[1].packets < 1) {
        turn(hal);                       /* counters are read in turn, and credited */
    }
    puts("entries:");
    hal_visit(hal, bridge, NULL, &position, print_entry, NULL);
    hal_visit_devices(hal, print_device, NULL);
    for (unsigned i = 0; i < N_RULES; i++) {
        printf("rule %#llx: %llu packets, %llu bytes in hardware\n",
               (unsigned long long) rules[i].cookie, (unsigned long long) rules[i].packets,
               (unsigned long long) rules[i].bytes);
    }
}

/* --- the program -------------------------------------------------------------------------------------- */

static void
die(const char *what, const char *error)
{
    fprintf(stderr, "offload: %s: %s\n", what, error);
    exit(1);
}

static void
set_actions(struct rule *rule, const char *text)
{
    char error[HAL_ERROR_SIZE];
    if (hal_actions_from_text(text, &rule->actions.list, MAX_ACTIONS, error)) {
        die(text, error);
    }
}

static void
remember_name(const struct hal_driver *driver, void *name)
{
    *(const char **) name = driver->name;
}

static struct hal_device *
open_device(struct hal *hal, char *path)
{
    char error[HAL_ERROR_SIZE] = "", name[256];
    const char *driver = NULL, *colon = strchr(path, ':'), *options = colon ? colon + 1 : "";
    struct hal_device *device;
    path[strcspn(path, ":")] = '\0';
    if (hal_load_driver(hal, path, error)) {
        die("driver", error);
    }
    hal_visit_drivers(hal, remember_name, &driver);
    snprintf(name, sizeof name, "%s:%s", driver, options);
    if (hal_device_open(hal, name, &device, error)) {
        die(driver, error);
    }
    return device;
}

/* Offers a flow, as a datapath does for packets that it sees, and says what comes of it. */
static void
offer(struct hal_bridge *bridge, const struct flow_key *key)
{
    struct hal_verdict verdict = { 0 };
    char text[200];
    struct flow_match match = { *key, mask };
    hal_match_text(&match, text, sizeof text);
    hal_offer(bridge, key, 1000, &verdict);
    printf("offered %s: %s\n", text, verdict.reason ? hal_reason_name(verdict.reason) : "taken");
    if (verdict.reason) {
        printf("  %s (%s)\n  %s\n", hal_reason_summary(verdict.reason),
               verdict.action == HAL_OBJECT_NONE ? "-" : hal_action_name(verdict.action),
               hal_reason_remedy(verdict.reason));
    }
}

int
main(int argc, char **argv)
{
    const struct hal_config config = { .n_workers = 1, .promote_pps = 100, .demote_pps = 20 };
    char error[HAL_ERROR_SIZE] = "";
    struct hal *hal = argc == 2 ? hal_new(&config) : NULL;
    if (!hal || hal_set_log("stderr", "warn", error)) {
        die("usage: offload DRIVER.so[:options]", error);
    }
    struct hal_device *device = open_device(hal, argv[1]);
    struct hal_bridge *bridge = hal_bridge_new(hal, "br0", &source, NULL);
    for (uint16_t no = 1; no <= N_PORTS; no++) {
        struct hal_port port = { .no = no };
        snprintf(port.name, sizeof port.name, "swp%u", no);
        if (hal_port_add(bridge, device, &port, error)) {
            die(port.name, error);
        }
    }
    for (unsigned i = 0; i < N_RULES; i++) {
        set_actions(&rules[i], rules[i].text);
        if (hal_key_from_text(rules[i].match, &rules[i].key, error)) {
            die(rules[i].match, error);
        }
    }
    hal_start(hal);
    receive(device, 1);
    for (unsigned i = 0; i < N_RULES; i++) {
        offer(bridge, &rules[i].key);
    }
    wait_for_entries(hal);
    receive(device, 1);
    receive(device, 2);
    receive(device, 3);
    puts("the first rule's packets go to port 3 from now on");
    set_actions(&rules[0], "output:3");
    hal_changed_owner(bridge, &rules[0]);
    barrier(hal);
    receive(device, 1);
    print_all(hal, bridge);
    hal_bridge_free(bridge);
    hal_free(hal, false);
    return 0;
}
