/* SPDX-License-Identifier: Apache-2.0 */
/* Points at which a test may let another thread go on.
 *
 * What readers and the writer do in what order is what classifier and cache stand on,
 * and a race shows itself once in a million times if it is left to chance. A test that is
 * built with CLASSIFIER_RACE_POINTS decides at each point who runs next, so that it can
 * go through the orders there are. In the product, points are nothing. */
#ifndef SW_DATAPATH_CLASSIFIER_RACE_H
#define SW_DATAPATH_CLASSIFIER_RACE_H 1

#ifdef CLASSIFIER_RACE_POINTS
void race_point(void);    /* the test's */
#else
static inline void
race_point(void)
{
}
#endif

#endif /* sw-datapath/classifier_race.h */
