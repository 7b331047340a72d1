/* SPDX-License-Identifier: MIT */
/*
 * What groups have reported, asked of librdkafka's mock cluster. An answer that the
 * group has moved to another broker once ended whoever asked: librdkafka 2.0.2 looks
 * for the group of the client itself, which an admin has only when it is given one.
 */
#include "unit.h"

#include <librdkafka/rdkafka.h>

#include <librdkafka/rdkafka_mock.h>

#include "port/topic_admin.h"
#include "port/topic_consumer.h"

enum { OFFSET_FETCH = 9 };

static const struct conf_key keys[] = { CONSUMER_KEYS, CONF_END };

struct stage {
	rd_kafka_t *host; /* of the mock cluster */
	rd_kafka_mock_cluster_t *cluster;
	struct conf *conf;
	struct admin *admin;
};

static int set_up(void **state)
{
	struct stage *stage = calloc(1, sizeof *stage);
	struct fault fault;
	char text[256];

	assert_non_null(stage);
	stage->host =
	        rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), text, sizeof text);
	assert_non_null(stage->host);
	stage->cluster = rd_kafka_mock_cluster_new(stage->host, 1);
	assert_non_null(stage->cluster);
	assert_true(conf_read_options(&stage->conf, keys, NULL,
	        (const char *[]){
	                "--brokers", rd_kafka_mock_cluster_bootstraps(stage->cluster) },
	        2, &fault));
	assert_true(admin_open(&stage->admin, stage->conf, &fault));
	*state = stage;
	return 0;
}

static int tear_down(void **state)
{
	struct stage *stage = *state;

	admin_close(&stage->admin);
	conf_close(&stage->conf);
	rd_kafka_mock_cluster_destroy(stage->cluster);
	rd_kafka_destroy(stage->host);
	free(stage);
	return 0;
}

static void show(void *context, const struct topic_place *place, const char *metadata)
{
	(void)place;
	(void)metadata;
	++*(int *)context;
}

static void a_group_that_nobody_knows_shows_nothing(void **state)
{
	struct stage *stage = *state;
	struct fault fault = { 0 };
	int shown = 0;

	assert_true(admin_group(stage->admin, "nobody", show, &shown, &fault));
	assert_int_equal(shown, 0);
}

static void a_group_that_moved_is_asked_for_again(void **state)
{
	struct stage *stage = *state;
	struct fault fault = { 0 };
	int shown = 0;

	rd_kafka_mock_push_request_errors(
	        stage->cluster, OFFSET_FETCH, 1, RD_KAFKA_RESP_ERR_NOT_COORDINATOR);
	if (!admin_group(stage->admin, "kentongan-dinsos", show, &shown, &fault))
		assert_int_equal(fault.kind, FAULT_RETRY);
	assert_true(
	        admin_group(stage->admin, "kentongan-dinsos", show, &shown, &fault));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		        a_group_that_nobody_knows_shows_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        a_group_that_moved_is_asked_for_again, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
