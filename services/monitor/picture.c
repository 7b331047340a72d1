/* SPDX-License-Identifier: MIT */
/* The board as JSON. */
#include "base/clock.h"
#include "board_parts.h"

#define MINUTE_US INT64_C(60000000)

static void put_topic(
        const struct topic_counts *counts, int64_t now_us, struct buffer *out)
{
	int64_t minute = now_us / MINUTE_US;
	int64_t second = now_us / 1000000;
	int64_t recent = 0;

	for (size_t i = 0; i <= RATE_SECONDS; i++)
		if (counts->second_of[i] < second
		        && counts->second_of[i] >= second - RATE_SECONDS)
			recent += counts->seconds[i];
	buffer_append_text(out, "{\"topic\":");
	buffer_append_json(out, bytes_of(counts->topic));
	buffer_format(out, ",\"total\":%lld,\"rate\":%.1f,\"minutes\":[",
	        (long long)counts->total, (double)recent / RATE_SECONDS);
	for (int64_t at = minute - BOARD_MINUTES + 1; at <= minute; at++) {
		size_t place = (size_t)(at % BOARD_MINUTES);

		buffer_format(out, "%s%lld", at > minute - BOARD_MINUTES + 1 ? "," : "",
		        counts->minute_of[place] == at
		                ? (long long)counts->minutes[place]
		                : 0LL);
	}
	buffer_append_text(out, "]}");
}

static void put_topics(const struct board *board, int64_t now_us, struct buffer *out)
{
	buffer_append_text(out, ",\"topics\":[");
	for (size_t i = 0; i < board->topic_count; i++) {
		if (i > 0)
			buffer_append_byte(out, ',');
		put_topic(&board->topics[i], now_us, out);
	}
	buffer_append_byte(out, ']');
}

static void put_ms(const char *name, int64_t span_us, struct buffer *out)
{
	buffer_append_text(out, name);
	if (span_us >= 0)
		buffer_format(out, "%.1f", (double)span_us / 1000);
	else
		buffer_append_text(out, "null");
}

/* Of the newest minute that had events and the one before it. */
static void put_latency(const struct board *board, int64_t now_us, struct buffer *out)
{
	struct spread recent = { 0 };
	int64_t now = now_us / MINUTE_US;

	for (int64_t at = now, taken = 0; at > now - BOARD_MINUTES && taken < 2; at--) {
		const struct minute *minute = &board->minutes[at % BOARD_MINUTES];

		if (minute->number == at && minute->delivered.total > 0)
			spread_take(&recent, &minute->delivered);
		taken += recent.total > 0;
	}
	put_ms(",\"latency\":{\"p50_ms\":", spread_at(&recent, 500), out);
	put_ms(",\"p99_ms\":", spread_at(&recent, 990), out);
	put_ms(",\"applied_p50_ms\":", departments_worst(&board->departments, false),
	        out);
	put_ms(",\"applied_p99_ms\":", departments_worst(&board->departments, true),
	        out);
	buffer_append_byte(out, '}');
}

enum series { DELIVERED_P50, DELIVERED_P99, APPLIED_P99, WAITING };

static void put_point(
        const struct minute *minute, enum series series, struct buffer *out)
{
	switch (series) {
	case DELIVERED_P50:
		put_ms("", spread_at(&minute->delivered, 500), out);
		return;
	case DELIVERED_P99:
		put_ms("", spread_at(&minute->delivered, 990), out);
		return;
	case APPLIED_P99:
		put_ms("", minute->applied_p99_us, out);
		return;
	case WAITING:
		if (minute->waiting >= 0)
			buffer_format(out, "%lld", (long long)minute->waiting);
		else
			buffer_append_text(out, "null");
		return;
	}
}

static void put_minutes(const struct board *board, int64_t now_us, struct buffer *out)
{
	static const char *const names[] = { "delivered_p50_ms", "delivered_p99_ms",
		"applied_p99_ms", "waiting" };
	static const struct minute none = { .applied_p99_us = -1, .waiting = -1 };
	int64_t first = now_us / MINUTE_US - BOARD_MINUTES + 1;

	buffer_append_text(out, ",\"minutes\":{\"from\":");
	clock_append_json(first * MINUTE_US, out);
	for (enum series series = DELIVERED_P50; series <= WAITING; series++) {
		buffer_format(out, ",\"%s\":[", names[series]);
		for (int64_t at = first; at < first + BOARD_MINUTES; at++) {
			const struct minute *minute =
			        &board->minutes[at % BOARD_MINUTES];

			if (at > first)
				buffer_append_byte(out, ',');
			put_point(minute->number == at ? minute : &none, series, out);
		}
		buffer_append_byte(out, ']');
	}
	buffer_append_byte(out, '}');
}

static void put_villages(const struct village_sums *sums, struct buffer *out)
{
	buffer_format(out,
	        ",\"waiting\":%lld,\"oldest_waiting_at\":", (long long)sums->pending);
	clock_append_json(sums->oldest_pending_us, out);
	buffer_append_text(out, ",\"states\":{");
	for (enum village_state state = 0; state < VILLAGE_STATES; state++)
		buffer_format(out, "%s\"%s\":%lld", state > 0 ? "," : "",
		        village_state_name(state), (long long)sums->states[state]);
	buffer_append_byte(out, '}');
}

static void put_stats(const struct board *board, int64_t now_us, struct buffer *out)
{
	struct village_sums sums;
	int64_t villages = 0;

	villages_sum(board->villages, &sums);
	for (int i = 0; i < VILLAGE_STATES; i++)
		villages += sums.states[i];
	buffer_append_text(out, "{\"time\":");
	clock_append_json(now_us, out);
	buffer_format(out,
	        ",\"broker\":\"%s\",\"reading\":%s,\"undecodable\":%lld,"
	        "\"villages_seen\":%lld,\"villages\":%lld,\"newest\":%lld",
	        board->broker_is_up ? "up" : "down",
	        board->is_reading ? "true" : "false", (long long)board->undecodable,
	        (long long)sums.seen, (long long)villages, (long long)board->newest);
	put_topics(board, now_us, out);
	put_latency(board, now_us, out);
	put_minutes(board, now_us, out);
	put_villages(&sums, out);
	buffer_append_text(out, ",\"departments\":");
	departments_put(&board->departments, now_us, false, out);
	buffer_append_text(out, ",\"alarms\":");
	alarms_put(&board->alarms, out);
}

void board_stats(struct board *board, const struct buffer *changed, struct buffer *out)
{
	pthread_mutex_lock(&board->lock);
	put_stats(board, clock_wall_us(), out);
	pthread_mutex_unlock(&board->lock);
	if (changed != NULL) {
		buffer_append_text(out, ",\"changed\":");
		buffer_append(out, changed->data, changed->size);
	}
	buffer_append_byte(out, '}');
}

void board_villages(struct board *board, struct buffer *out)
{
	buffer_append_text(out, "{\"villages\":");
	pthread_mutex_lock(&board->lock);
	villages_put(board->villages, out);
	pthread_mutex_unlock(&board->lock);
	buffer_append_byte(out, '}');
}

bool board_has_village(const struct board *board, const char *code)
{
	return villages_find(board->villages, code) != NULL; /* the register is fixed */
}

void board_village(
        struct board *board, const char *code, struct bytes streams, struct buffer *out)
{
	const struct village *village;

	pthread_mutex_lock(&board->lock);
	village = villages_find(board->villages, code);
	if (village != NULL)
		village_put_whole(village, streams, out);
	pthread_mutex_unlock(&board->lock);
}

void board_departments(struct board *board, struct buffer *out)
{
	buffer_append_text(out, "{\"departments\":");
	pthread_mutex_lock(&board->lock);
	departments_put(&board->departments, clock_wall_us(), true, out);
	pthread_mutex_unlock(&board->lock);
	buffer_append_byte(out, '}');
}
