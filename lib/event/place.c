/* SPDX-License-Identifier: MIT */
#include "event/place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void place_clear(struct place_stream *stream)
{
	free(stream->gaps);
	*stream = (struct place_stream){ 0 };
}

/* The first gap that ends at or after seq. */
static size_t find_gap(const struct place_stream *stream, int64_t seq)
{
	size_t low = 0;
	size_t high = stream->gap_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (stream->gaps[middle].to < seq)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

enum place place_of(const struct place_stream *stream, int64_t seq)
{
	size_t gap;

	if (stream->first_seq == 0)
		return seq > 0 ? PLACE_NEXT : PLACE_JUMP;
	if (seq == stream->high_seq + 1)
		return PLACE_NEXT;
	if (seq > stream->high_seq)
		return seq - stream->high_seq > PLACE_FARTHEST ? PLACE_JUMP : PLACE_GAP;
	if (seq < stream->first_seq)
		return seq < 1 || stream->first_seq - seq > PLACE_FARTHEST ? PLACE_JUMP
		                                                           : PLACE_LATE;
	gap = find_gap(stream, seq);
	return gap < stream->gap_count && stream->gaps[gap].from <= seq ? PLACE_LATE
	                                                                : PLACE_REPEAT;
}

static bool insert_gap(struct place_stream *stream, size_t at, int64_t from, int64_t to,
        struct fault *fault)
{
	if (from > to)
		return true;
	if (stream->gap_count == stream->gap_room) {
		size_t room = stream->gap_room ? stream->gap_room * 2 : 4;
		struct place_range *gaps = realloc(stream->gaps, room * sizeof *gaps);

		if (gaps == NULL)
			return fault_memory(fault);
		stream->gaps = gaps;
		stream->gap_room = room;
	}
	memmove(&stream->gaps[at + 1], &stream->gaps[at],
	        (stream->gap_count - at) * sizeof *stream->gaps);
	stream->gaps[at] = (struct place_range){ from, to };
	stream->gap_count++;
	return true;
}

/* Take one number out of the gap that holds it: shorter, gone, or two. */
static bool fill_gap(struct place_stream *stream, int64_t seq, struct fault *fault)
{
	size_t at = find_gap(stream, seq);
	struct place_range *gap = &stream->gaps[at];
	int64_t to = gap->to;

	if (gap->from == seq && to == seq) {
		memmove(gap, gap + 1, (--stream->gap_count - at) * sizeof *gap);
		return true;
	}
	if (gap->from == seq) {
		gap->from++;
		return true;
	}
	if (to != seq && !insert_gap(stream, at + 1, seq + 1, to, fault))
		return false;
	stream->gaps[at].to = seq - 1;
	return true;
}

bool place_take(struct place_stream *stream, int64_t seq, struct fault *fault)
{
	if (stream->first_seq == 0) {
		stream->first_seq = stream->high_seq = seq;
		return true;
	}
	if (seq > stream->high_seq) {
		if (!insert_gap(stream, stream->gap_count, stream->high_seq + 1,
		            seq - 1, fault))
			return false;
		stream->high_seq = seq;
		return true;
	}
	if (seq < stream->first_seq) {
		if (!insert_gap(stream, 0, seq + 1, stream->first_seq - 1, fault))
			return false;
		stream->first_seq = seq;
		return true;
	}
	return fill_gap(stream, seq, fault);
}

int64_t place_missing(const struct place_stream *stream)
{
	int64_t count = 0;

	for (size_t i = 0; i < stream->gap_count; i++)
		count += stream->gaps[i].to - stream->gaps[i].from + 1;
	return count;
}

void place_gaps_text(const struct place_stream *stream, struct buffer *out)
{
	buffer_append_byte(out, '{');
	for (size_t i = 0; i < stream->gap_count; i++)
		buffer_format(out, "%s[%lld,%lld)", i > 0 ? "," : "",
		        (long long)stream->gaps[i].from,
		        (long long)stream->gaps[i].to + 1);
	buffer_append_byte(out, '}');
}

bool place_gaps_parse(
        struct place_stream *stream, const char *text, struct fault *fault)
{
	const char *at = text + 1;

	stream->gap_count = 0;
	while (text[0] == '{' && *at != '}' && *at != '\0') {
		long long from;
		long long end;
		int used = 0;

		if (sscanf(at, "[%lld,%lld)%n", &from, &end, &used) != 2 || used == 0)
			break;
		if (!insert_gap(stream, stream->gap_count, from, end - 1, fault))
			return false;
		at += used + (at[used] == ',');
	}
	return (text[0] == '{' && *at == '}')
	       || fault_set(fault, FAULT_STOP, "the gaps of a stream cannot be read");
}
