/* SPDX-License-Identifier: MIT */
/*
 * The daemon runs without threads: its epoll descriptor is watched by the loop.
 * libmicrohttpd's time-out starts anew with each byte, so connections are swept by our
 * own deadline, which a slow sender cannot move.
 */
#include "port/http_parts.h"

#include <assert.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

enum {
	SWEEP_MS = 500,
	WAITING_MS = 1,            /* between two looks around where nothing moves */
	LAST_RUNS = 4,             /* one takes up an answer, the next one sends it */
	REQUEST_MEMORY = 8 * 1024, /* of a connection: request line and headers */
};

/* Running the daemon on the loop */

/*
 * A request that waits for its answer is not taken out of the daemon's epoll set and
 * put back: each run asks for the answer again, and the daemon would run without a
 * pause for its sake alone (decision 63). So it would for half a TLS greeting.
 */
static void http_run(void *context)
{
	struct http *http = context;
	MHD_UNSIGNED_LONG_LONG timeout;

	http->moved = false;
	MHD_run(http->daemon);
	if (MHD_get_timeout(http->daemon, &timeout) == MHD_NO)
		return;
	if (timeout == 0 && !http->moved)
		timeout = WAITING_MS;
	loop_timer_set(http->run_timer, timeout, 0);
}

void http_run_soon(struct http *http)
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
	if (http_is_loopback(address) || address->sa_family == AF_UNIX)
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

void http_set_headers(struct http_request *request, const char *media)
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

/* Who waits for the answer is looked at, if he is there still. */
void http_let_go(struct http_request *request)
{
	if (!request->waiting)
		return;
	request->waiting = false;
	LIST_DROP(request->http->waiting, request);
	request->http->moved = true;
	if (request->mhd != NULL) {
		http_run_soon(request->http);
	} else {
		request->http->gone--;
		request_free(request);
	}
}

void http_answer(struct http_request *request, unsigned status, const char *media,
        struct bytes body)
{
	assert(request->response == NULL);
	request->status = status;
	request->response = MHD_create_response_from_buffer(
	        body.size, (void *)body.data, MHD_RESPMEM_MUST_COPY);
	if (request->response != NULL)
		http_set_headers(request, media);
	http_let_go(request);
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

void http_cut_off(struct MHD_Connection *mhd)
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
		http_cut_off(at->mhd);
	}
	http_cut_late_streams(http, now_us);
	http_run(http);
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

/* Who hangs up and asks again leaves his questions behind: no more than may be here. */
static const struct http_problem crowded = { 503, "busy", "Try again",
	"Too many who asked have gone before their answer; try again with the same "
	"key.",
	"Sistem sedang sibuk; coba lagi sebentar lagi." };

static enum MHD_Result dispatch(struct http_request *request)
{
	if (request->connection != NULL)
		request->connection->since_us = 0;
	if (request->http->gone < request->http->settings.connections)
		request->route->handle(request->route->context, request);
	else
		http_refuse(request, &crowded, NULL);
	buffer_clear(&request->body);
	if (request->status != 0)
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
		if (!http_check_request(request, path_of(path), method, version))
			return send_answer(request);
		return MHD_YES;
	}
	if (*size > 0) {
		buffer_append(&request->body, data, *size);
		*size = 0;
		return request->body.failed ? MHD_NO : MHD_YES;
	}
	if (request->status != 0)
		return send_answer(request);
	return http->closing ? MHD_NO : dispatch(request);
}

static void on_completed(void *context, struct MHD_Connection *mhd, void **place,
        enum MHD_RequestTerminationCode code)
{
	struct http *http = context;
	struct http_request *request = *place;

	http->moved = true;
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
	if (request->waiting)
		http->gone++;
	else
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
	       || http_listen_fault(
	               fault, http->settings.listen, "the HTTP daemon does not start");
}

static bool http_start(struct http *http, struct fault *fault)
{
	const union MHD_DaemonInfo *info;
	int fd;

	if (!read_tls(http, fault)
	        || !http_open_socket(http->settings.listen, &fd, fault))
		return false;
	http_note_address(http, fd);
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
	http_close_streams(old);
	if (old->daemon != NULL) {
		if (old->sweep_timer != NULL)
			loop_timer_set(old->sweep_timer, UINT32_MAX, 0);
		for (int i = 0; i < LAST_RUNS; i++)
			MHD_run(old->daemon);
		MHD_stop_daemon(old->daemon);
	}
	while (old->waiting != NULL)
		http_let_go(old->waiting); /* whoever was to answer them has ended */
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
