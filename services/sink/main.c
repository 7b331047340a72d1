/* SPDX-License-Identifier: MIT */
/*
 * The sink writes one department's topics into its database. Rows and position are one
 * transaction, so a crash anywhere loses nothing and repeats nothing.
 */
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "flow/deliver.h"
#include "newcomers.h"
#include "port/topic_consumer.h"
#include "run/health.h"
#include "run/svc.h"

enum { SHOW_LAG_MS = 200 };

struct sink {
	struct svc *svc;
	struct catalog *catalog;
	struct department *department;
	struct newcomers *newcomers;
	struct deliver_schemas schemas;
	struct deliver *deliver;
	struct health *health;
	struct metric *applied[DELIVER_TOPICS];
	struct metric *dead[DEAD_CLASSES];
	struct metric *repeats;
	struct metric *parked;
	struct metric *straights;
	struct metric *open_dead;
	struct metric *held;
	struct metric *states[3];
	struct metric *commit_seconds;
	int64_t commits;
	/* what the partitions' metrics show */
	int64_t assignments;
	const char *state;
	int64_t lag_shown_us;
};

static const char *const states[] = { "running", "waiting", "halted" };

static const struct conf_key sink_keys[] = {
	CONF_MUST(PATH, department, "folder of the department, with department.conf"),
	CONF_KEY(PATH, schemas, "schemas", "folder of catalog.json and the schemas"),
	CONF_ONE_OF(
	        mode, "live", "live|latihan", "latihan reads the topics of training"),
	CONF_KEY(TEXT, registry, "",
	        "schema registry to ask for ids that the catalog lacks; empty: none"),
	CONSUMER_KEYS,
	DELIVER_KEYS,
	SVC_KEYS,
	CONF_END,
};

static void open_metrics(struct sink *sink)
{
	char label[160];

	for (size_t i = 0; i < sink->department->topic_count; i++) {
		snprintf(label, sizeof label, "topic=\"%s\"",
		        sink->department->topics[i].topic->topic);
		sink->applied[i] = health_metric(sink->health, METRIC_COUNTER,
		        "kentongan_sink_applied_events_total", label,
		        "Events applied since the start");
	}
	for (int i = 0; i < DEAD_CLASSES; i++) {
		snprintf(label, sizeof label, "class=\"%s\"",
		        dead_class_name((enum dead_class)i));
		sink->dead[i] = health_metric(sink->health, METRIC_COUNTER,
		        "kentongan_sink_dead_letters_total", label,
		        "Records set aside since the start");
	}
	sink->repeats = health_metric(sink->health, METRIC_COUNTER,
	        "kentongan_sink_repeated_events_total", "",
	        "Repeats dropped since the start");
	sink->parked = health_metric(sink->health, METRIC_COUNTER,
	        "kentongan_sink_parked_events_total", "",
	        "Records that had to wait since the start");
	sink->straights = health_metric(sink->health, METRIC_COUNTER,
	        "kentongan_sink_straight_batches_total", "",
	        "Batches copied into the tables themselves since the start");
	sink->open_dead = health_metric(sink->health, METRIC_GAUGE,
	        "kentongan_sink_open_dead_letters", "",
	        "Dead letters that wait for a person");
	sink->held =
	        health_metric(sink->health, METRIC_GAUGE, "kentongan_sink_held_cases",
	                "", "Cases of which a record waits or is a dead letter");
	for (int i = 0; i < 3; i++) {
		snprintf(label, sizeof label, "state=\"%s\"", states[i]);
		sink->states[i] = health_metric(sink->health, METRIC_GAUGE,
		        "kentongan_sink_state", label, "1 for the state it is in");
	}
	sink->commit_seconds = health_metric(sink->health, METRIC_HISTOGRAM,
	        "kentongan_sink_commit_seconds", "",
	        "From a batch in hand to its commit");
}

static bool sink_open(struct sink *sink, struct fault *fault)
{
	const struct conf *conf = svc_conf(sink->svc);

	if (!catalog_open(&sink->catalog, conf_text(conf, "schemas"),
	            conf_text(conf, "mode"), fault)
	        || !department_open(&sink->department, conf_text(conf, "department"),
	                sink->catalog, fault)
	        || !newcomers_open(&sink->newcomers, conf, fault))
		return false;
	sink->schemas = (struct deliver_schemas){ newcomers_find, sink->newcomers };
	if (!deliver_open(&sink->deliver, conf, sink->department, sink->catalog,
	            &sink->schemas, fault)
	        || !health_open(&sink->health, fault)
	        || !health_serve_alone(sink->health, conf_text(conf, "listen"), fault)
	        || !svc_write_address(sink->svc, health_address(sink->health), fault))
		return false;
	open_metrics(sink);
	log_info(NULL, "department=%s at %s", sink->department->name,
	        health_address(sink->health));
	return true;
}

static void sink_close(struct sink *sink)
{
	health_close(&sink->health);
	deliver_close(&sink->deliver);
	newcomers_close(&sink->newcomers);
	department_close(&sink->department);
	catalog_close(&sink->catalog);
}

/* What was shown of partitions that are another sink's now, or of a state that passed.
 */
static void hide_what_is_past(struct sink *sink)
{
	const struct deliver_counters *counters = deliver_counters(sink->deliver);

	if (sink->assignments != counters->assignments) {
		health_hide(sink->health, "kentongan_sink_lag_records");
		health_hide(sink->health, "kentongan_sink_lag_seconds");
	}
	if (sink->assignments != counters->assignments
	        || sink->state != counters->state)
		health_hide(sink->health, "kentongan_sink_partition_state");
	sink->assignments = counters->assignments;
	sink->state = counters->state;
}

static void show_partitions(struct sink *sink)
{
	struct deliver_lag lag;
	char label[192];
	int64_t now_us = clock_monotonic_us();

	if (now_us - sink->lag_shown_us < SHOW_LAG_MS * 1000)
		return;
	sink->lag_shown_us = now_us;
	hide_what_is_past(sink);
	for (size_t i = 0; deliver_lag(sink->deliver, i, &lag); i++) {
		snprintf(label, sizeof label,
		        "topic=\"%s\",partition=\"%d\",state=\"%s\"", lag.topic,
		        (int)lag.partition, sink->state);
		metric_set(health_metric(sink->health, METRIC_GAUGE,
		                   "kentongan_sink_partition_state", label,
		                   "1 for the state it is in"),
		        1);
		snprintf(label, sizeof label, "topic=\"%s\",partition=\"%d\"",
		        lag.topic, (int)lag.partition);
		metric_set(health_metric(sink->health, METRIC_GAUGE,
		                   "kentongan_sink_lag_records", label,
		                   "Records not yet applied; -1 when not known"),
		        lag.records);
		metric_set(health_metric(sink->health, METRIC_GAUGE,
		                   "kentongan_sink_lag_seconds", label,
		                   "Age of what was applied last, where more has come"),
		        lag.seconds);
	}
}

static void show(struct sink *sink)
{
	const struct deliver_counters *counters = deliver_counters(sink->deliver);

	for (size_t i = 0; i < sink->department->topic_count; i++)
		metric_set(sink->applied[i], counters->applied[i]);
	for (int i = 0; i < DEAD_CLASSES; i++)
		metric_set(sink->dead[i], counters->dead[i]);
	metric_set(sink->repeats, counters->repeats);
	metric_set(sink->parked, counters->parked);
	metric_set(sink->straights, counters->straights);
	metric_set(sink->open_dead, counters->open_dead);
	metric_set(sink->held, counters->held);
	for (int i = 0; i < 3; i++)
		metric_set(sink->states[i], strcmp(counters->state, states[i]) == 0);
	if (counters->commits > sink->commits)
		metric_seconds(sink->commit_seconds, counters->last_commit_us);
	sink->commits = counters->commits;
	health_ready(sink->health, counters->reason);
	show_partitions(sink);
}

static enum step sink_step(void *service, struct fault *fault)
{
	struct sink *sink = service;
	enum step step = deliver_step(sink->deliver, fault);

	show(sink);
	return step;
}

static const struct svc_program sink_program = {
	.name = "sink",
	.binary = "kentongan-sink",
	.purpose = "writes one department's topics into its database",
	.keys = sink_keys,
	.step = sink_step,
};

/*
 * Buffers of a batch grow by copying. Left to itself the C library soon puts them into
 * its heap, where each leaves a hole behind: 2 MB of 16.
 */
static void let_buffers_move(void)
{
	mallopt(M_MMAP_THRESHOLD, 256 * 1024);
}

int main(int argc, char **argv)
{
	struct sink sink = { 0 };
	struct fault fault = { 0 };

	let_buffers_move();
	if (svc_begin(&sink.svc, &sink_program, &sink, argc, argv, &fault)
	        && sink_open(&sink, &fault))
		svc_run(sink.svc, &fault);

	sink_close(&sink);
	return svc_end(&sink.svc, &fault);
}
