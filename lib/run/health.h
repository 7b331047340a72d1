/* SPDX-License-Identifier: MIT */
#ifndef RUN_HEALTH_H
#define RUN_HEALTH_H

/*
 * Counters and readiness of a program, and the three addresses that show them:
 * /healthz (alive), /readyz (can do its work now, else 503 with the reason) and
 * /metrics (Prometheus text format 0.0.4). Counters may be moved by any thread.
 *
 * No label ever holds a person, a case or an event.
 */

#include <stdint.h>

#include "base/fault.h"
#include "port/http.h"

struct health;
struct metric;

MUST_CHECK bool health_open(struct health **out, struct fault *fault);
void health_close(struct health **health);

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/*
 * A metric by its whole name; label is `topic="desa.requests"` or "". The same name
 * and label give the same metric. Never NULL: when memory is out, one that nobody sees.
 */
struct metric *health_metric(struct health *health, enum metric_type type,
        const char *name, const char *label, const char *help);

void metric_add(struct metric *metric, int64_t amount);
void metric_set(struct metric *metric, int64_t value);
int64_t metric_get(const struct metric *metric);
void metric_seconds(struct metric *metric, int64_t span_us); /* of a histogram */

/* Leave out all metrics of this name until they are set again: their labels may be
 * past. */
void health_hide(struct health *health, const char *name);

/* reason "" means ready. */
void health_ready(struct health *health, const char *reason);

/* Called before /metrics is written, on the thread that serves it; for gauges. */
void health_on_look(struct health *health, void (*look)(void *), void *context);

/* Serve the three addresses on a listener that exists. */
void health_serve(struct health *health, struct http *http);

/*
 * Serve them on a listener and a thread of their own, for a program whose main thread
 * waits elsewhere. Ended by health_close(). The address is health_address().
 */
MUST_CHECK bool health_serve_alone(
        struct health *health, const char *listen, struct fault *fault);
const char *health_address(const struct health *health);

#endif
