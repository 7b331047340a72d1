/* SPDX-License-Identifier: MIT */
#include "flow/earlier.h"

#include <stdlib.h>
#include <string.h>

#include "flow/cases.h"

void earlier_clear(struct earlier *earlier)
{
	free(earlier->events);
	*earlier = (struct earlier){ 0 };
}

static bool same_event(
        const struct earlier_event *one, const struct earlier_event *other)
{
	return one->topic == other->topic && memcmp(one->id, other->id, 16) == 0;
}

static bool same_life(
        const struct earlier_event *one, const struct earlier_event *other)
{
	return memcmp(one->incarnation, other->incarnation, 16) == 0;
}

/* Where to begin looking for an event; the next place is one further, round the end. */
static size_t first_place(
        const struct earlier *earlier, const struct earlier_event *event)
{
	struct bytes id = { event->id, sizeof event->id };

	return (size_t)cases_hash(id) & (earlier->room - 1);
}

static size_t next_place(const struct earlier *earlier, size_t at)
{
	return (at + 1) & (earlier->room - 1);
}

/* Where the event of this life stands, or the free place where it would. */
static struct earlier_event *find(
        const struct earlier *earlier, const struct earlier_event *event)
{
	size_t at = first_place(earlier, event);

	while (earlier->events[at].topic != NULL
	        && !(same_event(&earlier->events[at], event)
	                && same_life(&earlier->events[at], event)))
		at = next_place(earlier, at);
	return &earlier->events[at];
}

static bool grow(struct earlier *earlier, struct fault *fault)
{
	struct earlier wider = { .room = earlier->room ? earlier->room * 2 : 64,
		.count = earlier->count };

	wider.events = calloc(wider.room, sizeof *wider.events);
	if (wider.events == NULL)
		return fault_memory(fault);
	for (size_t i = 0; i < earlier->room; i++)
		if (earlier->events[i].topic != NULL)
			*find(&wider, &earlier->events[i]) = earlier->events[i];
	free(earlier->events);
	*earlier = wider;
	return true;
}

bool earlier_add(
        struct earlier *earlier, const struct earlier_event *event, struct fault *fault)
{
	struct earlier_event *at;

	if (earlier->count * 2 >= earlier->room && !grow(earlier, fault))
		return false;
	at = find(earlier, event);
	if (at->topic == NULL)
		earlier->count++;
	else if (at->offset <= event->offset)
		return true;
	*at = *event;
	return true;
}

bool earlier_has(const struct earlier *earlier, const struct earlier_event *event)
{
	if (earlier->count == 0)
		return false;
	for (size_t at = first_place(earlier, event); earlier->events[at].topic != NULL;
	        at = next_place(earlier, at)) {
		const struct earlier_event *other = &earlier->events[at];

		if (same_event(other, event) && !same_life(other, event)
		        && other->offset < event->offset)
			return true;
	}
	return false;
}
