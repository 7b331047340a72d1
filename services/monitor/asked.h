/* SPDX-License-Identifier: MIT */
#ifndef MONITOR_ASKED_H
#define MONITOR_ASKED_H

/* What an address asks of the past: /replay?from=...&to=... and /v1/minutes. */

#include "base/conf.h"
#include "flow/replay.h"
#include "port/http.h"

enum { ASKED_BYTES = 128, ASKED_CASE_BYTES = 404 /* 100 code points of four bytes */ };

/* The wish looks into the texts beside it, so an asked stays where it is. */
struct asked {
	struct replay_wish wish;
	char village[ASKED_BYTES];
	char district[16];
	char case_id[ASKED_CASE_BYTES];
	char service[ASKED_BYTES];
	int64_t limit; /* events; 0: all */
};

MUST_CHECK bool asked_take(struct asked *asked, struct http_request *request,
        const struct conf *conf, const struct catalog *catalog, struct fault *fault);

/* from, to and topic only. */
MUST_CHECK bool asked_take_span(struct replay_wish *wish, struct http_request *request,
        const struct catalog *catalog, struct fault *fault);

/* Say what was not understood, or that Kafka does not answer. */
void asked_refuse(struct http_request *request, const struct fault *fault);

#endif
