/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes the configuration file and the control socket's requests.
 *
 * Input: text. As a configuration it is either refused with a message that names the file,
 * or gives a configuration in which the promises of config.h hold. Line by line it is a
 * request of the control protocol. */
#include <string.h>

#include "mgmt/config.h"
#include "mgmt/config_file.h"
#include "mgmt/control_hello.h"
#include "mgmt/options.h"
#include "tests/fuzz/fuzz.h"

static void
check_name(const char *name)
{
    FUZZ_CHECK(name[0] && memchr(name, '\0', PORT_NAME_SIZE));
    FUZZ_CHECK(!strpbrk(name, "/ \t\n@,:"));
}

static void
check_bridge(const struct config *config, const struct config_bridge *bridge)
{
    check_name(bridge->name);
    FUZZ_CHECK(config_find_bridge(config, bridge->name) == bridge);
    FUZZ_CHECK(bridge->agent.max_flows && bridge->datapath.fdb_max && bridge->datapath.fdb_age_s);
    for (size_t i = 0; i < bridge->n_ports; i++) {
        const struct config_port *port = &bridge->ports[i];
        check_name(port->name);
        FUZZ_CHECK(port->number < PORT_MAX);
        FUZZ_CHECK(!config_find_bridge(config, port->name));
        for (size_t b = 0; b < config->n_bridges; b++) {
            const struct config_port *found = config_find_port(&config->bridges[b], port->name);
            FUZZ_CHECK(!found || found == port);
        }
    }
    for (size_t i = 0; i < bridge->n_targets; i++) {
        FUZZ_CHECK(!agent_check_target(bridge->targets[i].target, bridge->targets[i].listen,
                                       NULL));
    }
}

static void
fuzz_config(const char *text, size_t size)
{
    struct config *config;
    struct errmsg err = { "" };
    if (config_parse_text(text, size, "FILE", "/base", &config, &err)) {
        FUZZ_CHECK(err.text[0] && strlen(err.text) < sizeof err.text);
        return;
    }
    FUZZ_CHECK(config->n_bridges && config->n_bridges <= CONFIG_MAX_BRIDGES);
    FUZZ_CHECK(config->rundir[0] == '/' && config->control[0] == '/');
    for (size_t i = 0; i < config->n_bridges; i++) {
        check_bridge(config, &config->bridges[i]);
    }
    config_free(config);
}

static void
fuzz_request(const char *text, size_t size)
{
    struct rpc_request request;
    struct errmsg err = { "" };
    enum rpc_code code = rpc_request_parse(&request, text, size, &err);
    char *answer;
    if (code) {
        FUZZ_CHECK(err.text[0]);
        answer = rpc_error_response(request.id, code, err.text);
    } else {
        json_t *result = NULL;
        code = control_hello(request.params, &result, &err);
        FUZZ_CHECK(code ? err.text[0] : !!result);
        answer = code ? rpc_error_response(request.id, code, err.text)
                      : rpc_response(request.id, result);
    }
    /* One line, and JSON again. */
    FUZZ_CHECK(answer && strchr(answer, '\n') == answer + strlen(answer) - 1);
    json_t *again = json_loads(answer, 0, NULL);
    FUZZ_CHECK(again);
    json_decref(again);
    free(answer);
    rpc_request_fini(&request);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *) data, *end = text + size;
    fuzz_config(text, size);
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t) (end - text));
        size_t len = (size_t) ((newline ? newline : end) - text);
        fuzz_request(text, len);
        text += len + !!newline;
    }
    return 0;
}
