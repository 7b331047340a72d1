/* SPDX-License-Identifier: MIT */
#ifndef PORT_TABLE_H
#define PORT_TABLE_H

/*
 * The one door to libpq: a connection to a department's database, statements, binary
 * COPY. What PostgreSQL answers becomes a fault whose kind says what to do next and
 * whose code is the SQLSTATE; its own message is never in it, as it quotes values.
 *
 *     RETRY   the database is ill or busy: wait, nothing is wrong with the data
 *     REJECT  a value that it cannot take: find the record, set it aside
 *     UNSURE  the connection was lost: what was sent last may have happened
 *     STOP    the mapping, a table, a right or the database itself is wrong
 *
 * Source: PostgreSQL 15, appendix A, "Error Codes"; sink.md's table of classes.
 * One thread owns a table.
 */

#include "base/bytes.h"
#include "base/fault.h"
#include "event/plan.h"

struct table;

/*
 * connection is a libpq connection string; schema comes first in the search path. A
 * database whose encoding is not UTF8 is FAULT_STOP: it could not hold every name.
 */
MUST_CHECK bool table_open(struct table **out, const char *connection, const char *name,
        const char *schema, struct fault *fault);
void table_close(struct table **table);

/* Whether the connection still stands, as far as is known without asking the server. */
bool table_is_open(const struct table *table);

/*
 * Until when what is asked from now on must be answered, by the monotonic clock; 0: as
 * long as it takes. What comes later is FAULT_UNSURE, and the table is open no more.
 * Rows of a COPY are not bounded.
 */
void table_deadline(struct table *table, int64_t monotonic_us);

/* Run statements, one transaction unless they say otherwise; rows are thrown away. */
MUST_CHECK bool table_run(struct table *table, const char *sql, struct fault *fault);

/*
 * Prepare sql, to be run by EXECUTE name. It is the database that says what PREPARE
 * takes, and that nothing stands behind it: of several statements none is run.
 * table_position() counts in sql.
 */
MUST_CHECK bool table_prepare(
        struct table *table, const char *name, const char *sql, struct fault *fault);

/* One row after the other: texts by column, NULL for null. */
typedef bool table_visitor(
        void *context, const char *const *texts, size_t count, struct fault *fault);
MUST_CHECK bool table_query(struct table *table, const char *sql,
        table_visitor *visitor, void *context, struct fault *fault);

/*
 * Run sql, which must end in COPY ... FROM STDIN BINARY, then feed it rows, in as many
 * pieces as they lie in, then end it. After a failure the COPY is over.
 */
MUST_CHECK bool table_copy_begin(
        struct table *table, const char *sql, struct fault *fault);
MUST_CHECK bool table_copy_rows(
        struct table *table, struct bytes rows, struct fault *fault);
MUST_CHECK bool table_copy_end(struct table *table, struct fault *fault);

/*
 * Send sql, in which a COPY ... FROM STDIN BINARY stands for each of rows, and do not
 * wait: the server works while the caller does. table_push() gives it what it takes
 * just now, table_has_landed() says without waiting whether the end is there,
 * table_land() waits for it. The rows, count of them, must stay until then, and nothing
 * else may be asked meanwhile.
 */
MUST_CHECK bool table_launch(struct table *table, const char *sql,
        const struct bytes *rows, size_t count, struct fault *fault);
void table_push(struct table *table);
bool table_has_landed(struct table *table);
MUST_CHECK bool table_land(struct table *table, struct fault *fault);

/* Append a literal with its quotes. */
MUST_CHECK bool table_quote(struct table *table, struct bytes text, struct buffer *out,
        struct fault *fault);

/* The constraint that the last REJECT named; "" when none. */
const char *table_constraint(const struct table *table);

/* Where in the text sent last the last STOP points, from 1 in characters; 0: nowhere.
 */
int table_position(const struct table *table);

/*
 * PostgreSQL's words for the last fault, where they are about the text of the SQL
 * (class 42): they name tables and columns. "" when none. Only for SQL that a person
 * wrote: of SQL that holds values they would quote these.
 */
const char *table_words(const struct table *table);

/* The kind of fault that an SQLSTATE is; NULL or "" is a lost connection. */
enum fault_kind table_fault_kind(const char *sqlstate);

/* A row of a binary COPY: its beginning, then its cells. */
void table_row_begin(struct buffer *rows, size_t columns);
void table_row_cell(
        struct buffer *rows, const struct column *column, const struct cell *cell);

/* The type of a column in SQL. */
const char *table_type(enum column_type type);

#endif
