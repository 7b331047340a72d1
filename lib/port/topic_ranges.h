/* SPDX-License-Identifier: MIT */
#ifndef PORT_TOPIC_RANGES_H
#define PORT_TOPIC_RANGES_H

/*
 * Ranges of partitions, from one time of the broker to another, each read on its own:
 * whoever puts several in one order needs the next of a certain one, and no memory for
 * what the others hold meanwhile.
 *
 * Promise: a range is what lies between two offsets, both known before reading begins;
 * each record of it comes once and in order, and nothing else does. No group, and
 * nothing is written to the broker.
 *
 * One thread owns a ranges.
 */

#include "port/topic_consumer.h"

struct ranges;

struct topic_range {
	const char *topic;
	int32_t partition;
	int64_t first; /* offset of the first record; end where there is none */
	int64_t end;   /* the one behind the last */
	int64_t low;   /* where the log begins: what was before is gone */
};

enum range_news {
	RANGE_NOTHING, /* nothing came within the time */
	RANGE_RECORDS,
	RANGE_ENDED,
	RANGE_FAULT,
};

/*
 * conf has brokers and the family kafka. About ahead_bytes of each partition are
 * fetched before they are asked for.
 */
MUST_CHECK bool ranges_open(struct ranges **out, const struct conf *conf,
        size_t ahead_bytes, struct fault *fault);
void ranges_close(struct ranges **ranges);

/* Partitions of a topic; 0 when it does not exist. */
MUST_CHECK bool ranges_partitions(struct ranges *ranges, const char *topic,
        int32_t *out_count, struct fault *fault);

/*
 * Fill first, end and low of each: the records whose time is from_us or later, and
 * earlier than to_us, as far as they are in the log now. Where the broker's clock was
 * set back, times do not grow; then the range ends at the first that is too late.
 */
MUST_CHECK bool ranges_find(struct ranges *ranges, int64_t from_us, int64_t to_us,
        struct topic_range *list, size_t count, struct fault *fault);

/*
 * Set each place's offset to its first record at or after time_us, or to the one behind
 * the last where there is none; INT64_MAX: all of them behind the last.
 */
MUST_CHECK bool ranges_offsets(struct ranges *ranges, int64_t time_us,
        struct topic_place *places, size_t count, struct fault *fault);

/* Begin to read; list must live until the close. */
MUST_CHECK bool ranges_start(struct ranges *ranges, const struct topic_range *list,
        size_t count, struct fault *fault);

/*
 * The next records of the index-th range, at most room: wait up to wait_ms for the
 * first. FAULT_STOP, code "offset": the log was cut meanwhile.
 */
enum range_news ranges_read(struct ranges *ranges, size_t index, int wait_ms,
        struct topic_record *records, size_t room, size_t *count, struct fault *fault);

/* Give back what a read lent, before the close. */
void ranges_release(struct topic_record *records, size_t count);

#endif
