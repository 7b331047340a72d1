/* SPDX-License-Identifier: MIT */
/*
 * The read side of Confluent's Schema Registry REST API, and of Apicurio's v2 and v3 as
 * far as its Java converter asks, so that Kafka's tools decode our topics without a
 * registry. Ids are the catalog's. Unknown paths are 404, which clients rely on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "monitor.h"

static void answer(struct http_request *request, const char *media, json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);

	http_answer(request, 200, media, text ? bytes_of(text) : (struct bytes){ 0 });
	free(text);
	json_decref(json);
}

static const char media[] = "application/vnd.schemaregistry.v1+json";

static void answer_registry(struct http_request *request, json_t *json)
{
	answer(request, media, json);
}

static void refuse(struct http_request *request, int code, const char *message)
{
	char text[160];

	snprintf(text, sizeof text, "{\"error_code\":%d,\"message\":\"%s\"}", code,
	        message);
	http_answer(request, 404, media, bytes_of(text));
}

/* The path is known, and takes this method only. */
static void refuse_method(struct http_request *request, const char *allow)
{
	http_answer_header(request, "Allow", allow);
	http_answer(request, 405, media,
	        bytes_of("{\"error_code\":405,\"message\":\"This registry is only "
	                 "read.\"}"));
}

static void refuse_subject(struct http_request *request)
{
	refuse(request, 40401, "Subject not found.");
}

static void refuse_schema(struct http_request *request)
{
	refuse(request, 40403, "Schema not found");
}

static json_t *text_of(const struct catalog_schema *schema)
{
	struct bytes text = schema_text(schema->schema);

	return json_stringn((const char *)text.data, text.size);
}

static json_t *describe(const struct catalog_schema *schema)
{
	return json_pack("{s:s, s:i, s:i, s:s, s:o}", "subject", schema->subject,
	        "version", schema->version, "id", (int)schema->id, "schemaType", "AVRO",
	        "schema", text_of(schema));
}

static json_t *subject_version(const struct catalog_schema *schema)
{
	return json_pack(
	        "{s:s, s:i}", "subject", schema->subject, "version", schema->version);
}

/* What follows an id in a path: "", "versions", "subjects", "schema". */
static const struct catalog_schema *schema_by_tail(
        const struct catalog *catalog, const char *tail, const char **rest)
{
	char *end;
	long id = strtol(tail, &end, 10);

	if (tail[0] < '1' || tail[0] > '9' || id > INT32_MAX
	        || (*end != '\0' && *end != '/'))
		return NULL;
	*rest = *end == '/' ? end + 1 : end;
	return catalog_by_id(catalog, (int32_t)id);
}

static void serve_id(void *context, struct http_request *request)
{
	const char *rest = "";
	const struct catalog_schema *schema =
	        schema_by_tail(context, http_tail(request), &rest);

	if (schema == NULL)
		refuse_schema(request);
	else if (rest[0] == '\0')
		answer_registry(request, json_pack("{s:s, s:o}", "schemaType", "AVRO",
		                                 "schema", text_of(schema)));
	else if (strcmp(rest, "schema") == 0)
		http_answer(request, 200, media, schema_text(schema->schema));
	else if (strcmp(rest, "versions") == 0)
		answer_registry(request, json_pack("[o]", subject_version(schema)));
	else if (strcmp(rest, "subjects") == 0)
		answer_registry(request, json_pack("[s]", schema->subject));
	else
		refuse_schema(request);
}

static void serve_types(void *context, struct http_request *request)
{
	(void)context;
	answer_registry(request, json_pack("[s]", "AVRO"));
}

static bool subject_is_new(const struct catalog *catalog, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (strcmp(catalog->schemas[i].subject, catalog->schemas[index].subject)
		        == 0)
			return false;
	return true;
}

static void serve_subjects(void *context, struct http_request *request)
{
	const struct catalog *catalog = context;
	json_t *list = json_array();

	for (size_t i = 0; i < catalog->schema_count; i++)
		if (subject_is_new(catalog, i))
			json_array_append_new(
			        list, json_string(catalog->schemas[i].subject));
	answer_registry(request, list);
}

static const struct catalog_schema *find_version(
        const struct catalog *catalog, const char *subject, const char *version)
{
	const struct catalog_schema *found = NULL;
	bool latest = strcmp(version, "latest") == 0 || strcmp(version, "-1") == 0;

	for (size_t i = 0; i < catalog->schema_count; i++) {
		const struct catalog_schema *schema = &catalog->schemas[i];
		char number[16];

		if (strcmp(schema->subject, subject) != 0)
			continue;
		snprintf(number, sizeof number, "%d", schema->version);
		if (latest ? found == NULL || schema->version > found->version
		           : strcmp(number, version) == 0)
			found = schema;
	}
	return found;
}

static void serve_versions(const struct catalog *catalog, struct http_request *request,
        const char *subject)
{
	json_t *list = json_array();

	for (size_t i = 0; i < catalog->schema_count; i++)
		if (strcmp(catalog->schemas[i].subject, subject) == 0)
			json_array_append_new(
			        list, json_integer(catalog->schemas[i].version));
	if (json_array_size(list) > 0) {
		answer_registry(request, list);
		return;
	}
	json_decref(list);
	refuse_subject(request);
}

/* What stands behind a subject: "/versions", "/versions/...". */
static bool is_below_versions(const char *rest)
{
	return rest != NULL && strncmp(rest, "/versions", 9) == 0
	       && (rest[9] == '\0' || rest[9] == '/');
}

/* SUBJECT/versions, SUBJECT/versions/N, SUBJECT/versions/N/schema */
static void serve_subject(void *context, struct http_request *request)
{
	const struct catalog *catalog = context;
	char path[256];
	char *rest;
	char *version;
	char *part;
	const struct catalog_schema *schema;

	snprintf(path, sizeof path, "%s", http_tail(request));
	rest = strchr(path, '/');
	if (!is_below_versions(rest)) {
		if (rest == NULL && find_version(catalog, path, "latest") != NULL)
			refuse_method(request, "POST");
		else
			refuse_subject(request);
		return;
	}
	*rest = '\0';
	if (rest[9] == '\0' || rest[10] == '\0') {
		serve_versions(catalog, request, path);
		return;
	}
	version = rest + 10;
	part = strchr(version, '/');
	if (part != NULL)
		*part++ = '\0';
	schema = find_version(catalog, path, version);
	if (schema == NULL)
		find_version(catalog, path, "latest")
		        ? refuse(request, 40402, "Version not found.")
		        : refuse_subject(request);
	else if (part == NULL)
		answer_registry(request, describe(schema));
	else if (strcmp(part, "schema") == 0)
		http_answer(request, 200, media, schema_text(schema->schema));
	else
		refuse_schema(request);
}

static const struct catalog_schema *find_text(
        const struct catalog *catalog, const char *subject, struct bytes body)
{
	json_t *json = json_loadb(
	        (const char *)body.data, body.size, JSON_REJECT_DUPLICATES, NULL);
	const char *text = json_string_value(json_object_get(json, "schema"));
	const struct catalog_schema *found = NULL;

	for (size_t i = 0; text != NULL && i < catalog->schema_count; i++)
		if (strcmp(catalog->schemas[i].subject, subject) == 0
		        && schema_same_text(schema_text(catalog->schemas[i].schema),
		                bytes_of(text)))
			found = &catalog->schemas[i];
	json_decref(json);
	return found;
}

/* POST to SUBJECT looks a text up; to SUBJECT/versions it would register one. */
static void serve_look_up(void *context, struct http_request *request)
{
	const struct catalog *catalog = context;
	const struct catalog_schema *found;
	char subject[256];
	const char *rest;

	snprintf(subject, sizeof subject, "%.*s", (int)strcspn(http_tail(request), "/"),
	        http_tail(request));
	rest = strchr(http_tail(request), '/');
	if (find_version(catalog, subject, "latest") == NULL
	        || (rest != NULL && !is_below_versions(rest))) {
		refuse_subject(request);
		return;
	}
	if (rest != NULL) {
		refuse_method(request, "GET");
		return;
	}
	found = find_text(catalog, subject, http_body(request));
	if (found != NULL)
		answer_registry(request, describe(found));
	else
		refuse_schema(request);
}

static void serve_config(void *context, struct http_request *request)
{
	(void)context;
	answer_registry(
	        request, json_pack("{s:s}", "compatibilityLevel", "FULL_TRANSITIVE"));
}

static void serve_mode(void *context, struct http_request *request)
{
	(void)context;
	answer_registry(request, json_pack("{s:s}", "mode", "READONLY"));
}

/* Apicurio: the bare schema, and that it refers to no other. */
static void serve_content(void *context, struct http_request *request)
{
	const char *rest = "";
	const struct catalog_schema *schema =
	        schema_by_tail(context, http_tail(request), &rest);

	if (schema == NULL)
		refuse_schema(request);
	else if (rest[0] == '\0')
		http_answer(
		        request, 200, "application/json", schema_text(schema->schema));
	else if (strcmp(rest, "references") == 0)
		answer(request, "application/json", json_array());
	else
		refuse_schema(request);
}

enum { LOOK_UP_BYTES = 256 * 1024 };

void registry_serve(struct http *http, const struct catalog *catalog)
{
	static struct http_route routes[16];
	void *context = (void *)catalog;
	struct http_route made[] = {
		{ "GET", "/schemas/ids/", NULL, 0, serve_id, context },
		{ "GET", "/schemas/types", NULL, 0, serve_types, context },
		{ "GET", "/subjects", NULL, 0, serve_subjects, context },
		{ "GET", "/subjects/", NULL, 0, serve_subject, context },
		{ "POST", "/subjects/", "application/", LOOK_UP_BYTES, serve_look_up,
		        context },
		{ "GET", "/config", NULL, 0, serve_config, context },
		{ "GET", "/config/", NULL, 0, serve_config, context },
		{ "GET", "/mode", NULL, 0, serve_mode, context },
		{ "GET", "/apis/registry/v2/ids/contentIds/", NULL, 0, serve_content,
		        context },
		{ "GET", "/apis/registry/v3/ids/contentIds/", NULL, 0, serve_content,
		        context },
		{ 0 },
	};

	memcpy(routes, made, sizeof made);
	http_serve(http, routes);
}
