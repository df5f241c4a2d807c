/* SPDX-License-Identifier: Apache-2.0 */
/* "snoop": OpenFlow messages as they come and go, as notifications to a control client.
 *
 * The line of a message is put together by hand: a controller that loads its flows is not
 * to wait for a JSON library. What the client does not read in time is left out, counted,
 * and told as soon as there is room. */
#include <config.h>

#include "mgmt/method_snoop.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base64.h"
#include "lib/counters.h"
#include "mgmt/method.h"
#include "ofagent/ofp.h"
#include "ofagent/snoop.h"

enum { SNOOP_QUEUE_MAX = 2 * 1024 * 1024, SNOOP_LINE_EXTRA = 4096, SNOOP_HEAD_SIZE = 200 };

/* What follows the message. */
static const char line_end[] = "\"}}\n";

struct snoop_stream {
    struct snooper snooper;            /* first, so that it is the stream */
    const struct method_output *output;
    char *bridge, *connection;         /* those only; NULL: all */
    uint64_t n_dropped;                /* not told yet */
    uint32_t described;                /* the connection that 'description' is about; 0: none */
    struct strbuf description;
    char line[SNOOP_LINE_EXTRA + BASE64_LEN(OFP_MAX_SIZE) + 1];
};

static uint64_t
now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t) now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
}

/* Whether 'name' is one of the connection's. */
static bool
is_called(const char *name, const char *target, const char *peer)
{
    return !strcmp(name, target) || !strcmp(name, peer);
}

/* The members that are the same for all messages of a connection, as text. */
static bool
describe(struct snoop_stream *stream, const struct snooped *snooped)
{
    if (stream->described == snooped->id) {
        return true;
    }
    json_t *members = json_pack(
        "{s:I, s:s, s:o, s:o, s:o, s:b, s:b}", "connection", (json_int_t) snooped->id,
        "bridge", snooped->bridge, "target", rpc_string(snooped->target),
        "peer", rpc_string(snooped->peer), "local", rpc_string(snooped->local),
        "listener", snooped->listener, "management", snooped->management);
    char *text = members ? json_dumps(members, JSON_COMPACT) : NULL;
    json_decref(members);
    strbuf_clear(&stream->description);
    if (text) {
        text[strlen(text) - 1] = '\0';          /* without its braces */
        strbuf_puts(&stream->description, text + 1);
    }
    free(text);
    bool done = text && !stream->description.failed
                && stream->description.len < SNOOP_LINE_EXTRA - SNOOP_HEAD_SIZE;
    stream->described = done ? snooped->id : 0;
    return done;
}

static void
tell_dropped(struct snoop_stream *stream)
{
    if (stream->n_dropped) {
        char line[100];
        snprintf(line, sizeof line, "{\"jsonrpc\":\"2.0\",\"method\":\"snoop-dropped\","
                 "\"params\":{\"messages\":%"PRIu64"}}\n", stream->n_dropped);
        stream->output->append(stream->output->client, line, strlen(line));
        stream->n_dropped = 0;
    }
}

/* All of the line but the message; its length. */
static size_t
begin_line(struct snoop_stream *stream, bool sent)
{
    static const char data[] = ",\"data\":\"";
    int len = snprintf(stream->line, SNOOP_HEAD_SIZE, "{\"jsonrpc\":\"2.0\",\"method\":\"snoop\","
                       "\"params\":{\"time_ns\":%"PRIu64",\"sent\":%s,", now_ns(),
                       sent ? "true" : "false");
    char *p = stream->line + len;
    p = mempcpy(p, stream->description.text, stream->description.len);
    p = mempcpy(p, data, sizeof data - 1);
    return (size_t) (p - stream->line);
}

static void
on_message(struct snooper *snooper, const struct snooped *snooped, bool sent, const uint8_t *msg,
           size_t size)
{
    struct snoop_stream *stream = (struct snoop_stream *) snooper;
    if ((stream->bridge && strcmp(stream->bridge, snooped->bridge))
        || (stream->connection && !is_called(stream->connection, snooped->target, snooped->peer))) {
        return;
    }
    size_t queued = stream->output->queued(stream->output->client);
    if (queued + BASE64_LEN(size) + SNOOP_LINE_EXTRA > SNOOP_QUEUE_MAX
        || !describe(stream, snooped)) {
        stream->n_dropped++;
        counter_inc(COUNTER_snoop_dropped);
        return;
    }
    tell_dropped(stream);
    size_t len = begin_line(stream, sent);
    base64_encode(msg, size, stream->line + len);
    len += BASE64_LEN(size);
    memcpy(stream->line + len, line_end, sizeof line_end - 1);
    stream->output->append(stream->output->client, stream->line, len + sizeof line_end - 1);
}

void
snoop_stream_free(struct snoop_stream *stream)
{
    if (stream) {
        snoop_remove(&stream->snooper);
        strbuf_fini(&stream->description);
        free(stream->bridge);
        free(stream->connection);
        free(stream);
    }
}

void
snoop_stream_written(struct snoop_stream *stream)
{
    if (stream) {
        tell_dropped(stream);
    }
}

/* --- the method ------------------------------------------------------------------------ */

struct search {
    const char *wanted;                /* NULL: any */
    unsigned n;                        /* connections that are it, listeners not counted */
    bool found;                        /* it is the name of something */
};

static bool
look_at(const struct agent_connection_info *info, void *search_)
{
    struct search *search = search_;
    if (!search->wanted || is_called(search->wanted, info->target, info->peer)) {
        search->found = true;
        search->n += info->peer[0] != '\0';
    }
    return true;
}

static enum rpc_code
search_connections(const struct method_env *env, const char *bridge_name, struct search *search,
                   struct errmsg *err)
{
    enum rpc_code code = RPC_OK;
    if (bridge_name && !method_bridge(env, bridge_name, &code, err)) {
        return code;
    }
    for (struct bridge *b = bridges_first(env->bridges); b; b = b->next) {
        if (!bridge_name || !strcmp(bridge_name, b->name)) {
            agent_for_each_connection(b->agent, look_at, search);
        }
    }
    if (search->wanted && !search->found) {
        errmsg_set(err, "no connection has the target or peer '%.80s'", search->wanted);
        return RPC_FAILED;
    }
    return RPC_OK;
}

static struct snoop_stream *
snoop_stream_new(const struct method_output *output, const char *bridge, const char *connection)
{
    struct snoop_stream *stream = calloc(1, sizeof *stream);
    if (!stream) {
        return NULL;
    }
    stream->snooper.message = on_message;
    stream->output = output;
    snoop_add(&stream->snooper);
    stream->bridge = bridge ? strdup(bridge) : NULL;
    stream->connection = connection ? strdup(connection) : NULL;
    if (!stream->bridge != !bridge || !stream->connection != !connection) {
        snoop_stream_free(stream);
        return NULL;
    }
    return stream;
}

enum rpc_code
method_snoop(const struct method_env *env, json_t *params, json_t **result, struct errmsg *err)
{
    const char *bridge = NULL, *connection = NULL;
    struct method_session *session = env->session;
    enum rpc_code code = method_unpack(params, err, "{s?s, s?s !}", "bridge", &bridge,
                                       "connection", &connection);
    struct search search = { .wanted = connection };
    code = code ? code : search_connections(env, bridge, &search, err);
    if (code) {
        return code;
    }
    if (!session->output.append) {
        errmsg_set(err, "this client can't be told messages");
        return RPC_FAILED;
    }
    struct snoop_stream *stream = snoop_stream_new(&session->output, bridge, connection);
    if (!stream) {
        errmsg_set(err, "no memory");
        return RPC_INTERNAL_ERROR;
    }
    snoop_stream_free(session->snoop);
    session->snoop = stream;
    *result = json_pack("{s:i}", "connections", (int) search.n);
    return RPC_OK;
}
