/* SPDX-License-Identifier: MIT */
#ifndef PORT_HTTP_PARTS_H
#define PORT_HTTP_PARTS_H

/* What http.c and its helpers share; nobody else includes it. */

#include <stdint.h>
#include <sys/socket.h>

#include <microhttpd.h>

#include "port/http.h"

enum { MAX_ROUTE_SETS = 8, MAX_ANSWER_HEADERS = 8 };

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
	unsigned gone;                /* of these, whose asker has gone */
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
	unsigned status; /* 0: it is not answered yet */
	char *header_names[MAX_ANSWER_HEADERS];
	char *header_values[MAX_ANSWER_HEADERS];
	size_t header_count;
	bool refused; /* before its body was read: the connection ends with it */
	bool waiting;
	struct http_request *next;
	struct http_request *previous;
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

/* http.c */
void http_run_soon(struct http *http); /* on the loop's thread, not within the caller */
void http_set_headers(struct http_request *request, const char *media);
void http_let_go(struct http_request *request); /* its answer is there */
void http_cut_off(struct MHD_Connection *mhd);

/* http_listen.c: sockets and their addresses */
bool http_is_loopback(const struct sockaddr *address);
MUST_CHECK bool http_open_socket(const char *listen_on, int *out, struct fault *fault);
void http_note_address(struct http *http, int fd);
bool http_listen_fault(struct fault *fault, const char *listen, const char *why);

/* http_check.c: what is looked at before the body is read. False: it was refused. */
bool http_check_request(struct http_request *request, const char *path,
        const char *method, const char *version);

/* http_stream.c */
void http_close_streams(struct http *http);
void http_cut_late_streams(struct http *http, int64_t now_us);

#endif
