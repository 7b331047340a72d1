/* SPDX-License-Identifier: MIT */
#ifndef MONITOR_CASES_H
#define MONITOR_CASES_H

/*
 * A case's events in their order, out of satu_data's tables, which are named as the
 * topics are and have a column for each field: docs/decisions/0051.
 */

#include "event/catalog.h"
#include "event/mask.h"
#include "port/table.h"

struct cases_reader;

MUST_CHECK bool cases_open(
        struct cases_reader **out, const struct catalog *catalog, struct fault *fault);
void cases_close(struct cases_reader **cases);

/* Learn which tables and columns there are: after each connecting. */
MUST_CHECK bool cases_learn(
        struct cases_reader *cases, struct table *table, struct fault *fault);

/* A JSON array of the case's records, appended; *count is how many. */
MUST_CHECK bool cases_read(struct cases_reader *cases, struct table *table,
        const char *village_code, const char *case_id, enum mask_view view,
        struct buffer *out, size_t *count, struct fault *fault);

#endif
