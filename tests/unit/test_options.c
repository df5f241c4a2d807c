/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mgmt/options.h"

#define ARGC_MAX 96

/* Parses the words of 'line' (separated by blanks) as a command line. */
static int
parse(const char *line, struct config **config, enum config_request *request, struct errmsg *err)
{
    char *copy = strdup(line), *rest = copy;
    char *argv[ARGC_MAX + 1] = { (char *) "turnoutd" };
    int argc = 1;
    for (char *word; (word = strsep(&rest, " ")) && argc < ARGC_MAX;) {
        if (*word) {
            argv[argc++] = word;
        }
    }
    *config = NULL;
    int error = config_parse(argc, argv, "/base", config, request, err);
    free(copy);
    return error;
}

static struct config *
parse_valid(const char *line)
{
    struct config *config;
    enum config_request request;
    struct errmsg err = { "" };
    if (parse(line, &config, &request, &err)) {
        fail_msg("%s: %s", line, err.text);
    }
    assert_int_equal(request, CONFIG_RUN);
    return config;
}

/* 'line' is refused, with every one of the NULL-terminated texts in the message. */
static void
refuses(const char *line, ...)
{
    struct config *config;
    enum config_request request;
    struct errmsg err = { "" };
    if (!parse(line, &config, &request, &err)) {
        fail_msg("'%s' is accepted", line);
    }
    va_list args;
    va_start(args, line);
    for (const char *text; (text = va_arg(args, const char *));) {
        if (!strstr(err.text, text)) {
            fail_msg("'%s': no '%s' in: %s", line, text, err.text);
        }
    }
    va_end(args);
}

static void
defaults_are_filled_in(void **state)
{
    (void) state;
    struct config *c = parse_valid("--bridge br0");
    assert_int_equal(c->n_bridges, 1);
    const struct config_bridge *b = &c->bridges[0];
    assert_string_equal(b->name, "br0");
    assert_int_equal(b->n_ports + b->n_targets, 0);
    assert_int_equal(b->agent.datapath_id, 0);
    assert_int_equal(b->agent.fail_mode, AGENT_FAIL_SECURE);
    assert_int_equal(b->agent.inactivity_probe_s, 5);
    assert_int_equal(b->agent.max_backoff_s, 8);
    assert_int_equal(b->agent.packet_in_rate, 0);
    assert_int_equal(b->agent.packet_in_burst, 0);
    assert_int_equal(b->agent.max_connections, 1024);
    assert_int_equal(b->agent.max_flows, 1000000);
    assert_int_equal(b->agent.max_emergency_flows, 1024);
    assert_false(b->agent.in_band);
    assert_int_equal(b->datapath.fdb_max, FDB_MAX_DEFAULT);
    assert_int_equal(b->datapath.fdb_age_s, FDB_AGE_DEFAULT_S);
    assert_string_equal(c->rundir, "/run/turnout");
    assert_string_equal(c->control, "/run/turnout/control.sock");
    assert_null(c->control_group);
    assert_null(c->cpus);
    assert_null(c->pidfile);
    assert_null(c->log_to);
    assert_int_equal(c->cache_entries, DP_CACHE_ENTRIES_DEFAULT);
    assert_int_equal(c->governor.mode, GOVERNOR_ON);
    assert_false(c->governor.drop);
    assert_int_equal(c->governor.setups.min, 20000);
    assert_int_equal(c->governor.setups.max, 200000);
    assert_int_equal(c->governor.entries.min, 500);
    assert_int_equal(c->governor.entries.max, 50000);
    assert_false(c->detach);
    config_free(c);
}

static void
every_option_is_taken(void **state)
{
    (void) state;
    struct config *c = parse_valid(
        "--driver none --bridge br0 --datapath-id 0x00a --port p1 --port p2@7,no-flood=yes,down=no "
        "--port p3,no-stp=yes,no-receive-stp=yes --stp external --forward-bpdu yes "
        "--controller tcp:127.0.0.1:6653 --controller unix:c.sock --listen ptcp:6634 "
        "--fail-mode standalone --inactivity-probe 3 --max-backoff 4 --packet-in-rate 100 "
        "--packet-in-burst 30 --max-connections 9 "
        "--fdb-max 100 --fdb-age 10 --max-flows 5 --max-emergency-flows 6 --in-band "
        "--control c --control-group adm --rundir run "
        "--governor first-packet --over-budget drop --setup-budget 7 --entry-budget 8-9 "
        "--cpu 0,2-3 --cache-entries 4096 --pidfile=/x/pid --log debug --log-to ./log");
    const struct config_bridge *b = &c->bridges[0];
    assert_true(b->agent.datapath_id == 10);
    assert_int_equal(b->n_ports, 3);
    assert_int_equal(b->ports[2].flags, PORT_CONFIG_NO_STP | PORT_CONFIG_NO_RECV_STP);
    assert_true(b->datapath.stp && b->datapath.forward_bpdu);
    assert_string_equal(b->ports[0].name, "p1");
    assert_int_equal(b->ports[0].number, 0);
    assert_string_equal(b->ports[1].name, "p2");
    assert_int_equal(b->ports[1].number, 7);
    assert_int_equal(b->ports[1].flags, PORT_CONFIG_NO_FLOOD);
    assert_int_equal(b->n_targets, 3);
    assert_string_equal(b->targets[1].target, "unix:/base/c.sock");
    assert_string_equal(b->targets[2].target, "ptcp:6634");
    assert_true(b->targets[2].listen && !b->targets[1].listen);
    assert_int_equal(b->agent.fail_mode, AGENT_FAIL_STANDALONE);
    assert_int_equal(b->agent.inactivity_probe_s, 3);
    assert_int_equal(b->agent.max_backoff_s, 4);
    assert_int_equal(b->agent.packet_in_rate, 100);
    assert_int_equal(b->agent.packet_in_burst, 30);
    assert_int_equal(b->agent.max_connections, 9);
    assert_int_equal(b->datapath.fdb_max, 100);
    assert_int_equal(b->datapath.fdb_age_s, 10);
    assert_int_equal(b->agent.max_flows, 5);
    assert_int_equal(b->agent.max_emergency_flows, 6);
    assert_true(b->agent.in_band);
    assert_string_equal(c->control, "/base/c");
    assert_string_equal(c->control_group, "adm");
    assert_string_equal(c->rundir, "/base/run");
    assert_string_equal(c->cpus, "0,2-3");
    assert_int_equal(c->cache_entries, 4096);
    assert_int_equal(c->governor.mode, GOVERNOR_FIRST_PACKET);
    assert_true(c->governor.drop);
    assert_int_equal(c->governor.setups.min, 7);
    assert_int_equal(c->governor.setups.max, 7);
    assert_int_equal(c->governor.entries.min, 8);
    assert_int_equal(c->governor.entries.max, 9);
    assert_string_equal(c->pidfile, "/x/pid");
    assert_int_equal(c->n_log_levels, 1);
    assert_string_equal(c->log_to, "/base/./log");
    config_free(c);
}

static void
options_belong_to_the_bridge_before_them(void **state)
{
    (void) state;
    struct config *c = parse_valid("--fdb-max 50 --bridge br0 --port a b c --fdb-age 7 "
                                   "--bridge br1 --port d@3 --fdb-max 60 --cache-entries 128");
    assert_int_equal(c->n_bridges, 2);
    assert_int_equal(c->bridges[0].n_ports, 3);
    assert_int_equal(c->bridges[1].n_ports, 1);
    assert_int_equal(c->bridges[0].datapath.fdb_max, 50);
    assert_int_equal(c->bridges[0].datapath.fdb_age_s, 7);
    assert_int_equal(c->bridges[1].datapath.fdb_max, 60);
    assert_int_equal(c->bridges[1].datapath.fdb_age_s, FDB_AGE_DEFAULT_S);
    config_free(c);
}

static void
the_last_of_a_setting_counts(void **state)
{
    (void) state;
    struct config *c = parse_valid("--rundir /a --rundir /b --bridge br0 --max-flows 1 "
                                   "--max-flows 2");
    assert_string_equal(c->rundir, "/b");
    assert_int_equal(c->bridges[0].agent.max_flows, 2);
    config_free(c);
}

static void
requests_end_the_reading(void **state)
{
    (void) state;
    struct config *config;
    enum config_request request;
    struct errmsg err;
    assert_int_equal(parse("--help --nonsense", &config, &request, &err), 0);
    assert_int_equal(request, CONFIG_HELP);
    config_free(config);
    assert_int_equal(parse("--version", &config, &request, &err), 0);
    assert_int_equal(request, CONFIG_VERSION);
    config_free(config);
    assert_int_equal(parse("--check-config --bridge br0", &config, &request, &err), 0);
    assert_int_equal(request, CONFIG_CHECK);
    config_free(config);
    refuses("--check-config", "no bridge", NULL);
}

static void
what_makes_no_sense_is_refused(void **state)
{
    (void) state;
    refuses("", "no bridge", "--bridge NAME", NULL);
    refuses("--nonsense 1", "unknown option 'nonsense'", "bridge", "port", "log-to", "help", NULL);
    refuses("br0", "'br0' is not an option", NULL);
    refuses("--bridge", "--bridge needs a value", NULL);
    refuses("--bridge br0 br1", "--bridge takes one value", NULL);
    refuses("--bridge br0 --detach=yes", "--detach takes no value", NULL);
    refuses("--governor maybe", "--governor: 'maybe'", "on off first-packet", NULL);
    refuses("--over-budget keep", "--over-budget: 'keep'", "uncached drop", NULL);
    refuses("--setup-budget 0", "--setup-budget: '0'", "from 1 to 100000000", NULL);
    refuses("--setup-budget 20-10", "the smaller one first", NULL);
    refuses("--setup-budget 100000001", "from 1 to 100000000", NULL);
    refuses("--setup-budget 4294967297", "from 1 to 100000000", NULL);
    refuses("--entry-budget 5-", "--entry-budget: '5-'", NULL);
    refuses("--entry-budget 5-6-7", "5-6-7", NULL);
    refuses("--entry-budget ten", "ten", NULL);
    refuses("--bridge br0 --bridge br0", "--bridge", "already", NULL);
    refuses("--bridge a/b", "--bridge", "can't be a bridge name", NULL);
    refuses("--bridge ..", "can't be a bridge name", NULL);
    refuses("--bridge sixteen-letters-", "longer than 15", NULL);
    refuses("--bridge=", "empty", NULL);
    refuses("--port p1 --bridge br0", "--port belongs to a bridge", NULL);
    refuses("--bridge br0 --driver magic", "unknown driver 'magic'", "valid: none", NULL);
    refuses("--bridge br0 --driver none:x=1", "no settings", NULL);
    refuses("--bridge br0 --fail-mode open", "valid: secure standalone", NULL);
    refuses("--bridge br0 --log loud", "error warn info debug", NULL);
    refuses("--bridge br0 --log nowhere:info", "no such module", NULL);
    refuses("--bridge br0 --log-to somewhere", "syslog", "journal", NULL);
    refuses("--bridge br0 --detach --log-to stderr", "--detach", NULL);
    refuses("--bridge br0 --config /nonexistent/file", "/nonexistent/file", "No such file", NULL);
}

static void
queues_belong_to_ports(void **state)
{
    (void) state;
    struct config *c = parse_valid("--bridge br0 --port p1 p2 --queue p1:7,min-rate=1M,max-rate=2G "
                                   "p1:8 --queue=p2:7,burst=64k");
    assert_int_equal(c->bridges[0].n_queues, 3);
    const struct config_queue *queue = config_find_queue(&c->bridges[0], "p1", 7);
    assert_int_equal(queue->queue.min_rate, 1000000);
    assert_int_equal(queue->queue.max_rate, 2000000000);
    assert_int_equal(queue->queue.burst, 0);
    assert_int_equal(config_find_queue(&c->bridges[0], "p2", 7)->queue.burst, 64000);
    assert_null(config_find_queue(&c->bridges[0], "p2", 8));
    config_free(c);
    refuses("--queue p1:1 --bridge br0", "--queue belongs to a bridge", NULL);
    refuses("--bridge br0 --queue p1:1 --port p1", "--queue", "'p1' is not a port", NULL);
    refuses("--bridge br0 --port p1 --queue p1:1 p1:1", "queue 1 already", NULL);
    refuses("--bridge br0 --port p1 --queue p1", "'p1' is not DEV:ID", NULL);
    refuses("--bridge br0 --port p1 --queue p1:", "not DEV:ID", NULL);
    refuses("--bridge br0 --port p1 --queue p1:1k", "not DEV:ID", NULL);
    refuses("--bridge br0 --port p1 --queue p1:4294967295", "not DEV:ID", "4294967294", NULL);
    refuses("--bridge br0 --port p1 --queue a-name-of-20-letters:1", "device name", NULL);
    refuses("--bridge br0 --port p1 --queue p1:1,rate=1", "p1:1", "unknown key 'rate'", NULL);
    refuses("--bridge br0 --port p1 --queue p1:1,max-rate", "max-rate: ''", NULL);
    refuses("--bridge br0 --port p1 --queue p1:1,max-rate=0", "'0' is not", NULL);
    refuses("--bridge br0 --port p1 --queue p1:1,max-rate=7k", "8 kbit/s", NULL);
    refuses("--bridge br0 --port p1 --queue p1:1,max-rate=2T", "bits a second", NULL);
    refuses("--bridge br0 --port p1 --queue p1:1,min-rate=2M,max-rate=1M", "above", NULL);
    refuses("--bridge br0 --port p1 --queue p1:1,burst=100", "1500", NULL);
}

static void
numbers_have_ranges(void **state)
{
    (void) state;
    refuses("--bridge br0 --fdb-max 0", "--fdb-max: '0' is not a number from 16", NULL);
    refuses("--bridge br0 --fdb-max 99999999999999999999", "not a number", NULL);
    refuses("--bridge br0 --fdb-max -1", "not a number", NULL);
    refuses("--bridge br0 --fdb-max 1x", "not a number", NULL);
    refuses("--bridge br0 --max-backoff 0", "from 1 to 3600", NULL);
    refuses("--bridge br0 --datapath-id 0", "--datapath-id", NULL);
    refuses("--bridge br0 --datapath-id 11112222333344445", "16 hexadecimal", NULL);
    refuses("--bridge br0 --datapath-id xyz", "hexadecimal", NULL);
    refuses("--bridge br0 --cpu 3-1", "--cpu", NULL);
    refuses("--bridge br0 --port p1@0", "port number", "from 1 to 65279", NULL);
    refuses("--bridge br0 --port p1@65280", "from 1 to 65279", NULL);
    refuses("--bridge br0 --port p1@", "not a number", NULL);
}

static void
ports_are_checked_against_each_other(void **state)
{
    (void) state;
    refuses("--bridge br0 --port p1 --port p1", "device 'p1' is in bridge 'br0' already", NULL);
    refuses("--bridge br0 --port p1 --bridge br1 --port p1", "is in bridge 'br0' already", NULL);
    refuses("--bridge br0 --port p1@2 --port p2@2", "number 2 is that of 'p1'", NULL);
    refuses("--bridge br0 --port br0", "'br0' is a bridge", NULL);
    refuses("--bridge br0 --port br1 --bridge br1", "'br1' is a port of bridge 'br0'", NULL);
    refuses("--bridge br0 --port p1,color=red", "unknown key 'color'", "no-flood", NULL);
    refuses("--bridge br0 --port p1,no-flood=maybe", "yes or no", NULL);
    refuses("--bridge br0 --port p1,no-flood", "yes or no", NULL);
    refuses("--bridge br0 --stp internal", "neither off nor external", NULL);
    refuses("--bridge br0 --forward-bpdu 1", "neither no nor yes", NULL);
    refuses("--bridge br0 --datapath-id 5 --bridge br1 --datapath-id 5", "'br0'", NULL);
    struct config *c = parse_valid("--bridge br0 --port p1@2 --bridge br1 --port p2@2");
    config_free(c);
}

static void
targets_are_checked(void **state)
{
    (void) state;
    refuses("--bridge br0 --controller ptcp:6653", "--controller", NULL);
    refuses("--bridge br0 --listen tcp:1.2.3.4", "--listen", NULL);
    refuses("--bridge br0 --controller udp:1.2.3.4", "--controller", NULL);
    refuses("--bridge br0 --controller tcp:1.2.3.4:99999", "--controller", NULL);
    refuses("--bridge br0 --controller tcp:10.0.0.1 --controller tcp:10.0.0.1", "given already", NULL);
    refuses("--bridge br0 --listen ptcp:1 --bridge br1 --listen ptcp:1", "given already", NULL);
    struct config *c = parse_valid("--bridge br0 --controller tcp:10.0.0.1 --bridge br1 "
                                   "--controller tcp:10.0.0.1 tcp:10.0.0.2");
    assert_int_equal(c->bridges[1].n_targets, 2);
    config_free(c);
}

static void
tls_needs_all_of_its_files(void **state)
{
    (void) state;
    struct config *c = parse_valid("--bridge br0 --private-key k.pem --certificate /c.pem --ca-cert a.pem "
                             "--peer-ca-bootstrap --controller ssl:of.example --listen pssl:");
    assert_string_equal(c->private_key, "/base/k.pem");
    assert_string_equal(c->certificate, "/c.pem");
    assert_string_equal(c->ca_cert, "/base/a.pem");
    assert_true(c->peer_ca_bootstrap);
    config_free(c);
    refuses("--bridge br0 --controller ssl:192.0.2.1", "ssl:192.0.2.1: TLS needs", NULL);
    refuses("--bridge br0 --listen pssl: --private-key k --certificate c", "ca-cert is missing",
            NULL);
    refuses("--bridge br0 --certificate c --ca-cert a", "private-key is missing", NULL);
    refuses("--bridge br0 --peer-ca-bootstrap", "peer-ca-bootstrap: TLS needs", NULL);
    refuses("--bridge br0 --private-key= --certificate c", "the path is empty", NULL);
}

static void
long_socket_paths_are_refused(void **state)
{
    (void) state;
    char line[300] = "--bridge br0 --rundir /";
    size_t len = strlen(line);
    memset(line + len, 'x', 110);
    refuses(line, "longer than 107", NULL);
    strcpy(line, "--bridge br0 --control /run/c --rundir /");
    len = strlen(line);
    memset(line + len, 'x', 100);
    line[len + 100] = '\0';
    refuses(line, "br0.mgmt", "longer than 107", NULL);
}

static void
help_names_every_option(void **state)
{
    (void) state;
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    options_help(out, 80);
    fclose(out);
    for (size_t i = 0; i < n_option_rows; i++) {
        char wanted[80];
        snprintf(wanted, sizeof wanted, "  --%s%s%s", option_rows[i].name,
                 option_rows[i].arg ? " " : "", option_rows[i].arg ? option_rows[i].arg : "");
        if (!strstr(text, wanted)) {
            fail_msg("no '%s' in --help", wanted);
        }
    }
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));) {
        if (strlen(line) > 80) {
            fail_msg("--help is wider than 80 columns: %s", line);
        }
    }
    free(text);
}

/* Those before the first bridge are of all; a bridge's own come behind them. */
static void
offload_policies_are_inherited(void **state)
{
    (void) state;
    struct config *c = parse_valid("--driver sim --hw-policy sw-only,cookie=1 --bridge a "
                                   "--hw-policy require-hw --hw-policy sw-only,cookie=1 --bridge b");
    const struct hw_policies *a = &c->bridges[0].policies, *b = &c->bridges[1].policies;
    assert_int_equal(a->n, 2);
    assert_int_equal(a->rules[0].policy, HAL_REQUIRE_HW);
    assert_int_equal(a->rules[1].policy, HAL_SW_ONLY);
    assert_int_equal(a->rules[1].cookie, 1);
    assert_int_equal(b->n, 1);
    assert_int_equal(b->rules[0].mask, UINT64_MAX);
    config_free(c);
    refuses("--driver sim --bridge a --hw-policy hard", "hw-policy", "'hard'", "require-hw", NULL);
    refuses("--bridge a --hw-policy require-hw", "bridge a", "--driver", NULL);
    refuses("--driver none --bridge a --hw-policy require-hw", "bridge a", "--driver", NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offload_policies_are_inherited),
        cmocka_unit_test(defaults_are_filled_in),
        cmocka_unit_test(every_option_is_taken),
        cmocka_unit_test(options_belong_to_the_bridge_before_them),
        cmocka_unit_test(the_last_of_a_setting_counts),
        cmocka_unit_test(requests_end_the_reading),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(queues_belong_to_ports),
        cmocka_unit_test(numbers_have_ranges),
        cmocka_unit_test(ports_are_checked_against_each_other),
        cmocka_unit_test(targets_are_checked),
        cmocka_unit_test(tls_needs_all_of_its_files),
        cmocka_unit_test(long_socket_paths_are_refused),
        cmocka_unit_test(help_names_every_option),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
