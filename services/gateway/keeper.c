/* SPDX-License-Identifier: MIT */
/*
 * Two queues under one lock: what the loop hands in, what the keeper hands back. The
 * keeper sleeps in poll() on an eventfd, which the loop's thread rings when it hands
 * something in, and on the producer's descriptor.
 *
 * Confirmations are written into the next group; when there is none they wait a moment
 * for company, since a crash meanwhile only sends again what readers drop.
 */
#include "keeper.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "question.h"

enum {
	GROUP_POSTS = 256,
	GROUP_BYTES = 256 * 1024,
	WAITING_POSTS = 4096,
	WAITING_BYTES = 16 * 1024 * 1024,
	NEWS_POSTS = 16, /* are stored while the loop takes the next */
	MARK_MS = 50,
	EXPIRE_ROWS = 32,
	CARRY_ROWS = 512,
};

struct keeper {
	struct loop *loop;
	const struct conf *conf;
	const struct timekeeper *timekeeper;
	int32_t newest_day; /* when it was opened */
	int64_t next_order; /* when it was opened */
	struct spool *spool;
	size_t topic_count;
	struct forward *forward;
	struct room *room;
	pthread_t thread;
	bool has_thread;
	size_t news; /* posts of which the keeper has not heard; the loop's own */
	atomic_bool ending;
	atomic_bool renewing;
	int bell;
	pthread_mutex_t lock; /* of all below */
	struct keeper_post *posts;
	struct keeper_post **posts_end;
	size_t waiting_posts;
	size_t waiting_bytes;
	struct keeper_question *questions;
	struct keeper_post *kept; /* to be answered on the loop's thread */
	struct keeper_post **kept_end;
	struct keeper_question *answered;
	bool ill;
	struct fault illness; /* one that is STOP is never taken back */
	bool places_wanted;
	struct keeper_place places[SPOOL_STREAMS];
	size_t place_count;
	/* the keeper's thread only */
	int64_t marks_since_us; /* 0: none are waiting */
};

static void ring(struct keeper *keeper)
{
	uint64_t one = 1;

	if (write(keeper->bell, &one, sizeof one) < 0)
		return; /* the counter is full: it rings already */
}

/* On the loop's thread */

bool keeper_post(struct keeper *keeper, struct keeper_post *post, struct fault *fault)
{
	bool full;

	post->next = NULL;
	post->bytes = 0;
	for (size_t i = 0; i < post->count; i++)
		post->bytes +=
		        post->drafts[i].value.size + post->drafts[i].headers.size;
	pthread_mutex_lock(&keeper->lock);
	full = keeper->waiting_posts >= WAITING_POSTS
	       || keeper->waiting_bytes + post->bytes > WAITING_BYTES;
	if (!full) {
		*keeper->posts_end = post;
		keeper->posts_end = &post->next;
		keeper->waiting_posts++;
		keeper->waiting_bytes += post->bytes;
	}
	pthread_mutex_unlock(&keeper->lock);
	if (full)
		return fault_code(
		        fault, FAULT_RETRY, "busy", "too many posts are waiting");
	if (++keeper->news == NEWS_POSTS)
		keeper_tell(keeper);
	return true;
}

void keeper_tell(struct keeper *keeper)
{
	if (keeper->news > 0)
		ring(keeper);
	keeper->news = 0;
}

void keeper_ask(struct keeper *keeper, struct keeper_question *question)
{
	pthread_mutex_lock(&keeper->lock);
	question->next = keeper->questions;
	keeper->questions = question;
	pthread_mutex_unlock(&keeper->lock);
	ring(keeper);
}

void keeper_renew(struct keeper *keeper)
{
	atomic_store(&keeper->renewing, true);
	ring(keeper);
}

size_t keeper_places(struct keeper *keeper, struct keeper_place out[SPOOL_STREAMS])
{
	size_t count;

	pthread_mutex_lock(&keeper->lock);
	count = keeper->place_count;
	memcpy(out, keeper->places, count * sizeof *out);
	keeper->places_wanted = true;
	pthread_mutex_unlock(&keeper->lock);
	ring(keeper);
	return count;
}

bool keeper_is_ill(const struct keeper *keeper, struct fault *out)
{
	struct keeper *self = (struct keeper *)keeper;
	bool ill;

	pthread_mutex_lock(&self->lock);
	ill = self->ill;
	*out = self->illness;
	pthread_mutex_unlock(&self->lock);
	return ill;
}

static void hand_out(void *context)
{
	struct keeper *keeper = context;
	struct keeper_post *post;
	struct keeper_question *question;

	pthread_mutex_lock(&keeper->lock);
	post = keeper->kept;
	keeper->kept = NULL;
	keeper->kept_end = &keeper->kept;
	question = keeper->answered;
	keeper->answered = NULL;
	pthread_mutex_unlock(&keeper->lock);
	while (post != NULL) {
		struct keeper_post *next = post->next;

		post->done(post->context, post);
		post = next;
	}
	while (question != NULL) {
		struct keeper_question *next = question->next;

		question->done(question->context, question);
		question = next;
	}
}

/* On the keeper's thread */

/* Take a group off the queue: whatever waits, within the bounds; one unit at least. */
static struct keeper_post *take_group(struct keeper *keeper)
{
	struct keeper_post *group;
	struct keeper_post *last = NULL;
	size_t posts = 0;
	size_t bytes = 0;

	pthread_mutex_lock(&keeper->lock);
	group = keeper->posts;
	for (struct keeper_post *at = group; at != NULL; at = at->next) {
		if (last != NULL
		        && (posts == GROUP_POSTS || bytes + at->bytes > GROUP_BYTES))
			break;
		posts++;
		bytes += at->bytes;
		last = at;
	}
	if (last != NULL) {
		keeper->posts = last->next;
		if (keeper->posts == NULL)
			keeper->posts_end = &keeper->posts;
		last->next = NULL;
		keeper->waiting_posts -= posts;
		keeper->waiting_bytes -= bytes;
	}
	pthread_mutex_unlock(&keeper->lock);
	return group;
}

/* Nothing more can be done in this process: it must begin again. */
static bool is_broken(const struct keeper *keeper)
{
	struct fault illness;

	return keeper_is_ill(keeper, &illness) && illness.kind == FAULT_STOP;
}

static bool is_full(const struct fault *fault)
{
	return fault->kind == FAULT_RETRY && strcmp(fault->code, "disk-full") == 0;
}

static void note_illness(struct keeper *keeper, const struct fault *fault)
{
	bool changed = false;

	if (fault != NULL && is_full(fault)) {
		room_note_refused(keeper->room);
		return;
	}
	pthread_mutex_lock(&keeper->lock);
	if (!keeper->ill || keeper->illness.kind != FAULT_STOP) {
		changed = keeper->ill != (fault != NULL);
		keeper->ill = fault != NULL;
		if (fault != NULL)
			keeper->illness = *fault;
	}
	pthread_mutex_unlock(&keeper->lock);
	if (changed && fault != NULL)
		log_fault(NULL, "cannot store events", fault);
	else if (changed)
		log_info(NULL, "events can be stored again");
}

/* All drafts of one post, or none of them. False when the group itself is lost. */
static bool store_post(struct keeper *keeper, struct keeper_post *post)
{
	bool repeated = true;

	if (post->receipts == NULL)
		post->receipts = calloc(post->count, sizeof *post->receipts);
	if (post->receipts == NULL)
		return fault_memory(&post->fault);
	if (post->count > 1 && !spool_mark(keeper->spool, &post->fault))
		return false;
	for (size_t i = 0; i < post->count; i++) {
		struct spool_receipt *receipt = &post->receipts[i];

		if (!spool_append(
		            keeper->spool, &post->drafts[i], receipt, &post->fault)) {
			post->result = KEEPER_FAILED;
			post->failed = i;
			if (post->fault.kind != FAULT_REJECT)
				return false;
			return post->count == 1
			       || spool_undo(keeper->spool, &post->fault);
		}
		repeated = repeated && receipt->repeated;
	}
	post->result = repeated ? KEEPER_REPEATED : KEEPER_KEPT;
	return true;
}

/* Only by a day that is sure. */
static bool expire(struct keeper *keeper, struct fault *fault)
{
	int32_t today = timekeeper_sure_day(keeper->timekeeper);
	int32_t keep_days = (int32_t)conf_number(keeper->conf, "keep_days");

	return today == 0
	       || (spool_note_day(keeper->spool, today, fault)
	               && spool_expire(
	                       keeper->spool, today - keep_days, EXPIRE_ROWS, fault));
}

static bool store_group(
        struct keeper *keeper, struct keeper_post *group, struct fault *fault)
{
	if (!spool_begin(keeper->spool, fault))
		return false;
	for (struct keeper_post *post = group; post != NULL; post = post->next) {
		if (!store_post(keeper, post)) {
			*fault = post->fault;
			spool_rollback(keeper->spool);
			return false;
		}
	}
	keeper->marks_since_us = 0;
	if (!forward_mark(keeper->forward, fault) || !expire(keeper, fault)) {
		spool_rollback(keeper->spool);
		return false;
	}
	return spool_commit(keeper->spool, fault);
}

static void fail_group(struct keeper_post *group, const struct fault *fault)
{
	for (; group != NULL; group = group->next) {
		group->result = KEEPER_FAILED;
		group->fault = *fault;
	}
}

static void hand_back(struct keeper *keeper, struct keeper_post *group)
{
	struct keeper_post *last = group;

	if (group == NULL)
		return;
	while (last->next != NULL)
		last = last->next;
	pthread_mutex_lock(&keeper->lock);
	*keeper->kept_end = group;
	keeper->kept_end = &last->next;
	pthread_mutex_unlock(&keeper->lock);
	loop_wake(keeper->loop);
}

/* An answer waits for the second witness too: docs/decisions/0011. */
static void bear_witness(struct keeper *keeper, struct keeper_post *group)
{
	struct fault fault = { 0 };

	if (!spool_witness(keeper->spool, &fault)) {
		fail_group(group, &fault);
		note_illness(keeper, &fault);
	}
}

static bool any_is_kept(const struct keeper_post *group)
{
	while (group != NULL && group->result != KEEPER_KEPT)
		group = group->next;
	return group != NULL;
}

/* Store what waits. True when there was something. */
static bool serve_posts(struct keeper *keeper)
{
	struct keeper_post *group = take_group(keeper);
	struct fault fault = { 0 };

	if (group == NULL)
		return false;
	if (room_stage(keeper->room) == ROOM_NONE) {
		fault_code(&fault, FAULT_RETRY, "disk-full", "no room on the disk");
		fail_group(group, &fault);
	} else if (store_group(keeper, group, &fault)) {
		note_illness(keeper, NULL);
		bear_witness(keeper, group);
		if (any_is_kept(group))
			room_note_stored(keeper->room);
	} else {
		fail_group(group, &fault);
		note_illness(keeper, &fault);
	}
	hand_back(keeper, group);
	return true;
}

static void write_marks(struct keeper *keeper)
{
	struct fault fault = { 0 };
	int64_t now_us = clock_monotonic_us();

	if (!forward_has_marks(keeper->forward))
		return;
	if (keeper->marks_since_us == 0)
		keeper->marks_since_us = now_us;
	if (now_us - keeper->marks_since_us < MARK_MS * 1000)
		return;
	if (!store_group(keeper, NULL, &fault))
		note_illness(keeper, &fault);
}

/* Under the lock. */
static void note_places(struct keeper *keeper)
{
	keeper->places_wanted = false;
	keeper->place_count = spool_stream_count(keeper->spool);
	for (size_t i = 0; i < keeper->place_count; i++) {
		const struct spool_stream *stream = spool_stream(keeper->spool, i);

		keeper->places[i] = (struct keeper_place){ stream->topic,
			stream->anchor, forward_last(keeper->forward, i) };
	}
}

static void serve_questions(struct keeper *keeper)
{
	struct keeper_question *list;
	struct keeper_question *last = NULL;

	pthread_mutex_lock(&keeper->lock);
	list = keeper->questions;
	keeper->questions = NULL;
	if (keeper->places_wanted)
		note_places(keeper);
	pthread_mutex_unlock(&keeper->lock);
	if (list == NULL)
		return;
	for (struct keeper_question *at = list; at != NULL; at = at->next) {
		question_answer(at, keeper->spool, keeper->forward);
		if (!at->ok && at->fault.kind == FAULT_STOP)
			note_illness(keeper, &at->fault);
		last = at;
	}
	pthread_mutex_lock(&keeper->lock);
	last->next = keeper->answered;
	keeper->answered = list;
	pthread_mutex_unlock(&keeper->lock);
	loop_wake(keeper->loop);
}

/* A slice of what was set aside. True while there is more. */
static bool carry_over(struct keeper *keeper)
{
	struct spool_loss loss;
	struct fault fault = { 0 };

	spool_loss(keeper->spool, &loss);
	if (!loss.any || loss.done)
		return false;
	if (!spool_carry_over(keeper->spool, CARRY_ROWS, &fault)) {
		note_illness(keeper, &fault);
		return false;
	}
	bear_witness(keeper, NULL);
	spool_loss(keeper->spool, &loss);
	if (loss.done)
		log_warn(NULL,
		        "carried over from %s: %lld events are sent under their old "
		        "numbers, %lld are missing",
		        loss.file, (long long)loss.carried, (long long)loss.missing);
	return !loss.done;
}

static void wait_for_work(struct keeper *keeper)
{
	struct pollfd fds[2] = { { .fd = keeper->bell, .events = POLLIN },
		{ .fd = forward_fd(keeper->forward), .events = POLLIN } };
	int wait_ms = forward_wait_ms(keeper->forward);
	uint64_t count;

	if (keeper->marks_since_us != 0 && wait_ms > MARK_MS)
		wait_ms = MARK_MS;
	poll(fds, fds[1].fd >= 0 ? 2 : 1, wait_ms);
	if ((fds[0].revents & POLLIN) != 0
	        && read(keeper->bell, &count, sizeof count) < 0)
		return;
}

/* Older lives than there is room for are opened when those before have nothing left. */
static bool is_time_for_older(const struct keeper *keeper)
{
	if (spool_hidden(keeper->spool) == 0 || forward_has_marks(keeper->forward))
		return false;
	for (size_t i = keeper->topic_count; i < spool_stream_count(keeper->spool);
	        i++) {
		const struct spool_stream *stream = spool_stream(keeper->spool, i);

		if (stream->delivered_seq < stream->last_seq)
			return false;
	}
	return true;
}

static const struct fault *older_lives_wait(struct fault *fault)
{
	(void)fault_code(
	        fault, FAULT_STOP, "internal", "spool: older lives wait to be opened");
	return fault;
}

static void look_at_spool(struct keeper *keeper)
{
	struct fault fault = { 0 };

	if (!spool_is_there(keeper->spool, &fault))
		note_illness(keeper, &fault);
	else if (is_time_for_older(keeper) && !is_broken(keeper))
		note_illness(keeper, older_lives_wait(&fault));
}

static void *keep(void *context)
{
	struct keeper *keeper = context;
	struct fault fault = { 0 };

	while (!atomic_load(&keeper->ending) && !is_broken(keeper)) {
		bool stored = serve_posts(keeper);
		bool carried = carry_over(keeper);
		enum step step;

		if (atomic_exchange(&keeper->renewing, false))
			forward_renew(keeper->forward);
		step = forward_step(keeper->forward, &fault);
		if (room_look(keeper->room))
			look_at_spool(keeper);
		if (step == STEP_FAULT)
			note_illness(keeper, &fault);
		serve_questions(keeper);
		write_marks(keeper);
		if (!spool_checkpoint(keeper->spool,
		            room_stage(keeper->room) >= ROOM_SCARCE, &fault))
			note_illness(keeper, &fault);
		if (!stored && !carried && step != STEP_DONE)
			wait_for_work(keeper);
	}
	if (is_broken(keeper))
		loop_wake(keeper->loop);
	else if (forward_has_marks(keeper->forward)
	         && !store_group(keeper, NULL, &fault))
		log_fault(NULL, "last marks", &fault);
	return NULL;
}

static void tell_past(const struct keeper *keeper)
{
	struct spool_loss loss;

	if (spool_is_copy(keeper->spool))
		log_warn(NULL,
		        "the spool comes from another machine or another file and may "
		        "still be in use there; a new life begins, incarnation=%s",
		        spool_incarnation(keeper->spool));
	if (spool_is_put_back(keeper->spool))
		log_warn(NULL,
		        "the spool's files were changed while it was closed, as by an "
		        "older copy that was put back or a new owner; a new life "
		        "begins, incarnation=%s",
		        spool_incarnation(keeper->spool));
	spool_loss(keeper->spool, &loss);
	if (loss.any)
		log_error(NULL,
		        "the spool was damaged (%s) and is kept as %s; a new one was "
		        "begun, incarnation=%s",
		        loss.reason, loss.file, spool_incarnation(keeper->spool));
}

static bool keep_private(const struct keeper *keeper, struct fault *fault)
{
	struct spool_privacy privacy;

	if (!spool_keep_private(keeper->spool, &privacy, fault))
		return false;
	if (privacy.closed > 0)
		log_warn(NULL,
		        "others could get at %d files of the spool; their mode is 0600 "
		        "now",
		        privacy.closed);
	if (privacy.open > 0)
		log_error(NULL,
		        "others can get at %d files of the spool, which belong to "
		        "another user: chown them to the gateway's",
		        privacy.open);
	return true;
}

static bool keeper_start(
        struct keeper *keeper, const struct catalog *catalog, struct fault *fault)
{
	const char *topics[16];
	const char *village = conf_text(keeper->conf, "village");
	char machine[MACHINE_BYTES];

	for (size_t i = 0; i < catalog->topic_count && i < 16; i++)
		topics[i] = catalog->topics[i].topic;
	machine_words(keeper->conf, machine, sizeof machine);
	if (!spool_open(&keeper->spool, conf_text(keeper->conf, "spool"), village,
	            machine, topics, catalog->topic_count, fault)
	        || !keep_private(keeper, fault)
	        || !room_open(&keeper->room, keeper->conf, fault)
	        || !forward_open(&keeper->forward, keeper->spool, keeper->conf, village,
	                catalog->modulus, fault))
		return false;
	keeper->topic_count = catalog->topic_count;
	keeper->newest_day = spool_newest_day(keeper->spool);
	if (!spool_next_order(keeper->spool, &keeper->next_order, fault))
		return false;
	note_places(keeper);
	tell_past(keeper);
	loop_on_wake(keeper->loop, hand_out, keeper);
	keeper->has_thread = pthread_create(&keeper->thread, NULL, keep, keeper) == 0;
	return keeper->has_thread || fault_memory(fault);
}

bool keeper_open(struct keeper **out, struct loop *loop, const struct conf *conf,
        const struct catalog *catalog, const struct timekeeper *timekeeper,
        struct fault *fault)
{
	struct keeper *keeper = calloc(1, sizeof *keeper);

	if (keeper == NULL)
		return fault_memory(fault);
	keeper->loop = loop;
	keeper->conf = conf;
	keeper->timekeeper = timekeeper;
	keeper->posts_end = &keeper->posts;
	keeper->kept_end = &keeper->kept;
	pthread_mutex_init(&keeper->lock, NULL);
	keeper->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (keeper->bell < 0 || !keeper_start(keeper, catalog, fault)) {
		if (keeper->bell < 0)
			fault_memory(fault);
		keeper_close(&keeper);
		return false;
	}
	*out = keeper;
	return true;
}

/* What was not begun is told so: nothing of it is on disk. */
static void give_up_waiting(struct keeper *keeper)
{
	struct fault fault = { 0 };

	fault_code(&fault, FAULT_RETRY, "stopping", "the gateway is stopping");
	fail_group(keeper->posts, &fault);
	*keeper->kept_end = keeper->posts;
	keeper->posts = NULL;
	while (keeper->questions != NULL) {
		struct keeper_question *question = keeper->questions;

		keeper->questions = question->next;
		question->fault = fault;
		question->next = keeper->answered;
		keeper->answered = question;
	}
	hand_out(keeper);
}

void keeper_close(struct keeper **keeper)
{
	struct keeper *old = *keeper;

	if (old == NULL)
		return;
	if (old->has_thread) {
		atomic_store(&old->ending, true);
		ring(old);
		pthread_join(old->thread, NULL);
	}
	give_up_waiting(old);
	forward_close(&old->forward);
	room_close(&old->room);
	spool_close(&old->spool);
	if (old->bell >= 0)
		close(old->bell);
	pthread_mutex_destroy(&old->lock);
	free(old);
	*keeper = NULL;
}

const char *keeper_incarnation(const struct keeper *keeper)
{
	return spool_incarnation(keeper->spool);
}

enum room_stage keeper_room(const struct keeper *keeper)
{
	return room_stage(keeper->room);
}

enum room_stage keeper_room_told(const struct keeper *keeper)
{
	return room_told(keeper->room);
}

int32_t keeper_newest_day(const struct keeper *keeper)
{
	return keeper->newest_day;
}

int64_t keeper_next_order(const struct keeper *keeper)
{
	return keeper->next_order;
}
