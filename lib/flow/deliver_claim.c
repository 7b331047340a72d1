/* SPDX-License-Identifier: MIT */
/*
 * A claim is a locking write: it waits for a transaction whose answer was lost, so what
 * it reads is the truth. Everything that is known of the database is learned here.
 */
#include "flow/deliver_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

static bool open_session(struct deliver *deliver, struct fault *fault)
{
	unsigned long long ms = conf_number(deliver->conf, "statement_ms");
	char name[160];
	char sql[64];

	snprintf(name, sizeof name, "kentongan-sink %s", deliver->owner);
	snprintf(sql, sizeof sql, "SET statement_timeout = %llu", ms);
	return apply_connect(&deliver->apply, conf_text(deliver->conf, "database"),
	               name, fault)
	       && table_run(deliver->apply.table, sql, fault);
}

static bool note_database(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	struct rival *rival = context;

	(void)count;
	(void)fault;
	snprintf(rival->own, sizeof rival->own, "%s", texts[0] ? texts[0] : "");
	return true;
}

/* One that was made ready for an earlier release has no id yet. */
static bool learn_database(struct deliver *deliver, struct fault *fault)
{
	return table_query(deliver->apply.table,
	        "SELECT to_jsonb(d) ->> 'id' FROM kentongan.department d",
	        note_database, &deliver->rival, fault);
}

struct partition *deliver_find_partition(
        struct deliver *deliver, const char *topic, int32_t number)
{
	for (size_t i = 0; i < deliver->partition_count; i++)
		if (deliver->partitions[i].number == number
		        && strcmp(deliver->partitions[i].topic, topic) == 0)
			return &deliver->partitions[i];
	return NULL;
}

static bool note_known(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	struct partition *partition = deliver_find_partition(
	        context, texts[0], (int32_t)strtol(texts[1], NULL, 10));

	(void)count;
	(void)fault;
	if (partition != NULL)
		partition->next = 0;
	return true;
}

static bool hex_to_hash(const char *text, uint8_t hash[DIGEST_BYTES])
{
	for (size_t i = 0; i < DIGEST_BYTES; i++) {
		unsigned byte;

		if (sscanf(text + 2 + 2 * i, "%2x", &byte) != 1)
			return false;
		hash[i] = (uint8_t)byte;
	}
	return true;
}

static bool note_claim(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	struct partition *partition = deliver_find_partition(
	        context, texts[0], (int32_t)strtol(texts[1], NULL, 10));

	(void)count;
	(void)fault;
	if (partition == NULL)
		return true;
	partition->next = strtoll(texts[2], NULL, 10);
	partition->has_anchor = texts[4] != NULL && texts[5] != NULL
	                        && hex_to_hash(texts[5], partition->anchor_hash);
	if (partition->has_anchor)
		partition->anchor_offset = strtoll(texts[4], NULL, 10);
	return true;
}

static bool note_dead(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	struct deliver *deliver = context;

	(void)count;
	(void)fault;
	deliver->counters.open_dead = strtoll(texts[0], NULL, 10);
	deliver->counters.waiting = strtoll(texts[1], NULL, 10);
	return true;
}

static bool note_letter(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	struct deliver *deliver = context;

	(void)count;
	(void)fault;
	if (strlen(texts[0]) < LETTER_BYTES && deliver->letter_count < LETTERS)
		strcpy(deliver->letters[deliver->letter_count++], texts[0]);
	return true;
}

/* Codes only: a stranger's record may have anything as its key. docs/decisions/0054. */
bool deliver_learn_letters(struct deliver *deliver, struct fault *fault)
{
	deliver->letter_count = 0;
	deliver->letters_due = false;
	deliver->letters_us = clock_monotonic_us();
	return table_query(deliver->apply.table,
	               "SELECT (SELECT count(*) FROM kentongan.dead_letter"
	               "         WHERE status = 'open'),"
	               "       (SELECT count(*) FROM kentongan.waiting)",
	               note_dead, deliver, fault)
	       && table_query(deliver->apply.table,
	               "SELECT jsonb_build_object('id', id, 'topic', topic,"
	               " 'partition', partition, 'offset', kafka_offset, 'village',"
	               " substring(village_code from"
	               "           '^[0-9]{2}[.][0-9]{2}[.][0-9]{2}[.][0-9]{4}$'),"
	               " 'seq', seq, 'class', class, 'sqlstate', sqlstate, 'at',"
	               " extract(epoch FROM set_aside_at)::bigint)::text"
	               " FROM kentongan.dead_letter WHERE status = 'open'"
	               " ORDER BY id DESC LIMIT 8",
	               note_letter, deliver, fault);
}

static bool note_held(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	struct deliver *deliver = context;

	(void)count;
	return batch_hold(&deliver->apply.batch, texts[0], texts[1], texts[2],
	        texts[3][0] == 't', fault);
}

/* The cases whose later records wait. */
static bool learn_held(struct deliver *deliver, struct fault *fault)
{
	buffer_reset(&deliver->apply.text);
	for (size_t i = 0; i < deliver->department->topic_count; i++)
		buffer_format(&deliver->apply.text, "%c\"%s\"", i == 0 ? '[' : ',',
		        deliver->department->topics[i].topic->topic);
	buffer_append_byte(&deliver->apply.text, ']');
	buffer_reset(&deliver->apply.sql);
	buffer_append_text(&deliver->apply.sql, "SELECT * FROM kentongan.held(");
	if (!table_quote(deliver->apply.table, buffer_bytes(&deliver->apply.text),
	            &deliver->apply.sql, fault))
		return false;
	buffer_append_byte(&deliver->apply.sql, ')');
	return apply_ask(&deliver->apply, note_held, deliver, fault);
}

void deliver_list_partitions(struct deliver *deliver, struct buffer *out)
{
	buffer_reset(out);
	for (size_t i = 0; i < deliver->partition_count; i++)
		buffer_format(out,
		        "%c{\"topic\":\"%s\",\"partition\":%d,\"start\":%" PRId64 "}",
		        i == 0 ? '[' : ',', deliver->partitions[i].topic,
		        (int)deliver->partitions[i].number,
		        deliver->partitions[i].next);
	buffer_append_byte(out, ']');
}

static bool put_partitions(struct deliver *deliver, struct fault *fault)
{
	deliver_list_partitions(deliver, &deliver->apply.text);
	return table_quote(deliver->apply.table, buffer_bytes(&deliver->apply.text),
	        &deliver->apply.sql, fault);
}

static bool ask(struct deliver *deliver, const char *before, const char *after,
        table_visitor *visitor, struct fault *fault)
{
	buffer_reset(&deliver->apply.sql);
	buffer_append_text(&deliver->apply.sql, before);
	if (!put_partitions(deliver, fault))
		return false;
	buffer_append_text(&deliver->apply.sql, after);
	buffer_append_byte(&deliver->apply.sql, 0);
	return buffer_ok(&deliver->apply.sql, fault)
	       && table_query(deliver->apply.table, (char *)deliver->apply.sql.data,
	               visitor, deliver, fault);
}

static bool first_offset(struct deliver *deliver, struct partition *partition,
        int64_t low, int64_t high, struct fault *fault)
{
	struct topic_place place = { partition->topic, partition->number, 0 };

	switch (deliver->department->start) {
	case START_EARLIEST:
		partition->next = low;
		return true;
	case START_LATEST:
		partition->next = high;
		return true;
	case START_TIME:
		break;
	}
	if (!consumer_offsets_at(
	            deliver->consumer, deliver->department->start_us, &place, 1, fault))
		return false;
	partition->next = place.offset < 0 ? high : place.offset;
	return true;
}

/* Where each partition begins that the database has never read. */
static bool find_starts(struct deliver *deliver, struct fault *fault)
{
	for (size_t i = 0; i < deliver->partition_count; i++)
		deliver->partitions[i].next = -1;
	if (!ask(deliver, "SELECT topic, partition FROM kentongan.known(", ")",
	            note_known, fault))
		return false;
	for (size_t i = 0; i < deliver->partition_count; i++) {
		struct partition *partition = &deliver->partitions[i];
		int64_t low;
		int64_t high;

		if (partition->next >= 0)
			continue;
		if (!consumer_bounds(deliver->consumer, partition->topic,
		            partition->number, &low, &high, fault))
			return false;
		if (!first_offset(deliver, partition, low, high, fault))
			return false;
	}
	return true;
}

/* Whether the log still is the one that was read before. */
static bool verify_bounds(struct deliver *deliver, struct fault *fault)
{
	for (size_t i = 0; i < deliver->partition_count; i++) {
		struct partition *partition = &deliver->partitions[i];
		int64_t low;
		int64_t high;

		if (!consumer_bounds(deliver->consumer, partition->topic,
		            partition->number, &low, &high, fault))
			return false;
		if (partition->next < low)
			return fault_code(fault, FAULT_STOP, "retention",
			        "retention gap: %s/%d begins at %" PRId64 ", %" PRId64
			        " is wanted; records are gone unread",
			        partition->topic, (int)partition->number, low,
			        partition->next);
		if (partition->next > high)
			return fault_code(fault, FAULT_STOP, "went-back",
			        "the log went back: %s/%d ends at %" PRId64 ", %" PRId64
			        " is wanted; the topic was made anew",
			        partition->topic, (int)partition->number, high,
			        partition->next);
		partition->verify =
		        partition->has_anchor && partition->anchor_offset >= low;
	}
	return true;
}

static bool start_reading(struct deliver *deliver, struct fault *fault)
{
	struct topic_place *places = calloc(deliver->partition_count, sizeof *places);
	bool ok;

	if (places == NULL)
		return fault_memory(fault);
	for (size_t i = 0; i < deliver->partition_count; i++) {
		struct partition *partition = &deliver->partitions[i];

		partition->read = partition->next;
		places[i] = (struct topic_place){ partition->topic, partition->number,
			partition->verify ? partition->anchor_offset
			                  : partition->next };
	}
	ok = consumer_start(deliver->consumer, places, deliver->partition_count, fault);
	free(places);
	return ok;
}

/* The owner's name is a setting: whatever somebody calls his machine. */
static bool claim_rows(struct deliver *deliver, struct fault *fault)
{
	struct buffer after = { 0 };
	bool ok;

	buffer_append_text(&after, ", ");
	ok = table_quote(deliver->apply.table, bytes_of(deliver->owner), &after, fault);
	buffer_append_byte(&after, ')');
	buffer_append_byte(&after, 0);
	ok = ok && buffer_ok(&after, fault)
	     && ask(deliver, "SELECT * FROM kentongan.claim(", (char *)after.data,
	             note_claim, fault);
	buffer_clear(&after);
	return ok;
}

static bool claim(struct deliver *deliver, struct fault *fault)
{
	return open_session(deliver, fault) && learn_database(deliver, fault)
	       && find_starts(deliver, fault) && claim_rows(deliver, fault)
	       && deliver_learn_letters(deliver, fault) && learn_held(deliver, fault)
	       && verify_bounds(deliver, fault) && start_reading(deliver, fault);
}

/*
 * A claim that waits for a transaction of a sink that was stopped, or cut off, would
 * wait until the database ends it. The old owner's backend is ended by its name, which
 * a role may do to its own; that sink is fenced then, if it still lives.
 */
static bool end_old_owners(struct deliver *deliver, struct fault *fault)
{
	struct buffer *sql = &deliver->apply.sql;

	if (!table_run(deliver->apply.table, "ROLLBACK", fault))
		return false;
	buffer_reset(sql);
	buffer_append_text(sql,
	        "SELECT count(pg_terminate_backend(a.pid)) FROM pg_stat_activity a "
	        "WHERE "
	        "a.usename = current_user AND a.pid <> pg_backend_pid() AND "
	        "a.xact_start "
	        "< now() - interval '4 s' AND a.application_name IN (SELECT "
	        "left('kentongan-sink ' || p.owner, 63) FROM kentongan.log_position p "
	        "JOIN jsonb_to_recordset(");
	if (!put_partitions(deliver, fault))
		return false;
	buffer_append_text(sql,
	        ") AS w (topic text, partition int) USING (topic, partition) WHERE "
	        "p.owner <> ");
	if (!table_quote(deliver->apply.table, bytes_of(deliver->owner), sql, fault))
		return false;
	buffer_append_byte(sql, ')');
	log_warn(NULL, "a claim waits for another sink's transaction; ending it");
	return apply_send(&deliver->apply, fault);
}

/* A new session may meet a lock of a table, too; then there is none any more. */
static bool meets_old_owner(const struct deliver *deliver, const struct fault *fault)
{
	return strcmp(fault->code, "55P03") == 0 && table_is_open(deliver->apply.table);
}

bool deliver_claim(struct deliver *deliver, struct fault *fault)
{
	if (claim(deliver, fault))
		return true;
	return meets_old_owner(deliver, fault) && end_old_owners(deliver, fault)
	       && claim(deliver, fault);
}
