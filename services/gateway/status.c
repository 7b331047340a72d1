/* SPDX-License-Identifier: MIT */
/* Questions are asked of the keeper, which owns the spool, and answered when it has. */
#include "gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "event/identity.h"

enum { LIST_STANDARD = 50, LIST_MOST = 500, WORDS_BYTES = 128 };

struct asking {
	struct gateway *gateway;
	struct http_request *request; /* NULL: nobody waits */
	struct keeper_question question;
	struct spool_receipt receipts[];
};

static struct asking *asking_new(
        struct gateway *gateway, struct http_request *request, size_t room)
{
	struct asking *asking =
	        calloc(1, sizeof *asking + room * sizeof asking->receipts[0]);
	struct fault fault;

	if (asking == NULL) {
		fault_memory(&fault);
		if (request != NULL)
			answer_fault(request, &fault);
		return NULL;
	}
	asking->gateway = gateway;
	asking->request = request;
	asking->question.receipts = asking->receipts;
	asking->question.room = room;
	asking->question.context = asking;
	return asking;
}

static void put_numbers(
        const struct keeper_status *status, size_t stream, struct buffer *out)
{
	const struct spool_stream *at = &status->streams[stream];

	buffer_format(out,
	        "\"topic\":\"%s\",\"last_seq\":%lld,\"delivered_seq\":%lld,"
	        "\"oldest_pending_at\":",
	        at->topic, (long long)at->last_seq, (long long)at->delivered_seq);
	clock_append_json(status->oldest_us[stream], out);
}

/* Numbers that were given and whose events a damaged spool lost. */
static void put_missing(const struct keeper_missing *missing, struct buffer *out)
{
	buffer_format(out, ",\"missing_count\":%lld,\"missing\":[",
	        (long long)missing->total);
	for (size_t i = 0; i < missing->count; i++)
		buffer_format(out, "%s{\"from_seq\":%lld,\"to_seq\":%lld}",
		        i > 0 ? "," : "", (long long)missing->ranges[i].from_seq,
		        (long long)missing->ranges[i].to_seq);
	buffer_append_byte(out, ']');
}

/* The streams of this life, then those of lives before that are still known. */
static void put_streams(
        const struct keeper_status *status, size_t topics, struct buffer *out)
{
	buffer_append_text(out, ",\"topics\":[");
	for (size_t i = 0; i < topics; i++) {
		buffer_append_text(out, i > 0 ? ",{" : "{");
		put_numbers(status, i, out);
		buffer_append_byte(out, '}');
	}
	buffer_append_text(out, "],\"earlier\":[");
	for (size_t i = topics; i < status->stream_count; i++) {
		buffer_format(out, "%s{\"incarnation\":\"%s\",", i > topics ? "," : "",
		        status->streams[i].incarnation);
		put_numbers(status, i, out);
		put_missing(&status->missing[i], out);
		buffer_append_byte(out, '}');
	}
	buffer_append_byte(out, ']');
}

/* What was set aside as damaged; absent when nothing was. */
static void put_loss(const struct spool_loss *loss, struct buffer *out)
{
	if (!loss->any)
		return;
	buffer_append_text(out, ",\"set_aside\":{\"file\":");
	buffer_append_json(out, bytes_of(loss->file));
	buffer_append_text(out, ",\"reason\":");
	buffer_append_json(out, bytes_of(loss->reason));
	buffer_format(out, ",\"carried\":%lld,\"missing\":%lld,\"done\":%s}",
	        (long long)loss->carried, (long long)loss->missing,
	        loss->done ? "true" : "false");
}

/* The answer to GET /v1/status, and what the heartbeat says: schemas/avro/Status.avsc.
 */
static void put_status(const struct asking *asking, struct buffer *out)
{
	const struct gateway *gateway = asking->gateway;
	const struct keeper_status *status = &asking->question.status;
	const struct conf *conf = svc_conf(gateway->svc);
	struct fault illness;
	bool ill = keeper_is_ill(gateway->keeper, &illness);
	enum room_stage stage = keeper_room_told(gateway->keeper);

	buffer_format(out,
	        "{\"village_code\":\"%s\",\"incarnation\":\"%s\",\"accepting\":%s,"
	        "\"pending\":%lld,\"oldest_pending_at\":",
	        conf_text(conf, "village"), keeper_incarnation(gateway->keeper),
	        ill || stage >= ROOM_FULL ? "false" : "true",
	        (long long)status->spool.pending);
	clock_append_json(status->spool.oldest_pending_us, out);
	put_streams(status, gateway->catalog->topic_count, out);
	buffer_format(
	        out, ",\"link\":{\"state\":\"%s\",\"since\":", status->link.state);
	clock_append_json(status->link.since_us, out);
	buffer_append_text(out, ",\"reason\":");
	buffer_append_json(out, bytes_of(status->link.reason));
	buffer_format(out,
	        "},\"disk\":{\"free_bytes\":%lld,\"spool_bytes\":%lld,\"state\":\"%s\"}"
	        ","
	        "\"clock\":\"%s\",\"mode\":\"%s\",\"version\":\"%s\",\"recorded_at\":",
	        (long long)status->spool.free_bytes, (long long)status->spool.bytes,
	        room_stage_name(stage),
	        clock_quality_name(timekeeper_quality(&gateway->timekeeper)),
	        conf_text(conf, "mode"), KENTONGAN_VERSION);
	clock_append_json(timekeeper_now_us(&gateway->timekeeper), out);
	put_loss(&status->loss, out);
	buffer_append_text(out, "}\n");
}

static void note_figures(struct gateway *gateway, const struct keeper_status *status)
{
	int64_t oldest_us = status->spool.oldest_pending_us;

	metric_set(gateway->pending, status->spool.pending);
	metric_set(gateway->oldest,
	        oldest_us ? (timekeeper_now_us(&gateway->timekeeper) - oldest_us)
	                            / 1000000
	                  : 0);
	for (size_t i = 0; i < gateway->catalog->topic_count; i++)
		metric_set(gateway->intakes[i].delivered, status->delivered[i]);
}

/* What a change is: anything that somebody at the hub may have to act upon. */
static const char *state_in_words(const struct gateway *gateway,
        const struct keeper_status *status, char words[WORDS_BYTES])
{
	struct fault illness;
	bool ill = keeper_is_ill(gateway->keeper, &illness);

	snprintf(words, WORDS_BYTES, "%s %s %s %s %s %lld", status->link.state,
	        room_stage_name(keeper_room_told(gateway->keeper)),
	        clock_quality_name(timekeeper_quality(&gateway->timekeeper)),
	        ill ? illness.code : "", status->loss.done ? "done" : "",
	        (long long)status->loss.missing);
	return words;
}

static void status_answered(void *context, struct keeper_question *question)
{
	struct asking *asking = context;
	struct buffer out = { 0 };
	char words[WORDS_BYTES];

	if (question->ok) {
		note_figures(asking->gateway, &question->status);
		put_status(asking, &out);
		heartbeat_note(asking->gateway->heartbeat,
		        state_in_words(asking->gateway, &question->status, words),
		        buffer_bytes(&out));
	}
	if (asking->request != NULL && question->ok) {
		http_answer(
		        asking->request, 200, "application/json", buffer_bytes(&out));
	} else if (asking->request != NULL) {
		answer_fault(asking->request, &question->fault);
	}
	buffer_clear(&out);
	free(asking);
}

static void ask_status(struct gateway *gateway, struct http_request *request)
{
	struct asking *asking = asking_new(gateway, request, 0);

	if (asking == NULL)
		return;
	asking->question.asking = KEEPER_STATUS;
	asking->question.done = status_answered;
	keeper_ask(gateway->keeper, &asking->question);
}

void status_show(void *context, struct http_request *request)
{
	ask_status(context, request);
}

void status_refresh(void *context)
{
	struct gateway *gateway = context;

	struct clock_reading now = clock_reading_now();

	timekeeper_look(&gateway->timekeeper, &now);
	ask_status(gateway, NULL);
}

void status_unknown(struct http_request *request)
{
	static const struct http_problem problem = { 404, "not-found", "Not found",
		"There is no event with this id here.",
		"Tidak ada catatan dengan tanda pengenal ini." };

	http_refuse(request, &problem, NULL);
}

static void event_answered(void *context, struct keeper_question *question)
{
	struct asking *asking = context;
	struct buffer out = { 0 };

	if (!question->ok) {
		answer_fault(asking->request, &question->fault);
	} else if (question->count == 0) {
		status_unknown(asking->request);
	} else {
		answer_receipt(asking->gateway, question->receipts, &out);
		buffer_append_byte(&out, '\n');
		http_answer(
		        asking->request, 200, "application/json", buffer_bytes(&out));
	}
	buffer_clear(&out);
	free(asking);
}

void status_event(void *context, struct http_request *request)
{
	struct gateway *gateway = context;
	struct asking *asking;
	uint8_t event_id[16];

	if (!identity_parse(bytes_of(http_tail(request)), event_id)) {
		status_unknown(request);
		return;
	}
	asking = asking_new(gateway, request, 1);
	if (asking == NULL)
		return;
	asking->question.asking = KEEPER_FIND;
	asking->question.done = event_answered;
	memcpy(asking->question.event_id, event_id, sizeof event_id);
	keeper_ask(gateway->keeper, &asking->question);
}

static void events_answered(void *context, struct keeper_question *question)
{
	struct asking *asking = context;
	struct buffer out = { 0 };

	if (!question->ok) {
		answer_fault(asking->request, &question->fault);
	} else {
		buffer_append_text(&out, "{\"events\":[");
		for (size_t i = 0; i < question->count; i++) {
			if (i > 0)
				buffer_append_byte(&out, ',');
			answer_receipt(asking->gateway, &question->receipts[i], &out);
		}
		buffer_append_text(&out, "]}\n");
		http_answer(
		        asking->request, 200, "application/json", buffer_bytes(&out));
	}
	buffer_clear(&out);
	free(asking);
}

/* A number of at most three digits; 0 for anything else. */
static size_t room_of(const char *limit)
{
	size_t room = 0;

	if (limit == NULL)
		return LIST_STANDARD;
	for (const char *at = limit; *at != '\0'; at++) {
		if (*at < '0' || *at > '9' || at - limit == 3)
			return 0;
		room = room * 10 + (size_t)(*at - '0');
	}
	return room;
}

void status_events(void *context, struct http_request *request)
{
	static const struct http_problem problem = { 422, "query", "Bad query",
		"limit is a number from 1 to 500, state is pending.",
		"limit berupa angka 1 sampai 500, state berupa pending." };
	struct gateway *gateway = context;
	const char *state = http_query(request, "state");
	size_t room = room_of(http_query(request, "limit"));
	struct asking *asking;

	if (room < 1 || room > LIST_MOST
	        || (state != NULL && strcmp(state, "pending") != 0)) {
		http_refuse(request, &problem, NULL);
		return;
	}
	asking = asking_new(gateway, request, room);
	if (asking == NULL)
		return;
	asking->question.asking = KEEPER_LIST;
	asking->question.pending_only = state != NULL;
	asking->question.done = events_answered;
	keeper_ask(gateway->keeper, &asking->question);
}
