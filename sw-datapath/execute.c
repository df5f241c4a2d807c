/* SPDX-License-Identifier: Apache-2.0 */
#include "sw-datapath/execute.h"

static bool
is_output(const struct action *action)
{
    return action->type == ACTION_OUTPUT || action->type == ACTION_ENQUEUE;
}

void
execute_actions(const struct action_list *list, struct packet *packet,
                const struct execute_ops *ops, void *aux)
{
    /* Outputs behind the last rewrite see the frame's final bytes: no copies. */
    uint32_t n_until_final = list->len;
    while (n_until_final && is_output(&list->actions[n_until_final - 1])) {
        n_until_final--;
    }
    for (uint32_t i = 0; i < list->len; i++) {
        const struct action *action = &list->actions[i];
        if (is_output(action)) {
            ops->output(aux, packet, action, i < n_until_final);
        } else {
            execute_rewrite(action, packet);
        }
    }
}
