/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/method_plan.h"

#include <stdlib.h>
#include <string.h>

#include "mgmt/hardware.h"
#include "mgmt/method_hw.h"
#include "sw-datapath/offload_plan.h"

/* Kinds of packets that are looked at for one page, some milliseconds. */
enum { PAGE_KINDS = 10000 };

/* Rules without wildcards take their place first, as they would at once; what is said of the
 * others is then of the tables as traffic finds them. */
enum step { EXPECT, EXACT, OTHERS, END };

struct hw_plan {
    struct offload_plan *plan;
    enum step step;
    const struct flow_copy *next;
    json_int_t cursor;             /* of the page that comes next */
    union { struct action_list list; uint64_t words[1 + ACTION_LIST_MAX]; } actions;
};

void
hw_plan_free(struct hw_plan *plan)
{
    if (plan) {
        offload_plan_free(plan->plan);
        free(plan);
    }
}

static struct hw_plan *
plan_new(const struct restore *restore)
{
    struct hw_plan *plan = calloc(1, sizeof *plan);
    if (plan) {
        plan->next = restore_first(restore);
        plan->plan = offload_plan_new(agent_bridge(restore_bridge(restore)->agent));
    }
    if (plan && !plan->plan) {
        hw_plan_free(plan);
        plan = NULL;
    }
    return plan;
}

static uint32_t
rank_of(const struct flow_copy *copy)
{
    return copy->match.exact ? RULE_RANK_EXACT : copy->priority;
}

/* --- a flow -------------------------------------------------------------------------------------- */

static bool
is_same(const json_t *row, const json_t *other)
{
    static const char *const names[] = { "device", "table", "there", "evicts", "reason" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!json_equal(json_object_get(row, names[i]), json_object_get(other, names[i]))) {
            return false;
        }
    }
    return true;
}

static void
add_port(json_t *ports, uint16_t port)
{
    const json_t *one;
    size_t i;
    json_array_foreach(ports, i, one) {
        if (json_integer_value(one) == port) {
            return;
        }
    }
    json_array_append_new(ports, json_integer(port));
}

/* Kinds of packets with the same outcome share a row. */
static void
tell(uint16_t in_port, const struct hal_planned *planned, void *rows)
{
    const json_t *other;
    size_t i;
    json_t *row = json_pack("{s:s?, s:s?, s:b, s:b, s:o}", "device", planned->device,
                            "table", planned->table, "there", (int) planned->there,
                            "evicts", (int) planned->evicts,
                            "reason", planned->device ? json_null()
                                                      : hw_json_verdict(&planned->verdict));
    json_array_foreach(rows, i, other) {
        if (is_same(row, other)) {
            add_port(json_object_get(other, "ports"), in_port);
            json_decref(row);
            return;
        }
    }
    json_object_set_new(row, "ports", json_pack("[i]", (int) in_port));
    json_array_append_new(rows, row);
}

static const char *
state_of(const json_t *outcomes)
{
    const json_t *outcome;
    size_t i, n = 0;
    json_array_foreach(outcomes, i, outcome) {
        n += json_is_string(json_object_get(outcome, "device"));
    }
    return !n ? "software" : n == json_array_size(outcomes) ? "hardware" : "partly";
}

/* Appends a row about the flow. How many kinds of packets it has. */
static unsigned
ask(struct restore *restore, const struct flow_copy *copy, struct page *page)
{
    struct hw_plan *plan = *restore_plan(restore);
    json_t *outcomes = json_array(), *text = restore_copy_text(restore, copy);
    size_t bytes = 200 + json_string_length(text);
    plan->actions.list.len = copy->n_actions;
    memcpy(plan->actions.list.actions, copy->actions, copy->n_actions * sizeof copy->actions[0]);
    const struct derive_rule rule = {
        .match = &copy->match.match, .rank = rank_of(copy), .cookie = copy->cookie,
        .actions = &plan->actions.list,
    };
    unsigned n = offload_plan_ask(plan->plan, &rule, tell, outcomes);
    page_append(page, json_pack("{s:I, s:o, s:b, s:s, s:o}", "line", (json_int_t) copy->line,
                                "flow", text, "at_once", (int) copy->match.exact,
                                "state", state_of(outcomes), "outcomes", outcomes),
                bytes + 300 * json_array_size(outcomes));
    return n;
}

/* --- pages ----------------------------------------------------------------------------------------- */

/* Whether the flow is one for this step. Emergency flows are in no table that packets go through. */
static bool
concerns(const struct flow_copy *copy, enum step step)
{
    bool counts = !copy->superseded && !(copy->flags & OFPFF_EMERG);
    return counts && (step == EXPECT || (step == EXACT) == copy->match.exact);
}

/* False: no memory. */
static bool
fill_page(struct restore *restore, struct page *page)
{
    struct hw_plan *plan = *restore_plan(restore);
    for (unsigned n = 0; n < PAGE_KINDS && !page_is_full(page) && plan->step != END;) {
        const struct flow_copy *copy = plan->next;
        if (!copy) {
            plan->step++;
            plan->next = restore_first(restore);
            continue;
        }
        plan->next = copy->next;
        n++;
        if (!concerns(copy, plan->step)) {
            continue;
        }
        if (plan->step != EXPECT) {
            n += ask(restore, copy, page);
        } else if (!offload_plan_expect(plan->plan, &copy->match.match, rank_of(copy))) {
            return false;
        }
    }
    return true;
}

static void
list_table(const char *device, const struct hal_table_caps *caps,
           const struct hal_plan_table *table, void *rows)
{
    json_array_append_new(rows, json_pack(
        "{s:s, s:s, s:o, s:I, s:I, s:I, s:I}", "device", device, "name", caps->name,
        "capacity", caps->capacity ? json_integer(caps->capacity) : json_null(),
        "now", (json_int_t) table->now, "added", (json_int_t) table->added,
        "evicted", (json_int_t) table->evicted, "expected", (json_int_t) table->expected));
}

/* A new one for the first page. RPC_OK, or *err. */
static enum rpc_code
find_plan(struct restore *restore, json_int_t cursor, struct errmsg *err)
{
    struct hw_plan **plan = restore_plan(restore);
    if (!cursor) {
        hw_plan_free(*plan);
        *plan = plan_new(restore);
        if (!*plan) {
            errmsg_set(err, "no memory");
            return RPC_INTERNAL_ERROR;
        }
    }
    if (!*plan || (*plan)->cursor != cursor) {
        errmsg_set(err, "params: this cursor is not that of the next page");
        return RPC_INVALID_PARAMS;
    }
    return RPC_OK;
}

enum rpc_code
method_hw_plan(const struct method_env *env, json_t *params, json_t **result, struct errmsg *err)
{
    json_int_t cursor = 0, limit = PAGE_LIMIT_DEFAULT;
    struct page page;
    enum rpc_code code = method_unpack(params, err, "{s?I, s?I !}", "cursor", &cursor,
                                       "limit", &limit);
    code = code ? code : page_check(cursor, limit, err);
    code = code ? code : method_hw_check(env, err);
    struct restore *restore = code ? NULL : restore_of_client(env, err);
    if (!restore) {
        return code ? code : RPC_FAILED;
    }
    code = find_plan(restore, cursor, err);
    if (code) {
        return code;
    }
    struct hw_plan *plan = *restore_plan(restore);
    page_init(&page, 0, limit);
    if (!fill_page(restore, &page)) {
        json_decref(page.rows);
        errmsg_set(err, "no memory");
        return RPC_INTERNAL_ERROR;
    }
    plan->cursor = page.next = plan->step == END ? 0 : cursor + 1;
    *result = page_result(&page, "flows", restore_bridge(restore));
    if (plan->step == END) {
        json_t *tables = json_array();
        hal_plan_visit(offload_plan_tables(plan->plan), list_table, tables);
        json_object_set_new(*result, "tables", tables);
    }
    return RPC_OK;
}
