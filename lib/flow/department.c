/* SPDX-License-Identifier: MIT */
#include "flow/department.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "flow/replay_words.h"

enum {
	PATH_BYTES = 4096,
	FUNCTION_BYTES = 64, /* a name of PostgreSQL's */
};

static const struct conf_key department_keys[] = {
	CONF_MUST(TEXT, name, "name of the department; also of its consumer group"),
	CONF_KEY(TEXT, title, "", "what people call it"),
	CONF_MUST(TEXT, database, "name of its database"),
	CONF_MUST(TEXT, schema, "schema of its tables"),
	CONF_KEY(TEXT, start, "earliest",
	        "where a topic begins that was never read: earliest, latest or a time"),
	CONF_ONE_OF(on_bad_record, "park_case", "park_case|continue|halt",
	        "what follows a record that its tables refuse"),
	CONF_ANY(policy, "on_bad_record of one topic, such as policy.payments = halt"),
	CONF_KEY(MS, order_wait_ms, "86400000",
	        "how long a record waits for a row that it refers to"),
	CONF_KEY(FLAG, breaker, "yes",
	        "halt when the tables refuse several villages for one reason"),
	CONF_KEY(FLAG, straight, "yes",
	        "copy into the tables themselves where a mapping only names columns"),
	CONF_KEY(FLAG, keep_values, "no",
	        "keep the raw bytes of dead letters; for satu_data only"),
	CONF_ANY(fields,
	        "columns of a topic that it may see, with commas between, or *"),
	CONF_END,
};

const struct column department_extra[EXTRA_COLUMNS] = {
	[EXTRA_TOPIC] = { .name = "topic", .type = COLUMN_TEXT },
	[EXTRA_PARTITION] = { .name = "partition", .type = COLUMN_INT4 },
	[EXTRA_OFFSET] = { .name = "kafka_offset", .type = COLUMN_INT8 },
	[EXTRA_APPENDED_AT] = { .name = "appended_at", .type = COLUMN_TIMESTAMPTZ },
	[EXTRA_LATE] = { .name = "late", .type = COLUMN_BOOL },
};

/* What an editor hides, SQL would end at or choke on: it is named by its line. */
static bool is_plain_text(const char *path, struct bytes text, struct fault *fault)
{
	static const char mark[] = "\xEF\xBB\xBF";
	int number = 1;

	if (text.size >= 3 && memcmp(text.data, mark, 3) == 0)
		return fault_set(fault, FAULT_STOP,
		        "%s, line 1: a byte order mark; save it as UTF-8 without one",
		        path);
	for (size_t at = 0, end; at < text.size; at = end + 1, number++) {
		for (end = at; end < text.size && text.data[end] != '\n';)
			end++;
		if (memchr(text.data + at, 0, end - at) != NULL)
			return fault_set(fault, FAULT_STOP, "%s, line %d: a NUL byte",
			        path, number);
		if (!bytes_is_text((struct bytes){ text.data + at, end - at }))
			return fault_set(fault, FAULT_STOP, "%s, line %d: not UTF-8",
			        path, number);
	}
	return true;
}

bool department_file(
        const char *folder, const char *name, char **out, struct fault *fault)
{
	struct buffer text = { 0 };
	char path[PATH_BYTES];
	bool ok;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	ok = file_read(path, &text, fault)
	     && is_plain_text(path, buffer_bytes(&text), fault);
	buffer_append_byte(&text, 0);
	*out = (char *)text.data;
	return ok && buffer_ok(&text, fault);
}

static bool read_grant(const struct department *department,
        struct department_topic *topic, struct fault *fault)
{
	const char *text =
	        conf_member_of(department->conf, "fields", topic->topic->name);
	const char **columns;
	size_t count = 0;

	topic->grant_text = strdup(text ? text : "");
	columns = calloc(strlen(text ? text : "") / 2 + 2, sizeof *columns);
	topic->grant.columns = columns;
	if (topic->grant_text == NULL || columns == NULL)
		return fault_memory(fault);
	for (char *at = topic->grant_text; *at != '\0';) {
		size_t size = strcspn(at, ", \t");
		bool last = at[size] == '\0';

		if (size > 0)
			columns[count++] = at;
		at[size] = '\0';
		if (size == 1 && columns[count - 1][0] == '*')
			topic->grant.everything = true;
		at += size + !last;
	}
	if (topic->grant.everything)
		columns[0] = NULL;
	return true;
}

/* The topic's own policy, or that of the department. */
static bool read_policy(const struct department *department,
        struct department_topic *topic, struct fault *fault)
{
	static const char *const words[] = { "park_case", "continue", "halt" };
	const char *own =
	        conf_member_of(department->conf, "policy", topic->topic->name);
	const char *word = own ? own : conf_text(department->conf, "on_bad_record");

	for (size_t i = 0; i < 3; i++)
		if (strcmp(word, words[i]) == 0) {
			topic->policy = (enum policy)i;
			return true;
		}
	return fault_set(fault, FAULT_STOP,
	        "policy.%s must be park_case, continue or halt", topic->topic->name);
}

static bool read_topic(struct department *department, const char *folder,
        const struct catalog_topic *from, struct fault *fault)
{
	struct department_topic *topic = &department->topics[department->topic_count];
	char name[256];
	char path[PATH_BYTES];

	snprintf(name, sizeof name, "%s.sql", from->name);
	snprintf(path, sizeof path, "%s/%s", folder, name);
	if (access(path, F_OK) != 0)
		return true;
	department->topic_count++;
	topic->topic = from;
	topic->file = strdup(path);
	if (topic->file == NULL)
		return fault_memory(fault);
	return department_file(folder, name, &topic->sql, fault)
	       && read_grant(department, topic, fault)
	       && read_policy(department, topic, fault);
}

static bool takes(const struct department *department, const char *name)
{
	for (size_t i = 0; i < department->topic_count; i++)
		if (strcmp(department->topics[i].topic->name, name) == 0)
			return true;
	return false;
}

/* Families are by topic; one without its mapping would be promised and never come. */
static bool check_members(const struct department *department, const char *family,
        const struct catalog *catalog, struct fault *fault)
{
	const char *name;
	const char *value;

	for (size_t i = 0; conf_member(department->conf, family, i, &name, &value);
	        i++) {
		if (catalog_short(catalog, name) == NULL)
			return fault_set(fault, FAULT_STOP,
			        "%s.%.64s: there is no such topic in the catalog",
			        family, name);
		if (!takes(department, name))
			return fault_set(fault, FAULT_STOP,
			        "%s.%s is set, but there is no mapping %s.sql in the "
			        "folder; add it, or take the line out",
			        family, name, name);
	}
	return true;
}

/* It names a consumer group, a client, metrics: where it is cut, two would be one. */
static bool is_name(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	size_t size = strlen(text);

	return size > 0 && size < DEPARTMENT_NAME_BYTES
	       && strchr(letters, text[0]) != NULL
	       && strspn(text, "_-abcdefghijklmnopqrstuvwxyz0123456789") == size;
}

static bool check_names(const struct department *department, struct fault *fault)
{
	static const char *const keys[] = { "name", "schema" };

	for (size_t i = 0; i < 2; i++)
		if (!is_name(conf_text(department->conf, keys[i])))
			return fault_set(fault, FAULT_STOP,
			        "%s takes at most 63 small letters, digits, hyphens "
			        "and underscores, a letter or digit first",
			        keys[i]);
	if (strcmp(department->schema, "kentongan") == 0
	        || strncmp(department->schema, "pg_", 3) == 0
	        || strcmp(department->schema, "information_schema") == 0)
		return fault_set(fault, FAULT_STOP,
		        "schema must be the department's own, not %s",
		        department->schema);
	return true;
}

/* The bytes of a record hold what is not granted, too. */
static bool check_values(const struct department *department, struct fault *fault)
{
	for (size_t i = 0; i < department->topic_count; i++)
		if (conf_flag(department->conf, "keep_values")
		        && !department->topics[i].grant.everything)
			return fault_set(fault, FAULT_STOP,
			        "keep_values keeps whole records: only with "
			        "fields.%s = *, and for all topics",
			        department->topics[i].topic->name);
	return true;
}

static bool read_start(struct department *department, struct fault *fault)
{
	const char *start = conf_text(department->conf, "start");

	department->start = strcmp(start, "earliest") == 0 ? START_EARLIEST
	                    : strcmp(start, "latest") == 0 ? START_LATEST
	                                                   : START_TIME;
	return department->start != START_TIME
	       || replay_parse_time(start, &department->start_us)
	       || fault_set(fault, FAULT_STOP,
	               "start must be earliest, latest or a time such as "
	               "2026-11-21T00:00 (of Jember) or 2026-11-21T00:00:00+07:00");
}

static bool department_read(struct department *department, const char *folder,
        const struct catalog *catalog, struct fault *fault)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof path, "%s/department.conf", folder);
	department->topics = calloc(catalog->topic_count, sizeof *department->topics);
	if (department->topics == NULL)
		return fault_memory(fault);
	if (!conf_read(&department->conf, NULL, department_keys, path, fault))
		return false;
	department->name = conf_text(department->conf, "name");
	department->schema = conf_text(department->conf, "schema");
	if (!check_names(department, fault) || !read_start(department, fault))
		return fault_wrap(fault, "%s", path);
	for (size_t i = 0; i < catalog->topic_count; i++)
		if (!read_topic(department, folder, &catalog->topics[i], fault))
			return false;
	if (!check_members(department, "fields", catalog, fault)
	        || !check_members(department, "policy", catalog, fault)
	        || !check_values(department, fault))
		return fault_wrap(fault, "%s", path);
	return department->topic_count > 0
	       || fault_set(fault, FAULT_STOP,
	               "%s: holds no mapping, such as requests.sql", folder);
}

bool department_open(struct department **out, const char *folder,
        const struct catalog *catalog, struct fault *fault)
{
	struct department *department = calloc(1, sizeof *department);

	if (department == NULL)
		return fault_memory(fault);
	if (!department_read(department, folder, catalog, fault)) {
		department_close(&department);
		return false;
	}
	*out = department;
	return true;
}

void department_close(struct department **department)
{
	struct department *old = *department;

	if (old == NULL)
		return;
	for (size_t i = 0; i < old->topic_count; i++) {
		free(old->topics[i].sql);
		free(old->topics[i].file);
		free(old->topics[i].grant_text);
		free((void *)old->topics[i].grant.columns);
	}
	free(old->topics);
	conf_close(&old->conf);
	free(old);
	*department = NULL;
}

void department_batch_name(const struct catalog_topic *topic, char out[128])
{
	snprintf(out, 128, "batch_%s", topic->name);
	for (char *at = out; *at != '\0'; at++)
		if (!isalnum((unsigned char)*at))
			*at = '_';
}

static void put_columns(const struct column *columns, size_t count, struct buffer *out)
{
	for (size_t i = 0; i < count; i++)
		buffer_format(out, "%s\"%s\" %s", i > 0 ? ", " : "", columns[i].name,
		        table_type(columns[i].type));
}

static bool make_batch_table(struct table *table, const char *batch,
        const struct column *columns, size_t count, struct fault *fault)
{
	struct buffer sql = { 0 };
	bool ok;

	buffer_format(&sql, "CREATE TEMPORARY TABLE %s (", batch);
	put_columns(columns, count, &sql);
	buffer_append_text(&sql, ", ");
	put_columns(department_extra, EXTRA_COLUMNS, &sql);
	buffer_append_text(&sql, ") ON COMMIT DELETE ROWS");
	buffer_append_byte(&sql, 0);
	ok = buffer_ok(&sql, fault) && table_run(table, (char *)sql.data, fault);
	buffer_clear(&sql);
	return ok;
}

static bool note_flag(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	(void)count;
	(void)fault;
	*(bool *)context = texts[0][0] == 't';
	return true;
}

/* The mapping says the batch's name alone, and the department's schema comes first. */
static bool is_not_hidden(const struct department_topic *topic, struct table *table,
        const char *batch, struct fault *fault)
{
	bool own = false;
	char sql[384];

	snprintf(sql, sizeof sql,
	        "SELECT to_regclass('%.120s') = 'pg_temp.%.120s'::regclass", batch,
	        batch);
	return table_query(table, sql, note_flag, &own, fault)
	       && (own
	               || fault_code(fault, FAULT_STOP, "hidden",
	                       "%s: a table %s in the department's schema hides the "
	                       "batch; give it another name",
	                       topic->file, batch));
}

static const char *hint_for(const char *sqlstate)
{
	if (strcmp(sqlstate, "42601") == 0)
		return "; a mapping is one SELECT, INSERT, UPDATE, DELETE or MERGE";
	if (strcmp(sqlstate, "42703") == 0)
		return "; a batch has the fields that department.conf grants";
	return "";
}

/* Lines up to a character, which counts from 1. */
static int line_of(const char *text, int position)
{
	int line = 1;

	for (; *text != '\0' && position > 1; text++) {
		line += *text == '\n';
		position -= (text[1] & 0xC0) != 0x80;
	}
	return line;
}

bool department_blame(const char *file, const char *sql, const struct table *table,
        struct fault *fault)
{
	int position = table_position(table);
	char code[FAULT_CODE_BYTES];

	snprintf(code, sizeof code, "%s", fault->code);
	if (table_words(table)[0] != '\0')
		fault_code(fault, fault->kind, code, "%s (SQLSTATE %s)",
		        table_words(table), code);
	if (position == 0)
		return fault_wrap(fault, "%s", file);
	return fault_wrap(fault, "%s, line %d", file, line_of(sql, position));
}

static bool blame_mapping(const struct department_topic *topic,
        const struct table *table, struct fault *fault)
{
	size_t size;

	department_blame(topic->file, topic->sql, table, fault);
	size = strlen(fault->text);
	snprintf(fault->text + size, sizeof fault->text - size, "%s",
	        hint_for(fault->code));
	return false;
}

/* EXECUTE would miss values for them; that they have a place is PostgreSQL's to see. */
static bool has_no_parameters(const struct department_topic *topic, struct table *table,
        const char *batch, struct fault *fault)
{
	bool any = false;
	char sql[256];

	snprintf(sql, sizeof sql,
	        "SELECT cardinality(parameter_types) > 0 FROM pg_prepared_statements "
	        "WHERE name = 'map_%.120s'",
	        batch);
	return table_query(table, sql, note_flag, &any, fault)
	       && (!any
	               || fault_code(fault, FAULT_STOP, "42P02",
	                       "%s: a mapping has no parameters such as $1",
	                       topic->file));
}

static bool note_function(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	(void)count;
	(void)fault;
	snprintf(context, FUNCTION_BYTES, "%s", texts[0]);
	return true;
}

/*
 * Positions and numbers move by functions that a sink may call; a mapping may not. Of a
 * body in standard SQL PostgreSQL keeps what it calls, and the text fits one: it was
 * prepared, so it is a single statement. docs/decisions/0034.
 */
static bool calls_nothing_of_ours(
        const struct department_topic *topic, struct table *table, struct fault *fault)
{
	char function[FUNCTION_BYTES] = "";
	struct buffer sql = { 0 };
	bool ok;

	buffer_append_text(&sql, "CREATE FUNCTION pg_temp.mapping() RETURNS void "
	                         "LANGUAGE sql BEGIN ATOMIC\n");
	buffer_append_text(&sql, topic->sql);
	buffer_append_text(&sql,
	        "\n;END; SELECT p.proname FROM pg_depend d JOIN pg_proc p ON p.oid = "
	        "d.refobjid WHERE d.classid = 'pg_proc'::regclass AND d.objid = "
	        "'pg_temp.mapping'::regproc AND d.refclassid = 'pg_proc'::regclass AND "
	        "p.pronamespace = 'kentongan'::regnamespace ORDER BY 1; "
	        "DROP FUNCTION pg_temp.mapping()");
	buffer_append_byte(&sql, 0);
	ok = buffer_ok(&sql, fault)
	     && (table_query(table, (char *)sql.data, note_function, function, fault)
	             || fault_wrap(fault, "%s", topic->file));
	buffer_clear(&sql);
	return ok
	       && (function[0] == '\0'
	               || fault_code(fault, FAULT_STOP, "KT003",
	                       "%s: a mapping may not call functions of kentongan, as "
	                       "kentongan.%s",
	                       topic->file, function));
}

bool department_prepare(const struct department_topic *topic, struct table *table,
        const struct column *columns, size_t count, struct fault *fault)
{
	char batch[128];
	char name[136];

	department_batch_name(topic->topic, batch);
	snprintf(name, sizeof name, "map_%s", batch);
	return make_batch_table(table, batch, columns, count, fault)
	       && is_not_hidden(topic, table, batch, fault)
	       && (table_prepare(table, name, topic->sql, fault)
	               || blame_mapping(topic, table, fault))
	       && has_no_parameters(topic, table, batch, fault)
	       && calls_nothing_of_ours(topic, table, fault);
}

/* Whose database it is */

struct owner {
	const char *wanted;
	bool is_known;
	bool is_wanted;
	char name[DEPARTMENT_NAME_BYTES];
};

static bool note_owner(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	struct owner *owner = context;

	(void)count;
	(void)fault;
	owner->is_known = true;
	owner->is_wanted = strcmp(texts[0], owner->wanted) == 0;
	snprintf(owner->name, sizeof owner->name, "%s", texts[0]);
	return true;
}

bool department_owns(
        const struct department *department, struct table *table, struct fault *fault)
{
	struct owner owner = { .wanted = department->name };

	if (!table_query(table, "SELECT name FROM kentongan.department", note_owner,
	            &owner, fault)
	        && strcmp(fault->code, "42P01") != 0)
		return false;
	if (owner.is_wanted)
		return true;
	if (owner.is_known)
		return fault_code(fault, FAULT_STOP, "owner",
		        "the database is that of the department %s, and this is %s: "
		        "each "
		        "has its own; after a renaming kentongan department init DIR "
		        "--was %s",
		        owner.name, department->name, owner.name);
	return fault_code(fault, FAULT_STOP, "owner",
	        "the database was not made ready for this release; run kentongan "
	        "department init");
}
