/* SPDX-License-Identifier: MIT */
/*
 * Both commands read Kafka for one department: `log adopt` goes on with a topic that
 * was lost or made anew, `department try` shows what a mapping would write.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "flow/apply.h"
#include "flow/replay_words.h"
#include "port/topic_consumer.h"
#include "rows.h"
#include "span.h"

enum { READ_MS = 200, READ_BYTES = 8 * 1024 * 1024 };

struct bench {
	struct catalog *catalog;
	struct department *department;
	struct apply apply;
	struct consumer *consumer;
	struct topic_record *records;
	size_t count;
	size_t room;
};

static bool bench_open(
        struct bench *bench, struct ctl *ctl, const char *folder, struct fault *fault)
{
	const struct conf *conf = ctl->conf;

	if (folder[0] == '\0')
		return ctl_usage(fault, "--department DIR is missing");
	if (conf_text(conf, "database")[0] == '\0')
		return ctl_usage(fault, "--database CONNINFO is missing");
	if (conf_text(conf, "brokers")[0] == '\0')
		return ctl_usage(fault, "--brokers HOST:PORT is missing");
	return catalog_open(&bench->catalog, conf_text(conf, "schemas"),
	               conf_text(conf, "mode"), fault)
	       && department_open(&bench->department, folder, bench->catalog, fault)
	       && apply_open(&bench->apply, bench->department, bench->catalog, fault)
	       && apply_connect(
	               &bench->apply, conf_text(conf, "database"), "kentongan", fault)
	       && consumer_visit(&bench->consumer, conf, fault);
}

static void bench_close(struct bench *bench)
{
	if (bench->consumer != NULL)
		consumer_release(bench->consumer, bench->records, bench->count);
	free(bench->records);
	consumer_close(&bench->consumer);
	apply_close(&bench->apply);
	department_close(&bench->department);
	catalog_close(&bench->catalog);
}

/* Adopt */

static bool put_starts(struct bench *bench, const char *topic, struct fault *fault)
{
	struct buffer *text = &bench->apply.text;
	int32_t count;

	if (!consumer_partitions(bench->consumer, topic, &count, fault))
		return false;
	if (count == 0)
		return fault_set(
		        fault, FAULT_REJECT, "%s: there is no such topic", topic);
	buffer_reset(text);
	for (int32_t i = 0; i < count; i++) {
		int64_t low;
		int64_t high;

		if (!consumer_bounds(bench->consumer, topic, i, &low, &high, fault))
			return false;
		buffer_format(text,
		        "%c{\"topic\":\"%s\",\"partition\":%d,\"start\":%" PRId64 "}",
		        i == 0 ? '[' : ',', topic, (int)i, low);
	}
	buffer_append_byte(text, ']');
	return buffer_ok(text, fault);
}

static bool print_adopted(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	struct rows *rows = context;

	(void)count;
	(void)fault;
	if (rows->json)
		printf("%s{\"partition\": %s, \"old_offset\": %s, \"new_offset\": %s}",
		        rows->count > 0 ? ", " : "", texts[0], texts[1], texts[2]);
	else
		printf("partition %s: from %s to %s\n", texts[0], texts[1], texts[2]);
	rows->count++;
	return true;
}

static bool adopt(
        struct bench *bench, struct ctl *ctl, const char *topic, struct fault *fault)
{
	struct apply *apply = &bench->apply;
	struct rows rows = { .json = ctl->json };
	bool ok;

	if (batch_lane(&apply->batch, topic) == NULL)
		return fault_set(fault, FAULT_REJECT,
		        "the department does not take %.64s", topic);
	if (!put_starts(bench, topic, fault))
		return false;
	buffer_append_text(&apply->sql, "SELECT * FROM kentongan.adopt(");
	if (!table_quote(apply->table, buffer_bytes(&apply->text), &apply->sql, fault))
		return false;
	buffer_append_text(&apply->sql, ", ");
	if (!table_quote(apply->table, bytes_of(ctl_who()), &apply->sql, fault))
		return false;
	buffer_append_text(&apply->sql, ", ");
	if (!table_quote(apply->table, bytes_of(conf_text(ctl->conf, "reason")),
	            &apply->sql, fault))
		return false;
	buffer_append_byte(&apply->sql, ')');
	printf("%s", ctl->json ? "[" : "");
	ok = apply_ask(apply, print_adopted, &rows, fault);
	printf("%s", ctl->json ? "]\n" : "");
	return ok;
}

bool ctl_log_adopt(struct ctl *ctl, struct fault *fault)
{
	struct bench bench = { 0 };
	const char *topic;
	bool ok = ctl_one_argument(ctl, "the topic", &topic, fault)
	          && ctl_reason(ctl, fault)
	          && bench_open(&bench, ctl, conf_text(ctl->conf, "department"), fault)
	          && adopt(&bench, ctl, topic, fault);

	bench_close(&bench);
	return ok;
}

/* Try */

/* Where every partition of the department's topics stood at a time. */
static bool places_at(struct bench *bench, int64_t time_us,
        struct topic_place places[SPAN_PARTITIONS], size_t *count, struct fault *fault)
{
	*count = 0;
	for (size_t i = 0; i < bench->department->topic_count; i++) {
		const char *topic = bench->department->topics[i].topic->topic;
		int32_t partitions;

		if (!consumer_partitions(bench->consumer, topic, &partitions, fault))
			return false;
		for (int32_t j = 0; j < partitions && *count < SPAN_PARTITIONS; j++)
			places[(*count)++] =
			        (struct topic_place){ .topic = topic, .partition = j };
	}
	return consumer_offsets_at(bench->consumer, time_us, places, *count, fault);
}

/* Those that hold something from there on; the others would be waited for. */
static bool find_span(struct bench *bench, int64_t from_us, struct span *span,
        int64_t *records, struct fault *fault)
{
	struct topic_place places[SPAN_PARTITIONS];
	size_t count;

	*records = 0;
	if (!places_at(bench, from_us, places, &count, fault))
		return false;
	for (size_t i = 0; i < count; i++) {
		int64_t low;
		int64_t high;

		if (!consumer_bounds(bench->consumer, places[i].topic,
		            places[i].partition, &low, &high, fault))
			return false;
		if (places[i].offset < 0 || places[i].offset >= high)
			continue;
		*records += high - places[i].offset;
		if (!span_add(span, places[i], high))
			break;
	}
	return true;
}

static bool read_some(
        struct bench *bench, struct ctl *ctl, int64_t from_us, struct fault *fault)
{
	struct span span = { .count = 0 };
	size_t limit = ctl_limit(ctl, 100);
	int64_t there;

	if (!find_span(bench, from_us, &span, &there, fault))
		return false;
	bench->room = (int64_t)limit < there ? limit : (size_t)there;
	bench->records = calloc(bench->room + 1, sizeof *bench->records);
	if (bench->records == NULL)
		return fault_memory(fault);
	if (bench->room > 0
	        && !consumer_start(bench->consumer, span.places, span.count, fault))
		return false;
	while (bench->count < bench->room && !span_is_read(&span, bench->consumer)) {
		size_t got;

		if (consumer_read(bench->consumer, READ_MS,
		            bench->records + bench->count, bench->room - bench->count,
		            READ_BYTES, &got, fault)
		        == NEWS_FAULT)
			return false;
		for (size_t i = 0; i < got; i++)
			span_pass(&span, &bench->records[bench->count + i]);
		bench->count += got;
	}
	return true;
}

static bool begin_trial(struct apply *apply, void *context, struct fault *fault)
{
	(void)context;
	buffer_append_text(&apply->sql,
	        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;"
	        "SELECT pg_current_xact_id(); SAVEPOINT before_all;");
	return buffer_ok(&apply->sql, fault);
}

static void print_refused(const struct apply *apply, const struct ctl *ctl)
{
	bool any = false;

	for (size_t i = 0; i < apply->batch.lane_count; i++)
		for (size_t j = 0; j < apply->batch.lanes[i].item_count; j++) {
			const struct item *item = &apply->batch.lanes[i].items[j];
			const struct refusal *why = batch_refusal(item);

			if (item->fate != FATE_DEAD && item->fate != FATE_PARKED)
				continue;
			printf(ctl->json ? "%s{\"topic\": \"%s\", \"partition\": %d, "
			                   "\"offset\": %" PRId64
			                   ", \"class\": \"%s\", \"sqlstate\": \"%s\", "
			                   "\"constraint_name\": \"%s\"}"
			                 : "%sset aside %s/%d offset %" PRId64
			                   " %s %s %s\n",
			        ctl->json && any ? ", " : "", item->record->topic,
			        (int)item->record->partition, item->record->offset,
			        item->fate == FATE_DEAD ? dead_class_name(why->class)
			                                : "waits",
			        why->sqlstate, why->constraint);
			any = true;
		}
}

static bool try_records(struct bench *bench, struct ctl *ctl, struct fault *fault)
{
	struct rows rows = { .json = ctl->json,
		.personal = conf_flag(ctl->conf, "personal") };
	const struct apply_frame frame = { .begin = begin_trial,
		.end = rows_look,
		.context = &rows,
		.apart = true,
		.roll_back = true };
	struct apply *apply = &bench->apply;
	bool ok = true;

	for (size_t i = 0; ok && i < bench->count; i++)
		ok = batch_add(&apply->batch, &bench->records[i], fault);
	/* They may have been applied long ago: their numbers are no matter here. */
	for (size_t i = 0; i < apply->batch.lane_count; i++)
		for (size_t j = 0; j < apply->batch.lanes[i].item_count; j++)
			apply->batch.lanes[i].items[j].was = WAS_PARKED;
	printf("%s", ctl->json ? "{\"rows\": [" : "");
	ok = ok && apply_batch(apply, &frame, fault);
	printf("%s", ctl->json ? "], \"set_aside\": [" : "");
	if (ok)
		print_refused(apply, ctl);
	if (ctl->json)
		printf("], \"records\": %zu}\n", bench->count);
	else
		printf("%zu records, %zu rows; nothing is kept\n", bench->count,
		        rows.count);
	rows_clear(&rows);
	return ok;
}

bool ctl_department_try(struct ctl *ctl, struct fault *fault)
{
	struct bench bench = { 0 };
	const char *folder;
	int64_t from_us;
	bool ok = ctl_one_argument(ctl, "the department's folder", &folder, fault);

	if (ok && !replay_parse_time(conf_text(ctl->conf, "from"), &from_us))
		ok = ctl_usage(fault,
		        "--from takes a time such as 2026-11-21T08:00 (of Jember) or "
		        "2026-11-21T08:00:00+07:00");
	ok = ok && bench_open(&bench, ctl, folder, fault)
	     && read_some(&bench, ctl, from_us, fault)
	     && try_records(&bench, ctl, fault);
	bench_close(&bench);
	return ok;
}
