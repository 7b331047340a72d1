/* SPDX-License-Identifier: MIT */
/*
 * A row that this transaction wrote is one whose age is not above 0, as everything else
 * was committed before it got its number. Statistics tell which tables to look into.
 */
#include "rows.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

struct written {
	char *table; /* quoted by the database */
	char *key;   /* columns of its primary key, quoted; "" when it has none */
	char **after;
	size_t count;
	size_t room;
};

struct look {
	struct written *tables;
	size_t count;
	char *before;
};

static bool note_table(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	struct look *look = context;
	struct written *tables =
	        realloc(look->tables, (look->count + 1) * sizeof *tables);
	struct written *table;

	(void)count;
	if (tables == NULL)
		return fault_memory(fault);
	look->tables = tables;
	table = &tables[look->count++];
	*table = (struct written){ .table = strdup(texts[0]),
		.key = strdup(texts[1] ? texts[1] : "") };
	return (table->table != NULL && table->key != NULL) || fault_memory(fault);
}

static bool note_after(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	struct written *table = context;

	(void)count;
	if (table->count == table->room) {
		size_t room = table->room ? 2 * table->room : 64;
		char **after = realloc(table->after, room * sizeof *after);

		if (after == NULL)
			return fault_memory(fault);
		table->after = after;
		table->room = room;
	}
	table->after[table->count] = strdup(texts[0]);
	return table->after[table->count++] != NULL || fault_memory(fault);
}

static bool note_before(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	struct look *look = context;

	(void)count;
	look->before = strdup(texts[0]);
	return look->before != NULL || fault_memory(fault);
}

static const char tables_sql[] =
        "SELECT format('%I.%I', s.schemaname, s.relname), (SELECT "
        "string_agg(quote_ident(a.attname), ', ') FROM pg_index i JOIN pg_attribute a "
        "ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) WHERE i.indrelid = "
        "s.relid AND i.indisprimary) FROM pg_stat_xact_user_tables s WHERE "
        "s.schemaname = current_schema() AND s.n_tup_ins + s.n_tup_upd > 0 ORDER BY 1";

/* Masking */

static bool is_time(const char *text)
{
	return isdigit((unsigned char)text[0]) && isdigit((unsigned char)text[1])
	       && isdigit((unsigned char)text[2]) && isdigit((unsigned char)text[3])
	       && text[4] == '-' && strspn(text, "0123456789-T:.+Z") == strlen(text);
}

static bool is_harmless(const struct rows *rows, const json_t *value)
{
	const char *text = json_string_value(value);

	if (json_is_boolean(value) || json_is_null(value))
		return true;
	if (json_is_number(value)) /* a NIK has 16 digits, an amount fewer */
		return json_number_value(value) < 1e12;
	return text != NULL
	       && (is_time(text) || cases_has(&rows->harmless, bytes_of(text)));
}

static void mask(const struct rows *rows, json_t *row)
{
	const char *name;
	json_t *value;
	void *next;

	json_object_foreach_safe(row, next, name, value)
	{
		if (!rows->personal && !is_harmless(rows, value))
			json_object_set_new(row, name, json_string("***"));
	}
}

static char *masked(const struct rows *rows, const char *text)
{
	json_t *row = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
	char *out;

	if (row == NULL)
		return strdup("null");
	mask(rows, row);
	out = json_dumps(row, JSON_COMPACT);
	json_decref(row);
	return out;
}

/* What stands in fields without personal data may be shown where it comes out. */
static bool learn_harmless(struct apply *apply, struct rows *rows, struct fault *fault)
{
	struct batch *batch = &apply->batch;

	for (size_t i = 0; i < batch->lane_count; i++) {
		struct lane *lane = &batch->lanes[i];

		for (size_t j = 0; j < lane->item_count; j++)
			if (lane->items[j].stream != NULL
			        && !batch_harmless(batch, lane, &lane->items[j],
			                &rows->harmless, fault))
				return false;
	}
	return true;
}

/* Looking */

static bool look_after(struct apply *apply, struct look *look, struct fault *fault)
{
	buffer_append_text(&apply->sql, tables_sql);
	if (!apply_ask(apply, note_table, look, fault))
		return false;
	for (size_t i = 0; i < look->count; i++) {
		buffer_format(&apply->sql,
		        "SELECT to_jsonb(t) FROM %s t WHERE age(t.xmin) <= 0",
		        look->tables[i].table);
		if (!apply_ask(apply, note_after, &look->tables[i], fault))
			return false;
	}
	return true;
}

static bool look_before(struct apply *apply, struct look *look,
        const struct written *table, const char *after, struct fault *fault)
{
	free(look->before);
	look->before = NULL;
	if (table->key[0] == '\0')
		return true;
	buffer_format(&apply->sql,
	        "SELECT to_jsonb(t) FROM %s t WHERE (%s) = (SELECT %s FROM "
	        "jsonb_populate_record(NULL::%s, ",
	        table->table, table->key, table->key, table->table);
	if (!table_quote(apply->table, bytes_of(after), &apply->sql, fault))
		return false;
	buffer_append_text(&apply->sql, "))");
	return apply_ask(apply, note_before, look, fault);
}

static void print_row(struct rows *rows, const struct written *table,
        const char *before, const char *after)
{
	char *old = masked(rows, before);
	char *new = masked(rows, after);

	if (rows->json)
		printf("%s{\"table\": \"%s\", \"before\": %s, \"after\": %s}",
		        rows->count > 0 ? ", " : "", table->table, old, new);
	else
		printf("%s\n  before %s\n  after  %s\n", table->table, old, new);
	rows->count++;
	free(old);
	free(new);
}

static bool print_all(
        struct apply *apply, struct look *look, struct rows *rows, struct fault *fault)
{
	for (size_t i = 0; i < look->count; i++) {
		struct written *table = &look->tables[i];

		for (size_t j = 0; j < table->count; j++) {
			if (!look_before(apply, look, table, table->after[j], fault))
				return false;
			print_row(rows, table, look->before, table->after[j]);
		}
	}
	return true;
}

static void look_clear(struct look *look)
{
	for (size_t i = 0; i < look->count; i++) {
		struct written *table = &look->tables[i];

		for (size_t j = 0; j < table->count; j++)
			free(table->after[j]);
		free(table->after);
		free(table->table);
		free(table->key);
	}
	free(look->tables);
	free(look->before);
}

bool rows_look(struct apply *apply, void *context, struct fault *fault)
{
	struct rows *rows = context;
	struct look look = { 0 };
	bool ok = apply_send(apply, fault) && learn_harmless(apply, rows, fault)
	          && look_after(apply, &look, fault);
	buffer_append_text(&apply->sql, "ROLLBACK TO SAVEPOINT before_all;");
	ok = ok && apply_send(apply, fault) && print_all(apply, &look, rows, fault);
	look_clear(&look);
	return ok;
}

void rows_clear(struct rows *rows)
{
	cases_clear(&rows->harmless);
}
