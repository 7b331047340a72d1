/* SPDX-License-Identifier: MIT */
/*
 * Dead letters for the people who mend them. What is printed is masked by the schema's
 * own word on whom a field concerns; whoever asks for more is written down.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "ctl.h"
#include "event/mask.h"
#include "flow/mend.h"
#include "rows.h"

struct letters {
	struct catalog *catalog;
	struct department *department;
	struct apply apply;
	struct consumer *consumer;
	const struct ctl *ctl;
	size_t printed;
};

static bool letters_open(
        struct letters *letters, struct ctl *ctl, bool with_kafka, struct fault *fault)
{
	const struct conf *conf = ctl->conf;

	letters->ctl = ctl;
	if (conf_text(conf, "department")[0] == '\0')
		return ctl_usage(fault, "--department DIR is missing");
	if (conf_text(conf, "database")[0] == '\0')
		return ctl_usage(fault, "--database CONNINFO is missing");
	if (with_kafka && conf_text(conf, "brokers")[0] == '\0')
		return ctl_usage(fault, "--brokers HOST:PORT is missing");
	return catalog_open(&letters->catalog, conf_text(conf, "schemas"),
	               conf_text(conf, "mode"), fault)
	       && department_open(&letters->department, conf_text(conf, "department"),
	               letters->catalog, fault)
	       && apply_open(
	               &letters->apply, letters->department, letters->catalog, fault)
	       && apply_connect(&letters->apply, conf_text(conf, "database"),
	               "kentongan dead-letters", fault)
	       && (!with_kafka || consumer_visit(&letters->consumer, conf, fault));
}

static void letters_close(struct letters *letters)
{
	consumer_close(&letters->consumer);
	apply_close(&letters->apply);
	department_close(&letters->department);
	catalog_close(&letters->catalog);
}

static bool letter_id(const struct ctl *ctl, int64_t *out, struct fault *fault)
{
	const char *text;

	if (!ctl_one_argument(ctl, "the id of a dead letter", &text, fault))
		return false;
	return (bytes_number(text, out) && *out > 0)
	       || ctl_usage(fault, "the id is a number");
}

/* List */

static const char list_sql[] =
        "SELECT l.id, l.status, l.class, l.topic, l.partition, l.kafka_offset, "
        "l.village_code, l.case_id, l.sqlstate, l.constraint_name, "
        "to_char(l.set_aside_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), "
        "(SELECT count(*) FROM kentongan.waiting w WHERE l.holds AND l.status = 'open' "
        "AND w.topic = l.topic AND w.village_code = l.village_code AND w.case_id = "
        "l.case_id AND w.kafka_offset > l.kafka_offset) "
        "FROM kentongan.dead_letter l WHERE l.status = 'open' ORDER BY l.id LIMIT ";

static bool print_letter(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	static const char *const names[] = { "id", "status", "class", "topic",
		"partition", "kafka_offset", "village_code", "case_id", "sqlstate",
		"constraint_name", "set_aside_at", "waiting" };
	struct letters *letters = context;
	struct buffer out = { 0 };

	for (size_t i = 0; letters->ctl->json && i < count; i++) {
		bool number = i == 0 || i == 4 || i == 5 || i == 11;

		buffer_format(&out, "%s\"%s\": ", i > 0 ? ", " : "", names[i]);
		if (texts[i] == NULL || number)
			buffer_append_text(&out, texts[i] ? texts[i] : "null");
		else
			buffer_append_json(&out, bytes_of(texts[i]));
	}
	if (!letters->ctl->json)
		buffer_append_json(&out, bytes_of(texts[7] ? texts[7] : "-"));
	mask_hide_numbers(&out, 0); /* the case is a stranger's word */
	buffer_append_byte(&out, 0);
	if (!buffer_ok(&out, fault))
		return false;
	if (letters->ctl->json)
		printf("%s{%s}", letters->printed > 0 ? ", " : "", (char *)out.data);
	else
		printf("%6s  %s  %-14s %s/%s offset %s  village %s case %s  %s %s  %s "
		       "wait\n",
		        texts[0], texts[10], texts[2], texts[3], texts[4], texts[5],
		        texts[6] ? texts[6] : "-", (char *)out.data,
		        texts[8] ? texts[8] : "-", texts[9] ? texts[9] : "-",
		        texts[11]);
	letters->printed++;
	buffer_clear(&out);
	return true;
}

bool ctl_letters_list(struct ctl *ctl, struct fault *fault)
{
	struct letters letters = { 0 };
	bool ok = ctl->count == 0
	          || ctl_usage(fault, "dead-letters list takes no argument");

	ok = ok && letters_open(&letters, ctl, false, fault);
	if (ok) {
		buffer_format(&letters.apply.sql, "%s%llu", list_sql,
		        (unsigned long long)ctl_limit(ctl, 100));
		printf("%s", ctl->json ? "[" : "");
		ok = apply_ask(&letters.apply, print_letter, &letters, fault);
		printf("%s", ctl->json ? "]\n" : "");
	}
	if (ok && letters.printed == ctl_limit(ctl, 100))
		fprintf(stderr, "kentongan: the first %zu; --limit N shows more\n",
		        (size_t)letters.printed);
	letters_close(&letters);
	return ok;
}

/* Show */

static const struct lane *lane_of(struct letters *letters, const char *topic)
{
	return batch_lane(&letters->apply.batch, topic);
}

/* A field of which the schema does not say that it concerns nobody is masked. */
static void mask_fields(const struct lane *lane, json_t *fields)
{
	const char *name;
	json_t *value;
	void *next;

	json_object_foreach_safe(fields, next, name, value)
	{
		bool open = json_is_null(value);

		for (size_t i = 0; lane != NULL && i < lane->column_count; i++)
			if (strcmp(lane->columns[i].name, name) == 0
			        && strcmp(lane->columns[i].pii, "none") == 0)
				open = true;
		if (!open)
			json_object_set_new(fields, name, json_string("***"));
	}
}

static bool print_whole(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	struct letters *letters = context;
	bool is_open = conf_flag(letters->ctl->conf, "personal");
	struct buffer text = { 0 };
	json_t *letter;
	json_t *fields;
	const char *name;
	json_t *value;

	(void)count;
	buffer_append_text(&text, texts[0]);
	if (!is_open)
		mask_hide_numbers(&text, 0);
	letter = json_loadb((const char *)text.data, text.size, 0, NULL);
	buffer_clear(&text);
	fields = json_object_get(letter, "fields");
	if (letter == NULL)
		return fault_memory(fault);
	if (!is_open)
		mask_fields(lane_of(letters, json_string_value(
		                                     json_object_get(letter, "topic"))),
		        fields);
	if (letters->ctl->json) {
		json_dumpf(letter, stdout, JSON_INDENT(1));
		printf("\n");
	} else {
		json_object_foreach(letter, name, value)
		{
			char *shown = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

			printf("%-16s %s\n", name, shown ? shown : "");
			free(shown);
		}
	}
	json_decref(letter);
	letters->printed++;
	return true;
}

/* Who looks at personal data is written down first. */
static bool note_look(struct letters *letters, int64_t id, struct fault *fault)
{
	struct apply *apply = &letters->apply;

	if (!conf_flag(letters->ctl->conf, "personal"))
		return true;
	buffer_format(&apply->sql, "SELECT kentongan.looked(%" PRId64 ", ", id);
	if (!table_quote(apply->table, bytes_of(ctl_who()), &apply->sql, fault))
		return false;
	buffer_append_text(&apply->sql, ")");
	return apply_send(apply, fault);
}

bool ctl_letters_show(struct ctl *ctl, struct fault *fault)
{
	struct letters letters = { 0 };
	int64_t id;
	bool ok = letter_id(ctl, &id, fault)
	          && letters_open(&letters, ctl, false, fault)
	          && note_look(&letters, id, fault);

	if (ok) {
		buffer_format(&letters.apply.sql,
		        "SELECT to_jsonb(l) - 'value' FROM kentongan.dead_letter l "
		        "WHERE "
		        "l.id = %" PRId64,
		        id);
		ok = apply_ask(&letters.apply, print_whole, &letters, fault)
		     && (letters.printed > 0
		             || fault_set(fault, FAULT_REJECT,
		                     "there is no dead letter %" PRId64, id));
	}
	letters_close(&letters);
	return ok;
}

/* Retry and waive */

static void print_result(const struct ctl *ctl, const struct mend_result *result)
{
	bool preview = conf_flag(ctl->conf, "preview");

	if (ctl->json)
		printf("{\"preview\": %s, \"applied\": %zu, \"waived\": %zu, \"dead\": "
		       "%zu, \"waiting\": %zu, \"sqlstate\": \"%s\", "
		       "\"constraint_name\": \"%s\"",
		        preview ? "true" : "false", result->applied, result->waived,
		        result->dead, result->waiting, result->sqlstate,
		        result->constraint);
	else
		printf("%sapplied %zu, waived %zu, dead %zu, waiting %zu%s%s %s\n",
		        preview ? "nothing is kept; it would be: " : "",
		        result->applied, result->waived, result->dead, result->waiting,
		        result->sqlstate[0] ? "; refused with SQLSTATE " : "",
		        result->sqlstate, result->constraint);
}

static bool decide(struct ctl *ctl, bool waive, struct fault *fault)
{
	struct letters letters = { 0 };
	struct rows rows = { .json = ctl->json,
		.personal = conf_flag(ctl->conf, "personal") };
	struct mend_queue queue;
	struct mend_result result = { 0 };
	bool preview = conf_flag(ctl->conf, "preview");
	const char *why = conf_text(ctl->conf, "reason");
	struct mend_wish wish = { .who = ctl_who(),
		.why = why,
		.waive = waive,
		.roll_back = preview,
		.look = preview ? rows_look : NULL,
		.context = &rows };
	int64_t id;
	bool ok = letter_id(ctl, &id, fault) && letters_open(&letters, ctl, true, fault)
	          && note_look(&letters, id, fault)
	          && mend_find(&letters.apply, id, &queue, fault);

	if (ok) {
		printf("%s", ctl->json && preview ? "{\"rows\": [" : "");
		ok = mend_run(&letters.apply, letters.consumer, &queue, &wish, &result,
		        fault);
		printf("%s", ctl->json && preview ? "], \"result\": " : "");
	}
	if (ok) {
		print_result(ctl, &result);
		printf("%s", ctl->json ? preview ? "}}\n" : "}\n" : "");
		if (result.waived == 0 && result.applied == 0)
			ok = fault_set(fault, FAULT_REJECT, "it is refused again");
	}
	rows_clear(&rows);
	letters_close(&letters);
	return ok;
}

bool ctl_letters_retry(struct ctl *ctl, struct fault *fault)
{
	return decide(ctl, false, fault);
}

static bool note_dropped(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	struct mend_result *result = context;

	(void)count;
	(void)fault;
	result->waived = 1 + strtoul(texts[0], NULL, 10);
	return true;
}

/* The letter and all behind it: for records that Kafka has no more. */
static bool waive_all(struct ctl *ctl, struct fault *fault)
{
	struct letters letters = { 0 };
	struct mend_queue queue;
	struct mend_result result = { 0 };
	struct buffer *sql = &letters.apply.sql;
	bool preview = conf_flag(ctl->conf, "preview");
	int64_t id;
	bool ok = letter_id(ctl, &id, fault)
	          && letters_open(&letters, ctl, false, fault)
	          && mend_find(&letters.apply, id, &queue, fault)
	          && (!preview || table_run(letters.apply.table, "BEGIN", fault));

	if (ok) {
		buffer_format(sql, "SELECT kentongan.waive_all(%" PRId64 ", ", id);
		ok = table_quote(letters.apply.table, bytes_of(ctl_who()), sql, fault);
		buffer_append_text(sql, ", ");
		ok = ok
		     && table_quote(letters.apply.table,
		             bytes_of(conf_text(ctl->conf, "reason")), sql, fault);
		buffer_append_byte(sql, ')');
		ok = ok && apply_ask(&letters.apply, note_dropped, &result, fault);
	}
	if (ok && preview)
		ok = table_run(letters.apply.table, "ROLLBACK", fault);
	if (ok) {
		print_result(ctl, &result);
		printf("%s", ctl->json ? "}\n" : "");
	}
	letters_close(&letters);
	return ok;
}

bool ctl_letters_waive(struct ctl *ctl, struct fault *fault)
{
	if (!ctl_reason(ctl, fault))
		return false;
	return conf_flag(ctl->conf, "all") ? waive_all(ctl, fault)
	                                   : decide(ctl, true, fault);
}
