/* SPDX-License-Identifier: MIT */
#include "gateway.h"

#include <stdlib.h>
#include <string.h>

#include "event/envelope.h"
#include "event/identity.h"

struct repair {
	struct gateway *gateway;
	struct http_request *request;
	struct keeper_question question;
	struct spool_receipt receipt;
	struct buffer body; /* what was asked */
	struct buffer reason;
	struct buffer headers;
	struct buffer value;
};

static void repair_free(struct repair *repair)
{
	if (repair == NULL)
		return;
	buffer_clear(&repair->body);
	buffer_clear(&repair->reason);
	buffer_clear(&repair->headers);
	buffer_clear(&repair->value);
	free(repair);
}

static void refuse_stream(struct http_request *request)
{
	static const struct http_problem problem = { 404, "no-stream", "No such stream",
		"There is no such topic or incarnation here.",
		"Aliran atau masa pakai itu tidak ada di sini." };

	http_refuse(request, &problem, NULL);
}

static void resend_answered(void *context, struct keeper_question *question)
{
	struct repair *repair = context;

	if (!question->ok)
		answer_fault(repair->request, &question->fault);
	else if (question->count == 0)
		refuse_stream(repair->request);
	else
		http_answer(repair->request, 202, "application/json",
		        bytes_of("{\"state\":\"ORDERED\"}\n"));
	repair_free(repair);
}

void repair_resend(void *context, struct http_request *request)
{
	static const struct http_problem misfit = { 422, "field", "Does not fit",
		"Expected {\"topic\", \"from_seq\", \"to_seq\"}, numbers from 1, or "
		"{\"topic\", \"from\", \"to\"}, times with an offset; incarnation may "
		"be added.",
		"Isi dengan topic, from_seq dan to_seq (angka mulai dari 1), atau "
		"topic, "
		"from dan to (waktu)." };
	struct gateway *gateway = context;
	struct repair *repair = calloc(1, sizeof *repair);
	struct fault fault;

	if (repair == NULL) {
		fault_memory(&fault);
		answer_fault(request, &fault);
		return;
	}
	if (!orders_parse_resend(
	            http_body(request), &repair->question.resend, &fault)) {
		http_refuse(request, &misfit, NULL);
		free(repair);
		return;
	}
	repair->request = request;
	repair->question.asking = KEEPER_RESEND;
	repair->question.done = resend_answered;
	repair->question.context = repair;
	keeper_ask(gateway->keeper, &repair->question);
}

/* Voiding */

static void void_answered(void *context, struct keeper_question *question)
{
	struct repair *repair = context;
	struct buffer out = { 0 };

	if (!question->ok) {
		answer_fault(repair->request, &question->fault);
	} else {
		answer_receipt(repair->gateway, &repair->receipt, &out);
		buffer_append_byte(&out, '\n');
		http_answer(
		        repair->request, 201, "application/json", buffer_bytes(&out));
	}
	buffer_clear(&out);
	repair_free(repair);
}

/* The record that takes the number: the schema's fields that the gateway sets. */
static bool write_record(
        struct repair *repair, struct value *value, struct fault *fault)
{
	struct gateway *gateway = repair->gateway;
	struct arena *arena = &gateway->arena;
	const struct spool_receipt *receipt = &repair->receipt;
	struct bytes village = bytes_of(conf_text(svc_conf(gateway->svc), "village"));
	int64_t now_us = timekeeper_now_us(&gateway->timekeeper);
	struct head head = { .event_id = bytes_of(receipt->event_id),
		.village_code = village,
		.occurred_at_us = now_us,
		.recorded_at_us = now_us };
	const struct catalog_schema *schema = gateway->void_schema;

	value_set_long(value, "seq", receipt->seq);
	if (!value_set_text(arena, value, "event_id", head.event_id, fault)
	        || !value_set_text(arena, value, "village_code", village, fault)
	        || !value_set_text(arena, value, "incarnation",
	                bytes_of(receipt->incarnation), fault)
	        || !value_set_text(
	                arena, value, "topic", bytes_of(receipt->topic), fault))
		return false;
	envelope_pack(&repair->headers, &head, schema_root(schema->schema)->name,
	        schema->version, (struct bytes){ 0 });
	envelope_frame(&repair->value, schema->id);
	return avro_encode(
	        gateway->void_encoder, value, NULL, &repair->value, NULL, fault);
}

/* The event is known: its number gets another record. */
static void event_found(void *context, struct keeper_question *question)
{
	struct repair *repair = context;
	struct gateway *gateway = repair->gateway;
	struct check_report *report = &gateway->report;
	struct document *document = NULL;
	struct value value;
	struct fault fault = question->fault;
	bool ok = question->ok && question->count > 0;

	report->verdict = CHECK_OK;
	arena_reset(&gateway->arena);
	ok = ok
	     && document_parse(
	             &document, &gateway->arena, buffer_bytes(&repair->body), report)
	     && check_record(gateway->void_schema->schema, document,
	             timekeeper_now_us(&gateway->timekeeper), &gateway->arena, &value,
	             report, &fault)
	     && write_record(repair, &value, &fault);
	if (ok) {
		struct bytes reason = value_text(&value, "reason");

		buffer_append(&repair->reason, reason.data, reason.size);
		question->asking = KEEPER_VOID;
		question->done = void_answered;
		question->voiding = (struct keeper_void){ repair->receipt.stream,
			repair->receipt.seq, buffer_bytes(&repair->headers),
			buffer_bytes(&repair->value), buffer_bytes(&repair->reason) };
		keeper_ask(gateway->keeper, question);
		repair = NULL;
	} else if (question->ok && question->count == 0) {
		status_unknown(repair->request);
	} else if (report->verdict != CHECK_OK) {
		answer_report(repair->request, report);
	} else {
		answer_fault(repair->request, &fault);
	}
	repair_free(repair);
}

/* POST /v1/events/{event_id}/void */
void repair_void(void *context, struct http_request *request)
{
	static const char word[] = "/void";
	struct gateway *gateway = context;
	const char *tail = http_tail(request);
	size_t size = strlen(tail);
	struct repair *repair;
	struct fault fault;

	if (gateway->void_schema == NULL || size != UUID_TEXT_BYTES - 1 + strlen(word)
	        || strcmp(tail + UUID_TEXT_BYTES - 1, word) != 0) {
		status_unknown(request);
		return;
	}
	repair = calloc(1, sizeof *repair);
	if (repair == NULL) {
		fault_memory(&fault);
		answer_fault(request, &fault);
		return;
	}
	repair->gateway = gateway;
	repair->request = request;
	repair->question.asking = KEEPER_FIND;
	repair->question.done = event_found;
	repair->question.context = repair;
	repair->question.receipts = &repair->receipt;
	buffer_append(&repair->body, http_body(request).data, http_body(request).size);
	if (!identity_parse(
	            (struct bytes){ (const uint8_t *)tail, UUID_TEXT_BYTES - 1 },
	            repair->question.event_id)) {
		status_unknown(request);
		repair_free(repair);
		return;
	}
	keeper_ask(gateway->keeper, &repair->question);
}
