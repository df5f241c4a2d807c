/* SPDX-License-Identifier: Apache-2.0 */
#include "ofagent/snoop.h"

struct snooper *snoop_first;

void
snoop_add(struct snooper *snooper)
{
    snooper->next = snoop_first;
    snooper->prev = &snoop_first;
    if (snooper->next) {
        snooper->next->prev = &snooper->next;
    }
    snoop_first = snooper;
}

void
snoop_remove(struct snooper *snooper)
{
    *snooper->prev = snooper->next;
    if (snooper->next) {
        snooper->next->prev = snooper->prev;
    }
}

void
snoop_tell(const struct snooped *snooped, bool sent, const uint8_t *msg, size_t size)
{
    for (struct snooper *s = snoop_first; s; s = s->next) {
        s->message(s, snooped, sent, msg, size);
    }
}
