/* SPDX-License-Identifier: MIT */
#ifndef EVENT_PLACE_H
#define EVENT_PLACE_H

/*
 * Where a number stands in its stream: what has come, what is missing. A stream is all
 * events of one village, incarnation and topic as one department has seen them.
 *
 * Promise: after any history of numbers, a number is applied at most once, and
 * first_seq..high_seq less the gaps is exactly what has come.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum { PLACE_FARTHEST = 1000000 };

enum place {
	PLACE_NEXT,   /* the one after the highest */
	PLACE_REPEAT, /* it has come before */
	PLACE_LATE,   /* it fills a gap, or comes from before the first */
	PLACE_GAP,    /* numbers between the highest and it are missing */
	PLACE_JUMP,   /* too far away to be believed */
};

struct place_range {
	int64_t from; /* missing from here */
	int64_t to;   /* to here, it included */
};

struct place_stream {
	int64_t first_seq; /* 0: nothing has come yet */
	int64_t high_seq;
	struct place_range *gaps; /* in order, apart from each other */
	size_t gap_count;
	size_t gap_room;
};

void place_clear(struct place_stream *stream);

/* Where the number would stand; the stream does not change. */
enum place place_of(const struct place_stream *stream, int64_t seq);

/* The number has come: any place but REPEAT and JUMP. */
MUST_CHECK bool place_take(
        struct place_stream *stream, int64_t seq, struct fault *fault);

/* How many numbers are missing. */
int64_t place_missing(const struct place_stream *stream);

/* The gaps as PostgreSQL writes an int8multirange: "{[5,8),[10,11)}"; and back. */
void place_gaps_text(const struct place_stream *stream, struct buffer *out);
MUST_CHECK bool place_gaps_parse(
        struct place_stream *stream, const char *text, struct fault *fault);

#endif
