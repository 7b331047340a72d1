/* SPDX-License-Identifier: MIT */
/* How a sink is, in words, and what a fault makes of it. */
#include "flow/deliver_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

enum {
	FENCED_MS = 5000,
	COLLISIONS = 5, /* tried again at once, then with half the records */
	COLLISION_MS = 50,
};

void deliver_set_state(struct deliver *deliver, const char *state, const char *reason)
{
	bool changed = strcmp(deliver->counters.state, state) != 0
	               || strcmp(deliver->counters.reason, reason) != 0;

	deliver->counters.state = state;
	snprintf(deliver->counters.reason, sizeof deliver->counters.reason, "%s",
	        reason);
	deliver->report_due = true;
	if (!changed)
		return;
	if (strcmp(state, "halted") == 0)
		log_error(NULL, "halted: %s", reason);
	else if (strcmp(state, "waiting") == 0)
		log_warn(NULL, "waiting: %s", reason);
	else
		log_info(NULL, "running");
}

void deliver_say_running(struct deliver *deliver)
{
	if (!deliver->lacks_topic && !deliver->is_cut_off && !deliver->slow.any
	        && !deliver->rival.is_there)
		deliver_set_state(deliver, "running", "");
}

void deliver_forget(struct deliver *deliver, int64_t pause_ms)
{
	struct fault fault;

	batch_reset(&deliver->apply.batch);
	batch_forget(&deliver->apply.batch);
	deliver->running = false;
	deliver->resume_us = clock_monotonic_us() + pause_ms * 1000;
	if (!deliver->needs_consumer
	        && !consumer_start(deliver->consumer, NULL, 0, &fault))
		log_fault(NULL, "stop reading", &fault);
}

/*
 * Another session's transaction was in the way: a deadlock, a serialization failure.
 * It is over by now. Where that happens again and again, a smaller batch holds its
 * locks for a shorter time.
 */
static bool collided(struct deliver *deliver, const struct fault *fault)
{
	if (strncmp(fault->code, "40", 2) != 0)
		return false;
	if (++deliver->collisions <= COLLISIONS)
		return true;
	deliver->collisions = 0;
	if (deliver->record_limit > 1)
		deliver->record_limit /= 2;
	return false;
}

/* What a person does next, where the database itself cannot know it. */
static const char *way_out(const struct fault *fault)
{
	if (strcmp(fault->code, "42501") == 0 || strncmp(fault->code, "3F", 2) == 0)
		return "; run kentongan department init";
	return strncmp(fault->code, "42", 2) == 0 ? "; run kentongan department check"
	                                          : "";
}

/* After a halt another session tries: a trigger may have changed what this one goes by.
 */
void deliver_give_way(struct deliver *deliver, const struct fault *fault)
{
	bool fenced = strcmp(fault->code, "KT001") == 0;
	bool again = strcmp(fault->code, "again") == 0; /* apply_land() */
	bool at_once = again || collided(deliver, fault);
	bool passing =
	        fault->kind == FAULT_RETRY || fault->kind == FAULT_UNSURE || fenced;
	int64_t pause_ms = (int64_t)conf_number(
	        deliver->conf, passing ? "retry_ms" : "halt_retry_ms");
	char reason[FAULT_TEXT_BYTES];
	struct fault ignored;

	if (strcmp(fault->code, "registry") == 0)
		pause_ms *= 10; /* it is asked less often than one's own database */
	if (fenced)
		pause_ms = FENCED_MS + random() % (2 * FENCED_MS);
	if (at_once)
		pause_ms = again ? 0 : random() % COLLISION_MS;
	if (!passing || fault->kind == FAULT_UNSURE
	        || !table_is_open(deliver->apply.table)
	        || !table_run(deliver->apply.table, "ROLLBACK", &ignored))
		table_close(&deliver->apply.table);
	deliver_forget(deliver, pause_ms);
	snprintf(reason, sizeof reason, "%.440s%s", fault->text, way_out(fault));
	if (!at_once)
		deliver_set_state(deliver, passing ? "waiting" : "halted", reason);
}
