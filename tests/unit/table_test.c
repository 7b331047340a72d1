/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "port/table.h"
#include "run/svc.h"

static void sqlstates_say_what_to_do(void **state)
{
	static const struct {
		const char *state;
		enum fault_kind kind;
	} cases[] = {
		{ "40001", FAULT_RETRY },
		{ "40P01", FAULT_RETRY },
		{ "08006", FAULT_RETRY },
		{ "53100", FAULT_RETRY },
		{ "53300", FAULT_RETRY },
		{ "57P01", FAULT_RETRY },
		{ "25006", FAULT_RETRY },
		{ "55P03", FAULT_RETRY },
		{ "57014", FAULT_RETRY },
		{ "25P03", FAULT_RETRY },
		{ "22003", FAULT_REJECT },
		{ "23502", FAULT_REJECT },
		{ "23503", FAULT_REJECT },
		{ "23505", FAULT_REJECT },
		{ "23514", FAULT_REJECT },
		{ "23P01", FAULT_REJECT },
		{ "21000", FAULT_REJECT },
		{ "54000", FAULT_REJECT },
		{ "P0001", FAULT_REJECT },
		{ "P0004", FAULT_REJECT },
		{ "23001", FAULT_REJECT },
		{ "42703", FAULT_STOP },
		{ "3D000", FAULT_STOP },
		{ "28P01", FAULT_STOP },
		{ "0A000", FAULT_STOP },
		{ "XX001", FAULT_STOP },
		{ "58030", FAULT_STOP },
		{ "KT001", FAULT_STOP },
		{ "ZZZZZ", FAULT_STOP },
		{ "", FAULT_UNSURE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_int_equal(table_fault_kind(cases[i].state), cases[i].kind);
	assert_int_equal(table_fault_kind(NULL), FAULT_UNSURE);
}

static void a_row_is_written_as_copy_wants_it(void **state)
{
	static const uint8_t wanted[] = "\0\5"
	                                "\0\0\0\2ab"
	                                "\377\377\377\377"
	                                "\0\0\0\10\377\374\242\376\304\310\040\001"
	                                "\0\0\0\4\0\0\0\1"
	                                "\0\0\0\4\1[1]";
	struct column columns[] = { { .type = COLUMN_TEXT }, { .type = COLUMN_INT8 },
		{ .type = COLUMN_TIMESTAMPTZ }, { .type = COLUMN_DATE },
		{ .type = COLUMN_JSONB } };
	struct cell cells[] = { { .bytes = bytes_of("ab") }, { .is_null = true },
		{ .integer = 1 }, { .integer = 10958 }, { .bytes = bytes_of("[1]") } };
	struct buffer rows = { 0 };

	(void)state;
	table_row_begin(&rows, 5);
	for (size_t i = 0; i < 5; i++)
		table_row_cell(&rows, &columns[i], &cells[i]);
	assert_int_equal(rows.size, sizeof wanted - 1);
	assert_memory_equal(rows.data, wanted, rows.size);
	buffer_clear(&rows);
}

static void faults_become_exit_statuses(void **state)
{
	static const struct {
		enum fault_kind kind;
		const char *code;
		int status;
	} cases[] = {
		{ FAULT_NONE, "", 0 },
		{ FAULT_STOP, "", 78 },
		{ FAULT_STOP, "usage", 64 },
		{ FAULT_STOP, "out-of-memory", 70 },
		{ FAULT_STOP, "internal", 70 },
		{ FAULT_RETRY, "", 75 },
		{ FAULT_RETRY, "unreachable", 69 },
		{ FAULT_UNSURE, "", 75 },
		{ FAULT_REJECT, "", 65 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct fault fault = { .kind = cases[i].kind };

		strcpy(fault.code, cases[i].code);
		assert_int_equal(svc_exit_status(&fault), cases[i].status);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sqlstates_say_what_to_do),
		cmocka_unit_test(a_row_is_written_as_copy_wants_it),
		cmocka_unit_test(faults_become_exit_statuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
