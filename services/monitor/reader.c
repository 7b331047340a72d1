/* SPDX-License-Identifier: MIT */
/*
 * The reader has no group, so that it disturbs no sink. It begins with the last day and
 * hands on what it reads as JSON, masked.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "event/mask.h"
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
	struct mask *mask;
	struct buffer json;
	struct topic_record records[RECORDS];
	pthread_t thread;
	bool has_thread;
	atomic_bool ending;
};

static bool find_topic(
        const struct catalog *catalog, const char *topic, size_t *out_index)
{
	for (size_t i = 0; i < catalog->topic_count; i++)
		if (strcmp(catalog->topics[i].topic, topic) == 0) {
			*out_index = i;
			return true;
		}
	return false;
}

/* A record that is none of ours is shown too, as such. */
static void show(struct reader *reader, const struct topic_record *record)
{
	struct board_event event = { .appended_at_us = record->appended_at_us };
	struct mask_place place = { record->topic, record->partition, record->offset,
		record->appended_at_us };
	struct head head = { 0 };
	struct fault fault;

	if (!find_topic(reader->catalog, record->topic, &event.topic))
		return;
	event.undecodable = !mask_decode(reader->mask, record->value, &head, &fault);
	event.village_code = head.village_code;
	event.seq = head.seq;
	event.recorded_at_us = head.recorded_at_us;
	buffer_reset(&reader->json);
	mask_append(reader->mask, &place, VIEW_MASKED, &reader->json);
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
	if (!mask_open(&reader->mask, catalog, fault)
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
	mask_close(&old->mask);
	buffer_clear(&old->json);
	free(old);
	*reader = NULL;
}
