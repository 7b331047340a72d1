/* SPDX-License-Identifier: MIT */
/*
 * GET /v1/minutes: how many events came in each minute, for the bar of time. No record
 * is read: the broker says at which offset each minute begins, and the distance of two
 * is the count. Where a minute of the past begins never changes, so it is asked once.
 *
 * Asking may wait for a broker that is down, so a thread does it, one question after
 * the other.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "asked.h"
#include "base/clock.h"
#include "monitor.h"
#include "port/topic_ranges.h"

enum {
	STEP_S = 60,
	LONG_STEP_S = 300, /* of more than LONG_S */
	LONG_S = 12 * 3600,
	MOST_S = 48 * 3600,
	KNOWN = 4096,
	PLACES = 1024,
	QUESTIONS = 16,
	SETTLED_S = 120, /* a minute that is over for every clock */
};

/* Where every partition stood at a time. */
struct known {
	int64_t second;
	int64_t *offsets; /* of minutes->places; NULL: not known */
};

struct question {
	struct question *next;
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
	int fd;         /* readable: something is answered */
	size_t waiting; /* questions that are not answered; the loop's */
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t lock; /* guards the lists and ending */
	pthread_cond_t asked;
	struct question *questions;
	struct question *answered;
	bool ending;
	/* The thread's own. */
	struct ranges *ranges;
	struct topic_place places[PLACES];
	size_t topics[PLACES]; /* of places, by the catalog */
	size_t count;
	struct known known[KNOWN];
};

/* The thread */

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

static void answer(struct minutes *minutes, struct question *question)
{
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

/* NULL when it is time to end. */
static struct question *next_question(struct minutes *minutes)
{
	struct question *question;

	pthread_mutex_lock(&minutes->lock);
	while (minutes->questions == NULL && !minutes->ending)
		pthread_cond_wait(&minutes->asked, &minutes->lock);
	question = minutes->ending ? NULL : minutes->questions;
	if (question != NULL)
		minutes->questions = question->next;
	pthread_mutex_unlock(&minutes->lock);
	return question;
}

static void *answer_all(void *context)
{
	struct minutes *minutes = context;
	const uint64_t one = 1;
	struct question *question;

	while ((question = next_question(minutes)) != NULL) {
		answer(minutes, question);
		pthread_mutex_lock(&minutes->lock);
		question->next = minutes->answered;
		minutes->answered = question;
		pthread_mutex_unlock(&minutes->lock);
		(void)!write(minutes->fd, &one, sizeof one);
	}
	return NULL;
}

/* The loop */

static void question_free(struct question *question)
{
	buffer_clear(&question->answer);
	free(question);
}

static void send_answers(void *context)
{
	struct minutes *minutes = context;
	struct question *list;
	uint64_t count;

	(void)!read(minutes->fd, &count, sizeof count);
	pthread_mutex_lock(&minutes->lock);
	list = minutes->answered;
	minutes->answered = NULL;
	pthread_mutex_unlock(&minutes->lock);
	while (list != NULL) {
		struct question *question = list;

		list = question->next;
		minutes->waiting--;
		if (question->answer.size > 0 && !question->answer.failed)
			answer_json(question->request, &question->answer);
		else
			asked_refuse(question->request, &question->fault);
		question_free(question);
	}
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

static void ask(struct minutes *minutes, struct question *question)
{
	struct question **last = &minutes->questions;

	minutes->waiting++;
	pthread_mutex_lock(&minutes->lock);
	while (*last != NULL)
		last = &(*last)->next;
	*last = question;
	pthread_cond_signal(&minutes->asked);
	pthread_mutex_unlock(&minutes->lock);
}

static void serve_minutes(void *context, struct http_request *request)
{
	static const struct http_problem busy = { 503, "busy", "Try again",
		"Too many ask at once; try again in a moment.",
		"Terlalu banyak permintaan; coba lagi sebentar lagi." };
	struct minutes *minutes = context;
	struct question *question =
	        minutes->waiting < QUESTIONS ? calloc(1, sizeof *question) : NULL;
	struct fault fault = { 0 };

	if (question == NULL) {
		http_answer_header(request, "Retry-After", "2");
		http_refuse(request, &busy, NULL);
	} else if (take_question(question, request, minutes->catalog, &fault)) {
		ask(minutes, question);
	} else {
		asked_refuse(request, &fault);
		question_free(question);
	}
}

bool minutes_open(struct minutes **out, const struct conf *conf,
        const struct catalog *catalog, struct loop *loop, struct http *http,
        struct fault *fault)
{
	struct minutes *minutes = calloc(1, sizeof *minutes);

	if (minutes == NULL)
		return fault_memory(fault);
	*out = minutes;
	minutes->conf = conf;
	minutes->catalog = catalog;
	pthread_mutex_init(&minutes->lock, NULL);
	pthread_cond_init(&minutes->asked, NULL);
	minutes->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (minutes->fd < 0)
		return fault_set(fault, FAULT_STOP, "eventfd: %s", strerror(errno));
	minutes->routes[0] = (struct http_route){ "GET", "/v1/minutes", NULL, 0,
		serve_minutes, minutes };
	http_serve(http, minutes->routes);
	if (!loop_watch(loop, minutes->fd, send_answers, minutes, fault))
		return false;
	minutes->has_thread =
	        pthread_create(&minutes->thread, NULL, answer_all, minutes) == 0;
	return minutes->has_thread || fault_memory(fault);
}

static void forget_questions(struct question *list)
{
	while (list != NULL) {
		struct question *question = list;

		list = question->next;
		question_free(question);
	}
}

/* After the listener: nobody waits for an answer any more. */
void minutes_close(struct minutes **minutes)
{
	struct minutes *old = *minutes;

	if (old == NULL)
		return;
	pthread_mutex_lock(&old->lock);
	old->ending = true;
	pthread_cond_signal(&old->asked);
	pthread_mutex_unlock(&old->lock);
	if (old->has_thread)
		pthread_join(old->thread, NULL);
	ranges_close(&old->ranges);
	forget_questions(old->questions);
	forget_questions(old->answered);
	for (size_t i = 0; i < KNOWN; i++)
		free(old->known[i].offsets);
	if (old->fd >= 0)
		close(old->fd);
	pthread_mutex_destroy(&old->lock);
	pthread_cond_destroy(&old->asked);
	free(old);
	*minutes = NULL;
}
