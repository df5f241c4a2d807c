/* SPDX-License-Identifier: Apache-2.0 */
/* Bugs on the product's side. The product is not touched: what it is told, gets or says is
 * changed on the way, so that together with the change it is a switch with the bug. */
#include <string.h>

#include "tests/property/trial.h"

enum { VENDOR = 4, SET_CONFIG = 9, FLOW_MOD = 14, PORT_MOD = 15 };
#define NXT_FLOW_MOD UINT64_C(0x000023200000000d)   /* vendor and subtype */
enum { DELETE = 3, DELETE_STRICT = 4, LATE_ONCE_IN = 8 };

/* Takes the last action that changes frames out of a FLOW_MOD. */
static size_t
drop_rewrite(uint8_t *msg, size_t size)
{
    struct ref_error error;
    size_t found = 0;
    if (!ref_check_actions(msg + 72, size - 72, false, &error)) {
        return size;
    }
    for (size_t at = 72; at < size; at += msg[at + 3]) {
        found = msg[at + 1] != 0 && msg[at + 1] != 11 && msg[at + 1] != 0xff ? at : found;
    }
    if (found) {
        size_t length = msg[found + 3];
        memmove(msg + found, msg + found + length, size - found - length);
        size -= length;
        wire_put(msg + 2, 2, size);
    }
    return size;
}

static size_t
hold_back(struct trial *t, const uint8_t *msg, size_t size)
{
    if (t->late_size || !once_in(&t->g, LATE_ONCE_IN)) {
        return size;
    }
    memcpy(t->late, msg, size);
    t->late_size = size;
    return 0;
}

static size_t
plant_flow_mod(struct trial *t, uint8_t *msg, size_t size)
{
    uint16_t command = (uint16_t) wire_get(msg + 56, 2);
    switch (t->config->plant) {
    case PLANT_DROPS_REWRITE:
        return drop_rewrite(msg, size);
    case PLANT_ONE_PRIORITY:
        wire_put(msg + 62, 2, 100);
        break;
    case PLANT_SKIPS_DELETE:
        return command == DELETE_STRICT && t->n_mods++ % 3 == 0 ? 0 : size;
    case PLANT_LATE_CHANGE:
        return hold_back(t, msg, size);
    case PLANT_NO_OVERLAP_CHECK:
        msg[71] &= (uint8_t) ~2;
        break;
    case PLANT_IGNORES_OUT_PORT:
        wire_put(msg + 68, 2, P_NONE);
        break;
    case PLANT_LONG_IDLE:
        msg[59] += msg[59] ? 1 : 0;
        break;
    default:
        break;
    }
    return size;
}

/* Takes the last bit out of the first mask, and of the value under it. */
static void
lose_mask_bit(uint8_t *msg)
{
    size_t end = 48 + wire_get(msg + 40, 2);
    for (size_t at = 48; at < end; at += 4u + msg[at + 3]) {
        size_t width = msg[at + 3] / 2u;
        for (size_t i = width; msg[at + 2] & 1 && i-- > 0;) {
            uint8_t *value = msg + at + 4 + i, *mask = value + width;
            if (*mask) {
                *mask &= (uint8_t) (*mask - 1);
                *value &= *mask;
                return;
            }
        }
    }
}

size_t
plant_message(struct trial *t, uint8_t *msg, size_t size)
{
    if (msg[1] == VENDOR && size >= 48 && t->config->plant == PLANT_LOSES_MASK_BIT
        && wire_get(msg + 8, 8) == NXT_FLOW_MOD) {
        lose_mask_bit(msg);
    }
    if (msg[1] == FLOW_MOD) {
        return plant_flow_mod(t, msg, size);
    }
    if (msg[1] == SET_CONFIG && t->config->plant == PLANT_KEEPS_FRAGMENTS) {
        msg[9] = 0;
    }
    if (msg[1] == PORT_MOD && t->config->plant == PLANT_FLOODS_ALL) {
        msg[23] &= (uint8_t) ~0x10;
    }
    return size;
}

void
plant_release(struct trial *t)
{
    if (t->late_size) {
        sut_send(t->sut, t->late, t->late_size);
        t->late_size = 0;
    }
}

void
plant_frame(const struct trial *t, uint8_t *frame, uint32_t size)
{
    if (t->config->plant == PLANT_LOSES_TAIL && size > 128) {
        frame[size - 1] ^= 1;
    }
}

/* A flow that was told a longer time-out does not say so. */
static void
hide_second(uint8_t *p)
{
    wire_put(p, 2, wire_get(p, 2) ? wire_get(p, 2) - 1 : 0);
}

void
plant_reply(const struct trial *t, uint8_t *msg, size_t size)
{
    enum { FLOW_REMOVED = 11, STATS_REPLY = 17, FLOW = 1 };
    enum plant plant = t->config->plant;
    if (msg[1] == FLOW_REMOVED && plant == PLANT_LONG_IDLE) {
        hide_second(msg + 68);
    }
    if (msg[1] != STATS_REPLY || msg[9] != FLOW) {
        return;
    }
    for (size_t at = 12; at + 88 <= size; at += wire_get(msg + at, 2)) {
        if (plant == PLANT_MISCOUNTS_BYTES) {
            wire_put(msg + at + 80, 8, wire_get(msg + at + 80, 8) + 1);
        } else if (plant == PLANT_LONG_IDLE) {
            hide_second(msg + at + 54);
        }
    }
}
