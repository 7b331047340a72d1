/* SPDX-License-Identifier: MIT */
/*
 * From a body to an answer: parse, check, fill in the head, encode, hand to the keeper.
 * A posting holds what the keeper needs until it is on disk; the answer is given then
 * and not before.
 */
#include "gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "event/envelope.h"
#include "event/identity.h"

enum { KEY_BYTES = 200 };

struct posting {
	struct gateway *gateway;
	struct http_request *request;
	bool batch;
	struct keeper_post post;
	struct buffer bytes; /* headers and values of all drafts, behind each other */
	size_t count;
	struct spool_draft *drafts;
	struct spool_receipt receipt; /* where it is no batch */
};

/* One event on its way through the check. */
struct event {
	struct intake *intake;
	struct document *document;
	struct bytes key;
	struct bytes traceparent;
	struct value value;
	struct check_report *report;
};

static void posting_free(struct posting *posting)
{
	if (posting == NULL)
		return;
	buffer_clear(&posting->bytes);
	free(posting->drafts);
	if (posting->batch)
		free(posting->post.receipts);
	free(posting);
}

static struct posting *posting_new(
        struct gateway *gateway, struct http_request *request, size_t room)
{
	struct posting *posting = calloc(1, sizeof *posting);

	if (posting == NULL)
		return NULL;
	posting->gateway = gateway;
	posting->request = request;
	posting->drafts = calloc(room, sizeof *posting->drafts);
	if (posting->drafts == NULL) {
		posting_free(posting);
		return NULL;
	}
	return posting;
}

/* A fault that the schema does not know of, noted beside those that it does. */
static bool add_fault(struct check_report *report, const char *pointer,
        const char *expected, const char *detail, const char *detail_id)
{
	struct check_fault *fault;

	report->verdict = CHECK_MISFIT;
	if (report->count == CHECK_FAULTS)
		return false;
	fault = &report->faults[report->count++];
	snprintf(fault->pointer, sizeof fault->pointer, "%s", pointer);
	snprintf(fault->expected, sizeof fault->expected, "%s", expected);
	snprintf(fault->detail, sizeof fault->detail, "%s", detail);
	snprintf(fault->detail_id, sizeof fault->detail_id, "%s", detail_id);
	return false;
}

static bool check_key(struct bytes key, struct check_report *report)
{
	bool fits = key.size >= 1 && key.size <= KEY_BYTES && bytes_is_text(key);

	for (size_t i = 0; fits && i < key.size; i++)
		fits = key.data[i] >= 0x20 && key.data[i] != 0x7F;
	return fits
	       || add_fault(report, "/idempotency_key", "key",
	               "An Idempotency-Key has 1 to 200 visible characters.",
	               "Kunci kiriman harus 1 sampai 200 tanda yang terlihat.");
}

/* Which event this is: the sender's own id, one derived from its key, or a new one. */
static bool identify(struct event *event, struct spool_draft *draft,
        char text[UUID_TEXT_BYTES], struct fault *fault)
{
	struct bytes own = value_text(&event->value, "event_id");
	struct bytes village =
	        bytes_of(conf_text(svc_conf(event->intake->gateway->svc), "village"));
	char derived[UUID_TEXT_BYTES];

	draft->repeatable = own.size > 0 || event->key.size > 0;
	if (event->key.size > 0)
		identity_derive(village, event->key, derived);
	if (own.size > 0) {
		snprintf(text, UUID_TEXT_BYTES, "%.*s", (int)own.size, own.data);
		draft->has_alias = event->key.size > 0
		                   && identity_parse(bytes_of(derived), draft->alias);
	} else if (event->key.size > 0) {
		memcpy(text, derived, sizeof derived);
	} else {
		identity_new(text);
	}
	if (!identity_parse(bytes_of(text), draft->event_id))
		return fault_set(
		        fault, FAULT_STOP, "event_id is no UUID after its check");
	return !draft->repeatable
	       || document_digest(event->document, event->intake->topic->name,
	               draft->digest, fault);
}

static bool fill_head(struct event *event, const char *event_id,
        struct spool_draft *draft, struct fault *fault)
{
	struct gateway *gateway = event->intake->gateway;
	struct arena *arena = &gateway->arena;
	struct value *value = &event->value;

	draft->recorded_at_us = timekeeper_now_us(&gateway->timekeeper);
	value_set_long(value, "recorded_at", draft->recorded_at_us);
	value_set_symbol(value, "clock",
	        clock_quality_name(timekeeper_quality(&gateway->timekeeper)));
	return value_set_text(arena, value, "event_id", bytes_of(event_id), fault)
	       && value_set_text(arena, value, "village_code",
	               bytes_of(conf_text(svc_conf(gateway->svc), "village")), fault)
	       && value_set_text(arena, value, "incarnation",
	               bytes_of(keeper_incarnation(gateway->keeper)), fault);
}

/* Two digits of version, 32 of trace, 16 of parent, 2 of flags; nothing else is a
 * trace. */
static bool is_trace(struct bytes text)
{
	static const char shape[] =
	        "00-hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh-hhhhhhhhhhhhhhhh-hh";

	if (text.size != TRACE_TEXT_BYTES - 1)
		return false;
	for (size_t i = 0; i < text.size; i++) {
		uint8_t byte = text.data[i];
		bool digit =
		        (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f');

		if (shape[i] == 'h' ? !digit : byte != (uint8_t)shape[i])
			return false;
	}
	return strspn((const char *)text.data + 3, "0") < 32
	       && strspn((const char *)text.data + 36, "0") < 16; /* no such ids */
}

/* The sender's, or a new one: the topic's headers are no place to write what one likes.
 */
static void trace(const struct event *event, char out[TRACE_TEXT_BYTES])
{
	if (is_trace(event->traceparent)) {
		memcpy(out, event->traceparent.data, TRACE_TEXT_BYTES - 1);
		out[TRACE_TEXT_BYTES - 1] = '\0';
	} else {
		identity_trace(out);
	}
}

static void pack_headers(const struct event *event, const struct spool_draft *draft,
        const char *event_id, struct buffer *out)
{
	const struct catalog_topic *topic = event->intake->topic;
	char traceparent[TRACE_TEXT_BYTES];
	struct head head = {
		.event_id = bytes_of(event_id),
		.village_code = value_text(&event->value, "village_code"),
		.case_id = value_text(&event->value, "case_id"),
		.recorded_at_us = draft->recorded_at_us,
	};

	if (!value_long(&event->value, "occurred_at", &head.occurred_at_us))
		head.occurred_at_us = draft->recorded_at_us;
	trace(event, traceparent);
	envelope_pack(out, &head, schema_root(topic->newest->schema)->name,
	        topic->newest->version, bytes_of(traceparent));
}

/*
 * Append the checked event to the posting. The buffer may still move, so that headers
 * and value hold offsets until settle().
 */
static bool append_event(
        struct posting *posting, struct event *event, struct fault *fault)
{
	struct spool_draft *draft = &posting->drafts[posting->count];
	struct buffer *bytes = &posting->bytes;
	char event_id[UUID_TEXT_BYTES];
	size_t start = bytes->size;

	draft->stream = event->intake->stream;
	if (!identify(event, draft, event_id, fault)
	        || !fill_head(event, event_id, draft, fault))
		return false;
	pack_headers(event, draft, event_id, bytes);
	draft->headers.size = bytes->size - start;
	start = bytes->size;
	envelope_frame(bytes, event->intake->topic->newest->id);
	if (!avro_encode(event->intake->encoder, &event->value, "seq", bytes,
	            &draft->seam, fault))
		return false;
	draft->seam += FRAME_BYTES;
	draft->value.size = bytes->size - start;
	posting->count++;
	return true;
}

static void settle(struct posting *posting)
{
	const uint8_t *at = posting->bytes.data;

	for (size_t i = 0; i < posting->count; i++) {
		posting->drafts[i].headers.data = at;
		at += posting->drafts[i].headers.size;
		posting->drafts[i].value.data = at;
		at += posting->drafts[i].value.size;
	}
}

static void count_accepted(struct posting *posting)
{
	for (size_t i = 0; i < posting->count; i++)
		if (!posting->post.receipts[i].repeated)
			metric_add(posting->gateway->intakes[posting->drafts[i].stream]
			                   .accepted,
			        1);
}

static void answer_kept(struct posting *posting)
{
	struct buffer body = { 0 };
	unsigned status = posting->post.result == KEEPER_REPEATED ? 200 : 201;

	count_accepted(posting);
	if (posting->batch)
		buffer_append_text(&body, "{\"receipts\":[");
	for (size_t i = 0; i < posting->count; i++) {
		if (i > 0)
			buffer_append_byte(&body, ',');
		answer_receipt(posting->gateway, &posting->post.receipts[i], &body);
	}
	if (posting->batch)
		buffer_append_text(&body, "]}");
	buffer_append_byte(&body, '\n');
	http_answer(posting->request, posting->batch ? 201 : status, "application/json",
	        buffer_bytes(&body));
	buffer_clear(&body);
}

static void answer_line_fault(struct posting *posting)
{
	struct check_report report = { 0 };
	struct buffer errors = { 0 };

	add_fault(&report, "", "other key",
	        "This key or event_id was used before with another body.",
	        "Kunci atau event_id ini sudah dipakai untuk isi kiriman yang lain.");
	answer_errors(&report, posting->post.failed + 1, &errors);
	answer_misfit(posting->request, CHECK_MISFIT, &errors);
	buffer_clear(&errors);
}

static void posting_done(void *context, struct keeper_post *post)
{
	struct posting *posting = context;

	buffer_clear(&posting->bytes); /* before there is an answer as well */
	if (post->result != KEEPER_FAILED)
		answer_kept(posting);
	else if (posting->batch && post->fault.kind == FAULT_REJECT)
		answer_line_fault(posting);
	else
		answer_fault(posting->request, &post->fault);
	posting_free(posting);
}

static void hand_over(struct posting *posting)
{
	struct fault fault = { 0 };

	settle(posting);
	posting->post = (struct keeper_post){
		.drafts = posting->drafts,
		.receipts = posting->batch ? NULL : &posting->receipt,
		.count = posting->count,
		.done = posting_done,
		.context = posting,
	};
	if (!keeper_post(posting->gateway->keeper, &posting->post, &fault)) {
		answer_fault(posting->request, &fault);
		posting_free(posting);
	}
}

/* What the event before it left in the arena is gone then. */
static bool parse_event(struct posting *posting, struct event *event, struct bytes body)
{
	struct arena *arena = &posting->gateway->arena;

	arena_reset(arena);
	return document_parse(&event->document, arena, body, event->report);
}

/* Check and append one document. False: see report, or fault where report is clean. */
static bool take_event(
        struct posting *posting, struct event *event, struct fault *fault)
{
	struct gateway *gateway = posting->gateway;

	if (!check_record(event->intake->topic->newest->schema, event->document,
	            timekeeper_now_us(&gateway->timekeeper), &gateway->arena,
	            &event->value, event->report, fault))
		return false;
	if (event->key.data != NULL && !check_key(event->key, event->report))
		return false;
	return append_event(posting, event, fault);
}

/* False, and answered, where the disk has no room for it. */
static bool has_room(struct gateway *gateway, struct http_request *request,
        enum room_stage refused_from)
{
	if (keeper_room(gateway->keeper) < refused_from)
		return true;
	answer_no_room(request, refused_from == ROOM_SCARCE);
	return false;
}

static void take_one(struct intake *intake, struct http_request *request)
{
	struct check_report *report = &intake->gateway->report;
	const char *key = http_header(request, "Idempotency-Key");
	const char *traceparent = http_header(request, "traceparent");
	struct event event = { .intake = intake, .report = report };
	struct posting *posting = posting_new(intake->gateway, request, 1);
	struct fault fault = { 0 };

	if (key != NULL)
		event.key = bytes_of(key);
	if (traceparent != NULL)
		event.traceparent = bytes_of(traceparent);
	if (posting == NULL) {
		fault_memory(&fault);
		answer_fault(request, &fault);
	} else if (parse_event(posting, &event, http_body(request))
	           && take_event(posting, &event, &fault)) {
		hand_over(posting);
		posting = NULL;
	} else if (report->verdict != CHECK_OK) {
		answer_report(request, report);
	} else {
		answer_fault(request, &fault);
	}
	posting_free(posting);
}

void accept_one(void *context, struct http_request *request)
{
	struct intake *intake = context;

	if (has_room(intake->gateway, request,
	            intake->topic->reserve ? ROOM_NONE : ROOM_FULL))
		take_one(intake, request);
}

static bool may_post(
        struct gateway *gateway, struct http_request *request, struct event *event)
{
	return tokens_may_post(gateway->tokens, request, event->intake->topic->name)
	       || add_fault(event->report, "/record", "allowed record",
	               "This token may not post such a record.",
	               "Kunci akses ini tidak berhak mengirim catatan jenis ini.");
}

/* A line of a batch says which record it is. */
static bool find_intake(
        struct gateway *gateway, struct http_request *request, struct event *event)
{
	struct bytes record;

	if (document_take(event->document, "record", &record)) {
		for (size_t i = 0; i < gateway->catalog->topic_count; i++) {
			event->intake = &gateway->intakes[i];
			if (bytes_equal_text(record, event->intake->topic->record))
				return may_post(gateway, request, event);
		}
	}
	return add_fault(event->report, "/record", "record",
	        "Expected the name of a record, such as Request.",
	        "Isi dengan nama catatan, misalnya Request.");
}

static bool take_line(struct posting *posting, struct bytes line,
        struct check_report *report, struct fault *fault)
{
	struct event event = { .report = report };
	bool ok = parse_event(posting, &event, line)
	          && find_intake(posting->gateway, posting->request, &event);

	if (ok) {
		document_take(event.document, "idempotency_key", &event.key);
		ok = take_event(posting, &event, fault);
	}
	return ok;
}

static struct bytes next_line(struct bytes *rest)
{
	const uint8_t *end = memchr(rest->data, '\n', rest->size);
	size_t size = end ? (size_t)(end - rest->data) : rest->size;
	struct bytes line = { rest->data, size };

	rest->data += size + (end != NULL);
	rest->size -= size + (end != NULL);
	if (line.size > 0 && line.data[line.size - 1] == '\r')
		line.size--;
	return line;
}

/*
 * All lines are looked at, so that all faults are told. False: the batch is refused;
 * *verdict becomes CHECK_NOT_JSON when a line is none.
 */
static bool take_lines(struct posting *posting, struct check_report *report,
        enum check_verdict *verdict, struct buffer *errors, struct fault *fault)
{
	struct bytes rest = http_body(posting->request);
	size_t told = 0;
	size_t lines = 0;

	for (size_t number = 1; rest.size > 0 && told < CHECK_FAULTS; number++) {
		struct bytes line = next_line(&rest);

		if (line.size == 0)
			continue;
		if (++lines > posting->gateway->catalog->batch_lines) {
			report->count = 0;
			add_fault(report, "", "lines", "The batch has too many lines.",
			        "Kiriman memuat terlalu banyak baris.");
		} else if (take_line(posting, line, report, fault)) {
			continue;
		} else if (report->verdict == CHECK_OK) {
			return false;
		}
		if (report->count > CHECK_FAULTS - told)
			report->count = CHECK_FAULTS - told;
		told += report->count;
		if (report->verdict == CHECK_NOT_JSON)
			*verdict = CHECK_NOT_JSON;
		answer_errors(report, number, errors);
		if (lines > posting->gateway->catalog->batch_lines)
			break;
	}
	if (lines == 0) {
		report->count = 0;
		add_fault(report, "", "lines", "The batch has no line.",
		        "Kiriman tidak memuat baris apa pun.");
		answer_errors(report, 0, errors);
		told++;
	}
	return told == 0;
}

static size_t count_lines(struct bytes body)
{
	size_t lines = 1;

	for (size_t i = 0; i < body.size; i++)
		lines += body.data[i] == '\n';
	return lines;
}

/* A key names one event; a sender who believes that it guards the batch would be wrong.
 */
static void refuse_batch_key(struct http_request *request, struct check_report *report)
{
	add_fault(report, "/idempotency_key", "key in each line",
	        "A batch takes a key in each line, as idempotency_key, not as a "
	        "header.",
	        "Kunci ditulis di setiap baris (idempotency_key), bukan di kepala "
	        "kiriman.");
	answer_report(request, report);
}

static void take_batch(struct gateway *gateway, struct http_request *request)
{
	size_t lines = count_lines(http_body(request));
	size_t most = gateway->catalog->batch_lines;
	struct posting *posting =
	        posting_new(gateway, request, lines < most ? lines : most);
	struct check_report *report = &gateway->report;
	enum check_verdict verdict = CHECK_MISFIT;
	struct buffer errors = { 0 };
	struct fault fault = { 0 };

	report->count = 0; /* of another post */
	if (posting == NULL) {
		fault_memory(&fault);
		answer_fault(request, &fault);
	} else if (http_header(request, "Idempotency-Key") != NULL) {
		refuse_batch_key(request, report);
	} else {
		posting->batch = true;
		if (take_lines(posting, report, &verdict, &errors, &fault)) {
			hand_over(posting);
			posting = NULL;
		} else if (errors.size > 0) {
			answer_misfit(request, verdict, &errors);
		} else {
			answer_fault(request, &fault);
		}
	}
	posting_free(posting);
	buffer_clear(&errors);
}

void accept_batch(void *context, struct http_request *request)
{
	struct gateway *gateway = context;

	if (has_room(gateway, request, ROOM_SCARCE))
		take_batch(gateway, request);
}
