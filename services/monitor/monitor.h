/* SPDX-License-Identifier: MIT */
#ifndef MONITOR_MONITOR_H
#define MONITOR_MONITOR_H

/* What the files of the monitor share. */

#include <pthread.h>
#include <stdatomic.h>

#include "board.h"
#include "event/catalog.h"
#include "port/http.h"
#include "port/loop.h"
#include "run/health.h"
#include "run/svc.h"

struct reader;
struct groups;
struct watch;
struct replays;
struct desk;
struct api;
struct access;
struct gauges;
struct minutes;
struct records;

/* reader.c: the thread that consumes the topics and fills the board. */
MUST_CHECK bool reader_open(struct reader **out, const struct conf *conf,
        const struct catalog *catalog, struct board *board, struct loop *loop,
        struct fault *fault);
void reader_close(struct reader **reader);

/* groups.c: the thread that asks for what the sinks have reported. */
MUST_CHECK bool groups_open(struct groups **out, const struct conf *conf,
        const struct catalog *catalog, struct board *board, struct fault *fault);
void groups_close(struct groups **groups);

/* watch.c: Server-Sent Events; the loop's thread. */
MUST_CHECK bool watch_open(struct watch **out, struct board *board, struct loop *loop,
        struct http *http, struct fault *fault);
void watch_close(struct watch **watch);

/* replay.c: the past as Server-Sent Events, each replay by a clerk. */
MUST_CHECK bool replays_open(struct replays **out, const struct conf *conf,
        const struct catalog *catalog, struct access *access, struct desk *desk,
        struct loop *loop, struct http *http, struct fault *fault);
void replays_close(struct replays **replays);

/*
 * Each second: send the picture to all watchers; news are alarms as Server-Sent Events,
 * changed the villages whose line changed, as a JSON array.
 */
void watch_second(
        struct watch *watch, const struct buffer *news, const struct buffer *changed);

/* How many watch, and how many were too slow and sent away. */
void watch_counts(const struct watch *watch, int64_t *watchers, int64_t *dropped);

/* api.c: the JSON behind the page; the loop's thread. */
MUST_CHECK bool api_open(struct api **out, struct board *board, struct desk *desk,
        struct access *access, struct http *http, struct fault *fault);
void api_close(struct api **api); /* after the listener */

/* gauges.c: the board as metrics. */
MUST_CHECK bool gauges_open(struct gauges **out, struct health *health,
        struct board *board, const struct watch *watch, const struct catalog *catalog,
        struct fault *fault);
void gauges_close(struct gauges **gauges); /* after its health */

/* minutes.c: /v1/minutes, how many events came when, by a clerk. */
MUST_CHECK bool minutes_open(struct minutes **out, const struct conf *conf,
        const struct catalog *catalog, struct loop *loop, struct http *http,
        struct fault *fault);
void minutes_close(struct minutes **minutes);

/* records.c: /v1/records/..., one record out of Kafka, by a clerk. */
MUST_CHECK bool records_open(struct records **out, const struct conf *conf,
        const struct catalog *catalog, struct access *access, struct desk *desk,
        struct loop *loop, struct http *http, struct fault *fault);
void records_close(struct records **records); /* before the listener, after the desk */

/* registry.c: the read side of a schema registry. */
void registry_serve(struct http *http, const struct catalog *catalog);

/* Answer with JSON that stands in the buffer, and clear it. */
void answer_json(struct http_request *request, struct buffer *out);

#endif
