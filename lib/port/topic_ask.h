/* SPDX-License-Identifier: MIT */
#ifndef PORT_TOPIC_ASK_H
#define PORT_TOPIC_ASK_H

/*
 * What those that read topics share: what they ask the broker, and what its messages
 * mean; for lib/port/topic_*.c only, which know the library's types.
 */

#include "port/topic_consumer.h"

struct rd_kafka_s;
struct rd_kafka_message_s;
struct rd_kafka_topic_partition_list_s;

/* FAULT_RETRY, code "unreachable"; error is an rd_kafka_resp_err_t. Always false. */
bool topic_fault(struct fault *fault, const char *what, int error);

struct rd_kafka_topic_partition_list_s *topic_list(
        const struct topic_place *places, size_t count);

/* Partitions of a topic; 0 when it does not exist. */
MUST_CHECK bool topic_partitions(struct rd_kafka_s *rk, const char *topic,
        int32_t *out_count, struct fault *fault);

/*
 * Set each place's offset to its first record at or after a time; -1 where there is
 * none. The two times are the broker's own: where the log begins, and behind its end.
 */
enum { TOPIC_BEGINNING = -2, TOPIC_END = -1 };
MUST_CHECK bool topic_offsets(struct rd_kafka_s *rk, int64_t time_ms,
        struct topic_place *places, size_t count, struct fault *fault);

/* Ask for one place's end, without waiting: so the library's thread looks around. */
void topic_nudge(struct rd_kafka_s *rk, const char *topic, int32_t partition);

/* The record that a message is; it keeps the message. */
void topic_lend(struct rd_kafka_message_s *message, struct topic_record *out);

/*
 * A message that is no record: false where the owner must know, with the fault; the
 * library settles everything else by itself.
 */
bool topic_goes_on(const struct rd_kafka_message_s *message, struct fault *fault);

#endif
