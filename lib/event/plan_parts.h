/* SPDX-License-Identifier: MIT */
#ifndef EVENT_PLAN_PARTS_H
#define EVENT_PLAN_PARTS_H

/*
 * What a plan is inside, for plan.c (which compiles), plan_decode.c (which runs) and
 * shape.c (which walks what has no column of its own).
 *
 * The program is a row of operations. Records are flattened into it; a union is a
 * table of places to go on at. What cannot be a column (arrays, maps, fields that are
 * not wanted) is one operation with a shape: a small tree, no deeper than its schema.
 */

#include "base/arena.h"
#include "event/plan.h"
#include "event/walk.h"

enum op_code {
	OP_BOOL,
	OP_INT,      /* int to an integer column */
	OP_LONG,     /* long to an integer column */
	OP_INT_REAL, /* int or long to a real column */
	OP_FLOAT,
	OP_DOUBLE,
	OP_TEXT,
	OP_BYTES,
	OP_FIXED, /* count bytes */
	OP_UUID,
	OP_ENUM,    /* symbols[index] */
	OP_DECIMAL, /* of bytes; count = precision */
	OP_DECIMAL_FIXED,
	OP_DATE,
	OP_TIME,
	OP_MILLIS,
	OP_MICROS,
	OP_JSON, /* shape into scratch */
	OP_SKIP, /* shape into nothing; from here on no cell is filled from the value */
	OP_SKIP_LONG,
	OP_SKIP_INDEX, /* below count */
	OP_SKIP_BYTES,
	OP_SKIP_FIXED,
	OP_NULLS,  /* count columns from column on are null */
	OP_CONST,  /* a reader's default */
	OP_REFUSE, /* the writer's branch has no place in the reader's schema */
	OP_BRANCH, /* to targets[index], count of them; from here on: on to elsewhere */
	OP_JUMP,   /* to target */
	OP_END,
};

struct op {
	enum op_code code;
	bool optional; /* of [null, T]: an index comes first, and this one is null: */
	uint8_t null_branch;
	int column;
	int precision;
	size_t count;
	size_t target;
	const char *path;
	const struct shape *shape;
	const struct bytes *symbols; /* data NULL: no such symbol for the reader */
	const size_t *targets;
	struct cell constant;
};

enum shape_kind {
	SHAPE_NULL,
	SHAPE_BOOL,
	SHAPE_INT,
	SHAPE_LONG,
	SHAPE_FLOAT,
	SHAPE_DOUBLE,
	SHAPE_TEXT,
	SHAPE_BYTES,
	SHAPE_FIXED,
	SHAPE_UUID,
	SHAPE_ENUM,
	SHAPE_DECIMAL,
	SHAPE_DATE,
	SHAPE_TIME,
	SHAPE_MILLIS,
	SHAPE_MICROS,
	SHAPE_RECORD,
	SHAPE_ARRAY,
	SHAPE_MAP,
	SHAPE_UNION,
	SHAPE_REFUSE,
};

struct shape {
	enum shape_kind kind;
	bool silent;    /* walked, not written: the reader has no such field */
	bool widthless; /* its values take no bytes */
	size_t size;    /* of a fixed */
	int precision;
	int scale;
	struct bytes label; /* "name": as a member of a record */
	size_t count;       /* children, symbols */
	const struct shape *const *children;
	const struct bytes *symbols;
	const char *defaults; /* members the writer lacks: ,"name":json */
};

enum head_column {
	HEAD_EVENT_ID,
	HEAD_VILLAGE_CODE,
	HEAD_INCARNATION,
	HEAD_SEQ,
	HEAD_OCCURRED_AT,
	HEAD_RECORDED_AT,
	HEAD_CASE_ID,
	HEAD_SERVICE,
	HEAD_COLUMNS,
};

struct plan {
	struct op *ops;
	struct column *columns;
	size_t column_count;
	int *json; /* the columns that are JSON, json_count of them */
	size_t json_count;
	int head[HEAD_COLUMNS]; /* by enum head_column; -1: the schema has none */
	struct arena arena;
};

/*
 * Run one operation that fills a cell, from at on; the place behind it, or NULL with
 * what is wrong in walk.
 */
const uint8_t *op_fill(struct walk *walk, const uint8_t *at, const struct op *op,
        struct cell *cell, struct buffer *scratch);

/* Walk one value and append it as JSON. */
const uint8_t *shape_walk(struct walk *walk, const uint8_t *at,
        const struct shape *shape, struct buffer *out);

/* Go past one value: its bounds are kept, its content is not looked at. */
const uint8_t *shape_skip(
        struct walk *walk, const uint8_t *at, const struct shape *shape);

#endif
