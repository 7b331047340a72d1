/* SPDX-License-Identifier: MIT */
#ifndef BASE_SPREAD_H
#define BASE_SPREAD_H

/*
 * How spans of time are spread: a histogram with eight steps to each doubling, so that
 * any part of it is known to an eighth. 1.1 KB, whatever comes. Spans beyond 38 hours
 * count as 38 hours, negative ones as none.
 *
 * Held by value; zeroes are an empty one.
 */

#include <stdint.h>

enum { SPREAD_STEPS = 280 };

struct spread {
	uint32_t counts[SPREAD_STEPS];
	uint64_t total;
};

void spread_add(struct spread *spread, int64_t span_us);

/* Add what another one holds. */
void spread_take(struct spread *spread, const struct spread *other);

/* The span that so many of a thousand do not exceed: 500 is the median. -1: empty. */
int64_t spread_at(const struct spread *spread, int permille);

#endif
