/* SPDX-License-Identifier: MIT */
#include "flow/forward.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

enum {
	SLICE = 256,   /* events of one stream before the next has its turn */
	WINDOW = 1024, /* sent and not confirmed, of one stream */
	FIRST_PAUSE_MS = 1000,
	LONGEST_PAUSE_MS = 300000,
	IDLE_MS = 1000,
};

struct lane {
	int64_t sent_seq;      /* last one handed to the producer */
	int64_t confirmed_seq; /* last one that the broker confirmed, all before it too
	                        */
	int64_t delivered;     /* confirmed since the start, for metrics */
	int64_t last_offset;
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
	int64_t window;
	bool failed;       /* a report failed: nothing more is sent by this producer */
	bool blocked;      /* the broker's configuration is at fault */
	int64_t resume_us; /* monotonic: when to begin again */
	int64_t pause_ms;
	enum producer_link known_link;
	int64_t since_us;
	char reason[160];
	struct fault *fault;
	/* while a slice is read */
	size_t reading;
};

static void on_report(void *context, const struct producer_report *report)
{
	struct forward *forward = context;
	struct lane *lane = &forward->lanes[report->stream];

	if (forward->failed)
		return;
	if (!report->delivered) {
		forward->failed = true;
		forward->blocked = report->configuration;
		snprintf(forward->reason, sizeof forward->reason, "%s", report->reason);
		return;
	}
	if (report->seq <= lane->confirmed_seq)
		return; /* a repeat of what was confirmed before */
	if (report->offset >= 0 && report->offset <= lane->last_offset)
		log_warn(NULL, "the topic of stream %zu went back to offset %lld",
		        report->stream, (long long)report->offset);
	lane->last_offset = report->offset;
	lane->confirmed_seq = report->seq;
	lane->delivered++;
	forward->window = WINDOW;
	forward->pause_ms = 0;
	forward->reason[0] = '\0';
}

static void rewind_lanes(struct forward *forward)
{
	for (size_t i = 0; i < forward->lane_count; i++)
		forward->lanes[i].sent_seq = forward->lanes[i].confirmed_seq;
}

static bool open_producer(struct forward *forward, struct fault *fault)
{
	rewind_lanes(forward);
	forward->failed = false;
	forward->known_link = LINK_UNKNOWN;
	return producer_open(&forward->producer, PRODUCER_EVENTS, forward->conf,
	        on_report, forward, fault);
}

static bool forward_start(struct forward *forward, struct fault *fault)
{
	forward->lanes = calloc(forward->lane_count, sizeof *forward->lanes);
	if (forward->lanes == NULL)
		return fault_memory(fault);
	for (size_t i = 0; i < forward->lane_count; i++) {
		forward->lanes[i].confirmed_seq =
		        spool_stream(forward->spool, i)->delivered_seq;
		forward->lanes[i].last_offset = -1;
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
	forward->window = WINDOW;
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
		.stream = forward->reading,
		.seq = row->seq,
	};

	return producer_send(forward->producer, &record, forward->fault);
}

/* A salvage carries over what the hub has already, with its mark. */
static void skip_delivered(struct lane *lane, int64_t delivered_seq)
{
	if (lane->confirmed_seq < delivered_seq)
		lane->confirmed_seq = delivered_seq;
	if (lane->sent_seq < lane->confirmed_seq)
		lane->sent_seq = lane->confirmed_seq;
}

/* Send a slice of one stream. *out_sent tells whether anything went. */
static bool send_slice(
        struct forward *forward, size_t stream, bool *out_sent, struct fault *fault)
{
	struct lane *lane = &forward->lanes[stream];
	int64_t last = spool_stream(forward->spool, stream)->last_seq;
	int64_t room;
	int64_t before;
	struct fault trouble = { 0 };

	skip_delivered(lane, spool_stream(forward->spool, stream)->delivered_seq);
	room = forward->window - (lane->sent_seq - lane->confirmed_seq);
	before = lane->sent_seq;
	if (last <= lane->sent_seq || room <= 0)
		return true;
	forward->reading = stream;
	forward->fault = &trouble;
	if (!spool_read(forward->spool, stream, lane->sent_seq,
	            (int)(room < SLICE ? room : SLICE), send_row, forward,
	            &lane->sent_seq, fault))
		return false;
	*out_sent |= lane->sent_seq > before;
	if (trouble.kind == FAULT_UNSURE) {
		forward->failed = true;
		forward->blocked = strcmp(trouble.code, "blocked") == 0;
		snprintf(forward->reason, sizeof forward->reason, "%.*s",
		        (int)sizeof forward->reason - 1, trouble.text);
	}
	return true;
}

/* The producer is of no more use: begin again later, from what is confirmed. */
static void pause_after_failure(struct forward *forward)
{
	if (forward->blocked) {
		forward->pause_ms =
		        (int64_t)conf_number(forward->conf, "blocked_retry_ms");
		forward->window = 1; /* alone, until it is known to pass */
	} else {
		forward->pause_ms =
		        forward->pause_ms ? forward->pause_ms * 2 : FIRST_PAUSE_MS;
		if (forward->pause_ms > LONGEST_PAUSE_MS)
			forward->pause_ms = LONGEST_PAUSE_MS;
	}
	log_warn(NULL, "%s, sending again in %lld ms from the first unconfirmed: %s",
	        forward->blocked ? "the broker refuses" : "delivery failed",
	        (long long)forward->pause_ms, forward->reason);
	forward->resume_us = clock_monotonic_us() + forward->pause_ms * 750
	                     + random() % (forward->pause_ms * 500 + 1);
	forward->since_us = clock_wall_us();
	producer_close(&forward->producer);
}

static void note_link(struct forward *forward)
{
	enum producer_link link = producer_link(forward->producer);

	if (link == forward->known_link)
		return;
	forward->since_us = clock_wall_us();
	if (link == LINK_DOWN)
		log_info(
		        NULL, "link down: no broker answers; events wait in the spool");
	else if (forward->known_link == LINK_DOWN)
		log_info(NULL, "link up");
	forward->known_link = link;
}

enum step forward_step(struct forward *forward, struct fault *fault)
{
	bool sent = false;

	if (forward->producer == NULL) {
		if (clock_monotonic_us() < forward->resume_us)
			return STEP_IDLE;
		if (!open_producer(forward, fault))
			return STEP_FAULT;
	}
	producer_poll(forward->producer);
	note_link(forward);
	for (size_t i = 0; i < forward->lane_count && !forward->failed; i++) {
		size_t stream = (forward->turn + i) % forward->lane_count;

		if (!send_slice(forward, stream, &sent, fault))
			return STEP_FAULT;
	}
	forward->turn = (forward->turn + 1) % forward->lane_count;
	if (forward->failed)
		pause_after_failure(forward);
	return sent ? STEP_DONE : STEP_IDLE;
}

bool forward_has_marks(const struct forward *forward)
{
	for (size_t i = 0; i < forward->lane_count; i++)
		if (forward->lanes[i].confirmed_seq
		        > spool_stream(forward->spool, i)->delivered_seq)
			return true;
	return false;
}

void forward_mark(struct forward *forward)
{
	for (size_t i = 0; i < forward->lane_count; i++)
		spool_delivered(forward->spool, i, forward->lanes[i].confirmed_seq);
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
	bool up = forward->producer != NULL
	          && producer_link(forward->producer) != LINK_DOWN;

	out->state = forward->blocked && forward->reason[0] ? "blocked"
	             : up                                   ? "up"
	                                                    : "down";
	out->since_us = forward->since_us;
	snprintf(out->reason, sizeof out->reason, "%s", forward->reason);
	if (!up && out->reason[0] == '\0')
		snprintf(out->reason, sizeof out->reason, "no broker answers");
}
