/* SPDX-License-Identifier: MIT */
#include "span.h"

#include <string.h>

bool span_add(struct span *span, struct topic_place place, int64_t end)
{
	if (span->count == SPAN_PARTITIONS)
		return false;
	span->places[span->count] = place;
	span->ends[span->count++] = end;
	return true;
}

void span_pass(struct span *span, const struct topic_record *record)
{
	for (size_t i = 0; i < span->count; i++)
		if (span->places[i].partition == record->partition
		        && strcmp(span->places[i].topic, record->topic) == 0)
			span->places[i].offset = record->offset + 1;
}

bool span_is_read(const struct span *span, const struct consumer *consumer)
{
	for (size_t i = 0; i < span->count; i++)
		if (consumer_beyond(consumer, span->places[i].topic,
		            span->places[i].partition, span->places[i].offset)
		        < span->ends[i])
			return false;
	return true;
}
