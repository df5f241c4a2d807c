/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/mgmt_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/epoch.h"
#include "lib/flow_spec.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "mgmt/options.h"

void
world_init(struct world *world, const char *text)
{
    struct errmsg err = { "" };
    *world = (struct world) { .loop = loop_new(&err) };
    log_set_level("error", NULL);
    assert_non_null(world->loop);
    const struct dp_config dp_config = { .cache_entries = 1024, .threads = false };
    world->dp = dp_new(loop_base(world->loop), &dp_config, &err);
    if (!world->dp) {
        fail_msg("%s", err.text);
    }
    const struct bridges_env env = {
        .base = loop_base(world->loop),
        .dp = world->dp,
        .local_kind = PKTIO_MEMORY,
        .port_kind = PKTIO_MEMORY,
    };
    world->bridges = bridges_new(&env);
    assert_non_null(world->bridges);
    if (text && world_apply(world, text, &err)) {
        fail_msg("%s", err.text);
    }
}

void
world_fini(struct world *world)
{
    bridges_free(world->bridges);
    epoch_drain();
    dp_free(world->dp);
    loop_free(world->loop);
    config_free(world->config);
}

unsigned
world_apply(struct world *world, const char *text, struct errmsg *err)
{
    struct config *config;
    if (config_parse_text(text, strlen(text), "FILE", "/", &config, err)) {
        fail_msg("%s", err->text);
    }
    unsigned n_failed = bridges_apply(world->bridges, world->config, config, err);
    config_free(world->config);
    world->config = config;
    return n_failed;
}

struct bridge *
world_bridge(struct world *world, const char *name)
{
    struct errmsg err;
    struct bridge *bridge = bridges_find(world->bridges, name, &err);
    if (!bridge) {
        fail_msg("%s", err.text);
    }
    return bridge;
}

void
world_add_flow(struct world *world, const char *bridge, const char *text, bool exact)
{
    static struct flow_spec spec;
    static struct ofp_flow_mod mod;
    struct errmsg err;
    if (flow_spec_parse(text, FLOW_SPEC_ADD, NULL, &spec, &err)) {
        fail_msg("%s", err.text);
    }
    mod = (struct ofp_flow_mod) {
        .match = { .match = spec.match, .exact = exact },
        .cookie = spec.cookie,
        .command = OFPFC_ADD,
        .idle_timeout = spec.idle_timeout,
        .hard_timeout = spec.hard_timeout,
        .priority = spec.priority,
        .out_port = PORT_NONE,
        .buffer_id = OFP_NO_BUFFER,
        .n_actions = spec.n_actions,
    };
    memcpy(mod.actions, spec.actions, spec.n_actions * sizeof spec.actions[0]);
    struct flow *flow;
    struct ofp_refusal refusal;
    assert_int_equal(flow_table_mod(agent_flows(world_bridge(world, bridge)->agent), &mod, &flow,
                                    &refusal), 0);
}

void
world_receive(struct world *world, const char *bridge, uint16_t port_no, const uint8_t dst[6],
              const uint8_t src[6])
{
    uint8_t frame[60] = { 0 };
    memcpy(frame, dst, 6);
    memcpy(frame + 6, src, 6);
    frame[12] = 0x88;
    frame[13] = 0xb5;
    struct pktio *io = dp_port_pktio(agent_bridge(world_bridge(world, bridge)->agent), port_no);
    assert_non_null(io);
    assert_int_equal(pktio_memory_inject(io, frame, sizeof frame), 0);
    assert_int_equal(dp_run_once(world->dp), 1);
}

bool
world_run_until(struct world *world, bool (*done)(void *aux), void *aux)
{
    uint64_t end_ms = clock_ms() + 10000;
    while (!done(aux)) {
        if (clock_ms() > end_ms) {
            return false;
        }
        loop_poll(world->loop);
        sched_yield();
    }
    return true;
}
