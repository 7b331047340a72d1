/* SPDX-License-Identifier: MIT */
#ifndef MONITOR_VILLAGES_H
#define MONITOR_VILLAGES_H

/*
 * The villages of the register: when each was heard last, and what its own heartbeat on
 * desa.status says, so that silent because nothing happened differs from silent because
 * dead.
 *
 * No lock: all of it is under the board's.
 */

#include <stdint.h>

#include "base/bytes.h"

struct villages;

/* Worst first; VILLAGE_STATES is how many there are. */
enum village_state {
	VILLAGE_BLOCKED, /* the broker refuses what it sends */
	VILLAGE_WAITING, /* an event lies there for more than two minutes */
	VILLAGE_SILENT,  /* had a heartbeat once, and none for three minutes */
	VILLAGE_SENDING, /* an event in the last five minutes */
	VILLAGE_QUIET,   /* alive, nothing happened */
	VILLAGE_UNKNOWN, /* never heard of */
	VILLAGE_STATES,
};

struct village {
	char code[16];
	char name[48];
	char kind[16];
	char district[48];
	char latitude[16]; /* as the register has them: numbers, or "null" */
	char longitude[16];
	int64_t events;
	int64_t heard_us;    /* broker's time of its last event; 0: none */
	int64_t reported_us; /* broker's time of its last heartbeat; 0: none */
	int64_t pending;     /* as that one says */
	int64_t oldest_pending_us;
	bool is_blocked;
	char *status; /* that heartbeat as JSON; NULL: none */
	enum village_state state;
	int64_t state_since_us;
	bool has_changed;
};

/* What a heartbeat says. */
struct village_report {
	int64_t reported_us;
	int64_t pending;
	int64_t oldest_pending_us;
	bool is_blocked;
	struct bytes status; /* JSON */
};

struct village_sums {
	int64_t states[VILLAGE_STATES];
	int64_t seen; /* sent an event since the beginning of the picture */
	int64_t pending;
	int64_t oldest_pending_us; /* 0: nothing waits */
};

MUST_CHECK bool villages_open(
        struct villages **out, const char *csv, struct fault *fault);
void villages_close(struct villages **villages);

/* Codes that the register lacks are passed over. */
void villages_heard(struct villages *villages, const char *code, int64_t appended_us);
void villages_report(struct villages *villages, struct bytes code,
        const struct village_report *report);

/*
 * Say anew in which state each is. Since hearing_us nothing kept heartbeats from us:
 * nobody is silent who only could not be heard.
 */
void villages_settle(struct villages *villages, int64_t now_us, int64_t hearing_us);
void villages_sum(const struct villages *villages, struct village_sums *out);

/* The index-th in the order of codes; NULL after the last. */
const struct village *villages_at(const struct villages *villages, size_t index);
const struct village *villages_find(const struct villages *villages, const char *code);
const char *village_state_name(enum village_state state);

/* JSON, appended: one, all, or those that changed since they were put last. */
void village_put(const struct village *village, struct buffer *out);
void villages_put(const struct villages *villages, struct buffer *out);
void villages_put_changed(struct villages *villages, struct buffer *out);

/*
 * One with its heartbeat and the numbers of its streams; known is JSON of what
 * satu_data has of them by "topic incarnation", or empty.
 */
void village_put_whole(
        const struct village *village, struct bytes known, struct buffer *out);

#endif
