/* SPDX-License-Identifier: MIT */
/*
 * The account of every stream: what its village says that it accepted, what is in
 * Kafka, and what each department has. Kafka is read whole and its numbers are counted
 * here, so that no program's own word is taken for it but the villages' for "accepted".
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "ctl.h"
#include "event/catalog.h"
#include "event/envelope.h"
#include "event/format.h"
#include "event/identity.h"
#include "event/place.h"
#include "event/plan.h"
#include "flow/cases.h"
#include "port/table.h"
#include "port/topic_consumer.h"
#include "span.h"

enum {
	DEPARTMENTS = 64,
	TOPICS = 16,
	PARTITIONS = 256,
	BUCKETS = 4096,
	CELLS = 64,
	READ_MS = 200,
	READ_ROOM = 2000,
	READ_BYTES = 4 * 1024 * 1024,
	PATIENCE = 100, /* empty reads in a row */
};

struct share {
	int64_t first;
	int64_t high;
	int64_t applied;
	int64_t parked;
	int64_t dead;
	int64_t voided;
	int64_t missing;
	char *gaps;
	int64_t pending; /* in Kafka, behind what the department has read */
};

struct stream {
	struct stream *next;
	char key[256]; /* "village incarnation topic" */
	char village_code[16];
	char incarnation[UUID_TEXT_BYTES];
	char topic[128];
	int64_t accepted; /* -1: the village has not said */
	int64_t delivered;
	int64_t in_kafka;
	struct place_stream place;
	struct share shares[];
};

struct account {
	const struct ctl *ctl;
	struct catalog *catalog;
	struct consumer *consumer;
	struct plan **plans; /* of the head alone, by index of the catalog's schemas */
	struct plan *status;
	int32_t status_id;
	struct cell cells[CELLS];
	struct buffer scratch;
	struct stream *buckets[BUCKETS];
	size_t stream_count;
	const char *departments[DEPARTMENTS];
	const char *databases[DEPARTMENTS];
	bool takes[DEPARTMENTS][TOPICS]; /* by index of the catalog's topics */
	int64_t next[DEPARTMENTS][TOPICS][PARTITIONS]; /* offset that it reads next */
	size_t department_count;
	size_t department; /* that is being asked */
};

/* Streams */

static struct stream *find_stream(struct account *account, const char *village_code,
        const char *incarnation, const char *topic)
{
	const char *only = conf_text(account->ctl->conf, "village");
	struct stream **bucket;
	struct stream *stream;
	char key[256];

	if (only[0] != '\0' && strcmp(only, village_code) != 0)
		return NULL;
	snprintf(key, sizeof key, "%.15s %.36s %.127s", village_code, incarnation,
	        topic);
	bucket = &account->buckets[cases_hash(bytes_of(key)) % BUCKETS];
	for (stream = *bucket; stream != NULL; stream = stream->next)
		if (strcmp(stream->key, key) == 0)
			return stream;
	stream = calloc(
	        1, sizeof *stream + account->department_count * sizeof(struct share));
	if (stream == NULL)
		return NULL;
	memcpy(stream->key, key, sizeof key);
	snprintf(stream->village_code, sizeof stream->village_code, "%s", village_code);
	snprintf(stream->incarnation, sizeof stream->incarnation, "%s", incarnation);
	snprintf(stream->topic, sizeof stream->topic, "%s", topic);
	stream->accepted = stream->delivered = -1;
	stream->next = *bucket;
	*bucket = stream;
	account->stream_count++;
	return stream;
}

/* Reading a topic to its end as it is now */

typedef bool reader(struct account *account, const struct topic_record *record,
        struct fault *fault);

static bool bounds_of(struct account *account, const char *topic, struct span *span,
        struct fault *fault)
{
	int32_t partitions;

	if (!consumer_partitions(account->consumer, topic, &partitions, fault))
		return false;
	for (int32_t i = 0; i < partitions; i++) {
		int64_t low;
		int64_t high;

		if (!consumer_bounds(account->consumer, topic, i, &low, &high, fault))
			return false;
		if (low < high
		        && !span_add(span, (struct topic_place){ topic, i, low }, high))
			break;
	}
	return true;
}

static bool read_topic(
        struct account *account, const char *topic, reader *read, struct fault *fault)
{
	struct topic_record *records = calloc(READ_ROOM, sizeof *records);
	struct span span = { .count = 0 };
	int patience = PATIENCE;
	bool ok = (records != NULL || fault_memory(fault))
	          && bounds_of(account, topic, &span, fault)
	          && (span.count == 0
	                  || consumer_start(
	                          account->consumer, span.places, span.count, fault));

	while (ok && !span_is_read(&span, account->consumer)) {
		size_t count;

		ok = consumer_read(account->consumer, READ_MS, records, READ_ROOM,
		             READ_BYTES, &count, fault)
		             != NEWS_FAULT
		     && ((patience = count > 0 ? PATIENCE : patience - 1) > 0
		             || fault_code(fault, FAULT_RETRY, "unreachable",
		                     "%s cannot be read to its end", topic));
		for (size_t i = 0; ok && i < count; i++) {
			ok = read(account, &records[i], fault);
			span_pass(&span, &records[i]);
		}
		consumer_release(account->consumer, records, count);
	}
	free(records);
	return ok;
}

/* Index of a topic in the catalog; TOPICS: it is none of them. */
static size_t topic_index(const struct account *account, const char *topic)
{
	for (size_t i = 0; i < account->catalog->topic_count && i < TOPICS; i++)
		if (strcmp(account->catalog->topics[i].topic, topic) == 0)
			return i;
	return TOPICS;
}

/* What the villages say */

static void take_said(struct account *account, const char *village_code,
        const char *incarnation, const json_t *said)
{
	const char *topic = json_string_value(json_object_get(said, "topic"));
	const char *own = json_string_value(json_object_get(said, "incarnation"));
	const char *life = own ? own : incarnation;
	struct stream *stream;
	uint8_t id[16];

	if (topic == NULL || topic_index(account, topic) == TOPICS
	        || !identity_parse(bytes_of(life), id))
		return; /* whoever may write there may write anything */
	stream = find_stream(account, village_code, life, topic);
	if (stream == NULL)
		return;
	stream->accepted = json_integer_value(json_object_get(said, "last_seq"));
	stream->delivered = json_integer_value(json_object_get(said, "delivered_seq"));
}

static bool read_status(
        struct account *account, const struct topic_record *record, struct fault *fault)
{
	char village_code[16];
	char incarnation[40] = "";
	struct bytes value;
	size_t count;
	const struct column *columns = plan_columns(account->status, &count);
	int32_t id;

	if (!envelope_unframe(record->value, &id, &value, fault)
	        || id != account->status_id
	        || !plan_decode(account->status, value, account->cells,
	                &account->scratch, fault)
	        || !format_find("village-code")->fits(record->key)
	        || record->partition
	                   != envelope_partition(
	                           record->key, account->catalog->modulus))
		return fault->kind != FAULT_STOP; /* a stranger's: no village says it */
	snprintf(village_code, sizeof village_code, "%.*s", (int)record->key.size,
	        (const char *)record->key.data);
	for (size_t i = 0; i < count; i++)
		if (strcmp(columns[i].name, "incarnation") == 0)
			snprintf(incarnation, sizeof incarnation, "%.*s",
			        (int)account->cells[i].bytes.size,
			        (const char *)account->cells[i].bytes.data);
	for (size_t i = 0; i < count; i++) {
		struct bytes text = account->cells[i].bytes;
		json_t *streams;
		json_t *stream;
		size_t at;

		if (columns[i].type != COLUMN_JSONB || account->cells[i].is_null)
			continue;
		streams = json_loadb((const char *)text.data, text.size, 0, NULL);
		json_array_foreach(streams, at, stream)
		        take_said(account, village_code, incarnation, stream);
		json_decref(streams);
	}
	return true;
}

/* What is in Kafka */

static void note_pending(const struct account *account, struct stream *stream,
        const struct topic_record *record)
{
	size_t topic = topic_index(account, record->topic);

	if (topic == TOPICS || record->partition >= PARTITIONS)
		return;
	for (size_t i = 0; i < account->department_count; i++)
		stream->shares[i].pending +=
		        record->offset >= account->next[i][topic][record->partition];
}

/* As the sinks do, it takes a record for what a village says of itself only. */
static bool read_event(
        struct account *account, const struct topic_record *record, struct fault *fault)
{
	char village_code[16];
	char incarnation[UUID_TEXT_BYTES];
	struct stream *stream;
	struct bytes value;
	struct head head;
	uint8_t uuid[16];
	size_t i = 0;
	int32_t id;

	if (!envelope_unframe(record->value, &id, &value, fault))
		return true; /* not ours; the sinks have it among their dead letters */
	while (i < account->catalog->schema_count
	        && account->catalog->schemas[i].id != id)
		i++;
	if (i == account->catalog->schema_count || account->plans[i] == NULL)
		return true;
	if (!plan_decode(
	            account->plans[i], value, account->cells, &account->scratch, fault))
		return fault->kind != FAULT_STOP;
	plan_head(account->plans[i], account->cells, &head);
	if (!bytes_equal(record->key, head.village_code)
	        || head.village_code.size != VILLAGE_BYTES
	        || record->partition
	                   != envelope_partition(
	                           head.village_code, account->catalog->modulus)
	        || !identity_parse(head.incarnation, uuid))
		return true;
	identity_format(uuid, incarnation);
	snprintf(village_code, sizeof village_code, "%.*s", (int)head.village_code.size,
	        (const char *)head.village_code.data);
	stream = find_stream(account, village_code, incarnation, record->topic);
	if (stream == NULL)
		return true;
	switch (place_of(&stream->place, head.seq)) {
	case PLACE_REPEAT:
	case PLACE_JUMP:
		return true;
	case PLACE_NEXT:
	case PLACE_LATE:
	case PLACE_GAP:
		break;
	}
	stream->in_kafka++;
	note_pending(account, stream, record);
	return place_take(&stream->place, head.seq, fault);
}

/* What the departments have */

static bool note_takes(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	struct account *account = context;
	size_t topic = topic_index(account, texts[0]);
	long partition = strtol(texts[1], NULL, 10);

	(void)count;
	(void)fault;
	if (topic == TOPICS || partition >= PARTITIONS)
		return true;
	account->takes[account->department][topic] = true;
	account->next[account->department][topic][partition] =
	        strtoll(texts[2], NULL, 10);
	return true;
}

static bool note_share(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	struct account *account = context;
	struct stream *stream = find_stream(account, texts[0], texts[1], texts[2]);
	struct share *share;

	(void)count;
	if (stream == NULL)
		return true;
	share = &stream->shares[account->department];
	*share = (struct share){ strtoll(texts[3], NULL, 10),
		strtoll(texts[4], NULL, 10), strtoll(texts[5], NULL, 10),
		strtoll(texts[6], NULL, 10), strtoll(texts[7], NULL, 10),
		strtoll(texts[8], NULL, 10), strtoll(texts[9], NULL, 10),
		strdup(texts[10]), 0 };
	return share->gaps != NULL || fault_memory(fault);
}

static bool ask_department(struct account *account, struct fault *fault)
{
	struct table *table = NULL;
	bool ok = table_open(&table, account->databases[account->department],
	                  "kentongan account", "kentongan", fault)
	          && table_query(table,
	                  "SELECT topic, partition, next_offset FROM "
	                  "kentongan.log_position",
	                  note_takes, account, fault)
	          && table_query(table,
	                  "SELECT village_code, incarnation, topic, first_seq, "
	                  "high_seq, applied, parked, dead, void, missing, gaps "
	                  "FROM kentongan.stream_position",
	                  note_share, account, fault);

	table_close(&table);
	return ok || fault_wrap(fault, "%s", account->departments[account->department]);
}

/* Opening */

static bool compile(struct account *account, struct fault *fault)
{
	static const struct plan_grant head_only = { 0 };
	static const struct plan_grant all = { .everything = true };
	const struct catalog *catalog = account->catalog;
	const struct catalog_channel *status = catalog_channel(catalog, "status");

	account->plans = calloc(catalog->schema_count, sizeof(struct plan *));
	if (account->plans == NULL)
		return fault_memory(fault);
	for (size_t i = 0; i < catalog->schema_count; i++) {
		const struct catalog_schema *schema = &catalog->schemas[i];

		if (status != NULL && schema == status->newest)
			continue;
		if (!plan_compile(&account->plans[i], schema->schema, schema->schema,
		            &head_only, fault))
			return fault_wrap(fault, "%s", schema->file);
	}
	if (status == NULL || status->newest == NULL)
		return true;
	account->status_id = status->newest->id;
	return plan_compile(&account->status, status->newest->schema,
	        status->newest->schema, &all, fault);
}

static bool account_open(struct account *account, struct ctl *ctl, struct fault *fault)
{
	const char *name;
	const char *value;

	account->ctl = ctl;
	if (ctl->count != 0 || conf_text(ctl->conf, "brokers")[0] == '\0')
		return ctl_usage(fault, "account takes --brokers HOST:PORT");
	if (!ctl_village(ctl, false, fault))
		return false;
	while (account->department_count < DEPARTMENTS
	        && conf_member(ctl->conf, "departments", account->department_count,
	                &name, &value)) {
		account->departments[account->department_count] = name;
		account->databases[account->department_count++] = value;
	}
	return catalog_open(&account->catalog, conf_text(ctl->conf, "schemas"),
	               conf_text(ctl->conf, "mode"), fault)
	       && compile(account, fault)
	       && consumer_visit(&account->consumer, ctl->conf, fault);
}

static void account_close(struct account *account)
{
	for (size_t i = 0; i < BUCKETS; i++)
		while (account->buckets[i] != NULL) {
			struct stream *stream = account->buckets[i];

			account->buckets[i] = stream->next;
			for (size_t j = 0; j < account->department_count; j++)
				free(stream->shares[j].gaps);
			place_clear(&stream->place);
			free(stream);
		}
	for (size_t i = 0; account->plans && i < account->catalog->schema_count; i++)
		plan_close(&account->plans[i]);
	free(account->plans);
	plan_close(&account->status);
	buffer_clear(&account->scratch);
	consumer_close(&account->consumer);
	catalog_close(&account->catalog);
}

/* Departments first: what comes meanwhile is then pending, not missing in Kafka. */
static bool collect(struct account *account, struct fault *fault)
{
	const struct catalog_channel *status =
	        catalog_channel(account->catalog, "status");

	for (; account->department < account->department_count; account->department++)
		if (!ask_department(account, fault))
			return false;
	for (size_t i = 0; i < account->catalog->topic_count; i++)
		if (!read_topic(account, account->catalog->topics[i].topic, read_event,
		            fault))
			return false;
	return account->status == NULL
	       || read_topic(account, status->topic, read_status, fault);
}

/* Printing */

static bool takes(const struct account *account, size_t department, const char *topic)
{
	size_t index = topic_index(account, topic);

	return index < TOPICS && account->takes[department][index];
}

static void print_share(
        const struct account *account, const struct stream *stream, size_t department)
{
	const struct share *share = &stream->shares[department];

	if (account->ctl->json)
		printf("{\"department\": \"%s\", \"applied\": %" PRId64
		       ", \"waiting\": %" PRId64 ", \"dead\": %" PRId64
		       ", \"void\": %" PRId64 ", \"pending\": %" PRId64
		       ", \"first_seq\": %" PRId64 ", \"high_seq\": %" PRId64
		       ", \"missing\": %" PRId64 ", \"missing_numbers\": \"%s\"}",
		        account->departments[department], share->applied, share->parked,
		        share->dead, share->voided, share->pending, share->first,
		        share->high, share->missing, share->gaps ? share->gaps : "{}");
	else
		printf("    %-18s applied %" PRId64 ", waiting %" PRId64
		       ", dead %" PRId64 ", void %" PRId64 ", pending %" PRId64
		       ", missing %" PRId64 " %s\n",
		        account->departments[department], share->applied, share->parked,
		        share->dead, share->voided, share->pending, share->missing,
		        share->missing > 0 ? share->gaps : "");
}

static void print_stream(
        const struct account *account, const struct stream *stream, bool first)
{
	struct buffer gaps = { 0 };
	bool any = false;

	place_gaps_text(&stream->place, &gaps);
	buffer_append_byte(&gaps, 0);
	if (account->ctl->json)
		printf("%s\n {\"village_code\": \"%s\", \"incarnation\": \"%s\", "
		       "\"topic\": \"%s\", \"accepted\": %" PRId64
		       ", \"delivered\": %" PRId64 ", \"in_kafka\": %" PRId64
		       ", \"not_in_kafka\": \"%s\", \"departments\": [",
		        first ? "" : ",", stream->village_code, stream->incarnation,
		        stream->topic, stream->accepted, stream->delivered,
		        stream->in_kafka, gaps.failed ? "" : (char *)gaps.data);
	else
		printf("%s %s %.8s: accepted %" PRId64 ", in Kafka %" PRId64 "%s%s\n",
		        stream->village_code, stream->topic, stream->incarnation,
		        stream->accepted, stream->in_kafka,
		        stream->place.gap_count > 0 ? ", not in Kafka " : "",
		        stream->place.gap_count > 0 && !gaps.failed ? (char *)gaps.data
		                                                    : "");
	for (size_t i = 0; i < account->department_count; i++) {
		if (!takes(account, i, stream->topic))
			continue;
		printf("%s", account->ctl->json && any ? ", " : "");
		print_share(account, stream, i);
		any = true;
	}
	printf("%s", account->ctl->json ? "]}" : "");
	buffer_clear(&gaps);
}

static int by_key(const void *a, const void *b)
{
	const struct stream *const *one = a;
	const struct stream *const *two = b;

	return strcmp((*one)->key, (*two)->key);
}

static bool print_all(const struct account *account, struct fault *fault)
{
	const char *only = conf_text(account->ctl->conf, "village");
	const struct stream **sorted =
	        calloc(account->stream_count + 1, sizeof(struct stream *));
	size_t count = 0;

	if (sorted == NULL)
		return fault_memory(fault);
	for (size_t i = 0; i < BUCKETS; i++)
		for (const struct stream *at = account->buckets[i]; at; at = at->next)
			sorted[count++] = at;
	qsort(sorted, count, sizeof(struct stream *), by_key);
	printf("%s", account->ctl->json ? "[" : "");
	for (size_t i = 0; i < count; i++)
		print_stream(account, sorted[i], i == 0);
	printf("%s", account->ctl->json ? "]\n" : "");
	free(sorted);
	return count > 0 || only[0] == '\0'
	       || fault_set(fault, FAULT_REJECT,
	               "nothing is known of village %s, here or in Kafka", only);
}

bool ctl_account(struct ctl *ctl, struct fault *fault)
{
	struct account *account = calloc(1, sizeof *account);
	bool ok;

	if (account == NULL)
		return fault_memory(fault);
	ok = account_open(account, ctl, fault) && collect(account, fault)
	     && print_all(account, fault);
	account_close(account);
	free(account);
	return ok;
}
