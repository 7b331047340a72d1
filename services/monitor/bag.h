/* SPDX-License-Identifier: MIT */
#ifndef MONITOR_BAG_H
#define MONITOR_BAG_H

/*
 * The newest of what comes in no order, partition after partition while the last day is
 * read: at most twice as many as are wanted, whatever comes.
 *
 * One thread owns it. Held by value; bag_clear() ends it.
 */

#include <stdint.h>

#include "base/bytes.h"

struct bag_item {
	int64_t time_us;
	uint8_t *text;
	size_t size;
};

struct bag {
	struct bag_item *items;
	size_t count;
	size_t wanted;
};

MUST_CHECK bool bag_init(struct bag *bag, size_t wanted, struct fault *fault);
void bag_clear(struct bag *bag);

/* The text is copied; one that memory does not suffice for is left out. */
void bag_put(struct bag *bag, int64_t time_us, struct bytes text);

/* In the order of their times, the wanted ones only; count of them is bag->count. */
const struct bag_item *bag_sort(struct bag *bag);

#endif
