/* SPDX-License-Identifier: MIT */
#ifndef PORT_TOPIC_SETTINGS_H
#define PORT_TOPIC_SETTINGS_H

/*
 * How the topic ports set librdkafka's properties and end its handles; for
 * lib/port/topic_*.c only, which know its types.
 */

#include "base/conf.h"

struct rd_kafka_conf_s;
struct rd_kafka_s;

/* Pairs of name and value, ended by NULL. */
MUST_CHECK bool topic_set(struct rd_kafka_conf_s *settings, const char *const *pairs,
        struct fault *fault);

/* brokers and the family kafka of a conf, and a quiet log callback. */
MUST_CHECK bool topic_set_conf(
        struct rd_kafka_conf_s *settings, const struct conf *conf, struct fault *fault);

/* Pairs that a promise rests on: FAULT_STOP where the conf's family kafka names one. */
MUST_CHECK bool topic_refuse(
        const struct conf *conf, const char *const *pairs, struct fault *fault);

/* As topic_set_conf() where there is no conf: an address only. */
MUST_CHECK bool topic_set_brokers(
        struct rd_kafka_conf_s *settings, const char *brokers, struct fault *fault);

/*
 * Leave the group, where rk is a member of one, and destroy rk. The library can hang
 * here, also when the wall clock was set meanwhile: false after some seconds, and rk
 * and all that its callbacks may touch is to be left to itself. Nothing of ours is lost
 * by that.
 */
bool topic_end(struct rd_kafka_s *rk, bool is_member);

#endif
