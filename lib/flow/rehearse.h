/* SPDX-License-Identifier: MIT */
#ifndef FLOW_REHEARSE_H
#define FLOW_REHEARSE_H

/*
 * A replay into a scratch database, to see what a mapping would have made of the past:
 * through the very batch and transaction that a sink runs (flow/apply), positions with
 * it. What it does not do is ask: no village for numbers, no registry for schemas.
 *
 * A scratch database is known by its positions: all of them are owned by "rehearsal".
 *
 * One thread owns a rehearse.
 */

#include "flow/apply.h"
#include "flow/replay.h"

#define REHEARSE_OWNER "rehearsal"

struct rehearse;

struct rehearse_counters {
	int64_t applied;
	int64_t repeats;
	int64_t waiting; /* behind a dead letter, or for a row of others */
	int64_t dead[DEAD_CLASSES];
};

/* conf has CONSUMER_KEYS; all must outlive the rehearse. */
MUST_CHECK bool rehearse_open(struct rehearse **out, const struct conf *conf,
        const struct department *department, const struct catalog *catalog,
        const char *database, struct fault *fault);
void rehearse_close(struct rehearse **rehearse);

/* Mark the database as a scratch one, with where the replay begins. */
MUST_CHECK bool rehearse_mark(struct rehearse *rehearse, const struct topic_range *list,
        size_t count, struct fault *fault);

/* Take the event, which is the rehearse's then, and apply those taken now and then. */
MUST_CHECK bool rehearse_take(struct rehearse *rehearse,
        const struct replay_event *event, struct fault *fault);

/* Apply the rest, and try again what waits for rows of others. */
MUST_CHECK bool rehearse_end(struct rehearse *rehearse, struct fault *fault);

/* What came of it; `waiting` is what still does after rehearse_end(). */
const struct rehearse_counters *rehearse_counters(const struct rehearse *rehearse);

#endif
