/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of devices, and when they change. */
#include "tests/netns/rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <string.h>

#include "lib/netdev/address.h"

static struct be32
address(const char *text)
{
    struct be32 out;
    assert_int_equal(inet_pton(AF_INET, text, &out.raw), 1);
    return out;
}

static void
a_devices_addresses_are_listed(void **state)
{
    (void) state;
    struct be32 list[2];
    struct errmsg err = { "" };
    assert_int_equal(address_list("p1", list, 2, &err), 0);
    run(AT_S, "ip addr add 10.1.2.3/24 dev p1 && ip addr add 10.1.2.4/24 dev p1");
    run(AT_S, "ip addr add 10.9.9.9/32 dev lo");
    assert_int_equal(address_list("p1", list, 2, &err), 2);
    assert_true(be32_equal(list[0], address("10.1.2.3")));
    assert_true(be32_equal(list[1], address("10.1.2.4")));
    run(AT_S, "ip addr add 10.1.2.5/24 dev p1");
    assert_int_equal(address_list("p1", list, 2, &err), 3);    /* of which two fit */
    run(AT_S, "ip addr flush dev p1 && ip addr add 10.1.2.6 peer 10.1.2.7 dev p1");
    assert_int_equal(address_list("p1", list, 2, &err), 1);
    assert_true(be32_equal(list[0], address("10.1.2.6")));     /* its own, not the peer's */
    assert_int_equal(address_list("nosuch", list, 2, &err), -ENODEV);
    assert_non_null(strstr(err.text, "nosuch"));
}

static void
count(void *n)
{
    ++*(unsigned *) n;
}

static void
await_more(struct event_base *base, const unsigned *n, unsigned than)
{
    uint64_t end = now_ms() + DEADLINE_MS;
    while (*n <= than) {
        assert_true(now_ms() < end);
        event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    }
}

static void
changes_are_told(void **state)
{
    (void) state;
    unsigned n = 0;
    struct errmsg err = { "" };
    struct event_base *base = event_base_new();
    struct address_monitor *monitor = address_monitor_new(base, count, &n, &err);
    assert_non_null(monitor);
    run(AT_S, "ip addr add 10.1.2.3/24 dev p1");
    await_more(base, &n, 0);
    event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    unsigned before = n;
    run(AT_S, "ip addr del 10.1.2.3/24 dev p1");
    await_more(base, &n, before);
    address_monitor_free(monitor);
    address_monitor_free(NULL);
    event_base_free(base);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_devices_addresses_are_listed),
        RIG_TEST(changes_are_told),
    };
    return rig_run("address", tests, sizeof tests / sizeof *tests);
}
