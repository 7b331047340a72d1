/* SPDX-License-Identifier: MIT */
/*
 * The reader has no group, so that it disturbs no sink. It begins with the last day,
 * decodes by plan, and masks: what the schema does not call harmless leaves as dots.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "event/envelope.h"
#include "event/plan.h"
#include "monitor.h"
#include "port/topic_consumer.h"

enum { RECORDS = 1000, READ_MS = 100, PARTITIONS = 512, RETRY_MS = 1000 };

#define DAY_US (INT64_C(24) * 3600 * 1000000)

struct reader {
	const struct conf *conf;
	const struct catalog *catalog;
	struct board *board;
	struct loop *loop;
	struct consumer *consumer;
	struct plan **plans; /* by index of the catalog's schemas */
	struct cell *cells;
	struct buffer scratch;
	struct buffer json;
	struct topic_record records[RECORDS];
	pthread_t thread;
	bool has_thread;
	atomic_bool ending;
};

static const struct plan *find_plan(const struct reader *reader, int32_t id)
{
	for (size_t i = 0; i < reader->catalog->schema_count; i++)
		if (reader->catalog->schemas[i].id == id)
			return reader->plans[i];
	return NULL;
}

static void put_masked(
        const struct column *column, const struct cell *cell, struct buffer *out)
{
	bool harmless = strcmp(column->pii, "none") == 0;

	buffer_append_byte(out, ',');
	buffer_append_json(out, bytes_of(column->name));
	buffer_append_byte(out, ':');
	if (harmless || cell->is_null)
		cell_json(column, cell, out);
	else
		buffer_append_text(out, "\"\xE2\x80\xA2\xE2\x80\xA2\xE2\x80\xA2\"");
}

static void put_place(const struct reader *reader, const struct topic_record *record,
        size_t topic, struct buffer *out)
{
	char appended[CLOCK_TEXT_BYTES];

	clock_format(record->appended_at_us, appended);
	buffer_format(out,
	        "{\"topic\":\"%s\",\"partition\":%d,\"offset\":%lld,\"appended_at\":\"%"
	        "s\","
	        "\"record\":\"%s\"",
	        record->topic, (int)record->partition, (long long)record->offset,
	        appended, reader->catalog->topics[topic].record);
}

/* False: the record is not one of ours; the board is told so all the same. */
static bool decode(struct reader *reader, const struct topic_record *record,
        struct board_event *event)
{
	const struct plan *plan;
	const struct column *columns;
	struct fault fault;
	struct bytes value;
	struct head head;
	size_t count;
	int32_t id;

	if (!envelope_unframe(record->value, &id, &value, &fault))
		return false;
	plan = find_plan(reader, id);
	if (plan == NULL
	        || !plan_decode(plan, value, reader->cells, &reader->scratch, &fault))
		return false;
	plan_head(plan, reader->cells, &head);
	columns = plan_columns(plan, &count);
	for (size_t i = 0; i < count; i++)
		put_masked(&columns[i], &reader->cells[i], &reader->json);
	event->village_code = head.village_code;
	event->seq = head.seq;
	event->recorded_at_us = head.recorded_at_us;
	return true;
}

static void show(struct reader *reader, const struct topic_record *record)
{
	struct board_event event = { .appended_at_us = record->appended_at_us };

	while (event.topic < reader->catalog->topic_count
	        && strcmp(reader->catalog->topics[event.topic].topic, record->topic)
	                   != 0)
		event.topic++;
	if (event.topic == reader->catalog->topic_count)
		return;
	buffer_reset(&reader->json);
	put_place(reader, record, event.topic, &reader->json);
	event.undecodable = !decode(reader, record, &event);
	if (event.undecodable)
		buffer_append_text(&reader->json, ",\"undecodable\":true");
	buffer_append_byte(&reader->json, '}');
	if (reader->json.failed)
		return;
	event.json = buffer_bytes(&reader->json);
	board_add(reader->board, &event);
}

/* Where each partition was a day ago. */
static bool find_places(struct reader *reader, struct topic_place *places,
        size_t *count, struct fault *fault)
{
	*count = 0;
	for (size_t i = 0; i < reader->catalog->topic_count; i++) {
		const char *topic = reader->catalog->topics[i].topic;
		int32_t partitions;

		if (!consumer_partitions(reader->consumer, topic, &partitions, fault))
			return false;
		if (partitions == 0)
			return fault_set(fault, FAULT_RETRY,
			        "topic %s does not exist yet", topic);
		for (int32_t at = 0; at < partitions && *count < PARTITIONS; at++)
			places[(*count)++] = (struct topic_place){ topic, at, 0 };
	}
	if (!consumer_offsets_at(
	            reader->consumer, clock_wall_us() - DAY_US, places, *count, fault))
		return false;
	for (size_t i = 0; i < *count; i++) {
		int64_t low;

		if (places[i].offset < 0
		        && !consumer_bounds(reader->consumer, places[i].topic,
		                places[i].partition, &low, &places[i].offset, fault))
			return false;
	}
	return true;
}

static bool begin(struct reader *reader, struct fault *fault)
{
	struct topic_place places[PARTITIONS];
	size_t count;

	return find_places(reader, places, &count, fault)
	       && consumer_start(reader->consumer, places, count, fault);
}

static void read_some(struct reader *reader, bool *running)
{
	struct fault fault = { 0 };
	size_t count;
	enum consumer_news news = consumer_read(reader->consumer, READ_MS,
	        reader->records, RECORDS, SIZE_MAX, &count, &fault);

	if (news == NEWS_FAULT) {
		log_warn(NULL, "reading again from the last day: %s", fault.text);
		*running = false;
		return;
	}
	for (size_t i = 0; i < count; i++)
		show(reader, &reader->records[i]);
	consumer_release(reader->consumer, reader->records, count);
	if (count > 0)
		loop_wake(reader->loop);
}

static void pause_ms(const struct reader *reader, int ms)
{
	struct timespec slice = { .tv_nsec = 50000000 };

	for (; ms > 0 && !atomic_load(&reader->ending); ms -= 50)
		nanosleep(&slice, NULL);
}

static void *read_topics(void *context)
{
	struct reader *reader = context;
	struct fault fault = { 0 };
	bool running = false;
	bool told = false;

	while (!atomic_load(&reader->ending)) {
		if (running) {
			read_some(reader, &running);
			continue;
		}
		running = begin(reader, &fault);
		if (!running && !told)
			log_fault(NULL, "waiting", &fault);
		told = !running;
		if (!running)
			pause_ms(reader, RETRY_MS);
	}
	return NULL;
}

static bool compile(struct reader *reader, struct fault *fault)
{
	static const struct plan_grant all = { .everything = true };
	const struct catalog *catalog = reader->catalog;
	size_t most = 1;

	reader->plans = calloc(catalog->schema_count, sizeof *reader->plans);
	if (reader->plans == NULL)
		return fault_memory(fault);
	for (size_t i = 0; i < catalog->schema_count; i++) {
		const struct schema *schema = catalog->schemas[i].schema;
		size_t count;

		if (!plan_compile(&reader->plans[i], schema, schema, &all, fault))
			return fault_wrap(fault, "%s", catalog->schemas[i].file);
		plan_columns(reader->plans[i], &count);
		most = count > most ? count : most;
	}
	reader->cells = calloc(most, sizeof *reader->cells);
	return reader->cells != NULL || fault_memory(fault);
}

bool reader_open(struct reader **out, const struct conf *conf,
        const struct catalog *catalog, struct board *board, struct loop *loop,
        struct fault *fault)
{
	struct reader *reader = calloc(1, sizeof *reader);

	if (reader == NULL)
		return fault_memory(fault);
	*out = reader;
	reader->conf = conf;
	reader->catalog = catalog;
	reader->board = board;
	reader->loop = loop;
	if (!compile(reader, fault)
	        || !consumer_open(&reader->consumer, conf, NULL, fault))
		return false;
	reader->has_thread =
	        pthread_create(&reader->thread, NULL, read_topics, reader) == 0;
	return reader->has_thread || fault_memory(fault);
}

void reader_close(struct reader **reader)
{
	struct reader *old = *reader;

	if (old == NULL)
		return;
	atomic_store(&old->ending, true);
	if (old->has_thread)
		pthread_join(old->thread, NULL);
	consumer_close(&old->consumer);
	for (size_t i = 0; old->plans != NULL && i < old->catalog->schema_count; i++)
		plan_close(&old->plans[i]);
	free(old->plans);
	free(old->cells);
	buffer_clear(&old->scratch);
	buffer_clear(&old->json);
	free(old);
	*reader = NULL;
}
