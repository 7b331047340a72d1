/* SPDX-License-Identifier: MIT */
/*
 * Compiling. First the reader's schema is laid out as leaves, one a possible column,
 * and the granted ones become the columns. Then writer and reader are walked together:
 * each writer's field becomes operations on the columns of the reader's field of that
 * name, or a skip; what the writer lacks becomes constants.
 */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "event/plan_compile.h"

enum { MAX_PARTS = 20000 };

static const char *const head_names[HEAD_COLUMNS] = { "event_id", "village_code",
	"incarnation", "seq", "occurred_at", "recorded_at", "case_id", "service" };

static const char *const always_granted[] = { "event_id", "village_code", "incarnation",
	"seq", "occurred_at", "recorded_at", "clock", "case_id", "service",
	"actor_role", "actor_name", NULL };

void *compile_alloc(struct compiler *compiler, size_t size)
{
	void *memory = NULL;

	if (compiler->parts++ > MAX_PARTS)
		fault_code(compiler->fault, FAULT_REJECT, "schema",
		        "the schema is too large to be read by a plan");
	else
		memory = arena_alloc(&compiler->plan->arena, size);
	if (memory == NULL && compiler->fault->kind == FAULT_NONE)
		fault_memory(compiler->fault);
	return memory;
}

const char *compile_copy(struct compiler *compiler, const char *text)
{
	char *copy = compile_alloc(compiler, strlen(text) + 1);

	if (copy != NULL)
		memcpy(copy, text, strlen(text) + 1);
	return copy;
}

static const char *join(
        struct compiler *compiler, const char *prefix, char between, const char *name)
{
	size_t first = strlen(prefix);
	char *text;

	if (first == 0)
		return compile_copy(compiler, name);
	text = compile_alloc(compiler, first + strlen(name) + 2);
	if (text == NULL)
		return NULL;
	memcpy(text, prefix, first);
	text[first] = between;
	memcpy(text + first + 1, name, strlen(name) + 1);
	return text;
}

static bool is_in(const char *const *names, const char *name)
{
	for (; names != NULL && *names != NULL; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

/* Silent is strictest, then whatever is not "none". */
static const char *stricter(const char *a, const char *b)
{
	if (a[0] == '\0' || b[0] == '\0')
		return "";
	return strcmp(a, "none") == 0 ? b : a;
}

static const char *pii_within(const struct schema_node *node, const char *pii)
{
	if (node->type == SCHEMA_ARRAY || node->type == SCHEMA_MAP)
		return pii_within(node->items, pii);
	for (size_t i = 0; i < node->branch_count; i++)
		pii = pii_within(node->branches[i], pii);
	for (size_t i = 0; i < node->field_count; i++)
		pii = pii_within(
		        node->fields[i].type, stricter(pii, node->fields[i].pii));
	return pii;
}

static enum column_type column_type_of(const struct schema_node *node)
{
	switch (node->type) {
	case SCHEMA_BOOLEAN:
		return COLUMN_BOOL;
	case SCHEMA_INT:
		return node->logical == LOGICAL_DATE ? COLUMN_DATE : COLUMN_INT4;
	case SCHEMA_LONG:
		if (node->logical == LOGICAL_TIME_MICROS)
			return COLUMN_TIME;
		return node->logical == LOGICAL_NONE ? COLUMN_INT8 : COLUMN_TIMESTAMPTZ;
	case SCHEMA_FLOAT:
		return COLUMN_FLOAT4;
	case SCHEMA_DOUBLE:
		return COLUMN_FLOAT8;
	case SCHEMA_BYTES:
	case SCHEMA_FIXED:
		return node->logical == LOGICAL_DECIMAL ? COLUMN_NUMERIC : COLUMN_BYTEA;
	case SCHEMA_STRING:
		return node->logical == LOGICAL_UUID ? COLUMN_UUID : COLUMN_TEXT;
	case SCHEMA_NULL:
	case SCHEMA_ENUM:
		return COLUMN_TEXT;
	case SCHEMA_RECORD:
	case SCHEMA_ARRAY:
	case SCHEMA_MAP:
	case SCHEMA_UNION:
		return COLUMN_JSONB;
	}
	return COLUMN_TEXT;
}

static size_t leaf_count(const struct schema_node *node)
{
	size_t count = 0;

	node = schema_without_null(node);
	if (node->type != SCHEMA_RECORD)
		return 1;
	for (size_t i = 0; i < node->field_count; i++)
		count += leaf_count(node->fields[i].type);
	return count;
}

static void add_leaf(struct compiler *compiler, struct column column)
{
	const struct plan_grant *grant = compiler->grant;
	bool granted = grant->everything || is_in(always_granted, column.name)
	               || is_in(grant->columns, column.name);

	compiler->leaves[compiler->leaf_count].column = -1;
	if (granted) {
		compiler->leaves[compiler->leaf_count].column =
		        (int)compiler->plan->column_count;
		compiler->plan->columns[compiler->plan->column_count++] = column;
	}
	compiler->leaves[compiler->leaf_count++].name = column.name;
}

static bool lay_out(struct compiler *compiler, const struct schema_node *record,
        const struct column *parent)
{
	for (size_t i = 0; i < record->field_count; i++) {
		const struct schema_field *field = &record->fields[i];
		const struct schema_node *node = schema_without_null(field->type);
		struct column column = {
			.name = join(compiler, parent->name, '_', field->name),
			.path = join(compiler, parent->path, '/', field->name),
			.type = column_type_of(node),
			.scale = node->scale,
			.nullable = parent->nullable || schema_is_nullable(field->type),
			.pii = stricter(parent->pii, field->pii),
		};

		if (column.name == NULL || column.path == NULL)
			return false;
		if (node->type == SCHEMA_RECORD) {
			if (!lay_out(compiler, node, &column))
				return false;
			continue;
		}
		column.pii = compile_copy(compiler, pii_within(node, column.pii));
		if (column.pii == NULL)
			return false;
		add_leaf(compiler, column);
	}
	return true;
}

/* Every granted name must be a column: a misspelt grant would be an empty table. */
static bool check_grant(const struct compiler *compiler)
{
	const char *const *name = compiler->grant->columns;

	for (; name != NULL && *name != NULL; name++) {
		size_t i = 0;

		while (i < compiler->leaf_count
		        && strcmp(compiler->leaves[i].name, *name) != 0)
			i++;
		if (i == compiler->leaf_count)
			return fault_set(compiler->fault, FAULT_STOP,
			        "%.64s is granted but is no field of the schema",
			        *name);
	}
	return true;
}

static void find_head(struct plan *plan)
{
	for (size_t head = 0; head < HEAD_COLUMNS; head++) {
		plan->head[head] = -1;
		for (size_t i = 0; i < plan->column_count; i++)
			if (strcmp(plan->columns[i].name, head_names[head]) == 0)
				plan->head[head] = (int)i;
	}
}

static bool find_json(struct compiler *compiler)
{
	struct plan *plan = compiler->plan;

	plan->json =
	        compile_alloc(compiler, (plan->column_count + 1) * sizeof *plan->json);
	for (size_t i = 0; plan->json != NULL && i < plan->column_count; i++)
		if (plan->columns[i].type == COLUMN_JSONB)
			plan->json[plan->json_count++] = (int)i;
	return plan->json != NULL;
}

static struct op *emit(struct compiler *compiler, enum op_code code)
{
	struct plan *plan = compiler->plan;
	struct op *ops;

	if (compiler->op_count == compiler->op_room) {
		size_t room = compiler->op_room ? compiler->op_room * 2 : 64;

		if (compiler->parts++ > MAX_PARTS || room > MAX_PARTS) {
			fault_code(compiler->fault, FAULT_REJECT, "schema",
			        "the schema is too large to be read by a plan");
			return NULL;
		}
		ops = realloc(plan->ops, room * sizeof *ops);
		if (ops == NULL) {
			fault_memory(compiler->fault);
			return NULL;
		}
		plan->ops = ops;
		compiler->op_room = room;
	}
	plan->ops[compiler->op_count] =
	        (struct op){ .code = code, .path = compiler->path };
	return &plan->ops[compiler->op_count++];
}

static bool emit_shape(struct compiler *compiler, enum op_code code, int column,
        const struct schema_node *writer, const struct schema_node *reader)
{
	const struct shape *shape = shape_make(compiler, writer, reader, "");
	struct op *op = shape ? emit(compiler, code) : NULL;

	if (op == NULL)
		return false;
	op->shape = shape;
	op->column = column;
	return true;
}

/* [null, T] of which T is one operation becomes that operation, made optional. */
static void make_optional(struct compiler *compiler, size_t first, struct op op,
        const struct schema_node *writer)
{
	op.optional = true;
	op.null_branch = writer->branches[0]->type != SCHEMA_NULL;
	compiler->plan->ops[first] = op;
	compiler->op_count = first + 1;
}

static bool is_null_or_other(const struct schema_node *writer)
{
	return writer->type == SCHEMA_UNION && writer->branch_count == 2
	       && schema_is_nullable(writer);
}

static bool emit_counted(struct compiler *compiler, enum op_code code, size_t count)
{
	struct op *op = emit(compiler, code);

	if (op != NULL)
		op->count = count;
	return op != NULL;
}

static bool emit_skip(struct compiler *compiler, const struct schema_node *writer);

static bool emit_skips(struct compiler *compiler, const struct schema_node *record)
{
	for (size_t i = 0; i < record->field_count; i++)
		if (!emit_skip(compiler, record->fields[i].type))
			return false;
	return true;
}

static bool emit_skip_union(struct compiler *compiler, const struct schema_node *writer)
{
	size_t first = compiler->op_count;

	if (!is_null_or_other(writer))
		return emit_shape(compiler, OP_SKIP, 0, writer, NULL);
	if (!emit_skip(compiler, schema_without_null(writer)))
		return false;
	if (compiler->op_count == first + 1 && !compiler->plan->ops[first].optional) {
		make_optional(compiler, first, compiler->plan->ops[first], writer);
		return true;
	}
	compiler->op_count = first;
	return emit_shape(compiler, OP_SKIP, 0, writer, NULL);
}

static bool emit_skip(struct compiler *compiler, const struct schema_node *writer)
{
	switch (writer->type) {
	case SCHEMA_NULL:
		return true;
	case SCHEMA_LONG:
		return emit(compiler, OP_SKIP_LONG) != NULL;
	case SCHEMA_ENUM:
		return emit_counted(compiler, OP_SKIP_INDEX, writer->symbol_count);
	case SCHEMA_STRING:
	case SCHEMA_BYTES:
		return emit(compiler, OP_SKIP_BYTES) != NULL;
	case SCHEMA_FIXED:
		return emit_counted(compiler, OP_SKIP_FIXED, writer->size);
	case SCHEMA_FLOAT:
		return emit_counted(compiler, OP_SKIP_FIXED, sizeof(float));
	case SCHEMA_DOUBLE:
		return emit_counted(compiler, OP_SKIP_FIXED, sizeof(double));
	case SCHEMA_RECORD:
		return emit_skips(compiler, writer);
	case SCHEMA_UNION:
		return emit_skip_union(compiler, writer);
	case SCHEMA_BOOLEAN:
	case SCHEMA_INT:
	case SCHEMA_ARRAY:
	case SCHEMA_MAP:
		break;
	}
	return emit_shape(compiler, OP_SKIP, 0, writer, NULL);
}

/* The columns among leaves [leaf, leaf + count): they stand in a row. */
static size_t columns_of(
        const struct compiler *compiler, size_t leaf, size_t count, int *first)
{
	size_t columns = 0;

	for (size_t i = leaf; i < leaf + count; i++) {
		if (compiler->leaves[i].column < 0)
			continue;
		if (columns++ == 0)
			*first = compiler->leaves[i].column;
	}
	return columns;
}

static bool emit_nulls(
        struct compiler *compiler, const struct schema_node *reader, size_t leaf)
{
	int first = 0;
	size_t columns = columns_of(compiler, leaf, leaf_count(reader), &first);
	struct op *op;

	if (columns == 0)
		return true;
	op = emit(compiler, OP_NULLS);
	if (op == NULL)
		return false;
	op->column = first;
	op->count = columns;
	return true;
}

static bool refuse(struct compiler *compiler, const char *what)
{
	if (compiler->in_union)
		return emit(compiler, OP_REFUSE) != NULL;
	return fault_code(compiler->fault, FAULT_REJECT, "schema", "%.200s: %s",
	        compiler->path, what);
}

/* Which operation puts the writer's type into a column of the reader's. */
static enum op_code leaf_code(
        const struct schema_node *writer, const struct schema_node *reader)
{
	bool is_fixed = writer->type == SCHEMA_FIXED;
	enum schema_logical unit =
	        writer->logical != LOGICAL_NONE ? writer->logical : reader->logical;

	switch (column_type_of(reader)) {
	case COLUMN_BOOL:
		return OP_BOOL;
	case COLUMN_INT4:
	case COLUMN_INT8:
		return writer->type == SCHEMA_INT ? OP_INT : OP_LONG;
	case COLUMN_FLOAT4:
	case COLUMN_FLOAT8:
		if (writer->type == SCHEMA_INT || writer->type == SCHEMA_LONG)
			return OP_INT_REAL;
		return writer->type == SCHEMA_FLOAT ? OP_FLOAT : OP_DOUBLE;
	case COLUMN_NUMERIC:
		return is_fixed ? OP_DECIMAL_FIXED : OP_DECIMAL;
	case COLUMN_BYTEA:
		return is_fixed ? OP_FIXED : OP_BYTES;
	case COLUMN_DATE:
		return OP_DATE;
	case COLUMN_TIME:
		return OP_TIME;
	case COLUMN_TIMESTAMPTZ:
		return unit == LOGICAL_TIMESTAMP_MILLIS ? OP_MILLIS : OP_MICROS;
	case COLUMN_UUID:
		return OP_UUID;
	case COLUMN_TEXT:
	case COLUMN_JSONB:
		break;
	}
	return reader->type == SCHEMA_ENUM ? OP_ENUM : OP_TEXT;
}

struct op *emit_leaf(struct compiler *compiler, const struct schema_node *writer,
        const struct schema_node *reader, int column)
{
	bool is_json = column_type_of(reader) == COLUMN_JSONB;
	enum op_code code = is_json ? OP_JSON : leaf_code(writer, reader);
	const struct shape *shape =
	        is_json ? shape_make(compiler, writer, reader, "") : NULL;
	const struct bytes *symbols =
	        code == OP_ENUM ? symbols_make(compiler, writer, reader) : NULL;
	struct op *op;

	if ((is_json && shape == NULL) || (code == OP_ENUM && symbols == NULL))
		return NULL;
	op = emit(compiler, code);
	if (op == NULL)
		return NULL;
	op->column = column;
	op->shape = shape;
	op->symbols = symbols;
	op->count = writer->type == SCHEMA_FIXED ? writer->size : writer->symbol_count;
	op->precision = reader->precision;
	return op;
}

static bool compile_value(struct compiler *compiler, const struct schema_node *writer,
        const struct schema_node *reader, size_t leaf);

static bool is_json(const struct schema_node *reader)
{
	const struct schema_node *node = schema_without_null(reader);

	return node->type == SCHEMA_ARRAY || node->type == SCHEMA_MAP
	       || node->type == SCHEMA_UNION;
}

/*
 * The common union: the null branch sets one column to null, the other is one
 * operation on that column, and each ends with its jump.
 */
static void fuse(struct compiler *compiler, const struct schema_node *writer,
        const size_t *targets)
{
	const struct op *ops = compiler->plan->ops;
	const struct op *nulls;
	const struct op *other;

	if (!is_null_or_other(writer))
		return;
	nulls = &ops[targets[writer->branches[0]->type != SCHEMA_NULL]];
	other = &ops[targets[writer->branches[0]->type == SCHEMA_NULL]];
	if (targets[1] == targets[0] + 2 && compiler->op_count == targets[1] + 2
	        && nulls->code == OP_NULLS && nulls->count == 1
	        && other->column == nulls->column && other->code < OP_SKIP
	        && !other->optional)
		make_optional(compiler, targets[0] - 1, *other, writer);
}

static bool compile_branches(struct compiler *compiler,
        const struct schema_node *writer, const struct schema_node *reader, size_t leaf)
{
	size_t count = writer->branch_count;
	size_t *targets = compile_alloc(compiler, count * sizeof *targets);
	size_t *jumps = compile_alloc(compiler, count * sizeof *jumps);
	struct op *branch = emit(compiler, OP_BRANCH);
	bool outer = compiler->in_union;

	if (targets == NULL || jumps == NULL || branch == NULL)
		return false;
	branch->targets = targets;
	branch->count = count;
	compiler->in_union = true;
	for (size_t i = 0; i < count; i++) {
		targets[i] = compiler->op_count;
		if (!compile_value(compiler, writer->branches[i], reader, leaf))
			return false;
		jumps[i] = compiler->op_count;
		if (emit(compiler, OP_JUMP) == NULL)
			return false;
	}
	for (size_t i = 0; i < count; i++)
		compiler->plan->ops[jumps[i]].target = compiler->op_count;
	compiler->in_union = outer;
	fuse(compiler, writer, targets);
	return true;
}

/* How many leaves stand before the field among its record's. */
static size_t leaves_before(
        const struct schema_node *record, const struct schema_field *field)
{
	size_t leaves = 0;

	for (const struct schema_field *at = record->fields; at < field; at++)
		leaves += leaf_count(at->type);
	return leaves;
}

static bool compile_default(
        struct compiler *compiler, const struct schema_field *field, size_t leaf)
{
	int first;

	compiler->path = field->name;
	if (field->standard == NULL)
		return refuse(compiler, "the writer lacks it and it has no default");
	return columns_of(compiler, leaf, leaf_count(field->type), &first) == 0
	       || default_make(compiler, field, leaf);
}

static bool compile_fields(struct compiler *compiler, const struct schema_node *writer,
        const struct schema_node *reader, const struct schema_field *const *match,
        size_t leaf)
{
	const char *path = compiler->path;

	for (size_t i = 0; i < writer->field_count; i++) {
		const struct schema_field *from = &writer->fields[i];
		const struct schema_field *to = match[i];

		compiler->path = join(compiler, path, '/', from->name);
		if (compiler->path == NULL)
			return false;
		if (to == NULL ? !emit_skip(compiler, from->type)
		               : !compile_value(compiler, from->type, to->type,
		                       leaf + leaves_before(reader, to)))
			return false;
	}
	return true;
}

/* A default is read even where the writer has the field: another writer may not. */
static bool try_default(
        struct compiler *compiler, const struct schema_field *field, size_t leaf)
{
	size_t ops = compiler->op_count;
	bool ok = field->standard == NULL || compile_default(compiler, field, leaf);

	compiler->op_count = ops;
	return ok;
}

static bool compile_record(struct compiler *compiler, const struct schema_node *writer,
        const struct schema_node *reader, size_t leaf)
{
	const char *path = compiler->path;
	const struct schema_field **match = fields_match(compiler, writer, reader);

	if (match == NULL || !compile_fields(compiler, writer, reader, match, leaf))
		return false;
	for (size_t i = 0; i < reader->field_count; i++) {
		const struct schema_field *field = &reader->fields[i];

		if (field_is_written(match, writer, field)
		                ? !try_default(compiler, field, leaf)
		                : !compile_default(compiler, field, leaf))
			return false;
		leaf += leaf_count(field->type);
	}
	compiler->path = path;
	return true;
}

static bool compile_value(struct compiler *compiler, const struct schema_node *writer,
        const struct schema_node *reader, size_t leaf)
{
	const struct schema_node *node = schema_without_null(reader);
	int first = -1;

	if (columns_of(compiler, leaf, leaf_count(reader), &first) == 0
	        && schema_reads(reader, writer))
		return emit_skip(compiler, writer);
	if (is_json(reader)
	        && !(writer->type == SCHEMA_UNION && schema_is_nullable(writer))
	        && writer->type != SCHEMA_NULL)
		return schema_reads(reader, writer)
		               ? emit_shape(compiler, OP_JSON, first, writer, reader)
		               : refuse(compiler, "the writer's type does not resolve");
	if (writer->type == SCHEMA_UNION)
		return compile_branches(compiler, writer, reader, leaf);
	if (writer->type == SCHEMA_NULL && schema_is_nullable(reader))
		return emit_nulls(compiler, reader, leaf);
	if (!schema_reads(node, writer))
		return refuse(compiler, "the writer's type does not resolve");
	if (node->type == SCHEMA_RECORD)
		return compile_record(compiler, writer, node, leaf);
	return emit_leaf(compiler, writer, node, first) != NULL;
}

static bool compile(struct compiler *compiler, const struct schema_node *writer,
        const struct schema_node *reader)
{
	struct column top = { .name = "", .path = "", .pii = "none" };
	size_t leaves;

	if (reader->type != SCHEMA_RECORD || writer->type != SCHEMA_RECORD)
		return fault_code(compiler->fault, FAULT_REJECT, "schema",
		        "the schema is no record");
	leaves = leaf_count(reader);
	compiler->plan->columns =
	        compile_alloc(compiler, leaves * sizeof *compiler->plan->columns);
	compiler->leaves = compile_alloc(compiler, leaves * sizeof *compiler->leaves);
	if (compiler->plan->columns == NULL || compiler->leaves == NULL
	        || !lay_out(compiler, reader, &top) || !check_grant(compiler))
		return false;
	find_head(compiler->plan);
	return find_json(compiler) && compile_value(compiler, writer, reader, 0)
	       && emit(compiler, OP_END) != NULL;
}

bool plan_compile(struct plan **out, const struct schema *writer,
        const struct schema *reader, const struct plan_grant *grant,
        struct fault *fault)
{
	struct plan *plan = calloc(1, sizeof *plan);
	struct compiler compiler = {
		.plan = plan, .grant = grant, .fault = fault, .path = ""
	};

	if (plan == NULL)
		return fault_memory(fault);
	fault_clear(fault);
	if (!compile(&compiler, schema_root(writer), schema_root(reader))) {
		plan_close(&plan);
		return false;
	}
	*out = plan;
	return true;
}

void plan_close(struct plan **plan)
{
	if (*plan == NULL)
		return;
	free((*plan)->ops);
	arena_clear(&(*plan)->arena);
	free(*plan);
	*plan = NULL;
}

const struct column *plan_columns(const struct plan *plan, size_t *out_count)
{
	*out_count = plan->column_count;
	return plan->columns;
}
