/* SPDX-License-Identifier: MIT */
#include "flow/mend.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

enum {
	READ_MS = 100,
	READ_ROOM = 512,
	READ_BYTES = 4 * 1024 * 1024,
	READ_US = 30 * 1000000,
	NEAR = 2000, /* records that are read over rather than jumped over */
};

struct waiting {
	int64_t letter_id;
	int64_t offset;
	enum was was;
	bool overdue;
	char sha256[65];
	struct topic_record record;
	bool is_read;
};

struct mend {
	struct apply *apply;
	struct consumer *consumer;
	const struct mend_queue *queue;
	const struct mend_wish *wish;
	struct waiting *waiting; /* in the order of their offsets */
	size_t count;
	size_t room;
};

/* Finding */

static void keep(char *out, size_t room, const char *text)
{
	snprintf(out, room, "%s", text ? text : "");
}

struct found {
	struct mend_queue *queue;
	bool any;
	bool is_open;
	int64_t before;
};

static bool note_letter(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	struct found *found = context;
	struct mend_queue *queue = found->queue;

	(void)count;
	(void)fault;
	found->any = true;
	keep(queue->topic, sizeof queue->topic, texts[0]);
	queue->partition = (int32_t)strtol(texts[1], NULL, 10);
	queue->first_offset = strtoll(texts[2], NULL, 10);
	keep(queue->village_code, sizeof queue->village_code, texts[3]);
	keep(queue->case_id, sizeof queue->case_id, texts[4]);
	queue->alone = texts[5][0] != 't';
	queue->counted = texts[6][0] == 't';
	found->is_open = texts[7][0] == 't';
	keep(queue->sha256, sizeof queue->sha256, texts[8]);
	found->before = texts[9] ? strtoll(texts[9], NULL, 10) : 0;
	return true;
}

bool mend_find(struct apply *apply, int64_t letter_id, struct mend_queue *out,
        struct fault *fault)
{
	struct found found = { .queue = out };

	*out = (struct mend_queue){ .letter_id = letter_id };
	buffer_reset(&apply->sql);
	buffer_format(&apply->sql,
	        "SELECT l.topic, l.partition, l.kafka_offset, l.village_code, "
	        "l.case_id, l.holds, l.class = 'data', l.status = 'open', "
	        "encode(l.value_sha256, 'hex'), "
	        "(SELECT min(b.id) FROM kentongan.dead_letter b WHERE b.status = "
	        "'open' "
	        "AND b.holds AND l.holds AND b.topic = l.topic AND b.village_code = "
	        "l.village_code AND b.case_id = l.case_id AND b.kafka_offset < "
	        "l.kafka_offset) FROM kentongan.dead_letter l WHERE l.id = %" PRId64,
	        letter_id);
	if (!apply_ask(apply, note_letter, &found, fault))
		return false;
	if (!found.any)
		return fault_set(fault, FAULT_REJECT,
		        "there is no dead letter %" PRId64, letter_id);
	if (!found.is_open)
		return fault_set(fault, FAULT_REJECT,
		        "dead letter %" PRId64 " is decided already", letter_id);
	return found.before == 0
	       || fault_set(fault, FAULT_REJECT,
	               "dead letter %" PRId64 " of the same case stands before it",
	               found.before);
}

static bool note_waiting(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	struct mend *mend = context;
	struct waiting *waiting;

	(void)count;
	if (mend->count == mend->room) {
		size_t room = mend->room ? mend->room * 2 : 16;

		waiting = realloc(mend->waiting, room * sizeof *waiting);
		if (waiting == NULL)
			return fault_memory(fault);
		mend->waiting = waiting;
		mend->room = room;
	}
	mend->waiting[mend->count++] = (struct waiting){
		.letter_id = texts[0] ? strtoll(texts[0], NULL, 10) : 0,
		.offset = strtoll(texts[2], NULL, 10),
		.was = texts[3][0] == 'd'   ? WAS_DEAD
		       : texts[3][0] == 'p' ? WAS_PARKED
		                            : WAS_NOWHERE,
		.overdue = texts[4][0] == 't',
	};
	keep(mend->waiting[mend->count - 1].sha256, 65, texts[5]);
	return true;
}

static bool list_queue(struct mend *mend, struct fault *fault)
{
	const struct mend_queue *queue = mend->queue;
	struct buffer *sql = &mend->apply->sql;

	if (queue->alone) {
		char id[24];
		char offset[24];
		const char *texts[] = { id, "", offset,
			queue->counted ? "dead" : "none", "f", queue->sha256 };

		snprintf(id, sizeof id, "%" PRId64, queue->letter_id);
		snprintf(offset, sizeof offset, "%" PRId64, queue->first_offset);
		return note_waiting(mend, texts, 6, fault);
	}
	buffer_reset(sql);
	buffer_format(sql, "SELECT * FROM kentongan.queue('%s', ", queue->topic);
	if (!table_quote(mend->apply->table, bytes_of(queue->village_code), sql, fault))
		return false;
	buffer_append_text(sql, ", ");
	if (!table_quote(mend->apply->table, bytes_of(queue->case_id), sql, fault))
		return false;
	buffer_format(sql, ", %" PRId64 ")", queue->first_offset);
	return apply_ask(mend->apply, note_waiting, mend, fault);
}

/* Reading */

static bool gone(const struct mend *mend, int64_t offset, struct fault *fault)
{
	return fault_code(fault, FAULT_REJECT, "gone",
	        "%s/%d: offset %" PRId64 " is no longer in Kafka", mend->queue->topic,
	        (int)mend->queue->partition, offset);
}

/* A topic that was made anew holds other records at the same offsets. */
static bool is_same(const struct waiting *waiting, const struct topic_record *record)
{
	uint8_t digest[DIGEST_BYTES];
	char hex[2 * DIGEST_BYTES + 1];

	digest_of(&record->value, 1, digest);
	digest_hex(digest, hex);
	return strcmp(hex, waiting->sha256) == 0;
}

/* Keep the record that is wanted next, give back the others. False: look no further. */
static bool take(struct mend *mend, size_t *wanted, struct topic_record *record)
{
	struct waiting *waiting = &mend->waiting[*wanted];

	if (*wanted == mend->count || record->offset < waiting->offset) {
		consumer_release(mend->consumer, record, 1);
		return true;
	}
	if (record->offset > waiting->offset || !is_same(waiting, record)) {
		consumer_release(mend->consumer, record, 1);
		return false;
	}
	waiting->record = *record;
	waiting->is_read = true;
	++*wanted;
	return true;
}

static bool read_from(struct mend *mend, size_t *wanted, struct fault *fault)
{
	struct topic_place place = { mend->queue->topic, mend->queue->partition,
		mend->waiting[*wanted].offset };
	struct topic_record records[READ_ROOM];
	int64_t until_us = clock_monotonic_us() + READ_US;
	int64_t last = place.offset;

	if (!consumer_start(mend->consumer, &place, 1, fault))
		return false;
	while (*wanted < mend->count && mend->waiting[*wanted].offset - last < NEAR) {
		size_t count;
		bool found = true;

		if (consumer_read(mend->consumer, READ_MS, records, READ_ROOM,
		            READ_BYTES, &count, fault)
		        == NEWS_FAULT)
			return strcmp(fault->code, "offset") == 0 ? gone(
			               mend, mend->waiting[*wanted].offset, fault)
			                                          : false;
		for (size_t i = 0; i < count; i++) {
			last = records[i].offset;
			found = take(mend, wanted, &records[i]) && found;
		}
		if (!found)
			return gone(mend, mend->waiting[*wanted].offset, fault);
		if (clock_monotonic_us() > until_us)
			return fault_code(fault, FAULT_RETRY, "unreachable",
			        "no broker gives the record");
	}
	return true;
}

static bool read_records(struct mend *mend, struct fault *fault)
{
	size_t wanted = mend->wish->waive ? 1 : 0;

	while (wanted < mend->count)
		if (!read_from(mend, &wanted, fault))
			return false;
	return true;
}

/* Applying */

static bool fill(struct mend *mend, struct fault *fault)
{
	struct batch *batch = &mend->apply->batch;
	struct lane *lane = batch_lane(batch, mend->queue->topic);

	if (lane == NULL)
		return fault_set(fault, FAULT_REJECT, "the department takes %s no more",
		        mend->queue->topic);
	batch_reset(batch);
	batch_forget(batch);
	for (size_t i = 0; i < mend->count; i++) {
		struct waiting *waiting = &mend->waiting[i];
		struct item *item;

		if (!waiting->is_read)
			continue;
		if (!batch_add(batch, &waiting->record, fault))
			return false;
		item = &lane->items[lane->item_count - 1];
		item->was = waiting->was;
		item->letter_id = waiting->letter_id;
		item->overdue = waiting->overdue;
	}
	return true;
}

static bool put_reasons(struct mend *mend, struct fault *fault)
{
	struct buffer *sql = &mend->apply->sql;

	buffer_append_text(sql, ", ");
	if (!table_quote(mend->apply->table, bytes_of(mend->wish->who), sql, fault))
		return false;
	buffer_append_text(sql, ", ");
	if (!table_quote(mend->apply->table, bytes_of(mend->wish->why), sql, fault))
		return false;
	buffer_append_text(sql, ");");
	return true;
}

/* Only who looks leaves the sink alone, and must see no work but its own. */
static bool begin(struct apply *apply, void *context, struct fault *fault)
{
	struct mend *mend = context;

	if (mend->wish->roll_back)
		buffer_append_text(&apply->sql,
		        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;"
		        "SELECT pg_current_xact_id(); SAVEPOINT before_all;");
	else
		buffer_format(&apply->sql, "SELECT kentongan.hold('%s', %d);",
		        mend->queue->topic, (int)mend->queue->partition);
	if (!mend->wish->waive)
		return true;
	buffer_format(
	        &apply->sql, "SELECT kentongan.waive(%" PRId64, mend->queue->letter_id);
	return put_reasons(mend, fault);
}

static bool end(struct apply *apply, void *context, struct fault *fault)
{
	struct mend *mend = context;
	struct batch *batch = &apply->batch;

	if (batch_lane(batch, mend->queue->topic)->item_count > 0) {
		buffer_reset(&apply->text);
		batch_outcomes(batch, &apply->text);
		buffer_append_text(&apply->sql, "SELECT kentongan.settle(");
		if (!table_quote(apply->table, buffer_bytes(&apply->text), &apply->sql,
		            fault)
		        || !put_reasons(mend, fault))
			return false;
	}
	return mend->wish->look == NULL
	       || mend->wish->look(apply, mend->wish->context, fault);
}

static void sum_up(const struct mend *mend, struct mend_result *out)
{
	const struct lane *lane = batch_lane(&mend->apply->batch, mend->queue->topic);

	*out = (struct mend_result){ .waived = mend->wish->waive };
	for (size_t i = 0; i < lane->item_count; i++) {
		const struct item *item = &lane->items[i];
		const struct refusal *why = batch_refusal(item);

		out->dead += item->fate == FATE_DEAD;
		out->waiting += item->fate == FATE_PARKED;
		out->applied += item->fate != FATE_DEAD && item->fate != FATE_PARKED;
		if (why->sqlstate[0] == '\0' || out->sqlstate[0] != '\0')
			continue;
		keep(out->sqlstate, sizeof out->sqlstate, why->sqlstate);
		keep(out->constraint, sizeof out->constraint, why->constraint);
	}
}

static bool run(struct mend *mend, struct mend_result *out, struct fault *fault)
{
	const struct apply_frame frame = { .begin = begin,
		.end = end,
		.context = mend,
		.apart = true,
		.roll_back = mend->wish->roll_back };

	if (!list_queue(mend, fault) || !read_records(mend, fault) || !fill(mend, fault)
	        || !apply_batch(mend->apply, &frame, fault))
		return false;
	sum_up(mend, out);
	return true;
}

bool mend_run(struct apply *apply, struct consumer *consumer,
        const struct mend_queue *queue, const struct mend_wish *wish,
        struct mend_result *out, struct fault *fault)
{
	struct mend mend = {
		.apply = apply, .consumer = consumer, .queue = queue, .wish = wish
	};
	bool ok = run(&mend, out, fault);
	struct fault ignored;

	if (!ok && table_is_open(apply->table)
	        && !table_run(apply->table, "ROLLBACK", &ignored))
		table_close(&apply->table);
	for (size_t i = 0; i < mend.count; i++)
		if (mend.waiting[i].is_read)
			consumer_release(consumer, &mend.waiting[i].record, 1);
	free(mend.waiting);
	batch_reset(&apply->batch);
	batch_forget(&apply->batch);
	return ok;
}

/* By itself */

enum {
	QUEUES = 100,
	TURN_US = 500000,
};

struct queues {
	struct mend_queue queues[QUEUES];
	size_t count;
};

static bool note_queue(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	struct queues *all = context;
	struct mend_queue *queue = &all->queues[all->count];

	(void)count;
	(void)fault;
	*queue = (struct mend_queue){
		.partition = (int32_t)strtol(texts[1], NULL, 10),
		.first_offset = strtoll(texts[4], NULL, 10),
		.letter_id = texts[5] ? strtoll(texts[5], NULL, 10) : 0,
	};
	keep(queue->topic, sizeof queue->topic, texts[0]);
	keep(queue->village_code, sizeof queue->village_code, texts[2]);
	keep(queue->case_id, sizeof queue->case_id, texts[3]);
	all->count++;
	return true;
}

static bool list_queues(struct apply *apply, struct bytes partitions, bool unknown_too,
        size_t from, struct queues *out, struct fault *fault)
{
	struct buffer *sql = &apply->sql;

	buffer_reset(sql);
	buffer_append_text(sql, "SELECT * FROM kentongan.awaiting(");
	if (!table_quote(apply->table, partitions, sql, fault))
		return false;
	if (unknown_too) {
		buffer_append_text(sql, ") UNION ALL SELECT * FROM kentongan.unknown(");
		if (!table_quote(apply->table, partitions, sql, fault))
			return false;
	}
	buffer_format(sql, ") OFFSET %zu LIMIT %d", from, QUEUES);
	return apply_ask(apply, note_queue, out, fault);
}

/*
 * A letter of an unknown schema is looked at again when its turn comes: another of its
 * case may stand before it, or have been mended just now.
 */
static bool try_queue(struct apply *apply, struct consumer *consumer,
        struct mend_queue *queue, bool *moved, struct fault *fault)
{
	const struct mend_wish wish = { .who = "sink", .why = "tried again" };
	struct mend_result result;

	*moved = false;
	if (queue->letter_id != 0 && !mend_find(apply, queue->letter_id, queue, fault))
		return fault->kind == FAULT_REJECT;
	if (!mend_run(apply, consumer, queue, &wish, &result, fault))
		return false;
	*moved = result.applied > 0;
	log_info(NULL,
	        "tried again topic=%s partition=%d offset=%" PRId64
	        " applied=%zu waiting=%zu dead=%zu",
	        queue->topic, (int)queue->partition, queue->first_offset,
	        result.applied, result.waiting, result.dead);
	return true;
}

/* A queue that fails is no reason to leave the others, a lost database is. */
static bool run_queues(struct apply *apply, const struct conf *conf, struct queues *all,
        struct mend_round *round, struct fault *fault)
{
	int64_t until_us = clock_monotonic_us() + TURN_US;
	struct consumer *consumer = NULL;
	bool ok = consumer_visit(&consumer, conf, fault);
	size_t i;

	for (i = 0; ok && i < all->count && clock_monotonic_us() < until_us; i++) {
		bool moved;

		ok = try_queue(apply, consumer, &all->queues[i], &moved, fault);
		round->from += !moved;
		if (!ok && table_is_open(apply->table)) {
			log_fault(NULL, "try again", fault);
			ok = true;
		}
	}
	round->more = i < all->count || all->count == QUEUES;
	consumer_close(&consumer);
	return ok;
}

bool mend_partitions(struct apply *apply, const struct conf *conf,
        struct bytes partitions, bool unknown_too, struct mend_round *round,
        struct fault *fault)
{
	struct queues *all = calloc(1, sizeof *all);
	bool ok = all != NULL || fault_memory(fault);

	ok = ok && list_queues(apply, partitions, unknown_too, round->from, all, fault);
	round->tried = ok ? all->count : 0;
	round->more = false;
	ok = ok && (all->count == 0 || run_queues(apply, conf, all, round, fault));
	if (!ok || !round->more)
		round->from = 0;
	free(all);
	return ok;
}
