/* SPDX-License-Identifier: MIT */
/* Which writer's types a reader reads, and the shapes that walk them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "event/plan_compile.h"

/* What a float needs to be read back, and the double that it has become. */
enum { FLOAT_DIGITS = 9, DOUBLE_DIGITS = 17 };

/* Named types agree by their last part, or by an alias of the reader's. */
static bool same_name(
        const struct schema_node *reader, const struct schema_node *writer)
{
	if (strcmp(schema_last_part(reader->name), schema_last_part(writer->name)) == 0)
		return true;
	for (const char *const *alias = reader->aliases; *alias != NULL; alias++)
		if (strcmp(*alias, writer->name) == 0)
			return true;
	return false;
}

static bool decimals_agree(
        const struct schema_node *reader, const struct schema_node *writer)
{
	if (reader->logical != LOGICAL_DECIMAL)
		return true;
	return writer->logical != LOGICAL_DECIMAL
	       || (writer->scale == reader->scale
	               && writer->precision <= reader->precision);
}

static bool promotes(enum schema_type from, enum schema_type to)
{
	switch (to) {
	case SCHEMA_LONG:
		return from == SCHEMA_INT;
	case SCHEMA_FLOAT:
		return from == SCHEMA_INT || from == SCHEMA_LONG;
	case SCHEMA_DOUBLE:
		return from == SCHEMA_INT || from == SCHEMA_LONG
		       || from == SCHEMA_FLOAT;
	case SCHEMA_STRING:
		return from == SCHEMA_BYTES;
	case SCHEMA_BYTES:
		return from == SCHEMA_STRING;
	default:
		return false;
	}
}

bool schema_reads(const struct schema_node *reader, const struct schema_node *writer)
{
	if (writer->type == SCHEMA_UNION) {
		for (size_t i = 0; i < writer->branch_count; i++)
			if (schema_reads(reader, writer->branches[i]))
				return true;
		return false;
	}
	if (reader->type == SCHEMA_UNION) {
		for (size_t i = 0; i < reader->branch_count; i++)
			if (schema_reads(reader->branches[i], writer))
				return true;
		return false;
	}
	if (reader->type != writer->type)
		return promotes(writer->type, reader->type);
	if (reader->name != NULL && !same_name(reader, writer))
		return false;
	if (reader->type == SCHEMA_FIXED && reader->size != writer->size)
		return false;
	if (reader->type == SCHEMA_ARRAY || reader->type == SCHEMA_MAP)
		return schema_reads(reader->items, writer->items);
	return decimals_agree(reader, writer);
}

const struct bytes *symbols_make(struct compiler *compiler,
        const struct schema_node *writer, const struct schema_node *reader)
{
	struct bytes *symbols =
	        compile_alloc(compiler, writer->symbol_count * sizeof *symbols);

	for (size_t i = 0; symbols != NULL && i < writer->symbol_count; i++) {
		int found = reader->default_symbol;

		for (size_t j = 0; j < reader->symbol_count; j++)
			if (strcmp(reader->symbols[j], writer->symbols[i]) == 0)
				found = (int)j;
		if (found < 0)
			continue;
		symbols[i] = bytes_of(reader->symbols[found]);
		symbols[i].data =
		        (const uint8_t *)compile_copy(compiler, reader->symbols[found]);
		if (symbols[i].data == NULL)
			return NULL;
	}
	return symbols;
}

static enum shape_kind number_kind(
        const struct schema_node *writer, const struct schema_node *reader)
{
	enum schema_logical logical = reader ? reader->logical : LOGICAL_NONE;
	enum schema_logical unit =
	        writer->logical != LOGICAL_NONE ? writer->logical : logical;

	switch (logical) {
	case LOGICAL_DATE:
		return SHAPE_DATE;
	case LOGICAL_TIME_MICROS:
		return SHAPE_TIME;
	case LOGICAL_TIMESTAMP_MILLIS:
	case LOGICAL_TIMESTAMP_MICROS:
		return unit == LOGICAL_TIMESTAMP_MILLIS ? SHAPE_MILLIS : SHAPE_MICROS;
	case LOGICAL_NONE:
	case LOGICAL_DECIMAL:
	case LOGICAL_UUID:
		break;
	}
	return writer->type == SCHEMA_INT ? SHAPE_INT : SHAPE_LONG;
}

static enum shape_kind leaf_kind(
        const struct schema_node *writer, const struct schema_node *reader)
{
	if (reader != NULL && reader->logical == LOGICAL_DECIMAL)
		return SHAPE_DECIMAL;
	if (reader != NULL && reader->logical == LOGICAL_UUID)
		return SHAPE_UUID;
	switch (writer->type) {
	case SCHEMA_NULL:
		return SHAPE_NULL;
	case SCHEMA_BOOLEAN:
		return SHAPE_BOOL;
	case SCHEMA_INT:
	case SCHEMA_LONG:
		return number_kind(writer, reader);
	case SCHEMA_FLOAT:
		return SHAPE_FLOAT;
	case SCHEMA_DOUBLE:
		return SHAPE_DOUBLE;
	case SCHEMA_FIXED:
		return SHAPE_FIXED;
	case SCHEMA_ENUM:
		return SHAPE_ENUM;
	case SCHEMA_BYTES:
	case SCHEMA_STRING:
		return reader != NULL && reader->type == SCHEMA_STRING ? SHAPE_TEXT
		                                                       : SHAPE_BYTES;
	case SCHEMA_RECORD:
		return SHAPE_RECORD;
	case SCHEMA_ARRAY:
		return SHAPE_ARRAY;
	case SCHEMA_MAP:
		return SHAPE_MAP;
	case SCHEMA_UNION:
		return SHAPE_UNION;
	}
	return SHAPE_REFUSE;
}

static bool is_the_same(
        const struct schema_node *reader, const struct schema_node *writer)
{
	return reader->type == writer->type && reader->name != NULL
	       && strcmp(reader->name, writer->name) == 0;
}

/*
 * The reader's branch for a writer's type: that of its full name first, then one of the
 * same type, then a promotion.
 */
static const struct schema_node *reader_branch(
        const struct schema_node *reader, const struct schema_node *writer)
{
	if (reader == NULL || reader->type != SCHEMA_UNION)
		return reader;
	for (size_t i = 0; i < reader->branch_count; i++)
		if (is_the_same(reader->branches[i], writer)
		        && schema_reads(reader->branches[i], writer))
			return reader->branches[i];
	for (size_t i = 0; i < reader->branch_count; i++)
		if (reader->branches[i]->type == writer->type
		        && schema_reads(reader->branches[i], writer))
			return reader->branches[i];
	for (size_t i = 0; i < reader->branch_count; i++)
		if (schema_reads(reader->branches[i], writer))
			return reader->branches[i];
	return reader;
}

static size_t field_index(const struct schema_node *record, const char *name)
{
	size_t i = 0;

	while (i < record->field_count && strcmp(record->fields[i].name, name) != 0)
		i++;
	return i;
}

const struct schema_field **fields_match(struct compiler *compiler,
        const struct schema_node *writer, const struct schema_node *reader)
{
	const struct schema_field **match =
	        compile_alloc(compiler, (writer->field_count + 1) * sizeof *match);

	for (size_t j = 0; match != NULL && j < reader->field_count; j++)
		match[field_index(writer, reader->fields[j].name)] = &reader->fields[j];
	for (size_t j = 0; match != NULL && j < reader->field_count; j++) {
		const struct schema_field *field = &reader->fields[j];

		if (field_index(writer, field->name) < writer->field_count)
			continue;
		for (const char *const *alias = field->aliases; *alias != NULL;
		        alias++) {
			size_t i = field_index(writer, *alias);

			if (i < writer->field_count && match[i] == NULL) {
				match[i] = field;
				break;
			}
		}
	}
	return match;
}

bool field_is_written(const struct schema_field *const *match,
        const struct schema_node *writer, const struct schema_field *field)
{
	for (size_t i = 0; i < writer->field_count; i++)
		if (match[i] == field)
			return true;
	return false;
}

/* A default is read even where the writer has the field: another writer may not. */
static bool try_default(struct compiler *compiler, const struct schema_field *field)
{
	struct buffer text = { 0 };
	bool ok = field->standard == NULL || default_json(compiler, field, &text);

	buffer_clear(&text);
	return ok;
}

/* Members that the writer lacks, as text that is put behind those it has. */
static bool default_members(struct compiler *compiler, struct shape *shape,
        const struct schema_node *writer, const struct schema_node *reader,
        const struct schema_field *const *match)
{
	struct buffer text = { 0 };
	bool ok = true;

	for (size_t i = 0; ok && i < reader->field_count; i++) {
		const struct schema_field *field = &reader->fields[i];

		if (field_is_written(match, writer, field)) {
			ok = try_default(compiler, field);
			continue;
		}
		buffer_format(&text, ",\"%s\":", field->name);
		ok = field->standard != NULL
		             ? default_json(compiler, field, &text)
		             : fault_code(compiler->fault, FAULT_REJECT, "schema",
		                     "%.100s: the writer lacks it and it has no "
		                     "default",
		                     field->name);
	}
	if (ok && text.size > 0) {
		buffer_append_byte(&text, 0);
		shape->defaults = compile_copy(compiler, (const char *)text.data);
		ok = buffer_ok(&text, compiler->fault) && shape->defaults != NULL;
	}
	buffer_clear(&text);
	return ok;
}

static bool shape_record(struct compiler *compiler, struct shape *shape,
        const struct schema_node *writer, const struct schema_node *reader)
{
	const struct shape **children =
	        compile_alloc(compiler, writer->field_count * sizeof *children);
	const struct schema_field **match =
	        reader ? fields_match(compiler, writer, reader) : NULL;

	if (children == NULL || (reader != NULL && match == NULL))
		return false;
	shape->widthless = true;
	for (size_t i = 0; i < writer->field_count; i++) {
		const struct schema_field *from = &writer->fields[i];
		const struct schema_field *to = match ? match[i] : NULL;

		children[i] = shape_make(compiler, from->type, to ? to->type : NULL,
		        to ? to->name : from->name);
		if (children[i] == NULL)
			return false;
		shape->widthless = shape->widthless && children[i]->widthless;
	}
	shape->children = children;
	shape->count = writer->field_count;
	return match == NULL || default_members(compiler, shape, writer, reader, match);
}

static bool shape_children(struct compiler *compiler, struct shape *shape,
        const struct schema_node *writer, const struct schema_node *reader)
{
	bool is_union = writer->type == SCHEMA_UNION;
	const struct shape **children;

	shape->count = is_union ? writer->branch_count : 1;
	children = compile_alloc(compiler, shape->count * sizeof *children);
	for (size_t i = 0; children != NULL && i < shape->count; i++) {
		children[i] =
		        is_union ? shape_make(compiler, writer->branches[i], reader, "")
		                 : shape_make(compiler, writer->items,
		                         reader ? reader->items : NULL, "");
		if (children[i] == NULL)
			return false;
	}
	shape->children = children;
	return children != NULL;
}

static bool shape_fill(struct compiler *compiler, struct shape *shape,
        const struct schema_node *writer, const struct schema_node *reader)
{
	switch (shape->kind) {
	case SHAPE_NULL:
		shape->widthless = true;
		return true;
	case SHAPE_FIXED:
		shape->size = writer->size;
		shape->widthless = writer->size == 0;
		return true;
	case SHAPE_FLOAT:
		shape->precision = reader != NULL && reader->type == SCHEMA_DOUBLE
		                           ? DOUBLE_DIGITS
		                           : FLOAT_DIGITS;
		return true;
	case SHAPE_DECIMAL:
		shape->size = writer->type == SCHEMA_FIXED ? writer->size : 0;
		shape->precision = reader->precision;
		shape->scale = reader->scale;
		return true;
	case SHAPE_ENUM:
		shape->count = writer->symbol_count;
		if (reader != NULL)
			shape->symbols = symbols_make(compiler, writer, reader);
		return reader == NULL || shape->symbols != NULL;
	case SHAPE_RECORD:
		return shape_record(compiler, shape, writer, reader);
	case SHAPE_ARRAY:
	case SHAPE_MAP:
	case SHAPE_UNION:
		return shape_children(compiler, shape, writer, reader);
	default:
		return true;
	}
}

static bool make_label(struct compiler *compiler, struct shape *shape, const char *name)
{
	size_t size = strlen(name) + 3;
	char *label = compile_alloc(compiler, size + 1);

	if (label == NULL)
		return false;
	snprintf(label, size + 1, "\"%s\":", name);
	shape->label = (struct bytes){ (const uint8_t *)label, size };
	return true;
}

const struct shape *shape_make(struct compiler *compiler,
        const struct schema_node *writer, const struct schema_node *reader,
        const char *name)
{
	struct shape *shape = compile_alloc(compiler, sizeof *shape);

	if (shape == NULL)
		return NULL;
	if (!make_label(compiler, shape, name))
		return NULL;
	shape->silent = reader == NULL;
	if (writer->type != SCHEMA_UNION)
		reader = reader_branch(reader, writer);
	if (reader != NULL && !schema_reads(reader, writer)) {
		shape->kind = SHAPE_REFUSE;
		return shape;
	}
	shape->kind = leaf_kind(writer, reader);
	return shape_fill(compiler, shape, writer, reader) ? shape : NULL;
}
