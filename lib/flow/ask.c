/* SPDX-License-Identifier: MIT */
#include "flow/ask.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "event/envelope.h"
#include "port/topic_producer.h"

enum {
	RANGES = 100,
	WAIT_US = 5000000,
	AT_ONCE = 8
}; /* fewer than wait for a producer */

struct order {
	char village_code[16];
	char text[320];
};

struct ask {
	const struct catalog *catalog;
	ask_owner *owns;
	void *context;
	struct order orders[RANGES];
	size_t count;
	size_t reported;
	size_t taken;
};

static void on_report(void *context, const struct producer_report *report)
{
	struct ask *ask = context;

	ask->reported++;
	ask->taken += report->delivered;
}

static const char missing_sql[] =
        "SELECT s.village_code, s.incarnation, s.topic, s.gaps - coalesce((SELECT "
        "range_agg(int8range(l.seq, l.seq + 1)) FROM kentongan.dead_letter l WHERE "
        "l.topic = s.topic AND l.village_code = s.village_code AND l.incarnation IS "
        "NULL AND l.class <> 'origin' AND l.set_aside_at >= s.begun_at "
        "AND l.seq BETWEEN s.first_seq AND s.high_seq), '{}') FROM "
        "kentongan.stream_position s WHERE "
        "s.missing "
        "> 0 ORDER BY random()"; /* not the same hundred each time */

static bool note_missing(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	struct ask *ask = context;
	struct place_stream stream = { 0 };
	bool ok;

	(void)count;
	if (!ask->owns(ask->context, texts[2],
	            envelope_partition(bytes_of(texts[0]), ask->catalog->modulus)))
		return true;
	ok = place_gaps_parse(&stream, texts[3], fault);
	for (size_t i = 0; ok && i < stream.gap_count && ask->count < RANGES; i++) {
		struct order *order = &ask->orders[ask->count++];

		snprintf(order->village_code, sizeof order->village_code, "%s",
		        texts[0]);
		snprintf(order->text, sizeof order->text,
		        "{\"resend\": {\"topic\": \"%.100s\", \"incarnation\": "
		        "\"%.36s\", "
		        "\"from_seq\": %lld, \"to_seq\": %lld}}",
		        texts[2], texts[1], (long long)stream.gaps[i].from,
		        (long long)stream.gaps[i].to);
	}
	place_clear(&stream);
	return ok;
}

/* Until the broker has said something of that many. */
static void wait_reports(const struct ask *ask, struct producer *producer,
        size_t wanted, int64_t until_us)
{
	struct pollfd ready = { .fd = producer_fd(producer), .events = POLLIN };

	while (ask->reported < wanted && clock_monotonic_us() < until_us) {
		poll(&ready, 1, 100);
		producer_poll(producer);
	}
}

static bool send_orders(struct ask *ask, struct producer *producer,
        const struct catalog_channel *channel, struct fault *fault)
{
	int64_t until_us = clock_monotonic_us() + WAIT_US;
	struct header header = { "content-type", bytes_of("application/json") };

	for (size_t i = 0; i < ask->count && clock_monotonic_us() < until_us; i++) {
		struct bytes village_code = bytes_of(ask->orders[i].village_code);
		struct producer_record record = { .topic = channel->topic,
			.partition =
			        envelope_partition(village_code, ask->catalog->modulus),
			.key = village_code,
			.value = bytes_of(ask->orders[i].text),
			.headers = &header,
			.header_count = 1 };

		wait_reports(ask, producer, i < AT_ONCE ? 0 : i - AT_ONCE, until_us);
		if (!producer_send(producer, &record, fault))
			return false;
	}
	wait_reports(ask, producer, ask->count, until_us);
	return true;
}

bool ask_villages(struct apply *apply, const struct conf *conf,
        const struct catalog *catalog, ask_owner *owns, void *context, size_t *asked,
        struct fault *fault)
{
	const struct catalog_channel *channel = catalog_channel(catalog, "commands");
	struct ask ask = { .catalog = catalog, .owns = owns, .context = context };
	struct producer *producer = NULL;
	bool ok;

	*asked = 0;
	if (channel == NULL)
		return true;
	if (!table_query(apply->table, missing_sql, note_missing, &ask, fault))
		return false;
	if (ask.count == 0)
		return true;
	ok = producer_open(&producer, PRODUCER_NOTICES, conf, on_report, &ask, fault)
	     && send_orders(&ask, producer, channel, fault)
	     && (ask.taken > 0
	             || fault_code(fault, FAULT_RETRY, "unreachable",
	                     "the broker takes no orders on %s", channel->topic));
	producer_close(&producer);
	*asked = ask.taken;
	return ok;
}
