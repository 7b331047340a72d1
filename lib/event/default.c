/* SPDX-License-Identifier: MIT */
/* A reader's default, as Avro writes it in a schema, to constants of columns. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "event/plan_compile.h"

/* "\u00ff" is the byte ff: Avro 1.11, default of bytes and fixed. */
static struct bytes latin_bytes(struct compiler *compiler, const char *text)
{
	uint8_t *bytes = compile_alloc(compiler, strlen(text) + 1);
	size_t size = 0;

	for (const uint8_t *at = (const uint8_t *)text; bytes != NULL && *at != '\0';
	        at++) {
		uint8_t byte = *at;

		if (byte >= 0xC2 && byte <= 0xC3) {
			at++;
			byte = (uint8_t)(byte << 6 | (*at & 0x3F));
		}
		bytes[size++] = byte;
	}
	return (struct bytes){ bytes, size };
}

static bool json_text(struct compiler *compiler, const json_t *json, struct bytes *out)
{
	char *text = json_dumps(json, JSON_ENCODE_ANY | JSON_COMPACT);
	const char *copy = text ? compile_copy(compiler, text) : NULL;

	free(text);
	if (copy == NULL)
		return compiler->fault->kind != FAULT_NONE
		               ? false
		               : fault_memory(compiler->fault);
	*out = bytes_of(copy);
	return true;
}

static bool default_cell(struct compiler *compiler, const struct schema_node *node,
        const json_t *json, struct cell *cell)
{
	switch (node->type) {
	case SCHEMA_NULL:
		cell->is_null = true;
		return true;
	case SCHEMA_BOOLEAN:
		cell->integer = json_is_true(json);
		return true;
	case SCHEMA_INT:
	case SCHEMA_LONG:
		cell->integer = json_integer_value(json);
		if (node->logical == LOGICAL_TIMESTAMP_MILLIS)
			cell->integer *= 1000;
		return true;
	case SCHEMA_FLOAT:
	case SCHEMA_DOUBLE:
		cell->real = json_number_value(json);
		return true;
	case SCHEMA_BYTES:
	case SCHEMA_FIXED:
		cell->bytes = latin_bytes(compiler, json_string_value(json));
		return cell->bytes.data != NULL;
	case SCHEMA_STRING:
	case SCHEMA_ENUM:
		cell->bytes = bytes_of(json_string_value(json));
		cell->bytes.data = (const uint8_t *)compile_copy(
		        compiler, json_string_value(json));
		return cell->bytes.data != NULL;
	case SCHEMA_RECORD:
	case SCHEMA_ARRAY:
	case SCHEMA_MAP:
	case SCHEMA_UNION:
		break;
	}
	return json_text(compiler, json, &cell->bytes);
}

static bool default_node(struct compiler *compiler, const struct schema_node *node,
        const json_t *json, size_t *leaf);

static bool default_record(struct compiler *compiler, const struct schema_node *record,
        const json_t *json, size_t *leaf)
{
	for (size_t i = 0; i < record->field_count; i++) {
		const struct schema_field *field = &record->fields[i];
		json_t *member = json_object_get(json, field->name);
		bool ok;

		json_incref(member);
		if (member == NULL && field->standard != NULL)
			member = json_loads(field->standard, JSON_DECODE_ANY, NULL);
		ok = default_node(compiler, field->type, member, leaf);
		json_decref(member);
		if (!ok)
			return false;
	}
	return true;
}

/* json NULL: the record around it is null, and so is all within. */
static bool default_node(struct compiler *compiler, const struct schema_node *node,
        const json_t *json, size_t *leaf)
{
	const struct schema_node *inner = schema_without_null(node);
	bool is_null = json == NULL || (json_is_null(json) && schema_is_nullable(node));
	struct cell cell = { .is_null = is_null };
	int column;

	if (inner->type == SCHEMA_RECORD)
		return default_record(compiler, inner, is_null ? NULL : json, leaf);
	column = compiler->leaves[(*leaf)++].column;
	if (column < 0)
		return true;
	if (!is_null && !default_cell(compiler, inner, json, &cell))
		return false;
	return emit_constant(compiler, column, cell);
}

bool default_make(struct compiler *compiler, const struct schema_node *reader,
        const char *standard, size_t leaf)
{
	json_t *json = json_loads(standard, JSON_DECODE_ANY, NULL);
	bool ok = json ? default_node(compiler, reader, json, &leaf)
	               : fault_memory(compiler->fault);

	json_decref(json);
	return ok;
}
