/* SPDX-License-Identifier: MIT */
/*
 * Within a topic the order is the village's numbers, and nothing else. Between topics
 * there is none but the gateway's clock, which may have gone back: so an event counts
 * as recorded no earlier than the one before it in its stream.
 */
#include "cases.h"

#include <stdio.h>
#include <stdlib.h>

#include "event/envelope.h"

enum { COLUMNS = 128, MOST_EVENTS = 10000 };

/* Before the columns of a row: order, appended_at. */
enum { ROW_ORDER, ROW_APPENDED, ROW_COLUMNS };

struct kind {
	const struct catalog_topic *topic;
	struct plan *plan;
	const struct column *columns;
	size_t count;
	bool has[COLUMNS]; /* the table has such a column */
	bool exists;
};

/* An event of the case, its text somewhere in texts. */
struct found {
	int64_t order;
	size_t kind;
	size_t number; /* in its kind */
	size_t start;
	size_t size;
};

struct cases_reader {
	const struct catalog *catalog;
	struct kind *kinds; /* by index of the catalog's topics */
	struct found *found;
	size_t count;
	struct buffer texts;
	struct buffer sql;
	/* of the query at hand */
	size_t kind;
	enum mask_view view;
	int32_t partition;
};

bool cases_open(
        struct cases_reader **out, const struct catalog *catalog, struct fault *fault)
{
	static const struct plan_grant all = { .everything = true };
	struct cases_reader *cases = calloc(1, sizeof *cases);

	if (cases == NULL)
		return fault_memory(fault);
	*out = cases;
	cases->catalog = catalog;
	cases->kinds = calloc(catalog->topic_count, sizeof *cases->kinds);
	cases->found = calloc(MOST_EVENTS, sizeof *cases->found);
	if (cases->kinds == NULL || cases->found == NULL)
		return fault_memory(fault);
	for (size_t i = 0; i < catalog->topic_count; i++) {
		struct kind *kind = &cases->kinds[i];
		const struct schema *schema = catalog->topics[i].newest->schema;

		kind->topic = &catalog->topics[i];
		if (!plan_compile(&kind->plan, schema, schema, &all, fault))
			return false;
		kind->columns = plan_columns(kind->plan, &kind->count);
		if (kind->count > COLUMNS)
			kind->count = COLUMNS;
	}
	return true;
}

void cases_close(struct cases_reader **cases)
{
	struct cases_reader *old = *cases;

	if (old == NULL)
		return;
	for (size_t i = 0; old->kinds != NULL && i < old->catalog->topic_count; i++)
		plan_close(&old->kinds[i].plan);
	free(old->kinds);
	free(old->found);
	buffer_clear(&old->texts);
	buffer_clear(&old->sql);
	free(old);
	*cases = NULL;
}

/* What there is */

static bool note_column(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	struct kind *kind = context;

	(void)count;
	(void)fault;
	kind->exists = true;
	for (size_t i = 0; i < kind->count; i++)
		if (strcmp(kind->columns[i].name, texts[0]) == 0)
			kind->has[i] = true;
	return true;
}

bool cases_learn(struct cases_reader *cases, struct table *table, struct fault *fault)
{
	bool ok = true;

	for (size_t i = 0; ok && i < cases->catalog->topic_count; i++) {
		struct kind *kind = &cases->kinds[i];

		kind->exists = false;
		memset(kind->has, 0, sizeof kind->has);
		buffer_reset(&cases->sql);
		buffer_append_text(&cases->sql,
		        "SELECT attname FROM pg_attribute WHERE attnum > 0 AND NOT "
		        "attisdropped AND attrelid = to_regclass(");
		ok = table_quote(
		        table, bytes_of(kind->topic->name), &cases->sql, fault);
		buffer_append_text(&cases->sql, ")");
		buffer_append_byte(&cases->sql, '\0');
		ok = ok && buffer_ok(&cases->sql, fault)
		     && table_query(table, (const char *)cases->sql.data, note_column,
		             kind, fault);
	}
	return ok;
}

/* Asking */

static bool is_shown(const struct cases_reader *cases, const struct column *column)
{
	return cases->view == VIEW_OPEN || strcmp(column->pii, "none") == 0;
}

/* A column as text that JSON can take: as it is, or between quotes. */
static const char *form_of(enum column_type type)
{
	switch (type) {
	case COLUMN_TIMESTAMPTZ:
		return "to_char(\"%s\" AT TIME ZONE 'UTC', "
		       "'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";
	case COLUMN_TIME:
		return "(extract(epoch FROM \"%s\") * 1000000)::bigint::text";
	case COLUMN_BYTEA:
		return "encode(\"%s\", 'hex')";
	case COLUMN_BOOL:
	case COLUMN_INT4:
	case COLUMN_INT8:
	case COLUMN_FLOAT4:
	case COLUMN_FLOAT8:
	case COLUMN_NUMERIC:
	case COLUMN_TEXT:
	case COLUMN_DATE:
	case COLUMN_UUID:
	case COLUMN_JSONB:
		return "\"%s\"::text";
	}
	return "\"%s\"::text";
}

static void put_columns(struct cases_reader *cases, const struct kind *kind)
{
	for (size_t i = 0; i < kind->count; i++) {
		const struct column *column = &kind->columns[i];
		char text[256];

		if (!kind->has[i])
			snprintf(text, sizeof text, "NULL");
		else if (is_shown(cases, column))
			snprintf(
			        text, sizeof text, form_of(column->type), column->name);
		else
			snprintf(text, sizeof text,
			        "CASE WHEN \"%s\" IS NOT NULL THEN '' END",
			        column->name);
		buffer_append_text(&cases->sql, ", ");
		buffer_append_text(&cases->sql, text);
	}
}

static bool put_query(struct cases_reader *cases, struct table *table,
        const char *village_code, const char *case_id, struct fault *fault)
{
	const struct kind *kind = &cases->kinds[cases->kind];

	buffer_reset(&cases->sql);
	buffer_append_text(&cases->sql,
	        "SELECT (extract(epoch FROM max(recorded_at) OVER (PARTITION BY "
	        "incarnation ORDER BY seq)) * 1000000)::bigint, to_char(appended_at AT "
	        "TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')");
	put_columns(cases, kind);
	buffer_format(
	        &cases->sql, " FROM \"%s\" WHERE village_code = ", kind->topic->name);
	if (!table_quote(table, bytes_of(village_code), &cases->sql, fault))
		return false;
	buffer_append_text(&cases->sql, " AND case_id = ");
	if (!table_quote(table, bytes_of(case_id), &cases->sql, fault))
		return false;
	buffer_format(
	        &cases->sql, " ORDER BY 1, incarnation, seq LIMIT %d", MOST_EVENTS);
	buffer_append_byte(&cases->sql, '\0');
	return buffer_ok(&cases->sql, fault);
}

static bool is_quoted(enum column_type type)
{
	return type == COLUMN_NUMERIC || type == COLUMN_TEXT || type == COLUMN_BYTEA
	       || type == COLUMN_DATE || type == COLUMN_TIMESTAMPTZ
	       || type == COLUMN_UUID;
}

static void put_field(const struct cases_reader *cases, const struct column *column,
        const char *text, struct buffer *out)
{
	size_t from;

	buffer_append_byte(out, ',');
	buffer_append_json(out, bytes_of(column->name));
	buffer_append_byte(out, ':');
	from = out->size;
	if (text == NULL)
		buffer_append_text(out, "null");
	else if (!is_shown(cases, column))
		buffer_append_text(out, "\"\xE2\x80\xA2\xE2\x80\xA2\xE2\x80\xA2\"");
	else if (is_quoted(column->type))
		buffer_append_json(out, bytes_of(text));
	else
		buffer_append_text(out, text);
	if (cases->view == VIEW_MASKED)
		mask_hide_numbers(out, from);
}

static bool note_event(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	struct cases_reader *cases = context;
	const struct kind *kind = &cases->kinds[cases->kind];
	struct buffer *out = &cases->texts;
	struct found *found = &cases->found[cases->count];

	if (cases->count == MOST_EVENTS || count < ROW_COLUMNS + kind->count)
		return true;
	*found = (struct found){ .order = strtoll(texts[ROW_ORDER], NULL, 10),
		.kind = cases->kind,
		.number = cases->count,
		.start = out->size };
	buffer_format(out, "{\"topic\":\"%s\",\"partition\":%d,\"offset\":null",
	        kind->topic->topic, (int)cases->partition);
	buffer_format(out, ",\"appended_at\":\"%s\",\"record\":\"%s\"",
	        texts[ROW_APPENDED] ? texts[ROW_APPENDED] : "", kind->topic->record);
	for (size_t i = 0; i < kind->count; i++)
		put_field(cases, &kind->columns[i], texts[ROW_COLUMNS + i], out);
	buffer_append_byte(out, '}');
	found->size = out->size - found->start;
	cases->count++;
	return buffer_ok(out, fault);
}

static int by_order(const void *a, const void *b)
{
	const struct found *left = a;
	const struct found *right = b;

	if (left->order != right->order)
		return left->order < right->order ? -1 : 1;
	return (left->number > right->number) - (left->number < right->number);
}

bool cases_read(struct cases_reader *cases, struct table *table,
        const char *village_code, const char *case_id, enum mask_view view,
        struct buffer *out, size_t *count, struct fault *fault)
{
	cases->view = view;
	cases->count = 0;
	cases->partition =
	        envelope_partition(bytes_of(village_code), cases->catalog->modulus);
	buffer_reset(&cases->texts);
	for (cases->kind = 0; cases->kind < cases->catalog->topic_count; cases->kind++)
		if (cases->kinds[cases->kind].exists
		        && (!put_query(cases, table, village_code, case_id, fault)
		                || !table_query(table, (const char *)cases->sql.data,
		                        note_event, cases, fault)))
			return false;
	qsort(cases->found, cases->count, sizeof *cases->found, by_order);
	buffer_append_byte(out, '[');
	for (size_t i = 0; i < cases->count; i++) {
		if (i > 0)
			buffer_append_byte(out, ',');
		buffer_append(out, cases->texts.data + cases->found[i].start,
		        cases->found[i].size);
	}
	buffer_append_byte(out, ']');
	*count = cases->count;
	return buffer_ok(out, fault);
}
