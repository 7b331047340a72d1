/* SPDX-License-Identifier: MIT */
/*
 * Villages cannot be asked for their /metrics from the hub, most have no address: what
 * the board knows of them stands for it, as it does for a sink that is down.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "monitor.h"

struct department_gauges {
	struct metric *lag_records;
	struct metric *lag_seconds;
	struct metric *dead;
	struct metric *up;
};

struct gauges {
	struct board *board;
	const struct watch *watch;
	struct metric *watchers;
	struct metric *dropped;
	size_t topic_count;
	struct metric *events[BOARD_TOPICS];
	struct metric *undecodable;
	struct metric *broker;
	struct metric *villages[VILLAGE_STATES];
	struct metric *waiting;
	struct metric *oldest;
	struct metric *bad;
	struct metric *warn;
	struct department_gauges departments[DEPARTMENTS];
	struct board_gauges now;
};

static int64_t age_s(int64_t since_us)
{
	int64_t age_us = clock_wall_us() - since_us;

	return since_us > 0 && age_us > 0 ? age_us / 1000000 : 0;
}

static void show_departments(struct gauges *gauges)
{
	int64_t now_us = clock_wall_us();

	for (size_t i = 0; i < gauges->now.departments.count; i++) {
		const struct department_line *line = &gauges->now.departments.all[i];
		struct department_gauges *own = &gauges->departments[i];

		metric_set(own->lag_records, line->lag);
		metric_set(own->lag_seconds, department_lag_seconds(line, now_us));
		metric_set(own->dead, line->dead);
		metric_set(own->up, strcmp(line->state, "running") == 0);
	}
}

static void show(void *context)
{
	struct gauges *gauges = context;
	struct board_gauges *now = &gauges->now;
	int64_t watchers;
	int64_t dropped;

	watch_counts(gauges->watch, &watchers, &dropped);
	metric_set(gauges->watchers, watchers);
	metric_set(gauges->dropped, dropped);
	board_gauges(gauges->board, now);
	for (size_t i = 0; i < gauges->topic_count; i++)
		metric_set(gauges->events[i], now->totals[i]);
	metric_set(gauges->undecodable, now->undecodable);
	metric_set(gauges->broker, now->broker_is_up);
	for (int i = 0; i < VILLAGE_STATES; i++)
		metric_set(gauges->villages[i], now->villages.states[i]);
	metric_set(gauges->waiting, now->villages.pending);
	metric_set(gauges->oldest, age_s(now->villages.oldest_pending_us));
	metric_set(gauges->bad, now->alarms_bad);
	metric_set(gauges->warn, now->alarms_warn);
	show_departments(gauges);
}

static void open_departments(struct gauges *gauges, struct health *health)
{
	const char *name;
	char label[96];

	for (size_t i = 0; (name = board_department_name(gauges->board, i)) != NULL;
	        i++) {
		struct department_gauges *own = &gauges->departments[i];

		snprintf(label, sizeof label, "department=\"%s\"", name);
		own->lag_records = health_metric(health, METRIC_GAUGE,
		        "kentongan_monitor_department_lag_records", label,
		        "Records that a department has not applied yet");
		own->lag_seconds = health_metric(health, METRIC_GAUGE,
		        "kentongan_monitor_department_lag_seconds", label,
		        "Age of the oldest of them; -1 when not known");
		own->dead = health_metric(health, METRIC_GAUGE,
		        "kentongan_monitor_department_dead_letters", label,
		        "Dead letters that wait for a person");
		own->up = health_metric(health, METRIC_GAUGE,
		        "kentongan_monitor_department_running", label,
		        "1 when its sink reports that it works");
	}
}

static void open_villages(struct gauges *gauges, struct health *health)
{
	char label[64];

	for (enum village_state state = 0; state < VILLAGE_STATES; state++) {
		snprintf(
		        label, sizeof label, "state=\"%s\"", village_state_name(state));
		gauges->villages[state] = health_metric(health, METRIC_GAUGE,
		        "kentongan_monitor_villages", label,
		        "Villages by the state they are in");
	}
	gauges->waiting =
	        health_metric(health, METRIC_GAUGE, "kentongan_monitor_waiting_events",
	                "", "Events that wait in villages, by their heartbeats");
	gauges->oldest = health_metric(health, METRIC_GAUGE,
	        "kentongan_monitor_oldest_waiting_seconds", "",
	        "Age of the oldest of them");
}

static void open_own(
        struct gauges *gauges, struct health *health, const struct catalog *catalog)
{
	char label[160];

	for (size_t i = 0; i < catalog->topic_count; i++) {
		snprintf(label, sizeof label, "topic=\"%s\"", catalog->topics[i].topic);
		gauges->events[i] = health_metric(health, METRIC_COUNTER,
		        "kentongan_monitor_events_total", label,
		        "Records that came since the start; the last day's, which are "
		        "read back, are not among them");
	}
	gauges->undecodable = health_metric(health, METRIC_COUNTER,
	        "kentongan_monitor_undecodable_events_total", "",
	        "Records among them that are none of ours");
	gauges->watchers = health_metric(health, METRIC_GAUGE,
	        "kentongan_monitor_watchers", "", "Pages that are open");
	gauges->dropped = health_metric(health, METRIC_COUNTER,
	        "kentongan_monitor_dropped_watchers_total", "",
	        "Pages that were too slow and sent away");
	gauges->broker = health_metric(health, METRIC_GAUGE,
	        "kentongan_monitor_broker_up", "", "1 when Kafka answers");
	gauges->bad = health_metric(health, METRIC_GAUGE, "kentongan_monitor_alarms",
	        "severity=\"bad\"", "Alarms that the page shows now");
	gauges->warn = health_metric(health, METRIC_GAUGE, "kentongan_monitor_alarms",
	        "severity=\"warn\"", "Alarms that the page shows now");
}

bool gauges_open(struct gauges **out, struct health *health, struct board *board,
        const struct watch *watch, const struct catalog *catalog, struct fault *fault)
{
	struct gauges *gauges = calloc(1, sizeof *gauges);

	if (gauges == NULL)
		return fault_memory(fault);
	gauges->board = board;
	gauges->watch = watch;
	gauges->topic_count = catalog->topic_count;
	open_own(gauges, health, catalog);
	open_villages(gauges, health);
	open_departments(gauges, health);
	health_on_look(health, show, gauges);
	*out = gauges;
	return true;
}

void gauges_close(struct gauges **gauges)
{
	free(*gauges);
	*gauges = NULL;
}
