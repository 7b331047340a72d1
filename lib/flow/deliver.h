/* SPDX-License-Identifier: MIT */
#ifndef FLOW_DELIVER_H
#define FLOW_DELIVER_H

/*
 * Topic to table, exactly once. A batch of records becomes one transaction: the
 * positions move by compare-and-set, the rows go through the department's mapping, the
 * numbers are accounted for, what the tables refuse is kept as dead letters.
 *
 * Promise: position n in the database means that the effects of exactly the records
 * before n are in it. That holds through crashes, lost answers, two sinks at once and a
 * failover to any earlier state, because position and effects move together and the
 * position is read back before anything is sent again.
 *
 *     no database --connect--> claim positions --> run --batch--> run
 *         ^                                         |
 *         +--- ill, lost, fenced: forget the batch --+     wrong mapping: halt, try
 * each minute
 *
 * One thread owns a deliver.
 */

#include "base/conf.h"
#include "base/step.h"
#include "flow/batch.h"

struct deliver;

enum { DELIVER_TOPICS = 16 };

struct deliver_counters {
	int64_t applied[DELIVER_TOPICS]; /* by the department's topics */
	int64_t repeats;
	int64_t parked;
	int64_t dead[DEAD_CLASSES];
	int64_t commits;
	int64_t straights;      /* of these, by COPY into the tables themselves */
	int64_t last_commit_us; /* how long the last commit took */
	int64_t open_dead;      /* letters that wait for a person */
	int64_t held;           /* cases that wait behind them */
	int64_t assignments;    /* how often the group gave us other partitions */
	int64_t waiting;        /* records that are parked */
	const char *state;      /* "running", "waiting" or "halted" */
	char reason[256];       /* why not running */
};

struct deliver_lag {
	const char *topic;
	int32_t partition;
	int64_t records; /* -1: not known yet */
	int64_t seconds; /* since the broker took what was applied last; 0: no lag */
};

/*
 * How a schema is found that the catalog did not hold at the start: *out is NULL when
 * it is unknown for certain, and lives as long as the deliver. FAULT_RETRY: that cannot
 * be said now; the records wait, as an outage makes no dead letters.
 */
struct deliver_schemas {
	bool (*find)(void *context, int32_t id, const char *subject,
	        const struct schema **out, struct fault *fault);
	void *context;
};

/* conf has CONSUMER_KEYS and DELIVER_KEYS; all must outlive the deliver. */
MUST_CHECK bool deliver_open(struct deliver **out, const struct conf *conf,
        const struct department *department, const struct catalog *catalog,
        const struct deliver_schemas *schemas, struct fault *fault);
void deliver_close(struct deliver **deliver);

/*
 * Read what has come, at most a batch, and commit it. Waits at most a moment. Troubles
 * that pass are waited for in here; a STEP_FAULT is one that a restart must cure.
 */
enum step deliver_step(struct deliver *deliver, struct fault *fault);

/* Of what has arrived: never of a batch that is on its way. */
const struct deliver_counters *deliver_counters(const struct deliver *deliver);

/* The lag of the index-th partition that is ours; false after the last. */
bool deliver_lag(const struct deliver *deliver, size_t index, struct deliver_lag *out);

#define DELIVER_KEYS                                                                   \
	CONF_MUST(TEXT, database,                                                      \
	        "libpq connection string; its password only by passfile="),            \
	        CONF_KEY(TEXT, owner, "",                                              \
	                "who claims positions; default host and pid"),                 \
	        CONF_KEY(COUNT, batch_records, "4000",                                 \
	                "most records of a transaction"),                              \
	        CONF_KEY(BYTES, batch_bytes, "4M", "about the most bytes of one"),     \
	        CONF_KEY(MS, statement_ms, "60000",                                    \
	                "longest that the database may work at a statement, such "     \
	                "as a mapping"),                                               \
	        CONF_KEY(MS, retry_ms, "500",                                          \
	                "pause before asking an ill database again"),                  \
	        CONF_KEY(MS, halt_retry_ms, "60000",                                   \
	                "pause before trying again what was refused as wrong"),        \
	        CONF_KEY(MS, resend_ms, "600000",                                      \
	                "pause before asking a village again for missing numbers; "    \
	                "0 never asks"),                                               \
	        CONF_KEY(MS, order_retry_ms, "60000",                                  \
	                "pause before trying again what waits for rows of others")

#endif
