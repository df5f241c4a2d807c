/* SPDX-License-Identifier: Apache-2.0 */
/* "hw-capture": packets of some flows as notifications to a control client, for a bounded time.
 *
 * It ends by itself, and with its client. What the client does not read in time is left out
 * and counted. The line of a packet is put together by hand, as there may be many. */
#include <config.h>

#include "mgmt/method_capture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base64.h"
#include "lib/counters.h"
#include "lib/log.h"
#include "mgmt/hardware.h"
#include "mgmt/hw_policy.h"
#include "mgmt/method.h"
#include "mgmt/method_hw.h"
#include "sw-datapath/capture.h"
#include "sw-datapath/packet.h"

LOG_MODULE(mgmt);

enum {
    MAX_SECONDS = 300, DEFAULT_SECONDS = 10,
    QUEUE_MAX = 4 << 20, LINE_EXTRA = 256,
    LINE_SIZE = LINE_EXTRA + BASE64_LEN(PACKET_MAX_SIZE) + 1,
};

struct capture_stream {
    struct dp_capture *capture;
    const struct method_output *output;
    struct bridge *bridge;         /* valid until it is told to be gone */
    struct event_base *base;
    char name[PORT_NAME_SIZE];     /* the bridge's */
    uint64_t n_packets, n_dropped; /* told, and not told for lack of room */
    uint64_t count;                /* packets to end after; 0: no such end */
    bool ended;
    char line[LINE_SIZE];
};

static uint64_t
count_dropped(const struct capture_stream *stream)
{
    return stream->n_dropped + dp_capture_dropped(stream->capture);
}

static void
tell(struct capture_stream *stream, const char *event)
{
    char line[LINE_EXTRA];
    int len = snprintf(line, sizeof line, "{\"jsonrpc\":\"2.0\",\"method\":\"hw-capture-%s\","
                       "\"params\":{\"packets\":%" PRIu64 ",\"dropped\":%" PRIu64 "}}\n", event,
                       stream->n_packets, count_dropped(stream));
    stream->output->append(stream->output->client, line, (size_t) len);
}

static void
on_begun(void *aux)
{
    tell(aux, "begun");
}

static void
on_ended(void *aux, bool gone)
{
    struct capture_stream *stream = aux;
    stream->ended = true;
    if (!gone) {
        bridge_offer_flows(stream->base, stream->bridge);
    }
    tell(stream, "ended");
    log_info("bridge %s: the capture has ended: %" PRIu64 " packets, %" PRIu64 " dropped",
             stream->name, stream->n_packets, count_dropped(stream));
}

static void
on_packet(const struct dp_captured *packet, void *aux)
{
    static const char end[] = "\"}}\n";
    struct capture_stream *stream = aux;
    if (stream->count && stream->n_packets == stream->count) {
        return;
    }
    if (stream->output->queued(stream->output->client) + BASE64_LEN(packet->size) + LINE_EXTRA
        > QUEUE_MAX) {
        stream->n_dropped++;
        counter_inc(COUNTER_capture_dropped);
        return;
    }
    int len = snprintf(stream->line, LINE_EXTRA, "{\"jsonrpc\":\"2.0\","
                       "\"method\":\"hw-capture-packet\",\"params\":{\"time_ns\":%" PRIu64 ",\"port\":%u,\"dropped\":%" PRIu64
                       ",\"data\":\"", packet->time_ns, packet->in_port, count_dropped(stream));
    base64_encode(packet->data, packet->size, stream->line + len);
    len += (int) BASE64_LEN(packet->size);
    memcpy(stream->line + len, end, sizeof end);
    stream->output->append(stream->output->client, stream->line, (size_t) len + sizeof end - 1);
    if (++stream->n_packets == stream->count) {
        dp_capture_end(stream->capture);
    }
}

void
capture_stream_free(struct capture_stream *stream)
{
    if (!stream) {
        return;
    }
    dp_capture_free(stream->capture);
    if (!stream->ended) {
        log_info("bridge %s: the capture ends, its client has gone", stream->name);
        bridge_offer_flows(stream->base, stream->bridge);
    }
    free(stream);
}

/* --- the method ------------------------------------------------------------------------ */

static bool
add_port(const struct port_info *info, void *ports)
{
    json_array_append_new(ports, json_pack("{s:i, s:o}", "number", (int) info->port_no,
                                           "name", rpc_string(info->name)));
    return true;
}

static enum rpc_code
begin(const struct method_env *env, struct bridge *bridge, const struct flow_match *match,
      json_int_t seconds, json_int_t count, struct errmsg *err)
{
    static const struct dp_capture_ops ops = { on_begun, on_packet, on_ended };
    struct capture_stream *stream = calloc(1, sizeof *stream);
    if (!stream) {
        errmsg_set(err, "no memory");
        return RPC_INTERNAL_ERROR;
    }
    stream->output = &env->session->output;
    stream->count = (uint64_t) count;
    stream->bridge = bridge;
    stream->base = bridges_event_base(env->bridges);
    snprintf(stream->name, sizeof stream->name, "%s", bridge->name);
    stream->capture = dp_capture_new(agent_bridge(bridge->agent), match, (uint32_t) seconds * 1000,
                                     &ops, stream, err);
    if (!stream->capture) {
        free(stream);
        return RPC_FAILED;
    }
    env->session->capture = stream;
    return RPC_OK;
}

/* What is wrong with the params and the client. */
static enum rpc_code
check(const struct method_session *session, json_int_t seconds, json_int_t count,
      struct errmsg *err)
{
    if (seconds < 1 || seconds > MAX_SECONDS || count < 0) {
        errmsg_set(err, "params: seconds is from 1 to %d, count from 1 on", MAX_SECONDS);
        return RPC_INVALID_PARAMS;
    }
    if (!session->output.append) {
        errmsg_set(err, "this client can't be told packets");
        return RPC_FAILED;
    }
    return RPC_OK;
}

enum rpc_code
method_hw_capture(const struct method_env *env, json_t *params, json_t **result,
                  struct errmsg *err)
{
    const char *name = NULL, *text;
    json_int_t seconds = DEFAULT_SECONDS, count = 0;
    struct flow_match match;
    enum rpc_code code = method_unpack(params, err, "{s?s, s:s, s?I, s?I !}", "bridge", &name,
                                       "match", &text, "seconds", &seconds, "count", &count);
    code = code ? code : check(env->session, seconds, count, err);
    code = code ? code : method_hw_check(env, err);
    struct bridge *bridge = code ? NULL : method_bridge(env, name, &code, err);
    if (!bridge) {
        return code;
    }
    const struct flow_text_ports ports = method_port_names(bridge);
    if (flow_match_parse(text, &ports, &match, err)) {
        return RPC_INVALID_PARAMS;
    }
    capture_stream_free(env->session->capture);
    env->session->capture = NULL;
    code = begin(env, bridge, &match, seconds, count, err);
    if (!code) {
        json_t *list = json_array();
        dp_port_for_each(agent_bridge(bridge->agent), add_port, list);
        log_info("bridge %s: packets are captured for %lld s: %.200s", bridge->name,
                 (long long) seconds, text);
        *result = json_pack("{s:s, s:I, s:o}", "bridge", bridge->name, "seconds", seconds,
                            "ports", list);
    }
    return code;
}
