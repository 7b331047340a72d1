/* SPDX-License-Identifier: MIT */
/*
 * Two databases with one department's name share its consumer group: each sink gets
 * some of the partitions, says that all is well, and neither database gets everything.
 * A report names its database (docs/decisions/0037). One of another database may be
 * old, and clocks differ: who writes a newer one is alive.
 */
#include "flow/deliver_parts.h"

#include <string.h>

#include <jansson.h>

#include "base/clock.h"

enum {
	PARTITIONS = 256, /* a rival has some of any that many */
	LOOK_MS = 5000,
	ALIVE_MS = 60000, /* it writes each ten seconds at least */
};

static void note_report(
        void *context, const char *topic, int32_t partition, struct bytes text)
{
	struct deliver *deliver = context;
	struct rival *rival = &deliver->rival;
	const char *database;
	int64_t at;
	json_t *report;

	if (deliver_find_partition(deliver, topic, partition) != NULL)
		return;
	report = json_loadb((const char *)text.data, text.size, 0, NULL);
	database = json_string_value(json_object_get(report, "database"));
	at = json_integer_value(json_object_get(report, "at"));
	if (database != NULL && database[0] != '\0' && strcmp(database, rival->own) != 0
	        && at > rival->seen)
		rival->seen = at;
	json_decref(report);
}

static void look_at_topic(struct deliver *deliver, const char *topic)
{
	struct topic_place places[PARTITIONS];
	size_t count = deliver->catalog->modulus < PARTITIONS
	                       ? (size_t)deliver->catalog->modulus
	                       : PARTITIONS;

	for (size_t i = 0; i < count; i++)
		places[i] = (struct topic_place){ topic, (int32_t)i, 0 };
	consumer_notes(deliver->consumer, places, count, note_report, deliver);
}

/* The first look only tells what stands there. */
static void look(struct deliver *deliver, int64_t now_us)
{
	struct rival *rival = &deliver->rival;

	rival->seen = 0;
	for (size_t i = 0; i < deliver->department->topic_count; i++)
		look_at_topic(deliver, deliver->department->topics[i].topic->topic);
	if (rival->newest > 0 && rival->seen > rival->newest)
		rival->alive_us = now_us;
	if (rival->seen > rival->newest)
		rival->newest = rival->seen;
}

bool deliver_has_rival(struct deliver *deliver)
{
	struct rival *rival = &deliver->rival;
	int64_t now_us = clock_monotonic_us();

	if (now_us >= rival->look_us && rival->own[0] != '\0') {
		rival->look_us = now_us + LOOK_MS * 1000;
		look(deliver, now_us);
	}
	return rival->alive_us > 0 && now_us - rival->alive_us < ALIVE_MS * 1000;
}
