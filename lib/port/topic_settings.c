/* SPDX-License-Identifier: MIT */
#include "port/topic_settings.h"

#include <pthread.h>
#include <time.h>

#include <librdkafka/rdkafka.h>

#include "base/log.h"

enum { LEAVE_SECONDS = 5, END_SECONDS = 1 };

static bool set_one(rd_kafka_conf_t *settings, const char *name, const char *value,
        struct fault *fault)
{
	char text[256];

	return rd_kafka_conf_set(settings, name, value, text, sizeof text)
	               == RD_KAFKA_CONF_OK
	       || fault_set(fault, FAULT_STOP, "kafka.%s: %s", name, text);
}

bool topic_set(rd_kafka_conf_t *settings, const char *const *pairs, struct fault *fault)
{
	for (; *pairs != NULL; pairs += 2)
		if (!set_one(settings, pairs[0], pairs[1], fault))
			return false;
	return true;
}

bool topic_refuse(
        const struct conf *conf, const char *const *pairs, struct fault *fault)
{
	for (; *pairs != NULL; pairs += 2)
		if (conf_member_of(conf, "kafka", pairs[0]) != NULL)
			return fault_set(fault, FAULT_STOP,
			        "kafka.%s: it must stay %s, or events are lost; leave "
			        "it out",
			        pairs[0], pairs[1]);
	return true;
}

/* What the library logs is told by faults and states; its lines would say it twice. */
static void be_silent(
        const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	(void)rk;
	(void)level;
	(void)facility;
	(void)text;
}

bool topic_set_brokers(
        rd_kafka_conf_t *settings, const char *brokers, struct fault *fault)
{
	rd_kafka_conf_set_log_cb(settings, be_silent);
	return set_one(settings, "bootstrap.servers", brokers, fault)
	       && set_one(settings, "client.id", "kentongan", fault)
	       && set_one(settings, "allow.auto.create.topics", "false", fault);
}

bool topic_set_conf(
        rd_kafka_conf_t *settings, const struct conf *conf, struct fault *fault)
{
	const struct conf *now = conf_now(conf);
	const char *name;
	const char *value;

	if (!topic_set_brokers(settings, conf_text(now, "brokers"), fault))
		return false;
	for (size_t i = 0; conf_member(now, "kafka", i, &name, &value); i++)
		if (!set_one(settings, name, value, fault))
			return false;
	return true;
}

static void *leave_and_destroy(void *rk)
{
	rd_kafka_consumer_close(rk);
	rd_kafka_destroy(rk);
	return NULL;
}

static void *destroy(void *rk)
{
	rd_kafka_destroy(rk);
	return NULL;
}

bool topic_end(rd_kafka_t *rk, bool is_member)
{
	struct timespec until;
	pthread_t thread;

	if (pthread_create(&thread, NULL, is_member ? leave_and_destroy : destroy, rk)
	        != 0)
		return false;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += is_member ? LEAVE_SECONDS : END_SECONDS;
	/* Not by the wall clock, which may be what was set. */
	if (pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until) == 0)
		return true;
	pthread_detach(thread);
	log_info(NULL, "a connection to Kafka does not end; it is left to itself");
	return false;
}
