/* SPDX-License-Identifier: MIT */
/*
 * A row that this transaction wrote is one whose age is not above 0, as everything else
 * was committed before it got its number. Statistics tell which tables to look into.
 *
 * A row that it deleted is there again at before_all, and still bears the mark of who
 * deleted it, which is as young. So does one that was changed, or locked for a foreign
 * key: the former has a row after it, the latter could be seen before the return, too.
 */
#include "rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/clock.h"
#include "event/mask.h"

struct texts {
	char **list;
	size_t count;
	size_t room;
};

struct written {
	char *table; /* quoted by the database */
	char *key;   /* columns of its primary key, quoted; "" when it has none */
	struct texts after;
	struct cases kept;   /* places of rows that were marked, and not deleted */
	struct texts gone;   /* rows that bear a mark at before_all ... */
	struct texts places; /* ... and where they are */
};

struct look {
	struct written *tables;
	size_t count;
	struct texts elsewhere; /* tables of other schemas that were written to */
	char *before;
	char *place; /* of before */
};

static bool texts_add(struct texts *texts, const char *text, struct fault *fault)
{
	if (texts->count == texts->room) {
		size_t room = texts->room ? 2 * texts->room : 64;
		char **list = realloc(texts->list, room * sizeof *list);

		if (list == NULL)
			return fault_memory(fault);
		texts->list = list;
		texts->room = room;
	}
	texts->list[texts->count] = strdup(text);
	return texts->list[texts->count++] != NULL || fault_memory(fault);
}

static void texts_clear(struct texts *texts)
{
	for (size_t i = 0; i < texts->count; i++)
		free(texts->list[i]);
	free(texts->list);
}

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

static bool note_text(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	(void)count;
	return texts_add(context, texts[0], fault);
}

static bool note_kept(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	(void)count;
	return cases_add(context, bytes_of(texts[0]), fault);
}

static bool note_marked(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	struct written *table = context;

	(void)count;
	return texts_add(&table->places, texts[0], fault)
	       && texts_add(&table->gone, texts[1], fault);
}

static bool note_before(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	struct look *look = context;

	(void)count;
	look->place = strdup(texts[0]);
	look->before = strdup(texts[1]);
	return (look->place != NULL && look->before != NULL) || fault_memory(fault);
}

static const char tables_sql[] =
        "SELECT format('%I.%I', s.schemaname, s.relname), (SELECT "
        "string_agg(quote_ident(a.attname), ', ') FROM pg_index i JOIN pg_attribute a "
        "ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) WHERE i.indrelid = "
        "s.relid AND i.indisprimary) FROM pg_stat_xact_user_tables s WHERE "
        "s.schemaname = current_schema() AND s.n_tup_ins + s.n_tup_upd + s.n_tup_del > "
        "0 ORDER BY 1";

static const char elsewhere_sql[] =
        "SELECT format('%I.%I', s.schemaname, s.relname) FROM "
        "pg_stat_xact_user_tables s WHERE s.schemaname NOT IN (current_schema(), "
        "'kentongan') AND s.schemaname NOT LIKE 'pg\\_temp%' AND s.n_tup_ins + "
        "s.n_tup_upd + s.n_tup_del > 0 ORDER BY 1";

/* Masking */

static const int64_t moment_us = 10 * 60 * 1000000LL;
static const int64_t ahead_us = 7 * 3600 * 1000000LL; /* Jember, of UTC */

static const char *const zones[] = { "", "Z", "+07:00" };

static bool has(const struct rows *rows, const char *text)
{
	return cases_has(&rows->harmless, bytes_of(text));
}

static void time_key(int64_t us, char out[64])
{
	snprintf(out, 64, "@%" PRId64, us);
}

static void number_key(double number, char out[64])
{
	snprintf(out, 64, "#%.17g", number);
}

/* Of one of the records, or of now: a birthday is neither. */
static bool is_known_time(const struct rows *rows, const char *text)
{
	char zoned[64];
	char key[64];
	int64_t us;

	for (size_t i = 0; i < sizeof zones / sizeof *zones; i++) {
		snprintf(zoned, sizeof zoned, "%.40s%s", text, zones[i]);
		if (!clock_parse(bytes_of(zoned), &us))
			continue;
		time_key(us, key);
		if (has(rows, key) || llabs(us - clock_wall_us()) < moment_us)
			return true;
	}
	return false;
}

static bool is_harmless(const struct rows *rows, const json_t *value)
{
	const char *text = json_string_value(value);
	char key[64];

	if (json_is_boolean(value) || json_is_null(value))
		return true;
	if (json_is_number(value)) {
		number_key(json_number_value(value), key);
		return has(rows, key);
	}
	return text != NULL && !cases_has(&rows->concerning, bytes_of(text))
	       && (has(rows, text) || is_known_time(rows, text));
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

/* Learning what is harmless */

static bool learn(struct rows *rows, const char *key, struct fault *fault)
{
	return cases_add(&rows->harmless, bytes_of(key), fault);
}

/* An instant, and the dates that it is written as. */
static bool learn_time(struct rows *rows, int64_t us, struct fault *fault)
{
	char text[CLOCK_TEXT_BYTES];
	char key[64];

	time_key(us, key);
	if (!learn(rows, key, fault))
		return false;
	for (int64_t at = us; at <= us + ahead_us; at += ahead_us) {
		clock_format(at, text);
		text[strlen("2026-11-21")] = '\0';
		if (!learn(rows, text, fault))
			return false;
	}
	return true;
}

/* As docs/decisions/0062 has it: the shape of a NIK is shown nowhere. */
static bool has_hidden_number(const struct bytes *text)
{
	struct buffer quoted = { 0 };
	bool hidden;

	buffer_append_byte(&quoted, '"');
	buffer_append(&quoted, text->data, text->size);
	buffer_append_byte(&quoted, '"');
	mask_hide_numbers(&quoted, 0);
	hidden = quoted.size != text->size + 2
	         || memcmp(quoted.data + 1, text->data, text->size) != 0;
	buffer_clear(&quoted);
	return hidden;
}

static bool learn_number(struct rows *rows, const struct column *column,
        const struct cell *cell, struct fault *fault)
{
	struct buffer text = { 0 };
	char key[64];
	bool ok;

	cell_json(column, cell, &text);
	buffer_append_byte(&text, '\0');
	ok = buffer_ok(&text, fault);
	if (ok) {
		number_key(
		        strtod((char *)text.data + (text.data[0] == '"'), NULL), key);
		ok = learn(rows, key, fault);
	}
	buffer_clear(&text);
	return ok;
}

/* A field without personal data may be shown where it comes out. */
static bool learn_cell(void *context, const struct column *column,
        const struct cell *cell, struct fault *fault)
{
	struct rows *rows = context;
	bool is_text = column->type == COLUMN_TEXT || column->type == COLUMN_UUID;

	if (strcmp(column->pii, "none") != 0)
		return !is_text || cases_add(&rows->concerning, cell->bytes, fault);
	switch (column->type) {
	case COLUMN_TEXT:
	case COLUMN_UUID:
		return has_hidden_number(&cell->bytes)
		       || cases_add(&rows->harmless, cell->bytes, fault);
	case COLUMN_INT4:
	case COLUMN_INT8:
	case COLUMN_FLOAT4:
	case COLUMN_FLOAT8:
	case COLUMN_NUMERIC:
		return learn_number(rows, column, cell, fault);
	case COLUMN_TIMESTAMPTZ:
		return learn_time(rows, cell->integer, fault);
	case COLUMN_DATE:
		return learn_time(rows, cell->integer * 86400 * 1000000, fault);
	default:
		return true;
	}
}

static bool learn_harmless(struct apply *apply, struct rows *rows, struct fault *fault)
{
	struct batch *batch = &apply->batch;

	for (size_t i = 0; i < batch->lane_count; i++) {
		struct lane *lane = &batch->lanes[i];

		for (size_t j = 0; j < lane->item_count; j++) {
			const struct item *item = &lane->items[j];

			if (item->stream != NULL
			        && (!learn_time(
			                    rows, item->record->appended_at_us, fault)
			                || !batch_visit(batch, lane, item, learn_cell,
			                        rows, fault)))
				return false;
		}
	}
	return true;
}

/* Looking */

/*
 * Others change rows meanwhile. What we did is undone by now, so the id in its xmax is
 * that of a transaction that was given up; the ids of rows have no epoch.
 */
#define UNDONE                                                                         \
	"CASE WHEN age(t.xmax) <= 0 THEN pg_xact_status((pg_current_xact_id()::text"   \
	"::bigint / 4294967296 * 4294967296 + t.xmax::text::bigint)::text::xid8) = "   \
	"'aborted' END"

static bool look_after(struct apply *apply, struct look *look, struct fault *fault)
{
	buffer_append_text(&apply->sql, tables_sql);
	if (!apply_ask(apply, note_table, look, fault))
		return false;
	for (size_t i = 0; i < look->count; i++) {
		struct written *table = &look->tables[i];

		buffer_format(&apply->sql,
		        "SELECT to_jsonb(t) FROM ONLY %s t WHERE age(t.xmin) <= 0",
		        table->table);
		if (!apply_ask(apply, note_text, &table->after, fault))
			return false;
		buffer_format(&apply->sql,
		        "SELECT t.ctid FROM ONLY %s t WHERE age(t.xmax) <= 0",
		        table->table);
		if (!apply_ask(apply, note_kept, &table->kept, fault))
			return false;
	}
	buffer_append_text(&apply->sql, elsewhere_sql);
	return apply_ask(apply, note_text, &look->elsewhere, fault);
}

static bool look_before(struct apply *apply, struct look *look, struct written *table,
        const char *after, struct fault *fault)
{
	free(look->before);
	free(look->place);
	look->before = look->place = NULL;
	if (table->key[0] == '\0')
		return true;
	buffer_format(&apply->sql,
	        "SELECT t.ctid, to_jsonb(t) FROM ONLY %s t WHERE (%s) = (SELECT %s "
	        "FROM jsonb_populate_record(NULL::%s, ",
	        table->table, table->key, table->key, table->table);
	if (!table_quote(apply->table, bytes_of(after), &apply->sql, fault))
		return false;
	buffer_append_text(&apply->sql, "))");
	return apply_ask(apply, note_before, look, fault)
	       && (look->place == NULL
	               || cases_add(&table->kept, bytes_of(look->place), fault));
}

static bool look_for_marks(struct apply *apply, struct look *look, struct fault *fault)
{
	for (size_t i = 0; i < look->count; i++) {
		buffer_format(&apply->sql,
		        "SELECT t.ctid, to_jsonb(t) FROM ONLY %s t WHERE " UNDONE,
		        look->tables[i].table);
		if (!apply_ask(apply, note_marked, &look->tables[i], fault))
			return false;
	}
	return true;
}

static void print_row(struct rows *rows, const struct written *table,
        const char *before, const char *after)
{
	json_t *name = json_string(table->table);
	char *quoted = json_dumps(name, JSON_ENCODE_ANY);
	char *old = masked(rows, before);
	char *new = masked(rows, after);

	if (rows->json)
		printf("%s{\"table\": %s, \"before\": %s, \"after\": %s}",
		        rows->count > 0 ? ", " : "", quoted, old, new);
	else
		printf("%s\n  before %s\n  after  %s\n", table->table, old, new);
	rows->count++;
	json_decref(name);
	free(quoted);
	free(old);
	free(new);
}

static bool print_table(struct apply *apply, struct look *look, struct written *table,
        struct rows *rows, struct fault *fault)
{
	for (size_t i = 0; i < table->after.count; i++) {
		if (!look_before(apply, look, table, table->after.list[i], fault))
			return false;
		print_row(rows, table, look->before, table->after.list[i]);
	}
	for (size_t i = 0; i < table->gone.count; i++)
		if (!cases_has(&table->kept, bytes_of(table->places.list[i])))
			print_row(rows, table, table->gone.list[i], NULL);
	return true;
}

static bool print_all(
        struct apply *apply, struct look *look, struct rows *rows, struct fault *fault)
{
	for (size_t i = 0; i < look->count; i++)
		if (!print_table(apply, look, &look->tables[i], rows, fault))
			return false;
	for (size_t i = 0; i < look->elsewhere.count; i++)
		fprintf(stderr,
		        "kentongan: %s is written to as well; only rows of the "
		        "department's schema are shown\n",
		        look->elsewhere.list[i]);
	return true;
}

static void look_clear(struct look *look)
{
	for (size_t i = 0; i < look->count; i++) {
		struct written *table = &look->tables[i];

		texts_clear(&table->after);
		texts_clear(&table->gone);
		texts_clear(&table->places);
		cases_clear(&table->kept);
		free(table->table);
		free(table->key);
	}
	free(look->tables);
	texts_clear(&look->elsewhere);
	free(look->before);
	free(look->place);
}

bool rows_look(struct apply *apply, void *context, struct fault *fault)
{
	struct rows *rows = context;
	struct look look = { 0 };
	bool ok = apply_send(apply, fault) && learn_harmless(apply, rows, fault)
	          && look_after(apply, &look, fault);
	buffer_append_text(&apply->sql, "ROLLBACK TO SAVEPOINT before_all;");
	ok = ok && apply_send(apply, fault) && look_for_marks(apply, &look, fault)
	     && print_all(apply, &look, rows, fault);
	look_clear(&look);
	return ok;
}

void rows_clear(struct rows *rows)
{
	cases_clear(&rows->harmless);
	cases_clear(&rows->concerning);
}
