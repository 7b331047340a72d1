/* SPDX-License-Identifier: MIT */
/*
 * Running a plan: one loop over the operations. JSON goes into scratch, which may move
 * while it grows, so such cells hold offsets until the end.
 */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "event/decimal.h"
#include "event/identity.h"
#include "event/plan_parts.h"

WALK_APART static const uint8_t *fill_json(struct walk *walk, const uint8_t *at,
        const struct op *op, struct cell *cell, struct buffer *scratch)
{
	size_t start = scratch->size;

	if (start >= UINT32_MAX)
		return walk_refuse(walk, at, "the value is too large as JSON");
	at = shape_walk(walk, at, op->shape, scratch);
	cell->bytes.data = NULL;
	cell->bytes.size = scratch->size - start;
	cell->json_offset = (uint32_t)start + 1;
	buffer_append_byte(scratch, 0);
	return at;
}

/* The length is known before it is read, so that nothing waits for it. */
WALK_INLINE const uint8_t *fill_uuid(
        struct walk *walk, const uint8_t *at, struct bytes *out)
{
	enum { SIZE = UUID_TEXT_BYTES - 1 };

	if (walk->end - at <= SIZE || *at != 2 * SIZE)
		return walk_refuse(walk, at, "text is no UUID");
	*out = (struct bytes){ at + 1, SIZE };
	if (!identity_is_uuid(*out))
		return walk_refuse(walk, at + 1 + SIZE, "text is no UUID");
	return at + 1 + SIZE;
}

WALK_INLINE const uint8_t *fill_enum(
        struct walk *walk, const uint8_t *at, const struct op *op, struct bytes *out)
{
	struct bytes symbol;
	size_t index;

	at = walk_index(walk, at, op->count, &index);
	if (at == NULL)
		return NULL;
	symbol = op->symbols[index];
	*out = symbol;
	if (symbol.data == NULL)
		return walk_refuse(walk, at, "a symbol is unknown and has no default");
	return at;
}

WALK_APART static const uint8_t *fill_decimal(
        struct walk *walk, const uint8_t *at, const struct op *op, struct bytes *out)
{
	at = op->code == OP_DECIMAL ? walk_bytes(walk, at, out)
	                            : walk_fixed(walk, at, op->count, out);
	return at ? walk_check_decimal(walk, at, *out, op->precision) : NULL;
}

WALK_APART static const uint8_t *fill_real(
        struct walk *walk, const uint8_t *at, const struct op *op, double *out)
{
	int64_t number = 0;

	if (op->code == OP_FLOAT)
		return walk_float(walk, at, out);
	if (op->code == OP_DOUBLE)
		return walk_double(walk, at, out);
	at = walk_long(walk, at, &number);
	*out = (double)number;
	return at;
}

const uint8_t *op_fill(struct walk *walk, const uint8_t *at, const struct op *op,
        struct cell *cell, struct buffer *scratch)
{
	cell->is_null = false;
	switch (op->code) {
	case OP_JSON:
		return fill_json(walk, at, op, cell, scratch);
	case OP_BOOL:
		return walk_bool(walk, at, &cell->integer);
	case OP_INT:
		return walk_int(walk, at, &cell->integer);
	case OP_LONG:
		return walk_long(walk, at, &cell->integer);
	case OP_TEXT:
		return walk_text(walk, at, &cell->bytes);
	case OP_BYTES:
		return walk_bytes(walk, at, &cell->bytes);
	case OP_FIXED:
		return walk_fixed(walk, at, op->count, &cell->bytes);
	case OP_UUID:
		return fill_uuid(walk, at, &cell->bytes);
	case OP_ENUM:
		return fill_enum(walk, at, op, &cell->bytes);
	case OP_DECIMAL:
	case OP_DECIMAL_FIXED:
		return fill_decimal(walk, at, op, &cell->bytes);
	case OP_DATE:
		return walk_date(walk, at, &cell->integer);
	case OP_TIME:
		return walk_time(walk, at, &cell->integer);
	case OP_MILLIS:
		return walk_millis(walk, at, &cell->integer);
	case OP_MICROS:
		return walk_micros(walk, at, &cell->integer);
	default:
		return fill_real(walk, at, op, &cell->real);
	}
}

static void fill_nulls(const struct op *op, struct cell *cells)
{
	for (size_t i = 0; i < op->count; i++)
		cells[(size_t)op->column + i].is_null = true;
}

/* What is seldom. */
WALK_APART static const uint8_t *run_other(struct walk *walk, const uint8_t *at,
        const struct op *op, struct cell *cells, struct buffer *scratch)
{
	switch (op->code) {
	case OP_NULLS:
		fill_nulls(op, cells);
		return at;
	case OP_CONST:
		cells[op->column] = op->constant;
		return at;
	case OP_REFUSE:
		return walk_refuse(
		        walk, at, "the writer's type has no place in the reader's");
	default:
		return op_fill(walk, at, op, &cells[op->column], scratch);
	}
}

/* One operation that reads: what most fields are is here, without a call. */
WALK_INLINE const uint8_t *run_one(struct walk *walk, const uint8_t *at,
        const struct op *op, struct cell *cells, struct buffer *scratch)
{
	struct cell *cell = &cells[op->column];
	struct bytes bytes;
	int64_t number;
	size_t index;

	switch (op->code) {
	case OP_TEXT:
		cell->is_null = false;
		return walk_text(walk, at, &cell->bytes);
	case OP_UUID:
		cell->is_null = false;
		return fill_uuid(walk, at, &cell->bytes);
	case OP_ENUM:
		cell->is_null = false;
		return fill_enum(walk, at, op, &cell->bytes);
	case OP_LONG:
		cell->is_null = false;
		return walk_long(walk, at, &cell->integer);
	case OP_MICROS:
		cell->is_null = false;
		return walk_micros(walk, at, &cell->integer);
	case OP_JSON:
		cell->is_null = false;
		return fill_json(walk, at, op, cell, scratch);
	case OP_SKIP:
		return shape_skip(walk, at, op->shape);
	case OP_SKIP_LONG:
		return walk_long(walk, at, &number);
	case OP_SKIP_INDEX:
		return walk_index(walk, at, op->count, &index);
	case OP_SKIP_BYTES:
		return walk_bytes(walk, at, &bytes);
	case OP_SKIP_FIXED:
		return walk_fixed(walk, at, op->count, &bytes);
	default:
		return run_other(walk, at, op, cells, scratch);
	}
}

/* Whether [null, T] is null here; else at T. */
WALK_INLINE const uint8_t *take_null(
        struct walk *walk, const uint8_t *at, const struct op *op, bool *out_null)
{
	size_t index = 0;

	at = walk_index(walk, at, 2, &index);
	*out_null = index == op->null_branch;
	return at;
}

/* The operation to go on at: a jump's target or that of the branch that stands here. */
static const uint8_t *take_branch(const struct plan *plan, struct walk *walk,
        const uint8_t *at, const struct op **op)
{
	size_t target = (*op)->target;
	size_t index;

	if ((*op)->code == OP_BRANCH) {
		at = walk_index(walk, at, (*op)->count, &index);
		if (at == NULL)
			return NULL;
		target = (*op)->targets[index];
	}
	*op = plan->ops + target;
	return at;
}

/* The place behind the value; NULL: walk and *fault_path say what is wrong. */
static const uint8_t *run(const struct plan *plan, struct walk *walk, const uint8_t *at,
        struct cell *cells, struct buffer *scratch, const char **fault_path)
{
	const struct op *op = plan->ops;

	while (at != NULL && op->code != OP_END) {
		bool is_null = false;

		if (op->code >= OP_BRANCH) {
			at = take_branch(plan, walk, at, &op);
			continue;
		}
		if (op->optional)
			at = take_null(walk, at, op, &is_null);
		if (is_null && op->code < OP_SKIP)
			cells[op->column].is_null = true;
		else if (at != NULL && !is_null)
			at = run_one(walk, at, op, cells, scratch);
		if (at != NULL)
			op++;
	}
	*fault_path = op->path;
	return at;
}

static void settle_json(
        const struct plan *plan, struct cell *cells, const struct buffer *scratch)
{
	for (size_t i = 0; i < plan->json_count; i++) {
		struct cell *cell = &cells[plan->json[i]];

		if (!cell->is_null && cell->json_offset > 0)
			cell->bytes.data = scratch->data + cell->json_offset - 1;
	}
}

bool plan_decode(const struct plan *plan, struct bytes value, struct cell *cells,
        struct buffer *scratch, struct fault *fault)
{
	static const uint8_t nothing;
	const uint8_t *start = value.data ? value.data : &nothing;
	struct walk walk = { .end = start + value.size };
	const char *path = "";
	const uint8_t *at;

	buffer_reset(scratch);
	at = run(plan, &walk, start, cells, scratch, &path);
	if (at != NULL && at != walk.end) {
		path = "value";
		at = walk_refuse(&walk, at, "bytes are left over behind the value");
	}
	if (at == NULL)
		return walk_fault(&walk, start, path, fault);
	if (!buffer_ok(scratch, fault))
		return false;
	settle_json(plan, cells, scratch);
	return true;
}

static struct bytes head_bytes(
        const struct plan *plan, const struct cell *cells, enum head_column head)
{
	int column = plan->head[head];

	if (column < 0 || cells[column].is_null)
		return (struct bytes){ 0 };
	return cells[column].bytes;
}

static int64_t head_number(
        const struct plan *plan, const struct cell *cells, enum head_column head)
{
	int column = plan->head[head];

	return column < 0 || cells[column].is_null ? 0 : cells[column].integer;
}

void plan_head(const struct plan *plan, const struct cell *cells, struct head *out)
{
	*out = (struct head){
		.event_id = head_bytes(plan, cells, HEAD_EVENT_ID),
		.village_code = head_bytes(plan, cells, HEAD_VILLAGE_CODE),
		.incarnation = head_bytes(plan, cells, HEAD_INCARNATION),
		.case_id = head_bytes(plan, cells, HEAD_CASE_ID),
		.service = head_bytes(plan, cells, HEAD_SERVICE),
		.seq = head_number(plan, cells, HEAD_SEQ),
		.occurred_at_us = head_number(plan, cells, HEAD_OCCURRED_AT),
		.recorded_at_us = head_number(plan, cells, HEAD_RECORDED_AT),
	};
}

static void json_decimal(
        const struct column *column, const struct cell *cell, struct buffer *out)
{
	char text[DECIMAL_TEXT_BYTES];
	decimal number;

	if (!decimal_read(cell->bytes, &number))
		number = 0; /* plan_decode() lets none through that cannot be read */
	decimal_format(number, column->scale, text);
	buffer_append_json(out, bytes_of(text));
}

/* JSON has no word for what is not finite; PostgreSQL's to_json() writes these too. */
static void json_real(double number, struct buffer *out)
{
	if (isfinite(number))
		buffer_format(out, "%.17g", number);
	else if (isnan(number))
		buffer_append_text(out, "\"NaN\"");
	else
		buffer_append_text(out, number > 0 ? "\"Infinity\"" : "\"-Infinity\"");
}

static void json_hex(const struct cell *cell, struct buffer *out)
{
	buffer_append_byte(out, '"');
	for (size_t i = 0; i < cell->bytes.size; i++)
		buffer_format(out, "%02x", cell->bytes.data[i]);
	buffer_append_byte(out, '"');
}

void cell_json(const struct column *column, const struct cell *cell, struct buffer *out)
{
	char text[CLOCK_TEXT_BYTES];

	if (cell->is_null) {
		buffer_append_text(out, "null");
		return;
	}
	switch (column->type) {
	case COLUMN_BOOL:
		buffer_append_text(out, cell->integer ? "true" : "false");
		break;
	case COLUMN_INT4:
	case COLUMN_INT8:
	case COLUMN_TIME:
		buffer_format(out, "%lld", (long long)cell->integer);
		break;
	case COLUMN_FLOAT4:
	case COLUMN_FLOAT8:
		json_real(cell->real, out);
		break;
	case COLUMN_NUMERIC:
		json_decimal(column, cell, out);
		break;
	case COLUMN_TEXT:
	case COLUMN_UUID:
		buffer_append_json(out, cell->bytes);
		break;
	case COLUMN_BYTEA:
		json_hex(cell, out);
		break;
	case COLUMN_DATE:
		clock_format_date((int32_t)cell->integer, text);
		buffer_append_json(out, bytes_of(text));
		break;
	case COLUMN_TIMESTAMPTZ:
		clock_format(cell->integer, text);
		buffer_append_json(out, bytes_of(text));
		break;
	case COLUMN_JSONB:
		buffer_append(out, cell->bytes.data, cell->bytes.size);
		break;
	}
}
