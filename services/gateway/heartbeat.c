/* SPDX-License-Identifier: MIT */
/*
 * One record at a time: while the broker owes an answer nothing more is handed to the
 * producer, so that after an outage the hub hears how things are and not how they were.
 * Answers are taken when there is something to say again.
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
	const struct conf *conf;
	const struct catalog_channel *channel;
	const char *village;
	int32_t partition;
	struct producer *producer; /* NULL: not opened yet */
	int64_t opened_us;         /* monotonic: or tried to; 0: open it now */
	struct avro_encoder *encoder;
	struct arena arena;
	struct buffer value;
	struct buffer headers;
	char said[WORDS_BYTES];    /* the words of the last one that was taken */
	char sending[WORDS_BYTES]; /* of the one that is under way */
	int64_t taken_us;          /* monotonic: when it was handed over */
	int64_t sending_us;
	bool under_way;
	bool refused; /* the last one was, and it was logged */
};

static void on_report(void *context, const struct producer_report *report)
{
	struct heartbeat *heartbeat = context;

	heartbeat->under_way = false;
	if (report->delivered) {
		heartbeat->taken_us = heartbeat->sending_us;
		memcpy(heartbeat->said, heartbeat->sending, sizeof heartbeat->said);
	} else if (!heartbeat->refused) {
		log_info(NULL, "the hub does not take the heartbeat: %s",
		        report->reason);
	}
	heartbeat->refused = !report->delivered;
}

/* Where the hub and we do not believe each other, each minute: files are read once. */
static bool wants_opening(const struct heartbeat *heartbeat)
{
	if (heartbeat->opened_us == 0)
		return true;
	if (heartbeat->producer != NULL
	        && producer_link(heartbeat->producer) != LINK_REFUSED)
		return false;
	return clock_monotonic_us() - heartbeat->opened_us >= BEAT_MS * 1000;
}

static bool is_open(struct heartbeat *heartbeat, struct fault *fault)
{
	if (!wants_opening(heartbeat))
		return heartbeat->producer != NULL;
	producer_close(&heartbeat->producer);
	heartbeat->under_way = false;
	heartbeat->opened_us = clock_monotonic_us();
	return producer_open(&heartbeat->producer, PRODUCER_NOTICES, heartbeat->conf,
	        on_report, heartbeat, fault);
}

/* What cannot be opened just now is opened later; the forward tells why. */
static bool heartbeat_start(struct heartbeat *heartbeat, struct fault *fault)
{
	if (!avro_encoder_open(
	            &heartbeat->encoder, heartbeat->channel->newest->schema, fault))
		return false;
	if (is_open(heartbeat, fault))
		return true;
	if (fault->kind != FAULT_RETRY)
		return false;
	fault_clear(fault);
	return true;
}

bool heartbeat_open(struct heartbeat **out, const struct conf *conf,
        const struct catalog *catalog, struct fault *fault)
{
	const struct catalog_channel *channel = catalog_channel(catalog, "status");
	struct heartbeat *heartbeat;

	if (channel == NULL || channel->newest == NULL)
		return true;
	heartbeat = calloc(1, sizeof *heartbeat);
	if (heartbeat == NULL)
		return fault_memory(fault);
	heartbeat->conf = conf;
	heartbeat->channel = channel;
	heartbeat->village = conf_text(conf, "village");
	heartbeat->partition =
	        envelope_partition(bytes_of(heartbeat->village), catalog->modulus);
	if (!heartbeat_start(heartbeat, fault)) {
		heartbeat_close(&heartbeat);
		return false;
	}
	*out = heartbeat;
	return true;
}

void heartbeat_renew(struct heartbeat *heartbeat)
{
	if (heartbeat != NULL)
		heartbeat->opened_us = 0;
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

static bool tell(struct heartbeat *heartbeat, struct bytes status, struct fault *fault)
{
	struct check_report *report = calloc(1, sizeof *report);
	bool ok = report != NULL ? encode(heartbeat, status, report, fault)
	                         : fault_memory(fault);

	free(report);
	heartbeat->sending_us = clock_monotonic_us();
	return ok && send(heartbeat, fault);
}

void heartbeat_note(struct heartbeat *heartbeat, const char *words, struct bytes status)
{
	struct fault fault = { 0 };

	if (heartbeat == NULL || !is_open(heartbeat, &fault))
		return;
	producer_poll(heartbeat->producer);
	if (heartbeat->under_way
	        || (strcmp(words, heartbeat->said) == 0
	                && clock_monotonic_us() - heartbeat->taken_us < BEAT_MS * 1000))
		return;
	snprintf(heartbeat->sending, sizeof heartbeat->sending, "%s", words);
	heartbeat->under_way = tell(heartbeat, status, &fault);
	if (!heartbeat->under_way && !heartbeat->refused)
		log_fault(NULL, "heartbeat", &fault);
	heartbeat->refused |= !heartbeat->under_way;
}
