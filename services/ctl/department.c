/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
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
	const struct column *columns;
	size_t count;

	if (!plan_compile(plan, schema, schema, &topic->grant, fault))
		return fault_wrap(fault, "%s/department.conf", work->folder);
	columns = plan_columns(*plan, &count);
	return department_prepare(topic, work->table, columns, count, fault);
}

/* Run a function of rights.sql on the mapping of a topic. */
static bool run_on_mapping(struct work *work, const struct department_topic *topic,
        const char *function, struct fault *fault)
{
	char batch[128];
	char sql[256];

	department_batch_name(topic->topic, batch);
	snprintf(sql, sizeof sql, "SELECT pg_temp.%s('map_%.120s')", function, batch);
	return table_run(work->table, sql, fault)
	       || fault_wrap(fault, "%s", topic->file);
}

static bool run_own(struct work *work, const char *name, struct fault *fault)
{
	const struct embedded *own = embedded_find(embedded_postgres, name);

	return table_run(work->table, (const char *)own->bytes, fault)
	       || fault_wrap(fault, "%s", name);
}

/* Init */

static bool note_name(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	(void)count;
	(void)fault;
	snprintf(context, DEPARTMENT_NAME_BYTES, "%s", texts[0]);
	return true;
}

static bool is_its_database(struct work *work, struct fault *fault)
{
	const char *wanted = conf_text(work->department->conf, "database");
	char name[DEPARTMENT_NAME_BYTES] = "";

	return table_query(
	               work->table, "SELECT current_database()", note_name, name, fault)
	       && (strcmp(name, wanted) == 0
	               || fault_set(fault, FAULT_STOP,
	                       "this is the database %s; the one of %s is %s, by its "
	                       "department.conf",
	                       name, work->department->name, wanted));
}

/* A name is kept once, and changes only for who knows the one before. */
static bool take_home(struct work *work, const char *was, struct fault *fault)
{
	struct buffer sql = { 0 };
	bool ok;

	buffer_format(&sql,
	        "INSERT INTO kentongan.department AS d (name) VALUES ('%s') ON "
	        "CONFLICT (one) DO UPDATE SET name = excluded.name WHERE d.name = ",
	        work->department->name);
	ok = table_quote(work->table, bytes_of(was), &sql, fault);
	buffer_append_byte(&sql, 0);
	ok = ok && buffer_ok(&sql, fault)
	     && table_run(work->table, (char *)sql.data, fault)
	     && department_owns(work->department, work->table, fault);
	buffer_clear(&sql);
	return ok;
}

static bool make_tables(struct work *work, struct fault *fault)
{
	char schema[128];
	char *tables = NULL;
	bool ok;

	snprintf(schema, sizeof schema, "CREATE SCHEMA IF NOT EXISTS \"%.63s\"",
	        work->department->schema);
	ok = department_file(work->folder, "tables.sql", &tables, fault)
	     && table_run(work->table, schema, fault);
	if (ok && !table_run(work->table, tables, fault)) {
		char path[512];

		snprintf(path, sizeof path, "%.400s/tables.sql", work->folder);
		ok = department_blame(path, tables, work->table, fault);
	}
	free(tables);
	return ok;
}

/* The sink may do what its mappings do: docs/decisions/0008. */
static bool give_rights(struct work *work, struct fault *fault)
{
	for (size_t i = 0; i < work->department->topic_count; i++) {
		const struct department_topic *topic = &work->department->topics[i];
		struct plan *plan = NULL;
		bool ok = prepare_topic(work, topic, &plan, fault)
		          && run_on_mapping(work, topic, "give", fault);

		plan_close(&plan);
		if (!ok)
			return false;
	}
	return table_run(work->table, "SELECT pg_temp.let_in()", fault)
	       || fault_wrap(fault, "rights of the sink");
}

/* A sink's transaction begins with its positions: it waits there, and holds nothing. */
static const char keep_sinks_out[] =
        "DO $$ BEGIN IF to_regclass('kentongan.log_position') IS NOT NULL THEN "
        "LOCK TABLE kentongan.log_position IN EXCLUSIVE MODE; END IF; END $$";

/* All or nothing: where a mapping is wrong, a sink at work keeps what it had. */
static bool install(struct work *work, const char *was, struct fault *fault)
{
	return table_run(work->table, "BEGIN", fault)
	       && table_run(work->table, keep_sinks_out, fault)
	       && run_own(work, "rights.sql", fault)
	       && table_run(work->table, "SELECT pg_temp.take_back()", fault)
	       && run_own(work, "kentongan.sql", fault) && take_home(work, was, fault)
	       && make_tables(work, fault) && give_rights(work, fault)
	       && table_run(work->table, "COMMIT", fault);
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
	          && install(&work, "", fault);

	work_close(&work);
	return ok;
}

bool ctl_department_init(struct ctl *ctl, struct fault *fault)
{
	struct work work = { 0 };
	bool ok = work_open(&work, ctl, fault) && is_its_database(&work, fault)
	          && install(&work, conf_text(ctl->conf, "was"), fault);

	if (ok)
		printf(ctl->json ? "{\"department\": \"%s\", \"ready\": true}\n"
		                 : "%s is ready\n",
		        work.department->name);
	work_close(&work);
	return ok;
}

/* Check */

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

/* A file of SQL that is neither a topic's nor the one that makes tables. */
static bool is_nobodys(const struct department *department, const char *file)
{
	size_t size = strlen(file);

	if (size < 4 || strcmp(file + size - 4, ".sql") != 0
	        || strcmp(file, "tables.sql") == 0)
		return false;
	for (size_t i = 0; i < department->topic_count; i++) {
		const char *name = department->topics[i].topic->name;

		if (strlen(name) == size - 4 && strncmp(name, file, size - 4) == 0)
			return false;
	}
	return true;
}

/* What may be meant, and may as well be forgotten. */
static bool tell_oddities(const struct work *work, struct fault *fault)
{
	const struct department *department = work->department;
	DIR *folder = opendir(work->folder);
	const struct dirent *entry;

	if (folder == NULL)
		return fault_set(
		        fault, FAULT_STOP, "%s: %s", work->folder, strerror(errno));
	while ((entry = readdir(folder)) != NULL)
		if (is_nobodys(department, entry->d_name))
			fprintf(stderr,
			        "kentongan: %s/%s is not used: a mapping has the name "
			        "of its topic\n",
			        work->folder, entry->d_name);
	closedir(folder);
	for (size_t i = 0; i < department->topic_count; i++) {
		const struct department_topic *topic = &department->topics[i];

		if (!topic->grant.everything && topic->grant.columns[0] == NULL)
			fprintf(stderr,
			        "kentongan: %s: department.conf grants no "
			        "fields.%s, so it sees the common head only\n",
			        topic->file, topic->topic->name);
	}
	return true;
}

/* On an empty batch, and rolled back with all the others. */
static bool check_topic(struct work *work, const struct department_topic *topic,
        struct plan **plan, struct fault *fault)
{
	char batch[128];
	char sql[256];

	department_batch_name(topic->topic, batch);
	snprintf(sql, sizeof sql, "EXECUTE map_%.120s", batch);
	return prepare_topic(work, topic, plan, fault)
	       && run_on_mapping(work, topic, "touched", fault)
	       && (table_run(work->table, sql, fault)
	               || fault_wrap(fault, "%s", topic->file));
}

static bool check_all(struct work *work, struct plan **plans, struct fault *fault)
{
	bool ok = department_owns(work->department, work->table, fault)
	          && table_run(work->table, "BEGIN", fault)
	          && run_own(work, "rights.sql", fault);

	for (size_t i = 0; ok && i < work->department->topic_count; i++)
		ok = check_topic(work, &work->department->topics[i], &plans[i], fault);
	return ok && table_run(work->table, "ROLLBACK", fault);
}

static void print_all(
        const struct work *work, const struct ctl *ctl, struct plan *const *plans)
{
	printf("%s", ctl->json ? "{" : "");
	for (size_t i = 0; i < work->department->topic_count; i++) {
		size_t count;
		const struct column *columns = plan_columns(plans[i], &count);

		printf("%s", ctl->json && i > 0 ? ", " : "");
		print_personal(ctl, &work->department->topics[i], columns, count);
	}
	printf("%s", ctl->json ? "}\n" : "");
}

static bool check(struct work *work, const struct ctl *ctl, struct fault *fault)
{
	size_t count = work->department->topic_count;
	struct plan **plans = calloc(count, sizeof *plans);
	bool ok = plans != NULL ? check_all(work, plans, fault) : fault_memory(fault);

	if (ok)
		print_all(work, ctl, plans);
	for (size_t i = 0; plans != NULL && i < count; i++)
		plan_close(&plans[i]);
	free(plans);
	return ok;
}

bool ctl_department_check(struct ctl *ctl, struct fault *fault)
{
	struct work work = { 0 };
	bool ok = work_open(&work, ctl, fault) && tell_oddities(&work, fault)
	          && check(&work, ctl, fault);

	work_close(&work);
	return ok;
}
