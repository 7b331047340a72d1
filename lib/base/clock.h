/* SPDX-License-Identifier: MIT */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

/*
 * Time: wall time is microseconds since 1970 UTC, as Avro's timestamp-micros has it;
 * the monotonic clock measures spans and never goes back. Text is RFC 3339.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum { CLOCK_TEXT_BYTES = 32 };

int64_t clock_wall_us(void);
int64_t clock_monotonic_us(void);

/* Whether the kernel says that somebody keeps the wall clock right: adjtimex(2). False
 * also where a sandbox forbids the question. */
bool clock_is_synced(void);

/* "2026-11-21T08:15:02.140000Z" (six decimals, always Z) for years 0001 to 9999. */
void clock_format(int64_t wall_us, char text[CLOCK_TEXT_BYTES]);

/* Append it as JSON; 0 is null. */
void clock_append_json(int64_t wall_us, struct buffer *out);

/*
 * RFC 3339 date-time with an offset; at most six decimals are kept, more are refused,
 * as is a leap second (no timestamp type of ours can hold one).
 */
MUST_CHECK bool clock_parse(struct bytes text, int64_t *out_wall_us);

/* "2026-11-21" to days since 1970-01-01, and back. */
MUST_CHECK bool clock_parse_date(struct bytes text, int32_t *out_days);
void clock_format_date(int32_t days, char text[CLOCK_TEXT_BYTES]);

#endif
