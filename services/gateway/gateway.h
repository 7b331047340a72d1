/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_GATEWAY_H
#define GATEWAY_GATEWAY_H

/* What the files of the gateway share. Everything is the loop's thread's. */

#include "base/timekeeper.h"
#include "event/catalog.h"
#include "event/check.h"
#include "heartbeat.h"
#include "keeper.h"
#include "orders.h"
#include "port/avro.h"
#include "port/http.h"
#include "port/loop.h"
#include "run/health.h"
#include "run/svc.h"
#include "tokens.h"

enum { GATEWAY_TOPICS = 16 };

struct gateway;

/* One topic as the gateway takes it. */
struct intake {
	struct gateway *gateway;
	size_t stream;
	const struct catalog_topic *topic;
	struct avro_encoder *encoder;
	struct metric *accepted;
	struct metric *delivered;
	char path[64]; /* "/v1/requests" */
};

struct gateway {
	struct svc *svc;
	struct loop *loop;
	struct http *http;
	struct health *health;
	struct keeper *keeper;
	struct heartbeat *heartbeat;
	struct orders *orders;
	struct tokens *tokens;
	const struct catalog_schema *void_schema; /* NULL: the catalog has none */
	struct avro_encoder *void_encoder;
	struct catalog *catalog;
	struct intake intakes[GATEWAY_TOPICS];
	struct http_route routes[GATEWAY_TOPICS + 16];
	struct arena arena;         /* of the event that is being checked */
	struct check_report report; /* of it */
	struct buffer openapi;
	bool was_open;
	struct metric *pending;
	struct metric *oldest;
	struct timekeeper timekeeper;
};

/* accept.c: POST of one event, and of a batch. */
void accept_one(void *intake, struct http_request *request);
void accept_batch(void *gateway, struct http_request *request);

/* status.c: what can be asked. */
void status_show(void *gateway, struct http_request *request);
void status_event(void *gateway, struct http_request *request);
void status_events(void *gateway, struct http_request *request);

/* repair.c: what a person orders. */
void repair_resend(void *gateway, struct http_request *request);
void repair_void(void *gateway, struct http_request *request);

/* Ask the keeper for the figures behind /metrics; they arrive a moment later. */
void status_refresh(void *gateway);

void status_unknown(struct http_request *request); /* there is no such event */

/* answer.c: what both say. */
void answer_receipt(const struct gateway *gateway, const struct spool_receipt *receipt,
        struct buffer *out);
void answer_fault(struct http_request *request, const struct fault *fault);
void answer_no_room(struct http_request *request, bool batch);
void answer_report(struct http_request *request, const struct check_report *report);

/* Append the report's faults as members of a JSON array; line 0: not a batch. */
void answer_errors(const struct check_report *report, size_t line, struct buffer *out);
void answer_misfit(struct http_request *request, enum check_verdict verdict,
        const struct buffer *errors);

#endif
