/* SPDX-License-Identifier: Apache-2.0 */
/* ERROR (5.4.4): names, encoding with the refused message's beginning, decoding. */
#include <stdio.h>

#include "lib/counters.h"
#include "ofagent/nicira.h"
#include "ofagent/ofp_internal.h"

static const struct {
    const char *codes[9];
    enum counter counter;
} errors[] = {
    [OFPET_HELLO_FAILED] = {
        { [OFPHFC_INCOMPATIBLE] = "HELLO_FAILED/INCOMPATIBLE",
          [OFPHFC_EPERM] = "HELLO_FAILED/EPERM" },
        COUNTER_openflow_hello_failed,
    },
    [OFPET_BAD_REQUEST] = {
        { [OFPBRC_BAD_VERSION] = "BAD_REQUEST/BAD_VERSION",
          [OFPBRC_BAD_TYPE] = "BAD_REQUEST/BAD_TYPE",
          [OFPBRC_BAD_STAT] = "BAD_REQUEST/BAD_STAT",
          [OFPBRC_BAD_VENDOR] = "BAD_REQUEST/BAD_VENDOR",
          [OFPBRC_BAD_SUBTYPE] = "BAD_REQUEST/BAD_SUBTYPE",
          [OFPBRC_EPERM] = "BAD_REQUEST/EPERM",
          [OFPBRC_BAD_LEN] = "BAD_REQUEST/BAD_LEN",
          [OFPBRC_BUFFER_EMPTY] = "BAD_REQUEST/BUFFER_EMPTY",
          [OFPBRC_BUFFER_UNKNOWN] = "BAD_REQUEST/BUFFER_UNKNOWN" },
        COUNTER_openflow_bad_request,
    },
    [OFPET_BAD_ACTION] = {
        { [OFPBAC_BAD_TYPE] = "BAD_ACTION/BAD_TYPE",
          [OFPBAC_BAD_LEN] = "BAD_ACTION/BAD_LEN",
          [OFPBAC_BAD_VENDOR] = "BAD_ACTION/BAD_VENDOR",
          [OFPBAC_BAD_VENDOR_TYPE] = "BAD_ACTION/BAD_VENDOR_TYPE",
          [OFPBAC_BAD_OUT_PORT] = "BAD_ACTION/BAD_OUT_PORT",
          [OFPBAC_BAD_ARGUMENT] = "BAD_ACTION/BAD_ARGUMENT",
          [OFPBAC_EPERM] = "BAD_ACTION/EPERM",
          [OFPBAC_TOO_MANY] = "BAD_ACTION/TOO_MANY",
          [OFPBAC_BAD_QUEUE] = "BAD_ACTION/BAD_QUEUE" },
        COUNTER_openflow_bad_action,
    },
    [OFPET_FLOW_MOD_FAILED] = {
        { [OFPFMFC_ALL_TABLES_FULL] = "FLOW_MOD_FAILED/ALL_TABLES_FULL",
          [OFPFMFC_OVERLAP] = "FLOW_MOD_FAILED/OVERLAP",
          [OFPFMFC_EPERM] = "FLOW_MOD_FAILED/EPERM",
          [OFPFMFC_BAD_EMERG_TIMEOUT] = "FLOW_MOD_FAILED/BAD_EMERG_TIMEOUT",
          [OFPFMFC_BAD_COMMAND] = "FLOW_MOD_FAILED/BAD_COMMAND",
          [OFPFMFC_UNSUPPORTED] = "FLOW_MOD_FAILED/UNSUPPORTED" },
        COUNTER_openflow_flow_mod_failed,
    },
    [OFPET_PORT_MOD_FAILED] = {
        { [OFPPMFC_BAD_PORT] = "PORT_MOD_FAILED/BAD_PORT",
          [OFPPMFC_BAD_HW_ADDR] = "PORT_MOD_FAILED/BAD_HW_ADDR" },
        COUNTER_openflow_port_mod_failed,
    },
    [OFPET_QUEUE_OP_FAILED] = {
        { [OFPQOFC_BAD_PORT] = "QUEUE_OP_FAILED/BAD_PORT",
          [OFPQOFC_BAD_QUEUE] = "QUEUE_OP_FAILED/BAD_QUEUE",
          [OFPQOFC_EPERM] = "QUEUE_OP_FAILED/EPERM" },
        COUNTER_openflow_queue_op_failed,
    },
};

enum {
    N_ERROR_TYPES = sizeof errors / sizeof errors[0],
    N_ERROR_CODES = sizeof errors[0].codes / sizeof errors[0].codes[0],
};

const char *
ofp_error_name(uint16_t type, uint16_t code)
{
    static _Thread_local char numbers[32];
    if (type < N_ERROR_TYPES && code < N_ERROR_CODES && errors[type].codes[code]) {
        return errors[type].codes[code];
    }
    snprintf(numbers, sizeof numbers, "type %u/code %u", type, code);
    return numbers;
}

/* Nicira's codes, by 1.0's types. */
static const struct {
    uint16_t type, code;
    const char *name;
} nx_errors[] = {
    { OFPET_BAD_REQUEST, NXBRC_NXM_INVALID, "NX_BAD_REQUEST/NXM_INVALID" },
    { OFPET_BAD_REQUEST, NXBRC_NXM_BAD_TYPE, "NX_BAD_REQUEST/NXM_BAD_TYPE" },
    { OFPET_BAD_REQUEST, NXBRC_BAD_VALUE, "NX_BAD_REQUEST/BAD_VALUE" },
    { OFPET_BAD_REQUEST, NXBRC_BAD_MASK, "NX_BAD_REQUEST/BAD_MASK" },
    { OFPET_BAD_REQUEST, NXBRC_BAD_PREREQ, "NX_BAD_REQUEST/BAD_PREREQ" },
    { OFPET_BAD_REQUEST, NXBRC_DUP_FIELD, "NX_BAD_REQUEST/DUP_FIELD" },
    { OFPET_BAD_REQUEST, NXBRC_BAD_WILDCARDS, "NX_BAD_REQUEST/BAD_WILDCARDS" },
    { OFPET_BAD_REQUEST, NXBRC_BAD_TABLE_ID, "NX_BAD_REQUEST/BAD_TABLE_ID" },
    { OFPET_BAD_REQUEST, NXBRC_BAD_ROLE, "NX_BAD_REQUEST/BAD_ROLE" },
    { OFPET_BAD_REQUEST, NXBRC_BAD_PORT, "NX_BAD_REQUEST/BAD_PORT" },
    { OFPET_BAD_REQUEST, NXBRC_MUST_BE_ZERO, "NX_BAD_REQUEST/MUST_BE_ZERO" },
    { OFPET_BAD_ACTION, NXBAC_MUST_BE_ZERO, "NX_BAD_ACTION/MUST_BE_ZERO" },
    { OFPET_FLOW_MOD_FAILED, NXFMFC_BAD_FLAGS, "NX_FLOW_MOD_FAILED/BAD_FLAGS" },
    { NXET_TABLE, NXTC_HARDWARE, "NX_FLOW_MOD_FAILED/HARDWARE" },
    { NXET_TABLE, NXTC_BAD_TABLE_ID, "NX_FLOW_MOD_FAILED/BAD_TABLE_ID" },
};

const char *
nx_error_name(uint16_t type, uint16_t code)
{
    static _Thread_local char numbers[32];
    for (size_t i = 0; i < sizeof nx_errors / sizeof nx_errors[0]; i++) {
        if (nx_errors[i].type == type && nx_errors[i].code == code) {
            return nx_errors[i].name;
        }
    }
    snprintf(numbers, sizeof numbers, "NX type %u/code %u", type, code);
    return numbers;
}

const char *
ofp_refusal_name(const struct ofp_refusal *refusal)
{
    return refusal->vendor ? nx_error_name(refusal->type, refusal->code)
                           : ofp_error_name(refusal->type, refusal->code);
}

/* The refused message's xid; 0 of something without one. */
static uint32_t
request_xid(const uint8_t *request, size_t size)
{
    struct ofp_header header = { 0 };
    if (size >= sizeof(struct of10_header)) {
        ofp_header_decode(request, &header);
    }
    return header.xid;
}

/* With a vendor's code: the number of the vendor, its type and its code go before the data. */
static void
encode_vendor_error(struct writer *w, const struct ofp_refusal *refusal, const uint8_t *request,
                    size_t size)
{
    struct nicira_error vendor = {
        .vendor = be32_from_host(refusal->vendor),
        .type = be16_from_host(refusal->type),
        .code = be16_from_host(refusal->code),
    };
    struct of10_error wire = {
        .header = of10_header(OFPT_ERROR, sizeof wire + sizeof vendor + size,
                              request_xid(request, size)),
        .type = be16_from_host(NXET_VENDOR),
        .code = be16_from_host(NXVC_VENDOR_ERROR),
    };
    writer_bytes(w, &wire, sizeof wire);
    writer_bytes(w, &vendor, sizeof vendor);
    writer_bytes(w, request, size);
    counter_inc(COUNTER_openflow_nx_error);
}

void
ofp_encode_error(struct writer *w, const struct ofp_refusal *refusal, const uint8_t *request,
                 size_t size)
{
    const void *data = request;
    size_t data_size = size < OFP_ERROR_DATA ? size : OFP_ERROR_DATA;
    if (refusal->vendor) {
        encode_vendor_error(w, refusal, request, data_size);
        return;
    }
    if (refusal->type == OFPET_HELLO_FAILED && refusal->why) {
        data = refusal->why;
        data_size = strlen(refusal->why);
    }
    struct of10_error wire = {
        .header = of10_header(OFPT_ERROR, sizeof wire + data_size, request_xid(request, size)),
        .type = be16_from_host(refusal->type),
        .code = be16_from_host(refusal->code),
    };
    writer_bytes(w, &wire, sizeof wire);
    writer_bytes(w, data, data_size);
    if (refusal->type < N_ERROR_TYPES) {
        counter_inc(errors[refusal->type].counter);
    }
}

int
ofp_decode_error(const uint8_t *msg, size_t size, uint16_t *type, uint16_t *code,
                 struct ofp_refusal *refusal)
{
    struct of10_error wire;
    if (size < sizeof wire) {
        return ofp_refuse_size(refusal);
    }
    memcpy(&wire, msg, sizeof wire);
    *type = be16_to_host(wire.type);
    *code = be16_to_host(wire.code);
    return 0;
}

int
ofp_decode_any_error(const uint8_t *msg, size_t size, struct ofp_refusal *what,
                     struct reader *data, struct ofp_refusal *refusal)
{
    struct nicira_error wire;
    *what = (struct ofp_refusal) { 0 };
    int error = ofp_decode_error(msg, size, &what->type, &what->code, refusal);
    if (error) {
        return error;
    }
    reader_init(data, msg + sizeof(struct of10_error), size - sizeof(struct of10_error));
    if (what->type == NXET_VENDOR && what->code == NXVC_VENDOR_ERROR
        && reader_left(data) >= sizeof wire) {
        reader_bytes(data, &wire, sizeof wire);
        what->vendor = be32_to_host(wire.vendor);
        what->type = be16_to_host(wire.type);
        what->code = be16_to_host(wire.code);
    }
    return 0;
}
