/* SPDX-License-Identifier: MIT */
#include "flow/department.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "flow/replay_words.h"
#include "port/table.h"

enum { PATH_BYTES = 4096 };

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

bool department_file(
        const char *folder, const char *name, char **out, struct fault *fault)
{
	struct buffer text = { 0 };
	char path[PATH_BYTES];
	bool ok;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	ok = file_read(path, &text, fault);
	buffer_append_byte(&text, 0);
	*out = (char *)text.data;
	return ok && buffer_ok(&text, fault);
}

/* PREPARE takes one statement without the semicolon that a file of SQL ends with. */
static void trim_statement(char *sql)
{
	size_t size = strlen(sql);

	while (size > 0
	        && (isspace((unsigned char)sql[size - 1]) || sql[size - 1] == ';'))
		sql[--size] = '\0';
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
	if (!department_file(folder, name, &topic->sql, fault)
	        || !read_grant(department, topic, fault)
	        || !read_policy(department, topic, fault))
		return false;
	trim_statement(topic->sql);
	return true;
}

/* Families are by topic. */
static bool check_members(const struct department *department, const char *family,
        const struct catalog *catalog, struct fault *fault)
{
	const char *name;
	const char *value;

	for (size_t i = 0; conf_member(department->conf, family, i, &name, &value); i++)
		if (catalog_short(catalog, name) == NULL)
			return fault_set(fault, FAULT_STOP,
			        "%s.%.64s: there is no such topic in the catalog",
			        family, name);
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
	if (!read_start(department, fault)
	        || !check_members(department, "fields", catalog, fault)
	        || !check_members(department, "policy", catalog, fault))
		return fault_wrap(fault, "%s", path);
	for (size_t i = 0; i < catalog->topic_count; i++)
		if (!read_topic(department, folder, &catalog->topics[i], fault))
			return false;
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

void department_session_sql(const struct department_topic *topic,
        const struct column *columns, size_t count, struct buffer *out)
{
	char batch[128];

	department_batch_name(topic->topic, batch);
	buffer_format(out, "CREATE TEMPORARY TABLE %s (", batch);
	put_columns(columns, count, out);
	buffer_append_text(out, ", ");
	put_columns(department_extra, EXTRA_COLUMNS, out);
	buffer_format(out, ") ON COMMIT DELETE ROWS; PREPARE map_%s AS %s;", batch,
	        topic->sql);
}

/* position counts characters from 1; the mapping begins behind "PREPARE ... AS ". */
bool department_blame(const struct department_topic *topic, struct bytes sent,
        int position, struct fault *fault)
{
	const char *text = (const char *)sent.data;
	const char *begin = strstr(text, topic->sql);
	const char *end = text;
	int line = 1;

	for (int left = position - 1; left > 0 && *end != '\0'; end++)
		left -= (end[1] & 0xC0) != 0x80;
	if (position == 0 || begin == NULL || end < begin)
		return fault_wrap(fault, "%s", topic->file);
	for (const char *at = begin; at < end; at++)
		line += *at == '\n';
	return fault_wrap(fault, "%s, line %d", topic->file, line);
}
