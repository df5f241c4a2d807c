/* SPDX-License-Identifier: Apache-2.0 */
/* Why an entry is not in hardware: made where the refusal happens, carried unchanged to
 * whoever asks (turnoutctl hw explain). turnout-reasons(7) describes every reason. */
#ifndef HAL_VERDICT_H
#define HAL_VERDICT_H 1

#include <stdint.h>

/* What each reason means is in hal/reasons.def, which this list is made from. Names and
 * numbers are stable: they are in JSON output and in scripts. */
enum hal_reason {
#define HAL_REASON(NUMBER, ID, NAME, SUMMARY, REMEDY) HAL_REASON_##ID = NUMBER,
#include "hal/reasons.def"
#undef HAL_REASON
};

enum { HAL_WORDS_SIZE = 120, HAL_OBJECT_NONE = 0xff };

/* A refusal. All zero: no refusal, the entry fits. */
struct hal_verdict {
    uint16_t reason;             /* enum hal_reason; 0: fits */
    uint8_t field;               /* enum field_id at fault, or HAL_OBJECT_NONE */
    uint8_t action;              /* enum action_type at fault, or HAL_OBJECT_NONE */
    uint8_t table;               /* the driver's table that came nearest */
    uint8_t has_table;           /* bool: it is known which table that is */
    uint16_t port;               /* port at fault, host order; 0: none */
    int32_t error;               /* errno of the driver's, positive; 0: none */
    char words[HAL_WORDS_SIZE];  /* the driver's own, cut to fit, "" if it said nothing */
};

#ifdef __cplusplus
extern "C" {
#endif

/* "action-unsupported": the reason's stable name; NULL for a number that is none. */
const char *hal_reason_name(unsigned reason);
/* One sentence: what it means; and the smallest change that would make the entry fit. */
const char *hal_reason_summary(unsigned reason);
const char *hal_reason_remedy(unsigned reason);

#ifdef __cplusplus
}
#endif

#endif /* hal/verdict.h */
