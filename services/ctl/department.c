/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/embedded.h"
#include "ctl.h"
#include "event/plan.h"
#include "flow/department.h"
#include "port/table.h"

extern const struct embedded embedded_postgres[];

struct work {
	struct catalog *catalog;
	struct department *department;
	struct table *table;
	const char *folder;
};

static bool work_open_at(struct work *work, struct ctl *ctl, const char *folder,
        const char *database, struct fault *fault)
{
	work->folder = folder;
	return catalog_open(&work->catalog, conf_text(ctl->conf, "schemas"),
	               conf_text(ctl->conf, "mode"), fault)
	       && department_open(&work->department, folder, work->catalog, fault)
	       && table_open(&work->table, database, "kentongan department",
	               work->department->schema, fault);
}

static bool work_open(struct work *work, struct ctl *ctl, struct fault *fault)
{
	const char *database = conf_text(ctl->conf, "database");
	const char *folder;

	if (database[0] == '\0')
		return ctl_usage(fault, "--database CONNINFO is missing");
	return ctl_one_argument(ctl, "the department's folder", &folder, fault)
	       && work_open_at(work, ctl, folder, database, fault);
}

static void work_close(struct work *work)
{
	table_close(&work->table);
	department_close(&work->department);
	catalog_close(&work->catalog);
}

/* Its batch table and its mapping, prepared in this session; *plan is the caller's. */
static bool prepare_topic(struct work *work, const struct department_topic *topic,
        struct plan **plan, struct fault *fault)
{
	const struct schema *schema = topic->topic->newest->schema;
	struct buffer sql = { 0 };
	const struct column *columns;
	size_t count;
	bool ok;

	if (!plan_compile(plan, schema, schema, &topic->grant, fault))
		return fault_wrap(fault, "%s/department.conf", work->folder);
	columns = plan_columns(*plan, &count);
	department_session_sql(topic, columns, count, &sql);
	buffer_append_byte(&sql, 0);
	ok = buffer_ok(&sql, fault)
	     && (table_run(work->table, (char *)sql.data, fault)
	             || department_blame(topic, buffer_bytes(&sql),
	                     table_position(work->table), fault));
	buffer_clear(&sql);
	return ok;
}

/* The sink may do what its mappings do: docs/decisions/0008. */
static bool give_rights(struct work *work, struct fault *fault)
{
	const struct embedded *rights = embedded_find(embedded_postgres, "rights.sql");

	for (size_t i = 0; i < work->department->topic_count; i++) {
		struct plan *plan = NULL;
		bool ok =
		        prepare_topic(work, &work->department->topics[i], &plan, fault);

		plan_close(&plan);
		if (!ok)
			return false;
	}
	return table_run(work->table, (const char *)rights->bytes, fault)
	       || fault_wrap(fault, "rights of the sink");
}

/* What an earlier init gave is taken back first; tables.sql may give more by hand. */
static const char no_rights[] =
        "DO $$ BEGIN "
        "IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'sink_' || "
        "current_database()) "
        "THEN EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %I FROM %I', "
        "current_schema(), 'sink_' || current_database()); END IF; END $$";

static bool install(struct work *work, struct fault *fault)
{
	const struct embedded *own = embedded_find(embedded_postgres, "kentongan.sql");
	char schema[256];
	char *tables = NULL;
	bool ok;

	snprintf(schema, sizeof schema, "CREATE SCHEMA IF NOT EXISTS \"%.100s\"",
	        work->department->schema);
	ok = department_file(work->folder, "tables.sql", &tables, fault)
	     && (table_run(work->table, (const char *)own->bytes, fault)
	             || fault_wrap(fault, "kentongan.sql"))
	     && table_run(work->table, schema, fault)
	     && table_run(work->table, no_rights, fault)
	     && (table_run(work->table, tables, fault)
	             || fault_wrap(fault, "%s/tables.sql", work->folder))
	     && give_rights(work, fault);
	free(tables);
	return ok;
}

void ctl_department_folder(const char *name, char out[512])
{
	snprintf(out, 512, "%s%.480s", strchr(name, '/') ? "" : "deploy/departments/",
	        name);
}

bool ctl_install(
        struct ctl *ctl, const char *folder, const char *database, struct fault *fault)
{
	struct work work = { 0 };
	bool ok = work_open_at(&work, ctl, folder, database, fault)
	          && install(&work, fault);

	work_close(&work);
	return ok;
}

bool ctl_department_init(struct ctl *ctl, struct fault *fault)
{
	struct work work = { 0 };
	bool ok = work_open(&work, ctl, fault) && install(&work, fault);

	if (ok)
		printf(ctl->json ? "{\"department\": \"%s\", \"ready\": true}\n"
		                 : "%s is ready\n",
		        work.department->name);
	work_close(&work);
	return ok;
}

static void print_personal(const struct ctl *ctl, const struct department_topic *topic,
        const struct column *columns, size_t count)
{
	bool any = false;

	printf(ctl->json ? "\"%s\": {" : "%s: takes", topic->topic->topic);
	for (size_t i = 0; i < count; i++) {
		const char *pii = columns[i].pii[0] ? columns[i].pii : "undeclared";

		if (strcmp(pii, "none") == 0)
			continue;
		if (ctl->json)
			printf("%s\"%s\": \"%s\"", any ? ", " : "", columns[i].name,
			        pii);
		else
			printf("%s %s (%s)", any ? "," : "", columns[i].name, pii);
		any = true;
	}
	if (ctl->json)
		printf("}");
	else
		printf("%s\n", any ? "" : " no personal data");
}

static bool check_topic(struct work *work, const struct ctl *ctl,
        const struct department_topic *topic, struct fault *fault)
{
	struct plan *plan = NULL;
	const struct column *columns;
	char batch[128];
	char sql[256];
	size_t count;
	bool ok;

	department_batch_name(topic->topic, batch);
	snprintf(sql, sizeof sql, "EXECUTE map_%.100s; ROLLBACK", batch);
	ok = table_run(work->table, "BEGIN", fault)
	     && prepare_topic(work, topic, &plan, fault)
	     && (table_run(work->table, sql, fault)
	             || fault_wrap(fault, "%s", topic->file));
	if (ok) {
		columns = plan_columns(plan, &count);
		print_personal(ctl, topic, columns, count);
	}
	plan_close(&plan);
	return ok;
}

bool ctl_department_check(struct ctl *ctl, struct fault *fault)
{
	struct work work = { 0 };
	bool ok = work_open(&work, ctl, fault);

	if (ok && ctl->json)
		printf("{");
	for (size_t i = 0; ok && i < work.department->topic_count; i++) {
		if (ctl->json && i > 0)
			printf(", ");
		ok = check_topic(&work, ctl, &work.department->topics[i], fault);
	}
	if (ok && ctl->json)
		printf("}\n");
	work_close(&work);
	return ok;
}
