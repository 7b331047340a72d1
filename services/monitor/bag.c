/* SPDX-License-Identifier: MIT */
#include "bag.h"

#include <stdlib.h>
#include <string.h>

bool bag_init(struct bag *bag, size_t wanted, struct fault *fault)
{
	bag->wanted = wanted > 0 ? wanted : 1;
	bag->items = calloc(2 * bag->wanted, sizeof *bag->items);
	return bag->items != NULL || fault_memory(fault);
}

void bag_clear(struct bag *bag)
{
	for (size_t i = 0; i < bag->count; i++)
		free(bag->items[i].text);
	free(bag->items);
	*bag = (struct bag){ 0 };
}

static int by_time(const void *a, const void *b)
{
	int64_t left = ((const struct bag_item *)a)->time_us;
	int64_t right = ((const struct bag_item *)b)->time_us;

	return (left > right) - (left < right);
}

const struct bag_item *bag_sort(struct bag *bag)
{
	size_t old = bag->count > bag->wanted ? bag->count - bag->wanted : 0;

	if (bag->count > 1)
		qsort(bag->items, bag->count, sizeof *bag->items, by_time);
	for (size_t i = 0; i < old; i++)
		free(bag->items[i].text);
	bag->count -= old;
	memmove(bag->items, bag->items + old, bag->count * sizeof *bag->items);
	return bag->items;
}

void bag_put(struct bag *bag, int64_t time_us, struct bytes text)
{
	uint8_t *copy = malloc(text.size + 1);

	if (copy == NULL)
		return;
	memcpy(copy, text.data, text.size);
	if (bag->count == 2 * bag->wanted)
		bag_sort(bag);
	bag->items[bag->count++] = (struct bag_item){ time_us, copy, text.size };
}
