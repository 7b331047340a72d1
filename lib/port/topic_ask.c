/* SPDX-License-Identifier: MIT */
#include "port/topic_ask.h"

#include <librdkafka/rdkafka.h>

enum { ASK_MS = 5000 };

bool topic_fault(struct fault *fault, const char *what, int error)
{
	return fault_code(fault, FAULT_RETRY, "unreachable", "%s: %s", what,
	        rd_kafka_err2str((rd_kafka_resp_err_t)error));
}

rd_kafka_topic_partition_list_t *topic_list(
        const struct topic_place *places, size_t count)
{
	rd_kafka_topic_partition_list_t *list =
	        rd_kafka_topic_partition_list_new((int)count);

	for (size_t i = 0; i < count; i++)
		rd_kafka_topic_partition_list_add(
		        list, places[i].topic, places[i].partition)
		        ->offset = places[i].offset;
	return list;
}

bool topic_partitions(
        rd_kafka_t *rk, const char *topic, int32_t *out_count, struct fault *fault)
{
	rd_kafka_topic_t *handle = rd_kafka_topic_new(rk, topic, NULL);
	const struct rd_kafka_metadata *metadata;
	rd_kafka_resp_err_t error = rd_kafka_metadata(rk, 0, handle, &metadata, ASK_MS);

	rd_kafka_topic_destroy(handle);
	if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
		return topic_fault(fault, topic, error);
	*out_count = metadata->topic_cnt == 1 ? metadata->topics[0].partition_cnt : 0;
	rd_kafka_metadata_destroy(metadata);
	return true;
}

bool topic_offsets(rd_kafka_t *rk, int64_t time_ms, struct topic_place *places,
        size_t count, struct fault *fault)
{
	rd_kafka_topic_partition_list_t *list = topic_list(places, count);
	rd_kafka_resp_err_t error;

	for (int i = 0; i < list->cnt; i++)
		list->elems[i].offset = time_ms;
	error = rd_kafka_offsets_for_times(rk, list, ASK_MS);
	for (int i = 0; error == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++) {
		error = list->elems[i].err;
		places[i].offset = list->elems[i].offset;
	}
	rd_kafka_topic_partition_list_destroy(list);
	return error == RD_KAFKA_RESP_ERR_NO_ERROR
	       || topic_fault(fault, "offsets by time", error);
}

void topic_nudge(rd_kafka_t *rk, const char *topic, int32_t partition)
{
	const struct topic_place place = { topic, partition, RD_KAFKA_OFFSET_END };
	rd_kafka_topic_partition_list_t *list = topic_list(&place, 1);

	rd_kafka_offsets_for_times(rk, list, 0);
	rd_kafka_topic_partition_list_destroy(list);
}

void topic_lend(rd_kafka_message_t *message, struct topic_record *out)
{
	rd_kafka_timestamp_type_t type;
	int64_t time_ms = rd_kafka_message_timestamp(message, &type);

	*out = (struct topic_record){
		.topic = rd_kafka_topic_name(message->rkt),
		.partition = message->partition,
		.offset = message->offset,
		.appended_at_us = time_ms * 1000,
		.key = { message->key, message->key_len },
		.value = { message->payload, message->len },
		.message = message,
	};
}

bool topic_goes_on(const rd_kafka_message_t *message, struct fault *fault)
{
	switch (message->err) {
	case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
	case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
		return fault_code(fault, FAULT_STOP, "offset",
		        "%s, partition %d: offset %lld is not in the log",
		        message->rkt ? rd_kafka_topic_name(message->rkt) : "a topic",
		        (int)message->partition, (long long)message->offset);
	case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
	case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
		return fault_code(fault, FAULT_STOP, "no-topic", "%s: %s",
		        message->rkt ? rd_kafka_topic_name(message->rkt) : "a topic",
		        rd_kafka_err2str(message->err));
	case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
		return fault_code(fault, FAULT_STOP, "topic", "%s: %s",
		        message->rkt ? rd_kafka_topic_name(message->rkt) : "a topic",
		        rd_kafka_err2str(message->err));
	default:
		return true;
	}
}
