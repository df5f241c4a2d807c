/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "mgmt/control_hello.h"

#include "mgmt/method.h"

enum rpc_code
control_hello(json_t *params, json_t **result, struct errmsg *err)
{
    json_t *protocols;
    enum rpc_code code = method_unpack(params, err, "{s:o !}", "protocols", &protocols);
    if (code) {
        return code;
    }
    if (!json_is_array(protocols)) {
        errmsg_set(err, "params: protocols is a list of version numbers");
        return RPC_INVALID_PARAMS;
    }
    size_t i;
    json_t *version;
    json_array_foreach(protocols, i, version) {
        if (json_integer_value(version) == CONTROL_PROTOCOL_VERSION) {
            *result = json_pack("{s:i, s:s}", "protocol", CONTROL_PROTOCOL_VERSION,
                                "version", PACKAGE_VERSION);
            return RPC_OK;
        }
    }
    errmsg_set(err, "no protocol version in common; this turnoutd (%s) speaks %d",
               PACKAGE_VERSION, CONTROL_PROTOCOL_VERSION);
    return RPC_NO_VERSION;
}
