/* SPDX-License-Identifier: MIT */
/*
 * The daemon runs without threads: its epoll descriptor is watched by the loop. A
 * request whose handler has not answered is suspended and resumed by its answer.
 * libmicrohttpd's time-out starts anew with each byte, so connections are swept by our
 * own deadline, which a slow sender cannot move.
 */
#include "port/http.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <microhttpd.h>

#include "base/clock.h"
#include "base/file.h"

enum {
	MAX_ROUTE_SETS = 8,
	MAX_ANSWER_HEADERS = 8,
	SWEEP_MS = 500,
	WAITING_MS = 1, /* between two looks around while nothing but waiting goes on */
	REQUEST_MEMORY = 8 * 1024, /* of a connection: request line and headers */
	STREAM_BYTES = 512 * 1024,
	BACKLOG = 511,
	STREAM_END_US = 10000000, /* for a watcher to take its last words */
};

#define UNIX "unix:" /* before a socket file's path */

/* Whose turn it is on a connection. */
enum turn {
	TURN_FIRST, /* nothing was asked yet, as far as whole headers go */
	TURN_ASKED, /* we know the headers; the body may be on its way */
	TURN_OURS,  /* an answer is under way, in part or whole */
	TURN_NEXT,  /* all was answered */
};

struct connection {
	struct connection *next;
	struct connection *previous;
	struct MHD_Connection *mhd;
	struct sockaddr_storage address;
	int64_t since_us; /* when it began to owe us a request; 0: we owe it an answer
	                   */
	enum turn turn;
};

struct http {
	struct loop *loop;
	struct MHD_Daemon *daemon;
	struct http_settings settings;
	const struct http_route *routes[MAX_ROUTE_SETS];
	size_t route_sets;
	struct loop_timer *run_timer;
	struct loop_timer *sweep_timer;
	struct connection *connections;
	struct http_request *waiting; /* requests that wait for their answer */
	struct http_stream *streams;
	char address[128];
	bool is_local;
	struct buffer certificate;
	struct buffer key;
	bool moved; /* something came, went or was answered in this run */
	bool closing;
};

struct http_request {
	struct http *http;
	struct MHD_Connection *mhd;
	struct connection *connection;
	const struct http_route *route;
	const char *tail;
	struct buffer body;
	struct MHD_Response *response;
	unsigned status;
	char *header_names[MAX_ANSWER_HEADERS];
	char *header_values[MAX_ANSWER_HEADERS];
	size_t header_count;
	bool refused; /* before its body was read: the connection ends with it */
	bool waiting;
	struct http_request *next;
	struct http_request *previous;
};

struct http_stream {
	struct http *http;
	struct MHD_Connection *mhd;
	struct buffer waiting;
	size_t sent; /* of waiting */
	bool suspended;
	bool ended;
	int64_t ended_us; /* monotonic */
	loop_callback *on_close;
	void *context;
	struct http_stream *next;
	struct http_stream *previous;
};

/* Lists */

#define LIST_PUSH(head, item)                                                          \
	do {                                                                           \
		(item)->previous = NULL;                                               \
		(item)->next = (head);                                                 \
		if ((head) != NULL)                                                    \
			(head)->previous = (item);                                     \
		(head) = (item);                                                       \
	} while (0)

#define LIST_DROP(head, item)                                                          \
	do {                                                                           \
		if ((item)->previous != NULL)                                          \
			(item)->previous->next = (item)->next;                         \
		else                                                                   \
			(head) = (item)->next;                                         \
		if ((item)->next != NULL)                                              \
			(item)->next->previous = (item)->previous;                     \
	} while (0)

/* Running the daemon on the loop */

/*
 * A request that waits for its answer is not taken out of the daemon's epoll set and
 * put back: each run asks for the answer again, and the daemon would run without a
 * pause for its sake alone (decision 63).
 */
static void http_run(void *context)
{
	struct http *http = context;
	MHD_UNSIGNED_LONG_LONG timeout;

	http->moved = false;
	MHD_run(http->daemon);
	if (MHD_get_timeout(http->daemon, &timeout) == MHD_NO)
		return;
	if (timeout == 0 && !http->moved && http->waiting != NULL)
		timeout = WAITING_MS;
	loop_timer_set(http->run_timer, timeout, 0);
}

/* Soon, on the loop's thread, but not within the caller. */
static void http_run_soon(struct http *http)
{
	loop_timer_set(http->run_timer, 0, 0);
}

/* Connections */

/* -1, of which the system says that it is none, when there is none. */
static int socket_of(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
	        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);

	return info != NULL ? info->connect_fd : -1;
}

/*
 * Whether a part of a request has come. A browser opens connections in advance, and
 * keeps them; who has asked nothing there would take a word for that to his next
 * request.
 */
static bool is_asking(const struct connection *connection)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof info;

	if (connection->turn == TURN_FIRST)
		return getsockopt(socket_of(connection->mhd), IPPROTO_TCP, TCP_INFO,
		               &info, &size)
		               == 0
		       && info.tcpi_bytes_received > 0;
	return connection->turn == TURN_ASKED;
}

static bool is_loopback(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr)
		               >> 24
		       == 127;
	if (address->sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(
		        &((const struct sockaddr_in6 *)address)->sin6_addr);
	return false;
}

static bool same_address(const struct sockaddr *a, const struct sockaddr *b)
{
	if (a->sa_family != b->sa_family)
		return false;
	if (a->sa_family == AF_INET)
		return ((const struct sockaddr_in *)a)->sin_addr.s_addr
		       == ((const struct sockaddr_in *)b)->sin_addr.s_addr;
	return memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr,
	               &((const struct sockaddr_in6 *)b)->sin6_addr,
	               sizeof(struct in6_addr))
	       == 0;
}

static enum MHD_Result admit(
        void *context, const struct sockaddr *address, socklen_t size)
{
	struct http *http = context;
	unsigned count = 0;

	(void)size;
	if (is_loopback(address) || address->sa_family == AF_UNIX)
		return MHD_YES;
	for (struct connection *at = http->connections; at != NULL; at = at->next)
		count += same_address(address, (struct sockaddr *)&at->address);
	return count < http->settings.connections_per_address ? MHD_YES : MHD_NO;
}

static void connection_opened(
        struct http *http, struct MHD_Connection *mhd, void **place)
{
	struct connection *connection = calloc(1, sizeof *connection);
	const union MHD_ConnectionInfo *info =
	        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

	*place = connection;
	if (connection == NULL)
		return;
	connection->mhd = mhd;
	connection->since_us = clock_monotonic_us();
	if (info != NULL && info->client_addr != NULL
	        && info->client_addr->sa_family != AF_UNIX)
		memcpy(&connection->address, info->client_addr,
		        info->client_addr->sa_family == AF_INET6
		                ? sizeof(struct sockaddr_in6)
		                : sizeof(struct sockaddr_in));
	LIST_PUSH(http->connections, connection);
}

static void connection_changed(void *context, struct MHD_Connection *mhd, void **place,
        enum MHD_ConnectionNotificationCode code)
{
	struct http *http = context;
	struct connection *connection = *place;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		connection_opened(http, mhd, place);
	} else if (connection != NULL) {
		LIST_DROP(http->connections, connection);
		free(connection);
		*place = NULL;
	}
}

static struct connection *connection_of(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
	        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

/* Answers */

void http_answer_header(
        struct http_request *request, const char *name, const char *value)
{
	size_t at = request->header_count;

	assert(at < MAX_ANSWER_HEADERS);
	request->header_names[at] = strdup(name);
	request->header_values[at] = strdup(value);
	if (request->header_names[at] != NULL && request->header_values[at] != NULL)
		request->header_count++;
}

static void set_headers(struct http_request *request, const char *media)
{
	if (media != NULL)
		MHD_add_response_header(request->response, "Content-Type", media);
	MHD_add_response_header(request->response, "X-Content-Type-Options", "nosniff");
	if (request->refused)
		MHD_add_response_header(request->response, "Connection", "close");
	for (size_t i = 0; i < request->header_count; i++)
		MHD_add_response_header(request->response, request->header_names[i],
		        request->header_values[i]);
}

static void request_free(struct http_request *request);

/* The answer is there: who waits for it is looked at, if he is there still. */
static void let_go(struct http_request *request)
{
	if (!request->waiting)
		return;
	request->waiting = false;
	LIST_DROP(request->http->waiting, request);
	request->http->moved = true;
	if (request->mhd == NULL)
		request_free(request);
	else
		http_run_soon(request->http);
}

void http_answer(struct http_request *request, unsigned status, const char *media,
        struct bytes body)
{
	assert(request->response == NULL);
	request->status = status;
	request->response = MHD_create_response_from_buffer(
	        body.size, (void *)body.data, MHD_RESPMEM_MUST_COPY);
	if (request->response != NULL)
		set_headers(request, media);
	let_go(request);
}

static void put_problem(
        const struct http_problem *problem, const char *errors, struct buffer *out)
{
	buffer_format(out,
	        "{\"type\":\"urn:kentongan:problem:%s\",\"title\":", problem->type);
	buffer_append_json(out, bytes_of(problem->title));
	buffer_format(out, ",\"status\":%u,\"detail\":", problem->status);
	buffer_append_json(out, bytes_of(problem->detail));
	buffer_append_text(out, ",\"detail_id\":");
	buffer_append_json(out, bytes_of(problem->detail_id));
	if (errors != NULL)
		buffer_format(out, ",\"errors\":%s", errors);
	buffer_append_text(out, "}\n");
}

void http_refuse(struct http_request *request, const struct http_problem *problem,
        const char *errors)
{
	struct buffer body = { 0 };

	put_problem(problem, errors, &body);
	http_answer(request, problem->status, "application/problem+json",
	        buffer_bytes(&body));
	buffer_clear(&body);
}

/* What comes too slowly */

static void cut_off(struct MHD_Connection *mhd)
{
	shutdown(socket_of(mhd), SHUT_RDWR);
}

/*
 * The library has no word for a request that is not whole, so the answer goes past it,
 * to the socket.
 */
static void tell_late(const struct http *http, const struct connection *late)
{
	static const struct http_problem problem = {
		408, "too-slow", "Request timeout",
		"The request did not arrive in time; send it again, with the same key.",
		"Kiriman tidak sampai tepat waktu; kirim lagi dengan kunci yang sama."
	};
	struct buffer body = { 0 };
	struct buffer out = { 0 };

	if (http->certificate.size > 0 || !is_asking(late))
		return;
	put_problem(&problem, NULL, &body);
	buffer_format(&out,
	        "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n"
	        "Content-Type: application/problem+json\r\n"
	        "X-Content-Type-Options: nosniff\r\nContent-Length: %zu\r\n\r\n",
	        body.size);
	buffer_append(&out, body.data, body.size);
	if (!out.failed)
		(void)!send(socket_of(late->mhd), out.data, out.size,
		        MSG_NOSIGNAL | MSG_DONTWAIT);
	buffer_clear(&body);
	buffer_clear(&out);
}

/*
 * Shut down what is late, then let the daemon look around: at its limit it takes the
 * listening socket out of its epoll set, and puts it back only in the run after the one
 * that saw connections end, which no event may ever ask for.
 */
static void http_sweep(void *context)
{
	struct http *http = context;
	int64_t now_us = clock_monotonic_us();
	int64_t limit_us = now_us - (int64_t)http->settings.deadline_ms * 1000;

	for (struct connection *at = http->connections; at != NULL; at = at->next) {
		if (at->since_us == 0 || at->since_us > limit_us)
			continue;
		tell_late(http, at);
		cut_off(at->mhd);
	}
	for (struct http_stream *at = http->streams; at != NULL; at = at->next)
		if (at->ended && at->ended_us <= now_us - STREAM_END_US)
			cut_off(at->mhd);
	http_run(http);
}

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
	       && is_loopback((const struct sockaddr *)&request->connection->address);
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

/* False when the request was refused. */
static bool check_request(struct http_request *request, const char *path,
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

/* The life of a request */

static struct http_request *request_new(struct http *http, struct MHD_Connection *mhd)
{
	struct http_request *request = calloc(1, sizeof *request);

	if (request == NULL)
		return NULL;
	request->http = http;
	request->mhd = mhd;
	request->connection = connection_of(mhd);
	return request;
}

static void request_free(struct http_request *request)
{
	for (size_t i = 0; i < request->header_count; i++) {
		free(request->header_names[i]);
		free(request->header_values[i]);
	}
	if (request->response != NULL)
		MHD_destroy_response(request->response);
	buffer_clear(&request->body);
	free((char *)request->tail);
	free(request);
}

static enum MHD_Result send_answer(struct http_request *request)
{
	if (request->response == NULL)
		return MHD_NO;
	if (request->connection != NULL)
		request->connection->turn = TURN_OURS;
	return MHD_queue_response(request->mhd, request->status, request->response);
}

static enum MHD_Result dispatch(struct http_request *request)
{
	if (request->connection != NULL)
		request->connection->since_us = 0;
	request->route->handle(request->route->context, request);
	if (request->response != NULL)
		return send_answer(request);
	request->waiting = true;
	LIST_PUSH(request->http->waiting, request);
	return MHD_YES;
}

/* A request may name its target whole, as to a proxy: RFC 9112, "absolute-form". */
static const char *path_of(const char *target)
{
	const char *authority = target + strlen("http://");

	if (strncasecmp(target, "http://", strlen("http://")) != 0)
		return target;
	target = strchr(authority, '/');
	return target != NULL ? target : "/";
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *mhd,
        const char *path, const char *method, const char *version, const char *data,
        size_t *size, void **place)
{
	struct http *http = context;
	struct http_request *request = *place;

	if (request != NULL && request->waiting)
		return MHD_YES;
	http->moved = true;
	if (request == NULL) {
		request = request_new(http, mhd);
		*place = request;
		if (request == NULL)
			return MHD_NO;
		if (request->connection != NULL) {
			request->connection->turn = TURN_ASKED;
			request->connection->since_us = clock_monotonic_us();
		}
		if (!check_request(request, path_of(path), method, version))
			return send_answer(request);
		return MHD_YES;
	}
	if (*size > 0) {
		buffer_append(&request->body, data, *size);
		*size = 0;
		return request->body.failed ? MHD_NO : MHD_YES;
	}
	if (request->response == NULL && http->closing)
		return MHD_NO;
	return request->response == NULL ? dispatch(request) : send_answer(request);
}

static void on_completed(void *context, struct MHD_Connection *mhd, void **place,
        enum MHD_RequestTerminationCode code)
{
	struct http_request *request = *place;

	(void)context;
	(void)mhd;
	(void)code;
	if (request == NULL)
		return;
	if (request->connection != NULL) {
		request->connection->since_us = clock_monotonic_us();
		request->connection->turn = TURN_NEXT;
	}
	request->mhd = NULL;
	request->connection = NULL;
	if (!request->waiting)
		request_free(request);
	*place = NULL;
}

static size_t unescape(void *context, struct MHD_Connection *mhd, char *text)
{
	enum { NO_TEXT = 0xFF };
	size_t size = MHD_http_unescape(text);

	(void)context;
	(void)mhd;
	for (size_t i = 0; i < size; i++)
		if (text[i] == '\0')
			text[i] = (char)NO_TEXT;
	return size;
}

static void be_silent(void *context, const char *format, va_list arguments)
{
	(void)context;
	(void)format;
	(void)arguments;
}

/* Opening and closing */

static bool listen_fault(struct fault *fault, const char *listen, const char *why)
{
	return fault_set(fault, FAULT_STOP, "listen on %s: %s", listen, why);
}

static bool resolve(const char *listen, struct addrinfo **out, struct fault *fault)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICHOST };
	const char *colon = strrchr(listen, ':');
	char host[128];
	int result;

	if (colon == NULL || strspn(colon + 1, "0123456789") != strlen(colon + 1)
	        || strtoul(colon + 1, NULL, 10) > 65535)
		return listen_fault(
		        fault, listen, "expected ADDRESS:PORT with a port up to 65535");
	snprintf(host, sizeof host, "%.*s", (int)(colon - listen), listen);
	if (host[0] == '[') {
		memmove(host, host + 1, strlen(host));
		host[strcspn(host, "]")] = '\0';
	}
	result = getaddrinfo(host, colon + 1, &hints, out);
	return result == 0 || listen_fault(fault, listen, gai_strerror(result));
}

/*
 * A socket file: a proxy on this machine talks to it, and says who asks. Its group may
 * too. One that a program left behind which has ended is in the way.
 */
static bool open_socket_file(const char *listen_on, int *out, struct fault *fault)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = listen_on + strlen(UNIX);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool ok = fd >= 0 && strlen(path) < sizeof address.sun_path;

	if (ok) {
		strcpy(address.sun_path, path);
		if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0
		        && errno == ECONNREFUSED)
			unlink(path);
		close(fd);
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		ok = fd >= 0
		     && bind(fd, (struct sockaddr *)&address, sizeof address) == 0
		     && chmod(path, 0660) == 0 && listen(fd, BACKLOG) == 0;
	} else {
		errno = fd >= 0 ? ENAMETOOLONG : errno;
	}
	if (!ok) {
		listen_fault(fault, listen_on, strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	*out = fd;
	return true;
}

static bool is_socket_file(const char *listen_on)
{
	return strncmp(listen_on, UNIX, strlen(UNIX)) == 0;
}

bool http_check_listen(const char *listen, bool *out_is_local, struct fault *fault)
{
	struct addrinfo *info;

	*out_is_local = true;
	if (is_socket_file(listen))
		return strlen(listen + strlen(UNIX))
		               < sizeof((struct sockaddr_un *)0)->sun_path
		       || listen_fault(fault, listen, strerror(ENAMETOOLONG));
	if (!resolve(listen, &info, fault))
		return false;
	*out_is_local = is_loopback(info->ai_addr);
	freeaddrinfo(info);
	return true;
}

static bool open_socket(const char *listen_on, int *out, struct fault *fault)
{
	struct addrinfo *info;
	int yes = 1;
	int fd;

	if (is_socket_file(listen_on))
		return open_socket_file(listen_on, out, fault);
	if (!resolve(listen_on, &info, fault))
		return false;
	fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
	if (fd < 0 || bind(fd, info->ai_addr, info->ai_addrlen) != 0
	        || listen(fd, BACKLOG) != 0) {
		listen_fault(fault, listen_on, strerror(errno));
		if (fd >= 0)
			close(fd);
		freeaddrinfo(info);
		return false;
	}
	freeaddrinfo(info);
	*out = fd;
	return true;
}

static void note_address(struct http *http, int fd)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof address;
	char host[64] = "";
	char port[16] = "";

	if (is_socket_file(http->settings.listen)) {
		snprintf(http->address, sizeof http->address, "%s",
		        http->settings.listen);
		http->is_local = true;
		return;
	}
	getsockname(fd, (struct sockaddr *)&address, &size);
	getnameinfo((struct sockaddr *)&address, size, host, sizeof host, port,
	        sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(http->address, sizeof http->address,
	        address.ss_family == AF_INET6 ? "%s://[%s]:%s" : "%s://%s:%s",
	        http->certificate.size > 0 ? "https" : "http", host, port);
	http->is_local = is_loopback((const struct sockaddr *)&address);
}

/* A file with its NUL behind it. */
static bool read_text(const char *path, struct buffer *out, struct fault *fault)
{
	if (!file_read(path, out, fault))
		return false;
	buffer_append_byte(out, 0);
	return buffer_ok(out, fault);
}

static bool read_tls(struct http *http, struct fault *fault)
{
	const struct http_settings *settings = &http->settings;

	if (settings->certificate == NULL || settings->certificate[0] == '\0')
		return true;
	return read_text(settings->certificate, &http->certificate, fault)
	       && read_text(settings->key, &http->key, fault);
}

static bool start_daemon(struct http *http, int fd, struct fault *fault)
{
	bool tls = http->certificate.size > 0;
	struct MHD_OptionItem tls_options[] = {
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, http->certificate.data },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, http->key.data },
		{ MHD_OPTION_END, 0, NULL },
	};

	if (!tls)
		tls_options[0].option = MHD_OPTION_END;
	http->daemon =
	        MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME
	                                 | MHD_USE_ERROR_LOG | (tls ? MHD_USE_TLS : 0u),
	                0, admit, http, on_request, http, MHD_OPTION_ARRAY, tls_options,
	                MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
	                http->settings.connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
	                (size_t)REQUEST_MEMORY, MHD_OPTION_UNESCAPE_CALLBACK, unescape,
	                NULL, MHD_OPTION_NOTIFY_CONNECTION, connection_changed, http,
	                MHD_OPTION_NOTIFY_COMPLETED, on_completed, http,
	                MHD_OPTION_EXTERNAL_LOGGER, be_silent, NULL,
	                MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
	if (http->daemon == NULL && tls)
		return fault_set(fault, FAULT_STOP,
		        "tls_certificate, tls_key: no certificate and its own key, "
		        "unencrypted, in PEM");
	return http->daemon != NULL
	       || listen_fault(
	               fault, http->settings.listen, "the HTTP daemon does not start");
}

static bool http_start(struct http *http, struct fault *fault)
{
	const union MHD_DaemonInfo *info;
	int fd;

	if (!read_tls(http, fault) || !open_socket(http->settings.listen, &fd, fault))
		return false;
	note_address(http, fd);
	if (!start_daemon(http, fd, fault)) {
		close(fd);
		return false;
	}
	info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (!loop_timer_open(http->loop, &http->run_timer, http_run, http, fault)
	        || !loop_timer_open(
	                http->loop, &http->sweep_timer, http_sweep, http, fault)
	        || !loop_watch(http->loop, info->epoll_fd, http_run, http, fault))
		return false;
	loop_timer_set(http->sweep_timer, SWEEP_MS, SWEEP_MS);
	return true;
}

bool http_open(struct http **out, struct loop *loop,
        const struct http_settings *settings, struct fault *fault)
{
	struct http *http = calloc(1, sizeof *http);

	if (http == NULL)
		return fault_memory(fault);
	http->loop = loop;
	http->settings = *settings;
	if (!http_start(http, fault)) {
		http_close(&http);
		return false;
	}
	*out = http;
	return true;
}

/* A daemon with suspended connections cannot end: streams are resumed to be cut off. */
void http_close(struct http **http)
{
	struct http *old = *http;

	if (old == NULL)
		return;
	old->closing = true;
	for (struct http_stream *stream = old->streams; stream != NULL;
	        stream = stream->next)
		http_stream_close(stream);
	if (old->daemon != NULL) {
		if (old->sweep_timer != NULL)
			loop_timer_set(old->sweep_timer, UINT32_MAX, 0);
		MHD_run(old->daemon);
		MHD_stop_daemon(old->daemon);
	}
	while (old->waiting != NULL)
		let_go(old->waiting); /* whoever was to answer them has ended */
	buffer_clear(&old->certificate);
	buffer_clear(&old->key);
	free(old);
	*http = NULL;
}

void http_serve(struct http *http, const struct http_route *routes)
{
	assert(http->route_sets < MAX_ROUTE_SETS);
	http->routes[http->route_sets++] = routes;
}

const char *http_address(const struct http *http)
{
	return http->address;
}

/* Streams */

static ssize_t stream_read(void *context, uint64_t position, char *out, size_t room)
{
	struct http_stream *stream = context;
	size_t left = stream->waiting.size - stream->sent;

	(void)position;
	if (left == 0 && stream->ended)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (left == 0) {
		stream->suspended = true;
		MHD_suspend_connection(stream->mhd);
		return 0;
	}
	if (left > room)
		left = room;
	stream->http->moved = true;
	memcpy(out, stream->waiting.data + stream->sent, left);
	stream->sent += left;
	if (stream->sent == stream->waiting.size) {
		buffer_clear(&stream->waiting); /* many streams: each is idle mostly */
		stream->sent = 0;
	}
	return (ssize_t)left;
}

static void stream_free(void *context)
{
	struct http_stream *stream = context;

	LIST_DROP(stream->http->streams, stream);
	stream->on_close(stream->context);
	buffer_clear(&stream->waiting);
	free(stream);
}

static void stream_resume(struct http_stream *stream)
{
	if (!stream->suspended)
		return;
	stream->suspended = false;
	MHD_resume_connection(stream->mhd);
	http_run_soon(stream->http);
}

bool http_stream_open(struct http_request *request, const char *media,
        loop_callback *on_close, void *context, struct http_stream **out)
{
	struct http_stream *stream = calloc(1, sizeof *stream);

	assert(!request->waiting);
	if (stream == NULL)
		return false;
	*stream = (struct http_stream){ .http = request->http,
		.mhd = request->mhd,
		.on_close = on_close,
		.context = context };
	/* Chunks are made in the connection's own memory, so no block is needed. */
	request->response = MHD_create_response_from_callback(
	        MHD_SIZE_UNKNOWN, 1, stream_read, stream, stream_free);
	if (request->response == NULL) {
		free(stream);
		return false;
	}
	LIST_PUSH(request->http->streams, stream);
	request->status = 200;
	http_answer_header(request, "Cache-Control", "no-store");
	set_headers(request, media);
	*out = stream;
	return true;
}

bool http_stream_send(struct http_stream *stream, struct bytes bytes)
{
	if (stream->ended
	        || stream->waiting.size - stream->sent + bytes.size > STREAM_BYTES)
		return false;
	if (stream->sent > STREAM_BYTES) {
		stream->waiting.size -= stream->sent;
		memmove(stream->waiting.data, stream->waiting.data + stream->sent,
		        stream->waiting.size);
		stream->sent = 0;
	}
	buffer_append(&stream->waiting, bytes.data, bytes.size);
	stream_resume(stream);
	return !stream->waiting.failed;
}

void http_stream_close(struct http_stream *stream)
{
	if (!stream->ended)
		stream->ended_us = clock_monotonic_us();
	stream->ended = true;
	stream_resume(stream);
}

void http_end_streams(struct http *http)
{
	for (struct http_stream *at = http->streams; at != NULL; at = at->next) {
		at->waiting.size = at->sent;
		http_stream_close(at);
	}
}

size_t http_stream_waiting(const struct http_stream *stream)
{
	return stream->waiting.size - stream->sent;
}

void http_stream_end(struct http_stream *stream, struct bytes last)
{
	if (!stream->ended)
		buffer_append(&stream->waiting, last.data, last.size);
	http_stream_close(stream);
}
