/* SPDX-License-Identifier: MIT */
#ifndef EVENT_PLAN_COMPILE_H
#define EVENT_PLAN_COMPILE_H

/* What the files that compile a plan share: plan.c, resolve.c, default.c. */

#include "event/plan_parts.h"

struct leaf {
	const char *name;
	int column; /* -1: not granted */
};

struct compiler {
	struct plan *plan;
	const struct plan_grant *grant;
	struct leaf *leaves;
	size_t leaf_count;
	size_t op_count;
	size_t op_room;
	size_t parts;  /* allocations so far: a stranger's schema may not be a bomb */
	bool in_union; /* what does not resolve is refused when it is met, not now */
	const char *path; /* of the field at hand */
	struct fault *fault;
};

/* Zeroed memory that lives as long as the plan; NULL with the fault filled. */
void *compile_alloc(struct compiler *compiler, size_t size);
const char *compile_copy(struct compiler *compiler, const char *text);

/* Whether the reader's node reads the writer's: Avro 1.11, "Schema Resolution". */
bool schema_reads(const struct schema_node *reader, const struct schema_node *writer);

/* The tree that walks a writer's value; reader NULL: walked in silence. */
const struct shape *shape_make(struct compiler *compiler,
        const struct schema_node *writer, const struct schema_node *reader,
        const char *name);

/* The reader's symbol for each of the writer's. */
const struct bytes *symbols_make(struct compiler *compiler,
        const struct schema_node *writer, const struct schema_node *reader);

/*
 * For each of the writer's fields the reader's that takes it, or NULL: by name, then,
 * where neither has found another, by an alias. NULL when memory is out.
 */
const struct schema_field **fields_match(struct compiler *compiler,
        const struct schema_node *writer, const struct schema_node *reader);
bool field_is_written(const struct schema_field *const *match,
        const struct schema_node *writer, const struct schema_field *field);

/* Operations that put a field's default into the columns from leaf on. */
MUST_CHECK bool default_make(
        struct compiler *compiler, const struct schema_field *field, size_t leaf);

/* A field's default in the JSON form of its column, appended. */
MUST_CHECK bool default_json(struct compiler *compiler,
        const struct schema_field *field, struct buffer *out);

/* The operation that puts the writer's type into a column; NULL with the fault filled.
 */
struct op *emit_leaf(struct compiler *compiler, const struct schema_node *writer,
        const struct schema_node *reader, int column);

#endif
