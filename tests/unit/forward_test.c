/* SPDX-License-Identifier: MIT */
/*
 * A real spool and a real producer against librdkafka's mock cluster, which answers as
 * we tell it to. It does not check sequence numbers: what is sent again is there twice,
 * which is what readers drop. Whatever happens, each number must be there, and the
 * first of each in order.
 */
#include "unit.h"

#include <ftw.h>
#include <poll.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>

#include <librdkafka/rdkafka_mock.h>

#include "base/clock.h"
#include "flow/forward.h"
#include "port/topic_consumer.h"

enum { EVENTS = 400, MODULUS = 12, PRODUCE = 0, LONGEST_S = 120 };

static const char village[] = "35.09.01.2001";
static const char *const topics[] = { "desa.payments" };
static const struct conf_key keys[] = { FORWARD_KEYS, CONF_END };

struct stage {
	char folder[64];
	rd_kafka_t *host; /* of the mock cluster */
	rd_kafka_mock_cluster_t *cluster;
	struct conf *conf;
	struct spool *spool;
	struct forward *forward;
};

static int remove_one(
        const char *path, const struct stat *info, int flag, struct FTW *ftw)
{
	(void)info;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static void write_conf(struct stage *stage, char path[96])
{
	FILE *file;

	snprintf(path, 96, "%s/forward.conf", stage->folder);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file,
	        "brokers = %s\nblocked_retry_ms = 300\nkafka.socket.timeout.ms = 1000\n"
	        "kafka.request.timeout.ms = 900\nkafka.retry.backoff.ms = 20\n",
	        rd_kafka_mock_cluster_bootstraps(stage->cluster));
	fclose(file);
}

static int set_up(void **state)
{
	struct stage *stage = calloc(1, sizeof *stage);
	rd_kafka_conf_t *quiet = rd_kafka_conf_new();
	char path[96];
	struct fault fault;

	strcpy(stage->folder, "/tmp/kentongan-forward-XXXXXX");
	assert_non_null(mkdtemp(stage->folder));
	rd_kafka_conf_set(quiet, "log_level", "0", NULL, 0);
	stage->host = rd_kafka_new(RD_KAFKA_PRODUCER, quiet, NULL, 0);
	stage->cluster = rd_kafka_mock_cluster_new(stage->host, 1);
	assert_non_null(stage->cluster);
	rd_kafka_mock_topic_create(stage->cluster, topics[0], MODULUS, 1);
	write_conf(stage, path);
	must(conf_read(&stage->conf, NULL, keys, path, &fault), &fault);
	snprintf(path, sizeof path, "%s/spool.db", stage->folder);
	must(spool_open(&stage->spool, path, village, NULL, topics, 1, &fault), &fault);
	*state = stage;
	return 0;
}

static int tear_down(void **state)
{
	struct stage *stage = *state;

	forward_close(&stage->forward);
	spool_close(&stage->spool);
	conf_close(&stage->conf);
	rd_kafka_mock_cluster_destroy(stage->cluster);
	rd_kafka_destroy(stage->host);
	nftw(stage->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(stage);
	return 0;
}

static void accept_events(struct stage *stage, int count)
{
	static const uint8_t value[] = "\0\0\0\0\1ab\0yz";
	struct head head = { .village_code = bytes_of(village) };
	struct buffer headers = { 0 };
	struct spool_receipt receipt;
	char id[UUID_TEXT_BYTES];
	struct fault fault;

	must(spool_begin(stage->spool, &fault), &fault);
	for (int i = 0; i < count; i++) {
		struct spool_draft draft = {
			.recorded_at_us = 1000, .value = { value, 10 }, .seam = 7
		};

		identity_new(id);
		assert_true(identity_parse(bytes_of(id), draft.event_id));
		head.event_id = bytes_of(id);
		buffer_reset(&headers);
		envelope_pack(&headers, &head, "id.go.jember.desa.Payment", 1,
		        (struct bytes){ 0 });
		draft.headers = buffer_bytes(&headers);
		must(spool_append(stage->spool, &draft, &receipt, &fault), &fault);
	}
	must(spool_commit(stage->spool, &fault), &fault);
	buffer_clear(&headers);
}

/* What the keeper does with a forward. */
static void turn(struct stage *stage)
{
	struct pollfd fd = { .events = POLLIN };
	struct fault fault = { 0 };
	enum step step = forward_step(stage->forward, &fault);

	must(step != STEP_FAULT, &fault);
	if (forward_has_marks(stage->forward)) {
		must(spool_begin(stage->spool, &fault), &fault);
		must(forward_mark(stage->forward, &fault), &fault);
		must(spool_commit(stage->spool, &fault), &fault);
	}
	fd.fd = forward_fd(stage->forward);
	if (step != STEP_DONE)
		poll(&fd, fd.fd >= 0, 20);
}

static void turn_until(struct stage *stage, int64_t delivered)
{
	int64_t until_us = clock_monotonic_us() + LONGEST_S * INT64_C(1000000);

	while (spool_stream(stage->spool, 0)->delivered_seq < delivered) {
		turn(stage);
		if (clock_monotonic_us() > until_us)
			fail_msg("%lld of %lld after %d s",
			        (long long)spool_stream(stage->spool, 0)->delivered_seq,
			        (long long)delivered, LONGEST_S);
	}
}

static void start(struct stage *stage)
{
	struct fault fault;

	must(forward_open(&stage->forward, stage->spool, stage->conf, village, MODULUS,
	             &fault),
	        &fault);
}

/* Numbers in the order of the log: the first of each follows the one before. */
static void check_log(struct stage *stage, int64_t count)
{
	struct topic_place place = { topics[0],
		envelope_partition(bytes_of(village), MODULUS), 0 };
	struct consumer *consumer = NULL;
	struct topic_record records[64];
	int64_t last = 0;
	struct fault fault;

	must(consumer_open(&consumer, stage->conf, NULL, &fault), &fault);
	must(consumer_start(consumer, &place, 1, &fault), &fault);
	while (last < count) {
		size_t found;

		if (consumer_read(consumer, 1000, records, 64, 1 << 20, &found, &fault)
		        == NEWS_FAULT)
			fail_msg("%s", fault.text);
		for (size_t i = 0; i < found; i++) {
			struct bytes text = consumer_header(&records[i], "ce_sequence");
			char number[24];
			long long seq;

			snprintf(number, sizeof number, "%.*s", (int)text.size,
			        text.data);
			seq = strtoll(number, NULL, 10);
			if (seq > last + 1)
				fail_msg("%lld follows %lld", seq, (long long)last);
			last = seq > last ? seq : last;
		}
		consumer_release(consumer, records, found);
	}
	consumer_close(&consumer);
	assert_int_equal(last, count);
}

static void refuse(struct stage *stage, rd_kafka_resp_err_t error, size_t times)
{
	for (size_t i = 0; i < times; i++)
		rd_kafka_mock_push_request_errors(stage->cluster, PRODUCE, 1, error);
}

/* A part flows, then the broker answers so, then all must be there. */
static void survive(
        void **state, rd_kafka_resp_err_t error, size_t times, int64_t rtt_ms)
{
	struct stage *stage = *state;

	accept_events(stage, EVENTS / 2);
	start(stage);
	turn_until(stage, EVENTS / 4);
	refuse(stage, error, times);
	if (rtt_ms > 0)
		rd_kafka_mock_broker_set_rtt(stage->cluster, -1, (int)rtt_ms);
	accept_events(stage, EVENTS / 2);
	for (int64_t until_us = clock_monotonic_us() + rtt_ms * 1500;
	        clock_monotonic_us() < until_us;)
		turn(stage);
	rd_kafka_mock_broker_set_rtt(stage->cluster, -1, 0);
	turn_until(stage, EVENTS);
	check_log(stage, EVENTS);
}

static void a_leader_that_moved_is_followed(void **state)
{
	survive(state, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, 4, 0);
}

static void a_sequence_out_of_order_is_begun_again(void **state)
{
	survive(state, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, 1, 0);
}

static void a_producer_that_the_broker_forgot_is_made_anew(void **state)
{
	survive(state, RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID, 1, 0);
}

static void a_time_out_of_the_broker_is_tried_again(void **state)
{
	survive(state, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, 5, 0);
}

static void too_few_replicas_are_waited_for(void **state)
{
	survive(state, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND, 3, 0);
}

static void what_is_refused_is_sent_when_it_is_taken(void **state)
{
	survive(state, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, 2, 0);
}

/* The records are appended and the answer comes after the time-out: sent again. */
static void an_answer_that_comes_too_late_loses_nothing(void **state)
{
	survive(state, RD_KAFKA_RESP_ERR_NO_ERROR, 0, 2000);
}

static void flow(struct stage *stage, int count)
{
	accept_events(stage, count);
	start(stage);
	turn_until(stage, count);
}

static void turn_until_link(struct stage *stage, const char *state)
{
	struct forward_link link;

	do {
		turn(stage);
		forward_link(stage->forward, &link);
	} while (strcmp(link.state, state) != 0);
}

static void what_waits_for_a_link_that_was_there_can_be_recalled(void **state)
{
	struct stage *stage = *state;
	struct fault fault = { 0 };

	flow(stage, 10);
	rd_kafka_mock_broker_set_down(stage->cluster, 1);
	turn_until_link(stage, "down");
	accept_events(stage, 1);
	for (int i = 0; i < 5; i++)
		turn(stage);
	must(forward_recall(stage->forward, 0, 11, &fault), &fault);
	rd_kafka_mock_broker_set_up(stage->cluster, 1);
	turn_until(stage, 11);
	check_log(stage, 11);
}

/* The broker takes the record and answers too late, some times. */
static void what_is_on_its_way_cannot_be_recalled(void **state)
{
	struct stage *stage = *state;
	struct fault fault = { 0 };
	int turns = 5;

	flow(stage, 10);
	for (int i = 0; i < 3; i++)
		rd_kafka_mock_broker_push_request_error_rtts(stage->cluster, 1, PRODUCE,
		        1, RD_KAFKA_RESP_ERR_NO_ERROR, 3000);
	accept_events(stage, 1);
	do {
		for (int i = 0; i < turns; i++)
			turn(stage);
		turns *= 2; /* it may be recalled until it has gone out */
	} while (forward_recall(stage->forward, 0, 11, &fault));
	assert_string_equal(fault.code, "under-way");
	assert_int_equal(spool_stream(stage->spool, 0)->delivered_seq, 10);
	turn_until(stage, 11);
	check_log(stage, 11);
}

static void a_spool_that_is_opened_again_goes_on_where_it_was(void **state)
{
	struct stage *stage = *state;

	accept_events(stage, EVENTS);
	start(stage);
	turn_until(stage, EVENTS / 3);
	forward_close(&stage->forward);
	start(stage);
	turn_until(stage, EVENTS);
	check_log(stage, EVENTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		        a_leader_that_moved_is_followed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        a_sequence_out_of_order_is_begun_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        a_producer_that_the_broker_forgot_is_made_anew, set_up,
		        tear_down),
		cmocka_unit_test_setup_teardown(
		        a_time_out_of_the_broker_is_tried_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        too_few_replicas_are_waited_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        what_is_refused_is_sent_when_it_is_taken, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        an_answer_that_comes_too_late_loses_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        what_waits_for_a_link_that_was_there_can_be_recalled, set_up,
		        tear_down),
		cmocka_unit_test_setup_teardown(
		        what_is_on_its_way_cannot_be_recalled, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        a_spool_that_is_opened_again_goes_on_where_it_was, set_up,
		        tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
