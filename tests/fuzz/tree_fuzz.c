/* SPDX-License-Identifier: MIT */
/*
 * JSON from a stranger, read twice: the tree must take what jansson takes, refuse what
 * it refuses, and hold the same.
 */
#include <assert.h>
#include <stdlib.h>

#include <jansson.h>

#include "event/check.h"
#include "event/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void compare(const struct tree *tree, struct arena *arena, const json_t *json)
{
	struct buffer text = { 0 };
	char *other = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);

	tree_print(tree, arena, &text);
	assert(bytes_equal_text(buffer_bytes(&text), other));
	buffer_clear(&text);
	free(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes text = { data, size };
	struct arena arena = { 0 };
	struct tree tree;
	json_t *json;
	bool taken;

	if (!bytes_is_text(text) || !bytes_json_is_shallow(text, CHECK_DEPTH))
		return 0;
	taken = tree_parse(&tree, &arena, text, TREE_WITHOUT_NUL);
	json = json_loadb((const char *)data, size,
	        JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
	assert(taken == (json != NULL));
	if (taken)
		compare(&tree, &arena, json);
	json_decref(json);
	arena_clear(&arena);
	return 0;
}
