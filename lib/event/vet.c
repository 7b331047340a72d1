/* SPDX-License-Identifier: MIT */
#include "event/vet.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "event/check.h"
#include "event/decimal.h"
#include "event/format.h"
#include "event/plan.h"

enum {
	TOPIC_BYTES = 249, /* Kafka */
	COLUMN_BYTES = 63, /* PostgreSQL */
	MAP_ITEMS = 1000,  /* shape.c */
};

/* One schema of a topic. */
struct vet {
	const char *file;
	struct fault *fault;
};

static bool vet_fault(const struct vet *vet, const char *field, const char *what)
{
	return fault_set(
	        vet->fault, FAULT_STOP, "%s: %.200s: %s", vet->file, field, what);
}

/* The head as C writes it and reads it. */
static bool vet_head(const struct vet *vet, const struct schema_node *record)
{
	static const struct {
		const char *name;
		enum schema_type type;
		enum schema_logical logical;
	} head[] = {
		{ "event_id", SCHEMA_STRING, LOGICAL_UUID },
		{ "village_code", SCHEMA_STRING, LOGICAL_NONE },
		{ "incarnation", SCHEMA_STRING, LOGICAL_UUID },
		{ "seq", SCHEMA_LONG, LOGICAL_NONE },
		{ "occurred_at", SCHEMA_LONG, LOGICAL_TIMESTAMP_MICROS },
		{ "recorded_at", SCHEMA_LONG, LOGICAL_TIMESTAMP_MICROS },
		{ "clock", SCHEMA_ENUM, LOGICAL_NONE },
		{ "case_id", SCHEMA_STRING, LOGICAL_NONE },
		{ "service", SCHEMA_STRING, LOGICAL_NONE },
		{ "actor", SCHEMA_RECORD, LOGICAL_NONE },
	};

	for (size_t i = 0; i < sizeof head / sizeof head[0]; i++) {
		const struct schema_field *field = schema_field(record, head[i].name);

		if (field == NULL || field->type->type != head[i].type
		        || field->type->logical != head[i].logical)
			return vet_fault(vet, head[i].name,
			        "is of the common head and must be as in the other "
			        "records");
	}
	return true;
}

static bool is_kept(const char *name)
{
	static const char *const kept[] = { "topic", "partition", "kafka_offset",
		"offset", "appended_at", "late", "record", "idempotency_key", "ctid",
		"xmin", "xmax", "cmin", "cmax", "tableoid" };

	for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
		if (strcmp(name, kept[i]) == 0)
			return true;
	return false;
}

/* Columns before at have other names. */
static bool vet_column(
        const struct vet *vet, const struct column *columns, const struct column *at)
{
	if (is_kept(at->name))
		return vet_fault(vet, at->path,
		        "its column's name is kept for the record's place; rename it");
	if (strlen(at->name) > COLUMN_BYTES)
		return vet_fault(vet, at->path,
		        "its column's name has more than the 63 bytes that PostgreSQL "
		        "keeps");
	for (; columns < at; columns++)
		if (strcmp(columns->name, at->name) == 0)
			return fault_set(vet->fault, FAULT_STOP,
			        "%s: %.200s and %.200s are both the column %s; rename "
			        "one of them",
			        vet->file, columns->path, at->path, at->name);
	return true;
}

static bool vet_columns(const struct vet *vet, const struct schema *schema)
{
	static const struct plan_grant all = { .everything = true };
	const struct column *columns;
	struct plan *plan = NULL;
	size_t count;
	bool ok = true;

	if (!plan_compile(&plan, schema, schema, &all, vet->fault))
		return fault_wrap(vet->fault, "%s", vet->file);
	columns = plan_columns(plan, &count);
	for (size_t i = 0; ok && i < count; i++)
		ok = vet_column(vet, columns, &columns[i]);
	plan_close(&plan);
	return ok;
}

/* Of what the gateway compares: whole numbers and decimals. */
static bool minimum_is_number(const struct schema_field *field)
{
	const struct schema_node *node = schema_without_null(field->type);
	decimal number;
	char *end;

	if (node->logical == LOGICAL_DECIMAL)
		return decimal_parse(bytes_of(field->minimum), node->precision,
		        node->scale, &number);
	if (node->type != SCHEMA_INT && node->type != SCHEMA_LONG)
		return false;
	strtoll(field->minimum, &end, 10);
	return *end == '\0';
}

/* A default text is what a sender could have given. */
static bool default_has_form(const struct schema_field *field)
{
	const struct format *format = format_find(field->format);
	json_t *json =
	        json_loads(field->standard, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	struct bytes text = { (const uint8_t *)json_string_value(json),
		json_string_length(json) };
	bool fits = field->type->type != SCHEMA_STRING || json == NULL
	            || (schema_matches(field, text)
	                    && (format == NULL || format->fits(text)));

	json_decref(json);
	return fits;
}

static bool has_map(const struct schema_node *node)
{
	bool found = node->type == SCHEMA_MAP || (node->items && has_map(node->items));

	for (size_t i = 0; i < node->branch_count; i++)
		found = found || has_map(node->branches[i]);
	return found;
}

static bool vet_node(const struct vet *vet, const struct schema_node *node);

static bool vet_field(const struct vet *vet, const struct schema_field *field)
{
	if (field->format[0] != '\0' && format_find(field->format) == NULL)
		return vet_fault(vet, field->name, "has a format that is not known");
	if (field->min_length > field->max_length)
		return vet_fault(vet, field->name, "has minLength above maxLength");
	if (field->minimum[0] != '\0' && !minimum_is_number(field))
		return vet_fault(vet, field->name,
		        "has a minimum that is none of a whole number or decimal");
	if (field->required_of_sender && schema_is_nullable(field->type))
		return vet_fault(
		        vet, field->name, "is required of the sender and may be null");
	if (field->max_items > MAP_ITEMS && has_map(field->type))
		return vet_fault(vet, field->name,
		        "has maxItems above the 1000 that a map is read with");
	if (field->standard != NULL && !default_has_form(field))
		return vet_fault(vet, field->name,
		        "has a default that its own pattern or format refuses");
	return vet_node(vet, field->type);
}

static bool vet_node(const struct vet *vet, const struct schema_node *node)
{
	for (size_t i = 0; i < node->field_count; i++)
		if (!vet_field(vet, &node->fields[i]))
			return false;
	for (size_t i = 0; i < node->branch_count; i++)
		if (!vet_node(vet, node->branches[i]))
			return false;
	return node->items == NULL || vet_node(vet, node->items);
}

/* How deep its JSON is: a body deeper than CHECK_DEPTH is refused unread. */
static int depth_of(const struct schema_node *node)
{
	int inner = node->items != NULL ? depth_of(node->items) : 0;

	for (size_t i = 0; i < node->field_count + node->branch_count; i++) {
		int depth = depth_of(i < node->field_count
		                             ? node->fields[i].type
		                             : node->branches[i - node->field_count]);

		inner = depth > inner ? depth : inner;
	}
	return inner + (node->field_count > 0 || node->items != NULL);
}

static bool vet_record(const struct catalog_topic *topic, struct fault *fault)
{
	const struct schema *schema = topic->newest->schema;
	const struct schema_node *root = schema_root(schema);
	struct vet vet = { .file = topic->newest->file, .fault = fault };

	if (strcmp(schema_last_part(root->name), topic->record) != 0)
		return fault_set(fault, FAULT_STOP,
		        "catalog.json: topic %s has the record %s, but %s is %s",
		        topic->name, topic->record, vet.file, root->name);
	if (depth_of(root) > CHECK_DEPTH)
		return vet_fault(&vet, topic->record,
		        "is nested deeper than the 16 that a body may be");
	return vet_head(&vet, root) && vet_columns(&vet, schema)
	       && vet_node(&vet, root);
}

static bool vet_name(const char *topic, struct fault *fault)
{
	size_t size =
	        strspn(topic, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                      "0123456789._-");

	return (topic[size] == '\0' && size <= TOPIC_BYTES)
	       || fault_set(fault, FAULT_STOP,
	               "catalog.json: topic %.250s: Kafka takes letters, digits, . _ - "
	               "and at most 249 of them",
	               topic);
}

/* Topics first, then channels: they share Kafka's names. */
static const char *topic_at(const struct catalog *catalog, size_t i)
{
	return i < catalog->topic_count
	               ? catalog->topics[i].topic
	               : catalog->channels[i - catalog->topic_count].topic;
}

static bool vet_names(const struct catalog *catalog, struct fault *fault)
{
	size_t count = catalog->topic_count + catalog->channel_count;

	for (size_t i = 0; i < count; i++) {
		if (!vet_name(topic_at(catalog, i), fault))
			return false;
		for (size_t j = 0; j < i; j++)
			if (strcmp(topic_at(catalog, i), topic_at(catalog, j)) == 0)
				return fault_set(fault, FAULT_STOP,
				        "catalog.json: the topic %s stands twice",
				        topic_at(catalog, i));
	}
	return true;
}

static bool vet_versions(const struct catalog *catalog, struct fault *fault)
{
	for (size_t i = 0; i < catalog->schema_count; i++)
		for (size_t j = 0; j < i; j++)
			if (catalog->schemas[i].version == catalog->schemas[j].version
			        && strcmp(catalog->schemas[i].subject,
			                   catalog->schemas[j].subject)
			                   == 0)
				return fault_set(fault, FAULT_STOP,
				        "catalog.json: %s version %d stands twice",
				        catalog->schemas[i].subject,
				        catalog->schemas[i].version);
	return true;
}

bool vet_catalog(const struct catalog *catalog, struct fault *fault)
{
	if (!vet_versions(catalog, fault) || !vet_names(catalog, fault))
		return false;
	for (size_t i = 0; i < catalog->topic_count; i++)
		if (!vet_record(&catalog->topics[i], fault)) {
			fault->kind = FAULT_STOP;
			return false;
		}
	return true;
}
