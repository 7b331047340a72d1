/* SPDX-License-Identifier: MIT */
/*
 * GET /v1/minutes: how many events came in each minute, for the bar of time. No record
 * is read: the broker says at which offset each minute begins, and the distance of two
 * is the count. Where a minute of the past begins never changes, so it is asked once.
 *
 * Asking may wait for a broker that is down, so a clerk does it.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "asked.h"
#include "base/clock.h"
#include "clerk.h"
#include "monitor.h"
#include "port/topic_ranges.h"

enum {
	STEP_S = 60,
	LONG_STEP_S = 300, /* of more than LONG_S */
	LONG_S = 12 * 3600,
	MOST_S = 48 * 3600,
	KNOWN = 4096,
	PLACES = 1024,
	SEATS = 16,
	SETTLED_S = 120, /* a minute that is over for every clock */
};

/* Where every partition stood at a time. */
struct known {
	int64_t second;
	int64_t *offsets; /* of minutes->places; NULL: not known */
};

struct question {
	struct errand errand; /* first */
	struct http_request *request;
	struct replay_wish wish;
	int64_t from_s;
	int64_t to_s;
	int64_t step_s;
	struct fault fault;
	struct buffer answer; /* empty: see the fault */
};

struct minutes {
	const struct conf *conf;
	const struct catalog *catalog;
	struct http_route routes[2];
	struct clerk *clerk;
	/* The clerk's own. */
	struct ranges *ranges;
	struct topic_place places[PLACES];
	size_t topics[PLACES]; /* of places, by the catalog */
	size_t count;
	struct known known[KNOWN];
};

/* The clerk's thread */

static bool find_places(struct minutes *minutes, struct fault *fault)
{
	const struct catalog *catalog = minutes->catalog;
	size_t count = 0;

	for (size_t i = 0; i < catalog->topic_count; i++) {
		const char *topic = catalog->topics[i].topic;
		int32_t partitions;

		if (!ranges_partitions(minutes->ranges, topic, &partitions, fault))
			return false;
		if (partitions == 0)
			return fault_set(fault, FAULT_RETRY,
			        "topic %s does not exist yet", topic);
		for (int32_t j = 0; j < partitions && count < PLACES; j++) {
			minutes->topics[count] = i;
			minutes->places[count++] = (struct topic_place){ topic, j, 0 };
		}
	}
	minutes->count = count;
	return true;
}

static bool connect_once(struct minutes *minutes, struct fault *fault)
{
	return (minutes->ranges != NULL
	               || ranges_open(&minutes->ranges, minutes->conf, 0, fault))
	       && (minutes->count > 0 || find_places(minutes, fault));
}

/* Where the partitions stood at a second; borrowed until the next call. */
static const int64_t *offsets_at(
        struct minutes *minutes, int64_t second, int64_t now_s, struct fault *fault)
{
	struct known *known = &minutes->known[(size_t)(second / STEP_S) % KNOWN];

	if (known->offsets != NULL && known->second == second)
		return known->offsets;
	if (known->offsets == NULL)
		known->offsets = calloc(minutes->count, sizeof *known->offsets);
	known->second = -1;
	if (known->offsets == NULL) {
		fault_memory(fault);
		return NULL;
	}
	if (!ranges_offsets(minutes->ranges,
	            second > now_s ? INT64_MAX : second * 1000000, minutes->places,
	            minutes->count, fault))
		return NULL;
	for (size_t i = 0; i < minutes->count; i++)
		known->offsets[i] = minutes->places[i].offset;
	if (second < now_s - SETTLED_S)
		known->second = second;
	return known->offsets;
}

/* counts: one a topic and step. */
static bool count_steps(struct minutes *minutes, const struct question *question,
        int64_t *counts, size_t steps, struct fault *fault)
{
	int64_t now_s = clock_wall_us() / 1000000;
	int64_t *before = calloc(minutes->count, sizeof *before);
	bool ok = before != NULL || fault_memory(fault);

	for (size_t step = 0; ok && step <= steps; step++) {
		const int64_t *offsets = offsets_at(minutes,
		        question->from_s + (int64_t)step * question->step_s, now_s,
		        fault);

		ok = offsets != NULL;
		for (size_t i = 0; ok && i < minutes->count; i++) {
			if (step > 0 && offsets[i] > before[i])
				counts[minutes->topics[i] * steps + step - 1] +=
				        offsets[i] - before[i];
			before[i] = offsets[i];
		}
	}
	free(before);
	return ok;
}

static void put_counts(const struct minutes *minutes, struct question *question,
        const int64_t *counts, size_t steps)
{
	struct buffer *out = &question->answer;
	bool any = false;

	buffer_append_text(out, "{\"from\":");
	clock_append_json(question->from_s * 1000000, out);
	buffer_format(out, ",\"step_s\":%" PRId64 ",\"counts\":{", question->step_s);
	for (size_t i = 0; i < minutes->catalog->topic_count; i++) {
		if (!question->wish.topics[i])
			continue;
		buffer_format(out, "%s\"%s\":[", any ? "," : "",
		        minutes->catalog->topics[i].topic);
		for (size_t step = 0; step < steps; step++)
			buffer_format(out, "%s%" PRId64, step > 0 ? "," : "",
			        counts[i * steps + step]);
		buffer_append_byte(out, ']');
		any = true;
	}
	buffer_append_text(out, "}}");
}

static void answer(void *context, struct errand *errand)
{
	struct minutes *minutes = context;
	struct question *question = (struct question *)errand;
	size_t steps = (size_t)((question->to_s - question->from_s) / question->step_s);
	int64_t *counts =
	        calloc(steps * minutes->catalog->topic_count + 1, sizeof *counts);

	if (counts == NULL)
		fault_memory(&question->fault);
	else if (connect_once(minutes, &question->fault)
	         && count_steps(minutes, question, counts, steps, &question->fault))
		put_counts(minutes, question, counts, steps);
	free(counts);
}

/* The loop */

static void question_free(struct question *question)
{
	buffer_clear(&question->answer);
	free(question);
}

static void send_answer(void *context, struct errand *errand)
{
	struct question *question = (struct question *)errand;

	(void)context;
	if (question->answer.size > 0 && !question->answer.failed)
		answer_json(question->request, &question->answer);
	else
		asked_refuse(question->request, &question->fault);
	question_free(question);
}

/* Its request is cut off with the listener. */
static void forget(void *context, struct errand *errand)
{
	(void)context;
	question_free((struct question *)errand);
}

/* Whole steps, from the one that holds the beginning to the one that holds the end. */
static bool take_question(struct question *question, struct http_request *request,
        const struct catalog *catalog, struct fault *fault)
{
	const struct replay_wish *wish = &question->wish;
	int64_t long_us = INT64_C(1000000) * MOST_S;
	int64_t step_us;

	if (!asked_take_span(&question->wish, request, catalog, fault))
		return false;
	if (wish->to_us - wish->from_us > long_us || wish->from_us < 0)
		return fault_code(fault, FAULT_REJECT, "long",
		        "to: expected at most 48 hours behind the first");
	question->request = request;
	question->step_s = wish->to_us - wish->from_us > INT64_C(1000000) * LONG_S
	                           ? LONG_STEP_S
	                           : STEP_S;
	step_us = question->step_s * 1000000;
	question->from_s = wish->from_us / step_us * question->step_s;
	question->to_s = (wish->to_us + step_us - 1) / step_us * question->step_s;
	return true;
}

static void serve_minutes(void *context, struct http_request *request)
{
	static const struct http_problem busy = { 503, "busy", "Try again",
		"Too many ask at once; try again in a moment.",
		"Terlalu banyak permintaan; coba lagi sebentar lagi." };
	struct minutes *minutes = context;
	struct question *question =
	        clerk_load(minutes->clerk) < SEATS ? calloc(1, sizeof *question) : NULL;
	struct fault fault = { 0 };

	if (question == NULL) {
		http_answer_header(request, "Retry-After", "2");
		http_refuse(request, &busy, NULL);
	} else if (take_question(question, request, minutes->catalog, &fault)) {
		clerk_give(minutes->clerk, &question->errand);
	} else {
		asked_refuse(request, &fault);
		question_free(question);
	}
}

bool minutes_open(struct minutes **out, const struct conf *conf,
        const struct catalog *catalog, struct loop *loop, struct http *http,
        struct fault *fault)
{
	static const struct clerk_duties duties = {
		.run = answer, .done = send_answer, .drop = forget
	};
	struct minutes *minutes = calloc(1, sizeof *minutes);

	if (minutes == NULL)
		return fault_memory(fault);
	*out = minutes;
	minutes->conf = conf;
	minutes->catalog = catalog;
	minutes->routes[0] = (struct http_route){ "GET", "/v1/minutes", NULL, 0,
		serve_minutes, minutes };
	http_serve(http, minutes->routes);
	return clerk_open(&minutes->clerk, loop, &duties, minutes, fault);
}

/* After the listener: nobody waits for an answer any more. */
void minutes_close(struct minutes **minutes)
{
	struct minutes *old = *minutes;

	if (old == NULL)
		return;
	clerk_close(&old->clerk);
	ranges_close(&old->ranges);
	for (size_t i = 0; i < KNOWN; i++)
		free(old->known[i].offsets);
	free(old);
	*minutes = NULL;
}
