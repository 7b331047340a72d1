/* SPDX-License-Identifier: MIT */
/*
 * The text is read by jansson, whose depth we bound before, into nodes that live in an
 * arena of blocks and end together. A name may be used only after its definition has
 * ended: that refuses recursion, which no record of ours needs and a stranger's could
 * abuse.
 */
#include "event/schema.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/arena.h"
#include "event/decimal.h"
#include "event/pattern.h"

enum {
	MAX_NAMES = 256,
	MAX_FIELDS = 1000,
	MAX_FIXED = 1 << 20,
	MAX_PRECISION = 38,
	NAME_BYTES = 256,
};

struct pattern {
	struct pattern *next;
	regex_t regex;
};

struct schema {
	struct arena arena;
	struct pattern *patterns;
	struct bytes text;
	const struct schema_node *root;
};

struct schema_reader {
	struct schema *schema;
	const struct schema_node *named[MAX_NAMES];
	size_t named_count;
	int depth;
	struct fault *fault;
};

static const char *const no_names[] = { NULL };

static void *reader_alloc(struct schema_reader *reader, size_t size)
{
	void *memory = arena_alloc(&reader->schema->arena, size);

	if (memory == NULL)
		fault_memory(reader->fault);
	return memory;
}

static const char *reader_copy(struct schema_reader *reader, const char *text)
{
	char *copy = arena_copy(&reader->schema->arena, text, strlen(text));

	if (copy == NULL)
		fault_memory(reader->fault);
	return copy;
}

static bool reader_fault(
        struct schema_reader *reader, const char *where, const char *what)
{
	return fault_code(
	        reader->fault, FAULT_REJECT, "schema", "%.100s: %s", where, what);
}

/* Names: Avro 1.11, "Names": letters, digits, underscore, dots between. */
static bool is_name(const char *text, bool dots)
{
	bool start = true;

	for (; *text != '\0'; text++) {
		if (*text == '.' && dots && !start) {
			start = true;
			continue;
		}
		if (!isalpha((unsigned char)*text) && *text != '_'
		        && (start || !isdigit((unsigned char)*text)))
			return false;
		start = false;
	}
	return !start;
}

static bool full_name(struct schema_reader *reader, const char *name, const char *space,
        const char **out)
{
	char full[NAME_BYTES];

	if (!is_name(name, true))
		return reader_fault(reader, name, "is no name");
	if (strchr(name, '.') != NULL || space[0] == '\0')
		snprintf(full, sizeof full, "%s", name);
	else
		snprintf(full, sizeof full, "%s.%s", space, name);
	if (strlen(full) + 1 >= sizeof full)
		return reader_fault(reader, name, "is too long a name");
	*out = reader_copy(reader, full);
	return *out != NULL;
}

static const struct schema_node *find_named(
        const struct schema_reader *reader, const char *name)
{
	for (size_t i = 0; i < reader->named_count; i++)
		if (strcmp(reader->named[i]->name, name) == 0)
			return reader->named[i];
	return NULL;
}

static bool add_named(struct schema_reader *reader, const struct schema_node *node)
{
	if (find_named(reader, node->name) != NULL)
		return reader_fault(reader, node->name, "is defined twice");
	if (reader->named_count == MAX_NAMES)
		return reader_fault(reader, node->name, "is one named type too many");
	reader->named[reader->named_count++] = node;
	return true;
}

/* Only a default may hold a NUL (bytes do); NULL for such text and for what is none. */
static const char *plain(const json_t *json)
{
	const char *text = json_string_value(json);

	return text != NULL && strlen(text) == json_string_length(json) ? text : NULL;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = plain(json_object_get(object, key));

	return text ? text : "";
}

static size_t count_of(const json_t *object, const char *key, size_t standard)
{
	const json_t *number = json_object_get(object, key);
	json_int_t value = json_integer_value(number);

	return json_is_integer(number) && value >= 0 ? (size_t)value : standard;
}

static bool read_node(struct schema_reader *reader, const json_t *json,
        const char *space, const struct schema_node **out);

static bool read_names(struct schema_reader *reader, const json_t *list,
        const char *space, bool full, const char *const **out)
{
	size_t count = json_array_size(list);
	const char **names;

	*out = no_names;
	if (count == 0)
		return true;
	names = reader_alloc(reader, (count + 1) * sizeof *names);
	for (size_t i = 0; names != NULL && i < count; i++) {
		const char *name = plain(json_array_get(list, i));

		if (name == NULL || !is_name(name, full))
			return reader_fault(reader, "aliases", "hold what is no name");
		if (!full)
			names[i] = reader_copy(reader, name);
		else if (!full_name(reader, name, space, &names[i]))
			return false;
		if (names[i] == NULL)
			return false;
	}
	*out = names;
	return names != NULL;
}

static bool read_copy(struct schema_reader *reader, const json_t *object,
        const char *key, const char **out)
{
	*out = reader_copy(reader, text_of(object, key));
	return *out != NULL;
}

/* A byte is the character of its number: Avro 1.11, default of bytes and fixed. */
static bool default_bytes_fit(const struct schema_node *node, const json_t *value)
{
	const uint8_t *at = (const uint8_t *)json_string_value(value);
	size_t characters = 0;

	for (size_t i = 0; i < json_string_length(value); i++) {
		if (at[i] > 0xC3)
			return false;
		characters += (at[i] & 0xC0) != 0x80;
	}
	return json_is_string(value)
	       && (node->type == SCHEMA_BYTES || characters == node->size);
}

static int symbol_index(const struct schema_node *node, const char *symbol)
{
	for (size_t i = 0; symbol != NULL && i < node->symbol_count; i++)
		if (strcmp(node->symbols[i], symbol) == 0)
			return (int)i;
	return -1;
}

/* Whether a default's JSON fits the node: Avro 1.11, "Complex Types", field default. */
static bool default_fits(const struct schema_node *node, const json_t *value)
{
	json_int_t number = json_integer_value(value);
	const char *key;
	json_t *member;
	size_t index;

	switch (node->type) {
	case SCHEMA_NULL:
		return json_is_null(value);
	case SCHEMA_BOOLEAN:
		return json_is_boolean(value);
	case SCHEMA_INT:
		return json_is_integer(value) && number >= INT32_MIN
		       && number <= INT32_MAX;
	case SCHEMA_LONG:
		return json_is_integer(value);
	case SCHEMA_FLOAT:
		return json_is_number(value)
		       && isfinite((float)json_number_value(value));
	case SCHEMA_DOUBLE:
		return json_is_number(value);
	case SCHEMA_STRING:
		return plain(value) != NULL;
	case SCHEMA_BYTES:
	case SCHEMA_FIXED:
		return default_bytes_fit(node, value);
	case SCHEMA_ENUM:
		return symbol_index(node, plain(value)) >= 0;
	case SCHEMA_ARRAY:
		json_array_foreach(value, index,
		        member) if (!default_fits(node->items, member)) return false;
		return json_is_array(value);
	case SCHEMA_MAP:
		json_object_foreach((json_t *)value, key,
		        member) if (!default_fits(node->items, member)) return false;
		return json_is_object(value);
	case SCHEMA_RECORD:
		for (index = 0; index < node->field_count; index++) {
			const struct schema_field *field = &node->fields[index];

			member = json_object_get(value, field->name);
			if (member ? !default_fits(field->type, member)
			           : field->standard == NULL)
				return false;
		}
		return json_is_object(value);
	case SCHEMA_UNION:
		return node->branch_count > 0 && default_fits(node->branches[0], value);
	}
	return false;
}

static bool read_default(
        struct schema_reader *reader, const json_t *object, struct schema_field *field)
{
	const json_t *value = json_object_get(object, "default");
	char *text;

	if (value == NULL)
		return true;
	if (!default_fits(field->type, value))
		return reader_fault(
		        reader, field->name, "has a default that does not fit");
	text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
	if (text == NULL)
		return fault_memory(reader->fault);
	field->standard = reader_copy(reader, text);
	free(text);
	return field->standard != NULL;
}

static bool read_minimum(
        struct schema_reader *reader, const json_t *object, struct schema_field *field)
{
	const json_t *minimum = json_object_get(object, "minimum");
	char text[32];

	if (!json_is_integer(minimum))
		return read_copy(reader, object, "minimum", &field->minimum);
	snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT,
	        json_integer_value(minimum));
	field->minimum = reader_copy(reader, text);
	return field->minimum != NULL;
}

/* We sort by nothing; who reads a schema of ours with Java refuses another word. */
static bool read_order(
        struct schema_reader *reader, const json_t *object, const char *name)
{
	const json_t *order = json_object_get(object, "order");
	const char *word = json_string_value(order);

	if (order == NULL
	        || (word != NULL
	                && (strcmp(word, "ascending") == 0
	                        || strcmp(word, "descending") == 0
	                        || strcmp(word, "ignore") == 0)))
		return true;
	return reader_fault(reader, name,
	        "has an order that is none of ascending, descending and ignore");
}

static bool read_pattern(struct schema_reader *reader, struct schema_field *field)
{
	struct pattern *pattern;

	if (field->pattern[0] == '\0')
		return true;
	pattern = pattern_is_clear(field->pattern) ? malloc(sizeof *pattern) : NULL;
	if (pattern == NULL
	        || regcomp(&pattern->regex, field->pattern, REG_EXTENDED | REG_NOSUB)
	                   != 0) {
		free(pattern);
		return reader_fault(reader, field->name,
		        "has a pattern that is not allowed: POSIX and JSON Schema must "
		        "read it alike (no \".\", [^...], \\d, (?...), and no {n} "
		        "behind a group)");
	}
	pattern->next = reader->schema->patterns;
	reader->schema->patterns = pattern;
	field->compiled = &pattern->regex;
	return true;
}

static bool read_field(struct schema_reader *reader, const json_t *object,
        const char *space, struct schema_field *field)
{
	const char *name = text_of(object, "name");

	if (!is_name(name, false))
		return reader_fault(reader, name, "is no field name");
	field->min_length = count_of(object, "minLength", 1);
	field->max_length = count_of(object, "maxLength", 200);
	field->max_items = count_of(object, "maxItems", 1000);
	field->set_by_gateway = strcmp(text_of(object, "set_by"), "gateway") == 0;
	field->required_of_sender =
	        json_is_true(json_object_get(object, "required_of_sender"));
	return read_copy(reader, object, "name", &field->name)
	       && read_copy(reader, object, "doc", &field->doc)
	       && read_copy(reader, object, "doc_id", &field->doc_id)
	       && read_copy(reader, object, "pii", &field->pii)
	       && read_copy(reader, object, "format", &field->format)
	       && read_copy(reader, object, "pattern", &field->pattern)
	       && read_pattern(reader, field) && read_minimum(reader, object, field)
	       && read_order(reader, object, name)
	       && read_names(reader, json_object_get(object, "aliases"), space, false,
	               &field->aliases)
	       && (read_node(
	                   reader, json_object_get(object, "type"), space, &field->type)
	               || fault_wrap(reader->fault, "%.100s", name))
	       && read_default(reader, object, field);
}

static bool read_record(struct schema_reader *reader, const json_t *object,
        const char *space, struct schema_node *node)
{
	const json_t *list = json_object_get(object, "fields");
	size_t count = json_array_size(list);
	struct schema_field *fields;

	if (!json_is_array(list) || count > MAX_FIELDS)
		return reader_fault(
		        reader, node->name, "needs a list of at most 1000 fields");
	fields = reader_alloc(reader, count * sizeof *fields);
	if (fields == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!read_field(reader, json_array_get(list, i), space, &fields[i]))
			return false;
		for (size_t j = 0; j < i; j++)
			if (strcmp(fields[i].name, fields[j].name) == 0)
				return reader_fault(
				        reader, fields[i].name, "is a field twice");
	}
	node->fields = fields;
	node->field_count = count;
	return add_named(reader, node);
}

static bool read_symbols(
        struct schema_reader *reader, const json_t *object, struct schema_node *node)
{
	const json_t *list = json_object_get(object, "symbols");
	const char *standard = plain(json_object_get(object, "default"));
	const char **symbols;

	node->symbol_count = json_array_size(list);
	if (node->symbol_count == 0 || node->symbol_count > MAX_FIELDS)
		return reader_fault(reader, node->name, "needs 1 to 1000 symbols");
	symbols = reader_alloc(reader, node->symbol_count * sizeof *symbols);
	if (symbols == NULL)
		return false;
	for (size_t i = 0; i < node->symbol_count; i++) {
		const char *symbol = plain(json_array_get(list, i));

		if (symbol == NULL || !is_name(symbol, false))
			return reader_fault(
			        reader, node->name, "has a symbol that is no name");
		for (size_t j = 0; j < i; j++)
			if (strcmp(symbols[j], symbol) == 0)
				return reader_fault(
				        reader, symbol, "is a symbol twice");
		symbols[i] = reader_copy(reader, symbol);
		if (symbols[i] == NULL)
			return false;
		if (standard != NULL && strcmp(symbol, standard) == 0)
			node->default_symbol = (int)i;
	}
	node->symbols = symbols;
	if (standard != NULL && node->default_symbol < 0)
		return reader_fault(
		        reader, node->name, "has a default that is no symbol");
	return add_named(reader, node);
}

static bool read_fixed(
        struct schema_reader *reader, const json_t *object, struct schema_node *node)
{
	const json_t *size = json_object_get(object, "size");
	json_int_t value = json_integer_value(size);

	if (!json_is_integer(size) || value < 0 || value > MAX_FIXED)
		return reader_fault(reader, node->name, "needs a size of 0 to 1048576");
	node->size = (size_t)value;
	return add_named(reader, node);
}

static int small_count(const json_t *object, const char *key)
{
	size_t count = count_of(object, key, 0);

	return count < INT_MAX ? (int)count : INT_MAX;
}

/* Decimal digits that always fit a fixed: of 8n - 1 bits, by the logarithm of 2. */
static int fixed_digits(size_t size)
{
	return size > DECIMAL_BYTES ? INT_MAX
	                            : (int)((8 * size - (size > 0)) * 30103 / 100000);
}

/*
 * A logical type that does not fit its type, or that is not known here, is ignored in
 * reading, as Avro demands; that it changes is seen all the same.
 */
static bool read_logical(
        struct schema_reader *reader, const json_t *object, struct schema_node *node)
{
	const char *name = text_of(object, "logicalType");
	bool is_long = node->type == SCHEMA_LONG;

	if (name[0] != '\0'
	        && !read_copy(reader, object, "logicalType", &node->meaning))
		return false;
	if (strcmp(name, "date") == 0 && node->type == SCHEMA_INT)
		node->logical = LOGICAL_DATE;
	else if (strcmp(name, "time-micros") == 0 && is_long)
		node->logical = LOGICAL_TIME_MICROS;
	else if (strcmp(name, "timestamp-millis") == 0 && is_long)
		node->logical = LOGICAL_TIMESTAMP_MILLIS;
	else if (strcmp(name, "timestamp-micros") == 0 && is_long)
		node->logical = LOGICAL_TIMESTAMP_MICROS;
	else if (strcmp(name, "uuid") == 0 && node->type == SCHEMA_STRING)
		node->logical = LOGICAL_UUID;
	else if (strcmp(name, "decimal") == 0
	         && (node->type == SCHEMA_BYTES || node->type == SCHEMA_FIXED)) {
		node->precision = small_count(object, "precision");
		node->scale = small_count(object, "scale");
		if (node->type == SCHEMA_FIXED
		        && node->precision > fixed_digits(node->size))
			return reader_fault(reader, node->name,
			        "has more digits than its bytes can hold");
		if (node->precision >= 1 && node->precision <= MAX_PRECISION
		        && node->scale <= node->precision)
			node->logical = LOGICAL_DECIMAL;
	}
	return true;
}

static bool primitive_type(const char *name, enum schema_type *out)
{
	static const char *const names[] = { "null", "boolean", "int", "long", "float",
		"double", "bytes", "string" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strcmp(name, names[i]) == 0) {
			*out = (enum schema_type)i;
			return true;
		}
	}
	return false;
}

static bool complex_type(const char *name, enum schema_type *out)
{
	static const struct {
		const char *name;
		enum schema_type type;
	} types[] = {
		{ "record", SCHEMA_RECORD },
		{ "error", SCHEMA_RECORD },
		{ "enum", SCHEMA_ENUM },
		{ "fixed", SCHEMA_FIXED },
		{ "array", SCHEMA_ARRAY },
		{ "map", SCHEMA_MAP },
	};

	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		if (strcmp(name, types[i].name) == 0) {
			*out = types[i].type;
			return true;
		}
	}
	return false;
}

static struct schema_node *new_node(struct schema_reader *reader, enum schema_type type)
{
	struct schema_node *node = reader_alloc(reader, sizeof *node);

	if (node == NULL)
		return NULL;
	*node = (struct schema_node){ .type = type,
		.aliases = no_names,
		.meaning = "",
		.default_symbol = -1,
		.weight = 1 };
	return node;
}

/*
 * A type may be used many times within one that is used many times: what is short as
 * text can be endless when it is written out, as plans and documents do.
 */
static bool weigh(struct schema_reader *reader, struct schema_node *node)
{
	for (size_t i = 0; i < node->field_count; i++)
		node->weight += node->fields[i].type->weight;
	for (size_t i = 0; i < node->branch_count; i++)
		node->weight += node->branches[i]->weight;
	if (node->items != NULL)
		node->weight += node->items->weight;
	return node->weight <= SCHEMA_MAX_WEIGHT
	       || reader_fault(reader, node->name ? node->name : "schema",
	               "is too large when its types are written out");
}

static bool read_reference(struct schema_reader *reader, const char *name,
        const char *space, const struct schema_node **out)
{
	enum schema_type type;
	const char *full;

	if (primitive_type(name, &type)) {
		*out = new_node(reader, type);
		return *out != NULL;
	}
	if (!full_name(reader, name, space, &full))
		return false;
	*out = find_named(reader, full);
	if (*out == NULL)
		*out = find_named(reader, name);
	return *out != NULL
	       || reader_fault(reader, name, "is a type that is not defined before it");
}

/* Two branches a reader could not tell apart: Avro 1.11, "Unions". */
static bool same_branch(const struct schema_node *a, const struct schema_node *b)
{
	if (a->name != NULL || b->name != NULL)
		return a->name != NULL && b->name != NULL
		       && strcmp(a->name, b->name) == 0;
	return a->type == b->type;
}

static bool read_union(struct schema_reader *reader, const json_t *list,
        const char *space, const struct schema_node **out)
{
	struct schema_node *node = new_node(reader, SCHEMA_UNION);
	size_t count = json_array_size(list);
	const struct schema_node **branches;

	if (node == NULL || count == 0 || count > MAX_FIELDS)
		return node
		       && reader_fault(reader, "union", "needs 1 to 1000 branches");
	branches = reader_alloc(reader, count * sizeof *branches);
	if (branches == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!read_node(reader, json_array_get(list, i), space, &branches[i]))
			return false;
		if (branches[i]->type == SCHEMA_UNION)
			return reader_fault(reader, "union", "holds a union");
		for (size_t j = 0; j < i; j++)
			if (same_branch(branches[i], branches[j]))
				return reader_fault(
				        reader, "union", "holds a type twice");
	}
	node->branches = branches;
	node->branch_count = count;
	*out = node;
	return weigh(reader, node);
}

static bool read_named(struct schema_reader *reader, const json_t *object,
        const char *space, struct schema_node *node)
{
	const char *own = plain(json_object_get(object, "namespace"));
	const char *dot;
	char inner[NAME_BYTES];

	if (own != NULL && own[0] != '\0' && !is_name(own, true))
		return reader_fault(reader, own, "is no namespace");
	if (!full_name(reader, text_of(object, "name"), own ? own : space, &node->name)
	        || !read_names(reader, json_object_get(object, "aliases"),
	                own ? own : space, true, &node->aliases))
		return false;
	dot = strrchr(node->name, '.');
	snprintf(inner, sizeof inner, "%.*s", dot ? (int)(dot - node->name) : 0,
	        node->name);
	if (node->type == SCHEMA_ENUM)
		return read_symbols(reader, object, node);
	if (node->type == SCHEMA_FIXED)
		return read_fixed(reader, object, node);
	return read_record(reader, object, inner, node);
}

static bool read_object(struct schema_reader *reader, const json_t *object,
        const char *space, const struct schema_node **out)
{
	const json_t *type = json_object_get(object, "type");
	const char *name = plain(type);
	enum schema_type kind;
	struct schema_node *node;

	if (name == NULL)
		return reader_fault(reader, "type", "is missing or is no schema");
	if (!complex_type(name, &kind)) {
		if (!primitive_type(name, &kind))
			return read_reference(reader, name, space, out);
	}
	node = new_node(reader, kind);
	if (node == NULL)
		return false;
	*out = node;
	if (kind == SCHEMA_ARRAY || kind == SCHEMA_MAP)
		return read_node(reader,
		               json_object_get(
		                       object, kind == SCHEMA_MAP ? "values" : "items"),
		               space, &node->items)
		       && weigh(reader, node);
	if (kind >= SCHEMA_FIXED && !read_named(reader, object, space, node))
		return false;
	return read_logical(reader, object, node) && weigh(reader, node);
}

static bool read_node(struct schema_reader *reader, const json_t *json,
        const char *space, const struct schema_node **out)
{
	bool ok;

	if (reader->depth == SCHEMA_MAX_DEPTH)
		return reader_fault(reader, "schema", "is nested deeper than 32");
	reader->depth++;
	if (json_is_string(json))
		ok = read_reference(reader, plain(json), space, out);
	else if (json_is_array(json))
		ok = read_union(reader, json, space, out);
	else if (json_is_object(json))
		ok = read_object(reader, json, space, out);
	else
		ok = reader_fault(reader, "type", "is missing or is no schema");
	reader->depth--;
	return ok;
}

static bool keep_text(struct schema *schema, struct bytes text, struct fault *fault)
{
	char *copy = arena_copy(&schema->arena, text.data, text.size);

	if (copy == NULL)
		return fault_memory(fault);
	schema->text = (struct bytes){ (const uint8_t *)copy, text.size };
	return true;
}

static bool schema_read(struct schema *schema, struct fault *fault)
{
	struct schema_reader *reader = calloc(1, sizeof *reader);
	json_error_t error;
	json_t *json;
	bool ok;

	if (reader == NULL)
		return fault_memory(fault);
	reader->schema = schema;
	reader->fault = fault;
	json = json_loadb((const char *)schema->text.data, schema->text.size,
	        JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
	if (json == NULL)
		ok = fault_code(
		        fault, FAULT_REJECT, "schema", "line %d: not JSON", error.line);
	else
		ok = read_node(reader, json, "", &schema->root);
	json_decref(json);
	free(reader);
	return ok;
}

bool schema_parse(struct schema **out, struct bytes text, struct fault *fault)
{
	struct schema *schema;

	if (text.size > SCHEMA_MAX_BYTES
	        || !bytes_json_is_shallow(text, 4 * SCHEMA_MAX_DEPTH))
		return fault_code(fault, FAULT_REJECT, "schema",
		        "the schema is larger or deeper than is allowed");
	schema = calloc(1, sizeof *schema);
	if (schema == NULL)
		return fault_memory(fault);
	if (!keep_text(schema, text, fault) || !schema_read(schema, fault)) {
		schema_close(&schema);
		return false;
	}
	*out = schema;
	return true;
}

void schema_close(struct schema **schema)
{
	struct schema *old = *schema;

	if (old == NULL)
		return;
	for (struct pattern *pattern = old->patterns; pattern != NULL;) {
		struct pattern *next = pattern->next;

		regfree(&pattern->regex);
		free(pattern);
		pattern = next;
	}
	arena_clear(&old->arena);
	free(old);
	*schema = NULL;
}

const struct schema_node *schema_root(const struct schema *schema)
{
	return schema->root;
}

struct bytes schema_text(const struct schema *schema)
{
	return schema->text;
}

static json_t *load(struct bytes text)
{
	if (!bytes_json_is_shallow(text, 4 * SCHEMA_MAX_DEPTH))
		return NULL;
	return json_loadb((const char *)text.data, text.size,
	        JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
}

bool schema_same_text(struct bytes a, struct bytes b)
{
	json_t *left = load(a);
	json_t *right = load(b);
	bool same = left != NULL && json_equal(left, right);

	json_decref(left);
	json_decref(right);
	return same;
}

const struct schema_field *schema_field(
        const struct schema_node *record, const char *name)
{
	for (size_t i = 0; i < record->field_count; i++)
		if (strcmp(record->fields[i].name, name) == 0)
			return &record->fields[i];
	return NULL;
}

/* regexec() may look for the end of what it is given, so it is given a copy with one.
 */
bool schema_matches(const struct schema_field *field, struct bytes text)
{
	char small[512];
	char *copy = small;
	bool matches;

	if (field->compiled == NULL)
		return true;
	if (text.size >= sizeof small)
		copy = malloc(text.size + 1);
	if (copy == NULL)
		return false;
	if (text.size > 0)
		memcpy(copy, text.data, text.size);
	copy[text.size] = '\0';
	matches = regexec(field->compiled, copy, 0, NULL, 0) == 0;
	if (copy != small)
		free(copy);
	return matches;
}

const char *schema_last_part(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot ? dot + 1 : name;
}

const struct schema_node *schema_without_null(const struct schema_node *node)
{
	if (node->type != SCHEMA_UNION || node->branch_count != 2)
		return node;
	if (node->branches[0]->type == SCHEMA_NULL)
		return node->branches[1];
	if (node->branches[1]->type == SCHEMA_NULL)
		return node->branches[0];
	return node;
}

bool schema_is_nullable(const struct schema_node *node)
{
	if (node->type == SCHEMA_NULL)
		return true;
	for (size_t i = 0; node->type == SCHEMA_UNION && i < node->branch_count; i++)
		if (node->branches[i]->type == SCHEMA_NULL)
			return true;
	return false;
}
