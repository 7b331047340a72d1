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
#include "port/table.h"

enum { DEPARTMENT_NAME_BYTES = 64 };

/* What follows a record that the department's tables refuse. */
enum policy {
	POLICY_PARK_CASE, /* later records of its case wait behind it */
	POLICY_CONTINUE,  /* they go on */
	POLICY_HALT,      /* the sink stops there */
};

struct department_topic {
	const struct catalog_topic *topic;
	char *sql; /* one statement */
	char *file;
	struct plan_grant grant;
	char *grant_text; /* what grant.columns look into */
	enum policy policy;
};

enum start { START_EARLIEST, START_LATEST, START_TIME };

struct department {
	struct conf *conf;
	const char *name; /* a slug of at most 63 letters */
	const char *schema;
	enum start start;                /* of a position that is new */
	int64_t start_us;                /* for START_TIME */
	struct department_topic *topics; /* in the catalog's order */
	size_t topic_count;
};

MUST_CHECK bool department_open(struct department **out, const char *folder,
        const struct catalog *catalog, struct fault *fault);
void department_close(struct department **department);

/* Read a file of the folder whole: UTF-8 without NUL or byte order mark. */
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
 * CREATE TEMPORARY TABLE batch_... and PREPARE map_... for one topic. A mapping that is
 * wrong, or is no single statement, is named with its file and line.
 */
MUST_CHECK bool department_prepare(const struct department_topic *topic,
        struct table *table, const struct column *columns, size_t count,
        struct fault *fault);

/*
 * Put the file of SQL that was sent, and the line where PostgreSQL points, in front of
 * what it says of it. Always false.
 */
bool department_blame(const char *file, const char *sql, const struct table *table,
        struct fault *fault);

/*
 * Positions are those of one department, so a database is, too: which one,
 * `kentongan department init` keeps there. FAULT_STOP when it is another's or nobody's.
 */
MUST_CHECK bool department_owns(
        const struct department *department, struct table *table, struct fault *fault);

#endif
