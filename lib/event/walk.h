/* SPDX-License-Identifier: MIT */
#ifndef EVENT_WALK_H
#define EVENT_WALK_H

/*
 * The smallest steps over Avro's binary encoding, each with its bound. A step begins at
 * `at` and returns the place behind what it read, or NULL when that is not well-formed:
 * then walk says what and where. The place is handed from step to step and not kept in
 * memory, which is half of the speed; the steps that every field takes are inline.
 */

#include "base/bytes.h"
#include "base/fault.h"
#include "base/lanes.h"

/*
 * What nearly every field takes belongs into the loop of its caller; what is seldom is
 * not worth the room that it would take there. The compiler guesses otherwise.
 */
#define WALK_INLINE static inline __attribute__((always_inline))
#define WALK_APART  __attribute__((noinline))

struct walk {
	const uint8_t *end;
	uint64_t widthless; /* items without bytes so far */
	const char *what;   /* of a fault; NULL while there is none */
	const uint8_t *where;
};

/* Note what is wrong at a place. Always NULL, so that refusing is one line. */
const uint8_t *walk_refuse(struct walk *walk, const uint8_t *at, const char *what);

/* FAULT_REJECT with path, byte and what is wrong. Always false. */
bool walk_fault(const struct walk *walk, const uint8_t *start, const char *path,
        struct fault *fault);

const uint8_t *walk_long_slow(struct walk *walk, const uint8_t *at, int64_t *out);
const uint8_t *walk_bool(struct walk *walk, const uint8_t *at, int64_t *out);
const uint8_t *walk_float(struct walk *walk, const uint8_t *at, double *out);
const uint8_t *walk_double(struct walk *walk, const uint8_t *at, double *out);

/* The ranges of what PostgreSQL can hold. */
const uint8_t *walk_date(struct walk *walk, const uint8_t *at, int64_t *out);
const uint8_t *walk_time(struct walk *walk, const uint8_t *at, int64_t *out);
const uint8_t *walk_millis(struct walk *walk, const uint8_t *at, int64_t *out);
const uint8_t *walk_micros(struct walk *walk, const uint8_t *at, int64_t *out);

/* Whether a block may have so many items: as many as bytes are left, and of those that
 * take none a few thousand in a value.
 */
const uint8_t *walk_count(
        struct walk *walk, const uint8_t *at, uint64_t count, bool widthless);

/* Look at bytes that were read up to at. */
const uint8_t *walk_check_decimal(
        struct walk *walk, const uint8_t *at, struct bytes bytes, int precision);

WALK_INLINE const uint8_t *walk_long(struct walk *walk, const uint8_t *at, int64_t *out)
{
	if (at < walk->end && *at < 0x80) {
		*out = (int64_t)(*at >> 1) ^ -(int64_t)(*at & 1);
		return at + 1;
	}
	return walk_long_slow(walk, at, out);
}

WALK_INLINE const uint8_t *walk_int(struct walk *walk, const uint8_t *at, int64_t *out)
{
	at = walk_long(walk, at, out);
	if (at != NULL && *out != (int32_t)*out)
		return walk_refuse(walk, at, "a number does not fit 32 bits");
	return at;
}

/* Lengths and indexes: nearly all are below 64, one byte whose lowest bit is not set.
 */
WALK_INLINE const uint8_t *walk_size(struct walk *walk, const uint8_t *at, int64_t *out)
{
	if (at < walk->end && (*at & 0x81) == 0) {
		*out = *at >> 1;
		return at + 1;
	}
	return walk_long_slow(walk, at, out);
}

WALK_INLINE const uint8_t *walk_index(
        struct walk *walk, const uint8_t *at, size_t count, size_t *out)
{
	int64_t index = 0;

	at = walk_size(walk, at, &index);
	if (at != NULL && (uint64_t)index >= count)
		return walk_refuse(walk, at, "an index is out of range");
	*out = (size_t)index;
	return at;
}

WALK_INLINE const uint8_t *walk_fixed(
        struct walk *walk, const uint8_t *at, size_t size, struct bytes *out)
{
	if ((size_t)(walk->end - at) < size)
		return walk_refuse(walk, at, "the value ends too early");
	*out = (struct bytes){ at, size };
	return at + size;
}

WALK_INLINE const uint8_t *walk_bytes(
        struct walk *walk, const uint8_t *at, struct bytes *out)
{
	int64_t size = 0;

	at = walk_size(walk, at, &size);
	if (at == NULL)
		return NULL;
	if ((uint64_t)size > (uint64_t)(walk->end - at))
		return walk_refuse(walk, at, "a length is beyond the end of the value");
	*out = (struct bytes){ at, (size_t)size };
	return at + size;
}

/* A short text is looked at together with what stands behind it. */
WALK_INLINE bool walk_is_text(const struct walk *walk, struct bytes text)
{
	if (text.size <= LANES && walk->end - text.data >= LANES
	        && lanes_all(lanes_plain(lanes_at(text.data)) | lanes_from(text.size)))
		return true;
	return bytes_is_text(text);
}

WALK_INLINE const uint8_t *walk_text(
        struct walk *walk, const uint8_t *at, struct bytes *out)
{
	struct bytes text;

	at = walk_bytes(walk, at, &text);
	if (at == NULL)
		return NULL;
	*out = text;
	if (!walk_is_text(walk, text))
		return walk_refuse(walk, at, "text is not UTF-8 without NUL");
	return at;
}

#endif
