/* SPDX-License-Identifier: MIT */
/*
 * Polling goes on whatever the database does, so that the group never takes the
 * partitions away for it. Whenever a transaction did not end well, everything in memory
 * is forgotten and the positions are claimed again: claiming is a locking write, so it
 * waits for a transaction whose answer was lost and then reads the truth.
 */
#include "flow/deliver_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "flow/ask.h"
#include "flow/heirs.h"

enum {
	READ_MS = 100,
	READ_ON_MS = 1, /* while a batch is on its way */
	PUSH = 64,      /* records between two looks at it */
	REST_MS = 500,  /* the rest waits so long for a pause of a backlog */
	REPORT_MS = 500,
	REPORT_IDLE_MS = 10000,
	COMPANY_MS = 2000,
	MEND_TURN_MS = 250, /* between two turns of a round, for everybody else */
};

/* Opening */

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
	deliver->record_limit = deliver->record_room;
	if (deliver->record_room == 0)
		return fault_set(fault, FAULT_STOP, "batch_records must be at least 1");
	if (conf_number(deliver->conf, "statement_ms") == 0)
		return fault_set(fault, FAULT_STOP, "statement_ms must be at least 1");
	deliver->records = calloc(deliver->record_room, sizeof *deliver->records);
	if (deliver->records == NULL)
		return fault_memory(fault);
	name_owner(deliver);
	return apply_open(&deliver->apply, deliver->department, deliver->catalog, fault)
	       && deliver_join(deliver, fault);
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
	/* A batch that is on its way is PostgreSQL's to end; who comes next asks. */
	consumer_release(old->consumer, old->records, old->gathered);
	consumer_close(&old->consumer);
	apply_close(&old->apply);
	free(old->records);
	free(old->partitions);
	free(old);
	*deliver = NULL;
}

/* Letters */

/* What people decide about letters is told to nobody: so they are looked at again. */
static void look_at_letters(struct deliver *deliver)
{
	int64_t since_us = clock_monotonic_us() - deliver->letters_us;
	struct fault fault = { 0 };

	if (!deliver->running
	        || (!deliver->letters_due && since_us < REPORT_IDLE_MS * 1000))
		return;
	if (!deliver_learn_letters(deliver, &fault))
		deliver_give_way(deliver, &fault);
}

static void report_now_and_then(struct deliver *deliver)
{
	int64_t since_us = clock_monotonic_us() - deliver->reported_us;

	if (deliver->partition_count == 0 || deliver->partitions[0].next < 0)
		return;
	if (since_us <= REPORT_IDLE_MS * 1000
	        && (!deliver->report_due || since_us <= REPORT_MS * 1000))
		return;
	look_at_letters(deliver);
	deliver_report(deliver);
}

/* Claiming */

static void count_held(struct deliver *deliver)
{
	const struct batch *batch = &deliver->apply.batch;

	deliver->counters.held = 0;
	for (size_t i = 0; i < batch->lane_count; i++)
		deliver->counters.held += (int64_t)batch->lanes[i].held.count;
}

static void try_to_claim(struct deliver *deliver)
{
	struct fault fault = { 0 };

	if (deliver->running || deliver->partition_count == 0
	        || clock_monotonic_us() < deliver->resume_us
	        || !deliver_hears_kafka(deliver))
		return;
	if (!deliver_claim(deliver, &fault)) {
		deliver_give_way(deliver, &fault);
		return;
	}
	deliver->running = true;
	deliver->has_gaps = true; /* until asked */
	count_held(deliver);
	deliver->topics_us = 0;
	deliver_say_running(deliver);
}

/* Each of the two gets its own partitions meanwhile: nothing is lost by going on. */
static void look_for_rivals(struct deliver *deliver)
{
	bool was_there = deliver->rival.is_there;
	char reason[200];

	if (!deliver->running)
		return;
	deliver->rival.is_there = deliver_has_rival(deliver);
	if (deliver->rival.is_there && !deliver->slow.any && !deliver->lacks_topic
	        && !deliver->is_cut_off) {
		snprintf(reason, sizeof reason,
		        "the sink of another database has the name %.63s, too, and "
		        "gets some of the partitions; rename one of the departments, "
		        "or stop its sink",
		        deliver->department->name);
		if (strcmp(deliver->counters.reason, reason) != 0)
			deliver_set_state(deliver, "waiting", reason);
	} else if (was_there) {
		deliver_say_running(deliver);
	}
}

/* One batch */

static void hash_record(const struct topic_record *record, uint8_t hash[DIGEST_BYTES])
{
	const struct bytes pieces[] = { { (const uint8_t *)&record->appended_at_us,
		                                sizeof record->appended_at_us },
		record->key, record->value };

	digest_of(pieces, 3, hash);
}

/* The first record read must be the one that was applied last, when there is one. */
static bool passes_anchor(struct partition *partition,
        const struct topic_record *record, bool *is_new, struct fault *fault)
{
	uint8_t hash[DIGEST_BYTES];

	*is_new = record->offset >= partition->next;
	if (!partition->verify)
		return true;
	partition->verify = false;
	hash_record(record, hash);
	return (record->offset == partition->anchor_offset
	               && memcmp(hash, partition->anchor_hash, sizeof hash) == 0)
	       || fault_code(fault, FAULT_STOP, "replaced",
	               "the log was replaced: %s/%d holds another record at offset "
	               "%" PRId64 ", or none",
	               partition->topic, (int)partition->number,
	               partition->anchor_offset);
}

static void begin_batch(struct deliver *deliver)
{
	batch_reset(&deliver->apply.batch);
	for (size_t i = 0; i < deliver->partition_count; i++)
		deliver->partitions[i].touched = false;
}

/* PostgreSQL is not kept waiting by a walk through a batch; i counts its steps. */
static void push_now_and_then(struct deliver *deliver, size_t i)
{
	if (deliver->flies && i % PUSH == 0)
		apply_push(&deliver->apply);
}

/* Add what was read from the first-th record on. */
static bool add_records(struct deliver *deliver, size_t first, struct fault *fault)
{
	for (size_t i = first; i < deliver->gathered; i++) {
		struct topic_record *record = &deliver->records[i];
		struct partition *partition = deliver_find_partition(
		        deliver, record->topic, record->partition);
		bool is_new;

		push_now_and_then(deliver, i);
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
	for (size_t i = deliver->gathered; i > 0; i--)
		if (deliver->records[i - 1].partition == partition->number
		        && strcmp(deliver->records[i - 1].topic, partition->topic) == 0)
			return &deliver->records[i - 1];
	return NULL;
}

static bool is_full(const struct deliver *deliver)
{
	return deliver->gathered == deliver->record_room;
}

/* The positions first: fence, lock and offset in one statement. */
static bool put_moves(struct apply *apply, void *context, struct fault *fault)
{
	struct deliver *deliver = context;
	char hash[2 * DIGEST_BYTES + 1];
	char between = '[';

	if (is_full(deliver)) /* docs/decisions/0041 */
		buffer_append_text(&apply->sql, "SET LOCAL synchronous_commit = off;");
	buffer_reset(&apply->text);
	for (size_t i = 0; i < deliver->partition_count; i++) {
		struct partition *partition = &deliver->partitions[i];

		if (!partition->touched)
			continue;
		partition->anchor_offset = partition->read - 1;
		hash_record(last_record(deliver, partition), partition->anchor_hash);
		digest_hex(partition->anchor_hash, hash);
		buffer_format(&apply->text,
		        "%c{\"topic\":\"%s\",\"partition\":%d,\"old\":%" PRId64
		        ",\"next\":%" PRId64 ",\"anchor\":%" PRId64 ",\"hash\":\"%s\"}",
		        between, partition->topic, (int)partition->number,
		        partition->next, partition->read, partition->anchor_offset,
		        hash);
		between = ',';
	}
	buffer_append_byte(&apply->text, ']');
	return apply_call(apply, "move", buffer_bytes(&apply->text), fault);
}

static void count_item(
        struct deliver *deliver, const struct lane *lane, const struct item *item)
{
	const struct batch *batch = &deliver->apply.batch;
	const struct refusal *why = batch_refusal(item);

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
		deliver->counters.waiting++;
		break;
	case FATE_DEAD:
		deliver->counters.dead[why->class]++;
		deliver->counters.open_dead++;
		deliver->letters_due = true;
		log_warn(NULL,
		        "dead letter class=%s topic=%s partition=%d offset=%" PRId64
		        " sqlstate=%s constraint=%s",
		        dead_class_name(why->class), item->record->topic,
		        (int)item->record->partition, item->record->offset,
		        why->sqlstate[0] ? why->sqlstate : "-",
		        why->constraint[0] ? why->constraint : "-");
		break;
	}
}

static void settle(struct deliver *deliver, int64_t began_us)
{
	int64_t now_us = clock_wall_us();

	for (size_t i = 0; i < deliver->apply.batch.lane_count; i++)
		for (size_t j = 0; j < deliver->apply.batch.lanes[i].item_count; j++) {
			const struct item *item =
			        &deliver->apply.batch.lanes[i].items[j];

			push_now_and_then(deliver, j);
			count_item(deliver, &deliver->apply.batch.lanes[i], item);
			if (item->fate == FATE_ROW)
				deliver_note_span(deliver, item, now_us);
		}
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
	deliver->collisions = 0;
	if (deliver->slow.any && !deliver_is_slow(deliver)) {
		deliver->slow = (struct slow){ 0 };
		deliver_say_running(deliver);
	}
	if (!deliver->slow.any && deliver->record_limit < deliver->record_room)
		deliver->record_limit = deliver->record_limit * 2 > deliver->record_room
		                                ? deliver->record_room
		                                : deliver->record_limit * 2;
	deliver->counters.commits++;
	deliver->counters.straights = deliver->apply.straights;
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
static bool know_newcomers(struct deliver *deliver, struct fault *fault)
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
	if (!learned)
		return true;
	begin_batch(deliver);
	return add_records(deliver, 0, fault);
}

/*
 * A database that was ill, and is well since the middle of a transaction, looks as if
 * it were the record's fault: so the first time is a proof, and nothing of it is kept.
 */
static void prove(struct deliver *deliver)
{
	deliver->slow.proven = deliver_is_too_slow(&deliver->apply.batch);
	if (!deliver->slow.proven)
		deliver->slow.alone = 0;
	deliver_forget(deliver, 0);
}

/* Of a partition that is ours, the offset behind the batch in hand. */
static int64_t read_end(void *context, const char *topic, int32_t partition)
{
	const struct partition *own = deliver_find_partition(context, topic, partition);

	return own != NULL ? own->read : 0;
}

static struct apply_frame frame_of(struct deliver *deliver)
{
	struct apply_frame frame = { .begin = put_moves,
		.context = deliver,
		.straight = conf_flag(deliver->department->conf, "straight") };

	frame.impatient = deliver_needs_company(deliver) && deliver_holds_slow(deliver);
	frame.apart = frame.impatient;
	frame.roll_back = frame.impatient && !deliver->slow.proven;
	return frame;
}

/* What can be done of a full batch while the one before it flies. */
static bool make_ready(struct deliver *deliver, struct fault *fault)
{
	const struct apply_frame frame = frame_of(deliver);

	return !deliver->flies || !is_full(deliver) || !is_touched(deliver)
	       || apply_ready(&deliver->apply, &frame, fault);
}

/* What has to be known before a batch can be placed. */
static bool learn(struct deliver *deliver, struct fault *fault)
{
	return deliver->apply.batch.composed
	       || (apply_learn(&deliver->apply, fault)
	               && heirs_know(&deliver->apply.batch, deliver->conf, read_end,
	                       deliver, fault));
}

/*
 * A full batch that goes straight is not waited for: the next one is read meanwhile. It
 * counts as done, and whatever shows that it was not ends in forgetting all.
 */
static bool commit(struct deliver *deliver, struct fault *fault)
{
	const struct apply_frame frame = frame_of(deliver);
	int64_t began_us = clock_monotonic_us();
	bool flies = false;

	if (!know_newcomers(deliver, fault))
		return false;
	if (!is_touched(deliver))
		return true;
	if (!learn(deliver, fault)
	        || !(is_full(deliver)
	                        ? apply_launch(&deliver->apply, &frame, &flies, fault)
	                        : apply_batch(&deliver->apply, &frame, fault)))
		return false;
	if (frame.roll_back) {
		prove(deliver);
		return true;
	}
	deliver->before = deliver->counters;
	deliver->flies = flies;
	deliver->flies_us = began_us;
	settle(deliver, began_us);
	return true;
}

/* Wait for the batch that is on its way; false: it did not arrive, and all is
 * forgotten. */
static bool land(struct deliver *deliver)
{
	struct fault fault = { 0 };

	if (!deliver->flies)
		return true;
	deliver->flies = false;
	if (apply_land(&deliver->apply, &fault)) {
		deliver->counters.last_commit_us =
		        clock_monotonic_us() - deliver->flies_us;
		return true;
	}
	deliver->counters = deliver->before;
	if (strcmp(fault.code, "57014") == 0)
		deliver->record_limit = (deliver->record_room + 1) / 2;
	deliver_give_way(deliver, &fault);
	return false;
}

static void drop_gathered(struct deliver *deliver)
{
	for (size_t i = 0; i < deliver->gathered; i++) {
		push_now_and_then(deliver, i);
		consumer_release(deliver->consumer, &deliver->records[i], 1);
	}
	deliver->gathered = deliver->gathered_bytes = 0;
}

/* The batch before lands, then the one in hand is committed. */
static void finish(struct deliver *deliver)
{
	struct fault fault = { 0 };
	bool ready = make_ready(deliver, &fault);

	if (land(deliver) && deliver->gathered > 0
	        && (!ready || !commit(deliver, &fault))) {
		if (strcmp(fault.code, "57014") == 0)
			deliver_slow_down(deliver, &fault);
		deliver_give_way(deliver, &fault);
	}
	drop_gathered(deliver);
}

/* What takes too long needs others in its batch: they may lie in a later answer. */
static bool waits_for_company(const struct deliver *deliver)
{
	return deliver_needs_company(deliver)
	       && clock_monotonic_us() < deliver->company_us;
}

static bool is_complete(struct deliver *deliver)
{
	if (deliver->gathered < deliver->record_limit && waits_for_company(deliver))
		return false;
	return deliver->gathered >= deliver->record_limit
	       || deliver->gathered_bytes >= conf_number(deliver->conf, "batch_bytes")
	       || !deliver->flies || apply_has_landed(&deliver->apply);
}

static enum step take_records(struct deliver *deliver, size_t count)
{
	size_t first = deliver->gathered;
	struct fault fault = { 0 };

	deliver->gathered += count;
	for (size_t i = first; i < deliver->gathered; i++)
		deliver->gathered_bytes += deliver->records[i].value.size;
	if (!deliver->running) {
		drop_gathered(deliver);
		return STEP_DONE;
	}
	if (first == 0) {
		begin_batch(deliver);
		deliver->company_us = clock_monotonic_us() + COMPANY_MS * 1000;
	}
	if (!add_records(deliver, first, &fault)) {
		if (land(deliver))
			deliver_give_way(deliver, &fault);
		drop_gathered(deliver);
	} else if (is_complete(deliver)) {
		finish(deliver);
	}
	return STEP_DONE;
}

/* What is under way ends, and what was read goes back. */
static void put_down(struct deliver *deliver)
{
	(void)land(deliver);
	drop_gathered(deliver);
}

/* Nothing came. What is under way is not idle, and what was gathered is committed. */
static enum step take_nothing(struct deliver *deliver)
{
	if (!deliver->flies && deliver->gathered == 0)
		return STEP_IDLE;
	if (is_complete(deliver))
		finish(deliver);
	return STEP_DONE;
}

static enum step take_news(struct deliver *deliver, enum consumer_news news,
        size_t count, struct fault *fault)
{
	bool goes_on = news == NEWS_NOTHING || news == NEWS_RECORDS
	               || (news == NEWS_FAULT && strcmp(fault->code, "no-topic") == 0);

	if (!goes_on)
		put_down(deliver);
	switch (news) {
	case NEWS_NOTHING:
		return take_nothing(deliver);
	case NEWS_RECORDS:
		return take_records(deliver, count);
	case NEWS_ASSIGNED:
		deliver_forget(deliver, 0);
		return deliver_take_assignment(deliver, fault) ? STEP_DONE : STEP_FAULT;
	case NEWS_REVOKED:
		deliver_forget(deliver, 0);
		deliver_own_nothing(deliver);
		return STEP_DONE;
	case NEWS_FAULT:
		if (strcmp(fault->code, "out-of-memory") == 0)
			return STEP_FAULT;
		if (strcmp(fault->code, "no-topic") == 0)
			deliver->topics_us = 0; /* the other topics go on */
		else if (strcmp(fault->code, "fatal") == 0)
			deliver_lose_consumer(deliver, fault);
		else
			deliver_give_way(deliver, fault);
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
	struct mend_round *round = &deliver->mending;
	bool ok;

	due = round->more ? now_us >= deliver->mend_us : due || !deliver->knows_unknown;
	if (!deliver->running || !due)
		return;
	deliver->mend_due &= round->more; /* else it may have had its turn already */
	deliver_list_partitions(deliver, &partitions);
	ok = buffer_ok(&partitions, &fault)
	     && mend_partitions(&deliver->apply, deliver->conf,
	             buffer_bytes(&partitions), !deliver->knows_unknown, round, &fault);
	buffer_clear(&partitions);
	deliver->mend_us =
	        clock_monotonic_us()
	        + (round->more ? MEND_TURN_MS
	                       : (int64_t)conf_number(deliver->conf, "order_retry_ms"))
	                  * 1000;
	if (!ok) {
		deliver_give_way(deliver, &fault);
		return;
	}
	deliver->knows_unknown |= !round->more;
	if (round->tried > 0)
		deliver_forget(deliver, 0);
}

/* With nothing to write, a database that went away would be noticed by nobody. */
static void notice_loss(struct deliver *deliver)
{
	struct fault fault;

	if (!deliver->running || table_is_open(deliver->apply.table))
		return;
	fault_set(&fault, FAULT_UNSURE, "the connection to the database was lost");
	deliver_give_way(deliver, &fault);
}

static bool owns(void *context, const char *topic, int32_t partition)
{
	return deliver_find_partition(context, topic, partition) != NULL;
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
			deliver_give_way(deliver, &fault);
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

/* Whether it is time for the rest, which needs the database to itself. */
static bool is_free(struct deliver *deliver)
{
	int64_t now_us = clock_monotonic_us();

	if (deliver->gathered > 0 && !deliver->flies)
		return false; /* for company */
	if (deliver->flies && now_us - deliver->rested_us < REST_MS * 1000)
		return false;
	if (deliver->flies)
		finish(deliver);
	(void)land(deliver);
	deliver->rested_us = now_us;
	return true;
}

enum step deliver_step(struct deliver *deliver, struct fault *fault)
{
	size_t bytes = (size_t)conf_number(deliver->conf, "batch_bytes");
	size_t count;
	enum consumer_news news =
	        consumer_read(deliver->consumer, deliver->flies ? READ_ON_MS : READ_MS,
	                deliver->records + deliver->gathered,
	                deliver->record_limit - deliver->gathered,
	                bytes - deliver->gathered_bytes, &count, fault);
	enum step step = take_news(deliver, news, count, fault);

	if (step == STEP_FAULT || !is_free(deliver))
		return step;
	if (step == STEP_IDLE)
		notice_loss(deliver);
	mend_now_and_then(deliver);
	ask_now_and_then(deliver);
	/* Before the next try: what was tried and failed is how it stands. */
	report_now_and_then(deliver);
	deliver_renew_consumer(deliver);
	try_to_claim(deliver);
	deliver_look_for_topics(deliver);
	look_for_rivals(deliver);
	return step;
}
