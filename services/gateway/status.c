/* SPDX-License-Identifier: MIT */
/* Questions are asked of the keeper, which owns the spool, and answered when it has. */
#include "gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "event/identity.h"

enum { LIST_STANDARD = 50, LIST_MOST = 500 };

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
	asking->question.status.stream_count = gateway->catalog->topic_count;
	return asking;
}

static void put_streams(const struct keeper_status *status, struct buffer *out)
{
	buffer_append_text(out, "\"topics\":[");
	for (size_t i = 0; i < status->stream_count; i++)
		buffer_format(out,
		        "%s{\"topic\":\"%s\",\"last_seq\":%lld,\"delivered_seq\":%lld}",
		        i > 0 ? "," : "", status->streams[i].topic,
		        (long long)status->streams[i].last_seq,
		        (long long)status->streams[i].delivered_seq);
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

static void put_status(const struct asking *asking, struct buffer *out)
{
	const struct gateway *gateway = asking->gateway;
	const struct keeper_status *status = &asking->question.status;
	const struct conf *conf = svc_conf(gateway->svc);
	struct fault illness;
	bool ill = keeper_is_ill(gateway->keeper, &illness);

	buffer_format(out,
	        "{\"village_code\":\"%s\",\"incarnation\":\"%s\",\"accepting\":%s,"
	        "\"pending\":%lld,\"oldest_pending_at\":",
	        conf_text(conf, "village"), keeper_incarnation(gateway->keeper),
	        ill ? "false" : "true", (long long)status->spool.pending);
	clock_append_json(status->spool.oldest_pending_us, out);
	buffer_append_byte(out, ',');
	put_streams(status, out);
	buffer_format(
	        out, ",\"link\":{\"state\":\"%s\",\"since\":", status->link.state);
	clock_append_json(status->link.since_us, out);
	buffer_append_text(out, ",\"reason\":");
	buffer_append_json(out, bytes_of(status->link.reason));
	buffer_format(out,
	        "},\"disk\":{\"free_bytes\":%lld,\"spool_bytes\":%lld,\"state\":\"%s\"}"
	        ","
	        "\"clock\":\"%s\",\"mode\":\"%s\"",
	        (long long)status->spool.free_bytes, (long long)status->spool.bytes,
	        ill && strcmp(illness.code, "disk-full") == 0 ? "full" : "ok",
	        gateway->synced ? "SYNCED" : "UNSYNCED", conf_text(conf, "mode"));
	put_loss(&status->loss, out);
	buffer_append_text(out, "}\n");
}

static void note_figures(struct gateway *gateway, const struct keeper_status *status)
{
	int64_t oldest_us = status->spool.oldest_pending_us;

	metric_set(gateway->pending, status->spool.pending);
	metric_set(gateway->oldest,
	        oldest_us ? (clock_wall_us() - oldest_us) / 1000000 : 0);
	for (size_t i = 0; i < status->stream_count; i++)
		metric_set(gateway->intakes[i].delivered, status->delivered[i]);
}

static void status_answered(void *context, struct keeper_question *question)
{
	struct asking *asking = context;
	struct buffer out = { 0 };

	if (question->ok)
		note_figures(asking->gateway, &question->status);
	if (asking->request != NULL && question->ok) {
		put_status(asking, &out);
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

	gateway->synced = clock_is_synced();
	ask_status(gateway, NULL);
}

static void refuse_unknown(struct http_request *request)
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
		refuse_unknown(asking->request);
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
		refuse_unknown(request);
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

void status_events(void *context, struct http_request *request)
{
	static const struct http_problem problem = { 422, "query", "Bad query",
		"limit is a number from 1 to 500, state is pending.",
		"limit berupa angka 1 sampai 500, state berupa pending." };
	struct gateway *gateway = context;
	const char *state = http_query(request, "state");
	const char *limit = http_query(request, "limit");
	long room = limit ? strtol(limit, NULL, 10) : LIST_STANDARD;
	struct asking *asking;

	if (room < 1 || room > LIST_MOST
	        || (state != NULL && strcmp(state, "pending") != 0)) {
		http_refuse(request, &problem, NULL);
		return;
	}
	asking = asking_new(gateway, request, (size_t)room);
	if (asking == NULL)
		return;
	asking->question.asking = KEEPER_LIST;
	asking->question.pending_only = state != NULL;
	asking->question.done = events_answered;
	keeper_ask(gateway->keeper, &asking->question);
}
