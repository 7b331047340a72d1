/* SPDX-License-Identifier: MIT */
/*
 * One record at a time: while the broker owes an answer nothing more is handed to the
 * producer, so that after an outage the hub hears how things are and not how they were.
 */
#include "heartbeat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "event/check.h"
#include "event/envelope.h"
#include "event/identity.h"
#include "port/avro.h"
#include "port/topic_producer.h"

enum { BEAT_MS = 60000, WORDS_BYTES = 256 };

struct heartbeat {
	const struct catalog_channel *channel;
	const char *village;
	int32_t partition;
	struct producer *producer;
	struct avro_encoder *encoder;
	struct arena arena;
	struct buffer value;
	struct buffer headers;
	char said[WORDS_BYTES];    /* the words of the last one that was taken */
	char sending[WORDS_BYTES]; /* of the one that is under way */
	int64_t taken_us;          /* monotonic */
	bool under_way;
	bool refused; /* the last one was, and it was logged */
};

static void on_report(void *context, const struct producer_report *report)
{
	struct heartbeat *heartbeat = context;

	heartbeat->under_way = false;
	if (report->delivered) {
		heartbeat->taken_us = clock_monotonic_us();
		memcpy(heartbeat->said, heartbeat->sending, sizeof heartbeat->said);
	} else if (!heartbeat->refused) {
		log_info(NULL, "the hub does not take the heartbeat: %s",
		        report->reason);
	}
	heartbeat->refused = !report->delivered;
}

static void take_reports(void *context)
{
	struct heartbeat *heartbeat = context;

	producer_poll(heartbeat->producer);
}

static bool heartbeat_start(struct heartbeat *heartbeat, struct loop *loop,
        const struct conf *conf, struct fault *fault)
{
	return avro_encoder_open(
	               &heartbeat->encoder, heartbeat->channel->newest->schema, fault)
	       && producer_open(&heartbeat->producer, PRODUCER_NOTICES, conf, on_report,
	               heartbeat, fault)
	       && loop_watch(loop, producer_fd(heartbeat->producer), take_reports,
	               heartbeat, fault);
}

bool heartbeat_open(struct heartbeat **out, struct loop *loop, const struct conf *conf,
        const struct catalog *catalog, struct fault *fault)
{
	const struct catalog_channel *channel = catalog_channel(catalog, "status");
	struct heartbeat *heartbeat;

	if (channel == NULL || channel->newest == NULL)
		return true;
	heartbeat = calloc(1, sizeof *heartbeat);
	if (heartbeat == NULL)
		return fault_memory(fault);
	heartbeat->channel = channel;
	heartbeat->village = conf_text(conf, "village");
	heartbeat->partition =
	        envelope_partition(bytes_of(heartbeat->village), catalog->modulus);
	if (!heartbeat_start(heartbeat, loop, conf, fault)) {
		heartbeat_close(&heartbeat);
		return false;
	}
	*out = heartbeat;
	return true;
}

void heartbeat_close(struct heartbeat **heartbeat)
{
	struct heartbeat *old = *heartbeat;

	if (old == NULL)
		return;
	producer_close(&old->producer);
	avro_encoder_close(&old->encoder);
	arena_clear(&old->arena);
	buffer_clear(&old->value);
	buffer_clear(&old->headers);
	free(old);
	*heartbeat = NULL;
}

/* JSON to the record's bytes, by the schema: it is the one who knows the fields. */
static bool encode(struct heartbeat *heartbeat, struct bytes status,
        struct check_report *report, struct fault *fault)
{
	struct document *document = NULL;
	struct value value;
	bool ok;

	arena_reset(&heartbeat->arena);
	buffer_reset(&heartbeat->value);
	envelope_frame(&heartbeat->value, heartbeat->channel->newest->id);
	ok = document_parse(&document, &heartbeat->arena, status, report)
	     && check_record(heartbeat->channel->newest->schema, document,
	             clock_wall_us(), &heartbeat->arena, &value, report, fault)
	     && avro_encode(
	             heartbeat->encoder, &value, NULL, &heartbeat->value, NULL, fault);
	if (report->verdict != CHECK_OK)
		fault_set(fault, FAULT_STOP, "%s: %s", report->faults[0].pointer,
		        report->faults[0].detail);
	return ok;
}

static bool send(struct heartbeat *heartbeat, struct fault *fault)
{
	const struct catalog_schema *schema = heartbeat->channel->newest;
	char event_id[UUID_TEXT_BYTES];
	char no_sequence[24];
	struct header headers[ENVELOPE_MAX_HEADERS];
	struct head head = { .village_code = bytes_of(heartbeat->village),
		.occurred_at_us = clock_wall_us(),
		.recorded_at_us = clock_wall_us() };
	struct producer_record record = { .topic = heartbeat->channel->topic,
		.partition = heartbeat->partition,
		.key = head.village_code,
		.value = buffer_bytes(&heartbeat->value),
		.headers = headers };

	identity_new(event_id);
	head.event_id = bytes_of(event_id);
	buffer_reset(&heartbeat->headers);
	envelope_pack(&heartbeat->headers, &head, schema_root(schema->schema)->name,
	        schema->version, (struct bytes){ 0 });
	record.header_count = envelope_unpack(
	        buffer_bytes(&heartbeat->headers), 0, no_sequence, headers);
	return producer_send(heartbeat->producer, &record, fault);
}

void heartbeat_note(struct heartbeat *heartbeat, const char *words, struct bytes status)
{
	struct check_report *report;
	struct fault fault = { 0 };
	int64_t now_us = clock_monotonic_us();

	if (heartbeat == NULL || heartbeat->under_way
	        || (strcmp(words, heartbeat->said) == 0
	                && now_us - heartbeat->taken_us < BEAT_MS * 1000))
		return;
	report = calloc(1, sizeof *report);
	snprintf(heartbeat->sending, sizeof heartbeat->sending, "%s", words);
	if (report == NULL)
		fault_memory(&fault);
	else if (encode(heartbeat, status, report, &fault))
		heartbeat->under_way = send(heartbeat, &fault);
	if (!heartbeat->under_way && !heartbeat->refused)
		log_fault(NULL, "heartbeat", &fault);
	heartbeat->refused |= !heartbeat->under_way;
	free(report);
}
