/* SPDX-License-Identifier: MIT */
#include "flow/anchor.h"

/* The offset of the first record at or after the time; INT64_MAX: there is none. */
static bool first_at(struct consumer *consumer, const char *topic, int32_t partition,
        int64_t time_ms, int64_t *out, struct fault *fault)
{
	struct topic_place place = { topic, partition, 0 };

	if (!consumer_offsets_at(consumer, time_ms * 1000, &place, 1, fault))
		return false;
	*out = place.offset >= 0 ? place.offset : INT64_MAX;
	return true;
}

static bool look_for(struct consumer *consumer, const char *topic, int32_t partition,
        const struct spool_anchor *anchor, enum anchor_state *out, struct fault *fault)
{
	int64_t from;
	int64_t beyond;
	int64_t low;
	int64_t high;

	*out = ANCHOR_NONE;
	if (anchor->offset < 0)
		return true;
	if (!first_at(consumer, topic, partition, anchor->appended_at_ms, &from, fault)
	        || !first_at(consumer, topic, partition, anchor->appended_at_ms + 1,
	                &beyond, fault)
	        || !consumer_bounds(consumer, topic, partition, &low, &high, fault))
		return false;
	if (low > anchor->offset)
		return true;
	*out = high <= anchor->offset                              ? ANCHOR_GONE
	       : from <= anchor->offset && anchor->offset < beyond ? ANCHOR_HOLDS
	                                                           : ANCHOR_DIFFERS;
	return true;
}

enum anchor_verdict anchor_judge(enum anchor_state anchor, enum anchor_state newest)
{
	if (anchor == ANCHOR_GONE || newest == ANCHOR_GONE)
		return VERDICT_OTHER;
	if (newest == ANCHOR_DIFFERS)
		return VERDICT_OPEN;
	if (anchor == ANCHOR_DIFFERS)
		return VERDICT_OTHER;
	return newest == ANCHOR_HOLDS ? VERDICT_SAME : VERDICT_OPEN;
}

/* A record that was seen needs no second look; one that was not is its own witness. */
static struct spool_anchor later(
        const struct spool_anchor *anchor, const struct spool_anchor *newest)
{
	static const struct spool_anchor none = { .offset = SPOOL_OFFSET_UNKNOWN };

	if (newest->offset > anchor->offset)
		return *newest;
	return anchor->seen ? none : *anchor;
}

bool anchor_compare(struct consumer *consumer, const char *topic, int32_t partition,
        const struct spool_anchor *anchor, const struct spool_anchor *newest,
        enum anchor_verdict *out, struct spool_anchor *next, struct fault *fault)
{
	enum anchor_state anchor_state;
	enum anchor_state next_state;

	*next = later(anchor, newest);
	if (!look_for(consumer, topic, partition, anchor, &anchor_state, fault)
	        || !look_for(consumer, topic, partition, next, &next_state, fault))
		return false;
	next->seen = true;
	*out = anchor_judge(anchor_state, next_state);
	return true;
}
