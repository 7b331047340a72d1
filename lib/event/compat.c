/* SPDX-License-Identifier: MIT */
/*
 * One walk over reader and writer for each direction: first the newer version as the
 * reader, because its author is who reads the sentences. A field that was refused is
 * not refused again the other way.
 */
#include "event/compat.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "event/plan.h"

enum {
	WORDS_BYTES = 160,
	WHAT_BYTES = 600,
	VERSION_BYTES = 64,
	SHOWN = 100, /* characters of a name */
	NAME_BYTES = SHOWN + sizeof "...",
	SYMBOLS_BYTES = 300,
};

/* The path from the root: as it is shown, and whole as a hash, for it may be long. */
struct path {
	size_t size;
	uint64_t hash;
};

struct pair {
	char reader[VERSION_BYTES]; /* "version 2" */
	char writer[VERSION_BYTES];
	bool newer_reads;
	struct path path;
	char shown[COMPAT_PATH_BYTES];
	struct compat_report *report;
};

static void compare(struct pair *pair, const struct schema_node *reader,
        const struct schema_node *writer);

static bool was_refused(const struct pair *pair)
{
	for (size_t i = 0; i < pair->report->count && i < COMPAT_REFUSALS; i++)
		if (pair->report->refusals[i].place == pair->path.hash)
			return true;
	return false;
}

static void refuse(struct pair *pair, const char *what, const char *instead)
{
	struct compat_report *report = pair->report;
	struct compat_refusal *refusal;

	if (was_refused(pair) || report->count++ >= COMPAT_REFUSALS)
		return;
	refusal = &report->refusals[report->count - 1];
	refusal->place = pair->path.hash;
	memcpy(refusal->path, pair->shown, sizeof refusal->path);
	snprintf(refusal->sentence, sizeof refusal->sentence, "%s: %s; %s.",
	        pair->shown[0] ? pair->shown : "the record", what, instead);
}

/* A name whole up to a sensible length, and a longer one with dots at its end. */
static const char *cut(const char *name, char out[NAME_BYTES])
{
	snprintf(out, NAME_BYTES, "%.*s%s", SHOWN, name,
	        strlen(name) > SHOWN ? "..." : "");
	return out;
}

/* FNV-1a, 64 bits. */
static uint64_t hash_on(uint64_t hash, const char *text)
{
	for (; *text != '\0'; text++)
		hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	return hash;
}

/* Go down to a part of the path; returns where to come back to. */
static struct path push(struct pair *pair, const char *between, const char *name)
{
	const struct path before = pair->path;
	size_t room = sizeof pair->shown - before.size;
	char part[NAME_BYTES];
	int size = snprintf(pair->shown + before.size, room, "%s%s",
	        before.size > 0 || name[0] == '\0' ? between : "", cut(name, part));

	pair->path.hash = hash_on(hash_on(before.hash, between), name);
	if ((size_t)size < room) {
		pair->path.size += (size_t)size;
	} else {
		pair->path.size = sizeof pair->shown - 1;
		memcpy(pair->shown + sizeof pair->shown - sizeof "...", "...",
		        sizeof "...");
	}
	return before;
}

static void pop(struct pair *pair, struct path before)
{
	pair->path = before;
	pair->shown[before.size] = '\0';
}

/* A type in words: "string", "decimal(18,2)", "record Actor". */
static const char *words_of(const struct schema_node *node, char words[WORDS_BYTES])
{
	char name[NAME_BYTES];
	static const char *const types[] = { "null", "boolean", "int", "long", "float",
		"double", "bytes", "string", "fixed", "enum", "record", "array", "map",
		"a union" };

	if (node->precision > 0)
		snprintf(words, WORDS_BYTES, "%s decimal(%d,%d)", types[node->type],
		        node->precision, node->scale);
	else if (node->meaning[0] != '\0')
		snprintf(words, WORDS_BYTES, "%s %s", types[node->type],
		        cut(node->meaning, name));
	else if (node->name != NULL)
		snprintf(words, WORDS_BYTES, "%s %s", types[node->type],
		        cut(schema_last_part(node->name), name));
	else
		snprintf(words, WORDS_BYTES, "%s", types[node->type]);
	return words;
}

static void refuse_type(struct pair *pair, const struct schema_node *reader,
        const struct schema_node *writer)
{
	char is[WORDS_BYTES];
	char was[WORDS_BYTES];
	char what[WHAT_BYTES];

	snprintf(what, sizeof what, "%s has %s and cannot read the %s of %s",
	        pair->reader, words_of(reader, is), words_of(writer, was),
	        pair->writer);
	refuse(pair, what,
	        "keep the type, and put the other into a new field with a default");
}

static bool promotes(enum schema_type from, enum schema_type to)
{
	return (to == SCHEMA_LONG && from == SCHEMA_INT)
	       || (to == SCHEMA_FLOAT && (from == SCHEMA_INT || from == SCHEMA_LONG))
	       || (to == SCHEMA_DOUBLE && from >= SCHEMA_INT && from <= SCHEMA_FLOAT)
	       || (to == SCHEMA_STRING && from == SCHEMA_BYTES)
	       || (to == SCHEMA_BYTES && from == SCHEMA_STRING);
}

/* Named types agree by their last part: Avro 1.11. An alias would be a rename. */
static bool same_name(const struct schema_node *a, const struct schema_node *b)
{
	return strcmp(schema_last_part(a->name), schema_last_part(b->name)) == 0;
}

static void compare_logical(struct pair *pair, const struct schema_node *reader,
        const struct schema_node *writer)
{
	char is[WORDS_BYTES];
	char was[WORDS_BYTES];
	char what[WHAT_BYTES];

	if (strcmp(reader->meaning, writer->meaning) == 0
	        && reader->scale == writer->scale
	        && reader->precision == writer->precision)
		return;
	snprintf(what, sizeof what,
	        "%s takes it for %s and %s wrote %s, so that the same bytes would mean "
	        "another value",
	        pair->reader, words_of(reader, is), pair->writer,
	        words_of(writer, was));
	refuse(pair, what,
	        "keep the logical type, and put the other into a new field with a "
	        "default");
}

static void compare_names(struct pair *pair, const struct schema_node *reader,
        const struct schema_node *writer)
{
	char what[WHAT_BYTES];
	char is[NAME_BYTES];
	char was[NAME_BYTES];

	if (same_name(reader, writer))
		return;
	snprintf(what, sizeof what, "%s calls the type %s and %s calls it %s",
	        pair->reader, cut(schema_last_part(reader->name), is), pair->writer,
	        cut(schema_last_part(writer->name), was));
	refuse(pair, what, "keep the type's name");
}

static bool has_symbol(const struct schema_node *node, const char *symbol)
{
	for (size_t i = 0; i < node->symbol_count; i++)
		if (strcmp(node->symbols[i], symbol) == 0)
			return true;
	return false;
}

/* "B, C": those that the reader does not know, with dots when they are too many. */
static void list_unknown(const struct schema_node *reader,
        const struct schema_node *writer, char list[SYMBOLS_BYTES])
{
	size_t used = 0;
	char symbol[NAME_BYTES];

	list[0] = '\0';
	for (size_t i = 0; i < writer->symbol_count; i++) {
		if (has_symbol(reader, writer->symbols[i]))
			continue;
		if (used + sizeof ", , ..." + NAME_BYTES > SYMBOLS_BYTES) {
			snprintf(list + used, SYMBOLS_BYTES - used, ", ...");
			return;
		}
		used += (size_t)snprintf(list + used, SYMBOLS_BYTES - used, "%s%s",
		        used > 0 ? ", " : "", cut(writer->symbols[i], symbol));
	}
}

static void compare_symbols(struct pair *pair, const struct schema_node *reader,
        const struct schema_node *writer)
{
	char what[WHAT_BYTES];
	char unknown[SYMBOLS_BYTES];

	if (reader->default_symbol >= 0)
		return;
	list_unknown(reader, writer, unknown);
	if (unknown[0] == '\0')
		return;
	snprintf(what, sizeof what,
	        "%s may write %s, which %s does not know and has no default symbol for",
	        pair->writer, unknown, pair->reader);
	refuse(pair, what,
	        pair->newer_reads
	                ? "keep the symbol"
	                : "put the new word into a new field with a default, and give "
	                  "every enum a default symbol from the start");
}

static void compare_sizes(struct pair *pair, const struct schema_node *reader,
        const struct schema_node *writer)
{
	char what[WHAT_BYTES];

	if (reader->size == writer->size)
		return;
	snprintf(what, sizeof what, "%s has a fixed of %zu bytes and %s one of %zu",
	        pair->reader, reader->size, pair->writer, writer->size);
	refuse(pair, what, "keep the size, or use bytes in a new field");
}

static const struct schema_field *field_by_alias(
        const struct schema_node *writer, const struct schema_field *field)
{
	for (const char *const *alias = field->aliases; *alias != NULL; alias++)
		if (schema_field(writer, *alias) != NULL)
			return schema_field(writer, *alias);
	return NULL;
}

/* The writer has no field of that name. */
static void compare_absent(struct pair *pair, const struct schema_node *writer,
        const struct schema_field *field)
{
	const struct schema_field *old = field_by_alias(writer, field);
	char what[WHAT_BYTES];
	char name[NAME_BYTES];

	if (old != NULL && pair->newer_reads) {
		snprintf(what, sizeof what, "%s gives the field %s of %s this name",
		        pair->reader, cut(old->name, name), pair->writer);
		refuse(pair, what,
		        "keep the old name: readers that do not know the new one would "
		        "lose the value");
	} else if (field->standard == NULL && old == NULL) {
		snprintf(what, sizeof what,
		        pair->newer_reads
		                ? "%s adds it without a default and cannot read what "
		                  "%s wrote"
		                : "%s needs it and has no default, and %s drops it",
		        pair->reader, pair->writer);
		refuse(pair, what,
		        pair->newer_reads ? "give it a default, such as null"
		                          : "keep the field");
	}
}

static void compare_fields(struct pair *pair, const struct schema_node *reader,
        const struct schema_node *writer)
{
	for (size_t i = 0; i < reader->field_count; i++) {
		const struct schema_field *field = &reader->fields[i];
		const struct schema_field *from = schema_field(writer, field->name);
		struct path before = push(pair, "/", field->name);

		if (from == NULL)
			compare_absent(pair, writer, field);
		else
			compare(pair, field->type, from->type);
		pop(pair, before);
	}
}

static bool is_the_same(
        const struct schema_node *reader, const struct schema_node *writer)
{
	return reader->type == writer->type && reader->name != NULL
	       && strcmp(reader->name, writer->name) == 0;
}

/*
 * The reader's branch for a writer's type: that of its full name first, then one of the
 * same type, then one that it widens to.
 */
static const struct schema_node *branch_for(
        const struct schema_node *reader, const struct schema_node *writer)
{
	for (size_t i = 0; i < reader->branch_count; i++)
		if (is_the_same(reader->branches[i], writer))
			return reader->branches[i];
	for (size_t i = 0; i < reader->branch_count; i++) {
		const struct schema_node *branch = reader->branches[i];

		if (branch->type == writer->type
		        && (branch->name == NULL || same_name(branch, writer)))
			return branch;
	}
	for (size_t i = 0; i < reader->branch_count; i++)
		if (promotes(writer->type, reader->branches[i]->type))
			return reader->branches[i];
	return NULL;
}

static void compare_to_union(struct pair *pair, const struct schema_node *reader,
        const struct schema_node *writer)
{
	const struct schema_node *branch = branch_for(reader, writer);
	char was[WORDS_BYTES];
	char what[WHAT_BYTES];

	if (branch != NULL) {
		compare(pair, branch, writer);
		return;
	}
	snprintf(what, sizeof what, "%s may write %s, which no branch of %s reads",
	        pair->writer, words_of(writer, was), pair->reader);
	refuse(pair, what,
	        pair->newer_reads ? "keep the branch"
	                          : "put the new type into a new field with a default");
}

static void compare_same(struct pair *pair, const struct schema_node *reader,
        const struct schema_node *writer)
{
	struct path before;

	if (reader->name != NULL)
		compare_names(pair, reader, writer);
	switch (reader->type) {
	case SCHEMA_ENUM:
		compare_symbols(pair, reader, writer);
		break;
	case SCHEMA_FIXED:
		compare_sizes(pair, reader, writer);
		break;
	case SCHEMA_RECORD:
		compare_fields(pair, reader, writer);
		break;
	case SCHEMA_ARRAY:
	case SCHEMA_MAP:
		before = push(pair, reader->type == SCHEMA_ARRAY ? "[]" : "{}", "");
		compare(pair, reader->items, writer->items);
		pop(pair, before);
		break;
	default:
		break;
	}
}

static void compare(struct pair *pair, const struct schema_node *reader,
        const struct schema_node *writer)
{
	if (writer->type == SCHEMA_UNION) {
		for (size_t i = 0; i < writer->branch_count; i++)
			compare(pair, reader, writer->branches[i]);
		return;
	}
	if (reader->type == SCHEMA_UNION) {
		compare_to_union(pair, reader, writer);
		return;
	}
	if (reader->type == writer->type)
		compare_same(pair, reader, writer);
	else if (!promotes(writer->type, reader->type))
		refuse_type(pair, reader, writer);
	compare_logical(pair, reader, writer);
}

static void one_way(struct compat_report *report, const struct compat_version *reader,
        const struct compat_version *writer, bool newer_reads)
{
	struct pair start = { .newer_reads = newer_reads, .report = report };

	snprintf(start.reader, sizeof start.reader, "%s", reader->name);
	snprintf(start.writer, sizeof start.writer, "%s", writer->name);
	compare(&start, schema_root(reader->schema), schema_root(writer->schema));
}

/* What the rules allow, our own reader must be able to do: it has limits besides. */
static bool try_plan(struct compat_report *report, const struct compat_version *reader,
        const struct compat_version *writer, struct fault *fault)
{
	static const struct plan_grant all = { .everything = true };
	struct pair place = { .report = report };
	struct plan *plan = NULL;
	char what[WHAT_BYTES];

	if (plan_compile(&plan, writer->schema, reader->schema, &all, fault)) {
		plan_close(&plan);
		return true;
	}
	if (fault->kind != FAULT_REJECT)
		return false;
	snprintf(what, sizeof what, "%.60s cannot read %.60s (%.400s)", reader->name,
	        writer->name, fault->text);
	refuse(&place, what, "keep what they have in common");
	return true;
}

/* Only records travel, and only they are checked. */
static bool are_records(struct compat_report *report,
        const struct compat_version *older, const struct compat_version *newer)
{
	const struct compat_version *other = newer;
	struct pair place = { .report = report };
	char what[WHAT_BYTES];

	if (schema_root(newer->schema)->type == SCHEMA_RECORD)
		other = older;
	if (schema_root(other->schema)->type == SCHEMA_RECORD)
		return true;
	snprintf(what, sizeof what, "%.60s is no record, and only records are checked",
	        other->name);
	refuse(&place, what, "make it a field of a record");
	return false;
}

bool compat_compare(const struct compat_version *older,
        const struct compat_version *newer, struct compat_report *out,
        struct fault *fault)
{
	out->count = 0;
	fault_clear(fault);
	if (!are_records(out, older, newer))
		return true;
	one_way(out, newer, older, true);
	one_way(out, older, newer, false);
	return out->count > 0
	       || (try_plan(out, newer, older, fault)
	               && try_plan(out, older, newer, fault));
}
