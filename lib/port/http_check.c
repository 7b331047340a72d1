/* SPDX-License-Identifier: MIT */
/*
 * What was asked, and the strictness that libmicrohttpd lacks: a request that two
 * readers could read differently is seen by no handler.
 */
#include "port/http_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What was asked */

const char *http_tail(const struct http_request *request)
{
	return request->tail;
}

const char *http_query(const struct http_request *request, const char *name)
{
	return MHD_lookup_connection_value(request->mhd, MHD_GET_ARGUMENT_KIND, name);
}

struct repeats {
	const struct http_request *request;
	const char *only; /* NULL: any name */
	bool found;
};

/* A lookup finds the first one of a name. */
static enum MHD_Result look_for_repeat(
        void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct repeats *repeats = context;

	if (repeats->only == NULL || strcasecmp(repeats->only, name) == 0)
		repeats->found |=
		        MHD_lookup_connection_value(repeats->request->mhd, kind, name)
		        != value;
	return MHD_YES;
}

bool http_query_repeats(const struct http_request *request)
{
	struct repeats repeats = { .request = request };

	MHD_get_connection_values(
	        request->mhd, MHD_GET_ARGUMENT_KIND, look_for_repeat, &repeats);
	return repeats.found;
}

bool http_header_repeats(const struct http_request *request, const char *name)
{
	struct repeats repeats = { .request = request, .only = name };

	MHD_get_connection_values(
	        request->mhd, MHD_HEADER_KIND, look_for_repeat, &repeats);
	return repeats.found;
}

bool http_is_local(const struct http_request *request)
{
	return request->connection != NULL
	       && http_is_loopback(
	               (const struct sockaddr *)&request->connection->address);
}

bool http_listens_locally(const struct http *http)
{
	return http->is_local;
}

const char *http_header(const struct http_request *request, const char *name)
{
	return MHD_lookup_connection_value(request->mhd, MHD_HEADER_KIND, name);
}

struct bytes http_body(const struct http_request *request)
{
	return buffer_bytes(&request->body);
}

/* Refusing before the body is read */

static const struct http_problem bad_request = { 400, "bad-request", "Bad request",
	"The request is not well-formed HTTP/1.1.",
	"Permintaan tidak sesuai HTTP/1.1." };

/* A second one of these would let two readers see two requests: RFC 9112. */
static const char *const single_headers[] = { "Content-Length", "Content-Type", "Host",
	"Idempotency-Key", "Authorization" };
enum { SINGLE_HEADERS = sizeof single_headers / sizeof *single_headers };

struct framing {
	bool seen[SINGLE_HEADERS];
	bool chunked;
	bool broken;
	bool has_length;
	unsigned long long length;
};

/*
 * libmicrohttpd ends a value at its first NUL and hides what is behind. Values lie in
 * the buffer that they were read into, where a true end is followed by the rest of its
 * line break and a hidden one by more of the value.
 */
static bool has_hidden_end(const char *value, size_t size)
{
	return value != NULL && strchr(" \t\r\n", value[size + 1]) == NULL;
}

static enum MHD_Result look_at_header(void *context, enum MHD_ValueKind kind,
        const char *name, size_t name_size, const char *value, size_t value_size)
{
	struct framing *framing = context;

	(void)kind;
	if (has_hidden_end(value, value_size))
		framing->broken = true;
	for (size_t i = 0; i < value_size; i++)
		if (value[i] == '\0' || value[i] == '\r' || value[i] == '\n')
			framing->broken = true;
	if (name_size == 0 || name[name_size - 1] == ' ' || name[name_size - 1] == '\t')
		framing->broken = true;
	for (size_t i = 0; i < SINGLE_HEADERS; i++) {
		if (strcasecmp(name, single_headers[i]) != 0)
			continue;
		framing->broken |= framing->seen[i];
		framing->seen[i] = true;
	}
	if (strcasecmp(name, "Transfer-Encoding") == 0)
		framing->chunked = true;
	if (strcasecmp(name, "Content-Length") != 0)
		return MHD_YES;
	framing->has_length = true;
	for (size_t i = 0; i < value_size; i++)
		if (value[i] < '0' || value[i] > '9' || i > 17)
			framing->broken = true;
	if (value_size == 0)
		framing->broken = true;
	framing->length = framing->broken ? 0 : strtoull(value, NULL, 10);
	return MHD_YES;
}

static bool is_known_method(const char *method)
{
	static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "DELETE",
		"PATCH", "OPTIONS" };

	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
		if (strcmp(methods[i], method) == 0)
			return true;
	return false;
}

/* The length of the route's path when it fits, else 0: the whole, or before a slash. */
static size_t route_fits(const struct http_route *route, const char *path)
{
	size_t size = 0;

	while (route->path[size] != '\0' && route->path[size] == path[size])
		size++;
	if (route->path[size] != '\0')
		return 0;
	return path[size] == '\0' || (size > 1 && path[size - 1] == '/') ? size : 0;
}

static bool route_has_method(const struct http_route *route, const char *method)
{
	return strcmp(route->method, method) == 0
	       || (strcmp(route->method, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

/* The methods that the path takes, for a request that came with another. */
static void refuse_method(
        struct http_request *request, const char *path, size_t longest)
{
	static const struct http_problem problem = { 405, "method",
		"Method not allowed", "This address does not take that method.",
		"Alamat ini tidak menerima cara permintaan itu." };
	char allow[64] = "";

	for (size_t set = 0; set < request->http->route_sets; set++) {
		const struct http_route *route = request->http->routes[set];

		for (; route->method != NULL; route++)
			if (route_fits(route, path) == longest
			        && strlen(allow) + strlen(route->method) + 3
			                   < sizeof allow)
				sprintf(allow + strlen(allow), "%s%s",
				        allow[0] ? ", " : "", route->method);
	}
	http_answer_header(request, "Allow", allow);
	http_refuse(request, &problem, NULL);
}

/* The longest path that fits wins; without a method of its own it is a 405. */
static bool find_route(
        struct http_request *request, const char *path, const char *method)
{
	static const struct http_problem unknown = { 404, "not-found", "Not found",
		"There is nothing at this address.",
		"Tidak ada apa-apa di alamat ini." };
	size_t longest = 0;

	for (size_t set = 0; set < request->http->route_sets; set++) {
		const struct http_route *route = request->http->routes[set];

		for (; route->method != NULL; route++) {
			size_t size = route_fits(route, path);

			if (size == 0 || size < longest)
				continue;
			if (size > longest)
				request->route = NULL;
			longest = size;
			if (route_has_method(route, method))
				request->route = route;
		}
	}
	if (longest == 0)
		http_refuse(request, &unknown, NULL);
	else if (request->route == NULL)
		refuse_method(request, path, longest);
	else
		request->tail = strdup(path + longest);
	return request->response == NULL;
}

static bool is_media(const char *value, const char *wanted)
{
	size_t size = strlen(wanted);

	return value != NULL && strncasecmp(value, wanted, size) == 0
	       && (wanted[size - 1] == '/' || value[size] == '\0' || value[size] == ';'
	               || value[size] == ' ');
}

/* Whether a body with this Content-Encoding is what it says. */
static bool is_plain(const char *encoding)
{
	return encoding == NULL || strcasecmp(encoding, "identity") == 0;
}

static bool is_in_list(const char *list, const char *name, size_t size)
{
	for (const char *at = list; at != NULL && *at != '\0';) {
		size_t length = strcspn(at, ", ");

		if (length == size && strncasecmp(at, name, size) == 0)
			return true;
		at += length;
		at += strspn(at, ", ");
	}
	return false;
}

/* An address or localhost cannot be made to point here by a stranger's name server. */
static bool is_safe_host(const struct http *http, const char *host)
{
	size_t size = strcspn(host, ":");

	if (host[0] == '[')
		return true;
	if (strspn(host, "0123456789.") == size || is_in_list("localhost", host, size))
		return true;
	return is_in_list(http->settings.hosts, host, size);
}

bool http_host_is_known(const struct http_request *request)
{
	const char *host = http_header(request, "Host");

	return host != NULL && is_safe_host(request->http, host);
}

/* A page of another origin may not write here: RFC 6454, and against DNS rebinding. */
static bool is_own_origin(const struct http_request *request)
{
	const char *origin = http_header(request, "Origin");
	const char *host = http_header(request, "Host");
	const char *name;

	if (origin == NULL)
		return true;
	name = strstr(origin, "://");
	return name != NULL && host != NULL && strcasecmp(name + 3, host) == 0
	       && is_safe_host(request->http, host);
}

static bool check_body_headers(
        struct http_request *request, const struct framing *framing)
{
	static const struct http_problem origin = { 403, "origin", "Foreign origin",
		"A page of another origin may not write here.",
		"Halaman dari alamat lain tidak boleh mengirim ke sini." };
	static const struct http_problem length = { 411, "length-required",
		"Length required", "A body needs Content-Length; chunked is not taken.",
		"Isi kiriman harus menyebut panjangnya (Content-Length)." };
	static const struct http_problem media = { 415, "media-type",
		"Unsupported media type",
		"The Content-Type, or a Content-Encoding, is not what this address "
		"takes.",
		"Jenis isi kiriman (Content-Type) tidak diterima di alamat ini." };
	static const struct http_problem large = { 413, "too-large",
		"Content too large", "The body is longer than this address takes.",
		"Isi kiriman terlalu panjang." };
	const struct http_route *route = request->route;
	const struct http_problem *problem = NULL;

	if (!is_own_origin(request))
		problem = &origin;
	else if (framing->chunked || !framing->has_length)
		problem = &length;
	else if (!is_media(http_header(request, "Content-Type"), route->media)
	         || !is_plain(http_header(request, "Content-Encoding")))
		problem = &media;
	else if (framing->length > route->body_bytes)
		problem = &large;
	if (problem != NULL)
		http_refuse(request, problem, NULL);
	return problem == NULL;
}

bool http_check_request(struct http_request *request, const char *path,
        const char *method, const char *version)
{
	struct framing framing = { 0 };

	MHD_get_connection_values_n(
	        request->mhd, MHD_HEADER_KIND, look_at_header, &framing);
	request->refused = framing.chunked || framing.length > 0;
	if (framing.broken || (framing.chunked && framing.has_length)
	        || !is_known_method(method)
	        || (strcmp(version, "HTTP/1.1") != 0
	                && strcmp(version, "HTTP/1.0") != 0)) {
		request->refused = true;
		http_refuse(request, &bad_request, NULL);
		return false;
	}
	if (!find_route(request, path, method))
		return false;
	if (request->http->settings.gate != NULL
	        && !request->http->settings.gate(
	                request->http->settings.gate_context, request, request->route))
		return false;
	if (request->route->media != NULL) {
		if (!check_body_headers(request, &framing))
			return false;
	} else if (framing.chunked || framing.length > 0) {
		http_refuse(request, &bad_request, NULL);
		return false;
	}
	request->refused = false;
	return true;
}
