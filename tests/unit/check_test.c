/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "base/clock.h"
#include "event/catalog.h"
#include "event/check.h"
#include "port/avro.h"

static const char request[] =
        "{\"case_id\":\"SKTM-1\",\"service\":\"surat-keterangan-kurang-mampu\","
        "\"actor\":{\"role\":\"OPERATOR\"},\"action\":\"SUBMITTED\","
        "\"applicant\":{\"nik\":\"3509010101900001\",\"name\":\"Siti\"},"
        "\"attributes\":{\"keperluan\":\"sekolah\"},"
        "\"documents\":[{\"kind\":\"kartu-keluarga\",\"sha256\":"
        "\"0000000000000000000000000000000000000000000000000000000000000000\"}]}";

static const char payment[] = "{\"case_id\":\"PBB-1\",\"service\":\"pbb-p2\","
                              "\"actor\":{\"role\":\"TREASURER\"},\"action\":\"PAID\","
                              "\"kind\":\"pbb-p2\",\"amount\":\"%s\"}";

struct bench {
	struct catalog *catalog;
	struct arena arena;
	struct document *document;
	struct check_report report;
	struct value value;
};

static int set_up(void **state)
{
	struct bench *bench = calloc(1, sizeof *bench);
	struct fault fault;

	must(catalog_open(&bench->catalog, SOURCE_DIR "/schemas", "live", &fault),
	        &fault);
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;

	arena_clear(&bench->arena);
	catalog_close(&bench->catalog);
	free(bench);
	return 0;
}

static enum check_verdict verdict(
        struct bench *bench, const char *topic, const char *body)
{
	struct fault fault;

	arena_reset(&bench->arena);
	if (!document_parse(
	            &bench->document, &bench->arena, bytes_of(body), &bench->report))
		return bench->report.verdict;
	if (check_record(catalog_short(bench->catalog, topic)->newest->schema,
	            bench->document, 1000, &bench->arena, &bench->value, &bench->report,
	            &fault))
		assert_int_equal(bench->report.verdict, CHECK_OK);
	return bench->report.verdict;
}

static bool has_fault(struct bench *bench, const char *pointer)
{
	for (size_t i = 0; i < bench->report.count; i++)
		if (strcmp(bench->report.faults[i].pointer, pointer) == 0)
			return true;
	return false;
}

static void a_good_request_becomes_a_value_and_bytes(void **state)
{
	struct bench *bench = *state;
	struct avro_encoder *encoder;
	struct buffer bytes = { 0 };
	struct fault fault;
	size_t seam;
	int64_t occurred;

	assert_int_equal(verdict(bench, "requests", request), CHECK_OK);
	assert_true(value_long(&bench->value, "occurred_at", &occurred));
	assert_int_equal(occurred, 1000);
	must(avro_encoder_open(&encoder,
	             catalog_short(bench->catalog, "requests")->newest->schema, &fault),
	        &fault);
	for (int i = 0; i < 3; i++) {
		buffer_reset(&bytes);
		must(avro_encode(encoder, &bench->value, "seq", &bytes, &seam, &fault),
		        &fault);
		/* event_id, village_code and incarnation are still empty: one byte
		 * each. */
		assert_int_equal(seam, 3);
		assert_int_equal(bytes.data[seam], 0);
		assert_true(bytes.size > 100);
	}
	avro_encoder_close(&encoder);
	buffer_clear(&bytes);
}

static void all_faults_of_a_body_are_told_at_once(void **state)
{
	struct bench *bench = *state;

	assert_int_equal(
	        verdict(bench, "requests",
	                "{\"case_id\":\"1234567890123456\",\"service\":\"Bukan Slug\","
	                "\"actor\":{\"role\":\"RAJA\",\"umur\":3},\"seq\":7,"
	                "\"applicant\":{\"nik\":\"35\"},\"occurred_at\":\"2026-11-"
	                "21T08:00:00\"}"),
	        CHECK_MISFIT);
	assert_true(has_fault(bench, "/case_id"));
	assert_true(has_fault(bench, "/service"));
	assert_true(has_fault(bench, "/actor/role"));
	assert_true(has_fault(bench, "/actor/umur"));
	assert_true(has_fault(bench, "/seq"));
	assert_true(has_fault(bench, "/applicant/nik"));
	assert_true(has_fault(bench, "/occurred_at"));
	assert_true(has_fault(bench, "/action"));
	assert_int_equal(bench->report.count, 8);
}

static void a_case_id_shows_all_that_it_is(void **state)
{
	struct bench *bench = *state;
	static const char *const hidden[] = { "A\xE2\x80\xAE"
		                              "B",
		"A\xE2\x80\x8B"
		"B",
		"A\xC2\xAD"
		"B",
		"A\xEF\xBB\xBF"
		"B",
		"A\xC2\x85"
		"B",
		"12345678901234\xEF\xBC\x95\xEF\xBC\x96" /* 56, in full width */ };
	char body[512];

	for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++) {
		snprintf(body, sizeof body,
		        "{\"case_id\":\"%s\",\"service\":\"s\",\"action\":"
		        "\"SUBMITTED\","
		        "\"actor\":{\"role\":\"OPERATOR\"}}",
		        hidden[i]);
		assert_int_equal(verdict(bench, "requests", body), CHECK_MISFIT);
		assert_true(has_fault(bench, "/case_id"));
		assert_int_equal(bench->report.count, 1);
	}
	assert_int_equal(verdict(bench, "requests",
	                         "{\"case_id\":\"Regapu\xE2\x80\x99u 7/\xC3\xA9\","
	                         "\"service\":\"s\",\"action\":\"SUBMITTED\","
	                         "\"actor\":{\"role\":\"OPERATOR\"}}"),
	        CHECK_OK);
}

static void no_value_of_the_body_is_repeated(void **state)
{
	struct bench *bench = *state;

	verdict(bench, "requests",
	        "{\"case_id\":\"ok\",\"service\":\"RAHASIA\",\"action\":\"RAHASIA\","
	        "\"actor\":\"RAHASIA\",\"applicant\":{\"nik\":\"RAHASIA\"}}");
	assert_true(bench->report.count >= 4);
	for (size_t i = 0; i < bench->report.count; i++) {
		assert_null(strstr(bench->report.faults[i].detail, "RAHASIA"));
		assert_null(strstr(bench->report.faults[i].detail_id, "RAHASIA"));
		assert_null(strstr(bench->report.faults[i].expected, "RAHASIA"));
	}
}

static void what_is_not_strict_json_is_told_apart(void **state)
{
	static const char *const bodies[] = { "", "{", "{\"a\":1,\"a\":2}",
		"{\"a\":\"\\u0000\"}", "{\"a\":\"\xff\"}", "{\"a\":\"\\ud800\"}",
		"{'a':1}", "{\"a\":1}x", "{\"a\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}" };

	for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
		assert_int_equal(
		        verdict(*state, "requests", bodies[i]), CHECK_NOT_JSON);
	assert_int_equal(verdict(*state, "requests", "[]"), CHECK_MISFIT);
}

static void amounts_are_exact_text(void **state)
{
	static const struct {
		const char *amount;
		enum check_verdict verdict;
	} cases[] = {
		{ "150000.00", CHECK_OK },
		{ "0", CHECK_OK },
		{ "9999999999999999.99", CHECK_OK },
		{ "0.01", CHECK_OK },
		{ "1.5", CHECK_OK },
		{ "10000000000000000", CHECK_MISFIT },
		{ "1.005", CHECK_MISFIT },
		{ "-1", CHECK_MISFIT },
		{ "1e3", CHECK_MISFIT },
		{ "", CHECK_MISFIT },
		{ ".5", CHECK_MISFIT },
		{ "5.", CHECK_MISFIT },
		{ "+5", CHECK_MISFIT },
	};
	char body[512];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		snprintf(body, sizeof body, payment, cases[i].amount);
		assert_int_equal(verdict(*state, "payments", body), cases[i].verdict);
	}
	assert_int_equal(
	        verdict(*state, "payments",
	                "{\"case_id\":\"p\",\"service\":\"s\",\"actor\":{\"role\":"
	                "\"SYSTEM\"},"
	                "\"action\":\"PAID\",\"kind\":\"k\",\"amount\":150000}"),
	        CHECK_MISFIT);
}

static void unknown_is_no_answer_where_a_sender_must_know(void **state)
{
	struct bench *bench = *state;

	assert_int_equal(
	        verdict(bench, "requests",
	                "{\"case_id\":\"c\",\"service\":\"s\","
	                "\"actor\":{\"role\":\"UNKNOWN\"},\"action\":\"UNKNOWN\"}"),
	        CHECK_MISFIT);
	assert_int_equal(bench->report.count, 1);
	assert_true(has_fault(bench, "/action"));
}

/* A record of one field v of a type, against {"v":...} or {}. */
static enum check_verdict verdict_of(
        struct bench *bench, const char *type, const char *body)
{
	struct schema *schema;
	struct fault fault;
	char text[512];

	snprintf(text, sizeof text,
	        "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"v\","
	        "\"type\":%s}]}",
	        type);
	must(schema_parse(&schema, bytes_of(text), &fault), &fault);
	arena_reset(&bench->arena);
	assert_true(document_parse(
	        &bench->document, &bench->arena, bytes_of(body), &bench->report));
	(void)!check_record(schema, bench->document, 1000, &bench->arena, &bench->value,
	        &bench->report, &fault);
	schema_close(&schema);
	return bench->report.verdict;
}

static void a_value_may_be_any_branch_that_takes_it(void **state)
{
	static const struct {
		const char *type;
		const char *body;
		enum check_verdict verdict;
		size_t branch;
	} cases[] = {
		{ "[\"null\",\"int\",\"long\"]", "{\"v\":5000000000}", CHECK_OK, 2 },
		{ "[\"null\",\"int\",\"long\"]", "{\"v\":5}", CHECK_OK, 1 },
		{ "[{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"X\"]},"
		  "\"string\"]",
		        "{\"v\":\"other\"}", CHECK_OK, 1 },
		{ "[\"null\",\"int\",\"long\"]", "{\"v\":1.5}", CHECK_MISFIT, 2 },
		{ "[\"int\",\"null\"]", "{}", CHECK_OK, 1 },
		{ "[\"null\",\"string\"]", "{}", CHECK_OK, 0 },
	};
	struct bench *bench = *state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(verdict_of(bench, cases[i].type, cases[i].body),
		        cases[i].verdict);
		assert_int_equal(bench->report.count, cases[i].verdict == CHECK_MISFIT);
		assert_int_equal(bench->value.list.values[0].branch, cases[i].branch);
	}
}

static void a_number_too_large_for_a_float_is_refused(void **state)
{
	assert_int_equal(
	        verdict_of(*state, "\"float\"", "{\"v\":3.5e38}"), CHECK_MISFIT);
	assert_int_equal(verdict_of(*state, "\"float\"", "{\"v\":-3e38}"), CHECK_OK);
	assert_int_equal(verdict_of(*state, "\"double\"", "{\"v\":1e300}"), CHECK_OK);
}

static void long_and_strange_member_names_are_cut(void **state)
{
	struct bench *bench = *state;
	char body[2000] = "{\"";

	for (int i = 0; i < 400; i++)
		strcat(body, "~é");
	strcat(body, "\":1}");
	verdict(bench, "requests", body);
	for (size_t i = 0; i < bench->report.count; i++) {
		const char *pointer = bench->report.faults[i].pointer;

		assert_true(strlen(pointer) < 140);
		assert_true(bytes_is_text(bytes_of(pointer)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		        a_good_request_becomes_a_value_and_bytes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        all_faults_of_a_body_are_told_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        a_case_id_shows_all_that_it_is, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        no_value_of_the_body_is_repeated, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        what_is_not_strict_json_is_told_apart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        amounts_are_exact_text, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        unknown_is_no_answer_where_a_sender_must_know, set_up,
		        tear_down),
		cmocka_unit_test_setup_teardown(
		        a_value_may_be_any_branch_that_takes_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        a_number_too_large_for_a_float_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        long_and_strange_member_names_are_cut, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
