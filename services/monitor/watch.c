/* SPDX-License-Identifier: MIT */
/*
 * Watchers of /events. Each has the number of the event it was sent last; whenever
 * something comes and it has taken what it was sent before, it is sent what is newer:
 * the ring is everybody's buffer, and one that is slow falls behind in it. What fell
 * out of the ring before a watcher took it is told as `reset` with how many it missed.
 *
 * One that does not even take the picture of each second is told `slow` and sent away:
 * it comes back with Last-Event-ID and goes on there, or is told to start anew.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/identity.h"
#include "monitor.h"

enum {
	FIRST_EVENTS = 50,
	SLICE = 250,            /* most events at once */
	ROOM_BYTES = 64 * 1024, /* waits for it: no more events yet */
	SLOW_SECONDS = 5,       /* that so much waits: sent away */
	CROWD = 50,             /* watchers: their memory is worth giving back */
	BEHIND_MS = 20,         /* then those that took theirs are sent more */
};

struct watcher {
	struct watcher *next;
	struct watch *watch;
	struct http_stream *stream;
	int64_t sent;
	int slow_seconds;
	bool is_leaving;
};

struct watch {
	struct board *board;
	struct watcher *watchers;
	char life[UUID_TEXT_BYTES]; /* numbers mean something within one life only */
	struct http_route routes[2];
	struct buffer
	        out; /* the events from .. to, for all who stand at the same place */
	int64_t out_after;
	int64_t out_last;
	struct buffer json;
	struct loop_timer *behind;
	int64_t count;
	int64_t most; /* since memory was given back last */
	int64_t dropped;
};

static void watcher_gone(void *context)
{
	struct watcher *watcher = context;
	struct watcher **at = &watcher->watch->watchers;

	while (*at != watcher)
		at = &(*at)->next;
	*at = watcher->next;
	watcher->watch->count--;
	free(watcher);
}

static void put_missed(int64_t missed, struct buffer *out)
{
	if (missed > 0)
		buffer_format(out, "event: reset\ndata: {\"missed\":%lld}\n\n",
		        (long long)missed);
}

/* Make watch->out: the events after `after`, at most a slice, and what of them is gone.
 */
static void put_events(struct watch *watch, int64_t after)
{
	int64_t newest = board_newest(watch->board);
	int64_t oldest = board_oldest(watch->board);
	int64_t first = after < oldest - 1 ? oldest : after + 1;
	int64_t last = newest - first >= SLICE ? first + SLICE - 1 : newest;
	int64_t missed = first - after - 1;

	buffer_reset(&watch->out);
	for (int64_t number = first; number <= last; number++) {
		buffer_reset(&watch->json);
		if (!board_event_at(watch->board, number, &watch->json)) {
			missed++;
			continue;
		}
		put_missed(missed, &watch->out);
		missed = 0;
		buffer_format(&watch->out,
		        "id: %s-%lld\nevent: event\ndata: ", watch->life,
		        (long long)number);
		buffer_append(&watch->out, watch->json.data, watch->json.size);
		buffer_append_text(&watch->out, "\n\n");
	}
	put_missed(missed, &watch->out);
	watch->out_after = after;
	watch->out_last = last;
}

/* True when there is more for it, once it has taken what waits. */
static bool send_new(struct watcher *watcher)
{
	struct watch *watch = watcher->watch;
	int64_t newest = board_newest(watch->board);

	if (newest <= watcher->sent || watcher->is_leaving)
		return false;
	if (http_stream_waiting(watcher->stream) > ROOM_BYTES)
		return true;
	if (watch->out_after != watcher->sent
	        || (watch->out_last < newest
	                && watch->out_last - watch->out_after < SLICE))
		put_events(watch, watcher->sent);
	if (http_stream_send(watcher->stream, buffer_bytes(&watch->out)))
		watcher->sent = watch->out_last;
	else
		http_stream_close(watcher->stream);
	return watcher->sent < newest;
}

static void events_came(void *context)
{
	struct watch *watch = context;
	bool behind = false;

	for (struct watcher *at = watch->watchers; at != NULL; at = at->next)
		behind |= send_new(at);
	if (behind)
		loop_timer_set(watch->behind, BEHIND_MS, 0);
}

/* Nobody else waits for it: it is told, and what it did not take goes with it. */
static void send_away(struct watcher *watcher)
{
	static const char last[] = "event: slow\ndata: {}\n\n";

	http_stream_end(watcher->stream, bytes_of(last));
	watcher->is_leaving = true;
	watcher->watch->dropped++;
}

static void send_second(struct watcher *watcher, struct bytes second)
{
	if (watcher->is_leaving)
		return;
	if (http_stream_waiting(watcher->stream) > ROOM_BYTES)
		watcher->slow_seconds++;
	else
		watcher->slow_seconds = 0;
	if (watcher->slow_seconds >= SLOW_SECONDS
	        || !http_stream_send(watcher->stream, second))
		send_away(watcher);
}

static void put_stats(
        struct watch *watch, const struct buffer *changed, struct buffer *out)
{
	buffer_append_text(out, "event: stats\ndata: ");
	board_stats(watch->board, changed, out);
	buffer_append_text(out, "\n\n");
}

/* What a crowd needed lies in many small pieces: the library gives none back itself. */
static void give_memory_back(struct watch *watch)
{
	if (watch->most > CROWD && watch->count < watch->most / 2) {
		malloc_trim(0);
		watch->most = 0;
	}
	if (watch->count > watch->most)
		watch->most = watch->count;
}

void watch_second(
        struct watch *watch, const struct buffer *news, const struct buffer *changed)
{
	struct buffer out = { 0 };

	give_memory_back(watch);
	if (watch->watchers == NULL)
		return;
	buffer_append(&out, news->data, news->size);
	put_stats(watch, changed, &out);
	for (struct watcher *at = watch->watchers; at != NULL; at = at->next)
		send_second(at, buffer_bytes(&out));
	buffer_clear(&out);
	events_came(watch);
}

/* Where to go on: behind the id, or with the newest few and a word to start anew. */
static int64_t resume_at(struct watch *watch, const char *id, bool *reset)
{
	int64_t newest = board_newest(watch->board);
	size_t life = strlen(watch->life);
	int64_t number;

	*reset = false;
	if (id != NULL && strncmp(id, watch->life, life) == 0 && id[life] == '-'
	        && bytes_number(id + life + 1, &number)
	        && number >= board_oldest(watch->board) - 1 && number <= newest)
		return number;
	*reset = id != NULL;
	return newest > FIRST_EVENTS ? newest - FIRST_EVENTS : 0;
}

static void serve_events(void *context, struct http_request *request)
{
	struct watch *watch = context;
	static const struct buffer none = { .data = (uint8_t *)"[]", .size = 2 };
	struct watcher *watcher = calloc(1, sizeof *watcher);
	const char *id = http_header(request, "Last-Event-ID");
	struct buffer out = { 0 };
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
	watch->count++;
	buffer_append_text(&out, "retry: 1000\n\n");
	if (reset)
		buffer_append_text(&out, "event: reset\ndata: {}\n\n");
	put_stats(watch, &none, &out);
	(void)!http_stream_send(watcher->stream, buffer_bytes(&out));
	buffer_clear(&out);
	events_came(watch);
}

void watch_counts(const struct watch *watch, int64_t *watchers, int64_t *dropped)
{
	*watchers = watch->count;
	*dropped = watch->dropped;
}

bool watch_open(struct watch **out, struct board *board, struct loop *loop,
        struct http *http, struct fault *fault)
{
	struct watch *watch = calloc(1, sizeof *watch);

	if (watch == NULL)
		return fault_memory(fault);
	*out = watch;
	watch->board = board;
	watch->out_after = watch->out_last = -1;
	identity_random(watch->life);
	watch->life[8] = '\0';
	watch->routes[0] =
	        (struct http_route){ "GET", "/events", NULL, 0, serve_events, watch };
	http_serve(http, watch->routes);
	loop_on_wake(loop, events_came, watch);
	return loop_timer_open(loop, &watch->behind, events_came, watch, fault);
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
