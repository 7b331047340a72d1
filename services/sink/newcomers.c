/* SPDX-License-Identifier: MIT */
#include "newcomers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/clock.h"
#include "event/catalog.h"
#include "event/compat.h"
#include "port/fetch.h"

enum {
	EXCHANGE_MS = 2000,
	ANSWER_BYTES = SCHEMA_MAX_BYTES * 2,
	UNKNOWN = 256, /* ids that are remembered as unknown */
	CATALOGS = 16,
	SCHEMAS = 64,
	SUBJECT_BYTES = 256,
};

#define REMEMBER_US (INT64_C(60) * 1000000)

struct newcomers {
	const struct conf *conf;
	struct fetch *fetch;
	struct catalog *catalogs[CATALOGS]; /* that gave a schema: they are kept */
	size_t catalog_count;
	struct schema *schemas[SCHEMAS]; /* of the registry */
	size_t schema_count;
	struct {
		int32_t id;
		char subject[SUBJECT_BYTES]; /* one may be vouched for elsewhere */
		int64_t until_us;
	} unknown[UNKNOWN];
	size_t next_unknown;
	struct buffer url;
	struct buffer answer;
};

bool newcomers_open(
        struct newcomers **out, const struct conf *conf, struct fault *fault)
{
	const struct fetch_limits limits = { EXCHANGE_MS, ANSWER_BYTES };
	struct newcomers *newcomers = calloc(1, sizeof *newcomers);

	if (newcomers == NULL)
		return fault_memory(fault);
	newcomers->conf = conf;
	if (conf_text(conf, "registry")[0] != '\0'
	        && !fetch_open(&newcomers->fetch, &limits, fault)) {
		newcomers_close(&newcomers);
		return false;
	}
	*out = newcomers;
	return true;
}

void newcomers_close(struct newcomers **newcomers)
{
	struct newcomers *old = *newcomers;

	if (old == NULL)
		return;
	fetch_close(&old->fetch);
	for (size_t i = 0; i < old->catalog_count; i++)
		catalog_close(&old->catalogs[i]);
	for (size_t i = 0; i < old->schema_count; i++)
		schema_close(&old->schemas[i]);
	buffer_clear(&old->url);
	buffer_clear(&old->answer);
	free(old);
	*newcomers = NULL;
}

/* The catalog may be in the middle of a change: what cannot be read is no answer. */
static const struct schema *find_on_disk(
        struct newcomers *newcomers, int32_t id, const char *subject)
{
	struct catalog *catalog = NULL;
	const struct catalog_schema *found = NULL;
	struct fault fault;

	if (newcomers->catalog_count == CATALOGS
	        || !catalog_open(&catalog, conf_text(newcomers->conf, "schemas"),
	                conf_text(newcomers->conf, "mode"), &fault))
		return NULL;
	found = catalog_by_id(catalog, id);
	if (found == NULL || strcmp(found->subject, subject) != 0) {
		catalog_close(&catalog);
		return NULL;
	}
	newcomers->catalogs[newcomers->catalog_count++] = catalog;
	return found->schema;
}

/* GET a path below the registry. *out NULL: it says that there is none such. */
static bool ask(struct newcomers *newcomers, int32_t id, const char *what, json_t **out,
        struct fault *fault)
{
	const char *base = conf_text(newcomers->conf, "registry");
	size_t size = strlen(base);
	long status;

	*out = NULL;
	buffer_reset(&newcomers->url);
	buffer_format(&newcomers->url, "%.*s/schemas/ids/%d%s",
	        (int)(size > 0 && base[size - 1] == '/' ? size - 1 : size), base,
	        (int)id, what);
	buffer_append_byte(&newcomers->url, 0);
	if (!buffer_ok(&newcomers->url, fault)
	        || !fetch_send(newcomers->fetch, "GET", (char *)newcomers->url.data,
	                NULL, (struct bytes){ 0 }, &status, &newcomers->answer, fault))
		return fault->kind != FAULT_STOP
		       && fault_code(fault, FAULT_RETRY, "registry",
		               "the schema registry does not answer, or too much");
	if (bytes_json_is_shallow(buffer_bytes(&newcomers->answer), 64))
		*out = json_loadb((char *)newcomers->answer.data,
		        newcomers->answer.size, JSON_REJECT_DUPLICATES, NULL);
	if (status == 200 && *out != NULL)
		return true;
	/* A registry says with a number of its own that it has none such: a page of
	 * somebody else's, with 404, says nothing of the id. */
	if (status == 404
	        && json_integer_value(json_object_get(*out, "error_code")) / 100 != 0) {
		json_decref(*out);
		*out = NULL;
		return true;
	}
	json_decref(*out);
	*out = NULL;
	return fault_code(fault, FAULT_RETRY, "registry",
	        "the schema registry does not answer as one (status %ld)", status);
}

static bool is_of_subject(const json_t *versions, const char *subject)
{
	size_t i;
	json_t *version;

	json_array_foreach(versions, i, version)
	{
		const char *own =
		        json_string_value(json_object_get(version, "subject"));

		if (own != NULL && strcmp(own, subject) == 0)
			return true;
	}
	return false;
}

/* Whether a stranger's schema is a version of the subject, as far as can be told. */
static bool is_believed(struct newcomers *newcomers, const struct schema *schema,
        const char *subject, struct fault *fault)
{
	struct compat_report *report = calloc(1, sizeof *report);
	struct catalog *catalog = NULL;
	bool believed = false;

	if (report == NULL)
		return fault_memory(fault);
	if (catalog_open(&catalog, conf_text(newcomers->conf, "schemas"),
	            conf_text(newcomers->conf, "mode"), fault))
		for (size_t i = 0; i < catalog->topic_count; i++) {
			const struct catalog_schema *newest = catalog->topics[i].newest;
			struct compat_version ours = { newest->schema, "the catalog" };
			struct compat_version theirs = { schema, "the registry" };

			if (strcmp(newest->subject, subject) == 0
			        && strcmp(schema_root(newest->schema)->name,
			                   schema_root(schema)->name)
			                   == 0
			        && compat_compare(&ours, &theirs, report, fault))
				believed = report->count == 0;
		}
	catalog_close(&catalog);
	free(report);
	return believed;
}

static bool find_in_registry(struct newcomers *newcomers, int32_t id,
        const char *subject, const struct schema **out, struct fault *fault)
{
	struct schema *schema = NULL;
	json_t *versions = NULL;
	json_t *answer = NULL;
	const char *text;
	struct fault ignored;
	bool ok = ask(newcomers, id, "", &answer, fault)
	          && (answer == NULL
	                  || ask(newcomers, id, "/versions", &versions, fault));

	text = json_string_value(json_object_get(answer, "schema"));
	if (ok && text != NULL && json_object_get(answer, "references") == NULL
	        && is_of_subject(versions, subject) && newcomers->schema_count < SCHEMAS
	        && schema_parse(&schema, bytes_of(text), &ignored)) {
		if (schema_root(schema)->name != NULL
		        && is_believed(newcomers, schema, subject, &ignored))
			*out = newcomers->schemas[newcomers->schema_count++] = schema;
		else
			schema_close(&schema);
	}
	json_decref(answer);
	json_decref(versions);
	return ok;
}

static bool is_remembered(
        const struct newcomers *newcomers, int32_t id, const char *subject)
{
	int64_t now_us = clock_monotonic_us();

	for (size_t i = 0; i < UNKNOWN; i++)
		if (newcomers->unknown[i].id == id
		        && strcmp(newcomers->unknown[i].subject, subject) == 0
		        && newcomers->unknown[i].until_us > now_us)
			return true;
	return false;
}

static void remember(struct newcomers *newcomers, int32_t id, const char *subject)
{
	size_t at = newcomers->next_unknown++ % UNKNOWN;

	newcomers->unknown[at].id = id;
	snprintf(newcomers->unknown[at].subject, SUBJECT_BYTES, "%s", subject);
	newcomers->unknown[at].until_us = clock_monotonic_us() + REMEMBER_US;
}

bool newcomers_find(void *context, int32_t id, const char *subject,
        const struct schema **out, struct fault *fault)
{
	struct newcomers *newcomers = context;

	*out = NULL;
	if (is_remembered(newcomers, id, subject))
		return true;
	*out = find_on_disk(newcomers, id, subject);
	if (*out == NULL && newcomers->fetch != NULL
	        && !find_in_registry(newcomers, id, subject, out, fault))
		return false;
	if (*out == NULL)
		remember(newcomers, id, subject);
	return true;
}
