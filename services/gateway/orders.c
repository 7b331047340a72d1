/* SPDX-License-Identifier: MIT */
#include "orders.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/log.h"
#include "event/envelope.h"
#include "flow/anchor.h"
#include "port/topic_consumer.h"

enum {
	RECORDS = 64,
	READ_MS = 1000,
	READS = 20,
	MOST_BYTES = 65536,
	DEPTH = 8,
	LAST_LOOK_S = 2
};

struct orders {
	struct keeper *keeper;
	const struct conf *conf;
	const char *topic; /* NULL: the catalog has none */
	struct bytes village;
	int32_t partition;
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t changed;
	bool ending;
	/* the thread's only */
	int64_t next_offset; /* -1: from the beginning */
	bool told;           /* that the hub cannot be looked at */
};

/* An order's members */

static bool take_text(const json_t *object, const char *member, char *out, size_t room)
{
	const char *text = json_string_value(json_object_get(object, member));

	if (text == NULL || strlen(text) >= room)
		return false;
	strcpy(out, text);
	return true;
}

static bool take_number(const json_t *object, const char *member, int64_t *out)
{
	const json_t *number = json_object_get(object, member);

	*out = json_integer_value(number);
	return json_is_integer(number) && *out >= 1;
}

static bool take_time(const json_t *object, const char *member, int64_t *out)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text != NULL && clock_parse(bytes_of(text), out);
}

/* From which to which, by times or by numbers. NULL, or the pointer of what is wrong.
 */
static const char *read_range(const json_t *object, struct keeper_resend *out)
{
	out->from_us = out->to_us = 0;
	if (json_object_get(object, "from_seq") != NULL
	        || json_object_get(object, "to_seq") != NULL) {
		if (json_object_get(object, "from") != NULL)
			return "/from";
		if (!take_number(object, "from_seq", &out->from_seq))
			return "/from_seq";
		return take_number(object, "to_seq", &out->to_seq)
		                       && out->to_seq >= out->from_seq
		               ? NULL
		               : "/to_seq";
	}
	if (!take_time(object, "from", &out->from_us))
		return "/from";
	return take_time(object, "to", &out->to_us) && out->to_us > out->from_us
	               ? NULL
	               : "/to";
}

static bool read_resend(
        const json_t *object, struct keeper_resend *out, struct fault *fault)
{
	const char *wrong = read_range(object, out);

	out->incarnation[0] = '\0';
	if (!take_text(object, "topic", out->topic, sizeof out->topic))
		wrong = "/topic";
	else if (json_object_get(object, "incarnation") != NULL
	         && !take_text(object, "incarnation", out->incarnation,
	                 sizeof out->incarnation))
		wrong = "/incarnation";
	return wrong == NULL || fault_code(fault, FAULT_REJECT, "order", "%s", wrong);
}

static json_t *parse(struct bytes text)
{
	if (!bytes_json_is_shallow(text, DEPTH))
		return NULL;
	return json_loadb(
	        (const char *)text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
}

bool orders_parse_resend(
        struct bytes text, struct keeper_resend *out, struct fault *fault)
{
	json_t *json = parse(text);
	bool ok = json != NULL ? read_resend(json, out, fault)
	                       : fault_code(fault, FAULT_REJECT, "order", "%s", "");

	json_decref(json);
	return ok;
}

/* Carrying out */

/* On the loop's thread. */
static void order_done(void *context, struct keeper_question *question)
{
	(void)context;
	if (!question->ok)
		log_fault(
		        NULL, "an order of the hub; order it again", &question->fault);
	free(question);
}

static void verdict_done(void *context, struct keeper_question *question)
{
	(void)context;
	if (!question->ok)
		log_fault(NULL, "a look at the topics", &question->fault);
	free(question);
}

/* False: nothing more is to be asked of the keeper. */
static bool ask_keeper(struct orders *orders, const struct keeper_question *wanted)
{
	struct keeper_question *question = malloc(sizeof *question);
	bool ending;

	if (question == NULL)
		return false;
	*question = *wanted;
	pthread_mutex_lock(&orders->lock);
	ending = orders->ending;
	if (!ending)
		keeper_ask(orders->keeper, question);
	pthread_mutex_unlock(&orders->lock);
	if (ending)
		free(question);
	return !ending;
}

static void tell_order(const struct keeper_resend *resend)
{
	char from[CLOCK_TEXT_BYTES];
	char to[CLOCK_TEXT_BYTES];

	if (resend->to_us == 0) {
		log_info(NULL, "the hub orders: %s %lld to %lld once more",
		        resend->topic, (long long)resend->from_seq,
		        (long long)resend->to_seq);
		return;
	}
	clock_format(resend->from_us, from);
	clock_format(resend->to_us, to);
	log_info(NULL, "the hub orders: %s from %s to %s once more", resend->topic,
	        from, to);
}

/* What is no order of ours still moves the offset on. */
static bool obey(struct orders *orders, const struct topic_record *record)
{
	struct keeper_resend resend = { .next_offset = record->offset + 1 };
	json_t *json = NULL;
	struct fault fault = { 0 };

	if (bytes_equal(record->key, orders->village)) {
		json = parse(record->value);
		if (!read_resend(json_object_get(json, "resend"), &resend, &fault))
			log_warn(NULL,
			        "an order of the hub at offset %lld is not understood: "
			        "resend%s",
			        (long long)record->offset, fault.text);
		else
			tell_order(&resend);
	}
	json_decref(json);
	if (fault.kind != FAULT_NONE)
		resend.from_seq = resend.to_seq = resend.to_us = 0;
	if (!ask_keeper(orders, &(struct keeper_question){ .asking = KEEPER_RESEND,
	                                .resend = resend,
	                                .done = order_done }))
		return false;
	orders->next_offset = record->offset + 1;
	return true;
}

static bool read_to(struct orders *orders, struct consumer *consumer, int64_t end,
        struct fault *fault)
{
	struct topic_record records[RECORDS];

	for (int i = 0; i < READS && orders->next_offset < end; i++) {
		size_t count = 0;
		bool ok = true;

		if (consumer_read(consumer, READ_MS, records, RECORDS, MOST_BYTES,
		            &count, fault)
		        == NEWS_FAULT)
			return false;
		for (size_t at = 0; ok && at < count; at++)
			ok = obey(orders, &records[at]);
		consumer_release(consumer, records, count);
		if (!ok)
			return true;
	}
	return true;
}

static bool read_orders(
        struct orders *orders, struct consumer *consumer, struct fault *fault)
{
	struct topic_place place = { orders->topic, orders->partition, 0 };
	int64_t low;
	int64_t high;

	if (orders->topic == NULL)
		return true;
	if (!consumer_bounds(
	            consumer, place.topic, place.partition, &low, &high, fault))
		return false;
	if (orders->next_offset < low || orders->next_offset > high)
		orders->next_offset = low;
	if (orders->next_offset == high)
		return true;
	place.offset = orders->next_offset;
	return consumer_start(consumer, &place, 1, fault)
	       && read_to(orders, consumer, high, fault);
}

/*
 * Whether the topics are those that confirmed what the spool says they did. The places
 * are those of the look before. One topic that does not answer keeps no other back.
 */
static bool compare_topics(
        struct orders *orders, struct consumer *consumer, struct fault *fault)
{
	struct keeper_place places[SPOOL_STREAMS];
	size_t count = keeper_places(orders->keeper, places);
	struct keeper_question question = { .asking = KEEPER_JUDGE,
		.done = verdict_done };
	bool ok = true;

	for (size_t i = 0; i < count; i++) {
		enum anchor_verdict verdict = VERDICT_OPEN;

		question.verdict = (struct keeper_verdict){ .stream = i,
			.anchor = places[i].anchor };
		ok = anchor_compare(consumer, places[i].topic, orders->partition,
		             &places[i].anchor, &places[i].newest, &verdict,
		             &question.verdict.next, fault)
		     && ok;
		question.verdict.lost = verdict == VERDICT_OTHER;
		if (verdict != VERDICT_OPEN && !ask_keeper(orders, &question))
			return true;
	}
	return ok;
}

static bool look(struct orders *orders, struct fault *fault)
{
	struct consumer *consumer = NULL;
	bool ok = consumer_visit(&consumer, orders->conf, fault);
	bool has_read = ok && read_orders(orders, consumer, fault);

	ok = ok && compare_topics(orders, consumer, fault) && has_read;
	consumer_close(&consumer);
	return ok;
}

/* False when it is time to end. */
static bool rest(struct orders *orders)
{
	uint64_t pause_ms = conf_number(orders->conf, "orders_ms");
	struct timespec until;
	bool ending;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(pause_ms / 1000);
	until.tv_nsec += (long)(pause_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&orders->lock);
	while (!orders->ending
	        && pthread_cond_timedwait(&orders->changed, &orders->lock, &until) == 0)
		continue;
	ending = orders->ending;
	pthread_mutex_unlock(&orders->lock);
	return !ending;
}

static void *listen_to_hub(void *context)
{
	struct orders *orders = context;

	while (rest(orders)) {
		struct fault fault = { 0 };
		bool ok = look(orders, &fault);

		if (!ok && !orders->told)
			log_info(NULL, "the hub cannot be looked at: %s", fault.text);
		orders->told = !ok;
	}
	return NULL;
}

bool orders_open(struct orders **out, struct keeper *keeper, const struct conf *conf,
        const struct catalog *catalog, struct fault *fault)
{
	const struct catalog_channel *channel = catalog_channel(catalog, "commands");
	pthread_condattr_t attributes;
	struct orders *orders = calloc(1, sizeof *orders);

	if (orders == NULL)
		return fault_memory(fault);
	orders->keeper = keeper;
	orders->conf = conf;
	orders->topic = channel != NULL ? channel->topic : NULL;
	orders->village = bytes_of(conf_text(conf, "village"));
	orders->partition = envelope_partition(orders->village, catalog->modulus);
	orders->next_offset = keeper_next_order(keeper);
	pthread_mutex_init(&orders->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&orders->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	orders->has_thread =
	        pthread_create(&orders->thread, NULL, listen_to_hub, orders) == 0;
	*out = orders;
	return orders->has_thread || fault_memory(fault);
}

void orders_close(struct orders **orders)
{
	struct orders *old = *orders;
	struct timespec until;

	if (old == NULL)
		return;
	pthread_mutex_lock(&old->lock);
	old->ending = true;
	pthread_cond_signal(&old->changed);
	pthread_mutex_unlock(&old->lock);
	*orders = NULL;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += LAST_LOOK_S;
	if (old->has_thread && pthread_timedjoin_np(old->thread, NULL, &until) != 0)
		return; /* it asks a broker that does not answer; the process ends */
	pthread_cond_destroy(&old->changed);
	pthread_mutex_destroy(&old->lock);
	free(old);
}
