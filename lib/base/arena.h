/* SPDX-License-Identifier: MIT */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

/*
 * Memory for many small things that end together. An arena by value begins as
 * { 0 }; arena_reset() keeps its first block, so that a warm arena allocates nothing.
 *
 * One thread owns an arena.
 */

#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *first;
	struct arena_block *current;
	size_t used; /* of current */
};

/* Zeroed memory, aligned for anything; NULL when out. Size 0 is fine. */
void *arena_alloc(struct arena *arena, size_t size);

/* A copy of size bytes with a NUL behind; NULL when out. */
char *arena_copy(struct arena *arena, const void *data, size_t size);

void arena_reset(struct arena *arena);
void arena_clear(struct arena *arena);

#endif
