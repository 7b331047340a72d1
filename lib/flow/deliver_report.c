/* SPDX-License-Identifier: MIT */
/* What others are told: metrics, and the text beside the offsets in the group. */
#include "flow/deliver_parts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum {
	REPORT_BYTES = 4000, /* Kafka takes 4,096 beside an offset */
	TITLE_BYTES = 96,
};

#define MINUTE_US INT64_C(60000000)

void deliver_note_span(struct deliver *deliver, const struct item *item, int64_t now_us)
{
	int64_t minute = now_us / MINUTE_US;

	if (item->recorded_at_us == 0)
		return;
	if (minute != deliver->spans_minute) {
		deliver->spans[1] = minute == deliver->spans_minute + 1
		                            ? deliver->spans[0]
		                            : (struct spread){ 0 };
		deliver->spans[0] = (struct spread){ 0 };
		deliver->spans_minute = minute;
	}
	spread_add(&deliver->spans[0], now_us - item->recorded_at_us);
}

const struct deliver_counters *deliver_counters(const struct deliver *deliver)
{
	return deliver->flies ? &deliver->before : &deliver->counters;
}

/* Offset of the record that it waits for; past markers, which are nobody's. */
static int64_t next_of(const struct deliver *deliver, const struct partition *partition)
{
	return consumer_beyond(deliver->consumer, partition->topic, partition->number,
	        partition->next);
}

bool deliver_lag(const struct deliver *deliver, size_t index, struct deliver_lag *out)
{
	const struct partition *partition;
	int64_t next;
	int64_t end;

	if (index >= deliver->partition_count)
		return false;
	partition = &deliver->partitions[index];
	end = consumer_end(deliver->consumer, partition->topic, partition->number);
	out->topic = partition->topic;
	out->partition = partition->number;
	next = next_of(deliver, partition);
	out->records = -1;
	if (deliver->running && !deliver->is_cut_off && end >= 0)
		out->records = end > next ? end - next : 0;
	out->seconds = out->records <= 0 || partition->appended_us == 0
	                       ? 0
	                       : (clock_wall_us() - partition->appended_us) / 1000000;
	return true;
}

/* How long events took from accepted to applied, this minute and the last. */
static void put_spans(const struct deliver *deliver, struct buffer *out)
{
	struct spread recent = deliver->spans[0];

	if (clock_wall_us() / MINUTE_US - deliver->spans_minute > 1)
		return;
	spread_take(&recent, &deliver->spans[1]);
	if (recent.total > 0)
		buffer_format(out, ",\"p50_us\":%" PRId64 ",\"p99_us\":%" PRId64,
		        spread_at(&recent, 500), spread_at(&recent, 990));
}

/* As many as there is room for, the newest first: `dead` says how many there are. */
static void put_letters(const struct deliver *deliver, struct buffer *out)
{
	buffer_append_text(out, ",\"letters\":[");
	for (size_t i = 0; i < deliver->letter_count; i++) {
		size_t size = strlen(deliver->letters[i]);

		if (out->size + size + sizeof ",]}" > REPORT_BYTES)
			break;
		buffer_append_text(out, i > 0 ? "," : "");
		buffer_append(out, deliver->letters[i], size);
	}
	buffer_append_byte(out, ']');
}

/* As docs/decisions/0050 has it; nothing of an event is in it. */
static void put_report(
        const struct deliver *deliver, bool with_letters, struct buffer *out)
{
	const struct deliver_counters *counters = &deliver->counters;
	const char *title = conf_text(deliver->department->conf, "title");
	int64_t applied = 0;
	int64_t row_us = 0;

	for (size_t i = 0; i < DELIVER_TOPICS; i++)
		applied += counters->applied[i];
	for (size_t i = 0; i < deliver->partition_count; i++)
		if (deliver->partitions[i].appended_us > row_us)
			row_us = deliver->partitions[i].appended_us;
	buffer_format(out, "{\"state\":\"%s\",\"reason\":", counters->state);
	buffer_append_json(out, bytes_of(counters->reason));
	buffer_append_text(out, ",\"title\":");
	buffer_append_json(out, bytes_of(strlen(title) < TITLE_BYTES ? title : ""));
	buffer_format(out,
	        ",\"dead\":%" PRId64 ",\"parked\":%" PRId64 ",\"applied\":%" PRId64,
	        counters->open_dead, counters->waiting, applied);
	put_spans(deliver, out);
	buffer_format(out, ",\"database\":\"%s\"", deliver->rival.own);
	buffer_format(out, ",\"row_at\":%" PRId64 ",\"at\":%" PRId64, row_us / 1000000,
	        clock_wall_us() / 1000000);
	if (with_letters)
		put_letters(deliver, out);
	buffer_append_text(out, "}");
	buffer_append_byte(out, '\0');
}

/* Beside some of our offsets, count of them from the first on. */
static void report_beside(
        struct deliver *deliver, size_t first, size_t count, bool with_letters)
{
	struct topic_place *places = calloc(count + 1, sizeof *places);
	struct buffer text = { 0 };

	put_report(deliver, with_letters, &text);
	for (size_t i = 0; places != NULL && i < count; i++)
		places[i] = (struct topic_place){ deliver->partitions[first + i].topic,
			deliver->partitions[first + i].number,
			next_of(deliver, &deliver->partitions[first + i]) };
	if (count > 0 && places != NULL && !text.failed)
		consumer_commit(
		        deliver->consumer, places, count, (const char *)text.data);
	free(places);
	buffer_clear(&text);
}

/*
 * Lag tools read this, and the monitor: docs/decisions/0002. The letters stand beside
 * the first partition only: Kafka keeps what is written, and it is written often.
 */
void deliver_report(struct deliver *deliver)
{
	report_beside(deliver, 0, 1, true);
	report_beside(deliver, 1, deliver->partition_count - 1, false);
	deliver->reported_us = clock_monotonic_us();
	deliver->report_due = false;
}
