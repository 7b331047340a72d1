/* SPDX-License-Identifier: MIT */
#include "port/topic_admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <librdkafka/rdkafka.h>

#include "port/topic_settings.h"

enum {
	ASK_MS = 10000,
	METADATA_BYTES = 4096 + 1, /* the broker takes no more, as it comes */
};

struct admin {
	rd_kafka_t *rk;
	rd_kafka_queue_t *queue;
};

static bool admin_fault(
        struct fault *fault, const char *what, rd_kafka_resp_err_t error)
{
	switch (error) {
	case RD_KAFKA_RESP_ERR__TIMED_OUT:
	case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
	case RD_KAFKA_RESP_ERR__TRANSPORT:
	case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
	case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
	case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
	case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
		return fault_code(fault, FAULT_RETRY, "unreachable",
		        "%s: no broker answers", what);
	default:
		return fault_set(
		        fault, FAULT_STOP, "%s: %s", what, rd_kafka_err2str(error));
	}
}

/*
 * When a group has moved to another broker, librdkafka 2.0.2 looks for the group of the
 * client that asked, and ends the program where it has none. So an admin is a consumer
 * with a group's name, which it never joins.
 */
static bool admin_start(
        struct admin *admin, const struct conf *conf, struct fault *fault)
{
	static const char *const always[] = { "group.id", "kentongan-admin", NULL };
	rd_kafka_conf_t *settings = rd_kafka_conf_new();
	char text[256];

	if (!topic_set(settings, always, fault)
	        || !topic_set_conf(settings, conf, fault)) {
		rd_kafka_conf_destroy(settings);
		return false;
	}
	admin->rk = rd_kafka_new(RD_KAFKA_CONSUMER, settings, text, sizeof text);
	if (admin->rk == NULL) {
		rd_kafka_conf_destroy(settings);
		return fault_set(fault, FAULT_STOP, "Kafka: %s", text);
	}
	admin->queue = rd_kafka_queue_new(admin->rk);
	return true;
}

bool admin_open(struct admin **out, const struct conf *conf, struct fault *fault)
{
	struct admin *admin = calloc(1, sizeof *admin);

	if (admin == NULL)
		return fault_memory(fault);
	if (!admin_start(admin, conf, fault)) {
		free(admin);
		return false;
	}
	*out = admin;
	return true;
}

void admin_close(struct admin **admin)
{
	if (*admin == NULL)
		return;
	rd_kafka_queue_destroy((*admin)->queue);
	rd_kafka_destroy((*admin)->rk);
	free(*admin);
	*admin = NULL;
}

static rd_kafka_AdminOptions_t *options(struct admin *admin, rd_kafka_admin_op_t op)
{
	rd_kafka_AdminOptions_t *made = rd_kafka_AdminOptions_new(admin->rk, op);
	char text[64];

	rd_kafka_AdminOptions_set_request_timeout(made, ASK_MS, text, sizeof text);
	return made;
}

/* The answer to what was asked last; to be destroyed by the caller. */
static rd_kafka_event_t *answer(struct admin *admin)
{
	return rd_kafka_queue_poll(admin->queue, ASK_MS + 1000);
}

static bool created(const rd_kafka_event_t *event, const char *topic, bool *existed,
        struct fault *fault)
{
	const rd_kafka_topic_result_t **results;
	rd_kafka_resp_err_t error;
	size_t count;

	if (event == NULL || rd_kafka_event_error((rd_kafka_event_t *)event) != 0)
		return admin_fault(fault, topic,
		        event ? rd_kafka_event_error((rd_kafka_event_t *)event)
		              : RD_KAFKA_RESP_ERR__TIMED_OUT);
	results = rd_kafka_CreateTopics_result_topics(
	        rd_kafka_event_CreateTopics_result((rd_kafka_event_t *)event), &count);
	error = count == 1 ? rd_kafka_topic_result_error(results[0])
	                   : RD_KAFKA_RESP_ERR_UNKNOWN;
	*existed = error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS;
	return *existed || error == RD_KAFKA_RESP_ERR_NO_ERROR
	       || admin_fault(fault, topic, error);
}

bool admin_create(struct admin *admin, const char *topic, int32_t partitions,
        const char *const *settings, bool *existed, struct fault *fault)
{
	rd_kafka_AdminOptions_t *how = options(admin, RD_KAFKA_ADMIN_OP_CREATETOPICS);
	char text[256];
	rd_kafka_NewTopic_t *wanted =
	        rd_kafka_NewTopic_new(topic, partitions, -1, text, sizeof text);
	rd_kafka_event_t *event;
	bool ok;

	if (wanted == NULL) {
		rd_kafka_AdminOptions_destroy(how);
		return fault_set(fault, FAULT_STOP, "%s: %s", topic, text);
	}
	for (; *settings != NULL; settings += 2)
		rd_kafka_NewTopic_set_config(wanted, settings[0], settings[1]);
	rd_kafka_CreateTopics(admin->rk, &wanted, 1, how, admin->queue);
	event = answer(admin);
	ok = created(event, topic, existed, fault);
	if (event != NULL)
		rd_kafka_event_destroy(event);
	rd_kafka_NewTopic_destroy(wanted);
	rd_kafka_AdminOptions_destroy(how);
	return ok;
}

static void show_group(
        const rd_kafka_group_result_t *result, admin_visitor *visitor, void *context)
{
	const rd_kafka_topic_partition_list_t *list =
	        rd_kafka_group_result_partitions(result);

	for (int i = 0; list != NULL && i < list->cnt; i++) {
		const rd_kafka_topic_partition_t *at = &list->elems[i];
		struct topic_place place = { at->topic, at->partition, at->offset };
		char metadata[METADATA_BYTES];

		if (at->offset < 0)
			continue;
		snprintf(metadata, sizeof metadata, "%.*s", (int)at->metadata_size,
		        at->metadata ? (const char *)at->metadata : "");
		visitor(context, &place, metadata);
	}
}

bool admin_group(struct admin *admin, const char *group, admin_visitor *visitor,
        void *context, struct fault *fault)
{
	rd_kafka_AdminOptions_t *how =
	        options(admin, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
	rd_kafka_ListConsumerGroupOffsets_t *wanted =
	        rd_kafka_ListConsumerGroupOffsets_new(group, NULL);
	rd_kafka_event_t *event;
	const rd_kafka_group_result_t **results;
	rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR__TIMED_OUT;
	size_t count;

	rd_kafka_ListConsumerGroupOffsets(admin->rk, &wanted, 1, how, admin->queue);
	event = answer(admin);
	if (event != NULL)
		error = rd_kafka_event_error(event);
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
		results = rd_kafka_ListConsumerGroupOffsets_result_groups(
		        rd_kafka_event_ListConsumerGroupOffsets_result(event), &count);
		if (count == 1)
			show_group(results[0], visitor, context);
	}
	if (event != NULL)
		rd_kafka_event_destroy(event);
	rd_kafka_ListConsumerGroupOffsets_destroy(wanted);
	rd_kafka_AdminOptions_destroy(how);
	return error == RD_KAFKA_RESP_ERR_NO_ERROR || admin_fault(fault, group, error);
}
