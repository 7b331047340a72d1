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

static void put_fields(const struct mask *mask, enum mask_view view, struct buffer *out)
{
	const struct mask_schema *schema = mask->taken;

	for (size_t i = 0; i < schema->count; i++) {
		const struct mask_column *part = &schema->parts[i];

		buffer_append(out, part->name.data, part->name.size);
		if (view == VIEW_OPEN || !part->is_personal || mask->cells[i].is_null)
			cell_json(&schema->columns[i], &mask->cells[i], out);
		else
			buffer_append_text(
			        out, "\"\xE2\x80\xA2\xE2\x80\xA2\xE2\x80\xA2\"");
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
