/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/mgmt_world.h"

static int
set_up(void **state)
{
    struct world *world = malloc(sizeof *world);
    world_init(world, NULL);
    *state = world;
    return 0;
}

static int
tear_down(void **state)
{
    world_fini(*state);
    free(*state);
    return 0;
}

static struct dp_bridge *
dp_of(struct world *world, const char *name)
{
    return agent_bridge(world_bridge(world, name)->agent);
}

static bool
has_bridge(struct world *world, const char *name)
{
    for (const struct bridge *b = bridges_first(world->bridges); b; b = b->next) {
        if (!strcmp(b->name, name)) {
            return true;
        }
    }
    return false;
}

/* The port's number, 0 if there is none. */
static uint16_t
number_of(struct world *world, const char *bridge, const char *device)
{
    uint16_t port_no;
    return dp_port_find(dp_of(world, bridge), device, &port_no) ? port_no : 0;
}

static uint32_t
flags_of(struct world *world, const char *bridge, uint16_t port_no)
{
    struct port_info info;
    assert_true(dp_port_get(dp_of(world, bridge), port_no, &info));
    return info.config;
}

static void
apply(struct world *world, const char *text)
{
    struct errmsg err = { "" };
    if (world_apply(world, text, &err)) {
        fail_msg("%s", err.text);
    }
}

static void
ports_with_numbers_get_them(void **state)
{
    struct world *w = *state;
    apply(w, "bridge br0\nport a b@1 c@2 d\nport e@9,no-flood=yes,down=yes");
    assert_int_equal(number_of(w, "br0", "b"), 1);
    assert_int_equal(number_of(w, "br0", "c"), 2);
    assert_int_equal(number_of(w, "br0", "a"), 3);
    assert_int_equal(number_of(w, "br0", "d"), 4);
    assert_int_equal(number_of(w, "br0", "e"), 9);
    assert_int_equal(flags_of(w, "br0", 9), PORT_CONFIG_NO_FLOOD | PORT_CONFIG_DOWN);
    assert_int_equal(flags_of(w, "br0", 1), 0);
}

static void
the_difference_is_applied(void **state)
{
    struct world *w = *state;
    apply(w, "bridge br0\nport a@1 b@2 c@3\nbridge br1\nport x\nbridge br2");
    struct bridge *br0 = world_bridge(w, "br0");
    world_add_flow(w, "br0", "in_port=1,actions=output:2", false);
    apply(w, "bridge br3\nport x\nbridge br0\nport b@2 c@7 d\nbridge br2");
    assert_ptr_equal(world_bridge(w, "br0"), br0);
    assert_int_equal(flow_table_count(agent_flows(br0->agent)), 1);
    assert_int_equal(number_of(w, "br0", "a"), 0);
    assert_int_equal(number_of(w, "br0", "b"), 2);
    assert_int_equal(number_of(w, "br0", "c"), 7);
    assert_int_equal(number_of(w, "br0", "d"), 1);
    assert_false(has_bridge(w, "br1"));
    assert_true(has_bridge(w, "br2"));
    assert_int_equal(number_of(w, "br3", "x"), 1);
}

static void
what_was_done_by_hand_stays(void **state)
{
    struct world *w = *state;
    struct errmsg err;
    uint16_t port_no;
    apply(w, "bridge br0\nport a b");
    assert_int_equal(bridge_add_port(w->bridges, world_bridge(w, "br0"), "h", 20, "", &port_no, &err), 0);
    assert_int_equal(dp_port_del(dp_of(w, "br0"), number_of(w, "br0", "b"), &err), 0);
    dp_port_set_config(dp_of(w, "br0"), 1, PORT_CONFIG_NO_FWD, PORT_CONFIG_NO_FWD);
    apply(w, "bridge br0\nport a,no-flood=yes b\nfdb-age 5");
    assert_int_equal(number_of(w, "br0", "h"), 20);
    assert_int_equal(number_of(w, "br0", "b"), 0);
    assert_int_equal(flags_of(w, "br0", 1), PORT_CONFIG_NO_FWD | PORT_CONFIG_NO_FLOOD);
    /* The configuration takes up what was there, and gives it back. */
    apply(w, "bridge br0\nport a,no-flood=yes h@20");
    assert_int_equal(number_of(w, "br0", "h"), 20);
    apply(w, "bridge br0\nport a");
    assert_int_equal(number_of(w, "br0", "h"), 0);
    assert_int_equal(flags_of(w, "br0", 1), PORT_CONFIG_NO_FWD);
}

static void
a_device_moves_between_bridges(void **state)
{
    struct world *w = *state;
    apply(w, "bridge br0\nport a b\nbridge br1\nport c");
    apply(w, "bridge br0\nport c b\nbridge br1\nport a");
    assert_int_equal(number_of(w, "br0", "a"), 0);
    assert_int_not_equal(number_of(w, "br0", "c"), 0);
    assert_int_not_equal(number_of(w, "br1", "a"), 0);
}

static void
what_fails_is_tried_again(void **state)
{
    struct world *w = *state;
    struct errmsg err = { "" };
    uint16_t port_no;
    apply(w, "bridge br0\nport a@1");
    assert_int_equal(bridge_add_port(w->bridges, world_bridge(w, "br0"), "h", 2, "", &port_no, &err), 0);
    const char *wanted = "bridge br0\nport a@1 b@2 c@3";
    assert_int_equal(world_apply(w, wanted, &err), 1);
    assert_non_null(strstr(err.text, "bridge br0: port b: port number 2 is taken by h"));
    assert_int_equal(number_of(w, "br0", "c"), 3);
    assert_int_equal(world_apply(w, wanted, &err), 1);
    assert_int_equal(dp_port_del(dp_of(w, "br0"), 2, &err), 0);
    apply(w, wanted);
    assert_int_equal(number_of(w, "br0", "b"), 2);
}

static void
bridges_are_found_by_name_or_alone(void **state)
{
    struct world *w = *state;
    struct errmsg err;
    assert_null(bridges_find(w->bridges, NULL, &err));
    assert_non_null(strstr(err.text, "no bridge"));
    apply(w, "bridge br0");
    assert_string_equal(bridges_find(w->bridges, NULL, &err)->name, "br0");
    apply(w, "bridge br0\nbridge br1");
    assert_null(bridges_find(w->bridges, NULL, &err));
    assert_non_null(strstr(err.text, "br0 br1"));
    assert_null(bridges_find(w->bridges, "br2", &err));
    assert_non_null(strstr(err.text, "there are: br0 br1"));
}

struct count {
    const char *target;
    int n;
};

static bool
count_target(const struct agent_connection_info *info, void *aux)
{
    struct count *count = aux;
    count->n += !strcmp(info->target, count->target);
    return true;
}

static int
n_targets(struct world *w, const char *target)
{
    struct count count = { .target = target };
    agent_for_each_connection(world_bridge(w, "br0")->agent, count_target, &count);
    return count.n;
}

static void
targets_and_settings_change(void **state)
{
    struct world *w = *state;
    apply(w, "bridge br0\nlisten ptcp:0:127.0.0.1\ncontroller tcp:127.0.0.1:1\nmax-flows 5");
    assert_int_equal(n_targets(w, "tcp:127.0.0.1:1"), 1);
    assert_int_equal(flow_table_max(agent_flows(world_bridge(w, "br0")->agent)), 5);
    apply(w, "bridge br0\ncontroller tcp:127.0.0.1:2\nmax-flows 6\ndatapath-id 7");
    assert_int_equal(n_targets(w, "tcp:127.0.0.1:1"), 0);
    assert_int_equal(n_targets(w, "ptcp:0:127.0.0.1"), 0);
    assert_int_equal(n_targets(w, "tcp:127.0.0.1:2"), 1);
    assert_int_equal(flow_table_max(agent_flows(world_bridge(w, "br0")->agent)), 6);
    assert_true(agent_datapath_id(world_bridge(w, "br0")->agent) == 7);
}

/* The queue's greatest rate; 1 if there is no such queue. */
static uint64_t
rate_of(struct world *w, uint16_t port_no, uint32_t id)
{
    struct pktio_queue_config config = { .max_rate = 1 };
    dp_queue_get(dp_of(w, "br0"), port_no, id, &config);
    return config.max_rate;
}

static void
queues_change(void **state)
{
    struct world *w = *state;
    apply(w, "bridge br0\nport a@1 b@2\nqueue a:1,max-rate=3M b:4294967294,burst=20k a:2");
    assert_int_equal(rate_of(w, 1, 1), 3000000);
    assert_int_equal(rate_of(w, 1, 2), 0);
    assert_int_equal(rate_of(w, 2, 4294967294), 0);
    const struct pktio_queue_config by_hand = { .id = 8, .max_rate = 80000 };
    assert_int_equal(dp_queue_add(dp_of(w, "br0"), 1, &by_hand, NULL), 0);
    /* The port that gets another number is made anew, with its queues. */
    apply(w, "bridge br0\nport a@1 b@5\nqueue a:1,max-rate=4M b:4294967294,burst=20k");
    assert_int_equal(rate_of(w, 1, 1), 4000000);
    assert_int_equal(rate_of(w, 1, 2), 1);
    assert_int_equal(rate_of(w, 5, 4294967294), 0);
    assert_int_equal(rate_of(w, 1, 8), 80000);
    /* What was added by hand gets what the configuration says, and goes when that does. */
    apply(w, "bridge br0\nport a@1 b@5\nqueue a:8,max-rate=90k");
    assert_int_equal(rate_of(w, 1, 8), 90000);
    assert_int_equal(rate_of(w, 5, 4294967294), 1);
    apply(w, "bridge br0\nport a@1");
    assert_int_equal(rate_of(w, 1, 8), 1);
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ports_with_numbers_get_them),
        TEST(the_difference_is_applied),
        TEST(what_was_done_by_hand_stays),
        TEST(a_device_moves_between_bridges),
        TEST(what_fails_is_tried_again),
        TEST(bridges_are_found_by_name_or_alone),
        TEST(targets_and_settings_change),
        TEST(queues_change),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
