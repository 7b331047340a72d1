/* SPDX-License-Identifier: MIT */
#ifndef PORT_TOPIC_PRODUCER_H
#define PORT_TOPIC_PRODUCER_H

/*
 * Sending to topics through librdkafka, events idempotent and without gaps. Sent is not
 * delivered: only a report says so. After any failed report the producer is of no more
 * use: close it, open a new one, and send again from the first record that is not
 * confirmed. Readers drop the repeats.
 *
 * One thread owns a producer; reports come in producer_poll() only.
 */

#include "base/bytes.h"
#include "base/conf.h"
#include "event/envelope.h"

struct producer;

struct producer_report {
	size_t stream;
	int64_t seq;
	bool delivered;
	int64_t offset;
	int64_t appended_at_ms; /* the broker's time; -1: it tells none */
	bool unwritten;         /* not delivered, and for sure nowhere on the topic */
	bool configuration;     /* it is the broker's configuration; time alone cures
	                           nothing */
	char reason[128];
};

typedef void producer_listener(void *context, const struct producer_report *report);

struct producer_record {
	const char *topic;
	int32_t partition;
	struct bytes key;
	struct bytes value;
	const struct header *headers;
	size_t header_count;
	size_t stream; /* given back in the report */
	int64_t seq;
};

/* LINK_REFUSED: a broker is there, and it and we do not believe each other. */
enum producer_link { LINK_UNKNOWN, LINK_UP, LINK_DOWN, LINK_REFUSED };

/*
 * PRODUCER_EVENTS never gives a record up. PRODUCER_NOTICES is for what only the newest
 * of matters: half a minute without an answer, and the report says so; it shares
 * nothing with the other, so that a notice that is refused stops no event.
 */
enum producer_kind { PRODUCER_EVENTS, PRODUCER_NOTICES };

/*
 * conf has brokers and the family kafka; for PRODUCER_EVENTS also link. FAULT_RETRY
 * when the machine has no threads to give just now; code "trust" when a certificate's
 * file is not there or not whole. Files are read here and not again.
 */
MUST_CHECK bool producer_open(struct producer **out, enum producer_kind kind,
        const struct conf *conf, producer_listener *listener, void *context,
        struct fault *fault);

/* Whether producer_open() takes these settings, whatever their files hold. */
MUST_CHECK bool producer_check(
        enum producer_kind kind, const struct conf *conf, struct fault *fault);

/* Forgets what is not confirmed; the spool still has it. */
void producer_close(struct producer **producer);

/*
 * Requests with records that went out to a broker since it was opened: a record that
 * was given to the producer after the last of them has not left.
 */
uint64_t producer_requests(const struct producer *producer);

/* Close it; true: there will be no request any more, and there were so many. */
MUST_CHECK bool producer_take_back(struct producer **producer, uint64_t *out_requests);

/* FAULT_RETRY when the queue is full: poll and go on. The record is copied. */
MUST_CHECK bool producer_send(struct producer *producer,
        const struct producer_record *record, struct fault *fault);

/* Hand out the reports that have come, without waiting. */
void producer_poll(struct producer *producer);

/* Readable when there is something to poll; reading it is producer_poll()'s. */
int producer_fd(const struct producer *producer);

enum producer_link producer_link(const struct producer *producer);

/* Why it is LINK_REFUSED, in words; lives as long as the producer. */
const char *producer_distrust(const struct producer *producer);

/* The settings that producer_open() reads. */
#define PRODUCER_KEYS                                                                  \
	CONF_MUST(TEXT, brokers, "Kafka's addresses, host:port with commas between"),  \
	        CONF_ONE_OF(link, "normal", "normal|thin",                             \
	                "thin is for a slow link: small batches, one at a time"),      \
	        CONF_ANY(kafka, "any property of librdkafka, such as "                 \
	                        "kafka.ssl.ca.location")

#endif
