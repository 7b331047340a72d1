/* SPDX-License-Identifier: MIT */
#include "run/health.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 12, NAME_BYTES = 96, LABEL_BYTES = 128, REASON_BYTES = 256 };

/* Upper bounds in microseconds: a commit takes from half a millisecond to seconds. */
static const int64_t bucket_us[BUCKETS] = { 500, 1000, 2000, 5000, 10000, 20000, 50000,
	100000, 250000, 500000, 1000000, 5000000 };

struct metric {
	struct metric *next;
	enum metric_type type;
	char name[NAME_BYTES];
	char label[LABEL_BYTES];
	const char *help;
	atomic_bool hidden;
	_Atomic int64_t value; /* of a histogram: the sum, in microseconds */
	_Atomic int64_t counts[BUCKETS + 1];
};

struct health {
	pthread_mutex_t lock; /* of the list and the reason */
	struct metric *metrics;
	char reason[REASON_BYTES];
	void (*look)(void *context);
	void *look_context;
	struct http_route routes[4];
	/* of health_serve_alone() */
	pthread_t thread;
	bool has_thread;
	atomic_bool ending;
	struct loop *loop;
	struct http *http;
};

static struct metric lost; /* what is counted when there is no memory to count in */

bool health_open(struct health **out, struct fault *fault)
{
	struct health *health = calloc(1, sizeof *health);

	if (health == NULL)
		return fault_memory(fault);
	pthread_mutex_init(&health->lock, NULL);
	snprintf(health->reason, sizeof health->reason, "starting");
	*out = health;
	return true;
}

void health_close(struct health **health)
{
	struct health *old = *health;

	if (old == NULL)
		return;
	if (old->has_thread) {
		atomic_store(&old->ending, true);
		loop_wake(old->loop);
		pthread_join(old->thread, NULL);
	}
	http_close(&old->http);
	loop_close(&old->loop);
	while (old->metrics != NULL) {
		struct metric *next = old->metrics->next;

		free(old->metrics);
		old->metrics = next;
	}
	pthread_mutex_destroy(&old->lock);
	free(old);
	*health = NULL;
}

static struct metric *find_metric(struct health *health, const char *name,
        const char *label, struct metric ***place)
{
	struct metric **at = &health->metrics;

	/* Metrics of one name stand together, as the format demands. */
	*place = NULL;
	for (; *at != NULL; at = &(*at)->next) {
		if (strcmp((*at)->name, name) != 0)
			continue;
		*place = &(*at)->next;
		if (strcmp((*at)->label, label) == 0)
			return *at;
	}
	if (*place == NULL)
		*place = at;
	return NULL;
}

struct metric *health_metric(struct health *health, enum metric_type type,
        const char *name, const char *label, const char *help)
{
	struct metric **place;
	struct metric *metric;

	pthread_mutex_lock(&health->lock);
	metric = find_metric(health, name, label, &place);
	if (metric == NULL) {
		metric = calloc(1, sizeof *metric);
		if (metric != NULL) {
			metric->type = type;
			metric->help = help;
			snprintf(metric->name, sizeof metric->name, "%s", name);
			snprintf(metric->label, sizeof metric->label, "%s", label);
			metric->next = *place;
			*place = metric;
		}
	}
	pthread_mutex_unlock(&health->lock);
	return metric ? metric : &lost;
}

void metric_add(struct metric *metric, int64_t amount)
{
	atomic_fetch_add_explicit(&metric->value, amount, memory_order_relaxed);
}

void metric_set(struct metric *metric, int64_t value)
{
	atomic_store_explicit(&metric->value, value, memory_order_relaxed);
	atomic_store_explicit(&metric->hidden, false, memory_order_relaxed);
}

int64_t metric_get(const struct metric *metric)
{
	return atomic_load_explicit(&metric->value, memory_order_relaxed);
}

void metric_seconds(struct metric *metric, int64_t span_us)
{
	int bucket = 0;

	while (bucket < BUCKETS && span_us > bucket_us[bucket])
		bucket++;
	atomic_fetch_add_explicit(&metric->counts[bucket], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&metric->value, span_us, memory_order_relaxed);
}

void health_hide(struct health *health, const char *name)
{
	pthread_mutex_lock(&health->lock);
	for (struct metric *at = health->metrics; at != NULL; at = at->next)
		if (strcmp(at->name, name) == 0)
			atomic_store_explicit(&at->hidden, true, memory_order_relaxed);
	pthread_mutex_unlock(&health->lock);
}

void health_ready(struct health *health, const char *reason)
{
	pthread_mutex_lock(&health->lock);
	snprintf(health->reason, sizeof health->reason, "%s", reason);
	pthread_mutex_unlock(&health->lock);
}

void health_on_look(struct health *health, void (*look)(void *), void *context)
{
	health->look = look;
	health->look_context = context;
}

static void write_histogram(const struct metric *metric, struct buffer *out)
{
	const char *comma = metric->label[0] ? "," : "";
	const char *open = metric->label[0] ? "{" : "";
	const char *close = metric->label[0] ? "}" : "";
	int64_t count = 0;

	for (int i = 0; i < BUCKETS; i++) {
		count += atomic_load(&metric->counts[i]);
		buffer_format(out, "%s_bucket{%s%sle=\"%g\"} %lld\n", metric->name,
		        metric->label, comma, (double)bucket_us[i] / 1e6,
		        (long long)count);
	}
	count += atomic_load(&metric->counts[BUCKETS]);
	buffer_format(out, "%s_bucket{%s%sle=\"+Inf\"} %lld\n", metric->name,
	        metric->label, comma, (long long)count);
	buffer_format(out, "%s_sum%s%s%s %.6f\n", metric->name, open, metric->label,
	        close, (double)metric_get(metric) / 1e6);
	buffer_format(out, "%s_count%s%s%s %lld\n", metric->name, open, metric->label,
	        close, (long long)count);
}

static void write_metric(
        const struct metric *metric, const char *before, struct buffer *out)
{
	static const char *const types[] = { "counter", "gauge", "histogram" };

	if (strcmp(before, metric->name) != 0)
		buffer_format(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name,
		        metric->help, metric->name, types[metric->type]);
	if (metric->type == METRIC_HISTOGRAM)
		write_histogram(metric, out);
	else
		buffer_format(out, "%s%s%s%s %lld\n", metric->name,
		        metric->label[0] ? "{" : "", metric->label,
		        metric->label[0] ? "}" : "", (long long)metric_get(metric));
}

static void serve_metrics(void *context, struct http_request *request)
{
	struct health *health = context;
	struct buffer out = { 0 };
	const char *before = "";

	if (health->look != NULL)
		health->look(health->look_context);
	pthread_mutex_lock(&health->lock);
	for (const struct metric *at = health->metrics; at != NULL; at = at->next) {
		if (atomic_load_explicit(&at->hidden, memory_order_relaxed))
			continue;
		write_metric(at, before, &out);
		before = at->name;
	}
	pthread_mutex_unlock(&health->lock);
	http_answer(request, 200, "text/plain; version=0.0.4; charset=utf-8",
	        buffer_bytes(&out));
	buffer_clear(&out);
}

static void serve_alive(void *context, struct http_request *request)
{
	(void)context;
	http_answer(request, 200, "text/plain; charset=utf-8", bytes_of("alive\n"));
}

static void serve_ready(void *context, struct http_request *request)
{
	struct health *health = context;
	char text[REASON_BYTES + 2];
	bool ready;

	pthread_mutex_lock(&health->lock);
	ready = health->reason[0] == '\0';
	snprintf(text, sizeof text, "%s\n", ready ? "ready" : health->reason);
	pthread_mutex_unlock(&health->lock);
	http_answer(request, ready ? 200 : 503, "text/plain; charset=utf-8",
	        bytes_of(text));
}

void health_serve(struct health *health, struct http *http)
{
	health->routes[0] =
	        (struct http_route){ "GET", "/healthz", NULL, 0, serve_alive, health };
	health->routes[1] =
	        (struct http_route){ "GET", "/readyz", NULL, 0, serve_ready, health };
	health->routes[2] = (struct http_route){ "GET", "/metrics", NULL, 0,
		serve_metrics, health };
	http_serve(http, health->routes);
}

static void *serve_thread(void *context)
{
	struct health *health = context;

	while (!atomic_load(&health->ending))
		loop_turn(health->loop);
	return NULL;
}

bool health_serve_alone(struct health *health, const char *listen, struct fault *fault)
{
	struct http_settings settings = { .listen = listen,
		.connections = 32,
		.connections_per_address = 8,
		.deadline_ms = 10000,
		.hosts = "" };

	if (strncmp(listen, "127.", 4) != 0 && strncmp(listen, "[::1]:", 6) != 0)
		return fault_set(fault, FAULT_STOP,
		        "listen on %s: expected an address of this machine itself, "
		        "such as 127.0.0.1:0",
		        listen);
	if (!loop_open(&health->loop, fault)
	        || !http_open(&health->http, health->loop, &settings, fault))
		return false;
	health_serve(health, health->http);
	health->has_thread =
	        pthread_create(&health->thread, NULL, serve_thread, health) == 0;
	return health->has_thread || fault_memory(fault);
}

const char *health_address(const struct health *health)
{
	return http_address(health->http);
}
