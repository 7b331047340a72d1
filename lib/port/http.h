/* SPDX-License-Identifier: MIT */
#ifndef PORT_HTTP_H
#define PORT_HTTP_H

/*
 * The one door to libmicrohttpd: an HTTP/1.1 listener on a loop, with the strictness
 * that the library lacks. A handler sees a request only when its framing, path, method,
 * media type and size are right and its body is whole; everything else is answered here
 * with problem+json (RFC 9457) in English and Indonesian, or the connection is closed.
 *
 * Everything runs on the loop's thread. A request is valid from its handler's call
 * until it is answered; a handler may return first and answer later, also when who
 * asked has gone meanwhile.
 *
 * Sources: RFC 9110 and 9112 (framing); WHATWG HTML, "Server-sent events".
 */

#include <stddef.h>

#include "base/bytes.h"
#include "base/fault.h"
#include "port/loop.h"

struct http;
struct http_request;
struct http_stream;

typedef void http_handler(void *context, struct http_request *request);

struct http_route {
	const char *method; /* GET serves HEAD too */
	const char *path;   /* "/v1/events/" with a slash at its end: and all below */
	const char *media;  /* media type a body must have; "application/": any of
	                     * those; NULL: takes no body */
	size_t body_bytes;  /* longest body */
	http_handler *handle;
	void *context;
};

/*
 * Called when method, path and framing are right and before anything else of the
 * request is looked at. False: the gate has refused it.
 */
typedef bool http_gate(
        void *context, struct http_request *request, const struct http_route *route);

struct http_settings {
	const char *listen; /* "127.0.0.1:0", or "unix:/run/x.sock" */
	unsigned connections;
	unsigned connections_per_address; /* loopback is not counted */
	unsigned deadline_ms; /* for a whole request, and for an idle connection */
	const char
	        *hosts;  /* names that a page may be served under, besides addresses */
	http_gate *gate; /* NULL: everybody may come in */
	void *gate_context;
	const char *certificate; /* files in PEM; "": no TLS. Read once. */
	const char *key;
};

/* What a problem says; type is the last part of its URN. */
struct http_problem {
	unsigned status;
	const char *type;
	const char *title;
	const char *detail;
	const char *detail_id;
};

/* Whether one could listen there, and nobody but this machine would be heard. */
MUST_CHECK bool http_check_listen(
        const char *listen, bool *out_is_local, struct fault *fault);

MUST_CHECK bool http_open(struct http **out, struct loop *loop,
        const struct http_settings *settings, struct fault *fault);
void http_close(struct http **http);

/* Serve a row of routes, ended by one without a method; borrowed until the close. */
void http_serve(struct http *http, const struct http_route *routes);

/* "http://127.0.0.1:40123", with the port that the kernel chose. */
const char *http_address(const struct http *http);
bool http_listens_locally(const struct http *http); /* a socket file counts too */

/*
 * What was asked. The tail lives as long as the request, all else until its handler
 * returns; NULL and empty when absent. A NUL (%00) comes as a byte that no well-formed
 * text has, so that it ends none early.
 */
const char *http_tail(const struct http_request *request); /* behind the route's path */
const char *http_query(const struct http_request *request, const char *name);
bool http_query_repeats(const struct http_request *request); /* a name stands twice */
const char *http_header(const struct http_request *request, const char *name);
bool http_header_repeats(const struct http_request *request, const char *name);
struct bytes http_body(const struct http_request *request);

/*
 * Whether its Host is an address, localhost, or one of the settings' names: what a page
 * of another name asks, whose name server was bent to point here, has none of them.
 */
bool http_host_is_known(const struct http_request *request);

/* Whether it was asked from this machine. */
bool http_is_local(const struct http_request *request);

/* Give the answer one more header. name and value are copied. */
void http_answer_header(
        struct http_request *request, const char *name, const char *value);

/* Answer, once; the body is copied. */
void http_answer(struct http_request *request, unsigned status, const char *media,
        struct bytes body);

/* Answer with a problem; errors is a JSON array's text, or NULL. */
void http_refuse(struct http_request *request, const struct http_problem *problem,
        const char *errors);

/*
 * Answer with a stream that stays open. False: there is no memory, or nobody there any
 * more; the request still wants an answer. on_close is called once, when the watcher
 * has gone or http_stream_close() was heard; the stream is gone after it.
 */
MUST_CHECK bool http_stream_open(struct http_request *request, const char *media,
        loop_callback *on_close, void *context, struct http_stream **out);

/* False, and nothing sent, when too much is waiting: the watcher is too slow. */
bool http_stream_send(struct http_stream *stream, struct bytes bytes);
void http_stream_close(struct http_stream *stream);

/* Bytes that the watcher has not taken yet. */
size_t http_stream_waiting(const struct http_stream *stream);

/*
 * Send these bytes as the last ones, whatever is waiting, and close. Who does not take
 * them within ten seconds is cut off.
 */
void http_stream_end(struct http_stream *stream, struct bytes last);

/* End all streams, and what waits in them: who may go on watching comes back. */
void http_end_streams(struct http *http);

#endif
