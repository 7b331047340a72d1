/* SPDX-License-Identifier: MIT */
#include "flow/cases.h"

#include <stdlib.h>
#include <string.h>

uint64_t cases_hash(struct bytes key)
{
	uint64_t hash = 14695981039346656037u;

	for (size_t i = 0; i < key.size; i++)
		hash = (hash ^ key.data[i]) * 1099511628211u;
	return hash;
}

void cases_clear(struct cases *cases)
{
	for (size_t i = 0; i < cases->room; i++)
		free(cases->keys[i]);
	free(cases->keys);
	*cases = (struct cases){ 0 };
}

/* Where the key stands, or the free place where it would. */
static size_t find_place(const struct cases *cases, struct bytes key)
{
	size_t at = (size_t)cases_hash(key) & (cases->room - 1);

	while (cases->keys[at] != NULL && !bytes_equal_text(key, cases->keys[at]))
		at = (at + 1) & (cases->room - 1);
	return at;
}

bool cases_has(const struct cases *cases, struct bytes key)
{
	return cases->count > 0 && cases->keys[find_place(cases, key)] != NULL;
}

static bool grow(struct cases *cases, struct fault *fault)
{
	struct cases wider = { .room = cases->room ? cases->room * 2 : 64,
		.count = cases->count };

	wider.keys = calloc(wider.room, sizeof *wider.keys);
	if (wider.keys == NULL)
		return fault_memory(fault);
	for (size_t i = 0; i < cases->room; i++)
		if (cases->keys[i] != NULL)
			wider.keys[find_place(&wider, bytes_of(cases->keys[i]))] =
			        cases->keys[i];
	free(cases->keys);
	*cases = wider;
	return true;
}

bool cases_add(struct cases *cases, struct bytes key, struct fault *fault)
{
	size_t at;

	if (cases->count * 2 >= cases->room && !grow(cases, fault))
		return false;
	at = find_place(cases, key);
	if (cases->keys[at] != NULL)
		return true;
	cases->keys[at] = strndup((const char *)key.data, key.size);
	if (cases->keys[at] == NULL)
		return fault_memory(fault);
	cases->count++;
	return true;
}
