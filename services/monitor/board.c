/* SPDX-License-Identifier: MIT */
#include "board.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "board_parts.h"

#define MINUTE_US INT64_C(60000000)
#define SECOND_US INT64_C(1000000)

/* Opening */

static bool board_start(struct board *board, const struct catalog *catalog,
        const char *villages_csv, const char *departments, struct fault *fault)
{
	if (catalog->topic_count > BOARD_TOPICS)
		return fault_set(
		        fault, FAULT_STOP, "more than %d topics", BOARD_TOPICS);
	board->topic_count = catalog->topic_count;
	for (size_t i = 0; i < catalog->topic_count; i++)
		board->topics[i].topic = catalog->topics[i].topic;
	board->partitions = catalog->modulus;
	board->marks = calloc(
	        board->topic_count * (size_t)board->partitions, sizeof *board->marks);
	board->ring = calloc(board->ring_size, sizeof *board->ring);
	if (board->marks == NULL || board->ring == NULL)
		return fault_memory(fault);
	return villages_open(&board->villages, villages_csv, fault)
	       && departments_init(&board->departments, departments, fault);
}

bool board_open(struct board **out, const struct catalog *catalog,
        const char *villages_csv, const char *departments, size_t ring,
        struct fault *fault)
{
	struct board *board = calloc(1, sizeof *board);

	if (board == NULL)
		return fault_memory(fault);
	pthread_mutex_init(&board->lock, NULL);
	board->ring_size = ring ? ring : 1;
	board->broker_since_us = clock_wall_us();
	board->is_reading = true;
	if (!board_start(board, catalog, villages_csv, departments, fault)) {
		board_close(&board);
		return false;
	}
	*out = board;
	return true;
}

void board_close(struct board **board)
{
	struct board *old = *board;

	if (old == NULL)
		return;
	for (size_t i = 0; old->ring != NULL && i < old->ring_size; i++)
		free(old->ring[i].json);
	free(old->ring);
	free(old->marks);
	villages_close(&old->villages);
	pthread_mutex_destroy(&old->lock);
	free(old);
	*board = NULL;
}

/* Counting */

static void count_in(int64_t *counts, int64_t *stamps, size_t size, int64_t stamp)
{
	size_t at = (size_t)(stamp % (int64_t)size);

	if (stamp < stamps[at])
		return; /* older than what the place now stands for */
	if (stamp > stamps[at]) {
		stamps[at] = stamp;
		counts[at] = 0;
	}
	counts[at]++;
}

struct minute *board_minute(struct board *board, int64_t at_us)
{
	int64_t number = at_us / MINUTE_US;
	struct minute *minute = &board->minutes[number % BOARD_MINUTES];

	if (number < minute->number)
		return NULL;
	if (number > minute->number)
		*minute = (struct minute){
			.number = number, .applied_p99_us = -1, .waiting = -1
		};
	return minute;
}

static void count_one(struct board *board, const struct board_event *event)
{
	struct topic_counts *counts = &board->topics[event->topic];
	struct minute *minute;

	counts->total++;
	counts->live += !board->is_reading;
	count_in(counts->minutes, counts->minute_of, BOARD_MINUTES,
	        event->appended_at_us / MINUTE_US);
	count_in(counts->seconds, counts->second_of, RATE_SECONDS + 1,
	        event->appended_at_us / SECOND_US);
	if (event->partition < board->partitions)
		marks_note(&board->marks[event->topic * (size_t)board->partitions
		                         + (size_t)event->partition],
		        event->offset, event->appended_at_us);
	if (event->is_undecodable) {
		board->undecodable++;
		board->undecodable_live += !board->is_reading;
		board->undecodable_us = event->appended_at_us;
		return;
	}
	villages_heard(board->villages, event->village_code, event->appended_at_us);
	minute = event->recorded_at_us > 0 ? board_minute(board, event->appended_at_us)
	                                   : NULL;
	if (minute != NULL)
		spread_add(&minute->delivered,
		        event->appended_at_us - event->recorded_at_us);
}

void board_count(struct board *board, const struct board_event *events, size_t count)
{
	pthread_mutex_lock(&board->lock);
	for (size_t i = 0; i < count; i++)
		count_one(board, &events[i]);
	pthread_mutex_unlock(&board->lock);
}

void board_show(struct board *board, struct bytes json)
{
	char *copy = json.size > 0 ? malloc(json.size) : NULL;
	struct ring_slot *slot;
	char *old;

	if (copy != NULL)
		memcpy(copy, json.data, json.size);
	pthread_mutex_lock(&board->lock);
	slot = &board->ring[++board->newest % (int64_t)board->ring_size];
	old = slot->json;
	slot->json = copy;
	slot->size = copy ? json.size : 0;
	pthread_mutex_unlock(&board->lock);
	free(old);
}

void board_caught_up(struct board *board)
{
	pthread_mutex_lock(&board->lock);
	board->is_reading = false;
	pthread_mutex_unlock(&board->lock);
}

bool board_is_reading(struct board *board)
{
	bool is_reading;

	pthread_mutex_lock(&board->lock);
	is_reading = board->is_reading;
	pthread_mutex_unlock(&board->lock);
	return is_reading;
}

void board_heartbeat(struct board *board, struct bytes village_code,
        const struct village_report *report)
{
	pthread_mutex_lock(&board->lock);
	villages_report(board->villages, village_code, report);
	pthread_mutex_unlock(&board->lock);
}

void board_broker(struct board *board, bool up)
{
	pthread_mutex_lock(&board->lock);
	if (board->broker_is_up != up)
		board->broker_since_us = clock_wall_us();
	board->broker_is_up = up;
	pthread_mutex_unlock(&board->lock);
}

void board_department(struct board *board, const struct department_line *report)
{
	int64_t now_us = clock_wall_us();
	struct minute *minute = NULL;

	pthread_mutex_lock(&board->lock);
	if (departments_report(
	            &board->departments, report, now_us, board->broker_since_us))
		minute = board_minute(board, report->reported_at * SECOND_US);
	if (minute != NULL && report->p99_us > minute->applied_p99_us)
		minute->applied_p99_us = report->p99_us;
	pthread_mutex_unlock(&board->lock);
}

const char *board_department_name(const struct board *board, size_t index)
{
	return index < board->departments.count ? board->departments.all[index].name
	                                        : NULL;
}

int64_t board_time_of(
        struct board *board, const char *topic, int32_t partition, int64_t offset)
{
	int64_t time_us = 0;

	pthread_mutex_lock(&board->lock);
	for (size_t i = 0; i < board->topic_count && partition < board->partitions; i++)
		if (strcmp(board->topics[i].topic, topic) == 0)
			time_us = marks_time(&board->marks[i * (size_t)board->partitions
			                                   + (size_t)partition],
			        offset);
	pthread_mutex_unlock(&board->lock);
	return time_us;
}

/* Each second */

static void put_news(const struct alarm *alarm, const char *state, struct buffer *news)
{
	buffer_append_text(news, "event: alarm\ndata: ");
	alarm_put(alarm, state, news);
	buffer_append_text(news, "\n\n");
}

/* Those that ended, then those that began. */
static void tell_alarms(const struct board *board, struct buffer *news)
{
	const struct alarms *before = &board->alarms_before;

	for (size_t i = 0; i < before->count; i++)
		if (alarms_find(&board->alarms, before->all[i].id) == NULL)
			put_news(&before->all[i], "off", news);
	for (size_t i = 0; i < board->alarms.count; i++)
		if (alarms_find(before, board->alarms.all[i].id) == NULL)
			put_news(&board->alarms.all[i], "on", news);
}

static void settle(struct board *board, int64_t now_us)
{
	struct alarm_facts facts = {
		.now_us = now_us,
		.broker_is_up = board->broker_is_up,
		.broker_since_us = board->broker_since_us,
		.is_reading = board->is_reading,
		.undecodable_us = board->undecodable_us,
		.departments = &board->departments,
		.villages = board->villages,
	};
	struct minute *minute = board_minute(board, now_us);
	struct village_sums sums;

	if (board->broker_is_up) { /* else nobody can be heard */
		villages_settle(board->villages, now_us, board->broker_since_us);
		departments_settle(&board->departments, now_us, board->broker_since_us);
	}
	villages_sum(board->villages, &sums);
	if (minute != NULL && !board->is_reading)
		minute->waiting = sums.pending;
	board->alarms_before = board->alarms;
	alarms_settle(&board->alarms, &board->alarms_before, &facts);
}

void board_settle(struct board *board, struct buffer *news, struct buffer *changed)
{
	pthread_mutex_lock(&board->lock);
	settle(board, clock_wall_us());
	tell_alarms(board, news);
	villages_put_changed(board->villages, changed);
	pthread_mutex_unlock(&board->lock);
}

void board_gauges(struct board *board, struct board_gauges *out)
{
	*out = (struct board_gauges){ 0 };
	pthread_mutex_lock(&board->lock);
	out->broker_is_up = board->broker_is_up;
	out->undecodable = board->undecodable_live;
	out->departments = board->departments;
	for (size_t i = 0; i < board->topic_count; i++)
		out->totals[i] = board->topics[i].live;
	villages_sum(board->villages, &out->villages);
	for (size_t i = 0; i < board->alarms.count; i++)
		*(board->alarms.all[i].is_bad ? &out->alarms_bad : &out->alarms_warn) +=
		        1;
	pthread_mutex_unlock(&board->lock);
}

/* The ring */

static bool is_in_ring(const struct board *board, int64_t number)
{
	return number >= 1 && number <= board->newest
	       && number > board->newest - (int64_t)board->ring_size;
}

bool board_event_at(struct board *board, int64_t number, struct buffer *out)
{
	const struct ring_slot *slot;
	bool found;

	pthread_mutex_lock(&board->lock);
	slot = &board->ring[number % (int64_t)board->ring_size];
	found = is_in_ring(board, number) && slot->size > 0;
	if (found)
		buffer_append(out, slot->json, slot->size);
	pthread_mutex_unlock(&board->lock);
	return found;
}

int64_t board_newest(struct board *board)
{
	int64_t newest;

	pthread_mutex_lock(&board->lock);
	newest = board->newest;
	pthread_mutex_unlock(&board->lock);
	return newest;
}

int64_t board_oldest(struct board *board)
{
	int64_t oldest;

	pthread_mutex_lock(&board->lock);
	oldest = board->newest - (int64_t)board->ring_size + 1;
	pthread_mutex_unlock(&board->lock);
	return oldest > 1 ? oldest : 1;
}
