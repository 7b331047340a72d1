/* SPDX-License-Identifier: MIT */
#include "flow/heirs.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "event/envelope.h"
#include "port/topic_consumer.h"

enum {
	READ_MS = 100,
	ROOM = 1000,
	BYTES = 1024 * 1024,
	PATIENCE = 100, /* empty reads */
};

/* As long as a gateway keeps its clients' keys. */
#define BACK_US (INT64_C(35) * 86400 * 1000000)

/* One read of what lies before end; last is the offset that was read last. */
static bool read_some(struct batch *batch, const struct stream *heir,
        struct consumer *consumer, struct topic_record *records, int64_t end,
        int64_t *last, int *patience, struct fault *fault)
{
	size_t count;
	bool ok = consumer_read(consumer, READ_MS, records, ROOM, BYTES, &count, fault)
	                  != NEWS_FAULT
	          && (count > 0 || --*patience > 0
	                  || fault_code(fault, FAULT_RETRY, "unreachable",
	                          "%s cannot be read back", heir->topic));

	for (size_t i = 0; ok && i < count; i++) {
		*last = records[i].offset;
		if (*last < end)
			ok = batch_earlier(batch, heir, &records[i], fault);
	}
	consumer_release(consumer, records, count);
	return ok;
}

/* Read the village's partition of the last weeks up to the end of the batch in hand. */
static bool read_back(struct batch *batch, const struct stream *heir, int32_t number,
        int64_t end, struct consumer *consumer, struct fault *fault)
{
	struct topic_place place = { heir->topic, number, 0 };
	struct topic_record *records;
	int64_t last = -1;
	int patience = PATIENCE;
	bool ok;

	if (!consumer_offsets_at(consumer, clock_wall_us() - BACK_US, &place, 1, fault))
		return false;
	if (place.offset < 0 || place.offset >= end)
		return true;
	records = calloc(ROOM, sizeof *records);
	if (records == NULL)
		return fault_memory(fault);
	ok = consumer_start(consumer, &place, 1, fault);
	while (ok && last + 1 < end)
		ok = read_some(
		        batch, heir, consumer, records, end, &last, &patience, fault);
	free(records);
	return ok;
}

bool heirs_know(struct batch *batch, const struct conf *conf, heirs_end *end,
        void *context, struct fault *fault)
{
	struct consumer *consumer = NULL;
	struct stream *heir;
	bool ok = true;

	while (ok && (heir = batch_heir(batch)) != NULL) {
		int32_t number = envelope_partition(
		        bytes_of(heir->village_code), batch->catalog->modulus);

		ok = (consumer != NULL || consumer_visit(&consumer, conf, fault))
		     && read_back(batch, heir, number,
		             end(context, heir->topic, number), consumer, fault);
		if (ok)
			log_info(NULL,
			        "village %s began a new life in %s; earlier events "
			        "known",
			        heir->village_code, heir->topic);
	}
	consumer_close(&consumer);
	return ok;
}
