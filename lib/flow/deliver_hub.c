/* SPDX-License-Identifier: MIT */
/*
 * What Kafka is to a sink: the group that gives it partitions and takes them away, and
 * the topics, which may be missing or silent. Kafka turns a member away for good where
 * another has its group.instance.id: a new member takes its place.
 */
#include "flow/deliver_parts.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

enum {
	TOPICS_MS = 10000,
	CUT_OFF_MS = 2000,
	OUT_MS = 10000, /* longer than the others need to share anew */
};

#define NO_PARTITIONS "Kafka has given it no partitions yet"

/* The group */

static bool open_consumer(
        const struct deliver *deliver, struct consumer **out, struct fault *fault)
{
	const char *topics[DELIVER_TOPICS];
	char group[160];

	if (deliver->department->topic_count > DELIVER_TOPICS)
		return fault_set(
		        fault, FAULT_STOP, "more than %d topics", DELIVER_TOPICS);
	for (size_t i = 0; i < deliver->department->topic_count; i++)
		topics[i] = deliver->department->topics[i].topic->topic;
	snprintf(group, sizeof group, "kentongan-%s", deliver->department->name);
	if (!consumer_open(out, deliver->conf, group, fault))
		return false;
	if (consumer_subscribe(*out, topics, deliver->department->topic_count, fault))
		return true;
	consumer_close(out);
	return false;
}

bool deliver_join(struct deliver *deliver, struct fault *fault)
{
	deliver->counters.state = "waiting"; /* for the first time: nothing to log */
	snprintf(deliver->counters.reason, sizeof deliver->counters.reason,
	        NO_PARTITIONS);
	return open_consumer(deliver, &deliver->consumer, fault);
}

bool deliver_take_assignment(struct deliver *deliver, struct fault *fault)
{
	size_t count;
	const struct topic_place *places =
	        consumer_assignment(deliver->consumer, &count);

	free(deliver->partitions);
	deliver->partition_count = 0;
	deliver->partitions = calloc(count + 1, sizeof *deliver->partitions);
	if (deliver->partitions == NULL)
		return fault_memory(fault);
	for (size_t i = 0; i < count; i++) {
		snprintf(deliver->partitions[i].topic,
		        sizeof deliver->partitions[i].topic, "%s", places[i].topic);
		deliver->partitions[i].number = places[i].partition;
		deliver->partitions[i].next = -1;
	}
	deliver->partition_count = count;
	deliver->is_member = true;
	deliver->slow = (struct slow){ 0 };
	deliver->rival = (struct rival){ 0 };
	deliver->counters.assignments++;
	if (count == 0)
		deliver_say_running(deliver);
	return true;
}

void deliver_own_nothing(struct deliver *deliver)
{
	deliver->partition_count = 0;
	deliver->is_member = false;
	deliver->out_us = clock_monotonic_us();
	deliver->counters.assignments++;
}

void deliver_lose_consumer(struct deliver *deliver, const struct fault *fault)
{
	deliver->needs_consumer = true;
	deliver_give_way(deliver, fault);
	deliver_own_nothing(deliver);
}

void deliver_renew_consumer(struct deliver *deliver)
{
	struct consumer *old = deliver->consumer;
	struct fault fault = { 0 };

	if (!deliver->needs_consumer || clock_monotonic_us() < deliver->resume_us)
		return;
	if (!open_consumer(deliver, &deliver->consumer, &fault)) {
		deliver->consumer = old;
		deliver_give_way(deliver, &fault);
		return;
	}
	deliver->needs_consumer = false;
	consumer_close(&old);
}

/* The topics */

/* A topic that does not exist, or NULL. False: Kafka does not answer. */
static bool find_missing(const struct deliver *deliver, const char **out)
{
	struct fault ignored;
	int32_t partitions;

	*out = NULL;
	for (size_t i = 0; i < deliver->department->topic_count; i++) {
		const char *topic = deliver->department->topics[i].topic->topic;

		if (!consumer_partitions(
		            deliver->consumer, topic, &partitions, &ignored))
			return false;
		if (partitions == 0 && *out == NULL)
			*out = topic;
	}
	return true;
}

static void say_cut_off(struct deliver *deliver)
{
	deliver_set_state(deliver, "waiting", "Kafka does not answer");
}

bool deliver_hears_kafka(struct deliver *deliver)
{
	const char *missing;

	deliver->is_cut_off = !find_missing(deliver, &missing);
	if (deliver->is_cut_off) {
		say_cut_off(deliver);
		deliver->resume_us = clock_monotonic_us() + CUT_OFF_MS * INT64_C(1000);
	}
	return !deliver->is_cut_off;
}

/* The database comes first, and who has no consumer has said so. */
static bool is_time_for_topics(const struct deliver *deliver)
{
	return clock_monotonic_us() >= deliver->topics_us && !deliver->needs_consumer
	       && (deliver->running || deliver->partition_count == 0);
}

static bool is_long_out(const struct deliver *deliver)
{
	return clock_monotonic_us() - deliver->out_us > OUT_MS * INT64_C(1000);
}

void deliver_look_for_topics(struct deliver *deliver)
{
	bool ailed = deliver->lacks_topic || deliver->is_cut_off;
	const char *topic;
	char reason[200];

	if (!is_time_for_topics(deliver))
		return;
	deliver->is_cut_off = !find_missing(deliver, &topic);
	deliver->lacks_topic = topic != NULL;
	deliver->topics_us =
	        clock_monotonic_us()
	        + (deliver->is_cut_off ? CUT_OFF_MS : TOPICS_MS) * INT64_C(1000);
	if (deliver->is_cut_off) {
		say_cut_off(deliver);
	} else if (topic != NULL) {
		snprintf(reason, sizeof reason,
		        "the topic %.100s is not there; run kentongan topics create",
		        topic);
		deliver_set_state(deliver, "waiting", reason);
	} else if (!deliver->is_member && (ailed || is_long_out(deliver))) {
		deliver_set_state(deliver, "waiting", NO_PARTITIONS);
	} else if (ailed) {
		deliver_say_running(deliver);
	}
}
