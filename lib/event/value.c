/* SPDX-License-Identifier: MIT */
/* The arena is a list of blocks that is kept from event to event. */
#include "event/value.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 16384 };

struct value_block {
	struct value_block *next;
	size_t room;
	max_align_t data[];
};

struct value_arena {
	struct value_block *blocks;  /* all of them, in the order of use */
	struct value_block *current; /* the one being filled */
	size_t used;                 /* of current */
};

static struct value_block *block_new(size_t room)
{
	struct value_block *block = malloc(sizeof *block + room);

	if (block != NULL) {
		block->next = NULL;
		block->room = room;
	}
	return block;
}

bool value_arena_open(struct value_arena **out, struct fault *fault)
{
	struct value_arena *arena = calloc(1, sizeof *arena);

	if (arena == NULL)
		return fault_memory(fault);
	arena->blocks = block_new(BLOCK_BYTES);
	if (arena->blocks == NULL) {
		free(arena);
		return fault_memory(fault);
	}
	arena->current = arena->blocks;
	*out = arena;
	return true;
}

/* Blocks after the first came from one large event and would be kept for nothing. */
void value_reset(struct value_arena *arena)
{
	struct value_block *block = arena->blocks->next;

	while (block != NULL) {
		struct value_block *next = block->next;

		free(block);
		block = next;
	}
	arena->blocks->next = NULL;
	arena->current = arena->blocks;
	arena->used = 0;
}

void value_arena_close(struct value_arena **arena)
{
	if (*arena == NULL)
		return;
	value_reset(*arena);
	free((*arena)->blocks);
	free(*arena);
	*arena = NULL;
}

void *value_alloc(struct value_arena *arena, size_t size)
{
	void *memory;

	size = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
	if (arena->current->room - arena->used < size) {
		struct value_block *block
			= block_new(size > BLOCK_BYTES ? size : BLOCK_BYTES);

		if (block == NULL)
			return NULL;
		arena->current->next = block;
		arena->current = block;
		arena->used = 0;
	}
	memory = (char *)arena->current->data + arena->used;
	arena->used += size;
	return memory;
}

static struct value *value_field(const struct value *record, const char *name)
{
	const struct schema_node *node = record->node;

	for (size_t i = 0; i < node->field_count; i++)
		if (strcmp(node->fields[i].name, name) == 0)
			return &record->list.values[i];
	return NULL;
}

bool value_set_text(struct value_arena *arena, struct value *record, const char *field,
	struct bytes text, struct fault *fault)
{
	struct value *value = value_field(record, field);
	uint8_t *copy = value_alloc(arena, text.size);

	assert(value != NULL && value->node->type == SCHEMA_STRING);
	if (copy == NULL)
		return fault_memory(fault);
	memcpy(copy, text.data, text.size);
	value->bytes = (struct bytes){ copy, text.size };
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
