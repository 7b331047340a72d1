/* SPDX-License-Identifier: MIT */
/*
 * Fill a gateway's spool with Requests that wait for a link, as fast as the disk takes
 * them: spool_fill PATH VILLAGE COUNT. No gateway may run on it.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "event/catalog.h"
#include "event/check.h"
#include "event/envelope.h"
#include "event/identity.h"
#include "port/avro.h"
#include "port/spool.h"

enum { GROUP = 20000 };

static const char body[] =
        "{\"case_id\":\"SKTM-1\",\"service\":\"surat-keterangan-kurang-mampu\","
        "\"actor\":{\"role\":\"OPERATOR\",\"name\":\"Budi Santoso\"},"
        "\"action\":\"SUBMITTED\",\"applicant\":{\"nik\":\"9909010101900001\","
        "\"name\":\"Siti Rahayu\",\"address\":\"RT 003 RW 002\"}}";

static struct fault fault;

static void must(bool ok)
{
	if (!ok) {
		fprintf(stderr, "%s\n", fault.text);
		exit(1);
	}
}

/* One event's bytes; all are alike but for their numbers and ids in the spool. */
static void encode(const struct catalog_topic *topic, const char *village,
        const char *incarnation, struct buffer *out, size_t *seam)
{
	struct avro_encoder *encoder;
	struct document *document;
	struct check_report report;
	struct arena arena = { 0 };
	struct value tree;
	char id[UUID_TEXT_BYTES];

	identity_new(id);
	must(avro_encoder_open(&encoder, topic->newest->schema, &fault));
	must(document_parse(&document, &arena, bytes_of(body), &report));
	must(check_record(topic->newest->schema, document, clock_wall_us(), &arena,
	        &tree, &report, &fault));
	must(value_set_text(&arena, &tree, "event_id", bytes_of(id), &fault)
	        && value_set_text(
	                &arena, &tree, "village_code", bytes_of(village), &fault)
	        && value_set_text(
	                &arena, &tree, "incarnation", bytes_of(incarnation), &fault));
	value_set_long(&tree, "recorded_at", clock_wall_us());
	envelope_frame(out, topic->newest->id);
	must(avro_encode(encoder, &tree, "seq", out, seam, &fault));
	*seam += FRAME_BYTES;
	avro_encoder_close(&encoder);
	arena_clear(&arena);
}

static void store_group(struct spool *spool, struct spool_draft *draft,
        struct head *head, const char *record, int64_t count)
{
	struct buffer headers = { 0 };
	struct spool_receipt receipt;
	char id[UUID_TEXT_BYTES];

	must(spool_begin(spool, &fault));
	for (int64_t i = 0; i < count; i++) {
		identity_new(id);
		must(identity_parse(bytes_of(id), draft->event_id));
		head->event_id = bytes_of(id);
		buffer_reset(&headers);
		envelope_pack(&headers, head, record, 1, (struct bytes){ 0 });
		draft->headers = buffer_bytes(&headers);
		must(spool_append(spool, draft, &receipt, &fault));
	}
	must(spool_commit(spool, &fault) && spool_witness(spool, &fault)
	        && spool_checkpoint(spool, false, &fault));
	buffer_clear(&headers);
}

int main(int argc, char **argv)
{
	const struct catalog_topic *topic;
	struct catalog *catalog;
	struct spool *spool;
	struct buffer value = { 0 };
	struct spool_draft draft = { .recorded_at_us = clock_wall_us() };
	struct head head = { .case_id = bytes_of("SKTM-1"),
		.occurred_at_us = draft.recorded_at_us,
		.recorded_at_us = draft.recorded_at_us };
	const char *topics[16];
	int64_t count;

	assert(argc == 4);
	count = atoll(argv[3]);
	head.village_code = bytes_of(argv[2]);
	must(catalog_open(&catalog, SOURCE_DIR "/schemas", "live", &fault));
	for (size_t i = 0; i < catalog->topic_count; i++)
		topics[i] = catalog->topics[i].topic;
	topic = catalog_short(catalog, "requests");
	draft.stream = (size_t)(topic - catalog->topics);
	must(spool_open(
	        &spool, argv[1], argv[2], NULL, topics, catalog->topic_count, &fault));
	encode(topic, argv[2], spool_incarnation(spool), &value, &draft.seam);
	draft.value = buffer_bytes(&value);
	for (int64_t left = count; left > 0; left -= GROUP)
		store_group(spool, &draft, &head,
		        schema_root(topic->newest->schema)->name,
		        left < GROUP ? left : GROUP);
	spool_close(&spool);
	printf("{\"events\": %lld, \"value_bytes\": %zu}\n", (long long)count,
	        value.size);
	buffer_clear(&value);
	catalog_close(&catalog);
	return 0;
}
