/* SPDX-License-Identifier: MIT */
#ifndef PORT_FETCH_H
#define PORT_FETCH_H

/*
 * The one door to libcurl: one HTTP exchange after another with a server that may be
 * slow, large or hostile. An exchange ends within its time and its answer within its
 * size; redirects are not followed, nothing but http and https is spoken, and a
 * certificate is checked. A name and password are taken from ~/.netrc only.
 *
 * One thread owns a fetch.
 */

#include "base/bytes.h"
#include "base/fault.h"

struct fetch;

struct fetch_limits {
	unsigned exchange_ms;
	size_t answer_bytes;
};

MUST_CHECK bool fetch_open(
        struct fetch **out, const struct fetch_limits *limits, struct fault *fault);
void fetch_close(struct fetch **fetch);

/*
 * Send method to url, with body as media where body.data is not NULL. The answer
 * replaces what is in `out`. Whatever status the server gives is a success here.
 * FAULT_RETRY with code "unreachable" when there is no answer, FAULT_REJECT when it is
 * larger than allowed.
 */
MUST_CHECK bool fetch_send(struct fetch *fetch, const char *method, const char *url,
        const char *media, struct bytes body, long *out_status, struct buffer *out,
        struct fault *fault);

/* text as one part of a path, percent-encoded (RFC 3986), appended. */
void fetch_append_part(struct buffer *out, const char *text);

#endif
