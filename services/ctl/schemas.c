/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "ctl.h"
#include "event/catalog.h"
#include "event/plan.h"

void ctl_print_schema(const char *before, const struct catalog_schema *schema,
        const char *name, const char *text)
{
	struct buffer line = { 0 };

	buffer_format(&line, "%s{\"id\": %d, \"subject\": ", before, (int)schema->id);
	buffer_append_json(&line, bytes_of(schema->subject));
	buffer_format(&line, ", \"version\": %d, \"%s\": ", schema->version, name);
	buffer_append_json(&line, bytes_of(text));
	buffer_append_byte(&line, '}');
	printf("%.*s", (int)line.size, (const char *)line.data);
	buffer_clear(&line);
}

static void show_catalog(const struct ctl *ctl, const struct catalog *catalog)
{
	if (ctl->json)
		printf("[");
	for (size_t i = 0; i < catalog->schema_count; i++) {
		const struct catalog_schema *schema = &catalog->schemas[i];

		if (ctl->json)
			ctl_print_schema(
			        i > 0 ? ", " : "", schema, "file", schema->file);
		else
			printf("%4d  %-28s version %d  %s\n", (int)schema->id,
			        schema->subject, schema->version, schema->file);
	}
	if (ctl->json)
		printf("]\n");
}

static const char *const type_names[] = { "boolean", "int", "bigint", "real", "double",
	"numeric", "text", "bytea", "date", "time", "timestamptz", "uuid", "jsonb" };

static bool show_record(
        const struct ctl *ctl, const struct catalog_schema *schema, struct fault *fault)
{
	const struct plan_grant all = { .everything = true };
	struct plan *plan;
	size_t count;
	const struct column *columns;

	if (ctl->json) {
		struct bytes text = schema_text(schema->schema);

		return fwrite(text.data, 1, text.size, stdout) == text.size;
	}
	if (!plan_compile(&plan, schema->schema, schema->schema, &all, fault))
		return false;
	columns = plan_columns(plan, &count);
	printf("%s  id %d, version %d\n", schema_root(schema->schema)->name,
	        (int)schema->id, schema->version);
	for (size_t i = 0; i < count; i++)
		printf("  %-24s %-12s %-9s %s\n", columns[i].name,
		        type_names[columns[i].type],
		        columns[i].nullable ? "or null" : "", columns[i].pii);
	plan_close(&plan);
	return true;
}

static bool is_named(const struct catalog_schema *schema, const char *name)
{
	const char *full = schema_root(schema->schema)->name;

	return strcmp(schema->subject, name) == 0
	       || (full != NULL
	               && (strcmp(full, name) == 0
	                       || strcmp(schema_last_part(full), name) == 0));
}

bool ctl_schemas_show(struct ctl *ctl, struct fault *fault)
{
	struct catalog *catalog = NULL;
	bool ok;

	if (!catalog_open(&catalog, conf_text(ctl->conf, "schemas"),
	            conf_text(ctl->conf, "mode"), fault))
		return false;
	ok = ctl->count == 0;
	if (ok)
		show_catalog(ctl, catalog);
	else
		fault_set(fault, FAULT_REJECT,
		        "no record or subject %.64s in the catalog", ctl->arguments[0]);
	for (size_t i = 0; ctl->count > 0 && i < catalog->schema_count; i++)
		if (is_named(&catalog->schemas[i], ctl->arguments[0])) {
			ok = show_record(ctl, &catalog->schemas[i], fault);
			break;
		}
	catalog_close(&catalog);
	return ok;
}
