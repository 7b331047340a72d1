/* SPDX-License-Identifier: MIT */
/*
 * A shape is walked by recursion that is as deep as its schema, at most 32. With an
 * output it writes the JSON form of interfaces.md, without one it only keeps to the
 * bounds.
 */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "event/decimal.h"
#include "event/identity.h"
#include "event/plan_parts.h"

enum {
	MAX_WIDTHLESS = 4096,
	MAX_MAP = 1000, /* keys are compared with each other */
};

static void put_text(struct buffer *out, struct bytes text)
{
	if (out != NULL)
		buffer_append_json(out, text);
}

static bool walk_leaf_number(
        struct walk *walk, const struct shape *shape, struct buffer *out)
{
	char text[CLOCK_TEXT_BYTES];
	int64_t number;
	bool ok;

	if (shape->kind == SHAPE_DATE)
		ok = walk_date(walk, &number);
	else if (shape->kind == SHAPE_TIME)
		ok = walk_time(walk, &number);
	else if (shape->kind == SHAPE_INT)
		ok = walk_int(walk, &number);
	else if (shape->kind == SHAPE_LONG)
		ok = walk_long(walk, &number);
	else
		ok = walk_moment(walk, shape->kind == SHAPE_MILLIS, &number);
	if (!ok || out == NULL)
		return ok;
	if (shape->kind == SHAPE_INT || shape->kind == SHAPE_LONG
	        || shape->kind == SHAPE_TIME) {
		buffer_format(out, "%lld", (long long)number);
		return true;
	}
	if (shape->kind == SHAPE_DATE)
		clock_format_date((int32_t)number, text);
	else
		clock_format(number, text);
	buffer_append_json(out, bytes_of(text));
	return true;
}

static bool walk_leaf_real(
        struct walk *walk, const struct shape *shape, struct buffer *out)
{
	double number;

	if (shape->kind == SHAPE_FLOAT ? !walk_float(walk, &number)
	                               : !walk_double(walk, &number))
		return false;
	if (out == NULL)
		return true;
	if (!isfinite(number))
		return walk_fault(walk, "a number is not finite");
	buffer_format(out, "%.*g", shape->kind == SHAPE_FLOAT ? shape->precision : 17,
	        number);
	return true;
}

/* Bytes as Avro's JSON has them: each as the character of its number. */
static void put_bytes(struct buffer *out, struct bytes bytes)
{
	if (out == NULL)
		return;
	buffer_append_byte(out, '"');
	for (size_t i = 0; i < bytes.size; i++)
		buffer_format(out, "\\u%04x", bytes.data[i]);
	buffer_append_byte(out, '"');
}

static bool walk_leaf_bytes(
        struct walk *walk, const struct shape *shape, struct buffer *out)
{
	char text[DECIMAL_TEXT_BYTES];
	struct bytes bytes;
	decimal number;

	if (shape->kind == SHAPE_FIXED
	                        || (shape->kind == SHAPE_DECIMAL && shape->size > 0)
	                ? !walk_fixed(walk, shape->size, &bytes)
	                : !walk_bytes(walk, &bytes))
		return false;
	if (out == NULL)
		return true;
	if (shape->kind == SHAPE_BYTES || shape->kind == SHAPE_FIXED) {
		if (memchr(bytes.data, 0, bytes.size) != NULL)
			return walk_fault(walk, "bytes with a NUL cannot be JSON");
		put_bytes(out, bytes);
		return true;
	}
	if (shape->kind == SHAPE_DECIMAL) {
		if (!walk_decimal(walk, bytes, shape->precision)
		        || !decimal_read(bytes, &number))
			return false;
		decimal_format(number, shape->scale, text);
		put_text(out, bytes_of(text));
		return true;
	}
	if (shape->kind == SHAPE_UUID ? !identity_is_uuid(bytes)
	                              : !bytes_is_text(bytes))
		return walk_fault(walk, "text is not well-formed");
	put_text(out, bytes);
	return true;
}

static bool walk_enum(struct walk *walk, const struct shape *shape, struct buffer *out)
{
	size_t index;

	if (!walk_index(walk, shape->count, &index))
		return false;
	if (out != NULL && shape->symbols[index].data == NULL)
		return walk_fault(walk, "a symbol is unknown and has no default");
	if (out != NULL)
		put_text(out, shape->symbols[index]);
	return true;
}

static bool walk_members(
        struct walk *walk, const struct shape *shape, struct buffer *out)
{
	bool first = true;

	if (out != NULL)
		buffer_append_byte(out, '{');
	for (size_t i = 0; i < shape->count; i++) {
		const struct shape *child = shape->children[i];
		struct buffer *to = child->silent ? NULL : out;

		if (to != NULL) {
			if (!first)
				buffer_append_byte(to, ',');
			first = false;
			buffer_append(to, child->label.data, child->label.size);
		}
		if (!shape_walk(walk, child, to))
			return false;
	}
	if (out != NULL) {
		if (shape->defaults != NULL)
			buffer_append_text(out, shape->defaults + first);
		buffer_append_byte(out, '}');
	}
	return true;
}

struct blocks {
	uint64_t left;        /* items of the block at hand */
	uint64_t total;       /* items so far */
	const uint8_t *limit; /* where the block must end, NULL when it did not say */
};

/* Begin the next block: false when there is a fault; left is 0 at the end of all. */
static bool next_block(
        struct walk *walk, const struct shape *item, struct blocks *blocks)
{
	int64_t count;
	int64_t size = -1;

	if (blocks->limit != NULL && walk->at != blocks->limit)
		return walk_fault(walk, "a block does not end where it says");
	blocks->limit = NULL;
	if (!walk_long(walk, &count))
		return false;
	if (count < 0) {
		if (count == INT64_MIN || !walk_long(walk, &size))
			return walk_fault(walk, "a block's count is broken");
		if (size < 0 || size > walk->end - walk->at)
			return walk_fault(walk, "a block is longer than the value");
		blocks->limit = walk->at + size;
		count = -count;
	}
	blocks->left = (uint64_t)count;
	blocks->total += blocks->left;
	if (!item->widthless)
		return blocks->left <= (uint64_t)(walk->end - walk->at)
		       || walk_fault(walk, "a block has more items than bytes");
	if (blocks->left > MAX_WIDTHLESS - walk->widthless)
		return walk_fault(walk, "a list has too many empty items");
	walk->widthless += blocks->left;
	return true;
}

static bool walk_array(struct walk *walk, const struct shape *shape, struct buffer *out)
{
	struct blocks blocks = { 0 };
	bool first = true;

	if (out != NULL)
		buffer_append_byte(out, '[');
	for (;;) {
		if (!next_block(walk, shape->children[0], &blocks))
			return false;
		if (blocks.left == 0)
			break;
		for (; blocks.left > 0; blocks.left--) {
			if (out != NULL && !first)
				buffer_append_byte(out, ',');
			first = false;
			if (!shape_walk(walk, shape->children[0], out))
				return false;
		}
	}
	if (out != NULL)
		buffer_append_byte(out, ']');
	return true;
}

static bool walk_key(struct walk *walk, struct bytes *keys, size_t count)
{
	if (!walk_text(walk, &keys[count]))
		return false;
	for (size_t i = 0; i < count; i++)
		if (bytes_equal(keys[i], keys[count]))
			return walk_fault(walk, "a map has a key twice");
	return true;
}

static bool walk_entries(struct walk *walk, const struct shape *shape,
        struct buffer *out, struct bytes *keys)
{
	static const struct shape key = { .kind = SHAPE_TEXT };
	struct blocks blocks = { 0 };
	size_t count = 0;

	for (;;) {
		if (!next_block(walk, &key, &blocks))
			return false;
		if (blocks.left == 0)
			return true;
		if (blocks.total > MAX_MAP)
			return walk_fault(walk, "a map has more than 1000 entries");
		for (; blocks.left > 0; blocks.left--) {
			if (!walk_key(walk, keys, count))
				return false;
			if (out != NULL) {
				if (count > 0)
					buffer_append_byte(out, ',');
				put_text(out, keys[count]);
				buffer_append_byte(out, ':');
			}
			count++;
			if (!shape_walk(walk, shape->children[0], out))
				return false;
		}
	}
}

static bool walk_map(struct walk *walk, const struct shape *shape, struct buffer *out)
{
	struct bytes keys[MAX_MAP];

	if (out != NULL)
		buffer_append_byte(out, '{');
	if (!walk_entries(walk, shape, out, keys))
		return false;
	if (out != NULL)
		buffer_append_byte(out, '}');
	return true;
}

static bool walk_union(struct walk *walk, const struct shape *shape, struct buffer *out)
{
	size_t index;

	return walk_index(walk, shape->count, &index)
	       && shape_walk(walk, shape->children[index], out);
}

bool shape_walk(struct walk *walk, const struct shape *shape, struct buffer *out)
{
	int64_t number;

	switch (shape->kind) {
	case SHAPE_NULL:
		if (out != NULL)
			buffer_append_text(out, "null");
		return true;
	case SHAPE_BOOL:
		if (!walk_bool(walk, &number))
			return false;
		if (out != NULL)
			buffer_append_text(out, number ? "true" : "false");
		return true;
	case SHAPE_INT:
	case SHAPE_LONG:
	case SHAPE_DATE:
	case SHAPE_TIME:
	case SHAPE_MILLIS:
	case SHAPE_MICROS:
		return walk_leaf_number(walk, shape, out);
	case SHAPE_FLOAT:
	case SHAPE_DOUBLE:
		return walk_leaf_real(walk, shape, out);
	case SHAPE_TEXT:
	case SHAPE_BYTES:
	case SHAPE_FIXED:
	case SHAPE_UUID:
	case SHAPE_DECIMAL:
		return walk_leaf_bytes(walk, shape, out);
	case SHAPE_ENUM:
		return walk_enum(walk, shape, out);
	case SHAPE_RECORD:
		return walk_members(walk, shape, out);
	case SHAPE_ARRAY:
		return walk_array(walk, shape, out);
	case SHAPE_MAP:
		return walk_map(walk, shape, out);
	case SHAPE_UNION:
		return walk_union(walk, shape, out);
	case SHAPE_REFUSE:
		return out == NULL
		       || walk_fault(
		               walk, "the writer's type has no place in the reader's");
	}
	return false;
}
