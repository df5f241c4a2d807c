/* SPDX-License-Identifier: Apache-2.0 */
/* OpenFlow messages, any bytes: every decoder and the printer, whatever the type says.
 * What is taken must encode to what is taken again as the same. */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/wire/exercise.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ofp_exercise(data, size);
    if (size < 8 || size > OFP_MAX_SIZE) {
        return 0;
    }
    /* Once more with a header that is right, so that the rest gets its turn. */
    uint8_t *copy = malloc(size);
    FUZZ_CHECK(copy);
    memcpy(copy, data, size);
    copy[0] = OFP_VERSION;
    copy[1] %= N_OFP_TYPES;
    copy[2] = (uint8_t) (size >> 8);
    copy[3] = (uint8_t) size;
    ofp_exercise(copy, size);
    free(copy);
    return 0;
}
