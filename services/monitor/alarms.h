/* SPDX-License-Identifier: MIT */
#ifndef MONITOR_ALARMS_H
#define MONITOR_ALARMS_H

/*
 * What is wrong, in words, with the next step to take; in English and in Bahasa
 * Indonesia, worst first. An alarm is known by its id: it begins once and ends once.
 * No word of it holds anything of an event.
 *
 * No lock: all of it is under the board's.
 */

#include "departments.h"
#include "villages.h"

enum { ALARMS = 64 };

struct alarm {
	char id[96];
	bool is_bad; /* else a warning */
	int64_t since_us;
	char subject[96]; /* department:dinsos, village:35.09.01.2001, kafka, monitor */
	char text_id[320];
	char text_en[320];
	char next_id[256];
	char next_en[256];
};

/* What is looked at. */
struct alarm_facts {
	int64_t now_us;
	bool broker_is_up;
	int64_t broker_since_us; /* when that began */
	bool is_reading;         /* the last day is not yet read */
	int64_t undecodable_us;  /* when the last record came that is none of ours; 0 */
	const struct departments *departments;
	const struct villages *villages;
};

struct alarms {
	struct alarm all[ALARMS];
	size_t count;
};

/* What is wrong now; those of before keep when they began. */
void alarms_settle(struct alarms *alarms, const struct alarms *before,
        const struct alarm_facts *facts);

/* One by its id; NULL: there is none. */
const struct alarm *alarms_find(const struct alarms *alarms, const char *id);

/* JSON, appended: one, with its state "on" or "off" where there is one; all of them. */
void alarm_put(const struct alarm *alarm, const char *state, struct buffer *out);
void alarms_put(const struct alarms *alarms, struct buffer *out);

#endif
