/* SPDX-License-Identifier: MIT */
/*
 * `kentongan schemas check` and `diff`: the catalog's versions against each other, and
 * against those of a folder or a registry.
 */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "ctl.h"
#include "event/catalog.h"
#include "event/compat.h"
#include "registry.h"

enum { NAME_BYTES = 160 };

/* Versions that are kept elsewhere. */
struct shelf {
	struct catalog *catalog; /* of a folder; else NULL */
	struct versions versions;
};

/* What a comparison prints. */
struct said {
	bool json;
	size_t count;
};

static bool shelf_open(struct shelf *shelf, const char *place, const struct ctl *ctl,
        const struct catalog *catalog, struct fault *fault)
{
	struct registry *registry = NULL;
	bool ok;

	if (strstr(place, "://") == NULL) {
		ok = catalog_open(
		        &shelf->catalog, place, conf_text(ctl->conf, "mode"), fault);
		if (ok)
			shelf->versions =
			        (struct versions){ .count =
				                           shelf->catalog->schema_count,
				        .list = shelf->catalog->schemas };
		return ok;
	}
	ok = registry_open(&registry, place, fault)
	     && registry_list(registry, catalog, &shelf->versions, fault);
	registry_close(&registry);
	return ok;
}

static void shelf_close(struct shelf *shelf)
{
	if (shelf->catalog == NULL)
		versions_clear(&shelf->versions);
	catalog_close(&shelf->catalog);
}

static void say(
        struct said *said, const char *subject, const char *path, const char *sentence)
{
	struct buffer line = { 0 };

	if (said->json) {
		buffer_append_text(&line, said->count > 0 ? ",\n" : "[");
		buffer_append_text(&line, "{\"subject\":");
		buffer_append_json(&line, bytes_of(subject));
		buffer_append_text(&line, ",\"field\":");
		buffer_append_json(&line, bytes_of(path));
		buffer_append_text(&line, ",\"sentence\":");
		buffer_append_json(&line, bytes_of(sentence));
		buffer_append_byte(&line, '}');
		printf("%.*s", (int)line.size, (const char *)line.data);
	} else {
		printf("%s: %s\n", subject, sentence);
	}
	said->count++;
	buffer_clear(&line);
}

static bool compare_pair(struct said *said, const char *subject,
        const struct compat_version *older, const struct compat_version *newer,
        struct fault *fault)
{
	struct compat_report report;

	if (!compat_compare(older, newer, &report, fault))
		return false;
	for (size_t i = 0; i < report.count && i < COMPAT_REFUSALS; i++)
		say(said, subject, report.refusals[i].path,
		        report.refusals[i].sentence);
	if (report.count > COMPAT_REFUSALS)
		say(said, subject, "", "there are more; these come first.");
	return true;
}

/* Every pair of versions of a subject: that is what transitive means. */
static bool compare_own(
        struct said *said, const struct catalog *catalog, struct fault *fault)
{
	for (size_t i = 0; i < catalog->schema_count; i++) {
		const struct catalog_schema *newer = &catalog->schemas[i];

		for (size_t j = 0; j < catalog->schema_count; j++) {
			const struct catalog_schema *older = &catalog->schemas[j];
			char old_name[NAME_BYTES];
			char new_name[NAME_BYTES];

			if (strcmp(older->subject, newer->subject) != 0
			        || older->version >= newer->version)
				continue;
			snprintf(old_name, sizeof old_name, "version %d",
			        older->version);
			snprintf(new_name, sizeof new_name, "version %d",
			        newer->version);
			if (!compare_pair(said, newer->subject,
			            &(struct compat_version){ older->schema, old_name },
			            &(struct compat_version){ newer->schema, new_name },
			            fault))
				return false;
		}
	}
	return true;
}

static bool is_same(const struct catalog_schema *a, const struct catalog_schema *b)
{
	return a->id == b->id && a->version == b->version
	       && strcmp(a->subject, b->subject) == 0
	       && schema_same_text(schema_text(a->schema), schema_text(b->schema));
}

/* An id that records carry never means another schema, and is never forgotten. */
static void compare_id(struct said *said, const struct catalog *catalog,
        const struct catalog_schema *theirs)
{
	const struct catalog_schema *own = catalog_by_id(catalog, theirs->id);
	char sentence[COMPAT_SENTENCE_BYTES];

	if (own != NULL && is_same(own, theirs))
		return;
	snprintf(sentence, sizeof sentence,
	        own ? "id %d is version %d there and another schema here; an id never "
	              "changes its meaning, so give the new schema a new id and "
	              "version."
	            : "id %d, version %d, is there and not in the catalog; records "
	              "that carry it could not be read, so keep its file and its line.",
	        (int)theirs->id, theirs->version);
	say(said, theirs->subject, "", sentence);
}

static bool compare_version(struct said *said, const struct catalog *catalog,
        const struct catalog_schema *theirs, struct fault *fault)
{
	char old_name[NAME_BYTES];
	char new_name[NAME_BYTES];
	bool ours = false;

	snprintf(old_name, sizeof old_name, "their version %d", theirs->version);
	for (size_t i = 0; i < catalog->schema_count; i++) {
		const struct catalog_schema *own = &catalog->schemas[i];

		if (strcmp(own->subject, theirs->subject) != 0)
			continue;
		ours = true;
		snprintf(new_name, sizeof new_name, "our version %d", own->version);
		if (!is_same(own, theirs)
		        && !compare_pair(said, own->subject,
		                &(struct compat_version){ theirs->schema, old_name },
		                &(struct compat_version){ own->schema, new_name },
		                fault))
			return false;
	}
	if (ours)
		compare_id(said, catalog, theirs);
	return true;
}

static bool compare_shelf(const struct ctl *ctl, struct said *said, const char *place,
        const struct catalog *catalog, struct fault *fault)
{
	struct shelf shelf = { 0 };
	bool ok = shelf_open(&shelf, place, ctl, catalog, fault);

	for (size_t i = 0; ok && i < shelf.versions.count; i++)
		ok = compare_version(said, catalog, &shelf.versions.list[i], fault);
	if (ok && shelf.versions.count == 0 && !said->json)
		printf("none of our subjects is there yet\n");
	shelf_close(&shelf);
	return ok;
}

static bool settle(const struct said *said, struct fault *fault)
{
	if (said->json)
		printf(said->count > 0 ? "]\n" : "[]\n");
	if (said->count > 0)
		return fault_set(fault, FAULT_REJECT,
		        "%zu reason%s against these schemas", said->count,
		        said->count > 1 ? "s" : "");
	if (!said->json)
		printf("every version reads every other\n");
	return true;
}

static bool compare_catalog(const struct ctl *ctl, struct said *said, const char *place,
        struct fault *fault)
{
	struct catalog *catalog = NULL;
	bool ok = catalog_open(&catalog, conf_text(ctl->conf, "schemas"),
	                  conf_text(ctl->conf, "mode"), fault)
	          && compare_own(said, catalog, fault)
	          && (place[0] == '\0'
	                  || compare_shelf(ctl, said, place, catalog, fault));

	catalog_close(&catalog);
	return ok;
}

static bool schema_open(struct schema **out, const char *path, struct fault *fault)
{
	struct buffer text = { 0 };
	bool ok = file_read(path, &text, fault)
	          && (schema_parse(out, buffer_bytes(&text), fault)
	                  || fault_wrap(fault, "%.200s", path));

	buffer_clear(&text);
	return ok;
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Files are called by their names; by their whole paths where those are the same. */
static bool compare_files(
        struct said *said, const char *ours, const char *theirs, struct fault *fault)
{
	bool alike = strcmp(last_part(ours), last_part(theirs)) == 0;
	const char *new_name = alike ? ours : last_part(ours);
	const char *old_name = alike ? theirs : last_part(theirs);
	struct schema *newer = NULL;
	struct schema *older = NULL;
	bool ok = schema_open(&newer, ours, fault) && schema_open(&older, theirs, fault)
	          && compare_pair(said, new_name,
	                  &(struct compat_version){ older, old_name },
	                  &(struct compat_version){ newer, new_name }, fault);

	schema_close(&newer);
	schema_close(&older);
	return ok;
}

bool ctl_schemas_check(struct ctl *ctl, struct fault *fault)
{
	const char *place = conf_text(ctl->conf, "against");
	struct said said = { .json = ctl->json };
	bool ok;

	if (ctl->count > 1 || (ctl->count == 1 && place[0] == '\0'))
		return ctl_usage(fault, "one file is checked --against another");
	ok = ctl->count == 1 ? compare_files(&said, ctl->arguments[0], place, fault)
	                     : compare_catalog(ctl, &said, place, fault);
	return ok && settle(&said, fault);
}

static const struct catalog_schema *find(
        const struct versions *versions, const struct catalog_schema *wanted)
{
	for (size_t i = 0; i < versions->count; i++)
		if (versions->list[i].version == wanted->version
		        && strcmp(versions->list[i].subject, wanted->subject) == 0)
			return &versions->list[i];
	return NULL;
}

static void show_difference(
        struct said *said, const char *word, const struct catalog_schema *schema)
{
	if (said->json)
		ctl_print_schema(said->count > 0 ? ", " : "", schema, "is", word);
	else
		printf("%-10s %4d  %s version %d\n", word, (int)schema->id,
		        schema->subject, schema->version);
	said->count++;
}

static void show_differences(
        struct said *said, const struct catalog *catalog, const struct versions *theirs)
{
	const struct versions own = { .count = catalog->schema_count,
		.list = catalog->schemas };

	for (size_t i = 0; i < own.count; i++) {
		const struct catalog_schema *other = find(theirs, &own.list[i]);

		if (other == NULL)
			show_difference(said, "only here", &own.list[i]);
		else if (!is_same(&own.list[i], other))
			show_difference(said, "differs", &own.list[i]);
	}
	for (size_t i = 0; i < theirs->count; i++)
		if (find(&own, &theirs->list[i]) == NULL)
			show_difference(said, "only there", &theirs->list[i]);
}

bool ctl_schemas_diff(struct ctl *ctl, struct fault *fault)
{
	struct catalog *catalog = NULL;
	struct shelf shelf = { 0 };
	struct said said = { .json = ctl->json };
	const char *place;
	bool ok;

	if (!ctl_one_argument(ctl, "a registry's address or a folder", &place, fault))
		return false;
	ok = catalog_open(&catalog, conf_text(ctl->conf, "schemas"),
	             conf_text(ctl->conf, "mode"), fault)
	     && shelf_open(&shelf, place, ctl, catalog, fault);
	if (ok) {
		printf("%s", ctl->json ? "[" : "");
		show_differences(&said, catalog, &shelf.versions);
		printf("%s", ctl->json ? "]\n" : "");
		ok = said.count == 0
		     || fault_set(fault, FAULT_REJECT, "%zu difference%s", said.count,
		             said.count > 1 ? "s" : "");
	}
	shelf_close(&shelf);
	catalog_close(&catalog);
	return ok;
}
