/* SPDX-License-Identifier: MIT */
#ifndef PORT_TOPIC_CONSUMER_H
#define PORT_TOPIC_CONSUMER_H

/*
 * Reading topics through librdkafka, as a member of a group (the sink) or on one's own
 * (monitor, replay). Where to begin is always said by the caller, in absolute offsets;
 * the broker's memory of a group is written for lag tools and never read back.
 *
 * One thread owns a consumer.
 */

#include "base/bytes.h"
#include "base/conf.h"
#include "event/envelope.h"

struct consumer;

struct topic_place {
	const char *topic;
	int32_t partition;
	int64_t offset;
};

/* Views that live until consumer_release(). */
struct topic_record {
	const char *topic;
	int32_t partition;
	int64_t offset;
	int64_t appended_at_us; /* the broker's time */
	struct bytes key;
	struct bytes value;
	void *message; /* the library's own */
};

enum consumer_news {
	NEWS_NOTHING,
	NEWS_RECORDS,  /* *count of them */
	NEWS_ASSIGNED, /* consumer_assignment() changed: say where to begin */
	NEWS_REVOKED,  /* nothing is ours any more; what is in hand is not to be
	                  committed */
	NEWS_FAULT,
};

/* conf has brokers and the family kafka; group NULL: on one's own, reading on. */
MUST_CHECK bool consumer_open(struct consumer **out, const struct conf *conf,
        const char *group, struct fault *fault);

/*
 * One that goes from place to place on its own, and is closed soon: it does not wait at
 * a log's end for more, which would hold up the next place.
 */
MUST_CHECK bool consumer_visit(
        struct consumer **out, const struct conf *conf, struct fault *fault);

/* Leaves the group. Never hangs for more than 10 s: then the process is ended. */
void consumer_close(struct consumer **consumer);

/* Members of a group only. */
MUST_CHECK bool consumer_subscribe(struct consumer *consumer, const char *const *topics,
        size_t count, struct fault *fault);

/* What the group gave; offsets are not set. Lives until the next read. */
const struct topic_place *consumer_assignment(
        const struct consumer *consumer, size_t *out_count);

/* Begin to read these partitions at these offsets; count 0: none, but stay a member. */
MUST_CHECK bool consumer_start(struct consumer *consumer,
        const struct topic_place *places, size_t count, struct fault *fault);

/*
 * Wait up to wait_ms for something, then take what is there, at most room records and
 * about most_bytes. FAULT_STOP, code "offset": an offset asked for is not in the log;
 * code "no-topic": one does not exist, and reading the others goes on; code "fatal",
 * once: this consumer will read nothing more, only a new one will. After any other
 * fault consumer_start() has to say where to go on.
 */
enum consumer_news consumer_read(struct consumer *consumer, int wait_ms,
        struct topic_record *records, size_t room, size_t most_bytes, size_t *count,
        struct fault *fault);

/* Give back what the last reads lent. */
void consumer_release(
        struct consumer *consumer, struct topic_record *records, size_t count);

/* A header of a record; empty when it has none of that name. */
struct bytes consumer_header(const struct topic_record *record, const char *name);

/* Tell lag tools how far we are, without waiting; metadata is a short text. */
void consumer_commit(struct consumer *consumer, const struct topic_place *places,
        size_t count, const char *metadata);

/*
 * Show the texts that members of the group, whoever they are, wrote beside the offsets
 * of these places. None where no broker answers within a second.
 */
typedef void consumer_note_visitor(
        void *context, const char *topic, int32_t partition, struct bytes text);
void consumer_notes(const struct consumer *consumer, const struct topic_place *places,
        size_t count, consumer_note_visitor *visit, void *context);

/* First offset in the log and the one after its last; asks the broker. */
MUST_CHECK bool consumer_bounds(struct consumer *consumer, const char *topic,
        int32_t partition, int64_t *low, int64_t *high, struct fault *fault);

/* The offset after the last, as the last fetch told it; -1 when unknown. */
int64_t consumer_end(
        const struct consumer *consumer, const char *topic, int32_t partition);

/*
 * Where the next record may be, of one who has done with all before offset: offset
 * itself, or the end, when reading found nothing up to there but markers of
 * transactions, which are counted but never lent.
 */
int64_t consumer_beyond(const struct consumer *consumer, const char *topic,
        int32_t partition, int64_t offset);

/* Set each place's offset to the first record at or after time_us. */
MUST_CHECK bool consumer_offsets_at(struct consumer *consumer, int64_t time_us,
        struct topic_place *places, size_t count, struct fault *fault);

/* Partitions of a topic; 0 when it does not exist. */
MUST_CHECK bool consumer_partitions(struct consumer *consumer, const char *topic,
        int32_t *out_count, struct fault *fault);

/* The settings that consumer_open() reads. */
#define CONSUMER_KEYS                                                                  \
	CONF_MUST(TEXT, brokers, "Kafka's addresses, host:port with commas between"),  \
	        CONF_ANY(kafka, "any property of librdkafka, such as "                 \
	                        "kafka.ssl.ca.location")

#endif
