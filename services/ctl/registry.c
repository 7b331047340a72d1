/* SPDX-License-Identifier: MIT */
#include "registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	struct buffer url;
	struct buffer answer;
};

bool registry_open(struct registry **out, const char *url, struct fault *fault)
{
	const struct fetch_limits limits = { EXCHANGE_MS, ANSWER_BYTES };
	struct registry *registry;

	if (strchr(url, '@') != NULL)
		return fault_code(fault, FAULT_STOP, "usage",
		        "an address holds no password; put it into ~/.netrc");
	registry = calloc(1, sizeof *registry);
	if (registry == NULL)
		return fault_memory(fault);
	registry->base = url;
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
	buffer_format(&registry->url, "%s/%.*s", registry->base,
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
		        JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	return true;
}

static bool odd_answer(struct registry *registry, long status, struct fault *fault)
{
	return fault_code(fault,
	        status >= 500 || status == 429 ? FAULT_RETRY : FAULT_REJECT, "registry",
	        "%.200s: unexpected answer %ld", (const char *)registry->url.data,
	        status);
}

static struct bytes schema_of(const json_t *json)
{
	const json_t *text = json_object_get(json, "schema");

	return (struct bytes){ (const uint8_t *)json_string_value(text),
		json_string_length(text) };
}

static bool is_avro(const json_t *json)
{
	const json_t *type = json_object_get(json, "schemaType");

	return type == NULL
	       || (json_is_string(type)
	               && strcmp(json_string_value(type), "AVRO") == 0);
}

/* "versions/3", below a subject. */
static void version_path(char path[64], int version)
{
	snprintf(path, 64, "subjects/%%s/versions/%d", version);
}

void versions_clear(struct versions *versions)
{
	for (size_t i = 0; i < versions->count; i++) {
		free((char *)versions->list[i].subject);
		schema_close(&versions->list[i].schema);
	}
	free(versions->list);
	*versions = (struct versions){ 0 };
}

static bool catalog_names(const struct catalog *catalog, const char *subject)
{
	for (size_t i = 0; i < catalog->schema_count; i++)
		if (strcmp(catalog->schemas[i].subject, subject) == 0)
			return true;
	return false;
}

/* Take what the registry says of a version, if it is one of ours or could be. */
static bool add_version(const struct catalog *catalog, const char *subject, int version,
        const json_t *json, struct versions *out, struct fault *fault)
{
	struct catalog_schema *entry = &out->list[out->count];
	const json_t *id = json_object_get(json, "id");
	bool ok;

	*entry = (struct catalog_schema){ .version = version,
		.id = (int32_t)json_integer_value(id) };
	ok = (json_is_integer(id) && json_integer_value(id) == entry->id
	             && is_avro(json) && schema_of(json).data != NULL)
	     || fault_set(fault, FAULT_REJECT, "no Avro with an id");
	ok = ok && schema_parse(&entry->schema, schema_of(json), fault);
	if (!ok && (!catalog_names(catalog, subject) && fault->kind == FAULT_REJECT))
		return true;
	if (!ok)
		return fault_wrap(fault, "%.100s version %d", subject, version);
	entry->subject = strdup(subject);
	out->count++;
	return entry->subject != NULL || fault_memory(fault);
}

static bool list_version(struct registry *registry, const struct catalog *catalog,
        const char *subject, const json_t *number, struct versions *out,
        struct fault *fault)
{
	int version = (int)json_integer_value(number);
	char path[64];
	long status;
	json_t *json;
	bool ok;

	if (out->count == REGISTRY_VERSIONS)
		return fault_set(fault, FAULT_REJECT,
		        "the registry has more than %d versions", REGISTRY_VERSIONS);
	version_path(path, version);
	if (!ask(registry, "GET", path, subject, NULL, &status, &json, fault))
		return false;
	ok = status == 200 ? add_version(catalog, subject, version, json, out, fault)
	                   : odd_answer(registry, status, fault);
	json_decref(json);
	return ok;
}

static bool list_subject(struct registry *registry, const struct catalog *catalog,
        const char *subject, struct versions *out, struct fault *fault)
{
	json_t *numbers;
	json_t *number;
	size_t index;
	long status;
	bool ok;

	if (!ask(registry, "GET", "subjects/%s/versions", subject, NULL, &status,
	            &numbers, fault))
		return false;
	ok = status == 200 || odd_answer(registry, status, fault);
	json_array_foreach(numbers, index, number)
	{
		ok = ok && list_version(registry, catalog, subject, number, out, fault);
	}
	json_decref(numbers);
	return ok;
}

/* An empty registry may say null. */
bool registry_list(struct registry *registry, const struct catalog *catalog,
        struct versions *out, struct fault *fault)
{
	json_t *subjects;
	json_t *subject;
	size_t index;
	long status;
	bool ok;

	*out = (struct versions){ 0 };
	if (!ask(registry, "GET", "subjects", "", NULL, &status, &subjects, fault))
		return false;
	out->list = calloc(REGISTRY_VERSIONS, sizeof *out->list);
	ok = out->list != NULL || fault_memory(fault);
	ok = ok && (status == 200 || odd_answer(registry, status, fault));
	json_array_foreach(subjects, index, subject)
	{
		ok = ok && json_is_string(subject)
		     && list_subject(
		             registry, catalog, json_string_value(subject), out, fault);
	}
	json_decref(subjects);
	if (!ok)
		versions_clear(out);
	return ok;
}

/* Whether the registry has the version: with other contents it is a fault. */
static bool look_up(struct registry *registry, const struct catalog_schema *schema,
        bool *out_there, struct fault *fault)
{
	char path[64];
	long status;
	json_t *json;
	json_int_t id;
	bool same;

	version_path(path, schema->version);
	if (!ask(registry, "GET", path, schema->subject, NULL, &status, &json, fault))
		return false;
	id = json_integer_value(json_object_get(json, "id"));
	same = schema_same_text(schema_of(json), schema_text(schema->schema));
	json_decref(json);
	*out_there = status == 200;
	if (status == 404)
		return true;
	if (status != 200)
		return odd_answer(registry, status, fault);
	if (id != schema->id)
		return fault_set(fault, FAULT_REJECT,
		        "%.100s version %d has id %lld there and %d in the catalog; "
		        "readers would take one schema for another, so use a registry "
		        "that keeps ids (IMPORT mode), or an empty one",
		        schema->subject, schema->version, (long long)id,
		        (int)schema->id);
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
	bool same;

	snprintf(path, sizeof path, "schemas/ids/%d", (int)schema->id);
	if (!ask(registry, "GET", path, "", NULL, &status, &json, fault))
		return false;
	same = schema_same_text(schema_of(json), schema_text(schema->schema));
	json_decref(json);
	*out_there = status == 200;
	if (status != 200 && status != 404)
		return odd_answer(registry, status, fault);
	return status == 404 || same
	       || fault_set(fault, FAULT_REJECT,
	               "id %d names another schema there than %.100s version %d; use a "
	               "registry of your own, or another id in the catalog before any "
	               "record carries it",
	               (int)schema->id, schema->subject, schema->version);
}

/* Ids may be given by the client only while a subject is in this mode. */
static bool set_mode(struct registry *registry, const char *subject, const char *mode,
        struct fault *fault)
{
	long status;
	json_t *json;

	if (!ask(registry, "PUT", "mode/%s?force=true", subject,
	            json_pack("{s:s}", "mode", mode), &status, &json, fault))
		return false;
	json_decref(json);
	return status == 200
	       || fault_set(fault, FAULT_REJECT,
	               "the registry refuses mode %s for %.100s (answer %ld); ids can "
	               "be pinned only where it is allowed",
	               mode, subject, status);
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

	if (!set_mode(registry, schema->subject, "IMPORT", fault))
		return false;
	ok = post_version(registry, schema, fault);
	return set_mode(registry, schema->subject, "READWRITE", ok ? fault : &second)
	       && ok;
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
