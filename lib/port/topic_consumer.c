/* SPDX-License-Identifier: MIT */
/*
 * The rebalance callback only notes what happened and assigns nothing: the owner learns
 * of it from the next read and says where to begin, which needs its database. Polling
 * goes on meanwhile, so that a sick database never costs the membership.
 */
#include "port/topic_consumer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <librdkafka/rdkafka.h>

#include "base/log.h"
#include "port/topic_ask.h"
#include "port/topic_settings.h"

enum {
	ASK_MS = 5000,
	NOTES_MS = 1000,
	NUDGE_BYTES = 256 * 1024, /* taken at once: there is a backlog */
	STARTING = 20,            /* its thread may sleep for a second then, too */
	STARTING_MS = 5,
};

/* How far reading of a partition came: between next and end there is no record. */
struct reach {
	const rd_kafka_topic_t *handle; /* to compare by */
	char topic[250];                /* Kafka's names are no longer */
	int32_t partition;
	int64_t next; /* behind what was lent last; 0: nothing yet */
	int64_t end;  /* where the log ended when it was looked at last */
};

struct consumer {
	rd_kafka_t *rk;
	rd_kafka_queue_t *queue;
	bool member;
	rd_kafka_topic_partition_list_t *assigned;
	struct topic_place *places; /* of assigned */
	size_t place_count;
	bool is_assigned;
	bool is_revoked;
	bool is_told; /* that it is over */
	rd_kafka_topic_partition_list_t *reading;
	bool must_nudge;
	int starting; /* so many times more it is nudged, until something comes */
	rd_kafka_message_t **batch;
	size_t batch_room;
	struct reach *reaches;
	size_t reach_count;
	size_t reach_last; /* that was asked for: records come in runs */
};

static void keep_assignment(
        struct consumer *consumer, const rd_kafka_topic_partition_list_t *list)
{
	rd_kafka_topic_partition_list_t *copy =
	        rd_kafka_topic_partition_list_copy(list);
	struct topic_place *places = calloc((size_t)copy->cnt + 1, sizeof *places);

	if (consumer->assigned != NULL)
		rd_kafka_topic_partition_list_destroy(consumer->assigned);
	free(consumer->places);
	consumer->assigned = copy;
	consumer->places = places;
	consumer->place_count = places ? (size_t)copy->cnt : 0;
	for (size_t i = 0; i < consumer->place_count; i++)
		places[i] = (struct topic_place){ .topic = copy->elems[i].topic,
			.partition = copy->elems[i].partition };
}

static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t error,
        rd_kafka_topic_partition_list_t *list, void *context)
{
	struct consumer *consumer = context;
	rd_kafka_topic_partition_list_t *none = rd_kafka_topic_partition_list_new(0);

	if (error == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
		keep_assignment(consumer, list);
		consumer->is_assigned = true;
		rd_kafka_assign(rk, none);
	} else {
		consumer->place_count = 0;
		consumer->is_revoked = true;
		consumer->is_assigned = false;
		rd_kafka_assign(rk, NULL);
	}
	rd_kafka_topic_partition_list_destroy(none);
}

/* The database says where to read on, and nobody else. */
static const char *const promised[] = { "partition.assignment.strategy", "range",
	"enable.auto.commit", "false", "enable.auto.offset.store", "false",
	"auto.offset.reset", "error", "isolation.level", "read_committed",
	"enable.partition.eof", "true", NULL };

static bool consumer_settings(rd_kafka_conf_t *settings, const char *group,
        bool is_visitor, struct fault *fault)
{
	/* The broker counts compressed bytes: what it sends at once may be ten times as
	 * much in memory. A record larger than these bounds is still sent, alone.
	 */
	static const char *const always[] = { "check.crcs", "true",
		"fetch.message.max.bytes", "131072", "fetch.max.bytes", "262144",
		"message.max.bytes", "262144", "topic.metadata.refresh.interval.ms",
		"30000", /* of a new topic */
		"session.timeout.ms", "10000", "reconnect.backoff.max.ms", "2000",
		"socket.nagle.disable", "true", NULL };
	/* Members are many on one machine and wait for a database; who reads alone
	 * waits for nothing but this queue, and half of it is half as fast. A fetch
	 * that waits at the log's end holds up the next one, which is for another
	 * place.
	 */
	const char *named[] = { "group.id", group ? group : "kentongan-alone",
		"queued.max.messages.kbytes", group ? "512" : "1024",
		"fetch.wait.max.ms", is_visitor ? "10" : "100", NULL };

	return topic_set(settings, promised, fault)
	       && topic_set(settings, always, fault)
	       && topic_set(settings, named, fault);
}

static bool consumer_create(struct consumer *consumer, const struct conf *conf,
        const char *group, bool is_visitor, struct fault *fault)
{
	rd_kafka_conf_t *settings = rd_kafka_conf_new();
	char text[256];

	rd_kafka_conf_set_opaque(settings, consumer);
	/* Known from librdkafka 2.2 on; without it, see nudge(). */
	consumer->must_nudge = rd_kafka_conf_set(settings, "fetch.queue.backoff.ms",
	                               "10", text, sizeof text)
	                       != RD_KAFKA_CONF_OK;
	if (group != NULL)
		rd_kafka_conf_set_rebalance_cb(settings, on_rebalance);
	if (!topic_refuse(conf, promised, fault)
	        || !consumer_settings(settings, group, is_visitor, fault)
	        || !topic_set_conf(settings, conf, fault)) {
		rd_kafka_conf_destroy(settings);
		return false;
	}
	consumer->rk = rd_kafka_new(RD_KAFKA_CONSUMER, settings, text, sizeof text);
	if (consumer->rk == NULL) {
		rd_kafka_conf_destroy(settings);
		return fault_set(fault, FAULT_STOP, "Kafka consumer: %s", text);
	}
	rd_kafka_poll_set_consumer(consumer->rk);
	consumer->queue = rd_kafka_queue_get_consumer(consumer->rk);
	consumer->member = group != NULL;
	return true;
}

static bool open_as(struct consumer **out, const struct conf *conf, const char *group,
        bool is_visitor, struct fault *fault)
{
	struct consumer *consumer = calloc(1, sizeof *consumer);

	if (consumer == NULL)
		return fault_memory(fault);
	if (!consumer_create(consumer, conf, group, is_visitor, fault)) {
		consumer_close(&consumer);
		return false;
	}
	*out = consumer;
	return true;
}

bool consumer_open(struct consumer **out, const struct conf *conf, const char *group,
        struct fault *fault)
{
	return open_as(out, conf, group, false, fault);
}

bool consumer_visit(struct consumer **out, const struct conf *conf, struct fault *fault)
{
	return open_as(out, conf, NULL, true, fault);
}

void consumer_close(struct consumer **consumer)
{
	struct consumer *old = *consumer;

	if (old == NULL)
		return;
	*consumer = NULL;
	if (old->rk != NULL) {
		rd_kafka_queue_destroy(old->queue);
		if (!topic_end(old->rk, old->member))
			return; /* its callbacks may still come */
	}
	if (old->assigned != NULL)
		rd_kafka_topic_partition_list_destroy(old->assigned);
	if (old->reading != NULL)
		rd_kafka_topic_partition_list_destroy(old->reading);
	free(old->places);
	free(old->batch);
	free(old->reaches);
	free(old);
}

bool consumer_subscribe(struct consumer *consumer, const char *const *topics,
        size_t count, struct fault *fault)
{
	rd_kafka_topic_partition_list_t *list =
	        rd_kafka_topic_partition_list_new((int)count);
	rd_kafka_resp_err_t error;

	for (size_t i = 0; i < count; i++)
		rd_kafka_topic_partition_list_add(
		        list, topics[i], RD_KAFKA_PARTITION_UA);
	error = rd_kafka_subscribe(consumer->rk, list);
	rd_kafka_topic_partition_list_destroy(list);
	return error == RD_KAFKA_RESP_ERR_NO_ERROR
	       || topic_fault(fault, "subscribe", error);
}

const struct topic_place *consumer_assignment(
        const struct consumer *consumer, size_t *out_count)
{
	*out_count = consumer->place_count;
	return consumer->places;
}

static struct reach *add_reach(
        struct consumer *consumer, const rd_kafka_message_t *message)
{
	struct reach *more =
	        realloc(consumer->reaches, (consumer->reach_count + 1) * sizeof *more);
	struct reach *reach;

	if (more == NULL)
		return NULL;
	consumer->reaches = more;
	consumer->reach_last = consumer->reach_count;
	reach = &more[consumer->reach_count++];
	*reach = (struct reach){ .handle = message->rkt,
		.partition = message->partition };
	snprintf(reach->topic, sizeof reach->topic, "%s",
	        rd_kafka_topic_name(message->rkt));
	return reach;
}

/* NULL: no memory; then what is behind markers counts as waiting. */
static struct reach *reach_of(
        struct consumer *consumer, const rd_kafka_message_t *message)
{
	for (size_t i = 0; i < consumer->reach_count; i++) {
		size_t at = (consumer->reach_last + i) % consumer->reach_count;
		struct reach *reach = &consumer->reaches[at];

		if (reach->partition == message->partition
		        && reach->handle == message->rkt) {
			consumer->reach_last = at;
			return reach;
		}
	}
	return add_reach(consumer, message);
}

static void lend(struct consumer *consumer, rd_kafka_message_t *message,
        struct topic_record *out)
{
	struct reach *reach = reach_of(consumer, message);

	if (reach != NULL)
		reach->next = message->offset + 1;
	topic_lend(message, out);
}

int64_t consumer_beyond(const struct consumer *consumer, const char *topic,
        int32_t partition, int64_t offset)
{
	for (size_t i = 0; i < consumer->reach_count; i++) {
		const struct reach *reach = &consumer->reaches[i];

		if (reach->partition == partition && offset >= reach->next
		        && offset < reach->end && strcmp(reach->topic, topic) == 0)
			return reach->end;
	}
	return offset;
}

bool consumer_start(struct consumer *consumer, const struct topic_place *places,
        size_t count, struct fault *fault)
{
	rd_kafka_topic_partition_list_t *list = topic_list(places, count);
	rd_kafka_resp_err_t error = rd_kafka_assign(consumer->rk, list);

	consumer->reach_count = 0;

	if (consumer->reading != NULL)
		rd_kafka_topic_partition_list_destroy(consumer->reading);
	consumer->reading = list;
	consumer->starting = STARTING;
	return error == RD_KAFKA_RESP_ERR_NO_ERROR
	       || topic_fault(fault, "assign", error);
}

static bool grow_batch(struct consumer *consumer, size_t room, struct fault *fault)
{
	rd_kafka_message_t **batch;

	if (consumer->batch_room >= room)
		return true;
	batch = realloc(consumer->batch, room * sizeof *batch);
	if (batch == NULL)
		return fault_memory(fault);
	consumer->batch = batch;
	consumer->batch_room = room;
	return true;
}

/*
 * A queue that was full makes librdkafka 2.0 look again only after up to a second, or
 * when its thread has something else to do. So it is given something: a question whose
 * answer nobody waits for.
 */
static void nudge(struct consumer *consumer)
{
	if (!consumer->must_nudge || consumer->reading == NULL)
		return;
	for (int i = 0; i < consumer->reading->cnt; i++)
		consumer->reading->elems[i].offset = RD_KAFKA_OFFSET_END;
	rd_kafka_offsets_for_times(consumer->rk, consumer->reading, 0);
}

/* What came in a record's place. False: reading cannot go on. */
static bool heed(
        struct consumer *consumer, rd_kafka_message_t *message, struct fault *fault)
{
	bool is_end = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
	struct reach *reach = is_end ? reach_of(consumer, message) : NULL;
	bool ok = is_end || topic_goes_on(message, fault);

	if (reach != NULL)
		reach->end = message->offset;
	rd_kafka_message_destroy(message);
	return ok;
}

/* Take what waits in the queue, without waiting, in slices that keep to the bytes. */
static enum consumer_news drain(struct consumer *consumer, struct topic_record *records,
        size_t room, size_t most_bytes, size_t bytes, size_t *count,
        struct fault *fault)
{
	enum { SLICE = 500 };
	enum consumer_news news = NEWS_RECORDS;

	while (*count < room && bytes < most_bytes && news == NEWS_RECORDS) {
		size_t wanted = room - *count < SLICE ? room - *count : SLICE;
		ssize_t got = rd_kafka_consume_batch_queue(
		        consumer->queue, 0, consumer->batch, wanted);

		if (got <= 0 || consumer->is_revoked)
			break;
		for (ssize_t i = 0; i < got; i++) {
			rd_kafka_message_t *message = consumer->batch[i];

			if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
				if (!heed(consumer, message, fault))
					news = NEWS_FAULT;
				continue;
			}
			bytes += message->len + message->key_len;
			lend(consumer, message, &records[(*count)++]);
		}
	}
	if (bytes >= NUDGE_BYTES)
		nudge(consumer);
	return news;
}

static enum consumer_news read_records(struct consumer *consumer, int wait_ms,
        struct topic_record *records, size_t room, size_t most_bytes, size_t *count,
        struct fault *fault)
{
	rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer->rk,
	        consumer->starting > 0 && wait_ms > STARTING_MS ? STARTING_MS
	                                                        : wait_ms);

	if (message == NULL && consumer->starting > 0) {
		consumer->starting--;
		nudge(consumer);
		return NEWS_NOTHING;
	}
	consumer->starting = 0;
	while (message != NULL && message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
		(void)heed(consumer, message, fault);
		message = rd_kafka_consumer_poll(consumer->rk, wait_ms);
	}
	if (message == NULL)
		return NEWS_NOTHING;
	if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
		return heed(consumer, message, fault) ? NEWS_NOTHING : NEWS_FAULT;
	lend(consumer, message, &records[(*count)++]);
	return drain(consumer, records, room, most_bytes, message->len, count, fault);
}

/* Such as another member with our group.instance.id: this one reads nothing more. */
static bool is_over(const struct consumer *consumer, struct fault *fault)
{
	char text[256];

	if (rd_kafka_fatal_error(consumer->rk, text, sizeof text)
	        == RD_KAFKA_RESP_ERR_NO_ERROR)
		return false;
	fault_code(fault, FAULT_STOP, "fatal", "Kafka: %s", text);
	return true;
}

enum consumer_news consumer_read(struct consumer *consumer, int wait_ms,
        struct topic_record *records, size_t room, size_t most_bytes, size_t *count,
        struct fault *fault)
{
	enum consumer_news news;

	*count = 0;
	if (!grow_batch(consumer, room, fault))
		return NEWS_FAULT;
	news = read_records(consumer, wait_ms, records, room, most_bytes, count, fault);
	if (is_over(consumer, fault)) {
		bool is_told = consumer->is_told;

		consumer_release(consumer, records, *count);
		*count = 0;
		consumer->is_told = true;
		return is_told ? NEWS_NOTHING : NEWS_FAULT;
	}
	if (consumer->is_revoked || consumer->is_assigned) {
		bool assigned = consumer->is_assigned;

		consumer_release(consumer, records, *count);
		*count = 0;
		consumer->is_revoked = false;
		consumer->is_assigned = false;
		return assigned ? NEWS_ASSIGNED : NEWS_REVOKED;
	}
	/* What was read beside it is good, and of the topic it is told again. */
	if (news == NEWS_FAULT && *count > 0 && strcmp(fault->code, "no-topic") == 0) {
		fault_clear(fault);
		news = NEWS_RECORDS;
	}
	if (news == NEWS_FAULT) {
		consumer_release(consumer, records, *count);
		*count = 0;
	}
	return news;
}

void consumer_release(
        struct consumer *consumer, struct topic_record *records, size_t count)
{
	(void)consumer;
	for (size_t i = 0; i < count; i++)
		rd_kafka_message_destroy(records[i].message);
}

struct bytes consumer_header(const struct topic_record *record, const char *name)
{
	rd_kafka_headers_t *headers;
	const void *value;
	size_t size;

	if (rd_kafka_message_headers(record->message, &headers)
	                != RD_KAFKA_RESP_ERR_NO_ERROR
	        || rd_kafka_header_get_last(headers, name, &value, &size)
	                   != RD_KAFKA_RESP_ERR_NO_ERROR)
		return (struct bytes){ 0 };
	return (struct bytes){ value, size };
}

void consumer_commit(struct consumer *consumer, const struct topic_place *places,
        size_t count, const char *metadata)
{
	rd_kafka_topic_partition_list_t *list = topic_list(places, count);

	for (int i = 0; i < list->cnt; i++) {
		list->elems[i].metadata = strdup(metadata);
		list->elems[i].metadata_size =
		        list->elems[i].metadata ? strlen(metadata) : 0;
	}
	rd_kafka_commit(consumer->rk, list, 1);
	rd_kafka_topic_partition_list_destroy(list); /* frees the metadata too */
}

void consumer_notes(const struct consumer *consumer, const struct topic_place *places,
        size_t count, consumer_note_visitor *visit, void *context)
{
	rd_kafka_topic_partition_list_t *list = topic_list(places, count);
	bool answered = rd_kafka_committed(consumer->rk, list, NOTES_MS)
	                == RD_KAFKA_RESP_ERR_NO_ERROR;

	for (int i = 0; answered && i < list->cnt; i++)
		if (list->elems[i].metadata_size > 0)
			visit(context, list->elems[i].topic, list->elems[i].partition,
			        (struct bytes){ list->elems[i].metadata,
			                list->elems[i].metadata_size });
	rd_kafka_topic_partition_list_destroy(list);
}

bool consumer_bounds(struct consumer *consumer, const char *topic, int32_t partition,
        int64_t *low, int64_t *high, struct fault *fault)
{
	rd_kafka_resp_err_t error = rd_kafka_query_watermark_offsets(
	        consumer->rk, topic, partition, low, high, ASK_MS);

	return error == RD_KAFKA_RESP_ERR_NO_ERROR || topic_fault(fault, topic, error);
}

int64_t consumer_end(
        const struct consumer *consumer, const char *topic, int32_t partition)
{
	int64_t low;
	int64_t high;

	if (rd_kafka_get_watermark_offsets(consumer->rk, topic, partition, &low, &high)
	        != RD_KAFKA_RESP_ERR_NO_ERROR)
		return -1;
	return high;
}

/* The broker's times are milliseconds: what is left of one belongs to the next. */
bool consumer_offsets_at(struct consumer *consumer, int64_t time_us,
        struct topic_place *places, size_t count, struct fault *fault)
{
	return topic_offsets(
	        consumer->rk, (time_us + 999) / 1000, places, count, fault);
}

bool consumer_partitions(struct consumer *consumer, const char *topic,
        int32_t *out_count, struct fault *fault)
{
	return topic_partitions(consumer->rk, topic, out_count, fault);
}
