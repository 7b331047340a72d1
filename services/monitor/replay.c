/* SPDX-License-Identifier: MIT */
/*
 * GET /replay: the past as Server-Sent Events. Each replay has a thread of its own,
 * which reads and waits, and hands over what it has made to the loop, which sends it.
 * The thread stops while its watcher has not taken what was handed over: a slow watcher
 * slows his own replay and nobody else. Nothing is kept between two requests; who goes
 * on says behind which event.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "access.h"
#include "asked.h"
#include "base/clock.h"
#include "base/log.h"
#include "flow/replay_words.h"
#include "monitor.h"

enum {
	WAIT_MS = 50,
	POSITION_US = 250000,
	HAND_OVER_BYTES = 16 * 1024,
	AHEAD_BYTES = 64 * 1024, /* handed over, and not yet taken */
	AGAIN_MS = 20,
	SLOW_US = 60000000,
};

/* One replay. Its lock guards `waiting` and `done`; the stream is the loop's. */
struct play {
	struct play *next;
	struct replays *replays;
	struct asked asked;
	struct asker asker;
	struct http_request *request; /* until it is answered */
	struct http_stream *stream;   /* NULL: the watcher has gone */
	struct buffer sending;        /* taken over, and not yet taken by the stream */
	int64_t full_us;              /* monotonic: the stream takes nothing since; 0 */
	pthread_t thread;
	bool has_thread; /* not yet while who asks is being kept */
	atomic_bool leaving;
	pthread_mutex_t lock;
	pthread_cond_t taken;
	struct buffer waiting;
	bool done; /* the thread hands over nothing more */
	/* The thread's own. */
	struct replay *replay;
	struct buffer made;
	int64_t events;
	int64_t position_us;         /* monotonic: when the next position is due */
	struct replay_cursor cursor; /* of the last event; topic SIZE_MAX: none yet */
};

struct replays {
	const struct conf *conf;
	const struct catalog *catalog;
	struct access *access;
	struct desk *desk;
	struct loop_timer *again;
	int fd; /* readable: something was handed over */
	struct play *plays;
	size_t count;
	struct http_route routes[2];
};

/* The thread */

static void wake_loop(struct replays *replays)
{
	const uint64_t one = 1;

	(void)!write(replays->fd, &one, sizeof one);
}

/* Wait until the loop has taken enough; false: the watcher has gone. */
static bool hand_over(struct play *play)
{
	bool ok;

	pthread_mutex_lock(&play->lock);
	while (play->waiting.size > AHEAD_BYTES && !atomic_load(&play->leaving))
		pthread_cond_wait(&play->taken, &play->lock);
	buffer_append(&play->waiting, play->made.data, play->made.size);
	ok = !play->waiting.failed && !play->made.failed;
	pthread_mutex_unlock(&play->lock);
	buffer_reset(&play->made);
	wake_loop(play->replays);
	return ok && !atomic_load(&play->leaving);
}

static void put_event(struct play *play, const struct replay_event *event)
{
	char id[REPLAY_CURSOR_BYTES];

	replay_cursor_text(&event->cursor, id);
	buffer_format(&play->made, "id: %s\nevent: event\ndata: ", id);
	replay_json(play->replay, event, play->asker.view, &play->made);
	buffer_append_text(&play->made, "\n\n");
}

static void put_position(struct play *play)
{
	char id[REPLAY_CURSOR_BYTES];

	buffer_append_text(&play->made, "event: position\ndata: {\"at\":");
	clock_append_json(replay_clock(play->replay), &play->made);
	if (play->cursor.topic != SIZE_MAX) {
		replay_cursor_text(&play->cursor, id);
		buffer_format(&play->made, ",\"cursor\":\"%s\"", id);
	}
	buffer_format(&play->made, ",\"events\":%" PRId64 "}\n\n", play->events);
}

static bool put_position_now_and_then(struct play *play)
{
	int64_t now_us = clock_monotonic_us();

	if (now_us < play->position_us)
		return play->made.size < HAND_OVER_BYTES || hand_over(play);
	play->position_us = now_us + POSITION_US;
	put_position(play);
	return hand_over(play);
}

static void put_cuts(struct play *play)
{
	const struct topic_range *range;

	for (size_t i = 0; replay_cut(play->replay, i, &range); i++)
		buffer_format(&play->made,
		        "event: cut\ndata: {\"topic\":\"%s\",\"partition\":%d,"
		        "\"begins_at\":%" PRId64 "}\n\n",
		        range->topic, (int)range->partition, range->low);
}

static void put_refusal(struct play *play, const struct fault *fault)
{
	bool broker = fault->kind == FAULT_RETRY;

	log_fault(NULL, "replay", fault);
	buffer_append_text(&play->made, "event: refused\ndata: {\"detail\":");
	buffer_append_json(&play->made, bytes_of(fault->text));
	buffer_append_text(&play->made, ",\"detail_id\":");
	buffer_append_json(&play->made,
	        bytes_of(broker ? "Kafka tidak menjawab; coba lagi sebentar lagi."
	                        : "Putar ulang tidak dapat diteruskan; hubungi "
	                          "pengelola Kafka."));
	buffer_append_text(&play->made, "}\n\n");
}

static void put_end(struct play *play, const char *reason)
{
	put_position(play);
	buffer_format(&play->made,
	        "event: end\ndata: {\"events\":%" PRId64 ",\"reason\":\"%s\"}\n\n",
	        play->events, reason);
}

/* What is due is handed over before the next is waited for. */
static enum step next_event(
        struct play *play, struct replay_event *event, struct fault *fault)
{
	enum step step = replay_next(play->replay, 0, event, fault);

	if (step != STEP_IDLE || replay_is_over(play->replay))
		return step;
	if (play->made.size > 0)
		hand_over(play);
	return replay_next(play->replay, WAIT_MS, event, fault);
}

/* One event or a moment of waiting. False: it is over, or nobody watches. */
static bool play_on(struct play *play, struct fault *fault)
{
	struct replay_event event;

	switch (next_event(play, &event, fault)) {
	case STEP_FAULT:
		put_refusal(play, fault);
		return false;
	case STEP_IDLE:
		if (!replay_is_over(play->replay))
			return put_position_now_and_then(play);
		put_end(play, "end");
		return false;
	case STEP_DONE:
		break;
	}
	put_event(play, &event);
	play->cursor = event.cursor;
	replay_release(&event);
	if (++play->events != play->asked.limit)
		return put_position_now_and_then(play);
	put_end(play, "limit");
	return false;
}

static void *play_all(void *context)
{
	struct play *play = context;
	struct fault fault = { 0 };

	if (replay_open(&play->replay, play->replays->conf, play->replays->catalog,
	            &play->asked.wish, &fault)) {
		put_cuts(play);
		while (!atomic_load(&play->leaving) && play_on(play, &fault))
			;
	} else {
		put_refusal(play, &fault);
	}
	replay_close(&play->replay);
	hand_over(play);
	pthread_mutex_lock(&play->lock);
	play->done = true;
	pthread_mutex_unlock(&play->lock);
	wake_loop(play->replays);
	return NULL;
}

/* The loop */

static void play_free(struct play *play)
{
	if (play->has_thread)
		pthread_join(play->thread, NULL);
	pthread_mutex_destroy(&play->lock);
	pthread_cond_destroy(&play->taken);
	buffer_clear(&play->sending);
	buffer_clear(&play->waiting);
	buffer_clear(&play->made);
	free(play);
}

static void leave(struct play *play)
{
	pthread_mutex_lock(&play->lock);
	atomic_store(&play->leaving, true);
	pthread_cond_signal(&play->taken);
	pthread_mutex_unlock(&play->lock);
}

static void watcher_gone(void *context)
{
	struct play *play = context;

	play->stream = NULL;
	leave(play);
	wake_loop(play->replays);
}

/* Take what was handed over, once all before it is sent. Returns whether that was all.
 */
static bool take_over(struct play *play)
{
	bool done;

	if (play->sending.size > 0)
		return false;
	pthread_mutex_lock(&play->lock);
	buffer_append(&play->sending, play->waiting.data, play->waiting.size);
	buffer_reset(&play->waiting);
	done = play->done;
	pthread_cond_signal(&play->taken);
	pthread_mutex_unlock(&play->lock);
	return done;
}

/* Who has read nothing for a minute holds a place that others wait for. */
static void send_away(struct play *play)
{
	static const char last[] = "event: slow\ndata: {}\n\n";
	int64_t now_us = clock_monotonic_us();

	if (play->full_us == 0)
		play->full_us = now_us;
	else if (now_us - play->full_us > SLOW_US)
		http_stream_end(play->stream, bytes_of(last));
}

/* False: the stream is full. Where nobody watches, all is thrown away. */
static bool send_taken(struct play *play)
{
	if (play->stream != NULL && play->sending.size > 0
	        && !http_stream_send(play->stream, buffer_bytes(&play->sending))) {
		send_away(play);
		return false;
	}
	play->full_us = 0;
	buffer_reset(&play->sending);
	return true;
}

/* False: the stream must be tried again. What came while it was full comes after it. */
static bool serve(struct play *play)
{
	bool was_full;
	bool done;

	do {
		was_full = play->sending.size > 0;
		done = take_over(play);
		if (!send_taken(play))
			return false;
	} while (was_full);
	if (done && play->stream != NULL)
		http_stream_close(play->stream);
	return true;
}

static bool is_finished(struct play *play)
{
	bool done;

	pthread_mutex_lock(&play->lock);
	done = play->done;
	pthread_mutex_unlock(&play->lock);
	return done && play->stream == NULL;
}

static void serve_all(void *context)
{
	struct replays *replays = context;
	bool again = false;

	for (struct play **at = &replays->plays; *at != NULL;) {
		struct play *play = *at;

		again |= !serve(play);
		if (!is_finished(play)) {
			at = &play->next;
			continue;
		}
		*at = play->next;
		replays->count--;
		play_free(play);
	}
	if (again)
		loop_timer_set(replays->again, AGAIN_MS, 0);
}

static void handed_over(void *context)
{
	struct replays *replays = context;
	uint64_t count;

	(void)!read(replays->fd, &count, sizeof count);
	serve_all(replays);
}

/* Starting */

static const struct http_problem no_memory = { 503, "memory", "Out of memory",
	"There is no memory for a replay now.",
	"Memori server habis; coba lagi sebentar lagi." };

static void drop_play(struct play *play)
{
	struct play **at = &play->replays->plays;

	while (*at != play)
		at = &(*at)->next;
	*at = play->next;
	play->replays->count--;
	play_free(play);
}

/* Who asks is kept, or need not be: a desk_kept. */
static void start_play(void *context, const struct http_problem *problem)
{
	struct play *play = context;
	struct http_request *request = play->request;

	if (problem == NULL) {
		play->has_thread =
		        pthread_create(&play->thread, NULL, play_all, play) == 0;
		problem = play->has_thread ? NULL : &no_memory;
	}
	if (problem != NULL) {
		http_refuse(request, problem, NULL);
		drop_play(play);
	} else if (!http_stream_open(request, "text/event-stream", watcher_gone, play,
	                   &play->stream)) {
		leave(play); /* a thread cannot be taken back: it ends by itself */
		http_refuse(request, &no_memory, NULL);
	}
}

/*
 * Who sees what again is kept: before the first event where it is not masked, beside it
 * where it is.
 */
static void keep_and_start(struct play *play)
{
	struct replays *replays = play->replays;
	const struct replay_wish *wish = &play->asked.wish;
	bool is_open = play->asker.view == VIEW_OPEN;
	struct buffer what = { 0 };

	replay_say(wish, replays->catalog, &what);
	buffer_append_byte(&what, 0);
	if (what.failed)
		start_play(play, &no_memory);
	else
		desk_keep(replays->desk, &play->asker, (const char *)what.data,
		        wish->village, wish->case_id, is_open ? start_play : NULL,
		        play);
	if (!is_open && !what.failed)
		start_play(play, NULL);
	buffer_clear(&what);
}

/* So that one person cannot keep everybody else out. */
static bool has_share(const struct replays *replays, const struct asker *asker)
{
	uint64_t own = 0;

	for (const struct play *at = replays->plays; at != NULL; at = at->next)
		own += strcmp(at->asker.name, asker->name) == 0;
	return !asker->is_named || own < conf_number(replays->conf, "replays_each");
}

/* False: the request was refused. */
static bool has_seat(const struct replays *replays, const struct asker *asker,
        struct http_request *request)
{
	static const struct http_problem full = {
		503, "replays", "Too many replays",
		"As many replays run as are allowed; wait until one has ended.",
		"Terlalu banyak putar ulang berjalan; tunggu sampai salah satu selesai."
	};
	static const struct http_problem greedy = { 429, "replays-each",
		"Too many replays of yours",
		"As many replays of yours run as one person may have; close one.",
		"Putar ulang Anda sudah terlalu banyak; tutup salah satu dulu." };
	const struct http_problem *problem = NULL;

	if (!has_share(replays, asker))
		problem = &greedy;
	else if (replays->count >= conf_number(replays->conf, "replays"))
		problem = &full;
	if (problem == NULL)
		return true;
	http_answer_header(request, "Retry-After", "5");
	http_refuse(request, problem, NULL);
	return false;
}

static struct play *make_play(struct replays *replays, struct http_request *request,
        const struct asker *asker)
{
	struct play *play = calloc(1, sizeof *play);

	if (play == NULL)
		return NULL;
	play->replays = replays;
	play->request = request;
	play->asker = *asker;
	play->cursor.topic = SIZE_MAX;
	pthread_mutex_init(&play->lock, NULL);
	pthread_cond_init(&play->taken, NULL);
	play->next = replays->plays;
	replays->plays = play;
	replays->count++;
	return play;
}

static void serve_replay(void *context, struct http_request *request)
{
	struct replays *replays = context;
	struct play *play;
	struct fault fault = { 0 };
	struct asker asker;

	if (!access_asker(replays->access, request, &asker)
	        || !has_seat(replays, &asker, request))
		return;
	play = make_play(replays, request, &asker);
	if (play == NULL) {
		http_refuse(request, &no_memory, NULL);
	} else if (asked_take(&play->asked, request, replays->conf, replays->catalog,
	                   &fault)) {
		keep_and_start(play);
	} else {
		asked_refuse(request, &fault);
		drop_play(play);
	}
}

bool replays_open(struct replays **out, const struct conf *conf,
        const struct catalog *catalog, struct access *access, struct desk *desk,
        struct loop *loop, struct http *http, struct fault *fault)
{
	struct replays *replays = calloc(1, sizeof *replays);

	if (replays == NULL)
		return fault_memory(fault);
	*out = replays;
	replays->conf = conf;
	replays->catalog = catalog;
	replays->access = access;
	replays->desk = desk;
	replays->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (replays->fd < 0)
		return fault_set(fault, FAULT_STOP, "eventfd: %s", strerror(errno));
	replays->routes[0] =
	        (struct http_route){ "GET", "/replay", NULL, 0, serve_replay, replays };
	http_serve(http, replays->routes);
	return loop_timer_open(loop, &replays->again, serve_all, replays, fault)
	       && loop_watch(loop, replays->fd, handed_over, replays, fault);
}

/* After the listener: its end has sent all watchers away. */
void replays_close(struct replays **replays)
{
	struct replays *old = *replays;

	if (old == NULL)
		return;
	while (old->plays != NULL) {
		struct play *play = old->plays;

		old->plays = play->next;
		leave(play);
		play_free(play);
	}
	if (old->fd >= 0)
		close(old->fd);
	free(old);
	*replays = NULL;
}
