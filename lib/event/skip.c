/* SPDX-License-Identifier: MIT */
/*
 * Going past what nobody wants. Only what says where a value ends is looked at:
 * lengths, counts and branches, with the bounds that reading has. A block that says its
 * size is not entered. What a text, a key or a number holds is not seen.
 */
#include "event/plan_parts.h"

/* Texts and bytes, as most are, without a call. */
WALK_INLINE const uint8_t *skip_child(
        struct walk *walk, const uint8_t *at, const struct shape *shape)
{
	struct bytes bytes;

	return shape->kind == SHAPE_BYTES ? walk_bytes(walk, at, &bytes)
	                                  : shape_skip(walk, at, shape);
}

WALK_APART static const uint8_t *skip_members(
        struct walk *walk, const uint8_t *at, const struct shape *record)
{
	for (size_t i = 0; at != NULL && i < record->count; i++)
		at = skip_child(walk, at, record->children[i]);
	return at;
}

/* A negative count has the size of its block behind it, as bytes have theirs. */
WALK_APART static const uint8_t *skip_sized_blocks(
        struct walk *walk, const uint8_t *at, int64_t *count)
{
	struct bytes block;

	while (at != NULL && *count < 0) {
		at = walk_bytes(walk, at, &block);
		if (at != NULL)
			at = walk_long(walk, at, count);
	}
	return at;
}

WALK_INLINE const uint8_t *skip_items(struct walk *walk, const uint8_t *at,
        const struct shape *item, bool keyed, int64_t count)
{
	struct bytes key;

	for (; at != NULL && count > 0; count--) {
		if (keyed)
			at = walk_bytes(walk, at, &key);
		if (at != NULL)
			at = skip_child(walk, at, item);
	}
	return at;
}

WALK_APART static const uint8_t *skip_list(
        struct walk *walk, const uint8_t *at, const struct shape *list)
{
	const struct shape *item = list->children[0];
	bool keyed = list->kind == SHAPE_MAP;
	int64_t count = 0;

	do {
		at = walk_long(walk, at, &count);
		if (at != NULL && count < 0)
			at = skip_sized_blocks(walk, at, &count);
		if (at != NULL && count > 0)
			at = walk_count(
			        walk, at, (uint64_t)count, item->widthless && !keyed);
		at = at ? skip_items(walk, at, item, keyed, count) : NULL;
	} while (at != NULL && count != 0);
	return at;
}

WALK_APART static const uint8_t *skip_branch(
        struct walk *walk, const uint8_t *at, const struct shape *branches)
{
	size_t index;

	at = walk_index(walk, at, branches->count, &index);
	return at ? shape_skip(walk, at, branches->children[index]) : NULL;
}

WALK_APART static const uint8_t *skip_leaf(
        struct walk *walk, const uint8_t *at, const struct shape *shape)
{
	struct bytes bytes;
	int64_t number;
	size_t index;

	switch (shape->kind) {
	case SHAPE_BOOL:
		return walk_bool(walk, at, &number);
	case SHAPE_INT:
		return walk_int(walk, at, &number);
	case SHAPE_LONG:
		return walk_long(walk, at, &number);
	case SHAPE_FLOAT:
		return walk_fixed(walk, at, sizeof(float), &bytes);
	case SHAPE_DOUBLE:
		return walk_fixed(walk, at, sizeof(double), &bytes);
	case SHAPE_BYTES:
		return walk_bytes(walk, at, &bytes);
	case SHAPE_FIXED:
		return walk_fixed(walk, at, shape->size, &bytes);
	case SHAPE_ENUM:
		return walk_index(walk, at, shape->count, &index);
	default: /* null; a silent shape has no reader and so no other forms */
		return at;
	}
}

const uint8_t *shape_skip(
        struct walk *walk, const uint8_t *at, const struct shape *shape)
{
	switch (shape->kind) {
	case SHAPE_RECORD:
		return skip_members(walk, at, shape);
	case SHAPE_ARRAY:
	case SHAPE_MAP:
		return skip_list(walk, at, shape);
	case SHAPE_UNION:
		return skip_branch(walk, at, shape);
	default:
		return skip_leaf(walk, at, shape);
	}
}
