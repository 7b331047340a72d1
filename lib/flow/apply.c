/* SPDX-License-Identifier: MIT */
/*
 * First everything is tried at once. Where the tables refuse something, the transaction
 * begins again and halves within savepoints until each record that they refuse is
 * alone: order is kept, and a case's later records never pass one that failed.
 */
#include "flow/apply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOW_ALL = 3 }; /* records that take too long, and none that does not */

/* Opening */

bool apply_open(struct apply *apply, const struct department *department,
        const struct catalog *catalog, struct fault *fault)
{
	apply->department = department;
	apply->copies = calloc(department->topic_count, sizeof *apply->copies);
	if (apply->copies == NULL)
		return fault_memory(fault);
	return batch_open(&apply->batch, department, catalog, fault);
}

void apply_close(struct apply *apply)
{
	table_close(&apply->table);
	batch_close(&apply->batch);
	buffer_clear(&apply->sql);
	buffer_clear(&apply->text);
	free(apply->copies);
	*apply = (struct apply){ 0 };
}

bool apply_send(struct apply *apply, struct fault *fault)
{
	return apply_ask(apply, NULL, NULL, fault);
}

bool apply_ask(
        struct apply *apply, table_visitor *visitor, void *context, struct fault *fault)
{
	bool ok;

	buffer_append_byte(&apply->sql, 0);
	ok = buffer_ok(&apply->sql, fault)
	     && table_query(
	             apply->table, (char *)apply->sql.data, visitor, context, fault);
	buffer_reset(&apply->sql);
	return ok;
}

bool apply_call(struct apply *apply, const char *function, struct bytes text,
        struct fault *fault)
{
	buffer_format(&apply->sql, "SELECT kentongan.%s(", function);
	if (!table_quote(apply->table, text, &apply->sql, fault))
		return false;
	buffer_append_text(&apply->sql, ");");
	return true;
}

static bool note_taken(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	(void)count;
	(void)fault;
	*(int64_t *)context = strtoll(texts[0], NULL, 10);
	return true;
}

static bool find_straight(struct apply *apply, struct lane *lane, struct fault *fault)
{
	char mapping[sizeof lane->batch_name + sizeof "map_"];

	lane->narrow = false; /* no row is in hand, or they are whole */
	snprintf(mapping, sizeof mapping, "map_%s", lane->batch_name);
	return straight_learn(&lane->straight, apply->table, mapping,
	        lane->column_count + EXTRA_COLUMNS, fault);
}

static bool prepare_lane(struct apply *apply, struct lane *lane, struct fault *fault)
{
	if (!department_prepare(lane->topic, apply->table, lane->columns,
	            lane->column_count, fault))
		return false;
	buffer_reset(&apply->sql);
	buffer_format(&apply->sql, "SELECT kentongan.mapping_taken('%s', '%s')",
	        lane->topic->topic->topic, lane->fingerprint);
	return apply_ask(apply, note_taken, &lane->taken, fault)
	       && find_straight(apply, lane, fault);
}

bool apply_connect(struct apply *apply, const char *database, const char *name,
        struct fault *fault)
{
	bool ok;

	if (table_is_open(apply->table))
		return true;
	table_close(&apply->table);
	if (!table_open(
	            &apply->table, database, name, apply->department->schema, fault))
		return false;
	ok = department_owns(apply->department, apply->table, fault);
	for (size_t i = 0; ok && i < apply->batch.lane_count; i++)
		ok = prepare_lane(apply, &apply->batch.lanes[i], fault);
	if (!ok)
		table_close(&apply->table);
	return ok;
}

static bool note_stream(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	struct apply *apply = context;
	struct lane *lane = batch_lane(&apply->batch, texts[2]);

	(void)count;
	if (lane == NULL)
		return true;
	return batch_learn(&apply->batch, texts[0], texts[1], lane->topic->topic->topic,
	        texts[3] ? strtoll(texts[3], NULL, 10) : 0,
	        texts[4] ? strtoll(texts[4], NULL, 10) : 0, texts[5],
	        texts[6][0] == 't', fault);
}

bool apply_learn(struct apply *apply, struct fault *fault)
{
	buffer_reset(&apply->sql);
	return !batch_unknown(&apply->batch, &apply->sql)
	       || apply_ask(apply, note_stream, apply, fault);
}

/* Rows and mapping */

static size_t count_rows(const struct lane *lane, size_t from, size_t to)
{
	size_t count = 0;

	for (size_t i = from; i < to; i++)
		count += lane->items[i].fate == FATE_ROW;
	return count;
}

static struct bytes row_of(const struct lane *lane, const struct item *item)
{
	return (struct bytes){ lane->rows.data + item->row_start, item->row_size };
}

/* Feed the rows of items [from, to) from where they lie; neighbours go together. */
static bool feed_rows(struct apply *apply, const struct lane *lane, size_t from,
        size_t to, struct fault *fault)
{
	struct bytes run = { 0 };

	for (size_t i = from; i < to; i++) {
		struct bytes row = row_of(lane, &lane->items[i]);

		if (lane->items[i].fate != FATE_ROW)
			continue;
		if (run.size > 0 && run.data + run.size != row.data) {
			if (!table_copy_rows(apply->table, run, fault))
				return false;
			run.size = 0;
		}
		if (run.size == 0)
			run.data = row.data;
		run.size += row.size;
	}
	return table_copy_rows(apply->table, run, fault);
}

/*
 * A hole in the batch table would take rows that come later, and the mapping would read
 * them before others.
 */
static void mend_table(struct apply *apply, struct lane *lane)
{
	if (lane->spoilt)
		buffer_format(&apply->sql, "TRUNCATE pg_temp.%s;", lane->batch_name);
	lane->spoilt = false;
}

static void spoil_tables(struct apply *apply, bool spoilt)
{
	for (size_t i = 0; i < apply->batch.lane_count; i++)
		apply->batch.lanes[i].spoilt = spoilt;
}

/*
 * Send sql as it stands with a COPY of the rows of items [from, to) behind it: into the
 * batch table, or into the topic's own.
 */
static bool copy_rows(struct apply *apply, const struct lane *lane, size_t from,
        size_t to, struct fault *fault)
{
	bool ok;

	if (apply->by_copy)
		buffer_append_text(&apply->sql, lane->straight.copy);
	else
		buffer_format(&apply->sql, "COPY pg_temp.%s FROM STDIN BINARY",
		        lane->batch_name);
	buffer_append_byte(&apply->sql, 0);
	ok = buffer_ok(&apply->sql, fault)
	     && table_copy_begin(apply->table, (char *)apply->sql.data, fault)
	     && feed_rows(apply, lane, from, to, fault)
	     && table_copy_end(apply->table, fault);
	buffer_reset(&apply->sql);
	return ok;
}

/* See that the rows of all topics are narrow, or whole. */
static bool form_rows(struct apply *apply, bool narrow, struct fault *fault)
{
	for (size_t i = 0; i < apply->batch.lane_count; i++) {
		struct lane *lane = &apply->batch.lanes[i];

		if (!batch_form_rows(&apply->batch, lane,
		            narrow && lane->straight.copy != NULL, fault))
			return false;
	}
	return true;
}

/*
 * The straight way: each topic's rows into its table, in the topics' order. Nothing is
 * sent yet: the whole transaction goes at once, with the rows behind it.
 */
static bool map_straight(struct apply *apply, struct fault *fault)
{
	if (!form_rows(apply, true, fault))
		return false;
	for (size_t i = 0; i < apply->batch.lane_count; i++) {
		struct lane *lane = &apply->batch.lanes[i];

		lane->mapped = count_rows(lane, 0, lane->item_count);
		if (lane->mapped == 0)
			continue;
		batch_pack_rows(lane);
		buffer_format(&apply->sql, "%s;%s", lane->straight.copy,
		        lane->straight.guard);
	}
	return true;
}

/* The common way: everything at once. */
static bool map_whole(struct apply *apply, struct fault *fault)
{
	size_t rows = 0;

	if (!form_rows(apply, false, fault))
		return false;
	for (size_t i = 0; i < apply->batch.lane_count; i++) {
		struct lane *lane = &apply->batch.lanes[i];

		lane->mapped = count_rows(lane, 0, lane->item_count);
		rows += lane->mapped;
		if (lane->mapped == 0)
			continue;
		mend_table(apply, lane);
		if (!copy_rows(apply, lane, 0, lane->item_count, fault))
			return false;
	}
	for (size_t i = 0; i < apply->batch.lane_count; i++)
		if (apply->batch.lanes[i].mapped > 0)
			buffer_format(&apply->sql, "EXECUTE map_%s;",
			        apply->batch.lanes[i].batch_name);
	breaker_passed(&apply->breaker, (int64_t)rows);
	return true;
}

/* Map the rows of items [from, to) alone, within a savepoint. */
static bool map_range(struct apply *apply, struct lane *lane, size_t from, size_t to,
        size_t *rows, struct fault *fault)
{
	*rows = count_rows(lane, from, to);
	if (*rows == 0)
		return true;
	if (!apply->by_copy)
		mend_table(apply, lane);
	buffer_append_text(&apply->sql, "SAVEPOINT part;");
	if (!apply->by_copy)
		buffer_format(&apply->sql, "DELETE FROM pg_temp.%s;", lane->batch_name);
	if (!copy_rows(apply, lane, from, to, fault))
		return false;
	if (!apply->by_copy)
		buffer_format(&apply->sql, "EXECUTE map_%s;", lane->batch_name);
	buffer_append_text(&apply->sql, "RELEASE SAVEPOINT part;");
	if (!apply_send(apply, fault))
		return false;
	lane->mapped += *rows;
	return true;
}

/* The tables refuse one item: what follows from it. */
static bool refuse(
        struct apply *apply, struct lane *lane, struct item *item, struct fault *fault)
{
	const char *constraint = table_constraint(apply->table);
	char village_code[VILLAGE_BYTES + 1];
	char sqlstate[8];

	snprintf(village_code, sizeof village_code, "%.*s", (int)item->record->key.size,
	        (const char *)item->record->key.data);
	snprintf(sqlstate, sizeof sqlstate, "%.7s", fault->code);
	if (!batch_refuse(&apply->batch, lane, item, sqlstate, constraint, fault))
		return false;
	if (item->fate != FATE_DEAD || item->was != WAS_NOWHERE)
		return true;
	if (lane->topic->policy == POLICY_HALT)
		return fault_code(fault, FAULT_STOP, "bad-record",
		        "a bad record: %s/%d, offset %lld, SQLSTATE %s, constraint %s",
		        item->record->topic, (int)item->record->partition,
		        (long long)item->record->offset, sqlstate,
		        constraint[0] ? constraint : "-");
	if (breaker_failed(&apply->breaker, village_code, sqlstate, constraint,
	            lane->taken + (item - lane->items))
	        && conf_flag(apply->department->conf, "breaker")) {
		if (apply->doubt.kind != FAULT_NONE) {
			*fault = apply->doubt; /* it says more */
			return false;
		}
		return fault_code(fault, FAULT_STOP, "breaker",
		        "too many records fail alike, so the mapping or a table is "
		        "wrong: %s, SQLSTATE %s, constraint %s",
		        lane->topic->file, sqlstate, constraint[0] ? constraint : "-");
	}
	return true;
}

/* Back to before a range; the fault is kept, unless this fails too. */
static bool undo_range(struct apply *apply, struct lane *lane, struct fault *fault)
{
	struct fault own;

	lane->spoilt = true;
	buffer_reset(&apply->sql);
	if (table_run(apply->table, "ROLLBACK TO SAVEPOINT part", &own))
		return true;
	*fault = own;
	return false;
}

/*
 * A policy or a view may refuse a row by codes that else mean a wrong mapping or a
 * missing right. It is the row where others of its topic pass, and the mapping where
 * none does.
 */
static bool is_doubtful(const struct fault *fault)
{
	return fault->kind == FAULT_STOP && strlen(fault->code) == 5
	       && strncmp(fault->code, "KT", 2) != 0
	       && strncmp(fault->code, "XX", 2) != 0
	       && strncmp(fault->code, "58", 2) != 0;
}

static bool expects_conflict(const struct apply *apply, const struct fault *fault)
{
	return apply->may_conflict
	       && (strcmp(fault->code, "23505") == 0
	               || strcmp(fault->code, "23P01") == 0);
}

/* A type that changed under a COPY (22P03), and a table that did (KT004). */
static bool has_changed(const struct fault *fault)
{
	return strncmp(fault->code, "22P0", 4) == 0
	       || strcmp(fault->code, "KT004") == 0;
}

static bool is_refusal(struct apply *apply, const struct fault *fault)
{
	bool too_slow = apply->impatient && strcmp(fault->code, "57014") == 0;

	if (apply->by_copy) /* else the mapping has to say */
		return fault->kind == FAULT_REJECT && !has_changed(fault)
		       && !expects_conflict(apply, fault);
	if (fault->kind == FAULT_REJECT)
		return true;
	if (!is_doubtful(fault) && !too_slow)
		return false;
	apply->doubt = *fault;
	return true;
}

/* A COPY into a table that has changed is refused for that, not for the record. */
static bool is_its_own(
        struct apply *apply, const struct lane *lane, struct fault *fault)
{
	struct fault changed;

	if (!apply->by_copy || table_run(apply->table, lane->straight.guard, &changed))
		return true;
	*fault = changed;
	return false;
}

/*
 * Halve until a record that the tables refuse is alone; all others go on, in order.
 * What was refused whole and whose first half passed is refused in its second: that is
 * not tried again, so one bad record costs about the time of one batch more.
 */
static bool isolate(struct apply *apply, struct lane *lane, size_t from, size_t to,
        bool surely, size_t *refused, struct fault *fault)
{
	size_t middle = from + (to - from) / 2;
	size_t before = *refused;
	size_t rows;

	if (from == to)
		return true;
	if (!surely || to - from == 1) {
		if (map_range(apply, lane, from, to, &rows, fault)) {
			breaker_passed(&apply->breaker, (int64_t)rows);
			return true;
		}
		if (!is_refusal(apply, fault) || !undo_range(apply, lane, fault))
			return false;
	}
	if (to - from == 1) {
		++*refused;
		return is_its_own(apply, lane, fault)
		       && refuse(apply, lane, &lane->items[from], fault);
	}
	return isolate(apply, lane, from, middle, false, refused, fault)
	       && isolate(apply, lane, middle, to, *refused == before, refused, fault);
}

/*
 * Each record by itself, as each half of a batch would take too long again. Where
 * several do and none passes, it is the database.
 */
static bool map_singly(struct apply *apply, struct lane *lane, struct fault *fault)
{
	size_t refused = 0;

	for (size_t i = 0; i < lane->item_count; i++) {
		if (!isolate(apply, lane, i, i + 1, true, &refused, fault))
			return false;
		if (refused >= SLOW_ALL && lane->mapped == 0
		        && apply->doubt.kind != FAULT_NONE)
			break;
	}
	return true;
}

/* Lanes that have something for the mapping. */
static size_t count_mapped(const struct apply *apply)
{
	size_t count = 0;

	for (size_t i = 0; i < apply->batch.lane_count; i++)
		count += apply->batch.lanes[i].mapped > 0;
	return count;
}

/* refused_whole: all at once was just tried. */
static bool map_apart(struct apply *apply, bool refused_whole, struct fault *fault)
{
	bool alone = refused_whole && count_mapped(apply) == 1;

	buffer_append_text(&apply->sql, "SET CONSTRAINTS ALL IMMEDIATE;");
	if (!form_rows(apply, apply->by_copy, fault) || !apply_send(apply, fault))
		return false;
	for (size_t i = 0; i < apply->batch.lane_count; i++) {
		struct lane *lane = &apply->batch.lanes[i];
		bool surely = alone && lane->mapped > 0;
		size_t refused = 0;

		lane->mapped = 0;
		fault_clear(&apply->doubt);
		if (!(apply->impatient ? map_singly(apply, lane, fault)
		                       : isolate(apply, lane, 0, lane->item_count,
		                               surely, &refused, fault)))
			return false;
		if (apply->doubt.kind != FAULT_NONE && lane->mapped == 0) {
			*fault = apply->doubt;
			return false;
		}
		if (apply->by_copy && lane->mapped > 0)
			buffer_append_text(&apply->sql, lane->straight.guard);
	}
	return true;
}

/* The transaction */

/* What became of the records: numbers, dead letters, those that wait. */
static bool put_account(
        struct apply *apply, const struct apply_frame *frame, struct fault *fault)
{
	struct buffer *text = &apply->text;
	bool any;

	batch_moves(&apply->batch, &apply->sql);
	buffer_reset(text);
	if (!batch_letters(&apply->batch, &any, text, fault)
	        || (any && !apply_call(apply, "set_aside", buffer_bytes(text), fault)))
		return false;
	buffer_reset(text);
	if (batch_waiting(&apply->batch, text)
	        && (!apply_call(apply, "park", buffer_bytes(text), fault)
	                || (frame->end == NULL /* else kentongan.settle() looks */
	                        && !apply_call(apply, "nothing_waits_alone",
	                                buffer_bytes(text), fault))))
		return false;
	for (size_t i = 0; i < apply->batch.lane_count; i++) {
		const struct lane *lane = &apply->batch.lanes[i];

		if (lane->taken < BREAKER_NEW_UNTIL && lane->mapped > 0)
			buffer_format(&apply->sql,
			        "SELECT kentongan.mapping_took('%s', '%s', %zu);",
			        lane->topic->topic->topic, lane->fingerprint,
			        lane->mapped);
	}
	return buffer_ok(text, fault);
}

/*
 * The ways of a batch into the tables, from the fastest on. A refusal tells which comes
 * next; the last one knows of each record what became of it.
 */
enum way {
	WAY_STRAIGHT, /* COPY into the tables themselves */
	WAY_PARTS,    /* the same, halved, until what they refuse is alone */
	WAY_WHOLE,    /* everything through the mappings at once */
	WAY_APART,    /* halved, until what they refuse is alone */
	WAY_NONE,
};

static bool map_batch(
        struct apply *apply, enum way way, bool refused_whole, struct fault *fault)
{
	switch (way) {
	case WAY_STRAIGHT:
		return map_straight(apply, fault);
	case WAY_WHOLE:
		apply->by_copy = false;
		return map_whole(apply, fault);
	case WAY_PARTS:
	case WAY_APART:
		apply->by_copy = way == WAY_PARTS;
		return map_apart(apply, refused_whole, fault);
	case WAY_NONE:
		break;
	}
	return false;
}

/*
 * The transaction, up to what is to be sent last: all of it where the way is straight,
 * since nothing in it hangs on an answer.
 */
static bool compose(struct apply *apply, const struct apply_frame *frame, enum way way,
        struct fault *fault)
{
	buffer_reset(&apply->sql);
	buffer_append_text(&apply->sql, "BEGIN;");
	if (!frame->begin(apply, frame->context, fault)
	        || !map_batch(apply, way, !frame->apart, fault)
	        || !put_account(apply, frame, fault)
	        || (frame->end != NULL && !frame->end(apply, frame->context, fault)))
		return false;
	buffer_append_text(&apply->sql, frame->roll_back ? "ROLLBACK;" : "COMMIT;");
	return true;
}

/*
 * Send what was composed for the straight way, with its rows, and do not wait. The rows
 * change places with those of the batch before, which is over.
 */
static bool launch(struct apply *apply, struct fault *fault)
{
	size_t count = 0;
	bool ok;

	apply->may_conflict = false;
	for (size_t i = 0; i < apply->batch.lane_count; i++) {
		struct lane *lane = &apply->batch.lanes[i];
		struct buffer rows = lane->rows;

		lane->flown = lane->mapped;
		if (lane->mapped == 0)
			continue;
		lane->rows = lane->straight.rows;
		lane->straight.rows = rows;
		apply->copies[count++] = buffer_bytes(&rows);
		apply->may_conflict |= lane->straight.conflicts;
	}
	buffer_append_byte(&apply->sql, 0);
	ok = buffer_ok(&apply->sql, fault)
	     && table_launch(apply->table, (char *)apply->sql.data, apply->copies,
	             count, fault);
	buffer_reset(&apply->sql);
	return ok;
}

/* Of a batch that did not arrive: parts of it go next. */
static void take_rows_back(struct apply *apply)
{
	for (size_t i = 0; i < apply->batch.lane_count; i++) {
		struct lane *lane = &apply->batch.lanes[i];
		struct buffer rows = lane->rows;

		if (lane->flown == 0)
			continue;
		lane->rows = lane->straight.rows;
		lane->straight.rows = rows;
	}
}

static bool touch_down(struct apply *apply, struct fault *fault)
{
	size_t rows = 0;

	if (!table_land(apply->table, fault))
		return false;
	for (size_t i = 0; i < apply->batch.lane_count; i++)
		rows += apply->batch.lanes[i].flown;
	breaker_passed(&apply->breaker, (int64_t)rows);
	apply->straights++;
	apply->detours = 0;
	return true;
}

static bool run_once(struct apply *apply, const struct apply_frame *frame, enum way way,
        struct fault *fault)
{
	if (!compose(apply, frame, way, fault))
		return false;
	if (way != WAY_STRAIGHT)
		return apply_send(apply, fault);
	if (launch(apply, fault) && touch_down(apply, fault))
		return true;
	take_rows_back(apply);
	return false;
}

/*
 * All or none: between mappings one may read the batch of another, and those that go
 * straight have none.
 */
static bool all_go_straight(const struct apply *apply)
{
	for (size_t i = 0; i < apply->batch.lane_count; i++) {
		const struct lane *lane = &apply->batch.lanes[i];

		if (lane->straight.copy == NULL
		        && count_rows(lane, 0, lane->item_count) > 0)
			return false;
	}
	return true;
}

static enum way first_way(struct apply *apply, const struct apply_frame *frame)
{
	if (frame->apart)
		return WAY_APART;
	if (!frame->straight || !all_go_straight(apply))
		return WAY_WHOLE;
	return apply->detour > 0 ? WAY_WHOLE : WAY_STRAIGHT;
}

/* The mapping itself has to say; where one batch meets its like, the next ones will. */
static enum way take_detour(struct apply *apply)
{
	enum { MOST = 256 };

	apply->detours = apply->detours == 0 ? 1 : apply->detours * 2;
	if (apply->detours > MOST)
		apply->detours = MOST;
	apply->detour = apply->detours + 1; /* this one, too */
	return WAY_WHOLE;
}

static enum way next_way(struct apply *apply, enum way way, const struct fault *fault)
{
	bool is_refused = fault->kind == FAULT_REJECT || is_doubtful(fault);
	bool is_else = has_changed(fault) || is_doubtful(fault)
	               || expects_conflict(apply, fault);

	if (way == WAY_STRAIGHT && is_else)
		return take_detour(apply);
	if (way == WAY_PARTS && is_else)
		(void)take_detour(apply);
	if (!is_refused && !(way == WAY_PARTS && is_else))
		return WAY_NONE;
	switch (way) {
	case WAY_STRAIGHT:
		return WAY_PARTS;
	case WAY_PARTS:
	case WAY_WHOLE:
		return WAY_APART;
	case WAY_APART:
	case WAY_NONE:
		break;
	}
	return WAY_NONE;
}

/* At the end of a detour a table may be another than it was before. */
static bool go_on_detour(struct apply *apply, struct fault *fault)
{
	if (apply->detour == 0 || --apply->detour > 0)
		return true;
	if (!form_rows(apply, false, fault))
		return false;
	for (size_t i = 0; i < apply->batch.lane_count; i++)
		if (!find_straight(apply, &apply->batch.lanes[i], fault)) {
			apply->detour = 1; /* the next batch asks again */
			return false;
		}
	return true;
}

static bool run_batch(
        struct apply *apply, const struct apply_frame *frame, struct fault *fault)
{
	struct breaker before = apply->breaker;
	enum way way = first_way(apply, frame);
	struct fault ignored;

	apply->impatient = frame->impatient;
	while (!run_once(apply, frame, way, fault)) {
		enum way next = next_way(apply, way, fault);

		spoil_tables(apply, true);
		apply->breaker = before;
		if (way == WAY_APART && fault->kind == FAULT_REJECT)
			fault->kind = FAULT_STOP; /* refused by COMMIT itself */
		if (next == WAY_NONE || !table_run(apply->table, "ROLLBACK", &ignored))
			return false;
		way = next;
	}
	spoil_tables(apply, frame->roll_back); /* a COMMIT empties them */
	for (size_t i = 0; i < apply->batch.lane_count; i++)
		apply->batch.lanes[i].taken += (int64_t)apply->batch.lanes[i].mapped;
	return true;
}

static bool prepare_batch(struct apply *apply, struct fault *fault)
{
	return apply_learn(apply, fault) && batch_place(&apply->batch, fault)
	       && go_on_detour(apply, fault);
}

bool apply_batch(
        struct apply *apply, const struct apply_frame *frame, struct fault *fault)
{
	return prepare_batch(apply, fault) && run_batch(apply, frame, fault);
}

/* Nothing is set aside or waits, which would have to be told of before it is so. */
static bool is_smooth(const struct apply *apply)
{
	for (size_t i = 0; i < apply->batch.lane_count; i++) {
		const struct lane *lane = &apply->batch.lanes[i];

		for (size_t j = 0; j < lane->item_count; j++)
			if (lane->items[j].fate == FATE_DEAD
			        || lane->items[j].fate == FATE_PARKED)
				return false;
	}
	return true;
}

/* Compose the batch if it is to fly. */
static bool make_ready(
        struct apply *apply, const struct apply_frame *frame, struct fault *fault)
{
	if (first_way(apply, frame) != WAY_STRAIGHT || !is_smooth(apply))
		return true;
	apply->batch.composed = compose(apply, frame, WAY_STRAIGHT, fault);
	return apply->batch.composed;
}

bool apply_ready(
        struct apply *apply, const struct apply_frame *frame, struct fault *fault)
{
	if (apply->grounded > 0 || apply->detour > 0 || batch_asks(&apply->batch))
		return true;
	return batch_place(&apply->batch, fault) && make_ready(apply, frame, fault);
}

bool apply_launch(struct apply *apply, const struct apply_frame *frame, bool *flies,
        struct fault *fault)
{
	bool grounded = apply->grounded > 0;

	*flies = false;
	apply->grounded -= grounded;
	if (!apply->batch.composed
	        && (!prepare_batch(apply, fault)
	                || (!grounded && !make_ready(apply, frame, fault))))
		return false;
	if (!apply->batch.composed)
		return run_batch(apply, frame, fault);
	*flies = launch(apply, fault);
	return *flies;
}

void apply_push(struct apply *apply)
{
	table_push(apply->table);
}

bool apply_has_landed(struct apply *apply)
{
	return table_has_landed(apply->table);
}

bool apply_land(struct apply *apply, struct fault *fault)
{
	enum { GROUNDED = 16 };

	if (touch_down(apply, fault)) {
		for (size_t i = 0; i < apply->batch.lane_count; i++)
			apply->batch.lanes[i].taken +=
			        (int64_t)apply->batch.lanes[i].flown;
		return true;
	}
	apply->grounded = GROUNDED;
	if (next_way(apply, WAY_STRAIGHT, fault) != WAY_NONE)
		fault_code(fault, FAULT_RETRY, "again",
		        "a batch was refused; it is taken apart");
	return false;
}
