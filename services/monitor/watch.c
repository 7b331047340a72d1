/* SPDX-License-Identifier: MIT */
/*
 * Watchers of /events. Each has the number of the event it was sent last; whenever
 * something comes, it is sent what is newer. One whose buffer is full is cut off: it
 * comes back with Last-Event-ID and is told what it missed, or to start anew.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/identity.h"
#include "monitor.h"

enum { FIRST_EVENTS = 50, SLICE = 500 };

struct watcher {
	struct watcher *next;
	struct watch *watch;
	struct http_stream *stream;
	int64_t sent;
};

struct watch {
	struct board *board;
	struct watcher *watchers;
	char life[UUID_TEXT_BYTES]; /* numbers mean something within one life only */
	struct http_route routes[2];
	struct buffer out;
	struct buffer json;
};

static void watcher_gone(void *context)
{
	struct watcher *watcher = context;
	struct watcher **at = &watcher->watch->watchers;

	while (*at != watcher)
		at = &(*at)->next;
	*at = watcher->next;
	free(watcher);
}

/* Put the events after `sent` into out, at most a slice. Returns the last number. */
static int64_t put_events(struct watch *watch, int64_t sent, struct buffer *out)
{
	int64_t newest = board_newest(watch->board);
	int64_t oldest = board_oldest(watch->board);

	if (sent < oldest - 1)
		sent = oldest - 1;
	if (newest - sent > SLICE)
		newest = sent + SLICE;
	for (int64_t number = sent + 1; number <= newest; number++) {
		buffer_reset(&watch->json);
		if (!board_event_at(watch->board, number, &watch->json))
			continue;
		buffer_format(out, "id: %s-%lld\nevent: event\ndata: ", watch->life,
		        (long long)number);
		buffer_append(out, watch->json.data, watch->json.size);
		buffer_append_text(out, "\n\n");
	}
	return newest > sent ? newest : sent;
}

static void send_new(struct watcher *watcher)
{
	struct watch *watch = watcher->watch;
	int64_t last;

	if (board_newest(watch->board) <= watcher->sent)
		return;
	buffer_reset(&watch->out);
	last = put_events(watch, watcher->sent, &watch->out);
	if (http_stream_send(watcher->stream, buffer_bytes(&watch->out)))
		watcher->sent = last;
	else
		http_stream_close(watcher->stream);
}

static void events_came(void *context)
{
	struct watch *watch = context;

	for (struct watcher *at = watch->watchers; at != NULL; at = at->next)
		send_new(at);
}

static void put_stats(
        struct watch *watch, const struct buffer *changed, struct buffer *out)
{
	buffer_append_text(out, "event: stats\ndata: ");
	board_stats(watch->board, changed, out);
	buffer_append_text(out, "\n\n");
}

void watch_second(
        struct watch *watch, const struct buffer *news, const struct buffer *changed)
{
	struct buffer out = { 0 };

	if (watch->watchers == NULL)
		return;
	buffer_append(&out, news->data, news->size);
	put_stats(watch, changed, &out);
	for (struct watcher *at = watch->watchers; at != NULL; at = at->next) {
		if (!http_stream_send(at->stream, buffer_bytes(&out)))
			http_stream_close(at->stream);
		else
			send_new(at);
	}
	buffer_clear(&out);
}

/* Where to go on: behind the id, or with the newest few and a word to start anew. */
static int64_t resume_at(struct watch *watch, const char *id, bool *reset)
{
	int64_t newest = board_newest(watch->board);
	size_t life = strlen(watch->life);
	int64_t number;

	*reset = false;
	if (id != NULL && strncmp(id, watch->life, life) == 0 && id[life] == '-') {
		number = strtoll(id + life + 1, NULL, 10);
		if (number >= board_oldest(watch->board) - 1 && number <= newest)
			return number;
	}
	*reset = id != NULL;
	return newest > FIRST_EVENTS ? newest - FIRST_EVENTS : 0;
}

static void serve_events(void *context, struct http_request *request)
{
	struct watch *watch = context;
	struct watcher *watcher = calloc(1, sizeof *watcher);
	static const struct buffer none = { .data = (uint8_t *)"[]", .size = 2 };
	const char *id = http_header(request, "Last-Event-ID");
	bool reset;
	int64_t sent = resume_at(watch, id, &reset);

	if (watcher == NULL
	        || !http_stream_open(request, "text/event-stream", watcher_gone,
	                watcher, &watcher->stream)) {
		free(watcher);
		http_answer(request, 503, "text/plain", bytes_of("out of memory\n"));
		return;
	}
	watcher->watch = watch;
	watcher->sent = sent;
	watcher->next = watch->watchers;
	watch->watchers = watcher;
	buffer_reset(&watch->out);
	buffer_append_text(&watch->out, "retry: 1000\n\n");
	if (reset)
		buffer_append_text(&watch->out, "event: reset\ndata: {}\n\n");
	put_stats(watch, &none, &watch->out);
	(void)!http_stream_send(watcher->stream, buffer_bytes(&watch->out));
	send_new(watcher);
}

bool watch_open(struct watch **out, struct board *board, struct loop *loop,
        struct http *http, struct fault *fault)
{
	struct watch *watch = calloc(1, sizeof *watch);

	if (watch == NULL)
		return fault_memory(fault);
	*out = watch;
	watch->board = board;
	identity_random(watch->life);
	watch->life[8] = '\0';
	watch->routes[0] =
	        (struct http_route){ "GET", "/events", NULL, 0, serve_events, watch };
	http_serve(http, watch->routes);
	loop_on_wake(loop, events_came, watch);
	return true;
}

/* After the listener: its end has sent all watchers away. */
void watch_close(struct watch **watch)
{
	if (*watch == NULL)
		return;
	buffer_clear(&(*watch)->out);
	buffer_clear(&(*watch)->json);
	free(*watch);
	*watch = NULL;
}
