/* SPDX-License-Identifier: MIT */
#include "event/catalog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/file.h"
#include "event/vet.h"

enum { PATH_BYTES = 4096 };

static bool catalog_fault(struct fault *fault, const char *what)
{
	return fault_set(fault, FAULT_STOP, "catalog.json: %s", what);
}

static bool copy_text(
        const json_t *object, const char *key, const char **out, struct fault *fault)
{
	const char *text = json_string_value(json_object_get(object, key));
	char *copy;

	if (text == NULL)
		return fault_set(
		        fault, FAULT_STOP, "catalog.json: \"%s\" is missing", key);
	copy = strdup(text);
	*out = copy;
	return copy != NULL || fault_memory(fault);
}

static bool number_of(const json_t *object, const char *key, json_int_t least,
        json_int_t most, json_int_t *out, struct fault *fault)
{
	const json_t *number = json_object_get(object, key);

	*out = json_integer_value(number);
	if (!json_is_integer(number) || *out < least || *out > most)
		return fault_set(fault, FAULT_STOP,
		        "catalog.json: \"%s\" must be a number from %lld to %lld", key,
		        (long long)least, (long long)most);
	return true;
}

static bool read_schema(struct catalog *catalog, const json_t *entry,
        struct catalog_schema *out, struct fault *fault)
{
	struct buffer text = { 0 };
	char path[PATH_BYTES];
	json_int_t id;
	json_int_t version;
	bool ok;

	if (!number_of(entry, "id", 1, INT32_MAX, &id, fault)
	        || !number_of(entry, "version", 1, 100000, &version, fault)
	        || !copy_text(entry, "subject", &out->subject, fault)
	        || !copy_text(entry, "file", &out->file, fault))
		return false;
	out->id = (int32_t)id;
	out->version = (int)version;
	snprintf(path, sizeof path, "%s/%s", catalog->folder, out->file);
	ok = file_read(path, &text, fault)
	     && schema_parse(&out->schema, buffer_bytes(&text), fault);
	buffer_clear(&text);
	if (!ok) {
		fault->kind = FAULT_STOP;
		return fault_wrap(fault, "%s", path);
	}
	return true;
}

static bool read_schemas(
        struct catalog *catalog, const json_t *list, struct fault *fault)
{
	size_t count = json_array_size(list);

	if (count == 0)
		return catalog_fault(fault, "\"schemas\" is missing or empty");
	catalog->schemas = calloc(count, sizeof *catalog->schemas);
	if (catalog->schemas == NULL)
		return fault_memory(fault);
	for (size_t i = 0; i < count; i++) {
		struct catalog_schema *schema = &catalog->schemas[i];

		catalog->schema_count = i + 1;
		if (!read_schema(catalog, json_array_get(list, i), schema, fault))
			return false;
		for (size_t j = 0; j < i; j++)
			if (catalog->schemas[j].id == schema->id)
				return fault_set(fault, FAULT_STOP,
				        "catalog.json: id %d stands twice",
				        (int)schema->id);
	}
	return true;
}

/* The newest schema of the topic's subject, which is named for live topics always. */
static const struct catalog_schema *newest_of(
        const struct catalog *catalog, const char *live, const char *name)
{
	const struct catalog_schema *newest = NULL;
	char subject[256];

	snprintf(subject, sizeof subject, "%s%s-value", live, name);
	for (size_t i = 0; i < catalog->schema_count; i++) {
		const struct catalog_schema *schema = &catalog->schemas[i];

		if (strcmp(schema->subject, subject) == 0
		        && (newest == NULL || schema->version > newest->version))
			newest = schema;
	}
	return newest;
}

static bool read_topic(struct catalog *catalog, const json_t *entry, const char *live,
        const char *prefix, struct catalog_topic *out, struct fault *fault)
{
	char topic[256];

	if (!copy_text(entry, "name", &out->name, fault)
	        || !copy_text(entry, "record", &out->record, fault))
		return false;
	out->reserve = json_is_true(json_object_get(entry, "reserve"));
	snprintf(topic, sizeof topic, "%s%s", prefix, out->name);
	out->topic = strdup(topic);
	if (out->topic == NULL)
		return fault_memory(fault);
	out->newest = newest_of(catalog, live, out->name);
	if (out->newest == NULL)
		return fault_set(fault, FAULT_STOP,
		        "catalog.json: topic %s has no schema with subject %s%s-value",
		        out->name, live, out->name);
	if (schema_root(out->newest->schema)->type != SCHEMA_RECORD)
		return fault_set(
		        fault, FAULT_STOP, "%s: is no record", out->newest->file);
	return true;
}

static bool read_topics(struct catalog *catalog, const json_t *json, const char *mode,
        struct fault *fault)
{
	const json_t *list = json_object_get(json, "topics");
	const json_t *prefixes = json_object_get(json, "prefix");
	const char *live = json_string_value(json_object_get(prefixes, "live"));
	const char *prefix = json_string_value(json_object_get(prefixes, mode));
	size_t count = json_array_size(list);

	if (live == NULL || prefix == NULL)
		return catalog_fault(fault, "\"prefix\" must name live and latihan");
	if (strcmp(mode, "live") != 0 && strcmp(live, prefix) == 0)
		return catalog_fault(
		        fault, "\"prefix\" must be another for live and latihan");
	if (count == 0)
		return catalog_fault(fault, "\"topics\" is missing or empty");
	catalog->topics = calloc(count, sizeof *catalog->topics);
	if (catalog->topics == NULL)
		return fault_memory(fault);
	for (size_t i = 0; i < count; i++) {
		catalog->topic_count = i + 1;
		if (!read_topic(catalog, json_array_get(list, i), live, prefix,
		            &catalog->topics[i], fault))
			return false;
	}
	return true;
}

static bool read_channel(struct catalog *catalog, const json_t *entry, const char *live,
        const char *prefix, struct catalog_channel *out, struct fault *fault)
{
	char topic[256];

	if (!copy_text(entry, "name", &out->name, fault)
	        || !copy_text(entry, "cleanup", &out->cleanup, fault))
		return false;
	snprintf(topic, sizeof topic, "%s%s", prefix, out->name);
	out->topic = strdup(topic);
	if (out->topic == NULL)
		return fault_memory(fault);
	out->newest = newest_of(catalog, live, out->name);
	return true;
}

static bool read_channels(struct catalog *catalog, const json_t *json, const char *mode,
        struct fault *fault)
{
	const json_t *list = json_object_get(json, "channels");
	const json_t *prefixes = json_object_get(json, "prefix");
	const char *live = json_string_value(json_object_get(prefixes, "live"));
	const char *prefix = json_string_value(json_object_get(prefixes, mode));
	size_t count = json_array_size(list);

	if (count == 0)
		return true;
	catalog->channels = calloc(count, sizeof *catalog->channels);
	if (catalog->channels == NULL)
		return fault_memory(fault);
	for (size_t i = 0; i < count; i++) {
		catalog->channel_count = i + 1;
		if (!read_channel(catalog, json_array_get(list, i), live, prefix,
		            &catalog->channels[i], fault))
			return false;
	}
	return true;
}

static bool read_limits(
        struct catalog *catalog, const json_t *json, struct fault *fault)
{
	const json_t *limits = json_object_get(json, "limits");
	json_int_t modulus;
	json_int_t body;
	json_int_t batch;
	json_int_t lines;

	if (!number_of(json, "modulus", 1, 10000, &modulus, fault)
	        || !number_of(limits, "body_bytes", 1024, 1 << 20, &body, fault)
	        || !number_of(limits, "batch_bytes", 1024, 16 << 20, &batch, fault)
	        || !number_of(limits, "batch_lines", 1, 100000, &lines, fault))
		return false;
	catalog->modulus = (int32_t)modulus;
	catalog->body_bytes = (size_t)body;
	catalog->batch_bytes = (size_t)batch;
	catalog->batch_lines = (size_t)lines;
	return true;
}

static bool catalog_read(struct catalog *catalog, const char *mode, struct fault *fault)
{
	char path[PATH_BYTES];
	json_error_t error;
	json_t *json;
	bool ok;

	snprintf(path, sizeof path, "%s/catalog.json", catalog->folder);
	json = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (json == NULL && error.line < 0)
		return fault_set(fault, FAULT_STOP,
		        "%s cannot be read; the setting schemas names its folder",
		        path);
	if (json == NULL)
		return fault_set(fault, FAULT_STOP, "%s: line %d: %s", path, error.line,
		        error.text);
	ok = read_limits(catalog, json, fault)
	     && read_schemas(catalog, json_object_get(json, "schemas"), fault)
	     && read_topics(catalog, json, mode, fault)
	     && read_channels(catalog, json, mode, fault)
	     && vet_catalog(catalog, fault);
	json_decref(json);
	return ok;
}

bool catalog_open(
        struct catalog **out, const char *folder, const char *mode, struct fault *fault)
{
	struct catalog *catalog = calloc(1, sizeof *catalog);

	if (catalog == NULL)
		return fault_memory(fault);
	catalog->folder = strdup(folder);
	if (catalog->folder == NULL || !catalog_read(catalog, mode, fault)) {
		if (catalog->folder == NULL)
			fault_memory(fault);
		catalog_close(&catalog);
		return false;
	}
	*out = catalog;
	return true;
}

void catalog_close(struct catalog **catalog)
{
	struct catalog *old = *catalog;

	if (old == NULL)
		return;
	for (size_t i = 0; i < old->topic_count; i++) {
		free((char *)old->topics[i].name);
		free((char *)old->topics[i].topic);
		free((char *)old->topics[i].record);
	}
	for (size_t i = 0; i < old->channel_count; i++) {
		free((char *)old->channels[i].name);
		free((char *)old->channels[i].topic);
		free((char *)old->channels[i].cleanup);
	}
	for (size_t i = 0; i < old->schema_count; i++) {
		free((char *)old->schemas[i].subject);
		free((char *)old->schemas[i].file);
		schema_close(&old->schemas[i].schema);
	}
	free(old->topics);
	free(old->channels);
	free(old->schemas);
	free(old->folder);
	free(old);
	*catalog = NULL;
}

const struct catalog_schema *catalog_by_id(const struct catalog *catalog, int32_t id)
{
	for (size_t i = 0; i < catalog->schema_count; i++)
		if (catalog->schemas[i].id == id)
			return &catalog->schemas[i];
	return NULL;
}

const struct catalog_topic *catalog_topic(
        const struct catalog *catalog, const char *topic)
{
	for (size_t i = 0; i < catalog->topic_count; i++)
		if (strcmp(catalog->topics[i].topic, topic) == 0)
			return &catalog->topics[i];
	return NULL;
}

const struct catalog_topic *catalog_short(
        const struct catalog *catalog, const char *name)
{
	for (size_t i = 0; i < catalog->topic_count; i++)
		if (strcmp(catalog->topics[i].name, name) == 0)
			return &catalog->topics[i];
	return NULL;
}

const struct catalog_channel *catalog_channel(
        const struct catalog *catalog, const char *name)
{
	for (size_t i = 0; i < catalog->channel_count; i++)
		if (strcmp(catalog->channels[i].name, name) == 0)
			return &catalog->channels[i];
	return NULL;
}
