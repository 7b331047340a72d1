/* SPDX-License-Identifier: MIT */
/* `kentongan schemas push` and `pull`: the catalog to a registry, and back. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "ctl.h"
#include "event/catalog.h"
#include "registry.h"

enum { PATH_BYTES = 4096, FILE_BYTES = 160 };

static void show(const struct ctl *ctl, bool first, const struct catalog_schema *schema,
        const char *word)
{
	if (ctl->json)
		ctl_print_schema(first ? "" : ", ", schema, "done", word);
	else
		printf("%4d  %s version %d %s\n", (int)schema->id, schema->subject,
		        schema->version, word);
}

static bool push_all(const struct ctl *ctl, struct registry *registry,
        const struct catalog *catalog, struct fault *fault)
{
	for (size_t i = 0; i < catalog->schema_count; i++) {
		bool existed;

		if (!registry_put(registry, &catalog->schemas[i], &existed, fault))
			return false;
		show(ctl, i == 0, &catalog->schemas[i],
		        existed ? "was there" : "registered");
	}
	return true;
}

bool ctl_schemas_push(struct ctl *ctl, struct fault *fault)
{
	struct catalog *catalog = NULL;
	struct registry *registry = NULL;
	const char *url;
	bool ok;

	if (!ctl_one_argument(ctl, "a registry's address", &url, fault))
		return false;
	ok = catalog_open(&catalog, conf_text(ctl->conf, "schemas"), "live", fault)
	     && registry_open(&registry, url, fault);
	if (ok) {
		printf("%s", ctl->json ? "[" : "");
		ok = push_all(ctl, registry, catalog, fault);
		printf("%s", ctl->json ? "]\n" : "");
	}
	registry_close(&registry);
	catalog_close(&catalog);
	return ok;
}

/*
 * "avro/Request-v1-id1.avsc": the id alone keeps two of one name apart. An Avro name
 * holds nothing that leads out of a folder.
 */
static void file_of(const struct catalog_schema *schema, char file[FILE_BYTES])
{
	const char *name = schema_root(schema->schema)->name;

	snprintf(file, FILE_BYTES, "avro/%.100s-v%d-id%d.avsc",
	        name ? schema_last_part(name) : "schema", schema->version,
	        (int)schema->id);
}

static bool write_file(
        const char *folder, const char *name, struct bytes text, struct fault *fault)
{
	char path[PATH_BYTES];
	FILE *file;
	bool ok;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	file = fopen(path, "w");
	ok = file != NULL && fwrite(text.data, 1, text.size, file) == text.size;
	ok = file != NULL && fclose(file) == 0 && ok;
	return ok || fault_set(fault, FAULT_STOP, "%s: %s", path, strerror(errno));
}

static bool make_folder(const char *folder, const char *below, struct fault *fault)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof path, "%s%s", folder, below);
	return mkdir(path, 0755) == 0
	       || fault_set(fault, FAULT_STOP, "%s: %s", path, strerror(errno));
}

/* The folder may be there when nothing is in it: what it held is never written over. */
static bool make_folders(const char *folder, struct fault *fault)
{
	if (rmdir(folder) != 0 && errno != ENOENT)
		return fault_code(fault, FAULT_STOP, "usage",
		        "%s: %s; pull writes into a new folder", folder,
		        strerror(errno));
	return make_folder(folder, "", fault) && make_folder(folder, "/avro", fault);
}

static bool has_subject(const json_t *schemas, const char *subject)
{
	const json_t *entry;
	size_t index;

	json_array_foreach(schemas, index, entry)
	{
		if (strcmp(json_string_value(json_object_get(entry, "subject")),
		            subject)
		        == 0)
			return true;
	}
	return false;
}

/* Topics of which the registry has nothing would make a catalog that cannot be read. */
static void drop_topics(json_t *catalog, const json_t *schemas)
{
	const char *prefix = json_string_value(
	        json_object_get(json_object_get(catalog, "prefix"), "live"));
	json_t *topics = json_object_get(catalog, "topics");
	size_t index = json_array_size(topics);

	while (index-- > 0) {
		char subject[512];

		snprintf(subject, sizeof subject, "%s%s-value", prefix,
		        json_string_value(json_object_get(
		                json_array_get(topics, index), "name")));
		if (!has_subject(schemas, subject))
			json_array_remove(topics, index);
	}
}

/* The catalog of what was pulled: ours in all but the versions. */
static bool write_catalog(
        const struct ctl *ctl, const char *folder, json_t *schemas, struct fault *fault)
{
	char path[PATH_BYTES];
	json_t *catalog;
	char *text = NULL;
	bool ok;

	snprintf(path, sizeof path, "%s/catalog.json", conf_text(ctl->conf, "schemas"));
	catalog = json_load_file(path, 0, NULL);
	drop_topics(catalog, schemas);
	if (json_object_set(catalog, "schemas", schemas) == 0)
		text = json_dumps(catalog, JSON_INDENT(1));
	ok = text ? write_file(folder, "catalog.json", bytes_of(text), fault)
	          : fault_memory(fault);
	free(text);
	json_decref(catalog);
	return ok;
}

static bool write_versions(const struct ctl *ctl, const char *folder,
        const struct versions *versions, struct fault *fault)
{
	json_t *schemas = json_array();
	bool ok = make_folders(folder, fault);

	for (size_t i = 0; ok && i < versions->count; i++) {
		const struct catalog_schema *schema = &versions->list[i];
		char file[FILE_BYTES];

		file_of(schema, file);
		ok = write_file(folder, file, schema_text(schema->schema), fault);
		json_array_append_new(
		        schemas, json_pack("{s:i, s:s, s:i, s:s}", "id",
		                         (int)schema->id, "subject", schema->subject,
		                         "version", schema->version, "file", file));
		if (ok)
			show(ctl, i == 0, schema, file);
	}
	ok = ok && write_catalog(ctl, folder, schemas, fault);
	json_decref(schemas);
	return ok;
}

/* A catalog that the programs refuse is no use to anybody. */
static bool read_back(const char *folder, struct fault *fault)
{
	struct catalog *pulled = NULL;
	bool ok = catalog_open(&pulled, folder, "live", fault);

	catalog_close(&pulled);
	return ok || fault_wrap(fault, "%.200s was written and is no good", folder);
}

bool ctl_schemas_pull(struct ctl *ctl, struct fault *fault)
{
	struct catalog *catalog = NULL;
	struct registry *registry = NULL;
	struct versions versions = { 0 };
	bool ok;

	if (ctl->count != 2)
		return ctl_usage(
		        fault, "expected a registry's address and a new folder");
	ok = catalog_open(&catalog, conf_text(ctl->conf, "schemas"), "live", fault)
	     && registry_open(&registry, ctl->arguments[0], fault)
	     && registry_list(registry, catalog, &versions, fault)
	     && (versions.count > 0
	             || fault_set(fault, FAULT_REJECT,
	                     "%.200s: none of our subjects is there, and nothing was "
	                     "written",
	                     ctl->arguments[0]));
	if (ok) {
		printf("%s", ctl->json ? "[" : "");
		ok = write_versions(ctl, ctl->arguments[1], &versions, fault);
		printf("%s", ctl->json ? "]\n" : "");
	}
	if (ok && versions.strangers > 0 && !ctl->json)
		printf("%zu subject%s of others left alone\n", versions.strangers,
		        versions.strangers > 1 ? "s" : "");
	ok = ok && read_back(ctl->arguments[1], fault);
	versions_clear(&versions);
	registry_close(&registry);
	catalog_close(&catalog);
	return ok;
}
