/* SPDX-License-Identifier: MIT */
#include "port/topic_producer.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/eventfd.h>

#include <librdkafka/rdkafka.h>

#include "base/log.h"
#include "port/topic_settings.h"
#include "port/topic_trust.h"

struct producer {
	rd_kafka_t *rk;
	int fd;
	const struct conf *conf;
	enum producer_link link; /* as brokers answer; REFUSED follows from both */
	char distrust[200];      /* "": the last failure was none of that kind */
	atomic_ullong requests;  /* counted by the library's threads */
	producer_listener *listener;
	void *context;
};

/* The record's place travels as the message's opaque: 16 bits stream, 48 bits seq. */
static void *pack_place(size_t stream, int64_t seq)
{
	return (void *)(uintptr_t)((uint64_t)stream << 48 | (uint64_t)seq);
}

static bool is_configuration(rd_kafka_resp_err_t error)
{
	switch (error) {
	case RD_KAFKA_RESP_ERR__TIMED_OUT:
	case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
	case RD_KAFKA_RESP_ERR__TRANSPORT:
	case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
	case RD_KAFKA_RESP_ERR__PURGE_QUEUE:
	case RD_KAFKA_RESP_ERR__PURGE_INFLIGHT:
	case RD_KAFKA_RESP_ERR__FATAL:
	case RD_KAFKA_RESP_ERR__GAPLESS_GUARANTEE:
	case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
	case RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER:
	case RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID:
	case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
	case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
	case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
	case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS:
	case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
	case RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR:
		return false;
	default:
		return true;
	}
}

/* -1 where the topic keeps the sender's time. */
static int64_t appended_at_ms(const rd_kafka_message_t *message)
{
	rd_kafka_timestamp_type_t type;
	int64_t time_ms = rd_kafka_message_timestamp(message, &type);

	return type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME ? time_ms : -1;
}

static rd_kafka_resp_err_t on_request(rd_kafka_t *rk, int socket, const char *broker,
        int32_t id, int16_t key, int16_t version, int32_t number, size_t size,
        void *context)
{
	enum { PRODUCE = 0 }; /* Kafka protocol, "Api Keys" */
	struct producer *producer = context;

	(void)rk, (void)socket, (void)broker, (void)id, (void)version, (void)number,
	        (void)size;
	if (key == PRODUCE)
		atomic_fetch_add(&producer->requests, 1);
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_new(rd_kafka_t *rk, const rd_kafka_conf_t *settings,
        void *context, char *text, size_t room)
{
	(void)settings, (void)text, (void)room;
	return rd_kafka_interceptor_add_on_request_sent(
	        rk, "kentongan", on_request, context);
}

static void note_up(struct producer *producer)
{
	producer->link = LINK_UP;
	producer->distrust[0] = '\0';
}

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *message, void *context)
{
	struct producer *producer = context;
	uint64_t place = (uint64_t)(uintptr_t)message->_private;
	rd_kafka_resp_err_t error = message->err;
	char text[128];
	struct producer_report report = {
		.stream = (size_t)(place >> 48),
		.seq = (int64_t)(place & 0xFFFFFFFFFFFF),
		.delivered = error == RD_KAFKA_RESP_ERR_NO_ERROR,
		.offset = message->offset,
		.appended_at_ms = appended_at_ms(message),
	};

	if (error == RD_KAFKA_RESP_ERR__FATAL)
		error = rd_kafka_fatal_error(rk, text, sizeof text);
	if (report.delivered) {
		note_up(producer);
	} else {
		report.unwritten = rd_kafka_message_status(message)
		                   == RD_KAFKA_MSG_STATUS_NOT_PERSISTED;
		report.configuration = is_configuration(error);
		snprintf(report.reason, sizeof report.reason, "%s (%s)",
		        rd_kafka_err2str(error), rd_kafka_err2name(error));
	}
	producer->listener(producer->context, &report);
}

static void on_error(rd_kafka_t *rk, int error, const char *reason, void *context)
{
	struct producer *producer = context;

	(void)rk;
	if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
		producer->link = LINK_DOWN;
	else if (!topic_trust_words(producer->conf, error, reason, producer->distrust,
	                 sizeof producer->distrust))
		producer->distrust[0] = '\0';
}

/* Nothing tells that a broker came back while nothing is sent, but the statistics. */
static int on_statistics(rd_kafka_t *rk, char *json, size_t size, void *context)
{
	struct producer *producer = context;

	(void)rk;
	(void)size;
	if (strstr(json, "\"state\":\"UP\"") != NULL)
		note_up(producer);
	else if (producer->link == LINK_UP)
		producer->link = LINK_DOWN;
	return 0;
}

static bool notice_settings(rd_kafka_conf_t *conf, struct fault *fault)
{
	static const char *const settings[] = { "acks", "all", "message.timeout.ms",
		"30000", "queue.buffering.max.messages", "16",
		"queue.buffering.max.kbytes", "1024", "linger.ms", "0",
		"socket.nagle.disable", "true", "reconnect.backoff.ms", "500",
		"reconnect.backoff.max.ms", "10000",
		"topic.metadata.propagation.max.ms", "5000", NULL };

	return topic_set(conf, settings, fault);
}

/* Without these the broker's answer is no confirmation, or an event is given up. */
static const char *const promised[] = { "enable.idempotence", "true",
	"enable.gapless.guarantee", "true", "acks", "all", "message.timeout.ms", "0",
	NULL };

static bool event_settings(rd_kafka_conf_t *conf, bool thin, struct fault *fault)
{
	static const char *const always[] = { "queue.buffering.max.messages", "5000",
		"queue.buffering.max.kbytes", "8192", "socket.nagle.disable", "true",
		"socket.keepalive.enable", "true", "reconnect.backoff.ms", "500",
		"reconnect.backoff.max.ms", "10000", "statistics.interval.ms", "5000",
		"message.max.bytes", "1000000", "topic.metadata.propagation.max.ms",
		"5000", NULL };
	static const char *const normal[] = { "linger.ms", "3", "batch.size", "262144",
		"max.in.flight.requests.per.connection", "5", "compression.codec",
		"lz4", NULL };
	static const char *const slow[] = { "linger.ms", "50", "batch.size", "16384",
		"max.in.flight.requests.per.connection", "1", "socket.timeout.ms",
		"300000", "compression.codec", "zstd", NULL };

	return topic_set(conf, promised, fault) && topic_set(conf, always, fault)
	       && topic_set(conf, thin ? slow : normal, fault);
}

/* conf is one picture: what it says belongs together. */
static bool producer_settings(rd_kafka_conf_t *settings, enum producer_kind kind,
        const struct conf *conf, struct fault *fault)
{
	return topic_refuse(conf, promised, fault)
	       && (kind == PRODUCER_EVENTS ? event_settings(
	                   settings, conf_is(conf, "link", "thin"), fault)
	                                   : notice_settings(settings, fault))
	       && topic_set_conf(settings, conf, fault);
}

bool producer_check(
        enum producer_kind kind, const struct conf *conf, struct fault *fault)
{
	rd_kafka_conf_t *settings = rd_kafka_conf_new();
	bool ok = producer_settings(settings, kind, conf_now(conf), fault);

	rd_kafka_conf_destroy(settings);
	return ok;
}

/*
 * The settings are left behind: librdkafka 2.0.2 has freed what its interceptors hold,
 * and would free it once more.
 */
static bool start_fault(const char *text, struct fault *fault)
{
	rd_kafka_resp_err_t error = rd_kafka_last_error();

	return fault_set(fault,
	        error == RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE ? FAULT_RETRY
	                                                      : FAULT_STOP,
	        "Kafka producer: %s", text);
}

static bool producer_start(struct producer *producer, enum producer_kind kind,
        const struct conf *conf, struct fault *fault)
{
	const struct conf *now = conf_now(conf);
	rd_kafka_conf_t *settings = rd_kafka_conf_new();
	rd_kafka_queue_t *queue;
	char text[256];

	rd_kafka_conf_set_opaque(settings, producer);
	rd_kafka_conf_set_dr_msg_cb(settings, on_report);
	rd_kafka_conf_set_error_cb(settings, on_error);
	rd_kafka_conf_set_stats_cb(settings, on_statistics);
	rd_kafka_conf_interceptor_add_on_new(settings, "kentongan", on_new, producer);
	if (!producer_settings(settings, kind, now, fault)
	        || !topic_trust_files(now, fault)) {
		rd_kafka_conf_destroy(settings);
		return false;
	}
	producer->rk = rd_kafka_new(RD_KAFKA_PRODUCER, settings, text, sizeof text);
	if (producer->rk == NULL)
		return start_fault(text, fault);
	queue = rd_kafka_queue_get_main(producer->rk);
	rd_kafka_queue_io_event_enable(queue, producer->fd, &(uint64_t){ 1 }, 8);
	rd_kafka_queue_destroy(queue);
	return true;
}

bool producer_open(struct producer **out, enum producer_kind kind,
        const struct conf *conf, producer_listener *listener, void *context,
        struct fault *fault)
{
	struct producer *producer = calloc(1, sizeof *producer);

	if (producer == NULL)
		return fault_memory(fault);
	producer->conf = conf;
	producer->listener = listener;
	producer->context = context;
	producer->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (producer->fd < 0 || !producer_start(producer, kind, conf, fault)) {
		if (producer->fd < 0)
			fault_memory(fault);
		producer_close(&producer);
		return false;
	}
	*out = producer;
	return true;
}

static void ignore_report(void *context, const struct producer_report *report)
{
	(void)context;
	(void)report;
}

uint64_t producer_requests(const struct producer *producer)
{
	return atomic_load(&producer->requests);
}

/* False: it goes on ending by itself, and its callbacks may still come. */
static bool end_library(struct producer *producer)
{
	if (producer->rk == NULL)
		return true;
	rd_kafka_purge(producer->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT
	                                     | RD_KAFKA_PURGE_F_NON_BLOCKING);
	rd_kafka_poll(producer->rk, 0);
	return topic_end(producer->rk, false);
}

bool producer_take_back(struct producer **producer, uint64_t *out_requests)
{
	struct producer *old = *producer;

	*producer = NULL;
	old->listener = ignore_report;
	if (!end_library(old))
		return false;
	*out_requests = producer_requests(old);
	if (old->fd >= 0)
		close(old->fd);
	free(old);
	return true;
}

void producer_close(struct producer **producer)
{
	uint64_t requests;

	if (*producer != NULL && producer_take_back(producer, &requests))
		return; /* what had left is not asked here */
}

static rd_kafka_headers_t *make_headers(const struct producer_record *record)
{
	rd_kafka_headers_t *headers = rd_kafka_headers_new(record->header_count);

	for (size_t i = 0; i < record->header_count; i++)
		rd_kafka_header_add(headers, record->headers[i].name, -1,
		        record->headers[i].value.data,
		        (ssize_t)record->headers[i].value.size);
	return headers;
}

static rd_kafka_resp_err_t produce(struct producer *producer,
        const struct producer_record *record, rd_kafka_headers_t *headers)
{
	rd_kafka_vu_t parts[7];
	rd_kafka_error_t *trouble;
	rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;

	parts[0].vtype = RD_KAFKA_VTYPE_TOPIC;
	parts[0].u.cstr = record->topic;
	parts[1].vtype = RD_KAFKA_VTYPE_PARTITION;
	parts[1].u.i32 = record->partition;
	parts[2].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
	parts[2].u.i = RD_KAFKA_MSG_F_COPY;
	parts[3].vtype = RD_KAFKA_VTYPE_KEY;
	parts[3].u.mem.ptr = (void *)record->key.data;
	parts[3].u.mem.size = record->key.size;
	parts[4].vtype = RD_KAFKA_VTYPE_VALUE;
	parts[4].u.mem.ptr = (void *)record->value.data;
	parts[4].u.mem.size = record->value.size;
	parts[5].vtype = RD_KAFKA_VTYPE_HEADERS;
	parts[5].u.headers = headers;
	parts[6].vtype = RD_KAFKA_VTYPE_OPAQUE;
	parts[6].u.ptr = pack_place(record->stream, record->seq);
	trouble = rd_kafka_produceva(producer->rk, parts, 7);
	if (trouble != NULL) {
		error = rd_kafka_error_code(trouble);
		rd_kafka_error_destroy(trouble);
	}
	return error;
}

bool producer_send(struct producer *producer, const struct producer_record *record,
        struct fault *fault)
{
	rd_kafka_headers_t *headers = make_headers(record);
	rd_kafka_resp_err_t error = produce(producer, record, headers);

	if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
		return true;
	rd_kafka_headers_destroy(headers);
	if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL)
		return fault_code(
		        fault, FAULT_RETRY, "queue-full", "the send queue is full");
	return fault_code(fault, FAULT_UNSURE,
	        is_configuration(error) ? "blocked" : "broken", "send to %s: %s",
	        record->topic, rd_kafka_err2name(error));
}

void producer_poll(struct producer *producer)
{
	uint64_t count;

	if (read(producer->fd, &count, sizeof count) < 0)
		count = 0; /* nothing was signalled; the poll is harmless */
	while (rd_kafka_poll(producer->rk, 0) > 0)
		continue;
}

int producer_fd(const struct producer *producer)
{
	return producer->fd;
}

enum producer_link producer_link(const struct producer *producer)
{
	return producer->link != LINK_UP && producer->distrust[0] != '\0'
	               ? LINK_REFUSED
	               : producer->link;
}

const char *producer_distrust(const struct producer *producer)
{
	return producer->distrust;
}
