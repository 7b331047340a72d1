/* SPDX-License-Identifier: MIT */
#ifndef PORT_TOPIC_SETTINGS_H
#define PORT_TOPIC_SETTINGS_H

/*
 * How the topic ports set librdkafka's properties; for lib/port/topic_*.c only, which
 * know its types.
 */

#include "base/conf.h"

struct rd_kafka_conf_s;

/* Pairs of name and value, ended by NULL. */
MUST_CHECK bool topic_set(struct rd_kafka_conf_s *settings, const char *const *pairs,
        struct fault *fault);

/* brokers and the family kafka of a conf, and a quiet log callback. */
MUST_CHECK bool topic_set_conf(
        struct rd_kafka_conf_s *settings, const struct conf *conf, struct fault *fault);

/* The same where there is no conf: an address only. */
MUST_CHECK bool topic_set_brokers(
        struct rd_kafka_conf_s *settings, const char *brokers, struct fault *fault);

#endif
