/* SPDX-License-Identifier: MIT */
#include "flow/forward.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

enum {
	AGAIN = 0x8000, /* in a report's stream: of those that are sent once more */
	AGAIN_WINDOW = 64,
	SLICE = 256,   /* events of one stream before the next has its turn */
	WINDOW = 1024, /* sent and not confirmed, of one stream */
	FIRST_PAUSE_MS = 1000,
	LONGEST_PAUSE_MS = 300000,
	DOWN_LONG_S = 3600,
	CLOCK_STEP_S = 10,
	IDLE_MS = 1000,
};

struct lane {
	int64_t sent_seq;      /* last one handed to the producer */
	int64_t confirmed_seq; /* last one that the broker confirmed, all before it too
	                        */
	int64_t delivered;     /* confirmed since the start, for metrics */
	int64_t last_offset;   /* of confirmed_seq; or SPOOL_OFFSET_UNKNOWN */
	int64_t last_ms;       /* by the broker's clock; -1: not known */
	int64_t unsure_seq;    /* up to here an earlier producer may have got through */
	int64_t left_seq; /* up to here this producer's requests may have carried */
	uint64_t left_requests; /* as they were then */
	int64_t unwritten_seq;  /* up to here the last report was: for sure not there */
	int64_t careful_seq;    /* up to here one at a time: one of them was refused */
	int64_t blocked_us; /* monotonic: refused, not tried again before; 0: free */
	char reason[128];   /* of the refusal */
	int64_t again_sent; /* of those that are sent once more */
	int64_t again_confirmed;
	int64_t again_from; /* as the spool had it when last looked at */
	int64_t again_to;   /* the order that the two are of; 0: none */
	bool went_back;     /* the topic lost what it had confirmed */
};

struct forward {
	struct spool *spool;
	const struct conf *conf;
	struct bytes village_code;
	int32_t partition;
	struct producer *producer;
	struct lane *lanes;
	size_t lane_count;
	size_t turn;
	bool failed;       /* a report failed: nothing more is sent by this producer */
	int64_t resume_us; /* monotonic: when to begin again */
	int64_t pause_ms;
	enum producer_link known_link;
	int64_t down_us; /* monotonic: since when no broker answers; 0: one does */
	int64_t clock_offset_us; /* wall less monotonic */
	int64_t since_us;
	char reason[160];
	char distrust[200];   /* why a broker and we do not believe each other; "" */
	int64_t distrusts_us; /* monotonic: since when this producer does not; 0 */
	struct fault *fault;
	/* while a slice is read */
	size_t reading;
	bool reading_again;
	int64_t reading_to;
};

static int64_t blocked_retry_ms(const struct forward *forward)
{
	return (int64_t)conf_number(forward->conf, "blocked_retry_ms");
}

/* Nothing more is believed of what this producer was given. */
static void fail(struct forward *forward, struct lane *lane, bool configuration,
        const char *reason)
{
	forward->failed = true;
	snprintf(forward->reason, sizeof forward->reason, "%s", reason);
	if (!configuration)
		return;
	lane->blocked_us = clock_monotonic_us() + blocked_retry_ms(forward) * 1000;
	lane->careful_seq = lane->sent_seq;
	snprintf(lane->reason, sizeof lane->reason, "%s", reason);
}

static void lose(struct forward *forward, struct lane *lane)
{
	lane->went_back = true;
	fail(forward, lane, false,
	        "the topic was made anew or lost its end; all events that are "
	        "kept are sent again");
}

static void note_offset(struct forward *forward, struct lane *lane,
        const struct producer_report *report)
{
	if (report->offset < 0)
		return;
	if (report->offset <= lane->last_offset) {
		lose(forward, lane);
		return;
	}
	lane->last_offset = report->offset;
	lane->last_ms = report->appended_at_ms;
}

/* In their order: one of another fate in between ends what is known. */
static void note_unwritten(struct lane *lane, const struct producer_report *report)
{
	int64_t known = lane->unwritten_seq > lane->confirmed_seq ? lane->unwritten_seq
	                                                          : lane->confirmed_seq;

	if (report->unwritten && (report->stream & AGAIN) == 0
	        && report->seq == known + 1)
		lane->unwritten_seq = report->seq;
}

static void on_report(void *context, const struct producer_report *report)
{
	struct forward *forward = context;
	struct lane *lane = &forward->lanes[report->stream & ~(size_t)AGAIN];

	note_unwritten(lane, report);
	if (forward->failed)
		return;
	if (!report->delivered) {
		fail(forward, lane, report->configuration, report->reason);
		return;
	}
	if ((report->stream & AGAIN) == 0 && report->seq <= lane->confirmed_seq)
		return; /* a repeat of what was confirmed before */
	note_offset(forward, lane, report);
	if (lane->went_back)
		return;
	if ((report->stream & AGAIN) != 0) {
		lane->again_confirmed = report->seq;
		return;
	}
	lane->confirmed_seq = report->seq;
	lane->delivered++;
	lane->blocked_us = 0;
	forward->pause_ms = 0;
	forward->reason[0] = '\0';
}

/* What was given to the producer before its last request may have left. */
static void note_left(const struct forward *forward, struct lane *lane)
{
	uint64_t requests = producer_requests(forward->producer);

	if (requests == lane->left_requests)
		return;
	lane->left_requests = requests;
	lane->left_seq = lane->sent_seq;
}

/* Close it and begin again later; what may have left and has no answer stays unsure. */
static bool end_producer(struct forward *forward)
{
	uint64_t before = producer_requests(forward->producer);
	uint64_t after = 0;
	bool ended = producer_take_back(&forward->producer, &after);
	bool quiet = ended && after == before;

	for (size_t i = 0; i < forward->lane_count; i++) {
		struct lane *lane = &forward->lanes[i];

		if (!quiet || lane->left_requests != before)
			lane->left_seq = lane->sent_seq;
		if (lane->left_seq > lane->unwritten_seq
		        && lane->left_seq > lane->confirmed_seq)
			lane->unsure_seq = lane->left_seq;
		lane->left_seq = 0;
		lane->left_requests = 0;
	}
	return quiet;
}

static void rewind_lanes(struct forward *forward)
{
	for (size_t i = 0; i < forward->lane_count; i++) {
		struct lane *lane = &forward->lanes[i];

		lane->sent_seq = lane->confirmed_seq;
		lane->again_sent = lane->again_confirmed;
	}
}

static void pause(struct forward *forward, int64_t pause_ms)
{
	forward->resume_us =
	        clock_monotonic_us() + pause_ms * 750 + random() % (pause_ms * 500 + 1);
}

/* It is told once, and kept while a new producer has not found out. */
static void note_distrust(struct forward *forward, const char *words)
{
	if (strcmp(forward->distrust, words) == 0)
		return;
	snprintf(forward->distrust, sizeof forward->distrust, "%s", words);
	forward->since_us = clock_wall_us();
	log_warn(NULL, "the hub and we do not believe each other: %s; events wait",
	        words);
}

/*
 * A machine that is too busy to start the library's threads is no reason to end, nor is
 * a certificate's file that is not whole.
 */
static bool settle_opening(struct forward *forward, struct fault *fault)
{
	if (fault->kind != FAULT_RETRY)
		return false;
	if (strcmp(fault->code, "trust") == 0) {
		note_distrust(forward, fault->text);
		forward->known_link = LINK_REFUSED;
		pause(forward, blocked_retry_ms(forward));
	} else {
		log_info(NULL, "%s; trying again", fault->text);
		pause(forward, FIRST_PAUSE_MS);
	}
	fault_clear(fault);
	return true;
}

static bool open_producer(struct forward *forward, struct fault *fault)
{
	rewind_lanes(forward);
	forward->failed = false;
	forward->down_us = 0;
	forward->distrusts_us = 0;
	forward->clock_offset_us = clock_wall_us() - clock_monotonic_us();
	return producer_open(&forward->producer, PRODUCER_EVENTS, forward->conf,
	               on_report, forward, fault)
	       || settle_opening(forward, fault);
}

static bool forward_start(struct forward *forward, struct fault *fault)
{
	forward->lanes = calloc(forward->lane_count, sizeof *forward->lanes);
	if (forward->lanes == NULL)
		return fault_memory(fault);
	for (size_t i = 0; i < forward->lane_count; i++) {
		forward->lanes[i].confirmed_seq =
		        spool_stream(forward->spool, i)->delivered_seq;
		forward->lanes[i].last_offset = spool_stream(forward->spool, i)->offset;
		forward->lanes[i].last_ms = -1;
	}
	return open_producer(forward, fault);
}

bool forward_open(struct forward **out, struct spool *spool, const struct conf *conf,
        const char *village_code, int32_t modulus, struct fault *fault)
{
	struct forward *forward = calloc(1, sizeof *forward);

	if (forward == NULL)
		return fault_memory(fault);
	forward->spool = spool;
	forward->conf = conf;
	forward->village_code = bytes_of(village_code);
	forward->partition = envelope_partition(forward->village_code, modulus);
	forward->lane_count = spool_stream_count(spool);
	forward->since_us = clock_wall_us();
	if (!forward_start(forward, fault)) {
		forward_close(&forward);
		return false;
	}
	*out = forward;
	return true;
}

void forward_close(struct forward **forward)
{
	if (*forward == NULL)
		return;
	producer_close(&(*forward)->producer);
	free((*forward)->lanes);
	free(*forward);
	*forward = NULL;
}

static bool send_row(void *context, const struct spool_row *row)
{
	struct forward *forward = context;
	size_t again = forward->reading_again ? AGAIN : 0;
	struct header headers[ENVELOPE_MAX_HEADERS];
	char sequence[24];
	struct producer_record record = {
		.topic = spool_stream(forward->spool, forward->reading)->topic,
		.partition = forward->partition,
		.key = forward->village_code,
		.value = row->value,
		.headers = headers,
		.header_count =
		        envelope_unpack(row->headers, row->seq, sequence, headers),
		.stream = forward->reading | again,
		.seq = row->seq,
	};

	if (again && row->seq > forward->reading_to)
		return false;
	return producer_send(forward->producer, &record, forward->fault);
}

/*
 * A salvage carries over what the hub has already; a topic that went back makes pending
 * what was delivered. False: the spool does not know of that yet.
 */
static bool follow_spool(struct lane *lane, const struct spool_stream *at)
{
	if (lane->went_back && at->offset != SPOOL_OFFSET_REWOUND)
		return false;
	if (lane->went_back) {
		lane->went_back = false;
		lane->last_offset = SPOOL_OFFSET_UNKNOWN;
		lane->last_ms = -1;
		lane->confirmed_seq = lane->sent_seq = at->delivered_seq;
		lane->careful_seq = 0; /* was of another topic */
	}
	if (lane->confirmed_seq < at->delivered_seq)
		lane->confirmed_seq = at->delivered_seq;
	if (lane->sent_seq < lane->confirmed_seq)
		lane->sent_seq = lane->confirmed_seq;
	return true;
}

/* How many more may be under way. */
static int64_t room_of(const struct lane *lane)
{
	int64_t most = lane->confirmed_seq < lane->careful_seq ? 1 : WINDOW;

	if (lane->blocked_us != 0 && clock_monotonic_us() < lane->blocked_us)
		return 0;
	return most - (lane->sent_seq - lane->confirmed_seq);
}

static bool read_slice(struct forward *forward, size_t stream, int64_t limit,
        int64_t *sent_seq, bool *out_sent, struct fault *fault)
{
	struct fault trouble = { 0 };
	int64_t before = *sent_seq;

	forward->reading = stream;
	forward->fault = &trouble;
	if (!spool_read(forward->spool, stream, before, (int)limit, send_row, forward,
	            sent_seq, fault))
		return false;
	*out_sent |= *sent_seq > before;
	if (trouble.kind == FAULT_UNSURE)
		fail(forward, &forward->lanes[stream],
		        strcmp(trouble.code, "blocked") == 0, trouble.text);
	return true;
}

/* Send a slice of one stream. *out_sent tells whether anything went. */
static bool send_slice(
        struct forward *forward, size_t stream, bool *out_sent, struct fault *fault)
{
	const struct spool_stream *at = spool_stream(forward->spool, stream);
	struct lane *lane = &forward->lanes[stream];
	int64_t room;

	if (!follow_spool(lane, at))
		return true;
	room = room_of(lane);
	forward->reading_again = false;
	if (at->last_seq <= lane->sent_seq || room <= 0)
		return true;
	lane->unwritten_seq = 0;
	note_left(forward, lane);
	return read_slice(forward, stream, room < SLICE ? room : SLICE, &lane->sent_seq,
	        out_sent, fault);
}

/*
 * What was delivered before and is asked for once more: a few at a time, and only while
 * nothing new waits. What is not kept any more is passed over.
 */
static bool send_again(
        struct forward *forward, size_t stream, bool *out_sent, struct fault *fault)
{
	const struct spool_stream *at = spool_stream(forward->spool, stream);
	struct lane *lane = &forward->lanes[stream];
	bool sent = false;
	int64_t room;

	if (lane->again_to != at->again_to || at->again_seq < lane->again_from) {
		lane->again_to = at->again_to;
		lane->again_sent = lane->again_confirmed = at->again_seq;
	}
	lane->again_from = at->again_seq;
	room = AGAIN_WINDOW - (lane->again_sent - lane->again_confirmed);
	if (at->again_to == 0 || lane->again_sent >= at->again_to || room <= 0
	        || at->last_seq > lane->sent_seq || room_of(lane) <= 0
	        || lane->went_back || forward->failed)
		return true;
	forward->reading_again = true;
	forward->reading_to = at->again_to;
	if (!read_slice(forward, stream, room, &lane->again_sent, &sent, fault))
		return false;
	if (!sent && !forward->failed && lane->again_sent == lane->again_confirmed)
		lane->again_sent = lane->again_confirmed = at->again_to;
	*out_sent |= sent;
	return true;
}

static const struct lane *blocked_lane(const struct forward *forward)
{
	for (size_t i = 0; i < forward->lane_count; i++)
		if (forward->lanes[i].blocked_us != 0)
			return &forward->lanes[i];
	return NULL;
}

/* The producer is of no more use: begin again later, from what is confirmed. */
static void pause_after_failure(struct forward *forward)
{
	bool refused = blocked_lane(forward) != NULL;

	forward->pause_ms =
	        forward->pause_ms && !refused ? forward->pause_ms * 2 : FIRST_PAUSE_MS;
	if (forward->pause_ms > LONGEST_PAUSE_MS)
		forward->pause_ms = LONGEST_PAUSE_MS;
	log_warn(NULL, "%s, sending again in %lld ms from the first unconfirmed: %s",
	        refused ? "the broker refuses" : "delivery failed",
	        (long long)forward->pause_ms, forward->reason);
	pause(forward, forward->pause_ms);
	forward->since_us = clock_wall_us();
	forward->known_link = LINK_UNKNOWN;
	end_producer(forward);
}

/*
 * The library waits by the wall clock, so that one that is set back makes it sleep;
 * after a long time without brokers a new one finds them sooner; and it reads a
 * certificate once.
 */
static bool is_stale(struct forward *forward)
{
	enum producer_link link = producer_link(forward->producer);
	int64_t now_us = clock_monotonic_us();
	int64_t offset_us = clock_wall_us() - now_us;
	bool stepped = llabs(offset_us - forward->clock_offset_us)
	               > CLOCK_STEP_S * INT64_C(1000000);

	if (link != LINK_DOWN)
		forward->down_us = 0;
	else if (forward->down_us == 0)
		forward->down_us = now_us;
	if (link != LINK_REFUSED)
		forward->distrusts_us = 0;
	else if (forward->distrusts_us == 0)
		forward->distrusts_us = now_us;
	return stepped
	       || (forward->distrusts_us != 0
	               && now_us - forward->distrusts_us
	                          > blocked_retry_ms(forward) * 1000)
	       || (forward->down_us != 0
	               && now_us - forward->down_us > DOWN_LONG_S * INT64_C(1000000));
}

/* What a new producer has not found out yet is as it was. */
static void note_link(struct forward *forward)
{
	enum producer_link link = producer_link(forward->producer);

	if (link == LINK_REFUSED)
		note_distrust(forward, producer_distrust(forward->producer));
	if (link == LINK_UNKNOWN || link == forward->known_link)
		return;
	if (link != LINK_REFUSED) {
		forward->since_us = clock_wall_us();
		forward->distrust[0] = '\0';
	}
	if (link == LINK_DOWN)
		log_info(
		        NULL, "link down: no broker answers; events wait in the spool");
	else if (link == LINK_UP && forward->known_link != LINK_UNKNOWN)
		log_info(NULL, "link up");
	forward->known_link = link;
}

/* What is blocked stays so until it is tried, which is now. */
void forward_renew(struct forward *forward)
{
	if (forward->producer != NULL)
		end_producer(forward);
	forward->resume_us = 0;
	for (size_t i = 0; i < forward->lane_count; i++)
		if (forward->lanes[i].blocked_us != 0)
			forward->lanes[i].blocked_us = 1;
}

enum step forward_step(struct forward *forward, struct fault *fault)
{
	bool sent = false;

	if (forward->producer != NULL && is_stale(forward)) {
		if (forward->distrusts_us == 0)
			log_info(NULL, "a new producer: the old one is stale");
		end_producer(forward);
	}
	if (forward->producer == NULL) {
		if (clock_monotonic_us() < forward->resume_us)
			return STEP_IDLE;
		if (!open_producer(forward, fault))
			return STEP_FAULT;
		if (forward->producer == NULL)
			return STEP_IDLE;
	}
	producer_poll(forward->producer);
	note_link(forward);
	for (size_t i = 0; i < forward->lane_count && !forward->failed; i++) {
		size_t stream = (forward->turn + i) % forward->lane_count;

		if (!send_slice(forward, stream, &sent, fault)
		        || !send_again(forward, stream, &sent, fault))
			return STEP_FAULT;
	}
	forward->turn = (forward->turn + 1) % forward->lane_count;
	if (forward->failed)
		pause_after_failure(forward);
	return sent ? STEP_DONE : STEP_IDLE;
}

/* The producer has it, and it has not left: take all back that it has. */
static bool take_back(struct forward *forward, struct lane *lane, int64_t seq)
{
	bool certain;

	note_left(forward, lane);
	if (seq <= lane->left_seq)
		return false;
	certain = end_producer(forward);
	rewind_lanes(forward);
	return certain;
}

bool forward_recall(
        struct forward *forward, size_t stream, int64_t seq, struct fault *fault)
{
	struct lane *lane = &forward->lanes[stream];
	bool refused = seq <= lane->unwritten_seq;
	bool handed = forward->producer != NULL && seq <= lane->sent_seq;

	if (seq <= lane->confirmed_seq) /* the spool will say so */
		return true;
	if (!refused
	        && (seq <= lane->unsure_seq
	                || (handed && !take_back(forward, lane, seq))))
		return fault_code(fault, FAULT_RETRY, "under-way",
		        "the hub may have the event already; its answer will tell");
	lane->blocked_us = 0;
	return true;
}

static bool has_sent_again(const struct forward *forward, size_t stream)
{
	const struct lane *lane = &forward->lanes[stream];
	const struct spool_stream *at = spool_stream(forward->spool, stream);

	return at->again_to != 0 && lane->again_to == at->again_to
	       && lane->again_confirmed > at->again_seq;
}

bool forward_has_marks(const struct forward *forward)
{
	for (size_t i = 0; i < forward->lane_count; i++)
		if (forward->lanes[i].went_back || has_sent_again(forward, i)
		        || forward->lanes[i].confirmed_seq
		                   > spool_stream(forward->spool, i)->delivered_seq)
			return true;
	return false;
}

struct spool_anchor forward_last(const struct forward *forward, size_t stream)
{
	const struct lane *lane = &forward->lanes[stream];
	struct spool_anchor last = { lane->last_offset, lane->last_ms, false };

	if (lane->last_ms < 0 || lane->went_back)
		last.offset = SPOOL_OFFSET_UNKNOWN;
	return last;
}

void forward_lost(struct forward *forward, size_t stream)
{
	if (forward->lanes[stream].went_back)
		return;
	lose(forward, &forward->lanes[stream]);
}

/* The first anchor is not waited for: there may be no look before the next start. */
static void mark_delivered(struct forward *forward, size_t stream)
{
	const struct lane *lane = &forward->lanes[stream];
	struct spool_anchor last = forward_last(forward, stream);

	spool_delivered(forward->spool, stream, lane->confirmed_seq, lane->last_offset);
	if (last.offset >= 0 && spool_stream(forward->spool, stream)->anchor.offset < 0)
		spool_anchor(forward->spool, stream, &last);
}

bool forward_mark(struct forward *forward, struct fault *fault)
{
	for (size_t i = 0; i < forward->lane_count; i++) {
		struct lane *lane = &forward->lanes[i];

		if (!lane->went_back)
			mark_delivered(forward, i);
		else if (!spool_rewind(forward->spool, i, fault))
			return false;
		if (has_sent_again(forward, i))
			spool_again_done(forward->spool, i, lane->again_confirmed);
	}
	return true;
}

int forward_fd(const struct forward *forward)
{
	return forward->producer ? producer_fd(forward->producer) : -1;
}

int forward_wait_ms(const struct forward *forward)
{
	int64_t left_us;

	if (forward->producer != NULL)
		return IDLE_MS;
	left_us = forward->resume_us - clock_monotonic_us();
	return left_us <= 0 ? 0 : (int)(left_us / 1000 + 1);
}

int64_t forward_delivered(const struct forward *forward, size_t stream)
{
	return forward->lanes[stream].delivered;
}

void forward_link(const struct forward *forward, struct forward_link *out)
{
	const struct lane *blocked = blocked_lane(forward);
	bool distrusts = forward->distrust[0] != '\0';
	bool up = forward->producer != NULL && forward->known_link != LINK_DOWN;

	out->state = distrusts || blocked != NULL ? "blocked" : up ? "up" : "down";
	out->since_us = forward->since_us;
	if (distrusts)
		snprintf(out->reason, sizeof out->reason, "%s", forward->distrust);
	else if (blocked != NULL)
		snprintf(out->reason, sizeof out->reason, "%s: %s",
		        spool_stream(forward->spool, (size_t)(blocked - forward->lanes))
		                ->topic,
		        blocked->reason);
	else
		snprintf(out->reason, sizeof out->reason, "%s",
		        up || forward->reason[0] != '\0' ? forward->reason
		                                         : "no broker answers");
}
