/* SPDX-License-Identifier: MIT */
/*
 * The gateway stands in a village. It takes events by HTTP, answers when they are on
 * disk, and sends them to the hub whenever there is a link.
 */
#include "gateway.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "base/embedded.h"
#include "base/file.h"
#include "base/log.h"
#include "run/assets.h"

extern const struct embedded embedded_page[];

enum { REFRESH_MS = 5000 };

static const char void_subject[] = "id.go.jember.desa.Void";

static const struct conf_key gateway_keys[] = {
	KEEPER_KEYS,
	CONF_KEY(PATH, schemas, "schemas", "folder of catalog.json and the schemas"),
	CONF_ONE_OF(mode, "live", "live|latihan",
	        "latihan is for training: other topics that reach no department"),
	CONF_KEY(SOME, max_connections, "512", "connections at the same time"),
	CONF_KEY(SOME, max_connections_per_address, "64",
	        "of them from one address; this machine's own are not counted"),
	CONF_KEY(MS, request_deadline_ms, "10000",
	        "longest that a request may take to arrive; then it is 408"),
	CONF_KEY(TEXT, hosts, "",
	        "names with commas between under which the page is served"),
	ORDERS_KEYS,
	CONF_KEY(PATH, tokens, "",
	        "file of lines `name sha256 scope,scope`; without it the gateway "
	        "listens on this machine only"),
	CONF_KEY(SOME, requests_per_second, "200", "most that one token may ask"),
	CONF_KEY(PATH, tls_certificate, "", "PEM file with the chain; with it TLS"),
	CONF_KEY(PATH, tls_key, "", "PEM file with the certificate's key"),
	SVC_KEYS,
	CONF_END,
};

static struct http_route *add_route(struct http_route *at, const char *method,
        const char *path, http_handler *handle, void *context)
{
	*at = (struct http_route){ method, path, NULL, 0, handle, context };
	return at + 1;
}

static void show_openapi(void *context, struct http_request *request)
{
	struct gateway *gateway = context;

	http_answer(request, 200, "application/json", buffer_bytes(&gateway->openapi));
}

static void lay_routes(struct gateway *gateway)
{
	const struct catalog *catalog = gateway->catalog;
	struct http_route *at = gateway->routes;

	for (size_t i = 0; i < catalog->topic_count; i++)
		*at++ = (struct http_route){ "POST", gateway->intakes[i].path,
			"application/json", catalog->body_bytes, accept_one,
			&gateway->intakes[i] };
	*at++ = (struct http_route){ "POST", "/v1/batch", "application/x-ndjson",
		catalog->batch_bytes, accept_batch, gateway };
	*at++ = (struct http_route){ "POST", "/v1/resend", "application/json",
		catalog->body_bytes, repair_resend, gateway };
	*at++ = (struct http_route){ "POST", "/v1/events/", "application/json",
		catalog->body_bytes, repair_void, gateway };
	at = add_route(at, "GET", "/v1/status", status_show, gateway);
	at = add_route(at, "GET", "/v1/events/", status_event, gateway);
	at = add_route(at, "GET", "/v1/events", status_events, gateway);
	at = add_route(at, "GET", "/openapi.json", show_openapi, gateway);
	at = add_route(at, "GET", "/assets/", assets_serve, (void *)embedded_page);
	at = add_route(at, "GET", "/", assets_serve, (void *)embedded_page);
	http_serve(gateway->http, gateway->routes);
}

static bool open_intakes(struct gateway *gateway, struct fault *fault)
{
	if (gateway->catalog->topic_count > GATEWAY_TOPICS)
		return fault_set(fault, FAULT_STOP, "catalog.json: more than %d topics",
		        GATEWAY_TOPICS);
	for (size_t i = 0; i < gateway->catalog->topic_count; i++) {
		struct intake *intake = &gateway->intakes[i];
		char label[160];

		intake->gateway = gateway;
		intake->stream = i;
		intake->topic = &gateway->catalog->topics[i];
		snprintf(intake->path, sizeof intake->path, "/v1/%s",
		        intake->topic->name);
		snprintf(label, sizeof label, "topic=\"%s\"", intake->topic->topic);
		intake->accepted = health_metric(gateway->health, METRIC_COUNTER,
		        "kentongan_gateway_accepted_events_total", label,
		        "Events on disk since the start");
		intake->delivered = health_metric(gateway->health, METRIC_COUNTER,
		        "kentongan_gateway_delivered_events_total", label,
		        "Events confirmed by the broker since the start");
		if (!avro_encoder_open(
		            &intake->encoder, intake->topic->newest->schema, fault))
			return false;
	}
	for (size_t i = 0; i < gateway->catalog->schema_count; i++)
		if (strcmp(gateway->catalog->schemas[i].subject, void_subject) == 0)
			gateway->void_schema = &gateway->catalog->schemas[i];
	if (gateway->void_schema != NULL
	        && !avro_encoder_open(
	                &gateway->void_encoder, gateway->void_schema->schema, fault))
		return false;
	gateway->pending = health_metric(gateway->health, METRIC_GAUGE,
	        "kentongan_gateway_pending_events", "",
	        "Events that wait to be delivered");
	gateway->oldest = health_metric(gateway->health, METRIC_GAUGE,
	        "kentongan_gateway_oldest_pending_seconds", "",
	        "Age of the oldest event that waits");
	return true;
}

static bool read_openapi(struct gateway *gateway, struct fault *fault)
{
	char path[4096];

	snprintf(path, sizeof path, "%s/openapi.json",
	        conf_text(svc_conf(gateway->svc), "schemas"));
	return file_read(path, &gateway->openapi, fault);
}

/* A key alone, or a certificate alone, is a listener without TLS that was meant to be
 * one. */
static bool check_tls(const struct conf *conf, struct fault *fault)
{
	return (conf_text(conf, "tls_certificate")[0] == '\0')
	               == (conf_text(conf, "tls_key")[0] == '\0')
	       || fault_set(fault, FAULT_STOP,
	               "tls_certificate and tls_key belong together: set both, or "
	               "none");
}

static bool check_village(const struct conf *conf, struct fault *fault)
{
	static const char shape[] = "99.99.99.9999";
	const char *code = conf_text(conf, "village");
	bool fits = strlen(code) == sizeof shape - 1;

	for (size_t i = 0; fits && shape[i] != '\0'; i++)
		fits = shape[i] == '9' ? code[i] >= '0' && code[i] <= '9'
		                       : code[i] == '.';
	return fits
	       || fault_set(fault, FAULT_STOP,
	               "village: expected a code such as 35.09.01.2001");
}

static bool gateway_check(const struct conf *conf, struct fault *fault)
{
	return check_village(conf, fault) && check_tls(conf, fault);
}

/* Whoever can reach the gateway can write in the village's name. */
static bool check_exposure(const struct gateway *gateway, struct fault *fault)
{
	if (http_listens_locally(gateway->http))
		return true;
	if (!tokens_any(gateway->tokens))
		return fault_set(fault, FAULT_STOP,
		        "listen: without tokens the gateway listens on this machine "
		        "only, on 127.0.0.1 or [::1]; set tokens to a file of them");
	if (conf_text(svc_conf(gateway->svc), "tls_certificate")[0] == '\0')
		log_warn(NULL, "tokens travel in the clear: set tls_certificate and "
		               "tls_key, or let a proxy on this machine do TLS");
	return true;
}

static bool open_http(struct gateway *gateway, struct fault *fault)
{
	const struct conf *conf = svc_conf(gateway->svc);
	struct http_settings settings = {
		.listen = conf_text(conf, "listen"),
		.connections = (unsigned)conf_number(conf, "max_connections"),
		.connections_per_address =
		        (unsigned)conf_number(conf, "max_connections_per_address"),
		.deadline_ms = (unsigned)conf_number(conf, "request_deadline_ms"),
		.hosts = conf_text(conf, "hosts"),
		.gate = tokens_admit,
		.gate_context = gateway->tokens,
		.certificate = conf_text(conf, "tls_certificate"),
		.key = conf_text(conf, "tls_key"),
	};

	return http_open(&gateway->http, gateway->loop, &settings, fault)
	       && check_exposure(gateway, fault)
	       && svc_write_address(gateway->svc, http_address(gateway->http), fault);
}

static bool gateway_open(struct gateway *gateway, struct fault *fault)
{
	const struct conf *conf = svc_conf(gateway->svc);
	struct clock_reading now;
	struct loop_timer *refresh;

	if (!catalog_open(&gateway->catalog, conf_text(conf, "schemas"),
	            conf_text(conf, "mode"), fault)
	        || !read_openapi(gateway, fault)
	        || !health_open(&gateway->health, fault)
	        || !open_intakes(gateway, fault) || !loop_open(&gateway->loop, fault)
	        || !keeper_open(&gateway->keeper, gateway->loop, conf, gateway->catalog,
	                &gateway->timekeeper, fault)
	        || !heartbeat_open(&gateway->heartbeat, conf, gateway->catalog, fault)
	        || !loop_timer_open(
	                gateway->loop, &refresh, status_refresh, gateway, fault)
	        || !tokens_open(&gateway->tokens, conf_text(conf, "tokens"),
	                conf_number(conf, "requests_per_second"), gateway->catalog,
	                fault)
	        || !open_http(gateway, fault))
		return false;
	if (!orders_open(
	            &gateway->orders, gateway->keeper, conf, gateway->catalog, fault))
		return false;
	now = clock_reading_now();
	timekeeper_init(&gateway->timekeeper, keeper_newest_day(gateway->keeper), &now);
	lay_routes(gateway);
	health_serve(gateway->health, gateway->http);
	health_on_look(gateway->health, status_refresh, gateway);
	loop_timer_set(refresh, 0, REFRESH_MS);
	gateway->was_open = true;
	log_info(NULL, "accepting village=%s mode=%s at %s", conf_text(conf, "village"),
	        conf_text(conf, "mode"), http_address(gateway->http));
	return true;
}

/* The keeper before the HTTP: what it has in hand is still answered. */
static void gateway_close(struct gateway *gateway)
{
	orders_close(&gateway->orders);
	keeper_close(&gateway->keeper);
	http_close(&gateway->http);
	tokens_close(&gateway->tokens);
	heartbeat_close(&gateway->heartbeat);
	loop_close(&gateway->loop);
	for (size_t i = 0; i < GATEWAY_TOPICS; i++)
		avro_encoder_close(&gateway->intakes[i].encoder);
	avro_encoder_close(&gateway->void_encoder);
	health_close(&gateway->health);
	catalog_close(&gateway->catalog);
	arena_clear(&gateway->arena);
	buffer_clear(&gateway->openapi);
}

static enum step gateway_step(void *service, struct fault *fault)
{
	struct gateway *gateway = service;
	struct fault illness;

	loop_turn(gateway->loop);
	keeper_tell(gateway->keeper);
	if (!keeper_is_ill(gateway->keeper, &illness)) {
		health_ready(
		        gateway->health, keeper_room_told(gateway->keeper) < ROOM_FULL
		                                 ? ""
		                                 : "no room on the disk");
		return STEP_DONE;
	}
	health_ready(gateway->health, illness.text);
	if (illness.kind != FAULT_STOP)
		return STEP_DONE;
	*fault = illness;
	return STEP_FAULT;
}

static void gateway_hurry(void *service)
{
	struct gateway *gateway = service;

	if (gateway->loop != NULL)
		loop_wake(gateway->loop);
}

static bool check_producer(const struct conf *fresh, struct fault *fault)
{
	return producer_check(PRODUCER_EVENTS, fresh, fault);
}

/*
 * What can be changed without a start: limits that are looked at anew each time, the
 * way to the hub with its certificates' files, and the tokens.
 */
static void gateway_reload(void *service)
{
	static const char *const names[] = { "keep_days", "disk_low_bytes",
		"disk_scarce_bytes", "disk_full_bytes", "blocked_retry_ms", "orders_ms",
		"drain_ms", "log_level", "brokers", "link", "kafka", NULL };
	struct gateway *gateway = service;
	struct fault fault;

	if (svc_renew(gateway->svc, names, check_producer, &fault)) {
		keeper_renew(gateway->keeper);
		heartbeat_renew(gateway->heartbeat);
	} else {
		log_fault(NULL, "the settings stay as they were", &fault);
	}
	if (!tokens_any(gateway->tokens))
		return;
	if (tokens_reload(gateway->tokens, &fault))
		log_info(NULL, "the tokens were read again");
	else
		log_fault(NULL, "the tokens stay as they were", &fault);
}

static const struct svc_program gateway_program = {
	.name = "gateway",
	.binary = "kentongan-gateway",
	.purpose = "takes a village's events and sends them to the hub",
	.keys = gateway_keys,
	.check = gateway_check,
	.step = gateway_step,
	.hurry = gateway_hurry,
	.reload = gateway_reload,
};

/* A damaged spool, and a disk that did not obey, are dealt with by starting. */
static void begin_again(struct gateway *gateway, struct fault *fault, char **argv)
{
	bool damaged = strcmp(fault->code, "damaged") == 0;
	struct fault aside;

	if (!gateway->was_open || fault->kind != FAULT_STOP
	        || (!damaged && strcmp(fault->code, "internal") != 0))
		return;
	log_error(NULL, "%s; beginning again", fault->text);
	if (damaged
	        && !spool_set_aside(conf_text(svc_conf(gateway->svc), "spool"),
	                fault->text, &aside)) {
		*fault = aside;
		return;
	}
	svc_start_again(argv);
}

/*
 * The buffers of a batch grow by copying and live for moments. Left to itself the C
 * library soon puts them into its heap, which then keeps what eight batches at once
 * took. Its end stays, or each batch would pay for growing it anew.
 */
static void let_buffers_move(void)
{
	mallopt(M_MMAP_THRESHOLD, 256 * 1024);
	mallopt(M_TRIM_THRESHOLD, 1024 * 1024);
}

int main(int argc, char **argv)
{
	struct gateway gateway = { 0 };
	struct fault fault = { 0 };

	let_buffers_move();
	if (svc_begin(&gateway.svc, &gateway_program, &gateway, argc, argv, &fault)
	        && gateway_open(&gateway, &fault))
		svc_run(gateway.svc, &fault);

	gateway_close(&gateway);
	begin_again(&gateway, &fault, argv);
	return svc_end(&gateway.svc, &fault);
}
