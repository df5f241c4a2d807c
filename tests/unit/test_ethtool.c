/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* First, because linux/ethtool.h has macros of the names of our constants. */
#include "turnout/port.h"

#include <linux/ethtool.h>

#include "lib/netdev/ethtool.h"

static uint32_t
one_mode(unsigned bit)
{
    uint32_t words[4] = { 0 };
    words[bit / 32] = UINT32_C(1) << (bit % 32);
    return ethtool_modes_to_features(words, 4);
}

static void
each_mode_has_its_bit(void **state)
{
    (void) state;
    assert_int_equal(one_mode(ETHTOOL_LINK_MODE_10baseT_Half_BIT), PORT_FEATURE_10MB_HD);
    assert_int_equal(one_mode(ETHTOOL_LINK_MODE_10baseT_Full_BIT), PORT_FEATURE_10MB_FD);
    assert_int_equal(one_mode(ETHTOOL_LINK_MODE_100baseT_Half_BIT), PORT_FEATURE_100MB_HD);
    assert_int_equal(one_mode(ETHTOOL_LINK_MODE_100baseT_Full_BIT), PORT_FEATURE_100MB_FD);
    assert_int_equal(one_mode(ETHTOOL_LINK_MODE_1000baseT_Half_BIT), PORT_FEATURE_1GB_HD);
    assert_int_equal(one_mode(ETHTOOL_LINK_MODE_1000baseT_Full_BIT), PORT_FEATURE_1GB_FD);
    assert_int_equal(one_mode(ETHTOOL_LINK_MODE_10000baseT_Full_BIT), PORT_FEATURE_10GB_FD);
    assert_int_equal(one_mode(ETHTOOL_LINK_MODE_TP_BIT), PORT_FEATURE_COPPER);
    assert_int_equal(one_mode(ETHTOOL_LINK_MODE_FIBRE_BIT), PORT_FEATURE_FIBER);
    assert_int_equal(one_mode(ETHTOOL_LINK_MODE_Autoneg_BIT), PORT_FEATURE_AUTONEG);
    assert_int_equal(one_mode(ETHTOOL_LINK_MODE_Pause_BIT), PORT_FEATURE_PAUSE);
    assert_int_equal(one_mode(ETHTOOL_LINK_MODE_Asym_Pause_BIT), PORT_FEATURE_PAUSE_ASYM);
    /* Beyond the first 32. */
    assert_int_equal(one_mode(ETHTOOL_LINK_MODE_1000baseX_Full_BIT), PORT_FEATURE_1GB_FD);
    assert_int_equal(one_mode(ETHTOOL_LINK_MODE_10000baseSR_Full_BIT), PORT_FEATURE_10GB_FD);
    /* OpenFlow 1.0 has no word for it. */
    assert_int_equal(one_mode(ETHTOOL_LINK_MODE_40000baseKR4_Full_BIT), 0);
}

static void
modes_add_up_and_missing_words_are_nothing(void **state)
{
    (void) state;
    uint32_t words[2] = { 0, UINT32_C(1) << (ETHTOOL_LINK_MODE_10000baseSR_Full_BIT - 32) };
    words[0] = 1u << ETHTOOL_LINK_MODE_1000baseT_Full_BIT | 1u << ETHTOOL_LINK_MODE_Autoneg_BIT;
    assert_int_equal(ethtool_modes_to_features(words, 2),
                     PORT_FEATURE_1GB_FD | PORT_FEATURE_AUTONEG | PORT_FEATURE_10GB_FD);
    assert_int_equal(ethtool_modes_to_features(words, 1),
                     PORT_FEATURE_1GB_FD | PORT_FEATURE_AUTONEG);
    assert_int_equal(ethtool_modes_to_features(words, 0), 0);
}

static void
the_link_as_it_is(void **state)
{
    (void) state;
    assert_int_equal(ethtool_link_to_features(10000, true, PORT_TP, false),
                     PORT_FEATURE_10GB_FD | PORT_FEATURE_COPPER);
    assert_int_equal(ethtool_link_to_features(1000, true, PORT_FIBRE, true),
                     PORT_FEATURE_1GB_FD | PORT_FEATURE_FIBER | PORT_FEATURE_AUTONEG);
    assert_int_equal(ethtool_link_to_features(100, false, PORT_MII, false), PORT_FEATURE_100MB_HD);
    assert_int_equal(ethtool_link_to_features(0, true, PORT_OTHER, false), 0);
    assert_int_equal(ethtool_link_to_features(40000, true, PORT_FIBRE, false), PORT_FEATURE_FIBER);
}

static void
features_become_the_modes_that_there_are(void **state)
{
    (void) state;
    uint32_t words[2], supported[2] = {
        1u << ETHTOOL_LINK_MODE_100baseT_Full_BIT | 1u << ETHTOOL_LINK_MODE_1000baseT_Full_BIT
            | 1u << ETHTOOL_LINK_MODE_Autoneg_BIT,
        UINT32_C(1) << (ETHTOOL_LINK_MODE_1000baseX_Full_BIT - 32),
    };
    assert_true(ethtool_features_to_modes(PORT_FEATURE_1GB_FD | PORT_FEATURE_10GB_FD
                                          | PORT_FEATURE_PAUSE, supported, words, 2));
    assert_int_equal(words[0], 1u << ETHTOOL_LINK_MODE_1000baseT_Full_BIT);
    assert_int_equal(words[1], UINT32_C(1) << (ETHTOOL_LINK_MODE_1000baseX_Full_BIT - 32));
    assert_true(ethtool_features_to_modes(UINT32_MAX, supported, words, 2));
    assert_memory_equal(words, supported, sizeof words);
    /* None of the speeds. */
    assert_false(ethtool_features_to_modes(PORT_FEATURE_10GB_FD | PORT_FEATURE_AUTONEG, supported,
                                           words, 2));
    assert_false(ethtool_features_to_modes(0, supported, words, 2));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_mode_has_its_bit),
        cmocka_unit_test(modes_add_up_and_missing_words_are_nothing),
        cmocka_unit_test(the_link_as_it_is),
        cmocka_unit_test(features_become_the_modes_that_there_are),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
