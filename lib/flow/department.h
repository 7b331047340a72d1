/* SPDX-License-Identifier: MIT */
#ifndef FLOW_DEPARTMENT_H
#define FLOW_DEPARTMENT_H

/*
 * What a department's folder says: which topics it takes, which fields it may see, and
 * the SQL that makes its rows. A topic is taken when its .sql file exists.
 *
 * Faults are FAULT_STOP and name the file. Read once, never changed.
 */

#include "base/conf.h"
#include "event/catalog.h"
#include "event/plan.h"

/* What follows a record that the department's tables refuse. */
enum policy {
	POLICY_PARK_CASE, /* later records of its case wait behind it */
	POLICY_CONTINUE,  /* they go on */
	POLICY_HALT,      /* the sink stops there */
};

struct department_topic {
	const struct catalog_topic *topic;
	char *sql; /* one statement, without its semicolon */
	char *file;
	struct plan_grant grant;
	char *grant_text; /* what grant.columns look into */
	enum policy policy;
};

enum start { START_EARLIEST, START_LATEST, START_TIME };

struct department {
	struct conf *conf;
	const char *name;
	const char *schema;
	enum start start;                /* of a position that is new */
	int64_t start_us;                /* for START_TIME */
	struct department_topic *topics; /* in the catalog's order */
	size_t topic_count;
};

MUST_CHECK bool department_open(struct department **out, const char *folder,
        const struct catalog *catalog, struct fault *fault);
void department_close(struct department **department);

/* Read a file of the folder whole, as text. */
MUST_CHECK bool department_file(
        const char *folder, const char *name, char **out, struct fault *fault);

/* A column that every batch table has behind the plan's columns. */
enum {
	EXTRA_TOPIC,
	EXTRA_PARTITION,
	EXTRA_OFFSET,
	EXTRA_APPENDED_AT,
	EXTRA_LATE,
	EXTRA_COLUMNS,
};
extern const struct column department_extra[EXTRA_COLUMNS];

/* "batch_requests". */
void department_batch_name(const struct catalog_topic *topic, char out[128]);

/*
 * Put the mapping's file, and its line where it is known, in front of the fault that
 * department_session_sql()'s statements, sent as they are, ended in. Always false.
 */
bool department_blame(const struct department_topic *topic, struct bytes sent,
        int position, struct fault *fault);

/* CREATE TEMPORARY TABLE batch_... and PREPARE map_... for one topic, appended. */
void department_session_sql(const struct department_topic *topic,
        const struct column *columns, size_t count, struct buffer *out);

#endif
