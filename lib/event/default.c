/* SPDX-License-Identifier: MIT */
/*
 * A reader's default becomes constants of columns. It is written as the bytes that a
 * writer would have sent, and the operation that reads such bytes reads them once,
 * while the plan is compiled: so a default has the forms and the ranges of a value.
 */
#include <string.h>

#include <jansson.h>

#include "event/plan_compile.h"

static void put_long(struct buffer *out, int64_t number)
{
	uint64_t raw = (uint64_t)number << 1 ^ (uint64_t)(number >> 63);

	for (; raw >= 0x80; raw >>= 7)
		buffer_append_byte(out, (uint8_t)(raw | 0x80));
	buffer_append_byte(out, (uint8_t)raw);
}

static void put_text(struct buffer *out, const char *text, size_t size)
{
	put_long(out, (int64_t)size);
	buffer_append(out, text, size);
}

/* "\u00ff" is the byte ff: Avro 1.11, default of bytes and fixed. */
static void put_bytes(struct buffer *out, const json_t *json, bool sized)
{
	const uint8_t *text = (const uint8_t *)json_string_value(json);
	size_t size = json_string_length(json);
	size_t lead = 0; /* bytes that only lead another */

	for (size_t i = 0; i < size; i++)
		lead += text[i] >= 0xC2;
	if (sized)
		put_long(out, (int64_t)(size - lead));
	for (size_t i = 0; i < size; i++) {
		uint8_t byte = text[i];

		if (byte >= 0xC2)
			byte = (uint8_t)(byte << 6 | (text[++i] & 0x3F));
		buffer_append_byte(out, byte);
	}
}

static void put_symbol(
        struct buffer *out, const struct schema_node *node, const json_t *json)
{
	size_t i = 0;

	while (i + 1 < node->symbol_count
	        && strcmp(node->symbols[i], json_string_value(json)) != 0)
		i++;
	put_long(out, (int64_t)i);
}

static void put_value(
        struct buffer *out, const struct schema_node *node, const json_t *json);

static void put_record(
        struct buffer *out, const struct schema_node *node, const json_t *json)
{
	for (size_t i = 0; i < node->field_count; i++) {
		const struct schema_field *field = &node->fields[i];
		json_t *member = json_incref(json_object_get(json, field->name));

		if (member == NULL)
			member = json_loads(field->standard,
			        JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		out->failed = out->failed || member == NULL;
		if (member != NULL)
			put_value(out, field->type, member);
		json_decref(member);
	}
}

static void put_list(
        struct buffer *out, const struct schema_node *node, const json_t *json)
{
	size_t count = json_array_size(json);

	if (count > 0)
		put_long(out, (int64_t)count);
	for (size_t i = 0; i < count; i++)
		put_value(out, node->items, json_array_get(json, i));
	put_long(out, 0);
}

static void put_map(
        struct buffer *out, const struct schema_node *node, const json_t *json)
{
	size_t count = json_object_size(json);
	const char *key;
	json_t *member;

	if (count > 0)
		put_long(out, (int64_t)count);
	json_object_foreach((json_t *)json, key, member)
	{
		put_text(out, key, strlen(key));
		put_value(out, node->items, member);
	}
	put_long(out, 0);
}

static void put_real(
        struct buffer *out, const struct schema_node *node, const json_t *json)
{
	double number = json_number_value(json);
	float small = (float)number;

	if (node->type == SCHEMA_FLOAT)
		buffer_append(out, &small, sizeof small);
	else
		buffer_append(out, &number, sizeof number);
}

/* The parser of schemas has seen that a default fits its type. */
static void put_value(
        struct buffer *out, const struct schema_node *node, const json_t *json)
{
	switch (node->type) {
	case SCHEMA_NULL:
		break;
	case SCHEMA_BOOLEAN:
		buffer_append_byte(out, json_is_true(json));
		break;
	case SCHEMA_INT:
	case SCHEMA_LONG:
		put_long(out, json_integer_value(json));
		break;
	case SCHEMA_FLOAT:
	case SCHEMA_DOUBLE:
		put_real(out, node, json);
		break;
	case SCHEMA_BYTES:
	case SCHEMA_FIXED:
		put_bytes(out, json, node->type == SCHEMA_BYTES);
		break;
	case SCHEMA_STRING:
		put_text(out, json_string_value(json), json_string_length(json));
		break;
	case SCHEMA_ENUM:
		put_symbol(out, node, json);
		break;
	case SCHEMA_RECORD:
		put_record(out, node, json);
		break;
	case SCHEMA_ARRAY:
		put_list(out, node, json);
		break;
	case SCHEMA_MAP:
		put_map(out, node, json);
		break;
	case SCHEMA_UNION: /* a union's default is of its first branch */
		put_long(out, 0);
		put_value(out, node->branches[0], json);
		break;
	}
}

/* The default's bytes, which live as long as the plan. */
static const uint8_t *default_bytes(struct compiler *compiler,
        const struct schema_node *node, const json_t *json, struct walk *out)
{
	struct buffer bytes = { 0 };
	uint8_t *copy = NULL;
	size_t size;

	put_value(&bytes, node, json);
	size = bytes.size;
	if (buffer_ok(&bytes, compiler->fault))
		copy = compile_alloc(compiler, size + 1);
	if (copy != NULL && size > 0)
		memcpy(copy, bytes.data, size);
	buffer_clear(&bytes);
	*out = (struct walk){ .end = copy ? copy + size : NULL };
	return copy;
}

static bool default_fault(
        struct compiler *compiler, const struct walk *walk, const uint8_t *start)
{
	walk_fault(walk, start, compiler->path, compiler->fault);
	return fault_wrap(compiler->fault, "default");
}

static bool keep_json(
        struct compiler *compiler, struct cell *cell, struct buffer *scratch)
{
	if (!buffer_ok(scratch, compiler->fault))
		return false;
	cell->bytes.data =
	        (const uint8_t *)compile_copy(compiler, (const char *)scratch->data);
	cell->json_offset = 0;
	return cell->bytes.data != NULL;
}

/* Read the default by the operation that reads its type; that becomes the constant. */
static bool default_leaf(struct compiler *compiler, const struct schema_node *node,
        const json_t *json, int column)
{
	struct op *op = emit_leaf(compiler, node, node, column);
	struct buffer scratch = { 0 };
	struct walk walk;
	const uint8_t *start = op ? default_bytes(compiler, node, json, &walk) : NULL;
	bool ok;

	if (start == NULL)
		return false;
	ok = op_fill(&walk, start, op, &op->constant, &scratch) != NULL
	     || default_fault(compiler, &walk, start);
	ok = ok
	     && (op->code != OP_JSON || keep_json(compiler, &op->constant, &scratch));
	op->code = OP_CONST;
	buffer_clear(&scratch);
	return ok;
}

static bool default_node(struct compiler *compiler, const struct schema_node *node,
        const json_t *json, size_t *leaf);

static bool default_record(struct compiler *compiler, const struct schema_node *record,
        const json_t *json, size_t *leaf)
{
	for (size_t i = 0; i < record->field_count; i++) {
		const struct schema_field *field = &record->fields[i];
		json_t *member = json_incref(json_object_get(json, field->name));
		bool ok;

		if (member == NULL && json != NULL)
			member = json_loads(field->standard,
			        JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
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
	struct op *op;
	int column;

	if (inner->type == SCHEMA_RECORD)
		return default_record(compiler, inner, is_null ? NULL : json, leaf);
	column = compiler->leaves[(*leaf)++].column;
	if (column < 0)
		return true;
	if (!is_null)
		return default_leaf(compiler, inner, json, column);
	op = emit_leaf(compiler, inner, inner, column);
	if (op == NULL)
		return false;
	op->code = OP_CONST;
	op->constant.is_null = true;
	return true;
}

bool default_make(
        struct compiler *compiler, const struct schema_field *field, size_t leaf)
{
	json_t *json =
	        json_loads(field->standard, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	bool ok = json ? default_node(compiler, field->type, json, &leaf)
	               : fault_memory(compiler->fault);

	json_decref(json);
	return ok;
}

bool default_json(
        struct compiler *compiler, const struct schema_field *field, struct buffer *out)
{
	json_t *json =
	        json_loads(field->standard, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	const struct shape *shape = shape_make(compiler, field->type, field->type, "");
	const uint8_t *start = NULL;
	struct walk walk;

	if (json == NULL)
		fault_memory(compiler->fault);
	else if (shape != NULL)
		start = default_bytes(compiler, field->type, json, &walk);
	json_decref(json);
	return start != NULL
	       && (shape_walk(&walk, start, shape, out) != NULL
	               || default_fault(compiler, &walk, start));
}
