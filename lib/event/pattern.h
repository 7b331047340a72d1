/* SPDX-License-Identifier: MIT */
#ifndef EVENT_PATTERN_H
#define EVENT_PATTERN_H

/*
 * The regular expressions that a schema may ask of a text: those that POSIX, by which
 * the gateway reads them, and JSON Schema, by which a sender does, take for the same,
 * and whose cost is bounded. They are of ASCII: literals, \ before a sign, [classes]
 * without ^ and \, (groups), |, ^, $, and one of * + ? {m} {m,n} behind what it counts;
 * a group may not be counted by {}, since nested counts multiply.
 */

#include <stdbool.h>

bool pattern_is_clear(const char *pattern);

#endif
