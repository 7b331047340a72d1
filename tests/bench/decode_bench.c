/* SPDX-License-Identifier: MIT */
/*
 * What decoding one Request of about 350 bytes costs: by the plan (all columns, and
 * the head and two of them), by Avro-C's reader, and memcpy as the bound; what
 * compiling the plan costs; what the way from JSON text to Avro bytes costs beside
 * jansson's part in it. Prints JSON; medians of 21 runs, all measures in turns.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <avro.h>
#include <jansson.h>

#include "event/catalog.h"
#include "event/check.h"
#include "event/plan.h"
#include "port/avro.h"

enum {
	RUNS = 21,
	ROUNDS = 50000,
	AVRO_ROUNDS = 10000,
	JSON_ROUNDS = 2000,
	COMPILE_ROUNDS = 500
};

static const char body[] =
        "{\"case_id\":\"SKTM-2026-0042\",\"service\":\"surat-keterangan-kurang-mampu\","
        "\"event_id\":\"0192f3a4-5678-7abc-8def-0123456789ab\","
        "\"actor\":{\"role\":\"OPERATOR\",\"name\":\"Budi "
        "Santoso\"},\"action\":\"SUBMITTED\","
        "\"applicant\":{\"nik\":\"9909010101900001\",\"name\":\"Siti Rahayu\","
        "\"address\":\"Dusun Krajan RT 003 RW 002, "
        "Padomasan\",\"phone\":\"081234567890\"},"
        "\"attributes\":{\"keperluan\":\"keringanan biaya berobat\"},\"documents\":["
        "{\"kind\":\"kk\",\"sha256\":"
        "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}]}";

static struct plan *whole;
static struct plan *part;
static struct cell cells[64];
static struct buffer scratch;
static struct buffer value;
static struct fault fault;
static avro_value_t generic;

static void must(bool ok)
{
	if (!ok) {
		fprintf(stderr, "%s\n", fault.text);
		exit(1);
	}
}

static const struct schema *schema;
static struct avro_encoder *encoder;
static struct arena arena;

static void encode_once(void)
{
	static struct check_report report;
	struct document *document;
	struct value tree;

	arena_reset(&arena);
	buffer_reset(&value);
	must(document_parse(&document, &arena, bytes_of(body), &report));
	must(check_record(
	        schema, document, 1790000000000000, &arena, &tree, &report, &fault));
	must(value_set_text(
	        &arena, &tree, "village_code", bytes_of("35.09.01.2001"), &fault));
	must(value_set_text(&arena, &tree, "incarnation",
	        bytes_of("0192f3a4-5678-7abc-8def-0123456789ac"), &fault));
	value_set_long(&tree, "recorded_at", 1790000000000000);
	value_set_long(&tree, "seq", 123456);
	must(avro_encode(encoder, &tree, NULL, &value, NULL, &fault));
}

static void parse_once(void)
{
	json_t *json = json_loadb(
	        body, sizeof body - 1, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);

	must(json != NULL);
	json_decref(json);
}

static void compile_once(void)
{
	static const struct plan_grant all = { .everything = true };
	struct plan *fresh;

	must(plan_compile(&fresh, schema, schema, &all, &fault));
	plan_close(&fresh);
}

static void whole_once(void)
{
	must(plan_decode(whole, buffer_bytes(&value), cells, &scratch, &fault));
}

static void part_once(void)
{
	must(plan_decode(part, buffer_bytes(&value), cells, &scratch, &fault));
}

static void avro_once(void)
{
	static avro_reader_t reader;

	if (reader == NULL)
		reader = avro_reader_memory(
		        (const char *)value.data, (int64_t)value.size);
	avro_reader_memory_set_source(
	        reader, (const char *)value.data, (int64_t)value.size);
	must(avro_value_read(reader, &generic) == 0);
}

static void copy_once(void)
{
	static volatile uint8_t sink;
	static uint8_t copy[4096];

	memcpy(copy, value.data, value.size);
	sink = copy[value.size / 2];
	(void)sink;
}

static int by_size(const void *a, const void *b)
{
	double left = *(const double *)a;
	double right = *(const double *)b;

	return (left > right) - (left < right);
}

/* Of this process: what else runs on the machine is not our cost. */
static double cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

enum { WHOLE, PART, AVRO_C, COPY, COMPILE, ENCODE, PARSE, MEASURES };

static struct measure {
	void (*once)(void);
	int rounds;
	double runs[RUNS];
} measures[MEASURES] = {
	[WHOLE] = { whole_once, ROUNDS, { 0 } },
	[PART] = { part_once, ROUNDS, { 0 } },
	[AVRO_C] = { avro_once, AVRO_ROUNDS, { 0 } },
	[COPY] = { copy_once, ROUNDS, { 0 } },
	[COMPILE] = { compile_once, COMPILE_ROUNDS, { 0 } },
	[ENCODE] = { encode_once, JSON_ROUNDS, { 0 } },
	[PARSE] = { parse_once, JSON_ROUNDS, { 0 } },
};

/* In turns, so that a busy moment of the machine is not one measure's alone. */
static void measure_all(void)
{
	for (int run = 0; run < RUNS; run++)
		for (int i = 0; i < MEASURES; i++) {
			struct measure *measure = &measures[i];
			double began = cpu_ns();

			for (int round = 0; round < measure->rounds; round++)
				measure->once();
			measure->runs[run] = (cpu_ns() - began) / measure->rounds;
		}
}

static double median_ns(int which)
{
	double *runs = measures[which].runs;

	qsort(runs, RUNS, sizeof *runs, by_size);
	return runs[RUNS / 2];
}

static void prepare(void)
{
	static const char *const five[] = { "action", "applicant_nik", NULL };
	const struct plan_grant all = { .everything = true };
	const struct plan_grant some = { .columns = five };
	struct catalog *catalog;
	avro_schema_t own;

	must(catalog_open(&catalog, SOURCE_DIR "/schemas", "live", &fault));
	schema = catalog_short(catalog, "requests")->newest->schema;
	must(avro_encoder_open(&encoder, schema, &fault));
	encode_once();
	must(plan_compile(&whole, schema, schema, &all, &fault));
	must(plan_compile(&part, schema, schema, &some, &fault));
	must(avro_schema_from_json_length((const char *)schema_text(schema).data,
	             schema_text(schema).size, &own)
	        == 0);
	must(avro_generic_value_new(avro_generic_class_from_schema(own), &generic)
	        == 0);
}

static void must_not_allocate(void)
{
	struct mallinfo2 before;

	whole_once();
	before = mallinfo2();
	for (int i = 0; i < ROUNDS; i++)
		whole_once();
	must(mallinfo2().uordblks == before.uordblks);
}

int main(void)
{
	prepare();
	must_not_allocate();
	measure_all();
	printf("{\"bytes\": %zu, \"plan_ns\": %.0f, \"plan_head_and_two_ns\": %.0f, "
	       "\"avro_c_ns\": %.0f, \"memcpy_ns\": %.1f, \"compile_us\": %.0f, "
	       "\"json_bytes\": %zu, \"json_to_avro_ns\": %.0f, \"jansson_ns\": "
	       "%.0f}\n",
	        value.size, median_ns(WHOLE), median_ns(PART), median_ns(AVRO_C),
	        median_ns(COPY), median_ns(COMPILE) / 1000, sizeof body - 1,
	        median_ns(ENCODE), median_ns(PARSE));
	return 0;
}
