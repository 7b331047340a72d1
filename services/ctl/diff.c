/* SPDX-License-Identifier: MIT */
/*
 * `kentongan department diff`: a department's tables in two databases, the live one and
 * one that a rehearsal filled. Both sides come in the order of their keys and are
 * walked together, some rows at a time. Values are never shown, and of keys only what
 * is no personal data.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "ctl.h"
#include "event/format.h"
#include "flow/department.h"
#include "port/table.h"

enum { ROWS = 2000, TABLES = 128, COLUMNS = 128, KEYS = 5 };

static const char dots[] = "\xE2\x80\xA2\xE2\x80\xA2\xE2\x80\xA2";

struct row {
	char *key; /* a JSON array */
	char *values;
};

/* One of the two databases, and a window of the table at hand. */
struct side {
	const char *name;
	struct table *table;
	char *tables[TABLES];
	char *keys[TABLES]; /* SQL: the key's columns with commas between; "": none */
	size_t table_count;
	struct row rows[ROWS];
	size_t next;
	size_t count;
	bool ended;
};

struct named_key {
	const char *is;
	char *key;
	json_t *columns;
};

/* What became of one table. */
struct found {
	int64_t same;
	int64_t differ;
	int64_t only_live;
	int64_t only_scratch;
	json_t *columns; /* name: rows in which it differs */
	struct named_key named[3 * KEYS];
	size_t named_count;
};

struct diff {
	const struct ctl *ctl;
	struct catalog *catalog;
	struct department *department;
	struct side live;
	struct side scratch;
	int64_t differences;
	bool any; /* a table was printed */
};

/* Reading */

static bool note_table(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	struct side *side = context;

	(void)count;
	if (side->table_count == TABLES)
		return fault_set(fault, FAULT_REJECT, "more than %d tables", TABLES);
	side->tables[side->table_count] = strdup(texts[0]);
	side->keys[side->table_count] = strdup(texts[1] ? texts[1] : "");
	return (side->tables[side->table_count] != NULL
	               && side->keys[side->table_count++] != NULL)
	       || fault_memory(fault);
}

static bool list_tables(struct side *side, struct fault *fault)
{
	return table_query(side->table,
	        "SELECT quote_ident(c.relname), (SELECT string_agg(quote_ident("
	        "a.attname), ', ' ORDER BY array_position(i.indkey::int2[], a.attnum)) "
	        "FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND "
	        "a.attnum = ANY (i.indkey) WHERE i.indrelid = c.oid AND "
	        "i.indisprimary) "
	        "FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace "
	        "AND c.relkind IN ('r', 'p') ORDER BY 1",
	        note_table, side, fault);
}

/* A table without a key is compared by its whole rows. */
static bool begin_table(
        struct side *side, const char *table, const char *keys, struct fault *fault)
{
	struct buffer sql = { 0 };
	bool ok;

	side->next = 0;
	side->count = 0;
	side->ended = false;
	buffer_append_text(&sql, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; "
	                         "DECLARE compared CURSOR "
	                         "FOR SELECT k, v FROM (SELECT ");
	if (keys[0] != '\0')
		buffer_format(&sql, "jsonb_build_array(%s)", keys);
	else
		buffer_append_text(&sql, "jsonb_build_array(to_jsonb(t))");
	buffer_format(&sql,
	        "::text COLLATE \"C\" AS k, to_jsonb(t)::text AS v FROM %s t) q "
	        "ORDER BY k",
	        table);
	buffer_append_byte(&sql, 0);
	ok = buffer_ok(&sql, fault) && table_run(side->table, (char *)sql.data, fault);
	buffer_clear(&sql);
	return ok;
}

static bool note_row(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	struct side *side = context;
	struct row *row = &side->rows[side->count];

	(void)count;
	row->key = strdup(texts[0]);
	row->values = strdup(texts[1]);
	side->count++;
	return (row->key != NULL && row->values != NULL) || fault_memory(fault);
}

static void drop_row(struct side *side)
{
	free(side->rows[side->next].key);
	free(side->rows[side->next].values);
	side->next++;
}

/* *row is NULL at the end of the table. */
static bool look_at_row(struct side *side, const struct row **row, struct fault *fault)
{
	char sql[64];

	if (side->next == side->count && !side->ended) {
		side->next = 0;
		side->count = 0;
		snprintf(sql, sizeof sql, "FETCH %d FROM compared", ROWS);
		if (!table_query(side->table, sql, note_row, side, fault))
			return fault_wrap(fault, "%s", side->name);
		side->ended = side->count < ROWS;
	}
	*row = side->next < side->count ? &side->rows[side->next] : NULL;
	return true;
}

static bool end_table(struct side *side, struct fault *fault)
{
	while (side->next < side->count)
		drop_row(side);
	return table_run(side->table, "ROLLBACK", fault);
}

/* Masking */

/* The names that any batch has are the only ones that are known. */
static bool is_known(const char *column)
{
	static const char *const head[] = { "event_id", "village_code", "incarnation",
		"seq", "case_id", "service", "partition", "kafka_offset" };

	for (size_t i = 0; i < sizeof head / sizeof head[0]; i++)
		if (strcmp(column, head[i]) == 0)
			return true;
	return false;
}

/* Others are known by their form; a number has none: it may be a telephone's. */
static bool is_harmless(const char *column, const json_t *value)
{
	const char *text = json_string_value(value);

	if (json_is_number(value)) /* a NIK has 16 digits, all others fewer */
		return is_known(column) && json_number_value(value) < 1e12;
	if (text == NULL)
		return json_is_boolean(value) || json_is_null(value);
	return is_known(column) || format_find("village-code")->fits(bytes_of(text))
	       || format_find("uuid")->fits(bytes_of(text));
}

/* keys: the names of the columns, quoted where they must be. */
static char *masked_key(const char *text, const char *keys)
{
	json_t *key = json_loads(text, 0, NULL);
	char *names = strdup(keys);
	char *rest = names;
	char *out;
	size_t i;
	json_t *value;

	json_array_foreach(key, i, value)
	{
		const char *name = rest && *rest ? strsep(&rest, ",") : "";

		if (!is_harmless(name + strspn(name, " "), value))
			json_array_set_new(key, i, json_string(dots));
	}
	out = key ? json_dumps(key, JSON_COMPACT) : NULL;
	json_decref(key);
	free(names);
	return out ? out : strdup("[]");
}

/* Comparing */

static void count_column(json_t *columns, const char *name)
{
	json_int_t before = json_integer_value(json_object_get(columns, name));

	json_object_set_new(columns, name, json_integer(before + 1));
}

/* The columns in which two rows differ, by name. */
static json_t *compare_rows(
        struct found *found, const struct row *live, const struct row *scratch)
{
	json_t *a = json_loads(live->values, 0, NULL);
	json_t *b = json_loads(scratch->values, 0, NULL);
	json_t *columns = json_array();
	const char *name;
	json_t *value;

	json_object_foreach(a, name, value)
	{
		if (json_equal(value, json_object_get(b, name)))
			continue;
		json_array_append_new(columns, json_string(name));
		count_column(found->columns, name);
	}
	json_object_foreach(b, name, value)
	{
		if (json_object_get(a, name) != NULL)
			continue;
		json_array_append_new(columns, json_string(name));
		count_column(found->columns, name);
	}
	json_decref(a);
	json_decref(b);
	return columns;
}

/* The first few of each kind are named; columns is taken. */
static void name_key(struct found *found, const char *is, int64_t seen, const char *key,
        const char *keys, json_t *columns)
{
	if (seen > KEYS) {
		json_decref(columns);
		return;
	}
	found->named[found->named_count++] =
	        (struct named_key){ is, masked_key(key, keys), columns };
}

static void compare_heads(struct found *found, struct diff *diff, const char *keys,
        const struct row *live, const struct row *scratch)
{
	int order = live == NULL      ? 1
	            : scratch == NULL ? -1
	                              : strcmp(live->key, scratch->key);

	if (order < 0)
		name_key(found, "only live", ++found->only_live, live->key, keys, NULL);
	else if (order > 0)
		name_key(found, "only scratch", ++found->only_scratch, scratch->key,
		        keys, NULL);
	else if (strcmp(live->values, scratch->values) == 0)
		found->same++;
	else
		name_key(found, "differs", ++found->differ, live->key, keys,
		        compare_rows(found, live, scratch));
	if (order <= 0)
		drop_row(&diff->live);
	if (order >= 0)
		drop_row(&diff->scratch);
}

static bool walk(
        struct diff *diff, struct found *found, const char *keys, struct fault *fault)
{
	const struct row *live;
	const struct row *scratch;

	for (;;) {
		if (!look_at_row(&diff->live, &live, fault)
		        || !look_at_row(&diff->scratch, &scratch, fault))
			return false;
		if (live == NULL && scratch == NULL)
			return true;
		compare_heads(found, diff, keys, live, scratch);
	}
}

/* Printing */

static void print_text(const char *table, const struct found *found)
{
	const char *name;
	json_t *value;

	printf("%s: %" PRId64 " same, %" PRId64 " differ, %" PRId64
	       " only live, %" PRId64 " only scratch\n",
	        table, found->same, found->differ, found->only_live,
	        found->only_scratch);
	json_object_foreach(found->columns, name, value)
	{
		printf("  column %s differs in %" JSON_INTEGER_FORMAT "\n", name,
		        json_integer_value(value));
	}
	for (size_t i = 0; i < found->named_count; i++)
		printf("  %s %s\n", found->named[i].is, found->named[i].key);
}

static void print_json(struct diff *diff, const char *table, const struct found *found)
{
	json_t *keys = json_array();
	json_t *all;
	char *text;

	for (size_t i = 0; i < found->named_count; i++)
		json_array_append_new(
		        keys, json_pack("{s:s, s:o, s:O*}", "is", found->named[i].is,
		                      "key", json_loads(found->named[i].key, 0, NULL),
		                      "columns", found->named[i].columns));
	all = json_pack("{s:s, s:I, s:I, s:I, s:I, s:O, s:o}", "table", table, "same",
	        (json_int_t)found->same, "differ", (json_int_t)found->differ,
	        "only_live", (json_int_t)found->only_live, "only_scratch",
	        (json_int_t)found->only_scratch, "columns", found->columns, "keys",
	        keys);
	text = json_dumps(all, JSON_COMPACT);
	printf("%s%s", diff->any ? ",\n" : "", text ? text : "null");
	free(text);
	json_decref(all);
}

static void print_found(struct diff *diff, const char *table, struct found *found)
{
	if (diff->ctl->json)
		print_json(diff, table, found);
	else
		print_text(table, found);
	diff->any = true;
	diff->differences += found->differ + found->only_live + found->only_scratch;
	for (size_t i = 0; i < found->named_count; i++) {
		free(found->named[i].key);
		json_decref(found->named[i].columns);
	}
	json_decref(found->columns);
}

static bool compare_table(
        struct diff *diff, const char *table, const char *keys, struct fault *fault)
{
	struct found found = { .columns = json_object() };
	bool ok = begin_table(&diff->live, table, keys, fault)
	          && begin_table(&diff->scratch, table, keys, fault)
	          && walk(diff, &found, keys, fault) && end_table(&diff->live, fault)
	          && end_table(&diff->scratch, fault);

	print_found(diff, table, &found);
	return ok;
}

static bool has_table(const struct side *side, const char *table)
{
	for (size_t i = 0; i < side->table_count; i++)
		if (strcmp(side->tables[i], table) == 0)
			return true;
	return false;
}

/* A table that stands on one side only is a difference by itself. */
static void tell_lonely(
        struct diff *diff, const struct side *own, const struct side *other)
{
	for (size_t i = 0; i < own->table_count; i++) {
		if (has_table(other, own->tables[i]))
			continue;
		fprintf(stderr, "kentongan: %s is a table of %s only\n", own->tables[i],
		        own->name);
		diff->differences++;
	}
}

static bool compare_all(struct diff *diff, struct fault *fault)
{
	bool ok = list_tables(&diff->live, fault) && list_tables(&diff->scratch, fault);

	if (!ok)
		return false;
	printf("%s", diff->ctl->json ? "[" : "");
	for (size_t i = 0; ok && i < diff->live.table_count; i++)
		if (has_table(&diff->scratch, diff->live.tables[i]))
			ok = compare_table(
			        diff, diff->live.tables[i], diff->live.keys[i], fault);
	printf("%s", diff->ctl->json ? "]\n" : "");
	tell_lonely(diff, &diff->live, &diff->scratch);
	tell_lonely(diff, &diff->scratch, &diff->live);
	return ok
	       && (diff->differences == 0
	               || fault_set(fault, FAULT_REJECT, "%" PRId64 " difference%s",
	                       diff->differences, diff->differences > 1 ? "s" : ""));
}

static bool side_open(struct side *side, const struct diff *diff, const char *name,
        struct fault *fault)
{
	side->name = name;
	return table_open(&side->table, conf_text(diff->ctl->conf, name),
	               "kentongan diff", diff->department->schema, fault)
	       || fault_wrap(fault, "%s", name);
}

static void side_close(struct side *side)
{
	while (side->next < side->count)
		drop_row(side);
	for (size_t i = 0; i < side->table_count; i++) {
		free(side->tables[i]);
		free(side->keys[i]);
	}
	table_close(&side->table);
}

static bool diff_open(
        struct diff *diff, struct ctl *ctl, const char *name, struct fault *fault)
{
	char folder[512];

	if (conf_text(ctl->conf, "live")[0] == '\0'
	        || conf_text(ctl->conf, "scratch")[0] == '\0')
		return ctl_usage(
		        fault, "department diff needs --live and --scratch CONNINFO");
	ctl_department_folder(name, folder);
	return catalog_open(&diff->catalog, conf_text(ctl->conf, "schemas"),
	               conf_text(ctl->conf, "mode"), fault)
	       && department_open(&diff->department, folder, diff->catalog, fault)
	       && side_open(&diff->live, diff, "live", fault)
	       && side_open(&diff->scratch, diff, "scratch", fault);
}

bool ctl_department_diff(struct ctl *ctl, struct fault *fault)
{
	struct diff *diff = calloc(1, sizeof *diff);
	const char *name;
	bool ok;

	if (diff == NULL)
		return fault_memory(fault);
	diff->ctl = ctl;
	ok = ctl_one_argument(ctl, "the department's folder", &name, fault)
	     && diff_open(diff, ctl, name, fault) && compare_all(diff, fault);
	side_close(&diff->live);
	side_close(&diff->scratch);
	department_close(&diff->department);
	catalog_close(&diff->catalog);
	free(diff);
	return ok;
}
