/* SPDX-License-Identifier: MIT */
#ifndef EVENT_SCHEMA_H
#define EVENT_SCHEMA_H

/*
 * What an .avsc says, as a tree of nodes that check, plan, the encoder and the
 * documents read. A schema is parsed once, never changes, and may be shared by all
 * threads. It may come from a stranger (a registry): depth, size, names, recursion,
 * fixed sizes and defaults are checked here and refused with FAULT_REJECT.
 *
 * Format: Apache Avro 1.11 specification, "Schema Declaration"; the attributes beyond
 * it (doc_id, pii, format, ...) are ours: docs/overview.md lists them.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/fault.h"

enum schema_type {
	SCHEMA_NULL,
	SCHEMA_BOOLEAN,
	SCHEMA_INT,
	SCHEMA_LONG,
	SCHEMA_FLOAT,
	SCHEMA_DOUBLE,
	SCHEMA_BYTES,
	SCHEMA_STRING,
	SCHEMA_FIXED,
	SCHEMA_ENUM,
	SCHEMA_RECORD,
	SCHEMA_ARRAY,
	SCHEMA_MAP,
	SCHEMA_UNION,
};

enum schema_logical {
	LOGICAL_NONE,
	LOGICAL_DATE,
	LOGICAL_TIME_MICROS,
	LOGICAL_TIMESTAMP_MILLIS,
	LOGICAL_TIMESTAMP_MICROS,
	LOGICAL_DECIMAL,
	LOGICAL_UUID,
};

struct schema_node;

struct schema_field {
	const char *name;
	const char *const *aliases; /* ended by NULL */
	const char *doc;            /* English; "" where absent, as all texts here */
	const char *doc_id;         /* Indonesian */
	const char *pii;         /* "none", "nik", ...; "" where the schema is silent */
	const char *format;      /* "nik", "slug", ... */
	const char *pattern;     /* as event/pattern.h allows */
	const void *compiled;    /* of pattern; see schema_matches() */
	size_t min_length;       /* code points; standard 1 */
	size_t max_length;       /* code points; standard 200 */
	size_t max_items;        /* arrays and maps; standard 1000 */
	const char *minimum;     /* smallest number or decimal, as text; "" for none */
	bool set_by_gateway;     /* a body that names it is refused */
	bool required_of_sender; /* the enum's default symbol is no answer */
	const char *standard;    /* the default as JSON text; NULL: has none */
	const struct schema_node *type;
};

struct schema_node {
	enum schema_type type;
	enum schema_logical logical;
	size_t weight; /* nodes, when every named type is written out where it is used
	                */
	const char *name; /* full name of a record, enum or fixed; else NULL */
	const char *const *aliases; /* full names, ended by NULL */
	size_t size;                /* bytes of a fixed */
	int precision;              /* of a decimal, one that is unknown here too */
	int scale;
	const char *meaning; /* logicalType as written, known here or not; "": none */
	const char *const *symbols; /* of an enum, symbol_count of them */
	size_t symbol_count;
	int default_symbol;                /* index, or -1 */
	const struct schema_field *fields; /* of a record, field_count of them */
	size_t field_count;
	const struct schema_node *items; /* of an array; values of a map */
	const struct schema_node *const
	        *branches; /* of a union, branch_count of them */
	size_t branch_count;
};

struct schema;

enum {
	SCHEMA_MAX_BYTES = 1 << 20,
	SCHEMA_MAX_DEPTH = 32,
	SCHEMA_MAX_WEIGHT = 20000,
};

/* Parse text (borrowed for the call). FAULT_REJECT names the place and what is wrong.
 */
MUST_CHECK bool schema_parse(
        struct schema **out, struct bytes text, struct fault *fault);
void schema_close(struct schema **schema);

const struct schema_node *schema_root(const struct schema *schema);

/* The text as it was parsed, for registries: Avro-C's own printing loses attributes. */
struct bytes schema_text(const struct schema *schema);

/* Whether two texts are one schema: compared as JSON, spaces and order do not count. */
bool schema_same_text(struct bytes a, struct bytes b);

/* The field of a record node by name, or NULL. */
const struct schema_field *schema_field(
        const struct schema_node *record, const char *name);

/* Whether text matches the field's pattern; true where it has none. */
bool schema_matches(const struct schema_field *field, struct bytes text);

/* The last part of a type's full name: what versions are told apart by. */
const char *schema_last_part(const char *name);

/* T of a union [null, T] in either order; any other node itself. */
const struct schema_node *schema_without_null(const struct schema_node *node);

/* Whether null is one of the values of the node. */
bool schema_is_nullable(const struct schema_node *node);

#endif
