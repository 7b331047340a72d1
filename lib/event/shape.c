/* SPDX-License-Identifier: MIT */
/*
 * A shape is walked by recursion that is as deep as its schema, at most 32, and written
 * in the JSON form of interfaces.md.
 */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "event/decimal.h"
#include "event/identity.h"
#include "event/plan_parts.h"

enum { MAX_MAP = 1000 }; /* keys are compared with each other */

static void put_number(struct buffer *out, enum shape_kind kind, int64_t number)
{
	char text[CLOCK_TEXT_BYTES];

	if (kind == SHAPE_INT || kind == SHAPE_LONG || kind == SHAPE_TIME) {
		buffer_format(out, "%lld", (long long)number);
		return;
	}
	if (kind == SHAPE_DATE)
		clock_format_date((int32_t)number, text);
	else
		clock_format(number, text);
	buffer_append_json(out, bytes_of(text));
}

WALK_APART static const uint8_t *walk_leaf_number(struct walk *walk, const uint8_t *at,
        const struct shape *shape, struct buffer *out)
{
	int64_t number = 0;

	if (shape->kind == SHAPE_DATE)
		at = walk_date(walk, at, &number);
	else if (shape->kind == SHAPE_TIME)
		at = walk_time(walk, at, &number);
	else if (shape->kind == SHAPE_INT)
		at = walk_int(walk, at, &number);
	else if (shape->kind == SHAPE_LONG)
		at = walk_long(walk, at, &number);
	else if (shape->kind == SHAPE_MILLIS)
		at = walk_millis(walk, at, &number);
	else
		at = walk_micros(walk, at, &number);
	if (at != NULL)
		put_number(out, shape->kind, number);
	return at;
}

WALK_APART static const uint8_t *walk_leaf_real(struct walk *walk, const uint8_t *at,
        const struct shape *shape, struct buffer *out)
{
	bool is_float = shape->kind == SHAPE_FLOAT;
	double number;

	at = is_float ? walk_float(walk, at, &number) : walk_double(walk, at, &number);
	if (at == NULL)
		return at;
	if (!isfinite(number))
		return walk_refuse(walk, at, "a number is not finite");
	buffer_format(out, "%.*g", is_float ? shape->precision : 17, number);
	return at;
}

/* Bytes as Avro's JSON has them: each as the character of its number. */
static const uint8_t *put_bytes(
        struct walk *walk, const uint8_t *at, struct bytes bytes, struct buffer *out)
{
	if (memchr(bytes.data, 0, bytes.size) != NULL)
		return walk_refuse(walk, at, "bytes with a NUL cannot be JSON");
	buffer_append_byte(out, '"');
	for (size_t i = 0; i < bytes.size; i++)
		buffer_format(out, "\\u%04x", bytes.data[i]);
	buffer_append_byte(out, '"');
	return at;
}

static const uint8_t *put_decimal(struct walk *walk, const uint8_t *at,
        const struct shape *shape, struct bytes bytes, struct buffer *out)
{
	char text[DECIMAL_TEXT_BYTES];
	decimal number;

	at = walk_check_decimal(walk, at, bytes, shape->precision);
	if (at == NULL || !decimal_read(bytes, &number))
		return NULL;
	decimal_format(number, shape->scale, text);
	buffer_append_json(out, bytes_of(text));
	return at;
}

WALK_APART static const uint8_t *walk_leaf_bytes(struct walk *walk, const uint8_t *at,
        const struct shape *shape, struct buffer *out)
{
	bool is_fixed = shape->kind == SHAPE_FIXED
	                || (shape->kind == SHAPE_DECIMAL && shape->size > 0);
	struct bytes bytes;

	at = is_fixed ? walk_fixed(walk, at, shape->size, &bytes)
	              : walk_bytes(walk, at, &bytes);
	if (at == NULL)
		return at;
	if (shape->kind == SHAPE_BYTES || shape->kind == SHAPE_FIXED)
		return put_bytes(walk, at, bytes, out);
	if (shape->kind == SHAPE_DECIMAL)
		return put_decimal(walk, at, shape, bytes, out);
	if (!identity_is_uuid(bytes))
		return walk_refuse(walk, at, "text is no UUID");
	buffer_append_json(out, bytes);
	return at;
}

WALK_APART static const uint8_t *walk_leaf_text(
        struct walk *walk, const uint8_t *at, struct buffer *out)
{
	struct bytes text;

	at = walk_bytes(walk, at, &text);
	if (at != NULL && !buffer_append_json_checked(out, text))
		return walk_refuse(walk, at, "text is not UTF-8 without NUL");
	return at;
}

WALK_APART static const uint8_t *walk_enum(struct walk *walk, const uint8_t *at,
        const struct shape *shape, struct buffer *out)
{
	size_t index;

	at = walk_index(walk, at, shape->count, &index);
	if (at == NULL)
		return at;
	if (shape->symbols[index].data == NULL)
		return walk_refuse(walk, at, "a symbol is unknown and has no default");
	buffer_append_json(out, shape->symbols[index]);
	return at;
}

WALK_APART static const uint8_t *walk_members(struct walk *walk, const uint8_t *at,
        const struct shape *shape, struct buffer *out)
{
	bool first = true;

	buffer_append_byte(out, '{');
	for (size_t i = 0; at != NULL && i < shape->count; i++) {
		const struct shape *child = shape->children[i];

		if (child->silent) {
			at = shape_skip(walk, at, child);
			continue;
		}
		if (!first)
			buffer_append_byte(out, ',');
		first = false;
		buffer_append(out, child->label.data, child->label.size);
		at = shape_walk(walk, at, child, out);
	}
	if (shape->defaults != NULL)
		buffer_append_text(out, shape->defaults + first);
	buffer_append_byte(out, '}');
	return at;
}

struct blocks {
	uint64_t left;        /* items of the block at hand */
	uint64_t total;       /* items so far */
	const uint8_t *limit; /* where the block must end, NULL when it did not say */
};

/* A block that says its size: where it must end. */
static const uint8_t *take_size(
        struct walk *walk, const uint8_t *at, int64_t *count, struct blocks *blocks)
{
	int64_t size = 0;

	if (*count == INT64_MIN)
		return walk_refuse(walk, at, "a block's count is broken");
	at = walk_long(walk, at, &size);
	if (at == NULL)
		return NULL;
	if (size < 0 || size > walk->end - at)
		return walk_refuse(walk, at, "a block is longer than the value");
	blocks->limit = at + size;
	*count = -*count;
	return at;
}

/* Begin the next block; left is 0 at the end of all. */
static const uint8_t *next_block(struct walk *walk, const uint8_t *at,
        const struct shape *item, struct blocks *blocks)
{
	int64_t count = 0;

	if (blocks->limit != NULL && at != blocks->limit)
		return walk_refuse(walk, at, "a block does not end where it says");
	blocks->limit = NULL;
	at = walk_long(walk, at, &count);
	if (at != NULL && count < 0)
		at = take_size(walk, at, &count, blocks);
	if (at == NULL)
		return NULL;
	blocks->left = (uint64_t)count;
	blocks->total += blocks->left;
	return walk_count(walk, at, blocks->left, item->widthless);
}

WALK_APART static const uint8_t *walk_array(struct walk *walk, const uint8_t *at,
        const struct shape *shape, struct buffer *out)
{
	struct blocks blocks = { 0 };
	bool first = true;

	buffer_append_byte(out, '[');
	for (;;) {
		at = next_block(walk, at, shape->children[0], &blocks);
		if (at == NULL || blocks.left == 0)
			break;
		for (; blocks.left > 0; blocks.left--) {
			if (!first)
				buffer_append_byte(out, ',');
			first = false;
			at = shape_walk(walk, at, shape->children[0], out);
			if (at == NULL)
				return NULL;
		}
	}
	buffer_append_byte(out, ']');
	return at;
}

static const uint8_t *walk_key(
        struct walk *walk, const uint8_t *at, struct bytes *keys, size_t count)
{
	at = walk_text(walk, at, &keys[count]);
	for (size_t i = 0; at != NULL && i < count; i++)
		if (bytes_equal(keys[i], keys[count]))
			return walk_refuse(walk, at, "a map has a key twice");
	return at;
}

static const uint8_t *walk_entry(struct walk *walk, const uint8_t *at,
        const struct shape *value, struct buffer *out, struct bytes *keys, size_t count)
{
	at = walk_key(walk, at, keys, count);
	if (at == NULL)
		return NULL;
	if (count > 0)
		buffer_append_byte(out, ',');
	buffer_append_json(out, keys[count]);
	buffer_append_byte(out, ':');
	return shape_walk(walk, at, value, out);
}

static const uint8_t *walk_entries(struct walk *walk, const uint8_t *at,
        const struct shape *shape, struct buffer *out, struct bytes *keys)
{
	static const struct shape key = { .kind = SHAPE_TEXT };
	struct blocks blocks = { 0 };
	size_t count = 0;

	for (;;) {
		at = next_block(walk, at, &key, &blocks);
		if (at == NULL || blocks.left == 0)
			return at;
		if (blocks.total > MAX_MAP)
			return walk_refuse(
			        walk, at, "a map has more than 1000 entries");
		for (; blocks.left > 0; blocks.left--) {
			at = walk_entry(
			        walk, at, shape->children[0], out, keys, count++);
			if (at == NULL)
				return NULL;
		}
	}
}

WALK_APART static const uint8_t *walk_map(struct walk *walk, const uint8_t *at,
        const struct shape *shape, struct buffer *out)
{
	struct bytes keys[MAX_MAP];

	buffer_append_byte(out, '{');
	at = walk_entries(walk, at, shape, out, keys);
	buffer_append_byte(out, '}');
	return at;
}

WALK_APART static const uint8_t *walk_union(struct walk *walk, const uint8_t *at,
        const struct shape *shape, struct buffer *out)
{
	size_t index;

	at = walk_index(walk, at, shape->count, &index);
	return at ? shape_walk(walk, at, shape->children[index], out) : NULL;
}

WALK_APART static const uint8_t *walk_truth(
        struct walk *walk, const uint8_t *at, struct buffer *out)
{
	int64_t number = 0;

	at = walk_bool(walk, at, &number);
	if (at != NULL)
		buffer_append_text(out, number ? "true" : "false");
	return at;
}

const uint8_t *shape_walk(struct walk *walk, const uint8_t *at,
        const struct shape *shape, struct buffer *out)
{
	switch (shape->kind) {
	case SHAPE_NULL:
		buffer_append_text(out, "null");
		return at;
	case SHAPE_BOOL:
		return walk_truth(walk, at, out);
	case SHAPE_INT:
	case SHAPE_LONG:
	case SHAPE_DATE:
	case SHAPE_TIME:
	case SHAPE_MILLIS:
	case SHAPE_MICROS:
		return walk_leaf_number(walk, at, shape, out);
	case SHAPE_FLOAT:
	case SHAPE_DOUBLE:
		return walk_leaf_real(walk, at, shape, out);
	case SHAPE_TEXT:
		return walk_leaf_text(walk, at, out);
	case SHAPE_BYTES:
	case SHAPE_FIXED:
	case SHAPE_UUID:
	case SHAPE_DECIMAL:
		return walk_leaf_bytes(walk, at, shape, out);
	case SHAPE_ENUM:
		return walk_enum(walk, at, shape, out);
	case SHAPE_RECORD:
		return walk_members(walk, at, shape, out);
	case SHAPE_ARRAY:
		return walk_array(walk, at, shape, out);
	case SHAPE_MAP:
		return walk_map(walk, at, shape, out);
	case SHAPE_UNION:
		return walk_union(walk, at, shape, out);
	case SHAPE_REFUSE:
		break;
	}
	return walk_refuse(walk, at, "the writer's type has no place in the reader's");
}
