/* SPDX-License-Identifier: MIT */
#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 16384, ALIGN = _Alignof(max_align_t) };

struct arena_block {
	struct arena_block *next;
	size_t room;
	max_align_t data[];
};

static struct arena_block *block_new(size_t size)
{
	size_t room = size > BLOCK_BYTES ? size : BLOCK_BYTES;
	struct arena_block *block = malloc(sizeof *block + room);

	if (block != NULL) {
		block->next = NULL;
		block->room = room;
	}
	return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	void *memory;

	size = size / ALIGN * ALIGN + ALIGN;
	if (arena->current == NULL || arena->current->room - arena->used < size) {
		struct arena_block *block = block_new(size);

		if (block == NULL)
			return NULL;
		if (arena->current == NULL)
			arena->first = block;
		else
			arena->current->next = block;
		arena->current = block;
		arena->used = 0;
	}
	memory = (char *)arena->current->data + arena->used;
	arena->used += size;
	return memset(memory, 0, size);
}

char *arena_copy(struct arena *arena, const void *data, size_t size)
{
	char *copy = arena_alloc(arena, size + 1);

	if (copy != NULL && size > 0)
		memcpy(copy, data, size);
	return copy;
}

static void free_after(struct arena_block *block)
{
	while (block != NULL) {
		struct arena_block *next = block->next;

		free(block);
		block = next;
	}
}

/* Blocks after the first came from one large event and would be kept for nothing. */
void arena_reset(struct arena *arena)
{
	if (arena->first == NULL)
		return;
	free_after(arena->first->next);
	arena->first->next = NULL;
	arena->current = arena->first;
	arena->used = 0;
}

void arena_clear(struct arena *arena)
{
	free_after(arena->first);
	*arena = (struct arena){ 0 };
}
