/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/property/switch_under_test.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/epoch.h"
#include "lib/hash.h"
#include "lib/log.h"
#include "ofagent/agent_private.h"
#include "sw-datapath/dp_internal.h"
#include "tests/property/sut_private.h"

enum { IN_MAX = 4 << 20, HELLO = 0, ECHO_REPLY = 3, BARRIER_REPLY = 19 };
enum { PATIENCE = 100, DEVICE_MS = 40 };
enum { ROOMY_CACHE = 4096, SETUPS = 200 };

static uint64_t now_ns;

static uint64_t
standing_clock(void)
{
    return now_ns;
}

/* In place of lib/hash.c's, which is random. */
uint64_t
hash_seed(void)
{
    return UINT64_C(0x5eed0fa110ca7e);
}

void
sut_check(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "# the test's own fault, or a switch that does not start: %s\n", what);
        abort();
    }
}

static uint32_t
get(const uint8_t *p, int n)
{
    uint32_t value = 0;
    for (int i = 0; i < n; i++) {
        value = value << 8 | p[i];
    }
    return value;
}

static void
turn(struct sut *sut)
{
    /* A device that waits for a clock that stands wants to be called at once, for ever. */
    event_base_loop(sut->base, EVLOOP_NONBLOCK | (sut->hal ? EVLOOP_ONCE : 0));
}

/* --- the connection ------------------------------------------------------------------- */

void
sut_send(struct sut *sut, const void *messages, size_t size)
{
    const uint8_t *p = messages;
    for (unsigned turns = 0; size;) {
        ssize_t n = send(sut->fd, p, size, MSG_NOSIGNAL);
        if (n > 0) {
            p += n;
            size -= (size_t) n;
            continue;
        }
        sut_check(errno == EAGAIN && turns++ < TURNS_MAX, "the connection takes nothing");
        turn(sut);
    }
}

static bool
receive(struct sut *sut)
{
    sut_check(sut->have < IN_MAX, "too many messages at a time");
    ssize_t n = recv(sut->fd, sut->in + sut->have, IN_MAX - sut->have, 0);
    if (n > 0) {
        sut->have += (size_t) n;
    }
    return n > 0 || (n < 0 && errno == EAGAIN);
}

/* Looks at messages that have come until one has this type and xid, which is then the end
 * of what sut_next_message() gives. */
static bool
find_reply(struct sut *sut, uint8_t type, uint32_t xid)
{
    while (sut->have - sut->scanned >= 8) {
        const uint8_t *msg = sut->in + sut->scanned;
        size_t size = get(msg + 2, 2);
        if (size < 8 || sut->have - sut->scanned < size) {
            return false;
        }
        sut->end = sut->scanned;
        sut->scanned += size;
        if (msg[1] == type && get(msg + 4, 4) == xid) {
            return true;
        }
    }
    return false;
}

static bool
wait_for(struct sut *sut, uint8_t type, uint32_t xid)
{
    memmove(sut->in, sut->in + sut->scanned, sut->have - sut->scanned);
    sut->have -= sut->scanned;
    sut->scanned = sut->read = sut->end = 0;
    for (unsigned turns = 0; turns < TURNS_MAX; turns++) {
        turn(sut);
        if (!receive(sut)) {
            return false;
        }
        if (find_reply(sut, type, xid)) {
            return true;
        }
        if (sut->hal && turns > PATIENCE) {
            now_ns += 1000000;           /* all that is left to wait for is the device */
            hal_step(sut->hal);
        }
    }
    return false;
}

void
sut_run(struct sut *sut)
{
    for (unsigned turns = 0; turns < PATIENCE; turns++) {
        turn(sut);
    }
}

bool
sut_fence(struct sut *sut, bool barrier)
{
    uint32_t xid = ++sut->fence;
    uint8_t msg[8] = { 1, barrier ? BARRIER_REPLY - 1 : ECHO_REPLY - 1, 0, 8, (uint8_t) (xid >> 24),
                       (uint8_t) (xid >> 16), (uint8_t) (xid >> 8), (uint8_t) xid };
    sut_send(sut, msg, sizeof msg);
    bool came = wait_for(sut, barrier ? BARRIER_REPLY : ECHO_REPLY, xid);
    sut_wire_settle(sut->wire);
    return came;
}

const uint8_t *
sut_next_message(struct sut *sut, size_t *size)
{
    if (sut->read >= sut->end) {
        return NULL;
    }
    const uint8_t *msg = sut->in + sut->read;
    *size = get(msg + 2, 2);
    sut->read += *size;
    return msg;
}

static bool
add_dropped(const struct agent_connection_info *info, void *sum)
{
    *(uint64_t *) sum += info->dropped;
    return true;
}

uint64_t
sut_n_dropped(const struct sut *sut)
{
    uint64_t sum = 0;
    agent_for_each_connection(sut->agent, add_dropped, &sum);
    return sum;
}

static void
connect_to(struct sut *sut)
{
    static const uint8_t hello[8] = { 1, HELLO, 0, 8, 0, 0, 0, 1 };
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    snprintf(addr.sun_path, sizeof addr.sun_path, "%s", sut->path);
    sut->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    sut_check(connect(sut->fd, (struct sockaddr *) &addr, sizeof addr) == 0, "connect");
    fcntl(sut->fd, F_SETFL, O_NONBLOCK);
    sut_send(sut, hello, sizeof hello);
    sut_check(sut_fence(sut, true), "no handshake");
    const uint8_t *msg;
    size_t size, n = 0;
    while ((msg = sut_next_message(sut, &size))) {
        sut_check(msg[1] == HELLO, "something before HELLO");
        n++;
    }
    sut_check(n == 1, "not one HELLO");
}

/* --- the switch ------------------------------------------------------------------------- */

void
sut_add_port(struct sut *sut, uint16_t port)
{
    char name[IF_NAMESIZE];
    int ifindex;
    uint16_t no;
    struct errmsg err;
    bool behind = sut->hal && hal_device_caps(sut->device)->misses_behind;
    enum pktio_kind kind = !sut->attached ? PKTIO_MEMORY : behind ? PKTIO_BEHIND : PKTIO_AFPACKET;
    snprintf(name, sizeof name, "m%u", port);
    sut_check(!sut->attached || sut_wire_device(sut->wire, port, name, &ifindex), "a cable for each port");
    sut_check(dp_port_add(agent_bridge(sut->agent), name, port, kind, &no, &err) == 0, err.text);
    if (sut->hal) {
        sut_check(dp_port_set_device(agent_bridge(sut->agent), port, sut->device, &err) == 0, err.text);
    }
}

/* What software had of what came in by the cable. */
static void
count_what_came_up(const struct sut *sut, uint16_t port)
{
    struct dp_bridge *bridge = agent_bridge(sut->agent);
    struct port_counters counters;
    struct hal_port_counters hardware = { .rx_packets = 0 };
    if (!dp_port_get_counters(bridge, port, &counters)) {
        return;
    }
    if (dp_bridge_hal(bridge)) {
        hal_get_port_counters(dp_bridge_hal(bridge), port, &hardware);
    }
    sut_wire_add_came_up(counters.rx_packets + counters.rx_dropped - hardware.rx_packets);
}

void
sut_remove_port(struct sut *sut, uint16_t port)
{
    struct errmsg err;
    if (sut->attached) {
        count_what_came_up(sut, port);
    }
    sut_check(dp_port_del(agent_bridge(sut->agent), port, &err) == 0, "port to remove");
}

void
sut_set_queue(struct sut *sut, uint16_t port, uint32_t id, bool there)
{
    struct dp_bridge *bridge = agent_bridge(sut->agent);
    const struct pktio_queue_config config = { .id = id };
    struct errmsg err;
    sut_check((there ? dp_queue_add(bridge, port, &config, &err)
                 : dp_queue_del(bridge, port, id, &err)) == 0, "queue");
}

void
sut_set_link(struct sut *sut, uint16_t port, bool is_up)
{
    dp_port_set_memory_link(agent_bridge(sut->agent), port, is_up);
}

bool
sut_set_stp(struct sut *sut, uint16_t port, uint32_t state)
{
    struct errmsg err;
    return !dp_port_set_stp_state(agent_bridge(sut->agent), port, (enum port_stp_state) state,
                                  &err);
}

/* In switches whose cache never fills, some flows get no entry for want of budget. */
static struct governor_config
governor_of(const struct sut *sut, const struct sut_config *config)
{
    struct governor_config governor;
    governor_config_init(&governor);
    governor.setups = (struct governor_bounds) { SETUPS, SETUPS };
    if (sut->hal || config->cache_entries < ROOMY_CACHE) {
        governor.mode = GOVERNOR_OFF;
    }
    return governor;
}

static void
make_agent(struct sut *sut, const struct sut_config *config)
{
    const struct dp_config dp_config = { .cpus = config->cpus,
                                         .cache_entries = config->cache_entries,
                                         .hal = sut->hal, .promote_pps = 1,
                                         .governor = governor_of(sut, config) };
    const struct dp_bridge_config bridge_config = { .fdb_max = 8192,
                                                    .fdb_age_s = config->fdb_age_s,
                                                    .stp = config->stp,
                                                    .forward_bpdu = config->forward_bpdu };
    const struct agent_config agent_config = {
        .fail_mode = config->peer == SUT_STANDALONE ? AGENT_FAIL_STANDALONE : AGENT_FAIL_SECURE,
        .max_flows = config->max_flows,
        .max_emergency_flows = config->max_emergency_flows,
    };
    struct errmsg err;
    sut->base = event_base_new();
    sut->dp = dp_new(sut->base, &dp_config, &err);
    sut_check(sut->dp, "datapath");
    sut->agent = agent_new(sut->base, sut->dp, "br0", &bridge_config, PKTIO_MEMORY, &agent_config,
                           &err);
    sut_check(sut->agent, "agent");
    for (uint16_t port = 1; port <= config->n_ports; port++) {
        sut_add_port(sut, port);
    }
    int error = config->peer == SUT_CONTROLLER
                ? agent_add_target(sut->agent, sut->target, &err)
                : agent_add_management(sut->agent, sut->target, &err);
    sut_check(!error, "target");
}

struct sut *
sut_new(const struct sut_config *config, uint64_t now_ms)
{
    struct sut *sut = calloc(1, sizeof *sut);
    sut_check(sut, "memory");
    sut->in = malloc(IN_MAX);
    signal(SIGPIPE, SIG_IGN);
    struct errmsg err;
    sut_check(log_set_level("error", &err) == 0, "log level");
    now_ns = now_ms * 1000000;
    clock_set_source(standing_clock);
    strcpy(sut->dir, "/tmp/turnout-property-XXXXXX");
    sut_check(mkdtemp(sut->dir), "directory");
    snprintf(sut->path, sizeof sut->path, "%s/c", sut->dir);
    snprintf(sut->target, sizeof sut->target, "punix:%s", sut->path);
    sut->attached = config->attached;
    sut->n_ports = config->n_ports;
    sut->wire = config->driver || config->attached ? sut_wire_new(config->attached) : NULL;
    if (config->driver) {
        sut_make_hal(sut, config);
    }
    make_agent(sut, config);
    if (sut->hal) {
        hal_start(sut->hal);
    }
    connect_to(sut);
    return sut;
}

void
sut_free(struct sut *sut)
{
    agent_free(sut->agent);
    dp_free(sut->dp);
    hal_free(sut->hal, false);
    sut_wire_free(sut->wire);
    event_base_free(sut->base);
    close(sut->fd);
    rmdir(sut->dir);
    free(sut->in);
    free(sut);
}

void
sut_set_time(struct sut *sut, uint64_t now_ms)
{
    while (sut->hal && now_ns / 1000000 + DEVICE_MS < now_ms) {
        now_ns += DEVICE_MS * UINT64_C(1000000);     /* devices don't jump */
        sut_run_hardware(sut);
    }
    now_ns = now_ms * 1000000;
    sut_run_hardware(sut);
    agent_run(sut->agent);
    sut_run_hardware(sut);
}

uint64_t
sut_now_ms(const struct sut *sut)
{
    (void) sut;
    return now_ns / 1000000;
}

void
sut_get_address(const struct sut *sut, uint16_t port, uint8_t address[6])
{
    struct port_info info = { .port_no = 0 };
    dp_port_get(agent_bridge(sut->agent), port, &info);
    memcpy(address, info.hw_addr, sizeof info.hw_addr);
}

/* --- frames --------------------------------------------------------------------------- */

/* What software gets. */
static void
inject(void *aux, uint16_t port, const void *frame, uint32_t size)
{
    struct sut *sut = aux;
    struct pktio *io = dp_port_pktio(agent_bridge(sut->agent), port);
    sut_check(io && pktio_memory_inject(io, frame, size) == 0, "a frame that is not taken");
}

void
sut_inject(struct sut *sut, uint16_t port, const void *frame, uint32_t size)
{
    if (!sut_wire_send(sut->wire, port, frame, size)) {
        sut_wire_collect(sut->wire, inject, sut);    /* it does not overtake the others */
        inject(sut, port, frame, size);
    }
}

void
sut_forward(struct sut *sut)
{
    sut_wire_collect(sut->wire, inject, sut);
    while (dp_run_once(sut->dp)) {
        continue;
    }
    sut_run_hardware(sut);
    sut_wire_settle(sut->wire);
}

uint32_t
sut_take(struct sut *sut, uint16_t port, void *frame, uint32_t capacity, uint32_t *queue)
{
    struct pktio *io = dp_port_pktio(agent_bridge(sut->agent), port);
    uint32_t size = sut_wire_take(sut->wire, port, frame, capacity);
    if (size) {
        *queue = UINT32_MAX;
        return size;
    }
    return io ? pktio_memory_take_queued(io, frame, capacity, queue) : 0;
}

void
sut_get_wire_counts(struct sut *sut, struct sut_wire_counts *out)
{
    for (uint16_t port = 1; sut->attached && port <= sut->n_ports; port++) {
        count_what_came_up(sut, port);
    }
    sut_wire_get_counts(out);
}

/* --- upkeep --------------------------------------------------------------------------- */

void
sut_poll_epoch(struct sut *sut)
{
    (void) sut;
    epoch_poll();
}

void
sut_sweep(struct sut *sut, uint32_t n_slots, uint64_t max_idle_ms)
{
    struct dp_bridge *bridge = agent_bridge(sut->agent);
    for (unsigned i = 0; i < dp_n_workers(sut->dp); i++) {
        cache_sweep(bridge->caches[i], n_slots, clock_ms(), max_idle_ms);
    }
}

void
sut_get_stats(const struct sut *sut, struct dp_bridge_stats *out)
{
    dp_bridge_get_stats(agent_bridge(sut->agent), out);
}
