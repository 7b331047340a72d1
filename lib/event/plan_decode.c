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

static bool run_json(struct walk *walk, const struct op *op, struct cell *cell,
        struct buffer *scratch)
{
	size_t start = scratch->size;

	if (start >= UINT32_MAX || !shape_walk(walk, op->shape, scratch))
		return false;
	cell->bytes.data = NULL;
	cell->bytes.size = scratch->size - start;
	cell->json_offset = (uint32_t)start + 1;
	buffer_append_byte(scratch, 0);
	return true;
}

static bool run_uuid(struct walk *walk, struct cell *cell)
{
	if (!walk_bytes(walk, &cell->bytes))
		return false;
	return identity_is_uuid(cell->bytes) || walk_fault(walk, "text is no UUID");
}

static bool run_enum(struct walk *walk, const struct op *op, struct cell *cell)
{
	size_t index;

	if (!walk_index(walk, op->count, &index))
		return false;
	cell->bytes = op->symbols[index];
	return cell->bytes.data != NULL
	       || walk_fault(walk, "a symbol is unknown and has no default");
}

static bool run_decimal(struct walk *walk, const struct op *op, struct cell *cell)
{
	if (op->code == OP_DECIMAL ? !walk_bytes(walk, &cell->bytes)
	                           : !walk_fixed(walk, op->count, &cell->bytes))
		return false;
	return walk_decimal(walk, cell->bytes, op->precision);
}

static bool run_real(struct walk *walk, const struct op *op, struct cell *cell)
{
	int64_t number;

	if (op->code == OP_FLOAT)
		return walk_float(walk, &cell->real);
	if (op->code == OP_DOUBLE)
		return walk_double(walk, &cell->real);
	if (!walk_long(walk, &number))
		return false;
	cell->real = (double)number;
	return true;
}

static bool run_skip(struct walk *walk, const struct op *op)
{
	struct bytes bytes;
	int64_t number;

	switch (op->code) {
	case OP_SKIP_LONG:
		return walk_long(walk, &number);
	case OP_SKIP_BYTES:
		return walk_bytes(walk, &bytes);
	case OP_SKIP_FIXED:
		return walk_fixed(walk, op->count, &bytes);
	default:
		return shape_walk(walk, op->shape, NULL);
	}
}

static void run_nulls(const struct op *op, struct cell *cells)
{
	for (size_t i = 0; i < op->count; i++)
		cells[(size_t)op->column + i] = (struct cell){ .is_null = true };
}

bool op_fill(struct walk *walk, const struct op *op, struct cell *cell,
        struct buffer *scratch)
{
	cell->is_null = false;
	switch (op->code) {
	case OP_JSON:
		return run_json(walk, op, cell, scratch);
	case OP_BOOL:
		return walk_bool(walk, &cell->integer);
	case OP_INT:
		return walk_int(walk, &cell->integer);
	case OP_LONG:
		return walk_long(walk, &cell->integer);
	case OP_TEXT:
		return walk_text(walk, &cell->bytes);
	case OP_BYTES:
		return walk_bytes(walk, &cell->bytes);
	case OP_FIXED:
		return walk_fixed(walk, op->count, &cell->bytes);
	case OP_UUID:
		return run_uuid(walk, cell);
	case OP_ENUM:
		return run_enum(walk, op, cell);
	case OP_DECIMAL:
	case OP_DECIMAL_FIXED:
		return run_decimal(walk, op, cell);
	case OP_DATE:
		return walk_date(walk, &cell->integer);
	case OP_TIME:
		return walk_time(walk, &cell->integer);
	case OP_MILLIS:
	case OP_MICROS:
		return walk_moment(walk, op->code == OP_MILLIS, &cell->integer);
	default:
		return run_real(walk, op, cell);
	}
}

static bool run(const struct plan *plan, struct walk *walk, struct cell *cells,
        struct buffer *scratch)
{
	const struct op *op = plan->ops;
	size_t index;

	for (;;) {
		walk->path = op->path;
		switch (op->code) {
		case OP_END:
			return true;
		case OP_SKIP:
		case OP_SKIP_LONG:
		case OP_SKIP_BYTES:
		case OP_SKIP_FIXED:
			if (!run_skip(walk, op))
				return false;
			break;
		case OP_NULLS:
			run_nulls(op, cells);
			break;
		case OP_CONST:
			cells[op->column] = op->constant;
			break;
		case OP_BRANCH:
			if (!walk_index(walk, op->count, &index))
				return false;
			op = plan->ops + op->targets[index];
			continue;
		case OP_JUMP:
			op = plan->ops + op->target;
			continue;
		case OP_REFUSE:
			return walk_fault(
			        walk, "the writer's type has no place in the reader's");
		default:
			if (!op_fill(walk, op, &cells[op->column], scratch))
				return false;
		}
		op++;
	}
}

static void settle_json(
        const struct plan *plan, struct cell *cells, const struct buffer *scratch)
{
	for (size_t i = 0; i < plan->column_count; i++) {
		struct cell *cell = &cells[i];

		if (plan->columns[i].type == COLUMN_JSONB && !cell->is_null
		        && cell->json_offset > 0)
			cell->bytes.data = scratch->data + cell->json_offset - 1;
	}
}

bool plan_decode(const struct plan *plan, struct bytes value, struct cell *cells,
        struct buffer *scratch, struct fault *fault)
{
	struct walk walk = { .start = value.data,
		.at = value.data,
		.end = value.data + value.size,
		.path = "",
		.fault = fault };

	buffer_reset(scratch);
	if (!run(plan, &walk, cells, scratch))
		return false;
	if (walk.at != walk.end) {
		walk.path = "value";
		return walk_fault(&walk, "bytes are left over behind the value");
	}
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
