/* SPDX-License-Identifier: Apache-2.0 */
/* Links as the kernel tells of them. */
#include "tests/netns/rig.h"

#include <errno.h>
#include <event2/event.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>

#include "lib/netdev/link.h"

static void
a_link_is_described(void **state)
{
    (void) state;
    struct link_info link;
    struct errmsg err = { "" };
    run(AT_S, "ip link set p1 address 02:00:00:00:01:02 mtu 1400");
    assert_int_equal(link_get("p1", &link, &err), 0);
    assert_string_equal(link.name, "p1");
    assert_string_equal(link.kind, "veth");
    assert_int_equal(link.ifindex, if_nametoindex("p1"));
    assert_int_equal(link.type, ARPHRD_ETHER);
    assert_memory_equal(link.hw_addr, "\x02\0\0\0\x01\x02", 6);
    assert_int_equal(link.mtu, 1400);
    assert_true(link.up);
    assert_true(link.running);
    assert_int_equal(link.master, 0);
    assert_int_equal(link_get("nosuch", &link, &err), -ENODEV);
    assert_non_null(strstr(err.text, "nosuch"));
    assert_string_equal(link.name, "p1");
}

static void
carrier_goes_with_the_peer(void **state)
{
    (void) state;
    struct link_info link;
    run(AT_A, "ip link set e0 down");
    assert_int_equal(link_get("p1", &link, NULL), 0);
    assert_true(link.up);
    assert_false(link.running);
    assert_int_equal(link_set_up((int) if_nametoindex("p1"), false, NULL), 0);
    assert_int_equal(link_get("p1", &link, NULL), 0);
    assert_false(link.up);
    struct errmsg err = { "" };
    assert_int_equal(link_set_up(99999, true, &err), -ENODEV);
    assert_true(err.text[0]);
}

static void
ethtool_tells_the_features(void **state)
{
    (void) state;
    struct link_features features;
    struct errmsg err = { "" };
    assert_int_equal(link_get_features("p1", &features, &err), 0);
    assert_int_equal(features.speed_mbps, 10000);
    assert_int_equal(features.current, PORT_FEATURE_10GB_FD | PORT_FEATURE_COPPER);
    assert_int_equal(features.supported, 0);
    assert_int_equal(link_get_features("lo", &features, &err), 0);
    assert_int_equal(features.current, 0);
    assert_int_equal(link_get_features("nosuch", &features, &err), -ENODEV);
    assert_non_null(strstr(err.text, "nosuch"));
}

/* ---- The monitor ---- */

enum { MAX_EVENTS = 4096 };

struct seen {
    struct link_info link;
    bool gone;
};

static struct seen events[MAX_EVENTS];
static size_t n_events;

static void
saw(void *aux, const struct link_info *link, bool gone)
{
    assert_ptr_equal(aux, &n_events);
    assert_true(n_events < MAX_EVENTS);
    events[n_events++] = (struct seen) { *link, gone };
}

static const struct seen *
find_event(const char *name, bool gone, size_t from)
{
    for (size_t i = from; i < n_events; i++) {
        if (!strcmp(events[i].link.name, name) && events[i].gone == gone) {
            return &events[i];
        }
    }
    return NULL;
}

/* Runs the loop until there is such an event. */
static const struct seen *
await_event(struct event_base *base, const char *name, bool gone, size_t from)
{
    uint64_t end = now_ms() + DEADLINE_MS;
    while (!find_event(name, gone, from)) {
        assert_true(now_ms() < end);
        event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    }
    return find_event(name, gone, from);
}

static struct link_monitor *
start_monitor(struct event_base **base)
{
    n_events = 0;
    *base = event_base_new();
    struct errmsg err = { "" };
    struct link_monitor *monitor = link_monitor_new(*base, saw, &n_events, &err);
    assert_non_null(monitor);
    return monitor;
}

static void
changes_are_told(void **state)
{
    (void) state;
    struct event_base *base;
    struct link_monitor *monitor = start_monitor(&base);
    run(AT_S, "ip link add n1 type veth peer name n2");
    int first = await_event(base, "n1", false, 0)->link.ifindex;
    size_t mark = n_events;
    run(AT_S, "ip link set n1 mtu 1234");
    assert_int_equal(await_event(base, "n1", false, mark)->link.mtu, 1234);

    /* Gone, and another of its name: both are told, in this order. */
    mark = n_events;
    run(AT_S, "ip link del n1 && ip link add n1 type veth peer name n2");
    const struct seen *gone = await_event(base, "n1", true, mark);
    assert_int_equal(gone->link.ifindex, first);
    const struct seen *again = await_event(base, "n1", false, (size_t) (gone - events));
    assert_int_not_equal(again->link.ifindex, first);
    link_monitor_free(monitor);
    event_base_free(base);
}

static void
leaving_a_bridge_is_not_the_end_of_a_link(void **state)
{
    (void) state;
    struct event_base *base;
    struct link_monitor *monitor = start_monitor(&base);
    if (run_status(AT_S, "ip link add b0 type bridge && ip link set p1 master b0")) {
        skip();
    }
    run(AT_S, "ip link set p1 nomaster && ip link del b0");
    await_event(base, "b0", true, 0);
    assert_null(find_event("p1", true, 0));
    link_monitor_free(monitor);
    event_base_free(base);
}

static void
lost_events_are_made_up_for(void **state)
{
    (void) state;
    struct event_base *base;
    struct link_monitor *monitor = start_monitor(&base);
    run(AT_S, "ip link add n1 type veth peer name n2");
    await_event(base, "n2", false, 0);
    size_t mark = n_events;
    /* More than the socket holds, while nobody reads; the deletion is lost with the rest. */
    run(AT_S, "i=0; while [ $i -lt 600 ]; do echo link set p1 mtu $((1000 + i)); i=$((i + 1)); "
        "done | ip -batch -");
    run(AT_S, "ip link del n1 && ip link set p1 mtu 1111 && ip link add n3 type veth peer name n4");
    await_event(base, "n1", true, mark);
    await_event(base, "n3", false, mark);
    assert_true(n_events - mark < 100);
    const struct seen *last = NULL;
    for (size_t i = mark; i < n_events; i++) {
        last = strcmp(events[i].link.name, "p1") ? last : &events[i];
    }
    assert_non_null(last);
    assert_int_equal(last->link.mtu, 1111);

    /* And it goes on. */
    mark = n_events;
    run(AT_S, "ip link del n3");
    await_event(base, "n4", true, mark);
    link_monitor_free(monitor);
    event_base_free(base);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_link_is_described),
        RIG_TEST(carrier_goes_with_the_peer),
        RIG_TEST(ethtool_tells_the_features),
        RIG_TEST(changes_are_told),
        RIG_TEST(leaving_a_bridge_is_not_the_end_of_a_link),
        RIG_TEST(lost_events_are_made_up_for),
    };
    return rig_run("link", tests, sizeof tests / sizeof *tests);
}
