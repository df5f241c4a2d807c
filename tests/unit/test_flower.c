/* SPDX-License-Identifier: Apache-2.0 */
/* Entries as flower filters: refusals, counting, and the way back. Bytes are in
 * test_flower_bytes.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <string.h>

#include "drivers/tc/flower.h"
#include "hal/text.h"
#include "tests/unit/flower_rig.h"
#include "turnout/field_id.h"
#include "turnout/port.h"

/* --- there and back ---------------------------------------------------------------------------- */

static void
comes_back(const char *match, const char *actions)
{
    struct flower_rig_bytes bytes;
    struct flower_filter f;
    struct hal_verdict verdict;
    union flower_rig_list list;
    char more[FLOWER_WORDS_SIZE], text[512];
    if (flower_rig_encode(match, actions, NULL, &bytes, &verdict)) {
        fail_msg("%s -> %s: %s", match, actions, verdict.words);
    }
    assert_int_equal(flower_decode(bytes.nlh, bytes.size, &f), 0);
    assert_string_equal(f.more, "");
    assert_string_equal(f.kind, "flower");
    assert_int_equal(flower_actions(&f.ops, 1, &flower_rig_ports, &list.list, more), true);
    hal_actions_text(&list.list, text, sizeof text);
    assert_string_equal(text, actions);
    f.match.value.in_port = 1;
    f.match.mask.bits.in_port = UINT16_MAX;
    hal_match_text(&f.match, text, sizeof text);
    assert_string_equal(text, match);
}

static void
what_is_said_comes_back(void **state)
{
    (void) state;
    comes_back("ip,in_port=1,vlan_tci=0x0000", "output:2");
    comes_back("tcp,in_port=1,dl_vlan=5,nw_src=10.0.0.0/8,nw_frag=no,tp_dst=80",
               "output:2,mod_vlan_vid:6,mod_dl_dst:02:00:00:00:00:09,mod_nw_dst:10.0.0.1,output:3");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_said_comes_back),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
