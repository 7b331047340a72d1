/* SPDX-License-Identifier: MIT */
#ifndef EVENT_VALUE_H
#define EVENT_VALUE_H

/*
 * A checked value: a tree in the shape of its schema node, made by check from JSON and
 * read by the encoder. Its nodes live in an arena, which is used again from one event
 * to the next; its texts look into the document or the arena. A value is valid until
 * either ends.
 *
 * One thread owns an arena.
 */

#include "base/arena.h"
#include "base/bytes.h"
#include "event/schema.h"

struct value_entry; /* of a map */

struct value {
	const struct schema_node *node;
	size_t branch; /* chosen branch, where node is a union; then `item` is its value
	                */
	union {
		bool boolean;
		int64_t integer; /* int, long, date, timestamps, enum's symbol index */
		double real;
		struct bytes
		        bytes; /* string, bytes, fixed, decimal as two's complement */
		struct value *item; /* union */
		struct {
			struct value
			        *values; /* record's fields in schema order; array */
			size_t count;
		} list;
		struct {
			struct value_entry *entries;
			size_t count;
		} map;
	};
};

struct value_entry {
	struct bytes key;
	struct value value;
};

/*
 * Fill a head field of a checked record. Text is copied into the arena. The field
 * must exist with a fitting type, and symbol must be one of its enum's: asserts.
 */
MUST_CHECK bool value_set_text(struct arena *arena, struct value *record,
        const char *field, struct bytes text, struct fault *fault);
void value_set_long(struct value *record, const char *field, int64_t number);
void value_set_symbol(struct value *record, const char *field, const char *symbol);

/* Read a head field: empty bytes, 0 or false where it is null or absent. */
struct bytes value_text(const struct value *record, const char *field);
MUST_CHECK bool value_long(const struct value *record, const char *field, int64_t *out);

#endif
