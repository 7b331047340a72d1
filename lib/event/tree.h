/* SPDX-License-Identifier: MIT */
#ifndef EVENT_TREE_H
#define EVENT_TREE_H

/*
 * JSON text as a tree in an arena: for what every post passes, where a library that
 * takes memory for each value costs more than all the rest. It takes exactly what
 * docs/decisions/0032 says, and what it refuses it refuses without a word:
 * document_parse() finds the words.
 *
 * Texts without an escape look into the JSON text, so a tree lives as long as that and
 * the arena.
 *
 * Grammar: RFC 8259. Decision: docs/decisions/0017.
 */

#include "base/arena.h"
#include "base/bytes.h"

enum tree_kind {
	TREE_NULL,
	TREE_FALSE,
	TREE_TRUE,
	TREE_INTEGER,
	TREE_REAL,
	TREE_TEXT,
	TREE_ARRAY,
	TREE_OBJECT,
};

enum { TREE_DEPTH = 64 };

struct tree {
	enum tree_kind kind;
	struct bytes name; /* of a member of an object */
	union {
		int64_t integer;
		double real;
		struct bytes text;
		struct {
			struct tree *first; /* of an array or object, as written */
			size_t count;
		};
	};
	struct tree *next; /* beside it in its array or object */
};

enum tree_nul { TREE_WITHOUT_NUL, TREE_WITH_NUL }; /* whether a text may hold \u0000 */

/*
 * Parse the whole of a well-formed text (bytes_is_text()). False where it is not JSON,
 * has a member twice or is deeper than TREE_DEPTH, or where memory is out.
 */
MUST_CHECK bool tree_parse(
        struct tree *out, struct arena *arena, struct bytes text, enum tree_nul nul);

/*
 * The member of the object, or NULL. *at is where the last one was found, NULL at first
 * and after any change: who asks in the order in which they stand finds each at once.
 */
const struct tree *tree_member(
        const struct tree *object, const char *name, const struct tree **at);

/* Take the member, which must be one, out of the object. */
void tree_take(struct tree *object, const struct tree *member);

/* Append the tree in a form that spaces and the order of members do not change. */
void tree_print(const struct tree *tree, struct arena *arena, struct buffer *out);

#endif
