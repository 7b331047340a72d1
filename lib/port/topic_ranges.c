/* SPDX-License-Identifier: MIT */
/*
 * The library's older way to read, one partition at a time, keeps a queue for each with
 * a bound of its own. A partition whose queue is full is not fetched, and one that has
 * come to the end of its range is stopped, so that nothing beyond it is fetched either.
 */
#include "port/topic_ranges.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <librdkafka/rdkafka.h>

#include "port/topic_ask.h"
#include "port/topic_settings.h"

enum {
	TOPICS = 64,
	SLICE = 256,
	NUDGE_BYTES = 256 * 1024,
	LEAST_AHEAD = 32 * 1024,
	MOST_AHEAD = 1024 * 1024,
};

struct lane {
	const struct topic_range *range;
	rd_kafka_topic_t *topic;
	bool is_read; /* begun, and not at its end */
};

struct ranges {
	rd_kafka_t *rk;
	bool must_nudge;
	size_t taken; /* bytes since the last nudge */
	rd_kafka_topic_t *topics[TOPICS];
	size_t topic_count;
	struct lane *lanes;
	size_t count;
};

static const char *const promised[] = { "enable.auto.commit", "false",
	"auto.offset.reset", "error", "isolation.level", "read_committed",
	"enable.partition.eof", "true", NULL };

static bool range_settings(
        rd_kafka_conf_t *settings, size_t ahead_bytes, struct fault *fault)
{
	char queue_kbytes[24];
	char fetch_bytes[24];
	const char *const pairs[] = { "check.crcs", "true", "fetch.max.bytes",
		"1048576", "message.max.bytes", "262144", "fetch.wait.max.ms", "100",
		"reconnect.backoff.max.ms", "2000", "socket.nagle.disable", "true",
		"queued.max.messages.kbytes", queue_kbytes, "fetch.message.max.bytes",
		fetch_bytes, NULL };

	if (ahead_bytes < LEAST_AHEAD)
		ahead_bytes = LEAST_AHEAD;
	if (ahead_bytes > MOST_AHEAD)
		ahead_bytes = MOST_AHEAD;
	snprintf(queue_kbytes, sizeof queue_kbytes, "%zu", ahead_bytes / 1024);
	snprintf(fetch_bytes, sizeof fetch_bytes, "%zu", ahead_bytes);
	return topic_set(settings, promised, fault)
	       && topic_set(settings, pairs, fault);
}

static bool ranges_create(struct ranges *ranges, const struct conf *conf,
        size_t ahead_bytes, struct fault *fault)
{
	rd_kafka_conf_t *settings = rd_kafka_conf_new();
	char text[256];

	/* Known from librdkafka 2.2 on; without it, see nudge(). */
	ranges->must_nudge = rd_kafka_conf_set(settings, "fetch.queue.backoff.ms", "10",
	                             text, sizeof text)
	                     != RD_KAFKA_CONF_OK;
	if (!topic_refuse(conf, promised, fault)
	        || !range_settings(settings, ahead_bytes, fault)
	        || !topic_set_conf(settings, conf, fault)) {
		rd_kafka_conf_destroy(settings);
		return false;
	}
	ranges->rk = rd_kafka_new(RD_KAFKA_CONSUMER, settings, text, sizeof text);
	if (ranges->rk == NULL) {
		rd_kafka_conf_destroy(settings);
		return fault_set(fault, FAULT_STOP, "Kafka consumer: %s", text);
	}
	return true;
}

bool ranges_open(struct ranges **out, const struct conf *conf, size_t ahead_bytes,
        struct fault *fault)
{
	struct ranges *ranges = calloc(1, sizeof *ranges);

	if (ranges == NULL)
		return fault_memory(fault);
	if (!ranges_create(ranges, conf, ahead_bytes, fault)) {
		ranges_close(&ranges);
		return false;
	}
	*out = ranges;
	return true;
}

static void stop_lane(struct lane *lane)
{
	if (lane->is_read)
		rd_kafka_consume_stop(lane->topic, lane->range->partition);
	lane->is_read = false;
}

void ranges_close(struct ranges **ranges)
{
	struct ranges *old = *ranges;

	if (old == NULL)
		return;
	for (size_t i = 0; i < old->count; i++)
		stop_lane(&old->lanes[i]);
	for (size_t i = 0; i < old->topic_count; i++)
		rd_kafka_topic_destroy(old->topics[i]);
	if (old->rk != NULL)
		topic_end(old->rk, false);
	free(old->lanes);
	free(old);
	*ranges = NULL;
}

bool ranges_partitions(struct ranges *ranges, const char *topic, int32_t *out_count,
        struct fault *fault)
{
	return topic_partitions(ranges->rk, topic, out_count, fault);
}

/* Milliseconds, as the broker counts; what is left of one belongs to the next. */
static int64_t ms_of(int64_t time_us)
{
	return (time_us + 999) / 1000;
}

/* The ends are taken last: what came before them can only have grown since. */
static bool ask_offsets(struct ranges *ranges, int64_t from_us, int64_t to_us,
        struct topic_place *places, struct topic_range *list, size_t count,
        struct fault *fault)
{
	if (!topic_offsets(ranges->rk, TOPIC_BEGINNING, places, count, fault))
		return false;
	for (size_t i = 0; i < count; i++)
		list[i].low = places[i].offset;
	if (!topic_offsets(ranges->rk, ms_of(from_us), places, count, fault))
		return false;
	for (size_t i = 0; i < count; i++)
		list[i].first = places[i].offset;
	if (!topic_offsets(ranges->rk, ms_of(to_us), places, count, fault))
		return false;
	for (size_t i = 0; i < count; i++)
		list[i].end = places[i].offset;
	if (!topic_offsets(ranges->rk, TOPIC_END, places, count, fault))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (list[i].end < 0)
			list[i].end = places[i].offset;
		if (list[i].first < 0 || list[i].first > list[i].end)
			list[i].first = list[i].end;
	}
	return true;
}

bool ranges_find(struct ranges *ranges, int64_t from_us, int64_t to_us,
        struct topic_range *list, size_t count, struct fault *fault)
{
	struct topic_place *places = calloc(count + 1, sizeof *places);
	bool ok;

	if (places == NULL)
		return fault_memory(fault);
	for (size_t i = 0; i < count; i++)
		places[i] = (struct topic_place){ list[i].topic, list[i].partition, 0 };
	ok = count == 0
	     || ask_offsets(ranges, from_us, to_us, places, list, count, fault);
	free(places);
	return ok;
}

/* The ends come first: what is appended meanwhile is not before a time that was. */
bool ranges_offsets(struct ranges *ranges, int64_t time_us, struct topic_place *places,
        size_t count, struct fault *fault)
{
	int64_t *ends = calloc(count + 1, sizeof *ends);
	bool ok;

	if (ends == NULL)
		return fault_memory(fault);
	ok = topic_offsets(ranges->rk, TOPIC_END, places, count, fault);
	for (size_t i = 0; ok && i < count; i++)
		ends[i] = places[i].offset;
	if (ok && time_us != INT64_MAX)
		ok = topic_offsets(ranges->rk, ms_of(time_us), places, count, fault);
	for (size_t i = 0; ok && i < count; i++)
		if (places[i].offset < 0)
			places[i].offset = ends[i];
	free(ends);
	return ok;
}

static rd_kafka_topic_t *find_topic(struct ranges *ranges, const char *name)
{
	for (size_t i = 0; i < ranges->topic_count; i++)
		if (strcmp(rd_kafka_topic_name(ranges->topics[i]), name) == 0)
			return ranges->topics[i];
	assert(ranges->topic_count < TOPICS);
	ranges->topics[ranges->topic_count] =
	        rd_kafka_topic_new(ranges->rk, name, NULL);
	return ranges->topics[ranges->topic_count++];
}

bool ranges_start(struct ranges *ranges, const struct topic_range *list, size_t count,
        struct fault *fault)
{
	ranges->lanes = calloc(count + 1, sizeof *ranges->lanes);
	if (ranges->lanes == NULL)
		return fault_memory(fault);
	ranges->count = count;
	for (size_t i = 0; i < count; i++) {
		struct lane *lane = &ranges->lanes[i];

		lane->range = &list[i];
		lane->topic = find_topic(ranges, list[i].topic);
		if (list[i].first >= list[i].end)
			continue;
		if (rd_kafka_consume_start(
		            lane->topic, list[i].partition, list[i].first)
		        != 0)
			return topic_fault(fault, list[i].topic, rd_kafka_last_error());
		lane->is_read = true;
	}
	return true;
}

/*
 * A queue that was full makes librdkafka 2.0 look again only after up to a second, or
 * when its thread has something else to do. So it is given something: a question whose
 * answer nobody waits for.
 */
static void nudge(struct ranges *ranges, const struct lane *lane)
{
	if (ranges->must_nudge && ranges->taken > 0)
		topic_nudge(ranges->rk, lane->range->topic, lane->range->partition);
	ranges->taken = 0;
}

/* Keep a message of the range; what is behind its end ends it. */
static bool take(struct ranges *ranges, struct lane *lane, rd_kafka_message_t *message,
        struct topic_record *records, size_t *count, struct fault *fault)
{
	bool ok = true;

	if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR
	        && message->offset < lane->range->end) {
		ranges->taken += message->len + message->key_len;
		topic_lend(message, &records[(*count)++]);
		if (message->offset + 1 == lane->range->end)
			stop_lane(lane);
		return true;
	}
	if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR
	        || message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
		if (message->offset >= lane->range->end)
			stop_lane(lane);
	} else {
		ok = topic_goes_on(message, fault);
	}
	rd_kafka_message_destroy(message);
	return ok;
}

static bool drain(struct ranges *ranges, struct lane *lane, int wait_ms,
        struct topic_record *records, size_t room, size_t *count, struct fault *fault)
{
	rd_kafka_message_t *slice[SLICE];
	size_t wanted = room < SLICE ? room : SLICE;
	ssize_t got = rd_kafka_consume_batch(
	        lane->topic, lane->range->partition, 0, slice, wanted);
	bool ok = true;

	if (got == 0) {
		nudge(ranges, lane);
		slice[0] =
		        rd_kafka_consume(lane->topic, lane->range->partition, wait_ms);
		got = slice[0] != NULL;
	}
	for (ssize_t i = 0; i < got; i++)
		ok = take(ranges, lane, slice[i], records, count, fault) && ok;
	return ok;
}

enum range_news ranges_read(struct ranges *ranges, size_t index, int wait_ms,
        struct topic_record *records, size_t room, size_t *count, struct fault *fault)
{
	struct lane *lane = &ranges->lanes[index];

	*count = 0;
	if (!lane->is_read)
		return RANGE_ENDED;
	if (!drain(ranges, lane, wait_ms, records, room, count, fault)) {
		ranges_release(records, *count);
		*count = 0;
		return RANGE_FAULT;
	}
	if (ranges->taken >= NUDGE_BYTES)
		nudge(ranges, lane);
	if (*count > 0)
		return RANGE_RECORDS;
	return lane->is_read ? RANGE_NOTHING : RANGE_ENDED;
}

void ranges_release(struct topic_record *records, size_t count)
{
	for (size_t i = 0; i < count; i++)
		rd_kafka_message_destroy(records[i].message);
}
