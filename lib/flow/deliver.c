/* SPDX-License-Identifier: MIT */
/*
 * Polling goes on whatever the database does, so that the group never takes the
 * partitions away for it. Whenever a transaction did not end well, everything in memory
 * is forgotten and the positions are claimed again: claiming is a locking write, so it
 * waits for a transaction whose answer was lost and then reads the truth.
 */
#include "flow/deliver.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/sha.h>

#include "base/clock.h"
#include "base/log.h"
#include "flow/apply.h"
#include "flow/ask.h"
#include "flow/mend.h"
#include "port/topic_consumer.h"

enum {
	READ_MS = 100,
	REPORT_MS = 500,
	REPORT_IDLE_MS = 10000,
	FENCED_MS = 5000,
	OWNER_BYTES = 128,
	BACK_ROOM = 1000,
	BACK_BYTES = 1024 * 1024,
	BACK_PATIENCE = 100, /* empty reads */
};

/* As long as a gateway keeps its clients' keys. */
#define BACK_US (INT64_C(35) * 86400 * 1000000)

struct partition {
	char topic[128];
	int32_t number;
	int64_t next; /* as the database has it */
	int64_t read; /* the one after the last of the batch in hand */
	bool has_anchor;
	bool verify; /* the next record read must be the anchor */
	int64_t anchor_offset;
	uint8_t anchor_hash[SHA256_DIGEST_LENGTH];
	bool touched;        /* by the batch in hand */
	int64_t appended_us; /* the broker's time of what was applied last; 0: unknown
	                      */
};

struct deliver {
	const struct conf *conf;
	const struct department *department;
	const struct catalog *catalog;
	const struct deliver_schemas *schemas;
	struct consumer *consumer;
	struct apply apply;
	struct topic_record *records;
	size_t record_count; /* in hand */
	size_t record_room;
	struct partition *partitions;
	size_t partition_count;
	bool running;      /* claimed, and reading */
	int64_t resume_us; /* monotonic: when to try again */
	int64_t reported_us;
	bool report_due;
	bool has_gaps;  /* numbers are missing, as far as is known */
	int64_t ask_us; /* monotonic: when to ask villages for them at the earliest */
	bool mend_due;  /* a case moved on which a record waits */
	bool knows_unknown; /* letters of unknown schemas were tried again */
	int64_t mend_us;    /* monotonic: when to try again at the latest */
	struct deliver_counters counters;
	char owner[OWNER_BYTES];
};

/* Opening */

static bool open_consumer(struct deliver *deliver, struct fault *fault)
{
	const char *topics[DELIVER_TOPICS];
	char group[160];

	if (deliver->department->topic_count > DELIVER_TOPICS)
		return fault_set(
		        fault, FAULT_STOP, "more than %d topics", DELIVER_TOPICS);
	for (size_t i = 0; i < deliver->department->topic_count; i++)
		topics[i] = deliver->department->topics[i].topic->topic;
	snprintf(group, sizeof group, "kentongan-%s", deliver->department->name);
	return consumer_open(&deliver->consumer, deliver->conf, group, fault)
	       && consumer_subscribe(deliver->consumer, topics,
	               deliver->department->topic_count, fault);
}

static void name_owner(struct deliver *deliver)
{
	const char *owner = conf_text(deliver->conf, "owner");
	char host[64] = "host";

	gethostname(host, sizeof host - 1);
	if (owner[0] != '\0')
		snprintf(deliver->owner, sizeof deliver->owner, "%.100s", owner);
	else
		snprintf(deliver->owner, sizeof deliver->owner, "%.63s-%d", host,
		        (int)getpid());
}

static bool deliver_start(struct deliver *deliver, struct fault *fault)
{
	deliver->record_room = (size_t)conf_number(deliver->conf, "batch_records");
	if (deliver->record_room == 0)
		return fault_set(fault, FAULT_STOP, "batch_records must be at least 1");
	deliver->records = calloc(deliver->record_room, sizeof *deliver->records);
	if (deliver->records == NULL)
		return fault_memory(fault);
	name_owner(deliver);
	deliver->counters.state = "waiting";
	snprintf(deliver->counters.reason, sizeof deliver->counters.reason,
	        "waiting for partitions");
	return apply_open(&deliver->apply, deliver->department, deliver->catalog, fault)
	       && open_consumer(deliver, fault);
}

bool deliver_open(struct deliver **out, const struct conf *conf,
        const struct department *department, const struct catalog *catalog,
        const struct deliver_schemas *schemas, struct fault *fault)
{
	struct deliver *deliver = calloc(1, sizeof *deliver);

	if (deliver == NULL)
		return fault_memory(fault);
	deliver->conf = conf;
	deliver->department = department;
	deliver->catalog = catalog;
	deliver->schemas = schemas;
	if (!deliver_start(deliver, fault)) {
		deliver_close(&deliver);
		return false;
	}
	*out = deliver;
	return true;
}

void deliver_close(struct deliver **deliver)
{
	struct deliver *old = *deliver;

	if (old == NULL)
		return;
	consumer_close(&old->consumer);
	apply_close(&old->apply);
	free(old->records);
	free(old->partitions);
	free(old);
	*deliver = NULL;
}

/* What others are told */

const struct deliver_counters *deliver_counters(const struct deliver *deliver)
{
	return &deliver->counters;
}

bool deliver_lag(const struct deliver *deliver, size_t index, struct deliver_lag *out)
{
	const struct partition *partition;
	int64_t end;

	if (index >= deliver->partition_count)
		return false;
	partition = &deliver->partitions[index];
	end = consumer_end(deliver->consumer, partition->topic, partition->number);
	out->topic = partition->topic;
	out->partition = partition->number;
	out->records = !deliver->running || end < 0 ? -1
	               : end > partition->next      ? end - partition->next
	                                            : 0;
	out->seconds = out->records <= 0 || partition->appended_us == 0
	                       ? 0
	                       : (clock_wall_us() - partition->appended_us) / 1000000;
	return true;
}

/* Lag tools read this, and the monitor: docs/decisions/0002. */
static void report(struct deliver *deliver)
{
	struct topic_place *places =
	        calloc(deliver->partition_count + 1, sizeof *places);
	char metadata[160];
	int64_t applied = 0;

	for (size_t i = 0; i < DELIVER_TOPICS; i++)
		applied += deliver->counters.applied[i];
	snprintf(metadata, sizeof metadata,
	        "{\"state\":\"%s\",\"dead\":%" PRId64 ",\"applied\":%" PRId64
	        ",\"at\":%" PRId64 "}",
	        deliver->counters.state, deliver->counters.open_dead, applied,
	        clock_wall_us() / 1000000);
	for (size_t i = 0; places != NULL && i < deliver->partition_count; i++)
		places[i] = (struct topic_place){ deliver->partitions[i].topic,
			deliver->partitions[i].number, deliver->partitions[i].next };
	if (places != NULL)
		consumer_commit(
		        deliver->consumer, places, deliver->partition_count, metadata);
	free(places);
	deliver->reported_us = clock_monotonic_us();
	deliver->report_due = false;
}

static void report_now_and_then(struct deliver *deliver)
{
	int64_t since_us = clock_monotonic_us() - deliver->reported_us;

	if (deliver->partition_count == 0 || deliver->partitions[0].next < 0)
		return;
	if (since_us > REPORT_IDLE_MS * 1000
	        || (deliver->report_due && since_us > REPORT_MS * 1000))
		report(deliver);
}

static void set_state(struct deliver *deliver, const char *state, const char *reason)
{
	bool changed = strcmp(deliver->counters.state, state) != 0
	               || strcmp(deliver->counters.reason, reason) != 0;

	deliver->counters.state = state;
	snprintf(deliver->counters.reason, sizeof deliver->counters.reason, "%s",
	        reason);
	deliver->report_due = true;
	if (!changed)
		return;
	if (strcmp(state, "halted") == 0)
		log_error(NULL, "halted: %s", reason);
	else if (strcmp(state, "waiting") == 0)
		log_warn(NULL, "waiting: %s", reason);
	else
		log_info(NULL, "running");
}

/* Forget what is in hand; the database knows better */

static void forget(struct deliver *deliver, int64_t pause_ms)
{
	struct fault fault;

	batch_reset(&deliver->apply.batch);
	batch_forget(&deliver->apply.batch);
	deliver->running = false;
	deliver->resume_us = clock_monotonic_us() + pause_ms * 1000;
	if (!consumer_start(deliver->consumer, NULL, 0, &fault))
		log_fault(NULL, "stop reading", &fault);
}

/* A fault of the database: end the transaction, and wait or halt by its kind. */
static void give_way(struct deliver *deliver, const struct fault *fault)
{
	bool fenced = strcmp(fault->code, "KT001") == 0;
	bool passing =
	        fault->kind == FAULT_RETRY || fault->kind == FAULT_UNSURE || fenced;
	int64_t pause_ms = (int64_t)conf_number(
	        deliver->conf, passing ? "retry_ms" : "halt_retry_ms");
	struct fault ignored;

	if (strcmp(fault->code, "registry") == 0)
		pause_ms *= 10; /* it is asked less often than one's own database */
	if (fenced)
		pause_ms = FENCED_MS + random() % (2 * FENCED_MS);
	if (fault->kind == FAULT_UNSURE || !table_is_open(deliver->apply.table)
	        || !table_run(deliver->apply.table, "ROLLBACK", &ignored))
		table_close(&deliver->apply.table);
	forget(deliver, pause_ms);
	set_state(deliver, passing ? "waiting" : "halted", fault->text);
}

/* Claiming */

static bool open_session(struct deliver *deliver, struct fault *fault)
{
	char name[160];

	snprintf(name, sizeof name, "kentongan-sink %s", deliver->owner);
	return apply_connect(
	        &deliver->apply, conf_text(deliver->conf, "database"), name, fault);
}

static struct partition *find_partition(
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
	struct partition *partition =
	        find_partition(context, texts[0], (int32_t)strtol(texts[1], NULL, 10));

	(void)count;
	(void)fault;
	if (partition != NULL)
		partition->next = 0;
	return true;
}

static bool hex_to_hash(const char *text, uint8_t hash[SHA256_DIGEST_LENGTH])
{
	for (size_t i = 0; i < SHA256_DIGEST_LENGTH; i++) {
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
	struct partition *partition =
	        find_partition(context, texts[0], (int32_t)strtol(texts[1], NULL, 10));

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
	return true;
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

/* The partitions as JSON; start is where one begins that was never read. */
static void list_partitions(struct deliver *deliver, struct buffer *out)
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
	list_partitions(deliver, &deliver->apply.text);
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

static bool claim(struct deliver *deliver, struct fault *fault)
{
	char after[OWNER_BYTES + 16];

	snprintf(after, sizeof after, ", '%s')", deliver->owner);
	return open_session(deliver, fault) && find_starts(deliver, fault)
	       && ask(deliver, "SELECT * FROM kentongan.claim(", after, note_claim,
	               fault)
	       && table_query(deliver->apply.table,
	               "SELECT count(*) FROM kentongan.dead_letter WHERE status = "
	               "'open'",
	               note_dead, deliver, fault)
	       && learn_held(deliver, fault) && verify_bounds(deliver, fault)
	       && start_reading(deliver, fault);
}

static void count_held(struct deliver *deliver)
{
	const struct batch *batch = &deliver->apply.batch;

	deliver->counters.held = 0;
	for (size_t i = 0; i < batch->lane_count; i++)
		deliver->counters.held += (int64_t)batch->lanes[i].held.count;
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

static bool claim_firmly(struct deliver *deliver, struct fault *fault)
{
	if (claim(deliver, fault))
		return true;
	return strcmp(fault->code, "55P03") == 0 && end_old_owners(deliver, fault)
	       && claim(deliver, fault);
}

static void try_to_claim(struct deliver *deliver)
{
	struct fault fault = { 0 };

	if (deliver->running || deliver->partition_count == 0
	        || clock_monotonic_us() < deliver->resume_us)
		return;
	if (!claim_firmly(deliver, &fault)) {
		give_way(deliver, &fault);
		return;
	}
	deliver->running = true;
	deliver->has_gaps = true; /* until asked */
	count_held(deliver);
	set_state(deliver, "running", "");
}

static bool take_assignment(struct deliver *deliver, struct fault *fault)
{
	size_t count;
	const struct topic_place *places =
	        consumer_assignment(deliver->consumer, &count);

	free(deliver->partitions);
	deliver->partition_count = 0;
	deliver->partitions = calloc(count + 1, sizeof *deliver->partitions);
	if (deliver->partitions == NULL)
		return fault_memory(fault);
	for (size_t i = 0; i < count; i++) {
		snprintf(deliver->partitions[i].topic,
		        sizeof deliver->partitions[i].topic, "%s", places[i].topic);
		deliver->partitions[i].number = places[i].partition;
		deliver->partitions[i].next = -1;
	}
	deliver->partition_count = count;
	if (count == 0)
		set_state(deliver, "running", "");
	return true;
}

/* One batch */

static void hash_record(
        const struct topic_record *record, uint8_t hash[SHA256_DIGEST_LENGTH])
{
	SHA256_CTX context;

	/* The deprecated calls are the ones that need no allocation. */
	_Pragma("GCC diagnostic push")
	        _Pragma("GCC diagnostic ignored \"-Wdeprecated-declarations\"")
	                SHA256_Init(&context);
	SHA256_Update(&context, &record->appended_at_us, sizeof record->appended_at_us);
	SHA256_Update(&context, record->key.data, record->key.size);
	SHA256_Update(&context, record->value.data, record->value.size);
	SHA256_Final(hash, &context);
	_Pragma("GCC diagnostic pop")
}

/* The first record read must be the one that was applied last, when there is one. */
static bool passes_anchor(struct partition *partition,
        const struct topic_record *record, bool *is_new, struct fault *fault)
{
	uint8_t hash[SHA256_DIGEST_LENGTH];

	*is_new = record->offset >= partition->next;
	if (!partition->verify)
		return true;
	partition->verify = false;
	if (record->offset != partition->anchor_offset)
		return true;
	hash_record(record, hash);
	return memcmp(hash, partition->anchor_hash, sizeof hash) == 0
	       || fault_code(fault, FAULT_STOP, "replaced",
	               "the log was replaced: %s/%d holds another record at offset "
	               "%" PRId64,
	               partition->topic, (int)partition->number, record->offset);
}

static bool fill_batch(struct deliver *deliver, size_t count, struct fault *fault)
{
	batch_reset(&deliver->apply.batch);
	for (size_t i = 0; i < deliver->partition_count; i++)
		deliver->partitions[i].touched = false;
	for (size_t i = 0; i < count; i++) {
		struct topic_record *record = &deliver->records[i];
		struct partition *partition =
		        find_partition(deliver, record->topic, record->partition);
		bool is_new;

		if (partition == NULL)
			continue;
		if (!passes_anchor(partition, record, &is_new, fault))
			return false;
		if (!is_new)
			continue;
		if (!batch_add(&deliver->apply.batch, record, fault))
			return false;
		partition->touched = true;
		partition->read = record->offset + 1;
	}
	return true;
}

static const struct topic_record *last_record(
        const struct deliver *deliver, const struct partition *partition)
{
	for (size_t i = deliver->record_count; i > 0; i--)
		if (deliver->records[i - 1].partition == partition->number
		        && strcmp(deliver->records[i - 1].topic, partition->topic) == 0)
			return &deliver->records[i - 1];
	return NULL;
}

/* The positions first: fence, lock and offset in one statement. */
static bool put_moves(struct apply *apply, void *context, struct fault *fault)
{
	struct deliver *deliver = context;
	char between = '[';

	if (deliver->record_count == deliver->record_room) /* docs/decisions/0041 */
		buffer_append_text(&apply->sql, "SET LOCAL synchronous_commit = off;");
	buffer_reset(&apply->text);
	for (size_t i = 0; i < deliver->partition_count; i++) {
		struct partition *partition = &deliver->partitions[i];

		if (!partition->touched)
			continue;
		partition->anchor_offset = partition->read - 1;
		hash_record(last_record(deliver, partition), partition->anchor_hash);
		buffer_format(&apply->text,
		        "%c{\"topic\":\"%s\",\"partition\":%d,\"old\":%" PRId64
		        ",\"next\":%" PRId64 ",\"anchor\":%" PRId64 ",\"hash\":\"",
		        between, partition->topic, (int)partition->number,
		        partition->next, partition->read, partition->anchor_offset);
		for (size_t j = 0; j < SHA256_DIGEST_LENGTH; j++)
			buffer_format(&apply->text, "%02x", partition->anchor_hash[j]);
		buffer_append_text(&apply->text, "\"}");
		between = ',';
	}
	buffer_append_byte(&apply->text, ']');
	return apply_call(apply, "move", buffer_bytes(&apply->text), fault);
}

static void count_item(
        struct deliver *deliver, const struct lane *lane, const struct item *item)
{
	const struct batch *batch = &deliver->apply.batch;

	switch (item->fate) {
	case FATE_ROW:
	case FATE_VOID:
		deliver->counters.applied[lane - batch->lanes]++;
		if (cases_has(&batch->awaiting, batch_case(lane, item)))
			deliver->mend_due = true;
		break;
	case FATE_REPEAT:
		deliver->counters.repeats++;
		break;
	case FATE_PARKED:
		deliver->counters.parked++;
		break;
	case FATE_DEAD:
		deliver->counters.dead[item->class]++;
		deliver->counters.open_dead++;
		log_warn(NULL,
		        "dead letter class=%s topic=%s partition=%d offset=%" PRId64
		        " sqlstate=%s constraint=%s",
		        dead_class_name(item->class), item->record->topic,
		        (int)item->record->partition, item->record->offset,
		        item->sqlstate[0] ? item->sqlstate : "-",
		        item->constraint[0] ? item->constraint : "-");
		break;
	}
}

static void settle(struct deliver *deliver, int64_t began_us)
{
	for (size_t i = 0; i < deliver->apply.batch.lane_count; i++)
		for (size_t j = 0; j < deliver->apply.batch.lanes[i].item_count; j++)
			count_item(deliver, &deliver->apply.batch.lanes[i],
			        &deliver->apply.batch.lanes[i].items[j]);
	for (size_t i = 0; i < deliver->partition_count; i++)
		if (deliver->partitions[i].touched) {
			deliver->partitions[i].next = deliver->partitions[i].read;
			deliver->partitions[i].appended_us =
			        last_record(deliver, &deliver->partitions[i])
			                ->appended_at_us;
		}
	deliver->has_gaps |= batch_has_gaps(&deliver->apply.batch);
	batch_settle(&deliver->apply.batch);
	count_held(deliver);
	deliver->counters.commits++;
	deliver->counters.last_commit_us = clock_monotonic_us() - began_us;
	deliver->report_due = true;
}

static bool is_touched(const struct deliver *deliver)
{
	for (size_t i = 0; i < deliver->partition_count; i++)
		if (deliver->partitions[i].touched)
			return true;
	return false;
}

/* Look for schemas that came after the start; the batch is filled again with them. */
static bool know_newcomers(struct deliver *deliver, size_t count, struct fault *fault)
{
	const struct schema *schema;
	const char *subject;
	int32_t id;
	size_t unknown = 0;
	bool learned = false;

	while (batch_newcomer(&deliver->apply.batch, unknown, &id, &subject)) {
		if (!deliver->schemas->find(
		            deliver->schemas->context, id, subject, &schema, fault))
			return false;
		if (schema == NULL
		        || !batch_know(
		                &deliver->apply.batch, subject, id, schema, fault)) {
			unknown++;
			continue;
		}
		log_info(NULL, "a new schema id=%d subject=%s", (int)id, subject);
		learned = true;
	}
	if (learned)
		deliver->knows_unknown = false; /* earlier letters may be read now */
	return !learned || fill_batch(deliver, count, fault);
}

/* Read the village's partition of the last weeks up to the end of the batch in hand. */
static bool read_back(struct deliver *deliver, const struct stream *heir,
        struct consumer *consumer, struct fault *fault)
{
	int32_t number = envelope_partition(
	        bytes_of(heir->village_code), deliver->catalog->modulus);
	const struct partition *partition =
	        find_partition(deliver, heir->topic, number);
	struct topic_place place = { heir->topic, number, 0 };
	struct topic_record *records = calloc(BACK_ROOM, sizeof *records);
	int64_t last = -1;
	bool ok = records != NULL || fault_memory(fault);

	ok = ok
	     && consumer_offsets_at(
	             consumer, clock_wall_us() - BACK_US, &place, 1, fault);
	if (!ok || partition == NULL || place.offset < 0
	        || place.offset >= partition->read) {
		free(records);
		return ok;
	}
	ok = consumer_start(consumer, &place, 1, fault);
	for (int patience = BACK_PATIENCE; ok && last + 1 < partition->read;) {
		size_t count;

		ok = consumer_read(consumer, READ_MS, records, BACK_ROOM, BACK_BYTES,
		             &count, fault)
		             != NEWS_FAULT
		     && (count > 0 || --patience > 0
		             || fault_code(fault, FAULT_RETRY, "unreachable",
		                     "%s cannot be read back", heir->topic));
		for (size_t i = 0; ok && i < count; i++) {
			last = records[i].offset;
			if (last < partition->read)
				ok = batch_earlier(&deliver->apply.batch, heir,
				        &records[i], fault);
		}
		consumer_release(consumer, records, count);
	}
	free(records);
	return ok;
}

static bool know_heirs(struct deliver *deliver, struct fault *fault)
{
	struct consumer *consumer = NULL;
	struct stream *heir;
	bool ok = true;

	while (ok && (heir = batch_heir(&deliver->apply.batch)) != NULL) {
		ok = (consumer != NULL
		             || consumer_open(&consumer, deliver->conf, NULL, fault))
		     && read_back(deliver, heir, consumer, fault);
		if (ok)
			log_info(NULL,
			        "village %s began a new life in %s; earlier events "
			        "known",
			        heir->village_code, heir->topic);
	}
	consumer_close(&consumer);
	return ok;
}

static bool commit(struct deliver *deliver, size_t count, struct fault *fault)
{
	const struct apply_frame frame = { .begin = put_moves, .context = deliver };
	int64_t began_us = clock_monotonic_us();

	deliver->record_count = count;
	if (!fill_batch(deliver, count, fault)
	        || !know_newcomers(deliver, count, fault))
		return false;
	if (!is_touched(deliver))
		return true;
	if (!apply_learn(&deliver->apply, fault) || !know_heirs(deliver, fault)
	        || !apply_batch(&deliver->apply, &frame, fault))
		return false;
	settle(deliver, began_us);
	return true;
}

static enum step take_records(struct deliver *deliver, size_t count)
{
	struct fault fault = { 0 };

	if (deliver->running && !commit(deliver, count, &fault))
		give_way(deliver, &fault);
	consumer_release(deliver->consumer, deliver->records, count);
	return STEP_DONE;
}

static enum step take_news(struct deliver *deliver, enum consumer_news news,
        size_t count, struct fault *fault)
{
	switch (news) {
	case NEWS_NOTHING:
		return STEP_IDLE;
	case NEWS_RECORDS:
		return take_records(deliver, count);
	case NEWS_ASSIGNED:
		forget(deliver, 0);
		return take_assignment(deliver, fault) ? STEP_DONE : STEP_FAULT;
	case NEWS_REVOKED:
		forget(deliver, 0);
		deliver->partition_count = 0;
		return STEP_DONE;
	case NEWS_FAULT:
		if (strcmp(fault->code, "out-of-memory") == 0)
			return STEP_FAULT;
		give_way(deliver, fault);
		fault_clear(fault);
		return STEP_IDLE;
	}
	return STEP_IDLE;
}

/*
 * Try again what waits for rows of others: when its case moved, else each minute. What
 * was held may be free then, so everything is claimed and learned again.
 */
static void mend_now_and_then(struct deliver *deliver)
{
	int64_t now_us = clock_monotonic_us();
	struct buffer partitions = { 0 };
	struct fault fault = { 0 };
	bool due = deliver->apply.batch.awaiting.count > 0
	           && (deliver->mend_due || now_us >= deliver->mend_us);
	size_t tried;
	bool ok;

	if (!deliver->running || (!due && deliver->knows_unknown))
		return;
	list_partitions(deliver, &partitions);
	ok = buffer_ok(&partitions, &fault)
	     && mend_partitions(&deliver->apply, deliver->conf,
	             buffer_bytes(&partitions), !deliver->knows_unknown, &tried,
	             &fault);
	buffer_clear(&partitions);
	deliver->mend_due = false;
	deliver->mend_us =
	        now_us + (int64_t)conf_number(deliver->conf, "order_retry_ms") * 1000;
	if (!ok) {
		give_way(deliver, &fault);
		return;
	}
	deliver->knows_unknown = true;
	if (tried > 0)
		forget(deliver, 0);
}

/* With nothing to write, a database that went away would be noticed by nobody. */
static void notice_loss(struct deliver *deliver)
{
	struct fault fault;

	if (!deliver->running || table_is_open(deliver->apply.table))
		return;
	fault_set(&fault, FAULT_UNSURE, "the connection to the database was lost");
	give_way(deliver, &fault);
}

static bool owns(void *context, const char *topic, int32_t partition)
{
	return find_partition(context, topic, partition) != NULL;
}

/* Missing numbers are asked for at once, and again while they stay away. */
static void ask_now_and_then(struct deliver *deliver)
{
	int64_t now_us = clock_monotonic_us();
	int64_t pause_us = (int64_t)conf_number(deliver->conf, "resend_ms") * 1000;
	struct fault fault = { 0 };
	size_t asked;

	if (!deliver->running || !deliver->has_gaps || pause_us == 0
	        || now_us < deliver->ask_us)
		return;
	if (!ask_villages(&deliver->apply, deliver->conf, deliver->catalog, owns,
	            deliver, &asked, &fault)) {
		if (!table_is_open(deliver->apply.table))
			give_way(deliver, &fault);
		else
			log_fault(NULL, "ask for missing numbers", &fault);
	} else if (asked > 0) {
		log_info(NULL, "asked villages for missing numbers ranges=%zu", asked);
	} else {
		deliver->has_gaps = false;
		return;
	}
	deliver->ask_us = now_us + pause_us;
}

enum step deliver_step(struct deliver *deliver, struct fault *fault)
{
	size_t count;
	enum consumer_news news = consumer_read(deliver->consumer, READ_MS,
	        deliver->records, deliver->record_room,
	        (size_t)conf_number(deliver->conf, "batch_bytes"), &count, fault);
	enum step step = take_news(deliver, news, count, fault);

	if (step == STEP_IDLE)
		notice_loss(deliver);
	if (step != STEP_FAULT) {
		mend_now_and_then(deliver);
		ask_now_and_then(deliver);
		try_to_claim(deliver);
		report_now_and_then(deliver);
	}
	return step;
}
