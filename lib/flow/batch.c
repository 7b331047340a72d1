/* SPDX-License-Identifier: MIT */
/*
 * Streams are kept in a table by village, incarnation and topic, from batch to batch.
 * A record is decoded in the first pass only as far as its row: the row's bytes are
 * kept, the number is placed in the second pass, when its stream is known.
 */
#include "flow/batch_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/format.h"
#include "event/identity.h"
#include "port/table.h"

static const char void_record[] = "id.go.jember.desa.Void";

const char *dead_class_name(enum dead_class class)
{
	static const char *const names[DEAD_CLASSES] = { "framing", "unknown-schema",
		"decode", "origin", "sequence", "data" };

	return names[class];
}

/* Opening */

static void take_fingerprint(struct lane *lane)
{
	struct bytes sql = bytes_of(lane->topic->sql);
	uint8_t digest[DIGEST_BYTES];

	digest_of(&sql, 1, digest);
	digest_hex(digest, lane->fingerprint);
}

static bool compile_lane(struct batch *batch, struct lane *lane, struct fault *fault)
{
	const struct catalog *catalog = batch->catalog;
	const struct catalog_schema *newest = lane->topic->topic->newest;

	lane->plans = calloc(catalog->schema_count, sizeof(struct plan *));
	if (lane->plans == NULL)
		return fault_memory(fault);
	for (size_t i = 0; i < catalog->schema_count; i++) {
		const struct catalog_schema *writer = &catalog->schemas[i];

		if (strcmp(writer->subject, newest->subject) != 0)
			continue;
		if (!plan_compile(&lane->plans[i], writer->schema, newest->schema,
		            &lane->topic->grant, fault))
			return fault_wrap(fault, "%s", lane->topic->file);
		if (writer == newest)
			lane->newest = lane->plans[i];
	}
	lane->columns = plan_columns(lane->newest, &lane->column_count);
	department_batch_name(lane->topic->topic, lane->batch_name);
	take_fingerprint(lane);
	return true;
}

/* A void has a column that no head has: the topic of the stream whose number it takes.
 */
static size_t find_topic(const struct plan *plan)
{
	size_t count;
	const struct column *columns = plan_columns(plan, &count);
	size_t i = 0;

	while (i < count && strcmp(columns[i].name, "topic") != 0)
		i++;
	return i;
}

static bool compile_void(struct batch *batch, struct fault *fault)
{
	static const char *const columns[] = { "topic", NULL };
	static const struct plan_grant head_and_topic = { .columns = columns };

	for (size_t i = 0; i < batch->catalog->schema_count; i++) {
		const struct catalog_schema *schema = &batch->catalog->schemas[i];

		if (strcmp(schema->subject, void_record) != 0)
			continue;
		batch->void_id = schema->id;
		plan_close(&batch->void_plan);
		if (!plan_compile(&batch->void_plan, schema->schema, schema->schema,
		            &head_and_topic, fault))
			return fault_wrap(fault, "%s", schema->file);
		batch->void_topic = find_topic(batch->void_plan);
	}
	return true;
}

bool batch_open(struct batch *batch, const struct department *department,
        const struct catalog *catalog, struct fault *fault)
{
	size_t most = 32;

	batch->catalog = catalog;
	batch->village = format_find("village-code");
	batch->keep_values = conf_flag(department->conf, "keep_values");
	batch->begins_late = department->start != START_EARLIEST;
	batch->order_wait_ms = conf_number(department->conf, "order_wait_ms");
	batch->lane_count = department->topic_count;
	batch->lanes = calloc(batch->lane_count, sizeof *batch->lanes);
	if (batch->lanes == NULL)
		return fault_memory(fault);
	for (size_t i = 0; i < batch->lane_count; i++) {
		batch->lanes[i].topic = &department->topics[i];
		if (!compile_lane(batch, &batch->lanes[i], fault))
			return false;
		if (batch->lanes[i].column_count > most)
			most = batch->lanes[i].column_count;
	}
	batch->cells = calloc(most, sizeof *batch->cells);
	return batch->cells != NULL ? compile_void(batch, fault) : fault_memory(fault);
}

static void stream_free(struct stream *stream)
{
	place_clear(&stream->place);
	free(stream);
}

static void forget_streams(struct batch *batch)
{
	for (size_t i = 0; i < STREAM_BUCKETS; i++) {
		while (batch->streams[i] != NULL) {
			struct stream *next = batch->streams[i]->next;

			stream_free(batch->streams[i]);
			batch->streams[i] = next;
		}
	}
	batch->touched_count = 0;
}

void batch_forget(struct batch *batch)
{
	forget_streams(batch);
	cases_clear(&batch->awaiting);
	earlier_clear(&batch->earlier);
	for (size_t i = 0; i < batch->lane_count && batch->lanes != NULL; i++)
		cases_clear(&batch->lanes[i].held);
}

void batch_close(struct batch *batch)
{
	if (batch->lanes != NULL)
		batch_reset(batch);
	batch_forget(batch);
	for (size_t i = 0; i < batch->lane_count && batch->lanes != NULL; i++) {
		struct lane *lane = &batch->lanes[i];

		for (size_t j = 0; lane->plans && j < batch->catalog->schema_count; j++)
			plan_close(&lane->plans[j]);
		for (size_t j = 0; j < lane->newcomer_count; j++)
			plan_close(&lane->newcomers[j].plan);
		straight_forget(&lane->straight);
		free(lane->newcomers);
		free(lane->plans);
		free(lane->items);
		buffer_clear(&lane->rows);
		buffer_clear(&lane->texts);
	}
	free(batch->lanes);
	free(batch->touched);
	free(batch->cells);
	plan_close(&batch->void_plan);
	buffer_clear(&batch->scratch);
	buffer_clear(&batch->key);
	*batch = (struct batch){ 0 };
}

void batch_reset(struct batch *batch)
{
	batch->placed = batch->composed = false;
	for (size_t i = 0; i < batch->lane_count; i++) {
		for (size_t j = 0; j < batch->lanes[i].item_count; j++)
			free(batch->lanes[i].items[j].refusal);
		batch->lanes[i].item_count = 0;
		batch->lanes[i].mapped = 0;
		for (size_t j = 0; j < batch->lanes[i].newcomer_count; j++)
			batch->lanes[i].newcomers[j].met = false;
		buffer_reset(&batch->lanes[i].rows);
		buffer_reset(&batch->lanes[i].texts);
	}
}

struct lane *batch_lane(struct batch *batch, const char *topic)
{
	for (size_t i = 0; i < batch->lane_count; i++)
		if (strcmp(batch->lanes[i].topic->topic->topic, topic) == 0)
			return &batch->lanes[i];
	return NULL;
}

/* Streams */

static struct stream *stream_new(
        const struct head *head, const uint8_t life[16], const char *topic)
{
	static const uint8_t none[16];
	struct stream *stream = calloc(1, sizeof *stream);

	if (stream == NULL)
		return NULL;
	stream->topic = topic;
	snprintf(stream->village_code, sizeof stream->village_code, "%.*s",
	        (int)head->village_code.size, (const char *)head->village_code.data);
	memcpy(stream->life, life, sizeof stream->life);
	if (memcmp(life, none, sizeof none) != 0)
		identity_format(life, stream->incarnation);
	return stream;
}

static bool touch(struct batch *batch, struct stream *stream, struct fault *fault)
{
	if (stream->touched)
		return true;
	if (batch->touched_count == batch->touched_room) {
		size_t room = batch->touched_room ? batch->touched_room * 2 : 64;
		struct stream **touched =
		        realloc(batch->touched, room * sizeof *touched);

		if (touched == NULL)
			return fault_memory(fault);
		batch->touched = touched;
		batch->touched_room = room;
	}
	stream->touched = true;
	batch->touched[batch->touched_count++] = stream;
	return true;
}

/* The end of a UUID is drawn by lot: a hash by itself. */
static struct stream **bucket_of(
        struct batch *batch, struct bytes village_code, const uint8_t life[16])
{
	uint64_t lot;

	memcpy(&lot, life + 8, sizeof lot);
	return &batch->streams[(cases_hash(village_code) ^ lot) % STREAM_BUCKETS];
}

/* The same identity may be written in small and in capital letters. */
static struct stream *find_stream(struct batch *batch, const struct head *head,
        const char *topic, struct fault *fault)
{
	uint8_t life[16];
	struct stream **bucket;
	struct stream *stream;

	if (!identity_parse(head->incarnation, life))
		memset(life, 0, sizeof life);
	bucket = bucket_of(batch, head->village_code, life);
	for (stream = *bucket; stream != NULL; stream = stream->next)
		if (memcmp(stream->life, life, sizeof life) == 0
		        && stream->topic == topic
		        && bytes_equal_text(head->village_code, stream->village_code))
			break;
	if (stream == NULL) {
		stream = stream_new(head, life, topic);
		if (stream == NULL) {
			fault_memory(fault);
			return NULL;
		}
		stream->next = *bucket;
		*bucket = stream;
	}
	return touch(batch, stream, fault) ? stream : NULL;
}

/* First pass */

static struct item *add_item(struct lane *lane, struct topic_record *record)
{
	struct item *items;

	if (lane->item_count == lane->item_room) {
		size_t room = lane->item_room ? lane->item_room * 2 : 256;

		items = realloc(lane->items, room * sizeof *items);
		if (items == NULL)
			return NULL;
		lane->items = items;
		lane->item_room = room;
	}
	lane->items[lane->item_count] = (struct item){ .record = record };
	return &lane->items[lane->item_count++];
}

bool batch_set_aside(struct item *item, const struct refusal *why, struct fault *fault)
{
	if (item->refusal == NULL)
		item->refusal = malloc(sizeof *item->refusal);
	if (item->refusal == NULL)
		return fault_memory(fault);
	*item->refusal = *why;
	item->fate = FATE_DEAD;
	return true;
}

const struct refusal *batch_refusal(const struct item *item)
{
	static const struct refusal none;

	return item->refusal ? item->refusal : &none;
}

/* Whether a row has a cell: the i-th of those of the batch table. */
static bool has_cell(const struct lane *lane, size_t i)
{
	return !lane->narrow || lane->straight.wanted[i];
}

static void put_row(struct lane *lane, const struct batch *batch, struct item *item)
{
	const struct topic_record *record = item->record;
	size_t count = lane->column_count + EXTRA_COLUMNS;
	struct cell extra[EXTRA_COLUMNS] = {
		[EXTRA_TOPIC] = { .bytes = bytes_of(record->topic) },
		[EXTRA_PARTITION] = { .integer = record->partition },
		[EXTRA_OFFSET] = { .integer = record->offset },
		[EXTRA_APPENDED_AT] = { .integer = record->appended_at_us },
		[EXTRA_LATE] = { .integer = item->late },
	};

	item->row_start = lane->rows.size;
	table_row_begin(
	        &lane->rows, lane->narrow ? lane->straight.wanted_count : count);
	for (size_t i = 0; i < lane->column_count; i++)
		if (has_cell(lane, i))
			table_row_cell(
			        &lane->rows, &lane->columns[i], &batch->cells[i]);
	for (size_t i = 0; i < EXTRA_COLUMNS; i++)
		if (has_cell(lane, lane->column_count + i))
			table_row_cell(&lane->rows, &department_extra[i], &extra[i]);
	item->row_size = lane->rows.size - item->row_start;
}

/* A village's code, on its partition. What is none may hold anything. */
static bool is_village(const struct batch *batch, const struct topic_record *record)
{
	return record->key.size == VILLAGE_BYTES && batch->village->fits(record->key)
	       && envelope_partition(record->key, batch->catalog->modulus)
	                  == record->partition;
}

/* Key, partition and village agree, or somebody writes in another's name. */
static bool origin_agrees(const struct batch *batch, const struct topic_record *record,
        const struct head *head)
{
	return bytes_equal(record->key, head->village_code)
	       && is_village(batch, record);
}

/* A void names its stream, too: one that stands elsewhere takes a number of another. */
static bool is_astray(const struct batch *batch, const struct lane *lane)
{
	return !bytes_equal_text(
	        batch->cells[batch->void_topic].bytes, lane->topic->topic->topic);
}

static struct newcomer *find_newcomer(const struct lane *lane, int32_t id)
{
	for (size_t i = 0; i < lane->newcomer_count; i++)
		if (lane->newcomers[i].id == id)
			return &lane->newcomers[i];
	return NULL;
}

/* Remember an id that nobody here knows; where there is no room, it stays unknown. */
static void meet(struct lane *lane, int32_t id)
{
	enum { NEWCOMERS = 64 };
	struct newcomer *newcomer = find_newcomer(lane, id);

	if (lane->newcomers == NULL)
		lane->newcomers = calloc(NEWCOMERS, sizeof *lane->newcomers);
	if (newcomer == NULL && lane->newcomers != NULL
	        && lane->newcomer_count < NEWCOMERS) {
		newcomer = &lane->newcomers[lane->newcomer_count++];
		newcomer->id = id;
	}
	if (newcomer != NULL)
		newcomer->met = true;
}

bool batch_newcomer(
        struct batch *batch, size_t index, int32_t *id, const char **subject)
{
	for (size_t i = 0; i < batch->lane_count; i++) {
		const struct lane *lane = &batch->lanes[i];

		for (size_t j = 0; j < lane->newcomer_count; j++) {
			const struct newcomer *newcomer = &lane->newcomers[j];

			if (!newcomer->met || newcomer->plan != NULL || index-- > 0)
				continue;
			*id = newcomer->id;
			*subject = lane->topic->topic->newest->subject;
			return true;
		}
	}
	return false;
}

bool batch_know(struct batch *batch, const char *subject, int32_t id,
        const struct schema *schema, struct fault *fault)
{
	for (size_t i = 0; i < batch->lane_count; i++) {
		struct lane *lane = &batch->lanes[i];
		const struct catalog_schema *newest = lane->topic->topic->newest;
		struct newcomer *newcomer = find_newcomer(lane, id);

		if (newcomer != NULL && newcomer->plan == NULL
		        && strcmp(newest->subject, subject) == 0)
			return plan_compile(&newcomer->plan, schema, newest->schema,
			        &lane->topic->grant, fault);
	}
	return true;
}

static const struct plan *find_plan(
        const struct batch *batch, const struct lane *lane, int32_t id)
{
	const struct newcomer *newcomer = find_newcomer(lane, id);

	if (id == batch->void_id)
		return batch->void_plan;
	if (newcomer != NULL)
		return newcomer->plan;
	for (size_t i = 0; i < batch->catalog->schema_count; i++)
		if (batch->catalog->schemas[i].id == id)
			return lane->plans[i];
	return NULL;
}

static bool cannot_be(enum dead_class class, struct refusal *why, struct fault *fault)
{
	*why = (struct refusal){ .class = class };
	snprintf(why->reason, sizeof why->reason, "%.159s", fault->text);
	return false;
}

bool batch_decode(struct batch *batch, struct lane *lane,
        const struct topic_record *record, struct head *head, bool *is_void,
        struct refusal *why, struct fault *fault)
{
	const struct plan *plan;
	struct bytes value;
	int32_t id;

	if (!envelope_unframe(record->value, &id, &value, fault))
		return cannot_be(DEAD_FRAMING, why, fault);
	plan = find_plan(batch, lane, id);
	if (plan == NULL) {
		meet(lane, id);
		fault_set(fault, FAULT_REJECT,
		        "schema id %d is not one of this topic's in the catalog",
		        (int)id);
		return cannot_be(DEAD_UNKNOWN_SCHEMA, why, fault);
	}
	if (!plan_decode(plan, value, batch->cells, &batch->scratch, fault))
		return cannot_be(DEAD_DECODE, why, fault);
	plan_head(plan, batch->cells, head);
	*is_void = plan == batch->void_plan;
	return true;
}

/* A case's name that no gateway lets in holds nobody: it would not fit an index. */
static void note_case(struct lane *lane, struct item *item, struct bytes village_code,
        struct bytes case_id)
{
	if (village_code.size != VILLAGE_BYTES || case_id.size > CASE_MAX_BYTES)
		return;
	item->case_start = lane->texts.size;
	buffer_append(&lane->texts, village_code.data, village_code.size);
	buffer_append_byte(&lane->texts, ' ');
	buffer_append(&lane->texts, case_id.data, case_id.size);
	item->case_size = lane->texts.size - item->case_start;
}

struct bytes batch_case(const struct lane *lane, const struct item *item)
{
	return (struct bytes){ lane->texts.data + item->case_start, item->case_size };
}

/* Its number, for people and for not asking for it again; it is not counted. */
static void note_number(struct item *item)
{
	struct bytes text = consumer_header(item->record, "ce_sequence");
	int64_t seq = 0;

	for (size_t i = 0; i < text.size && seq < INT64_MAX / 100; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return;
		seq = seq * 10 + (text.data[i] - '0');
	}
	item->seq = seq;
}

/* A value that cannot be read has a case all the same, by its key and its headers. */
static bool place_by_headers(
        struct batch *batch, struct lane *lane, struct item *item, struct fault *fault)
{
	struct bytes key = item->record->key;
	struct bytes case_id = consumer_header(item->record, "ce_subject");

	if (!is_village(batch, item->record) || case_id.size == 0
	        || !bytes_is_text(case_id))
		return true;
	note_case(lane, item, key, case_id);
	note_number(item);
	item->holds = item->case_size > 0 && lane->topic->policy != POLICY_CONTINUE;
	return buffer_ok(&lane->texts, fault);
}

static const struct refusal stranger = { .class = DEAD_ORIGIN,
	.reason = "key, partition and village_code do not agree" };

static const struct refusal astray = { .class = DEAD_ORIGIN,
	.reason = "the void is one of another topic" };

bool batch_add(struct batch *batch, struct topic_record *record, struct fault *fault)
{
	struct lane *lane = batch_lane(batch, record->topic);
	struct item *item = add_item(lane, record);
	struct refusal why;
	struct head head;
	bool is_void;

	if (item == NULL)
		return fault_memory(fault);
	if (!batch_decode(batch, lane, record, &head, &is_void, &why, fault))
		return fault->kind == FAULT_REJECT && batch_set_aside(item, &why, fault)
		       && place_by_headers(batch, lane, item, fault);
	note_case(lane, item, head.village_code, head.case_id);
	if (!origin_agrees(batch, record, &head))
		return batch_set_aside(item, &stranger, fault);
	if (is_void && is_astray(batch, lane))
		return batch_set_aside(item, &astray, fault);
	item->seq = head.seq;
	item->recorded_at_us = head.recorded_at_us;
	item->stream = find_stream(batch, &head, lane->topic->topic->topic, fault);
	if (item->stream == NULL)
		return false;
	item->fate = is_void ? FATE_VOID : FATE_ROW;
	if (!is_void)
		put_row(lane, batch, item);
	return buffer_ok(&lane->rows, fault) && buffer_ok(&lane->texts, fault);
}

bool batch_learn(struct batch *batch, const char *village_code, const char *incarnation,
        const char *topic, int64_t first_seq, int64_t high_seq, const char *gaps,
        bool heir, struct fault *fault)
{
	struct head head = { .village_code = bytes_of(village_code),
		.incarnation = bytes_of(incarnation) };
	struct stream *stream = find_stream(batch, &head, topic, fault);

	if (stream == NULL)
		return false;
	stream->asked = true;
	stream->heir = heir;
	if (gaps == NULL)
		return true;
	stream->known = true;
	stream->place.first_seq = first_seq;
	stream->place.high_seq = stream->old_high = high_seq;
	return place_gaps_parse(&stream->place, gaps, fault);
}

/* Heirs */

static bool same_village(const struct stream *one, const struct stream *other)
{
	return one->topic == other->topic
	       && strcmp(one->village_code, other->village_code) == 0;
}

struct stream *batch_heir(struct batch *batch)
{
	struct stream *heir = NULL;

	for (size_t i = 0; i < batch->touched_count; i++) {
		struct stream *at = batch->touched[i];

		if (!at->heir || at->heir_ready
		        || (heir != NULL && !same_village(at, heir)))
			continue;
		at->heir_ready = true;
		heir = heir ? heir : at;
	}
	return heir;
}

/* Whose event it is; false: none that can be compared, or fault is FAULT_STOP. */
static bool read_event(struct batch *batch, struct lane *lane,
        struct topic_record *record, const char *village_code,
        struct earlier_event *out, struct fault *fault)
{
	struct refusal why;
	struct head head;
	bool is_void;

	*out = (struct earlier_event){ .topic = lane->topic->topic->topic,
		.offset = record->offset };
	return batch_decode(batch, lane, record, &head, &is_void, &why, fault)
	       && !is_void && bytes_equal_text(head.village_code, village_code)
	       && identity_parse(head.event_id, out->id)
	       && identity_parse(head.incarnation, out->incarnation);
}

bool batch_earlier(struct batch *batch, const struct stream *heir,
        struct topic_record *record, struct fault *fault)
{
	struct lane *lane = batch_lane(batch, record->topic);
	struct earlier_event event;

	if (!bytes_equal_text(record->key, heir->village_code))
		return true;
	fault_clear(fault);
	if (!read_event(batch, lane, record, heir->village_code, &event, fault))
		return fault->kind != FAULT_STOP;
	return earlier_add(&batch->earlier, &event, fault);
}

static bool is_twin(struct batch *batch, struct lane *lane, const struct item *item)
{
	struct earlier_event event;
	struct fault fault;

	return item->stream->heir && batch->earlier.count > 0
	       && read_event(batch, lane, item->record, item->stream->village_code,
	               &event, &fault)
	       && earlier_has(&batch->earlier, &event);
}

/* Second pass */

static const struct refusal jump = { .class = DEAD_SEQUENCE,
	.reason = "the number is too far from the others of its village" };

static bool place_item(
        struct batch *batch, struct item *item, struct lane *lane, struct fault *fault)
{
	struct stream *stream = item->stream;

	if (item->was != WAS_NOWHERE)
		return true;
	switch (place_of(&stream->place, item->seq)) {
	case PLACE_REPEAT:
		item->fate = FATE_REPEAT;
		return true;
	case PLACE_JUMP:
		item->stream =
		        NULL; /* the number has no place, so nothing is counted */
		return batch_set_aside(item, &jump, fault);
	case PLACE_LATE:
		if (batch->begins_late && item->seq < stream->place.first_seq) {
			item->fate = FATE_REPEAT; /* another department asked for it */
			return true;
		}
		item->late = true;
		/* The row's last byte is the value of its last column. */
		if (item->fate == FATE_ROW
		        && has_cell(lane, lane->column_count + EXTRA_LATE))
			lane->rows.data[item->row_start + item->row_size - 1] = 1;
		break;
	case PLACE_NEXT:
	case PLACE_GAP:
		break;
	}
	item->counts = true;
	if (item->fate == FATE_ROW && is_twin(batch, lane, item))
		item->fate = FATE_REPEAT; /* the number is new, the event is not */
	return place_take(&stream->place, item->seq, fault);
}

/* In order: what comes behind a held case waits, what cannot be read holds its own. */
static bool hold_item(struct lane *lane, struct item *item, struct fault *fault)
{
	if (item->case_size == 0)
		return true;
	if (item->fate == FATE_DEAD && item->holds)
		return cases_add(&lane->held, batch_case(lane, item), fault);
	if (item->fate == FATE_ROW && cases_has(&lane->held, batch_case(lane, item)))
		item->fate = FATE_PARKED;
	return true;
}

bool batch_asks(struct batch *batch)
{
	const char *subject;
	int32_t id;

	if (batch_newcomer(batch, 0, &id, &subject))
		return true;
	for (size_t i = 0; i < batch->touched_count; i++) {
		const struct stream *at = batch->touched[i];

		if (!at->asked || (at->heir && !at->heir_ready))
			return true;
	}
	return false;
}

bool batch_form_rows(
        struct batch *batch, struct lane *lane, bool narrow, struct fault *fault)
{
	struct refusal why;
	struct head head;
	bool is_void;

	if (lane->narrow == narrow)
		return true;
	lane->narrow = narrow;
	buffer_reset(&lane->rows);
	for (size_t i = 0; i < lane->item_count; i++) {
		struct item *item = &lane->items[i];

		if (item->fate != FATE_ROW)
			continue;
		if (!batch_decode(
		            batch, lane, item->record, &head, &is_void, &why, fault))
			return fault_set(fault, FAULT_STOP,
			        "a record cannot be read a second time");
		put_row(lane, batch, item);
	}
	return buffer_ok(&lane->rows, fault);
}

void batch_pack_rows(struct lane *lane)
{
	size_t end = 0;

	for (size_t i = 0; i < lane->item_count; i++) {
		struct item *item = &lane->items[i];

		if (item->fate != FATE_ROW)
			continue;
		if (item->row_start != end)
			memmove(lane->rows.data + end,
			        lane->rows.data + item->row_start, item->row_size);
		item->row_start = end;
		end += item->row_size;
	}
	lane->rows.size = end;
}

bool batch_place(struct batch *batch, struct fault *fault)
{
	if (batch->placed)
		return true;
	batch->placed = true;
	for (size_t i = 0; i < batch->lane_count; i++) {
		struct lane *lane = &batch->lanes[i];

		for (size_t j = 0; j < lane->item_count; j++) {
			struct item *item = &lane->items[j];

			if ((item->stream != NULL
			            && !place_item(batch, item, lane, fault))
			        || !hold_item(lane, item, fault))
				return false;
		}
	}
	return true;
}

/* The rows of a case that stand behind an item of it, and are not mapped yet, wait. */
static bool hold_behind(struct lane *lane, struct item *item, struct fault *fault)
{
	struct bytes key = batch_case(lane, item);

	if (lane->topic->policy == POLICY_CONTINUE)
		return true;
	item->holds = true;
	for (struct item *at = item + 1; at < lane->items + lane->item_count; at++)
		if (at->fate == FATE_ROW && bytes_equal(batch_case(lane, at), key))
			at->fate = FATE_PARKED;
	return cases_add(&lane->held, key, fault);
}

bool batch_refuse(struct batch *batch, struct lane *lane, struct item *item,
        const char *sqlstate, const char *constraint, struct fault *fault)
{
	bool refers = strcmp(sqlstate, "23503") == 0;
	bool too_slow = strcmp(sqlstate, "57014") == 0;
	struct refusal why = { .class = DEAD_DATA };

	snprintf(why.sqlstate, sizeof why.sqlstate, "%.7s", sqlstate);
	snprintf(why.constraint, sizeof why.constraint, "%.63s", constraint);
	snprintf(why.reason, sizeof why.reason, "%s",
	        refers     ? "what it refers to has not come"
	        : too_slow ? "the mapping takes too long for it"
	                   : "the department's tables refuse it");
	if (!batch_set_aside(item, &why, fault))
		return false;
	if (refers && batch->order_wait_ms > 0 && !item->overdue
	        && item->was != WAS_DEAD) {
		item->fate = FATE_PARKED;
		item->awaits = true;
		if (!cases_add(&batch->awaiting, batch_case(lane, item), fault))
			return false;
	}
	return hold_behind(lane, item, fault);
}

static bool put_case_text(
        const char *village_code, const char *case_id, struct buffer *out)
{
	buffer_reset(out);
	buffer_append_text(out, village_code);
	buffer_append_byte(out, ' ');
	buffer_append_text(out, case_id);
	return !out->failed;
}

bool batch_hold(struct batch *batch, const char *topic, const char *village_code,
        const char *case_id, bool awaits, struct fault *fault)
{
	struct lane *lane = batch_lane(batch, topic);

	if (lane == NULL || !put_case_text(village_code, case_id, &batch->key))
		return lane == NULL || fault_memory(fault);
	if (lane->topic->policy != POLICY_CONTINUE
	        && !cases_add(&lane->held, buffer_bytes(&batch->key), fault))
		return false;
	return (!awaits
	        || cases_add(&batch->awaiting, buffer_bytes(&batch->key), fault));
}

void batch_settle(struct batch *batch)
{
	while (batch->touched_count > 0) {
		struct stream *stream = batch->touched[--batch->touched_count];

		stream->touched = false;
		stream->known = stream->place.first_seq != 0;
		stream->old_high = stream->place.high_seq;
	}
}
