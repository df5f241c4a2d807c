/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/rpc.h"

#include <stdlib.h>
#include <string.h>

static enum rpc_code
check_request(struct rpc_request *request, struct errmsg *err)
{
    const json_t *root = request->root;
    json_t *id = json_object_get(root, "id");
    if (!json_is_object(root)) {
        errmsg_set(err, "a request is one object%s",
                   json_is_array(root) ? "; batches are not supported" : "");
    } else if (id && !json_is_string(id) && !json_is_integer(id) && !json_is_null(id)) {
        errmsg_set(err, "\"id\" is neither a string nor an integer");
    } else {
        request->id = id;
        const char *version = json_string_value(json_object_get(root, "jsonrpc"));
        json_t *params = json_object_get(root, "params");
        request->method = json_string_value(json_object_get(root, "method"));
        if (!version || strcmp(version, "2.0")) {
            errmsg_set(err, "\"jsonrpc\" is not \"2.0\"");
        } else if (!request->method) {
            errmsg_set(err, "\"method\" is missing, or not a string");
        } else if (params && !json_is_object(params)) {
            errmsg_set(err, "\"params\" is not an object");
        } else {
            request->params = params;
            return RPC_OK;
        }
    }
    return RPC_INVALID_REQUEST;
}

enum rpc_code
rpc_request_parse(struct rpc_request *request, const char *text, size_t size, struct errmsg *err)
{
    json_error_t why;
    *request = (struct rpc_request) { .root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why) };
    if (!request->root) {
        errmsg_set(err, "not JSON: %s, at byte %d", why.text, why.position);
        return RPC_PARSE_ERROR;
    }
    return check_request(request, err);
}

void
rpc_request_fini(struct rpc_request *request)
{
    json_decref(request->root);
}

/* Consumes 'message', which may be NULL for want of memory. */
static char *
to_line(json_t *message)
{
    if (!message) {
        return NULL;
    }
    char *text = json_dumps(message, JSON_COMPACT);
    json_decref(message);
    if (!text) {
        return NULL;
    }
    size_t len = strlen(text);
    char *line = realloc(text, len + 2);
    if (!line) {
        free(text);
        return NULL;
    }
    memcpy(line + len, "\n", 2);
    return line;
}

static json_t *
copy_id(const json_t *id)
{
    return id ? json_deep_copy(id) : json_null();
}

char *
rpc_response(const json_t *id, json_t *result)
{
    return to_line(json_pack("{s:s, s:o, s:o}", "jsonrpc", "2.0", "id", copy_id(id),
                             "result", result));
}

char *
rpc_error_response(const json_t *id, enum rpc_code code, const char *message)
{
    return to_line(json_pack("{s:s, s:o, s:{s:i, s:o}}", "jsonrpc", "2.0", "id", copy_id(id),
                             "error", "code", (int) code, "message", rpc_string(message)));
}

json_t *
rpc_string(const char *text)
{
    json_t *value = json_string(text);
    if (value) {
        return value;
    }
    char *copy = strdup(text);
    for (char *p = copy; p && *p; p++) {
        if ((unsigned char) *p >= 0x80) {
            *p = '?';
        }
    }
    value = copy ? json_string(copy) : NULL;
    free(copy);
    return value;
}
