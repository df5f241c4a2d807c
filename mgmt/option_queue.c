/* SPDX-License-Identifier: Apache-2.0 */
/* The value of option queue. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/scaled_text.h"
#include "mgmt/option_values.h"

/* One "KEY=VALUE". */
static int
set_key(struct pktio_queue_config *queue, const char *key, const char *value, struct errmsg *err)
{
    uint64_t number;
    bool burst = !strcmp(key, "burst");
    if (!burst && strcmp(key, "min-rate") && strcmp(key, "max-rate")) {
        errmsg_set(err, "unknown key '%.40s'; valid: min-rate max-rate burst", key);
        return -EINVAL;
    }
    if (!value || !scaled_parse(value, burst ? INT32_MAX : UINT64_C(1000000000000), &number)
        || !number) {
        errmsg_set(err, "%s: '%.40s' is not a number of %s, with k, M or G for thousands of it",
                   key, value ? value : "", burst ? "bytes" : "bits a second");
        return -EINVAL;
    }
    if (burst) {
        queue->burst = (uint32_t) number;
    } else {
        *(key[1] == 'i' ? &queue->min_rate : &queue->max_rate) = number;
    }
    return 0;
}

/* "DEV:ID", which is changed. */
static int
set_head(struct config_queue *queue, char *head, struct errmsg *err)
{
    char *id = strrchr(head, ':');
    uint64_t number;
    if (!id || !scaled_parse(id + 1, DP_QUEUE_ALL - 1, &number)
        || strspn(id + 1, "0123456789") != strlen(id + 1)) {
        errmsg_set(err, "'%.40s' is not DEV:ID, with a number from 0 to %u as ID", head,
                   DP_QUEUE_ALL - 1);
        return -EINVAL;
    }
    *id = '\0';
    if (strlen(head) >= sizeof queue->port) {
        errmsg_set(err, "'%.40s' can't be a device name", head);
        return -EINVAL;
    }
    memcpy(queue->port, head, strlen(head) + 1);
    queue->queue.id = (uint32_t) number;
    return 0;
}

/* "DEV:ID[,KEY=VALUE]...", which is changed. */
static int
parse(char *text, struct config_queue *queue, struct errmsg *err)
{
    char *rest = text;
    int error = set_head(queue, strsep(&rest, ","), err);
    while (rest && !error) {
        char *value = strsep(&rest, ",");
        const char *key = strsep(&value, "=");
        error = set_key(&queue->queue, key, value, err);
        if (error) {
            errmsg_prefix(err, "%s:%u", queue->port, queue->queue.id);
        }
    }
    return error;
}

int
option_set_queue(struct config_parser *parser, const char *value, struct errmsg *err)
{
    struct config_bridge *bridge = config_parser_bridge(parser);
    struct config_queue queue = { .port = "" };
    char *text = config_strdup(value);
    int error = parse(text, &queue, err);
    free(text);
    if (error) {
        return error;
    }
    const struct pktio_queue_config *q = &queue.queue;
    if (!config_find_port(bridge, queue.port)) {
        errmsg_set(err, "'%s' is not a port of bridge '%s': give it by port before its queues",
                   queue.port, bridge->name);
    } else if (config_find_queue(bridge, queue.port, q->id)) {
        errmsg_set(err, "'%s' has a queue %u already", queue.port, q->id);
    } else if (dp_queue_check(q, err)) {
        errmsg_prefix(err, "%s", queue.port);
    } else {
        config_add_queue(bridge, &queue);
        return 0;
    }
    return -EINVAL;
}
