/* SPDX-License-Identifier: MIT */
/*
 * Fill a topic with Requests as gateways would have written them: backlog BROKERS TOPIC
 * COUNT VILLAGES. The events are numbered in order for each of that many invented
 * villages.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <librdkafka/rdkafka.h>

#include "event/catalog.h"
#include "event/check.h"
#include "event/envelope.h"
#include "event/identity.h"
#include "port/avro.h"

static struct fault fault;

static void must(bool ok)
{
	if (!ok) {
		fprintf(stderr, "%s\n", fault.text);
		exit(1);
	}
}

static rd_kafka_t *open_producer(const char *brokers)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char text[256];
	const char *settings[] = { "bootstrap.servers", brokers, "linger.ms", "20",
		"compression.codec", "lz4", "queue.buffering.max.messages", "200000",
		"acks", "all" };

	for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i += 2)
		must(rd_kafka_conf_set(
		             conf, settings[i], settings[i + 1], text, sizeof text)
		        == RD_KAFKA_CONF_OK);
	return rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
}

static void fill(struct arena *arena, struct value *tree, const char *village,
        const char *incarnation, int64_t seq)
{
	char id[UUID_TEXT_BYTES];

	identity_new(id);
	must(value_set_text(arena, tree, "event_id", bytes_of(id), &fault));
	must(value_set_text(arena, tree, "village_code", bytes_of(village), &fault));
	must(value_set_text(arena, tree, "incarnation", bytes_of(incarnation), &fault));
	value_set_long(tree, "recorded_at", 1790000000000000 + seq);
	value_set_long(tree, "seq", seq);
}

int main(int argc, char **argv)
{
	struct catalog *catalog;
	struct avro_encoder *encoder;
	struct check_report report;
	struct arena arena = { 0 };
	struct buffer bytes = { 0 };
	char incarnation[UUID_TEXT_BYTES];
	rd_kafka_t *producer = open_producer(argv[1]);
	rd_kafka_topic_t *topic = rd_kafka_topic_new(producer, argv[2], NULL);
	int64_t count = atoll(argv[3]);
	int villages = atoi(argv[4]);

	assert(argc == 5 && producer != NULL);
	must(catalog_open(&catalog, SOURCE_DIR "/schemas", "live", &fault));
	must(avro_encoder_open(
	        &encoder, catalog_short(catalog, "requests")->newest->schema, &fault));
	identity_random(incarnation);
	for (int64_t i = 0; i < count; i++) {
		struct document *document;
		struct value tree;
		char body[512];
		char village[32];
		int at = (int)(i % villages);

		snprintf(village, sizeof village, "35.%02d.%02d.2%03d", 9 + at / 9000,
		        at % 9000 / 100 + 1, at % 100 + 1);
		snprintf(body, sizeof body,
		        "{\"case_id\":\"SKTM-%lld\",\"service\":\"surat-keterangan-"
		        "kurang-mampu\","
		        "\"actor\":{\"role\":\"OPERATOR\",\"name\":\"Budi "
		        "Santoso\"},\"action\":"
		        "\"SUBMITTED\",\"applicant\":{\"nik\":\"9909010101900001\","
		        "\"name\":\"Siti "
		        "Rahayu\",\"address\":\"RT 003 RW "
		        "002\"},\"attributes\":{\"keperluan\":"
		        "\"sekolah\"}}",
		        (long long)i);
		arena_reset(&arena);
		must(document_parse(&document, &arena, bytes_of(body), &report));
		must(check_record(catalog_short(catalog, "requests")->newest->schema,
		        document, 1790000000000000, &arena, &tree, &report, &fault));
		fill(&arena, &tree, village, incarnation, i / villages + 1);
		buffer_reset(&bytes);
		envelope_frame(&bytes, 1);
		must(avro_encode(encoder, &tree, NULL, &bytes, NULL, &fault));
		while (rd_kafka_produce(topic,
		               envelope_partition(bytes_of(village), 12),
		               RD_KAFKA_MSG_F_COPY, bytes.data, bytes.size, village,
		               strlen(village), NULL)
		        != 0)
			rd_kafka_poll(producer, 10);
		rd_kafka_poll(producer, 0);
	}
	must(rd_kafka_flush(producer, 120000) == RD_KAFKA_RESP_ERR_NO_ERROR);
	printf("{\"events\": %lld, \"value_bytes\": %zu}\n", (long long)count,
	        bytes.size);
	return 0;
}
