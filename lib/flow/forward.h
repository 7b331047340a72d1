/* SPDX-License-Identifier: MIT */
#ifndef FLOW_FORWARD_H
#define FLOW_FORWARD_H

/*
 * Spool to topic. Pending events are sent in the order of their numbers, the topics
 * side by side, so that a payment does not wait behind last week's requests; an event
 * counts as delivered only by the broker's report.
 *
 * Promise: an event leaves the pending ones only after the broker has confirmed it and
 * all before it in its stream. After any failed report nothing more is believed of what
 * was sent: a new producer begins again at the first unconfirmed event.
 *
 *     STREAMING --failed report--> PAUSED --1 s .. 5 min--> STREAMING
 *         the broker's configuration: that topic BLOCKED, the others go on
 *             --a minute--> one event alone, until past what was under way
 *                 --> STREAMING
 *     a broker and we do not believe each other: BLOCKED; each minute a new producer,
 *         which reads the certificates again
 *     an hour without a broker, the wall clock set, other settings: a new producer
 *     an offset that goes back, a record that is not where it was put (flow/anchor):
 *         the topic is another one, or lost its end; all events that are kept are
 *         pending again
 *
 * The thread that owns the spool owns the forward.
 */

#include "base/conf.h"
#include "base/step.h"
#include "port/spool.h"
#include "port/topic_producer.h"

struct forward;

struct forward_link {
	const char *state; /* "up", "down" or "blocked" */
	int64_t since_us;  /* wall clock */
	char reason[200];
};

/* conf has PRODUCER_KEYS and retry_ms; all three must outlive the forward. */
MUST_CHECK bool forward_open(struct forward **out, struct spool *spool,
        const struct conf *conf, const char *village_code, int32_t modulus,
        struct fault *fault);
void forward_close(struct forward **forward);

/* The settings or their files have changed: begin again by them, at once. */
void forward_renew(struct forward *forward);

/* Take reports and send what fits. Never waits. Outside a group of the spool. */
enum step forward_step(struct forward *forward, struct fault *fault);

/*
 * The event is about to become another one: true when it is for sure nowhere on its
 * topic, as far as this process knows, and not on its way. FAULT_RETRY, code
 * "under-way": the broker may have it; its answer will tell.
 */
MUST_CHECK bool forward_recall(
        struct forward *forward, size_t stream, int64_t seq, struct fault *fault);

/* Whether there are confirmations that the spool has not been told. */
bool forward_has_marks(const struct forward *forward);

/* Within a group: tell the spool what was confirmed, and what was lost again. */
MUST_CHECK bool forward_mark(struct forward *forward, struct fault *fault);

/*
 * The last record of the stream that the broker confirmed since the start, to be looked
 * for; its offset is SPOOL_OFFSET_UNKNOWN where there is none.
 */
struct spool_anchor forward_last(const struct forward *forward, size_t stream);

/* The stream's topic is found to be another one. */
void forward_lost(struct forward *forward, size_t stream);

/* Wait on this descriptor, and no longer than this, before the next step. */
int forward_fd(const struct forward *forward);
int forward_wait_ms(const struct forward *forward);

/* Events confirmed since the start, of one stream. */
int64_t forward_delivered(const struct forward *forward, size_t stream);

void forward_link(const struct forward *forward, struct forward_link *out);

#define FORWARD_KEYS                                                                   \
	PRODUCER_KEYS, CONF_KEY(MS, blocked_retry_ms, "60000",                         \
	                       "pause before trying again what the broker refuses")

#endif
