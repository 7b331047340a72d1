/* SPDX-License-Identifier: MIT */
/*
 * The reader has no group, so that it disturbs no sink. It begins with the last day of
 * the events and with all that is kept of the villages' heartbeats. Every record is
 * counted; only one that is near enough to its partition's end to be seen in the ring
 * is made into text, so that a day of millions is read in seconds.
 *
 * What waits is taken whole: each read that finds much asks the broker something (see
 * nudge() in port/topic_consumer.c), and with a thousand at a time those questions cost
 * more than the records, 15,000 a second instead of 250,000.
 *
 * While the last day is read, partitions come one after the other: what is to be seen
 * of it goes into a bag first and from there, in the broker's order, into the ring.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bag.h"
#include "base/clock.h"
#include "base/log.h"
#include "event/mask.h"
#include "heartbeats.h"
#include "monitor.h"
#include "port/topic_consumer.h"

enum {
	RECORDS = 10000,
	READ_MS = 100,
	LANES = 512,
	RETRY_MS = 1000,
	PATIENCE = 30, /* empty reads, then the day counts as read */
};

#define DAY_US (INT64_C(24) * 3600 * 1000000)

/* A partition. */
struct lane {
	size_t topic; /* the catalog's; topic_count: heartbeats */
	int64_t end;  /* as it was known last */
	bool is_behind;
};

struct reader {
	const struct conf *conf;
	const struct catalog *catalog;
	struct board *board;
	struct loop *loop;
	struct consumer *consumer;
	struct mask *mask;
	struct heartbeats *heartbeats;
	struct topic_place places[LANES]; /* where each goes on */
	struct lane lanes[LANES];         /* of places */
	size_t lane_count;
	size_t last_lane; /* the one found last: records come in runs */
	size_t behind;    /* lanes that have not come to their ends yet */
	int patience;
	bool is_live;
	int64_t ring;
	struct bag bag;
	struct buffer json;
	struct topic_record records[RECORDS];
	struct board_event events[RECORDS];
	pthread_t thread;
	bool has_thread;
	atomic_bool ending;
};

/* Where to read */

static bool add_lanes(
        struct reader *reader, const char *name, size_t topic, struct fault *fault)
{
	int32_t partitions;

	if (!consumer_partitions(reader->consumer, name, &partitions, fault))
		return false;
	if (partitions == 0)
		return fault_set(
		        fault, FAULT_RETRY, "topic %s does not exist yet", name);
	for (int32_t at = 0; at < partitions && reader->lane_count < LANES; at++) {
		reader->places[reader->lane_count] =
		        (struct topic_place){ name, at, 0 };
		reader->lanes[reader->lane_count++] = (struct lane){ .topic = topic };
	}
	return true;
}

/* Set where each lane begins and what its end is; a lane that is out of its log's
 * bounds, as after a topic was made anew, begins with its first record.
 */
static bool bound_lanes(struct reader *reader, struct fault *fault)
{
	reader->behind = 0;
	for (size_t i = 0; i < reader->lane_count; i++) {
		struct topic_place *place = &reader->places[i];
		struct lane *lane = &reader->lanes[i];
		int64_t low;

		if (!consumer_bounds(reader->consumer, place->topic, place->partition,
		            &low, &lane->end, fault))
			return false;
		if (place->offset < low || place->offset > lane->end)
			place->offset = low;
		lane->is_behind = place->offset < lane->end;
		reader->behind += lane->is_behind;
	}
	return true;
}

static bool find_lanes(struct reader *reader, struct fault *fault)
{
	const struct catalog *catalog = reader->catalog;
	size_t events;

	reader->lane_count = 0;
	for (size_t i = 0; i < catalog->topic_count; i++)
		if (!add_lanes(reader, catalog->topics[i].topic, i, fault))
			return false;
	events = reader->lane_count;
	if (reader->heartbeats != NULL
	        && !add_lanes(reader, catalog_channel(catalog, "status")->topic,
	                catalog->topic_count, fault))
		return false;
	/* The ends come first: what is appended meanwhile is not passed over. */
	if (!bound_lanes(reader, fault)
	        || !consumer_offsets_at(reader->consumer, clock_wall_us() - DAY_US,
	                reader->places, events, fault))
		return false;
	for (size_t i = 0; i < events; i++)
		if (reader->places[i].offset < 0) /* none was as young as that */
			reader->places[i].offset = reader->lanes[i].end;
	return true;
}

/* At the start from a day ago, later from where it was. */
static bool begin(struct reader *reader, struct fault *fault)
{
	bool ok = (reader->lane_count > 0 || find_lanes(reader, fault))
	          && bound_lanes(reader, fault)
	          && consumer_start(
	                  reader->consumer, reader->places, reader->lane_count, fault);

	if (!ok && !reader->is_live)
		reader->lane_count = 0;
	return ok;
}

static struct lane *find_lane(struct reader *reader, const struct topic_record *record)
{
	for (size_t i = 0; i < reader->lane_count; i++) {
		size_t at = (reader->last_lane + i) % reader->lane_count;

		if (reader->places[at].partition != record->partition
		        || strcmp(reader->places[at].topic, record->topic) != 0)
			continue;
		reader->last_lane = at;
		return &reader->lanes[at];
	}
	return NULL;
}

/* Going live */

static void go_live(struct reader *reader)
{
	const struct bag_item *items = bag_sort(&reader->bag);

	for (size_t i = 0; i < reader->bag.count; i++)
		board_show(
		        reader->board, (struct bytes){ items[i].text, items[i].size });
	bag_clear(&reader->bag);
	reader->is_live = true;
	board_caught_up(reader->board);
	log_info(NULL, "the last day is read");
}

static void step_lane(struct reader *reader, const struct topic_record *record)
{
	struct lane *lane = &reader->lanes[reader->last_lane];

	reader->places[reader->last_lane].offset = record->offset + 1;
	if (lane->is_behind && record->offset + 1 >= lane->end) {
		lane->is_behind = false;
		reader->behind--;
	}
}

/* Records */

static void take_heartbeat(struct reader *reader, const struct topic_record *record)
{
	struct village_report report;

	if (heartbeats_read(
	            reader->heartbeats, record->value, record->appended_at_us, &report))
		board_heartbeat(reader->board, record->key, &report);
}

static void show(struct reader *reader, const struct topic_record *record)
{
	struct mask_place place = { record->topic, record->partition, record->offset,
		record->appended_at_us };

	buffer_reset(&reader->json);
	mask_append(reader->mask, &place, VIEW_MASKED, &reader->json);
	if (reader->json.failed)
		return;
	if (reader->is_live)
		board_show(reader->board, buffer_bytes(&reader->json));
	else
		bag_put(&reader->bag, record->appended_at_us,
		        buffer_bytes(&reader->json));
}

/* A record that is none of ours is shown too, as such. */
static void take_event(struct reader *reader, const struct topic_record *record,
        const struct lane *lane, struct board_event *out)
{
	struct head head = { 0 };
	struct fault fault;

	*out = (struct board_event){ .topic = lane->topic,
		.partition = record->partition,
		.offset = record->offset,
		.appended_at_us = record->appended_at_us,
		.is_undecodable =
		        !mask_decode(reader->mask, record->value, &head, &fault) };
	if (!out->is_undecodable && head.village_code.size < sizeof out->village_code) {
		memcpy(out->village_code, head.village_code.data,
		        head.village_code.size);
		out->recorded_at_us = head.recorded_at_us;
	}
	if (lane->end - record->offset <= reader->ring)
		show(reader, record);
	else if (reader->is_live)
		board_show(reader->board, (struct bytes){ 0 });
}

static void take_records(struct reader *reader, size_t count)
{
	size_t events = 0;

	for (size_t i = 0; i < count; i++) {
		const struct topic_record *record = &reader->records[i];
		const struct lane *lane = find_lane(reader, record);

		if (lane == NULL)
			continue;
		if (lane->topic == reader->catalog->topic_count)
			take_heartbeat(reader, record);
		else
			take_event(reader, record, lane, &reader->events[events++]);
		step_lane(reader, record);
	}
	board_count(reader->board, reader->events, events);
}

/* So many at once: what comes is more than the ring holds, look how much. */
static void look_at_ends(struct reader *reader)
{
	for (size_t i = 0; i < reader->lane_count; i++) {
		int64_t end = consumer_end(reader->consumer, reader->places[i].topic,
		        reader->places[i].partition);

		if (end > reader->lanes[i].end)
			reader->lanes[i].end = end;
	}
}

static void read_some(struct reader *reader, bool *running)
{
	struct fault fault = { 0 };
	size_t count;
	enum consumer_news news = consumer_read(reader->consumer, READ_MS,
	        reader->records, RECORDS, SIZE_MAX, &count, &fault);

	if (news == NEWS_FAULT) {
		log_warn(NULL, "reading again: %s", fault.text);
		*running = false;
		return;
	}
	if (count == RECORDS && reader->is_live)
		look_at_ends(reader);
	take_records(reader, count);
	consumer_release(reader->consumer, reader->records, count);
	reader->patience = count > 0 ? PATIENCE : reader->patience - 1;
	if (!reader->is_live && (reader->behind == 0 || reader->patience == 0))
		go_live(reader);
	if (count > 0 && reader->is_live)
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
	reader->ring = (int64_t)conf_number(conf, "history");
	reader->patience = PATIENCE;
	if (!mask_open(&reader->mask, catalog, fault)
	        || !heartbeats_open(&reader->heartbeats, catalog, fault)
	        || !bag_init(&reader->bag, (size_t)reader->ring, fault)
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
	heartbeats_close(&old->heartbeats);
	bag_clear(&old->bag);
	buffer_clear(&old->json);
	free(old);
	*reader = NULL;
}
