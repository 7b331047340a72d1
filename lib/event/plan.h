/* SPDX-License-Identifier: MIT */
#ifndef EVENT_PLAN_H
#define EVENT_PLAN_H

/*
 * Bytes to columns. A plan is compiled once from the writer's and the reader's schema
 * into a flat program that walks a value's bytes with every bound checked and puts the
 * fields that were granted straight into cells; the others are skipped, not decoded.
 * Fields resolve by name (and alias) with the reader's defaults, enums by symbol.
 *
 * Promise: whatever the bytes are, decoding ends, stays within them, allocates nothing
 * beyond the scratch buffer (kept from event to event), and yields either all cells or
 * FAULT_REJECT with the field's path and the byte offset, never a value.
 *
 * A plan never changes and may be used by many threads, each with its own cells and
 * scratch. Cells look into the value's bytes and into scratch.
 *
 * Format: Apache Avro 1.11, "Binary encoding" and "Schema Resolution".
 */

#include "base/bytes.h"
#include "event/schema.h"

enum column_type {
	COLUMN_BOOL,
	COLUMN_INT4,
	COLUMN_INT8,
	COLUMN_FLOAT4,
	COLUMN_FLOAT8,
	COLUMN_NUMERIC, /* decimal: cell.bytes is two's complement, big-endian */
	COLUMN_TEXT,    /* string and enum */
	COLUMN_BYTEA,
	COLUMN_DATE,        /* cell.integer: days since 1970 */
	COLUMN_TIME,        /* microseconds since midnight */
	COLUMN_TIMESTAMPTZ, /* microseconds since 1970 UTC, whatever the writer's unit
	                     */
	COLUMN_UUID,        /* cell.bytes: 36 characters, checked */
	COLUMN_JSONB,       /* array and map: cell.bytes is JSON text in scratch */
};

struct column {
	const char *name; /* "applicant_nik": nested records flattened by _ */
	const char *path; /* "applicant/nik" */
	enum column_type type;
	int scale; /* of a NUMERIC */
	bool nullable;
	const char *pii; /* strictest of the path; "" when the schema is silent: deny */
};

struct cell {
	bool is_null;
	uint32_t
	        json_offset; /* plan_decode()'s own: where in scratch, counted from 1 */
	union {
		int64_t integer; /* BOOL (0 or 1), INT4, INT8, DATE, TIME, TIMESTAMPTZ
		                  */
		double real;
		struct bytes bytes;
	};
};

/* The common head, the only fields that C knows by name. Views into the cells. */
struct head {
	struct bytes event_id;
	struct bytes village_code;
	struct bytes incarnation;
	struct bytes case_id;
	struct bytes service;
	int64_t seq;
	int64_t occurred_at_us;
	int64_t recorded_at_us;
};

/* Which columns are wanted; the head is always. */
struct plan_grant {
	bool everything;
	const char *const *columns; /* names, ended by NULL */
};

struct plan;

/*
 * FAULT_REJECT when the schemas do not resolve, FAULT_STOP when a granted name is no
 * column of the reader's schema (the fault names the nearest).
 */
MUST_CHECK bool plan_compile(struct plan **out, const struct schema *writer,
        const struct schema *reader, const struct plan_grant *grant,
        struct fault *fault);
void plan_close(struct plan **plan);

/*
 * The columns in the reader's order; they depend on reader and grant only, so that
 * plans of all writers fill the same table.
 */
const struct column *plan_columns(const struct plan *plan, size_t *out_count);

/*
 * Decode value (without its framing) into one cell a column. scratch is reset first;
 * memory that runs out is FAULT_STOP.
 */
MUST_CHECK bool plan_decode(const struct plan *plan, struct bytes value,
        struct cell *cells, struct buffer *scratch, struct fault *fault);

/* The head out of decoded cells; empty where the schema lacks a field of it (Void). */
void plan_head(const struct plan *plan, const struct cell *cells, struct head *out);

/* A cell as JSON, appended: numbers, texts, null, decimals as text, times RFC 3339. */
void cell_json(
        const struct column *column, const struct cell *cell, struct buffer *out);

#endif
