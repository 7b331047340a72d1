/* SPDX-License-Identifier: MIT */
/*
 * The monitor shows what passes: it reads the topics on its own, keeps counters and a
 * short ring in memory, and serves the live page and the schemas. It has no state to
 * lose.
 */
#include <stdio.h>

#include "access.h"
#include "base/embedded.h"
#include "base/log.h"
#include "desk.h"
#include "monitor.h"
#include "port/topic_consumer.h"
#include "run/assets.h"

enum { SECOND_MS = 1000 };

struct monitor {
	struct svc *svc;
	struct catalog *catalog;
	struct board *board;
	struct loop *loop;
	struct access *access;
	struct http *http;
	struct health *health;
	struct watch *watch;
	struct replays *replays;
	struct minutes *minutes;
	struct records *records;
	struct desk *desk;
	struct api *api;
	struct reader *reader;
	struct groups *groups;
	struct gauges *gauges;
};

extern const struct embedded embedded_page[];

static const struct conf_key monitor_keys[] = {
	CONSUMER_KEYS,
	CONF_KEY(PATH, schemas, "schemas", "folder of catalog.json and the schemas"),
	CONF_ONE_OF(
	        mode, "live", "live|latihan", "latihan shows the topics of training"),
	CONF_KEY(PATH, villages, "data/villages.csv", "register of villages"),
	CONF_KEY(
	        TEXT, departments, "", "names of the departments, with commas between"),
	CONF_KEY(TEXT, satu_data, "",
	        "libpq connection string of satu_data, for cases; its password only by "
	        "passfile="),
	CONF_KEY(SOME, history, "1000", "newest events that are kept in memory"),
	CONF_KEY(SOME, replays, "20", "replays at the same time"),
	CONF_KEY(SOME, replays_each, "5",
	        "of one person, by the name of the token or of the proxy's user"),
	CONF_KEY(BYTES, replay_rate, "2M",
	        "most bytes a second that one of them reads from Kafka; 0: any"),
	CONF_KEY(SOME, max_connections, "1000", "connections at the same time"),
	CONF_KEY(TEXT, hosts, "",
	        "names with commas between under which the page is served"),
	ACCESS_KEYS,
	SVC_KEYS,
	CONF_END,
};

/* Everything that goes by the clock. */
static void each_second(void *context)
{
	struct monitor *monitor = context;
	struct buffer news = { 0 };
	struct buffer changed = { 0 };

	health_ready(monitor->health, board_is_reading(monitor->board)
	                                      ? "the last day is still being read"
	                                      : "");
	board_settle(monitor->board, &news, &changed);
	watch_second(monitor->watch, &news, &changed);
	buffer_clear(&news);
	buffer_clear(&changed);
}

static bool open_http(struct monitor *monitor, struct fault *fault)
{
	static const struct http_route page[] = {
		{ "GET", "/", NULL, 0, assets_serve, (void *)embedded_page },
		{ "GET", "/assets/", NULL, 0, assets_serve, (void *)embedded_page },
		{ "GET", "/villages/", NULL, 0, assets_serve_index,
		        (void *)embedded_page },
		{ "GET", "/cases/", NULL, 0, assets_serve_index,
		        (void *)embedded_page },
		{ 0 },
	};
	const struct conf *conf = svc_conf(monitor->svc);
	struct http_settings settings = {
		.listen = conf_text(conf, "listen"),
		.connections = (unsigned)conf_number(conf, "max_connections"),
		.connections_per_address = 64,
		.deadline_ms = 30000,
		.hosts = conf_text(conf, "hosts"),
		.gate = access_admit,
		.gate_context = monitor->access,
	};

	if (!http_open(&monitor->http, monitor->loop, &settings, fault)
	        || !watch_open(&monitor->watch, monitor->board, monitor->loop,
	                monitor->http, fault)
	        || !replays_open(&monitor->replays, conf, monitor->catalog,
	                monitor->access, monitor->desk, monitor->loop, monitor->http,
	                fault)
	        || !minutes_open(&monitor->minutes, conf, monitor->catalog,
	                monitor->loop, monitor->http, fault)
	        || !records_open(&monitor->records, conf, monitor->catalog,
	                monitor->access, monitor->desk, monitor->loop, monitor->http,
	                fault)
	        || !api_open(&monitor->api, monitor->board, monitor->desk,
	                monitor->access, monitor->http, fault)
	        || !health_open(&monitor->health, fault))
		return false;
	registry_serve(monitor->http, monitor->catalog);
	http_serve(monitor->http, page);
	health_serve(monitor->health, monitor->http);
	return gauges_open(&monitor->gauges, monitor->health, monitor->board,
	               monitor->watch, monitor->catalog, fault)
	       && svc_write_address(monitor->svc, http_address(monitor->http), fault);
}

static bool monitor_open(struct monitor *monitor, struct fault *fault)
{
	const struct conf *conf = svc_conf(monitor->svc);
	struct loop_timer *second;

	if (!catalog_open(&monitor->catalog, conf_text(conf, "schemas"),
	            conf_text(conf, "mode"), fault)
	        || !board_open(&monitor->board, monitor->catalog,
	                conf_text(conf, "villages"), conf_text(conf, "departments"),
	                (size_t)conf_number(conf, "history"), fault)
	        || !loop_open(&monitor->loop, fault)
	        || !desk_open(&monitor->desk, conf, monitor->catalog, monitor->board,
	                monitor->loop, fault)
	        || !access_open(&monitor->access, conf, fault)
	        || !open_http(monitor, fault)
	        || !loop_timer_open(monitor->loop, &second, each_second, monitor, fault)
	        || !reader_open(&monitor->reader, conf, monitor->catalog,
	                monitor->board, monitor->loop, fault)
	        || !groups_open(&monitor->groups, conf, monitor->catalog,
	                monitor->board, fault))
		return false;
	loop_timer_set(second, SECOND_MS, SECOND_MS);
	log_info(NULL, "watching at %s", http_address(monitor->http));
	return true;
}

static void monitor_close(struct monitor *monitor)
{
	groups_close(&monitor->groups);
	reader_close(&monitor->reader);
	desk_close(&monitor->desk);
	records_close(&monitor->records);
	http_close(&monitor->http);
	minutes_close(&monitor->minutes);
	replays_close(&monitor->replays);
	watch_close(&monitor->watch);
	api_close(&monitor->api);
	access_close(&monitor->access);
	health_close(&monitor->health);
	gauges_close(&monitor->gauges);
	loop_close(&monitor->loop);
	board_close(&monitor->board);
	catalog_close(&monitor->catalog);
}

static enum step monitor_step(void *service, struct fault *fault)
{
	struct monitor *monitor = service;

	(void)fault;
	loop_turn(monitor->loop);
	return STEP_DONE;
}

static void monitor_hurry(void *service)
{
	struct monitor *monitor = service;

	if (monitor->loop != NULL)
		loop_wake(monitor->loop);
}

/* Of what the settings name: who is let in, and where. */
static bool monitor_check(const struct conf *conf, struct fault *fault)
{
	struct access *access = NULL;
	bool ok = access_open(&access, conf, fault)
	          && access_check_listener(access, conf_text(conf, "listen"), fault);

	access_close(&access);
	return ok;
}

/* What can be changed without a start: who may look. Streams are asked for anew. */
static void monitor_reload(void *service)
{
	struct monitor *monitor = service;
	struct fault fault = { 0 };

	if (!access_reload(monitor->access, &fault)) {
		log_fault(NULL, "tokens and roles stay as they were", &fault);
		return;
	}
	http_end_streams(monitor->http);
	log_info(NULL, "tokens and roles were read again");
}

static const struct svc_program monitor_program = {
	.name = "monitor",
	.binary = "kentongan-monitor",
	.purpose = "shows what passes through the hub, live",
	.keys = monitor_keys,
	.check = monitor_check,
	.step = monitor_step,
	.hurry = monitor_hurry,
	.reload = monitor_reload,
};

int main(int argc, char **argv)
{
	struct monitor monitor = { 0 };
	struct fault fault = { 0 };

	if (svc_begin(&monitor.svc, &monitor_program, &monitor, argc, argv, &fault)
	        && monitor_open(&monitor, &fault))
		svc_run(monitor.svc, &fault);

	monitor_close(&monitor);
	return svc_end(&monitor.svc, &fault);
}
