/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "base/clock.h"
#include "event/catalog.h"
#include "event/envelope.h"
#include "event/identity.h"
#include "flow/replay_words.h"
#include "port/topic_producer.h"

enum { WAIT_MS = 1000, WAITS = 40 };

struct sending {
	bool done;
	struct producer_report report;
};

static void note_report(void *context, const struct producer_report *report)
{
	struct sending *sending = context;

	sending->done = true;
	sending->report = *report;
}

static bool wait_for_report(
        struct producer *producer, const struct sending *sending, struct fault *fault)
{
	struct pollfd fd = { .fd = producer_fd(producer), .events = POLLIN };

	for (int i = 0; i < WAITS && !sending->done; i++) {
		poll(&fd, 1, WAIT_MS);
		producer_poll(producer);
	}
	if (!sending->done || strstr(sending->report.reason, "TIMED_OUT") != NULL)
		return fault_code(fault, FAULT_RETRY, "unreachable",
		        "no broker answers; nothing was ordered");
	return sending->report.delivered
	       || fault_set(fault, FAULT_STOP, "the broker refuses the order: %s",
	               sending->report.reason);
}

static bool send_order(struct ctl *ctl, const struct catalog *catalog,
        struct bytes order, struct fault *fault)
{
	const struct catalog_channel *channel = catalog_channel(catalog, "commands");
	struct bytes village = bytes_of(conf_text(ctl->conf, "village"));
	struct sending sending = { 0 };
	struct producer *producer = NULL;
	struct producer_record record = { .key = village,
		.partition = envelope_partition(village, catalog->modulus),
		.value = order };
	bool ok;

	if (channel == NULL)
		return fault_set(fault, FAULT_STOP,
		        "catalog.json: there is no channel commands");
	record.topic = channel->topic;
	ok = producer_open(&producer, PRODUCER_NOTICES, ctl->conf, note_report,
	             &sending, fault)
	     && producer_send(producer, &record, fault)
	     && wait_for_report(producer, &sending, fault);
	producer_close(&producer);
	return ok;
}

static bool is_by_times(const struct ctl *ctl)
{
	return conf_text(ctl->conf, "from")[0] != '\0'
	       || conf_text(ctl->conf, "to")[0] != '\0';
}

/* A village reads them with their offset. */
static bool write_times(struct ctl *ctl, struct buffer *out, struct fault *fault)
{
	struct replay_wish wish = { 0 };
	char from[CLOCK_TEXT_BYTES];
	char to[CLOCK_TEXT_BYTES];

	if (!replay_parse_times(conf_text(ctl->conf, "from"),
	            conf_text(ctl->conf, "to"), &wish, fault))
		return ctl_usage(fault,
		        "--from and --to take times such as 2026-11-21T08:00 (of "
		        "Jember) or 2026-11-21T08:00:00+07:00, the earlier one first");
	clock_format(wish.from_us, from);
	clock_format(wish.to_us, to);
	buffer_format(out, "\"from\":\"%s\",\"to\":\"%s\"", from, to);
	return true;
}

static bool write_numbers(struct ctl *ctl, struct buffer *out, struct fault *fault)
{
	int64_t from_seq;
	int64_t to_seq;

	if (!bytes_number(ctl->arguments[1], &from_seq) || from_seq < 1
	        || !bytes_number(ctl->arguments[2], &to_seq) || to_seq < from_seq)
		return ctl_usage(fault, "FROM_SEQ and TO_SEQ are numbers from 1, the "
		                        "smaller one first");
	buffer_format(
	        out, "\"from_seq\":%" PRId64 ",\"to_seq\":%" PRId64, from_seq, to_seq);
	return true;
}

/* {"resend": {...}}; the topic is one of ours, so that it needs no quoting. */
static bool write_order(struct ctl *ctl, const struct catalog *catalog,
        struct buffer *out, struct fault *fault)
{
	bool by_times = is_by_times(ctl);
	size_t words = by_times ? 1 : 3;
	uint8_t id[16];

	if (ctl->count < words || ctl->count > words + 1)
		return ctl_usage(fault, "resend takes TOPIC FROM_SEQ TO_SEQ "
		                        "[INCARNATION], or TOPIC [INCARNATION] --from "
		                        "TIME --to TIME, and --village");
	if (catalog_topic(catalog, ctl->arguments[0]) == NULL)
		return fault_set(fault, FAULT_REJECT, "there is no topic %.100s",
		        ctl->arguments[0]);
	buffer_format(out, "{\"resend\":{\"topic\":\"%s\",", ctl->arguments[0]);
	if (!(by_times ? write_times(ctl, out, fault) : write_numbers(ctl, out, fault)))
		return false;
	if (ctl->count > words && !identity_parse(bytes_of(ctl->arguments[words]), id))
		return ctl_usage(fault, "INCARNATION is a UUID, as account prints it");
	if (ctl->count > words) {
		buffer_append_text(out, ",\"incarnation\":");
		buffer_append_json(out, bytes_of(ctl->arguments[words]));
	}
	buffer_append_text(out, "}}");
	return buffer_ok(out, fault);
}

bool ctl_resend(struct ctl *ctl, struct fault *fault)
{
	struct catalog *catalog = NULL;
	struct buffer order = { 0 };
	bool ok;

	if (conf_text(ctl->conf, "brokers")[0] == '\0')
		return ctl_usage(
		        fault, "resend takes --village CODE and --brokers HOST:PORT");
	if (!ctl_village(ctl, true, fault))
		return false;
	ok = catalog_open(&catalog, conf_text(ctl->conf, "schemas"),
	             conf_text(ctl->conf, "mode"), fault)
	     && write_order(ctl, catalog, &order, fault)
	     && send_order(ctl, catalog, buffer_bytes(&order), fault);
	if (ok && ctl->json)
		printf("{\"village_code\": \"%s\", \"ordered\": true}\n",
		        conf_text(ctl->conf, "village"));
	else if (ok)
		printf("ordered; the village obeys within two minutes of having a "
		       "link, if it has such a stream\n");
	buffer_clear(&order);
	catalog_close(&catalog);
	return ok;
}
