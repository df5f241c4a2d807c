/* SPDX-License-Identifier: Apache-2.0 */
#include "sw-datapath/execute.h"

void
execute_actions(const struct action_list *list, struct packet *packet,
                const struct execute_ops *ops, void *aux)
{
    /* Outputs behind the last rewrite see the frame's final bytes: no copies. */
    uint32_t n_until_final = list->len;
    while (n_until_final && action_is_output(&list->actions[n_until_final - 1])) {
        n_until_final--;
    }
    for (uint32_t i = 0; i < list->len; i++) {
        const struct action *action = &list->actions[i];
        if (action_is_output(action)) {
            ops->output(aux, packet, action, i < n_until_final);
        } else if (!execute_rewrite(action, packet)) {
            ops->expired(aux, packet, action);
            return;
        }
    }
}
