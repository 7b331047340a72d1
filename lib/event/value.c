/* SPDX-License-Identifier: MIT */
#include "event/value.h"

#include <assert.h>
#include <string.h>

static struct value *value_field(const struct value *record, const char *name)
{
	const struct schema_node *node = record->node;

	for (size_t i = 0; i < node->field_count; i++)
		if (strcmp(node->fields[i].name, name) == 0)
			return &record->list.values[i];
	return NULL;
}

bool value_set_text(struct arena *arena, struct value *record, const char *field,
        struct bytes text, struct fault *fault)
{
	struct value *value = value_field(record, field);
	char *copy = arena_copy(arena, text.data, text.size);

	assert(value != NULL && value->node->type == SCHEMA_STRING);
	if (copy == NULL)
		return fault_memory(fault);
	value->bytes = (struct bytes){ (const uint8_t *)copy, text.size };
	return true;
}

void value_set_long(struct value *record, const char *field, int64_t number)
{
	struct value *value = value_field(record, field);

	assert(value != NULL && value->node->type == SCHEMA_LONG);
	value->integer = number;
}

void value_set_symbol(struct value *record, const char *field, const char *symbol)
{
	struct value *value = value_field(record, field);
	size_t index = 0;

	assert(value != NULL && value->node->type == SCHEMA_ENUM);
	while (index < value->node->symbol_count
	        && strcmp(value->node->symbols[index], symbol) != 0)
		index++;
	assert(index < value->node->symbol_count);
	value->integer = (int64_t)index;
}

struct bytes value_text(const struct value *record, const char *field)
{
	const struct value *value = value_field(record, field);

	if (value != NULL && value->node->type == SCHEMA_UNION)
		value = value->item;
	if (value == NULL || value->node->type != SCHEMA_STRING)
		return (struct bytes){ 0 };
	return value->bytes;
}

bool value_long(const struct value *record, const char *field, int64_t *out)
{
	const struct value *value = value_field(record, field);

	if (value == NULL || value->node->type != SCHEMA_LONG)
		return false;
	*out = value->integer;
	return true;
}
