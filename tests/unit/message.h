/* SPDX-License-Identifier: MIT */
#ifndef TESTS_UNIT_MESSAGE_H
#define TESTS_UNIT_MESSAGE_H

/* Well-formed Avro bytes of any schema, made from a seed. */

#include "base/bytes.h"
#include "event/schema.h"

static uint32_t message_chance(uint64_t *seed, uint32_t below)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33) % below;
}

static void message_long(struct buffer *out, int64_t number)
{
	uint64_t raw = (uint64_t)number << 1 ^ (uint64_t)(number >> 63);

	for (; raw >= 0x80; raw >>= 7)
		buffer_append_byte(out, (uint8_t)(raw | 0x80));
	buffer_append_byte(out, (uint8_t)raw);
}

static void message_text(
        uint64_t *seed, const struct schema_node *node, struct buffer *out)
{
	static const char uuid[] = "0192f3a4-5678-7abc-8def-0123456789ab";
	static const char *const letters[] = { "a", "Z", "\"", "\\", "\n", "\xc3\xa9",
		"\xe2\x80\x99", "\xf0\x9f\xa5\x81" };
	struct buffer text = { 0 };
	uint32_t length = message_chance(seed, 20);

	if (node->logical == LOGICAL_UUID)
		buffer_append_text(&text, uuid);
	else if (node->logical == LOGICAL_DECIMAL)
		buffer_append_byte(&text, (uint8_t)message_chance(seed, 256));
	else
		for (uint32_t i = 0; i < length; i++)
			buffer_append_text(&text, letters[message_chance(seed, 8)]);
	message_long(out, (int64_t)text.size);
	buffer_append(out, text.data, text.size);
	buffer_clear(&text);
}

static void message_bytes(
        uint64_t *seed, const struct schema_node *node, struct buffer *out);

static void message_items(
        uint64_t *seed, const struct schema_node *node, struct buffer *out)
{
	uint32_t count = message_chance(seed, 4);

	if (count > 0)
		message_long(out, count);
	for (uint32_t i = 0; i < count; i++) {
		if (node->type == SCHEMA_MAP) {
			message_long(out, 1);
			buffer_append_byte(out, (uint8_t)('a' + i));
		}
		message_bytes(seed, node->items, out);
	}
	message_long(out, 0);
}

static void message_bytes(
        uint64_t *seed, const struct schema_node *node, struct buffer *out)
{
	static const uint8_t zeros[64];
	uint32_t pick;

	switch (node->type) {
	case SCHEMA_NULL:
		return;
	case SCHEMA_BOOLEAN:
		buffer_append_byte(out, (uint8_t)message_chance(seed, 2));
		return;
	case SCHEMA_INT:
	case SCHEMA_LONG:
		message_long(out, message_chance(seed, 1u << message_chance(seed, 31)));
		return;
	case SCHEMA_FLOAT:
	case SCHEMA_DOUBLE:
		buffer_append(out, zeros, node->type == SCHEMA_FLOAT ? 4 : 8);
		return;
	case SCHEMA_FIXED:
		buffer_append(out, zeros, node->size);
		return;
	case SCHEMA_BYTES:
	case SCHEMA_STRING:
		message_text(seed, node, out);
		return;
	case SCHEMA_ENUM:
		message_long(out, message_chance(seed, (uint32_t)node->symbol_count));
		return;
	case SCHEMA_RECORD:
		for (size_t i = 0; i < node->field_count; i++)
			message_bytes(seed, node->fields[i].type, out);
		return;
	case SCHEMA_ARRAY:
	case SCHEMA_MAP:
		message_items(seed, node, out);
		return;
	case SCHEMA_UNION:
		pick = message_chance(seed, (uint32_t)node->branch_count);
		message_long(out, pick);
		message_bytes(seed, node->branches[pick], out);
		return;
	}
}

#endif
