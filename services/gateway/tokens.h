/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_TOKENS_H
#define GATEWAY_TOKENS_H

/*
 * Who may ask what. A file of lines `name sha256 scope,scope`: the name of a system,
 * the SHA-256 of its bearer token in hex, and what it may do: `read` (status and
 * events), `repair` (send again, void), the short name of a topic (post such events),
 * or `*`. The tokens themselves stand nowhere.
 *
 * A request from this machine needs no token, since the counter's page has none, except
 * for `repair`. Each token has a bucket: so many requests a second, twice as many at
 * once.
 *
 * Everything is the loop's thread's.
 */

#include "event/catalog.h"
#include "port/http.h"

struct tokens;

/* path "" : there are none, and everything is open. Faults are FAULT_STOP. */
MUST_CHECK bool tokens_open(struct tokens **out, const char *path,
        uint64_t requests_per_second, const struct catalog *catalog,
        struct fault *fault);
void tokens_close(struct tokens **tokens);

/* Read the file again; a file with a fault leaves all as it was. */
MUST_CHECK bool tokens_reload(struct tokens *tokens, struct fault *fault);

bool tokens_any(const struct tokens *tokens);

/* An http_gate: the request may go on, or was refused with 401, 403 or 429. */
bool tokens_admit(
        void *tokens, struct http_request *request, const struct http_route *route);

/* Whether the request that was admitted may post to the topic: lines of a batch. */
bool tokens_may_post(
        struct tokens *tokens, struct http_request *request, const char *topic);

#endif
