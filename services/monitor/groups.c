/* SPDX-License-Identifier: MIT */
/*
 * Sinks write how they are beside their committed offsets: docs/decisions/0002. Asking
 * may wait for a broker that is down, so it has a thread and connections of its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "monitor.h"
#include "port/topic_admin.h"
#include "port/topic_consumer.h"

enum { EACH_MS = 1000, ENDS = 512 };

struct end {
	const char *topic;
	int32_t partition;
	int64_t offset;
};

struct groups {
	const struct catalog *catalog;
	struct board *board;
	struct admin *admin;
	struct consumer *consumer; /* for the ends of partitions */
	struct end ends[ENDS];
	size_t end_count;
	struct department_line report; /* of the group at hand */
	pthread_t thread;
	bool has_thread;
	atomic_bool ending;
};

static void keep_text(char *out, size_t room, const json_t *json, const char *name)
{
	const char *text = json_string_value(json_object_get(json, name));

	if (text != NULL)
		snprintf(out, room, "%s", text);
}

/* -1 where it is not said, or is no number. */
static int64_t number_of(const json_t *json, const char *name)
{
	const json_t *number = json_object_get(json, name);

	return json_is_integer(number) ? json_integer_value(number) : -1;
}

static void read_letter(
        const struct groups *groups, const json_t *json, struct department_line *report)
{
	const char *name = json_string_value(json_object_get(json, "topic"));
	const struct catalog_topic *topic =
	        name != NULL ? catalog_topic(groups->catalog, name) : NULL;
	struct letter *letter = &report->letters[report->letter_count];

	if (topic == NULL || report->letter_count == LETTERS)
		return;
	*letter = (struct letter){ .id = number_of(json, "id"),
		.topic = topic->topic,
		.partition = (int32_t)number_of(json, "partition"),
		.offset = number_of(json, "offset"),
		.seq = number_of(json, "seq"),
		.at = number_of(json, "at") };
	keep_text(letter->village_code, sizeof letter->village_code, json, "village");
	keep_text(letter->class, sizeof letter->class, json, "class");
	keep_text(letter->sqlstate, sizeof letter->sqlstate, json, "sqlstate");
	report->letter_count++;
}

/* Only one partition of a sink carries them: docs/decisions/0054. */
static void read_letters(struct groups *groups, const json_t *letters, int64_t at)
{
	struct department_line *report = &groups->report;
	const json_t *letter;
	size_t i;

	if (!json_is_array(letters) || at <= report->letters_at)
		return;
	report->letters_at = at;
	report->letter_count = 0;
	json_array_foreach(letters, i, letter) read_letter(groups, letter, report);
}

/* Each partition carries a report: the newest one counts. */
static void read_metadata(struct groups *groups, const char *text)
{
	struct department_line *report = &groups->report;
	json_t *json = json_loads(text, 0, NULL);
	int64_t at = number_of(json, "at");

	if (json_is_string(json_object_get(json, "state"))
	        && at > report->reported_at) {
		keep_text(report->state, sizeof report->state, json, "state");
		keep_text(report->title, sizeof report->title, json, "title");
		keep_text(report->reason, sizeof report->reason, json, "reason");
		report->dead = number_of(json, "dead");
		report->parked = number_of(json, "parked");
		report->applied = number_of(json, "applied");
		report->p50_us = number_of(json, "p50_us");
		report->p99_us = number_of(json, "p99_us");
		report->row_at = number_of(json, "row_at");
		report->reported_at = at;
	}
	read_letters(groups, json_object_get(json, "letters"), at);
	json_decref(json);
}

/* What a partition adds to the lag, and whether its oldest record is the oldest. */
static void note_lag(
        struct groups *groups, const struct topic_place *place, int64_t end)
{
	struct department_line *report = &groups->report;
	int64_t came_us;

	if (end <= place->offset)
		return;
	report->lag += end - place->offset;
	came_us = board_time_of(
	        groups->board, place->topic, place->partition, place->offset);
	if (came_us > 0 && (report->oldest_us == 0 || came_us < report->oldest_us))
		report->oldest_us = came_us;
}

static void note_place(
        void *context, const struct topic_place *place, const char *metadata)
{
	struct groups *groups = context;

	for (size_t i = 0; i < groups->end_count; i++)
		if (groups->ends[i].partition == place->partition
		        && strcmp(groups->ends[i].topic, place->topic) == 0)
			note_lag(groups, place, groups->ends[i].offset);
	read_metadata(groups, metadata);
}

static bool read_ends(struct groups *groups, struct fault *fault)
{
	groups->end_count = 0;
	for (size_t i = 0; i < groups->catalog->topic_count; i++) {
		const char *topic = groups->catalog->topics[i].topic;
		int32_t partitions;

		if (!consumer_partitions(groups->consumer, topic, &partitions, fault))
			return false;
		for (int32_t at = 0; at < partitions && groups->end_count < ENDS;
		        at++) {
			struct end *end = &groups->ends[groups->end_count];
			int64_t low;

			*end = (struct end){ topic, at, 0 };
			if (!consumer_bounds(groups->consumer, topic, at, &low,
			            &end->offset, fault))
				return false;
			groups->end_count++;
		}
	}
	return true;
}

static bool look(struct groups *groups, struct fault *fault)
{
	const char *name;
	char group[128];

	if (!read_ends(groups, fault))
		return false;
	for (size_t i = 0; (name = board_department_name(groups->board, i)) != NULL;
	        i++) {
		groups->report = (struct department_line){ .p50_us = -1, .p99_us = -1 };
		snprintf(groups->report.name, sizeof groups->report.name, "%s", name);
		snprintf(groups->report.state, sizeof groups->report.state, "unknown");
		snprintf(group, sizeof group, "kentongan-%s", name);
		if (!admin_group(groups->admin, group, note_place, groups, fault))
			return false;
		board_department(groups->board, &groups->report);
	}
	return true;
}

static void *look_now_and_then(void *context)
{
	struct groups *groups = context;
	struct timespec slice = { .tv_nsec = 50000000 };
	struct fault fault = { 0 };

	while (!atomic_load(&groups->ending)) {
		board_broker(groups->board, look(groups, &fault));
		for (int ms = 0; ms < EACH_MS && !atomic_load(&groups->ending);
		        ms += 50)
			nanosleep(&slice, NULL);
	}
	return NULL;
}

bool groups_open(struct groups **out, const struct conf *conf,
        const struct catalog *catalog, struct board *board, struct fault *fault)
{
	struct groups *groups = calloc(1, sizeof *groups);

	if (groups == NULL)
		return fault_memory(fault);
	*out = groups;
	groups->catalog = catalog;
	groups->board = board;
	if (!admin_open(&groups->admin, conf, fault)
	        || !consumer_open(&groups->consumer, conf, NULL, fault))
		return false;
	groups->has_thread =
	        pthread_create(&groups->thread, NULL, look_now_and_then, groups) == 0;
	return groups->has_thread || fault_memory(fault);
}

void groups_close(struct groups **groups)
{
	struct groups *old = *groups;

	if (old == NULL)
		return;
	atomic_store(&old->ending, true);
	if (old->has_thread)
		pthread_join(old->thread, NULL);
	consumer_close(&old->consumer);
	admin_close(&old->admin);
	free(old);
	*groups = NULL;
}
