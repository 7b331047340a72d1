/* SPDX-License-Identifier: MIT */
/*
 * Every partition has a lane with its next few records, those that were not asked for
 * already taken out. The lanes that have one stand in a heap, the oldest first; nothing
 * leaves it while a lane is hungry, as that might have an older one.
 *
 * A partition's times may go back where the broker's clock was set. Its order counts
 * more: a record is as old as the youngest before it in its lane.
 */
#include "flow/replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "event/envelope.h"

enum { LANES = 1024, LANE_RECORDS = 128 };

/* Nothing of what is known to be there comes for so long: the broker is away. */
#define PATIENCE_US INT64_C(30000000)

struct lane {
	size_t topic; /* in the catalog */
	int64_t at_us;
	size_t next; /* of records */
	size_t count;
	struct topic_record records[LANE_RECORDS];
};

struct replay {
	const struct catalog *catalog;
	const struct replay_wish *wish;
	struct ranges *ranges;
	struct mask *mask;
	struct topic_range *list;
	struct lane *lanes; /* of list */
	size_t lane_count;
	size_t *heap; /* lanes, the oldest first */
	size_t heap_count;
	size_t *hungry; /* lanes, which must be read before anything leaves the heap */
	size_t hungry_count;
	bool has_begun; /* the clock runs */
	bool has_due;   /* the oldest has got its time */
	int64_t due_us;
	int64_t silent_us; /* monotonic: since when the broker gives nothing; 0: it does
	                    */
	struct pace pace;
	struct quota quota;
	uint64_t bytes;
	int64_t last_at_us;
};

/* The order */

static int order(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

static int compare(const struct replay_cursor *a, const struct replay_cursor *b)
{
	int found = order(a->at_us, b->at_us);

	if (found == 0)
		found = order((int64_t)a->topic, (int64_t)b->topic);
	if (found == 0)
		found = order(a->partition, b->partition);
	return found ? found : order(a->offset, b->offset);
}

static struct replay_cursor head_of(const struct replay *replay, size_t lane)
{
	const struct lane *at = &replay->lanes[lane];

	return (struct replay_cursor){ at->at_us, at->topic,
		replay->list[lane].partition, at->records[at->next].offset };
}

static bool is_older(const struct replay *replay, size_t lane, size_t than)
{
	const struct lane *a = &replay->lanes[lane];
	const struct lane *b = &replay->lanes[than];

	/* Lanes stand by topic and partition, so their numbers say the rest. */
	return a->at_us != b->at_us ? a->at_us < b->at_us : lane < than;
}

static void sift_down(struct replay *replay)
{
	size_t *heap = replay->heap;
	size_t lane = heap[0];
	size_t at = 0;

	for (;;) {
		size_t child = 2 * at + 1;

		if (child + 1 < replay->heap_count
		        && is_older(replay, heap[child + 1], heap[child]))
			child++;
		if (child >= replay->heap_count || is_older(replay, lane, heap[child]))
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = lane;
}

static void push(struct replay *replay, size_t lane)
{
	size_t *heap = replay->heap;
	size_t at = replay->heap_count++;

	for (; at > 0 && is_older(replay, lane, heap[(at - 1) / 2]); at = (at - 1) / 2)
		heap[at] = heap[(at - 1) / 2];
	heap[at] = lane;
}

static void grow_old(struct lane *lane)
{
	int64_t at_us = lane->records[lane->next].appended_at_us;

	if (at_us > lane->at_us)
		lane->at_us = at_us;
}

/* The oldest has gone: its lane goes on, or is hungry. */
static void advance(struct replay *replay)
{
	size_t index = replay->heap[0];
	struct lane *lane = &replay->lanes[index];

	replay->has_due = false;
	if (++lane->next < lane->count) {
		grow_old(lane);
		sift_down(replay);
		return;
	}
	replay->hungry[replay->hungry_count++] = index;
	replay->heap[0] = replay->heap[--replay->heap_count];
	if (replay->heap_count > 0)
		sift_down(replay);
}

/* What was asked for */

static bool is_near(const struct replay_wish *wish, struct bytes key)
{
	size_t size = strlen(wish->district);

	if (wish->village[0] != '\0' && !bytes_equal_text(key, wish->village))
		return false;
	return size == 0
	       || (key.size > size && key.data[size] == '.'
	               && memcmp(key.data, wish->district, size) == 0);
}

/* What cannot be read has a case all the same, by its header, and no service. */
static bool is_matter(struct replay *replay, const struct topic_record *record)
{
	const struct replay_wish *wish = replay->wish;
	struct head head = { 0 };
	struct fault fault;

	if (wish->case_id[0] == '\0' && wish->service[0] == '\0')
		return true;
	if (!mask_decode(replay->mask, record->value, &head, &fault))
		head.case_id = consumer_header(record, "ce_subject");
	return (wish->case_id[0] == '\0'
	               || bytes_equal_text(head.case_id, wish->case_id))
	       && (wish->service[0] == '\0'
	               || bytes_equal_text(head.service, wish->service));
}

static void keep_wanted(struct replay *replay, struct lane *lane, size_t count)
{
	lane->next = 0;
	lane->count = 0;
	for (size_t i = 0; i < count; i++) {
		struct topic_record *record = &lane->records[i];

		if (is_near(replay->wish, record->key) && is_matter(replay, record))
			lane->records[lane->count++] = *record;
		else
			ranges_release(record, 1);
	}
}

/* Pass what an earlier replay has shown. */
static void pass_shown(struct replay *replay, size_t index)
{
	struct lane *lane = &replay->lanes[index];

	for (; lane->next < lane->count; lane->next++) {
		struct replay_cursor head;

		grow_old(lane);
		head = head_of(replay, index);
		if (!replay->wish->has_after
		        || compare(&head, &replay->wish->after) > 0)
			return;
		ranges_release(&lane->records[lane->next], 1);
	}
}

/* Reading */

static void count_bytes(struct replay *replay, const struct lane *lane, size_t count)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < count; i++)
		bytes += lane->records[i].value.size + lane->records[i].key.size;
	replay->bytes += bytes;
	quota_use(&replay->quota, bytes, clock_monotonic_us());
}

/* Nothing came of a lane that is not at its end. */
static enum step be_patient(
        struct replay *replay, const struct topic_range *range, struct fault *fault)
{
	int64_t now_us = clock_monotonic_us();

	if (replay->silent_us == 0)
		replay->silent_us = now_us;
	if (now_us - replay->silent_us < PATIENCE_US)
		return STEP_IDLE;
	fault_code(fault, FAULT_RETRY, "unreachable",
	        "%s, partition %d: Kafka gives nothing more", range->topic,
	        (int)range->partition);
	return STEP_FAULT;
}

/* Read the hungry lane that stands last. */
static enum step feed(struct replay *replay, int64_t until_us, struct fault *fault)
{
	size_t index = replay->hungry[replay->hungry_count - 1];
	struct lane *lane = &replay->lanes[index];
	int64_t left_us = until_us - clock_monotonic_us();
	size_t count;

	switch (ranges_read(replay->ranges, index,
	        left_us > 0 ? (int)((left_us + 999) / 1000) : 0, lane->records,
	        LANE_RECORDS, &count, fault)) {
	case RANGE_NOTHING:
		return be_patient(replay, &replay->list[index], fault);
	case RANGE_FAULT:
		return STEP_FAULT;
	case RANGE_ENDED:
		replay->silent_us = 0;
		replay->hungry_count--;
		return STEP_DONE;
	case RANGE_RECORDS:
		break;
	}
	replay->silent_us = 0;
	count_bytes(replay, lane, count);
	keep_wanted(replay, lane, count);
	pass_shown(replay, index);
	if (lane->next < lane->count) {
		replay->hungry_count--;
		push(replay, index);
	}
	return STEP_DONE;
}

static void sleep_until(int64_t monotonic_us)
{
	const struct timespec until = { .tv_sec = monotonic_us / 1000000,
		.tv_nsec = monotonic_us % 1000000 * 1000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

/* Wait for a moment, but not beyond until: whether it has come. */
static bool await(int64_t moment_us, int64_t until_us)
{
	int64_t now_us = clock_monotonic_us();

	if (moment_us <= now_us)
		return true;
	sleep_until(moment_us < until_us ? moment_us : until_us);
	return moment_us <= until_us;
}

/* STEP_DONE: nobody is hungry. */
static enum step feed_all(struct replay *replay, int64_t until_us, struct fault *fault)
{
	while (replay->hungry_count > 0) {
		int64_t now_us = clock_monotonic_us();
		enum step step;

		if (!await(now_us + quota_wait_us(&replay->quota, now_us), until_us))
			return STEP_IDLE;
		step = feed(replay, until_us, fault);
		if (step != STEP_DONE)
			return step;
		if (clock_monotonic_us() > until_us && replay->hungry_count > 0)
			return STEP_IDLE;
	}
	return STEP_DONE;
}

/* The clock begins with the first event that is at hand. */
static bool is_due(struct replay *replay, int64_t at_us, int64_t until_us)
{
	int64_t now_us;

	if (replay->pace.speed <= 0)
		return true;
	now_us = clock_monotonic_us();
	if (!replay->has_begun)
		pace_begin(&replay->pace, replay->last_at_us, now_us);
	replay->has_begun = true;
	if (!replay->has_due)
		replay->due_us = pace_due(&replay->pace, at_us, now_us);
	replay->has_due = true;
	return await(replay->due_us, until_us);
}

enum step replay_next(struct replay *replay, int wait_ms, struct replay_event *event,
        struct fault *fault)
{
	bool may_wait = replay->hungry_count > 0 || replay->pace.speed > 0;
	int64_t until_us =
	        may_wait ? clock_monotonic_us() + (int64_t)wait_ms * 1000 : 0;
	enum step step = feed_all(replay, until_us, fault);
	struct lane *lane;

	if (step != STEP_DONE)
		return step;
	if (replay->heap_count == 0)
		return STEP_IDLE;
	lane = &replay->lanes[replay->heap[0]];
	if (!is_due(replay, lane->at_us, until_us))
		return STEP_IDLE;
	event->cursor = head_of(replay, replay->heap[0]);
	event->record = lane->records[lane->next];
	replay->last_at_us = lane->at_us;
	advance(replay);
	return STEP_DONE;
}

bool replay_is_over(const struct replay *replay)
{
	return replay->heap_count == 0 && replay->hungry_count == 0;
}

void replay_release(struct replay_event *event)
{
	ranges_release(&event->record, 1);
}

bool replay_waits(const struct replay *replay, int64_t *out_at_us, int64_t *out_left_us)
{
	if (replay->heap_count == 0 || !replay->has_due)
		return false;
	*out_at_us = replay->lanes[replay->heap[0]].at_us;
	*out_left_us = replay->due_us - clock_monotonic_us();
	return *out_left_us > 0;
}

int64_t replay_clock(const struct replay *replay)
{
	if (replay->heap_count == 0 || !replay->has_begun)
		return replay->last_at_us;
	return pace_clock(&replay->pace, replay->lanes[replay->heap[0]].at_us,
	        clock_monotonic_us());
}

uint64_t replay_bytes(const struct replay *replay)
{
	return replay->bytes;
}

void replay_json(struct replay *replay, const struct replay_event *event,
        enum mask_view view, struct buffer *out)
{
	const struct topic_record *record = &event->record;
	const struct mask_place place = { record->topic, record->partition,
		record->offset, record->appended_at_us };
	struct head head;
	struct fault fault;

	(void)!mask_decode(replay->mask, record->value, &head, &fault);
	mask_append(replay->mask, &place, view, out);
}

/* Opening */

static void add_lane(struct replay *replay, size_t topic, int32_t partition)
{
	struct topic_range *range = &replay->list[replay->lane_count];

	*range = (struct topic_range){ .topic = replay->catalog->topics[topic].topic,
		.partition = partition };
	replay->hungry[replay->lane_count++] = topic; /* until it is a lane */
}

/* The partitions that may hold what was asked for. */
static bool find_lanes(struct replay *replay, struct fault *fault)
{
	const struct catalog *catalog = replay->catalog;
	const char *village = replay->wish->village;
	int32_t own = envelope_partition(bytes_of(village), catalog->modulus);

	for (size_t i = 0; i < catalog->topic_count && i < REPLAY_TOPICS; i++) {
		int32_t count;

		if (!replay->wish->topics[i])
			continue;
		if (!ranges_partitions(
		            replay->ranges, catalog->topics[i].topic, &count, fault))
			return false;
		if (count == 0)
			return fault_code(fault, FAULT_REJECT, "topic",
			        "there is no topic %s", catalog->topics[i].topic);
		for (int32_t j = 0; j < count && replay->lane_count < LANES; j++)
			if (village[0] == '\0' || j == own)
				add_lane(replay, i, j);
	}
	return true;
}

/* The partition of the cursor goes on behind it, exactly. */
static void resume(struct replay *replay, size_t index)
{
	const struct replay_cursor *after = &replay->wish->after;
	struct topic_range *range = &replay->list[index];
	struct lane *lane = &replay->lanes[index];

	if (lane->topic != after->topic || range->partition != after->partition)
		return;
	lane->at_us = after->at_us;
	if (after->offset + 1 > range->low)
		range->first =
		        after->offset + 1 < range->end ? after->offset + 1 : range->end;
}

static bool make_lanes(struct replay *replay, struct fault *fault)
{
	replay->lanes = calloc(replay->lane_count + 1, sizeof *replay->lanes);
	replay->heap = calloc(replay->lane_count + 1, sizeof *replay->heap);
	if (replay->lanes == NULL || replay->heap == NULL)
		return fault_memory(fault);
	for (size_t i = 0; i < replay->lane_count; i++) {
		replay->lanes[i].topic = replay->hungry[i];
		replay->hungry[i] = i;
		if (replay->wish->has_after)
			resume(replay, i);
	}
	replay->hungry_count = replay->lane_count;
	return true;
}

static bool replay_start(
        struct replay *replay, const struct conf *conf, struct fault *fault)
{
	const struct replay_wish *wish = replay->wish;
	int64_t from_us = wish->has_after && wish->after.at_us > wish->from_us
	                          ? wish->after.at_us
	                          : wish->from_us;
	size_t lanes = 0;

	for (size_t i = 0; i < replay->catalog->topic_count && i < REPLAY_TOPICS; i++)
		lanes += (size_t)wish->topics[i]
		         * (wish->village[0] ? 1 : (size_t)replay->catalog->modulus);
	replay->list = calloc(LANES, sizeof *replay->list);
	replay->hungry = calloc(LANES, sizeof *replay->hungry);
	if (replay->list == NULL || replay->hungry == NULL)
		return fault_memory(fault);
	if (!mask_open(&replay->mask, replay->catalog, fault)
	        || !ranges_open(
	                &replay->ranges, conf, wish->memory_bytes / (lanes + 1), fault)
	        || !find_lanes(replay, fault)
	        || !ranges_find(replay->ranges, from_us, wish->to_us, replay->list,
	                replay->lane_count, fault)
	        || !make_lanes(replay, fault)
	        || !ranges_start(
	                replay->ranges, replay->list, replay->lane_count, fault))
		return false;
	replay->last_at_us = from_us;
	replay->quota.each_second = wish->bytes_per_second;
	replay->pace.speed = wish->speed;
	replay->pace.max_gap_us = wish->max_gap_us;
	return true;
}

bool replay_open(struct replay **out, const struct conf *conf,
        const struct catalog *catalog, const struct replay_wish *wish,
        struct fault *fault)
{
	struct replay *replay = calloc(1, sizeof *replay);

	if (replay == NULL)
		return fault_memory(fault);
	replay->catalog = catalog;
	replay->wish = wish;
	if (!replay_start(replay, conf, fault)) {
		replay_close(&replay);
		return false;
	}
	*out = replay;
	return true;
}

void replay_close(struct replay **replay)
{
	struct replay *old = *replay;

	if (old == NULL)
		return;
	for (size_t i = 0; old->lanes != NULL && i < old->lane_count; i++)
		ranges_release(old->lanes[i].records + old->lanes[i].next,
		        old->lanes[i].count - old->lanes[i].next);
	ranges_close(&old->ranges);
	mask_close(&old->mask);
	free(old->lanes);
	free(old->list);
	free(old->heap);
	free(old->hungry);
	free(old);
	*replay = NULL;
}

int64_t replay_records(const struct replay *replay)
{
	int64_t count = 0;

	for (size_t i = 0; i < replay->lane_count; i++)
		count += replay->list[i].end - replay->list[i].first;
	return count;
}

const struct topic_range *replay_ranges(const struct replay *replay, size_t *out_count)
{
	*out_count = replay->lane_count;
	return replay->list;
}

bool replay_cut(
        const struct replay *replay, size_t index, const struct topic_range **out)
{
	for (size_t i = 0; i < replay->lane_count; i++) {
		const struct topic_range *range = &replay->list[i];

		if (range->low == 0 || range->first > range->low || index-- > 0)
			continue;
		*out = range;
		return true;
	}
	return false;
}
