/* SPDX-License-Identifier: Apache-2.0 */
/* What devices can do, as hw-probe and hw_json_probe() say it: as a matrix for people, and what
 * one device has that another has not. */
#ifndef TOOLS_TURNOUTCTL_HW_CAPS_H
#define TOOLS_TURNOUTCTL_HW_CAPS_H 1

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Prints a device: its settings and limits, then a line for each thing with a column for each of
 * its tables, at most 'width' columns wide (0: unlimited). */
void hw_caps_print(const json_t *device, FILE *, size_t width);

/* Compares two arrays of devices. A new array of {"driver", "table" (null: the device), "what",
 * "a", "b"}, texts of which "a" or "b" is null where there is no such device, table or
 * thing: empty if they can do the same. Settings are not compared. NULL without memory. */
json_t *hw_caps_diff(const json_t *a, const json_t *b);

#endif /* tools/turnoutctl/hw_caps.h */
