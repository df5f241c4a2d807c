/* SPDX-License-Identifier: Apache-2.0 */
/* The methods of the control socket: what each does, over plain JSON values.
 *
 * A method gets the request's params (an object, or NULL) and makes a result. It runs in
 * the control thread and must be short: lists come in pages, see struct page. */
#ifndef MGMT_METHOD_H
#define MGMT_METHOD_H 1

#include <jansson.h>
#include <stdint.h>

#include "lib/errmsg.h"
#include "lib/flow_text.h"
#include "mgmt/bridges.h"
#include "mgmt/rpc.h"

enum { CONTROL_PROTOCOL_VERSION = 1 };

/* How a method says something to its client that is no answer. */
struct method_output {
    /* Appends text, whole lines in the end, to what the client is sent. */
    void (*append)(void *client, const char *text, size_t len);
    size_t (*queued)(const void *client);   /* bytes that wait to be read */
    void *client;
};

/* What a client's requests leave for its next ones. Starts zeroed but for 'output'; does not
 * move. */
struct method_session {
    struct flow_walk *walk;        /* a list of flows that is not at its end */
    json_int_t cursor;             /* the latest one given out for it; never goes back */
    struct method_output output;   /* without functions: it can't be done */
    struct restore *restore;       /* flows that it stages; NULL: none */
    struct capture_stream *capture;   /* packets are brought to the client; NULL: no */
    struct snoop_stream *snoop;    /* the client watches OpenFlow connections; NULL: no */
};
/* Ends what goes on; the client may still call methods. */
void method_session_fini(struct method_session *);
/* The client has read all that it was sent. */
void method_session_written(struct method_session *);

struct method_env {
    struct bridges *bridges;
    struct dp *dp;
    struct hardware *hardware;     /* NULL: no drivers */
    uint64_t started_ms;           /* clock_ms() when the daemon became ready */
    const struct reload *reload;   /* how it was started, and what is in force; NULL in tests */
    struct method_session *session;
};

/* RPC_OK and *result, a new reference (NULL stands for "no memory"); or another code and
 * *err. 'params' is borrowed. */
typedef enum rpc_code method_fn(const struct method_env *, json_t *params, json_t **result,
                                struct errmsg *err);

struct method {
    const char *name;
    method_fn *call;
};

extern const struct method methods[];
extern const size_t n_methods;
const struct method *method_find(const char *name);

method_fn method_version, method_show, method_ports, method_add_port, method_del_port;
method_fn method_queues, method_add_queue, method_mod_queue, method_del_queue;
method_fn method_set_port, method_flush_fdb;
method_fn method_flows, method_cache, method_fdb, method_controllers, method_counters;
method_fn method_governor, method_trace, method_log_level, method_snoop;
method_fn method_upgrade_check;
method_fn method_restore_begin, method_restore_add, method_restore_diff, method_restore_run;
method_fn method_restore_status;
method_fn method_hw_policy, method_hw_policy_set, method_hw_policy_del;
method_fn method_hw_plan, method_hw_show, method_hw_probe, method_hw_entries, method_hw_explain, method_hw_fault;
method_fn method_hw_audit, method_hw_audit_status, method_hw_capture;

/* --- what the methods share ---------------------------------------------------- */

/* Unpacks 'params' (NULL: empty) by a format of json_unpack() whose last letter is '!':
 * what is not named there is refused. RPC_OK or RPC_INVALID_PARAMS. */
enum rpc_code method_unpack(json_t *params, struct errmsg *err, const char *format, ...);

/* The bridge called 'name', or the only one. NULL, *code RPC_FAILED and *err if there is
 * none. */
struct bridge *method_bridge(const struct method_env *, const char *name, enum rpc_code *code,
                             struct errmsg *err);

/* A counter; null for UINT64_MAX, "can't tell". */
json_t *method_counter(uint64_t);
/* Takes the string that 'text' has grown to and frees it; NULL if it failed. */
json_t *method_take_text(struct strbuf *text);

/* How matches name the bridge's ports. */
struct flow_text_ports method_port_names(const struct bridge *);

/* A page of a list. It has at most 'limit' rows, and ends early when it is long. */
enum { PAGE_LIMIT_DEFAULT = 1000, PAGE_LIMIT_MAX = 10000, PAGE_MAX_BYTES = 2 << 20 };

struct page {
    json_t *rows;
    json_int_t begin, limit;
    json_int_t seen;               /* page_step(): rows walked over so far */
    size_t bytes;                  /* of text in the rows, about */
    json_int_t next;               /* cursor of the next page; 0: this is the last */
};

/* RPC_OK or RPC_INVALID_PARAMS. */
enum rpc_code page_check(json_int_t cursor, json_int_t limit, struct errmsg *err);
void page_init(struct page *, json_int_t begin, json_int_t limit);
bool page_is_full(const struct page *);

/* For lists that are walked from their beginning each time: the page is that of rows 'begin'
 * .. 'begin' + 'limit' - 1 in the order of the table as it is now. To be called at each
 * row: PAGE_SKIP (before the page), PAGE_TAKE (append it), or PAGE_STOP: the page is full,
 * go no further. When the table changes between two pages a row may be missed or come
 * twice. */
enum page_step { PAGE_SKIP, PAGE_TAKE, PAGE_STOP };
enum page_step page_step(struct page *);

/* Appends a row (NULL: no memory) whose texts are about 'bytes' long. */
void page_append(struct page *, json_t *row, size_t bytes);
/* {NAME: rows, "next": cursor of the next page or null}. */
json_t *page_result(struct page *, const char *name, const struct bridge *);

#endif /* mgmt/method.h */
