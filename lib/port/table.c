/* SPDX-License-Identifier: MIT */
#include "port/table.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "base/clock.h"
#include "event/decimal.h"
#include "event/identity.h"

/* From 1970 to 2000, where PostgreSQL's clock begins. */
#define EPOCH_MICROS INT64_C(946684800000000)
#define EPOCH_DAYS   10957

/* What was sent and is not answered yet. */
struct flight {
	const struct bytes *rows; /* of the COPYs that are still to come, or at work */
	size_t count;
	size_t at;       /* of the first of them, that much was given */
	bool is_feeding; /* the server has asked for it */
	bool is_over;
	struct fault fault; /* the first that was answered */
};

struct table {
	PGconn *connection;
	struct flight flight;
	char constraint[128];
	char object[128];
	char words[256];
	int position;
	int64_t deadline_us; /* monotonic; 0: none */
	bool is_late;        /* an answer did not come by then: of no more use */
};

static bool begins(const char *state, const char *class)
{
	return strncmp(state, class, strlen(class)) == 0;
}

static bool is_one_of(const char *state, const char *const *classes)
{
	for (; *classes != NULL; classes++)
		if (begins(state, *classes))
			return true;
	return false;
}

enum fault_kind table_fault_kind(const char *state)
{
	static const char *const wait[] = { "40001", "40003", "40P01", "08", "53",
		"57P0", "25006", "25P03", "55P03", "57014", "KT002", NULL };
	static const char *const data[] = { "22", "23", "21000", "54", "P0", NULL };

	if (state == NULL || state[0] == '\0')
		return FAULT_UNSURE;
	if (is_one_of(state, wait))
		return FAULT_RETRY;
	return is_one_of(state, data) ? FAULT_REJECT : FAULT_STOP;
}

static void keep(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text ? text : "");
}

/* A function may raise with any words in a name's place, a person's too. */
static void keep_name(char *out, size_t size, const char *name)
{
	static const char letters[] =
	        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
	static const char more[] =
	        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789$";
	bool fits = name != NULL && strspn(name, letters) > 0
	            && strspn(name, more) == strlen(name);

	keep(out, size, fits ? name : "");
}

static const char *meaning(const char *state)
{
	if (strcmp(state, "KT001") == 0)
		return "another sink has moved the position";
	if (strcmp(state, "KT003") == 0)
		return "a mapping may not write tables of kentongan";
	if (strcmp(state, "KT002") == 0)
		return "a case has changed meanwhile";
	if (begins(state, "57P") || begins(state, "08"))
		return "the database is stopping, starting or was restarted";
	if (begins(state, "53"))
		return "the database has no room, memory or connections left";
	if (strcmp(state, "25006") == 0)
		return "the database takes no writes: it is read-only or a replica";
	if (strcmp(state, "55P03") == 0)
		return "somebody holds a lock in the database for too long";
	if (strcmp(state, "57014") == 0)
		return "a statement took too long, or somebody cancelled it";
	if (begins(state, "28"))
		return "the database refuses the role or its password";
	if (begins(state, "3D") || begins(state, "3F"))
		return "the database or schema does not exist";
	if (strcmp(state, "42501") == 0)
		return "a right is missing";
	if (begins(state, "42"))
		return "the mapping or its tables are wrong";
	if (begins(state, "23") || begins(state, "22"))
		return "a value is refused";
	return "see PostgreSQL's appendix A for this SQLSTATE";
}

/* Say what a result says, without its message, which may quote a NIK. */
static bool result_fault(
        struct table *table, const PGresult *result, struct fault *fault)
{
	const char *state =
	        result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
	const char *name = NULL;

	table->constraint[0] = table->object[0] = table->words[0] = '\0';
	table->position = 0;
	if (state == NULL || PQstatus(table->connection) == CONNECTION_BAD)
		return fault_code(fault, FAULT_UNSURE, "",
		        "the connection to the database was lost");
	keep_name(table->constraint, sizeof table->constraint,
	        PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME));
	if (begins(state, "42"))
		keep(table->words, sizeof table->words,
		        PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
	name = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
	table->position = name ? (int)strtol(name, NULL, 10) : 0;
	name = PQresultErrorField(result, PG_DIAG_COLUMN_NAME);
	if (name == NULL)
		name = PQresultErrorField(result, PG_DIAG_TABLE_NAME);
	keep_name(table->object, sizeof table->object, name);
	return fault_code(fault, table_fault_kind(state), state,
	        "database: SQLSTATE %s%s%s%s%s: %s", state,
	        table->constraint[0] ? ", constraint " : "", table->constraint,
	        table->object[0] ? ", at " : "", table->object, meaning(state));
}

static void be_silent(void *context, const PGresult *result)
{
	(void)context;
	(void)result;
}

static PGconn *connect_to(const char *connection, const char *name)
{
	const char *const keys[] = { "dbname", "application_name", "connect_timeout",
		"tcp_user_timeout", "keepalives_idle", "target_session_attrs",
		"client_encoding", NULL };
	const char *const values[] = { connection, name, "5", "30000", "10",
		"read-write", "UTF8", NULL };

	return PQconnectdbParams(keys, values, 1);
}

/*
 * libpq gives no SQLSTATE for a failed connection: what is the settings' fault is told
 * by its fixed words, everything else is a database that will come back.
 */
static bool connect_fault(PGconn *connection, struct fault *fault)
{
	const char *text = PQerrorMessage(connection);
	bool refused = strstr(text, "authentication failed") != NULL
	               || strstr(text, "no password supplied") != NULL
	               || strstr(text, "permission denied") != NULL
	               || strstr(text, "pg_hba.conf") != NULL
	               || strstr(text, "not permitted to log in") != NULL;
	bool absent = strstr(text, "does not exist") != NULL
	              || strstr(text, "invalid connection option") != NULL
	              || strstr(text, "missing \"=\"") != NULL;

	if (refused)
		return fault_code(fault, FAULT_STOP, "28P01",
		        "the database refuses the role, its password or its right to "
		        "connect");
	if (absent)
		return fault_code(fault, FAULT_STOP, "3D000",
		        "the connection string names a database, role or option that "
		        "does "
		        "not exist");
	return fault_code(
	        fault, FAULT_RETRY, "unreachable", "the database does not answer");
}

static bool prepare_session(
        struct table *table, const char *schema, struct fault *fault)
{
	char *quoted = PQescapeIdentifier(table->connection, schema, strlen(schema));
	char sql[512];

	if (quoted == NULL)
		return fault_memory(fault);
	snprintf(sql, sizeof sql,
	        "SET search_path = %s, pg_temp; SET statement_timeout = '60s';"
	        "SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = "
	        "'60s';"
	        "SET client_min_messages = error; SET bytea_output = hex;"
	        "SET default_transaction_isolation = 'read committed'",
	        quoted);
	PQfreemem(quoted);
	return table_run(table, sql, fault);
}

/* Told by the server when it lets us in. */
static bool is_in_utf8(const struct table *table, struct fault *fault)
{
	const char *encoding = PQparameterStatus(table->connection, "server_encoding");

	return (encoding != NULL && strcmp(encoding, "UTF8") == 0)
	       || fault_code(fault, FAULT_STOP, "encoding",
	               "the encoding of the database is %.40s, which cannot hold every "
	               "name; make it anew with ENCODING 'UTF8' TEMPLATE template0",
	               encoding ? encoding : "unknown");
}

bool table_open(struct table **out, const char *connection, const char *name,
        const char *schema, struct fault *fault)
{
	struct table *table = calloc(1, sizeof *table);

	if (table == NULL)
		return fault_memory(fault);
	table->connection = connect_to(connection, name);
	PQsetNoticeReceiver(table->connection, be_silent, NULL);
	if (PQstatus(table->connection) != CONNECTION_OK) {
		connect_fault(table->connection, fault);
		table_close(&table);
		return false;
	}
	if (!is_in_utf8(table, fault) || !prepare_session(table, schema, fault)) {
		table_close(&table);
		return false;
	}
	*out = table;
	return true;
}

void table_close(struct table **table)
{
	if (*table == NULL)
		return;
	PQfinish((*table)->connection);
	free(*table);
	*table = NULL;
}

bool table_is_open(const struct table *table)
{
	return table != NULL && !table->is_late
	       && PQconsumeInput(table->connection) == 1
	       && PQstatus(table->connection) == CONNECTION_OK;
}

void table_deadline(struct table *table, int64_t monotonic_us)
{
	table->deadline_us = monotonic_us;
}

/*
 * The next result of what was sent; NULL after the last, and where it has not come by
 * the deadline: a server that stands still says nothing, not even that a statement
 * takes too long.
 */
static PGresult *next_result(struct table *table)
{
	struct pollfd wait = { .fd = PQsocket(table->connection), .events = POLLIN };

	while (table->deadline_us > 0 && PQisBusy(table->connection)) {
		int64_t left_us = table->deadline_us - clock_monotonic_us();

		table->is_late = left_us <= 0;
		if (table->is_late)
			return NULL;
		(void)poll(&wait, 1, (int)((left_us + 999) / 1000));
		if (PQconsumeInput(table->connection) == 0)
			break; /* lost, as the result will say */
	}
	return PQgetResult(table->connection);
}

static bool show_rows(const PGresult *result, table_visitor *visitor, void *context,
        struct fault *fault)
{
	const char *texts[64];
	int columns = PQnfields(result) < 64 ? PQnfields(result) : 64;

	for (int row = 0; row < PQntuples(result); row++) {
		for (int column = 0; column < columns; column++)
			texts[column] = PQgetisnull(result, row, column)
			                        ? NULL
			                        : PQgetvalue(result, row, column);
		if (!visitor(context, texts, (size_t)columns, fault))
			return false;
	}
	return true;
}

/* Take all results of a query; the first fault is kept, the rest read to its end. */
static bool take_results(
        struct table *table, table_visitor *visitor, void *context, struct fault *fault)
{
	PGresult *result;
	bool ok = true;

	while ((result = next_result(table)) != NULL) {
		ExecStatusType status = PQresultStatus(result);

		if (ok && status == PGRES_TUPLES_OK && visitor != NULL)
			ok = show_rows(result, visitor, context, fault);
		else if (ok && status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK
		         && status != PGRES_EMPTY_QUERY)
			ok = result_fault(table, result, fault);
		PQclear(result);
		if (status == PGRES_COPY_IN)
			PQputCopyEnd(table->connection, "not asked for");
	}
	if (ok && table->is_late)
		return fault_code(fault, FAULT_UNSURE, "late",
		        "the database gave no answer in the time it had");
	if (ok && PQstatus(table->connection) == CONNECTION_BAD)
		ok = result_fault(table, NULL, fault);
	return ok;
}

bool table_query(struct table *table, const char *sql, table_visitor *visitor,
        void *context, struct fault *fault)
{
	if (PQsendQuery(table->connection, sql) == 0)
		return result_fault(table, NULL, fault);
	return take_results(table, visitor, context, fault);
}

bool table_run(struct table *table, const char *sql, struct fault *fault)
{
	return table_query(table, sql, NULL, NULL, fault);
}

/* Sent by the extended protocol, which takes one statement and no more. */
bool table_prepare(
        struct table *table, const char *name, const char *sql, struct fault *fault)
{
	struct buffer text = { 0 };
	PGresult *result;
	int before;
	bool ok;

	buffer_format(&text, "PREPARE %s AS ", name);
	before = (int)text.size;
	buffer_append_text(&text, sql);
	buffer_append_byte(&text, 0);
	ok = buffer_ok(&text, fault);
	if (ok) {
		result = PQexecParams(table->connection, (const char *)text.data, 0,
		        NULL, NULL, NULL, NULL, 0);
		ok = PQresultStatus(result) == PGRES_COMMAND_OK
		     || result_fault(table, result, fault);
		if (!ok && table->position > 0)
			table->position -= before;
		PQclear(result);
	}
	buffer_clear(&text);
	return ok;
}

/* Read results up to the one that asks for the rows. */
static bool await_copy(struct table *table, struct fault *fault)
{
	PGresult *result;

	while ((result = PQgetResult(table->connection)) != NULL) {
		ExecStatusType status = PQresultStatus(result);
		bool ok = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK
		          || status == PGRES_COPY_IN;

		if (!ok)
			result_fault(table, result, fault);
		PQclear(result);
		if (status == PGRES_COPY_IN)
			return true;
		if (!ok) {
			struct fault ignored;

			(void)!take_results(table, NULL, NULL, &ignored);
			return false;
		}
	}
	return result_fault(table, NULL, fault);
}

bool table_copy_rows(struct table *table, struct bytes rows, struct fault *fault)
{
	enum { SLICE = 256 * 1024 };

	for (size_t at = 0; at < rows.size; at += SLICE) {
		size_t size = rows.size - at < SLICE ? rows.size - at : SLICE;

		if (PQputCopyData(
		            table->connection, (const char *)rows.data + at, (int)size)
		        != 1)
			return result_fault(table, NULL, fault);
	}
	return true;
}

/* Header and trailer: PostgreSQL 15, COPY, "Binary Format". */

static bool put_header(struct table *table, struct fault *fault)
{
	static const uint8_t header[19] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0";

	return table_copy_rows(table, (struct bytes){ header, sizeof header }, fault);
}

static bool put_trailer(struct table *table, struct fault *fault)
{
	static const uint8_t trailer[2] = { 0xFF, 0xFF };

	return table_copy_rows(table, (struct bytes){ trailer, sizeof trailer }, fault);
}

bool table_copy_begin(struct table *table, const char *sql, struct fault *fault)
{
	if (PQsendQuery(table->connection, sql) == 0)
		return result_fault(table, NULL, fault);
	return await_copy(table, fault) && put_header(table, fault);
}

bool table_copy_end(struct table *table, struct fault *fault)
{
	if (!put_trailer(table, fault))
		return false;
	if (PQputCopyEnd(table->connection, NULL) != 1)
		return result_fault(table, NULL, fault);
	return take_results(table, NULL, NULL, fault);
}

static void lose_flight(struct table *table)
{
	table->flight.is_over = true;
	(void)!result_fault(table, NULL, &table->flight.fault);
}

/* A slice of the rows; with the last of them the COPY ends. */
static void feed_flight(struct table *table)
{
	enum { SLICE = 64 * 1024 };
	struct flight *flight = &table->flight;
	size_t left = flight->rows->size - flight->at;
	struct bytes slice = { flight->rows->data + flight->at,
		left < SLICE ? left : SLICE };
	struct fault lost;

	flight->at += slice.size;
	flight->is_feeding = left > 0;
	if (left > 0 && table_copy_rows(table, slice, &lost))
		return;
	if (left > 0 || !put_trailer(table, &lost)
	        || PQputCopyEnd(table->connection, NULL) != 1)
		lose_flight(table);
	flight->rows++;
	flight->count--;
}

/* The next answer; false: it is not there yet. */
static bool hear_flight(struct table *table)
{
	struct flight *flight = &table->flight;
	ExecStatusType status;
	PGresult *result;
	struct fault lost;

	if (PQconsumeInput(table->connection) == 1 && PQisBusy(table->connection))
		return false;
	result = PQgetResult(table->connection);
	status = PQresultStatus(result);
	flight->is_over = result == NULL;
	flight->at = 0;
	if (status == PGRES_COPY_IN && flight->count > 0)
		flight->is_feeding = put_header(table, &lost);
	if (status == PGRES_COPY_IN && !flight->is_feeding)
		lose_flight(table);
	if (status == PGRES_FATAL_ERROR && flight->fault.kind == FAULT_NONE
	        && !flight->is_over)
		(void)!result_fault(table, result, &flight->fault);
	PQclear(result);
	return true;
}

void table_push(struct table *table)
{
	while (!table->flight.is_over) {
		int left = PQflush(table->connection);

		if (left < 0)
			lose_flight(table);
		else if (left > 0)
			return;
		else if (table->flight.is_feeding)
			feed_flight(table);
		else if (!hear_flight(table))
			return;
	}
}

bool table_has_landed(struct table *table)
{
	table_push(table);
	return table->flight.is_over;
}

bool table_launch(struct table *table, const char *sql, const struct bytes *rows,
        size_t count, struct fault *fault)
{
	table->flight = (struct flight){ .rows = rows, .count = count };
	if (PQsetnonblocking(table->connection, 1) != 0
	        || PQsendQuery(table->connection, sql) == 0)
		return result_fault(table, NULL, fault);
	table_push(table);
	return true;
}

bool table_land(struct table *table, struct fault *fault)
{
	struct flight *flight = &table->flight;
	struct pollfd wait = { .fd = PQsocket(table->connection) };

	for (table_push(table); !flight->is_over; table_push(table)) {
		wait.events = POLLIN;
		if (PQflush(table->connection) > 0)
			wait.events |= POLLOUT;
		(void)poll(&wait, 1, -1);
	}
	if (PQsetnonblocking(table->connection, 0) != 0
	        && flight->fault.kind == FAULT_NONE)
		lose_flight(table);
	if (flight->fault.kind != FAULT_NONE)
		*fault = flight->fault;
	return flight->fault.kind == FAULT_NONE;
}

bool table_quote(
        struct table *table, struct bytes text, struct buffer *out, struct fault *fault)
{
	char *quoted =
	        PQescapeLiteral(table->connection, (const char *)text.data, text.size);

	if (quoted == NULL)
		return fault_memory(fault);
	buffer_append_text(out, quoted);
	PQfreemem(quoted);
	return buffer_ok(out, fault);
}

const char *table_constraint(const struct table *table)
{
	return table->constraint;
}

const char *table_words(const struct table *table)
{
	return table->words;
}

int table_position(const struct table *table)
{
	return table->position;
}

void table_row_begin(struct buffer *rows, size_t columns)
{
	buffer_append_u16(rows, (uint16_t)columns);
}

static void put_sized(struct buffer *rows, struct bytes bytes)
{
	buffer_append_u32(rows, (uint32_t)bytes.size);
	buffer_append(rows, bytes.data, bytes.size);
}

static void put_u64(struct buffer *rows, uint64_t value)
{
	buffer_append_u32(rows, 8);
	buffer_append_u64(rows, value);
}

static void put_u32(struct buffer *rows, uint32_t value)
{
	buffer_append_u32(rows, 4);
	buffer_append_u32(rows, value);
}

static void put_real(struct buffer *rows, double real, bool narrow)
{
	uint64_t wide;
	uint32_t small;
	float number = (float)real;

	if (narrow) {
		memcpy(&small, &number, sizeof small);
		put_u32(rows, small);
	} else {
		memcpy(&wide, &real, sizeof wide);
		put_u64(rows, wide);
	}
}

static void put_numeric(
        struct buffer *rows, const struct column *column, const struct cell *cell)
{
	size_t at = rows->size;
	decimal number = 0;
	uint32_t size;

	if (!decimal_read(cell->bytes, &number))
		number = 0; /* plan_decode() lets none through that cannot be read */
	buffer_append_u32(rows, 0);
	decimal_numeric(number, column->scale, rows);
	if (rows->failed)
		return;
	size = __builtin_bswap32((uint32_t)(rows->size - at - 4));
	memcpy(rows->data + at, &size, sizeof size);
}

static void put_uuid(struct buffer *rows, struct bytes text)
{
	uint8_t bytes[16] = { 0 };

	if (!identity_parse(text, bytes))
		memset(bytes, 0, sizeof bytes); /* as above */
	put_sized(rows, (struct bytes){ bytes, sizeof bytes });
}

static void put_json(struct buffer *rows, struct bytes text)
{
	buffer_append_u32(rows, (uint32_t)text.size + 1);
	buffer_append_byte(rows, 1); /* jsonb's version */
	buffer_append(rows, text.data, text.size);
}

void table_row_cell(
        struct buffer *rows, const struct column *column, const struct cell *cell)
{
	if (cell->is_null) {
		buffer_append_u32(rows, UINT32_MAX);
		return;
	}
	switch (column->type) {
	case COLUMN_BOOL:
		buffer_append_u32(rows, 1);
		buffer_append_byte(rows, (uint8_t)cell->integer);
		break;
	case COLUMN_INT4:
		put_u32(rows, (uint32_t)cell->integer);
		break;
	case COLUMN_DATE:
		put_u32(rows, (uint32_t)(cell->integer - EPOCH_DAYS));
		break;
	case COLUMN_INT8:
	case COLUMN_TIME:
		put_u64(rows, (uint64_t)cell->integer);
		break;
	case COLUMN_TIMESTAMPTZ:
		put_u64(rows, (uint64_t)cell->integer - (uint64_t)EPOCH_MICROS);
		break;
	case COLUMN_FLOAT4:
	case COLUMN_FLOAT8:
		put_real(rows, cell->real, column->type == COLUMN_FLOAT4);
		break;
	case COLUMN_NUMERIC:
		put_numeric(rows, column, cell);
		break;
	case COLUMN_UUID:
		put_uuid(rows, cell->bytes);
		break;
	case COLUMN_TEXT:
	case COLUMN_BYTEA:
		put_sized(rows, cell->bytes);
		break;
	case COLUMN_JSONB:
		put_json(rows, cell->bytes);
		break;
	}
}

const char *table_type(enum column_type type)
{
	switch (type) {
	case COLUMN_BOOL:
		return "boolean";
	case COLUMN_INT4:
		return "int";
	case COLUMN_INT8:
		return "bigint";
	case COLUMN_FLOAT4:
		return "real";
	case COLUMN_FLOAT8:
		return "double precision";
	case COLUMN_NUMERIC:
		return "numeric";
	case COLUMN_TEXT:
		return "text";
	case COLUMN_BYTEA:
		return "bytea";
	case COLUMN_DATE:
		return "date";
	case COLUMN_TIME:
		return "time";
	case COLUMN_TIMESTAMPTZ:
		return "timestamptz";
	case COLUMN_UUID:
		return "uuid";
	case COLUMN_JSONB:
		return "jsonb";
	}
	return "text";
}
