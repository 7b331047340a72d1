/* SPDX-License-Identifier: MIT */
/*
 * GET /v1/records/{topic}/{partition}/{offset}: one record, out of Kafka, when somebody
 * wants to see it: what the ring has let go, a dead letter. A clerk reads, so a broker
 * that is away delays nobody else.
 *
 * Promise: masked as on /events. Unmasked, who sees it and why is kept before it is
 * shown, as for a case.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "base/clock.h"
#include "clerk.h"
#include "event/mask.h"
#include "monitor.h"
#include "port/topic_ranges.h"

enum {
	SEATS = 16,
	WAIT_MS = 100,
	PATIENCE_US = 5000000, /* for the broker's answer */
	WHAT_BYTES = 320,
};

struct question {
	struct errand errand; /* first */
	struct http_request *request;
	struct asker asker;
	struct topic_range range; /* of one record */
	int64_t asked_us;         /* monotonic */
	const struct http_problem *problem;
	char village_code[16];
	char case_id[CASE_BYTES];
	struct buffer out;
};

struct records {
	const struct conf *conf;
	const struct catalog *catalog;
	struct access *access;
	struct desk *desk;
	struct clerk *clerk;
	struct http_route routes[2];
	/* The clerk's own. */
	struct mask *mask;
	int64_t away_us; /* monotonic: when the broker was last found to be away */
};

static const struct http_problem no_name = { 404, "not-found", "Not found",
	"A record is named by its topic, partition and offset.",
	"Catatan disebut dengan topik, partisi dan nomor urutnya." };
static const struct http_problem gone = { 404, "gone", "Gone",
	"Kafka does not keep this record any more.",
	"Kafka sudah tidak menyimpan catatan ini." };
static const struct http_problem not_yet = { 404, "not-yet", "Not there yet",
	"The topic does not reach to this offset.",
	"Nomor urut ini belum ada di Kafka." };
static const struct http_problem gap = { 404, "gap", "No record",
	"No record stands at this offset.", "Tidak ada catatan pada nomor urut ini." };
static const struct http_problem away = { 503, "kafka", "Kafka does not answer",
	"Kafka does not answer; try again.",
	"Kafka tidak menjawab; coba lagi sebentar lagi." };
static const struct http_problem busy = { 503, "busy", "Too many ask",
	"Too many wait for Kafka; try again in a moment.",
	"Terlalu banyak yang menunggu Kafka; coba lagi sebentar." };

/* The clerk's thread */

static void keep_text(char *out, size_t room, struct bytes text)
{
	snprintf(out, room, "%.*s", (int)text.size, (const char *)text.data);
}

static void show(struct records *records, struct question *question,
        const struct topic_record *record)
{
	const struct mask_place place = { record->topic, record->partition,
		record->offset, record->appended_at_us };
	struct head head = { 0 };
	struct fault fault;

	if (mask_decode(records->mask, record->value, &head, &fault)) {
		keep_text(question->village_code, sizeof question->village_code,
		        head.village_code);
		keep_text(question->case_id, sizeof question->case_id, head.case_id);
	}
	buffer_format(&question->out,
	        "{\"topic\":\"%s\",\"partition\":%d,\"offset\":%" PRId64 ",\"at\":",
	        record->topic, (int)record->partition, record->offset);
	clock_append_json(record->appended_at_us, &question->out);
	buffer_append_text(&question->out, ",\"event\":");
	mask_append(records->mask, &place, question->asker.view, &question->out);
	buffer_append_byte(&question->out, '}');
}

/* Why a range of one record gave none. */
static const struct http_problem *refusal(
        enum range_news news, const struct fault *fault)
{
	if (news == RANGE_ENDED)
		return &gap;
	return news == RANGE_FAULT && strcmp(fault->code, "offset") == 0 ? &gone
	                                                                 : &away;
}

static const struct http_problem *read_record(
        struct records *records, struct question *question, struct ranges *ranges)
{
	int64_t until_us = clock_monotonic_us() + PATIENCE_US;
	enum range_news news = RANGE_NOTHING;
	struct topic_record record;
	struct fault fault = { 0 };
	size_t count;

	if (!ranges_start(ranges, &question->range, 1, &fault))
		return &away;
	while (news == RANGE_NOTHING && clock_monotonic_us() < until_us)
		news = ranges_read(ranges, 0, WAIT_MS, &record, 1, &count, &fault);
	if (news != RANGE_RECORDS)
		return refusal(news, &fault);
	show(records, question, &record);
	ranges_release(&record, 1);
	return question->out.failed ? &busy : NULL;
}

static const struct http_problem *find_record(
        struct records *records, struct question *question, struct ranges *ranges)
{
	struct topic_place end = { question->range.topic, question->range.partition,
		0 };
	struct fault fault;

	if (!ranges_offsets(ranges, INT64_MAX, &end, 1, &fault))
		return &away;
	if (question->range.first >= end.offset)
		return &not_yet;
	return read_record(records, question, ranges);
}

/* Whoever came while the broker was found to be away need not find it out again. */
static void answer(void *context, struct errand *errand)
{
	struct records *records = context;
	struct question *question = (struct question *)errand;
	struct ranges *ranges = NULL;
	struct fault fault;

	if (question->asked_us <= records->away_us
	        || !ranges_open(&ranges, records->conf, 0, &fault))
		question->problem = &away;
	else
		question->problem = find_record(records, question, ranges);
	ranges_close(&ranges);
	if (question->problem == &away)
		records->away_us = clock_monotonic_us();
}

/* The loop */

static void question_free(struct question *question)
{
	buffer_clear(&question->out);
	free(question);
}

static void finish(void *context, const struct http_problem *problem)
{
	struct question *question = context;

	if (problem != NULL)
		http_refuse(question->request, problem, NULL);
	else
		answer_json(question->request, &question->out);
	question_free(question);
}

static void answered(void *context, struct errand *errand)
{
	struct records *records = context;
	struct question *question = (struct question *)errand;
	char what[WHAT_BYTES];

	if (question->problem != NULL || question->asker.view == VIEW_MASKED) {
		finish(question, question->problem);
		return;
	}
	snprintf(what, sizeof what, "record %.255s %d %" PRId64, question->range.topic,
	        (int)question->range.partition, question->range.first);
	desk_keep(records->desk, &question->asker, what, question->village_code,
	        question->case_id, finish, question);
}

/* Its request is cut off with the listener. */
static void forget(void *context, struct errand *errand)
{
	(void)context;
	question_free((struct question *)errand);
}

/* Digits up to the next slash or the end. */
static bool take_number(const char **at, int64_t most, int64_t *out)
{
	size_t size = strspn(*at, "0123456789");

	if (size == 0 || size > 18)
		return false;
	*out = strtoll(*at, NULL, 10);
	*at += size;
	return *out <= most;
}

/* A topic of the catalog, a slash, a partition, a slash, an offset. */
static bool take_name(
        const struct records *records, const char *tail, struct topic_range *out)
{
	for (size_t i = 0; i < records->catalog->topic_count; i++) {
		const char *topic = records->catalog->topics[i].topic;
		size_t size = strlen(topic);
		const char *at = tail + size + 1;
		int64_t partition;

		if (strncmp(tail, topic, size) != 0 || tail[size] != '/')
			continue;
		*out = (struct topic_range){ .topic = topic };
		if (!take_number(&at, records->catalog->modulus - 1, &partition)
		        || *at++ != '/' || !take_number(&at, INT64_MAX, &out->first)
		        || *at != '\0')
			return false;
		out->partition = (int32_t)partition;
		out->end = out->first + 1;
		return true;
	}
	return false;
}

static void serve_record(void *context, struct http_request *request)
{
	struct records *records = context;
	struct topic_range range;
	struct asker asker;
	struct question *question;

	if (!take_name(records, http_tail(request), &range)) {
		http_refuse(request, &no_name, NULL);
		return;
	}
	if (!access_asker(records->access, request, &asker))
		return;
	question =
	        clerk_load(records->clerk) < SEATS ? calloc(1, sizeof *question) : NULL;
	if (question == NULL) {
		http_answer_header(request, "Retry-After", "2");
		http_refuse(request, &busy, NULL);
		return;
	}
	question->request = request;
	question->asker = asker;
	question->range = range;
	question->asked_us = clock_monotonic_us();
	clerk_give(records->clerk, &question->errand);
}

bool records_open(struct records **out, const struct conf *conf,
        const struct catalog *catalog, struct access *access, struct desk *desk,
        struct loop *loop, struct http *http, struct fault *fault)
{
	static const struct clerk_duties duties = {
		.run = answer, .done = answered, .drop = forget
	};
	struct records *records = calloc(1, sizeof *records);

	if (records == NULL)
		return fault_memory(fault);
	*out = records;
	records->conf = conf;
	records->catalog = catalog;
	records->access = access;
	records->desk = desk;
	records->routes[0] = (struct http_route){ "GET", "/v1/records/", NULL, 0,
		serve_record, records };
	http_serve(http, records->routes);
	return mask_open(&records->mask, catalog, fault)
	       && clerk_open(&records->clerk, loop, &duties, records, fault);
}

void records_close(struct records **records)
{
	struct records *old = *records;

	if (old == NULL)
		return;
	clerk_close(&old->clerk);
	mask_close(&old->mask);
	free(old);
	*records = NULL;
}
