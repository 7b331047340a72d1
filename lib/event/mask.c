/* SPDX-License-Identifier: MIT */
/*
 * What never changes of a record's text, the names with their punctuation and the dots,
 * is made once for each schema; an object is then a row of copies.
 */
#include "event/mask.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "event/envelope.h"
#include "event/format.h"

#define DOTS "\xE2\x80\xA2\xE2\x80\xA2\xE2\x80\xA2"

enum { NIK_DIGITS = 16, DIGEST_LETTERS = 32 };

static const char *const place_names[] = { "topic", "partition", "offset",
	"appended_at", "record" };

struct mask_column {
	struct bytes name; /* ,"name": */
	bool is_personal;
};

/* How records of one schema are read and written. */
struct mask_schema {
	struct plan *plan;
	const struct column *columns;
	struct mask_column *parts; /* of columns, count of them */
	size_t count;
	const char *record; /* short name */
};

struct mask {
	const struct catalog *catalog;
	struct mask_schema *schemas;     /* as the catalog has them */
	const struct mask_schema *taken; /* of the record at hand; NULL: undecodable */
	struct cell *cells;
	struct buffer scratch;
	struct arena arena;
};

static bool is_place_name(const char *name)
{
	for (size_t i = 0; i < sizeof place_names / sizeof place_names[0]; i++)
		if (strcmp(name, place_names[i]) == 0)
			return true;
	return false;
}

static const char *short_name(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot ? dot + 1 : name;
}

static bool prepare_column(struct mask *mask, const struct column *column,
        struct mask_column *out, struct fault *fault)
{
	struct buffer text = { 0 };

	buffer_format(&text, ",\"%s%s\":", column->name,
	        is_place_name(column->name) ? "_" : "");
	out->name =
	        (struct bytes){ text.failed ? NULL
		                            : (const uint8_t *)arena_copy(
		                                    &mask->arena, text.data, text.size),
		        text.size };
	out->is_personal = strcmp(column->pii, "none") != 0;
	buffer_clear(&text);
	return out->name.data != NULL || fault_memory(fault);
}

static bool prepare(struct mask *mask, struct mask_schema *out,
        const struct schema *schema, struct fault *fault)
{
	static const struct plan_grant all = { .everything = true };

	if (!plan_compile(&out->plan, schema, schema, &all, fault))
		return false;
	out->columns = plan_columns(out->plan, &out->count);
	out->record = short_name(schema_root(schema)->name);
	out->parts = arena_alloc(&mask->arena, out->count * sizeof *out->parts);
	if (out->parts == NULL)
		return fault_memory(fault);
	for (size_t i = 0; i < out->count; i++)
		if (!prepare_column(mask, &out->columns[i], &out->parts[i], fault))
			return false;
	return true;
}

static bool prepare_all(struct mask *mask, struct fault *fault)
{
	const struct catalog *catalog = mask->catalog;
	size_t most = 1;

	mask->schemas = calloc(catalog->schema_count + 1, sizeof *mask->schemas);
	if (mask->schemas == NULL)
		return fault_memory(fault);
	for (size_t i = 0; i < catalog->schema_count; i++) {
		if (!prepare(
		            mask, &mask->schemas[i], catalog->schemas[i].schema, fault))
			return fault_wrap(fault, "%s", catalog->schemas[i].file);
		if (mask->schemas[i].count > most)
			most = mask->schemas[i].count;
	}
	mask->cells = calloc(most, sizeof *mask->cells);
	return mask->cells != NULL || fault_memory(fault);
}

bool mask_open(struct mask **out, const struct catalog *catalog, struct fault *fault)
{
	struct mask *mask = calloc(1, sizeof *mask);

	if (mask == NULL)
		return fault_memory(fault);
	mask->catalog = catalog;
	if (!prepare_all(mask, fault)) {
		mask_close(&mask);
		return false;
	}
	*out = mask;
	return true;
}

void mask_close(struct mask **mask)
{
	struct mask *old = *mask;

	if (old == NULL)
		return;
	for (size_t i = 0; old->schemas != NULL && i < old->catalog->schema_count; i++)
		plan_close(&old->schemas[i].plan);
	free(old->schemas);
	free(old->cells);
	buffer_clear(&old->scratch);
	arena_clear(&old->arena);
	free(old);
	*mask = NULL;
}

static const struct mask_schema *find_schema(const struct mask *mask, int32_t id)
{
	for (size_t i = 0; i < mask->catalog->schema_count; i++)
		if (mask->catalog->schemas[i].id == id)
			return &mask->schemas[i];
	return NULL;
}

bool mask_decode(
        struct mask *mask, struct bytes framed, struct head *head, struct fault *fault)
{
	const struct mask_schema *schema;
	struct bytes value;
	int32_t id;

	mask->taken = NULL;
	if (!envelope_unframe(framed, &id, &value, fault))
		return false;
	schema = find_schema(mask, id);
	if (schema == NULL)
		return fault_code(fault, FAULT_REJECT, "unknown-schema",
		        "schema id %d is not in the catalog", (int)id);
	if (!plan_decode(schema->plan, value, mask->cells, &mask->scratch, fault))
		return false;
	plan_head(schema->plan, mask->cells, head);
	mask->taken = schema;
	return true;
}

static void put_place(
        const struct mask *mask, const struct mask_place *place, struct buffer *out)
{
	const struct catalog_topic *topic = catalog_topic(mask->catalog, place->topic);
	char appended[CLOCK_TEXT_BYTES];

	clock_format(place->appended_at_us, appended);
	buffer_format(out,
	        "{\"topic\":\"%s\",\"partition\":%d,\"offset\":%lld,"
	        "\"appended_at\":\"%s\",\"record\":\"%s\"",
	        place->topic, (int)place->partition, (long long)place->offset, appended,
	        mask->taken ? mask->taken->record
	        : topic     ? topic->record
	                    : "");
}

/* Bytes of the digits that stand there, with what is invisible between them. */
static size_t digits_size(struct bytes text, size_t *count)
{
	size_t size = 0;

	*count = 0;
	for (size_t at = 0; at < text.size;) {
		uint32_t point = format_point(text, &at);

		if (format_is_digit(point)) {
			++*count;
			size = at;
		} else if (*count == 0 || !format_is_hidden(point)) {
			break;
		}
	}
	return size;
}

/* Bytes of the digest that stands there; 0: none. */
static size_t digest_size(struct bytes text)
{
	bool has_letter = false;
	size_t size = 0;

	for (; size < text.size; size++) {
		bool is_letter = text.data[size] >= 'a' && text.data[size] <= 'f';

		if (!is_letter && (text.data[size] < '0' || text.data[size] > '9'))
			break;
		has_letter |= is_letter;
	}
	return size >= DIGEST_LETTERS && has_letter ? size : 0;
}

/* Bytes of the escape that stands there: the digits of \u0012 are none of the text. */
static size_t escape_size(struct bytes text)
{
	size_t size = text.size > 1 && text.data[1] == 'u' ? 6 : 2;

	return size < text.size ? size : text.size;
}

/* Of a text between quotes, what stands next: its bytes, and whether they are hidden.
 */
static size_t next_piece(struct bytes text, bool *is_hidden)
{
	size_t count = 0;
	size_t size;

	*is_hidden = false;
	size = text.data[0] == '\\' ? escape_size(text) : digest_size(text);
	if (size > 0)
		return size;
	size = digits_size(text, &count);
	*is_hidden = count >= NIK_DIGITS;
	return size > 0 ? size : 1;
}

void mask_hide_numbers(struct buffer *out, size_t from)
{
	bool is_text = false;
	size_t to = from;
	size_t size;

	for (size_t at = from; at < out->size && !out->failed; at += size) {
		bool is_hidden = false;

		size = 1;
		if (out->data[at] == '"')
			is_text = !is_text;
		else if (is_text)
			size = next_piece(
			        (struct bytes){ out->data + at, out->size - at },
			        &is_hidden);
		if (is_hidden)
			memcpy(out->data + to, DOTS, strlen(DOTS));
		else
			memmove(out->data + to, out->data + at, size);
		to += is_hidden ? strlen(DOTS) : size;
	}
	if (!out->failed)
		out->size = to;
}

/* Numbers, times and what is shorter than a NIK hide none. */
static bool may_hide_number(const struct column *column, const struct cell *cell)
{
	return !cell->is_null && cell->bytes.size >= NIK_DIGITS
	       && (column->type == COLUMN_TEXT || column->type == COLUMN_JSONB);
}

static void put_masked(
        const struct column *column, const struct cell *cell, struct buffer *out)
{
	size_t from = out->size;

	cell_json(column, cell, out);
	if (may_hide_number(column, cell))
		mask_hide_numbers(out, from);
}

static void put_fields(const struct mask *mask, enum mask_view view, struct buffer *out)
{
	const struct mask_schema *schema = mask->taken;

	for (size_t i = 0; i < schema->count; i++) {
		const struct mask_column *part = &schema->parts[i];

		buffer_append(out, part->name.data, part->name.size);
		if (view == VIEW_OPEN)
			cell_json(&schema->columns[i], &mask->cells[i], out);
		else if (!part->is_personal || mask->cells[i].is_null)
			put_masked(&schema->columns[i], &mask->cells[i], out);
		else
			buffer_append_text(out, "\"" DOTS "\"");
	}
}

void mask_append(struct mask *mask, const struct mask_place *place, enum mask_view view,
        struct buffer *out)
{
	put_place(mask, place, out);
	if (mask->taken != NULL)
		put_fields(mask, view, out);
	else
		buffer_append_text(out, ",\"undecodable\":true");
	buffer_append_byte(out, '}');
}
