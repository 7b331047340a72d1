/* SPDX-License-Identifier: MIT */
#include "board.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { MAX_VILLAGES = 512, MAX_DEPARTMENTS = 80, LATENCIES = 512, RATE_SECONDS = 10 };

struct village {
	char code[16];
	char name[48];
	char district[48];
	int64_t count;
	int64_t last_us; /* broker's time of its last event; 0: not seen */
};

struct topic_counts {
	const char *topic;
	int64_t total;
	int64_t minutes[BOARD_MINUTES]; /* by minute modulo 60 */
	int64_t minute_of[BOARD_MINUTES];
	int64_t seconds[RATE_SECONDS + 1];
	int64_t second_of[RATE_SECONDS + 1];
};

struct ring_slot {
	char *json;
	size_t size;
};

struct board {
	pthread_mutex_t lock;
	struct topic_counts topics[BOARD_TOPICS];
	size_t topic_count;
	struct village villages[MAX_VILLAGES];
	size_t village_count;
	struct board_department departments[MAX_DEPARTMENTS];
	size_t department_count;
	struct ring_slot *ring;
	size_t ring_size;
	int64_t newest;
	int64_t latencies_us[LATENCIES];
	size_t latency_count;
	int64_t undecodable;
	bool broker_up;
};

/* Opening */

static bool add_village(struct board *board, char *line)
{
	struct village *village = &board->villages[board->village_count];
	char *cells[5];

	for (size_t i = 0; i < 5; i++) {
		cells[i] = strsep(&line, ",\r\n");
		if (cells[i] == NULL)
			return true;
	}
	if (strcmp(cells[0], "village_code") == 0)
		return true;
	if (board->village_count == MAX_VILLAGES)
		return false;
	snprintf(village->code, sizeof village->code, "%s", cells[0]);
	snprintf(village->name, sizeof village->name, "%s", cells[1]);
	snprintf(village->district, sizeof village->district, "%s", cells[4]);
	board->village_count++;
	return true;
}

static bool read_villages(struct board *board, const char *path, struct fault *fault)
{
	FILE *file = fopen(path, "r");
	char *line = NULL;
	size_t room = 0;
	bool ok = true;

	if (file == NULL)
		return fault_set(
		        fault, FAULT_STOP, "villages %s: %s", path, strerror(errno));
	while (ok && getline(&line, &room, file) >= 0)
		ok = add_village(board, line);
	free(line);
	fclose(file);
	return ok
	       || fault_set(fault, FAULT_STOP, "villages %s: more than %d", path,
	               MAX_VILLAGES);
}

static bool read_departments(struct board *board, const char *list, struct fault *fault)
{
	for (const char *at = list; *at != '\0';) {
		size_t size = strcspn(at, ", ");
		struct board_department *department =
		        &board->departments[board->department_count];

		if (size > 0) {
			if (board->department_count == MAX_DEPARTMENTS)
				return fault_set(fault, FAULT_STOP,
				        "departments: more than %d", MAX_DEPARTMENTS);
			snprintf(department->name, sizeof department->name, "%.*s",
			        (int)size, at);
			snprintf(
			        department->state, sizeof department->state, "unknown");
			department->lag = -1;
			board->department_count++;
		}
		at += size;
		at += strspn(at, ", ");
	}
	return true;
}

bool board_open(struct board **out, const struct catalog *catalog,
        const char *villages_csv, const char *departments, size_t ring,
        struct fault *fault)
{
	struct board *board = calloc(1, sizeof *board);

	if (board == NULL)
		return fault_memory(fault);
	pthread_mutex_init(&board->lock, NULL);
	board->topic_count = catalog->topic_count;
	for (size_t i = 0; i < catalog->topic_count && i < BOARD_TOPICS; i++)
		board->topics[i].topic = catalog->topics[i].topic;
	board->ring_size = ring ? ring : 1;
	board->ring = calloc(board->ring_size, sizeof *board->ring);
	if (board->ring == NULL)
		fault_memory(fault);
	if (board->ring == NULL || !read_villages(board, villages_csv, fault)
	        || !read_departments(board, departments, fault)) {
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

static struct village *find_village(struct board *board, struct bytes code)
{
	size_t low = 0;
	size_t high = board->village_count;

	while (low < high) { /* the register stands in the order of its codes */
		size_t middle = (low + high) / 2;
		const char *found = board->villages[middle].code;
		int order = strncmp(found, (const char *)code.data, code.size);

		if (order == 0 && found[code.size] == '\0')
			return &board->villages[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static void keep_event(struct board *board, struct bytes json)
{
	struct ring_slot *slot;
	char *copy = malloc(json.size + 1);

	if (copy == NULL)
		return;
	memcpy(copy, json.data, json.size);
	slot = &board->ring[++board->newest % (int64_t)board->ring_size];
	free(slot->json);
	slot->json = copy;
	slot->size = json.size;
}

void board_add(struct board *board, const struct board_event *event)
{
	struct topic_counts *counts = &board->topics[event->topic];
	struct village *village;

	pthread_mutex_lock(&board->lock);
	counts->total++;
	board->undecodable += event->undecodable;
	count_in(counts->minutes, counts->minute_of, BOARD_MINUTES,
	        event->appended_at_us / 60000000);
	count_in(counts->seconds, counts->second_of, RATE_SECONDS + 1,
	        event->appended_at_us / 1000000);
	village = event->village_code.size ? find_village(board, event->village_code)
	                                   : NULL;
	if (village != NULL) {
		village->count++;
		village->last_us = event->appended_at_us;
	}
	if (event->recorded_at_us > 0)
		board->latencies_us[board->latency_count++ % LATENCIES] =
		        event->appended_at_us - event->recorded_at_us;
	keep_event(board, event->json);
	pthread_mutex_unlock(&board->lock);
}

void board_broker(struct board *board, bool up)
{
	pthread_mutex_lock(&board->lock);
	board->broker_up = up;
	pthread_mutex_unlock(&board->lock);
}

void board_department(struct board *board, const struct board_department *report)
{
	pthread_mutex_lock(&board->lock);
	for (size_t i = 0; i < board->department_count; i++)
		if (strcmp(board->departments[i].name, report->name) == 0)
			board->departments[i] = *report;
	pthread_mutex_unlock(&board->lock);
}

const char *board_department_name(const struct board *board, size_t index)
{
	return index < board->department_count ? board->departments[index].name : NULL;
}

int64_t board_total(struct board *board, size_t topic)
{
	int64_t total;

	pthread_mutex_lock(&board->lock);
	total = board->topics[topic].total;
	pthread_mutex_unlock(&board->lock);
	return total;
}

/* The ring */

static bool is_in_ring(const struct board *board, int64_t number)
{
	return number >= 1 && number <= board->newest
	       && number > board->newest - (int64_t)board->ring_size;
}

bool board_event_at(struct board *board, int64_t number, struct buffer *out)
{
	bool found;

	pthread_mutex_lock(&board->lock);
	found = is_in_ring(board, number);
	if (found) {
		struct ring_slot *slot =
		        &board->ring[number % (int64_t)board->ring_size];

		buffer_append(out, slot->json, slot->size);
	}
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

/* JSON */

static void put_topic(
        const struct topic_counts *counts, int64_t now_us, struct buffer *out)
{
	int64_t minute = now_us / 60000000;
	int64_t second = now_us / 1000000;
	int64_t recent = 0;

	for (size_t i = 0; i <= RATE_SECONDS; i++)
		if (counts->second_of[i] < second
		        && counts->second_of[i] >= second - RATE_SECONDS)
			recent += counts->seconds[i];
	buffer_append_text(out, "{\"topic\":");
	buffer_append_json(out, bytes_of(counts->topic));
	buffer_format(out, ",\"total\":%lld,\"rate\":%.1f,\"minutes\":[",
	        (long long)counts->total, (double)recent / RATE_SECONDS);
	for (int64_t at = minute - BOARD_MINUTES + 1; at <= minute; at++) {
		size_t place = (size_t)(at % BOARD_MINUTES);

		buffer_format(out, "%s%lld", at > minute - BOARD_MINUTES + 1 ? "," : "",
		        counts->minute_of[place] == at
		                ? (long long)counts->minutes[place]
		                : 0LL);
	}
	buffer_append_text(out, "]}");
}

static int by_size(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a;
	int64_t right = *(const int64_t *)b;

	return (left > right) - (left < right);
}

static void put_latency(const struct board *board, struct buffer *out)
{
	int64_t sorted[LATENCIES];
	size_t count =
	        board->latency_count < LATENCIES ? board->latency_count : LATENCIES;

	if (count == 0) {
		buffer_append_text(out, "\"latency\":null");
		return;
	}
	memcpy(sorted, board->latencies_us, count * sizeof *sorted);
	qsort(sorted, count, sizeof *sorted, by_size);
	buffer_format(out, "\"latency\":{\"p50_ms\":%.1f,\"p99_ms\":%.1f}",
	        (double)sorted[count / 2] / 1000,
	        (double)sorted[count * 99 / 100] / 1000);
}

static void put_departments(const struct board *board, struct buffer *out)
{
	buffer_append_byte(out, '[');
	for (size_t i = 0; i < board->department_count; i++) {
		const struct board_department *at = &board->departments[i];

		buffer_format(out, "%s{\"name\":", i > 0 ? "," : "");
		buffer_append_json(out, bytes_of(at->name));
		buffer_format(out,
		        ",\"state\":\"%s\",\"lag\":%lld,\"dead\":%lld,\"applied\":%lld,"
		        "\"reported_at\":",
		        at->state, (long long)at->lag, (long long)at->dead,
		        (long long)at->applied);
		clock_append_json(at->reported_at * 1000000, out);
		buffer_append_byte(out, '}');
	}
	buffer_append_byte(out, ']');
}

void board_stats(struct board *board, struct buffer *out)
{
	int64_t now_us = clock_wall_us();
	int64_t seen = 0;

	pthread_mutex_lock(&board->lock);
	for (size_t i = 0; i < board->village_count; i++)
		seen += board->villages[i].last_us > 0;
	buffer_append_text(out, "{\"time\":");
	clock_append_json(now_us, out);
	buffer_format(out,
	        ",\"broker\":\"%s\",\"undecodable\":%lld,\"villages_seen\":%lld,"
	        "\"villages\":%zu,\"newest\":%lld,\"topics\":[",
	        board->broker_up ? "up" : "down", (long long)board->undecodable,
	        (long long)seen, board->village_count, (long long)board->newest);
	for (size_t i = 0; i < board->topic_count; i++) {
		if (i > 0)
			buffer_append_byte(out, ',');
		put_topic(&board->topics[i], now_us, out);
	}
	buffer_append_text(out, "],");
	put_latency(board, out);
	buffer_append_text(out, ",\"departments\":");
	put_departments(board, out);
	buffer_append_byte(out, '}');
	pthread_mutex_unlock(&board->lock);
}

static void put_village(const struct village *village, struct buffer *out)
{
	buffer_append_text(out, "{\"village_code\":");
	buffer_append_json(out, bytes_of(village->code));
	buffer_append_text(out, ",\"name\":");
	buffer_append_json(out, bytes_of(village->name));
	buffer_append_text(out, ",\"district\":");
	buffer_append_json(out, bytes_of(village->district));
	buffer_format(
	        out, ",\"events\":%lld,\"last_heard_at\":", (long long)village->count);
	clock_append_json(village->last_us, out);
	buffer_append_byte(out, '}');
}

void board_villages(struct board *board, struct buffer *out)
{
	pthread_mutex_lock(&board->lock);
	buffer_append_text(out, "{\"villages\":[");
	for (size_t i = 0; i < board->village_count; i++) {
		if (i > 0)
			buffer_append_byte(out, ',');
		put_village(&board->villages[i], out);
	}
	buffer_append_text(out, "]}");
	pthread_mutex_unlock(&board->lock);
}

bool board_village(struct board *board, const char *code, struct buffer *out)
{
	const struct village *village;

	pthread_mutex_lock(&board->lock);
	village = find_village(board, bytes_of(code));
	if (village != NULL)
		put_village(village, out);
	pthread_mutex_unlock(&board->lock);
	return village != NULL;
}

void board_departments(struct board *board, struct buffer *out)
{
	pthread_mutex_lock(&board->lock);
	buffer_append_text(out, "{\"departments\":");
	put_departments(board, out);
	buffer_append_byte(out, '}');
	pthread_mutex_unlock(&board->lock);
}
