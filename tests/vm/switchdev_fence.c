/* SPDX-License-Identifier: Apache-2.0 */
/* The switchdev driver's fence with all VLANs and many entries: switchdev_fence ENTRIES DEVICE...
 * When it returns each port has left the bridge or is switched off, and it has not taken as long as
 * they take to leave. Then it is lifted, and all are in again. Says how long things took. */
#include <errno.h>
#include <inttypes.h>
#include <linux/if_bridge.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/switchdev/bridge.h"
#include "drivers/switchdev/switchdev.h"
#include "lib/clock.h"
#include "lib/netdev/rtnl.h"

enum { MAX_MS = 800 };           /* the HAL waits for 1000 */

static void
die(const char *what, const char *why)
{
    fprintf(stderr, "switchdev_fence: %s: %s\n", what, why);
    exit(1);
}

/* --- the HAL --------------------------------------------------------------------------------------- */

static void
ignore_completions(struct hal_host *host, const struct hal_completion *c, size_t n)
{
    (void) host;
    (void) c;
    (void) n;
}

static void
ignore_event(struct hal_host *host, enum hal_event_kind kind, const char *why)
{
    (void) host;
    (void) kind;
    (void) why;
}

static void __attribute__((format(printf, 3, 4)))
log_line(struct hal_host *host, int level, const char *format, ...)
{
    va_list args;
    (void) host;
    (void) level;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

static uint64_t
now_ms(struct hal_host *host)
{
    (void) host;
    return clock_ms();
}

static struct hal_host host = { ignore_completions, ignore_event, log_line, now_ms };

/* --- what the kernel has ------------------------------------------------------------------------------ */

struct census {
    int bridge;
    unsigned members, off;
};

static int
count(const struct nlmsghdr *hdr, void *census)
{
    struct census *c = census;
    struct nlattr *attrs[IFLA_MAX + 1];
    if (nlmsg_parse((struct nlmsghdr *) (uintptr_t) hdr, sizeof(struct ifinfomsg), attrs, IFLA_MAX,
                    NULL) < 0 || !attrs[IFLA_MASTER] || !attrs[IFLA_PROTINFO]
        || (int) nla_get_u32(attrs[IFLA_MASTER]) != c->bridge) {
        return 0;
    }
    struct nlattr *state = nla_find(nla_data(attrs[IFLA_PROTINFO]), nla_len(attrs[IFLA_PROTINFO]),
                                    IFLA_BRPORT_STATE);
    c->members++;
    c->off += state && nla_get_u8(state) == BR_STATE_DISABLED;
    return 0;
}

static struct census
look(int bridge)
{
    const struct ifinfomsg ifi = { .ifi_family = AF_BRIDGE };
    struct census c = { .bridge = bridge };
    struct errmsg err;
    if (rtnl_request(rtnl_msg_new(RTM_GETLINK, NLM_F_DUMP, &ifi, sizeof ifi), count, &c, &err)) {
        die("links of bridges", err.text);
    }
    return c;
}

static int
own_bridge(void)
{
    struct switchdev_link bridge;
    struct errmsg err = { "there is none" };
    if (switchdev_bridge_find(SWITCHDEV_MARK, false, &bridge, &err) || !bridge.ifindex) {
        die("the driver's bridge", err.text);
    }
    return bridge.ifindex;
}

/* --- all ------------------------------------------------------------------------------------------------ */

static void
add_ports(void *device, char **names, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct hal_port port = { .no = (uint16_t) (i + 1), .ifindex = (int) if_nametoindex(names[i]) };
        char error[HAL_ERROR_SIZE] = "";
        snprintf(port.name, sizeof port.name, "%.15s", names[i]);
        if (switchdev_driver.port_add(device, &port, error)) {
            die("port_add", error);
        }
    }
}

static void
add_entries(unsigned n, char **names, unsigned n_ports)
{
    struct errmsg err;
    for (unsigned i = 0; i < n; i++) {
        struct switchdev_fdb f = { .addr = { 2, 0, 1, 0, (uint8_t) (i >> 8), (uint8_t) i },
                                   .vid = (uint16_t) (10 + (i >> 16)),
                                   .ifindex = (int) if_nametoindex(names[i % n_ports]) };
        if (switchdev_fdb_add(&f, &err)) {
            die("an entry", err.text);
        }
    }
}

static void
try_fence(void *device, unsigned n_ports)
{
    int bridge = own_bridge();
    uint64_t began = clock_ms();
    int result = switchdev_driver.fence(device, 0, true);
    uint64_t took = clock_ms() - began;
    struct census c = look(bridge);
    printf("fence: %" PRIu64 " ms, %d; %u of %u ports are in the bridge, %u of them off\n", took, result,
           c.members, n_ports, c.off);
    if (result || c.off != c.members || took > MAX_MS) {
        die("fence", "ports forward on, or it took too long");
    }
    result = switchdev_driver.fence(device, 0, false);
    c = look(bridge);
    printf("lifted: %" PRIu64 " ms after that, %d; %u ports are in the bridge, %u of them off\n",
           clock_ms() - began - took, result, c.members, c.off);
    if (result || c.members != n_ports || c.off) {
        die("the end of the fence", "not all ports are in the bridge again");
    }
}

int
main(int argc, char **argv)
{
    const struct hal_open open = { .options = "any-port=yes", .host = &host, .stepped = true };
    char error[HAL_ERROR_SIZE] = "";
    void *device = argc > 2 ? switchdev_driver.open(&open, error) : NULL;
    if (!device) {
        die("open", argc > 2 ? error : "usage: switchdev_fence ENTRIES DEVICE...");
    }
    unsigned n = (unsigned) argc - 2;
    add_ports(device, argv + 2, n);
    add_entries((unsigned) strtoul(argv[1], NULL, 10), argv + 2, n);
    try_fence(device, n);
    switchdev_driver.close(device, false);
    return 0;
}
