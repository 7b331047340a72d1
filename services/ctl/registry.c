/* SPDX-License-Identifier: MIT */
#include "registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#include "port/fetch.h"

enum {
	EXCHANGE_MS = 15000,
	ANSWER_BYTES = 2 * SCHEMA_MAX_BYTES,
	ANSWER_DEPTH = 8,
};

static const char media[] = "application/vnd.schemaregistry.v1+json";

struct registry {
	struct fetch *fetch;
	const char *base;
	int base_size; /* without the slashes at its end */
	struct buffer url;
	struct buffer answer;
};

static bool is_address(const char *place)
{
	return strncasecmp(place, "http://", 7) == 0
	       || strncasecmp(place, "https://", 8) == 0;
}

/* A password would stand in lists of processes, and what is asked comes behind. */
static bool vet_address(const char *url, struct fault *fault)
{
	const char *host = strstr(url, "//");

	if (!is_address(url))
		return fault_code(fault, FAULT_STOP, "usage",
		        "a registry's address begins with http:// or https://");
	if (memchr(host + 2, '@', strcspn(host + 2, "/?#")) != NULL)
		return fault_code(fault, FAULT_STOP, "usage",
		        "an address holds no password; put it into ~/.netrc");
	if (strpbrk(url, "?#") != NULL)
		return fault_code(fault, FAULT_STOP, "usage",
		        "a registry's address holds no ? and no #");
	return true;
}

bool registry_open(struct registry **out, const char *url, struct fault *fault)
{
	const struct fetch_limits limits = { EXCHANGE_MS, ANSWER_BYTES };
	struct registry *registry;

	if (!vet_address(url, fault))
		return false;
	registry = calloc(1, sizeof *registry);
	if (registry == NULL)
		return fault_memory(fault);
	registry->base = url;
	registry->base_size = (int)strlen(url);
	while (url[registry->base_size - 1] == '/')
		registry->base_size--;
	if (!fetch_open(&registry->fetch, &limits, fault)) {
		registry_close(&registry);
		return false;
	}
	*out = registry;
	return true;
}

void registry_close(struct registry **registry)
{
	if (*registry == NULL)
		return;
	fetch_close(&(*registry)->fetch);
	buffer_clear(&(*registry)->url);
	buffer_clear(&(*registry)->answer);
	free(*registry);
	*registry = NULL;
}

/*
 * One exchange below the base: each %s of the path is a part and is encoded. *out is
 * NULL where the answer is no JSON; a stranger's depth is looked at first.
 */
static bool ask(struct registry *registry, const char *method, const char *path,
        const char *part, json_t *body, long *out_status, json_t **out,
        struct fault *fault)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	struct bytes sent = text ? bytes_of(text) : (struct bytes){ 0 };
	const char *hole = strstr(path, "%s");
	struct bytes answer;
	bool ok;

	*out = NULL;
	buffer_reset(&registry->url);
	buffer_format(&registry->url, "%.*s/%.*s", registry->base_size, registry->base,
	        (int)(hole ? hole - path : (long)strlen(path)), path);
	if (hole != NULL) {
		fetch_append_part(&registry->url, part);
		buffer_append_text(&registry->url, hole + 2);
	}
	buffer_append_byte(&registry->url, 0);
	ok = (body == NULL || text != NULL || fault_memory(fault))
	     && buffer_ok(&registry->url, fault)
	     && fetch_send(registry->fetch, method, (const char *)registry->url.data,
	             media, sent, out_status, &registry->answer, fault);
	free(text);
	json_decref(body);
	if (!ok)
		return false;
	answer = buffer_bytes(&registry->answer);
	if (bytes_json_is_shallow(answer, ANSWER_DEPTH))
		*out = json_loadb((const char *)answer.data, answer.size,
		        JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
	return true;
}

static bool odd_answer(struct registry *registry, long status, struct fault *fault)
{
	return fault_code(fault,
	        status >= 500 || status == 429 ? FAULT_RETRY : FAULT_REJECT, "registry",
	        "%.200s: unexpected answer %ld", (const char *)registry->url.data,
	        status);
}

/* Status 200, and something else than a registry says: a login page, for one. */
static bool no_registry(
        struct registry *registry, const char *expected, struct fault *fault)
{
	return fault_code(fault, FAULT_REJECT, "registry",
	        "%.200s: the answer is not %s; is that the address of a schema "
	        "registry?",
	        (const char *)registry->url.data, expected);
}

static struct bytes schema_of(const json_t *json)
{
	const json_t *text = json_object_get(json, "schema");

	return (struct bytes){ (const uint8_t *)json_string_value(text),
		json_string_length(text) };
}

/* Avro, and whole: what it refers to would stand somewhere else. */
static bool is_avro(const json_t *json)
{
	const json_t *type = json_object_get(json, "schemaType");
	const json_t *references = json_object_get(json, "references");

	return (type == NULL || json_is_null(type)
	               || (json_is_string(type)
	                       && strcmp(json_string_value(type), "AVRO") == 0))
	       && (references == NULL || json_is_null(references)
	               || (json_is_array(references)
	                       && json_array_size(references) == 0));
}

/* Whether an answer names what was asked, where it names anything. */
static bool is_about(const json_t *json, const char *subject, int version)
{
	const json_t *name = json_object_get(json, "subject");
	const json_t *number = json_object_get(json, "version");

	return (name == NULL
	               || (json_is_string(name)
	                       && strcmp(json_string_value(name), subject) == 0))
	       && (number == NULL
	               || (json_is_integer(number)
	                       && json_integer_value(number) == version));
}

static bool vet_version(struct registry *registry, const char *subject, int version,
        const json_t *json, struct fault *fault)
{
	json_int_t id = json_integer_value(json_object_get(json, "id"));

	if (id < 1 || id > INT32_MAX || schema_of(json).data == NULL
	        || !is_about(json, subject, version))
		return no_registry(registry, "a version with its id and schema", fault);
	return is_avro(json)
	       || fault_set(fault, FAULT_REJECT,
	               "%.100s version %d is no Avro schema of its own there", subject,
	               version);
}

/* What stands under a version: *out_id of the text in *out; NULL when nothing does. */
static bool get_version(struct registry *registry, const char *subject, int version,
        json_t **out, int32_t *out_id, struct fault *fault)
{
	char path[64];
	long status;
	bool ok;

	snprintf(path, sizeof path, "subjects/%%s/versions/%d", version);
	if (!ask(registry, "GET", path, subject, NULL, &status, out, fault))
		return false;
	if (status == 200)
		ok = vet_version(registry, subject, version, *out, fault);
	else
		ok = status == 404 || odd_answer(registry, status, fault);
	if (!ok || status == 404) {
		json_decref(*out);
		*out = NULL;
	}
	*out_id = (int32_t)json_integer_value(json_object_get(*out, "id"));
	return ok;
}

/* Forget all versions behind the first `count`. */
static void cut_versions(struct versions *versions, size_t count)
{
	while (versions->count > count) {
		struct catalog_schema *last = &versions->list[--versions->count];

		free((char *)last->subject);
		schema_close(&last->schema);
	}
}

void versions_clear(struct versions *versions)
{
	cut_versions(versions, 0);
	free(versions->list);
	*versions = (struct versions){ 0 };
}

static bool is_named(const struct catalog *catalog, const char *subject)
{
	for (size_t i = 0; i < catalog->schema_count; i++)
		if (strcmp(catalog->schemas[i].subject, subject) == 0)
			return true;
	return false;
}

/* What the catalog names, and what begins as that does: "desa.". */
static bool is_ours(const struct catalog *catalog, const char *subject)
{
	for (size_t i = 0; i < catalog->schema_count; i++) {
		const char *named = catalog->schemas[i].subject;
		const char *dot = strrchr(named, '.');

		if (dot != NULL
		        && strncmp(named, subject, (size_t)(dot - named) + 1) == 0)
			return true;
	}
	return is_named(catalog, subject);
}

static bool add_version(const char *subject, int version, int32_t id, struct bytes text,
        struct versions *out, struct fault *fault)
{
	struct catalog_schema *entry = &out->list[out->count];

	*entry = (struct catalog_schema){ .version = version, .id = id };
	for (size_t i = 0; i < out->count; i++)
		if (out->list[i].id == id)
			return fault_set(fault, FAULT_REJECT,
			        "%.100s version %d and %.100s version %d both have id "
			        "%d there; an id names one version",
			        out->list[i].subject, out->list[i].version, subject,
			        version, (int)id);
	if (!schema_parse(&entry->schema, text, fault))
		return fault_wrap(fault, "%.100s version %d", subject, version);
	entry->subject = strdup(subject);
	out->count++;
	return entry->subject != NULL || fault_memory(fault);
}

static bool list_version(struct registry *registry, const char *subject, int version,
        struct versions *out, struct fault *fault)
{
	json_t *json;
	int32_t id;
	bool ok;

	if (out->count == REGISTRY_VERSIONS)
		return fault_code(fault, FAULT_REJECT, "registry",
		        "the registry has more than %d versions of ours",
		        REGISTRY_VERSIONS);
	if (!get_version(registry, subject, version, &json, &id, fault))
		return false;
	ok = json != NULL
	             ? add_version(subject, version, id, schema_of(json), out, fault)
	             : odd_answer(registry, 404, fault);
	json_decref(json);
	return ok;
}

static bool is_list_of_numbers(const json_t *list)
{
	const json_t *number;
	size_t index;

	json_array_foreach(list, index, number)
	{
		if (!json_is_integer(number) || json_integer_value(number) < 1
		        || json_integer_value(number) > INT32_MAX)
			return false;
	}
	return json_array_size(list) > 0;
}

static bool list_numbers(struct registry *registry, const char *subject,
        const json_t *numbers, struct versions *out, struct fault *fault)
{
	const json_t *number;
	size_t index;

	json_array_foreach(numbers, index, number)
	{
		if (!list_version(registry, subject, (int)json_integer_value(number),
		            out, fault))
			return false;
	}
	return true;
}

static bool list_subject(struct registry *registry, const char *subject,
        struct versions *out, struct fault *fault)
{
	json_t *numbers;
	long status;
	bool ok;

	if (!ask(registry, "GET", "subjects/%s/versions", subject, NULL, &status,
	            &numbers, fault))
		return false;
	ok = (status == 200 || odd_answer(registry, status, fault))
	     && (is_list_of_numbers(numbers)
	             || no_registry(registry, "a list of version numbers", fault))
	     && list_numbers(registry, subject, numbers, out, fault);
	json_decref(numbers);
	return ok;
}

/*
 * A subject beside ours may hold what it likes, such as the text of a key; but a
 * registry that does not answer as one is believed in nothing.
 */
static bool is_stranger(
        const struct catalog *catalog, const char *subject, const struct fault *fault)
{
	return fault->kind == FAULT_REJECT && strcmp(fault->code, "registry") != 0
	       && !is_named(catalog, subject);
}

static bool list_subjects(struct registry *registry, const struct catalog *catalog,
        const json_t *subjects, struct versions *out, struct fault *fault)
{
	const json_t *subject;
	size_t index;

	json_array_foreach(subjects, index, subject)
	{
		const char *name = json_string_value(subject);
		size_t before = out->count;

		if (is_ours(catalog, name) && list_subject(registry, name, out, fault))
			continue;
		if (fault->kind != FAULT_NONE && !is_stranger(catalog, name, fault))
			return false;
		fault_clear(fault);
		cut_versions(out, before);
		out->strangers++;
	}
	return true;
}

/* An empty registry may say null. */
static bool is_list_of_names(const json_t *list)
{
	const json_t *name;
	size_t index;

	json_array_foreach(list, index, name)
	{
		if (!json_is_string(name))
			return false;
	}
	return json_is_array(list) || json_is_null(list);
}

bool registry_list(struct registry *registry, const struct catalog *catalog,
        struct versions *out, struct fault *fault)
{
	json_t *subjects;
	long status;
	bool ok;

	*out = (struct versions){ 0 };
	if (!ask(registry, "GET", "subjects", "", NULL, &status, &subjects, fault))
		return false;
	out->list = calloc(REGISTRY_VERSIONS, sizeof *out->list);
	ok = (out->list != NULL || fault_memory(fault))
	     && (status == 200 || odd_answer(registry, status, fault))
	     && (is_list_of_names(subjects)
	             || no_registry(registry, "a list of subjects", fault))
	     && list_subjects(registry, catalog, subjects, out, fault);
	json_decref(subjects);
	if (!ok)
		versions_clear(out);
	return ok;
}

/* Whether the registry has the version: with other contents it is a fault. */
static bool look_up(struct registry *registry, const struct catalog_schema *schema,
        bool *out_there, struct fault *fault)
{
	json_t *json;
	int32_t id;
	bool same;

	if (!get_version(registry, schema->subject, schema->version, &json, &id, fault))
		return false;
	*out_there = json != NULL;
	if (json == NULL)
		return true;
	same = schema_same_text(schema_of(json), schema_text(schema->schema));
	json_decref(json);
	if (id != schema->id)
		return fault_set(fault, FAULT_REJECT,
		        "%.100s version %d has id %d there and %d in the catalog; "
		        "readers would take one schema for another, so use a registry "
		        "that keeps ids (IMPORT mode), or an empty one",
		        schema->subject, schema->version, (int)id, (int)schema->id);
	return same
	       || fault_set(fault, FAULT_REJECT,
	               "%.100s version %d is another schema there; a version never "
	               "changes, so give the new text a new version and id",
	               schema->subject, schema->version);
}

/* Whether the id is free there or names the same schema. */
static bool look_up_id(struct registry *registry, const struct catalog_schema *schema,
        bool *out_there, struct fault *fault)
{
	char path[64];
	long status;
	json_t *json;
	bool told;
	bool same;

	snprintf(path, sizeof path, "schemas/ids/%d", (int)schema->id);
	if (!ask(registry, "GET", path, "", NULL, &status, &json, fault))
		return false;
	told = schema_of(json).data != NULL;
	same = is_avro(json)
	       && schema_same_text(schema_of(json), schema_text(schema->schema));
	json_decref(json);
	*out_there = status == 200;
	if (status == 404)
		return true;
	if (status != 200)
		return odd_answer(registry, status, fault);
	if (!told)
		return no_registry(registry, "a schema", fault);
	return same
	       || fault_set(fault, FAULT_REJECT,
	               "id %d names another schema there than %.100s version %d; use a "
	               "registry of your own, or another id in the catalog before any "
	               "record carries it",
	               (int)schema->id, schema->subject, schema->version);
}

/* Ids may be given by the client only while a subject is in this mode. */
static bool set_mode(struct registry *registry, const char *subject, const char *mode,
        long *out_status, struct fault *fault)
{
	json_t *json;

	if (!ask(registry, "PUT", "mode/%s?force=true", subject,
	            json_pack("{s:s}", "mode", mode), out_status, &json, fault))
		return false;
	json_decref(json);
	return true;
}

static bool allow_ids(
        struct registry *registry, const char *subject, struct fault *fault)
{
	long status;

	if (!set_mode(registry, subject, "IMPORT", &status, fault))
		return false;
	if (status >= 500 || status == 429)
		return odd_answer(registry, status, fault);
	return status == 200
	       || fault_set(fault, FAULT_REJECT,
	               "the registry refuses mode IMPORT for %.100s (answer %ld); ids "
	               "can be pinned only where it is allowed",
	               subject, status);
}

static bool forbid_ids(
        struct registry *registry, const char *subject, struct fault *fault)
{
	long status;

	if (!set_mode(registry, subject, "READWRITE", &status, fault))
		return fault_wrap(fault, "%.100s stays in mode IMPORT there", subject);
	return status == 200
	       || fault_set(fault, status >= 500 ? FAULT_RETRY : FAULT_REJECT,
	               "%.100s stays in mode IMPORT there, for the registry refuses "
	               "READWRITE (answer %ld); set it by hand",
	               subject, status);
}

static bool post_version(struct registry *registry, const struct catalog_schema *schema,
        struct fault *fault)
{
	struct bytes text = schema_text(schema->schema);
	json_t *body = json_pack("{s:s#, s:s, s:i, s:i}", "schema",
	        (const char *)text.data, (int)text.size, "schemaType", "AVRO", "id",
	        (int)schema->id, "version", schema->version);
	long status;
	json_t *json;

	if (body == NULL)
		return fault_memory(fault);
	if (!ask(registry, "POST", "subjects/%s/versions", schema->subject, body,
	            &status, &json, fault))
		return false;
	json_decref(json);
	return status == 200 || odd_answer(registry, status, fault);
}

static bool import(struct registry *registry, const struct catalog_schema *schema,
        struct fault *fault)
{
	struct fault second;
	bool ok;

	if (!allow_ids(registry, schema->subject, fault))
		return false;
	ok = post_version(registry, schema, fault);
	return forbid_ids(registry, schema->subject, ok ? fault : &second) && ok;
}

bool registry_put(struct registry *registry, const struct catalog_schema *schema,
        bool *out_existed, struct fault *fault)
{
	bool there = false;
	bool id_there = false;

	if (!look_up(registry, schema, out_existed, fault)
	        || !look_up_id(registry, schema, &id_there, fault))
		return false;
	if (*out_existed)
		return true;
	if (!import(registry, schema, fault)
	        || !look_up(registry, schema, &there, fault)
	        || !look_up_id(registry, schema, &id_there, fault))
		return false;
	return (there && id_there)
	       || fault_set(fault, FAULT_REJECT,
	               "the registry took %.100s version %d and does not have it; it "
	               "ignores ids or versions that a client gives",
	               schema->subject, schema->version);
}
